/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shape_tree - the shape of what one tool answers, grown from its results.
 *
 *   {"id":7,"tags":["a"]}  {"id":9,"tags":[],"note":"x"}  -->  {id:integer, tags:string[],
 * note?:string}
 *
 * Values are never kept.  Keys are, and a key may be data itself ({"ana@acme.test":3}): so an
 * object is shown with its keys only while all that was seen of it looks like a record, and is
 * `table<string,T>` for ever once it does not:
 *
 *   a key that is no short word of letters (digits: at most three, no hexadecimal id)  -> map
 *   more than FIELDS_MAX keys, or ever other keys                                      -> map
 *   all values alike, and the keys not the same each time                              -> map
 *   all values alike, seen fewer than SETTLED times                                    -> `table`
 *
 * Bounded: NODES_MAX nodes, DEPTH_MAX objects within objects, ITEMS_MAX elements of a list.
 */
#include "base/json.h"
#include "codemode/shape.h"

#define NODES_MAX  200
#define DEPTH_MAX  4
#define FIELDS_MAX 24
#define ITEMS_MAX  8
#define KEY_BYTES  40
#define SETTLED    3
#define TREE_BYTES ((size_t)64 << 10)

enum { SEEN_NULL = 1, SEEN_BOOLEAN = 2, SEEN_INTEGER = 4, SEEN_NUMBER = 8, SEEN_STRING = 16 };

struct shape_field {
	struct shape_field *next;
	struct str key_raw; /* with its quotes */
	struct shape_node *node;
	uint32_t seen;
};
struct shape_node {
	unsigned scalars;
	bool list, object, map, varies;
	uint32_t seen;            /* as an object */
	struct shape_node *item;  /* of the list */
	struct shape_node *value; /* of the map */
	struct shape_field *fields;
	size_t fields_n;
};

static void see(struct shape_tree *t, struct shape_node *n, struct str v, int depth);

void
shape_tree_init(struct shape_tree *t)
{
	*t = (struct shape_tree){ .nodes = 0 };
	arena_init(&t->arena, TREE_BYTES);
	t->root = arena_new(&t->arena, struct shape_node);
}

void
shape_tree_fini(struct shape_tree *t)
{
	arena_free(&t->arena);
	t->root = NULL;
}

/* NULL: there is no room for more. */
static struct shape_node *
node_new(struct shape_tree *t)
{
	if (t->nodes == NODES_MAX || arena_left(&t->arena) < 1024)
		return NULL;
	t->nodes++;
	return arena_new(&t->arena, struct shape_node);
}

/* ---- is it a record? ---- */

static bool
is_word(struct str key_raw)
{
	struct str s = { key_raw.p + 1, key_raw.n - 2 };
	size_t digits = 0, hex = 0;

	if (s.n == 0 || s.n > KEY_BYTES || (s.p[0] >= '0' && s.p[0] <= '9'))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool digit = c >= '0' && c <= '9';

		if (!digit && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' &&
		    c != '-' && c != '$')
			return false;
		digits += digit;
		hex += digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
	}
	return digits <= 3 && !(digits > 0 && hex == s.n && s.n >= 6);
}

static size_t
keys_count(struct str object, bool *words)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	*words = true;
	if (json_open(object, &it))
		while (json_next(&it, &key, &v)) {
			n++;
			*words &= is_word(key);
		}
	return n;
}

static unsigned
kind_of(const struct shape_node *n)
{
	return (n->scalars & ~(unsigned)SEEN_NULL) | (n->list ? 32u : 0) | (n->object ? 64u : 0);
}

static bool
alike(const struct shape_node *n)
{
	unsigned first = 0;

	for (const struct shape_field *f = n->fields; f != NULL; f = f->next) {
		unsigned kind = kind_of(f->node);

		if (kind == SEEN_NUMBER)
			kind = SEEN_INTEGER;
		if (kind != 0 && first != 0 && kind != first)
			return false;
		first = kind != 0 ? kind : first;
	}
	return true;
}

static bool
is_settled(const struct shape_node *n)
{
	return !n->map && n->fields_n > 0 && (n->seen >= SETTLED || !alike(n));
}

/* ---- growing ---- */

// NOLINTNEXTLINE(misc-no-recursion)
static void
map_see(struct shape_tree *t, struct shape_node *n, struct str object, int depth)
{
	struct json_iter it;
	struct str key, v;
	size_t i = 0;

	n->map = true;
	n->fields = NULL;
	n->fields_n = 0;
	if (n->value == NULL)
		n->value = node_new(t);
	if (n->value == NULL || !json_open(object, &it))
		return;
	while (i++ < ITEMS_MAX && json_next(&it, &key, &v))
		see(t, n->value, v, depth + 1);
}

static struct shape_field *
field_of(struct shape_tree *t, struct shape_node *n, struct str key_raw)
{
	struct shape_field **at = &n->fields, *f;

	for (; *at != NULL; at = &(*at)->next)
		if (str_eq((*at)->key_raw, key_raw))
			return *at;
	if (n->fields_n == FIELDS_MAX || arena_left(&t->arena) < 2048)
		return NULL;
	f = arena_new(&t->arena, struct shape_field);
	f->node = node_new(t);
	if (f->node == NULL)
		return NULL;
	f->key_raw = arena_str(&t->arena, key_raw);
	n->fields_n++;
	*at = f;
	return f;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
record_see(struct shape_tree *t, struct shape_node *n, struct str object, size_t keys, int depth)
{
	size_t before = n->fields_n;
	struct json_iter it;
	struct str key, v;

	if (json_open(object, &it))
		while (json_next(&it, &key, &v)) {
			struct shape_field *f = field_of(t, n, key);

			if (f == NULL)
				continue;
			f->seen++;
			see(t, f->node, v, depth + 1);
		}
	n->varies |= n->seen > 0 && (n->fields_n != before || keys != n->fields_n);
	n->seen++;
	if (n->fields_n > 2 * keys + 6 || (n->varies && alike(n)))
		map_see(t, n, object, depth);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
object_see(struct shape_tree *t, struct shape_node *n, struct str object, int depth)
{
	bool words;
	size_t keys = keys_count(object, &words);

	n->object = true;
	if (depth >= DEPTH_MAX || keys == 0)
		return;
	if (n->map || !words || keys > FIELDS_MAX)
		map_see(t, n, object, depth);
	else
		record_see(t, n, object, keys, depth);
}

static bool
is_integer(struct str number)
{
	for (size_t i = 0; i < number.n; i++)
		if (number.p[i] == '.' || number.p[i] == 'e' || number.p[i] == 'E')
			return false;
	return true;
}

/* Bounded by DEPTH_MAX objects and as many lists as JSON may nest. */
// NOLINTNEXTLINE(misc-no-recursion)
static void
list_see(struct shape_tree *t, struct shape_node *n, struct str list, int depth)
{
	struct json_iter it;
	struct str key, v;
	size_t i = 0;

	n->list = true;
	if (n->item == NULL)
		n->item = node_new(t);
	if (n->item == NULL || !json_open(list, &it))
		return;
	while (i++ < ITEMS_MAX && json_next(&it, &key, &v))
		see(t, n->item, v, depth);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
see(struct shape_tree *t, struct shape_node *n, struct str v, int depth)
{
	switch (json_kind(v)) {
	case JSON_NULL:
		n->scalars |= SEEN_NULL;
		break;
	case JSON_FALSE:
	case JSON_TRUE:
		n->scalars |= SEEN_BOOLEAN;
		break;
	case JSON_NUMBER:
		n->scalars |= is_integer(v) ? SEEN_INTEGER : SEEN_NUMBER;
		break;
	case JSON_STRING:
		n->scalars |= SEEN_STRING;
		break;
	case JSON_ARRAY:
		list_see(t, n, v, depth);
		break;
	case JSON_OBJECT:
		object_see(t, n, v, depth);
		break;
	case JSON_BAD:
		break;
	}
}

void
shape_tree_see(struct shape_tree *t, struct str value)
{
	see(t, t->root, value, 0);
}

/* ---- as a schema, and back ---- */

static void node_put(const struct shape_node *n, struct buf *out);

// NOLINTNEXTLINE(misc-no-recursion)
static void
record_put(const struct shape_node *n, struct buf *out)
{
	size_t i = 0;

	buf_puts(out, "{\"type\":\"object\",\"properties\":{");
	for (const struct shape_field *f = n->fields; f != NULL; f = f->next) {
		if (i++ > 0)
			buf_putc(out, ',');
		buf_put(out, f->key_raw);
		buf_putc(out, ':');
		node_put(f->node, out);
	}
	buf_puts(out, "},\"required\":[");
	i = 0;
	for (const struct shape_field *f = n->fields; f != NULL; f = f->next)
		if (f->seen >= n->seen) {
			if (i++ > 0)
				buf_putc(out, ',');
			buf_put(out, f->key_raw);
		}
	buf_puts(out, "]}");
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
object_put(const struct shape_node *n, struct buf *out)
{
	if (n->map && n->value != NULL) {
		buf_puts(out, "{\"type\":\"object\",\"additionalProperties\":");
		node_put(n->value, out);
		buf_putc(out, '}');
	} else if (is_settled(n)) {
		record_put(n, out);
	} else {
		buf_puts(out, "{\"type\":\"object\"}");
	}
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
node_put(const struct shape_node *n, struct buf *out)
{
	static const char *const words[] = { "null", "boolean", "integer", "number", "string" };
	unsigned scalars = n->scalars;
	size_t ways = n->list + n->object, i = 0;

	if ((scalars & SEEN_NUMBER) != 0)
		scalars &= ~(unsigned)SEEN_INTEGER;
	for (size_t b = 0; b < COUNT(words); b++)
		ways += (scalars >> b & 1u) != 0;
	if (ways == 0) {
		buf_puts(out, "{}");
		return;
	}
	if (ways > 1)
		buf_puts(out, "{\"anyOf\":[");
	for (size_t b = 0; b < COUNT(words); b++)
		if ((scalars >> b & 1u) != 0)
			buf_printf(out, "%s{\"type\":\"%s\"}", i++ > 0 ? "," : "", words[b]);
	if (n->list) {
		buf_printf(out, "%s{\"type\":\"array\",\"items\":", i++ > 0 ? "," : "");
		if (n->item != NULL)
			node_put(n->item, out);
		else
			buf_puts(out, "{}");
		buf_putc(out, '}');
	}
	if (n->object) {
		if (i > 0)
			buf_putc(out, ',');
		object_put(n, out);
	}
	if (ways > 1)
		buf_puts(out, "]}");
}

void
shape_tree_put(const struct shape_tree *t, struct buf *out)
{
	node_put(t->root, out);
}

static void node_read(struct shape_tree *t, struct shape_node *n, struct str schema, int depth);

// NOLINTNEXTLINE(misc-no-recursion)
static void
object_read(struct shape_tree *t, struct shape_node *n, struct str schema, int depth)
{
	struct str v, key, required = STR_NONE;
	struct json_iter it, must;

	n->object = true;
	if (json_get(schema, STR("additionalProperties"), &v)) {
		n->map = true;
		n->value = node_new(t);
		if (n->value != NULL)
			node_read(t, n->value, v, depth + 1);
		return;
	}
	if (!json_get(schema, STR("properties"), &v) || !json_open(v, &it) || !it.object)
		return;
	n->seen = SETTLED;
	while (json_next(&it, &key, &v)) {
		struct shape_field *f = is_word(key) ? field_of(t, n, key) : NULL;

		if (f == NULL)
			continue;
		f->seen = SETTLED - 1;
		node_read(t, f->node, v, depth + 1);
	}
	(void)json_get(schema, STR("required"), &required);
	for (struct shape_field *f = n->fields; f != NULL; f = f->next)
		if (json_open(required, &must))
			while (json_next(&must, &key, &v))
				if (str_eq(v, f->key_raw))
					f->seen = SETTLED;
	for (const struct shape_field *f = n->fields; f != NULL; f = f->next)
		n->varies |= f->seen < SETTLED;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
node_read(struct shape_tree *t, struct shape_node *n, struct str schema, int depth)
{
	static const char *const words[] = { "null", "boolean", "integer", "number", "string" };
	struct str v, key;
	struct json_iter it;

	if (depth > DEPTH_MAX * 2)
		return;
	if (json_get(schema, STR("anyOf"), &v) && json_open(v, &it)) {
		while (json_next(&it, &key, &v))
			node_read(t, n, v, depth + 1);
		return;
	}
	if (!json_get(schema, STR("type"), &v))
		return;
	for (size_t b = 0; b < COUNT(words); b++)
		if (json_string_is(v, str_of(words[b])))
			n->scalars |= 1u << b;
	if (json_string_is(v, STR("object")) && !n->object)
		object_read(t, n, schema, depth);
	if (json_string_is(v, STR("array")) && !n->list) {
		n->list = true;
		if (json_get(schema, STR("items"), &v) && (n->item = node_new(t)) != NULL)
			node_read(t, n->item, v, depth + 1);
	}
}

void
shape_tree_read(struct shape_tree *t, struct str schema)
{
	node_read(t, t->root, schema, 0);
}
