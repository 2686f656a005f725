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
#include "policies/policytest.h"

#include <stdio.h>

#define TREE_BYTES (BUNDLE_FILE_BYTES * 160)

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

void
case_end(struct suite *s, bool ok, const struct yaml *at, struct str what, const char *why)
{
	report_case(s->report, ok, at->file, at->line, what, why);
}

static const struct str expects[] = { STR("deny"), STR("approve"), STR("allow") };

enum expect
expect_of(const struct verdict *v)
{
	return v->allowed ? EXPECT_ALLOW : v->approvals_n > 0 ? EXPECT_APPROVE : EXPECT_DENY;
}

bool
expect_read(const struct yaml *y, enum expect *out)
{
	for (size_t i = 0; y != NULL && y->kind == YAML_SCALAR && i < COUNT(expects); i++)
		if (str_eq(y->text, expects[i])) {
			*out = (enum expect)i;
			return true;
		}
	return false;
}

bool
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

void
asked_fini(struct asked *a)
{
	buf_fini(&a->json);
	buf_fini(&a->why);
}

bool
asked_read(struct suite *s, const struct yaml *at, const struct yaml *list, struct asked *a)
{
	const struct yaml *name = list->kids, *args = name == NULL ? NULL : name->next;
	struct err e;

	buf_init(&a->json, BUNDLE_FILE_BYTES * 8);
	buf_init(&a->why, 0);
	if (list->kind != YAML_LIST || list->n > 2 || name == NULL || name->kind != YAML_SCALAR ||
	    (args != NULL && args->kind != YAML_MAP)) {
		case_end(s, false, at, list->key,
		    "write: call: [server/tool, { argument: value }], [\"model:NAME\"], "
		    "[\"prompt:server/name\"], [\"resource:server/uri\"], [\"hosted:NAME\"] or "
		    "[\"code:run\"]");
		return false;
	}
	if (!call_read(s->settings, name->text, &a->call, &e)) {
		case_end(s, false, name, name->text, e.text);
		return false;
	}
	if (args != NULL && a->call.kind != ASK_TOOL) {
		case_end(s, false, args, name->text, "only calls of tools have arguments");
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
		case_end(
		    s, false, at, a.call.shown, "what is expected? expect: allow, deny or approve");
		asked_fini(&a);
		return;
	}
	explain_call(s->bundle, &s->subject, &a.call, buf_str(&a.json), &a.v, &a.why);
	decided(s, &a.call, &a.v);
	ok = expect_of(&a.v) == want;
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
	case_end(s, ok, at, a.call.shown, buf_cstr(&a.why));
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
		case_end(s, false, y, y->text,
		    y->kind != YAML_SCALAR ? "a name was expected, like server/tool" : e.text);
		return;
	}
	rules_decide(s->bundle, &s->subject, call.kind, call.name, call.requested, &v);
	decided(s, &call, &v);
	buf_init(&why, 0);
	verdict_text(&v, &why);
	case_end(s, v.allowed == want, y, y->text, buf_cstr(&why));
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
		case_end(s, false, at, STR("list"),
		    "write: list: { contains: [server/tool], lacks: [server/tool] }");
	else if (!yaml_unknown(list, known, COUNT(known), &e))
		case_end(s, false, at, STR("list"), e.text);
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
			case_end(s, false, at, STR("case"),
			    "a case has one of call:, list: and repeat:");
			return;
		}
		is = y != NULL ? i : is;
		what = y != NULL ? y : what;
	}
	if (what == NULL) {
		case_end(s, false, at, STR("case"), "a case has call:, list: or repeat:");
		return;
	}
	while (n < COUNT(cases[is].known) && cases[is].known[n].n > 0)
		(void)yaml_get(at, cases[is].known[n++].p);
	if (!yaml_unknown(at, cases[is].known, n, &e))
		case_end(s, false, at, cases[is].word, e.text);
	else
		cases[is].run(s, at, what);
}

/* ---- the file ---- */

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
