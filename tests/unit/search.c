/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Search over a catalogue of 82 tools: queries as models write them (queries.table: query, the
 * tools that it needs), and the rules one by one.
 */
#include "codemode/search.h"
#include "base/log.h"
#include "codemode/signature.h"
#include "tests/unit/catalogue.h"

#define LUA_BYTES   1371
#define TOOLS_BYTES 541

static struct catalogue all;

static bool
found(const struct tool *const *hits, size_t n, struct str path)
{
	struct buf b;
	bool is = false;

	buf_init(&b, 0);
	for (size_t i = 0; i < n && !is; i++) {
		buf_reset(&b);
		signature_put_path(&b, hits[i]);
		is = str_eq(buf_str(&b), path);
	}
	buf_fini(&b);
	return is;
}

static void
query_run(struct str line, size_t *asked, size_t *answered)
{
	const struct tool *hits[SEARCH_HITS_MAX];
	struct str wanted = line, query = str_trim(str_cut(&wanted, '='));
	size_t n = search_tools(all.list.t, all.list.n, query, hits);
	bool every = true;

	wanted = str_trim(wanted);
	while (wanted.p != NULL)
		every &= found(hits, n, str_cut(&wanted, ' '));
	*asked += 1;
	*answered += every;
	if (!every)
		printf("  not found: " STR_FMT "\n", STR_ARG(line));
}

static void
test_recall(void)
{
	FILE *f = fopen("tests/unit/queries.table", "r");
	size_t cap = 0, asked = 0, answered = 0;
	char *line = NULL;
	ssize_t n;

	TEST("nine of ten queries find every tool that they need");
	CHECK(f != NULL);
	while (f != NULL && (n = getline(&line, &cap, f)) > 0)
		query_run((struct str){ line, (size_t)n - 1 }, &asked, &answered);
	free(line);
	if (f != NULL)
		(void)fclose(f);
	printf("  %zu of %zu queries\n", answered, asked);
	CHECK(asked >= 60);
	CHECK(answered * 10 >= asked * 9);
}

static struct str
first(const char *query)
{
	static struct buf b;
	const struct tool *hits[SEARCH_HITS_MAX];
	size_t n = search_tools(all.list.t, all.list.n, str_of(query), hits);

	buf_fini(&b);
	buf_init(&b, 0);
	if (n > 0)
		signature_put_path(&b, hits[0]);
	return buf_str(&b);
}

static void
test_rules(void)
{
	const struct tool *hits[SEARCH_HITS_MAX];

	TEST("what is deprecated comes after what is not, even by its own name");
	CHECK_STR(first("read text file"), "files.read_text_file");
	TEST("an exact name wins, however it is spelled");
	CHECK_STR(first("createRelations"), "memory.create_relations");
	CHECK_STR(first("export-csv"), "sqlite.export_csv");
	TEST("a server that is named counts");
	CHECK_STR(first("git status of the files"), "git.status");
	CHECK_STR(first("search memory"), "memory.search_nodes");
	CHECK_STR(first("search mail"), "mail.search_mail");
	TEST("words that mean nothing find nothing");
	CHECK_EQ_I(
	    search_tools(all.list.t, all.list.n, STR("please show me what you can"), hits), 0);
	CHECK_EQ_I(search_tools(all.list.t, all.list.n, STR(" ;; ; "), hits), 0);
	CHECK_EQ_I(search_tools(all.list.t, all.list.n, STR("xylophone"), hits), 0);
	TEST("each of twelve needs has a place");
	CHECK_EQ_I(search_tools(all.list.t, all.list.n,
		       STR("geocode;refund;blame;stash;crawl;silence alert;get balance;free busy;"
			   "merge pull request;add reaction;take screenshot;list tables"),
		       hits),
	    12);
	CHECK(found(hits, 12, STR("sqlite.list_tables")));
	TEST("one need has at most eight");
	CHECK(search_tools(all.list.t, all.list.n, STR("list"), hits) <= 8);
}

static void
answer_has(const char *query, const char *text, bool wanted)
{
	struct buf b;

	buf_init(&b, 0);
	tools_put_answer(&all.list, str_of(query), &b);
	if ((memmem(b.p, b.n, text, strlen(text)) != NULL) != wanted)
		CHECK_STR(buf_str(&b), text);
	else
		CHECK(true);
	buf_fini(&b);
}

static void
test_answers(void)
{
	TEST("nothing asked: the servers");
	answer_has("", "Servers (number of tools): files 12, git 10, sqlite 5", true);
	TEST("a server's name lists it, in any case");
	answer_has("Billing", "billing.get_balance{}", true);
	answer_has("billing", "crm.", false);
	TEST("server.tool is the whole documentation");
	answer_has(
	    "files.editFile", "files.edit_file{path:string, edits:table[], dryRun?:boolean}", true);
	TEST("no hit: the nearest name and the servers");
	answer_has("sqllite", "Did you mean sqlite?", true);
	answer_has("sqllite", "Servers (number of tools): files 12", true);
	answer_has("xylophone", "Did you mean", false);
}

static void
lua_put(const struct tool_list *l, struct buf *out)
{
	tools_put_lua(l, NULL, 0, out);
}

static void
hot_put(const struct tool_list *l, struct buf *out)
{
	struct str d;
	size_t at = out->n;

	tools_put_lua(l, l->t, l->n < 32 ? l->n : 32, out);
	CHECK(json_get(STR_SPAN(out->p + at, out->p + out->n), STR("description"), &d));
	CHECK(d.n > 1900 &&
	      memmem(d.p, d.n, "listed here.\\nOften used:\\nfiles.read_file{", 42) != NULL);
}

static void
definition_is(
    const struct tool_list *l, void (*put)(const struct tool_list *, struct buf *), size_t bytes)
{
	struct buf a, b;
	struct str description;
	struct err e;

	buf_init(&a, 0);
	buf_init(&b, 0);
	put(l, &a);
	put(l, &b);
	CHECK(json_check(buf_str(&a), true, &e));
	CHECK(str_eq(buf_str(&a), buf_str(&b)));
	CHECK(json_get(buf_str(&a), STR("description"), &description));
	CHECK(description.n <= 2048 + 64); /* its escapes */
	printf("  %zu bytes\n", a.n);
	if (a.n > bytes + bytes / 50)
		CHECK_EQ_I(a.n, bytes);
	buf_fini(&a);
	buf_fini(&b);
}

/* The figures are those of the commit that last changed them on purpose; 480 tokens of o200k_base
 * for both is the promise. */
static void
test_definitions(void)
{
	TEST("the definitions do not grow");
	definition_is(&all.list, lua_put, LUA_BYTES);
	TEST("the most used tools fill the description of lua and no more");
	definition_is(&all.list, hot_put, LUA_BYTES + 2048);
	definition_is(&all.list, tools_put_tools, TOOLS_BYTES);
}

#define MANY 100

/* Servers with long names: the list of them ends where the description would. */
static void
test_many(void)
{
	struct toolset *set[MANY];
	const struct tool *t[MANY];
	char name[MANY][64];
	struct buf b;

	TEST("a hundred servers do not burst a description");
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(
		    name[i], sizeof(name[i]), "a-server-with-a-name-that-is-rather-long-%03zu", i);
		set[i] = toolset_new(str_of(name[i]));
		t[i] = toolset_add(set[i], STR("{\"name\":\"tool\"}"));
	}
	definition_is(&(struct tool_list){ .t = t, .n = MANY }, tools_put_tools, 2600);
	buf_init(&b, 0);
	tools_put_tools(&(struct tool_list){ .t = t, .n = MANY }, &b);
	CHECK(memmem(b.p, b.n, "long_000 a_server_", 18) != NULL);
	CHECK(memmem(b.p, b.n, " …\"", 5) != NULL);
	buf_fini(&b);
	for (size_t i = 0; i < MANY; i++)
		toolset_free(&set[i]);
}

int
main(void)
{
	log_setup(LOG_LEVEL_ERROR, false);
	catalogue_open(&all);
	test_recall();
	test_rules();
	test_answers();
	test_definitions();
	test_many();
	catalogue_close(&all);
	return check_done();
}
