/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool - workers ahead of need, the queue before them, and the settings; the contract is in
 * sandbox.h.
 *
 *	a run --idle worker, nobody before it, memory left--> run_start()
 *	   \--> queue --another run has ended--> run_start()
 *
 * A worker is spawned with its socket before it exists, so a run can be written to it at once; idle
 * ones have locked and warmed themselves when a script comes.  A worker leaves its generation's
 * list only when the zygote has reaped it, or has itself ended; until then it counts: at most
 * WORKERS_MAX live, whatever they do.  A fork next to a script costs the script time on the same
 * core, so the place of a used worker is filled REFILL_MS later, or when a run has ended.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/pool.h"

#define OUT_MAX     ((size_t)48 << 20)
#define WORKERS_MAX 96 /* the zygote has room for 128: probes come on top */
#define REFILL_MS   ((int64_t)2)
#define HANGS_MS    ((int64_t)10000) /* from the kill of a worker to its reaping */

/* ---- workers ---- */

static void
hang_up(void *ctx)
{
	struct worker *w = ctx;

	watch_free(&w->watch);
	if (w->sock >= 0)
		close(w->sock);
	w->sock = -1;
}

/* Else its end would wake us, to say what we know.  After the answer has gone out. */
void
worker_hang_up(struct worker *w)
{
	loop_after_journal(w->gen->owner->loop, &w->hang_up, hang_up, w);
}

void
worker_free(struct worker **pw)
{
	struct worker *w = *pw;

	*pw = NULL;
	link_drop(&w->link);
	if (!link_empty(&w->idle))
		worker_take(w);
	if (!w->probe)
		w->gen->owner->live--;
	timer_stop(&w->hangs);
	meter_close(&w->meter);
	deferred_drop(&w->hang_up);
	hang_up(w);
	if (w->pidfd >= 0)
		close(w->pidfd);
	reader_fini(&w->reader);
	buf_fini(&w->out);
	free(w);
}

void
worker_take(struct worker *w)
{
	struct sandbox *s = w->gen->owner;

	link_drop(&w->idle);
	s->counts.idle--;
	if (s->short_since_ms == 0)
		s->short_since_ms = loop_mono_ms(s->loop);
}

/* Another one has been forked: is the pool full again? */
static void
look_full(struct sandbox *s)
{
	if (s->short_since_ms == 0 || s->counts.idle < s->set.idle)
		return;
	LIST_EACH(it, &s->idle)
		if (CONTAINER(it, struct worker, idle)->pidfd < 0)
			return;
	s->counts.refills++;
	s->counts.refill_ms += (uint64_t)(loop_mono_ms(s->loop) - s->short_since_ms);
	s->short_since_ms = 0;
}

static void
on_hangs(void *ctx)
{
	struct worker *w = ctx;

	/* A clock that was moved on is no proof: what it has to say may wait in the socket. */
	if (!w->hung_once) {
		w->hung_once = true;
		timer_set(w->gen->owner->loop, &w->hangs, HANGS_MS, on_hangs, w);
		return;
	}
	log_error(NULL, "sandbox process hangs: a killed worker is not reported");
	zygote_kill(w->gen->zygote);
}

void
worker_kill(struct worker *w)
{
	w->kill_wanted = true; /* should it not have a pidfd yet, it dies when that comes */
	if (!timer_armed(&w->hangs))
		timer_set(w->gen->owner->loop, &w->hangs, HANGS_MS, on_hangs, w);
	if (w->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
}

void
worker_has_pidfd(struct worker *w, int pidfd)
{
	w->pidfd = pidfd;
	if (w->kill_wanted)
		worker_kill(w);
	else if (!w->probe)
		meter_open(&w->meter, pidfd);
	look_full(w->gen->owner);
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
	if (!asked) {
		close(ends[0]);
		return NULL;
	}
	w = mem_zalloc(sizeof(*w));
	w->gen = g;
	w->serial = numbered.serial;
	w->sock = ends[0];
	w->pidfd = -1;
	w->meter.statm = -1;
	w->probe = ask->op == ZYGOTE_PROBE;
	w->sweep = w->probe ? ask->arg & PROBE_NUMBER : 0;
	if (w->sweep != 0)
		w->sweep = ask->arg;
	g->forks += w->probe ? 0 : 1;
	g->owner->live += w->probe ? 0 : 1;
	w->watch = watch_new(g->owner->loop, w->sock, run_on_socket, w);
	watch_set(w->watch, WATCH_READ);
	buf_init(&w->out, OUT_MAX);
	link_init(&w->idle);
	link_push(&g->workers, &w->link);
	return w;
}

struct worker *
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

static struct worker *
worker_new(struct sandbox *s)
{
	static const struct zygote_ask ask = { .op = ZYGOTE_SPAWN };

	return s->live < WORKERS_MAX ? worker_spawn(s->current, &ask) : NULL;
}

/* What the running scripts may fill together, and this one with them. */
static bool
is_admitted(const struct sandbox *s, const struct sandbox_run *r)
{
	return s->current != NULL && s->counts.running < s->set.running_max &&
	       s->memory_bytes + r->memory_bytes <= s->set.memory_total_bytes;
}

static bool
start_now(struct sandbox *s, struct sandbox_run *r, bool may_fork)
{
	struct worker *w = NULL;

	if (!is_admitted(s, r))
		return false;
	if (!link_empty(&s->idle)) {
		w = CONTAINER(s->idle.next, struct worker, idle);
		worker_take(w);
	} else if (may_fork) {
		w = worker_new(s);
	}
	if (w == NULL)
		return false;
	run_start(r, w);
	return true;
}

static void
refill(void *ctx)
{
	struct sandbox *s = ctx;

	timer_stop(&s->refill);
	while (s->current != NULL && s->counts.idle < s->set.idle) {
		struct worker *w = worker_new(s);

		if (w == NULL)
			break;
		link_push(&s->idle, &w->idle);
		s->counts.idle++;
	}
	if (s->current != NULL && s->coming == NULL && s->current->forks > GENERATION_FORKS)
		generation_start(s);
}

static void
pump(void *ctx)
{
	struct sandbox *s = ctx;

	while (s->level == SANDBOX_UNAVAILABLE && !link_empty(&s->queue))
		run_refuse(CONTAINER(s->queue.next, struct sandbox_run, queued));
	while (!link_empty(&s->queue)) {
		struct sandbox_run *r = CONTAINER(s->queue.next, struct sandbox_run, queued);

		if (!start_now(s, r, true))
			break;
		link_drop(&r->queued);
		s->counts.queued--;
	}
	if (s->counts.idle == 0)
		refill(s);
	else if (!timer_armed(&s->refill))
		timer_set(s->loop, &s->refill, REFILL_MS, refill, s);
}

/* First come, first served: who finds others waiting waits behind them. */
void
pool_enter(struct sandbox *s, struct sandbox_run *r)
{
	if (link_empty(&s->queue) && start_now(s, r, false)) {
		if (s->counts.idle == 0 || s->current->forks > GENERATION_FORKS)
			pool_pump(s);
		else if (!timer_armed(&s->refill))
			timer_set(s->loop, &s->refill, REFILL_MS, refill, s);
		return;
	}
	link_push(&s->queue, &r->queued);
	s->counts.queued++;
	pool_pump(s);
}

void
pool_pump(struct sandbox *s)
{
	loop_defer(s->loop, &s->pump, pump, s);
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

/* Scripts must not drive the machine into the ground: half of it, and at least one script's. */
static size_t
half_of_memory(size_t least)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	size_t half = pages > 0 && page > 0 ? (size_t)pages / 2 * (size_t)page : least;

	return half > least ? half : least;
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
	if (s->memory_total_bytes == 0)
		s->memory_total_bytes = half_of_memory(s->memory_bytes);
}

static bool
settings_check(const struct sandbox_settings *s, struct err *e)
{
	if (s->memory_bytes < SANDBOX_MEMORY_MIN || s->memory_bytes > (size_t)256 << 20)
		return err_set(e, ERR_INVALID, "script memory is %zu bytes (1 MiB to 256 MiB)",
		    s->memory_bytes);
	if (s->memory_total_bytes < s->memory_bytes)
		return err_set(e, ERR_INVALID,
		    "all scripts together get %zu bytes and one alone %zu: raise memory_total",
		    s->memory_total_bytes, s->memory_bytes);
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
	timer_stop(&s->refill);
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

void
sandbox_metrics(const struct sandbox *s, struct buf *out)
{
	const struct sandbox_counts *c = &s->counts;
	const struct {
		const char *name, *type;
		uint64_t value;
	} rows[] = {
		{ "running", "gauge", (uint64_t)c->running },
		{ "queued", "gauge", (uint64_t)c->queued },
		{ "idle", "gauge", (uint64_t)c->idle },
		{ "memory_bytes", "gauge", s->memory_bytes },
		{ "memory_total_bytes", "gauge", s->set.memory_total_bytes },
		{ "workers_total", "counter", c->reaped },
		{ "workers_cpu_us_total", "counter", c->cpu_us },
		{ "refills_total", "counter", c->refills },
		{ "refill_ms_total", "counter", c->refill_ms },
	};

	buf_printf(out,
	    "# TYPE tollgate_sandbox_level gauge\ntollgate_sandbox_level{level=\"%s\"} 1\n",
	    sandbox_level_word(s->level));
	for (size_t i = 0; i < COUNT(rows); i++)
		buf_printf(out, "# TYPE tollgate_sandbox_%s %s\ntollgate_sandbox_%s %llu\n",
		    rows[i].name, rows[i].type, rows[i].name, (unsigned long long)rows[i].value);
	buf_puts(out, "# TYPE tollgate_sandbox_ends_total counter\n");
	for (size_t i = 0; i < COUNT(c->ends); i++)
		if (c->ends[i] > 0)
			buf_printf(out, "tollgate_sandbox_ends_total{end=\"%s\"} %llu\n",
			    sandbox_end_word((enum sandbox_end)i), (unsigned long long)c->ends[i]);
}

struct sandbox_counts
sandbox_counts(const struct sandbox *s)
{
	return s->counts;
}
