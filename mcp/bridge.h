/* SPDX-License-Identifier: Apache-2.0 */
/* bridge - what a server asks of the client while a call of its is under way. */
#pragma once

#include "mcp/peer.h"
#include "mcp/server.h"

#define QUESTIONS_MAX 32 /* open at once, of one call */

struct call;
struct question {
	struct link of_call;
	struct link of_session; /* where the client's side keeps it */
	struct call *call;
	struct buf method, params; /* params: raw, without _meta; may be empty */
	char id[24];               /* ours, towards the client */
	void (*answered)(void *ctx, struct str result); /* a question of ours; p == NULL: none */
	/* the bridge's own */
	struct server *sv; /* legacy: who waits for an answer under the id `key`; or */
	struct buf key;    /* modern: the raw member name of inputRequests */
	struct buf answer; /* modern: the result, until all are there */
};

/* The client has answered: a raw result, or a raw error.  q is gone afterwards. */
void question_answer(struct question *q, struct str result, struct str error);

struct call_bridge {
	struct link questions;
	size_t open, rounds;
	struct timer wait; /* a modern server waits: nothing of ours is under way */
	/* the request as it went to a modern server, for the next round; empty otherwise */
	struct buf params, meta, state;
};
void bridge_init(struct call_bridge *b);
void bridge_fini(struct call_bridge *b); /* drops what is open */

/* ---- between bridge.c and call.c ---- */
/* A request of a legacy server: put to the client, or refused. */
void bridge_request(struct call *c, struct call_bridge *b, struct upcall *u,
    const struct call_peer *p, const struct rpc *m);
/* A modern server's input_required for a client that is asked on its stream.  false: *e. */
bool bridge_round(struct call *c, struct call_bridge *b, const struct call_peer *p,
    struct str result, struct err *e) MUST_CHECK;
/* Does everything in this input_required lie within what the client can be asked?  *missing: not
 * these. */
bool bridge_fits(struct str result, unsigned caps, unsigned *missing);
/* ",\"inputResponses\":{…},\"requestState\":…" of what has been answered. */
void bridge_put_answers(const struct call_bridge *b, struct buf *out);
/* A question of the gateway itself; fn(c, result).  false: the client cannot be asked. */
bool bridge_ask(struct call *c, const struct call_peer *p, struct str method, struct str params,
    void (*fn)(void *ctx, struct str result)) MUST_CHECK;
void bridge_drop(struct call_bridge *b); /* drops what is open */
struct call_bridge *call_bridge_of(struct call *c);
/* call_redact.c: what a server may hear of an answer; p == NULL: nothing.  *out is the caller's. */
struct str call_redact_answer(struct call *c, struct str result, struct buf *out);
void call_again(struct call *c);           /* all are answered: the next round */
void call_rest(struct call *c, bool rest); /* its deadline */
void call_failed(struct call *c, const char *what);
