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
#include "codemode/search.h"
#include "codemode/signature.h"

#define DESCRIPTION_BYTES 2048
#define LIST_TOOLS_MAX    60
#define SERVERS_MAX       64

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

struct view {
	const struct tool **t;
	size_t n, cap;
};

static void
view_add(void *ctx, const struct tool *t)
{
	struct view *v = ctx;

	if (v->n == v->cap) {
		v->cap = v->cap == 0 ? 64 : v->cap * 2;
		v->t = mem_realloc(v->t, v->cap * sizeof(struct tool *));
	}
	v->t[v->n++] = t;
}

static struct view
view_of(struct hub *h, struct key *k)
{
	struct view v = { 0 };

	hub_tools(h, k, view_add, &v);
	return v;
}

/* "filesystem 14, git 28": servers with their number of tools. */
static void
servers_put(struct buf *out, const struct view *v)
{
	size_t n = 0, servers = 0;

	for (size_t i = 0; i < v->n && servers < SERVERS_MAX; i += n) {
		for (n = 1; i + n < v->n && str_eq(v->t[i + n]->server, v->t[i]->server);)
			n++;
		if (servers++ > 0)
			buf_puts(out, ", ");
		buf_put(out, v->t[i]->script_server);
		buf_printf(out, " %zu", n);
	}
	if (servers == 0)
		buf_puts(out, "none");
}

void
tools_define_lua(struct hub *h, struct key *k, struct buf *out)
{
	struct view v = view_of(h, k);
	struct buf all, text;

	buf_init(&text, DESCRIPTION_BYTES);
	buf_puts(&text, static_text);
	buf_init(&all, DESCRIPTION_BYTES - text.n - 64);
	for (size_t i = 0; i < v.n; i++) {
		buf_putc(&all, '\n');
		signature_put(&all, v.t[i], true);
	}
	if (v.n > 0 && buf_ok(&all)) {
		buf_puts(&text, "All tools:");
		buf_put(&text, buf_str(&all));
	} else {
		buf_puts(&text,
		    "Use `tools` first for the exact signature of any tool not listed here.");
	}
	buf_puts(out, "{\"name\":\"lua\",\"description\":");
	buf_json_str(out, buf_str(&text));
	buf_puts(out,
	    ",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"code\":{\"type\":\"string\","
	    "\"description\":\"Lua 5.4 source\"}},\"required\":[\"code\"]},"
	    "\"annotations\":{\"title\":\"Run Lua\",\"readOnlyHint\":false,"
	    "\"openWorldHint\":true},\"_meta\":{\"anthropic/alwaysLoad\":true,"
	    "\"anthropic/maxResultSizeChars\":40000}}");
	buf_fini(&all);
	buf_fini(&text);
	free(v.t);
}

void
tools_define_tools(struct hub *h, struct key *k, struct buf *out)
{
	struct view v = view_of(h, k);
	struct buf text;

	buf_init(&text, DESCRIPTION_BYTES);
	buf_puts(&text,
	    "Find tools to call from `lua`; returns their Lua signatures. Servers (number of "
	    "tools): ");
	servers_put(&text, &v);
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
	free(v.t);
}

/* As scripts look names up: case, - and _ do not count. */
static bool
same_name(struct str a, struct str b)
{
	size_t i = 0, j = 0;

	for (;; i++, j++) {
		while (i < a.n && (a.p[i] == '_' || a.p[i] == '-'))
			i++;
		while (j < b.n && (b.p[j] == '_' || b.p[j] == '-'))
			j++;
		if (i == a.n || j == b.n)
			return i == a.n && j == b.n;
		if (!str_ieq((struct str){ a.p + i, 1 }, (struct str){ b.p + j, 1 }))
			return false;
	}
}

/* A server's name lists it; server.tool gives its whole documentation. */
static bool
exact_put(const struct view *v, struct str query, struct buf *out)
{
	struct str rest = query, server = str_cut(&rest, '.');
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++) {
		if (!same_name(v->t[i]->script_server, server) && !str_eq(v->t[i]->server, server))
			continue;
		if (rest.p != NULL && !same_name(v->t[i]->script_name, rest) &&
		    !str_eq(v->t[i]->name, rest))
			continue;
		if (n++ > 0)
			buf_putc(out, '\n');
		if (rest.p != NULL)
			signature_put_full(out, v->t[i]);
		else if (n <= LIST_TOOLS_MAX)
			signature_put(out, v->t[i], true);
	}
	return n > 0;
}

void
tools_answer(struct hub *h, struct key *k, struct str query, struct buf *out)
{
	struct view v = view_of(h, k);
	const struct tool *hits[SEARCH_HITS_MAX];
	size_t n = 0;

	query = str_trim(query);
	if (query.n == 0 || !exact_put(&v, query, out)) {
		n = query.n == 0 ? 0 : search_tools(v.t, v.n, query, hits);
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				buf_putc(out, '\n');
			signature_put(out, hits[i], true);
		}
		if (n == 0) {
			buf_puts(out, query.n == 0 ? "" : "No tool matches. ");
			buf_puts(out, "Servers (number of tools): ");
			servers_put(out, &v);
			buf_puts(out, ". Ask for a server by name to list its tools.");
		}
	}
	free(v.t);
}
