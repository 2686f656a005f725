/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - what was typed: the command, its options and words, judged by its lines (commands.h).
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli.h"
#include "gateway/commands.h"

struct option {
	const char *name;
	size_t at; /* of its member in struct cli */
	bool flag; /* a bool; else a text, which takes a value */
};
/* The member is of that type, or this does not compile. */
#define MEMBER(type, member)                                                                       \
	(offsetof(struct cli, member) + 0 * _Generic(((struct cli *)NULL)->member, type : 1))
#define VALUE(name, member)                                                                        \
	{                                                                                          \
		name, MEMBER(const char *, member), false                                          \
	}
#define FLAG(name, member)                                                                         \
	{                                                                                          \
		name, MEMBER(bool, member), true                                                   \
	}
/* clang-format off */
static const struct option options[] = {
	VALUE("-c", config), FLAG("--help", help), FLAG("-h", help), FLAG("--json", json),
	VALUE("--name", name), VALUE("--customer", customer), VALUE("--team", team),
	VALUE("--user", user), VALUE("--expires", expires), VALUE("--key", key),
	VALUE("--by", by), VALUE("--since", since), VALUE("--scope", scope),
	VALUE("--tags", tags), FLAG("--managed", managed), FLAG("--cover", cover),
	VALUE("--junit", junit), FLAG("--admin", admin), VALUE("--from", from),
	VALUE("--out", out), VALUE("--overlap", overlap), VALUE("--url", url),
	VALUE("--key-env", key_env), VALUE("--clock", clock), VALUE("-n", n),
	VALUE("--call", call), VALUE("--view", view), VALUE("--client", client),
	FLAG("--markdown", markdown), VALUE("--fail-on", fail_on), FLAG("--strict", strict),
	FLAG("--codeowners", codeowners), FLAG("--deny", deny), FLAG("--list", list),
	VALUE("--reason", reason), VALUE("--budget", budget), VALUE("--until", until),
	FLAG("--plan", plan), VALUE("--resume", resume), VALUE("--description", description),
	VALUE("--to", to), FLAG("--force", force), VALUE("--verdict", verdict),
	FLAG("--stubs", stubs), FLAG("--accept-loss", accept_loss), FLAG("--csv", csv),
};
/* clang-format on */
#define OPTIONS_N COUNT(options)
#define COMMON    3 /* the first of them are every command's */

struct given { /* what was typed of them, to be judged when the words are known */
	const struct option *option[OPTIONS_N];
	size_t n;
};

static bool
taken(const struct command *c, const struct option *o)
{
	return o - options < COMMON || command_takes(c, NULL, true, o->name);
}

static bool
option_unknown(const struct command *c, const char *typed)
{
	struct str names[OPTIONS_N], near;
	size_t n = 0;

	for (size_t i = 0; i < OPTIONS_N; i++)
		if (taken(c, &options[i]))
			names[n++] = str_of(options[i].name);
	near = str_nearest(str_of(typed), names, n);
	(void)fprintf(stderr, "tollgate: %s takes no option %s%s" STR_FMT "%s\n", c->name, typed,
	    near.n > 0 ? " (did you mean " : " (try tollgate ",
	    STR_ARG(near.n > 0 ? near : str_of(c->name)), near.n > 0 ? "?)" : " --help)");
	return false;
}

/* "--name", or "--name=VALUE": *value is what stands behind the sign, or NULL. */
static const struct option *
option_find(const struct command *c, char *typed, char **value)
{
	char *sign = typed[0] == '-' && typed[1] == '-' ? strchr(typed, '=') : NULL;
	size_t n = sign == NULL ? strlen(typed) : (size_t)(sign - typed);

	*value = sign == NULL ? NULL : sign + 1;
	for (size_t k = 0; k < OPTIONS_N; k++)
		if (strncmp(typed, options[k].name, n) == 0 && options[k].name[n] == '\0' &&
		    taken(c, &options[k]) && (sign == NULL || !options[k].flag))
			return &options[k];
	return NULL;
}

/* Two values would be one too many to obey; only -c may be said again (its last counts). */
static bool
given_once(struct given *g, const struct option *o)
{
	for (size_t i = 0; i < g->n; i++) {
		if (g->option[i] != o)
			continue;
		if (o->flag || strcmp(o->name, "-c") == 0)
			return true;
		(void)fprintf(stderr, "tollgate: %s is given twice\n", o->name);
		return false;
	}
	g->option[g->n++] = o;
	return true;
}

static bool *
flag_of(struct cli *cli, const struct option *o)
{
	return (bool *)((char *)cli + o->at);
}

static const char **
value_of(struct cli *cli, const struct option *o)
{
	return (const char **)(void *)((char *)cli + o->at);
}

/* Reads the words after the command; false: printed, exit 2. */
static bool
options_read(const struct command *c, struct cli *cli, struct given *given, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		char *value;
		const struct option *o = option_find(c, argv[i], &value);

		if (o == NULL && argv[i][0] == '-' && argv[i][1] != '\0')
			return option_unknown(c, argv[i]);
		if (o == NULL && cli->words_n == CLI_WORDS_MAX)
			return cli_usage("too many words") == 0;
		if (o == NULL) {
			cli->words[cli->words_n++] = argv[i];
			continue;
		}
		if (!given_once(given, o))
			return false;
		if (o->flag) {
			*flag_of(cli, o) = true;
		} else if (value != NULL) {
			*value_of(cli, o) = value;
		} else if (i + 1 < argc && (argv[i + 1][0] != '-' || argv[i + 1][1] == '\0')) {
			*value_of(cli, o) = argv[++i];
		} else {
			(void)fprintf(stderr,
			    "tollgate: %s needs a value (try tollgate %s --help)\n", argv[i],
			    c->name);
			return false;
		}
	}
	return true;
}

static void
word_unknown(const struct command *c, const char *word, struct str near)
{
	if (word == NULL)
		(void)fprintf(stderr, "tollgate: %s needs to be told what:\n", c->name);
	else if (near.n > 0)
		(void)fprintf(stderr,
		    "tollgate: %s has no \"%s\" (did you mean \"" STR_FMT "\"?)\n", c->name, word,
		    STR_ARG(near));
	else
		(void)fprintf(stderr, "tollgate: %s has no \"%s\":\n", c->name, word);
	if (near.n == 0)
		command_lines(c, NULL, true, stderr);
}

/* Nothing is passed over: an option of another line of the same command, a word too many. */
static bool
typed_right(const struct command *c, const struct cli *cli, const struct given *given)
{
	const char *word = cli->words_n > 0 ? cli->words[0] : NULL;
	size_t least, most;
	struct str near;

	if (!command_has(c, word, &near)) {
		word_unknown(c, word, near);
		return false;
	}
	for (size_t i = 0; i < given->n; i++) {
		const struct option *o = given->option[i];

		if (o - options < COMMON || command_takes(c, word, false, o->name))
			continue;
		(void)fprintf(stderr, "tollgate: %s %s takes no %s (try tollgate %s --help)\n",
		    c->name, word == NULL ? "alone" : word, o->name, c->name);
		return false;
	}
	command_words(c, word, &least, &most);
	if (cli->words_n > most)
		(void)fprintf(stderr,
		    "tollgate: \"%s\" is a word too many (try tollgate %s --help)\n",
		    cli->words[most], c->name);
	if (cli->words_n < least) {
		(void)fputs("tollgate: something is missing:\n", stderr);
		command_lines(c, word, false, stderr);
	}
	return cli->words_n >= least && cli->words_n <= most;
}

static int
command_run(const struct command *c, int argc, char **argv)
{
	struct cli cli = { .config = "tollgate.yaml" };
	struct given given = { .n = 0 };

	if (!options_read(c, &cli, &given, argc, argv))
		return 2;
	if (cli.help) {
		command_help(c, stdout);
		return 0;
	}
	return typed_right(c, &cli, &given) ? c->run(&cli) : 2;
}

int
main(int argc, char **argv)
{
	const struct command *c;
	struct str near;

	if (argc < 2) {
		commands_help(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		commands_help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)printf("tollgate %s\n", TOLLGATE_VERSION);
		return 0;
	}
	c = command_find(argv[1], &near);
	if (c != NULL)
		return command_run(c, argc - 2, argv + 2);
	if (argv[1][0] == '-')
		(void)fprintf(stderr,
		    "tollgate: the command comes first, its options behind it (tollgate check %s "
		    "...; try --help)\n",
		    argv[1]);
	else
		(void)fprintf(stderr, "tollgate: unknown command \"%s\"%s" STR_FMT "%s\n", argv[1],
		    near.n > 0 ? " (did you mean \"" : " (try --help)", STR_ARG(near),
		    near.n > 0 ? "\"?)" : "");
	return 2;
}
