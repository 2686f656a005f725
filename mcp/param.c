/* SPDX-License-Identifier: Apache-2.0 */
/*
 * param - the modern wire lets a tool ask for some arguments as headers, so that a proxy can route
 * by them.  A client must send them, and a server refuses the call (-32020) when header and body
 * differ; so they are made here, from the very bytes that stand in the body.
 *
 * A name that is no token, a name that is there twice and a value that is no string, integer or
 * boolean give no header.
 */
#include "mcp/param.h"

#include "mcp/era.h"

#define NAME_BYTES_MAX  64
#define VALUE_BYTES_MAX 4096

static bool
token(struct str s)
{
	static const struct str marks = { "!#$%&'*+-.^_`|~", 15 };

	if (s.n == 0 || s.n > NAME_BYTES_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			str_has(marks, c)))
			return false;
	}
	return true;
}

/* Reads before it writes: true when the value has a form. */
static bool
value_put(struct buf *out, struct str raw)
{
	struct arena a;
	struct str text;
	int64_t number;
	bool ok = true;

	switch (json_kind(raw)) {
	case JSON_TRUE:
		buf_puts(out, "true");
		return true;
	case JSON_FALSE:
		buf_puts(out, "false");
		return true;
	case JSON_NUMBER:
		if (!json_i64(raw, &number))
			return false;
		buf_i64(out, number);
		return true;
	case JSON_STRING:
		arena_init(&a, VALUE_BYTES_MAX * 8);
		ok = raw.n <= VALUE_BYTES_MAX && json_string(raw, &a, &text);
		if (ok)
			era_put_header_value(out, text);
		arena_free(&a);
		return ok;
	case JSON_BAD:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		return false;
	}
	UNREACHABLE();
}

/* Of a property: one that can stand in a header, or that does not say what it is. */
static bool
type_fits(struct str property)
{
	struct str type;

	if (!json_get(property, STR("type"), &type))
		return true;
	return json_kind(type) == JSON_STRING &&
	       (json_string_is(type, STR("string")) || json_string_is(type, STR("integer")) ||
		   json_string_is(type, STR("boolean")));
}

bool
param_schema_fits(struct str schema)
{
	struct str properties, key, property, header, seen[PARAMS_MAX];
	struct json_iter it;
	size_t n = 0;

	if (!json_get(schema, STR("properties"), &properties) ||
	    json_kind(properties) != JSON_OBJECT || !json_open(properties, &it))
		return true;
	while (json_next(&it, &key, &property)) {
		if (json_kind(property) != JSON_OBJECT ||
		    !json_get(property, STR("x-mcp-header"), &header))
			continue;
		if (json_kind(header) != JSON_STRING || n == PARAMS_MAX)
			return false;
		header = (struct str){ header.p + 1, header.n - 2 };
		if (!token(header) || !type_fits(property) || str_in(header, seen, n))
			return false;
		seen[n++] = header;
	}
	return true;
}

static void
name_put(struct buf *out, struct str name)
{
	buf_puts(out, "mcp-param-");
	for (size_t i = 0; i < name.n; i++)
		buf_putc(
		    out, name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i]);
	buf_putc(out, '\n');
}

/* The value under the same key, whatever its spelling. */
static struct str
argument(struct str args, struct str key_raw)
{
	struct json_iter it;
	struct str key, v;

	if (json_open(args, &it))
		while (json_next(&it, &key, &v))
			if (str_eq(key, key_raw))
				return v;
	return STR_NONE;
}

void
param_lines(struct buf *out, struct str schema, struct str args)
{
	struct str properties, key, property, header, seen[PARAMS_MAX];
	struct json_iter it;
	struct buf line;
	size_t n = 0;

	if (!json_get(schema, STR("properties"), &properties) ||
	    json_kind(properties) != JSON_OBJECT || !json_open(properties, &it))
		return;
	while (n < PARAMS_MAX && json_next(&it, &key, &property)) {
		struct str v = argument(args, key);
		bool twice = false;

		if (v.p == NULL || !json_get(property, STR("x-mcp-header"), &header) ||
		    json_kind(header) != JSON_STRING)
			continue;
		header = (struct str){ header.p + 1, header.n - 2 };
		for (size_t i = 0; i < n; i++)
			twice = twice || str_ieq(seen[i], header);
		if (twice || !token(header))
			continue;
		seen[n++] = header;
		buf_init(&line, VALUE_BYTES_MAX * 2);
		name_put(&line, header);
		if (value_put(&line, v) && buf_ok(&line)) {
			buf_put(out, buf_str(&line));
			buf_putc(out, '\n');
		}
		buf_fini(&line);
	}
}

bool
param_headers_fit(const struct http1_head *h, struct str schema, struct str args)
{
	struct buf lines;
	struct str rest;
	bool fit = true;

	buf_init(&lines, 1 << 20);
	param_lines(&lines, schema, args);
	rest = buf_str(&lines);
	while (fit && rest.n > 0) {
		const struct header *found = http1_find(h, str_cut(&rest, '\n'));

		fit = found != NULL && era_header_same(found->value, str_cut(&rest, '\n'));
	}
	buf_fini(&lines);
	return fit;
}
