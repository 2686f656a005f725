/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lenient_literal - {"a": 1} and [1, 2].
 *
 *	{"a": 1, b: 'x'}	{["a"]= 1, b= 'x'}	a ':' after a key at the start of a field
 *	return [1, [2]]		return {1, {2}}		a '[' where an expression begins
 *
 * Only what no program of Lua has: b:f(x), b:f"x" and b:f{x} are calls of methods, and stay; so
 * does {[k] = v}.  [[1, 2], 3] is a long string to Lua, and cannot be told from one.
 */
#include "codemode/lenient_literal.h"

static enum lua_word
word_before(const struct outline *o, size_t i)
{
	return i == 0 ? W_NONE : lua_word_at(o->s, i - 1);
}

/* Can a field of a table begin at token i? */
static bool
is_field_at(const struct outline *o, size_t i)
{
	uint32_t parent = i > 0 ? o->parent[i] : NOWHERE;
	enum lua_word before = word_before(o, i);

	return parent != NOWHERE && lua_word_at(o->s, parent) == W_LBRACE &&
	       (before == W_COMMA || before == W_SEMICOLON || parent == i - 1);
}

/* After NAME ':', is it certainly no method's name and arguments? */
static bool
is_value_at(const struct outline *o, size_t i)
{
	enum lua_word next = lua_word_at(o->s, i + 1);

	if (lua_kind_at(o->s, i) != TOKEN_NAME)
		return true;
	return lua_kind_at(o->s, i + 1) != TOKEN_STRING && next != W_LPAREN && next != W_LBRACE;
}

static bool
pair_edit(const struct outline *o, size_t i, struct edits *edits)
{
	const struct lua_token *key, *colon = &o->s->t[i];
	enum token_kind kind;

	if (i < 2 || !is_field_at(o, i - 1))
		return false;
	key = &o->s->t[i - 1];
	kind = lua_kind_at(o->s, i - 1);
	if (kind == TOKEN_STRING) {
		if (o->s->text.p[key->at] == '[')
			return false;
		(void)edits_add(edits, key->at, 0, STR("["));
		edits_add(edits, key->at + key->n, 0, STR("]"))->closes = true;
	} else if (kind != TOKEN_NAME || !is_value_at(o, i + 1)) {
		return false;
	}
	(void)edits_add(edits, colon->at, colon->n, STR("="));
	return true;
}

/* Does an expression begin after this token? */
static bool
is_before_value(const struct outline *o, size_t i)
{
	switch (word_before(o, i)) {
	case W_ASSIGN:
	case W_LPAREN:
	case W_RETURN:
	case W_LBRACKET:
	case W_COLON:
		return true;
	case W_COMMA:
	case W_LBRACE: /* of a table: unless it is the key of a field */
		return o->parent[i] != NOWHERE &&
		       (lua_word_at(o->s, o->parent[i]) != W_LBRACE ||
			   lua_word_at(o->s, o->pair[i] + 1) != W_ASSIGN);
	default:
		return false;
	}
}

static bool
list_edit(const struct outline *o, size_t i, struct edits *edits)
{
	uint32_t close = o->pair[i];

	if (close == NOWHERE || lua_word_at(o->s, close) != W_RBRACKET || !is_before_value(o, i))
		return false;
	(void)edits_add(edits, o->s->t[i].at, 1, STR("{"));
	(void)edits_add(edits, o->s->t[close].at, 1, STR("}"));
	return true;
}

bool
lenient_literal(const struct outline *o, size_t i, struct edits *edits)
{
	return lua_word_at(o->s, i) == W_COLON ? pair_edit(o, i, edits) : list_edit(o, i, edits);
}
