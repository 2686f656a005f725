/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base - what happens when the impossible does: one line on stderr, then abort().
 *
 * Memory: a gateway that cannot allocate a few kilobytes cannot account for money either, so the
 * allocators end the process instead of returning NULL.  Large or hostile sizes are bounded by
 * their callers (struct buf, struct arena) long before.
 */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
assert_fail(const char *expr, const char *file, int line, const char *func)
{
	(void)fprintf(
	    stderr, "tollgate: assertion failed: %s (%s:%d, %s)\n", expr, file, line, func);
	abort();
}

static void *
checked(void *p)
{
	if (p == NULL) {
		(void)fputs("tollgate: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *
mem_alloc(size_t n)
{
	return checked(malloc(n == 0 ? 1 : n));
}

void *
mem_zalloc(size_t n)
{
	return checked(calloc(1, n == 0 ? 1 : n));
}

void *
mem_realloc(void *p, size_t n)
{
	return checked(realloc(p, n == 0 ? 1 : n));
}

char *
mem_strdup(const char *s)
{
	return checked(strdup(s));
}
