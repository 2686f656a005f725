/* SPDX-License-Identifier: Apache-2.0 */
/* search - BM25 over the tools one key may see: server, name, description, parameter names. */
#pragma once

#include "mcp/mcp.h"

#define SEARCH_HITS_MAX 12

/* Fills hits with at most SEARCH_HITS_MAX tools, best first; ";" in the query separates several
 * needs, each with its own share.  Returns their number. */
size_t search_tools(const struct tool *const *tools, size_t n, struct str query,
    const struct tool *hits[SEARCH_HITS_MAX]);

/* The same for a person's own words, which are one need, however they are separated. */
size_t search_task(const struct tool *const *tools, size_t n, struct str task,
    const struct tool *hits[SEARCH_HITS_MAX]);
