/* SPDX-License-Identifier: Apache-2.0 */
/* beside - what the sandbox is measured beside: fork+exit, a plain lua_State, lua5.4. */
#include <lauxlib.h>
#include <lualib.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/sandbox/bench.h"

static int forker[2]; /* to and from build/bench/fork */

void
open_forker(void)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) != 0 || pipe(from) != 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		(void)dup2(to[0], 0);
		(void)dup2(from[1], 1);
		(void)closefrom(3);
		(void)execl("build/bench/fork", "fork", (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	forker[0] = to[1];
	forker[1] = from[0];
}

void
close_forker(void)
{
	close(forker[0]);
	close(forker[1]);
	(void)wait(NULL);
}

int64_t
time_fork(void)
{
	int64_t ns = 0;

	if (write(forker[0], "x", 1) != 1 || read(forker[1], &ns, sizeof(ns)) != sizeof(ns))
		die("build/bench/fork has ended");
	return ns;
}

int64_t
time_lua_state(void)
{
	int64_t from = now_ns();
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	if (luaL_dostring(L, source) != LUA_OK)
		die("lua");
	lua_close(L);
	return now_ns() - from;
}

int64_t
time_exec(const char *path)
{
	char *code = strdup(source);
	char *const argv[] = { strdup(path), strdup("-e"), code, NULL };
	char *const none[] = { NULL };
	int64_t from;
	int status;
	pid_t pid;

	from = now_ns();
	if (posix_spawn(&pid, path, NULL, NULL, argv, none) != 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	from = now_ns() - from;
	free(argv[0]);
	free(argv[1]);
	free(code);
	return from;
}
