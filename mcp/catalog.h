/* SPDX-License-Identifier: Apache-2.0 */
/* catalog - the tools that one upstream server lists, checked one by one. */
#pragma once

#include "base/map.h"
#include "mcp/mcp.h"

/* ---- the tools of one server; immutable once it is the server's ---- */
struct toolset;
struct toolset *toolset_new(struct str server);
struct toolset *toolset_ref(struct toolset *s);
void toolset_free(struct toolset **s); /* one reference; NULL is fine */
/* `tools` is a checked JSON array (keys may be there twice).  A definition that cannot be used is
 * left out, with a line in the log; it never costs another one anything. */
void toolset_add_page(struct toolset *s, struct str tools);
/* One definition, a checked object; NULL: left out.  Its fields beside the definition's are the
 * caller's to set before the set is the server's. */
struct tool *toolset_add(struct toolset *s, struct str definition);
struct tool *toolset_find(struct toolset *s, struct str name); /* as upstream spells it, or NULL */
struct str toolset_keep(struct toolset *s, struct str text);   /* a copy that lives with the set */
size_t toolset_count(const struct toolset *s);
size_t toolset_dropped(const struct toolset *s);
struct tool *toolset_at(struct toolset *s, size_t i);
/* NULL is the empty set. */
bool toolset_same_list(const struct toolset *a, const struct toolset *b); /* names, definitions */
bool toolset_same(const struct toolset *a, const struct toolset *b);      /* pins and aliases too */
/* The listed JSON object. */
void tool_put(struct buf *out, const struct tool *t);
/* The same named as upstream names it. */
void tool_own_put(struct buf *out, const struct tool *t);
