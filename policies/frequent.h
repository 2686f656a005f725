/* SPDX-License-Identifier: Apache-2.0 */
/* frequent - which tools a team has used lately. */
#pragma once

#include "base/map.h"

#define FREQUENT_PAIRS_MAX 8192 /* team x tool; the one that was longest unused makes room */

struct frequents {
	struct map by_id;
	struct link all; /* the one used last at the end */
};
struct frequent_of { /* of a key; without a team, its user stands alone */
	struct str customer, team, user;
};
void frequents_init(struct frequents *f);
void frequents_fini(struct frequents *f);
/* n uses at that time, which may be in the past (a start reads the ledger). */
void frequent_learn(
    struct frequents *f, const struct frequent_of *t, struct str tool, int64_t when_s, int64_t n);
/* The most used first, ties by name; returns how many.  Names live until the next learn. */
size_t frequent_best(
    struct frequents *f, const struct frequent_of *t, int64_t now_s, struct str *names, size_t max);
