/* SPDX-License-Identifier: Apache-2.0 */
/*
 * afford - budgets and limits of one pass: all are asked before any is taken from.
 *
 * Of a budget and a limit that both refuse, the one is told that takes longer: when its time has
 * come, the other does not refuse any more.
 *
 * Buckets are memory.  At a start the ledger tells what limits by the hour and by the day had
 * given: its cells are quarters of an hour, each read as used at its end, so that a restart never
 * gives more than no restart would.  Limits of rules with conditions begin full: the ledger has no
 * arguments.
 */
#include "policies/core.h"

/* How much of a limit a pass takes; 0: it is not about such a thing. */
static int64_t
limit_need(const struct limit *l, const struct ask *a)
{
	const bool model = a->kind == ASK_MODEL;

	switch (l->what) {
	case LIMIT_REQUESTS:
		return model;
	case LIMIT_TOKENS: /* more than all there is would never fit */
		return !model ? 0 : a->hold_tokens < l->amount ? a->hold_tokens : l->amount;
	case LIMIT_CALLS:
		return !model && a->kind != ASK_ADMIN;
	case LIMIT_CONCURRENT: /* a script waits for its calls, which count */
		return a->kind != ASK_ADMIN && (a->kind != ASK_RUN || l->level == NULL);
	}
	UNREACHABLE();
}

static void
limits_of_rules(struct takes *t, const struct pass *p, const struct taker *w, const struct ask *a)
{
	struct core *c = p->core;
	const struct limit *l[LIMITS_MEET_MAX];
	struct subject s;
	size_t n;

	pass_subject(p, &s);
	n = rules_limits(c->bundle, &s, a, l, COUNT(l));
	for (size_t i = 0; i < n && i < COUNT(l); i++) {
		int64_t need = limit_need(l[i], a);

		if (need > 0)
			limits_meet(&c->limits, t, l[i], w, need);
	}
	t->full |= n > COUNT(l);
}

static void
limits_of_levels(struct takes *t, struct limits *ls, const struct taker *w, const struct ask *a)
{
	for (size_t i = 0; i < w->chain->n; i++) {
		const struct level *l = w->chain->level[i];

		for (size_t k = 0; k < l->limits_n; k++) {
			int64_t n = limit_need(&l->limits[k], a);

			if (n > 0)
				limits_meet(ls, t, &l->limits[k], w, n);
		}
	}
}

static bool
limited(const struct chain *c)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		any |= c->level[i]->limits_n > 0;
	return any;
}

/* Where whoever is refused by this alone may wait.  Of several limits that refuse, the one was told
 * that time gives room in again, if there is such a one: then this is it. */
static struct bucket *
full_of(const struct takes *t, const struct limit *refusing)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->take[i].limit == refusing && refusing->what == LIMIT_CONCURRENT)
			return t->take[i].bucket;
	return NULL;
}

bool
afford(struct pass *p, const struct ask *a, struct str *limit_at, struct err *e)
{
	struct core *c = p->core;
	const struct taker w = { &p->key->subject.chain, str_of(p->key->name), a->parent };
	const struct limit *refusing;
	int64_t now_ms = loop_mono_ms(c->loop);
	struct chain payers;
	struct takes t;
	struct err why;
	int64_t nusd;
	bool room;

	if (!hold_wanted(p, a, &nusd, e) || !bounds_room(a->parent, nusd, limit_at, e))
		return false;
	key_chain(p->key, &payers);
	if (!limited(w.chain) && !rules_limited(c->bundle))
		return budget_reserve(c, p, &payers, nusd, e);
	limits_begin(&c->limits, &t, now_ms);
	limits_of_levels(&t, &c->limits, &w, a);
	if (rules_limited(c->bundle))
		limits_of_rules(&t, p, &w, a);
	limits_observed(p, &t, &w, now_ms);
	room = budget_room(c, p, &payers, nusd, e);
	if (!limits_room(&t, &w, now_ms, &refusing, &why) &&
	    (room || why.retry_after_s > e->retry_after_s)) {
		*limit_at = refusing == NULL ? STR("") : refusing->where;
		*e = why;
		p->full = room && a->can_wait && refusing != NULL ? full_of(&t, refusing) : NULL;
		return false;
	}
	if (!room)
		return false;
	budget_take(p, &payers, nusd);
	limits_take(&t, p);
	return true;
}

/* ---- at a start ---- */

#define QUARTER_S   900
#define RECALL_S    86400
#define RECALL_FROM 3600000 /* shorter limits are full again before a cell is */

static int64_t
ledger_has(const struct limit *l, const struct usage_row *r)
{
	const int64_t part[] = { r->input, r->output, r->cache_write, r->cache_read };
	int64_t sum = 0;

	switch (l->what) {
	case LIMIT_REQUESTS:
		return r->kind == ASK_MODEL ? r->requests : 0;
	case LIMIT_CALLS:
		return r->kind != ASK_MODEL && r->kind != ASK_ADMIN ? r->requests : 0;
	case LIMIT_CONCURRENT:
		return 0;
	case LIMIT_TOKENS:
		for (size_t i = 0; r->kind == ASK_MODEL && i < COUNT(part); i++)
			if (__builtin_add_overflow(sum, part[i], &sum))
				return INT64_MAX;
		return sum;
	}
	UNREACHABLE();
}

struct recall {
	struct core *core;
	const struct usage_row *row;
	struct taker taker;
	int64_t at_ms;
};

static void
recall(void *ctx, const struct limit *l)
{
	const struct recall *rc = ctx;
	int64_t n = l->period_ms < RECALL_FROM ? 0 : ledger_has(l, rc->row);

	if (n > 0)
		limits_recall(&rc->core->limits, l, &rc->taker, n, rc->at_ms);
}

void
afford_recall(struct core *c, const struct usage_row *r)
{
	int64_t age_ms = loop_wall_ns(c->loop) / 1000000 - (r->quarter_s + QUARTER_S) * 1000;
	const struct key *k = map_get(&c->by_id, r->key);
	struct recall rc = { .core = c, .row = r };
	struct chain chain;
	struct err e;

	/* Whose owner is gone has still taken from the organisation. */
	if (k == NULL || age_ms > RECALL_S * (int64_t)1000 ||
	    !bundle_find_chain(c->bundle, STR(""), STR(""), STR(""), &chain, &e))
		return;
	if (k->resolved)
		chain = k->subject.chain;
	rc.taker = (struct taker){ &chain, str_of(k->name), NULL };
	rc.at_ms = loop_mono_ms(c->loop) - (age_ms > 0 ? age_ms : 0);
	for (size_t i = 0; i < chain.n; i++)
		for (size_t n = 0; n < chain.level[i]->limits_n; n++)
			recall(&rc, &chain.level[i]->limits[n]);
	if (k->resolved && rules_limited(c->bundle))
		rules_limits_named(
		    c->bundle, &k->subject, (enum ask_kind)r->kind, r->name, recall, &rc);
}
