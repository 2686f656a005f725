/* SPDX-License-Identifier: Apache-2.0 */
/* catalog - what upstream servers list, checked tool by tool, and what one key sees of it. */
#pragma once

#include "base/map.h"
#include "mcp/mcp.h"

/* ---- the tools of one server; immutable once it is the server's ---- */
struct toolset;
struct toolset *toolset_new(struct str server);
void toolset_free(struct toolset **s);
/* `tools` is a checked JSON array (keys may be there twice).  A definition that cannot be used is
 * left out, with a line in the log; it never costs another one anything. */
void toolset_add_page(struct toolset *s, struct str tools);
size_t toolset_count(const struct toolset *s);
size_t toolset_dropped(const struct toolset *s);
const struct tool *toolset_at(const struct toolset *s, size_t i);
bool toolset_same(const struct toolset *a, const struct toolset *b); /* NULL is the empty set */

/* ---- what one key sees ---- */
struct view {
	char key_id[32];
	uint64_t generation;
	const struct tool **tools;
	size_t n;
	uint64_t print; /* of everything listed, built-ins included: did it change? */
};
/* Memoised by the hub's generation; valid until the next turn. */
const struct view *hub_view(struct hub *h, struct key *k);
