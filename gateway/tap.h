/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - token usage from passing bytes of the Anthropic Messages API; the bytes are not touched.
 */
#pragma once

#include "base/sse.h"
#include "policies/policies.h"

struct tap {
	bool stream; /* text/event-stream, else one JSON object */
	bool final;  /* the usage is complete */
	struct usage usage;
	int64_t delivered; /* tokens of deltas so far, estimated */
	struct sse sse;
	struct buf json, uses; /* uses: ids of tool_use blocks, separated by spaces */
};
void tap_init(struct tap *t, bool stream);
void tap_fini(struct tap *t);
void tap_feed(struct tap *t, struct str bytes);
/* After the last byte, or when the stream was cut: what is known.  A cut stream pays for what was
 * delivered: reported input, estimated output (*estimated). */
void tap_usage(struct tap *t, struct usage *out, bool *estimated);
