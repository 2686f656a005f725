/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - the only way to a tool, a prompt or a resource.
 *
 *   hub_call() --find--> --gate_enter()--> server's wire, or built-in
 *        |                                           |
 *        refused: NULL and *e                   call_end() --gate_leave()--> durable --> done()
 *
 * What the key may not list and what does not exist give the same answer, ERR_NOT_FOUND; the first
 * is still shown to the gate, so that it is a row in the audit.  A direct call, a call from a
 * script and a script itself all come through here.
 *
 * Invariants: a pass that was entered is left exactly once, at the latest in stop(); done() never
 * runs before hub_call() has returned; a result is the server's bytes or made here, whole.
 */
#include "mcp/bridge.h"
#include "mcp/instance.h"
#include "mcp/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CALL_MAGIC        0x63616c6cu
#define CALL_MS           60000
#define ARGS_BYTES_MAX    ((size_t)32 << 20)
#define META_BYTES_MAX    ((size_t)64 << 10)
#define UPSTREAM_TEXT_MAX 2000

struct call {
	struct job job;
	uint32_t magic;
	struct hub *hub;
	struct pass pass;
	call_done_f *done;
	void *ctx;
	enum call_kind kind;
	const struct call_peer *peer; /* NULL: a script */
	struct server *server;        /* or */
	const struct builtin *builtin;
	struct upcall *up;  /* towards the server, while it is under way */
	struct server *via; /* what carries it, see instance.h */
	struct call_bridge bridge;
	struct buf own; /* the name or URI as the server spells it */
	size_t args_n;  /* bytes of the arguments, the last of bridge.params */
	struct builtin_call bc;
	struct outcome outcome;
	bool starting, ended;
	struct deferred later, durable;
	struct str result, error; /* while done() runs */
	struct buf held;          /* the result, when it must wait */
	struct buf args, meta;
	struct err why; /* code NONE: there is a result */
};

struct job *
call_job(struct call *c)
{
	return &c->job;
}

struct str
call_error(const struct call *c)
{
	return c->error;
}

static void
call_stop(struct job *j)
{
	struct call *c = CONTAINER(j, struct call, job);

	deferred_drop(&c->later);
	deferred_drop(&c->durable);
	c->up = NULL;
	bridge_fini(&c->bridge);
	if (!pass_open(&c->pass))
		return;
	if (c->outcome.end == 0)
		c->outcome.end = END_CANCELLED;
	gate_leave(&c->pass, &c->outcome);
}

static void
call_reap(struct job *j)
{
	struct call *c = CONTAINER(j, struct call, job);

	bridge_fini(&c->bridge);
	buf_fini(&c->held);
	buf_fini(&c->own);
	buf_fini(&c->args);
	buf_fini(&c->meta);
	c->magic = 0;
	free(c);
}

static const struct job_type call_type = { "call", call_stop, call_reap };

static void
call_done(struct job *j, const struct err *e, void *ctx)
{
	struct call *c = CONTAINER(j, struct call, job);

	(void)ctx;
	c->done(c->ctx, e == NULL ? c->result : STR_NONE, e);
}

/* ---- the end ---- */

static void
call_deliver(void *ctx)
{
	struct call *c = ctx;

	if (job_running(&c->job))
		job_finish(&c->job, c->why.code == ERR_NONE ? NULL : &c->why);
}

/* After a built-in that answered at once, and after a cut. */
static void
call_later(void *ctx)
{
	struct call *c = ctx;

	core_when_durable(c->hub->core, &c->durable, call_deliver, c);
}

/* The result must wait, and its bytes go now. */
static void
result_hold(struct call *c)
{
	if (c->result.p == NULL || c->result.p == c->held.p)
		return;
	buf_reset(&c->held);
	buf_put(&c->held, c->result);
	buf_put(&c->held, c->error);
	if (buf_ok(&c->held)) {
		c->result = (struct str){ c->held.p, c->result.n };
		if (c->error.p != NULL)
			c->error = (struct str){ c->held.p + c->result.n, c->error.n };
	} else
		(void)err_set(&c->why, ERR_TOO_LARGE, "the result is too large to keep");
}

static enum pass_end
end_of(const struct call *c, bool tool_error)
{
	switch (c->why.code) {
	case ERR_NONE:
		return tool_error ? END_TOOL_ERROR : END_OK;
	case ERR_TIMEOUT:
	case ERR_SLOW:
		return END_TIMEOUT;
	case ERR_CANCELLED:
		return END_CANCELLED;
	case ERR_UPSTREAM:
	case ERR_OVERLOAD:
		return END_UPSTREAM;
	case ERR_AUTH:
	case ERR_REVOKED:
		return END_CUT;
	case ERR_INVALID:
	case ERR_NO_OWNER:
	case ERR_DENIED:
	case ERR_NOT_FOUND:
	case ERR_METHOD:
	case ERR_LENGTH:
	case ERR_TOO_LARGE:
	case ERR_HEAD_LARGE:
	case ERR_BUDGET:
	case ERR_RATE:
	case ERR_INTERNAL:
	case ERR_STORE:
	case ERR_UNCONFIGURED:
	case ERR_COUNT:
		return END_FAILED;
	}
	UNREACHABLE();
}

static void
call_end(struct call *c, struct str result, const struct err *e)
{
	struct str is_error;
	bool tool_error = false, on;

	if (c->ended || !job_running(&c->job))
		return;
	c->ended = true;
	c->result = result;
	if (e != NULL)
		c->why = *e;
	else
		tool_error =
		    json_get(result, STR("isError"), &is_error) && json_bool(is_error, &on) && on;
	if (c->outcome.end == 0)
		c->outcome.end = end_of(c, tool_error);
	c->outcome.bytes_out = (int64_t)result.n;
	/* What a built-in started must not outlive its pass. */
	job_cancel_kids(&c->job);
	gate_leave(&c->pass, &c->outcome);
	if (c->starting) {
		result_hold(c);
		loop_defer(c->hub->loop, &c->later, call_later, c);
		return;
	}
	core_when_durable(c->hub->core, &c->durable, call_deliver, c);
	if (job_running(&c->job))
		result_hold(c);
}

/* The key died: whoever waits for this call is told why, now. */
static void
call_cut(struct pass *p, const struct err *why)
{
	struct call *c = p->ctx;

	IS(c, CALL_MAGIC);
	c->outcome.end = END_CUT;
	c->why = *why;
	c->ended = true;
	job_cancel_kids(&c->job);
	if (pass_open(p))
		gate_leave(p, &c->outcome);
	loop_defer(c->hub->loop, &c->later, call_later, c);
}

/* ---- an upstream's answer ---- */

/* A client gets it as it came (call_error()); a script, as a result that says so. */
static void
upstream_error(struct call *c, const struct reply *r)
{
	struct str raw, text = STR("");
	struct buf line, made;
	struct arena a;

	arena_init(&a, 1 << 20);
	if (json_get(r->error, STR("message"), &raw) && raw.n < (1 << 18))
		(void)json_string(raw, &a, &text);
	if (text.n > UPSTREAM_TEXT_MAX)
		text.n = UPSTREAM_TEXT_MAX;
	buf_init(&line, 0);
	buf_init(&made, 0);
	buf_printf(&line, "%s answered with error %d: " STR_FMT, c->server->s->name, r->code,
	    STR_ARG(text));
	arena_free(&a);
	rpc_put_text_result(&made, buf_str(&line), true);
	c->outcome.status = r->code;
	c->outcome.end = END_TOOL_ERROR;
	c->error = r->error;
	call_end(c, buf_str(&made), NULL);
	buf_fini(&line);
	buf_fini(&made);
}

static const struct {
	const char *method;
	struct str member; /* of the result */
	enum json_kind is;
	unsigned can; /* a server that did not say so is not asked */
	bool named;   /* the modern wire repeats its name in a header */
} shapes[] = { [CALL_TOOL] = { "tools/call", STR("content"), JSON_ARRAY, SERVER_TOOLS, true },
	[CALL_PROMPT] = { "prompts/get", STR("messages"), JSON_ARRAY, SERVER_PROMPTS, true },
	[CALL_READ] = { "resources/read", STR("contents"), JSON_ARRAY, SERVER_RESOURCES, true },
	[CALL_COMPLETE_PROMPT] = { "completion/complete", STR("completion"), JSON_OBJECT,
	    SERVER_COMPLETES, false },
	[CALL_COMPLETE_RESOURCE] = {
	    "completion/complete", STR("completion"), JSON_OBJECT, SERVER_COMPLETES, false } };

/* What cannot be handed on, or NULL. */
static const char *
result_wrong(struct call *c, struct str result)
{
	struct str type, content;

	if (json_kind(result) != JSON_OBJECT)
		return "its result is not an object";
	if (result.n > c->hub->result_bytes_max)
		return "its result is too large";
	if (json_get(result, STR("resultType"), &type) && !json_string_is(type, STR("complete")))
		return "its result is of an unknown type";
	if (!json_get(result, shapes[c->kind].member, &content))
		return c->kind == CALL_TOOL ? NULL /* the SDKs take its absence for none */
					    : "its result lacks what was asked for";
	return json_kind(content) == shapes[c->kind].is ? NULL
							: "its content is not of the right kind";
}

static void
call_failed(struct call *c, const char *what)
{
	struct err why;

	c->server->errors++;
	(void)err_set(&why, ERR_UPSTREAM, "server %s: %s", c->server->s->name, what);
	call_end(c, STR_NONE, &why);
}

static bool
wants_input(struct str result)
{
	struct str type;

	return json_kind(result) == JSON_OBJECT && json_get(result, STR("resultType"), &type) &&
	       json_string_is(type, STR("input_required"));
}

/* A modern client gets the question as its result; another one is asked on its stream. */
static void
input_take(struct call *c, struct str result)
{
	struct err e;
	bool ok;

	if (c->peer != NULL && c->peer->modern) {
		c->outcome.detail = STR("input_required");
		call_end(c, result, NULL);
		return;
	}
	(void)err_set(&e, ERR_UPSTREAM, "it asks for input, and nobody can be asked");
	ok = c->peer != NULL && c->via->era == ERA_MODERN &&
	     bridge_round(c, &c->bridge, c->peer, result, &e);
	if (!ok && !c->ended)
		call_failed(c, e.text);
}

static void
on_reply(void *ctx, const struct reply *r, const struct err *e)
{
	struct call *c = ctx;
	struct buf wrapped;
	const char *wrong;
	char text[64];

	c->up = NULL;
	c->outcome.status = r->status;
	if (e != NULL) {
		c->server->errors++;
		call_end(c, STR_NONE, e);
		return;
	}
	if (r->error.p != NULL) {
		upstream_error(c, r);
		return;
	}
	if (r->result.p != NULL && wants_input(r->result)) {
		input_take(c, r->result);
		return;
	}
	wrong = r->result.p == NULL ? "it sent no result" : result_wrong(c, r->result);
	if (r->result.p == NULL && r->status >= 400) {
		(void)snprintf(text, sizeof(text), "it answered HTTP %d", r->status);
		wrong = text;
	}
	if (wrong != NULL) {
		call_failed(c, wrong);
		return;
	}
	buf_init(&wrapped, c->hub->result_bytes_max * 2);
	call_end(c, hub_wrap_result(c->hub, c->server, r->result, &wrapped), NULL);
	buf_fini(&wrapped);
}

/* What the server says before it answers, on this call's own stream. */
static void
on_notice(void *ctx, const struct rpc *m)
{
	struct call *c = ctx;
	struct str level;

	if (c->ended || !job_running(&c->job))
		return;
	if (m->kind == RPC_IS_REQUEST) {
		bridge_request(c, &c->bridge, c->up, c->peer, m);
		return;
	}
	if (c->peer == NULL)
		return;
	if (rpc_is(m, "notifications/progress") && c->peer->progress)
		c->peer->tell(c->peer->ctx, m);
	else if (rpc_is(m, "notifications/message") && json_get(m->params, STR("level"), &level) &&
		 peer_log_level(level) >= c->peer->log_level)
		c->peer->tell(c->peer->ctx, m);
}

/* ---- the start ---- */

/* Vendor members of the client's _meta pass; the protocol's own and ours do not. */
static void
meta_members(struct buf *out, struct str meta)
{
	struct json_iter it;
	struct str key, v;

	if (meta.n == 0 || !json_open(meta, &it))
		return;
	while (json_next(&it, &key, &v)) {
		if (str_has(key, '\\') || str_starts(key, STR("\"io.modelcontextprotocol/")) ||
		    str_starts(key, STR("\"tollgate/")) || str_eq(key, STR("\"progressToken\"")))
			continue;
		if (out->n > 0)
			buf_putc(out, ',');
		buf_put(out, key);
		buf_putc(out, ':');
		buf_put(out, v);
	}
}

/* The members of params, as the server spells its own things. */
static void
params_put(struct buf *b, const struct call *c, const struct call_ask *a)
{
	struct str args = a->args.n == 0 ? STR("{}") : a->args;

	switch (c->kind) {
	case CALL_TOOL:
	case CALL_PROMPT:
		buf_puts(b, "\"name\":");
		buf_json_str(b, buf_str(&c->own));
		if (c->kind == CALL_PROMPT && a->args.n == 0)
			return;
		buf_puts(b, ",\"arguments\":");
		buf_put(b, args);
		return;
	case CALL_READ:
		buf_puts(b, "\"uri\":");
		buf_json_str(b, buf_str(&c->own));
		return;
	case CALL_COMPLETE_PROMPT:
	case CALL_COMPLETE_RESOURCE:
		buf_puts(b, c->kind == CALL_COMPLETE_PROMPT
				? "\"ref\":{\"type\":\"ref/prompt\",\"name\":"
				: "\"ref\":{\"type\":\"ref/resource\",\"uri\":");
		buf_json_str(b, buf_str(&c->own));
		buf_puts(b, "},\"argument\":");
		buf_put(b, args);
		if (a->context.n > 0) {
			buf_puts(b, ",\"context\":");
			buf_put(b, a->context);
		}
		return;
	}
	UNREACHABLE();
}

static bool
upstream_start(struct call *c, const struct tool *t, const struct call_ask *a, struct err *e)
{
	struct server_ask ask = { .method = shapes[c->kind].method,
		.schema = t != NULL ? t->input_schema : STR(""),
		.args = a->args,
		.deadline_ms = c->server->s->call_ms > 0 ? c->server->s->call_ms : CALL_MS,
		.reply_bytes_max = c->hub->result_bytes_max,
		.notice = on_notice,
		.log_level = PEER_LOG_NONE };
	struct buf *params = &c->bridge.params, *meta = &c->bridge.meta;
	bool ok;

	c->via = instance_for(c->server, a->key, c->peer, e);
	if (c->via == NULL)
		return false;
	c->args_n = a->args.n == 0 ? 2 : a->args.n;
	ask.name = shapes[c->kind].named ? buf_str(&c->own) : STR("");
	if (c->peer != NULL) {
		ask.progress = c->peer->progress;
		ask.log_level = c->peer->log_level;
		ask.caps = c->peer->caps;
	}
	params_put(params, c, a);
	if (a->input_responses.n > 0) {
		buf_puts(params, ",\"inputResponses\":");
		buf_put(params, a->input_responses);
	}
	if (a->request_state.n > 0) {
		buf_puts(params, ",\"requestState\":");
		buf_put(params, a->request_state);
	}
	meta_members(meta, a->meta);
	ok = buf_ok(params) && buf_ok(meta);
	ask.params = buf_str(params);
	ask.meta = buf_str(meta);
	if (!ok)
		(void)err_set(e, ERR_TOO_LARGE, "the arguments or _meta are too large");
	c->up = ok ? upcall_start(c->via, &c->job, &ask, on_reply, c, e) : NULL;
	if (c->peer == NULL || c->peer->modern || c->via->era != ERA_MODERN) {
		buf_fini(params); /* no further round will need them */
		buf_fini(meta);
	}
	if (c->up != NULL)
		c->server->calls++;
	return c->up != NULL;
}

struct call_bridge *
call_bridge_of(struct call *c)
{
	return &c->bridge;
}

void
call_rest(struct call *c, bool rest)
{
	if (c->up != NULL)
		upcall_rest(c->up, rest);
}

/* The same request, with what the client has answered. */
void
call_again(struct call *c)
{
	struct server_ask ask = { .method = shapes[c->kind].method,
		.deadline_ms = c->server->s->call_ms > 0 ? c->server->s->call_ms : CALL_MS,
		.reply_bytes_max = c->hub->result_bytes_max,
		.notice = on_notice,
		.progress = c->peer->progress,
		.log_level = c->peer->log_level,
		.caps = c->peer->caps };
	const struct tool *t = c->kind == CALL_TOOL ? hub_find_tool(c->hub, c->pass.name) : NULL;
	struct buf params;
	struct err e;

	if (c->ended || !job_running(&c->job))
		return;
	buf_init(&params, ARGS_BYTES_MAX + META_BYTES_MAX);
	buf_put(&params, buf_str(&c->bridge.params));
	bridge_put_answers(&c->bridge, &params);
	ask.params = buf_str(&params);
	ask.meta = buf_str(&c->bridge.meta);
	ask.name = shapes[c->kind].named ? buf_str(&c->own) : STR("");
	if (t != NULL) {
		ask.schema = t->input_schema;
		ask.args =
		    (struct str){ c->bridge.params.p + c->bridge.params.n - c->args_n, c->args_n };
	}
	c->up = buf_ok(&params) ? upcall_start(c->via, &c->job, &ask, on_reply, c, &e) : NULL;
	if (c->up == NULL)
		call_failed(c, "the next round could not be sent");
	buf_fini(&params);
}

static bool
builtin_start(struct call *c, const struct call_ask *a, struct err *e)
{
	buf_put(&c->args, a->args.n == 0 ? STR("{}") : a->args);
	buf_put(&c->meta, a->meta);
	if (!buf_ok(&c->args) || !buf_ok(&c->meta))
		return err_set(e, ERR_TOO_LARGE, "the arguments or _meta are too large");
	c->bc = (struct builtin_call){ .hub = c->hub,
		.key = a->key,
		.pass = &c->pass,
		.job = &c->job,
		.args = buf_str(&c->args),
		.meta = buf_str(&c->meta),
		.session = c->pass.session,
		.tool_use = c->pass.tool_use,
		.client = c->pass.client,
		.address = c->pass.address,
		.outcome = &c->outcome,
		.call = c };
	return c->builtin->call(c->builtin->ctx, &c->bc, e);
}

static const struct builtin *
builtin_find(struct hub *h, struct str name)
{
	for (size_t i = 0; i < h->builtins_n; i++)
		if (str_eq(h->builtins[i].name, name))
			return &h->builtins[i];
	return NULL;
}

static bool
not_found(const struct call_ask *a, struct err *e)
{
	static const char *const words[] = { "tool", "prompt", "resource", "prompt", "resource" };

	return err_set(e, ERR_NOT_FOUND, "Unknown %s: " STR_FMT, words[a->kind],
	    (int)(a->name.n > 200 ? 200 : a->name.n), a->name.p);
}

static struct server *
server_of(struct hub *h, const struct tool *t)
{
	for (size_t i = 0; i < h->servers_n; i++)
		if (str_eq(h->servers[i].name, t->server))
			return &h->servers[i];
	UNREACHABLE();
}

/* What is meant?  Whether this key may know of it is the gate's to say, on record. */
static bool
call_find(struct call *c, const struct call_ask *a, const struct tool **t, struct err *e)
{
	struct hub *h = c->hub;

	*t = NULL;
	switch (a->kind) {
	case CALL_TOOL:
		c->builtin = builtin_find(h, a->name);
		*t = c->builtin != NULL ? NULL : hub_find_tool(h, a->name);
		if (*t == NULL)
			break;
		c->server = server_of(h, *t);
		buf_put(&c->own, (*t)->name);
		break;
	case CALL_PROMPT:
	case CALL_COMPLETE_PROMPT:
		c->server = hub_find_prompt(h, a->name, &c->own);
		break;
	case CALL_READ:
	case CALL_COMPLETE_RESOURCE:
		c->server = hub_find_resource(h, a->name, &c->own);
		break;
	}
	return c->builtin != NULL || c->server != NULL || not_found(a, e);
}

static enum ask_kind
kind_of(const struct call *c)
{
	switch (c->kind) {
	case CALL_TOOL:
		return c->builtin != NULL ? c->builtin->ask_kind : ASK_TOOL;
	case CALL_PROMPT:
	case CALL_COMPLETE_PROMPT:
		return ASK_PROMPT;
	case CALL_READ:
	case CALL_COMPLETE_RESOURCE:
		return ASK_RESOURCE;
	}
	UNREACHABLE();
}

static bool
call_enter(struct call *c, const struct call_ask *a, const struct tool *t, struct err *e)
{
	struct hub *h = c->hub;
	struct ask ask = { .kind = kind_of(c),
		.args = a->args.n == 0 ? STR("{}") : a->args,
		.parent = a->parent,
		.session = a->session,
		.tool_use = a->tool_use,
		.client = a->client,
		.address = a->address };
	struct buf name;
	bool listed, ok;

	buf_init(&name, 65536);
	if (t == NULL && c->server != NULL)
		buf_printf(&name, "%s/" STR_FMT, c->server->s->name, STR_ARG(buf_str(&c->own)));
	ask.name = t != NULL           ? t->policy_name
		   : c->server != NULL ? buf_str(&name)
				       : c->builtin->ask_name;
	listed = c->builtin != NULL ? c->builtin->visible(c->builtin->ctx, a->key)
				    : rules_may_list(h->core, a->key, ask.kind, ask.name);
	c->pass.cut = call_cut;
	c->pass.ctx = c;
	ok = gate_enter(h->core, &c->pass, a->key, &ask, e);
	buf_fini(&name);
	if (!ok) {
		h->refused++;
		return !listed && e->code == ERR_DENIED ? not_found(a, e) : false;
	}
	if (listed)
		return true;
	/* A script where there is no sandbox; else the two answers differ: the safe one. */
	c->outcome.end = END_FAILED;
	gate_leave(&c->pass, &c->outcome);
	return not_found(a, e);
}

static bool
server_usable(const struct call *c, struct err *e)
{
	const struct server *sv = c->server;

	if (sv->state == SERVER_READY && (sv->can & shapes[c->kind].can) == 0)
		return err_set(
		    e, ERR_METHOD, "server %s has no %s", sv->s->name, shapes[c->kind].method);
	if (sv->state == SERVER_READY)
		return true;
	if (sv->state == SERVER_DISABLED)
		return err_set(e, ERR_UNCONFIGURED, "server %s cannot be used: %.300s", sv->s->name,
		    sv->s->disabled);
	/* It has listed before and is getting a new session: the call waits there. */
	if (sv->again || (sv->state == SERVER_LISTING && sv->tools != NULL))
		return true;
	return err_set(e, ERR_UPSTREAM, "server %s is %s%s%.250s; try again in a moment",
	    sv->s->name, server_state_word(sv), sv->failure[0] != '\0' ? ": " : "", sv->failure);
}

static bool
args_fit(const struct call_ask *a, struct err *e)
{
	if (a->args.n == 0)
		return true;
	if (a->args.n > ARGS_BYTES_MAX)
		return err_set(e, ERR_TOO_LARGE, "the arguments are larger than 32 MiB");
	if (!json_check(a->args, true, e))
		return false;
	return json_kind(a->args) == JSON_OBJECT
		   ? true
		   : err_set(e, ERR_INVALID, "the arguments must be an object");
}

static struct call *
call_new(struct hub *h, const struct call_ask *a, call_done_f *done, void *ctx)
{
	struct call *c = mem_zalloc(sizeof(*c));

	c->magic = CALL_MAGIC;
	c->hub = h;
	c->kind = a->kind;
	c->peer = a->peer;
	c->done = done;
	c->ctx = ctx;
	c->outcome.bytes_in = (int64_t)a->args.n;
	buf_init(&c->held, h->result_bytes_max * 2 + 4096);
	bridge_init(&c->bridge);
	buf_init(&c->own, 65536);
	buf_init(&c->args, ARGS_BYTES_MAX);
	buf_init(&c->meta, META_BYTES_MAX);
	return c;
}

struct call *
hub_call(struct hub *h, struct job *parent, const struct call_ask *a, call_done_f *done, void *ctx,
    struct err *e)
{
	const struct tool *t;
	struct call *c;
	bool ok;

	IS(h, HUB_MAGIC);
	if (!args_fit(a, e))
		return NULL;
	c = call_new(h, a, done, ctx);
	if (!call_find(c, a, &t, e) || !call_enter(c, a, t, e)) {
		call_reap(&c->job);
		return NULL;
	}
	job_init(&c->job, &call_type, parent, call_done, NULL);
	h->calls++;
	c->starting = true;
	ok = c->builtin != NULL ? builtin_start(c, a, e)
				: server_usable(c, e) && upstream_start(c, t, a, e);
	c->starting = false;
	if (ok)
		return c;
	if (!c->ended) {
		c->why = *e;
		c->outcome.end = end_of(c, false);
	}
	job_cancel(&c->job);
	return NULL;
}

void
builtin_done(struct call *c, struct str result_json, const struct err *e)
{
	IS(c, CALL_MAGIC);
	call_end(c, result_json, e);
}
