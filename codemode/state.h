/* SPDX-License-Identifier: Apache-2.0 */
/* state - S and last: what one script of a session leaves for the next. */
#pragma once

#include "codemode/keep.h"

#define SESSION_NAME "state " /* in the database, followed by a digest of the session */

struct session {
	struct link of_owner, all; /* all: in cm->sessions, the one used last at the end */
	struct owner *owner;
	char name[sizeof(SESSION_NAME) + 32];
	struct buf state, last;    /* JSON; last.n == 0: nil */
	int64_t until_ns, kept_ns; /* kept_ns: as the database has it */
};

/* Does this source say the word?  In a comment or a string counts, too: it costs bytes only. */
bool source_names(struct str source, struct str word);
/* What the script gets: c->state and c->last, lent until the end of the turn; STR_NONE where
 * neither it nor a snippet that it is sent names them (last: or where there is none). */
void state_lend(struct codemode *cm, struct key *k, struct str session, struct sandbox_script *c);
/* It ended with DONE: what S has become (STR_NONE: as before) and what it returned. */
void state_keep(
    struct codemode *cm, struct key *k, struct str session, struct str state, struct str last);

void session_load(struct owner *o, const struct kept_row *r);
void sessions_forget(struct owner *o); /* in memory only */
