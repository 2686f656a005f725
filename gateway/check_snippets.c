/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_snippets - are the snippets Lua?  The gateway has none, so `tollgate check` asks a worker:
 * the text is compiled behind `do return end`, and nothing of it runs.
 */
#include "base/loop.h"
#include "gateway/cli.h"
#include "gateway/gateway.h"

#define READY_MS 5000
#define MESSAGE  "script:"

struct compiling {
	const struct core_settings *core;
	struct buf *out;
	struct loop *loop;
	struct sandbox *sandbox; /* NULL: it is not available */
	struct job job;
	bool started, done, ok;
	const struct snippet *s;
};

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx;
	(void)handle;
	(void)args;
	sandbox_answer(r, id, FRAME_ERROR, STR("{}")); /* nothing runs that could */
}

/* "script:3: …" becomes "FILE:3: …". */
static void
on_done(void *ctx, const struct sandbox_result *res)
{
	struct compiling *c = ctx;
	struct str message = res->message;

	c->done = true;
	if (res->end == SANDBOX_DONE)
		return;
	c->ok = false;
	buf_printf(c->out, "%s/" STR_FMT ":", c->core->policies_dir, STR_ARG(c->s->file));
	if (str_starts(message, STR(MESSAGE)))
		message = STR_SPAN(message.p + sizeof(MESSAGE) - 1, message.p + message.n);
	else
		buf_putc(c->out, ' ');
	for (size_t i = 0; i < message.n; i++)
		buf_putc(c->out, (unsigned char)message.p[i] < ' ' ? ' ' : message.p[i]);
	buf_putc(c->out, '\n');
}

static void
start(struct compiling *c)
{
	struct err e = { .code = ERR_NONE };
	int64_t until_ms;

	c->started = true;
	c->loop = loop_new(&e);
	if (c->loop == NULL) {
		buf_printf(c->out, "warning: snippets were not compiled: %s\n", e.text);
		return;
	}
	c->sandbox = sandbox_new(c->loop, &(struct sandbox_settings){ .idle = 1 }, &e);
	until_ms = loop_mono_ms(c->loop) + READY_MS;
	while (c->sandbox != NULL && sandbox_level(c->sandbox) == SANDBOX_STARTING &&
	       loop_mono_ms(c->loop) < until_ms)
		loop_turn(c->loop);
	if (c->sandbox != NULL && sandbox_level(c->sandbox) >= SANDBOX_REDUCED)
		return;
	buf_printf(c->out,
	    "warning: snippets were not compiled: the sandbox is not available (%s)\n",
	    c->sandbox == NULL ? e.text : sandbox_why(c->sandbox));
	if (c->sandbox != NULL)
		sandbox_free(&c->sandbox);
}

static void
compile(void *ctx, const struct snippet *s)
{
	static const struct sandbox_events events = { .call = on_call, .done = on_done };
	struct compiling *c = ctx;
	struct buf code;
	struct err e = { .code = ERR_NONE };

	if (!c->started)
		start(c);
	if (c->sandbox == NULL)
		return;
	buf_init(&code, FRAME_SOURCE_MAX);
	buf_puts(&code, "do return end local args = ... "); /* lines keep their numbers */
	buf_put(&code, s->source);
	c->s = s;
	c->done = false;
	if (sandbox_run(c->sandbox, &c->job, &(struct sandbox_script){ .source = buf_str(&code) },
		&events, c, &e) != NULL)
		while (!c->done) /* a run ends by itself, if by its wall clock */
			loop_turn(c->loop);
	else
		buf_printf(c->out, "warning: " STR_FMT " was not compiled: %s\n", STR_ARG(s->file),
		    e.text);
	buf_fini(&code);
}

static const struct job_type root_type = { .name = "check" };

bool
snippets_compile(const struct core_settings *core, struct buf *out)
{
	struct compiling c = { .core = core, .out = out, .ok = true };
	struct err e;

	job_init(&c.job, &root_type, NULL, NULL, NULL);
	if (!policies_snippets(core, compile, &c, &e))
		c.ok = false;
	job_cancel(&c.job);
	jobs_reap();
	if (c.sandbox != NULL)
		sandbox_free(&c.sandbox);
	if (c.loop != NULL)
		loop_free(&c.loop);
	return c.ok;
}
