/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_schema - looking into a schema: its words, where references lead, what can stand in it.
 *
 * An object is the fields of its properties, of what it refers to, and of all that allOf, anyOf and
 * oneOf add to it; a field is required when every way of matching requires it.  A schema is looked
 * at NODES_MAX times at most, however its references multiply, and a reference into itself ends.
 */
#include "codemode/type_private.h"

#define STR_IS(lit)                                                                                \
	{                                                                                          \
		"" lit, sizeof(lit) - 1                                                            \
	}

bool
walk_spend(struct walk *w)
{
	return w->nodes++ < NODES_MAX && w->depth < DEPTH_MAX;
}

struct parts
parts_of(struct str schema)
{
	static const struct str words[WORDS] = { STR_IS("additionalProperties"),
		STR_IS("additionalItems"), STR_IS("allOf"), STR_IS("anyOf"), STR_IS("const"),
		STR_IS("default"), STR_IS("deprecated"), STR_IS("enum"), STR_IS("items"),
		STR_IS("maximum"), STR_IS("maxLength"), STR_IS("minimum"), STR_IS("minLength"),
		STR_IS("multipleOf"), STR_IS("nullable"), STR_IS("oneOf"), STR_IS("pattern"),
		STR_IS("patternProperties"), STR_IS("prefixItems"), STR_IS("properties"),
		STR_IS("propertyNames"), STR_IS("$ref"), STR_IS("required"), STR_IS("type") };
	struct parts p = { .of = { { NULL, 0 } } };
	struct json_iter it;
	struct str key, v;

	if (json_kind(schema) != JSON_OBJECT || !json_open(schema, &it))
		return p;
	while (json_next(&it, &key, &v))
		for (size_t i = 0; i < WORDS; i++)
			if (p.of[i].p == NULL && json_key_is(key, words[i])) {
				p.of[i] = v;
				break;
			}
	return p;
}

static struct str
member(struct str schema, const char *name)
{
	struct str v;

	return json_get(schema, str_of(name), &v) ? v : STR_NONE;
}

/* One part of a JSON pointer, which may be written with ~0, ~1 and %XX. */
static bool
pointer_step(struct str *at, struct str part)
{
	char plain[256];
	struct buf b = { .p = plain, .cap = sizeof(plain), .limit = sizeof(plain) };
	struct json_iter it;
	struct str key, v;
	int64_t index;

	for (size_t i = 0; i < part.n; i++) {
		char c = part.p[i];

		if (c == '~' && i + 1 < part.n)
			c = part.p[++i] == '1' ? '/' : '~';
		buf_putc(&b, c);
	}
	if (!buf_ok(&b))
		return false;
	if (json_get(*at, buf_str(&b), at))
		return true;
	if (json_kind(*at) != JSON_ARRAY || !str_i64(buf_str(&b), &index) || !json_open(*at, &it))
		return false;
	while (json_next(&it, &key, &v))
		if (index-- == 0) {
			*at = v;
			return true;
		}
	return false;
}

/* A definition named by "$anchor", or by its old spelling "$id":"#name". */
static bool
anchor_find(struct str root, struct str name, struct str *found)
{
	static const char *const places[] = { "$defs", "definitions" };
	struct json_iter it;
	struct str key, v;

	for (size_t i = 0; i < COUNT(places); i++) {
		if (!json_open(member(root, places[i]), &it))
			continue;
		while (json_next(&it, &key, &v))
			if (json_string_is(member(v, "$anchor"), name)) {
				*found = v;
				return true;
			}
	}
	return false;
}

bool
ref_find(const struct walk *w, struct str ref_raw, struct str *found)
{
	struct str path;

	if (json_kind(ref_raw) != JSON_STRING || ref_raw.n < 3 || ref_raw.p[1] != '#')
		return false;
	path = (struct str){ ref_raw.p + 2, ref_raw.n - 3 };
	*found = w->root;
	if (path.n == 0)
		return true;
	if (path.p[0] != '/')
		return anchor_find(w->root, path, found);
	(void)str_cut(&path, '/');
	while (path.p != NULL)
		if (!pointer_step(found, str_cut(&path, '/')))
			return false;
	return true;
}

bool
ref_enter(struct walk *w, struct str ref, struct str *target)
{
	if (ref.p == NULL || w->refs_n == REFS_MAX || w->looks++ >= LOOKS_MAX ||
	    !ref_find(w, ref, target))
		return false;
	for (int i = 0; i < w->refs_n; i++)
		if (w->refs[i] == target->p)
			return false;
	w->refs[w->refs_n++] = target->p;
	return true;
}

void
ref_leave(struct walk *w)
{
	ASSERT(w->refs_n > 0);
	w->refs_n--;
}

static bool
list_has(struct str list, struct str raw)
{
	struct json_iter it;
	struct str key, v;

	if (!json_open(list, &it))
		return false;
	while (json_next(&it, &key, &v))
		if (str_eq(v, raw))
			return true;
	return false;
}

static const enum word choices[] = { ANY_OF, ONE_OF };

bool
schema_is_null(struct str schema)
{
	struct str v;

	return (json_get(schema, STR("type"), &v) && json_string_is(v, STR("null"))) ||
	       (json_get(schema, STR("const"), &v) && json_kind(v) == JSON_NULL);
}

bool
parts_nullable(const struct parts *p)
{
	struct json_iter it;
	struct str key, v;
	bool on;

	if (json_string_is(p->of[TYPE], STR("null")) || list_has(p->of[TYPE], STR("\"null\"")) ||
	    list_has(p->of[ENUM], STR("null")) || (json_bool(p->of[NULLABLE], &on) && on) ||
	    (p->of[CONST].p != NULL && json_kind(p->of[CONST]) == JSON_NULL))
		return true;
	for (size_t i = 0; i < COUNT(choices); i++)
		if (json_open(p->of[choices[i]], &it))
			while (json_next(&it, &key, &v))
				if (schema_is_null(v))
					return true;
	return false;
}

/* ---- fields ---- */

static void
field_add(struct fields *f, struct str key, struct str schema, bool choice)
{
	size_t i = 0;

	if (json_kind(schema) == JSON_FALSE)
		return;
	while (i < f->n && !str_eq(f->at[i].key, key))
		i++;
	if (i == FIELDS_MAX) {
		f->more = true;
		return;
	}
	if (i == f->n)
		f->at[f->n++] = (struct field){ .key = key, .schema = { schema }, .n = 1 };
	else if (choice && f->at[i].n < UNION_MAX)
		f->at[i].schema[f->at[i].n++] = schema;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
fields_collect(struct walk *w, struct fields *f, struct str schema, bool choice)
{
	struct parts p;

	if (json_kind(schema) != JSON_OBJECT || !walk_spend(w))
		return;
	p = parts_of(schema);
	w->depth++;
	parts_fields(w, f, &p, choice);
	w->depth--;
}

/* Bounded by walk_spend(). */
// NOLINTNEXTLINE(misc-no-recursion)
void
parts_fields(struct walk *w, struct fields *f, const struct parts *p, bool choice)
{
	struct json_iter it;
	struct str key, v;

	if (json_open(p->of[PROPERTIES], &it) && it.object)
		while (json_next(&it, &key, &v))
			field_add(f, key, v, choice);
	if (ref_enter(w, p->of[REF], &v)) {
		fields_collect(w, f, v, choice);
		ref_leave(w);
	}
	if (json_open(p->of[ALL_OF], &it))
		while (json_next(&it, &key, &v))
			fields_collect(w, f, v, choice);
	for (size_t i = 0; i < COUNT(choices); i++)
		if (json_open(p->of[choices[i]], &it))
			while (json_next(&it, &key, &v))
				fields_collect(w, f, v, true);
}

// NOLINTNEXTLINE(misc-no-recursion)
static bool
schema_requires(struct walk *w, struct str schema, struct str key_raw)
{
	struct parts p;
	bool must;

	if (json_kind(schema) != JSON_OBJECT || !walk_spend(w))
		return false;
	p = parts_of(schema);
	w->depth++;
	must = parts_require(w, &p, key_raw);
	w->depth--;
	return must;
}

// NOLINTNEXTLINE(misc-no-recursion)
static bool
every_branch_requires(struct walk *w, struct str list, struct str key_raw)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (!json_open(list, &it))
		return false;
	while (json_next(&it, &key, &v))
		if (!schema_is_null(v)) {
			n++;
			if (!schema_requires(w, v, key_raw))
				return false;
		}
	return n > 0;
}

// NOLINTNEXTLINE(misc-no-recursion)
bool
parts_require(struct walk *w, const struct parts *p, struct str key_raw)
{
	struct json_iter it;
	struct str key, v;
	bool must = list_has(p->of[REQUIRED], key_raw);

	if (!must && ref_enter(w, p->of[REF], &v)) {
		must = schema_requires(w, v, key_raw);
		ref_leave(w);
	}
	if (!must && json_open(p->of[ALL_OF], &it))
		while (!must && json_next(&it, &key, &v))
			must = schema_requires(w, v, key_raw);
	for (size_t i = 0; !must && i < COUNT(choices); i++)
		must = every_branch_requires(w, p->of[choices[i]], key_raw);
	return must;
}