/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - a script, from its start to its answer.
 *
 *   script_start() --worker--> run_on_call()*
 *                     \--> on_done() --> builtin_done()
 *
 * A run is a job under the call of `lua`; its worker and its tool calls are its kids, so whatever
 * ends the call (client gone, key revoked, deadline) ends them all.  Its calls are in inner.c.
 */
#include "codemode/run.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "codemode/approved.h"
#include "codemode/bound.h"
#include "codemode/front.h"
#include "codemode/metered.h"
#include "codemode/output.h"
#include "codemode/plan.h"
#include "codemode/resume.h"
#include "codemode/snippet.h"
#include "codemode/state.h"
#include "codemode/tools.h"

#define ARENA_BYTES ((size_t)4 << 20)

static void
run_reap(struct job *j)
{
	struct run *r = CONTAINER(j, struct run, job);

	blobs_fini(&r->blobs);
	arena_free(&r->arena);
	buf_fini(&r->planned);
	approved_fini(r);
	r->magic = 0;
	free(r);
}

static void used_fill(struct run *r);

/* Ended from outside: what has been done is remembered all the same.  One that had asked its client
 * can go on when that answers: the gateway ends, and will be there again. */
static void
run_stop(struct job *j)
{
	struct run *r = CONTAINER(j, struct run, job);

	timer_stop(&r->patience);
	/* Cancelled in this turn: with us its worker, whose figures still can be read. */
	if (r->c.outcome->detail.n == 0)
		used_fill(r);
	leg_end(r, r->past != NULL && r->past->held ? PAST_PAUSED : PAST_FAILED,
	    sandbox_end_word(SANDBOX_CANCELLED), STR(""));
}

static const struct job_type run_type = { "run", run_stop, run_reap };

/* blocks: further ones, each behind a comma. */
static void
put_result(struct buf *out, struct str text, struct str blocks, bool is_error)
{
	buf_puts(out, "{\"content\":[{\"type\":\"text\",\"text\":");
	buf_json_str(out, text);
	buf_putc(out, '}');
	buf_put(out, blocks);
	buf_puts(out, is_error ? "],\"isError\":true}" : "],\"isError\":false}");
}

void
script_text_result(struct buf *out, struct str text, bool is_error)
{
	put_result(out, text, STR(""), is_error);
}

/* ---- the end ---- */

/* Will the next script of the session find it in `last`?  state_keep() */
static bool
keeps_last(const struct run *r, struct str value)
{
	return !r->plan && !r->replay && value.n <= FRAME_VALUE_MAX;
}

static void
text_put(struct buf *out, struct run *r, const struct sandbox_result *res, struct str value)
{
	plan_put(r, out);
	approved_put(r, out);
	leg_put_changed(r, out);
	(void)output_put(&(struct output){ .value = value,
			     .log = res->log,
			     .failed = res->end != SANDBOX_DONE || r->refusal.n > 0,
			     .quiet = r->plan,
			     .calls = res->calls,
			     .budget_bytes = OUTPUT_BUDGET_BYTES,
			     .last = keeps_last(r, value) },
	    out);
	if (res->end == SANDBOX_DONE && r->refusal.n == 0)
		return;
	front_put_failure(r, res, out);
	bound_end(r, res, out);
	leg_put_done(r, out);
}

static struct str
result_of(const struct run *r, const struct run_end *end)
{
	if (end->res == NULL)
		return STR("");
	if (end->res->end != SANDBOX_DONE)
		return end->res->message;
	return r->refusal.n > 0 ? r->refusal : end->value;
}

static void
report_put(struct buf *out, const struct run *r, const struct run_end *end)
{
	const struct sandbox_result *res = end->res;

	buf_printf(
	    out, ",\"_meta\":{\"" CODEMODE_REPORT_KEY "\":{\"end\":\"%s\",\"value\":", end->end);
	buf_put(out, end->value.p != NULL ? end->value : STR("null"));
	buf_puts(out, ",\"message\":");
	if (r->refusal.n > 0 && res != NULL && res->end == SANDBOX_DONE)
		buf_json_str(out, r->refusal);
	else
		buf_json_str(out, res != NULL ? res->message : end->text);
	buf_puts(out, ",\"log\":");
	buf_json_str(out, res != NULL ? res->log : STR(""));
	buf_printf(out, ",\"calls\":%lld,\"cpu_us\":%lld", (long long)r->c.outcome->calls,
	    (long long)r->c.outcome->cpu_us);
	if (r->past != NULL)
		buf_printf(out, ",\"run\":\"%s\",\"replayed\":%u", r->past->id, r->leg.replayed);
	if (r->plan)
		plan_report(r, out);
	if (r->replay && res != NULL)
		leg_put_replay(r, end->end, result_of(r, end), out);
	buf_puts(out, "}}}");
}

/* What the kernel counted, and how the worker was locked. */
static void
used_fill(struct run *r)
{
	struct outcome *o = r->c.outcome;

	if (r->worker == NULL) /* refused before there was one */
		return;
	o->sandbox = sandbox_level_word(sandbox_level(r->cm->sandbox));
	sandbox_run_used(r->worker, &o->cpu_us, &o->memory_kb);
}

/* What the audit says of it. */
static void
outcome_fill(struct run *r, const struct run_end *end, size_t told_bytes)
{
	struct outcome *o = r->c.outcome;
	int64_t kept = r->result_bytes - (int64_t)told_bytes;

	o->kept_bytes = kept > 0 ? kept : 0;
	o->calls = end->res != NULL ? end->res->calls : (int64_t)r->leg.calls;
	used_fill(r);
	o->detail = front_detail(r, end->end);
	o->replayed = r->leg.replayed;
	o->snippets = r->versions;
	if (r->past != NULL)
		o->run = arena_str(&r->arena, str_of(r->past->id));
	metered_add(r->cm, r->c.key, o);
}

static enum past_state
state_after(const struct run_end *end)
{
	if (end->res == NULL && !end->error)
		return PAST_PAUSED;
	return end->error ? PAST_FAILED : PAST_DONE;
}

void
run_finish(struct run *r, const struct run_end *end)
{
	struct buf json, blocks;

	IS(r, RUN_MAGIC);
	buf_init(&json, 0);
	buf_init(&blocks, 0);
	if (end->res != NULL)
		blobs_put_shown(&r->blobs, OUTPUT_BUDGET_BYTES, &blocks);
	outcome_fill(r, end, end->text.n + blocks.n);
	put_result(&json, end->text, buf_str(&blocks), end->error);
	buf_fini(&blocks);
	if (r->report && buf_ok(&json)) {
		json.n--; /* reopens the object */
		report_put(&json, r, end);
	}
	leg_end(r, state_after(end), end->end, result_of(r, end));
	/* The call ends, and with it this job; nothing of r may be used afterwards. */
	builtin_done(r->c.call, buf_str(&json), NULL);
	buf_fini(&json);
}

static void
on_done(void *ctx, const struct sandbox_result *res)
{
	struct run *r = ctx;
	struct str value = res->value;
	struct buf named, text;

	IS(r, RUN_MAGIC);
	buf_init(&named, 0);
	buf_init(&text, 0);
	if (value.p != NULL)
		value = blobs_name(&r->blobs, value, &named);
	r->cm->ends[res->end]++;
	if (res->end == SANDBOX_DONE && r->refusal.n == 0 && approved_ask(r)) {
		buf_fini(&text);
		buf_fini(&named);
		return;
	}
	text_put(&text, r, res, value);
	if (res->end == SANDBOX_DONE && r->refusal.n == 0 && !r->plan && !r->replay)
		state_keep(r->cm, r->c.key, r->c.session, res->state, value);
	if (res->end == SANDBOX_CRASH || res->end == SANDBOX_SECCOMP || res->end == SANDBOX_PROTO)
		log_error(
		    &r->job, "script broke its worker", F_TEXT("end", sandbox_end_word(res->end)));
	run_finish(r, &(struct run_end){ .end = front_end_word(r, res->end),
			  .error = res->end != SANDBOX_DONE || r->refusal.n > 0,
			  .text = buf_str(&text),
			  .value = value,
			  .res = res });
	buf_fini(&text);
	buf_fini(&named);
}

static const struct sandbox_events events = { .call = run_on_call, .done = on_done };

/* ---- the start ---- */

struct table {
	struct run *r;
	struct sandbox_tool *tools;
	size_t n;
	bool full;
};

static void
table_add(void *ctx, const struct tool *t)
{
	struct table *tab = ctx;
	struct run *r = tab->r;

	if (tab->n == FRAME_TOOLS_MAX || arena_left(&r->arena) < ARENA_BYTES / 4) {
		tab->full = true;
		return;
	}
	r->names[tab->n] = arena_str(&r->arena, t->policy_name);
	tab->tools[tab->n++] = (struct sandbox_tool){ t->script_server, t->script_name };
}

static bool
meta_says(struct str meta, struct str name)
{
	struct str v;

	return meta.n > 0 && json_get(meta, name, &v) && json_kind(v) == JSON_TRUE;
}

static bool
worker_start(struct run *r, struct err *e)
{
	struct sandbox_script script = { 0 };
	struct table tab = { .r = r };

	tab.tools = mem_alloc((FRAME_TOOLS_MAX + SNIPPETS_MAX) * sizeof(*tab.tools));
	r->names = arena_alloc(&r->arena, FRAME_TOOLS_MAX * sizeof(*r->names));
	hub_tools(r->cm->hub, r->c.key, r->c.view, table_add, &tab);
	if (tab.full)
		log_warn(&r->job, "a script's tool table was cut", F_INT("tools", (int64_t)tab.n));
	r->names_n = tab.n;
	snippets_attach(r, &script);
	leg_snippets(r);
	if (!approved_begin(r, e)) {
		free(tab.tools);
		return false;
	}
	if (r->leg.mode == LEG_FRESH || r->leg.mode == LEG_RETRY)
		front_check(r, tab.tools);
	script.source = r->code;
	script.tools = tab.tools;
	script.tools_n = tab.n;
	bound_script(r, &script);
	leg_script(r, &script);
	r->worker = sandbox_run(r->cm->sandbox, &r->job, &script, &events, r, e);
	free(tab.tools);
	return r->worker != NULL;
}

bool
script_start(struct codemode *cm, const struct builtin_call *c, struct err *e)
{
	struct str raw, code, source;
	struct run *r;
	bool ok;

	if (!json_get(c->args, STR("code"), &raw) || json_kind(raw) != JSON_STRING)
		return err_set(e, ERR_INVALID, "lua needs `code`, a string of Lua source");
	r = mem_zalloc(sizeof(*r));
	r->magic = RUN_MAGIC;
	r->cm = cm;
	r->c = *c;
	r->report = meta_says(c->meta, STR(CODEMODE_REPORT_KEY));
	/* The operator's: any run of the key, whatever its session.  No client's. */
	r->replay = c->peer == NULL && meta_says(c->meta, STR(CODEMODE_REPLAY_KEY));
	link_init(&r->inners);
	buf_init(&r->planned, 0);
	blobs_init(&r->blobs);
	arena_init(&r->arena, ARENA_BYTES + raw.n + 4 * FRAME_SOURCE_MAX);
	job_init(&r->job, &run_type, c->job, NULL, NULL);
	ok = json_string(raw, &r->arena, &code);
	if (ok)
		front_read(r, code);
	r->plan = ok && (plan_asked(r->code) || meta_says(c->meta, STR(CODEMODE_PLAN_KEY)));
	ok = ok && leg_begin(r, code, &source, e);
	if (ok && !str_eq(source, code))
		front_read(r, source);
	if (ok && !worker_start(r, e)) {
		leg_drop(r);
		ok = false;
	}
	if (!ok)
		job_cancel(&r->job);
	return ok;
}
