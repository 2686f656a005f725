/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - a script and its calls.
 *
 *   script_start() --worker--> on_call() --hub_call()--> call_done() --sandbox_answer()--> ...
 *                     \--> on_done() --> builtin_done()
 *
 * A run is a job under the call of `lua`; its worker and its tool calls are its kids, so whatever
 * ends the call (client gone, key revoked, deadline) ends them all.
 *
 * The worker gets handles and names, nothing else.  What it sends back is a handle and arguments:
 * the name is ours again, the arguments are checked against the schema before anything leaves, and
 * the call passes the gate like any other.  A refusal answers that call only.
 */
#include "codemode/run.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "codemode/result.h"
#include "codemode/signature.h"
#include "codemode/tools.h"

#define RUN_MAGIC   0x72756e21u
#define ARENA_BYTES ((size_t)4 << 20)
#define VALUE_BYTES 16000 /* to the model: about 4,000 tokens */
#define LOG_BYTES   8000
#define ERROR_BYTES 4000

struct run {
	struct job job;
	uint32_t magic;
	struct codemode *cm;
	struct builtin_call c;
	struct sandbox_run *worker;
	struct arena arena;
	struct str *names; /* by handle: "server/tool" */
	size_t names_n;
	int64_t result_bytes; /* what the tools answered */
	bool report;
};

struct inner { /* one call in flight, in the run's arena */
	struct run *r;
	uint32_t id, handle;
};

static void
run_reap(struct job *j)
{
	struct run *r = CONTAINER(j, struct run, job);

	arena_free(&r->arena);
	r->magic = 0;
	free(r);
}

static const struct job_type run_type = { "run", NULL, run_reap };

void
script_text_result(struct buf *out, struct str text, bool is_error)
{
	buf_puts(out, "{\"content\":[{\"type\":\"text\",\"text\":");
	buf_json_str(out, text);
	buf_puts(out, is_error ? "}],\"isError\":true}" : "}],\"isError\":false}");
}

/* ---- calls of the script ---- */

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
	sandbox_answer(r->worker, id, FRAME_ERROR, buf_str(&b));
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

static void
inner_done(void *ctx, struct str result_json, const struct err *e)
{
	struct inner *in = ctx;
	struct run *r = in->r;
	struct buf value;

	IS(r, RUN_MAGIC);
	if (e != NULL) {
		answer_err(r, in->id, e);
		return;
	}
	r->result_bytes += (int64_t)result_json.n;
	buf_init(&value, 0);
	if (result_to_value(result_json, &value))
		sandbox_answer(r->worker, in->id, FRAME_OK, buf_str(&value));
	else
		answer_error(r, in->id, "tool_error", buf_str(&value));
	buf_fini(&value);
}

/* People are slow: the script's time stands still while one of its calls waits for them. */
static void
inner_rest(void *ctx, bool rest)
{
	sandbox_run_rest(((struct inner *)ctx)->r->worker, rest);
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
	sandbox_answer(r->worker, id, FRAME_OK, buf_str(&json));
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

static void
on_call(void *ctx, struct sandbox_run *w, uint32_t id, uint32_t handle, struct str args)
{
	struct run *r = ctx;
	const struct tool *t;
	struct inner *in;
	struct err e;

	IS(r, RUN_MAGIC);
	(void)w;
	r->cm->calls++;
	if (handle == SANDBOX_SEARCH) {
		search(r, id, args);
		return;
	}
	ASSERT(handle < r->names_n); /* the pool checked it against the table */
	t = hub_find_tool(r->cm->hub, r->names[handle]);
	if (t == NULL) {
		answer_error(r, id, "unknown_tool", STR("the tool is not there any more"));
		return;
	}
	if (!args_fit(r, id, t, args))
		return;
	if (arena_left(&r->arena) < 4 * sizeof(*in)) {
		answer_error(r, id, "upstream", STR("too many calls in one run"));
		return;
	}
	in = arena_new(&r->arena, struct inner);
	*in = (struct inner){ r, id, handle };
	if (hub_call(r->cm->hub, &r->job,
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
		inner_done, in, &e) == NULL)
		answer_err(r, id, &e);
}

/* ---- the end ---- */

static void
text_put(struct buf *out, const struct sandbox_result *res)
{
	if (res->log.n > 0) {
		result_cut(res->log, LOG_BYTES, out);
		if (res->log.p[res->log.n - 1] != '\n')
			buf_putc(out, '\n');
	}
	if (res->end != SANDBOX_DONE) {
		buf_printf(out, "error (%s): ", sandbox_end_word(res->end));
		result_cut(res->message, ERROR_BYTES, out);
	} else if (res->value.p != NULL) {
		result_to_text(res->value, VALUE_BYTES, out);
	} else if (res->log.n == 0) {
		buf_printf(out, "ok, no return value (%u calls)", res->calls);
	}
}

static void
report_put(struct buf *out, const struct sandbox_result *res)
{
	buf_printf(out, ",\"_meta\":{\"" CODEMODE_REPORT_KEY "\":{\"end\":\"%s\",\"value\":",
	    sandbox_end_word(res->end));
	buf_put(out, res->value.p != NULL ? res->value : STR("null"));
	buf_puts(out, ",\"message\":");
	buf_json_str(out, res->message);
	buf_puts(out, ",\"log\":");
	buf_json_str(out, res->log);
	buf_printf(out, ",\"calls\":%u,\"cpu_us\":%lld}}}", res->calls, (long long)res->cpu_us);
}

static void
on_done(void *ctx, const struct sandbox_result *res)
{
	struct run *r = ctx;
	struct outcome *o = r->c.outcome;
	struct buf text, json;
	int64_t kept;

	IS(r, RUN_MAGIC);
	buf_init(&text, 0);
	buf_init(&json, 0);
	text_put(&text, res);
	script_text_result(&json, buf_str(&text), res->end != SANDBOX_DONE);
	if (r->report && buf_ok(&json)) {
		json.n--; /* reopens the object */
		report_put(&json, res);
	}
	kept = r->result_bytes - (int64_t)text.n;
	o->kept_bytes = kept > 0 ? kept : 0;
	o->calls = res->calls;
	o->cpu_us = res->cpu_us;
	o->detail = str_of(sandbox_end_word(res->end));
	r->cm->ends[res->end]++;
	r->cm->kept_bytes += (uint64_t)o->kept_bytes;
	if (res->end == SANDBOX_CRASH || res->end == SANDBOX_SECCOMP || res->end == SANDBOX_PROTO)
		log_error(&r->job, "script broke its worker", F_TEXT("end", o->detail.p));
	/* The call ends, and with it this job; nothing of r may be used afterwards. */
	builtin_done(r->c.call, buf_str(&json), NULL);
	buf_fini(&json);
	buf_fini(&text);
}

static const struct sandbox_events events = { .call = on_call, .done = on_done };

/* ---- the start ---- */

struct table {
	struct run *r;
	struct sandbox_tool *tools;
	size_t n;
	bool full;
};

static struct str
identifier(struct arena *a, struct str name)
{
	struct buf b;
	struct str s;

	buf_init(&b, 1024);
	signature_put_name(&b, name);
	s = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return s;
}

static void
table_add(void *ctx, const struct tool *t)
{
	struct table *tab = ctx;
	struct run *r = tab->r;
	struct sandbox_tool tool;

	if (tab->n == FRAME_TOOLS_MAX || arena_left(&r->arena) < ARENA_BYTES / 4) {
		tab->full = true;
		return;
	}
	if (t->server.n > FRAME_NAME_MAX || t->name.n > FRAME_NAME_MAX - 2)
		return;
	tool.server = identifier(&r->arena, t->server);
	tool.name = identifier(&r->arena, t->name);
	for (size_t i = tab->n; i > 0 && str_eq(tab->tools[i - 1].server, tool.server); i--)
		if (str_eq(tab->tools[i - 1].name, tool.name))
			return; /* a-b and a_b: the first keeps the name */
	r->names[tab->n] = arena_str(&r->arena, t->policy_name);
	tab->tools[tab->n++] = tool;
}

static bool
wants_report(struct str meta)
{
	struct str v;

	return meta.n > 0 && json_get(meta, STR(CODEMODE_REPORT_KEY), &v) &&
	       json_kind(v) == JSON_TRUE;
}

static bool
worker_start(struct run *r, struct str source, struct err *e)
{
	struct table tab = { .r = r };

	tab.tools = mem_alloc(FRAME_TOOLS_MAX * sizeof(*tab.tools));
	r->names = arena_alloc(&r->arena, FRAME_TOOLS_MAX * sizeof(*r->names));
	hub_tools(r->cm->hub, r->c.key, table_add, &tab);
	if (tab.full)
		log_warn(&r->job, "a script's tool table was cut", F_INT("tools", (int64_t)tab.n));
	r->names_n = tab.n;
	r->worker = sandbox_run(r->cm->sandbox, &r->job,
	    &(struct sandbox_script){ .source = source, .tools = tab.tools, .tools_n = tab.n },
	    &events, r, e);
	free(tab.tools);
	return r->worker != NULL;
}

bool
script_start(struct codemode *cm, const struct builtin_call *c, struct err *e)
{
	struct str raw, source;
	struct run *r;
	bool ok;

	if (!json_get(c->args, STR("code"), &raw) || json_kind(raw) != JSON_STRING)
		return err_set(e, ERR_INVALID, "lua needs `code`, a string of Lua source");
	r = mem_zalloc(sizeof(*r));
	r->magic = RUN_MAGIC;
	r->cm = cm;
	r->c = *c;
	r->report = wants_report(c->meta);
	arena_init(&r->arena, ARENA_BYTES + raw.n);
	job_init(&r->job, &run_type, c->job, NULL, NULL);
	ok = json_string(raw, &r->arena, &source) && worker_start(r, source, e);
	if (!ok)
		job_cancel(&r->job);
	return ok;
}
