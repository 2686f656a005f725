/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - token usage from passing bytes of the Anthropic Messages API; the bytes are not touched.
 */
#pragma once

#include "base/sse.h"
#include "policies/policies.h"

struct tap {
	bool stream;          /* text/event-stream, else one JSON object */
	bool final;           /* the usage is complete */
	int64_t length_bytes; /* of a JSON reply, as announced; -1: not */
	struct usage usage;
	int64_t delivered; /* tokens of deltas so far, estimated */
	struct sse sse;
	struct buf json, uses; /* uses: ids of tool_use blocks, separated by spaces */
};
/* length_bytes: what the head promised, or -1.  A JSON reply that comes in one piece is not copied.
 */
void tap_init(struct tap *t, bool stream, int64_t length_bytes);
void tap_fini(struct tap *t);
void tap_feed(struct tap *t, struct str bytes);
/* After the last byte, or when the stream was cut: what is known.  A cut stream pays for what was
 * delivered: reported input, estimated output (*estimated). */
void tap_usage(struct tap *t, struct usage *out, bool *estimated);
