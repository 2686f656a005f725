/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_legacy - 2024-11-05 … 2025-11-25: initialize, then a session.
 *
 *   initialize -> session id in the reply's header -> every later request names it
 *   no id: 400.  an unknown, ended or foreign id: 404, and the client initializes again.
 *
 * Answers to requests that were never sent are taken and dropped (202).  Batches exist only in
 * 2025-03-26: their replies are collected and sent as one array.
 */
#include <stdlib.h>

#include "mcp/bridge.h"
#include "mcp/serve.h"

#define BATCH_MAX       100
#define BATCH_BYTES_MAX ((size_t)64 << 20)

struct batch {
	struct job job;
	struct visit v;
	struct buf out;
	size_t waiting;
};

static void
initialize(struct visit *v, const struct rpc *m)
{
	struct str raw, caps = STR(""), wanted = STR("");
	const char *version;
	struct session *s;
	struct buf b, reply;
	struct err e;

	if (json_get(m->params, STR("protocolVersion"), &raw) && json_kind(raw) == JSON_STRING)
		wanted = (struct str){ raw.p + 1, raw.n - 2 };
	version = era_legacy_version(wanted);
	if (version == NULL)
		version = ERA_LEGACY_LATEST;
	(void)json_get(m->params, STR("capabilities"), &caps);
	s = session_new(v, version, peer_caps(caps), &e);
	if (s == NULL) {
		reply_error(v, err_http(e.code), m->id, err_rpc(e.code), e.text);
		return;
	}
	buf_init(&b, 65536);
	buf_init(&reply, 65536);
	buf_printf(&b,
	    "{\"protocolVersion\":\"%s\",\"serverInfo\":{\"name\":\"tollgate\",\"version\":",
	    version);
	buf_json_str(&b, str_of(v->hub->version));
	buf_puts(&b, "},");
	serve_put_self(v, &b);
	buf_putc(&b, '}');
	rpc_put_result(&reply, m->id, buf_str(&b));
	reply_json(v, 200, buf_str(&reply), str_of(s->id));
	buf_fini(&b);
	buf_fini(&reply);
}

/* Sets v->session, or answers 400 or 404. */
static bool
session_named(struct visit *v, struct str id)
{
	const struct header *h = http1_find(v->r->head, STR("mcp-session-id"));

	if (h == NULL) {
		reply_error(v, 400, id, RPC_SERVER,
		    "no Mcp-Session-Id: send initialize first, or use " ERA_MODERN_VERSION);
		return false;
	}
	v->session = session_find(v, str_trim(h->value));
	if (v->session == NULL)
		reply_error(v, 404, id, -32001, "no such session: initialize again");
	return v->session != NULL;
}

static void
level_set(struct visit *v, const struct rpc *m)
{
	struct str raw;
	int level = json_get(m->params, STR("level"), &raw) ? peer_log_level(raw) : -1;

	if (level < 0) {
		reply_error(
		    v, 200, m->id, RPC_PARAMS, "params.level must be one of the log levels");
		return;
	}
	v->session->log_level = level;
	reply_result(v, m->id, STR("{}"));
}

static void
subscribe(struct visit *v, const struct rpc *m)
{
	struct str raw, uri;
	struct arena a;
	struct err e;
	bool ok = true;

	arena_init(&a, 65536);
	if (!json_get(m->params, STR("uri"), &raw) || raw.n > 16384 || !json_string(raw, &a, &uri))
		ok = err_set(&e, ERR_INVALID, "params.uri must be a string");
	else if (rpc_is(m, "resources/unsubscribe"))
		updates_drop(&v->session->updates, uri);
	else
		ok = updates_add(&v->session->updates, v->r->key, view_of(v->view), uri, &e);
	arena_free(&a);
	if (ok)
		reply_result(v, m->id, STR("{}"));
	else
		reply_error(v, 200, m->id,
		    e.code == ERR_NOT_FOUND ? RPC_NO_RESOURCE : err_rpc(e.code), e.text);
}

/* What the client answers when a server has asked it; anything else is dropped. */
static void
response_take(struct visit *v, const struct rpc *m)
{
	LIST_EACH(it, &v->session->questions) {
		struct question *q = CONTAINER(it, struct question, of_session);

		if (json_kind(m->id) == JSON_STRING && json_string_is(m->id, str_of(q->id))) {
			question_answer(q, m->result, m->error);
			return;
		}
	}
}

static void
message_serve(struct visit *v, const struct rpc *m)
{
	if (m->kind == RPC_IS_NOTIFICATION && rpc_is(m, "notifications/cancelled"))
		serve_cancelled(v, m);
	if (m->kind == RPC_IS_RESULT || m->kind == RPC_IS_ERROR)
		response_take(v, m);
	if (m->kind != RPC_IS_REQUEST)
		reply_none(v, 202);
	else if (rpc_is(m, "ping"))
		reply_result(v, m->id, STR("{}"));
	else if (rpc_is(m, "logging/setLevel"))
		level_set(v, m);
	else if (rpc_is(m, "resources/subscribe") || rpc_is(m, "resources/unsubscribe"))
		subscribe(v, m);
	else if (!serve_list(v, m) && !serve_call(v, m))
		reply_error(v, 200, m->id, RPC_METHOD, "method not found");
}

/* ---- batches ---- */

static void
batch_reap(struct job *j)
{
	struct batch *b = CONTAINER(j, struct batch, job);

	buf_fini(&b->out);
	free(b);
}

static const struct job_type batch_type = { "mcp batch", NULL, batch_reap };

static void
batch_send(struct batch *b)
{
	struct visit v = b->v;

	job_cancel(&b->job); /* its memory stays until the turn ends */
	if (b->out.n == 0) {
		reply_none(&v, 202);
		return;
	}
	buf_putc(&b->out, ']');
	if (buf_ok(&b->out))
		reply_json(&v, 200, buf_str(&b->out), STR(""));
	else
		reply_error(&v, 200, STR_NONE, RPC_SERVER, "the replies are too large together");
}

void
batch_add(struct batch *b, struct str message)
{
	if (message.n > 0) {
		buf_putc(&b->out, b->out.n == 0 ? '[' : ',');
		buf_put(&b->out, message);
	}
	ASSERT(b->waiting > 0);
	if (--b->waiting == 0)
		batch_send(b);
}

static void
batch_serve(struct visit *v, struct str body)
{
	struct str key, raw;
	struct json_iter it;
	struct batch *b;
	struct err e;
	size_t n = 0;

	if (!json_check(body, true, &e)) {
		reply_error(v, 400, STR_NONE, RPC_PARSE, e.text);
		return;
	}
	if (!session_named(v, STR_NONE))
		return;
	for (bool more = json_open(body, &it); more && json_next(&it, &key, &raw);)
		n++;
	if (!str_eq(str_of(v->session->version), STR("2025-03-26")) || n == 0 || n > BATCH_MAX) {
		reply_error(v, 400, STR_NONE, RPC_REQUEST,
		    "batches are for 2025-03-26, with 1 to 100 messages");
		return;
	}
	b = mem_zalloc(sizeof(*b));
	b->v = *v;
	b->v.r = NULL;
	b->waiting = n + 1; /* ourselves, so that it ends after the loop */
	buf_init(&b->out, BATCH_BYTES_MAX);
	job_init(&b->job, &batch_type, v->root, NULL, NULL);
	v->batch = b;
	for (bool more = json_open(body, &it); more && json_next(&it, &key, &raw);) {
		struct rpc m;

		if (!rpc_parse(raw, true, &m, &e))
			reply_error(v, 400, m.id, m.bad, e.text);
		else if (m.kind == RPC_IS_REQUEST && rpc_is(&m, "initialize"))
			reply_error(v, 400, m.id, RPC_REQUEST, "initialize stands alone");
		else
			message_serve(v, &m);
	}
	batch_add(b, STR(""));
}

/* ---- the three methods ---- */

void
serve_legacy(struct visit *v, struct str body)
{
	struct rpc m;
	struct err e;

	v->era = ERA_LEGACY;
	if (body.n > 0 && body.p[0] == '[') {
		batch_serve(v, body);
		return;
	}
	if (!rpc_parse(body, true, &m, &e))
		reply_error(v, 400, m.id, m.bad, e.text);
	else if (m.kind == RPC_IS_REQUEST && rpc_is(&m, "initialize"))
		initialize(v, &m);
	else if (session_named(v, m.id))
		message_serve(v, &m);
}

void
serve_legacy_get(struct visit *v)
{
	static const struct header allow = { STR("allow"), STR("POST") };

	v->era = ERA_LEGACY;
	if (http1_find(v->r->head, STR("mcp-session-id")) == NULL) {
		sink_head(v->sink, 405, &allow, 1, 0);
		sink_end(v->sink, NULL);
		return;
	}
	if (session_named(v, STR_NONE))
		stream_open(v, STR(""), v->session, STREAM_ALL, STR_NONE);
}

void
serve_legacy_delete(struct visit *v)
{
	if (!session_named(v, STR_NONE))
		return;
	session_end(v->session);
	v->session = NULL;
	reply_none(v, 204);
}
