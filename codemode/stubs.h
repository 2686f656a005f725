/* SPDX-License-Identifier: Apache-2.0 */
/* stubs - what scripts of a key can call, as a file of Lua for people's editors. */
#pragma once

#include "codemode/codemode.h"

/* One tool: its description, types and an empty function, lines of Lua.  learned: as in
 * signature.h.  Whatever a server says, it stays within comments. */
void stub_put(struct buf *out, const struct tool *t, struct str learned);
/* The script library: pmap, shape, S, … */
extern const char stubs_library[];
