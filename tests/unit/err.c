/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err - the table's promises: words are unique and plain, codes fit their protocols, and what a
 * client is told to try again can get better.  A text that is too long is cut, never lost.
 */
#include "base/err.h"

#include "tests/unit/check.h"

static void
test_table(void)
{
	TEST("every row: a plain unique word, an HTTP status, a JSON-RPC code, an error type");
	for (unsigned i = 0; i < ERR_COUNT; i++) {
		enum err_code c = (enum err_code)i;
		const char *w = err_word(c);

		CHECK(strlen(w) >= 2 && strspn(w, "abcdefghijklmnopqrstuvwxyz_") == strlen(w));
		for (unsigned k = 0; k < i; k++)
			CHECK(strcmp(w, err_word((enum err_code)k)) != 0);
		if (c == ERR_NONE)
			continue;
		CHECK(err_http(c) >= 400 && err_http(c) <= 599);
		CHECK(err_rpc(c) >= -32899 && err_rpc(c) <= -32000);
		CHECK(strlen(err_anthropic(c)) > 0);
		CHECK(strlen(err_openai(c)) > 0 && strlen(err_google(c)) > 0);
		if (err_retry(c)) /* asking the same again may help only for these */
			CHECK(err_http(c) >= 500 || err_http(c) == 408 || err_http(c) == 429);
	}
	CHECK_EQ_I(err_http(ERR_NONE), 200);
	CHECK_EQ_I(err_http(ERR_BUDGET), 429);
	CHECK(!err_retry(ERR_BUDGET) && err_retry(ERR_RATE) && !err_retry(ERR_REVOKED));
	CHECK_EQ_S(err_word(ERR_DENIED), "not_permitted");
	CHECK_EQ_S(err_anthropic(ERR_OVERLOAD), "overloaded_error");
	CHECK_EQ_I(err_rpc(ERR_METHOD), -32601);
}

static void
test_set(void)
{
	struct err e = { .retry_after_s = 9 };

	TEST("set says false, forgets what was, and cuts what is too long");
	CHECK(!err_set(&e, ERR_DENIED, "%s is number %d", "x", 3));
	CHECK(e.code == ERR_DENIED && e.retry_after_s == 0);
	CHECK_EQ_S(e.text, "x is number 3");
	CHECK(!err_set(&e, ERR_INVALID, "%01000d", 5));
	CHECK_EQ_I(strlen(e.text), ERR_TEXT_BYTES - 1);
	e.retry_after_s = 3;
	err_clear(&e);
	CHECK(e.code == ERR_NONE && e.text[0] == '\0' && e.retry_after_s == 0);
}

int
main(void)
{
	test_table();
	test_set();
	return check_done();
}
