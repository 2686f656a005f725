/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape - what is known of the results of tools that do not say it themselves.
 *
 *   a script's call succeeds --> shape_learn() --changed--> core_keep()   (a start: shape_load())
 *                                     \--> shape_find(): "-> ~{id:integer, …}" in signatures
 *
 * A shape belongs to one team (of a key without a team, its user) and one definition of one tool:
 * what a team has seen is shown to that team only, because even a key of an object can be data (see
 * shape_tree.c), and only with tools that the key sees anyway.  A changed definition begins anew.
 *
 * Learning costs a pass over a result, so it gets rarer: the first LEARN_ALL results of a tool,
 * then one in LEARN_EVERY.  SHAPES_MAX shapes are kept, the one that was longest unused goes.
 */
#include "codemode/shape.h"

#include <stdlib.h>

#include "base/json.h"
#include "codemode/signature.h"

#define SHAPES_MAX   2000
#define LEARN_ALL    32
#define LEARN_EVERY  64
#define LEARN_BYTES  ((size_t)1 << 20) /* of a result; larger ones teach nothing */
#define SCHEMA_BYTES ((size_t)16 << 10)
#define KEPT_NS      ((int64_t)90 * 86400 * 1000000000)
#define ID_BYTES     (sizeof(SHAPE_NAME) + 2 * SHA256_BYTES)

struct shape {
	struct link link;
	char id[ID_BYTES]; /* its name where it is kept */
	struct shape_tree tree;
	struct buf schema;
	uint64_t seen;
};

static void
id_of(char id[ID_BYTES], // NOLINT(readability-non-const-parameter)
    struct key *k, const struct tool *t)
{
	struct str owner[3], parts[9];
	struct buf b = { .p = id, .cap = ID_BYTES, .limit = ID_BYTES };
	struct sha256 hash;

	key_owner(k, owner);
	if (owner[1].n > 0)
		owner[2] = STR("");
	for (size_t i = 0; i < 3; i++) {
		parts[2 * i] = owner[i];
		parts[2 * i + 1] = STR("\n");
	}
	parts[6] = t->policy_name;
	parts[7] = STR("\n");
	parts[8] = t->definition;
	sha256_parts(&hash, parts, COUNT(parts));
	buf_puts(&b, SHAPE_NAME);
	buf_hex(&b, hash.b, SHA256_BYTES);
	buf_putc(&b, '\0');
	ASSERT(buf_ok(&b));
}

static void
shape_drop(struct codemode *cm, struct shape *s)
{
	(void)map_del(&cm->shapes.by_id, str_of(s->id));
	link_drop(&s->link);
	shape_tree_fini(&s->tree);
	buf_fini(&s->schema);
	free(s);
}

static struct shape *
shape_new(struct codemode *cm, struct str id)
{
	struct shape *s = mem_zalloc(sizeof(*s));

	if (cm->shapes.by_id.n >= SHAPES_MAX)
		shape_drop(cm, CONTAINER(cm->shapes.by_use.next, struct shape, link));
	(void)str_copy(s->id, sizeof(s->id), id);
	shape_tree_init(&s->tree);
	buf_init(&s->schema, SCHEMA_BYTES);
	link_init(&s->link);
	link_push(&cm->shapes.by_use, &s->link);
	map_set(&cm->shapes.by_id, str_of(s->id), s);
	return s;
}

void
shape_learn(struct codemode *cm, struct key *k, const struct tool *t, struct str value)
{
	char id[ID_BYTES];
	struct shape *s;
	struct buf now;

	if (t->output_schema.n > 0 || value.n > LEARN_BYTES)
		return;
	id_of(id, k, t);
	s = map_get(&cm->shapes.by_id, str_of(id));
	if (s == NULL)
		s = shape_new(cm, str_of(id));
	link_drop(&s->link);
	link_push(&cm->shapes.by_use, &s->link);
	if (s->seen++ >= LEARN_ALL && s->seen % LEARN_EVERY != 0)
		return;
	shape_tree_see(&s->tree, value);
	buf_init(&now, SCHEMA_BYTES);
	shape_tree_put(&s->tree, &now);
	if (!buf_ok(&now) || str_eq(buf_str(&now), buf_str(&s->schema))) {
		buf_fini(&now);
		return;
	}
	buf_fini(&s->schema);
	s->schema = now;
	if (cm->set.keep_ms != 0)
		core_keep(cm->core, &(struct kept_row){ .key = STR(""),
					.name = str_of(s->id),
					.value = buf_str(&s->schema),
					.until_ns = loop_wall_ns(cm->loop) + KEPT_NS });
}

struct str
shape_find(struct codemode *cm, struct key *k, const struct tool *t)
{
	char id[ID_BYTES];
	const struct shape *s;

	if (t->output_schema.n > 0 || cm->shapes.by_id.n == 0)
		return STR("");
	id_of(id, k, t);
	s = map_get(&cm->shapes.by_id, str_of(id));
	return s == NULL || s->schema.n == 0 ? STR("") : buf_str(&s->schema);
}

void
shape_put_signature(
    struct codemode *cm, struct key *k, const struct tool *t, bool describe, struct buf *out)
{
	signature_put_learned(out, t, shape_find(cm, k, t), describe);
}

void
shape_load(struct codemode *cm, const struct kept_row *r)
{
	struct shape *s;
	struct err e;

	if (r->name.n != ID_BYTES - 1 || r->until_ns < loop_wall_ns(cm->loop) ||
	    r->value.n > SCHEMA_BYTES || !json_check(r->value, true, &e) ||
	    map_get(&cm->shapes.by_id, r->name) != NULL)
		return;
	s = shape_new(cm, r->name);
	shape_tree_read(&s->tree, r->value);
	shape_tree_put(&s->tree, &s->schema);
}

void
shape_init(struct codemode *cm)
{
	map_init(&cm->shapes.by_id);
	link_init(&cm->shapes.by_use);
}

void
shape_free(struct codemode *cm)
{
	while (!link_empty(&cm->shapes.by_use))
		shape_drop(cm, CONTAINER(cm->shapes.by_use.next, struct shape, link));
	map_fini(&cm->shapes.by_id);
}
