/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lenient - what models write from other languages, as Lua.
 *
 * Only what Lua cannot take is touched: each rule begins at bytes that are an error in every Lua
 * program (a fence, !=, +=, a `continue` statement, …), or at a name that is no name of Lua's and
 * that the script does not declare (await; null in a comparison).  So Lua never changes its
 * meaning, and a source without such tokens comes back as it was.  Lines keep their numbers.  What
 * cannot be rewritten with certainty stays, and failure.h explains the error that follows.
 */
#pragma once

#include "base/text.h"

/* Kinds of fixes: the words of the audit and of metrics, and how a model is told. */
// clang-format off
#define LENIENT_FIXES(X) \
	X(FENCE,     "fence",     "code fence removed") \
	X(COMMENT,   "comment",   "comments are --") \
	X(SPACE,     "space",     "odd white space") \
	X(ELSEIF,    "elseif",    "else if -> elseif") \
	X(NOT_EQUAL, "not_equal", "!= -> ~=") \
	X(EQUAL,     "equal",     "=== -> ==") \
	X(LOGIC,     "logic",     "&& || ! -> and or not") \
	X(POWER,     "power",     "** -> ^") \
	X(ASSIGN,    "assign",    "x += y -> x = x + y") \
	X(INCREMENT, "increment", "x++ -> x = x + 1") \
	X(DECLARE,   "declare",   "const, let, var -> local") \
	X(CONTINUE,  "continue",  "continue -> goto") \
	X(AWAIT,     "await",     "await, async removed") \
	X(NULL,      "null",      "x == null -> is_null(x)") \
	X(LITERAL,   "literal",   "{\"a\": 1}, [1, 2] -> {[\"a\"] = 1}, {1, 2}") \
	X(ALIAS,     "alias",     "names of other languages")
// clang-format on
enum lenient_fix {
#define X(fix, word, told) LENIENT_##fix,
	LENIENT_FIXES(X)
#undef X
	    LENIENT_COUNT
};
struct lenient {
	uint32_t fixed[LENIENT_COUNT]; /* how often */
};

/* Fills in *l.  true: `out` (empty before) got another text of at most limit_bytes; false: the
 * source stays as it is, and `out` is empty.  An alias changes no text: the worker knows it. */
bool lenient_fix(struct str source, size_t limit_bytes, struct buf *out, struct lenient *l);
/* "not_equal x2, fence": nothing when there was nothing. */
void lenient_put_words(const struct lenient *l, struct buf *out);
/* "!= -> ~= (2 times), code fence removed" */
void lenient_put_told(const struct lenient *l, struct buf *out);
const char *lenient_word(enum lenient_fix fix);
