/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet - functions of the policies that a script calls like tools: snippets.NAME{…}.
 *
 *   RUN's block --snippet_take()--> snippets.NAME, call("snippets.NAME", …)
 *   call --arguments fit the head--> compiled, when first called --> body(args, globals of its own)
 *
 * They run in the script's own state, within its limits, and are trusted no more than it: what they
 * call, the run calls.  What is kept apart is names: no script changes what a snippet finds, and no
 * snippet what its caller has (snippet.lua).  A snippet may call others, DEPTH_MAX deep; how deep a
 * call is stands in the function that is called, so no error that is caught can lose count.
 *
 * `local args, _ENV = ...;` stands before the first line: lines keep their numbers, and one
 * compiled chunk serves calls in many branches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

#define SERVER    "snippets"
#define CHUNK     "=" SERVER "."
#define DEPTH_MAX 16
#define KEYS_MAX  64 /* of one call, looked at */
#define GOT_MAX   8  /* of them, told */

__asm__(".section .rodata\n"
	".global snippet_text\n"
	".hidden snippet_text\n"
	"snippet_text:\n"
	".incbin \"sandbox/worker/snippet.lua\"\n"
	".global snippet_text_end\n"
	".hidden snippet_text_end\n"
	"snippet_text_end:\n"
	".previous\n");
extern const char snippet_text[], snippet_text_end[];

struct bytes {
	const char *p;
	size_t n;
};
struct snippet {
	char name[FRAME_NAME_MAX + 1];
	struct bytes source, signature;
	const char *params, *params_end; /* params_n of them, checked */
	size_t params_n;
};
static struct {
	struct snippet *at;
	size_t n;
	int globals_ref, text_methods_ref, nearest_ref, unknown_ref, loaded_ref, call_ref;
} all;

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

static bool
take_snippet(struct reader *r, struct snippet *s)
{
	struct bytes name = take_short(r);

	if (name.n == 0 || name.n > FRAME_NAME_MAX)
		return false;
	memcpy(s->name, name.p, name.n);
	s->name[name.n] = '\0';
	s->source = take(r, take_number(r, 4));
	s->signature = take(r, take_number(r, 2));
	s->params_n = take_number(r, 1);
	s->params = r->p;
	for (size_t i = 0; i < s->params_n && !r->bad; i++)
		(void)take_param(r);
	s->params_end = r->p;
	return !r->bad;
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

static _Noreturn void
refuse(lua_State *L, const struct snippet *s, const char *code, const char *text)
{
	lua_pushstring(L, text); /* which may be on the stack */
	lua_insert(L, 1);
	lua_settop(L, 1);
	lua_pushliteral(L, SERVER);
	lua_pushstring(L, s->name);
	lua_pushstring(L, code);
	lua_pushvalue(L, 1);
	lua_remove(L, 1);
	(void)toolerror_fail(L);
	abort(); /* it has raised */
}

/* What was wrong on top of the stack; the signature follows. */
static _Noreturn void
refuse_args(lua_State *L, const struct snippet *s)
{
	lua_pushliteral(L, "\n  ");
	lua_pushlstring(L, s->signature.p, s->signature.n);
	lua_concat(L, s->signature.n > 0 ? 3 : 2);
	refuse(L, s, "invalid_args", lua_tostring(L, -1));
}

const char *
snippet_source(const char *chunk, size_t *n)
{
	const char *name = chunk + sizeof(CHUNK) - 1;

	if (strncmp(chunk, CHUNK, sizeof(CHUNK) - 1) != 0)
		return NULL;
	for (size_t i = 0; i < all.n; i++)
		if (all.at[i].source.n > 0 && strcmp(all.at[i].name, name) == 0) {
			*n = all.at[i].source.n;
			return all.at[i].source.p;
		}
	return NULL;
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
							: "arguments have names: " SERVER
							  ".name{name=value}");
			refuse_args(L, s);
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
	refuse_args(L, s);
}

static _Noreturn void
tell_unknown(lua_State *L, const struct snippet *s, struct bytes key)
{
	struct reader r = { s->params, s->params_end, false };

	lua_pushliteral(L, "unknown argument `");
	lua_pushlstring(L, key.p, key.n < 64 ? key.n : 64);
	lua_pushliteral(L, "`");
	lua_rawgeti(L, LUA_REGISTRYINDEX, all.nearest_ref);
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
	refuse_args(L, s);
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

/* The arguments at index 1, the only value there is, become a table of their own. */
static void
args_take(lua_State *L, const struct snippet *s)
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
			refuse_args(L, s);
		}
		lua_rawset(L, 2);
	}
	lua_replace(L, 1);
}

/* ---- the call ---- */

struct pieces {
	struct bytes at[2];
	size_t n;
};

static const char *
next_piece(lua_State *L, void *ud, size_t *n)
{
	struct pieces *p = ud;

	(void)L;
	if (p->n == 2)
		return NULL;
	*n = p->at[p->n].n;
	return p->at[p->n++].p;
}

/* Pushes its body; raises the compiler's message. */
static void
push_body(lua_State *L, lua_Integer i)
{
	static const char head[] = "local args, _ENV = ...; ";
	struct snippet *s = &all.at[i];
	struct pieces pieces = { { { head, sizeof(head) - 1 }, s->source }, 0 };
	char chunk[sizeof(CHUNK) + FRAME_NAME_MAX];

	lua_rawgeti(L, LUA_REGISTRYINDEX, all.loaded_ref);
	if (lua_rawgeti(L, -1, i + 1) != LUA_TFUNCTION) {
		lua_pop(L, 1);
		(void)snprintf(chunk, sizeof(chunk), CHUNK "%s", s->name);
		if (lua_load(L, next_piece, &pieces, chunk, "t") != LUA_OK)
			lua_error(L);
		lua_pushvalue(L, -1);
		lua_rawseti(L, -3, i + 1);
	}
	lua_remove(L, -2);
}

static int
returned(lua_State *L, int status, lua_KContext below)
{
	(void)status;
	return lua_gettop(L) - (int)below;
}

/* Upvalues: which, how many snippets stand around the caller.  Stack: the arguments. */
static int
snippet_closure(lua_State *L)
{
	lua_Integer i = lua_tointeger(L, lua_upvalueindex(1));
	lua_Integer depth = lua_tointeger(L, lua_upvalueindex(2));
	struct snippet *s = &all.at[i];

	luaL_checkstack(L, 12, SERVER);
	if (lua_gettop(L) > 1 || (lua_gettop(L) == 1 && !lua_istable(L, 1) && !lua_isnil(L, 1))) {
		lua_settop(L, 0);
		lua_pushfstring(L, "pass one table: " SERVER ".%s{name=value}", s->name);
		refuse_args(L, s);
	}
	if (depth >= DEPTH_MAX)
		refuse(L, s, "too_deep", "snippets call one another more than 16 deep");
	if (s->source.n == 0)
		refuse(L, s, "unknown_tool",
		    "it was not sent with the script, which does not name it: write " SERVER
		    ".NAME as it is");
	if (!lua_istable(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	args_take(L, s);
	push_body(L, i);
	lua_insert(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, all.globals_ref);
	lua_pushinteger(L, depth + 1);
	lua_call(L, 1, 1);
	lua_callk(L, 2, LUA_MULTRET, 0, returned);
	return lua_gettop(L);
}

/* bound_to(f, depth): a snippet as it is called from that deep; other functions as they are. */
static int
bound_to(lua_State *L)
{
	lua_settop(L, 2);
	if (lua_tocfunction(L, 1) != snippet_closure) {
		lua_settop(L, 1);
		return 1;
	}
	lua_getupvalue(L, 1, 1);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, snippet_closure, 2);
	return 1;
}

/* call(name, {…}).  Upvalues: the depth, the `call` of scripts. */
static int
call_named(lua_State *L)
{
	luaL_checkstring(L, 1);
	luaL_checkstack(L, 12, "call");
	lua_settop(L, 2);
	lua_pushvalue(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.by_name_ref);
	lua_insert(L, 3);
	if (lua_gettable(L, 3) != LUA_TFUNCTION) {
		lua_pop(L, 1);
		lua_rawgeti(L, LUA_REGISTRYINDEX, all.unknown_ref);
		lua_pushvalue(L, 1);
		lua_call(L, 1, 1); /* finds another spelling, or raises */
	}
	if (lua_tocfunction(L, 4) == snippet_closure) {
		lua_pushcfunction(L, bound_to);
		lua_insert(L, 4);
		lua_pushvalue(L, lua_upvalueindex(1));
		lua_call(L, 2, 1);
		lua_pushvalue(L, 2);
		lua_callk(L, 1, LUA_MULTRET, 3, returned);
	} else {
		lua_settop(L, 3);
		lua_pushvalue(L, lua_upvalueindex(2));
		lua_pushvalue(L, 1);
		lua_pushvalue(L, 2);
		lua_callk(L, 2, LUA_MULTRET, 3, returned);
	}
	return lua_gettop(L) - 3;
}

/* call_at(depth) */
static int
call_at(lua_State *L)
{
	lua_settop(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, all.call_ref);
	lua_pushcclosure(L, call_named, 2);
	return 1;
}

/* ---- once, and once a run ---- */

static int
ref_field(lua_State *L, const char *name)
{
	lua_getfield(L, 1, name);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

void
snippet_open(lua_State *L)
{
	all.nearest_ref = ref_field(L, "nearest");
	all.unknown_ref = ref_field(L, "unknown_name");
	lua_getglobal(L, "call");
	all.call_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	all.loaded_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	if (luaL_loadbufferx(L, snippet_text, (size_t)(snippet_text_end - snippet_text), "=library",
		"t") != LUA_OK)
		_exit(WORKER_EXIT_LOCK);
	lua_pushvalue(L, 1);
	lua_pushcfunction(L, bound_to);
	lua_pushcfunction(L, call_at);
	if (lua_pcall(L, 3, 2, 0) != LUA_OK)
		_exit(WORKER_EXIT_LOCK);
	all.text_methods_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	all.globals_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_settop(L, 0);
}

static void
install(lua_State *L, lua_Integer i)
{
	const char *name = all.at[i].name;

	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.add_server_ref);
	lua_pushliteral(L, SERVER);
	lua_pushstring(L, name);
	lua_pushinteger(L, i);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, snippet_closure, 2);
	lua_call(L, 3, 0);
}

bool
snippet_take(lua_State *L, const char *p, size_t n)
{
	struct reader r = { p, p + n, false };

	if (n == 0)
		return true;
	if (n > FRAME_SNIPPETS_BYTES_MAX)
		return false;
	all.at = calloc(FRAME_SNIPPETS_MAX, sizeof(*all.at));
	if (all.at == NULL)
		return false;
	while (r.p < r.end) {
		if (all.n == FRAME_SNIPPETS_MAX || !take_snippet(&r, &all.at[all.n]))
			return false;
		all.n++;
	}
	for (size_t i = 0; i < all.n; i++)
		install(L, (lua_Integer)i);
	lua_pushinteger(L, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, all.call_ref);
	lua_pushcclosure(L, call_named, 2);
	lua_setglobal(L, "call");
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, all.text_methods_ref);
	lua_call(L, 0, 1);
	lua_setfield(L, -2, "__index");
	lua_settop(L, 0);
	return true;
}
