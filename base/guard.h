/* SPDX-License-Identifier: Apache-2.0 */
/* guard - a process beside us that ends our children's groups when we are killed. */
#pragma once

#include "base/err.h"

struct guard;
/* NULL with *e: no process or no pipe could be had. */
struct guard *guard_new(struct err *e) MUST_CHECK;
/* It goes, and so does every group that was not dropped. */
void guard_free(struct guard **g);
/* For a child between fork and exec (async-signal-safe): writes its own group here. */
int guard_fd(const struct guard *g);
void guard_add_self(int fd);
void guard_drop(struct guard *g, int pid); /* the group has been killed by us */
