/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - what a child may not do: another user, limits, no network, folders it cannot write to.
 *
 * For tool servers that we start.  (The worker of scripts has a lock of its own, sandbox/worker.)
 * Namespaces come from root, or from a user namespace when the host allows those to everybody;
 * where neither works the child does not start: a limit that is written down is never left out.
 */
#pragma once

#include <sys/types.h>

#include "base/text.h"

#define JAIL_LIMITS 6

struct jail_limit {
	int what;       /* RLIMIT_* */
	uint64_t value; /* both of soft and hard */
};
struct jail { /* zeroed: no difference.  Everything is borrowed. */
	bool has_user;
	uid_t uid; /* and only its main group */
	gid_t gid;
	struct jail_limit limits[JAIL_LIMITS];
	size_t limits_n;
	bool no_network;              /* not even loopback */
	const char *const *read_only; /* absolute folders with all that is mounted below; or NULL */
	const char *const *writable;  /* folders below those that stay as they are; or NULL */
};

/* Where it failed. */
enum jail_step {
	JAIL_OK,
	JAIL_NAMESPACE,
	JAIL_MOUNT,
	JAIL_FOLDER,
	JAIL_LIMIT,
	JAIL_USER,
	JAIL_PRIVILEGES
};
/*
 * In the child, between fork and exec: only system calls.  Afterwards the process has no
 * capabilities and cannot get any if it was given a user, namespaces or both; PR_SET_PDEATHSIG is
 * cleared by a change of user and must be set again.
 */
enum jail_step jail_enter(const struct jail *j);
/* For people, with the fix; in the parent. */
const char *jail_step_text(enum jail_step s);
