/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explainput - what explain.c found, for people and for programs.
 *
 * Values of arguments are shown as they were sent, cut short; what could deceive a reader (control,
 * invisible and look-alike characters) is escaped.
 */
#include <string.h>

#include "policies/core.h"
#include "policies/place.h"
#include "policies/tools.h"

#define VALUE_BYTES   60 /* of an argument that is shown */
#define FIX_BYTES_MAX 8192

/* ---- words ---- */

static const char *
tri_word(enum tri t)
{
	static const char *const tris[] = { "false", "cannot be judged", "true" };

	return tris[t];
}

static const char *
decision_word(const struct verdict *v, bool loud)
{
	static const char *const all[3][2] = { { "deny", "DENY" }, { "approve", "APPROVE" },
		{ "allow", "ALLOW" } };

	return all[v->allowed ? 2 : v->approvals_n > 0][loud];
}

static struct str
finding_at(const struct finding *f)
{
	return f->what == FOUND_RULE      ? f->rule->where
	       : f->what == FOUND_CEILING ? f->policy->ceiling_at
					  : f->policy->models_of->models_at;
}

static int
finding_line(const struct finding *f)
{
	return f->what == FOUND_RULE      ? f->rule->line
	       : f->what == FOUND_CEILING ? f->policy->ceiling_line
					  : f->policy->line;
}

/* ---- arguments ---- */

/* The raw JSON of what a clause is about; false: it is not there. */
static bool
value_of(struct str args, const struct clause *c, struct str *out)
{
	struct err e;

	*out = args;
	if (args.n == 0 || !json_check(args, false, &e))
		return false;
	for (size_t i = 0; i < c->steps_n; i++)
		if (!json_get(*out, c->steps[i], out))
			return false;
	return true;
}

static void
value_put(struct buf *out, struct str raw)
{
	struct str cut = str_clip(raw, VALUE_BYTES);
	const char *why;
	bool plain = !text_deceives(cut, &why);

	for (size_t i = 0; i < cut.n; i++) {
		unsigned char c = (unsigned char)cut.p[i];

		if (c < ' ' || c == 0x7f || (c >= 0x80 && !plain))
			buf_printf(out, "\\x%02x", c);
		else
			buf_putc(out, (char)c);
	}
	if (cut.n < raw.n)
		buf_puts(out, "…");
}

typedef void argument_f(void *ctx, struct str name, bool given, struct str raw);

static void
arguments_each(const struct finding *f, struct str args, argument_f *fn, void *ctx)
{
	const struct condition *of[] = { &f->rule->when, &f->rule->unless };

	for (size_t i = 0; i < COUNT(of); i++)
		for (size_t k = 0; k < of[i]->n; k++) {
			const struct clause *c = &of[i]->clauses[k];
			struct str raw = STR("");
			bool given = value_of(args, c, &raw);

			fn(ctx, c->arg.n > 0 ? c->arg : STR("arguments"), given, raw);
		}
}

/* ---- text ---- */

struct arguments_text {
	struct buf *out;
	size_t n;
};

static void
argument_text(void *ctx, struct str name, bool given, struct str raw)
{
	struct arguments_text *t = ctx;

	buf_printf(t->out, "%s" STR_FMT "%s", t->n++ == 0 ? "" : ", ", STR_ARG(name),
	    given ? "=" : " is not given");
	if (given)
		value_put(t->out, raw);
}

static void
rule_text(const struct explained *x, const struct finding *f, struct buf *out)
{
	struct arguments_text args = { out, 0 };
	const struct rule *r = f->rule;
	const struct str where = where_text(r->pattern.where);

	buf_printf(out, "  %-5s " STR_FMT ":%d " STR_FMT "%s" STR_FMT "%s" STR_FMT,
	    effect_word(r->effect), STR_ARG(f->policy->id), r->line, STR_ARG(r->pattern.text),
	    where.n > 0 ? " " : "", STR_ARG(where), r->text.n > 0 ? " " : "", STR_ARG(r->text));
	rule_limits_text(r, out);
	if (r->plan != PLAN_NONE)
		buf_printf(out, " plan %s", plan_word(r->plan));
	else if (r->effect == EFFECT_ALLOW && r->approval != NULL)
		buf_puts(out, " with approval");
	buf_printf(out, " -> %s", tri_word(f->value));
	if (r->when.n + r->unless.n > 0 || f->why.n > 0) {
		buf_puts(out, " (");
		arguments_each(f, x->args, argument_text, &args);
		if (f->why.n > 0)
			buf_printf(out, "%sit " STR_FMT, args.n > 0 ? "; " : "", STR_ARG(f->why));
		buf_putc(out, ')');
	}
	buf_puts(out, f->policy->observe ? " (observes only)\n" : "\n");
}

static void
bound_text(const struct finding *f, struct buf *out)
{
	buf_printf(out, "  %s " STR_FMT ":%d -> ",
	    f->what == FOUND_CEILING ? "ceiling" : "models:", STR_ARG(f->policy->id),
	    finding_line(f));
	if (f->value == TRI_NO)
		buf_puts(out, f->what == FOUND_CEILING ? "outside" : "not listed");
	else if (f->covered != NULL)
		buf_printf(out, "covered by " STR_FMT, STR_ARG(f->covered->text));
	else
		buf_puts(out, "listed");
	buf_puts(out, f->policy->observe ? " (observes only)\n" : "\n");
}

static void
who_text(const struct subject *s, struct buf *out)
{
	const size_t n = s->chain.n - 1; /* the organisation is everybody's */

	for (size_t i = n; i > 0; i--)
		buf_printf(
		    out, "%s" STR_FMT, i == n ? "" : " > ", STR_ARG(s->chain.level[i - 1]->name));
	if (n == 0)
		buf_puts(out, "nobody of the organisation");
	if (s->key.n > 0)
		buf_printf(out, "  key " STR_FMT, STR_ARG(s->key));
}

static bool
is_deny(const struct finding *f)
{
	return f->what == FOUND_RULE && f->rule->effect == EFFECT_DENY;
}

static void
levels_text(const struct explained *x, struct buf *out)
{
	const struct chain *c = &x->subject->chain;

	for (size_t i = 0; i < c->n; i++) {
		const struct level *l = c->level[i];

		for (size_t k = 0; k < l->budgets_n && x->call->kind == ASK_MODEL; k++) {
			buf_printf(out, "  budget " STR_FMT " ", STR_ARG(l->id));
			usd_put(out, l->budgets[k].amount_nusd);
			buf_printf(out, " USD/%s (" STR_FMT ")\n",
			    period_word(l->budgets[k].period), STR_ARG(l->budgets[k].where));
		}
		for (size_t k = 0; k < l->limits_n; k++) {
			const struct limit *m = &l->limits[k];

			if ((m->what == LIMIT_CALLS) == (x->call->kind == ASK_MODEL) &&
			    m->what != LIMIT_CONCURRENT)
				continue;
			buf_printf(out, "  limit  " STR_FMT " ", STR_ARG(l->id));
			limit_amount_put(out, m);
			buf_printf(out, " per %s (" STR_FMT ")\n", limit_per_word(m->per),
			    STR_ARG(m->where));
		}
	}
}

/* Of all rules' bounds the smallest hold. */
static void
bounds_put(const struct explained *x, struct buf *out)
{
	struct bounds all;

	if (x->call->kind != ASK_RUN || !rules_bounds(x->bundle, x->subject, &all))
		return;
	buf_puts(out, "  a script has at most\n");
	for (size_t k = 0; k < BOUNDS; k++) {
		if (all.of[k].most == 0)
			continue;
		buf_puts(out, "    ");
		bound_amount_put(out, (enum bound_kind)k, all.of[k].most);
		buf_printf(out, " (" STR_FMT ")\n", STR_ARG(all.of[k].where));
	}
}

/* Every policy that says how scripts are offered: the narrowest holds. */
static void
code_mode_put(const struct explained *x, struct buf *out)
{
	struct code_said said;

	if (x->call->kind != ASK_RUN)
		return;
	rules_code_said(x->bundle, x->subject, &said);
	for (size_t i = 0; i < x->bundle->policies_n; i++) {
		const struct policy *p = x->bundle->policies[i];

		if (p->code_mode == CODE_MODE_UNSAID || !policy_in(x->bundle, x->subject->all, i))
			continue;
		buf_printf(out, "  code_mode " STR_FMT ":%d %s%s\n", STR_ARG(p->id),
		    p->code_mode_line, code_mode_word(p->code_mode),
		    p->observe                            ? " (observes only)"
		    : str_eq(p->code_mode_at, said.where) ? " -> holds"
							  : "");
	}
}

static bool
in_scope(const struct explained *x)
{
	return scope_covers(x->subject, x->call->kind, x->call->name) &&
	       scope_covers(x->subject, x->call->kind, x->call->requested);
}

void
explain_text(const struct explained *x, struct buf *out)
{
	const bool two = !str_eq(x->call->name, x->call->requested);
	size_t denies = 0;
	struct buf fix;

	buf_printf(out, "%s  " STR_FMT, decision_word(&x->verdict, true), STR_ARG(x->call->shown));
	if (two)
		buf_printf(out, " (stands for " STR_FMT ")", STR_ARG(x->call->name));
	buf_printf(out, "  rev %.8s  ", bundle_rev(x->bundle).p);
	who_text(x->subject, out);
	via_text(&x->via, out);
	buf_puts(out, "\n  ");
	verdict_text(&x->verdict, out);
	buf_puts(out, "\n");
	for (size_t i = 0; i < x->n; i++)
		if (is_deny(&x->found[i]) && ++denies > 0)
			rule_text(x, &x->found[i], out);
	if (denies == 0)
		buf_puts(out, "  deny  none speaks of it\n");
	for (size_t i = 0; i < x->n; i++)
		if (x->found[i].what != FOUND_RULE)
			bound_text(&x->found[i], out);
	if (x->subject->scope_n > 0)
		buf_printf(out, "  scope of the key -> %s\n", in_scope(x) ? "covered" : "outside");
	for (size_t i = 0; i < x->n; i++)
		if (x->found[i].what == FOUND_RULE && !is_deny(&x->found[i]))
			rule_text(x, &x->found[i], out);
	if (x->more > 0)
		buf_printf(out, "  and %zu more rules that speak of it\n", x->more);
	levels_text(x, out);
	bounds_put(x, out);
	code_mode_put(x, out);
	buf_init(&fix, FIX_BYTES_MAX);
	explain_fix(x, &fix);
	if (fix.n > 0)
		buf_printf(out, "  nearest fix: " STR_FMT "\n", STR_ARG(buf_str(&fix)));
	buf_fini(&fix);
}

/* ---- JSON ---- */

static void
member(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, ",\"%s\":", name);
	buf_json_str(out, value);
}

static void
argument_json(void *ctx, struct str name, bool given, struct str raw)
{
	struct buf *out = ctx, shown;

	buf_init(&shown, 0);
	if (given)
		value_put(&shown, raw);
	buf_puts(out, out->p[out->n - 1] == '[' ? "{\"name\":" : ",{\"name\":");
	buf_json_str(out, name);
	buf_printf(out, ",\"given\":%s", given ? "true" : "false");
	if (given)
		member(out, "value", buf_str(&shown));
	buf_putc(out, '}');
	buf_fini(&shown);
}

static void
finding_json(const struct explained *x, const struct finding *f, struct buf *out)
{
	static const char *const values[] = { "false", "unknown", "true" };
	const char *effect = f->what == FOUND_RULE      ? effect_word(f->rule->effect)
			     : f->what == FOUND_CEILING ? "ceiling"
							: "models";

	buf_printf(out, "{\"effect\":\"%s\",\"line\":%d", effect, finding_line(f));
	member(out, "policy", f->policy->id);
	member(out, "at", finding_at(f));
	buf_printf(out, ",\"value\":\"%s\",\"observes\":%s", values[f->value],
	    f->policy->observe ? "true" : "false");
	if (f->covered != NULL)
		member(out, "covered_by", f->covered->text);
	if (f->why.n > 0)
		member(out, "why", f->why);
	if (f->what == FOUND_RULE) {
		member(out, "pattern", f->rule->pattern.text);
		if (f->rule->pattern.where != NULL)
			member(out, "where", where_text(f->rule->pattern.where));
		if (f->rule->text.n > 0)
			member(out, "condition", f->rule->text);
		buf_puts(out, ",\"arguments\":[");
		arguments_each(f, x->args, argument_json, out);
		buf_putc(out, ']');
	}
	buf_putc(out, '}');
}

/* ,"bounds":[{"bound":"seconds","most":20,"policy":"solo:12","at":"root/solo.yaml:12"}] */
static void
bounds_json(const struct explained *x, struct buf *out)
{
	struct bounds all;
	bool first = true;

	if (x->call->kind != ASK_RUN || !rules_bounds(x->bundle, x->subject, &all))
		return;
	buf_puts(out, ",\"bounds\":[");
	for (size_t k = 0; k < BOUNDS; k++) {
		if (all.of[k].most == 0)
			continue;
		buf_printf(out, "%s{\"bound\":\"%s\",\"most\":%lld", first ? "" : ",",
		    bound_word((enum bound_kind)k), (long long)all.of[k].most);
		first = false;
		member(out, "policy", all.of[k].policy);
		member(out, "at", all.of[k].where);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

/* ,"code_mode":{"mode":"only","policy":"platform","at":"root/platform.yaml:4"} */
static void
code_mode_json(const struct explained *x, struct buf *out)
{
	struct code_said said;

	if (x->call->kind != ASK_RUN)
		return;
	rules_code_said(x->bundle, x->subject, &said);
	if (said.mode == CODE_MODE_UNSAID)
		return;
	buf_printf(out, ",\"code_mode\":{\"mode\":\"%s\"", code_mode_word(said.mode));
	member(out, "policy", said.policy);
	member(out, "at", said.where);
	buf_putc(out, '}');
}

void
explain_json(const struct explained *x, struct buf *out)
{
	const struct chain *c = &x->subject->chain;
	struct buf text;

	buf_init(&text, FIX_BYTES_MAX);
	buf_printf(out, "{\"decision\":\"%s\"", decision_word(&x->verdict, false));
	member(out, "call", x->call->shown);
	if (!str_eq(x->call->name, x->call->requested))
		member(out, "model", x->call->name);
	member(out, "rev", bundle_rev(x->bundle));
	buf_puts(out, ",\"chain\":[");
	for (size_t i = c->n - 1; i > 0; i--) {
		buf_puts(out, i == c->n - 1 ? "" : ",");
		buf_json_str(out, c->level[i - 1]->name);
	}
	buf_putc(out, ']');
	if (x->subject->key.n > 0)
		member(out, "key", x->subject->key);
	if (x->via.view.n > 0)
		member(out, "view", x->via.view);
	if (x->via.client.n > 0)
		member(out, "client", x->via.client);
	verdict_text(&x->verdict, &text);
	member(out, "text", buf_str(&text));
	if (x->verdict.rule.n > 0)
		member(out, "rule", x->verdict.rule);
	buf_puts(out, ",\"findings\":[");
	for (size_t i = 0; i < x->n; i++) {
		buf_puts(out, i == 0 ? "" : ",");
		finding_json(x, &x->found[i], out);
	}
	buf_printf(out, "],\"more\":%zu", x->more);
	bounds_json(x, out);
	code_mode_json(x, out);
	buf_reset(&text);
	explain_fix(x, &text);
	if (text.n > 0)
		member(out, "fix", buf_str(&text));
	buf_puts(out, "}");
	buf_fini(&text);
}
