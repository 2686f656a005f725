/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project - what a list shows of a condition: the schema and the line, byte for byte.
 */
#include "policies/bundle.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

/* The definition that a/t has for a key under these rules. */
static struct arena scopes = { .limit = 1 << 20 }; /* of subjects */

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
	ASSERT(subject_resolve(b, &(struct key_spec){ .name = STR("k") }, &scopes, &s, &e));
	buf_reset(&text);
	project(b, &s, STR("a/t"), str_of(definition), &text);
	CHECK_STR(buf_str(&text), want);
	CHECK(json_check(buf_str(&text), false, &e));
	bundle_free(&b);
	buf_fini(&text);
	folder_drop(&dir);
}

/* ---- the property: every call that is allowed fits the schema that is shown ---- */

/* The keywords that a projection uses, and no others. */
static bool fits(struct str schema, struct str value);

static bool
fits_object(struct str schema, struct str value)
{
	struct str key, v, properties, required, extra, sub;
	struct json_iter it;

	if (json_get(schema, STR("required"), &required) && json_open(required, &it))
		while (json_next(&it, &key, &v)) {
			struct arena a;
			struct str name, unused;

			arena_init(&a, 1 << 16);
			if (!json_string(v, &a, &name) || !json_get(value, name, &unused))
				return false;
			arena_free(&a);
		}
	if (!json_get(schema, STR("properties"), &properties))
		return true;
	ASSERT(json_open(value, &it));
	while (json_next(&it, &key, &v)) {
		struct str name = { key.p + 1, key.n - 2 };

		if (json_get(properties, name, &sub)) {
			if (!fits(sub, v))
				return false;
		} else if (json_get(schema, STR("additionalProperties"), &extra) &&
			   str_eq(extra, STR("false"))) {
			return false;
		}
	}
	return true;
}

static bool
fits_list(struct str schema, struct str value)
{
	struct str key, v, items, contains, most;
	bool has_items = json_get(schema, STR("items"), &items);
	bool has_contains = json_get(schema, STR("contains"), &contains), found = false;
	struct json_iter it;
	int64_t n = 0, max;

	ASSERT(json_open(value, &it));
	while (json_next(&it, &key, &v)) {
		n++;
		if (has_items && !fits(items, v))
			return false;
		found = found || (has_contains && fits(contains, v));
	}
	if (json_get(schema, STR("maxItems"), &most) && json_i64(most, &max) && n > max)
		return false;
	return !has_contains || found;
}

static bool
fits_text(struct str schema, struct str value)
{
	struct str pattern, most, text, expression;
	const struct regex *r;
	struct arena a;
	struct err e;
	int64_t max;
	bool ok = true;

	arena_init(&a, 4 << 20);
	ASSERT(json_string(value, &a, &text));
	if (json_get(schema, STR("maxLength"), &most) && json_i64(most, &max))
		ok = (int64_t)text.n <= max; /* the texts below are ASCII */
	if (json_get(schema, STR("pattern"), &pattern)) {
		ASSERT(json_string(pattern, &a, &expression));
		r = regex_parse(&a, expression, &e);
		ASSERT(r != NULL);
		ok = ok && regex_match(r, text);
	}
	arena_free(&a);
	return ok;
}

static bool
fits_number(struct str schema, struct str value)
{
	struct decimal v, bound;
	struct str raw;

	if (!decimal_parse(value, &v))
		return true;
	if (json_get(schema, STR("minimum"), &raw) && decimal_parse(raw, &bound) &&
	    decimal_cmp(&v, &bound) < 0)
		return false;
	return !json_get(schema, STR("maximum"), &raw) || !decimal_parse(raw, &bound) ||
	       decimal_cmp(&v, &bound) <= 0;
}

static bool
same_json(struct str a, struct str b)
{
	struct decimal x, y;

	if (json_kind(a) == JSON_NUMBER && json_kind(b) == JSON_NUMBER)
		return decimal_parse(a, &x) && decimal_parse(b, &y) && decimal_cmp(&x, &y) == 0;
	return str_eq(a, b);
}

static bool
type_fits(struct str type, struct str value)
{
	static const char *const names[] = { "", "null", "boolean", "boolean", "number", "string",
		"array", "object" };
	struct decimal d;

	if (json_string_is(type, STR("integer")))
		return json_kind(value) == JSON_NUMBER && decimal_parse(value, &d) && d.scale >= 0;
	return json_string_is(type, str_of(names[json_kind(value)]));
}

static bool
listed_in(struct str list, struct str value, bool (*same)(struct str, struct str))
{
	struct json_iter it;
	struct str key, v;

	ASSERT(json_open(list, &it));
	while (json_next(&it, &key, &v))
		if (same(v, value))
			return true;
	return false;
}

static bool
fits(struct str schema, struct str value)
{
	enum json_kind k = json_kind(value);
	struct str sub;

	if (json_kind(schema) != JSON_OBJECT)
		return str_eq(schema, STR("true"));
	if (json_get(schema, STR("enum"), &sub) && !listed_in(sub, value, same_json))
		return false;
	if (json_get(schema, STR("type"), &sub) && json_kind(sub) == JSON_ARRAY &&
	    !listed_in(sub, value, type_fits))
		return false;
	if (json_get(schema, STR("not"), &sub) && fits(sub, value))
		return false;
	return k == JSON_OBJECT   ? fits_object(schema, value)
	       : k == JSON_ARRAY  ? fits_list(schema, value)
	       : k == JSON_STRING ? fits_text(schema, value)
	       : k == JSON_NUMBER ? fits_number(schema, value)
				  : true;
}

static const char *const tests[] = { "equals: a", "equals: 2", "in: [a, 1, null, true]", "not: a",
	"not: [a, 2]", "glob: \"a*\"", "glob: \"{a,b.c}\"", "matches: \"^a.*$\"", "under: /a",
	"under: [/a, /b/c]", "under: { path: /a, relative_to: /a }", "host_in: [x.org]", "min: 1",
	"max: 2", "max_len: 2", "max_items: 1", "absent: true", "present: true",
	"type: [string, integer]", "type: array", "only_keys: [x]", "each: { equals: a }",
	"any: { max: 1 }", "not: { glob: \"a*\" }", "not: { under: /a }",
	"not: { host_in: [x.org], max_len: 3 }", "not: { each: { host_in: [x.org], equals: a } }",
	"not: { any: { not: { equals: a } } }", "not: { absent: true }", "not: { min: 1, max: 1 }",
	"not: { type: string }", "each: { not: { matches: \"^a.*$\" }, max_len: 2 }" };
static const char *const answers[] = { "\"a\"", "\"b\"", "\"abc\"", "\"b.c\"", "\"\"", "\"/a\"",
	"\"/a/b\"", "\"/b/c/d\"", "\"/b\"", "\"a/b\"", "\"http://x.org/\"", "0", "1", "2", "2.5",
	"null", "true", "[]", "[\"a\"]", "[\"a\",\"b\"]", "[1]", "[2,0]", "{}", "{\"x\":1}",
	"{\"y\":1}", "[[]]" };

static void
projection_holds(const char *rules, size_t *allowed, size_t *refused)
{
	const struct str definition = STR("{\"name\":\"t\",\"inputSchema\":{\"type\":[\"object\"],"
					  "\"properties\":{\"p\":{\"maximum\":9}}}}");
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir };
	struct buf text, args, must;
	struct str schema;
	struct subject s;
	struct bundle *b;
	struct err e;

	buf_init(&text, 0);
	buf_init(&args, 0);
	buf_init(&must, 0);
	folder_put(dir, "root/p.yaml", rules);
	b = bundle_load(&src, NULL, &e);
	ASSERT(b != NULL &&
	       subject_resolve(b, &(struct key_spec){ .name = STR("k") }, &scopes, &s, &e));
	project(b, &s, STR("a/t"), definition, &text);
	ASSERT(json_check(buf_str(&text), true, &e) &&
	       json_get(buf_str(&text), STR("inputSchema"), &schema));
	for (size_t i = 0; i <= COUNT(answers); i++) {
		struct verdict v;
		bool fit;

		buf_reset(&args);
		if (i < COUNT(answers))
			buf_printf(&args, "{\"p\":%s}", answers[i]);
		else
			buf_puts(&args, "{}");
		rules_decide_call(b, &s, ASK_TOOL, STR("a/t"), STR(""), buf_str(&args), &v, &must);
		buf_reset(&must);
		fit = fits(schema, buf_str(&args));
		*allowed += v.allowed;
		*refused += !fit;
		if (!CHECK(fit || !v.allowed))
			printf("    %s on %s: allowed, but not by " STR_FMT "\n", rules,
			    buf_cstr(&args), STR_ARG(schema));
	}
	bundle_free(&b);
	buf_fini(&text);
	buf_fini(&args);
	buf_fini(&must);
	folder_drop(&dir);
}

static void
test_property(void)
{
	size_t allowed = 0, refused = 0;
	char rules[512];

	TEST("every call that is allowed fits the schema that is shown");
	for (size_t i = 0; i < COUNT(tests); i++)
		for (size_t k = 0; k < COUNT(tests); k++) {
			const char *colon = strchr(tests[k], ':');

			/* The same operator twice is one key twice. */
			if (strncmp(tests[i], tests[k], (size_t)(colon - tests[k]) + 1) == 0 &&
			    i != k)
				continue;
			(void)snprintf(rules, sizeof(rules),
			    "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n  - allow: a/t\n"
			    "    when: { p: { %s%s%s } }\n",
			    tests[i], i == k ? "" : ", ", i == k ? "" : tests[k]);
			projection_holds(rules, &allowed, &refused);
		}
	TEST("and many that are refused do not");
	CHECK(allowed > 1000 && refused > 5000);
	printf("allowed %zu, outside the schema %zu\n", allowed, refused);
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
	    "\"pattern\":\"^(?:/repo)(?:/.*)?$\"},\"n\":{}},\"required\":[\"path\"]}}");
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
	    SHOWN("{\"properties\":{\"g\":{\"pattern\":\"^(?:a\\\\.b|c\\\\+.*)$\"}},"
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
	test_property();
	return check_done();
}
