/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition - every operator and its tricks, on the bytes of arguments; what a file may not say;
 * and two properties over random rules with conditions.
 *
 * Each row of a table is judged twice: as the `when:` of an allow (opens only when it is true) and
 * as the `when:` of a deny (closes unless it is false).  So '+' is true, '-' false, '?' unknown.
 */
#include <stdlib.h>

#include "policies/bundle.h"
#include "policies/place.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define ORG                                                                                        \
	"version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        payments:\n"    \
	"          users:\n            ana: { groups: [sre] }\n            ben: {}\n"
#define HEAD "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n"

static struct arena scopes = { .limit = 1 << 20 }; /* of subjects */

static struct bundle *
load_with(const char *rules, struct buf *problems)
{
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir };
	struct bundle *b;
	struct buf text;
	struct err e;

	buf_init(&text, 0);
	buf_printf(&text, HEAD "%s", rules);
	folder_put(dir, "root/o.yaml", ORG);
	folder_put(dir, "root/p.yaml", buf_cstr(&text));
	b = bundle_load(&src, problems, &e);
	buf_fini(&text);
	folder_drop(&dir);
	return b;
}

static struct bundle *
load(const char *rules)
{
	struct buf problems;
	struct bundle *b;

	buf_init(&problems, 0);
	b = load_with(rules, &problems);
	if (b == NULL)
		(void)fprintf(stderr, "%s\n%s", rules, buf_cstr(&problems));
	ASSERT(b != NULL);
	buf_fini(&problems);
	return b;
}

static void
subject_of(struct bundle *b, const char *user, struct subject *s)
{
	struct err e;

	ASSERT(subject_resolve(
	    b, &(struct key_spec){ .user = str_of(user), .name = STR("laptop") }, &scopes, s, &e));
}

/* Calls a/t with these arguments; the text of the verdict goes to *text when it is there. */
static bool
call(struct bundle *b, const char *user, struct str args, struct buf *text)
{
	struct subject s;
	struct verdict v;
	struct buf must;

	buf_init(&must, 0);
	subject_of(b, user, &s);
	rules_decide_call(b, &s, ASK_TOOL, STR("a/t"), STR(""), args, &v, &must);
	if (text != NULL)
		verdict_text(&v, text);
	buf_fini(&must);
	return v.allowed;
}

static bool
listed(struct bundle *b, const char *user)
{
	struct subject s;
	struct verdict v;

	subject_of(b, user, &s);
	rules_decide(b, &s, ASK_TOOL, STR("a/t"), STR(""), &v);
	return v.allowed;
}

/* ---- the operators ---- */

struct row {
	const char *when, *args;
	char want;
};

static const struct row values[] = {
	{ "x: { equals: prod }", "{\"x\":\"prod\"}", '+' },
	{ "x: { equals: prod }", "{\"x\":\"pro\"}", '-' },
	{ "x: { equals: prod }", "{\"x\":\"PROD\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\" prod \"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"\\u0070rod\"}", '+' },
	{ "x: { equals: prod }", "{\"\\u0078\":\"prod\"}", '+' },
	{ "x: { equals: prod }", "{\"x\":[\"prod\"]}", '?' },
	{ "x: { equals: prod }", "{\"x\":null}", '-' },
	{ "x: { equals: prod }", "{}", '-' },
	{ "x: { equals: prod }", "", '-' },
	{ "x: { equals: prod }", "{\"X\":\"prod\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"prod\",\"X\":\"dev\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"prod\",\"x\":\"prod\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"prod\",\"\\u0078\":\"dev\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"prod\"", '?' },
	{ "x: { equals: prod }", "[\"prod\"]", '?' },
	{ "x: { equals: prod }", "{\"x\":\"prod\",\"y\":\"\xff\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"prod\\u0000\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"pr\\u200bod\"}", '?' },
	{ "x: { equals: prod }", "{\"x\":\"\\uff50rod\"}", '?' },
	{ "k: { equals: 1 }", "{\"\\u212a\":1}", '?' },
	{ "k: { equals: 1 }", "{\"k\":1}", '+' },
	{ "k: { equals: 1 }", "{\"k\":1.0}", '+' },
	{ "k: { equals: 100 }", "{\"k\":1e2}", '+' },
	{ "k: { equals: 1 }", "{\"k\":\"1\"}", '?' },
	{ "k: { equals: 1 }", "{\"k\":true}", '?' },
	{ "k: { equals: 9007199254740992 }", "{\"k\":9007199254740993}", '?' },
	{ "k: { equals: 1 }", "{\"k\":1e400}", '?' },
	{ "k: { equals: true }", "{\"k\":true}", '+' },
	{ "k: { equals: true }", "{\"k\":false}", '-' },
	{ "k: { equals: null }", "{\"k\":null}", '+' },
	{ "k: { equals: \"true\" }", "{\"k\":true}", '?' },
	{ "x: { in: [PAY, PAYX] }", "{\"x\":\"PAYX\"}", '+' },
	{ "x: { in: [PAY, PAYX] }", "{\"x\":\"OTHER\"}", '-' },
	{ "x: { not: prod }", "{\"x\":\"dev\"}", '+' },
	{ "x: { not: prod }", "{\"x\":\"prod\"}", '-' },
	{ "x: { not: prod }", "{\"x\":\"Prod\"}", '?' },
	{ "x: { not: prod }", "{}", '+' },
	{ "x: { not: [a, b] }", "{\"x\":\"b\"}", '-' },
	{ "x: { not: { glob: \"a*\" } }", "{\"x\":\"b\"}", '+' },
	{ "x: { not: { absent: true } }", "{}", '-' },
	{ "x: { not: prod, present: true }", "{}", '-' },
	{ "a.b: { equals: 1 }", "{\"a\":{\"b\":1}}", '+' },
	{ "a.b: { equals: 1 }", "{\"a\":{\"b\":2}}", '-' },
	{ "a.b: { equals: 1 }", "{\"a\":7}", '?' },
	{ "a.b: { equals: 1 }", "{\"a\":{}}", '-' },
	{ "/a.b: { equals: 1 }", "{\"a.b\":1}", '+' },
	{ "n: { min: 1, max: 10 }", "{\"n\":10}", '+' },
	{ "n: { min: 1, max: 10 }", "{\"n\":10.5}", '-' },
	{ "n: { min: 1, max: 10 }", "{\"n\":0}", '-' },
	{ "n: { max: 10 }", "{\"n\":-1e9}", '+' },
	{ "n: { max: 10 }", "{\"n\":\"3\"}", '?' },
	{ "n: { max: 10 }", "{\"n\":123456789012345678901234567890}", '?' },
	{ "n: { max: 10 }", "{}", '-' },
	{ "n: { max: -0.5 }", "{\"n\":-0.25}", '-' },
	{ "n: { max: 0 }", "{\"n\":-0}", '+' },
	{ "s: { max_len: 3 }", "{\"s\":\"abc\"}", '+' },
	{ "s: { max_len: 3 }", "{\"s\":\"abcd\"}", '-' },
	{ "s: { max_len: 3 }", "{\"s\":\"\\ud83d\\ude00\xc3\xa4\\n\"}", '+' },
	{ "s: { max_len: 3 }", "{\"s\":7}", '?' },
	{ "l: { max_items: 2 }", "{\"l\":[1,2]}", '+' },
	{ "l: { max_items: 2 }", "{\"l\":[1,2,3]}", '-' },
	{ "l: { max_items: 2 }", "{\"l\":\"ab\"}", '?' },
	{ "l: { each: { in: [a, b] } }", "{\"l\":[\"a\",\"b\"]}", '+' },
	{ "l: { each: { in: [a, b] } }", "{\"l\":[\"a\",\"c\"]}", '-' },
	{ "l: { each: { in: [a, b] } }", "{\"l\":[]}", '+' },
	{ "l: { each: { in: [a, b] } }", "{}", '+' },
	{ "l: { each: { in: [a, b] } }", "{\"l\":\"a\"}", '?' },
	{ "l: { each: { not: { matches: \"^sec-.*$\" } } }", "{\"l\":[\"ok\",\"sec-1\"]}", '-' },
	{ "l: { any: { equals: a } }", "{\"l\":[\"b\",\"a\"]}", '+' },
	{ "l: { any: { equals: a } }", "{\"l\":[]}", '-' },
	{ "l: { any: { equals: a } }", "{\"l\":[7,\"a\"]}", '+' },
	{ "l: { any: { equals: a } }", "{\"l\":[7]}", '?' },
	{ "only_keys: [a, b]", "{\"a\":1}", '+' },
	{ "only_keys: [a, b]", "{\"a\":1,\"c\":1}", '-' },
	{ "only_keys: [a, b]", "{}", '+' },
	{ "o: { only_keys: [a] }", "{\"o\":{\"b\":1}}", '-' },
	{ "force: { absent: true }", "{}", '+' },
	{ "force: { absent: true }", "{\"force\":false}", '-' },
	{ "force: { absent: true }", "{\"Force\":true}", '?' },
	{ "force: { present: true }", "{\"force\":0}", '+' },
	{ "force: { present: true }", "{}", '-' },
	{ "t: { type: integer }", "{\"t\":1.0}", '+' },
	{ "t: { type: integer }", "{\"t\":1.5}", '-' },
	{ "t: { type: [string, \"null\"] }", "{\"t\":null}", '+' },
	{ "t: { type: object }", "{\"t\":[]}", '-' },
	{ "g: { glob: \"feat/*\" }", "{\"g\":\"feat/x\"}", '+' },
	{ "g: { glob: \"{a,b}\" }", "{\"g\":\"c\"}", '-' },
	{ "g: { glob: \"feat/*\" }", "{\"g\":\"feat/\\u202ex\"}", '?' },
	{ "g: { glob: \"feat/*\" }", "{\"g\":\"feat/\\nx\"}", '?' },
	{ "m: { matches: \"^v[0-9]+(\\\\.[0-9]+){1,2}$\" }", "{\"m\":\"v1.20.3\"}", '+' },
	{ "m: { matches: \"^v[0-9]+(\\\\.[0-9]+){1,2}$\" }", "{\"m\":\"v1.2.3.4\"}", '-' },
	{ "m: { matches: \"^(a|b)*$\" }", "{\"m\":\"abab\"}", '+' },
	{ "m: { matches: \"^(a*)*$\" }", "{\"m\":\"aaaaaaaaaaaaaaaaaaaaaaaaab\"}", '-' },
};

static const struct row places[] = {
	{ "p: { under: /repo }", "{\"p\":\"/repo\"}", '+' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/\"}", '+' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/a/b.c\"}", '+' },
	{ "p: { under: /repo }", "{\"p\":\"\\/repo\\/a\"}", '+' },
	{ "p: { under: /repo }", "{\"p\":\"/repository\"}", '-' },
	{ "p: { under: /repo }", "{\"p\":\"/etc/passwd\"}", '-' },
	{ "p: { under: /repo }", "{\"p\":\"/REPO/a\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/../etc/passwd\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/..\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/.../x\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/.. /x\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/./a\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo//a\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"//repo/a\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/%2e%2e/etc\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo\\\\..\\\\etc\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/\\u0000\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/\\u2024\\u2024/etc\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/\\uff0e\\uff0e/etc\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo\\u2215..\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"~/x\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/~root\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"repo/a\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":\"\"}", '?' },
	{ "p: { under: /repo }", "{\"p\":[\"/repo/a\"]}", '?' },
	{ "p: { under: /repo }", "{\"p\":null}", '?' },
	{ "p: { under: /repo }", "{}", '-' },
	{ "p: { under: /repo }", "{\"p\":\"/repo/a\",\"P\":\"/etc\"}", '?' },
	{ "p: { under: [/a, /b/c] }", "{\"p\":\"/b/c/d\"}", '+' },
	{ "p: { under: / }", "{\"p\":\"/etc\"}", '+' },
	{ "p: { under: { path: /repo, relative_to: /repo } }", "{\"p\":\"src/a.c\"}", '+' },
	{ "p: { under: { path: /repo/src, relative_to: /repo } }", "{\"p\":\"doc/a\"}", '-' },
	{ "p: { under: { path: /repo, relative_to: /repo } }", "{\"p\":\"../etc\"}", '?' },
	{ "p: { under: { path: /repo, relative_to: /repo } }", "{\"p\":\"C:/x\"}", '?' },
	{ "p: { under: { path: /repo, relative_to: /repo } }", "{\"p\":\"/etc\"}", '-' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://github.com/x\"}", '+' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"HTTPS://GitHub.com./x\"}", '+' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://github.com?x\"}", '+' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://github.com.evil.org/\"}", '-' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://evil.org/github.com\"}", '-' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://github.com@evil.org/\"}", '?' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://evil.org\\\\@github.com/\"}", '?' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"file:///etc/passwd\"}", '?' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"//github.com/\"}", '?' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https:github.com\"}", '?' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://g\\u0456thub.com/\"}", '?' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://github%2ecom/\"}", '?' },
	{ "u: { host_in: [github.com] }", "{\"u\":\"https://github.com\\t/\"}", '?' },
	{ "u: { host_in: [\"*.example.com\"] }", "{\"u\":\"http://a.b.example.com:81\"}", '+' },
	{ "u: { host_in: [\"*.example.com\"] }", "{\"u\":\"http://example.com\"}", '-' },
	{ "u: { host_in: [\"*.example.com\"] }", "{\"u\":\"http://badexample.com\"}", '-' },
	{ "u: { host_in: [\"h:8080\"] }", "{\"u\":\"http://h:8080/\"}", '+' },
	{ "u: { host_in: [\"h:8080\"] }", "{\"u\":\"http://h/\"}", '-' },
	{ "u: { host_in: [127.0.0.1] }", "{\"u\":\"http://127.0.0.1/\"}", '+' },
	{ "u: { host_in: [127.0.0.1] }", "{\"u\":\"http://2130706433/\"}", '?' },
	{ "u: { host_in: [127.0.0.1] }", "{\"u\":\"http://0x7f.1/\"}", '?' },
	{ "u: { host_in: [127.0.0.1] }", "{\"u\":\"http://0177.0.0.1/\"}", '?' },
	{ "u: { host_in: [\"[::1]\"] }", "{\"u\":\"http://[::1]:80/\"}", '+' },
	{ "u: { host_in: [\"[::1]\"] }", "{\"u\":\"http://[0:0:0:0:0:0:0:1]/\"}", '?' },
};

static void
rows_check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct str args = str_of(rows[i].args);
		struct bundle *b;
		struct buf text;
		bool opens, stays;

		buf_init(&text, 0);
		buf_printf(&text, "  - allow: a/t\n    when: { %s }\n", rows[i].when);
		b = load(buf_cstr(&text));
		CHECK(listed(b, "ana"));
		opens = call(b, "ana", args, NULL);
		bundle_free(&b);
		buf_reset(&text);
		buf_printf(&text,
		    "  - allow: a/t\n  - deny: a/t\n    reason: r\n    when: { %s }\n",
		    rows[i].when);
		b = load(buf_cstr(&text));
		CHECK(listed(b, "ana"));
		stays = call(b, "ana", args, NULL);
		bundle_free(&b);
		buf_fini(&text);
		if (!CHECK(opens == (rows[i].want == '+') && stays == (rows[i].want == '-')))
			printf("    %s on %s: opens %d stays %d, not %c\n", rows[i].when,
			    rows[i].args, opens, stays, rows[i].want);
	}
}

static void
test_operators(void)
{
	TEST("each operator is true, false or unknown");
	rows_check(values, COUNT(values));
	TEST("paths and hosts, and their tricks");
	rows_check(places, COUNT(places));
}

/* ---- what a refused call is told ---- */

static void
told(struct bundle *b, const char *user, const char *args, const char *want)
{
	struct buf text;

	buf_init(&text, 0);
	(void)call(b, user, str_of(args), &text);
	CHECK_STR(buf_str(&text), want);
	buf_fini(&text);
}

static void
test_texts(void)
{
	struct bundle *b = load("  - allow: a/t\n    when: { path: { under: /repo } }\n"
				"  - allow: a/t\n    when: { env: { in: [dev, test] } }\n"
				"  - deny: a/t\n    reason: Not in there\n"
				"    when: { path: { under: /repo/secret } }\n"
				"    unless: { subject: { groups: [sre] } }\n");

	TEST("a refusal names every way to be allowed, and what is wrong");
	told(b, "ben", "{\"path\":\"/repo/a\"}", "allowed by p:5");
	told(b, "ben", "{\"env\":\"dev\"}", "allowed by p:7");
	told(b, "ben", "{\"path\":\"/etc\"}",
	    "path must be under /repo, or env must be one of dev, test · policy p:5");
	told(b, "ben", "{\"path\":\"/repo/../etc\",\"env\":\"dev\"}",
	    "denied by p:9: Not in there · path has a . or .. segment");
	told(b, "ben", "{\"path\":\"/repo/secret/k\"}",
	    "denied by p:9: Not in there · not allowed when path is under /repo/secret");
	TEST("an exception for a subject");
	told(b, "ana", "{\"path\":\"/repo/secret/k\"}", "allowed by p:5");
	told(b, "ana", "{\"path\":\"/repo/../etc\"}",
	    "path must be under /repo (it has a . or .. segment), or env must be one of dev, test "
	    "· policy p:5");
	bundle_free(&b);

	TEST("a subject alone is settled before any call");
	b = load("  - allow: a/*\n    when: { subject: { groups: [sre] } }\n"
		 "  - allow: \"model:x\"\n    unless: { subject: { users: [ben] } }\n");
	CHECK(listed(b, "ana") && !listed(b, "ben"));
	CHECK(call(b, "ana", STR("not json"), NULL) && !call(b, "ben", STR("{}"), NULL));
	bundle_free(&b);

	TEST("unless: with arguments");
	b = load("  - deny: a/t\n    reason: no\n    unless: { dry_run: { equals: true } }\n"
		 "  - allow: any/t\n");
	told(b, "ana", "{\"dry_run\":true}", "allowed by p:8");
	told(b, "ana", "{\"dry_run\":\"true\"}", "denied by p:5: no · dry_run is of another type");
	told(b, "ana", "{}", "denied by p:5: no · allowed only when dry_run is true");
	bundle_free(&b);
}

/* ---- what a file may not say ---- */

static void
test_mistakes(void)
{
	static const struct {
		const char *when, *want;
	} rows[] = {
		{ "path: { undr: /repo }", "unknown operator \"undr\" (did you mean \"under\"?)" },
		{ "path: /repo", "an operator was expected" },
		{ "path: {}", "an operator was expected" },
		{ "path: { under: repo }", "the path is not absolute" },
		{ "path: { under: /a/../b }", "the path has a . or .. segment" },
		{ "path: { under: { path: /a } }", "write { path: /repo, relative_to: /repo }" },
		{ "u: { host_in: [GitHub.com] }", "is written in lower case" },
		{ "u: { host_in: [\"https://x\"] }", "has a host with other characters" },
		{ "m: { matches: \"a\" }", "say where a match starts" },
		{ "m: { matches: \"^a\" }", "say where a match ends" },
		{ "m: { matches: \"^(?=a)$\" }", "would not be linear" },
		{ "m: { matches: \"^(a$\" }", "( without )" },
		{ "n: { max: many }", "\"max\" takes a number" },
		{ "n: { max: 1e999 }", "not every program can hold this number" },
		{ "n: { max_len: -1 }", "p.yaml:6:" },
		{ "f: { absent: false }", "write absent: true" },
		{ "t: { type: str }", "unknown type \"str\"" },
		{ "t: { equals: [a] }", "equals takes one value" },
		{ "t: { in: [] }", "takes 1 to" },
		{ "\"a..b\": { equals: 1 }", "the name of an argument is like path" },
		{ "subject: { groups: [] }", "is a list of 1 to" },
		{ "subject: { users: [bem] }", "user \"bem\" is not in the policy files" },
	};
	struct buf problems, text;
	struct bundle *b;

	TEST("mistakes are told with their place");
	buf_init(&problems, 0);
	buf_init(&text, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&problems);
		buf_reset(&text);
		buf_printf(&text, "  - allow: a/t\n    when: { %s }\n", rows[i].when);
		b = load_with(buf_cstr(&text), &problems);
		if (!CHECK(b == NULL && strstr(buf_cstr(&problems), rows[i].want) != NULL &&
			   strstr(buf_cstr(&problems), "p.yaml:6:") != NULL))
			printf("    %s: %s", rows[i].when, buf_cstr(&problems));
		bundle_free(&b);
	}
	TEST("only tools have arguments");
	buf_reset(&problems);
	b = load_with("  - allow: \"model:x\"\n    when: { path: { under: /a } }\n", &problems);
	CHECK(b == NULL && strstr(buf_cstr(&problems), "only calls of tools have arguments"));
	buf_fini(&problems);
	buf_fini(&text);
}

/* ---- properties ---- */

static uint64_t rng_state = 88172645463325252ull;

static size_t
rnd(size_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (size_t)(rng_state % n);
}

/* A condition and arguments that meet it. */
static const struct {
	const char *when, *meets;
} conditions[] = { { "p: { under: /a }", "{\"p\":\"/a/x\",\"n\":3}" },
	{ "p: { under: /b }, n: { max: 3 }", "{\"p\":\"/b\",\"n\":3}" },
	{ "n: { min: 2 }", "{\"n\":5}" }, { "p: { not: { under: /c } }", "{\"p\":\"/d\"}" },
	{ "subject: { groups: [sre] }", "{}" }, { "only_keys: [n]", "{\"n\":1}" },
	{ "p: { absent: true }", "{}" } };
static const char *const calls[] = { "{}", "{\"p\":\"/a/x\",\"n\":3}", "{\"p\":\"/b\",\"n\":3}",
	"{\"n\":5}", "{\"p\":\"/d\"}", "{\"n\":1}", "{\"p\":\"/a/../b\"}", "{\"p\":7}", "[]",
	"{\"p\":\"/c/q\",\"n\":\"x\"}", "{\"P\":\"/a\"}" };

#define RULES 5
struct random_rule {
	bool deny, when, unless;
	size_t w, u;
};

static struct bundle *
random_load(const struct random_rule *rs, size_t n, bool backwards)
{
	struct bundle *b;
	struct buf text;

	buf_init(&text, 0);
	for (size_t k = 0; k < n; k++) {
		const struct random_rule *r = &rs[backwards ? n - 1 - k : k];

		buf_printf(&text, "  - %s: a/t\n    reason: r\n", r->deny ? "deny" : "allow");
		if (r->when)
			buf_printf(&text, "    when: { %s }\n", conditions[r->w].when);
		if (r->unless)
			buf_printf(&text, "    unless: { %s }\n", conditions[r->u].when);
	}
	b = load(buf_cstr(&text));
	buf_fini(&text);
	return b;
}

static uint64_t
call_bits(struct bundle *b)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < COUNT(calls); i++) {
		bits |= (uint64_t)call(b, "ana", str_of(calls[i]), NULL) << (2 * i);
		bits |= (uint64_t)call(b, "ben", str_of(calls[i]), NULL) << (2 * i + 1);
	}
	return bits;
}

static void
random_rule(struct random_rule *r)
{
	*r = (struct random_rule){ .deny = rnd(3) == 0,
		.when = rnd(3) != 0,
		.unless = rnd(4) == 0,
		.w = rnd(COUNT(conditions)),
		.u = rnd(COUNT(conditions)) };
}

static void
test_properties(void)
{
	uint64_t opened = 0;

	for (int round = 0; round < 300; round++) {
		struct random_rule rs[RULES + 1];
		size_t n = 1 + rnd(RULES);
		struct bundle *b, *other, *more;
		uint64_t bits;

		for (size_t i = 0; i < n; i++)
			random_rule(&rs[i]);
		b = random_load(rs, n, false);
		bits = call_bits(b);
		opened |= bits;
		TEST("the order of rules changes no call");
		other = random_load(rs, n, true);
		CHECK(call_bits(other) == bits);
		TEST("what some call is allowed to do is listed");
		CHECK(listed(b, "ana") || (bits & 0x5555555555555555ull) == 0);
		CHECK(listed(b, "ben") || (bits & 0xaaaaaaaaaaaaaaaaull) == 0);
		TEST("one deny more never opens a call, whatever its condition");
		random_rule(&rs[n]);
		rs[n].deny = true;
		more = random_load(rs, n + 1, false);
		CHECK((call_bits(more) & ~bits) == 0);
		bundle_free(&b);
		bundle_free(&other);
		bundle_free(&more);
	}
	TEST("the random rules allow something");
	CHECK(opened != 0);
	TEST("a tool listed for a condition has a call that is allowed");
	for (size_t i = 0; i < COUNT(conditions); i++) {
		struct random_rule r = { .when = true, .w = i };
		struct bundle *b = random_load(&r, 1, false);

		CHECK(listed(b, "ana") && call(b, "ana", str_of(conditions[i].meets), NULL));
		bundle_free(&b);
	}
}

/* ---- ceiling, mode, explain ---- */

static struct bundle *
load_two(const char *head, const char *second)
{
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir };
	struct bundle *b;
	struct err e;

	folder_put(dir, "root/o.yaml", ORG);
	folder_put(dir, "root/p.yaml", head);
	folder_put(dir, "root/q.yaml", second);
	b = bundle_load(&src, NULL, &e);
	if (b == NULL)
		(void)fprintf(stderr, "%s\n", e.text);
	ASSERT(b != NULL);
	folder_drop(&dir);
	return b;
}

#define GRANT                                                                                      \
	"version: 1\npolicy: g\napplies_to: \"*\"\nrules:\n  - allow: a/*\n    when: { x: { max: " \
	"3 } }\n  - allow: \"model:{m,n}\"\n"

static bool
model(struct bundle *b, const char *user, const char *id, const char *asked)
{
	struct subject s;
	struct verdict v;

	subject_of(b, user, &s);
	rules_decide(b, &s, ASK_MODEL, str_of(id), str_of(asked), &v);
	return v.allowed;
}

static void
test_manner(void)
{
	struct bundle *b;
	struct subject s;
	struct verdict v;
	struct buf must;
	struct err e;

	TEST("a ceiling bounds whom it applies to, in both names of a model");
	b = load_two(GRANT, "version: 1\npolicy: c\napplies_to: { users: [ben] }\n"
			    "ceiling: [\"b/*\", \"model:m\"]\n");
	CHECK(listed(b, "ana") && !listed(b, "ben"));
	told(b, "ben", "{\"x\":1}", "denied by c:4: outside the ceiling");
	CHECK(model(b, "ben", "m", "") && !model(b, "ben", "n", "") && !model(b, "ben", "n", "m") &&
	      model(b, "ana", "n", "m"));
	bundle_free(&b);

	TEST("what observes decides nothing, and is asked apart");
	b = load_two(GRANT,
	    "version: 1\npolicy: c\napplies_to: { users: [ben] }\nmode: observe\n"
	    "rules:\n  - deny: a/*\n    reason: soon\n    when: { x: { max: 1 } }\n");
	CHECK(call(b, "ben", STR("{\"x\":1}"), NULL));
	buf_init(&must, 0);
	subject_of(b, "ben", &s);
	CHECK(rules_would(b, &s, ASK_TOOL, STR("a/t"), STR(""), STR("{\"x\":1}"), &v, &must) &&
	      !v.allowed);
	CHECK(rules_would(b, &s, ASK_TOOL, STR("a/t"), STR(""), STR("{\"x\":2}"), &v, &must) &&
	      v.allowed);
	subject_of(b, "ana", &s);
	CHECK(!rules_would(b, &s, ASK_TOOL, STR("a/t"), STR(""), STR("{}"), &v, &must));
	bundle_free(&b);

	TEST("explain says how much a refusal tells");
	b = load_two(GRANT,
	    "version: 1\npolicy: c\napplies_to: { users: [ben] }\nexplain: opaque\n"
	    "rules:\n  - deny: a/*\n    reason: secret\n    when: { x: { max: 1 } }\n");
	subject_of(b, "ben", &s);
	rules_decide_call(b, &s, ASK_TOOL, STR("a/t"), STR(""), STR("{\"x\":1}"), &v, &must);
	CHECK(!verdict_err(&v, STR("a/t"), &e));
	CHECK_EQ_S(e.text, "a/t: refused by policy");
	bundle_free(&b);
	b = load_two(GRANT, "version: 1\npolicy: c\napplies_to: { users: [ben] }\nexplain: full\n"
			    "rules:\n  - deny: a/*\n    reason: told\n");
	subject_of(b, "ben", &s);
	rules_decide_call(b, &s, ASK_TOOL, STR("a/t"), STR(""), STR("{\"x\":1}"), &v, &must);
	CHECK(!verdict_err(&v, STR("a/t"), &e));
	CHECK_EQ_S(e.text, "a/t: denied by c:6: told · rule root/q.yaml:6");
	bundle_free(&b);
	buf_fini(&must);
}

/* ---- limits ---- */

#define WALKED ((size_t)1 << 20)

/* Denies that walk the arguments and the long list in them, and are not true of it. */
static bool
called_with_denies(size_t n, struct str args)
{
	struct bundle *b;
	struct buf rules;
	bool allowed;

	buf_init(&rules, 0);
	buf_puts(&rules, "  - allow: a/t\n");
	for (size_t i = 0; i < n; i++)
		buf_puts(
		    &rules, "  - deny: a/t\n    when: { l: { max_items: 3 } }\n    reason: r\n");
	b = load(buf_cstr(&rules));
	allowed = call(b, "ana", args, NULL);
	bundle_free(&b);
	buf_fini(&rules);
	return allowed;
}

static void
test_limits(void)
{
	struct bundle *b =
	    load("  - allow: a/t\n    when: { l: { each: { not: x }, present: true } }\n"
		 "  - allow: a/t\n    when: { s: { matches: \"^(a|b)*$\" } }\n");
	struct buf args;

	buf_init(&args, 0);
	TEST("more steps than a call may take are no answer");
	buf_puts(&args, "{\"l\":[");
	for (int i = 0; i < 5000; i++)
		buf_puts(&args, i == 0 ? "\"y\"" : ",\"y\"");
	buf_puts(&args, "]}");
	CHECK(!call(b, "ana", buf_str(&args), NULL));
	TEST("nor is a list that so many rules would walk again and again");
	buf_reset(&args);
	buf_puts(&args, "{\"l\":[");
	while (args.n < WALKED)
		buf_puts(&args, "1,");
	buf_puts(&args, "1]}");
	CHECK(called_with_denies(CONDITION_BYTES / (2 * WALKED) - 2, buf_str(&args)));
	CHECK(!called_with_denies(CONDITION_BYTES / (2 * WALKED) + 2, buf_str(&args)));
	TEST("a text too long to be judged is not");
	buf_reset(&args);
	buf_puts(&args, "{\"s\":\"");
	for (int i = 0; i < 9000; i++)
		buf_putc(&args, 'a');
	buf_puts(&args, "\"}");
	CHECK(!call(b, "ana", buf_str(&args), NULL));
	TEST("arguments deeper than the scanner goes are not");
	buf_reset(&args);
	buf_puts(&args, "{\"s\":\"a\",\"d\":");
	for (int i = 0; i < 100; i++)
		buf_putc(&args, '[');
	CHECK(!call(b, "ana", buf_str(&args), NULL));
	bundle_free(&b);
	buf_fini(&args);
}

int
main(void)
{
	test_operators();
	test_texts();
	test_mistakes();
	test_properties();
	test_manner();
	test_limits();
	return check_done();
}
