/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edits - what is to be changed in a text, found in one order and done in another.
 *
 * Rules look at tokens from left to right, yet a rule writes where its expression began, or at the
 * end of its loop.  So edits are collected and sorted once: by place, and at one place what closes
 * an expression first, then in the order of their finding.  That no two overlap is the rules'
 * affair, and asserted.
 */
#include "codemode/edits.h"

#include <stdlib.h>

struct edit *
edits_add(struct edits *s, uint32_t at, uint32_t del, struct str text)
{
	if (s->n == s->cap) {
		s->cap = s->cap == 0 ? 32 : 2 * s->cap;
		s->e = mem_realloc(s->e, s->cap * sizeof(*s->e));
	}
	s->e[s->n] = (struct edit){ at, del, (uint32_t)s->n, false, text };
	return &s->e[s->n++];
}

static int
edit_order(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	if (x->closes != y->closes) /* what ends before the next token goes in front of its own */
		return x->closes ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

bool
edits_apply(struct edits *s, struct str text, struct buf *out)
{
	size_t at = 0;

	if (s->n == 0)
		return false;
	qsort(s->e, s->n, sizeof(*s->e), edit_order);
	for (size_t i = 0; i < s->n; i++) {
		ASSERT(s->e[i].at >= at);
		buf_put(out, STR_SPAN(text.p + at, text.p + s->e[i].at));
		buf_put(out, s->e[i].text);
		at = s->e[i].at + s->e[i].del;
	}
	buf_put(out, STR_SPAN(text.p + at, text.p + text.n));
	return true;
}

void
edits_fini(struct edits *s)
{
	MEM_FREE(&s->e);
	s->n = s->cap = 0;
}
