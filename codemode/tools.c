/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools - what a model reads about tools.
 *
 * Two definitions instead of hundreds: `lua` explains the language and, when the whole catalogue
 * of the key fits, names every signature, so that a fresh task needs no search at all; `tools`
 * finds signatures in larger ones.  Clients cut descriptions at 2,048 bytes and reread a prompt
 * whose tools changed, so both texts are bounded and byte-stable for a given key and catalogue.
 */
#include "codemode/tools.h"

#include <stdlib.h>

#include "codemode/codemode.h"
#include "codemode/run.h"
#include "codemode/search.h"
#include "codemode/shape.h"
#include "codemode/signature.h"
#include "codemode/snippet.h"

#define DESCRIPTION_BYTES 2048
#define LIST_TOOLS_MAX    60
#define SERVERS_MAX       64
#define NEAR_BYTES_MIN    4 /* shorter words are near to everything */

static const char static_text[] = CODEMODE_LUA_BEGINS
    " Do the whole task in one script: loop, filter and "
    "aggregate there, because only what you return or print enters the conversation.\n"
    "  local r = server.tool{arg=value}  -- r is the decoded result (type after ->); plain text "
    "gives a string\n"
    "  local rs = pmap(list, function(v, i) return server.tool{...} end)  -- concurrent, keeps "
    "order\n"
    "  local ok, e = pcall(server.tool, {...})  -- a failed call raises e with e.code, e.message, "
    "e.tool\n"
    "JSON null reads as nil; to send null or an empty list use null, array{}. If you don't know a "
    "result's structure, return shape(r).\n"
    "Also there: map filter reduce sum sort_by group_by pluck keys split trim lines, "
    "json.encode/decode, string table math utf8 os.time os.date. No io, require or network.\n"
    "S is a table kept between scripts; last is the previous script's full return value even if "
    "its output was cut.\n";
/* Where not every tool is listed with it. */
static const char search_text[] =
    "Use `tools` first for the exact signature of any tool not listed here.";

static void
list_add(void *ctx, const struct tool *t)
{
	struct tool_list *l = ctx;

	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		// NOLINTNEXTLINE(bugprone-sizeof-expression)
		l->t = mem_realloc(l->t, l->cap * sizeof(*l->t));
	}
	l->t[l->n++] = t;
}

struct tool_list
tool_list_of(struct codemode *cm, struct key *k, const struct view_settings *of)
{
	struct tool_list l = { .cm = cm, .key = k };

	hub_tools(cm->hub, k, of, list_add, &l);
	snippets_list(cm, k, of, list_add, &l);
	return l;
}

void
tool_list_fini(struct tool_list *l)
{
	free(l->t);
	*l = (struct tool_list){ 0 };
}

static struct str
learned(const struct tool_list *l, const struct tool *t)
{
	return l->cm == NULL ? STR("") : shape_find(l->cm, l->key, t);
}

void
tool_list_put_line(const struct tool_list *l, const struct tool *t, bool describe, struct buf *out)
{
	signature_put_learned(out, t, learned(l, t), describe);
}

/* "filesystem git", or "filesystem 14, git 28": with their number of tools.  A count costs two
 * tokens and a comma one, in every request: the definition goes without. */
static void
servers_put(struct buf *out, const struct tool_list *l, bool count)
{
	size_t n = 0, servers = 0;

	for (size_t i = 0; i < l->n; i += n) {
		for (n = 1; i + n < l->n && str_eq(l->t[i + n]->server, l->t[i]->server);)
			n++;
		if (servers++ > 0)
			buf_puts(out, count ? ", " : " ");
		if (servers > SERVERS_MAX || (out->limit > 0 && out->limit - out->n < 64)) {
			buf_puts(out, "…");
			return;
		}
		buf_put(out, l->t[i]->script_server);
		if (count)
			buf_printf(out, " %zu", n);
	}
	if (servers == 0)
		buf_puts(out, "none");
}

/* ---- the definitions ---- */

/* Every signature, or nothing when they do not fit. */
static bool
all_put(struct buf *text, const struct tool_list *l)
{
	size_t at = text->n;

	if (l->n == 0)
		return false;
	buf_puts(text, "All tools:");
	for (size_t i = 0; i < l->n && buf_ok(text); i++) {
		buf_putc(text, '\n');
		tool_list_put_line(l, l->t[i], true, text);
	}
	if (buf_ok(text))
		return true;
	text->n = at;
	text->failed = false;
	return false;
}

/* As many as fit, in their order; one that is too long makes room for the next.  True: all do. */
static bool
hot_put(struct buf *text, const struct tool_list *l, const struct tool *const *hot, size_t n,
    bool describe)
{
	bool any = false, all = true;

	for (size_t i = 0; i < n; i++) {
		size_t at = text->n;

		buf_puts(text, any ? "\n" : "\nOften used:\n");
		tool_list_put_line(l, hot[i], describe, text);
		if (buf_ok(text)) {
			any = true;
			continue;
		}
		text->n = at;
		text->failed = false;
		all = false;
	}
	return all;
}

void
tools_put_lua(
    const struct tool_list *l, const struct tool *const *hot, size_t hot_n, struct buf *out)
{
	struct buf text;

	buf_init(&text, DESCRIPTION_BYTES);
	buf_puts(&text, static_text);
	if (!all_put(&text, l)) {
		size_t at;

		buf_puts(&text, search_text);
		at = text.n;
		if (!hot_put(&text, l, hot, hot_n, true)) {
			text.n = at; /* one tool more is worth more than what the others are for */
			(void)hot_put(&text, l, hot, hot_n, false);
		}
	}
	buf_puts(out, "{\"name\":\"lua\",\"description\":");
	buf_json_str(out, buf_str(&text));
	buf_puts(out,
	    ",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\","
	    "\"description\":\"Lua 5.4 source\"},\"resume\":{\"type\":\"string\","
	    "\"description\":\"Id of a failed or paused run: its completed calls are not "
	    "repeated\"}},\"required\":[\"code\"]},"
	    "\"annotations\":{\"title\":\"Run Lua\",\"readOnlyHint\":false,"
	    "\"openWorldHint\":true},\"_meta\":{\"anthropic/alwaysLoad\":true,"
	    "\"anthropic/maxResultSizeChars\":40000}}");
	buf_fini(&text);
}

void
tools_put_tools(const struct tool_list *l, struct buf *out)
{
	struct buf text;

	buf_init(&text, DESCRIPTION_BYTES);
	buf_puts(&text, "Find tools to call from `lua`; returns their Lua signatures. Servers: ");
	servers_put(&text, l, false);
	buf_puts(out, "{\"name\":\"tools\",\"description\":");
	buf_json_str(out, buf_str(&text));
	buf_puts(out,
	    ",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\","
	    "\"description\":\"What you need, several needs separated by \\\";\\\" (\\\"read file; "
	    "sql query\\\"), or a server name to list it, or server.tool for its full "
	    "documentation\"}},\"required\":[\"query\"]},"
	    "\"annotations\":{\"readOnlyHint\":true,\"openWorldHint\":false},"
	    "\"_meta\":{\"anthropic/alwaysLoad\":true}}");
	buf_fini(&text);
}

/* ---- what `tools` answers ---- */

static bool
named(struct str asked, struct str script, struct str own)
{
	return name_same(asked, script) || str_eq(asked, own);
}

/* A server's name lists it; server.tool gives its whole documentation. */
static bool
exact_put(const struct tool_list *l, struct str query, struct buf *out)
{
	struct str rest = query, server = str_cut(&rest, '.');
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct tool *t = l->t[i];

		if (!named(server, t->script_server, t->server) ||
		    (rest.p != NULL && !named(rest, t->script_name, t->name)))
			continue;
		if (n++ == LIST_TOOLS_MAX && rest.p == NULL) {
			buf_puts(out, "\n…: say what you need to find more of them");
			return true;
		}
		if (n > 1)
			buf_putc(out, '\n');
		if (rest.p != NULL)
			signature_put_full(out, t, learned(l, t));
		else
			tool_list_put_line(l, t, true, out);
	}
	return n > 0;
}

/* The name of a tool or server that this, or a word of it, is a misspelling of. */
static void
nearest_put(const struct tool_list *l, struct str query, struct buf *out)
{
	struct str *names = mem_alloc((2 * l->n + 1) * sizeof(*names)), found = STR_NONE;
	struct str rest = query;

	for (size_t i = 0; i < l->n; i++) {
		names[2 * i] = l->t[i]->script_name;
		names[2 * i + 1] = l->t[i]->script_server;
	}
	while (rest.p != NULL && found.p == NULL) {
		struct str word = str_trim(str_cut(&rest, ' '));

		if (word.n >= NEAR_BYTES_MIN)
			found = str_nearest(word, names, 2 * l->n);
	}
	if (found.p != NULL)
		buf_printf(out, "Did you mean " STR_FMT "? ", STR_ARG(found));
	free(names);
}

void
tools_put_answer(const struct tool_list *l, struct str query, struct buf *out)
{
	const struct tool *hits[SEARCH_HITS_MAX];
	size_t n;

	query = str_trim(query);
	if (query.n > 0 && exact_put(l, query, out))
		return;
	n = search_tools(l->t, l->n, query, hits);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, '\n');
		tool_list_put_line(l, hits[i], true, out);
	}
	if (n > 0)
		return;
	if (query.n > 0) {
		buf_puts(out, "No tool matches. ");
		nearest_put(l, query, out);
	}
	buf_puts(out, "Servers (number of tools): ");
	servers_put(out, l, true);
	buf_puts(out, ". Ask for a server by name to list its tools.");
}

void
tools_answer(struct codemode *cm, struct key *k, const struct view_settings *of, struct str query,
    struct buf *out)
{
	struct tool_list l = tool_list_of(cm, k, of);

	tools_put_answer(&l, query, out);
	tool_list_fini(&l);
}
