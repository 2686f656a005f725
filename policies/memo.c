/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memo - what was decided of a name for a set of policies.
 *
 *   name --its number--> row of the set --number--> struct decided --> struct verdict
 *
 * Two hundred subjects with policies of their own and five hundred tools are a hundred thousand
 * decisions, but few that differ: what says the same is one, so that all of it fits the caches of
 * a processor.  A row is one number for each name.  Names come from clients and sets from keys:
 * when any of the three has grown too large, all is forgotten and begun anew.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"

#define NAMES_MAX     131072
#define DECIDED_BYTES ((size_t)48 << 20)
#define ROW_BYTES     ((size_t)32 << 20)
#define ROW_FIRST     64

void
memo_init(struct memo *m)
{
	*m = (struct memo){ 0 };
	map_init(&m->names);
	map_init(&m->alike);
	map_init(&m->verdicts);
	arena_init(&m->texts, BUNDLE_ARENA_BYTES);
	arena_init(&m->said, BUNDLE_ARENA_BYTES);
	arena_init(&m->arena, BUNDLE_ARENA_BYTES);
}

void
memo_fini(struct memo *m)
{
	for (uint32_t i = 0; i < m->rows_n; i++)
		free(m->rows[i].at);
	MEM_FREE(&m->rows);
	for (uint32_t i = 0; i < m->decided_n; i += MEMO_BLOCK)
		free(m->blocks[i / MEMO_BLOCK]);
	MEM_FREE(&m->blocks);
	map_fini(&m->names);
	map_fini(&m->alike);
	map_fini(&m->verdicts);
	arena_free(&m->texts);
	arena_free(&m->said);
	arena_free(&m->arena);
	m->names_n = m->rows_n = m->decided_n = 0;
	m->row_bytes = 0;
}

static struct decided *
decided_at(const struct memo *m, uint32_t number)
{
	return &m->blocks[number / MEMO_BLOCK][number % MEMO_BLOCK];
}

const struct decided *
memo_get(const struct memo *m, uint32_t set, struct str name)
{
	uintptr_t number = (uintptr_t)map_get(&m->names, name);
	uint32_t decided;

	if (number == 0 || set >= m->rows_n || number > m->rows[set].cap)
		return NULL;
	decided = m->rows[set].at[number - 1];
	return decided == 0 ? NULL : decided_at(m, decided - 1);
}

/* ---- what says the same is one ---- */

static void
bytes_put(struct buf *b, const void *p, size_t n)
{
	buf_put(b, (struct str){ p, n });
}

static void
pointer_put(struct buf *b, const void *p)
{
	bytes_put(b, &p, sizeof(p));
}

/* Texts of a bundle are the same when they lie in the same place. */
static void
span_put(struct buf *b, struct str s)
{
	pointer_put(b, s.p);
	bytes_put(b, &s.n, sizeof(s.n));
}

static void
verdict_key(struct buf *b, const struct verdict *v)
{
	const struct str texts[] = { v->rule, v->policy, v->reason, v->owner, v->when, v->must };
	const int32_t numbers[] = { v->allowed, v->line, v->explain, (int32_t)v->approvals_n };

	for (size_t i = 0; i < COUNT(texts); i++)
		span_put(b, texts[i]);
	bytes_put(b, numbers, sizeof(numbers));
	for (size_t i = 0; i < v->approvals_n; i++)
		pointer_put(b, v->approval[i]);
}

static void
candidates_key(struct buf *b, const struct candidate *c, uint32_t n)
{
	bytes_put(b, &n, sizeof(n));
	for (uint32_t i = 0; i < n; i++) {
		pointer_put(b, c[i].policy);
		pointer_put(b, c[i].rule);
	}
}

static const struct verdict *
verdict_one(struct memo *m, const struct verdict *v)
{
	struct verdict *kept;
	struct buf key;

	buf_init(&key, 0);
	verdict_key(&key, v);
	kept = map_get(&m->verdicts, buf_str(&key));
	if (kept == NULL) {
		kept = arena_new(&m->said, struct verdict);
		*kept = *v;
		map_set(&m->verdicts, arena_str(&m->arena, buf_str(&key)), kept);
	}
	buf_fini(&key);
	return kept;
}

static const struct candidate *
candidates_copy(struct memo *m, const struct candidate *c, uint32_t n)
{
	struct candidate *kept = n == 0 ? NULL : arena_alloc(&m->arena, n * sizeof(*kept));

	if (n > 0)
		memcpy(kept, c, n * sizeof(*kept));
	return kept;
}

static struct decided *
decided_new(struct memo *m)
{
	const size_t n = m->decided_n / MEMO_BLOCK;

	if (m->decided_n % MEMO_BLOCK == 0) {
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		m->blocks = mem_realloc(m->blocks, (n + 1) * sizeof(*m->blocks));
		m->blocks[n] = mem_alloc(MEMO_BLOCK * sizeof(**m->blocks));
	}
	return decided_at(m, m->decided_n++);
}

/* Its number, and one more. */
static uint32_t
decided_one(struct memo *m, const struct decided *d)
{
	const struct verdict *list = verdict_one(m, d->list);
	const uint8_t flags[] = { d->open, d->labels };
	struct decided *kept;
	uintptr_t number;
	struct buf key;

	buf_init(&key, 0);
	pointer_put(&key, list);
	bytes_put(&key, flags, sizeof(flags));
	span_put(&key, d->schema);
	candidates_key(&key, d->candidates, d->n);
	candidates_key(&key, d->limits, d->limits_n);
	number = (uintptr_t)map_get(&m->alike, buf_str(&key));
	if (number == 0) {
		kept = decided_new(m);
		number = m->decided_n;
		*kept = *d;
		kept->list = list;
		kept->candidates = candidates_copy(m, d->candidates, d->n);
		kept->limits = candidates_copy(m, d->limits, d->limits_n);
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): a map of numbers */
		map_set(&m->alike, arena_str(&m->arena, buf_str(&key)), (void *)number);
	}
	buf_fini(&key);
	return (uint32_t)number;
}

/* ---- rows ---- */

/* The place for the name in the set's row. */
static uint32_t *
place_of(struct memo *m, uint32_t set, uint32_t number)
{
	struct memo_row *row;
	uint32_t n;

	if (set >= m->rows_n) {
		n = set < 8 ? 16 : set * 2;
		m->rows = mem_realloc(m->rows, n * sizeof(*m->rows));
		memset(m->rows + m->rows_n, 0, (n - m->rows_n) * sizeof(*m->rows));
		m->rows_n = n;
	}
	row = &m->rows[set];
	if (number >= row->cap) {
		n = row->cap == 0 ? ROW_FIRST : row->cap;
		while (n <= number)
			n *= 2;
		row->at = mem_realloc(row->at, n * sizeof(*row->at));
		memset(row->at + row->cap, 0, (n - row->cap) * sizeof(*row->at));
		m->row_bytes += (n - row->cap) * sizeof(*row->at);
		row->cap = n;
	}
	return &row->at[number];
}

const struct decided *
memo_put(struct memo *m, uint32_t set, struct str name, const struct decided *d)
{
	uintptr_t number;
	uint32_t *place;

	if (m->names_n >= NAMES_MAX || m->row_bytes > ROW_BYTES ||
	    m->texts.used + m->said.used + m->arena.used > DECIDED_BYTES) {
		memo_fini(m);
		memo_init(m);
	}
	number = (uintptr_t)map_get(&m->names, name);
	if (number == 0) {
		number = ++m->names_n;
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): a map of numbers */
		map_set(&m->names, arena_str(&m->texts, name), (void *)number);
	}
	place = place_of(m, set, (uint32_t)(number - 1));
	*place = decided_one(m, d);
	return decided_at(m, *place - 1);
}
