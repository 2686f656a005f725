/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_work - one request of the admin API while it is answered; between admin.c (the routes) and
 * admin_keys.c.
 */
#pragma once

#include "gateway/admin.h"

#define ADMIN_ARENA_BYTES ((size_t)1 << 20) /* a body has a quarter of it at most */

struct work {
	const struct admin_request *r;
	struct arena a;
	struct buf *out;
	struct err *e;
};
/* A string of the body, "" when there is none; lives as long as the work. */
struct str work_text(struct work *w, const char *name);

/* ---- admin_keys.c: each answers one route; false with *w->e ---- */

/* By its name or id.  NULL: ERR_INVALID, ERR_NOT_FOUND. */
struct key *key_wanted(struct work *w, struct str name);
bool keys_list(struct work *w);
bool keys_create(struct work *w);
bool keys_show(struct work *w);
bool keys_state(struct work *w);
bool keys_rotate(struct work *w);
bool keys_budget(struct work *w);
bool keys_quota(struct work *w);
