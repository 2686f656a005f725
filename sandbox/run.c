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
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "sandbox/pool.h"

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

/* ---- the end ---- */

static void
on_impatience(void *ctx)
{
	struct sandbox_run *r = ctx;

	worker_kill(r->worker);
}

static void tell(void *ctx);

void
run_end(struct sandbox_run *r, enum sandbox_end end, struct str text)
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
	run_end(r, end, str_of(why));
	worker_kill(r->worker);
}

void
sandbox_end(struct sandbox_run *r, enum sandbox_end end, struct str why)
{
	IS(r, SANDBOX_RUN_MAGIC);
	if (!job_running(&r->job) || r->ended || r->worker == NULL)
		return;
	run_end(r, end, why);
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
			run_end(r, f.end, f.body);
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
		worker_flush(w);
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
		run_end(r, SANDBOX_CPU, buf_str(&why));
	} else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		run_end(r, SANDBOX_SECCOMP, STR("the worker tried a forbidden system call"));
	} else {
		buf_printf(&why, "the worker crashed (%s %d)",
		    WIFSIGNALED(status) ? "signal" : "exit",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		run_end(r, SANDBOX_CRASH, buf_str(&why));
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
	worker_send(w, (struct frame_head){ .type = FRAME_RUN }, buf_str(&r->start));
	buf_fini(&r->start);
}

struct sandbox_run *
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

/* It never had a worker; why is in r->text. */
void
run_tell_unstarted(struct sandbox_run *r, enum sandbox_end end)
{
	r->end = end;
	tell_done(r);
}

void
run_refuse(struct sandbox_run *r)
{
	link_drop(&r->queued);
	r->owner->counts.queued--;
	buf_printf(&r->text, "the sandbox is not available: %s", r->owner->why);
	run_tell_unstarted(r, SANDBOX_CRASH);
}

struct job *
sandbox_run_job(struct sandbox_run *r)
{
	return &r->job;
}
