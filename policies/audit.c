/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - offline readers of the chain; they need a copy of the database and nothing else.
 *
 * verify recomputes every hash from the exact text, compares the projections (time, id, parent)
 * with it, and rebuilds the ledger from the rows.  What it cannot see is a tail that was cut off
 * together with its ledger cells: a signed checkpoint outside the database would, and does not
 * exist yet.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "policies/core.h"

#define QUARTER_S 900

#define NUMBERS   10
#define UNMETERED 8 /* those that an older database counts, too */

struct cell {
	char *id;
	int64_t n[NUMBERS];
	bool met;
};

struct verify {
	struct buf *out;
	struct chain_head head;
	struct map ledger;
	size_t numbers; /* that the ledger counts */
	bool bad;
};

static bool
wrong(struct verify *v, int64_t seq, const char *what)
{
	buf_printf(v->out, "row %lld: %s", (long long)seq, what);
	v->bad = true;
	return false;
}

static int64_t
number_of(struct str event, const char *name)
{
	struct str raw;
	int64_t n = 0;

	if (json_get(event, str_of(name), &raw) && !json_i64(raw, &n))
		n = 0;
	return n;
}

static struct cell *
cell_get(struct map *ledger, struct str id)
{
	struct cell *c = map_get(ledger, id);

	if (c == NULL) {
		c = mem_zalloc(sizeof(*c));
		c->id = str_dup(id);
		map_set(ledger, str_of(c->id), c);
	}
	return c;
}

static void
cell_id(struct buf *id, int64_t quarter_s, struct str kind, const struct str who[5])
{
	buf_i64(id, quarter_s);
	buf_putc(id, '\n');
	buf_put(id, kind);
	for (int i = 0; i < 5; i++) {
		buf_putc(id, '\n');
		buf_put(id, who[i]);
	}
}

/* Adds one event to the ledger as the gate did. */
static void
ledger_add(struct verify *v, struct str event)
{
	struct arena a;
	struct buf id;
	struct cell *c;
	int64_t memory_kb, s = number_of(event, "entered_ns") / 1000000000;
	bool ok;

	arena_init(&a, event.n + 65536);
	struct str kind = json_text(event, "kind", &a);
	const struct str who[5] = { json_text(event, "key", &a), json_text(event, "customer", &a),
		json_text(event, "team", &a), json_text(event, "user", &a),
		json_text(event, "name", &a) };
	if (!str_eq(kind, STR("admin"))) {
		ok = str_eq(json_text(event, "verdict", &a), STR("ok"));
		buf_init(&id, 0);
		cell_id(&id, s - s % QUARTER_S, kind, who);
		c = cell_get(&v->ledger, buf_str(&id));
		c->n[0] += ok;
		c->n[1] += !ok;
		c->n[2] += number_of(event, "input_tokens");
		c->n[3] += number_of(event, "output_tokens");
		c->n[4] += number_of(event, "cache_write_tokens");
		c->n[5] += number_of(event, "cache_read_tokens");
		c->n[6] += number_of(event, "cost_nusd");
		c->n[7] += number_of(event, "kept_bytes");
		c->n[8] += number_of(event, "cpu_us");
		memory_kb = number_of(event, "memory_kb");
		c->n[9] = c->n[9] > memory_kb ? c->n[9] : memory_kb;
		buf_fini(&id);
	}
	arena_free(&a);
}

static bool
projections_match(const struct audit_row *r)
{
	struct arena a;
	bool same;

	arena_init(&a, r->event.n + 65536);
	same = number_of(r->event, "ts_ns") == r->ts_ns &&
	       str_eq(json_text(r->event, "id", &a), r->id) &&
	       str_eq(json_text(r->event, "parent", &a), r->parent);
	arena_free(&a);
	return same;
}

static bool
on_row(void *ctx, const struct audit_row *r)
{
	struct verify *v = ctx;
	struct sha256 hash;
	struct err e;

	if (r->seq != v->head.seq + 1)
		return wrong(v, v->head.seq + 1, "missing");
	chain_hash(&hash, &v->head.hash, r->seq, r->event);
	if (memcmp(hash.b, r->hash.b, SHA256_BYTES) != 0)
		return wrong(v, r->seq, "its hash does not fit its text and its predecessor");
	if (!json_check(r->event, true, &e))
		return wrong(v, r->seq, "its text is not an event");
	if (!projections_match(r))
		return wrong(v, r->seq, "its columns differ from its text");
	v->head = (struct chain_head){ r->seq, hash };
	ledger_add(v, r->event);
	return true;
}

static bool
on_cell(void *ctx, const struct usage_row *r)
{
	struct verify *v = ctx;
	const struct str who[5] = { r->key, r->customer, r->team, r->user, r->name };
	const int64_t n[NUMBERS] = { r->requests, r->refused, r->input, r->output, r->cache_write,
		r->cache_read, r->cost_nusd, r->kept_bytes, r->cpu_us, r->memory_kb };
	struct cell *c;
	struct buf id;

	buf_init(&id, 0);
	cell_id(&id, r->quarter_s, str_of(kind_word((enum ask_kind)r->kind)), who);
	c = map_get(&v->ledger, buf_str(&id));
	buf_fini(&id);
	if (c == NULL || memcmp(c->n, n, v->numbers * sizeof(*n)) != 0) {
		buf_printf(v->out, "the ledger differs from the rows: key " STR_FMT ", " STR_FMT,
		    STR_ARG(r->key), STR_ARG(r->name));
		v->bad = true;
		return false;
	}
	c->met = true;
	return true;
}

static void
ledger_close(struct verify *v)
{
	struct str key;
	void *value;

	for (size_t it = 0; map_next(&v->ledger, &it, &key, &value);) {
		struct cell *c = map_del(&v->ledger, key);

		if (!c->met && !v->bad) {
			buf_puts(v->out, "the ledger lacks a cell that the rows have");
			v->bad = true;
		}
		free(c->id);
		free(c);
	}
	map_fini(&v->ledger);
}

bool
audit_verify(const char *data_dir, struct buf *out, struct err *e)
{
	struct store *s = store_open_reader(data_dir, e);
	struct verify v = { .out = out };
	bool ok;

	if (s == NULL)
		return false;
	v.numbers = store_metered(s) ? NUMBERS : UNMETERED;
	/* One read transaction: a running gateway goes on writing behind it. */
	ok = store_snapshot(s, e) && store_audit_each(s, 0, on_row, &v, e) &&
	     (v.bad || store_usage_each(s, 0, on_cell, &v, e));
	ledger_close(&v);
	store_close(&s);
	if (!ok)
		return false;
	if (v.bad)
		return err_set(e, ERR_INVALID, "the audit chain is broken");
	buf_printf(out, "ok %lld rows, head ", (long long)v.head.seq);
	buf_hex(out, v.head.hash.b, SHA256_BYTES);
	return true;
}

/* ---- reading ---- */

struct reading {
	const struct audit_query *q;
	audit_row_f *fn;
	void *ctx;
	int64_t given;
	struct map family; /* ids of the tree that is asked for */
	struct map uses;   /* tool-use ids that the models of its session asked for */
	struct arena a;
	struct str session, wanted_use;
	bool stopped;
};

static bool
give(struct reading *rd, const struct audit_row *r)
{
	if (rd->q->limit > 0 && rd->given++ >= rd->q->limit)
		return false;
	rd->stopped = !rd->fn(rd->ctx, r->seq, r->event);
	return !rd->stopped;
}

static bool
on_any(void *ctx, const struct audit_row *r)
{
	return give(ctx, r);
}

static void
remember(struct reading *rd, struct map *m, struct str s)
{
	if (s.n > 0 && map_get(m, s) == NULL)
		map_set(m, arena_str(&rd->a, s), rd);
}

static bool
has_word(struct str words, struct str word)
{
	while (words.p != NULL)
		if (str_eq(str_cut(&words, ' '), word))
			return true;
	return false;
}

/* What a model row of the session says: its tools' calls belong to the tree. */
static void
session_note(struct reading *rd, struct str session, struct str uses)
{
	if (rd->session.n == 0 && rd->wanted_use.n > 0 && has_word(uses, rd->wanted_use))
		rd->session = arena_str(&rd->a, session);
	if (rd->session.n == 0 || !str_eq(session, rd->session))
		return;
	while (uses.p != NULL)
		remember(rd, &rd->uses, str_cut(&uses, ' '));
}

/* What belongs to the asked row?  Parents and kids come in any order, since a row is written when
 * its pass leaves; the session and the tool-use ids join what different requests did. */
static bool
on_family(void *ctx, const struct audit_row *r)
{
	struct reading *rd = ctx;
	struct arena a;
	struct str session, use;

	if (arena_left(&rd->a) < 65536)
		return false;
	arena_init(&a, r->event.n + 65536);
	session = json_text(r->event, "session", &a);
	use = json_text(r->event, "tool_use", &a);
	if (str_eq(r->id, rd->q->id) || (use.n > 0 && map_get(&rd->uses, use) != NULL) ||
	    (r->parent.n > 0 && map_get(&rd->family, r->parent) != NULL))
		remember(rd, &rd->family, r->id);
	if (map_get(&rd->family, r->id) != NULL) {
		remember(rd, &rd->family, r->parent);
		if (rd->session.n == 0)
			rd->session = arena_str(&rd->a, session);
		if (rd->wanted_use.n == 0)
			rd->wanted_use = arena_str(&rd->a, use);
	}
	session_note(rd, session, json_text(r->event, "tool_uses", &a));
	arena_free(&a);
	return true;
}

static bool
on_member(void *ctx, const struct audit_row *r)
{
	struct reading *rd = ctx;
	struct arena a;
	bool in = map_get(&rd->family, r->id) != NULL;

	if (!in && rd->session.n > 0) {
		arena_init(&a, r->event.n + 65536);
		in = str_eq(json_text(r->event, "session", &a), rd->session);
		arena_free(&a);
	}
	return !in || give(rd, r);
}

bool
audit_read(
    const char *data_dir, const struct audit_query *q, audit_row_f *fn, void *ctx, struct err *e)
{
	struct store *s = store_open_reader(data_dir, e);
	struct reading rd = { .q = q, .fn = fn, .ctx = ctx };
	int64_t after = q->after_seq, last;
	struct sha256 hash;
	uint64_t applied;
	bool ok;

	if (s == NULL)
		return false;
	ok = store_snapshot(s, e) && store_head(s, &last, &hash, &applied, e);
	if (ok && q->id.n > 0) {
		arena_init(&rd.a, (size_t)16 << 20);
		for (int pass = 0; ok && pass < 3; pass++)
			ok = store_audit_each(s, 0, on_family, &rd, e);
		ok = ok && store_audit_each(s, 0, on_member, &rd, e);
		map_fini(&rd.family);
		map_fini(&rd.uses);
		arena_free(&rd.a);
	} else if (ok) {
		if (q->newest && q->limit > 0 && last - q->limit > after)
			after = last - q->limit;
		ok = store_audit_each(s, after, on_any, &rd, e);
	}
	store_close(&s);
	return ok;
}
