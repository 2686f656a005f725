/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scribe_threads - the two threads that share the scribe, at their busiest.
 *
 * The loop's side journals, gives turns away, asks how far the other side is, tells the log the
 * time and reads the audit, while the scribe commits; a second writer locks the database for a
 * while, so that the scribe fails, says so and recovers.  Nothing may be lost, applied twice or out
 * of order.  Built with SAN=thread this is the race test; `.ci/run` runs it so.
 */
#include <poll.h>
#include <unistd.h>

#include "base/log.h"
#include "policies/anchor.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define TURNS       300
#define ROWS        7 /* of one turn, at most */
#define LIMIT_TURNS 20000

struct side { /* what the loop's side has */
	char *dir;
	struct journal *journal;
	struct scribe *scribe;
	uint64_t last; /* the newest record's number */
	int64_t rows, cost_nusd;
};

static int64_t
wall_ns(void)
{
	static int64_t ns = 1795428000000000000ll; /* some day; a millisecond each time */

	return ns += 1000000;
}

static void
row_queue(struct side *s)
{
	struct usage_row u = { .quarter_s = 1795428000,
		.kind = ASK_TOOL,
		.key = STR("k_1"),
		.customer = STR("acme"),
		.name = STR("notes/get"),
		.requests = 1,
		.cost_nusd = 3 };
	struct buf *b = journal_begin(s->journal);
	char id[24];
	size_t at;

	(void)snprintf(id, sizeof(id), "p_%016lld", (long long)s->rows);
	at = record_begin(b, str_of(id), STR(""), wall_ns());
	buf_printf(b, "{\"id\":\"%s\",\"n\":%lld}", id, (long long)s->rows);
	record_end(b, at, &(struct record_rows){ .usage = &u });
	s->last = journal_end(s->journal, RECORD_DONE);
	s->rows++;
	s->cost_nusd += 3;
}

static void
turn_give(struct side *s, int rows)
{
	struct buf written;
	struct err e;

	for (int i = 0; i < rows; i++)
		row_queue(s);
	buf_init(&written, 0);
	CHECK(journal_write(s->journal, &written, &e));
	scribe_give(s->scribe, &written);
	buf_fini(&written);
	log_clock(wall_ns());
}

/* Asks until the scribe is where it should be; the log's clock goes on meanwhile. */
static bool
wait_applied(struct side *s, uint64_t seq)
{
	struct pollfd p = { .fd = scribe_event_fd(s->scribe), .events = POLLIN };
	uint64_t was = 0;

	for (int i = 0; i < LIMIT_TURNS; i++) {
		uint64_t now = scribe_applied(s->scribe), told;

		CHECK(now >= was);
		was = now;
		if (now >= seq)
			return true;
		log_clock(wall_ns());
		(void)poll(&p, 1, 10);
		if (read(p.fd, &told, sizeof(told)) < 0)
			continue; /* nothing yet */
	}
	return false;
}

static void
side_start(struct side *s, bool paced)
{
	struct store *store;
	struct anchor anchor;
	struct err e = { 0 };

	s->dir = folder_new();
	store = store_open(s->dir, &e);
	CHECK(store != NULL && anchor_build(&anchor, store, NULL, &e));
	s->journal = journal_open(s->dir, anchor.applied + 1, NULL, NULL, &e);
	CHECK(s->journal != NULL);
	s->scribe = scribe_start(&store, &anchor, s->dir, paced, &e);
	CHECK(s->scribe != NULL && store == NULL);
	if (s->journal == NULL || s->scribe == NULL) {
		(void)printf("  %s\n", e.text);
		abort();
	}
}

struct counted {
	int64_t rows, cost_nusd, requests;
	struct chain_head head;
	bool in_order;
};

static bool
tally_audit(void *ctx, const struct audit_row *r)
{
	struct counted *t = ctx;
	struct sha256 want;
	char event[64];

	(void)snprintf(event, sizeof(event), "{\"id\":\"p_%016lld\",\"n\":%lld}",
	    (long long)t->rows, (long long)t->rows);
	chain_hash(&want, &t->head.hash, r->seq, r->event);
	t->in_order &= r->seq == ++t->rows && str_eq(r->event, str_of(event)) &&
		       crypto_equal(want.b, r->hash.b, SHA256_BYTES);
	t->head.hash = r->hash;
	return true;
}

static bool
tally_usage(void *ctx, const struct usage_row *u)
{
	struct counted *t = ctx;

	t->requests += u->requests;
	t->cost_nusd += u->cost_nusd;
	return true;
}

/* The database holds every row once, in order, chained; and so does the ledger. */
static void
side_check(const struct side *s)
{
	struct counted t = { .in_order = true };
	uint64_t applied = 0;
	struct store *r;
	struct err e;

	r = store_open_reader(s->dir, &e);
	CHECK(r != NULL && store_head(r, &t.head.seq, &t.head.hash, &applied, &e));
	t.head = (struct chain_head){ 0 };
	CHECK(r != NULL && store_audit_each(r, 0, tally_audit, &t, &e));
	CHECK(r != NULL && store_usage_each(r, 0, tally_usage, &t, &e));
	CHECK_EQ_I(t.rows, s->rows);
	CHECK(t.in_order);
	CHECK_EQ_I(t.requests, s->rows);
	CHECK_EQ_I(t.cost_nusd, s->cost_nusd);
	CHECK_EQ_I(applied, s->last);
	store_close(&r);
}

static void
side_end(struct side *s)
{
	scribe_stop(&s->scribe);
	CHECK(s->scribe == NULL);
	side_check(s);
	journal_close(&s->journal);
	folder_drop(&s->dir);
}

static void
test_busy(bool paced)
{
	struct side s = { 0 };
	struct err e;

	side_start(&s, paced);
	for (int i = 0; i < TURNS; i++) {
		turn_give(&s, 1 + i % ROWS);
		CHECK(!scribe_failing(s.scribe, &e));
		CHECK(scribe_applied(s.scribe) <= s.last);
		if (i % 50 == 0) {
			CHECK(wait_applied(&s, s.last));
			side_check(&s);
		}
	}
	CHECK(wait_applied(&s, s.last));
	for (int i = 0; i < 1000 && scribe_backlog_bytes(s.scribe) > 0; i++)
		(void)usleep(1000); /* counted down right after applied is told */
	CHECK_EQ_I(scribe_backlog_bytes(s.scribe), 0);
	side_end(&s);
}

static void
test_stop_applies(void)
{
	struct side s = { 0 };

	side_start(&s, true);
	for (int i = 0; i < 40; i++)
		turn_give(&s, ROWS);
	side_end(&s); /* without having waited */
}

static void
test_locked(void)
{
	struct store *other;
	struct side s = { 0 };
	struct err e = { 0 };
	uint64_t before;

	side_start(&s, false);
	turn_give(&s, 3);
	CHECK(wait_applied(&s, s.last));
	before = s.last;
	other = store_open(s.dir, &e);
	CHECK(other != NULL && store_begin(other, &e));
	for (int i = 0; i < LIMIT_TURNS && !scribe_failing(s.scribe, &e); i++) {
		if (i < 50)
			turn_give(&s, 1);
		log_clock(wall_ns());
		(void)usleep(1000);
	}
	CHECK(scribe_failing(s.scribe, &e));
	CHECK_EQ_I(e.code, ERR_STORE);
	CHECK_EQ_I(scribe_applied(s.scribe), before);
	CHECK(scribe_backlog_bytes(s.scribe) > 0);
	store_rollback(other);
	store_close(&other);
	CHECK(wait_applied(&s, s.last));
	side_end(&s);
}

int
main(void)
{
	log_setup(LOG_LEVEL_INFO, false);
	TEST("what is given while the scribe commits is applied once, in order");
	test_busy(false);
	TEST("the same when commits are paced");
	test_busy(true);
	TEST("a stop applies what is left");
	test_stop_applies();
	TEST("a locked database is told, waited for, and loses nothing");
	test_locked();
	return check_done();
}
