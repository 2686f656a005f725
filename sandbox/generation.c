/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation - one zygote: its start, its self-test, its sweep, its end.
 *
 *	start --> HELLO --> nine probes + one script --> current --> retired (256 forks, 10 min)
 *	  |         |                |                      |            \--> gone with its last
 *worker |         |                 \-- one survived, or the script failed: unavailable, for good
 *	   \---------\-- process ended: again, later and later
 *
 * The old generation serves until the new one is ready.  What a zygote says is heard here and
 * handed to the workers (pool.c) and their runs (run.c).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/pool.h"

#define BOOT_MS        5000
#define AGAIN_MS       100
#define AGAIN_MAX_MS   10000
#define FAILURES_MAX   3     /* then runs are refused rather than queued */
#define SWEEP_FIRST_MS 10000 /* after ready */
#define SWEEP_MS       100
#define SWEEP_NUMBERS  480

static void
level_set(struct sandbox *s, enum sandbox_level level, const char *why)
{
	bool news = level != s->level;

	s->level = level;
	if (why != s->why)
		(void)snprintf(s->why, sizeof(s->why), "%s", why);
	if (!news)
		return;
	if (level == SANDBOX_UNAVAILABLE)
		log_error(NULL, "sandbox unavailable, code mode is off", F_TEXT("why", why));
	else if (level == SANDBOX_REDUCED)
		log_warn(NULL, "sandbox reduced", F_TEXT("why", why));
	else if (level == SANDBOX_FULL)
		log_info(NULL, "sandbox ready", F_TEXT("level", "full"));
	pool_pump(s);
	if (s->set.changed != NULL)
		s->set.changed(s->set.ctx, level);
}

static void
on_again(void *ctx)
{
	struct sandbox *s = ctx;

	if (s->coming == NULL)
		generation_start(s);
}

static void
generation_stop(struct job *j)
{
	struct generation *g = CONTAINER(j, struct generation, job);
	struct sandbox *s = g->owner;

	if (s->current == g)
		s->current = NULL;
	if (s->coming == g)
		s->coming = NULL;
	timer_stop(&g->deadline);
	timer_stop(&g->sweep);
	link_drop(&g->link);
	zygote_free(&g->zygote);
}

static void
generation_reap(struct job *j)
{
	free(CONTAINER(j, struct generation, job));
}

static const struct job_type generation_type = {
	.name = "sandbox generation", .stop = generation_stop, .reap = generation_reap
};

void
generation_end(struct generation *g)
{
	struct sandbox *s = g->owner;

	if (s->current == g)
		s->current = NULL;
	/* What a done event does may end other runs, but takes no worker off the list. */
	LIST_EACH(it, &g->workers) {
		struct worker *w = CONTAINER(it, struct worker, link);

		run_reaped(w, NULL);
		worker_free(&w);
	}
	job_cancel(&g->job);
}

static void
generation_retire(struct generation *g)
{
	struct sandbox *s = g->owner;

	link_push(&s->retired, &g->link);
	timer_stop(&g->deadline);
	LIST_EACH(it, &g->workers) {
		struct worker *w = CONTAINER(it, struct worker, link);

		if (!link_empty(&w->idle)) {
			worker_take(w);
			worker_kill(w);
		}
	}
	if (link_empty(&g->workers))
		zygote_kill(g->zygote);
}

static void
on_old(void *ctx)
{
	struct generation *g = ctx;

	if (g->owner->coming == NULL)
		generation_start(g->owner);
}

/* Numbers that come back from the lock, or (335, 336) never reach it in new kernels. */
static bool
is_allowed(uint32_t nr)
{
	static const uint32_t allowed[] = { SYS_read, SYS_write, SYS_brk, SYS_rt_sigreturn,
		SYS_exit_group, 335, 336 };

	for (size_t i = 0; i < COUNT(allowed); i++)
		if (allowed[i] == nr)
			return true;
	return false;
}

/* The nine probes were for a quick start; this tries every number there is, one at a time, while
 * no script runs. */
static void
on_sweep(void *ctx)
{
	struct generation *g = ctx;
	struct zygote_ask ask = { .op = ZYGOTE_PROBE };

	if (g->owner->counts.running == 0 && !g->sweeping) {
		while (is_allowed(g->sweep_next))
			g->sweep_next++;
		ask.arg = PROBE_NUMBER | g->sweep_next;
		g->sweeping = worker_spawn(g, &ask) != NULL;
		g->sweep_next += g->sweeping ? 1 : 0;
	}
	if (g->sweep_next < SWEEP_NUMBERS)
		timer_set(g->owner->loop, &g->sweep, SWEEP_MS, on_sweep, g);
}

static void
on_swept(struct generation *g, uint32_t nr, int status)
{
	char why[sizeof(g->owner->why)];

	g->sweeping = false;
	if ((WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGKILL)) ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == WORKER_EXIT_LOCK))
		return; /* died of it, or was never let at it */
	(void)snprintf(why, sizeof(why), "system call %u survived the lock", nr & ~PROBE_NUMBER);
	level_set(g->owner, SANDBOX_UNAVAILABLE, why);
	if (g->owner->current == g)
		g->owner->current = NULL;
	zygote_kill(g->zygote);
}

static void
generation_ready(struct generation *g)
{
	struct sandbox *s = g->owner;
	bool full = g->layers == LAYERS_FULL, first = !s->swept;

	s->coming = NULL;
	if (!full && s->set.require_full) {
		level_set(s, SANDBOX_UNAVAILABLE, s->why);
		zygote_kill(g->zygote);
		return;
	}
	if (s->current != NULL)
		generation_retire(s->current);
	s->current = g;
	s->failures = 0;
	timer_set(s->loop, &g->deadline, GENERATION_MS, on_old, g);
	s->swept = true;
	if (first)
		timer_set(s->loop, &g->sweep, SWEEP_FIRST_MS, on_sweep, g);
	level_set(s, full ? SANDBOX_FULL : SANDBOX_REDUCED, full ? "" : s->why);
	pool_pump(s);
}

/* One part of the self-test is in; the last one decides. */
static void
self_test_step(struct generation *g)
{
	struct sandbox *s = g->owner;
	char why[sizeof(s->why)];

	if (g->probes_open > 0 || !g->script_over || s->coming != g)
		return;
	if (g->probes_survived == 0 && g->script_ok) {
		generation_ready(g);
		return;
	}
	if (g->probes_survived == 0) { /* busy machine, perhaps: tried again by on_ended() */
		(void)snprintf(s->why, sizeof(s->why), "the self-test's script failed");
		zygote_kill(g->zygote);
		return;
	}
	if (g->probes_unlocked > 0)
		(void)snprintf(why, sizeof(why),
		    "a worker could not be locked: the kernel or a "
		    "container refuses seccomp, rlimits or timers");
	else
		(void)snprintf(why, sizeof(why), "%d of %d probes survived the lock",
		    g->probes_survived, PROBES);
	s->coming = NULL;
	level_set(s, SANDBOX_UNAVAILABLE, why);
	zygote_kill(g->zygote);
}

void
pool_self_tested(struct generation *g, bool ok)
{
	g->script_over = true;
	g->script_ok = ok;
	self_test_step(g);
}

static void
on_hello(struct generation *g, const struct zygote_say *say)
{
	struct sandbox *s = g->owner;
	struct zygote_ask ask = { .op = ZYGOTE_PROBE };
	struct worker *w;

	g->layers = say->layers;
	(void)snprintf(s->why, sizeof(s->why), "%s", say->why);
	if ((g->layers & LAYER_UID) == 0)
		return; /* it has refused to serve and ends by itself */
	for (ask.arg = 0; ask.arg < PROBES; ask.arg++) {
		if (worker_spawn(g, &ask) != NULL)
			g->probes_open++;
		else
			g->probes_survived++;
	}
	ask = (struct zygote_ask){ .op = ZYGOTE_SPAWN };
	w = worker_spawn(g, &ask);
	if (w == NULL)
		zygote_kill(g->zygote);
	else
		run_start(run_self_test(g), w);
}

static void
on_reaped(struct generation *g, const struct zygote_say *say)
{
	struct worker *w = worker_find(g, say->serial);
	struct sandbox *s = g->owner;

	if (w == NULL)
		return;
	if (w->sweep != 0) {
		uint32_t nr = w->sweep;

		worker_free(&w);
		on_swept(g, nr, say->status);
		return;
	}
	if (w->probe) {
		g->probes_open--;
		if (!WIFSIGNALED(say->status) || WTERMSIG(say->status) != SIGSYS)
			g->probes_survived++;
		if (WIFEXITED(say->status) && WEXITSTATUS(say->status) == WORKER_EXIT_LOCK)
			g->probes_unlocked++;
		worker_free(&w);
		self_test_step(g);
		return;
	}
	if (w->run == NULL && !w->kill_wanted)
		log_warn(NULL, "idle sandbox worker ended", F_INT("status", say->status));
	link_drop(&w->link); /* whatever the run's owner does now, this worker is over */
	s->counts.reaped++;
	s->counts.cpu_us += (uint64_t)(say->utime_us + say->stime_us);
	run_reaped(w, say);
	worker_free(&w);
	if (s->current != g && s->coming != g && link_empty(&g->workers))
		zygote_kill(g->zygote);
	pool_pump(s);
}

static void
on_said(void *ctx, const struct zygote_say *say, int fd)
{
	struct generation *g = ctx;
	struct worker *w;

	if (say->op == ZYGOTE_HELLO) {
		on_hello(g, say);
	} else if (say->op == ZYGOTE_SPAWNED) {
		w = worker_find(g, say->serial);
		if (w != NULL && w->pidfd < 0 && fd >= 0) {
			worker_has_pidfd(w, fd);
			fd = -1;
		}
	} else if (say->op == ZYGOTE_REAPED) {
		on_reaped(g, say);
	}
	if (fd >= 0)
		close(fd);
}

static void
start_again_later(struct sandbox *s, const char *why)
{
	int64_t delay_ms = (int64_t)AGAIN_MS << (s->failures < 8 ? s->failures : 8);

	s->failures++;
	if (s->failures >= FAILURES_MAX)
		level_set(s, SANDBOX_UNAVAILABLE, why);
	else if (s->level != SANDBOX_UNAVAILABLE)
		level_set(s, SANDBOX_STARTING, why);
	timer_set(
	    s->loop, &s->again, delay_ms < AGAIN_MAX_MS ? delay_ms : AGAIN_MAX_MS, on_again, s);
}

static void
on_ended(void *ctx, int status)
{
	struct generation *g = ctx;
	struct sandbox *s = g->owner;
	bool wanted = s->current == g || s->coming == g;
	char why[sizeof(s->why)];

	if (wanted && s->why[0] != '\0')
		(void)snprintf(why, sizeof(why), "%s", s->why);
	else
		(void)snprintf(why, sizeof(why), "the sandbox process ended (%s %d)",
		    WIFSIGNALED(status) ? "signal" : "exit",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	generation_end(g);
	if (wanted && s->current == NULL && s->coming == NULL)
		start_again_later(s, why);
}

static void
on_boot_deadline(void *ctx)
{
	struct generation *g = ctx;

	(void)snprintf(
	    g->owner->why, sizeof(g->owner->why), "the self-test took over %d ms", BOOT_MS);
	zygote_kill(g->zygote);
}

bool
generation_try(struct sandbox *s, struct err *e)
{
	static const struct zygote_events ev = { .said = on_said, .ended = on_ended };
	char memory[24], cpu[24];
	char strict[] = "strict";
	char *const argv[] = { s->worker_path, memory, cpu, s->set.strict ? strict : NULL, NULL };
	struct generation *g = mem_zalloc(sizeof(*g));

	(void)snprintf(memory, sizeof(memory), "%zu", s->set.memory_bytes);
	(void)snprintf(cpu, sizeof(cpu), "%d", s->set.cpu_ms);
	g->owner = s;
	link_init(&g->link);
	link_init(&g->workers);
	g->zygote = zygote_start(s->loop, argv, &ev, g, e);
	if (g->zygote == NULL) {
		free(g);
		return false;
	}
	job_init(&g->job, &generation_type, NULL, NULL, NULL);
	timer_set(s->loop, &g->deadline, BOOT_MS, on_boot_deadline, g);
	s->coming = g;
	return true;
}

void
generation_start(struct sandbox *s)
{
	struct err e = { .code = ERR_NONE };

	if (!generation_try(s, &e) && s->current == NULL)
		start_again_later(s, e.text);
}
