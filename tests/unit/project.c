/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project - what a list shows of a condition: the schema and the line, byte for byte.
 */
#include "policies/bundle.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

/* The definition that a/t has for a key under these rules. */
static void
shown(const char *rules, const char *definition, const char *want)
{
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir };
	struct subject s;
	struct bundle *b;
	struct buf text;
	struct err e;

	buf_init(&text, 0);
	buf_printf(&text, "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n%s", rules);
	folder_put(dir, "root/p.yaml", buf_cstr(&text));
	b = bundle_load(&src, NULL, &e);
	if (!CHECK(b != NULL)) {
		printf("%s\n", e.text);
		return;
	}
	ASSERT(subject_resolve(b, STR(""), STR(""), STR(""), STR("k"), &s, &e));
	buf_reset(&text);
	project(b, &s, STR("a/t"), str_of(definition), &text);
	CHECK_STR(buf_str(&text), want);
	CHECK(json_check(buf_str(&text), false, &e));
	bundle_unref(&b);
	buf_fini(&text);
	folder_drop(&dir);
}

#define WHEN(tests)    "  - allow: a/t\n    when: { " tests " }\n"
#define SCHEMA(s)      "{\"name\":\"x\",\"inputSchema\":" s "}"
#define SHOWN(s, line) "{\"name\":\"x\",\"inputSchema\":" s ",\"description\":\"Policy: " line "\"}"

int
main(void)
{
	TEST("without conditions nothing changes");
	shown("  - allow: a/t\n", SCHEMA("{ \"type\":\"object\" }"),
	    SCHEMA("{ \"type\":\"object\" }"));
	TEST("a path, merged into its property, and required");
	shown(WHEN("path: { under: /repo }"),
	    "{\"description\":\"Reads \\\"it\\\".\",\"inputSchema\":{\"type\":\"object\","
	    "\"properties\":{\"path\":{\"type\":\"string\"},\"n\":{}}}}",
	    "{\"description\":\"Reads \\\"it\\\".\\nPolicy: path must be under /repo\","
	    "\"inputSchema\":{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\","
	    "\"pattern\":\"^(?:/repo)(?:/|$)\"},\"n\":{}},\"required\":[\"path\"]}}");
	TEST("values: a list narrows the server's own");
	shown(WHEN("env: { in: [dev, 2, null] }"),
	    SCHEMA("{\"properties\":{\"env\":{\"enum\":[\"dev\",\"prod\"]}},"
		   "\"required\":[\"env\"]}"),
	    SHOWN("{\"properties\":{\"env\":{\"enum\":[\"dev\",2,null]}},\"required\":[\"env\"]}",
		"env must be one of dev, 2, null"));
	TEST("numbers: the narrower bound stays");
	shown(WHEN("n: { min: 5, max: 50 }"),
	    SCHEMA("{\"properties\":{\"n\":{\"minimum\":7,\"maximum\":100}}}"),
	    SHOWN("{\"properties\":{\"n\":{\"minimum\":7,\"maximum\":50}},\"required\":[\"n\"]}",
		"n must be at least 5 and n must be at most 50"));
	TEST("not, and an argument that may be left out");
	shown(WHEN("x: { not: prod }"), SCHEMA("{}"),
	    SHOWN("{\"properties\":{\"x\":{\"not\":{\"enum\":[\"prod\"]}}},\"required\":[]}",
		"x must not be prod"));
	TEST("items, within each other");
	shown(WHEN("l: { each: { not: { matches: \"^sec-.*\" } }, max_items: 3 }"), SCHEMA("{}"),
	    SHOWN("{\"properties\":{\"l\":{\"maxItems\":3,\"items\":{\"not\":{\"pattern\":"
		  "\"^sec-.*\"}}}},\"required\":[\"l\"]}",
		"each of l must not match ^sec-.* and l must have at most 3 items"));
	TEST("what has no keyword is told in words alone");
	shown(WHEN("u: { not: { host_in: [x.org] } }"), SCHEMA("{}"),
	    SHOWN("{\"properties\":{\"u\":{}},\"required\":[]}", "u must not be a URL of x.org"));
	TEST("a glob's letters are only letters");
	shown(WHEN("g: { glob: \"{a.b,c+*}\" }"), SCHEMA("{}"),
	    SHOWN("{\"properties\":{\"g\":{\"pattern\":\"^(?:a\\\\.b|c\\\\+[\\\\s\\\\S]*)$\"}},"
		  "\"required\":[\"g\"]}",
		"g must match {a.b,c+*}"));
	TEST("only these keys, and one that must be absent");
	shown(WHEN("only_keys: [a, b]"),
	    SCHEMA("{\"properties\":{\"a\":{},\"c\":{}},\"additionalProperties\":true}"),
	    SHOWN("{\"properties\":{\"a\":{},\"c\":false,\"b\":{}},\"required\":[],"
		  "\"additionalProperties\":false}",
		"the arguments must have no other members than a, b"));
	shown(WHEN("f: { absent: true }"), SCHEMA("{}"),
	    SHOWN("{\"properties\":{\"f\":{\"not\":{}}},\"required\":[]}", "f must be absent"));
	TEST("several ways to be allowed narrow no schema, but are told");
	shown(WHEN("a: { equals: 1 }") WHEN("b: { equals: 2 }"), SCHEMA("{}"),
	    SHOWN("{}", "allowed when a is 1, or when b is 2"));
	TEST("a deny is told");
	shown("  - allow: a/*\n  - deny: any/t\n    reason: r\n    when: { p: { under: /etc } }\n",
	    SCHEMA("{}"), SHOWN("{}", "refused when p is under /etc"));
	return check_done();
}
