/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testgiven - `given:` of a test file: who asks, from where, when, and what the session has got.
 */
#include "policies/policytest.h"

#include <time.h>

#include "policies/label.h"

#define KEY_DEFAULT STR("test") /* of a suite that names none */
/* 2026-09-01T00:00:00Z: every period begins but a week. */
#define NOW_DEFAULT 1788220800000000000ll

static struct str
named(struct yaml *map, const char *key)
{
	struct yaml *y = map == NULL || map->kind != YAML_MAP ? NULL : yaml_get(map, key);

	return y == NULL ? STR("") : y->text;
}

/* [a, b]: "a b", as a key's own tags and scope are written. */
static struct str
words_of(struct arena *a, const struct yaml *list)
{
	struct str all;
	struct buf b;

	buf_init(&b, BUNDLE_FILE_BYTES); /* the file itself is no larger */
	for (const struct yaml *y = list == NULL ? NULL : list->kids; y != NULL; y = y->next) {
		buf_puts(&b, b.n > 0 ? " " : "");
		buf_put(&b, y->text);
	}
	all = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return all;
}

static bool
groups_held(const struct subject *s, const struct yaml *groups, struct err *e)
{
	const struct level *l = s->chain.n > 0 ? s->chain.level[0] : NULL;

	for (const struct yaml *g = groups == NULL ? NULL : groups->kids; g != NULL; g = g->next) {
		bool held = false;

		for (size_t i = 0; l != NULL && i < l->groups_n; i++)
			held = held || str_eq(l->groups[i], g->text);
		if (!held)
			return yaml_err(g, e,
			    "is not in group \"" STR_FMT "\" (groups come from the policy files)",
			    STR_ARG(g->text));
	}
	return true;
}

/* "2026-08-21T10:00:00Z", "2026-08-21" */
static bool
now_read(const struct yaml *y, int64_t *out_ns, struct err *e)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d" };
	char text[40];

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct tm tm = { 0 };
		const char *end;

		if (y->kind != YAML_SCALAR || !str_copy(text, sizeof(text), y->text))
			break;
		end = strptime(text, forms[i], &tm);
		if (end == NULL || *end != '\0' || tm.tm_year < 70)
			continue;
		*out_ns = (int64_t)timegm(&tm) * 1000000000;
		return true;
	}
	return yaml_err(y, e, "now is a time of UTC, like \"2026-08-21T10:00:00Z\"");
}

/* What the session has got before the cases: labels. */
static bool
seen_check(const struct yaml *seen, struct err *e)
{
	for (const struct yaml *y = seen == NULL ? NULL : seen->kids; y != NULL; y = y->next)
		if (labels_parse(y->text) == 0)
			return yaml_err(
			    y, e, "seen is a list of private, untrusted, egress, destructive");
	return true;
}

bool
given_read(struct suite *s, struct yaml *doc, struct err *e)
{
	static const struct str top[] = { STR("suite"), STR("given"), STR("cases"),
		STR("version") };
	static const struct str of_given[] = { STR("as"), STR("now"), STR("seen") };
	static const struct str of_as[] = { STR("customer"), STR("team"), STR("user"), STR("key"),
		STR("groups"), STR("tags"), STR("scope"), STR("view"), STR("client") };
	struct yaml *given = yaml_get(doc, "given"), *as = NULL, *now = NULL, *groups = NULL;
	struct yaml *seen = NULL;
	struct err why;

	(void)yaml_get(doc, "suite");
	(void)yaml_get(doc, "version");
	(void)yaml_get(doc, "cases");
	if (given != NULL && given->kind == YAML_MAP) {
		as = yaml_get(given, "as");
		now = yaml_get(given, "now");
		seen = yaml_get(given, "seen");
	}
	if (!yaml_unknown(doc, top, COUNT(top), e) ||
	    (given != NULL && !yaml_unknown(given, of_given, COUNT(of_given), e)))
		return false;
	if (as == NULL || as->kind != YAML_MAP)
		return yaml_err(doc, e, "who asks? given: { as: { user: ana } }");
	groups = yaml_get(as, "groups");
	s->who = (struct key_spec){ .name = named(as, "key"),
		.customer = named(as, "customer"),
		.team = named(as, "team"),
		.user = named(as, "user"),
		.tags = words_of(s->arena, yaml_get(as, "tags")),
		.scope = words_of(s->arena, yaml_get(as, "scope")) };
	s->via = (struct via){ named(as, "view"), named(as, "client") };
	s->now_ns = NOW_DEFAULT;
	if (!yaml_unknown(as, of_as, COUNT(of_as), e) ||
	    (now != NULL && !now_read(now, &s->now_ns, e)) || !seen_check(seen, e) ||
	    !scope_check(s->who.tags, s->who.scope, e))
		return false;
	if (!subject_resolve(s->bundle, &s->who, s->arena, &s->subject, &why))
		return yaml_err(as, e, "%s", why.text);
	subject_via(s->bundle, &s->subject, &s->via);
	s->subject.seen = labels_parse(words_of(s->arena, seen));
	if (s->who.name.n == 0)
		s->who.name = KEY_DEFAULT;
	return groups_held(&s->subject, groups, e);
}
