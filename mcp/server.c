/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the life of one upstream server, whatever its wire.
 *
 *   server_connect() --handshake.c: an era--> listing_start()
 *   listing_start() --listing.c has everything--> server_listed(): READY
 *   server_fail(): everything in flight on this server fails, then back-off with jitter
 *
 * Invariant: one server's trouble stays here (deadlines, caps and the back-off are per server).
 */
#include "mcp/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"
#include "mcp/handshake.h"
#include "mcp/instance.h"
#include "mcp/oauth.h"
#include "mcp/updates.h"
#include "mcp/view.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS   60000
#define LIST_BYTES_MAX   ((size_t)16 << 20)
#define CONNECT_MS       5000
#define HEALTH_MS        10000
#define LINGER_MS        1000

int
server_connect_ms(const struct server *sv)
{
	return sv->s->connect_ms > 0 ? sv->s->connect_ms : CONNECT_MS;
}

static const struct server_type *
type_of(const struct server_settings *s)
{
	if (s->argv != NULL)
		return &server_stdio;
	if (s->openapi != NULL)
		return &server_openapi;
	return s->transport == TRANSPORT_SSE ? &server_sse : &server_http;
}

bool
server_init(struct server *sv, struct hub *h, const struct server_settings *s, struct err *e)
{
	*sv = (struct server){ .magic = SERVER_MAGIC,
		.hub = h,
		.loop = h->loop,
		.s = s,
		.name = str_of(s->name),
		.state = s->disabled != NULL ? SERVER_DISABLED : SERVER_DOWN,
		.type = type_of(s),
		.root = &h->job };
	if ((s->argv == NULL) == (s->url == NULL))
		return err_set(e, ERR_INVALID, "server %s needs a command or a url", s->name);
	map_init(&sv->pending);
	map_init(&sv->instances);
	link_init(&sv->of_buried);
	link_init(&sv->upcalls);
	link_init(&sv->waiting);
	return true;
}

void
server_fini(struct server *sv)
{
	sv->type->free(sv);
	map_fini(&sv->pending);
	map_fini(&sv->instances);
	listing_drop(sv);
	toolset_free(&sv->seen);
	toolset_free(&sv->tools);
	for (size_t i = 0; i < OFFER_KINDS; i++)
		offerset_free(&sv->offers[i]);
	free(sv->instructions);
	free(sv->owner);
	oauth_free(&sv->oauth);
}

struct origin *
server_origin(const struct server *sv, struct err *e)
{
	struct origin_settings s = { .url = sv->s->url,
		.ca_file = sv->s->ca_file,
		.proxy = sv->s->proxy,
		.connect_ms = server_connect_ms(sv) };

	return origin_new(sv->hub->pool, &s, e);
}

const char *
server_state_word(const struct server *sv)
{
	switch (sv->state) {
	case SERVER_DISABLED:
		return "disabled";
	case SERVER_DOWN:
		return sv->failures == 0 ? "starting" : "down";
	case SERVER_PROBING:
	case SERVER_LISTING:
		return "starting";
	case SERVER_READY:
		return "ready";
	}
	UNREACHABLE();
}

/* ---- health ---- */

static void
on_health(void *ctx, const struct reply *r, const struct err *e)
{
	struct server *sv = ctx;

	sv->checking = false;
	if (e == NULL || (r->status != 0 && e->code != ERR_TIMEOUT))
		return; /* it answers: one slow tool is no slow server */
	if (sv->state == SERVER_READY)
		server_fail(sv, e);
}

void
server_doubt(struct server *sv)
{
	struct server_ask a = { .method = sv->era == ERA_MODERN ? "server/discover" : "ping",
		.deadline_ms = sv->s->list_ms > 0 ? sv->s->list_ms : HEALTH_MS,
		.reply_bytes_max = 1 << 20 };
	struct err e;

	if (sv->checking || sv->state != SERVER_READY || sv->type != &server_stdio)
		return;
	sv->checking = upcall_start(sv, sv->root, &a, on_health, sv, &e) != NULL;
}

/* ---- what comes up ---- */

void
server_listens(struct server *sv, struct upcall *u)
{
	struct upcall *older = sv->listened;

	sv->listened = sv->listener;
	sv->listener = u;
	if (older != NULL)
		job_cancel(&older->job);
}

void
server_unlistens(struct server *sv, const struct upcall *u)
{
	if (sv->listener == u)
		sv->listener = NULL;
	if (sv->listened == u)
		sv->listened = NULL;
}

static void
on_lingered(void *ctx)
{
	struct server *sv = ctx;
	struct upcall *old = sv->listened;

	sv->listened = NULL;
	if (old != NULL)
		job_cancel(&old->job);
}

/* The new stream works: the old one may go, when what was on its way there has arrived. */
static void
acknowledged(struct server *sv, const struct rpc *m)
{
	struct upcall *old = sv->listened;
	struct str meta, id;

	if (old == NULL ||
	    (json_get(m->params, STR("_meta"), &meta) && json_kind(meta) == JSON_OBJECT &&
		json_get(meta, STR(META_SUBSCRIPTION), &id) && str_eq(id, str_of(old->id))))
		return; /* none, or its own acknowledgement, late */
	timer_set(sv->loop, &sv->linger, LINGER_MS, on_lingered, sv);
}

void
server_message(struct server *sv, const struct rpc *m, int status)
{
	struct reply r = { .status = status, .result = m->result, .error = m->error };
	struct upcall *u;
	struct str code;
	int64_t v;

	if (m->kind == RPC_IS_NOTIFICATION && str_ends(str_of(m->method), STR("/list_changed")))
		listing_changed(server_main(sv));
	if (m->kind == RPC_IS_NOTIFICATION && rpc_is(m, "notifications/subscriptions/acknowledged"))
		acknowledged(sv, m);
	if (m->kind == RPC_IS_NOTIFICATION && rpc_is(m, "notifications/resources/updated"))
		updates_arrived(server_main(sv), m);
	if (m->kind == RPC_IS_NOTIFICATION || m->kind == RPC_IS_REQUEST || m->id.p == NULL)
		return;
	u = map_get(&sv->pending, m->id);
	if (u == NULL)
		return; /* late, or never asked */
	if (m->error.p != NULL && json_get(m->error, STR("code"), &code) && json_i64(code, &v))
		r.code = v < -100000 || v > 100000 ? RPC_SERVER : (int)v;
	upcall_answer(u, &r, NULL);
}

static void
connect_now(void *ctx)
{
	server_connect(ctx);
}

static int64_t
backoff_ms(int failures)
{
	int64_t ms = BACKOFF_FIRST_MS;
	uint16_t r;

	for (int i = 1; i < failures && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	crypto_random(&r, sizeof(r));
	return ms - ms / 4 + (ms / 2) * r / 65536;
}

void
server_stop(struct server *sv)
{
	instances_end(sv);
	timer_stop(&sv->timer);
	timer_stop(&sv->idle);
	timer_stop(&sv->linger);
	deferred_drop(&sv->relisten);
	sv->state = SERVER_DISABLED;
	while (!link_empty(&sv->upcalls))
		job_cancel(&CONTAINER(sv->upcalls.next, struct upcall, of_server)->job);
	sv->type->close(sv);
}

static void
upcalls_fail(struct server *sv, const struct err *e)
{
	while (!link_empty(&sv->upcalls)) {
		struct upcall *u = CONTAINER(sv->upcalls.next, struct upcall, of_server);

		upcall_answer(u, NULL, e);
	}
}

static void
settled(const struct server *sv)
{
	if (sv->hub->listed != NULL)
		sv->hub->listed(sv->hub->listed_ctx);
}

void
server_fail(struct server *sv, const struct err *e)
{
	struct err why = *e;
	bool probed = sv->state == SERVER_PROBING && !sv->legacy_verdict &&
		      sv->type == &server_stdio && sv->s->protocol == MCP_AUTO &&
		      sv->era == ERA_UNKNOWN;

	if (sv->state == SERVER_DOWN)
		return;
	if (sv->type == &server_sse)
		sv->sse_verdict = false; /* it may be another when it is back */
	sv->state = SERVER_DOWN;
	sv->again = false;
	listing_drop(sv);
	sv->legacy_verdict = probed; /* some servers exit on server/discover */
	sv->failures++;
	sv->restarts++;
	(void)str_copy(sv->failure, sizeof(sv->failure), str_of(why.text));
	if (sv->of != NULL) {
		(void)err_set(&why, why.code == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UPSTREAM,
		    "server %s is down: %.300s", sv->s->name, sv->failure);
		upcalls_fail(sv, &why);
		if (!sv->connecting)
			instance_over(sv);
		return;
	}
	settled(sv);
	log_warn(NULL, "server down", F_STR("server", sv->name), F_TEXT("why", why.text),
	    F_INT("failures", sv->failures));
	(void)err_set(&why, why.code == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UPSTREAM,
	    "server %s is down: %.300s", sv->s->name, sv->failure);
	timer_set(sv->loop, &sv->timer, probed || sv->sse_verdict ? 1 : backoff_ms(sv->failures),
	    connect_now, sv);
	upcalls_fail(sv, &why);
	sv->type->close(sv);
}

/* ---- what is asked on our own ---- */

bool
server_ask_own(
    struct server *sv, const char *method, struct str params, int deadline_ms, reply_f *fn)
{
	struct server_ask a = { .method = method,
		.params = params,
		.deadline_ms = deadline_ms,
		.reply_bytes_max = LIST_BYTES_MAX };
	struct err e;

	if (upcall_start(sv, sv->root, &a, fn, sv, &e) != NULL)
		return true;
	server_fail(sv, &e);
	return false;
}

/* listing.c has read everything for the first time. */
void
server_listed(struct server *sv)
{
	sv->failures = 0;
	sv->state = SERVER_READY;
	log_info(NULL, "server ready", F_STR("server", sv->name),
	    F_INT("tools", (int64_t)toolset_count(sv->seen)),
	    F_TEXT("era", sv->era == ERA_MODERN ? "modern" : "legacy"));
	sv->type->listen(sv);
	updates_tell(sv);
	settled(sv);
}

/* Nothing is under way on the old wire, and its upcalls' memory knows its own type. */
static void
transport_choose(struct server *sv)
{
	const struct server_type *want = sv->type;

	if (sv->of == NULL && type_of(sv->s) == &server_http && sv->s->transport == TRANSPORT_AUTO)
		want = sv->sse_verdict ? &server_sse : &server_http;
	if (want == sv->type)
		return;
	sv->type->free(sv);
	sv->type = want;
}

void
server_connect(struct server *sv)
{
	struct err e;

	IS(sv, SERVER_MAGIC);
	if (sv->state != SERVER_DOWN)
		return;
	transport_choose(sv);
	sv->state = SERVER_PROBING;
	sv->era = sv->of != NULL ? sv->of->era : ERA_UNKNOWN;
	sv->connecting = true;
	sv->reprobed = false;
	if (!sv->type->open(sv, &e))
		server_fail(sv, &e);
	else
		handshake(sv);
	sv->connecting = false;
}

void
server_refuse(struct server *sv, const struct rpc *m)
{
	struct buf b;

	buf_init(&b, 4096);
	if (rpc_is(m, "ping"))
		rpc_put_result(&b, m->id, STR("{}"));
	else
		rpc_put_error(&b, m->id, RPC_METHOD, STR("Method not found"), STR(""));
	if (buf_ok(&b))
		sv->type->tell(sv, buf_str(&b));
	buf_fini(&b);
}

void
server_again(struct server *sv, struct upcall *u)
{
	bool ours = u->notice == NULL; /* a listing begins anew, it is not sent again */
	struct err e;

	if (u->replayed || sv->era != ERA_LEGACY || (ours && sv->state != SERVER_READY)) {
		(void)err_set(&e, ERR_UPSTREAM, "server %s lost its session", sv->s->name);
		upcall_answer(u, NULL, &e);
		return;
	}
	if (sv->state == SERVER_READY) {
		sv->state = SERVER_PROBING;
		sv->again = true;
		listing_drop(sv);
		timer_stop(&sv->timer);
		handshake_legacy(sv);
	}
	if (ours) {
		(void)err_set(&e, ERR_UPSTREAM, "server %s lost its session", sv->s->name);
		upcall_answer(u, NULL, &e);
		return;
	}
	u->replayed = true;
	u->sent = false;
	link_push(&sv->waiting, &u->waiting);
}
