/* SPDX-License-Identifier: Apache-2.0 */
/*
 * updates - resources/subscribe and the resourceSubscriptions of subscriptions/listen.
 *
 * A notification says only that a URI has changed, never what it holds, so one subscription per
 * server and URI serves all who asked, over the server's own connection: counted here, made by the
 * first, ended with the last, and told again after a reconnect.  Whether a key may still read it is
 * asked again each time.  A legacy server gets
 * resources/subscribe, a modern one a new listen stream with the whole list.
 */
#include "mcp/updates.h"

#include <stdlib.h>

#include "mcp/serve.h"
#include "mcp/view.h"

#define SUBSCRIPTIONS_ALL_MAX 20000
#define TELL_MS               10000
#define NOTIFY_MS             50 /* however often the server says so */

struct subscription {
	size_t users;
	struct server *sv;
	char *key, *uri; /* "server\nuri" in hub->subscribed; the server's own URI */
	struct timer notify;
};

void
updates_init(struct updates *u, struct hub *h)
{
	u->hub = h;
	map_init(&u->uris);
}

static void
legacy_tell(struct server *sv, const char *method, const char *uri)
{
	struct buf params;

	buf_init(&params, 65536);
	buf_puts(&params, "\"uri\":");
	buf_json_str(&params, str_of(uri));
	if (buf_ok(&params))
		(void)server_ask_own(sv, method, buf_str(&params), TELL_MS, NULL);
	buf_fini(&params);
}

static void
relisten(void *ctx)
{
	struct server *sv = ctx;

	if (sv->state == SERVER_READY)
		sv->type->listen(sv);
}

static void
changed(struct subscription *s, bool wanted)
{
	struct server *sv = s->sv;

	if (sv->state != SERVER_READY || (sv->can & SERVER_SUBSCRIBES) == 0)
		return;
	if (sv->era == ERA_MODERN) /* once for all that changes in this turn */
		loop_defer(sv->loop, &sv->relisten, relisten, sv);
	else
		legacy_tell(sv, wanted ? "resources/subscribe" : "resources/unsubscribe", s->uri);
}

static void
subscription_drop(struct hub *h, struct subscription *s)
{
	if (--s->users > 0)
		return;
	(void)map_del(&h->subscribed, str_of(s->key));
	timer_stop(&s->notify);
	changed(s, false);
	free(s->key);
	free(s->uri);
	free(s);
}

void
updates_fini(struct updates *u)
{
	size_t it = 0;
	struct str key;
	void *s;

	while (map_next(&u->uris, &it, &key, &s)) {
		updates_drop(u, key);
		it = 0; /* it has left the map */
	}
	map_fini(&u->uris);
}

/* The map borrows its keys: each user's is the one that it was added with, kept in `name`. */
struct use {
	struct subscription *s;
	char *name;
};

static void
name_put(struct buf *out, const struct server *sv, char sep, struct str uri)
{
	buf_put(out, sv->name);
	buf_putc(out, sep);
	buf_put(out, uri);
}

static struct subscription *
subscription_find(const struct hub *h, const struct server *sv, struct str uri, struct buf *key)
{
	name_put(key, sv, '\n', uri);
	return buf_ok(key) ? map_get(&h->subscribed, buf_str(key)) : NULL;
}

static struct subscription *
subscription_get(struct hub *h, struct server *sv, struct str uri)
{
	struct subscription *s;
	struct buf key;

	buf_init(&key, 65536);
	s = subscription_find(h, sv, uri, &key);
	if (s == NULL) {
		s = mem_zalloc(sizeof(*s));
		s->sv = sv;
		s->key = str_dup(buf_str(&key));
		s->uri = str_dup(uri);
		map_set(&h->subscribed, str_of(s->key), s);
	}
	buf_fini(&key);
	if (s->users++ == 0)
		changed(s, true);
	return s;
}

static bool
may_read(struct hub *h, struct key *k, struct str view, const struct server *sv, struct str uri)
{
	struct buf name;
	bool ok;

	buf_init(&name, 65536);
	name_put(&name, sv, '/', uri);
	ok = buf_ok(&name) && rules_may_list(h->core, k, view, ASK_RESOURCE, buf_str(&name));
	buf_fini(&name);
	return ok;
}

bool
updates_add(struct updates *u, struct key *k, struct str view, struct str listed, struct err *e)
{
	struct hub *h = u->hub;
	struct server *sv;
	struct use *use;
	struct buf own;
	bool ok;

	if (map_get(&u->uris, listed) != NULL)
		return true;
	if (u->uris.n >= UPDATES_URIS_MAX || h->subscribed.n >= SUBSCRIPTIONS_ALL_MAX)
		return err_set(e, ERR_OVERLOAD, "too many resources are subscribed to");
	buf_init(&own, 65536);
	sv = hub_find_resource(h, listed, &own);
	ok = sv != NULL && may_read(h, k, view, sv, buf_str(&own));
	if (ok) {
		use = mem_zalloc(sizeof(*use));
		use->name = str_dup(listed);
		use->s = subscription_get(h, sv, buf_str(&own));
		map_set(&u->uris, str_of(use->name), use);
	}
	buf_fini(&own);
	return ok ? true
		  : err_set(e, ERR_NOT_FOUND, "Unknown resource: " STR_FMT,
			(int)(listed.n > 200 ? 200 : listed.n), listed.p);
}

void
updates_drop(struct updates *u, struct str listed)
{
	struct use *use = map_del(&u->uris, listed);

	if (use == NULL)
		return;
	subscription_drop(u->hub, use->s);
	free(use->name);
	free(use);
}

bool
updates_has(const struct updates *u, struct str listed)
{
	return map_get(&u->uris, listed) != NULL;
}

void
updates_tell(struct server *sv)
{
	size_t it = 0;
	struct str key;
	void *s;

	if (sv->era == ERA_MODERN || (sv->can & SERVER_SUBSCRIBES) == 0)
		return; /* a modern one is told by listen */
	while (map_next(&sv->hub->subscribed, &it, &key, &s))
		if (((struct subscription *)s)->sv == sv)
			legacy_tell(sv, "resources/subscribe", ((struct subscription *)s)->uri);
}

void
updates_put_listen(struct buf *out, const struct server *sv)
{
	const char *comma = "";
	size_t it = 0;
	struct str key;
	void *s;

	buf_puts(out, "\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":true,"
		      "\"resourcesListChanged\":true,\"resourceSubscriptions\":[");
	while (map_next(&sv->hub->subscribed, &it, &key, &s)) {
		if (((struct subscription *)s)->sv != sv)
			continue;
		buf_puts(out, comma);
		comma = ",";
		buf_json_str(out, str_of(((struct subscription *)s)->uri));
	}
	buf_puts(out, "]}");
}

static void
notify(void *ctx)
{
	struct subscription *s = ctx;
	struct hub *h = s->sv->hub;
	struct buf listed, name;

	buf_init(&listed, 65536);
	buf_init(&name, 65536);
	hub_put_uri(h, &listed, s->sv, str_of(s->uri));
	name_put(&name, s->sv, '/', str_of(s->uri));
	if (buf_ok(&listed) && buf_ok(&name))
		streams_updated(h, buf_str(&listed), buf_str(&name));
	buf_fini(&listed);
	buf_fini(&name);
}

void
updates_arrived(struct server *sv, const struct rpc *m)
{
	struct subscription *s;
	struct str raw, uri;
	struct arena a;
	struct buf key;

	if (!json_get(m->params, STR("uri"), &raw) || raw.n > 16384)
		return;
	arena_init(&a, 65536);
	buf_init(&key, 65536);
	s = json_string(raw, &a, &uri) ? subscription_find(sv->hub, sv, uri, &key) : NULL;
	if (s != NULL && !timer_armed(&s->notify))
		timer_set(sv->loop, &s->notify, NOTIFY_MS, notify, s);
	buf_fini(&key);
	arena_free(&a);
}

void
updates_free(struct hub *h)
{
	ASSERT(h->subscribed.n == 0);
	map_fini(&h->subscribed);
}
