/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature - JSON Schema in, one line of Lua out.
 *
 *   sqlite.query{sql:string, values?:(string|number)[]} -> table[]  -- Runs one SQL statement
 *
 * LuaLS type syntax inside call syntax: required parameters first, `?` optional, `=default` when
 * it is a short scalar, enums as "a"|"b".  A definition costs a model some 300 tokens, this line
 * some 50.  Schemas come from upstream servers and are hostile: they were checked as JSON when the
 * catalogue was made, nesting is followed NEST_MAX deep and references REF_MAX times, and every
 * list is cut at a named number.  Descriptions lose their control characters here, so that no
 * server can break out of its line.
 */
#include "codemode/signature.h"

#include <string.h>

#include "base/json.h"

#define NEST_MAX       3
#define REF_MAX        4
#define ENUM_MAX       12
#define DEFAULT_BYTES  16
#define DESCRIBE_BYTES 100
#define RETURN_BYTES   150
#define FIELDS_MAX     64
#define UNION_MAX      8

struct walk {
	struct buf *out;
	struct str root; /* for $ref */
	int nest, refs;
	bool names_only; /* a long return type: field names without their types */
};

static void type_put(struct walk *w, struct str schema);

static bool
is_keyword(struct str s)
{
	static const char words[][9] = { "and", "break", "do", "else", "elseif", "end", "false",
		"for", "function", "goto", "if", "in", "local", "nil", "not", "or", "repeat",
		"return", "then", "true", "until", "while" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(s, str_of(words[i])))
			return true;
	return false;
}

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool
is_identifier(struct str s)
{
	if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9') || is_keyword(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_word_char(s.p[i]))
			return false;
	return true;
}

void
signature_put_name(struct buf *out, struct str name)
{
	if (name.n > 0 && name.p[0] >= '0' && name.p[0] <= '9')
		buf_putc(out, '_');
	for (size_t i = 0; i < name.n; i++)
		buf_putc(out, is_word_char(name.p[i]) ? name.p[i] : '_');
	if (is_keyword(name))
		buf_putc(out, '_');
}

void
signature_put_path(struct buf *out, const struct tool *t)
{
	signature_put_name(out, t->server);
	buf_putc(out, '.');
	signature_put_name(out, t->name);
}

/* One line of text, at most max bytes, no control characters, cut at a UTF-8 boundary. */
static void
line_put(struct buf *out, struct str s, size_t max)
{
	size_t n = s.n < max ? s.n : max;
	bool space = false;

	while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f) {
			space = true;
			continue;
		}
		if (space)
			buf_putc(out, ' ');
		space = false;
		buf_putc(out, (char)c);
	}
	if (n < s.n)
		buf_puts(out, "…");
}

/* Where the text speaks of deprecation, or its length when it does not. */
static size_t
deprecated_at(struct str d)
{
	for (size_t i = 0; i + 10 <= d.n; i++)
		if (str_ieq((struct str){ d.p + i, 10 }, STR("deprecated")))
			return i;
	return d.n;
}

/* The first sentence when it is short enough; a deprecation mark survives the cut. */
static void
describe_put(struct buf *out, const struct tool *t)
{
	struct str d = str_trim(t->description), first = d;

	for (size_t i = 0; i + 1 < d.n && i < DESCRIBE_BYTES; i++)
		if (d.p[i] == '.' && (d.p[i + 1] == ' ' || d.p[i + 1] == '\n')) {
			first.n = i;
			break;
		}
	if (first.n == d.n && d.n > 0 && d.p[d.n - 1] == '.')
		first.n--;
	if (first.n == 0)
		return;
	buf_puts(out, "  -- ");
	line_put(out, first, DESCRIBE_BYTES);
	if (deprecated_at(d) < d.n && deprecated_at(d) >= first.n)
		buf_puts(out, " (deprecated)");
}

/* "#/a/b" inside the root document; anything else is not followed (and never fetched). */
static bool
ref_find(const struct walk *w, struct str ref_raw, struct str *found)
{
	struct str path, at = w->root;

	if (ref_raw.n < 5 || ref_raw.p[1] != '#' || ref_raw.p[2] != '/')
		return false;
	path = (struct str){ ref_raw.p + 3, ref_raw.n - 4 };
	while (path.p != NULL) {
		struct str part = str_cut(&path, '/');

		if (!json_get(at, part, &at))
			return false;
	}
	*found = at;
	return true;
}

static void
enum_put(struct walk *w, struct str list)
{
	struct json_iter it;
	struct str key, v;
	int n = 0;

	if (!json_open(list, &it))
		return;
	while (json_next(&it, &key, &v)) {
		if (json_kind(v) == JSON_NULL)
			continue;
		if (n > 0)
			buf_putc(w->out, '|');
		if (n++ == ENUM_MAX) {
			buf_puts(w->out, "…");
			return;
		}
		line_put(w->out, v, 64);
	}
}

static bool
is_null_type(struct str schema)
{
	struct str type;

	return json_get(schema, STR("type"), &type) && json_string_is(type, STR("null"));
}

static void
union_put(struct walk *w, struct str list)
{
	struct json_iter it;
	struct str key, v;
	int n = 0;

	if (!json_open(list, &it))
		return;
	while (json_next(&it, &key, &v) && n < UNION_MAX) {
		if (is_null_type(v))
			continue;
		if (n++ > 0)
			buf_putc(w->out, '|');
		type_put(w, v);
	}
	if (n == 0)
		buf_puts(w->out, "any");
}

static bool
is_required(struct str required, struct str key_raw)
{
	struct json_iter it;
	struct str key, v;

	if (required.p == NULL || !json_open(required, &it))
		return false;
	while (json_next(&it, &key, &v))
		if (str_eq(v, key_raw))
			return true;
	return false;
}

static void
key_put(struct walk *w, struct str key_raw)
{
	struct str name = { key_raw.p + 1, key_raw.n - 2 };

	if (is_identifier(name)) {
		buf_put(w->out, name);
	} else {
		buf_putc(w->out, '[');
		line_put(w->out, key_raw, 64);
		buf_putc(w->out, ']');
	}
}

static void
default_put(struct walk *w, struct str schema)
{
	struct str v;
	enum json_kind k;

	if (!json_get(schema, STR("default"), &v) || v.n > DEFAULT_BYTES)
		return;
	k = json_kind(v);
	if (k == JSON_NULL || k == JSON_ARRAY || k == JSON_OBJECT)
		return;
	buf_putc(w->out, '=');
	line_put(w->out, v, DEFAULT_BYTES);
}

/* One `key?:type=default`; a long return type keeps the type only of what holds more fields. */
static void
field_put(struct walk *w, struct str key, struct str v, bool optional)
{
	struct str sub;

	key_put(w, key);
	if (optional)
		buf_putc(w->out, '?');
	if (w->names_only && !json_get(v, STR("properties"), &sub) &&
	    !json_get(v, STR("items"), &sub))
		return;
	buf_putc(w->out, ':');
	w->nest++;
	type_put(w, v);
	w->nest--;
	default_put(w, v);
}

/* {a:string, b?:integer=3}; in a parameter list the required ones come first. */
static void
fields_put(struct walk *w, struct str properties, struct str required, bool parameters)
{
	int n = 0;

	buf_putc(w->out, '{');
	for (int pass = 0; pass < (parameters ? 2 : 1); pass++) {
		struct json_iter it;
		struct str key, v;

		if (!json_open(properties, &it))
			break;
		while (json_next(&it, &key, &v) && n <= FIELDS_MAX) {
			bool must = is_required(required, key);

			if (parameters && must != (pass == 0))
				continue;
			if (n > 0)
				buf_puts(w->out, ", ");
			if (n++ == FIELDS_MAX)
				buf_puts(w->out, "…");
			else
				field_put(w, key, v, parameters && !must);
		}
	}
	buf_putc(w->out, '}');
}

static void
object_put(struct walk *w, struct str schema, bool typed)
{
	struct str properties, required = STR_NONE, more, key, v;
	struct json_iter it;

	if (json_get(schema, STR("properties"), &properties) && json_open(properties, &it) &&
	    json_next(&it, &key, &v)) {
		if (w->nest >= NEST_MAX) {
			buf_puts(w->out, "table");
			return;
		}
		(void)json_get(schema, STR("required"), &required);
		fields_put(w, properties, required, false);
	} else if (json_get(schema, STR("additionalProperties"), &more) &&
		   json_kind(more) == JSON_OBJECT && w->nest < NEST_MAX) {
		buf_puts(w->out, "table<string,");
		w->nest++;
		type_put(w, more);
		w->nest--;
		buf_putc(w->out, '>');
	} else {
		buf_puts(w->out, typed ? "table" : "any");
	}
}

static void
array_put(struct walk *w, struct str schema)
{
	struct buf item;
	struct buf *out = w->out;
	struct str items;

	if (!json_get(schema, STR("items"), &items) || w->nest >= NEST_MAX) {
		buf_puts(w->out, "any[]");
		return;
	}
	buf_init(&item, 0);
	w->out = &item;
	w->nest++;
	type_put(w, items);
	w->nest--;
	w->out = out;
	if (item.n > 0 && item.p[0] != '{' && str_has(buf_str(&item), '|'))
		buf_printf(out, "(" STR_FMT ")[]", STR_ARG(buf_str(&item)));
	else
		buf_printf(out, STR_FMT "[]", STR_ARG(buf_str(&item)));
	buf_fini(&item);
}

static void
named_type_put(struct walk *w, struct str schema, struct str type_raw)
{
	if (json_string_is(type_raw, STR("array")))
		array_put(w, schema);
	else if (json_string_is(type_raw, STR("object")))
		object_put(w, schema, true);
	else if (json_string_is(type_raw, STR("string")))
		buf_puts(w->out, "string");
	else if (json_string_is(type_raw, STR("integer")))
		buf_puts(w->out, "integer");
	else if (json_string_is(type_raw, STR("number")))
		buf_puts(w->out, "number");
	else if (json_string_is(type_raw, STR("boolean")))
		buf_puts(w->out, "boolean");
	else
		buf_puts(w->out, "any");
}

static void
type_list_put(struct walk *w, struct str schema, struct str list)
{
	struct json_iter it;
	struct str key, v;
	int n = 0;

	if (!json_open(list, &it))
		return;
	while (json_next(&it, &key, &v) && n < UNION_MAX) {
		if (json_string_is(v, STR("null")))
			continue;
		if (n++ > 0)
			buf_putc(w->out, '|');
		named_type_put(w, schema, v);
	}
	if (n == 0)
		buf_puts(w->out, "any");
}

/* Bounded by nest (NEST_MAX, kept by those who go down) and refs (REF_MAX). */
// NOLINTNEXTLINE(misc-no-recursion)
static void
type_put(struct walk *w, struct str schema)
{
	struct str v;
	bool many = false;

	if (json_kind(schema) != JSON_OBJECT || w->nest > NEST_MAX + 1) {
		buf_puts(w->out, "any");
	} else if (json_get(schema, STR("$ref"), &v) ||
		   (many = json_get(schema, STR("anyOf"), &v) ||
			   json_get(schema, STR("oneOf"), &v))) {
		struct str found = v;

		if (w->refs >= REF_MAX || (!many && !ref_find(w, v, &found))) {
			buf_puts(w->out, "any");
			return;
		}
		w->refs++;
		if (many)
			union_put(w, v);
		else
			type_put(w, found);
		w->refs--;
	} else if (json_get(schema, STR("enum"), &v)) {
		enum_put(w, v);
	} else if (json_get(schema, STR("const"), &v)) {
		line_put(w->out, v, 64);
	} else if (!json_get(schema, STR("type"), &v)) {
		object_put(w, schema, false);
	} else if (json_kind(v) == JSON_ARRAY) {
		type_list_put(w, schema, v);
	} else {
		named_type_put(w, schema, v);
	}
}

static void
return_put(struct buf *out, const struct tool *t)
{
	struct walk w = { .out = out, .root = t->output_schema };
	size_t at;

	if (t->output_schema.n == 0)
		return;
	buf_puts(out, " -> ");
	at = out->n;
	type_put(&w, t->output_schema);
	if (buf_ok(out) && out->n - at > RETURN_BYTES) {
		out->n = at;
		w.names_only = true;
		type_put(&w, t->output_schema);
	}
}

void
signature_put(struct buf *out, const struct tool *t, bool describe)
{
	struct walk w = { .out = out, .root = t->input_schema };
	struct str properties, required = STR_NONE;

	signature_put_path(out, t);
	if (json_get(t->input_schema, STR("properties"), &properties)) {
		(void)json_get(t->input_schema, STR("required"), &required);
		fields_put(&w, properties, required, true);
	} else {
		buf_puts(out, "{}");
	}
	return_put(out, t);
	if (describe)
		describe_put(out, t);
}

void
signature_put_full(struct buf *out, const struct tool *t)
{
	struct str properties, key, v, text, raw;
	struct json_iter it;
	struct arena a;

	signature_put(out, t, false);
	buf_putc(out, '\n');
	line_put(out, str_trim(t->description), 4096);
	if (!json_get(t->input_schema, STR("properties"), &properties) ||
	    !json_open(properties, &it))
		return;
	while (json_next(&it, &key, &v)) {
		if (!json_get(v, STR("description"), &raw))
			continue;
		arena_init(&a, raw.n + 4096);
		if (json_string(raw, &a, &text)) {
			buf_puts(out, "\n  ");
			line_put(out, (struct str){ key.p + 1, key.n - 2 }, 64);
			buf_puts(out, ": ");
			line_put(out, text, 500);
		}
		arena_free(&a);
	}
}
