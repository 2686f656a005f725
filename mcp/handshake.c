/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake - how a server that has been connected to and we agree on an era, and what it can do.
 *
 *   handshake() --server/discover--> on_probe() --modern--> LISTING
 *        |                               \--else--> initialize --> on_initialize() --> LISTING
 *        \--pinned or known legacy--> initialize
 *
 * An instance of one client has nothing to list: it is READY.  Whatever goes wrong is the server's
 * failure, and what was learned by it (it died when probed, it takes no POST) counts next time.
 */
#include "mcp/handshake.h"

#include <stdlib.h>

#include "mcp/hub.h"
#include "mcp/instance.h"
#include "mcp/peer.h"

#define INSTRUCTIONS_BYTES_MAX 4096

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
waiting_send(struct server *sv)
{
	while (!link_empty(&sv->waiting)) {
		struct upcall *u = CONTAINER(sv->waiting.next, struct upcall, waiting);

		link_drop(&u->waiting);
		loop_after_journal(sv->loop, &u->send, upcall_send, u);
	}
}

/* What it said of itself, in initialize's result or in discover's. */
static void
declared(struct server *sv, struct str result)
{
	static const struct {
		struct str name;
		unsigned bit;
	} known[] = { { STR("tools"), SERVER_TOOLS }, { STR("prompts"), SERVER_PROMPTS },
		{ STR("resources"), SERVER_RESOURCES }, { STR("completions"), SERVER_COMPLETES },
		{ STR("logging"), SERVER_LOGS } };
	struct str caps, v, text;
	struct arena a;
	bool on;

	sv->can = 0;
	if (json_get(result, STR("capabilities"), &caps) && json_kind(caps) == JSON_OBJECT) {
		for (size_t i = 0; i < COUNT(known); i++)
			if (json_get(caps, known[i].name, &v) && json_kind(v) == JSON_OBJECT)
				sv->can |= known[i].bit;
		if (json_get(caps, STR("resources"), &v) && json_kind(v) == JSON_OBJECT &&
		    json_get(v, STR("subscribe"), &v) && json_bool(v, &on) && on)
			sv->can |= SERVER_SUBSCRIBES;
	} else {
		sv->can = SERVER_TOOLS;
	}
	MEM_FREE(&sv->instructions);
	arena_init(&a, 1 << 20);
	if (json_get(result, STR("instructions"), &v) && v.n < (1 << 18) &&
	    json_string(v, &a, &text) && str_utf8(text) && text.n > 0)
		sv->instructions = str_dup(str_clip(text, INSTRUCTIONS_BYTES_MAX));
	arena_free(&a);
}

/* A server of 2024-11-05 has something else where others take initialize. */
static bool
may_be_sse(const struct server *sv, const struct reply *r)
{
	return sv->type == &server_http && sv->s->transport == TRANSPORT_AUTO && sv->of == NULL &&
	       sv->s->oauth == NULL && (r->status == 400 || r->status == 404 || r->status == 405);
}

static bool
version_good(struct server *sv, struct str result, struct err *e)
{
	struct str raw, said = STR("");

	if (json_get(result, STR("protocolVersion"), &raw) && raw.n > 2 &&
	    json_kind(raw) == JSON_STRING)
		said = (struct str){ raw.p + 1, raw.n - 2 };
	if (era_legacy_version(said) == NULL)
		return err_set(e, ERR_UPSTREAM, "initialize: a protocol version we do not speak");
	if (sv->s->version != NULL && !str_eq(said, str_of(sv->s->version)))
		return err_set(e, ERR_UPSTREAM,
		    "initialize: it answers " STR_FMT ", the settings want %s", STR_ARG(said),
		    sv->s->version);
	return str_copy(sv->version, sizeof(sv->version), said);
}

static void
on_initialize(void *ctx, const struct reply *r, const struct err *e)
{
	struct server *sv = ctx;
	struct server_ask ready = { .method = "notifications/initialized", .notification = true };
	struct err why;

	if (sv->state != SERVER_PROBING)
		return;
	if (e != NULL) {
		server_fail(sv, e);
		return;
	}
	if (r->result.p == NULL || r->status >= 400) {
		sv->sse_verdict = may_be_sse(sv, r);
		answer_fail(sv, "initialize", r);
		return;
	}
	if (!version_good(sv, r->result, &why)) {
		server_fail(sv, &why);
		return;
	}
	declared(sv, r->result);
	sv->era = ERA_LEGACY;
	sv->state = sv->of != NULL ? SERVER_READY : SERVER_LISTING;
	if (upcall_start(sv, sv->root, &ready, NULL, NULL, &why) == NULL) {
		server_fail(sv, &why);
		return;
	}
	sv->again = false;
	if (sv->of != NULL) {
		instance_ready(sv);
		sv->type->listen(sv);
	}
	waiting_send(sv);
	if (sv->of == NULL)
		listing_start(sv);
}

void
handshake_legacy(struct server *sv)
{
	struct buf params;

	buf_init(&params, 4096);
	buf_printf(&params, "\"protocolVersion\":\"%s\",\"capabilities\":",
	    sv->s->version != NULL    ? sv->s->version
	    : sv->type == &server_sse ? ERA_SSE_VERSION
				      : ERA_LEGACY_LATEST);
	peer_put_caps(&params, sv->caps);
	buf_printf(&params, ",\"clientInfo\":{\"name\":\"tollgate\",\"version\":\"%s\"}",
	    sv->hub->version);
	sv->era = ERA_LEGACY;
	sv->version[0] = '\0';
	(void)server_ask_own(
	    sv, "initialize", buf_str(&params), server_connect_ms(sv), on_initialize);
	buf_fini(&params);
}

static void on_probe(void *ctx, const struct reply *r, const struct err *e);

/* Silence must leave time for initialize. */
static void
probe(struct server *sv)
{
	(void)server_ask_own(sv, "server/discover", STR(""), server_connect_ms(sv) / 2, on_probe);
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
	if (e == NULL && r->code == RPC_VERSION && !sv->reprobed && era_supported(r->error)) {
		sv->reprobed = true; /* it refused once what it says that it speaks */
		probe(sv);
		return;
	}
	switch (e != NULL ? ERA_TRY_LEGACY : era_after_probe(r->status, r->code, r->result)) {
	case ERA_IS_MODERN:
		declared(sv, r->result);
		sv->era = ERA_MODERN;
		sv->state = sv->of != NULL ? SERVER_READY : SERVER_LISTING;
		waiting_send(sv);
		if (sv->of == NULL)
			listing_start(sv);
		return;
	case ERA_TRY_LEGACY:
		if (sv->s->protocol != MCP_MODERN) {
			handshake_legacy(sv);
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
handshake(struct server *sv)
{
	if (sv->s->protocol == MCP_LEGACY || sv->legacy_verdict || sv->era == ERA_LEGACY ||
	    sv->type == &server_sse)
		handshake_legacy(sv);
	else
		probe(sv);
}
