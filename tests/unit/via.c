/* SPDX-License-Identifier: Apache-2.0 */
/*
 * via - policies of some views and clients, by property: for random policies, what is decided in a
 * view for a client is what files would decide that have only the policies of that place; and
 * whatever a client calls itself, it may at most what files without any clients: allow.  Then what
 * the files may not say.
 */
#include "policies/bundle.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define POLICIES 9
#define RULES    3
#define ROUNDS   60

static struct arena scopes = { .limit = (size_t)1 << 24 };
static const char *const views[] = { "", "ops", "web", "unnamed" };
static const char *const clients[] = { "", "claude-code/2.1.330 (sdk-cli)", "CURSOR/1.0",
	"curl/8 (x)", "claude-code-2" };
static const char *const view_lists[] = { "", ", views: [ops]", ", views: [ops, web]",
	", views: [\"*\"]" };
static const char *const client_lists[] = { "", ", clients: [claude-code]",
	", clients: [cursor, Claude-Code]", ", clients: [\"*\"]" };
/* By list and place: is it meant? */
static const bool view_meant[4][4] = { { 1, 1, 1, 1 }, { 0, 1, 0, 0 }, { 0, 1, 1, 0 },
	{ 0, 1, 1, 1 } };
static const bool client_meant[4][5] = { { 1, 1, 1, 1, 1 }, { 0, 1, 0, 0, 0 }, { 0, 1, 1, 0, 0 },
	{ 0, 1, 1, 1, 1 } };
static const char *const names[] = { "a/get", "a/put", "b/get", "b/drop" };

struct policy_text {
	size_t view, client; /* of the lists above */
	bool observe, ceiling;
	struct {
		int effect, pattern;
		bool when;
	} rule[RULES];
};

static size_t
pick(size_t n)
{
	return (size_t)rand() % n;
}

static void
text_make(struct policy_text *t)
{
	t->view = pick(4);
	t->client = pick(2) == 0 ? 0 : pick(4);
	t->observe = pick(8) == 0;
	t->ceiling = pick(6) == 0;
	for (size_t i = 0; i < RULES; i++) {
		/* allow, deny, approve; what names clients does not allow */
		t->rule[i].effect = t->client > 0 ? 1 + (int)pick(2) : (int)pick(5) % 3;
		t->rule[i].pattern = (int)pick(6);
		t->rule[i].when = pick(3) == 0;
	}
}

/* The same lines, with and without where it is meant for. */
static void
text_put(const struct policy_text *t, size_t n, bool via, struct buf *out)
{
	static const char *const patterns[] = { "any/*", "a/*", "b/*", "any/get", "a/put",
		"b/drop" };
	static const char *const effects[] = { "allow", "deny", "approve" };

	buf_printf(out,
	    "version: 1\npolicy: p%zu\napplies_to: { customers: [acme]%s%s }\n%srules:\n", n,
	    via ? view_lists[t->view] : "", via ? client_lists[t->client] : "",
	    t->observe ? "mode: observe\n" : "");
	for (size_t i = 0; i < RULES; i++)
		buf_printf(out, "  - %s: %s\n    %s\n    %s\n", effects[t->rule[i].effect],
		    patterns[t->rule[i].pattern], t->rule[i].effect > 0 ? "reason: no" : "",
		    t->rule[i].when ? "when: { x: { equals: 1 } }" : "");
	if (t->ceiling)
		buf_puts(out, "ceiling: [\"any/get\", \"a/*\"]\n");
}

typedef bool holds_f(const struct policy_text *t, size_t view, size_t client);

static bool
meant(const struct policy_text *t, size_t view, size_t client)
{
	return view_meant[t->view][view] && client_meant[t->client][client];
}

static bool
without_clients(const struct policy_text *t, size_t view, size_t client)
{
	(void)client;
	return t->client == 0 && view_meant[t->view][view];
}

static struct bundle *
bundle_put(const struct policy_text *t, holds_f *kept, size_t view, size_t client)
{
	char *dir = folder_new(), path[32];
	const struct bundle_source src = { .dir = dir };
	struct bundle *b;
	struct buf text;
	struct err e;

	buf_init(&text, 0);
	folder_put(dir, "root/org.yaml", "version: 1\norganisation: { customers: { acme: {} } }\n");
	for (size_t i = 0; i < POLICIES; i++) {
		if (kept != NULL && !kept(&t[i], view, client))
			continue;
		buf_reset(&text);
		text_put(&t[i], i, kept == NULL, &text);
		(void)snprintf(path, sizeof(path), "root/p%zu.yaml", i);
		folder_put(dir, path, buf_cstr(&text));
	}
	b = bundle_load(&src, NULL, &e);
	if (b == NULL)
		printf("    %s\n", e.text);
	ASSERT(b != NULL);
	buf_fini(&text);
	folder_drop(&dir);
	return b;
}

static void
decide(struct bundle *b, size_t view, size_t client, const char *name, const char *args,
    struct verdict *v)
{
	struct buf must;
	struct subject s;
	struct err e;

	ASSERT(subject_resolve(
	    b, &(struct key_spec){ .customer = STR("acme"), .name = STR("k") }, &scopes, &s, &e));
	subject_via(b, &s, &(struct via){ str_of(views[view]), str_of(clients[client]) });
	buf_init(&must, 0);
	if (args == NULL)
		rules_decide(b, &s, ASK_TOOL, str_of(name), STR(""), v);
	else
		rules_decide_call(b, &s, ASK_TOOL, str_of(name), STR(""), str_of(args), v, &must);
	buf_fini(&must);
}

static void
place_check(
    struct bundle *all, const struct policy_text *t, size_t view, size_t client, long sum[2])
{
	static const char *const args[] = { NULL, "{}", "{\"x\":1}" };
	struct bundle *there = bundle_put(t, meant, view, client);
	struct bundle *most = bundle_put(t, without_clients, view, client);

	for (size_t n = 0; n < COUNT(names); n++)
		for (size_t i = 0; i < COUNT(args); i++) {
			struct verdict got, want, base;

			decide(all, view, client, names[n], args[i], &got);
			decide(there, 0, 0, names[n], args[i], &want);
			decide(most, 0, 0, names[n], args[i], &base);
			CHECK(got.allowed == want.allowed && got.approvals_n == want.approvals_n &&
			      got.line == want.line && str_eq(got.policy, want.policy));
			CHECK(!got.allowed || base.allowed);
			CHECK(got.approvals_n == 0 || base.allowed || base.approvals_n > 0);
			sum[0] += got.allowed;
			sum[1] += base.allowed && !got.allowed;
		}
	bundle_free(&there);
	bundle_free(&most);
}

static void
test_places(void)
{
	long sum[2] = { 0 };

	TEST(
	    "in a view, for a client, the policies of that place decide and no other; no name of a "
	    "client opens anything");
	for (unsigned seed = 1; seed <= ROUNDS; seed++) {
		struct policy_text t[POLICIES];
		struct bundle *all;

		srand(seed);
		for (size_t i = 0; i < POLICIES; i++)
			text_make(&t[i]);
		all = bundle_put(t, NULL, 0, 0);
		for (size_t k = 0; k < 4; k++)
			place_check(all, t, pick(COUNT(views)), pick(COUNT(clients)), sum);
		bundle_free(&all);
	}
	printf("  allowed %ld, taken away by clients: %ld\n", sum[0], sum[1]);
	CHECK(sum[0] > 100 && sum[1] > 20);
}

#define ORG                                                                                        \
	"version: 1\norganisation: { customers: { acme: { teams: { t: { users: { ana: {} } } } } " \
	"} }\n"

static void
says(const char *policy, const char *want)
{
	static const struct str known[] = { STR("ops"), STR("web") };
	char *dir = folder_new();
	const struct bundle_source src = { .dir = dir, .views = known, .views_n = 2 };
	struct buf problems;
	struct bundle *b;
	struct err e;

	buf_init(&problems, 0);
	folder_put(dir, "root/org.yaml", ORG);
	folder_put(dir, "root/p.yaml", policy);
	b = bundle_load(&src, &problems, &e);
	if (want == NULL)
		CHECK(b != NULL);
	else
		CHECK(b == NULL && strstr(buf_cstr(&problems), want) != NULL);
	if ((b != NULL) != (want == NULL))
		printf("    %s\n", buf_cstr(&problems));
	bundle_free(&b);
	buf_fini(&problems);
	folder_drop(&dir);
}

#define P "version: 1\npolicy: p\n"
static void
test_files(void)
{
	TEST("what names clients may take away in every way, and allow nothing");
	says(P "applies_to: { clients: [claude-code] }\nceiling: [\"a/*\"]\nrules:\n"
	       "  - deny: a/x\n    reason: no\n  - approve: a/y\n    reason: ask\n"
	       "  - limit: a/z\n    to: { calls: 1/day }\n  - redact: any/*\n    result: { "
	       "secrets: mask }\n",
	    NULL);
	says(P "applies_to: { clients: [claude-code] }\ncode_mode: only\n",
	    "p.yaml:4:1: lists do not depend on the client");
	says(P "applies_to: { clients: [claude-code], teams: [t] }\nrules:\n  - deny: a/x\n    "
	       "reason: no\n"
	       "  - allow: a/y\n",
	    "p.yaml:7:5: a policy with clients: only takes away, since a client is what it says");
	says(P "applies_to: \"*\"\nrules:\n  - deny: a/x\n    reason: no\n"
	       "    unless: { subject: { clients: [claude-code] } }\n",
	    "p.yaml:7:26: clients stands in applies_to of a policy alone");
	says(P "applies_to: \"*\"\nrules:\n  - allow: a/x\n"
	       "    when: { subject: { clients: [claude-code] } }\n",
	    "clients stands in applies_to of a policy alone");

	TEST("views are known, and are of requests");
	says(P
	    "applies_to: { views: [ops] }\nrules:\n  - allow: a/x\n  - deny: a/y\n    reason: no\n"
	    "    unless: { subject: { views: [web] } }\n",
	    NULL);
	says(P "applies_to: { views: [opps] }\nrules:\n  - allow: a/x\n",
	    "unknown view \"opps\" (did you mean \"ops\"?)");
	says(P "applies_to: \"*\"\nrules:\n  - approve: a/x\n    reason: ask\n"
	       "    approval: { approvers: { views: [ops] } }\n",
	    "approvers are people, wherever they answer");
	says(P "applies_to: { views: ops }\nrules:\n  - allow: a/x\n",
	    "\"views\" is a list of 1 to");
}

static void
test_names(void)
{
	static const char *const rows[][2] = { { "claude-code/2.1.330 (sdk-cli)", "claude-code" },
		{ "curl", "curl" }, { "", "" }, { "a b/1", "a" }, { "/x", "" } };

	TEST("a client's name is the product of its User-Agent");
	for (size_t i = 0; i < COUNT(rows); i++)
		CHECK_STR(client_product(str_of(rows[i][0])), rows[i][1]);
}

int
main(void)
{
	test_names();
	test_files();
	test_places();
	arena_free(&scopes);
	return check_done();
}
