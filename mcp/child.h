/* SPDX-License-Identifier: Apache-2.0 */
/* child - the process of a server over stdio, which may end after its server has let go of it. */
#pragma once

#include "base/proc.h"
#include "mcp/hub.h"

/* The two waits of a kind end, after stdin is closed and after SIGTERM. */
#define CHILD_WAIT_MS 2000

struct child;
/* Of a server: its lines go to upcall_message(), its end to server_fail().  NULL: *e says why. */
struct child *
child_start(struct server *sv, const struct proc_settings *s, struct err *e) MUST_CHECK;
/* Queues bytes for stdin.  false: too much waits already. */
bool child_write(struct child *c, struct str bytes);
/* The server lets go of it: nothing it says or does is heard from here on.  It gets its stdin
 * closed, CHILD_WAIT_MS later SIGTERM, after as long again SIGKILL, its whole group.  Of those that
 * are ending so, the oldest is killed when there are too many. */
void child_leave(struct child *c);
