/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode - Lua to JSON.
 *
 * Keys are written sorted, so equal values give equal bytes.  A float with an integral value is
 * written without a fraction (10/2 is 5.0 in Lua and 5 in JSON).  A table is a list when it has
 * the keys 1 to n and no other, an object otherwise: {1, nil, 3} and {1, x=2} are objects whose
 * keys are digits.  Marked as an array it may have gaps, written as null.  An object sends the
 * nulls that codec.c remembered for it, where nothing was put since.
 *
 * nan, inf, functions, a key that is a fraction or not UTF-8, and a table inside itself cannot be
 * said: the error names the place.  A string that is not UTF-8 is repaired.
 *
 * Recurses at most FRAME_DEPTH_MAX deep.  Never allocates from Lua but for the sorting of keys.
 * No qsort(): glibc's asks the kernel how much memory there is, and the lock kills for that.
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
out_free(void)
{
	free(vm.out.p);
	vm.out = (struct out){ 0 };
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
put_inner(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;

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
}

static void
put_string(const char *s, size_t n)
{
	out_put("\"", 1);
	put_inner(s, n);
	out_put("\"", 1);
}

/* The way down to the value that is being written: tells a cycle, and where something is wrong. */
struct put {
	lua_State *L;
	enum json_for how;
	int depth;
	struct level {
		const void *table;
		const char *key; /* NULL: an item */
		size_t n;
		lua_Integer index;
	} at[FRAME_DEPTH_MAX + 1];
};

/* "JSON has no number for nan (at rows[3].price)" */
static int
refuse(const struct put *p, const char *what)
{
	lua_State *L = p->L;
	char path[160];
	size_t n = 0;

	for (int i = 1; i <= p->depth && n < sizeof(path) - 40; i++) {
		const struct level *l = &p->at[i];
		int k = l->key == NULL
			    ? snprintf(path + n, sizeof(path) - n, "[%lld]", (long long)l->index)
			    : snprintf(path + n, sizeof(path) - n, "%s%.*s", n > 0 ? "." : "",
				  l->n > 30 ? 30 : (int)l->n, l->key);

		n += (size_t)k;
	}
	if (n == 0)
		return luaL_error(L, "%s", what);
	return luaL_error(L, "%s (at %s%s)", what, path, n >= sizeof(path) - 40 ? "..." : "");
}

static void
put_number(const struct put *p, int idx)
{
	lua_State *L = p->L;
	char text[40];
	lua_Number v;

	if (lua_isinteger(L, idx)) {
		snprintf(text, sizeof(text), "%lld", (long long)lua_tointeger(L, idx));
		out_puts(text);
		return;
	}
	v = lua_tonumber(L, idx);
	if (!isfinite(v))
		refuse(p, isnan(v) ? "JSON has no number for nan" : "JSON has no number for inf");
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

static void put_value(struct put *p, int idx);

/* Collects the keys at `idx` and, from the table of remembered nulls at nulls_idx, those that are
 * still absent.  The array lives in a userdata on the stack, so that an error frees it. */
static size_t
keys_collect(const struct put *p, int idx, int nulls_idx, struct key *keys)
{
	lua_State *L = p->L;
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
				refuse(p, lua_pushfstring(L, "JSON cannot have a %s as a key",
					      k->is_number ? "fraction" : luaL_typename(L, -2)));
			}
			n++;
		}
	}
	return n;
}

/* The member `key` of the table at idx. */
static void
put_member(struct put *p, int idx, const struct key *key)
{
	const char *s = key->is_number ? key->digits : key->s;

	if (!is_utf8(s, key->n)) /* repaired, two keys could become one */
		refuse(p, "a key is not UTF-8");
	put_string(s, key->n);
	out_put(":", 1);
	if (key->is_number)
		lua_pushinteger(p->L, key->number);
	else
		lua_pushlstring(p->L, s, key->n);
	lua_rawget(p->L, idx);
	p->at[p->depth].key = s;
	p->at[p->depth].n = key->n;
	put_value(p, lua_gettop(p->L));
	lua_pop(p->L, 1);
}

static void
put_object(struct put *p, int idx, size_t count)
{
	lua_State *L = p->L;
	int nulls_idx = 0;
	struct key *keys;
	size_t n;

	if (luaL_getmetafield(L, idx, "__nulls") == LUA_TTABLE) {
		nulls_idx = lua_gettop(L);
		for (lua_pushnil(L); lua_next(L, nulls_idx); lua_pop(L, 1))
			count++;
	}
	keys = lua_newuserdatauv(L, (count + 1) * sizeof(*keys), 0);
	n = keys_collect(p, idx, nulls_idx, keys);
	keys_sort(keys, n);
	out_put("{", 1);
	for (size_t i = 0; i < n && !vm.out.over; i++) {
		if (i > 0 && key_order(&keys[i - 1], &keys[i]) == 0)
			refuse(p, lua_pushfstring(L,
				      "key %s stands in the table twice, as number and as string",
				      keys[i].is_number ? keys[i].digits : keys[i].s));
		if (i > 0)
			out_put(",", 1);
		put_member(p, idx, &keys[i]);
	}
	out_put("}", 1);
}

bool
json_is_array(lua_State *L, int idx)
{
	bool marked;

	if (!lua_getmetatable(L, idx))
		return false;
	marked = lua_topointer(L, -1) == vm.array_mt;
	lua_pop(L, 1);
	return marked;
}

/* One level down, to a table that is not among those above it. */
static void
descend(struct put *p, int idx)
{
	const void *table = lua_topointer(p->L, idx);

	for (int i = 1; i <= p->depth; i++)
		if (p->at[i].table == table)
			refuse(p, "JSON cannot hold a table that contains itself");
	if (p->depth == FRAME_DEPTH_MAX)
		refuse(p, lua_pushfstring(p->L, "nested deeper than %d levels", FRAME_DEPTH_MAX));
	luaL_checkstack(p->L, 12, "JSON");
	p->at[++p->depth] = (struct level){ .table = table, .key = "" };
}

/* A list has the keys 1 to n, all of them; one that is marked as an array may have gaps. */
static bool
is_list(const struct put *p, int idx, size_t *count, lua_Integer *top)
{
	lua_State *L = p->L;
	bool marked = json_is_array(L, idx), list = true;

	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		lua_Integer k = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;

		*count += 1;
		list = list && k > 0;
		*top = k > *top ? k : *top;
	}
	if (!list)
		return false;
	if (marked)
		return (lua_Unsigned)*top <= 2 * *count + 64;
	if (*count > 0)
		return (lua_Unsigned)*top == *count;
	return p->how != JSON_CALL && p->how != JSON_STATE &&
	       luaL_getmetafield(L, idx, "__nulls") == LUA_TNIL;
}

static void
put_table(struct put *p, int idx)
{
	lua_State *L = p->L;
	int before = lua_gettop(L);
	lua_Integer top = 0;
	size_t count = 0;

	descend(p, idx);
	if (!is_list(p, idx, &count, &top)) {
		lua_settop(L, before);
		put_object(p, idx, count);
		lua_settop(L, before);
		p->depth--;
		return;
	}
	out_put("[", 1);
	p->at[p->depth].key = NULL;
	for (lua_Integer i = 1; i <= top && !vm.out.over; i++) {
		if (i > 1)
			out_put(",", 1);
		p->at[p->depth].index = i;
		lua_rawgeti(L, idx, i);
		put_value(p, before + 1);
		lua_settop(L, before);
	}
	out_put("]", 1);
	p->depth--;
}

/* Does the gateway read this as a value of the wire (frame.h)? */
static bool
is_wire(const struct put *p)
{
	return p->how == JSON_CALL || p->how == JSON_RETURN;
}

/* NUL "#" ref, where the gateway reads it; there, a NUL at the start of a string is doubled. */
static void
put_handle(const struct put *p, int idx)
{
	char text[FRAME_REF_MAX + 2];
	const char *s;
	size_t n;

	if (!is_wire(p)) {
		s = blob_push(p->L, idx, "label", &n);
		put_string(s, n);
	} else {
		s = blob_push(p->L, idx, "ref", &n);
		n = n < FRAME_REF_MAX ? n : FRAME_REF_MAX;
		text[0] = '\0';
		text[1] = '#';
		memcpy(text + 2, s, n);
		put_string(text, n + 2);
	}
	lua_pop(p->L, 1);
}

static void
put_text(const struct put *p, const char *s, size_t n)
{
	out_put("\"", 1);
	if (is_wire(p) && n > 0 && s[0] == '\0')
		out_puts("\\u0000");
	put_inner(s, n);
	out_put("\"", 1);
}

static void
put_value(struct put *p, int idx)
{
	lua_State *L = p->L;
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
		put_number(p, idx);
		break;
	case LUA_TSTRING:
		s = lua_tolstring(L, idx, &n);
		put_text(p, s, n);
		break;
	case LUA_TTABLE:
		put_table(p, idx);
		break;
	case LUA_TLIGHTUSERDATA: /* there is only one: null */
		out_puts("null");
		break;
	default:
		if (!blob_is(L, idx))
			refuse(
			    p, lua_pushfstring(L, "JSON cannot hold a %s", luaL_typename(L, idx)));
		put_handle(p, idx);
	}
}

void
json_put(lua_State *L, int idx, enum json_for how)
{
	struct put p = { .L = L, .how = how };

	put_value(&p, lua_absindex(L, idx));
}
