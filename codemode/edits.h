/* SPDX-License-Identifier: Apache-2.0 */
/* edits - changes to a text, collected in any order, applied in the order of their places. */
#pragma once

#include "base/text.h"

struct edit {
	uint32_t at, del, order; /* bytes */
	bool closes;             /* an expression: goes in front of what else is put there */
	struct str text;         /* borrowed until it is applied */
};
struct edits { /* all zero: none */
	struct edit *e;
	size_t n, cap;
};
/* At byte `at`, `del` bytes are replaced.  Edits must not overlap; several at one place are in
 * their order.  Valid until the next. */
struct edit *edits_add(struct edits *s, uint32_t at, uint32_t del, struct str text);
/* false: there are none, and nothing is written. */
bool edits_apply(struct edits *s, struct str text, struct buf *out);
void edits_fini(struct edits *s);
