/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena - chunks of doubling size, freed together.
 *
 * The first chunk is small, so that an idle owner costs little; sizes double up to CHUNK_MAX.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 2048
#define CHUNK_MAX   (64 * 1024)
#define ALIGN       16

struct arena_chunk {
	struct arena_chunk *below;
	size_t size, used;
	_Alignas(ALIGN) char bytes[];
};

void
arena_init(struct arena *a, size_t limit_bytes)
{
	*a = (struct arena){ .limit = limit_bytes };
}

static void
chunk_push(struct arena *a, size_t need)
{
	size_t size = a->top == NULL ? CHUNK_FIRST : a->top->size * 2;
	struct arena_chunk *c;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	if (size < need)
		size = need;
	c = mem_alloc(sizeof(*c) + size);
	c->below = a->top;
	c->size = size;
	c->used = 0;
	a->top = c;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p;

	ASSERT(n <= SIZE_MAX / 2);
	n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	ASSERT(a->limit >= a->used && n <= a->limit - a->used);
	if (a->top == NULL || n > a->top->size - a->top->used)
		chunk_push(a, n);
	p = a->top->bytes + a->top->used;
	a->top->used += n;
	a->used += n;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p;

	if (s.n == 0)
		return (struct str){ "", 0 };
	p = arena_alloc(a, s.n);
	memcpy(p, s.p, s.n);
	return (struct str){ p, s.n };
}

struct str
arena_join(struct arena *a, const struct str *parts, size_t n)
{
	size_t total = 0, at = 0;
	char *p;

	for (size_t i = 0; i < n; i++)
		total += parts[i].n;
	p = arena_alloc(a, total);
	for (size_t i = 0; i < n; i++) {
		if (parts[i].n > 0)
			memcpy(p + at, parts[i].p, parts[i].n);
		at += parts[i].n;
	}
	return (struct str){ p, total };
}

const char *
arena_cstr(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *p;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	(void)vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return (struct str){ p, (size_t)n };
}

size_t
arena_left(const struct arena *a)
{
	return a->limit - a->used;
}

void
arena_free(struct arena *a)
{
	while (a->top != NULL) {
		struct arena_chunk *below = a->top->below;

		free(a->top);
		a->top = below;
	}
	a->used = 0;
}
