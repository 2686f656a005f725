/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - the order of a turn, the wheel, descriptors, signals, the test clock.
 */
#include "base/loop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/unit/check.h"

static char trace[256];

static void
note(const char *what)
{
	size_t n = strlen(trace);

	(void)snprintf(trace + n, sizeof(trace) - n, "%s ", what);
}

static struct loop *loop;
static struct deferred da, db, dc, dself;
static int selfs;

static void
note_cb(void *ctx)
{
	note(ctx);
}

static char send2[] = "send2", sent[] = "sent", journal[] = "journal", again[] = "again";

static void
send_cb(void *ctx)
{
	note(ctx);
	loop_after_journal(loop, &dc, note_cb, send2);
}

static void
queue2_cb(void *ctx)
{
	(void)ctx;
	note("deferred");
	loop_defer(loop, &db, note_cb, again);
	loop_after_journal(loop, &da, send_cb, sent);
}

static void
self_cb(void *ctx)
{
	(void)ctx;
	selfs++;
	loop_defer(loop, &dself, self_cb, NULL);
}

static bool journal_ok = true;

static bool
journal_cb(void *ctx)
{
	note(ctx);
	return journal_ok;
}

static void
test_turn(void)
{
	struct deferred start = { 0 };

	TEST("deferred work, then the journal, then sends; what a send queues waits for the next");
	trace[0] = '\0';
	loop_on_journal(loop, journal_cb, journal);
	loop_defer(loop, &start, queue2_cb, NULL);
	loop_turn(loop);
	CHECK_EQ_S(trace, "deferred again journal sent ");
	loop_turn(loop);
	CHECK_EQ_S(trace, "deferred again journal sent journal send2 ");

	TEST("while the journal cannot be written the sends wait");
	trace[0] = '\0';
	journal_ok = false;
	loop_after_journal(loop, &dc, note_cb, sent);
	loop_turn(loop);
	CHECK_EQ_S(trace, "journal ");
	journal_ok = true;
	loop_defer(loop, &db, note_cb, again);
	loop_turn(loop);
	CHECK_EQ_S(trace, "journal again journal sent ");
	loop_on_journal(loop, NULL, NULL);

	TEST("dropped work does not run; work queued twice runs once");
	trace[0] = '\0';
	loop_defer(loop, &da, note_cb, again);
	loop_defer(loop, &db, note_cb, again);
	loop_defer(loop, &db, note_cb, again);
	deferred_drop(&da);
	loop_turn(loop);
	CHECK_EQ_S(trace, "again ");

	TEST("who defers himself for ever does not hold the turn");
	loop_defer(loop, &dself, self_cb, NULL);
	loop_turn(loop);
	CHECK(selfs > 0 && selfs < 100);
	deferred_drop(&dself);
}

/* ---- the wheel ---- */

#define TIMERS 3000
static struct {
	struct timer t;
	int64_t due;
	int fired;
	bool stopped;
} many[TIMERS];
static int64_t worst;

static void
fired_cb(void *ctx)
{
	int i = (int)(intptr_t)ctx;
	int64_t late = loop_mono_ms(loop) - many[i].due;

	many[i].fired++;
	CHECK(late >= 0);
	if (late > worst)
		worst = late;
	/* A callback may stop and re-arm others: the neighbour is stopped. */
	if (i % 7 == 0 && i + 1 < TIMERS && many[i + 1].fired == 0) {
		timer_stop(&many[i + 1].t);
		many[i + 1].stopped = true;
	}
}

static void
test_timers(void)
{
	struct timer off = { 0 };
	uint64_t x = 88172645463325252ull;
	int left = 0;

	TEST("timers run once, never early, whatever round of the wheel");
	CHECK(!timer_armed(&off));
	timer_stop(&off);
	for (int i = 0; i < TIMERS; i++) {
		int64_t delay;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		delay = (int64_t)(x % 300);
		timer_set(loop, &many[i].t, 9000, fired_cb, (void *)(intptr_t)i);
		timer_set(loop, &many[i].t, delay, fired_cb, (void *)(intptr_t)i);
		many[i].due = loop_mono_ms(loop) + delay;
	}
	for (int64_t end = loop_mono_ms(loop) + 400; loop_mono_ms(loop) < end;) {
		struct timer tick = { 0 };

		timer_set(loop, &tick, 50, note_cb, again);
		loop_turn(loop);
		timer_stop(&tick);
		trace[0] = '\0';
	}
	for (int i = 0; i < TIMERS; i++)
		left += many[i].fired + many[i].stopped != 1;
	CHECK_EQ_I(left, 0);
	printf("    latest by %lld ms\n", (long long)worst);
}

/* ---- descriptors ---- */

static struct watch *w;
static int reads;

static void
free_cb(void *ctx, int events)
{
	(void)ctx;
	reads += (events & WATCH_READ) != 0;
	watch_free(&w); /* inside its own callback */
}

static void
test_watch(void)
{
	int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	struct timer t = { 0 };

	TEST("a watch may free itself; a silent one costs nothing");
	w = watch_new(loop, fd, free_cb, NULL);
	trace[0] = '\0';
	timer_set(loop, &t, 5, note_cb, again);
	loop_turn(loop);
	CHECK_EQ_I(reads, 0);
	watch_set(w, WATCH_READ);
	loop_turn(loop);
	CHECK_EQ_I(reads, 1);
	CHECK(w == NULL);
	watch_free(&w);
	(void)close(fd);
	timer_stop(&t);
}

static int got_signal;

static void
on_signal(void *ctx, int signo)
{
	(void)ctx;
	got_signal = signo;
}

static void
test_signals(void)
{
	struct err e;

	TEST("signals arrive on the loop, and a broken pipe is no end");
	CHECK(loop_on_signals(loop, (const int[]){ SIGUSR1, SIGTERM }, 2, on_signal, NULL, &e));
	(void)raise(SIGUSR1);
	loop_turn(loop);
	CHECK_EQ_I(got_signal, SIGUSR1);
	(void)raise(SIGPIPE);
}

/* ---- the test clock ---- */

static void
test_clock(void)
{
	struct clock_page *page;
	struct timer t = { 0 };
	struct err e;
	int fd = memfd_create("clock", MFD_CLOEXEC);
	uint64_t one = 1, n = 0;

	TEST("only a clock page is a clock");
	CHECK(ftruncate(fd, sizeof(*page)) == 0);
	CHECK(!loop_use_clock(loop, fd, &e));
	CHECK(!loop_use_clock(loop, -1, &e));
	TEST("time stands until it is moved; then timers run and the mover is told");
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	page->wake_fd = eventfd(0, EFD_NONBLOCK);
	page->done_fd = eventfd(0, EFD_NONBLOCK);
	atomic_store(&page->wall_ns, 1700000000000000000);
	atomic_store(&page->mono_ms, 5000);
	atomic_store(&page->magic, CLOCK_PAGE_MAGIC);
	CHECK(loop_use_clock(loop, fd, &e));
	CHECK_EQ_I(loop_wall_ns(loop), 1700000000000000000);
	CHECK_EQ_I(loop_mono_ms(loop), 5000);
	trace[0] = '\0';
	timer_set(loop, &t, 3600000, note_cb, again);
	atomic_store(&page->mono_ms, 5000 + 3599999);
	CHECK(write(page->wake_fd, &one, 8) == 8);
	for (int i = 0; i < 5; i++) {
		if (read(page->done_fd, &n, 8) == 8)
			break;
		loop_turn(loop);
	}
	CHECK_EQ_I(n, 1);
	CHECK_EQ_S(trace, "");
	atomic_store(&page->mono_ms, 5000 + 3600000);
	CHECK(write(page->wake_fd, &one, 8) == 8);
	for (int i = 0; i < 5; i++)
		if (i > 0 && read(page->done_fd, &n, 8) == 8)
			break;
		else
			loop_turn(loop);
	CHECK_EQ_I(n, 1);
	CHECK_EQ_S(trace, "again ");
	atomic_store(&page->mono_ms, 1); /* never back */
	CHECK(write(page->wake_fd, &one, 8) == 8);
	loop_turn(loop);
	CHECK_EQ_I(loop_mono_ms(loop), 5000 + 3600000);
	(void)close(page->wake_fd);
	(void)close(page->done_fd);
	(void)munmap(page, sizeof(*page));
	(void)close(fd);
}

int
main(void)
{
	struct err e;

	loop = loop_new(&e);
	CHECK(loop != NULL);
	test_turn();
	test_timers();
	test_watch();
	test_signals();
	test_clock();
	loop_free(&loop);
	loop_free(&loop);
	return check_done();
}
