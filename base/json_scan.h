/* SPDX-License-Identifier: Apache-2.0 */
/* json_scan - what json.c and json_value.c share; for the two of them only. */
#pragma once

#include "base/text.h"

struct scan {
	const char *start, *p, *end;
	const char *why;
	bool lone; /* half of a surrogate pair passes, as an escape */
};

static inline void
space_skip(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

/* Four hex digits at p, or -1. */
int json_hex4(const char *p, const char *end);
/* Unescapes checked string bytes; the result is never longer.  Returns its length. */
size_t json_unescape(struct str inner, char *out);
