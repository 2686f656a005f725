/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text - borrowed bytes (struct str) and growing bytes (struct buf).
 *
 * A str never owns and is not NUL-terminated.  A buf owns its memory, has a limit, and fails
 * sticky: writers carry on and the caller checks buf_ok() once at the end.
 */
#pragma once

#include "base/base.h"

struct str {
	const char *p;
	size_t n;
};
#define STR(lit)       ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE       ((struct str){ NULL, 0 })
#define STR_FMT        "%.*s"
#define STR_ARG(s)     (int)(s).n, (s).p
#define STR_SPAN(a, b) ((struct str){ (a), (size_t)((b) - (a)) })

struct str str_of(const char *cstr); /* NULL gives STR_NONE */
bool str_eq(struct str a, struct str b);
bool str_ieq(struct str a, struct str b); /* ASCII case ignored */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_cmp(struct str a, struct str b);     /* memcmp order, shorter first */
int str_order(const void *a, const void *b); /* the same, for qsort() of struct str */

/* Cuts off and returns what stands before the first `sep`; *rest is left after it.  Without a
 * separator everything is returned and *rest becomes STR_NONE (p == NULL). */
struct str str_cut(struct str *rest, char sep);
struct str str_trim(struct str s); /* spaces and tabs at both ends */
bool str_has(struct str s, char c);
bool str_i64(struct str s, int64_t *out);           /* whole string, decimal, no overflow */
char *str_dup(struct str s);                        /* malloc'd, NUL-terminated; caller frees */
bool str_copy(char *dst, size_t cap, struct str s); /* NUL-terminated; false if it did not fit */
bool str_star(struct str pattern, struct str name); /* `*` matches any characters */
/* Its first `max` bytes at most, whole characters of UTF-8 only. */
struct str str_clip(struct str s, size_t max);
bool str_utf8(struct str s); /* valid UTF-8, no surrogates */
/* How many bytes at the start stand in a JSON string as they are: printable ASCII but quote and
 * backslash. */
size_t str_plain(struct str s);
bool str_in(struct str s, const struct str *names, size_t n); /* one of them, ASCII case ignored */

/* 0 to 15; -1: it is no hexadecimal digit. */
static inline int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The nearest of `n` names within edit distance 2 (3 when longer than 8), or STR_NONE: the
 * "did you mean" of every message. */
struct str str_nearest(struct str wanted, const struct str *names, size_t n);

struct buf {
	char *p;
	size_t n, cap, limit; /* bytes; limit 0 means BUF_LIMIT_DEFAULT */
	bool failed;          /* sticky: a write did not fit */
};
#define BUF_LIMIT_DEFAULT ((size_t)64 << 20)

void buf_init(struct buf *b, size_t limit_bytes);
void buf_fini(struct buf *b);
void buf_reset(struct buf *b); /* keeps the memory, clears n and failed */
void buf_put(struct buf *b, struct str s);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *cstr);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_i64(struct buf *b, int64_t v);
void buf_hex(struct buf *b, const void *p, size_t n);
void buf_json_str(struct buf *b, struct str s); /* quoted and escaped; bad UTF-8 becomes U+FFFD */
/* For text and quoted attributes of XML and HTML; control characters, which XML 1.0 §2.2 does not
 * have, become '?', but a line end stays one. */
void buf_xml(struct buf *b, struct str s);
void buf_utc(struct buf *b, int64_t s);  /* "2026-11-01T00:00:00Z", quoted */
void buf_drop(struct buf *b, size_t n);  /* removes the first n bytes */
char *buf_room(struct buf *b, size_t n); /* n writable bytes past the end, or NULL (failed) */
static inline bool
buf_ok(const struct buf *b)
{
	return !b->failed;
}
static inline struct str
buf_str(const struct buf *b)
{
	return (struct str){ b->p, b->n };
}
const char *buf_cstr(struct buf *b); /* NUL-terminated view, "" when empty */
