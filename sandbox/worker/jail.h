/* SPDX-License-Identifier: Apache-2.0 */
/* jail - the walls around a worker; see jail.c.  Knows nothing of Lua. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/frame.h"

struct jail {
	uint32_t layers, landlock_abi;
	bool root; /* privileges are still to be dropped */
	char why[96];
};
struct lock_limits {
	size_t heap_bytes;
	int cpu_ms;
	bool strict; /* no time stamp counter, no speculation past stores and branches */
};
void jail_enter(struct jail *j); /* namespaces and the empty root; children are inside */
/* uid, capabilities, Landlock; false: must not serve.  holds: this process only holds the pid
 * namespace. */
bool jail_shut(struct jail *j, bool holds);
/* Of the lock what the zygote can bear itself: limits, no dumps.  Its workers inherit it. */
bool lock_ahead(const struct lock_limits *limits);
bool lock_zygote(void); /* after which it can fork, report and lock children */
/* The rest of the lock: after true this process can read and write fd 0 and exit. */
bool lock_down(int fd, int parent, const struct lock_limits *limits, void (*on_tick)(int));
void probe_try(uint32_t what, int parent);
