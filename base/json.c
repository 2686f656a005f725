/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - a strict scanner over the original bytes.
 *
 * Two readers:
 *  - json_check() validates a whole document (RFC 8259, UTF-8, depth, optionally unique keys) with
 *    an explicit stack of one bit per level; afterwards the iterators may trust every byte.
 *  - json_fields() reads chosen members of a large request body in one pass and checks only what a
 *    decision rests on: the top level.  A nested value is bracketed, not parsed: brackets outside
 *    strings are counted in blocks of 64 bytes (quotes by a carry-less multiplication, runs of
 *    backslashes by an addition's carries: Langdale and Lemire, "Parsing gigabytes of JSON per
 *    second", 2019).  What is malformed inside is the provider's to refuse; it cannot move a
 *    member of the top level, because every parser agrees on where strings end.
 *
 * Keys are compared after unescaping, so "mod\u0065l" is "model" here as it is for everybody else.
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#	include <immintrin.h>
#endif

#include "base/json_brackets.h"
#include "base/json_scan.h"
#include "base/map.h"

static bool
fail(struct scan *s, const char *why)
{
	if (s->why == NULL)
		s->why = why;
	return false;
}

static bool
report(const struct scan *s, struct err *e)
{
	return err_set(e, ERR_INVALID, "not valid JSON at byte %zu: %s", (size_t)(s->p - s->start),
	    s->why == NULL ? "unexpected end" : s->why);
}

/* s->p stands behind a backslash.  Lone surrogates are refused (they have no UTF-8), or pass. */
static bool
escape_check(struct scan *s)
{
	int u;

	if (s->p == s->end)
		return false;
	if (*s->p != 'u') {
		if (memchr("\"\\/bfnrt", *s->p, 8) == NULL)
			return fail(s, "unknown escape in a string");
		s->p++;
		return true;
	}
	u = json_hex4(s->p + 1, s->end);
	if (u < 0)
		return fail(s, "\\u needs four hex digits");
	s->p += 5;
	if (s->lone)
		return true;
	if (u >= 0xdc00 && u <= 0xdfff)
		return fail(s, "a lone low surrogate");
	if (u < 0xd800 || u > 0xdbff)
		return true;
	if (s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
		return fail(s, "a lone high surrogate");
	u = json_hex4(s->p + 2, s->end);
	if (u < 0xdc00 || u > 0xdfff)
		return fail(s, "a lone high surrogate");
	s->p += 6;
	return true;
}

/* s->p stands on the opening quote; on success behind the closing one. */
static bool
string_check(struct scan *s)
{
	const char *from = ++s->p;
	bool ascii = true;

	while ((s->p += str_plain(STR_SPAN(s->p, s->end))) < s->end) {
		unsigned char c = (unsigned char)*s->p;

		if (c == '"') {
			if (!ascii && !str_utf8(STR_SPAN(from, s->p)))
				return fail(s, "a string that is not UTF-8");
			s->p++;
			return true;
		}
		if (c < ' ')
			return fail(s, "a raw control character in a string");
		s->p++;
		if (c == '\\' && !escape_check(s))
			return false;
		ascii &= c < 0x80;
	}
	return fail(s, "a string without its end");
}

static bool
digits(struct scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

static bool
number_check(struct scan *s)
{
	if (*s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (!digits(s))
		return fail(s, "a number without digits");
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!digits(s))
			return fail(s, "a number that ends in a point");
	}
	if (s->p < s->end && (*s->p | 0x20) == 'e') {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!digits(s))
			return fail(s, "an exponent without digits");
	}
	return true;
}

static bool
word_check(struct scan *s, struct str word)
{
	if ((size_t)(s->end - s->p) < word.n || memcmp(s->p, word.p, word.n) != 0)
		return fail(s, "an unknown word");
	s->p += word.n;
	return true;
}

static bool
scalar_check(struct scan *s)
{
	switch (*s->p) {
	case '"':
		return string_check(s);
	case 't':
		return word_check(s, STR("true"));
	case 'f':
		return word_check(s, STR("false"));
	case 'n':
		return word_check(s, STR("null"));
	default:
		if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
			return number_check(s);
		return fail(s, "a value was expected");
	}
}

/* ---- unique keys ---- */

struct seen { /* (object, key) pairs as hashes */
	uint64_t *h;
	size_t n, cap;
};

/* A key's identity: the hash of its unescaped bytes. */
static uint64_t
key_hash(struct str inner)
{
	char small[256], *big = NULL;
	uint64_t h;
	size_t n;

	if (!str_has(inner, '\\'))
		return map_hash(inner);
	if (inner.n > sizeof(small))
		big = mem_alloc(inner.n);
	n = json_unescape(inner, big != NULL ? big : small);
	h = map_hash((struct str){ big != NULL ? big : small, n });
	free(big);
	return h;
}

static void
seen_add(struct seen *k, uint64_t object, uint64_t key)
{
	if (k->n == k->cap) {
		k->cap = k->cap == 0 ? 64 : k->cap * 2;
		k->h = mem_realloc(k->h, k->cap * sizeof(*k->h));
	}
	/* The object's number is mixed in by a multiplier that is invertible modulo 2^64. */
	k->h[k->n++] = key ^ (object * 0x9e3779b97f4a7c15ull);
}

static int
u64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool
seen_unique(struct seen *k)
{
	if (k->n < 2)
		return true;
	qsort(k->h, k->n, sizeof(*k->h), u64_cmp);
	for (size_t i = 1; i < k->n; i++)
		if (k->h[i] == k->h[i - 1])
			return false;
	return true;
}

/* ---- the whole document ---- */

struct check {
	struct scan s;
	uint64_t is_object; /* bit d: the container at depth d is an object */
	int depth;
	uint64_t object[JSON_DEPTH_MAX + 1]; /* its number */
	uint64_t objects;
	struct seen *seen; /* NULL: duplicates allowed */
};

static bool
member_key(struct check *c)
{
	const char *from;

	space_skip(&c->s);
	if (c->s.p == c->s.end || *c->s.p != '"')
		return fail(&c->s, "a key in quotes was expected");
	from = c->s.p + 1;
	if (!string_check(&c->s))
		return false;
	if (c->seen != NULL)
		seen_add(c->seen, c->object[c->depth], key_hash(STR_SPAN(from, c->s.p - 1)));
	space_skip(&c->s);
	if (c->s.p == c->s.end || *c->s.p != ':')
		return fail(&c->s, "':' was expected after a key");
	c->s.p++;
	space_skip(&c->s);
	return true;
}

static bool
top_is_object(const struct check *c)
{
	return c->depth > 0 && (c->is_object >> (c->depth - 1) & 1);
}

/* Behind an opening bracket: true with *value when a value comes next. */
static bool
container_open(struct check *c, bool *value)
{
	bool object = *c->s.p == '{';

	if (c->depth == JSON_DEPTH_MAX)
		return fail(&c->s, "nested too deep (64 levels at most)");
	c->is_object &= ~(1ull << c->depth);
	c->is_object |= (uint64_t)object << c->depth;
	c->depth++;
	c->object[c->depth] = ++c->objects;
	c->s.p++;
	space_skip(&c->s);
	if (c->s.p < c->s.end && *c->s.p == (object ? '}' : ']')) {
		c->s.p++;
		c->depth--;
		*value = false;
		return true;
	}
	*value = true;
	return !object || member_key(c);
}

/* Behind a value: closes what ends here; *value when another one follows. */
static bool
value_after(struct check *c, bool *value)
{
	for (;;) {
		bool object = top_is_object(c);

		*value = false;
		space_skip(&c->s);
		if (c->depth == 0)
			return true;
		if (c->s.p == c->s.end)
			return fail(&c->s, "an object or array without its end");
		if (*c->s.p == ',') {
			c->s.p++;
			space_skip(&c->s);
			*value = true;
			return !object || member_key(c);
		}
		if (*c->s.p != (object ? '}' : ']'))
			return fail(&c->s, "',' or a closing bracket was expected");
		c->s.p++;
		c->depth--;
	}
}

static bool
document_check(struct check *c)
{
	bool value = true;

	space_skip(&c->s);
	while (value) {
		if (c->s.p == c->s.end)
			return fail(&c->s, "a value was expected");
		if (*c->s.p == '{' || *c->s.p == '[') {
			if (!container_open(c, &value))
				return false;
			if (value)
				continue;
		} else if (!scalar_check(&c->s)) {
			return false;
		}
		if (!value_after(c, &value))
			return false;
	}
	return c->s.p == c->s.end || fail(&c->s, "bytes after the end of the document");
}

bool
json_check(struct str doc, bool unique, struct err *e)
{
	struct seen seen = { 0 };
	struct check c = { .s = { .start = doc.p, .p = doc.p, .end = doc.p + doc.n },
		.seen = unique ? &seen : NULL };
	bool ok = document_check(&c);

	if (!ok)
		(void)report(&c.s, e);
	else if (!seen_unique(&seen))
		ok = err_set(
		    e, ERR_INVALID, "not valid JSON here: a key is named twice in one object");
	free(seen.h);
	return ok;
}

bool
json_check_lone(struct str doc, struct err *e)
{
	struct check c = { .s = {
			       .start = doc.p, .p = doc.p, .end = doc.p + doc.n, .lone = true } };

	return document_check(&c) || report(&c.s, e);
}

bool
json_check_at(struct str doc, size_t *at, const char **why)
{
	struct check c = { .s = { .start = doc.p, .p = doc.p, .end = doc.p + doc.n } };

	if (document_check(&c))
		return true;
	*at = (size_t)(c.s.p - c.s.start);
	*why = c.s.why == NULL ? "unexpected end" : c.s.why;
	return false;
}

/* ---- chosen members ---- */

/* One value of the top level: scalars are checked, containers bracketed. */
static bool
value_skip(struct scan *s, json_brackets_f *brackets)
{
	if (s->p == s->end)
		return fail(s, "a value was expected");
	if (*s->p == '{' || *s->p == '[') {
		const char *after = brackets(s->p + 1, s->end);

		if (after == NULL)
			return fail(s, "an object or array without its end");
		s->p = after;
		return true;
	}
	return scalar_check(s);
}

static bool
field_keep(struct json_field *f, size_t n, struct str key_raw, struct str value, struct scan *s)
{
	for (size_t i = 0; i < n; i++) {
		if (!json_key_is(key_raw, f[i].name))
			continue;
		if (f[i].raw.p != NULL)
			return fail(s, "a member that is named twice");
		f[i].raw = value;
	}
	return true;
}

static bool
fields_scan(struct scan *s, struct json_field *f, size_t n)
{
	json_brackets_f *brackets = json_brackets();
	bool first = true;

	space_skip(s);
	if (s->p == s->end || *s->p != '{')
		return fail(s, "an object was expected");
	for (s->p++;; first = false) {
		struct str key, value;

		space_skip(s);
		if (s->p < s->end && *s->p == '}' && first)
			break;
		key.p = s->p;
		if (s->p == s->end || *s->p != '"')
			return fail(s, "a key in quotes was expected");
		if (!string_check(s))
			return false;
		key.n = (size_t)(s->p - key.p);
		space_skip(s);
		if (s->p == s->end || *s->p++ != ':')
			return fail(s, "':' was expected after a key");
		space_skip(s);
		value.p = s->p;
		if (!value_skip(s, brackets))
			return false;
		value.n = (size_t)(s->p - value.p);
		if (!field_keep(f, n, key, value, s))
			return false;
		space_skip(s);
		if (s->p == s->end)
			return fail(s, "an object without its end");
		if (*s->p == '}')
			break;
		if (*s->p++ != ',')
			return fail(s, "',' or '}' was expected");
	}
	s->p++;
	space_skip(s);
	return s->p == s->end || fail(s, "bytes after the end of the document");
}

bool
json_fields(struct str object, struct json_field *f, size_t n, struct err *e)
{
	struct scan s = { .start = object.p, .p = object.p, .end = object.p + object.n };

	for (size_t i = 0; i < n; i++)
		f[i].raw = STR_NONE;
	return fields_scan(&s, f, n) || report(&s, e);
}
