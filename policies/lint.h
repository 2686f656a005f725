/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint - what is legal in policy files and still wrong; private to the lint*.c of this folder.
 *
 *   lint.c        the walk, the report, what is wrong with people
 *   lintrule.c    rules that others make void, or that nothing reaches
 *   lintcond.c    conditions that can never hold
 *   lintmode.c    a code_mode: that changes nothing
 *   cover.c       patterns against patterns
 */
#pragma once

#include "policies/tools.h"

enum lint_level { LINT_WARNING, LINT_ERROR };

struct lint_class { /* all whom the same policies apply to */
	struct subject subject;
	const struct level *first;
	size_t users;             /* how many of them are users without a particular key */
	const struct level *user; /* the first of those */
};
struct lint {
	const struct core_settings *settings;
	struct bundle *b;
	const struct lint_ask *ask;
	struct buf *out;
	struct lint_class *classes;
	size_t classes_n, classes_cap, found[LINT_ERROR + 1];
	struct arena a;
	struct map by_set;
};
/* One line "DIR/root/a.yaml:12: error: what (the fix)", or one JSON object.  `where` is a rule's.
 */
void lint_say(struct lint *l, enum lint_level level, struct str where, const char *fmt, ...)
    PRINTF(4, 5);

/* ---- lintrule.c ---- */

void lint_rules(struct lint *l);

/* ---- lintcond.c ---- */

/* Can it never hold?  `why` gets the reason. */
bool condition_impossible(const struct condition *c, struct buf *why);
/* Does a test of it say nothing? */
bool condition_idle(const struct condition *c, struct buf *why);

/* ---- lintmode.c ---- */

void lint_code_modes(struct lint *l);

/* ---- cover.c ---- */

/* Does `a` match all that `b` matches?  Are there names that both match? */
bool pattern_covers(const struct pattern *a, const struct pattern *b);
bool pattern_meets(const struct pattern *a, const struct pattern *b);
