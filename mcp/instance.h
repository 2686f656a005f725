/* SPDX-License-Identifier: Apache-2.0 */
/* instance - one more connection to a server, for one key or one session alone. */
#pragma once

#include "mcp/peer.h"
#include "mcp/server.h"

/*
 * What carries this call: the server itself, or its instance for this key (or this session), made
 * when it is not there.  NULL with *e when it cannot be made.  peer is NULL for a script.
 */
struct server *instance_for(
    struct server *sv, struct key *k, const struct call_peer *peer, struct err *e) MUST_CHECK;
void instance_ready(struct server *in); /* it has come up: what it is to be told first */
/* A call in it waits for a person: on a wire that all its calls share, what its server says next
 * can only be about that one, so later calls get an instance of their own. */
void instance_leave_to_one(struct server *in);
/* The session has ended: what was its alone goes. */
void instances_of_session_end(struct hub *h, struct str tag);
void instances_end(struct server *sv); /* all of them, silently */
void instance_over(struct server *in); /* it failed, or nobody needs it any more */
void instances_reap(struct hub *h);    /* frees what has ended; after the jobs' memory has gone */
