/* SPDX-License-Identifier: Apache-2.0 */
/* result - values on their way into a script (tool results) and out of it (what a model reads). */
#pragma once

#include "mcp/mcp.h"

/*
 * Tools that answer one thing in a wrapper: {content:string}, and FastMCP's {result:…} that says
 * x-fastmcp-wrap-result.  Returns the member whose value a script gets instead of the object, ""
 * when the tool has no such wrapper; *schema is the schema of what the script gets (for
 * signatures; "" when the tool has none), its $refs still start at t->output_schema.
 */
struct str result_unwraps(const struct tool *t, struct str *schema);

/*
 * A CallToolResult (checked JSON object) as the value a script sees: structuredContent wins, less
 * its wrapper (result_unwraps() of the tool as it was called); else text that parses as an object
 * or array; else the text blocks joined by newlines, as a string;
 * other blocks become {"text":…,"blobs":["image/png, 12 KB",…]}.  Writes JSON to `out`.  Returns
 * false when the result says isError: `out` then holds the plain error text, not JSON.
 */
bool result_to_value(struct str wrapper, struct str result_json, struct buf *out);

/*
 * A script's returned value (JSON) as text for a model: strings as they are, lists of at least
 * three flat objects with the same keys as tab-separated lines, all else as minified JSON.  Text
 * over budget_bytes keeps its head and tail and says how much there was.
 */
void result_to_text(struct str value_json, size_t budget_bytes, struct buf *out);
/* The cut alone, for the print log. */
void result_cut(struct str text, size_t budget_bytes, struct buf *out);
