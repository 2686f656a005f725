/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits - token buckets.
 *
 * A bucket keeps what was spent, not what is left, in token-milliseconds: one token is period_ms of
 * them, and each millisecond gives `amount` back.  So a full bucket is zero, a limit whose amount
 * was edited goes on from what was taken, and all arithmetic is exact:
 *
 *   room for n:  spent + (held + n) x period_ms <= amount x period_ms
 *
 * `held` is what passes in flight may still spend: tokens of models, settled when they leave, and
 * places of LIMIT_CONCURRENT, which nothing but leaving gives back.  As what is settled was held,
 * no window of time sees more than amount + amount / period_ms x its length; only tokens beyond
 * their estimate come on top, and are owed.
 *
 * A bucket that is full and holds nothing says as much as none, and may be dropped at any time.
 * limits_begin() looks at a few each time, so that their number follows what is in use.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/core.h"

#define KEY_BYTES    768 /* of a limit's id and a subject */
#define LOOK_EACH    2   /* buckets looked at in each limits_begin() */
#define SWEEP_MS     1000
#define OWED_MAX     4 /* times the amount, at most, whatever a provider reports */
#define PERIODS_FULL (OWED_MAX + 2)

struct bucket {
	struct link all, of_run;
	struct place_line line;
	char *key;
	int64_t amount, period_ms; /* as the limit last said */
	int64_t spent, held;       /* token-milliseconds; tokens */
	int64_t at_ms;             /* up to when time has been given back */
};

struct limit_hold {
	struct bucket *bucket;
	int64_t n;
	bool tokens; /* settled; else only given back */
};

/* ---- one bucket ---- */

static int64_t
spent_at(const struct bucket *b, int64_t now_ms)
{
	int64_t passed = now_ms - b->at_ms;

	if (passed <= 0 || b->spent == 0)
		return b->spent;
	if (passed > b->period_ms * PERIODS_FULL)
		return 0;
	passed *= b->amount; /* at most PERIODS_FULL x 10^10 x a day: fits */
	return b->spent > passed ? b->spent - passed : 0;
}

static void
roll(struct bucket *b, int64_t now_ms)
{
	b->spent = spent_at(b, now_ms);
	if (now_ms > b->at_ms)
		b->at_ms = now_ms;
}

/* The files say another amount than before: what was taken stays, up to all there is. */
static void
adopt(struct bucket *b, const struct limit *l)
{
	if (b->amount == l->amount)
		return;
	b->amount = l->amount;
	if (b->spent > b->amount * b->period_ms)
		b->spent = b->amount * b->period_ms;
}

/* How long until n fits when nobody else comes; 0: now; -1: when somebody leaves. */
static int64_t
wait_ms(const struct bucket *b, int64_t n)
{
	int64_t short_by;

	if (b->held + n > b->amount)
		return -1;
	short_by = b->spent + (b->held + n) * b->period_ms - b->amount * b->period_ms;
	return short_by <= 0 ? 0 : (short_by + b->amount - 1) / b->amount;
}

static void
settle(struct bucket *b, int64_t held, int64_t used)
{
	int64_t most = b->amount * OWED_MAX;

	b->held -= held;
	ASSERT(b->held >= 0);
	b->spent += (used < most ? used : most) * b->period_ms;
	if (b->spent > (most + b->amount) * b->period_ms)
		b->spent = (most + b->amount) * b->period_ms;
}

static void
bucket_free(struct limits *ls, struct bucket *b)
{
	ASSERT(b->held == 0);
	(void)map_del(&ls->by_key, str_of(b->key));
	link_drop(&b->all);
	link_drop(&b->of_run);
	free(b->key);
	free(b);
}

struct place_line *
limits_line(struct bucket *b)
{
	return &b->line;
}

bool
limits_place(const struct bucket *b)
{
	return b->held < b->amount;
}

static bool
is_free(const struct bucket *b)
{
	return b->held == 0 && b->line.woken == 0 && link_empty(&b->line.waits);
}

/* Drops it when it is full, else it goes to the end of the list. */
static void
bucket_look(struct limits *ls, struct bucket *b, int64_t now_ms)
{
	if (is_free(b) && spent_at(b, now_ms) == 0) {
		bucket_free(ls, b);
		return;
	}
	link_drop(&b->all);
	link_push(&ls->all, &b->all);
}

/* ---- whose ---- */

static const struct level *
level_of(const struct chain *c, enum limit_per per)
{
	static const enum level_kind kinds[] = { [PER_USER] = LEVEL_USER,
		[PER_TEAM] = LEVEL_TEAM,
		[PER_CUSTOMER] = LEVEL_CUSTOMER,
		[PER_ORGANISATION] = LEVEL_ORGANISATION };

	for (size_t i = 0; per >= PER_USER && per <= PER_ORGANISATION && i < c->n; i++)
		if (c->level[i]->kind == kinds[per])
			return c->level[i];
	return NULL;
}

/* A key that has no such level counts for itself. */
static struct str
subject(const struct limit *l, const struct taker *w)
{
	const struct level *level = level_of(w->chain, l->per);

	if (l->per == PER_RUN)
		return w->run == NULL ? STR("") : str_of(w->run->id);
	return level != NULL ? level->id : w->key;
}

/* A line break stands in no name; a second one keeps a key that counts for itself apart from the
 * level of its name. */
static struct str
bucket_key(char out[KEY_BYTES], const struct limit *l, const struct taker *w)
{
	bool alone =
	    l->per >= PER_USER && l->per <= PER_ORGANISATION && level_of(w->chain, l->per) == NULL;
	struct str of = subject(l, w);
	int n = snprintf(
	    out, KEY_BYTES, STR_FMT "\n%s" STR_FMT, STR_ARG(l->id), alone ? "\n" : "", STR_ARG(of));

	ASSERT(n > 0 && n < KEY_BYTES);
	return (struct str){ out, (size_t)n };
}

static struct bucket *
bucket_make(struct limits *ls, struct str key, const struct limit *l, const struct taker *w)
{
	struct bucket *b = mem_zalloc(sizeof(*b));

	b->key = str_dup(key);
	b->amount = l->amount;
	b->period_ms = l->period_ms;
	link_init(&b->all);
	link_init(&b->of_run);
	link_init(&b->line.waits);
	link_push(&ls->all, &b->all);
	if (l->per == PER_RUN && pass_open(w->run))
		link_push(&w->run->run_limits, &b->of_run);
	map_set(&ls->by_key, str_of(b->key), b);
	return b;
}

/* ---- all of a pass ---- */

void
limits_init(struct limits *ls)
{
	*ls = (struct limits){ 0 };
	map_init(&ls->by_key);
	link_init(&ls->all);
}

void
limits_fini(struct limits *ls)
{
	while (ls->all.next != NULL && !link_empty(&ls->all))
		bucket_free(ls, CONTAINER(ls->all.next, struct bucket, all));
	map_fini(&ls->by_key);
}

void
limits_begin(struct limits *ls, struct takes *t, int64_t now_ms)
{
	size_t look = LOOK_EACH;

	t->n = 0;
	t->full = false;
	if (ls->by_key.n + LIMITS_MEET_MAX > LIMIT_BUCKETS_MAX &&
	    now_ms - ls->swept_ms >= SWEEP_MS) {
		ls->swept_ms = now_ms;
		look = ls->by_key.n;
	}
	while (look-- > 0 && !link_empty(&ls->all))
		bucket_look(ls, CONTAINER(ls->all.next, struct bucket, all), now_ms);
}

void
limits_meet(
    struct limits *ls, struct takes *t, const struct limit *l, const struct taker *w, int64_t n)
{
	char room[KEY_BYTES];
	struct bucket *b;
	struct str key;

	ASSERT(n > 0 && n <= l->amount);
	if (l->per == PER_RUN && w->run == NULL)
		return;
	key = bucket_key(room, l, w);
	b = map_get(&ls->by_key, key);
	if (t->n == LIMITS_MEET_MAX || (b == NULL && ls->by_key.n >= LIMIT_BUCKETS_MAX)) {
		t->full = true;
		return;
	}
	if (b == NULL)
		b = bucket_make(ls, key, l, w);
	t->take[t->n].limit = l;
	t->take[t->n].bucket = b;
	t->take[t->n++].n = n;
}

static void
whose_put(struct buf *out, const struct limit *l, const struct taker *w)
{
	if (l->per == PER_RUN)
		buf_puts(out, "this run");
	else if (level_of(w->chain, l->per) != NULL)
		buf_put(out, subject(l, w));
	else
		buf_printf(out, "key " STR_FMT, STR_ARG(w->key));
}

/* The nearest to ask: of the policy, of the limit's level, of who was refused. */
static struct str
contact(const struct limit *l, const struct taker *w)
{
	if (l->owner.n > 0)
		return l->owner;
	if (l->level != NULL)
		return l->level->contact;
	return w->chain->n > 0 ? w->chain->level[0]->contact : STR("");
}

static void
reached_put(struct buf *out, const struct limit *l, const struct taker *w)
{
	struct str ask = contact(l, w);

	buf_puts(out, ": ");
	whose_put(out, l, w);
	buf_puts(out, l->what == LIMIT_CONCURRENT ? " is at its " : " has used its ");
	limit_amount_put(out, l);
	if (l->level == NULL)
		buf_printf(
		    out, " of " STR_FMT " · policy " STR_FMT, STR_ARG(l->of), STR_ARG(l->policy));
	if (ask.n > 0)
		buf_printf(out, " (ask " STR_FMT ")", STR_ARG(ask));
}

static bool
refuse(const struct limit *l, const struct taker *w, int64_t wait, struct err *e)
{
	struct buf text;

	buf_init(&text, 0);
	if (!l->opaque)
		reached_put(&text, l, w);
	(void)err_set(e, ERR_RATE, "limit reached" STR_FMT, STR_ARG(buf_str(&text)));
	buf_fini(&text);
	if (wait > 0)
		e->retry_after_s =
		    wait > (int64_t)INT32_MAX * 1000 ? INT32_MAX : (int)((wait + 999) / 1000);
	return false;
}

bool
limits_room(const struct takes *t, const struct taker *w, int64_t now_ms,
    const struct limit **refused, struct err *e)
{
	const struct limit *worst = NULL;
	int64_t longest = 0;

	*refused = NULL;
	if (t->full)
		return err_set(e, ERR_RATE,
		    "limit reached: more limits are in use than this gateway counts (%d for one "
		    "pass, %d in all)",
		    LIMITS_MEET_MAX, LIMIT_BUCKETS_MAX);
	for (size_t i = 0; i < t->n; i++) {
		int64_t wait;

		roll(t->take[i].bucket, now_ms);
		adopt(t->take[i].bucket, t->take[i].limit);
		wait = wait_ms(t->take[i].bucket, t->take[i].n);
		if (wait == 0 || (worst != NULL && wait <= longest))
			continue;
		worst = t->take[i].limit;
		longest = wait;
	}
	*refused = worst;
	return worst == NULL || refuse(worst, w, longest, e);
}

static bool
is_held(const struct limit *l)
{
	return l->what == LIMIT_TOKENS || l->what == LIMIT_CONCURRENT;
}

void
limits_take(const struct takes *t, struct pass *p)
{
	size_t n = 0;

	ASSERT(p->holds_n == 0);
	for (size_t i = 0; i < t->n; i++)
		n += is_held(t->take[i].limit);
	p->holds = n == 0 ? NULL : arena_zalloc(&p->arena, n * sizeof(*p->holds));
	for (size_t i = 0; i < t->n; i++) {
		struct bucket *b = t->take[i].bucket;

		if (!is_held(t->take[i].limit)) {
			b->spent += t->take[i].n * b->period_ms;
			continue;
		}
		b->held += t->take[i].n;
		p->holds[p->holds_n++] = (struct limit_hold){ .bucket = b,
			.n = t->take[i].n,
			.tokens = t->take[i].limit->what == LIMIT_TOKENS };
	}
}

void
limits_release(struct limits *ls, struct pass *p, int64_t now_ms, int64_t tokens)
{
	for (size_t i = 0; i < p->holds_n; i++) {
		const struct limit_hold *h = &p->holds[i];

		roll(h->bucket, now_ms);
		settle(h->bucket, h->n, !h->tokens ? 0 : tokens < 0 ? h->n : tokens);
		if (!h->tokens)
			queue_next(h->bucket);
	}
	p->holds_n = 0;
	/* A run's own buckets go with it; what is still held of them is found by limits_begin(). */
	LIST_EACH(it, &p->run_limits) {
		struct bucket *b = CONTAINER(it, struct bucket, of_run);

		b->spent = 0;
		if (is_free(b))
			bucket_free(ls, b);
		else
			link_drop(it);
	}
}

void
limits_recall(
    struct limits *ls, const struct limit *l, const struct taker *w, int64_t n, int64_t at_ms)
{
	int64_t most = l->amount * l->period_ms;
	char room[KEY_BYTES];
	struct str key = bucket_key(room, l, w);
	struct bucket *b = map_get(&ls->by_key, key);

	ASSERT(n > 0);
	if (l->per == PER_RUN || (b == NULL && ls->by_key.n >= LIMIT_BUCKETS_MAX))
		return;
	if (b == NULL) {
		b = bucket_make(ls, key, l, w);
		b->at_ms = at_ms;
	}
	roll(b, at_ms);
	b->spent += (n < l->amount ? n : l->amount) * l->period_ms;
	if (b->spent > most)
		b->spent = most;
}

/* ---- what people see ---- */

void
limits_look(const struct limits *ls, const struct limit *l, const struct taker *w, int64_t now_ms,
    struct limit_state *out)
{
	char room[KEY_BYTES];
	const struct bucket *found = map_get(&ls->by_key, bucket_key(room, l, w));
	struct bucket b;

	*out = (struct limit_state){ .left = l->amount };
	if (found == NULL)
		return;
	b = *found;
	roll(&b, now_ms);
	adopt(&b, l);
	if (b.period_ms > 0)
		out->used = (b.spent + b.period_ms - 1) / b.period_ms;
	out->held = b.held;
	out->left = l->amount - out->used - out->held;
	if (out->left < 0)
		out->left = 0;
	out->full_in_ms = (b.spent + b.amount - 1) / b.amount;
}

const char *
limit_what_word(enum limit_what w)
{
	static const char *const words[] = { "", "requests", "tokens", "calls", "concurrent" };

	return words[w];
}

const char *
limit_per_word(enum limit_per p)
{
	static const char *const words[] = { "", "key", "user", "team", "customer", "organisation",
		"run" };

	return words[p];
}

const char *
limit_period_word(int64_t period_ms)
{
	return period_ms == 0         ? ""
	       : period_ms == 1000    ? "second"
	       : period_ms == 60000   ? "minute"
	       : period_ms == 3600000 ? "hour"
				      : "day";
}

void
limit_amount_put(struct buf *out, const struct limit *l)
{
	buf_i64(out, l->amount);
	if (l->what == LIMIT_CONCURRENT)
		buf_puts(out, " at once");
	else
		buf_printf(
		    out, " %s/%s", limit_what_word(l->what), limit_period_word(l->period_ms));
}
