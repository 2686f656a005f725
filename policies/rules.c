/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - decisions.
 *
 *   subject --which policies apply: a bitset--> set number --name--> verdict, memoised
 *
 * For a name asked for (a model: the name the client used and the id it stands for):
 *   1. any deny that matches, from any policy that applies           -> denied
 *   2. a `models:` on the chain that lists neither of the two names,
 *      or a `ceiling:` or the key's scope that does not cover both   -> denied
 *   3. an allow that matches (a model: one for each of its names)    -> allowed, or, when only
 *      such as need an approval match, or an `approve:` matches too  -> once it is approved
 *   4. otherwise                                                     -> denied (default)
 *
 * A rule with conditions is true, false, or unknown (condition.h).  Without arguments, in a list,
 * that is read with hope: a deny needs true, an allow is content with unknown.  What is decided is
 * remembered (memo.c), and beside the answer for lists the rules that arguments may still turn: a
 * call is judged by those alone (hearing.c).
 *
 * Nothing here looks at the order of files or rules, but for which of several denies is named:
 * the first in order of path and line.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"
#include "policies/facts.h"
#include "policies/label.h"

#define NAME_BYTES_MAX     2048 /* a longer name is nobody's: default deny, not remembered */
#define DECISION_KEY_BYTES (2 * NAME_BYTES_MAX + 8)

/* ---- which policies apply ---- */

size_t
set_bytes(const struct bundle *b)
{
	return (b->policies_n + b->subjects_n + 7) / 8 +
	       1; /* never none: an empty key would not be one */
}

static bool
bit(const uint8_t *bits, size_t i)
{
	return (bits[i / 8] >> (i % 8)) & 1;
}

uint32_t
set_number(struct bundle *b, const uint8_t *bits)
{
	struct str key = { (const char *)bits, set_bytes(b) };
	void *found = map_get(&b->sets, key);
	uint8_t *kept;

	if (found != NULL)
		return (uint32_t)((uintptr_t)found - 1);
	ASSERT(b->sets_n < UINT32_MAX);
	if (b->sets_n == b->sets_cap) {
		b->sets_cap = b->sets_cap == 0 ? 8 : b->sets_cap * 2;
		b->set_bits = mem_realloc(b->set_bits, b->sets_cap * sizeof(*b->set_bits));
	}
	kept = mem_alloc(key.n);
	memcpy(kept, bits, key.n);
	b->set_bits[b->sets_n++] = kept;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): a map of numbers */
	map_set(&b->sets, (struct str){ (const char *)kept, key.n }, (void *)(uintptr_t)b->sets_n);
	return b->sets_n - 1;
}

bool
subject_resolve(struct bundle *b, const struct key_spec *who, struct arena *a, struct subject *out,
    struct err *e)
{
	struct pattern *scope;
	uint8_t *bits;

	IS(b, BUNDLE_MAGIC);
	*out = (struct subject){ .bundle = b, .key = who->name };
	if (!bundle_find_chain(b, who->customer, who->team, who->user, &out->chain, e) ||
	    !scope_parse(a, who->scope, &scope, &out->scope_n, e))
		return false;
	out->scope = scope;
	out->contact = out->chain.level[0]->contact;
	bits = mem_zalloc(set_bytes(b));
	for (size_t i = 0; i < b->policies_n + b->subjects_n; i++) {
		const struct applies *to =
		    i < b->policies_n ? &b->policies[i]->applies : b->subjects[i - b->policies_n];

		if (applies_to(to, &out->chain, who->name, who->tags))
			bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
	}
	out->all = out->open_all = set_number(b, bits);
	for (size_t i = 0; i < b->policies_n; i++)
		if (b->policies[i]->observe)
			bits[i / 8] = (uint8_t)(bits[i / 8] & ~(1u << (i % 8)));
	out->set = out->open_set = set_number(b, bits);
	free(bits);
	subject_via(b, out, &(struct via){ STR(""), STR("") });
	return true;
}

/* ---- one rule ---- */

static enum tri
condition_value(
    const struct bundle *b, const uint8_t *bits, const struct condition *c, struct judging *args)
{
	if (c->subject != NULL && !bit(bits, b->policies_n + c->bit))
		return TRI_NO;
	return condition_judge(c, args);
}

/* Does it apply?  What it is not sure of, and why, is in *args. */
static enum tri
rule_value(const struct bundle *b, const uint8_t *bits, const struct rule *r, struct judging *args)
{
	enum tri when = TRI_YES, unless = TRI_NO;

	if (r->after != 0 && args->known && (args->seen & r->after) != r->after)
		return TRI_NO;
	if (r->has_when)
		when = condition_value(b, bits, &r->when, args);
	if (r->has_unless && when != TRI_NO)
		unless = condition_value(b, bits, &r->unless, args);
	if (r->after != 0 && !args->known)
		when = tri_and(when, TRI_MAYBE);
	return tri_and(when, tri_not(unless));
}

/* Does it speak of such a name, which carries these labels? */
static bool
rule_speaks(const struct rule *r, enum ask_kind kind, struct str name, uint8_t labels)
{
	return (r->labels == 0 || (r->labels & labels) != 0) &&
	       pattern_match(&r->pattern, kind, name);
}

bool
policy_in(const struct bundle *b, uint32_t set, size_t policy)
{
	return bit(b->set_bits[set], policy);
}

enum tri
rule_holds(const struct bundle *b, uint32_t set, const struct rule *r, struct judging *args)
{
	return rule_value(b, b->set_bits[set], r, args);
}

/* ---- one decision ---- */

struct question {
	enum ask_kind kind;
	struct str name, requested; /* equal unless `two`: a model asked for by another name */
	bool two;
	uint8_t labels;
};
void
verdict_set(struct verdict *v, bool allowed, const struct policy *p, struct str where, int line,
    struct str reason)
{
	*v = (struct verdict){ .allowed = allowed,
		.explain = p->explain,
		.rule = where,
		.policy = p->id,
		.line = line,
		.reason = reason.n > 0 ? reason : STR(""),
		.owner = p->owner.n > 0 ? p->owner : STR(""),
		.when = STR(""),
		.must = STR("") };
}

static bool
question_matches(const struct question *q, const struct rule *r)
{
	return rule_speaks(r, q->kind, q->name, q->labels) ||
	       (q->two && rule_speaks(r, q->kind, q->requested, q->labels));
}

/* A deny that is certain. */
static bool
denied(const struct bundle *b, const uint8_t *bits, const struct question *q,
    struct judging *unknown, struct verdict *out)
{
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		if (!bit(bits, i))
			continue;
		for (size_t k = 0; k < p->rules_n; k++) {
			const struct rule *r = &p->rules[k];

			if (r->effect != EFFECT_DENY || !question_matches(q, r) ||
			    rule_value(b, bits, r, unknown) != TRI_YES)
				continue;
			verdict_set(out, false, p, r->where, r->line, r->reason);
			return true;
		}
	}
	return false;
}

static bool
models_list(const struct policy *p, const struct question *q)
{
	const struct glob *g = &p->models_of->models;

	for (size_t i = 0; i < g->n; i++)
		if (str_eq(g->alt[i], q->name) || str_eq(g->alt[i], q->requested))
			return true;
	return false;
}

/* `models:` of a level is a ceiling for everything below it, and a grant. */
static bool
outside_models(
    const struct bundle *b, const uint8_t *bits, const struct question *q, struct verdict *out)
{
	for (size_t i = 0; q->kind == ASK_MODEL && i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		if (!bit(bits, i) || p->models_of == NULL || models_list(p, q))
			continue;
		verdict_set(
		    out, false, p, p->models_of->models_at, p->line, STR("not one of its models"));
		return true;
	}
	return false;
}

static bool
covered(const struct policy *p, enum ask_kind kind, struct str name)
{
	for (size_t i = 0; i < p->ceiling_n; i++)
		if (pattern_match(&p->ceiling[i], kind, name))
			return true;
	return false;
}

static bool
outside_ceiling(
    const struct bundle *b, const uint8_t *bits, const struct question *q, struct verdict *out)
{
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		if (!bit(bits, i) || p->ceiling_n == 0 ||
		    (covered(p, q->kind, q->name) && covered(p, q->kind, q->requested)))
			continue;
		verdict_set(
		    out, false, p, p->ceiling_at, p->ceiling_line, STR("outside the ceiling"));
		return true;
	}
	return false;
}

/* Does any policy that applies grant this one name, or may it?  *out says which rule. */
static enum tri
granted(const struct bundle *b, const uint8_t *bits, const struct question *q, struct str name,
    struct judging *unknown, struct verdict *out)
{
	enum tri best = TRI_NO;

	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		if (!bit(bits, i))
			continue;
		if (p->models_of != NULL && q->kind == ASK_MODEL && models_list(p, q)) {
			verdict_set(out, true, p, p->models_of->models_at, p->line, STR(""));
			return TRI_YES;
		}
		for (size_t k = 0; k < p->rules_n; k++) {
			const struct rule *r = &p->rules[k];
			enum tri value;

			if (r->effect != EFFECT_ALLOW || !pattern_match(&r->pattern, q->kind, name))
				continue;
			value = rule_value(b, bits, r, unknown);
			if (value <= best)
				continue;
			best = value;
			verdict_set(out, true, p, r->where, r->line, r->reason);
			out->when = value == TRI_YES ? where_text(r->pattern.where) : r->said;
			if (value == TRI_YES)
				return value;
		}
	}
	return best;
}

const struct verdict verdict_nobody = { .rule = STR(""),
	.policy = STR(""),
	.reason = STR(""),
	.owner = STR(""),
	.when = STR(""),
	.must = STR("") };

/* The rules that arguments may turn, into *out when it is there. */
static size_t
candidates(const struct bundle *b, const uint8_t *bits, const struct question *q,
    struct judging *unknown, struct candidate *out)
{
	size_t n = 0;

	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		for (size_t k = 0; bit(bits, i) && k < p->rules_n; k++) {
			const struct rule *r = &p->rules[k];

			if (r->effect > EFFECT_APPROVE ||
			    !rule_speaks(r, q->kind, q->name, q->labels) ||
			    rule_value(b, bits, r, unknown) == TRI_NO)
				continue;
			if (out != NULL)
				out[n] = (struct candidate){ p, r };
			n++;
		}
	}
	return n;
}

/* What a list shows; true when arguments may still turn it. */
static bool
judge(const struct bundle *b, const uint8_t *bits, const struct question *q,
    struct judging *unknown, struct verdict *out)
{
	struct verdict id, asked;
	enum tri grant;

	if (denied(b, bits, q, unknown, out) || outside_models(b, bits, q, out) ||
	    outside_ceiling(b, bits, q, out))
		return false;
	*out = verdict_nobody;
	grant = granted(b, bits, q, q->requested, unknown, &asked);
	if (grant == TRI_NO)
		return false;
	if (!q->two)
		*out = asked;
	else if (granted(b, bits, q, q->name, unknown, &id) != TRI_NO)
		*out = id;
	else
		out->reason = STR("the name asked for is allowed, the model it stands for is not");
	return out->allowed && (q->kind == ASK_TOOL || q->kind == ASK_RESOURCE);
}

/* ---- remembered ---- */

/* The name(s) and their kind, as the memo numbers them. */
static struct str
decision_key(char buf[DECISION_KEY_BYTES], const struct question *q)
{
	size_t n = 0;

	buf[n++] = (char)q->kind;
	memcpy(buf + n, q->name.p, q->name.n);
	n += q->name.n;
	if (q->two) {
		buf[n++] = '\0'; /* refused in names, so the two cannot run into each other */
		memcpy(buf + n, q->requested.p, q->requested.n);
		n += q->requested.n;
	}
	return (struct str){ buf, n };
}

/* Nothing to judge by arguments when no rule left over has any condition. */
static void
candidates_keep(const struct bundle *b, const uint8_t *bits, const struct question *q,
    struct arena *a, struct decided *d)
{
	struct judging unknown;
	struct candidate *kept;
	bool any = false;

	judging_init(&unknown, STR(""), false);
	d->n = (uint32_t)candidates(b, bits, q, &unknown, NULL);
	kept = arena_alloc(a, (d->n + 1) * sizeof(*kept));
	(void)candidates(b, bits, q, &unknown, kept);
	d->candidates = kept;
	for (size_t i = 0; i < d->n; i++)
		any = any || kept[i].rule->effect == EFFECT_DENY ||
		      kept[i].rule->approval != NULL ||
		      rule_value(b, bits, kept[i].rule, &unknown) != TRI_YES;
	d->open = any;
	judging_fini(&unknown);
}

static const struct decided *
decision(struct bundle *b, uint32_t set, struct question *q)
{
	char buf[DECISION_KEY_BYTES];
	struct str key = decision_key(buf, q);
	const struct decided *known = memo_get(&b->memo, set, key);
	struct verdict list = verdict_nobody;
	struct decided v = { .list = &list };
	struct judging unknown;
	struct arena a;

	if (known != NULL)
		return known;
	arena_init(&a, BUNDLE_ARENA_BYTES);
	v.labels = q->labels = labels_of(b, set, q->kind, q->name);
	v.schema = schema_known(b, q->kind, q->name);
	judging_init(&unknown, STR(""), false);
	v.open = judge(b, b->set_bits[set], q, &unknown, &list);
	judging_fini(&unknown);
	if (v.open)
		candidates_keep(b, b->set_bits[set], q, &a, &v);
	if (b->limits_n > 0)
		limits_keep(b, set, q->kind, (const struct str[]){ q->name, q->requested }, &a, &v);
	known = memo_put(&b->memo, set, key, &v);
	arena_free(&a);
	return known;
}

static bool
name_sane(struct str name)
{
	return name.n > 0 && name.n <= NAME_BYTES_MAX && !str_has(name, '\0');
}

static const struct decided *
decided_in(
    struct bundle *b, uint32_t set, enum ask_kind kind, struct str name, struct str requested)
{
	struct question q = { .kind = kind, .name = name, .requested = name };

	IS(b, BUNDLE_MAGIC);
	ASSERT(set < b->sets_n);
	if (kind == ASK_MODEL && requested.n > 0 && !str_eq(requested, name)) {
		q.requested = requested;
		q.two = true;
	}
	return name_sane(name) && name_sane(q.requested) ? decision(b, set, &q) : NULL;
}

/* What the key itself leaves out. */
static const struct verdict scope_verdict = { .rule = STR("scope"),
	.policy = STR(""),
	.reason = STR("outside the key's own scope"),
	.owner = STR(""),
	.when = STR(""),
	.must = STR("") };
static const struct decided outside_scope = { .list = &scope_verdict };

const struct decided *
rules_decided(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct str requested)
{
	ASSERT(s->bundle == b);
	if (!scope_covers(s, kind, name) ||
	    (kind == ASK_MODEL && requested.n > 0 && !scope_covers(s, kind, requested)))
		return &outside_scope;
	return decided_in(b, s->set, kind, name, requested);
}

static void
verdict_finish(const struct subject *s, struct verdict *out)
{
	if (out->owner.n == 0)
		out->owner = s->contact;
}

static void
decided_list(const struct decided *d, struct verdict *out)
{
	*out = d != NULL ? *d->list : verdict_nobody;
	if (d == NULL)
		out->reason = STR("the name is empty, too long or has a NUL");
}

static void
/* NOLINTNEXTLINE(readability-function-size): an ask has many parts */
decided_call(struct bundle *b, const struct subject *s, uint32_t set, const struct decided *d,
    struct str args, struct verdict *out, struct buf *must)
{
	struct judging j;

	if (d == NULL || !d->open) {
		decided_list(d, out);
		return;
	}
	judging_init(&j, args, true);
	j.seen = s->seen;
	j.schema = d->schema;
	hear(b, set, d, &j, out, must);
	judging_fini(&j);
}

uint8_t
rules_labels(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name)
{
	const struct decided *d = decided_in(b, s->set, kind, name, STR(""));

	return d == NULL ? 0 : d->labels;
}

bool
rules_flow(const struct bundle *b)
{
	return b->flows_n > 0;
}

void
rules_decide(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct str requested, struct verdict *out)
{
	decided_list(rules_decided(b, s, kind, name, requested), out);
	verdict_finish(s, out);
}

void
/* NOLINTNEXTLINE(readability-function-size): an ask has many parts */
rules_decide_call(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct str requested, struct str args, struct verdict *out, struct buf *must)
{
	const struct decided *d;

	if (kind == ASK_RUN && str_eq(name, STR(RULES_PLAN))) {
		plan_decide(b, s, out);
		return;
	}
	d = rules_decided(b, s, kind, name, requested);
	decided_call(b, s, s->set, d, args, out, must);
	verdict_finish(s, out);
}

bool
/* NOLINTNEXTLINE(readability-function-size): an ask has many parts */
rules_would(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct str requested, struct str args, struct verdict *out, struct buf *must)
{
	if (kind == ASK_RUN)
		name = STR("run"); /* whoever only observes asks for no plan */
	if (s->all == s->set || rules_decided(b, s, kind, name, requested) == &outside_scope)
		return false;
	decided_call(b, s, s->all, decided_in(b, s->all, kind, name, requested), args, out, must);
	verdict_finish(s, out);
	return true;
}

void
verdict_text(const struct verdict *v, struct buf *out)
{
	if (v->allowed) {
		buf_printf(out, "allowed by " STR_FMT ":%d", STR_ARG(v->policy), v->line);
		if (v->when.n > 0)
			buf_printf(out, " " STR_FMT, STR_ARG(v->when));
		return;
	}
	if (v->approvals_n > 0)
		buf_printf(out, "needs an approval by " STR_FMT ":%d", STR_ARG(v->policy), v->line);
	else if (v->must.n > 0 && v->reason.n == 0)
		buf_printf(out, STR_FMT " · policy " STR_FMT ":%d", STR_ARG(v->must),
		    STR_ARG(v->policy), v->line);
	else if (v->policy.n > 0)
		buf_printf(out, "denied by " STR_FMT ":%d", STR_ARG(v->policy), v->line);
	else
		buf_puts(out, "no rule allows it");
	if (v->reason.n > 0)
		buf_printf(out, ": " STR_FMT, STR_ARG(v->reason));
	if (v->reason.n > 0 && v->must.n > 0)
		buf_printf(out, " · " STR_FMT, STR_ARG(v->must));
	if (v->owner.n > 0)
		buf_printf(out, " (ask " STR_FMT ")", STR_ARG(v->owner));
}

bool
verdict_err(const struct verdict *v, struct str name, struct err *e)
{
	struct buf text;

	if (v->explain == EXPLAIN_OPAQUE)
		return err_set(e, ERR_DENIED, STR_FMT ": refused by policy", STR_ARG(name));
	buf_init(&text, 0);
	verdict_text(v, &text);
	if (v->explain == EXPLAIN_FULL && v->rule.n > 0)
		buf_printf(&text, " · rule " STR_FMT, STR_ARG(v->rule));
	(void)err_set(e, ERR_DENIED, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(buf_str(&text)));
	buf_fini(&text);
	return false;
}
