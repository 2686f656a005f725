/* SPDX-License-Identifier: Apache-2.0 */
/* tools - the definitions of the two meta-tools, and what `tools` answers. */
#pragma once

#include "mcp/mcp.h"

/* The listed JSON objects.  Deterministic for a key and a catalogue; descriptions stay under the
 * 2,048 bytes after which clients cut them. */
void tools_define_lua(struct hub *h, struct key *k, struct buf *out);
void tools_define_tools(struct hub *h, struct key *k, struct buf *out);

/* Signatures for a query: several needs separated by ";", a server's name, or server.tool. */
void tools_answer(struct hub *h, struct key *k, struct str query, struct buf *out);
