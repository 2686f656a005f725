/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - where in whose code: a line of the script, or of a snippet that it has called.
 *
 *	script:3: …			chunk "=script"
 *	snippets.total:6: …		chunk "=snippets.total"
 *
 * Lua names both in the same way, so one reader serves messages of either.  A script can write a
 * message that looks like one of a snippet; whoever takes a place from it looks for the frame, too,
 * or only shows it.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/worker/worker.h"

#define SCRIPT     "=script"
#define LIBRARY    "=library"
#define LEVELS_MAX 40

/* The text of its chunk; false: it is nobody's. */
static bool
text_find(struct place *p)
{
	if (strcmp(p->chunk, SCRIPT) == 0) {
		p->text = vm.source;
		p->text_n = vm.source_n;
	} else {
		p->text = snippet_source(p->chunk, &p->text_n);
	}
	return p->text != NULL;
}

bool
place_read(const char *message, struct place *p)
{
	const char *c = strchr(message, ':');
	size_t n = c == NULL ? sizeof(p->chunk) : (size_t)(c - message);

	if (n > sizeof(p->chunk) - 2)
		return false;
	p->chunk[0] = '=';
	memcpy(p->chunk + 1, message, n);
	p->chunk[n + 1] = '\0';
	p->line = 0;
	for (c++; *c >= '0' && *c <= '9' && p->line < 1000000; c++)
		p->line = p->line * 10 + (*c - '0');
	return p->line > 0 && c[0] == ':' && c[1] == ' ' && text_find(p);
}

bool
place_now(lua_State *L, struct place *p)
{
	lua_Debug ar;

	for (int i = 0; i < LEVELS_MAX && L != NULL && lua_getstack(L, i, &ar); i++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline <= 0 || ar.srclen >= sizeof(p->chunk))
			continue;
		memcpy(p->chunk, ar.source, ar.srclen + 1);
		p->line = ar.currentline;
		if (text_find(p))
			return true;
	}
	return false;
}

bool
place_in_snippet(const struct place *p)
{
	return strcmp(p->chunk, SCRIPT) != 0;
}

void
place_snippet(lua_State *L, char out[PLACE_BYTES])
{
	struct place p;

	out[0] = '\0';
	if (place_now(L, &p) && place_in_snippet(&p))
		(void)snprintf(out, PLACE_BYTES, "%s:%d: ", p.chunk + 1, p.line);
}

/* Raised by a function in C that Lua did not call itself (the comparison in table.sort, what a
 * function of the library calls), or by the library for its caller: error(text, 0) of a script has
 * no place, and is to have none. */
static bool
is_raised_inside(lua_State *L)
{
	lua_Debug ar;
	int level = 0;

	while (lua_getstack(L, level, &ar)) {
		lua_CFunction f;

		lua_getinfo(L, "fS", &ar);
		f = lua_tocfunction(L, -1);
		lua_pop(L, 1);
		if (f == NULL)
			return strcmp(ar.source, LIBRARY) == 0;
		if (f != vm.on_error && f != vm.error)
			return true;
		level++;
	}
	return false;
}

void
place_raised(lua_State *L)
{
	struct place p;

	if (lua_type(L, -1) != LUA_TSTRING || place_read(lua_tostring(L, -1), &p) ||
	    !lua_checkstack(L, 4) || !is_raised_inside(L) || !place_now(L, &p))
		return;
	lua_pushfstring(L, "%s:%d: %s", p.chunk + 1, p.line, lua_tostring(L, -1));
	lua_replace(L, -2);
}

void
place_caller(lua_State *L)
{
	const char *message = lua_tostring(L, -1);
	struct place p;
	int line;

	if (lua_type(L, -1) != LUA_TSTRING || !place_read(message, &p) || !place_in_snippet(&p))
		return;
	line = vm_line(L);
	if (line == 0)
		return;
	lua_pushfstring(L, "script:%d: %s", line, message);
	lua_replace(L, -2);
}
