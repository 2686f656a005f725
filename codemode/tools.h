/* SPDX-License-Identifier: Apache-2.0 */
/* tools - the definitions of the two meta-tools, and what `tools` answers. */
#pragma once

#include "mcp/mcp.h"

struct codemode;

/* What a key sees, in the order of its catalogue. */
struct tool_list {
	const struct tool **t; /* valid until the turn ends */
	size_t n, cap;
	struct codemode *cm; /* and key: what has been learned; NULL: nothing */
	struct key *key;
};
/* of: what is in that view; NULL: everything. */
struct tool_list tool_list_of(struct codemode *cm, struct key *k, const struct view_settings *of);
/* Its signature, with the shape of its results as far as that has been learned. */
void
tool_list_put_line(const struct tool_list *l, const struct tool *t, bool describe, struct buf *out);
void tool_list_fini(struct tool_list *l);

/* The listed JSON objects: the same bytes for the same list.  hot: the tools whose signatures
 * `lua` has while there is room, where they are not all there.  Descriptions stay under the 2,048
 * bytes after which clients cut them. */
void tools_put_lua(
    const struct tool_list *l, const struct tool *const *hot, size_t hot_n, struct buf *out);
void tools_put_tools(const struct tool_list *l, struct buf *out);

/* Signatures for a query: several needs separated by ";", a server's name, or server.tool. */
void tools_put_answer(const struct tool_list *l, struct str query, struct buf *out);
/* The same for a key. */
void tools_answer(struct codemode *cm, struct key *k, const struct view_settings *of,
    struct str query, struct buf *out);
