/* SPDX-License-Identifier: Apache-2.0 */
/* fold - names as every client takes them: server__name of [A-Za-z0-9_-], at most 100 bytes. */
#pragma once

#include "base/map.h"

#define FOLD_NAME_MAX   128 /* bytes of a server's own name */
#define FOLD_LISTED_MAX 100

/* Is it a name at all: UTF-8 without control characters, 1 to max bytes? */
bool fold_usable(struct str name, size_t max);
/*
 * Appends the listed name.  A character outside the set becomes _; a name that is too long, or that
 * meets one of `taken` after folding, ends in a hash of the real name, so that it does not depend
 * on the order.  Nothing is appended when even that is taken.
 */
void fold_listed(struct buf *out, struct str server, struct str name, const struct map *taken);
