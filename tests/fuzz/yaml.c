/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - any bytes as a configuration file: never a crash, never more memory than the callers of
 * yaml_parse() set aside (160 bytes a byte), what is refused says where, and what is accepted is a
 * tree in the order of the file, shallow, with every key once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"

#define DEPTH_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* "file:line:column: why", both from 1. */
static void
placed(const struct err *e)
{
	struct str rest = str_of(e->text);
	int64_t line, column;

	must(e->code == ERR_INVALID && str_eq(str_cut(&rest, ':'), STR("f.yaml")));
	must(str_i64(str_cut(&rest, ':'), &line) && line >= 1);
	must(str_i64(str_cut(&rest, ':'), &column) && column >= 1);
	must(rest.n > 1);
}

static void
values(const struct yaml *y)
{
	struct err e;
	int64_t v = 0;
	bool b;

	err_clear(&e);
	if (!yaml_bool(y, &b, &e))
		placed(&e);
	if (yaml_i64(y, -5, 5, &v, &e))
		must(v >= -5 && v <= 5);
	else
		placed(&e);
	if (yaml_bytes(y, &v, &e))
		must(v >= 0);
	else
		placed(&e);
	if (yaml_duration(y, &v, &e))
		must(v >= 0);
	else
		placed(&e);
}

static void
members(struct yaml *map)
{
	struct str known[2] = { STR("rules"), STR("policy") };
	struct err e;
	char *key;

	if (!yaml_unknown(map, known, COUNT(known), &e))
		placed(&e);
	if (map->n > 64)
		return;
	for (struct yaml *k = map->kids; k != NULL; k = k->next) {
		for (struct yaml *o = k->next; o != NULL; o = o->next)
			must(!str_eq(o->key, k->key));
		must(k->key_line >= 1 && k->key_column >= 1 && k->key_line <= k->line);
		must(!str_has(k->key, '\0'));
		key = str_dup(k->key);
		must(yaml_get(map, key) == k && k->used);
		free(key);
	}
	must(yaml_unknown(map, known, COUNT(known), &e));
}

/* Bounded by what yaml_parse() lets through: DEPTH_MAX. */
static void
tree(struct yaml *y, int depth)
{
	size_t n = 0;

	must(depth <= DEPTH_MAX && y->line >= 1 && y->column >= 1);
	values(y);
	for (struct yaml *k = y->kids; k != NULL; k = k->next, n++) {
		must(k->line > y->line || (k->line == y->line && k->column >= y->column));
		tree(k, depth + 1);
	}
	must(n == y->n);
	switch (y->kind) {
	case YAML_NULL:
		must(n == 0 && !y->quoted);
		return;
	case YAML_SCALAR:
		must(n == 0);
		return;
	case YAML_LIST:
		return;
	case YAML_MAP:
		members(y);
		return;
	}
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a;
	struct yaml *y;
	struct err e;

	arena_init(&a, n * 160 + 4096);
	err_clear(&e);
	y = yaml_parse(&a, "f.yaml", (struct str){ (const char *)data, n }, &e);
	if (y == NULL)
		placed(&e);
	else
		tree(y, 0);
	arena_free(&a);
	return 0;
}
