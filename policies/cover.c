/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cover - patterns against patterns: does one match all that another matches, or some of it?
 *
 * `a` covers `b` when, for each alternative of b, one of a matches it as it stands: a star of b is
 * then a letter that only a star can match.  Alternatives that cover only together are not seen, so
 * that "covers" is always true when it is said.
 */
#include <string.h>

#include "policies/lint.h"

static bool
glob_covers(const struct glob *a, const struct glob *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (!glob_match(a, b->alt[i]))
			return false;
	return true;
}

bool
pattern_covers(const struct pattern *a, const struct pattern *b)
{
	/* What where: leaves is not looked at here: it covers nothing for certain. */
	if (a->kind != b->kind || a->kind == 0 || a->where != NULL ||
	    !glob_covers(&a->name, &b->name))
		return false;
	if (a->kind != ASK_TOOL || a->any_server)
		return true;
	return b->any_server ? glob_match(&a->server, STR("*"))
			     : glob_covers(&a->server, &b->server);
}

/* Is there a text that both match?  By the rest of each, bit k of `at`: k letters of b are gone. */
static bool
stars_meet(struct str a, struct str b)
{
	bool at[PATTERN_BYTES_MAX + 1] = { true }, next[PATTERN_BYTES_MAX + 1] = { false };

	if (b.n > PATTERN_BYTES_MAX)
		return true;
	for (size_t k = 0; k < b.n && b.p[k] == '*'; k++)
		at[k + 1] = true;
	for (size_t i = 0; i < a.n; i++) {
		bool star = a.p[i] == '*';

		for (size_t k = 0; k <= b.n; k++) {
			bool from = k > 0 && at[k - 1];

			next[k] = star ? at[k] : false;
			if (k == 0)
				continue;
			if (star) /* takes one more of b */
				next[k] = next[k] || next[k - 1];
			else /* one letter each, or b's star takes ours, or takes nothing */
				next[k] = (from && b.p[k - 1] == a.p[i]) ||
					  (b.p[k - 1] == '*' && (at[k] || from || next[k - 1]));
		}
		memcpy(at, next, sizeof(at));
	}
	return at[b.n];
}

static bool
globs_meet(const struct glob *a, const struct glob *b)
{
	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			if (stars_meet(a->alt[i], b->alt[k]))
				return true;
	return false;
}

bool
pattern_meets(const struct pattern *a, const struct pattern *b)
{
	if (a->kind != b->kind || a->kind == 0 || !globs_meet(&a->name, &b->name))
		return false;
	return a->kind != ASK_TOOL || a->any_server || b->any_server ||
	       globs_meet(&a->server, &b->server);
}
