/* SPDX-License-Identifier: Apache-2.0 */
/* usual - what requests of a key to a model usually cost; for `hold: usual`. */
#pragma once

#include "base/map.h"

#define USUAL_PAIRS_MAX 4096 /* key x model; the one that was longest unused makes room */
#define USUAL_KEPT      64   /* costs of a pair: the last ones */
#define USUAL_MIN       20   /* before so many are known, the worst case is held */
#define USUAL_MARGIN    3    /* halves: one and a half times the 95th of a hundred */

struct usuals {
	struct map by_id;
	struct link all; /* the one used last at the end */
};
void usuals_init(struct usuals *u);
void usuals_fini(struct usuals *u);
/* A margin above the 95th percentile; -1: too little is known. */
int64_t usual_nusd(struct usuals *u, struct str key, struct str model);
void usual_learn(struct usuals *u, struct str key, struct str model, int64_t cost_nusd);
