/* SPDX-License-Identifier: Apache-2.0 */
/* hosted - the tools in a request that the provider would run itself (policies: `hosted:`). */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#define HOSTED_MAX 32 /* different ones in one request */

struct hosted {
	struct str name[HOSTED_MAX]; /* "web_search", "mcp/example.com"; in the arena */
	size_t n;
};
/*
 * Names what the lists `tools` and `mcp_servers` of an Anthropic Messages body (spans of it; .p
 * NULL: absent) would have the provider run, each once.  ERR_INVALID names the list and the place:
 * no list, a member named twice, a type or a URL that two readers could read differently, more
 * than HOSTED_MAX.
 */
bool hosted_read(struct arena *a, struct str tools, struct str mcp_servers, struct hosted *out,
    struct err *e) MUST_CHECK;
