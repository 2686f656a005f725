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
 *     - list: { contains: [fs/read_file], lacks: [k8s/delete_pod] }
 *
 * A case is decided by the functions of the gate.  What a case asks and this version does not do
 * (repeat, expect: approve) fails by name; nothing is skipped.
 */
#include <stdio.h>

#include "policies/bundle.h"

#define TREE_BYTES (BUNDLE_FILE_BYTES * 160)

struct suite {
	struct bundle *bundle;
	struct subject subject;
	struct arena *arena;
	struct test_report *report;
};

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

/* "payments", "payments:12" or "root/p.yaml:12" */
static bool
because_is(const struct verdict *v, struct str want)
{
	char line[128];

	(void)snprintf(line, sizeof(line), STR_FMT ":%d", STR_ARG(v->policy), v->line);
	return str_eq(want, v->policy) || str_eq(want, v->rule) || str_eq(want, str_of(line));
}

/* ---- cases ---- */

static void
call_run(struct suite *s, struct yaml *at, struct yaml *call)
{
	struct yaml *expect = yaml_get(at, "expect"), *because = yaml_get(at, "because");
	struct yaml *name = call->kids, *args = name == NULL ? NULL : name->next;
	struct buf json, why;
	struct verdict v;
	bool want, ok;

	if (call->kind != YAML_LIST || call->n > 2 || name == NULL || name->kind != YAML_SCALAR ||
	    (args != NULL && args->kind != YAML_MAP) || expect == NULL) {
		result(s, false, at, STR("call"),
		    "write: call: [server/tool, { argument: value }] and expect: allow|deny");
		return;
	}
	want = str_eq(expect->text, STR("allow"));
	if (!want && !str_eq(expect->text, STR("deny"))) {
		result(s, false, at, name->text, "expect is allow or deny (no approvals yet)");
		return;
	}
	buf_init(&json, BUNDLE_FILE_BYTES * 8);
	buf_init(&why, 0);
	if (args != NULL)
		json_of(args, &json);
	explain_call(s->bundle, &s->subject, name->text, buf_str(&json), &v, &why);
	report_decided(s->report, &v);
	ok = v.allowed == want;
	if (ok && because != NULL && !because_is(&v, because->text)) {
		ok = false;
		buf_printf(&why, "not because of " STR_FMT "\n", STR_ARG(because->text));
	}
	result(s, ok, at, name->text, buf_cstr(&why));
	buf_fini(&json);
	buf_fini(&why);
}

static void
names_run(struct suite *s, struct yaml *names, bool want)
{
	for (struct yaml *y = names == NULL ? NULL : names->kids; y != NULL; y = y->next) {
		enum ask_kind kind;
		struct verdict v;
		struct buf why;
		struct str name;

		call_kind(y->text, &kind, &name);
		rules_decide(s->bundle, &s->subject, kind, name, STR(""), &v);
		report_decided(s->report, &v);
		buf_init(&why, 0);
		verdict_text(&v, &why);
		result(s, v.allowed == want, y, y->text, buf_cstr(&why));
		buf_fini(&why);
	}
}

static void
list_run(struct suite *s, struct yaml *at, struct yaml *list)
{
	struct yaml *contains = NULL, *lacks = NULL;

	if (list->kind == YAML_MAP) {
		contains = yaml_get(list, "contains");
		lacks = yaml_get(list, "lacks");
	}
	if ((contains == NULL || contains->kind != YAML_LIST || contains->n == 0) &&
	    (lacks == NULL || lacks->kind != YAML_LIST || lacks->n == 0))
		result(s, false, at, STR("list"),
		    "write: list: { contains: [server/tool], lacks: [server/tool] }");
	names_run(s, contains, true);
	names_run(s, lacks, false);
}

static void
case_run(struct suite *s, struct yaml *at)
{
	static const struct str known[] = { STR("call"), STR("list"), STR("expect"),
		STR("because") };
	struct yaml *call = NULL, *list = NULL;
	struct err e;

	if (at->kind == YAML_MAP) {
		call = yaml_get(at, "call");
		list = yaml_get(at, "list");
		(void)yaml_get(at, "expect");
		(void)yaml_get(at, "because");
		if (!yaml_unknown(at, known, COUNT(known), &e)) {
			result(s, false, at, STR("case"), e.text);
			return;
		}
	}
	if (call != NULL && list == NULL)
		call_run(s, at, call);
	else if (list != NULL && call == NULL)
		list_run(s, at, list);
	else
		result(s, false, at, STR("case"), "a case has either call: or list:");
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

static bool
given_read(struct suite *s, struct yaml *doc, struct err *e)
{
	static const struct str top[] = { STR("suite"), STR("given"), STR("cases"),
		STR("version") };
	static const struct str of_given[] = { STR("as") };
	static const struct str of_as[] = { STR("customer"), STR("team"), STR("user"), STR("key"),
		STR("groups"), STR("tags"), STR("scope") };
	struct yaml *given = yaml_get(doc, "given"), *as = NULL, *groups = NULL;
	struct key_spec who;

	(void)yaml_get(doc, "suite");
	(void)yaml_get(doc, "version");
	if (given != NULL && given->kind == YAML_MAP)
		as = yaml_get(given, "as");
	if (!yaml_unknown(doc, top, COUNT(top), e) ||
	    (given != NULL && !yaml_unknown(given, of_given, COUNT(of_given), e)))
		return false;
	if (as == NULL || as->kind != YAML_MAP)
		return yaml_err(doc, e, "who asks? given: { as: { user: ana } }");
	groups = yaml_get(as, "groups");
	who = (struct key_spec){ .name = named(as, "key"),
		.customer = named(as, "customer"),
		.team = named(as, "team"),
		.user = named(as, "user"),
		.tags = words_of(s->arena, yaml_get(as, "tags")),
		.scope = words_of(s->arena, yaml_get(as, "scope")) };
	if (!scope_check(who.tags, who.scope, e) ||
	    !subject_resolve(s->bundle, &who, s->arena, &s->subject, e))
		return false;
	return yaml_unknown(as, of_as, COUNT(of_as), e) && groups_held(&s->subject, groups, e);
}

void
tests_run(struct bundle *b, const char *path, struct str text, struct test_report *r)
{
	struct arena a;
	struct suite s = { .bundle = b, .report = r, .arena = &a };
	struct yaml *doc, *cases = NULL;
	struct err e;
	bool ok;

	arena_init(&a, TREE_BYTES);
	doc = yaml_parse(&a, path, text, &e);
	if (doc != NULL && doc->kind == YAML_MAP)
		cases = yaml_get(doc, "cases");
	ok = doc != NULL;
	if (ok && (cases == NULL || cases->kind != YAML_LIST || cases->n == 0))
		ok = yaml_err(doc, &e, "cases: is a list of call: and list: cases");
	ok = ok && given_read(&s, doc, &e);
	if (!ok)
		report_case(r, false, path, 0, STR("the file"), e.text);
	for (struct yaml *y = ok && cases != NULL ? cases->kids : NULL; y != NULL; y = y->next)
		case_run(&s, y);
	report_suite_end(r, path);
	arena_free(&a);
}
