/* SPDX-License-Identifier: Apache-2.0 */
/*
 * concat - "failed: " .. e, where e is a tool's error.
 *
 * That is how Lua's programs tell an error, and Lua would do it by __concat.  Debian's 5.4.4 does
 * not survive one: luaV_concat() goes on with a pointer into a stack that the metamethod's call may
 * have moved (environment.c refuses them to scripts for that).  So what luaV_concat() calls to look
 * for a metamethod is ours, by the linker (--wrap), and joins texts itself where one of the two is
 * such an error:
 *
 *	luaV_concat() --> luaT_tryconcatTM(): takes the two values on top, leaves the result in the
 *	                  place of the first, and the top as it was
 *
 * Nothing here moves the stack: the collector, which shrinks it, rests, and of the EXTRA_STACK of
 * five slots that are behind every top, four are used.
 */
#include "sandbox/worker/worker.h"

/* What the collector is owed after its rest: at 0, where a restart puts it, it would take a step at
 * each. */
#define CREDIT_KB 16

/* NOLINTBEGIN(bugprone-reserved-identifier): what --wrap calls them */
void __wrap_luaT_tryconcatTM(lua_State *L);
void __real_luaT_tryconcatTM(lua_State *L);

/* An error becomes its text. */
static void
as_text(lua_State *L, int idx)
{
	if (!toolerror_is(L, idx))
		return;
	toolerror_push_text(L, idx);
	lua_replace(L, idx - 1);
}

void
__wrap_luaT_tryconcatTM(lua_State *L)
{
	bool runs = lua_gc(L, LUA_GCISRUNNING) != 0;

	if (!toolerror_is(L, -2) && !toolerror_is(L, -1)) {
		__real_luaT_tryconcatTM(L);
		return;
	}
	lua_gc(L, LUA_GCSTOP);
	as_text(L, -2);
	as_text(L, -1);
	if (lua_isstring(L, -2) && lua_isstring(L, -1)) {
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_concat(L, 2);
		lua_replace(L, -3);
	}
	if (runs) {
		lua_gc(L, LUA_GCRESTART);
		lua_gc(L, LUA_GCSTEP, -CREDIT_KB);
	}
	if (!lua_isstring(L, -2) || !lua_isstring(L, -1))
		__real_luaT_tryconcatTM(L); /* which says what the other one is */
}
/* NOLINTEND(bugprone-reserved-identifier) */
