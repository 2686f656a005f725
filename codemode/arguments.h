/* SPDX-License-Identifier: Apache-2.0 */
/* arguments - what a script passed, as the tool's server is to get it. */
#pragma once

#include "mcp/mcp.h"

/*
 * Lua cannot say everything that JSON can, and the tool's input schema knows what was meant:
 * an empty table where only an array fits becomes [] (where only an object fits, {}), and digits
 * where only a number fits (an integer beyond int64 reads as a string) become that number, exactly.
 * Everything else keeps its bytes.
 *
 * `args` is a checked JSON object; returns it, or the text in `out` when something had to change.
 * Fails with p == NULL when that is larger than the limit of `out`.
 */
struct str arguments_fit(const struct tool *t, struct str args, struct buf *out);
