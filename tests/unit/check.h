/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - what a unit test needs, and no more.
 *
 *   TEST("a body past its limit is refused");   names what follows, for the failure lines
 *   CHECK(p != NULL);
 *   CHECK_EQ_I(sum, 42);                        integers, printed signed
 *   CHECK_EQ_S(cstr, "expected");               C strings; NULL equals only NULL
 *   CHECK_STR(view, "expected");                anything with .p and .n (struct str) against a
 * literal CHECK_MEM(p, n, "expected", m); return check_done();                        prints "N
 * passed, N failed", 0 when all is well
 *
 * A failed check prints file:line, the test's name and both values, and the program goes on: one
 * run shows every failure.  Nothing here depends on NDEBUG or on the code under test.  Include it
 * from the one file that holds main().
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct check_state {
	const char *name;
	long passed;
	long failed;
} check_state = { "", 0, 0 };

#define CHECK_UNUSED __attribute__((unused))

static inline CHECK_UNUSED bool
check_that(bool ok, const char *file, int line, const char *expr)
{
	if (ok) {
		check_state.passed++;
		return true;
	}
	check_state.failed++;
	printf("%s:%d: %s: failed: %s\n", file, line, check_state.name, expr);
	return false;
}

static inline CHECK_UNUSED bool
check_eq_i(long long a, long long b, const char *file, int line, const char *expr)
{
	if (check_that(a == b, file, line, expr))
		return true;
	printf("    got      %lld\n    expected %lld\n", a, b);
	return false;
}

static inline CHECK_UNUSED void
check_print(const char *label, const char *p, size_t n)
{
	printf("    %s ", label);
	if (!p) {
		puts("NULL");
		return;
	}
	putchar('"');
	for (size_t i = 0; i < n && i < 2000; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c == '\n')
			fputs("\\n", stdout);
		else if (c < 32 || c == 127)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	printf("\"%s (%zu bytes)\n", n > 2000 ? "..." : "", n);
}

static inline CHECK_UNUSED bool
check_mem(const char *a, size_t an, const char *b, size_t bn, const char *file, int line,
    const char *expr)
{
	bool same = an == bn && (an == 0 || (a && b && memcmp(a, b, an) == 0));
	if (check_that(same, file, line, expr))
		return true;
	check_print("got     ", a, an);
	check_print("expected", b, bn);
	return false;
}

static inline CHECK_UNUSED bool
check_eq_s(const char *a, const char *b, const char *file, int line, const char *expr)
{
	if (!a || !b)
		return check_that(a == b, file, line, expr);
	return check_mem(a, strlen(a), b, strlen(b), file, line, expr);
}

static inline CHECK_UNUSED int
check_done(void)
{
	printf("%ld passed, %ld failed\n", check_state.passed, check_state.failed);
	return check_state.failed || !check_state.passed ? 1 : 0;
}

#define TEST(sentence) (check_state.name = (sentence))
#define CHECK(expr)    check_that((expr), __FILE__, __LINE__, #expr)
#define CHECK_EQ_I(a, b)                                                                           \
	check_eq_i((long long)(a), (long long)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_EQ_S(a, b)        check_eq_s((a), (b), __FILE__, __LINE__, #a " is " #b)
#define CHECK_MEM(a, an, b, bn) check_mem((a), (an), (b), (bn), __FILE__, __LINE__, #a " is " #b)
#define CHECK_STR(view, literal)                                                                   \
	__extension__({                                                                            \
		__auto_type check_v_ = (view);                                                     \
		const char *check_l_ = (literal);                                                  \
		check_mem((const char *)check_v_.p, check_v_.n, check_l_, strlen(check_l_),        \
		    __FILE__, __LINE__, #view " is " #literal);                                    \
	})
