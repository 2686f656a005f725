/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inner - the calls of a script.
 *
 *   run_on_call() --arguments fit--> hub_call() --> inner_done() --> sandbox_answer()
 *              \--search, or no--> sandbox_answer() at once
 *
 * The worker gets handles and names, nothing else.  What it sends back is a handle and arguments:
 * the name is ours again, the arguments are checked against the schema before anything leaves, and
 * the call passes the gate like any other.  A refusal answers that call only.
 */
#include "base/json.h"
#include "codemode/approved.h"
#include "codemode/arguments.h"
#include "codemode/bound.h"
#include "codemode/leg.h"
#include "codemode/pause.h"
#include "codemode/plan.h"
#include "codemode/progress.h"
#include "codemode/result.h"
#include "codemode/run.h"
#include "codemode/shape.h"
#include "codemode/tools.h"

#define VALUE_BYTES_MAX ((size_t)4 << 20) /* into a script; see sandbox_answer() */

static const char *
error_word(enum err_code code)
{
	switch (code) {
	case ERR_NOT_FOUND:
		return "unknown_tool";
	case ERR_INVALID:
	case ERR_TOO_LARGE:
		return "invalid_args";
	case ERR_APPROVAL:
		return "approval_denied";
	case ERR_DENIED:
	case ERR_AUTH:
	case ERR_REVOKED:
	case ERR_NO_OWNER:
		return "denied";
	case ERR_BUDGET:
		return "budget";
	case ERR_RATE:
		return "rate_limited";
	case ERR_TIMEOUT:
	case ERR_SLOW:
		return "timeout";
	case ERR_NONE:
	case ERR_METHOD:
	case ERR_LENGTH:
	case ERR_HEAD_LARGE:
	case ERR_CANCELLED:
	case ERR_INTERNAL:
	case ERR_UPSTREAM:
	case ERR_STORE:
	case ERR_UNCONFIGURED:
	case ERR_OVERLOAD:
	case ERR_COUNT:
		return "upstream";
	}
	UNREACHABLE();
}

/* The error that the script can catch. */
static void
answer_error(struct run *r, uint32_t id, const char *code, struct str message)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "{\"code\":\"%s\",\"message\":", code);
	buf_json_str(&b, message);
	buf_putc(&b, '}');
	leg_answer(r, id, FRAME_ERROR, buf_str(&b));
	buf_fini(&b);
}

/* Does this error leave open whether the server did what it was asked? */
static bool
maybe_done(const struct err *e)
{
	const enum err_code c = e->code;

	return !e->unmade && (c == ERR_UPSTREAM || c == ERR_TIMEOUT || c == ERR_SLOW ||
				 c == ERR_CANCELLED || c == ERR_TOO_LARGE || c == ERR_INTERNAL);
}

/* Retryable is what certainly was not done, and may be another time. */
static void
answer_err(struct run *r, uint32_t id, const struct err *e)
{
	struct buf text, json;

	buf_init(&text, 0);
	buf_init(&json, 0);
	buf_puts(&text, e->text);
	if (e->retry_after_s > 0)
		buf_printf(&text, " (try again in %d s)", e->retry_after_s);
	buf_printf(&json, "{\"code\":\"%s\",\"message\":", error_word(e->code));
	buf_json_str(&json, buf_str(&text));
	if (err_retry(e->code) && !maybe_done(e))
		buf_puts(&json, ",\"retryable\":true");
	buf_putc(&json, '}');
	leg_answer(r, id, FRAME_ERROR, buf_str(&json));
	buf_fini(&json);
	buf_fini(&text);
}

static void
inner_close(struct inner *in)
{
	struct run *r = in->r;

	link_drop(&in->of_run);
	r->open--;
	r->waiting -= in->waits;
	pause_look(r);
}

/* The value; or, where the script asked for a reference, a handle of it.  A value that already
 * holds handles is one: what is large in it stays here. */
static void
answer_value(struct inner *in, struct str value, bool handles)
{
	struct run *r = in->r;
	struct buf b;

	buf_init(&b, 0);
	if (in->by_ref && !handles) {
		blob_put_value(&r->blobs, value, &b);
		value = buf_str(&b);
		handles = true;
	}
	if (value.n > VALUE_BYTES_MAX) {
		buf_reset(&b);
		buf_printf(&b,
		    "the result has %zu bytes, a script can take %zu: use "
		    "by_ref(server.tool, {...}), which gives a handle to pass on",
		    value.n, VALUE_BYTES_MAX);
		leg_made(r, in->id);
		answer_error(r, in->id, "upstream", buf_str(&b));
	} else if (handles) {
		leg_answer_handles(r, in->id, value);
	} else {
		leg_answer(r, in->id, FRAME_OK, value);
	}
	buf_fini(&b);
}

static void
learn(const struct inner *in, struct str value)
{
	const struct tool *t = hub_find_tool(in->r->cm->hub, in->name);

	if (t != NULL)
		shape_learn(in->r->cm, in->r->c.key, t, value);
}

static void
inner_done(void *ctx, struct str result_json, const struct err *e)
{
	struct inner *in = ctx;
	struct run *r = in->r;
	size_t blobs_n = r->blobs.n;
	struct buf value;

	IS(r, RUN_MAGIC);
	inner_close(in);
	if (e != NULL) {
		if (maybe_done(e))
			leg_lost(r, in->id);
		answer_err(r, in->id, e);
		return;
	}
	if (!bound_bytes(r, result_json.n))
		return;
	buf_init(&value, 0);
	if (result_to_value(&r->blobs, in->wrapper, result_json, &value)) {
		learn(in, buf_str(&value));
		answer_value(in, buf_str(&value), r->blobs.n > blobs_n);
	} else {
		if (call_withheld(in->call))
			leg_made(r, in->id);
		else if (call_open(in->call))
			leg_lost(r, in->id);
		answer_error(r, in->id, "tool_error", buf_str(&value));
	}
	buf_fini(&value);
}

/* People are slow: the script's time stands still while one of its calls waits for them. */
static void
inner_rest(void *ctx, bool rest)
{
	struct inner *in = ctx;
	struct run *r = in->r;

	in->waits = rest;
	r->waiting += rest ? 1 : -1;
	leg_held(r, in->id, rest);
	sandbox_run_rest(r->worker, rest);
	pause_look(r);
}

/* As many as may are at it: the script's time goes on, and nothing has left. */
static void
inner_queue(void *ctx, bool waits)
{
	struct inner *in = ctx;

	leg_held(in->r, in->id, waits);
}

static void
search(struct run *r, uint32_t id, struct str args)
{
	struct str raw, query = STR("");
	struct buf text, json;
	struct arena a;

	arena_init(&a, args.n + 1024);
	if (json_get(args, STR("query"), &raw))
		(void)json_string(raw, &a, &query);
	buf_init(&text, 0);
	buf_init(&json, 0);
	tools_answer(r->cm, r->c.key, r->c.view, query, &text);
	buf_json_str(&json, buf_str(&text));
	leg_answer(r, id, FRAME_OK, buf_str(&json));
	buf_fini(&json);
	buf_fini(&text);
	arena_free(&a);
}

/* show(h): the block itself goes into the result.  Done anew in each leg of a run; the journal
 * knows it by the blob's number. */
static void
show(struct run *r, uint32_t id, struct str args)
{
	struct blob *b = NULL;
	struct buf why, known;
	struct str raw;

	buf_init(&why, 0);
	buf_init(&known, 0);
	if (!json_get(args, STR("blob"), &raw) || blob_string(raw) != BLOB_HANDLE)
		buf_puts(&why, "pass one handle: show(result.blobs[1])");
	else
		b = blob_find(&r->blobs, raw, &why);
	if (b != NULL)
		(void)blob_show(&r->blobs, b, &why);
	buf_printf(&known, "{\"blob\":%zu}", b != NULL ? (size_t)(b - r->blobs.b) + 1 : 0);
	if (leg_call(r, id, STR("show"), NULL, buf_str(&known)))
		(void)0;
	else if (why.n == 0)
		leg_answer(r, id, FRAME_OK, STR("true"));
	else
		answer_error(r, id, "invalid_args", buf_str(&why));
	buf_fini(&known);
	buf_fini(&why);
}

/* One failed attempt teaches everything: what was wrong, and the signature. */
static bool
args_fit(struct run *r, uint32_t id, const struct tool *t, struct str args)
{
	struct buf why;
	bool fit;

	buf_init(&why, 0);
	fit = tool_check_args(t, args, &why);
	if (!fit) {
		buf_puts(&why, "\n  ");
		shape_put_signature(r->cm, r->c.key, t, false, &why);
		answer_error(r, id, "invalid_args", buf_str(&why));
	}
	buf_fini(&why);
	return fit;
}

struct asked_call {
	uint32_t id;
	struct str name;
	bool by_ref;
};

/* `args` fit the tool: the call goes to the gate. */
static void
call_tool(struct run *r, const struct asked_call *a, const struct tool *t, struct str args)
{
	struct str schema, wrapper = result_unwraps(t, &schema);
	struct inner *in;
	struct err e;

	if (arena_left(&r->arena) < 4 * sizeof(*in)) {
		answer_error(r, a->id, "upstream", STR("too many calls in one run"));
		return;
	}
	in = arena_new(&r->arena, struct inner);
	*in = (struct inner){
		.r = r, .id = a->id, .name = a->name, .wrapper = wrapper, .by_ref = a->by_ref
	};
	link_push(&r->inners, &in->of_run);
	r->open++;
	leg_sent(r, a->id);
	in->call = hub_call(r->cm->hub, &r->job,
	    &(struct call_ask){ .key = r->c.key,
		.view = r->c.view,
		.parent = r->c.pass,
		.asks = r->c.peer,
		.rest = inner_rest,
		.queue = inner_queue,
		.name = a->name,
		.args = args,
		.session = r->c.session,
		.tool_use = r->c.tool_use,
		.client = r->c.client,
		.address = r->c.address },
	    inner_done, in, &e);
	if (in->call == NULL) {
		e.unmade = true;
		inner_close(in);
		answer_err(r, a->id, &e);
		return;
	}
	pause_look(r);
	progress_tell(r, t);
}

/* The arguments become what is sent, handles and all, before anything judges them. */
static void
on_tool_call(struct run *r, const struct asked_call *a, struct str args)
{
	const struct tool *t = hub_find_tool(r->cm->hub, a->name);
	struct buf changed, why;
	struct str sent;

	if (t == NULL) {
		if (!leg_call(r, a->id, a->name, NULL, args))
			answer_error(
			    r, a->id, "unknown_tool", STR("the tool is not there any more"));
		return;
	}
	buf_init(&changed, ARGUMENTS_BYTES_MAX);
	buf_init(&why, 0);
	sent = arguments_fit(t, &r->blobs, args, &changed, &why);
	if (sent.p != NULL)
		approved_look(r, a->id, t, sent);
	if (leg_call(r, a->id, a->name, t, sent.p != NULL ? sent : args))
		(void)0; /* answered from what has been done */
	else if (sent.p == NULL)
		answer_error(r, a->id, "invalid_args", buf_str(&why));
	else if (args_fit(r, a->id, t, sent) && !plan_records(r, a->id, t, sent) &&
		 !approved_takes(r, a->id, t, sent))
		call_tool(r, a, t, sent);
	buf_fini(&why);
	buf_fini(&changed);
}

void
run_on_call(void *ctx, struct sandbox_run *w, uint32_t id, uint32_t handle, struct str args)
{
	struct run *r = ctx;
	bool by_ref = (handle & SANDBOX_BY_REF) != 0;

	IS(r, RUN_MAGIC);
	(void)w;
	r->cm->calls++;
	handle &= ~SANDBOX_BY_REF;
	if (handle == SANDBOX_SEARCH) {
		if (!leg_call(r, id, STR("tools"), NULL, args))
			search(r, id, args);
	} else if (handle == SANDBOX_SHOW) {
		show(r, id, args);
	} else {
		ASSERT(handle < r->names_n); /* the pool checked it against the table */
		on_tool_call(r, &(struct asked_call){ id, r->names[handle], by_ref }, args);
	}
}
