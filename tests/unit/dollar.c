/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dollar - a dollar on each of five levels, 1,000 passes at once, random costs, cancels, failing
 * upstreams, and kill -9 at random moments, on a real data folder: with hold: worst nothing is
 * overspent, and ledger, audit and accounts agree to the nano-dollar after every crash.
 *
 * `dollar FULL` kills 300 times; the ordinary run a few.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/log.h"
#include "policies/core.h"
#include "tests/unit/core_rig.h"

#define AT_ONCE 1000
#define DOLLAR  1000000000ll

static const char *const levels[] = { "key k", "acme/payments/bob", "acme/payments", "acme",
	ORGANISATION_ID };

static int64_t
pick(int64_t n)
{
	return rand() % n; // NOLINT
}

/* Enters and leaves until it is killed; each turn is told to the parent. */
static _Noreturn void
child(int tell, unsigned seed, int64_t most)
{
	static struct pass p[AT_ONCE];
	char secret[KEY_SECRET_BYTES + 1];
	struct loop *l;
	struct err e;
	struct core *c = open_core(&l, &e);
	struct key *k = c == NULL ? NULL : key_named(c, STR("k"));

	srand(seed);
	if (c != NULL && k == NULL)
		k = key_create(c,
		    &(struct key_spec){ .name = STR("k"),
			.user = STR("bob"),
			.budget = STR("1 USD/year, 1 USD/month") },
		    STR("local:0"), secret, &e);
	for (long n = 0; k != NULL; n++) {
		struct pass *one = &p[pick(AT_ONCE)];
		struct ask ask = model_ask(1 + pick(most));

		one->cut = cut;
		if (pass_open(one)) {
			int64_t roll = pick(10), hold = one->hold_nusd;

			gate_leave(one, &(struct outcome){ .end = roll == 0   ? END_CANCELLED
								  : roll == 1 ? END_UPSTREAM
									      : END_OK,
					    .cost_nusd = roll < 2 ? 0 : pick(hold + 1) });
		} else {
			(void)!gate_enter(c, one, k, &ask, &e);
		}
		if (n % 200 != 199)
			continue;
		loop_turn(l);
		if (write(tell, "t", 1) != 1)
			_exit(8);
	}
	_exit(9);
}

struct sums {
	int64_t cost, requests;
};

static bool
on_cell(void *ctx, const struct usage_row *r)
{
	struct sums *s = ctx;

	s->cost += r->cost_nusd;
	s->requests += r->requests;
	return true;
}

static bool
on_row(void *ctx, int64_t seq, struct str event)
{
	struct sums *s = ctx;
	const char *at = memmem(event.p, event.n, "\"cost_nusd\":", 12);
	int64_t v = 0;

	(void)seq;
	if (at == NULL)
		return true;
	s->requests++;
	for (at += 12; at < event.p + event.n && *at >= '0' && *at <= '9'; at++)
		v = v * 10 + (*at - '0');
	s->cost += v;
	return true;
}

/* Accounts of the five levels, the ledger's cells and the audit's rows. */
static int64_t
agreed(void)
{
	const struct audit_query all = { .id = STR("") };
	struct sums ledger = { 0 }, audit = { 0 };
	int64_t spent;
	struct store *s;
	struct loop *l;
	struct err e = { 0 };
	struct core *c = open_core(&l, &e); /* replays: what was open is charged at its hold */

	CHECK(c != NULL);
	if (c == NULL) {
		(void)printf("  %s\n", e.text);
		return 0;
	}
	for (size_t i = 0; i < COUNT(levels); i++) {
		struct account *a = account_get(c, str_of(levels[i]));

		CHECK_EQ_I(a->used_nusd[PERIOD_YEAR - 1], used(c, "acme"));
		CHECK(a->used_nusd[PERIOD_YEAR - 1] <= DOLLAR);
		CHECK_EQ_I(a->held_nusd[PERIOD_YEAR - 1], 0);
	}
	spent = used(c, "acme");
	core_close(&c);
	loop_free(&l);
	s = store_open_reader(data, &e);
	CHECK(s != NULL && store_usage_each(s, 0, on_cell, &ledger, &e));
	store_close(&s);
	CHECK_EQ_I(ledger.cost, spent);
	CHECK(audit_read(data, &all, on_row, &audit, &e));
	CHECK_EQ_I(audit.requests, ledger.requests);
	CHECK_EQ_I(audit.cost, spent);
	CHECK(verified());
	return spent;
}

static void
kill_once(unsigned seed, int64_t most)
{
	unsigned turns = 1 + seed * 7 % 40;
	int tell[2], status;
	char t;
	pid_t pid;

	if (pipe(tell) != 0)
		abort();
	pid = fork();
	if (pid == 0) {
		(void)close(tell[0]);
		child(tell[1], seed, most);
	}
	(void)close(tell[1]);
	while (turns-- > 0 && read(tell[0], &t, 1) == 1)
		;
	(void)kill(pid, SIGKILL);
	(void)close(tell[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static void
one_dollar(void)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/root/all.yaml", bundle);
	file_put(path, "version: 1\norganisation:\n"
		       "  budget: [1 USD/month, 1 USD/year]\n  customers:\n    acme:\n"
		       "      budget: [1 USD/month, 1 USD/year]\n      teams:\n        payments:\n"
		       "          budget: [1 USD/month, 1 USD/year]\n          users:\n"
		       "            bob: { budget: [1 USD/month, 1 USD/year] }\n");
}

int
main(int argc, char **argv)
{
	int rounds = argc > 1 ? 300 : 12;
	int64_t spent = 0;

	(void)argv;
	log_setup(LOG_LEVEL_ERROR, false);
	bundle_make();
	one_dollar();
	TEST("a dollar on five levels, 1,000 at once, killed again and again: nothing overspent, "
	     "all "
	     "books agree");
	for (int i = 0; i < rounds; i++) {
		/* Each crash charges what was held: small holds, so that many crashes fit. */
		kill_once((unsigned)i + 1, DOLLAR / 400000 * (argc > 1 ? 1 : 20));
		spent = agreed();
	}
	(void)printf("  %d kills, %lld of %lld nano-dollars spent\n", rounds, (long long)spent,
	    (long long)DOLLAR);
	/* And to its end: holds of a thousandth, until nothing fits any more. */
	for (int i = 0; i < 6; i++) {
		kill_once((unsigned)i + 1000, DOLLAR / 500);
		spent = agreed();
	}
	CHECK(spent > DOLLAR / 2 && spent <= DOLLAR);
	(void)printf("  in the end %lld, overspend %lld\n", (long long)spent,
	    (long long)(spent > DOLLAR ? spent - DOLLAR : 0));
	bundle_drop();
	return check_done();
}
