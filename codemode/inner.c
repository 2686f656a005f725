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
#include "codemode/arguments.h"
#include "codemode/bound.h"
#include "codemode/pause.h"
#include "codemode/plan.h"
#include "codemode/progress.h"
#include "codemode/result.h"
#include "codemode/resume.h"
#include "codemode/run.h"
#include "codemode/signature.h"
#include "codemode/tools.h"

static const char *
error_word(enum err_code code)
{
	switch (code) {
	case ERR_NOT_FOUND:
		return "unknown_tool";
	case ERR_INVALID:
	case ERR_TOO_LARGE:
		return "invalid_args";
	case ERR_DENIED:
	case ERR_APPROVAL:
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

static void
answer_err(struct run *r, uint32_t id, const struct err *e)
{
	struct buf text;

	buf_init(&text, 0);
	buf_puts(&text, e->text);
	if (e->retry_after_s > 0)
		buf_printf(&text, " (try again in %d s)", e->retry_after_s);
	answer_error(r, id, error_word(e->code), buf_str(&text));
	buf_fini(&text);
}

/* Does this error leave open whether the server did what it was asked? */
static bool
maybe_done(enum err_code code)
{
	return code == ERR_UPSTREAM || code == ERR_TIMEOUT || code == ERR_SLOW ||
	       code == ERR_CANCELLED || code == ERR_TOO_LARGE || code == ERR_INTERNAL;
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

static void
inner_done(void *ctx, struct str result_json, const struct err *e)
{
	struct inner *in = ctx;
	struct run *r = in->r;
	struct buf value;

	IS(r, RUN_MAGIC);
	inner_close(in);
	if (e != NULL) {
		if (maybe_done(e->code))
			leg_lost(r, in->id);
		answer_err(r, in->id, e);
		return;
	}
	if (!bound_bytes(r, result_json.n))
		return;
	buf_init(&value, 0);
	if (result_to_value(in->wrapper, result_json, &value))
		leg_answer(r, in->id, FRAME_OK, buf_str(&value));
	else
		answer_error(r, in->id, "tool_error", buf_str(&value));
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
	tools_answer(r->cm->hub, r->c.key, query, &text);
	buf_json_str(&json, buf_str(&text));
	leg_answer(r, id, FRAME_OK, buf_str(&json));
	buf_fini(&json);
	buf_fini(&text);
	arena_free(&a);
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
		signature_put(&why, t, false);
		answer_error(r, id, "invalid_args", buf_str(&why));
	}
	buf_fini(&why);
	return fit;
}

/* `args` fit the tool: the call goes to the gate. */
static void
call_tool(struct run *r, uint32_t id, uint32_t handle, const struct tool *t, struct str args)
{
	struct str schema, wrapper = result_unwraps(t, &schema);
	struct inner *in;
	struct err e;

	if (arena_left(&r->arena) < 4 * sizeof(*in)) {
		answer_error(r, id, "upstream", STR("too many calls in one run"));
		return;
	}
	in = arena_new(&r->arena, struct inner);
	*in = (struct inner){ .r = r, .id = id, .wrapper = wrapper };
	link_push(&r->inners, &in->of_run);
	r->open++;
	leg_sent(r, id);
	in->call = hub_call(r->cm->hub, &r->job,
	    &(struct call_ask){ .key = r->c.key,
		.parent = r->c.pass,
		.asks = r->c.peer,
		.rest = inner_rest,
		.name = r->names[handle],
		.args = args,
		.session = r->c.session,
		.tool_use = r->c.tool_use,
		.client = r->c.client,
		.address = r->c.address },
	    inner_done, in, &e);
	if (in->call == NULL) {
		inner_close(in);
		answer_err(r, id, &e);
		return;
	}
	pause_look(r);
	progress_tell(r, t);
}

void
run_on_call(void *ctx, struct sandbox_run *w, uint32_t id, uint32_t handle, struct str args)
{
	struct run *r = ctx;
	const struct tool *t;
	struct buf changed;

	IS(r, RUN_MAGIC);
	(void)w;
	r->cm->calls++;
	if (handle == SANDBOX_SEARCH) {
		if (!leg_call(r, id, STR("tools"), NULL, args))
			search(r, id, args);
		return;
	}
	ASSERT(handle < r->names_n); /* the pool checked it against the table */
	t = hub_find_tool(r->cm->hub, r->names[handle]);
	if (t == NULL) {
		if (!leg_call(r, id, r->names[handle], NULL, args))
			answer_error(r, id, "unknown_tool", STR("the tool is not there any more"));
		return;
	}
	buf_init(&changed, 0);
	args = arguments_fit(t, args, &changed);
	ASSERT(args.p != NULL); /* it only gets shorter */
	if (!leg_call(r, id, r->names[handle], t, args) && args_fit(r, id, t, args) &&
	    !plan_records(r, id, t, args))
		call_tool(r, id, handle, t, args);
	buf_fini(&changed);
}
