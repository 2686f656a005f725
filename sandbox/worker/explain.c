/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain - what was there, where a script found nil.
 *
 *	script:3: attempt to index a nil value (field 'user')
 *	  r has author, id, title
 *
 * Lua says which field was nil, not what the table does have.  When an error arises its stack is
 * still there: the chains of names on its line (r.user.name, rows[i].id) are followed through
 * locals, upvalues and globals, without metamethods, and the first that ends in nil is told.  The
 * line is the script's or a snippet's ("snippets.total:6: …"), each with the globals of its own.
 * Nothing is recorded while a script runs, so this costs nothing until it fails.  Everything
 * here is bounded: names by NAME_BYTES, keys by KEYS_MAX, the text by TEXT_BYTES.
 */
#include <stdio.h>
#include <string.h>

#include "sandbox/worker/worker.h"

#define NAME_BYTES   48
#define PATH_BYTES   120
#define KEYS_MAX     40
#define SHOWN_MAX    16
#define TEXT_BYTES   900
#define LEVELS_MAX   20
#define LIBRARY_NAME "library:"

struct line {
	const char *p, *end;
};
struct chain {
	lua_State *L;
	lua_Debug *ar;
	const struct place *at;
	struct line rest;
	char path[PATH_BYTES];   /* so far */
	char wanted[NAME_BYTES]; /* the field that was nil; "": any */
};

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static struct line
source_line(const struct place *at)
{
	struct line l = { at->text, at->text + at->text_n };
	const char *end;

	for (int n = at->line; n > 1 && l.p < l.end;) {
		if (*l.p++ == '\n')
			n--;
	}
	end = memchr(l.p, '\n', (size_t)(l.end - l.p));
	if (end != NULL)
		l.end = end;
	return l;
}

/* Takes a name off the line; false: there is none, or it is too long. */
static bool
take_name(struct line *l, char name[NAME_BYTES])
{
	size_t n = 0;

	while (l->p < l->end && is_name_char(*l->p)) {
		if (n == NAME_BYTES - 1)
			return false;
		name[n++] = *l->p++;
	}
	name[n] = '\0';
	return n > 0 && !(name[0] >= '0' && name[0] <= '9');
}

/* Pushes what the erring function has by this name; nothing when it has none. */
static bool
push_own(struct chain *c, const char *name)
{
	lua_State *L = c->L;
	const char *s;
	int top = lua_gettop(L);

	for (int i = 1; (s = lua_getlocal(L, c->ar, i)) != NULL; i++) {
		if (strcmp(s, name) == 0) { /* the last of its name is the one that is seen */
			lua_insert(L, top + 1);
			lua_settop(L, top + 1);
		} else {
			lua_pop(L, 1);
		}
	}
	if (lua_gettop(L) > top)
		return true;
	lua_getinfo(L, "f", c->ar);
	for (int i = 1; (s = lua_getupvalue(L, -1, i)) != NULL; i++) {
		if (strcmp(s, name) == 0) {
			lua_remove(L, -2);
			return true;
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	return false;
}

/* Pushes t[name] of the table on top, which goes; nothing when that is nil. */
static bool
take_field(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	lua_rawget(L, -2);
	lua_remove(L, -2);
	if (!lua_isnil(L, -1))
		return true;
	lua_pop(L, 1);
	return false;
}

/* Pushes the value of a name as the erring function sees it; nothing when there is no such. */
static bool
push_variable(struct chain *c, const char *name)
{
	lua_State *L = c->L;

	if (push_own(c, name))
		return true;
	if (push_own(c, "_ENV")) { /* a snippet's are its own */
		if (!lua_istable(L, -1))
			lua_pop(L, 1);
		else if (take_field(L, name))
			return true;
	}
	if (place_in_snippet(c->at) && strcmp(name, "S") != 0 && strcmp(name, "last") != 0)
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
	return take_field(L, name);
}

/* .name, [name], [12], ["text"]: pushes the key. */
static bool
push_key(struct chain *c)
{
	struct line *l = &c->rest;
	char name[NAME_BYTES];

	if (l->p == l->end)
		return false;
	if (*l->p == '.') {
		l->p++;
		if (!take_name(l, name))
			return false;
		lua_pushstring(c->L, name);
		return true;
	}
	if (*l->p != '[')
		return false;
	l->p++;
	if (l->p < l->end && (*l->p == '"' || *l->p == '\'')) {
		char quote = *l->p++;

		if (!take_name(l, name) || l->p == l->end || *l->p++ != quote)
			return false;
		lua_pushstring(c->L, name);
	} else if (l->p < l->end && *l->p >= '0' && *l->p <= '9') {
		lua_Integer n = 0;

		while (l->p < l->end && *l->p >= '0' && *l->p <= '9' && n < 1000000)
			n = n * 10 + (*l->p++ - '0');
		lua_pushinteger(c->L, n);
	} else if (!take_name(l, name) || !push_variable(c, name)) {
		return false;
	}
	if (l->p < l->end && *l->p == ']') {
		l->p++;
		return true;
	}
	lua_pop(c->L, 1);
	return false;
}

static void
put_keys(lua_State *L, int idx, char *out, size_t cap)
{
	char keys[KEYS_MAX][NAME_BYTES];
	size_t n = 0, more = 0, used = 0;

	lua_pushnil(L);
	while (lua_next(L, idx)) {
		size_t len, at;
		const char *s;

		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING)
			continue;
		s = lua_tolstring(L, -1, &len);
		if (n == KEYS_MAX || len >= NAME_BYTES || strlen(s) != len) {
			more++;
			continue;
		}
		for (at = n++; at > 0 && strcmp(keys[at - 1], s) > 0; at--)
			memcpy(keys[at], keys[at - 1], NAME_BYTES);
		memcpy(keys[at], s, len + 1);
	}
	if (n > SHOWN_MAX) {
		more += n - SHOWN_MAX;
		n = SHOWN_MAX;
	}
	for (size_t i = 0; i < n && used < cap; i++)
		used +=
		    (size_t)snprintf(out + used, cap - used, "%s%s", i == 0 ? "" : ", ", keys[i]);
	if (more > 0 && used < cap)
		(void)snprintf(out + used, cap - used, ", %zu more", more);
}

/* Its keys, and those that a tool answered null for: nil to Lua, yet they may be there next time.
 */
static void
put_fields(lua_State *L, int idx, char *out, size_t cap)
{
	size_t n;

	put_keys(L, idx, out, cap);
	n = strlen(out);
	if (luaL_getmetafield(L, idx, "__nulls") != LUA_TTABLE)
		return;
	(void)snprintf(out + n, cap - n, "%snull: ", n > 0 ? "; " : "");
	n = strlen(out);
	put_keys(L, lua_gettop(L), out + n, cap - n);
}

/* What the value on top is, under the name of the chain so far. */
static bool
describe(struct chain *c, char *out, size_t cap)
{
	lua_State *L = c->L;
	int n, top = lua_gettop(L);
	size_t len;

	if (lua_type(L, top) == LUA_TSTRING) {
		lua_tolstring(L, top, &len);
		n = snprintf(out, cap, "%s is text (%zu bytes), without fields", c->path, len);
	} else if (lua_rawlen(L, top) > 0) {
		n = snprintf(out, cap, "%s is a list of %llu", c->path,
		    (unsigned long long)lua_rawlen(L, top));
		lua_rawgeti(L, top, 1);
		if (lua_istable(L, -1) && lua_rawlen(L, -1) == 0) {
			n += snprintf(out + n, cap - (size_t)n, "; %s[1] has ", c->path);
			put_fields(L, top + 1, out + n, cap - (size_t)n);
		}
	} else {
		lua_pushnil(L);
		if (lua_next(L, top) == 0 && luaL_getmetafield(L, top, "__nulls") == LUA_TNIL) {
			n = snprintf(out, cap, "%s is empty", c->path);
		} else {
			lua_settop(L, top);
			n = snprintf(out, cap, "%s has ", c->path);
			put_fields(L, top, out + n, cap - (size_t)n);
		}
	}
	lua_settop(L, top);
	return n > 0;
}

/* Servers and the like answer for themselves. */
static bool
is_proxy(lua_State *L)
{
	bool is = false;

	if (lua_istable(L, -1) && lua_getmetatable(L, -1)) {
		lua_pushliteral(L, "__index");
		lua_rawget(L, -2);
		is = !lua_isnil(L, -1);
		lua_pop(L, 2);
	}
	return is;
}

/* A chain that begins with the variable on top: true when it ends in nil, and told. */
static bool
follow(struct chain *c, char *out, size_t cap)
{
	lua_State *L = c->L;

	for (;;) {
		const char *from = c->rest.p;
		bool text = lua_type(L, -1) == LUA_TSTRING, nil, wanted;
		size_t n;

		if ((!lua_istable(L, -1) && !text) || is_proxy(L) || !push_key(c))
			return false;
		wanted = c->wanted[0] == '\0' || (lua_type(L, -1) == LUA_TSTRING &&
						     strcmp(lua_tostring(L, -1), c->wanted) == 0);
		if (text) {
			lua_pop(L, 1);
			return wanted && (c->rest.p == c->rest.end || *c->rest.p != '(') &&
			       describe(c, out, cap);
		}
		lua_rawget(L, -2);
		nil = lua_isnil(L, -1);
		if (nil) {
			lua_pop(L, 1);
			return wanted && describe(c, out, cap);
		}
		lua_remove(L, -2);
		n = strlen(c->path);
		if ((size_t)(c->rest.p - from) >= sizeof(c->path) - n)
			return false;
		memcpy(c->path + n, from, (size_t)(c->rest.p - from));
		c->path[n + (size_t)(c->rest.p - from)] = '\0';
	}
}

/* Every chain of the line, from the left, until one is told. */
static bool
search(struct chain *c, struct line l, char *out, size_t cap)
{
	lua_State *L = c->L;
	int top = lua_gettop(L);

	while (l.p < l.end) {
		bool inside = l.p > c->at->text &&
			      (is_name_char(l.p[-1]) || l.p[-1] == '.' || l.p[-1] == ':');
		bool found;

		if (inside || !is_name_char(*l.p)) {
			l.p++;
			continue;
		}
		if (!take_name(&l, c->path))
			continue;
		c->rest = l;
		found = push_variable(c, c->path) && follow(c, out, cap);
		lua_settop(L, top);
		if (found)
			return true;
	}
	return false;
}

/* The frame whose line it is. */
static bool
find_frame(lua_State *L, const struct place *at, lua_Debug *ar)
{
	for (int i = 0; i < LEVELS_MAX && lua_getstack(L, i, ar); i++) {
		lua_getinfo(L, "Sl", ar);
		if (strcmp(ar->source, at->chunk) == 0 && ar->currentline == at->line)
			return true;
	}
	return false;
}

/* "(field 'x')" gives x. */
static bool
field_of(const char *message, char wanted[NAME_BYTES])
{
	const char *at = strstr(message, "(field '"), *end;

	wanted[0] = '\0';
	if (at == NULL)
		return strstr(message, "got nil") != NULL ||
		       strstr(message, "must be a number") != NULL ||
		       strstr(message, "(for iterator") != NULL;
	at += 8;
	end = strchr(at, '\'');
	if (end == NULL || (size_t)(end - at) >= NAME_BYTES)
		return false;
	if (*at == '?' || strncmp(at, "integer index'", 14) == 0)
		return true; /* any */
	memcpy(wanted, at, (size_t)(end - at));
	wanted[end - at] = '\0';
	return true;
}

/* The message on top of the stack is of our library: the line that called it takes its place. */
static void
name_caller(lua_State *L)
{
	const char *message = lua_tostring(L, -1), *rest = strstr(message, ": ");
	char at[PLACE_BYTES];
	int line;

	if (strncmp(message, LIBRARY_NAME, sizeof(LIBRARY_NAME) - 1) != 0 || rest == NULL)
		return;
	place_snippet(L, at);
	line = vm_line(L); /* 0 after a tail call */
	if (at[0] != '\0')
		lua_pushfstring(L, "%s%s", at, rest + 2);
	else if (line > 0)
		lua_pushfstring(L, "script:%d: %s", line, rest + 2);
	else
		lua_pushstring(L, rest + 2);
	lua_replace(L, -2);
}

void
explain_error(lua_State *L)
{
	char text[TEXT_BYTES];
	struct place at;
	struct chain c = { .L = L, .at = &at };
	const char *message;
	lua_Debug ar;

	if (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) > FRAME_MESSAGE_MAX ||
	    !lua_checkstack(L, 20))
		return;
	name_caller(L);
	place_raised(L);
	message = lua_tostring(L, -1);
	if (strchr(message, '\n') != NULL || !place_read(message, &at) ||
	    !field_of(message, c.wanted) || !find_frame(L, &at, &ar))
		return;
	c.ar = &ar;
	if (!search(&c, source_line(&at), text, sizeof(text)))
		return;
	lua_pushfstring(L, "%s\n  %s", lua_tostring(L, -1), text);
	lua_replace(L, -2);
}
