/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools - RUN's table of tools: bytes until a script names one.
 *
 *	RUN --tools_take()--> each server's table, empty
 *	github.get_issue, call("github.get_issue") --> one function, kept under that name
 *	pairs(github), a name that is nearly right --fill--> all functions of that server
 *
 * A script is given up to 4,096 tools and calls a few: a function for each of them took 8 ms.  The
 * bytes are checked once; after that walking them needs no checks.  A name that comes twice is the
 * later tool.
 */
#include <string.h>

#include "sandbox/worker/worker.h"

struct name {
	const char *p;
	size_t n;
};

/* Of entry after entry: u8 n + server, u8 n + tool. */
static struct name
take_name(const char **at)
{
	struct name name = { *at + 1, (unsigned char)**at };

	*at = name.p + name.n;
	return name;
}

static bool
is_name(struct name a, const char *p, size_t n)
{
	return a.n == n && memcmp(a.p, p, n) == 0;
}

/* Pushes the function of server.tool, or nil. */
static int
push_found(lua_State *L, struct name server, struct name tool)
{
	const char *at = vm.tools;
	int64_t handle = -1;

	for (uint32_t i = 0; i < vm.tools_n; i++) {
		struct name s = take_name(&at), t = take_name(&at);

		if (is_name(t, tool.p, tool.n) && is_name(s, server.p, server.n))
			handle = i;
	}
	if (handle < 0) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushlstring(L, server.p, server.n);
	lua_pushlstring(L, tool.p, tool.n);
	calls_push_tool(L, (uint32_t)handle);
	return 1;
}

/* find(server, tool): its function, or nil. */
static int
lua_find(lua_State *L)
{
	struct name server, tool;

	server.p = luaL_checklstring(L, 1, &server.n);
	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	tool.p = lua_tolstring(L, 2, &tool.n);
	return push_found(L, server, tool);
}

/* __index of the functions by full name, which keep it then.  Not in library.lua: a script may have
 * taken all methods of text away. */
static int
lua_find_named(lua_State *L)
{
	struct name all, server;
	const char *dot;

	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	all.p = lua_tolstring(L, 2, &all.n);
	dot = memchr(all.p, '.', all.n);
	if (dot == NULL)
		return 0;
	server = (struct name){ all.p, (size_t)(dot - all.p) };
	(void)push_found(L, server, (struct name){ dot + 1, all.n - server.n - 1 });
	if (!lua_isnil(L, -1)) {
		lua_pushvalue(L, 2);
		lua_pushvalue(L, -2);
		lua_rawset(L, 1);
	}
	return 1;
}

/* fill(server, names): what is not there yet. */
static int
lua_fill(lua_State *L)
{
	size_t server_n;
	const char *server = luaL_checklstring(L, 1, &server_n), *at = vm.tools;

	luaL_checktype(L, 2, LUA_TTABLE);
	for (uint32_t i = 0; i < vm.tools_n; i++) {
		struct name s = take_name(&at), t = take_name(&at);

		if (!is_name(s, server, server_n))
			continue;
		lua_pushlstring(L, t.p, t.n);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, 2) == LUA_TNIL || calls_handle(L, -1) < (lua_Integer)i) {
			lua_pop(L, 1);
			lua_pushvalue(L, 1);
			lua_pushvalue(L, -2);
			calls_push_tool(L, i);
			lua_rawset(L, 2);
		}
		lua_settop(L, 2);
	}
	return 0;
}

void
tools_push_names(lua_State *L)
{
	lua_newtable(L);
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, lua_find_named);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
}

void
tools_open(lua_State *L)
{
	lua_pushcfunction(L, lua_find);
	lua_pushcfunction(L, lua_fill);
}

bool
tools_take(lua_State *L, const char *p, const char *end, uint32_t n)
{
	struct name last = { NULL, 0 };
	const char *at = p;

	vm.tools = p;
	vm.tools_n = n;
	for (uint32_t i = 0; i < n; i++) {
		struct name server;

		for (int k = 0; k < 2; k++) {
			if (at == end || (unsigned char)*at > end - at - 1)
				return false;
			at += 1 + (unsigned char)*at;
		}
		server = take_name(&p);
		p = at;
		if (last.p != NULL && is_name(last, server.p, server.n))
			continue;
		last = server;
		lua_rawgeti(L, LUA_REGISTRYINDEX, vm.add_server_ref);
		lua_pushlstring(L, server.p, server.n);
		lua_call(L, 1, 0);
	}
	return true;
}
