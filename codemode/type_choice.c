/* SPDX-License-Identifier: Apache-2.0 */
/*
 * type_choice - one of several, and several of one: enums, choices, lists, tuples.
 *
 *   "a"|"b"   {a:string}|{b:integer}   (string|number)[]   [string, integer, …]
 *
 * A choice is written once for each form that it has, however many schemas say it; a form that may
 * be anything makes it `any`.  Bounded like all of the walk (type.c), and by UNION_MAX and
 * ENUM_MAX.
 */
#include "codemode/type_private.h"

#define ENUM_MAX 12

/* Is there a `|` outside of all brackets and quotes? */
static bool
is_choice(struct str s)
{
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\' && quoted)
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '<' || c == '[' || c == '('))
			depth++;
		else if (!quoted && (c == '}' || c == '>' || c == ']' || c == ')'))
			depth--;
		else if (!quoted && c == '|' && depth == 0)
			return true;
	}
	return false;
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
tuple_put(struct walk *w, struct str items, struct str rest)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	buf_putc(w->out, '[');
	w->nest++;
	if (json_open(items, &it))
		while (n < UNION_MAX && json_next(&it, &key, &v)) {
			if (n++ > 0)
				buf_puts(w->out, ", ");
			type_any_put(w, v);
		}
	w->nest--;
	if (rest.p != NULL && json_kind(rest) != JSON_FALSE)
		buf_puts(w->out, ", …");
	buf_putc(w->out, ']');
}

// NOLINTNEXTLINE(misc-no-recursion)
void
type_array_put(struct walk *w, const struct parts *p)
{
	struct str items = p->of[ITEMS], prefix = p->of[PREFIX_ITEMS];
	struct buf item, *out = w->out;
	size_t from = w->from;

	if (prefix.p != NULL && json_kind(prefix) == JSON_ARRAY) {
		tuple_put(w, prefix, p->of[ITEMS]);
		return;
	}
	if (items.p != NULL && json_kind(items) == JSON_ARRAY) { /* before 2020-12 */
		tuple_put(w, items, p->of[ADDITIONAL_ITEMS]);
		return;
	}
	if (items.p == NULL || w->nest >= NEST_MAX + 1) {
		buf_puts(w->out, "any[]");
		return;
	}
	buf_init(&item, 0);
	w->out = &item;
	w->from = 0;
	type_any_put(w, items); /* a list is no nesting: {…}[] */
	w->out = out;
	w->from = from;
	if (is_choice(buf_str(&item)))
		buf_printf(out, "(" STR_FMT ")[]", STR_ARG(buf_str(&item)));
	else
		buf_printf(out, STR_FMT "[]", STR_ARG(buf_str(&item)));
	buf_fini(&item);
}

struct choice { /* written one after the other, each once */
	struct walk *w;
	struct str seen[UNION_MAX];
	size_t n, from;
	bool any; /* one says nothing, so all of it says nothing */
	struct arena a;
};

// NOLINTNEXTLINE(misc-no-recursion)
static void
choice_add(struct choice *c, struct str schema)
{
	struct walk *w = c->w;
	struct buf one, *out = w->out;
	struct str text;
	size_t from = w->from;

	if (schema_is_null(schema) || c->n == UNION_MAX || c->any)
		return;
	buf_init(&one, 8192);
	w->out = &one;
	w->from = 0;
	type_any_put(w, schema);
	w->out = out;
	w->from = from;
	text = buf_ok(&one) ? buf_str(&one) : STR("table");
	c->any |= str_eq(text, STR("any"));
	for (size_t i = 0; i < c->n; i++)
		if (str_eq(c->seen[i], text))
			text = STR_NONE;
	if (text.n > 0 && arena_left(&c->a) > text.n + 64) {
		c->seen[c->n++] = arena_str(&c->a, text);
		if (c->n > 1)
			buf_putc(out, '|');
		buf_put(out, text);
	}
	buf_fini(&one);
}

static void
choice_open(struct choice *c, struct walk *w)
{
	*c = (struct choice){ .w = w, .from = w->out->n };
	arena_init(&c->a, (size_t)80 << 10);
}

/* false: nothing is known by it. */
static bool
choice_close(struct choice *c)
{
	bool known = c->n > 0 && !c->any;

	if (!known && c->w->out->n > c->from)
		c->w->out->n = c->from;
	arena_free(&c->a);
	return known;
}

// NOLINTNEXTLINE(misc-no-recursion)
void
type_schemas_put(struct walk *w, const struct str *schema, size_t n)
{
	struct choice c;

	if (n == 1) {
		type_any_put(w, schema[0]);
		return;
	}
	choice_open(&c, w);
	for (size_t i = 0; i < n; i++)
		choice_add(&c, schema[i]);
	if (!choice_close(&c))
		buf_puts(w->out, "any");
}

// NOLINTNEXTLINE(misc-no-recursion)
bool
type_choice_put(struct walk *w, struct str list)
{
	struct json_iter it;
	struct str key, v;
	struct choice c;

	if (list.p == NULL || !json_open(list, &it))
		return false;
	choice_open(&c, w);
	while (json_next(&it, &key, &v))
		choice_add(&c, v);
	return choice_close(&c);
}

void
type_enum_put(struct walk *w, struct str list)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (!json_open(list, &it))
		return;
	while (json_next(&it, &key, &v)) {
		if (json_kind(v) == JSON_NULL)
			continue;
		if (n > 0)
			buf_putc(w->out, '|');
		if (n++ == (w->detail == TYPE_WHOLE ? ENUM_MAX : ENUM_MAX / 3)) {
			buf_puts(w->out, "…");
			return;
		}
		type_put_literal(w->out, v);
	}
	if (n == 0)
		buf_puts(w->out, "nil");
}
