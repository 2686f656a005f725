/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's codec in this process, under whatever sanitizer is on: rows for what each text
 * becomes, and 30,000 drawn documents that must come back byte for byte.  Nothing of base/ is
 * linked: it has a json_open(), too.
 */
#include <stdlib.h>

#include "sandbox/worker/blob.c"
#include "sandbox/worker/codec.c"
#include "sandbox/worker/encode.c"
#include "tests/unit/check.h"

struct vm vm = { .fd = -1 };
static lua_State *lua;
static char error_text[400];

_Noreturn void
vm_end(enum sandbox_end end, const char *text)
{
	printf("vm_end(%d): %s\n", (int)end, text);
	exit(1);
}

static int
put_it(lua_State *L)
{
	out_reset((size_t)1 << 20);
	json_put(L, 1, (enum json_for)lua_tointeger(L, 2));
	out_put("", 1);
	return 0;
}

/* The value on top, popped, as text; NULL: error_text says why not. */
static const char *
encoded(enum json_for how)
{
	lua_pushcfunction(lua, put_it);
	lua_insert(lua, -2);
	lua_pushinteger(lua, how);
	if (lua_pcall(lua, 2, 0, 0) == LUA_OK)
		return vm.out.over ? "too large" : vm.out.p;
	(void)snprintf(error_text, sizeof(error_text), "%s", lua_tostring(lua, -1));
	lua_pop(lua, 1);
	return NULL;
}

/* Text in, text out; "byte N" where it is no JSON. */
static const char *
through(const char *text, enum json_for how)
{
	static char where[40];
	int top = lua_gettop(lua);
	const char *out;
	size_t bad;

	if (!json_push(lua, text, strlen(text), &bad)) {
		CHECK_EQ_I(lua_gettop(lua), top);
		(void)snprintf(where, sizeof(where), "byte %zu", bad);
		return where;
	}
	CHECK_EQ_I(lua_gettop(lua), top + 1);
	out = encoded(how);
	CHECK_EQ_I(lua_gettop(lua), top);
	return out != NULL ? out : error_text;
}

static const char *
script(const char *source, enum json_for how)
{
	const char *out;

	if (luaL_loadbuffer(lua, source, strlen(source), "=t") != LUA_OK ||
	    lua_pcall(lua, 0, 1, 0) != LUA_OK) {
		(void)snprintf(error_text, sizeof(error_text), "%s", lua_tostring(lua, -1));
		lua_pop(lua, 1);
		return error_text;
	}
	out = encoded(how);
	return out != NULL ? out : error_text;
}

static void
test_texts(void)
{
	static const struct {
		const char *in, *out;
	} rows[] = { { " { \"b\" : 1 , \"a\" : [ ] } ", "{\"a\":[],\"b\":1}" },
		{ "{\"a\":null,\"b\":{\"c\":null}}", "{\"a\":null,\"b\":{\"c\":null}}" },
		{ "[null,[null]]", "[null,[null]]" }, { "{\"a\":1,\"a\":null}", "{\"a\":null}" },
		{ "{\"a\":null,\"a\":1}", "{\"a\":1}" },
		{ "-9223372036854775808", "-9223372036854775808" },
		{ "9223372036854775808", "\"9223372036854775808\"" }, { "-0", "0" }, { "1.0", "1" },
		{ "1e2", "100" }, { "1e400", "\"1e400\"" }, { "0.1", "0.1" },
		{ "1.7976931348623157e308", "1.7976931348623157e+308" },
		{ "5e-324", "4.94065645841247e-324" },
		{ "\"\\ud83d\\ude00\\u20ac\\/\"", "\"\xf0\x9f\x98\x80\xe2\x82\xac/\"" },
		{ "\"\\ud83d\"", "\"\xef\xbf\xbd\"" },
		{ "\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd"
					"A\"" },
		{ "\"\\udc00\"", "\"\xef\xbf\xbd\"" }, { "\"a\xff\"", "\"a\xef\xbf\xbd\"" },
		{ "\"\xc0\xaf\"", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\"\xed\xa0\x80\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "{\"\xff\":1}", "a key is not UTF-8" },
		{ "#{\"ref\":\"1.0\",\"label\":\"<x 1 B #1>\"}", "\"<x 1 B #1>\"" },
		{ "01", "byte 0" }, { "[1,]", "byte 3" }, { "{\"a\":1,}", "byte 7" },
		{ "[1 2]", "byte 3" }, { "\"a", "byte 2" }, { "\"\\x\"", "byte 2" },
		{ "\"\\u12g4\"", "byte 5" }, { "\"\t\"", "byte 1" }, { "nul", "byte 0" },
		{ "1.", "byte 0" }, { "- 1", "byte 0" }, { "#1", "byte 1" }, { "", "byte 0" },
		{ "1 1", "byte 2" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		TEST(rows[i].in);
		CHECK_EQ_S(through(rows[i].in, JSON_TEXT), rows[i].out);
	}
}

static void
test_purposes(void)
{
	TEST("an empty table, a handle and a NUL depend on who reads them");
	CHECK_EQ_S(script("return {}", JSON_TEXT), "[]");
	CHECK_EQ_S(script("return {}", JSON_RETURN), "[]");
	CHECK_EQ_S(script("return {}", JSON_STATE), "{}");
	CHECK_EQ_S(script("return {a={}}", JSON_CALL), "{\"a\":{}}");
	CHECK_EQ_S(script("return array{}", JSON_CALL), "[]");
	CHECK_EQ_S(through("#{\"ref\":\"7.ab\"}", JSON_CALL), "\"\\u0000#7.ab\"");
	CHECK_EQ_S(through("[#{\"ref\":\"7.ab\"}]", JSON_RETURN), "[\"\\u0000#7.ab\"]");
	CHECK_EQ_S(through("#{\"ref\":\"7.ab\"}", JSON_STATE), "\"?\"");
	CHECK_EQ_S(through("#{\"ref\":\"0123456789012345678901234567890123456789\"}", JSON_CALL),
	    "\"\\u0000#01234567890123456789012345678901\"");
	CHECK_EQ_S(through("\"\\u0000#7.ab\"", JSON_CALL), "\"\\u0000\\u0000#7.ab\"");
	CHECK_EQ_S(through("\"\\u0000\"", JSON_RETURN), "\"\\u0000\\u0000\"");
	CHECK_EQ_S(through("\"\\u0000\"", JSON_TEXT), "\"\\u0000\"");
	CHECK_EQ_S(through("\"a\\u0000\"", JSON_CALL), "\"a\\u0000\"");
	TEST("only the gateway can write a handle");
	CHECK_EQ_S(script("return json.decode('#{\"ref\":\"1\"}')", JSON_TEXT),
	    "t:1: json.decode: not JSON at byte 1");
}

static void
test_refusals(void)
{
	TEST("what JSON cannot say is told with its place");
	CHECK_EQ_S(script("return 0/0", JSON_TEXT), "JSON has no number for nan");
	CHECK_EQ_S(
	    script("return {a={1, {b=1/0}}}", JSON_TEXT), "JSON has no number for inf (at a[2].b)");
	CHECK_EQ_S(script("local t = {} t.x = {t} return {t}", JSON_TEXT),
	    "JSON cannot hold a table that contains itself (at [1].x[1])");
	CHECK_EQ_S(script("local t = {1} return {t, t}", JSON_TEXT), "[[1],[1]]");
	CHECK_EQ_S(script("return {[1.5]=1}", JSON_TEXT), "JSON cannot have a fraction as a key");
	CHECK_EQ_S(script("return {[true]=1}", JSON_TEXT), "JSON cannot have a boolean as a key");
	CHECK_EQ_S(
	    script("return {[2^53]=1, [-1]=2}", JSON_TEXT), "{\"-1\":2,\"9007199254740992\":1}");
	CHECK_EQ_S(script("return {1, [3]=3}", JSON_TEXT), "{\"1\":1,\"3\":3}");
	CHECK_EQ_S(script("return {1, x=2}", JSON_TEXT), "{\"1\":1,\"x\":2}");
	CHECK_EQ_S(script("local t = array{} t[3] = 1 return t", JSON_TEXT), "[null,null,1]");
	CHECK_EQ_S(
	    script("local t = array{} t[1000000] = 1 return t", JSON_TEXT), "{\"1000000\":1}");
	CHECK_EQ_S(script("return string.rep('x', 1 << 20)", JSON_TEXT), "too large");
	CHECK_EQ_S(script("local t = {} for i = 1, 70 do t = {t} end return t", JSON_TEXT),
	    "nested deeper than 64 levels "
	    "(at [1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1][1]"
	    "[1][1][1][1][1][1][1][1][1][1][1][1][1]...)");
	CHECK_EQ_S(script("local s = string.rep('[', 64) .. string.rep(']', 64) "
			  "return json.encode(json.decode(s)) == s",
		       JSON_TEXT),
	    "true");
	CHECK_EQ_S(script("json.decode(string.rep('[', 65) .. string.rep(']', 65))", JSON_TEXT),
	    "t:1: json.decode: not JSON at byte 65");
}

/* ---- drawn documents, in the form that the encoder writes ---- */

static uint64_t seed = 20261128;
static uint32_t
draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static char drawn[1 << 16];
static size_t drawn_n;
static void
add(const char *s)
{
	size_t n = strlen(s);

	memcpy(drawn + drawn_n, s, n + 1);
	drawn_n += n;
}

static void
draw_scalar(void)
{
	static const char *const some[] = { "true", "false", "null", "0", "-1", "0.5", "-2.25",
		"9223372036854775807", "1e+300", "\"\"", "\"x\"", "\"\\u0000\"", "\"\\\"\\\\\\n\"",
		"\"\xc3\xa9\"", "\"\xf0\x9f\x98\x80\"", "\"12\"", "\"null\"", "\"\x7f\"" };

	add(some[draw(sizeof(some) / sizeof(*some))]);
}

/* Bounded by depth. */
static void
draw_value(int depth)
{
	uint32_t n = 1 + draw(4);
	char key[16];

	switch (depth > 5 ? 2 : draw(4)) {
	case 0:
		add("[");
		for (uint32_t i = 0; i < n; i++) {
			add(i > 0 ? "," : "");
			draw_value(depth + 1);
		}
		add("]");
		return;
	case 1:
		add("{");
		for (uint32_t i = 0; i < n; i++) {
			(void)snprintf(key, sizeof(key), "%s\"k%u\":", i > 0 ? "," : "", i);
			add(key);
			draw_value(depth + 1);
		}
		add("}");
		return;
	default:
		draw_scalar();
	}
}

static void
test_round_trip(void)
{
	int wrong = 0;

	TEST("30,000 drawn documents come back byte for byte");
	for (int i = 0; i < 30000 && wrong < 3; i++) {
		drawn_n = 0;
		draw_value(0);
		if (strcmp(through(drawn, JSON_TEXT), drawn) != 0) {
			CHECK_EQ_S(through(drawn, JSON_TEXT), drawn);
			wrong++;
		}
	}
	CHECK_EQ_I(wrong, 0);
}

static void
test_damaged(void)
{
	static char first[1 << 16];
	int read = 0;

	TEST("damaged documents are refused, or come to rest");
	for (int i = 0; i < 30000; i++) {
		size_t bad;
		const char *out;

		drawn_n = 0;
		draw_value(0);
		for (uint32_t k = 1 + draw(3); k > 0; k--)
			drawn[draw((uint32_t)drawn_n)] = "[]{},:\"\\#0u n\xff"[draw(14)];
		if (!json_push(lua, drawn, drawn_n, &bad)) {
			CHECK(bad <= drawn_n);
			continue;
		}
		read++;
		out = encoded(JSON_TEXT);
		if (out == NULL)
			continue; /* a key that is not UTF-8 */
		(void)snprintf(first, sizeof(first), "%s", out);
		CHECK_EQ_S(through(first, JSON_TEXT), first);
	}
	CHECK(read > 1000);
	CHECK_EQ_I(lua_gettop(lua), 0);
}

int
main(void)
{
	lua = luaL_newstate();
	luaL_openlibs(lua);
	json_open(lua);
	test_texts();
	test_purposes();
	test_refusals();
	test_round_trip();
	test_damaged();
	lua_close(lua);
	free(vm.out.p);
	return check_done();
}
