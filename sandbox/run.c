/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - one script on one worker, seen from the gateway.
 *
 *	sandbox_run --> QUEUED --run_start--> RUNNING --last frame, violation, wall--> ENDED
 *	                                         |                                       |
 *	                              EOF, crash |   figures read from the kernel, worker killed
 *	                                         v                                       v
 *	                                    run_reaped (the zygote's figures) ------> tell_done
 *
 * What a run is charged is the kernel's figure.  It is read while the worker still exists: one that
 * has sent its last frame does not exit but waits to be killed.  So the answer waits neither for an
 * exit nor for the zygote, and nothing can be done after the end that is not paid.  Only when there
 * is nothing to read (a crash, no /proc) does the end wait for the reaping.
 *
 * A run that is over leaves its worker to its generation's list, where it stays until it is reaped.
 *
 * Any callback may cancel this run, so after each of them `w->run` is looked at again.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/json.h"
#include "base/log.h"
#include "sandbox/pool.h"

#define ANSWER_MAX   ((size_t)4 << 20)         /* one result, bytes of JSON */
#define CPU_SLACK_MS (2 * WORKER_CPU_GRACE_MS) /* over the limit: it does not end itself */
#define CPU_LOOK_MS  ((int64_t)10)
#define PATIENCE_MS  ((int64_t)500) /* from EOF to the reaping, then it is killed */

static void
run_free(struct job *j)
{
	struct sandbox_run *r = CONTAINER(j, struct sandbox_run, job);

	buf_fini(&r->start);
	buf_fini(&r->text);
	buf_fini(&r->log);
	buf_fini(&r->state);
	r->magic = 0;
	free(r);
}

/* The kernel's figures as they are now; false: nothing to be read any more. */
static bool
measure(struct sandbox_run *r)
{
	struct meter_reading now;

	if (!r->measured && meter_read(&r->worker->meter, &now)) {
		r->cpu_us = now.cpu_us - r->worker->base_us;
		r->maxrss_kb = now.rss_kb;
		r->measured = true;
	}
	return r->measured;
}

/* The run needs its worker no more, and nobody else ever will. */
static void
leave_worker(struct sandbox_run *r)
{
	struct worker *w = r->worker;

	r->worker = NULL;
	w->run = NULL;
	worker_kill(w);
	r->owner->counts.running--;
	r->owner->memory_bytes -= r->memory_bytes;
}

static void
run_stop(struct job *j)
{
	struct sandbox_run *r = CONTAINER(j, struct sandbox_run, job);
	struct sandbox *s = r->owner;

	timer_stop(&r->timer);
	timer_stop(&r->cpu);
	deferred_drop(&r->refuse);
	deferred_drop(&r->tell);
	if (r->queued.next != NULL && !link_empty(&r->queued)) {
		link_drop(&r->queued);
		s->counts.queued--;
	}
	if (r->worker != NULL) { /* cancelled while it ran */
		struct worker *w = r->worker;

		measure(r);
		leave_worker(r);
		worker_hang_up(w);
	}
	if (j->state == JOB_CANCELLED && !r->self_test && !r->told)
		s->counts.ends[SANDBOX_CANCELLED]++;
	pool_pump(s);
}

static const struct job_type run_type = { .name = "script", .stop = run_stop, .reap = run_free };

/* ---- towards the worker ---- */

static void end_run(struct sandbox_run *r, enum sandbox_end end, struct str text);

static void
flush(struct worker *w)
{
	while (w->out_at < w->out.n) {
		ssize_t n = send(w->sock, w->out.p + w->out_at, w->out.n - w->out_at,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) { /* it is gone: EOF and the reaping tell the rest */
			w->out_at = w->out.n;
			break;
		}
		w->out_at += (size_t)n;
	}
	if (w->out_at == w->out.n) {
		buf_reset(&w->out);
		w->out_at = 0;
	}
	watch_set(w->watch, WATCH_READ | (w->out.n > 0 ? WATCH_WRITE : 0));
}

static void
send_frame(struct worker *w, struct frame_head h, struct str body)
{
	unsigned char head[FRAME_HEAD_BYTES];

	h.body_bytes = (uint32_t)body.n;
	frame_write_head(head, h);
	buf_put(&w->out, (struct str){ (const char *)head, sizeof(head) });
	buf_put(&w->out, body);
	if (buf_ok(&w->out))
		flush(w);
	else if (w->run != NULL && !w->run->ended)
		end_run(w->run, SANDBOX_PROTO, STR("the worker does not read its answers"));
}

void
sandbox_answer(struct sandbox_run *r, uint32_t id, int flags, struct str json)
{
	char text[120];
	struct buf b;

	IS(r, SANDBOX_RUN_MAGIC);
	if (!job_running(&r->job) || r->ended || r->worker == NULL ||
	    !reader_answered(&r->worker->reader, id))
		return;
	if (json.n <= ANSWER_MAX) {
		send_frame(r->worker,
		    (struct frame_head){ .type = FRAME_RESULT,
			.flags = flags == FRAME_OK ? FRAME_OK : FRAME_ERROR,
			.id = id },
		    json);
		return;
	}
	buf_init(&b, sizeof(text));
	buf_printf(&b,
	    "{\"code\":\"upstream\",\"message\":\"the result has %zu bytes, a script can "
	    "take %zu\"}",
	    json.n, ANSWER_MAX);
	ASSERT(buf_ok(&b));
	send_frame(r->worker,
	    (struct frame_head){ .type = FRAME_RESULT, .flags = FRAME_ERROR, .id = id },
	    buf_str(&b));
	buf_fini(&b);
}

/* ---- the end ---- */

static void
on_impatience(void *ctx)
{
	struct sandbox_run *r = ctx;

	worker_kill(r->worker);
}

static void tell(void *ctx);

/* Fixes how it ended.  The done event comes at the end of this turn, or with the reaping. */
static void
end_run(struct sandbox_run *r, enum sandbox_end end, struct str text)
{
	r->ended = true;
	r->end = end;
	timer_stop(&r->cpu);
	timer_stop(&r->timer);
	buf_reset(&r->text);
	buf_put(&r->text, text);
	if (measure(r))
		loop_defer(r->owner->loop, &r->tell, tell, r);
	else
		worker_kill(r->worker);
}

static void
kill_run(struct sandbox_run *r, enum sandbox_end end, const char *why)
{
	end_run(r, end, str_of(why));
	worker_kill(r->worker);
}

void
sandbox_end(struct sandbox_run *r, enum sandbox_end end, struct str why)
{
	IS(r, SANDBOX_RUN_MAGIC);
	if (!job_running(&r->job) || r->ended || r->worker == NULL)
		return;
	end_run(r, end, why);
	worker_kill(r->worker);
}

static void
on_wall(void *ctx)
{
	struct sandbox_run *r = ctx;
	struct buf why;

	buf_init(&why, 100);
	buf_printf(&why, "the time limit of %d ms is over", r->wall_ms);
	kill_run(r, SANDBOX_WALL, buf_cstr(&why));
	buf_fini(&why);
}

/* The worker ends itself at its limit and says in which line.  One that has been taken over does
 * not, so the kernel is asked; never more often than the worker could have used up what is left. */
static void
on_cpu(void *ctx)
{
	struct sandbox_run *r = ctx;
	int64_t left_ms, used_us = meter_cpu_us(&r->worker->meter) - r->worker->base_us;
	struct buf why;

	left_ms = r->cpu_ms + CPU_SLACK_MS - used_us / 1000;
	if (left_ms > 0) {
		timer_set(r->owner->loop, &r->cpu, left_ms < CPU_LOOK_MS ? CPU_LOOK_MS : left_ms,
		    on_cpu, r);
		return;
	}
	buf_init(&why, 100);
	buf_printf(&why, "CPU limit exceeded (%d ms)", r->cpu_ms);
	kill_run(r, SANDBOX_CPU, buf_cstr(&why));
	buf_fini(&why);
}

void
sandbox_call_place(const struct sandbox_run *r, uint32_t *fan, uint32_t *branch)
{
	IS(r, SANDBOX_RUN_MAGIC);
	*fan = r->worker != NULL ? r->worker->reader.fan : 0;
	*branch = r->worker != NULL ? r->worker->reader.branch : 0;
}

void
sandbox_run_rest(struct sandbox_run *r, bool rest)
{
	struct loop *l = r->owner->loop;

	IS(r, SANDBOX_RUN_MAGIC);
	if (!job_running(&r->job) || r->ended || r->worker == NULL)
		return;
	ASSERT(rest || r->resting > 0);
	if (rest && r->resting++ == 0) {
		r->left_ms = r->timer.due_ms - loop_mono_ms(l);
		timer_stop(&r->timer);
	} else if (!rest && --r->resting == 0) {
		timer_set(l, &r->timer, r->left_ms > 0 ? r->left_ms : 0, on_wall, r);
	}
}

void
sandbox_run_used(const struct sandbox_run *r, int64_t *cpu_us, int64_t *maxrss_kb)
{
	struct meter_reading now;

	IS(r, SANDBOX_RUN_MAGIC);
	*cpu_us = r->cpu_us;
	*maxrss_kb = r->maxrss_kb;
	if (r->worker != NULL && !r->measured && meter_read(&r->worker->meter, &now)) {
		*cpu_us = now.cpu_us - r->worker->base_us;
		*maxrss_kb = now.rss_kb;
	}
}

static void
tell_done(struct sandbox_run *r)
{
	struct sandbox_result result = { .end = r->end,
		.value = r->has_value ? buf_str(&r->text) : STR_NONE,
		.message = r->end == SANDBOX_DONE ? STR("") : buf_str(&r->text),
		.log = buf_str(&r->log),
		.state = r->end == SANDBOX_DONE && r->state.n > 0 ? buf_str(&r->state) : STR_NONE,
		.cpu_us = r->cpu_us,
		.maxrss_kb = r->maxrss_kb,
		.calls = r->calls };

	if (!r->self_test)
		r->owner->counts.ends[r->end]++;
	if (r->end == SANDBOX_SECCOMP || r->end == SANDBOX_CRASH || r->end == SANDBOX_PROTO)
		log_warn(
		    &r->job, "script broke its worker", F_TEXT("end", sandbox_end_word(r->end)));
	r->told = true;
	r->ev->done(r->ctx, &result);
	if (job_running(&r->job))
		job_finish(&r->job, NULL);
}

/* Its worker is done with, one way or the other. */
static void
tell(void *ctx)
{
	struct sandbox_run *r = ctx;

	struct worker *w = r->worker;

	timer_stop(&r->timer);
	deferred_drop(&r->tell);
	leave_worker(r);
	tell_done(r);
	worker_hang_up(w); /* the event has taken no worker off its list */
}

/* ---- from the worker ---- */

/* A run that ended from our side (wall clock, a kill) hears nothing more from its worker. */
static bool
is_deaf(const struct worker *w)
{
	return w->run == NULL || (w->run->ended && !w->reader.ended);
}

/* False: stop reading from this worker. */
static bool
take_frames(struct worker *w, bool alive)
{
	struct reader_frame f;

	while (!is_deaf(w)) {
		struct sandbox_run *r = w->run;

		switch (reader_next(&w->reader, &f)) {
		case READER_WAIT:
			return true;
		case READER_CALL:
			if (!alive)
				break; /* nobody is left to get the answer */
			r->calls++;
			r->ev->call(r->ctx, r, f.head.id,
			    f.head.handle | (f.head.flags == FRAME_BY_REF ? SANDBOX_BY_REF : 0),
			    f.body);
			break;
		case READER_LOG:
			buf_put(&r->log, f.body);
			if (r->ev->log != NULL)
				r->ev->log(r->ctx, f.body);
			break;
		case READER_STATE:
			buf_put(&r->state, f.body);
			break;
		case READER_END:
			end_run(r, f.end, f.body);
			r->has_value = f.end == SANDBOX_DONE && f.body.n > 0;
			break;
		case READER_BAD:
			r->has_value = false;
			kill_run(r, f.end, f.why);
			return false;
		}
	}
	return false;
}

/* Reads what is there.  False: nothing will follow. */
static bool
drain(struct worker *w, bool alive)
{
	char piece[READER_PIECE_MAX];

	for (int i = 0; i < (alive ? 4 : 64); i++) {
		ssize_t n = recv(w->sock, piece, sizeof(piece), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		reader_feed(&w->reader, (struct str){ piece, (size_t)n });
		if (!take_frames(w, alive))
			return false;
		if (alive && (size_t)n < sizeof(piece)) /* that was all, for now */
			return true;
	}
	return true;
}

void
run_on_socket(void *worker, int events)
{
	struct worker *w = worker;

	if (w->run == NULL) { /* an idle worker has nothing to say: it has ended */
		watch_set(w->watch, 0);
		return;
	}
	if ((events & WATCH_WRITE) != 0 && w->out.n > 0)
		flush(w);
	if ((events & WATCH_READ) == 0 || drain(w, true))
		return;
	watch_set(w->watch, 0);
	if (w->run != NULL && !w->run->ended) /* EOF and no end: it is dead or soon will be */
		timer_set(w->run->owner->loop, &w->run->timer, PATIENCE_MS, on_impatience, w->run);
}

/* What a worker that said nothing at its end died of. */
static void
classify(struct sandbox_run *r, const struct zygote_say *say)
{
	int64_t limit_us = (int64_t)r->cpu_ms * 1000;
	int status = say != NULL ? say->status : SIGKILL;
	bool cpu = (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_CPU) ||
		   (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) ||
		   (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && r->cpu_us > limit_us);
	struct buf why;

	buf_init(&why, 200);
	if (cpu) {
		buf_printf(&why, "CPU limit exceeded (%d ms) inside a library function", r->cpu_ms);
		end_run(r, SANDBOX_CPU, buf_str(&why));
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		end_run(r, SANDBOX_SECCOMP, STR("the worker tried a forbidden system call"));
	} else {
		buf_printf(&why, "the worker crashed (%s %d)",
		    WIFSIGNALED(status) ? "signal" : "exit",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		end_run(r, SANDBOX_CRASH, buf_str(&why));
	}
	buf_fini(&why);
}

void
run_reaped(struct worker *w, const struct zygote_say *say)
{
	struct sandbox_run *r = w->run;

	if (r == NULL)
		return;
	(void)drain(w, false); /* its last frames may still lie in the socket */
	if (w->run == NULL)
		return;
	if (!r->measured && say != NULL) {
		r->cpu_us = say->utime_us + say->stime_us - w->base_us;
		r->maxrss_kb = say->maxrss_kb;
	}
	r->measured = true; /* there will be no better figure */
	if (!r->ended)
		classify(r, say);
	tell(r);
}

/* ---- the start ---- */

void
run_start(struct sandbox_run *r, struct worker *w)
{
	struct sandbox *s = r->owner;

	w->base_us = meter_cpu_us(&w->meter);
	r->worker = w;
	w->run = r;
	s->counts.running++;
	s->memory_bytes += r->memory_bytes;
	reader_init(&w->reader, (struct reader_limits){ .calls_max = r->calls_max,
				    .in_flight_max = s->set.in_flight_max,
				    .handles = r->tools_n,
				    .state = r->has_state });
	timer_set(s->loop, &r->timer, r->wall_ms, on_wall, r);
	timer_set(s->loop, &r->cpu, r->cpu_ms + CPU_SLACK_MS, on_cpu, r);
	send_frame(w, (struct frame_head){ .type = FRAME_RUN }, buf_str(&r->start));
	buf_fini(&r->start);
}

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

static struct sandbox_run *
run_new(struct sandbox *s, struct job *parent, const struct sandbox_events *ev, void *ctx)
{
	struct sandbox_run *r = mem_zalloc(sizeof(*r));

	job_init(&r->job, &run_type, parent, NULL, NULL);
	r->magic = SANDBOX_RUN_MAGIC;
	r->owner = s;
	r->ev = ev;
	r->ctx = ctx;
	link_init(&r->queued);
	buf_init(&r->start, FRAME_DOWN_MAX);
	buf_init(&r->text, FRAME_VALUE_MAX);
	buf_init(&r->log, FRAME_LOG_MAX);
	buf_init(&r->state, FRAME_STATE_MAX);
	return r;
}

void
run_refuse(struct sandbox_run *r)
{
	link_drop(&r->queued);
	r->owner->counts.queued--;
	r->end = SANDBOX_CRASH;
	buf_printf(&r->text, "the sandbox is not available: %s", r->owner->why);
	tell_done(r);
}

static void
refuse_source(void *ctx)
{
	struct sandbox_run *r = ctx;

	r->end = SANDBOX_COMPILE;
	buf_printf(&r->text, "the script is too large (limit %u bytes)", FRAME_SOURCE_MAX);
	tell_done(r);
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

struct job *
sandbox_run_job(struct sandbox_run *r)
{
	return &r->job;
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
