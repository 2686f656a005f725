/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec - JSON to Lua; encode.c is the way back.
 *
 * Integers are int64, exactly; what does not fit, and a number too large for a double, stays a
 * string of its digits.  An object's null member reads as nil and is remembered in a hidden table,
 * so that sending the object back sends the null again; a null inside an array is the sentinel
 * `null`.  Arrays carry a marker metatable.  Of two members with one name the last wins.
 *
 * Recurses at most FRAME_DEPTH_MAX deep and never leaves a half-built value.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/worker/worker.h"

/* ---- bytes in ---- */

struct in {
	lua_State *L;
	const char *p, *end;
	bool handles; /* #{…} is one: only from the gateway */
};

static void
skip_space(struct in *in)
{
	while (in->p < in->end &&
	       (*in->p == ' ' || *in->p == '\n' || *in->p == '\r' || *in->p == '\t'))
		in->p++;
}

static bool
take(struct in *in, char c)
{
	skip_space(in);
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

static bool
take_hex4(struct in *in, uint32_t *out)
{
	*out = 0;
	for (int i = 0; i < 4; i++, in->p++) {
		int c = in->p < in->end ? *in->p | 0x20 : 0;

		if (c >= '0' && c <= '9')
			*out = *out << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out = *out << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

static bool
take_unicode(struct in *in)
{
	char text[4];
	uint32_t c, low;
	int n;

	if (!take_hex4(in, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && in->end - in->p >= 2 && in->p[0] == '\\' &&
	    in->p[1] == 'u') {
		const char *second = in->p;

		in->p += 2;
		if (!take_hex4(in, &low))
			return false;
		if (low >= 0xdc00 && low <= 0xdfff) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		} else {
			c = 0xfffd;
			in->p = second;
		}
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd;
	}
	n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (int i = n - 1; i > 0; i--, c >>= 6)
		text[i] = (char)(0x80 | (c & 0x3f));
	text[0] = (char)(n == 1 ? c : ((0xf00u >> n & 0xffu) | c));
	out_put(text, (size_t)n);
	return true;
}

/* Pushes the string whose opening quote has been taken. */
static bool
push_string(struct in *in)
{
	static const char plain[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	const char *from = in->p, *at;

	while (in->p < in->end && *in->p != '"' && *in->p != '\\' && (unsigned char)*in->p >= 0x20)
		in->p++;
	if (in->p < in->end && *in->p == '"') {
		lua_pushlstring(in->L, from, (size_t)(in->p++ - from));
		return true;
	}
	out_reset(SIZE_MAX);
	for (in->p = from; in->p < in->end && *in->p != '"';) {
		if ((unsigned char)*in->p < 0x20)
			return false;
		if (*in->p != '\\') {
			out_put(in->p++, 1);
			continue;
		}
		if (++in->p == in->end)
			return false;
		if (*in->p == 'u') {
			in->p++;
			if (!take_unicode(in))
				return false;
		} else if (*in->p != '\0' && (at = strchr(plain, *in->p)) != NULL) {
			out_put(&meant[at - plain], 1);
			in->p++;
		} else {
			return false;
		}
	}
	if (in->p == in->end)
		return false;
	in->p++;
	lua_pushlstring(in->L, vm.out.p, vm.out.n);
	return true;
}

static size_t
count_digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return (size_t)(p - from);
}

/* The text is NUL-terminated somewhere after its end, so strtod() stops. */
static bool
push_number(struct in *in)
{
	const char *from = in->p, *p = from + (*from == '-');
	size_t n = count_digits(p, in->end);
	bool integer = true;
	unsigned long long v = 0;
	lua_Number f;

	if (n == 0 || (n > 1 && *p == '0'))
		return false;
	for (size_t i = 0; integer && i < n; i++)
		integer = !__builtin_mul_overflow(v, 10ull, &v) &&
			  !__builtin_add_overflow(v, (unsigned long long)(p[i] - '0'), &v);
	integer = integer && v <= (unsigned long long)INT64_MAX + (*from == '-');
	p += n;
	if (p < in->end && (*p == '.' || *p == 'e' || *p == 'E')) {
		if (*p == '.') {
			n = count_digits(p + 1, in->end);
			if (n == 0)
				return false;
			p += 1 + n;
		}
		if (p < in->end && (*p == 'e' || *p == 'E')) {
			p++;
			if (p < in->end && (*p == '+' || *p == '-'))
				p++;
			n = count_digits(p, in->end);
			if (n == 0)
				return false;
			p += n;
		}
		f = strtod(from, NULL);
		if (isfinite(f))
			lua_pushnumber(in->L, f);
		else
			lua_pushlstring(in->L, from, (size_t)(p - from));
	} else if (integer) {
		lua_pushinteger(in->L, (lua_Integer)(*from == '-' ? 0 - v : v));
	} else {
		lua_pushlstring(in->L, from, (size_t)(p - from));
	}
	in->p = p;
	return true;
}

static bool push_value(struct in *in, int depth);

static bool
push_array(struct in *in, int depth)
{
	lua_State *L = in->L;

	lua_newtable(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.array_ref);
	lua_setmetatable(L, -2);
	if (take(in, ']'))
		return true;
	for (lua_Integer i = 1;; i++) {
		if (!push_value(in, depth + 1))
			return false;
		lua_rawseti(L, -2, i);
		if (take(in, ']'))
			return true;
		if (!take(in, ','))
			return false;
	}
}

static void
remember_null(lua_State *L, int object, int nulls)
{
	if (!lua_istable(L, nulls)) { /* the first one of this object */
		lua_newtable(L);
		lua_replace(L, nulls);
		lua_createtable(L, 0, 2);
		lua_pushvalue(L, nulls);
		lua_setfield(L, -2, "__nulls");
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "__metatable");
		lua_setmetatable(L, object);
	}
	lua_pop(L, 1);
	lua_pushvalue(L, -1);
	lua_pushnil(L);
	lua_rawset(L, object); /* of two members with one name the last wins */
	lua_pushboolean(L, 1);
	lua_rawset(L, nulls);
}

static bool
push_object(struct in *in, int depth)
{
	lua_State *L = in->L;
	int object, nulls;

	lua_newtable(L);
	lua_pushnil(L);
	nulls = lua_gettop(L);
	object = nulls - 1;
	if (!take(in, '}')) {
		do {
			if (!take(in, '"') || !push_string(in) || !take(in, ':') ||
			    !push_value(in, depth + 1))
				return false;
			if (lua_islightuserdata(L, -1))
				remember_null(L, object, nulls);
			else
				lua_rawset(L, object);
		} while (take(in, ','));
		if (!take(in, '}'))
			return false;
	}
	lua_settop(L, object);
	return true;
}

static bool
push_word(struct in *in, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(in->end - in->p) < n || memcmp(in->p, word, n) != 0)
		return false;
	in->p += n;
	if (*word == 'n')
		lua_pushlightuserdata(in->L, NULL);
	else
		lua_pushboolean(in->L, *word == 't');
	return true;
}

static bool
push_handle(struct in *in, int depth)
{
	in->p++;
	if (!take(in, '{') || !push_object(in, depth))
		return false;
	blob_wrap(in->L);
	return true;
}

static bool
push_value(struct in *in, int depth)
{
	skip_space(in);
	if (in->p == in->end || !lua_checkstack(in->L, 8))
		return false;
	if (depth > FRAME_DEPTH_MAX && (*in->p == '{' || *in->p == '['))
		return false;
	switch (*in->p) {
	case '{':
		in->p++;
		return push_object(in, depth);
	case '[':
		in->p++;
		return push_array(in, depth);
	case '"':
		in->p++;
		return push_string(in);
	case 't':
		return push_word(in, "true");
	case 'f':
		return push_word(in, "false");
	case 'n':
		return push_word(in, "null");
	case '#':
		return in->handles && push_handle(in, depth);
	default:
		return (*in->p == '-' || (*in->p >= '0' && *in->p <= '9')) && push_number(in);
	}
}

static bool
push(lua_State *L, const char *p, size_t n, bool handles, size_t *bad_at)
{
	struct in in = { .L = L, .p = p, .end = p + n, .handles = handles };
	int before = lua_gettop(L);

	if (push_value(&in, 1)) {
		skip_space(&in);
		if (in.p == in.end)
			return true;
	}
	lua_settop(L, before);
	*bad_at = (size_t)(in.p - p);
	return false;
}

bool
json_push(lua_State *L, const char *p, size_t n, size_t *bad_at)
{
	return push(L, p, n, true, bad_at);
}

/* ---- what scripts see ---- */

static int
lua_encode(lua_State *L)
{
	luaL_checkany(L, 1);
	out_reset((size_t)16 << 20);
	json_put(L, 1, JSON_TEXT);
	if (vm.out.over)
		return luaL_error(L, "json.encode: the text is too large (limit 16777216 bytes)");
	lua_pushlstring(L, vm.out.p, vm.out.n);
	return 1;
}

static int
lua_decode(lua_State *L)
{
	size_t n, at;
	const char *s;

	if (lua_istable(L, 1)) { /* results come decoded: decoding one again gives it back */
		lua_settop(L, 1);
		return 1;
	}
	s = luaL_checklstring(L, 1, &n);
	if (!push(L, s, n, false, &at))
		return luaL_error(L, "json.decode: not JSON at byte %d", (int)at + 1);
	return 1;
}

static int
lua_array(lua_State *L)
{
	if (lua_isnoneornil(L, 1)) {
		lua_settop(L, 0);
		lua_newtable(L);
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_rawgeti(L, LUA_REGISTRYINDEX, vm.array_ref);
	lua_setmetatable(L, 1);
	return 1;
}

static int
lua_null_name(lua_State *L)
{
	lua_pushliteral(L, "null");
	return 1;
}

void
json_open(lua_State *L)
{
	blob_open(L);
	lua_createtable(L, 0, 1);
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	vm.array_mt = lua_topointer(L, -1);
	vm.array_ref = luaL_ref(L, LUA_REGISTRYINDEX);

	lua_pushlightuserdata(L, NULL);
	lua_createtable(L, 0, 3);
	lua_pushliteral(L, "null");
	lua_setfield(L, -2, "__name");
	lua_pushcfunction(L, lua_null_name);
	lua_setfield(L, -2, "__tostring");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_setglobal(L, "null");

	lua_createtable(L, 0, 3);
	lua_pushcfunction(L, lua_encode);
	lua_setfield(L, -2, "encode");
	lua_pushcfunction(L, lua_decode);
	lua_setfield(L, -2, "decode");
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	lua_setglobal(L, "json");
	lua_register(L, "array", lua_array);
}
