/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anchor - DATA/anchor and what goes by it: old databases, restores, gaps in the journal; and every
 * step at which a start or a restore may be killed.  fsync() and rename() stand here so that a
 * child can be killed at the n-th of them.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "policies/anchor.h"
#include "tests/unit/core_rig.h"

static int kill_at; /* 0: never */

static void
step(void)
{
	if (kill_at > 0 && --kill_at == 0)
		(void)kill(getpid(), SIGKILL);
}

int
fsync(int fd)
{
	step();
	return (int)syscall(SYS_fsync, fd);
}

int
rename(const char *from, const char *to)
{
	step();
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static const char *
at(const char *name)
{
	static char path[4][200];
	static int i;

	i = (i + 1) % 4;
	(void)snprintf(path[i], sizeof(path[i]), "%s/%s", data, name);
	return path[i];
}

static struct buf
slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char bytes[4096];
	struct buf b;
	size_t n;

	buf_init(&b, 0);
	while (f != NULL && (n = fread(bytes, 1, sizeof(bytes), f)) > 0)
		buf_put(&b, (struct str){ bytes, n });
	if (f != NULL)
		(void)fclose(f);
	return b;
}

static void
spill(const char *path, struct str bytes)
{
	FILE *f = fopen(path, "we");

	if (f == NULL || fwrite(bytes.p, 1, bytes.n, f) != bytes.n || fclose(f) != 0)
		abort();
}

static void
copy(const char *from, const char *to)
{
	struct buf b = slurp(from);

	spill(to, buf_str(&b));
	buf_fini(&b);
}

static struct key *
key_new(struct core *c, const char *name)
{
	char secret[KEY_SECRET_BYTES + 1];
	struct err e;

	return key_create(c, &(struct key_spec){ .name = str_of(name), .user = STR("ana") },
	    STR("local:0"), secret, &e);
}

static void
spend(struct core *c, const char *key, int64_t nusd)
{
	struct pass p = { .cut = cut };
	struct ask ask = model_ask(nusd);
	struct err e;

	CHECK(gate_enter(c, &p, key_named(c, str_of(key)), &ask, &e));
	gate_leave(&p, &(struct outcome){ .end = END_OK, .cost_nusd = nusd });
}

static enum key_state
state_of(struct core *c, const char *name)
{
	struct key *k = key_named(c, str_of(name));
	struct key_info i = { .state = 0 };

	if (k != NULL)
		key_info(k, &i);
	return i.state;
}

static void
close_core(struct core **c, struct loop **l)
{
	core_close(c);
	loop_free(l);
}

static bool
restored(const char *file, bool accept, struct err *e)
{
	const struct restore_settings s = { .data_dir = data,
		.file = file,
		.accept_loss = accept,
		.actor = STR("local:0"),
		.now_ns = (int64_t)time(NULL) * 1000000000 };
	struct buf out;
	bool ok;

	buf_init(&out, 0);
	ok = core_restore(&s, &out, e);
	buf_fini(&out);
	return ok;
}

static bool
backed_up(const char *file)
{
	struct buf out;
	struct err e;
	bool ok;

	buf_init(&out, 0);
	(void)unlink(file);
	ok = core_backup(data, file, &out, &e);
	buf_fini(&out);
	return ok;
}

static void
start_over(void)
{
	(void)nftw(data, unlink_cb, 16, FTW_DEPTH | FTW_PHYS);
}

/* A backup, and after it: a key revoked, one disabled, one rotated, 3 USD spent. */
static void
history(const char *backup)
{
	char secret[KEY_SECRET_BYTES + 1];
	struct loop *l;
	struct err e;
	struct core *c;

	start_over();
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		abort();
	CHECK(key_new(c, "stays") != NULL && key_new(c, "goes") != NULL &&
	      key_new(c, "rests") != NULL && key_new(c, "turns") != NULL);
	spend(c, "goes", USD);
	close_core(&c, &l);
	CHECK(backed_up(backup));
	c = open_core(&l, &e);
	CHECK(c != NULL);
	spend(c, "goes", USD);
	spend(c, "stays", 2 * USD);
	CHECK(key_set_state(c, key_named(c, STR("goes")), KEY_REVOKED, STR("local:0"), &e));
	CHECK(key_set_state(c, key_named(c, STR("rests")), KEY_DISABLED, STR("local:0"), &e));
	CHECK(key_rotate(c, key_named(c, STR("turns")), 3600 * USD, STR("local:0"), secret, &e) !=
	      NULL);
	close_core(&c, &l);
}

static void
what_must_hold(void)
{
	struct loop *l;
	struct err e = { 0 };
	struct core *c = open_core(&l, &e);
	struct key *k = NULL;
	struct key_info i = { .expires_ns = 0 };

	CHECK(c != NULL);
	if (c == NULL) {
		(void)printf("  %s\n", e.text);
		return;
	}
	CHECK_EQ_I(state_of(c, "stays"), KEY_ACTIVE);
	CHECK_EQ_I(state_of(c, "goes"), KEY_REVOKED);
	CHECK_EQ_I(state_of(c, "rests"), KEY_DISABLED);
	while ((k = key_next(c, k)) != NULL && !str_eq(i.name, STR("turns"))) /* the first one */
		key_info(k, &i);
	CHECK(str_eq(i.name, STR("turns")) && i.expires_ns > 0);
	CHECK_EQ_I(used(c, "acme"), 4 * USD);
	CHECK_EQ_I(used(c, "acme/payments/ana"), 4 * USD);
	spend(c, "stays", USD);
	close_core(&c, &l);
	CHECK(verified());
}

static void
test_old_copy(void)
{
	struct loop *l;
	struct err e = { 0 };
	char backup[96];

	TEST("an older database is refused at start, and comes back only with what happened since");
	(void)snprintf(backup, sizeof(backup), "%s/backup", dir);
	history(backup);
	(void)unlink(at("tollgate.db-wal"));
	copy(backup, at("tollgate.db"));
	CHECK(open_core(&l, &e) == NULL);
	CHECK(e.code == ERR_STORE && strstr(e.text, "tollgate restore") != NULL);
	CHECK(restored(at("tollgate.db"), false, &e));
	what_must_hold();
	CHECK(restored(backup, false, &e)); /* again: nothing is charged twice, nothing lost */
	{
		struct core *c = open_core(&l, &e);

		CHECK(c != NULL);
		if (c != NULL) {
			CHECK_EQ_I(used(c, "acme"), 5 * USD);
			CHECK_EQ_I(state_of(c, "goes"), KEY_REVOKED);
			close_core(&c, &l);
		}
	}
	CHECK(verified());
}

static void
test_broken_database(void)
{
	struct err e = { 0 };
	struct loop *l;
	char backup[96];

	TEST("a database that cannot be read any more is replaced without loss");
	(void)snprintf(backup, sizeof(backup), "%s/backup", dir);
	history(backup);
	spill(at("tollgate.db"), STR("this is no database, and has been one"));
	CHECK(open_core(&l, &e) == NULL);
	CHECK(restored(backup, false, &e));
	what_must_hold();
}

/* The journal has what the anchor has not seen yet. */
static _Noreturn void
child_revokes(void)
{
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);

	if (c == NULL)
		_exit(2);
	spend(c, "stays", USD);
	if (!key_set_state(c, key_named(c, STR("stays")), KEY_REVOKED, STR("local:0"), &e))
		_exit(3);
	loop_turn(l);
	(void)kill(getpid(), SIGKILL);
	_exit(4);
}

static bool
killed(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		fn();
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

static void
test_journal_counts(void)
{
	struct err e = { 0 };
	struct loop *l;
	struct core *c;
	char backup[96];

	TEST("what only the journal knows is restored as well");
	(void)snprintf(backup, sizeof(backup), "%s/backup", dir);
	history(backup);
	CHECK(killed(child_revokes));
	CHECK(restored(backup, false, &e));
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK_EQ_I(state_of(c, "stays"), KEY_REVOKED);
	CHECK_EQ_I(used(c, "acme"), 5 * USD);
	close_core(&c, &l);
	CHECK(verified());
}

static void
test_no_anchor(void)
{
	struct err e = { 0 };
	struct loop *l;
	struct core *c;
	char backup[96];

	TEST("without its anchor a database is not believed, and a restore says what is unknown");
	(void)snprintf(backup, sizeof(backup), "%s/backup", dir);
	history(backup);
	(void)unlink(at("anchor"));
	CHECK(open_core(&l, &e) == NULL);
	CHECK(strstr(e.text, "anchor is missing") != NULL);
	CHECK(!restored(at("tollgate.db"), false, &e));
	CHECK(strstr(e.text, "--accept-loss") != NULL);
	CHECK(restored(at("tollgate.db"), true, &e));
	what_must_hold(); /* it was the newest, after all */

	start_over(); /* a new machine, and nothing but the backup */
	CHECK(!restored(backup, false, &e));
	CHECK(restored(backup, true, &e));
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK_EQ_I(used(c, "acme"), USD);
	close_core(&c, &l);
	CHECK(verified());

	start_over(); /* a new machine that has begun a chain of its own */
	c = open_core(&l, &e);
	CHECK(c != NULL && key_new(c, "own") != NULL);
	close_core(&c, &l);
	CHECK(!restored(backup, false, &e));
	CHECK(strstr(e.text, "another chain") != NULL);
	CHECK(restored(backup, true, &e));
	c = open_core(&l, &e);
	CHECK(c != NULL);
	if (c == NULL)
		return;
	CHECK(key_named(c, STR("own")) == NULL && key_named(c, STR("goes")) != NULL);
	close_core(&c, &l);
	CHECK(verified());
}

static void
test_damaged(void)
{
	struct buf good, bad;
	struct err e = { 0 };
	struct loop *l;
	char backup[96];

	TEST("a damaged anchor, and a damaged backup, are told and change nothing");
	(void)snprintf(backup, sizeof(backup), "%s/backup", dir);
	history(backup);
	good = slurp(at("anchor"));
	bad = slurp(at("anchor"));
	bad.p[bad.n / 2] ^= 1;
	spill(at("anchor"), buf_str(&bad));
	CHECK(open_core(&l, &e) == NULL);
	CHECK(strstr(e.text, "damaged") != NULL);
	spill(at("anchor"), buf_str(&good));
	buf_fini(&bad);
	buf_fini(&good);
	good = slurp(backup);
	bad = slurp(backup);
	for (size_t i = 0; i + 4 < bad.n; i++)
		if (memcmp(bad.p + i, "goes", 4) == 0)
			bad.p[i] = 'G';
	spill(backup, buf_str(&bad));
	CHECK(!restored(backup, true, &e));
	buf_fini(&bad);
	buf_fini(&good);
	what_must_hold();
}

/* ---- killed at every step ---- */

static char child_backup[96];

static _Noreturn void
child_restores(void)
{
	struct err e;

	_exit(restored(child_backup, false, &e) ? 0 : 1);
}

static _Noreturn void
child_starts(void)
{
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);

	if (c == NULL)
		_exit(1);
	close_core(&c, &l);
	_exit(0);
}

static void
test_killed(void)
{
	struct err e = { 0 };
	struct loop *l;
	int steps = 0;

	TEST("a restore that is killed at any step is begun again, and ends as if it never was");
	(void)snprintf(child_backup, sizeof(child_backup), "%s/backup", dir);
	for (int n = 1;; n++) {
		struct core *c;

		history(child_backup);
		kill_at = n;
		if (!killed(child_restores)) {
			kill_at = 0;
			break;
		}
		kill_at = 0;
		steps++;
		/* What is there now either starts, or says that the restore must be run again. */
		c = open_core(&l, &e);
		if (c != NULL) {
			CHECK_EQ_I(state_of(c, "goes"), KEY_REVOKED);
			CHECK_EQ_I(used(c, "acme"), 4 * USD);
			close_core(&c, &l);
		} else {
			CHECK(strstr(e.text, "restore") != NULL);
		}
		CHECK(restored(child_backup, false, &e));
		what_must_hold();
	}
	CHECK(steps >= 8);
	TEST("a start that is killed at any step leaves a database that starts");
	for (int n = 1; n < 100; n++) {
		history(child_backup);
		CHECK(killed(child_revokes));
		kill_at = n;
		if (!killed(child_starts)) {
			kill_at = 0;
			CHECK(n >= 4);
			break;
		}
		kill_at = 0;
		{
			struct core *c = open_core(&l, &e);

			CHECK(c != NULL);
			if (c == NULL)
				break;
			CHECK_EQ_I(state_of(c, "stays"), KEY_REVOKED);
			CHECK_EQ_I(used(c, "acme"), 5 * USD);
			close_core(&c, &l);
		}
	}
}

/* ---- gaps ---- */

static _Noreturn void
child_writes_journal(void)
{
	struct buf written;
	struct err e;
	struct journal *j = journal_open(data, 1, NULL, NULL, &e);

	for (int i = 0; j != NULL && i < 9; i++) {
		buf_puts(journal_begin(j), "a record");
		(void)journal_end(j, RECORD_OPEN);
		buf_init(&written, 0);
		if (!journal_write(j, &written, &e) || (i % 3 == 2 && !journal_rotate(j, &e)))
			_exit(1);
		buf_fini(&written);
	}
	_exit(j == NULL);
}

static void
journal_make(void)
{
	int status;
	pid_t pid;

	start_over();
	(void)mkdir(data, 0700);
	pid = fork();
	if (pid == 0)
		child_writes_journal();
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void
count(void *ctx, const struct journal_record *r)
{
	(void)r;
	(*(int *)ctx)++;
}

static void
test_gaps(void)
{
	struct err e = { 0 };
	struct buf b;
	uint64_t last;
	int n = 0;

	TEST("a record or a file that is missing in the journal is told, a torn end is not");
	journal_make();
	CHECK(journal_read(data, 1, count, &n, &last, &e) && n == 9 && last == 9);
	CHECK(unlink(at("journal.2")) == 0); /* 4, 5, 6 */
	n = 0;
	CHECK(!journal_read(data, 1, count, &n, &last, &e) && n == 3);
	CHECK(strstr(e.text, "lacks records 4 to 6") != NULL);
	n = 0; /* the database has them */
	CHECK(journal_read(data, 7, count, &n, &last, &e) && n == 6 && last == 9);

	journal_make();
	CHECK(unlink(at("journal.1")) == 0);
	CHECK(!journal_read(data, 1, count, &n, &last, &e));
	CHECK(journal_read(data, 4, count, &n, &last, &e));

	journal_make(); /* damage in the middle of the last one that has records */
	b = slurp(at("journal.3"));
	b.p[b.n / 2] ^= 1;
	spill(at("journal.3"), buf_str(&b));
	CHECK(!journal_read(data, 1, count, &n, &last, &e));
	CHECK(strstr(e.text, "damaged after record 7") != NULL);
	b.n = b.n / 2; /* torn there */
	spill(at("journal.3"), buf_str(&b));
	n = 0;
	CHECK(journal_read(data, 1, count, &n, &last, &e) && n == 7 && last == 7);
	buf_fini(&b);
}

/* ---- the text ---- */

static void
test_text(void)
{
	static const char *const lies[] = {
		"",
		"{}",
		"[1,2]",
		"{\"version\":2}",
		"{\"version\":1,\"seq\":-1}",
	};
	struct usage_row u = { .quarter_s = 20000ll * 86400 + 900,
		.customer = STR("acme"),
		.team = STR("pay\"ments"),
		.key = STR("k_1"),
		.cost_nusd = 5 };
	struct key_row k = { .id = STR("k_1"), .state = KEY_DISABLED };
	struct anchor a, b;
	struct buf t, t2;
	struct err e;

	TEST("the text is read as it was written; a lie is refused whatever its digest says");
	anchor_init(&a);
	a.head.seq = 7;
	a.applied = 99;
	anchor_note_usage(&a, &u);
	anchor_note_usage(&a, &u);
	anchor_note_key(&a, &k);
	buf_init(&t, 0);
	buf_init(&t2, 0);
	anchor_text(&a, &t);
	CHECK(anchor_parse(&b, buf_str(&t), &e));
	anchor_text(&b, &t2);
	CHECK(str_eq(buf_str(&t), buf_str(&t2)));
	CHECK_EQ_I(b.spend.n, 1);
	k.state = KEY_ACTIVE; /* enabled again: nothing to remember */
	anchor_note_key(&b, &k);
	CHECK_EQ_I(b.keys.n, 0);
	u.quarter_s +=
	    (ANCHOR_DAYS + 1) * 86400ll; /* the first day is forgotten, and that is known */
	anchor_note_usage(&b, &u);
	CHECK_EQ_I(b.spend.n, 1);
	CHECK_EQ_I(b.spend_from_s, 20001ll * 86400);
	anchor_fini(&b);
	for (size_t i = 0; i < COUNT(lies); i++) {
		struct sha256 d;

		buf_reset(&t);
		buf_puts(&t, lies[i]);
		sha256(&d, buf_str(&t));
		buf_puts(&t, "sha256 ");
		buf_hex(&t, d.b, SHA256_BYTES);
		buf_putc(&t, '\n');
		CHECK(!anchor_parse(&b, buf_str(&t), &e) && e.code == ERR_STORE);
		anchor_fini(&b);
	}
	buf_fini(&t);
	buf_fini(&t2);
	anchor_fini(&a);
}

static void
test_many_cells(void)
{
	struct usage_row u = { .customer = STR("acme"), .cost_nusd = 1 };
	char user[16];
	struct anchor a;

	TEST("an anchor has a limit: the oldest days go first, and it knows from when it is whole");
	anchor_init(&a);
	for (int64_t day = 20000; day < 20003; day++)
		for (int i = 0; i < ANCHOR_CELLS / 2; i++) {
			(void)snprintf(user, sizeof(user), "u%d", i);
			u.user = str_of(user);
			u.quarter_s = day * 86400;
			anchor_note_usage(&a, &u);
		}
	CHECK(a.spend.n <= ANCHOR_CELLS);
	CHECK_EQ_I(a.spend_from_s, 20001ll * 86400);
	anchor_fini(&a);
}

int
main(void)
{
	log_setup(LOG_LEVEL_ERROR, false);
	bundle_make();
	test_text();
	test_many_cells();
	test_gaps();
	test_old_copy();
	test_broken_database();
	test_journal_counts();
	test_no_anchor();
	test_damaged();
	test_killed();
	bundle_drop();
	return check_done();
}
