/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig - what the C half of the scenario rig gives its Lua half: the table `sys`.
 *
 * Every call that can fail returns nil and a word ("again", "eof", "reset", or the errno's name)
 * instead of raising: a scenario decides what is an error.
 */
#pragma once

#include <lua.h>

/* Pushes nil and a word for errno; returns 2. */
int rig_fail(lua_State *L, int err);

/* Each adds its functions to the table on top of the stack. */
void rig_add_net(lua_State *L);  /* sockets and poll */
void rig_add_tls(lua_State *L);  /* TLS over sockets */
void rig_add_sign(lua_State *L); /* keys and signed tokens */
void rig_add_proc(lua_State *L); /* child processes, files, the test clock */
