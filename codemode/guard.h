/* SPDX-License-Identifier: Apache-2.0 */
/* guard - where in a script an error may be caught. */
#pragma once

#include "codemode/outline.h"

struct guard {
	const struct outline *o;
	bool functions;        /* some function's errors are caught, and nobody sees which */
	uint32_t end;          /* up to this token errors are caught */
	uint32_t function_end; /* up to this token we are in a function */
};
/* false: the script has a pcall of its own, nothing is certain. */
bool guard_init(struct guard *g, const struct outline *o);
/* Tokens are asked for one by one, from the first on: may an error of token i be caught? */
bool guard_at(struct guard *g, size_t i);
