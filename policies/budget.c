/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget - accounts, calendar periods, reserve and settle.
 *
 * Every level has one account, with a total per period whether or not a budget of that period
 * stands in the files, so that editing a budget never resets what was used.  The accounts are
 * loaded from the ledger at start and kept in memory by the loop thread alone.
 *
 * Invariants: 0 <= held; used + held <= limit at the moment of every reserve; a pass settles into
 * the periods it entered, and a period that has rolled over meanwhile is not touched.
 */
#include <string.h>
#include <time.h>

#include "policies/core.h"

#define PERIODS 4

static int64_t
days_from_civil(int64_t y, int m, int d)
{
	struct tm tm = { .tm_year = (int)(y - 1900), .tm_mon = m - 1, .tm_mday = d };

	return (int64_t)timegm(&tm) / 86400;
}

void
period_bounds(enum period p, int64_t s, int64_t *start_s, int64_t *end_s)
{
	time_t t = (time_t)s;
	int64_t day = s / 86400 - (s % 86400 < 0);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	switch (p) {
	case PERIOD_DAY:
		*start_s = day * 86400;
		*end_s = *start_s + 86400;
		return;
	case PERIOD_WEEK: /* day 0 was a Thursday; weeks start on Monday */
		*start_s = (day - (day + 3) % 7) * 86400;
		*end_s = *start_s + 7 * 86400;
		return;
	case PERIOD_MONTH:
		*start_s = days_from_civil(tm.tm_year + 1900, tm.tm_mon + 1, 1) * 86400;
		*end_s = days_from_civil(
			     tm.tm_year + 1900 + tm.tm_mon / 11, (tm.tm_mon + 1) % 12 + 1, 1) *
			 86400;
		return;
	case PERIOD_YEAR:
		*start_s = days_from_civil(tm.tm_year + 1900, 1, 1) * 86400;
		*end_s = days_from_civil(tm.tm_year + 1901, 1, 1) * 86400;
		return;
	}
	UNREACHABLE();
}

const char *
period_word(enum period p)
{
	static const char *const words[] = { "", "day", "week", "month", "year" };

	return words[p];
}

struct account *
account_get(struct core *c, struct str id)
{
	struct account *a = map_get(&c->accounts, id);

	if (a != NULL)
		return a;
	a = mem_zalloc(sizeof(*a));
	a->id = str_dup(id);
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
		period_bounds((enum period)(i + 1), now_s, &start, &end);
		a->start_s[i] = start;
		a->end_s[i] = end;
		a->used_nusd[i] = a->held_nusd[i] = 0;
	}
}

void
account_charge(struct account *a, int64_t at_s, int64_t now_s, int64_t nusd)
{
	account_roll(a, now_s);
	for (int i = 0; i < PERIODS; i++)
		if (at_s >= a->start_s[i])
			a->used_nusd[i] += nusd;
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

static bool
exhausted(const struct level *l, const struct budget *b, const struct account *a, int64_t now_s,
    struct err *e)
{
	int64_t start, end;
	struct buf used, limit;
	time_t t;
	struct tm tm;

	period_bounds(b->period, now_s, &start, &end);
	t = (time_t)end;
	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	buf_init(&used, 0);
	buf_init(&limit, 0);
	usd_put(&used, a->used_nusd[b->period - 1] + a->held_nusd[b->period - 1]);
	usd_put(&limit, b->amount_nusd);
	(void)err_set(e, ERR_BUDGET,
	    "budget exhausted: " STR_FMT " has used or reserved %s of %s USD this %s; resets "
	    "%04d-%02d-%02d 00:00 UTC%s" STR_FMT,
	    STR_ARG(l->id), buf_cstr(&used), buf_cstr(&limit), period_word(b->period),
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, l->contact.n > 0 ? "; ask " : "",
	    STR_ARG(l->contact));
	e->retry_after_s = end - now_s > INT32_MAX ? INT32_MAX : (int)(end - now_s);
	buf_fini(&used);
	buf_fini(&limit);
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

		p->at[i].account = a;
		account_roll(a, now_s);
		for (size_t k = 0; k < l->budgets_n; k++) {
			const struct budget *b = &l->budgets[k];
			int64_t sum;

			if (!__builtin_add_overflow(
				a->used_nusd[b->period - 1], a->held_nusd[b->period - 1], &sum) &&
			    !__builtin_add_overflow(sum, nusd, &sum) && sum <= b->amount_nusd)
				continue;
			(void)exhausted(l, b, a, now_s, &one);
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
