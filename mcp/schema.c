/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema - are these arguments worth sending?
 *
 * A call that misses a required argument or misspells one is answered here, with the nearest name,
 * instead of after a round trip with whatever the server says.  Only what is certain is refused:
 * required names, names that additionalProperties:false rules out, primitive types, enum and const
 * of the top level.  Composition ($ref, anyOf, oneOf, allOf, not) is left to the server, so this
 * file can never refuse what the server would have taken.  So are arguments of which there are so
 * many that the look would hold up everybody else.
 *
 * It is a service to the caller; permissions are decided in policies/, on the same bytes.
 */
#include "base/json.h"
#include "mcp/mcp.h"

#define NAMES_MAX  64
#define NAME_BYTES 64
#define READ_MAX   ((size_t)32 << 20) /* bytes of a schema, for all arguments of a call */

static bool
composed(struct str schema)
{
	static const char words[][6] = { "$ref", "anyOf", "oneOf", "allOf", "not" };
	struct str v;

	for (size_t i = 0; i < COUNT(words); i++)
		if (json_get(schema, str_of(words[i]), &v))
			return true;
	return false;
}

static struct str
unquoted(struct str key_raw)
{
	struct str s = { key_raw.p + 1, key_raw.n - 2 };

	if (s.n > NAME_BYTES)
		s.n = NAME_BYTES;
	return s;
}

/* The names of an object's members, at most NAMES_MAX. */
static size_t
names_of(struct str object, struct str names[NAMES_MAX])
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (!json_open(object, &it))
		return 0;
	while (n < NAMES_MAX && json_next(&it, &key, &v))
		names[n++] = unquoted(key);
	return n;
}

/* "missing `sql` (got query, limit)" */
static bool
missing(struct str name_raw, struct str args, struct buf *why)
{
	struct str got[NAMES_MAX];
	size_t n = names_of(args, got);

	buf_printf(why, "missing `" STR_FMT "`", STR_ARG(unquoted(name_raw)));
	for (size_t i = 0; i < n && i < 8; i++)
		buf_printf(why, "%s" STR_FMT, i == 0 ? " (got " : ", ", STR_ARG(got[i]));
	buf_puts(why, n > 0 ? ")" : " (got no arguments)");
	return false;
}

static bool
required_given(struct str schema, struct str args, struct buf *why)
{
	struct str required, key, name;
	struct json_iter it;

	if (!json_get(schema, STR("required"), &required) || json_kind(required) != JSON_ARRAY ||
	    !json_open(required, &it))
		return true;
	while (json_next(&it, &key, &name)) {
		struct json_iter have;
		struct str k, v;
		bool found = false;

		if (json_kind(name) != JSON_STRING || !json_open(args, &have))
			continue;
		while (!found && json_next(&have, &k, &v))
			found = str_eq(k, name);
		if (!found)
			return missing(name, args, why);
	}
	return true;
}

/* A whole number in JSON Schema's sense: 3, 3.0 and 3e2 are; what cannot be told passes. */
static bool
maybe_integer(struct str number)
{
	const char *dot = NULL;

	for (size_t i = 0; i < number.n; i++) {
		if (number.p[i] == 'e' || number.p[i] == 'E')
			return true;
		if (number.p[i] == '.')
			dot = number.p + i;
	}
	for (; dot != NULL && ++dot < number.p + number.n;)
		if (*dot != '0')
			return false;
	return true;
}

static bool
type_fits(struct str type_raw, struct str v)
{
	enum json_kind k = json_kind(v);

	if (json_string_is(type_raw, STR("string")))
		return k == JSON_STRING;
	if (json_string_is(type_raw, STR("number")))
		return k == JSON_NUMBER;
	if (json_string_is(type_raw, STR("integer")))
		return k == JSON_NUMBER && maybe_integer(v);
	if (json_string_is(type_raw, STR("boolean")))
		return k == JSON_TRUE || k == JSON_FALSE;
	if (json_string_is(type_raw, STR("array")))
		return k == JSON_ARRAY;
	if (json_string_is(type_raw, STR("object")))
		return k == JSON_OBJECT;
	if (json_string_is(type_raw, STR("null")))
		return k == JSON_NULL;
	return true; /* a type we do not know is the server's affair */
}

static bool
any_type_fits(struct str types, struct str v)
{
	struct json_iter it;
	struct str key, type;

	if (json_kind(types) != JSON_ARRAY)
		return json_kind(types) != JSON_STRING || type_fits(types, v);
	if (!json_open(types, &it))
		return true;
	while (json_next(&it, &key, &type))
		if (type_fits(type, v))
			return true;
	return false;
}

/* Strings without escapes and all other scalars compare byte by byte; the rest passes. */
static bool
in_enum(struct str list, struct str v)
{
	struct json_iter it;
	struct str key, one;
	enum json_kind k = json_kind(v);

	if (k == JSON_ARRAY || k == JSON_OBJECT || k == JSON_NUMBER || str_has(v, '\\') ||
	    json_kind(list) != JSON_ARRAY || !json_open(list, &it))
		return true;
	while (json_next(&it, &key, &one))
		if (str_eq(one, v) || str_has(one, '\\'))
			return true;
	return false;
}

static const char *
kind_word(struct str v)
{
	static const char *const words[] = { [JSON_BAD] = "something else",
		[JSON_NULL] = "null",
		[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",
		[JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string",
		[JSON_ARRAY] = "a list",
		[JSON_OBJECT] = "an object" };

	return words[json_kind(v)];
}

static bool
value_fits(struct str name, struct str schema, struct str v, struct buf *why)
{
	struct str types, list;

	if (json_kind(schema) != JSON_OBJECT || composed(schema) || str_eq(v, STR(TOOL_ARG_ANY)))
		return true;
	if (json_get(schema, STR("type"), &types) && !any_type_fits(types, v)) {
		if (types.n > 60)
			types.n = 60;
		buf_printf(why, "`" STR_FMT "` must be of type " STR_FMT " (got %s)",
		    STR_ARG(unquoted(name)), STR_ARG(types), kind_word(v));
		return false;
	}
	if (json_get(schema, STR("enum"), &list) && !in_enum(list, v)) {
		buf_printf(why, "`" STR_FMT "` must be one of " STR_FMT "%s",
		    STR_ARG(unquoted(name)), (int)(list.n > 200 ? 200 : list.n), list.p,
		    list.n > 200 ? "…" : "");
		return false;
	}
	return true;
}

static bool
unknown(struct str name_raw, struct str properties, struct buf *why)
{
	struct str names[NAMES_MAX], near;
	size_t n = names_of(properties, names);

	near = str_nearest(unquoted(name_raw), names, n);
	buf_printf(why, "unknown argument `" STR_FMT "`", STR_ARG(unquoted(name_raw)));
	if (near.n > 0)
		buf_printf(why, " (did you mean `" STR_FMT "`?)", STR_ARG(near));
	return false;
}

/* Each argument is looked for in the schema, and each required name in the arguments. */
static bool
is_affordable(struct str schema, struct str args)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (json_open(args, &it))
		while (json_next(&it, &key, &v))
			n++;
	return n <= READ_MAX / (schema.n + 1);
}

bool
tool_check_args(const struct tool *t, struct str args, struct buf *why)
{
	const struct str schema = t->input_schema;
	struct str properties = STR("{}"), more, key, v;
	struct json_iter it;
	bool closed;

	if (json_kind(schema) != JSON_OBJECT || composed(schema) || !json_open(args, &it))
		return true;
	if (!is_affordable(schema, args))
		return true;
	if (!required_given(schema, args, why))
		return false;
	(void)json_get(schema, STR("properties"), &properties);
	closed = json_get(schema, STR("additionalProperties"), &more) &&
		 json_kind(more) == JSON_FALSE && !json_get(schema, STR("patternProperties"), &v);
	while (json_next(&it, &key, &v)) {
		struct json_iter known;
		struct str k, s, found = STR_NONE;

		if (!json_open(properties, &known))
			return true;
		while (found.p == NULL && json_next(&known, &k, &s))
			if (str_eq(k, key))
				found = s;
		if (found.p == NULL && closed && !str_has(key, '\\'))
			return unknown(key, properties, why);
		if (found.p != NULL && !value_fits(key, found, v, why))
			return false;
	}
	return true;
}
