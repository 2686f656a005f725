/* SPDX-License-Identifier: Apache-2.0 */
/* pool - the real pool on a loop, and runs on it. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/sandbox/bench.h"

const char source[] = "local n = 0 for i = 1, 100 do n = n + i end return n";

const char spin[] = "while true do end";

bool strict;
struct loop *loop;
struct sandbox *sandbox;
static struct job root;

static void
on_call(void *ctx, struct sandbox_run *w, uint32_t id, uint32_t handle, struct str args)
{
	struct run *r = ctx;
	int64_t now = now_ns();

	(void)handle;
	if (r->answered_ns > 0)
		sample(r->calls, now - r->answered_ns);
	r->answered_ns = now_ns();
	sandbox_answer(w, id, FRAME_OK, args);
}

static void
on_done(void *ctx, const struct sandbox_result *res)
{
	struct run *r = ctx;

	if (r->spins && res->end == SANDBOX_CPU) {
		start(r, spin, NULL, 0);
		return;
	}
	if (res->end != SANDBOX_DONE) {
		(void)fprintf(stderr, "bench: %s: %.*s\n", sandbox_end_word(res->end),
		    (int)res->message.n, res->message.p);
		exit(2);
	}
	r->ended_ns = now_ns();
	r->cpu_us = res->cpu_us;
	r->over = true;
}

static const struct sandbox_events events = { .call = on_call, .done = on_done };

void
start(struct run *r, const char *text, const struct sandbox_tool *tools, size_t n)
{
	const struct sandbox_script s = {
		.source = str_of(text), .tools = tools, .tools_n = n, .seed = { 1, 2 }
	};
	struct err e = { .code = ERR_NONE };

	r->over = false;
	r->from_ns = now_ns();
	if (sandbox_run(sandbox, &root, &s, &events, r, &e) == NULL)
		die(e.text);
}

void
wait_for(const struct run *r)
{
	while (!r->over)
		loop_turn(loop);
}

static void
nothing(void *ctx)
{
	(void)ctx;
}

/* Until the idle workers are there and have warmed up.  The core is lent to them only: a neighbour
 * that gets it leaves cold caches, and (under a hypervisor) cold page tables. */
void
settle(int idle)
{
	static struct deferred no_wait;
	int64_t until = 0;

	while (until == 0 || now_ns() < until) {
		const struct sandbox_counts c = sandbox_counts(sandbox);

		loop_defer(loop, &no_wait, nothing, NULL);
		loop_turn(loop);
		(void)sched_yield();
		if (until == 0 && c.idle >= idle && c.running == 0)
			until = now_ns() + SETTLE_NS;
	}
	deferred_drop(&no_wait);
}

void
open_pool(int idle, int cpu_ms)
{
	static const struct job_type type = { .name = "bench" };
	struct sandbox_settings set = { .worker = "build/sandbox-worker",
		.idle = idle,
		.cpu_ms = cpu_ms,
		.calls_max = CALLS + 10,
		.strict = strict,
		.wall_ms = 600000 };
	struct err e = { .code = ERR_NONE };

	loop = loop_new(&e);
	sandbox = loop == NULL ? NULL : sandbox_new(loop, &set, &e);
	if (sandbox == NULL)
		die(e.text);
	job_init(&root, &type, NULL, NULL, NULL);
	while (sandbox_level(sandbox) == SANDBOX_STARTING)
		loop_turn(loop);
	if (sandbox_level(sandbox) == SANDBOX_UNAVAILABLE)
		die(sandbox_why(sandbox));
}

void
close_pool(void)
{
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
}

void
use_core(bool one, const cpu_set_t *all)
{
	cpu_set_t mine;

	CPU_ZERO(&mine);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, all))
			CPU_SET(i, &mine); /* the last one counts */
	for (int i = 0; one && i < CPU_SETSIZE && CPU_COUNT(&mine) > 1; i++)
		CPU_CLR(i, &mine);
	(void)sched_setaffinity(0, sizeof(mine), one ? &mine : all);
}
