/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - where in a script an error may be caught.
 *
 *	pcall(server.tool, {...})              caught there
 *	pcall(function() server.tool{} end)    between the parentheses
 *	pcall(f), pcall(function() f() end)    f is some function of the script: in any of them
 *	local try = pcall, coroutine.resume    likewise
 *	pmap(list, f, {errors="keep"})         likewise
 *
 * Whoever asks wants to be certain that an error ends the script, so in doubt one may be caught.
 */
#include "codemode/guard.h"

static bool
is_catcher(struct str s)
{
	return str_eq(s, STR("pcall")) || str_eq(s, STR("xpcall"));
}

static bool
is_call(const struct lua_tokens *s, size_t i)
{
	enum lua_word w = lua_word_at(s, i);

	return w == W_LBRACE || w == W_LPAREN || w == W_LBRACKET ||
	       lua_kind_at(s, i) == TOKEN_STRING;
}

/* Is something of the script's own called, or passed to what may call it? */
static bool
calls_own(const struct outline *o, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		enum lua_word before = lua_word_at(o->s, i - 1);
		size_t next = i + 1;

		if (lua_word_at(o->s, i) == W_RPAREN && is_call(o->s, next))
			return true;
		if (lua_kind_at(o->s, i) != TOKEN_NAME || before == W_DOT || before == W_COLON ||
		    !outline_declares(o, lua_token_text(o->s, i)))
			continue;
		while ((lua_word_at(o->s, next) == W_DOT || lua_word_at(o->s, next) == W_COLON) &&
		       lua_kind_at(o->s, next + 1) == TOKEN_NAME)
			next += 2;
		if (is_call(o->s, next) || (o->parent[i] > from && o->parent[i] != NOWHERE &&
					       lua_word_at(o->s, o->parent[i]) == W_LPAREN))
			return true;
	}
	return false;
}

/* pcall at i: may it catch what a function elsewhere does? */
static bool
reaches_out(const struct outline *o, size_t i)
{
	struct str first = lua_text_at(o->s, i + 2);

	if (lua_word_at(o->s, i + 1) != W_LPAREN)
		return true; /* under another name */
	if (lua_word_at(o->s, i + 2) == W_FUNCTION)
		return o->pair[i + 2] == NOWHERE || calls_own(o, i + 3, o->pair[i + 2]);
	if (lua_kind_at(o->s, i + 2) != TOKEN_NAME || outline_declares(o, first))
		return true;
	return lua_word_at(o->s, i + 3) != W_DOT && !str_eq(first, STR("call"));
}

/* {errors="keep"}, however it is written. */
static bool
keeps_errors(const struct lua_tokens *s, size_t i)
{
	struct str text = lua_token_text(s, i);

	if (s->t[i].kind == TOKEN_STRING)
		return text.n == 6 && str_eq((struct str){ text.p + 1, 4 }, STR("keep"));
	return str_eq(text, STR("errors")) && lua_word_at(s, i + 1) == W_ASSIGN;
}

bool
guard_init(struct guard *g, const struct outline *o)
{
	*g = (struct guard){ .o = o };
	for (size_t i = 0; i < o->s->n && !g->functions; i++) {
		struct str text = lua_token_text(o->s, i);

		if (lua_kind_at(o->s, i) != TOKEN_NAME && lua_kind_at(o->s, i) != TOKEN_STRING)
			continue;
		g->functions =
		    keeps_errors(o->s, i) || (is_catcher(text) && reaches_out(o, i)) ||
		    (i > 0 && lua_word_at(o->s, i - 1) == W_DOT && str_eq(text, STR("resume")));
	}
	return !outline_declares(o, STR("pcall")) && !outline_declares(o, STR("xpcall"));
}

bool
guard_at(struct guard *g, size_t i)
{
	const struct outline *o = g->o;
	uint32_t over = o->pair[i];

	if (lua_word_at(o->s, i) == W_FUNCTION && over != NOWHERE && over > g->function_end)
		g->function_end = over;
	if (lua_kind_at(o->s, i) == TOKEN_NAME && is_catcher(lua_token_text(o->s, i)) &&
	    lua_word_at(o->s, i + 1) == W_LPAREN) {
		over = o->pair[i + 1];
		if (over > g->end) /* NOWHERE is past everything */
			g->end = over;
	}
	return i < g->end || (g->functions && i < g->function_end);
}
