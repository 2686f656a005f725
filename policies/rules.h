/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - may they: decisions over a bundle (org.h).
 *
 * Default deny; an allow grants; a deny from anywhere wins; the order of files and rules never
 * matters.  Which policies apply to a subject is decided once, when a key is resolved, and
 * decisions are memoised per set of policies and name.
 */
#pragma once

#include "policies/org.h"
#include "policies/policies.h"

/* Who asks, resolved against one bundle; resolve again after a reload.  Plain memory: holds
 * pointers into the bundle (and the key's name), so whoever keeps it keeps a reference. */
struct subject {
	const struct bundle *bundle;
	struct chain chain;
	struct str key;              /* its name; borrowed */
	const struct pattern *scope; /* what it may do at most; of the caller's arena */
	size_t scope_n;              /* 0: whatever the policies say */
	struct str contact;          /* the nearest to ask; or "" */
	uint8_t seen; /* labels of what its session has got; the gate sets it for a call */
	uint32_t set; /* which policies apply and are enforced */
	uint32_t all; /* the same with those that only observe; equal when there are none */
	uint32_t open_set, open_all; /* wherever a request comes from: see subject_via() */
};
/* ERR_NO_OWNER as bundle_find_chain(); ERR_INVALID: a tag or scope that is none.  *out borrows from
 * *who and from the arena. */
bool subject_resolve(struct bundle *b, const struct key_spec *who, struct arena *a,
    struct subject *out, struct err *e) MUST_CHECK;
/* The subject of a request that comes from there; as resolved, it comes from nowhere. */
void subject_via(struct bundle *b, struct subject *s, const struct via *via);
/* Names in *who the customer, team and user of a level of the files; none for the organisation. */
void level_owner(const struct level *l, struct key_spec *who);
/* Are these well formed?  ERR_INVALID says which is not, and what one looks like. */
bool scope_check(struct str tags, struct str scope, struct err *e) MUST_CHECK;

struct applies;

/* A person who has to say yes: what an `approval:` of a rule asks. */
#define APPROVAL_WAYS_MAX    3
#define APPROVAL_RULES_MAX   4 /* that one call can need */
#define APPROVAL_EXPIRES_S   600
#define APPROVAL_EXPIRES_MAX 86400
struct approval {
	struct str text;                          /* what the person reads; or "" */
	enum approval_way way[APPROVAL_WAYS_MAX]; /* the first that works */
	size_t ways_n;
	int64_t expires_s;
	bool second_person;              /* not the one who asks */
	const struct applies *approvers; /* NULL: whoever the way reaches, the one who asks too */
};

enum explain { EXPLAIN_REASON, EXPLAIN_OPAQUE, EXPLAIN_FULL };
struct verdict {
	bool allowed;
	/* Not allowed, but for these approvals, each of which must be given: `rule` is the first
	 * that asks. */
	const struct approval *approval[APPROVAL_RULES_MAX];
	size_t approvals_n;
	enum explain explain; /* of the policy that refuses */
	struct str rule;      /* "root/solo.yaml:12"; "" when no rule allows it (default deny) */
	struct str policy;    /* "solo"; "" as above */
	int line;             /* "solo:12" is how people see it */
	struct str reason;    /* of the deny; or "" */
	struct str owner;     /* nearest owner or contact; or "" */
	struct str when;      /* allowed: "where readonly", in a list with "when …"; or "" */
	struct str must;      /* of a refused call: "path must be under /repo"; or "" */
};
/*
 * Decides one ask without its arguments, as a list does: what some call may be allowed to do is
 * allowed.  name: "server/tool"; the resolved model id; "run"; `requested`: what the client
 * called the model ("" = same; ignored for other kinds).  The strings of *out live as long as the
 * bundle.  Never allocates without bound: the memo is dropped when it has grown too large.
 */
void rules_decide(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct str requested, struct verdict *out);
/* The same for a call, on the very bytes of `args` ("" = {}) that will be forwarded: what cannot be
 * judged is not allowed.  *must (the caller's) holds the text of out->must. */
void rules_decide_call(struct bundle *b, const struct subject *s, enum ask_kind kind,
    struct str name, struct str requested, struct str args, struct verdict *out, struct buf *must);
/*
 * The limits of rules that this call must stay within, up to max; returns how many there are.  What
 * cannot be judged by its arguments is within.  Each of rules_limits_each() for what a quota shows.
 */
size_t rules_limits(struct bundle *b, const struct subject *s, const struct ask *a,
    const struct limit **out, size_t max);
bool rules_limited(const struct bundle *b); /* is there any? */
/* The labels that this name carries for the subject: "label.h". */
uint8_t
rules_labels(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name);
bool rules_flow(const struct bundle *b); /* is there a rule with after:? */
/* Those of rules without conditions that match this name. */
void rules_limits_named(struct bundle *b, const struct subject *s, enum ask_kind kind,
    struct str name, void (*fn)(void *ctx, const struct limit *l), void *ctx);
void rules_limits_each(const struct bundle *b, const struct subject *s,
    void (*fn)(void *ctx, const struct limit *l), void *ctx);
/* What the call would be answered if policies that observe were enforced; false: the same rules. */
bool rules_would(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct str requested, struct str args, struct verdict *out, struct buf *must);
/* Appends one line without a newline: "allowed by solo:12 where readonly when path is under /repo",
 * "no rule allows it", "path must be under /repo · policy solo:12", "denied by solo:14: Deletes go
 * through #sre (ask #platform)". */
void verdict_text(const struct verdict *v, struct buf *out);
/* For a refusal towards the client: ERR_DENIED with that text and the name; false. */
bool verdict_err(const struct verdict *v, struct str name, struct err *e);

/* What rules_may_list() and rules_why() need of the core; core.c and key.c provide them. */
struct bundle *core_bundle(struct core *c); /* the loaded one, borrowed */
/* Resolved against core_bundle(); NULL while the key's owner is not in the files. */
const struct subject *key_subject(struct key *k);
/* A copy of it as it is there; false: as NULL above. */
bool key_subject_via(struct key *k, const struct via *via, struct subject *out);
