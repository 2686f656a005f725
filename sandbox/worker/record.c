/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record - a table with fields, taken for a list.
 *
 *	for _, x in ipairs(r) do ... end	r = {count=3, rows={...}}: nothing is looped over
 *	return #r				0
 *
 * Models do this to the object around a list and to what group_by() gave, and the answer is wrong
 * without a sound.  Yet an empty list part can be meant (a stack with a name, a walk over any
 * value), so:
 *
 *	ipairs of a record that has a list in it	an error, where the script never looks at
 *							tables of any kind (pairs, next, type)
 *	all else, # of a tool's result			Lua's answer stands; a note is printed
 *
 * In a snippet it is the snippet's text and line that count.
 * Tables with a metatable of the script's own are its own affair.  At most NOTES_MAX notes a run,
 * one a line, KEYS_MAX keys looked at: a loop that does it a million times stays one.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/worker/worker.h"

#define KEYS_MAX   64
#define SHOWN_MAX  12
#define NAME_BYTES 40
#define TEXT_BYTES 700

struct fields {
	char name[SHOWN_MAX][NAME_BYTES + 24]; /* sorted */
	size_t n, more, lists;
};

/* None of the script's own: none at all, or one that hides itself and says nothing of indexing. */
static bool
is_plain(lua_State *L, int idx)
{
	bool plain;

	if (!lua_getmetatable(L, idx))
		return true;
	lua_pushliteral(L, "__index");
	plain = lua_topointer(L, -2) != vm.array_mt && lua_rawget(L, -2) == LUA_TNIL;
	lua_pushliteral(L, "__metatable");
	plain &= lua_rawget(L, -3) == LUA_TBOOLEAN && !lua_toboolean(L, -1);
	lua_settop(L, -4);
	return plain;
}

/* The key below the value on top: "rows[3]" where that is a list. */
static void
field_add(lua_State *L, struct fields *f)
{
	char text[NAME_BYTES + 24];
	size_t len, at;
	const char *s = lua_tolstring(L, -2, &len);
	bool list =
	    lua_istable(L, -1) && (lua_rawlen(L, -1) > 0 || json_is_array(L, lua_gettop(L)));

	f->lists += list;
	if (len > NAME_BYTES || strlen(s) != len || f->n == SHOWN_MAX) {
		f->more++;
		return;
	}
	if (list)
		snprintf(text, sizeof(text), "%s[%llu]", s, (unsigned long long)lua_rawlen(L, -1));
	else
		memcpy(text, s, len + 1);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			*c = '?';
	for (at = f->n++; at > 0 && strcmp(f->name[at - 1], text) > 0; at--)
		memcpy(f->name[at], f->name[at - 1], sizeof(text));
	memcpy(f->name[at], text, strlen(text) + 1);
}

/* Nothing but fields, and some of them. */
static bool
is_record(lua_State *L, int idx, struct fields *f)
{
	size_t keys = 0;

	*f = (struct fields){ .n = 0 };
	if (!lua_checkstack(L, 8) || !lua_istable(L, idx) || lua_rawlen(L, idx) > 0 ||
	    !is_plain(L, idx))
		return false;
	lua_pushnil(L);
	while (lua_next(L, idx)) {
		if (lua_type(L, -2) != LUA_TSTRING) {
			lua_pop(L, 2);
			return false;
		}
		if (keys++ < KEYS_MAX)
			field_add(L, f);
		lua_pop(L, 1);
		if (keys == KEYS_MAX) {
			lua_pop(L, 1);
			break;
		}
	}
	return keys > 0;
}

static void
fields_put(const struct fields *f, char out[TEXT_BYTES])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < f->n && used < TEXT_BYTES; i++)
		used += (size_t)snprintf(
		    out + used, TEXT_BYTES - used, "%s%s", i == 0 ? "" : ", ", f->name[i]);
	if (f->more > 0 && used < TEXT_BYTES)
		(void)snprintf(
		    out + used, TEXT_BYTES - used, "%s%zu more", f->n > 0 ? ", " : "", f->more);
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool
text_has(const struct place *at, const char *word)
{
	size_t n = strlen(word);
	const char *p = at->text, *end = at->text + at->text_n;

	for (; p != NULL && p < end; p++) {
		p = memmem(p, (size_t)(end - p), word, n);
		if (p == NULL)
			return false;
		if ((p == at->text || !is_name_char(p[-1])) &&
		    (p + n == end || !is_name_char(p[n])))
			return true;
	}
	return false;
}

/* Could whoever wrote it mean any table, and look at its fields next? */
static bool
walks(const struct place *at)
{
	return text_has(at, "pairs") || text_has(at, "next") || text_has(at, "type");
}

static void
note(const struct place *at, const char *text, const struct fields *f)
{
	char fields[TEXT_BYTES], said[NOTE_BYTES];

	fields_put(f, fields);
	(void)snprintf(said, sizeof(said), "%s: no list, but the fields %s", text, fields);
	notes_put(at, said);
}

void
record_looped(lua_State *L, int idx)
{
	char text[TEXT_BYTES];
	struct fields f;
	struct place at;

	if (lua_rawlen(L, idx) > 0 || !notes_new(L, &at) || !is_record(L, idx, &f))
		return;
	if (f.lists > 0 && !walks(&at)) {
		fields_put(&f, text);
		luaL_error(L,
		    "bad argument #1 to 'ipairs' (list expected, got a table with the fields %s)",
		    text);
	}
	note(&at, "ipairs looped over nothing", &f);
}

/* The length of a tool's result. */
static int
record_len(lua_State *L)
{
	struct fields f;
	struct place at;

	lua_settop(L, 1);
	lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
	if (lua_rawlen(L, 1) == 0 && notes_new(L, &at) && is_record(L, 1, &f))
		note(&at, "# is 0", &f);
	lua_settop(L, 2);
	return 1;
}

void
record_mark(lua_State *L)
{
	if (!lua_istable(L, -1))
		return;
	if (!lua_getmetatable(L, -1)) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, vm.record_ref);
		lua_setmetatable(L, -2);
		return;
	}
	lua_pushliteral(L, "__nulls"); /* its own one: codec.c */
	if (lua_rawget(L, -2) != LUA_TNIL) {
		lua_pushcfunction(L, record_len);
		lua_setfield(L, -3, "__len");
	}
	lua_pop(L, 2);
}

void
record_open(lua_State *L)
{
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, record_len);
	lua_setfield(L, -2, "__len");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	vm.record_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
