/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the life of one upstream server, whatever its wire.
 *
 *   server_connect() --server/discover--> on_probe() --modern--> list_next()
 *                          |                  \--else--> initialize --> on_initialize() --> …
 *                          \--pinned or known legacy--> initialize
 *   list_next() --page--> on_page() --more--> list_next()
 *                              \--last--> catalog gets the set, READY
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
#include "mcp/hub.h"

#define PAGES_MAX        200
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS   60000
#define REFRESH_SPACE_MS 1000
#define REFRESH_AFTER_MS 100
#define RELIST_MS        300000
#define LIST_BYTES_MAX   ((size_t)16 << 20)
#define CONNECT_MS       5000
#define LIST_MS          10000

static void list_start(void *ctx);
static void initialize(struct server *sv);

static int
or_usual(int value, int usual)
{
	return value > 0 ? value : usual;
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
		.type = s->argv != NULL ? &server_stdio : &server_http,
		.root = &h->job };
	if ((s->argv == NULL) == (s->url == NULL))
		return err_set(e, ERR_INVALID, "server %s needs a command or a url", s->name);
	map_init(&sv->pending);
	link_init(&sv->upcalls);
	link_init(&sv->waiting);
	return true;
}

void
server_fini(struct server *sv)
{
	sv->type->free(sv);
	map_fini(&sv->pending);
	toolset_free(&sv->tools);
	toolset_free(&sv->listing);
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
		.deadline_ms = or_usual(sv->s->list_ms, LIST_MS),
		.reply_bytes_max = 1 << 20 };
	struct err e;

	if (sv->checking || sv->state != SERVER_READY || sv->type != &server_stdio)
		return;
	sv->checking = upcall_start(sv, sv->root, &a, on_health, sv, &e) != NULL;
}

/* ---- what comes up ---- */

void
server_message(struct server *sv, const struct rpc *m, int status)
{
	struct reply r = { .status = status, .result = m->result, .error = m->error };
	struct upcall *u;
	struct str code;
	int64_t v;

	if (m->kind == RPC_IS_NOTIFICATION && rpc_is(m, "notifications/tools/list_changed"))
		server_list_changed(sv);
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
refresh(void *ctx)
{
	list_start(ctx);
}

/* At once when it is quiet, else once per REFRESH_SPACE_MS, however often it says so. */
void
server_list_changed(struct server *sv)
{
	int64_t now = loop_mono_ms(sv->loop), wait = sv->listed_ms + REFRESH_SPACE_MS - now;

	if (sv->state == SERVER_LISTING || sv->listing != NULL) {
		sv->stale = true;
		return;
	}
	if (wait < REFRESH_AFTER_MS)
		wait = REFRESH_AFTER_MS;
	if (sv->state == SERVER_READY && sv->timer.due_ms - now > wait)
		timer_set(sv->loop, &sv->timer, wait, refresh, sv);
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
	timer_stop(&sv->timer);
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

void
server_fail(struct server *sv, const struct err *e)
{
	struct err why = *e;
	bool probed = sv->state == SERVER_PROBING && !sv->legacy_verdict &&
		      sv->type == &server_stdio && sv->s->protocol == MCP_AUTO &&
		      sv->era == ERA_UNKNOWN;

	if (sv->state == SERVER_DOWN)
		return;
	sv->state = SERVER_DOWN;
	sv->again = false;
	toolset_free(&sv->listing);
	sv->stale = false;
	sv->legacy_verdict = probed; /* some servers exit on server/discover */
	sv->failures++;
	sv->restarts++;
	(void)str_copy(sv->failure, sizeof(sv->failure), str_of(why.text));
	log_warn(NULL, "server down", F_STR("server", sv->name), F_TEXT("why", why.text),
	    F_INT("failures", sv->failures));
	(void)err_set(&why, why.code == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UPSTREAM,
	    "server %s is down: %.300s", sv->s->name, sv->failure);
	timer_set(sv->loop, &sv->timer, probed ? 1 : backoff_ms(sv->failures), connect_now, sv);
	upcalls_fail(sv, &why);
	sv->type->close(sv);
}

/* ---- the way to READY ---- */

static bool
life_ask(struct server *sv, const char *method, struct str params, int deadline_ms, reply_f *fn)
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

static void
answer_fail(struct server *sv, const char *what, const struct reply *r)
{
	struct err e;

	if (r->status >= 400)
		(void)err_set(&e, ERR_UPSTREAM, "%s: HTTP %d%s", what, r->status,
		    r->status == 401 || r->status == 403 ? ", it refuses our credentials" : "");
	else
		(void)err_set(&e, ERR_UPSTREAM, "%s: error %d", what, r->code);
	server_fail(sv, &e);
}

static void
on_page(void *ctx, const struct reply *r, const struct err *e)
{
	struct server *sv = ctx;
	struct str list = STR_NONE, next = STR_NONE;
	struct err why;
	bool ok = e == NULL && r->result.p != NULL;

	if (sv->state != SERVER_LISTING && sv->state != SERVER_READY)
		return;
	ok = ok && json_get(r->result, STR("tools"), &list) && json_kind(list) == JSON_ARRAY;
	if (!ok) {
		toolset_free(&sv->listing);
		if (e == NULL)
			(void)err_set(&why, ERR_UPSTREAM, "tools/list: %s",
			    r->error.p != NULL ? "answered with an error" : "not a list of tools");
		if (sv->state == SERVER_LISTING)
			server_fail(sv, e != NULL ? e : &why);
		else /* what was known stays */
			timer_set(sv->loop, &sv->timer, RELIST_MS / 10, refresh, sv);
		return;
	}
	toolset_add_page(sv->listing, list);
	if (json_get(r->result, STR("nextCursor"), &next) && json_kind(next) == JSON_STRING &&
	    next.n < sizeof(sv->cursor) && !str_eq(next, str_of(sv->cursor)) &&
	    !str_eq(next, str_of(sv->last_cursor)) && ++sv->pages < PAGES_MAX) {
		(void)str_copy(sv->last_cursor, sizeof(sv->last_cursor), str_of(sv->cursor));
		(void)str_copy(sv->cursor, sizeof(sv->cursor), next);
		list_start(sv);
		return;
	}
	hub_take_tools(sv->hub, sv);
	sv->listed_ms = loop_mono_ms(sv->loop);
	sv->failures = 0;
	if (sv->state == SERVER_LISTING) {
		sv->state = SERVER_READY;
		log_info(NULL, "server ready", F_STR("server", sv->name),
		    F_INT("tools", (int64_t)toolset_count(sv->tools)),
		    F_TEXT("era", sv->era == ERA_MODERN ? "modern" : "legacy"));
		sv->type->listen(sv);
	}
	timer_set(sv->loop, &sv->timer, sv->stale ? REFRESH_SPACE_MS : RELIST_MS, refresh, sv);
	sv->stale = false;
}

/* The first page, or the next one when a cursor is set. */
static void
list_start(void *ctx)
{
	struct server *sv = ctx;
	char params[sizeof(sv->cursor) + 32];
	int n = 0;

	if (sv->listing == NULL) {
		sv->listing = toolset_new(sv->name);
		sv->cursor[0] = sv->last_cursor[0] = '\0';
		sv->pages = 0;
	}
	if (sv->cursor[0] != '\0')
		n = snprintf(params, sizeof(params), "\"cursor\":%s", sv->cursor);
	(void)life_ask(sv, "tools/list", (struct str){ params, n > 0 ? (size_t)n : 0 },
	    or_usual(sv->s->list_ms, LIST_MS), on_page);
}

static void
waiting_send(struct server *sv)
{
	while (!link_empty(&sv->waiting)) {
		struct upcall *u = CONTAINER(sv->waiting.next, struct upcall, waiting);

		link_drop(&u->waiting);
		loop_after_journal(sv->loop, &u->send, upcall_send, u);
	}
}

static void
on_initialize(void *ctx, const struct reply *r, const struct err *e)
{
	struct server *sv = ctx;
	struct server_ask ready = { .method = "notifications/initialized", .notification = true };
	struct str raw;
	struct err why;

	if (sv->state != SERVER_PROBING)
		return;
	if (e != NULL) {
		server_fail(sv, e);
		return;
	}
	if (r->result.p == NULL || r->status >= 400) {
		answer_fail(sv, "initialize", r);
		return;
	}
	if (!json_get(r->result, STR("protocolVersion"), &raw) || raw.n < 2 ||
	    json_kind(raw) != JSON_STRING ||
	    era_legacy_version((struct str){ raw.p + 1, raw.n - 2 }) == NULL) {
		(void)err_set(&why, ERR_UPSTREAM, "initialize: a protocol version we do not speak");
		server_fail(sv, &why);
		return;
	}
	(void)str_copy(sv->version, sizeof(sv->version), (struct str){ raw.p + 1, raw.n - 2 });
	sv->era = ERA_LEGACY;
	sv->state = SERVER_LISTING;
	if (upcall_start(sv, sv->root, &ready, NULL, NULL, &why) == NULL) {
		server_fail(sv, &why);
		return;
	}
	sv->again = false;
	waiting_send(sv);
	list_start(sv);
}

static void
initialize(struct server *sv)
{
	char params[256];
	int n = snprintf(params, sizeof(params),
	    "\"protocolVersion\":\"" ERA_LEGACY_LATEST "\",\"capabilities\":{},\"clientInfo\":{"
	    "\"name\":\"tollgate\",\"version\":\"%s\"}",
	    sv->hub->version);

	sv->era = ERA_LEGACY;
	sv->version[0] = '\0';
	(void)life_ask(sv, "initialize", (struct str){ params, (size_t)n },
	    or_usual(sv->s->connect_ms, CONNECT_MS), on_initialize);
}

static void
on_probe(void *ctx, const struct reply *r, const struct err *e)
{
	struct server *sv = ctx;

	if (sv->state != SERVER_PROBING)
		return;
	if (e != NULL && (sv->type != &server_stdio || e->code != ERR_TIMEOUT)) {
		server_fail(sv, e);
		return;
	}
	switch (e != NULL ? ERA_TRY_LEGACY : era_after_probe(r->status, r->code, r->result)) {
	case ERA_IS_MODERN:
		sv->era = ERA_MODERN;
		sv->state = SERVER_LISTING;
		waiting_send(sv);
		list_start(sv);
		return;
	case ERA_TRY_LEGACY:
		if (sv->s->protocol != MCP_MODERN) {
			initialize(sv);
			return;
		}
		break;
	case ERA_OUTAGE:
	case ERA_REFUSED:
		break;
	}
	answer_fail(sv, "server/discover", r);
}

void
server_connect(struct server *sv)
{
	struct err e;

	IS(sv, SERVER_MAGIC);
	if (sv->state != SERVER_DOWN)
		return;
	sv->state = SERVER_PROBING;
	sv->era = ERA_UNKNOWN;
	if (!sv->type->open(sv, &e)) {
		server_fail(sv, &e);
		return;
	}
	if (sv->s->protocol == MCP_LEGACY || sv->legacy_verdict)
		initialize(sv);
	else /* silence must leave time for initialize */
		(void)life_ask(sv, "server/discover", STR(""),
		    or_usual(sv->s->connect_ms, CONNECT_MS) / 2, on_probe);
}

void
server_again(struct server *sv, struct upcall *u)
{
	struct err e;

	if (u->replayed || sv->era != ERA_LEGACY) {
		(void)err_set(&e, ERR_UPSTREAM, "server %s lost its session", sv->s->name);
		upcall_answer(u, NULL, &e);
		return;
	}
	u->replayed = true;
	u->sent = false;
	link_push(&sv->waiting, &u->waiting);
	if (sv->state == SERVER_READY) {
		sv->state = SERVER_PROBING;
		sv->again = true;
		toolset_free(&sv->listing);
		timer_stop(&sv->timer);
		initialize(sv);
	}
}
