/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library - runs library.lua in the new state, before the lock and before any script.
 *
 * The text is part of the binary: a worker has no files.  It is trusted and memory-safe code, and
 * shorter than the same in C.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

__asm__(".section .rodata\n"
	".global library_text\n"
	".hidden library_text\n"
	"library_text:\n"
	".incbin \"sandbox/worker/library.lua\"\n"
	".global library_text_end\n"
	".hidden library_text_end\n"
	"library_text_end:\n"
	".previous\n");
extern const char library_text[], library_text_end[];

static int
library_end(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	return lua_gettop(L);
}

static int
library_call(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, library_end);
	return library_end(L, LUA_OK, 0);
}

/* in_c(f): f as a closure of C.  In `return map(...)` a function of Lua would take the place of the
 * script's frame, and with it would go the line that its errors tell. */
static int
lua_in_c(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	if (!lua_iscfunction(L, 1))
		lua_pushcclosure(L, library_call, 1);
	return 1;
}

/* params(f): how many it names. */
static int
lua_params(lua_State *L)
{
	lua_Debug ar;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	lua_getinfo(L, ">u", &ar);
	lua_pushinteger(L, ar.nparams);
	return 1;
}

/* was_null(t, key): a result that said null there. */
static int
lua_was_null(lua_State *L)
{
	bool null = false;

	lua_settop(L, 2);
	if (luaL_getmetafield(L, 1, "__nulls") == LUA_TTABLE) {
		lua_pushvalue(L, 2);
		null = lua_rawget(L, -2) != LUA_TNIL;
	}
	lua_pushboolean(L, null);
	return 1;
}

/* null_keys(t): those of a result that said null there, as a list. */
static int
lua_null_keys(lua_State *L)
{
	lua_Integer n = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_newtable(L);
	if (luaL_getmetafield(L, 1, "__nulls") != LUA_TTABLE)
		return 1;
	lua_pushnil(L);
	while (lua_next(L, 3)) {
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_rawseti(L, 2, ++n);
	}
	lua_settop(L, 2);
	return 1;
}

/* in_text(s): does it stand in the script, or the snippet, that runs? */
static int
lua_in_text(lua_State *L)
{
	struct place at;
	size_t n;
	const char *s = luaL_checklstring(L, 1, &n);

	lua_pushboolean(L, place_now(L, &at) && memmem(at.text, at.text_n, s, n) != NULL);
	return 1;
}

void
library_push_helpers(lua_State *L)
{
	lua_pushcfunction(L, notes_lua);
	lua_pushcfunction(L, lua_in_c);
	lua_pushcfunction(L, lua_params);
	lua_pushcfunction(L, lua_was_null);
	lua_pushboolean(L, true);
	lua_pushcclosure(L, environment_print, 1);
	lua_pushcfunction(L, lua_in_text);
	lua_pushcfunction(L, lua_null_keys);
}

void
library_open(lua_State *L)
{
	lua_settop(L, 0);
	if (luaL_loadbufferx(L, library_text, (size_t)(library_text_end - library_text), "=library",
		"t") != LUA_OK)
		_exit(WORKER_EXIT_LOCK);
	calls_open(L);
	if (lua_pcall(L, lua_gettop(L) - 1, 3, 0) != LUA_OK)
		_exit(WORKER_EXIT_LOCK);
	lua_insert(L, 1);
	calls_name(L);
	vm.add_server_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
