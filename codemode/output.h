/* SPDX-License-Identifier: Apache-2.0 */
/* output - what a model reads of a script: what it returned and printed, within a budget. */
#pragma once

#include "base/text.h"

#define OUTPUT_BUDGET_BYTES 16000 /* about 4,000 tokens */

struct output {
	struct str value; /* checked JSON; p NULL: nothing was returned */
	struct str log;   /* any bytes */
	bool failed;      /* only the log; what failed is said behind it, by others */
	bool quiet;       /* where there is nothing, nothing is said: others have said enough */
	unsigned calls;
	size_t budget_bytes;
	bool last; /* the next script finds the whole value in `last`: say so when it is cut */
};

/*
 * Strings as they are; lists of objects as tables (table.h), and an object that has such lists as
 * JSON of the rest and each table under its name; all else as minified JSON.  Over the budget whole
 * rows or items (of other values, bytes) are left out in the middle, and a note tells size and
 * shape.  Printed text comes first; it has at least a quarter of the budget, the value the rest.
 * Cuts never part a character.  Returns false when the value was cut.
 */
bool output_put(const struct output *o, struct buf *out);
/* The same for one value alone. */
bool output_value(struct str value_json, size_t budget_bytes, bool last, struct buf *out);
/* A text that is too long loses its middle, and says how much. */
void output_cut(struct str text, size_t budget_bytes, struct buf *out);
/* The structure of checked JSON, without its contents: {id:integer, tags:string[2]}. */
void output_shape(struct str json, struct buf *out);
