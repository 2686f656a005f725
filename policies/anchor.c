/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anchor - DATA/anchor (see anchor.h).
 *
 *   {"version":1,"first":HEX,"seq":n,"head":HEX,"applied":n,"spend_from_s":n,
 *    "keys":[["k_…",state,expires_ns],…],
 *    "spend":[[day_s,last_s,nusd,"customer","team","user","key"],…]}
 *   sha256 HEX            of all bytes before this line
 *
 * The digest finds damage, not malice: whoever can write DATA can write this too.
 */
#include "policies/anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

#define DAY_S      86400
#define TAIL_BYTES (7 + 2 * SHA256_BYTES + 1) /* "sha256 HEX\n" */
#define NAME_BYTES 512

void
anchor_init(struct anchor *a)
{
	*a = (struct anchor){ 0 };
	map_init(&a->keys);
	map_init(&a->spend);
}

static void
cell_drop(struct anchor *a, struct anchor_cell *c)
{
	(void)map_del(&a->spend, str_of(c->id));
	free(c->id);
	free(c);
}

void
anchor_fini(struct anchor *a)
{
	struct str key;
	void *value;

	for (size_t it = 0; map_next(&a->keys, &it, &key, &value);)
		free(map_del(&a->keys, key));
	for (size_t it = 0; map_next(&a->spend, &it, &key, &value);)
		cell_drop(a, value);
	map_fini(&a->keys);
	map_fini(&a->spend);
}

/* ---- what is known ---- */

void
anchor_note_key(struct anchor *a, const struct key_row *k)
{
	struct anchor_key *n;

	free(map_del(&a->keys, k->id));
	if (k->state == KEY_ACTIVE && k->expires_ns == 0)
		return;
	n = mem_alloc(sizeof(*n) + k->id.n + 1);
	n->state = k->state;
	n->expires_ns = k->expires_ns;
	memcpy(n->id, k->id.p, k->id.n);
	n->id[k->id.n] = '\0';
	map_set(&a->keys, str_of(n->id), n);
}

static int64_t
day_of(int64_t s)
{
	return s - s % DAY_S;
}

/* Days before `from_s` are forgotten. */
static void
days_drop(struct anchor *a, int64_t from_s)
{
	struct str key;
	void *value;

	for (size_t it = 0; map_next(&a->spend, &it, &key, &value);) {
		struct anchor_cell *c = value;

		if (c->day_s >= from_s)
			continue;
		cell_drop(a, c);
		if (from_s > a->spend_from_s)
			a->spend_from_s = from_s;
	}
}

static struct anchor_cell *
cell_get(struct anchor *a, int64_t day_s, const struct usage_row *u)
{
	const struct str who[4] = { u->customer, u->team, u->user, u->key };
	struct anchor_cell *c;
	struct buf id;

	buf_init(&id, 0);
	buf_i64(&id, day_s);
	for (int i = 0; i < 4; i++) {
		buf_putc(&id, '\n');
		buf_put(&id, who[i]);
	}
	c = map_get(&a->spend, buf_str(&id));
	if (c == NULL) {
		struct str rest;

		c = mem_zalloc(sizeof(*c));
		c->id = str_dup(buf_str(&id));
		c->day_s = day_s;
		rest = str_of(c->id);
		(void)str_cut(&rest, '\n');
		c->customer = str_cut(&rest, '\n');
		c->team = str_cut(&rest, '\n');
		c->user = str_cut(&rest, '\n');
		c->key = rest;
		map_set(&a->spend, str_of(c->id), c);
	}
	buf_fini(&id);
	return c;
}

void
anchor_note_usage(struct anchor *a, const struct usage_row *u)
{
	int64_t day_s = day_of(u->quarter_s), oldest_s;
	struct anchor_cell *c;
	bool new_day;

	if (u->cost_nusd <= 0 || u->quarter_s < 0 || day_s < a->spend_from_s)
		return;
	c = cell_get(a, day_s, u);
	if (__builtin_add_overflow(c->nusd, u->cost_nusd, &c->nusd))
		c->nusd = INT64_MAX;
	if (u->quarter_s > c->last_s)
		c->last_s = u->quarter_s;
	new_day = day_s > day_of(a->newest_s);
	if (u->quarter_s > a->newest_s)
		a->newest_s = u->quarter_s;
	oldest_s = day_of(a->newest_s) - (int64_t)ANCHOR_DAYS * DAY_S;
	if (new_day)
		days_drop(a, oldest_s);
	while (a->spend.n > ANCHOR_CELLS && oldest_s < day_of(a->newest_s))
		days_drop(a, oldest_s += DAY_S);
}

static bool
on_key(void *ctx, const struct key_row *r)
{
	anchor_note_key(ctx, r);
	return true;
}

static bool
on_usage(void *ctx, const struct usage_row *r)
{
	anchor_note_usage(ctx, r);
	return true;
}

/* A key that this database does not have may be in another copy. */
static void
keys_keep(struct anchor *a, const struct anchor *old)
{
	struct str key;
	void *value;

	for (size_t it = 0; map_next(&old->keys, &it, &key, &value);) {
		const struct anchor_key *k = value;
		struct key_row r = { .id = key, .state = k->state, .expires_ns = k->expires_ns };

		anchor_note_key(a, &r);
	}
}

bool
anchor_build(struct anchor *a, struct store *s, const struct anchor *old, struct err *e)
{
	bool found;

	anchor_init(a);
	if (old != NULL)
		keys_keep(a, old);
	if (store_head(s, &a->head.seq, &a->head.hash, &a->applied, e) &&
	    store_hash_at(s, 1, &a->first, &found, e) && store_key_each(s, on_key, a, e) &&
	    store_usage_each(s, 0, on_usage, a, e))
		return true;
	anchor_fini(a);
	anchor_init(a);
	return false;
}

/* ---- the text ---- */

void
anchor_text(const struct anchor *a, struct buf *out)
{
	const char *between = "";
	struct sha256 digest;
	struct str key;
	void *value;

	buf_puts(out, "{\"version\":1,\"first\":\"");
	buf_hex(out, a->first.b, SHA256_BYTES);
	buf_printf(out, "\",\"seq\":%lld,\"head\":\"", (long long)a->head.seq);
	buf_hex(out, a->head.hash.b, SHA256_BYTES);
	buf_printf(out, "\",\"applied\":%lld,\"spend_from_s\":%lld,\n\"keys\":[",
	    (long long)a->applied, (long long)a->spend_from_s);
	for (size_t it = 0; map_next(&a->keys, &it, &key, &value); between = ",\n") {
		const struct anchor_key *k = value;

		buf_printf(out, "%s[", between);
		buf_json_str(out, key);
		buf_printf(out, ",%d,%lld]", k->state, (long long)k->expires_ns);
	}
	buf_puts(out, "],\n\"spend\":[");
	between = "";
	for (size_t it = 0; map_next(&a->spend, &it, &key, &value); between = ",\n") {
		const struct anchor_cell *c = value;
		const struct str who[4] = { c->customer, c->team, c->user, c->key };

		buf_printf(out, "%s[%lld,%lld,%lld", between, (long long)c->day_s,
		    (long long)c->last_s, (long long)c->nusd);
		for (int i = 0; i < 4; i++) {
			buf_putc(out, ',');
			buf_json_str(out, who[i]);
		}
		buf_putc(out, ']');
	}
	buf_puts(out, "]}\n");
	sha256(&digest, buf_str(out));
	buf_puts(out, "sha256 ");
	buf_hex(out, digest.b, SHA256_BYTES);
	buf_putc(out, '\n');
}

static bool
garbled(struct err *e, const char *what)
{
	return err_set(e, ERR_STORE, "its %s cannot be what the gateway wrote", what);
}

/* The values of one row, exactly n of them. */
static bool
row_read(struct str raw, struct str *out, size_t n)
{
	struct json_iter it;
	struct str key;

	if (json_kind(raw) != JSON_ARRAY || !json_open(raw, &it))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!json_next(&it, &key, &out[i]))
			return false;
	return !json_next(&it, &key, &(struct str){ 0 });
}

static bool
name_read(struct str raw, struct arena *a, struct str *out)
{
	if (raw.n > NAME_BYTES || !json_string(raw, a, out))
		return false;
	for (size_t i = 0; i < out->n; i++)
		if ((unsigned char)out->p[i] < ' ')
			return false;
	return true;
}

static bool
key_read(struct anchor *an, struct str raw, struct arena *a)
{
	struct key_row k = { 0 };
	struct str v[3];
	int64_t state;

	if (!row_read(raw, v, COUNT(v)) || !name_read(v[0], a, &k.id) || k.id.n == 0 ||
	    !json_i64(v[1], &state) || state < KEY_ACTIVE || state > KEY_REVOKED ||
	    !json_i64(v[2], &k.expires_ns) || k.expires_ns < 0)
		return false;
	k.state = (int)state;
	anchor_note_key(an, &k);
	return true;
}

static bool
cell_read(struct anchor *an, struct str raw, struct arena *a)
{
	struct usage_row u = { 0 };
	struct str v[7], *who[4] = { &u.customer, &u.team, &u.user, &u.key };
	struct anchor_cell *c;
	int64_t day_s, last_s, nusd;

	if (!row_read(raw, v, COUNT(v)) || !json_i64(v[0], &day_s) || !json_i64(v[1], &last_s) ||
	    !json_i64(v[2], &nusd) || day_s < 0 || day_of(day_s) != day_s ||
	    day_of(last_s) != day_s || nusd <= 0)
		return false;
	for (int i = 0; i < 4; i++)
		if (!name_read(v[3 + i], a, who[i]))
			return false;
	c = cell_get(an, day_s, &u);
	c->last_s = last_s;
	c->nusd = nusd;
	if (last_s > an->newest_s)
		an->newest_s = last_s;
	return an->spend.n <= ANCHOR_CELLS;
}

static bool
rows_read(struct anchor *an, struct str list,
    bool (*one)(struct anchor *an, struct str raw, struct arena *a))
{
	struct json_iter it;
	struct str key, raw;
	struct arena a;
	bool ok = true;

	if (json_kind(list) != JSON_ARRAY || !json_open(list, &it))
		return false;
	while (ok && json_next(&it, &key, &raw)) {
		arena_init(&a, (size_t)16 << 10);
		ok = one(an, raw, &a);
		arena_free(&a);
	}
	return ok;
}

static bool
hash_read(struct str doc, const char *name, struct sha256 *out)
{
	struct str raw;

	return json_get(doc, str_of(name), &raw) && raw.n == 2 * SHA256_BYTES + 2 &&
	       raw.p[0] == '"' &&
	       hex_decode(out->b, SHA256_BYTES, (struct str){ raw.p + 1, raw.n - 2 });
}

static bool
number_read(struct str doc, const char *name, int64_t *out)
{
	struct str raw;

	return json_get(doc, str_of(name), &raw) && json_i64(raw, out) && *out >= 0;
}

static bool
doc_read(struct anchor *a, struct str doc, struct err *e)
{
	int64_t version, applied;
	struct str list;

	if (!number_read(doc, "version", &version))
		return garbled(e, "version");
	if (version != 1)
		return err_set(e, ERR_STORE,
		    "it is of version %lld, newer than this program's 1 (upgrade it)",
		    (long long)version);
	if (!hash_read(doc, "first", &a->first) || !hash_read(doc, "head", &a->head.hash) ||
	    !number_read(doc, "seq", &a->head.seq) || !number_read(doc, "applied", &applied) ||
	    !number_read(doc, "spend_from_s", &a->spend_from_s))
		return garbled(e, "head");
	a->applied = (uint64_t)applied;
	if (!json_get(doc, STR("keys"), &list) || !rows_read(a, list, key_read))
		return garbled(e, "keys");
	if (!json_get(doc, STR("spend"), &list) || !rows_read(a, list, cell_read))
		return garbled(e, "spend");
	return true;
}

bool
anchor_parse(struct anchor *a, struct str text, struct err *e)
{
	struct sha256 digest, said;
	struct str doc, tail;

	anchor_init(a);
	if (text.n <= TAIL_BYTES)
		return garbled(e, "length");
	doc = (struct str){ text.p, text.n - TAIL_BYTES };
	tail = (struct str){ text.p + doc.n, TAIL_BYTES };
	sha256(&digest, doc);
	if (!str_starts(tail, STR("sha256 ")) ||
	    !hex_decode(said.b, SHA256_BYTES, (struct str){ tail.p + 7, TAIL_BYTES - 8 }) ||
	    memcmp(digest.b, said.b, SHA256_BYTES) != 0)
		return err_set(e, ERR_STORE, "it is damaged: its digest does not fit");
	if (json_check(doc, true, e) && doc_read(a, doc, e))
		return true;
	anchor_fini(a);
	anchor_init(a);
	e->code = ERR_STORE;
	return false;
}

/* ---- the file ---- */

static void
path_of(const char *data_dir, const char *name, char out[4200])
{
	(void)snprintf(out, 4200, "%s/%s", data_dir, name);
}

bool
anchor_read(struct anchor *a, const char *data_dir, struct err *e)
{
	char path[4200], why[ERR_TEXT_BYTES];
	struct stat st;
	struct buf text;
	char *room;
	int fd;
	bool ok;

	path_of(data_dir, "anchor", path);
	anchor_init(a);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_STORE,
		    "cannot read %s (%s)", path, strerrorname_np(errno));
	buf_init(&text, ANCHOR_BYTES + 1);
	ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)ANCHOR_BYTES &&
	     (room = buf_room(&text, (size_t)st.st_size + 1)) != NULL &&
	     read(fd, room, (size_t)st.st_size) == (ssize_t)st.st_size;
	(void)close(fd);
	if (ok)
		text.n = (size_t)st.st_size;
	else
		(void)err_set(e, ERR_STORE, "it is no file of at most %zu MiB", ANCHOR_BYTES >> 20);
	ok = ok && anchor_parse(a, buf_str(&text), e);
	buf_fini(&text);
	if (!ok) {
		(void)str_copy(why, sizeof(why), str_of(e->text));
		(void)err_set(e, ERR_STORE, "%.200s cannot be believed: %.150s", path, why);
	}
	return ok;
}

bool
dir_sync(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool
all_write(int fd, struct str s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s.p += n;
		s.n -= (size_t)n;
	}
	return true;
}

bool
anchor_write(const struct anchor *a, const char *data_dir, struct err *e)
{
	char path[4200], tmp[4200];
	struct buf text;
	int fd;
	bool ok;

	path_of(data_dir, "anchor", path);
	path_of(data_dir, "anchor.tmp", tmp);
	buf_init(&text, ANCHOR_BYTES);
	anchor_text(a, &text);
	fd = buf_ok(&text) ? open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	ok = fd >= 0 && all_write(fd, buf_str(&text)) && fsync(fd) == 0;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	ok = ok && rename(tmp, path) == 0 && dir_sync(data_dir);
	if (!ok)
		(void)err_set(e, ERR_STORE, "cannot write %s (%s)", path,
		    buf_ok(&text) ? strerrorname_np(errno) : "it would be too large");
	buf_fini(&text);
	return ok;
}

/* ---- the check ---- */

static bool
no_anchor(const char *data_dir, struct store *s, struct err *e)
{
	bool anchored;

	if (!store_anchored(s, &anchored, e))
		return false;
	return !anchored ||
	       err_set(e, ERR_STORE,
		   "%.100s/anchor is missing, without which nobody knows whether the database is "
		   "the newest: put it back, or say that it is: tollgate restore "
		   "%.100s/tollgate.db --accept-loss",
		   data_dir, data_dir);
}

static bool
compared(const char *data_dir, const struct anchor *a, struct store *s, struct err *e)
{
	struct sha256 hash;
	uint64_t applied;
	int64_t seq;
	bool found;

	if (!store_head(s, &seq, &hash, &applied, e))
		return false;
	if (seq < a->head.seq)
		return err_set(e, ERR_STORE,
		    "the database ends at audit row %lld, but %.80s/anchor has seen row %lld: an "
		    "older copy was put back (put the newer one back, or keep this one with its "
		    "revocations and budgets: tollgate restore %.80s/tollgate.db)",
		    (long long)seq, data_dir, (long long)a->head.seq, data_dir);
	if (a->head.seq == 0)
		return true;
	if (!store_hash_at(s, a->head.seq, &hash, &found, e))
		return false;
	return (found && memcmp(hash.b, a->head.hash.b, SHA256_BYTES) == 0) ||
	       err_set(e, ERR_STORE,
		   "the database is not the one that %.80s/anchor has seen (another gateway's, or "
		   "a "
		   "restore was cut short: run tollgate restore FILE)",
		   data_dir);
}

bool
anchor_check(const char *data_dir, struct store *s, struct anchor *seen, struct err *e)
{
	if (anchor_read(seen, data_dir, e))
		return compared(data_dir, seen, s, e);
	return e->code == ERR_NOT_FOUND && no_anchor(data_dir, s, e);
}
