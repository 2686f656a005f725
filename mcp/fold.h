/* SPDX-License-Identifier: Apache-2.0 */
/* fold - names as every client takes them: server__name of [A-Za-z0-9_-], at most 100 bytes. */
#pragma once

#include "base/map.h"

#define FOLD_NAME_MAX   128 /* bytes of a server's own name */
#define FOLD_LISTED_MAX 100
#define FOLD_SCRIPT_MAX 190 /* of a name in scripts: fits a frame of the sandbox */

/* Is it a name at all: UTF-8 without control characters, 1 to max bytes? */
bool fold_usable(struct str name, size_t max);
/*
 * Appends the listed name.  A character outside the set becomes _; a name that is too long, or that
 * meets one of `taken` after folding, ends in a hash of the real name, so that it does not depend
 * on the order.  Nothing is appended when even that is taken.
 */
void fold_listed(struct buf *out, struct str server, struct str name, const struct map *taken);
/*
 * Appends the name as scripts spell it, an identifier of Lua: other characters become _, a keyword
 * gets a trailing _, and so does a server that is called as something scripts have already (map,
 * string).  One of `taken` (NULL: none) ends in a hash, as above; nothing when even that is taken.
 */
enum fold_script { FOLD_SERVER, FOLD_TOOL };
void fold_script(struct buf *out, enum fold_script what, struct str name, const struct map *taken);
