/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint - a walk over tokens, call by call.
 *
 *   server.tool{...}   server.tool({...})   server.tool "text"   call("server.tool", {...})
 *
 * The literal table becomes a JSON object in which a value that is not a literal is TOOL_ARG_ANY,
 * which fits every schema; then it is the check of the real call (schema.c) that speaks, in its own
 * words.  A table with computed keys, or a value that cannot be told from its neighbours, is left
 * alone.
 */
#include "codemode/lint.h"

#include <string.h>

#include "codemode/arguments.h"
#include "codemode/outline.h"

#define NEAREST_NAMES 512
#define CALLS_MAX     1000 /* looked at; a script has fewer, or none of this helps it */

struct lint {
	const struct lua_tokens *s;
	struct outline o;
	const struct lint_tools *tools;
	struct lint_finding *found;
	size_t found_n;
	uint32_t guard_end;    /* up to this token errors are caught */
	uint32_t function_end; /* up to this token we are in a function */
	bool guards_functions; /* some function's errors are caught, and nobody sees which */
	bool keeps_errors;
	struct map mentioned; /* tools that are named without being called: if server.tool then */
	size_t calls;
};

struct site { /* one call */
	struct lint *l;
	size_t at; /* its first token */
	struct str server, tool;
	const struct tool *t; /* NULL: unknown */
};

static enum lua_word
word_at(const struct lint *l, size_t i)
{
	return i < l->s->n ? (enum lua_word)l->s->t[i].word : W_NONE;
}

static enum token_kind
kind_at(const struct lint *l, size_t i)
{
	return i < l->s->n ? (enum token_kind)l->s->t[i].kind : TOKEN_END;
}

static struct str
text_at(const struct lint *l, size_t i)
{
	return i < l->s->n ? lua_token_text(l->s, i) : STR("");
}

/* ---- telling ---- */

static struct buf *
finding(struct site *c, const char *code)
{
	struct lint *l = c->l;
	struct lint_finding *f = &l->found[l->found_n++];

	f->line = l->s->t[c->at].line;
	buf_init(&f->text, 8192);
	buf_put(&f->text, c->server);
	if (c->t != NULL)
		buf_printf(&f->text, "." STR_FMT, STR_ARG(c->tool));
	buf_printf(&f->text, ": %s: ", code);
	return &f->text;
}

static void
put_signature(const struct lint *l, struct buf *out, const struct tool *t)
{
	buf_puts(out, "\n  ");
	l->tools->put_signature(l->tools->ctx, t, out);
}

static void
tell_args(struct site *c, const char *why)
{
	struct buf *out = finding(c, "invalid_args");

	buf_puts(out, why);
	put_signature(c->l, out, c->t);
}

/* ---- names ---- */

/* As the worker compares spellings: letters and digits, case ignored. */
static bool
same_spelling(struct str a, struct str b)
{
	size_t i = 0, k = 0;

	for (;;) {
		while (i < a.n && (a.p[i] == '_' || a.p[i] == '-'))
			i++;
		while (k < b.n && (b.p[k] == '_' || b.p[k] == '-'))
			k++;
		if (i == a.n || k == b.n)
			return i == a.n && k == b.n;
		if (!str_ieq((struct str){ a.p + i, 1 }, (struct str){ b.p + k, 1 }))
			return false;
		i++;
		k++;
	}
}

/* A server does not take a name from the language. */
static bool
is_library(struct str name)
{
	static const char *const names[] = { "string", "table", "math", "utf8", "coroutine", "os",
		"json", "console", "JSON" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	return false;
}

/* The tools of a server: [*from, *to). */
static bool
server_range(const struct lint *l, struct str server, size_t *from, size_t *to)
{
	const struct lint_tools *t = l->tools;
	size_t i = is_library(server) ? t->n : 0;

	while (i < t->n && !str_eq(t->names[i].server, server))
		i++;
	*from = i;
	while (i < t->n && str_eq(t->names[i].server, server))
		i++;
	*to = i;
	return *to > *from;
}

enum lookup { TOOL_FOUND, TOOL_NONE, TOOL_UNSURE };

static enum lookup
tool_look(struct site *c, size_t from, size_t to)
{
	const struct lint_tools *t = c->l->tools;
	size_t found = to;

	for (size_t i = from; i < to; i++) {
		if (str_eq(t->names[i].name, c->tool)) {
			found = i;
			break;
		}
		if (!same_spelling(t->names[i].name, c->tool))
			continue;
		if (found != to)
			return TOOL_UNSURE;
		found = i;
	}
	if (found == to)
		return TOOL_NONE;
	c->t = t->find(t->ctx, found);
	c->tool = t->names[found].name;
	return c->t != NULL ? TOOL_FOUND : TOOL_UNSURE;
}

static void
tell_unknown(struct site *c, size_t from, size_t to)
{
	struct str names[NEAREST_NAMES] = { 0 }, near;
	struct buf *out;
	size_t n = 0;

	if (map_get(&c->l->mentioned, c->tool) != NULL)
		return;
	for (size_t i = from; i < to && n < NEAREST_NAMES; i++)
		names[n++] = c->l->tools->names[i].name;
	near = str_nearest(c->tool, names, n);
	out = finding(c, "unknown_tool");
	buf_printf(out, "no tool '" STR_FMT "'", STR_ARG(c->tool));
	if (near.n > 0)
		buf_printf(out, "; did you mean " STR_FMT "?", STR_ARG(near));
	else
		buf_puts(out, "; search with tools\"what you need\"");
	for (size_t i = from; near.n > 0 && i < to; i++) {
		const struct tool *t = str_eq(c->l->tools->names[i].name, near)
					   ? c->l->tools->find(c->l->tools->ctx, i)
					   : NULL;

		if (t != NULL)
			put_signature(c->l, out, t);
	}
	if (near.n == 0 && n <= 12) {
		buf_printf(out, "\n  " STR_FMT " has", STR_ARG(c->server));
		for (size_t i = 0; i < n; i++)
			buf_printf(out, "%s " STR_FMT, i == 0 ? "" : ",", STR_ARG(names[i]));
	}
}

/* ---- literal arguments ---- */

struct args {
	struct buf json;
	size_t named, positional;
	bool open; /* not everything can be told */
};

/* A literal's text without quotes; false: escapes, or nothing simple. */
static bool
plain_string(struct str raw, struct str *out)
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
table_kind(const struct lint *l, size_t open)
{
	size_t i = open + 1;

	if (kind_at(l, i) == TOKEN_NAME && word_at(l, i + 1) == W_ASSIGN)
		return "{\"x\":0}";
	if ((kind_at(l, i) == TOKEN_STRING || kind_at(l, i) == TOKEN_NUMBER) &&
	    (word_at(l, i + 1) == W_COMMA || word_at(l, i + 1) == W_RBRACE))
		return "[0]";
	return TOOL_ARG_ANY;
}

static void
put_value(const struct lint *l, struct buf *out, size_t from, size_t to)
{
	bool number = kind_at(l, to - 1) == TOKEN_NUMBER &&
		      (to == from + 1 || (to == from + 2 && word_at(l, from) == W_MINUS));
	struct str text;

	if (number) {
		buf_puts(out, number_kind(text_at(l, to - 1)));
	} else if (word_at(l, from) == W_LBRACE && l->o.pair[from] == to - 1) {
		buf_puts(out, table_kind(l, from));
	} else if (to == from + 1 && kind_at(l, from) == TOKEN_STRING) {
		if (plain_string(text_at(l, from), &text))
			buf_json_str(out, text);
		else
			buf_puts(out, "\"\\\\\""); /* some string: every enum takes it */
	} else if (to == from + 1 && (word_at(l, from) == W_TRUE || word_at(l, from) == W_FALSE)) {
		buf_put(out, text_at(l, from));
	} else {
		buf_puts(out, TOOL_ARG_ANY);
	}
}

/* The end of the field that begins at i: a comma, a semicolon or the table's end; NOWHERE. */
static uint32_t
field_end(const struct lint *l, size_t i, uint32_t close)
{
	while (i < close && word_at(l, i) != W_COMMA && word_at(l, i) != W_SEMICOLON) {
		uint32_t over = l->o.pair[i];

		if (over != NOWHERE && over > i)
			i = over;
		i++;
	}
	return i <= close ? (uint32_t)i : NOWHERE;
}

static void
field(const struct lint *l, struct args *a, size_t from, size_t to)
{
	struct str key;

	if (kind_at(l, from) == TOKEN_NAME && word_at(l, from + 1) == W_ASSIGN) {
		key = text_at(l, from);
		from += 2;
	} else if (word_at(l, from) == W_LBRACKET) {
		if (word_at(l, from + 2) != W_RBRACKET || word_at(l, from + 3) != W_ASSIGN ||
		    !plain_string(text_at(l, from + 1), &key)) {
			a->open = true;
			return;
		}
		from += 4;
	} else {
		bool literal = to == from + 1 && (kind_at(l, from) == TOKEN_STRING ||
						     kind_at(l, from) == TOKEN_NUMBER);

		a->positional++;
		a->open |= !literal;
		return;
	}
	if (to == from + 1 && word_at(l, from) == W_NIL)
		return;
	if (a->named++ > 0)
		buf_putc(&a->json, ',');
	buf_json_str(&a->json, key);
	buf_putc(&a->json, ':');
	put_value(l, &a->json, from, to);
}

static bool
literal_fits(const struct tool *t, struct str json, struct buf *why)
{
	struct buf changed, unsent;
	struct str args;
	bool fits;

	buf_init(&changed, ARGUMENTS_BYTES_MAX);
	buf_init(&unsent, 0);
	args = arguments_fit(t, NULL, json, &changed, &unsent);
	fits = args.p == NULL || tool_check_args(t, args, why);
	buf_fini(&unsent);
	buf_fini(&changed);
	return fits;
}

static void
table(struct site *c, size_t open)
{
	const struct lint *l = c->l;
	struct args a = { .named = 0 };
	uint32_t close = l->o.pair[open], end;
	struct buf why;

	if (close == NOWHERE)
		return;
	buf_init(&a.json, 0);
	buf_putc(&a.json, '{');
	for (size_t i = open + 1; i < close && !a.open; i = end + 1) {
		end = field_end(l, i, close);
		if (end == NOWHERE || end == i)
			a.open = true;
		else
			field(l, &a, i, end);
		if (a.open)
			break;
	}
	buf_putc(&a.json, '}');
	buf_init(&why, 4096);
	if (!a.open && a.positional > 0 && a.named == 0)
		tell_args(c, "arguments have names: server.tool{name=value}");
	else if (!a.open && a.positional == 0 && buf_ok(&a.json) &&
		 !literal_fits(c->t, buf_str(&a.json), &why))
		tell_args(c, buf_cstr(&why));
	buf_fini(&why);
	buf_fini(&a.json);
}

/* What stands between the parentheses that open at `open`, from token `i` on. */
static void
parenthesized(struct site *c, size_t open, size_t i)
{
	const struct lint *l = c->l;
	uint32_t close = l->o.pair[open];
	bool literal = kind_at(l, i) == TOKEN_STRING || kind_at(l, i) == TOKEN_NUMBER ||
		       word_at(l, i) == W_TRUE || word_at(l, i) == W_FALSE;
	struct buf why;

	if (close == NOWHERE)
		return;
	if (word_at(l, i) == W_LBRACE && l->o.pair[i] != NOWHERE && l->o.pair[i] + 1 == close) {
		table(c, i);
	} else if (literal && (i + 1 == close || word_at(l, i + 1) == W_COMMA)) {
		tell_args(c, "pass one table: server.tool{name=value}");
	} else if (i >= close) {
		buf_init(&why, 4096);
		if (!tool_check_args(c->t, STR("{}"), &why))
			tell_args(c, buf_cstr(&why));
		buf_fini(&why);
	}
}

/* ---- calls ---- */

/* Is the tool there for certain?  One that is certainly not is told. */
static bool
tool_known(struct site *c)
{
	size_t from, to;
	enum lookup look;

	if (!server_range(c->l, c->server, &from, &to))
		return false;
	look = tool_look(c, from, to);
	if (look == TOOL_NONE)
		tell_unknown(c, from, to);
	return look == TOOL_FOUND;
}

static void
direct(struct lint *l, size_t i)
{
	struct site c = { .l = l, .at = i, .server = text_at(l, i), .tool = text_at(l, i + 2) };

	l->calls++;
	if (outline_declares(&l->o, c.server) || !tool_known(&c))
		return;
	if (word_at(l, i + 1) == W_COLON)
		tell_args(&c, "call it with a dot: server.tool{name=value}");
	else if (word_at(l, i + 3) == W_LBRACE)
		table(&c, i + 3);
	else if (word_at(l, i + 3) == W_LPAREN)
		parenthesized(&c, i + 3, i + 4);
	else
		tell_args(&c, "pass one table: server.tool{name=value}");
}

/* call("server.tool", {...}) */
static void
named(struct lint *l, size_t i)
{
	struct site c = { .l = l, .at = i };
	struct str name;
	bool more = word_at(l, i + 3) == W_COMMA;

	l->calls++;
	if (outline_declares(&l->o, STR("call")) || !plain_string(text_at(l, i + 2), &name) ||
	    (!more && word_at(l, i + 3) != W_RPAREN))
		return;
	c.tool = name;
	c.server = str_cut(&c.tool, '.');
	if (c.tool.p == NULL || !tool_known(&c))
		return;
	parenthesized(&c, i + 1, more ? i + 4 : i + 3);
}

static bool
starts_path(const struct lint *l, size_t i)
{
	enum lua_word before = i > 0 ? word_at(l, i - 1) : W_NONE;

	return kind_at(l, i) == TOKEN_NAME && before != W_DOT && before != W_COLON &&
	       before != W_FUNCTION;
}

static bool
is_call(const struct lint *l, size_t i)
{
	return word_at(l, i) == W_LBRACE || word_at(l, i) == W_LPAREN ||
	       kind_at(l, i) == TOKEN_STRING;
}

/* pcall(f): whatever is in f may fail.  pcall(server.tool, ...) and pcall(call, ...) say what. */
static bool
guards_a_name(const struct lint *l, size_t i)
{
	struct str first = text_at(l, i + 2);
	size_t from, to;

	return kind_at(l, i + 2) == TOKEN_NAME && !str_eq(first, STR("call")) &&
	       !(word_at(l, i + 3) == W_DOT && server_range(l, first, &from, &to));
}

static bool
is_guard(const struct lint *l, size_t i)
{
	struct str s = text_at(l, i);

	if (kind_at(l, i) != TOKEN_NAME || word_at(l, i + 1) != W_LPAREN)
		return false;
	return str_eq(s, STR("pcall")) || str_eq(s, STR("xpcall")) ||
	       (l->keeps_errors && (str_eq(s, STR("pmap")) || str_eq(s, STR("parallel"))));
}

/* What is caught, and whether anybody could see another _ENV. */
static bool
survey(struct lint *l)
{
	for (size_t i = 0; i < l->s->n; i++) {
		struct str s = text_at(l, i);

		if (kind_at(l, i) != TOKEN_NAME)
			continue;
		if (str_eq(s, STR("_ENV")) || str_eq(s, STR("_G")))
			return false;
		if (str_eq(s, STR("errors")) && word_at(l, i + 1) == W_ASSIGN)
			l->keeps_errors = true;
	}
	for (size_t i = 0; i < l->s->n; i++) {
		l->guards_functions |= is_guard(l, i) && guards_a_name(l, i);
		if (word_at(l, i) == W_DOT && kind_at(l, i + 1) == TOKEN_NAME && !is_call(l, i + 2))
			map_set(&l->mentioned, text_at(l, i + 1), l);
	}
	return !outline_declares(&l->o, STR("pcall"));
}

static void
walk(struct lint *l)
{
	for (size_t i = 0; i < l->s->n; i++) {
		uint32_t over = l->o.pair[i];

		if (word_at(l, i) == W_FUNCTION && over != NOWHERE && over > l->function_end)
			l->function_end = over;
		if (is_guard(l, i)) {
			over = l->o.pair[i + 1];
			if (over > l->guard_end) /* NOWHERE is past everything */
				l->guard_end = over;
		}
		if (l->found_n == LINT_FINDINGS_MAX || l->calls == CALLS_MAX)
			break;
		if (i < l->guard_end || (l->guards_functions && i < l->function_end) ||
		    !starts_path(l, i))
			continue;
		if ((word_at(l, i + 1) == W_DOT || word_at(l, i + 1) == W_COLON) &&
		    kind_at(l, i + 2) == TOKEN_NAME && is_call(l, i + 3))
			direct(l, i);
		else if (str_eq(text_at(l, i), STR("call")) && word_at(l, i + 1) == W_LPAREN &&
			 kind_at(l, i + 2) == TOKEN_STRING)
			named(l, i);
	}
}

size_t
lint_check(
    struct str source, const struct lint_tools *t, struct lint_finding found[LINT_FINDINGS_MAX])
{
	struct lint l = { .tools = t, .found = found };
	struct lua_tokens s;

	lua_tokens_init(&s, source);
	if (s.first_bad == s.n) { /* else the compiler speaks, and nothing runs either */
		l.s = &s;
		outline_init(&l.o, &s);
		map_init(&l.mentioned);
		if (survey(&l))
			walk(&l);
		map_fini(&l.mentioned);
		outline_fini(&l.o);
	}
	lua_tokens_fini(&s);
	return l.found_n;
}
