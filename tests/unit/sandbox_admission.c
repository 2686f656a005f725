/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may run: as many as fit into the memory of all, the others wait their turn, and beyond the
 * queue they are refused.  After a burst the pool is full again soon.  Figures of a run can be read
 * while it runs.
 */
#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define MIB ((size_t)1 << 20)

static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;

struct script {
	struct sandbox_run *run;
	uint32_t call; /* waits for an answer */
	bool over;
	enum sandbox_end end;
	int order;
};
static int ended;

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	struct script *s = ctx;

	(void)r, (void)handle, (void)args;
	s->call = id;
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	struct script *s = ctx;

	s->over = true;
	s->end = r->end;
	s->order = ++ended;
}

static bool
start(struct script *s, size_t memory_bytes, struct err *e)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("demo"), STR("wait") };
	const struct sandbox_script c = { .source = STR("demo.wait{}"),
		.tools = &tool,
		.tools_n = 1,
		.memory_bytes = memory_bytes };

	*s = (struct script){ 0 };
	s->run = sandbox_run(sandbox, &root, &c, &ev, s, e);
	return s->run != NULL;
}

static void
let_go(struct script *s)
{
	while (s->call == 0)
		loop_turn(loop);
	sandbox_answer(s->run, s->call, FRAME_OK, STR("1"));
	while (!s->over)
		loop_turn(loop);
	CHECK_EQ_S(sandbox_end_word(s->end), "DONE");
}

static void
test_memory(void)
{
	struct script s[4], more;
	struct err e = { .code = ERR_NONE };
	int64_t cpu_us, rss_kb;

	TEST("scripts that would not fit wait, small ones behind them too");
	CHECK(start(&s[0], 0, &e) && start(&s[1], 0, &e)); /* 64 MiB each */
	CHECK(start(&s[2], 0, &e) && start(&s[3], 32 * MIB, &e));
	while (s[0].call == 0 || s[1].call == 0)
		loop_turn(loop);
	CHECK_EQ_I(sandbox_counts(sandbox).running, 2);
	CHECK_EQ_I(sandbox_counts(sandbox).queued, 2);
	TEST("past the queue they are refused");
	CHECK(!start(&more, 0, &e));
	CHECK_EQ_S(err_word(e.code), "overloaded");
	TEST("what a running script has used can be read");
	sandbox_run_used(s[0].run, &cpu_us, &rss_kb);
	CHECK(cpu_us > 0);
	CHECK(rss_kb > 500);
	sandbox_run_used(s[2].run, &cpu_us, &rss_kb);
	CHECK_EQ_I(cpu_us, 0);
	TEST("who waited longest is next");
	let_go(&s[0]);
	let_go(&s[2]);
	CHECK(!s[3].over);
	let_go(&s[1]);
	let_go(&s[3]);
	CHECK_EQ_I(sandbox_counts(sandbox).running, 0);
}

/* Six scripts at once; in how many milliseconds the pool was full again, on average. */
static uint64_t
burst_ms(void)
{
	struct script s[6];
	struct err e = { .code = ERR_NONE };
	struct sandbox_counts before, now;

	while (sandbox_counts(sandbox).idle < 4)
		loop_turn(loop);
	before = sandbox_counts(sandbox);
	for (size_t i = 0; i < COUNT(s); i++)
		CHECK(start(&s[i], MIB, &e));
	for (size_t i = 0; i < COUNT(s); i++)
		let_go(&s[i]);
	do {
		loop_turn(loop);
		now = sandbox_counts(sandbox);
	} while (now.refills == before.refills || now.idle < 4);
	return (now.refill_ms - before.refill_ms) / (now.refills - before.refills);
}

static void
test_refill(void)
{
	uint64_t most_ms = 50, best_ms = UINT64_MAX;

#ifdef SANITIZED
	most_ms = 500;
#endif
	TEST("the pool is full again within 50 ms of a burst, unless the machine is always busy");
	for (int i = 0; i < 8 && best_ms >= most_ms; i++) {
		uint64_t ms = burst_ms();

		best_ms = ms < best_ms ? ms : best_ms;
	}
	CHECK(best_ms < most_ms);
}

int
main(void)
{
	static const struct job_type root_type = { .name = "test" };
	struct sandbox_settings set = {
		.worker = "build/sandbox-worker", .memory_total_bytes = 128 * MIB, .queue_max = 2
	};
	struct err e = { .code = ERR_NONE };

	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	if (!CHECK(sandbox != NULL))
		return check_done();
	while (sandbox_counts(sandbox).idle < 4)
		loop_turn(loop);
	test_memory();
	test_refill();
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	TEST("less for all than for one is refused");
	set.memory_total_bytes = 32 * MIB;
	CHECK(sandbox_new(loop, &set, &e) == NULL);
	CHECK(strstr(e.text, "memory_total") != NULL);
	loop_free(&loop);
	return check_done();
}
