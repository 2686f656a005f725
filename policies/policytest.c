/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policytest - files named *_test.yaml: what the policies are meant to say, as cases.
 *
 *   suite: payments
 *   given: { as: { team: payments, user: ana, key: laptop } }
 *   cases:
 *     - call: [fs/read_file, { path: /repo/../etc/passwd }]
 *       expect: deny
 *       because: payments-tools          the policy, its rule (payments-tools:12), or its file:line
 *     - call: ["code:run"]
 *       expect: allow
 *       at_most: { seconds: 20, calls: 100 }   no script of theirs may use more
 *     - call: ["model:sonnet"]
 *       expect: allow
 *       redacts: { args: { secrets: block } }  so much is done, or something stricter
 *     - list: { contains: [fs/read_file], lacks: [k8s/delete_pod] }
 *     - repeat: [jira/create_issue, { project: PAY }]
 *       times: 201
 *       each: { every: 1m, cost: 0.10 USD, tokens: 900 }
 *       expect_last: deny
 *       because: limit                   or budget, or as above
 *
 * A case is decided by the functions of the gate; a repeated one passes the whole gate, with its
 * limits and budgets, on a clock that begins at given.now.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "policies/label.h"
#include "policies/prices.h"
#include "policies/tools.h"

#define TREE_BYTES (BUNDLE_FILE_BYTES * 160)

struct suite {
	struct bundle *bundle;
	const struct core_settings *settings;
	struct subject subject;
	struct arena *arena;
	struct key_spec who;
	struct via via;
	int64_t now_ns;
	struct test_report *report;
};
#define KEY_DEFAULT STR("test") /* of a suite that names none */
#define NOW_DEFAULT                                                                                \
	1788220800000000000ll /* 2026-09-01T00:00:00Z: every period begins but a week              \
			       */

/* ---- arguments ---- */

static void
/* NOLINTNEXTLINE(misc-no-recursion): the depth of a YAML file */
json_of(const struct yaml *y, struct buf *b)
{
	struct err e;
	bool first = true;

	switch (y->kind) {
	case YAML_NULL:
		buf_puts(b, "null");
		return;
	case YAML_SCALAR:
		if (!y->quoted && y->text.n > 0 && json_check(y->text, false, &e))
			buf_put(b, y->text); /* a number, true, false */
		else
			buf_json_str(b, y->text);
		return;
	case YAML_LIST:
	case YAML_MAP:
		buf_putc(b, y->kind == YAML_MAP ? '{' : '[');
		for (const struct yaml *m = y->kids; m != NULL; m = m->next) {
			if (!first)
				buf_putc(b, ',');
			first = false;
			if (y->kind == YAML_MAP) {
				buf_json_str(b, m->key);
				buf_putc(b, ':');
			}
			json_of(m, b);
		}
		buf_putc(b, y->kind == YAML_MAP ? '}' : ']');
		return;
	}
	UNREACHABLE();
}

/* ---- results ---- */

static void
result(struct suite *s, bool ok, const struct yaml *at, struct str what, const char *why)
{
	report_case(s->report, ok, at->file, at->line, what, why);
}

enum expect { EXPECT_DENY, EXPECT_APPROVE, EXPECT_ALLOW };
static const struct str expects[] = { STR("deny"), STR("approve"), STR("allow") };

static enum expect
answer(const struct verdict *v)
{
	return v->allowed ? EXPECT_ALLOW : v->approvals_n > 0 ? EXPECT_APPROVE : EXPECT_DENY;
}

static bool
expect_read(const struct yaml *y, enum expect *out)
{
	for (size_t i = 0; y != NULL && y->kind == YAML_SCALAR && i < COUNT(expects); i++)
		if (str_eq(y->text, expects[i])) {
			*out = (enum expect)i;
			return true;
		}
	return false;
}

/* "payments", "payments:12" or "root/p.yaml:12" */
static bool
because_is(const struct verdict *v, struct str want)
{
	char line[128];

	(void)snprintf(line, sizeof(line), STR_FMT ":%d", STR_ARG(v->policy), v->line);
	return str_eq(want, v->policy) || str_eq(want, v->rule) || str_eq(want, str_of(line));
}

/* For a model, the rule that grants the name it was asked for decides too. */
static void
decided(struct suite *s, const struct call *c, const struct verdict *v)
{
	struct verdict asked;

	report_decided(s->report, v);
	if (!v->allowed || str_eq(c->name, c->requested))
		return;
	rules_decide(s->bundle, &s->subject, c->kind, c->requested, STR(""), &asked);
	report_decided(s->report, &asked);
}

/* ---- cases ---- */

struct asked { /* what a case asks; json holds its args */
	struct call call;
	struct buf json;
	struct verdict v;
	struct buf why;
};

static void
asked_fini(struct asked *a)
{
	buf_fini(&a->json);
	buf_fini(&a->why);
}

/* [server/tool, { argument: value }]; false: reported.  *a is made in any case. */
static bool
asked_read(struct suite *s, const struct yaml *at, const struct yaml *list, struct asked *a)
{
	const struct yaml *name = list->kids, *args = name == NULL ? NULL : name->next;
	struct err e;

	buf_init(&a->json, BUNDLE_FILE_BYTES * 8);
	buf_init(&a->why, 0);
	if (list->kind != YAML_LIST || list->n > 2 || name == NULL || name->kind != YAML_SCALAR ||
	    (args != NULL && args->kind != YAML_MAP)) {
		result(s, false, at, list->key,
		    "write: call: [server/tool, { argument: value }], [\"model:NAME\"], "
		    "[\"prompt:server/name\"], [\"resource:server/uri\"], [\"hosted:NAME\"] or "
		    "[\"code:run\"]");
		return false;
	}
	if (!call_read(s->settings, name->text, &a->call, &e)) {
		result(s, false, name, name->text, e.text);
		return false;
	}
	if (args != NULL && a->call.kind != ASK_TOOL) {
		result(s, false, args, name->text, "only calls of tools have arguments");
		return false;
	}
	if (args != NULL)
		json_of(args, &a->json);
	return true;
}

/* at_most: { seconds: 20 }: whatever bounds a script bounds it so much or more. */
static bool
at_most_held(struct suite *s, const struct yaml *most, struct buf *why)
{
	struct bounds all;
	bool held = true;
	struct err e;

	(void)rules_bounds(s->bundle, &s->subject, &all);
	if (most->kind != YAML_MAP || most->n == 0) {
		buf_puts(why, "write: at_most: { seconds: 20, memory: 32MiB, calls: 100 }\n");
		return false;
	}
	for (const struct yaml *m = most->kids; m != NULL; m = m->next) {
		enum bound_kind k;
		int64_t want;

		if (!bound_is(m, &k)) {
			buf_printf(why,
			    "\"" STR_FMT "\" bounds no script (seconds, memory, calls, "
			    "bytes or money do)\n",
			    STR_ARG(m->key));
			return false;
		}
		if (!bound_value(m, k, &want, &e)) {
			buf_printf(why, "%s\n", e.text);
			return false;
		}
		if (all.of[k].most > 0 && all.of[k].most <= want)
			continue;
		held = false;
		buf_printf(why, "%s: ", bound_word(k));
		if (all.of[k].most == 0)
			buf_puts(why, "nothing bounds a script\n");
		else
			bound_amount_put(why, k, all.of[k].most);
		if (all.of[k].most > 0)
			buf_printf(why, " are allowed by " STR_FMT "\n", STR_ARG(all.of[k].where));
	}
	return held;
}

static void
call_run(struct suite *s, struct yaml *at, struct yaml *call)
{
	struct yaml *expect = yaml_get(at, "expect"), *because = yaml_get(at, "because");
	struct yaml *most = yaml_get(at, "at_most"), *redacts = yaml_get(at, "redacts");
	enum expect want = EXPECT_DENY;
	struct asked a;
	bool ok;

	if (!asked_read(s, at, call, &a)) {
		asked_fini(&a);
		return;
	}
	if (!expect_read(expect, &want)) {
		result(
		    s, false, at, a.call.shown, "what is expected? expect: allow, deny or approve");
		asked_fini(&a);
		return;
	}
	explain_call(s->bundle, &s->subject, &a.call, buf_str(&a.json), &a.v, &a.why);
	decided(s, &a.call, &a.v);
	ok = answer(&a.v) == want;
	if (!ok)
		buf_printf(&a.why, "expected: " STR_FMT "\n", STR_ARG(expects[want]));
	if (ok && because != NULL && !because_is(&a.v, because->text)) {
		ok = false;
		buf_printf(&a.why, "not because of " STR_FMT "\n", STR_ARG(because->text));
	}
	if (most != NULL && a.call.kind != ASK_RUN) {
		ok = false;
		buf_puts(&a.why, "at_most: is about scripts (call: [\"code:run\"])\n");
	} else if (ok && most != NULL) {
		ok = at_most_held(s, most, &a.why);
	}
	if (ok && redacts != NULL)
		ok = redacts_held(s->bundle, &s->subject, &a.call, redacts, &a.why);
	result(s, ok, at, a.call.shown, buf_cstr(&a.why));
	asked_fini(&a);
}

/* ---- one call, many times ---- */

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
	return answer(&v);
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

static void
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
		result(s, false, at, a.call.shown, e.text);
		asked_fini(&a);
		return;
	}
	ok = last_answer(s, &a, &end) == want;
	repeat_told(&r, &end, &a.why);
	if (ok && because != NULL && !repeated_because(s, &a, &end, because->text)) {
		ok = false;
		buf_printf(&a.why, "not because of " STR_FMT "\n", STR_ARG(because->text));
	}
	result(s, ok, at, a.call.shown, buf_cstr(&a.why));
	asked_fini(&a);
}

/* ---- lists ---- */

static void
name_run(struct suite *s, const struct yaml *y, bool want)
{
	struct verdict v;
	struct call call;
	struct buf why;
	struct err e;

	if (y->kind != YAML_SCALAR || !call_read(s->settings, y->text, &call, &e)) {
		result(s, false, y, y->text,
		    y->kind != YAML_SCALAR ? "a name was expected, like server/tool" : e.text);
		return;
	}
	rules_decide(s->bundle, &s->subject, call.kind, call.name, call.requested, &v);
	decided(s, &call, &v);
	buf_init(&why, 0);
	verdict_text(&v, &why);
	result(s, v.allowed == want, y, y->text, buf_cstr(&why));
	buf_fini(&why);
}

static void
list_run(struct suite *s, struct yaml *at, struct yaml *list)
{
	static const struct str known[] = { STR("contains"), STR("lacks") };
	struct yaml *names[] = { NULL, NULL };
	struct err e;
	size_t n = 0;

	for (size_t i = 0; i < COUNT(names) && list->kind == YAML_MAP; i++) {
		names[i] = yaml_get(list, known[i].p);
		if (names[i] != NULL && names[i]->kind == YAML_LIST)
			n += names[i]->n;
	}
	if (n == 0)
		result(s, false, at, STR("list"),
		    "write: list: { contains: [server/tool], lacks: [server/tool] }");
	else if (!yaml_unknown(list, known, COUNT(known), &e))
		result(s, false, at, STR("list"), e.text);
	for (size_t i = 0; i < COUNT(names); i++)
		for (struct yaml *y = n == 0 || names[i] == NULL ? NULL : names[i]->kids; y != NULL;
		     y = y->next)
			name_run(s, y, i == 0);
}

static void
case_run(struct suite *s, struct yaml *at)
{
	static const struct {
		struct str word;
		void (*run)(struct suite *s, struct yaml *at, struct yaml *what);
		struct str known[5]; /* beside the word itself */
	} cases[] = { { STR("call"), call_run,
			  { STR("call"), STR("expect"), STR("because"), STR("at_most"),
			      STR("redacts") } },
		{ STR("list"), list_run, { STR("list") } },
		{ STR("repeat"), repeat_case,
		    { STR("repeat"), STR("times"), STR("each"), STR("expect_last"),
			STR("because") } } };
	struct yaml *what = NULL;
	size_t is = 0, n = 0;
	struct err e;

	for (size_t i = 0; i < COUNT(cases) && at->kind == YAML_MAP; i++) {
		struct yaml *y = yaml_get(at, cases[i].word.p);

		if (y != NULL && what != NULL) {
			result(s, false, at, STR("case"),
			    "a case has one of call:, list: and repeat:");
			return;
		}
		is = y != NULL ? i : is;
		what = y != NULL ? y : what;
	}
	if (what == NULL) {
		result(s, false, at, STR("case"), "a case has call:, list: or repeat:");
		return;
	}
	while (n < COUNT(cases[is].known) && cases[is].known[n].n > 0)
		(void)yaml_get(at, cases[is].known[n++].p);
	if (!yaml_unknown(at, cases[is].known, n, &e))
		result(s, false, at, cases[is].word, e.text);
	else
		cases[is].run(s, at, what);
}

/* ---- the file ---- */

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

static bool
given_read(struct suite *s, struct yaml *doc, struct err *e)
{
	struct err why;
	static const struct str top[] = { STR("suite"), STR("given"), STR("cases"),
		STR("version") };
	static const struct str of_given[] = { STR("as"), STR("now"), STR("seen") };
	static const struct str of_as[] = { STR("customer"), STR("team"), STR("user"), STR("key"),
		STR("groups"), STR("tags"), STR("scope"), STR("view"), STR("client") };
	struct yaml *given = yaml_get(doc, "given"), *as = NULL, *now = NULL, *groups = NULL;
	struct yaml *seen = NULL;

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

void
tests_run(struct bundle *b, const struct core_settings *settings, const char *path, struct str text,
    struct test_report *r)
{
	struct arena a;
	struct suite s = { .bundle = b, .settings = settings, .report = r, .arena = &a };
	struct yaml *doc, *cases = NULL;
	struct err e;
	bool ok;

	arena_init(&a, TREE_BYTES);
	doc = yaml_parse(&a, path, text, &e);
	if (doc != NULL && doc->kind == YAML_MAP)
		cases = yaml_get(doc, "cases");
	ok = doc != NULL;
	if (ok && (cases == NULL || cases->kind != YAML_LIST || cases->n == 0))
		ok = yaml_err(doc, &e, "cases: is a list of call:, list: and repeat: cases");
	ok = ok && given_read(&s, doc, &e);
	if (!ok)
		report_case(r, false, path, 0, STR("the file"), e.text);
	for (struct yaml *y = ok && cases != NULL ? cases->kids : NULL; y != NULL; y = y->next)
		case_run(&s, y);
	report_suite_end(r, path);
	arena_free(&a);
}
