/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls - tool calls, one at a time or many at once.
 *
 * A call outside of pmap/parallel writes CALL and reads frames until its RESULT is there.  Inside,
 * each branch is a coroutine owned by fan(): its call writes CALL and yields, fan() reads the next
 * RESULT and resumes whose it is.  At most in_flight_max branches run, so more calls than may be in
 * flight wait their turn.
 *
 *	fan(): start branches --> read RESULT --> resume its branch --> ... --> results in order
 *	           ^------------------ room again -----------'
 *
 * Which call a branch waits for is known from C (vm.yielded_id), never from a yielded value, and a
 * continuation takes vm.answer only if it carries its own id: scripts may yield or resume what
 * they like, and get an error.  A call from a coroutine of the script's own blocks; answers for
 * others that arrive meanwhile are kept.
 *
 * Tools are C closures: in `return server.tool{...}` the caller's line survives the tail call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/worker/worker.h"

/* Pushes the answer's value, or raises its error.  Frees the body first, for lua_error jumps. */
static int
deliver(lua_State *L, struct answer *a)
{
	size_t bad;
	bool ok = json_push(L, a->body, a->n, &bad);

	free(a->body);
	a->body = NULL;
	if (!ok)
		return toolerror_raise_text(L, "upstream", "the answer is not JSON");
	if (a->flags == FRAME_OK) {
		record_mark(L);
		return 1;
	}
	if (!lua_istable(L, -1))
		return toolerror_raise_text(L, "tool_error", "the tool failed");
	return toolerror_raise(L);
}

static int
on_branch_answer(lua_State *L, int status, lua_KContext id)
{
	struct answer a = vm.answer;

	(void)status;
	if (a.body == NULL || a.id != (uint32_t)id)
		return luaL_error(L, "this coroutine waits for a tool call and cannot be resumed");
	vm.answer.body = NULL;
	lua_settop(L, 2);
	return deliver(L, &a);
}

/* Takes the answer to `id` (0: to any) from what was kept or from the socket. */
static struct answer
wait_answer(uint32_t id)
{
	struct answer a;

	for (size_t i = 0; i < vm.kept_n; i++) {
		if (id != 0 && vm.kept[i].id != id)
			continue;
		a = vm.kept[i];
		vm.kept[i] = vm.kept[--vm.kept_n];
		return a;
	}
	for (;;) {
		if (wire_receive(&a).type != FRAME_RESULT)
			vm_end(SANDBOX_PROTO, "unexpected frame");
		if (id == 0 || a.id == id)
			return a;
		if (vm.kept_n == FRAME_IN_FLIGHT_MAX)
			vm_end(SANDBOX_PROTO, "more answers than calls");
		vm.kept[vm.kept_n++] = a;
	}
}

/* Stack: 1 server, 2 tool, 3 arguments.  flags: FRAME_BY_REF. */
static int
call_tool(lua_State *L, uint32_t handle, uint8_t flags)
{
	struct answer a;
	uint32_t id;

	if (lua_isnil(L, 3)) {
		lua_newtable(L);
		lua_replace(L, 3);
	}
	if (!lua_istable(L, 3))
		return toolerror_raise_text(
		    L, "invalid_args", "pass one table: server.tool{name=value}");
	out_reset(FRAME_CALL_MAX);
	json_put(L, 3, JSON_CALL);
	if (!vm.out.over && vm.out.p[0] != '{')
		return toolerror_raise_text(
		    L, "invalid_args", "arguments have names: server.tool{name=value}");
	if (vm.out.over)
		return toolerror_raise_text(
		    L, "invalid_args", "the arguments are too large (limit 1048576 bytes)");
	if (vm.calls == vm.calls_max) {
		char text[80];

		(void)snprintf(text, sizeof(text),
		    "the tool-call budget of this run is used up (%u calls)", vm.calls_max);
		vm_end(SANDBOX_CALLS, text);
	}
	vm.calls++;
	id = ++vm.last_id;
	wire_send((struct frame_head){ .body_bytes = (uint32_t)vm.out.n,
		      .type = FRAME_CALL,
		      .flags = flags,
		      .handle = (uint16_t)handle,
		      .id = id },
	    vm.out.p);
	if (L == vm.branch && lua_isyieldable(L)) {
		vm.yielded_id = id;
		return lua_yieldk(L, 0, (lua_KContext)id, on_branch_answer);
	}
	a = wait_answer(id);
	lua_settop(L, 2);
	return deliver(L, &a);
}

/* Upvalues: handle, server, tool. */
static int
tool_closure(lua_State *L)
{
	if (lua_gettop(L) == 2 && lua_istable(L, 1) && lua_isinteger(L, 2))
		lua_settop(L, 1); /* map(list, server.tool): the second is the index */
	if (lua_gettop(L) > 1) {
		lua_pushvalue(L, lua_upvalueindex(2));
		lua_pushvalue(L, lua_upvalueindex(3));
		lua_rotate(L, 1, 2);
		return toolerror_raise_text(
		    L, "invalid_args", "pass one table: server.tool{name=value}");
	}
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_pushvalue(L, lua_upvalueindex(3));
	lua_rotate(L, 1, 2);
	return call_tool(L, (uint32_t)lua_tointeger(L, lua_upvalueindex(1)), 0);
}

/* Stack: 1 a tool or its name, 2 arguments; becomes server, tool, arguments.  Returns the handle.
 * Upvalues: name -> closure, the function for unknown names. */
static uint32_t
take_tool(lua_State *L, const char *who)
{
	uint32_t handle;

	lua_settop(L, 2);
	lua_pushvalue(L, 1);
	if (lua_isstring(L, 1) && lua_gettable(L, lua_upvalueindex(1)) != LUA_TFUNCTION) {
		lua_pop(L, 1);
		lua_pushvalue(L, lua_upvalueindex(2));
		lua_pushvalue(L, 1);
		lua_call(L, 1, 1); /* finds another spelling, or raises */
	}
	if (lua_tocfunction(L, -1) != tool_closure)
		luaL_error(L, "%s: '%s' is not a tool", who,
		    lua_isstring(L, 1) ? lua_tostring(L, 1) : luaL_typename(L, 1));
	lua_replace(L, 1);
	lua_getupvalue(L, 1, 2);
	lua_getupvalue(L, 1, 3);
	lua_getupvalue(L, 1, 1);
	handle = (uint32_t)lua_tointeger(L, -1);
	lua_pop(L, 1);
	lua_remove(L, 1); /* args server tool */
	lua_rotate(L, 1, 2);
	return handle;
}

/* call("server.tool", {...}) */
static int
lua_call_named(lua_State *L)
{
	luaL_checkstring(L, 1);
	return call_tool(L, take_tool(L, "call"), 0);
}

/* by_ref(server.tool, {...}): the answer stays at the gateway, the script gets a handle of it. */
static int
lua_by_ref(lua_State *L)
{
	uint32_t handle = take_tool(L, "by_ref");

	return call_tool(L, handle, handle < FRAME_TOOLS_MAX ? FRAME_BY_REF : 0);
}

/* ---- pmap and parallel ---- */

enum {
	FAN_LIST = 1,
	FAN_FN,
	FAN_KEEP,
	FAN_RESULTS,
	FAN_THREADS,
	FAN_INDEXES,
	FAN_FAILURE,
	FAN_TOP
};

struct fan {
	lua_Integer next, n, live;
	bool keep, failed;
};

/* The branch on top of L's stack has ended: take its value or its error. */
static void
branch_ended(lua_State *L, struct fan *f, lua_State *co, lua_Integer i, bool ok)
{
	if (ok) {
		lua_xmove(co, L, 1);
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			lua_pushlightuserdata(L, NULL);
		}
		lua_rawseti(L, FAN_RESULTS, i);
		return;
	}
	lua_xmove(co, L, 1);
	if (f->keep) {
		lua_createtable(L, 0, 1);
		lua_insert(L, -2);
		lua_setfield(L, -2, "error");
		lua_rawseti(L, FAN_RESULTS, i);
	} else if (!f->failed) {
		f->failed = true;
		lua_replace(L, FAN_FAILURE);
	}
}

/* Runs the branch whose thread is on top of L's stack until it calls, ends or fails. */
static void
branch_step(lua_State *L, struct fan *f, lua_Integer i, int args)
{
	lua_State *co = lua_tothread(L, -1), *outer = vm.branch;
	int results, status;

	vm.yielded_id = 0;
	vm.branch = co;
	vm.fan = vm.fans;
	vm.in_branch = (uint32_t)i;
	status = vm_resume(co, L, args, &results);
	vm.branch = outer;
	vm.fan = vm.in_branch = 0;
	if (status == LUA_YIELD && vm.yielded_id != 0) {
		lua_Integer id = vm.yielded_id;

		lua_rawseti(L, FAN_THREADS, id); /* takes the thread */
		lua_pushinteger(L, i);
		lua_rawseti(L, FAN_INDEXES, id);
		f->live++;
		return;
	}
	if (status == LUA_YIELD) {
		lua_settop(co, 0);
		lua_pushliteral(
		    co, "coroutine.yield is not available in a branch of pmap or parallel");
		branch_ended(L, f, co, i, false);
	} else if (status == LUA_OK) {
		lua_settop(co, results > 0 ? lua_gettop(co) - results + 1 : lua_gettop(co));
		if (results == 0)
			lua_pushnil(co);
		branch_ended(L, f, co, i, true);
	} else {
		explain_error(co);
		branch_ended(L, f, co, i, false);
	}
}

static void
branch_start(lua_State *L, struct fan *f, lua_Integer i)
{
	lua_State *co = lua_newthread(L);
	bool map = !lua_isnil(L, FAN_FN);

	if (map)
		lua_pushvalue(L, FAN_FN);
	lua_rawgeti(L, FAN_LIST, i);
	if (map)
		lua_pushinteger(L, i);
	lua_xmove(L, co, map ? 3 : 1);
	branch_step(L, f, i, map ? 2 : 0);
	lua_settop(L, FAN_TOP - 1);
}

static void
branch_answer(lua_State *L, struct fan *f)
{
	struct answer a = wait_answer(0);
	lua_Integer i;

	if (lua_rawgeti(L, FAN_INDEXES, a.id) != LUA_TNUMBER ||
	    lua_rawgeti(L, FAN_THREADS, a.id) != LUA_TTHREAD)
		vm_end(SANDBOX_PROTO, "an answer to no open call");
	i = lua_tointeger(L, -2);
	lua_pushnil(L);
	lua_rawseti(L, FAN_INDEXES, a.id);
	lua_pushnil(L);
	lua_rawseti(L, FAN_THREADS, a.id);
	f->live--;
	vm.answer = a;
	branch_step(L, f, i, 0);
	free(vm.answer.body); /* nobody took it: the thread had been resumed by the script */
	vm.answer.body = NULL;
	lua_settop(L, FAN_TOP - 1);
}

/* fan(list, fn or nil, keep) -> results.  With fn: fn(v, i); without: v(). */
static int
lua_fan(lua_State *L)
{
	struct fan f = { .next = 1 };

	luaL_checktype(L, FAN_LIST, LUA_TTABLE);
	lua_settop(L, FAN_KEEP);
	f.n = (lua_Integer)lua_rawlen(L, FAN_LIST);
	f.keep = lua_toboolean(L, FAN_KEEP);
	if (vm.fanning)
		return luaL_error(L,
		    "pmap and parallel cannot be nested in one another: inside, use map or a "
		    "for loop (the outer branches still run at once), or make one flat list first");
	if (f.n > (lua_Integer)vm.branches_max) {
		lua_pushfstring(L,
		    "too many branches (%I; the limit is %I): pass a part of the list at a time",
		    f.n, (lua_Integer)vm.branches_max);
		return luaL_error(L, "%s", lua_tostring(L, -1));
	}
	luaL_checkstack(L, 12, "parallel");
	lua_createtable(L, (int)f.n, 0);
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.array_ref);
	lua_setmetatable(L, FAN_RESULTS);
	lua_newtable(L);
	lua_newtable(L);
	lua_pushnil(L);
	vm.fanning = true;
	vm.fans++;
	while (f.live > 0 || (f.next <= f.n && !f.failed)) {
		if (f.next <= f.n && !f.failed && f.live < (lua_Integer)vm.in_flight_max)
			branch_start(L, &f, f.next++);
		else
			branch_answer(L, &f);
	}
	vm.fanning = false;
	if (f.failed) {
		lua_settop(L, FAN_FAILURE);
		return lua_error(L);
	}
	lua_settop(L, FAN_RESULTS);
	return 1;
}

static int
lua_now(lua_State *L)
{
	lua_pushinteger(L, vm.time_s);
	return 1;
}

/* Takes server and tool from the stack, pushes the function. */
void
calls_push_tool(lua_State *L, uint32_t handle)
{
	lua_pushinteger(L, handle);
	lua_insert(L, -3);
	lua_pushcclosure(L, tool_closure, 3);
}

/* Of the function at idx; larger than any when it is no tool. */
lua_Integer
calls_handle(lua_State *L, int idx)
{
	lua_Integer handle = LUA_MAXINTEGER;

	if (lua_tocfunction(L, idx) == tool_closure && lua_getupvalue(L, idx, 1) != NULL) {
		handle = lua_tointeger(L, -1);
		lua_pop(L, 1);
	}
	return handle;
}

/* What library.lua gets: fan, fail, now, search, by_name, show, and what tools.c and library.c add.
 */
void
calls_open(lua_State *L)
{
	toolerror_open(L);
	lua_pushcfunction(L, lua_fan);
	lua_pushcfunction(L, toolerror_fail);
	lua_pushcfunction(L, lua_now);
	lua_pushinteger(L, FRAME_HANDLE_SEARCH);
	lua_pushliteral(L, "tools");
	lua_pushliteral(L, "");
	lua_pushcclosure(L, tool_closure, 3);
	tools_push_names(L);
	lua_pushvalue(L, -1);
	vm.by_name_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_pushinteger(L, FRAME_HANDLE_SHOW);
	lua_pushliteral(L, "show");
	lua_pushliteral(L, "");
	lua_pushcclosure(L, tool_closure, 3);
	tools_open(L);
	library_push_helpers(L);
}

/* Installs `call` and `by_ref`, once library.lua has given its function for unknown names (on the
 * stack top). */
void
calls_name(lua_State *L)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.by_name_ref);
	lua_insert(L, -2);
	lua_pushvalue(L, -2);
	lua_pushvalue(L, -2);
	lua_pushcclosure(L, lua_call_named, 2);
	lua_setglobal(L, "call");
	lua_pushcclosure(L, lua_by_ref, 2);
	lua_setglobal(L, "by_ref");
}
