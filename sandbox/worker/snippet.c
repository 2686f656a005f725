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

#include "sandbox/worker/snippet.h"

#define CHUNK     "=" SNIPPETS "."
#define DEPTH_MAX 16

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

static struct {
	struct snippet *at;
	size_t n;
	int globals_ref, text_methods_ref, unknown_ref, loaded_ref, call_ref;
} all;

/* ---- texts ---- */

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

	luaL_checkstack(L, 12, SNIPPETS);
	if (lua_gettop(L) > 1 || (lua_gettop(L) == 1 && !lua_istable(L, 1) && !lua_isnil(L, 1))) {
		lua_settop(L, 0);
		lua_pushfstring(L, "pass one table: " SNIPPETS ".%s{name=value}", s->name);
		head_refuse(L, s);
	}
	if (depth >= DEPTH_MAX)
		head_raise(L, s, "too_deep", "snippets call one another more than 16 deep");
	if (s->source.n == 0)
		head_raise(L, s, "unknown_tool",
		    "it was not sent with the script, which does not name it: write " SNIPPETS
		    ".NAME as it is");
	if (!lua_istable(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	head_fit(L, s);
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
	vm.nearest_ref = ref_field(L, "nearest");
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
	lua_pushliteral(L, SNIPPETS);
	lua_pushstring(L, name);
	lua_pushinteger(L, i);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, snippet_closure, 2);
	lua_call(L, 3, 0);
}

bool
snippet_take(lua_State *L, const char *p, size_t n)
{
	const char *end = p + n;

	if (n == 0)
		return true;
	if (n > FRAME_SNIPPETS_BYTES_MAX)
		return false;
	all.at = calloc(FRAME_SNIPPETS_MAX, sizeof(*all.at));
	if (all.at == NULL)
		return false;
	while (p < end) {
		if (all.n == FRAME_SNIPPETS_MAX || !head_take(&p, end, &all.at[all.n]))
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
