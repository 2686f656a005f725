/* SPDX-License-Identifier: Apache-2.0 */
/*
 * literal - what a table in the source will certainly be.
 *
 *	{path = "a", head = n, deep = true}   {"path":"a","head":ANY,"deep":true}
 *
 * Values are told as far as the first level of a schema asks: a string without escapes is itself,
 * one with them is some string, a number is whole or not, a table is a list or an object.  Whatever
 * is computed is TOOL_ARG_ANY, which fits everything.
 */
#include "codemode/literal.h"

#include "mcp/mcp.h"

bool
literal_string(struct str raw, struct str *out)
{
	if (raw.n < 2 || (raw.p[0] != '"' && raw.p[0] != '\'') || str_has(raw, '\\'))
		return false;
	*out = (struct str){ raw.p + 1, raw.n - 2 };
	return true;
}

/* Its kind is all that a schema's first level asks of a number: whole, or not, or no telling. */
static const char *
number_kind(struct str raw)
{
	bool fraction = false, dot = false;

	for (size_t i = 0; i < raw.n; i++) {
		if (raw.p[i] == '.')
			dot = true;
		else if (raw.p[i] < '0' || raw.p[i] > '9')
			return TOOL_ARG_ANY; /* hexadecimal, an exponent */
		else
			fraction |= dot && raw.p[i] != '0';
	}
	return fraction ? "1.5" : "1";
}

/* What a table literal certainly is: a list, an object, or no telling. */
static const char *
table_kind(const struct outline *o, size_t open)
{
	size_t i = open + 1;

	if (lua_kind_at(o->s, i) == TOKEN_NAME && lua_word_at(o->s, i + 1) == W_ASSIGN)
		return "{\"x\":0}";
	if ((lua_kind_at(o->s, i) == TOKEN_STRING || lua_kind_at(o->s, i) == TOKEN_NUMBER) &&
	    (lua_word_at(o->s, i + 1) == W_COMMA || lua_word_at(o->s, i + 1) == W_RBRACE))
		return "[0]";
	return TOOL_ARG_ANY;
}

static void
put_value(const struct outline *o, struct buf *out, size_t from, size_t to)
{
	bool number = lua_kind_at(o->s, to - 1) == TOKEN_NUMBER &&
		      (to == from + 1 || (to == from + 2 && lua_word_at(o->s, from) == W_MINUS));
	struct str text;

	if (number) {
		buf_puts(out, number_kind(lua_text_at(o->s, to - 1)));
	} else if (lua_word_at(o->s, from) == W_LBRACE && o->pair[from] == to - 1) {
		buf_puts(out, table_kind(o, from));
	} else if (to == from + 1 && lua_kind_at(o->s, from) == TOKEN_STRING) {
		if (literal_string(lua_text_at(o->s, from), &text))
			buf_json_str(out, text);
		else
			buf_puts(out, "\"\\\\\""); /* some string: every enum takes it */
	} else if (to == from + 1 &&
		   (lua_word_at(o->s, from) == W_TRUE || lua_word_at(o->s, from) == W_FALSE)) {
		buf_put(out, lua_text_at(o->s, from));
	} else {
		buf_puts(out, TOOL_ARG_ANY);
	}
}

/* The end of the field that begins at i: a comma, a semicolon or the table's end; NOWHERE. */
static uint32_t
field_end(const struct outline *o, size_t i, uint32_t close)
{
	while (
	    i < close && lua_word_at(o->s, i) != W_COMMA && lua_word_at(o->s, i) != W_SEMICOLON) {
		uint32_t over = o->pair[i];

		if (over != NOWHERE && over > i)
			i = over;
		i++;
	}
	return i <= close ? (uint32_t)i : NOWHERE;
}

static void
field(const struct outline *o, struct literal *a, size_t from, size_t to)
{
	struct str key;

	if (lua_kind_at(o->s, from) == TOKEN_NAME && lua_word_at(o->s, from + 1) == W_ASSIGN) {
		key = lua_text_at(o->s, from);
		from += 2;
	} else if (lua_word_at(o->s, from) == W_LBRACKET) {
		if (lua_word_at(o->s, from + 2) != W_RBRACKET ||
		    lua_word_at(o->s, from + 3) != W_ASSIGN ||
		    !literal_string(lua_text_at(o->s, from + 1), &key)) {
			a->open = true;
			return;
		}
		from += 4;
	} else {
		bool literal = to == from + 1 && (lua_kind_at(o->s, from) == TOKEN_STRING ||
						     lua_kind_at(o->s, from) == TOKEN_NUMBER);

		a->positional++;
		a->open |= !literal;
		return;
	}
	if (to == from + 1 && lua_word_at(o->s, from) == W_NIL)
		return;
	if (a->named++ > 0)
		buf_putc(&a->json, ',');
	buf_json_str(&a->json, key);
	buf_putc(&a->json, ':');
	put_value(o, &a->json, from, to);
}

void
literal_read(const struct outline *o, size_t open, struct literal *a)
{
	uint32_t close = o->pair[open], end;

	*a = (struct literal){ .open = close == NOWHERE };
	buf_init(&a->json, 0);
	buf_putc(&a->json, '{');
	for (size_t i = open + 1; !a->open && i < close; i = end + 1) {
		end = field_end(o, i, close);
		a->open = end == NOWHERE || end == i;
		if (!a->open)
			field(o, a, i, end);
	}
	buf_putc(&a->json, '}');
}
