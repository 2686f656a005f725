/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build/sandbox-worker-native: a worker whose scripts run native code, for tests only.
 *
 * It is what an attacker has who found a hole in the interpreter, without the work of finding one:
 * the linker puts this between vm.c and environment.c (--wrap), and `native(what, ...)` is there
 * beside the usual globals.  The process is locked like any other before the script comes.
 *
 *	syscall nr, ...                 the instruction itself; text is passed as its address, nil
 *as that of 64 KiB to scribble in; gives what the kernel gave frame type, flags, handle, id,
 *length, body     any head, and a body that need not fit it bytes text, times               text,
 *so many times (-1: without end) read n                          takes n bytes of what the gateway
 *sends crash how, spin how, exit status, memory, environment scan hidden                     how
 *often the text (each byte xor 0x55, so that the question does not find itself) stands in this
 *process's memory
 */
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

void __real_environment_open(lua_State *L);
void __wrap_environment_open(lua_State *L);

extern char __executable_start[], _end[], **environ;
static char *heap_low, *heap_high;
static char scratch[65536];

static long
kernel(long nr, const long a[6])
{
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static int
native_syscall(lua_State *L)
{
	long a[6] = { 0 };

	for (int i = 0; i < 6; i++) {
		if (lua_type(L, i + 3) == LUA_TSTRING)
			a[i] = (long)lua_tostring(L, i + 3);
		else if (lua_isnumber(L, i + 3))
			a[i] = (long)lua_tointeger(L, i + 3);
		else if (i + 3 <= lua_gettop(L))
			a[i] = (long)scratch;
	}
	lua_pushinteger(L, kernel((long)luaL_checkinteger(L, 2), a));
	return 1;
}

static void
put(const void *p, size_t n)
{
	for (const char *at = p; n > 0;) {
		ssize_t r = write(0, at, n);

		if (r <= 0)
			_exit(WORKER_EXIT_EOF);
		at += r;
		n -= (size_t)r;
	}
}

static int
native_frame(lua_State *L)
{
	unsigned char head[FRAME_HEAD_BYTES];
	size_t n;
	const char *body = luaL_optlstring(L, 7, "", &n);

	frame_write_head(head, (struct frame_head){ .type = (uint8_t)luaL_checkinteger(L, 2),
				   .flags = (uint8_t)luaL_optinteger(L, 3, 0),
				   .handle = (uint16_t)luaL_optinteger(L, 4, 0),
				   .id = (uint32_t)luaL_optinteger(L, 5, 0),
				   .body_bytes = (uint32_t)luaL_optinteger(L, 6, (lua_Integer)n) });
	put(head, sizeof(head));
	put(body, n);
	return 0;
}

static int
native_bytes(lua_State *L)
{
	size_t n;
	const char *s = luaL_checklstring(L, 2, &n);

	for (lua_Integer times = luaL_optinteger(L, 3, 1); times != 0; times--)
		put(s, n);
	return 0;
}

static int
native_read(lua_State *L)
{
	size_t want = (size_t)luaL_checkinteger(L, 2);
	luaL_Buffer b;
	char *p = luaL_buffinitsize(L, &b, want);

	for (size_t n = 0; n < want;) {
		ssize_t r = read(0, p + n, want - n);

		if (r <= 0)
			_exit(WORKER_EXIT_EOF);
		n += (size_t)r;
	}
	luaL_pushresultsize(&b, want);
	return 1;
}

static void
overflow(volatile char *above, unsigned levels)
{
	volatile char room[65536];

	room[0] = above[0];
	if (levels > 0)
		overflow(room, levels - 1);
	above[0] = room[0]; /* no tail call */
}

static int
native_crash(lua_State *L)
{
	static unsigned char ret[] = { 0xc3 };
	const char *how = luaL_checkstring(L, 2);
	volatile char *volatile nowhere = (volatile char *)8;
	volatile char first = 0;
	void (*data)(void);

	if (strcmp(how, "null") == 0)
		*nowhere = 1;
	if (strcmp(how, "text") == 0)
		*(volatile char *)(uintptr_t)&native_crash = 1;
	if (strcmp(how, "data") == 0) {
		void *p = ret;

		memcpy(&data, &p, sizeof(data));
		data();
	}
	if (strcmp(how, "undefined") == 0)
		__asm__ volatile("ud2");
	if (strcmp(how, "stack") == 0)
		overflow(&first, 1 << 20);
	if (strcmp(how, "int80") == 0) { /* write(1, ...) of the 32-bit table */
		long r = 4;

		__asm__ volatile("int $0x80" : "+a"(r) : "b"(1), "c"(0), "d"(1) : "memory");
	}
	return 0;
}

static _Noreturn void
spin(void)
{
	for (volatile unsigned i = 0;; i++)
		;
}

/* Returns from a signal that never came, to spin() with every signal blocked. */
static _Noreturn void
spin_behind_mask(void)
{
	static char stack[65536] __attribute__((aligned(64)));
	static ucontext_t u;

	memset(&u.uc_sigmask, 0xff, sizeof(u.uc_sigmask));
	u.uc_flags = 6; /* the stack segment is given */
	u.uc_stack.ss_flags = SS_DISABLE;
	u.uc_mcontext.gregs[REG_RIP] = (greg_t)&spin;
	u.uc_mcontext.gregs[REG_RSP] = (greg_t)(stack + sizeof(stack) / 2 - 8);
	u.uc_mcontext.gregs[REG_EFL] = 0x202;
	u.uc_mcontext.gregs[REG_CSGSFS] = (greg_t)(0x33ull | 0x2bull << 48);
	__asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall" : : "r"(&u) : "memory");
	__builtin_unreachable();
}

static int
native_spin(lua_State *L)
{
	const char *how = luaL_checkstring(L, 2);

	if (strcmp(how, "masked") == 0)
		spin_behind_mask();
	while (strcmp(how, "untick") == 0)
		vm.ticks = 0;
	spin();
}

static int
native_exit(lua_State *L)
{
	const long a[6] = { luaL_checkinteger(L, 2) };

	(void)kernel(SYS_exit_group, a);
	return 0;
}

/* All the memory that there is, touched. */
static int
native_memory(lua_State *L)
{
	size_t n = 0;
	char *p;

	while ((p = malloc(1 << 20)) != NULL) {
		memset(p, 1, 1 << 20);
		n++;
	}
	lua_pushinteger(L, (lua_Integer)n);
	return 1;
}

static int
native_environment(lua_State *L)
{
	lua_Integer n = 0;

	while (environ != NULL && environ[n] != NULL)
		n++;
	lua_pushinteger(L, n);
	return 1;
}

static lua_Integer
scan(const char *from, const char *to, const char *hidden, size_t n)
{
	lua_Integer found = 0;

	while (to - from >= (ptrdiff_t)n) {
		const char *p = memchr(from, hidden[0] ^ 0x55, (size_t)(to - from) - n + 1);
		size_t i = 1;

		if (p == NULL)
			break;
		while (i < n && p[i] == (char)(hidden[i] ^ 0x55))
			i++;
		found += i == n;
		from = p + 1;
	}
	return found;
}

static int
native_scan(lua_State *L)
{
	size_t n;
	const char *hidden = luaL_checklstring(L, 2, &n);
	const char *here = __builtin_frame_address(0);

	lua_pushinteger(L, scan(__executable_start, _end, hidden, n) +
			       scan(heap_low, heap_high, hidden, n) +
			       scan(here, fork_stack_end, hidden, n));
	return 1;
}

static int
native(lua_State *L)
{
	static const luaL_Reg entries[] = { { "syscall", native_syscall },
		{ "frame", native_frame }, { "bytes", native_bytes }, { "read", native_read },
		{ "crash", native_crash }, { "spin", native_spin }, { "exit", native_exit },
		{ "memory", native_memory }, { "environment", native_environment },
		{ "scan", native_scan } };
	const char *what = luaL_checkstring(L, 1);

	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
		if (strcmp(what, entries[i].name) == 0)
			return entries[i].func(L);
	return luaL_error(L, "native: no '%s'", what);
}

void
__wrap_environment_open(lua_State *L)
{
	__real_environment_open(L);
	/* The first thing that a static program takes from its heap is the block of its thread. */
	heap_low = (char *)((uintptr_t)__builtin_thread_pointer() & ~(uintptr_t)4095);
	heap_high = sbrk(0); /* reserved already: it grows no more */
	lua_register(L, "native", native);
}
