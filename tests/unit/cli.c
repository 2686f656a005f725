/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - what is typed: every command's options, values, words and mistakes; times and spans; the
 * columns of a CSV.  Only what touches neither files nor the network.
 */
int tollgate_main(int argc, char **argv);

#define main tollgate_main
#include "gateway/main.c"
#undef main
#include "gateway/cli_key.c"

#include "tests/unit/check.h"

static const struct command *
command_of(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	abort();
}

/* Words behind the command, cut at spaces. */
static bool
typed(const char *command, const char *words, struct cli *cli, bool *help_asked)
{
	static char text[512];
	char *argv[32];
	int argc = 0;

	*cli = (struct cli){ .config = "tollgate.yaml" };
	*help_asked = false;
	ASSERT(str_copy(text, sizeof(text), str_of(words)));
	for (char *p = text; *p != '\0' && argc < 32;) {
		argv[argc++] = p;
		p = strchrnul(p, ' ');
		if (*p == ' ')
			*p++ = '\0';
	}
	return options_read(command_of(command), cli, help_asked, argc, argv);
}

static void
test_options(void)
{
	struct cli c;
	bool h;

	TEST("options may stand anywhere, take their value, and leave the words");
	CHECK(typed("key", "create --name ana -c other.yaml --user ana --json", &c, &h) && !h);
	CHECK_EQ_S(c.config, "other.yaml");
	CHECK_EQ_S(c.name, "ana");
	CHECK_EQ_S(c.user, "ana");
	CHECK(c.json && !c.admin && c.team == NULL && c.words_n == 1);
	CHECK_EQ_S(c.words[0], "create");
	CHECK(typed("script", "run - --key k", &c, &h) && c.words_n == 2);
	CHECK_EQ_S(c.words[1], "-");
	CHECK(typed("audit", "tail -n 5", &c, &h));
	CHECK_EQ_S(c.n, "5");
	CHECK(typed("check", "", &c, &h) && c.words_n == 0);
	CHECK_EQ_S(c.config, "tollgate.yaml");
	CHECK(typed("key", "--help", &c, &h) && h && typed("run", "-h", &c, &h) && h);
	CHECK(typed("connect", "claude-code --managed", &c, &h) && c.managed);
	CHECK(typed("key", "show -c -", &c, &h));
	CHECK_EQ_S(c.config, "-");
}

static void
test_mistakes(void)
{
	struct cli c;
	bool h;

	TEST("an option of another command, an unknown one, no value, too many words");
	CHECK(!typed("check", "--name x", &c, &h));
	CHECK(!typed("run", "--json", &c, &h) && !typed("quota", "--user u", &c, &h));
	CHECK(!typed("key", "create --nmae x", &c, &h) && !typed("key", "-x", &c, &h));
	CHECK(!typed("key", "create --name", &c, &h));
	CHECK(!typed("key", "create --name --json", &c, &h));
	CHECK(!typed("check", "-c", &c, &h) && !typed("key", "--name=x", &c, &h));
	CHECK(
	    typed("key", "1 2 3 4 5 6 7 8", &c, &h) && !typed("key", "1 2 3 4 5 6 7 8 9", &c, &h));
}

static int
run_words(const char *a, const char *b)
{
	char *argv[] = { mem_unconst("tollgate"), mem_unconst(a), mem_unconst(b), NULL };

	return tollgate_main(a == NULL ? 1 : b == NULL ? 2 : 3, argv);
}

static void
test_commands(void)
{
	TEST("wrong usage is 2, help and version are 0, and every command has its help");
	CHECK_EQ_I(run_words(NULL, NULL), 2);
	CHECK_EQ_I(run_words("serve", NULL), 2);
	CHECK_EQ_I(run_words("--json", NULL), 2);
	CHECK_EQ_I(run_words("", NULL), 2);
	CHECK_EQ_I(run_words("--help", NULL), 0);
	CHECK_EQ_I(run_words("-h", NULL), 0);
	CHECK_EQ_I(run_words("--version", NULL), 0);
	for (size_t i = 0; i < COUNT(commands); i++) {
		CHECK_EQ_I(run_words(commands[i].name, "--help"), 0);
		CHECK_EQ_I(run_words(commands[i].name, "--no-such-thing"), 2);
		CHECK(strlen(commands[i].does) > 0 && strlen(commands[i].example) > 0);
	}
}

static void
test_times(void)
{
	static const char *const bad[] = { "", "d", "7", "7w", "7dd", "-1d", "d7", "100001d",
		"1.5h", "99999999999999999999d", "7 d" };
	int64_t s = 0, ns, before;

	TEST("spans and dates");
	CHECK(cli_span("7d", &s) && s == 604800 && cli_span("24h", &s) && s == 86400);
	CHECK(cli_span("30m", &s) && s == 1800 && cli_span("0d", &s) && s == 0);
	CHECK(cli_span("100000d", &s) && s == 8640000000ll);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!cli_span(bad[i], &s) && !cli_time(bad[i], &ns));
	CHECK(cli_time("2026-12-31", &ns) && ns == 1798761600000000000ll); /* its end */
	CHECK(!cli_time("2026-12-31x", &ns) && !cli_time("2026-13-01", &ns));
	CHECK(!cli_time("31.12.2026", &ns));
	CHECK(cli_time("0d", &before) && cli_time("1d", &ns));
	CHECK(ns - before >= 86400ll * 1000000000 && ns - before < 86460ll * 1000000000);
}

static void
test_texts(void)
{
	struct str doc = STR("{\"a\":\"x\\ny\",\"n\":42,\"t\":true,\"f\":1.5}");
	struct arena a;
	struct buf b;

	TEST("members, numbers, queries");
	arena_init(&a, 4096);
	buf_init(&b, 0);
	CHECK_STR(cli_text(doc, "a", &a), "x\ny");
	CHECK_STR(cli_text(doc, "t", &a), "true");
	CHECK_STR(cli_text(doc, "none", &a), "");
	CHECK(cli_number(doc, "n") == 42 && cli_number(doc, "f") == 0 && cli_number(doc, "a") == 0);
	cli_query(&b, "key", "a b&c=/%\xc3\xa9");
	CHECK_STR(b, "?key=%61%20%62%26%63%3d%2f%25%c3%a9");
	buf_reset(&b);
	buf_putc(&b, '{');
	cli_member(&b, "a", "x\"y");
	cli_member(&b, "b", NULL);
	cli_member(&b, "c", "");
	CHECK_STR(b, "{\"a\":\"x\\\"y\",\"c\":\"\"");
	buf_fini(&b);
	arena_free(&a);
}

static void
test_csv(void)
{
	struct cli cli = { .from = "users.csv" };
	struct csv c = { .cli = &cli };
	struct err e;

	TEST("columns of a CSV in any order, some left out, none unknown");
	arena_init(&c.arena, 65536);
	CHECK(csv_header(&c, STR("User, name ,EXPIRES"), &e));
	CHECK(c.column[0] == 1 && c.column[3] == 0 && c.column[CSV_EXPIRES] == 2 &&
	      c.column[1] == -1);
	CHECK_EQ_S(cell(&c, STR("ana , laptop,90d"), 0), "laptop");
	CHECK_EQ_S(cell(&c, STR("ana , laptop,90d"), 3), "ana");
	CHECK_EQ_S(cell(&c, STR("ana , laptop,90d"), CSV_EXPIRES), "90d");
	CHECK(cell(&c, STR("ana , laptop,90d"), 1) == NULL);
	CHECK(cell(&c, STR("ana"), 0) == NULL && cell(&c, STR("ana,,"), 0) == NULL);
	CHECK(!csv_header(&c, STR("name,usr"), &e));
	CHECK_EQ_S(e.text, "users.csv:1: unknown column \"usr\" (did you mean \"user\"?)");
	CHECK(!csv_header(&c, STR("user,team"), &e));
	CHECK_EQ_S(e.text, "users.csv:1: there is no column \"name\"");
	CHECK(!csv_header(&c, STR(""), &e));
	arena_free(&c.arena);
}

int
main(void)
{
	if (freopen("/dev/null", "w", stderr) == NULL) /* the complaints are expected */
		return 1;
	test_options();
	test_mistakes();
	test_commands();
	test_times();
	test_texts();
	test_csv();
	return check_done();
}
