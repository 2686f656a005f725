/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages - which memory a worker makes its own, and when.
 *
 * A child shares every page with the zygote until one of them writes to it; each first write is a
 * page fault and a copy, in the middle of somebody's script.  What a run writes to is nearly the
 * same in all of them, so the zygote rehearses one, in a child that is thrown away, and each worker
 * copies those pages before there is a script, a system call for each row of them.
 *
 *	heap   | TLS, Lua state, strings ... as the zygote left it | fresh, from heap_seal() on |
 *	data   | .data .bss |
 *	stack  the next READY_STACK_BYTES
 *
 * A page costs 4 KiB of each idle worker and a page fault of each run that lacks it.  Nothing here
 * is needed for anything but speed: a page that was forgotten is copied when it is written to.
 */
#include "sandbox/worker/pages.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/frame.h"

#define PAGE              ((size_t)4096)
#define READY_STACK_BYTES (3 * PAGE)
#define FRESH_PAGES       16 /* of the heap, at most */
#define ROWS_MAX          32
#define WINDOW            (16 * PAGE) /* of the program: what one fault maps */
#define WINDOWS_MAX       32
#ifndef MADV_POPULATE_WRITE /* younger than the headers of Debian 12 */
#	define MADV_POPULATE_WRITE 23
#endif

extern char __data_start[], _end[]; /* of the linker: .data to the end of .bss */

struct row {
	uintptr_t from;
	size_t bytes;
};
static struct plan {
	struct row rows[ROWS_MAX];      /* written to */
	uintptr_t windows[WINDOWS_MAX]; /* of the program, read */
	size_t rows_n, windows_n;
} plan;
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
 * shared pages one by one; like this its blocks lie next to each other.
 */
void
heap_seal(void)
{
	char *volatile end = malloc((size_t)256 << 10); /* too large for a hole */
	char *volatile p;

	fresh = (uintptr_t)end;
	free(end);
	for (size_t n = (size_t)128 << 10; n >= 16; n -= n > 2048 ? n / 2 : 16)
		while ((p = malloc(n)) != NULL && p < end)
			;
}

static uintptr_t
page_of(uintptr_t at)
{
	return at & ~(PAGE - 1);
}

static void
populate(uintptr_t from, size_t bytes)
{
	/* An old kernel refuses: then it is the faults after all. */
	(void)madvise((void *)from, bytes, MADV_POPULATE_WRITE);
}

/* What a run can write to.  A static program's thread-local storage is the heap's beginning. */
static void
parts_of(struct row parts[2])
{
	uintptr_t data = page_of((uintptr_t)__data_start), heap = page_of((uintptr_t)&errno);

	parts[0] = (struct row){ data, page_of((uintptr_t)_end + PAGE - 1) - data };
	parts[1] = (struct row){ heap, page_of(fresh) + FRESH_PAGES * PAGE - heap };
}

static void
add_row(struct plan *p, uintptr_t page)
{
	struct row *last = p->rows_n > 0 ? &p->rows[p->rows_n - 1] : NULL;

	if (last != NULL && last->from + last->bytes == page)
		last->bytes += PAGE;
	else if (p->rows_n < ROWS_MAX)
		p->rows[p->rows_n++] = (struct row){ page, PAGE };
}

static void
touch(uintptr_t at)
{
	(void)*(const volatile char *)at;
}

static long
faults(void)
{
	struct rusage used;

	(void)getrusage(RUSAGE_SELF, &used);
	return used.ru_minflt;
}

/* Which windows of the program are mapped by now: those whose touch is no fault. */
static int
add_windows(struct dl_phdr_info *program, size_t bytes, void *into)
{
	struct plan *p = into;

	(void)bytes;
	for (int i = 0; i < program->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &program->dlpi_phdr[i];
		uintptr_t at = program->dlpi_addr + h->p_vaddr, end = at + h->p_filesz;

		if (h->p_type != PT_LOAD || (h->p_flags & PF_W) != 0)
			continue;
		for (; at < end && p->windows_n < WINDOWS_MAX; at = (at & ~(WINDOW - 1)) + WINDOW) {
			long before = faults();

			touch(at);
			if (faults() == before)
				p->windows[p->windows_n++] = at;
		}
	}
	return 0;
}

/* In the child.  `before` is room for a copy of both parts. */
static void
rehearse(void (*act)(void), const struct row parts[2], char *before, struct plan *p)
{
	memcpy(before, (const void *)parts[0].from, parts[0].bytes);
	memcpy(before + parts[0].bytes, (const void *)parts[1].from, parts[1].bytes);
	act();
	(void)dl_iterate_phdr(add_windows, p);
	for (int i = 0; i < 2; i++)
		for (size_t at = 0; at < parts[i].bytes; at += PAGE, before += PAGE)
			if (memcmp(before, (const void *)(parts[i].from + at), PAGE) != 0)
				add_row(p, parts[i].from + at);
}

void
pages_rehearse(void (*act)(void))
{
	const int how = PROT_READ | PROT_WRITE;
	struct row parts[2];
	struct plan *found;
	char *before;
	size_t bytes;
	pid_t pid;

	parts_of(parts);
	bytes = parts[0].bytes + parts[1].bytes;
	before = mmap(NULL, bytes, how, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	found = mmap(NULL, sizeof(*found), how, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (before != MAP_FAILED && found != MAP_FAILED && (pid = fork()) >= 0) {
		if (pid == 0) {
			rehearse(act, parts, before, found);
			_exit(0);
		}
		(void)waitpid(pid, NULL, 0);
		plan = *found;
	}
	if (before != MAP_FAILED)
		(void)munmap(before, bytes);
	if (found != MAP_FAILED)
		(void)munmap(found, sizeof(*found));
}

void
pages_ready(void)
{
	uintptr_t stack = page_of((uintptr_t)__builtin_frame_address(0));

	populate(stack - READY_STACK_BYTES, READY_STACK_BYTES + PAGE);
	for (size_t i = 0; i < plan.rows_n; i++)
		populate(plan.rows[i].from, plan.rows[i].bytes);
	for (size_t i = 0; i < plan.windows_n; i++)
		touch(plan.windows[i]);
}
