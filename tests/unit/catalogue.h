/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalogue - a dozen servers as they are in the world (catalogue.table: server, definition), for
 * tests of what a model reads about tools.
 */
#pragma once

#include <stdlib.h>

#include "base/json.h"
#include "codemode/tools.h"
#include "mcp/catalog.h"
#include "tests/unit/check.h"

#define SETS_MAX 32

struct catalogue {
	struct toolset *set[SETS_MAX];
	char *server[SETS_MAX];
	size_t n;
	struct tool_list list;
};

static void
catalogue_line(struct catalogue *c, struct str line)
{
	struct str server = str_cut(&line, ' ');
	struct err e;

	if (line.p == NULL)
		return;
	if (c->n == 0 || !str_eq(str_of(c->server[c->n - 1]), server)) {
		CHECK(c->n < SETS_MAX);
		c->server[c->n] = str_dup(server);
		c->set[c->n] = toolset_new(str_of(c->server[c->n]));
		c->n++;
	}
	if (!json_check(line, true, &e) || toolset_add(c->set[c->n - 1], line) == NULL)
		CHECK_STR(line, "a definition");
}

static void
catalogue_open(struct catalogue *c)
{
	FILE *f = fopen("tests/unit/catalogue.table", "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	*c = (struct catalogue){ .n = 0 };
	CHECK(f != NULL);
	while (f != NULL && (n = getline(&line, &cap, f)) > 0)
		catalogue_line(c, (struct str){ line, (size_t)n - 1 });
	free(line);
	if (f != NULL)
		(void)fclose(f);
	for (size_t i = 0; i < c->n; i++)
		for (size_t j = 0; j < toolset_count(c->set[i]); j++) {
			c->list.t =
			    mem_realloc(c->list.t, (c->list.n + 1) * sizeof(const struct tool *));
			c->list.t[c->list.n++] = toolset_at(c->set[i], j);
		}
}

static void
catalogue_close(struct catalogue *c)
{
	tool_list_fini(&c->list);
	for (size_t i = 0; i < c->n; i++) {
		toolset_free(&c->set[i]);
		free(c->server[i]);
	}
}
