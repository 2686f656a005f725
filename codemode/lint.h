/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint - calls that are certain to be refused, found before anything runs.
 *
 * A script that fails at its third call has made two.  Here every call whose tool and arguments
 * stand in the source is checked as it would be when it is made, and a script with one that cannot
 * succeed is refused whole: no call was made, nothing has to be undone.  It is a service to the
 * model.  Permissions are decided when a call is made, whatever was found here.
 *
 * Only what is certain is told.  Not looked at: names that the script declares anywhere, tools that
 * it also mentions without calling them, computed keys, calls whose errors may be caught (guard.h),
 * scripts that touch _ENV.
 */
#pragma once

#include "mcp/mcp.h"
#include "sandbox/sandbox.h"

#define LINT_FINDINGS_MAX 3

struct lint_tools {
	const struct sandbox_tool *names; /* sorted by server, as a run's table is */
	size_t n;
	const struct tool *(*find)(void *ctx, size_t i); /* NULL: gone meanwhile */
	void (*put_signature)(void *ctx, const struct tool *t, struct buf *out);
	/* Each call of a tool that is there, and each name that the source reads and does not
	 * declare (a global), as far as an error of it is certain to end the script; may be NULL.
	 */
	void (*called)(void *ctx, const struct tool *t, uint32_t line);
	void (*global)(void *ctx, struct str name, uint32_t line);
	void *ctx;
};
struct lint_finding {
	uint32_t line;
	struct buf text; /* "shop.price: invalid_args: missing `id` …\n  signature" */
};
/* How many were found, at most LINT_FINDINGS_MAX; the caller frees each one's text. */
size_t lint_check(
    struct str source, const struct lint_tools *t, struct lint_finding found[LINT_FINDINGS_MAX]);
