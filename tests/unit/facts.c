/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts - rules beside what mcp.lock knows: where:, defaults of a schema, and what is wrong.
 */
#include "policies/facts.h"
#include "policies/bundle.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define READ                                                                                       \
	"{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},\"mode\":{\"type\":"  \
	"\"string\",\"default\":\"safe\"},\"n\":{\"type\":\"integer\"},\"names\":{\"type\":"       \
	"\"array\"},\"deep\":{\"type\":\"object\",\"default\":{\"k\":1},\"properties\":{\"k\":{"   \
	"\"type\":\"integer\"}}}},\"required\":[\"path\"],\"additionalProperties\":false}"

static const struct str tags[] = { STR("files"), STR("docs") };
static const struct str labels[] = { STR("destructive"), STR("egress") };
static const struct tool_fact known[] = {
	{ .name = STR("fs/read"),
	    .readonly = true,
	    .tags = tags,
	    .tags_n = 2,
	    .input_schema = STR(READ) },
	{ .name = STR("fs/drop"),
	    .destructive = true,
	    .labels = labels,
	    .labels_n = 2,
	    .input_schema = STR("{\"type\":\"object\"}") },
	{ .name = STR("git/log"), .readonly = true, .input_schema = STR("{\"type\":\"object\"}") },
};
static const struct tool_facts facts = { known, COUNT(known), true };
static struct arena scopes = { .limit = 1 << 20 };
static struct buf told;

/* The bundle of these rules, or NULL; `told` has the problems, without their folder. */
static struct bundle *
load(const char *rules, const struct tool_facts *f)
{
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir, .facts = f };
	struct buf text, problems;
	struct bundle *b;
	struct err e;

	buf_init(&text, 0);
	buf_init(&problems, 0);
	buf_printf(&text, "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n%s", rules);
	folder_put(dir, "root/p.yaml", buf_cstr(&text));
	b = bundle_load(&src, &problems, &e);
	buf_reset(&told);
	for (struct str rest = buf_str(&problems), line; rest.p != NULL && rest.n > 0;) {
		line = str_cut(&rest, '\n');
		buf_put(&told, (struct str){ line.p + strlen(dir) + 6, line.n - strlen(dir) - 6 });
		buf_putc(&told, '\n');
	}
	buf_fini(&text);
	buf_fini(&problems);
	folder_drop(&dir);
	return b;
}

/* What a list says of the tool; args: what a call is told. */
static void
says(struct bundle *b, const char *tool, const char *args, const char *want)
{
	struct buf must, text;
	struct subject s;
	struct verdict v;
	struct err e;

	ASSERT(b != NULL &&
	       subject_resolve(b, &(struct key_spec){ .name = STR("k") }, &scopes, &s, &e));
	buf_init(&must, 0);
	buf_init(&text, 0);
	if (args == NULL)
		rules_decide(b, &s, ASK_TOOL, str_of(tool), STR(""), &v);
	else
		rules_decide_call(b, &s, ASK_TOOL, str_of(tool), STR(""), str_of(args), &v, &must);
	verdict_text(&v, &text);
	CHECK_STR(buf_str(&text), want);
	buf_fini(&must);
	buf_fini(&text);
}

static bool
allows(struct bundle *b, const char *tool, const char *args)
{
	struct subject s;
	struct verdict v;
	struct buf must;
	struct err e;

	if (!CHECK(b != NULL)) {
		printf("    %s", buf_cstr(&told));
		return false;
	}
	ASSERT(subject_resolve(b, &(struct key_spec){ .name = STR("k") }, &scopes, &s, &e));
	buf_init(&must, 0);
	rules_decide_call(b, &s, ASK_TOOL, str_of(tool), STR(""), str_of(args), &v, &must);
	buf_fini(&must);
	return v.allowed;
}

static void
test_where(void)
{
	struct bundle *b;

	TEST("an allow speaks of the tools that the lock knows as wanted, and of no other");
	b = load("  - allow: any/*\n    where: { readonly: true, tag: [docs, x] }\n", &facts);
	CHECK(allows(b, "fs/read", "{}") && !allows(b, "fs/drop", "{}"));
	CHECK(!allows(b, "git/log", "{}") && !allows(b, "new/tool", "{}"));
	bundle_free(&b);
	b = load(
	    "  - allow: any/*\n    where: { readonly: true, destructive: false, tag: [docs, x], "
	    "label: egress }\n",
	    &facts);
	CHECK_STR(where_text(b->policies[0]->rules[0].pattern.where),
	    "where readonly, not destructive, tag docs or x, label egress");
	CHECK_STR(where_text(NULL), "");
	bundle_free(&b);
	b = load("  - allow: any/*\n    where: { destructive: false }\n", &facts);
	CHECK(allows(b, "fs/read", "{}") && allows(b, "git/log", "{}"));
	CHECK(!allows(b, "fs/drop", "{}") && !allows(b, "new/tool", "{}"));
	CHECK_STR(buf_str(&told), "");
	bundle_free(&b);

	TEST("what allows a tool says of which tools it speaks, in a list and in a call");
	b = load("  - allow: \"{fs,git}/*\"\n    where: { readonly: true }\n    when: { path: { "
		 "under: /repo } }\n"
		 "  - allow: git/*\n    where: { destructive: false }\n",
	    &facts);
	says(b, "fs/read", NULL, "allowed by p:5 where readonly when path is under /repo");
	says(b, "fs/read", "{\"path\":\"/repo/a\"}", "allowed by p:5 where readonly");
	says(b, "fs/drop", NULL, "no rule allows it");
	says(b, "git/log", NULL, "allowed by p:8 where not destructive");
	says(b, "git/log", "{\"path\":\"/repo/a\"}", "allowed by p:5 where readonly");
	bundle_free(&b);

	TEST("a deny speaks of what is as wanted, and of all that nothing is known of");
	b = load("  - allow: any/*\n    where: { destructive: false }\n  - allow: \"{fs,new}/*\"\n"
		 "  - deny: any/*\n    where: { label: egress }\n    reason: no\n",
	    &facts);
	CHECK(allows(b, "fs/read", "{}") && allows(b, "git/log", "{}"));
	CHECK(!allows(b, "fs/drop", "{}") && !allows(b, "new/tool", "{}"));
	bundle_free(&b);

	TEST("without a lock an allow with where: opens nothing, and a deny holds for all");
	b = load("  - allow: any/*\n    where: { readonly: true }\n", &(struct tool_facts){ 0 });
	CHECK(!allows(b, "fs/read", "{}"));
	CHECK_STR(buf_str(&told), "p.yaml:6:12: warning: there is no mcp.lock, so this rule allows "
				  "nothing (tollgate lock init)\n");
	bundle_free(&b);
	b = load(
	    "  - allow: any/*\n  - deny: any/*\n    where: { readonly: true }\n    reason: no\n",
	    NULL);
	CHECK(!allows(b, "fs/read", "{}"));
	bundle_free(&b);
}

static void
test_defaults(void)
{
	struct bundle *b =
	    load("  - allow: fs/read\n    when: { mode: { equals: safe }, deep.k: { max: 1 } }\n",
		&facts);

	TEST("what is left out is what the locked schema says that it is then");
	CHECK(allows(b, "fs/read", "{}"));
	CHECK(allows(b, "fs/read", "{\"mode\":\"safe\"}"));
	CHECK(!allows(b, "fs/read", "{\"mode\":\"wild\"}"));
	CHECK(!allows(b, "fs/read", "{\"deep\":{\"k\":2}}"));
	CHECK(!allows(b, "fs/read", "{\"deep\":{}}"));
	bundle_free(&b);
	b = load("  - allow: fs/read\n  - deny: fs/read\n    when: { mode: { equals: safe } }\n    "
		 "reason: no\n",
	    &facts);
	CHECK(!allows(b, "fs/read", "{}") && allows(b, "fs/read", "{\"mode\":\"wild\"}"));
	bundle_free(&b);
	b = load("  - allow: fs/read\n    when: { mode: { equals: safe } }\n", NULL);
	CHECK(!allows(b, "fs/read", "{}"));
	bundle_free(&b);
}

static void
refuses(const char *rules, const char *why)
{
	struct bundle *b = load(rules, &facts);

	CHECK(b == NULL);
	CHECK_STR(buf_str(&told), why);
	bundle_free(&b);
}

static void
warns(const char *rules, const char *why)
{
	struct bundle *b = load(rules, &facts);

	CHECK(b != NULL);
	CHECK_STR(buf_str(&told), why);
	bundle_free(&b);
}

static void
test_lint(void)
{
	TEST("what cannot be, beside the lock, is an error with the nearest name");
	refuses("  - allow: fs/raed\n",
	    "p.yaml:5:12: mcp.lock has no tool \"fs/raed\" (did you mean \"fs/read\"?)\n");
	refuses("  - allow: fs/{read,frobnicate}\n",
	    "p.yaml:5:12: mcp.lock has no tool \"fs/frobnicate\" (tollgate lock approve, or remove "
	    "the rule)\n");
	refuses("  - allow: fs/read\n    when: { pahts: { equals: x } }\n",
	    "p.yaml:6:20: fs/read has no argument \"pahts\" (did you mean \"path\"?)\n");
	refuses("  - allow: fs/read\n    when: { n: { under: /repo } }\n",
	    "p.yaml:6:16: \"n\" of fs/read is of another type, this can never be true\n");
	refuses("  - allow: fs/read\n    when: { path: { min: 3 } }\n",
	    "p.yaml:6:19: \"path\" of fs/read is of another type, this can never be true\n");
	refuses("  - allow: fs/*\n    where: { lable: x }\n",
	    "p.yaml:6:14: unknown key \"lable\" in where (did you mean \"label\"?)\n");
	refuses("  - allow: fs/*\n    where: { label: egres }\n",
	    "p.yaml:6:21: unknown label \"egres\" (did you mean \"egress\"?)\n"
	    "p.yaml:5:12: warning: \"fs/*\" with its where: matches no tool of mcp.lock\n");
	refuses("  - allow: \"model:*\"\n    where: { readonly: true }\n",
	    "p.yaml:6:5: only tools stand in mcp.lock: where: is for them\n");

	TEST("what may be meant is a warning");
	warns(
	    "  - allow: fs/x*\n", "p.yaml:5:12: warning: \"fs/x*\" matches no tool of mcp.lock\n");
	warns("  - allow: any/*\n", "p.yaml:5:12: warning: \"any/*\" allows 1 destructive tool, "
				    "fs/drop (add where: { destructive: false })\n");
	warns("  - allow: fs/read\n    when: { names: { each: { glob: \"a*\" } } }\n",
	    "p.yaml:6:20: warning: \"names\" of fs/read may be left out, and then this is true "
	    "(add present: true)\n");
	warns("  - allow: fs/*\n    where: { tag: nobody }\n",
	    "p.yaml:6:19: warning: no tool of mcp.lock has the tag \"nobody\"\n"
	    "p.yaml:5:12: warning: \"fs/*\" with its where: matches no tool of mcp.lock\n");

	TEST("what is not known is not held against a rule");
	warns("  - allow: new/tool\n  - allow: \"{new,git}/l*\"\n", "");
	warns("  - allow: fs/drop\n    when: { whatever: { equals: 1 } }\n", "");
	warns("  - allow: fs/read\n    when: { names: { present: true, each: { not: { equals: x } "
	      "} }, "
	      "mode: { not: { equals: wild } } }\n",
	    "");
}

int
main(void)
{
	buf_init(&told, 0);
	test_where();
	test_defaults();
	test_lint();
	buf_fini(&told);
	arena_free(&scopes);
	return check_done();
}
