/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_rules - what `redact:` rules want of a call: of all that match, for each class the
 * strictest, in whatever order they stand; and they decide nothing else.
 */
#include <stdlib.h>

#include "policies/bundle.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define ORG                                                                                        \
	"version: 1\norganisation:\n  contact: \"#top\"\n  customers:\n    acme:\n      teams:\n"  \
	"        payments:\n          users:\n            ana: {}\n            ben: {}\n"

static struct arena scopes = { .limit = 1 << 20 };

static struct bundle *
load(const char *rules, const char *more)
{
	char *dir = folder_new();
	struct bundle_source src = { .dir = dir };
	struct buf text;
	struct bundle *b;
	struct err e;

	buf_init(&text, 0);
	folder_put(dir, "root/o.yaml", ORG);
	buf_printf(
	    &text, "version: 1\npolicy: p\nowner: \"#sec\"\napplies_to: \"*\"\nrules:\n%s", rules);
	folder_put(dir, "root/p.yaml", buf_cstr(&text));
	if (more != NULL)
		folder_put(dir, "root/more.yaml", more);
	buf_reset(&text);
	b = bundle_load(&src, &text, &e);
	if (!CHECK(b != NULL))
		printf("%s", buf_cstr(&text));
	ASSERT(b != NULL);
	buf_fini(&text);
	folder_drop(&dir);
	return b;
}

static struct subject
who(struct bundle *b, const char *user)
{
	struct subject s;
	struct err e;

	ASSERT(subject_resolve(
	    b, &(struct key_spec){ .user = str_of(user), .name = STR("laptop") }, &scopes, &s, &e));
	return s;
}

static struct redaction
wanted(struct bundle *b, const char *user, enum ask_kind kind, const char *name)
{
	struct subject s = who(b, user);
	struct redaction r;
	bool any = rules_redact_in(b, &s, kind, str_of(name), &r);

	CHECK(any == (r.any_args || r.any_result));
	return r;
}

static void
test_strictest(void)
{
	struct bundle *b =
	    load("  - redact: any/*\n    result: { all: hash }\n"
		 "  - redact: crm/*\n    result: { secrets: mask, pii: { card: block } }\n"
		 "    args: { pii: mask }\n"
		 "  - redact: crm/find\n    result: { pii: { card: mask, all: mask } }\n",
		NULL);
	struct redaction r = wanted(b, "ana", ASK_TOOL, "crm/find");

	TEST("of all rules that match, for each class the strictest holds");
	CHECK_EQ_I(r.result[REDACT_SECRETS], REDACT_MASK);
	CHECK_EQ_I(r.result[REDACT_CARD], REDACT_BLOCK);
	CHECK_EQ_I(r.result[REDACT_PHONE], REDACT_MASK);
	CHECK_EQ_I(r.args[REDACT_SECRETS], REDACT_NOT);
	CHECK_EQ_I(r.args[REDACT_EMAIL], REDACT_MASK);
	CHECK_EQ_S(r.result_by, " · policy p:8 (ask #sec)");
	CHECK_EQ_S(r.args_by, "");
	r = wanted(b, "ana", ASK_TOOL, "git/log");
	CHECK_EQ_I(r.result[REDACT_CARD], REDACT_HASH);
	CHECK(!r.any_args);
	TEST("tools' patterns mean tools alone");
	CHECK(!wanted(b, "ana", ASK_PROMPT, "crm/find").any_result);
	CHECK(!wanted(b, "ana", ASK_RUN, "run").any_result);
	bundle_free(&b);
}

static void
test_observe(void)
{
	struct bundle *b = load("  - redact: any/*\n    result: { pii: mask }\n"
				"    unless: { subject: { users: [ben] } }\n"
				"  - redact: code:run\n    result: { secrets: mask }\n",
	    "version: 1\npolicy: soon\nmode: observe\napplies_to: { users: [ana] }\nrules:\n"
	    "  - redact: any/*\n    result: { secrets: block, pii: { card: block } }\n");
	struct redaction r = wanted(b, "ana", ASK_TOOL, "crm/find");

	TEST("a policy that observes only counts, and makes nothing laxer");
	CHECK_EQ_I(r.result[REDACT_SECRETS], REDACT_WATCH);
	CHECK_EQ_I(r.result[REDACT_CARD], REDACT_MASK);
	TEST("an exception is for whom it names");
	CHECK(!wanted(b, "ben", ASK_TOOL, "crm/find").any_result);
	CHECK_EQ_I(wanted(b, "ben", ASK_RUN, "run").result[REDACT_SECRETS], REDACT_MASK);
	bundle_free(&b);
}

static void
test_decides_nothing(void)
{
	struct bundle *b =
	    load("  - redact: any/*\n    result: { all: block }\n    args: { all: block }\n"
		 "  - allow: crm/find\n",
		NULL);
	struct subject s = who(b, "ana");
	struct verdict v;

	TEST("a redact neither grants nor denies");
	rules_decide(b, &s, ASK_TOOL, STR("crm/find"), STR(""), &v);
	CHECK(v.allowed);
	CHECK_STR(v.rule, "root/p.yaml:9");
	rules_decide(b, &s, ASK_TOOL, STR("crm/drop"), STR(""), &v);
	CHECK(!v.allowed);
	bundle_free(&b);
}

static struct redaction
of_model(struct bundle *b, const char *user, const char *name, const char *requested)
{
	struct subject s = who(b, user);
	struct redaction r = { .any_args = false };

	if (!rules_redact_model_in(b, &s, str_of(name), str_of(requested), &r))
		memset(&r, 0, sizeof(r));
	return r;
}

static void
test_models(void)
{
	struct bundle *b =
	    load("  - redact: \"model:big\"\n    args: { secrets: mask }\n"
		 "  - redact: \"model:nick*\"\n    args: { secrets: block, pii: hash }\n"
		 "    unless: { subject: { users: [ben] } }\n"
		 "  - redact: any/*\n    args: { all: block }\n",
		NULL);
	struct redaction r = of_model(b, "ana", "big", "nickname");

	TEST("a model is meant by either of its names, and by no pattern of tools");
	CHECK_EQ_I(r.args[REDACT_SECRETS], REDACT_BLOCK);
	CHECK_EQ_I(r.args[REDACT_IBAN], REDACT_HASH);
	CHECK_EQ_S(r.args_by, " · policy p:8 (ask #sec)");
	r = of_model(b, "ben", "big", "nickname");
	CHECK_EQ_I(r.args[REDACT_SECRETS], REDACT_MASK);
	CHECK_EQ_I(r.args[REDACT_IBAN], REDACT_NOT);
	CHECK_EQ_S(r.args_by, "");
	CHECK(!of_model(b, "ana", "small", "small").any_args);
	TEST("and a tool by none of models");
	CHECK_EQ_S(wanted(b, "ana", ASK_TOOL, "crm/find").args_by, " · policy p:11 (ask #sec)");
	bundle_free(&b);
	b = load("  - redact: any/*\n    args: { all: block }\n", NULL);
	CHECK(b->model_redacts == NULL); /* all that a request costs then */
	bundle_free(&b);
}

/* Any order of the same rules wants the same. */
static void
test_order(void)
{
	static const char *const words[] = { "mask", "hash", "block" };
	char rule[6][160], text[1200];
	struct redaction first = { .any_args = false }, r;

	TEST("the order of rules changes nothing");
	srand(7);
	for (int round = 0; round < 40; round++) {
		for (size_t i = 0; i < COUNT(rule); i++)
			(void)snprintf(rule[i], sizeof(rule[i]),
			    "  - redact: %s\n    result: { secrets: %s, pii: { card: %s } }\n    "
			    "args: { "
			    "all: %s }\n",
			    i % 2 ? "crm/*" : "any/find", words[rand() % 3], words[rand() % 3],
			    words[rand() % 3]);
		for (size_t turn = 0; turn < COUNT(rule); turn++) {
			struct bundle *b;

			text[0] = '\0';
			for (size_t i = 0; i < COUNT(rule); i++)
				strcat(text, rule[(i + turn) % COUNT(rule)]);
			b = load(text, NULL);
			r = wanted(b, "ana", ASK_TOOL, "crm/find");
			if (turn == 0)
				first = r;
			CHECK_MEM((const char *)r.result, sizeof(r.result),
			    (const char *)first.result, sizeof(first.result));
			CHECK_MEM((const char *)r.args, sizeof(r.args), (const char *)first.args,
			    sizeof(first.args));
			bundle_free(&b);
		}
	}
}

int
main(void)
{
	test_strictest();
	test_observe();
	test_decides_nothing();
	test_models();
	test_order();
	arena_free(&scopes);
	return check_done();
}
