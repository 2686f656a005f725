/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake - a Lua program that may look into folders and ask SQLite.
 *
 *	fake SCRIPT.lua ARGUMENT...
 *
 * The bundled tool servers of bench/codemode are Lua (fakes.lua says which), so are their data
 * (seed.lua); what Lua lacks for them is here and no more:
 *
 *	fs.list(path)            sorted list of { name, dir }, or nil and why
 *	fs.mkdir(path)           true, also when it was there; or nil and why
 *	sql.open(path)           a database, made when it is not there
 *	db:query(text, values)   its rows, one table by column each; raises what SQLite says
 *
 * It is a part of tests and benches; the gateway links nothing of it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <sqlite3.h>

#define DB_TYPE "fake.db"

static int
failed(lua_State *L, const char *path)
{
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", path, strerror(errno));
	return 2;
}

static int
visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int
fs_list(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	struct dirent **names;
	int n = scandir(path, &names, visible, alphasort);

	if (n < 0)
		return failed(L, path);
	lua_createtable(L, n, 0);
	for (int i = 0; i < n; i++) {
		lua_createtable(L, 0, 2);
		lua_pushstring(L, names[i]->d_name);
		lua_setfield(L, -2, "name");
		lua_pushboolean(L, names[i]->d_type == DT_DIR);
		lua_setfield(L, -2, "dir");
		lua_rawseti(L, -2, i + 1);
		free(names[i]);
	}
	free(names);
	return 1;
}

static int
fs_mkdir(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return failed(L, path);
	lua_pushboolean(L, 1);
	return 1;
}

static int
sql_open(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	sqlite3 **db = lua_newuserdatauv(L, sizeof(sqlite3 *), 0);

	*db = NULL;
	luaL_setmetatable(L, DB_TYPE);
	if (sqlite3_open(path, db) != SQLITE_OK)
		return luaL_error(L, "%s: %s", path, sqlite3_errmsg(*db));
	return 1;
}

static int
sql_close(lua_State *L)
{
	sqlite3 **db = luaL_checkudata(L, 1, DB_TYPE);

	sqlite3_close(*db);
	*db = NULL;
	return 0;
}

/* The values at index 3 are the statement's parameters. */
static void
bind(lua_State *L, sqlite3_stmt *st)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(st); i++) {
		int isnum;
		lua_Integer n;
		const char *text;
		size_t len;

		lua_rawgeti(L, 3, i);
		n = lua_tointegerx(L, -1, &isnum);
		if (isnum && lua_type(L, -1) == LUA_TNUMBER)
			sqlite3_bind_int64(st, i, n);
		else if (lua_type(L, -1) == LUA_TNUMBER)
			sqlite3_bind_double(st, i, lua_tonumber(L, -1));
		else if (lua_type(L, -1) == LUA_TSTRING && (text = lua_tolstring(L, -1, &len)))
			sqlite3_bind_text(st, i, text, (int)len, SQLITE_TRANSIENT);
		else
			sqlite3_bind_null(st, i);
		lua_pop(L, 1);
	}
}

static void
push_row(lua_State *L, sqlite3_stmt *st)
{
	int n = sqlite3_column_count(st);

	lua_createtable(L, 0, n);
	for (int i = 0; i < n; i++) {
		switch (sqlite3_column_type(st, i)) {
		case SQLITE_INTEGER:
			lua_pushinteger(L, sqlite3_column_int64(st, i));
			break;
		case SQLITE_FLOAT:
			lua_pushnumber(L, sqlite3_column_double(st, i));
			break;
		case SQLITE_NULL:
			lua_pushnil(L);
			break;
		default:
			lua_pushlstring(L, (const char *)sqlite3_column_text(st, i),
			    (size_t)sqlite3_column_bytes(st, i));
		}
		lua_setfield(L, -2, sqlite3_column_name(st, i));
	}
}

static int
sql_query(lua_State *L)
{
	sqlite3 *db = *(sqlite3 **)luaL_checkudata(L, 1, DB_TYPE);
	const char *text = luaL_checkstring(L, 2);
	sqlite3_stmt *st;
	int rc, n = 0;

	if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK)
		return luaL_error(L, "%s", sqlite3_errmsg(db));
	if (lua_istable(L, 3))
		bind(L, st);
	lua_newtable(L);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		push_row(L, st);
		lua_rawseti(L, -2, ++n);
	}
	sqlite3_finalize(st);
	if (rc != SQLITE_DONE)
		return luaL_error(L, "%s", sqlite3_errmsg(db));
	return 1;
}

static const luaL_Reg fs_functions[] = { { "list", fs_list }, { "mkdir", fs_mkdir },
	{ NULL, NULL } };
static const luaL_Reg sql_functions[] = { { "open", sql_open }, { NULL, NULL } };
static const luaL_Reg db_methods[] = { { "query", sql_query }, { "__gc", sql_close },
	{ NULL, NULL } };

int
main(int argc, char **argv)
{
	lua_State *L = luaL_newstate();

	if (argc < 2 || L == NULL) {
		fputs("usage: fake SCRIPT.lua ARGUMENT...\n", stderr);
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	luaL_openlibs(L);
	luaL_newlib(L, fs_functions);
	lua_setglobal(L, "fs");
	luaL_newlib(L, sql_functions);
	lua_setglobal(L, "sql");
	luaL_newmetatable(L, DB_TYPE);
	luaL_setfuncs(L, db_methods, 0);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	if (luaL_loadfile(L, argv[1]) == LUA_OK) {
		for (int i = 2; i < argc; i++)
			lua_pushstring(L, argv[i]);
		if (lua_pcall(L, argc - 2, 0, 0) == LUA_OK) {
			lua_close(L);
			return 0;
		}
	}
	fprintf(stderr, "%s: %s\n", argv[1], lua_tostring(L, -1));
	return 1;
}
