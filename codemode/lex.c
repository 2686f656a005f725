/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lex - bytes in, tokens out, as llex.c has it.
 *
 * Kept in step with Lua 5.4 where it matters: a numeral swallows hexadecimal digits, dots and one
 * letter before it is found malformed ("3..2" is one bad number, not a concatenation); a backslash
 * in a string takes the next byte with it, CR LF counts as one, \z takes all white space; a short
 * string ends broken before its line does; long brackets have levels and no escapes; "[=" without
 * a second bracket is broken; a `#!` line is nothing special.  Escape sequences are not judged.
 */
#include "codemode/lex.h"

#include <stdlib.h>
#include <string.h>

struct lexer {
	const char *p, *end;
	uint32_t line;
};

static const struct word {
	const char *text;
	uint8_t n, word;
} keywords[] = {
#define X(word, text) { text, sizeof(text) - 1, W_##word },
	LUA_KEYWORDS(X)
#undef X
},
  signs[] = {
#define X(word, text) { text, sizeof(text) - 1, W_##word },
	  LUA_SIGNS(X)
#undef X
  },
  foreign[] = {
#define X(word, text) { text, sizeof(text) - 1, W_##word },
	  FOREIGN_SIGNS(X)
#undef X
  };

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Steps over one line end: \n, \r, or either with the other behind it. */
static void
line_end(struct lexer *x)
{
	char c = *x->p++;

	if (x->p < x->end && is_line_end(*x->p) && *x->p != c)
		x->p++;
	x->line++;
}

static void
space(struct lexer *x)
{
	while (x->p < x->end && is_space(*x->p)) {
		if (is_line_end(*x->p))
			line_end(x);
		else
			x->p++;
	}
}

/* At "[": the level of a long bracket, or -1; -2 for "[=" that is none. */
static long
long_level(const struct lexer *x)
{
	const char *q = x->p + 1;

	while (q < x->end && *q == '=')
		q++;
	if (q < x->end && *q == '[')
		return q - x->p - 1;
	return q == x->p + 1 ? -1 : -2;
}

/* Past a long bracket; false when it has no end (then everything is past it). */
static bool
long_bracket(struct lexer *x, long level)
{
	x->p += level + 2;
	while (x->p < x->end) {
		if (is_line_end(*x->p)) {
			line_end(x);
			continue;
		}
		if (*x->p++ != ']')
			continue;
		const char *q = x->p;

		while (q < x->end && *q == '=')
			q++;
		if (q - x->p == level && q < x->end && *q == ']') {
			x->p = q + 1;
			return true;
		}
		x->p = q; /* the byte there may be the next "]" */
	}
	return false;
}

static bool
comment(struct lexer *x)
{
	x->p += 2;
	if (x->p < x->end && *x->p == '[') {
		long level = long_level(x);

		if (level >= 0)
			return long_bracket(x, level);
	}
	while (x->p < x->end && !is_line_end(*x->p))
		x->p++;
	return true;
}

/* Past white space and comments, to *at and *line; false when a comment has no end. */
static bool
skip(struct lexer *x, const char **at, uint32_t *line)
{
	for (;;) {
		space(x);
		*at = x->p;
		*line = x->line;
		if (x->end - x->p < 2 || x->p[0] != '-' || x->p[1] != '-')
			return true;
		if (!comment(x))
			return false;
	}
}

static enum token_kind
short_string(struct lexer *x)
{
	char quote = *x->p++;

	while (x->p < x->end && *x->p != quote) {
		if (is_line_end(*x->p))
			return TOKEN_BROKEN;
		if (*x->p++ != '\\' || x->p == x->end)
			continue;
		if (is_line_end(*x->p)) {
			line_end(x);
		} else if (*x->p == 'z') {
			x->p++;
			space(x);
		} else {
			x->p++;
		}
	}
	if (x->p == x->end)
		return TOKEN_BROKEN;
	x->p++;
	return TOKEN_STRING;
}

static const char *
digits(const char *p, const char *end, bool hex)
{
	while (p < end && (hex ? is_hex(*p) : is_digit(*p)))
		p++;
	return p;
}

/* digits [. digits] [exponent], at least one digit before the exponent. */
static bool
number_fits(const char *p, const char *end)
{
	bool hex = end - p > 1 && p[0] == '0' && (p[1] | 0x20) == 'x';
	const char *from = hex ? p + 2 : p, *q = digits(from, end, hex);
	long n = q - from;

	if (q < end && *q == '.') {
		from = q + 1;
		q = digits(from, end, hex);
		n += q - from;
	}
	if (n == 0)
		return false;
	if (q < end && (*q | 0x20) == (hex ? 'p' : 'e')) {
		q++;
		if (q < end && (*q == '+' || *q == '-'))
			q++;
		if (q == end)
			return false;
		q = digits(q, end, false);
	}
	return q == end;
}

static enum token_kind
number(struct lexer *x)
{
	const char *from = x->p;
	bool hex = x->end - from > 1 && from[0] == '0' && (from[1] | 0x20) == 'x';

	if (hex)
		x->p += 2;
	while (x->p < x->end) {
		if ((*x->p | 0x20) == (hex ? 'p' : 'e')) {
			x->p++;
			if (x->p < x->end && (*x->p == '+' || *x->p == '-'))
				x->p++;
		} else if (is_hex(*x->p) || *x->p == '.') {
			x->p++;
		} else {
			break;
		}
	}
	if (x->p < x->end && is_letter(*x->p))
		x->p++;
	return number_fits(from, x->p) ? TOKEN_NUMBER : TOKEN_BROKEN;
}

static bool
find_word(struct lexer *x, const struct word *w, size_t n, uint8_t *word)
{
	size_t left = (size_t)(x->end - x->p);

	for (; n > 0; n--, w++) {
		if (w->text[0] == *x->p && w->n <= left && memcmp(w->text, x->p, w->n) == 0) {
			x->p += w->n;
			*word = w->word;
			return true;
		}
	}
	return false;
}

static enum token_kind
name(struct lexer *x, uint8_t *word)
{
	const char *from = x->p;
	size_t n;

	while (x->p < x->end && (is_letter(*x->p) || is_digit(*x->p)))
		x->p++;
	n = (size_t)(x->p - from);
	for (size_t i = 0; i < COUNT(keywords); i++) {
		if (keywords[i].n == n && memcmp(keywords[i].text, from, n) == 0) {
			*word = keywords[i].word;
			return TOKEN_KEYWORD;
		}
	}
	return TOKEN_NAME;
}

/* Bytes that belong to no token: all that are not ASCII up to the next that is, or one. */
static enum token_kind
strange(struct lexer *x)
{
	if ((unsigned char)*x->p++ >= 0x80)
		while (x->p < x->end && (unsigned char)*x->p >= 0x80)
			x->p++;
	return TOKEN_FOREIGN;
}

static enum token_kind
token(struct lexer *x, uint8_t *word)
{
	char c = *x->p, next = x->end - x->p > 1 ? x->p[1] : '\0';
	bool dots = c == '.' && next == '.' && x->end - x->p > 2 && x->p[2] == '.';

	if (is_letter(c))
		return name(x, word);
	if (is_digit(c) || (c == '.' && is_digit(next)))
		return number(x);
	if (c == '"' || c == '\'')
		return short_string(x);
	if (c == '[' && (next == '[' || next == '=')) {
		long level = long_level(x);

		if (level >= 0)
			return long_bracket(x, level) ? TOKEN_STRING : TOKEN_BROKEN;
		if (level == -2) {
			while (++x->p < x->end && *x->p == '=')
				;
			return TOKEN_BROKEN;
		}
	}
	if (!dots && find_word(x, foreign, COUNT(foreign), word))
		return TOKEN_FOREIGN;
	return find_word(x, signs, COUNT(signs), word) ? TOKEN_SIGN : strange(x);
}

void
lua_tokens_init(struct lua_tokens *s, struct str text)
{
	struct lexer x = { .p = text.p, .end = text.p + text.n, .line = 1 };
	size_t cap = 64 + text.n / 8;

	ASSERT(text.n < UINT32_MAX / 2);
	*s = (struct lua_tokens){ .text = text, .first_bad = SIZE_MAX };
	s->t = mem_alloc(cap * sizeof(*s->t));
	for (;;) {
		struct lua_token t = { .kind = TOKEN_BROKEN };
		const char *at;

		if (skip(&x, &at, &t.line))
			t.kind = x.p == x.end ? TOKEN_END : (uint8_t)token(&x, &t.word);
		t.at = (uint32_t)(at - text.p);
		t.n = (uint32_t)(x.p - at);
		if (s->n == cap) {
			cap *= 2;
			s->t = mem_realloc(s->t, cap * sizeof(*s->t));
		}
		if (t.kind >= TOKEN_FOREIGN && s->first_bad == SIZE_MAX)
			s->first_bad = s->n;
		s->t[s->n++] = t;
		if (t.kind == TOKEN_END)
			break;
	}
	if (s->first_bad == SIZE_MAX)
		s->first_bad = s->n;
}

void
lua_tokens_fini(struct lua_tokens *s)
{
	MEM_FREE(&s->t);
	s->n = 0;
}

struct str
lua_token_text(const struct lua_tokens *s, size_t i)
{
	return (struct str){ s->text.p + s->t[i].at, s->t[i].n };
}

struct str
lua_line(struct str text, uint32_t line)
{
	struct lexer x = { .p = text.p, .end = text.p + text.n, .line = 1 };
	const char *from;

	while (x.line < line && x.p < x.end) {
		if (is_line_end(*x.p))
			line_end(&x);
		else
			x.p++;
	}
	if (x.line != line)
		return STR_NONE;
	for (from = x.p; x.p < x.end && !is_line_end(*x.p);)
		x.p++;
	return STR_SPAN(from, x.p);
}
