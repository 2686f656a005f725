/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages - which memory a worker makes its own, and when.
 *
 * A child shares every page with the zygote until one of them writes to it; each first write is a
 * page fault and a copy, in the middle of somebody's script.  What a run writes to is nearly the
 * same in all of them, so the zygote rehearses one (rehearsal.c), and each worker copies that
 * before there is a script, a system call for each row of pages.
 *
 *	heap   | TLS, Lua state, strings ... as the zygote left it | fresh, from heap_seal() on |
 *	data   | .data .bss |
 *	stack  the first READY_STACK_BYTES
 *
 * A page costs 4 KiB of each idle worker and a page fault of each run that lacks it.  Nothing here
 * is needed for anything but speed: a page that was forgotten is copied when it is written to.
 */
#include "sandbox/worker/pages.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sandbox/frame.h"

#define READY_STACK_BYTES (3 * PAGE_BYTES)
#define FRESH_PAGES       2
#define TCACHE_BYTES      1032 /* of libc, per thread: the largest block that it keeps */
#define ROWS_MAX          32
#ifndef MADV_POPULATE_WRITE /* younger than the headers of Debian 12 */
#	define MADV_POPULATE_WRITE 23
#endif

extern char __data_start[], _end[]; /* of the linker: .data to the end of .bss */

static struct row {
	uintptr_t from;
	size_t bytes;
} rows[ROWS_MAX];
static size_t rows_n;
static uintptr_t fresh; /* where the heap is free from */

void
heap_reserve(size_t limit_bytes)
{
	/* volatile: the compiler deletes free(malloc(n)) otherwise */
	void *volatile p;

	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, -1);
	mallopt(M_ARENA_MAX, 1);
	p = malloc(limit_bytes + limit_bytes / 2 + 2 * (size_t)FRAME_DOWN_MAX);
	free(p); /* the heap stays this large, its pages untouched */
}

/*
 * Fills the holes between the blocks.  A child that put its own small blocks there would copy the
 * shared pages one by one; like this its blocks lie next to each other.  A block from behind the
 * last hole goes back, where free() does not keep it for the next of its size.
 */
void
heap_seal(void)
{
	char *volatile end = malloc((size_t)256 << 10); /* too large for a hole */
	char *volatile p;

	free(end);
	for (size_t n = (size_t)128 << 10; n >= 16; n -= n > 2048 ? n / 2 : 16) {
		while ((p = malloc(n)) != NULL && p < end)
			;
		if (n > TCACHE_BYTES)
			free(p);
	}
	fresh = (uintptr_t)malloc(16);
}

static void
populate(uintptr_t from, size_t bytes)
{
	/* An old kernel refuses: then it is the faults after all. */
	(void)madvise((void *)from, bytes, MADV_POPULATE_WRITE);
}

static void
add_row(uintptr_t page)
{
	struct row *last = rows_n > 0 ? &rows[rows_n - 1] : NULL;

	if (last != NULL && last->from + last->bytes == page)
		last->bytes += PAGE_BYTES;
	else if (rows_n < ROWS_MAX)
		rows[rows_n++] = (struct row){ page, PAGE_BYTES };
}

void
pages_parts(struct pages_part parts[2])
{
	uintptr_t data = page_of((uintptr_t)__data_start), heap = page_of((uintptr_t)&errno);

	/* A static program's thread-local storage is the heap's beginning. */
	parts[0] = (struct pages_part){ heap, page_of(fresh) - heap };
	parts[1] = (struct pages_part){ data, page_of((uintptr_t)_end + PAGE_BYTES - 1) - data };
}

void
pages_want(const uintptr_t *pages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_row(pages[i]);
	for (size_t i = 0; i < FRESH_PAGES; i++)
		add_row(page_of(fresh) + i * PAGE_BYTES);
}

void
pages_ready(void)
{
	uintptr_t stack = page_of((uintptr_t)__builtin_frame_address(0));

	populate(stack - READY_STACK_BYTES + PAGE_BYTES, READY_STACK_BYTES);
	for (size_t i = 0; i < rows_n; i++)
		populate(rows[i].from, rows[i].bytes);
}
