/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two matchers of brackets agree: on random documents, at every alignment, and cut anywhere.
 * The documents are dense in quotes, backslashes and brackets, and cross many 64-byte blocks.
 */
#include "base/json_brackets.c"

#include "base/json.h"
#include "tests/unit/check.h"

#include <stdlib.h>

static void
random_string(struct buf *b)
{
	static const char *const parts[] = { "\\\\", "\\\"", "{", "}", "[", "]", "x", "\\n", ":" };

	buf_putc(b, '"');
	for (int n = rand() % 20; n > 0; n--)
		buf_puts(b, parts[(size_t)rand() % COUNT(parts)]);
	buf_putc(b, '"');
}

/* Bounded by depth. */
static void
random_value(struct buf *b, int depth)
{
	int n = rand() % 5, kind = rand() % 4;

	if (depth == 0 || kind < 2) {
		random_string(b);
		return;
	}
	buf_putc(b, kind == 2 ? '{' : '[');
	for (int i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(b, ',');
		if (kind == 2)
			buf_printf(b, "\"k%d\\\"\": ", i);
		random_value(b, depth - 1);
	}
	buf_putc(b, kind == 2 ? '}' : ']');
}

static void
one_document(struct buf *b, bool vectors)
{
	const char *end, *plain;
	struct err e;

	buf_reset(b);
	buf_putc(b, '[');
	random_value(b, 6);
	buf_putc(b, ']');
	end = b->p + b->n;
	CHECK(json_check(buf_str(b), true, &e));
	plain = brackets_plain(b->p + 1, end);
	CHECK(plain == end);
	if (!vectors)
		return;
	CHECK(brackets_avx2(b->p + 1, end) == plain);
	for (int i = 0; i < 8; i++) {
		const char *cut = b->p + 1 + (size_t)rand() % b->n;

		CHECK(brackets_plain(b->p + 1, cut) == brackets_avx2(b->p + 1, cut));
	}
}

int
main(void)
{
	bool vectors = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul");
	struct buf b;

	TEST("vectors and plain code find the same bracket");
	srand(7);
	buf_init(&b, 0);
	for (int i = 0; i < 5000; i++)
		one_document(&b, vectors);
	buf_fini(&b);
	return check_done();
}
