/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hearing - one call before the rules that its arguments may turn.
 *
 * rules.c has decided what a list shows and kept the rules that are left over: a call hears those
 * alone.  They are read without hope: a deny or an approve that cannot be judged holds, an allow
 * that cannot be judged does not.  A refusal says what would be allowed, of the first few ways.
 */
#include "policies/bundle.h"
#include "policies/label.h"

/* "path must be under /repo (it has a . or .. segment)" */
static void
must_text(const struct rule *r, const struct judging *j, enum tri value, struct buf *must)
{
	char got[LABELS_TEXT_BYTES];

	if (must->n > 0)
		buf_puts(must, ", or ");
	if (j->last != NULL && r->effect == EFFECT_ALLOW && j->of == &r->when) {
		buf_put(must, j->last->text);
		if (value == TRI_MAYBE && j->why != NULL)
			buf_printf(must, " (it %s)", j->why);
		return;
	}
	if (r->after != 0)
		buf_printf(must, "not after results that are %s", labels_text(r->after, got));
	else if (value == TRI_MAYBE && j->why != NULL)
		buf_printf(must, STR_FMT " %s",
		    STR_ARG(j->last != NULL && j->last->arg.n > 0 ? j->last->arg
								  : STR("the arguments")),
		    j->why);
	else if (r->unless.text.n > 0)
		buf_printf(must, "%s when " STR_FMT,
		    r->effect == EFFECT_DENY ? "allowed only" : "not allowed",
		    STR_ARG(r->unless.text));
	else
		buf_printf(must, "not allowed when " STR_FMT, STR_ARG(r->when.text));
}

#define MUST_MAX 3 /* ways to be allowed that a refusal names */

/* What the rules say of one call, while they are gone through. */
struct hearing {
	const struct candidate *grant; /* certain, without an approval */
	const struct candidate *asks;  /* certain, and somebody has to approve */
	const struct candidate *near;  /* would grant other arguments */
	const struct candidate *denies;
	const struct candidate *approve[APPROVAL_RULES_MAX]; /* hold whoever grants */
	size_t approve_n;
	size_t told;
};

static void
grant_hear(struct hearing *h, const struct candidate *c, enum tri value, const struct judging *j,
    struct buf *must)
{
	if (value == TRI_YES && c->rule->approval == NULL) {
		h->grant = c;
	} else if (value == TRI_YES) {
		h->asks = h->asks == NULL ? c : h->asks;
	} else {
		h->near = h->near == NULL ? c : h->near;
		if (h->told++ < MUST_MAX)
			must_text(c->rule, j, value, must);
	}
}

/* False when a deny has ended it. */
static bool
rule_hear(struct hearing *h, const struct candidate *c, enum tri value, const struct judging *j,
    struct buf *must)
{
	switch (c->rule->effect) {
	case EFFECT_ALLOW:
		grant_hear(h, c, value, j, must);
		return true;
	case EFFECT_DENY:
		if (value == TRI_NO)
			return true;
		buf_reset(must);
		must_text(c->rule, j, value, must);
		h->denies = c;
		return false;
	case EFFECT_APPROVE: /* one more than a call can hold is as good as a deny */
		if (value != TRI_NO && h->approve_n < COUNT(h->approve))
			h->approve[h->approve_n] = c;
		h->approve_n += value != TRI_NO;
		return true;
	case EFFECT_LABEL:
	case EFFECT_REDACT:
	case EFFECT_LIMIT:
		return true;
	}
	UNREACHABLE();
}

static void
candidate_verdict(struct verdict *out, bool allowed, const struct candidate *c, struct str reason)
{
	verdict_set(out, allowed, c->policy, c->rule->where, c->rule->line, reason);
}

/* Granted, but a person has to say yes: `who` is the first rule that asks. */
static void
approvals_verdict(const struct hearing *h, struct verdict *out)
{
	const struct candidate *who = h->grant == NULL ? h->asks : h->approve[0];

	candidate_verdict(out, false, who, who->rule->reason);
	if (h->approve_n + (h->grant == NULL) > COUNT(out->approval)) {
		out->reason = STR("more approvals are asked for than one call can have");
		return;
	}
	if (h->grant == NULL)
		out->approval[out->approvals_n++] = h->asks->rule->approval;
	for (size_t i = 0; i < h->approve_n; i++)
		out->approval[out->approvals_n++] = h->approve[i]->rule->approval;
}

void
hear(const struct bundle *b, uint32_t set, const struct decided *d, struct judging *j,
    struct verdict *out, struct buf *must)
{
	struct hearing h = { .grant = NULL };

	for (size_t i = 0; i < d->n; i++) {
		const struct candidate *c = &d->candidates[i];

		if (c->rule->effect == EFFECT_ALLOW && h.grant != NULL)
			continue;
		if (!rule_hear(&h, c, rule_holds(b, set, c->rule, j), j, must))
			break;
	}
	if (h.denies != NULL) {
		candidate_verdict(out, false, h.denies, h.denies->rule->reason);
		out->must = buf_str(must);
	} else if ((h.grant != NULL && h.approve_n > 0) || (h.grant == NULL && h.asks != NULL)) {
		approvals_verdict(&h, out);
	} else if (h.grant != NULL) {
		candidate_verdict(out, true, h.grant, h.grant->rule->reason);
		out->when = where_text(h.grant->rule->pattern.where);
	} else {
		*out = verdict_nobody;
		if (h.near != NULL) /* always: a list had hope */
			candidate_verdict(out, false, h.near, STR(""));
		out->must = buf_str(must);
	}
}
