/* SPDX-License-Identifier: Apache-2.0 */
/* pause - a script that waits for people who are not asked through its client. */
#pragma once

#include "codemode/run.h"

/* After every change of r->open or r->waiting. */
void pause_look(struct run *r);
