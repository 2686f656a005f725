/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore - a backup takes the database's place, and forgets nothing that must not be forgotten.
 *
 *   lock -> the backup is verified -> anchor + journal: what is known since ->
 *   DATA/restoring/tollgate.db: copy, + keys, + spend, + one row that tells ->
 *   DATA/anchor of the new database -> the old files aside -> the new one in place
 *
 * The database that is replaced is not read: it may be why somebody restores.  Until the new anchor
 * is written nothing has changed.  Between that and the last rename a start is refused, because no
 * database is there that fits; the new anchor knows all that the old one and the journal knew, so
 * that the same command, given again, comes to the same end.
 *
 * Passes that were open are left to the next start, which settles them as after any crash.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policies/anchor.h"

#define ARENA_BYTES ((size_t)256 << 20)

struct restoring {
	const struct restore_settings *s;
	struct anchor known; /* anchor and journal */
	bool whole;          /* they know everything since the backup; else: */
	struct err why;
	bool journal_aside; /* what is there cannot be replayed on the new database */
	int64_t done_rows;  /* of the journal, behind the anchor */
	struct store *store;
	struct chain_head head, was;
	struct usage_sum sum;
	struct arena a;
	struct key_row *keys; /* to be changed */
	size_t keys_n, keys_cap;
	int64_t spend_nusd;
	char dir[4200];
	char aside[4300]; /* where the old database went */
};

/* ---- what is known ---- */

static void
known_record(void *ctx, const struct journal_record *jr)
{
	struct restoring *w = ctx;
	struct record r;

	if (jr->type != RECORD_DONE || jr->seq <= w->known.applied || !record_get(jr->payload, &r))
		return;
	w->done_rows++;
	if (r.has_usage)
		anchor_note_usage(&w->known, &r.usage);
	if (r.has_key)
		anchor_note_key(&w->known, &r.key);
}

static void
unknown(struct restoring *w, const struct err *why)
{
	if (w->whole)
		w->why = *why;
	w->whole = false;
}

/* Without an anchor the journal goes on from the backup, if it is of the same database. */
static void
known_read(struct restoring *w, uint64_t applied)
{
	uint64_t last;
	struct err e;

	w->whole = true;
	if (!anchor_read(&w->known, w->s->data_dir, &e)) {
		if (e.code == ERR_NOT_FOUND)
			(void)err_set(&e, ERR_STORE, "there is no %.200s/anchor", w->s->data_dir);
		unknown(w, &e);
		w->known.applied = applied;
	}
	last = w->known.applied;
	if (!journal_read(w->s->data_dir, w->known.applied + 1, known_record, w, &last, &e)) {
		unknown(w, &e);
		w->journal_aside = true;
	} else if (last > w->known.applied) {
		w->known.applied = last;
	}
}

/* Is the backup of another chain than the anchor? */
static bool
foreign(const struct anchor *known, struct store *backup, bool *is, struct err *e)
{
	struct sha256 first, there;
	bool found;

	if (!store_hash_at(backup, 1, &first, &found, e) ||
	    !store_hash_at(backup, known->head.seq, &there, &found, e))
		return false;
	*is = known->head.seq > 0 &&
	      (memcmp(&first, &known->first, sizeof(first)) != 0 ||
		  (found && memcmp(&there, &known->head.hash, sizeof(there)) != 0));
	return true;
}

static bool
known_since(struct restoring *w, struct store *backup, struct err *e)
{
	struct anchor now;
	struct err why;
	bool other;

	if (!anchor_build(&now, backup, NULL, e))
		return false;
	w->was = now.head;
	known_read(w, now.applied);
	if (!foreign(&w->known, backup, &other, e)) {
		anchor_fini(&now);
		return false;
	}
	if (other) {
		(void)err_set(&why, ERR_STORE, "the backup is of another chain than %.200s/anchor",
		    w->s->data_dir);
		unknown(w, &why);
		anchor_fini(&w->known);
		anchor_init(&w->known);
		w->done_rows = 0;
		w->journal_aside = true;
	}
	if (w->known.spend_from_s > now.newest_s && w->known.head.seq > now.head.seq) {
		(void)err_set(&why, ERR_STORE,
		    "the backup is older than the %d days of spending that %.200s/anchor remembers",
		    ANCHOR_DAYS, w->s->data_dir);
		unknown(w, &why);
	}
	if (now.applied > w->known.applied)
		w->known.applied = now.applied;
	anchor_fini(&now);
	return true;
}

/* ---- rows ---- */

struct row {
	struct buf b;
	size_t event_at;
	char id[20];
};

static void
row_begin(
    struct restoring *w, struct row *r, const char *kind, const char *name, int64_t entered_ns)
{
	event_id(r->id);
	buf_init(&r->b, JOURNAL_RECORD_MAX);
	r->event_at = record_begin(&r->b, str_of(r->id), STR(""), w->s->now_ns);
	buf_printf(&r->b,
	    "{\"ts_ns\":%lld,\"verdict\":\"ok\",\"id\":\"%s\",\"kind\":\"%s\",\"name\":\"%s\","
	    "\"entered_ns\":%lld,\"actor\":",
	    (long long)w->s->now_ns, r->id, kind, name, (long long)entered_ns);
	buf_json_str(&r->b, w->s->actor);
}

static void
row_text(struct row *r, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	buf_printf(&r->b, ",\"%s\":", name);
	buf_json_str(&r->b, value);
}

static bool
row_end(struct restoring *w, struct row *r, const struct usage_row *u, const struct key_row *k,
    struct err *e)
{
	struct record rec;
	bool ok;

	buf_putc(&r->b, '}');
	record_end(&r->b, r->event_at, &(struct record_rows){ .usage = u, .key = k });
	ok = buf_ok(&r->b) && record_get(buf_str(&r->b), &rec);
	ASSERT(ok); /* each text in it is a name or shorter than a few hundred bytes */
	ok = record_apply(w->store, &rec, &w->head, &w->sum, e) &&
	     usage_sum_flush(&w->sum, w->store, e);
	buf_fini(&r->b);
	return ok;
}

/* ---- keys ---- */

static bool
ends_sooner(int64_t a_ns, int64_t b_ns)
{
	return a_ns != 0 && (b_ns == 0 || a_ns < b_ns);
}

static bool
on_key(void *ctx, const struct key_row *r)
{
	struct restoring *w = ctx;
	const struct anchor_key *now = map_get(&w->known.keys, r->id);
	struct key_row *k;

	if (now == NULL || (now->state <= r->state && !ends_sooner(now->expires_ns, r->expires_ns)))
		return true;
	if (w->keys_n == w->keys_cap) {
		w->keys_cap = w->keys_cap == 0 ? 16 : 2 * w->keys_cap;
		w->keys = mem_realloc(w->keys, w->keys_cap * sizeof(*w->keys));
	}
	k = &w->keys[w->keys_n++];
	*k = *r;
	k->id = arena_str(&w->a, r->id);
	k->name = arena_str(&w->a, r->name);
	k->customer = arena_str(&w->a, r->customer);
	k->team = arena_str(&w->a, r->team);
	k->user = arena_str(&w->a, r->user);
	k->tags = arena_str(&w->a, r->tags);
	k->scope = arena_str(&w->a, r->scope);
	k->budget = arena_str(&w->a, r->budget);
	if (now->state > r->state)
		k->state = now->state;
	if (ends_sooner(now->expires_ns, r->expires_ns))
		k->expires_ns = now->expires_ns;
	return arena_left(&w->a) > (size_t)64 << 10;
}

static bool
keys_end(struct restoring *w, struct err *e)
{
	static const char *const names[] = { "", "key.expire", "key.disable", "key.revoke" };

	if (!store_key_each(w->store, on_key, w, e))
		return false;
	if (arena_left(&w->a) <= (size_t)64 << 10)
		return err_set(e, ERR_STORE, "too many keys have changed since the backup");
	for (size_t i = 0; i < w->keys_n; i++) {
		const struct key_row *k = &w->keys[i];
		struct row r;

		row_begin(w, &r, "admin", names[k->state], w->s->now_ns);
		row_text(&r, "target", k->id);
		row_text(&r, "target_name", k->name);
		row_text(&r, "end", STR("ok"));
		row_text(&r, "detail", STR("restore"));
		if (!row_end(w, &r, NULL, k, e))
			return false;
	}
	return true;
}

/* ---- spend ---- */

/* What the ledger lacks of one owner's day, in its latest quarter: in no period that has not ended
 * is there less than was spent. */
static bool
cell_charge(struct restoring *w, const struct anchor_cell *c, int64_t nusd, struct err *e)
{
	struct usage_row u = { .quarter_s = c->last_s - c->last_s % 900,
		.kind = ASK_MODEL,
		.key = c->key,
		.customer = c->customer,
		.team = c->team,
		.user = c->user,
		.name = STR("(restored)"),
		.requests = 1,
		.cost_nusd = nusd };
	struct row r;

	row_begin(w, &r, "model", "(restored)", u.quarter_s * 1000000000);
	row_text(&r, "key", u.key);
	row_text(&r, "customer", u.customer);
	row_text(&r, "team", u.team);
	row_text(&r, "user", u.user);
	row_text(&r, "end", STR("restored"));
	buf_printf(&r.b, ",\"cost_nusd\":%lld", (long long)nusd);
	w->spend_nusd += nusd;
	return row_end(w, &r, &u, NULL, e);
}

static bool
spend_charge(struct restoring *w, struct err *e)
{
	struct anchor now;
	struct str key;
	void *value;
	bool ok;

	if (!anchor_build(&now, w->store, NULL, e))
		return false;
	ok = true;
	for (size_t it = 0; ok && map_next(&w->known.spend, &it, &key, &value);) {
		const struct anchor_cell *c = value, *has = map_get(&now.spend, key);
		int64_t nusd = c->nusd - (has == NULL ? 0 : has->nusd);

		/* Days that the copy's own anchor would have dropped are in it whole or not at
		 * all; they are older than anything the known one can add to. */
		if (nusd > 0 && c->day_s >= now.spend_from_s)
			ok = cell_charge(w, c, nusd, e);
	}
	anchor_fini(&now);
	return ok;
}

/* ---- the copy ---- */

static bool
restored_row(struct restoring *w, struct err *e)
{
	int64_t lost = w->known.head.seq - w->was.seq + w->done_rows;
	struct row r;

	row_begin(w, &r, "admin", "database.restore", w->s->now_ns);
	buf_printf(&r.b,
	    ",\"from_row\":%lld,\"rows_lost\":%lld,\"keys\":%zu,\"spend_nusd\":%lld,"
	    "\"accepted_loss\":%s,\"lost_head\":\"",
	    (long long)w->was.seq, (long long)(lost > 0 ? lost : 0), w->keys_n,
	    (long long)w->spend_nusd, w->whole ? "false" : "true");
	buf_hex(&r.b, w->known.head.hash.b, SHA256_BYTES);
	buf_putc(&r.b, '"');
	if (!w->whole)
		row_text(&r, "why", str_of(w->why.text));
	row_text(&r, "end", STR("ok"));
	return row_end(w, &r, NULL, NULL, e);
}

static void
copy_path(const struct restoring *w, const char *end, char out[4300])
{
	(void)snprintf(out, 4300, "%s/tollgate.db%s", w->dir, end);
}

/* What a restore that was cut short may have left. */
static bool
copy_room(struct restoring *w, struct err *e)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
	char path[4300];

	(void)snprintf(w->dir, sizeof(w->dir), "%s/restoring", w->s->data_dir);
	if (mkdir(w->dir, 0700) != 0 && errno != EEXIST)
		return err_set(e, ERR_STORE, "cannot make %s (%s)", w->dir, strerrorname_np(errno));
	for (size_t i = 0; i < COUNT(ends); i++) {
		copy_path(w, ends[i], path);
		(void)unlink(path);
	}
	return true;
}

static bool
copy_change(struct restoring *w, struct err *e)
{
	uint64_t applied;

	if (!store_head(w->store, &w->head.seq, &w->head.hash, &applied, e) ||
	    !store_begin(w->store, e))
		return false;
	return store_permits_drop(w->store, e) && keys_end(w, e) && spend_charge(w, e) &&
	       restored_row(w, e) && store_applied_put(w->store, w->known.applied, e) &&
	       store_commit(w->store, e) && store_anchored_set(w->store, e);
}

/* The copy, and *next: the anchor that it will have. */
static bool
copy_make(struct restoring *w, struct store *backup, struct anchor *next, struct err *e)
{
	char path[4300];
	bool ok;

	if (!copy_room(w, e))
		return false;
	copy_path(w, "", path);
	if (!store_copy(backup, path, e))
		return false;
	w->store = store_open(w->dir, e);
	ok = w->store != NULL && copy_change(w, e) && anchor_build(next, w->store, &w->known, e);
	store_close(&w->store); /* the last one: its write-ahead log goes into it */
	return ok;
}

/* ---- the swap ---- */

static bool
moved(const char *from, const char *to, struct err *e)
{
	return rename(from, to) == 0 || errno == ENOENT ||
	       err_set(e, ERR_STORE, "cannot move %.150s (%s)", from, strerrorname_np(errno));
}

/* The log first: a database without it is an older one, a log without its database is a trap. */
static bool
swap(struct restoring *w, struct err *e)
{
	static const char *const ends[] = { "-wal", "-shm", "" };
	char from[4300], to[4400];

	(void)snprintf(w->aside, sizeof(w->aside), "%s/tollgate.db.replaced-%lld", w->s->data_dir,
	    (long long)(w->s->now_ns / 1000000000));
	if (w->journal_aside && !journal_aside(w->s->data_dir, w->s->now_ns / 1000000000, e))
		return false;
	for (size_t i = 0; i < COUNT(ends); i++) {
		(void)snprintf(from, sizeof(from), "%s/tollgate.db%s", w->s->data_dir, ends[i]);
		(void)snprintf(to, sizeof(to), "%s%s", w->aside, ends[i]);
		if (!moved(from, to, e))
			return false;
	}
	copy_path(w, "", from);
	(void)snprintf(to, sizeof(to), "%s/tollgate.db", w->s->data_dir);
	if (rename(from, to) != 0 || !dir_sync(w->s->data_dir))
		return err_set(e, ERR_STORE, "cannot put the new database in place (%s)",
		    strerrorname_np(errno));
	(void)rmdir(w->dir);
	return true;
}

static void
told(const struct restoring *w, struct buf *out)
{
	int64_t lost = w->known.head.seq - w->was.seq + w->done_rows;

	buf_printf(out, "restored %lld audit rows of %s; now at row %lld\n", (long long)w->was.seq,
	    w->s->file, (long long)w->head.seq);
	buf_printf(out, "rows that are not in it: %lld; the database that was replaced is %s\n",
	    (long long)(lost > 0 ? lost : 0), w->aside);
	buf_printf(
	    out, "keys revoked, disabled or ended again: %zu\nspending charged again: ", w->keys_n);
	usd_put(out, w->spend_nusd);
	buf_puts(out, " USD\n");
	if (!w->whole)
		buf_printf(out,
		    "accepted: %s; keys that were revoked and money that was spent since are not "
		    "known (look through tollgate key list)\n",
		    w->why.text);
}

static bool
work(struct restoring *w, struct store **backup, struct buf *out, struct err *e)
{
	struct anchor next;
	bool ok;

	if (!known_since(w, *backup, e))
		return false;
	if (!w->whole && !w->s->accept_loss)
		return err_set(e, ERR_STORE,
		    "%.280s (what was revoked and spent since is not known; --accept-loss restores "
		    "all the same)",
		    w->why.text);
	anchor_init(&next);
	ok = copy_make(w, *backup, &next, e);
	store_close(backup); /* it may be the very file that goes aside */
	ok = ok && anchor_write(&next, w->s->data_dir, e) && swap(w, e);
	anchor_fini(&next);
	if (ok)
		told(w, out);
	return ok;
}

static struct store *
backup_open(const char *file, struct err *e)
{
	struct store *s = store_open_reader(file, e);
	struct buf said;
	bool ok;

	if (s == NULL)
		return NULL;
	buf_init(&said, 0);
	ok = store_sound(s, e) && audit_verify(file, &said, e);
	if (!ok && said.n > 0)
		(void)err_set(
		    e, ERR_INVALID, "the backup is not to be trusted: %.250s", buf_cstr(&said));
	buf_fini(&said);
	if (!ok)
		store_close(&s);
	return s;
}

bool
core_restore(const struct restore_settings *s, struct buf *out, struct err *e)
{
	struct restoring w = { .s = s };
	int lock_fd = data_lock(s->data_dir, e);
	struct store *backup;
	bool ok;

	if (lock_fd < 0)
		return false;
	backup = backup_open(s->file, e);
	anchor_init(&w.known);
	arena_init(&w.a, ARENA_BYTES);
	ok = backup != NULL && work(&w, &backup, out, e);
	store_close(&backup);
	anchor_fini(&w.known);
	arena_free(&w.a);
	free(w.keys);
	(void)close(lock_fd);
	return ok;
}
