/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach - may anybody of a part of the organisation run scripts and call a tool?
 *
 * Asked of the files alone, for each owner with each key or tag, and from each place, that a
 * policy names, until one may.  A key that two tags of different policies make is not tried, so a
 * no is worth a warning, not an error.
 */
#include "policies/bundle.h"
#include "policies/facts.h"
#include "policies/rules.h"

#define NAMED_MAX 64 /* keys and tags that are tried */

struct named { /* a key's name, or a tag */
	struct str key, tag;
};
struct reaching {
	struct bundle *b;
	struct reach *at;
	size_t n, open; /* not yet answered with yes */
	struct named named[NAMED_MAX];
	size_t named_n;
	struct arena a;
};

static void
named_add(struct reaching *r, const struct names *v, bool tags)
{
	for (size_t i = 0; i < v->n && r->named_n < NAMED_MAX; i++)
		r->named[r->named_n++] = tags ? (struct named){ STR(""), v->text[i] }
					      : (struct named){ v->text[i], STR("") };
}

static void
named_find(struct reaching *r)
{
	const struct bundle *b = r->b;

	r->named[r->named_n++] = (struct named){ STR(""), STR("") };
	for (size_t i = 0; i < b->policies_n + b->subjects_n; i++) {
		const struct applies *to =
		    i < b->policies_n ? &b->policies[i]->applies : b->subjects[i - b->policies_n];

		named_add(r, &to->keys, false);
		named_add(r, &to->tags, true);
	}
}

static bool
allowed(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name)
{
	struct verdict v;

	rules_decide(b, s, kind, name, STR(""), &v);
	return v.allowed || bundle_spending(b, &s->chain)->value[SPEND_ENFORCE] == ENFORCE_OBSERVE;
}

static void
ask(struct reaching *r, const struct key_spec *who, const struct subject *s)
{
	bool runs = allowed(r->b, s, ASK_RUN, STR("run"));

	for (size_t i = 0; i < r->n && runs; i++) {
		struct reach *at = &r->at[i];

		if (at->may || (at->customer.n > 0 && !str_eq(at->customer, who->customer)) ||
		    (at->team.n > 0 && !str_eq(at->team, who->team)) ||
		    (at->tool.n > 0 && !allowed(r->b, s, ASK_TOOL, at->tool)))
			continue;
		at->may = true;
		r->open--;
	}
}

static void
level_ask(struct reaching *r, const struct level *v)
{
	const struct bundle *from = r->b;
	struct via via;

	for (size_t i = 0; i < r->named_n && r->open > 0; i++) {
		struct key_spec who = { .name = r->named[i].key, .tags = r->named[i].tag };
		struct subject s;
		struct err e;

		level_owner(v, &who);
		arena_init(&r->a, SCOPE_ARENA_BYTES);
		if (subject_resolve(r->b, &who, &r->a, &s, &e))
			for (size_t at = 0; (at = via_next(&from, 1, at, &via)) > 0;) {
				subject_via(r->b, &s, &via);
				ask(r, &who, &s);
			}
		arena_free(&r->a);
	}
}

bool
policies_reach(const struct core_settings *s, struct reach *at, size_t n, struct err *e)
{
	struct reaching r = { .b = bundle_of(s, NULL, e), .at = at, .n = n, .open = n };

	if (r.b == NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		at[i].may = false;
	named_find(&r);
	for (const struct level *v = NULL; r.open > 0 && (v = bundle_next_level(r.b, v)) != NULL;)
		level_ask(&r, v);
	bundle_free(&r.b);
	return true;
}
