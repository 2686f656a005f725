/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: what is learned of results, what a key that may be data becomes, what a restart knows. */
#include <stdlib.h>

#include "base/json.h"
#include "codemode/shape.h"
#include "codemode/type.h"
#include "tests/unit/check.h"

/* The type after these results (NULL ends), read back from what is kept when `again`. */
static void
shape_is(const char *want, const char *const *results, bool again)
{
	struct shape_tree t, u;
	struct buf schema, type;
	struct err e;

	shape_tree_init(&t);
	shape_tree_init(&u);
	buf_init(&schema, 0);
	buf_init(&type, 0);
	for (; *results != NULL; results++) {
		CHECK(json_check(str_of(*results), true, &e));
		shape_tree_see(&t, str_of(*results));
	}
	shape_tree_put(&t, &schema);
	CHECK(json_check(buf_str(&schema), true, &e));
	if (again) {
		shape_tree_read(&u, buf_str(&schema));
		buf_reset(&schema);
		shape_tree_put(&u, &schema);
	}
	type_put(&type, &(struct type_ask){
			    .schema = buf_str(&schema), .root = buf_str(&schema), .bytes = 2000 });
	CHECK_STR(buf_str(&type), want);
	buf_fini(&type);
	buf_fini(&schema);
	shape_tree_fini(&t);
	shape_tree_fini(&u);
}

#define SHAPE(want, ...)                                                                           \
	do {                                                                                       \
		shape_is(want, (const char *const[]){ __VA_ARGS__, NULL }, false);                 \
		shape_is(want, (const char *const[]){ __VA_ARGS__, NULL }, true);                  \
	} while (0)

static void
test_records(void)
{
	TEST("scalars");
	SHAPE("string", "\"a secret\"");
	SHAPE("integer", "7");
	SHAPE("number", "7", "7.5");
	SHAPE("integer|string", "7", "\"x\"", "null");
	TEST("records, what is not always there, what may be null");
	SHAPE("{id:integer, title:string}", "{\"id\":7,\"title\":\"x\"}");
	SHAPE("{id:integer, title:string, note?:string}", "{\"id\":7,\"title\":\"x\"}",
	    "{\"id\":8,\"title\":\"y\",\"note\":\"z\"}");
	SHAPE("{id:integer, by?:string}", "{\"id\":7,\"by\":null}", "{\"id\":8,\"by\":\"ana\"}");
	TEST("lists of records");
	SHAPE("{id:integer, tags:string[]}[]",
	    "[{\"id\":7,\"tags\":[]},{\"id\":8,\"tags\":[\"a\"]}]");
	SHAPE("any[]", "[]");
	SHAPE("{found:integer, notes:{id:integer, text:string}[]}",
	    "{\"found\":1,\"notes\":[{\"id\":1,\"text\":\"x\"}]}");
	TEST("a list or one of them");
	SHAPE("{id:integer, x:string}[]|{id:integer, x:string}", "[{\"id\":1,\"x\":\"\"}]",
	    "{\"id\":1,\"x\":\"\"}");
	TEST("fields that are alike are shown once they have stayed the same");
	SHAPE("table", "{\"title\":\"a\",\"body\":\"b\"}");
	SHAPE("{title:string, body:string}", "{\"title\":\"a\",\"body\":\"b\"}",
	    "{\"title\":\"c\",\"body\":\"d\"}", "{\"title\":\"e\",\"body\":\"f\"}");
	SHAPE("{title:string, body:string}[]",
	    "[{\"title\":\"a\",\"body\":\"b\"},{\"title\":\"a\",\"body\":\"b\"},{\"title\":\"a\","
	    "\"body\":\"b\"}]");
	SHAPE("table<string,string>", "{\"title\":\"a\",\"body\":\"b\"}",
	    "{\"title\":\"c\",\"body\":\"d\",\"x\":\"e\"}");
}

static void
test_data(void)
{
	TEST("keys that are data are not kept: addresses, ids, paths, dates, other alphabets");
	SHAPE("table<string,integer>", "{\"ana@acme.test\":3}");
	SHAPE("table<string,integer>", "{\"id\":1,\"bob@acme.test\":3}");
	SHAPE("table<string,string>", "{\"user-4711\":\"x\",\"name\":\"y\"}");
	SHAPE("table<string,boolean>", "{\"deadbeef01\":true}");
	SHAPE("table<string,boolean>", "{\"a1b2c3\":true}");
	SHAPE("table<string,integer>", "{\"/home/ana/x\":1}");
	SHAPE("table<string,integer>", "{\"2026-11-28\":1}");
	SHAPE("table<string,integer>", "{\"Größe\":1}");
	SHAPE("table<string,integer>", "{\"two words\":1}");
	SHAPE("table<string,integer>", "{\"\":1}");
	TEST("what was a record and shows data is none any more, for ever");
	SHAPE("table<string,integer|string>", "{\"id\":7,\"title\":\"x\"}",
	    "{\"id\":7,\"4711-0815\":\"x\"}", "{\"id\":7,\"title\":\"x\"}");
	TEST("names of people as keys: alike, and others each time");
	SHAPE("table<string,integer>", "{\"ana\":1,\"bob\":2}", "{\"ana\":1,\"cem\":2}");
	SHAPE("table<string,{mail:string, age:integer}>",
	    "{\"ana\":{\"mail\":\"x\",\"age\":1},\"bob\":{\"mail\":\"y\",\"age\":2}}",
	    "{\"dan\":{\"mail\":\"x\",\"age\":1},\"eve\":{\"mail\":\"y\",\"age\":2}}");
	TEST("many differing keys, even of differing types");
	SHAPE("table<string,integer|string>", "{\"a\":1,\"b\":\"x\"}", "{\"c\":1,\"d\":\"x\"}",
	    "{\"e\":1,\"f\":\"x\"}", "{\"g\":1,\"h\":\"x\"}", "{\"i\":1,\"j\":\"x\"}",
	    "{\"k\":1,\"l\":\"x\"}");
}

static void
test_bounds(void)
{
	struct shape_tree t;
	struct buf b, deep;

	TEST("one result cannot make a shape large");
	shape_tree_init(&t);
	buf_init(&b, 0);
	buf_init(&deep, 0);
	for (int i = 0; i < 20; i++) {
		buf_reset(&b);
		buf_putc(&b, '{');
		for (int j = 0; j < 20; j++)
			buf_printf(&b,
			    "%s\"k%c%c\":{\"a%c\":{\"b\":{\"c\":{\"d\":[1]}},\"e\":1},\"s\":\"\"}",
			    j > 0 ? "," : "", 'a' + i, 'a' + j, 'a' + j);
		buf_putc(&b, '}');
		shape_tree_see(&t, buf_str(&b));
	}
	for (int i = 0; i < 60; i++)
		buf_putc(&deep, '[');
	for (int i = 0; i < 60; i++)
		buf_putc(&deep, ']');
	shape_tree_see(&t, buf_str(&deep));
	buf_reset(&b);
	shape_tree_put(&t, &b);
	CHECK(b.n < 16000);
	CHECK(t.nodes <= 200);
	TEST("any object may be read as what was kept");
	shape_tree_read(
	    &t, STR("{\"anyOf\":[7,{\"type\":{}},{\"type\":\"object\",\"properties\":[1],"
		    "\"required\":{\"a\":1}},{\"type\":\"array\",\"items\":7}]}"));
	shape_tree_fini(&t);
	buf_fini(&deep);
	buf_fini(&b);
}

int
main(void)
{
	test_records();
	test_data();
	test_bounds();
	return check_done();
}
