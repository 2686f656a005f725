/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_sqlite - the one door to SQLite.
 *
 * WAL with synchronous=FULL: commits are grouped by the scribe, so durability costs nothing that
 * can be felt.  The schema's version is PRAGMA user_version; a database that is newer than this
 * program is refused in one sentence.
 *
 * `usage` is the ledger: budgets are sums over it, and `audit verify` recomputes it from the rows.
 */
#include "base/log.h"
#include "policies/policies.h"
#include "policies/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_VERSION 6
#define METERED       6          /* the version whose ledger counts CPU and memory */
#define BUSY_MS       200        /* the scribe tries again; a reader gives up */
#define ANCHORED      1953459308 /* PRAGMA application_id; "toll" */

enum sql {
	SQL_AUDIT,
	SQL_USAGE,
	SQL_KEY,
	SQL_APPROVAL,
	SQL_NOTE,
	SQL_FORGET,
	SQL_KEEP,
	SQL_DROP,
	SQL_APPLIED,
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_N
};

static const char *const sql_text[SQL_N] = {
	[SQL_AUDIT] = "INSERT INTO audit(seq,ts_ns,id,parent,event,hash) VALUES(?,?,?,?,?,?)",
	[SQL_USAGE] = "INSERT INTO usage VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
		      "ON CONFLICT DO UPDATE SET requests=requests+excluded.requests,"
		      "refused=refused+excluded.refused,input=input+excluded.input,"
		      "output=output+excluded.output,"
		      "cache_write=cache_write+excluded.cache_write,"
		      "cache_read=cache_read+excluded.cache_read,cost_nusd=cost_nusd+"
		      "excluded.cost_nusd,kept_bytes=kept_bytes+excluded.kept_bytes,"
		      "cpu_us=cpu_us+excluded.cpu_us,"
		      "memory_kb=max(memory_kb,excluded.memory_kb)",
	[SQL_KEY] =
	    "INSERT INTO keys VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "
	    "state=excluded.state,expires_ns=excluded.expires_ns,budget=excluded.budget",
	/* 1 waits, 2 is granted; whatever else is for ever. */
	[SQL_APPROVAL] = "INSERT INTO approvals VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?) "
			 "ON CONFLICT(id) DO UPDATE SET shown=excluded.shown,state=excluded.state,"
			 "given=excluded.given,expires_ns=excluded.expires_ns "
			 "WHERE approvals.state IN (1,2)",
	[SQL_NOTE] = "INSERT INTO notes VALUES(?,?) ON CONFLICT(name) DO UPDATE SET "
		     "value=excluded.value",
	[SQL_FORGET] = "DELETE FROM notes WHERE name=?",
	[SQL_KEEP] = "INSERT INTO kept VALUES(?,?,?,?) ON CONFLICT(key,name) DO UPDATE SET "
		     "value=excluded.value,until_ns=excluded.until_ns",
	/* '0' follows '/': the name itself, and what is below it. */
	[SQL_DROP] = "DELETE FROM kept WHERE key=?1 AND (?2='' OR name=?2 OR "
		     "(name>=?2||'/' AND name<?2||'0'))",
	[SQL_APPLIED] = "UPDATE meta SET applied=?",
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
};

/* What leads from one version to the next; the first from nothing. */
static const char *const migrations[STORE_VERSION] = {
	"CREATE TABLE meta(applied INTEGER NOT NULL);"
	"INSERT INTO meta VALUES(0);"
	"CREATE TABLE audit(seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, id TEXT NOT NULL,"
	" parent TEXT NOT NULL, event TEXT NOT NULL, hash BLOB NOT NULL);"
	"CREATE TABLE keys(id TEXT PRIMARY KEY, name TEXT NOT NULL, customer TEXT NOT NULL,"
	" team TEXT NOT NULL, user TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, state INTEGER NOT "
	"NULL,"
	" created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE usage(quarter_s INTEGER NOT NULL, kind INTEGER NOT NULL, key TEXT NOT NULL,"
	" customer TEXT NOT NULL, team TEXT NOT NULL, user TEXT NOT NULL, name TEXT NOT NULL,"
	" requests INTEGER NOT NULL, refused INTEGER NOT NULL, input INTEGER NOT NULL,"
	" output INTEGER NOT NULL, cache_write INTEGER NOT NULL, cache_read INTEGER NOT NULL,"
	" cost_nusd INTEGER NOT NULL, kept_bytes INTEGER NOT NULL,"
	" PRIMARY KEY(quarter_s,kind,key,customer,team,user,name)) WITHOUT ROWID;"
	"PRAGMA user_version=1;",
	"ALTER TABLE keys ADD COLUMN tags TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE keys ADD COLUMN scope TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE keys ADD COLUMN budget TEXT NOT NULL DEFAULT '';"
	"PRAGMA user_version=2;",
	"CREATE TABLE approvals(id TEXT PRIMARY KEY, key TEXT NOT NULL, name TEXT NOT NULL,"
	" rev TEXT NOT NULL, rules TEXT NOT NULL, shown TEXT NOT NULL, args BLOB NOT NULL,"
	" args_bytes INTEGER NOT NULL, kind INTEGER NOT NULL, state INTEGER NOT NULL,"
	" given INTEGER NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL)"
	" WITHOUT ROWID;"
	"PRAGMA user_version=3;",
	"CREATE TABLE notes(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"PRAGMA user_version=4;",
	"CREATE TABLE kept(key TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,"
	" until_ns INTEGER NOT NULL, PRIMARY KEY(key,name)) WITHOUT ROWID;"
	"PRAGMA user_version=5;",
	/* What the rows know already is counted, so that the ledger goes on to be their sum; 3 is
	 * ASK_RUN. */
	"ALTER TABLE usage ADD COLUMN cpu_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE usage ADD COLUMN memory_kb INTEGER NOT NULL DEFAULT 0;"
	"UPDATE usage SET cpu_us=s.cpu_us,memory_kb=s.memory_kb FROM (SELECT"
	" json_extract(event,'$.entered_ns')/900000000000*900 AS quarter_s,"
	" json_extract(event,'$.key') AS key,"
	" coalesce(json_extract(event,'$.customer'),'') AS customer,"
	" coalesce(json_extract(event,'$.team'),'') AS team,"
	" coalesce(json_extract(event,'$.user'),'') AS user,"
	" json_extract(event,'$.name') AS name,"
	" coalesce(sum(json_extract(event,'$.cpu_us')),0) AS cpu_us,"
	" max(coalesce(json_extract(event,'$.memory_kb'),0)) AS memory_kb"
	" FROM audit WHERE CASE WHEN json_valid(event)"
	" THEN json_extract(event,'$.kind')='run' ELSE 0 END"
	" GROUP BY 1,2,3,4,5,6) AS s "
	"WHERE usage.kind=3 AND usage.quarter_s=s.quarter_s AND usage.key=s.key AND"
	" usage.customer=s.customer AND usage.team=s.team AND usage.user=s.user AND"
	" usage.name=s.name;"
	"PRAGMA user_version=6;",
};

struct store {
	sqlite3 *db;
	int64_t version;
	sqlite3_stmt *stmt[SQL_N];
};

static bool
db_err(struct store *s, const char *what, struct err *e)
{
	return err_set(e, ERR_STORE, "%s: %s", what, sqlite3_errmsg(s->db));
}

void
store_close(struct store **sp)
{
	struct store *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	for (int i = 0; i < SQL_N; i++)
		(void)sqlite3_finalize(s->stmt[i]);
	(void)sqlite3_close(s->db);
	free(s);
}

static bool
run(struct store *s, const char *sql, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
	       db_err(s, "the database", e);
}

/* A question asked once; `argument` is its only parameter, if it has one.  NULL: *e. */
static sqlite3_stmt *
query(struct store *s, const char *sql, int64_t argument, struct err *e)
{
	sqlite3_stmt *q = NULL;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK) {
		(void)db_err(s, "the database", e);
		return NULL;
	}
	if (sqlite3_bind_parameter_count(q) > 0)
		(void)sqlite3_bind_int64(q, 1, argument);
	return q;
}

/* Closes the query; rc is its last step, SQLITE_ROW when there may be more of it. */
static bool
query_end(struct store *s, sqlite3_stmt *q, int rc, struct err *e)
{
	(void)sqlite3_finalize(q);
	return rc == SQLITE_DONE || rc == SQLITE_ROW || db_err(s, "the database", e);
}

static bool
scalar(struct store *s, const char *sql, int64_t *out, struct err *e)
{
	sqlite3_stmt *q = query(s, sql, 0, e);
	bool ok = q != NULL && sqlite3_step(q) == SQLITE_ROW;

	if (q == NULL)
		return false;
	if (ok)
		*out = sqlite3_column_int64(q, 0);
	(void)sqlite3_finalize(q);
	return ok || db_err(s, "the database", e);
}

static bool
version_read(struct store *s, struct err *e)
{
	if (!scalar(s, "PRAGMA user_version", &s->version, e))
		return false;
	return s->version <= STORE_VERSION ||
	       err_set(e, ERR_STORE,
		   "the database is of version %lld, newer than this program's %d (upgrade it)",
		   (long long)s->version, STORE_VERSION);
}

static bool
migrate(struct store *s, struct err *e)
{
	if (s->version > 0 && s->version < STORE_VERSION)
		log_info(NULL, "the database is made one of this version, which reads all of it",
		    F_INT("from", s->version), F_INT("to", STORE_VERSION));
	for (; s->version < STORE_VERSION; s->version++)
		if (!run(s, "BEGIN IMMEDIATE", e) || !run(s, migrations[s->version], e) ||
		    !run(s, "COMMIT", e))
			return false;
	return true;
}

static struct store *
db_open(const char *data_dir, int flags, struct err *e)
{
	bool reads = (flags & SQLITE_OPEN_READONLY) != 0;
	struct store *s = mem_zalloc(sizeof(*s));
	struct stat st;
	char path[4096];
	bool file = reads && stat(data_dir, &st) == 0 && S_ISREG(st.st_mode);
	int cause;

	(void)snprintf(path, sizeof(path), "%s%s", data_dir, file ? "" : "/tollgate.db");
	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK) {
		(void)sqlite3_busy_timeout(s->db, BUSY_MS);
		return s;
	}
	cause = sqlite3_system_errno(s->db);
	(void)err_set(e, reads ? ERR_NOT_FOUND : ERR_STORE, "cannot open %s: %s", path,
	    cause != 0 ? strerrorname_np(cause) : sqlite3_errmsg(s->db));
	store_close(&s);
	return NULL;
}

/* Nobody else's to read, whatever the umask; SQLite gives its other files the same mode. */
static void
file_make(const char *data_dir)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/tollgate.db", data_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0) /* else db_open() says why */
		(void)close(fd);
}

struct store *
store_open(const char *data_dir, struct err *e)
{
	struct store *s;
	bool ok;

	file_make(data_dir);
	s = db_open(data_dir, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e);
	ok = s != NULL && run(s, "PRAGMA journal_mode=WAL", e) &&
	     run(s, "PRAGMA synchronous=FULL", e) && run(s, "PRAGMA wal_autocheckpoint=4000", e) &&
	     version_read(s, e) && migrate(s, e);

	for (int i = 0; ok && i < SQL_N; i++)
		ok = sqlite3_prepare_v3(s->db, sql_text[i], -1, SQLITE_PREPARE_PERSISTENT,
			 &s->stmt[i], NULL) == SQLITE_OK ||
		     db_err(s, "the database", e);
	if (!ok)
		store_close(&s);
	return s;
}

struct store *
store_open_reader(const char *data_dir, struct err *e)
{
	struct store *s = db_open(data_dir, SQLITE_OPEN_READONLY, e);

	if (s != NULL && !version_read(s, e))
		store_close(&s);
	else if (s != NULL && s->version == 0) {
		(void)err_set(e, ERR_STORE, "%s holds no database of Tollgate", data_dir);
		store_close(&s);
	}
	return s;
}

bool
store_metered(const struct store *s)
{
	return s->version >= METERED;
}

/* ---- writing ---- */

static bool
step(struct store *s, enum sql which, struct err *e)
{
	int rc = sqlite3_step(s->stmt[which]);

	(void)sqlite3_reset(s->stmt[which]);
	return rc == SQLITE_DONE || db_err(s, "the database", e);
}

bool
store_begin(struct store *s, struct err *e)
{
	return step(s, SQL_BEGIN, e);
}

bool
store_commit(struct store *s, struct err *e)
{
	return step(s, SQL_COMMIT, e);
}

void
store_rollback(struct store *s)
{
	if (sqlite3_get_autocommit(s->db) == 0)
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

static void
bind_str(sqlite3_stmt *q, int i, struct str s)
{
	(void)sqlite3_bind_text(q, i, s.n > 0 ? s.p : "", (int)s.n, SQLITE_STATIC);
}

bool
store_audit_put(struct store *s, const struct audit_row *r, struct err *e)
{
	sqlite3_stmt *q = s->stmt[SQL_AUDIT];

	(void)sqlite3_bind_int64(q, 1, r->seq);
	(void)sqlite3_bind_int64(q, 2, r->ts_ns);
	bind_str(q, 3, r->id);
	bind_str(q, 4, r->parent);
	bind_str(q, 5, r->event);
	(void)sqlite3_bind_blob(q, 6, r->hash.b, SHA256_BYTES, SQLITE_STATIC);
	return step(s, SQL_AUDIT, e);
}

bool
store_usage_add(struct store *s, const struct usage_row *r, struct err *e)
{
	sqlite3_stmt *q = s->stmt[SQL_USAGE];
	const int64_t numbers[] = { r->requests, r->refused, r->input, r->output, r->cache_write,
		r->cache_read, r->cost_nusd, r->kept_bytes, r->cpu_us, r->memory_kb };

	(void)sqlite3_bind_int64(q, 1, r->quarter_s);
	(void)sqlite3_bind_int(q, 2, r->kind);
	bind_str(q, 3, r->key);
	bind_str(q, 4, r->customer);
	bind_str(q, 5, r->team);
	bind_str(q, 6, r->user);
	bind_str(q, 7, r->name);
	for (int i = 0; i < (int)COUNT(numbers); i++)
		(void)sqlite3_bind_int64(q, 8 + i, numbers[i]);
	return step(s, SQL_USAGE, e);
}

bool
store_key_put(struct store *s, const struct key_row *r, struct err *e)
{
	sqlite3_stmt *q = s->stmt[SQL_KEY];

	bind_str(q, 1, r->id);
	bind_str(q, 2, r->name);
	bind_str(q, 3, r->customer);
	bind_str(q, 4, r->team);
	bind_str(q, 5, r->user);
	(void)sqlite3_bind_blob(q, 6, r->digest.b, SHA256_BYTES, SQLITE_STATIC);
	(void)sqlite3_bind_int(q, 7, r->state);
	(void)sqlite3_bind_int64(q, 8, r->created_ns);
	(void)sqlite3_bind_int64(q, 9, r->expires_ns);
	bind_str(q, 10, r->tags);
	bind_str(q, 11, r->scope);
	bind_str(q, 12, r->budget);
	return step(s, SQL_KEY, e);
}

bool
store_approval_put(struct store *s, const struct approval_row *r, struct err *e)
{
	sqlite3_stmt *q = s->stmt[SQL_APPROVAL];
	const struct str texts[] = { r->id, r->key, r->name, r->rev, r->rules, r->shown };
	const int64_t numbers[] = { r->args_bytes, r->kind, r->state, r->given, r->created_ns,
		r->expires_ns };

	for (int i = 0; i < (int)COUNT(texts); i++)
		bind_str(q, 1 + i, texts[i]);
	(void)sqlite3_bind_blob(q, 7, r->args.b, SHA256_BYTES, SQLITE_STATIC);
	for (int i = 0; i < (int)COUNT(numbers); i++)
		(void)sqlite3_bind_int64(q, 8 + i, numbers[i]);
	return step(s, SQL_APPROVAL, e);
}

bool
store_note_put(struct store *s, const struct note_row *r, struct err *e)
{
	sqlite3_stmt *q = s->stmt[r->value.n > 0 ? SQL_NOTE : SQL_FORGET];

	bind_str(q, 1, r->name);
	if (r->value.n > 0)
		bind_str(q, 2, r->value);
	return step(s, r->value.n > 0 ? SQL_NOTE : SQL_FORGET, e);
}

bool
store_kept_put(struct store *s, const struct kept_row *k, struct err *e)
{
	const bool keep = k->value.p != NULL;
	sqlite3_stmt *q = s->stmt[keep ? SQL_KEEP : SQL_DROP];

	bind_str(q, 1, k->key);
	bind_str(q, 2, k->name);
	if (keep) {
		(void)sqlite3_bind_blob(q, 3, k->value.p, (int)k->value.n, SQLITE_STATIC);
		(void)sqlite3_bind_int64(q, 4, k->until_ns);
	}
	return step(s, keep ? SQL_KEEP : SQL_DROP, e);
}

bool
store_applied_put(struct store *s, uint64_t seq, struct err *e)
{
	(void)sqlite3_bind_int64(s->stmt[SQL_APPLIED], 1, (int64_t)seq);
	return step(s, SQL_APPLIED, e);
}

bool
store_approvals_prune(struct store *s, int64_t before_ns, struct err *e)
{
	sqlite3_stmt *q = query(s, "DELETE FROM approvals WHERE expires_ns<?", before_ns, e);

	return q != NULL && query_end(s, q, sqlite3_step(q), e);
}

bool
store_kept_prune(struct store *s, int64_t now_ns, struct err *e)
{
	sqlite3_stmt *q = query(s, "DELETE FROM kept WHERE until_ns<?", now_ns, e);

	return q != NULL && query_end(s, q, sqlite3_step(q), e);
}

/* ---- reading ---- */

bool
store_snapshot(struct store *s, struct err *e)
{
	return run(s, "BEGIN", e);
}

static struct str
column_str(sqlite3_stmt *q, int i)
{
	const char *p = (const char *)sqlite3_column_text(q, i);

	return (struct str){ p == NULL ? "" : p, (size_t)sqlite3_column_bytes(q, i) };
}

static void
column_hash(sqlite3_stmt *q, int i, struct sha256 *out)
{
	const void *p = sqlite3_column_blob(q, i);

	memset(out, 0, sizeof(*out));
	if (p != NULL && sqlite3_column_bytes(q, i) == SHA256_BYTES)
		memcpy(out->b, p, SHA256_BYTES);
}

bool
store_head(
    struct store *s, int64_t *audit_seq, struct sha256 *hash, uint64_t *applied, struct err *e)
{
	sqlite3_stmt *q;
	int64_t n = 0;
	int rc;

	*audit_seq = 0;
	memset(hash, 0, sizeof(*hash));
	if (!scalar(s, "SELECT applied FROM meta", &n, e))
		return false;
	*applied = (uint64_t)n;
	q = query(s, "SELECT seq,hash FROM audit ORDER BY seq DESC LIMIT 1", 0, e);
	if (q == NULL)
		return false;
	rc = sqlite3_step(q);
	if (rc == SQLITE_ROW) {
		*audit_seq = sqlite3_column_int64(q, 0);
		column_hash(q, 1, hash);
	}
	return query_end(s, q, rc, e);
}

bool
store_hash_at(struct store *s, int64_t seq, struct sha256 *out, bool *found, struct err *e)
{
	sqlite3_stmt *q = query(s, "SELECT hash FROM audit WHERE seq=?", seq, e);
	int rc;

	memset(out, 0, sizeof(*out));
	if (q == NULL)
		return false;
	rc = sqlite3_step(q);
	*found = rc == SQLITE_ROW;
	if (*found)
		column_hash(q, 0, out);
	return query_end(s, q, rc, e);
}

bool
store_audit_each(struct store *s, int64_t after_seq, store_audit_f *fn, void *ctx, struct err *e)
{
	sqlite3_stmt *q =
	    query(s, "SELECT seq,ts_ns,id,parent,event,hash FROM audit WHERE seq>? ORDER BY seq",
		after_seq, e);
	int rc = SQLITE_DONE;

	if (q == NULL)
		return false;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		struct audit_row r = { .seq = sqlite3_column_int64(q, 0),
			.ts_ns = sqlite3_column_int64(q, 1),
			.id = column_str(q, 2),
			.parent = column_str(q, 3),
			.event = column_str(q, 4) };

		column_hash(q, 5, &r.hash);
		if (!fn(ctx, &r))
			break;
	}
	return query_end(s, q, rc, e);
}

bool
store_usage_each(
    struct store *s, int64_t from_quarter_s, store_usage_f *fn, void *ctx, struct err *e)
{
	sqlite3_stmt *q =
	    query(s, "SELECT * FROM usage WHERE quarter_s>=? ORDER BY 1,2,3", from_quarter_s, e);
	int rc = SQLITE_DONE;

	if (q == NULL)
		return false;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		struct usage_row r = { .quarter_s = sqlite3_column_int64(q, 0),
			.kind = sqlite3_column_int(q, 1),
			.key = column_str(q, 2),
			.customer = column_str(q, 3),
			.team = column_str(q, 4),
			.user = column_str(q, 5),
			.name = column_str(q, 6),
			.requests = sqlite3_column_int64(q, 7),
			.refused = sqlite3_column_int64(q, 8),
			.input = sqlite3_column_int64(q, 9),
			.output = sqlite3_column_int64(q, 10),
			.cache_write = sqlite3_column_int64(q, 11),
			.cache_read = sqlite3_column_int64(q, 12),
			.cost_nusd = sqlite3_column_int64(q, 13),
			.kept_bytes = sqlite3_column_int64(q, 14),
			.cpu_us = sqlite3_column_int64(q, 15),
			.memory_kb = sqlite3_column_int64(q, 16) };

		if (!fn(ctx, &r))
			break;
	}
	return query_end(s, q, rc, e);
}

bool
store_approval_each(struct store *s, store_approval_f *fn, void *ctx, struct err *e)
{
	sqlite3_stmt *q =
	    query(s, "SELECT * FROM approvals WHERE state<=3 ORDER BY created_ns,id", 0, e);
	int rc = SQLITE_DONE;

	if (q == NULL)
		return false;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		struct approval_row r = { .id = column_str(q, 0),
			.key = column_str(q, 1),
			.name = column_str(q, 2),
			.rev = column_str(q, 3),
			.rules = column_str(q, 4),
			.shown = column_str(q, 5),
			.args_bytes = sqlite3_column_int64(q, 7),
			.kind = sqlite3_column_int(q, 8),
			.state = sqlite3_column_int(q, 9),
			.given = sqlite3_column_int64(q, 10),
			.created_ns = sqlite3_column_int64(q, 11),
			.expires_ns = sqlite3_column_int64(q, 12) };

		column_hash(q, 6, &r.args);
		if (!fn(ctx, &r))
			break;
	}
	return query_end(s, q, rc, e);
}

bool
store_key_each(struct store *s, store_key_f *fn, void *ctx, struct err *e)
{
	sqlite3_stmt *q = query(s, "SELECT * FROM keys ORDER BY created_ns,id", 0, e);
	int rc = SQLITE_DONE;

	if (q == NULL)
		return false;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		struct key_row r = { .id = column_str(q, 0),
			.name = column_str(q, 1),
			.customer = column_str(q, 2),
			.team = column_str(q, 3),
			.user = column_str(q, 4),
			.state = sqlite3_column_int(q, 6),
			.created_ns = sqlite3_column_int64(q, 7),
			.expires_ns = sqlite3_column_int64(q, 8),
			.tags = column_str(q, 9),
			.scope = column_str(q, 10),
			.budget = column_str(q, 11) };

		column_hash(q, 5, &r.digest);
		if (!fn(ctx, &r))
			break;
	}
	return query_end(s, q, rc, e);
}

bool
store_note_each(struct store *s, store_note_f *fn, void *ctx, struct err *e)
{
	sqlite3_stmt *q = query(s, "SELECT name,value FROM notes ORDER BY name", 0, e);
	int rc = SQLITE_DONE;

	if (q == NULL)
		return false;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		struct note_row r = { column_str(q, 0), column_str(q, 1) };

		if (!fn(ctx, &r))
			break;
	}
	return query_end(s, q, rc, e);
}

bool
store_kept_each(struct store *s, store_kept_f *fn, void *ctx, struct err *e)
{
	sqlite3_stmt *q =
	    query(s, "SELECT key,name,value,until_ns FROM kept ORDER BY key,name", 0, e);
	int rc = SQLITE_DONE;

	if (q == NULL)
		return false;
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		const char *p = sqlite3_column_blob(q, 2);
		struct kept_row k = { .key = column_str(q, 0),
			.name = column_str(q, 1),
			.value = { p == NULL ? "" : p, (size_t)sqlite3_column_bytes(q, 2) },
			.until_ns = sqlite3_column_int64(q, 3) };

		if (!fn(ctx, &k))
			break;
	}
	return query_end(s, q, rc, e);
}

/* ---- copies, and what tells old ones ---- */

bool
store_anchored(struct store *s, bool *anchored, struct err *e)
{
	int64_t id = 0;

	if (!scalar(s, "PRAGMA application_id", &id, e))
		return false;
	*anchored = id == ANCHORED;
	return true;
}

bool
store_anchored_set(struct store *s, struct err *e)
{
	char sql[64];
	bool anchored;

	(void)snprintf(sql, sizeof(sql), "PRAGMA application_id=%d", ANCHORED);
	return store_anchored(s, &anchored, e) && (anchored || run(s, sql, e));
}

bool
store_sound(struct store *s, struct err *e)
{
	sqlite3_stmt *q = query(s, "PRAGMA integrity_check(1)", 0, e);
	bool ok = q != NULL && sqlite3_step(q) == SQLITE_ROW;

	if (q == NULL)
		return false;
	if (!ok)
		(void)db_err(s, "the database", e);
	else if (!str_eq(column_str(q, 0), STR("ok")))
		ok = err_set(e, ERR_STORE, "the database is damaged: %.200s",
		    (const char *)sqlite3_column_text(q, 0));
	(void)sqlite3_finalize(q);
	return ok;
}

bool
store_permits_drop(struct store *s, struct err *e)
{
	return run(s,
	    "DELETE FROM approvals; DELETE FROM kept;"
	    "DELETE FROM notes WHERE name GLOB 'grant *'",
	    e);
}

/* SQLite writes into the empty file, whose mode is ours. */
static bool
copy_into(struct store *s, const char *file, struct err *e)
{
	sqlite3_stmt *q = NULL;
	bool ok = sqlite3_prepare_v2(s->db, "VACUUM INTO ?", -1, &q, NULL) == SQLITE_OK;

	if (ok) {
		bind_str(q, 1, str_of(file));
		ok = sqlite3_step(q) == SQLITE_DONE;
	}
	if (!ok)
		(void)db_err(s, "the copy could not be written", e);
	(void)sqlite3_finalize(q);
	return ok;
}

bool
store_copy(struct store *s, const char *file, struct err *e)
{
	int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return err_set(e, ERR_INVALID,
		    errno == EEXIST ? "%s is there already (nothing is overwritten: choose another "
				      "name)"
				    : "cannot make %s (%s)",
		    file, strerrorname_np(errno));
	ok = copy_into(s, file, e);
	if (ok && fsync(fd) != 0)
		ok = err_set(e, ERR_STORE, "cannot sync %s (%s)", file, strerrorname_np(errno));
	(void)close(fd);
	if (!ok)
		(void)unlink(file);
	return ok;
}
