/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crash - the moments at which a pass could be settled twice, or a stop could last for ever.
 *
 * Each was seen to go wrong once: a process that dies after a recovery was committed and before
 * the journal was pruned; a journal that is rotated in the turn in which passes leave; a stop while
 * somebody else has the database locked.  unlink() stands here so that a child can be killed at
 * the first file that pruning would take away.
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "policies/core.h"
#include "tests/unit/core_rig.h"

#define PASSES 64

static bool unlink_kills;

int
unlink(const char *path)
{
	if (unlink_kills)
		(void)kill(getpid(), SIGKILL);
	return unlinkat(AT_FDCWD, path, 0);
}

static bool
on_row(void *ctx, int64_t seq, struct str event)
{
	int64_t *n = ctx;
	struct str word = STR("\"end\":\"crashed\"");

	(void)seq;
	if (memmem(event.p, event.n, word.p, word.n) != NULL)
		(*n)++;
	return true;
}

static int64_t
crashed_rows(void)
{
	struct audit_query q = { .id = STR("") };
	int64_t n = 0;
	struct err e;

	return audit_read(data, &q, on_row, &n, &e) ? n : -1;
}

static struct key *
key_new(struct core *c, const char *name)
{
	char secret[KEY_SECRET_BYTES + 1];
	struct err e;

	return key_create(c, &(struct key_spec){ .name = str_of(name), .user = STR("bob") },
	    STR("local:0"), secret, &e);
}

static _Noreturn void
child_enters(void)
{
	static struct pass p[3];
	struct ask ask = model_ask(USD);
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);
	struct key *k = c == NULL ? NULL : key_new(c, "k");

	for (size_t i = 0; k != NULL && i < COUNT(p); i++) {
		p[i].cut = cut;
		if (!gate_enter(c, &p[i], k, &ask, &e))
			_exit(2);
	}
	loop_turn(l);
	(void)kill(getpid(), SIGKILL);
	_exit(3);
}

static _Noreturn void
child_recovers(void)
{
	struct loop *l;
	struct err e;
	struct core *c;

	unlink_kills = true;
	c = open_core(&l, &e);
	(void)c;
	_exit(4); /* pruning should have ended this */
}

static bool
child_killed(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		fn();
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

static void
test_recovery_is_killed(void)
{
	struct loop *l;
	struct err e;
	struct core *c;

	TEST("open holds are settled once, however often the recovery itself is killed");
	CHECK(child_killed(child_enters));
	for (int i = 0; i < 3; i++) {
		CHECK(child_killed(child_recovers));
		CHECK_EQ_I(crashed_rows(), 3);
	}
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK_EQ_I(crashed_rows(), 3);
	CHECK_EQ_I(used(c, "acme"), 3 * USD);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

/* Every turn the passes of the last one leave and others enter, past two rotations. */
static void
test_rotation(void)
{
	static struct pass p[PASSES];
	const struct outcome done = { .end = END_OK, .cost_nusd = 1000 };
	struct ask ask = model_ask(1000);
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);
	struct key *k = c == NULL ? NULL : key_new(c, "rotating");
	int64_t before, entered = 0, crashed = crashed_rows();

	TEST("a journal rotated while passes leave carries only what is open");
	CHECK(k != NULL);
	if (k == NULL)
		return;
	before = used(c, "acme");
	for (int turn = 0; turn <= 600; turn++) {
		for (size_t i = 0; i < PASSES; i++) {
			if (pass_open(&p[i]))
				gate_leave(&p[i], &done);
			p[i].cut = cut;
			if (turn < 600)
				entered += gate_enter(c, &p[i], k, &ask, &e);
		}
		do /* admission ends where the scribe is too far behind */
			loop_turn(l);
		while (scribe_backlog_bytes(c->scribe) > (size_t)8 << 20);
	}
	CHECK_EQ_I(entered, 600 * PASSES);
	core_close(&c);
	loop_free(&l);
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK_EQ_I(crashed_rows(), crashed);
	CHECK_EQ_I(used(c, "acme") - before, entered * 1000);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

static void
test_stop_while_locked(void)
{
	struct pass p = { .cut = cut };
	struct ask ask = model_ask(5);
	char path[128];
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);
	sqlite3 *other = NULL;
	int64_t before;

	TEST("a stop does not wait for a locked database, and loses nothing");
	(void)snprintf(path, sizeof(path), "%s/tollgate.db", data);
	CHECK(c != NULL && sqlite3_open(path, &other) == SQLITE_OK);
	CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	before = used(c, "acme");
	CHECK(gate_enter(c, &p, key_named(c, STR("k")), &ask, &e));
	gate_leave(&p, &(struct outcome){ .end = END_OK, .cost_nusd = 5 });
	loop_turn(l);
	(void)alarm(20); /* it used to wait for ever */
	core_close(&c);
	(void)alarm(0);
	loop_free(&l);
	CHECK(sqlite3_close(other) == SQLITE_OK); /* rolls back */
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK_EQ_I(used(c, "acme") - before, 5);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

static void
test_locked(void)
{
	struct pass p = { .cut = cut };
	struct ask ask = model_ask(5);
	const struct outcome done = { .end = END_OK, .cost_nusd = 5 };
	char path[128];
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);
	struct key *k = c == NULL ? NULL : key_new(c, "locked");
	sqlite3 *other = NULL;
	int64_t before, entered = 0;

	TEST("a locked database ends admission with 503 until it is free, and a key still dies");
	CHECK(k != NULL);
	if (k == NULL)
		return;
	loop_turn(l);
	before = used(c, "acme");
	(void)snprintf(path, sizeof(path), "%s/tollgate.db", data);
	CHECK(sqlite3_open(path, &other) == SQLITE_OK);
	while (sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_BUSY)
		loop_turn(l);
	(void)alarm(30);
	while (gate_enter(c, &p, k, &ask, &e)) {
		gate_leave(&p, &done);
		entered++;
		loop_turn(l);
	}
	CHECK_EQ_I(err_http(e.code), 503);
	CHECK(entered > 0);
	CHECK(key_set_state(c, k, KEY_DISABLED, STR("test"), &e));
	CHECK(!key_usable(k, loop_wall_ns(l), &e));
	CHECK(sqlite3_close(other) == SQLITE_OK); /* rolls back */
	while (!core_ready(c, &e))
		loop_turn(l);
	(void)alarm(0);
	CHECK(key_set_state(c, k, KEY_ACTIVE, STR("test"), &e));
	CHECK(gate_enter(c, &p, k, &ask, &e));
	gate_leave(&p, &done);
	core_close(&c);
	loop_free(&l);
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK_EQ_I(used(c, "acme") - before, (entered + 1) * 5);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

static void
told(void *ctx)
{
	*(bool *)ctx = true;
}

/* strict: whoever waits is told after the commit; batched: after the journal's write. */
static void
test_durability(bool strict)
{
	struct pass p = { .cut = cut };
	struct ask ask = model_ask(5);
	struct core_settings set = { .data_dir = data, .policies_dir = bundle, .strict = strict };
	struct deferred d = { 0 };
	bool done = false;
	char path[128];
	struct err e;
	struct loop *l = loop_new(&e);
	struct core *c = l == NULL ? NULL : core_open(l, &set, &e);
	sqlite3 *other = NULL;

	TEST(strict ? "strict: a reply waits for the database" : "batched: it does not");
	CHECK(c != NULL);
	if (c == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s/tollgate.db", data);
	CHECK(sqlite3_open(path, &other) == SQLITE_OK);
	CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	CHECK(gate_enter(c, &p, key_named(c, STR("k")), &ask, &e));
	gate_leave(&p, &(struct outcome){ .end = END_OK, .cost_nusd = 5 });
	core_when_durable(c, &d, told, &done);
	loop_turn(l);
	CHECK(done == !strict);
	(void)alarm(20);
	while (core_ready(c, &e)) { /* the scribe tries and fails */
		struct pass more = { .cut = cut };

		if (gate_enter(c, &more, key_named(c, STR("k")), &ask, &e))
			gate_leave(&more, &(struct outcome){ .end = END_OK });
		loop_turn(l);
	}
	CHECK(done == !strict);
	CHECK(sqlite3_close(other) == SQLITE_OK); /* rolls back */
	while (!done)
		loop_turn(l);
	(void)alarm(0);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

/* In a folder that others may enter, too. */
static void
test_modes(void)
{
	static const char *const names[] = { "tollgate.db", "tollgate.db-wal", "lock",
		"journal.1" };
	struct err e;
	struct loop *l;
	struct core *c;

	TEST("what is kept is the gateway's own to read");
	CHECK(mkdir(data, 0755) == 0);
	(void)umask(0022);
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	for (size_t i = 0; i < COUNT(names); i++) {
		char path[128];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", data, names[i]);
		CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	}
	core_close(&c);
	loop_free(&l);
}

int
main(void)
{
	log_setup(LOG_LEVEL_ERROR, false);
	bundle_make();
	test_modes();
	test_recovery_is_killed();
	test_rotation();
	test_stop_while_locked();
	test_locked();
	test_durability(true);
	test_durability(false);
	bundle_drop();
	return check_done();
}
