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

#include "codemode/arguments.h"
#include "codemode/guard.h"
#include "codemode/literal.h"
#include "codemode/outline.h"

#define NEAREST_NAMES 512
#define CALLS_MAX     1000 /* looked at; a script has fewer, or none of this helps it */
#define READ_MAX      ((size_t)16 << 20) /* bytes of schemas */

struct lint {
	const struct lua_tokens *s;
	struct outline o;
	const struct lint_tools *tools;
	struct lint_finding *found;
	size_t found_n;
	struct guard guard;
	struct map mentioned; /* tools that are named without being called: if server.tool then */
	size_t calls, read;
};

struct site { /* one call */
	struct lint *l;
	size_t at; /* its first token */
	struct str server, tool;
	const struct tool *t; /* NULL: unknown */
};

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

/* The tools of a server: [*from, *to). */
static bool
server_range(const struct lint *l, struct str server, size_t *from, size_t *to)
{
	const struct lint_tools *t = l->tools;
	size_t i = 0;

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
		if (!name_same(t->names[i].name, c->tool))
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

/* ---- arguments ---- */

/* The schema of a server is read once for each argument: together no more than that. */
static bool
affordable(struct site *c, size_t named)
{
	c->l->read += (named + 1) * c->t->input_schema.n;
	return c->l->read <= READ_MAX;
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
	struct literal a;
	struct buf why;

	literal_read(&c->l->o, open, &a);
	buf_init(&why, 4096);
	if (!a.open && a.positional > 0 && a.named == 0)
		tell_args(c, "arguments have names: server.tool{name=value}");
	else if (!a.open && a.positional == 0 && buf_ok(&a.json) && affordable(c, a.named) &&
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
	bool literal = lua_kind_at(l->s, i) == TOKEN_STRING ||
		       lua_kind_at(l->s, i) == TOKEN_NUMBER || lua_word_at(l->s, i) == W_TRUE ||
		       lua_word_at(l->s, i) == W_FALSE;
	struct buf why;

	if (close == NOWHERE)
		return;
	if (lua_word_at(l->s, i) == W_LBRACE && l->o.pair[i] != NOWHERE &&
	    l->o.pair[i] + 1 == close) {
		table(c, i);
	} else if (literal && (i + 1 == close || lua_word_at(l->s, i + 1) == W_COMMA)) {
		tell_args(c, "pass one table: server.tool{name=value}");
	} else if (i >= close) {
		buf_init(&why, 4096);
		if (affordable(c, 0) && !tool_check_args(c->t, STR("{}"), &why))
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
	if (look == TOOL_FOUND && c->l->tools->called != NULL)
		c->l->tools->called(c->l->tools->ctx, c->t, c->l->s->t[c->at].line);
	return look == TOOL_FOUND;
}

static void
direct(struct lint *l, size_t i)
{
	struct site c = {
		.l = l, .at = i, .server = lua_text_at(l->s, i), .tool = lua_text_at(l->s, i + 2)
	};

	l->calls++;
	if (outline_declares(&l->o, c.server) || !tool_known(&c))
		return;
	if (lua_word_at(l->s, i + 1) == W_COLON)
		tell_args(&c, "call it with a dot: server.tool{name=value}");
	else if (lua_word_at(l->s, i + 3) == W_LBRACE)
		table(&c, i + 3);
	else if (lua_word_at(l->s, i + 3) == W_LPAREN)
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
	bool more = lua_word_at(l->s, i + 3) == W_COMMA;

	l->calls++;
	if (outline_declares(&l->o, STR("call")) ||
	    !literal_string(lua_text_at(l->s, i + 2), &name) ||
	    (!more && lua_word_at(l->s, i + 3) != W_RPAREN))
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
	enum lua_word before = i > 0 ? lua_word_at(l->s, i - 1) : W_NONE;

	return lua_kind_at(l->s, i) == TOKEN_NAME && before != W_DOT && before != W_COLON &&
	       before != W_FUNCTION;
}

static bool
is_call(const struct lint *l, size_t i)
{
	return lua_word_at(l->s, i) == W_LBRACE || lua_word_at(l->s, i) == W_LPAREN ||
	       lua_kind_at(l->s, i) == TOKEN_STRING;
}

/* A name of no field, label, attribute or member of a table, that nothing declares. */
static bool
reads_global(const struct lint *l, size_t i)
{
	enum lua_word before = i > 0 ? lua_word_at(l->s, i - 1) : W_NONE;
	enum lua_word after = lua_word_at(l->s, i + 1);
	uint32_t in = l->o.parent[i];

	if (!starts_path(l, i) || before == W_GOTO || before == W_LABEL ||
	    (before == W_LT && after == W_GT))
		return false;
	if (after == W_ASSIGN && in != NOWHERE && lua_word_at(l->s, in) == W_LBRACE)
		return false;
	return !outline_declares(&l->o, lua_text_at(l->s, i));
}

/* Tools that the script mentions without calling them: it may ask whether they are there.  false:
 * it may see another _ENV. */
static bool
survey(struct lint *l)
{
	for (size_t i = 0; i < l->s->n; i++) {
		struct str s = lua_text_at(l->s, i);

		if (lua_kind_at(l->s, i) == TOKEN_NAME &&
		    (str_eq(s, STR("_ENV")) || str_eq(s, STR("_G"))))
			return false;
		if (lua_word_at(l->s, i) == W_DOT && lua_kind_at(l->s, i + 1) == TOKEN_NAME &&
		    !is_call(l, i + 2))
			map_set(&l->mentioned, lua_text_at(l->s, i + 1), l);
	}
	return true;
}

static void
walk(struct lint *l)
{
	for (size_t i = 0; i < l->s->n; i++) {
		if (guard_at(&l->guard, i))
			continue;
		if (l->found_n == LINT_FINDINGS_MAX || l->calls == CALLS_MAX)
			break;
		if (!starts_path(l, i))
			continue;
		if (l->tools->global != NULL && reads_global(l, i))
			l->tools->global(l->tools->ctx, lua_text_at(l->s, i), l->s->t[i].line);
		if ((lua_word_at(l->s, i + 1) == W_DOT || lua_word_at(l->s, i + 1) == W_COLON) &&
		    lua_kind_at(l->s, i + 2) == TOKEN_NAME && is_call(l, i + 3))
			direct(l, i);
		else if (str_eq(lua_text_at(l->s, i), STR("call")) &&
			 lua_word_at(l->s, i + 1) == W_LPAREN &&
			 lua_kind_at(l->s, i + 2) == TOKEN_STRING)
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
		if (survey(&l) && guard_init(&l.guard, &l.o))
			walk(&l);
		map_fini(&l.mentioned);
		outline_fini(&l.o);
	}
	lua_tokens_fini(&s);
	return l.found_n;
}
