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

/* Words behind the command, cut at spaces: are they taken? */
static bool
typed(const char *command, const char *words, struct cli *cli)
{
	struct given given = { .n = 0 };
	const struct command *c;
	struct str near;
	static char text[512];
	char *argv[32];
	int argc = 0;

	*cli = (struct cli){ .config = "tollgate.yaml" };
	ASSERT(str_copy(text, sizeof(text), str_of(words)));
	for (char *p = text; *p != '\0' && argc < 32;) {
		argv[argc++] = p;
		p = strchrnul(p, ' ');
		if (*p == ' ')
			*p++ = '\0';
	}
	c = command_find(command, &near);
	ASSERT(c != NULL);
	return options_read(c, cli, &given, argc, argv) &&
	       (cli->help || typed_right(c, cli, &given));
}

static void
test_options(void)
{
	struct cli c;

	TEST("options may stand anywhere, take their value, and leave the words");
	CHECK(typed("key", "create --name ana -c other.yaml --user ana --json", &c) && !c.help);
	CHECK_EQ_S(c.config, "other.yaml");
	CHECK_EQ_S(c.name, "ana");
	CHECK_EQ_S(c.user, "ana");
	CHECK(c.json && !c.admin && c.team == NULL && c.words_n == 1);
	CHECK_EQ_S(c.words[0], "create");
	CHECK(typed("script", "run - --key k", &c) && c.words_n == 2);
	CHECK_EQ_S(c.words[1], "-");
	CHECK(typed("audit", "tail -n 5", &c));
	CHECK_EQ_S(c.n, "5");
	CHECK(typed("check", "", &c) && c.words_n == 0);
	CHECK_EQ_S(c.config, "tollgate.yaml");
	CHECK(typed("key", "--help", &c) && c.help && typed("run", "-h", &c) && c.help);
	CHECK(typed("connect", "claude-code --managed", &c) && c.managed);
	CHECK(typed("key", "show k -c -", &c));
	CHECK_EQ_S(c.config, "-");
	CHECK(typed("key", "create --name=ana=b --user=", &c));
	CHECK_EQ_S(c.name, "ana=b");
	CHECK_EQ_S(c.user, "");
	CHECK(typed("check", "-c a.yaml -c b.yaml", &c));
	CHECK_EQ_S(c.config, "b.yaml");
}

static void
test_mistakes(void)
{
	struct cli c;

	TEST("an option of another command or line, an unknown one, no value, two of one");
	CHECK(!typed("check", "--name x", &c));
	CHECK(!typed("run", "--json", &c) && !typed("quota", "--user u", &c));
	CHECK(!typed("key", "create --nmae x", &c) && !typed("key", "-x", &c));
	CHECK(!typed("key", "create --name", &c));
	CHECK(!typed("key", "create --name --json", &c));
	CHECK(!typed("check", "-c", &c) && !typed("key", "create --json=yes --name n", &c));
	CHECK(!typed("key", "create --name a --name b", &c));
	CHECK(!typed("key", "list --name x", &c) && !typed("policy", "lint --cover", &c));
	TEST("a word too many, too few, none that the command has");
	CHECK(!typed("key", "show k l", &c) && !typed("key", "show", &c));
	CHECK(!typed("key", "", &c) && !typed("key", "crate --name n", &c));
	CHECK(!typed("check", "policies/", &c));
	CHECK(!typed("key", "1 2 3 4 5 6 7 8", &c) && !typed("key", "1 2 3 4 5 6 7 8 9", &c));
}

/* A line that names an option which is not read, an option that no line names. */
static void
test_table(void)
{
	TEST("every option of the lines is read, and every option stands in a line");
	for (size_t k = COMMON; k < OPTIONS_N; k++) {
		bool named = false;

		for (size_t i = 0; i < commands_n; i++)
			named |= command_takes(&commands[i], NULL, true, options[k].name);
		if (!CHECK(named))
			printf("\t%s\n", options[k].name);
	}
	for (size_t i = 0; i < commands_n; i++)
		for (const struct form *f = commands[i].forms; f->line != NULL; f++)
			for (const char *p = f->line; (p = strstr(p, "--")) != NULL;) {
				size_t n = strcspn(p, " ]|"), k = 0;

				while (k < OPTIONS_N && (strncmp(options[k].name, p, n) != 0 ||
							    options[k].name[n] != '\0'))
					k++;
				if (!CHECK(k < OPTIONS_N))
					printf("\t%s: %.*s\n", commands[i].name, (int)n, p);
				p += n;
			}
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
	for (size_t i = 0; i < commands_n; i++) {
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
	test_table();
	test_commands();
	test_times();
	test_texts();
	test_csv();
	return check_done();
}
