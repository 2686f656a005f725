/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_value - reading a document that json_check() has passed: its members, its items, its values.
 *
 * Nothing here can be wrong with the document any more; on one that was not checked the iterators
 * end early and never leave it.  Strings are unescaped into an arena only when they hold an escape.
 */
#include <string.h>

#include "base/json.h"
#include "base/json_brackets.h"
#include "base/json_scan.h"

#define KEY_BYTES_MAX 4096 /* of one key, where keys are compared */

/* ---- iterating ---- */

enum json_kind
json_kind(struct str raw)
{
	if (raw.n == 0)
		return JSON_BAD;
	switch (raw.p[0]) {
	case 'n':
		return JSON_NULL;
	case 'f':
		return JSON_FALSE;
	case 't':
		return JSON_TRUE;
	case '"':
		return JSON_STRING;
	case '[':
		return JSON_ARRAY;
	case '{':
		return JSON_OBJECT;
	default:
		return raw.p[0] == '-' || (raw.p[0] >= '0' && raw.p[0] <= '9') ? JSON_NUMBER
									       : JSON_BAD;
	}
}

bool
json_open(struct str raw, struct json_iter *it)
{
	enum json_kind k = json_kind(raw);

	if (k != JSON_OBJECT && k != JSON_ARRAY)
		return false;
	*it = (struct json_iter){
		.p = raw.p + 1, .end = raw.p + raw.n, .object = k == JSON_OBJECT, .first = true
	};
	return true;
}

/* The checked value at s->p, as a span. */
static struct str
value_span(struct scan *s)
{
	const char *from = s->p;

	if (*s->p == '{' || *s->p == '[') {
		s->p = json_brackets()(s->p + 1, s->end);
	} else if (*s->p == '"') {
		s->p = json_string_skip(s->p + 1, s->end);
	} else {
		while (s->p < s->end && memchr(",]} \n\r\t", *s->p, 7) == NULL)
			s->p++;
	}
	if (s->p == NULL) /* not a checked document: end quietly */
		s->p = s->end;
	return STR_SPAN(from, s->p);
}

bool
json_next(struct json_iter *it, struct str *key_raw, struct str *value_raw)
{
	struct scan s = { .start = it->p, .p = it->p, .end = it->end };

	space_skip(&s);
	if (s.p < s.end && *s.p == ',' && !it->first) {
		s.p++;
		space_skip(&s);
	}
	if (s.p >= s.end || *s.p == ']' || *s.p == '}')
		return false;
	it->first = false;
	*key_raw = (struct str){ "", 0 };
	if (it->object) {
		*key_raw = value_span(&s);
		space_skip(&s);
		if (s.p < s.end && *s.p == ':')
			s.p++;
		space_skip(&s);
		if (s.p >= s.end)
			return false;
	}
	*value_raw = value_span(&s);
	it->p = s.p;
	return true;
}

bool
json_get(struct str object, struct str name, struct str *value_raw)
{
	struct json_iter it;
	struct str key, value;

	if (json_kind(object) != JSON_OBJECT || !json_open(object, &it))
		return false;
	while (json_next(&it, &key, &value))
		if (json_key_is(key, name)) {
			*value_raw = value;
			return true;
		}
	return false;
}

/* ---- values ---- */

int
json_hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(p[i]);

		if (d < 0)
			return -1;
		v = v * 16 + d;
	}
	return v;
}

static size_t
utf8_put(char *out, uint32_t u)
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 0x3f));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 0x3f));
		out[2] = (char)(0x80 | (u & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 0x3f));
	out[2] = (char)(0x80 | (u >> 6 & 0x3f));
	out[3] = (char)(0x80 | (u & 0x3f));
	return 4;
}

static char
plain_escape(char c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = memchr(from, c, 5);

	return at == NULL ? c : to[at - from];
}

size_t
json_unescape(struct str inner, char *out)
{
	const char *p = inner.p, *end = inner.p + inner.n;
	size_t n = 0;

	while (p < end) {
		int u, low;

		if (*p != '\\' || end - p < 2) {
			out[n++] = *p++;
			continue;
		}
		if (p[1] != 'u') {
			out[n++] = plain_escape(p[1]);
			p += 2;
			continue;
		}
		u = json_hex4(p + 2, end);
		p += 6;
		if (u < 0 || p > end)
			break;
		if (u >= 0xd800 && u <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u' &&
		    (low = json_hex4(p + 2, end)) >= 0xdc00 && low <= 0xdfff) {
			u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		}
		n += utf8_put(out + n, (uint32_t)u);
	}
	return n;
}

static bool
string_inner(struct str raw, struct str *inner)
{
	if (raw.n < 2 || raw.p[0] != '"')
		return false;
	*inner = (struct str){ raw.p + 1, raw.n - 2 };
	return true;
}

bool
json_string(struct str raw, struct arena *a, struct str *out)
{
	struct str inner;
	char *p;

	if (!string_inner(raw, &inner))
		return false;
	if (!str_has(inner, '\\')) {
		*out = inner;
		return true;
	}
	if (inner.n + 64 > arena_left(a))
		return false;
	p = arena_alloc(a, inner.n);
	*out = (struct str){ p, json_unescape(inner, p) };
	return true;
}

struct str
json_text(struct str object, const char *name, struct arena *a)
{
	struct str raw, s = STR("");

	if (json_get(object, str_of(name), &raw))
		(void)json_string(raw, a, &s);
	return s;
}

bool
json_string_is(struct str raw, struct str text)
{
	char out[KEY_BYTES_MAX];
	struct str inner;

	if (!string_inner(raw, &inner))
		return false;
	if (inner.n < text.n) /* escapes only make it shorter */
		return false;
	if (!str_has(inner, '\\'))
		return str_eq(inner, text);
	if (inner.n > sizeof(out)) /* six bytes of escape make at least one */
		return false;
	return str_eq((struct str){ out, json_unescape(inner, out) }, text);
}

bool
json_key_is(struct str key_raw, struct str name)
{
	return json_string_is(key_raw, name);
}

bool
json_i64(struct str raw, int64_t *out)
{
	return json_kind(raw) == JSON_NUMBER && str_i64(raw, out);
}

bool
json_bool(struct str raw, bool *out)
{
	enum json_kind k = json_kind(raw);

	*out = k == JSON_TRUE;
	return k == JSON_TRUE || k == JSON_FALSE;
}
