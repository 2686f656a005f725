/* SPDX-License-Identifier: Apache-2.0 */
/* fork - how the zygote forks, see fork.c.  Knows nothing of Lua. */
#pragma once

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define ZYGOTE_FORK_FLAGS (CLONE_PIDFD | SIGCHLD) /* the only ones that its lock lets pass */

/* The zygote, once, in this order. */
void fork_early(void); /* where there is a /proc */
void fork_quiet(void); /* before the rehearsal */
/* No child has the zygote's own stack from now on: they start on another.  false: no memory for it.
 * Nothing may be mapped afterwards: the hole below that stack would be filled. */
bool fork_ready(void);
extern char *fork_stack_end; /* of theirs, the upper one */

/* A child runs start(arg), which must not return, on the new stack.  Its pid, and *pidfd; or a
 * negative errno.  Calls no handler of pthread_atfork() and takes no lock of libc: there are no
 * threads here. */
int fork_to(void (*start)(uintptr_t arg), uintptr_t arg, int *pidfd);
