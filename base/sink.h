/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink - where output goes.  HTTP exchanges, scripts and tests implement it; whoever produces
 * bytes knows nothing else about the receiver.
 *
 * Order: head once, push any number of times, end once.  push returns the room left in bytes: at
 * zero the producer stops until `drained` runs.  A push at zero room is still accepted, up to the
 * sink's hard limit, past which the sink cancels its owner.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"

struct header {
	struct str name, value;
};

struct sink;
struct sink_type {
	/* length_bytes < 0: not known (streamed).  Names in lower case.  Bytes are copied. */
	void (*head)(
	    struct sink *s, int status, const struct header *h, size_t n, int64_t length_bytes);
	size_t (*push)(struct sink *s, struct str bytes); /* copies or writes at once */
	void (*end)(struct sink *s, const struct err *e); /* e: the reply broke off */
	/* What has not left yet may wait for the next push or the end, to leave together with it;
	 * NULL: it leaves when it likes. */
	void (*hold)(struct sink *s);
};
struct sink {
	const struct sink_type *type;
	void (*drained)(void *ctx); /* set by the producer; may be NULL */
	void *drained_ctx;
};
static inline void
sink_head(struct sink *s, int status, const struct header *h, size_t n, int64_t length_bytes)
{
	s->type->head(s, status, h, n, length_bytes);
}
static inline size_t
sink_push(struct sink *s, struct str bytes)
{
	return s->type->push(s, bytes);
}
static inline void
sink_hold(struct sink *s)
{
	if (s->type->hold != NULL)
		s->type->hold(s);
}
static inline void
sink_end(struct sink *s, const struct err *e)
{
	s->type->end(s, e);
}
