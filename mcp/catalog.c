/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog - tool definitions from servers that we do not trust.
 *
 * One wrong definition makes Claude Code refuse the whole list, so each is judged alone:
 *
 *   repaired:  inputSchema absent or without type; annotations, title, description or outputSchema
 *              of a wrong type (left out); names with characters outside [A-Za-z0-9_-] (folded)
 *   left out:  no usable name, a name twice, keys twice, an inputSchema for something other than
 *              an object, more than 64 KiB
 *
 * The listed name is server__tool, at most LISTED_MAX bytes; one that is too long or that meets
 * another after folding ends in a hash of the real name, so it does not depend on the order.
 * Everything else of a definition is the server's bytes; `execution` (tasks) is not relayed, and
 * _meta["anthropic/alwaysLoad"] is not a server's to set.
 *
 * The merged order is the settings' order of servers, then the server's own.
 */
#include "mcp/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "mcp/hub.h"

#define TOOLS_MAX            2000
#define DEFINITION_BYTES_MAX ((size_t)64 << 10)
#define SET_BYTES_MAX        ((size_t)64 << 20)
#define NAME_BYTES_MAX       128
#define LISTED_MAX           100
#define HASH_CHARS           7 /* _ and six hex digits */
#define VIEWS_MAX            1024

struct toolset {
	struct str server;
	struct arena arena;
	struct tool *tools; /* TOOLS_MAX of them, in the arena */
	size_t n, dropped;
	struct map listed;
};

struct toolset *
toolset_new(struct str server)
{
	struct toolset *s = mem_zalloc(sizeof(*s));

	s->server = server;
	arena_init(&s->arena, SET_BYTES_MAX);
	map_init(&s->listed);
	return s;
}

void
toolset_free(struct toolset **s)
{
	if (*s == NULL)
		return;
	map_fini(&(*s)->listed);
	arena_free(&(*s)->arena);
	free((*s)->tools);
	MEM_FREE(s);
}

size_t
toolset_count(const struct toolset *s)
{
	return s == NULL ? 0 : s->n;
}

size_t
toolset_dropped(const struct toolset *s)
{
	return s == NULL ? 0 : s->dropped;
}

const struct tool *
toolset_at(const struct toolset *s, size_t i)
{
	ASSERT(i < s->n);
	return &s->tools[i];
}

bool
toolset_same(const struct toolset *a, const struct toolset *b)
{
	if (toolset_count(a) != toolset_count(b))
		return false;
	for (size_t i = 0; i < toolset_count(a); i++)
		if (!str_eq(a->tools[i].name, b->tools[i].name) ||
		    !str_eq(a->tools[i].definition, b->tools[i].definition))
			return false;
	return true;
}

/* ---- one definition ---- */

static bool
name_usable(struct str name)
{
	if (name.n == 0 || name.n > NAME_BYTES_MAX || !str_utf8(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	return true;
}

static void
fold(char *out, size_t cap, struct str server, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < server.n + 2 + name.n && n + 1 < cap; i++) {
		unsigned char c = '_';

		if (i < server.n)
			c = (unsigned char)server.p[i];
		else if (i >= server.n + 2)
			c = (unsigned char)name.p[i - server.n - 2];
		if ((c & 0xc0) == 0x80)
			continue; /* a character, not a byte, becomes _ */
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '-'))
			c = '_';
		out[n++] = (char)c;
	}
	out[n] = '\0';
}

/* FNV-1a: the same in every process, unlike map_hash(). */
static uint32_t
stable_hash(struct str s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return h ^ h >> 24;
}

/* false: even with a hash the name is taken. */
static bool
listed_name(struct toolset *s, struct str name, struct str *out)
{
	char full[NAME_BYTES_MAX * 2 + 8];
	size_t n;

	fold(full, sizeof(full), s->server, name);
	n = strlen(full);
	if (n > LISTED_MAX || map_get(&s->listed, (struct str){ full, n }) != NULL) {
		if (n > LISTED_MAX - HASH_CHARS)
			n = LISTED_MAX - HASH_CHARS;
		(void)snprintf(
		    full + n, sizeof(full) - n, "_%06x", (unsigned)(stable_hash(name) & 0xffffff));
		n += HASH_CHARS;
		if (map_get(&s->listed, (struct str){ full, n }) != NULL)
			return false;
	}
	*out = arena_str(&s->arena, (struct str){ full, n });
	return true;
}

static void
member_put(struct buf *b, struct str key_raw, struct str value_raw)
{
	if (b->n > 1 && b->p[b->n - 1] != '{')
		buf_putc(b, ',');
	buf_put(b, key_raw);
	buf_putc(b, ':');
	buf_put(b, value_raw);
}

/* title is a string, every …Hint a boolean; what is not is left out. */
static void
annotations_put(struct buf *b, struct str raw, struct tool *t)
{
	struct json_iter it;
	struct str key, v;
	bool on;

	if (json_kind(raw) != JSON_OBJECT || !json_open(raw, &it))
		return;
	if (b->p[b->n - 1] != '{')
		buf_putc(b, ',');
	buf_puts(b, "\"annotations\":{");
	while (json_next(&it, &key, &v)) {
		bool hint = str_ends(key, STR("Hint\""));

		if ((hint && !json_bool(v, &on)) ||
		    (json_key_is(key, STR("title")) && json_kind(v) != JSON_STRING))
			continue;
		member_put(b, key, v);
		if (!hint)
			continue;
		if (json_key_is(key, STR("readOnlyHint")))
			t->readonly = on;
		else if (json_key_is(key, STR("destructiveHint")))
			t->destructive = on;
		else if (json_key_is(key, STR("openWorldHint")))
			t->open_world = on;
	}
	buf_putc(b, '}');
}

static void
meta_put(struct buf *b, struct str raw)
{
	struct json_iter it;
	struct str key, v;

	if (json_kind(raw) != JSON_OBJECT || !json_open(raw, &it))
		return;
	if (b->p[b->n - 1] != '{')
		buf_putc(b, ',');
	buf_puts(b, "\"_meta\":{");
	while (json_next(&it, &key, &v))
		if (!json_key_is(key, STR("anthropic/alwaysLoad")))
			member_put(b, key, v);
	buf_putc(b, '}');
}

/* false: not a schema for an object. */
static bool
input_put(struct buf *b, struct str raw)
{
	struct str type;

	if (raw.p != NULL && json_kind(raw) != JSON_OBJECT)
		return false;
	if (raw.p != NULL && json_get(raw, STR("type"), &type)) {
		if (json_kind(type) != JSON_STRING || !json_string_is(type, STR("object")))
			return false;
		member_put(b, STR("\"inputSchema\""), raw);
		return true;
	}
	if (b->p[b->n - 1] != '{')
		buf_putc(b, ',');
	buf_puts(b, "\"inputSchema\":{\"type\":\"object\"");
	if (raw.p != NULL && raw.n > 2) {
		struct json_iter it;
		struct str key, v;

		if (json_open(raw, &it))
			while (json_next(&it, &key, &v))
				member_put(b, key, v);
	}
	buf_putc(b, '}');
	return true;
}

static bool
kind_fits(struct str key, struct str v)
{
	enum json_kind k = json_kind(v);

	if (json_key_is(key, STR("title")) || json_key_is(key, STR("description")))
		return k == JSON_STRING;
	if (json_key_is(key, STR("outputSchema")))
		return k == JSON_OBJECT;
	if (json_key_is(key, STR("icons")))
		return k == JSON_ARRAY;
	return !json_key_is(key, STR("execution"));
}

static const char *
definition_put(struct buf *b, struct str raw, struct tool *t)
{
	struct str input = STR_NONE, key, v;
	struct json_iter it;

	buf_puts(b, "{\"name\":\"");
	buf_put(b, t->listed_name);
	buf_putc(b, '"');
	(void)json_get(raw, STR("inputSchema"), &input);
	if (!json_open(raw, &it))
		return "not an object";
	while (json_next(&it, &key, &v)) {
		if (json_key_is(key, STR("name")) || json_key_is(key, STR("inputSchema")))
			continue;
		if (json_key_is(key, STR("annotations")))
			annotations_put(b, v, t);
		else if (json_key_is(key, STR("_meta")))
			meta_put(b, v);
		else if (kind_fits(key, v))
			member_put(b, key, v);
	}
	return input_put(b, input) ? NULL : "its inputSchema is not one of an object";
}

/* Why it is left out, or NULL. */
static const char *
tool_take(struct toolset *s, struct str raw, struct tool *t, struct str *name)
{
	struct str name_raw, text;
	struct buf b;
	struct err e;
	const char *why;

	if (json_kind(raw) != JSON_OBJECT)
		return "not an object";
	if (raw.n > DEFINITION_BYTES_MAX)
		return "its definition is larger than 64 KiB";
	if (arena_left(&s->arena) < 8 * DEFINITION_BYTES_MAX)
		return "the server's list is too large";
	if (!json_check(raw, true, &e))
		return "a key is there twice";
	if (!json_get(raw, STR("name"), &name_raw) || !json_string(name_raw, &s->arena, name) ||
	    !name_usable(*name))
		return "it has no usable name";
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->tools[i].name, *name))
			return "its name is there twice";
	*t = (struct tool){ .server = s->server, .destructive = true, .open_world = true };
	if (!listed_name(s, *name, &t->listed_name))
		return "its name cannot be told from another's";
	buf_init(&b, 2 * DEFINITION_BYTES_MAX);
	why = definition_put(&b, raw, t);
	buf_putc(&b, '}');
	if (why == NULL && !buf_ok(&b))
		why = "its definition is larger than 64 KiB";
	if (why == NULL) {
		t->name = arena_str(&s->arena, *name);
		t->policy_name = arena_printf(
		    &s->arena, STR_FMT "/" STR_FMT, STR_ARG(s->server), STR_ARG(*name));
		t->definition = arena_str(&s->arena, buf_str(&b));
		t->output_schema = STR("");
		t->description = STR("");
		(void)json_get(t->definition, STR("inputSchema"), &t->input_schema);
		(void)json_get(t->definition, STR("outputSchema"), &t->output_schema);
		if (json_get(t->definition, STR("description"), &text))
			(void)json_string(text, &s->arena, &t->description);
		if (t->readonly)
			t->destructive = false;
	}
	buf_fini(&b);
	return why;
}

static void
say_dropped(struct toolset *s, struct str name, const char *why)
{
	if (s->dropped++ < 20)
		log_warn(NULL, "tool left out", F_STR("server", s->server), F_STR("tool", name),
		    F_TEXT("why", why));
}

void
toolset_add_page(struct toolset *s, struct str tools)
{
	struct json_iter it;
	struct str key, raw;

	if (s->tools == NULL)
		s->tools = mem_zalloc(TOOLS_MAX * sizeof(*s->tools));
	if (!json_open(tools, &it))
		return;
	while (json_next(&it, &key, &raw)) {
		struct str name = STR("?");
		struct tool t;
		const char *why =
		    s->n == TOOLS_MAX ? "the server lists too many" : tool_take(s, raw, &t, &name);

		if (why != NULL) {
			say_dropped(s, name, why);
			continue;
		}
		s->tools[s->n] = t;
		map_set(&s->listed, s->tools[s->n].listed_name, &s->tools[s->n]);
		s->n++;
	}
}

/* ---- the merged catalogue ---- */

const struct tool *
hub_find_tool(struct hub *h, struct str name)
{
	char spelled[NAME_BYTES_MAX * 2 + 4];
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

static void
view_free(struct view *v)
{
	free(v->tools);
	free(v);
}

void
hub_views_drop(struct hub *h)
{
	size_t it = 0;
	struct str key;
	void *v;

	while (map_next(&h->views, &it, &key, &v))
		view_free(v);
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
view_fill(struct hub *h, struct view *v, struct key *k)
{
	size_t n = 0;

	for (size_t i = 0; i < h->servers_n; i++)
		n += toolset_count(h->servers[i].tools);
	free(v->tools);
	// NOLINTNEXTLINE(bugprone-sizeof-expression)
	v->tools = mem_alloc((n + 1) * sizeof(*v->tools));
	v->n = 0;
	v->print = 1;
	for (size_t i = 0; i < h->servers_n; i++) {
		struct server *sv = &h->servers[i];

		for (size_t j = 0; j < toolset_count(sv->tools); j++) {
			const struct tool *t = toolset_at(sv->tools, j);

			if (!rules_may_list(h->core, k, ASK_TOOL, t->policy_name))
				continue;
			v->tools[v->n++] = t;
			v->print = mix(v->print, map_hash(t->definition));
		}
	}
	for (size_t i = 0; i < h->builtins_n; i++)
		if (h->builtins[i].visible(h->builtins[i].ctx, k))
			v->print = mix(v->print, map_hash(h->builtins[i].name));
	v->generation = h->generation;
}

const struct view *
hub_view(struct hub *h, struct key *k)
{
	struct key_info info;
	struct view *v;

	key_info(k, &info);
	v = map_get(&h->views, info.id);
	if (v == NULL) {
		if (h->views.n >= VIEWS_MAX)
			hub_views_drop(h);
		v = mem_zalloc(sizeof(*v));
		(void)str_copy(v->key_id, sizeof(v->key_id), info.id);
		map_set(&h->views, str_of(v->key_id), v);
		v->generation = 0;
	}
	if (v->generation != h->generation)
		view_fill(h, v, k);
	return v;
}

void
hub_tools(struct hub *h, struct key *k, tool_f *fn, void *ctx)
{
	const struct view *v;

	IS(h, HUB_MAGIC);
	v = hub_view(h, k);
	for (size_t i = 0; i < v->n; i++)
		fn(ctx, v->tools[i]);
}

void
hub_all_tools(struct hub *h, tool_f *fn, void *ctx)
{
	IS(h, HUB_MAGIC);
	for (size_t i = 0; i < h->servers_n; i++)
		for (size_t j = 0; j < toolset_count(h->servers[i].tools); j++)
			fn(ctx, toolset_at(h->servers[i].tools, j));
}

/* Names that two servers share belong to the first: "a__b" of a, and a_ of "_b". */
static void
names_rebuild(struct hub *h)
{
	map_fini(&h->by_name);
	map_init(&h->by_name);
	for (size_t i = 0; i < h->servers_n; i++) {
		struct server *sv = &h->servers[i];

		for (size_t j = 0; j < toolset_count(sv->tools); j++) {
			const struct tool *t = toolset_at(sv->tools, j);
			/* The map hands out what it was given; nobody writes through it. */
			union {
				const struct tool *in;
				void *out;
			} p = { .in = t };

			if (map_get(&h->by_name, t->listed_name) == NULL)
				map_set(&h->by_name, t->listed_name, p.out);
			map_set(&h->by_name, t->policy_name, p.out);
		}
	}
}

void
hub_take_tools(struct hub *h, struct server *sv)
{
	struct toolset *old = sv->tools;

	if (toolset_same(old, sv->listing) && old != NULL) {
		toolset_free(&sv->listing);
		return;
	}
	sv->tools = sv->listing;
	sv->listing = NULL;
	names_rebuild(h);
	/* Spans of the old set may be held until the turn ends. */
	if (old != NULL) {
		if (h->retired_n == COUNT(h->retired))
			toolset_free(&h->retired[--h->retired_n]);
		h->retired[h->retired_n++] = old;
		timer_set(h->loop, &h->retire, 1, views_retire, h);
	}
	hub_changed(h);
}
