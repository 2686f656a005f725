/* SPDX-License-Identifier: Apache-2.0 */
/*
 * observe - `enforcement: observe`: what a level's budgets, limits and rules would refuse passes,
 * and is recorded.
 *
 * A budget or limit is enforced as its own level says, rules as the nearest level of who asks says;
 * a level that says nothing is as its parent.  Nothing opens the admin API, and a key's own scope
 * is no policy: both hold all the same.
 */
#include "policies/core.h"

#define WOULD_BYTES 200

bool
level_observes(const struct level *l)
{
	return l->spending.value[SPEND_ENFORCE] == ENFORCE_OBSERVE;
}

bool
key_observes(const struct key *k)
{
	return bundle_spending(k->core->bundle, &k->subject.chain)->value[SPEND_ENFORCE] ==
	       ENFORCE_OBSERVE;
}

void
pass_would(struct pass *p, struct str text)
{
	p->core->would_deny++;
	if (p->would.n == 0) /* of several things one is told */
		p->would = arena_str(&p->arena, str_clip(text, WOULD_BYTES));
}

bool
rules_observed(struct pass *p, enum ask_kind kind, const struct verdict *v)
{
	struct buf text;

	if (v->allowed || kind == ASK_ADMIN || str_eq(v->rule, STR("scope")) ||
	    !key_observes(p->key))
		return false;
	buf_init(&text, 0);
	verdict_text(v, &text);
	pass_would(p, buf_str(&text));
	buf_fini(&text);
	return true;
}

void
limits_observed(struct pass *p, struct takes *t, const struct taker *w, int64_t now_ms)
{
	const bool rules = key_observes(p->key);

	for (size_t i = 0; i < t->n;) {
		const struct limit *l = t->take[i].limit, *refusing;
		struct takes one = { .n = 1 };
		struct err why;

		one.take[0] = t->take[i];
		if (!(l->level != NULL ? level_observes(l->level) : rules) ||
		    limits_room(&one, w, now_ms, &refusing, &why)) {
			i++;
			continue;
		}
		pass_would(p, str_of(why.text));
		t->take[i] = t->take[--t->n]; /* nothing is taken from it */
	}
}
