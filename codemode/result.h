/* SPDX-License-Identifier: Apache-2.0 */
/* result - a tool's answer as the value that a script gets. */
#pragma once

#include "codemode/blob.h"
#include "mcp/mcp.h"

/*
 * Tools that answer one thing in a wrapper: {content:string}, and FastMCP's {result:…} that says
 * x-fastmcp-wrap-result.  Returns the member whose value a script gets instead of the object, ""
 * when the tool has no such wrapper, as a snippet never has; *schema is the schema of what the
 * script gets (for signatures; "" when the tool has none), its $refs still start at
 * t->output_schema.
 */
struct str result_unwraps(const struct tool *t, struct str *schema);

/*
 * A CallToolResult (checked JSON object) as the value a script sees: structuredContent wins, less
 * its wrapper (result_unwraps() of the tool as it was called); else text that parses as an object
 * or array; else the text blocks joined by newlines, as a string.  With images, audio or embedded
 * resources it is {"text":…,"blobs":[handles]} (structuredContent gets the member `blobs`), with
 * links to resources also "links":[blocks].
 *
 * Writes what sandbox_answer() takes: JSON, but for the handles (blob.h).  Returns false when the
 * result says isError: `out` then holds the plain error text, not JSON.
 */
bool
result_to_value(struct blobs *blobs, struct str wrapper, struct str result_json, struct buf *out);
