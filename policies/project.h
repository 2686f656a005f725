/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project - tests of conditions as keywords of JSON Schema; between project_keywords.c, which
 * writes them, and project.c, which puts them into a tool's definition.
 */
#pragma once

#include "base/arena.h"
#include "policies/condition.h"

enum keyword {
	KW_ENUM,
	KW_NOT,
	KW_PATTERN,
	KW_MINIMUM,
	KW_MAXIMUM,
	KW_MAX_LENGTH,
	KW_MAX_ITEMS,
	KW_ITEMS,
	KW_CONTAINS,
	KW_TYPE,
	KEYWORDS
};
struct keywords { /* of one schema: the values as JSON, "" = none */
	struct str value[KEYWORDS];
	struct arena *arena; /* theirs */
	bool whole;          /* within not: nothing may be left out */
};

/* Adds what the tests say; of two that have the same keyword the first counts, and what no keyword
 * can say is left out. */
void keywords_of(struct keywords *k, const struct test *t, size_t n);
/* "enum":[…],"minimum":3: as members of an object; a comma first unless `first`. */
void keywords_put(struct buf *b, const struct keywords *k, bool first);
/* Takes out of *k what `key` (raw, a member of the server's schema) says narrower itself; true:
 * ours is narrower and stands in its place. */
bool keywords_meet(struct keywords *k, struct str key, struct str theirs);
