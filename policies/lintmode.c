/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lintmode - `code_mode:` of a policy that changes nothing.
 *
 * It says how scripts are offered, and grants none: where nobody it applies to may run scripts it
 * was written for nothing, and where another policy's word is narrower for all of them, that one
 * holds.  Both are warnings; a policy that only observes says nothing on purpose.
 */
#include "policies/lint.h"

static bool
runs_scripts(struct lint *l, const struct lint_class *c)
{
	struct verdict v;

	rules_decide(l->b, &c->subject, ASK_RUN, STR("run"), STR(""), &v);
	return v.allowed;
}

static void
code_mode_check(struct lint *l, const struct policy *p)
{
	struct code_said over = { .where = STR("") }, said;
	bool granted = false, holds = false;

	for (size_t k = 0; k < l->classes_n; k++) {
		const struct lint_class *c = &l->classes[k];

		if (!policy_in(l->b, c->subject.set, p->index) || !runs_scripts(l, c))
			continue;
		granted = true;
		rules_code_said(l->b, &c->subject, &said);
		holds = holds || said.mode == p->code_mode;
		over = said;
	}
	if (!granted)
		lint_say(l, LINT_WARNING, p->code_mode_at,
		    "code_mode: %s says how scripts are offered, and nobody it applies to may run "
		    "any (no rule allows them code:run)",
		    code_mode_word(p->code_mode));
	else if (!holds)
		lint_say(l, LINT_WARNING, p->code_mode_at,
		    "code_mode: %s holds for nobody: " STR_FMT " says %s, which is narrower",
		    code_mode_word(p->code_mode), STR_ARG(over.where), code_mode_word(over.mode));
}

void
lint_code_modes(struct lint *l)
{
	for (size_t i = 0; i < l->b->policies_n; i++)
		if (l->b->policies[i]->code_mode != CODE_MODE_UNSAID && !l->b->policies[i]->observe)
			code_mode_check(l, l->b->policies[i]);
}
