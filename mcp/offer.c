/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offer - prompts, resources and templates from servers that we do not trust.
 *
 * As with tools (catalog.c), each definition is judged alone and everything in it that has its
 * place is the server's bytes:
 *
 *   repaired:  title, description, mimeType, arguments, annotations or icons of a wrong type (left
 *              out), a resource without a name (its URI)
 *   left out:  no usable name or URI, one that is there twice, keys twice, more than 64 KiB
 *
 * A prompt is listed as server__name, a resource by a URI that says whose it is (uri.h), or both by
 * their own names where the settings say so.
 */
#include "mcp/offer.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "mcp/fold.h"
#include "mcp/uri.h"

#define OFFERS_MAX           5000
#define DEFINITION_BYTES_MAX ((size_t)64 << 10)
#define SET_BYTES_MAX        ((size_t)32 << 20)
#define URI_BYTES_MAX        2000 /* with its server's name it fits a rule's question */

struct offerset {
	struct str server;
	enum offer_kind kind;
	struct arena arena;
	struct offer *offers;
	size_t n, cap, dropped;
	struct map names, listed;
};

static const struct {
	struct str name_member; /* quoted: as it is written */
	struct str plain;
	const char *word;
} kinds[OFFER_KINDS] = {
	[OFFER_PROMPT] = { STR("\"name\""), STR("name"), "prompt" },
	[OFFER_RESOURCE] = { STR("\"uri\""), STR("uri"), "resource" },
	[OFFER_TEMPLATE] = { STR("\"uriTemplate\""), STR("uriTemplate"), "template" },
};

struct offerset *
offerset_new(struct str server, enum offer_kind kind)
{
	struct offerset *s = mem_zalloc(sizeof(*s));

	s->server = server;
	s->kind = kind;
	arena_init(&s->arena, SET_BYTES_MAX);
	map_init(&s->names);
	map_init(&s->listed);
	return s;
}

void
offerset_free(struct offerset **s)
{
	if (*s == NULL)
		return;
	map_fini(&(*s)->names);
	map_fini(&(*s)->listed);
	arena_free(&(*s)->arena);
	free((*s)->offers);
	MEM_FREE(s);
}

size_t
offerset_count(const struct offerset *s)
{
	return s == NULL ? 0 : s->n;
}

struct offer *
offerset_at(struct offerset *s, size_t i)
{
	ASSERT(i < s->n);
	return &s->offers[i];
}

bool
offerset_same(const struct offerset *a, const struct offerset *b)
{
	if (offerset_count(a) != offerset_count(b))
		return false;
	for (size_t i = 0; i < offerset_count(a); i++)
		if (!str_eq(a->offers[i].name, b->offers[i].name) ||
		    !str_eq(a->offers[i].rest, b->offers[i].rest))
			return false;
	return true;
}

void
offer_put(struct buf *out, enum offer_kind kind, const struct offer *o)
{
	buf_putc(out, '{');
	buf_put(out, kinds[kind].name_member);
	buf_putc(out, ':');
	buf_json_str(out, o->listed);
	buf_put(out, o->rest);
}

/* ---- one definition ---- */

/* Each argument of a prompt has a name; one that has none makes clients drop the list. */
static bool
arguments_fit(struct str raw)
{
	struct str key, one, name;
	struct json_iter it;

	if (json_kind(raw) != JSON_ARRAY || !json_open(raw, &it))
		return false;
	while (json_next(&it, &key, &one))
		if (json_kind(one) != JSON_OBJECT || !json_get(one, STR("name"), &name) ||
		    json_kind(name) != JSON_STRING)
			return false;
	return true;
}

static bool
member_fits(struct str key, struct str v)
{
	static const struct {
		struct str name;
		enum json_kind kind;
	} wanted[] = { { STR("name"), JSON_STRING }, { STR("title"), JSON_STRING },
		{ STR("description"), JSON_STRING }, { STR("mimeType"), JSON_STRING },
		{ STR("icons"), JSON_ARRAY }, { STR("annotations"), JSON_OBJECT },
		{ STR("_meta"), JSON_OBJECT }, { STR("size"), JSON_NUMBER } };

	if (json_key_is(key, STR("arguments")))
		return arguments_fit(v);
	for (size_t i = 0; i < COUNT(wanted); i++)
		if (json_key_is(key, wanted[i].name))
			return json_kind(v) == wanted[i].kind;
	return true;
}

/* ",…}": everything but the name. */
static void
rest_put(struct buf *b, enum offer_kind kind, struct str raw, struct str name)
{
	bool named = kind == OFFER_PROMPT;
	struct json_iter it;
	struct str key, v;

	if (json_open(raw, &it))
		while (json_next(&it, &key, &v)) {
			if (json_key_is(key, kinds[kind].plain) || !member_fits(key, v))
				continue;
			named = named || json_key_is(key, STR("name"));
			buf_putc(b, ',');
			buf_put(b, key);
			buf_putc(b, ':');
			buf_put(b, v);
		}
	if (!named) {
		buf_puts(b, ",\"name\":");
		buf_json_str(b, name);
	}
	buf_putc(b, '}');
}

static bool
names_make(struct offerset *s, struct offer *o)
{
	struct buf b;

	buf_init(&b, URI_BYTES_MAX * 2);
	if (s->kind == OFFER_PROMPT)
		fold_listed(&b, s->server, o->name, &s->listed);
	else
		uri_wrap(&b, s->server, o->name);
	o->wrapped = arena_str(&s->arena, buf_str(&b));
	o->bare = o->name;
	if (s->kind == OFFER_PROMPT)
		o->bare =
		    (struct str){ o->wrapped.p + s->server.n + 2, o->wrapped.n - s->server.n - 2 };
	o->listed = o->wrapped;
	buf_fini(&b);
	return o->wrapped.n > 0;
}

/* Why it is left out, or NULL. */
static const char *
offer_take(struct offerset *s, struct str raw, struct offer *o)
{
	size_t max = s->kind == OFFER_PROMPT ? FOLD_NAME_MAX : URI_BYTES_MAX;
	struct str name_raw;
	struct buf b;
	struct err e;
	bool ok;

	*o = (struct offer){ .server = s->server, .name = STR("?") };
	if (json_kind(raw) != JSON_OBJECT)
		return "not an object";
	if (raw.n > DEFINITION_BYTES_MAX)
		return "its definition is larger than 64 KiB";
	if (arena_left(&s->arena) < 8 * DEFINITION_BYTES_MAX)
		return "the server's list is too large";
	if (!json_check(raw, true, &e))
		return "a key is there twice";
	if (!json_get(raw, kinds[s->kind].plain, &name_raw) ||
	    !json_string(name_raw, &s->arena, &o->name) || !fold_usable(o->name, max))
		return "it has no usable name";
	o->name = arena_str(&s->arena, o->name); /* it may be a span of the page */
	if (map_get(&s->names, o->name) != NULL)
		return "it is there twice";
	if (!names_make(s, o))
		return "its name cannot be told from another's";
	buf_init(&b, 2 * DEFINITION_BYTES_MAX);
	rest_put(&b, s->kind, raw, o->name);
	ok = buf_ok(&b);
	if (ok) {
		o->rest = arena_str(&s->arena, buf_str(&b));
		o->policy_name = arena_printf(
		    &s->arena, STR_FMT "/" STR_FMT, STR_ARG(s->server), STR_ARG(o->name));
	}
	buf_fini(&b);
	return ok ? NULL : "its definition is larger than 64 KiB";
}

static bool
room_make(struct offerset *s)
{
	if (s->n < s->cap)
		return true;
	if (s->n >= OFFERS_MAX)
		return false;
	s->cap = s->cap == 0 ? 16 : s->cap * 2;
	s->offers = mem_realloc(s->offers, s->cap * sizeof(*s->offers));
	return true;
}

void
offerset_add_page(struct offerset *s, struct str list)
{
	struct json_iter it;
	struct str key, raw;

	if (!json_open(list, &it))
		return;
	while (json_next(&it, &key, &raw)) {
		struct offer o = { .name = STR("?") };
		const char *why =
		    room_make(s) ? offer_take(s, raw, &o) : "the server lists too many";

		if (why == NULL) {
			s->offers[s->n++] = o;
			map_set(&s->names, o.name, s);
			map_set(&s->listed, o.wrapped, s);
		} else if (s->dropped++ < 20) {
			log_warn(NULL, "left out", F_STR("server", s->server),
			    F_TEXT("what", kinds[s->kind].word), F_STR("name", o.name),
			    F_TEXT("why", why));
		}
	}
}
