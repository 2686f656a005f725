/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type - what a schema says, in as few tokens as a model needs.
 *
 *   {"type":"array","items":{"$ref":"#/$defs/Row"}}   {id:integer, name?:string}[]
 *
 * An object is the fields of its properties, of what it refers to, and of all that allOf, anyOf and
 * oneOf add to it; a field is required when every way of matching requires it.  Where there is only
 * a choice it is shown as a choice (`{a:string}|{b:integer}`).  null reads as nil in scripts, so it
 * is a `?`, or `|null` where null has to be sent.  if/then/else, not and dependent… are for the
 * server to judge: a signature is a hint, the check of the arguments is elsewhere.
 *
 * Schemas come from upstream servers and are hostile.  They were checked as JSON; here a schema is
 * looked at NODES_MAX times at most, however its references multiply, nesting is shown NEST_MAX
 * deep, a reference into itself is `table`, every list is cut at a named number.
 */
#include "codemode/type_private.h"

#define DEFAULT_BYTES 16
#define LOOSE_FIELDS  4 /* of which none is always there */

static void
default_put(struct walk *w, struct str v)
{
	enum json_kind k = v.p == NULL ? JSON_BAD : json_kind(v);

	if (v.n > DEFAULT_BYTES || k == JSON_BAD || k == JSON_NULL || k == JSON_FALSE ||
	    k == JSON_ARRAY || k == JSON_OBJECT)
		return; /* what is left out is nil, and that is false anyway */
	buf_putc(w->out, '=');
	type_put_literal(w->out, v);
}

static bool
holds_fields(const struct parts *p)
{
	return p->of[PROPERTIES].p != NULL || p->of[ITEMS].p != NULL || p->of[REF].p != NULL ||
	       p->of[ALL_OF].p != NULL;
}

/* One `key?:type=default`. */
// NOLINTNEXTLINE(misc-no-recursion)
static void
field_put(struct walk *w, const struct field *f, const struct parts *p, bool must)
{
	bool null = f->n == 1 && parts_nullable(p);

	type_put_key(w->out, f->key);
	if (!must || (null && !w->parameters))
		buf_putc(w->out, '?');
	if (w->detail == TYPE_NAMES && !holds_fields(p))
		return;
	buf_putc(w->out, ':');
	w->nest++;
	type_schemas_put(w, f->schema, f->n);
	w->nest--;
	if (must && null && w->parameters)
		buf_puts(w->out, "|null");
	if (w->parameters && !w->bare)
		default_put(w, p->of[DEFAULT]);
}

static bool
left_out(const struct parts *field, bool must)
{
	bool on;

	return !must && json_bool(field->of[DEPRECATED], &on) && on;
}

/* What may stand beside the named fields, or STR_NONE. */
static struct str
rest_of(const struct parts *p)
{
	struct str v = p->of[ADDITIONAL], key;
	struct json_iter it;

	if (json_kind(v) == JSON_OBJECT && v.n > 2)
		return v;
	return json_open(p->of[PATTERN_PROPERTIES], &it) && json_next(&it, &key, &v) ? v : STR_NONE;
}

/* true: something was written. */
static bool
comma(struct walk *w, size_t *n)
{
	if ((*n)++ > 0)
		buf_puts(w->out, ", ");
	if (w->out->n - w->from <= w->bytes)
		return false;
	buf_puts(w->out, "…");
	return true;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
fields_put(struct walk *w, const struct fields *f, const struct parts *p, bool first_required)
{
	bool says = w->parameters || p->of[REQUIRED].p != NULL, full = false;
	struct str rest = rest_of(p);
	size_t n = 0;

	buf_putc(w->out, '{');
	for (int pass = 0; pass < (first_required ? 2 : 1); pass++)
		for (size_t i = 0; i < f->n && !full; i++) {
			bool must = !says || parts_require(w, p, f->at[i].key);
			struct parts field;

			if (first_required && must != (pass == 0))
				continue;
			field = parts_of(f->at[i].schema[0]);
			if (left_out(&field, must))
				continue;
			full = comma(w, &n);
			if (!full)
				field_put(w, &f->at[i], &field, must);
		}
	if (f->more && !full) {
		(void)comma(w, &n);
		buf_puts(w->out, "…");
	} else if (rest.p != NULL && !full && w->detail == TYPE_WHOLE && !comma(w, &n)) {
		buf_puts(w->out, "[string]:");
		w->nest++;
		type_any_put(w, rest);
		w->nest--;
	}
	buf_putc(w->out, '}');
}

static int
nest_max(const struct walk *w)
{
	return w->detail == TYPE_FLAT ? 1 : NEST_MAX;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
map_put(struct walk *w, struct str names, struct str value)
{
	struct parts p = parts_of(names);

	buf_puts(w->out, "table<");
	if (p.of[ENUM].p != NULL || p.of[REF].p != NULL)
		type_any_put(w, names);
	else
		buf_puts(w->out, "string");
	buf_putc(w->out, ',');
	w->nest++;
	type_any_put(w, value);
	w->nest--;
	buf_putc(w->out, '>');
}

/* Rows of a query: which keys there are was said by who asked. */
static bool
is_loose(const struct walk *w, const struct parts *p, const struct fields *f)
{
	struct json_iter it;
	struct str key, v;

	return w->learned && f->n >= LOOSE_FIELDS && json_open(p->of[REQUIRED], &it) &&
	       !json_next(&it, &key, &v);
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
object_put(struct walk *w, const struct parts *p, const char *empty)
{
	struct fields f = { .n = 0 };
	struct str rest = rest_of(p);

	parts_fields(w, &f, p, false);
	if (is_loose(w, p, &f))
		buf_puts(w->out, "table");
	else if (f.n > 0 && w->nest < nest_max(w))
		fields_put(w, &f, p, false);
	else if (rest.p != NULL && w->nest < nest_max(w))
		map_put(w, p->of[PROPERTY_NAMES], rest);
	else
		buf_puts(w->out, f.n > 0 || rest.p != NULL ? "table" : empty);
}

/* ---- what has no fields ---- */

// NOLINTNEXTLINE(misc-no-recursion)
static void
named_put(struct walk *w, const struct parts *p, struct str type_raw)
{
	static const char *const scalars[] = { "string", "integer", "number", "boolean" };

	for (size_t i = 0; i < COUNT(scalars); i++)
		if (json_string_is(type_raw, str_of(scalars[i]))) {
			buf_puts(w->out, scalars[i]);
			return;
		}
	if (json_string_is(type_raw, STR("array")))
		type_array_put(w, p);
	else if (json_string_is(type_raw, STR("object")))
		object_put(w, p, "table");
	else
		buf_puts(w->out, json_string_is(type_raw, STR("null")) ? "nil" : "any");
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
types_put(struct walk *w, const struct parts *p, struct str list)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (!json_open(list, &it))
		return;
	while (n < UNION_MAX && json_next(&it, &key, &v)) {
		if (json_string_is(v, STR("null")))
			continue;
		if (n++ > 0)
			buf_putc(w->out, '|');
		named_put(w, p, v);
	}
	if (n == 0)
		buf_puts(w->out, "nil");
}

/* Where no type is named, its own words tell. */
// NOLINTNEXTLINE(misc-no-recursion)
static void
untyped_put(struct walk *w, const struct parts *p)
{
	static const struct {
		enum word word;
		const char *type;
	} tells[] = { { PATTERN, "string" }, { MIN_LENGTH, "string" }, { MAX_LENGTH, "string" },
		{ MINIMUM, "number" }, { MAXIMUM, "number" }, { MULTIPLE, "number" } };

	if (p->of[ITEMS].p != NULL || p->of[PREFIX_ITEMS].p != NULL) {
		type_array_put(w, p);
		return;
	}
	for (size_t i = 0; i < COUNT(tells); i++)
		if (p->of[tells[i].word].p != NULL) {
			buf_puts(w->out, tells[i].type);
			return;
		}
	object_put(w, p, "any");
}

/* The first of allOf that says more than nothing: {"allOf":[{"$ref":…}],"default":…}. */
// NOLINTNEXTLINE(misc-no-recursion)
static bool
all_put(struct walk *w, struct str list)
{
	size_t at = w->out->n;
	struct json_iter it;
	struct str key, v;

	if (list.p == NULL || !json_open(list, &it))
		return false;
	while (json_next(&it, &key, &v)) {
		type_any_put(w, v);
		if (!buf_ok(w->out))
			return true;
		if (!str_eq(STR_SPAN(w->out->p + at, w->out->p + w->out->n), STR("any")))
			return true;
		w->out->n = at;
	}
	return false;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
plain_put(struct walk *w, const struct parts *p)
{
	struct str target;

	if (ref_enter(w, p->of[REF], &target)) {
		type_any_put(w, target);
		ref_leave(w);
	} else if (p->of[REF].p != NULL) {
		buf_puts(w->out, ref_find(w, p->of[REF], &target) ? "table" : "any");
	} else if (all_put(w, p->of[ALL_OF]) || type_choice_put(w, p->of[ANY_OF]) ||
		   type_choice_put(w, p->of[ONE_OF])) {
		return;
	} else if (p->of[TYPE].p == NULL) {
		untyped_put(w, p);
	} else if (json_kind(p->of[TYPE]) == JSON_ARRAY) {
		types_put(w, p, p->of[TYPE]);
	} else {
		named_put(w, p, p->of[TYPE]);
	}
}

/* Several parts of one object are shown as one. */
static bool
is_merged(const struct parts *p)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (p->of[PROPERTIES].p != NULL || (p->of[REF].p != NULL && p->of[ALL_OF].p != NULL))
		return true;
	if (json_open(p->of[ALL_OF], &it))
		while (n < 2 && json_next(&it, &key, &v)) {
			struct parts part = parts_of(v);

			n += holds_fields(&part);
		}
	return n > 1;
}

/* Bounded by walk_spend(): NODES_MAX looks, DEPTH_MAX deep. */
// NOLINTNEXTLINE(misc-no-recursion)
void
type_any_put(struct walk *w, struct str schema)
{
	struct parts p;

	if (json_kind(schema) != JSON_OBJECT || !walk_spend(w)) {
		buf_puts(w->out, json_kind(schema) == JSON_FALSE ? "nil" : "any");
		return;
	}
	p = parts_of(schema);
	w->depth++;
	if (json_kind(p.of[ENUM]) == JSON_ARRAY)
		type_enum_put(w, p.of[ENUM]);
	else if (p.of[CONST].p != NULL)
		type_put_literal(w->out, p.of[CONST]);
	else if (is_merged(&p))
		object_put(w, &p, "table");
	else
		plain_put(w, &p);
	w->depth--;
}

static struct walk
walk_of(struct buf *out, const struct type_ask *a)
{
	return (struct walk){ .out = out,
		.from = out->n,
		.bytes = a->bytes,
		.root = a->root,
		.detail = a->detail,
		.parameters = a->parameters,
		.bare = a->bare,
		.learned = a->learned };
}

void
type_put(struct buf *out, const struct type_ask *a)
{
	struct walk w = walk_of(out, a);

	type_any_put(&w, a->schema);
}

void
type_put_parameters(struct buf *out, const struct type_ask *a)
{
	struct walk w = walk_of(out, a);
	struct parts p = parts_of(a->schema);
	struct fields f = { .n = 0 };

	parts_fields(&w, &f, &p, false);
	fields_put(&w, &f, &p, true);
}
