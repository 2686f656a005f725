/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org - the bundle: an immutable snapshot of one folder of policy files.
 *
 * It holds the organisation (customers, teams, users, their budgets) and the compiled rules
 * (rules.h), both with the file:line they came from.  A reload makes a new bundle beside the old
 * one, in a thread, and frees the old one when the core has let go of every pointer into it (a
 * level, a verdict's text).  One thread at a time: the memo of decisions is plain memory.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

struct bundle;
struct tool_facts;

/* From the top.  The files know the first four; a key that has a budget is a level of its own below
 * them.  Every chain ends with the organisation, also that of a key of nobody. */
enum level_kind { LEVEL_ORGANISATION, LEVEL_CUSTOMER, LEVEL_TEAM, LEVEL_USER, LEVEL_KEY };
enum period { PERIOD_DAY = 1, PERIOD_WEEK, PERIOD_MONTH, PERIOD_YEAR }; /* weeks start on Monday */

#define ORGANISATION_ID   "the organisation" /* no name has a space */
#define LEVELS_MAX        4                  /* user, team, customer, organisation */
#define CHAIN_MAX         (LEVELS_MAX + 1)
#define LEVEL_BUDGETS_MAX 4 /* at most one per period */

struct budget {
	int64_t amount_nusd; /* >= 0 */
	enum period period;  /* of the calendar of level.zone */
	struct str where;    /* "root/acme.yaml:9" */
};

/*
 * A limit is a token bucket of `amount`, which is also its burst, that fills again within
 * period_ms; LIMIT_CONCURRENT has no period: what was taken comes back at the end.
 */
enum limit_what { LIMIT_REQUESTS = 1, LIMIT_TOKENS, LIMIT_CALLS, LIMIT_CONCURRENT };
enum limit_per { PER_KEY = 1, PER_USER, PER_TEAM, PER_CUSTOMER, PER_ORGANISATION, PER_RUN };
#define LIMIT_AMOUNT_MAX 10000000000 /* times a day in milliseconds, and some, fits an int64_t */

struct limit {
	enum limit_what what;
	enum limit_per per;        /* each of these has a bucket of its own */
	int64_t amount, period_ms; /* 1..LIMIT_AMOUNT_MAX; 0: LIMIT_CONCURRENT */
	const struct level *level; /* that it stands on; NULL: a rule's */
	struct str id;             /* what stays the same when a reload moves or changes it */
	struct str where;          /* "root/acme.yaml:9" */
	/* Of a rule: its pattern, "payments-tools:14", whom to ask; opaque: none of it is told. */
	struct str of, policy, owner;
	bool opaque;
};

/* How money is dealt with on a level; what it does not say, its parents do. */
enum hold { HOLD_WORST = 1, HOLD_USUAL };
enum at_cap { CAP_CUT = 1, CAP_FINISH };
enum unknown_price { UNKNOWN_ESTIMATE = 1, UNKNOWN_DENY, UNKNOWN_FREE };
enum enforcement { ENFORCE_ENFORCE = 1, ENFORCE_OBSERVE };
enum { SPEND_HOLD, SPEND_AT_CAP, SPEND_UNKNOWN, SPEND_ENFORCE, SPENDINGS };
struct spending {
	int value[SPENDINGS]; /* one of the enums above, each */
	struct str at[SPENDINGS];
};

#define ALERTS_MAX        8
#define ALERT_PERCENT_MAX 1000
struct alerts {             /* n = 0: none */
	int at[ALERTS_MAX]; /* percent used */
	size_t n;
	bool log, webhook; /* to whom */
};

struct level {
	enum level_kind kind;
	struct str name;
	struct str
	    id; /* "acme", "acme/payments", "acme/payments/ana", "acme//bob" (no team): stable */
	const struct level *parent;               /* NULL: the organisation */
	struct budget budgets[LEVEL_BUDGETS_MAX]; /* [0] shortest period first */
	size_t budgets_n;
	const struct limit *limits;
	size_t limits_n;
	struct spending spending; /* whole */
	struct alerts alerts;
	struct str zone;          /* IANA name, "UTC" by default; never empty */
	struct str contact;       /* nearest of the level's and its ancestors'; or "" */
	const struct str *groups; /* of a user */
	size_t groups_n;
	struct str where; /* "file:line" of its first mention */
};

struct bundle_source {
	const char *dir; /* holds root/ and customers/ */
	/* See struct core_settings: NULL = unknown, such names are not checked then. */
	const struct str *servers;
	size_t servers_n;
	const struct str *models; /* aliases and ids; an id may hold `*` */
	size_t models_n;
	const struct str *views;
	size_t views_n;
	const struct tool_facts *facts; /* NULL: nothing is known */
};

/*
 * Reads every file of the folder.  `problems` (may be NULL) gets all of them, one per line
 * "DIR/root/a.yaml:3:9: what is wrong (the fix)", warnings as "DIR/root/a.yaml:3:9: warning: ...".
 * When one is an error: NULL, and *e is the first of them (ERR_INVALID) with how many more there
 * are.  Nothing unknown or not yet supported is ever skipped silently.  The caller owns it.
 */
struct bundle *
bundle_load(const struct bundle_source *src, struct buf *problems, struct err *e) MUST_CHECK;
void bundle_free(struct bundle **bp);          /* clears the pointer */
struct str bundle_rev(const struct bundle *b); /* sha256 of the files in order of path, hex */

/*
 * The levels of an owner, leaf first (user, team, customer, organisation); parts that are "" are
 * left out, and a name that is unique needs no parents ("ana" alone finds acme/payments/ana).  All
 * three "": the organisation alone.  ERR_NO_OWNER: not in the files, or ambiguous; the text says
 * which, and the chain is empty.
 */
struct chain {
	const struct level *level[CHAIN_MAX];
	size_t n;
};
bool bundle_find_chain(const struct bundle *b, struct str customer, struct str team,
    struct str user, struct chain *out, struct err *e) MUST_CHECK;

struct zone;
const struct zone *bundle_zone(const struct bundle *b); /* NULL: UTC; lives with the bundle */
struct str bundle_zone_name(const struct bundle *b);
/* The chain's, or of an empty one the organisation's. */
const struct spending *bundle_spending(const struct bundle *b, const struct chain *c);
/* "5 USD/day, 100 USD/month": at most one per period, in order of period. */
bool budgets_parse(
    struct str text, struct budget out[LEVEL_BUDGETS_MAX], size_t *n, struct err *e) MUST_CHECK;

/* All levels, the organisation and then in order of id (parents first); start with NULL. */
const struct level *bundle_next_level(const struct bundle *b, const struct level *after);
