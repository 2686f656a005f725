/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve - one HTTP request on /mcp.
 *
 *   Origin, Host -> method -> message -> era (era.c) -> serve_modern.c or serve_legacy.c
 *
 * and what both eras share: the list of tools, a call, and the shape of replies.  A refusal that a
 * model can act on (policy, budget, rate, a server that is down) is a result with isError in HTTP
 * 200; an unknown and a forbidden tool are the same JSON-RPC error; a dead key is HTTP 401; a store
 * that cannot be written is 503.
 *
 * Every reply is one JSON body: nothing is streamed before its end but subscriptions.
 */
#include "mcp/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAGIC    0x616e7377u
#define PAGE_BYTES_MAX  ((size_t)1 << 20)
#define PAGE_TOOLS_MAX  1000
#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define LIST_TTL_MS     5000
#define JOIN_BYTES_MAX  256

/* ---- replies ---- */

void
reply_json(struct visit *v, int status, struct str body, struct str session_id)
{
	struct header h[2] = { { STR("content-type"), STR("application/json") },
		{ STR("mcp-session-id"), session_id } };

	if (v->batch != NULL) {
		batch_add(v->batch, body);
		return;
	}
	sink_head(v->sink, status, h, session_id.n > 0 ? 2 : 1, (int64_t)body.n);
	(void)sink_push(v->sink, body);
	sink_end(v->sink, NULL);
}

void
reply_none(struct visit *v, int status)
{
	if (v->batch != NULL) {
		batch_add(v->batch, STR(""));
		return;
	}
	sink_head(v->sink, status, NULL, 0, 0);
	sink_end(v->sink, NULL);
}

void
reply_error(struct visit *v, int status, struct str id, int code, const char *text)
{
	struct buf b;

	buf_init(&b, 65536);
	rpc_put_error(&b, id, code, str_of(text), STR(""));
	reply_json(v, status, buf_str(&b), STR(""));
	buf_fini(&b);
}

void
reply_result(struct visit *v, struct str id, struct str result_json)
{
	struct buf b;

	buf_init(&b, REPLY_BYTES_MAX);
	rpc_put_result(&b, id, result_json);
	if (buf_ok(&b))
		reply_json(v, 200, buf_str(&b), STR(""));
	else
		reply_error(v, 200, id, RPC_SERVER, "the reply is too large");
	buf_fini(&b);
}

/* ---- tools/list ---- */

/* Cursors are sealed for the key: "generation:offset". */
static void
cursor_put(struct buf *b, struct visit *v, size_t offset)
{
	struct key_info info;
	char text[64];
	int n = snprintf(
	    text, sizeof(text), "%llu:%zu", (unsigned long long)v->hub->generation, offset);

	key_info(v->r->key, &info);
	buf_puts(b, ",\"nextCursor\":\"");
	(void)aead_seal(b, v->hub->seal_key, info.id, (struct str){ text, (size_t)n });
	buf_putc(b, '"');
}

static bool
cursor_read(struct visit *v, struct str raw, size_t *offset)
{
	struct key_info info;
	struct str text, generation;
	int64_t g, at;
	struct buf b;
	bool ok;

	key_info(v->r->key, &info);
	buf_init(&b, 256);
	ok = json_kind(raw) == JSON_STRING && raw.n > 2 && raw.n < 300 &&
	     aead_open(&b, v->hub->seal_key, info.id, (struct str){ raw.p + 1, raw.n - 2 });
	text = buf_str(&b);
	ok = ok && buf_ok(&b);
	generation = ok ? str_cut(&text, ':') : STR("");
	ok = ok && str_i64(generation, &g) && text.p != NULL && str_i64(text, &at) &&
	     (uint64_t)g == v->hub->generation && at >= 0;
	if (ok)
		*offset = (size_t)at;
	buf_fini(&b);
	return ok;
}

static void
builtins_put(struct visit *v, struct buf *b, bool any)
{
	for (size_t i = 0; i < v->hub->builtins_n; i++) {
		const struct builtin *bi = &v->hub->builtins[i];

		if (!bi->visible(bi->ctx, v->r->key))
			continue;
		if (any)
			buf_putc(b, ',');
		bi->define(bi->ctx, v->r->key, b);
		any = true;
	}
}

void
serve_tools_list(struct visit *v, const struct rpc *m)
{
	const struct view *view = hub_view(v->hub, v->r->key);
	size_t at = 0, first;
	struct str cursor;
	struct buf b;

	if (json_get(m->params, STR("cursor"), &cursor) && !cursor_read(v, cursor, &at)) {
		reply_error(v, v->structural_400 ? 400 : 200, m->id, RPC_PARAMS,
		    "the cursor is stale or not ours; list again without one");
		return;
	}
	buf_init(&b, REPLY_BYTES_MAX);
	buf_puts(&b, "{\"tools\":[");
	for (first = at; at < view->n && at - first < PAGE_TOOLS_MAX && b.n < PAGE_BYTES_MAX;
	     at++) {
		if (at > first)
			buf_putc(&b, ',');
		buf_put(&b, view->tools[at]->definition);
	}
	if (at >= view->n)
		builtins_put(v, &b, at > first);
	buf_putc(&b, ']');
	if (at < view->n)
		cursor_put(&b, v, at);
	if (v->era == ERA_MODERN)
		buf_printf(&b,
		    ",\"resultType\":\"complete\",\"ttlMs\":%d,\"cacheScope\":\"private\"",
		    LIST_TTL_MS);
	buf_putc(&b, '}');
	if (buf_ok(&b))
		reply_result(v, m->id, buf_str(&b));
	else
		reply_error(v, 200, m->id, RPC_SERVER, "the list is too large");
	buf_fini(&b);
}

/* ---- tools/call ---- */

struct answer {
	struct job job;
	uint32_t magic;
	struct visit v; /* without r; the sink lives until the reply has ended */
	struct link of_session;
	char id[RPC_ID_BYTES_MAX + 1];
};

static void
answer_stop(struct job *j)
{
	link_drop(&CONTAINER(j, struct answer, job)->of_session);
}

static void
answer_reap(struct job *j)
{
	free(CONTAINER(j, struct answer, job));
}

static const struct job_type answer_type = { "mcp answer", answer_stop, answer_reap };

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

static void
refusal_reply(struct visit *v, struct str id, const struct err *e)
{
	char text[ERR_TEXT_BYTES + 64];
	struct buf b;

	if (e->code == ERR_NOT_FOUND) {
		reply_error(v, 200, id, RPC_PARAMS, e->text);
		return;
	}
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
	buf_init(&b, 65536);
	rpc_put_text_result(&b, str_of(text), true);
	result_reply(v, id, buf_str(&b));
	buf_fini(&b);
}

static void
on_result(void *ctx, struct str result, const struct err *e)
{
	struct answer *an = ctx;
	struct visit v = an->v;
	char id[sizeof(an->id)];

	IS(an, ANSWER_MAGIC);
	memcpy(id, an->id, sizeof(id));
	if (v.session != NULL && link_empty(&an->of_session))
		v.session = NULL; /* it has ended meanwhile */
	/* The answer's job ends first: what follows may end the whole exchange.  The bytes of the
	 * result live until the end of the turn, like every job's memory. */
	job_cancel(&an->job);
	if (e == NULL)
		result_reply(&v, str_of(id), result);
	else
		refusal_reply(&v, str_of(id), e);
}

static struct str
header_of(const struct visit *v, struct str name)
{
	const struct header *h = http1_find(v->r->head, name);

	return h == NULL ? STR("") : str_trim(h->value);
}

static struct str
clipped(struct str s)
{
	if (s.n > JOIN_BYTES_MAX)
		s.n = JOIN_BYTES_MAX;
	return s;
}

/* The client's own names for what it does: they join our rows with its log. */
static void
join_keys(struct visit *v, struct call_ask *a, struct arena *ar)
{
	struct str raw;

	a->session = clipped(header_of(v, STR("x-claude-code-session-id")));
	if (a->session.n == 0)
		a->session = clipped(header_of(v, STR("session-id")));
	if (a->session.n == 0 && v->session != NULL)
		a->session = str_of(v->session->tag);
	a->client = clipped(header_of(v, STR("user-agent")));
	a->address = v->r->peer;
	a->tool_use = STR("");
	if (a->meta.n > 0 && (json_get(a->meta, STR("claudecode/toolUseId"), &raw) ||
				 json_get(a->meta, STR("callId"), &raw)))
		if (raw.n < 1024 && json_string(raw, ar, &a->tool_use))
			a->tool_use = clipped(a->tool_use);
}

static const char *
call_read(const struct rpc *m, struct call_ask *a, struct arena *ar)
{
	struct str raw;

	if (!json_get(m->params, STR("name"), &raw) || raw.n > 4096 ||
	    !json_string(raw, ar, &a->name))
		return "params.name must be a string";
	if (json_get(m->params, STR("arguments"), &a->args) && json_kind(a->args) != JSON_OBJECT)
		return "params.arguments must be an object";
	if (json_get(m->params, STR("_meta"), &a->meta) && json_kind(a->meta) != JSON_OBJECT)
		return "params._meta must be an object";
	return NULL;
}

void
serve_tools_call(struct visit *v, const struct rpc *m)
{
	struct call_ask a = { .key = v->r->key, .args = STR(""), .meta = STR("") };
	struct answer *an;
	struct arena ar;
	const char *wrong;
	struct err e;

	arena_init(&ar, 65536);
	wrong = call_read(m, &a, &ar);
	if (wrong != NULL) {
		arena_free(&ar);
		reply_error(v, v->structural_400 ? 400 : 200, m->id, RPC_PARAMS, wrong);
		return;
	}
	join_keys(v, &a, &ar);
	an = mem_zalloc(sizeof(*an));
	an->magic = ANSWER_MAGIC;
	an->v = *v;
	an->v.r = NULL; /* the caller's, and only until it returns */
	link_init(&an->of_session);
	(void)str_copy(an->id, sizeof(an->id), m->id);
	job_init(&an->job, &answer_type, v->root, NULL, NULL);
	if (v->session != NULL)
		link_push(&v->session->answers, &an->of_session);
	if (hub_call_tool(v->hub, &an->job, &a, on_result, an, &e) == NULL) {
		job_cancel(&an->job);
		refusal_reply(v, m->id, &e);
	}
	arena_free(&ar);
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

/* ---- the request ---- */

static void
serve_post(struct visit *v)
{
	struct str body = v->r->body;
	struct era_verdict verdict;
	struct rpc m;
	struct err e;

	while (body.n > 0 &&
	       (body.p[0] == ' ' || body.p[0] == '\n' || body.p[0] == '\r' || body.p[0] == '\t')) {
		body.p++;
		body.n--;
	}
	if (body.n > 0 && body.p[0] == '[') {
		serve_legacy(v, body);
		return;
	}
	if (!rpc_parse(body, true, &m, &e)) {
		reply_error(v, 400, m.id, m.bad, e.text);
		return;
	}
	if (m.params.p == NULL)
		m.params = STR("{}");
	era_classify(v->r->head, &m, &verdict);
	v->era = verdict.era;
	if (verdict.era == ERA_MODERN)
		serve_modern(v, &m, &verdict);
	else
		serve_legacy(v, body);
}

void
mcp_serve(struct hub *h, struct job *root, const struct mcp_request *r, struct sink *sink)
{
	struct visit v = { .hub = h, .root = root, .sink = sink, .r = r };
	static const struct header allow = { STR("allow"), STR("GET, POST, DELETE") };
	const struct header *version = http1_find(r->head, STR("mcp-protocol-version"));
	bool legacy = version == NULL || era_legacy_version(str_trim(version->value)) != NULL;

	IS(h, HUB_MAGIC);
	if (str_eq(r->method, STR("POST"))) {
		serve_post(&v);
	} else if (legacy && str_eq(r->method, STR("GET"))) {
		serve_legacy_get(&v);
	} else if (legacy && str_eq(r->method, STR("DELETE"))) {
		serve_legacy_delete(&v);
	} else {
		sink_head(sink, 405, &allow, 1, 0);
		sink_end(sink, NULL);
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
