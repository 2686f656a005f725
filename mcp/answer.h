/* SPDX-License-Identifier: Apache-2.0 */
/* answer - one client's request that waits for a server, and the reply it becomes. */
#pragma once

#include "base/crypto.h"
#include "mcp/serve.h"

struct answer {
	struct job job;
	uint32_t magic;
	struct visit v; /* without r; the sink lives until the reply has ended */
	struct key *key;
	struct call *call;
	struct park *park; /* modern, and the client can be asked: park.h */
	struct sha256 digest;
	struct call_peer peer;
	enum call_kind kind;
	struct link of_session;
	struct timer keepalive; /* while it streams */
	struct buf token;       /* the client's progressToken, raw */
	bool choked;
	char id[RPC_ID_BYTES_MAX + 1];
};

/* The end: a result, the server's own error, or why there is neither. */
void answer_finish(struct answer *an, struct str result, struct str error, const struct err *e);
/* The end with a result of ours, as it stands; p == NULL: it was too large. */
void answer_give(struct answer *an, struct str result);
