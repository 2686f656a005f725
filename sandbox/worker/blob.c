/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob - a handle on something that stays at the gateway: an image, or a whole result.
 *
 * A userdata without bytes of its own; its user value is the table of what the gateway said of it.
 * Scripts read that (h.type, h.bytes, h.uri, h.name, h.text, h.shape), print it, pass it on or show
 * it; they cannot change it, so what stands in `ref` came from the gateway.
 */
#include <string.h>

#include "sandbox/worker/worker.h"

/* Pushes member `name` of the handle at idx. */
static int
push_member(lua_State *L, int idx, const char *name)
{
	int type;

	lua_getiuservalue(L, idx, 1);
	lua_pushstring(L, name);
	type = lua_rawget(L, -2);
	lua_remove(L, -2);
	return type;
}

bool
blob_is(lua_State *L, int idx)
{
	bool is;

	if (lua_type(L, idx) != LUA_TUSERDATA || !lua_getmetatable(L, idx))
		return false;
	is = lua_topointer(L, -1) == vm.blob_mt;
	lua_pop(L, 1);
	return is;
}

const char *
blob_push(lua_State *L, int idx, const char *name, size_t *n)
{
	idx = lua_absindex(L, idx);
	if (push_member(L, idx, name) != LUA_TSTRING) {
		lua_pop(L, 1);
		lua_pushliteral(L, "?");
	}
	return lua_tolstring(L, -1, n);
}

void
blob_wrap(lua_State *L)
{
	lua_newuserdatauv(L, 0, 1);
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.blob_ref);
	lua_setmetatable(L, -2);
}

static int
blob_tostring(lua_State *L)
{
	if (!blob_is(L, 1))
		return luaL_error(L, "not a blob");
	blob_push(L, 1, "label", NULL);
	return 1;
}

static int
blob_index(lua_State *L)
{
	static const char *const names[] = { "type", "bytes", "uri", "name", "text", "shape",
		NULL };
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";

	if (!blob_is(L, 1))
		return luaL_error(L, "not a blob");
	for (int i = 0; names[i] != NULL; i++)
		if (strcmp(name, names[i]) == 0) {
			push_member(L, 1, name);
			return 1;
		}
	blob_push(L, 1, "label", NULL);
	return luaL_error(L,
	    "%s has type, bytes, uri, name, text, shape and no '%s': its contents stay at the "
	    "gateway. Pass it to a tool as an argument, or show it with show(...)",
	    lua_tostring(L, -1), name);
}

static int
blob_newindex(lua_State *L)
{
	return luaL_error(L, "a blob is read-only");
}

void
blob_open(lua_State *L)
{
	lua_createtable(L, 0, 5);
	lua_pushcfunction(L, blob_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_pushcfunction(L, blob_index);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, blob_newindex);
	lua_setfield(L, -2, "__newindex");
	lua_pushliteral(L, "blob");
	lua_setfield(L, -2, "__name");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	vm.blob_mt = lua_topointer(L, -1);
	vm.blob_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
