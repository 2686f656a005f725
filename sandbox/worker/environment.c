/* SPDX-License-Identifier: Apache-2.0 */
/*
 * environment - what a script can see.
 *
 * Libraries are opened one by one into throw-away tables and only the names listed here are copied
 * into a new table of globals, so nothing forgotten remains.  Replaced: what shows an address
 * (tostring, print, %p), what never ends (string.rep of nothing), what hides a thread from the CPU
 * hook (coroutine.resume, wrap), and setmetatable, which installs a filtered copy: the events
 * __gc, __close, __mode and __concat are the preconditions of four memory errors in Debian's Lua.
 * Gone: load, dofile, require, collectgarbage, string.dump and pack, math.randomseed (returns an
 * address), coroutine.close (out-of-bounds read), io, os, package, debug.
 *
 * Tests also run every attack with the stock libraries put back (tests/worker/raw.c): the process
 * alone contains it.
 */
#include <string.h>

#include "sandbox/worker/worker.h"

const char *
safe_tostring(lua_State *L, int idx, size_t *n)
{
	idx = lua_absindex(L, idx);
	switch (lua_type(L, idx)) {
	case LUA_TNUMBER:
	case LUA_TSTRING:
		lua_pushvalue(L, idx);
		break;
	case LUA_TBOOLEAN:
		lua_pushstring(L, lua_toboolean(L, idx) ? "true" : "false");
		break;
	case LUA_TNIL:
		lua_pushliteral(L, "nil");
		break;
	default:
		if (luaL_callmeta(L, idx, "__tostring")) {
			if (!lua_isstring(L, -1))
				luaL_error(L, "'__tostring' must return a string");
		} else {
			int kind = luaL_getmetafield(L, idx, "__name");

			if (kind == LUA_TSTRING)
				break;
			if (kind !=
			    LUA_TNIL) /* exactly one value is pushed, whatever is set there */
				lua_pop(L, 1);
			lua_pushstring(L, luaL_typename(L, idx));
		}
	}
	return lua_tolstring(L, -1, n);
}

static int
encode_one(lua_State *L)
{
	out_reset(FRAME_LOG_MAX);
	json_put(L, 1, JSON_TEXT);
	lua_pushlstring(L, vm.out.p, vm.out.n);
	return 1;
}

/* A table prints as JSON when it can be said in JSON and has no name of its own. */
void
push_printed(lua_State *L, int idx)
{
	if (lua_istable(L, idx) && luaL_getmetafield(L, idx, "__tostring") == LUA_TNIL) {
		lua_pushcfunction(L, encode_one);
		lua_pushvalue(L, idx);
		if (lua_pcall(L, 1, 1, 0) == LUA_OK && !vm.out.over)
			return;
		lua_pop(L, 1);
		lua_pushliteral(L, "table");
		return;
	}
	safe_tostring(L, idx, NULL);
}

/* As text: what is in a table is worth more than that it is one. */
static void
push_text(lua_State *L, int idx)
{
	bool filled = false;

	if (lua_istable(L, idx)) {
		lua_pushnil(L);
		filled = lua_next(L, idx) != 0;
		if (filled)
			lua_pop(L, 2);
	}
	if (filled)
		push_printed(L, idx);
	else
		safe_tostring(L, idx, NULL);
}

/* print(...); and, upvalue 1 true, io.write(...). */
int
environment_print(lua_State *L)
{
	bool bare = lua_toboolean(L, lua_upvalueindex(1));
	int n = lua_gettop(L);
	luaL_Buffer b;
	const char *s;
	size_t len;

	luaL_checkstack(L, 8, "print");
	lua_createtable(L, n, 0);
	for (int i = 1; i <= n; i++) {
		push_printed(L, i);
		lua_rawseti(L, n + 1, i);
		lua_settop(L, n + 1);
	}
	luaL_buffinit(L, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1 && !bare)
			luaL_addchar(&b, '\t');
		lua_rawgeti(L, n + 1, i);
		luaL_addvalue(&b);
	}
	if (!bare)
		luaL_addchar(&b, '\n');
	luaL_pushresult(&b);
	s = lua_tolstring(L, -1, &len);
	vm.log_bytes += len;
	if (vm.log_bytes > FRAME_LOG_MAX)
		vm_end(SANDBOX_OUTPUT, "printed more than 65536 bytes");
	wire_send((struct frame_head){ .body_bytes = (uint32_t)len, .type = FRAME_LOG }, s);
	return 0;
}

static int
env_tostring(lua_State *L)
{
	luaL_checkany(L, 1);
	push_text(L, 1);
	return 1;
}

/* The stock one takes nil and text, and says so only when it is called again, or never. */
static int
env_ipairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	record_looped(L, 1);
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 1, 3);
	return 3;
}

/* Lua's own function, upvalue 1, on all that is on the stack.  Called from C it has no name for its
 * errors, and no line. */
static int
call_stock(lua_State *L, const char *name)
{
	const char *message, *at;

	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	if (lua_pcall(L, lua_gettop(L) - 1, 1, 0) == LUA_OK)
		return 1;
	luaL_where(L, 1);
	message = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
	at = strstr(message, "'?'");
	if (at == NULL)
		return luaL_error(L, "%s", message);
	lua_pushlstring(L, message, (size_t)(at - message));
	lua_pushfstring(L, "'%s'%s", name, at + 3);
	lua_concat(L, 3);
	return lua_error(L);
}

static int
env_format(lua_State *L)
{
	size_t n;
	const char *f = luaL_checklstring(L, 1, &n), *end = f + n;
	int arg = 1;

	for (; f < end; f++) {
		if (*f != '%')
			continue;
		if (++f < end && *f == '%')
			continue;
		while (f < end && *f != '\0' && strchr("-+#0 .123456789", *f) != NULL)
			f++;
		if (f == end)
			break;
		arg++;
		if (*f == 'p')
			return luaL_error(L, "'%%p' is not available in this sandbox");
		if (*f == 's' && arg <= lua_gettop(L) && lua_type(L, arg) != LUA_TSTRING) {
			push_text(L, arg);
			lua_replace(L, arg);
		}
	}
	return call_stock(L, "format");
}

static int
env_rep(lua_State *L)
{
	const size_t most = (size_t)16 << 20;
	size_t n, sep;
	lua_Integer times;

	luaL_checklstring(L, 1, &n);
	times = luaL_checkinteger(L, 2);
	luaL_optlstring(L, 3, "", &sep);
	if (times <= 0 || n + sep == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if ((lua_Unsigned)times > most / (n + sep))
		return luaL_error(L, "resulting string too large (limit 16777216 bytes)");
	return call_stock(L, "rep");
}

static const char *const events[] = { "__index", "__newindex", "__call", "__tostring", "__name",
	"__len", "__eq", "__lt", "__le", "__unm", "__add", "__sub", "__mul", "__div", "__mod",
	"__pow", "__idiv", "__band", "__bor", "__bxor", "__shl", "__shr", "__bnot", "__pairs" };
static const char *const refused_events[] = { "__gc", "__close", "__mode", "__concat" };

static bool
is_sealed(lua_State *L, int idx)
{
	return luaL_getmetafield(L, idx, "__sealed") != LUA_TNIL;
}

#define METATABLES                                                                                 \
	32 /* room for the library's and those of some servers: no run has to make it              \
	    */

/* Upvalue 1: the script's metatable -> our copy of it, brought up to date at each call. */
static int
env_setmetatable(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
	lua_settop(L, 2);
	if (is_sealed(L, 1))
		return luaL_error(L, "cannot change a protected metatable");
	if (lua_isnil(L, 2)) {
		lua_setmetatable(L, 1);
		return 1;
	}
	for (size_t i = 0; i < sizeof(refused_events) / sizeof(*refused_events); i++) {
		lua_pushstring(L, refused_events[i]);
		if (lua_rawget(L, 2) != LUA_TNIL)
			return luaL_error(L, "metamethod '%s' is not available in this sandbox",
			    refused_events[i]);
		lua_pop(L, 1);
	}
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TTABLE) {
		lua_pop(L, 1);
		lua_createtable(L, 0, 8);
		lua_pushvalue(L, 2);
		lua_pushvalue(L, 3);
		lua_rawset(L, lua_upvalueindex(1));
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		lua_pushstring(L, events[i]);
		lua_pushvalue(L, -1);
		lua_rawget(L, 2);
		lua_rawset(L, 3);
	}
	lua_pushliteral(L, "__metatable");
	if (lua_rawget(L, 2) == LUA_TNIL) {
		lua_pop(L, 1);
		lua_pushvalue(L, 2); /* getmetatable() gives back what was set */
	} else {
		lua_pushboolean(L, 1);
		lua_setfield(L, 3, "__sealed");
	}
	lua_setfield(L, 3, "__metatable");
	lua_setmetatable(L, 1);
	lua_settop(L, 1);
	return 1;
}

/* ---- coroutines: whoever resumes says so ---- */

static int
resume(lua_State *L, lua_State *co, int args)
{
	int results, status;

	if (!lua_checkstack(co, args)) {
		lua_pushliteral(L, "too many arguments to resume");
		return -1;
	}
	lua_xmove(L, co, args);
	status = vm_resume(co, L, args, &results);
	if (status == LUA_OK || status == LUA_YIELD) {
		if (!lua_checkstack(L, results + 1)) {
			lua_pop(co, results);
			lua_pushliteral(L, "too many results to resume");
			return -1;
		}
		lua_xmove(co, L, results);
		return results;
	}
	lua_xmove(co, L, 1);
	return -1;
}

static int
env_resume(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);
	int n;

	luaL_argexpected(L, co != NULL, 1, "coroutine");
	n = resume(L, co, lua_gettop(L) - 1);
	lua_pushboolean(L, n >= 0);
	lua_insert(L, n >= 0 ? -(n + 1) : -2);
	return n >= 0 ? n + 1 : 2;
}

static int
wrapped(lua_State *L)
{
	int n = resume(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));

	if (n >= 0)
		return n;
	if (lua_type(L, -1) == LUA_TSTRING) { /* as the stock one: where the generator was called */
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

static int
env_wrap(lua_State *L)
{
	lua_State *co;

	luaL_checktype(L, 1, LUA_TFUNCTION);
	co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	lua_pushcclosure(L, wrapped, 1);
	return 1;
}

/* ---- assembling ---- */

static const char base_names[] =
    "assert error ipairs next pairs pcall rawequal rawget rawlen rawset "
    "select getmetatable tonumber type xpcall _VERSION ";
static const struct {
	const char *name;
	lua_CFunction open;
	const char *names;
} libraries[] = {
	{ "string", luaopen_string,
	    "byte char find format gmatch gsub len lower match rep reverse sub upper " },
	{ "table", luaopen_table, "concat insert move pack remove sort unpack " },
	{ "math", luaopen_math,
	    "abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min "
	    "mininteger modf pi rad random sin sqrt tan tointeger type ult " },
	{ "coroutine", luaopen_coroutine, "create isyieldable running status yield " },
	{ "utf8", luaopen_utf8, "char charpattern codepoint codes len offset " },
};

/* Copies the named fields of the table on top into a new table, which takes its place. */
static void
keep_only(lua_State *L, const char *names)
{
	lua_newtable(L);
	for (const char *end; (end = strchr(names, ' ')) != NULL; names = end + 1) {
		lua_pushlstring(L, names, (size_t)(end - names));
		lua_pushvalue(L, -1);
		lua_gettable(L, -4);
		lua_rawset(L, -3);
	}
	lua_remove(L, -2);
}

/* A field of a text, or of `string`, that is not there: nil, as ever.  Should the script return
 * nothing in the end, it is told which (notes.c). */
static int
string_missing(lua_State *L)
{
	if (lua_type(L, 2) == LUA_TSTRING)
		notes_missed(L, lua_tostring(L, 2));
	return 0;
}

static void
wrap_string(lua_State *L)
{
	lua_getglobal(L, "string");
	lua_getfield(L, -1, "format");
	lua_pushcclosure(L, env_format, 1);
	lua_setfield(L, -2, "format");
	lua_getfield(L, -1, "rep");
	lua_pushcclosure(L, env_rep, 1);
	lua_setfield(L, -2, "rep");
	lua_createtable(L, 0, 2);
	lua_pushcfunction(L, string_missing);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_settop(L, 0);
}

void
environment_open(lua_State *L)
{
	lua_pushcfunction(L, luaopen_math);
	lua_call(L, 0, 1);
	lua_getfield(L, -1, "randomseed");
	vm.randomseed_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_settop(L, 0);
	lua_pushcfunction(L, luaopen_base);
	lua_call(L, 0, 1);
	keep_only(L, base_names);
	lua_getfield(L, -1, "error");
	vm.error = lua_tocfunction(L, -1);
	lua_pop(L, 1);
	lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
		lua_pushcfunction(L, libraries[i].open);
		lua_call(L, 0, 1);
		keep_only(L, libraries[i].names);
		lua_setglobal(L, libraries[i].name);
	}
	lua_getglobal(L, "coroutine");
	lua_pushcfunction(L, env_resume);
	lua_setfield(L, -2, "resume");
	lua_pushcfunction(L, env_wrap);
	lua_setfield(L, -2, "wrap");
	lua_pop(L, 1);
	wrap_string(L);
	lua_createtable(L, 0, METATABLES);
	lua_pushcclosure(L, env_setmetatable, 1);
	lua_setglobal(L, "setmetatable");
	lua_register(L, "tostring", env_tostring);
	lua_pushboolean(L, false);
	lua_pushcclosure(L, environment_print, 1);
	lua_setglobal(L, "print");
	json_open(L);
	record_open(L);
	library_open(L); /* with the stock ipairs: its lists are lists */
	lua_getglobal(L, "ipairs");
	lua_pushcclosure(L, env_ipairs, 1);
	lua_setglobal(L, "ipairs");
	snippet_open(L); /* last: it has what a script has */
}
