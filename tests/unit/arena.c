/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - alignment, growth, copies, and the limit: what would pass it ends the process, in a child
 * here, and leaves nobody with half a piece of memory.
 */
#include "base/arena.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/check.h"

static void
test_alloc(void)
{
	static char *p[2000];
	struct arena a;
	size_t used;

	TEST("pieces are aligned, apart, and keep their bytes");
	arena_init(&a, (size_t)8 << 20);
	CHECK(a.top == NULL && arena_left(&a) == (size_t)8 << 20);
	for (size_t i = 0; i < COUNT(p); i++) {
		p[i] = arena_alloc(&a, i + 1);
		CHECK((uintptr_t)p[i] % 16 == 0);
		memset(p[i], (int)(i % 251), i + 1);
	}
	for (size_t i = 0; i < COUNT(p); i++)
		for (size_t k = 0; k <= i; k++)
			if ((unsigned char)p[i][k] != i % 251) {
				CHECK(false);
				break;
			}
	used = a.used;
	CHECK(used >= COUNT(p) * (COUNT(p) + 1) / 2 && used + arena_left(&a) == a.limit);
	CHECK(arena_alloc(&a, 0) != NULL && a.used == used);
	p[0] = arena_zalloc(&a, 200000); /* larger than any chunk */
	for (size_t i = 0; i < 200000; i++)
		if (p[0][i] != 0) {
			CHECK(false);
			break;
		}
	arena_free(&a);
	CHECK(a.top == NULL && a.used == 0 && arena_left(&a) == a.limit);
	CHECK(arena_alloc(&a, 1) != NULL); /* and it works again */
	arena_free(&a);
	arena_free(&a);
}

static void
test_copies(void)
{
	struct str parts[4] = { STR("ab"), STR_NONE, STR(""), STR("c") }, s;
	struct arena a;

	TEST("copies are copies");
	arena_init(&a, 65536);
	s = arena_str(&a, parts[0]);
	CHECK_STR(s, "ab");
	CHECK(s.p != parts[0].p);
	s = arena_str(&a, STR_NONE);
	CHECK(s.p != NULL && s.n == 0);
	CHECK_STR(arena_join(&a, parts, COUNT(parts)), "abc");
	CHECK(arena_join(&a, parts, 0).n == 0);
	CHECK_EQ_S(arena_cstr(&a, STR("x")), "x");
	CHECK_EQ_S(arena_cstr(&a, STR_NONE), "");
	s = arena_printf(&a, "%s-%d", "y", 7);
	CHECK_STR(s, "y-7");
	CHECK(s.p[s.n] == '\0');
	CHECK(arena_printf(&a, "%05000d", 1).n == 5000);
	CHECK(arena_printf(&a, "%s", "").n == 0);
	arena_free(&a);
}

/* Does asking for n with that much left abort? */
static bool
aborts(size_t limit, size_t first, size_t n)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		struct arena a;

		(void)dup2(null, STDERR_FILENO);
		arena_init(&a, limit);
		(void)arena_alloc(&a, first);
		(void)arena_alloc(&a, n);
		_exit(0);
	}
	ASSERT(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : status == 0);
	return WIFSIGNALED(status);
}

static void
test_limit(void)
{
	TEST("the limit holds to the byte of alignment, and no size wraps around it");
	CHECK(!aborts(160, 80, 80) && !aborts(160, 80, 65));
	CHECK(aborts(160, 80, 81) && aborts(160, 81, 80) && aborts(0, 0, 1));
	CHECK(aborts(1 << 20, 16, SIZE_MAX) && aborts(1 << 20, 16, SIZE_MAX - 14));
	CHECK(aborts(1 << 20, 16, SIZE_MAX / 2));
}

int
main(void)
{
	test_alloc();
	test_copies();
	test_limit();
	return check_done();
}
