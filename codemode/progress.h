/* SPDX-License-Identifier: Apache-2.0 */
/* progress - a client that gave a progressToken is told what its script does. */
#pragma once

#include "codemode/run.h"

#define PROGRESS_MS 1000 /* not more often; the first call is told at once */

/* A call of t has been made. */
void progress_tell(struct run *r, const struct tool *t);
