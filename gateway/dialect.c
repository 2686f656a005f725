/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialect - the two dialects that are not an API of models, and what the readers of the others
 * share.
 */
#include "gateway/dialect.h"

#include "base/json.h"

#define KEY_BYTES 256 /* of a member's name that may be meant for one of ours */

/* ---- refusals ---- */

static void
plain_refusal(const struct err *e, int64_t now_s, struct buf *out)
{
	(void)now_s;
	buf_printf(out, "{\"error\":{\"type\":\"%s\",\"message\":", err_word(e->code));
	buf_json_str(out, str_of(e->text));
	buf_puts(out, "}}");
}

static void
rpc_refusal(const struct err *e, int64_t now_s, struct buf *out)
{
	(void)now_s;
	buf_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":%d,\"message\":",
	    err_rpc(e->code));
	buf_json_str(out, str_of(e->text));
	buf_puts(out, "}}");
}

const struct dialect dialect_plain = { .refusal = plain_refusal };
const struct dialect dialect_rpc = { .refusal = rpc_refusal };

/* ---- members ---- */

struct str
asked_object(struct str body)
{
	while (body.n > 0 && body.p[0] != '{') {
		body.p++;
		body.n--;
	}
	return body;
}

bool
asked_model(struct asked *q, struct str raw, struct err *e)
{
	if (!json_string(raw, q->arena, &q->model) || q->model.n == 0)
		return err_set(e, ERR_INVALID, "the body needs \"model\", a string");
	if (q->model.n > MODEL_BYTES || str_has(q->model, '\0'))
		return err_set(
		    e, ERR_INVALID, "\"model\" is over %d bytes or holds a NUL", MODEL_BYTES);
	q->model_raw = raw;
	return true;
}

bool
asked_number(
    struct str raw, const char *name, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	int64_t v;

	if (raw.p == NULL || json_kind(raw) == JSON_NULL)
		return true;
	if (!json_i64(raw, &v) || v < min || v > max)
		return err_set(e, ERR_INVALID, "\"%s\" is not a whole number from %lld to %lld",
		    name, (long long)min, (long long)max);
	*out = v;
	return true;
}

bool
asked_bool(struct str raw, const char *name, bool *out, struct err *e)
{
	*out = false;
	return raw.p == NULL || json_kind(raw) == JSON_NULL || json_bool(raw, out) ||
	       err_set(e, ERR_INVALID, "\"%s\" is neither true nor false", name);
}

/* Lower case, without hyphens and underscores; the long s and the Kelvin sign, which fold to ASCII
 * letters, as those. */
static size_t
folded(struct str name, char out[KEY_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < name.n; i++) {
		struct str rest = { name.p + i, name.n - i };
		char c = name.p[i];

		if (str_starts(rest, STR("\xc5\xbf"))) {
			c = 's';
			i += 1;
		} else if (str_starts(rest, STR("\xe2\x84\xaa"))) {
			c = 'k';
			i += 2;
		} else if (c >= 'A' && c <= 'Z') {
			c = (char)(c + 32);
		}
		if (c != '_' && c != '-')
			out[n++] = c;
	}
	return n;
}

static bool
looks_like(struct str key, struct str wanted)
{
	char a[KEY_BYTES], b[KEY_BYTES];
	size_t n = folded(key, a);

	return str_eq((struct str){ a, n }, (struct str){ b, folded(wanted, b) });
}

static bool
key_plain(struct str raw, const struct json_field *f, size_t n, struct err *e)
{
	struct str key = STR("");
	struct arena a;
	bool ok = true;

	if (raw.n < 2 || raw.n > KEY_BYTES)
		return true;
	for (size_t i = 0; i < n; i++)
		if (json_key_is(raw, f[i].name))
			return true;
	arena_init(&a, 4096);
	ok = json_string(raw, &a, &key);
	for (size_t i = 0; ok && i < n; i++)
		ok = !looks_like(key, f[i].name);
	if (!ok)
		(void)err_set(e, ERR_INVALID,
		    "a member " STR_FMT " could be taken for another one (write it as it is named)",
		    STR_ARG(raw));
	arena_free(&a);
	return ok;
}

bool
asked_fields(struct str object, struct json_field *f, size_t n, struct err *e)
{
	struct json_iter it;
	struct str key, value;

	if (!json_fields(object, f, n, e))
		return false;
	(void)json_open(asked_object(object), &it);
	while (json_next(&it, &key, &value))
		if (!key_plain(key, f, n, e))
			return false;
	return true;
}
