/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_rules - `redact:` rules: what they say, and what of them holds for one call.
 *
 *   - redact: github/get_issue
 *     result: { secrets: mask, pii: { card: block, email: mask } }
 *     args:   { secrets: block }
 *
 * `all` and `pii` say it for each class that is not named beside them.  Of all rules that match,
 * for each class the strictest holds: block > mask > hash.  A rule of a policy that observes only
 * counts.
 */
#include <stdio.h>
#include <string.h>

#include "policies/bundle.h"
#include "policies/core.h"
#include "policies/tools.h"

#define OWNER_BYTES 100 /* of whom a refusal names */

/* ---- reading ---- */

static bool
action_read(struct loading *ld, const struct yaml *y, uint8_t *out)
{
	static const struct str words[] = { STR("hash"), STR("mask"), STR("block") };
	char near[HINT_BYTES];

	for (size_t i = 0; y->kind == YAML_SCALAR && i < COUNT(words); i++)
		if (str_eq(words[i], y->text)) {
			*out = (uint8_t)(REDACT_HASH + i);
			return true;
		}
	problem(&ld->problems, y, "one of mask, hash and block was expected%s",
	    y->kind == YAML_SCALAR ? hint(near, y->text, words, COUNT(words)) : "");
	return false;
}

/* The classes from..to that nothing is said of get this. */
static void
rest_fill(uint8_t *to, size_t from, uint8_t action)
{
	for (size_t c = from; c < REDACT_CLASSES; c++)
		if (to[c] == REDACT_NOT)
			to[c] = action;
}

static void
class_read(struct loading *ld, struct yaml *y, const char *word, uint8_t *to)
{
	struct yaml *one = yaml_get(y, word);

	for (size_t c = 0; one != NULL && c < REDACT_CLASSES; c++)
		if (strcmp(redact_class_word((enum redact_class)c), word) == 0)
			(void)action_read(ld, one, &to[c]);
}

/* A mapping of pii's classes, or one action for all of them. */
static void
pii_read(struct loading *ld, struct yaml *y, uint8_t *to)
{
	static const char *const known[] = { "card", "email", "iban", "phone", "all", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "pii", known, later };
	struct yaml *all;
	uint8_t action;

	if (y->kind == YAML_SCALAR) {
		if (action_read(ld, y, &action))
			rest_fill(to, REDACT_CARD, action);
		return;
	}
	if (!keys_check(&ld->problems, y, &keys))
		return;
	for (size_t i = 0; i < 4; i++)
		class_read(ld, y, known[i], to);
	all = yaml_get(y, "all");
	if (all != NULL && action_read(ld, all, &action))
		rest_fill(to, REDACT_CARD, action);
}

/* args: or result: */
static void
side_read(struct loading *ld, struct yaml *y, uint8_t *to)
{
	static const char *const known[] = { "secrets", "pii", "all", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "what is redacted", known, later };
	struct yaml *pii, *all;
	uint8_t action;

	if (y == NULL)
		return;
	if (y->kind == YAML_MAP && y->n == 0) {
		problem(&ld->problems, y, "what? ({ secrets: mask, pii: { card: block } })");
		return;
	}
	if (!keys_check(&ld->problems, y, &keys))
		return;
	class_read(ld, y, "secrets", to);
	pii = yaml_get(y, "pii");
	all = yaml_get(y, "all");
	if (pii != NULL)
		pii_read(ld, pii, to);
	if (all != NULL && action_read(ld, all, &action))
		rest_fill(to, 0, action);
}

static void
side_put(struct buf *b, const char *side, const uint8_t *action)
{
	bool any = false;

	for (size_t c = 0; c < REDACT_CLASSES; c++) {
		if (action[c] == REDACT_NOT)
			continue;
		buf_printf(b, "%s%s: %s", any ? ", " : side,
		    redact_class_word((enum redact_class)c),
		    redact_action_word((enum redact_action)action[c]));
		any = true;
	}
	if (any)
		buf_puts(b, " } ");
}

/* "args { secrets: block } result { card: mask }", for who asks why. */
static void
text_put(struct loading *ld, const struct redact_rule *r, struct rule *out)
{
	struct buf b;

	buf_init(&b, 0);
	side_put(&b, "args { ", r->args);
	side_put(&b, "result { ", r->result);
	buf_put(&b, out->text);
	out->text = arena_str(&ld->b->arena, str_trim(buf_str(&b)));
	buf_fini(&b);
}

void
redact_read(struct loading *ld, const struct policy *p, struct yaml *y, struct rule *out)
{
	struct yaml *args = yaml_get(y, "args"), *result = yaml_get(y, "result");
	struct redact_rule *r;
	const enum ask_kind kind = out->pattern.kind;
	const struct redact_rule **list;

	if (out->effect != EFFECT_REDACT) {
		if (args != NULL || result != NULL)
			problem_key(&ld->problems, args != NULL ? args : result,
			    "args: and result: stand with redact: PATTERN");
		return;
	}
	if (kind == ASK_HOSTED || kind == ASK_ADMIN)
		problem_key(&ld->problems, yaml_get(y, "redact"),
		    "only calls of tools, prompts and resources, code:run and models are redacted");
	if (kind == ASK_MODEL && result != NULL)
		problem_key(&ld->problems, result,
		    "result: of a model is not supported: a secret would come split over the "
		    "events of a stream, and thinking is signed as it is (write args: what it is "
		    "sent)");
	if (out->when.n + out->unless.n > 0)
		problem_key(&ld->problems, yaml_get(y, out->when.n > 0 ? "when" : "unless"),
		    "a redact has no conditions on arguments (here: subject: alone)");
	if (args == NULL && result == NULL)
		problem_key(&ld->problems, yaml_get(y, "redact"),
		    "what is redacted? (write: result: { secrets: mask })");
	r = arena_new(&ld->b->arena, struct redact_rule);
	side_read(ld, args, r->args);
	side_read(ld, result, r->result);
	text_put(ld, r, out);
	r->policy = p;
	r->rule = out;
	list = kind == ASK_MODEL ? &ld->b->model_redacts : &ld->b->redacts;
	r->next = *list;
	*list = r;
}

/* ---- what holds ---- */

static bool
strictest(const struct redact_rule *r, const uint8_t *from, bool enforced, uint8_t *to,
    const struct redact_rule **by)
{
	bool any = false;

	for (size_t c = 0; c < REDACT_CLASSES; c++) {
		uint8_t action = from[c];

		if (action != REDACT_NOT && !enforced)
			action = REDACT_WATCH;
		if (action > to[c])
			to[c] = action;
		/* Of several that block, the first in order of path and line is named. */
		if (action == REDACT_BLOCK &&
		    (*by == NULL || str_cmp(r->rule->where, (*by)->rule->where) < 0))
			*by = r;
		any = any || action != REDACT_NOT;
	}
	return any;
}

static void
by_put(const struct subject *s, const struct redact_rule *r, char *out, size_t cap)
{
	struct str owner;

	out[0] = '\0';
	if (r == NULL || r->policy->explain == EXPLAIN_OPAQUE)
		return;
	owner = r->policy->owner.n > 0 ? r->policy->owner : s->contact;
	(void)snprintf(out, cap, " · policy " STR_FMT ":%d%s" STR_FMT "%s", STR_ARG(r->policy->id),
	    r->rule->line, owner.n > 0 ? " (ask " : "", STR_ARG(str_clip(owner, OWNER_BYTES)),
	    owner.n > 0 ? ")" : "");
}

/* By either name, which may be the same one twice. */
static bool
wanted(struct bundle *b, const struct redact_rule *list, const struct subject *s,
    enum ask_kind kind, const struct str name[2], struct redaction *out)
{
	const struct redact_rule *by_args = NULL, *by_result = NULL;
	struct judging none;

	memset(out, 0, sizeof(*out));
	if (list == NULL)
		return false;
	ASSERT(s->bundle == b);
	judging_init(&none, STR(""), false);
	for (const struct redact_rule *r = list; r != NULL; r = r->next) {
		bool enforced = policy_in(b, s->set, r->policy->index);

		if ((!enforced && !policy_in(b, s->all, r->policy->index)) ||
		    (!pattern_match(&r->rule->pattern, kind, name[0]) &&
			!pattern_match(&r->rule->pattern, kind, name[1])) ||
		    rule_holds(b, s->all, r->rule, &none) == TRI_NO)
			continue;
		out->any_args |= strictest(r, r->args, enforced, out->args, &by_args);
		out->any_result |= strictest(r, r->result, enforced, out->result, &by_result);
	}
	judging_fini(&none);
	by_put(s, by_args, out->args_by, sizeof(out->args_by));
	by_put(s, by_result, out->result_by, sizeof(out->result_by));
	return out->any_args || out->any_result;
}

bool
rules_redact_in(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct redaction *out)
{
	return wanted(b, b->redacts, s, kind, (const struct str[]){ name, name }, out);
}

bool
rules_redact_model_in(struct bundle *b, const struct subject *s, struct str name,
    struct str requested, struct redaction *out)
{
	return wanted(
	    b, b->model_redacts, s, ASK_MODEL, (const struct str[]){ name, requested }, out);
}

bool
/* NOLINTNEXTLINE(readability-function-size): who, from where, what */
rules_redact(struct core *c, struct key *k, const struct via *via, enum ask_kind kind,
    struct str name, struct redaction *out)
{
	struct subject s;

	if (key_subject_via(k, via, &s))
		return rules_redact_in(core_bundle(c), &s, kind, name, out);
	memset(out, 0, sizeof(*out));
	return false;
}

bool
/* NOLINTNEXTLINE(readability-function-size): who, from where, what */
rules_redact_model(struct core *c, struct key *k, const struct via *via, struct str name,
    struct str requested, struct redaction *out)
{
	struct bundle *b = core_bundle(c);
	struct subject s;

	return b->model_redacts != NULL && key_subject_via(k, via, &s) &&
	       rules_redact_model_in(b, &s, name, requested, out);
}

/* ---- tests of policies ---- */

static bool
side_held(const char *side, const uint8_t *want, const uint8_t *is, struct buf *why)
{
	bool held = true;

	for (size_t c = 0; c < REDACT_CLASSES; c++) {
		if (is[c] >= want[c])
			continue;
		held = false;
		buf_printf(why, "%s: %s: %s was expected, %s\n", side,
		    redact_class_word((enum redact_class)c),
		    redact_action_word((enum redact_action)want[c]),
		    is[c] > REDACT_WATCH ? redact_action_word((enum redact_action)is[c])
					 : "and nothing is done");
	}
	return held;
}

bool
redacts_held(struct bundle *b, const struct subject *s, const struct call *c, struct yaml *want,
    struct buf *why)
{
	static const char *const known[] = { "args", "result", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "redacts", known, later };
	struct redaction need = { .any_args = false }, is;
	struct err e = { .code = ERR_NONE };
	struct loading ld = { .problems = { .out = why, .first = &e } };
	bool args, result;

	if (keys_check(&ld.problems, want, &keys)) {
		side_read(&ld, yaml_get(want, "args"), need.args);
		side_read(&ld, yaml_get(want, "result"), need.result);
	}
	if (ld.problems.errors > 0)
		return false;
	if (c->kind == ASK_MODEL)
		(void)rules_redact_model_in(b, s, c->name, c->requested, &is);
	else
		(void)rules_redact_in(b, s, c->kind, c->name, &is);
	args = side_held("args", need.args, is.args, why);
	result = side_held("result", need.result, is.result, why);
	return args && result;
}
