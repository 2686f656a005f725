/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lintrule - rules that do not do what whoever wrote them must have meant: void, made void by
 * others, or guarding what nobody has.
 *
 * A rule is judged for everybody that its policy applies to: it is only wrong when it is wrong for
 * all of them.
 */
#include "policies/lint.h"

struct site { /* a rule, and for whom */
	struct lint *l;
	const struct policy *policy;
	size_t index; /* of the policy */
	const struct rule *rule;
	enum bound_kind bound; /* of the rule, while its bounds are checked */
};

static bool
applies(const struct lint_class *c, const struct bundle *b, size_t policy)
{
	return policy_in(b, b->policies[policy]->observe ? c->subject.all : c->subject.set, policy);
}

static bool
unconditional(const struct rule *r)
{
	return !r->has_when && !r->has_unless;
}

static bool
grants(const struct rule *r)
{
	return r->effect == EFFECT_ALLOW;
}

/* For everybody it applies to, is there such a rule?  *first: that of the first of them. */
typedef bool other_f(const struct site *s, const struct lint_class *c, const struct rule *other);

static bool
everywhere(const struct site *s, other_f *is, const struct rule **first)
{
	const struct bundle *b = s->l->b;
	size_t met = 0;

	*first = NULL;
	for (size_t k = 0; k < s->l->classes_n; k++) {
		const struct lint_class *c = &s->l->classes[k];
		const struct rule *found = NULL;

		if (!applies(c, b, s->index))
			continue;
		met++;
		for (size_t i = 0; i < b->policies_n && found == NULL; i++)
			for (size_t n = 0; policy_in(b, c->subject.set, i) &&
					   n < b->policies[i]->rules_n && found == NULL;
			     n++)
				if (&b->policies[i]->rules[n] != s->rule &&
				    is(s, c, &b->policies[i]->rules[n]))
					found = &b->policies[i]->rules[n];
		if (found == NULL)
			return false;
		*first = *first == NULL ? found : *first;
	}
	return met > 0;
}

/* Is there one for anybody it applies to? */
static bool
somewhere(const struct site *s, other_f *is)
{
	const struct bundle *b = s->l->b;

	for (size_t k = 0; k < s->l->classes_n; k++) {
		const struct lint_class *c = &s->l->classes[k];

		for (size_t i = 0; applies(c, b, s->index) && i < b->policies_n; i++)
			for (size_t n = 0;
			     policy_in(b, c->subject.set, i) && n < b->policies[i]->rules_n; n++)
				if (is(s, c, &b->policies[i]->rules[n]))
					return true;
	}
	return false;
}

static bool
holds_always(const struct site *s, const struct lint_class *c, const struct rule *r)
{
	struct judging unknown;
	enum tri value;

	judging_init(&unknown, STR(""), false);
	value = rule_holds(s->l->b, c->subject.set, r, &unknown);
	judging_fini(&unknown);
	return value == TRI_YES;
}

static bool
denies_all(const struct site *s, const struct lint_class *c, const struct rule *other)
{
	return other->effect == EFFECT_DENY && other->labels == 0 && other->after == 0 &&
	       pattern_covers(&other->pattern, &s->rule->pattern) && holds_always(s, c, other);
}

static bool
grants_all(const struct site *s, const struct lint_class *c, const struct rule *other)
{
	return grants(other) && other->approval == NULL &&
	       pattern_covers(&other->pattern, &s->rule->pattern) && holds_always(s, c, other);
}

static bool
grants_some(const struct site *s, const struct lint_class *c, const struct rule *other)
{
	(void)c;
	return grants(other) && pattern_meets(&other->pattern, &s->rule->pattern);
}

/* ---- an allow ---- */

static bool
outside_everywhere(const struct site *s, const struct policy **bound)
{
	const struct bundle *b = s->l->b;
	size_t met = 0;

	*bound = NULL;
	for (size_t k = 0; k < s->l->classes_n; k++) {
		const struct lint_class *c = &s->l->classes[k];
		bool outside = false;

		if (!applies(c, b, s->index))
			continue;
		met++;
		for (size_t i = 0; i < b->policies_n && !outside; i++) {
			const struct policy *p = b->policies[i];
			bool in = p->ceiling_n == 0 || !policy_in(b, c->subject.set, i);

			for (size_t n = 0; n < p->ceiling_n && !in; n++)
				in = pattern_meets(&p->ceiling[n], &s->rule->pattern);
			outside = !in;
			*bound = outside && *bound == NULL ? p : *bound;
		}
		if (!outside)
			return false;
	}
	return met > 0;
}

static bool
matches_all(const struct glob *g)
{
	return glob_match(g, STR("*"));
}

static void
allow_check(const struct site *s)
{
	const struct rule *r = s->rule, *other;
	const struct policy *bound;

	if (everywhere(s, denies_all, &other))
		lint_say(s->l, LINT_ERROR, r->where,
		    "nobody gets " STR_FMT ": " STR_FMT
		    " denies all of it to everybody this applies to (remove the rule, or add "
		    "unless: "
		    "to that one)",
		    STR_ARG(r->pattern.text), STR_ARG(other->where));
	else if (outside_everywhere(s, &bound))
		lint_say(s->l, LINT_ERROR, r->where,
		    "nobody gets " STR_FMT ": it is outside the ceiling at " STR_FMT
		    " (add it there, or remove the rule)",
		    STR_ARG(r->pattern.text), STR_ARG(bound->ceiling_at));
	else if (!unconditional(r) && r->plan == PLAN_NONE && everywhere(s, grants_all, &other))
		lint_say(s->l, LINT_ERROR, r->where,
		    "its condition narrows nothing: " STR_FMT " allows all of " STR_FMT
		    " to everybody this applies to",
		    STR_ARG(other->where), STR_ARG(r->pattern.text));
	else if (r->limits_n == 0 && r->bounds == NULL && r->approval == NULL &&
		 everywhere(s, grants_all, &other) && !str_eq(other->pattern.text, r->pattern.text))
		lint_say(s->l, LINT_WARNING, r->where,
		    "adds nothing: " STR_FMT " allows all of " STR_FMT " already",
		    STR_ARG(other->where), STR_ARG(r->pattern.text));
	if (r->pattern.kind == ASK_TOOL && unconditional(r) && r->approval == NULL &&
	    (r->pattern.any_server || matches_all(&r->pattern.server)) &&
	    matches_all(&r->pattern.name))
		lint_say(s->l, LINT_WARNING, r->where,
		    "allows every tool of every server, those that delete and those of servers to "
		    "come too (name the servers)");
}

/* A model has two names, and both must be granted. */
static void
alias_check(const struct site *s, const struct model_alias *a)
{
	struct bundle *b = s->l->b;
	struct verdict v;
	size_t met = 0;

	for (size_t k = 0; k < s->l->classes_n; k++) {
		const struct lint_class *c = &s->l->classes[k];

		if (!applies(c, b, s->index))
			continue;
		met++;
		rules_decide(b, &c->subject, ASK_MODEL, a->model, STR(""), &v);
		if (v.allowed || v.rule.n > 0) /* a deny of it may well be meant */
			return;
	}
	if (met > 0)
		lint_say(s->l, LINT_ERROR, s->rule->where,
		    "allows \"" STR_FMT "\" but not \"" STR_FMT
		    "\", which it stands for: both names must be allowed",
		    STR_ARG(a->name), STR_ARG(a->model));
}

static void
aliases_check(const struct site *s)
{
	const struct core_settings *set = s->l->settings;

	for (size_t i = 0; i < set->aliases_n && s->rule->pattern.kind == ASK_MODEL; i++)
		for (size_t k = 0; k < s->rule->pattern.name.n; k++)
			if (str_eq(s->rule->pattern.name.alt[k], set->aliases[i].name))
				alias_check(s, &set->aliases[i]);
}

/* ---- what bounds a script ---- */

static bool
bounds_as_much(const struct site *s, const struct lint_class *c, const struct rule *other)
{
	int64_t theirs = other->bounds == NULL ? 0 : other->bounds->of[s->bound].most;

	return theirs > 0 && theirs < s->rule->bounds->of[s->bound].most &&
	       holds_always(s, c, other);
}

static void
bounds_check(struct site *s)
{
	const struct rule *other;

	for (size_t k = 0; s->rule->bounds != NULL && k < BOUNDS; k++) {
		s->bound = (enum bound_kind)k;
		if (s->rule->bounds->of[k].most == 0 || !everywhere(s, bounds_as_much, &other))
			continue;
		lint_say(s->l, LINT_WARNING, s->rule->bounds->of[k].where,
		    "its %s: bounds nothing: " STR_FMT
		    " gives a script of everybody this applies to less",
		    bound_word(s->bound), STR_ARG(other->bounds->of[k].where));
	}
}

/* ---- any rule ---- */

static void
twice_check(const struct site *s)
{
	const struct rule *r = s->rule;

	for (const struct rule *o = s->policy->rules; o < r; o++) {
		if (o->effect != r->effect || !str_eq(o->pattern.text, r->pattern.text) ||
		    !str_eq(o->text, r->text) || o->plan != r->plan || r->when.subject != NULL ||
		    r->unless.subject != NULL || o->when.subject != NULL ||
		    o->unless.subject != NULL || r->effect > EFFECT_APPROVE)
			continue;
		lint_say(s->l, LINT_ERROR, r->where,
		    "says what line %d says already (remove one of them)", o->line);
		return;
	}
}

static void
condition_check(const struct site *s, const struct condition *c, const char *word)
{
	struct buf why;

	buf_init(&why, 0);
	if (condition_impossible(c, &why))
		lint_say(s->l, LINT_ERROR, s->rule->where, "its %s: can never hold: " STR_FMT, word,
		    STR_ARG(buf_str(&why)));
	else if (condition_idle(c, &why))
		lint_say(s->l, LINT_WARNING, s->rule->where, "its %s: tests nothing: " STR_FMT,
		    word, STR_ARG(buf_str(&why)));
	buf_fini(&why);
}

static void
rule_check(struct site *s)
{
	const struct rule *r = s->rule;

	twice_check(s);
	if (r->has_when)
		condition_check(s, &r->when, "when");
	if (r->has_unless)
		condition_check(s, &r->unless, "unless");
	if (grants(r) && !s->policy->observe) {
		allow_check(s);
		aliases_check(s);
	}
	bounds_check(s);
	if (r->effect != EFFECT_ALLOW && r->effect != EFFECT_DENY && !somewhere(s, grants_some))
		lint_say(s->l, LINT_WARNING, r->where,
		    "no rule allows anything of " STR_FMT
		    " to whom this applies: it guards nothing",
		    STR_ARG(r->pattern.text));
}

/* ---- a policy ---- */

static bool
anybody(const struct lint *l, size_t policy)
{
	for (size_t k = 0; k < l->classes_n; k++)
		if (applies(&l->classes[k], l->b, policy))
			return true;
	return false;
}

static bool
ceiling_granted(const struct site *s, const struct pattern *entry)
{
	const struct bundle *b = s->l->b;

	for (size_t k = 0; k < s->l->classes_n; k++) {
		const struct lint_class *c = &s->l->classes[k];

		for (size_t i = 0; applies(c, b, s->index) && i < b->policies_n; i++) {
			const struct policy *p = b->policies[i];

			if (!policy_in(b, c->subject.set, i))
				continue;
			if (p->models_of != NULL && entry->kind == ASK_MODEL)
				return true;
			for (size_t n = 0; n < p->rules_n; n++)
				if (grants(&p->rules[n]) &&
				    pattern_meets(entry, &p->rules[n].pattern))
					return true;
		}
	}
	return false;
}

static void
policy_check(const struct site *s)
{
	const struct policy *p = s->policy;
	bool denies = false;

	for (size_t n = 0; n < p->ceiling_n; n++)
		if (!ceiling_granted(s, &p->ceiling[n]))
			lint_say(s->l, LINT_WARNING, p->ceiling_at,
			    "no rule allows anything of " STR_FMT
			    " to whom this ceiling applies (a ceiling grants nothing)",
			    STR_ARG(p->ceiling[n].text));
	for (size_t n = 0; n < p->rules_n; n++)
		denies = denies || p->rules[n].effect == EFFECT_DENY;
	if (denies && p->owner.n == 0 && s->l->b->org->level.contact.n == 0 &&
	    p->explain != EXPLAIN_OPAQUE)
		lint_say(s->l, LINT_WARNING, p->rules[0].where,
		    "policy " STR_FMT
		    " refuses and names nobody to ask (owner:, or contact: of the organisation)",
		    STR_ARG(p->id));
}

void
lint_rules(struct lint *l)
{
	for (size_t i = 0; i < l->b->policies_n; i++) {
		struct site s = { l, l->b->policies[i], i, NULL, BOUND_SECONDS };

		if (s.policy->models_of != NULL)
			continue;
		if (l->b->nodes_n > 0 && !anybody(l, i)) {
			lint_say(l, LINT_ERROR,
			    arena_printf(
				&l->a, STR_FMT ":%d", STR_ARG(s.policy->file), s.policy->line),
			    "policy " STR_FMT
			    " applies to nobody: no user, team or customer is all that applies_to "
			    "asks for",
			    STR_ARG(s.policy->id));
			continue;
		}
		policy_check(&s);
		for (size_t n = 0; n < s.policy->rules_n; n++) {
			s.rule = &s.policy->rules[n];
			rule_check(&s);
		}
	}
}
