/* SPDX-License-Identifier: Apache-2.0 */
/* park - calls of modern clients that wait for the client's next request. */
#pragma once

#include "base/crypto.h"
#include "mcp/answer.h"

/* What binds a further round to the first: method, name and arguments, byte for byte. */
void park_digest(struct sha256 *out, const struct rpc *m, const struct call_ask *a);

/* One call and whoever waits for it now.  The call outlives the answers of its rounds. */
struct park;
struct park *park_new(struct answer *an, const struct sha256 *digest);
struct job *park_job(struct park *p);
const struct call_peer *park_peer(const struct park *p);
void park_done(void *ctx, struct str result, const struct err *e); /* of the call; ctx is p */
void park_started(struct park *p, struct call *c);
/* The answer that waits has ended: the client went away, or (parked) was asked. */
void park_left(struct park *p);

/*
 * A further round: params.requestState is there.  PARK_TAKEN: `an` now waits for the parked call,
 * or has been answered.  PARK_CALL: a->request_state and a->input_responses, or a->approval and
 * a->answer, or a->round, or a->token and a->asked (spans of `scratch` and m) are set, call as
 * usual.  PARK_BAD: the state is not ours, not this key's, of another request, or too old.
 */
enum park_verdict { PARK_TAKEN, PARK_CALL, PARK_BAD };
enum park_verdict park_resume(struct answer *an, const struct rpc *m, const struct sha256 *digest,
    struct call_ask *a, struct buf *scratch);

/* The input_required of a modern server, or our own question (call_approval()), as the client gets
 * it: the state is sealed. */
void park_seal_result(struct buf *out, const struct answer *an, struct str result);
