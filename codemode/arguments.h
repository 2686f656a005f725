/* SPDX-License-Identifier: Apache-2.0 */
/* arguments - what a script passed, as the tool's server is to get it. */
#pragma once

#include "codemode/blob.h"
#include "mcp/mcp.h"

#define ARGUMENTS_BYTES_MAX ((size_t)24 << 20) /* with the bytes of blobs in their places */

/*
 * Lua cannot say everything that JSON can, and the tool's input schema knows what was meant:
 * an empty table where only an array fits becomes [] (where only an object fits, {}), digits where
 * only a number fits (s:match("%d+") gives a string, and an integer beyond int64 reads as one)
 * become that number, digit by digit, and a number where only a string fits that string.
 *
 * A handle is replaced by what it stands for: the base64 of an image, the text of a result; of a
 * result that is an object or array, the value, or its JSON as a string where only a string fits.
 *
 * Everything else keeps its bytes.  `args` is a checked JSON object from a worker; returns it, or
 * the text in `out` when something had to change, or p == NULL: `why` says why it cannot be sent.
 * `out` has the limit ARGUMENTS_BYTES_MAX.  blobs NULL: args are not a worker's, and hold no
 * handles.
 */
struct str arguments_fit(
    const struct tool *t, struct blobs *blobs, struct str args, struct buf *out, struct buf *why);
