/* SPDX-License-Identifier: Apache-2.0 */
/* keep - what scripts of one key leave behind: journals of runs, S and last of sessions. */
#pragma once

#include "codemode/run.h"

struct owner { /* one key that has left something */
	struct codemode *cm;
	struct key *key;
	char *id;
	struct key_watch watch;
	struct link sessions; /* struct session, the one used last at the end */
	struct map by_name;   /* the same */
	size_t session_bytes;
	struct link pasts; /* struct past, the oldest first */
	size_t run_bytes;
	int runs;
};
struct owner *owner_of(struct codemode *cm, struct key *k);

/* What a start finds; the key's end forgets everything of it. */
void keep_load(struct codemode *cm);
void keep_free(struct codemode *cm);
/* In the database too; value STR_NONE: forgotten, with what is below it.  Not with `keep: 0`. */
void owner_keep(const struct owner *o, const char *name, struct str value, int64_t until_ns);
int64_t keep_until_ns(const struct codemode *cm); /* of what is kept now */
