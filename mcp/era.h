/* SPDX-License-Identifier: Apache-2.0 */
/* era - which of the two wires a peer speaks. */
#pragma once

#include "base/http1.h"
#include "mcp/rpc.h"

#define ERA_MODERN_VERSION "2026-07-28"
#define ERA_LEGACY_LATEST  "2025-11-25"
#define ERA_SSE_VERSION    "2024-11-05" /* of the HTTP+SSE transport */
#define META_VERSION       "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES  "io.modelcontextprotocol/clientCapabilities"
#define META_CLIENT        "io.modelcontextprotocol/clientInfo"
#define META_LOG_LEVEL     "io.modelcontextprotocol/logLevel"
#define META_SERVER        "io.modelcontextprotocol/serverInfo"
#define META_SUBSCRIPTION  "io.modelcontextprotocol/subscriptionId"

enum era { ERA_UNKNOWN, ERA_LEGACY, ERA_MODERN };

/* A version of the legacy wire that we speak, as a constant; NULL: not one. */
const char *era_legacy_version(struct str version);

/* As a server: what is this message?  code != 0: refuse it with this HTTP status and error. */
struct era_verdict {
	enum era era;
	int status, code;
	const char *text;
	bool say_supported; /* data.supported and data.requested belong in the error */
	struct str requested_raw;
};
void era_classify(const struct http1_head *h, const struct rpc *m, struct era_verdict *v);

/* As a client: what does the outcome of the first server/discover mean? */
enum era_next { ERA_IS_MODERN, ERA_TRY_LEGACY, ERA_OUTAGE, ERA_REFUSED };
enum era_next era_after_probe(int http_status, int rpc_code, struct str result);

/* Does the data of a -32022 (a raw error object) list the version that we speak? */
bool era_supported(struct str error);

/* A header value as the modern wire sends it: plain, or =?base64?…?= where it must be. */
void era_put_header_value(struct buf *b, struct str value);
/* Do two header values, each plain or =?base64?…?=, say the same?  A bad one says nothing. */
bool era_header_same(struct str a, struct str b);
/* Does a header value name this? */
bool era_header_is(struct str header_value, struct str wanted);
