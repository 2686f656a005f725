/* SPDX-License-Identifier: Apache-2.0 */
/*
 * testrepeat - `repeat:` of a test file: one call, many times, and what becomes of the last one.
 *
 * repeat.c tries it with the whole gate; here its members are read, and what was expected is held
 * against what came.  A refusal by amount is because of "limit" or "budget", any other because of
 * the rule that says it.
 */
#include "policies/policytest.h"

/* "0.10 USD" */
static bool
cost_read(const struct yaml *y, int64_t *out, struct err *e)
{
	struct str rest = y->text, amount = str_cut(&rest, ' ');

	if (y->kind == YAML_SCALAR && str_eq(str_trim(rest), STR("USD")) && usd_parse(amount, out))
		return true;
	return yaml_err(y, e, "cost is an amount, like 0.10 USD");
}

static bool
each_read(struct yaml *each, struct repeat *r, struct err *e)
{
	static const struct str known[] = { STR("every"), STR("cost"), STR("tokens") };
	struct yaml *every, *cost, *tokens;

	if (each->kind != YAML_MAP)
		return yaml_err(each, e, "write: each: { every: 1m, cost: 0.10 USD, tokens: 900 }");
	every = yaml_get(each, "every");
	cost = yaml_get(each, "cost");
	tokens = yaml_get(each, "tokens");
	return yaml_unknown(each, known, COUNT(known), e) &&
	       (every == NULL || yaml_duration(every, &r->every_ms, e)) &&
	       (cost == NULL || cost_read(cost, &r->cost_nusd, e)) &&
	       (tokens == NULL || yaml_i64(tokens, 0, 1000000000, &r->tokens, e));
}

/* A key of nobody takes from what the organisation has alone. */
static bool
somebodys(const struct subject *s)
{
	const struct level *l = s->chain.level[0];

	return l->kind != LEVEL_ORGANISATION || l->budgets_n + l->limits_n > 0;
}

static bool
repeat_read(struct suite *s, struct yaml *at, const struct asked *a, struct repeat *r,
    enum expect *want, struct err *e)
{
	struct yaml *times = yaml_get(at, "times"), *each = yaml_get(at, "each");

	*r = (struct repeat){ .settings = s->settings,
		.who = &s->who,
		.via = s->via,
		.kind = a->call.kind,
		.name = a->call.name,
		.requested = a->call.requested,
		.args = buf_str(&a->json),
		.now_ns = s->now_ns };
	if (times == NULL)
		return yaml_err(at, e, "how often? times: 201");
	if (!expect_read(yaml_get(at, "expect_last"), want))
		return yaml_err(at, e, "what is expected? expect_last: allow, deny or approve");
	if (a->call.kind == ASK_HOSTED)
		return yaml_err(at, e, "what a provider runs has no limits (repeat the model)");
	if (!somebodys(&s->subject))
		return yaml_err(
		    at, e, "limits and budgets are somebody's: given: { as: { user: ana } }");
	return yaml_i64(times, 1, REPEAT_TIMES_MAX, &r->times, e) &&
	       (each == NULL || each_read(each, r, e));
}

/* What the rules alone say of it. */
static void
rules_say(struct suite *s, const struct asked *a, struct verdict *v)
{
	struct buf must;

	buf_init(&must, 0);
	rules_decide_call(s->bundle, &s->subject, a->call.kind, a->call.name, a->call.requested,
	    buf_str(&a->json), v, &must);
	v->must = STR("");
	buf_fini(&must);
}

static bool
by_amount(const struct repeated *end)
{
	return !end->allowed && (end->why.code == ERR_RATE || end->why.code == ERR_BUDGET);
}

static enum expect
last_answer(struct suite *s, const struct asked *a, const struct repeated *end)
{
	struct verdict v;

	if (end->allowed || by_amount(end))
		return end->allowed ? EXPECT_ALLOW : EXPECT_DENY;
	rules_say(s, a, &v);
	return expect_of(&v);
}

/* "limit", "budget", or the rule that refuses (or grants) the call itself. */
static bool
repeated_because(
    struct suite *s, const struct asked *a, const struct repeated *end, struct str want)
{
	struct verdict v;

	if (by_amount(end))
		return str_eq(want, end->why.code == ERR_RATE ? STR("limit") : STR("budget"));
	rules_say(s, a, &v);
	return because_is(&v, want);
}

static void
repeat_told(const struct repeat *r, const struct repeated *end, struct buf *why)
{
	buf_printf(why, "the last of %lld is %s", (long long)r->times,
	    end->allowed ? "allowed\n" : "refused: ");
	if (!end->allowed)
		buf_printf(why, "%s\n", end->why.text);
	if (end->first > 0)
		buf_printf(why, "%lld refused, the first of them is number %lld\n",
		    (long long)end->refused, (long long)end->first);
}

void
repeat_case(struct suite *s, struct yaml *at, struct yaml *call)
{
	struct yaml *because = yaml_get(at, "because");
	enum expect want = EXPECT_DENY;
	struct repeated end;
	struct repeat r;
	struct asked a;
	struct err e;
	bool ok;

	if (!asked_read(s, at, call, &a)) {
		asked_fini(&a);
		return;
	}
	ok = repeat_read(s, at, &a, &r, &want, &e) && repeat_run(&r, &end, &e);
	if (!ok) {
		case_end(s, false, at, a.call.shown, e.text);
		asked_fini(&a);
		return;
	}
	ok = last_answer(s, &a, &end) == want;
	repeat_told(&r, &end, &a.why);
	if (ok && because != NULL && !repeated_because(s, &a, &end, because->text)) {
		ok = false;
		buf_printf(&a.why, "not because of " STR_FMT "\n", STR_ARG(because->text));
	}
	case_end(s, ok, at, a.call.shown, buf_cstr(&a.why));
	asked_fini(&a);
}
