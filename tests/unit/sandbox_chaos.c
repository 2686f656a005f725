/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thousand runs of every kind at once (RUNS=10000: as many), cancelled at random moments, in
 * workers that run native code, with workers and zygotes killed now and then: every run that was
 * not cancelled is told exactly once, with as many calls as were dispatched; the good ones among
 * them end as they should; and afterwards there are as many descriptors and processes as before.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define RUNS_USUAL 1000
#define AT_ONCE    24
#define KILL_EACH  40 /* runs, about: a process of the sandbox is killed */

struct slot {
	struct sandbox_run *run; /* NULL: free */
	const char *source;
	bool good;
	int cancel_in;  /* turns; -1: never */
	uint32_t calls; /* dispatched */
};
static struct slot slots[AT_ONCE];
static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;
static int runs, started, told, cancelled, wrong, killed;
static unsigned ends[SANDBOX_CANCELLED + 1];
static uint64_t dice = 88172645463325252ull;

static unsigned
roll(unsigned n)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (unsigned)(dice % n);
}

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	struct slot *s = ctx;

	(void)handle;
	s->calls++;
	if (roll(50) > 0)
		sandbox_answer(r, id, FRAME_OK, args);
	else
		sandbox_answer(r, id, FRAME_ERROR, STR("{\"code\":\"denied\",\"message\":\"no\"}"));
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	struct slot *s = ctx;

	ends[r->end]++;
	if (s->run == NULL)
		wrong++; /* told twice, or after it was cancelled */
	if (r->calls != s->calls)
		wrong++;
	if (s->good && r->end != SANDBOX_CRASH &&
	    (r->end != SANDBOX_DONE || !str_eq(r->value, STR("5050"))))
		wrong++;
	s->run = NULL;
	told++;
}

static void
start_one(struct slot *s)
{
	static const char *const sources[] = {
		"local n = 0 for i = 1, 100 do n = n + i end return n",
		"local r = pmap({1,2,3,4,5,6,7,8,9,10}, function(v) return demo.echo{v=v} end, "
		"{errors='keep'}) local n = 0 for i = 1, 100 do n = n + i end return n",
		"while true do end",
		"local t = {} while true do t[#t+1] = string.rep('x', 1e6) .. #t end",
		"error('x')",
		"return string.rep('x', 1e6)",
		"while true do demo.echo{} end",
		"for i = 1, 1e6 do print('hello') end",
		"x = = 1",
		"demo.echo{} native('crash', 'null')",
		"demo.echo{} native('syscall', 57)",
		"native('frame', 2, 0, 99, 1, nil, '{}') native('read', 1)",
		"native('frame', 2, 0, 0, 1, 100, '{') native('exit', 0)",
		"native('bytes', ('x'):rep(60000), -1)",
		"native('spin', 'untick')",
	};
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("demo"), STR("echo") };
	unsigned pick = roll(3) > 0 ? roll(2) : roll(COUNT(sources));
	const struct sandbox_script script = {
		.source = str_of(sources[pick]), .tools = &tool, .tools_n = 1, .wall_ms = 60000
	};
	struct err e = { .code = ERR_NONE };

	s->good = pick < 2;
	s->calls = 0;
	s->cancel_in = roll(6) == 0 ? (int)roll(8) : -1;
	s->run = sandbox_run(sandbox, &root, &script, &ev, s, &e);
	if (s->run != NULL)
		started++;
}

static int
descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

/* The processes below pid, zygotes and workers, into list; how many there are. */
static size_t
processes(pid_t pid, pid_t *list, size_t n, size_t most)
{
	char path[80], line[4000] = "", *at = line, *end;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return n; /* it has ended meanwhile */
	(void)!fgets(line, sizeof(line), f);
	(void)fclose(f);
	for (long kid; (kid = strtol(at, &end, 10)) > 1 && n < most; at = end) {
		list[n++] = (pid_t)kid;
		n = processes((pid_t)kid, list, n, most);
	}
	return n;
}

/* Anyone: what holds the namespace, the zygote, an idle worker, one at work. */
static void
kill_one(void)
{
	pid_t list[200];
	size_t n = processes(getpid(), list, 0, COUNT(list));

	if (n > 0 && kill(list[roll((unsigned)n)], SIGKILL) == 0)
		killed++;
}

static void
one_turn(void)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *s = &slots[i];

		if (s->run == NULL && started < runs)
			start_one(s);
		if (s->run != NULL && s->cancel_in >= 0 && s->cancel_in-- == 0) {
			job_cancel(sandbox_run_job(s->run));
			s->run = NULL;
			cancelled++;
		}
	}
	loop_turn(loop);
}

static bool
is_calm(void)
{
	const struct sandbox_counts c = sandbox_counts(sandbox);

	return c.running == 0 && c.queued == 0 && c.idle == 4;
}

static void
show(void)
{
	printf("%d told, %d cancelled, %d processes killed:", told, cancelled, killed);
	for (int i = 0; i <= SANDBOX_CANCELLED; i++)
		if (ends[i] > 0)
			printf(" %u %s", ends[i], sandbox_end_word((enum sandbox_end)i));
	printf("\n");
}

int
main(void)
{
	static const struct job_type root_type = { .name = "test" };
	struct sandbox_settings set = { .worker = "build/sandbox-worker-native", .cpu_ms = 30 };
	struct err e = { .code = ERR_NONE };
	int before = descriptors(), next_kill = KILL_EACH;
	const char *asked = getenv("RUNS");
	pid_t left[4];

	runs = asked != NULL ? (int)strtol(asked, NULL, 10) : RUNS_USUAL;

	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	TEST("runs, cancels, and kills of workers and zygotes");
	if (!CHECK(sandbox != NULL))
		return check_done();
	while (told + cancelled < runs) {
		one_turn();
		if (started >= next_kill && sandbox_level(sandbox) >= SANDBOX_REDUCED) {
			kill_one();
			next_kill = started + (int)roll(2 * KILL_EACH);
		}
	}
	show();
	CHECK_EQ_I(wrong, 0);
	CHECK_EQ_I(started, runs);
	CHECK_EQ_I(told + cancelled, runs);
	CHECK(killed > 0 && told > runs / 2);
	while (!is_calm())
		loop_turn(loop);
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	CHECK_EQ_I(descriptors(), before);
	CHECK_EQ_I((int64_t)processes(getpid(), left, 0, COUNT(left)), 0);
	return check_done();
}
