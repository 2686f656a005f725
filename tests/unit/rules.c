/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - decisions: tables of what is allowed, and two properties over random bundles: the order
 * of files and rules changes nothing, and a deny more never opens anything.
 */
#include <stdlib.h>
#include <time.h>

#include "policies/bundle.h"
#include "policies/label.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define ORG                                                                                        \
	"version: 1\norganisation:\n  contact: \"#top\"\n  customers:\n    acme:\n      teams:\n"  \
	"        payments:\n          users:\n            ana: { groups: [developer] }\n"          \
	"            ben: {}\n        core:\n          models: [sonnet]\n          users:\n"       \
	"            cat: {}\n"

static struct arena scopes = { .limit = 1 << 20 }; /* of subjects */

static struct bundle *
load(const char *dir)
{
	const struct bundle_source src = { .dir = dir };
	struct buf problems;
	struct bundle *b;
	struct err e;

	buf_init(&problems, 0);
	b = bundle_load(&src, &problems, &e);
	if (!CHECK(b != NULL))
		printf("%s", buf_cstr(&problems));
	ASSERT(b != NULL);
	buf_fini(&problems);
	return b;
}

static struct verdict
decide(struct bundle *b, const char *user, enum ask_kind kind, const char *name, const char *asked)
{
	struct subject s;
	struct verdict v;
	struct err e;

	ASSERT(subject_resolve(
	    b, &(struct key_spec){ .user = str_of(user), .name = STR("laptop") }, &scopes, &s, &e));
	rules_decide(b, &s, kind, str_of(name), str_of(asked), &v);
	return v;
}

static void
test_patterns(void)
{
	static const struct {
		const char *pattern, *name;
		enum ask_kind kind;
		bool matches;
	} rows[] = {
		{ "github/get_*", "github/get_issue", ASK_TOOL, true },
		{ "github/get_*", "github/list", ASK_TOOL, false },
		{ "github/get_*", "gitlab/get_issue", ASK_TOOL, false },
		{ "any/delete_*", "x/delete_all", ASK_TOOL, true },
		{ "*/delete_*", "x/delete_all", ASK_TOOL, true },
		{ "git*/x", "github/x", ASK_TOOL, true },
		{ "{a,b}/{c,d}_{e,f}", "b/c_f", ASK_TOOL, true },
		{ "{a,b}/{c,d}_{e,f}", "b/c_g", ASK_TOOL, false },
		{ "a/b/c*", "a/b/cd", ASK_TOOL, true },
		{ "a*/c", "a/b/c", ASK_TOOL, false }, /* a star stays on its side */
		{ "a/*", "a", ASK_TOOL, false },
		{ "a/*", "a/", ASK_TOOL, true },
		{ "a/*b*c", "a/xbxbxc", ASK_TOOL, true },
		{ "a/*b*c", "a/xbxbxcd", ASK_TOOL, false },
		{ "a/get", "a/GET", ASK_TOOL, false },
		{ "model:claude-*", "claude-opus", ASK_MODEL, true },
		{ "model:*", "openai/gpt", ASK_MODEL, true },
		{ "model:{sonnet,haiku}", "opus", ASK_MODEL, false },
		{ "model:*", "a/b", ASK_TOOL, false },
		{ "code:run", "run", ASK_RUN, true },
		{ "tool:a/b", "a/b", ASK_TOOL, true },
		{ "prompt:a/*", "a/review", ASK_PROMPT, true },
		{ "prompt:a/*", "a/review", ASK_TOOL, false },
		{ "a/*", "a/review", ASK_PROMPT, false },
		{ "resource:a/file:///*", "a/file:///x/y/z", ASK_RESOURCE, true },
		{ "resource:a/file:///*", "ab/file:///x", ASK_RESOURCE, false },
		{ "resource:*", "b/test://x", ASK_RESOURCE, true },
	};

	TEST("a table of patterns");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pattern p;
		struct arena a;
		struct err e;

		arena_init(&a, 1 << 20);
		CHECK(pattern_parse(&a, str_of(rows[i].pattern), &p, &e));
		if (!CHECK(
			pattern_match(&p, rows[i].kind, str_of(rows[i].name)) == rows[i].matches))
			printf("    %s against %s\n", rows[i].pattern, rows[i].name);
		arena_free(&a);
	}
}

static void
text_is(const struct verdict *v, const char *want)
{
	struct buf text;

	buf_init(&text, 0);
	verdict_text(v, &text);
	CHECK_STR(buf_str(&text), want);
	buf_fini(&text);
}

static void
test_semantics(void)
{
	char *dir = folder_new();
	struct bundle *b;
	struct verdict v;
	struct err e;

	folder_put(dir, "root/o.yaml", ORG);
	folder_put(dir, "root/guard.yaml",
	    "version: 1\npolicy: guard\nowner: \"#sre\"\napplies_to: \"*\"\nrules:\n"
	    "  - deny: any/delete_*\n    reason: Deletes go through sre\n"
	    "  - deny: \"model:*-secret\"\n    reason: not for agents\n");
	folder_put(dir, "customers/acme/teams/payments/p.yaml",
	    "version: 1\npolicy: tools\napplies_to: { teams: [payments], groups: [developer] }\n"
	    "rules:\n  - allow: notes/*\n  - allow: \"model:{sonnet,claude-sonnet-1,fast}\"\n"
	    "  - allow: code:run\n");
	folder_put(dir, "root/k.yaml",
	    "version: 1\npolicy: by-key\napplies_to: { keys: [laptop], users: [ben] }\nrules:\n"
	    "  - allow: notes/get\n");
	b = load(dir);

	TEST("an allow allows, and names its rule");
	v = decide(b, "ana", ASK_TOOL, "notes/get_note", "");
	CHECK(v.allowed);
	CHECK_STR(v.rule, "customers/acme/teams/payments/p.yaml:5");
	text_is(&v, "allowed by tools:5");
	TEST("nothing said is no");
	v = decide(b, "ana", ASK_TOOL, "github/get", "");
	CHECK(!v.allowed && v.rule.n == 0);
	text_is(&v, "no rule allows it (ask #top)");
	TEST("a deny from anywhere wins");
	v = decide(b, "ana", ASK_TOOL, "notes/delete_note", "");
	CHECK(!v.allowed);
	text_is(&v, "denied by guard:6: Deletes go through sre (ask #sre)");
	CHECK(!verdict_err(&v, STR("notes/delete_note"), &e) && e.code == ERR_DENIED);
	TEST("kinds of applies_to are ANDed");
	CHECK(!decide(b, "ben", ASK_TOOL, "notes/list", "").allowed);
	CHECK(decide(b, "ben", ASK_TOOL, "notes/get", "").allowed);
	TEST("another team has nothing of it");
	CHECK(!decide(b, "cat", ASK_TOOL, "notes/get", "").allowed);
	TEST("code:run is a grant of its own");
	CHECK(decide(b, "ana", ASK_RUN, "run", "").allowed);
	CHECK(!decide(b, "ben", ASK_RUN, "run", "").allowed);
	TEST("admin is a kind of its own");
	CHECK(!decide(b, "ana", ASK_ADMIN, "key.create", "").allowed);

	TEST("a model is granted under both its names");
	CHECK(decide(b, "ana", ASK_MODEL, "claude-sonnet-1", "sonnet").allowed);
	CHECK(decide(b, "ana", ASK_MODEL, "claude-sonnet-1", "").allowed);
	v = decide(b, "ana", ASK_MODEL, "claude-opus-1", "fast");
	text_is(&v, "no rule allows it: the name asked for is allowed, the model it stands for is "
		    "not (ask #top)");
	CHECK(!decide(b, "ana", ASK_MODEL, "claude-sonnet-1", "other").allowed);
	TEST("a model is denied under either name");
	CHECK(!decide(b, "ana", ASK_MODEL, "x-secret", "sonnet").allowed);
	TEST("models: of a team grants and bounds");
	CHECK(decide(b, "cat", ASK_MODEL, "claude-sonnet-1", "sonnet").allowed);
	v = decide(b, "cat", ASK_MODEL, "claude-opus-1", "opus");
	CHECK(!v.allowed);
	text_is(&v, "denied by acme/core:12: not one of its models (ask #top)");
	CHECK(!decide(b, "cat", ASK_MODEL, "x-secret", "sonnet").allowed);
	TEST("names that are no names are refused");
	CHECK(!decide(b, "ana", ASK_TOOL, "", "").allowed);
	CHECK(!decide(b, "ana", ASK_TOOL, "notes", "").allowed);
	bundle_free(&b);
	folder_drop(&dir);
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

static const char *const pats[] = { "a/x", "a/*", "any/y*", "\"{a,b}/{x,y1}\"", "b/*", "any/*",
	"\"*/z\"", "model:*", "model:m1", "\"model:{m1,m2}\"", "code:run", "c/y2" };
static const char *const whos[] = { "\"*\"", "{ customers: [acme] }", "{ teams: [payments] }",
	"{ users: [ana] }", "{ groups: [developer] }", "{ keys: [laptop] }",
	"{ teams: [core, payments], users: [cat, ana] }", "{ users: [ben, cat] }" };
static const char *const users[] = { "ana", "ben", "cat" };
static const struct {
	enum ask_kind kind;
	const char *name, *asked;
} asks[] = { { ASK_TOOL, "a/x", "" }, { ASK_TOOL, "a/y1", "" }, { ASK_TOOL, "b/x", "" },
	{ ASK_TOOL, "b/z", "" }, { ASK_TOOL, "c/y2", "" }, { ASK_MODEL, "m1", "" },
	{ ASK_MODEL, "m2", "sonnet" }, { ASK_MODEL, "m3", "m1" }, { ASK_RUN, "run", "" } };

#define POLICIES 5
#define RULES    6
struct random_policy {
	size_t who, n, pattern[RULES];
	bool deny[RULES];
};

static void
shuffle(size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	for (size_t i = n; i > 1; i--) {
		size_t k = rnd(i), t = order[i - 1];

		order[i - 1] = order[k];
		order[k] = t;
	}
}

/* Writes the same policies under shuffled file names, their rules in shuffled order. */
static struct bundle *
write_shuffled(const struct random_policy *ps, size_t n)
{
	char *dir = folder_new();
	size_t files[POLICIES + 1], rules[RULES];
	struct buf text, path;
	struct bundle *b;

	buf_init(&text, 0);
	buf_init(&path, 0);
	shuffle(files, n);
	folder_put(dir, rnd(2) ? "root/0.yaml" : "root/zz/0.yaml", ORG);
	for (size_t i = 0; i < n; i++) {
		const struct random_policy *p = &ps[i];

		buf_reset(&text);
		buf_reset(&path);
		buf_printf(&path, "root/%zu/%zu.yaml", files[i] % 2, files[i]);
		buf_printf(
		    &text, "version: 1\npolicy: p%zu\napplies_to: %s\nrules:\n", i, whos[p->who]);
		shuffle(rules, p->n);
		for (size_t k = 0; k < p->n; k++) {
			size_t r = rules[k];

			buf_printf(&text, "  - %s: %s\n    reason: r\n",
			    p->deny[r] ? "deny" : "allow", pats[p->pattern[r]]);
		}
		folder_put(dir, buf_cstr(&path), buf_cstr(&text));
	}
	b = load(dir);
	buf_fini(&text);
	buf_fini(&path);
	folder_drop(&dir);
	return b;
}

static uint64_t
allowed_bits(struct bundle *b)
{
	uint64_t bits = 0;

	for (size_t u = 0; u < COUNT(users); u++)
		for (size_t i = 0; i < COUNT(asks); i++)
			bits |=
			    (uint64_t)decide(b, users[u], asks[i].kind, asks[i].name, asks[i].asked)
				.allowed
			    << (u * COUNT(asks) + i);
	return bits;
}

static void
random_policy(struct random_policy *p)
{
	p->who = rnd(COUNT(whos));
	p->n = 1 + rnd(RULES);
	for (size_t k = 0; k < p->n; k++) {
		p->pattern[k] = rnd(COUNT(pats));
		p->deny[k] = rnd(4) == 0;
	}
}

static void
test_properties(void)
{
	uint64_t opened = 0;

	for (int round = 0; round < 150; round++) {
		struct random_policy ps[POLICIES + 1];
		size_t n = 1 + rnd(POLICIES);
		struct bundle *b, *shuffled, *more;
		uint64_t bits;

		for (size_t i = 0; i < n; i++)
			random_policy(&ps[i]);
		b = write_shuffled(ps, n);
		bits = allowed_bits(b);
		opened |= bits;
		TEST("the order of files and rules changes nothing");
		shuffled = write_shuffled(ps, n);
		CHECK(allowed_bits(shuffled) == bits);
		TEST("one deny more never opens anything");
		ps[n] = (struct random_policy){ .who = rnd(COUNT(whos)),
			.n = 1,
			.pattern = { rnd(COUNT(pats)) },
			.deny = { true } };
		more = write_shuffled(ps, n + 1);
		CHECK((allowed_bits(more) & ~bits) == 0);
		bundle_free(&b);
		bundle_free(&shuffled);
		bundle_free(&more);
	}
	TEST("the random policies allow something");
	CHECK(opened != 0);
}

static void
test_cost(void)
{
	char *dir = folder_new();
	struct timespec t0, t1;
	struct subject s;
	struct verdict v;
	struct bundle *b;
	struct buf text;
	struct err e;
	int64_t ns;
	int n = 200000;

	buf_init(&text, 0);
	buf_puts(&text, "version: 1\npolicy: big\napplies_to: \"*\"\nrules:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "  - allow: s%d/get_*\n", i);
	folder_put(dir, "root/o.yaml", ORG);
	folder_put(dir, "root/big.yaml", buf_cstr(&text));
	b = load(dir);
	ASSERT(subject_resolve(b, &(struct key_spec){ .user = STR("ana") }, &scopes, &s, &e));
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	for (int i = 0; i < n; i++)
		rules_decide(
		    b, &s, ASK_TOOL, i % 2 ? STR("s999/get_x") : STR("s1/delete"), STR(""), &v);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	ns = ((t1.tv_sec - t0.tv_sec) * 1000000000 + t1.tv_nsec - t0.tv_nsec) / n;
	TEST("a memoised decision over 1,000 rules takes less than a microsecond");
#ifdef SANITIZED
	CHECK(ns < 20000);
#else
	CHECK(ns < 1000);
#endif
	printf("decision: %lld ns\n", (long long)ns);
	TEST("names that clients invent do not grow the memo without bound");
	for (int i = 0; i < 140000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "s%d/x", i);
		rules_decide(b, &s, ASK_TOOL, str_of(name), STR(""), &v);
	}
	CHECK(b->memo.names.n <= 131072 && b->memo.names.n >= 1000);
	bundle_free(&b);
	buf_fini(&text);
	folder_drop(&dir);
}

static struct verdict
call(struct bundle *b, const struct key_spec *who, const char *name, const char *args)
{
	static struct buf must;
	struct subject s;
	struct verdict v;
	struct err e;

	ASSERT(subject_resolve(b, who, &scopes, &s, &e));
	buf_reset(&must);
	must.limit = 4096;
	rules_decide_call(b, &s, ASK_TOOL, str_of(name), STR(""), str_of(args), &v, &must);
	return v;
}

static void
test_approvals(void)
{
	const struct key_spec ana = { .user = STR("ana"), .name = STR("laptop") };
	char *dir = folder_new();
	struct bundle *b;
	struct verdict v;

	folder_put(dir, "root/o.yaml", ORG);
	folder_put(dir, "root/p.yaml",
	    "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n"
	    "  - allow: git/merge\n    approval: { text: A human confirms, via: [cli], expires: 5m "
	    "}\n"
	    "  - allow: git/*\n    when: { branch: { glob: \"feat/*\" } }\n"
	    "  - allow: k8s/*\n"
	    "  - approve: any/restart_*\n    reason: Restarts are announced\n"
	    "    unless: { dry_run: { equals: true } }\n"
	    "  - approve: nobody/x\n    reason: grants nothing\n"
	    "  - deny: k8s/restart_db\n    reason: never\n");
	b = load(dir);

	TEST("an allow that needs an approval does not allow by itself, and says what it needs");
	v = call(b, &ana, "git/merge", "{\"branch\":\"main\"}");
	CHECK(!v.allowed && v.approvals_n == 1);
	CHECK_STR(v.approval[0]->text, "A human confirms");
	CHECK(v.approval[0]->ways_n == 1 && v.approval[0]->way[0] == APPROVAL_CLI);
	CHECK(v.approval[0]->expires_s == 300);
	text_is(&v, "needs an approval by p:5 (ask #top)");
	TEST("another allow that holds needs none");
	v = call(b, &ana, "git/merge", "{\"branch\":\"feat/x\"}");
	CHECK(v.allowed && v.approvals_n == 0);
	TEST("an approve: rule holds whoever grants, unknown included");
	v = call(b, &ana, "k8s/restart_web", "{\"dry_run\":false}");
	CHECK(!v.allowed && v.approvals_n == 1);
	text_is(&v, "needs an approval by p:10: Restarts are announced (ask #top)");
	CHECK(call(b, &ana, "k8s/restart_web", "{\"dry_run\":\"x\"}").approvals_n == 1);
	CHECK(call(b, &ana, "k8s/restart_web", "{\"dry_run\":true}").allowed);
	TEST("it never turns a no into a maybe");
	v = call(b, &ana, "k8s/restart_db", "{}");
	CHECK(!v.allowed && v.approvals_n == 0);
	v = call(b, &ana, "nobody/x", "{}");
	CHECK(!v.allowed && v.approvals_n == 0);
	TEST("a list shows what may be approved");
	CHECK(decide(b, "ana", ASK_TOOL, "git/merge", "").allowed);
	CHECK(decide(b, "ana", ASK_TOOL, "k8s/restart_web", "").allowed);
	CHECK(!decide(b, "ana", ASK_TOOL, "nobody/x", "").allowed);
	bundle_free(&b);
	folder_drop(&dir);
}

static void
test_scope_and_tags(void)
{
	const struct key_spec ci = {
		.user = STR("ana"), .name = STR("ci"), .tags = STR("ci night")
	};
	const struct key_spec narrow = {
		.user = STR("ana"), .name = STR("n"), .scope = STR("git/get_* model:sonnet")
	};
	char *dir = folder_new(), long_text[KEY_TEXT_BYTES + 2];
	struct bundle *b;
	struct subject s;
	struct verdict v;
	struct err e;

	folder_put(dir, "root/o.yaml", ORG);
	folder_put(dir, "root/p.yaml",
	    "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n  - allow: git/*\n"
	    "  - allow: \"model:*\"\n");
	folder_put(dir, "root/t.yaml",
	    "version: 1\npolicy: t\napplies_to: { tags: [night] }\nrules:\n  - allow: ci/*\n");
	b = load(dir);

	TEST("a policy can mean keys by their tag");
	CHECK(call(b, &ci, "ci/run", "{}").allowed);
	CHECK(!call(b, &narrow, "ci/run", "{}").allowed);
	TEST("a scope narrows, in lists and in calls");
	CHECK(call(b, &narrow, "git/get_x", "{}").allowed);
	v = call(b, &narrow, "git/merge", "{}");
	CHECK(!v.allowed);
	text_is(&v, "no rule allows it: outside the key's own scope (ask #top)");
	ASSERT(subject_resolve(b, &narrow, &scopes, &s, &e));
	rules_decide(b, &s, ASK_TOOL, STR("git/merge"), STR(""), &v);
	CHECK(!v.allowed);
	rules_decide(b, &s, ASK_MODEL, STR("sonnet"), STR(""), &v);
	CHECK(v.allowed);
	TEST("a model is covered under both its names or not at all");
	rules_decide(b, &s, ASK_MODEL, STR("claude-sonnet-1"), STR("sonnet"), &v);
	CHECK(!v.allowed);
	TEST("a scope adds nothing");
	CHECK(
	    !call(b, &(struct key_spec){ .user = STR("ana"), .scope = STR("ci/*") }, "ci/run", "{}")
		 .allowed);
	TEST("one that cannot be read makes no subject");
	CHECK(!subject_resolve(b, &(struct key_spec){ .scope = STR("git/[x]") }, &scopes, &s, &e));
	CHECK(!scope_check(STR(""), STR(" "), &e));
	CHECK(!scope_check(STR("a,b"), STR(""), &e));
	CHECK(!scope_check(STR("../x"), STR(""), &e));
	memset(long_text, 'a', sizeof(long_text));
	CHECK(!scope_check((struct str){ long_text, sizeof(long_text) }, STR(""), &e));
	CHECK(!scope_check(STR(""), (struct str){ long_text, sizeof(long_text) }, &e));
	CHECK(scope_check(STR("ci night-2"), STR("git/get_* any/x model:*"), &e));
	bundle_free(&b);
	folder_drop(&dir);
}

static void
test_labels(void)
{
	const struct key_spec ana = { .user = STR("ana"), .name = STR("laptop") };
	char *dir = folder_new();
	struct buf must = { .limit = 4096 };
	struct subject s;
	struct verdict v;
	struct bundle *b;
	struct err e;

	folder_put(dir, "root/o.yaml", ORG);
	folder_put(dir, "root/p.yaml",
	    "version: 1\npolicy: p\napplies_to: \"*\"\nrules:\n  - allow: any/*\n"
	    "  - label: crm/*\n    as: [private]\n"
	    "  - label: web/*\n    as: [untrusted, egress]\n"
	    "  - deny: any/*\n    labels: [egress]\n    after: [private]\n    reason: nothing "
	    "leaves\n"
	    "  - approve: any/*\n    labels: [egress]\n    after: [untrusted]\n    reason: look "
	    "first\n");
	b = load(dir);
	ASSERT(subject_resolve(b, &ana, &scopes, &s, &e));

	TEST("labels add up, and a list hopes");
	CHECK(rules_labels(b, &s, ASK_TOOL, STR("crm/get")) == LABEL_PRIVATE);
	CHECK(rules_labels(b, &s, ASK_TOOL, STR("web/post")) == (LABEL_UNTRUSTED | LABEL_EGRESS));
	CHECK(rules_labels(b, &s, ASK_TOOL, STR("git/x")) == 0);
	CHECK(decide(b, "ana", ASK_TOOL, "web/post", "").allowed);
	TEST("a deny holds once all of its labels have been seen, for tools of its labels only");
	rules_decide_call(b, &s, ASK_TOOL, STR("web/post"), STR(""), STR("{}"), &v, &must);
	CHECK(v.allowed);
	s.seen = LABEL_PRIVATE;
	rules_decide_call(b, &s, ASK_TOOL, STR("web/post"), STR(""), STR("{}"), &v, &must);
	CHECK(!v.allowed && v.approvals_n == 0);
	text_is(
	    &v, "denied by p:10: nothing leaves · not after results that are private (ask #top)");
	rules_decide_call(b, &s, ASK_TOOL, STR("crm/get"), STR(""), STR("{}"), &v, &must);
	CHECK(v.allowed);
	TEST("an approve does so, too");
	s.seen = LABEL_UNTRUSTED;
	rules_decide_call(b, &s, ASK_TOOL, STR("web/post"), STR(""), STR("{}"), &v, &must);
	CHECK(!v.allowed && v.approvals_n == 1);
	buf_fini(&must);
	bundle_free(&b);
	folder_drop(&dir);
}

static void
test_flows(void)
{
	char name[32], long_name[700];
	struct flows fs;

	flows_init(&fs);
	TEST("a session keeps what it has got, for a time");
	flow_add(&fs, STR("k_a"), STR("s1"), LABEL_PRIVATE, 1000);
	CHECK(flow_seen(&fs, STR("k_a"), STR("s1"), 1000 + FLOW_KEEP_MS) == LABEL_PRIVATE);
	CHECK(flow_seen(&fs, STR("k_a"), STR("s1"), 1001 + FLOW_KEEP_MS) == 0);
	CHECK(flow_seen(&fs, STR("k_a"), STR("s2"), 1000) == 0);
	CHECK(flow_seen(&fs, STR("k_b"), STR("s1"), 1000) == 0);
	TEST("what comes without a session counts for all of the key's");
	flow_add(&fs, STR("k_a"), STR(""), LABEL_EGRESS, 1000);
	CHECK(flow_seen(&fs, STR("k_a"), STR("s2"), 1000) == LABEL_EGRESS);
	TEST("a session that is longer than the gate lets through is no way to stop a start");
	memset(long_name, 'x', sizeof(long_name));
	flow_add(
	    &fs, STR("k_d"), (struct str){ long_name, sizeof(long_name) }, LABEL_PRIVATE, 1000);
	flow_add(&fs, (struct str){ long_name, sizeof(long_name) }, STR("s"), LABEL_PRIVATE, 1000);
	TEST("too many sessions make it coarser, never blind");
	for (int i = 0; i < FLOW_SESSIONS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		flow_add(&fs, STR("k_c"), str_of(name), LABEL_UNTRUSTED, 2000);
	}
	CHECK(fs.by_name.n <= FLOW_SESSIONS_MAX + 2);
	CHECK((flow_seen(&fs, STR("k_a"), STR("s1"), 2000) & LABEL_PRIVATE) != 0);
	CHECK(flow_seen(&fs, STR("k_c"), STR("t0"), 2000) == LABEL_UNTRUSTED);
	CHECK(flow_seen(&fs, STR("k_b"), STR("t0"), 2000) == 0);
	flows_fini(&fs);
}

int
main(void)
{
	test_labels();
	test_flows();
	test_patterns();
	test_semantics();
	test_approvals();
	test_scope_and_tags();
	test_properties();
	test_cost();
	return check_done();
}
