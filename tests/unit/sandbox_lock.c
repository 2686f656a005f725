/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock, tried with every system call number: only read and write on descriptor 0, exit_group
 * and rt_sigreturn come back; brk and mmap are refused with a value; everything else kills with
 * SIGSYS.  As root and as an ordinary user.  Then the programs themselves: the gateway has no Lua
 * in it, the worker has nothing to start a program or open a socket or a Lua library with.
 */
#include "sandbox/worker/jail.c"

#include <sys/wait.h>

#include "tests/unit/check.h"

#define NUMBERS      480
#define RT_SIGRETURN 15
#define URETPROBE    335 /* both bypass seccomp in new kernels, and do nothing useful */
#define UPROBE       336

enum { SURVIVED_VALUE = 50, SURVIVED_ERRNO = 51 };

static const char *who;

static void
on_tick(int signo)
{
	(void)signo;
	_exit(WORKER_EXIT_CPU);
}

static const struct lock_limits limits = { .heap_bytes = (size_t)64 << 20, .cpu_ms = 1000 };

/* Runs in a locked child; its status.  The raw instruction: libc must not come in between. */
static int
try_call(long nr, long a, long b, long c)
{
	int ends[2], status = 0, parent = getpid();
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	(void)!write(ends[0], "abcd", 4);
	pid = fork();
	if (pid == 0) {
		register long r10 __asm__("r10") = 0;
		register long r8 __asm__("r8") = 0;
		register long r9 __asm__("r9") = 0;
		long r;

		if (!lock_down(ends[1], parent, &limits, on_tick))
			_exit(WORKER_EXIT_LOCK);
		__asm__ volatile("syscall"
				 : "=a"(r)
				 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
				 : "rcx", "r11", "memory");
		_exit(r < 0 && r > -4096 ? SURVIVED_ERRNO : SURVIVED_VALUE);
	}
	close(ends[1]);
	(void)waitpid(pid, &status, 0);
	close(ends[0]);
	return status;
}

static bool
killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void
test_numbers(void)
{
	static char scratch[4096];
	int died = 0, first_wrong = -1;

	TEST(who);
	for (long nr = 0; nr < NUMBERS; nr++) {
		int status;

		if (nr == RT_SIGRETURN || nr == URETPROBE || nr == UPROBE)
			continue;
		status = try_call(nr, 0, (long)scratch, 4);
		if (killed(status))
			died++;
		else if (nr != SYS_read && nr != SYS_write && nr != SYS_exit_group &&
			 nr != SYS_brk && first_wrong < 0)
			first_wrong = (int)nr;
	}
	CHECK_EQ_I(first_wrong, -1);
	/* Three were left out, four came back; mmap was asked for executable pages here (4). */
	CHECK_EQ_I(died, NUMBERS - 3 - 4);
	CHECK_EQ_I(WEXITSTATUS(try_call(SYS_read, 0, (long)scratch, 4)), SURVIVED_VALUE);
	CHECK_EQ_I(WEXITSTATUS(try_call(SYS_write, 0, (long)scratch, 4)), SURVIVED_VALUE);
	CHECK_EQ_I(WEXITSTATUS(try_call(SYS_exit_group, 7, 0, 0)), 7);
	CHECK_EQ_I(WEXITSTATUS(try_call(SYS_brk, 0, 0, 0)), SURVIVED_VALUE);
	CHECK_EQ_I(WEXITSTATUS(try_call(SYS_mmap, 0, 4096, PROT_READ)), SURVIVED_ERRNO);
	CHECK(killed(try_call(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC)));
	CHECK(killed(try_call(SYS_read, 1, (long)scratch, 4)));
	CHECK(killed(try_call(SYS_write, 1, (long)scratch, 4)));
	CHECK(killed(try_call(SYS_write, 2, (long)scratch, 4)));
	CHECK(killed(try_call(0x40000000, 0, (long)scratch, 4))); /* x32 read */
	CHECK(killed(try_call(0x40000001, 0, (long)scratch, 4)));
	CHECK(killed(try_call(-1, 0, 0, 0)));
}

/* The program must not define or import the symbol. */
static bool
has_symbol(const char *program, const char *pattern)
{
	char command[300];
	FILE *f;
	bool found;
	char line[200];

	(void)snprintf(command, sizeof(command),
	    "nm %s 2>/dev/null | awk '{print $NF}' | grep -E '%s'", program, pattern);
	f = popen(command, "r");
	found = f != NULL && fgets(line, sizeof(line), f) != NULL;
	if (found)
		printf("\t%s has %s", program, line);
	if (f != NULL)
		(void)pclose(f);
	return found;
}

static void
test_symbols(void)
{
	TEST("the worker has no way to start a program, open a socket or a Lua library");
	CHECK(
	    has_symbol("build/sandbox-worker", "^lua_newstate$")); /* so nm works, and prints it */
	CHECK(!has_symbol("build/sandbox-worker", "^(popen|system|execve?|execvpe?|posix_spawn|"
						  "socket|connect|accept4?|listen|bind)$"));
	CHECK(!has_symbol("build/sandbox-worker", "^luaopen_(io|os|package|debug)$"));
	CHECK(!has_symbol("build/sandbox-worker", "^luaL_openlibs$"));
	TEST("the gateway has no Lua");
	if (access("build/tollgate", R_OK) == 0)
		CHECK(!has_symbol(
		    "build/tollgate", "^luaL?_(newstate|p?callk?|pcallk|loadbufferx)$"));
	CHECK(!has_symbol("build/all.a", "^luaL?_(newstate|p?callk?|pcallk|loadbufferx)$"));
}

int
main(void)
{
	int status = 0;
	pid_t pid;

	test_symbols();
#ifdef SANITIZED
	return check_done(); /* a sanitizer makes system calls of its own, which the lock refuses */
#endif
	if (geteuid() == 0) {
		pid = fork();
		if (pid == 0) {
			if (!drop_root())
				_exit(1);
			who = "uid 65534";
			test_numbers();
			(void)fflush(stdout);
			_exit(check_state.failed != 0);
		}
		(void)waitpid(pid, &status, 0);
		TEST("as uid 65534, above");
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	who = geteuid() == 0 ? "root" : "an ordinary user";
	test_numbers();
	return check_done();
}
