/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits - token buckets, taken all at once or not at all; private to this folder.
 *
 *   limits_begin() --limits_meet() for each limit--> limits_room() --> limits_take()
 *   every ending of the pass: limits_release()
 *
 * Memory only: a restart finds every bucket full, but for limits_recall().  Time is an argument, in
 * milliseconds of a clock that does not go back.
 */
#pragma once

#include "base/map.h"
#include "policies/org.h"
#include "policies/policies.h"

#define LIMIT_BUCKETS_MAX 65536 /* limit x subject; then see limits_meet() */
#define LIMITS_MEET_MAX   64    /* of one pass */

struct bucket;
struct place_line {        /* of those who wait for a place; queue.c */
	struct link waits; /* struct place_wait, the first one first */
	size_t woken;      /* that were offered a place and have not asked yet */
};
struct limits {
	struct map by_key;
	struct link all;  /* struct bucket; those that are looked at next come first */
	int64_t swept_ms; /* when all of them were last looked at */
};
void limits_init(struct limits *ls);
void limits_fini(struct limits *ls);

/* Who takes: a bucket belongs to a limit and one of these. */
struct taker {
	const struct chain *chain; /* leaf first */
	struct str key;            /* its name, which outlives its rotation */
	struct pass *run;          /* NULL outside of scripts: PER_RUN does not hold then */
};
struct takes {
	struct {
		const struct limit *limit;
		struct bucket *bucket;
		int64_t n;
	} take[LIMITS_MEET_MAX];
	size_t n;
	bool full; /* one more could not be noted: limits_room() refuses */
};

/* Makes room for new buckets by dropping some that are full: those say nothing. */
void limits_begin(struct limits *ls, struct takes *t, int64_t now_ms);
/* Notes that this limit must give n.  LIMIT_BUCKETS_MAX buckets in use, or LIMITS_MEET_MAX limits
 * noted: the pass will be refused, never let through uncounted. */
void limits_meet(
    struct limits *ls, struct takes *t, const struct limit *l, const struct taker *w, int64_t n);
/*
 * Is there room in all of them?  ERR_RATE, with retry_after_s when that many seconds are enough if
 * nobody else comes; 0 when it depends on somebody's leaving.  *refused: the limit, or NULL when
 * there were too many.
 */
bool limits_room(const struct takes *t, const struct taker *w, int64_t now_ms,
    const struct limit **refused, struct err *e) MUST_CHECK;
/* Takes; what is given back at the end is noted in the pass. */
void limits_take(const struct takes *t, struct pass *p);
/* `tokens`: what was really used; -1: what was held. */
void limits_release(struct limits *ls, struct pass *p, int64_t now_ms, int64_t tokens);

/* Of a limit of how many at once.  A bucket stays as long as somebody is in its line. */
struct place_line *limits_line(struct bucket *b);
bool limits_place(const struct bucket *b); /* is there a free one? */

/* At a start: n had been taken at that time, which may lie before the clock's zero; in order. */
void limits_recall(
    struct limits *ls, const struct limit *l, const struct taker *w, int64_t n, int64_t at_ms);

/* What a quota shows; a bucket that is not there is full. */
struct limit_state {
	int64_t used, held, left;
	int64_t full_in_ms;
};
void limits_look(const struct limits *ls, const struct limit *l, const struct taker *w,
    int64_t now_ms, struct limit_state *out);

/* "600 requests/minute", "50 at once". */
void limit_amount_put(struct buf *out, const struct limit *l);
const char *limit_what_word(enum limit_what w);
const char *limit_per_word(enum limit_per p);
const char *limit_period_word(int64_t period_ms); /* "" for none */
