/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - the scanner against a corpus of what RFC 8259 accepts and refuses, duplicate keys after
 * unescaping, the iterators, and json_fields() with the vector matcher of brackets against the same
 * with the plain one, on random documents, cut anywhere and with bytes changed.
 */
#include "base/json.c"

#include "tests/unit/check.h"

static struct err err;

static bool
accepts(struct str doc, bool unique)
{
	err_clear(&err);
	return json_check(doc, unique, &err);
}

static void
test_accepted(void)
{
	static const char *const good[] = { "null", "true", "false", "0", "-0", "1.5", "-1.5e+10",
		"1E9", "0e0", "0.0", "123456789012345678901234567890", "\"\"", "\"a\"", "[]", "{}",
		" \t\r\n[ \t\r\n] \t\r\n", "[1,2,3]", "{\"a\":1}", "{\"\":0}", "[[[]]]",
		"{\"a\":{\"b\":[{}]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0041\"",
		"\"\\u00e9\\uD834\\uDD1E\"", "\"\\u0000\"", "\"\\uffff\"", "\"\x7f\"",
		"\"\xc3\xa9\"", "\"\xe2\x82\xac\"", "\"\xf0\x9d\x84\x9e\"", "\"\xf4\x8f\xbf\xbf\"",
		"[1 , 2 ]", "{ \"a\" : 1 , \"b\" : 2 }", "[\"\\\\\",\"\\\"\"]", "[-1]", "[1e-2]" };

	TEST("what RFC 8259 allows is accepted");
	for (size_t i = 0; i < COUNT(good); i++)
		if (!CHECK(accepts(str_of(good[i]), true)))
			(void)printf("  %s: %s\n", good[i], err.text);
}

static void
test_refused(void)
{
	static const char *const bad[] = { "", " ", "nul", "nulll", "True", "NaN", "Infinity",
		"-Infinity", "undefined", "01", "-", "+1", "-01", "1.", ".5", "-.5", "1e", "1e+",
		"1.e1", "0x10", "1_000", "1 2", "\"", "\"a", "\"\\\"", "\"\\\\\\\"", "\"\\x41\"",
		"\"\\'\"", "\"\\u\"", "\"\\u12\"", "\"\\u123g\"", "\"\\u 123\"", "\"\\U0041\"",
		"\"\\ud800\"", "\"\\udc00\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
		"\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"", "\"\\udc00\\ud800\"", "\"\n\"",
		"\"\t\"", "\"\x1f\"", "'a'", "[", "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[,]",
		"[1 2]", "[1,,2]", "[1}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}",
		"{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1]", "{\"a\"::1}", "{:1}",
		"{\"a\":1}}", "[]]", "[] x", "[]//c", "/*c*/[]", "[1]#", "\xef\xbb\xbf[]", "\v[]",
		"\"\x80\"", "\"\xc0\xaf\"", "\"\xc3\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xff\"", "\xc2\xa0[]",
		"{\"\xff\":1}", "[\"a\":1]", "{\"a\",1}", "{null:1}", "[\\u0041]", "tru",
		"[fals]" };

	TEST("what it does not is refused, at a byte, for a reason");
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!CHECK(!accepts(str_of(bad[i]), false)))
			(void)printf("  %s\n", bad[i]);
		CHECK(strstr(err.text, "not valid JSON at byte ") == err.text);
		CHECK_EQ_I(err.code, ERR_INVALID);
	}
	CHECK(!accepts((struct str){ "[1]\0", 4 }, false));
	CHECK(!accepts((struct str){ "\"\0\"", 3 }, false));
	CHECK(!accepts(STR("[1, x]"), false));
	CHECK_EQ_S(err.text, "not valid JSON at byte 4: a value was expected");
}

static void
test_depth(void)
{
	char text[2 * JSON_DEPTH_MAX + 2], *mid = text + JSON_DEPTH_MAX;

	TEST("64 levels and no more");
	memset(text, '[', JSON_DEPTH_MAX);
	memset(mid, ']', JSON_DEPTH_MAX);
	CHECK(accepts((struct str){ text, (size_t)JSON_DEPTH_MAX * 2 }, true));
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(mid + 1, ']', JSON_DEPTH_MAX + 1);
	CHECK(!accepts((struct str){ text, sizeof(text) }, true));
	CHECK(strstr(err.text, "nested too deep (64 levels at most)") != NULL);
}

/* Every beginning of a document that is not the document is refused. */
static void
test_cut(void)
{
	struct str doc = STR("{\"a\\u0062\":[1.5e3,true,null,\"\xe2\x82\xac\\ud834\\udd1e\"],"
			     "\"c\":{\"d\":-0,\"e\":false}}");
	struct json_field f = { .name = STR("c") };

	TEST("every beginning of a document is refused");
	CHECK(accepts(doc, true) && json_fields(doc, &f, 1, &err));
	CHECK_STR(f.raw, "{\"d\":-0,\"e\":false}");
	for (size_t n = 0; n < doc.n; n++) {
		char *exact = mem_alloc(n); /* a byte further is seen by the sanitizer */

		memcpy(exact, doc.p, n);
		CHECK(!accepts((struct str){ exact, n }, true));
		CHECK(!json_fields((struct str){ exact, n }, &f, 1, &err));
		free(exact);
	}
}

static void
test_unique(void)
{
	static const char *const twice[] = { "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
		"{\"\\u0061\":1,\"\\u0061\":2}", "[{\"x\":{\"k\":1,\"b\":2,\"k\":3}}]",
		"{\"\":1,\"\":1}", "{\"\\/\":1,\"/\":2}",
		"{\"\\ud834\\udd1e\":1,\"\xf0\x9d\x84\x9e\":2}", "{\"\\n\":1,\"\\u000A\":2}" };
	static const char *const once[] = { "{\"a\":{\"a\":{\"a\":1}}}", "[{\"a\":1},{\"a\":1}]",
		"{\"a\":1,\"A\":2,\"a \":3}", "{\"a\":{\"b\":1},\"b\":{\"a\":1}}",
		"{\"a\":1,\"\\\\u0061\":2}" };
	struct json_field f[2] = { { .name = STR("a") }, { .name = STR("z") } };
	struct buf b;

	TEST("a key named twice is refused in every object, after unescaping");
	for (size_t i = 0; i < COUNT(twice); i++) {
		CHECK(!accepts(str_of(twice[i]), true) && accepts(str_of(twice[i]), false));
		CHECK(accepts(str_of(twice[i]), false));
	}
	for (size_t i = 0; i < COUNT(once); i++)
		CHECK(accepts(str_of(once[i]), true));
	CHECK(!json_fields(str_of(twice[0]), f, 2, &err));
	CHECK(!json_fields(str_of(twice[1]), f, 2, &err));
	CHECK(!json_fields(str_of(twice[2]), f, 2, &err));
	CHECK(json_fields(STR("{\"b\":1,\"b\":2,\"a\":{\"a\":1}}"), f, 2, &err));
	CHECK_STR(f[0].raw, "{\"a\":1}");
	CHECK(f[1].raw.p == NULL);

	TEST("the second of thousands is found too, also when its key is long");
	buf_init(&b, 0);
	buf_putc(&b, '{');
	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "\"%0300d\\u0061\":%d,", i, i);
	buf_printf(&b, "\"%0300d\\u0061\":1}", 5000);
	CHECK(accepts(buf_str(&b), true));
	b.n--;
	buf_printf(&b, ",\"%0300da\":1}", 2500);
	CHECK(!accepts(buf_str(&b), true));
	buf_fini(&b);
}

static void
test_values(void)
{
	static const struct {
		const char *raw, *text;
	} row[] = { { "\"plain\"", "plain" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
		{ "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
		{ "\"x\\ud834\\udd1ey\"", "x\xf0\x9d\x84\x9ey" },
		{ "\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf" }, { "\"\"", "" } };
	struct arena a;
	struct str s;
	int64_t n;
	bool b;

	TEST("strings, whole numbers and booleans");
	arena_init(&a, 4096);
	for (size_t i = 0; i < COUNT(row); i++) {
		CHECK(json_string(str_of(row[i].raw), &a, &s));
		CHECK_STR(s, row[i].text);
		CHECK(json_string_is(str_of(row[i].raw), str_of(row[i].text)));
		CHECK(!json_string_is(str_of(row[i].raw), STR("other")));
	}
	CHECK(json_string(STR("\"a\\u0000b\""), &a, &s));
	CHECK_MEM(s.p, s.n, "a\0b", 3);
	CHECK(!json_string(STR("12"), &a, &s) && !json_string(STR_NONE, &a, &s));
	CHECK_STR(json_text(STR("{\"a\":\"x\\ny\",\"n\":1}"), "a", &a), "x\ny");
	CHECK(json_text(STR("{\"a\":\"x\",\"n\":1}"), "n", &a).n == 0);
	CHECK(json_text(STR("{\"a\":\"x\"}"), "b", &a).n == 0 &&
	      json_text(STR("[]"), "a", &a).n == 0);
	CHECK(!json_string_is(STR("null"), STR("null")));
	CHECK(json_i64(STR("-9223372036854775808"), &n) && n == INT64_MIN);
	CHECK(json_i64(STR("-0"), &n) && n == 0);
	CHECK(!json_i64(STR("9223372036854775808"), &n) && !json_i64(STR("1.0"), &n));
	CHECK(!json_i64(STR("1e3"), &n) && !json_i64(STR("\"1\""), &n) && !json_i64(STR_NONE, &n));
	CHECK(json_bool(STR("true"), &b) && b && json_bool(STR("false"), &b) && !b);
	CHECK(!json_bool(STR("null"), &b) && !json_bool(STR("\"true\""), &b));
	arena_free(&a);
	arena_init(&a, 16); /* a string that does not fit is refused, not fatal */
	CHECK(!json_string(STR("\"\\n0123456789012345678901234567890123456789\""), &a, &s));
	arena_free(&a);
}

static void
test_iterators(void)
{
	struct str doc =
	    STR(" { \"a\" : [ 1 , \"],\\\"\" , { } ] , \"b\\u0063\" : { \"d\" : null } } ");
	struct str trimmed, key, value, got;
	struct json_iter it, in;

	TEST("iterators give the original bytes");
	CHECK(accepts(doc, true));
	trimmed = (struct str){ doc.p + 1, doc.n - 2 };
	CHECK(json_open(trimmed, &it) && it.object);
	CHECK(json_next(&it, &key, &value));
	CHECK_STR(key, "\"a\"");
	CHECK_STR(value, "[ 1 , \"],\\\"\" , { } ]");
	CHECK(json_open(value, &in) && !in.object);
	CHECK(json_next(&in, &key, &value) && key.n == 0);
	CHECK_STR(value, "1");
	CHECK(json_next(&in, &key, &value));
	CHECK_STR(value, "\"],\\\"\"");
	CHECK(json_next(&in, &key, &value));
	CHECK_STR(value, "{ }");
	CHECK(!json_next(&in, &key, &value) && !json_next(&in, &key, &value));
	CHECK(json_next(&it, &key, &value) && json_key_is(key, STR("bc")));
	CHECK(json_get(value, STR("d"), &got));
	CHECK_STR(got, "null");
	CHECK(!json_next(&it, &key, &value));
	CHECK(json_get(trimmed, STR("bc"), &got) && !json_get(trimmed, STR("d"), &got));
	CHECK(!json_get(STR("[1]"), STR("a"), &got) && !json_open(STR("\"x\""), &it));
	CHECK(json_open(STR("{}"), &it) && !json_next(&it, &key, &value));
	CHECK(json_open(STR("[]"), &it) && !json_next(&it, &key, &value));
}

static void
test_kinds(void)
{
	static const struct {
		const char *raw;
		enum json_kind kind;
	} row[] = { { "", JSON_BAD }, { "null", JSON_NULL }, { "false", JSON_FALSE },
		{ "true", JSON_TRUE }, { "0", JSON_NUMBER }, { "-1", JSON_NUMBER },
		{ "9", JSON_NUMBER }, { "\"\"", JSON_STRING }, { "[]", JSON_ARRAY },
		{ "{}", JSON_OBJECT }, { "+", JSON_BAD }, { "]", JSON_BAD }, { ":", JSON_BAD } };

	TEST("kinds");
	for (size_t i = 0; i < COUNT(row); i++)
		CHECK_EQ_I(json_kind(str_of(row[i].raw)), row[i].kind);
}

/* ---- the vector path against a plain one ---- */

/* Written again from the definition: what follows the closing bracket, or NULL.  *wild: a
 * backslash stands outside of strings, where no parser goes on, and the matchers may differ. */
static const char *
brackets_model(const char *p, const char *end, bool *wild)
{
	bool string = false;
	long depth = 1;

	for (*wild = false; p < end; p++) {
		if (*p == '\\') {
			*wild |= !string;
			p++;
		} else if (*p == '"')
			string = !string;
		else if (!string && (*p == '{' || *p == '['))
			depth++;
		else if (!string && (*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
	}
	return NULL;
}

static void
random_string(struct buf *b)
{
	static const char *const parts[] = { "\\\\", "\\\"", "{", "}", "[", "]", "x", "\\n", ":",
		",", "\\u0061", "\xc3\xa9", "                                        " };

	buf_putc(b, '"');
	for (int n = rand() % 12; n > 0; n--)
		buf_puts(b, parts[(size_t)rand() % COUNT(parts)]);
	buf_putc(b, '"');
}

/* Bounded by depth. */
static void
random_value(struct buf *b, int depth)
{
	static const char *const words[] = { "null", "true", "-1.5e3", "0", "false" };
	int n = rand() % 5, kind = rand() % 5;

	if (depth == 0 || kind < 2) {
		if (kind == 0)
			buf_puts(b, words[(size_t)rand() % COUNT(words)]);
		else
			random_string(b);
		return;
	}
	buf_putc(b, kind == 2 ? '{' : '[');
	for (int i = 0; i < n; i++) {
		buf_puts(b, i > 0 ? (rand() % 2 ? "," : " ,\n ") : "");
		if (kind == 2)
			buf_printf(b, "\"k%d\\\"\":%s", i, rand() % 2 ? " " : "");
		random_value(b, depth - 1);
	}
	buf_putc(b, kind == 2 ? '}' : ']');
}

static void
random_document(struct buf *b)
{
	static const char *const keys[] = { "model", "mod\\u0065l", "max_tokens", "stream",
		"messages" };

	buf_reset(b);
	buf_putc(b, '{');
	for (int i = 0, n = rand() % 6; i < n; i++) {
		if (i > 0)
			buf_putc(b, ',');
		if (rand() % 2)
			buf_printf(b, "\"%s\":", keys[(size_t)rand() % COUNT(keys)]);
		else
			buf_printf(b, "\"other%d\" : ", i);
		random_value(b, 5);
	}
	buf_putc(b, '}');
}

static bool
same_brackets(struct str doc)
{
	const char *end = doc.p + doc.n, *want;
	bool string = false, wild;

	for (const char *p = doc.p; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '"')
			string = !string;
		if (p >= end || string || (*p != '{' && *p != '['))
			continue;
		want = brackets_model(p + 1, end, &wild);
		if (!wild && json_brackets()(p + 1, end) != want)
			return false;
	}
	return true;
}

/* fields_scan() with the model in place of the vectors: the same members or a refusal too; and
 * whatever json_check() accepts, json_fields() reads as json_get() does. */
static bool
same_fields(struct str doc)
{
	struct json_field f[3] = { { .name = STR("model") }, { .name = STR("stream") },
		{ .name = STR("max_tokens") } };
	struct json_iter it;
	struct str key, value;
	bool ok = json_fields(doc, f, 3, &err);
	size_t seen[3] = { 0 };

	if (!accepts(doc, false))
		return true; /* json_fields() looks at the top level only */
	if (!json_open(doc, &it) || !it.object)
		return !ok;
	while (json_next(&it, &key, &value))
		for (size_t i = 0; i < 3; i++) {
			if (!json_key_is(key, f[i].name))
				continue;
			seen[i]++;
			if (ok && (f[i].raw.p != value.p || f[i].raw.n != value.n))
				return false;
		}
	for (size_t i = 0; i < 3; i++) {
		if (ok && (seen[i] > 1 || (f[i].raw.p != NULL) != (seen[i] == 1)))
			return false;
	}
	return ok || seen[0] > 1 || seen[1] > 1 || seen[2] > 1;
}

static void
mutate(struct buf *b)
{
	static const char bytes[] = "\"\\{}[],: x\n\xff";

	for (int n = rand() % 4; n >= 0 && b->n > 0; n--) {
		size_t at = (size_t)rand() % b->n;

		if (rand() % 3 == 0) {
			memmove(b->p + at, b->p + at + 1, b->n - at - 1);
			b->n--;
		} else {
			b->p[at] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
		}
	}
}

static void
test_differential(void)
{
	long fit = 0, unfit = 0, bad = 0;
	struct buf b;

	TEST("the vector matcher, the plain definition and the iterators agree");
	srand(5);
	buf_init(&b, 0);
	for (int i = 0; i < 4000; i++) {
		random_document(&b);
		CHECK(accepts(buf_str(&b), false));
		CHECK(same_brackets(buf_str(&b)) && same_fields(buf_str(&b)));
		for (int k = 0; k < 4; k++) {
			mutate(&b);
			bad += !same_brackets(buf_str(&b)) || !same_fields(buf_str(&b));
			if (accepts(buf_str(&b), false))
				fit++;
			else
				unfit++;
		}
	}
	CHECK_EQ_I(bad, 0);
	CHECK(fit > 300 && unfit > 3000);
	buf_fini(&b);
}

static void
test_aligned(void)
{
	char text[400];

	bool wild;

	TEST("a quote, a backslash and a bracket at every place of a block");
	for (size_t at = 0; at < 200; at++)
		for (size_t run = 0; run < 6; run++) {
			struct str s = { text, at + run + 90 };

			memset(text, ' ', sizeof(text));
			text[0] = '[';
			text[1] = '"';
			memset(text + 2 + at, '\\', run);
			text[2 + at + run] = '"';
			text[3 + at + run] = ']';
			text[70 + at + run] = '"';
			text[71 + at + run] = ']';
			CHECK(json_brackets()(text + 1, text + s.n) ==
			      brackets_model(text + 1, text + s.n, &wild));
		}
}

int
main(void)
{
	test_accepted();
	test_refused();
	test_depth();
	test_cut();
	test_unique();
	test_values();
	test_iterators();
	test_kinds();
	test_differential();
	test_aligned();
	return check_done();
}
