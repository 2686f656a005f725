/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scripts can rely on: values both ways, errors, concurrency, helpers, limits; and what the
 * owner of a run can rely on: cancel, queue, overload, restart.  Through the real worker.
 *
 * Tools of the test: demo.echo gives its arguments back, demo.fail fails with code "denied",
 * demo.later answers a moment later and in reverse order, demo.never does not answer, demo.raw
 * answers with the text of its argument `json`.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define READY_MS 100

static const struct sandbox_tool tools[] = {
	{ STR("demo"), STR("echo") },
	{ STR("demo"), STR("fail") },
	{ STR("demo"), STR("later") },
	{ STR("demo"), STR("never") },
	{ STR("demo"), STR("raw") },
	{ STR("notes"), STR("read_file") },
};
static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;

struct outcome {
	bool done;
	enum sandbox_end end;
	char value[4096], message[4096], log[4096];
	uint32_t calls;
	int64_t cpu_us;
	int in_flight, in_flight_most;
	struct sandbox_run *run;
	struct {
		uint32_t id;
		char json[200];
	} waiting[64];
	int waiting_n;
	struct timer later;
};

static void
answer_later(void *ctx)
{
	struct outcome *o = ctx;

	while (o->waiting_n > 0) {
		int i = --o->waiting_n;

		o->in_flight--;
		sandbox_answer(o->run, o->waiting[i].id, FRAME_OK, str_of(o->waiting[i].json));
	}
}

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	struct outcome *o = ctx;
	struct arena a;
	struct str raw, text = STR_NONE;

	if (handle == SANDBOX_SEARCH) {
		sandbox_answer(r, id, FRAME_OK, json_get(args, STR("query"), &raw) ? raw : args);
	} else if (handle == 0 || handle == 5) {
		sandbox_answer(r, id, FRAME_OK, args);
	} else if (handle == 1) {
		sandbox_answer(
		    r, id, FRAME_ERROR, STR("{\"code\":\"denied\",\"message\":\"not for you\"}"));
	} else if (handle == 2) {
		o->waiting[o->waiting_n].id = id;
		(void)str_copy(o->waiting[o->waiting_n++].json, 200, args);
		if (++o->in_flight > o->in_flight_most)
			o->in_flight_most = o->in_flight;
		timer_set(loop, &o->later, 15, answer_later, o);
	} else if (handle == 4) {
		arena_init(&a, 8 << 20);
		if (json_get(args, STR("json"), &raw) && json_string(raw, &a, &text))
			sandbox_answer(r, id, FRAME_OK, text);
		arena_free(&a);
	}
}

static void
copy(char *to, size_t cap, struct str s)
{
	(void)snprintf(to, cap, STR_FMT, (int)(s.n < cap ? s.n : cap - 1), s.p ? s.p : "");
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	struct outcome *o = ctx;

	o->done = true;
	o->end = r->end;
	copy(o->value, sizeof(o->value), r->value.p ? r->value : STR("(none)"));
	copy(o->message, sizeof(o->message), r->message);
	copy(o->log, sizeof(o->log), r->log);
	o->calls = r->calls;
	o->cpu_us = r->cpu_us;
}

static const struct sandbox_events events = { .call = on_call, .done = on_done };

static bool
begin(struct outcome *o, struct str source, int wall_ms, struct err *e)
{
	struct sandbox_script s = { .source = source,
		.tools = tools,
		.tools_n = COUNT(tools),
		.seed = { 1, 2 },
		.time_s = 1700000000,
		.wall_ms = wall_ms };

	*o = (struct outcome){ 0 };
	o->run = sandbox_run(sandbox, &root, &s, &events, o, e);
	return o->run != NULL;
}

static void
finish(struct outcome *o)
{
	while (!o->done)
		loop_turn(loop);
}

static void
expect(const char *source, enum sandbox_end end, const char *want)
{
	static struct outcome o;
	struct err e = { .code = ERR_NONE };
	const char *got;

	if (!CHECK(begin(&o, str_of(source), 60000, &e)))
		return;
	finish(&o);
	TEST(source);
	CHECK_EQ_S(sandbox_end_word(o.end), sandbox_end_word(end));
	got = o.end == SANDBOX_DONE ? o.value : o.message;
	if (end == SANDBOX_DONE && want == NULL)
		return;
	if (end == SANDBOX_DONE)
		CHECK_EQ_S(got, want);
	else if (!CHECK(strstr(got, want) != NULL))
		printf("\tgot  %s\n\twant %s\n", got, want);
}

static void
printed(const char *source, const char *want)
{
	static struct outcome o;
	struct err e = { .code = ERR_NONE };

	if (!CHECK(begin(&o, str_of(source), 60000, &e)))
		return;
	finish(&o);
	TEST(source);
	CHECK_EQ_S(sandbox_end_word(o.end), "DONE");
	if (want != NULL)
		CHECK_EQ_S(o.log, want);
	else
		CHECK(strlen(o.log) < 1000);
}

/* d_scripts.lua has what models do; here is what is odd. */
static void
test_records(void)
{
	printed("return #demo.raw{json='{\"a\":null,\"l\":[1]}'}",
	    "note: line 1: # is 0: no list, but the fields l[1]\n");
	printed("local r = demo.raw{json='{\"a\":null}'} return #r", "");
	printed("local r = demo.raw{json='[]'} for _ in ipairs(r) do end return #r", "");
	printed("for i = 1, 100000 do for _ in ipairs{a=1} do end end",
	    "note: line 1: ipairs looped over nothing: no list, but the fields a\n");
	printed("ipairs{a=1}\nipairs{b=1}\nipairs{c=1}\nipairs{d=1}\n",
	    "note: line 1: ipairs looped over nothing: no list, but the fields a\n"
	    "note: line 2: ipairs looped over nothing: no list, but the fields b\n"
	    "note: line 3: ipairs looped over nothing: no list, but the fields c\n");
	printed("ipairs(setmetatable({a = 1}, {})) ipairs{[{}] = 1, a = 1} ipairs{[2] = 1}", "");
	printed("return select('#', ipairs{['a\\nb'] = 1, [('x'):rep(99)] = 1})",
	    "note: line 1: ipairs looped over nothing: no list, but the fields a?b, 1 more\n");
	printed("local t = {} for i = 1, 5000 do t['k' .. 10000 + i] = i end t.a = {1}\n"
		"return (pcall(ipairs, t)) -- type",
	    NULL);
	expect("return ipairs{l = array{}}", SANDBOX_RUNTIME,
	    "script:1: bad argument #1 to 'ipairs' (list expected, got a table with the fields "
	    "l[0])");
	expect("local ok, e = pcall(ipairs, {l = {1}}) return e", SANDBOX_DONE,
	    "\"bad argument #1 to 'ipairs' (list expected, got a table with the fields l[1])\"");
	expect("local r = demo.raw{json='{\"l\":[1]}'} return table.unpack(r)", SANDBOX_DONE,
	    "(none)");
	expect("return getmetatable(demo.raw{json='{\"l\":[1]}'})", SANDBOX_DONE, "false");
}

static void
test_values(void)
{
	expect("return", SANDBOX_DONE, "(none)");
	expect("return nil", SANDBOX_DONE, "(none)");
	expect("return 1, 'a', nil", SANDBOX_DONE, "[1,\"a\",null]");
	expect("return 9007199254740993", SANDBOX_DONE, "9007199254740993");
	expect("return math.mininteger", SANDBOX_DONE, "-9223372036854775808");
	expect("return 10/2, 0.1, 1e300, -0.0", SANDBOX_DONE, "[5,0.1,1e+300,0]");
	expect("return 0/0", SANDBOX_RUNTIME, "JSON has no number for");
	expect("return {}, {b=1, a={x=2}}, array{}", SANDBOX_DONE,
	    "[[],{\"a\":{\"x\":2},\"b\":1},[]]");
	expect("return {[1]=1, [3]=3}", SANDBOX_DONE, "{\"1\":1,\"3\":3}");
	expect("return {[1]=1, x=2}", SANDBOX_DONE, "{\"1\":1,\"x\":2}");
	expect("return {[1]=1, ['1']=2, x=1}", SANDBOX_RUNTIME, "twice");
	expect("return {['\\xff']=1, ['\\xfe']=2}", SANDBOX_RUNTIME, "a key is not UTF-8");
	expect("return {f=print}", SANDBOX_RUNTIME, "cannot hold a function");
	expect("local t = {} t.t = t return t", SANDBOX_RUNTIME, "contains itself");
	expect("return 'a\\0\\255\\n\"\\\\\\u{20ac}'", SANDBOX_DONE,
	    "\"a\\u0000\xef\xbf\xbd\\n\\\"\\\\\xe2\x82\xac\"");
	expect("return demo.raw{json='{\"a\":null,\"n\":[1,null,3],\"big\":12345678901234567890}'}",
	    SANDBOX_DONE, "{\"a\":null,\"big\":\"12345678901234567890\",\"n\":[1,null,3]}");
	expect("local r = demo.raw{json='{\"a\":null,\"l\":[null]}'} return r.a == nil, r.l[1] == "
	       "null",
	    SANDBOX_DONE, "[true,true]");
	expect(
	    "local r = demo.raw{json='{\"a\":null}'} r.a = 1 return r", SANDBOX_DONE, "{\"a\":1}");
	expect("return demo.raw{json='{\"i\":9223372036854775807,\"e\":[],\"o\":{}}'}",
	    SANDBOX_DONE, "{\"e\":[],\"i\":9223372036854775807,\"o\":[]}");
	expect("return json.decode('[1.5,\"\\\\ud83d\\\\ude00\",-7]')", SANDBOX_DONE,
	    "[1.5,\"\xf0\x9f\x98\x80\",-7]");
	expect("return json.decode('[1,]')", SANDBOX_RUNTIME,
	    "script:1: json.decode: not JSON at byte");
	expect("return json.encode{a=1, b={true, null}}", SANDBOX_DONE,
	    "\"{\\\"a\\\":1,\\\"b\\\":[true,null]}\"");
	expect("local t = {} local u = t for i = 1, 63 do u.a = {} u = u.a end u.a = 1 return t ~= "
	       "nil "
	       "and json.decode(json.encode(t)).a ~= nil",
	    SANDBOX_DONE, "true");
	expect("local t = {} local u = t for i = 1, 63 do u.a = {} u = u.a end return t, 1",
	    SANDBOX_RUNTIME, "nested deeper than 64");
	expect("local t = {} local u = t for i = 1, 63 do u.a = {} u = u.a end return demo.echo(t)",
	    SANDBOX_DONE,
	    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
	    "\"a\":{\"a\":"
	    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
	    "\"a\":{\"a\":"
	    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
	    "\"a\":{\"a\":"
	    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
	    "\"a\":{\"a\":"
	    "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[]}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}"
	    "}}}}}"
	    "}}}}}}}}}}}}}}}}}}}}}}}");
	expect("return string.rep('x', 999998)", SANDBOX_DONE, NULL);
	expect("return string.rep('x', 999999)", SANDBOX_OUTPUT, "larger than 1000000 bytes");
}

static void
test_calls(void)
{
	expect("return demo.echo{a=1, b={x=null}}", SANDBOX_DONE, "{\"a\":1,\"b\":{\"x\":null}}");
	expect("return demo.echo()", SANDBOX_DONE, "[]");
	expect("return call('demo.echo', {a=1})", SANDBOX_DONE, "{\"a\":1}");
	expect("return call('demo.echo')", SANDBOX_DONE, "[]");
	expect("return tools'find me'", SANDBOX_DONE, "\"find me\"");
	expect("return notes.readFile{p=1}, notes['read-file']{}, call('notes.READ_FILE', {})",
	    SANDBOX_DONE, "[{\"p\":1},[],[]]");
	expect("\nreturn demo.fail{}", SANDBOX_RUNTIME, "script:2: demo.fail: denied: not for you");
	expect("local ok, e = pcall(demo.fail, {}) return ok, e.code, e.message, e.server, e.tool, "
	       "tostring(e)",
	    SANDBOX_DONE,
	    "[false,\"denied\",\"not for you\",\"demo\",\"fail\",\"demo.fail: denied: not for "
	    "you\"]");
	expect("local ok, e = pcall(demo.fail, {}) error(e)", SANDBOX_RUNTIME, "demo.fail: denied");
	expect("return demo.ecco{}", SANDBOX_RUNTIME,
	    "script:1: demo: unknown_tool: no tool 'ecco'; did you mean echo?");
	expect("return call('demo.ecco', {})", SANDBOX_RUNTIME, "did you mean echo?");
	expect("return call('demmo.echo', {})", SANDBOX_RUNTIME, "did you mean demo?");
	expect("return demmo.echo{}", SANDBOX_RUNTIME,
	    "script:1: undefined global 'demmo'; did you mean server demo?");
	expect("return demo.echo{1, 2}", SANDBOX_RUNTIME, "arguments have names");
	expect("return demo.echo('x')", SANDBOX_RUNTIME, "pass one table");
	expect("return demo.echo({}, {})", SANDBOX_RUNTIME, "pass one table");
	expect("demo.x = 1", SANDBOX_RUNTIME, "read-only");
	expect("for i = 1, 100 do demo.echo{i=i} end return 'all'", SANDBOX_DONE, "\"all\"");
	expect("for i = 1, 101 do pcall(demo.echo, {i=i}) end", SANDBOX_CALLS, "budget");
	expect("local n = 0 for k, f in pairs(demo) do n = n + 1 end return n", SANDBOX_DONE, "5");
	expect(
	    "local f = demo.echo local all = {} for k, v in pairs(demo) do all[k] = v end "
	    "return f == all.echo and demo.echo == f and demo.fail == all.fail and demo.fa_il == "
	    "all.fail",
	    SANDBOX_DONE, "true");
	expect("local a = call('demo.echo', {n = 1}) local b = call('demo.ec_ho', {n = 2}) "
	       "return a.n + b.n + call('DEMO.echo', {n = 4}).n",
	    SANDBOX_DONE, "7");
}

static void
test_concurrency(void)
{
	expect("return pmap({1,2,3}, function(v, i) return demo.later{v=v*10, i=i} end)",
	    SANDBOX_DONE, "[{\"i\":1,\"v\":10},{\"i\":2,\"v\":20},{\"i\":3,\"v\":30}]");
	expect("return parallel{function() return demo.later{a=1} end, function() return 2 end}",
	    SANDBOX_DONE, "[{\"a\":1},2]");
	expect(
	    "local a, b = parallel(function() return demo.later{a=1} end, function() return 2 end) "
	    "return a.a + b",
	    SANDBOX_DONE, "3");
	expect("return pmap({1,2,3}, function(v) if v == 2 then demo.fail{} end return v end)",
	    SANDBOX_RUNTIME, "demo.fail: denied");
	expect("local r = pmap({1,2,3}, function(v) if v == 2 then demo.fail{} end return v end, "
	       "{errors='keep'}) return r[1], r[2].error.code, r[3]",
	    SANDBOX_DONE, "[1,\"denied\",3]");
	expect("return pmap({1,2}, function() end)", SANDBOX_DONE, "[null,null]");
	expect("return pmap({}, function() end)", SANDBOX_DONE, "[]");
	expect(
	    "return pmap({1,2}, function(v) local ok, e = pcall(demo.later, {v=v}) return e.v end)",
	    SANDBOX_DONE, "[1,2]");
	expect("local f = coroutine.wrap(function() local r = demo.later{a=5} coroutine.yield(r.a) "
	       "end) "
	       "return pmap({1,2}, function(v) return v == 1 and f() or demo.later{v=v}.v end)",
	    SANDBOX_DONE, "[5,2]");
	expect("local co return pmap({1,2}, function(v) if v == 1 then co = coroutine.running() "
	       "return demo.later{v=1} end return coroutine.resume(co) end)",
	    SANDBOX_RUNTIME, "cannot resume dead coroutine");
	expect("parallel{1}", SANDBOX_RUNTIME, "parallel takes functions");
	expect("local t = {} for i = 1, 257 do t[i] = i end pmap(t, print)", SANDBOX_RUNTIME,
	    "too many branches (257; the limit is 256)");
}

static void
test_library(void)
{
	expect("return map({1,2}, function(v) return v * 2 end), filter({1,2,3}, function(v) "
	       "return v > 1 "
	       "end), reduce({1,2,3}, function(a, v) return a + v end, 0)",
	    SANDBOX_DONE, "[[2,4],[2,3],6]");
	expect("local l = {{n='b', v=2}, {n='a', v=1}, {n='c', v=2}} return sum(l, 'v'), pluck(l, "
	       "'n'), "
	       "pluck(sort_by(l, 'n'), 'n'), pluck(sort_by(l, 'v', true), 'n'), "
	       "#group_by(l, 'v')[2], keys{b=1, a=2}",
	    SANDBOX_DONE,
	    "[5,[\"b\",\"a\",\"c\"],[\"a\",\"b\",\"c\"],[\"b\",\"c\",\"a\"],2,[\"a\",\"b\"]]");
	expect("return split('a,b,,c', ','), split(' a  b '), trim('  x y '), trim('  '), "
	       "lines('a\\nb\\n')",
	    SANDBOX_DONE, "[[\"a\",\"b\",\"\",\"c\"],[\"a\",\"b\"],\"x y\",\"\",[\"a\",\"b\"]]");
	expect("return shape{{id=1, name='x', tags={'a'}, f=1.5}}", SANDBOX_DONE,
	    "\"{f:number, id:integer, name:string, tags:string[1]}[1]\"");
	expect("return os.time(), os.date('%Y-%m-%d %H:%M:%S'), os.date('!%F %T', 0), "
	       "os.time{year=2024, month=2, day=29, hour=0}, os.date('*t', 951782400).yday",
	    SANDBOX_DONE,
	    "[1700000000,\"2023-11-14 22:13:20\",\"1970-01-01 00:00:00\",1709164800,60]");
	expect("local o = setmetatable({}, {__name=1}) local t = {} for i = 1, 200 do t[i] = o end "
	       "return #string.format(string.rep('%s', 200), table.unpack(t))",
	    SANDBOX_DONE, "1000");
	expect(
	    "local _, t = pairs(demo) t.ec_ho = print t['Fail'] = 1 return call('demo.fai_l', {})",
	    SANDBOX_RUNTIME, "demo.fail: denied");
	expect("local _, t = pairs(demo) t.foo = print return call('demo.FOO', {})",
	    SANDBOX_RUNTIME, "unknown_tool");
	expect("return os.getenv('HOME')", SANDBOX_RUNTIME, "undefined global 'os.getenv'");
	expect("local x = os.date('%Q')", SANDBOX_RUNTIME, "script:1: os.date: unknown conversion");
	expect("map(nil, print)", SANDBOX_RUNTIME,
	    "script:1: bad argument #1 to 'map' (table expected, got nil)");
	expect("return math.random(1000) == math.random(1000), type(math.random())", SANDBOX_DONE,
	    "[false,\"number\"]");
	expect("return S", SANDBOX_RUNTIME, "undefined global 'S'");
	expect("local x = ", SANDBOX_COMPILE, "script:1:");
	expect("\n\nlocal x = nil + 1", SANDBOX_RUNTIME, "script:3: attempt to perform arithmetic");
	expect("while true do end", SANDBOX_CPU, "script:1: CPU limit exceeded");
	expect("string.find(string.rep('a', 30), string.rep('a?', 30) .. string.rep('a', 30))",
	    SANDBOX_CPU, "inside a library function");
}

static void
test_log(void)
{
	static struct outcome o;
	struct err e = { .code = ERR_NONE };

	TEST("printed text comes whole, tables as JSON");
	CHECK(begin(
	    &o, STR("print('a', 1, nil, {x=1}, print) print() return demo.echo{}"), 5000, &e));
	finish(&o);
	CHECK_EQ_S(o.log, "a\t1\tnil\t{\"x\":1}\tfunction\n\n");
	CHECK_EQ_I(o.calls, 1);
	CHECK(o.cpu_us > 0);
	TEST("at most eight calls are in flight");
	CHECK(begin(&o,
	    STR("local t = {} for i = 1, 30 do t[i] = i end "
		"return #pmap(t, function(v) return demo.later{v=v} end)"),
	    5000, &e));
	finish(&o);
	CHECK_EQ_S(o.value, "30");
	CHECK_EQ_I(o.in_flight_most, 8);
}

static void
test_ends(void)
{
	static struct outcome o, many[90];
	static char large[FRAME_SOURCE_MAX + 1];
	struct err e = { .code = ERR_NONE };
	int started = 0;

	TEST("a script that waits for ever ends with WALL");
	CHECK(begin(&o, STR("demo.never{}"), 50, &e));
	finish(&o);
	CHECK_EQ_S(sandbox_end_word(o.end), "WALL");
	CHECK_EQ_S(o.message, "the time limit of 50 ms is over");
	TEST("a source over 128 KiB ends with COMPILE");
	memset(large, ' ', sizeof(large));
	CHECK(begin(&o, (struct str){ large, sizeof(large) }, 0, &e));
	CHECK(!o.done);
	finish(&o);
	CHECK_EQ_S(sandbox_end_word(o.end), "COMPILE");
	TEST("cancelling is silent and leaves room");
	CHECK(begin(&o, STR("while true do end"), 5000, &e));
	while (sandbox_counts(sandbox).running == 0)
		loop_turn(loop);
	job_cancel(sandbox_run_job(o.run));
	CHECK(!o.done);
	CHECK_EQ_I(sandbox_counts(sandbox).running, 0);
	TEST("sixteen run, sixty-four wait, the next is refused");
	while (started < 90 && begin(&many[started], STR("demo.never{}"), 5000, &e)) {
		started++;
		if (started == 16)
			while (sandbox_counts(sandbox).running < 16)
				loop_turn(loop);
	}
	CHECK_EQ_I(started, 80);
	CHECK_EQ_S(err_word(e.code), "overloaded");
	for (int i = 0; i < started; i++)
		if (job_running(sandbox_run_job(many[i].run)))
			job_cancel(sandbox_run_job(many[i].run));
	CHECK_EQ_I(sandbox_counts(sandbox).queued, 0);
	expect("return 'still here'", SANDBOX_DONE, "\"still here\"");
}

/* The zygote's outer process: our only child. */
static pid_t
only_child(void)
{
	char path[80], line[80] = "", *end;
	FILE *f;
	long pid;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		return -1;
	(void)fclose(f);
	pid = strtol(line, &end, 10);
	return end != line && strtol(end, NULL, 10) == 0 ? (pid_t)pid : -1;
}

static void
test_restart(void)
{
	static struct outcome o;
	struct err e = { .code = ERR_NONE };
	pid_t zygote = only_child();

	TEST("when the zygote is killed, runs end and a new one serves");
	CHECK(begin(&o, STR("demo.never{}"), 5000, &e));
	while (sandbox_counts(sandbox).running == 0)
		loop_turn(loop);
	if (CHECK(zygote > 1))
		(void)kill(zygote, SIGKILL);
	finish(&o);
	CHECK_EQ_S(sandbox_end_word(o.end), "CRASH");
	CHECK_EQ_S(sandbox_level_word(sandbox_level(sandbox)), "starting");
	expect("return 'again'", SANDBOX_DONE, "\"again\"");
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Starts a sandbox; how long until it was ready, -1: it could not be started. */
static int64_t
boot_ms(void)
{
	struct sandbox_settings set = { .worker = "build/sandbox-worker" };
	struct err e = { .code = ERR_NONE };
	int64_t from = now_ms();

	sandbox = sandbox_new(loop, &set, &e);
	if (!CHECK(sandbox != NULL)) {
		printf("\t%s\n", e.text);
		return -1;
	}
	while (sandbox_level(sandbox) == SANDBOX_STARTING)
		loop_turn(loop);
	from = now_ms() - from;
	printf("sandbox %s after %d ms %s\n", sandbox_level_word(sandbox_level(sandbox)), (int)from,
	    sandbox_why(sandbox));
	return from;
}

int
main(void)
{
	static const struct job_type root_type = { .name = "test" };
	static const struct sandbox_settings missing = { .worker = "build/no-such-worker" };
	struct err e = { .code = ERR_NONE };
	int64_t ms;

	loop = loop_new(&e);
	ms = boot_ms();
	for (int i = 0; i < 7 && ms > READY_MS; i++) { /* a machine that is busy for a moment */
		sandbox_free(&sandbox);
		ms = boot_ms();
	}
	if (ms < 0)
		return check_done();
	TEST("ready within 100 ms");
	CHECK(ms <= READY_MS);
	job_init(&root, &root_type, NULL, NULL, NULL);
	test_values();
	test_records();
	test_calls();
	test_concurrency();
	test_library();
	test_log();
	test_ends();
	test_restart();
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	TEST("a missing worker program is said plainly");
	loop = loop_new(&e);
	CHECK(sandbox_new(loop, &missing, &e) == NULL);
	CHECK(strstr(e.text, "build/no-such-worker is missing") != NULL);
	loop_free(&loop);
	return check_done();
}
