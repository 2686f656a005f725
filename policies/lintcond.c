/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lintcond - conditions that are well formed and can never hold, or always do.
 *
 * Only what is certain is said.  Where a test names the values it takes (equals, in), the others of
 * the same argument are judged on each of them by the very functions of the gate.
 */
#include <string.h>

#include "policies/lint.h"

#define T_TEXT   1u
#define T_NUMBER 2u
#define T_LIST   4u
#define T_OBJECT 8u
#define T_OTHER  16u /* null, true, false */
#define T_ANY    31u

#define JSON_BYTES_MAX (BUNDLE_FILE_BYTES * 2)

/* ---- types ---- */

static unsigned
literal_types(const struct test *t)
{
	unsigned types = 0;

	for (size_t i = 0; i < t->n; i++)
		types |= t->values[i].kind == JSON_STRING   ? T_TEXT
			 : t->values[i].kind == JSON_NUMBER ? T_NUMBER
							    : T_OTHER;
	return types;
}

static unsigned
named_types(const struct test *t)
{
	static const struct {
		struct str word;
		unsigned type;
	} words[] = { { STR("string"), T_TEXT }, { STR("number"), T_NUMBER },
		{ STR("integer"), T_NUMBER }, { STR("array"), T_LIST },
		{ STR("object"), T_OBJECT } };
	unsigned types = 0;

	for (size_t i = 0; i < t->n; i++) {
		unsigned one = T_OTHER;

		for (size_t k = 0; k < COUNT(words); k++)
			if (str_eq(words[k].word, t->values[i].text))
				one = words[k].type;
		types |= one;
	}
	return types;
}

/* What a value must be for this test to be true. */
static unsigned
types_of(const struct test *t)
{
	switch (t->op) {
	case OP_EQUALS:
	case OP_IN:
		return literal_types(t);
	case OP_GLOB:
	case OP_MATCHES:
	case OP_UNDER:
	case OP_HOST_IN:
	case OP_MAX_LEN:
		return T_TEXT;
	case OP_MIN:
	case OP_MAX:
		return T_NUMBER;
	case OP_MAX_ITEMS:
	case OP_EACH:
	case OP_ANY:
		return T_LIST;
	case OP_ONLY_KEYS:
		return T_OBJECT;
	case OP_TYPE:
		return named_types(t);
	case OP_NOT:
	case OP_ABSENT:
	case OP_PRESENT:
		return T_ANY;
	}
	UNREACHABLE();
}

/* ---- one list of tests ---- */

static const struct test *
test_of(const struct test *t, size_t n, enum op op)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].op == op)
			return &t[i];
	return NULL;
}

/* Does this hold of an argument that is not there? */
static bool
holds_absent(enum op op)
{
	return op == OP_ABSENT || op == OP_NOT || op == OP_EACH;
}

static bool
contradicts(const struct test *t, size_t n, const char **why)
{
	const struct test *min = test_of(t, n, OP_MIN), *max = test_of(t, n, OP_MAX);
	const struct test *items = test_of(t, n, OP_MAX_ITEMS);
	unsigned types = T_ANY;

	for (size_t i = 0; i < n; i++) {
		if (test_of(t, n, OP_ABSENT) != NULL && !holds_absent(t[i].op)) {
			*why = "it must be absent, and another test needs it";
			return true;
		}
		types &= types_of(&t[i]);
	}
	if (types == 0)
		*why = "its tests want values of different types";
	else if (min != NULL && max != NULL &&
		 decimal_cmp(&min->values[0].number, &max->values[0].number) > 0)
		*why = "min is more than max";
	else if (items != NULL && items->count == 0 && test_of(t, n, OP_ANY) != NULL)
		*why = "any needs an item, max_items is 0";
	else
		return false;
	return true;
}

static void
literal_json(const struct literal *l, struct buf *out)
{
	if (l->kind == JSON_STRING)
		buf_json_str(out, l->text);
	else
		buf_puts(out, l->kind == JSON_NULL    ? "null"
			      : l->kind == JSON_TRUE  ? "true"
			      : l->kind == JSON_FALSE ? "false"
						      : "");
	if (l->kind == JSON_NUMBER)
		buf_put(out, l->text);
}

/* Could the tests hold of one of the values that one of them names? */
static bool
none_passes(const struct test *t, size_t n)
{
	static const struct str v = STR("v");
	const struct test *named = test_of(t, n, OP_EQUALS);
	const struct clause c = { .arg = v, .steps = &v, .steps_n = 1, .tests = t, .tests_n = n };
	const struct condition one = { .clauses = &c, .n = 1, .text = STR("") };
	bool none = true;

	named = named != NULL ? named : test_of(t, n, OP_IN);
	for (size_t i = 0; named != NULL && i < named->n && none; i++) {
		struct judging j;
		struct buf args;

		buf_init(&args, JSON_BYTES_MAX);
		buf_puts(&args, "{\"v\":");
		literal_json(&named->values[i], &args);
		buf_putc(&args, '}');
		judging_init(&j, buf_str(&args), true);
		none = condition_judge(&one, &j) == TRI_NO;
		judging_fini(&j);
		buf_fini(&args);
	}
	return named != NULL && none;
}

/* Why these tests of one value can never hold together; NULL: perhaps they can. */
static const char *
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
impossible(const struct test *t, size_t n)
{
	const char *why = NULL;

	if (contradicts(t, n, &why))
		return why;
	if (none_passes(t, n))
		return "none of the values it names passes the other tests";
	for (size_t i = 0; i < n && why == NULL; i++)
		if (t[i].op == OP_ANY)
			why = impossible(t[i].kids, t[i].kids_n);
	return why;
}

/* ---- the condition ---- */

/* only_keys beside the arguments: does it leave out one that another clause needs? */
static const struct clause *
left_out(const struct condition *c, const struct clause *only)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct clause *other = &c->clauses[i];
		bool named = other->steps_n == 0, absent = true;

		for (size_t k = 0; !named && k < only->tests[0].n; k++)
			named = str_eq(only->tests[0].values[k].text, other->steps[0]);
		for (size_t k = 0; k < other->tests_n; k++)
			absent = absent && holds_absent(other->tests[k].op);
		if (!named && !absent)
			return other;
	}
	return NULL;
}

bool
condition_impossible(const struct condition *c, struct buf *why)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct clause *one = &c->clauses[i], *gone;
		const char *text = impossible(one->tests, one->tests_n);

		if (text != NULL) {
			buf_printf(why, STR_FMT ": %s",
			    STR_ARG(one->arg.n > 0 ? one->arg : STR("the arguments")), text);
			return true;
		}
		gone =
		    one->arg.n == 0 && one->tests[0].op == OP_ONLY_KEYS ? left_out(c, one) : NULL;
		if (gone != NULL) {
			buf_printf(why, "only_keys leaves out " STR_FMT ", which is tested",
			    STR_ARG(gone->arg));
			return true;
		}
	}
	return false;
}

static bool
says_nothing(const struct test *t, const char **why)
{
	*why = NULL;
	for (size_t i = 0; t->op == OP_UNDER && i < t->n; i++)
		if (str_eq(t->values[i].text, STR("/")))
			*why = "under / holds every path";
	for (size_t i = 0; t->op == OP_GLOB && i < t->glob->n; i++)
		if (str_eq(t->glob->alt[i], STR("*")))
			*why = "glob * matches every text";
	if (t->op == OP_MATCHES &&
	    (str_eq(t->values[0].text, STR(".*")) || str_eq(t->values[0].text, STR("^.*$"))))
		*why = "the expression matches every text";
	return *why != NULL;
}

bool
condition_idle(const struct condition *c, struct buf *why)
{
	const char *text;

	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->clauses[i].tests_n; k++)
			if (says_nothing(&c->clauses[i].tests[k], &text)) {
				buf_printf(why, STR_FMT ": %s", STR_ARG(c->clauses[i].arg), text);
				return true;
			}
	return false;
}
