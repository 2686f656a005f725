/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - what a worker sends, one checked frame at a time.
 *
 * The only code that a compromised worker talks to.  It does no I/O: bytes are fed in any pieces,
 * events are taken until there is none.  Memory is bounded by the largest frame plus one piece; a
 * head is judged before its body is waited for.
 */
#pragma once

#include "base/text.h"
#include "sandbox/frame.h"

struct reader_limits {
	uint32_t calls_max, in_flight_max, handles;
	bool state; /* it was given S and gives it back */
};

struct reader {
	struct reader_limits limits;
	struct buf bytes;
	size_t taken; /* bytes that were given out */
	uint32_t last_id, in_flight;
	uint32_t open[FRAME_IN_FLIGHT_MAX];
	uint32_t fan, branch; /* of the last PLACE: where the calls are made */
	size_t log_bytes;
	bool placed, state_seen, ended; /* placed: and no call since */
};

enum reader_event {
	READER_WAIT, /* no whole frame yet */
	READER_CALL, /* head.id, head.handle, body: arguments */
	READER_LOG,
	READER_END,   /* end; body: value or message.  Bytes after it are READER_BAD. */
	READER_BAD,   /* kill it: end is PROTO, CALLS or OUTPUT, why says what happened */
	READER_STATE, /* once, right before the end DONE; body: what S has become */
};
struct reader_frame {
	struct frame_head head;
	struct str body; /* valid until the next call on the reader */
	enum sandbox_end end;
	const char *why;
};

void reader_init(struct reader *r, struct reader_limits limits);
void reader_fini(struct reader *r);
/* At most 64 KiB a time, and only after reader_next() gave READER_WAIT. */
void reader_feed(struct reader *r, struct str bytes);
enum reader_event reader_next(struct reader *r, struct reader_frame *f);
/* The call has been answered; false when it is not open. */
bool reader_answered(struct reader *r, uint32_t id);
#define READER_PIECE_MAX ((size_t)64 << 10)
