/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prices - the table of model prices, as a file states it (looked up and summed in price.c).
 *
 * Tools have a price per call.
 *
 * Decimal USD in the file become int64_t nano-USD per million tokens, exactly: more than nine
 * decimals are refused.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "policies/policies.h"

struct price {
	struct str
	    model; /* an id, or a family: "claude-sonnet-4" prices "claude-sonnet-4-20250514" */
	/* nano-USD per million tokens; a cache price that the file leaves out equals input */
	int64_t input_nusd, output_nusd, cache_write_nusd, cache_read_nusd;
	int64_t max_output; /* tokens; what a request without max_tokens may produce at worst */
	int line;
};
struct tool_price {
	struct str name; /* "server/tool"; may hold `*` */
	int64_t nusd;    /* per call */
};
#define PRICES_BYTES ((size_t)4 << 20) /* of the arena that a table lives in */
struct prices {
	const struct price *rows; /* in order of model, memcmp order, each once */
	size_t n;
	const struct tool_price *tools; /* as they stand */
	size_t tools_n;
};
/* Everything lives in the arena (bounded: 1 MiB of file, 4,096 rows).  All problems go to
 * `problems` (may be NULL) as in bundle_load(); *e is the first. */
bool prices_load(struct arena *a, const char *path, struct prices *out, struct buf *problems,
    struct err *e) MUST_CHECK;
const struct price *prices_find(const struct prices *p, struct str model); /* exact, or NULL */
/* Of one call of "server/tool": its own row's; else the dearest of the patterns'; else 0. */
int64_t prices_tool(const struct prices *p, struct str name);
