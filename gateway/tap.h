/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - token usage from the passing bytes of a model's reply; the bytes are not touched.  Which
 * members name it, the endpoint says (dialect.h).
 */
#pragma once

#include "base/sse.h"
#include "policies/policies.h"

struct endpoint;

struct tap {
	const struct endpoint *of;
	bool stream;          /* text/event-stream, else JSON */
	bool final;           /* the usage is complete */
	int64_t length_bytes; /* of a JSON reply, as announced; -1: not */
	struct usage usage;
	int64_t delivered; /* tokens of deltas so far, estimated */
	struct sse sse;
	struct buf json, uses; /* uses: ids of the tools it asked for, separated by spaces */
	size_t depth;          /* of a list of objects: the open ones, and where in them */
	bool in_string, escaped;
};
/* length_bytes: what the head promised, or -1.  A JSON reply that comes in one piece is not copied.
 */
void tap_init(struct tap *t, const struct endpoint *of, bool stream, int64_t length_bytes);
void tap_fini(struct tap *t);
void tap_feed(struct tap *t, struct str bytes);
/* After the last byte, or when the reply was cut: what is known.  A stream that was cut pays for
 * what was delivered: reported input, estimated output (*estimated). */
void tap_usage(struct tap *t, struct usage *out, bool *estimated);

/* ---- for the endpoints ---- */

/* *out becomes the number, if that can be a number of tokens. */
void tap_tokens(struct str raw, int64_t *out);
/* A piece of the reply of about so many bytes of text has passed. */
void tap_delivered(struct tap *t, int64_t text_bytes);
/* It says that it failed: what it did not name is not owed. */
void tap_failed(struct tap *t);
/* The id of a tool call, a JSON string, which the tool's own call will name. */
void tap_use(struct tap *t, struct str id_raw);
