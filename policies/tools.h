/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools - what the policy commands share: private to this folder.
 *
 *   policytest.c  the cases of *_test.yaml      repeat.c  the same call many times
 *   explain.c     one decision, whole           effects.c  what a bundle makes of a subject
 *   diff.c        two bundles                   replay.c  a bundle against what happened
 *   lint.c        what is legal and wrong
 */
#pragma once

#include "policies/bundle.h"

/* ---- repeat.c ---- */

struct repeat {
	const struct core_settings *settings;
	const struct key_spec *who;
	struct via via;
	enum ask_kind kind;
	struct str name, requested, args;
	int64_t now_ns, times;
	int64_t every_ms, cost_nusd, tokens; /* each call's: after it, and what it takes */
};
struct repeated {
	bool allowed;           /* the last one */
	int64_t refused, first; /* how many were; the first of them, from 1; 0: none */
	struct err why;         /* of the last, when it was refused */
};
#define REPEAT_TIMES_MAX 100000
/* The gate itself, on a data folder that is thrown away.  false: it could not be tried. */
bool repeat_run(const struct repeat *r, struct repeated *out, struct err *e) MUST_CHECK;

/* ---- redact_rules.c ---- */

/* { args: { secrets: block } }: is of each class so much done, or something stricter?  false: why
 * tells what is not, or what cannot be read. */
bool redacts_held(struct bundle *b, const struct subject *s, const struct call *c,
    struct yaml *want, struct buf *why);

/* ---- check.c ---- */

/* Runs every test file of the bundle into the report. */
void tests_all(struct bundle *b, const struct core_settings *s, struct test_report *r);

/* ---- explain.c, explainput.c ---- */

#define EXPLAIN_FINDINGS_MAX 200 /* told of one decision; the rest is counted */
enum finding_what { FOUND_RULE, FOUND_CEILING, FOUND_MODELS };
struct finding {
	enum finding_what what;
	const struct policy *policy;
	const struct rule *rule;       /* FOUND_RULE */
	const struct pattern *covered; /* FOUND_CEILING: by this one; NULL: outside */
	enum tri value;
	struct str why; /* of TRI_MAYBE */
};
struct explained {
	struct bundle *bundle;
	const struct subject *subject;
	const struct call *call;
	struct str args;
	struct via via;
	/* explain_find() fills these: */
	struct verdict verdict;
	struct buf must;
	struct finding found[EXPLAIN_FINDINGS_MAX];
	size_t n, more;
};
void explain_find(struct explained *x);
void explain_fini(struct explained *x);
/* The smallest change after which it would be allowed; nothing when it is. */
void explain_fix(const struct explained *x, struct buf *out);
void explain_text(const struct explained *x, struct buf *out);
void explain_json(const struct explained *x, struct buf *out);

/* ---- effects.c ---- */

/* What calls of one name come to, for one set of policies.  Equal effects answer every call alike.
 */
struct effects {
	bool some;              /* some call may be allowed; else nothing below is said */
	bool open;              /* allowed whatever the arguments are, but for the bars */
	const struct str *ways; /* unless open: "allow when path is under /repo", in order */
	size_t ways_n;
	const struct str *bars; /* "deny when …", "label private", in order */
	size_t bars_n;
	/* "approve by groups [sre] when …", "approve plans", in order; as often as rules ask: more
	 * of them than APPROVAL_RULES_MAX are a refusal. */
	const struct str *asks;
	size_t asks_n;
	const struct str *limits; /* "at most 200 calls/day per user", "redact …", in order */
	size_t limits_n;
	struct bounds bounds; /* of one script */
	struct code_said code_mode;
	enum plan_level plan;
};
void effects_of(struct bundle *b, const struct subject *s, const struct call *c, struct arena *a,
    struct effects *out);
enum shift { SHIFT_NONE, SHIFT_WIDER, SHIFT_NARROWER, SHIFT_OTHER };
enum shift effects_shift(const struct effects *from, const struct effects *to);
/* "refused", "allow", "allow when …; deny when …" */
void effects_text(const struct effects *f, struct buf *out);

/* ---- names.c ---- */

/* The names that two bundles could tell apart: those that are known, those that patterns spell out,
 * and for each `*` one that stands for all others it matches. */
struct names_known {
	const struct core_settings *settings;
	const struct str *tools; /* "server/tool": known beside the files; may be NULL */
	size_t tools_n;
};
struct calls {
	struct call *at; /* in order of kind and name */
	size_t n, cap;
	struct map seen;
	struct arena *a;
	bool cut; /* there were more than CALLS_MAX */
};
#define CALLS_MAX 20000
void calls_find(struct calls *c, struct arena *a, const struct names_known *known,
    const struct bundle *const *b, size_t n);
void calls_fini(struct calls *c);

/* ---- diff.c ---- */

/* The bundle of another folder, whatever servers and models it names. */
struct bundle *bundle_at(const struct core_settings *s, const char *dir, struct err *e) MUST_CHECK;
