/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalog - tool definitions from servers that we do not trust.
 *
 * One wrong definition makes Claude Code refuse the whole list, so each is judged alone:
 *
 *   repaired:  inputSchema absent or without type; annotations, title, description or outputSchema
 *              of a wrong type (left out); names with characters outside [A-Za-z0-9_-] (folded)
 *   left out:  no usable name, a name twice, keys twice, an inputSchema for something other than
 *              an object, more than 64 KiB, an x-mcp-header that no client could send, what can
 *              only be called as a task
 *
 * The listed name is server__tool (fold.h), or tool where the settings say so (view.c).  Everything
 * else of a definition is the server's bytes; `execution` (tasks) is not relayed, and
 * _meta["anthropic/alwaysLoad"] is not a server's to set.
 */
#include "mcp/catalog.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "mcp/fold.h"
#include "mcp/param.h"

#define TOOLS_MAX            2000
#define DEFINITION_BYTES_MAX ((size_t)64 << 10)
#define SET_BYTES_MAX        ((size_t)64 << 20)

struct toolset {
	size_t refs;
	struct str server;
	struct arena arena;
	struct tool *tools; /* TOOLS_MAX of them, in the arena */
	size_t n, dropped;
	struct map listed, script;
	struct str script_server;
};

struct toolset *
toolset_new(struct str server)
{
	struct toolset *s = mem_zalloc(sizeof(*s));
	struct buf name;

	s->refs = 1;
	s->server = server;
	arena_init(&s->arena, SET_BYTES_MAX);
	map_init(&s->listed);
	map_init(&s->script);
	buf_init(&name, 0);
	fold_script(&name, FOLD_SERVER, server, NULL); /* the settings have no two alike */
	s->script_server = arena_str(&s->arena, buf_str(&name));
	buf_fini(&name);
	return s;
}

struct toolset *
toolset_ref(struct toolset *s)
{
	s->refs++;
	return s;
}

void
toolset_free(struct toolset **s)
{
	if (*s != NULL && --(*s)->refs > 0)
		*s = NULL;
	if (*s == NULL)
		return;
	map_fini(&(*s)->listed);
	map_fini(&(*s)->script);
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

struct tool *
toolset_at(struct toolset *s, size_t i)
{
	ASSERT(i < s->n);
	return &s->tools[i];
}

#define HEAD (sizeof("{\"name\":\"") - 1)

/* From the quote that ends the name. */
static struct str
behind_name(const struct tool *t)
{
	return STR_SPAN(t->definition.p + HEAD + t->wrapped.n, t->definition.p + t->definition.n);
}

void
tool_put(struct buf *out, const struct tool *t)
{
	if (str_eq(t->listed_name, t->wrapped)) {
		buf_put(out, t->definition);
		return;
	}
	buf_put(out, (struct str){ t->definition.p, HEAD });
	buf_put(out, t->listed_name);
	buf_put(out, behind_name(t));
}

void
tool_own_put(struct buf *out, const struct tool *t)
{
	struct str rest = behind_name(t);

	buf_puts(out, "{\"name\":");
	buf_json_str(out, t->name);
	buf_put(out, (struct str){ rest.p + 1, rest.n - 1 });
}

struct tool *
toolset_find(struct toolset *s, struct str name)
{
	for (size_t i = 0; i < toolset_count(s); i++)
		if (str_eq(s->tools[i].name, name))
			return &s->tools[i];
	return NULL;
}

struct str
toolset_keep(struct toolset *s, struct str text)
{
	return arena_str(&s->arena, text);
}

bool
toolset_same_list(const struct toolset *a, const struct toolset *b)
{
	if (toolset_count(a) != toolset_count(b))
		return false;
	for (size_t i = 0; i < toolset_count(a); i++)
		if (!str_eq(a->tools[i].name, b->tools[i].name) ||
		    !str_eq(a->tools[i].definition, b->tools[i].definition))
			return false;
	return true;
}

bool
toolset_same(const struct toolset *a, const struct toolset *b)
{
	if (!toolset_same_list(a, b))
		return false;
	for (size_t i = 0; i < toolset_count(a); i++)
		if (!str_eq(a->tools[i].alias, b->tools[i].alias) ||
		    !str_eq(a->tools[i].blocked, b->tools[i].blocked) ||
		    a->tools[i].pin != b->tools[i].pin)
			return false;
	return true;
}

/* ---- one definition ---- */

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
			t->destructive = t->says_destructive = on;
		else if (json_key_is(key, STR("idempotentHint")))
			t->idempotent = on;
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

/* Tasks are not relayed, so a tool that insists on them could not be called. */
static bool
task_only(struct str raw)
{
	struct str execution, support;

	return json_get(raw, STR("execution"), &execution) && json_kind(execution) == JSON_OBJECT &&
	       json_get(execution, STR("taskSupport"), &support) &&
	       json_kind(support) == JSON_STRING && json_string_is(support, STR("required"));
}

/* Why it cannot be used, or NULL; its name. */
static const char *
tool_judge(struct toolset *s, struct str raw, struct str *name)
{
	struct str v;
	struct err e;

	if (json_kind(raw) != JSON_OBJECT)
		return "not an object";
	if (raw.n > DEFINITION_BYTES_MAX)
		return "its definition is larger than 64 KiB";
	if (arena_left(&s->arena) < 8 * DEFINITION_BYTES_MAX)
		return "the server's list is too large";
	if (!json_check(raw, true, &e))
		return "a key is there twice";
	if (!json_get(raw, STR("name"), &v) || !json_string(v, &s->arena, name) ||
	    !fold_usable(*name, FOLD_NAME_MAX))
		return "it has no usable name";
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->tools[i].name, *name))
			return "its name is there twice";
	if (json_get(raw, STR("inputSchema"), &v) && !param_schema_fits(v))
		return "its x-mcp-header cannot be kept to";
	return task_only(raw) ? "it can only be called as a task" : NULL;
}

static void
tool_fill(struct toolset *s, struct tool *t, struct str name, struct str definition)
{
	struct str text;

	t->name = arena_str(&s->arena, name);
	t->policy_name =
	    arena_printf(&s->arena, STR_FMT "/" STR_FMT, STR_ARG(s->server), STR_ARG(name));
	t->definition = arena_str(&s->arena, definition);
	t->output_schema = STR("");
	t->description = STR("");
	(void)json_get(t->definition, STR("inputSchema"), &t->input_schema);
	(void)json_get(t->definition, STR("outputSchema"), &t->output_schema);
	if (json_get(t->definition, STR("description"), &text))
		(void)json_string(text, &s->arena, &t->description);
	if (t->readonly)
		t->destructive = t->says_destructive = false;
	t->blocked = t->alias = STR("");
}

/* Why it is left out, or NULL. */
static const char *
tool_take(struct toolset *s, struct str raw, struct tool *t, struct str *name)
{
	const char *why = tool_judge(s, raw, name);
	struct buf b;

	if (why != NULL)
		return why;
	*t = (struct tool){ .server = s->server, .destructive = true, .open_world = true };
	buf_init(&b, 2 * DEFINITION_BYTES_MAX);
	fold_listed(&b, s->server, *name, &s->listed);
	t->wrapped = t->listed_name = arena_str(&s->arena, buf_str(&b));
	if (t->wrapped.n == 0)
		why = "its name cannot be told from another's";
	buf_reset(&b);
	fold_script(&b, FOLD_TOOL, *name, &s->script);
	t->script_server = s->script_server;
	t->script_name = arena_str(&s->arena, buf_str(&b));
	if (t->script_name.n == 0)
		why = "its name cannot be told from another's";
	buf_reset(&b);
	if (why == NULL)
		why = definition_put(&b, raw, t);
	buf_putc(&b, '}');
	if (why == NULL && !buf_ok(&b))
		why = "its definition is larger than 64 KiB";
	if (why == NULL)
		tool_fill(s, t, *name, buf_str(&b));
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

struct tool *
toolset_add(struct toolset *s, struct str definition)
{
	struct str name = STR("?");
	struct tool t;
	const char *why =
	    s->n == TOOLS_MAX ? "the server lists too many" : tool_take(s, definition, &t, &name);

	if (why != NULL) {
		say_dropped(s, name, why);
		return NULL;
	}
	if (s->tools == NULL)
		s->tools = mem_zalloc(TOOLS_MAX * sizeof(*s->tools));
	s->tools[s->n] = t;
	map_set(&s->listed, s->tools[s->n].listed_name, &s->tools[s->n]);
	map_set(&s->script, s->tools[s->n].script_name, &s->tools[s->n]);
	return &s->tools[s->n++];
}

void
toolset_add_page(struct toolset *s, struct str tools)
{
	struct json_iter it;
	struct str key, raw;

	if (!json_open(tools, &it))
		return;
	while (json_next(&it, &key, &raw))
		(void)toolset_add(s, raw);
}
