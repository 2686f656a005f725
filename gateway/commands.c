/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - the table, what is taken by it, and the help that is made of it.
 */
#include "gateway/commands.h"

#include <string.h>

#include "gateway/cli.h"

#define FILTERS                                                                                    \
	"[--key K] [--user U] [--team T] [--customer C] [--name 'github/*'] "                      \
	"[--verdict budget_exhausted] [--since 7d]"

const struct command commands[] = {
	{ "run", "start the gateway in the foreground", { { false, 0, 0, "" } }, NULL,
	    "tollgate run -c tollgate.yaml", cmd_run },
	{ "check", "read config and policies, change nothing", { { false, 0, 0, "" } }, NULL,
	    "tollgate check", cmd_check },
	{ "reload", "the running gateway reads policies and certificates again",
	    { { false, 0, 0, "[--json]" } }, NULL, "tollgate reload", cmd_reload },
	{ "policy", "the policy files: their tests, why a call is allowed, what a change changes",
	    { { true, 1, 1, "test [--cover] [--junit FILE]" },
		{ true, 1, 1, "lint [--strict] [--json]" }, { true, 1, 1, "lint --codeowners" },
		{ true, 1, 1,
		    "explain --call 'server/tool {\"argument\":\"value\"}' [--user U] [--team T] "
		    "[--customer C] [--key N] [--view V] [--client NAME] [--json]" },
		{ true, 3, 3, "diff OLD NEW [--fail-on widen] [--markdown | --json]" },
		{ true, 2, 2, "replay NEW [--since 7d] [--json]" },
		{ true, 1, 1, "rollout [--since 7d] [--json]" } },
	    "OLD and NEW are folders of policies. rollout: whom what is only observed would have\n"
	    "refused. replay: what would be decided otherwise, of what the audit has.",
	    "tollgate policy explain --user ana --call 'fs/read_file {\"path\":\"/etc\"}'",
	    cmd_policy },
	{ "key", "virtual keys; the secret is shown once",
	    { { true, 1, 1,
		  "create --name N [--customer C] [--team T] [--user U] [--expires 2026-12-31|90d] "
		  "[--budget '5 USD/day'] [--scope 'github/get_* model:*'] [--tags 'ci nightly'] "
		  "[--admin] [--json]" },
		{ true, 1, 1, "create --from users.csv --out DIR [--json]" },
		{ true, 1, 1, "list [--json]" },
		{ true, 3, 3, "budget KEY '5 USD/day, 50 USD/month' [--json]" },
		{ true, 2, 2, "show|disable|enable|revoke KEY [--json]" },
		{ true, 1, 1, "revoke --user U [--json]" },
		{ true, 2, 2, "rotate KEY [--overlap 24h] [--json]" } },
	    "KEY is a name or an id. --from: columns name,customer,team,user,expires,tags,scope,\n"
	    "budget. A budget of '' takes it away.",
	    "tollgate key create --name ana-laptop --user ana", cmd_key },
	{ "budget", "more money for a while, on top of the policy files",
	    { { true, 3, 3, "grant LEVEL AMOUNT --until 2026-12-31|7d --reason TEXT [--json]" },
		{ true, 1, 1, "list [--json]" }, { true, 2, 2, "revoke GRANT [--json]" } },
	    "LEVEL is a team, user or customer, `organisation`, or 'key NAME'; AMOUNT is in USD.",
	    "tollgate budget grant payments 50 --until 7d --reason 'release week'", cmd_budget },
	{ "tools", "every tool; with a key: what it sees, and why not the rest",
	    { { false, 0, 0, "[--key N] [--json]" },
		{ false, 0, 0, "--url URL [--key-env TOLLGATE_KEY] [--json | --stubs]" } },
	    "--stubs: what scripts can call, as a file of Lua for editors.",
	    "tollgate tools --key ana-laptop", cmd_tools },
	{ "servers", "state of every tool server; sign in at one that wants it",
	    { { false, 0, 0, "[--json]" }, { true, 2, 2, "sign-in NAME [--json]" } }, NULL,
	    "tollgate servers", cmd_servers },
	{ "lock", "mcp.lock: the tool definitions that somebody has approved",
	    { { true, 1, 1, "init [--by NAME] [--force]" },
		{ true, 1, CLI_WORDS_MAX, "diff [SERVER[/TOOL]...] [--json | --markdown]" },
		{ true, 1, CLI_WORDS_MAX, "approve [SERVER[/TOOL]...] [--by NAME] [--force]" } },
	    NULL, "tollgate lock approve notes/get_note --by ana", cmd_lock },
	{ "connect", "print a client's configuration",
	    { { true, 1, 1, "claude-code [--url URL] [--managed | --scope project]" },
		{ true, 1, 1, "codex|gemini [--url URL]" } },
	    NULL, "tollgate connect claude-code", cmd_connect },
	{ "script", "run a Code Mode script with a key's rights; its snippets",
	    { { true, 2, 2, "run FILE --key N [--plan] [--resume RUN] [--json]" },
		{ true, 2, 2, "replay RUN [--json]" }, { true, 1, 1, "list [--key N] [--json]" },
		{ true, 3, 3, "save RUN NAME [--description TEXT] [--to FOLDER] [--json]" } },
	    "FILE may be -. --plan: only what it would call. replay: once more from its journal,\n"
	    "which calls nothing. save: a run that worked becomes a snippet, to be reviewed, in\n"
	    "FOLDER: root, customers/NAME or customers/NAME/teams/NAME, else the key's own.",
	    "tollgate script run sum.lua --key ana-laptop --plan", cmd_script },
	{ "usage", "requests, calls, tokens, cost, bytes kept out of context",
	    { { false, 0, 0,
		"[--by customer|team|user|key|model|tool|server] [--since 7d] [--json]" } },
	    NULL, "tollgate usage --by user", cmd_usage },
	{ "quota", "a key's budgets and limits: used, held, left",
	    { { false, 0, 0, "--key N [--json]" },
		{ false, 0, 0, "--url URL [--key-env TOLLGATE_KEY] [--json]" } },
	    NULL, "tollgate quota --key ana-laptop", cmd_quota },
	{ "audit", "the audit chain; works on a copy, offline",
	    { { true, 1, 1, "tail [-n N] [--json]" }, { true, 2, 2, "show ID [--json]" },
		{ true, 1, 1, "query " FILTERS " [--json]" },
		{ true, 1, 1, "export " FILTERS " [--csv]" }, { true, 1, 2, "verify [FILE]" } },
	    "FILE is a backup, or a data folder.", "tollgate audit verify", cmd_audit },
	{ "webhook", "send an event to the configured webhook, to see that it arrives",
	    { { true, 1, 1, "test [--json]" } }, NULL, "tollgate webhook test", cmd_webhook },
	{ "approve", "say yes or no to a call that a rule holds for people",
	    { { false, 1, 1,
		  "ID [--deny] [--reason TEXT] [--url URL [--key-env TOLLGATE_KEY]] [--json]" },
		{ false, 0, 0, "--list [--url URL [--key-env TOLLGATE_KEY]] [--json]" } },
	    NULL, "tollgate approve d_Qz1k8mB3xPq0LwYt --reason \"seen with ana\"", cmd_approve },
	{ "backup", "copy the database, beside a running gateway or without one",
	    { { false, 1, 1, "FILE" } }, NULL, "tollgate backup /backups/tollgate-friday.db",
	    cmd_backup },
	{ "restore", "put a backup in the database's place; what was revoked or spent stays so",
	    { { false, 1, 1, "FILE [--accept-loss]" } }, NULL,
	    "tollgate restore /backups/tollgate-friday.db", cmd_restore },
	{ "import", "other programs' configurations become ours",
	    { { false, 1, CLI_WORDS_MAX, "FILE... [--out DIR] [--json]" } },
	    "A FILE is a .mcp.json, or of Claude Desktop, VS Code, LiteLLM or Bifrost.",
	    "tollgate import .mcp.json litellm.yaml --out gate", cmd_import },
	{ "doctor", "what is wrong with this host and this configuration",
	    { { false, 0, 0, "[--json]" } }, NULL, "tollgate doctor", cmd_doctor },
};
const size_t commands_n = COUNT(commands);

/* ---- what is taken ---- */

const struct command *
command_find(const char *name, struct str *near)
{
	struct str names[COUNT(commands)];

	for (size_t i = 0; i < COUNT(commands); i++) {
		names[i] = str_of(commands[i].name);
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	}
	*near = str_nearest(str_of(name), names, COUNT(commands));
	return NULL;
}

/* A line may begin with several words that are alike: "show|disable KEY". */
static bool
begins(const struct form *u, const char *word)
{
	struct str first = str_of(u->line), rest;

	if (!u->named || word == NULL)
		return false;
	rest = str_cut(&first, ' ');
	while (rest.p != NULL)
		if (str_eq(str_cut(&rest, '|'), str_of(word)))
			return true;
	return false;
}

/* Is the line chosen by this word?  One without a word of its own is where no other fits. */
static bool
chosen(const struct command *c, const struct form *u, const char *word)
{
	if (u->named)
		return begins(u, word);
	for (const struct form *o = c->forms; o < c->forms + FORMS_MAX && o->line; o++)
		if (begins(o, word))
			return false;
	return true;
}

bool
command_has(const struct command *c, const char *word, struct str *near)
{
	struct str words[16];
	size_t n = 0;

	for (const struct form *u = c->forms; u < c->forms + FORMS_MAX && u->line; u++) {
		struct str first = str_of(u->line), rest;

		if (chosen(c, u, word))
			return true;
		rest = str_cut(&first, ' ');
		while (rest.p != NULL && n < COUNT(words))
			words[n++] = str_cut(&rest, '|');
	}
	*near = word == NULL ? STR_NONE : str_nearest(str_of(word), words, n);
	return false;
}

/* As a whole word: "--key" is not in "--key-env". */
static bool
names(const char *line, const char *option)
{
	size_t n = strlen(option);

	for (const char *at = strstr(line, option); at != NULL; at = strstr(at + 1, option))
		if ((at == line || at[-1] == ' ' || at[-1] == '[') &&
		    (at[n] == '\0' || at[n] == ' ' || at[n] == ']'))
			return true;
	return false;
}

bool
command_takes(const struct command *c, const char *word, bool any, const char *option)
{
	for (const struct form *u = c->forms; u < c->forms + FORMS_MAX && u->line; u++)
		if ((any || chosen(c, u, word)) && names(u->line, option))
			return true;
	return c->run == cmd_run &&
	       strcmp(option, "--clock") == 0; /* for the project's own tests */
}

void
command_words(const struct command *c, const char *word, size_t *least, size_t *most)
{
	*least = CLI_WORDS_MAX;
	*most = 0;
	for (const struct form *u = c->forms; u < c->forms + FORMS_MAX && u->line; u++) {
		if (!chosen(c, u, word))
			continue;
		*least = u->least < *least ? u->least : *least;
		*most = u->most > *most ? u->most : *most;
	}
}

/* ---- what is shown ---- */

void
commands_help(FILE *to)
{
	(void)fputs(
	    "tollgate: the gate that coding agents pass on their way to models and tools\n\n", to);
	for (size_t i = 0; i < COUNT(commands); i++)
		(void)fprintf(to, "  tollgate %-8s %s\n", commands[i].name, commands[i].does);
	(void)fputs("\nEvery command takes -c FILE (default tollgate.yaml) and --help.\n"
		    "Exit: 0 ok, 1 refused or found wrong, 2 not typed right.\n",
	    to);
}

void
command_lines(const struct command *c, const char *word, bool all, FILE *to)
{
	for (const struct form *u = c->forms; u < c->forms + FORMS_MAX && u->line; u++)
		if (all || chosen(c, u, word))
			(void)fprintf(to, "  tollgate %s%s%s\n", c->name,
			    u->line[0] != '\0' ? " " : "", u->line);
}

void
command_help(const struct command *c, FILE *to)
{
	(void)fprintf(to, "%s\n\n", c->does);
	command_lines(c, NULL, true, to);
	if (c->about != NULL)
		(void)fprintf(to, "\n%s\n", c->about);
	(void)fprintf(to, "\nexample:\n  %s\n", c->example);
}
