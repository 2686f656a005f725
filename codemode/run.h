/* SPDX-License-Identifier: Apache-2.0 */
/* run - one script, from the call of `lua` to its answer. */
#pragma once

#include "base/map.h"
#include "codemode/codemode.h"

struct codemode {
	struct loop *loop;
	struct hub *hub;
	struct core *core;
	struct sandbox *sandbox;
	uint64_t ends[SANDBOX_CANCELLED + 1];
	uint64_t calls, kept_bytes;
	uint64_t hinted; /* signatures told before they were asked for */
	/* What scripts leave behind: keep.c, state.c. */
	int64_t keep_ms;
	struct map owners; /* struct owner, by the id of its key */
	struct link sessions;
	size_t session_bytes;
};

/* May `k` run scripts here? */
bool codemode_visible(const struct codemode *cm, struct key *k);
/* The call function of the built-in `lua`: starts, and answers with builtin_done(). */
bool script_start(struct codemode *cm, const struct builtin_call *c, struct err *e) MUST_CHECK;
/* One text block as a CallToolResult. */
void script_text_result(struct buf *out, struct str text, bool is_error);

#define RUN_MAGIC 0x72756e21u
struct run {
	struct job job;
	uint32_t magic;
	struct codemode *cm;
	struct builtin_call c;
	struct sandbox_run *worker;
	struct arena arena;
	struct str *names; /* by handle: "server/tool" */
	size_t names_n;
	int64_t result_bytes; /* what the tools answered */
	bool report;
};

/* inner.c: the call event of the sandbox (struct sandbox_events); ctx: the struct run. */
void run_on_call(void *ctx, struct sandbox_run *w, uint32_t id, uint32_t handle, struct str args);
