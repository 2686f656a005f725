/* SPDX-License-Identifier: Apache-2.0 */
/*
 * front - a script before it runs.
 *
 *	front_read() --> front_check() --> the worker: runs it, or only compiles it
 *
 * The gateway cannot compile.  So a script in which lint.c found something goes to a worker as
 * well, behind `do return end`: the model hears of its syntax errors in the same answer, and no
 * statement of it is executed.  The audit row of a run says what was rewritten, by kind; a refused
 * one ends with LINT.
 */
#include "codemode/front.h"

#include "codemode/failure.h"
#include "codemode/shape.h"
#include "codemode/snippet.h"

#define REFUSAL_BYTES 16000

void
front_read(struct run *r, struct str source)
{
	struct buf code;

	r->source = r->code = source;
	if (source.n > FRAME_SOURCE_MAX)
		return;
	buf_init(&code, 0);
	if (lenient_fix(source, FRAME_SOURCE_MAX, &code, &r->fixes))
		r->code = arena_str(&r->arena, buf_str(&code));
	buf_fini(&code);
	for (size_t i = 0; i < LENIENT_COUNT; i++)
		r->cm->fixes[i] += r->fixes.fixed[i];
}

static const struct tool *
tool_of(void *ctx, size_t i)
{
	struct run *r = ctx;

	return i < r->names_n ? hub_find_tool(r->cm->hub, r->names[i])
			      : r->snippets[i - r->names_n];
}

static void
put_signature(void *ctx, const struct tool *t, struct buf *out)
{
	const struct run *r = ctx;

	shape_put_signature(r->cm, r->c.key, t, false, out);
}

void
front_check(struct run *r, struct sandbox_tool *tools)
{
	struct lint_tools t = { .names = tools,
		.n = r->names_n,
		.find = tool_of,
		.put_signature = put_signature,
		.ctx = r };
	struct str parts[] = { STR("do return end "), r->code }; /* lines keep their numbers */
	struct lint_finding found[LINT_FINDINGS_MAX];
	struct buf text;
	size_t n;

	if (parts[0].n + r->code.n > FRAME_SOURCE_MAX)
		return;
	for (size_t i = 0; i < r->snippets_n; i++)
		tools[t.n++] = (struct sandbox_tool){ r->snippets[i]->script_server,
			r->snippets[i]->script_name };
	n = lint_check(r->code, &t, found);
	if (n == 0)
		return;
	buf_init(&text, 0);
	failure_put_lint(r->source, found, n, &text);
	for (size_t i = 0; i < n; i++)
		buf_fini(&found[i].text);
	r->refusal = arena_str(&r->arena, str_clip(buf_str(&text), REFUSAL_BYTES));
	r->code = arena_join(&r->arena, parts, COUNT(parts));
	r->cm->refused++;
	buf_fini(&text);
}

const char *
front_end_word(const struct run *r, enum sandbox_end end)
{
	return r->refusal.n > 0 && end == SANDBOX_DONE ? "LINT" : sandbox_end_word(end);
}

void
front_put_failure(const struct run *r, const struct sandbox_result *res, struct buf *out)
{
	if (res->end != SANDBOX_DONE) {
		failure_put(&(struct failure){ res->end, res->message, r->source, r->code,
				&r->fixes, snippet_text, r },
		    out);
		if (r->refusal.n > 0)
			buf_putc(out, '\n');
	}
	buf_put(out, r->refusal);
}

struct str
front_detail(struct run *r, const char *end)
{
	struct buf words;
	struct str detail;

	buf_init(&words, 1024);
	buf_puts(&words, end);
	size_t before = words.n;
	buf_puts(&words, ", fixed: ");
	size_t empty = words.n;
	lenient_put_words(&r->fixes, &words);
	if (words.n == empty)
		words.n = before;
	detail = arena_str(&r->arena, buf_str(&words));
	buf_fini(&words);
	return detail;
}

void
front_metrics(const struct codemode *cm, struct buf *out)
{
	buf_printf(out,
	    "# TYPE tollgate_runs_refused_total counter\ntollgate_runs_refused_total %llu\n",
	    (unsigned long long)cm->refused);
	buf_puts(out, "# TYPE tollgate_run_fixes_total counter\n");
	for (int i = 0; i < LENIENT_COUNT; i++)
		if (cm->fixes[i] > 0)
			buf_printf(out, "tollgate_run_fixes_total{kind=\"%s\"} %llu\n",
			    lenient_word((enum lenient_fix)i), (unsigned long long)cm->fixes[i]);
}
