/* SPDX-License-Identifier: Apache-2.0 */
/* signature - a tool's JSON Schema as one line of Lua, the form in which models see it. */
#pragma once

#include "base/text.h"
#include "mcp/mcp.h"

/* "server.tool{a:string, n?:integer=10} -> {id:string}  -- First sentence."; without describe the
 * comment is left out.  Bounded: nesting 3, 12 enum values, 100 bytes of description. */
void signature_put(struct buf *out, const struct tool *t, bool describe);
/* The line, the whole description, and one line per documented parameter. */
void signature_put_full(struct buf *out, const struct tool *t);
/* Any name as a Lua identifier: other characters become _, keywords get a trailing _. */
void signature_put_name(struct buf *out, struct str name);
/* "server.tool", both as identifiers. */
void signature_put_path(struct buf *out, const struct tool *t);
