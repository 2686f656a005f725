/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - the one event loop, its clock, its timers, its end-of-turn order.
 *
 * loop_turn(): wait and dispatch once -> deferred work -> the journal's one write -> sends that
 * waited for it -> reap.  Nothing else runs periodically unless it is a timer.
 *
 * Nothing but this file reads a clock.  Times are loop_mono_ms() (deadlines) and loop_wall_ns()
 * (calendar), both fixed during a turn; with a test clock both come from a shared page.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

struct loop;
struct loop *loop_new(struct err *e) MUST_CHECK;
void loop_free(struct loop **l);
/* Of the children that are started on this loop; made by the first of them, ends with the loop. */
struct guard;
struct guard *loop_guard(struct loop *l, struct err *e) MUST_CHECK;
void *loop_foreign(struct loop *l); /* the libev loop, for the libraries that want one */

/* Runs until loop_stop(); a turn is loop_turn(). */
void loop_run(struct loop *l);
void loop_turn(struct loop *l);
void loop_stop(struct loop *l);

int64_t loop_mono_ms(const struct loop *l);
int64_t loop_wall_ns(const struct loop *l);

/*
 * The test clock: `fd` is a page shared with the scenario rig (tests/rig.c).  After a move, the
 * loop answers on the page's done_fd once a turn found nothing more to do.
 */
#define CLOCK_PAGE_MAGIC 0x746c676174656b63ull
struct clock_page {
	_Atomic uint64_t magic;
	_Atomic int64_t wall_ns;
	_Atomic int64_t mono_ms;
	int32_t wake_fd, done_fd;
};
bool loop_use_clock(struct loop *l, int fd, struct err *e) MUST_CHECK;

/* ---- descriptors ---- */
#define WATCH_READ  1
#define WATCH_WRITE 2
struct watch;
typedef void watch_f(void *ctx, int events); /* WATCH_* bits; errors arrive as both */
/* fd is borrowed: close it after watch_free(). */
struct watch *watch_new(struct loop *l, int fd, watch_f *fn, void *ctx);
void watch_set(struct watch *w, int events); /* 0 = none; calling with the same value is free */
void watch_free(struct watch **w);           /* safe inside its own callback; NULL is fine */

/* ---- timers: a hashed wheel, 1 ms ticks, O(1) ---- */
typedef void timer_f(void *ctx);
struct timer {
	struct link link; /* zeroed = never armed */
	int64_t due_ms;
	timer_f *fn;
	void *ctx;
};
/* Arms or re-arms: fn(ctx) runs once, delay_ms from this turn's time.  The struct is the caller's
 * and must be stopped before it goes. */
void timer_set(struct loop *l, struct timer *t, int64_t delay_ms, timer_f *fn, void *ctx);
void timer_stop(struct timer *t);
bool timer_armed(const struct timer *t);

/* ---- end of turn ---- */
typedef void deferred_f(void *ctx);
struct deferred {
	struct link link; /* zeroed = not queued */
	deferred_f *fn;
	void *ctx;
};
/* fn runs once, this turn, after the I/O callbacks.  Queuing a queued one does nothing. */
void loop_defer(struct loop *l, struct deferred *d, deferred_f *fn, void *ctx);
/* fn runs once, this turn, after the journal's write: requests towards upstreams wait here. */
void loop_after_journal(struct loop *l, struct deferred *d, deferred_f *fn, void *ctx);
void deferred_drop(struct deferred *d);
/* The journal's write; set once at start.  false: it failed, and what waits for it goes on waiting
 * (until a later turn: the journal arms a timer). */
typedef bool journal_write_f(void *ctx);
void loop_on_journal(struct loop *l, journal_write_f *fn, void *ctx);

/* Signals arrive as ordinary callbacks in the turn (signalfd underneath). */
typedef void signal_f(void *ctx, int signo);
bool loop_on_signals(
    struct loop *l, const int *signos, size_t n, signal_f *fn, void *ctx, struct err *e) MUST_CHECK;
