/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - zygotes and the workers they fork; the contract is in sandbox.h.
 *
 *	start --> HELLO --> nine probes + one script --> current --> retired (256 forks, 10 min)
 *	  |         |                |                      |            \--> gone with its last
 *worker |         |                 \-- one survived, or the script failed: unavailable, for good
 *	   \---------\-- process ended: again, later and later
 *
 * A worker is spawned with its socket before it exists, so a run can be written to it at once; idle
 * ones have locked and warmed themselves when a script comes.  A worker leaves its generation's
 * list only when the zygote has reaped it, or has itself ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/pool.h"

#define BOOT_MS        5000
#define AGAIN_MS       100
#define AGAIN_MAX_MS   10000
#define FAILURES_MAX   3 /* then runs are refused rather than queued */
#define OUT_MAX        ((size_t)48 << 20)
#define SWEEP_FIRST_MS 10000 /* after ready */
#define SWEEP_MS       100
#define SWEEP_NUMBERS  480
#define WORKERS_MAX    96 /* the zygote has room for 128: killed ones and probes come on top */

static void generation_start(struct sandbox *s);

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

/* ---- workers ---- */

void
worker_free(struct worker **pw)
{
	struct worker *w = *pw;

	*pw = NULL;
	link_drop(&w->link);
	if (!link_empty(&w->idle)) {
		link_drop(&w->idle);
		w->gen->owner->counts.idle--;
	}
	watch_free(&w->watch);
	close(w->sock);
	if (w->pidfd >= 0)
		close(w->pidfd);
	reader_fini(&w->reader);
	buf_fini(&w->out);
	free(w);
}

void
worker_kill(struct worker *w)
{
	w->kill_wanted = true; /* should it not have a pidfd yet, it dies when that comes */
	if (w->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

struct worker *
worker_spawn(struct generation *g, const struct zygote_ask *ask)
{
	struct zygote_ask numbered = *ask;
	struct worker *w;
	int ends[2];
	bool asked;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return NULL;
	numbered.serial = ++g->last_serial;
	asked = zygote_ask(g->zygote, numbered, ends[1]);
	close(ends[1]);
	if (!asked || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
		close(ends[0]);
		return NULL;
	}
	w = mem_zalloc(sizeof(*w));
	w->gen = g;
	w->serial = numbered.serial;
	w->sock = ends[0];
	w->pidfd = -1;
	w->probe = ask->op == ZYGOTE_PROBE;
	w->sweep = w->probe ? ask->arg & PROBE_NUMBER : 0;
	if (w->sweep != 0)
		w->sweep = ask->arg;
	g->forks += w->probe ? 0 : 1;
	w->watch = watch_new(g->owner->loop, w->sock, run_on_socket, w);
	buf_init(&w->out, OUT_MAX);
	link_init(&w->idle);
	link_push(&g->workers, &w->link);
	return w;
}

static struct worker *
worker_find(struct generation *g, uint32_t serial)
{
	LIST_EACH(it, &g->workers) {
		struct worker *w = CONTAINER(it, struct worker, link);

		if (w->serial == serial)
			return w;
	}
	return NULL;
}

/* ---- queue and idle workers ---- */

static void
pump(void *ctx)
{
	static const struct zygote_ask ask = { .op = ZYGOTE_SPAWN };
	struct sandbox *s = ctx;
	struct worker *w;

	while (s->level == SANDBOX_UNAVAILABLE && !link_empty(&s->queue))
		run_refuse(CONTAINER(s->queue.next, struct sandbox_run, queued));
	while (s->current != NULL && !link_empty(&s->queue) &&
	       s->counts.running < s->set.running_max) {
		struct sandbox_run *r = CONTAINER(s->queue.next, struct sandbox_run, queued);

		if (!link_empty(&s->idle)) {
			w = CONTAINER(s->idle.next, struct worker, idle);
			link_drop(&w->idle);
			s->counts.idle--;
		} else {
			w = worker_spawn(s->current, &ask);
		}
		if (w == NULL)
			break;
		link_drop(&r->queued);
		s->counts.queued--;
		run_start(r, w);
	}
	while (s->current != NULL && s->counts.idle < s->set.idle) {
		w = worker_spawn(s->current, &ask);
		if (w == NULL)
			break;
		link_push(&s->idle, &w->idle);
		s->counts.idle++;
	}
	if (s->current != NULL && s->coming == NULL && s->current->forks > GENERATION_FORKS)
		generation_start(s);
}

void
pool_pump(struct sandbox *s)
{
	loop_defer(s->loop, &s->pump, pump, s);
}

/* ---- generations ---- */

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

/* Its runs end with CRASH unless their last frame is there already. */
static void
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
			link_drop(&w->idle);
			s->counts.idle--;
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
		if (w != NULL && w->pidfd < 0) {
			w->pidfd = fd;
			fd = -1;
			if (w->kill_wanted)
				worker_kill(w);
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

static bool
generation_try(struct sandbox *s, struct err *e)
{
	static const struct zygote_events ev = { .said = on_said, .ended = on_ended };
	char memory[24], cpu[24];
	char *const argv[] = { s->worker_path, memory, cpu, NULL };
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

static void
generation_start(struct sandbox *s)
{
	struct err e = { .code = ERR_NONE };

	if (!generation_try(s, &e) && s->current == NULL)
		start_again_later(s, e.text);
}

/* ---- public ---- */

/* Beside this program, or where `make install` puts it. */
static char *
worker_beside(void)
{
	static const char *const tails[] = { "/sandbox-worker",
		"/../libexec/tollgate/sandbox-worker" };
	char self[4096], path[sizeof(self) + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash != NULL)
		*slash = '\0';
	for (size_t i = 0; i < COUNT(tails); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", self, tails[i]);
		if (access(path, X_OK) == 0)
			return mem_strdup(path);
	}
	return NULL;
}

static void
settings_fill(struct sandbox_settings *s)
{
	s->memory_bytes = s->memory_bytes > 0 ? s->memory_bytes : (size_t)64 << 20;
	s->cpu_ms = s->cpu_ms > 0 ? s->cpu_ms : 1000;
	s->wall_ms = s->wall_ms > 0 ? s->wall_ms : 60000;
	s->calls_max = s->calls_max > 0 ? s->calls_max : 100;
	s->in_flight_max = s->in_flight_max > 0 ? s->in_flight_max : 8;
	s->branches_max = s->branches_max > 0 ? s->branches_max : 256;
	s->idle = s->idle > 0 ? s->idle : 4;
	s->running_max = s->running_max > 0 ? s->running_max : 16;
	s->queue_max = s->queue_max > 0 ? s->queue_max : 64;
}

static bool
settings_check(const struct sandbox_settings *s, struct err *e)
{
	if (s->memory_bytes < SANDBOX_MEMORY_MIN || s->memory_bytes > (size_t)256 << 20)
		return err_set(e, ERR_INVALID, "script memory is %zu bytes (1 MiB to 256 MiB)",
		    s->memory_bytes);
	if (s->cpu_ms < 10 || s->cpu_ms > 10000)
		return err_set(e, ERR_INVALID, "script CPU time is %d ms (10 to 10000)", s->cpu_ms);
	if (s->in_flight_max > FRAME_IN_FLIGHT_MAX)
		return err_set(e, ERR_INVALID, "%u script calls in flight (at most %u)",
		    s->in_flight_max, FRAME_IN_FLIGHT_MAX);
	if (s->running_max + s->idle > WORKERS_MAX)
		return err_set(e, ERR_INVALID,
		    "%d scripts at once and %d idle workers (at most %d)", s->running_max, s->idle,
		    WORKERS_MAX);
	return true;
}

struct sandbox *
sandbox_new(struct loop *l, const struct sandbox_settings *set, struct err *e)
{
	struct sandbox *s = mem_zalloc(sizeof(*s));

	s->magic = SANDBOX_MAGIC;
	s->loop = l;
	s->set = *set;
	settings_fill(&s->set);
	link_init(&s->retired);
	link_init(&s->idle);
	link_init(&s->queue);
	s->worker_path = set->worker != NULL ? mem_strdup(set->worker) : worker_beside();
	if (s->worker_path == NULL || access(s->worker_path, X_OK) != 0)
		(void)err_set(e, ERR_UNCONFIGURED,
		    "%s is missing or cannot be run: build it with make",
		    s->worker_path != NULL ? s->worker_path : "sandbox-worker");
	else if (settings_check(&s->set, e) && generation_try(s, e))
		return s;
	free(s->worker_path);
	free(s);
	return NULL;
}

void
sandbox_free(struct sandbox **ps)
{
	struct sandbox *s = *ps;

	if (s == NULL)
		return;
	IS(s, SANDBOX_MAGIC);
	ASSERT(link_empty(&s->queue));
	*ps = NULL;
	s->set.changed = NULL;
	if (s->current != NULL)
		generation_end(s->current);
	if (s->coming != NULL)
		generation_end(s->coming);
	while (!link_empty(&s->retired))
		generation_end(CONTAINER(s->retired.next, struct generation, link));
	timer_stop(&s->again);
	deferred_drop(&s->pump);
	free(s->worker_path);
	s->magic = 0;
	free(s);
}

enum sandbox_level
sandbox_level(const struct sandbox *s)
{
	return s->level;
}

const char *
sandbox_level_word(enum sandbox_level level)
{
	switch (level) {
	case SANDBOX_STARTING:
		return "starting";
	case SANDBOX_UNAVAILABLE:
		return "unavailable";
	case SANDBOX_REDUCED:
		return "reduced";
	case SANDBOX_FULL:
		return "full";
	}
	UNREACHABLE();
}

const struct sandbox_settings *
sandbox_settings_of(const struct sandbox *s)
{
	return &s->set;
}

const char *
sandbox_why(const struct sandbox *s)
{
	return s->level == SANDBOX_FULL ? "" : s->why;
}

const char *
sandbox_end_word(enum sandbox_end end)
{
	static const char *const words[] = {
#define X(w) #w,
		SANDBOX_ENDS(X)
#undef X
	};

	ASSERT((size_t)end < COUNT(words));
	return words[end];
}

struct sandbox_counts
sandbox_counts(const struct sandbox *s)
{
	return s->counts;
}
