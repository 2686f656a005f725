/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec - JSON to Lua and back.
 *
 * Integers are int64, exactly; what does not fit stays a string of digits.  An object's null
 * member reads as nil and is remembered, so that sending the table back sends the null again; a
 * null inside an array is the sentinel `null`.  Arrays carry a marker metatable.  Keys are written
 * sorted, so equal values give equal bytes.  A float with an integral value is written without a
 * fraction (10/2 is 5.0 in Lua and 5 in JSON).
 *
 * Both directions recurse at most FRAME_DEPTH_MAX deep.  The writer never allocates from Lua, the
 * reader never leaves a half-built value.  No qsort(): glibc's asks the kernel how much memory
 * there is, and the lock kills for that.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/worker/worker.h"

/* ---- bytes out ---- */

void
out_reset(size_t limit)
{
	vm.out.n = 0;
	vm.out.limit = limit;
	vm.out.over = false;
}

void
out_put(const void *p, size_t n)
{
	struct out *o = &vm.out;

	if (o->over || n > o->limit - o->n) {
		o->over = true;
		return;
	}
	if (o->n + n > o->cap) {
		size_t cap = o->cap < 4096 ? 4096 : o->cap;
		char *q;

		while (cap < o->n + n)
			cap *= 2;
		q = realloc(o->p, cap);
		if (q == NULL)
			vm_end(SANDBOX_OOM, "memory limit exceeded");
		o->p = q;
		o->cap = cap;
	}
	if (n > 0)
		memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void
out_puts(const char *s)
{
	out_put(s, strlen(s));
}

/* Length of the well-formed UTF-8 sequence at p, or 0. */
static size_t
utf8_length(const unsigned char *p, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c;

	if (n <= 1)
		return n;
	if (n > left || p[0] > 0xf4)
		return 0;
	c = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

static bool
is_utf8(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;
	size_t k;

	while (p < end && (k = utf8_length(p, (size_t)(end - p))) > 0)
		p += k;
	return p == end;
}

static void
put_string(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;

	out_put("\"", 1);
	while (p < end) {
		const unsigned char *from = p;
		char esc[8];
		size_t k = 0;

		while (p < end && *p != '"' && *p != '\\' && *p >= 0x20 &&
		       (k = utf8_length(p, (size_t)(end - p))) > 0)
			p += k;
		out_put(from, (size_t)(p - from));
		if (p == end)
			break;
		if (*p == '"' || *p == '\\')
			snprintf(esc, sizeof(esc), "\\%c", *p);
		else if (*p == '\n' || *p == '\t' || *p == '\r')
			snprintf(esc, sizeof(esc), "\\%c",
			    *p == '\n'   ? 'n'
			    : *p == '\t' ? 't'
					 : 'r');
		else if (*p < 0x20)
			snprintf(esc, sizeof(esc), "\\u%04x", *p);
		else
			snprintf(esc, sizeof(esc), "\xef\xbf\xbd");
		out_puts(esc);
		p++;
	}
	out_put("\"", 1);
}

static void
put_number(lua_State *L, int idx)
{
	char text[40];
	lua_Number v;

	if (lua_isinteger(L, idx)) {
		snprintf(text, sizeof(text), "%lld", (long long)lua_tointeger(L, idx));
		out_puts(text);
		return;
	}
	v = lua_tonumber(L, idx);
	if (!isfinite(v))
		luaL_error(L, "JSON has no number for %s", isnan(v) ? "nan" : "inf");
	if (v == floor(v) && fabs(v) < 0x1p63) {
		snprintf(text, sizeof(text), "%lld", (long long)v);
	} else {
		for (int digits = 15; digits <= 17; digits++) {
			snprintf(text, sizeof(text), "%.*g", digits, v);
			if (strtod(text, NULL) == v)
				break;
		}
	}
	out_puts(text);
}

struct key {
	const char *s; /* the table's own string, or digits */
	size_t n;
	lua_Integer number;
	bool is_number;
	char digits[24];
};

static int
key_order(const struct key *a, const struct key *b)
{
	const char *as = a->is_number ? a->digits : a->s, *bs = b->is_number ? b->digits : b->s;
	size_t n = a->n < b->n ? a->n : b->n;
	int c = n > 0 ? memcmp(as, bs, n) : 0;

	return c != 0 ? c : a->n < b->n ? -1 : a->n > b->n;
}

static void
key_sink(struct key *k, size_t at, size_t n)
{
	struct key moved = k[at];

	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && key_order(&k[child], &k[child + 1]) < 0)
			child++;
		if (key_order(&moved, &k[child]) >= 0)
			break;
		k[at] = k[child];
	}
	k[at] = moved;
}

static void
keys_sort(struct key *k, size_t n)
{
	for (size_t i = n / 2; i-- > 0;)
		key_sink(k, i, n);
	for (size_t i = n; i-- > 1;) {
		struct key top = k[0];

		k[0] = k[i];
		k[i] = top;
		key_sink(k, 0, i);
	}
}

static void put_value(lua_State *L, int idx, enum json_empty empty, int depth);

/* Collects the keys at `idx` and, from the table of remembered nulls at nulls_idx, those that are
 * still absent.  The array lives in a userdata on the stack, so that an error frees it. */
static size_t
keys_collect(lua_State *L, int idx, int nulls_idx, struct key *keys)
{
	size_t n = 0;
	const int from[2] = { idx, nulls_idx };

	for (int pass = 0; pass < 2; pass++) {
		if (from[pass] == 0)
			continue;
		for (lua_pushnil(L); lua_next(L, from[pass]); lua_pop(L, 1)) {
			struct key *k = &keys[n];

			if (pass == 1) {
				lua_pushvalue(L, -2);
				bool present = lua_rawget(L, idx) != LUA_TNIL;

				lua_pop(L, 1);
				if (present)
					continue;
			}
			*k = (struct key){ .is_number = lua_type(L, -2) == LUA_TNUMBER };
			if (k->is_number && lua_isinteger(L, -2)) {
				k->number = lua_tointeger(L, -2);
				k->n = (size_t)snprintf(
				    k->digits, sizeof(k->digits), "%lld", (long long)k->number);
			} else if (lua_type(L, -2) == LUA_TSTRING) {
				k->s = lua_tolstring(L, -2, &k->n);
			} else {
				luaL_error(L, "JSON cannot have a %s as a key",
				    k->is_number ? "fraction" : luaL_typename(L, -2));
			}
			n++;
		}
	}
	return n;
}

static void
put_object(lua_State *L, int idx, size_t count, enum json_empty empty, int depth)
{
	int nulls_idx = 0;
	struct key *keys;
	size_t n;

	if (luaL_getmetafield(L, idx, "__nulls") == LUA_TTABLE) {
		nulls_idx = lua_gettop(L);
		for (lua_pushnil(L); lua_next(L, nulls_idx); lua_pop(L, 1))
			count++;
	}
	keys = lua_newuserdatauv(L, (count + 1) * sizeof(*keys), 0);
	n = keys_collect(L, idx, nulls_idx, keys);
	keys_sort(keys, n);
	out_put("{", 1);
	for (size_t i = 0; i < n && !vm.out.over; i++) {
		const char *s = keys[i].is_number ? keys[i].digits : keys[i].s;

		if (i > 0 && key_order(&keys[i - 1], &keys[i]) == 0)
			luaL_error(
			    L, "key %s stands in the table twice, as number and as string", s);
		if (!is_utf8(s, keys[i].n)) /* repaired, two keys could become one */
			luaL_error(L, "a key is not UTF-8");
		if (i > 0)
			out_put(",", 1);
		put_string(s, keys[i].n);
		out_put(":", 1);
		if (keys[i].is_number)
			lua_pushinteger(L, keys[i].number);
		else
			lua_pushlstring(L, s, keys[i].n);
		lua_rawget(L, idx);
		put_value(L, lua_gettop(L), empty, depth + 1);
		lua_pop(L, 1);
	}
	out_put("}", 1);
}

static bool
is_marked(lua_State *L, int idx)
{
	bool marked;

	if (!lua_getmetatable(L, idx))
		return false;
	marked = lua_topointer(L, -1) == vm.array_mt;
	lua_pop(L, 1);
	return marked;
}

static void
put_table(lua_State *L, int idx, enum json_empty empty, int depth)
{
	size_t count = 0;
	lua_Integer top = 0;
	bool marked = is_marked(L, idx), list = true;
	int before = lua_gettop(L);

	if (depth > FRAME_DEPTH_MAX)
		luaL_error(L, "nested deeper than %d levels, or contains itself", FRAME_DEPTH_MAX);
	luaL_checkstack(L, 12, "JSON");
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		lua_Integer k = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;

		count++;
		list = list && k > 0;
		top = k > top ? k : top;
	}
	if (!list || (!marked && count > 0 && (lua_Unsigned)top != count) ||
	    (marked && (lua_Unsigned)top > 2 * count + 64) ||
	    (count == 0 && !marked &&
		(empty == EMPTY_IS_OBJECT || luaL_getmetafield(L, idx, "__nulls") != LUA_TNIL))) {
		lua_settop(L, before);
		put_object(L, idx, count, empty, depth);
		lua_settop(L, before);
		return;
	}
	out_put("[", 1);
	for (lua_Integer i = 1; i <= top && !vm.out.over; i++) {
		if (i > 1)
			out_put(",", 1);
		lua_rawgeti(L, idx, i);
		put_value(L, before + 1, empty, depth + 1);
		lua_settop(L, before);
	}
	out_put("]", 1);
}

static void
put_value(lua_State *L, int idx, enum json_empty empty, int depth)
{
	size_t n;
	const char *s;

	switch (lua_type(L, idx)) {
	case LUA_TNIL:
		out_puts("null");
		break;
	case LUA_TBOOLEAN:
		out_puts(lua_toboolean(L, idx) ? "true" : "false");
		break;
	case LUA_TNUMBER:
		put_number(L, idx);
		break;
	case LUA_TSTRING:
		s = lua_tolstring(L, idx, &n);
		put_string(s, n);
		break;
	case LUA_TTABLE:
		put_table(L, idx, empty, depth);
		break;
	case LUA_TLIGHTUSERDATA: /* there is only one: null */
		out_puts("null");
		break;
	default:
		luaL_error(L, "JSON cannot hold a %s", luaL_typename(L, idx));
	}
}

void
json_put(lua_State *L, int idx, enum json_empty empty)
{
	put_value(L, lua_absindex(L, idx), empty, 1);
}

/* ---- bytes in ---- */

struct in {
	lua_State *L;
	const char *p, *end;
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
		in->p += 2;
		if (!take_hex4(in, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xd800 && c < 0xe000) {
		c = 0xfffd;
	}
	n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (int i = n - 1; i > 0; i--, c >>= 6)
		text[i] = (char)(0x80 | (c & 0x3f));
	text[0] = n == 1 ? (char)c : (char)((0xf00u >> n & 0xffu) | c);
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
	default:
		return (*in->p == '-' || (*in->p >= '0' && *in->p <= '9')) && push_number(in);
	}
}

bool
json_push(lua_State *L, const char *p, size_t n, size_t *bad_at)
{
	struct in in = { .L = L, .p = p, .end = p + n };
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

/* ---- what scripts see ---- */

static int
lua_encode(lua_State *L)
{
	luaL_checkany(L, 1);
	out_reset((size_t)16 << 20);
	json_put(L, 1, EMPTY_IS_ARRAY);
	if (vm.out.over)
		return luaL_error(L, "json.encode: the text is too large (limit 16777216 bytes)");
	lua_pushlstring(L, vm.out.p, vm.out.n);
	return 1;
}

static int
lua_decode(lua_State *L)
{
	size_t n, at;
	const char *s = luaL_checklstring(L, 1, &n);

	if (!json_push(L, s, n, &at))
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
