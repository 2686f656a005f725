/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval_answer - who may say yes or no.
 *
 * Each rule that asks says by which ways, and perhaps who: a yes counts for the rules that it may
 * be given for, and the request is granted when every rule has one.  A second person is told from
 * the one who asks by user, never by key; a key of a team may be anybody's in that team.  The
 * operator (control socket, admin token) is nobody who asks, but is no approver by name either.
 */
#include <string.h>

#include "policies/approvals.h"

static bool
over_err(const struct approval_request *r, struct err *e)
{
	return err_set(e, ERR_INVALID,
	    "approval %s is not waiting any more: it is %s%s" STR_FMT "%s" STR_FMT, r->id,
	    approval_state_word(r->state), r->by.n > 0 ? " by " : "", STR_ARG(r->by),
	    r->why.n > 0 ? ": " : "", STR_ARG(r->why));
}

static bool
way_listed(const struct approval *terms, enum approval_way way)
{
	for (size_t i = 0; i < terms->ways_n; i++)
		if (terms->way[i] == way)
			return true;
	return false;
}

/* "ana", or "acme/payments/ana", "acme//bob". */
static bool
named_user(const struct bundle *b, struct str name, struct chain *who, struct err *e)
{
	struct str rest = name, part[3] = { STR(""), STR(""), STR("") };
	size_t n = 0;

	while (rest.p != NULL && n < COUNT(part))
		part[n++] = str_cut(&rest, '/');
	if (rest.p == NULL && n == 1)
		return bundle_find_chain(b, STR(""), STR(""), name, who, e);
	return rest.p == NULL && n == COUNT(part) &&
	       bundle_find_chain(b, part[0], part[1], part[2], who, e);
}

/* Who says it, as a chain of levels whose leaf is a user; false: nobody that can be told. */
static bool
person_of(const struct approval_request *r, const struct approval_answer *a, struct chain *who,
    struct err *e)
{
	if (a->key == NULL && a->user.n == 0)
		return err_set(e, ERR_DENIED,
		    "approval %s must come from a person by name: a user's own key, or a webhook "
		    "that says who",
		    r->id);
	if (a->key != NULL && !key_usable(a->key, loop_wall_ns(r->core->loop), e))
		return false;
	if (a->key != NULL)
		*who = a->key->subject.chain;
	else if (!named_user(r->core->bundle, a->user, who, e))
		return err_set(e, ERR_DENIED,
		    "\"" STR_FMT "\" is no user of the policy files (name one as ana, or "
		    "acme/payments/ana)",
		    STR_ARG(str_clip(a->user, 100)));
	return (who->n > 0 && who->level[0]->kind == LEVEL_USER) ||
	       err_set(e, ERR_DENIED, "approval %s must come from a user, and this key has none",
		   r->id);
}

/* Could this user be the one who asks?  A key of a team may be anybody's in it. */
static bool
may_be_asker(const struct approval_request *r, const struct chain *who)
{
	const struct chain *of = &r->key->subject.chain;

	if (!r->key->resolved || of->n == 0 || who->n == 0)
		return true;
	for (size_t i = 0; i < who->n; i++)
		if (who->level[i] == of->level[0])
			return true;
	return of->level[0]->kind == LEVEL_USER && str_eq(of->level[0]->name, who->level[0]->name);
}

static bool
second_person(const struct approval_request *r, const struct approval *terms,
    const struct approval_answer *a, struct chain *who, struct err *e)
{
	/* The operator and admin tokens are nobody's who asks. */
	if (terms->approvers == NULL && a->way == APPROVAL_CLI && a->key == NULL)
		return true;
	if (a->way == APPROVAL_ELICITATION)
		return err_set(e, ERR_DENIED, "approval %s needs a second person", r->id);
	return person_of(r, a, who, e) &&
	       (!may_be_asker(r, who) ||
		   err_set(e, ERR_DENIED,
		       "approval %s needs a second person: who asks cannot approve, with any key",
		       r->id));
}

static bool
may_give(const struct approval_request *r, const struct approval_need *n,
    const struct approval_answer *a, struct err *e)
{
	const struct approval *terms = n->rule->approval;
	struct chain who = { .n = 0 };

	if (!way_listed(terms, a->way))
		return err_set(e, ERR_DENIED,
		    "approval %s cannot be given by %s (policy " STR_FMT ":%d, via)", r->id,
		    approval_way_word(a->way), STR_ARG(n->policy->id), n->rule->line);
	if (terms->approvers == NULL && a->key != NULL && !a->operates)
		return err_set(e, ERR_DENIED,
		    "approval %s is the operator's to give: policy " STR_FMT
		    ":%d names no approvers",
		    r->id, STR_ARG(n->policy->id), n->rule->line);
	if (terms->second_person && !second_person(r, terms, a, &who, e))
		return false;
	return terms->approvers == NULL ||
	       applies_to(terms->approvers, &who, a->key != NULL ? str_of(a->key->name) : STR(""),
		   a->key != NULL ? str_of(a->key->tags) : STR("")) ||
	       err_set(e, ERR_DENIED,
		   "approval %s is not this user's to give (policy " STR_FMT ":%d, approvers)",
		   r->id, STR_ARG(n->policy->id), n->rule->line);
}

/* A no needs less than a yes: whoever asks, the operator, and who could say yes. */
static bool
may_refuse(const struct approval_request *r, const struct approval_answer *a, struct err *e)
{
	if (a->key == NULL || a->key == r->key)
		return true;
	for (size_t i = 0; i < r->needs_n; i++)
		if (may_give(r, &r->needs[i], a, e))
			return true;
	return false;
}

static bool
all_given(const struct approval_request *r)
{
	for (size_t i = 0; i < r->needs_n; i++)
		if (!r->needs[i].given)
			return false;
	return true;
}

static bool
yes(struct approval_request *r, const struct approval_answer *a, struct err *e)
{
	int64_t expires_s = APPROVAL_EXPIRES_MAX;
	bool any = false;

	for (size_t i = 0; i < r->needs_n; i++) {
		struct approval_need *n = &r->needs[i];

		if (n->rule->approval->expires_s < expires_s)
			expires_s = n->rule->approval->expires_s;
		if (!n->given && may_give(r, n, a, e))
			n->given = any = true;
	}
	if (!any)
		return false;
	approval_needs_text(r);
	if (!all_given(r)) {
		approval_row(r, "given", a->actor, str_clip(a->reason, APPROVAL_REASON_BYTES));
		return true;
	}
	/* Whoever asked has as long to use it as people had to answer. */
	r->expires_ns = loop_wall_ns(r->core->loop) + expires_s * 1000000000;
	approval_turn(r, APPROVAL_GRANTED, a->actor, a->reason);
	approval_clock(r);
	return true;
}

bool
approval_answer(struct approval_request *r, const struct approval_answer *a, struct err *e)
{
	IS(r, APPROVAL_MAGIC);
	if (!core_ready(r->core, e))
		return false;
	if (r->state == APPROVAL_WAITING && loop_wall_ns(r->core->loop) >= r->expires_ns)
		approval_expire(r);
	if (r->state != APPROVAL_WAITING)
		return over_err(r, e);
	if (a->yes)
		return yes(r, a, e);
	if (!may_refuse(r, a, e))
		return false;
	approval_turn(r, APPROVAL_DENIED, a->actor, a->reason);
	return true;
}

bool
approval_concerns(const struct approval_request *r, struct key *k)
{
	if (r->key == k)
		return true;
	if (approval_over(r) || !k->resolved)
		return false;
	for (size_t i = 0; i < r->needs_n; i++) {
		const struct applies *to = r->needs[i].rule->approval->approvers;

		if (to != NULL &&
		    applies_to(to, &k->subject.chain, str_of(k->name), str_of(k->tags)))
			return true;
	}
	return false;
}
