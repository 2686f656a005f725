/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - a client's request that a server (or a built-in) must answer: tools/call, prompts/get,
 * resources/read, completion/complete.
 *
 *   serve_call() --hub_call()--> … --on_result()--> one JSON body
 *                         \--on_tell()--> the reply becomes a stream of events, of which the
 *                                         answer is the last
 *
 * What a server says meanwhile (progress, log messages) goes on this request's own reply and on no
 * other, before the answer.  A stream that the client does not read loses such notices, never the
 * answer.
 *
 * A refusal of a tool that a model can act on (policy, budget, rate, a server that is down) is a
 * result with isError in HTTP 200; an unknown and a forbidden thing are the same JSON-RPC error; a
 * dead key is HTTP 401; a store that cannot be written is 503.  An error of the server's own is
 * passed on with its code, text and data.
 */
#include "mcp/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcp/bridge.h"
#include "mcp/park.h"

#define ANSWER_MAGIC    0x616e7377u
#define REPLY_BYTES_MAX ((size_t)64 << 20)

static void
answer_stop(struct job *j)
{
	struct answer *an = CONTAINER(j, struct answer, job);

	link_drop(&an->of_session);
	if (an->park != NULL)
		park_left(an->park); /* the client went away */
	if (an->v.streaming) {
		timer_stop(&an->keepalive);
		an->v.sink->drained = NULL;
	}
}

static void
answer_reap(struct job *j)
{
	struct answer *an = CONTAINER(j, struct answer, job);

	buf_fini(&an->token);
	free(an);
}

static const struct job_type answer_type = { "mcp answer", answer_stop, answer_reap };

/* ---- what is said before the end ---- */

static void
on_drained(void *ctx)
{
	((struct answer *)ctx)->choked = false;
}

static void
on_keepalive(void *ctx)
{
	struct answer *an = ctx;

	timer_set(an->v.hub->loop, &an->keepalive, SERVE_KEEPALIVE_MS, on_keepalive, an);
	if (!an->choked && sink_push(an->v.sink, STR(": keep-alive\n\n")) == 0)
		an->choked = true;
}

/* One message before the answer: the reply becomes a stream.  false: this client takes none. */
static bool
answer_push(struct answer *an, struct str message)
{
	struct visit *v = &an->v;

	if (!v->streaming) {
		if (v->batch != NULL || !v->takes_events)
			return false;
		v->streaming = true;
		v->sink->drained = on_drained;
		v->sink->drained_ctx = an;
		timer_set(v->hub->loop, &an->keepalive, SERVE_KEEPALIVE_MS, on_keepalive, an);
		stream_head(v->sink);
	}
	if (job_running(&an->job) && event_push(v->sink, message) == 0)
		an->choked = true;
	return job_running(&an->job);
}

/* The client's token in the place of ours; nothing else is touched. */
static void
progress_put(struct buf *b, const struct rpc *m, struct str token)
{
	buf_puts(b, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		    "\"progressToken\":");
	buf_put(b, token);
	rpc_put_members(b, m->params, STR("progressToken"));
	buf_puts(b, "}}");
}

static void
on_tell(void *ctx, const struct rpc *m)
{
	struct answer *an = ctx;
	struct buf b;

	IS(an, ANSWER_MAGIC);
	if (an->choked)
		return;
	buf_init(&b, 1 << 20);
	if (rpc_is(m, "notifications/progress")) {
		progress_put(&b, m, buf_str(&an->token));
	} else {
		buf_puts(
		    &b, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":");
		buf_put(&b, m->params);
		buf_putc(&b, '}');
	}
	if (buf_ok(&b))
		(void)answer_push(an, buf_str(&b));
	buf_fini(&b);
}

/* ---- the end ---- */

/* A result as this client's era wants it: the server's bytes, with resultType where it must be. */
static void
result_reply(struct visit *v, struct str id, struct str result)
{
	struct str type;
	struct buf b;

	if (v->era != ERA_MODERN || json_get(result, STR("resultType"), &type)) {
		reply_result(v, id, result);
		return;
	}
	buf_init(&b, REPLY_BYTES_MAX);
	buf_puts(&b, "{\"resultType\":\"complete\"");
	if (v->cacheable)
		buf_puts(&b, ",\"ttlMs\":0,\"cacheScope\":\"private\"");
	result.p++; /* its brace */
	result.n--;
	for (size_t i = 0; i < result.n; i++) {
		if (result.p[i] == '}')
			break;
		if (result.p[i] == '"') {
			buf_putc(&b, ',');
			break;
		}
	}
	buf_put(&b, result);
	if (buf_ok(&b))
		reply_result(v, id, buf_str(&b));
	else
		reply_error(v, 200, id, RPC_SERVER, "the reply is too large");
	buf_fini(&b);
}

/* Every client's era has its own code for a resource that is not there, and its URI as data. */
static void
missing_reply(
    struct visit *v, enum call_kind kind, struct str id, const struct err *e, struct str name)
{
	bool resource = kind == CALL_READ || kind == CALL_COMPLETE_RESOURCE;
	struct buf data, b;

	buf_init(&data, 65536);
	buf_init(&b, 131072);
	if (resource) {
		buf_puts(&data, "{\"uri\":");
		buf_json_str(&data, name);
		buf_putc(&data, '}');
	}
	rpc_put_error(&b, id, resource && v->era == ERA_LEGACY ? RPC_NO_RESOURCE : RPC_PARAMS,
	    str_of(e->text), buf_ok(&data) ? buf_str(&data) : STR(""));
	reply_json(v, 200, buf_str(&b), STR(""));
	buf_fini(&data);
	buf_fini(&b);
}

static void
refusal_reply(struct visit *v, enum call_kind kind, struct str id, const struct err *e)
{
	char text[ERR_TEXT_BYTES + 64];
	struct buf b;

	if (e->code == ERR_AUTH || e->code == ERR_REVOKED || e->code == ERR_NO_OWNER ||
	    e->code == ERR_STORE) {
		reply_error(v, err_http(e->code), id, err_rpc(e->code), e->text);
		return;
	}
	if (e->retry_after_s > 0)
		(void)snprintf(
		    text, sizeof(text), "%s (try again in %d s)", e->text, e->retry_after_s);
	else
		(void)str_copy(text, sizeof(text), str_of(e->text));
	if (e->code == ERR_NOT_FOUND || kind != CALL_TOOL) {
		reply_error(v, 200, id, err_rpc(e->code), text);
		return;
	}
	buf_init(&b, 65536);
	rpc_put_text_result(&b, str_of(text), true);
	result_reply(v, id, buf_str(&b));
	buf_fini(&b);
}

/* The server's error object: the code as this era spells it, all else as it came. */
static void
error_reply(struct visit *v, enum call_kind kind, struct str id, struct str error)
{
	struct str raw;
	int64_t code = RPC_SERVER;
	struct buf b;

	if (json_get(error, STR("code"), &raw) && !json_i64(raw, &code))
		code = RPC_SERVER;
	if (v->era == ERA_MODERN && code == RPC_NO_RESOURCE)
		code = RPC_PARAMS;
	else if (v->era == ERA_LEGACY && code == RPC_PARAMS && kind == CALL_READ)
		code = RPC_NO_RESOURCE;
	buf_init(&b, REPLY_BYTES_MAX);
	buf_puts(&b, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_put(&b, id);
	buf_puts(&b, ",\"error\":{\"code\":");
	buf_i64(&b, code);
	rpc_put_members(&b, error, STR("code"));
	buf_puts(&b, "}}");
	if (buf_ok(&b))
		reply_json(v, v->era == ERA_MODERN && code == RPC_CAPABILITY ? 400 : 200,
		    buf_str(&b), STR(""));
	else
		reply_error(v, 200, id, RPC_SERVER, "the reply is too large");
	buf_fini(&b);
}

/* The answer's job ends first: what is replied may end the whole exchange.  The bytes of a result
 * live until the end of the turn, like every job's memory. */
static void
answer_close(struct answer *an, struct visit *v)
{
	*v = an->v;
	if (v->session != NULL && link_empty(&an->of_session))
		v->session = NULL; /* it has ended meanwhile */
	job_cancel(&an->job);
}

void
answer_give(struct answer *an, struct str result)
{
	struct visit v;

	answer_close(an, &v);
	if (result.p != NULL)
		reply_result(&v, str_of(an->id), result);
	else
		reply_error(&v, 200, str_of(an->id), RPC_SERVER, "the reply is too large");
}

/* -32021: what the client would have to declare. */
static void
capability_reply(struct visit *v, struct str id, unsigned missing)
{
	struct buf data, b;

	buf_init(&data, 4096);
	buf_init(&b, 8192);
	buf_puts(&data, "{\"requiredCapabilities\":");
	peer_put_caps(&data, missing);
	buf_putc(&data, '}');
	rpc_put_error(&b, id, RPC_CAPABILITY,
	    STR("the server asks for what this client has not declared"), buf_str(&data));
	reply_json(v, 400, buf_str(&b), STR(""));
	buf_fini(&data);
	buf_fini(&b);
}

/* A modern server asks, a modern client is asked. */
static void
input_reply(struct answer *an, struct str result)
{
	struct visit v;
	unsigned missing;
	struct buf b;

	buf_init(&b, REPLY_BYTES_MAX);
	if (!bridge_fits(result, an->peer.caps, &missing)) {
		answer_close(an, &v);
		if (missing != 0)
			capability_reply(&v, str_of(an->id), missing);
		else
			reply_error(&v, 200, str_of(an->id), RPC_SERVER,
			    "the server asks for something unknown");
	} else {
		park_seal_result(&b, an, result);
		answer_give(an, buf_ok(&b) ? buf_str(&b) : STR_NONE);
	}
	buf_fini(&b);
}

void
answer_finish(struct answer *an, struct str result, struct str error, const struct err *e)
{
	struct str type;
	struct visit v;

	IS(an, ANSWER_MAGIC);
	if (e == NULL && error.p == NULL && an->v.era == ERA_MODERN &&
	    json_get(result, STR("resultType"), &type) &&
	    json_string_is(type, STR("input_required"))) {
		input_reply(an, result);
		return;
	}
	answer_close(an, &v);
	if (error.p != NULL)
		error_reply(&v, an->kind, str_of(an->id), error);
	else if (e == NULL)
		result_reply(&v, str_of(an->id), result);
	else
		refusal_reply(&v, an->kind, str_of(an->id), e);
}

static void
on_result(void *ctx, struct str result, const struct err *e)
{
	struct answer *an = ctx;

	answer_finish(an, result, call_error(an->call), e);
}

/* A legacy client is asked on the stream of its own request; it answers with a POST of its own. */
static bool
on_ask(void *ctx, struct question *q)
{
	struct answer *an = ctx;
	struct buf b;
	bool ok;

	IS(an, ANSWER_MAGIC);
	if (an->v.session == NULL || link_empty(&an->of_session))
		return false;
	buf_init(&b, REPLY_BYTES_MAX);
	buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":", q->id);
	buf_json_str(&b, buf_str(&q->method));
	if (q->params.n > 0) {
		buf_puts(&b, ",\"params\":");
		buf_put(&b, buf_str(&q->params));
	}
	buf_putc(&b, '}');
	ok = buf_ok(&b) && answer_push(an, buf_str(&b));
	buf_fini(&b);
	if (ok)
		link_push(&an->v.session->questions, &q->of_session);
	return ok;
}

/* ---- the start ---- */

/* What this client may be told and asked while it waits. */
static void
peer_fill(struct answer *an, const struct call_ask *a)
{
	struct str raw;
	int level;

	an->peer = (struct call_peer){ .tell = on_tell,
		.ask = on_ask,
		.ctx = an,
		.session = STR(""),
		.modern = an->v.era == ERA_MODERN,
		.log_level = PEER_LOG_NONE };
	buf_init(&an->token, RPC_ID_BYTES_MAX);
	if (a->meta.n > 0 && json_get(a->meta, STR("progressToken"), &raw) &&
	    (json_kind(raw) == JSON_STRING || json_kind(raw) == JSON_NUMBER)) {
		buf_put(&an->token, raw);
		an->peer.progress = buf_ok(&an->token);
	}
	if (an->peer.modern) {
		if (a->meta.n > 0 && json_get(a->meta, STR(META_LOG_LEVEL), &raw) &&
		    (level = peer_log_level(raw)) >= 0)
			an->peer.log_level = level;
		if (a->meta.n > 0 && json_get(a->meta, STR(META_CAPABILITIES), &raw))
			an->peer.caps = peer_caps(raw);
	} else if (an->v.session != NULL) {
		an->peer.log_level = an->v.session->log_level;
		/* What it can be asked goes on this reply, as a stream. */
		if (an->v.takes_events && an->v.batch == NULL)
			an->peer.caps = an->v.session->caps;
		an->peer.session = str_of(an->v.session->tag);
	}
}

static struct answer *
answer_new(struct visit *v, const struct rpc *m, const struct call_ask *a)
{
	struct answer *an = mem_zalloc(sizeof(*an));

	an->magic = ANSWER_MAGIC;
	an->v = *v;
	an->v.r = NULL; /* the caller's, and only until it returns */
	an->v.cacheable = a->kind == CALL_READ;
	an->key = v->r->key;
	an->kind = a->kind;
	link_init(&an->of_session);
	(void)str_copy(an->id, sizeof(an->id), m->id);
	peer_fill(an, a);
	job_init(&an->job, &answer_type, v->root, NULL, NULL);
	if (v->session != NULL)
		link_push(&v->session->answers, &an->of_session);
	return an;
}

static void
answer_start(struct answer *an, const struct rpc *m, struct call_ask *a)
{
	struct hub *h = an->v.hub;
	struct visit v = an->v;
	struct park *p = NULL;
	struct err e;

	if (an->peer.modern && an->peer.caps != 0)
		p = park_new(an, &an->digest);
	a->peer = p != NULL ? park_peer(p) : &an->peer;
	an->call = p != NULL ? hub_call(h, park_job(p), a, park_done, p, &e)
			     : hub_call(h, &an->job, a, on_result, an, &e);
	if (an->call != NULL) {
		if (p != NULL)
			park_started(p, an->call);
		return;
	}
	job_cancel(&an->job); /* and the park with it */
	if (e.code == ERR_NOT_FOUND)
		missing_reply(&v, a->kind, m->id, &e, a->name);
	else
		refusal_reply(&v, a->kind, m->id, &e);
}

/* A first round, or a further one of a request that was answered with input_required. */
static void
round_serve(struct visit *v, const struct rpc *m, struct call_ask *a)
{
	enum park_verdict verdict = PARK_CALL;
	struct answer *an = answer_new(v, m, a);
	struct buf scratch;
	struct str raw;

	buf_init(&scratch, 1 << 20);
	if (an->peer.modern && an->peer.caps != 0)
		park_digest(&an->digest, m, a);
	if (an->peer.modern && json_get(m->params, STR("requestState"), &raw))
		verdict = park_resume(an, m, &an->digest, a, &scratch);
	else if (an->peer.modern && json_get(m->params, STR("inputResponses"), &raw) &&
		 json_kind(raw) == JSON_OBJECT)
		a->input_responses = raw;
	if (verdict == PARK_CALL) {
		answer_start(an, m, a);
	} else if (verdict == PARK_BAD) {
		job_cancel(&an->job);
		reply_error(v, 200, m->id, RPC_PARAMS,
		    "requestState is not of this request, or has expired; call again without it");
	}
	buf_fini(&scratch);
}

bool
serve_call(struct visit *v, const struct rpc *m)
{
	struct call_ask a = { .key = v->r->key, .view = v->view, .args = STR(""), .meta = STR("") };
	struct arena ar;
	const char *wrong;

	if (!call_ask_is(m))
		return false;
	arena_init(&ar, 65536);
	wrong = call_ask_read(v, m, &a, &ar);
	if (wrong == NULL && !call_ask_headers(v, &a)) {
		reply_error(v, 400, m->id, RPC_HEADERS,
		    "the headers Mcp-Param-* must repeat the arguments that the tool names");
	} else if (wrong == NULL) {
		round_serve(v, m, &a);
	} else {
		reply_error(v, v->structural_400 ? 400 : 200, m->id, RPC_PARAMS, wrong);
	}
	arena_free(&ar);
	return true;
}

/* Legacy: looked up by session and raw id; its own request is answered, late answers are not. */
void
serve_cancelled(struct visit *v, const struct rpc *m)
{
	struct str id;

	if (v->session == NULL || !json_get(m->params, STR("requestId"), &id))
		return;
	LIST_EACH(it, &v->session->answers) {
		struct answer *an = CONTAINER(it, struct answer, of_session);
		struct visit of = an->v;

		if (!str_eq(id, str_of(an->id)))
			continue;
		job_cancel(&an->job);
		reply_error(&of, 200, id, RPC_CANCELLED, "cancelled by the client");
		return;
	}
}

bool
mcp_gone(struct hub *h, struct job *root)
{
	IS(h, HUB_MAGIC);
	LIST_EACH(it, &root->kids) {
		struct job *j = CONTAINER(it, struct job, sib);

		if (j->type == &answer_type &&
		    CONTAINER(j, struct answer, job)->v.era == ERA_LEGACY)
			return false;
	}
	return true;
}
