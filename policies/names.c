/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - which names two bundles could tell apart.
 *
 * A pattern's alternatives are asked as they stand: `github/get_*`, asked as a name, is matched by
 * exactly those patterns that match every name it stands for, so the answer is that of all names
 * which no other pattern singles out.  Where one alternative ends and another begins with a star,
 * what both match is asked too (`get_*` and `*_secret`: `get_*_secret`).
 */
#include <stdlib.h>
#include <string.h>

#include "policies/facts.h"
#include "policies/tools.h"

#define SERVERS_MAX 1024
#define MEETS_MAX   4096 /* names beyond which pairs of stars are not looked for */

struct gathering {
	struct calls *calls;
	const struct core_settings *settings;
	struct str *servers;
	size_t servers_n;
	struct map servers_seen;
};

static void
call_add(struct calls *c, const struct core_settings *s, struct str text)
{
	struct call call;
	struct err e;

	if (map_get(&c->seen, text) != NULL || !call_read(s, text, &call, &e))
		return;
	if (c->n == CALLS_MAX || arena_left(c->a) < text.n + 4096) {
		c->cut = true;
		return;
	}
	if (c->n == c->cap) {
		c->cap = c->cap == 0 ? 64 : c->cap * 2;
		c->at = mem_realloc(c->at, c->cap * sizeof(*c->at));
	}
	text = arena_str(c->a, text);
	if (call_read(s, text, &c->at[c->n], &e))
		c->n++;
	map_set(&c->seen, text, c);
}

static void
call_print(
    struct calls *c, const struct core_settings *s, const char *head, struct str a, struct str b)
{
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%s" STR_FMT STR_FMT, head, STR_ARG(a), STR_ARG(b));
	call_add(c, s, buf_str(&text));
	buf_fini(&text);
}

/* ---- patterns ---- */

typedef void pattern_f(struct gathering *g, const struct pattern *p);

static void
patterns_each(struct gathering *g, const struct bundle *b, pattern_f *fn)
{
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		for (size_t k = 0; k < p->rules_n; k++)
			fn(g, &p->rules[k].pattern);
		for (size_t k = 0; k < p->ceiling_n; k++)
			fn(g, &p->ceiling[k]);
		for (size_t k = 0; p->models_of != NULL && k < p->models_of->models.n; k++)
			call_print(
			    g->calls, g->settings, "model:", p->models_of->models.alt[k], STR(""));
	}
}

static void
server_add(struct gathering *g, struct str server)
{
	if (g->servers_n < SERVERS_MAX && map_get(&g->servers_seen, server) == NULL) {
		map_set(&g->servers_seen, server, g);
		g->servers[g->servers_n++] = server;
	}
}

static void
servers_of(struct gathering *g, const struct pattern *p)
{
	for (size_t i = 0; p->kind == ASK_TOOL && !p->any_server && i < p->server.n; i++)
		if (!str_has(p->server.alt[i], '*'))
			server_add(g, p->server.alt[i]);
}

static void
tools_of(struct gathering *g, const struct pattern *p)
{
	bool met = false;

	for (size_t i = 0; i < g->servers_n; i++) {
		if (!p->any_server && !glob_match(&p->server, g->servers[i]))
			continue;
		met = true;
		for (size_t k = 0; k < p->name.n; k++) {
			struct buf tool;

			buf_init(&tool, 0);
			buf_printf(&tool, "/" STR_FMT, STR_ARG(p->name.alt[k]));
			call_print(g->calls, g->settings, "", g->servers[i], buf_str(&tool));
			buf_fini(&tool);
		}
	}
	if (!met)
		call_add(g->calls, g->settings, p->text);
}

static void
names_of(struct gathering *g, const struct pattern *p)
{
	static const char *const heads[ASK_KINDS] = { [ASK_MODEL] = "model:",
		[ASK_PROMPT] = "prompt:",
		[ASK_RESOURCE] = "resource:",
		[ASK_HOSTED] = "hosted:" };

	if (p->kind == ASK_TOOL)
		tools_of(g, p);
	else if (p->kind == ASK_RUN)
		call_add(g->calls, g->settings, STR("code:run"));
	else if (heads[p->kind] != NULL)
		for (size_t i = 0; i < p->name.n; i++)
			call_print(g->calls, g->settings, heads[p->kind], p->name.alt[i], STR(""));
}

/* ---- what two stars both match ---- */

static void
meets_add(struct gathering *g)
{
	size_t n = g->calls->n;

	for (size_t i = 0; n <= MEETS_MAX && i < n && !g->calls->cut; i++) {
		struct str a = g->calls->at[i].shown, rest = a, server = str_cut(&rest, '/');

		server.n++; /* with its slash */
		if (g->calls->at[i].kind != ASK_TOOL || !str_ends(a, STR("*")))
			continue;
		for (size_t k = 0; k < n; k++) {
			struct str b = g->calls->at[k].shown;

			if (g->calls->at[k].kind != ASK_TOOL || !str_starts(b, server) ||
			    b.n < server.n + 2 || b.p[server.n] != '*' || a.n < server.n + 2)
				continue;
			call_print(
			    g->calls, g->settings, "", a, STR_SPAN(b.p + server.n + 1, b.p + b.n));
		}
	}
}

static int
call_order(const void *a, const void *b)
{
	const struct call *x = a, *y = b;

	return x->kind != y->kind ? (x->kind > y->kind ? 1 : -1) : str_cmp(x->shown, y->shown);
}

void
calls_find(struct calls *c, struct arena *a, const struct names_known *known,
    const struct bundle *const *b, size_t n)
{
	const struct core_settings *s = known->settings;
	struct gathering g = { .calls = c, .settings = s };

	*c = (struct calls){ .a = a };
	map_init(&c->seen);
	map_init(&g.servers_seen);
	g.servers = mem_alloc(SERVERS_MAX * sizeof(*g.servers));
	for (size_t i = 0; i < s->servers_n; i++)
		server_add(&g, s->servers[i]);
	for (size_t i = 0; i < n; i++)
		patterns_each(&g, b[i], servers_of);
	for (size_t i = 0; i < n; i++)
		patterns_each(&g, b[i], names_of);
	meets_add(&g);
	for (size_t i = 0; i < known->tools_n; i++)
		call_add(c, s, known->tools[i]);
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < b[k]->facts.n; i++)
			call_add(c, s, b[k]->facts.at[i].name);
	for (size_t i = 0; i < s->models_n; i++)
		call_print(c, s, "model:", s->models[i], STR(""));
	if (c->n > 1)
		qsort(c->at, c->n, sizeof(*c->at), call_order);
	map_fini(&g.servers_seen);
	free(g.servers);
}

void
calls_fini(struct calls *c)
{
	map_fini(&c->seen);
	MEM_FREE(&c->at);
}
