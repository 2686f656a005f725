/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map - open addressing with linear probing over SipHash-2-4 (Aumasson, Bernstein 2012).
 *
 * Deleted slots become tombstones and are swept when the table is rebuilt; the load, tombstones
 * counted, stays at or under 3/4.  The seed is drawn once per process, so that nobody outside can
 * choose keys that collide.
 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CAP_FIRST 16

struct map_slot {
	struct str key;
	uint64_t hash;
	void *value; /* NULL: free; &tombstone: deleted */
};
static char tombstone;

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTL(v[1], 13) ^ v[0];
	v[0] = ROTL(v[0], 32);
	v[2] += v[3];
	v[3] = ROTL(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTL(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTL(v[1], 17) ^ v[2];
	v[2] = ROTL(v[2], 32);
}

/* RULE: a mutable global because the seed belongs to the process, is written once, and is read
 * only by map_hash(). */
static uint64_t seed[2];
static bool seeded;

uint64_t
map_hash(struct str key)
{
	uint64_t v[4], m, b = (uint64_t)key.n << 56;
	size_t i = 0;

	if (!seeded) {
		ssize_t n = getrandom(seed, sizeof(seed), 0);

		ASSERT(n == (ssize_t)sizeof(seed));
		seeded = true;
	}
	v[0] = seed[0] ^ 0x736f6d6570736575ull;
	v[1] = seed[1] ^ 0x646f72616e646f6dull;
	v[2] = seed[0] ^ 0x6c7967656e657261ull;
	v[3] = seed[1] ^ 0x7465646279746573ull;
	for (; i + 8 <= key.n; i += 8) {
		memcpy(&m, key.p + i, 8);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	for (size_t k = 0; i + k < key.n; k++)
		b |= (uint64_t)(unsigned char)key.p[i + k] << (8 * k);
	v[3] ^= b;
	sip_round(v);
	sip_round(v);
	v[0] ^= b;
	v[2] ^= 0xff;
	for (int k = 0; k < 4; k++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void
map_fini(struct map *m)
{
	MEM_FREE(&m->slots);
	m->n = m->cap = m->dead = 0;
}

/* The slot that holds the key, or NULL. */
static struct map_slot *
slot_find(const struct map *m, struct str key, uint64_t hash)
{
	if (m->cap == 0)
		return NULL;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];

		if (s->value == NULL)
			return NULL;
		if (s->value != &tombstone && s->hash == hash && str_eq(s->key, key))
			return s;
	}
}

static void
slot_add(struct map *m, struct str key, uint64_t hash, void *value)
{
	size_t i = hash & (m->cap - 1);

	while (m->slots[i].value != NULL)
		i = (i + 1) & (m->cap - 1);
	m->slots[i] = (struct map_slot){ key, hash, value };
}

static void
rebuild(struct map *m)
{
	struct map_slot *old = m->slots;
	size_t old_cap = m->cap, cap = CAP_FIRST;

	while (cap * 3 < (m->n + 1) * 4 * 2)
		cap *= 2;
	m->slots = mem_zalloc(cap * sizeof(*m->slots));
	m->cap = cap;
	m->dead = 0;
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].value != NULL && old[i].value != &tombstone)
			slot_add(m, old[i].key, old[i].hash, old[i].value);
	free(old);
}

void *
map_get(const struct map *m, struct str key)
{
	struct map_slot *s = slot_find(m, key, map_hash(key));

	return s == NULL ? NULL : s->value;
}

void
map_set(struct map *m, struct str key, void *value)
{
	uint64_t hash = map_hash(key);
	struct map_slot *s = slot_find(m, key, hash);

	ASSERT(value != NULL);
	if (s != NULL) {
		s->key = key;
		s->value = value;
		return;
	}
	if ((m->n + m->dead + 1) * 4 > m->cap * 3)
		rebuild(m);
	slot_add(m, key, hash, value);
	m->n++;
}

void *
map_del(struct map *m, struct str key)
{
	struct map_slot *s = slot_find(m, key, map_hash(key));
	void *value;

	if (s == NULL)
		return NULL;
	value = s->value;
	*s = (struct map_slot){ .value = &tombstone };
	m->n--;
	m->dead++;
	return value;
}

bool
map_next(const struct map *m, size_t *it, struct str *key, void **value)
{
	for (; *it < m->cap; *it += 1) {
		struct map_slot *s = &m->slots[*it];

		if (s->value == NULL || s->value == &tombstone)
			continue;
		*key = s->key;
		*value = s->value;
		*it += 1;
		return true;
	}
	return false;
}
