/* SPDX-License-Identifier: Apache-2.0 */
/* resume - the start and the end of one leg of a run. */
#pragma once

#include "codemode/leg.h"

/* What the call of `lua` is to run: *source is the code, or the one of the run that it resumes.
 * False: *e.  From then on leg_end() or leg_drop() is due. */
bool leg_begin(struct run *r, struct str code, struct str *source, struct err *e) MUST_CHECK;
/* Which snippets it has now (r->versions); r->changed says which were others when it began. */
void leg_snippets(struct run *r);
void leg_put_changed(const struct run *r, struct buf *out);
void leg_script(struct run *r, struct sandbox_script *s); /* what the script starts with */
void leg_drop(struct run *r);                             /* it could not be started */

/* "done: a.b, c.d x10 (run r41; pass resume="r41" to keep them)", if there is anything to keep. */
void leg_put_done(const struct run *r, struct buf *out);
/* It has ended: word and digest of what came out.  The run may be forgotten by it. */
void leg_end(struct run *r, enum past_state state, const char *end, struct str result);
/* Of a replay: ,"replay":{"same":bool,"was":"DONE","stop":"…","changed":"…"}. */
void leg_put_replay(const struct run *r, const char *end, struct str result, struct buf *out);
