/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locked - mcp.lock as the gateway uses it: what the policies know of tools, and what the hub
 * serves, always of the same reading.
 */
#pragma once

#include "mcp/mcp.h"

struct locked_file {
	const char *path;
	bool named;        /* the settings say so: it must be there */
	struct lock *lock; /* in force; NULL: there is none */
	struct lock *made; /* of the last reading, until it is in force */
	bool made_any;     /* that reading was good, with or without a file */
};
/* struct core_settings.facts; ctx is the struct locked_file.  A lock that was there and is not any
 * more is an error: nobody's pins end by a file that is gone. */
bool locked_facts(void *ctx, struct tool_facts *out, struct err *e);
/* The bundle of the last reading is in force, and with it the lock.  The one before is the caller's
 * to free when the hub has the new one. */
struct lock *locked_accept(struct locked_file *f);
void locked_free(struct locked_file *f);
