/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig_net - sockets for the scenario rig: non-blocking, loopback only, plain descriptors in Lua.
 *
 * Nothing here keeps state: rig.lua owns each descriptor and closes it when its test ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "tests/rig.h"

#define READ_BYTES_MAX (256 * 1024)

static int
stream_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;
	if (fd >= 0 && family == AF_INET)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* sys.listen([port]) -> fd, port; with one: where another has listened before */
static int
sys_listen(lua_State *L)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)luaL_optinteger(L, 1, 0)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = stream_socket(AF_INET), one = 1;
	if (fd < 0)
		return rig_fail(L, errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 1024) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
		int err = errno;
		(void)close(fd);
		return rig_fail(L, err);
	}
	lua_pushinteger(L, fd);
	lua_pushinteger(L, ntohs(a.sin_port));
	return 2;
}

/* sys.accept(fd) -> fd */
static int
sys_accept(lua_State *L)
{
	int one = 1;
	int fd = accept4((int)luaL_checkinteger(L, 1), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return rig_fail(L, errno);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	lua_pushinteger(L, fd);
	return 1;
}

/* sys.connect(port | path [, receive_bytes]) -> fd; the connection may still be under way */
static int
sys_connect(lua_State *L)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bool tcp = lua_isinteger(L, 1);
	int window = (int)luaL_optinteger(L, 2, 0);
	int fd = stream_socket(tcp ? AF_INET : AF_UNIX);
	int rc;
	if (fd < 0)
		return rig_fail(L, errno);
	if (window > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
	if (tcp) {
		in.sin_port = htons((uint16_t)lua_tointeger(L, 1));
		rc = connect(fd, (struct sockaddr *)&in, sizeof(in));
	} else {
		size_t n;
		const char *path = luaL_checklstring(L, 1, &n);
		if (n >= sizeof(un.sun_path)) {
			(void)close(fd);
			return luaL_error(L, "socket path too long: %s", path);
		}
		memcpy(un.sun_path, path, n + 1);
		rc = connect(fd, (struct sockaddr *)&un, sizeof(un));
	}
	if (rc != 0 && errno != EINPROGRESS) {
		int err = errno;
		(void)close(fd);
		return rig_fail(L, err);
	}
	lua_pushinteger(L, fd);
	return 1;
}

/* sys.read(fd, max) -> bytes | nil, "again" | "eof" | "reset" | ... */
static int
sys_read(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	lua_Integer max = luaL_optinteger(L, 2, 65536);
	luaL_Buffer b;
	if (max < 1 || max > READ_BYTES_MAX)
		return luaL_error(L, "read of %d bytes", (int)max);
	char *p = luaL_buffinitsize(L, &b, (size_t)max);
	ssize_t n = read(fd, p, (size_t)max);
	int err = errno;
	luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
	if (n > 0)
		return 1;
	if (n < 0)
		return rig_fail(L, err);
	lua_pushnil(L);
	lua_pushliteral(L, "eof");
	return 2;
}

/* sys.write(fd, bytes, offset) -> written | nil, why.  The offset counts from 0. */
static int
sys_write(lua_State *L)
{
	size_t n;
	int fd = (int)luaL_checkinteger(L, 1);
	const char *p = luaL_checklstring(L, 2, &n);
	lua_Integer from = luaL_optinteger(L, 3, 0);
	if (from < 0 || (size_t)from > n)
		return luaL_error(L, "write past the end");
	ssize_t w = write(fd, p + from, n - (size_t)from);
	if (w < 0)
		return rig_fail(L, errno);
	lua_pushinteger(L, w);
	return 1;
}

static int
sys_close(lua_State *L)
{
	(void)close((int)luaL_checkinteger(L, 1));
	return 0;
}

/* sys.finish(fd): no more bytes from us; reading goes on. */
static int
sys_finish(lua_State *L)
{
	(void)shutdown((int)luaL_checkinteger(L, 1), SHUT_WR);
	return 0;
}

/* sys.reset(fd): closes with RST. */
static int
sys_reset(lua_State *L)
{
	int fd = (int)luaL_checkinteger(L, 1);
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
	return 0;
}

/* sys.poll(fds, events, timeout_ms) -> revents list: two parallel lists, "r", "w" or "rw" each. */
static int
sys_poll(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TTABLE);
	int timeout_ms = (int)luaL_checkinteger(L, 3);
	size_t n = (size_t)lua_rawlen(L, 1);
	struct pollfd *p = lua_newuserdatauv(L, (n + 1) * sizeof(*p), 0);
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, 1, (lua_Integer)i + 1);
		lua_rawgeti(L, 2, (lua_Integer)i + 1);
		const char *want = luaL_checkstring(L, -1);
		p[i] = (struct pollfd){ .fd = (int)luaL_checkinteger(L, -2) };
		p[i].events =
		    (short)((strchr(want, 'r') ? POLLIN : 0) | (strchr(want, 'w') ? POLLOUT : 0));
		lua_pop(L, 2);
	}
	int rc = poll(p, n, timeout_ms);
	if (rc < 0 && errno != EINTR)
		return luaL_error(L, "poll: %s", strerror(errno));
	lua_newtable(L);
	for (size_t i = 0; rc > 0 && i < n; i++) {
		if (!p[i].revents)
			continue;
		lua_pushboolean(L, 1);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	return 1;
}

/* sys.now() -> milliseconds, monotonic, of this host */
static int
sys_now(lua_State *L)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	lua_pushinteger(L, (lua_Integer)t.tv_sec * 1000 + t.tv_nsec / 1000000);
	return 1;
}

/* One line into a file of /proc/self. */
static bool
proc_say(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(line);
	bool ok = fd >= 0 && write(fd, line, n) == (ssize_t)n;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* A network namespace of our own; without the right to it, inside a user namespace of our own,
 * under the same ids: the gateway must not take itself for root. */
static bool
namespace_new(void)
{
	char map[64];
	unsigned uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return false;
	(void)snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	if (!proc_say("/proc/self/setgroups", "deny") || !proc_say("/proc/self/uid_map", map))
		return false;
	(void)snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return proc_say("/proc/self/gid_map", map);
}

/* sys.loopback_only() -> true: from now on this process and its children reach 127.0.0.1 alone */
static int
sys_loopback_only(lua_State *L)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd;
	if (!namespace_new() || (fd = stream_socket(AF_INET)) < 0)
		return rig_fail(L, errno);
	int rc = ioctl(fd, SIOCSIFFLAGS, &lo), err = errno;
	(void)close(fd);
	if (rc != 0)
		return rig_fail(L, err);
	lua_pushboolean(L, 1);
	return 1;
}

static const luaL_Reg NET[] = {
	{ "loopback_only", sys_loopback_only },
	{ "listen", sys_listen },
	{ "accept", sys_accept },
	{ "connect", sys_connect },
	{ "read", sys_read },
	{ "write", sys_write },
	{ "close", sys_close },
	{ "finish", sys_finish },
	{ "reset", sys_reset },
	{ "poll", sys_poll },
	{ "now", sys_now },
	{ NULL, NULL },
};

void
rig_add_net(lua_State *L)
{
	luaL_setfuncs(L, NET, 0);
}
