/* SPDX-License-Identifier: Apache-2.0 */
/* resume - one leg of a run: its calls, answered from what the run has done, or made. */
#pragma once

#include "codemode/journal.h"

/* What the call of `lua` is to run: *source is the code, or the one of the run that it resumes.
 * False: *e.  From then on leg_end() or leg_drop() is due. */
bool leg_begin(struct run *r, struct str code, struct str *source, struct err *e) MUST_CHECK;
/* Which snippets it has now (r->versions); r->changed says which were others when it began. */
void leg_snippets(struct run *r);
void leg_put_changed(const struct run *r, struct buf *out);
void leg_script(struct run *r, struct sandbox_script *s); /* what the script starts with */
void leg_drop(struct run *r);                             /* it could not be started */

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

/* "done: a.b, c.d x10 (run r41; pass resume="r41" to keep them)", if there is anything to keep. */
void leg_put_done(const struct run *r, struct buf *out);
/* "server/tool" as a script says it. */
void leg_put_tool(const struct run *r, struct str tool, struct buf *out);
/* It has ended: word and digest of what came out.  The run may be forgotten by it. */
void leg_end(struct run *r, enum past_state state, const char *end, struct str result);
/* Of a replay: ,"replay":{"same":bool,"was":"DONE","stop":"…","changed":"…"}. */
void leg_put_replay(const struct run *r, const char *end, struct str result, struct buf *out);
