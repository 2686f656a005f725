/* SPDX-License-Identifier: Apache-2.0 */
/* leg - the calls of one leg of a run, answered from what the run has done, or made. */
#pragma once

#include "codemode/journal.h"

/* The script calls.  t: NULL for a search and for what is not there.  True: it is answered from
 * what has been done; else the caller answers with leg_answer(). */
bool leg_call(
    struct run *r, uint32_t id, struct str tool, const struct tool *t, struct str args) MUST_CHECK;
void leg_sent(struct run *r, uint32_t id);            /* before it may leave the gateway */
void leg_held(struct run *r, uint32_t id, bool held); /* it waits and has not left */
void leg_lost(struct run *r, uint32_t id); /* the error that follows does not say if it was done */
/* What the server did is done, although the error that follows is all that the script gets. */
void leg_made(struct run *r, uint32_t id);
/* As sandbox_answer(). */
void leg_answer(struct run *r, uint32_t id, int flags, struct str json);
/* The same, FRAME_OK, of a value with handles, which mean nothing in another leg: a read is made
 * again there; of a write the answer is kept, and says so when one of its handles is used. */
void leg_answer_handles(struct run *r, uint32_t id, struct str json);

/* "server/tool" as a script says it. */
void leg_put_tool(const struct run *r, struct str tool, struct buf *out);
