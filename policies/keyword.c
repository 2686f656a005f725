/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyword - the words of Lua, which nothing that a script names can be called: no snippet, none of
 * its arguments, no tool and no server as scripts spell them (mcp/fold.c).
 *
 * In a file of its own, as it needs nothing of the others.
 */
#include "policies/policies.h"

bool
lua_keyword(struct str s)
{
	static const char *const words[] = { "and", "break", "do", "else", "elseif", "end", "false",
		"for", "function", "goto", "if", "in", "local", "nil", "not", "or", "repeat",
		"return", "then", "true", "until", "while" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(s, str_of(words[i])))
			return true;
	return false;
}
