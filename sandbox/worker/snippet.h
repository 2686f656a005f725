/* SPDX-License-Identifier: Apache-2.0 */
/* snippet - what head.c and snippet.c share: a snippet as the worker has it. */
#pragma once

#include "sandbox/worker/worker.h"

#define SNIPPETS "snippets" /* what scripts call them by */

struct bytes {
	const char *p;
	size_t n;
};
struct snippet { /* spans of RUN's block */
	char name[FRAME_NAME_MAX + 1];
	struct bytes source, signature;  /* source: n = 0: only its name is known */
	const char *params, *params_end; /* params_n of them, checked */
	size_t params_n;
};

/* Takes one off *at; false: nonsense. */
bool head_take(const char **at, const char *end, struct snippet *s);
/* The arguments at index 1, the only value there is, become a table of their own; raises
 * `invalid_args` where they do not fit. */
void head_fit(lua_State *L, const struct snippet *s);
/* Raises `invalid_args`: what was wrong is on top of the stack, the signature follows. */
_Noreturn void head_refuse(lua_State *L, const struct snippet *s);
/* Raises an error of that code; the text may be on the stack. */
_Noreturn void
head_raise(lua_State *L, const struct snippet *s, const char *code, const char *text);
