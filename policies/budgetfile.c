/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budgetfile - budgets as they are written, in files and for a key, and how money is dealt with.
 *
 *   budget: [500 USD/month, 40 USD/day]
 *   hold: usual    at_cap: finish    unknown_price: deny    enforcement: observe
 *
 * The last four decide what a budget above is worth, so only root/ may say them; the nearest level
 * that does counts.
 */
#include "policies/bundle.h"
#include "policies/period.h"
#include "policies/prices.h"

/* "500 USD/month" */
static bool
budget_parse(struct str text, struct budget *out, struct err *e)
{
	struct str rest = text, amount = str_cut(&rest, ' '), unit, words[PERIODS];
	char near[HINT_BYTES];

	if (rest.p == NULL || !usd_parse(amount, &out->amount_nusd))
		return err_set(e, ERR_INVALID,
		    "a budget is an amount of up to 9 digits, like 500 USD/month or 0.50 USD/day");
	rest = str_trim(rest);
	unit = str_cut(&rest, '/');
	if (!str_eq(unit, STR("USD")) || rest.p == NULL)
		return err_set(
		    e, ERR_INVALID, "a budget is in USD/day, USD/week, USD/month or USD/year");
	if (period_read(rest, &out->period))
		return true;
	for (size_t i = 0; i < PERIODS; i++)
		words[i] = str_of(period_word((enum period)(i + 1)));
	return err_set(e, ERR_INVALID,
	    "unknown period \"" STR_FMT "\"%s (day, week, month or year)", STR_ARG(rest),
	    hint(near, rest, words, COUNT(words)));
}

/* In order of period, each once. */
static bool
budget_add(struct budget all[LEVEL_BUDGETS_MAX], size_t *n, const struct budget *one, struct err *e)
{
	size_t i;

	for (i = 0; i < *n; i++)
		if (all[i].period == one->period)
			return err_set(e, ERR_INVALID, "a second budget for the same period");
	ASSERT(*n < LEVEL_BUDGETS_MAX);
	for (i = (*n)++; i > 0 && all[i - 1].period > one->period; i--)
		all[i] = all[i - 1];
	all[i] = *one;
	return true;
}

bool
budgets_parse(struct str text, struct budget out[LEVEL_BUDGETS_MAX], size_t *n, struct err *e)
{
	*n = 0;
	while (text.p != NULL) {
		struct budget one = { .where = STR("") };
		struct str part = str_trim(str_cut(&text, ','));

		if (!budget_parse(part, &one, e) || !budget_add(out, n, &one, e))
			return false;
	}
	return true;
}

static void
one_read(struct loading *ld, const struct policy_file *f, struct level *l, const struct yaml *y)
{
	struct budget one = { 0 };
	struct err e;

	one.where = arena_printf(&ld->b->arena, STR_FMT ":%d", STR_ARG(f->path), y->line);
	if (!budget_parse(y->kind == YAML_SCALAR ? y->text : STR(""), &one, &e) ||
	    !budget_add(l->budgets, &l->budgets_n, &one, &e))
		problem(&ld->problems, y, "%s", e.text);
}

void
budgets_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y)
{
	if (!said_once(ld, f, y, &n->budget_at))
		return;
	if (y->kind != YAML_LIST) {
		one_read(ld, f, &n->level, y);
		return;
	}
	if (y->n == 0)
		problem(&ld->problems, y, "the list of budgets is empty (remove it)");
	for (struct yaml *one = y->kids; one != NULL; one = one->next)
		one_read(ld, f, &n->level, one);
}

/* ---- alerts: { at: ["50%", "80%"], to: [log, webhook] } ---- */

static void
thresholds_read(struct loading *ld, struct yaml *y, struct alerts *out)
{
	if (y == NULL || y->kind != YAML_LIST || y->n == 0 || y->n > ALERTS_MAX) {
		problem(&ld->problems, y,
		    "at is a list of 1 to %d parts of the budget, like [\"50%%\", \"100%%\"]",
		    ALERTS_MAX);
		return;
	}
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		struct str number = { m->text.p, m->text.n > 0 ? m->text.n - 1 : 0 };
		int64_t percent;

		if (m->kind != YAML_SCALAR || !str_ends(m->text, STR("%")) ||
		    !str_i64(number, &percent) || percent < 1 || percent > ALERT_PERCENT_MAX)
			problem(&ld->problems, m,
			    "a part of the budget is 1%% to %d%%, like \"80%%\"",
			    ALERT_PERCENT_MAX);
		else
			out->at[out->n++] = (int)percent;
	}
}

static void
receivers_read(struct loading *ld, struct yaml *y, struct alerts *out)
{
	static const struct str words[] = { STR("log"), STR("webhook") };
	char near[HINT_BYTES];

	if (y->kind != YAML_LIST || y->n == 0)
		problem(&ld->problems, y, "to is a list of log and webhook");
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		out->log |= str_eq(m->text, words[0]);
		out->webhook |= str_eq(m->text, words[1]);
		if (!str_eq(m->text, words[0]) && !str_eq(m->text, words[1]))
			problem(&ld->problems, m, "unknown word \"" STR_FMT "\"%s (log or webhook)",
			    STR_ARG(m->text), hint(near, m->text, words, COUNT(words)));
	}
}

void
alerts_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y)
{
	static const char *const known[] = { "at", "to", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "alerts", known, later };
	struct yaml *at = yaml_get(y, "at"), *to = yaml_get(y, "to");

	if (!said_once(ld, f, y, &n->alerts_at) || !keys_check(&ld->problems, y, &keys))
		return;
	thresholds_read(ld, at == NULL ? y : at, &n->level.alerts);
	if (to != NULL)
		receivers_read(ld, to, &n->level.alerts);
	else
		n->level.alerts.log = true;
}

/* ---- how money is dealt with ---- */

static const struct {
	const char *key;
	struct str word[3]; /* of the values from 1 */
} spendings[SPENDINGS] = {
	{ "hold", { STR("worst"), STR("usual"), STR_NONE } },
	{ "at_cap", { STR("cut"), STR("finish"), STR_NONE } },
	{ "unknown_price", { STR("estimate"), STR("deny"), STR("free") } },
	{ "enforcement", { STR("enforce"), STR("observe"), STR_NONE } },
};

bool
spending_read(struct loading *ld, const struct policy_file *f, struct yaml *y, struct spending *s)
{
	char near[HINT_BYTES];
	size_t i = 0, n = 0;

	while (i < SPENDINGS && !str_eq(y->key, str_of(spendings[i].key)))
		i++;
	if (i == SPENDINGS)
		return false;
	if (f->customer.n > 0) {
		problem_key(&ld->problems, y,
		    "%s is set in root/ only: it decides what every budget above is worth",
		    spendings[i].key);
		return true;
	}
	if (!said_once(ld, f, y, &s->at[i]))
		return true;
	for (; n < COUNT(spendings[i].word) && spendings[i].word[n].p != NULL; n++)
		if (y->kind == YAML_SCALAR && str_eq(y->text, spendings[i].word[n]))
			s->value[i] = (int)n + 1;
	if (s->value[i] == 0)
		problem(&ld->problems, y, "%s is " STR_FMT " or " STR_FMT "%s" STR_FMT "%s",
		    spendings[i].key, STR_ARG(spendings[i].word[0]), STR_ARG(spendings[i].word[1]),
		    n > 2 ? " or " : "", STR_ARG(spendings[i].word[2]),
		    hint(near, y->kind == YAML_SCALAR ? y->text : STR(""), spendings[i].word, n));
	return true;
}

const char *
spending_key(size_t i)
{
	return spendings[i].key;
}

struct str
spending_word(size_t i, int value)
{
	return spendings[i].word[value - 1];
}

void
spending_inherit(struct spending *s, const struct spending *from)
{
	for (size_t i = 0; i < SPENDINGS; i++)
		if (s->value[i] == 0)
			s->value[i] = from == NULL ? 1 : from->value[i];
}
