/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locktools - the tools of mcp.lock as a hub lists them, for commands that run without one.
 *
 * The same functions that make a server's list under `pin: strict` make these: a tool has here the
 * names that it will have there.  Of a server that is not pinned nothing is said, and nothing of
 * one that the settings do not have.
 */
#include <stdlib.h>

#include "mcp/catalog.h"
#include "mcp/fold.h"

struct locked_tools {
	struct toolset **set;
	size_t n;
};

static void
server_add(struct locked_tools *t, const struct lock *l, const char *server)
{
	struct toolset *set = toolset_new(str_of(server));

	for (size_t i = 0; i < lock_count(l); i++)
		if (str_eq(lock_at(l, i)->server, str_of(server)))
			(void)toolset_add(set, lock_at(l, i)->definition);
	t->set[t->n++] = set;
}

struct locked_tools *
locked_tools_new(
    const struct lock *l, const struct server_settings *servers, size_t n, enum mcp_pin usual)
{
	struct locked_tools *t = mem_zalloc(sizeof(*t));

	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	t->set = mem_zalloc((n + 1) * sizeof(*t->set));
	for (size_t i = 0; i < n && l != NULL; i++)
		if ((servers[i].pin == PIN_UNSAID ? usual : servers[i].pin) != PIN_OFF)
			server_add(t, l, servers[i].name);
	return t;
}

void
locked_tools_each(const struct locked_tools *t, tool_f *fn, void *ctx)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t k = 0; k < toolset_count(t->set[i]); k++)
			fn(ctx, toolset_at(t->set[i], k));
}

void
locked_tools_free(struct locked_tools **tp)
{
	for (size_t i = 0; *tp != NULL && i < (*tp)->n; i++)
		toolset_free(&(*tp)->set[i]);
	if (*tp != NULL)
		free((*tp)->set);
	MEM_FREE(tp);
}

void
mcp_script_server(struct buf *out, struct str server)
{
	fold_script(out, FOLD_SERVER, server, NULL);
}
