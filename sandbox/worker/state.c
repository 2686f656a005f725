/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state - S and last: two globals that come with RUN, and one that goes back with DONE.
 *
 * The gateway sends them only to scripts that name them.  S goes back whole, after the returned
 * value has been encoded, so that nothing is kept of a script that fails; what cannot be kept is an
 * error of the script, and it says how much there was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/worker/worker.h"

/* S and last at p, behind the source.  false: no JSON, which the gateway never sends. */
bool
state_take(lua_State *L, const char *p, const struct frame_run *r)
{
	size_t bad;

	vm.has_state = r->state_bytes > 0;
	if (vm.has_state) {
		if (!json_push(L, p, r->state_bytes, &bad))
			return false;
		lua_setglobal(L, "S");
	}
	if (r->last_bytes > 0) {
		if (!json_push(L, p + r->state_bytes, r->last_bytes, &bad))
			return false;
		lua_setglobal(L, "last");
	}
	return true;
}

static int
encode(lua_State *L)
{
	lua_pushglobaltable(L);
	lua_pushliteral(L, "S");
	lua_rawget(L, -2);      /* a missing global is an error elsewhere */
	if (lua_isnil(L, -1)) { /* emptied */
		lua_pop(L, 1);
		lua_newtable(L);
	}
	if (!lua_istable(L, -1))
		return luaL_error(L, "S is a table kept between scripts, not a %s (S.name = value)",
		    luaL_typename(L, -1));
	out_reset(FRAME_VALUE_MAX);
	json_put(L, -1, JSON_STATE);
	if (vm.out.over)
		return luaL_error(L,
		    "S is larger than %d bytes of JSON (limit %d): keep less in it",
		    (int)FRAME_VALUE_MAX, (int)FRAME_STATE_MAX);
	if (vm.out.n > FRAME_STATE_MAX)
		return luaL_error(L, "S has %d bytes of JSON (limit %d): keep less in it",
		    (int)vm.out.n, (int)FRAME_STATE_MAX);
	return 0;
}

void
state_give(lua_State *L)
{
	struct out value = vm.out;

	if (!vm.has_state)
		return;
	memset(&vm.out, 0, sizeof(vm.out));
	lua_pushcfunction(L, encode);
	if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
		const char *why = lua_tostring(L, -1);
		char text[400];

		(void)snprintf(text, sizeof(text), "%s%s",
		    why != NULL && strncmp(why, "S ", 2) == 0 ? "" : "S cannot be kept: ",
		    why != NULL ? why : "it is not JSON");
		vm_end(SANDBOX_RUNTIME, text);
	}
	wire_send(
	    (struct frame_head){ .body_bytes = (uint32_t)vm.out.n, .type = FRAME_STATE }, vm.out.p);
	free(vm.out.p);
	vm.out = value;
}
