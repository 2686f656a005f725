/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - the only way to a tool, a prompt or a resource.
 *
 *   hub_call() --find--> --gate_enter()--> call_up() (call_up.c), or a built-in
 *        |                                           |
 *        refused: NULL and *e                   call_end() --gate_leave()--> durable --> done()
 *
 * What needs an approval may wait for it before the gate lets it in (call_wait.c).
 *
 * What the key may not list and what does not exist give the same answer, ERR_NOT_FOUND; the first
 * is still shown to the gate, so that it is a row in the audit.  A direct call, a call from a
 * script and a script itself all come through here.
 *
 * Invariants: a pass that was entered is left exactly once, at the latest in stop(); done() never
 * runs before hub_call() has returned; a result is the server's bytes or made here, whole.
 */
#include "mcp/call_private.h"

#include <stdlib.h>
#include <string.h>

struct str
call_error(const struct call *c)
{
	return c->error;
}

bool
call_withheld(const struct call *c)
{
	return c->withheld;
}

bool
call_open(const struct call *c)
{
	return c->open;
}

static void
call_stop(struct job *j)
{
	struct call *c = CONTAINER(j, struct call, job);

	deferred_drop(&c->later);
	deferred_drop(&c->durable);
	deferred_drop(&c->person);
	call_wait_drop(c);
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
	call_redact_fini(c);
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
	} else {
		(void)err_set(&c->why, ERR_TOO_LARGE, "the result is too large to keep");
	}
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
	case ERR_APPROVAL:
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

void
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
	call_redact_result(c);
	if (c->outcome.end == 0)
		c->outcome.end = end_of(c, tool_error);
	c->outcome.bytes_out = (int64_t)c->result.n;
	/* What a built-in started must not outlive its pass. */
	job_cancel_kids(&c->job);
	if (pass_open(&c->pass)) /* else it waited for an approval, or asks for one */
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

/* ---- the start ---- */

static bool
builtin_start(struct call *c, const struct call_ask *a, struct err *e)
{
	buf_put(&c->args, a->args.n == 0 ? STR("{}") : a->args);
	buf_put(&c->meta, a->meta);
	if (!buf_ok(&c->args) || !buf_ok(&c->meta))
		return err_set(e, ERR_TOO_LARGE, "the arguments or _meta are too large");
	c->bc = (struct builtin_call){ .hub = c->hub,
		.key = a->key,
		.view = a->view,
		.pass = &c->pass,
		.job = &c->job,
		.args = buf_str(&c->args),
		.meta = buf_str(&c->meta),
		.token = str_of(c->token),
		.session = c->pass.session,
		.tool_use = c->pass.tool_use,
		.client = c->pass.client,
		.address = c->pass.address,
		.outcome = &c->outcome,
		.peer = c->peer,
		.call = c };
	return c->builtin->call(c->builtin->ctx, &c->bc, e);
}

/* Where scripts are off it is a name like any other. */
static const struct builtin *
builtin_find(struct hub *h, const struct call_ask *a)
{
	for (size_t i = 0; i < h->builtins_n; i++)
		if (str_eq(h->builtins[i].name, a->name))
			return scripts_mode(h, a->key, a->view) != CODE_MODE_OFF ? &h->builtins[i]
										 : NULL;
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

static void
name_put(struct buf *name, const struct call *c)
{
	buf_printf(name, "%s/" STR_FMT, c->server->s->name, STR_ARG(buf_str(&c->own)));
}

static bool
in_view(const struct call *c, const struct view_settings *view, const struct tool *t)
{
	struct buf name;
	bool in;

	if (c->server == NULL)
		return false;
	buf_init(&name, 65536);
	name_put(&name, c);
	in = view_includes(view, kind_of(c), t != NULL ? t->policy_name : buf_str(&name));
	buf_fini(&name);
	return in;
}

/* What is meant?  Whether this key may know of it is the gate's to say, on record. */
static bool
call_find(struct call *c, const struct call_ask *a, const struct tool **t, struct err *e)
{
	struct hub *h = c->hub;

	*t = NULL;
	switch (a->kind) {
	case CALL_TOOL:
		c->builtin = builtin_find(h, a);
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
	if (a->view != NULL && c->builtin == NULL && !in_view(c, a->view, *t))
		return not_found(a, e);
	return c->builtin != NULL || c->server != NULL || not_found(a, e);
}

static bool
call_enter(struct call *c, struct call_ask *a, const struct tool *t, struct err *e)
{
	struct hub *h = c->hub;
	struct ask ask = { .kind = kind_of(c),
		.args = a->args.n == 0 ? STR("{}") : a->args,
		.parent = a->parent,
		.approval = a->approval,
		.round = a->round,
		.can_ask = call_can_ask(a),
		.can_wait = call_can_queue(a),
		.session = a->session,
		.tool_use = a->tool_use,
		.client = a->client,
		.address = a->address,
		.view = view_of(a->view) };
	struct buf name;
	bool listed, ok;

	buf_init(&name, 65536);
	if (t == NULL && c->server != NULL)
		name_put(&name, c);
	ask.blocked = t != NULL ? t->blocked : STR("");
	ask.name = t != NULL           ? t->policy_name
		   : c->server != NULL ? buf_str(&name)
				       : c->builtin->ask_name;
	listed = c->builtin != NULL ? c->builtin->visible(c->builtin->ctx, a->key, ask.view)
				    : rules_may_list(h->core, a->key, ask.view, ask.kind, ask.name);
	c->pass.cut = call_cut;
	c->pass.ctx = c;
	ok = call_redact_ask(c, a, &ask, e) && gate_enter(h->core, &c->pass, a->key, &ask, e);
	buf_fini(&name);
	if (!ok) {
		memset(&c->redacted, 0, sizeof(c->redacted)); /* they are in a row of their own */
		h->refused += !pass_may_wait(&c->pass);
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
	(void)str_copy(c->token, sizeof(c->token), a->token);
	buf_init(&c->held, h->result_bytes_max * 2 + 4096);
	bridge_init(&c->bridge);
	call_redact_init(c);
	buf_init(&c->own, 65536);
	buf_init(&c->args, ARGS_BYTES_MAX);
	buf_init(&c->meta, META_BYTES_MAX);
	return c;
}

static bool
call_begin(struct call *c, const struct call_ask *a, const struct tool *t, struct err *e)
{
	bool ok;

	c->hub->calls++;
	c->starting = true;
	ok = c->builtin != NULL ? builtin_start(c, a, e) : call_up(c, t, a, e);
	c->starting = false;
	call_redact_sent(c);
	return ok;
}

bool
call_proceed(struct call *c, const struct call_ask *asked, struct err *e)
{
	struct call_ask clean = *asked, *a = &clean;
	const struct tool *t;

	buf_reset(&c->own);
	return call_find(c, a, &t, e) && call_enter(c, a, t, e) && call_begin(c, a, t, e);
}

struct call *
hub_call(struct hub *h, struct job *parent, const struct call_ask *asked, call_done_f *done,
    void *ctx, struct err *e)
{
	struct call_ask clean = *asked, *a = &clean;
	const struct tool *t;
	bool entered, waits;
	struct call *c;

	IS(h, HUB_MAGIC);
	if (!args_fit(a, e))
		return NULL;
	call_answer(h, a);
	c = call_new(h, a, done, ctx);
	entered = call_find(c, a, &t, e) && call_enter(c, a, t, e);
	waits = !entered && call_wait(c, a, e);
	if (!entered && !waits) {
		call_reap(&c->job);
		return NULL;
	}
	job_init(&c->job, &call_type, parent, call_done, NULL);
	if (waits || call_begin(c, a, t, e))
		return c;
	if (!c->ended) {
		c->why = *e;
		c->outcome.end = end_of(c, false);
	}
	job_cancel(&c->job);
	return NULL;
}

bool
builtin_parks(struct call *c, struct str token)
{
	IS(c, CALL_MAGIC);
	return c->peer != NULL && c->peer->modern && str_copy(c->token, sizeof(c->token), token);
}

struct str
call_token(const struct call *c)
{
	return c != NULL ? str_of(c->token) : STR("");
}

bool
builtin_wants_progress(const struct call *c)
{
	return c->peer != NULL && c->peer->progress;
}

void
builtin_progress(struct call *c, int64_t done, struct str message)
{
	struct rpc m = { .method = "notifications/progress" };
	struct buf params;

	IS(c, CALL_MAGIC);
	if (!builtin_wants_progress(c) || c->ended)
		return;
	buf_init(&params, 4096);
	buf_puts(&params, "{\"progress\":");
	buf_i64(&params, done);
	buf_puts(&params, ",\"message\":");
	buf_json_str(&params, message);
	buf_putc(&params, '}');
	m.params = buf_str(&params);
	if (buf_ok(&params))
		c->peer->tell(c->peer->ctx, &m);
	buf_fini(&params);
}

void
builtin_done(struct call *c, struct str result_json, const struct err *e)
{
	IS(c, CALL_MAGIC);
	call_end(c, result_json, e);
}
