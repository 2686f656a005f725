/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - accounts, reserve and settle.
 *
 * Every level has one account, with a total per period whether or not a budget of that period
 * stands in the files, so that editing a budget never resets what was used.  The accounts are
 * loaded from the ledger at start and kept in memory by the loop thread alone.
 *
 * Invariants: 0 <= held; used + held <= limit at the moment of every reserve; a pass settles into
 * the periods it entered, and a period that has rolled over meanwhile is not touched.
 */
#include "policies/core.h"

_Static_assert(COUNT(((struct pass *)NULL)->at) == CHAIN_MAX, "a pass holds on its whole chain");

struct account *
account_get(struct core *c, struct str id)
{
	struct account *a = map_get(&c->accounts, id);

	if (a != NULL)
		return a;
	a = mem_zalloc(sizeof(*a));
	a->core = c;
	a->id = str_dup(id);
	link_init(&a->grants);
	map_set(&c->accounts, str_of(a->id), a);
	return a;
}

void
account_roll(struct account *a, int64_t now_s)
{
	for (int i = 0; i < PERIODS; i++) {
		int64_t start, end;

		if (now_s < a->end_s[i]) /* also: a clock that went back reopens no period */
			continue;
		period_bounds(core_zone(a->core), (enum period)(i + 1), now_s, &start, &end);
		a->start_s[i] = start;
		a->end_s[i] = end;
		a->used_nusd[i] = a->held_nusd[i] = 0;
	}
}

/* What was used stays used: the period under way ends where it does in the new zone. */
void
accounts_rezone(struct core *c)
{
	int64_t now_s = loop_wall_ns(c->loop) / 1000000000, start;
	struct str key;
	void *value;

	for (size_t it = 0; map_next(&c->accounts, &it, &key, &value);) {
		struct account *a = value;

		account_roll(a, now_s);
		for (int i = 0; i < PERIODS; i++)
			period_bounds(
			    core_zone(c), (enum period)(i + 1), now_s, &start, &a->end_s[i]);
	}
}

void
account_charge(struct account *a, int64_t at_s, int64_t now_s, int64_t nusd)
{
	account_roll(a, now_s);
	for (int i = 0; i < PERIODS; i++)
		if (at_s >= a->start_s[i] &&
		    __builtin_add_overflow(a->used_nusd[i], nusd, &a->used_nusd[i]))
			a->used_nusd[i] = INT64_MAX;
}

void
usd_put(struct buf *out, int64_t nusd)
{
	int64_t whole = nusd / 1000000000, part = nusd % 1000000000;
	int digits = 9;

	if (nusd < 0) {
		buf_putc(out, '-');
		whole = -whole;
		part = -part;
	}
	while (digits > 2 && part % 10 == 0) {
		part /= 10;
		digits--;
	}
	buf_printf(out, "%lld.%0*lld", (long long)whole, digits, (long long)part);
}

/* The budget, and what was granted on top. */
int64_t
room_of(const struct budget *b, int64_t granted)
{
	int64_t sum;

	return __builtin_add_overflow(b->amount_nusd, granted, &sum) ? INT64_MAX : sum;
}

static bool
exhausted(const struct level *l, const struct budget *b, const struct account *a, int64_t now_s,
    struct err *e)
{
	int64_t end = a->end_s[b->period - 1];
	int64_t granted = granted_nusd(a);
	struct buf used, limit, resets;

	buf_init(&used, 0);
	buf_init(&limit, 0);
	buf_init(&resets, 0);
	local_time_put(&resets, core_zone(a->core), end);
	usd_put(&used, a->used_nusd[b->period - 1] + a->held_nusd[b->period - 1]);
	usd_put(&limit, room_of(b, granted));
	(void)err_set(e, ERR_BUDGET,
	    "budget exhausted: " STR_FMT " has used or reserved %s of %s USD this %s; resets "
	    "%s " STR_FMT "%s" STR_FMT,
	    STR_ARG(l->id), buf_cstr(&used), buf_cstr(&limit), period_word(b->period),
	    buf_cstr(&resets), STR_ARG(l->zone), l->contact.n > 0 ? "; ask " : "",
	    STR_ARG(l->contact));
	e->retry_after_s = end - now_s > INT32_MAX ? INT32_MAX : (int)(end - now_s);
	buf_fini(&used);
	buf_fini(&limit);
	buf_fini(&resets);
	return false;
}

/* Of several levels without room, the one is told that resets last: until then none helps. */
bool
budget_room(struct core *c, struct pass *p, const struct chain *chain, int64_t nusd, struct err *e)
{
	int64_t now_s = loop_wall_ns(c->loop) / 1000000000;
	struct err one;
	bool room = true;

	ASSERT(nusd >= 0 && chain->n <= COUNT(p->at));
	p->at_n = 0;
	for (size_t i = 0; i < chain->n; i++) {
		const struct level *l = chain->level[i];
		struct account *a = account_get(c, l->id);
		int64_t granted = granted_nusd(a);

		p->at[i].account = a;
		account_roll(a, now_s);
		for (size_t k = 0; k < l->budgets_n; k++) {
			const struct budget *b = &l->budgets[k];
			int64_t sum;

			if (!__builtin_add_overflow(
				a->used_nusd[b->period - 1], a->held_nusd[b->period - 1], &sum) &&
			    !__builtin_add_overflow(sum, nusd, &sum) && sum <= room_of(b, granted))
				continue;
			(void)exhausted(l, b, a, now_s, &one);
			if (level_observes(l)) {
				pass_would(p, str_of(one.text));
				continue;
			}
			if (room || one.retry_after_s > e->retry_after_s)
				*e = one;
			room = false;
		}
	}
	return room;
}

void
budget_take(struct pass *p, const struct chain *chain, int64_t nusd)
{
	for (size_t i = 0; i < chain->n; i++) {
		struct account *a = p->at[i].account;

		for (int k = 0; k < PERIODS; k++) {
			p->at[i].start_s[k] = a->start_s[k];
			a->held_nusd[k] += nusd;
		}
	}
	p->at_n = chain->n;
	p->hold_nusd = nusd;
}

bool
budget_reserve(
    struct core *c, struct pass *p, const struct chain *chain, int64_t nusd, struct err *e)
{
	if (!budget_room(c, p, chain, nusd, e))
		return false;
	budget_take(p, chain, nusd);
	return true;
}

static const struct level *
level_of(const struct chain *chain, const struct account *a)
{
	for (size_t i = 0; i < chain->n; i++)
		if (str_eq(chain->level[i]->id, str_of(a->id)))
			return chain->level[i];
	return NULL; /* a reload took it away: nothing limits there any more */
}

/* Is there so much more room on one level, in the periods that the pass entered? */
static bool
topup_fits(const struct pass *p, size_t at, const struct level *l, int64_t nusd, struct err *e)
{
	const struct account *a = p->at[at].account;
	int64_t granted = granted_nusd(a);

	for (size_t k = 0; k < l->budgets_n; k++) {
		const struct budget *b = &l->budgets[k];
		int i = (int)b->period - 1;
		int64_t sum;

		if (a->start_s[i] != p->at[at].start_s[i])
			continue; /* what rolls over is not held any more */
		if (__builtin_add_overflow(a->used_nusd[i], a->held_nusd[i], &sum) ||
		    __builtin_add_overflow(sum, nusd, &sum) || sum > room_of(b, granted))
			return exhausted(l, b, a, loop_wall_ns(p->core->loop) / 1000000000, e);
	}
	return true;
}

bool
budget_topup(struct pass *p, const struct chain *chain, int64_t nusd, struct err *e)
{
	int64_t now_s = loop_wall_ns(p->core->loop) / 1000000000;

	ASSERT(nusd >= 0);
	for (size_t i = 0; i < p->at_n; i++) {
		const struct level *l = level_of(chain, p->at[i].account);

		account_roll(p->at[i].account, now_s);
		if (l != NULL && !level_observes(l) && !topup_fits(p, i, l, nusd, e))
			return false;
	}
	for (size_t i = 0; i < p->at_n; i++)
		for (int k = 0; k < PERIODS; k++)
			if (p->at[i].account->start_s[k] == p->at[i].start_s[k])
				p->at[i].account->held_nusd[k] += nusd;
	p->hold_nusd += nusd;
	return true;
}

void
budget_settle(struct pass *p, int64_t now_s, int64_t cost_nusd)
{
	for (size_t i = 0; i < p->at_n; i++) {
		struct account *a = p->at[i].account;

		account_roll(a, now_s);
		for (int k = 0; k < PERIODS; k++) {
			if (a->start_s[k] != p->at[i].start_s[k])
				continue;
			a->held_nusd[k] -= p->hold_nusd;
			ASSERT(a->held_nusd[k] >= 0);
			if (__builtin_add_overflow(a->used_nusd[k], cost_nusd, &a->used_nusd[k]))
				a->used_nusd[k] = INT64_MAX;
		}
	}
	p->at_n = 0;
	p->hold_nusd = 0;
}
