/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet_type - a type in the head of a snippet, as LuaLS has it, as a JSON Schema.
 *
 *   union := one ('|' one)*
 *   one   := base ('[]')*
 *   base  := string | integer | number | boolean | table | any | nil | "text"
 *            | '(' union ')' | '{' name['?'] ':' union, ... '}' | 'table<' union ',' union '>'
 *
 * So everything that knows tools (signatures, the search, the checks of arguments) knows snippets.
 * TYPE_DEPTH_MAX bounds the recursion and the lists of lists, TYPE_SCHEMA_BYTES what is kept, the
 * length of a line everything else.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/snippet.h"

#define TYPE_DEPTH_MAX    6
#define TYPE_MEMBERS_MAX  32    /* of one union */
#define TYPE_SCHEMA_BYTES 3072  /* so that a definition with all its parameters stays whole */
#define TYPE_TEXT_BYTES   64    /* of a literal, of a name */
#define KIND_NIL          0x80u /* among the kinds, here only */

struct typing {
	struct str rest;
	const char *why;
	int depth;
};
struct joined { /* a union so far */
	struct buf schemas, words, texts;
	size_t n, words_n, texts_n;
	bool any;
	unsigned kinds;
};

static bool union_put(struct typing *t, struct buf *out, struct joined *u);

static void
space(struct typing *t)
{
	while (t->rest.n > 0 && (t->rest.p[0] == ' ' || t->rest.p[0] == '\t')) {
		t->rest.p++;
		t->rest.n--;
	}
}

/* Takes it, and spaces before it; else nothing. */
static bool
sign(struct typing *t, char c)
{
	struct str before = t->rest;

	space(t);
	if (t->rest.n == 0 || t->rest.p[0] != c) {
		t->rest = before;
		return false;
	}
	t->rest.p++;
	t->rest.n--;
	return true;
}

static bool
fail(struct typing *t, const char *why)
{
	if (t->why == NULL)
		t->why = why;
	return false;
}

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static struct str
word(struct typing *t)
{
	struct str w = { t->rest.p, 0 };

	while (w.n < t->rest.n && is_word_char(t->rest.p[w.n]))
		w.n++;
	t->rest.p += w.n;
	t->rest.n -= w.n;
	return w;
}

static void
joined_init(struct joined *u)
{
	*u = (struct joined){ 0 };
	buf_init(&u->schemas, 0);
	buf_init(&u->words, 0);
	buf_init(&u->texts, 0);
}

static void
joined_fini(struct joined *u)
{
	buf_fini(&u->schemas);
	buf_fini(&u->words);
	buf_fini(&u->texts);
}

static void
comma(struct buf *b, size_t *n)
{
	if ((*n)++ > 0)
		buf_putc(b, ',');
}

/* "a" */
static bool
literal(struct typing *t, struct joined *u, struct buf *out)
{
	struct str text = { t->rest.p + 1, 0 };

	while (text.n + 1 < t->rest.n && text.p[text.n] != '"')
		text.n++;
	if (text.n + 1 >= t->rest.n || text.n > TYPE_TEXT_BYTES || str_plain(text) < text.n)
		return fail(t, "a text is \"...\": 64 plain letters at most");
	t->rest.p += text.n + 2;
	t->rest.n -= text.n + 2;
	comma(&u->texts, &u->texts_n);
	buf_json_str(&u->texts, text);
	buf_puts(out, "{\"type\":\"string\",\"enum\":[");
	buf_json_str(out, text);
	buf_puts(out, "]}");
	return true;
}

/* {name:type, name?:type} */
/* NOLINTNEXTLINE(misc-no-recursion): TYPE_DEPTH_MAX */
static bool
fields(struct typing *t, struct buf *out)
{
	struct buf required;
	size_t n = 0, required_n = 0;
	bool ok = true;

	buf_init(&required, 0);
	buf_puts(out, "{\"type\":\"object\",\"properties\":{");
	while (ok && !sign(t, '}')) {
		struct joined u;
		struct str name;

		space(t);
		name = word(t);
		if (name.n == 0 || name.n > TYPE_TEXT_BYTES) {
			ok = fail(t, "fields are name:type, separated by commas");
			break;
		}
		if (!sign(t, '?')) {
			comma(&required, &required_n);
			buf_json_str(&required, name);
		}
		ok = sign(t, ':') || fail(t, "a field is name:type");
		comma(out, &n);
		buf_json_str(out, name);
		buf_putc(out, ':');
		joined_init(&u);
		ok = ok && union_put(t, out, &u);
		joined_fini(&u);
		if (ok && !sign(t, ',') && (space(t), t->rest.n == 0 || t->rest.p[0] != '}'))
			ok = fail(t, "fields are separated by commas and end with }");
	}
	buf_putc(out, '}');
	if (required_n > 0) {
		buf_puts(out, ",\"required\":[");
		buf_put(out, buf_str(&required));
		buf_putc(out, ']');
	}
	buf_putc(out, '}');
	buf_fini(&required);
	return ok;
}

/* table<string,T>, table<integer,T> */
/* NOLINTNEXTLINE(misc-no-recursion): TYPE_DEPTH_MAX */
static bool
mapping(struct typing *t, struct buf *out)
{
	struct joined key, value;
	struct buf key_schema;
	bool ok;

	buf_init(&key_schema, 0);
	joined_init(&key);
	joined_init(&value);
	ok = union_put(t, &key_schema, &key) && (sign(t, ',') || fail(t, "write table<key,value>"));
	buf_puts(out, "{\"type\":\"object\",\"additionalProperties\":");
	ok = ok && union_put(t, out, &value) && (sign(t, '>') || fail(t, "a > is missing"));
	buf_putc(out, '}');
	joined_fini(&key);
	joined_fini(&value);
	buf_fini(&key_schema);
	return ok;
}

static bool
base(struct typing *t, struct joined *u, struct buf *out, struct str w, unsigned *kinds)
{
	static const struct {
		const char *name, *words;
		unsigned kinds;
	} bases[] = { { "string", "\"string\"", SNIPPET_STRING },
		{ "integer", "\"integer\"", SNIPPET_INTEGER },
		{ "number", "\"number\"", SNIPPET_NUMBER | SNIPPET_INTEGER },
		{ "boolean", "\"boolean\"", SNIPPET_BOOLEAN },
		{ "table", "\"object\",\"array\"", SNIPPET_LIST | SNIPPET_TABLE } };

	for (size_t i = 0; i < COUNT(bases); i++) {
		if (!str_eq(w, str_of(bases[i].name)))
			continue;
		comma(&u->words, &u->words_n);
		buf_puts(&u->words, bases[i].words);
		buf_printf(out, "{\"type\":[%s]}", bases[i].words);
		*kinds = bases[i].kinds;
		return true;
	}
	if (str_eq(w, STR("any"))) {
		buf_puts(out, "{}");
		u->any = true;
		*kinds = SNIPPET_ANY;
		return true;
	}
	t->rest = STR_SPAN(w.p, t->rest.p + t->rest.n);
	return fail(t, "types are string, integer, number, boolean, table, any, \"a\"|\"b\", T[], "
		       "{name:T}, table<string,T>");
}

/* One of a union, without its []. */
/* NOLINTNEXTLINE(misc-no-recursion): TYPE_DEPTH_MAX */
static bool
atom(struct typing *t, struct joined *u, struct buf *out, unsigned *kinds)
{
	struct joined inner;
	struct str w;
	bool ok;

	space(t);
	if (t->rest.n > 0 && t->rest.p[0] == '"') {
		*kinds = 0;
		return literal(t, u, out);
	}
	if (sign(t, '{')) {
		*kinds = SNIPPET_TABLE;
		return fields(t, out);
	}
	if (sign(t, '(')) {
		joined_init(&inner);
		ok = union_put(t, out, &inner) && (sign(t, ')') || fail(t, "a ) is missing"));
		*kinds = inner.kinds | (inner.texts_n > 0 ? SNIPPET_STRING : 0);
		u->any |= inner.any;
		joined_fini(&inner);
		return ok;
	}
	w = word(t);
	if (str_eq(w, STR("table")) && t->rest.n > 0 && t->rest.p[0] == '<') {
		(void)sign(t, '<');
		*kinds = SNIPPET_TABLE;
		return mapping(t, out);
	}
	if (!str_eq(w, STR("nil")))
		return base(t, u, out, w, kinds);
	*kinds = KIND_NIL;
	return true;
}

/* One of a union into its lists. */
/* NOLINTNEXTLINE(misc-no-recursion): TYPE_DEPTH_MAX */
static bool
one(struct typing *t, struct joined *u)
{
	size_t words = u->words_n, texts = u->texts_n, words_at = u->words.n, texts_at = u->texts.n;
	bool any = u->any, ok;
	unsigned kinds = 0;
	struct buf b;
	int lists = 0;

	buf_init(&b, 0);
	ok = atom(t, u, &b, &kinds);
	while (ok && kinds != KIND_NIL && t->rest.n > 1 && t->rest.p[0] == '[' &&
	       t->rest.p[1] == ']') {
		struct str whole;

		if (++lists > TYPE_DEPTH_MAX) {
			ok = fail(t, "the type is nested too deeply");
			break;
		}
		t->rest.p += 2;
		t->rest.n -= 2;
		whole = (struct str){ str_dup(buf_str(&b)), b.n };
		buf_reset(&b);
		buf_puts(&b, "{\"type\":\"array\",\"items\":");
		buf_put(&b, whole);
		buf_putc(&b, '}');
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): the copy from above */
		free((void *)(uintptr_t)whole.p);
		kinds = SNIPPET_LIST;
		u->words_n = words; /* it is no plain word any more */
		u->words.n = words_at;
		u->texts_n = texts;
		u->texts.n = texts_at;
		u->any = any;
	}
	u->kinds |= kinds;
	if (kinds != KIND_NIL) {
		comma(&u->schemas, &u->n);
		buf_put(&u->schemas, buf_str(&b));
	}
	buf_fini(&b);
	return ok;
}

/* Writes the schema. */
/* NOLINTNEXTLINE(misc-no-recursion): TYPE_DEPTH_MAX */
static bool
union_put(struct typing *t, struct buf *out, struct joined *u)
{
	bool ok = ++t->depth <= TYPE_DEPTH_MAX || fail(t, "the type is nested too deeply");

	do {
		ok = ok && one(t, u);
		if (ok && u->n > TYPE_MEMBERS_MAX)
			ok = fail(t, "a type has at most 32 choices");
	} while (ok && sign(t, '|'));
	t->depth--;
	if (u->any || u->n == 0)
		buf_puts(out, "{}");
	else if (u->n == 1 && u->words_n == 0)
		buf_put(out, buf_str(&u->schemas));
	else if (u->words_n == u->n)
		buf_printf(out,
		    strchr(buf_cstr(&u->words), ',') == NULL ? "{\"type\":%s}" : "{\"type\":[%s]}",
		    buf_cstr(&u->words));
	else if (u->texts_n == u->n)
		buf_printf(out, "{\"type\":\"string\",\"enum\":[%s]}", buf_cstr(&u->texts));
	else
		buf_printf(out, "{\"anyOf\":[%s]}", buf_cstr(&u->schemas));
	return ok;
}

/* The texts of a JSON array of plain strings, without the brackets. */
static void
choices_take(struct arena *a, struct str list, struct snippet_type *out, size_t n)
{
	out->choices = arena_zalloc(a, n * sizeof(*out->choices));
	for (size_t i = 0; i < n; i++) {
		struct str text = { list.p + 1, 0 };

		while (text.p[text.n] != '"')
			text.n++;
		out->choices[out->choices_n++] = arena_str(a, text);
		list = STR_SPAN(text.p + text.n + 2, list.p + list.n);
	}
}

bool
snippet_type_read(struct arena *a, struct str *rest, struct snippet_type *out, const char **why)
{
	struct typing t = { .rest = *rest };
	struct joined u;
	struct buf schema;
	bool ok;

	*out = (struct snippet_type){ 0 };
	joined_init(&u);
	buf_init(&schema, 0);
	ok = union_put(&t, &schema, &u);
	if (ok && schema.n > TYPE_SCHEMA_BYTES)
		ok = fail(&t, "the type is too long (shorten it: table<string,any>)");
	if (ok) {
		out->text = arena_str(a, str_trim(STR_SPAN(rest->p, t.rest.p)));
		out->schema = arena_str(a, buf_str(&schema));
		out->kinds = u.any ? SNIPPET_ANY : u.kinds & ~KIND_NIL;
		out->nil = (u.kinds & KIND_NIL) != 0;
		if (u.texts_n > 0)
			choices_take(a, buf_str(&u.texts), out, u.texts_n);
	}
	*why = t.why;
	*rest = t.rest;
	buf_fini(&schema);
	joined_fini(&u);
	return ok;
}
