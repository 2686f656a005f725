/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frequent - which tools a team has used lately.
 *
 * A count of calls that loses half of itself in a week, in whole days, so that the same uses give
 * the same count whether they were seen as they happened or read from the ledger at a start.
 * Integers: 1,024 is one use today, DAY_LEFT of 1,024 is left of it after a day (0.5 ** (1/7)).
 */
#include "policies/frequent.h"

#include <stdlib.h>

#define ID_BYTES  600
#define ONE       1024
#define DAY_LEFT  927
#define DAY_S     86400
#define DAYS_MAX  120 /* then nothing is left */
#define COUNT_MAX ((int64_t)1 << 40)

struct frequent {
	struct link link;
	char *id;
	size_t tool_at; /* where in id the tool's name begins */
	int64_t day, count;
};

void
frequents_init(struct frequents *f)
{
	map_init(&f->by_id);
	link_init(&f->all);
}

static void
drop(struct frequents *f, struct frequent *one)
{
	(void)map_del(&f->by_id, str_of(one->id));
	link_drop(&one->link);
	free(one->id);
	free(one);
}

void
frequents_fini(struct frequents *f)
{
	while (f->all.next != NULL && !link_empty(&f->all))
		drop(f, CONTAINER(f->all.next, struct frequent, link));
	map_fini(&f->by_id);
}

/* A line break stands in no name. */
static void
team_put(struct buf *b, const struct frequent_of *t)
{
	buf_put(b, str_clip(t->customer, 100));
	buf_putc(b, '\n');
	buf_put(b, str_clip(t->team, 100));
	buf_putc(b, '\n');
	if (t->team.n == 0)
		buf_put(b, str_clip(t->user, 100));
	buf_putc(b, '\n');
}

static int64_t
faded(int64_t count, int64_t days)
{
	if (days >= DAYS_MAX)
		return 0;
	for (; days > 0; days--)
		count = count * DAY_LEFT / ONE;
	return count;
}

void
frequent_learn(
    struct frequents *f, const struct frequent_of *t, struct str tool, int64_t when_s, int64_t n)
{
	char room[ID_BYTES];
	struct buf b = { .p = room, .cap = sizeof(room), .limit = sizeof(room) };
	int64_t day = when_s / DAY_S, count = (n < COUNT_MAX / ONE ? n : COUNT_MAX / ONE) * ONE;
	struct frequent *one;
	size_t at;

	team_put(&b, t);
	at = b.n;
	buf_put(&b, str_clip(tool, 280));
	ASSERT(buf_ok(&b));
	one = map_get(&f->by_id, buf_str(&b));
	if (one == NULL) {
		if (f->by_id.n >= FREQUENT_PAIRS_MAX)
			drop(f, CONTAINER(f->all.next, struct frequent, link));
		one = mem_zalloc(sizeof(*one));
		one->id = str_dup(buf_str(&b));
		one->tool_at = at;
		one->day = day;
		link_init(&one->link);
		map_set(&f->by_id, str_of(one->id), one);
	}
	link_drop(&one->link);
	link_push(&f->all, &one->link);
	if (day >= one->day) {
		one->count = faded(one->count, day - one->day);
		one->day = day;
	} else {
		count = faded(count, one->day - day);
	}
	one->count += count;
	if (one->count > COUNT_MAX)
		one->count = COUNT_MAX;
}

struct rank {
	struct str name;
	int64_t count;
};

static int
by_count(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return str_cmp(x->name, y->name);
}

size_t
frequent_best(
    struct frequents *f, const struct frequent_of *t, int64_t now_s, struct str *names, size_t max)
{
	char room[ID_BYTES];
	struct buf b = { .p = room, .cap = sizeof(room), .limit = sizeof(room) };
	struct rank *all = mem_alloc((f->by_id.n + 1) * sizeof(*all));
	size_t n = 0;

	team_put(&b, t);
	LIST_EACH(it, &f->all) {
		const struct frequent *one = CONTAINER(it, struct frequent, link);
		int64_t days = now_s / DAY_S - one->day;

		if (one->tool_at == b.n && str_starts(str_of(one->id), buf_str(&b)))
			all[n++] = (struct rank){ str_of(one->id + one->tool_at),
				faded(one->count, days > 0 ? days : 0) };
	}
	qsort(all, n, sizeof(*all), by_count);
	if (n > max)
		n = max;
	while (n > 0 && all[n - 1].count == 0)
		n--;
	for (size_t i = 0; i < n; i++)
		names[i] = all[i].name;
	free(all);
	return n;
}
