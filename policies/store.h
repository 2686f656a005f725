/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - what is kept: keys, the audit chain, usage; and how far the journal has been applied.
 *
 * The interface that another database would implement.  One writer (the scribe thread, or a start
 * before it runs); readers open their own, read-only.
 */
#pragma once

#include "base/crypto.h"
#include "base/err.h"
#include "base/text.h"

struct store;
struct store *store_open(const char *data_dir, struct err *e) MUST_CHECK; /* migrates */
/* ERR_NOT_FOUND.  `data_dir` may also be a database file itself: a copy, a backup.  An older one
 * is read as it is: what its tables do not have yet is 0 or "". */
struct store *store_open_reader(const char *data_dir, struct err *e) MUST_CHECK;
void store_close(struct store **s);

/* ---- writing: everything between begin and commit is one transaction ---- */
bool store_begin(struct store *s, struct err *e) MUST_CHECK;
bool store_commit(struct store *s, struct err *e) MUST_CHECK; /* ERR_STORE: call rollback */
void store_rollback(struct store *s);

struct audit_row {
	int64_t seq, ts_ns;
	struct str id, parent, event;
	struct sha256 hash;
};
bool store_audit_put(struct store *s, const struct audit_row *r, struct err *e) MUST_CHECK;
struct usage_row { /* one cell of the ledger: who, what, which quarter of an hour */
	int64_t quarter_s;
	int kind; /* enum ask_kind */
	struct str key, customer, team, user, name;
	int64_t requests, refused, input, output, cache_write, cache_read, cost_nusd, kept_bytes,
	    cpu_us;
	int64_t memory_kb; /* no sum: the most of one script */
};
bool store_usage_add(struct store *s, const struct usage_row *r, struct err *e) MUST_CHECK;
struct key_row {
	struct str id, name, customer, team, user;
	struct sha256 digest;
	int state;
	int64_t created_ns, expires_ns;
	struct str tags, scope, budget; /* as struct key_spec has them */
};
bool store_key_put(struct store *s, const struct key_row *r, struct err *e) MUST_CHECK;
struct approval_row { /* see approval.c */
	struct str id, key, name, rev, rules,
	    shown; /* shown: of the arguments; "" once it is over */
	struct sha256 args;
	int64_t args_bytes, given, created_ns, expires_ns;
	int kind, state;
};
/* One that is denied, expired or used stays so, whatever is put. */
bool store_approval_put(struct store *s, const struct approval_row *r, struct err *e) MUST_CHECK;
/* Drops those whose time was over before that. */
bool store_approvals_prune(struct store *s, int64_t before_ns, struct err *e) MUST_CHECK;
struct note_row { /* what the core remembers: "grant g_…", "alert acme month 80"; value "": no more
		   */
	struct str name, value;
};
bool store_note_put(struct store *s, const struct note_row *r, struct err *e) MUST_CHECK;
/* Likewise, of one key; see struct kept_row for what a value of STR_NONE forgets. */
struct kept_row;
bool store_kept_put(struct store *s, const struct kept_row *k, struct err *e) MUST_CHECK;
/* Drops what is over by then. */
bool store_kept_prune(struct store *s, int64_t now_ns, struct err *e) MUST_CHECK;
bool store_applied_put(struct store *s, uint64_t seq, struct err *e) MUST_CHECK;

/* ---- reading; false from a callback stops ---- */
/* Everything read until store_close() is of one moment. */
bool store_snapshot(struct store *s, struct err *e) MUST_CHECK;
bool store_head(struct store *s, int64_t *audit_seq, struct sha256 *hash, uint64_t *applied,
    struct err *e) MUST_CHECK;
/* Of row seq; not found: zeroes. */
bool store_hash_at(
    struct store *s, int64_t seq, struct sha256 *out, bool *found, struct err *e) MUST_CHECK;
/* Has this database, or the one that it is a copy of, ever had a DATA/anchor beside it? */
bool store_anchored(struct store *s, bool *anchored, struct err *e) MUST_CHECK;
bool store_anchored_set(struct store *s, struct err *e) MUST_CHECK;
/* Are cpu_us and memory_kb in the ledger?  An older database has them in its rows alone. */
bool store_metered(const struct store *s);
bool store_sound(struct store *s, struct err *e) MUST_CHECK; /* every page; takes its time */
/* Approvals, budget grants and what is kept of scripts: in an older copy they may have been used,
 * taken back or continued since. */
bool store_permits_drop(struct store *s, struct err *e) MUST_CHECK;
/* A copy of this moment in a new file, 0600 and synced; ERR_INVALID when the file is there. */
bool store_copy(struct store *s, const char *file, struct err *e) MUST_CHECK;
typedef bool store_audit_f(void *ctx, const struct audit_row *r);
bool store_audit_each(
    struct store *s, int64_t after_seq, store_audit_f *fn, void *ctx, struct err *e) MUST_CHECK;
typedef bool store_usage_f(void *ctx, const struct usage_row *r);
bool store_usage_each(struct store *s, int64_t from_quarter_s, store_usage_f *fn, void *ctx,
    struct err *e) MUST_CHECK;
typedef bool store_key_f(void *ctx, const struct key_row *r);
/* Those that wait or are granted or denied. */
typedef bool store_approval_f(void *ctx, const struct approval_row *r);
bool
store_approval_each(struct store *s, store_approval_f *fn, void *ctx, struct err *e) MUST_CHECK;
bool store_key_each(struct store *s, store_key_f *fn, void *ctx, struct err *e) MUST_CHECK;
typedef bool store_note_f(void *ctx, const struct note_row *r);
bool store_note_each(struct store *s, store_note_f *fn, void *ctx, struct err *e) MUST_CHECK;
typedef bool store_kept_f(void *ctx, const struct kept_row *k);
/* By key and name. */
bool store_kept_each(struct store *s, store_kept_f *fn, void *ctx, struct err *e) MUST_CHECK;
