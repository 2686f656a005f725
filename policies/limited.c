/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limited - which limits of rules a call must stay within.
 *
 * All of those whose rule matches the name (a model: either of its two) and whose conditions are
 * not certainly false: what cannot be judged is counted.  An `allow` with a limit counts each call
 * that it matches, also where another rule grants the same.  Rules of policies that observe count
 * nothing.
 */
#include "policies/bundle.h"
#include "policies/limits.h"

static size_t
matching(struct bundle *b, uint32_t set, enum ask_kind kind, const struct str name[2],
    struct candidate *out)
{
	struct judging unknown;
	size_t n = 0;

	judging_init(&unknown, STR(""), false);
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		for (size_t k = 0; policy_in(b, set, i) && k < p->rules_n; k++) {
			const struct rule *r = &p->rules[k];

			if ((r->limits_n == 0 && r->bounds == NULL) ||
			    (!pattern_match(&r->pattern, kind, name[0]) &&
				!pattern_match(&r->pattern, kind, name[1])) ||
			    rule_holds(b, set, r, &unknown) == TRI_NO)
				continue;
			if (out != NULL)
				out[n] = (struct candidate){ p, r };
			n++;
		}
	}
	judging_fini(&unknown);
	return n;
}

void
/* NOLINTNEXTLINE(readability-function-size): a name has a kind, and two spellings */
limits_keep(struct bundle *b, uint32_t set, enum ask_kind kind, const struct str name[2],
    struct arena *a, struct decided *d)
{
	struct candidate *kept;

	d->limits_n = (uint32_t)matching(b, set, kind, name, NULL);
	if (d->limits_n == 0)
		return;
	kept = arena_alloc(a, d->limits_n * sizeof(*kept));
	(void)matching(b, set, kind, name, kept);
	d->limits = kept;
}

bool
rules_limited(const struct bundle *b)
{
	return b->limits_n > 0;
}

size_t
rules_limits(struct bundle *b, const struct subject *s, const struct ask *a,
    const struct limit **out, size_t max)
{
	const struct decided *d = rules_decided(b, s, a->kind, a->name, a->requested);
	struct judging j;
	size_t n = 0;

	if (d == NULL || d->limits_n == 0)
		return 0;
	judging_init(&j, a->args, true);
	j.schema = d->schema;
	for (size_t i = 0; i < d->limits_n; i++) {
		const struct rule *r = d->limits[i].rule;

		if (rule_holds(b, s->set, r, &j) == TRI_NO)
			continue;
		for (size_t k = 0; k < r->limits_n; k++, n++)
			if (n < max)
				out[n] = &r->limits[k];
	}
	judging_fini(&j);
	return n;
}

void
/* NOLINTNEXTLINE(readability-function-size): a name has a kind, a callback a context */
rules_limits_named(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    void (*fn)(void *ctx, const struct limit *l), void *ctx)
{
	const struct decided *d = rules_decided(b, s, kind, name, STR(""));

	for (size_t i = 0; d != NULL && i < d->limits_n; i++) {
		const struct rule *r = d->limits[i].rule;

		for (size_t k = 0; !r->has_when && !r->has_unless && k < r->limits_n; k++)
			fn(ctx, &r->limits[k]);
	}
}

void
rules_limits_each(const struct bundle *b, const struct subject *s,
    void (*fn)(void *ctx, const struct limit *l), void *ctx)
{
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		for (size_t k = 0; policy_in(b, s->set, i) && k < p->rules_n; k++)
			for (size_t n = 0; n < p->rules[k].limits_n; n++)
				fn(ctx, &p->rules[k].limits[n]);
	}
}

void
rule_buckets_text(const struct rule *r, struct buf *out)
{
	for (size_t i = 0; i < r->limits_n; i++) {
		buf_puts(out, i == 0 ? " at most " : ", ");
		limit_amount_put(out, &r->limits[i]);
		buf_printf(out, " per %s", limit_per_word(r->limits[i].per));
	}
}

void
rule_limits_text(const struct rule *r, struct buf *out)
{
	rule_buckets_text(r, out);
	if (r->bounds != NULL)
		bounds_text(r->bounds, out);
}
