/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm - one Lua state under three limits, and one run in it.
 *
 * Memory: the allocator counts; past the limit it reports and exits.  Lua never sees a failed
 * allocation, because Debian's 5.4.4 double-frees in the emergency collection that follows one.
 * Past half of the limit it asks for a full collection at the next safe point (a one-shot hook),
 * and after that each time half of what was left is used up.
 *
 * CPU: a permanent count hook costs a factor of two, so there is none.  ITIMER_PROF, armed before
 * the lock, ticks every 10 ms of CPU time; a run's limit is a number of ticks.  The last one arms
 * a one-shot hook, which reports the line; if a library function never returns to the interpreter,
 * a tick 50 ms later exits.  vm_on_tick() is a signal handler that does more than write an eventfd:
 * lua_sethook() is made for it and there is no event loop to wake.
 *
 * Every limit ends the process: nothing a script can write with pcall stands in the way, and no
 * code of the script runs after its end.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

#define COLLECTOR_CREDIT ((size_t)1 << 20)
#define SHRINKING        6  /* collections, each of which frees half of the calls' records */
#define LINE_LEVELS      40 /* frames looked at: the innermost, the outermost */

struct vm vm = { .fd = -1, .ticks_max = INT_MAX / 2 };

/* Of the first frame of the script's from `level` on, among LINE_LEVELS. */
static int
line_from(lua_State *L, int level)
{
	lua_Debug ar;

	for (int i = level; i < level + LINE_LEVELS && lua_getstack(L, i, &ar); i++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 && strcmp(ar.source, "=script") == 0)
			return ar.currentline;
	}
	return 0;
}

static int
depth_of(lua_State *L)
{
	lua_Debug ar;
	int there = 0, gone = 1;

	while (lua_getstack(L, gone, &ar)) {
		there = gone;
		gone *= 2;
	}
	while (gone - there > 1) {
		int middle = there + (gone - there) / 2;

		if (lua_getstack(L, middle, &ar))
			there = middle;
		else
			gone = middle;
	}
	return gone;
}

int
vm_line(lua_State *L)
{
	int line = L == NULL ? 0 : line_from(L, 0), depth;

	if (line > 0 || L == NULL)
		return line;
	depth = depth_of(L); /* below a snippet that has called itself very often */
	return depth > LINE_LEVELS ? line_from(L, depth - LINE_LEVELS) : 0;
}

/* Nothing follows the last frame.  The gateway reads our figures from the kernel while we still
 * are, and kills; or it is gone, which is EOF. */
static _Noreturn void
rest(void)
{
	char c;

	while (vm.fd >= 0 && (read(vm.fd, &c, 1) > 0 || errno == EINTR))
		;
	_exit(WORKER_EXIT_EOF);
}

_Noreturn void
vm_end(enum sandbox_end end, const char *text)
{
	lua_State *L = vm.running != NULL ? vm.running : vm.main;
	char message[512], inside[PLACE_BYTES];
	int line = vm_line(L), n;

	place_snippet(L, inside);
	if (line > 0)
		n = snprintf(message, sizeof(message), "script:%d: %s%s", line, inside, text);
	else
		n = snprintf(message, sizeof(message), "%s%s", inside, text);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(message))
		n = (int)sizeof(message) - 1;
	wire_send(
	    (struct frame_head){
		.body_bytes = (uint32_t)n, .type = FRAME_FAIL, .flags = (uint8_t)end },
	    message);
	rest();
}

static void
on_cpu(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	vm.running = L;
	vm_end(SANDBOX_CPU, "CPU limit exceeded");
}

static bool
is_out_of_time(void)
{
	return vm.ticks >= vm.ticks_max;
}

void
vm_on_tick(int signo)
{
	(void)signo;
	if (vm.ticks < INT_MAX)
		vm.ticks++;
	if (vm.ticks >= vm.ticks_max + WORKER_CPU_GRACE_MS / WORKER_CPU_TICK_MS)
		_exit(WORKER_EXIT_CPU);
	if (is_out_of_time() && vm.running != NULL)
		lua_sethook(vm.running, on_cpu, LUA_MASKCOUNT, 1);
}

static void
on_collect(lua_State *L, lua_Debug *ar)
{
	size_t left;

	lua_sethook(L, NULL, 0, 0);
	if (is_out_of_time())
		on_cpu(L, ar);
	if (!vm.collect_wanted) /* inherited by a thread made while another's hook was armed */
		return;
	lua_gc(L, LUA_GCCOLLECT);
	lua_gc(L, LUA_GCINC, 120, 400, 0);
	left = vm.limit_bytes - vm.used_bytes;
	vm.collect_at_bytes = vm.used_bytes + left / 2;
	if (vm.collect_at_bytes < vm.limit_bytes / 2)
		vm.collect_at_bytes = vm.limit_bytes / 2;
	if (left < vm.limit_bytes / 64) /* this close, collecting again only burns the CPU limit */
		vm.collect_at_bytes = SIZE_MAX;
	vm.collect_wanted = false;
	if (is_out_of_time())
		on_cpu(L, ar);
}

static void *
allocate(void *ud, void *p, size_t old, size_t new)
{
	size_t used;
	void *q;

	(void)ud;
	if (p == NULL)
		old = 0; /* Lua passes a type there */
	if (new == 0) {
		free(p);
		vm.used_bytes -= old;
		return NULL;
	}
	used = vm.used_bytes - old + new;
	if (used > vm.limit_bytes && new > old)
		vm_end(SANDBOX_OOM, "memory limit exceeded");
	q = realloc(p, new);
	if (q == NULL) {
		if (new <= old)
			return p;
		vm_end(SANDBOX_OOM, "memory limit exceeded");
	}
	vm.used_bytes = used;
	if (used > vm.collect_at_bytes && !vm.collect_wanted && vm.running != NULL) {
		vm.collect_wanted = true;
		lua_sethook(vm.running, on_collect, LUA_MASKCOUNT, 1);
	}
	return q;
}

int
vm_resume(lua_State *co, lua_State *from, int args, int *results)
{
	lua_State *before = vm.running;
	int status;

	vm.running = co;
	if (is_out_of_time()) /* the tick came while nobody, or the caller, was running */
		lua_sethook(co, on_cpu, LUA_MASKCOUNT, 1);
	else if (vm.collect_wanted)
		lua_sethook(co, on_collect, LUA_MASKCOUNT, 1);
	status = lua_resume(co, from, args, results);
	vm.running = before;
	return status;
}

static int on_error(lua_State *L);

lua_State *
vm_new(size_t limit_bytes)
{
	vm.limit_bytes = limit_bytes;
	vm.collect_at_bytes = limit_bytes / 2;
	vm.on_error = on_error;
	vm.main = lua_newstate(allocate, NULL);
	if (vm.main == NULL)
		return NULL;
	environment_open(vm.main);
	lua_gc(vm.main, LUA_GCCOLLECT);
	return vm.main;
}

/* Turns whatever was raised into text, where it was raised. */
static int
on_error(lua_State *L)
{
	int line;

	if (toolerror_is(L, 1)) {
		lua_getfield(L, 1, "line");
		line = (int)lua_tointeger(L, -1);
		if (line == 0) /* raised in a branch that was in a snippet only */
			line = vm_line(L);
		if (line > 0)
			lua_pushfstring(L, "script:%d: ", line);
		else
			lua_pushliteral(L, "");
		if (lua_getfield(L, 1, "at") != LUA_TSTRING) { /* in which snippet */
			lua_pop(L, 1);
			lua_pushliteral(L, "");
		}
		safe_tostring(L, 1, NULL);
		lua_concat(L, 3);
		return 1;
	}
	explain_error(L);
	place_caller(L);
	push_printed(L, 1);
	return 1;
}

static int
encode_results(lua_State *L)
{
	int n = lua_gettop(L);

	out_reset(FRAME_VALUE_MAX);
	if (n == 1 && lua_isnil(L, 1))
		notes_nothing();
	if (n == 0 || (n == 1 && lua_isnil(L, 1)))
		return 0;
	if (n > 1) {
		lua_createtable(L, n, 0);
		for (int i = 1; i <= n; i++) {
			lua_pushvalue(L, i);
			if (lua_isnil(L, -1)) {
				lua_pop(L, 1);
				lua_pushlightuserdata(L, NULL);
			}
			lua_rawseti(L, n + 1, i);
		}
	}
	json_put(L, -1, JSON_RETURN);
	return 0;
}

static _Noreturn void
fail(lua_State *L, enum sandbox_end end)
{
	size_t n;
	const char *s = lua_tolstring(L, -1, &n);

	if (s == NULL)
		s = "error", n = 5;
	if (n > FRAME_MESSAGE_MAX)
		n = FRAME_MESSAGE_MAX;
	wire_send(
	    (struct frame_head){
		.body_bytes = (uint32_t)n, .type = FRAME_FAIL, .flags = (uint8_t)end },
	    s);
	rest();
}

static bool
run(lua_State *L, const char *source, size_t n)
{
	int before = lua_gettop(L), results;

	lua_pushcfunction(L, on_error);
	vm.source = source;
	vm.source_n = n;
	if (luaL_loadbufferx(L, source, n, "=script", "t") != LUA_OK)
		fail(L, SANDBOX_COMPILE);
	if (lua_pcall(L, 0, LUA_MULTRET, before + 1) != LUA_OK)
		fail(L, SANDBOX_RUNTIME);
	results = lua_gettop(L) - before - 1;
	lua_pushcfunction(L, encode_results);
	lua_insert(L, before + 2);
	if (lua_pcall(L, results, 0, before + 1) != LUA_OK)
		fail(L, SANDBOX_RUNTIME);
	lua_settop(L, before);
	return !vm.out.over;
}

/* Marking writes to, and so copies, every page that is shared with the zygote: 200 us, more than
 * most scripts take.  So the first cycle waits until this run has made some garbage of its own. */
static void
start_collector(void)
{
	size_t credit = vm.limit_bytes / 8;

	if (credit > COLLECTOR_CREDIT)
		credit = COLLECTOR_CREDIT;
	lua_gc(vm.main, LUA_GCRESTART);
	lua_gc(vm.main, LUA_GCSTEP, -(int)(credit / 1024)); /* lowers its debt, steps not */
}

static void
seed_random(const uint64_t seed[2])
{
	lua_State *L = vm.main;

	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.randomseed_ref);
	lua_pushinteger(L, (lua_Integer)seed[0]);
	lua_pushinteger(L, (lua_Integer)seed[1]);
	lua_call(L, 2, 0);
}

_Noreturn void
vm_serve(int fd)
{
	struct answer body;
	struct frame_head h;
	struct frame_run r;
	lua_State *L = vm.main;

	vm.fd = fd;
	h = wire_receive(&body);
	if (h.type != FRAME_RUN || body.n < sizeof(r))
		_exit(WORKER_EXIT_EOF);
	memcpy(&r, body.body, sizeof(r));
	if (r.source_bytes > FRAME_SOURCE_MAX || r.tools_n > FRAME_TOOLS_MAX ||
	    r.in_flight_max > FRAME_IN_FLIGHT_MAX || r.in_flight_max == 0 || r.cpu_ticks == 0 ||
	    r.cpu_ticks > WORKER_CPU_TICKS_MAX ||
	    sizeof(r) + (uint64_t)r.tools_bytes + r.source_bytes + r.state_bytes + r.last_bytes +
		    r.snippets_bytes !=
		body.n)
		_exit(WORKER_EXIT_EOF);
	vm.calls_max = r.calls_max;
	vm.in_flight_max = r.in_flight_max;
	vm.branches_max = r.branches_max;
	if (r.memory_bytes < vm.limit_bytes) {
		vm.limit_bytes = (size_t)r.memory_bytes;
		vm.collect_at_bytes = vm.limit_bytes / 2;
	}
	vm.ticks = 0;
	vm.ticks_max = (int)r.cpu_ticks + 1; /* the first may come at once */
	vm.time_s = r.time_s;
	vm.running = L;
	start_collector();
	seed_random(r.seed);
	if (!tools_take(L, body.body + sizeof(r), body.body + sizeof(r) + r.tools_bytes, r.tools_n))
		_exit(WORKER_EXIT_EOF);
	if (!state_take(L, body.body + sizeof(r) + r.tools_bytes + r.source_bytes, &r))
		_exit(WORKER_EXIT_EOF);
	if (!snippet_take(L, body.body + body.n - r.snippets_bytes, r.snippets_bytes))
		_exit(WORKER_EXIT_EOF);
	if (!run(L, body.body + sizeof(r) + r.tools_bytes, r.source_bytes))
		vm_end(SANDBOX_OUTPUT,
		    "the returned value is larger than 1000000 bytes: return less of it");
	state_give(L);
	wire_send(
	    (struct frame_head){ .body_bytes = (uint32_t)vm.out.n, .type = FRAME_DONE }, vm.out.p);
	rest();
}

/* ---- the zygote ---- */

static const char exercise[] =
    "local t = {} for i = 1, 2 do t[i] = { id = i, s = tostring(i) } end "
    "local s = string.format('%d', #t):upper() "
    "for k in s:gmatch('%d') do s = s .. k end "
    "return { s, json.decode(json.encode(t)), "
    "map({ 1 }, function(v) return v end) }";
static const char calling[] = "local r = server.tool{ id = 1, text = 'a' } "
			      "for i, v in ipairs(r.list) do print(i, v, r.name) end return r";

static void
prompt(int gateway, struct frame_head h, const char *body)
{
	unsigned char head[FRAME_HEAD_BYTES];

	frame_write_head(head, h);
	if (write(gateway, head, sizeof(head)) != sizeof(head) ||
	    write(gateway, body, h.body_bytes) != (ssize_t)h.body_bytes)
		_exit(WORKER_EXIT_LOCK);
}

/* In a child of the zygote that is thrown away: it is its own gateway, and says all of that part
 * first.  Into nothing but its stack, see rehearsal.c. */
static _Noreturn void
rehearse(const char *source)
{
	static const char tool[] = "\6server\4tool";
	const char answer[] = "{\"id\":1,\"name\":\"a\",\"list\":[1.5,null,true]}";
	struct frame_run r = { .calls_max = 1,
		.in_flight_max = 1,
		.branches_max = 1,
		.tools_n = 1,
		.tools_bytes = sizeof(tool) - 1,
		.source_bytes = (uint32_t)strlen(source),
		.memory_bytes = vm.limit_bytes,
		.cpu_ticks = 1 };
	char body[sizeof(r) + sizeof(tool) + sizeof(exercise) + sizeof(calling)], *p = body;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		_exit(WORKER_EXIT_LOCK);
	p = mempcpy(p, &r, sizeof(r));
	p = mempcpy(p, tool, r.tools_bytes);
	p = mempcpy(p, source, r.source_bytes);
	prompt(ends[0],
	    (struct frame_head){ .body_bytes = (uint32_t)(p - body), .type = FRAME_RUN }, body);
	prompt(ends[0],
	    (struct frame_head){ .body_bytes = sizeof(answer) - 1,
		.type = FRAME_RESULT,
		.flags = FRAME_OK,
		.id = 1 },
	    answer);
	(void)shutdown(ends[0], SHUT_WR);
	wire_touch();
	vm_serve(ends[1]);
}

static void
rehearse_least(void)
{
	rehearse(exercise);
}

static void
rehearse_usual(void)
{
	rehearse(calling);
}

void
vm_prepare(const uintptr_t *functions, size_t n)
{
	(void)run(vm.main, exercise, sizeof(exercise) - 1);
	lua_pushboolean(vm.main, 1);
	lua_setglobal(vm.main, "server"); /* the table grows for the run's own globals here */
	lua_pushnil(vm.main);
	lua_setglobal(vm.main, "server");
	for (int i = 0; i < SHRINKING; i++)
		lua_gc(vm.main, LUA_GCCOLLECT);
	lua_gc(vm.main, LUA_GCSTOP); /* until RUN: see start_collector() */
	out_free();
	heap_seal();
	pages_rehearse(rehearse_least, rehearse_usual, functions, n);
}
