/* SPDX-License-Identifier: Apache-2.0 */
/*
 * effects - what a bundle makes of one name for one set of policies, as a value that two bundles
 * can be compared by.
 *
 * Nothing is guessed about arguments: an effect is the set of ways to be allowed and of the
 * restrictions on them, in words and in order, so that two bundles whose effects read alike answer
 * every call alike.  So whatever of a rule turns a decision or what follows from it is in its
 * words: a member that is added to struct rule, approval or limit is added to them.  Not in them is
 * what people read (reason, text, owner) and where the rule stands.
 */
#include <limits.h>
#include <stdlib.h>

#include "policies/label.h"
#include "policies/tools.h"

/* ---- one effect ---- */

static void
texts_order(struct str *at, size_t n)
{
	if (n > 1)
		qsort(at, n, sizeof(*at), str_order);
}

/* In order, each once. */
static size_t
texts_settle(struct str *at, size_t n)
{
	size_t kept = 0;

	texts_order(at, n);
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

static struct str
terms_words(struct arena *a, const struct approval *terms)
{
	struct str words;
	struct buf b;

	buf_init(&b, 0);
	approval_terms_text(terms, &b);
	words = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return words;
}

/* "approve by groups [sre] when …" */
static struct str
asking_words(struct arena *a, const struct rule *r)
{
	return arena_printf(a, "%s" STR_FMT "%s" STR_FMT, effect_word(r->effect),
	    STR_ARG(terms_words(a, r->approval)), r->text.n > 0 ? " " : "", STR_ARG(r->text));
}

/* "at most 200 calls/day per user of fs/get_* when …": what the pattern matches shares a bucket. */
static struct str
limit_words(struct arena *a, const struct rule *r, const struct call *c)
{
	const bool alone = str_eq(r->pattern.text, c->shown);
	struct str words;
	struct buf b;

	buf_init(&b, 0);
	rule_buckets_text(r, &b);
	words = arena_printf(a, STR_FMT "%s" STR_FMT "%s" STR_FMT, STR_ARG(str_trim(buf_str(&b))),
	    alone ? "" : " of ", STR_ARG(alone ? STR("") : r->pattern.text),
	    r->said.n > 0 ? " " : "", STR_ARG(r->said));
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
	struct str *ways, *bars, *asks;
	struct str terms; /* of the last way that needs an approval */
	size_t choice;    /* its number, from 1 */
};

/* Of several ways that need an approval the first in the files is taken: where their terms differ,
 * which it is shows. */
static struct str
way_words(struct effects_build *w, const struct rule *r)
{
	struct str words = rule_words(w->a, r), terms;

	if (r->approval == NULL)
		return words;
	terms = terms_words(w->a, r->approval);
	w->choice += w->choice == 0 || !str_eq(w->terms, terms);
	w->terms = terms;
	words =
	    arena_printf(w->a, STR_FMT " with approval" STR_FMT, STR_ARG(words), STR_ARG(terms));
	return w->choice < 2
		   ? words
		   : arena_printf(w->a, STR_FMT " as choice %zu", STR_ARG(words), w->choice);
}

static void
candidate_add(struct effects_build *w, const struct rule *r, enum tri value)
{
	struct effects *out = w->out;

	if (r->effect == EFFECT_ALLOW && r->approval == NULL && value == TRI_YES)
		out->open = true;
	if (r->effect == EFFECT_ALLOW)
		w->ways[out->ways_n++] = way_words(w, r);
	else if (r->effect == EFFECT_DENY)
		w->bars[out->bars_n++] = rule_words(w->a, r);
	else if (r->effect == EFFECT_APPROVE)
		w->asks[out->asks_n++] = asking_words(w->a, r);
}

/* What its results make of a session. */
static void
labels_add(struct effects_build *w, uint8_t labels)
{
	char word[LABELS_TEXT_BYTES];

	for (unsigned bit = 1; bit <= UINT8_MAX; bit <<= 1)
		if ((labels & bit) != 0)
			w->bars[w->out->bars_n++] =
			    arena_printf(w->a, "label %s", labels_text((uint8_t)bit, word));
}

static void
plan_count(void *ctx, const struct policy *p, const struct rule *r)
{
	size_t *n = ctx;

	(void)p;
	(void)r;
	++*n;
}

static void
plan_add(void *ctx, const struct policy *p, const struct rule *r)
{
	struct effects_build *w = ctx;

	(void)p;
	w->asks[w->out->asks_n++] =
	    arena_printf(w->a, "approve plans" STR_FMT, STR_ARG(terms_words(w->a, r->approval)));
}

static void
run_add(struct effects_build *w, struct bundle *b, const struct subject *s)
{
	struct effects *out = w->out;
	size_t n = 0;

	(void)rules_bounds(b, s, &out->bounds);
	rules_code_said(b, s, &out->code_mode);
	out->plan = rules_plan(b, s);
	plans_each(b, s, plan_count, &n);
	w->asks = arena_alloc(w->a, (n + 1) * sizeof(*w->asks)); /* only tools have others */
	plans_each(b, s, plan_add, w);
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
	w.bars = arena_alloc(a, (d->n + CHAR_BIT) * sizeof(*w.bars));
	w.asks = arena_alloc(a, (d->n + 1) * sizeof(*w.asks));
	limits = arena_alloc(a, (d->limits_n + redacts_of(b, s, c, NULL, a) + 1) * sizeof(*limits));
	judging_init(&unknown, STR(""), false);
	for (size_t i = 0; i < d->n; i++)
		candidate_add(&w, d->candidates[i].rule,
		    rule_holds(b, s->set, d->candidates[i].rule, &unknown));
	judging_fini(&unknown);
	labels_add(&w, d->labels);
	for (size_t i = 0; i < d->limits_n; i++)
		if (d->limits[i].rule->limits_n > 0)
			limits[n++] = limit_words(a, d->limits[i].rule, c);
	out->limits_n = texts_settle(limits, n + redacts_of(b, s, c, limits + n, a));
	if (c->kind == ASK_RUN)
		run_add(&w, b, s);
	out->limits = limits;
	if (d->n == 0)
		out->open = true; /* nothing was kept that arguments could turn */
	/* What is allowed without a condition needs no other way. */
	out->ways_n = out->open ? 0 : texts_settle(w.ways, out->ways_n);
	out->bars_n = texts_settle(w.bars, out->bars_n);
	texts_order(w.asks, out->asks_n);
	out->ways = w.ways;
	out->bars = w.bars;
	out->asks = w.asks;
}

/* ---- two of them ---- */

/* What stands in `a` more often than in `b` is not in it. */
static bool
subset(const struct str *a, size_t an, const struct str *b, size_t bn)
{
	size_t k = 0;

	for (size_t i = 0; i < an; i++) {
		while (k < bn && str_cmp(b[k], a[i]) < 0)
			k++;
		if (k == bn || !str_eq(b[k++], a[i]))
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
	       subset(b->asks, b->asks_n, a->asks, a->asks_n) &&
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

static size_t
texts_put(const struct str *at, size_t at_n, size_t n, struct buf *out)
{
	for (size_t i = 0; i < at_n; i++)
		buf_printf(out, "%s" STR_FMT, n++ > 0 ? "; " : "", STR_ARG(at[i]));
	return n;
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
	n = texts_put(f->ways, f->ways_n, n, out);
	n = texts_put(f->bars, f->bars_n, n, out);
	n = texts_put(f->asks, f->asks_n, n, out);
	(void)texts_put(f->limits, f->limits_n, n, out);
	bounds_text(&f->bounds, out);
	if (f->code_mode.mode != CODE_MODE_UNSAID)
		buf_printf(out, "; code_mode %s", code_mode_word(f->code_mode.mode));
	if (f->plan != PLAN_NONE)
		buf_printf(out, "; plan %s", plan_word(f->plan));
}
