/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toolerror - what a call of a tool raises.
 *
 *	{server=, tool=, code=, message=, retryable?=, line=}
 *
 * A table, so that a script can decide by e.code; and its text wherever a script takes it for one,
 * as errors of Lua are: tostring(e), print(e), "failed: " .. e (concat.c), e:match("ENOENT").
 */
#include "sandbox/worker/worker.h"

bool
toolerror_is(lua_State *L, int idx)
{
	bool is;

	if (!lua_istable(L, idx) || !lua_getmetatable(L, idx))
		return false;
	is = lua_topointer(L, -1) == vm.error_mt;
	lua_pop(L, 1);
	return is;
}

/* Takes two slots beside the result's, and no more: concat.c has no others. */
void
toolerror_push_text(lua_State *L, int idx)
{
	static const char *const names[] = { "server", "tool", "code", "message" };
	const char *part[4];

	idx = lua_absindex(L, idx);
	for (int i = 0; i < 4; i++) {
		lua_pushstring(L, names[i]);
		lua_rawget(L, idx);
		part[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
		lua_pop(L, 1); /* the error still holds it */
	}
	lua_pushfstring(
	    L, "%s%s%s: %s: %s", part[0], *part[1] != '\0' ? "." : "", part[1], part[2], part[3]);
}

static int
error_tostring(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	toolerror_push_text(L, 1);
	return 1;
}

/* e:match("ENOENT"): a function of `string`, upvalue 1, on the error's text. */
static int
error_method(lua_State *L)
{
	int n = lua_gettop(L);

	if (toolerror_is(L, 1)) {
		toolerror_push_text(L, 1);
		lua_replace(L, 1);
	}
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, LUA_MULTRET);
	return lua_gettop(L);
}

/* What an error does not have, its text may: the methods of strings. */
static int
error_index(lua_State *L)
{
	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	lua_pushvalue(L, 2);
	lua_gettable(L, lua_upvalueindex(1));
	if (!lua_isfunction(L, -1))
		return 0;
	lua_pushcclosure(L, error_method, 1);
	return 1;
}

int
toolerror_raise(lua_State *L)
{
	char at[PLACE_BYTES];
	int line = vm_line(L);

	place_snippet(L, at);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, "server");
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, "tool");
	if (line > 0) {
		lua_pushinteger(L, line);
		lua_setfield(L, -2, "line");
	}
	if (at[0] != '\0') {
		lua_pushstring(L, at);
		lua_setfield(L, -2, "at");
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.error_ref);
	lua_setmetatable(L, -2);
	return lua_error(L);
}

int
toolerror_raise_text(lua_State *L, const char *code, const char *text)
{
	lua_createtable(L, 0, 5);
	lua_pushstring(L, code);
	lua_setfield(L, -2, "code");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "message");
	return toolerror_raise(L);
}

int
toolerror_fail(lua_State *L)
{
	lua_settop(L, 4);
	return toolerror_raise_text(L, lua_tostring(L, 3), lua_tostring(L, 4));
}

void
toolerror_open(lua_State *L)
{
	lua_createtable(L, 0, 4);
	lua_pushcfunction(L, error_tostring);
	lua_setfield(L, -2, "__tostring");
	lua_getglobal(L, "string");
	lua_pushcclosure(L, error_index, 1);
	lua_setfield(L, -2, "__index");
	lua_pushliteral(L, "tool error");
	lua_setfield(L, -2, "__name");
	lua_pushliteral(L, "tool error");
	lua_setfield(L, -2, "__metatable");
	vm.error_mt = lua_topointer(L, -1);
	vm.error_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
