/* SPDX-License-Identifier: Apache-2.0 */
/* catalog - the tools that one upstream server lists, checked one by one. */
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
struct tool *toolset_at(struct toolset *s, size_t i);
bool toolset_same(const struct toolset *a, const struct toolset *b); /* NULL is the empty set */
/* The listed JSON object. */
void tool_put(struct buf *out, const struct tool *t);
