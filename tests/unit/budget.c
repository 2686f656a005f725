/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - reserve and settle over the five levels of a chain (key, user, team, customer,
 * organisation) and the two of a key of nobody, by property: at random limits, chains, holds, costs
 * and orders of settling, no level is ever over its limit with what it holds, a refusal takes
 * nothing, everything is released to the last nano-dollar, and the order of settling does not
 * matter.  A plain array of sums is the model that the accounts must agree with.
 */
#include <stdlib.h>

#include "policies/core.h"
#include "tests/unit/check.h"

#define CUSTOMERS 2
#define TEAMS     (CUSTOMERS * 2)
#define USERS     3 /* of a team */
#define OWNED     (TEAMS * USERS)
#define CHAINS    (OWNED + 1) /* each user has a key with a budget of its own; one is nobody's */
#define LEVELS    (1 + CUSTOMERS + TEAMS + 2 * OWNED + 1)
#define PASSES    40
#define STEPS     3000
#define NO_LIMIT  INT64_MAX

struct world {
	struct core core;
	struct level level[LEVELS];
	char id[LEVELS][32];
	struct chain chain[CHAINS];
	size_t on[CHAINS][CHAIN_MAX]; /* which levels */
	/* The model. */
	int64_t limit[LEVELS], used[LEVELS], held[LEVELS];
	struct pass pass[PASSES];
	size_t chain_of[PASSES];
	int64_t hold[PASSES];
	bool open[PASSES];
};

static int64_t
pick(int64_t n)
{
	return (int64_t)(((uint64_t)rand() << 31 | (uint64_t)rand()) % (uint64_t)n);
}

static size_t
level_make(struct world *w, size_t *n, const char *id)
{
	struct level *l = &w->level[*n];

	(void)snprintf(w->id[*n], sizeof(w->id[*n]), "%s", id);
	l->id = str_of(w->id[*n]);
	l->zone = STR("UTC");
	w->limit[*n] = rand() % 4 == 0 ? NO_LIMIT : 1 + pick(100000);
	if (w->limit[*n] != NO_LIMIT) {
		l->budgets[0] =
		    (struct budget){ .period = PERIOD_YEAR, .amount_nusd = w->limit[*n] };
		l->budgets_n = 1;
	}
	return (*n)++;
}

static void
chain_make(struct world *w, size_t c, const size_t *on, size_t n)
{
	w->chain[c].n = n;
	for (size_t i = 0; i < n; i++) {
		w->on[c][i] = on[i];
		w->chain[c].level[i] = &w->level[on[i]];
	}
}

static void
world_make(struct world *w, struct loop *loop)
{
	size_t n = 0, c = 0, customer = 0, organisation;
	char id[32];

	*w = (struct world){ .core = { .magic = CORE_MAGIC, .loop = loop } };
	map_init(&w->core.accounts);
	organisation = level_make(w, &n, ORGANISATION_ID);
	for (int t = 0; t < TEAMS; t++) {
		size_t team;

		(void)snprintf(id, sizeof(id), "c%d", t % CUSTOMERS);
		if (t < CUSTOMERS)
			customer = level_make(w, &n, id);
		else
			for (customer = 0; !str_eq(w->level[customer].id, str_of(id));)
				customer++;
		(void)snprintf(id, sizeof(id), "c%d/t%d", t % CUSTOMERS, t);
		team = level_make(w, &n, id);
		for (int u = 0; u < USERS; u++) {
			size_t user, key;

			(void)snprintf(id, sizeof(id), "c%d/t%d/u%d", t % CUSTOMERS, t, u);
			user = level_make(w, &n, id);
			(void)snprintf(id, sizeof(id), "key t%du%d", t, u);
			key = level_make(w, &n, id);
			chain_make(
			    w, c++, (size_t[]){ key, user, team, customer, organisation }, 5);
		}
	}
	chain_make(w, c++, (size_t[]){ level_make(w, &n, "key nobody"), organisation }, 2);
	ASSERT(n == LEVELS && c == CHAINS);
}

static void
world_drop(struct world *w)
{
	size_t it = 0;
	struct str key;
	void *v;

	while (map_next(&w->core.accounts, &it, &key, &v)) {
		struct account *a = v;

		(void)map_del(&w->core.accounts, key);
		free(a->id);
		free(a);
	}
	map_fini(&w->core.accounts);
}

/* Accounts and model agree, in every period; nothing that is limited is over its limit. */
static bool
agrees(struct world *w)
{
	for (size_t i = 0; i < LEVELS; i++) {
		struct account *a = account_get(&w->core, w->level[i].id);

		if (w->held[i] < 0 || w->held[i] > w->limit[i])
			return false;
		for (int k = 0; k < PERIODS; k++)
			if (a->used_nusd[k] != w->used[i] || a->held_nusd[k] != w->held[i])
				return false;
	}
	return true;
}

static bool
should_fit(const struct world *w, size_t chain, int64_t nusd)
{
	for (size_t i = 0; i < w->chain[chain].n; i++) {
		size_t l = w->on[chain][i];

		if (w->limit[l] != NO_LIMIT && w->used[l] + w->held[l] + nusd > w->limit[l])
			return false;
	}
	return true;
}

static bool
try_enter(struct world *w, size_t p)
{
	size_t chain = (size_t)pick(CHAINS);
	int64_t hold = pick(8) == 0 ? 0 : pick(4000);
	bool fits = should_fit(w, chain, hold), ok;
	struct err e = { 0 };

	ok = budget_reserve(&w->core, &w->pass[p], &w->chain[chain], hold, &e);
	CHECK(ok == fits);
	if (!ok) {
		CHECK_EQ_I(e.code, ERR_BUDGET);
		CHECK(e.retry_after_s > 0 && e.retry_after_s <= 366 * 86400);
		CHECK(w->pass[p].at_n == 0);
		return false;
	}
	w->open[p] = true;
	w->chain_of[p] = chain;
	w->hold[p] = hold;
	for (size_t i = 0; i < w->chain[chain].n; i++)
		w->held[w->on[chain][i]] += hold;
	return true;
}

static void
leave(struct world *w, size_t p, int64_t cost)
{
	budget_settle(&w->pass[p], loop_wall_ns(w->core.loop) / 1000000000, cost);
	w->open[p] = false;
	for (size_t i = 0; i < w->chain[w->chain_of[p]].n; i++) {
		w->held[w->on[w->chain_of[p]][i]] -= w->hold[p];
		w->used[w->on[w->chain_of[p]][i]] += cost;
	}
}

/* What is settled at most at its hold never brings a level over its limit. */
static bool
within(const struct world *w)
{
	for (size_t i = 0; i < LEVELS; i++)
		if (w->limit[i] != NO_LIMIT && w->used[i] + w->held[i] > w->limit[i])
			return false;
	return true;
}

static void
test_random(struct loop *loop, unsigned seed)
{
	static struct world w;
	long entered = 0, refused = 0;

	srand(seed);
	world_make(&w, loop);
	for (int i = 0; i < STEPS; i++) {
		size_t p = (size_t)pick(PASSES);

		if (w.open[p])
			leave(&w, p, w.hold[p] == 0 ? 0 : pick(w.hold[p] + 1));
		else if (try_enter(&w, p))
			entered++;
		else
			refused++;
		CHECK(within(&w));
		if (i % 16 == 0)
			CHECK(agrees(&w));
	}
	for (size_t p = 0; p < PASSES; p++)
		if (w.open[p])
			leave(&w, p, 0);
	CHECK(agrees(&w));
	for (size_t i = 0; i < LEVELS; i++)
		CHECK_EQ_I(w.held[i], 0);
	CHECK(entered > 20 && refused > 20);
	world_drop(&w);
}

/* The same passes, settled in two orders, leave the same accounts. */
static void
test_order(struct loop *loop, unsigned seed)
{
	static struct world a, b;
	int64_t cost[PASSES];
	size_t order[PASSES];

	srand(seed);
	world_make(&a, loop);
	srand(seed);
	world_make(&b, loop);
	for (size_t p = 0; p < PASSES; p++) {
		unsigned roll = (unsigned)rand();

		srand(roll);
		(void)try_enter(&a, p);
		srand(roll);
		(void)try_enter(&b, p);
		CHECK(a.open[p] == b.open[p] && a.hold[p] == b.hold[p]);
		cost[p] = a.hold[p] * 2 / 3; /* also of what did not enter: not used */
		order[p] = p;
	}
	for (size_t p = PASSES - 1; p > 0; p--) {
		size_t q = (size_t)pick((int64_t)p + 1), t = order[p];

		order[p] = order[q];
		order[q] = t;
	}
	for (size_t p = 0; p < PASSES; p++) {
		if (a.open[p])
			leave(&a, p, cost[p]);
		if (b.open[order[p]])
			leave(&b, order[p], cost[order[p]]);
	}
	for (size_t i = 0; i < LEVELS; i++) {
		struct account *x = account_get(&a.core, a.level[i].id);
		struct account *y = account_get(&b.core, b.level[i].id);

		CHECK_MEM((char *)x->used_nusd, sizeof(x->used_nusd), (char *)y->used_nusd,
		    sizeof(y->used_nusd));
		CHECK_MEM((char *)x->held_nusd, sizeof(x->held_nusd), (char *)y->held_nusd,
		    sizeof(y->held_nusd));
	}
	CHECK(agrees(&a) && agrees(&b));
	world_drop(&a);
	world_drop(&b);
}

static void
test_edges(struct loop *loop)
{
	int64_t now_s = loop_wall_ns(loop) / 1000000000;
	static struct world w;
	struct pass p = { 0 }, q = { 0 };
	struct account *user;
	struct err e;

	srand(1);
	world_make(&w, loop);
	for (size_t i = 0; i < LEVELS; i++)
		w.level[i].budgets_n = 0;
	w.level[0].budgets[0] = (struct budget){ .period = PERIOD_DAY, .amount_nusd = 1000 };
	w.level[0].budgets_n = 1;
	w.level[0].contact = STR("#budgets");
	user = account_get(&w.core, w.chain[0].level[1]->id);

	TEST("the last nano-dollar may be held, one more may not, and a refusal names the level");
	CHECK(budget_reserve(&w.core, &p, &w.chain[0], 1000, &e));
	CHECK(!budget_reserve(&w.core, &q, &w.chain[CHAINS - 1], 1, &e));
	CHECK(strstr(e.text, "budget exhausted: the organisation has used or reserved") == e.text);
	CHECK(strstr(e.text, "; ask #budgets") != NULL);
	CHECK(e.retry_after_s > 0 && e.retry_after_s <= 86400);
	CHECK(budget_reserve(&w.core, &q, &w.chain[CHAINS - 1], 0, &e));
	budget_settle(&q, now_s, 0);

	TEST("a second settle of the same pass changes nothing");
	budget_settle(&p, now_s, 400);
	budget_settle(&p, now_s, 400);
	CHECK_EQ_I(user->used_nusd[0], 400);
	CHECK_EQ_I(user->held_nusd[0], 0);

	TEST("what cost more than its hold is counted whole, and the next is refused");
	CHECK(budget_reserve(&w.core, &p, &w.chain[0], 600, &e));
	budget_settle(&p, now_s, 5000);
	CHECK_EQ_I(user->used_nusd[PERIOD_DAY - 1], 5400);
	CHECK(!budget_reserve(&w.core, &p, &w.chain[0], 0, &e));

	TEST("sums that would overflow are refused, not wrapped");
	w.level[0].budgets[0].amount_nusd = INT64_MAX;
	CHECK(budget_reserve(&w.core, &p, &w.chain[0], INT64_MAX - 5400, &e));
	CHECK(!budget_reserve(&w.core, &q, &w.chain[0], 1, &e));
	budget_settle(&p, now_s, 0);
	CHECK_EQ_I(user->held_nusd[0], 0);
	world_drop(&w);
}

static void
test_rollover(struct loop *loop)
{
	int64_t now_s = loop_wall_ns(loop) / 1000000000, start, end;
	static struct world w;
	struct pass p = { 0 };
	struct account *a;
	struct err e;

	TEST("what a day held is not settled into the next; month and year take it");
	srand(2);
	world_make(&w, loop);
	for (size_t i = 0; i < LEVELS; i++)
		w.level[i].budgets_n = 0;
	CHECK(budget_reserve(&w.core, &p, &w.chain[0], 700, &e));
	a = account_get(&w.core, w.level[0].id);
	period_bounds(NULL, PERIOD_DAY, now_s, &start, &end);
	CHECK(start <= now_s && now_s < end);
	budget_settle(&p, end, 300);
	CHECK_EQ_I(a->used_nusd[PERIOD_DAY - 1], 0);
	CHECK_EQ_I(a->held_nusd[PERIOD_DAY - 1], 0);
	period_bounds(NULL, PERIOD_YEAR, now_s, &start, &end);
	CHECK_EQ_I(a->used_nusd[PERIOD_YEAR - 1], a->end_s[PERIOD_YEAR - 1] == end ? 300 : 0);
	CHECK_EQ_I(a->held_nusd[PERIOD_YEAR - 1], 0);

	TEST("a clock that goes back reopens no period");
	account_roll(a, now_s - 10 * 86400);
	CHECK(a->start_s[PERIOD_DAY - 1] > now_s);
	world_drop(&w);
}

static void
test_periods(void)
{
	static const struct {
		enum period p;
		int64_t at, start, end;
	} row[] = { { PERIOD_DAY, 1795428000, 1795392000, 1795478400 },
		{ PERIOD_WEEK, 0, -259200, 345600 },     /* a Thursday */
		{ PERIOD_WEEK, 345600, 345600, 950400 }, /* the Monday after */
		{ PERIOD_DAY, -1, -86400, 0 }, { PERIOD_YEAR, 951782400, 946684800, 978307200 },
		{ PERIOD_MONTH, 951782400, 951782400 - 28 * 86400, 951782400 + 86400 },
		{ PERIOD_MONTH, 978307199, 975628800, 978307200 } };

	TEST("calendar periods in UTC: weeks from Monday, leap days, the year's end");
	for (size_t i = 0; i < COUNT(row); i++) {
		int64_t start, end;

		period_bounds(NULL, row[i].p, row[i].at, &start, &end);
		CHECK_EQ_I(start, row[i].start);
		CHECK_EQ_I(end, row[i].end);
	}
}

/* "5 USD/day, 100 USD/month": of a key. */
static void
test_texts(void)
{
	static const char *const wrong[] = { "", " ", "5", "5 USD", "5 USD/", "5 USD/hour",
		"5 EUR/day", "-5 USD/day", "5 USD/day,", "5 USD/day, 6 USD/day", "1e3 USD/day",
		"5 USD/day; 6 USD/week", "0.0000000001 USD/day", "5 USD/day 6 USD/week" };
	struct budget all[LEVEL_BUDGETS_MAX];
	struct err e;
	size_t n;

	TEST("budgets in one text: in order of period, each once, and nothing else");
	CHECK(budgets_parse(STR("100 USD/month,0.50 USD/day"), all, &n, &e) && n == 2);
	CHECK(all[0].period == PERIOD_DAY && all[0].amount_nusd == 500000000);
	CHECK(all[1].period == PERIOD_MONTH && all[1].amount_nusd == 100000000000);
	for (size_t i = 0; i < COUNT(wrong); i++)
		CHECK(!budgets_parse(str_of(wrong[i]), all, &n, &e) && e.code == ERR_INVALID);
}

static void
test_usd(void)
{
	static const struct {
		int64_t nusd;
		const char *text;
	} row[] = { { 0, "0.00" }, { 12500000000, "12.50" }, { 123000, "0.000123" },
		{ 1, "0.000000001" }, { 1000000000, "1.00" }, { -1500000000, "-1.50" },
		{ -1, "-0.000000001" }, { INT64_MAX, "9223372036.854775807" },
		{ INT64_MIN, "-9223372036.854775808" } };
	struct buf b;

	TEST("dollars are shown to the last digit that counts, at least cents");
	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT(row); i++) {
		buf_reset(&b);
		usd_put(&b, row[i].nusd);
		CHECK_STR(b, row[i].text);
	}
	buf_fini(&b);
}

int
main(void)
{
	struct loop *loop;
	struct err e;

	loop = loop_new(&e);
	ASSERT(loop != NULL);
	TEST("random reserve and settle agree with a model and never overspend");
	for (unsigned seed = 1; seed <= 20; seed++)
		test_random(loop, seed);
	TEST("the order of settling does not matter");
	for (unsigned seed = 1; seed <= 20; seed++)
		test_order(loop, seed);
	test_edges(loop);
	test_rollover(loop);
	test_periods();
	test_texts();
	test_usd();
	loop_free(&loop);
	return check_done();
}
