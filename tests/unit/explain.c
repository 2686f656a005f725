/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain - forty decisions of one organisation: each names the rule that decides (found in the
 * files by a mark on its line), shows what bears on it, and says the nearest fix.
 */
#include "policies/tools.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

static const struct {
	const char *path, *text;
} files[] = {
	{ "root/organisation.yaml", "version: 1\n"
				    "organisation:\n"
				    "  contact: \"#platform\"\n"
				    "  customers:\n"
				    "    acme:\n"
				    "      budget: 20000 USD/month\n"
				    "      teams:\n"
				    "        payments:\n"
				    "          contact: \"#payments\"\n"
				    "          budget: 500 USD/month\n"
				    "          limit: { calls: 5000/day, requests: 60/minute }\n"
				    "          users:\n"
				    "            ana: { groups: [developer, sre] }\n"
				    "            ben: { groups: [developer] }\n"
				    "        core:\n"
				    "          models: [haiku] # core-models\n"
				    "          users:\n"
				    "            cat: { groups: [developer] }\n"
				    "    globex:\n"
				    "      teams:\n"
				    "        web:\n"
				    "          users:\n"
				    "            dan: {}\n" },
	{ "root/guard.yaml", "version: 1\n"
			     "policy: guard\n"
			     "owner: \"#security\"\n"
			     "applies_to: \"*\"\n"
			     "rules:\n"
			     "  - deny: any/delete_* # deletes\n"
			     "    unless: { subject: { groups: [sre] } }\n"
			     "    reason: Deletes go through sre\n"
			     "  - deny: any/drop_* # drops\n"
			     "    reason: Nothing is dropped\n"
			     "  - deny: fs/* # secrets\n"
			     "    when: { path: { under: /repo/secret } }\n"
			     "    reason: Secrets stay where they are\n"
			     "  - deny: web/fetch # hosts\n"
			     "    unless: { url: { host_in: [example.com] } }\n"
			     "    reason: Only example.com\n"
			     "  - deny: \"model:*-preview\" # previews\n"
			     "    reason: No previews\n" },
	{ "root/watch.yaml", "version: 1\n"
			     "policy: watch\n"
			     "applies_to: \"*\"\n"
			     "mode: observe\n"
			     "rules:\n"
			     "  - deny: github/get_* # watched\n"
			     "    reason: From Monday on\n" },
	{ "customers/acme/bounds.yaml", "version: 1\n"
					"policy: bounds\n"
					"owner: \"#acme\"\n"
					"applies_to: { customers: [acme] }\n"
					"ceiling: # bounds\n"
					"  [\"github/*\", \"fs/*\", \"jira/*\", \"web/*\", "
					"\"db/*\", \"model:*\", \"code:run\", "
					"\"prompt:*\", \"resource:*\", \"hosted:*\"]\n" },
	{ "customers/acme/teams/payments/tools.yaml",
	    "version: 1\n"
	    "policy: payments\n"
	    "applies_to: { groups: [developer] }\n"
	    "rules:\n"
	    "  - allow: \"github/{get_*,list_*,delete_branch}\" # github\n"
	    "  - allow: fs/read # reads\n"
	    "    when: { path: { under: /repo } }\n"
	    "  - allow: jira/create # tickets\n"
	    "    when: { project: { in: [PAY, PAYX] }, labels: { each: { not: { matches: "
	    "\"^sec-.*\" } } "
	    "} }\n"
	    "    limit: { calls: 200/day }\n"
	    "  - allow: web/fetch # fetches\n"
	    "  - allow: k8s/* # cluster\n"
	    "  - allow: db/drop_table # drop-grant\n"
	    "  - allow: db/query # queries\n"
	    "    when: { limit: { max: 100 }, only_keys: [limit, sql] }\n"
	    "  - allow: \"model:{sonnet,claude-sonnet-4-6}\" # sonnet\n"
	    "  - allow: \"model:{mix,haiku}\" # mix\n"
	    "  - allow: \"prompt:github/review\" # prompts\n"
	    "  - allow: \"resource:fs/file:///repo/*\" # resources\n"
	    "  - allow: \"hosted:web_search\" # searches\n"
	    "  - allow: code:run # code\n" },
	{ "customers/acme/teams/payments/laptop.yaml", "version: 1\n"
						       "policy: laptops\n"
						       "applies_to: { keys: [laptop] }\n"
						       "rules:\n"
						       "  - allow: fs/write # writes\n" },
	{ "customers/globex/tools.yaml", "version: 1\n"
					 "policy: globex\n"
					 "explain: full\n"
					 "applies_to: { customers: [globex] }\n"
					 "rules:\n"
					 "  - allow: github/* # globex\n"
					 "  - allow: db/drop_table # globex-drop\n" },
};

static const struct model_alias aliases[] = { { STR("sonnet"), STR("claude-sonnet-4-6") },
	{ STR("haiku"), STR("claude-haiku-4-5") }, { STR("mix"), STR("claude-opus-5") },
	{ STR("next"), STR("claude-next-preview") } };

#define NONE "" /* no rule: nothing said is no */
static const struct {
	const char *user, *key, *call;
	bool allowed;
	const char *mark; /* of the rule that decides */
	const char *says; /* somewhere in the text, beside the rule */
} rows[] = {
	{ "ana", "", "github/get_issue {}", true, "github", "(observes only)" },
	{ "ben", "", "github/list_issues {}", true, "github", "allow payments:5" },
	{ "ben", "", "github/create_issue {}", false, NONE,
	    "nearest fix: a grant for github/create_issue; globex:6 gives it to customers "
	    "[globex]" },
	{ "ben", "", "github/delete_branch {}", false, "deletes",
	    "nearest fix: a caller of groups [sre] (ask #security)" },
	{ "ana", "", "github/delete_branch {}", true, "github", "deny  guard:6" },
	{ "ana", "", "github/delete_repo {}", false, NONE, "a grant for github/delete_repo" },
	{ "dan", "", "github/delete_repo {}", false, "deletes", "a caller of groups [sre]" },
	{ "dan", "", "github/get_issue {}", true, "globex", "(observes only)" },
	{ "dan", "", "db/drop_table {}", false, "drops",
	    "none by the caller: guard:9 refuses it to everybody it applies to" },
	{ "ana", "", "db/drop_table {}", false, "drops", "Nothing is dropped" },
	{ "ana", "", "db/drop_index {}", false, "drops", "and a grant for db/drop_index" },
	{ "ana", "", "fs/read {\"path\":\"/repo/a\"}", true, "reads", "(path=\"/repo/a\")" },
	{ "ana", "", "fs/read {\"path\":\"/etc/passwd\"}", false, "reads",
	    "-> false (path=\"/etc/passwd\")" },
	{ "ana", "", "fs/read {\"path\":\"/repo/../etc\"}", false, "secrets",
	    "it has a . or .. segment" },
	{ "ana", "", "fs/read {\"path\":\"/repo/secret/k\"}", false, "secrets",
	    "a call for which this is false: path is under /repo/secret" },
	{ "ana", "", "fs/read {}", false, "reads", "path is not given" },
	{ "ana", "", "fs/read {\"path\":7}", false, "secrets", "it is not a text" },
	{ "ana", "laptop", "fs/write {\"path\":\"/repo/a\"}", true, "writes", "key laptop" },
	{ "ana", "phone", "fs/write {\"path\":\"/repo/a\"}", false, NONE,
	    "laptops:5 gives it to keys [laptop]" },
	{ "cat", "", "fs/read {\"path\":\"/repo/a\"}", false, NONE,
	    "payments:6 gives it to groups [developer]" },
	{ "ben", "", "jira/create {\"project\":\"PAY\",\"labels\":[\"ui\"]}", true, "tickets",
	    "at most 200 calls/day per team" },
	{ "ben", "", "jira/create {\"project\":\"OPS\",\"labels\":[]}", false, "tickets",
	    "project must be one of PAY, PAYX" },
	{ "ben", "", "jira/create {\"project\":\"PAY\",\"labels\":[\"sec-1\"]}", false, "tickets",
	    "labels=[\"sec-1\"]" },
	{ "ben", "", "web/fetch {\"url\":\"https://example.com/x\"}", true, "fetches",
	    "deny  guard:14" },
	{ "ben", "", "web/fetch {\"url\":\"https://evil.test/\"}", false, "hosts",
	    "a call for which this is true: url is a URL of example.com" },
	{ "ben", "", "web/fetch {\"url\":\"https://example.com@evil.test/\"}", false, "hosts",
	    "cannot be judged" },
	{ "ben", "", "k8s/get_pods {}", false, "bounds",
	    "k8s/get_pods in the ceiling of bounds at customers/acme/bounds.yaml:5 (ask #acme)" },
	{ "cat", "", "k8s/get_pods {}", false, "bounds", "; and a grant for k8s/get_pods" },
	{ "ben", "", "db/query {\"sql\":\"select 1\",\"limit\":10}", true, "queries", "limit=10" },
	{ "ben", "", "db/query {\"sql\":\"select 1\",\"limit\":1000}", false, "queries",
	    "limit must be at most 100" },
	{ "ben", "", "db/query {\"limit\":1,\"dsn\":\"x\"}", false, "queries", "nearest fix" },
	{ "ben", "", "model:sonnet", true, "sonnet", "(stands for claude-sonnet-4-6)" },
	{ "ben", "", "model:mix", false, NONE, "the model it stands for is not" },
	{ "ben", "", "model:next", false, "previews", "guard:17 refuses it" },
	{ "cat", "", "model:haiku", true, "core-models", "models: acme/core:16 -> listed" },
	{ "cat", "", "model:sonnet", false, "core-models",
	    "model:sonnet in the models of acme/core" },
	{ "ben", "", "prompt:github/review", true, "prompts", "covered by prompt:*" },
	{ "ben", "", "resource:fs/file:///etc/passwd", false, NONE, "a grant for resource:fs" },
	{ "ben", "", "resource:fs/file:///repo/x", true, "resources",
	    "resource:fs/file:///repo/*" },
	{ "ben", "", "hosted:web_search", true, "searches", "hosted:web_search -> true" },
	{ "dan", "", "hosted:web_search", false, NONE,
	    "payments:20 gives it to groups [developer] of acme/payments" },
	{ "ana", "", "code:run", true, "code", "allow payments:21" },
	{ "dan", "", "code:run", false, NONE, "no rule allows it" },
};

/* "root/guard.yaml:6", of the one line that ends with this mark. */
static void
mark_find(const char *mark, struct buf *out)
{
	char end[64];

	(void)snprintf(end, sizeof(end), "# %s", mark);
	for (size_t i = 0; i < COUNT(files) && mark[0] != '\0'; i++) {
		struct str rest = str_of(files[i].text);

		for (int line = 1; rest.n > 0; line++)
			if (str_ends(str_cut(&rest, '\n'), str_of(end)))
				buf_printf(out, "%s:%d", files[i].path, line);
	}
}

static void
row_check(const struct core_settings *s, size_t i)
{
	struct key_spec who = { .name = str_of(rows[i].key), .user = str_of(rows[i].user) };
	struct explain_ask ask = { .who = &who, .call = str_of(rows[i].call) };
	struct buf out, json, want;
	bool allowed = false, again = false;
	struct str rule, raw;
	struct arena a;
	struct err e;

	buf_init(&out, 0);
	buf_init(&json, 0);
	buf_init(&want, 0);
	arena_init(&a, 1 << 20);
	mark_find(rows[i].mark, &want);
	CHECK(rows[i].mark[0] == '\0' || want.n > 0);
	CHECK(policies_explain(s, &ask, &out, &allowed, &e) && allowed == rows[i].allowed);
	if (!CHECK(strstr(buf_cstr(&out), rows[i].says) != NULL))
		printf("%s %s\n%s    lacks: %s\n", rows[i].user, rows[i].call, buf_cstr(&out),
		    rows[i].says);
	CHECK((strstr(buf_cstr(&out), "nearest fix: ") != NULL) == !allowed);
	ask.json = true;
	CHECK(policies_explain(s, &ask, &json, &again, &e) && again == allowed);
	CHECK(json_check(buf_str(&json), true, &e));
	rule = STR("");
	if (json_get(buf_str(&json), STR("rule"), &raw))
		CHECK(json_string(raw, &a, &rule));
	if (!CHECK(str_eq(rule, buf_str(&want))))
		printf("%s %s: decided by " STR_FMT ", not %s\n%s", rows[i].user, rows[i].call,
		    STR_ARG(rule), buf_cstr(&want), buf_cstr(&out));
	arena_free(&a);
	buf_fini(&out);
	buf_fini(&json);
	buf_fini(&want);
}

static void
test_decisions(const char *dir)
{
	const struct core_settings s = {
		.policies_dir = dir, .aliases = aliases, .aliases_n = COUNT(aliases)
	};

	TEST("each of forty decisions names its rule, what bears on it, and the nearest fix");
	CHECK(COUNT(rows) >= 40);
	for (size_t i = 0; i < COUNT(rows); i++)
		row_check(&s, i);
}

static void
test_values(const char *dir)
{
	const struct core_settings s = { .policies_dir = dir };
	const struct key_spec who = { .name = STR(""), .user = STR("ana") };
	struct explain_ask ask = { .who = &who, .call = STR("") };
	bool allowed = true;
	struct buf out;
	struct err e;

	TEST("a value that would deceive its reader is escaped, a long one is cut");
	buf_init(&out, 0);
	ask.call = STR("fs/read {\"path\":\"/repo/\xe2\x80\xae"
		       "x\"}");
	CHECK(policies_explain(&s, &ask, &out, &allowed, &e) && !allowed);
	CHECK(strstr(buf_cstr(&out), "/repo/\\xe2\\x80\\xaex") != NULL);
	buf_reset(&out);
	ask.call =
	    STR("fs/read {\"path\":\"/repo/0123456789012345678901234567890123456789012345678901"
		"2345678901234567890123456789\"}");
	CHECK(policies_explain(&s, &ask, &out, &allowed, &e) && allowed);
	CHECK(strstr(buf_cstr(&out), "…)") != NULL);
	TEST("what cannot be asked says so");
	ask.call = STR("fs/read {\"path\":");
	CHECK(!policies_explain(&s, &ask, &out, &allowed, &e) && e.code == ERR_INVALID);
	ask.call = STR("read");
	CHECK(!policies_explain(&s, &ask, &out, &allowed, &e) && strstr(e.text, "has no server"));
	buf_fini(&out);
}

int
main(void)
{
	char *dir = folder_new();

	for (size_t i = 0; i < COUNT(files); i++)
		folder_put(dir, files[i].path, files[i].text);
	test_decisions(dir);
	test_values(dir);
	folder_drop(&dir);
	return check_done();
}
