/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view - the merged catalogue, and what one key sees of it.
 *
 * The order is the settings' order of servers, then each server's own.  How things are named:
 *
 *   prefix: always        server__tool, tg+server+uri                 (the default)
 *           never         tool, uri; what two servers have is the first one's, the other's is left
 *                         out, and the log names both and the way out
 *           on_collision  tool; what two servers have is named as with `always`, for both.  URIs
 *                         always say whose they are: they stand in results, too
 *
 * Views are kept per key and filled again when the generation has moved: a list, a policy or a key
 * has changed.  A tool's struct lives until the turn after its set was replaced.
 */
#include "mcp/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "mcp/fold.h"
#include "mcp/serve.h"
#include "mcp/uri.h"

#define VIEWS_MAX 1024

/* ---- names ---- */

static bool
is_builtin(const struct hub *h, struct str name)
{
	for (size_t i = 0; i < h->builtins_n; i++)
		if (str_eq(h->builtins[i].name, name))
			return true;
	return false;
}

/* How often is each bare name there?  Only for on_collision. */
static void
bare_count(struct map *m, struct str bare)
{
	union {
		size_t n;
		void *p;
	} count = { .p = map_get(m, bare) };

	count.n++;
	map_set(m, bare, count.p);
}

static bool
is_shared(const struct map *counts, struct str bare)
{
	union {
		void *p;
		size_t n;
	} count = { .p = map_get(counts, bare) };

	return count.n > 1;
}

/* The name under which it is listed; "" when another has it. */
static struct str
name_choose(const struct hub *h, enum mcp_prefix prefix, const struct map *taken,
    const struct map *counts, struct str bare, struct str wrapped)
{
	switch (prefix) {
	case PREFIX_ALWAYS:
		return map_get(taken, wrapped) == NULL ? wrapped : STR("");
	case PREFIX_NEVER:
		return map_get(taken, bare) == NULL && !is_builtin(h, bare) ? bare : STR("");
	case PREFIX_ON_COLLISION:
		return is_shared(counts, bare) || is_builtin(h, bare) ? wrapped : bare;
	}
	UNREACHABLE();
}

static struct str
tool_bare(const struct tool *t)
{
	return (struct str){ t->wrapped.p + t->server.n + 2, t->wrapped.n - t->server.n - 2 };
}

static bool
alias_free(const struct hub *h, struct str alias)
{
	return map_get(&h->by_name, alias) == NULL && !is_builtin(h, alias);
}

static void
collision_say(struct str server, struct str name)
{
	log_error(NULL,
	    "two servers have the same name, this one is left out (rename it, or set mcp: { "
	    "prefix: "
	    "on_collision })",
	    F_STR("server", server), F_STR("name", name));
}

static void
tools_name(struct hub *h)
{
	struct map counts;

	map_init(&counts);
	map_fini(&h->by_name);
	map_init(&h->by_name);
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < toolset_count(h->servers[i].tools); j++)
			bare_count(&counts, tool_bare(toolset_at(h->servers[i].tools, j)));
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < toolset_count(h->servers[i].tools); j++) {
			struct tool *t = toolset_at(h->servers[i].tools, j);
			struct str was = t->listed_name;

			t->listed_name = t->alias.n > 0 && alias_free(h, t->alias)
					     ? t->alias
					     : name_choose(h, h->prefix, &h->by_name, &counts,
						   tool_bare(t), t->wrapped);
			if (t->listed_name.n > 0)
				map_set(&h->by_name, t->listed_name, t);
			else if (was.n > 0)
				collision_say(t->server, t->name);
			map_set(&h->by_name, t->policy_name, t);
		}
	map_fini(&counts);
}

static void
offers_name(struct hub *h, enum offer_kind kind)
{
	enum mcp_prefix prefix =
	    kind == OFFER_PROMPT || h->prefix == PREFIX_NEVER ? h->prefix : PREFIX_ALWAYS;
	struct map *by = &h->by_offer[kind];
	struct map counts;

	map_init(&counts);
	map_fini(by);
	map_init(by);
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < offerset_count(h->servers[i].offers[kind]); j++)
			bare_count(&counts, offerset_at(h->servers[i].offers[kind], j)->bare);
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < offerset_count(h->servers[i].offers[kind]); j++) {
			struct offer *o = offerset_at(h->servers[i].offers[kind], j);

			o->listed = name_choose(h, prefix, by, &counts, o->bare, o->wrapped);
			if (o->listed.n > 0)
				map_set(by, o->listed, o);
			else
				collision_say(o->server, o->name);
		}
	map_fini(&counts);
}

/* ---- finding ---- */

const struct tool *
hub_find_tool(struct hub *h, struct str name)
{
	char spelled[FOLD_NAME_MAX * 2 + 4];
	const struct tool *t;
	size_t dot = 0;

	IS(h, HUB_MAGIC);
	t = map_get(&h->by_name, name);
	if (t != NULL || name.n >= sizeof(spelled) - 1)
		return t;
	while (dot < name.n && name.p[dot] != '.')
		dot++;
	if (dot == name.n)
		return NULL;
	memcpy(spelled, name.p, name.n);
	spelled[dot] = '/';
	t = map_get(&h->by_name, (struct str){ spelled, name.n });
	if (t != NULL)
		return t;
	spelled[dot] = spelled[dot + 1] = '_';
	memcpy(spelled + dot + 2, name.p + dot + 1, name.n - dot - 1);
	return map_get(&h->by_name, (struct str){ spelled, name.n + 1 });
}

static struct server *
server_named(struct hub *h, struct str name)
{
	for (size_t i = 0; i < h->servers_n; i++)
		if (str_eq(h->servers[i].name, name))
			return &h->servers[i];
	return NULL;
}

struct server *
hub_find_prompt(struct hub *h, struct str listed, struct buf *own)
{
	const struct offer *o = map_get(&h->by_offer[OFFER_PROMPT], listed);

	if (o == NULL)
		return NULL;
	buf_put(own, o->name);
	return server_named(h, o->server);
}

/* Of a template "file:///{path}": what stands before the first expression. */
static struct str
literal_of(struct str uri_template)
{
	return str_cut(&uri_template, '{');
}

/* A bare URI that nobody lists: the template with the longest matching beginning says whose. */
static struct server *
template_owner(struct hub *h, struct str uri)
{
	struct map *by = &h->by_offer[OFFER_TEMPLATE];
	struct server *found = NULL;
	struct str key, literal;
	size_t it = 0, best = 0;
	void *v;

	while (map_next(by, &it, &key, &v)) {
		const struct offer *o = v;

		literal = literal_of(o->listed);
		if (literal.n > best && str_starts(uri, literal)) {
			best = literal.n;
			found = server_named(h, o->server);
		}
	}
	return found;
}

static struct server *
only_reader(struct hub *h)
{
	struct server *found = NULL;

	for (size_t i = 0; i < h->servers_n; i++) {
		if ((h->servers[i].can & SERVER_RESOURCES) == 0)
			continue;
		if (found != NULL)
			return NULL;
		found = &h->servers[i];
	}
	return found;
}

struct server *
hub_find_resource(struct hub *h, struct str listed, struct buf *own)
{
	const struct offer *o = map_get(&h->by_offer[OFFER_RESOURCE], listed);
	struct server *sv;
	struct str server;

	if (o == NULL)
		o = map_get(&h->by_offer[OFFER_TEMPLATE], listed);
	if (o != NULL) {
		buf_put(own, o->name);
		return server_named(h, o->server);
	}
	if (h->prefix != PREFIX_NEVER)
		return uri_unwrap(listed, &server, own) ? server_named(h, server) : NULL;
	sv = template_owner(h, listed);
	buf_put(own, listed);
	return sv != NULL ? sv : only_reader(h);
}

void
hub_put_uri(struct hub *h, struct buf *out, const struct server *sv, struct str uri)
{
	if (h->prefix == PREFIX_NEVER)
		buf_put(out, uri);
	else
		uri_wrap(out, sv->name, uri);
}

struct str
hub_wrap_result(struct hub *h, const struct server *sv, struct str result, struct buf *scratch)
{
	if (h->prefix == PREFIX_NEVER || memmem(result.p, result.n, "\"uri", 4) == NULL)
		return result;
	buf_reset(scratch);
	uri_wrap_result(scratch, sv->name, result);
	return buf_ok(scratch) ? buf_str(scratch) : STR_NONE;
}

/* ---- views ---- */

static void
view_empty(struct view *v)
{
	free(v->tools);
	v->tools = NULL;
	v->tools_n = 0;
	for (size_t i = 0; i < OFFER_KINDS; i++) {
		free(v->offers[i]);
		v->offers[i] = NULL;
		v->offers_n[i] = 0;
	}
	for (size_t i = 0; i < VIEW_LISTS; i++)
		v->print[i] = 1;
}

void
hub_views_drop(struct hub *h)
{
	size_t it = 0;
	struct str key;
	void *v;

	while (map_next(&h->views, &it, &key, &v)) {
		view_empty(v);
		free(v);
	}
	map_fini(&h->views);
	map_init(&h->views);
}

static void
views_retire(void *ctx)
{
	struct hub *h = ctx;

	hub_views_drop(h);
	while (h->retired_n > 0)
		toolset_free(&h->retired[--h->retired_n]);
}

static uint64_t
mix(uint64_t a, uint64_t b)
{
	return (a ^ b) * 0x9e3779b97f4a7c15ull + (a >> 31);
}

static void
tools_fill(struct hub *h, struct view *v, struct key *k)
{
	size_t n = 0;

	for (size_t i = 0; i < h->servers_n; i++)
		n += toolset_count(h->servers[i].tools);
	// NOLINTNEXTLINE(bugprone-sizeof-expression)
	v->tools = mem_alloc((n + 1) * sizeof(*v->tools));
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < toolset_count(h->servers[i].tools); j++) {
			const struct tool *t = toolset_at(h->servers[i].tools, j);

			if (t->listed_name.n == 0 ||
			    !view_includes(v->of, ASK_TOOL, t->policy_name) ||
			    !rules_may_list(h->core, k, view_of(v->of), ASK_TOOL, t->policy_name))
				continue;
			v->tools[v->tools_n++] = t;
			v->print[VIEW_TOOLS] = mix(v->print[VIEW_TOOLS],
			    map_hash(t->definition) ^ map_hash(t->listed_name));
			v->print[VIEW_TOOLS] = mix(v->print[VIEW_TOOLS],
			    rules_projected(h->core, k, view_of(v->of), t->policy_name));
		}
	scripts_settle(h, k, v);
	if (v->scripts)
		v->print[VIEW_TOOLS] = mix(v->print[VIEW_TOOLS], v->alone ? 3 : 2);
}

static void
offers_fill(struct hub *h, struct view *v, struct key *k, enum offer_kind kind)
{
	enum ask_kind ask = kind == OFFER_PROMPT ? ASK_PROMPT : ASK_RESOURCE;
	size_t n = 0;

	for (size_t i = 0; i < h->servers_n; i++)
		n += offerset_count(h->servers[i].offers[kind]);
	if (n == 0)
		return;
	// NOLINTNEXTLINE(bugprone-sizeof-expression)
	v->offers[kind] = mem_alloc(n * sizeof(*v->offers[kind]));
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < offerset_count(h->servers[i].offers[kind]); j++) {
			const struct offer *o = offerset_at(h->servers[i].offers[kind], j);

			if (o->listed.n == 0 || !view_includes(v->of, ask, o->policy_name) ||
			    !rules_may_list(h->core, k, view_of(v->of), ask, o->policy_name))
				continue;
			v->offers[kind][v->offers_n[kind]++] = o;
			v->print[kind] =
			    mix(v->print[kind], map_hash(o->rest) ^ map_hash(o->listed));
		}
}

const struct view_settings *
hub_find_view(const struct hub *h, struct str name)
{
	for (size_t i = 0; i < h->declared_n; i++)
		if (str_eq(h->declared[i].name, name))
			return &h->declared[i];
	return NULL;
}

/* A star stays on its side of the first slash; one that stands alone is everything. */
static bool
pattern_has(struct str pattern, struct str name)
{
	struct str side = str_cut(&pattern, '/'), server = str_cut(&name, '/');

	if (pattern.p == NULL || name.p == NULL)
		return pattern.p == NULL && str_eq(side, STR("*"));
	return (str_eq(side, STR("any")) || str_star(side, server)) && str_star(pattern, name);
}

bool
view_includes(const struct view_settings *of, enum ask_kind kind, struct str policy_name)
{
	size_t list = kind == ASK_TOOL ? 0 : kind == ASK_PROMPT ? 1 : 2;

	if (of == NULL)
		return true;
	for (size_t i = 0; i < of->patterns_n[list]; i++)
		if (pattern_has(of->patterns[list][i], policy_name))
			return true;
	return false;
}

const struct view *
hub_view(struct hub *h, struct key *k, const struct view_settings *of)
{
	struct key_info info;
	struct view *v;
	char id[sizeof(v->id)];

	key_info(k, &info);
	(void)snprintf(id, sizeof(id), STR_FMT "/" STR_FMT, STR_ARG(info.id),
	    STR_ARG(of != NULL ? of->name : STR("")));
	v = map_get(&h->views, str_of(id));
	if (v == NULL) {
		if (h->views.n >= VIEWS_MAX)
			hub_views_drop(h);
		v = mem_zalloc(sizeof(*v));
		v->of = of;
		memcpy(v->id, id, sizeof(id));
		map_set(&h->views, str_of(v->id), v);
	}
	if (v->generation == h->generation)
		return v;
	view_empty(v);
	tools_fill(h, v, k);
	for (enum offer_kind i = 0; i < OFFER_KINDS; i++)
		offers_fill(h, v, k, i);
	v->generation = h->generation;
	return v;
}

size_t
view_count(const struct view *v, enum view_list list)
{
	return list == VIEW_TOOLS ? v->tools_n : v->offers_n[list];
}

void
view_put(struct buf *out, struct hub *h, struct key *k, const struct view *v, enum view_list list,
    size_t i)
{
	struct buf definition;

	if (list != VIEW_TOOLS) {
		offer_put(out, (enum offer_kind)list, v->offers[list][i]);
		return;
	}
	buf_init(&definition, 0);
	tool_put(&definition, v->tools[i]);
	rules_project(
	    h->core, k, view_of(v->of), v->tools[i]->policy_name, buf_str(&definition), out);
	buf_fini(&definition);
}

bool
view_has(const struct view *v, struct str server)
{
	for (size_t i = 0; i < v->tools_n; i++)
		if (str_eq(v->tools[i]->server, server))
			return true;
	for (size_t i = 0; i < OFFER_KINDS; i++)
		for (size_t j = 0; j < v->offers_n[i]; j++)
			if (str_eq(v->offers[i][j]->server, server))
				return true;
	return false;
}

void
hub_tools(struct hub *h, struct key *k, const struct view_settings *of, tool_f *fn, void *ctx)
{
	const struct view *v;

	IS(h, HUB_MAGIC);
	v = hub_view(h, k, of);
	for (size_t i = 0; i < v->tools_n; i++)
		fn(ctx, v->tools[i]);
}

void
hub_all_tools(struct hub *h, tool_f *fn, void *ctx)
{
	IS(h, HUB_MAGIC);
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < toolset_count(h->servers[i].tools); j++)
			fn(ctx, toolset_at(h->servers[i].tools, j));
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < toolset_count(h->servers[i].seen); j++) {
			struct tool *t = toolset_at(h->servers[i].seen, j);

			if (t->pin == TOOL_PENDING && hub_find_tool(h, t->policy_name) == NULL)
				fn(ctx, t);
		}
}

/* ---- changes ---- */

void
hub_changed(struct hub *h)
{
	h->generation++;
	streams_notify(h);
}

void
hub_serve(struct hub *h, struct server *sv, struct toolset *set)
{
	struct toolset *old = sv->tools;

	sv->tools = set;
	tools_name(h);
	/* Spans of the old set may be held until the turn ends. */
	if (old != NULL) {
		if (h->retired_n == COUNT(h->retired))
			toolset_free(&h->retired[--h->retired_n]);
		h->retired[h->retired_n++] = old;
		timer_set(h->loop, &h->retire, 1, views_retire, h);
	}
	hub_changed(h);
}

/* Nobody keeps a span of these beyond its own call. */
void
hub_take_offers(struct hub *h, struct server *sv, enum offer_kind kind)
{
	struct offerset *old = sv->offers[kind];

	if (offerset_same(old, sv->offering)) {
		offerset_free(&sv->offering);
		return;
	}
	sv->offers[kind] = sv->offering;
	sv->offering = NULL;
	offerset_free(&old);
	offers_name(h, kind);
	hub_changed(h);
}
