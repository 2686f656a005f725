/* SPDX-License-Identifier: Apache-2.0 */
/*
 * head - the head of a snippet as it came with RUN, and whether the arguments of a call fit it.
 *
 * The bytes are checked once, when they come (frame.h has the layout); after that walking them
 * needs no checks.  What is told of arguments is a service: their names, which are required, the
 * first level of types.  Arguments are read raw: no metamethod of the caller's runs.
 */
#include <stdlib.h>
#include <string.h>

#include "sandbox/worker/snippet.h"

#define KEYS_MAX 64 /* of one call, looked at */
#define GOT_MAX  8  /* of them, told */

/* ---- what came with RUN ---- */

struct reader {
	const char *p, *end;
	bool bad;
};

static struct bytes
take(struct reader *r, size_t n)
{
	struct bytes b = { r->p, n };

	if (n > (size_t)(r->end - r->p)) {
		r->bad = true;
		return (struct bytes){ "", 0 };
	}
	r->p += n;
	return b;
}

static size_t
take_number(struct reader *r, size_t bytes)
{
	struct bytes b = take(r, bytes);
	size_t n = 0;

	for (size_t i = 0; i < b.n; i++)
		n |= (size_t)(unsigned char)b.p[i] << (8 * i);
	return n;
}

static struct bytes
take_short(struct reader *r)
{
	return take(r, take_number(r, 1));
}

struct param {
	struct bytes name, type;
	unsigned flags, kinds;
	size_t choices_n;
	struct bytes choices;
};

static struct param
take_param(struct reader *r)
{
	struct param p = { .name = take_short(r) };

	p.flags = (unsigned)take_number(r, 1);
	p.kinds = (unsigned)take_number(r, 1);
	p.type = take_short(r);
	p.choices_n = take_number(r, 1);
	p.choices.p = r->p;
	for (size_t i = 0; i < p.choices_n && !r->bad; i++)
		(void)take_short(r);
	p.choices.n = (size_t)(r->p - p.choices.p);
	return p;
}

bool
head_take(const char **at, const char *end, struct snippet *s)
{
	struct reader r = { *at, end, false };
	struct bytes name = take_short(&r);

	if (name.n == 0 || name.n > FRAME_NAME_MAX)
		return false;
	memcpy(s->name, name.p, name.n);
	s->name[name.n] = '\0';
	s->source = take(&r, take_number(&r, 4));
	s->signature = take(&r, take_number(&r, 2));
	s->params_n = take_number(&r, 1);
	s->params = r.p;
	for (size_t i = 0; i < s->params_n && !r.bad; i++)
		(void)take_param(&r);
	s->params_end = r.p;
	*at = r.p;
	return !r.bad;
}

/* The parameter of this name; false: there is none. */
static bool
param_find(const struct snippet *s, struct bytes name, struct param *out)
{
	struct reader r = { s->params, s->params_end, false };

	for (size_t i = 0; i < s->params_n; i++) {
		*out = take_param(&r);
		if (out->name.n == name.n && memcmp(out->name.p, name.p, name.n) == 0)
			return true;
	}
	return false;
}

/* ---- errors ---- */

_Noreturn void
head_raise(lua_State *L, const struct snippet *s, const char *code, const char *text)
{
	lua_pushstring(L, text); /* which may be on the stack */
	lua_insert(L, 1);
	lua_settop(L, 1);
	lua_pushliteral(L, SNIPPETS);
	lua_pushstring(L, s->name);
	lua_pushstring(L, code);
	lua_pushvalue(L, 1);
	lua_remove(L, 1);
	(void)toolerror_fail(L);
	abort(); /* it has raised */
}

/* What was wrong on top of the stack; the signature follows. */
_Noreturn void
head_refuse(lua_State *L, const struct snippet *s)
{
	lua_pushliteral(L, "\n  ");
	lua_pushlstring(L, s->signature.p, s->signature.n);
	lua_concat(L, s->signature.n > 0 ? 3 : 2);
	head_raise(L, s, "invalid_args", lua_tostring(L, -1));
}

/* ---- arguments ---- */

static int
by_bytes(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;
	int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

/* The names of the arguments at index 1, in order; raises where one has none. */
static size_t
keys_of(lua_State *L, const struct snippet *s, struct bytes keys[KEYS_MAX])
{
	size_t n = 0;

	lua_pushnil(L);
	while (lua_next(L, 1)) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING || n == KEYS_MAX) {
			lua_pushstring(L, n == KEYS_MAX ? "too many arguments"
							: "arguments have names: " SNIPPETS
							  ".name{name=value}");
			head_refuse(L, s);
		}
		keys[n].p = lua_tolstring(L, -1, &keys[n].n);
		n++;
	}
	if (n > 1)
		qsort(keys, n, sizeof(*keys), by_bytes);
	return n;
}

static _Noreturn void
tell_missing(lua_State *L, const struct snippet *s, const struct param *p, const struct bytes *keys,
    size_t n)
{
	luaL_Buffer b;

	luaL_buffinit(L, &b);
	luaL_addstring(&b, "missing `");
	luaL_addlstring(&b, p->name.p, p->name.n);
	luaL_addstring(&b, n > 0 ? "` (got " : "` (got no arguments)");
	for (size_t i = 0; i < n && i < GOT_MAX; i++) {
		luaL_addstring(&b, i == 0 ? "" : ", ");
		luaL_addlstring(&b, keys[i].p, keys[i].n < 64 ? keys[i].n : 64);
	}
	luaL_addstring(&b, n > 0 ? ")" : "");
	luaL_pushresult(&b);
	head_refuse(L, s);
}

static _Noreturn void
tell_unknown(lua_State *L, const struct snippet *s, struct bytes key)
{
	struct reader r = { s->params, s->params_end, false };

	lua_pushliteral(L, "unknown argument `");
	lua_pushlstring(L, key.p, key.n < 64 ? key.n : 64);
	lua_pushliteral(L, "`");
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.nearest_ref);
	lua_pushlstring(L, key.p, key.n);
	lua_newtable(L);
	for (size_t i = 0; i < s->params_n; i++) {
		struct param p = take_param(&r);

		lua_pushlstring(L, p.name.p, p.name.n);
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
	lua_call(L, 2, 1);
	lua_concat(L, 4);
	head_refuse(L, s);
}

static unsigned
kinds_of(lua_State *L, int idx)
{
	bool marked;
	int whole;

	switch (lua_type(L, idx)) {
	case LUA_TSTRING:
		return FRAME_IS_STRING;
	case LUA_TBOOLEAN:
		return FRAME_IS_BOOLEAN;
	case LUA_TNUMBER:
		(void)lua_tointegerx(L, idx, &whole);
		return whole ? FRAME_IS_NUMBER | FRAME_IS_INTEGER : FRAME_IS_NUMBER;
	case LUA_TTABLE:
		if (lua_rawlen(L, idx) > 0)
			return FRAME_IS_LIST;
		marked = lua_getmetatable(L, idx);
		if (marked) {
			marked = lua_topointer(L, -1) == vm.array_mt;
			lua_pop(L, 1);
		}
		lua_pushnil(L);
		if (lua_next(L, idx) != 0) {
			lua_pop(L, 2);
			return FRAME_IS_TABLE;
		}
		return marked ? FRAME_IS_LIST : FRAME_IS_LIST | FRAME_IS_TABLE;
	default:
		return 0;
	}
}

static bool
is_choice(const struct param *p, struct bytes text)
{
	struct reader r = { p->choices.p, p->choices.p + p->choices.n, false };

	for (size_t i = 0; i < p->choices_n; i++) {
		struct bytes one = take_short(&r);

		if (one.n == text.n && memcmp(one.p, text.p, text.n) == 0)
			return true;
	}
	return false;
}

/* Does the value at idx fit? */
static bool
fits(lua_State *L, int idx, const struct param *p)
{
	struct bytes text;

	if ((p->kinds & FRAME_IS_ANY) != 0 || (kinds_of(L, idx) & p->kinds) != 0)
		return true;
	if (lua_type(L, idx) != LUA_TSTRING)
		return false;
	text.p = lua_tolstring(L, idx, &text.n);
	return is_choice(p, text);
}

static bool
is_null(lua_State *L, int idx)
{
	return lua_type(L, idx) == LUA_TLIGHTUSERDATA && lua_touserdata(L, idx) == NULL;
}

static void
required_given(lua_State *L, const struct snippet *s, const struct bytes *keys, size_t n)
{
	struct reader r = { s->params, s->params_end, false };

	for (size_t i = 0; i < s->params_n; i++) {
		struct param p = take_param(&r);

		lua_pushlstring(L, p.name.p, p.name.n);
		if ((p.flags & FRAME_PARAM_REQUIRED) != 0 && lua_rawget(L, 1) == LUA_TNIL)
			tell_missing(L, s, &p, keys, n);
		lua_settop(L, 1);
	}
}

void
head_fit(lua_State *L, const struct snippet *s)
{
	struct bytes keys[KEYS_MAX];
	struct param p;
	size_t n;

	n = keys_of(L, s, keys);
	required_given(L, s, keys, n);
	lua_createtable(L, 0, (int)n);
	for (size_t i = 0; i < n; i++) {
		if (!param_find(s, keys[i], &p))
			tell_unknown(L, s, keys[i]);
		lua_pushlstring(L, keys[i].p, keys[i].n);
		lua_pushvalue(L, -1);
		lua_rawget(L, 1);
		if (is_null(L, 4) && (p.flags & FRAME_PARAM_REQUIRED) == 0) {
			lua_settop(L, 2);
			continue;
		}
		if (!fits(L, 4, &p)) {
			lua_pushliteral(L, "`");
			lua_pushlstring(L, p.name.p, p.name.n);
			lua_pushliteral(L, "` must be of type ");
			lua_pushlstring(L, p.type.p, p.type.n);
			lua_concat(L, 4);
			head_refuse(L, s);
		}
		lua_rawset(L, 2);
	}
	lua_replace(L, 1);
}
