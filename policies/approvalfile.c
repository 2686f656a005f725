/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approvalfile - `approval:` of a rule, read, and told.
 *
 *   approval: { text: "A human confirms merges", via: [elicitation, webhook], expires: 10m,
 *               approvers: { groups: [sre] }, second_person: true }
 *
 * Without `approvers` whoever the way reaches may say yes; with them only those.  With either of
 * the last two it is never the one who asks, so that an elicitation, which asks the asking client,
 * is no way then.
 */
#include "policies/approvals.h"
#include "policies/bundle.h"

static bool
way_read(struct loading *ld, struct approval *a, const struct yaml *y)
{
	static const struct str words[] = { STR("elicitation"), STR("webhook"), STR("cli") };
	char near[HINT_BYTES];

	for (size_t i = 0; i < COUNT(words); i++) {
		if (y->kind != YAML_SCALAR || !str_eq(words[i], y->text))
			continue;
		for (size_t k = 0; k < a->ways_n; k++)
			if (a->way[k] == (enum approval_way)(i + 1)) {
				problem(&ld->problems, y, "\"" STR_FMT "\" stands here twice",
				    STR_ARG(y->text));
				return false;
			}
		a->way[a->ways_n++] = (enum approval_way)(i + 1);
		return true;
	}
	problem(&ld->problems, y, "unknown way \"" STR_FMT "\"%s", STR_ARG(y->text),
	    hint(near, y->text, words, COUNT(words)));
	return false;
}

static void
ways_read(struct loading *ld, struct approval *a, const struct yaml *y)
{
	if (y->kind != YAML_LIST || y->n == 0 || y->n > APPROVAL_WAYS_MAX) {
		problem(&ld->problems, y, "via is a list of elicitation, webhook, cli");
		return;
	}
	for (const struct yaml *w = y->kids; w != NULL; w = w->next)
		if (!way_read(ld, a, w))
			return;
}

static void
expires_read(struct loading *ld, struct approval *a, const struct yaml *y)
{
	struct str digits = y->text;
	int64_t n = 0, unit = 0;

	if (y->kind == YAML_SCALAR && digits.n > 1) {
		char last = digits.p[--digits.n];

		unit = last == 's' ? 1 : last == 'm' ? 60 : last == 'h' ? 3600 : 0;
	}
	if (unit == 0 || !str_i64(digits, &n) || n < 1 || n > APPROVAL_EXPIRES_MAX / unit)
		problem(&ld->problems, y, "expires is a time of 1s to 24h, like 10m");
	else
		a->expires_s = n * unit;
}

static const struct applies *
approvers_read(
    struct loading *ld, const struct policy_file *f, const struct policy *p, struct yaml *y)
{
	struct applies *to = arena_new(&ld->b->arena, struct applies);

	to->within = p->applies.within;
	applies_read(ld, f, APPLIES_PEOPLE, to, y);
	return to;
}

/* An elicitation asks the one who calls. */
static bool
second_read(struct loading *ld, struct approval *a, const struct yaml *y)
{
	const bool yes = y->kind == YAML_SCALAR && str_eq(y->text, STR("true"));

	if (!yes && (y->kind != YAML_SCALAR || !str_eq(y->text, STR("false"))))
		problem(&ld->problems, y, "second_person is true or false");
	a->second_person = a->second_person || yes;
	return yes;
}

/* Where the rule does not say via: an elicitation asks the one who calls. */
static size_t
ways_default(bool second_person, enum approval_way way[APPROVAL_WAYS_MAX])
{
	size_t n = 0;

	if (!second_person)
		way[n++] = APPROVAL_ELICITATION;
	way[n++] = APPROVAL_WEBHOOK;
	way[n++] = APPROVAL_CLI;
	return n;
}

const struct approval *
approval_read(
    struct loading *ld, const struct policy_file *f, const struct policy *p, struct yaml *y)
{
	static const char *const known[] = { "text", "via", "expires", "approvers", "second_person",
		NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "an approval", known, later };
	struct approval *a = arena_new(&ld->b->arena, struct approval);
	struct yaml *text = NULL, *via = NULL, *expires = NULL, *approvers = NULL, *second = NULL;

	a->expires_s = APPROVAL_EXPIRES_S;
	if (y != NULL && !keys_check(&ld->problems, y, &keys))
		return a;
	if (y != NULL) {
		text = yaml_get(y, "text");
		via = yaml_get(y, "via");
		expires = yaml_get(y, "expires");
		approvers = yaml_get(y, "approvers");
		second = yaml_get(y, "second_person");
	}
	if (text != NULL && text_get(&ld->problems, text, "text", BUNDLE_TEXT_BYTES, &a->text))
		a->text = arena_str(&ld->b->arena, a->text);
	if (expires != NULL)
		expires_read(ld, a, expires);
	if (approvers != NULL)
		a->approvers = approvers_read(ld, f, p, approvers);
	a->second_person = approvers != NULL;
	if (second != NULL && !second_read(ld, a, second) && approvers != NULL)
		problem_key(&ld->problems, second,
		    "approvers never approve their own calls (remove second_person)");
	if (via != NULL)
		ways_read(ld, a, via);
	else
		a->ways_n = ways_default(a->second_person, a->way);
	if (a->second_person && via != NULL && a->ways_n == 1 && a->way[0] == APPROVAL_ELICITATION)
		problem_key(&ld->problems, via,
		    "an elicitation asks the one who calls, who is no approver of the own call "
		    "(add webhook or cli)");
	return a;
}

static bool
ways_are_default(const struct approval *a)
{
	enum approval_way way[APPROVAL_WAYS_MAX];
	const size_t n = ways_default(a->second_person, way);

	for (size_t i = 0; i < n && i < a->ways_n; i++)
		if (way[i] != a->way[i])
			return false;
	return n == a->ways_n;
}

void
approval_terms_text(const struct approval *a, struct buf *out)
{
	if (a->approvers != NULL) {
		buf_puts(out, " by ");
		applies_text(a->approvers, out);
	} else if (a->second_person) {
		buf_puts(out, " by a second person");
	}
	for (size_t i = 0; i < a->ways_n && !ways_are_default(a); i++)
		buf_printf(out, "%s%s", i == 0 ? " via " : ", then ", approval_way_word(a->way[i]));
	if (a->expires_s != APPROVAL_EXPIRES_S)
		buf_printf(out, " within %lld s", (long long)a->expires_s);
}
