/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - what a run has done so far: enough to run its script again to the same point.
 *
 * struct past is one run over all its legs: the first, and each `resume`.  What is done during a
 * leg is leg.c's; here is what is remembered, for how long, and for whom.
 */
#pragma once

#include "codemode/keep.h"

#define PAST_NAME        "run " /* in the database, followed by its id */
#define PAST_ID_BYTES    7      /* r + 6 */
#define PAST_SHOWN_BYTES 200    /* of the arguments of a call, for people */

enum step_state {
	STEP_OPEN, /* nothing has left the gateway */
	STEP_SENT, /* to the server, and there is no answer */
	STEP_DONE,
	STEP_FAILED, /* refused, or the tool said so */
	STEP_LOST    /* sent, and how it ended is not known */
};
struct step { /* one call of the script */
	/* Where it is made (sandbox_call_place()), and as which there, from 1; nth 0: done in an
	 * earlier leg and not called again since. */
	uint32_t fan, branch, nth;
	uint32_t order; /* in which its answer was given to the script, from 1; 0: not given */
	uint32_t no;    /* its name in the database */
	enum step_state state;
	bool mutates; /* it may: its tool does not say readOnlyHint */
	struct sha256 args;
	char *tool, *shown; /* "server/tool" or "tools"; of the arguments */
	char *answer;       /* JSON, as the script got it; NULL: none, or too large to be kept */
	size_t answer_n;
	/* of the leg */
	uint32_t id, was; /* of the call in this leg, 0: not called yet; order in the last leg */
	bool ready;       /* there is an answer to be given */
	bool error;       /* an error, although it was done */
	char *held;       /* it, when it is too large to be kept; or NULL */
	size_t held_n;
};

enum past_state { PAST_RUNNING, PAST_FAILED, PAST_PAUSED, PAST_DONE };
struct past {
	struct link of_owner, all; /* of cm->pasts; both oldest first */
	struct owner *owner;
	char id[PAST_ID_BYTES + 1], session[33];
	enum past_state state;
	bool saved;  /* in the database: every change goes there, too */
	bool orphan; /* its key has been revoked: freed when the leg ends */
	bool held;   /* RUNNING, and in the database PAUSED: past_hold() */
	int64_t until_ns;
	uint64_t seed[2];
	int64_t time_s;
	char end[16];                           /* how the last leg ended */
	struct sha256 result;                   /* of its value, or of its message */
	struct buf source, state_was, last_was; /* as they were at the start */
	struct buf snippets;                    /* "name@12ab… …": those it was sent */
	struct buf plan;                        /* that people are to approve: approved.c; or "" */
	bool plan_ok;                           /* they have, and it is this run's */
	struct step *steps;
	size_t n, cap, bytes;
	uint32_t last_no;
};

/* A run that begins. */
struct past *past_new(struct codemode *cm, struct key *k, struct str session, struct str source);
/* Of this key and session (NULL: any), in time; NULL: unknown. */
struct past *
past_find(struct codemode *cm, struct key *k, const struct str *session, struct str id);
struct key *past_key(struct codemode *cm, struct str id); /* whose it is; NULL: unknown */
struct past *past_copy(const struct past *from); /* to be freed by past_free(); in no list */
void past_free(struct past *p);

/* It runs again; code: another one than before, or STR_NONE. */
void past_resume(struct past *p, struct str code);
/* What S and last are as the script starts; STR_NONE: it does not name them. */
void past_start(struct past *p, struct str state, struct str last);
void past_snippets(struct past *p, struct str versions);
/* A plan that people are to approve, a JSON object; "" = none. */
void past_plan(struct past *p, struct str plan);
void past_plan_ok(struct past *p, bool ok);
#define PAST_PLAN_BYTES ((size_t)64 << 10)
/* A call more.  The pointer is good until the next. */
struct step *past_add(struct past *p, struct str tool, const struct sha256 *args, struct str shown);
/* The answer; what is too large is not kept (false). */
bool past_answer(struct past *p, struct step *s, struct str json);
void past_remove(struct past *p, size_t i);
/* Saves one call, when the run is saved at all. */
void past_save_step(struct past *p, const struct step *s);
/* The leg is over.  DONE: nothing of it stays in the database; else all of it goes there.  Bounds
 * are kept: p may be gone afterwards, or be freed with what is older. */
void past_close(struct past *p, enum past_state state);
void past_forget(struct past *p); /* in the database, too */
/* Somebody has been asked, who may come back to another gateway: should this one end now, the run
 * is a paused one; or no more. */
void past_hold(struct past *p, bool held);

void past_load(struct owner *o, const struct kept_row *r);
void pasts_loaded(struct codemode *cm); /* all rows have been there */
void pasts_forget(struct owner *o);     /* in memory only */
