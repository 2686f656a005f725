/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what `tollgate check` says of the policy files and prices, without a core.
 *
 * The very functions that a start uses, so that what passes here starts, and nothing is changed:
 * the loaded bundle is thrown away.
 */
#include "policies/bundle.h"
#include "policies/prices.h"

#define PRICES_ARENA_BYTES ((size_t)8 << 20)

bool
policies_check(const struct core_settings *s, struct buf *out)
{
	const struct bundle_source src = { .dir = s->policies_dir,
		.servers = s->servers,
		.servers_n = s->servers_n,
		.models = s->models,
		.models_n = s->models_n };
	struct bundle *b;
	struct prices prices;
	struct arena a;
	struct err e;
	bool ok;

	b = bundle_load(&src, out, &e);
	ok = b != NULL;
	bundle_unref(&b);
	if (s->prices_file == NULL)
		return ok;
	arena_init(&a, PRICES_ARENA_BYTES);
	ok = prices_load(&a, s->prices_file, &prices, out, &e) && ok;
	arena_free(&a);
	return ok;
}
