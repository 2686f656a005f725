/* SPDX-License-Identifier: Apache-2.0 */
/* literal - a table in the source of a script, as JSON. */
#pragma once

#include "base/text.h"
#include "codemode/outline.h"

struct literal {
	struct buf json; /* an object; whoever asked frees it */
	size_t named, positional;
	bool open; /* not everything can be told */
};
/* The table whose `{` is token `open`. */
void literal_read(const struct outline *o, size_t open, struct literal *a);
/* A string's text without its quotes; false: it has escapes, or is no short string. */
bool literal_string(struct str raw, struct str *out);
