/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet - the policies' snippets, as tools of a server `snippets` that is no server.
 *
 * For whoever looks for tools (search, definitions, signatures, lint) a snippet is one more tool;
 * only a run knows the difference: it is sent the texts of those that its script names.
 */
#pragma once

#include "codemode/run.h"

/* What the key sees in this view ("snippets/NAME" for its patterns; NULL: everywhere), in order of
 * name; valid until the turn ends. */
void snippets_list(
    struct codemode *cm, struct key *k, const struct view_settings *of, tool_f *fn, void *ctx);
struct tool *snippet_tool_make(struct arena *a, const struct snippet *s);      /* in the arena */
const struct tool *snippet_tool(struct codemode *cm, const struct snippet *s); /* or NULL */
void snippets_free(struct codemode *cm);

/*
 * What this run's script can see, if it names `snippets` at all: s->snippets and r->snippets, with
 * the texts of those that it names, and that these name.  r->versions says which:
 * "other@12ab… weekly_report@3f2a…".
 */
void snippets_attach(struct run *r, struct sandbox_script *s);
/* The text of one that the run was sent, as it was then; STR_NONE: it was not, or is another now.
 */
struct str snippet_text(const void *run, struct str name);
/* A line for each of `was` that is another now: "weekly_report@3f2a… is now @9b1c…". */
void snippets_put_changed(struct str was, struct str now, struct buf *out);
