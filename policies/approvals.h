/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approvals - requests for approval, as the files of this folder share them: approval.c (their
 * life), approval_answer.c (who may say yes), approval_gate.c (what the gate does with them),
 * approval_text.c (what people read).
 */
#pragma once

#include "policies/bundle.h"
#include "policies/core.h"

#define APPROVAL_MAGIC 0x61707276u

#define APPROVALS_MAX         4096 /* open at once */
#define APPROVALS_PER_KEY     32
#define APPROVALS_PER_RUN     8    /* that one script may ask for */
#define APPROVALS_OVER_MAX    1024 /* that are over and still told apart from unknown ones */
#define APPROVAL_SHOWN_BYTES  1000 /* of the arguments */
#define APPROVAL_REASON_BYTES 200  /* of whoever answers */
#define APPROVAL_ARENA_BYTES  ((size_t)64 << 10)

struct approval_need { /* one rule that asks */
	const struct policy *policy;
	const struct rule *rule; /* both borrowed of the bundle while the request is open */
	enum approval_way way;   /* by which it is asked */
	bool given;
};

struct approval_request {
	uint32_t magic;
	struct core *core;
	struct link all;    /* approvals.open or .over, oldest first */
	struct link of_key; /* while an answer still means something */
	struct key *key;
	enum approval_state state;
	enum ask_kind kind;
	char id[APPROVAL_ID_BYTES + 1];
	struct sha256 args; /* of the very bytes that will be forwarded */
	int64_t args_bytes, created_ns, expires_ns;
	int64_t rounds; /* that have used it; a server may ask its client in between */
	struct approval_need needs[APPROVAL_RULES_MAX];
	size_t needs_n;
	struct timer ttl;
	struct approval_wait *waiter;
	struct str name, rev, shown, rules, text; /* in the arena */
	struct str by, why;                       /* how it ended; "" before */
	struct arena arena;
};

/* ---- approval.c ---- */

/* *args: the digest of the bytes; the needs are not filled in yet. */
struct approval_request *
approval_new(struct core *c, struct key *k, const struct ask *a, const struct sha256 *args);
void approval_drop(struct approval_request *r); /* one that has not been opened */
/* Writes the first row and starts its clock. */
void approval_open(struct approval_request *r, int64_t expires_s);
/* Every change of state: its row, and whoever waits is told. */
void
approval_turn(struct approval_request *r, enum approval_state to, struct str by, struct str why);
void
approval_row(const struct approval_request *r, const char *what, struct str by, struct str why);
void approval_clock(struct approval_request *r); /* until expires_ns */
void approval_expire(void *request);
bool approval_over(const struct approval_request *r); /* no answer changes it any more */
const char *approval_state_word(enum approval_state s);
const char *approval_way_word(enum approval_way w);

/* ---- approval_text.c ---- */

/* The rules that ask, of a verdict of this bundle. */
bool approval_needs_set(struct approval_request *r, const struct verdict *v) MUST_CHECK;
/* The same by their places; false: one is not in the bundle any more. */
bool approval_needs_find(struct approval_request *r);
/* Is every rule that asks now one that has its yes?  By their places: what is over may point into
 * a bundle that is gone. */
bool approval_covers(const struct approval_request *r, const struct verdict *v);
void approval_needs_text(struct approval_request *r); /* r->rules, r->text */
