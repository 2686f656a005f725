/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usual - the last costs of each key and model, and the 95th percentile of them.
 *
 * Memory only, and little of it: a pair that nobody has heard of, and every pair after a restart,
 * begins with the worst case, which is the safe side.  A key is its name, which outlives rotation.
 */
#include "policies/usual.h"

#include <stdlib.h>
#include <string.h>

#define ID_BYTES 512

struct usual {
	struct link link;
	char *id;
	int64_t cost[USUAL_KEPT], held; /* held: what is said; 0 while n < USUAL_MIN */
	size_t n, at;
};

void
usuals_init(struct usuals *u)
{
	map_init(&u->by_id);
	link_init(&u->all);
}

static void
drop(struct usuals *u, struct usual *one)
{
	(void)map_del(&u->by_id, str_of(one->id));
	link_drop(&one->link);
	free(one->id);
	free(one);
}

void
usuals_fini(struct usuals *u)
{
	while (u->all.next != NULL && !link_empty(&u->all))
		drop(u, CONTAINER(u->all.next, struct usual, link));
	map_fini(&u->by_id);
}

/* A line break stands in no name. */
static struct str
pair(
    char out[ID_BYTES], struct str key, struct str model) // NOLINT(readability-non-const-parameter)
{
	struct buf b = { .p = out, .cap = ID_BYTES, .limit = ID_BYTES };

	buf_put(&b, str_clip(key, 128));
	buf_putc(&b, '\n');
	buf_put(&b, str_clip(model, 300));
	ASSERT(buf_ok(&b));
	return buf_str(&b);
}

static int
by_cost(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
count(struct usual *one)
{
	int64_t sorted[USUAL_KEPT], p95;

	memcpy(sorted, one->cost, one->n * sizeof(*sorted));
	qsort(sorted, one->n, sizeof(*sorted), by_cost);
	p95 = sorted[(one->n * 95 + 99) / 100 - 1];
	one->held = p95 > INT64_MAX / USUAL_MARGIN ? INT64_MAX : p95 * USUAL_MARGIN / 2;
}

int64_t
usual_nusd(struct usuals *u, struct str key, struct str model)
{
	char id[ID_BYTES];
	struct usual *one = map_get(&u->by_id, pair(id, key, model));

	return one == NULL || one->n < USUAL_MIN ? -1 : one->held;
}

void
usual_learn(struct usuals *u, struct str key, struct str model, int64_t cost_nusd)
{
	char room[ID_BYTES];
	struct str id = pair(room, key, model);
	struct usual *one = map_get(&u->by_id, id);

	if (one == NULL) {
		if (u->by_id.n >= USUAL_PAIRS_MAX)
			drop(u, CONTAINER(u->all.next, struct usual, link));
		one = mem_zalloc(sizeof(*one));
		one->id = str_dup(id);
		link_init(&one->link);
		map_set(&u->by_id, str_of(one->id), one);
	}
	link_drop(&one->link);
	link_push(&u->all, &one->link);
	one->cost[one->at] = cost_nusd;
	one->at = (one->at + 1) % USUAL_KEPT;
	if (one->n < USUAL_KEPT)
		one->n++;
	if (one->n >= USUAL_MIN)
		count(one);
}
