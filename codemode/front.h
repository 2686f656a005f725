/* SPDX-License-Identifier: Apache-2.0 */
/* front - a script before it runs: rewritten where it is no Lua, refused where it cannot succeed.
 */
#pragma once

#include "codemode/run.h"

/* Sets r->source and r->code (in the run's arena) and r->fixes, and counts them. */
void front_read(struct run *r, struct str source);
/* `tools`: of the run, with room for its snippets.  Is a call in it certain to fail?  Then
 * r->refusal says so, and r->code is only compiled: a syntax error is told as well, and nothing
 * runs. */
void front_check(struct run *r, struct sandbox_tool *tools);
/* How the run ended, in a word: that of the sandbox, or LINT. */
const char *front_end_word(const struct run *r, enum sandbox_end end);
/* What the model reads of a run that has not done what it was to do. */
void front_put_failure(const struct run *r, const struct sandbox_result *res, struct buf *out);
/* "DONE", or "DONE, fixed: not_equal x2"; lives as long as the run. */
struct str front_detail(struct run *r, const char *end);
void front_metrics(const struct codemode *cm, struct buf *out);
