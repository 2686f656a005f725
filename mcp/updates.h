/* SPDX-License-Identifier: Apache-2.0 */
/* updates - which resources somebody wants to hear of, and telling the servers. */
#pragma once

#include "mcp/server.h"

#define UPDATES_URIS_MAX 1000 /* of one session or stream */

/* The URIs, as clients see them, that one session or one stream has asked for. */
struct updates {
	struct hub *hub;
	struct map uris; /* listed URI -> struct subscription */
};
void updates_init(struct updates *u, struct hub *h);
void updates_fini(struct updates *u);
/* ERR_NOT_FOUND for what is not there and for what the key may not read alike. */
bool updates_add(
    struct updates *u, struct key *k, struct str view, struct str listed, struct err *e) MUST_CHECK;
void updates_drop(struct updates *u, struct str listed);
bool updates_has(const struct updates *u, struct str listed);

/* The server has come up: it is told again. */
void updates_tell(struct server *sv);
/* The members of a modern subscriptions/listen's params for this server. */
void updates_put_listen(struct buf *out, const struct server *sv);
/* The server says that one has changed: whoever asked for it is told (subscribe.c). */
void updates_arrived(struct server *sv, const struct rpc *m);
void updates_free(struct hub *h); /* all subscriptions, when nobody is left */
