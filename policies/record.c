/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - the payload of a journal record, and its one effect on the database.
 *
 * A DONE record carries the exact audit text and the numbers that go with it, so that applying it
 * twice is impossible (the applied sequence is in the same transaction) and applying it never asks
 * anything of the program's memory.  An OPEN record carries the DONE record that a crash would
 * leave: held amount charged, end "crashed".
 */
#include <string.h>

#include "policies/core.h"

static void
put_i64(struct buf *b, int64_t v)
{
	buf_put(b, (struct str){ (const char *)&v, sizeof(v) });
}

static void
put_str(struct buf *b, struct str s)
{
	int64_t n = (int64_t)s.n;
	char *p = buf_room(b, sizeof(n) + s.n);

	if (p == NULL)
		return;
	memcpy(p, &n, sizeof(n));
	if (s.n > 0)
		memcpy(p + sizeof(n), s.p, s.n);
	b->n += sizeof(n) + s.n;
}

static bool
get_i64(struct str *in, int64_t *v)
{
	if (in->n < sizeof(*v))
		return false;
	memcpy(v, in->p, sizeof(*v));
	in->p += sizeof(*v);
	in->n -= sizeof(*v);
	return true;
}

static bool
get_str(struct str *in, struct str *s)
{
	int64_t n;

	if (!get_i64(in, &n) || n < 0 || (uint64_t)n > in->n)
		return false;
	*s = (struct str){ in->p, (size_t)n };
	in->p += n;
	in->n -= (size_t)n;
	return true;
}

/* The numbers of a usage cell, in one order for both directions.  A journal of before the ledger
 * counted CPU and memory has the first nine; what stands before them tells. */
#define USAGE_NUMBERS     11
#define USAGE_NUMBERS_OLD 9
#define USAGE_MEMORY      10 /* of which the largest counts */
enum usage_form { USAGE_NONE, USAGE_OLD, USAGE_METERED };

static int64_t *
usage_number(struct usage_row *u, int i)
{
	int64_t *all[USAGE_NUMBERS] = { &u->quarter_s, &u->requests, &u->refused, &u->input,
		&u->output, &u->cache_write, &u->cache_read, &u->cost_nusd, &u->kept_bytes,
		&u->cpu_us, &u->memory_kb };

	return all[i];
}

static void
usage_put(struct buf *out, struct usage_row u)
{
	int64_t numbers[USAGE_NUMBERS + 1];

	for (int i = 0; i < USAGE_NUMBERS; i++)
		numbers[i] = *usage_number(&u, i);
	numbers[USAGE_NUMBERS] = u.kind;
	buf_put(out, (struct str){ (const char *)numbers, sizeof(numbers) });
	put_str(out, u.key);
	put_str(out, u.customer);
	put_str(out, u.team);
	put_str(out, u.user);
	put_str(out, u.name);
}

static bool
usage_get(struct str *in, int64_t form, struct usage_row *u)
{
	int n = form == USAGE_OLD ? USAGE_NUMBERS_OLD : USAGE_NUMBERS;
	int64_t kind;

	for (int i = 0; i < n; i++)
		if (!get_i64(in, usage_number(u, i)))
			return false;
	if (!get_i64(in, &kind))
		return false;
	u->kind = (int)kind;
	return get_str(in, &u->key) && get_str(in, &u->customer) && get_str(in, &u->team) &&
	       get_str(in, &u->user) && get_str(in, &u->name);
}

static void
key_put(struct buf *out, const struct key_row *k)
{
	put_str(out, k->id);
	put_str(out, k->name);
	put_str(out, k->customer);
	put_str(out, k->team);
	put_str(out, k->user);
	put_str(out, (struct str){ (const char *)k->digest.b, SHA256_BYTES });
	put_i64(out, k->state);
	put_i64(out, k->created_ns);
	put_i64(out, k->expires_ns);
	put_str(out, k->tags);
	put_str(out, k->scope);
	put_str(out, k->budget);
}

static bool
key_get(struct str *in, struct key_row *k)
{
	struct str digest;
	int64_t state;

	if (!get_str(in, &k->id) || !get_str(in, &k->name) || !get_str(in, &k->customer) ||
	    !get_str(in, &k->team) || !get_str(in, &k->user) || !get_str(in, &digest) ||
	    digest.n != SHA256_BYTES || !get_i64(in, &state))
		return false;
	memcpy(k->digest.b, digest.p, SHA256_BYTES);
	k->state = (int)state;
	if (!get_i64(in, &k->created_ns) || !get_i64(in, &k->expires_ns))
		return false;
	if (in->n == 0) { /* a journal of version 0.1: it ends here */
		k->tags = k->scope = k->budget = STR("");
		return true;
	}
	return get_str(in, &k->tags) && get_str(in, &k->scope) && get_str(in, &k->budget);
}

static void
approval_put(struct buf *out, const struct approval_row *a)
{
	const int64_t numbers[] = { a->args_bytes, a->kind, a->state, a->given, a->created_ns,
		a->expires_ns };

	put_str(out, a->id);
	put_str(out, a->key);
	put_str(out, a->name);
	put_str(out, a->rev);
	put_str(out, a->rules);
	put_str(out, a->shown);
	put_str(out, (struct str){ (const char *)a->args.b, SHA256_BYTES });
	for (size_t i = 0; i < COUNT(numbers); i++)
		put_i64(out, numbers[i]);
}

static bool
approval_get(struct str *in, struct approval_row *a)
{
	int64_t kind, state;
	struct str args;

	if (!get_str(in, &a->id) || !get_str(in, &a->key) || !get_str(in, &a->name) ||
	    !get_str(in, &a->rev) || !get_str(in, &a->rules) || !get_str(in, &a->shown) ||
	    !get_str(in, &args) || args.n != SHA256_BYTES || !get_i64(in, &a->args_bytes) ||
	    !get_i64(in, &kind) || !get_i64(in, &state) || !get_i64(in, &a->given) ||
	    !get_i64(in, &a->created_ns) || !get_i64(in, &a->expires_ns))
		return false;
	memcpy(a->args.b, args.p, SHA256_BYTES);
	a->kind = (int)kind;
	a->state = (int)state;
	return true;
}

size_t
record_begin(struct buf *out, struct str id, struct str parent, int64_t ts_ns)
{
	put_str(out, id);
	put_str(out, parent);
	put_i64(out, ts_ns);
	put_i64(out, 0); /* the event's bytes: record_end() knows */
	return out->n;
}

void
record_end(struct buf *out, size_t event_at, const struct record_rows *rows)
{
	int64_t n = (int64_t)(out->n - event_at);

	if (buf_ok(out))
		memcpy(out->p + event_at - sizeof(n), &n, sizeof(n));
	put_i64(out, rows->usage != NULL ? USAGE_METERED : USAGE_NONE);
	if (rows->usage != NULL)
		usage_put(out, *rows->usage);
	put_i64(out, rows->key != NULL);
	if (rows->key != NULL)
		key_put(out, rows->key);
	put_i64(out, rows->approval != NULL);
	if (rows->approval != NULL)
		approval_put(out, rows->approval);
	if (rows->note == NULL)
		return;
	put_str(out, rows->note->name);
	put_str(out, rows->note->value);
}

bool
record_get(struct str in, struct record *out)
{
	int64_t has;

	*out = (struct record){ 0 };
	if (!get_str(&in, &out->id) || !get_str(&in, &out->parent) || !get_i64(&in, &out->ts_ns) ||
	    !get_str(&in, &out->event) || !get_i64(&in, &has))
		return false;
	out->has_usage = has != USAGE_NONE;
	if (out->has_usage && !usage_get(&in, has, &out->usage))
		return false;
	if (!get_i64(&in, &has))
		return false;
	out->has_key = has != 0;
	if (out->has_key && !key_get(&in, &out->key))
		return false;
	if (in.n == 0) /* a journal of version 0.1: it ends here */
		return true;
	if (!get_i64(&in, &has))
		return false;
	out->has_approval = has != 0;
	if (out->has_approval && !approval_get(&in, &out->approval))
		return false;
	out->has_note = in.n > 0;
	return !out->has_note || (get_str(&in, &out->note.name) && out->note.name.n > 0 &&
				     get_str(&in, &out->note.value) && in.n == 0);
}

void
record_put_kept(struct buf *out, const struct kept_row *k)
{
	put_str(out, k->key);
	put_str(out, k->name);
	put_i64(out, k->until_ns);
	if (k->value.p != NULL)
		put_str(out, k->value);
}

bool
record_get_kept(struct str in, struct kept_row *out)
{
	*out = (struct kept_row){ 0 };
	if (!get_str(&in, &out->key) || !get_str(&in, &out->name) || !get_i64(&in, &out->until_ns))
		return false;
	return in.n == 0 || (get_str(&in, &out->value) && in.n == 0);
}

void
chain_hash(struct sha256 *out, const struct sha256 *prev, int64_t seq, struct str event)
{
	unsigned char le[8];
	struct str parts[3] = { { (const char *)prev->b, SHA256_BYTES }, { (char *)le, sizeof(le) },
		event };

	for (int i = 0; i < 8; i++)
		le[i] = (unsigned char)((uint64_t)seq >> (8 * i));
	sha256_parts(out, parts, COUNT(parts));
}

/* ---- usage, added up ---- */

static bool
same_cell(const struct usage_row *a, const struct usage_row *b)
{
	return a->quarter_s == b->quarter_s && a->kind == b->kind && str_eq(a->key, b->key) &&
	       str_eq(a->name, b->name) && str_eq(a->user, b->user) && str_eq(a->team, b->team) &&
	       str_eq(a->customer, b->customer);
}

bool
usage_sum_flush(struct usage_sum *sum, struct store *s, struct err *e)
{
	bool ok = true;

	for (size_t i = 0; ok && i < sum->n; i++)
		ok = store_usage_add(s, &sum->row[i], e);
	sum->n = 0;
	return ok;
}

/* True when the numbers were added; false, and nothing changed, when one would overflow: then the
 * row stands for itself. */
static bool
usage_add(struct usage_row *into, struct usage_row u)
{
	struct usage_row t = *into;

	for (int k = 1; k < USAGE_MEMORY; k++) /* 0 is the quarter itself */
		if (__builtin_add_overflow(
			*usage_number(&t, k), *usage_number(&u, k), usage_number(&t, k)))
			return false;
	if (t.memory_kb < u.memory_kb)
		t.memory_kb = u.memory_kb;
	*into = t;
	return true;
}

static bool
usage_sum_add(struct usage_sum *sum, struct store *s, const struct usage_row *u, struct err *e)
{
	for (size_t i = 0; i < sum->n; i++)
		if (same_cell(&sum->row[i], u) && usage_add(&sum->row[i], *u))
			return true;
	if (sum->n == COUNT(sum->row) && !usage_sum_flush(sum, s, e))
		return false;
	sum->row[sum->n++] = *u;
	return true;
}

bool
record_apply(struct store *s, const struct record *r, struct chain_head *head,
    struct usage_sum *sum, struct err *e)
{
	struct audit_row row = { .seq = head->seq + 1,
		.ts_ns = r->ts_ns,
		.id = r->id,
		.parent = r->parent,
		.event = r->event };

	chain_hash(&row.hash, &head->hash, row.seq, r->event);
	if (!store_audit_put(s, &row, e) ||
	    (r->has_usage && !usage_sum_add(sum, s, &r->usage, e)) ||
	    (r->has_key && !store_key_put(s, &r->key, e)) ||
	    (r->has_approval && !store_approval_put(s, &r->approval, e)) ||
	    (r->has_note && !store_note_put(s, &r->note, e)))
		return false;
	head->seq = row.seq;
	head->hash = row.hash;
	return true;
}
