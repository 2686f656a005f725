/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet - heads of snippets: what they become, and how each mistake is told; files of a bundle
 * and who may meet whom.
 */
#include "policies/snippet.h"

#include "base/json.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define ARENA_BYTES ((size_t)4 << 20)

/* The type as a schema, or what is wrong with it and how much of it was read. */
static void
type_is(const char *text, const char *want, unsigned kinds)
{
	struct str rest = str_of(text);
	struct snippet_type t;
	const char *why = NULL;
	struct arena a;
	struct err e;
	bool ok;

	TEST(text);
	arena_init(&a, ARENA_BYTES);
	ok = snippet_type_read(&a, &rest, &t, &why);
	if (CHECK(ok)) {
		CHECK_STR(t.schema, want);
		CHECK_EQ_I(t.kinds, kinds);
		CHECK(json_check(t.schema, true, &e));
	}
	arena_free(&a);
}
#define TYPE(text, want, kinds) type_is(text, want, kinds)

static void
type_fails(const char *text, const char *want)
{
	struct str rest = str_of(text);
	struct snippet_type t;
	const char *why = NULL;
	struct arena a;

	TEST(text);
	arena_init(&a, ARENA_BYTES);
	CHECK(!snippet_type_read(&a, &rest, &t, &why));
	CHECK(why != NULL && strstr(why, want) != NULL);
	arena_free(&a);
}

static void
test_types(void)
{
	TYPE("string", "{\"type\":\"string\"}", SNIPPET_STRING);
	TYPE("number text", "{\"type\":\"number\"}", SNIPPET_NUMBER | SNIPPET_INTEGER);
	TYPE("table", "{\"type\":[\"object\",\"array\"]}", SNIPPET_TABLE | SNIPPET_LIST);
	TYPE("any", "{}", SNIPPET_ANY);
	TYPE("string|integer", "{\"type\":[\"string\",\"integer\"]}",
	    SNIPPET_STRING | SNIPPET_INTEGER);
	TYPE("string|nil", "{\"type\":\"string\"}", SNIPPET_STRING);
	TYPE("\"a\"|\"b\"", "{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}", 0);
	TYPE("\"a\" | integer",
	    "{\"anyOf\":[{\"type\":\"string\",\"enum\":[\"a\"]},{\"type\":[\"integer\"]}]}",
	    SNIPPET_INTEGER);
	TYPE("integer[]", "{\"type\":\"array\",\"items\":{\"type\":[\"integer\"]}}", SNIPPET_LIST);
	TYPE("(string|integer)[]",
	    "{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"integer\"]}}", SNIPPET_LIST);
	TYPE("{a:string, b?:{c:boolean}}",
	    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{\"type\":"
	    "\"object\",\"properties\":{\"c\":{\"type\":\"boolean\"}},\"required\":[\"c\"]}},"
	    "\"required\":[\"a\"]}",
	    SNIPPET_TABLE);
	TYPE("table<string, integer[]>",
	    "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"items\":{\"type\":"
	    "[\"integer\"]}}}",
	    SNIPPET_TABLE);
	TYPE("any|string", "{}", SNIPPET_ANY);
	type_fails("strin", "types are");
	type_fails("", "types are");
	type_fails("{a string}", "name:type");
	type_fails("{a:string", "end with }");
	type_fails("table<string", "table<key,value>");
	type_fails("table<string,integer", "a >");
	type_fails("(string", "a )");
	type_fails("\"a", "a text is");
	type_fails("\"a\\\"b\"", "a text is");
	type_fails("((((((((string))))))))", "nested too deeply");
	type_fails("string[][][][][][][]", "nested too deeply");
	{
		struct buf b;

		buf_init(&b, 0);
		buf_putc(&b, '{');
		for (int i = 0; i < 200; i++)
			buf_printf(&b, "%sa%d:string", i > 0 ? "," : "", i);
		buf_putc(&b, '}');
		type_fails(buf_cstr(&b), "the type is too long");
		buf_fini(&b);
	}
	type_fails("table<string,table<string,table<string,table<string,table<string,table<string,"
		   "table<string,any>>>>>>>",
	    "nested too deeply");
}

static bool
head(const char *source, struct snippet *s, struct arena *a, struct err *e)
{
	struct problems p = { .first = e };

	err_clear(e);
	*s = (struct snippet){ .source = str_of(source) };
	return snippet_head_read(&p, "f.lua", a, s);
}

static void
head_fails(const char *sentence, const char *source, const char *want)
{
	struct snippet s;
	struct arena a;
	struct err e;

	TEST(sentence);
	arena_init(&a, ARENA_BYTES);
	CHECK(!head(source, &s, &a, &e));
	if (!CHECK(strstr(e.text, want) != NULL))
		printf("    wanted %s\n    got    %s\n", want, e.text);
	arena_free(&a);
}

static void
test_heads(void)
{
	struct snippet s;
	struct arena a;
	struct err e;

	arena_init(&a, ARENA_BYTES);
	TEST("a head is what it does, its parameters and its result");
	CHECK(head("-- SPDX-License-Identifier: MIT\n-- Does it.\r\n--\n-- More of it.\n"
		   "---@param b? string|nil  -- may be \"left\" out\n---@param a integer\n"
		   "-- a note\n---@return {n:integer}\nreturn 1 -- not the head\n---@param x\n",
	    &s, &a, &e));
	CHECK_STR(s.description, "Does it.\n\nMore of it.");
	CHECK_STR(s.input_schema,
	    "{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"string\",\"description\":"
	    "\"may be \\\"left\\\" out\"},\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"],"
	    "\"additionalProperties\":false}");
	CHECK_STR(s.output_schema,
	    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":"
	    "[\"n\"]}");
	CHECK_EQ_I(s.params_n, 2);
	CHECK(json_check(s.input_schema, true, &e));
	TEST("a parameter that may be anything has a schema, too");
	CHECK(head("-- X\n---@param a any  what\n---@param b any", &s, &a, &e));
	CHECK_STR(s.input_schema,
	    "{\"type\":\"object\",\"properties\":{\"a\":{\"description\":\"what\"},\"b\":{}},"
	    "\"required\":[\"a\",\"b\"],\"additionalProperties\":false}");
	arena_free(&a);
	head_fails("no head", "return 1\n", "f.lua:1:1: the head is missing");
	head_fails("an empty file", "", "f.lua:1:1: the head is missing");
	head_fails("only tags", "---@param a string\n", "f.lua:1:1: the head is missing");
	head_fails(
	    "a long comment hides what follows", "-- X\n--[[ y\n", "f.lua:2:1: a head has no long");
	head_fails("so does one with a level", "--[==[ y\n", "f.lua:1:1: a head has no long");
	head_fails("a control character", "-- a\033[2Jb\n", "f.lua:1:5: a control character");
	head_fails("bytes that are no text", "-- a\xff\n", "f.lua:1:1: the head is no UTF-8");
	head_fails("a tag of LuaLS that means nothing here", "-- X\n---@class Y\n",
	    "f.lua:2:5: a head has");
	head_fails(
	    "a parameter without a type", "-- X\n---@param a\n", "f.lua:2:12: the type is missing");
	head_fails("a parameter without a name", "-- X\n---@param\n", "write ---@param NAME TYPE");
	head_fails("an odd name", "-- X\n---@param a-b string\n", "f.lua:2:11: a parameter's name");
	head_fails("a keyword", "-- X\n---@param end string\n", "f.lua:2:11: a keyword");
	head_fails("a name twice", "-- X\n---@param a any\n---@param a? any\n",
	    "f.lua:3:11: the parameter is there twice");
	head_fails("text that touches the type", "-- X\n---@param a string,b\n",
	    "f.lua:2:19: a type ends");
	head_fails("two results", "-- X\n---@return any\n---@return any\n",
	    "f.lua:3:1: a snippet has one ---@return");
}

#define ORG                                                                                        \
	"version: 1\norganisation:\n  customers:\n    acme:\n      teams: { payments: {}, core: "  \
	"{} "                                                                                      \
	"}\n    beta:\n      teams: { payments: {} }\n"
#define GOOD "-- Does it.\nreturn 1\n"

/* Files as path, text pairs; wants this text among the problems, or that it loads. */
static struct bundle *
bundle(const char *sentence, const char *const *files, const char *want)
{
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir };
	struct buf problems;
	struct bundle *b;
	struct err e;

	TEST(sentence);
	buf_init(&problems, 0);
	folder_put(dir, "root/o.yaml", ORG);
	for (; *files != NULL; files += 2)
		folder_put(dir, files[0], files[1]);
	b = bundle_load(&src, &problems, &e);
	if (want == NULL) {
		CHECK(b != NULL);
		CHECK_STR(buf_str(&problems), "");
	} else if (!CHECK(b == NULL && strstr(buf_cstr(&problems), want) != NULL)) {
		printf("    wanted %s\n    got    %s\n", want, buf_cstr(&problems));
	}
	buf_fini(&problems);
	folder_drop(&dir);
	return b;
}
#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define BUNDLE(sentence, want, ...)                                                                \
	do {                                                                                       \
		struct bundle *b_ = bundle(sentence, FILES(__VA_ARGS__), want);                    \
		bundle_free(&b_);                                                                  \
	} while (0)

#define A "customers/acme/snippets/x.lua"
#define P "customers/acme/teams/payments/snippets/x.lua"

static void
test_files(void)
{
	struct bundle *one, *two;
	static char large[SNIPPET_BYTES_MAX + 2];

	BUNDLE("two teams may have one of the same name", NULL, P, GOOD,
	    "customers/acme/teams/core/snippets/x.lua", GOOD,
	    "customers/beta/teams/payments/snippets/x.lua", GOOD);
	BUNDLE("a customer and its team may not", P ": there is a snippet of that name in " A, A,
	    GOOD, P, GOOD);
	BUNDLE("root and anybody may not", "there is a snippet of that name in " A, A, GOOD,
	    "root/snippets/x.lua", GOOD);
	BUNDLE("a team that is not there has none", "customers/acme/teams/sales/snippets/x.lua:",
	    "customers/acme/teams/sales/snippets/x.lua", GOOD);
	BUNDLE("another folder is none", "root/more/x.lua: a snippet stands in", "root/more/x.lua",
	    GOOD);
	BUNDLE("nor is one below", "a snippet stands in", "root/snippets/more/x.lua", GOOD);
	BUNDLE("a script elsewhere is somebody's own", NULL, "scripts/x.lua", "x", "x.lua", "y");
	BUNDLE("a name is a small identifier", "root/snippets/x-y.lua: a snippet is named",
	    "root/snippets/x-y.lua", GOOD);
	BUNDLE("no word of the language", "root/snippets/end.lua: a snippet is named",
	    "root/snippets/end.lua", GOOD);
	BUNDLE("no name at all", "a snippet is named", "root/snippets/_.lua", GOOD);
	memset(large, '-', sizeof(large) - 1);
	BUNDLE("a limit is named", "a snippet has 32 KiB at most", P, large);
	one = bundle("it is part of the revision", FILES(P, GOOD), NULL);
	two = bundle("another text", FILES(P, GOOD "-- x\n"), NULL);
	CHECK(!str_eq(bundle_rev(one), bundle_rev(two)));
	CHECK(!str_eq(one->snippets[0].version, two->snippets[0].version));
	CHECK_EQ_I(one->snippets[0].version.n, 12);
	CHECK_STR(one->snippets[0].file, P);
	bundle_free(&one);
	bundle_free(&two);
}

int
main(void)
{
	test_types();
	test_heads();
	test_files();
	return check_done();
}
