/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance - servers whose connection has a memory are not shared between keys.
 *
 *   isolation        stdio (default)     legacy HTTP, both kinds (default)   modern HTTP
 *   shared           one child (x)       one session                        no session
 *   per-key          a child per key     a session per key                   no session
 *   per-session      a child per session a session per session (x)           no session
 *
 * Where each user has his own token (oauth: per user), shared means per-key.
 *
 * The server itself stays the one that lists and is watched; an instance is a struct server of its
 * own that lists nothing and carries calls.  It is made by the first call, which waits in it, and
 * goes when it has been idle for IDLE_MS, when its session or its key ends, or when it fails.  A
 * modern client has no session: it is given its key's instance, one for each set of capabilities,
 * because a session declares them once.
 */
#include "mcp/instance.h"

#include <stdio.h>
#include <stdlib.h>

#include "mcp/hub.h"
#include "mcp/oauth.h"

#define IDLE_MS             300000
#define LEVEL_MS            10000
#define LEAVE_MS            1000 /* its session has ended, a call has not */
#define INSTANCES_MAX       1000 /* of one server, and of one key there */
#define OF_KEY_MAX          100
#define CHILDREN_MAX        64
#define CHILDREN_OF_KEY_MAX 8
#define NAME_BYTES          80

/* The most talkative level that was wanted; what is too much for one is left out on its way. */
static void
instance_log_level(struct server *in, int level)
{
	if (in->log_level >= 0 && in->log_level <= level)
		return;
	in->log_level = level;
	instance_ready(in);
}

void
instance_ready(struct server *in)
{
	char params[64];
	int n;

	if (in->state != SERVER_READY || in->era != ERA_LEGACY || in->log_level < 0 ||
	    (in->can & SERVER_LOGS) == 0)
		return;
	n = snprintf(params, sizeof(params), "\"level\":\"%s\"", peer_log_word(in->log_level));
	(void)server_ask_own(
	    in, "logging/setLevel", (struct str){ params, (size_t)n }, LEVEL_MS, NULL);
}

static enum mcp_isolation
isolation_of(const struct server *sv)
{
	bool personal = sv->oauth != NULL && sv->s->oauth->per_user;

	if (sv->type != &server_stdio && sv->era == ERA_MODERN) /* it has no sessions */
		return personal ? ISOLATION_PER_KEY : ISOLATION_SHARED;
	if (personal && sv->s->isolation == ISOLATION_SHARED)
		return ISOLATION_PER_KEY;
	if (sv->s->isolation != ISOLATION_USUAL)
		return sv->s->isolation;
	return sv->type == &server_stdio ? ISOLATION_SHARED : ISOLATION_PER_SESSION;
}

static void
bury(void *ctx)
{
	instances_reap(ctx);
}

void
instance_over(struct server *in)
{
	struct hub *h = in->hub;

	ASSERT(in->of != NULL);
	if (in->over)
		return;
	in->over = true;
	server_stop(in);
	key_watch_drop(&in->watch);
	(void)map_del(&in->of->instances, str_of(in->instance));
	link_push(&h->buried, &in->of_buried);
	timer_set(h->loop, &h->bury, 1, bury, h);
}

void
instances_reap(struct hub *h)
{
	while (!link_empty(&h->buried)) {
		struct server *in = CONTAINER(h->buried.next, struct server, of_buried);

		link_drop(&in->of_buried);
		server_fini(in);
		free(in);
	}
}

static bool
is_idle(const struct server *in)
{
	return in->upcalls_n == (size_t)(in->listener != NULL);
}

static void
on_idle(void *ctx)
{
	struct server *in = ctx;

	if (is_idle(in))
		instance_over(in);
	else
		timer_set(in->loop, &in->idle, in->leaving ? LEAVE_MS : IDLE_MS, on_idle, in);
}

static void
on_key(void *ctx, struct key *k)
{
	struct server *in = ctx;
	struct err e;

	if (!key_usable(k, loop_wall_ns(in->loop), &e))
		instance_over(in);
}

/* Room for one more of this key: its own idlest goes, or, when the server is full, anybody's; it
 * is made again when it is needed.  A key that keeps all of its own busy waits for itself. */
static bool
room_make(struct server *sv, const struct key *k, struct err *e)
{
	bool child = sv->type == &server_stdio;
	size_t of_key_max = child ? CHILDREN_OF_KEY_MAX : OF_KEY_MAX;
	size_t it = 0, of_key = 0, max = child ? CHILDREN_MAX : INSTANCES_MAX;
	struct server *own = NULL, *any = NULL;
	struct str name;
	void *v;

	while (map_next(&sv->instances, &it, &name, &v)) {
		struct server *in = v;

		of_key += in->key == k;
		if (!is_idle(in))
			continue;
		if (any == NULL || in->idle.due_ms < any->idle.due_ms)
			any = in;
		if (in->key == k && (own == NULL || in->idle.due_ms < own->idle.due_ms))
			own = in;
	}
	if (of_key < of_key_max && sv->instances.n < max)
		return true;
	if (of_key >= of_key_max)
		any = own;
	if (any == NULL)
		return err_set(e, ERR_OVERLOAD, "server %s has %zu sessions of this key in use",
		    sv->s->name, of_key);
	instance_over(any);
	return true;
}

/* Whose token its requests carry; NULL: the gateway's own. */
static char *
owner_of(const struct server *sv, const struct key *k)
{
	struct buf b;
	char *owner;

	if (sv->oauth == NULL || !sv->s->oauth->per_user)
		return NULL;
	buf_init(&b, 4096);
	oauth_owner_put(k, &b);
	owner = str_dup(buf_str(&b));
	buf_fini(&b);
	return owner;
}

static struct server *
instance_make(struct server *sv, struct key *k, struct str name, unsigned caps, struct err *e)
{
	struct server *in;

	if (!room_make(sv, k, e))
		return NULL;
	in = mem_alloc(sizeof(*in));
	if (!server_init(in, sv->hub, sv->s, e)) {
		free(in);
		return NULL;
	}
	in->of = sv;
	in->type = sv->type;
	in->key = k;
	in->caps = caps;
	in->owner = owner_of(sv, k);
	in->log_level = -1;
	(void)str_copy(in->instance, sizeof(in->instance), name);
	in->watch = (struct key_watch){ .fn = on_key, .ctx = in };
	key_watch_add(k, &in->watch);
	map_set(&sv->instances, str_of(in->instance), in);
	server_connect(in);
	if (in->state == SERVER_DOWN) {
		(void)err_set(
		    e, ERR_UPSTREAM, "server %s is down: %.300s", sv->s->name, in->failure);
		instance_over(in);
		return NULL;
	}
	return in;
}

struct server *
instance_for(struct server *sv, struct key *k, const struct call_peer *peer, struct err *e)
{
	enum mcp_isolation how = isolation_of(sv);
	unsigned caps = peer != NULL ? peer->caps : 0;
	char name[NAME_BYTES];
	struct key_info info;
	struct server *in;

	if (how == ISOLATION_SHARED)
		return sv;
	key_info(k, &info);
	if (how == ISOLATION_PER_SESSION && peer != NULL && peer->session.n > 0)
		(void)snprintf(name, sizeof(name), STR_FMT, STR_ARG(peer->session));
	else
		(void)snprintf(name, sizeof(name), STR_FMT "/%u", STR_ARG(info.id), caps);
	in = map_get(&sv->instances, str_of(name));
	if (in == NULL)
		in = instance_make(sv, k, str_of(name), caps, e);
	if (in == NULL)
		return NULL;
	timer_set(sv->loop, &in->idle, IDLE_MS, on_idle, in);
	if (peer != NULL && peer->log_level >= 0 && peer->log_level < PEER_LOG_NONE)
		instance_log_level(in, peer->log_level);
	return in;
}

void
instance_leave_to_one(struct server *in)
{
	if (in->of == NULL || in->over || in->type == &server_http ||
	    str_has(str_of(in->instance), '!'))
		return;
	(void)map_del(&in->of->instances, str_of(in->instance));
	(void)snprintf(
	    in->instance, sizeof(in->instance), "!%llu", (unsigned long long)++in->of->left_to_one);
	map_set(&in->of->instances, str_of(in->instance), in);
}

void
instances_of_session_end(struct hub *h, struct str tag)
{
	for (size_t i = 0; i < h->servers_n; i++) {
		struct server *in = map_get(&h->servers[i].instances, tag);

		if (in == NULL)
			continue;
		in->leaving = true; /* a call in flight still gets its answer */
		if (is_idle(in))
			instance_over(in);
		else
			timer_set(in->loop, &in->idle, LEAVE_MS, on_idle, in);
	}
}

void
instances_end(struct server *sv)
{
	size_t it = 0;
	struct str key;
	void *in;

	while (map_next(&sv->instances, &it, &key, &in)) {
		instance_over(in);
		it = 0; /* it has left the map */
	}
}
