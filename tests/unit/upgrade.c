/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade - what an older program has left is taken over exactly: its database, its backups, the
 * records of its journal.  What a newer one has left is refused.
 */
#include <sqlite3.h>
#include <string.h>

#include "tests/unit/core_rig.h"

static bool
sql(const char *text)
{
	char path[160];
	sqlite3 *db = NULL;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s/tollgate.db", data);
	ok = sqlite3_open(path, &db) == SQLITE_OK &&
	     sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
	if (!ok)
		(void)printf("  sql: %s\n", sqlite3_errmsg(db));
	(void)sqlite3_close(db);
	return ok;
}

/* As version 5 had it: the rows know what the kernel counted, the ledger does not. */
static bool
downgrade(void)
{
	return sql("ALTER TABLE usage DROP COLUMN cpu_us; ALTER TABLE usage DROP COLUMN memory_kb;"
		   "PRAGMA user_version=5");
}

static struct key *
key_of(struct core *c, const char *name, const char *user)
{
	char secret[KEY_SECRET_BYTES + 1];
	struct key *k = key_named(c, str_of(name));
	struct err e;

	return k != NULL
		   ? k
		   : key_create(c, &(struct key_spec){ .name = str_of(name), .user = str_of(user) },
			 STR("local:0"), secret, &e);
}

/* Scripts of two keys, and a call that is none. */
static void
work(struct core *c)
{
	static const struct {
		const char *key, *user;
		enum ask_kind kind;
		int64_t cpu_us, memory_kb;
	} done[] = { { "a", "ana", ASK_RUN, 1500, 900 }, { "a", "ana", ASK_RUN, 250, 4000 },
		{ "b", "bob", ASK_RUN, 7, 0 }, { "b", "bob", ASK_TOOL, 0, 0 } };

	for (size_t i = 0; i < COUNT(done); i++) {
		bool run = done[i].kind == ASK_RUN;
		struct ask ask = { .kind = done[i].kind,
			.name = run ? STR("run") : STR("notes/add_note") };
		struct key *k = key_of(c, done[i].key, done[i].user);
		struct pass p = { .cut = cut };
		struct err e = { 0 };

		if (!CHECK(k != NULL && gate_enter(c, &p, k, &ask, &e))) {
			(void)printf("  %s\n", e.text);
			return;
		}
		gate_leave(&p, &(struct outcome){ .end = END_OK,
				   .kept_bytes = run ? 100 : 0,
				   .cpu_us = done[i].cpu_us,
				   .memory_kb = done[i].memory_kb });
	}
}

static bool
on_cell(void *ctx, const struct usage_row *r)
{
	struct usage_row *sum = ctx;

	if (r->kind != ASK_RUN)
		return CHECK_EQ_I(r->cpu_us, 0);
	sum->requests += r->requests;
	sum->kept_bytes += r->kept_bytes;
	sum->cpu_us += r->cpu_us;
	sum->memory_kb = sum->memory_kb > r->memory_kb ? sum->memory_kb : r->memory_kb;
	return true;
}

static struct usage_row
ledger(void)
{
	struct usage_row sum = { 0 };
	struct err e;
	struct store *s = store_open_reader(data, &e);

	CHECK(s != NULL && store_usage_each(s, 0, on_cell, &sum, &e));
	store_close(&s);
	return sum;
}

static bool
opens(bool works)
{
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);

	if (!CHECK(c != NULL)) {
		(void)printf("  %s\n", e.text);
		return false;
	}
	if (works)
		work(c);
	core_close(&c);
	loop_free(&l);
	return true;
}

static void
test_database(void)
{
	struct buf out;
	struct err e;

	TEST("an older database: read as it is, taken over with what its rows know, and goes on");
	if (!opens(true) || !CHECK(downgrade()))
		return;
	CHECK(verified());
	CHECK_EQ_I(ledger().requests, 3);
	CHECK_EQ_I(ledger().cpu_us, 0);
	opens(false);
	CHECK(verified());
	CHECK_EQ_I(ledger().cpu_us, 1757);
	CHECK_EQ_I(ledger().memory_kb, 4000);
	opens(true);
	CHECK(verified());
	CHECK_EQ_I(ledger().requests, 6);
	CHECK_EQ_I(ledger().kept_bytes, 600);
	CHECK_EQ_I(ledger().cpu_us, 2 * 1757);
	CHECK_EQ_I(ledger().memory_kb, 4000);
	/* A number of the ledger that the rows do not say is found. */
	CHECK(sql("UPDATE usage SET cpu_us=cpu_us+1 WHERE kind=3"));
	buf_init(&out, 0);
	CHECK(!audit_verify(data, &out, &e));
	CHECK(sql("UPDATE usage SET cpu_us=cpu_us-1,memory_kb=memory_kb+1 WHERE kind=3"));
	CHECK(!audit_verify(data, &out, &e));
	buf_fini(&out);
	CHECK(sql("UPDATE usage SET memory_kb=memory_kb-1 WHERE kind=3"));
	CHECK(verified());
}

static void
test_backup(void)
{
	char file[160];
	struct restore_settings s = {
		.data_dir = data, .file = file, .accept_loss = true, .actor = STR("local:0")
	};
	struct buf out;
	struct err e;

	TEST("a backup that an older program made is restored");
	(void)snprintf(file, sizeof(file), "%s/old.db", dir);
	buf_init(&out, 0);
	if (!CHECK(downgrade()) || !CHECK(core_backup(data, file, &out, &e)) || !opens(true)) {
		(void)printf("  %s\n", e.text);
		return;
	}
	if (!CHECK(core_restore(&s, &out, &e)))
		(void)printf("  %s %s\n", e.text, buf_cstr(&out));
	buf_fini(&out);
	opens(false);
	CHECK(verified());
	CHECK_EQ_I(ledger().cpu_us, 2 * 1757);
}

static void
on_record(void *ctx, const struct journal_record *r)
{
	(void)ctx;
	(void)r;
}

/* One script's DONE record as version 5 wrote it: nine numbers of its cell, and a 1 before them. */
static void
old_record(struct buf *b)
{
	const int64_t old = 1;
	struct usage_row u = { .quarter_s = 900,
		.kind = ASK_RUN,
		.key = STR("k_old"),
		.customer = STR("acme"),
		.team = STR(""),
		.user = STR("bob"),
		.name = STR("run"),
		.requests = 1,
		.kept_bytes = 44,
		.cpu_us = 999 };
	size_t at = record_begin(b, STR("p_old"), STR(""), 1000), numbers;

	buf_puts(b, "{\"ts_ns\":1000,\"verdict\":\"ok\",\"id\":\"p_old\",\"kind\":\"run\","
		    "\"name\":\"run\",\"key\":\"k_old\",\"customer\":\"acme\",\"user\":\"bob\","
		    "\"entered_ns\":901000000000,\"kept_bytes\":44}");
	numbers = b->n;
	record_end(b, at, &(struct record_rows){ .usage = &u });
	memcpy(b->p + numbers, &old, sizeof(old));
	numbers += sizeof(old) * (1 + 9);
	memmove(b->p + numbers, b->p + numbers + 16, b->n - numbers - 16);
	b->n -= 16;
}

static void
test_journal(void)
{
	struct usage_row before = ledger();
	struct journal *j;
	struct buf written;
	struct store *s;
	struct sha256 hash;
	uint64_t applied = 0;
	int64_t rows;
	struct err e;

	TEST("a record that an older program left in the journal counts what it knew");
	s = store_open_reader(data, &e);
	CHECK(s != NULL && store_head(s, &rows, &hash, &applied, &e));
	store_close(&s);
	j = journal_open(data, applied + 1, on_record, NULL, &e);
	if (!CHECK(j != NULL))
		return;
	old_record(journal_begin(j));
	(void)journal_end(j, RECORD_DONE);
	buf_init(&written, 0);
	CHECK(journal_write(j, &written, &e));
	buf_fini(&written);
	journal_close(&j);
	opens(false);
	CHECK(verified());
	CHECK_EQ_I(ledger().requests, before.requests + 1);
	CHECK_EQ_I(ledger().kept_bytes, before.kept_bytes + 44);
	CHECK_EQ_I(ledger().cpu_us, before.cpu_us);
}

static void
test_newer(void)
{
	struct loop *l;
	struct store *s;
	struct err e = { 0 };

	TEST("a newer program's database is refused in one sentence, by readers too");
	CHECK(sql("PRAGMA user_version=1000"));
	CHECK(open_core(&l, &e) == NULL);
	CHECK(strstr(e.text, "is of version 1000, newer than this program's") != NULL);
	e.text[0] = '\0';
	s = store_open_reader(data, &e);
	CHECK(s == NULL && strstr(e.text, "is of version 1000, newer") != NULL);
	CHECK(sql("PRAGMA user_version=0"));
	s = store_open_reader(data, &e);
	CHECK(s == NULL && strstr(e.text, "no database of Tollgate") != NULL);
}

int
main(void)
{
	char path[160];

	bundle_make();
	(void)snprintf(path, sizeof(path), "%s/root/scripts.yaml", bundle);
	file_put(path, "version: 1\npolicy: scripts\napplies_to: \"*\"\nrules:\n"
		       "  - allow: code:run\n");
	test_database();
	test_backup();
	test_journal();
	test_newer();
	bundle_drop();
	return check_done();
}
