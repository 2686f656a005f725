/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outline - the structure of a script, as far as its tokens show it: what closes what, where a loop
 * ends, which names it declares, where an expression ends.
 *
 * Not a parser: a source that is no Lua has an outline too, with some of it missing.  Whoever
 * rewrites or refuses does so only on what is there.  Linear in the tokens; nothing recurses.
 */
#pragma once

#include "base/map.h"
#include "codemode/lex.h"

#define NOWHERE UINT32_MAX

struct outline {
	const struct lua_tokens *s; /* borrowed */
	uint32_t *pair;   /* of ( [ { function if do repeat and what closes them: the other one */
	uint32_t *parent; /* the innermost one of these that is open before the token */
	uint32_t *loop;   /* of an opener: the do or repeat of the innermost loop around what is in
			     it, in the same function */
	struct map declared; /* names that are declared or assigned to anywhere */
};
void outline_init(struct outline *o, const struct lua_tokens *s);
void outline_fini(struct outline *o);
bool outline_declares(const struct outline *o, struct str name);

/*
 * The prefix expression whose last token is `last` (a.b[1].c, with `calls` also f(x):m().y): its
 * first token.  NOWHERE: there is none, or not one that can be told.
 */
uint32_t outline_prefix(const struct outline *o, size_t last, bool calls);
/* The expression that begins at token `first`: one past its last token; NOWHERE: it is none. */
uint32_t outline_expression(const struct outline *o, size_t first);
/* Can a statement begin at token i? */
bool outline_statement_at(const struct outline *o, size_t i);
