/* SPDX-License-Identifier: Apache-2.0 */
/* signature - a tool's JSON Schema as one line of Lua, the form in which models see it. */
#pragma once

#include "base/text.h"
#include "mcp/mcp.h"

#define SIGNATURE_BYTES_MAX 4000

/* "server.tool{a:string, n?:integer=10} -> {id:string}  -- First sentence."; without describe the
 * comment is left out.  One line of UTF-8, never longer than SIGNATURE_BYTES_MAX. */
void signature_put(struct buf *out, const struct tool *t, bool describe);
/* The same; learned: a schema of its results, shown as "-> ~type" where the tool has none; or "".
 */
void
signature_put_learned(struct buf *out, const struct tool *t, struct str learned, bool describe);
/* The line, the whole description, and one line per documented parameter. */
void signature_put_full(struct buf *out, const struct tool *t, struct str learned);
/* "server.tool", as scripts spell it. */
void signature_put_path(struct buf *out, const struct tool *t);
/* Does a description say so? */
bool signature_deprecated(struct str description);
