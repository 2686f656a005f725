/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policyschema - docs/policy.schema.json against the parser and against every example.
 *
 * Every key that a table of the parser knows is a property of the schema, every property of the
 * schema is a key that some table knows (or refuses by name as not supported yet), and every policy
 * and test file of policies/examples/ is valid: judged here by as much of JSON Schema (draft 7) as
 * the schema uses; a keyword that is not judged fails.
 */
#include <dirent.h>

#include "base/file.h"
#include "base/map.h"
#include "base/yaml.h"
#include "policies/bundle.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define SCHEMA    "docs/policy.schema.json"
#define DEPTH_MAX 40

static struct buf schema_text;
static struct arena memory;

static struct str
schema(void)
{
	return buf_str(&schema_text);
}

static void
file_load(const char *path, struct buf *out)
{
	struct err e;

	buf_init(out, 0);
	if (!CHECK(file_read(path, (size_t)1 << 20, out, &e)))
		printf("    %s %s (run from the top of the source)\n", path, e.text);
}

/* ---- the validator ---- */

static struct str
text(struct str raw)
{
	struct str s = STR("");

	CHECK(json_string(raw, &memory, &s));
	return s;
}

static bool
scalar_number(const struct yaml *y)
{
	struct err e;

	return y->kind == YAML_SCALAR && !y->quoted && y->text.n > 0 &&
	       json_check(y->text, false, &e) && json_kind(y->text) == JSON_NUMBER;
}

static bool
scalar_bool(const struct yaml *y)
{
	return y->kind == YAML_SCALAR && !y->quoted &&
	       (str_eq(y->text, STR("true")) || str_eq(y->text, STR("false")));
}

static bool
type_is(const struct yaml *y, struct str type)
{
	if (str_eq(type, STR("object")))
		return y->kind == YAML_MAP;
	if (str_eq(type, STR("array")))
		return y->kind == YAML_LIST;
	if (str_eq(type, STR("null")))
		return y->kind == YAML_NULL;
	if (str_eq(type, STR("boolean")))
		return scalar_bool(y);
	if (str_eq(type, STR("integer")) || str_eq(type, STR("number")))
		return scalar_number(y) &&
		       (type.p[0] == 'n' || (!str_has(y->text, '.') && !str_has(y->text, 'e')));
	CHECK(str_eq(type, STR("string")));
	return y->kind == YAML_SCALAR && !scalar_number(y) && !scalar_bool(y);
}

static bool
is_literal(const struct yaml *y, struct str raw)
{
	if (json_kind(raw) == JSON_STRING)
		return y->kind == YAML_SCALAR && str_eq(y->text, text(raw));
	return y->kind == YAML_SCALAR && !y->quoted && str_eq(y->text, raw);
}

static bool valid(const struct yaml *y, struct str s, int depth);

static bool
one_of(const struct yaml *y, struct str list, int depth, bool literal)
{
	struct json_iter it;
	struct str key, one;

	CHECK(json_open(list, &it));
	while (json_next(&it, &key, &one))
		if (literal ? is_literal(y, one) : valid(y, one, depth))
			return true;
	return false;
}

static const struct yaml *
member(const struct yaml *y, struct str name)
{
	for (const struct yaml *m = y->kids; y->kind == YAML_MAP && m != NULL; m = m->next)
		if (str_eq(m->key, name))
			return m;
	return NULL;
}

static bool
required(const struct yaml *y, struct str list)
{
	struct json_iter it;
	struct str key, one;

	CHECK(json_open(list, &it));
	while (y->kind == YAML_MAP && json_next(&it, &key, &one))
		if (member(y, text(one)) == NULL)
			return false;
	return true;
}

static bool
members(const struct yaml *y, struct str s, int depth)
{
	struct str properties, more, found;

	for (const struct yaml *m = y->kids; y->kind == YAML_MAP && m != NULL; m = m->next) {
		bool known = json_get(s, STR("properties"), &properties) &&
			     json_get(properties, m->key, &found);

		if (known && !valid(m, found, depth))
			return false;
		if (known || !json_get(s, STR("additionalProperties"), &more))
			continue;
		if (json_kind(more) == JSON_FALSE || !valid(m, more, depth))
			return false;
	}
	return true;
}

static bool
size_ok(const struct yaml *y, struct str keyword, struct str raw)
{
	int64_t n = 0, has = 0;

	CHECK(json_i64(raw, &n));
	if (str_eq(keyword, STR("minimum")) || str_eq(keyword, STR("maximum"))) {
		if (!scalar_number(y) || !str_i64(y->text, &has))
			return true;
		return keyword.p[1] == 'i' ? has >= n : has <= n;
	}
	if (str_ends(keyword, STR("Items")) && y->kind != YAML_LIST)
		return true;
	if (str_ends(keyword, STR("Properties")) && y->kind != YAML_MAP)
		return true;
	if (str_ends(keyword, STR("Length")) && y->kind != YAML_SCALAR)
		return true;
	has = (int64_t)(str_ends(keyword, STR("Length")) ? y->text.n : y->n);
	return keyword.p[1] == 'i' ? has >= n : has <= n;
}

static bool
branch(const struct yaml *y, struct str s, int depth)
{
	struct str cond, then, other;

	if (!json_get(s, STR("if"), &cond))
		return true;
	CHECK(json_get(s, STR("then"), &then) && json_get(s, STR("else"), &other));
	return valid(y, valid(y, cond, depth) ? then : other, depth);
}

static bool
keyword_ok(const struct yaml *y, struct str s, struct str keyword, struct str raw, int depth)
{
	static const struct str silent[] = { STR("$schema"), STR("$id"), STR("title"),
		STR("description"), STR("definitions"), STR("properties"),
		STR("additionalProperties"), STR("if"), STR("then"), STR("else"), STR("pattern") };
	static const struct str sizes[] = { STR("minimum"), STR("maximum"), STR("minItems"),
		STR("maxItems"), STR("minLength"), STR("maxLength"), STR("minProperties") };

	for (size_t i = 0; i < COUNT(silent); i++)
		if (str_eq(keyword, silent[i]))
			return true; /* told by others, or nothing about validity here */
	for (size_t i = 0; i < COUNT(sizes); i++)
		if (str_eq(keyword, sizes[i]))
			return size_ok(y, keyword, raw);
	if (str_eq(keyword, STR("type")) && json_kind(raw) == JSON_STRING)
		return type_is(y, text(raw));
	if (str_eq(keyword, STR("type"))) {
		struct json_iter it;
		struct str key, one;

		CHECK(json_open(raw, &it));
		while (json_next(&it, &key, &one))
			if (type_is(y, text(one)))
				return true;
		return false;
	}
	if (str_eq(keyword, STR("const")))
		return is_literal(y, raw);
	if (str_eq(keyword, STR("enum")))
		return one_of(y, raw, depth, true);
	if (str_eq(keyword, STR("anyOf")))
		return one_of(y, raw, depth, false);
	if (str_eq(keyword, STR("required")))
		return required(y, raw);
	if (str_eq(keyword, STR("items"))) {
		for (const struct yaml *m = y->kids; y->kind == YAML_LIST && m != NULL; m = m->next)
			if (!valid(m, raw, depth))
				return false;
		return true;
	}
	if (!CHECK(str_eq(keyword, STR("$ref"))))
		printf("    no such keyword here: " STR_FMT "\n", STR_ARG(keyword));
	(void)s;
	return false;
}

static bool
valid(const struct yaml *y, struct str s, int depth)
{
	struct str ref, definitions, definition, key, raw;
	struct json_iter it;

	CHECK(depth < DEPTH_MAX);
	if (json_get(s, STR("$ref"), &ref)) {
		struct str name = text(ref);

		CHECK(str_starts(name, STR("#/definitions/")));
		name = STR_SPAN(name.p + 14, name.p + name.n);
		if (!CHECK(json_get(schema(), STR("definitions"), &definitions) &&
			   json_get(definitions, name, &definition)))
			printf("    no definition " STR_FMT "\n", STR_ARG(name));
		return valid(y, definition, depth + 1);
	}
	CHECK(json_open(s, &it));
	while (json_next(&it, &key, &raw))
		if (!keyword_ok(y, s, text(key), raw, depth + 1))
			return false;
	return members(y, s, depth + 1) && branch(y, s, depth + 1);
}

/* ---- examples, and what is none ---- */

static bool
text_valid(const char *yaml)
{
	struct yaml *y;
	struct arena a;
	struct err e;
	bool ok;

	arena_init(&a, (size_t)16 << 20);
	y = yaml_parse(&a, "test", str_of(yaml), &e);
	ok = CHECK(y != NULL) && valid(y, schema(), 0);
	arena_free(&a);
	return ok;
}

static size_t
folder_check(const char *dir, int depth)
{
	DIR *d = opendir(dir);
	struct dirent *f;
	size_t n = 0;

	if (!CHECK(d != NULL && depth < 12))
		return 0;
	while ((f = readdir(d)) != NULL) {
		char path[512];
		struct buf b;

		if (f->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, f->d_name);
		if (f->d_type == DT_DIR) {
			n += folder_check(path, depth + 1);
			continue;
		}
		if (!str_ends(str_of(path), STR(".yaml")) ||
		    str_ends(str_of(path), STR("tollgate.yaml")))
			continue;
		file_load(path, &b);
		if (!CHECK(text_valid(buf_cstr(&b))))
			printf("    %s is not valid\n", path);
		if (!CHECK(str_starts(buf_str(&b), STR("# yaml-language-server: $schema=../"))))
			printf("    %s does not name its schema\n", path);
		buf_fini(&b);
		n++;
	}
	(void)closedir(d);
	return n;
}

static void
test_examples(void)
{
	static const char *const bad[] = {
		"version: 2\npolicy: a\n", "policy: a\n", "version: 1\npolcy: a\n",
		"version: 1\nrules:\n  - allow: a/b\n    wen: {}\n",
		"version: 1\nrules:\n  - reason: x\n",
		"version: 1\nrules:\n  - allow: a/b\n    when: { x: { undr: /a } }\n",
		"version: 1\nrules:\n  - allow: a/b\n    limit: { calls: many }\n    to: 7\n",
		"version: 1\nmode: watch\n", "version: 1\nceiling: []\n",
		"version: 1\norganisation: { customers: { a: { tems: {} } } }\n",
		"suite: x\ngiven: { as: {} }\ncases:\n  - call: [a/b]\n    expect: alow\n",
		"suite: x\ngiven: { as: { usr: a } }\ncases:\n  - call: [a/b]\n    expect: deny\n"
	};

	TEST("every example is valid and names its schema");
	CHECK(folder_check("policies/examples", 0) >= 14);
	TEST("what the parser refuses by its keys is not valid");
	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK(!text_valid(bad[i])))
			printf("%s", bad[i]);
}

/* ---- rules, by both ---- */

static bool
text_loads(const char *yaml)
{
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir };
	struct buf problems;
	struct bundle *b;
	struct err e;
	bool ok;

	folder_put(dir, "root/a.yaml", yaml);
	buf_init(&problems, 0);
	b = bundle_load(&src, &problems, &e);
	ok = b != NULL;
	bundle_free(&b);
	buf_fini(&problems);
	folder_drop(&dir);
	return ok;
}

static void
test_rules(void)
{
	static const struct {
		const char *rule;
		bool good;
	} rows[] = {
		{ "redact: a/*\n    args: { secrets: mask }", true },
		{ "redact: a/*\n    args: { all: block }\n    result: { pii: hash }", true },
		{ "redact: a/*\n    args: { pii: { card: mask, all: hash } }", true },
		{ "redact: a/*\n    args: mask", false },
		{ "redact: a/*\n    args: {}", false },
		{ "redact: a/*\n    args: { secrets: hide }", false },
		{ "redact: a/*\n    args: { pii: { cards: mask } }", false },
		{ "redact: a/*\n    args: [secrets]", false },
		{ "allow: a/*\n    when: { p: { under: /repo } }", true },
		{ "allow: a/*\n    when: { p: { under: [] } }", false },
		{ "allow: a/*\n    when: p", false },
		{ "allow: a/*\n    limit: { calls: 5/day, concurrent: 2 }", true },
		{ "allow: a/*\n    limit: 5/day", false },
		{ "limit: a/*\n    to: { calls: 5/day }", true },
		{ "limit: { calls: 5/day }\n    to: { calls: 5/day }", false },
		{ "deny: a/*\n    reason: x\n    where: { readonly: true }", true },
		{ "deny: a/*\n    reason: x\n    where: readonly", false },
		{ "label: a/*\n    as: [egress]", true },
		{ "label: a/*\n    as: egress", false },
		{ "allow: code:run\n    plan: destructive", true },
		{ "allow: code:run\n    plan: [destructive]", false },
	};

	TEST("a rule is valid where the parser takes it, and where it does not it is not");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf b;

		buf_init(&b, 0);
		buf_printf(&b,
		    "version: 1\norganisation: { contact: x }\npolicy: a\n"
		    "applies_to: \"*\"\nrules:\n  - %s\n",
		    rows[i].rule);
		if (!CHECK(text_loads(buf_cstr(&b)) == rows[i].good))
			printf("    the parser: %s\n", rows[i].rule);
		if (!CHECK(text_valid(buf_cstr(&b)) == rows[i].good))
			printf("    the schema: %s\n", rows[i].rule);
		buf_fini(&b);
	}
}

/* ---- the documentation ---- */

/* A block of docs/policies.md as a file of its own: one that begins with rules lacks what stands
 * before them in every file.  False: it is less than that, or no policy. */
static bool
block_whole(struct str block, struct buf *out)
{
	const bool rules = str_starts(block, STR("rules:\n"));

	buf_reset(out);
	if (rules)
		buf_puts(out, "version: 1\npolicy: a\napplies_to: \"*\"\n");
	buf_put(out, block);
	return rules || str_starts(block, STR("version: 1\norg")) ||
	       str_starts(block, STR("version: 1\npol")) || str_starts(block, STR("suite:"));
}

static void
test_docs(void)
{
	static const char fence[] = "```yaml\n";
	struct buf doc, one;
	const char *p, *end;
	size_t n = 0;

	TEST("every policy and test file in docs/policies.md is valid");
	file_load("docs/policies.md", &doc);
	buf_init(&one, 0);
	for (p = buf_cstr(&doc); (p = strstr(p, fence)) != NULL; p = end) {
		p += sizeof(fence) - 1;
		end = strstr(p, "```");
		if (!CHECK(end != NULL))
			break;
		if (!block_whole(STR_SPAN(p, end), &one))
			continue;
		n++;
		if (!CHECK(text_valid(buf_cstr(&one))))
			printf("%s", buf_cstr(&one));
	}
	CHECK(n >= 10);
	buf_fini(&one);
	buf_fini(&doc);
}

/* ---- the parser's tables ---- */

static const struct {
	const char *file, *from;
	bool later; /* refused by name: may be in the schema, need not */
} tables[] = {
	{ "policies/file.c", "*const known[]", false },
	{ "policies/file.c", "*const later[]", true },
	{ "policies/policy.c", "*const known[]", false },
	{ "policies/policy.c", "*const later[]", true },
	{ "policies/applies.c", "*const known[]", false },
	{ "policies/org.c", "#define SAID", false },
	{ "policies/org.c", "*const known[][", false },
	{ "policies/org.c", "*const known[]", false },
	{ "policies/org.c", "*const later[]", true },
	{ "policies/budgetfile.c", "*const known[]", false },
	{ "policies/limitfile.c", "*const members[]", false },
	{ "policies/condition.c", "} ops[]", false },
	{ "policies/condition.c", "*const known[]", false },
	{ "policies/approvalfile.c", "*const known[]", false },
	{ "policies/redact_rules.c", "*const known[]", false },
	{ "policies/where.c", "*const members[]", false },
	{ "policies/policytest.c", "struct str known[]", false },
	{ "policies/policytest.c", "struct str known[5]", false },
	{ "policies/testrepeat.c", "struct str known[]", false },
	{ "policies/testgiven.c", "struct str top[]", false },
	{ "policies/testgiven.c", "struct str of_given[]", false },
	{ "policies/testgiven.c", "struct str of_as[]", false },
};

/* The words in quotes from each such place to the end of the table. */
static void
words_take(struct str source, const char *from, struct map *out)
{
	const char *end = source.p + source.n;
	size_t places = 0;

	for (const char *p = source.p;
	     (p = memmem(p, (size_t)(end - p), from, strlen(from))) != NULL; places++) {
		const char *stop = from[0] == '#' ? "\n\n" : "};", *until;

		until = memmem(p, (size_t)(end - p), stop, 2);
		until = until == NULL ? end : until;
		p = memchr(p, '"', (size_t)(until - p)) == NULL ? until : p;
		while (p < until && (p = memchr(p, '"', (size_t)(until - p))) != NULL) {
			const char *close = memchr(p + 1, '"', (size_t)(until - p - 1));
			struct str word = STR_SPAN(p + 1, close == NULL ? until : close);

			if (word.n > 0 && !str_has(word, ' '))
				map_set(out, arena_str(&memory, word), out);
			p = close == NULL ? until : close + 1;
		}
		p = until;
	}
	if (!CHECK(places > 0))
		printf("    nothing in the source is %s\n", from);
}

static void
properties_take(struct str s, struct map *out, int depth)
{
	struct json_iter it;
	struct str key, raw;

	CHECK(depth < DEPTH_MAX);
	if (!json_open(s, &it))
		return;
	while (json_next(&it, &key, &raw)) {
		if (key.n > 0 && json_key_is(key, STR("properties"))) {
			struct json_iter in;
			struct str name, value;

			CHECK(json_open(raw, &in));
			while (json_next(&in, &name, &value))
				map_set(out, text(name), out);
		}
		properties_take(raw, out, depth + 1);
	}
}

/* Is a file that has a table of keys named above?  Prices are another document. */
static bool
file_listed(const char *name)
{
	if (strcmp(name, "pricefile.c") == 0)
		return true;
	for (size_t i = 0; i < COUNT(tables); i++)
		if (strcmp(strchr(tables[i].file, '/') + 1, name) == 0)
			return true;
	return false;
}

static void
files_listed(void)
{
	DIR *d = opendir("policies");
	struct dirent *f;

	while (d != NULL && (f = readdir(d)) != NULL) {
		char path[512];
		struct buf b;

		(void)snprintf(path, sizeof(path), "policies/%s", f->d_name);
		if (!str_ends(str_of(path), STR(".c")))
			continue;
		file_load(path, &b);
		if (strstr(buf_cstr(&b), "key_table keys") != NULL &&
		    !CHECK(file_listed(f->d_name)))
			printf("    %s has a table of keys\n", path);
		buf_fini(&b);
	}
	if (d != NULL)
		(void)closedir(d);
}

static void
test_tables(void)
{
	struct map known, allowed, properties;
	struct str word;
	void *value;

	map_init(&known);
	map_init(&allowed);
	map_init(&properties);
	properties_take(schema(), &properties, 0);
	TEST("every key that the parser knows is in the schema");
	for (size_t i = 0; i < COUNT(tables); i++) {
		struct buf b;

		file_load(tables[i].file, &b);
		words_take(buf_str(&b), tables[i].from, &allowed);
		if (!tables[i].later)
			words_take(buf_str(&b), tables[i].from, &known);
		buf_fini(&b);
	}
	for (size_t it = 0; map_next(&known, &it, &word, &value);)
		if (!CHECK(map_get(&properties, word) != NULL))
			printf("    " STR_FMT " is missing in " SCHEMA "\n", STR_ARG(word));
	TEST("every key of the schema is one that the parser knows");
	map_set(&allowed, STR("subject"), &allowed); /* in no table: an argument may be named so */
	for (size_t it = 0; map_next(&properties, &it, &word, &value);)
		if (!CHECK(map_get(&allowed, word) != NULL))
			printf("    " STR_FMT " is no key of the parser\n", STR_ARG(word));
	TEST("no table of keys was forgotten above");
	files_listed();
	map_fini(&known);
	map_fini(&allowed);
	map_fini(&properties);
}

int
main(void)
{
	struct err e;

	arena_init(&memory, (size_t)256 << 20);
	file_load(SCHEMA, &schema_text);
	TEST("the schema is JSON");
	if (CHECK(json_check(schema(), true, &e))) {
		test_examples();
		test_rules();
		test_docs();
		test_tables();
	}
	buf_fini(&schema_text);
	arena_free(&memory);
	return check_done();
}
