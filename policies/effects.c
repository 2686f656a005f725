/* SPDX-License-Identifier: Apache-2.0 */
/*
 * effects - what a bundle makes of one name for one set of policies, as a value that two bundles
 * can be compared by.
 *
 * Nothing is guessed about arguments: an effect is the set of ways to be allowed and of the
 * restrictions on them, in words and in order, so that two bundles whose effects read alike answer
 * every call alike.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/tools.h"

/* ---- one effect ---- */

/* In order, each once. */
static size_t
texts_settle(struct str *at, size_t n)
{
	size_t kept = 0;

	if (n > 1)
		qsort(at, n, sizeof(*at), str_order);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || !str_eq(at[kept - 1], at[i]))
			at[kept++] = at[i];
	return kept;
}

/* A condition in words; one about who calls has been decided, and is left out where it holds. */
static struct str
rule_words(struct arena *a, const struct rule *r)
{
	return r->text.n > 0
		   ? arena_printf(a, "%s " STR_FMT, effect_word(r->effect), STR_ARG(r->text))
		   : str_of(effect_word(r->effect));
}

/* "at most 200 calls/day per user when …" */
static struct str
limit_words(struct arena *a, const struct rule *r)
{
	struct str words;
	struct buf b;

	buf_init(&b, 0);
	rule_buckets_text(r, &b);
	words = arena_printf(a, STR_FMT "%s" STR_FMT, STR_ARG(str_trim(buf_str(&b))),
	    r->text.n > 0 ? " " : "", STR_ARG(r->text));
	buf_fini(&b);
	return words;
}

/* What is rewritten on the way: "redact result { secrets: mask }", into *out when it is there. */
static size_t
redacts_of(const struct bundle *b, const struct subject *s, const struct call *c, struct str *out,
    struct arena *a)
{
	struct judging unknown;
	size_t n = 0;

	judging_init(&unknown, STR(""), false);
	for (size_t i = 0; i < b->policies_n; i++)
		for (size_t k = 0; policy_in(b, s->set, i) && k < b->policies[i]->rules_n; k++) {
			const struct rule *r = &b->policies[i]->rules[k];

			if (r->effect != EFFECT_REDACT ||
			    (!pattern_match(&r->pattern, c->kind, c->name) &&
				!pattern_match(&r->pattern, c->kind, c->requested)) ||
			    rule_holds(b, s->set, r, &unknown) == TRI_NO)
				continue;
			if (out != NULL)
				out[n] = rule_words(a, r);
			n++;
		}
	judging_fini(&unknown);
	return n;
}

struct effects_build {
	struct arena *a;
	struct effects *out;
	struct str *ways, *bars;
};

static void
candidate_add(struct effects_build *w, const struct rule *r, enum tri value)
{
	struct effects *out = w->out;

	if (r->effect == EFFECT_ALLOW && r->approval == NULL && value == TRI_YES)
		out->open = true;
	if (r->effect == EFFECT_ALLOW)
		w->ways[out->ways_n++] = r->approval == NULL
					     ? rule_words(w->a, r)
					     : arena_printf(w->a, STR_FMT " with approval",
						   STR_ARG(rule_words(w->a, r)));
	else if (r->effect == EFFECT_DENY || r->effect == EFFECT_APPROVE)
		w->bars[out->bars_n++] = rule_words(w->a, r);
}

void
effects_of(struct bundle *b, const struct subject *s, const struct call *c, struct arena *a,
    struct effects *out)
{
	const struct decided *d = rules_decided(b, s, c->kind, c->name, c->requested);
	struct effects_build w = { .a = a, .out = out };
	struct judging unknown;
	struct str *limits;
	size_t n = 0;

	*out = (struct effects){ 0 };
	if (d == NULL || (!d->list->allowed && d->list->approvals_n == 0))
		return;
	out->some = true;
	w.ways = arena_alloc(a, (d->n + 1) * sizeof(*w.ways));
	w.bars = arena_alloc(a, (d->n + 1) * sizeof(*w.bars));
	limits = arena_alloc(a, (d->limits_n + redacts_of(b, s, c, NULL, a) + 1) * sizeof(*limits));
	judging_init(&unknown, STR(""), false);
	for (size_t i = 0; i < d->n; i++)
		candidate_add(&w, d->candidates[i].rule,
		    rule_holds(b, s->set, d->candidates[i].rule, &unknown));
	judging_fini(&unknown);
	for (size_t i = 0; i < d->limits_n; i++)
		if (d->limits[i].rule->limits_n > 0)
			limits[n++] = limit_words(a, d->limits[i].rule);
	out->limits_n = texts_settle(limits, n + redacts_of(b, s, c, limits + n, a));
	if (c->kind == ASK_RUN) {
		(void)rules_bounds(b, s, &out->bounds);
		rules_code_said(b, s, &out->code_mode);
		out->plan = rules_plan(b, s);
	}
	out->limits = limits;
	if (d->n == 0)
		out->open = true; /* nothing was kept that arguments could turn */
	/* What is allowed without a condition needs no other way. */
	out->ways_n = out->open ? 0 : texts_settle(w.ways, out->ways_n);
	out->bars_n = texts_settle(w.bars, out->bars_n);
	out->ways = w.ways;
	out->bars = w.bars;
}

/* ---- two of them ---- */

static bool
subset(const struct str *a, size_t an, const struct str *b, size_t bn)
{
	size_t k = 0;

	for (size_t i = 0; i < an; i++) {
		while (k < bn && str_cmp(b[k], a[i]) < 0)
			k++;
		if (k == bn || !str_eq(b[k], a[i]))
			return false;
	}
	return true;
}

/* Does `a` give a script no more than `b` of anything? */
static bool
bounds_within(const struct bounds *a, const struct bounds *b)
{
	for (size_t k = 0; k < BOUNDS; k++)
		if (b->of[k].most > 0 && (a->of[k].most == 0 || a->of[k].most > b->of[k].most))
			return false;
	return true;
}

/* Does `a` offer scripts no more widely than `b`?  What stands where no policy says it is not
 * known here. */
static bool
mode_within(enum code_mode a, enum code_mode b)
{
	return a == b || a == CODE_MODE_OFF || (b != CODE_MODE_UNSAID && a > b);
}

/* Is all that `a` allows allowed by `b`, as far as the words tell? */
static bool
within(const struct effects *a, const struct effects *b)
{
	if (!a->some)
		return true;
	return b->some &&
	       (b->open || (!a->open && subset(a->ways, a->ways_n, b->ways, b->ways_n))) &&
	       subset(b->bars, b->bars_n, a->bars, a->bars_n) &&
	       subset(b->limits, b->limits_n, a->limits, a->limits_n) &&
	       bounds_within(&a->bounds, &b->bounds) &&
	       mode_within(a->code_mode.mode, b->code_mode.mode) && a->plan >= b->plan;
}

enum shift
effects_shift(const struct effects *from, const struct effects *to)
{
	bool less = within(to, from), more = within(from, to);

	return less && more ? SHIFT_NONE : more ? SHIFT_WIDER : less ? SHIFT_NARROWER : SHIFT_OTHER;
}

void
effects_text(const struct effects *f, struct buf *out)
{
	size_t n = 0;

	if (!f->some) {
		buf_puts(out, "refused");
		return;
	}
	if (f->open) {
		buf_puts(out, "allow");
		n++;
	}
	for (size_t i = 0; i < f->ways_n; i++)
		buf_printf(out, "%s" STR_FMT, n++ > 0 ? "; " : "", STR_ARG(f->ways[i]));
	for (size_t i = 0; i < f->bars_n; i++)
		buf_printf(out, "%s" STR_FMT, n++ > 0 ? "; " : "", STR_ARG(f->bars[i]));
	for (size_t i = 0; i < f->limits_n; i++)
		buf_printf(out, "%s" STR_FMT, n++ > 0 ? "; " : "", STR_ARG(f->limits[i]));
	bounds_text(&f->bounds, out);
	if (f->code_mode.mode != CODE_MODE_UNSAID)
		buf_printf(out, "; code_mode %s", code_mode_word(f->code_mode.mode));
	if (f->plan != PLAN_NONE)
		buf_printf(out, "; plan %s", plan_word(f->plan));
}
