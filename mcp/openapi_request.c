/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi_request - the arguments of a call as one request of the API.
 *
 * A value is written where the document has its parameter and stays there: in the path it is one
 * segment (escaped, never empty, "." or ".."), in the query one value, in a header one line.  The
 * body is the argument's own bytes.
 */
#include "mcp/openapi.h"

#include <string.h>

#include "base/json.h"
#include "base/url.h"

#define TARGET_BYTES 8192

/* A scalar's text; false: an object, a list, null. */
static bool
scalar(struct str raw, struct arena *a, struct str *out)
{
	switch (json_kind(raw)) {
	case JSON_STRING:
		return json_string(raw, a, out);
	case JSON_NUMBER:
	case JSON_TRUE:
	case JSON_FALSE:
		*out = raw;
		return true;
	case JSON_BAD:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

static bool
wrong(const struct openapi_param *p, struct err *e, const char *what)
{
	return err_set(e, ERR_INVALID, "argument " STR_FMT " %s", STR_ARG(p->argument), what);
}

/* Its value in the path: one segment, never "." or "..". */
static bool
segment_put(
    const struct openapi_param *p, struct str raw, struct arena *a, struct buf *out, struct err *e)
{
	struct str s;

	if (!scalar(raw, a, &s))
		return wrong(p, e, "must be a text, a number or a boolean");
	if (s.n == 0 || str_eq(s, STR(".")) || str_eq(s, STR("..")))
		return wrong(p, e, "would be another path");
	buf_url(out, s);
	return true;
}

static bool
path_put(const struct openapi_operation *op, struct str args, struct arena *a, struct buf *out,
    struct err *e)
{
	struct str rest = op->path, raw;

	while (rest.n > 0) {
		const char *open = memchr(rest.p, '{', rest.n);
		const char *close =
		    open == NULL ? NULL : memchr(open, '}', (size_t)(rest.p + rest.n - open));
		const struct openapi_param *p = NULL;

		if (close == NULL) {
			buf_put(out, rest);
			return true;
		}
		buf_put(out, STR_SPAN(rest.p, open));
		for (size_t i = 0; i < op->params_n; i++)
			if (op->params[i].in == IN_PATH &&
			    str_eq(op->params[i].name, STR_SPAN(open + 1, close)))
				p = &op->params[i];
		if (p == NULL)
			return err_set(e, ERR_INVALID, "the document has no parameter for " STR_FMT,
			    (int)(close + 1 - open), open);
		if (!json_get(args, p->argument, &raw))
			return wrong(p, e, "is missing");
		if (!segment_put(p, raw, a, out, e))
			return false;
		rest = STR_SPAN(close + 1, rest.p + rest.n);
	}
	return true;
}

static void
pair_put(struct buf *out, bool *first, struct str name, struct str value)
{
	buf_putc(out, *first ? '?' : '&');
	*first = false;
	buf_url(out, name);
	buf_putc(out, '=');
	buf_url(out, value);
}

/* A list is the parameter several times (style form, exploded, as is usual). */
static bool
query_put(const struct openapi_param *p, struct str raw, struct arena *a, struct buf *out,
    bool *first, struct err *e)
{
	struct str key, one, s;
	struct json_iter it;

	if (json_kind(raw) == JSON_ARRAY && json_open(raw, &it)) {
		while (json_next(&it, &key, &one)) {
			if (!scalar(one, a, &s))
				return wrong(p, e, "must be a list of texts or numbers");
			pair_put(out, first, p->name, s);
		}
		return true;
	}
	if (!scalar(raw, a, &s))
		return wrong(p, e, "must be a text, a number, a boolean or a list of them");
	pair_put(out, first, p->name, s);
	return true;
}

static bool
header_put(const struct openapi_param *p, struct str raw, struct arena *a,
    struct openapi_request *r, struct err *e)
{
	struct str s;
	size_t at = r->values.n;
	char *room;

	if (!scalar(raw, a, &s))
		return wrong(p, e, "must be a text, a number or a boolean");
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return wrong(p, e, "has a line break or a control character");
	if (r->n == COUNT(r->h))
		return wrong(p, e, "is one header too many");
	room = buf_room(&r->values, p->name.n + s.n);
	if (room == NULL)
		return wrong(p, e, "is too long");
	for (size_t i = 0; i < p->name.n; i++)
		room[i] = p->name.p[i] >= 'A' && p->name.p[i] <= 'Z' ? (char)(p->name.p[i] + 32)
								     : p->name.p[i];
	if (s.n > 0)
		memcpy(room + p->name.n, s.p, s.n);
	r->values.n += p->name.n + s.n;
	/* lengths now, places when all are there: the buffer may move */
	r->h[r->n++] = (struct header){ { NULL, p->name.n }, { NULL, s.n } };
	return at <= r->values.n;
}

static void
headers_place(struct openapi_request *r)
{
	const char *at = r->values.p;

	for (size_t i = 0; i < r->n; i++) {
		r->h[i].name.p = at;
		at += r->h[i].name.n;
		r->h[i].value.p = at;
		at += r->h[i].value.n;
	}
}

static bool
params_put(const struct openapi_operation *op, struct str args, struct arena *a,
    struct openapi_request *r, struct err *e)
{
	bool first = true;
	struct str raw;

	for (size_t i = 0; i < op->params_n; i++) {
		const struct openapi_param *p = &op->params[i];

		if (p->in == IN_PATH)
			continue;
		if (!json_get(args, p->argument, &raw) || json_kind(raw) == JSON_NULL) {
			if (p->required)
				return wrong(p, e, "is missing");
			continue;
		}
		if (p->in == IN_QUERY ? !query_put(p, raw, a, &r->target, &first, e)
				      : !header_put(p, raw, a, r, e))
			return false;
	}
	return true;
}

bool
openapi_request(const struct openapi_operation *op, struct str base_path, struct str args,
    struct openapi_request *r, struct err *e)
{
	struct arena a;
	bool ok;

	*r = (struct openapi_request){ .body = STR_NONE };
	buf_init(&r->target, TARGET_BYTES);
	buf_init(&r->values, TARGET_BYTES);
	arena_init(&a, args.n * 4 + 65536);
	buf_put(&r->target, base_path);
	ok = path_put(op, args, &a, &r->target, e) && params_put(op, args, &a, r, e);
	arena_free(&a);
	headers_place(r);
	if (ok && !buf_ok(&r->target))
		ok = err_set(e, ERR_INVALID, "the arguments make an address of more than %d bytes",
		    TARGET_BYTES);
	if (ok && op->body && !json_get(args, STR("body"), &r->body) && op->body_required)
		ok = err_set(e, ERR_INVALID, "argument body is missing");
	if (!ok)
		openapi_request_fini(r);
	return ok;
}

void
openapi_request_fini(struct openapi_request *r)
{
	buf_fini(&r->target);
	buf_fini(&r->values);
}
