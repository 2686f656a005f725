/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text - views and growing buffers.
 *
 * A buf doubles up to its limit; the write that would pass it sets `failed` and changes nothing,
 * and so does every later write, so that a truncated text can never look whole.
 */
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __SSE2__
#	include <emmintrin.h>
#endif

#define BUF_FIRST     256
#define NEAREST_BYTES 64

struct str
str_of(const char *cstr)
{
	return cstr == NULL ? STR_NONE : (struct str){ cstr, strlen(cstr) };
}

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Equal, or a letter in its two cases. */
static bool
same_letter(char a, char b)
{
	return a == b || ((a ^ b) == 0x20 && lower(a) == lower(b));
}

bool
str_ieq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (!same_letter(a.p[i], b.p[i]))
			return false;
	return true;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (d != 0 || a.n == b.n)
		return d;
	return a.n < b.n ? -1 : 1;
}

int
str_order(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct str
str_cut(struct str *rest, char sep)
{
	const char *at = rest->n == 0 ? NULL : memchr(rest->p, sep, rest->n);
	struct str head = *rest;

	if (at == NULL) {
		*rest = STR_NONE;
		return head;
	}
	head.n = (size_t)(at - rest->p);
	rest->n -= head.n + 1;
	rest->p = at + 1;
	return head;
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
str_has(struct str s, char c)
{
	return s.n > 0 && memchr(s.p, c, s.n) != NULL;
}

bool
str_i64(struct str s, int64_t *out)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	int64_t v = 0;

	if (s.n == (negative ? 1u : 0u))
		return false;
	for (size_t i = negative; i < s.n; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, digit, &v))
			return false;
	}
	/* Summed below zero, where there is one more value than above. */
	if (!negative && __builtin_sub_overflow((int64_t)0, v, &v))
		return false;
	*out = v;
	return true;
}

char *
str_dup(struct str s)
{
	char *p = mem_alloc(s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

bool
str_copy(char *dst, size_t cap, struct str s)
{
	bool fits = s.n < cap;
	size_t n = fits ? s.n : cap - 1;

	ASSERT(cap > 0);
	if (n > 0)
		memcpy(dst, s.p, n);
	dst[n] = '\0';
	return fits;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), or 0. */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	static const struct {
		unsigned char lo, hi, min2, max2, len;
	} rows[] = { { 0x00, 0x7f, 0, 0, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 } };

	for (size_t i = 0; i < COUNT(rows); i++) {
		if (p[0] < rows[i].lo || p[0] > rows[i].hi)
			continue;
		if (rows[i].len > n)
			return 0;
		if (rows[i].len > 1 && (p[1] < rows[i].min2 || p[1] > rows[i].max2))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

struct str
str_clip(struct str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return (struct str){ s.p, max };
}

bool
str_utf8(struct str s)
{
	size_t i = 0;

	while (i < s.n) {
		size_t k = (unsigned char)s.p[i] < 0x80
			       ? 1
			       : utf8_length((const unsigned char *)s.p + i, s.n - i);

		if (k == 0)
			return false;
		i += k;
	}
	return true;
}

size_t
str_plain(struct str s)
{
	const char *p = s.p, *end = s.p + s.n;

#ifdef __SSE2__
	while (end - p >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Signed: below a space are the controls and all that is not ASCII. */
		__m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ')),
					       _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))),
		    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
			_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
		unsigned mask = (unsigned)_mm_movemask_epi8(odd);

		if (mask != 0)
			return (size_t)(p - s.p) + (size_t)__builtin_ctz(mask);
		p += 16;
	}
#endif
	while (p < end && *p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\')
		p++;
	return (size_t)(p - s.p);
}

bool
str_in(struct str s, const struct str *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (s.n == names[i].n && str_ieq(s, names[i]))
			return true;
	return false;
}

bool
str_star(struct str pattern, struct str name)
{
	size_t p = 0, i = 0, star = SIZE_MAX, resume = 0;

	/* On a mismatch the last `*` takes one character more: O(pattern × name), no recursion. */
	while (i < name.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			resume = i;
		} else if (p < pattern.n && pattern.p[p] == name.p[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

/* Levenshtein distance of two short names. */
static size_t
distance(struct str a, struct str b)
{
	size_t row[NEAREST_BYTES + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = diagonal + (lower(a.p[i - 1]) != lower(b.p[j - 1]));

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

struct str
str_nearest(struct str wanted, const struct str *names, size_t n)
{
	size_t best = wanted.n > 8 ? 4 : 3;
	struct str found = STR_NONE;

	if (wanted.n == 0 || wanted.n > NEAREST_BYTES)
		return found;
	for (size_t i = 0; i < n; i++) {
		size_t d;

		if (names[i].n == 0 || names[i].n > NEAREST_BYTES)
			continue;
		d = distance(wanted, names[i]);
		if (d < best && d < wanted.n) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

/* ---- buf ---- */

void
buf_init(struct buf *b, size_t limit_bytes)
{
	*b = (struct buf){ .limit = limit_bytes == 0 ? BUF_LIMIT_DEFAULT : limit_bytes };
}

void
buf_fini(struct buf *b)
{
	MEM_FREE(&b->p);
	b->n = b->cap = 0;
}

void
buf_reset(struct buf *b)
{
	b->n = 0;
	b->failed = false;
}

char *
buf_room(struct buf *b, size_t n)
{
	size_t need, cap;

	ASSERT(b->limit > 0);
	if (b->failed || n > b->limit - b->n) {
		b->failed = true;
		return NULL;
	}
	need = b->n + n;
	if (need > b->cap) {
		cap = b->cap == 0 ? BUF_FIRST : b->cap * 2;
		if (cap < need)
			cap = need;
		if (cap > b->limit)
			cap = b->limit;
		b->p = mem_realloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->n;
}

void
buf_put(struct buf *b, struct str s)
{
	char *p;

	if (s.n == 0)
		return;
	p = !b->failed && s.n <= b->cap - b->n ? b->p + b->n : buf_room(b, s.n);
	if (p == NULL)
		return;
	memcpy(p, s.p, s.n);
	b->n += s.n;
}

void
buf_putc(struct buf *b, char c)
{
	char *p = !b->failed && b->n < b->cap ? b->p + b->n : buf_room(b, 1);

	if (p == NULL)
		return;
	*p = c;
	b->n++;
}

void
buf_puts(struct buf *b, const char *cstr)
{
	buf_put(b, str_of(cstr));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	char small[256];
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
	} else if ((size_t)n < sizeof(small)) {
		buf_put(b, (struct str){ small, (size_t)n });
	} else {
		char *whole = mem_alloc((size_t)n + 1);

		(void)vsnprintf(whole, (size_t)n + 1, fmt, again);
		buf_put(b, (struct str){ whole, (size_t)n });
		free(whole);
	}
	va_end(again);
}

void
buf_i64(struct buf *b, int64_t v)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (v < 0)
		*--p = '-';
	buf_put(b, STR_SPAN(p, digits + sizeof(digits)));
}

void
buf_hex(struct buf *b, const void *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++) {
		buf_putc(b, hex[c[i] >> 4]);
		buf_putc(b, hex[c[i] & 15]);
	}
}

static void
escape_put(struct buf *b, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char u[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

	switch (c) {
	case '"':
		buf_puts(b, "\\\"");
		break;
	case '\\':
		buf_puts(b, "\\\\");
		break;
	case '\n':
		buf_puts(b, "\\n");
		break;
	case '\r':
		buf_puts(b, "\\r");
		break;
	case '\t':
		buf_puts(b, "\\t");
		break;
	default:
		buf_put(b, (struct str){ u, sizeof(u) });
		break;
	}
}

void
buf_json_str(struct buf *b, struct str s)
{
	size_t i = 0, from = 0;

	buf_putc(b, '"');
	while ((i += str_plain((struct str){ s.p + i, s.n - i })) < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t k = c < 0x80 ? 1 : utf8_length((const unsigned char *)s.p + i, s.n - i);

		bool c1 = k == 2 && c == 0xc2 && (unsigned char)s.p[i + 1] < 0xa0;

		if (k > 1 && !c1) {
			i += k;
			continue;
		}
		buf_put(b, (struct str){ s.p + from, i - from });
		if (k == 0)
			buf_puts(b, "\xef\xbf\xbd");
		else /* U+0080 to U+009F command a terminal too */
			escape_put(b, c1 ? (unsigned char)s.p[i + 1] : c);
		i += c1 ? 2 : 1;
		from = i;
	}
	if (s.n > from)
		buf_put(b, (struct str){ s.p + from, s.n - from });
	buf_putc(b, '"');
}

void
buf_xml(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '&')
			buf_puts(b, "&amp;");
		else if (c == '<')
			buf_puts(b, "&lt;");
		else if (c == '>')
			buf_puts(b, "&gt;");
		else if (c == '"')
			buf_puts(b, "&quot;");
		else if (c == '\n')
			buf_puts(b, "&#10;");
		else
			buf_putc(b, (unsigned char)c < 0x20 || c == 0x7f ? '?' : c);
	}
}

void
buf_utc(struct buf *b, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		buf_printf(b, "\"%04d-%02d-%02dT%02d:%02d:%02dZ\"", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void
buf_drop(struct buf *b, size_t n)
{
	ASSERT(n <= b->n);
	if (n > 0 && n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

const char *
buf_cstr(struct buf *b)
{
	char *p;

	if (b->n == 0 && b->cap == 0)
		return "";
	if (b->n < b->cap) {
		b->p[b->n] = '\0';
		return b->p;
	}
	p = buf_room(b, 1);
	if (p == NULL) { /* full to the limit: the last byte gives way */
		ASSERT(b->p != NULL && b->n > 0);
		b->p[b->n - 1] = '\0';
		return b->p;
	}
	*p = '\0';
	return b->p;
}
