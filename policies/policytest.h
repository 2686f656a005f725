/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policytest - a suite of cases while it runs; private to policytest.c (the file, its cases),
 * testgiven.c (who asks) and testrepeat.c (one call, many times).
 */
#pragma once

#include "policies/tools.h"

struct suite {
	struct bundle *bundle;
	const struct core_settings *settings;
	struct subject subject;
	struct arena *arena;
	struct key_spec who;
	struct via via;
	int64_t now_ns;
	struct test_report *report;
};

/* ---- policytest.c ---- */

enum expect { EXPECT_DENY, EXPECT_APPROVE, EXPECT_ALLOW };
bool expect_read(const struct yaml *y, enum expect *out); /* y may be NULL */
enum expect expect_of(const struct verdict *v);
/* Is that rule the one?  "payments", "payments:12" or "root/p.yaml:12". */
bool because_is(const struct verdict *v, struct str want);

struct asked { /* what a case asks; json holds its args */
	struct call call;
	struct buf json;
	struct verdict v;
	struct buf why;
};
/* [server/tool, { argument: value }]; false: reported.  *a is made in any case. */
bool asked_read(struct suite *s, const struct yaml *at, const struct yaml *list, struct asked *a);
void asked_fini(struct asked *a);
/* One case is over; why: lines of text. */
void case_end(struct suite *s, bool ok, const struct yaml *at, struct str what, const char *why);

/* ---- testgiven.c ---- */

/* `given:` of the file, and what else stands beside its cases; fills who asks, from where and when.
 * false: *e, with the place. */
bool given_read(struct suite *s, struct yaml *doc, struct err *e) MUST_CHECK;

/* ---- testrepeat.c ---- */

void repeat_case(struct suite *s, struct yaml *at, struct yaml *call);
