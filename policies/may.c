/* SPDX-License-Identifier: Apache-2.0 */
/*
 * may - rules asked with a key in hand: what lists show, and why.
 *
 * Rules have no conditions on arguments yet, so what may be listed is what may be called.
 */
#include "policies/rules.h"

static bool
ask(struct core *c, struct key *k, enum ask_kind kind, struct str name, struct verdict *v)
{
	const struct subject *s = key_subject(k);

	if (s == NULL)
		return false;
	rules_decide(core_bundle(c), s, kind, name, STR(""), v);
	return true;
}

bool
rules_may_list(struct core *c, struct key *k, enum ask_kind kind, struct str name)
{
	struct verdict v;

	return ask(c, k, kind, name, &v) && v.allowed;
}

void
rules_why(struct core *c, struct key *k, enum ask_kind kind, struct str name, struct buf *out)
{
	struct verdict v;

	if (ask(c, k, kind, name, &v))
		verdict_text(&v, out);
	else
		buf_puts(out, "the key's owner is not in the policy files");
}
