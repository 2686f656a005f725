/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig - runs one scenario file: fake providers, fake tool servers and clients around a real
 * gateway.
 *
 *   build/rig tests/b_basics.lua    (rig.lua stands beside the scenario, or one folder above)
 *
 * One process, one thread, one poll loop.  This file starts Lua and hands over; rig_net.c has the
 * sockets, rig_proc.c the children, files and the test clock; rig.lua has everything a scenario
 * sees: each party is a coroutine that reads top to bottom, and a wait is on an event with a
 * deadline.  The exit code is 0 when every test of the file passed.
 *
 * The rig uses none of the gateway's code: what it parses, it parses on its own.
 */
#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "tests/rig.h"

int
rig_fail(lua_State *L, int err)
{
	lua_pushnil(L);
	if (err == EAGAIN || err == EINPROGRESS)
		lua_pushliteral(L, "again");
	else if (err == ECONNRESET || err == EPIPE)
		lua_pushliteral(L, "reset");
	else
		lua_pushstring(L, strerrorname_np(err) ? strerrorname_np(err) : "unknown");
	return 2;
}

static int
traceback(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TSTRING)
		luaL_traceback(L, L, lua_tostring(L, 1), 1);
	return 1;
}

/* Runs rig.lua with the scenario's path as its argument; it answers with the exit code. */
static int
run(lua_State *L, const char *rig_path, const char *scenario)
{
	lua_pushcfunction(L, traceback);
	if (luaL_loadfile(L, rig_path) == LUA_OK) {
		lua_pushstring(L, scenario);
		if (lua_pcall(L, 1, 1, 1) == LUA_OK)
			return (int)lua_tointeger(L, -1);
	}
	const char *why = lua_tostring(L, -1);
	printf("rig: %s\n", why ? why : "failed");
	return 2;
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: rig SCENARIO.lua\n", stderr);
		return 2;
	}
	char dir[4096];
	char path[4200];
	(void)snprintf(dir, sizeof(dir), "%s", argv[1]);
	const char *folder = dirname(dir);
	(void)snprintf(path, sizeof(path), "%s/rig.lua", folder);
	if (access(path, R_OK) != 0)
		(void)snprintf(path, sizeof(path), "%s/../rig.lua", folder);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	/* Grandchildren of a killed gateway come to us, to be collected. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	lua_State *L = luaL_newstate();
	if (!L) {
		fputs("rig: out of memory\n", stderr);
		return 2;
	}
	luaL_openlibs(L);
	lua_newtable(L);
	rig_add_net(L);
	rig_add_tls(L);
	rig_add_sign(L);
	rig_add_proc(L);
	lua_setglobal(L, "sys");
	int rc = run(L, path, argv[1]);
	lua_close(L);
	return rc;
}
