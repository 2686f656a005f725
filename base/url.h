/* SPDX-License-Identifier: Apache-2.0 */
/* url - the parts of an absolute http(s) URL, and what may stand in one (RFC 3986). */
#pragma once

#include "base/text.h"

struct url {
	bool https;
	struct str origin; /* "https://host[:port]" */
	struct str host;   /* without the port; an IPv6 address keeps its brackets */
	struct str path;   /* up to the query; may be empty */
	struct str target; /* path and query, never empty: "/" */
};
/* false: not http(s), no host, user:password@, a space or a control character.  Spans of s; a
 * fragment is left out. */
bool url_parse(struct str s, struct url *out);
/* localhost, 127.0.0.0/8 or [::1], as it is written. */
bool url_is_loopback(const struct url *u);
/* Where an issuer tells about itself (RFC 8414 §3.1, OpenID Connect Discovery §4), the first,
 * second or third (0, 1, 2) place to look; false: there is none, or the issuer is no URL. */
bool buf_issuer_metadata(struct buf *b, struct str issuer, int place);
/* Percent-encodes everything but unreserved characters. */
void buf_url(struct buf *b, struct str s);
