/* SPDX-License-Identifier: Apache-2.0 */
/*
 * difflevel - what a change of the policy files changes of a level itself: its budgets and limits,
 * how money is dealt with, whether rules are enforced, who is told, and in which groups that may
 * approve a user is.
 *
 * What a level has from its parent is told of the parent alone.  All other groups are told by what
 * somebody in them may do.
 */
#include <stdlib.h>

#include "policies/core.h"
#include "policies/diff.h"

const struct level *
level_named(const struct bundle *b, struct str id)
{
	const struct node *n = map_get(&b->by_id, id);

	return n == NULL ? NULL : &n->level;
}

struct said {
	struct str was, is;
};

static void
change_note(
    struct diff *d, struct str id, struct str what, const struct said *said, enum shift shift)
{
	if (d->levels_n == d->levels_cap) {
		d->levels_cap = d->levels_cap == 0 ? 16 : d->levels_cap * 2;
		d->levels = mem_realloc(d->levels, d->levels_cap * sizeof(*d->levels));
	}
	d->levels[d->levels_n++] = (struct level_change){ .id = id,
		.what = arena_str(&d->a, what),
		.before = said->was,
		.after = said->is,
		.shift = shift };
}

/* ---- budgets and limits ---- */

static struct str
amount_text(struct diff *d, int64_t n, bool money)
{
	struct str text;
	struct buf b;

	buf_init(&b, 0);
	if (n < 0)
		buf_puts(&b, "none");
	else if (money)
		usd_put(&b, n);
	else
		buf_i64(&b, n);
	text = arena_str(&d->a, buf_str(&b));
	buf_fini(&b);
	return text;
}

static void
amount_change(struct diff *d, struct str id, struct str what, int64_t was, int64_t is, bool money)
{
	const bool raised = is < 0 || (was >= 0 && is > was);

	if (was != is)
		change_note(d, id, what,
		    &(struct said){ amount_text(d, was, money), amount_text(d, is, money) },
		    raised ? SHIFT_WIDER : SHIFT_NARROWER);
}

static int64_t
budget_amount(const struct level *l, enum period p)
{
	for (size_t i = 0; i < l->budgets_n; i++)
		if (l->budgets[i].period == p)
			return l->budgets[i].amount_nusd;
	return -1;
}

static int64_t
limit_amount(const struct level *l, const struct limit *like)
{
	for (size_t i = 0; i < l->limits_n; i++)
		if (l->limits[i].what == like->what && l->limits[i].per == like->per &&
		    l->limits[i].period_ms == like->period_ms)
			return l->limits[i].amount;
	return -1;
}

static void
limit_changes(struct diff *d, const struct level *from, const struct level *was,
    const struct level *is, bool only_gone)
{
	for (size_t i = 0; i < from->limits_n; i++) {
		const struct limit *l = &from->limits[i];
		struct str what;

		if (only_gone && limit_amount(is, l) >= 0)
			continue;
		what = arena_printf(&d->a, "limit of %s%s%s per %s", limit_what_word(l->what),
		    l->period_ms > 0 ? "/" : "", limit_period_word(l->period_ms),
		    limit_per_word(l->per));
		amount_change(d, from->id, what, limit_amount(was, l), limit_amount(is, l), false);
	}
}

static void
amounts_compare(struct diff *d, const struct level *was, const struct level *is)
{
	for (enum period p = PERIOD_DAY; p <= PERIOD_YEAR; p++)
		amount_change(d, is->id, arena_printf(&d->a, "budget, USD/%s", period_word(p)),
		    budget_amount(was, p), budget_amount(is, p), true);
	limit_changes(d, is, was, is, false);
	limit_changes(d, was, was, is, true);
}

/* ---- how they are dealt with ---- */

/* More is wider. */
static int
spending_width(size_t i, int value)
{
	return i == SPEND_UNKNOWN && value == UNKNOWN_DENY ? 0 : value;
}

static bool
spending_inherited(const struct level *was, const struct level *is, size_t i)
{
	return was->parent != NULL && is->parent != NULL &&
	       was->parent->spending.value[i] == was->spending.value[i] &&
	       is->parent->spending.value[i] == is->spending.value[i];
}

static void
spending_compare(struct diff *d, const struct level *was, const struct level *is)
{
	for (size_t i = 0; i < SPENDINGS; i++) {
		const int had = was->spending.value[i], has = is->spending.value[i];

		if (had == has || spending_inherited(was, is, i))
			continue;
		change_note(d, is->id, str_of(spending_key(i)),
		    &(struct said){ spending_word(i, had), spending_word(i, has) },
		    spending_width(i, has) > spending_width(i, had) ? SHIFT_WIDER : SHIFT_NARROWER);
	}
}

/* "at 50%, 80% to log, webhook"; "none" */
static struct str
alerts_text(struct diff *d, const struct alerts *l)
{
	struct str text;
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < l->n; i++)
		buf_printf(&b, "%s%d%%", i == 0 ? "at " : ", ", l->at[i]);
	if (l->n > 0)
		buf_printf(&b, " to %s%s%s", l->log ? "log" : "", l->log && l->webhook ? ", " : "",
		    l->webhook ? "webhook" : "");
	text = arena_str(&d->a, b.n > 0 ? buf_str(&b) : STR("none"));
	buf_fini(&b);
	return text;
}

static void
text_compare(struct diff *d, struct str id, const char *what, const struct said *said)
{
	if (!str_eq(said->was, said->is))
		change_note(d, id, str_of(what), said, SHIFT_OTHER);
}

/* ---- who may approve ---- */

static bool
approvers_name(const struct bundle *b, struct str group)
{
	for (size_t i = 0; i < b->policies_n; i++)
		for (size_t k = 0; k < b->policies[i]->rules_n; k++) {
			const struct approval *a = b->policies[i]->rules[k].approval;
			const struct names *g =
			    a == NULL || a->approvers == NULL ? NULL : &a->approvers->groups;

			for (size_t n = 0; g != NULL && n < g->n; n++)
				if (str_eq(g->text[n], group))
					return true;
			if (g != NULL && g->any)
				return true;
		}
	return false;
}

static bool
group_in(const struct level *l, struct str group)
{
	for (size_t i = 0; l != NULL && i < l->groups_n; i++)
		if (str_eq(l->groups[i], group))
			return true;
	return false;
}

/* Each group of `of` that `other` does not have. */
static void
groups_gone(struct diff *d, const struct level *of, const struct level *other, bool joined)
{
	const struct str in = STR("in it"), out = STR("not in it");

	for (size_t i = 0; of != NULL && i < of->groups_n; i++) {
		if (group_in(other, of->groups[i]) ||
		    !approvers_name(joined ? d->new : d->old, of->groups[i]))
			continue;
		change_note(d, of->id,
		    arena_printf(&d->a, "group " STR_FMT " of approvers", STR_ARG(of->groups[i])),
		    &(struct said){ joined ? out : in, joined ? in : out },
		    joined ? SHIFT_WIDER : SHIFT_NARROWER);
	}
}

/* ---- the whole of a level ---- */

void
levels_compare(struct diff *d, struct str id)
{
	const struct level *was = level_named(d->old, id), *is = level_named(d->new, id);

	groups_gone(d, is, was, true);
	groups_gone(d, was, is, false);
	if (was == NULL || is == NULL)
		return;
	amounts_compare(d, was, is);
	spending_compare(d, was, is);
	text_compare(d, id, "alerts",
	    &(struct said){ alerts_text(d, &was->alerts), alerts_text(d, &is->alerts) });
	if (was->parent == NULL && is->parent == NULL)
		text_compare(d, id, "zone", &(struct said){ was->zone, is->zone });
}
