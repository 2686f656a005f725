/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - the only way to a tool.
 *
 *   hub_call_tool() --find--> --gate_enter()--> server's wire, or built-in
 *        |                                           |
 *        refused: NULL and *e                   call_end() --gate_leave()--> durable --> done()
 *
 * A tool that the key may not list and one that does not exist give the same answer, ERR_NOT_FOUND;
 * the first is still shown to the gate, so that it is a row in the audit.  A direct call, a call
 * from a script and a script itself all come through here.
 *
 * Invariants: a pass that was entered is left exactly once, at the latest in stop(); done() never
 * runs before hub_call_tool() has returned; a result is the server's bytes or made here, whole.
 */
#include "mcp/hub.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mcp/serve.h"

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
	struct server *server; /* or */
	const struct builtin *builtin;
	struct builtin_call bc;
	struct outcome outcome;
	bool starting, ended;
	struct deferred later, durable;
	struct str result; /* while done() runs */
	struct buf held;   /* the result, when it must wait */
	struct buf args, meta;
	struct err why; /* code NONE: there is a result */
};

struct job *
call_job(struct call *c)
{
	return &c->job;
}

static void
call_stop(struct job *j)
{
	struct call *c = CONTAINER(j, struct call, job);

	deferred_drop(&c->later);
	deferred_drop(&c->durable);
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

	buf_fini(&c->held);
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
	if (buf_ok(&c->held))
		c->result = buf_str(&c->held);
	else
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

static void
upstream_error(struct call *c, const struct reply *r)
{
	struct str raw, text = STR("");
	struct arena a;
	struct buf line;

	arena_init(&a, 1 << 20);
	if (json_get(r->error, STR("message"), &raw) && raw.n < (1 << 18))
		(void)json_string(raw, &a, &text);
	if (text.n > UPSTREAM_TEXT_MAX)
		text.n = UPSTREAM_TEXT_MAX;
	buf_init(&line, 0);
	buf_printf(&line, "%s answered with error %d: " STR_FMT, c->server->s->name, r->code,
	    STR_ARG(text));
	arena_free(&a);
	c->outcome.status = r->code;
	buf_reset(&c->held);
	rpc_put_text_result(&c->held, buf_str(&line), true);
	buf_fini(&line);
	call_end(c, buf_str(&c->held), NULL);
}

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
		return json_string_is(type, STR("input_required"))
			   ? "it asks for input, which is not relayed"
			   : "its result is of an unknown type";
	if (!json_get(result, STR("content"), &content))
		return NULL; /* Claude Code and the SDKs take its absence for none */
	return json_kind(content) == JSON_ARRAY ? NULL : "its content is not a list";
}

static void
on_reply(void *ctx, const struct reply *r, const struct err *e)
{
	struct call *c = ctx;
	struct err why;
	const char *wrong;

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
	wrong = r->result.p == NULL ? "it sent no result" : result_wrong(c, r->result);
	if (wrong != NULL) {
		c->server->errors++;
		(void)err_set(&why, ERR_UPSTREAM, "server %s: %s", c->server->s->name, wrong);
		if (r->result.p == NULL && r->status >= 400)
			(void)err_set(&why, ERR_UPSTREAM, "server %s answered HTTP %d",
			    c->server->s->name, r->status);
		call_end(c, STR_NONE, &why);
		return;
	}
	call_end(c, r->result, NULL);
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

static bool
upstream_start(struct call *c, const struct tool *t, const struct call_ask *a, struct err *e)
{
	struct server_ask ask = { .method = "tools/call",
		.name = t->name,
		.schema = t->input_schema,
		.args = a->args,
		.deadline_ms = c->server->s->call_ms > 0 ? c->server->s->call_ms : CALL_MS,
		.reply_bytes_max = c->hub->result_bytes_max };
	struct buf params, meta;
	bool ok;

	buf_init(&params, ARGS_BYTES_MAX + META_BYTES_MAX);
	buf_init(&meta, META_BYTES_MAX);
	buf_puts(&params, "\"name\":");
	buf_json_str(&params, t->name);
	buf_puts(&params, ",\"arguments\":");
	buf_put(&params, a->args.n == 0 ? STR("{}") : a->args);
	meta_members(&meta, a->meta);
	ok = buf_ok(&params) && buf_ok(&meta);
	ask.params = buf_str(&params);
	ask.meta = buf_str(&meta);
	if (!ok)
		(void)err_set(e, ERR_TOO_LARGE, "the arguments or _meta are too large");
	ok = ok && upcall_start(c->server, &c->job, &ask, on_reply, c, e) != NULL;
	buf_fini(&params);
	buf_fini(&meta);
	if (ok)
		c->server->calls++;
	return ok;
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
not_found(struct str name, struct err *e)
{
	return err_set(
	    e, ERR_NOT_FOUND, "Unknown tool: " STR_FMT, (int)(name.n > 200 ? 200 : name.n), name.p);
}

/* Which tool?  Whether this key may know of it is the gate's to say, on record. */
static bool
call_find(struct hub *h, const struct call_ask *a, const struct builtin **b, const struct tool **t,
    struct err *e)
{
	*b = builtin_find(h, a->name);
	*t = *b != NULL ? NULL : hub_find_tool(h, a->name);
	return *b != NULL || *t != NULL || not_found(a->name, e);
}

static bool
call_enter(struct call *c, const struct call_ask *a, const struct tool *t, struct err *e)
{
	struct hub *h = c->hub;
	struct ask ask = { .kind = t != NULL ? ASK_TOOL : c->builtin->ask_kind,
		.name = t != NULL ? t->policy_name : c->builtin->ask_name,
		.args = a->args.n == 0 ? STR("{}") : a->args,
		.parent = a->parent,
		.session = a->session,
		.tool_use = a->tool_use,
		.client = a->client,
		.address = a->address };
	bool listed = t != NULL ? rules_may_list(h->core, a->key, ASK_TOOL, t->policy_name)
				: c->builtin->visible(c->builtin->ctx, a->key);

	c->pass.cut = call_cut;
	c->pass.ctx = c;
	if (!gate_enter(h->core, &c->pass, a->key, &ask, e)) {
		h->refused++;
		return !listed && e->code == ERR_DENIED ? not_found(a->name, e) : false;
	}
	if (listed)
		return true;
	/* A script where there is no sandbox; else the two answers differ: the safe one. */
	c->outcome.end = END_FAILED;
	gate_leave(&c->pass, &c->outcome);
	return not_found(a->name, e);
}

static bool
server_usable(const struct server *sv, struct err *e)
{
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

static struct server *
server_of(struct hub *h, const struct tool *t)
{
	for (size_t i = 0; i < h->servers_n; i++)
		if (str_eq(h->servers[i].name, t->server))
			return &h->servers[i];
	UNREACHABLE();
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

struct call *
hub_call_tool(struct hub *h, struct job *parent, const struct call_ask *a, call_done_f *done,
    void *ctx, struct err *e)
{
	const struct builtin *b;
	const struct tool *t;
	struct call *c;
	bool ok;

	IS(h, HUB_MAGIC);
	if (!args_fit(a, e) || !call_find(h, a, &b, &t, e))
		return NULL;
	c = mem_zalloc(sizeof(*c));
	c->magic = CALL_MAGIC;
	c->hub = h;
	c->done = done;
	c->ctx = ctx;
	c->builtin = b;
	c->server = t == NULL ? NULL : server_of(h, t);
	c->outcome.bytes_in = (int64_t)a->args.n;
	buf_init(&c->held, h->result_bytes_max + 4096);
	buf_init(&c->args, ARGS_BYTES_MAX);
	buf_init(&c->meta, META_BYTES_MAX);
	if (!call_enter(c, a, t, e)) {
		call_reap(&c->job);
		return NULL;
	}
	job_init(&c->job, &call_type, parent, call_done, NULL);
	h->calls++;
	c->starting = true;
	ok = t == NULL ? builtin_start(c, a, e)
		       : server_usable(c->server, e) && upstream_start(c, t, a, e);
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
