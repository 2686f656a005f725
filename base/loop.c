/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - the one door to libev, and the order of a turn.
 *
 *   loop_turn():  ev_run(once) -> deferred work -> the journal's write -> queued sends -> reap
 *
 * Timers are ours: a wheel of WHEEL_SLOTS slots of 1 ms with a link in each timer, so arming,
 * re-arming and stopping are O(1) however many connections idle; libev sees one timer.  A timer
 * that is further away than one round waits in its slot and is looked at once a round.
 *
 * The clocks are read once per turn.  With a test clock they come from a page that the scenario
 * rig moves; a move wakes the loop, due timers run, and the rig is answered when a turn had
 * nothing left to do.
 */
#include "base/loop.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/job.h"
#include "base/log.h"

#define WHEEL_SLOTS 4096 /* a power of two; 4 s a round */
#define DEFER_ROUNDS                                                                               \
	8 /* per turn; who queues himself again for ever shares the loop all the same */
#define LOOP_MAGIC  0x6c6f6f70u
#define WATCH_MAGIC 0x77617463u

struct watch {
	uint32_t magic;
	struct ev_io io;
	struct loop *loop;
	watch_f *fn;
	void *ctx;
	int events;
	struct link free_link;
};

struct loop {
	uint32_t magic;
	struct ev_loop *ev;
	struct ev_timer tick;
	bool running;
	int64_t mono_ms, wall_ns;

	struct link wheel[WHEEL_SLOTS];
	uint64_t marks[WHEEL_SLOTS / 64]; /* bit per slot: something may be in it */
	int64_t wheel_ms;                 /* every timer due at or before this has run */

	struct link deferred, after_journal, freed;
	journal_write_f *journal;
	void *journal_ctx;
	bool held;     /* the journal failed: the sends wait */
	size_t events; /* callbacks in this turn: what "quiet" is told by */

	int signal_fd;
	struct watch *signal_watch, *clock_watch;
	signal_f *on_signal;
	void *signal_ctx;

	struct clock_page *page;
	bool clock_asked;
	struct guard *guard;
};

/* ---- time ---- */

static int64_t
clock_ns(clockid_t id)
{
	struct timespec t;
	int rc = clock_gettime(id, &t);

	ASSERT(rc == 0);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
time_read(struct loop *l)
{
	int64_t mono;

	if (l->page != NULL) {
		l->wall_ns = atomic_load(&l->page->wall_ns);
		mono = atomic_load(&l->page->mono_ms);
	} else {
		l->wall_ns = clock_ns(CLOCK_REALTIME);
		mono = clock_ns(CLOCK_MONOTONIC) / 1000000;
	}
	if (mono > l->mono_ms) /* a page may lie; deadlines never move back */
		l->mono_ms = mono;
	log_clock(l->wall_ns);
}

int64_t
loop_mono_ms(const struct loop *l)
{
	return l->mono_ms;
}

int64_t
loop_wall_ns(const struct loop *l)
{
	return l->wall_ns;
}

/* ---- the wheel ---- */

static struct link *
slot_of(struct loop *l, int64_t due_ms)
{
	return &l->wheel[(uint64_t)due_ms & (WHEEL_SLOTS - 1)];
}

static void
mark_set(struct loop *l, int64_t due_ms)
{
	uint64_t i = (uint64_t)due_ms & (WHEEL_SLOTS - 1);

	l->marks[i / 64] |= 1ull << i % 64;
}

static void
mark_clear(struct loop *l, int64_t at)
{
	uint64_t i = (uint64_t)at & (WHEEL_SLOTS - 1);

	if (link_empty(&l->wheel[i]))
		l->marks[i / 64] &= ~(1ull << i % 64);
}

void
timer_set(struct loop *l, struct timer *t, int64_t delay_ms, timer_f *fn, void *ctx)
{
	timer_stop(t);
	t->due_ms = l->mono_ms + (delay_ms < 1 ? 1 : delay_ms);
	if (t->due_ms <= l->wheel_ms) /* the wheel may be ahead of this turn's time */
		t->due_ms = l->wheel_ms + 1;
	t->fn = fn;
	t->ctx = ctx;
	link_push(slot_of(l, t->due_ms), &t->link);
	mark_set(l, t->due_ms);
}

bool
timer_armed(const struct timer *t)
{
	return t->link.next != NULL && t->link.next != &t->link;
}

void
timer_stop(struct timer *t)
{
	if (t->link.next == NULL)
		link_init(&t->link);
	link_drop(&t->link);
}

/* Runs what is due in one slot.  A callback may arm, stop or free any timer, so due ones are first
 * moved to a list of their own, from which timer_stop() can still take them. */
static void
slot_run(struct loop *l, struct link *slot, int64_t now)
{
	struct link due;

	link_init(&due);
	LIST_EACH(it, slot) {
		struct timer *t = CONTAINER(it, struct timer, link);

		if (t->due_ms <= now) {
			link_drop(it);
			link_push(&due, it);
		}
	}
	while (!link_empty(&due)) {
		struct timer *t = CONTAINER(due.next, struct timer, link);

		link_drop(&t->link);
		l->events++;
		t->fn(t->ctx);
	}
}

static void
wheel_run(struct loop *l)
{
	int64_t now = l->mono_ms, from = l->wheel_ms + 1;

	if (now < from)
		return;
	if (now - from >= WHEEL_SLOTS) /* after a long sleep one round meets every slot */
		from = now - WHEEL_SLOTS + 1;
	l->wheel_ms = now;
	for (int64_t at = from; at <= now; at++) {
		if (link_empty(slot_of(l, at)))
			continue;
		slot_run(l, slot_of(l, at), now);
		mark_clear(l, at);
	}
}

/* Milliseconds until the next marked slot, at most one round. */
static int64_t
wheel_wait_ms(const struct loop *l)
{
	uint64_t from = (uint64_t)(l->wheel_ms + 1) & (WHEEL_SLOTS - 1);

	for (uint64_t i = 0; i <= WHEEL_SLOTS / 64; i++) {
		uint64_t word = (from / 64 + i) % (WHEEL_SLOTS / 64), bits = l->marks[word];

		if (i == 0)
			bits &= ~0ull << from % 64;
		if (bits != 0) {
			uint64_t slot = word * 64 + (uint64_t)__builtin_ctzll(bits);
			int64_t ahead = (int64_t)((slot - from) & (WHEEL_SLOTS - 1)) + 1;
			int64_t wait = l->wheel_ms + ahead - l->mono_ms;

			return wait < 1 ? 1 : wait;
		}
	}
	return WHEEL_SLOTS;
}

static void
tick_cb(struct ev_loop *ev, struct ev_timer *w, int revents)
{
	(void)ev;
	(void)w;
	(void)revents; /* it only ends the wait: loop_turn() runs the wheel */
}

/* ---- descriptors ---- */

static void
io_cb(struct ev_loop *ev, struct ev_io *io, int revents)
{
	struct watch *w = CONTAINER(io, struct watch, io);
	int events = 0;

	(void)ev;
	IS(w, WATCH_MAGIC);
	if (revents & (EV_READ | EV_ERROR))
		events |= WATCH_READ;
	if (revents & (EV_WRITE | EV_ERROR))
		events |= WATCH_WRITE;
	w->loop->events++;
	w->fn(w->ctx, events);
}

struct watch *
watch_new(struct loop *l, int fd, watch_f *fn, void *ctx)
{
	struct watch *w = mem_zalloc(sizeof(*w));

	IS(l, LOOP_MAGIC);
	w->magic = WATCH_MAGIC;
	w->loop = l;
	w->fn = fn;
	w->ctx = ctx;
	link_init(&w->free_link);
	ev_init(&w->io, io_cb);
	ev_io_set(&w->io, fd, 0);
	return w;
}

void
watch_set(struct watch *w, int events)
{
	IS(w, WATCH_MAGIC);
	if (w->events == events)
		return;
	ev_io_stop(w->loop->ev, &w->io);
	w->events = events;
	if (events != 0) {
		ev_io_set(&w->io, w->io.fd,
		    (events & WATCH_READ ? EV_READ : 0) | (events & WATCH_WRITE ? EV_WRITE : 0));
		ev_io_start(w->loop->ev, &w->io);
	}
}

void
watch_free(struct watch **wp)
{
	struct watch *w = *wp;

	if (w == NULL)
		return;
	IS(w, WATCH_MAGIC);
	*wp = NULL;
	ev_io_stop(w->loop->ev, &w->io);
	w->magic = 0;
	link_push(&w->loop->freed, &w->free_link);
}

static void
freed_reap(struct loop *l)
{
	while (!link_empty(&l->freed)) {
		struct watch *w = CONTAINER(l->freed.next, struct watch, free_link);

		link_drop(&w->free_link);
		free(w);
	}
}

/* ---- deferred work ---- */

static void
deferred_push(struct link *list, struct deferred *d, deferred_f *fn, void *ctx)
{
	if (d->link.next == NULL)
		link_init(&d->link);
	if (!link_empty(&d->link))
		return;
	d->fn = fn;
	d->ctx = ctx;
	link_push(list, &d->link);
}

void
loop_defer(struct loop *l, struct deferred *d, deferred_f *fn, void *ctx)
{
	deferred_push(&l->deferred, d, fn, ctx);
}

void
loop_after_journal(struct loop *l, struct deferred *d, deferred_f *fn, void *ctx)
{
	deferred_push(&l->after_journal, d, fn, ctx);
}

void
deferred_drop(struct deferred *d)
{
	if (d->link.next != NULL)
		link_drop(&d->link);
}

void
loop_on_journal(struct loop *l, journal_write_f *fn, void *ctx)
{
	l->journal = fn;
	l->journal_ctx = ctx;
}

/* Runs what is queued now.  Work queued meanwhile waits on the list for the next round. */
static void
deferred_round(struct loop *l, struct link *list)
{
	struct link now;

	if (link_empty(list))
		return;
	link_push(list, &now); /* the whole ring changes its head */
	link_drop(list);
	while (!link_empty(&now)) {
		struct deferred *d = CONTAINER(now.next, struct deferred, link);

		link_drop(&d->link);
		l->events++;
		d->fn(d->ctx);
	}
}

/* ---- the turn ---- */

static void
clock_answer(struct loop *l)
{
	uint64_t one = 1;

	if (!l->clock_asked || l->events != 0)
		return;
	l->clock_asked = false;
	if (write(l->page->done_fd, &one, sizeof(one)) < 0)
		log_error(NULL, "test clock answer lost", F_INT("errno", errno));
}

void
loop_turn(struct loop *l)
{
	bool busy;

	IS(l, LOOP_MAGIC);
	busy = l->clock_asked || !link_empty(&l->deferred) ||
	       (!link_empty(&l->after_journal) && !l->held);

	l->events = 0;
	if (!busy && l->page == NULL) {
		ev_timer_stop(l->ev, &l->tick);
		ev_timer_set(&l->tick, (ev_tstamp)wheel_wait_ms(l) / 1000.0, 0.);
		ev_timer_start(l->ev, &l->tick);
	}
	ev_run(l->ev, busy ? EVRUN_NOWAIT : EVRUN_ONCE);
	time_read(l);
	wheel_run(l);
	for (int i = 0; i < DEFER_ROUNDS; i++)
		deferred_round(l, &l->deferred);
	l->held = l->journal != NULL && !l->journal(l->journal_ctx);
	/* One round: what a send queues here has not been written by the journal yet. */
	if (!l->held)
		deferred_round(l, &l->after_journal);
	jobs_reap();
	freed_reap(l);
	clock_answer(l);
}

void
loop_run(struct loop *l)
{
	l->running = true;
	while (l->running)
		loop_turn(l);
}

void
loop_stop(struct loop *l)
{
	l->running = false;
}

/* ---- signals ---- */

static void
signal_cb(void *ctx, int events)
{
	struct loop *l = ctx;
	struct signalfd_siginfo info;

	(void)events;
	while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		l->on_signal(l->signal_ctx, (int)info.ssi_signo);
}

bool
loop_on_signals(struct loop *l, const int *signos, size_t n, signal_f *fn, void *ctx, struct err *e)
{
	sigset_t set;

	ASSERT(l->signal_fd < 0);
	(void)sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		(void)sigaddset(&set, signos[i]);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return err_set(e, ERR_INTERNAL, "cannot block signals");
	l->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->signal_fd < 0)
		return err_set(e, ERR_INTERNAL, "signalfd failed (errno %d)", errno);
	l->on_signal = fn;
	l->signal_ctx = ctx;
	l->signal_watch = watch_new(l, l->signal_fd, signal_cb, l);
	watch_set(l->signal_watch, WATCH_READ);
	return true;
}

/* ---- the test clock ---- */

static void
clock_cb(void *ctx, int events)
{
	struct loop *l = ctx;
	uint64_t n;

	(void)events;
	if (read(l->page->wake_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		l->clock_asked = true;
}

bool
loop_use_clock(struct loop *l, int fd, struct err *e)
{
	void *p = mmap(NULL, sizeof(struct clock_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_set(e, ERR_INVALID, "--clock %d cannot be mapped (errno %d)", fd, errno);
	l->page = p;
	if (atomic_load(&l->page->magic) != CLOCK_PAGE_MAGIC) {
		(void)munmap(p, sizeof(struct clock_page));
		l->page = NULL;
		return err_set(e, ERR_INVALID, "--clock %d is not a clock page", fd);
	}
	/* From here on the page's time counts, also when it lies behind the real one. */
	l->mono_ms = l->wheel_ms = atomic_load(&l->page->mono_ms);
	time_read(l);
	l->clock_watch = watch_new(l, l->page->wake_fd, clock_cb, l);
	watch_set(l->clock_watch, WATCH_READ);
	return true;
}

/* ---- life ---- */

struct loop *
loop_new(struct err *e)
{
	struct loop *l = mem_zalloc(sizeof(*l));

	l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOSIGMASK);
	if (l->ev == NULL) {
		free(l);
		(void)err_set(e, ERR_INTERNAL, "the event loop could not be made");
		return NULL;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of that write, no more */
	(void)signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow (ulimit -f) */
	l->magic = LOOP_MAGIC;
	l->signal_fd = -1;
	for (size_t i = 0; i < WHEEL_SLOTS; i++)
		link_init(&l->wheel[i]);
	link_init(&l->deferred);
	link_init(&l->after_journal);
	link_init(&l->freed);
	ev_timer_init(&l->tick, tick_cb, 0., 0.);
	time_read(l);
	l->wheel_ms = l->mono_ms;
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop *l = *lp;

	if (l == NULL)
		return;
	IS(l, LOOP_MAGIC);
	*lp = NULL;
	jobs_reap();
	guard_free(&l->guard);
	watch_free(&l->signal_watch);
	watch_free(&l->clock_watch);
	freed_reap(l);
	if (l->signal_fd >= 0)
		(void)close(l->signal_fd);
	if (l->page != NULL)
		(void)munmap(l->page, sizeof(struct clock_page));
	ev_loop_destroy(l->ev);
	l->magic = 0;
	free(l);
}

struct guard *
loop_guard(struct loop *l, struct err *e)
{
	IS(l, LOOP_MAGIC);
	if (l->guard == NULL)
		l->guard = guard_new(e);
	return l->guard;
}

void *
loop_foreign(struct loop *l)
{
	return l->ev;
}
