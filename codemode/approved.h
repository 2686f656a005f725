/* SPDX-License-Identifier: Apache-2.0 */
/* approved - a script whose policies want a plan that people have said yes to. */
#pragma once

#include "codemode/run.h"

/* A paused run goes on: has its plan been approved?  False: *e says what it waits for, or that
 * somebody said no.  Call it when the leg is known and before it starts. */
bool approved_begin(struct run *r, struct err *e) MUST_CHECK;
/* Do the policies want this tool's calls planned? */
bool approved_needs(const struct run *r, const struct tool *t);
/* Each call of the script, in its order: it is the next of the plan, or none of it. */
void approved_look(struct run *r, uint32_t id, const struct tool *t, struct str args);
/* One that was not answered from the journal.  True: it is written down, or refused. */
bool approved_takes(struct run *r, uint32_t id, const struct tool *t, struct str args);
/* The script has ended well, as a plan: people are asked, and the run is over.  False: it was no
 * plan. */
bool approved_ask(struct run *r);
/* Of one that failed as a plan: what it was. */
void approved_put(const struct run *r, struct buf *out);
void approved_fini(struct run *r);
