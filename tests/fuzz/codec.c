/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's JSON codec against the gateway's: the worker's own objects and the real environment,
 * under the sanitizers (Debian's Lua is not instrumented, its memory is).  Oracle:
 *
 *	what the gateway's check accepts, the worker reads; what it writes, the gateway accepts;
 *	what was written reads back and writes the same bytes again (but for strings that begin
 *	with a zero, which are escaped); the Lua stack is as before.
 *
 * The first byte chooses for whom it is written; bit 7: the value is also indexed and changed
 *first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#define json_open worker_json_open /* both sides have one; see the Makefile */
#include "sandbox/worker/worker.h"
#undef json_open

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int __lsan_is_turned_off(void);

/* The state keeps memory from one input to the next: a search for leaks after each finds nothing.
 */
int
__lsan_is_turned_off(void)
{
	return 1;
}

static const enum json_for purposes[] = { JSON_TEXT, JSON_CALL, JSON_RETURN };
static char *written;
static size_t written_n;

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* In protected mode: the value at 1, the purpose at 2.  Gives true, or raises what it cannot say.
 */
static int
put(lua_State *L)
{
	out_reset((size_t)1 << 20);
	json_put(L, 1, purposes[lua_tointeger(L, 2)]);
	lua_pushboolean(L, !vm.out.over);
	return 1;
}

/* False: it was refused, as too large or as what JSON does not have. */
static bool
encode(lua_State *L, int idx, int purpose)
{
	int before = lua_gettop(L);
	bool ok;

	idx = lua_absindex(L, idx);
	lua_pushcfunction(L, put);
	lua_pushvalue(L, idx);
	lua_pushinteger(L, purpose);
	ok = lua_pcall(L, 2, 1, 0) == LUA_OK && lua_toboolean(L, -1);
	lua_settop(L, before);
	if (!ok)
		return false;
	free(written);
	written_n = vm.out.n;
	written = malloc(written_n + 1);
	must(written != NULL);
	memcpy(written, vm.out.p, written_n);
	written[written_n] = '\0';
	return true;
}

/* A nested null or array, and a list that is longer than it says. */
static void
change(lua_State *L)
{
	if (!lua_istable(L, -1))
		return;
	lua_pushlightuserdata(L, NULL);
	lua_rawseti(L, -2, 3);
	lua_pushliteral(L, "text");
	lua_rawseti(L, -2, 70);
	lua_pushnil(L);
	lua_setfield(L, -2, "a");
}

static void
round_trip(lua_State *L, int purpose)
{
	struct err e = { .code = ERR_NONE };
	size_t bad, first_n;
	char *first;

	if (!encode(L, -1, purpose))
		return;
	must(json_check((struct str){ written, written_n }, true, &e));
	first = written;
	first_n = written_n;
	written = NULL;
	must(json_push(L, first, first_n, &bad));
	must(encode(L, -1, purpose));
	/* A string that begins with a zero gets one more each time: see codemode/blob.h. */
	if (memmem(first, first_n, "\"\\u0000", 7) == NULL)
		must(written_n == first_n && memcmp(written, first, first_n) == 0);
	lua_pop(L, 1);
	free(first);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static lua_State *L;
	static unsigned inputs;
	struct err e = { .code = ERR_NONE };
	size_t bad = 0;
	bool ok, accepted;
	char *text;

	if (L == NULL) {
		L = vm_new((size_t)256 << 20);
		must(L != NULL);
	}
	if (n < 1)
		return 0;
	text = malloc(n); /* exactly as long as it is, but for the NUL behind it */
	must(text != NULL);
	memcpy(text, data + 1, n - 1);
	text[n - 1] = '\0';
	must(lua_gettop(L) == 0);
	accepted = json_check((struct str){ text, n - 1 }, false, &e);
	ok = json_push(L, text, n - 1, &bad);
	must(ok || bad <= n - 1);
	must(lua_gettop(L) == (ok ? 1 : 0));
	must(ok || !accepted);
	free(text);
	if (ok && (data[0] & 0x80) != 0)
		change(L);
	if (ok)
		round_trip(L, data[0] % 3);
	lua_settop(L, 0);
	if (++inputs % 512 == 0)
		lua_gc(L, LUA_GCCOLLECT);
	return 0;
}
