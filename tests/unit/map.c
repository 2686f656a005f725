/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map - the hash against the published vectors of SipHash-2-4, and the table against a plain array
 * under random work: growth, removal, walks, and keys that share everything but their last byte.
 */
#include "base/map.c"

#include <stdio.h>

#include "tests/unit/check.h"

/* Aumasson and Bernstein's vectors: key 00 01 … 0f, message 00 01 … n-1; little endian. */
static const struct {
	size_t n;
	uint64_t hash;
} vectors[] = { { 0, 0x726fdb47dd0e0e31ull }, { 1, 0x74f839c593dc67fdull },
	{ 2, 0x0d6c8009d9a94f5aull }, { 3, 0x85676696d7fb7e2dull }, { 4, 0xcf2794e0277187b7ull },
	{ 5, 0x18765564cd99a68dull }, { 6, 0xcbc9466e58fee3ceull }, { 7, 0xab0200f58b01d137ull },
	{ 8, 0x93f5f5799a932462ull }, { 15, 0xa129ca6149be45e5ull },
	{ 63, 0x958a324ceb064572ull } };

static void
test_vectors(void)
{
	unsigned char bytes[64];
	uint64_t kept[2];

	TEST("SipHash-2-4 gives the published values");
	(void)map_hash(STR("draws the seed"));
	memcpy(kept, seed, sizeof(seed));
	CHECK(kept[0] != 0 || kept[1] != 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	memcpy(seed, bytes, sizeof(seed));
	for (size_t i = 0; i < COUNT(vectors); i++)
		CHECK(map_hash((struct str){ (char *)bytes, vectors[i].n }) == vectors[i].hash);
	memcpy(seed, kept, sizeof(seed));
	CHECK(map_hash(STR("")) == map_hash(STR_NONE));
}

static void
test_basics(void)
{
	int one = 1, two = 2;
	struct str again;
	struct map m;

	TEST("absent, set, replaced, removed, and back");
	map_init(&m);
	CHECK(map_get(&m, STR("a")) == NULL && map_del(&m, STR("a")) == NULL);
	map_set(&m, STR("a"), &one);
	map_set(&m, STR(""), &two);
	CHECK(map_get(&m, STR("a")) == &one && map_get(&m, STR("")) == &two && m.n == 2);
	CHECK(map_get(&m, (struct str){ "a\0", 2 }) == NULL);
	again = (struct str){ (char[]){ 'a' }, 1 };
	map_set(&m, again, &two);
	CHECK(map_get(&m, STR("a")) == &two && m.n == 2);
	CHECK(
	    slot_find(&m, again, map_hash(again))->key.p == again.p); /* the key is replaced too */
	CHECK(map_del(&m, STR("a")) == &two && m.n == 1 && map_get(&m, STR("a")) == NULL);
	CHECK(map_del(&m, STR("a")) == NULL);
	map_set(&m, STR("a"), &one);
	CHECK(map_get(&m, STR("a")) == &one && m.n == 2);
	map_fini(&m);
	CHECK(m.n == 0 && map_get(&m, STR("a")) == NULL);
}

#define KEYS 3000

/* Long and equal but for the last bytes: the worst for a comparison, nothing for the hash. */
static char key_text[KEYS][48];

static struct str
key_of(size_t i)
{
	return (struct str){ key_text[i], sizeof(key_text[i]) };
}

static void
keys_make(void)
{
	for (size_t i = 0; i < KEYS; i++) {
		memset(key_text[i], 'x', sizeof(key_text[i]));
		(void)snprintf(key_text[i] + 42, 6, "%05zu", i);
	}
}

/* Exactly the keys of `in` are there, each found by get and met once by a walk. */
static bool
same(const struct map *m, const bool *in, size_t n)
{
	static bool met[KEYS];
	size_t it = 0, walked = 0;
	struct str key;
	void *v;

	memset(met, 0, sizeof(met));
	while (map_next(m, &it, &key, &v)) {
		size_t i = (size_t)((char(*)[48])v - key_text);

		if (i >= KEYS || !in[i] || met[i] || key.p != key_text[i])
			return false;
		met[i] = true;
		walked++;
	}
	for (size_t i = 0; i < KEYS; i++)
		if (map_get(m, key_of(i)) != (in[i] ? (void *)key_text[i] : NULL))
			return false;
	return walked == n && m->n == n && (m->n + m->dead) * 4 <= m->cap * 3;
}

static void
test_growth(void)
{
	static bool in[KEYS];
	struct map m;
	size_t cap;

	TEST("equal prefixes: growth to thousands and back");
	map_init(&m);
	for (size_t i = 0; i < KEYS; i++) {
		map_set(&m, key_of(i), key_text[i]);
		in[i] = true;
	}
	CHECK(same(&m, in, KEYS));
	cap = m.cap;
	CHECK((cap & (cap - 1)) == 0 && cap < (size_t)KEYS * 4);
	for (size_t i = 0; i < KEYS; i++)
		if (i % 3 != 0) {
			CHECK(map_del(&m, key_of(i)) == key_text[i]);
			in[i] = false;
		}
	CHECK(same(&m, in, KEYS / 3));
	for (int round = 0; round < 50; round++) /* tombstones are swept: it does not grow */
		for (size_t i = 1; i < KEYS; i += 3) {
			map_set(&m, key_of(i), key_text[i]);
			CHECK(map_del(&m, key_of(i)) == key_text[i]);
		}
	CHECK(same(&m, in, KEYS / 3));
	CHECK(m.cap <= cap);
	map_fini(&m);
}

static void
test_random(void)
{
	static bool in[KEYS];
	struct map m;
	size_t n = 0;

	TEST("random work agrees with an array");
	srand(11);
	memset(in, 0, sizeof(in));
	map_init(&m);
	for (int step = 0; step < 60000; step++) {
		size_t i = (size_t)rand() % KEYS;
		bool was = in[i];

		in[i] = step / 10000 % 2 == 0 ? rand() % 4 != 0 : rand() % 4 == 0;
		if (in[i])
			map_set(&m, key_of(i), key_text[i]);
		else
			CHECK((map_del(&m, key_of(i)) != NULL) == was);
		n = n + in[i] - was;
		if (step % 5000 == 4999)
			CHECK(same(&m, in, n));
	}
	map_fini(&m);
}

static void
test_walk(void)
{
	size_t it = 0, met = 0;
	struct str key;
	struct map m;
	void *v;

	TEST("a walk may remove where it stands");
	map_init(&m);
	CHECK(!map_next(&m, &it, &key, &v));
	for (size_t i = 0; i < 100; i++)
		map_set(&m, key_of(i), key_text[i]);
	for (it = 0; map_next(&m, &it, &key, &v); met++)
		CHECK(map_del(&m, key) == v);
	CHECK(met == 100 && m.n == 0);
	map_fini(&m);
}

static void
test_spread(void)
{
	size_t longest = 0, run = 0;
	struct map m;

	TEST("no long run of slots: nobody outside knows the seed");
	map_init(&m);
	for (size_t i = 0; i < KEYS; i++)
		map_set(&m, key_of(i), key_text[i]);
	for (size_t i = 0; i < m.cap; i++) {
		run = m.slots[i].value != NULL ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	CHECK(longest < 400);
	map_fini(&m);
}

int
main(void)
{
	keys_make();
	test_vectors();
	test_basics();
	test_growth();
	test_random();
	test_walk();
	test_spread();
	return check_done();
}
