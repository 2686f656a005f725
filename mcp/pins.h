/* SPDX-License-Identifier: Apache-2.0 */
/* pins - what is served of what a server lists.  */
#pragma once

#include "mcp/hub.h"

/* sv->listing, which is complete, becomes sv->seen and the catalogue follows. */
void hub_take_tools(struct hub *h, struct server *sv);
/* Is everything this server has served as mcp.lock has it?  Then its list changes with the lock
 * alone. */
bool pins_hold(const struct hub *h, const struct server *sv);
