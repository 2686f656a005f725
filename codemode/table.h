/* SPDX-License-Identifier: Apache-2.0 */
/* table - a list of objects as tab-separated lines: its keys are said once. */
#pragma once

#include "base/text.h"

#define TABLE_COLUMNS_MAX 64

struct table {
	struct str columns[TABLE_COLUMNS_MAX]; /* raw keys, quotes and all */
	size_t n, rows;
};

/*
 * Is checked JSON a list that is better read as a table?  At least three objects, and of their
 * cells at least half are there.  Where all rows have the same keys and nothing nests, columns may
 * be many; else they are few, so that a line can be read without counting.
 */
bool table_of(struct str list, struct table *t);
/*
 * A line with the columns, then one a row, the last without its end.  Strings have no quotes,
 * what is null or absent is empty, what nests is JSON; tabs and line ends stay as JSON has them.
 */
void table_put(struct str list, const struct table *t, struct buf *out);
