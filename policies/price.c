/* SPDX-License-Identifier: Apache-2.0 */
/*
 * price - what a request may cost, and what it did.
 *
 * Prices are nano-USD per million tokens; products are summed in 128 bits and rounded up once per
 * request.  A dated or unknown id inherits the price of the longest row that it begins with
 * ("claude-sonnet-4-20250514" from "claude-sonnet-4"), and failing that the dearest row of the
 * table: an unknown model is never free by accident.  Both are marked estimated.  Where the
 * policies say something else of unknown prices, hold.c applies it.
 */
#include "policies/core.h"

#define PER_TOKENS 1000000

static const struct price *
price_of(const struct core *c, struct str model, bool *estimated)
{
	const struct price *p = prices_find(&c->prices, model), *family = NULL, *dearest = NULL;

	*estimated = p == NULL;
	if (p != NULL)
		return p;
	for (size_t i = 0; i < c->prices.n; i++) {
		const struct price *r = &c->prices.rows[i];

		if (str_starts(model, r->model) && (family == NULL || r->model.n > family->model.n))
			family = r;
		if (dearest == NULL || r->output_nusd > dearest->output_nusd)
			dearest = r;
	}
	return family != NULL ? family : dearest;
}

bool
price_inherited(const struct core *c, struct str model)
{
	bool estimated;
	const struct price *p = price_of(c, model, &estimated);

	return p != NULL && estimated && str_starts(model, p->model);
}

static int64_t
round_up(unsigned __int128 sum)
{
	unsigned __int128 nusd = (sum + PER_TOKENS - 1) / PER_TOKENS;

	return nusd > INT64_MAX / 4 ? INT64_MAX / 4 : (int64_t)nusd;
}

int64_t
price_hold_nusd(
    const struct core *c, struct str model, int64_t body_bytes, int64_t max_tokens, bool *estimated)
{
	const struct price *p = price_of(c, model, estimated);
	int64_t in;

	if (p == NULL)
		return 0; /* no table at all: nothing has a price */
	in = p->input_nusd > p->cache_write_nusd ? p->input_nusd : p->cache_write_nusd;
	in = in > p->cache_read_nusd ? in : p->cache_read_nusd;
	/* A token is at least one byte, so the body's bytes bound its tokens. */
	return round_up((unsigned __int128)body_bytes * (uint64_t)in +
			(unsigned __int128)(max_tokens > 0 ? max_tokens : p->max_output) *
			    (uint64_t)p->output_nusd);
}

int64_t
price_hold_tokens(const struct core *c, struct str model, int64_t body_bytes, int64_t max_tokens)
{
	bool estimated;
	const struct price *p = price_of(c, model, &estimated);

	if (max_tokens <= 0 && p != NULL)
		max_tokens = p->max_output;
	return body_bytes > INT64_MAX - max_tokens ? INT64_MAX : body_bytes + max_tokens;
}

int64_t
price_cost_nusd(const struct core *c, struct str model, const struct usage *u, bool *estimated)
{
	const struct price *p = price_of(c, model, estimated);

	if (p == NULL)
		return 0;
	return round_up((unsigned __int128)u->input * (uint64_t)p->input_nusd +
			(unsigned __int128)u->output * (uint64_t)p->output_nusd +
			(unsigned __int128)u->cache_write * (uint64_t)p->cache_write_nusd +
			(unsigned __int128)u->cache_read * (uint64_t)p->cache_read_nusd);
}
