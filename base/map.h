/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map - an open-addressing table from byte strings to pointers, SipHash-2-4 with a per-process
 * seed, so that a hostile client cannot choose collisions.
 *
 * Keys are borrowed: the bytes must live as long as the entry.  Values are never NULL.
 */
#pragma once

#include "base/text.h"

struct map_slot;
struct map {
	struct map_slot *slots;
	size_t n, cap, dead;
};
void map_init(struct map *m);
void map_fini(struct map *m);
void *map_get(const struct map *m, struct str key);       /* NULL when absent */
void map_set(struct map *m, struct str key, void *value); /* replaces key and value */
void *map_del(struct map *m, struct str key);             /* the value, or NULL */
/* Walks all entries: start with *it = 0; false at the end.  map_del of the current one is fine. */
bool map_next(const struct map *m, size_t *it, struct str *key, void **value);
uint64_t map_hash(struct str key);
