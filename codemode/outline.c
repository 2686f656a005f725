/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outline - one pass with a stack, and walks over what it found.
 *
 * `while` and `for` have no block of their own: the next `do` on their level is their body, and so
 * the loop's block.  A closer that does not fit the innermost opener ends the pairing: from there
 * on nothing has a pair.  Walks jump over pairs, so that all the expressions of a source together
 * cost no more than its tokens.
 */
#include "codemode/outline.h"

#include <stdlib.h>

struct level {
	uint32_t opener;
	bool loop_head; /* a while or for waits for its do */
};
struct stack {
	struct level *l;
	size_t n, cap;
};

static enum lua_word
word_at(const struct outline *o, size_t i)
{
	return i < o->s->n ? (enum lua_word)o->s->t[i].word : W_NONE;
}

static enum token_kind
kind_at(const struct outline *o, size_t i)
{
	return i < o->s->n ? (enum token_kind)o->s->t[i].kind : TOKEN_END;
}

static void
declare(struct outline *o, size_t i)
{
	if (kind_at(o, i) == TOKEN_NAME)
		map_set(&o->declared, lua_token_text(o->s, i), o);
}

/* name {, name}, each with an attribute or without. */
static void
declare_list(struct outline *o, size_t i)
{
	while (kind_at(o, i) == TOKEN_NAME) {
		declare(o, i++);
		if (word_at(o, i) == W_LT && word_at(o, i + 2) == W_GT)
			i += 3;
		if (word_at(o, i) != W_COMMA)
			return;
		i++;
	}
}

/* function [name {. name} [: name]] ( parameters */
static void
declare_function(struct outline *o, size_t i)
{
	if (kind_at(o, ++i) == TOKEN_NAME && word_at(o, i + 1) == W_LPAREN)
		declare(o, i);
	while (kind_at(o, i) == TOKEN_NAME || word_at(o, i) == W_DOT || word_at(o, i) == W_COLON)
		i++;
	if (word_at(o, i) == W_LPAREN)
		declare_list(o, i + 1);
}

/* a, b.c, d = ...: from the sign back over its targets. */
static void
declare_targets(struct outline *o, size_t assign)
{
	uint32_t last = (uint32_t)assign - 1, first;

	while (last != NOWHERE && (first = outline_prefix(o, last, true)) != NOWHERE) {
		if (first == last)
			declare(o, first);
		last = first > 0 && word_at(o, first - 1) == W_COMMA ? first - 2 : NOWHERE;
	}
}

static void
declarations(struct outline *o, size_t i)
{
	switch (word_at(o, i)) {
	case W_LOCAL:
	case W_FOR:
		declare_list(o, i + 1);
		break;
	case W_FUNCTION:
		declare_function(o, i);
		break;
	case W_ASSIGN:
		if (i > 0 && (o->parent[i] == NOWHERE || word_at(o, o->parent[i]) != W_LBRACE))
			declare_targets(o, i);
		break;
	default:
		break;
	}
}

static bool
closes(enum lua_word opener, enum lua_word closer)
{
	switch (closer) {
	case W_RPAREN:
		return opener == W_LPAREN;
	case W_RBRACKET:
		return opener == W_LBRACKET;
	case W_RBRACE:
		return opener == W_LBRACE;
	case W_UNTIL:
		return opener == W_REPEAT;
	default:
		return opener == W_FUNCTION || opener == W_IF || opener == W_DO;
	}
}

static void
push(struct outline *o, struct stack *k, uint32_t i)
{
	struct level *top = &k->l[k->n - 1];
	bool body = word_at(o, i) == W_DO && top->loop_head;

	if (body || word_at(o, i) == W_REPEAT)
		o->loop[i] = i;
	else if (word_at(o, i) == W_FUNCTION || top->opener == NOWHERE)
		o->loop[i] = NOWHERE;
	else
		o->loop[i] = o->loop[top->opener];
	if (body)
		top->loop_head = false;
	if (k->n == k->cap) {
		k->cap *= 2;
		k->l = mem_realloc(k->l, k->cap * sizeof(*k->l));
	}
	k->l[k->n++] = (struct level){ i, false };
}

/* One token; false: it closes what is not open. */
static bool
pair(struct outline *o, struct stack *k, uint32_t i)
{
	struct level *top = &k->l[k->n - 1];

	switch (word_at(o, i)) {
	case W_LPAREN:
	case W_LBRACKET:
	case W_LBRACE:
	case W_FUNCTION:
	case W_IF:
	case W_DO:
	case W_REPEAT:
		push(o, k, i);
		return true;
	case W_WHILE:
	case W_FOR:
		top->loop_head = true;
		return true;
	case W_RPAREN:
	case W_RBRACKET:
	case W_RBRACE:
	case W_END:
	case W_UNTIL:
		if (top->opener == NOWHERE || !closes(word_at(o, top->opener), word_at(o, i)))
			return false;
		o->pair[i] = top->opener;
		o->pair[top->opener] = i;
		k->n--;
		return true;
	default:
		return true;
	}
}

void
outline_init(struct outline *o, const struct lua_tokens *s)
{
	struct stack k = { .n = 1, .cap = 32 };
	bool paired = true;

	*o = (struct outline){ .s = s };
	o->pair = mem_alloc(3 * s->n * sizeof(*o->pair));
	o->parent = o->pair + s->n;
	o->loop = o->parent + s->n;
	map_init(&o->declared);
	k.l = mem_alloc(k.cap * sizeof(*k.l));
	k.l[0] = (struct level){ NOWHERE, false };
	for (uint32_t i = 0; i < s->n; i++)
		o->pair[i] = o->loop[i] = NOWHERE;
	for (uint32_t i = 0; i < s->n; i++) {
		o->parent[i] = paired ? k.l[k.n - 1].opener : NOWHERE;
		paired = paired && pair(o, &k, i);
		declarations(o, i);
	}
	free(k.l);
}

void
outline_fini(struct outline *o)
{
	MEM_FREE(&o->pair);
	map_fini(&o->declared);
}

bool
outline_declares(const struct outline *o, struct str name)
{
	return map_get(&o->declared, name) != NULL;
}

/* Is token i the end of something that can be indexed or called? */
static bool
ends_prefix(const struct outline *o, size_t i)
{
	return kind_at(o, i) == TOKEN_NAME || word_at(o, i) == W_RPAREN ||
	       word_at(o, i) == W_RBRACKET;
}

/* Nothing that could be called, and so nothing that could do anything. */
static bool
calls_nothing(const struct outline *o, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		bool value = kind_at(o, i) == TOKEN_NUMBER || kind_at(o, i) == TOKEN_STRING;
		enum lua_word w = word_at(o, i);

		if (kind_at(o, i) >= TOKEN_FOREIGN || kind_at(o, i) == TOKEN_KEYWORD ||
		    w == W_LPAREN || w == W_LBRACE || (value && i > from && ends_prefix(o, i - 1)))
			return false;
	}
	return true;
}

/* One step to the left from i, the last token of a link of the chain: the link's first token. */
static uint32_t
prefix_link(const struct outline *o, uint32_t i, bool calls)
{
	uint32_t open = o->pair[i];

	if (kind_at(o, i) == TOKEN_NAME)
		return i;
	if (open == NOWHERE || open > i)
		return NOWHERE;
	if (word_at(o, i) == W_RBRACKET)
		return open > 0 && ends_prefix(o, open - 1) &&
			       (calls || calls_nothing(o, open + 1, i))
			   ? open
			   : NOWHERE;
	return word_at(o, i) == W_RPAREN && calls ? open : NOWHERE;
}

uint32_t
outline_prefix(const struct outline *o, size_t last, bool calls)
{
	uint32_t i = (uint32_t)last;

	for (;;) {
		enum lua_word before;

		if (!ends_prefix(o, i) || (i = prefix_link(o, i, calls)) == NOWHERE)
			return NOWHERE;
		if (i == 0)
			return word_at(o, 0) == W_LBRACKET ? NOWHERE : 0;
		before = word_at(o, i - 1);
		if (kind_at(o, i) == TOKEN_NAME) {
			if (before != W_DOT && (before != W_COLON || !calls))
				return before == W_COLON ? NOWHERE : i;
			if (i < 2)
				return NOWHERE;
			i -= 2;
		} else if (word_at(o, i) == W_LBRACKET || ends_prefix(o, i - 1)) {
			i--;
		} else {
			return i;
		}
	}
}

static bool
is_unary(enum lua_word w)
{
	return w == W_MINUS || w == W_NOT || w == W_HASH || w == W_TILDE || w == W_BANG;
}

static bool
is_binary(enum lua_word w)
{
	switch (w) {
	case W_AND:
	case W_OR:
	case W_CONCAT:
	case W_IDIV:
	case W_EQ:
	case W_NE:
	case W_LE:
	case W_GE:
	case W_SHL:
	case W_SHR:
	case W_PLUS:
	case W_MINUS:
	case W_STAR:
	case W_SLASH:
	case W_PERCENT:
	case W_CARET:
	case W_AMP:
	case W_TILDE:
	case W_PIPE:
	case W_LT:
	case W_GT:
	case W_AND2:
	case W_OR2:
	case W_NOT_EQ:
	case W_NOT_EQ3:
	case W_EQ3:
	case W_POWER:
		return true;
	default:
		return false;
	}
}

/* One operand without its suffixes: one past it, or NOWHERE; *prefix: suffixes may follow. */
static uint32_t
operand(const struct outline *o, uint32_t i, bool *prefix)
{
	enum lua_word w = word_at(o, i);

	*prefix = kind_at(o, i) == TOKEN_NAME || w == W_LPAREN;
	if (kind_at(o, i) == TOKEN_NAME || kind_at(o, i) == TOKEN_NUMBER ||
	    kind_at(o, i) == TOKEN_STRING || w == W_NIL || w == W_TRUE || w == W_FALSE ||
	    w == W_DOTS)
		return i + 1;
	if (w != W_LPAREN && w != W_LBRACE && w != W_FUNCTION)
		return NOWHERE;
	return o->pair[i] == NOWHERE ? NOWHERE : o->pair[i] + 1;
}

/* .name, [index], :name, (arguments), {table}, "text" */
static uint32_t
suffixes(const struct outline *o, uint32_t i)
{
	for (;;) {
		enum lua_word w = word_at(o, i);

		if (w == W_DOT || w == W_COLON) {
			if (kind_at(o, i + 1) != TOKEN_NAME)
				return NOWHERE;
			i += 2;
		} else if (w == W_LPAREN || w == W_LBRACKET || w == W_LBRACE) {
			if (o->pair[i] == NOWHERE)
				return NOWHERE;
			i = o->pair[i] + 1;
		} else if (kind_at(o, i) == TOKEN_STRING) {
			i++;
		} else {
			return i;
		}
	}
}

uint32_t
outline_expression(const struct outline *o, size_t first)
{
	uint32_t i = (uint32_t)first;
	bool prefix;

	for (;;) {
		while (is_unary(word_at(o, i)))
			i++;
		i = operand(o, i, &prefix);
		if (i != NOWHERE && prefix)
			i = suffixes(o, i);
		if (i == NOWHERE || !is_binary(word_at(o, i)))
			return i;
		i++;
	}
}

bool
outline_statement_at(const struct outline *o, size_t i)
{
	if (i == 0)
		return true;
	switch (kind_at(o, i - 1)) {
	case TOKEN_NAME:
	case TOKEN_NUMBER:
	case TOKEN_STRING:
		return true;
	default:
		break;
	}
	switch (word_at(o, i - 1)) {
	case W_SEMICOLON:
	case W_DO:
	case W_THEN:
	case W_ELSE:
	case W_REPEAT:
	case W_END:
	case W_BREAK:
	case W_NIL:
	case W_TRUE:
	case W_FALSE:
	case W_DOTS:
	case W_RPAREN:
	case W_RBRACE:
	case W_RBRACKET:
	case W_LABEL:
	case W_PLUS2:
		return true;
	default:
		return false;
	}
}
