/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policytest - the cases of *_test.yaml: each kind of case, right and wrong, and what a wrong one
 * says.  Repeated calls meet the limits and budgets of the gate itself.
 */
#include "policies/tools.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define POLICIES                                                                                   \
	"version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        payments:\n"    \
	"          budget: 10 USD/day\n          users:\n            ana: { groups: [dev] }\n"     \
	"            ben: {}\n"                                                                    \
	"policy: tools\napplies_to: { users: [ana] }\nrules:\n"                                    \
	"  - allow: jira/create_issue\n    limit: { calls: 200/day }\n"                            \
	"  - allow: fs/read\n    when: { path: { under: /repo } }\n"                               \
	"  - allow: \"model:{sonnet,claude-1,half}\"\n  - allow: \"prompt:jira/*\"\n"              \
	"  - allow: \"resource:jira/issue:*\"\n  - allow: \"hosted:web_search\"\n"                 \
	"  - { allow: code:run, limit: { calls: 100, seconds: 20 } }\n  - allow: jira/close\n    " \
	"approval: { text: A person closes }\n"                                                    \
	"  - allow: jira/reopen\n  - approve: any/reopen\n    reason: Say so first\n"              \
	"  - redact: \"model:claude-1\"\n    args: { secrets: block, pii: { card: mask } }\n"      \
	"  - redact: fs/*\n    result: { all: hash }\n"
#define GIVEN "suite: s\ngiven: { as: { user: ana }, now: \"2026-08-31T23:59:00Z\" }\ncases:\n"

static const struct model_alias aliases[] = { { STR("sonnet"), STR("claude-1") },
	{ STR("half"), STR("claude-2") } };

#define FLOW                                                                                       \
	"version: 1\npolicy: flow\napplies_to: \"*\"\nrules:\n  - allow: web/post\n"               \
	"  - label: web/post\n    as: [egress]\n"                                                  \
	"  - deny: any/*\n    labels: [egress]\n    after: [private]\n    reason: stays here\n"

/* The TAP of a bundle with this test file. */
static bool
run(const char *test, struct buf *tap)
{
	char *dir = folder_new();
	struct core_settings s = { .policies_dir = dir, .aliases = aliases, .aliases_n = 2 };
	bool ok;

	folder_put(dir, "root/a.yaml", POLICIES);
	folder_put(dir, "root/flow.yaml", FLOW);
	folder_put(dir, "root/a_test.yaml", test);
	buf_init(tap, 0);
	ok = policies_test(&s, false, tap, NULL);
	folder_drop(&dir);
	return ok;
}

static void
passes(const char *cases)
{
	struct buf test, tap;

	buf_init(&test, 0);
	buf_printf(&test, GIVEN "%s", cases);
	if (!CHECK(run(buf_cstr(&test), &tap)))
		printf("%s\n%s", cases, buf_cstr(&tap));
	buf_fini(&test);
	buf_fini(&tap);
}

static void
fails(const char *cases, const char *says)
{
	struct buf test, tap;

	buf_init(&test, 0);
	buf_printf(&test, GIVEN "%s", cases);
	if (!CHECK(!run(buf_cstr(&test), &tap)) || !CHECK(strstr(buf_cstr(&tap), says) != NULL))
		printf("%s\n%s    lacks: %s\n", cases, buf_cstr(&tap), says);
	buf_fini(&test);
	buf_fini(&tap);
}

static void
test_calls(void)
{
	TEST("a call is answered as the gate would, for every kind of name");
	passes(
	    "  - call: [fs/read, { path: /repo/a }]\n    expect: allow\n    because: tools:16\n");
	passes(
	    "  - call: [fs/read, { path: /etc }]\n    expect: deny\n    because: root/a.yaml:16\n");
	passes("  - call: [fs/read]\n    expect: deny\n    because: tools\n");
	passes("  - call: [\"model:sonnet\"]\n    expect: allow\n");
	passes("  - call: [\"model:half\"]\n    expect: deny\n");
	passes("  - call: [\"prompt:jira/review\"]\n    expect: allow\n");
	passes("  - call: [\"resource:jira/issue:7\"]\n    expect: allow\n");
	passes("  - call: [\"resource:jira/file:7\"]\n    expect: deny\n");
	passes("  - call: [\"hosted:web_search\"]\n    expect: allow\n");
	passes("  - call: [\"hosted:mcp/example.com\"]\n    expect: deny\n");
	passes("  - call: [\"code:run\"]\n    expect: allow\n");
	passes("  - call: [\"code:run\"]\n    expect: allow\n    at_most: { calls: 100, seconds: "
	       "20 }\n");
	fails("  - call: [\"code:run\"]\n    expect: allow\n    at_most: { calls: 99 }\n",
	    "calls: 100 calls are allowed by root/");
	fails("  - call: [\"code:run\"]\n    expect: allow\n    at_most: { memory: 1MiB }\n",
	    "memory: nothing bounds a script");
	fails("  - call: [\"code:run\"]\n    expect: allow\n    at_most: { minutes: 1 }\n",
	    "\"minutes\" bounds no script");
	fails("  - call: [\"code:run\"]\n    expect: allow\n    at_most: { calls: 2/day }\n",
	    "bounds no script");
	fails("  - call: [fs/read, { path: /repo/a }]\n    expect: allow\n    at_most: { calls: 1 "
	      "}\n",
	    "is about scripts");
	passes("  - list: { contains: [fs/read, \"model:sonnet\", \"code:run\"], lacks: [fs/write, "
	       "\"model:half\"] }\n");
	TEST("what is redacted of a call, by either name of a model");
	passes("  - call: [\"model:sonnet\"]\n    expect: allow\n    redacts: { args: { secrets: "
	       "block, pii: { card: hash } } }\n");
	passes("  - call: [\"model:claude-1\"]\n    expect: allow\n    redacts: { args: { secrets: "
	       "mask } }\n");
	passes(
	    "  - call: [fs/read, { path: /repo/a }]\n    expect: allow\n    redacts: { result: { "
	    "pii: hash } }\n");
	fails(
	    "  - call: [\"model:sonnet\"]\n    expect: allow\n    redacts: { args: { pii: { card: "
	    "block, iban: mask } } }\n",
	    "args: card: block was expected, mask");
	fails(
	    "  - call: [\"model:half\"]\n    expect: deny\n    redacts: { args: { secrets: hash } "
	    "}\n",
	    "args: secrets: hash was expected, and nothing is done");
	fails(
	    "  - call: [fs/read, { path: /repo/a }]\n    expect: allow\n    redacts: { results: { "
	    "all: mask } }\n",
	    "unknown key \"results\" in redacts (did you mean \"result\"?)");
	fails("  - call: [fs/read, { path: /repo/a }]\n    expect: allow\n    redacts: { result: { "
	      "all: maks } }\n",
	    "did you mean \"mask\"?");
	TEST("a call that waits for a person is neither allowed nor refused");
	passes("  - call: [jira/close]\n    expect: approve\n    because: tools:23\n");
	passes("  - call: [jira/reopen]\n    expect: approve\n    because: tools\n");
	passes("  - repeat: [jira/close]\n    times: 2\n    expect_last: approve\n");
	fails("  - call: [jira/close]\n    expect: allow\n", "an approval (A person closes)");
	fails("  - call: [jira/close]\n    expect: deny\n", "APPROVE  jira/close");
	TEST("a wrong case says what was expected and why it is not so");
	fails("  - call: [fs/read, { path: /etc }]\n    expect: allow\n", "expected: allow");
	fails(
	    "  - call: [fs/read, { path: /etc }]\n    expect: allow\n", "path must be under /repo");
	fails("  - call: [fs/read, { path: /repo }]\n    expect: allow\n    because: others\n",
	    "not because of others");
	fails("  - list: { contains: [fs/write] }\n", "no rule allows it");
	TEST("a case that is none says how one is written");
	fails("  - call: [fs/read]\n    expect: alow\n", "expect: allow, deny or approve");
	fails("  - call: [fs/read]\n", "expect: allow, deny or approve");
	fails("  - call: [fs]\n    expect: deny\n", "\"fs\" has no server");
	fails("  - call: fs/read\n    expect: deny\n", "write: call: [server/tool");
	fails("  - call: [\"model:sonnet\", { a: 1 }]\n    expect: deny\n", "only calls of tools");
	fails("  - call: [\"code:walk\"]\n    expect: deny\n", "knows only code:run");
	fails(
	    "  - call: [fs/read]\n    expect: deny\n    becuase: x\n", "did you mean \"because\"?");
	fails("  - call: [fs/read]\n    list: {}\n", "one of call:, list: and repeat:");
	fails("  - expect: deny\n", "a case has call:, list: or repeat:");
	fails("  - list: {}\n", "write: list:");
	fails("  - list: { contians: [a/b], lacks: [a/b] }\n", "did you mean \"contains\"?");
}

static void
test_repeats(void)
{
	TEST("a repeated call meets the limit of its rule, exactly");
	passes("  - repeat: [jira/create_issue]\n    times: 200\n    expect_last: allow\n");
	passes(
	    "  - repeat: [jira/create_issue]\n    times: 201\n    expect_last: deny\n    because: "
	    "limit\n");
	TEST("the clock that moves gives back what a limit took");
	passes("  - repeat: [jira/create_issue]\n    times: 400\n    each: { every: 8m }\n    "
	       "expect_last: allow\n    because: tools\n");
	TEST("a repeated model meets the budget, until its period is over");
	passes("  - repeat: [\"model:sonnet\"]\n    times: 20\n    each: { cost: 0.5 USD }\n    "
	       "expect_last: allow\n");
	passes("  - repeat: [\"model:sonnet\"]\n    times: 21\n    each: { cost: 0.5 USD }\n    "
	       "expect_last: deny\n    because: budget\n");
	passes("  - repeat: [\"model:sonnet\"]\n    times: 24\n    each: { cost: 0.5 USD, every: "
	       "10s }\n"
	       "    expect_last: allow\n");
	TEST("one case's use is not another's");
	passes("  - repeat: [jira/create_issue]\n    times: 200\n    expect_last: allow\n"
	       "  - repeat: [jira/create_issue]\n    times: 200\n    expect_last: allow\n");
	TEST("a wrong repetition says which was the first to be refused");
	fails("  - repeat: [jira/create_issue]\n    times: 203\n    expect_last: allow\n",
	    "3 refused, the first of them is number 201");
	fails(
	    "  - repeat: [jira/nothing]\n    times: 3\n    expect_last: deny\n    because: limit\n",
	    "not because of limit");
	fails("  - repeat: [jira/create_issue]\n    expect_last: deny\n", "times: 201");
	fails("  - repeat: [jira/create_issue]\n    times: 2\n", "expect_last: allow, deny");
	fails("  - repeat: [jira/create_issue]\n    times: 0\n    expect_last: deny\n", "1");
	fails("  - repeat: [jira/create_issue]\n    times: 2\n    each: { cost: 3 }\n    "
	      "expect_last: "
	      "deny\n",
	    "0.10 USD");
	fails("  - repeat: [\"hosted:web_search\"]\n    times: 2\n    expect_last: deny\n",
	    "has no limits");
}

static void
test_given(void)
{
	static const struct {
		const char *given, *says;
	} rows[] = { { "given: { as: { user: anna } }", "did you mean \"ana\"?" },
		{ "given: { as: { user: ana, groups: [sre] } }", "is not in group \"sre\"" },
		{ "given: { as: { usr: ana } }", "did you mean \"user\"?" },
		{ "given: { as: { user: ana }, now: tomorrow }", "now is a time of UTC" },
		{ "given: { as: { user: ana }, then: 1 }", "unknown key \"then\"" },
		{ "given: { as: { user: ana }, seen: [privat] }", "seen is a list of private" },
		{ "suite: x", "who asks?" } };

	TEST("what the session has got before decides what may leave");
	passes("  - call: [web/post]\n    expect: allow\n");
	{
		struct buf tap;

		CHECK(run("given: { as: { user: ana }, seen: [private] }\ncases:\n"
			  "  - call: [web/post]\n    expect: deny\n    because: flow\n"
			  "  - list: { contains: [web/post] }\n",
		    &tap));
		buf_fini(&tap);
	}
	TEST("who asks, and when, is read strictly");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf test, tap;

		buf_init(&test, 0);
		buf_printf(&test, "%s\ncases:\n  - call: [a/b]\n    expect: deny\n", rows[i].given);
		if (!CHECK(!run(buf_cstr(&test), &tap)) ||
		    !CHECK(strstr(buf_cstr(&tap), rows[i].says) != NULL))
			printf("%s", buf_cstr(&tap));
		buf_fini(&test);
		buf_fini(&tap);
	}
}

int
main(void)
{
	test_calls();
	test_repeats();
	test_given();
	return check_done();
}
