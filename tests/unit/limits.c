/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits - token buckets, by property: whatever is asked for, held, settled and dropped in whatever
 * order and at whatever times, no window of time sees more than the burst and what time gave; a
 * refusal takes nothing; the time that it tells is enough, and one millisecond less is not.
 *
 * The model is the plain log of what was used, when: quadratic, and without a bucket.
 */
#include <stdlib.h>

#include "policies/core.h"
#include "tests/unit/check.h"

#define STEPS  1500
#define PASSES 12
#define LIMITS 5
#define KEYS   3

struct world {
	struct limits ls;
	struct limit limit[LIMITS];
	struct level team;
	struct chain chain;
	char key[KEYS][8];
	struct pass pass[PASSES];
	size_t key_of[PASSES];
	int64_t tokens[PASSES]; /* held */
	bool open[PASSES];
	/* The model: what was used of each limit, by whom, when. */
	struct {
		int64_t at_ms, n;
		size_t limit, key;
	} used[STEPS * LIMITS];
	size_t used_n;
};

static int64_t
pick(int64_t n)
{
	return (int64_t)(((uint64_t)rand() << 31 | (uint64_t)rand()) % (uint64_t)n);
}

static void
world_make(struct world *w)
{
	static const struct limit kinds[LIMITS] = {
		{ .what = LIMIT_REQUESTS, .per = PER_TEAM, .period_ms = 1000, .id = STR("a") },
		{ .what = LIMIT_REQUESTS, .per = PER_KEY, .period_ms = 60000, .id = STR("b") },
		{ .what = LIMIT_TOKENS, .per = PER_TEAM, .period_ms = 60000, .id = STR("c") },
		{ .what = LIMIT_CONCURRENT, .per = PER_KEY, .id = STR("d") },
		{ .what = LIMIT_CONCURRENT, .per = PER_TEAM, .id = STR("e") },
	};
	static const int64_t most[LIMITS] = { 7, 40, 5000, 4, 9 };

	*w = (struct world){ .team = { .kind = LEVEL_TEAM, .id = STR("acme/t") } };
	limits_init(&w->ls);
	for (size_t i = 0; i < LIMITS; i++) {
		w->limit[i] = kinds[i];
		w->limit[i].amount = 1 + pick(most[i]);
		w->limit[i].level = &w->team;
	}
	w->chain = (struct chain){ { &w->team }, 1 };
	for (size_t i = 0; i < KEYS; i++)
		(void)snprintf(w->key[i], sizeof(w->key[i]), "k_%zu", i);
	for (size_t i = 0; i < PASSES; i++) {
		arena_init(&w->pass[i].arena, 65536);
		link_init(&w->pass[i].run_limits);
	}
}

static struct taker
taker(const struct world *w, size_t key)
{
	return (struct taker){ &w->chain, str_of(w->key[key]), NULL };
}

static int64_t
need(const struct limit *l, int64_t tokens)
{
	if (l->what != LIMIT_TOKENS)
		return 1;
	return tokens < l->amount ? tokens : l->amount;
}

static bool
room(struct world *w, struct takes *t, size_t key, int64_t tokens, int64_t now_ms, struct err *e)
{
	const struct taker who = taker(w, key);
	const struct limit *refused;

	limits_begin(&w->ls, t, now_ms);
	for (size_t i = 0; i < LIMITS; i++)
		limits_meet(&w->ls, t, &w->limit[i], &who, need(&w->limit[i], tokens));
	return limits_room(t, &who, now_ms, &refused, e);
}

static void
note(struct world *w, size_t limit, size_t key, int64_t n, int64_t now_ms)
{
	if (n == 0)
		return;
	w->used[w->used_n].at_ms = now_ms;
	w->used[w->used_n].n = n;
	w->used[w->used_n].limit = limit;
	w->used[w->used_n++].key = key;
}

/* The time that was told is enough when nobody comes (but for a place, which time does not give),
 * and a second less is not. */
static void
wait_is_true(struct world *w, size_t p, int64_t *now_ms, int wait_s)
{
	int64_t then_ms = *now_ms + (int64_t)wait_s * 1000;
	struct takes t;
	struct err e;

	CHECK(wait_s == 1 || !room(w, &t, w->key_of[p], w->tokens[p], then_ms - 1000, &e));
	CHECK(room(w, &t, w->key_of[p], w->tokens[p], then_ms, &e) || e.retry_after_s == 0);
	*now_ms = then_ms;
}

/* What all of a key's buckets say, added up. */
static int64_t
taken(const struct world *w, size_t key, int64_t now_ms)
{
	const struct taker who = taker(w, key);
	struct limit_state s;
	int64_t sum = 0;

	for (size_t i = 0; i < LIMITS; i++) {
		limits_look(&w->ls, &w->limit[i], &who, now_ms, &s);
		sum += s.full_in_ms + s.held;
	}
	return sum;
}

static bool
enter(struct world *w, size_t p, int64_t *clock_ms)
{
	int64_t now_ms = *clock_ms, before;
	struct takes t;
	struct err e;

	w->key_of[p] = (size_t)pick(KEYS);
	w->tokens[p] = 1 + pick(3000);
	before = taken(w, w->key_of[p], now_ms);
	if (!room(w, &t, w->key_of[p], w->tokens[p], now_ms, &e)) {
		CHECK_EQ_I(e.code, ERR_RATE);
		CHECK_EQ_I(taken(w, w->key_of[p], now_ms), before);
		if (e.retry_after_s > 0 && rand() % 4 == 0)
			wait_is_true(w, p, clock_ms, e.retry_after_s);
		return false;
	}
	limits_take(&t, &w->pass[p]);
	note(w, 0, w->key_of[p], 1, now_ms);
	note(w, 1, w->key_of[p], 1, now_ms);
	w->open[p] = true;
	return true;
}

static void
leave(struct world *w, size_t p, int64_t now_ms)
{
	int64_t held = need(&w->limit[2], w->tokens[p]), tokens = pick(held + 1);

	if (tokens == 0)
		tokens = rand() % 2 == 0 ? 0 : -1;
	limits_release(&w->ls, &w->pass[p], now_ms, tokens);
	note(w, 2, w->key_of[p], tokens < 0 ? held : tokens, now_ms);
	w->open[p] = false;
}

/* Every window that begins and ends with a use. */
static bool
windows_hold(const struct world *w, size_t limit, size_t key)
{
	const struct limit *l = &w->limit[limit];

	for (size_t i = 0; i < w->used_n; i++) {
		int64_t sum = 0;

		for (size_t k = i; k < w->used_n; k++) {
			if (w->used[k].limit != limit ||
			    (l->per == PER_KEY && w->used[k].key != key))
				continue;
			sum += w->used[k].n;
			/* sum <= amount + amount / period x window */
			if ((sum - l->amount) * l->period_ms >
			    l->amount * (w->used[k].at_ms - w->used[i].at_ms))
				return false;
		}
	}
	return true;
}

static bool
places_hold(const struct world *w)
{
	int64_t of_key[KEYS] = { 0 }, all = 0;

	for (size_t p = 0; p < PASSES; p++)
		if (w->open[p]) {
			of_key[w->key_of[p]]++;
			all++;
		}
	for (size_t i = 0; i < KEYS; i++)
		if (of_key[i] > w->limit[3].amount)
			return false;
	return all <= w->limit[4].amount;
}

static void
test_random(unsigned seed)
{
	static struct world w;
	int64_t now_ms = 5000;
	long entered = 0, refused = 0;

	srand(seed);
	world_make(&w);
	for (int i = 0; i < STEPS; i++) {
		size_t p = (size_t)pick(PASSES);

		now_ms += rand() % 3 == 0 ? pick(400) : rand() % 50 == 0 ? pick(100000) : 0;
		if (w.open[p])
			leave(&w, p, now_ms);
		else if (enter(&w, p, &now_ms))
			entered++;
		else
			refused++;
		if (!CHECK(places_hold(&w)))
			break;
	}
	for (size_t p = 0; p < PASSES; p++)
		if (w.open[p])
			leave(&w, p, now_ms);
	CHECK(windows_hold(&w, 0, 0));
	for (size_t k = 0; k < KEYS; k++)
		CHECK(windows_hold(&w, 1, k));
	CHECK(windows_hold(&w, 2, 0));
	CHECK(entered > 20 && refused > 20);
	limits_fini(&w.ls);
	for (size_t p = 0; p < PASSES; p++)
		arena_free(&w.pass[p].arena);
}

/* A bucket of requests, and what one try of it says. */
static bool
one(struct limits *ls, const struct limit *l, const char *key, int64_t n, int64_t now_ms,
    struct pass *p, struct err *e)
{
	static const struct chain none = { .n = 0 };
	const struct taker w = { &none, str_of(key), NULL };
	const struct limit *refused;
	struct takes t;

	limits_begin(ls, &t, now_ms);
	limits_meet(ls, &t, l, &w, n);
	if (!limits_room(&t, &w, now_ms, &refused, e))
		return false;
	limits_take(&t, p);
	return true;
}

static void
test_edges(void)
{
	struct limit l = { .what = LIMIT_REQUESTS,
		.per = PER_KEY,
		.amount = LIMIT_AMOUNT_MAX,
		.period_ms = 86400000,
		.id = STR("x") };
	struct limits ls;
	struct pass p = { 0 }, q = { 0 };
	struct err e;

	TEST("the largest limit over the longest time counts to the last one");
	limits_init(&ls);
	arena_init(&p.arena, 65536);
	arena_init(&q.arena, 65536);
	link_init(&p.run_limits);
	link_init(&q.run_limits);
	CHECK(one(&ls, &l, "k", LIMIT_AMOUNT_MAX - 1, 0, &p, &e));
	CHECK(one(&ls, &l, "k", 1, 0, &p, &e));
	CHECK(!one(&ls, &l, "k", LIMIT_AMOUNT_MAX, 0, &p, &e));
	CHECK_EQ_I(e.retry_after_s, 86400);
	CHECK(!one(&ls, &l, "k", LIMIT_AMOUNT_MAX, 86399999, &p, &e));
	CHECK(one(&ls, &l, "k", LIMIT_AMOUNT_MAX, 86400000, &p, &e));

	TEST("a clock that goes back gives nothing");
	CHECK(!one(&ls, &l, "k", 1, 5, &p, &e));

	TEST("an edited amount goes on from what was taken, up to all of it");
	l.amount = 3;
	CHECK(!one(&ls, &l, "k", 1, 86400000, &p, &e));
	CHECK_EQ_I(e.retry_after_s, 28800);
	l.amount = 4;
	CHECK(one(&ls, &l, "k", 1, 86400000, &p, &e));
	CHECK(!one(&ls, &l, "k", 1, 86400000, &p, &e));
	limits_fini(&ls);

	TEST("what a provider reports beyond the estimate is owed, and not for ever");
	l = (struct limit){ .what = LIMIT_TOKENS,
		.per = PER_KEY,
		.amount = 100,
		.period_ms = 1000,
		.id = STR("x") };
	limits_init(&ls);
	CHECK(one(&ls, &l, "k", 50, 0, &p, &e));
	CHECK(one(&ls, &l, "k", 50, 0, &q, &e)); /* while the first is held */
	CHECK(!one(&ls, &l, "k", 1, 0, &p, &e) && e.retry_after_s == 0);
	CHECK(!one(&ls, &l, "k", 1, 9000, &p, &e)); /* time gives nothing that is held */
	limits_release(&ls, &p, 9000, INT64_MAX);
	limits_release(&ls, &q, 9000, 0);
	CHECK(!one(&ls, &l, "k", 1, 9000, &p, &e) && e.retry_after_s > 0);
	CHECK(!one(&ls, &l, "k", 100, 12000, &p, &e));
	CHECK(one(&ls, &l, "k", 100, 14000, &p, &e));
	limits_release(&ls, &p, 14000, -1);
	CHECK(!one(&ls, &l, "k", 100, 14000, &p, &e) && e.retry_after_s == 1);
	limits_fini(&ls);
	arena_free(&p.arena);
	arena_free(&q.arena);
}

static void
test_recall(void)
{
	static const struct chain none = { .n = 0 };
	const struct taker w = { &none, STR("k"), NULL };
	const struct limit l = {
		.what = LIMIT_CALLS, .per = PER_KEY, .amount = 10, .period_ms = 1000, .id = STR("x")
	};
	struct limit_state s;
	struct limits ls;

	TEST("what is recalled has been given back since, also from before the clock began");
	limits_init(&ls);
	limits_recall(&ls, &l, &w, 8, -5000);
	limits_recall(&ls, &l, &w, 8, -600);
	limits_look(&ls, &l, &w, 0, &s);
	CHECK_EQ_I(s.used, 2);
	limits_recall(&ls, &l, &w, INT64_MAX, 0);
	limits_look(&ls, &l, &w, 0, &s);
	CHECK(s.used == 10 && s.left == 0);
	CHECK_EQ_I(s.full_in_ms, 1000);
	limits_fini(&ls);
}

static void
test_run(void)
{
	static const struct chain none = { .n = 0 };
	const struct limit l = { .what = LIMIT_CALLS,
		.per = PER_RUN,
		.amount = 2,
		.period_ms = 86400000,
		.id = STR("x") };
	const struct limit at_once = {
		.what = LIMIT_CONCURRENT, .per = PER_RUN, .amount = 2, .id = STR("y")
	};
	struct pass run = { .magic = PASS_MAGIC, .id = "p_run" }, inner = { 0 };
	struct taker w = { &none, STR("k"), &run };
	const struct limit *refused;
	struct limits ls;
	struct takes t;
	struct err e;

	TEST("a run's buckets go with it, also where a call of it is still to leave");
	limits_init(&ls);
	arena_init(&inner.arena, 65536);
	link_init(&run.run_limits);
	link_init(&inner.run_limits);
	limits_begin(&ls, &t, 0);
	limits_meet(&ls, &t, &l, &w, 1);
	limits_meet(&ls, &t, &at_once, &w, 1);
	CHECK(limits_room(&t, &w, 0, &refused, &e));
	limits_take(&t, &inner);
	CHECK_EQ_I(ls.by_key.n, 2);
	limits_release(&ls, &run, 0, 0);
	CHECK_EQ_I(ls.by_key.n, 1);
	limits_release(&ls, &inner, 0, 0);
	limits_begin(&ls, &t, 0);
	CHECK_EQ_I(ls.by_key.n, 0);

	TEST("outside of a script a limit per run does not hold");
	w.run = NULL;
	limits_meet(&ls, &t, &l, &w, 1);
	CHECK(t.n == 0 && limits_room(&t, &w, 0, &refused, &e));

	TEST("more limits than one pass may meet are refused, not left out");
	w.run = &run;
	for (int i = 0; i < LIMITS_MEET_MAX + 1; i++)
		limits_meet(&ls, &t, &l, &w, 1);
	CHECK(!limits_room(&t, &w, 0, &refused, &e) && refused == NULL);
	limits_release(&ls, &run, 0, 0);
	limits_fini(&ls);
	arena_free(&inner.arena);
}

static void
test_alone(void)
{
	struct limit l = { .what = LIMIT_CALLS,
		.per = PER_CUSTOMER,
		.amount = 1,
		.period_ms = 60000,
		.id = STR("x") };
	struct level acme = { .kind = LEVEL_CUSTOMER, .id = STR("acme") };
	struct chain customers = { { &acme }, 1 }, nobodys = { { NULL }, 0 };
	struct taker theirs = { &customers, STR("laptop"), NULL };
	struct taker alone = { &nobodys, STR("acme"), NULL };
	const struct limit *refused;
	struct limits ls;
	struct pass p = { 0 };
	struct takes t;
	struct err e;

	TEST("a key without a customer counts for itself, also when it is called as one");
	limits_init(&ls);
	arena_init(&p.arena, 65536);
	link_init(&p.run_limits);
	limits_begin(&ls, &t, 0);
	limits_meet(&ls, &t, &l, &theirs, 1);
	CHECK(limits_room(&t, &theirs, 0, &refused, &e));
	limits_take(&t, &p);
	limits_begin(&ls, &t, 0);
	limits_meet(&ls, &t, &l, &alone, 1);
	CHECK(limits_room(&t, &alone, 0, &refused, &e));
	CHECK_EQ_I(ls.by_key.n, 2);
	limits_release(&ls, &p, 0, 0);
	limits_fini(&ls);
	arena_free(&p.arena);
}

static void
test_bound(void)
{
	struct limit l = {
		.what = LIMIT_CALLS, .per = PER_KEY, .amount = 5, .period_ms = 60000, .id = STR("x")
	};
	struct limits ls;
	struct pass p = { 0 };
	struct err e;
	char key[16];

	TEST("buckets follow what is in use; at the bound the next is refused, not uncounted");
	limits_init(&ls);
	arena_init(&p.arena, 65536);
	link_init(&p.run_limits);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		(void)one(&ls, &l, key, 1, (int64_t)i * 60000, &p, &e);
	}
	CHECK(ls.by_key.n < 10);
	for (int i = 0; i < LIMIT_BUCKETS_MAX + 10; i++) {
		(void)snprintf(key, sizeof(key), "b%d", i);
		(void)one(&ls, &l, key, 1, 100000000, &p, &e);
	}
	CHECK_EQ_I(ls.by_key.n, LIMIT_BUCKETS_MAX);
	CHECK(!one(&ls, &l, "new", 1, 100000000, &p, &e));
	CHECK(strstr(e.text, "more limits are in use") != NULL);
	CHECK(one(&ls, &l, "b0", 1, 100000000, &p, &e)); /* who is counted already goes on */
	CHECK(one(&ls, &l, "new", 1, 100000000 + 60000, &p, &e));
	CHECK(ls.by_key.n < 10);
	limits_fini(&ls);
	arena_free(&p.arena);
}

int
main(void)
{
	TEST("no window of time sees more than the burst and what time gave");
	for (unsigned seed = 1; seed <= 20; seed++)
		test_random(seed);
	test_edges();
	test_recall();
	test_run();
	test_alone();
	test_bound();
	return check_done();
}
