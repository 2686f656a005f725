/* SPDX-License-Identifier: Apache-2.0 */
/* run - one script, from the call of `lua` to its answer. */
#pragma once

#include "codemode/codemode.h"

struct codemode {
	struct loop *loop;
	struct hub *hub;
	struct core *core;
	struct sandbox *sandbox;
	uint64_t ends[SANDBOX_CANCELLED + 1];
	uint64_t calls, kept_bytes;
};

/* The call function of the built-in `lua`: starts, and answers with builtin_done(). */
bool script_start(struct codemode *cm, const struct builtin_call *c, struct err *e) MUST_CHECK;
/* One text block as a CallToolResult. */
void script_text_result(struct buf *out, struct str text, bool is_error);
