/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse - server-sent events (WHATWG HTML 9.2), read incrementally from any chunking.
 *
 * LF, CR, CRLF, a leading BOM, comments, several data lines.  One event is at most limit_bytes;
 * longer is an error of the stream.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"

struct sse_event {
	struct str event; /* "" when absent: "message" */
	struct str data;  /* lines joined by \n */
	struct str id;    /* the last seen id, "" when none */
	int64_t retry_ms; /* -1 when absent */
};
typedef bool sse_event_f(void *ctx, const struct sse_event *ev); /* false stops the feed */

struct sse {
	struct buf line, data, event, id;
	int64_t retry_ms;
	bool seen_cr, started, has_data;
	size_t limit_bytes;
};
void sse_init(struct sse *s, size_t limit_bytes);
void sse_fini(struct sse *s);
/* Calls fn for each event completed by these bytes; the spans live during the call. */
bool
sse_feed(struct sse *s, struct str bytes, sse_event_f *fn, void *ctx, struct err *e) MUST_CHECK;
