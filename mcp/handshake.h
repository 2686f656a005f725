/* SPDX-License-Identifier: Apache-2.0 */
/* handshake - an era and abilities, agreed upon with a server. */
#pragma once

#include "mcp/server.h"

/* The wire is open, the server is PROBING: asks, then begins its listing and sends what waits; or
 * fails the server. */
void handshake(struct server *sv);
/* The same, by initialize at once; also for a session that the server has lost. */
void handshake_legacy(struct server *sv);
