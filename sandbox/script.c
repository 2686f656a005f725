/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script - what a run is given: its ceilings and the body of RUN, written when it is asked for,
 * since the caller's texts are only lent.  From then on it is a run (run.c), queued or on a worker.
 *
 * The self-test of a zygote is a script like any other, but that it needs no pool to be ready.
 */
#include <string.h>

#include "base/crypto.h"
#include "sandbox/pool.h"

/* What is less than the setting counts. */
static void
take_ceilings(struct sandbox_run *r, const struct sandbox_script *c)
{
	const struct sandbox_settings *set = &r->owner->set;

	r->wall_ms = c->wall_ms > 0 ? c->wall_ms : set->wall_ms;
	r->cpu_ms = c->cpu_ms > 0 && c->cpu_ms < set->cpu_ms ? c->cpu_ms : set->cpu_ms;
	r->memory_bytes = set->memory_bytes;
	if (c->memory_bytes > 0 && c->memory_bytes < set->memory_bytes)
		r->memory_bytes =
		    c->memory_bytes > SANDBOX_MEMORY_MIN ? c->memory_bytes : SANDBOX_MEMORY_MIN;
	r->cpu_ms = (r->cpu_ms + WORKER_CPU_TICK_MS - 1) / WORKER_CPU_TICK_MS * WORKER_CPU_TICK_MS;
	r->calls_max =
	    c->calls_max > 0 && c->calls_max < set->calls_max ? c->calls_max : set->calls_max;
	r->calls_max += c->calls_done;
}

static bool
put_start(struct sandbox_run *r, const struct sandbox_script *c, struct err *e)
{
	const struct sandbox_settings *set = &r->owner->set;
	struct frame_run head = { .calls_max = r->calls_max,
		.memory_bytes = r->memory_bytes,
		.cpu_ticks = (uint32_t)(r->cpu_ms / WORKER_CPU_TICK_MS),
		.in_flight_max = set->in_flight_max,
		.branches_max = set->branches_max,
		.tools_n = (uint32_t)c->tools_n,
		.source_bytes = (uint32_t)c->source.n,
		.seed = { c->seed[0], c->seed[1] },
		.time_s = c->time_s };

	if (c->tools_n > FRAME_TOOLS_MAX)
		return err_set(e, ERR_INVALID, "a script can be given %u tools, not %zu",
		    FRAME_TOOLS_MAX, c->tools_n);
	if (head.time_s == 0)
		head.time_s = loop_wall_ns(r->owner->loop) / 1000000000;
	if (head.seed[0] == 0 && head.seed[1] == 0)
		crypto_random(head.seed, sizeof(head.seed));
	buf_put(&r->start, (struct str){ (const char *)&head, sizeof(head) });
	for (size_t i = 0; i < c->tools_n; i++) {
		const struct str part[2] = { c->tools[i].server, c->tools[i].name };

		for (int k = 0; k < 2; k++) {
			if (part[k].n == 0 || part[k].n > FRAME_NAME_MAX)
				return err_set(e, ERR_INVALID, "tool %zu has a name of %zu bytes",
				    i, part[k].n);
			buf_putc(&r->start, (char)part[k].n);
			buf_put(&r->start, part[k]);
		}
	}
	head.tools_bytes = (uint32_t)(r->start.n - sizeof(head));
	buf_put(&r->start, c->source);
	ASSERT(c->state.n <= SANDBOX_STATE_MAX);
	r->has_state = c->state.p != NULL;
	head.state_bytes = (uint32_t)c->state.n;
	head.last_bytes = (uint32_t)c->last.n;
	buf_put(&r->start, c->state);
	buf_put(&r->start, c->last);
	head.snippets_bytes = (uint32_t)r->start.n;
	if (!snippets_put(&r->start, c, e))
		return false;
	head.snippets_bytes = (uint32_t)r->start.n - head.snippets_bytes;
	if (!buf_ok(&r->start))
		return err_set(e, ERR_INVALID, "the tool table is too large");
	memcpy(r->start.p, &head, sizeof(head));
	return true;
}

static void
refuse_source(void *ctx)
{
	struct sandbox_run *r = ctx;

	buf_printf(&r->text, "the script is too large (limit %u bytes)", FRAME_SOURCE_MAX);
	run_tell_unstarted(r, SANDBOX_COMPILE);
}

struct sandbox_run *
sandbox_run(struct sandbox *s, struct job *parent, const struct sandbox_script *script,
    const struct sandbox_events *ev, void *ctx, struct err *e)
{
	struct sandbox_run *r;

	IS(s, SANDBOX_MAGIC);
	if (s->level == SANDBOX_UNAVAILABLE) {
		(void)err_set(e, ERR_UNCONFIGURED, "the sandbox is not available: %s", s->why);
		return NULL;
	}
	if (s->counts.queued >= s->set.queue_max) {
		(void)err_set(e, ERR_OVERLOAD, "%d scripts run and %d wait already",
		    s->counts.running, s->counts.queued);
		return NULL;
	}
	r = run_new(s, parent, ev, ctx);
	r->tools_n = (uint32_t)script->tools_n;
	take_ceilings(r, script);
	if (script->source.n > FRAME_SOURCE_MAX) {
		loop_defer(s->loop, &r->refuse, refuse_source, r);
		return r;
	}
	if (!put_start(r, script, e)) {
		job_cancel(&r->job);
		return NULL;
	}
	pool_enter(s, r);
	return r;
}

/* ---- the self-test's script ---- */

static void
self_test_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx;
	(void)handle;
	(void)args;
	sandbox_answer(r, id, FRAME_OK, STR("[6,7]"));
}

static void
self_test_done(void *ctx, const struct sandbox_result *result)
{
	pool_self_tested(ctx, result->end == SANDBOX_DONE && str_eq(result->value, STR("42")));
}

struct sandbox_run *
run_self_test(struct generation *g)
{
	static const struct sandbox_events ev = { .call = self_test_call, .done = self_test_done };
	static const struct sandbox_tool tool = { STR("self"), STR("test") };
	const struct sandbox_script script = { .source =
						   STR("local t = self.test{} return t[1]*t[2]"),
		.tools = &tool,
		.tools_n = 1,
		.seed = { 1, 1 },
		.time_s = 1 };
	struct sandbox_run *r = run_new(g->owner, &g->job, &ev, g);
	struct err e = { .code = ERR_NONE };

	r->self_test = true;
	r->tools_n = 1;
	take_ceilings(r, &script);
	if (!put_start(r, &script, &e))
		UNREACHABLE();
	return r;
}
