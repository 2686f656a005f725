/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - keys, budgets, the audit chain and their survival of kill -9, on a real data folder.
 *
 * The parent plays the operator: it starts a child that does random governed work, kills it with
 * SIGKILL at a random moment, opens the data again, and compares ledger, audit and what the child
 * had been told.  `gate FULL` does 1,000 kills; the ordinary run a few.
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "policies/core.h"
#include "tests/unit/core_rig.h"

static int64_t
held(struct core *c, const char *id)
{
	return account_get(c, str_of(id))->held_nusd[PERIOD_MONTH - 1];
}

static void
test_one_life(void)
{
	char secret[KEY_SECRET_BYTES + 1];
	struct pass a = { .cut = cut }, b = { .cut = cut }, d = { .cut = cut };
	struct ask ask = model_ask(6 * USD);
	struct key *ana, *found;
	struct loop *l;
	struct core *c;
	struct err e = { 0 };

	TEST("a key, two holds against one budget, a refusal, a settle");
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL) {
		(void)printf("  %s\n", e.text);
		return;
	}
	ana = key_create(c, &(struct key_spec){ .name = STR("ana-laptop"), .user = STR("ana") },
	    STR("local:0"), secret, &e);
	CHECK(ana != NULL);
	CHECK(key_looks_like(str_of(secret)));
	found = key_find(c, str_of(secret), &e);
	CHECK(found == ana);
	secret[5] ^= 1;
	CHECK(key_find(c, str_of(secret), &e) == NULL && e.code == ERR_AUTH);
	secret[5] ^= 1;

	CHECK(gate_enter(c, &a, ana, &ask, &e));
	CHECK(!gate_enter(c, &b, ana, &ask, &e));
	CHECK_EQ_I(e.code, ERR_BUDGET);
	CHECK(e.retry_after_s > 0);
	CHECK_EQ_I(held(c, "acme"), 6 * USD);
	gate_leave(&a, &(struct outcome){ .end = END_OK, .cost_nusd = 3 * USD });
	CHECK_EQ_I(used(c, "acme/payments/ana"), 3 * USD);
	CHECK_EQ_I(held(c, "acme/payments/ana"), 0);
	CHECK(gate_enter(c, &b, ana, &ask, &e));

	TEST("rules decide before money");
	ask = (struct ask){ .kind = ASK_TOOL, .name = STR("notes/delete_note"), .args = STR("{}") };
	CHECK(!gate_enter(c, &d, ana, &ask, &e) && e.code == ERR_DENIED);
	ask.name = STR("notes/get_note");
	CHECK(gate_enter(c, &d, ana, &ask, &e));
	gate_leave(&d, &(struct outcome){ .end = END_OK });

	TEST("disabling a key cuts its open pass and refuses the next");
	CHECK(key_set_state(c, ana, KEY_DISABLED, STR("local:0"), &e));
	CHECK(!pass_open(&b));
	CHECK_EQ_I(held(c, "acme"), 0);
	CHECK(key_find(c, str_of(secret), &e) == NULL && e.code == ERR_REVOKED);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());

	TEST("what was spent and who exists survive a restart");
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK_EQ_I(used(c, "acme"), 3 * USD);
	CHECK_EQ_I(used(c, "acme/payments"), 3 * USD);
	ana = key_named(c, STR("ana-laptop"));
	CHECK(ana != NULL && ana->state == KEY_DISABLED);
	core_close(&c);
	loop_free(&l);
}

/* ---- the child that is killed ---- */

/* In some rounds the disk is full for a while, and in others the parent holds the database locked.
 */
#define ROUND_DISK_FULL(seed) ((seed) % 7 == 3)
#define ROUND_LOCKED(seed)    ((seed) % 7 == 5)

static void
disk_full(bool on)
{
	struct rlimit r;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &r);
	r.rlim_cur = on ? 0 : r.rlim_max;
	(void)setrlimit(RLIMIT_FSIZE, &r);
}

/* Random work; every acknowledged settle is told to the parent through a pipe, after the turn that
 * wrote it, as two numbers: passes left and their cost. */
static void
child_work(int tell, unsigned seed)
{
	char secret[KEY_SECRET_BYTES + 1], name[32];
	struct pass open[16] = { 0 };
	int64_t sums[2] = { 0, 0 };
	struct loop *l;
	struct core *c;
	struct key *k;
	struct err e;

	c = open_core(&l, &e);
	if (c == NULL)
		_exit(9);
	(void)snprintf(name, sizeof(name), "k%u", seed);
	k = key_create(c, &(struct key_spec){ .name = str_of(name), .user = STR("bob") },
	    STR("local:0"), secret, &e);
	for (int n = 0; k != NULL; n++) {
		int i = rand() % 16;                       // NOLINT
		struct ask ask = model_ask(rand() % 1000); // NOLINT

		if (ROUND_DISK_FULL(seed) && n % 64 == 20)
			disk_full(true);
		if (ROUND_DISK_FULL(seed) && n % 64 == 40)
			disk_full(false);
		open[i].cut = cut;
		if (pass_open(&open[i])) {
			int64_t cost = rand() % 1000; // NOLINT

			gate_leave(&open[i], &(struct outcome){ .end = END_OK, .cost_nusd = cost });
			sums[0]++;
			sums[1] += cost;
		} else if (!gate_enter(c, &open[i], k, &ask, &e)) {
			loop_turn(l); /* refused: nothing can be written */
			continue;
		}
		if (n % 4 == 0) {
			loop_turn(l);
			if (core_ready(c, &e) &&
			    write(tell, sums, sizeof(sums)) != (ssize_t)sizeof(sums))
				_exit(8);
		}
	}
	_exit(7);
}

struct total {
	int64_t rows, cost, told_rows, told_cost;
};

static bool
on_usage_cell(void *ctx, const struct usage_row *r)
{
	struct total *t = ctx;

	t->rows += r->requests;
	t->cost += r->cost_nusd;
	return true;
}

/* Another process at the database, as the child's scribe sees it. */
static sqlite3 *
db_lock(void)
{
	char path[128];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/tollgate.db", data);
	CHECK(sqlite3_open(path, &db) == SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 5000);
	CHECK(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	return db;
}

static void
kill_once(unsigned seed, struct total *t)
{
	int64_t sums[2], last[2] = { 0, 0 };
	int tell[2], status;
	struct total now = { 0 };
	sqlite3 *other = NULL;
	struct store *s;
	struct loop *l;
	struct core *c;
	struct err e = { 0 };
	pid_t pid;

	if (pipe(tell) != 0)
		abort();
	pid = fork();
	if (pid == 0) {
		srand(seed);
		(void)close(tell[0]);
		child_work(tell[1], seed);
	}
	(void)close(tell[1]);
	for (unsigned n = 0; n < 3 + seed % 60; n++) {
		if (read(tell[0], sums, sizeof(sums)) != (ssize_t)sizeof(sums))
			break;
		memcpy(last, sums, sizeof(last));
		if (n == 1 && ROUND_LOCKED(seed))
			other = db_lock();
	}
	(void)kill(pid, SIGKILL);
	while (read(tell[0], sums, sizeof(sums)) == (ssize_t)sizeof(sums))
		memcpy(last, sums, sizeof(last));
	(void)close(tell[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	(void)sqlite3_close(other);
	c = open_core(&l, &e); /* replays */
	CHECK(c != NULL);
	if (c == NULL) {
		(void)printf("  %s\n", e.text);
		return;
	}
	core_close(&c);
	loop_free(&l);
	if (seed <= 25 || seed % 25 == 0) /* the whole chain each time: its length grows */
		CHECK(verified());
	s = store_open_reader(data, &e);
	CHECK(s != NULL && store_usage_each(s, 0, on_usage_cell, &now, &e));
	store_close(&s);
	t->told_rows += last[0];
	t->told_cost += last[1];
	/* Whatever was acknowledged is there; what was in flight is charged, never refunded. */
	CHECK(now.rows - t->rows >= last[0]);
	CHECK(now.cost - t->cost >= last[1]);
	t->rows = now.rows;
	t->cost = now.cost;
}

static void
test_kills(int rounds)
{
	struct total t = { 0 };
	struct store *s;
	struct err e;

	TEST("kill -9 at random points: ledger = audit, nothing acknowledged is lost");
	s = store_open_reader(data, &e);
	if (s != NULL) {
		CHECK(store_usage_each(s, 0, on_usage_cell, &t, &e));
		store_close(&s);
	}
	for (int i = 0; i < rounds; i++)
		kill_once((unsigned)i + 1, &t);
	(void)printf("  %d kills, %lld passes acknowledged, %lld in the ledger\n", rounds,
	    (long long)t.told_rows, (long long)t.rows);
}

static void
test_full_disk(void)
{
	struct rlimit old, small = { 0, 0 };
	struct pass p = { .cut = cut }, q = { .cut = cut };
	struct ask ask = model_ask(100);
	struct loop *l;
	struct core *c;
	struct key *k;
	struct err e;

	TEST("a full disk: refused with 503, nothing lost, works again when there is room");
	c = open_core(&l, &e);
	k = c == NULL ? NULL : key_named(c, STR("k1"));
	CHECK(k != NULL);
	if (k == NULL)
		return;
	CHECK(gate_enter(c, &p, k, &ask, &e));
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	(void)setrlimit(RLIMIT_FSIZE, &small);
	loop_turn(l); /* the journal's write fails */
	CHECK(!core_ready(c, &e) && e.code == ERR_STORE);
	CHECK(!gate_enter(c, &q, k, &ask, &e) && e.code == ERR_STORE);
	gate_leave(&p, &(struct outcome){ .end = END_OK, .cost_nusd = 50 });
	loop_turn(l);
	CHECK(!core_ready(c, &e));
	(void)setrlimit(RLIMIT_FSIZE, &old);
	for (int i = 0; i < 3 && !core_ready(c, &e); i++)
		loop_turn(l);
	CHECK(core_ready(c, &e));
	CHECK(gate_enter(c, &q, k, &ask, &e));
	gate_leave(&q, &(struct outcome){ .end = END_OK, .cost_nusd = 1 });
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

static void
test_periods(void)
{
	int64_t a, b;

	TEST("calendar periods: leap day, year end, weeks from Monday");
	period_bounds(NULL, PERIOD_MONTH, 1709164800, &a, &b); /* 2024-02-29 */
	CHECK_EQ_I(a, 1706745600);
	CHECK_EQ_I(b, 1709251200);
	period_bounds(NULL, PERIOD_YEAR, 1735689599, &a, &b); /* 2024-12-31T23:59:59 */
	CHECK_EQ_I(a, 1704067200);
	CHECK_EQ_I(b, 1735689600);
	period_bounds(NULL, PERIOD_MONTH, 1735689599, &a, &b);
	CHECK_EQ_I(b, 1735689600);
	period_bounds(NULL, PERIOD_WEEK, 1735689599, &a, &b); /* a Tuesday */
	CHECK_EQ_I(a, 1735516800);
	CHECK_EQ_I(b - a, 7 * 86400);
	period_bounds(NULL, PERIOD_DAY, 1735689599, &a, &b);
	CHECK_EQ_I(b - a, 86400);
}

int
main(int argc, char **argv)
{
	log_setup(LOG_LEVEL_ERROR + (argc > 1 ? 0 : 1), false);
	bundle_make();
	(void)argv;
	test_periods();
	test_one_life();
	test_kills(argc > 1 ? 1000 : 25);
	test_full_disk();
	bundle_drop();
	return check_done();
}
