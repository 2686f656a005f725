/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fence - Markdown around scripts, comments of other languages in them.
 *
 * A fence is a line that begins with three backquotes, looked for only in a source that cannot be
 * Lua as it is (so never inside the strings of a script that writes Markdown).  Blocks tagged `lua`
 * are the script; without such a tag the first block is.  All other lines become empty: errors then
 * name the lines that the model wrote.
 *
 * A comment of another language is seen only where its first bytes cannot be Lua: `#` where a
 * statement begins (no operator follows an operand there), `//` where no operand stands before it,
 * and `//` before words that no expression goes on with.
 */
#include "codemode/fence.h"

#include <stdlib.h>

#include "codemode/lex.h"

static struct str
next_line(struct str *rest)
{
	struct str line = str_cut(rest, '\n');

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static bool
is_fence(struct str line, struct str *tag)
{
	line = str_trim(line);
	if (!str_starts(line, STR("```")))
		return false;
	*tag = str_trim((struct str){ line.p + 3, line.n - 3 });
	return true;
}

/* Is any block tagged as Lua? */
static bool
fences_look(struct str source, size_t *fences)
{
	struct str rest = source, tag;
	bool inside = false, tagged = false;

	*fences = 0;
	while (rest.p != NULL) {
		if (!is_fence(next_line(&rest), &tag))
			continue;
		inside = !inside;
		*fences += 1;
		tagged |= inside && str_ieq(tag, STR("lua"));
	}
	return tagged;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* `return 1`, and a whole block on one line: ```lua return 1 ``` */
static bool
unquote(struct str source, struct buf *out)
{
	size_t from = 0, to = source.n, at;

	while (from < to && is_blank(source.p[from]))
		from++;
	while (to > from && is_blank(source.p[to - 1]))
		to--;
	for (at = from; at < to && source.p[at] == '`';)
		at++;
	for (size_t n = at - from; n > 0 && to > at && source.p[to - 1] == '`'; n--)
		to--;
	if (at == from || at == to || str_has(STR_SPAN(source.p + at, source.p + to), '`'))
		return false;
	if (at - from == 3 && str_starts(STR_SPAN(source.p + at, source.p + to), STR("lua ")))
		at += 4;
	buf_put(out, (struct str){ source.p, from });
	buf_put(out, STR_SPAN(source.p + at, source.p + to));
	return true;
}

/* The lines of the wanted blocks; false when there are none. */
static bool
unfence(struct str source, struct buf *out)
{
	struct str rest = source, tag = STR_NONE;
	bool inside = false, wanted = false, done = false, any = false, tagged;
	size_t fences;

	tagged = fences_look(source, &fences);
	while (fences > 0 && rest.p != NULL) {
		struct str line = next_line(&rest);

		if (is_fence(line, &tag)) {
			done |= wanted;
			inside = !inside;
			wanted = inside && (tagged ? str_ieq(tag, STR("lua")) : !done);
		} else if (wanted) {
			buf_put(out, line);
			any |= str_trim(line).n > 0;
		}
		if (rest.p != NULL)
			buf_putc(out, '\n');
	}
	return any;
}

bool
fence_pass(struct str source, struct lenient *l, struct buf *out)
{
	struct lua_tokens s;
	bool may_be_lua, changed;

	lua_tokens_init(&s, source);
	may_be_lua = s.first_bad == s.n;
	lua_tokens_fini(&s);
	if (may_be_lua)
		return false;
	changed = unfence(source, out);
	if (!changed) {
		buf_reset(out);
		changed = unquote(source, out);
	}
	l->fixed[LENIENT_FENCE] += changed;
	return changed;
}

/* ---- comments, white space, else if ---- */

struct trivia {
	const struct lua_tokens *s;
	struct lenient *l;
	struct buf *out;
	size_t done;   /* bytes of the text that are written */
	size_t braces; /* open ones before the token; of functions in tables, too */
	bool join;     /* every `else if` is an elseif: just their ends are missing */
};

/* Could an operator follow token i? */
static bool
is_operand(const struct lua_token *t)
{
	switch (t->word) {
	case W_NONE:
		return t->kind != TOKEN_FOREIGN && t->kind != TOKEN_END;
	case W_NIL:
	case W_TRUE:
	case W_FALSE:
	case W_END:
	case W_DOTS:
	case W_RPAREN:
	case W_RBRACKET:
	case W_RBRACE:
		return true;
	default:
		return false;
	}
}

static bool
on_line(const struct trivia *v, size_t i, uint32_t line)
{
	return i < v->s->n && v->s->t[i].kind != TOKEN_END && v->s->t[i].line == line;
}

/* Words of a sentence: an expression cannot go on like this. */
static bool
is_prose(const struct trivia *v, size_t i)
{
	uint32_t line = v->s->t[i - 1].line;

	if (!on_line(v, i, line))
		return false;
	switch (v->s->t[i].word) {
	case W_NOT:
	case W_NIL:
	case W_TRUE:
	case W_FALSE:
	case W_FUNCTION:
		return false;
	default:
		break;
	}
	if (v->s->t[i].kind == TOKEN_KEYWORD)
		return true;
	for (size_t k = i; k < i + 3; k++)
		if (!on_line(v, k, line) || v->s->t[k].kind != TOKEN_NAME)
			return false;
	return true;
}

static bool
is_comment(const struct trivia *v, size_t i)
{
	const struct lua_token *t = &v->s->t[i];

	if (t->word == W_IDIV)
		return i == 0 || !is_operand(&v->s->t[i - 1]) || is_prose(v, i + 1);
	if (t->word != W_HASH)
		return false;
	if (i == 0)
		return true;
	switch (v->s->t[i - 1].word) {
	case W_DO:
	case W_THEN:
	case W_ELSE:
	case W_REPEAT:
	case W_BREAK:
		return true;
	case W_SEMICOLON: /* in a table it is a comma */
		return v->braces == 0;
	default:
		return is_operand(&v->s->t[i - 1]);
	}
}

/* The first token behind the line of token i; 0 when one on it goes on in the next. */
static size_t
line_over(const struct trivia *v, size_t i)
{
	uint32_t line = v->s->t[i].line;

	for (; on_line(v, i, line); i++)
		if (str_has(lua_token_text(v->s, i), '\n'))
			return 0;
	return i;
}

static void
put_instead(struct trivia *v, size_t i, const char *text, size_t upto)
{
	const char *p = v->s->text.p;

	buf_put(v->out, STR_SPAN(p + v->done, p + v->s->t[i].at));
	buf_puts(v->out, text);
	v->done = upto;
}

/* Byte order mark, no-break and zero-width spaces: as many blanks. */
static bool
is_odd_space(struct str s)
{
	static const char *const odd[] = { "\xef\xbb\xbf", "\xc2\xa0", "\xe2\x80\x8b",
		"\xe2\x80\xaf", "\xe2\x81\xa0" };

	while (s.n > 0) {
		size_t k = 0;

		while (k < COUNT(odd) && !str_starts(s, str_of(odd[k])))
			k++;
		if (k == COUNT(odd))
			return false;
		s.p += str_of(odd[k]).n;
		s.n -= str_of(odd[k]).n;
	}
	return true;
}

static bool
is_else_if(const struct lua_tokens *s, size_t i)
{
	return s->t[i].word == W_ELSE && i + 1 < s->n && s->t[i + 1].word == W_IF &&
	       s->t[i].line == s->t[i + 1].line;
}

/* Are exactly as many ends missing as there are `else if` on one line? */
static bool
ends_are_missing(const struct lua_tokens *s)
{
	long open = 0, pairs = 0;

	for (size_t i = 0; i < s->n; i++) {
		enum lua_word w = (enum lua_word)s->t[i].word;

		open += w == W_IF || w == W_DO || w == W_FUNCTION;
		open -= w == W_END;
		pairs += is_else_if(s, i);
	}
	return pairs > 0 && open == pairs;
}

/* Token i, or several from there on; the next one. */
static size_t
trivium(struct trivia *v, size_t i)
{
	const struct lua_token *t = &v->s->t[i];
	size_t next;

	v->braces += t->word == W_LBRACE;
	v->braces -= t->word == W_RBRACE && v->braces > 0;
	if (is_comment(v, i) && (next = line_over(v, i)) != 0) {
		put_instead(v, i, "--", t->at + t->n);
		v->l->fixed[LENIENT_COMMENT]++;
		return next;
	}
	if (t->kind == TOKEN_FOREIGN && t->word == W_NONE &&
	    is_odd_space(lua_token_text(v->s, i))) {
		put_instead(v, i, " ", t->at + t->n);
		v->l->fixed[LENIENT_SPACE]++;
	}
	if (v->join && is_else_if(v->s, i)) {
		put_instead(v, i, "elseif", v->s->t[i + 1].at + 2);
		v->l->fixed[LENIENT_ELSEIF]++;
		return i + 2;
	}
	return i + 1;
}

bool
trivia_pass(struct str source, struct lenient *l, struct buf *out)
{
	struct lua_tokens s;
	struct trivia v = { .s = &s, .l = l, .out = out };
	bool changed;

	lua_tokens_init(&s, source);
	v.join = ends_are_missing(&s);
	for (size_t i = 0; i < s.n;)
		i = trivium(&v, i);
	changed = v.done > 0;
	if (changed)
		buf_put(out, STR_SPAN(source.p + v.done, source.p + source.n));
	lua_tokens_fini(&s);
	return changed;
}
