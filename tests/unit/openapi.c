/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi - documents as tools and calls as requests, above all those documents that are written
 * to hurt: every one of them is a tool list or a message with its place, soon, and never an end.
 */
#include "mcp/openapi.h"

#include <time.h>

#include "base/json.h"
#include "tests/unit/check.h"

#define HEAD     "{\"openapi\":\"3.0.3\",\"paths\":{"
#define DOCUMENT ((size_t)4 << 20)
#ifdef SANITIZED
#	define SLOW_MS 20000
#else
#	define SLOW_MS 3000 /* what is meant to hurt took minutes */
#endif

/* Of this process's work: what else the machine does is not counted. */
static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct openapi *
document(const char *paths, struct err *e)
{
	struct openapi *o;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, HEAD);
	buf_puts(&b, paths);
	buf_puts(&b, "}}");
	o = openapi_read("api.json", buf_str(&b), e);
	buf_fini(&b);
	return o;
}

static bool
refused(const char *paths, const char *words)
{
	struct err e = { 0 };
	struct openapi *o = document(paths, &e);
	bool ok = o == NULL && strstr(e.text, words) != NULL && strstr(e.text, "api.json:1:");

	if (!ok)
		printf("    it says: %s\n", o == NULL ? e.text : "(nothing)");
	openapi_free(&o);
	return ok;
}

static void
test_paths(void)
{
	struct openapi *o;
	struct err e;

	TEST("a path of the document stays below the address of the settings");
	CHECK(refused("\"/../admin\":{\"get\":{}}", "leads out of the API"));
	CHECK(refused("\"/a/..\":{\"get\":{}}", "leads out of the API"));
	CHECK(refused("\"/a/./b\":{\"get\":{}}", "leads out of the API"));
	CHECK(refused("\"/%2e%2E/admin\":{\"get\":{}}", "leads out of the API"));
	CHECK(refused("\"/a/.%2e/b\":{\"get\":{}}", "leads out of the API"));
	CHECK(refused("\"a\":{\"get\":{}}", "begins with /"));

	TEST("what is more than a path is left out");
	o = document("\"/a?k=1\":{\"get\":{}},\"/a b\":{\"get\":{}},\"/a#b\":{\"get\":{}},"
		     "\"/a\\\\b\":{\"get\":{}},\"/a\\nb\":{\"get\":{}},\"/..a/b..\":{\"get\":{}}",
	    &e);
	CHECK(o != NULL);
	if (o == NULL)
		return;
	CHECK_EQ_I(o->n, 1);
	CHECK_EQ_I(o->left_out, 5);
	CHECK_STR(o->operations[0].path, "/..a/b..");
	openapi_free(&o);
}

static void
test_names(void)
{
	static const char paths[] =
	    "\"/"
	    "a\":{\"post\":{\"parameters\":[{\"name\":\"body\",\"in\":\"query\",\"required\":true,"
	    "\"schema\":{\"type\":\"string\"}}],\"requestBody\":{\"required\":true,\"content\":"
	    "{\"application/json\":{\"schema\":{\"type\":\"object\"}}}}}}";
	struct str schema = STR(""), properties = STR(""), v = STR("");
	struct openapi_request r;
	struct openapi *o;
	struct err e;

	TEST("a parameter that is called body stands beside the body");
	o = document(paths, &e);
	CHECK(o != NULL);
	if (o == NULL)
		return;
	CHECK(json_get(o->operations[0].definition, STR("inputSchema"), &schema));
	CHECK(json_get(schema, STR("properties"), &properties));
	CHECK(json_get(properties, STR("body_parameter"), &v));
	CHECK_STR(v, "{\"type\":\"string\"}");
	CHECK(json_get(properties, STR("body"), &v));
	CHECK_STR(v, "{\"type\":\"object\"}");
	CHECK(openapi_request(&o->operations[0], STR("/v2"),
	    STR("{\"body_parameter\":\"p\",\"body\":{\"n\":1.50}}"), &r, &e));
	CHECK_STR(r.target, "/v2/a?body=p");
	CHECK_STR(r.body, "{\"n\":1.50}");
	openapi_request_fini(&r);

	TEST("a body that has to be there is asked for");
	CHECK(!openapi_request(
	    &o->operations[0], STR("/v2"), STR("{\"body_parameter\":\"p\"}"), &r, &e));
	CHECK_EQ_S(e.text, "argument body is missing");
	openapi_free(&o);
}

/* How long the document takes; it may be read or refused. */
static int64_t
read_ms(struct buf *b, struct err *e)
{
	int64_t start = now_ms();
	struct openapi *o;

	e->text[0] = '\0';
	CHECK(b->n < DOCUMENT);
	o = openapi_read("api.json", buf_str(b), e);
	openapi_free(&o);
	buf_fini(b);
	return now_ms() - start;
}

static void
test_sizes(void)
{
	struct err e;
	struct buf b;

	TEST("operations that are left out are counted, too");
	buf_init(&b, 0);
	buf_puts(&b, HEAD);
	for (int i = 0; i < 60000; i++)
		buf_printf(&b, "%s\"/%x\":{\"get\":{\"requestBody\":{\"required\":true}}}",
		    i > 0 ? "," : "", i);
	buf_puts(&b, "}}");
	CHECK(read_ms(&b, &e) < SLOW_MS);
	CHECK(strstr(e.text, "more than 500 operations") != NULL);

	TEST("a document of very many small values");
	buf_init(&b, 0);
	buf_puts(&b, HEAD "\"/a\":{\"get\":{\"x-a\":[");
	for (int i = 0; i < 1900000; i++)
		buf_puts(&b, "1,");
	buf_puts(&b, "1]}}}}");
	CHECK(read_ms(&b, &e) < SLOW_MS);
	CHECK(strstr(e.text, "too many values") != NULL);

	TEST("a parameter many times, for each verb");
	buf_init(&b, 0);
	buf_puts(
	    &b, HEAD "\"/a\":{\"get\":{},\"put\":{},\"post\":{},\"patch\":{},\"parameters\":[");
	for (int i = 0; i < 100000; i++)
		buf_printf(&b, "%s{\"$ref\":\"#/p\"}", i > 0 ? "," : "");
	buf_printf(&b, "]}},\"p\":{\"in\":\"query\",\"name\":\"%0128d\"}}", 1);
	CHECK(read_ms(&b, &e) < SLOW_MS);
	CHECK(strstr(e.text, "no operation can be a tool") != NULL);

	TEST("a path as long as a document");
	buf_init(&b, 0);
	buf_printf(&b, "openapi: 3.1.0\npaths:\n  ? /%02000d\n  : get: {}\n", 1);
	CHECK(read_ms(&b, &e) < SLOW_MS);
	CHECK(strstr(e.text, "no operation can be a tool") != NULL);
}

/* Operations that all lead to the list L, which holds `one` many times beside many other keys. */
static int64_t
maze_ms(const char *one, int times, int others, struct err *e)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, HEAD);
	for (int i = 0; i < 400; i++)
		buf_printf(&b,
		    "%s\"/%x\":{\"get\":{\"parameters\":[{\"name\":\"a\",\"in\":\"query\","
		    "\"schema\":{\"$ref\":\"#/c/L\"}}]}}",
		    i > 0 ? "," : "", i);
	buf_puts(&b, "},\"c\":{\"L\":{\"anyOf\":[");
	for (int i = 0; i < times; i++)
		buf_printf(&b, "%s%s", i > 0 ? "," : "", one);
	buf_puts(&b, "]},\"x\":{");
	for (int i = 0; i < others; i++)
		buf_printf(&b, "%s\"x-%x\":1", i > 0 ? "," : "", i);
	buf_puts(&b, "}");
	for (int i = 0; i < others; i++)
		buf_printf(&b, ",\"a%x\":1", i);
	buf_puts(&b, "}}");
	return read_ms(&b, e);
}

static void
test_mazes(void)
{
	struct err e;

	TEST("references that lead nowhere, to large maps, or into themselves end soon");
	CHECK(maze_ms("{\"$ref\":\"#/c/zz\"}", 18000, 90000, &e) < SLOW_MS);
	CHECK(maze_ms("{\"$ref\":\"#/c/x\"}", 18000, 90000, &e) < SLOW_MS);
	CHECK(strstr(e.text, "api.json:1:") != NULL && strstr(e.text, "too much work") != NULL);
	CHECK(maze_ms("{\"$ref\":\"#/c/L\"}", 18000, 1, &e) < SLOW_MS);
	CHECK(maze_ms("1", 300000, 1, &e) < SLOW_MS);
}

int
main(void)
{
	test_paths();
	test_names();
	test_sizes();
	test_mazes();
	return check_done();
}
