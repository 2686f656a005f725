/* SPDX-License-Identifier: Apache-2.0 */
/* call_private - the inside of a call, for call.c, call_up.c and call_redact.c. */
#pragma once

#include "mcp/bridge.h"
#include "mcp/view.h"

#define CALL_MAGIC     0x63616c6cu
#define ARGS_BYTES_MAX ((size_t)32 << 20)
#define META_BYTES_MAX ((size_t)64 << 10)

struct call_kept;
struct call {
	struct job job;
	uint32_t magic;
	struct hub *hub;
	struct pass pass;
	call_done_f *done;
	void *ctx;
	enum call_kind kind;
	const struct call_peer *peer; /* NULL: a script */
	struct server *server;        /* or */
	const struct builtin *builtin;
	struct upcall *up;  /* towards the server, while it is under way */
	struct server *via; /* what carries it, see instance.h */
	struct call_bridge bridge;
	struct buf own; /* the name or URI as the server spells it */
	size_t args_n;  /* bytes of the arguments, the last of bridge.params */
	struct builtin_call bc;
	struct outcome outcome;
	bool starting, ended, withheld, open;
	struct deferred later, durable, person, resume;
	struct approval_wait wait;            /* while people are asked: call_wait.c */
	struct place_wait place;              /* while as many as may are at it: likewise */
	struct call_kept *kept;               /* what is asked for then; NULL otherwise */
	char approval[APPROVAL_ID_BYTES + 1]; /* that it needed; "" = none */
	char token[BUILTIN_TOKEN_BYTES + 1];  /* builtin_parks(), or that it goes on with; or "" */
	struct str result, error;             /* while done() runs */
	struct buf held;                      /* the result, when it must wait */
	struct buf args, meta;
	struct err why; /* code NONE: there is a result */
	struct redaction redaction;
	struct redact_counts redacted;
	struct { /* what was rewritten */
		struct buf args, context, meta, responses, result, error;
	} clean;
};

/* The one end of a call: its pass is left, its result or error delivered when that is durable. */
void call_end(struct call *c, struct str result, const struct err *e);
/* The gate, and then the server or the built-in.  false: *e; the call has not ended. */
bool call_proceed(struct call *c, const struct call_ask *a, struct err *e) MUST_CHECK;

/* ---- call_wait.c ---- */

/* Can somebody be asked on behalf of this call? */
bool call_can_ask(const struct call_ask *a);
/* The gate refused: does the call wait for the answer of people, or for a place? */
bool call_can_queue(const struct call_ask *a);
bool call_wait(struct call *c, const struct call_ask *a, const struct err *e) MUST_CHECK;
void call_wait_drop(struct call *c);
/* What the client said to the question, a round ago; or to those of a call that is no more. */
void call_answer(struct hub *h, const struct call_ask *a);

/* ---- call_redact.c ---- */

/*
 * The ask: *a and *ask become what may go; false: too large.  The result: of c, in
 * place, the last thing before it is delivered.  A notice, a question: false or p == NULL, it must
 * not be told; the caller frees *out.
 */
void call_redact_init(struct call *c);
bool call_redact_ask(struct call *c, struct call_ask *a, struct ask *ask, struct err *e) MUST_CHECK;
void call_redact_sent(struct call *c);
void call_redact_result(struct call *c);
struct str call_redact_question(struct call *c, struct str result, struct buf *out);
bool call_redact_notice(struct call *c, struct rpc *m, struct buf *out) MUST_CHECK;
void call_redact_fini(struct call *c);

/* call_up.c: asks the server.  false: it cannot be asked now, *e says why. */
bool
call_up(struct call *c, const struct tool *t, const struct call_ask *a, struct err *e) MUST_CHECK;
