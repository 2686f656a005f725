/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - `plan:` of a rule for code:run: what scripts change is put before people first.
 *
 *   - allow: code:run
 *     plan: destructive        # or writes: every tool that mcp.lock does not call read-only
 *     approval: { text: "Deletes are looked at", approvers: { groups: [sre] } }
 *
 * Of all rules that match, the strictest holds, and each one's approval has to be given.  Tools are
 * what somebody has approved them to be in mcp.lock, never what their server says now; what is not
 * there counts as destructive.
 *
 * A plan passes the gate as a run by the name of `plan`, with the list of calls as its arguments:
 * so its approval is one like any other, of this key, these very calls and this revision, good once
 * and for a time (approval_gate.c).  How a script is run as a plan is codemode/approved.c.
 */
#include "policies/bundle.h"
#include "policies/core.h"
#include "policies/facts.h"
#include "policies/label.h"

static const struct str words[] = { STR(""), STR("destructive"), STR("writes") };

const char *
plan_word(enum plan_level l)
{
	return words[l].p; /* constants end in NUL */
}

void
plan_read(struct loading *ld, const struct policy_file *f, const struct policy *p, struct rule *out,
    struct yaml *y)
{
	struct yaml *plan = yaml_get(y, "plan");
	char near[HINT_BYTES];

	if (plan == NULL)
		return;
	if (out->effect != EFFECT_ALLOW || out->pattern.kind != ASK_RUN) {
		problem_key(&ld->problems, plan, "plan: stands with allow: code:run");
		return;
	}
	for (size_t i = PLAN_DESTRUCTIVE; plan->kind == YAML_SCALAR && i < COUNT(words); i++)
		if (str_eq(words[i], plan->text))
			out->plan = (enum plan_level)i;
	if (out->plan == PLAN_NONE) {
		problem(&ld->problems, plan, "unknown plan \"" STR_FMT "\"%s (destructive, writes)",
		    STR_ARG(plan->text), hint(near, plan->text, words + 1, COUNT(words) - 1));
		return;
	}
	out->approval = approval_read(ld, f, p, yaml_get(y, "approval"));
	ld->b->plans_n++;
	if (!facts_known(ld->b))
		warning(&ld->problems, plan,
		    "without mcp.lock nothing is known of any tool, so each counts as destructive "
		    "(tollgate lock init)");
}

void
plans_each(const struct bundle *b, const struct subject *s, plan_f *fn, void *ctx)
{
	struct judging none;

	if (b->plans_n == 0)
		return;
	judging_init(&none, STR(""), true);
	for (size_t i = 0; i < b->policies_n; i++)
		for (size_t k = 0; policy_in(b, s->set, i) && k < b->policies[i]->rules_n; k++) {
			const struct rule *r = &b->policies[i]->rules[k];

			if (r->plan != PLAN_NONE && rule_holds(b, s->set, r, &none) != TRI_NO)
				fn(ctx, b->policies[i], r);
		}
	judging_fini(&none);
}

static void
level_take(void *ctx, const struct policy *p, const struct rule *r)
{
	enum plan_level *level = ctx;

	(void)p;
	if (r->plan > *level)
		*level = r->plan;
}

enum plan_level
rules_plan(const struct bundle *b, const struct subject *s)
{
	enum plan_level level = PLAN_NONE;

	plans_each(b, s, level_take, &level);
	return level;
}

/* Of more rules than one request can have, none lets it pass. */
static void
approval_take(void *ctx, const struct policy *p, const struct rule *r)
{
	struct verdict *v = ctx;

	if (v->allowed)
		verdict_set(v, false, p, r->where, r->line, r->reason);
	if (v->approvals_n < APPROVAL_RULES_MAX)
		v->approval[v->approvals_n++] = r->approval;
	else
		v->approvals_n = APPROVAL_RULES_MAX + 1;
}

void
plan_decide(struct bundle *b, const struct subject *s, struct verdict *out)
{
	rules_decide(b, s, ASK_RUN, STR("run"), STR(""), out);
	if (!out->allowed)
		return;
	plans_each(b, s, approval_take, out);
	if (out->approvals_n > APPROVAL_RULES_MAX) {
		out->approvals_n = 0;
		out->reason = STR("more rules ask for a plan than one approval can have");
	}
	if (out->owner.n == 0)
		out->owner = s->contact;
}

bool
rules_plans(struct core *c, struct key *k, const struct via *via, struct str tool)
{
	struct bundle *b = core_bundle(c);
	const struct tool_fact *fact;
	enum plan_level level;
	struct subject s;

	if (b->plans_n == 0 || !key_subject_via(k, via, &s) || key_observes(k))
		return false;
	level = rules_plan(b, &s);
	if (level == PLAN_NONE)
		return false;
	fact = fact_find(b, tool);
	if (fact == NULL || (rules_labels(b, &s, ASK_TOOL, tool) & LABEL_DESTRUCTIVE) != 0)
		return true;
	return !fact->readonly && (level == PLAN_WRITES || fact->destructive);
}
