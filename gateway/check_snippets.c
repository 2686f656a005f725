/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_snippets - what is wrong with the snippets of a folder, before anybody calls one.
 *
 *   codemode/snippet_lint.c  calls that cannot succeed, by mcp.lock and the other heads
 *   a worker                 is it Lua?  Which of the names that it reads are there?
 *   policies/reach.c         tools that nobody who sees it may call
 *
 * The gateway has no Lua and no list of what scripts find.  So the text goes to a worker behind
 * `do return … end`, which looks the names up; nothing of the snippet runs.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "gateway/cli.h"
#include "gateway/gateway.h"

#define READY_MS   5000
#define READS_MAX  64 /* names looked up, of one snippet */
#define CALLS_MAX  8192
#define NAME_BYTES 64
#define TEXT_BYTES ((size_t)1 << 20)
#define MESSAGE    "script:1: "

struct read { /* a global, and where it is first read */
	struct str name;
	uint32_t line;
};
struct called {
	const struct snippet *s;
	uint32_t line;
};
struct checking {
	struct settings *settings;
	snippet_problem_f *fn;
	void *ctx;
	bool ok;
	/* The worker. */
	struct loop *loop;
	struct sandbox *sandbox; /* NULL: it is not available */
	struct job job;
	struct sandbox_tool *servers;
	size_t servers_n;
	bool done, compiled;
	/* The one that is looked at. */
	const struct snippet *s;
	struct arena a;
	struct read reads[READS_MAX];
	size_t reads_n;
	struct snippet_said found[3];
	size_t found_n;
	/* All of them. */
	struct reach *asks;
	struct called *calls; /* by index in `asks` */
	size_t calls_n;
};

void
snippet_problem_put(
    const struct settings *s, const struct snippet_problem *p, bool label_errors, struct buf *out)
{
	if (p->file.n > 0)
		buf_printf(out, "%s/" STR_FMT ":", s->policies, STR_ARG(p->file));
	if (p->file.n > 0 && p->line > 0)
		buf_printf(out, "%u:", p->line);
	if (p->file.n > 0)
		buf_putc(out, ' ');
	buf_puts(out, !p->error ? "warning: " : label_errors ? "error: " : "");
	for (size_t i = 0; i < p->text.n; i++) {
		char c = p->text.p[i];

		buf_putc(out, (unsigned char)c < ' ' && c != '\n' ? ' ' : c);
	}
	buf_putc(out, '\n');
}

/* ---- telling ---- */

static void
tell(struct checking *c, bool error, uint32_t line, struct str text)
{
	c->fn(c->ctx,
	    &(struct snippet_problem){ error, c->s == NULL ? STR("") : c->s->file, line, text });
	c->ok = c->ok && !error;
}

static void
tell_error(struct checking *c, enum sandbox_end end, uint32_t line, struct str message)
{
	struct buf text;

	buf_init(&text, 0);
	buf_put(&text, message);
	snippet_advise(c->s, end, message, line, &text);
	tell(c, true, line, buf_str(&text));
	buf_fini(&text);
}

/* ---- the worker ---- */

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx;
	(void)handle;
	(void)args;
	sandbox_answer(r, id, FRAME_ERROR, STR("{}")); /* nothing runs that could */
}

/* "script:3: …": the line, and the rest. */
static uint32_t
line_cut(struct str *message)
{
	struct str rest = *message, digits;
	int64_t line;

	if (!str_eq(str_cut(&rest, ':'), STR("script")) || rest.p == NULL)
		return 0;
	digits = str_cut(&rest, ':');
	if (rest.p == NULL || !str_i64(digits, &line) || line <= 0 || line > UINT32_MAX)
		return 0;
	*message = str_trim(rest);
	return (uint32_t)line;
}

/* {"name":"script:1: undefined global 'name'; did you mean …"}: what is not there. */
static void
reads_tell(struct checking *c, struct str value)
{
	for (size_t i = 0; i < c->reads_n && value.p != NULL; i++) {
		struct str raw, text;

		if (!json_get(value, c->reads[i].name, &raw) || !json_string(raw, &c->a, &text))
			continue;
		if (str_starts(text, STR(MESSAGE)))
			text = STR_SPAN(text.p + sizeof(MESSAGE) - 1, text.p + text.n);
		tell_error(c, SANDBOX_RUNTIME, c->reads[i].line, text);
	}
}

static void
on_done(void *ctx, const struct sandbox_result *res)
{
	struct checking *c = ctx;
	struct str message = res->message;
	uint32_t line;

	c->done = true;
	if (res->end == SANDBOX_DONE) {
		reads_tell(c, res->value);
		return;
	}
	c->compiled = false;
	line = line_cut(&message);
	tell_error(c, res->end, line, message);
}

static void
servers_name(struct checking *c)
{
	const struct settings *s = c->settings;
	struct buf name;

	c->servers = mem_zalloc((s->servers_n + 1) * sizeof(*c->servers));
	for (size_t i = 0; i < s->servers_n; i++) {
		buf_init(&name, 0);
		mcp_script_server(&name, str_of(s->servers[i].name));
		c->servers[i] = (struct sandbox_tool){ arena_str(&c->a, buf_str(&name)),
			STR("x") }; /* a server is there that has a tool */
		buf_fini(&name);
	}
	c->servers_n = s->servers_n;
}

static void
worker_start(struct checking *c)
{
	struct err e = { .code = ERR_NONE };
	struct buf why;
	int64_t until_ms;

	servers_name(c);
	log_setup(LOG_LEVEL_WARN, false); /* that a sandbox is ready is no news here */
	c->loop = loop_new(&e);
	if (c->loop != NULL)
		c->sandbox = sandbox_new(c->loop, &(struct sandbox_settings){ .idle = 1 }, &e);
	until_ms = c->loop == NULL ? 0 : loop_mono_ms(c->loop) + READY_MS;
	while (c->sandbox != NULL && sandbox_level(c->sandbox) == SANDBOX_STARTING &&
	       loop_mono_ms(c->loop) < until_ms)
		loop_turn(c->loop);
	if (c->sandbox != NULL && sandbox_level(c->sandbox) >= SANDBOX_REDUCED)
		return;
	buf_init(&why, 0);
	buf_printf(&why,
	    "snippets were not compiled, and names in them not looked up: the sandbox is not "
	    "available (%s)",
	    c->sandbox == NULL ? e.text : sandbox_why(c->sandbox));
	tell(c, false, 0, buf_str(&why));
	buf_fini(&why);
	if (c->sandbox != NULL)
		sandbox_free(&c->sandbox);
}

/* The text behind a line that looks its names up; lines keep their numbers. */
static void
source_put(const struct checking *c, struct buf *out)
{
	buf_puts(out, "do local o = {} for _, n in ipairs{");
	for (size_t i = 0; i < c->reads_n; i++)
		buf_printf(out, "\"" STR_FMT "\",", STR_ARG(c->reads[i].name));
	buf_puts(out, "} do local ok, e = pcall(function() return _ENV[n] end) "
		      "if not ok then o[n] = e end end return o end local args = ...; ");
	buf_put(out, c->s->source);
}

static void
compile(struct checking *c)
{
	static const struct sandbox_events events = { .call = on_call, .done = on_done };
	struct err e = { .code = ERR_NONE };
	struct buf code;

	c->compiled = true;
	if (c->sandbox == NULL)
		return;
	buf_init(&code, FRAME_SOURCE_MAX);
	source_put(c, &code);
	c->done = false;
	if (sandbox_run(c->sandbox, &c->job,
		&(struct sandbox_script){
		    .source = buf_str(&code), .tools = c->servers, .tools_n = c->servers_n },
		&events, c, &e) != NULL)
		while (!c->done) /* a run ends by itself, if by its wall clock */
			loop_turn(c->loop);
	else
		tell(c, false, 0, str_of(e.text));
	buf_fini(&code);
}

/* ---- one snippet ---- */

static void
read_add(struct checking *c, const struct snippet_said *said)
{
	static const struct str own[] = { STR("args"), STR("S"), STR("last"), STR(SNIPPET_FOLDER) };

	for (size_t i = 0; i < COUNT(own); i++)
		if (str_eq(own[i], said->text))
			return;
	for (size_t i = 0; i < c->reads_n; i++)
		if (str_eq(c->reads[i].name, said->text))
			return;
	if (c->reads_n < READS_MAX && said->text.n <= NAME_BYTES)
		c->reads[c->reads_n++] = (struct read){ said->text, said->line };
}

static void
ask_add(struct checking *c, struct str tool, uint32_t line)
{
	for (size_t i = c->calls_n; i > 0 && c->calls[i - 1].s == c->s; i--)
		if (str_eq(c->asks[i - 1].tool, tool))
			return;
	if (c->calls_n == CALLS_MAX)
		return;
	c->asks[c->calls_n] =
	    (struct reach){ .customer = c->s->customer, .team = c->s->team, .tool = tool };
	c->calls[c->calls_n++] = (struct called){ c->s, line };
}

static void
on_said(void *ctx, const struct snippet_said *said)
{
	struct checking *c = ctx;

	switch (said->what) {
	case SNIPPET_READS:
		read_add(c, said);
		break;
	case SNIPPET_CALLS:
		ask_add(c, said->text, said->line);
		break;
	case SNIPPET_FAILS:
		if (c->found_n < COUNT(c->found) && arena_left(&c->a) > TEXT_BYTES / 4)
			c->found[c->found_n++] = (struct snippet_said){ said->what, said->line,
				arena_str(&c->a, said->text) };
		break;
	}
}

static void
one(struct checking *c, struct snippet_lint *l, const struct snippet *s)
{
	struct arena kept = c->a;

	c->s = s;
	c->reads_n = c->found_n = 0;
	arena_init(&c->a, TEXT_BYTES);
	ask_add(c, STR(""), 0);
	snippet_lint_one(l, s, on_said, c);
	compile(c);
	for (size_t i = 0; i < c->found_n && c->compiled; i++)
		tell(c, true, c->found[i].line, c->found[i].text);
	arena_free(&c->a);
	c->a = kept;
}

/* ---- who may ---- */

static void
reach_tell(struct checking *c, size_t i)
{
	const struct reach *ask = &c->asks[i];
	struct buf text;

	c->s = c->calls[i].s;
	if (ask->tool.n == 0) {
		tell(c, false, 0,
		    STR("nobody who sees it may run scripts (allow: code:run, or remove it)"));
		return;
	}
	buf_init(&text, 0);
	buf_printf(&text,
	    "it calls " STR_FMT
	    ", which nobody who sees it may call (a rule that allows it, or another tool)",
	    STR_ARG(ask->tool));
	tell(c, false, c->calls[i].line, buf_str(&text));
	buf_fini(&text);
}

static void
reach_check(struct checking *c)
{
	const struct snippet *without = NULL; /* nobody may run it: the rest of it is no news */
	struct core_settings core;
	struct err e;

	settings_core(c->settings, &core);
	if (!policies_reach(&core, c->asks, c->calls_n, &e)) {
		c->s = NULL;
		tell(c, true, 0, str_of(e.text));
		return;
	}
	for (size_t i = 0; i < c->calls_n; i++) {
		if (c->asks[i].may || c->calls[i].s == without)
			continue;
		without = c->asks[i].tool.n == 0 ? c->calls[i].s : without;
		reach_tell(c, i);
	}
}

/* ---- all of them ---- */

static void
all(void *ctx, const struct snippet *at, size_t n)
{
	struct checking *c = ctx;
	const struct settings *s = c->settings;
	struct locked_tools *tools;
	struct snippet_lint *l;
	struct lock *lock;
	struct err e;

	if (n == 0)
		return;
	lock = lock_load(s->lock.path, &e); /* a bad one has been told: no bundle then */
	tools = locked_tools_new(lock, s->servers, s->servers_n, s->pin);
	l = snippet_lint_new(at, n, tools);
	worker_start(c);
	for (size_t i = 0; i < n; i++)
		one(c, l, &at[i]);
	reach_check(c);
	snippet_lint_free(&l);
	locked_tools_free(&tools);
	lock_free(&lock);
}

static const struct job_type root_type = { .name = "check" };

bool
snippets_check(struct settings *s, snippet_problem_f *fn, void *ctx)
{
	struct checking *c = mem_zalloc(sizeof(*c));
	struct core_settings core;
	struct err e;
	bool ok;

	c->settings = s;
	c->fn = fn;
	c->ctx = ctx;
	c->ok = true;
	c->asks = mem_zalloc(CALLS_MAX * sizeof(*c->asks));
	c->calls = mem_zalloc(CALLS_MAX * sizeof(*c->calls));
	arena_init(&c->a, TEXT_BYTES);
	job_init(&c->job, &root_type, NULL, NULL, NULL);
	settings_core(s, &core);
	ok = policies_snippets(&core, all, c, &e) && c->ok;
	job_cancel(&c->job);
	jobs_reap();
	if (c->sandbox != NULL)
		sandbox_free(&c->sandbox);
	if (c->loop != NULL)
		loop_free(&c->loop);
	arena_free(&c->a);
	free(c->servers);
	free(c->asks);
	free(c->calls);
	free(c);
	return ok;
}
