/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure - what a model reads when its script has failed: enough to write the next one right.
 *
 *	error line 3: sqlite.query: invalid_args: missing `sql` (got query)
 *	  sqlite.query{sql:string, values?:(string|number|boolean)[]} -> table[]
 *	  3| local r = sqlite.query{query="select 1"}
 *	hint: …
 */
#pragma once

#include "codemode/lenient.h"
#include "codemode/lint.h"

#define FAILURE_BYTES 4000 /* of the worker's own message */

struct failure {
	enum sandbox_end end;
	struct str message; /* the worker's: "script:3: …"; untrusted */
	struct str source;  /* as the model wrote it */
	struct str code;    /* as it ran; the same line numbers */
	const struct lenient *fixes;
	/* The text of a snippet that the script had; STR_NONE: it had none of this name.  NULL: it
	 * had none. */
	struct str (*snippet)(const void *ctx, struct str name);
	const void *ctx;
};
void failure_put(const struct failure *f, struct buf *out);
/* A script that was not run at all. */
void
failure_put_lint(struct str source, const struct lint_finding *found, size_t n, struct buf *out);
/* advice.c: one line of advice, or nothing. */
void advice_put(const struct failure *f, uint32_t line, struct buf *out);
