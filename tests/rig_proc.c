/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig_proc - child processes, folders and the test clock for the scenario rig.
 *
 * A child gets exactly the environment and descriptors it is given, dies with the rig, and leads a
 * process group of its own, so that a scenario can end it with everything it started.
 *
 * The clock is one shared page (struct clock_page, as the gateway's loop declares it): the rig
 * stores new times, rings wake_fd, and the gateway rings done_fd once a turn found nothing more to
 * do.  The gateway starts counting from the page's times, and they move only by hand.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "tests/rig.h"

#define CLOCK_PAGE_MAGIC 0x746c676174656b63ull
#define CLOCK_TYPE       "rig.clock"

struct clock_page {
	_Atomic uint64_t magic;
	_Atomic int64_t wall_ns;
	_Atomic int64_t mono_ms;
	int32_t wake_fd, done_fd;
};
struct clock_box {
	struct clock_page *page;
	int fd, wake_fd, done_fd;
};

/* The list at `index` as a NULL-terminated vector; it lives as long as the userdata pushed here. */
static char **
string_list(lua_State *L, int index)
{
	size_t n = (size_t)lua_rawlen(L, index);
	char **v = lua_newuserdatauv(L, (n + 1) * sizeof(*v), 0);
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, index, (lua_Integer)i + 1);
		/* exec's prototype wants char *; it changes nothing. */
		union {
			const char *in;
			char *out;
		} s = { .in = luaL_checkstring(L, -1) };
		v[i] = s.out;
		lua_pop(L, 1); /* the list still holds it */
	}
	v[n] = NULL;
	return v;
}

static void
child_start(char **argv, char **envp, const char *cwd, const int fds[3], const int *keep, size_t n)
{
	sigset_t none;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setpgid(0, 0);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	if (cwd && chdir(cwd) != 0)
		_exit(126);
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			_exit(126);
	for (size_t i = 0; i < n; i++)
		(void)fcntl(keep[i], F_SETFD, 0);
	(void)execve(argv[0], argv, envp);
	dprintf(2, "cannot start %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static int
pipe_pair(int p[2])
{
	return pipe2(p, O_CLOEXEC);
}

/* sys.spawn(argv, env, cwd or nil, keep) -> pid, pidfd, in, out, err (our ends, not blocking) */
static int
sys_spawn(lua_State *L)
{
	char **argv = string_list(L, 1);
	char **envp = string_list(L, 2);
	const char *cwd = luaL_optstring(L, 3, NULL);
	int keep[8];
	size_t keep_n = (size_t)lua_rawlen(L, 4);
	int in[2], out[2], err[2];
	if (keep_n > 8)
		return luaL_error(L, "more than 8 descriptors to keep");
	for (size_t i = 0; i < keep_n; i++) {
		lua_rawgeti(L, 4, (lua_Integer)i + 1);
		keep[i] = (int)luaL_checkinteger(L, -1);
		lua_pop(L, 1);
	}
	if (pipe_pair(in) != 0 || pipe_pair(out) != 0 || pipe_pair(err) != 0)
		return luaL_error(L, "pipe: %s", strerror(errno));
	const int fds[3] = { in[0], out[1], err[1] };
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		child_start(argv, envp, cwd, fds, keep, keep_n);
	for (int i = 0; i < 3; i++)
		(void)close(fds[i]);
	if (pid < 0)
		return luaL_error(L, "fork: %s", strerror(errno));
	(void)setpgid(pid, pid);
	const int ours[3] = { in[1], out[0], err[0] };
	lua_pushinteger(L, pid);
	lua_pushinteger(L, (int)syscall(SYS_pidfd_open, pid, 0));
	for (int i = 0; i < 3; i++) {
		(void)fcntl(ours[i], F_SETFL, O_NONBLOCK);
		lua_pushinteger(L, ours[i]);
	}
	return 5;
}

/* sys.wait(pid) -> code (128 + signal when killed) | nil while it runs */
static int
sys_wait(lua_State *L)
{
	int st;
	if (waitpid((pid_t)luaL_checkinteger(L, 1), &st, WNOHANG) <= 0)
		return 0;
	lua_pushinteger(L, WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
	return 1;
}

/* sys.kill(pid, signal [, group]) */
static int
sys_kill(lua_State *L)
{
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);
	if (pid > 1)
		(void)kill(lua_toboolean(L, 3) ? -pid : pid, (int)luaL_checkinteger(L, 2));
	return 0;
}

/* sys.pidfd(pid) -> fd that reads once that process, anybody's, has ended | nil */
static int
sys_pidfd(lua_State *L)
{
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)luaL_checkinteger(L, 1), 0);
	if (fd < 0)
		return rig_fail(L, errno);
	lua_pushinteger(L, fd);
	return 1;
}

/* sys.reap(): collects every child and grandchild that has ended. */
static int
sys_reap(lua_State *L)
{
	(void)L;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return 0;
}

/* sys.folder() -> path of a new empty folder */
static int
sys_folder(lua_State *L)
{
	char path[] = "/tmp/tollgate-rig-XXXXXX";
	if (!mkdtemp(path))
		return luaL_error(L, "mkdtemp: %s", strerror(errno));
	lua_pushstring(L, path);
	return 1;
}

static int
sys_mkdir(lua_State *L)
{
	if (mkdir(luaL_checkstring(L, 1), 0700) != 0 && errno != EEXIST)
		return rig_fail(L, errno);
	lua_pushboolean(L, 1);
	return 1;
}

/* sys.list(folder) -> names | nil */
static int
sys_list(lua_State *L)
{
	const struct dirent *e;
	lua_Integer n = 0;
	DIR *d = opendir(luaL_checkstring(L, 1));
	if (!d)
		return rig_fail(L, errno);
	lua_newtable(L);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		lua_pushstring(L, e->d_name);
		lua_rawseti(L, -2, ++n);
	}
	(void)closedir(d);
	return 1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	(void)f;
	return remove(path);
}

/* sys.remove(path): a folder with all it holds; only folders that sys.folder() made. */
static int
sys_remove(lua_State *L)
{
	const char *path = luaL_checkstring(L, 1);
	if (strncmp(path, "/tmp/tollgate-rig-", 18) != 0 || strstr(path, ".."))
		return luaL_error(L, "not a folder of the rig: %s", path);
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

/* sys.write_file(path, text [, mode]) */
static int
sys_write_file(lua_State *L)
{
	size_t n;
	const char *path = luaL_checkstring(L, 1);
	const char *text = luaL_checklstring(L, 2, &n);
	mode_t mode = (mode_t)luaL_optinteger(L, 3, 0600);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return luaL_error(L, "%s: %s", path, strerror(errno));
	ssize_t w = write(fd, text, n);
	(void)close(fd);
	if (w < 0 || (size_t)w != n)
		return luaL_error(L, "%s: short write", path);
	return 0;
}

/* sys.watch(folder) -> fd that reads when something in it was created, renamed or closed */
static int
sys_watch(lua_State *L)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0 || inotify_add_watch(
			  fd, luaL_checkstring(L, 1), IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
		return luaL_error(L, "inotify: %s", strerror(errno));
	lua_pushinteger(L, fd);
	return 1;
}

/* ---- the test clock ---- */

/* sys.clock(wall_ns, mono_ms) -> clock */
static int
sys_clock(lua_State *L)
{
	lua_Integer wall_ns = luaL_checkinteger(L, 1);
	lua_Integer mono_ms = luaL_checkinteger(L, 2);
	struct clock_box *c = lua_newuserdatauv(L, sizeof(*c), 0);
	*c = (struct clock_box){ NULL, -1, -1, -1 };
	luaL_setmetatable(L, CLOCK_TYPE);
	c->fd = memfd_create("tollgate-clock", MFD_CLOEXEC);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd < 0 || c->wake_fd < 0 || c->done_fd < 0 || ftruncate(c->fd, 4096) != 0)
		return luaL_error(L, "test clock: %s", strerror(errno));
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (p == MAP_FAILED)
		return luaL_error(L, "test clock: %s", strerror(errno));
	c->page = p;
	c->page->wake_fd = c->wake_fd;
	c->page->done_fd = c->done_fd;
	atomic_store(&c->page->wall_ns, wall_ns);
	atomic_store(&c->page->mono_ms, mono_ms);
	atomic_store(&c->page->magic, CLOCK_PAGE_MAGIC);
	return 1;
}

/* clock:move(ms): forward (or, wall only, back), and asks for an answer on its done descriptor. */
static int
clock_move(lua_State *L)
{
	struct clock_box *c = luaL_checkudata(L, 1, CLOCK_TYPE);
	lua_Integer ms = luaL_checkinteger(L, 2);
	uint64_t one = 1, old;
	(void)!read(c->done_fd, &old, sizeof(old));
	atomic_fetch_add(&c->page->wall_ns, ms * 1000000);
	if (ms > 0)
		atomic_fetch_add(&c->page->mono_ms, ms);
	if (write(c->wake_fd, &one, sizeof(one)) != sizeof(one))
		return luaL_error(L, "test clock: %s", strerror(errno));
	return 0;
}

/* clock:fds() -> page, wake, done */
static int
clock_fds(lua_State *L)
{
	const struct clock_box *c = luaL_checkudata(L, 1, CLOCK_TYPE);
	lua_pushinteger(L, c->fd);
	lua_pushinteger(L, c->wake_fd);
	lua_pushinteger(L, c->done_fd);
	return 3;
}

/* clock:times() -> wall_ns, mono_ms */
static int
clock_times(lua_State *L)
{
	const struct clock_box *c = luaL_checkudata(L, 1, CLOCK_TYPE);
	lua_pushinteger(L, atomic_load(&c->page->wall_ns));
	lua_pushinteger(L, atomic_load(&c->page->mono_ms));
	return 2;
}

static int
clock_gc(lua_State *L)
{
	struct clock_box *c = luaL_checkudata(L, 1, CLOCK_TYPE);
	if (c->page)
		(void)munmap(c->page, 4096);
	(void)close(c->fd);
	(void)close(c->wake_fd);
	(void)close(c->done_fd);
	*c = (struct clock_box){ NULL, -1, -1, -1 };
	return 0;
}

static const luaL_Reg CLOCK[] = {
	{ "move", clock_move },
	{ "fds", clock_fds },
	{ "times", clock_times },
	{ "__gc", clock_gc },
	{ NULL, NULL },
};

static const luaL_Reg PROC[] = {
	{ "spawn", sys_spawn },
	{ "wait", sys_wait },
	{ "kill", sys_kill },
	{ "pidfd", sys_pidfd },
	{ "reap", sys_reap },
	{ "folder", sys_folder },
	{ "mkdir", sys_mkdir },
	{ "list", sys_list },
	{ "remove", sys_remove },
	{ "write_file", sys_write_file },
	{ "watch", sys_watch },
	{ "clock", sys_clock },
	{ NULL, NULL },
};

void
rig_add_proc(lua_State *L)
{
	luaL_newmetatable(L, CLOCK_TYPE);
	lua_pushvalue(L, -1);
	lua_setfield(L, -2, "__index");
	luaL_setfuncs(L, CLOCK, 0);
	lua_pop(L, 1);
	luaL_setfuncs(L, PROC, 0);
}
