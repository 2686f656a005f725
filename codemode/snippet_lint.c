/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet_lint - snippets under the check that scripts pass before they run (lint.h).
 *
 * The tools are those of mcp.lock, under the names that scripts have for them, and the snippets
 * that some key sees together with the one that is looked at; of a name that two of these have,
 * only that it is there.  Who may call what is asked elsewhere (policies_reach): here a call is
 * told, no verdict.
 */
#include <stdlib.h>

#include "codemode/failure.h"
#include "codemode/signature.h"
#include "codemode/snippet.h"

#define TOOLS_BYTES ((size_t)64 << 20)

struct snippet_lint {
	const struct snippet *all;
	size_t n;
	struct arena arena;
	const struct tool **tools; /* locked_n of the lock; then a tool for each snippet */
	struct sandbox_tool *names;
	size_t tools_n, cap, locked_n;
	/* Of the one that is looked at. */
	const struct tool **seen; /* by index in `names`; NULL: there are two of it */
	snippet_said_f *fn;
	void *ctx;
};

static void
tool_add(void *ctx, const struct tool *t)
{
	struct snippet_lint *l = ctx;

	if (l->tools_n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		l->tools = mem_realloc(l->tools, l->cap * sizeof(*l->tools));
	}
	l->tools[l->tools_n++] = t;
}

struct snippet_lint *
snippet_lint_new(const struct snippet *all, size_t n, const struct locked_tools *tools)
{
	struct snippet_lint *l = mem_zalloc(sizeof(*l));

	l->all = all;
	l->n = n;
	arena_init(&l->arena, TOOLS_BYTES);
	locked_tools_each(tools, tool_add, l);
	l->locked_n = l->tools_n;
	for (size_t i = 0; i < n; i++)
		tool_add(l, snippet_tool_make(&l->arena, &all[i]));
	l->names = mem_zalloc((l->tools_n + 1) * sizeof(*l->names));
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	l->seen = mem_zalloc((l->tools_n + 1) * sizeof(*l->seen));
	for (size_t i = 0; i < l->locked_n; i++) {
		l->names[i] =
		    (struct sandbox_tool){ l->tools[i]->script_server, l->tools[i]->script_name };
		l->seen[i] = l->tools[i];
	}
	return l;
}

void
snippet_lint_free(struct snippet_lint **lp)
{
	struct snippet_lint *l = *lp;

	*lp = NULL;
	if (l == NULL)
		return;
	free(l->tools);
	free(l->names);
	free(l->seen);
	arena_free(&l->arena);
	free(l);
}

/* Adds the snippets that some key sees together with this one; returns how many names there are. */
static size_t
snippets_see(struct snippet_lint *l, const struct snippet *s)
{
	size_t n = l->locked_n;

	for (size_t i = 0; i < l->n; i++) {
		const struct tool *t = l->tools[l->locked_n + i];
		size_t at = l->locked_n;

		if (!snippets_meet(s, &l->all[i]))
			continue;
		while (at < n && !str_eq(l->names[at].name, t->script_name))
			at++;
		l->seen[at] = at < n ? NULL : t;
		l->names[at] = (struct sandbox_tool){ t->script_server, t->script_name };
		n += at == n;
	}
	return n;
}

static const struct tool *
tool_of(void *ctx, size_t i)
{
	const struct snippet_lint *l = ctx;

	return l->seen[i];
}

static void
put_signature(void *ctx, const struct tool *t, struct buf *out)
{
	(void)ctx;
	signature_put(out, t, false);
}

static void
called(void *ctx, const struct tool *t, uint32_t line)
{
	struct snippet_lint *l = ctx;

	if (!str_eq(t->server, STR(SNIPPET_FOLDER)))
		l->fn(l->ctx, &(struct snippet_said){ SNIPPET_CALLS, line, t->policy_name });
}

static void
global(void *ctx, struct str name, uint32_t line)
{
	struct snippet_lint *l = ctx;

	l->fn(l->ctx, &(struct snippet_said){ SNIPPET_READS, line, name });
}

void
snippet_lint_one(struct snippet_lint *l, const struct snippet *s, snippet_said_f *fn, void *ctx)
{
	struct lint_tools tools = { .names = l->names,
		.n = snippets_see(l, s),
		.find = tool_of,
		.put_signature = put_signature,
		.called = called,
		.global = global,
		.ctx = l };
	struct lint_finding found[LINT_FINDINGS_MAX];
	size_t n;

	l->fn = fn;
	l->ctx = ctx;
	n = lint_check(s->source, &tools, found);
	for (size_t i = 0; i < n; i++) {
		fn(ctx, &(struct snippet_said){
			    SNIPPET_FAILS, found[i].line, buf_str(&found[i].text) });
		buf_fini(&found[i].text);
	}
}

void
snippet_advise(const struct snippet *s, enum sandbox_end end, struct str message, uint32_t line,
    struct buf *out)
{
	advice_put(
	    &(struct failure){
		.end = end, .message = message, .source = s->source, .code = s->source },
	    line, out);
}
