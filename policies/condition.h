/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition - what a rule says about the arguments of a call; private to this folder.
 *
 *   when: { path: { under: /repo }, labels: { each: { not: { matches: "^sec-" } } } }
 *           clause  test              clause  test    test
 *
 * Three values (Kleene): a test is MAYBE where arguments are not known (a list) and where they
 * cannot be judged: a wrong type, a text or number that two programs may read differently, a member
 * that is there twice or under another case.  MAYBE never allows and always denies.
 */
#pragma once

#include "base/json.h"
#include "base/yaml.h"
#include "policies/regex.h"

struct loading;
struct policy_file;
struct policy;
struct glob;

enum tri { TRI_NO, TRI_MAYBE, TRI_YES };
static inline enum tri
tri_not(enum tri t)
{
	return (enum tri)(TRI_YES - t);
}
static inline enum tri
tri_and(enum tri a, enum tri b)
{
	return a < b ? a : b;
}
static inline enum tri
tri_or(enum tri a, enum tri b)
{
	return a > b ? a : b;
}

/* A number as digits × 10^scale, without leading or trailing zeros. */
struct decimal {
	bool negative;
	int64_t digits; /* 0 .. 10^16 */
	int scale;
};
/* A JSON number that every reader agrees on: an integer within 2^53, or at most 15 digits with an
 * exponent within 300.  false: anything else. */
bool decimal_parse(struct str text, struct decimal *out);
int decimal_cmp(const struct decimal *a, const struct decimal *b);

struct literal {
	enum json_kind kind; /* null, false, true, number, string */
	struct str text;     /* of a string; of a number as written */
	struct decimal number;
};

enum op {
	OP_EQUALS = 1, /* values[0] */
	OP_IN,         /* any of values */
	OP_NOT,        /* kids, all of them together */
	OP_GLOB,
	OP_MATCHES,
	OP_UNDER, /* values: the folders; base: relative_to */
	OP_HOST_IN,
	OP_MIN,
	OP_MAX,
	OP_MAX_LEN,
	OP_MAX_ITEMS,
	OP_EACH, /* kids, of every element */
	OP_ANY,
	OP_ONLY_KEYS,
	OP_ABSENT,
	OP_PRESENT,
	OP_TYPE
};
struct test {
	enum op op;
	const struct literal *values;
	size_t n;
	const struct glob *glob;
	const struct regex *regex;
	struct str base;
	int64_t count;
	const struct test *kids;
	size_t kids_n;
};

struct clause {         /* one argument, all of whose tests hold */
	struct str arg; /* as written; "" = all arguments together (only_keys) */
	const struct str *steps;
	size_t steps_n;
	const struct test *tests;
	size_t tests_n;
	struct str text; /* "path must be under /repo" */
};
struct condition { /* all clauses, and the subject */
	const struct clause *clauses;
	size_t n;
	const struct applies *subject; /* NULL: anybody */
	uint32_t bit;                  /* of the subject: bundle.subjects[bit] */
	struct str text;               /* "path is under /repo"; "" without clauses */
};

#define CONDITION_TESTS_MAX 64                  /* of one condition */
#define CONDITION_DEPTH_MAX 6                   /* not, each, any within each other */
#define CONDITION_STEPS_MAX 8                   /* a.b.c */
#define CONDITION_STEPS     4096                /* tests judged in one call, whatever the rules */
#define CONDITION_LETTERS   ((size_t)256 << 10) /* bytes that glob and matches read in one call */
#define CONDITION_BYTES     ((size_t)32 << 20)  /* of lists and objects, walked in one call */
#define CONDITION_ARGS_MAX  ((size_t)4 << 20)
#define CONDITION_TEXT_MAX  8192 /* bytes of a text that is judged by its letters */

/* ---- condition.c ---- */

/* Reads the mapping; false (reported) when it is none.  `grants`: an expression that is true opens
 * (when: of an allow), so that its end must be said. */
bool condition_read(struct loading *ld, const struct policy_file *f, const struct policy *p,
    struct yaml *y, bool grants, struct condition *out);

/* ---- judge.c ---- */

struct judging {           /* of one call */
	struct str args;   /* raw, as forwarded; "" = none */
	struct str schema; /* what is left out has its default, if that declares one; or "" */
	bool known;        /* false: a list, nothing is known */
	uint8_t seen;      /* labels of what has been got before */
	bool checked;
	struct err bad;               /* the arguments cannot be judged at all */
	size_t steps, letters, bytes; /* what is left */
	struct arena arena;
	const char *why;            /* of the last MAYBE: "has a . or .. segment" */
	const struct condition *of; /* the last condition that was not settled as asked, and … */
	const struct clause *last;  /* … its first clause that was not true */
};
void judging_init(struct judging *j, struct str args, bool known);
void judging_fini(struct judging *j);
/* The clauses only; who may decides about the subject. */
enum tri condition_judge(const struct condition *c, struct judging *j);

/* ---- wording.c ---- */

/* "path must be under /repo", or without `must` "path is under /repo". */
void clause_text(const struct clause *c, bool must, struct buf *out);
void condition_text(const struct condition *c, bool must, struct buf *out); /* joined by "and" */
