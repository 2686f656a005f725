/* SPDX-License-Identifier: Apache-2.0 */
/* bound - what the policies let one script use (policies/bound.c), as far as Code Mode sees to it.
 */
#pragma once

#include "codemode/run.h"

/* Time, memory and calls are the sandbox's to count: the smaller of its settings and these. */
void bound_script(const struct run *r, struct sandbox_script *s);
/* So many bytes more have been answered to it.  False: too many, and the run ends. */
bool bound_bytes(struct run *r, size_t n);
/* It has ended: appends which bound was reached, and notes that for the audit. */
void bound_end(struct run *r, const struct sandbox_result *res, struct buf *text);
