/* SPDX-License-Identifier: Apache-2.0 */
/*
 * may - rules asked with a key in hand: what lists show, and why.
 */
#include "policies/bundle.h"
#include "policies/core.h"

#define MUST_BYTES 16384 /* what a call that is refused would be told */

static bool
/* NOLINTNEXTLINE(readability-function-size): who, from where, what */
ask(struct core *c, struct key *k, struct str view, enum ask_kind kind, struct str name,
    struct verdict *v)
{
	struct subject s;

	if (!key_subject_via(k, &(struct via){ view, STR("") }, &s))
		return false;
	rules_decide(core_bundle(c), &s, kind, name, STR(""), v);
	return true;
}

bool
rules_may_list(struct core *c, struct key *k, struct str view, enum ask_kind kind, struct str name)
{
	struct verdict v;

	/* What is only observed passes, so it is shown. */
	return ask(c, k, view, kind, name, &v) &&
	       (v.allowed ||
		   (kind != ASK_ADMIN && !str_eq(v.rule, STR("scope")) && key_observes(k)));
}

bool
rules_may_call(struct core *c, struct key *k, const struct ask *a)
{
	struct subject s;
	struct verdict v;
	struct buf must;
	bool may;

	if (!key_subject_via(k, &(struct via){ a->view, a->client }, &s))
		return false;
	buf_init(&must, MUST_BYTES);
	rules_decide_call(core_bundle(c), &s, a->kind, a->name, STR(""), a->args, &v, &must);
	may = v.allowed || v.approvals_n > 0 || (!str_eq(v.rule, STR("scope")) && key_observes(k));
	buf_fini(&must);
	return may;
}

void
/* NOLINTNEXTLINE(readability-function-size): who, from where, what */
rules_project(struct core *c, struct key *k, struct str view, struct str name,
    struct str definition, struct buf *out)
{
	struct subject s;

	if (key_subject_via(k, &(struct via){ view, STR("") }, &s))
		project(core_bundle(c), &s, name, definition, out);
	else
		buf_put(out, definition);
}

uint64_t
rules_projected(struct core *c, struct key *k, struct str view, struct str name)
{
	struct subject s;

	return key_subject_via(k, &(struct via){ view, STR("") }, &s)
		   ? projected(core_bundle(c), &s, name)
		   : 0;
}

void
rules_why(struct core *c, struct key *k, enum ask_kind kind, struct str name, struct buf *out)
{
	struct verdict v;

	if (ask(c, k, STR(""), kind, name, &v))
		verdict_text(&v, out);
	else
		buf_puts(out, "the key's owner is not in the policy files");
}
