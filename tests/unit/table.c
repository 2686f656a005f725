/* SPDX-License-Identifier: Apache-2.0 */
/* Tables: which columns, in which order, and that rows in no order do not cost the loop. */
#include <stdio.h>

#include "base/json.h"
#include "codemode/table.h"
#include "tests/unit/check.h"

/* NULL: no table. */
static void
table_is(const char *want, struct str list)
{
	struct table t;
	struct buf out;
	struct err e;

	CHECK(json_check(list, true, &e));
	buf_init(&out, 0);
	if (!table_of(list, &t)) {
		CHECK(want == NULL);
	} else {
		table_put(list, &t, &out);
		CHECK(want != NULL);
		CHECK_STR(buf_str(&out), want != NULL ? want : "");
	}
	buf_fini(&out);
}

/* Rows of `columns` keys each, every other one the other way round. */
static void
put_zigzag(struct buf *b, int rows, int columns)
{
	buf_putc(b, '[');
	for (int i = 0; i < rows; i++) {
		buf_puts(b, i > 0 ? ",{" : "{");
		for (int k = 0; k < columns; k++)
			buf_printf(
			    b, "%s\"k%02d\":1", k > 0 ? "," : "", i % 2 == 0 ? k : columns - 1 - k);
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

int
main(void)
{
	struct buf b;
	struct table t;

	TEST("columns stand where they first stood among their neighbours");
	table_is("a\tb\tc\n1\t\t3\n\t2\t3\n1\t2\t",
	    STR("[{\"a\":1,\"c\":3},{\"b\":2,\"c\":3},{\"a\":1,\"b\":2}]"));
	table_is("a\tc\td\n1\t3\t\n1\t3\t4\n1\t3\t",
	    STR("[{\"a\":1,\"c\":3},{\"a\":1,\"c\":3,\"d\":4},{\"c\":3,\"a\":1}]"));

	TEST("what it is not");
	table_is(NULL, STR("[]"));
	table_is(NULL, STR("[{\"a\":1},{\"a\":2}]"));
	table_is(NULL, STR("[{\"a\":1},{\"a\":2},{}]"));
	table_is(NULL, STR("[{\"a\":1},{\"a\":2},null]"));
	table_is(NULL, STR("[{\"a\":1},{\"b\":2},{\"c\":3}]"));
	table_is(NULL, STR("{\"a\":1}"));
	table_is(NULL, STR("\"a\""));

	TEST("cells");
	table_is("k \\n\n\\t\"\\\\\n\n[\"a\"]\ntrue",
	    STR("[{\"k \\n\":\"\\t\\\"\\\\\"},{\"k \\n\":null},{\"k \\n\":[\"a\"]},{\"k "
		"\\n\":true}]"));

	TEST("many columns, or many rows, in one order or another; both in none are no table");
	buf_init(&b, 0);
	put_zigzag(&b, 100, TABLE_COLUMNS_MAX);
	CHECK(table_of(buf_str(&b), &t));
	CHECK_EQ_I(t.n, TABLE_COLUMNS_MAX);
	buf_reset(&b);
	put_zigzag(&b, 100, TABLE_COLUMNS_MAX + 1);
	CHECK(!table_of(buf_str(&b), &t));
	buf_reset(&b);
	put_zigzag(&b, 2000, TABLE_COLUMNS_MAX);
	CHECK(!table_of(buf_str(&b), &t));
	buf_fini(&b);
	return check_done();
}
