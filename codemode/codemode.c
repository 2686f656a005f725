/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codemode - the two built-in tools, registered with the hub.
 *
 * The hub treats them like any other: listed per key, called through the gate (as a run), cancelled
 * with their call.  Here is only what they are; run.c is what `lua` does, tools.c what `tools`
 * says.
 */
#include "codemode/codemode.h"

#include <stdlib.h>

#include "base/json.h"
#include "codemode/front.h"
#include "codemode/hot.h"
#include "codemode/journal.h"
#include "codemode/keep.h"
#include "codemode/metered.h"
#include "codemode/run.h"
#include "codemode/shape.h"
#include "codemode/snippet.h"
#include "codemode/tools.h"

static bool
visible(void *ctx, struct key *k, struct str view)
{
	const struct codemode *cm = ctx;

	return sandbox_level(cm->sandbox) != SANDBOX_UNAVAILABLE &&
	       rules_may_list(cm->core, k, view, ASK_RUN, STR("run"));
}

static void
define_lua(
    void *ctx, struct key *k, const struct view_settings *of, struct str session, struct buf *out)
{
	hot_put_lua(ctx, k, of, session, out);
}

static void
define_tools(
    void *ctx, struct key *k, const struct view_settings *of, struct str session, struct buf *out)
{
	struct codemode *cm = ctx;
	struct tool_list l = tool_list_of(cm, k, of);

	(void)session;
	tools_put_tools(&l, out);
	tool_list_fini(&l);
}

static bool
call_lua(void *ctx, const struct builtin_call *c, struct err *e)
{
	return script_start(ctx, c, e);
}

/* Answers at once, but never before the call has started: at the end of the turn. */
struct answer {
	struct job job;
	struct deferred later;
	struct call *call;
	struct buf json;
};

static void
answer_stop(struct job *j)
{
	deferred_drop(&CONTAINER(j, struct answer, job)->later);
}

static void
answer_reap(struct job *j)
{
	struct answer *a = CONTAINER(j, struct answer, job);

	buf_fini(&a->json);
	free(a);
}

static const struct job_type answer_type = { "tools", answer_stop, answer_reap };

static void
answer_now(void *ctx)
{
	struct answer *a = ctx;

	builtin_done(a->call, buf_str(&a->json), NULL);
}

static bool
call_tools(void *ctx, const struct builtin_call *c, struct err *e)
{
	struct codemode *cm = ctx;
	struct str raw, query;
	struct answer *a;
	struct buf text;
	struct arena arena;

	arena_init(&arena, c->args.n + 1024);
	if (!json_get(c->args, STR("query"), &raw) || !json_string(raw, &arena, &query)) {
		arena_free(&arena);
		return err_set(e, ERR_INVALID, "tools needs `query`, a string");
	}
	a = mem_zalloc(sizeof(*a));
	a->call = c->call;
	buf_init(&a->json, 0);
	buf_init(&text, 0);
	tools_answer(cm, c->key, c->view, query, &text);
	script_text_result(&a->json, buf_str(&text), false);
	buf_fini(&text);
	arena_free(&arena);
	c->outcome->detail = STR("search");
	job_init(&a->job, &answer_type, c->job, NULL, NULL);
	loop_defer(cm->loop, &a->later, answer_now, a);
	return true;
}

struct codemode *
codemode_new(struct loop *l, struct hub *h, struct core *c, struct sandbox *s,
    const struct codemode_settings *set)
{
	struct codemode *cm = mem_zalloc(sizeof(*cm));

	cm->loop = l;
	cm->hub = h;
	cm->core = c;
	cm->sandbox = s;
	hot_init(cm);
	shape_init(cm);
	cm->set = *set;
	map_init(&cm->metered);
	keep_load(cm);
	hub_add_builtin(h, &(struct builtin){ .name = STR("lua"),
			       .ask_kind = ASK_RUN,
			       .ask_name = STR("run"),
			       .visible = visible,
			       .define = define_lua,
			       .call = call_lua,
			       .ctx = cm });
	hub_add_builtin(h, &(struct builtin){ .name = STR("tools"),
			       .ask_kind = ASK_RUN,
			       .ask_name = STR("run"),
			       .visible = visible,
			       .define = define_tools,
			       .call = call_tools,
			       .ctx = cm });
	return cm;
}

struct key *
codemode_run_key(struct codemode *cm, struct str run)
{
	return past_key(cm, run);
}

void
codemode_free(struct codemode **cm)
{
	if (*cm != NULL) {
		keep_free(*cm);
		hot_free(*cm);
		shape_free(*cm);
		snippets_free(*cm);
		metered_free(*cm);
	}
	MEM_FREE(cm);
}

void
codemode_metrics(struct codemode *cm, struct buf *out)
{
	buf_puts(out, "# TYPE tollgate_runs_total counter\n");
	for (int i = 0; i <= SANDBOX_CANCELLED; i++)
		if (cm->ends[i] > 0)
			buf_printf(out, "tollgate_runs_total{end=\"%s\"} %llu\n",
			    sandbox_end_word((enum sandbox_end)i), (unsigned long long)cm->ends[i]);
	front_metrics(cm, out);
	buf_printf(out,
	    "# TYPE tollgate_run_calls_total counter\ntollgate_run_calls_total %llu\n"
	    "# TYPE tollgate_prefetched_tools_total counter\n"
	    "tollgate_prefetched_tools_total %llu\n",
	    (unsigned long long)cm->calls, (unsigned long long)cm->hinted);
	metered_put(cm, out);
}
