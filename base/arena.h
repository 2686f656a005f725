/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - memory that dies with its owner.
 *
 * Nothing inside is freed singly.  An arena has a byte limit; going past it aborts, so callers
 * bound their input first.
 */
#pragma once

#include "base/text.h"

struct arena_chunk;
struct arena {
	struct arena_chunk *top;
	size_t used, limit;
};
void arena_init(struct arena *a, size_t limit_bytes);
void *arena_alloc(struct arena *a, size_t n); /* 16-byte aligned, not cleared */
void *arena_zalloc(struct arena *a, size_t n);
struct str arena_str(struct arena *a, struct str s);                       /* a copy */
struct str arena_join(struct arena *a, const struct str *parts, size_t n); /* one behind another */
const char *arena_cstr(struct arena *a, struct str s); /* a NUL-terminated copy */
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
size_t arena_left(const struct arena *a);
void arena_free(struct arena *a);
#define arena_new(a, type) ((type *)arena_zalloc((a), sizeof(type)))
