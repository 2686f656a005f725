/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold - what a pass reserves when it enters, and what it costs when it leaves.
 *
 * A model's worst case comes with the ask, a tool's price stands in the table.  What both become on
 * the levels of the key is decided here: a model without a price of its own may be refused or free.
 *
 * `hold: usual` reserves less than the worst case: what such requests of the key usually cost
 * (usual.c), and more as a stream outgrows that (gate_topup()).  Each top-up writes the OPEN record
 * again, so that a crash settles what was held last.  Where no room is left, at_cap says whether
 * the stream is cut or may finish; so
 *
 *   overspend <= sum over passes in flight of (actual - held), 0 with hold: worst.
 *
 * A tool is paid for when its server may have done the work: also when its caller has left or would
 * not wait any longer, not when the server could not be reached or refused it.
 */
#include "policies/core.h"

#define TOPUP_AHEAD 4 /* a quarter more than is needed */

static bool
price_known(struct pass *p, const struct ask *a, const struct spending *s, struct err *e)
{
	bool own = prices_find(&p->core->prices, a->name) != NULL;

	switch ((enum unknown_price)s->value[SPEND_UNKNOWN]) {
	case UNKNOWN_ESTIMATE:
		return true;
	case UNKNOWN_DENY:
		return own || err_set(e, ERR_DENIED,
				  "model \"" STR_FMT "\" has no price of its own (add it to the "
				  "table of prices; the policies "
				  "say unknown_price: deny)",
				  STR_ARG(a->name));
	case UNKNOWN_FREE:
		p->unpriced = !own && !price_inherited(p->core, a->name);
		return true;
	}
	UNREACHABLE();
}

bool
hold_wanted(struct pass *p, const struct ask *a, int64_t *nusd, struct err *e)
{
	const struct spending *s = bundle_spending(p->core->bundle, &p->key->subject.chain);

	*nusd = a->hold_nusd;
	if (a->kind == ASK_TOOL) {
		p->price_nusd = prices_tool(&p->core->prices, a->name);
		*nusd += p->price_nusd;
		return true;
	}
	if (a->kind != ASK_MODEL)
		return true;
	if (!price_known(p, a, s, e))
		return false;
	if (p->unpriced)
		*nusd = 0;
	if (s->value[SPEND_HOLD] == HOLD_USUAL && *nusd > 0) {
		int64_t usual = usual_nusd(&p->core->usuals, str_of(p->key->name), a->name);

		p->tops_up = true;
		p->finishes = s->value[SPEND_AT_CAP] == CAP_FINISH;
		p->worst_nusd = *nusd;
		if (usual >= 0 && usual < *nusd)
			*nusd = usual;
	}
	return true;
}

bool
gate_topup(struct pass *p, int64_t nusd, struct err *e)
{
	int64_t ahead = nusd / TOPUP_AHEAD;
	struct chain payers;
	struct err why;

	IS(p, PASS_MAGIC);
	if (!p->tops_up || p->past_cap || nusd <= p->hold_nusd)
		return true;
	/* Some more than needed, so that not every piece of a stream is a record; never more than
	 * the worst case, which is all that it can be. */
	if (nusd < p->worst_nusd)
		ahead = p->worst_nusd - nusd < ahead ? p->worst_nusd - nusd : ahead;
	else
		ahead = 0;
	key_chain(p->key, &payers);
	if (budget_topup(p, &payers, nusd + ahead - p->hold_nusd, &why) ||
	    budget_topup(p, &payers, nusd - p->hold_nusd, &why)) {
		event_open(p);
		return true;
	}
	p->past_cap = true;
	if (!p->finishes)
		*e = why;
	return p->finishes;
}

/* Was its server's work done, as far as anybody can know? */
static bool
is_work(enum pass_end end)
{
	switch (end) {
	case END_OK:
	case END_TOOL_ERROR:
	case END_CANCELLED:
	case END_CUT:
	case END_TIMEOUT:
	case END_CRASHED:
		return true;
	case END_UPSTREAM:
	case END_FAILED:
		return false;
	}
	UNREACHABLE();
}

void
hold_cost(const struct pass *p, struct outcome *o)
{
	/* Only what the provider told is usual: a guess is the worst case. */
	if (p->tops_up && o->end == END_OK && o->usage.seen && o->cost_nusd > 0)
		usual_learn(&p->core->usuals, str_of(p->key->name), p->name, o->cost_nusd);
	if (p->past_cap && o->detail.n == 0)
		o->detail = STR("at_cap");
	if (p->unpriced) {
		o->cost_nusd = 0;
		o->estimated = true;
	}
	if (p->price_nusd > 0 && is_work(o->end) &&
	    __builtin_add_overflow(o->cost_nusd, p->price_nusd, &o->cost_nusd))
		o->cost_nusd = INT64_MAX;
}
