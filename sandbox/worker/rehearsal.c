/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rehearsal - runs in children that are thrown away, to learn which pages every run will want.
 *
 *	data, heap   read only     a write --> SIGSEGV --> noted, opened
 *	program      closed        a touch --> SIGSEGV --> noted, opened
 *
 * What was written to is copied by each worker at its birth (pages.c).  What was touched of the
 * program stays mapped in the zygote and the rest does not, for a fork copies, and an exit drops,
 * entry by entry what is mapped.
 *
 * Writes of the kernel are not seen, they fail: what a system call fills must have been touched, or
 * lie behind heap_seal().
 */
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "sandbox/frame.h"
#include "sandbox/worker/pages.h"

#define SEEN_MAX              1024
#define FUNCTION_BYTES        1024 /* of those that are named to us, most are smaller */
#define REHEARSAL_STACK_BYTES ((rlim_t)8 << 20)
#define BY_WRITE              2 /* of a page fault's error code */
#define BY_FETCH              16

static struct seen {
	uintptr_t pages[SEEN_MAX];
	size_t n;
} * seen; /* the zygote's and the child's */

/* It and what it calls stay open; whatever else it comes by, such as the way back, opens itself. */
static void
on_touch(int signo, siginfo_t *what, void *context)
{
	greg_t by = ((ucontext_t *)context)->uc_mcontext.gregs[REG_ERR];
	uintptr_t page = page_of((uintptr_t)what->si_addr);
	int how = PROT_READ;

	(void)signo;
	if ((by & BY_WRITE) != 0)
		how |= PROT_WRITE;
	if ((by & BY_FETCH) != 0)
		how |= PROT_EXEC;
	if (seen->n == SEEN_MAX || mprotect((void *)page, PAGE_BYTES, how) != 0)
		_exit(WORKER_EXIT_LOCK);
	seen->pages[seen->n++] = page;
}

/* Calls what() for each page of the program that is not written to. */
static int
each_page(struct dl_phdr_info *program, size_t bytes, void *what)
{
	void (*const *each)(uintptr_t) = what;

	(void)bytes;
	if (*program->dlpi_name != '\0') /* the kernel's vdso is told of, too */
		return 0;
	for (int i = 0; i < program->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &program->dlpi_phdr[i];
		uintptr_t at = program->dlpi_addr + h->p_vaddr, end = at + h->p_filesz;

		if (h->p_type == PT_LOAD && (h->p_flags & PF_W) == 0)
			for (at = page_of(at); at < end; at += PAGE_BYTES)
				(*each)(at);
	}
	return 0;
}

static void
close_page(uintptr_t page)
{
	const uintptr_t open[] = { (uintptr_t)on_touch, (uintptr_t)mprotect, (uintptr_t)_exit };

	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
		if (page >= page_of(open[i]) && page <= open[i] + FUNCTION_BYTES)
			return;
	(void)mprotect((void *)page, PAGE_BYTES, PROT_NONE);
}

static void
touch_page(uintptr_t page)
{
	(void)*(const volatile char *)page;
}

static int
by_place(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

static void
drop_page(uintptr_t page)
{
	if (bsearch(&page, seen->pages, seen->n, sizeof(page), by_place) == NULL)
		(void)madvise((void *)page, PAGE_BYTES, MADV_DONTNEED);
}

static void
each(void (*what)(uintptr_t page))
{
	(void)dl_iterate_phdr(each_page, &what);
}

static void
close_program(void)
{
	each(close_page);
}

static void
close_written(void)
{
	struct pages_part parts[2];

	pages_parts(parts);
	for (int i = 0; i < 2; i++)
		(void)mprotect((void *)parts[i].from, parts[i].bytes, PROT_READ);
}

/* Should anything go wrong there, it ends: by itself, and with the zygote. */
static bool
bound_child(void)
{
	const struct rlimit cpu = { 1, 1 },
			    stack = { REHEARSAL_STACK_BYTES, REHEARSAL_STACK_BYTES };

	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && setrlimit(RLIMIT_CPU, &cpu) == 0 &&
	       setrlimit(RLIMIT_STACK, &stack) == 0;
}

static _Noreturn void
rehearse(void (*act)(void), void (*close_pages)(void))
{
	const struct sigaction noting = { .sa_sigaction = on_touch,
		.sa_flags = SA_SIGINFO | SA_NODEFER };

	if (!bound_child() || sigaction(SIGSEGV, &noting, NULL) != 0)
		_exit(WORKER_EXIT_LOCK);
	close_pages();
	act();
	_exit(0);
}

/* What was seen, each page once and in order; or nothing. */
static void
learn(void (*act)(void), void (*close_pages)(void), const uintptr_t *functions, size_t functions_n)
{
	int status = 0;
	size_t n = 0;
	pid_t pid;

	seen->n = 0;
	pid = fork();
	if (pid == 0)
		rehearse(act, close_pages);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == WORKER_EXIT_LOCK)
		seen->n = 0;
	for (size_t i = 0; seen->n > 0 && i < functions_n && seen->n + 2 <= SEEN_MAX; i++) {
		seen->pages[seen->n++] = page_of(functions[i]);
		seen->pages[seen->n++] = page_of(functions[i] + FUNCTION_BYTES);
	}
	qsort(seen->pages, seen->n, sizeof(*seen->pages), by_place);
	for (size_t i = 0; i < seen->n; i++)
		if (i == 0 || seen->pages[i] != seen->pages[i - 1])
			seen->pages[n++] = seen->pages[i];
	seen->n = n;
}

void
pages_rehearse(
    void (*least)(void), void (*usual)(void), const uintptr_t *functions, size_t functions_n)
{
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return;
	learn(least, close_written, NULL, 0);
	pages_want(seen->pages, seen->n);
	learn(usual, close_program, functions, functions_n);
	if (seen->n > 0) {
		each(touch_page);
		each(drop_page);
	}
	(void)munmap(seen, sizeof(*seen));
}
