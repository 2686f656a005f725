/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval_gate - what the gate does with a verdict that asks for people.
 *
 *   a request for exactly this is granted   -> the call goes on, and approval_use() takes it
 *   one waits, or somebody has said no      -> refused, with its id
 *   none                                    -> one is made, if a way to ask works; refused
 *
 * This is the only place where an approval lets anything through.  Rules, key, money and limits
 * have been, or are, judged again by the same entering that uses it.
 */
#include "policies/approvals.h"

#include <string.h>

/* ---- does it fit? ---- */

static bool
same_ask(const struct approval_request *r, const struct ask *a, const struct sha256 *args)
{
	return r->kind == a->kind && str_eq(r->name, a->name) &&
	       memcmp(r->args.b, args->b, SHA256_BYTES) == 0 &&
	       str_eq(r->rev, bundle_rev(r->core->bundle));
}

static bool
in_time(const struct approval_request *r)
{
	return loop_wall_ns(r->core->loop) < r->expires_ns;
}

/* What the caller names itself: why it does not fit is told. */
static bool
fits(const struct approval_request *r, const struct pass *p, const struct ask *a,
    const struct sha256 *args, struct err *e)
{
	if (r == NULL || r->key != p->key)
		return err_set(
		    e, ERR_DENIED, "this approval is not known any more (call again without it)");
	if (r->kind != a->kind || !str_eq(r->name, a->name))
		return err_set(e, ERR_DENIED, "approval %s is for another tool", r->id);
	if (memcmp(r->args.b, args->b, SHA256_BYTES) != 0)
		return err_set(e, ERR_DENIED, "approval %s is for other arguments", r->id);
	if (!str_eq(r->rev, bundle_rev(r->core->bundle)))
		return err_set(e, ERR_DENIED,
		    "the policies have changed since approval %s was asked for (call again)",
		    r->id);
	return true;
}

/* The next round of the call that has used it. */
static bool
goes_on(const struct approval_request *r, const struct ask *a)
{
	return r->state == APPROVAL_USED && a->round > 0 && a->round == r->rounds;
}

static int
rank(const struct approval_request *r)
{
	switch (r->state) {
	case APPROVAL_GRANTED:
		return 3;
	case APPROVAL_DENIED:
		return 2;
	case APPROVAL_WAITING:
		return 1;
	case APPROVAL_EXPIRED:
	case APPROVAL_USED:
		return 0;
	}
	UNREACHABLE();
}

/* One that a call waits for is that call's alone. */
static struct approval_request *
match(const struct pass *p, const struct ask *a, const struct sha256 *args)
{
	struct approval_request *best = NULL;

	LIST_EACH(it, &p->key->approvals) {
		struct approval_request *r = CONTAINER(it, struct approval_request, of_key);

		if (r->waiter != NULL || !in_time(r) || !same_ask(r, a, args))
			continue;
		if (best == NULL || rank(r) > rank(best))
			best = r;
	}
	return best;
}

/* ---- asking ---- */

static bool
way_works(const struct core *c, const struct ask *a, const struct approval *t, enum approval_way w)
{
	switch (w) {
	case APPROVAL_ELICITATION:
		return a->can_ask && !t->second_person;
	case APPROVAL_WEBHOOK:
		return c->approvals.webhook != NULL;
	case APPROVAL_CLI:
		return true;
	}
	UNREACHABLE();
}

/* The first way that works, for each rule that still asks. */
static bool
ways_set(struct approval_request *r, const struct ask *a, struct err *e)
{
	for (size_t i = 0; i < r->needs_n; i++) {
		struct approval_need *n = &r->needs[i];
		const struct approval *t = n->rule->approval;
		size_t w = 0;

		while (!n->given && w < t->ways_n && !way_works(r->core, a, t, t->way[w]))
			w++;
		if (!n->given && w == t->ways_n)
			return err_set(e, ERR_DENIED,
			    "it needs an approval, and no way to ask for it works here "
			    "(policy " STR_FMT ":%d, via)",
			    STR_ARG(n->policy->id), n->rule->line);
		if (!n->given)
			n->way = t->way[w];
	}
	return true;
}

bool
approval_asks(const struct approval_request *r, enum approval_way way)
{
	for (size_t i = 0; i < r->needs_n; i++)
		if (!r->needs[i].given && r->needs[i].way == way)
			return r->state == APPROVAL_WAITING;
	return false;
}

static size_t
open_of(const struct key *k)
{
	size_t n = 0;

	LIST_EACH(it, &k->approvals)
		n++;
	return n;
}

static bool
room(const struct pass *p, const struct ask *a, struct err *e)
{
	if (p->core->approvals.open_n >= APPROVALS_MAX)
		return err_set(e, ERR_OVERLOAD, "%d approvals are open", APPROVALS_MAX);
	if (open_of(p->key) >= APPROVALS_PER_KEY)
		return err_set(e, ERR_RATE,
		    "it needs an approval, and this key has asked for %d already (wait for an "
		    "answer)",
		    APPROVALS_PER_KEY);
	if (a->parent != NULL && a->parent->asked >= APPROVALS_PER_RUN)
		return err_set(e, ERR_RATE, "it needs an approval, and one script may ask for %d",
		    APPROVALS_PER_RUN);
	return true;
}

static int64_t
expires_s(const struct approval_request *r)
{
	int64_t least = APPROVAL_EXPIRES_MAX;

	for (size_t i = 0; i < r->needs_n; i++)
		if (r->needs[i].rule->approval->expires_s < least)
			least = r->needs[i].rule->approval->expires_s;
	return least;
}

static struct approval_request *
make(struct pass *p, const struct ask *a, const struct sha256 *args, const struct verdict *v,
    struct err *e)
{
	struct approval_request *r;

	if (!room(p, a, e))
		return NULL;
	r = approval_new(p->core, p->key, a, args);
	if (!approval_needs_set(r, v))
		UNREACHABLE(); /* the verdict is of this bundle */
	approval_needs_text(r);
	if (!ways_set(r, a, e)) {
		approval_drop(r);
		return NULL;
	}
	approval_open(r, expires_s(r));
	if (a->parent != NULL)
		a->parent->asked++;
	if (approval_asks(r, APPROVAL_WEBHOOK))
		p->core->approvals.webhook(p->core->approvals.webhook_ctx, r);
	return r;
}

/* ---- the sentences ---- */

static bool
refused(const struct approval_request *r, const struct verdict *v, struct err *e)
{
	const bool opaque = v->explain == EXPLAIN_OPAQUE;

	switch (r->state) {
	case APPROVAL_WAITING:
		return err_set(e, ERR_APPROVAL,
		    STR_FMT ": needs approval %s%s" STR_FMT
			    "; call again with the same arguments when it is approved",
		    STR_ARG(str_clip(r->name, 100)), r->id, opaque ? "" : ": ",
		    opaque ? 0 : (int)str_clip(r->text, 200).n, r->text.p);
	case APPROVAL_DENIED:
		return err_set(e, ERR_DENIED,
		    STR_FMT ": approval %s was denied by " STR_FMT "%s" STR_FMT,
		    STR_ARG(str_clip(r->name, 100)), r->id, STR_ARG(r->by),
		    r->why.n > 0 ? ": " : "", STR_ARG(r->why));
	case APPROVAL_EXPIRED:
		return err_set(e, ERR_DENIED,
		    STR_FMT ": approval %s has expired: " STR_FMT " (call again to ask anew)",
		    STR_ARG(str_clip(r->name, 100)), r->id, STR_ARG(r->why));
	case APPROVAL_USED:
		return err_set(e, ERR_DENIED,
		    STR_FMT ": approval %s has been used, and one is good for one call",
		    STR_ARG(str_clip(r->name, 100)), r->id);
	case APPROVAL_GRANTED:
		break;
	}
	UNREACHABLE();
}

/* ---- the gate ---- */

bool
approval_gate(struct pass *p, const struct ask *a, const struct verdict *v, struct err *e)
{
	struct approval_request *r;

	if (a->approval.n > 0) {
		r = approval_find(p->core, a->approval);
		if (!fits(r, p, a, &p->args, e))
			return false;
	} else {
		r = match(p, a, &p->args);
		if (r == NULL)
			r = make(p, a, &p->args, v, e);
		if (r == NULL)
			return false;
	}
	if (!approval_over(r) && !in_time(r))
		approval_turn(r, APPROVAL_EXPIRED, STR("gateway"), STR("it took too long"));
	p->approval = r;
	if (r->state == APPROVAL_WAITING && !ways_set(r, a, e))
		return false;
	if (r->state != APPROVAL_GRANTED && !goes_on(r, a))
		return refused(r, v, e);
	return approval_covers(r, v) ||
	       err_set(e, ERR_DENIED, "approval %s is not for all that the rules ask now", r->id);
}

void
approval_use(struct pass *p)
{
	struct approval_request *r = p->approval;

	ASSERT(r->key == p->key);
	if (r->state == APPROVAL_GRANTED)
		approval_turn(r, APPROVAL_USED, str_of(p->id), STR(""));
	ASSERT(r->state == APPROVAL_USED);
	p->round = ++r->rounds;
	(void)str_copy(p->approved, sizeof(p->approved), str_of(r->id));
}

struct approval_request *
pass_approval(const struct pass *p)
{
	return p->approval;
}
