/* SPDX-License-Identifier: Apache-2.0 */
/*
 * commands - every command, and each way of typing it, as one line.
 *
 * The line is what --help shows and what is taken: an option that it does not name is refused, and
 * so is a word more than it has.  So a help text cannot promise what is not read, and nothing that
 * somebody typed is passed over in silence.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/text.h"

struct cli;
struct form {
	bool named; /* its first word chooses it ("list", "show|revoke"); else any other, or none */
	size_t least, most; /* words, the first one included */
	const char *line;   /* behind "tollgate COMMAND " */
};
#define FORMS_MAX 8

struct command {
	const char *name, *does;
	struct form forms[FORMS_MAX]; /* to the first without a line */
	const char *about, *example;  /* about: more than one line says, or NULL */
	int (*run)(const struct cli *cli);
};

extern const struct command commands[];
extern const size_t commands_n;

/* NULL: none is called so; *near is the one that may be meant, or empty. */
const struct command *command_find(const char *name, struct str *near);
/* Is one of its lines chosen by this first word (NULL: there is none)?  *near as above. */
bool command_has(const struct command *c, const char *word, struct str *near);
/* Does a line that `word` chooses name the option?  any: or any line at all. */
bool command_takes(const struct command *c, const char *word, bool any, const char *option);
void command_words(const struct command *c, const char *word, size_t *least, size_t *most);

void commands_help(FILE *to);
/* The lines that the word chooses, or all. */
void command_lines(const struct command *c, const char *word, bool all, FILE *to);
void command_help(const struct command *c, FILE *to);
