/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lenient - three passes, each over the tokens of what the one before has left.
 *
 *   fence.c   prose and fences around the code become empty lines
 *   trivia    comments of other languages, odd white space, `else if`
 *   tokens    everything else: edits, collected in order of discovery, applied in order of place
 *
 * A pass that changes nothing costs no copy.  Edits never add or remove a line end and never
 * overlap.
 */
#include "codemode/lenient.h"

#include <stdlib.h>

#include "base/arena.h"
#include "codemode/edits.h"
#include "codemode/fence.h"
#include "codemode/lenient_literal.h"
#include "codemode/outline.h"

struct work {
	const struct lua_tokens *s;
	struct outline o;
	struct arena arena;
	struct lenient *l;
	struct edits edits;
	uint32_t *local; /* of a loop's opener: its last `local`, directly in it */
	uint32_t *ret;   /* and its `return` */
	bool *labelled;  /* has its label already */
};

static void
replace(struct work *w, size_t i, struct str text)
{
	(void)edits_add(&w->edits, w->s->t[i].at, w->s->t[i].n, text);
}

static uint32_t
end_of(const struct work *w, size_t i)
{
	return w->s->t[i].at + w->s->t[i].n;
}

static enum lua_word
word_at(const struct work *w, size_t i)
{
	return i < w->s->n ? (enum lua_word)w->s->t[i].word : W_NONE;
}

static enum token_kind
kind_at(const struct work *w, size_t i)
{
	return i < w->s->n ? (enum token_kind)w->s->t[i].kind : TOKEN_END;
}

static void
fixed(struct work *w, enum lenient_fix fix)
{
	w->l->fixed[fix]++;
}

/* ---- x += y, x++ ---- */

static const char *
operator_of(enum lua_word w)
{
	switch (w) {
	case W_SET_PLUS:
		return "+";
	case W_SET_MINUS:
		return "-";
	case W_SET_STAR:
		return "*";
	case W_SET_SLASH:
		return "/";
	case W_SET_PERCENT:
		return "%";
	case W_SET_CARET:
	case W_SET_POWER:
		return "^";
	case W_SET_IDIV:
		return "//";
	case W_SET_CONCAT:
		return "..";
	case W_SET_OR:
		return "or";
	case W_SET_AND:
		return "and";
	case W_SET_PIPE:
		return "|";
	case W_SET_AMP:
		return "&";
	case W_SET_SHL:
		return "<<";
	case W_SET_SHR:
		return ">>";
	default:
		return NULL;
	}
}

/* The assignment's target that ends before token i: a whole statement's, on one line, and nothing
 * in it that could be called twice. */
static bool
target_before(const struct work *w, size_t i, struct str *target)
{
	uint32_t first = i == 0 ? NOWHERE : outline_prefix(&w->o, i - 1, false);

	if (first == NOWHERE || !outline_statement_at(&w->o, first) ||
	    w->s->t[first].line != w->s->t[i].line)
		return false;
	*target = STR_SPAN(w->s->text.p + w->s->t[first].at, w->s->text.p + end_of(w, i - 1));
	return true;
}

static struct str
join(struct work *w, struct str a, struct str b, struct str c)
{
	const struct str parts[] = { a, b, c };

	return arena_join(&w->arena, parts, COUNT(parts));
}

static void
compound(struct work *w, size_t i)
{
	uint32_t end = outline_expression(&w->o, i + 1);
	struct str target;
	bool single;

	if (end == NOWHERE || !target_before(w, i, &target))
		return;
	if ((kind_at(w, end) >= TOKEN_FOREIGN && word_at(w, end) != W_BACKQUOTE) ||
	    word_at(w, end) == W_COMMA || word_at(w, end) == W_ASSIGN)
		return;
	single = end == i + 2;
	replace(w, i,
	    join(w, STR("= "), target,
		arena_printf(&w->arena, " %s%s", operator_of(word_at(w, i)),
		    w->s->t[i + 1].at == end_of(w, i) ? " " : "")));
	if (!single) {
		(void)edits_add(&w->edits, w->s->t[i + 1].at, 0, STR("("));
		edits_add(&w->edits, end_of(w, end - 1), 0, STR(")"))->closes = true;
	}
	fixed(w, LENIENT_ASSIGN);
}

static void
increment(struct work *w, size_t i)
{
	enum lua_word next = word_at(w, i + 1);
	struct str target;

	if (kind_at(w, i + 1) != TOKEN_END && kind_at(w, i + 1) != TOKEN_NAME &&
	    (kind_at(w, i + 1) != TOKEN_KEYWORD || next == W_AND || next == W_OR) &&
	    next != W_SEMICOLON)
		return;
	if (!target_before(w, i, &target))
		return;
	replace(w, i, join(w, STR(" = "), target, STR(" + 1")));
	fixed(w, LENIENT_INCREMENT);
}

/* ---- continue ---- */

/* A name alone is no statement of Lua's unless it goes on like a call or an assignment. */
static bool
stands_alone(const struct work *w, size_t i)
{
	switch (word_at(w, i + 1)) {
	case W_ASSIGN:
	case W_COMMA:
	case W_DOT:
	case W_LBRACKET:
	case W_COLON:
	case W_LPAREN:
	case W_LBRACE:
	case W_LABEL:
		return false;
	default:
		return kind_at(w, i + 1) < TOKEN_FOREIGN && kind_at(w, i + 1) != TOKEN_STRING;
	}
}

static void
label(struct work *w, uint32_t loop, uint32_t close)
{
	if (w->labelled[loop])
		return;
	w->labelled[loop] = true;
	if (w->ret[loop] != NOWHERE) { /* `return` must stay the last statement of its block */
		(void)edits_add(&w->edits, w->s->t[w->ret[loop]].at, 0, STR("do "));
		(void)edits_add(&w->edits, w->s->t[close].at, 0, STR(" end "));
	}
	(void)edits_add(
	    &w->edits, w->s->t[close].at, 0, arena_printf(&w->arena, " ::_continue%u:: ", loop));
}

static void
continue_(struct work *w, size_t i)
{
	uint32_t parent = w->o.parent[i], loop, close;

	if (parent == NOWHERE || !outline_statement_at(&w->o, i) || !stands_alone(w, i) ||
	    word_at(w, i - 1) == W_LABEL)
		return;
	loop = w->o.loop[parent];
	if (loop == NOWHERE || (close = w->o.pair[loop]) == NOWHERE)
		return;
	/* `until` still sees the locals of its block, so no goto may pass one on its way there. */
	if (word_at(w, close) == W_UNTIL && w->local[loop] != NOWHERE && w->local[loop] > i)
		return;
	replace(w, i, arena_printf(&w->arena, "goto _continue%u", loop));
	label(w, loop, close);
	fixed(w, LENIENT_CONTINUE);
}

/* ---- x == null ---- */

static bool
comparison_may_follow(const struct work *w, uint32_t first)
{
	switch (first == 0 ? W_NONE : word_at(w, first - 1)) {
	case W_IF:
	case W_ELSEIF:
	case W_WHILE:
	case W_UNTIL:
	case W_RETURN:
	case W_AND:
	case W_OR:
	case W_AND2:
	case W_OR2:
	case W_LPAREN:
	case W_LBRACE:
	case W_COMMA:
	case W_ASSIGN:
		return true;
	default:
		return false;
	}
}

static bool
comparison_may_end(const struct work *w, size_t i)
{
	enum lua_word next = word_at(w, i);

	return kind_at(w, i) == TOKEN_END || kind_at(w, i) == TOKEN_KEYWORD ||
	       kind_at(w, i) == TOKEN_NAME || next == W_RPAREN || next == W_RBRACE ||
	       next == W_COMMA || next == W_SEMICOLON || next == W_AND2 || next == W_OR2;
}

/* Token i compares with null: both an absent value and a null of a list must be found. */
static bool
null_compared(struct work *w, size_t i)
{
	enum lua_word word = word_at(w, i);
	bool equal = word == W_EQ || word == W_EQ3;
	uint32_t first;

	if (i == 0 || kind_at(w, i + 1) != TOKEN_NAME ||
	    !str_eq(lua_token_text(w->s, i + 1), STR("null")) ||
	    w->s->t[i - 1].line != w->s->t[i + 1].line ||
	    str_has(STR_SPAN(w->s->text.p + end_of(w, i - 1), w->s->text.p + w->s->t[i].at), '-') ||
	    outline_declares(&w->o, STR("null")) || outline_declares(&w->o, STR("is_null")) ||
	    !comparison_may_end(w, i + 2))
		return false;
	first = outline_prefix(&w->o, i - 1, true);
	if (first == NOWHERE || !comparison_may_follow(w, first))
		return false;
	(void)edits_add(
	    &w->edits, w->s->t[first].at, 0, equal ? STR(" is_null(") : STR(" not is_null("));
	(void)edits_add(&w->edits, end_of(w, i - 1), end_of(w, i + 1) - end_of(w, i - 1), STR(")"));
	fixed(w, LENIENT_NULL);
	return true;
}

/* How many tokens it was. */
static size_t
compared(struct work *w, size_t i)
{
	enum lua_word word = word_at(w, i);

	if (null_compared(w, i))
		return 2;
	if (word == W_EQ || word == W_NE)
		return 1;
	replace(w, i, word == W_EQ3 ? STR("==") : STR("~="));
	fixed(w, word == W_EQ3 ? LENIENT_EQUAL : LENIENT_NOT_EQUAL);
	return 1;
}

/* ---- names ---- */

static bool
is_one_of(struct str s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(s, str_of(words[i])))
			return true;
	return false;
}

/* Known to the worker's library. */
static bool
is_alias(struct str s)
{
	static const char *const words[] = { "console", "JSON", "None", "True", "False",
		"undefined", "require" };

	return is_one_of(s, words, COUNT(words));
}

static bool
same_line_name(const struct work *w, size_t i)
{
	return kind_at(w, i + 1) == TOKEN_NAME && w->s->t[i].line == w->s->t[i + 1].line;
}

static void
else_if(struct work *w, size_t i)
{
	uint32_t parent = w->o.parent[i], end = outline_expression(&w->o, i + 1);

	if (parent == NOWHERE || word_at(w, parent) != W_IF || end == NOWHERE ||
	    word_at(w, end) != W_THEN || !outline_statement_at(&w->o, i))
		return;
	replace(w, i, STR("elseif"));
	fixed(w, LENIENT_ELSEIF);
}

static void
name(struct work *w, size_t i)
{
	static const char *const declare[] = { "const", "let", "var" };
	static const char *const elif[] = { "elif", "elsif", "elseIf" };
	struct str s = lua_token_text(w->s, i);
	enum lua_word before = i > 0 ? word_at(w, i - 1) : W_NONE;

	if (before == W_DOT || before == W_COLON || before == W_GOTO || before == W_OPTIONAL)
		return;
	if (str_eq(s, STR("continue"))) {
		continue_(w, i);
		return;
	}
	if (is_one_of(s, elif, COUNT(elif))) {
		else_if(w, i);
		return;
	}
	if (outline_declares(&w->o, s))
		return;
	if (is_one_of(s, declare, COUNT(declare))) {
		if (!same_line_name(w, i) || !outline_statement_at(&w->o, i))
			return;
		replace(w, i, STR("local"));
		fixed(w, LENIENT_DECLARE);
	} else if ((str_eq(s, STR("await")) && same_line_name(w, i)) ||
		   (str_eq(s, STR("async")) && word_at(w, i + 1) == W_FUNCTION &&
		       w->s->t[i].line == w->s->t[i + 1].line)) {
		replace(w, i, STR(""));
		fixed(w, LENIENT_AWAIT);
	} else if (is_alias(s) && !(word_at(w, i + 1) == W_ASSIGN)) {
		fixed(w, LENIENT_ALIAS);
	}
}

/* ---- the pass over tokens ---- */

/* How many tokens it was. */
static size_t
sign(struct work *w, size_t i)
{
	switch (word_at(w, i)) {
	case W_EQ:
	case W_NE:
	case W_EQ3:
	case W_NOT_EQ:
	case W_NOT_EQ3:
		return compared(w, i);
	case W_AND2:
		replace(w, i, STR(" and "));
		fixed(w, LENIENT_LOGIC);
		break;
	case W_OR2:
		replace(w, i, STR(" or "));
		fixed(w, LENIENT_LOGIC);
		break;
	case W_BANG:
		replace(w, i, STR(" not "));
		fixed(w, LENIENT_LOGIC);
		break;
	case W_POWER:
		replace(w, i, STR("^"));
		fixed(w, LENIENT_POWER);
		break;
	case W_PLUS2:
		increment(w, i);
		break;
	case W_COLON:
	case W_LBRACKET:
		if (lenient_literal(&w->o, i, &w->edits))
			fixed(w, LENIENT_LITERAL);
		break;
	default:
		if (operator_of(word_at(w, i)) != NULL)
			compound(w, i);
		break;
	}
	return 1;
}

static void
work_init(struct work *w, const struct lua_tokens *s, struct lenient *l)
{
	*w = (struct work){ .s = s, .l = l };
	outline_init(&w->o, s);
	arena_init(&w->arena, 2 * s->text.n * 8 + 65536);
	w->local = mem_alloc(2 * s->n * sizeof(*w->local));
	w->ret = w->local + s->n;
	w->labelled = mem_zalloc(s->n * sizeof(*w->labelled));
	for (size_t i = 0; i < s->n; i++)
		w->local[i] = w->ret[i] = NOWHERE;
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t parent = w->o.parent[i];

		if (parent != NOWHERE && s->t[i].word == W_LOCAL)
			w->local[parent] = i;
		if (parent != NOWHERE && s->t[i].word == W_RETURN)
			w->ret[parent] = i;
	}
}

static void
work_fini(struct work *w)
{
	outline_fini(&w->o);
	arena_free(&w->arena);
	MEM_FREE(&w->local);
	MEM_FREE(&w->labelled);
	edits_fini(&w->edits);
}

static bool
tokens_pass(struct str source, struct lenient *l, struct buf *out)
{
	struct lua_tokens s;
	struct work w;
	bool changed;

	lua_tokens_init(&s, source);
	work_init(&w, &s, l);
	for (size_t i = 0; i < s.n;) {
		size_t step = 1;

		if (s.t[i].kind == TOKEN_NAME)
			name(&w, i);
		else if (s.t[i].kind == TOKEN_SIGN || s.t[i].kind == TOKEN_FOREIGN)
			step = sign(&w, i);
		i += step;
	}
	changed = edits_apply(&w.edits, source, out);
	work_fini(&w);
	lua_tokens_fini(&s);
	return changed;
}

bool
lenient_fix(struct str source, size_t limit_bytes, struct buf *out, struct lenient *l)
{
	typedef bool pass_f(struct str, struct lenient *, struct buf *);
	static pass_f *const passes[] = { fence_pass, trivia_pass, tokens_pass };
	struct buf next;
	bool changed = false;

	*l = (struct lenient){ 0 };
	for (size_t i = 0; i < COUNT(passes); i++) {
		buf_init(&next, limit_bytes);
		if (passes[i](changed ? buf_str(out) : source, l, &next)) {
			struct buf old = *out;

			*out = next;
			next = old;
			changed = true;
		}
		buf_fini(&next);
		if (changed && !buf_ok(out)) {
			*l = (struct lenient){ 0 };
			buf_fini(out);
			return false;
		}
	}
	return changed;
}
