/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature - a tool as one line of Lua, the form in which models see it.
 *
 *   sqlite.query{sql:string, values?:(string|number)[]} -> table[]  -- Runs one SQL statement
 *
 * LuaLS type syntax inside call syntax: required parameters first, `?` optional, `=default` when
 * it is a short scalar, enums as "a"|"b".  A definition costs a model some 300 tokens, this line
 * some 50.  What is too long loses its nested types first, then all but the first fields; a line
 * is never longer than SIGNATURE_BYTES_MAX.  Names and descriptions come from servers: they lose
 * what could break out of the line.
 */
#include "codemode/signature.h"

#include <string.h>

#include "base/json.h"
#include "codemode/result.h"
#include "codemode/type.h"

#define CALL_BYTES     1200 /* of a parameter list, before it loses its nested types */
#define DESCRIBE_BYTES 100
#define RETURN_BYTES   150
#define NAMES_BYTES    300
#define DOC_BYTES      4096
#define DOC_PARAMETER  500

void
signature_put_path(struct buf *out, const struct tool *t)
{
	buf_put(out, t->script_server);
	buf_putc(out, '.');
	buf_put(out, t->script_name);
}

/* ---- the description ---- */

bool
signature_deprecated(struct str d)
{
	for (size_t i = 0; i + 10 <= d.n; i++)
		if (str_ieq((struct str){ d.p + i, 10 }, STR("deprecated")))
			return true;
	return false;
}

static bool
is_abbreviation(struct str before)
{
	static const char words[][6] = { "e.g", "i.e", "etc", "vs", "cf", "approx" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_ends(before, (struct str){ words[i], strnlen(words[i], sizeof(words[i])) }))
			return true;
	return false;
}

/* Up to the end of the first sentence or paragraph, or all of it. */
static struct str
first_sentence(struct str d)
{
	for (size_t i = 0; i + 1 < d.n; i++) {
		struct str before = { d.p, i };
		char next = d.p[i + 1];

		if (d.p[i] == '\n' && (next == '\n' || next == '\r'))
			return before;
		if (d.p[i] == '.' && (next == ' ' || next == '\n' || next == '\r') &&
		    !is_abbreviation(before))
			return before;
	}
	if (d.n > 0 && d.p[d.n - 1] == '.')
		d.n--;
	return d;
}

/* The first sentence when it is short enough; a deprecation mark survives the cut. */
static void
describe_put(struct buf *out, const struct tool *t)
{
	struct str d = str_trim(t->description), first;

	while (d.n > 0 && (d.p[0] == '\n' || d.p[0] == '\r' || d.p[0] == ' ')) {
		d.p++;
		d.n--;
	}
	first = first_sentence(d);
	if (first.n == 0)
		return;
	buf_puts(out, "  -- ");
	type_put_line(out, first, DESCRIBE_BYTES);
	if (signature_deprecated(d) && !signature_deprecated(str_clip(first, DESCRIBE_BYTES)))
		buf_puts(out, " (deprecated)");
}

/* ---- the line ---- */

static void
parameters_put(struct buf *out, const struct tool *t)
{
	struct type_ask ask = { .schema = t->input_schema,
		.root = t->input_schema,
		.parameters = true,
		.bytes = CALL_BYTES };
	size_t at = out->n;

	type_put_parameters(out, &ask);
	while (buf_ok(out) && out->n - at > CALL_BYTES && ask.detail < TYPE_NAMES) {
		out->n = at;
		ask.detail++;
		type_put_parameters(out, &ask);
	}
	if (buf_ok(out) && out->n - at > SIGNATURE_BYTES_MAX / 2) {
		out->n = at;
		buf_puts(out, "{…}");
	}
}

/* The type, with "~" where it was learned. */
static void
return_put(struct buf *out, struct str schema, struct str root, bool is_learned)
{
	struct type_ask ask = {
		.schema = schema, .root = root, .learned = is_learned, .bytes = RETURN_BYTES
	};
	const char *mark = is_learned ? "~" : "";
	size_t at = out->n;

	buf_printf(out, " -> %s", mark);
	type_put(out, &ask);
	if (buf_ok(out) && out->n - at > RETURN_BYTES) {
		out->n = at;
		ask.detail = TYPE_NAMES;
		ask.bytes = NAMES_BYTES;
		buf_printf(out, " -> %s", mark);
		type_put(out, &ask);
	}
	if (buf_ok(out) && out->n - at > SIGNATURE_BYTES_MAX / 4) {
		out->n = at;
		buf_printf(out, " -> %stable", mark);
	}
}

void
signature_put_learned(struct buf *out, const struct tool *t, struct str learned, bool describe)
{
	struct str schema;

	signature_put_path(out, t);
	parameters_put(out, t);
	(void)result_unwraps(t, &schema);
	if (schema.n > 0)
		return_put(out, schema, t->output_schema, false);
	else if (learned.n > 0 && !str_eq(learned, STR("{}")))
		return_put(out, learned, learned, true);
	if (describe)
		describe_put(out, t);
}

void
signature_put(struct buf *out, const struct tool *t, bool describe)
{
	signature_put_learned(out, t, STR(""), describe);
}

/* ---- everything there is to say ---- */

/* Paragraphs stay; every further line is indented, so that none can be taken for one of ours. */
static void
document_put(struct buf *out, struct str text)
{
	struct str rest = str_clip(text, DOC_BYTES);

	while (rest.p != NULL) {
		struct str line = str_cut(&rest, '\n');

		buf_puts(out, "\n  ");
		type_put_line(out, line, line.n);
	}
	if (text.n > DOC_BYTES)
		buf_puts(out, "…");
}

static void
parameter_put(struct buf *out, struct str key, struct str schema)
{
	struct str raw, text;
	struct arena a;

	if (!json_get(schema, STR("description"), &raw))
		return;
	arena_init(&a, raw.n + 4096);
	if (json_string(raw, &a, &text)) {
		buf_puts(out, "\n  ");
		type_put_key(out, key);
		buf_puts(out, ": ");
		type_put_line(out, text, DOC_PARAMETER);
	}
	arena_free(&a);
}

void
signature_put_full(struct buf *out, const struct tool *t, struct str learned)
{
	struct str properties, key, v;
	struct json_iter it;

	signature_put_learned(out, t, learned, false);
	if (str_trim(t->description).n > 0)
		document_put(out, str_trim(t->description));
	if (json_get(t->input_schema, STR("properties"), &properties) &&
	    json_open(properties, &it) && it.object)
		while (json_next(&it, &key, &v))
			parameter_put(out, key, v);
}
