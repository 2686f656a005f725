/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policylint - an organisation of some two thousand lines that has nothing to say against, and one
 * mistake after another planted into it: each is found at its file and line, with a sentence that
 * says what is wrong.
 */
#include "policies/lint.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define CUSTOMERS 4
#define TEAMS     9 /* of each */
#define USERS     22

static const char *const customer_names[CUSTOMERS] = { "acme", "globex", "initech", "umbrella" };
static const char *const team_names[TEAMS] = { "payments", "core", "web", "data", "mobile",
	"search", "billing", "growth", "ops" };
static const struct str servers[] = { STR("github"), STR("jira"), STR("fs"), STR("k8s"),
	STR("notes") };
static const struct str models[] = { STR("claude-sonnet-4-6"), STR("claude-haiku-4-5"),
	STR("sonnet"), STR("haiku") };
static const struct model_alias aliases[] = { { STR("sonnet"), STR("claude-sonnet-4-6") },
	{ STR("haiku"), STR("claude-haiku-4-5") } };

struct mistake {
	const char *file;
	const char *find, *put; /* what is replaced, once, by what; "" finds the end */
	bool error;             /* of the whole, not a warning */
	const char *says;
};
#define ORG   "root/organisation.yaml"
#define GUARD "root/guard.yaml"
#define TEAM  "customers/acme/teams/payments/tools.yaml"
/* `#!` marks the line that must be named. */
static const struct mistake mistakes[] = {
	{ TEAM, "owner: \"#payments\"", "onwer: \"#payments\" #!", true, "unknown key \"onwer\"" },
	{ TEAM, "allow: notes/list_*", "allow: nots/list_* #!", true, "did you mean \"notes\"?" },
	{ TEAM, "\"model:{sonnet,claude-sonnet-4-6}\"", "\"model:{sonnet,claude-sonet-4-6}\" #!",
	    true, "did you mean \"claude-sonnet-4-6\"?" },
	{ TEAM, "under: /repo/payments",
	    "undr: /repo/payments } } #!\n    unless: { x: { equals: 1", true,
	    "did you mean \"under\"?" },
	{ TEAM, "under: /repo/payments }", "under: repo/payments } #!\n     ", true, "the path" },
	{ GUARD, "    reason: \"Deletes go through sre\"\n", "", true, "a deny needs a reason" },
	{ TEAM, "groups: [developer]", "users: [dan-1] #!\n ", true, "is not in the policy files" },
	{ TEAM, "applies_to: { teams: [payments]", "applies_to: { teams: [globex/web] #!\n ", true,
	    "speaks of" },
	{ TEAM, "policy: acme-payments", "policy: acme-core #!", true, "is already in" },
	{ ORG, "          limit: { requests: 600/minute }\n",
	    "          limit: { requests: 600/minut } #!\n", true, "did you mean \"minute\"?" },
	{ TEAM, "\"^PAY-[0-9]+$\"", "\"PAY-[0-9]+$\" #!\n     ", true, "say where a match starts" },
	{ TEAM, "allow: notes/list_*", "allow: {notes/list_*} #!", true, "quote it" },
	/* From here on the bundle loads. */
	{ TEAM, "", "  - allow: github/delete_repo #!\n", true,
	    "nobody gets github/delete_repo: root/guard.yaml:6 denies all of it" },
	{ TEAM, "", "  - allow: k8s/get_pods #!\n", true,
	    "nobody gets k8s/get_pods: it is outside the ceiling" },
	{ TEAM, "", "  - allow: notes/put #!\n    when: { size: { min: 10, max: 5 } }\n", true,
	    "min is more than max" },
	{ TEAM, "", "  - allow: notes/put #!\n    when: { kind: { equals: a, in: [b, c] } }\n",
	    true, "none of the values it names passes the other tests" },
	{ TEAM, "",
	    "  - allow: notes/put #!\n    when: { path: { in: [/etc/a, /etc/b], under: /repo } }\n",
	    true, "none of the values it names passes the other tests" },
	{ TEAM, "",
	    "  - allow: notes/put #!\n    when: { name: { type: integer, glob: \"a*\" } }\n", true,
	    "values of different types" },
	{ TEAM, "", "  - allow: notes/put #!\n    when: { name: { absent: true, equals: x } }\n",
	    true, "it must be absent" },
	{ TEAM, "", "  - allow: notes/put #!\n    when: { only_keys: [a], b: { equals: 1 } }\n",
	    true, "only_keys leaves out b" },
	{ TEAM, "",
	    "  - deny: notes/put #!\n    when: { tags: { any: { min: 2, max: 1 } } }\n    reason: "
	    "x\n",
	    true, "its when: can never hold: tags: min is more than max" },
	{ TEAM, "", "  - allow: notes/list_* #!\n", true, "says what line" },
	{ TEAM, "", "  - allow: notes/list_all #!\n    when: { q: { equals: x } }\n", true,
	    "its condition narrows nothing" },
	{ TEAM, "", "  - allow: notes/list_all #!\n", false, "adds nothing" },
	{ GUARD, "", "  - allow: any/* #!\n", false, "every tool of every server" },
	{ TEAM, "\"model:{sonnet,claude-sonnet-4-6}\"", "\"model:sonnet\" #!", true,
	    "allows \"sonnet\" but not \"claude-sonnet-4-6\"" },
	{ TEAM, "groups: [developer]", "groups: [developr] #!\n ", false,
	    "no user is in group \"developr\"" },
	{ TEAM,
	    "policy: acme-payments\nowner: \"#payments\"\napplies_to: { teams: [payments], groups: "
	    "[developer]",
	    "policy: acme-payments #!\nowner: \"#payments\"\napplies_to: { teams: [payments], "
	    "groups: "
	    "[sre]",
	    true, "applies to nobody" },
	{ ORG, "            acme-payments-1: { groups: [developer] }\n",
	    "            acme-payments-1: {} #!\n", false, "can do nothing" },
	{ ORG, "          budget: 500 USD/month\n", "          budget: 90000 USD/month #!\n", false,
	    "which refuses first" },
	{ ORG, "          limit: { requests: 600/minute }\n",
	    "          limit: { requests: 60000/minute } #!\n", false, "which refuses first" },
	{ GUARD, "", "  - limit: k8s/rare_* #!\n    to: { calls: 3/day }\n", false,
	    "it guards nothing" },
	{ GUARD, "",
	    "  - limit: code:run\n    to: { calls: 20 }\n  - limit: code:run\n    to: {\n      "
	    "calls: 30 #!\n    }\n",
	    false, "its calls: bounds nothing: root/guard.yaml:" },
	{ "customers/acme/bounds.yaml", "ceiling:", "ceiling: #!\n  - k8s/*", false,
	    "a ceiling grants nothing" },
	{ TEAM, "  - allow: code:run\n", "code_mode: auto #!\n", false,
	    "code_mode: auto says how scripts are offered, and nobody" },
	{ TEAM, "rules:", "code_mode: sometimes #!\nrules:", true, "opt-in, auto, only, off" },
	{ TEAM, "", "  - allow: notes/put #!\n    when: { path: { under: / } }\n", false,
	    "under / holds every path" },
};

/* ---- the bundle ---- */

struct file {
	char path[128];
	struct buf text;
};
static struct file all[CUSTOMERS * (TEAMS + 1) + 4];
static size_t all_n;

static struct buf *
file_new(const char *path)
{
	struct file *f = &all[all_n++];

	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	buf_init(&f->text, 0);
	return &f->text;
}

static void
organisation_make(void)
{
	struct buf *b = file_new(ORG);

	buf_puts(b, "version: 1\norganisation:\n  contact: \"#platform\"\n  customers:\n");
	for (size_t c = 0; c < CUSTOMERS; c++) {
		buf_printf(b,
		    "    %s:\n      budget: 20000 USD/month\n      limit: { requests: 6000/minute "
		    "}\n"
		    "      teams:\n",
		    customer_names[c]);
		for (size_t t = 0; t < TEAMS; t++) {
			buf_printf(b,
			    "        %s:\n          budget: 500 USD/month\n"
			    "          limit: { requests: 600/minute }\n          users:\n",
			    team_names[t]);
			for (size_t u = 1; u <= USERS; u++)
				buf_printf(b, "            %s-%s-%zu: { groups: [developer] }\n",
				    customer_names[c], team_names[t], u);
		}
	}
}

static void
team_make(const char *customer, const char *team)
{
	char path[128];
	struct buf *b;

	(void)snprintf(path, sizeof(path), "customers/%s/teams/%s/tools.yaml", customer, team);
	b = file_new(path);
	buf_printf(b,
	    "version: 1\n# What team %s of %s may do.\n\npolicy: %s-%s\nowner: \"#%s\"\n"
	    "applies_to: { teams: [%s], groups: [developer] }\nrules:\n",
	    team, customer, customer, team, team, team);
	buf_puts(b, "  - allow: \"github/{get_*,list_*,search_*}\"\n");
	buf_printf(b, "  - allow: fs/read_file\n    when: { path: { under: /repo/%s } }\n", team);
	buf_puts(b, "  - allow: fs/write_file\n    when:\n      path: { under: /work }\n"
		    "      size: { max: 100000 }\n");
	buf_puts(b, "  - allow: jira/create_issue\n    when:\n      project: { in: [PAY, PAYX] }\n"
		    "      key: { matches: \"^PAY-[0-9]+$\" }\n    limit: { calls: 200/day }\n");
	buf_puts(b, "  - allow: jira/get_*\n  - allow: notes/list_*\n");
	buf_puts(b, "  - deny: github/get_secret_*\n    reason: \"Secrets are not for agents\"\n");
	buf_puts(b, "  - allow: \"model:{sonnet,claude-sonnet-4-6}\"\n"
		    "  - allow: \"model:{haiku,claude-haiku-4-5}\"\n  - allow: code:run\n");
}

static void
bundle_make(void)
{
	struct buf *b;
	char path[128];

	organisation_make();
	b = file_new(GUARD);
	buf_puts(b, "version: 1\npolicy: guard\nowner: \"#sre\"\napplies_to: \"*\"\nrules:\n"
		    "  - deny: any/delete_*\n    reason: \"Deletes go through sre\"\n"
		    "  - limit: jira/*\n    to: { calls: 5000/day, per: team }\n");
	for (size_t c = 0; c < CUSTOMERS; c++) {
		(void)snprintf(path, sizeof(path), "customers/%s/bounds.yaml", customer_names[c]);
		b = file_new(path);
		buf_printf(b,
		    "version: 1\npolicy: %s-bounds\nowner: \"#%s\"\napplies_to: { customers: [%s] "
		    "}\n"
		    "ceiling:\n  - github/*\n  - fs/*\n  - jira/*\n  - notes/*\n  - \"model:*\"\n"
		    "  - code:run\n",
		    customer_names[c], customer_names[c], customer_names[c]);
		for (size_t t = 0; t < TEAMS; t++)
			team_make(customer_names[c], team_names[t]);
	}
}

/* ---- planting ---- */

static struct file *
file_named(const char *path)
{
	for (size_t i = 0; i < all_n; i++)
		if (strcmp(all[i].path, path) == 0)
			return &all[i];
	abort();
}

static bool
lint(const char *dir, bool strict, struct buf *out)
{
	const struct core_settings s = { .policies_dir = dir,
		.servers = servers,
		.servers_n = COUNT(servers),
		.models = models,
		.models_n = COUNT(models),
		.aliases = aliases,
		.aliases_n = COUNT(aliases) };

	buf_init(out, 0);
	return policies_lint(&s, &(struct lint_ask){ .strict = strict }, out);
}

/* Where it is: the line of the mark, or the one before what was left out. */
static int
line_of(const char *whole, const char *at, const char *put)
{
	const char *mark = strstr(put, "#!");
	int line = 1;

	for (const char *p = whole; p < at - (mark == NULL); p++)
		line += *p == '\n';
	for (const char *p = put; mark != NULL && p < mark; p++)
		line += *p == '\n';
	return line;
}

static bool
says(const struct buf *out, const char *where, const char *what)
{
	for (struct str rest = buf_str(out); rest.n > 0;) {
		struct str line = str_cut(&rest, '\n');
		char one[2048];

		(void)str_copy(one, sizeof(one), line);
		if (str_starts(line, str_of(where)) && strstr(one, what) != NULL)
			return true;
	}
	return false;
}

static void
plant(const char *dir, const struct mistake *m)
{
	struct file *f = file_named(m->file);
	const char *whole = buf_cstr(&f->text), *at = strstr(whole, m->find);
	char where[256];
	struct buf text, out;

	ASSERT(at != NULL);
	if (m->find[0] == '\0')
		at = whole + strlen(whole);
	buf_init(&text, 0);
	buf_put(&text, STR_SPAN(whole, at));
	buf_puts(&text, m->put);
	buf_puts(&text, at + strlen(m->find));
	folder_put(dir, f->path, buf_cstr(&text));
	(void)snprintf(where, sizeof(where), "%s/%s:%d:", dir, f->path, line_of(whole, at, m->put));
	CHECK(!lint(dir, !m->error, &out)); /* an error without being strict */
	if (!CHECK(says(&out, where, m->says)))
		printf("planted: %s\nwanted: %s … %s\ngot:\n%s", m->put, where, m->says,
		    buf_cstr(&out));
	folder_put(dir, f->path, buf_cstr(&f->text));
	buf_fini(&text);
	buf_fini(&out);
}

static void
test_mistakes(const char *dir)
{
	size_t lines = 0;
	struct buf out;

	TEST("some two thousand lines have nothing to say against");
	for (size_t i = 0; i < all_n; i++) {
		folder_put(dir, all[i].path, buf_cstr(&all[i].text));
		for (size_t k = 0; k < all[i].text.n; k++)
			lines += all[i].text.p[k] == '\n';
	}
	CHECK(lines >= 1900 && lines <= 2100);
	if (!CHECK(lint(dir, true, &out)))
		printf("%zu lines\n%s", lines, buf_cstr(&out));
	buf_fini(&out);
	TEST("each planted mistake is found where it is, and named");
	CHECK(COUNT(mistakes) >= 25);
	for (size_t i = 0; i < COUNT(mistakes); i++)
		plant(dir, &mistakes[i]);
}

static void
test_modes(const char *dir)
{
	static const char *const wide[] = { GUARD, TEAM };
	struct buf text, out;

	TEST("a code_mode that another policy narrows for all is told, the narrower one is not");
	for (size_t i = 0; i < 2; i++) {
		struct file *f = file_named(wide[i]);
		const char *whole = buf_cstr(&f->text), *at = strstr(whole, "rules:");

		buf_init(&text, 0);
		buf_put(&text, STR_SPAN(whole, at));
		buf_printf(&text, "code_mode: %s\n%s", i == 0 ? "only" : "auto", at);
		folder_put(dir, f->path, buf_cstr(&text));
		buf_fini(&text);
	}
	CHECK(lint(dir, false, &out));
	CHECK(strstr(buf_cstr(&out), TEAM ":7: warning: code_mode: auto holds for nobody: " GUARD
					  ":5 says only, which is narrower") != NULL);
	CHECK(strstr(buf_cstr(&out), "code_mode: only") == NULL);
	buf_fini(&out);
	for (size_t i = 0; i < 2; i++)
		folder_put(dir, wide[i], buf_cstr(&file_named(wide[i])->text));
}

static void
test_tests(const char *dir)
{
	struct file *f = file_named(TEAM);
	struct buf out, text;
	char where[256];

	TEST("where there are tests, a rule that decides no case of one is told");
	folder_put(dir, "customers/acme/teams/payments/tools_test.yaml",
	    "suite: s\ngiven: { as: { user: acme-payments-1 } }\ncases:\n"
	    "  - call: [github/get_issue]\n    expect: allow\n"
	    "  - call: [\"model:sonnet\"]\n    expect: allow\n");
	CHECK(lint(dir, false, &out));
	CHECK(
	    strstr(buf_cstr(&out), "tools.yaml:9: warning: no test covers it: allow fs/read_file"));
	(void)snprintf(where, sizeof(where), "%s/%s:8:", dir, TEAM);
	CHECK(!says(&out, where, "no test covers"));
	(void)snprintf(
	    where, sizeof(where), "%s/%s:23:", dir, TEAM); /* the id of sonnet, and its name */
	CHECK(!says(&out, where, "no test covers"));
	buf_fini(&out);
	TEST("as JSON each line is an object");
	buf_init(&text, 0);
	buf_printf(&text, "%s  - allow: github/delete_repo\n", buf_cstr(&f->text));
	folder_put(dir, f->path, buf_cstr(&text));
	buf_fini(&text);
	buf_init(&out, 0);
	CHECK(!policies_lint(&(struct core_settings){ .policies_dir = dir },
	    &(struct lint_ask){ .json = true }, &out));
	for (struct str rest = buf_str(&out); rest.n > 0;) {
		struct err e;

		CHECK(json_check(str_cut(&rest, '\n'), true, &e));
	}
	CHECK(strstr(
	    buf_cstr(&out), "\"level\":\"error\",\"text\":\"nobody gets github/delete_repo"));
	buf_fini(&out);
}

static void
test_meets(void)
{
	static const struct {
		const char *a, *b;
		bool covers, meets;
	} rows[] = { { "a/*", "a/x", true, true }, { "a/x", "a/*", false, true },
		{ "any/*", "a/get_*", true, true }, { "a/*_x", "a/get_*", false, true },
		{ "a/get_*", "a/list_*", false, false }, { "*/x", "any/x", true, true },
		{ "a/x", "any/x", false, true }, { "a/{x,y}", "a/x", true, true },
		{ "a/x", "a/{x,y}", false, true }, { "a/a*b*c", "a/abc", true, true },
		{ "a/a*b", "a/b*a", false, false }, { "a/ab*", "a/*bc", false, true },
		{ "model:*", "model:x", true, true }, { "model:x", "a/x", false, false },
		{ "a/*", "b/*", false, false }, { "a*/x", "*b/x", false, true },
		{ "code:run", "code:run", true, true }, { "a/**", "a/*", true, true },
		{ "a/x*", "a/x", true, true }, { "a/*x*", "a/y", false, false } };

	TEST("patterns cover and meet each other");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pattern a, b;
		struct arena m;
		struct err e;

		arena_init(&m, 1 << 20);
		CHECK(pattern_parse(&m, str_of(rows[i].a), &a, &e) &&
		      pattern_parse(&m, str_of(rows[i].b), &b, &e));
		if (!CHECK(pattern_covers(&a, &b) == rows[i].covers) ||
		    !CHECK(pattern_meets(&a, &b) == rows[i].meets) ||
		    !CHECK(pattern_meets(&b, &a) == rows[i].meets))
			printf("    %s, %s\n", rows[i].a, rows[i].b);
		arena_free(&m);
	}
}

int
main(void)
{
	char *dir = folder_new();

	bundle_make();
	test_mistakes(dir);
	test_modes(dir);
	test_tests(dir);
	test_meets();
	for (size_t i = 0; i < all_n; i++)
		buf_fini(&all[i].text);
	folder_drop(&dir);
	return check_done();
}
