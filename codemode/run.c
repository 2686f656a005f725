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
#include "codemode/bound.h"
#include "codemode/result.h"
#include "codemode/state.h"
#include "codemode/tools.h"

#define ARENA_BYTES ((size_t)4 << 20)
#define VALUE_BYTES 16000 /* to the model: about 4,000 tokens */
#define LOG_BYTES   8000
#define ERROR_BYTES 4000

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

/* ---- the end ---- */

static void
text_put(struct buf *out, struct run *r, const struct sandbox_result *res)
{
	if (res->log.n > 0) {
		result_cut(res->log, LOG_BYTES, out);
		if (res->log.p[res->log.n - 1] != '\n')
			buf_putc(out, '\n');
	}
	if (res->end != SANDBOX_DONE) {
		buf_printf(out, "error (%s): ", sandbox_end_word(res->end));
		result_cut(res->message, ERROR_BYTES, out);
		bound_end(r, res, out);
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
	text_put(&text, r, res);
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
	if (res->end == SANDBOX_DONE)
		state_keep(r->cm, r->c.key, r->c.session, res->state, res->value);
	r->cm->kept_bytes += (uint64_t)o->kept_bytes;
	if (res->end == SANDBOX_CRASH || res->end == SANDBOX_SECCOMP || res->end == SANDBOX_PROTO)
		log_error(&r->job, "script broke its worker", F_TEXT("end", o->detail.p));
	/* The call ends, and with it this job; nothing of r may be used afterwards. */
	builtin_done(r->c.call, buf_str(&json), NULL);
	buf_fini(&json);
	buf_fini(&text);
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
wants_report(struct str meta)
{
	struct str v;

	return meta.n > 0 && json_get(meta, STR(CODEMODE_REPORT_KEY), &v) &&
	       json_kind(v) == JSON_TRUE;
}

static bool
worker_start(struct run *r, struct str source, struct err *e)
{
	struct sandbox_script script = { .source = source };
	struct table tab = { .r = r };

	tab.tools = mem_alloc(FRAME_TOOLS_MAX * sizeof(*tab.tools));
	r->names = arena_alloc(&r->arena, FRAME_TOOLS_MAX * sizeof(*r->names));
	hub_tools(r->cm->hub, r->c.key, table_add, &tab);
	if (tab.full)
		log_warn(&r->job, "a script's tool table was cut", F_INT("tools", (int64_t)tab.n));
	r->names_n = tab.n;
	script.tools = tab.tools;
	script.tools_n = tab.n;
	bound_script(r, &script);
	state_lend(r->cm, r->c.key, r->c.session, source, &script.state, &script.last);
	r->worker = sandbox_run(r->cm->sandbox, &r->job, &script, &events, r, e);
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
