/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anchor - DATA/anchor: what an older database must not make forgotten.  Private to this folder.
 *
 * The chain's head, the keys that may no longer do what they once could, and what every owner has
 * spent on each day of the last two months.  It is no part of a backup.  Invariant:
 *
 *     anchor + journal  >=  database  >=  anchor
 *
 * The right half: it is written after a commit, never before, so a database that is older than its
 * anchor is one that somebody put back; a start refuses it.  The left half: the journal is pruned
 * only behind the anchor, so the two together know every revocation and every spent dollar that the
 * database may have lost, whether or not it can still be read; `tollgate restore` goes by them.
 *
 * A change of a key is in the anchor before the commit is told to anybody; heads and spend follow
 * within a second (ANCHOR_PACE_MS), or later where writing takes long.
 */
#pragma once

#include "policies/core.h"

#define ANCHOR_BYTES ((size_t)64 << 20)
#define ANCHOR_DAYS  62
#define ANCHOR_CELLS 131072 /* past it the oldest days go; spend_from_s tells */

struct anchor_key { /* less than ACTIVE without an end */
	int state;  /* enum key_state */
	int64_t expires_ns;
	char id[];
};
struct anchor_cell { /* what one owner spent on one day of UTC */
	int64_t day_s, last_s /* the latest quarter of an hour */, nusd;
	struct str customer, team, user, key;
	char *id; /* as the map has it */
};

struct anchor {
	struct sha256 first; /* hash of row 1: which chain this is */
	struct chain_head head;
	uint64_t applied;               /* of the journal */
	int64_t spend_from_s, newest_s; /* spend is whole from the first on */
	struct map keys, spend;
};

void anchor_init(struct anchor *a);
void anchor_fini(struct anchor *a);
void anchor_note_key(struct anchor *a, const struct key_row *k);
void anchor_note_usage(struct anchor *a, const struct usage_row *u);
/* The anchor of this database; keys that it does not have are as `old` (or NULL) knows them. */
bool
anchor_build(struct anchor *a, struct store *s, const struct anchor *old, struct err *e) MUST_CHECK;
/* Whole text <-> struct; the file may lie, its text never trips anything.  ERR_STORE. */
bool anchor_parse(struct anchor *a, struct str text, struct err *e) MUST_CHECK;
void anchor_text(const struct anchor *a, struct buf *out);
/* ERR_NOT_FOUND: there is none. */
bool anchor_read(struct anchor *a, const char *data_dir, struct err *e) MUST_CHECK;
/* Beside and renamed, both synced: after a crash at any point there is the old one or the new. */
bool anchor_write(const struct anchor *a, const char *data_dir, struct err *e) MUST_CHECK;
/* Is this database the one that the anchor saw last, or a later one?  ERR_STORE with what to do.
 * *seen is that anchor, empty when there is none; anchor_fini() it in any case. */
bool
anchor_check(const char *data_dir, struct store *s, struct anchor *seen, struct err *e) MUST_CHECK;
bool dir_sync(const char *dir); /* what was renamed in it stays so */
