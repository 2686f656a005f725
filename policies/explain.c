/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain - one decision with everything that bore on it: `tollgate policy explain`.
 *
 * The verdict is that of the gate, from the same function; below it stands each policy's rule that
 * speaks of the name, with what it says of these arguments and what they are, and the nearest fix.
 * What is found is collected first (here) and then told (explainput.c), as text or as JSON.
 */
#include "policies/facts.h"
#include "policies/label.h"
#include "policies/tools.h"

static const struct {
	struct str head;
	enum ask_kind kind;
} kinds[] = { { STR("model:"), ASK_MODEL }, { STR("code:"), ASK_RUN },
	{ STR("prompt:"), ASK_PROMPT }, { STR("resource:"), ASK_RESOURCE },
	{ STR("hosted:"), ASK_HOSTED }, { STR("tool:"), ASK_TOOL } };

bool
call_read(const struct core_settings *s, struct str text, struct call *out, struct err *e)
{
	*out = (struct call){ ASK_TOOL, .shown = text, .name = text };
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_starts(text, kinds[i].head)) {
			out->kind = kinds[i].kind;
			out->name = STR_SPAN(text.p + kinds[i].head.n, text.p + text.n);
		}
	if (str_eq(text, STR("lua")) || str_eq(text, STR("tools"))) { /* as models know it */
		out->kind = ASK_RUN;
		out->name = STR("run");
	}
	out->requested = out->name;
	for (size_t i = 0; out->kind == ASK_MODEL && i < s->aliases_n; i++)
		if (str_eq(s->aliases[i].name, out->requested))
			out->name = s->aliases[i].model;
	if (out->name.n == 0)
		return err_set(e, ERR_INVALID, "\"" STR_FMT "\" names nothing", STR_ARG(text));
	if (out->kind == ASK_RUN && !str_eq(out->name, STR("run")))
		return err_set(e, ERR_INVALID, "\"code:\" knows only code:run");
	if ((out->kind == ASK_TOOL || out->kind == ASK_PROMPT || out->kind == ASK_RESOURCE) &&
	    (!str_has(out->name, '/') || out->name.p[0] == '/'))
		return err_set(e, ERR_INVALID,
		    "\"" STR_FMT "\" has no server: server/tool, prompt:server/name, "
		    "resource:server/uri (others are model:NAME, hosted:NAME, code:run)",
		    STR_ARG(text));
	return true;
}

/* ---- what bears on it ---- */

static bool
speaks_of(const struct pattern *p, const struct call *c)
{
	return pattern_match(p, c->kind, c->name) || pattern_match(p, c->kind, c->requested);
}

static struct finding *
finding_new(struct explained *x, enum finding_what what, const struct policy *p)
{
	struct finding *f;

	if (x->n == EXPLAIN_FINDINGS_MAX) {
		x->more++;
		return NULL;
	}
	f = &x->found[x->n++];
	*f = (struct finding){ .what = what, .policy = p, .why = STR("") };
	return f;
}

static void
rules_find(struct explained *x, const struct policy *p)
{
	const uint8_t labels = labels_of(x->bundle, x->subject->all, x->call->kind, x->call->name);

	for (size_t k = 0; k < p->rules_n; k++) {
		const struct rule *r = &p->rules[k];
		struct finding *f;
		struct judging j;

		if (!speaks_of(&r->pattern, x->call) ||
		    (r->labels != 0 && (r->labels & labels) == 0))
			continue;
		f = finding_new(x, FOUND_RULE, p);
		if (f == NULL)
			continue;
		f->rule = r;
		judging_init(&j, x->args, true);
		j.seen = x->subject->seen;
		j.schema = schema_known(x->bundle, x->call->kind, x->call->name);
		f->value = rule_holds(x->bundle, x->subject->all, r, &j);
		if (f->value == TRI_MAYBE && j.why != NULL)
			f->why = str_of(j.why); /* a constant */
		judging_fini(&j);
	}
}

static const struct pattern *
ceiling_covers(const struct policy *p, enum ask_kind kind, struct str name)
{
	for (size_t i = 0; i < p->ceiling_n; i++)
		if (pattern_match(&p->ceiling[i], kind, name))
			return &p->ceiling[i];
	return NULL;
}

static void
bounds_find(struct explained *x, const struct policy *p)
{
	struct finding *f;

	if (p->ceiling_n > 0 && (f = finding_new(x, FOUND_CEILING, p)) != NULL) {
		f->covered = ceiling_covers(p, x->call->kind, x->call->name);
		if (ceiling_covers(p, x->call->kind, x->call->requested) == NULL)
			f->covered = NULL;
		f->value = f->covered != NULL ? TRI_YES : TRI_NO;
	}
	if (p->models_of == NULL || x->call->kind != ASK_MODEL)
		return;
	f = finding_new(x, FOUND_MODELS, p);
	for (size_t i = 0; f != NULL && i < p->models_of->models.n; i++)
		if (str_eq(p->models_of->models.alt[i], x->call->name) ||
		    str_eq(p->models_of->models.alt[i], x->call->requested))
			f->value = TRI_YES;
}

void
explain_find(struct explained *x)
{
	struct bundle *b = x->bundle;
	const struct subject *s = x->subject;

	buf_init(&x->must, 0);
	rules_decide_call(
	    b, s, x->call->kind, x->call->name, x->call->requested, x->args, &x->verdict, &x->must);
	for (size_t i = 0; i < b->policies_n; i++)
		if (policy_in(b, s->all, i)) {
			bounds_find(x, b->policies[i]);
			rules_find(x, b->policies[i]);
		}
}

void
explain_fini(struct explained *x)
{
	buf_fini(&x->must);
}

/* ---- the nearest fix ---- */

/* The deny, ceiling or models: that the verdict names. */
static const struct finding *
deciding(const struct explained *x)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct finding *f = &x->found[i];
		struct str at = f->what == FOUND_RULE      ? f->rule->where
				: f->what == FOUND_CEILING ? f->policy->ceiling_at
							   : f->policy->models_of->models_at;

		if (str_eq(at, x->verdict.rule) &&
		    (f->what == FOUND_RULE ? f->rule->effect == EFFECT_DENY : f->value == TRI_NO))
			return f;
	}
	return NULL;
}

static bool
granted(const struct explained *x)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct finding *f = &x->found[i];

		if (f->value != TRI_NO && !f->policy->observe &&
		    (f->what == FOUND_MODELS ||
			(f->what == FOUND_RULE && f->rule->effect == EFFECT_ALLOW)))
			return true;
	}
	return false;
}

static void
ask_put(const struct explained *x, struct buf *out)
{
	if (x->verdict.owner.n > 0)
		buf_printf(out, " (ask " STR_FMT ")", STR_ARG(x->verdict.owner));
}

/* Somebody has it already: who? */
static void
grant_put(const struct explained *x, struct buf *out)
{
	const struct bundle *b = x->bundle;

	buf_printf(out, "a grant for " STR_FMT, STR_ARG(x->call->shown));
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		for (size_t k = 0; !policy_in(b, x->subject->all, i) && k < p->rules_n; k++) {
			const struct rule *r = &p->rules[k];

			if (r->effect != EFFECT_ALLOW || !speaks_of(&r->pattern, x->call))
				continue;
			buf_printf(out, "; " STR_FMT ":%d gives it to ", STR_ARG(p->id), r->line);
			applies_text(&p->applies, out);
			ask_put(x, out);
			return;
		}
	}
	ask_put(x, out);
}

static void
deny_fix(const struct explained *x, const struct rule *r, struct buf *out)
{
	size_t n = 0;

	if (r->when.n > 0)
		buf_printf(out, "%sa call for which this is false: " STR_FMT, n++ ? ", or " : "",
		    STR_ARG(r->when.text));
	if (r->unless.n > 0)
		buf_printf(out, "%sa call for which this is true: " STR_FMT, n++ ? ", or " : "",
		    STR_ARG(r->unless.text));
	if (r->has_unless && r->unless.subject != NULL) {
		buf_puts(out, n++ ? ", or a caller of " : "a caller of ");
		applies_text(r->unless.subject, out);
	}
	if (n == 0)
		buf_printf(out,
		    "none by the caller: " STR_FMT ":%d refuses it to everybody it applies to",
		    STR_ARG(x->verdict.policy), r->line);
	ask_put(x, out);
}

/* Who has to say yes. */
static void
approval_fix(const struct explained *x, struct buf *out)
{
	for (size_t i = 0; i < x->verdict.approvals_n; i++) {
		const struct approval *a = x->verdict.approval[i];

		buf_puts(out, i == 0 ? "an approval" : ", and one");
		if (a->approvers != NULL) {
			buf_puts(out, " by ");
			applies_text(a->approvers, out);
		}
		if (a->text.n > 0)
			buf_printf(out, " (" STR_FMT ")", STR_ARG(a->text));
	}
	ask_put(x, out);
}

void
explain_fix(const struct explained *x, struct buf *out)
{
	const struct finding *f = deciding(x);

	if (x->verdict.allowed)
		return;
	if (x->verdict.approvals_n > 0) {
		approval_fix(x, out);
		return;
	}
	if (!scope_covers(x->subject, x->call->kind, x->call->name) ||
	    !scope_covers(x->subject, x->call->kind, x->call->requested)) {
		buf_printf(out, "a key whose scope covers " STR_FMT, STR_ARG(x->call->shown));
		ask_put(x, out);
		return;
	}
	if (f == NULL && x->verdict.must.n > 0) {
		buf_put(out, x->verdict.must);
		buf_printf(out, "; or a grant for " STR_FMT " that has no such condition",
		    STR_ARG(x->call->shown));
		ask_put(x, out);
		return;
	}
	if (f == NULL) {
		grant_put(x, out);
		return;
	}
	if (f->what == FOUND_RULE)
		deny_fix(x, f->rule, out);
	else
		buf_printf(out, STR_FMT " in the %s of " STR_FMT " at " STR_FMT,
		    STR_ARG(x->call->shown), f->what == FOUND_CEILING ? "ceiling" : "models",
		    STR_ARG(f->policy->id), STR_ARG(x->verdict.rule));
	if (f->what != FOUND_RULE)
		ask_put(x, out);
	if (!granted(x)) {
		buf_puts(out, "; and ");
		grant_put(x, out);
	}
}

void
explain_call(struct bundle *b, const struct subject *s, const struct call *call, struct str args,
    struct verdict *v, struct buf *out)
{
	struct explained x = { .bundle = b, .subject = s, .call = call, .args = args };

	explain_find(&x);
	explain_text(&x, out);
	*v = x.verdict;
	v->must = STR("");
	explain_fini(&x);
}
