/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold - what a pass reserves when it enters, and what it costs when it leaves.
 *
 * A model's worst case comes with the ask, a tool's price stands in the table.  What both become on
 * the levels of the key is decided here: a model without a price of its own may be refused or free.
 *
 * A tool is paid for when its server may have done the work: also when its caller has left or would
 * not wait any longer, not when the server could not be reached or refused it.
 */
#include "policies/core.h"

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
	return true;
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
	if (p->unpriced) {
		o->cost_nusd = 0;
		o->estimated = true;
	}
	if (p->price_nusd > 0 && is_work(o->end) &&
	    __builtin_add_overflow(o->cost_nusd, p->price_nusd, &o->cost_nusd))
		o->cost_nusd = INT64_MAX;
}
