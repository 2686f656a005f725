/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff - what diff.c and difflevel.c find and diffput.c tells; private to these.
 */
#pragma once

#include "policies/tools.h"

#define DIFF_KEYS_MAX 256 /* that policies name */

struct member { /* somebody, and perhaps the key that makes them another */
	struct str id, key;
	struct via via;
	bool old, new; /* in the files */
};
struct change {
	const struct call *call;
	enum shift shift;
	struct str before, after;
};
struct group { /* all whose changes are the same */
	struct member *who;
	size_t who_n, who_cap;
	struct change *changes;
	size_t n;
	struct str text; /* of the changes: what makes groups the same */
};
struct class
{ /* whom the same policies apply to, before and after */
	struct group *group;
};
struct level_change { /* an amount, or how a level deals with them */
	struct str id, what, before, after;
	enum shift shift;
};
struct diff {
	const struct diff_ask *ask;
	const struct core_settings *settings;
	struct bundle *old, *new;
	struct arena a;
	struct calls calls;
	struct map classes, by_text; /* struct class, struct group */
	struct group **groups;
	size_t groups_n, groups_cap, subjects, sum[SHIFT_OTHER + 1];
	struct str keys[DIFF_KEYS_MAX];
	size_t keys_n;
	struct level_change *levels;
	size_t levels_n, levels_cap;
};

/* difflevel.c: what a level has and says, in both or one of the bundles */
void levels_compare(struct diff *d, struct str id);
const struct level *level_named(const struct bundle *b, struct str id);

void diff_put(const struct diff *d, struct buf *out);
/* diffsnippet.c: in the form that is asked for; of JSON a member */
void diff_put_snippets(const struct diff *d, struct buf *out);
