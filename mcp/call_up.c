/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_up - the server's part of a call: what it is sent, and what it answers.
 *
 *   call_up() --instance_for()--> upcall --on_notice()--> the client's peer, or the bridge
 *                                   \--on_reply()--> call_end(), or another round
 *        \--its user has no token there--> person_ask() --signed in--> as above
 *
 * What goes up is the client's bytes in our own frame; what comes back is judged here, once: a
 * result has the shape that its method demands, or the call fails and says so.
 */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "mcp/call_private.h"
#include "mcp/instance.h"
#include "mcp/oauth.h"
#include "mcp/peer.h"

#define CALL_MS           60000
#define UPSTREAM_TEXT_MAX 2000
#define SIGN_IN_STATE     "\"tollgate-sign-in\"" /* of a question that is ours, no server's */

/* ---- an upstream's answer ---- */

/* Does this error leave open whether the call was done?  Its HTTP status says so, or its code: an
 * accident, a deadline or a lost connection behind the server.  Others are about the request. */
static bool
leaves_open(const struct reply *r)
{
	return r->open || (r->status < 400 && (r->code == RPC_INTERNAL || r->code == RPC_SERVER ||
						  r->code == RPC_TIMED_OUT));
}

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
	c->open = leaves_open(r);
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

void
call_failed(struct call *c, const char *what)
{
	struct err why;

	c->server->errors++;
	(void)err_set(&why, ERR_UPSTREAM, "server %s: %s", c->server->s->name, what);
	call_end(c, STR_NONE, &why);
}

/* No message, only a status of HTTP: a proxy's, or of a server that has not looked at it. */
static void
http_failed(struct call *c, const struct reply *r)
{
	const bool later =
	    r->open || r->status == 408 || r->status == 425 || r->status == 429 || r->status == 503;
	struct err why;

	c->server->errors++;
	(void)err_set(&why, later ? ERR_UPSTREAM : ERR_UNCONFIGURED,
	    "server %s: it answered HTTP %d", c->server->s->name, r->status);
	why.unmade = !r->open;
	c->outcome.end = END_UPSTREAM;
	call_end(c, STR_NONE, &why);
}

static void
on_unanswered(void *ctx)
{
	struct call *c = ctx;
	struct err why;

	(void)err_set(&why, ERR_TIMEOUT, "the client did not answer what server %s asked",
	    c->server->s->name);
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
	struct buf clean;
	struct err e;
	bool ok;

	if (c->peer != NULL && c->peer->modern) {
		c->outcome.detail = STR("input_required");
		call_end(c, result, NULL);
		return;
	}
	(void)err_set(&e, ERR_UPSTREAM, "it asks for input, and nobody can be asked");
	result = call_redact_question(c, result, &clean);
	ok = result.p != NULL && c->peer != NULL && (c->via == NULL || c->via->era == ERA_MODERN) &&
	     bridge_round(c, &c->bridge, c->peer, result, &e);
	if (!ok && !c->ended)
		call_failed(c, e.text);
	else if (c->bridge.open > 0)
		timer_set(c->hub->loop, &c->bridge.wait, PEER_ANSWER_MS, on_unanswered, c);
	buf_fini(&clean);
}

static void
on_reply(void *ctx, const struct reply *r, const struct err *e)
{
	struct call *c = ctx;
	struct str result;
	struct buf wrapped;
	const char *wrong;

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
	if (r->result.p == NULL && r->status >= 400) {
		http_failed(c, r);
		return;
	}
	c->open = r->open;
	wrong = r->result.p == NULL ? "it sent no result" : result_wrong(c, r->result);
	if (wrong != NULL) {
		call_failed(c, wrong);
		return;
	}
	buf_init(&wrapped, c->hub->result_bytes_max * 2);
	result = hub_wrap_result(c->hub, c->server, r->result, &wrapped);
	if (result.p != NULL)
		call_end(c, result, NULL);
	else
		call_failed(c, "its result is too large");
	buf_fini(&wrapped);
}

/* What the server says before it answers, on this call's own stream. */
static void
on_notice(void *ctx, const struct rpc *said)
{
	struct call *c = ctx;
	struct rpc m = *said;
	struct str level;
	struct buf clean;
	bool may;

	if (c->ended || !job_running(&c->job))
		return;
	may = call_redact_notice(c, &m, &clean);
	if (m.kind == RPC_IS_REQUEST)
		bridge_request(c, &c->bridge, c->up, may ? c->peer : NULL, &m);
	else if (may && c->peer != NULL &&
		 (rpc_is(&m, "notifications/progress")
			 ? c->peer->progress
			 : json_get(m.params, STR("level"), &level) &&
			       peer_log_level(level) >= c->peer->log_level))
		c->peer->tell(c->peer->ctx, &m);
	buf_fini(&clean);
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
		    server_disabled_why(sv));
	/* It has listed before and is getting a new session: the call waits there. */
	if (sv->again || (sv->state == SERVER_LISTING && sv->seen != NULL))
		return true;
	return err_set(e, ERR_UPSTREAM, "server %s is %s%s%.250s; try again in a moment",
	    sv->s->name, server_state_word(sv), sv->failure[0] != '\0' ? ": " : "", sv->failure);
}

/* Sends it, the first time or another round: everything but params is the same. */
static bool
round_send(struct call *c, const struct tool *t, struct str args, struct str params, struct err *e)
{
	struct server_ask ask = { .method = shapes[c->kind].method,
		.name = shapes[c->kind].named ? buf_str(&c->own) : STR(""),
		.params = params,
		.meta = buf_str(&c->bridge.meta),
		.schema = t != NULL ? t->input_schema : STR(""),
		.args = args,
		.deadline_ms = c->server->s->call_ms > 0 ? c->server->s->call_ms : CALL_MS,
		.reply_bytes_max = c->hub->result_bytes_max,
		.notice = on_notice,
		.log_level = PEER_LOG_NONE };

	if (c->peer != NULL) {
		ask.progress = c->peer->progress;
		ask.log_level = c->peer->log_level;
		ask.caps = c->peer->caps;
	}
	c->up = upcall_start(c->via, &c->job, &ask, on_reply, c, e);
	return c->up != NULL;
}

/* Everything but the server is ready: bridge.params ends with the arguments, or with answers that
 * stand behind them. */
static bool
first_round(struct call *c, const struct tool *t, struct str args, struct err *e)
{
	struct buf *params = &c->bridge.params, *meta = &c->bridge.meta;
	bool ok;

	c->via = instance_for(c->server, c->pass.key, c->peer, e);
	if (c->via == NULL)
		return false;
	ok = round_send(c, t, args, buf_str(params), e);
	if (c->peer == NULL || c->peer->modern || c->via->era != ERA_MODERN) {
		buf_fini(params); /* no further round will need them */
		buf_fini(meta);
	}
	c->server->calls += ok;
	return ok;
}

/* ---- a user who has to sign in at the server first ---- */

static bool
person_first(const struct call *c, struct err *e)
{
	struct buf owner;
	bool needs;

	if (c->server->oauth == NULL || !c->server->s->oauth->per_user)
		return false;
	buf_init(&owner, 4096);
	oauth_owner_put(c->pass.key, &owner);
	needs = oauth_needs_person(c->server->oauth, buf_str(&owner), e);
	buf_fini(&owner);
	return needs;
}

/* As a modern server would ask it, so that both eras of clients get it as they get any question. */
static void
person_ask(void *ctx)
{
	struct call *c = ctx;
	const char *name = c->server->s->name;
	char id[23] = "";
	struct buf b;

	base62_random(id, sizeof(id) - 1);
	buf_init(&b, 65536);
	buf_printf(&b,
	    "{\"resultType\":\"input_required\",\"requestState\":" SIGN_IN_STATE
	    ",\"inputRequests\":{\"sign-in\":{\"method\":\"elicitation/create\",\"params\":{"
	    "\"mode\":\"url\",\"elicitationId\":\"%s\",\"url\":\"%s/oauth/sign-in/%s\",\"message\":"
	    "\"%s has to know who you are: sign in there, then go on\"}}}}",
	    id, c->hub->base_url, name, name);
	input_take(c, buf_str(&b));
	buf_fini(&b);
}

/* The client says that it is done: is it? */
static void
person_back(struct call *c)
{
	const struct tool *t = c->kind == CALL_TOOL ? hub_find_tool(c->hub, c->pass.name) : NULL;
	const struct buf *first = &c->bridge.params;
	struct str args = { first->p + first->n - c->args_n, c->args_n };
	struct err e;

	if (person_first(c, &e) || !first_round(c, t, args, &e))
		call_end(c, STR_NONE, &e);
}

bool
call_up(struct call *c, const struct tool *t, const struct call_ask *a, struct err *e)
{
	struct buf *params = &c->bridge.params, *meta = &c->bridge.meta;
	bool ours = str_eq(a->request_state, STR(SIGN_IN_STATE)), person;

	if (!server_usable(c, e))
		return false;
	person = person_first(c, e);
	if (person && (ours || c->peer == NULL || (c->peer->caps & PEER_ELICIT_URL) == 0))
		return false;
	c->args_n = a->args.n == 0 ? 2 : a->args.n;
	params_put(params, c, a);
	if (!ours && a->input_responses.n > 0) {
		buf_puts(params, ",\"inputResponses\":");
		buf_put(params, a->input_responses);
	}
	if (!ours && a->request_state.n > 0) {
		buf_puts(params, ",\"requestState\":");
		buf_put(params, a->request_state);
	}
	meta_members(meta, a->meta);
	if (!buf_ok(params) || !buf_ok(meta))
		return err_set(e, ERR_TOO_LARGE, "the arguments or _meta are too large");
	if (!person)
		return first_round(c, t, a->args, e);
	loop_defer(c->hub->loop, &c->person, person_ask, c);
	return true;
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
	const struct tool *t = c->kind == CALL_TOOL ? hub_find_tool(c->hub, c->pass.name) : NULL;
	const struct buf *first = &c->bridge.params;
	struct buf params;
	struct err e;

	if (c->ended || !job_running(&c->job))
		return;
	timer_stop(&c->bridge.wait);
	if (c->via == NULL) {
		person_back(c);
		return;
	}
	buf_init(&params, ARGS_BYTES_MAX + META_BYTES_MAX);
	buf_put(&params, buf_str(first));
	bridge_put_answers(&c->bridge, &params);
	if (!buf_ok(&params) ||
	    !round_send(c, t, (struct str){ first->p + first->n - c->args_n, c->args_n },
		buf_str(&params), &e))
		call_failed(c, "the next round could not be sent");
	buf_fini(&params);
}
