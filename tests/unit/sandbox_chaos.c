/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thousand runs of every kind at once, cancelled at random moments, with the zygote killed now
 * and then: every run that was not cancelled is told exactly once, a victim among them ends as it
 * should, and afterwards there are as many descriptors as before.
 */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define RUNS    1000
#define AT_ONCE 24
#define KILLS   5

struct slot {
	struct sandbox_run *run; /* NULL: free */
	const char *source;
	bool good;
	int cancel_in; /* turns; -1: never */
};
static struct slot slots[AT_ONCE];
static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;
static int started, told, cancelled, crashed, wrong;
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
	(void)ctx, (void)handle;
	if (roll(50) > 0)
		sandbox_answer(r, id, FRAME_OK, args);
	else
		sandbox_answer(r, id, FRAME_ERROR, STR("{\"code\":\"denied\",\"message\":\"no\"}"));
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	struct slot *s = ctx;

	if (s->run == NULL)
		wrong++; /* told twice, or after it was cancelled */
	if (r->end == SANDBOX_CRASH)
		crashed++;
	else if (s->good && (r->end != SANDBOX_DONE || !str_eq(r->value, STR("5050"))))
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
	};
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("demo"), STR("echo") };
	unsigned pick = roll(3) > 0 ? roll(2) : roll(COUNT(sources));
	const struct sandbox_script script = {
		.source = str_of(sources[pick]), .tools = &tool, .tools_n = 1, .wall_ms = 60000
	};
	struct err e = { .code = ERR_NONE };

	s->good = pick < 2;
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

static void
kill_zygote(void)
{
	char path[80], line[80] = "";
	FILE *f;
	long pid = 0;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "r");
	if (f != NULL && fgets(line, sizeof(line), f) != NULL)
		pid = strtol(line, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	if (pid > 1)
		(void)kill((pid_t)pid, SIGKILL);
}

static void
one_turn(void)
{
	for (size_t i = 0; i < AT_ONCE; i++) {
		struct slot *s = &slots[i];

		if (s->run == NULL && started < RUNS)
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

int
main(void)
{
	static const struct job_type root_type = { .name = "test" };
	struct sandbox_settings set = { .worker = "build/sandbox-worker", .cpu_ms = 30 };
	struct err e = { .code = ERR_NONE };
	int before = descriptors(), killed = 0;

	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	TEST("a thousand runs, cancels and killed zygotes");
	if (!CHECK(sandbox != NULL))
		return check_done();
	while (told + cancelled < RUNS) {
		one_turn();
		if (killed < KILLS && started > (killed + 1) * RUNS / (KILLS + 1) &&
		    sandbox_level(sandbox) >= SANDBOX_REDUCED) {
			kill_zygote();
			killed++;
		}
	}
	printf(
	    "%d told, %d of them crashed with a zygote, %d cancelled\n", told, crashed, cancelled);
	CHECK_EQ_I(wrong, 0);
	CHECK_EQ_I(started, RUNS);
	CHECK_EQ_I(told + cancelled, RUNS);
	CHECK(crashed <= KILLS * 16);
	while (!is_calm())
		loop_turn(loop);
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	CHECK_EQ_I(descriptors(), before);
	return check_done();
}
