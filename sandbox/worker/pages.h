/* SPDX-License-Identifier: Apache-2.0 */
/* pages - which memory a worker makes its own, and when: pages.c, and rehearsal.c, which learns it.
 * Knows nothing of Lua. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES ((size_t)4096)

static inline uintptr_t
page_of(uintptr_t at)
{
	return at & ~(PAGE_BYTES - 1);
}

struct pages_part {
	uintptr_t from;
	size_t bytes;
};

/* Once, before the first fork: a heap that grew later would be in two pieces. */
void heap_reserve(size_t limit_bytes);
/* The zygote, once, in this order.  What is allocated after heap_seal() lies behind all of what is
 * allocated then, and shares one page with it. */
void heap_seal(void);
/* Lets children that are thrown away do what a worker does: at least, which tells what to copy for
 * each (3 us a page), and usually, which tells what of the program is to be mapped (0.05 us).  The
 * functions are what the zygote and its children need besides.  Without a rehearsal (no memory)
 * pages_ready() does less. */
void pages_rehearse(void (*least)(void), void (*usual)(void), const uintptr_t *functions, size_t n);

/* Each worker, before the lock: makes what it will write to its own, in a few system calls instead
 * of a page fault each. */
void pages_ready(void);

/* pages.c for rehearsal.c: what has been written to by now, heap and data; and that these n pages,
 * in order, will be written to by each worker. */
void pages_parts(struct pages_part parts[2]);
void pages_want(const uintptr_t *pages, size_t n);
