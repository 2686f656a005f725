/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fold - one name for a tool or a prompt that every client accepts.
 *
 * Claude Code folds what it does not like to _ and drops what then collides, and it puts
 * mcp__<its name of us>__ in front of at most 128 bytes: so folding is done here, once, and leaves
 * room for that.
 */
#include "mcp/fold.h"

#include <stdio.h>
#include <string.h>

#include "mcp/mcp.h"

#define HASH_CHARS 7 /* _ and six hex digits */

static void
fold(char *out, size_t cap, struct str server, struct str name)
{
	size_t n = 0;

	for (size_t i = 0; i < server.n + 2 + name.n && n + 1 < cap; i++) {
		unsigned char c = '_';

		if (i < server.n)
			c = (unsigned char)server.p[i];
		else if (i >= server.n + 2)
			c = (unsigned char)name.p[i - server.n - 2];
		if ((c & 0xc0) == 0x80)
			continue; /* a character, not a byte, becomes _ */
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '_' || c == '-'))
			c = '_';
		out[n++] = (char)c;
	}
	out[n] = '\0';
}

/* FNV-1a: the same in every process, unlike map_hash(). */
static uint32_t
stable_hash(struct str s)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return h ^ h >> 24;
}

void
fold_listed(struct buf *out, struct str server, struct str name, const struct map *taken)
{
	char full[FOLD_NAME_MAX * 2 + 8];
	size_t n;

	fold(full, sizeof(full), server, name);
	n = strlen(full);
	if (n > FOLD_LISTED_MAX || map_get(taken, (struct str){ full, n }) != NULL) {
		if (n > FOLD_LISTED_MAX - HASH_CHARS)
			n = FOLD_LISTED_MAX - HASH_CHARS;
		(void)snprintf(
		    full + n, sizeof(full) - n, "_%06x", (unsigned)(stable_hash(name) & 0xffffff));
		n += HASH_CHARS;
		if (map_get(taken, (struct str){ full, n }) != NULL)
			return;
	}
	buf_put(out, (struct str){ full, n });
}

/* ---- names in scripts ---- */

/* What a script finds beside servers, names of other languages that the worker answers to, and
 * words kept for what is to come (tests/d_globals.lua): the worker gives a global to a server only
 * when nothing else has the name. */
static bool
is_global(struct str s)
{
	static const char words[][13] = { "False", "JSON", "NULL", "None", "S", "True", "_ENV",
		"_G", "_VERSION", "array", "assert", "blob", "by_ref", "call", "callTool",
		"call_tool", "console", "coroutine", "debug", "error", "filter", "getmetatable",
		"group_by", "io", "ipairs", "is_null", "json", "keys", "last", "lines", "map",
		"math", "next", "none", "null", "os", "pairs", "parallel", "pcall", "pluck", "pmap",
		"print", "prompts", "rawequal", "rawget", "rawlen", "rawset", "reduce", "require",
		"resources", "select", "self", "setmetatable", "shape", "show", "snippets",
		"sort_by", "split", "string", "sum", "table", "tonumber", "tools", "tostring",
		"trim", "type", "undefined", "unpack", "utf8", "values", "warn", "xpcall" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(s, str_of(words[i])))
			return true;
	return false;
}

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

bool
name_is_identifier(struct str name)
{
	if (name.n == 0 || (name.p[0] >= '0' && name.p[0] <= '9') || lua_keyword(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!is_word_char(name.p[i]))
			return false;
	return true;
}

static char
letter(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static size_t
over_signs(struct str s, size_t i)
{
	while (i < s.n && (s.p[i] == '_' || !is_word_char(s.p[i])))
		i++;
	return i;
}

bool
name_same(struct str a, struct str b)
{
	size_t i = over_signs(a, 0), k = over_signs(b, 0);

	while (i < a.n && k < b.n && letter(a.p[i]) == letter(b.p[k])) {
		i = over_signs(a, i + 1);
		k = over_signs(b, k + 1);
	}
	return i == a.n && k == b.n;
}

void
fold_script(struct buf *out, enum fold_script what, struct str name, const struct map *taken)
{
	char full[FOLD_SCRIPT_MAX + 1];
	struct buf b = { .p = full, .cap = sizeof(full), .limit = sizeof(full) };

	if (name.n > 0 && name.p[0] >= '0' && name.p[0] <= '9')
		buf_putc(&b, '_');
	for (size_t i = 0; i < name.n && b.n < FOLD_SCRIPT_MAX - HASH_CHARS - 1; i++)
		if (((unsigned char)name.p[i] & 0xc0) != 0x80)
			buf_putc(&b, is_word_char(name.p[i]) ? name.p[i] : '_');
	if (lua_keyword(name) || (what == FOLD_SERVER && is_global(name)))
		buf_putc(&b, '_');
	if (taken != NULL && map_get(taken, buf_str(&b)) != NULL) {
		buf_printf(&b, "_%06x", (unsigned)(stable_hash(name) & 0xffffff));
		if (map_get(taken, buf_str(&b)) != NULL)
			return;
	}
	ASSERT(buf_ok(&b));
	buf_put(out, buf_str(&b));
}

bool
fold_usable(struct str name, size_t max)
{
	if (name.n == 0 || name.n > max || !str_utf8(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	return true;
}
