/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - people who come to /mcp with a token of the company's identity provider instead of a
 * virtual key (MCP authorization: the gateway as a resource server; RFC 9728, 6750, 7519).
 */
#pragma once

#include "gateway/gateway.h"

struct identity_settings; /* settings.h */

struct identity;
/* base: how clients reach the first listen entry.  Fetches the issuer's keys, now and every ten
 * minutes. */
struct identity *
identity_new(struct gateway *g, const struct identity_settings *s, const char *base);
void identity_free(struct identity **i);

/* A token, and no virtual key? */
bool identity_is_token(struct str credential);
/*
 * Whose token is it?  The key of that user (key_of_user()).  ERR_AUTH: not the issuer's, not for
 * this gateway, not now; ERR_DENIED: it lacks a scope; ERR_NO_OWNER: the user is not in the files;
 * ERR_REVOKED; ERR_STORE: the issuer's keys are not known (yet).
 */
struct key *identity_key(struct identity *i, struct str token, struct err *e) MUST_CHECK;
/* The WWW-Authenticate of a refusal at this path. */
void
identity_challenge(const struct identity *i, struct str path, const struct err *e, struct buf *out);
/* The route of RFC 9728 §3: what is this resource, and who issues its tokens? */
void identity_metadata(struct exchange *x);
