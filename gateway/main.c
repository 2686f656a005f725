/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - one table of commands, one table of options.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli.h"

static const struct command {
	const char *name, *arguments, *options, *does, *example; /* options: beyond -c and --help */
	int (*run)(const struct cli *cli);
} commands[] = {
	{ "run", "", "--clock", "start the gateway in the foreground",
	    "tollgate run -c tollgate.yaml", cmd_run },
	{ "check", "", "", "read config and policies, change nothing", "tollgate check",
	    cmd_check },
	{ "reload", "", "--json", "the running gateway reads policies and certificates again",
	    "tollgate reload", cmd_reload },
	{ "policy",
	    "test [--cover] [--junit FILE] | lint [--strict] [--codeowners] | explain --call "
	    "'server/tool "
	    "{\"argument\":\"value\"}' [--user U] "
	    "[--team T] [--customer C] [--key N] [--view V] [--client NAME]\n"
	    "  tollgate policy diff OLD NEW [--markdown] [--fail-on widen]   (two folders of "
	    "policies)\n"
	    "  tollgate policy replay NEW [--since 7d]\n"
	    "  tollgate policy rollout [--since 7d]   (who would be refused by what is observed)",
	    "--since --call --user --team --customer --key --view --client --cover --junit --json "
	    "--markdown "
	    "--fail-on "
	    "--strict --codeowners",
	    "the policy files: run their tests, why a call is allowed or not, what a change "
	    "changes",
	    "tollgate policy explain --user ana --call 'fs/read_file {\"path\":\"/etc\"}'",
	    cmd_policy },
	{ "key",
	    "create --name N [--customer C] [--team T] [--user U] [--expires 2026-12-31|90d] "
	    "[--admin] [--budget '5 USD/day'] [--scope 'github/get_* model:*'] [--tags 'ci "
	    "nightly']\n"
	    "  tollgate key create --from users.csv --out DIR   (columns: name,customer,team,user,"
	    "expires,tags,scope,budget)\n"
	    "  tollgate key budget KEY '5 USD/day, 50 USD/month'   ('' takes it away)\n"
	    "  tollgate key list|show|disable|enable|revoke [KEY]\n"
	    "  tollgate key revoke --user U\n"
	    "  tollgate key rotate KEY [--overlap 24h]",
	    "--json --name --customer --team --user --expires --key --admin --from --out "
	    "--overlap --scope --tags --budget",
	    "virtual keys; the secret is shown once",
	    "tollgate key create --name ana-laptop --user ana", cmd_key },
	{ "budget",
	    "grant LEVEL AMOUNT --until 2026-12-31|7d --reason TEXT   (a team, user, customer, "
	    "organisation, or 'key NAME')\n"
	    "  tollgate budget list\n"
	    "  tollgate budget revoke GRANT",
	    "--json --until --reason", "more money for a while, on top of the policy files",
	    "tollgate budget grant payments 50 --until 7d --reason 'release week'", cmd_budget },
	{ "tools", "[--key N] | --url URL [--key-env TOLLGATE_KEY] [--stubs]",
	    "--json --key --url --key-env --stubs",
	    "every tool; with a key: what it sees and why not the rest (--stubs: a file of Lua "
	    "for editors)",
	    "tollgate tools --key ana-laptop", cmd_tools },
	{ "servers", "[sign-in NAME]", "--json",
	    "state of every upstream tool server; sign in at one that wants it", "tollgate servers",
	    cmd_servers },
	{ "lock",
	    "init [--by NAME] [--force] | diff [SERVER[/TOOL]...] [--json|--markdown] | approve "
	    "[SERVER[/TOOL]...] [--by NAME] [--force]",
	    "--by --force --json --markdown",
	    "mcp.lock: the tool definitions that somebody has approved",
	    "tollgate lock approve notes/get_note --by ana", cmd_lock },
	{ "connect", "claude-code|codex|gemini [--url URL] [--managed] [--scope project]",
	    "--managed --scope --url", "print a client's configuration",
	    "tollgate connect claude-code", cmd_connect },
	{ "script",
	    "run FILE --key N [--plan] [--resume RUN] | replay RUN | list [--key N]\n"
	    "  tollgate script save RUN NAME [--description TEXT] [--to FOLDER]",
	    "--json --key --plan --resume --description --to",
	    "run a Code Mode script with a key's rights (--plan: only what it would call);\n"
	    "  or once more from its journal, which calls nothing; list the snippets that a key\n"
	    "  sees; save a run that worked as one, to be reviewed (FOLDER: root, customers/NAME\n"
	    "  or customers/NAME/teams/NAME; the default is the key's own)",
	    "tollgate script run sum.lua --key ana-laptop --plan", cmd_script },
	{ "usage", "[--by customer|team|user|key|model|tool|server] [--since 7d]",
	    "--json --by --since", "requests, calls, tokens, cost, bytes kept out of context",
	    "tollgate usage --by user", cmd_usage },
	{ "quota", "--key N | --url URL [--key-env TOLLGATE_KEY]", "--json --key --url --key-env",
	    "a key's budgets and limits: used, held, left", "tollgate quota --key ana-laptop",
	    cmd_quota },
	{ "audit",
	    "tail [-n N] | show ID | verify [FILE]\n"
	    "  tollgate audit query|export [--csv] [--key K] [--user U] [--team T] [--customer C] "
	    "[--name 'github/*'] [--verdict budget_exhausted] [--since 7d]",
	    "--json -n --key --user --team --customer --name --verdict --since --csv",
	    "the audit chain; works on a copy, offline", "tollgate audit verify", cmd_audit },
	{ "webhook", "test", "--json",
	    "send an event to the configured webhook, to see that it arrives",
	    "tollgate webhook test", cmd_webhook },
	{ "approve",
	    "ID [--deny] [--reason TEXT] | --list\n"
	    "  tollgate approve ID --url URL [--key-env TOLLGATE_KEY]",
	    "--json --deny --reason --list --url --key-env",
	    "say yes or no to a call that a rule holds for people",
	    "tollgate approve d_Qz1k8mB3xPq0LwYt --reason \"seen with ana\"", cmd_approve },
	{ "backup", "FILE", "", "copy the database, beside a running gateway or without one",
	    "tollgate backup /backups/tollgate-friday.db", cmd_backup },
	{ "restore", "FILE [--accept-loss]", "--accept-loss",
	    "put a backup in the database's place; revoked keys stay revoked, spent money spent",
	    "tollgate restore /backups/tollgate-friday.db", cmd_restore },
	{ "import", "FILE... [--out DIR]", "--json --out",
	    "other programs' configurations (.mcp.json, Claude Desktop, LiteLLM, Bifrost) become "
	    "ours",
	    "tollgate import .mcp.json litellm.yaml --out gate", cmd_import },
	{ "doctor", "", "--json", "what is wrong with this host and this configuration",
	    "tollgate doctor", cmd_doctor },
};

static void
help(FILE *to)
{
	(void)fputs(
	    "tollgate: the gate that coding agents pass on their way to models and tools\n\n", to);
	for (size_t i = 0; i < COUNT(commands); i++)
		(void)fprintf(to, "  tollgate %-8s %s\n", commands[i].name, commands[i].does);
	(void)fputs(
	    "\nEvery command: -c tollgate.yaml, --help, and --json where it prints data.\n", to);
}

static int
command_help(const struct command *c)
{
	(void)printf(
	    "tollgate %s %s\n  %s\n\nexample:\n  %s\n", c->name, c->arguments, c->does, c->example);
	return 0;
}

struct option {
	const char *name;
	const char **value; /* takes one, or */
	bool *flag;         /* is one */
};
#define OPTIONS_N 46

static void
options_list(struct cli *cli, bool *wants_help, struct option out[OPTIONS_N])
{
	const struct option all[OPTIONS_N] = { { "-c", &cli->config, NULL },
		{ "--help", NULL, wants_help }, { "-h", NULL, wants_help },
		{ "--json", NULL, &cli->json }, { "--name", &cli->name, NULL },
		{ "--customer", &cli->customer, NULL }, { "--team", &cli->team, NULL },
		{ "--user", &cli->user, NULL }, { "--expires", &cli->expires, NULL },
		{ "--key", &cli->key, NULL }, { "--by", &cli->by, NULL },
		{ "--since", &cli->since, NULL }, { "--scope", &cli->scope, NULL },
		{ "--tags", &cli->tags, NULL }, { "--managed", NULL, &cli->managed },
		{ "--cover", NULL, &cli->cover }, { "--junit", &cli->junit, NULL },
		{ "--admin", NULL, &cli->admin }, { "--from", &cli->from, NULL },
		{ "--out", &cli->out, NULL }, { "--overlap", &cli->overlap, NULL },
		{ "--url", &cli->url, NULL }, { "--key-env", &cli->key_env, NULL },
		{ "--clock", &cli->clock, NULL }, { "-n", &cli->n, NULL },
		{ "--call", &cli->call, NULL }, { "--view", &cli->view, NULL },
		{ "--client", &cli->client, NULL }, { "--markdown", NULL, &cli->markdown },
		{ "--fail-on", &cli->fail_on, NULL }, { "--strict", NULL, &cli->strict },
		{ "--codeowners", NULL, &cli->codeowners }, { "--deny", NULL, &cli->deny },
		{ "--list", NULL, &cli->list }, { "--reason", &cli->reason, NULL },
		{ "--budget", &cli->budget, NULL }, { "--until", &cli->until, NULL },
		{ "--plan", NULL, &cli->plan }, { "--resume", &cli->resume, NULL },
		{ "--description", &cli->description, NULL }, { "--to", &cli->to, NULL },
		{ "--force", NULL, &cli->force }, { "--verdict", &cli->verdict, NULL },

		{ "--stubs", NULL, &cli->stubs }, { "--accept-loss", NULL, &cli->accept_loss },
		{ "--csv", NULL, &cli->csv } };

	memcpy(out, all, sizeof(all));
}

/* Every command takes the first three. */
static bool
option_of(const struct command *c, const struct option *all, const struct option *o)
{
	struct str rest = str_of(c->options);

	if (o - all < 3)
		return true;
	while (rest.p != NULL)
		if (str_eq(str_cut(&rest, ' '), str_of(o->name)))
			return true;
	return false;
}

static bool
option_unknown(const struct command *c, const struct option *all, const char *typed)
{
	struct str names[OPTIONS_N], near;
	size_t n = 0;

	for (const struct option *o = all; o < all + OPTIONS_N; o++)
		if (option_of(c, all, o))
			names[n++] = str_of(o->name);
	near = str_nearest(str_of(typed), names, n);
	(void)fprintf(stderr, "tollgate: %s takes no option %s%s" STR_FMT "%s\n", c->name, typed,
	    near.n > 0 ? " (did you mean " : " (try tollgate ",
	    STR_ARG(near.n > 0 ? near : str_of(c->name)), near.n > 0 ? "?)" : " --help)");
	return false;
}

/* Reads the words after the command; false: printed, exit 2. */
static bool
options_read(const struct command *c, struct cli *cli, bool *wants_help, int argc, char **argv)
{
	struct option all[OPTIONS_N];

	options_list(cli, wants_help, all);
	for (int i = 0; i < argc; i++) {
		const struct option *o = NULL;

		for (size_t k = 0; k < OPTIONS_N; k++)
			if (strcmp(argv[i], all[k].name) == 0 && option_of(c, all, &all[k]))
				o = &all[k];
		if (o == NULL && argv[i][0] == '-' && argv[i][1] != '\0')
			return option_unknown(c, all, argv[i]);
		if (o == NULL && cli->words_n == CLI_WORDS_MAX)
			return cli_usage("too many words") == 0;
		if (o == NULL) {
			cli->words[cli->words_n++] = argv[i];
		} else if (o->flag != NULL) {
			*o->flag = true;
		} else if (i + 1 < argc && (argv[i + 1][0] != '-' || argv[i + 1][1] == '\0')) {
			*o->value = argv[++i];
		} else {
			(void)fprintf(stderr,
			    "tollgate: %s needs a value (try tollgate %s --help)\n", argv[i],
			    c->name);
			return false;
		}
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct cli cli = { .config = "tollgate.yaml" };
	struct str names[COUNT(commands)], near;
	bool wants_help = false;

	if (argc < 2) {
		help(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("tollgate %s\n", TOLLGATE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < COUNT(commands); i++) {
		names[i] = str_of(commands[i].name);
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		if (!options_read(&commands[i], &cli, &wants_help, argc - 2, argv + 2))
			return 2;
		return wants_help ? command_help(&commands[i]) : commands[i].run(&cli);
	}
	near = str_nearest(str_of(argv[1]), names, COUNT(names));
	(void)fprintf(stderr, "tollgate: unknown command \"%s\"%s" STR_FMT "%s\n", argv[1],
	    near.n > 0 ? " (did you mean \"" : " (try --help)", STR_ARG(near),
	    near.n > 0 ? "\"?)" : "");
	return 2;
}
