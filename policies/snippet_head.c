/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet_head - what a snippet says of itself, in the comment that its file begins with.
 *
 *   -- Counts a team's open issues.            what it does: one line or more
 *   ---@param team string  the team's name
 *   ---@param since? string                    `?`: it may be left out
 *   ---@return {open:integer}
 *
 * The head ends with the first line that is no comment.  What it says becomes a line in the
 * definitions that models read, so it is plain text: no control character, no long comment,
 * everything of a bounded length.  Each mistake is told where it stands.
 */
#include <string.h>

#include "policies/snippet.h"

#define TEXT_BYTES       1000 /* of the description */
#define PARAM_TEXT_BYTES 200
#define PARAM_NAME_MAX   64
#define LINE_BYTES_MAX   500

struct head {
	struct problems *p;
	const char *shown;
	struct arena *a;
	struct snippet_param params[SNIPPET_PARAMS_MAX];
	size_t params_n;
	struct buf text;
	struct str line; /* whole, and its number */
	int line_no;
	struct str returns, output_schema;
	bool tags;
};

static bool
wrong(struct head *h, const char *at, const char *why)
{
	problem_at(h->p, h->shown, h->line_no, (int)(at - h->line.p) + 1, "%s", why);
	return false;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Cuts off what ends with a space; spaces before and behind it are gone. */
static struct str
word_cut(struct str *rest)
{
	struct str w;

	*rest = str_trim(*rest);
	w = (struct str){ rest->p, 0 };
	while (w.n < rest->n && w.p[w.n] != ' ' && w.p[w.n] != '\t')
		w.n++;
	*rest = str_trim(STR_SPAN(w.p + w.n, rest->p + rest->n));
	return w;
}

static bool
name_read(struct head *h, struct str w, struct snippet_param *out)
{
	out->name = w;
	if (w.n > 0 && w.p[w.n - 1] == '?') {
		out->optional = true;
		out->name.n--;
	}
	if (out->name.n == 0 || !is_letter(out->name.p[0]))
		return wrong(h, w.p, "write ---@param NAME TYPE text (NAME? may be left out)");
	for (size_t i = 0; i < out->name.n; i++)
		if (!is_letter(out->name.p[i]) && (out->name.p[i] < '0' || out->name.p[i] > '9'))
			return wrong(h, w.p,
			    "a parameter's name is letters, digits and _ (write ---@param NAME "
			    "TYPE "
			    "text)");
	if (out->name.n > PARAM_NAME_MAX)
		return wrong(h, w.p, "a parameter's name has 64 letters at most");
	if (lua_keyword(out->name))
		return wrong(h, w.p, "a keyword of Lua is no name of a parameter (rename it)");
	for (size_t i = 0; i < h->params_n; i++)
		if (str_eq(h->params[i].name, out->name))
			return wrong(h, w.p, "the parameter is there twice (leave one out)");
	return true;
}

static bool
type_read(struct head *h, struct str *rest, struct snippet_type *out)
{
	const char *why;

	if (rest->n == 0)
		return wrong(h, rest->p, "the type is missing (write ---@param NAME TYPE text)");
	if (!snippet_type_read(h->a, rest, out, &why))
		return wrong(h, rest->p, why);
	if (rest->n > 0 && rest->p[0] != ' ' && rest->p[0] != '\t')
		return wrong(h, rest->p, "a type ends with a space");
	return true;
}

static bool
param_read(struct head *h, struct str rest)
{
	struct snippet_param p = { .text = STR("") };
	struct snippet_type type;
	struct str name;

	if (h->params_n == SNIPPET_PARAMS_MAX)
		return wrong(h, h->line.p, "a snippet has 32 parameters at most");
	name = word_cut(&rest);
	if (!name_read(h, name, &p) || !type_read(h, &rest, &type))
		return false;
	rest = str_trim(rest);
	if (str_starts(rest, STR("--"))) /* as people write it */
		rest = str_trim(STR_SPAN(rest.p + 2, rest.p + rest.n));
	if (rest.n > PARAM_TEXT_BYTES)
		return wrong(h, rest.p, "what is said of a parameter has 200 bytes at most");
	p.optional |= type.nil;
	p.name = arena_str(h->a, p.name);
	p.text = arena_str(h->a, rest);
	p.type = type.text;
	p.schema = type.schema;
	p.kinds = type.kinds;
	p.choices = type.choices;
	p.choices_n = type.choices_n;
	h->params[h->params_n++] = p;
	return true;
}

static bool
return_read(struct head *h, struct str rest)
{
	struct snippet_type type;

	rest = str_trim(rest);
	if (h->returns.p != NULL)
		return wrong(h, h->line.p, "a snippet has one ---@return (return one table)");
	if (!type_read(h, &rest, &type))
		return false;
	h->returns = type.text;
	h->output_schema = type.schema;
	return true;
}

static bool
tag_read(struct head *h, struct str line)
{
	struct str rest = { line.p + 4, line.n - 4 }, tag = { rest.p, 0 };

	h->tags = true;
	while (tag.n < rest.n && is_letter(tag.p[tag.n]))
		tag.n++;
	rest = STR_SPAN(tag.p + tag.n, rest.p + rest.n);
	if (str_eq(tag, STR("param")))
		return param_read(h, rest);
	if (str_eq(tag, STR("return")))
		return return_read(h, rest);
	return wrong(h, tag.p, "a head has ---@param and ---@return (say all else in plain lines)");
}

static bool
text_read(struct head *h, struct str line)
{
	while (line.n > 0 && line.p[0] == '-')
		line = (struct str){ line.p + 1, line.n - 1 };
	line = str_trim(line);
	if (h->tags || (h->text.n == 0 && (line.n == 0 || str_starts(line, STR("SPDX-")))))
		return true; /* a note to who reads the file */
	if (h->text.n > 0)
		buf_putc(&h->text, '\n');
	buf_put(&h->text, line);
	if (buf_ok(&h->text))
		return true;
	return wrong(h, line.p, "what a snippet does is said in 1,000 bytes at most");
}

static bool
plain(struct head *h)
{
	if (h->line.n > LINE_BYTES_MAX)
		return wrong(h, h->line.p, "a line of the head has 500 bytes at most");
	for (size_t i = 0; i < h->line.n; i++) {
		unsigned char c = (unsigned char)h->line.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return wrong(
			    h, h->line.p + i, "a control character in the head (leave it out)");
	}
	if (!str_utf8(h->line))
		return wrong(h, h->line.p, "the head is no UTF-8");
	if (str_starts(h->line, STR("--[[")) || str_starts(h->line, STR("--[=")))
		return wrong(h, h->line.p, "a head has no long comment (begin each line with --)");
	return true;
}

/* Every mistake of the head is told. */
static bool
lines_read(struct head *h, struct str source)
{
	bool ok = true;

	while (source.p != NULL) {
		h->line = str_cut(&source, '\n');
		h->line_no++;
		if (h->line.n > 0 && h->line.p[h->line.n - 1] == '\r')
			h->line.n--;
		if (!str_starts(h->line, STR("--")))
			break;
		if (!plain(h))
			ok = false;
		else if (str_starts(h->line, STR("---@")))
			ok = tag_read(h, h->line) && ok;
		else
			ok = text_read(h, h->line) && ok;
	}
	return ok;
}

/* The arguments as a schema: what it does not name is refused. */
static void
input_put(const struct head *h, struct buf *out)
{
	size_t n = 0;

	buf_puts(out, "{\"type\":\"object\",\"properties\":{");
	for (size_t i = 0; i < h->params_n; i++) {
		const struct snippet_param *p = &h->params[i];

		buf_puts(out, i == 0 ? "" : ",");
		buf_json_str(out, p->name);
		buf_putc(out, ':');
		buf_put(out, (struct str){ p->schema.p, p->schema.n - 1 });
		if (p->text.n > 0) {
			buf_puts(out, p->schema.n > 2 ? ",\"description\":" : "\"description\":");
			buf_json_str(out, p->text);
		}
		buf_putc(out, '}');
	}
	buf_puts(out, "},\"required\":[");
	for (size_t i = 0; i < h->params_n; i++) {
		if (h->params[i].optional)
			continue;
		buf_puts(out, n++ == 0 ? "" : ",");
		buf_json_str(out, h->params[i].name);
	}
	buf_puts(out, "],\"additionalProperties\":false}");
}

static void
take(struct head *h, struct snippet *s)
{
	struct snippet_param *params = arena_alloc(h->a, (h->params_n + 1) * sizeof(*params));
	struct buf schema;

	memcpy(params, h->params, h->params_n * sizeof(*params));
	s->params = params;
	s->params_n = h->params_n;
	s->description = arena_str(h->a, str_trim(buf_str(&h->text)));
	s->returns = h->returns.p != NULL ? h->returns : STR("");
	s->output_schema = h->returns.p != NULL ? h->output_schema : STR("");
	buf_init(&schema, 0);
	input_put(h, &schema);
	s->input_schema = arena_str(h->a, buf_str(&schema));
	buf_fini(&schema);
}

bool
snippet_head_read(struct problems *p, const char *shown, struct arena *a, struct snippet *s)
{
	struct head h = { .p = p, .shown = shown, .a = a };
	bool ok;

	buf_init(&h.text, TEXT_BYTES);
	ok = lines_read(&h, s->source);
	if (ok && h.text.n == 0) {
		problem_at(p, shown, 1, 1,
		    "the head is missing: a snippet begins with what it does (write: -- Counts the "
		    "open issues of a team.)");
		ok = false;
	}
	if (ok)
		take(&h, s);
	buf_fini(&h.text);
	return ok;
}
