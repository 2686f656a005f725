/* SPDX-License-Identifier: Apache-2.0 */
/* oauth - access tokens for one upstream server, where its settings say `oauth:`. */
#pragma once

#include "mcp/server.h"

/*
 * Owners: "" is the gateway itself, whose token lists and (per: server) carries all calls; else a
 * user, whose own calls go with a token of his own (per: user).  A token never leaves towards any
 * other server, never reaches a client, a log or an error.
 */
struct oauth;
struct oauth *oauth_new(struct server *sv);
void oauth_free(struct oauth **o); /* when its jobs have been reaped; NULL is fine */

enum oauth_now {
	OAUTH_NOW = 1, /* *token is there, "" = ask without; valid until the next turn */
	OAUTH_LATER,   /* w->fn is called once, never inside, unless dropped */
	OAUTH_NEVER    /* *e says why: ERR_UNCONFIGURED, a person has to sign in; ERR_UPSTREAM */
};
struct oauth_wait {
	struct link link;
	void (*fn)(void *ctx, struct str token, const struct err *e);
	void *ctx;
};
void oauth_wait_drop(struct oauth_wait *w);
/* "customer/team/user", or the key itself where it belongs to no user. */
void oauth_owner_put(const struct key *k, struct buf *out);
enum oauth_now oauth_get(struct oauth *o, struct str owner, struct oauth_wait *w, struct str *token,
    struct err *e) MUST_CHECK;
/* The server said 401 or 403 to a request with `token`: is there a better one? */
struct oauth_refusal {
	int status;
	struct str token, challenge; /* challenge: WWW-Authenticate */
};
enum oauth_now oauth_refused(struct oauth *o, struct str owner, const struct oauth_refusal *r,
    struct oauth_wait *w, struct str *token, struct err *e) MUST_CHECK;
/* Has somebody to sign in before a request of this owner can go?  *e says how. */
bool oauth_needs_person(struct oauth *o, struct str owner, struct err *e);
/* Makes the address where a person signs in; w gets it as its text.  browser: "", or what the
 * answer must come with. */
void oauth_sign_in(struct oauth *o, struct str owner, struct str browser, struct oauth_wait *w);
/* What the browser brought back.  false: `state` is none of this server's.  w: the text is the
 * server's name, or e. */
bool oauth_returned(struct oauth *o, const struct sign_in_answer *a, struct oauth_wait *w);
