/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build/sandbox-worker-raw: the worker without its language layer, for tests only.
 *
 * The linker puts this between vm.c and environment.c (--wrap), so the shipped sources know nothing
 * of it: all that the environment took away is there again - load, io, os, package, debug, the
 * stock string.rep, setmetatable and coroutine.close.  What then contains an attack is the process
 * alone.  print still writes LOG frames (the stock one would end every script that prints), and the
 * tools and the library are the usual ones.
 */
#include <lua.h>
#include <lualib.h>

void __real_environment_open(lua_State *L);
void __wrap_environment_open(lua_State *L);

void
__wrap_environment_open(lua_State *L)
{
	__real_environment_open(L);
	lua_getglobal(L, "print");
	lua_pushglobaltable(L);
	lua_pushnil(L);
	lua_setmetatable(L, -2); /* undefined globals are nil */
	lua_pop(L, 1);
	luaL_openlibs(L);
	lua_setglobal(L, "print");
}
