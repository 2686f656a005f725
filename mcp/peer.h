/* SPDX-License-Identifier: Apache-2.0 */
/* peer - what a client can be asked and told while one of its requests is under way. */
#pragma once

#include "mcp/rpc.h"

/* Of its capabilities, those that concern requests towards it. */
#define PEER_SAMPLING         1u
#define PEER_SAMPLING_TOOLS   2u
#define PEER_SAMPLING_CONTEXT 4u
#define PEER_ROOTS            8u
#define PEER_ELICIT_FORM      16u
#define PEER_ELICIT_URL       32u
#define PEER_ALL              63u

unsigned peer_caps(struct str capabilities); /* a raw object; anything else is none */
void peer_put_caps(struct buf *out, unsigned caps);
/* What a request of this method needs; 0: no such request can be relayed. */
unsigned peer_needs(struct str method, struct str params);

/* Log levels, from the most to the least talkative; the index orders them. */
#define PEER_LOG_NONE 8             /* says nothing */
int peer_log_level(struct str raw); /* of a raw JSON string; -1: none of them */
const char *peer_log_word(int level);

/* How long it may take to answer what it is asked: people are slow. */
#define PEER_ANSWER_MS 600000

/* What is under way on behalf of one client; NULL where a script asks: nobody can be reached. */
struct question;
struct call_peer {
	unsigned caps;
	int log_level; /* notifications/message from here on; PEER_LOG_NONE: none; -1: all */
	bool progress; /* it gave a token */
	bool modern;
	struct str session; /* a legacy session's tag; "" */
	/* notifications/progress or notifications/message, for the reply's own stream. */
	void (*tell)(void *ctx, const struct rpc *m);
	/* Puts q to it; false: it cannot be reached.  Answered by question_answer(). */
	bool (*ask)(void *ctx, struct question *q);
	void *ctx;
};
