/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - the strict subset: what is read, what is refused and where the message points, and the
 * limits of depth, size and number of keys.
 */
#include "base/yaml.h"

#include <stdlib.h>
#include <time.h>

#include "tests/unit/check.h"

static struct arena arena;

static struct yaml *
read_text(struct str text, struct err *e)
{
	arena_free(&arena);
	arena_init(&arena, text.n * 160 + 4096);
	err_clear(e);
	return yaml_parse(&arena, "f.yaml", text, e);
}

static struct yaml *
good(const char *text)
{
	struct err e;
	struct yaml *y = read_text(str_of(text), &e);

	CHECK_EQ_S(e.text, "");
	ASSERT(y != NULL);
	return y;
}

static const struct {
	const char *text, *why;
} refused[] = {
	{ "a: &x 1\nb: 2\n", "f.yaml:1:4: anchors are not allowed (write it out)" },
	{ "a: 1\nb: &x [1]\n", "f.yaml:2:4: anchors are not allowed (write it out)" },
	{ "a: &x {b: 1}\n", "f.yaml:1:4: anchors are not allowed (write it out)" },
	{ "&k a: 1\n", "f.yaml:1:1: anchors are not allowed (write it out)" },
	{ "a: 1\nb: *a\n", "f.yaml:2:4: aliases are not allowed (write it out)" },
	{ "*a : 1\n", "f.yaml:1:1: aliases are not allowed (write it out)" },
	{ "<<: *base\n", "f.yaml:1:5: aliases are not allowed (write it out)" },
	{ "a: !!int 1\n", "f.yaml:1:4: tags are not allowed (remove it)" },
	{ "a: !x [1]\n", "f.yaml:1:4: tags are not allowed (remove it)" },
	{ "a: !x {b: 1}\n", "f.yaml:1:4: tags are not allowed (remove it)" },
	{ "!!str a: 1\n", "f.yaml:1:1: tags are not allowed (remove it)" },
	{ "a: ! \"x\"\n", "f.yaml:1:4: tags are not allowed (remove it)" },
	{ "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: key \"a\" stands twice (first in line 1)" },
	{ "a: 1\n\"a\": 2\n", "f.yaml:2:1: key \"a\" stands twice (first in line 1)" },
	{ "a: 1\n\"\\x61\": 2\n", "f.yaml:2:1: key \"a\" stands twice (first in line 1)" },
	{ "x:\n  - {k: 1,\n     k: 2}\n", "f.yaml:3:6: key \"k\" stands twice (first in line 2)" },
	{ "a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document is not allowed" },
	{ "? [a]\n: 1\n",
	    "f.yaml:1:3: a key must be plain text (quote a pattern that begins with { [ or *)" },
	{ "{ {a: 1}: 2 }\n",
	    "f.yaml:1:3: a key must be plain text (quote a pattern that begins with { [ or *)" },
	{ "a: \"x\\0y\"\n", "f.yaml:1:4: a NUL byte is not allowed" },
	{ "a: 1\n\"k\\0\": 1\n", "f.yaml:2:1: a NUL byte is not allowed" },
};

static void
test_refused(void)
{
	struct err e;

	TEST("what is not of the subset is refused by name, at its place");
	for (size_t i = 0; i < COUNT(refused); i++) {
		CHECK(read_text(str_of(refused[i].text), &e) == NULL);
		CHECK_EQ_S(e.text, refused[i].why);
		CHECK_EQ_I(e.code, ERR_INVALID);
	}
}

static void
test_broken(void)
{
	static const struct {
		const char *text, *at;
	} broken[] = { { "a: [1, 2\n", "f.yaml:2:1: " }, { "a: 1\n b: 2\n", "f.yaml:2:3: " },
		{ "a: \"open\n", "f.yaml:2:1: " }, { "a:\n\t- 1\n", "f.yaml:2:1: " },
		{ "a: 1\n}\n", "f.yaml:2:1: " }, { "k: @x\n", "f.yaml:1:4: " },
		{ "a: \x01\n", "f.yaml:1:1: " }, { "a: b: c\n", "f.yaml:1:5: " },
		{ "a: 'x' y\n", "f.yaml:1:8: " }, { "%YAML 9.9\n---\na: 1\n", "f.yaml:1:1: " } };
	struct err e;

	TEST("what is not YAML is refused, and the message begins with the place");
	for (size_t i = 0; i < COUNT(broken); i++) {
		CHECK(read_text(str_of(broken[i].text), &e) == NULL);
		if (!CHECK(str_starts(str_of(e.text), str_of(broken[i].at))))
			(void)printf("  %s\n  got %s\n", broken[i].text, e.text);
	}
}

static void
test_tree(void)
{
	struct yaml *y = good("version: 1\n"
			      "rules:\n"
			      "  - allow: \"notes/*\"\n"
			      "  - deny:  notes/x  # why\n"
			      "empty:\n"
			      "text: |\n"
			      "  one\n"
			      "  two\n");
	struct yaml *rules = yaml_get(y, "rules"), *first;

	TEST("a tree in the order of the file, with places");
	CHECK(y->kind == YAML_MAP && y->n == 4 && y->line == 1 && y->column == 1);
	CHECK_STR(y->kids->key, "version");
	CHECK_STR(y->kids->text, "1");
	CHECK(y->kids->key_line == 1 && y->kids->key_column == 1 && y->kids->column == 10);
	CHECK(rules != NULL && rules->kind == YAML_LIST && rules->n == 2 && rules->line == 3);
	first = rules->kids;
	CHECK(first->kind == YAML_MAP && first->kids->quoted);
	CHECK_STR(first->kids->text, "notes/*");
	CHECK(first->next->next == NULL);
	CHECK_STR(first->next->kids->text, "notes/x");
	CHECK(first->next->kids->line == 4 && first->next->kids->column == 12);
	CHECK(first->next->kids->key_column == 5);
	CHECK(yaml_get(y, "empty")->kind == YAML_NULL);
	CHECK_STR(yaml_get(y, "text")->text, "one\ntwo\n");
	CHECK(yaml_get(y, "absent") == NULL && yaml_get(NULL, "a") == NULL);
	CHECK(yaml_get(rules, "allow") == NULL);
}

static void
test_nothing(void)
{
	struct yaml *y;

	TEST("an empty file is an empty map; null is told from text");
	y = good("");
	CHECK(y->kind == YAML_MAP && y->n == 0 && y->line == 1 && y->column == 1);
	CHECK(good("# only a comment\n")->kind == YAML_MAP);
	CHECK(good("~\n")->kind == YAML_NULL && good("null\n")->kind == YAML_NULL);
	CHECK(good("\"null\"\n")->kind == YAML_SCALAR && good("''\n")->kind == YAML_SCALAR);
	CHECK(good("Null\n")->kind == YAML_SCALAR);
	CHECK(good("[]\n")->kind == YAML_LIST);
}

static struct yaml *
nested(int levels, struct err *e)
{
	char text[256];

	memset(text, '[', (size_t)levels);
	memset(text + levels, ']', (size_t)levels);
	return read_text((struct str){ text, (size_t)levels * 2 }, e);
}

static void
test_limits(void)
{
	size_t over = ((size_t)4 << 20) + 1;
	char *big = mem_alloc(over);
	struct err e;

	TEST("32 levels are read, 33 are not");
	CHECK(nested(32, &e) != NULL);
	CHECK(nested(33, &e) == NULL);
	CHECK_EQ_S(e.text, "f.yaml:1:33: nested too deep (32 levels at most)");

	TEST("4 MiB are read, one byte more is not");
	memset(big, '#', over);
	CHECK(read_text((struct str){ big, over - 1 }, &e) != NULL);
	CHECK(read_text((struct str){ big, over }, &e) == NULL);
	CHECK_EQ_S(e.text, "f.yaml:1:1: the file is over 4 MiB");
	free(big);
}

static void
test_many_keys(void)
{
	clock_t from = clock();
	struct buf text;
	struct err e;
	struct yaml *y;

	TEST("a hundred thousand keys are told apart in no time");
	buf_init(&text, 0);
	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "k%d:\n", i);
	y = read_text(buf_str(&text), &e);
	CHECK(y != NULL && y->n == 100000);
	CHECK((clock() - from) / CLOCKS_PER_SEC < 5);
	for (int i = 0; i < 100000; i += 9973) {
		size_t whole = text.n;

		buf_printf(&text, "k%d:\n", i);
		CHECK(read_text(buf_str(&text), &e) == NULL);
		CHECK(strstr(e.text, "f.yaml:100001:1: key \"k") == e.text);
		text.n = whole;
	}
	buf_fini(&text);
}

static void
test_small_maps(void)
{
	struct buf text;
	struct err e;

	TEST("duplicates are found in maps of every size, and keys of other maps are not mixed in");
	buf_init(&text, 0);
	for (int n = 1; n < 80; n++) {
		buf_reset(&text);
		buf_puts(&text, "x: {k0: 1, k1: 2}\n");
		for (int i = 0; i < n; i++)
			buf_printf(&text, "k%d: {k%d: 1}\n", i, i);
		CHECK(read_text(buf_str(&text), &e) != NULL);
		buf_printf(&text, "k%d: 2\n", n / 2);
		CHECK(read_text(buf_str(&text), &e) == NULL);
	}
	buf_fini(&text);
}

static void
test_unknown(void)
{
	static const struct str known[] = { STR("tools"), STR("models") };
	struct yaml *y = good("tools: 1\nmodles: 2\n");
	struct err e;

	TEST("a key nobody asked for is told, with the nearest that exists");
	CHECK(yaml_get(y, "tools") != NULL);
	CHECK(!yaml_unknown(y, known, COUNT(known), &e));
	CHECK_EQ_S(e.text, "f.yaml:2:1: unknown key \"modles\" (did you mean \"models\"?)");
	CHECK(yaml_get(y, "modles") != NULL && yaml_unknown(y, known, COUNT(known), &e));
	y = good("a: {zzzzzz: 1}\n");
	CHECK(!yaml_unknown(y->kids, known, COUNT(known), &e));
	CHECK_EQ_S(e.text, "f.yaml:1:5: unknown key \"zzzzzz\" (remove it)");
	CHECK(!yaml_err(y->kids, &e, "%d eggs", 3));
	CHECK_EQ_S(e.text, "f.yaml:1:4: 3 eggs");
}

static void
test_numbers(void)
{
	struct yaml *y = good("[true, false, yes, \"true\", 42, -7, \"42\", 1.0, 0x10, "
			      "9223372036854775807, 9223372036854775808, ~, []]");
	static const int bools[] = { 1, 0, -1, -1 };
	struct yaml *k = y->kids;
	struct err e;
	int64_t v;
	bool b;

	TEST("booleans are true and false, numbers are whole, quoted is text");
	for (size_t i = 0; i < COUNT(bools); i++, k = k->next)
		CHECK_EQ_I(yaml_bool(k, &b, &e) ? b : -1, bools[i]);
	CHECK(yaml_i64(k, INT64_MIN, INT64_MAX, &v, &e) && v == 42);
	CHECK(yaml_i64(k, 42, 42, &v, &e) && !yaml_i64(k, 43, 99, &v, &e));
	CHECK_EQ_S(e.text, "f.yaml:1:28: must be from 43 to 99");
	CHECK(!yaml_i64(k, 0, 41, &v, &e));
	k = k->next;
	CHECK(yaml_i64(k, -7, 0, &v, &e) && v == -7);
	for (int i = 0; i < 3; i++) /* "42", 1.0, 0x10 */
		CHECK(!yaml_i64(k = k->next, INT64_MIN, INT64_MAX, &v, &e));
	CHECK(yaml_i64(k = k->next, 0, INT64_MAX, &v, &e) && v == INT64_MAX);
	for (int i = 0; i < 3; i++) /* too large, null, a list */
		CHECK(!yaml_i64(k = k->next, INT64_MIN, INT64_MAX, &v, &e));
	CHECK(k->next == NULL);
}

static void
test_units(void)
{
	static const struct {
		const char *text;
		int64_t bytes, ms; /* -1: refused */
	} units[] = { { "32MiB", 32 << 20, -1 }, { "64 KiB", 65536, -1 }, { "1000", 1000, -1 },
		{ "2GiB", 2ll << 30, -1 }, { "3 kB", 3000, -1 }, { "1MB", 1000000, -1 },
		{ "1GB", 1000000000, -1 }, { "7B", 7, -1 }, { "0", 0, -1 }, { "500ms", -1, 500 },
		{ "30s", -1, 30000 }, { "5m", -1, 300000 }, { "1h", -1, 3600000 },
		{ "2 d", -1, 172800000 }, { "-1s", -1, -1 }, { "1.5h", -1, -1 }, { "s", -1, -1 },
		{ "MiB", -1, -1 }, { "5 min", -1, -1 }, { "1mib", -1, -1 }, { "[]", -1, -1 },
		{ "~", -1, -1 }, { "99999999999999GiB", -1, -1 }, { "200000000000000d", -1, -1 } };
	struct err e;

	TEST("sizes and durations");
	for (size_t i = 0; i < COUNT(units); i++) {
		struct yaml *y = good(units[i].text);
		int64_t v = 0;

		CHECK_EQ_I(yaml_bytes(y, &v, &e) ? v : -1, units[i].bytes);
		CHECK_EQ_I(yaml_duration(y, &v, &e) ? v : -1, units[i].ms);
	}
	CHECK_EQ_S(e.text, "f.yaml:1:1: a duration was expected, like 500ms, 30s, 5m or 2d");
}

int
main(void)
{
	test_refused();
	test_broken();
	test_tree();
	test_nothing();
	test_limits();
	test_small_maps();
	test_many_keys();
	test_unknown();
	test_numbers();
	test_units();
	arena_free(&arena);
	return check_done();
}
