/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usual - five levels with one dollar each, 1,000 passes at once, random costs, cancels and failing
 * upstreams: what is overspent, what is refused for nothing, and the two bounds that are promised.
 *
 *   hold: worst   overspend 0
 *   hold: usual   overspend <= sum over passes of (actual - held), and of all requests at most one
 *                 in a thousand is refused while less than 95 % is really spent
 *
 * `usual FULL` runs more seeds.  It prints its figures.
 */
#include <stdlib.h>
#include <unistd.h>

#include "policies/core.h"
#include "tests/unit/check.h"

#define AT_ONCE  1000
#define LIMIT    1000000000ll /* a dollar */
#define WORST    400000       /* nano-dollars; the usual request costs a fortieth of it */
#define TYPICAL  10000
#define REFUSALS 2000 /* ends a run: the budget is used up */
#define CHAIN    CHAIN_MAX

struct world {
	struct core core;
	struct level level[CHAIN];
	struct key key;
	struct pass pass[AT_ONCE];
	int64_t will[AT_ONCE];          /* what it will really cost */
	int64_t spent, in_flight, owed; /* owed: actual - held of those that left */
	long requests, refused, falsely, cut;
};

static struct journal *journal;

static void
on_record(void *ctx, const struct journal_record *r)
{
	(void)ctx;
	(void)r;
}

static int64_t
pick(int64_t n)
{
	return (int64_t)(((uint64_t)rand() << 31 | (uint64_t)rand()) % (uint64_t)n);
}

/* Most cost about the same, some a multiple, few nearly the worst; a tenth nothing: the client left
 * or the upstream failed before anything was billed. */
static int64_t
random_cost(void)
{
	int64_t roll = pick(1000);

	if (roll < 100)
		return 0;
	if (roll < 950)
		return TYPICAL / 2 + pick(TYPICAL);
	if (roll < 995)
		return TYPICAL + pick(5 * TYPICAL);
	return WORST / 2 + pick(WORST / 2);
}

static void
world_make(struct world *w, struct loop *l, enum hold hold, enum at_cap cap)
{
	static const char *const ids[CHAIN] = { "key k", "acme/t/u", "acme/t", "acme",
		ORGANISATION_ID };

	memset(w, 0, sizeof(*w));
	w->core.magic = CORE_MAGIC;
	w->core.loop = l;
	w->core.journal = journal;
	map_init(&w->core.accounts);
	link_init(&w->core.grants);
	usuals_init(&w->core.usuals);
	for (int i = 0; i < CHAIN; i++) {
		w->level[i] = (struct level){ .id = str_of(ids[i]), .zone = STR("UTC") };
		w->level[i].budgets[0] =
		    (struct budget){ .period = PERIOD_YEAR, .amount_nusd = LIMIT + i };
		w->level[i].budgets_n = 1;
		w->level[i].spending.value[SPEND_HOLD] = hold;
		w->level[i].spending.value[SPEND_AT_CAP] = cap;
		w->level[i].spending.value[SPEND_UNKNOWN] = UNKNOWN_ESTIMATE;
	}
	w->key = (struct key){ .magic = KEY_MAGIC,
		.core = &w->core,
		.id = mem_unconst("k_1"),
		.name = mem_unconst("k"),
		.level = w->level[0],
		.resolved = true };
	for (int i = 1; i < CHAIN; i++)
		w->key.subject.chain.level[i - 1] = &w->level[i];
	w->key.subject.chain.n = CHAIN - 1;
}

static void
world_drop(struct world *w)
{
	struct str key;
	void *v;

	for (size_t it = 0; map_next(&w->core.accounts, &it, &key, &v);) {
		struct account *a = map_del(&w->core.accounts, key);

		free(a->id);
		free(a);
	}
	map_fini(&w->core.accounts);
	usuals_fini(&w->core.usuals);
}

/* As gate_enter() does it, without a journal. */
static bool
enter(struct world *w, size_t i)
{
	struct ask a = { .kind = ASK_MODEL, .name = STR("m"), .hold_nusd = WORST };
	struct pass *p = &w->pass[i];
	struct chain payers;
	int64_t nusd, will = random_cost();
	struct err e;

	*p = (struct pass){
		.core = &w->core, .key = &w->key, .kind = ASK_MODEL, .name = STR("m"), .id = "p_1"
	};
	key_chain(&w->key, &payers);
	w->requests++;
	if (!hold_wanted(p, &a, &nusd, &e) || !budget_reserve(&w->core, p, &payers, nusd, &e)) {
		w->refused++;
		w->falsely += (w->spent + w->in_flight + will) * 100 < LIMIT * 95;
		return false;
	}
	p->magic = PASS_MAGIC;
	w->will[i] = will;
	w->in_flight += will;
	return true;
}

static void
leave(struct world *w, size_t i, int64_t cost, enum pass_end end)
{
	struct outcome o = { .end = end, .cost_nusd = cost, .usage.seen = true };
	struct pass *p = &w->pass[i];

	w->in_flight -= w->will[i];
	w->spent += cost;
	w->owed += cost > p->hold_nusd ? cost - p->hold_nusd : 0;
	hold_cost(p, &o);
	CHECK_EQ_I(o.cost_nusd, cost);
	budget_settle(p, loop_wall_ns(w->core.loop) / 1000000000, cost);
	p->magic = 0;
}

/* A stream tells what it has cost so far in some pieces; at the cap it is cut there. */
static void
stream(struct world *w, size_t i)
{
	int64_t pieces = 1 + pick(8), so_far = 0;
	struct err e;

	for (int64_t n = 1; n <= pieces && w->will[i] > 0; n++) {
		so_far = w->will[i] * n / pieces;
		if (gate_topup(&w->pass[i], so_far, &e))
			continue;
		CHECK_EQ_I(e.code, ERR_BUDGET);
		w->cut++;
		leave(w, i, so_far, END_CUT);
		return;
	}
	leave(w, i, w->will[i], w->will[i] > 0 ? END_OK : END_CANCELLED);
}

/* Every level, at every moment: what is used and held is within, but for what was owed. */
static bool
within(struct world *w)
{
	for (int i = 0; i < CHAIN; i++) {
		struct account *a = account_get(&w->core, w->level[i].id);
		int64_t sum = a->used_nusd[PERIOD_YEAR - 1] + a->held_nusd[PERIOD_YEAR - 1];

		if (sum > LIMIT + i + w->owed || a->held_nusd[PERIOD_YEAR - 1] < 0 ||
		    a->used_nusd[PERIOD_YEAR - 1] != w->spent)
			return false;
	}
	return true;
}

static void
run(struct world *w, unsigned seed)
{
	srand(seed);
	while (w->refused < REFUSALS) {
		size_t i = (size_t)pick(AT_ONCE);

		if (w->pass[i].magic == 0)
			(void)enter(w, i);
		else
			stream(w, i);
		CHECK(within(w));
		if (journal_queued(journal) > 1 << 20) {
			struct buf written;
			struct err e;

			buf_init(&written, 0);
			CHECK(journal_write(journal, &written, &e));
			buf_fini(&written);
		}
	}
	for (size_t i = 0; i < AT_ONCE; i++)
		if (w->pass[i].magic != 0)
			stream(w, i);
	CHECK(within(w));
	for (int i = 0; i < CHAIN; i++)
		CHECK_EQ_I(account_get(&w->core, w->level[i].id)->held_nusd[PERIOD_YEAR - 1], 0);
}

static void
test(struct loop *l, enum hold hold, enum at_cap cap, unsigned seeds)
{
	static struct world w;
	int64_t most_over = 0, most_owed = 0;
	long requests = 0, falsely = 0, cut = 0;

	for (unsigned seed = 1; seed <= seeds; seed++) {
		int64_t over;

		world_make(&w, l, hold, cap);
		run(&w, seed);
		over = w.spent > LIMIT ? w.spent - LIMIT : 0;
		CHECK(over <= w.owed);
		if (hold == HOLD_WORST)
			CHECK(over == 0 && w.owed == 0);
		else
			CHECK(w.falsely * 1000 <= w.requests);
		if (cap == CAP_CUT)
			CHECK(over <= WORST); /* the piece that was told of too late */
		most_over = over > most_over ? over : most_over;
		most_owed = w.owed > most_owed ? w.owed : most_owed;
		requests += w.requests;
		falsely += w.falsely;
		cut += w.cut;
		world_drop(&w);
	}
	(void)printf(
	    "  hold %s, at_cap %s: %ld requests, overspend at most %lld nUSD of %lld owed, "
	    "%ld refused below 95 %% (%ld per million), %ld cut\n",
	    hold == HOLD_WORST ? "worst" : "usual", cap == CAP_CUT ? "cut" : "finish", requests,
	    (long long)most_over, (long long)most_owed, falsely, falsely * 1000000 / requests, cut);
}

static void
test_learning(void)
{
	struct usuals u = { 0 };
	char name[16];

	TEST("before twenty costs are known nothing is said; then the 95th and a half more");
	usuals_init(&u);
	for (int i = 1; i <= USUAL_MIN; i++) {
		CHECK_EQ_I(usual_nusd(&u, STR("k"), STR("m")), -1);
		usual_learn(&u, STR("k"), STR("m"), i * 100);
	}
	CHECK_EQ_I(usual_nusd(&u, STR("k"), STR("m")), 1900 * 3 / 2);
	CHECK_EQ_I(usual_nusd(&u, STR("k"), STR("other")), -1);

	TEST("only the last ones count, and a huge one does not overflow");
	for (int i = 0; i < USUAL_KEPT; i++)
		usual_learn(&u, STR("k"), STR("m"), 10);
	CHECK_EQ_I(usual_nusd(&u, STR("k"), STR("m")), 15);
	for (int i = 0; i < USUAL_KEPT; i++)
		usual_learn(&u, STR("k"), STR("m"), INT64_MAX);
	CHECK_EQ_I(usual_nusd(&u, STR("k"), STR("m")), INT64_MAX);

	TEST("as many pairs as there may be; the longest unused makes room");
	for (int i = 0; i < USUAL_PAIRS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "k%d", i);
		usual_learn(&u, str_of(name), STR("m"), 1);
	}
	CHECK_EQ_I(u.by_id.n, USUAL_PAIRS_MAX);
	CHECK_EQ_I(usual_nusd(&u, STR("k"), STR("m")), -1);
	usuals_fini(&u);
}

int
main(int argc, char **argv)
{
	char dir[] = "/tmp/tollgate-usual-XXXXXX", path[64];
	unsigned seeds = argc > 1 ? 100 : 3;
	struct err e;
	struct loop *l = loop_new(&e);

	(void)argv;
	ASSERT(l != NULL && mkdtemp(dir) != NULL);
	journal = journal_open(dir, 1, on_record, NULL, &e);
	ASSERT(journal != NULL);
	test_learning();
	TEST("hold: worst never overspends");
	test(l, HOLD_WORST, CAP_CUT, seeds);
	TEST(
	    "hold: usual overspends what its passes owe at most, and refuses nearly nothing early");
	test(l, HOLD_USUAL, CAP_CUT, seeds);
	test(l, HOLD_USUAL, CAP_FINISH, seeds);
	journal_close(&journal);
	(void)snprintf(path, sizeof(path), "%s/journal.1", dir);
	(void)unlink(path);
	(void)rmdir(dir);
	loop_free(&l);
	return check_done();
}
