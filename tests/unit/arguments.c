/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments and blobs against what is hostile: schemas that refer to themselves or fan out, strings
 * that look like handles, handles of another run, returned values of a worker that was taken over.
 */
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "codemode/arguments.h"
#include "tests/unit/check.h"

static struct blobs blobs;

static void
expect(const char *schema, const char *args, const char *want)
{
	struct tool t = { .input_schema = str_of(schema) };
	struct buf out, why;
	struct str got;

	buf_init(&out, ARGUMENTS_BYTES_MAX);
	buf_init(&why, 0);
	got = arguments_fit(&t, &blobs, str_of(args), &out, &why);
	TEST(args);
	if (got.p != NULL)
		buf_put(&why, got); /* which is empty then */
	CHECK_EQ_S(buf_cstr(&why), want);
	buf_fini(&why);
	buf_fini(&out);
}

static void
test_schemas(void)
{
	const char *list = "{\"properties\":{\"l\":{\"type\":\"array\"}}}";

	expect(list, "{\"l\":{}}", "{\"l\":[]}");
	expect(list, "{ \"l\" : { } , \"m\":{}}", "{ \"l\" : [] , \"m\":{}}");
	expect(list, "{\"\\u006c\":{}}", "{\"\\u006c\":{}}");
	expect("{}", "{\"l\":{}}", "{\"l\":{}}");
	expect("true", "{\"l\":{}}", "{\"l\":{}}");
	expect("{\"properties\":7}", "{\"l\":{}}", "{\"l\":{}}");
	expect("{\"$ref\":\"#\"}", "{\"l\":{}}", "{\"l\":{}}");
	expect("{\"$ref\":\"#/a\",\"a\":{\"$ref\":\"#/a\"}}", "{\"l\":{}}", "{\"l\":{}}");
	expect("{\"$ref\":\"#/a\",\"a\":{\"properties\":{\"l\":{\"type\":\"array\"}}}}",
	    "{\"l\":{}}", "{\"l\":[]}");
	expect(
	    "{\"properties\":{\"l\":{\"type\":[\"array\",\"null\"]}}}", "{\"l\":{}}", "{\"l\":[]}");
	expect("{\"properties\":{\"l\":{\"type\":\"what\"}}}", "{\"l\":{}}", "{\"l\":{}}");
	expect("{\"properties\":{\"l\":{\"allOf\":[{\"type\":\"array\"},{\"type\":\"object\"}]}}}",
	    "{\"l\":{}}", "{\"l\":{}}");
	expect("{\"properties\":{\"n\":{\"type\":\"number\"}}}",
	    "{\"n\":\"-12345678901234567890\"}", "{\"n\":-12345678901234567890}");
	expect("{\"properties\":{\"n\":{\"type\":\"number\"}}}",
	    "{\"n\":\"12345678901234567890.5\"}", "{\"n\":12345678901234567890.5}");
	expect("{\"properties\":{\"n\":{\"type\":\"number\"}}}",
	    "{\"n\":\"012345678901234567890\"}", "{\"n\":\"012345678901234567890\"}");
}

/* 12 and "12" are what the schema says, where it says one of them only. */
static void
test_numbers(void)
{
	const char *n =
	    "{\"properties\":{\"n\":{\"type\":[\"integer\",\"null\"]},\"s\":{\"type\":\"string\"},"
	    "\"e\":{\"type\":[\"string\",\"integer\"]},\"l\":{\"type\":\"array\",\"items\":{"
	    "\"type\":"
	    "\"integer\"}}}}";

	expect(n, "{\"n\":\"12\"}", "{\"n\":12}");
	expect(n, "{\"n\":\"-1.50\",\"s\":-1.50}", "{\"n\":-1.50,\"s\":\"-1.50\"}");
	expect(n, "{\"s\":9007199254740993,\"n\":3}", "{\"s\":\"9007199254740993\",\"n\":3}");
	expect(n, "{\"l\":[\"1\",2,\"x\"]}", "{\"l\":[1,2,\"x\"]}");
	expect(n, "{\"e\":\"12\"}", "{\"e\":\"12\"}");
	expect(n, "{\"e\":12}", "{\"e\":12}");
	expect(n, "{\"other\":12,\"more\":\"12\"}", "{\"other\":12,\"more\":\"12\"}");
	for (const char *const *p = (const char *const[]){ "", " 12", "12 ", "012", "+1", "0x10",
		 "1.", ".5", "1e", "12a", "-", "NaN", "true", "\\u0031", NULL };
	     *p != NULL; p++) {
		char args[40];

		(void)snprintf(args, sizeof(args), "{\"n\":\"%s\"}", *p);
		expect(n, args, args);
	}
}

/* A schema that fans out, and arguments that make it be read again and again. */
static void
test_cost(void)
{
	struct tool t = { 0 };
	struct buf schema, args, out, why;
	struct str got;
	clock_t start = clock();

	TEST("a schema that fans out costs a bounded time");
	buf_init(&schema, 0);
	buf_init(&args, 0);
	buf_init(&out, ARGUMENTS_BYTES_MAX);
	buf_init(&why, 0);
	buf_puts(&schema, "{\"anyOf\":[");
	for (int i = 0; i < 2000; i++)
		buf_puts(&schema, i > 0 ? ",{\"$ref\":\"#\"}" : "{\"$ref\":\"#\"}");
	buf_puts(&schema, "]}");
	buf_puts(&args, "{\"a\":[");
	for (int i = 0; i < 100000; i++)
		buf_puts(&args, i > 0 ? ",{}" : "{}");
	buf_puts(&args, "]}");
	t.input_schema = buf_str(&schema);
	got = arguments_fit(&t, &blobs, buf_str(&args), &out, &why);
	CHECK(got.p == args.p && got.n == args.n);
	CHECK(clock() - start < 3 * CLOCKS_PER_SEC);
	buf_fini(&schema);
	buf_fini(&args);
	buf_fini(&out);
	buf_fini(&why);
}

/* The ref of the handle in `token`, as it comes back in a string. */
static void
come_back(struct str token, char *to, size_t cap)
{
	struct str object = { token.p + 1, token.n - 1 }, ref;

	if (CHECK(json_get(object, STR("ref"), &ref)))
		(void)snprintf(to, cap, "\"\\u0000#" STR_FMT, (int)ref.n - 1, ref.p + 1);
}

static void
test_handles(void)
{
	const char *any = "{}", *text = "{\"properties\":{\"v\":{\"type\":\"string\"}}}";
	char handle[80], args[200];
	struct blobs other;
	struct buf token, named;

	buf_init(&token, 0);
	buf_init(&named, 0);
	blob_put_value(&blobs, STR("{\"a\":[1,\"x\"]}"), &token);
	come_back(buf_str(&token), handle, sizeof(handle));
	(void)snprintf(args, sizeof(args), "{\"v\":%s,\"w\":[%s]}", handle, handle);
	expect(any, args, "{\"v\":{\"a\":[1,\"x\"]},\"w\":[{\"a\":[1,\"x\"]}]}");
	expect(text, args, "{\"v\":\"{\\\"a\\\":[1,\\\"x\\\"]}\",\"w\":[{\"a\":[1,\"x\"]}]}");
	expect(any, "{\"v\":\"\\u0000\\u0000#1.0\"}", "{\"v\":\"\\u0000#1.0\"}");
	expect(any, "{\"\\u0000#1.0\":1}", "{\"\\u0000#1.0\":1}");
	expect(any, "{\"v\":\"\\u0000#1.0\"}", "a handle is of another run: call the tool again");
	expect(any, "{\"v\":\"\\u0000#\"}", "a handle is of another run: call the tool again");
	expect(any, "{\"v\":\"\\u0000#99999999999999999999.\"}",
	    "a handle is of another run: call the tool again");
	TEST("a handle of one run is nothing in another");
	blobs_init(&other);
	buf_reset(&token);
	blob_put_value(&other, STR("\"secret\""), &token);
	come_back(buf_str(&token), handle, sizeof(handle));
	(void)snprintf(args, sizeof(args), "{\"v\":%s}", handle);
	expect(any, args, "a handle is of another run: call the tool again");
	blobs_fini(&other);
	TEST("a returned value names what it can, and never leaves it");
	CHECK_STR(blobs_name(&blobs, STR("[\"\\u0000#x\",\"\\u0000\\u0000\",\"\\u0000"), &named),
	    "[\"<a blob that is gone> (a handle is of another run: call the tool again)\","
	    "\"\\u0000\",\"");
	buf_fini(&named);
	buf_fini(&token);
}

int
main(void)
{
	blobs_init(&blobs);
	test_schemas();
	test_numbers();
	test_cost();
	test_handles();
	blobs_fini(&blobs);
	return check_done();
}
