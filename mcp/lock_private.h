/* SPDX-License-Identifier: Apache-2.0 */
/* lock_private - the inside of struct lock, for lock.c and lockfile.c. */
#pragma once

#include "mcp/lock.h"

#define LOCK_ARENA_BYTES ((size_t)256 << 20)

struct lock {
	struct arena arena;
	struct locked *at; /* in order of name */
	size_t n, cap;
	struct tool_fact *facts; /* n of them, of what was read */
};
struct locked *lock_room(struct lock *l); /* at the end; NULL: LOCK_TOOLS_MAX */
void lock_sort(struct lock *l);
/* The hints of its annotations, as MCP defines what is not said. */
void locked_hints(struct locked *k);
