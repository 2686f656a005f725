/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arguments - what a script passed, as the tool's server is to get it; the contract is in
 * arguments.h.
 *
 * The arguments are walked together with the schema: at each value the set of kinds is known that
 * would fit there.  Only a certain answer changes anything: a schema that allows both, or says
 * nothing, or that we do not follow, leaves the bytes alone.  This runs before the arguments are
 * checked and before the gate, so both judge what is sent.
 *
 * Schemas and arguments are hostile: references are followed REF_MAX times, alternatives NEST_MAX
 * deep, and once READ_MAX bytes of schema have been read the rest of the arguments stays as it is.
 * The arguments were checked, so their depth is at most JSON_DEPTH_MAX.
 */
#include "codemode/arguments.h"

#include "base/json.h"

#define REF_MAX    4
#define NEST_MAX   3
#define READ_MAX   ((size_t)8 << 20) /* bytes of schema, for one call */
#define DIGITS_MAX 64

/* Kinds of values, as a set. */
enum {
	FITS_OBJECT = 1,
	FITS_ARRAY = 2,
	FITS_STRING = 4,
	FITS_NUMBER = 8,
	FITS_OTHER = 16,
	FITS_ANY = 31,
};

struct walk {
	struct str root;       /* for $ref */
	size_t read;           /* bytes of schema, looked through */
	struct blobs *blobs;   /* NULL: no handles */
	struct buf *out, *why; /* why.n > 0: it cannot be sent */
	const char *copied;    /* of the arguments, up to here */
};

/* "#/a/b" inside the root document; anything else is not followed. */
static bool
ref_find(struct walk *w, struct str ref_raw, struct str *found)
{
	struct str path, at = w->root;

	if (ref_raw.n < 5 || ref_raw.p[1] != '#' || ref_raw.p[2] != '/')
		return false;
	path = (struct str){ ref_raw.p + 3, ref_raw.n - 4 };
	while (path.p != NULL) {
		w->read += at.n;
		if (w->read > READ_MAX || !json_get(at, str_cut(&path, '/'), &at))
			return false;
	}
	*found = at;
	return true;
}

/* The schema behind its references; STR_NONE: it says nothing that we know. */
static struct str
resolved(struct walk *w, struct str schema)
{
	struct str ref;

	for (int i = 0; i < REF_MAX; i++) {
		w->read += schema.n;
		if (w->read > READ_MAX || json_kind(schema) != JSON_OBJECT)
			return STR_NONE;
		if (!json_get(schema, STR("$ref"), &ref))
			return schema;
		if (!ref_find(w, ref, &schema))
			return STR_NONE;
	}
	return STR_NONE;
}

static unsigned
fits_type(struct str type_raw)
{
	static const struct {
		const char *name;
		unsigned fits;
	} types[] = { { "object", FITS_OBJECT }, { "array", FITS_ARRAY }, { "string", FITS_STRING },
		{ "integer", FITS_NUMBER }, { "number", FITS_NUMBER }, { "boolean", FITS_OTHER },
		{ "null", FITS_OTHER } };

	for (size_t i = 0; i < COUNT(types); i++)
		if (json_string_is(type_raw, str_of(types[i].name)))
			return types[i].fits;
	return FITS_ANY;
}

static unsigned
fits_types(struct str types)
{
	struct json_iter it;
	struct str key, v;
	unsigned fits = 0;

	if (json_kind(types) != JSON_ARRAY)
		return fits_type(types);
	if (json_open(types, &it))
		while (json_next(&it, &key, &v))
			fits |= fits_type(v);
	return fits;
}

static const char *const choices[] = { "anyOf", "oneOf", "allOf" };

/* What may stand where this schema does.
 * NOLINTNEXTLINE(misc-no-recursion): NEST_MAX */
static unsigned
fits(struct walk *w, struct str schema, int nest)
{
	unsigned all = FITS_ANY;
	struct str list, v;

	schema = resolved(w, schema);
	if (schema.p == NULL || nest > NEST_MAX)
		return FITS_ANY;
	if (json_get(schema, STR("type"), &v))
		all = fits_types(v);
	for (size_t i = 0; i < COUNT(choices); i++) {
		struct json_iter it;
		struct str key;
		unsigned some = i == 2 ? FITS_ANY : 0;

		if (!json_get(schema, str_of(choices[i]), &list) || json_kind(list) != JSON_ARRAY ||
		    !json_open(list, &it))
			continue;
		while (json_next(&it, &key, &v))
			some = i == 2 ? some & fits(w, v, nest + 1) : some | fits(w, v, nest + 1);
		all &= some;
	}
	return all != 0 ? all : FITS_ANY; /* what nothing fits is the server's to say */
}

/* The schema of an object's member, or (key.n == 0) of an array's items; STR_NONE: unknown.
 * NOLINTNEXTLINE(misc-no-recursion): NEST_MAX */
static struct str
inside(struct walk *w, struct str schema, struct str key_raw, int nest)
{
	struct str name = key_raw.n >= 2 ? (struct str){ key_raw.p + 1, key_raw.n - 2 } : STR("");
	struct str v, list, found;

	schema = resolved(w, schema);
	if (schema.p == NULL || nest > NEST_MAX || str_has(name, '\\'))
		return STR_NONE;
	if (key_raw.n == 0) {
		if (json_get(schema, STR("items"), &v))
			return v;
	} else if ((json_get(schema, STR("properties"), &v) && json_get(v, name, &found)) ||
		   json_get(schema, STR("additionalProperties"), &found)) {
		return found;
	}
	for (size_t i = 0; i < COUNT(choices); i++) {
		struct json_iter it;
		struct str key;

		if (!json_get(schema, str_of(choices[i]), &list) || !json_open(list, &it))
			continue;
		while (json_next(&it, &key, &v)) {
			found = inside(w, v, key_raw, nest + 1);
			if (found.p != NULL)
				return found;
		}
	}
	return STR_NONE;
}

static void
replace(struct walk *w, struct str at, struct str with)
{
	buf_put(w->out, STR_SPAN(w->copied, at.p));
	buf_put(w->out, with);
	w->copied = at.p + at.n;
}

/* A string of digits, as patterns give them and as the worker reads integers beyond int64: what is
 * inside is a number of JSON as it stands (no zeros before it, no spaces). */
static bool
is_number_text(struct str raw)
{
	struct str s = { raw.p + 1, raw.n - 2 };
	struct err e;

	return s.n > 0 && s.n <= DIGITS_MAX && json_kind(s) == JSON_NUMBER && s.p[s.n - 1] >= '0' &&
	       json_check(s, false, &e);
}

static unsigned
fits_kind(enum json_kind k)
{
	return k == JSON_OBJECT   ? FITS_OBJECT
	       : k == JSON_ARRAY  ? FITS_ARRAY
	       : k == JSON_STRING ? FITS_STRING
				  : FITS_OTHER;
}

/* A handle: what it stands for, in the form that fits there. */
static void
replace_handle(struct walk *w, struct str schema, struct str raw)
{
	struct blob *b = blob_find(w->blobs, raw, w->why);
	unsigned may, is;

	if (b == NULL)
		return;
	may = fits(w, schema, 0);
	is = fits_kind(json_kind(b->value));
	replace(w, raw, STR(""));
	if (is == FITS_STRING || (may & is) != 0 || (may & FITS_STRING) == 0)
		buf_put(w->out, b->value);
	else
		buf_json_str(w->out, b->value);
}

static void
string_fit(struct walk *w, struct str schema, struct str raw)
{
	switch (w->blobs != NULL ? blob_string(raw) : BLOB_NO) {
	case BLOB_HANDLE:
		replace_handle(w, schema, raw);
		break;
	case BLOB_ESCAPED:
		replace(w, (struct str){ raw.p, BLOB_ESCAPE_BYTES }, STR("\""));
		break;
	case BLOB_NO:
		if (is_number_text(raw) &&
		    (fits(w, schema, 0) & (FITS_STRING | FITS_NUMBER)) == FITS_NUMBER)
			replace(w, raw, (struct str){ raw.p + 1, raw.n - 2 });
		break;
	}
}

/* To Lua 12 and "12" are nearly one, to a schema they are not. */
static void
number_fit(struct walk *w, struct str schema, struct str raw)
{
	if ((fits(w, schema, 0) & (FITS_STRING | FITS_NUMBER)) != FITS_STRING)
		return;
	replace(w, (struct str){ raw.p, 0 }, STR("\""));
	replace(w, (struct str){ raw.p + raw.n, 0 }, STR("\""));
}

static void
empty_fit(struct walk *w, struct str schema, struct str v)
{
	unsigned may = fits(w, schema, 0) & (FITS_OBJECT | FITS_ARRAY);

	if (json_kind(v) == JSON_OBJECT && may == FITS_ARRAY)
		replace(w, v, STR("[]"));
	else if (json_kind(v) == JSON_ARRAY && may == FITS_OBJECT)
		replace(w, v, STR("{}"));
}

static void walk(struct walk *w, struct str schema, struct str v);

/* Returns how many members or items there are.
 * NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
static size_t
walk_inside(struct walk *w, struct str schema, struct str v)
{
	struct json_iter it;
	struct str key, one, items = STR_NONE;
	size_t n = 0;

	if (!json_open(v, &it))
		return 0;
	if (!it.object)
		items = inside(w, schema, STR(""), 0);
	for (; w->why->n == 0 && json_next(&it, &key, &one); n++)
		walk(w, it.object ? inside(w, schema, key, 0) : items, one);
	return n;
}

/* NOLINTNEXTLINE(misc-no-recursion): JSON_DEPTH_MAX */
static void
walk(struct walk *w, struct str schema, struct str v)
{
	enum json_kind k = json_kind(v);

	if (k == JSON_STRING)
		string_fit(w, schema, v);
	else if (k == JSON_NUMBER)
		number_fit(w, schema, v);
	else if ((k == JSON_OBJECT || k == JSON_ARRAY) && walk_inside(w, schema, v) == 0)
		empty_fit(w, schema, v);
}

struct str
arguments_fit(
    const struct tool *t, struct blobs *blobs, struct str args, struct buf *out, struct buf *why)
{
	struct walk w = {
		.root = t->input_schema, .blobs = blobs, .out = out, .why = why, .copied = args.p
	};

	(void)walk_inside(&w, t->input_schema, args);
	if (why->n > 0)
		return STR_NONE;
	if (w.copied == args.p)
		return args;
	buf_put(out, STR_SPAN(w.copied, args.p + args.n));
	if (buf_ok(out))
		return buf_str(out);
	buf_printf(why, "the arguments are larger than %zu bytes", ARGUMENTS_BYTES_MAX);
	return STR_NONE;
}
