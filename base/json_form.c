/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_form - one walk, three ways to write it.
 *
 * The walk goes as deep as json_check() lets a document be (JSON_DEPTH_MAX), so recursion is
 * bounded.  Members are sorted by their unescaped names; what is sorted lives in an arena that the
 * walk empties with the value.
 */
#include "base/json_form.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/rune.h"

#define LINE_BYTES  88 /* a list of scalars that is no longer stands on one line */
#define EXP_MAX     400
#define PLAIN_ZEROS 21 /* as many zeros are written before an exponent is, as in RFC 8785 */

static void put(struct buf *out, struct str raw, int depth);

/* ---- canonical ---- */

static void
canonical_string(struct buf *out, struct str raw)
{
	struct arena a;
	struct str text;

	if (str_plain((struct str){ raw.p + 1, raw.n - 2 }) == raw.n - 2) {
		buf_put(out, raw);
		return;
	}
	arena_init(&a, raw.n + 4096);
	if (json_string(raw, &a, &text))
		buf_json_str(out, text);
	arena_free(&a);
}

/* The digits of a number without its point and outer zeros, and the exponent that goes with them:
 * value = digits × 10^scale.  false: an exponent that nobody has, written as it stands. */
static bool
number_split(struct str raw, struct buf *digits, int64_t *scale)
{
	struct str rest = raw;
	int64_t exponent = 0;
	bool point = false;
	size_t i, zeros = 0;

	*scale = 0;
	for (i = 0; i < rest.n && rest.p[i] != 'e' && rest.p[i] != 'E'; i++) {
		if (rest.p[i] == '.') {
			point = true;
			continue;
		}
		*scale -= point;
		if (rest.p[i] != '0' || digits->n > 0)
			buf_putc(digits, rest.p[i]);
	}
	if (i < rest.n) {
		rest = STR_SPAN(rest.p + i + 1, rest.p + rest.n);
		if (rest.n > 0 && rest.p[0] == '+')
			rest = STR_SPAN(rest.p + 1, rest.p + rest.n);
		if (!str_i64(rest, &exponent) || exponent > EXP_MAX || exponent < -EXP_MAX)
			return false;
	}
	*scale += exponent;
	while (zeros < digits->n && digits->p[digits->n - 1 - zeros] == '0')
		zeros++;
	digits->n -= zeros;
	*scale += (int64_t)zeros;
	return true;
}

static void
canonical_number(struct buf *out, struct str raw)
{
	bool negative = raw.n > 0 && raw.p[0] == '-';
	struct buf digits;
	int64_t scale;

	buf_init(&digits, 0);
	if (!number_split(STR_SPAN(raw.p + negative, raw.p + raw.n), &digits, &scale)) {
		buf_put(out, raw);
	} else if (digits.n == 0) {
		buf_putc(out, '0');
	} else {
		if (negative)
			buf_putc(out, '-');
		buf_put(out, buf_str(&digits));
		if (scale >= 0 && (int64_t)digits.n + scale <= PLAIN_ZEROS)
			while (scale-- > 0)
				buf_putc(out, '0');
		else
			buf_printf(out, "e%lld", (long long)scale);
	}
	buf_fini(&digits);
}

struct member {
	struct str name, key, value; /* unescaped; raw */
};

static int
by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
canonical_object(struct buf *out, struct str raw)
{
	struct member *all = NULL;
	size_t n = 0, cap = 0;
	struct json_iter it;
	struct str key, value;
	struct arena a;

	arena_init(&a, 4 * raw.n + 65536);
	if (json_open(raw, &it))
		while (json_next(&it, &key, &value)) {
			if (n == cap) {
				cap = cap == 0 ? 8 : 2 * cap;
				all = mem_realloc(all, cap * sizeof(*all));
			}
			all[n] = (struct member){ .key = key, .value = value };
			if (!json_string(key, &a, &all[n].name))
				all[n].name = key;
			n++;
		}
	if (n > 0)
		qsort(all, n, sizeof(*all), by_name);
	buf_putc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, ',');
		canonical_string(out, all[i].key);
		buf_putc(out, ':');
		json_canonical(out, all[i].value);
	}
	buf_putc(out, '}');
	free(all);
	arena_free(&a);
}

void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
json_canonical(struct buf *out, struct str raw)
{
	struct json_iter it;
	struct str key, value;
	bool first = true;

	switch (json_kind(raw)) {
	case JSON_OBJECT:
		canonical_object(out, raw);
		return;
	case JSON_ARRAY:
		buf_putc(out, '[');
		if (json_open(raw, &it))
			while (json_next(&it, &key, &value)) {
				if (!first)
					buf_putc(out, ',');
				first = false;
				json_canonical(out, value);
			}
		buf_putc(out, ']');
		return;
	case JSON_STRING:
		canonical_string(out, raw);
		return;
	case JSON_NUMBER:
		canonical_number(out, raw);
		return;
	case JSON_BAD:
	case JSON_NULL:
	case JSON_FALSE:
	case JSON_TRUE:
		buf_put(out, raw);
		return;
	}
	UNREACHABLE();
}

/* ---- compact ---- */

void
json_compact(struct buf *out, struct str raw)
{
	size_t from = 0, i = 0;

	while (i < raw.n) {
		char c = raw.p[i];

		if (c == '"') {
			for (i++; i < raw.n && raw.p[i] != '"'; i++)
				i += raw.p[i] == '\\';
			i++;
			continue;
		}
		if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
			buf_put(out, STR_SPAN(raw.p + from, raw.p + i));
			from = i + 1;
		}
		i++;
	}
	if (from < raw.n)
		buf_put(out, STR_SPAN(raw.p + from, raw.p + raw.n));
}

/* ---- pretty ---- */

void
json_pretty_str(struct buf *out, struct str text)
{
	struct str rest = text;

	buf_putc(out, '"');
	while (rest.n > 0) {
		size_t n = str_plain(rest);
		uint32_t c;

		buf_put(out, (struct str){ rest.p, n });
		rest = (struct str){ rest.p + n, rest.n - n };
		if (rest.n == 0)
			break;
		c = rune_next(&rest);
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", (char)c);
		else if (c == '\n' || c == '\r' || c == '\t')
			buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (rune_kind(c) == RUNE_PLAIN)
			buf_rune(out, c);
		else if (c < 0x10000)
			buf_printf(out, "\\u%04x", c);
		else
			buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			    0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	buf_putc(out, '"');
}

static void
pretty_string(struct buf *out, struct str raw)
{
	struct arena a;
	struct str text;

	arena_init(&a, raw.n + 4096);
	if (json_string(raw, &a, &text))
		json_pretty_str(out, text);
	arena_free(&a);
}

static void
line(struct buf *out, int depth)
{
	buf_putc(out, '\n');
	for (int i = 0; i < depth; i++)
		buf_puts(out, "  ");
}

/* ["a", "b"], when nothing in it has parts and it is short. */
static bool
list_short(struct str raw)
{
	struct json_iter it;
	struct str key, value;
	size_t bytes = 0;

	if (!json_open(raw, &it))
		return true;
	while (json_next(&it, &key, &value)) {
		bytes += value.n + 2;
		if (value.p[0] == '{' || value.p[0] == '[' || bytes > LINE_BYTES)
			return false;
	}
	return true;
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
members_put(struct buf *out, struct str raw, int depth)
{
	bool inl = raw.p[0] == '[' && list_short(raw), first = true;
	struct json_iter it;
	struct str key, value;

	buf_putc(out, raw.p[0]);
	if (json_open(raw, &it))
		while (json_next(&it, &key, &value)) {
			if (!first)
				buf_puts(out, inl ? ", " : ",");
			first = false;
			if (!inl)
				line(out, depth + 1);
			if (raw.p[0] == '{') {
				pretty_string(out, key);
				buf_puts(out, ": ");
			}
			put(out, value, depth + 1);
		}
	if (!inl && !first)
		line(out, depth);
	buf_putc(out, raw.p[0] == '{' ? '}' : ']');
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
put(struct buf *out, struct str raw, int depth)
{
	enum json_kind k = json_kind(raw);

	if (k == JSON_OBJECT || k == JSON_ARRAY)
		members_put(out, raw, depth);
	else if (k == JSON_STRING)
		pretty_string(out, raw);
	else
		buf_put(out, raw);
}

void
json_pretty(struct buf *out, struct str raw, int depth)
{
	put(out, raw, depth);
}
