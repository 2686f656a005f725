/* SPDX-License-Identifier: Apache-2.0 */
/*
 * library - runs library.lua in the new state, before the lock and before any script.
 *
 * The text is part of the binary: a worker has no files.  It is trusted and memory-safe code, and
 * shorter than the same in C.
 */
#include <stdlib.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

__asm__(".section .rodata\n"
	".global library_text\n"
	".hidden library_text\n"
	"library_text:\n"
	".incbin \"sandbox/worker/library.lua\"\n"
	".global library_text_end\n"
	".hidden library_text_end\n"
	"library_text_end:\n"
	".previous\n");
extern const char library_text[], library_text_end[];

void
library_open(lua_State *L)
{
	lua_settop(L, 0);
	if (luaL_loadbufferx(L, library_text, (size_t)(library_text_end - library_text), "=library",
		"t") != LUA_OK)
		_exit(WORKER_EXIT_LOCK);
	calls_open(L);
	if (lua_pcall(L, lua_gettop(L) - 1, 3, 0) != LUA_OK)
		_exit(WORKER_EXIT_LOCK);
	lua_insert(L, 1);
	calls_name(L);
	vm.add_server_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
