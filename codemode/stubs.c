/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stubs - GET /codemode/stubs.lua: the key's tools as the Lua language server (LuaLS) reads them.
 *
 *   --- Reads one note.
 *   ---@param args {id:integer, deep?:boolean}
 *   ---@return {id:integer, title:string}
 *   function notes.get_note(args) end
 *
 * The same types as in signatures, without their cuts and defaults: a person's editor has room, and
 * no default of theirs is a type.  What comes from servers stands in comments of one line each, and
 * cannot be taken for an annotation; the file is Lua whatever they say.  Nothing in it changes by
 * itself: the same catalogue, and the same learned shapes, are the same bytes.
 */
#include "codemode/stubs.h"

#include "base/json.h"
#include "codemode/result.h"
#include "codemode/shape.h"
#include "codemode/signature.h"
#include "codemode/tools.h"
#include "codemode/type.h"

#define TYPE_BYTES ((size_t)16 << 10) /* one that is longer is `table` */
#define DOC_BYTES  8192
#define DEPTH_MAX  64

static const struct str more = STR("…");

/* A type of a signature as LuaLS has it: what "…" stands for is said. */
static void
luals_put(struct buf *out, struct str s)
{
	char open[DEPTH_MAX] = { 0 };
	bool quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!quoted && str_starts(STR_SPAN(s.p + i, s.p + s.n), more)) {
			buf_puts(out, i > 0 && s.p[i - 1] == '|'            ? "string"
				      : depth > 0 && open[depth - 1] == '{' ? "[string]:any"
									    : "any");
			i += more.n - 1;
			continue;
		}
		if (c == '\\' && quoted && i + 1 < s.n)
			buf_putc(out, s.p[i++]);
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '[' || c == '(' || c == '<')) {
			if (depth < DEPTH_MAX)
				open[depth] = c;
			depth = depth < DEPTH_MAX ? depth + 1 : depth;
		} else if (!quoted && depth > 0 && (c == '}' || c == ']' || c == ')' || c == '>'))
			depth--;
		buf_putc(out, s.p[i]);
	}
}

static void
type_line(struct buf *out, const char *what, const struct type_ask *a, bool parameters)
{
	struct buf text;

	buf_init(&text, TYPE_BYTES);
	if (parameters)
		type_put_parameters(&text, a);
	else
		type_put(&text, a);
	buf_puts(out, what);
	if (buf_ok(&text))
		luals_put(out, buf_str(&text));
	else
		buf_puts(out, "table");
	buf_fini(&text);
}

static void
document_put(struct buf *out, struct str text)
{
	struct str rest = str_clip(str_trim(text), DOC_BYTES);

	while (rest.p != NULL && rest.n > 0) {
		struct str line = str_cut(&rest, '\n');
		size_t at;

		buf_puts(out, "--- ");
		at = out->n;
		type_put_line(out, line, line.n);
		/* `--- @return` would be one. */
		if (buf_ok(out) && out->n > at && out->p[at] == '@') {
			out->n = at;
			buf_putc(out, '\\');
			type_put_line(out, line, line.n);
		}
		buf_putc(out, '\n');
	}
}

static bool
needs_arguments(const struct tool *t)
{
	struct str required, key, v;
	struct json_iter it;

	return json_get(t->input_schema, STR("required"), &required) && json_open(required, &it) &&
	       json_next(&it, &key, &v);
}

void
stub_put(struct buf *out, const struct tool *t, struct str learned)
{
	struct type_ask in = { .schema = t->input_schema,
		.root = t->input_schema,
		.parameters = true,
		.bare = true,
		.bytes = TYPE_BYTES };
	struct type_ask back = { .root = t->output_schema, .bytes = TYPE_BYTES };

	document_put(out, t->description);
	if (signature_deprecated(t->description))
		buf_puts(out, "---@deprecated\n");
	type_line(out, needs_arguments(t) ? "---@param args " : "---@param args? ", &in, true);
	(void)result_unwraps(t, &back.schema);
	if (back.schema.n == 0 && learned.n > 0 && !str_eq(learned, STR("{}"))) {
		back.schema = back.root = learned;
		back.learned = true;
	}
	if (back.schema.n > 0)
		type_line(out, "\n---@return ", &back, false);
	if (back.learned)
		buf_puts(out, " # as scripts have seen it");
	buf_puts(out, "\nfunction ");
	signature_put_path(out, t);
	buf_puts(out, "(args) end\n\n");
}

void
codemode_stubs(struct codemode *cm, struct key *k, struct buf *out)
{
	struct tool_list l = tool_list_of(cm, k, NULL);

	buf_puts(out, stubs_library);
	for (size_t i = 0; i < l.n; i++) {
		if (i == 0 || !str_eq(l.t[i]->script_server, l.t[i - 1]->script_server)) {
			buf_puts(out, "---@class server.");
			buf_put(out, l.t[i]->script_server);
			buf_putc(out, '\n');
			buf_put(out, l.t[i]->script_server);
			buf_puts(out, " = {}\n\n");
		}
		stub_put(out, l.t[i], shape_find(cm, k, l.t[i]));
	}
	tool_list_fini(&l);
}
