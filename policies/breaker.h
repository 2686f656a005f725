/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker - stops who repeats a call that fails; private to this folder.
 *
 *   breaker_ask() before the call --server--> breaker_tell() after it
 *
 * A call is a tool and the digest of its arguments, by one key in one session (whoever names none
 * is one session per key).  When it has failed BREAKER_FAILS times in a row within
 * BREAKER_WINDOW_MS it is refused for BREAKER_OPEN_MS; then counting begins anew.  One that works
 * makes its failures forgotten, also when it was on its way while others were refused.  Another
 * argument is another call.
 *
 * Memory only.  Time is an argument, in milliseconds of a clock that does not go back.
 */
#pragma once

#include "base/crypto.h"
#include "base/map.h"

#define BREAKER_FAILS     5
#define BREAKER_WINDOW_MS 60000
#define BREAKER_OPEN_MS   60000
#define BREAKER_CALLS_MAX                                                                          \
	4096 /* that failed lately; the one that failed longest ago makes room                     \
	      */

struct breaker {
	struct map by_call;
	struct link all; /* the one that failed last at the end */
};
struct breaker_call {
	const struct sha256 *args;
	struct str key, tool, session; /* an id, and texts that the gate has clipped */
};
void breaker_init(struct breaker *b);
void breaker_fini(struct breaker *b);
/* ERR_RATE with retry_after_s, which is enough. */
bool breaker_ask(const struct breaker *b, const struct breaker_call *c, int64_t now_ms,
    struct err *e) MUST_CHECK;
void breaker_tell(struct breaker *b, const struct breaker_call *c, bool failed, int64_t now_ms);
