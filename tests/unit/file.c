/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file - a folder of policy files: what loads, and how each mistake is told.
 *
 * Each case is one file (or two) in a fresh folder, and a part of the line that must be printed.
 */
#include <stdlib.h>
#include <unistd.h>

#include "policies/bundle.h"
#include "policies/prices.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define ORG                                                                                        \
	"version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        payments:\n"    \
	"          users:\n            ana: { groups: [developer] }\n        core: {}\n    "       \
	"beta:\n"                                                                                  \
	"      teams:\n        payments: {}\n"
#define POLICY(applies, rules) "version: 1\npolicy: p\napplies_to: " applies "\nrules:\n" rules

static const struct str servers[] = { STR("github"), STR("notes") };
static const struct str models[] = { STR("sonnet"), STR("claude-sonnet-4-6"), STR("claude-*") };

static struct bundle *
load(const char *dir, struct buf *problems, struct err *e)
{
	const struct bundle_source src = { .dir = dir,
		.servers = servers,
		.servers_n = COUNT(servers),
		.models = models,
		.models_n = COUNT(models) };

	return bundle_load(&src, problems, e);
}

/* Files as path, text pairs, NULL-terminated; wants this text among the problems, or none. */
static void
expect(const char *sentence, const char *const *files, const char *want)
{
	char *dir = folder_new();
	struct buf problems;
	struct bundle *b;
	struct err e;

	TEST(sentence);
	buf_init(&problems, 0);
	for (; *files != NULL; files += 2)
		folder_put(dir, files[0], files[1]);
	b = load(dir, &problems, &e);
	if (want == NULL) {
		CHECK(b != NULL);
		CHECK_STR(buf_str(&problems), "");
	} else if (!CHECK(b == NULL && strstr(buf_cstr(&problems), want) != NULL)) {
		printf("    wanted %s\n    got    %s\n", want, buf_cstr(&problems));
	}
	bundle_free(&b);
	buf_fini(&problems);
	folder_drop(&dir);
}
#define FILES(...)          ((const char *const[]){ __VA_ARGS__, NULL })
#define ROOT(s, text, want) expect(s, FILES("root/o.yaml", ORG, "root/p.yaml", text), want)

static void
test_rules(void)
{
	ROOT("a policy loads", POLICY("{ teams: [acme/payments] }", "  - allow: github/get_*\n"),
	    NULL);
	ROOT("an unknown server has a nearest name", POLICY("\"*\"", "  - allow: gihub/get_*\n"),
	    "/root/p.yaml:5:12: unknown server \"gihub\" (did you mean \"github\"?)");
	ROOT("an unknown model has a nearest name", POLICY("\"*\"", "  - allow: model:sonet\n"),
	    "p.yaml:5:12: unknown model \"sonet\" (did you mean \"sonnet\"?)");
	ROOT("an unknown key has a nearest name", POLICY("\"*\"", "  - alow: github/x\n"),
	    "p.yaml:5:5: unknown key \"alow\" in a rule (did you mean \"allow\"?)");
	ROOT("a selector that is none is refused, not skipped",
	    POLICY("\"*\"", "  - allow: github/x\n    where: { readony: true }\n"),
	    "p.yaml:6:14: unknown key \"readony\"");
	ROOT("an exception that says nothing is refused",
	    POLICY("\"*\"", "  - deny: github/x\n    reason: r\n    unless: {}\n"),
	    "p.yaml:7:13: a condition names arguments");
	ROOT("an approve without a reason", POLICY("\"*\"", "  - approve: any/x\n"),
	    "p.yaml:5:5: an approve needs a reason: (who is to approve reads it)");
	ROOT("a label that is none", POLICY("\"*\"", "  - label: any/x\n    as: [privat]\n"),
	    "p.yaml:6:10: unknown label \"privat\" (did you mean \"private\"?)");
	ROOT("an allow after something",
	    POLICY("\"*\"", "  - allow: any/x\n    after: [private]\n"),
	    "p.yaml:6:5: after: stands with deny: or approve:");
	ROOT("an approval of a model",
	    POLICY("\"*\"", "  - allow: \"model:x\"\n    approval: {}\n"),
	    "p.yaml:5:5: only calls of tools wait for an approval");
	ROOT("a way of approving that is none",
	    POLICY("\"*\"", "  - allow: a/x\n    approval: { via: [mail] }\n"),
	    "unknown way \"mail\"");
	ROOT("a mode that is none is refused",
	    "version: 1\npolicy: p\napplies_to: \"*\"\nmode: obsrve\nrules:\n  - allow: any/x\n",
	    "p.yaml:4:7: unknown mode \"obsrve\" (did you mean \"observe\"?)");
	ROOT("an empty ceiling is refused",
	    "version: 1\npolicy: p\napplies_to: \"*\"\nceiling: []\nrules:\n  - allow: any/x\n",
	    "p.yaml:4:10: ceiling is a list of 1 to 256 patterns");
	ROOT("what a provider runs is granted by name",
	    POLICY("\"*\"", "  - allow: hosted:web_search\n  - allow: hosted:mcp/example.com\n"),
	    NULL);
	ROOT("what a provider runs is not counted",
	    POLICY("\"*\"", "  - allow: hosted:x\n    limit: { calls: 1/day }\n"),
	    "p.yaml:6:14: what a provider runs is not counted here");
	ROOT("what a provider runs shows no arguments",
	    POLICY("\"*\"", "  - allow: hosted:x\n    when: { a: { equals: 1 } }\n"),
	    "only calls of tools have arguments");
	ROOT("a deny needs a reason", POLICY("\"*\"", "  - deny: any/x\n"),
	    "p.yaml:5:5: a deny needs a reason");
	ROOT("an unquoted pattern is shown quoted", POLICY("\"*\"", "  - allow: {get_*,b}\n"),
	    "p.yaml:5:12: a pattern was expected; quote it: \"{get_*,b}\"");
	ROOT("one rule has one pattern", POLICY("\"*\"", "  - allow: [any/a, any/b]\n"),
	    "one pattern stands in a rule (\"{any/a,any/b}\"");
	ROOT("allow and deny do not share a rule",
	    POLICY("\"*\"", "  - allow: any/a\n    deny: any/b\n    reason: r\n"), "not both");
	ROOT("question marks are no pattern", POLICY("\"*\"", "  - allow: github/get_?\n"),
	    "\"?\" has no meaning in a pattern");
	ROOT("braces do not nest", POLICY("\"*\"", "  - allow: \"any/{a,{b,c}}\"\n"),
	    "braces within braces");
	ROOT("braces do not explode",
	    POLICY("\"*\"", "  - allow: \"any/{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b}\"\n"),
	    "more than 64 alternatives");
	ROOT("a pattern without a slash says what patterns are",
	    POLICY("\"*\"", "  - allow: foo\n"), "\"foo\" is not a pattern: server/tool");
	ROOT("code knows only run", POLICY("\"*\"", "  - allow: code:walk\n"), "only code:run");
	ROOT("all problems are told",
	    POLICY("\"*\"", "  - allow: foo\n  - allow: bar\n  - deny: any/x\n"),
	    "p.yaml:6:12: \"bar\" is not a pattern");
}

static void
test_redact(void)
{
	ROOT("a redact says what, for which side",
	    POLICY("\"*\"", "  - redact: any/*\n    result: { secrets: mask, pii: { card: block, "
			    "all: hash } }\n    args: { all: mask }\n    unless: { subject: { "
			    "groups: [developer] } }\n"),
	    NULL);
	ROOT("a redact without anything is refused", POLICY("\"*\"", "  - redact: any/*\n"),
	    "p.yaml:5:5: what is redacted? (write: result: { secrets: mask })");
	ROOT("a class that is none has a nearest name",
	    POLICY("\"*\"", "  - redact: any/*\n    result: { secret: mask }\n"),
	    "p.yaml:6:15: unknown key \"secret\" in what is redacted (did you mean \"secrets\"?)");
	ROOT("an action that is none has a nearest name",
	    POLICY("\"*\"", "  - redact: any/*\n    result: { pii: { card: maks } }\n"),
	    "p.yaml:6:28: one of mask, hash and block was expected (did you mean \"mask\"?)");
	ROOT("a redact has no tests of arguments",
	    POLICY("\"*\"",
		"  - redact: any/*\n    result: { all: mask }\n    when: { a: { equals: "
		"1 } }\n"),
	    "p.yaml:7:5: a redact has no conditions on arguments (here: subject: alone)");
	ROOT("of a model, what it is sent",
	    POLICY("\"*\"", "  - redact: model:sonnet\n    args: { all: mask }\n"), NULL);
	ROOT("of a model, not what it answers",
	    POLICY("\"*\"", "  - redact: model:sonnet\n    result: { all: mask }\n"),
	    "p.yaml:6:5: result: of a model is not supported: a secret would come split over the "
	    "events of a stream, and thinking is signed as it is (write args: what it is sent)");
	ROOT("what a provider runs is not redacted",
	    POLICY("\"*\"", "  - redact: hosted:web_search\n    args: { all: mask }\n"),
	    "p.yaml:5:5: only calls of tools, prompts and resources, code:run and models are "
	    "redacted");
	ROOT("what is redacted stands with redact",
	    POLICY("\"*\"", "  - allow: any/*\n    result: { all: mask }\n"),
	    "p.yaml:6:5: args: and result: stand with redact: PATTERN");
	ROOT("a redact has no limit",
	    POLICY("\"*\"", "  - redact: any/*\n    result: { all: mask }\n    limit: { calls: "
			    "1/day }\n"),
	    "p.yaml:7:5: a redact has no limit of its own");
}

static void
test_names(void)
{
	ROOT("an unknown team has a nearest name",
	    POLICY("{ teams: [acme/paymets] }", "  - allow: any/x\n"),
	    "p.yaml:3:23: team \"paymets\" is not in the policy files (did you mean "
	    "\"payments\"?)");
	ROOT("a team's name that two customers use is ambiguous",
	    POLICY("{ teams: [payments] }", "  - allow: any/x\n"), "is ambiguous: ");
	ROOT("applies_to is required", "version: 1\npolicy: p\nrules:\n  - allow: any/x\n",
	    "p.yaml:2:1: applies_to is missing");
	ROOT("an empty applies_to is nobody", POLICY("{}", "  - allow: any/x\n"),
	    "applies_to is empty");
	ROOT("clients only take away", POLICY("{ clients: [x] }", "  - allow: any/x\n"),
	    "p.yaml:5:5: a policy with clients: only takes away");
	ROOT("a version is required", "policy: p\napplies_to: \"*\"\nrules:\n  - allow: any/x\n",
	    "p.yaml:1:1: version is missing");
	ROOT(
	    "another version is refused", "version: 2\npolicy: p\n", "p.yaml:1:10: must be from 1");
	ROOT("yaml errors have a place", "version: 1\n\tpolicy: p\n", "p.yaml:2:");
	expect("a policy's name is unique",
	    FILES("root/a.yaml", POLICY("\"*\"", "  - allow: any/x\n"), "root/b.yaml",
		POLICY("\"*\"", "  - allow: any/x\n")),
	    "b.yaml:2:9: policy \"p\" is already in root/a.yaml:2");
}

static void
test_authority(void)
{
	expect("a team's folder speaks of its team",
	    FILES("root/o.yaml", ORG, "customers/acme/teams/payments/p.yaml",
		POLICY("{ teams: [payments] }", "  - allow: any/x\n")),
	    NULL);
	expect("a team's folder may not name another team",
	    FILES("root/o.yaml", ORG, "customers/acme/teams/payments/p.yaml",
		POLICY("{ teams: [core] }", "  - allow: any/x\n")),
	    "p.yaml:3:23: this folder speaks of acme/payments only");
	expect("a team's folder may not name its customer",
	    FILES("root/o.yaml", ORG, "customers/acme/teams/payments/p.yaml",
		POLICY("{ customers: [acme] }", "  - allow: any/x\n")),
	    "this folder speaks of acme/payments only");
	expect("a star stands in root only",
	    FILES(
		"root/o.yaml", ORG, "customers/acme/p.yaml", POLICY("\"*\"", "  - allow: any/x\n")),
	    "\"*\" stands in root/ only");
	expect("a customer's folder may not name another customer",
	    FILES("root/o.yaml", ORG, "customers/acme/o.yaml",
		"version: 1\norganisation:\n  customers:\n    beta: {}\n"),
	    "o.yaml:4:5: this folder speaks of customer acme only");
	expect("a team's folder may not set its customer's budget",
	    FILES("root/o.yaml", ORG, "customers/acme/teams/payments/o.yaml",
		"version: 1\norganisation:\n  customers:\n    acme: { budget: 1 USD/day }\n"),
	    "a team's folder speaks of its team only");
	expect("only root hands out groups",
	    FILES("root/o.yaml", ORG, "customers/acme/teams/payments/o.yaml",
		"version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        "
		"payments:\n"
		"          users:\n            eve: { groups: [sre] }\n"),
	    "groups are set in root/ only");
	expect("the organisation's own settings stand in root",
	    FILES("root/o.yaml", ORG, "customers/acme/o.yaml",
		"version: 1\norganisation:\n  zone: UTC\n"),
	    "o.yaml:3:3: the organisation's own settings stand in root/ only");
	expect("a folder named after nobody is an error",
	    FILES("root/o.yaml", ORG, "customers/amce/p.yaml",
		POLICY("{ customers: [acme] }", "  - allow: any/x\n")),
	    "its folder names nobody: customer \"amce\"");
	expect("a file outside the two folders is an error", FILES("x.yaml", ORG),
	    "x.yaml: stands outside root/ and customers/NAME/");
	expect("yml is not left out silently", FILES("root/x.yml", ORG), "(rename it)");
	expect("a bundle may hold the configuration",
	    FILES("root/o.yaml", ORG, "tollgate.yaml", "x"), NULL);
}

#define BUDGET(b) "version: 1\norganisation:\n  customers:\n    acme: { budget: " b " }\n"

static void
test_organisation(void)
{
	expect("a list of budgets", FILES("root/o.yaml", BUDGET("[500 USD/month, 0.5 USD/day]")),
	    NULL);
	expect("a misspelled period", FILES("root/o.yaml", BUDGET("5 USD/moth")),
	    "o.yaml:4:21: unknown period \"moth\" (did you mean \"month\"?)");
	expect("only USD", FILES("root/o.yaml", BUDGET("5 EUR/month")), "a budget is in USD");
	expect("no thousands separators", FILES("root/o.yaml", BUDGET("\"5,000 USD/month\"")),
	    "a budget is an amount");
	expect("no negative money", FILES("root/o.yaml", BUDGET("-5 USD/month")),
	    "a budget is an amount");
	expect("two budgets of a period", FILES("root/o.yaml", BUDGET("[1 USD/day, 2 USD/day]")),
	    "a second budget for the same period");
	expect("a budget has one owner",
	    FILES("root/a.yaml", BUDGET("1 USD/day"), "root/b.yaml", BUDGET("2 USD/day")),
	    "b.yaml:4:13: \"budget\" is already set in root/a.yaml:4");
	expect("an unknown zone",
	    FILES("root/o.yaml", "version: 1\norganisation:\n  zone: Mars/Base\n"),
	    "o.yaml:3:9: unknown time zone \"Mars/Base\"");
	expect("a zone is no path",
	    FILES("root/o.yaml", "version: 1\norganisation:\n  zone: Europe/../UTC\n"),
	    "unknown time zone");
	ROOT("an allow with a limit, and a limit of its own",
	    POLICY("\"*\"", "  - allow: github/x\n    limit: { calls: 200/day, concurrent: 4 }\n"
			    "  - limit: model:*\n    to: [{ requests: 5/second, per: team }, { "
			    "tokens: 9/day }]\n"
			    "    unless: { subject: { teams: [acme/payments] } }\n"),
	    NULL);
	ROOT("a limit of its own has a pattern", POLICY("\"*\"", "  - limit: { calls: 200/day }\n"),
	    "p.yaml:5:12: limit: alone takes a pattern, and to: how much");
	ROOT("a limit of its own says how much", POLICY("\"*\"", "  - limit: github/x\n"),
	    "p.yaml:5:5: how much is missing (write: to: { calls: 200/day })");
	ROOT("to: belongs to limit:",
	    POLICY("\"*\"", "  - allow: github/x\n    to: { calls: 1/day }\n"),
	    "p.yaml:6:5: to: stands with limit: PATTERN");
	ROOT("a deny has no limit",
	    POLICY("\"*\"", "  - deny: github/x\n    reason: r\n    limit: { calls: 1/day }\n"),
	    "p.yaml:7:5: a deny has no limit");
	ROOT("models have no calls",
	    POLICY("\"*\"", "  - allow: model:*\n    limit: { calls: 1/day }\n"),
	    "p.yaml:6:14: 'calls' does not count models (write requests)");
	ROOT("tools have no requests",
	    POLICY("\"*\"", "  - allow: github/x\n    limit: { tokens: 1/day }\n"),
	    "p.yaml:6:14: 'tokens' counts models only (write calls)");
#define LIMIT(text) "version: 1\norganisation:\n  customers:\n    a:\n      limit: " text "\n"
	expect("limits load",
	    FILES("root/o.yaml",
		LIMIT("[{ requests: 600/minute, tokens: 2000000/minute, calls: 200/day, "
		      "concurrent: 50 }, { requests: 10/second, per: key }]")),
	    NULL);
	expect("a limit has a time", FILES("root/o.yaml", LIMIT("{ requests: 600 }")),
	    "o.yaml:5:26: a limit is a whole number from 1 to 10000000000 and a time, like "
	    "600/minute");
	expect("the time has a nearest name", FILES("root/o.yaml", LIMIT("{ calls: 5/minut }")),
	    "o.yaml:5:23: unknown time \"minut\" (did you mean \"minute\"?)");
	expect("places have none", FILES("root/o.yaml", LIMIT("{ concurrent: 5/minute }")),
	    "concurrent is a whole number");
	expect("no limit of none", FILES("root/o.yaml", LIMIT("{ requests: 0/minute }")),
	    "a limit is a whole number from 1");
	expect("an empty limit", FILES("root/o.yaml", LIMIT("{ per: key }")), "the limit is empty");
	expect("a limit once", FILES("root/o.yaml", LIMIT("[{ calls: 5/day }, { calls: 6/day }]")),
	    "a second limit of the same kind");
	expect("what bounds one script", FILES("root/o.yaml", LIMIT("{ seconds: 20 }")),
	    "o.yaml:5:16: 'seconds' without a time bounds one script");
	expect("per whom", FILES("root/o.yaml", LIMIT("{ calls: 5/day, per: tem }")),
	    "unknown per \"tem\" (did you mean \"team\"?)");
	expect("no wider than where it stands",
	    FILES("root/o.yaml", "version: 1\norganisation:\n  customers:\n    a: { teams: { t: { "
				 "limit: { calls: 1/day, per: customer } } } }\n"),
	    "per: customer is wider than where it stands (a/t)");
	expect("a customer's is no limit of the organisation",
	    FILES("root/o.yaml", "version: 1\norganisation:\n  customers:\n    a: { limit: { "
				 "calls: 1/day, per: organisation } }\n"),
	    "per: organisation is wider than where it stands (a)");
	expect("the organisation's budget stands in root/",
	    FILES("root/o.yaml", "version: 1\norganisation: { customers: { a: {} } }\n",
		"customers/a/o.yaml", "version: 1\norganisation: { budget: 5 USD/day }\n"),
	    "o.yaml:2:17: the organisation's own settings stand in root/ only");
	expect("the organisation's budget has one owner",
	    FILES("root/a.yaml", "version: 1\norganisation: { budget: 5 USD/day }\n", "root/b.yaml",
		"version: 1\norganisation: { budget: 6 USD/day }\n"),
	    "b.yaml:2:17: \"budget\" is already set in root/a.yaml:2");
	expect("a limit has one owner",
	    FILES(
		"root/a.yaml", LIMIT("{ calls: 5/day }"), "root/b.yaml", LIMIT("{ calls: 5/day }")),
	    "b.yaml:5:7: \"limit\" is already set in root/a.yaml:5");
	expect("a name has no slash",
	    FILES("root/o.yaml", "version: 1\norganisation:\n  customers:\n    a/b: {}\n"),
	    "letters, digits");
}

static void
test_chains(void)
{
	char *dir = folder_new();
	struct chain c;
	struct bundle *b;
	struct err e;
	size_t n = 0;

	folder_put(dir, "root/o.yaml",
	    "version: 1\norganisation:\n  zone: UTC\n  contact: \"#top\"\n"
	    "  budget: 30000 USD/month\n  limit: { calls: 9/day }\n  customers:\n    acme:\n"
	    "      budget: 20000 USD/month\n      teams:\n        payments:\n"
	    "          budget: [500 USD/month, 40 USD/day]\n          contact: \"#pay\"\n"
	    "          users:\n            ana: { groups: [developer], budget: 75 USD/month }\n");
	b = load(dir, NULL, &e);
	TEST("a user alone finds its chain, leaf first");
	if (CHECK(b != NULL) && CHECK(bundle_find_chain(b, STR(""), STR(""), STR("ana"), &c, &e))) {
		CHECK_EQ_I(c.n, 4);
		CHECK_STR(c.level[0]->id, "acme/payments/ana");
		CHECK_STR(c.level[2]->id, "acme");
		CHECK_EQ_I(c.level[0]->budgets[0].amount_nusd, 75000000000);
		CHECK_EQ_I(c.level[1]->budgets_n, 2);
		CHECK_EQ_I(c.level[1]->budgets[0].period, PERIOD_DAY);
		CHECK_STR(c.level[1]->budgets[0].where, "root/o.yaml:12");
		CHECK_STR(c.level[0]->contact, "#pay");
		CHECK_STR(c.level[2]->contact, "#top");
		CHECK_STR(c.level[3]->id, ORGANISATION_ID);
		CHECK_EQ_I(c.level[3]->budgets[0].amount_nusd, 30000000000000);
		CHECK_STR(c.level[3]->budgets[0].where, "root/o.yaml:5");
		CHECK_EQ_I(c.level[3]->limits[0].per, PER_ORGANISATION);
		CHECK(c.level[2]->parent == c.level[3] && c.level[3]->parent == NULL);
		CHECK_STR(c.level[0]->zone, "UTC");
	}
	TEST("who is not in the files has no chain");
	CHECK(b != NULL && !bundle_find_chain(b, STR("beta"), STR(""), STR("ana"), &c, &e));
	CHECK_EQ_I(e.code, ERR_NO_OWNER);
	TEST("nobody is of the organisation alone");
	CHECK(b != NULL && bundle_find_chain(b, STR(""), STR(""), STR(""), &c, &e) && c.n == 1 &&
	      c.level[0]->kind == LEVEL_ORGANISATION);
	TEST("levels come parents first");
	for (const struct level *l = bundle_next_level(b, NULL); l; l = bundle_next_level(b, l))
		n++;
	CHECK_EQ_I(n, 4);
	CHECK(bundle_next_level(b, NULL)->kind == LEVEL_ORGANISATION);
	CHECK_EQ_I(bundle_rev(b).n, 64);
	bundle_free(&b);
	folder_drop(&dir);
}

static void
test_prices(void)
{
	static const struct {
		const char *text;
		int64_t nusd; /* -1: refused */
	} rows[] = { { "3", 3000000000 }, { "0.075", 75000000 }, { "0.000000001", 1 }, { "0", 0 },
		{ "999999999.999999999", 999999999999999999 }, { "", -1 }, { ".5", -1 },
		{ "5.", -1 }, { "1.2.3", -1 }, { "-1", -1 }, { "1e3", -1 }, { "0.0000000001", -1 },
		{ "1000000000", -1 }, { " 1", -1 } };
	char *dir = folder_new();
	struct prices p;
	struct arena a;
	struct err e;
	struct buf path;

	TEST("decimals become nano-dollars exactly");
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t v = -1;

		CHECK(usd_parse(str_of(rows[i].text), &v) == (rows[i].nusd >= 0));
		CHECK_EQ_I(v, rows[i].nusd);
	}
	TEST("a price table loads");
	arena_init(&a, (size_t)8 << 20);
	buf_init(&path, 0);
	folder_put(dir, "prices.yaml",
	    "version: 1\ndate: 2026-11-01\nmodels:\n"
	    "  b: { input: 3, output: 15, cache_write: 3.75, max_output: 64000 }\n"
	    "  a: { input: 1, output: 5, max_output: 100 }\n");
	buf_printf(&path, "%s/prices.yaml", dir);
	if (CHECK(prices_load(&a, buf_cstr(&path), &p, NULL, &e))) {
		CHECK_EQ_I(p.n, 2);
		CHECK(prices_find(&p, STR("c")) == NULL);
		CHECK_EQ_I(prices_find(&p, STR("b"))->cache_write_nusd, 3750000000);
		CHECK_EQ_I(prices_find(&p, STR("b"))->cache_read_nusd, 3000000000);
	}
	TEST("tools have prices too: a tool's own, else the dearest pattern's");
	folder_put(dir, "prices.yaml",
	    "version: 1\ndate: 2026-11-01\nmodels: {}\ntools:\n"
	    "  \"a/*\": 0.5\n  a/one: 0.25\n  \"*/one\": 2\n");
	if (CHECK(prices_load(&a, buf_cstr(&path), &p, NULL, &e))) {
		CHECK_EQ_I(prices_tool(&p, STR("a/one")), 250000000);
		CHECK_EQ_I(prices_tool(&p, STR("a/two")), 500000000);
		CHECK_EQ_I(prices_tool(&p, STR("b/one")), 2000000000);
		CHECK_EQ_I(prices_tool(&p, STR("b/two")), 0);
	}
	folder_put(
	    dir, "prices.yaml", "version: 1\ndate: 2026-11-01\nmodels: {}\ntools:\n  a: 1\n");
	CHECK(!prices_load(&a, buf_cstr(&path), &p, NULL, &e));
	CHECK(strstr(e.text, "prices.yaml:5:3: a tool is server/tool") != NULL);
	TEST("a bad price says where");
	folder_put(dir, "prices.yaml",
	    "version: 1\ndate: 2026-11-01\nmodels:\n  b: { input: 3x, output: 1, max_output: 1 "
	    "}\n");
	CHECK(!prices_load(&a, buf_cstr(&path), &p, NULL, &e));
	CHECK(strstr(e.text, "prices.yaml:4:15: a price is USD per million tokens") != NULL);
	TEST("the shipped prices load");
	CHECK(prices_load(&a, "policies/prices.yaml", &p, NULL, &e) && p.n > 0);
	buf_fini(&path);
	arena_free(&a);
	folder_drop(&dir);
}

static void
test_examples(void)
{
	static const struct str notes[] = { STR("notes") };
	static const char *const dirs[] = { "policies/examples/solo", "policies/examples/team" };

	TEST("the examples load without a word");
	for (size_t i = 0; i < COUNT(dirs); i++) {
		const struct bundle_source src = {
			.dir = dirs[i], .servers = notes, .servers_n = 1
		};
		struct buf problems;
		struct bundle *b;
		struct err e;

		buf_init(&problems, 0);
		b = bundle_load(&src, &problems, &e);
		CHECK(b != NULL);
		CHECK_STR(buf_str(&problems), "");
		bundle_free(&b);
		buf_fini(&problems);
	}
}

int
main(void)
{
	test_rules();
	test_redact();
	test_names();
	test_authority();
	test_organisation();
	test_chains();
	test_prices();
	test_examples();
	return check_done();
}
