/* SPDX-License-Identifier: Apache-2.0 */
/* run - one script, from the call of `lua` to its answer. */
#pragma once

#include "base/map.h"
#include "codemode/blob.h"
#include "codemode/codemode.h"
#include "codemode/lenient.h"

struct hot { /* see hot.c */
	struct map texts, sessions;
	struct link by_age, by_use;
	size_t texts_n;
};
struct shapes { /* see shape.c */
	struct map by_id;
	struct link by_use;
};
struct codemode {
	struct loop *loop;
	struct hub *hub;
	struct core *core;
	struct sandbox *sandbox;
	uint64_t ends[SANDBOX_CANCELLED + 1];
	uint64_t calls;
	struct hot hot;
	struct shapes shapes;
	struct snippet_tools *snippets; /* snippet.c; NULL: none has been asked for */
	struct map metered;             /* struct metered, by team */
	uint64_t refused;               /* before they ran: lint.h */
	uint64_t fixes[LENIENT_COUNT];  /* lenient.h */
	uint64_t hinted;                /* signatures told before they were asked for */
	/* What scripts leave behind: keep.c, state.c. */
	struct codemode_settings set;
	struct map owners; /* struct owner, by the id of its key */
	struct link sessions, pasts;
	size_t session_bytes, run_bytes;
};

/* The call function of the built-in `lua`: starts, and answers with builtin_done(). */
bool script_start(struct codemode *cm, const struct builtin_call *c, struct err *e) MUST_CHECK;
/* One text block as a CallToolResult. */
void script_text_result(struct buf *out, struct str text, bool is_error);

/* ---- one leg of a run: resume.c, leg.c ---- */

struct past;
#define LEG_STOP_BYTES 700

enum leg_mode {
	LEG_FRESH,
	LEG_RETRY, /* a failed run, or other code */
	LEG_EXACT, /* a paused run goes on */
	LEG_REPLAY /* nothing is called; the run's past is a copy */
};
struct leg {
	enum leg_mode mode;
	bool paused;     /* the last leg was */
	bool diverged;   /* something was called that the last leg had not done so */
	uint32_t given;  /* answers that the script has got */
	uint32_t before; /* in the last leg */
	uint32_t replayed;
	size_t *at; /* the step of call id, at [id - 1] */
	size_t calls, cap;
	char stop[LEG_STOP_BYTES]; /* why a replay could not go on; "" */
};

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
	struct blobs blobs;      /* what stays here of what the tools answered */
	int64_t result_bytes;    /* what the tools answered */
	struct str source, code; /* as the model wrote it, as it runs; front.h */
	struct lenient fixes;
	const struct tool **snippets; /* that its script can see; until the turn ends */
	size_t snippets_n;
	struct str versions; /* of those that it was sent, "name@12ab… …" */
	struct str changed;  /* which of them were others when it began; or "" */
	struct str refusal;  /* lint: what the model is told; "": it runs */
	bool report, plan, replay;
	/* Its journal: resume.c.  NULL: none is kept. */
	struct past *past;
	struct leg leg;
	/* Calls under way, and those of them that wait for people: pause.c. */
	struct link inners; /* struct inner */
	int open, waiting;
	struct timer patience;
	struct approved *approved; /* a plan that people have to approve; NULL: none. approved.c */
	/* What a planned run would have called: plan.c. */
	struct buf planned;
	size_t planned_n, planned_more;
	int64_t made, told_ms; /* progress.c */
};

struct inner { /* one call in flight, in the run's arena */
	struct link of_run;
	struct run *r;
	struct call *call;
	uint32_t id;
	bool waits;
	struct str name;    /* of the tool */
	struct str wrapper; /* of the tool's answer; result_unwraps() */
	bool by_ref;        /* the script wants a reference for an answer */
};

/* inner.c: the call event of the sandbox (struct sandbox_events); ctx: the struct run. */
void run_on_call(void *ctx, struct sandbox_run *w, uint32_t id, uint32_t handle, struct str args);
/* run.c: the answer to the call of `lua`; the run ends with it.  end: a word of ours. */
struct run_end {
	const char *end;
	bool error;
	struct str text, value;           /* value: what it returned, handles named; or none */
	const struct sandbox_result *res; /* NULL: it was paused */
};
void run_finish(struct run *r, const struct run_end *end);
