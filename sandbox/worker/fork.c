/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork - what a child of the zygote inherits, so that its birth and its end cost little.
 *
 * program  A fork leaves the mapping of a file empty, to be faulted in again, unless it was ever
 *          written to: then what is mapped is copied.  So a byte of each part is written, as it
 * was. stack    Children start on a new one, nothing of which is copied, and never have the
 * zygote's. Were it shared, the zygote would copy the page it works on after every fork, and each
 *          child have page tables for one more end of the address space.
 * rseq     The kernel would note the number of the processor in a page of the zygote's now and
 *          then, which it would have to copy first.
 *
 * Only the stack is needed: where a kernel refuses the rest, births take longer.
 */
#include "sandbox/worker/fork.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/worker/pages.h"

#define RSEQ_BYTES  32                               /* as libc registers it */
#define STACK_BYTES (((size_t)2 << 20) - PAGE_BYTES) /* 2 MiB would be aligned to as much */
#define GUARD_BYTES ((size_t)64 << 10)               /* of it, below: a hole, which costs nothing */
#define SHIFT_MASK  0xffff0u                         /* of its end: where, nobody can know */
#define KEPT_PAGES  4096                             /* of the old one, in each direction */

char *fork_stack_end;

static int
write_one(struct dl_phdr_info *program, size_t bytes, void *memory)
{
	(void)bytes;
	if (*program->dlpi_name != '\0') /* the kernel's vdso is told of, too */
		return 0;
	for (int i = 0; i < program->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &program->dlpi_phdr[i];
		uintptr_t last = program->dlpi_addr + h->p_vaddr + h->p_filesz - 1;

		if (h->p_type == PT_LOAD && (h->p_flags & PF_W) == 0 && h->p_filesz > 0)
			(void)!pwrite(*(int *)memory, (const void *)last, 1, (off_t)last);
	}
	return 0;
}

void
fork_early(void)
{
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (memory < 0)
		return;
	(void)dl_iterate_phdr(write_one, &memory);
	close(memory);
}

void
fork_quiet(void)
{
	if (__rseq_size > 0)
		(void)syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset,
		    RSEQ_BYTES, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

/* Page by page, up and down from here to where there is none. */
static void
keep_stack(void)
{
	char *here = (char *)page_of((uintptr_t)__builtin_frame_address(0)), *at = here;

	for (int i = 0; i < KEPT_PAGES && madvise(at, PAGE_BYTES, MADV_DONTFORK) == 0; i++)
		at -= PAGE_BYTES;
	at = here + PAGE_BYTES;
	for (int i = 0; i < KEPT_PAGES && madvise(at, PAGE_BYTES, MADV_DONTFORK) == 0; i++)
		at += PAGE_BYTES;
}

bool
fork_ready(void)
{
	char *low = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	uint32_t shift = 0;

	if (low == MAP_FAILED || munmap(low, GUARD_BYTES) != 0)
		return false;
	(void)!getrandom(&shift, sizeof(shift), GRND_NONBLOCK);
	fork_stack_end = low + STACK_BYTES - (shift & SHIFT_MASK);
	environ = NULL; /* lies there */
	keep_stack();
	return true;
}

/* By hand, for clone() of libc would write the child's first words to the new stack from here, and
 * the zygote copy that page every time. */
int
fork_to(void (*start)(uintptr_t arg), uintptr_t arg, int *pidfd)
{
	register long no_tid __asm__("r10") = 0;
	long pid;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %[arg], %%rdi\n\t" /* which may be in rbp */
			 "xor %%ebp, %%ebp\n\t"
			 "call *%[start]\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(pid)
			 : "0"((long)SYS_clone), "D"((long)ZYGOTE_FORK_FLAGS), "S"(fork_stack_end),
			 "d"(pidfd), "r"(no_tid), [start] "b"(start), [arg] "r"(arg)
			 : "rcx", "r11", "memory", "cc");
	return (int)pid;
}
