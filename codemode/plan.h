/* SPDX-License-Identifier: Apache-2.0 */
/* plan - a script that is run to see what it would do: reads are made, the rest is written down. */
#pragma once

#include "codemode/run.h"

/* Is the first line of the source --plan? */
bool plan_asked(struct str source);
/* Of a planned run and a tool that may change something: the call is written down and answered with
 * an empty table.  False: it is made. */
bool plan_records(struct run *r, uint32_t id, const struct tool *t, struct str args);
/* What would have been called, before all else of the answer. */
void plan_put(const struct run *r, struct buf *out);
void plan_report(const struct run *r, struct buf *out); /* ,"planned":n,"plan":"…" */
