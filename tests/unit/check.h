/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what a unit test is made of: a program that counts.
 *
 *	CHECK(x == 1);  CHECK_INT(n, 3);  CHECK_STR(s, "text");  ...  return check_end();
 *
 * A failed check prints where and what, and the test goes on.  check_end() prints the last line,
 * "N passed, N failed", and gives main's result.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int check_passed, check_failed;

static inline bool
check_one(bool ok, const char *file, int line, const char *what)
{
	if (ok) {
		check_passed++;
	} else {
		check_failed++;
		printf("%s:%d: failed: %s\n", file, line, what);
	}
	return ok;
}

static inline bool
check_int(int64_t got, int64_t want, const char *file, int line, const char *what)
{
	bool ok = check_one(got == want, file, line, what);

	if (!ok)
		printf("\tgot %" PRId64 ", want %" PRId64 "\n", got, want);
	return ok;
}

static inline bool
check_bytes(
    const char *got, size_t n, const char *want, const char *file, int line, const char *what)
{
	bool ok =
	    check_one(n == strlen(want) && (n == 0 || memcmp(got, want, n) == 0), file, line, what);

	if (!ok)
		printf("\tgot  %.*s\n\twant %s\n", (int)n, got == NULL ? "" : got, want);
	return ok;
}

static inline int
check_end(void)
{
	printf("%d passed, %d failed\n", check_passed, check_failed);
	return check_failed == 0 ? 0 : 1;
}

#define CHECK(e)        check_one((e), __FILE__, __LINE__, #e)
#define CHECK_INT(a, b) check_int((a), (b), __FILE__, __LINE__, #a)
#define CHECK_STR(s, want)                                                                         \
	check_bytes((s).p, (s).n, want, __FILE__, __LINE__, #s) /* a struct str */
#define CHECK_CSTR(s, want) check_bytes((s), strlen(s), want, __FILE__, __LINE__, #s)
