/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition - `when:` and `unless:` as written become tests.
 *
 * Everything that could make a condition mean less than it seems is an error here rather than a
 * surprise later: an expression that does not say where it starts (and, where it opens something,
 * where it ends), a path or host that could never be met, a number that not every reader can hold.
 * `subject:` with names of people is the subject; with operators it is an argument of that name.
 */
#include <string.h>

#include "policies/bundle.h"
#include "policies/place.h"

#define VALUES_MAX 256

static const struct {
	struct str word;
	enum op op;
} ops[] = { { STR("equals"), OP_EQUALS }, { STR("in"), OP_IN }, { STR("not"), OP_NOT },
	{ STR("glob"), OP_GLOB }, { STR("matches"), OP_MATCHES }, { STR("under"), OP_UNDER },
	{ STR("host_in"), OP_HOST_IN }, { STR("min"), OP_MIN }, { STR("max"), OP_MAX },
	{ STR("max_len"), OP_MAX_LEN }, { STR("max_items"), OP_MAX_ITEMS },
	{ STR("each"), OP_EACH }, { STR("any"), OP_ANY }, { STR("only_keys"), OP_ONLY_KEYS },
	{ STR("absent"), OP_ABSENT }, { STR("present"), OP_PRESENT }, { STR("type"), OP_TYPE } };

struct reading { /* of one condition */
	struct loading *ld;
	bool grants; /* flips within not: */
	int depth;
	size_t tests;
};

static bool tests_read(struct reading *r, struct yaml *y, const struct test **out, size_t *n);

/* ---- literals ---- */

static bool
looks_number(struct str s)
{
	struct err e;

	return s.n > 0 && (s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9')) &&
	       json_check(s, false, &e);
}

static bool
literal_read(struct reading *r, const struct yaml *y, struct literal *out)
{
	struct arena *a = &r->ld->b->arena;
	const char *why;

	*out = (struct literal){ .kind = JSON_STRING, .text = arena_str(a, y->text) };
	if (y->kind == YAML_NULL) {
		out->kind = JSON_NULL;
	} else if (y->kind != YAML_SCALAR) {
		problem(&r->ld->problems, y, "a text, a number, true, false or null was expected");
		return false;
	} else if (!y->quoted && (str_eq(y->text, STR("true")) || str_eq(y->text, STR("false")))) {
		out->kind = y->text.n == 4 ? JSON_TRUE : JSON_FALSE;
	} else if (!y->quoted && looks_number(y->text)) {
		out->kind = JSON_NUMBER;
		if (decimal_parse(y->text, &out->number))
			return true;
		problem(&r->ld->problems, y,
		    "not every program can hold this number (quote it, if it is a text)");
		return false;
	} else if (text_deceives(y->text, &why)) {
		problem(&r->ld->problems, y, "the text %s", why);
		return false;
	}
	return true;
}

/* A list of literals, or one alone. */
static bool
literals_read(struct reading *r, struct yaml *y, bool strings, struct test *t)
{
	struct literal *values;
	bool list = y->kind == YAML_LIST, ok = true;
	size_t n = list ? y->n : 1;

	if (n == 0 || n > VALUES_MAX) {
		problem(&r->ld->problems, y, "\"" STR_FMT "\" takes 1 to %d values",
		    STR_ARG(y->key), VALUES_MAX);
		return false;
	}
	values = arena_zalloc(&r->ld->b->arena, n * sizeof(*values));
	for (struct yaml *v = list ? y->kids : y; v != NULL && ok; v = list ? v->next : NULL) {
		ok = literal_read(r, v, &values[t->n]);
		if (ok && strings && values[t->n].kind != JSON_STRING) {
			problem(&r->ld->problems, v, "a text was expected (quote it)");
			ok = false;
		}
		t->n += ok;
	}
	t->values = values;
	return ok;
}

/* ---- the operators ---- */

static bool
under_read(struct reading *r, struct yaml *y, struct test *t)
{
	static const char *const known[] = { "path", "relative_to", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "under", known, later };
	struct problems *ps = &r->ld->problems;
	struct yaml *path = y, *base = NULL;
	const char *why;

	if (y->kind == YAML_MAP) {
		if (!keys_check(ps, y, &keys))
			return false;
		path = yaml_get(y, "path");
		base = yaml_get(y, "relative_to");
		if (path == NULL || base == NULL) {
			problem(ps, y, "write { path: /repo, relative_to: /repo }");
			return false;
		}
	}
	if (!literals_read(r, path, true, t))
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (!path_plain(t->values[i].text, false, &why)) {
			problem(ps, path, "the path %s", why);
			return false;
		}
	if (base == NULL)
		return true;
	if (base->kind != YAML_SCALAR || !path_plain(base->text, false, &why)) {
		problem(ps, base, "relative_to is an absolute path");
		return false;
	}
	t->base = arena_str(&r->ld->b->arena, base->text);
	return true;
}

static bool
hosts_read(struct reading *r, struct yaml *y, struct test *t)
{
	const char *why;

	if (!literals_read(r, y, true, t))
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (!host_entry_ok(t->values[i].text, &why)) {
			problem(&r->ld->problems, y,
			    "\"" STR_FMT "\" %s (hosts: github.com, "
			    "\"*.example.com\", host:8080)",
			    STR_ARG(t->values[i].text), why);
			return false;
		}
	return true;
}

static bool
matches_read(struct reading *r, struct yaml *y, struct test *t)
{
	struct problems *ps = &r->ld->problems;
	struct err e;

	if (!literals_read(r, y, true, t))
		return false;
	if (t->n != 1) {
		problem(ps, y, "matches takes one expression");
		return false;
	}
	t->regex = regex_parse(&r->ld->b->arena, t->values[0].text, &e);
	if (t->regex == NULL)
		problem(ps, y, "%s", e.text);
	else if (!regex_starts(t->regex))
		problem(ps, y, "say where a match starts: ^… (or .*… for anywhere)");
	else if (r->grants && !regex_ends(t->regex))
		problem(ps, y, "say where a match ends: …$ (or ….* for anything after it)");
	else
		return true;
	return false;
}

static bool
glob_read(struct reading *r, struct yaml *y, struct test *t)
{
	struct glob *g = arena_new(&r->ld->b->arena, struct glob);
	struct err e;

	if (!literals_read(r, y, true, t))
		return false;
	t->glob = g;
	if (t->n == 1 && glob_parse(&r->ld->b->arena, t->values[0].text, g, &e))
		return true;
	problem(&r->ld->problems, y, "%s", t->n == 1 ? e.text : "glob takes one pattern");
	return false;
}

static bool
count_read(struct reading *r, const struct yaml *y, struct test *t)
{
	struct err e;

	if (yaml_i64(y, 0, 1000000000, &t->count, &e))
		return true;
	problem_err(&r->ld->problems, &e);
	return false;
}

static bool
bound_read(struct reading *r, struct yaml *y, struct test *t)
{
	if (!literals_read(r, y, false, t))
		return false;
	if (t->n == 1 && t->values[0].kind == JSON_NUMBER)
		return true;
	problem(&r->ld->problems, y, "\"" STR_FMT "\" takes a number", STR_ARG(y->key));
	return false;
}

static bool
flag_read(struct reading *r, const struct yaml *y)
{
	if (y->kind == YAML_SCALAR && str_eq(y->text, STR("true")))
		return true;
	problem(&r->ld->problems, y, "write " STR_FMT ": true", STR_ARG(y->key));
	return false;
}

static bool
type_read(struct reading *r, struct yaml *y, struct test *t)
{
	static const struct str words[] = { STR("string"), STR("number"), STR("integer"),
		STR("boolean"), STR("array"), STR("object"), STR("null") };
	char near[HINT_BYTES];

	if (y->kind == YAML_NULL) {
		problem(&r->ld->problems, y, "quote it: \"null\"");
		return false;
	}
	if (!literals_read(r, y, true, t))
		return false;
	for (size_t i = 0; i < t->n; i++) {
		bool known = false;

		for (size_t k = 0; k < COUNT(words); k++)
			known |= str_eq(words[k], t->values[i].text);
		if (known)
			continue;
		problem(&r->ld->problems, y, "unknown type \"" STR_FMT "\"%s",
		    STR_ARG(t->values[i].text), hint(near, t->values[i].text, words, COUNT(words)));
		return false;
	}
	return true;
}

/* not: a value, a list of values, or tests. */
static bool
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
not_read(struct reading *r, struct yaml *y, struct test *t)
{
	struct test *kid;
	bool ok;

	if (y->kind != YAML_MAP) {
		kid = arena_new(&r->ld->b->arena, struct test);
		kid->op = y->kind == YAML_LIST ? OP_IN : OP_EQUALS;
		t->kids = kid;
		t->kids_n = 1;
		return literals_read(r, y, false, kid);
	}
	r->grants = !r->grants;
	ok = tests_read(r, y, &t->kids, &t->kids_n);
	r->grants = !r->grants;
	return ok;
}

static bool
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
operator_read(struct reading *r, struct yaml *y, struct test *t)
{
	switch (t->op) {
	case OP_EQUALS:
		if (y->kind != YAML_LIST)
			return literals_read(r, y, false, t);
		problem(&r->ld->problems, y, "equals takes one value (in: takes a list)");
		return false;
	case OP_IN:
		return literals_read(r, y, false, t);
	case OP_ONLY_KEYS:
		return literals_read(r, y, true, t);
	case OP_NOT:
		return not_read(r, y, t);
	case OP_GLOB:
		return glob_read(r, y, t);
	case OP_MATCHES:
		return matches_read(r, y, t);
	case OP_UNDER:
		return under_read(r, y, t);
	case OP_HOST_IN:
		return hosts_read(r, y, t);
	case OP_MIN:
	case OP_MAX:
		return bound_read(r, y, t);
	case OP_MAX_LEN:
	case OP_MAX_ITEMS:
		return count_read(r, y, t);
	case OP_EACH:
	case OP_ANY:
		return tests_read(r, y, &t->kids, &t->kids_n);
	case OP_ABSENT:
	case OP_PRESENT:
		return flag_read(r, y);
	case OP_TYPE:
		return type_read(r, y, t);
	}
	UNREACHABLE();
}

static enum op
op_named(struct str word)
{
	for (size_t i = 0; i < COUNT(ops); i++)
		if (str_eq(ops[i].word, word))
			return ops[i].op;
	return 0;
}

static void
op_unknown(struct reading *r, const struct yaml *y)
{
	struct str words[COUNT(ops)];
	char near[HINT_BYTES];

	for (size_t i = 0; i < COUNT(ops); i++)
		words[i] = ops[i].word;
	problem_key(&r->ld->problems, y, "unknown operator \"" STR_FMT "\"%s", STR_ARG(y->key),
	    hint(near, y->key, words, COUNT(words)));
}

static bool
/* NOLINTNEXTLINE(misc-no-recursion): CONDITION_DEPTH_MAX */
tests_read(struct reading *r, struct yaml *y, const struct test **out, size_t *n)
{
	struct problems *ps = &r->ld->problems;
	struct test *tests;
	bool ok = true;

	if (y->kind != YAML_MAP || y->n == 0) {
		problem(
		    ps, y, "an operator was expected, like { equals: \"x\" } or { in: [a, b] }");
		return false;
	}
	r->tests += y->n;
	if (r->tests > CONDITION_TESTS_MAX || r->depth == CONDITION_DEPTH_MAX) {
		problem(ps, y, "a condition has at most %d tests, nested at most %d deep",
		    CONDITION_TESTS_MAX, CONDITION_DEPTH_MAX);
		return false;
	}
	tests = arena_zalloc(&r->ld->b->arena, y->n * sizeof(*tests));
	r->depth++;
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		struct test *t = &tests[(*n)++];

		t->base = STR("");
		t->op = op_named(m->key);
		if (t->op == 0)
			op_unknown(r, m);
		ok = t->op != 0 && operator_read(r, m, t) && ok;
	}
	r->depth--;
	*out = tests;
	return ok;
}

/* ---- clauses ---- */

/* "a.b" names b within a; a name that holds a dot is written as a JSON pointer, "/a.b". */
static bool
steps_read(struct reading *r, const struct yaml *y, struct clause *c)
{
	bool pointer = str_starts(y->key, STR("/"));
	struct str rest = y->key, *steps;

	if (pointer)
		(void)str_cut(&rest, '/');
	steps = arena_alloc(&r->ld->b->arena, CONDITION_STEPS_MAX * sizeof(*steps));
	while (rest.p != NULL) {
		struct str one = str_cut(&rest, pointer ? '/' : '.');
		const char *why;

		if (one.n == 0 || one.n > 200 || c->steps_n == CONDITION_STEPS_MAX ||
		    text_deceives(one, &why) || str_has(one, '~')) {
			problem_key(&r->ld->problems, y,
			    "the name of an argument is like path, or a.b for b within a");
			return false;
		}
		steps[c->steps_n++] = arena_str(&r->ld->b->arena, one);
	}
	c->steps = steps;
	return true;
}

static bool
clause_read(struct reading *r, struct yaml *y, struct clause *c)
{
	struct buf text;
	bool ok;

	c->arg = arena_str(&r->ld->b->arena, y->key);
	if (str_eq(y->key, STR("only_keys")) && y->kind == YAML_LIST) {
		struct test *t = arena_new(&r->ld->b->arena, struct test);

		c->arg = STR("");
		c->tests = t;
		c->tests_n = 1;
		t->op = OP_ONLY_KEYS;
		ok = literals_read(r, y, true, t);
	} else {
		ok = steps_read(r, y, c) && tests_read(r, y, &c->tests, &c->tests_n);
	}
	if (!ok)
		return false;
	buf_init(&text, BUNDLE_TEXT_BYTES * 4);
	clause_text(c, true, &text);
	c->text = arena_str(&r->ld->b->arena, buf_str(&text));
	buf_fini(&text);
	return true;
}

static bool
is_subject(const struct yaml *y)
{
	static const struct str words[] = { STR("customers"), STR("teams"), STR("users"),
		STR("groups"), STR("keys"), STR("tags"), STR("views"), STR("clients") };

	if (!str_eq(y->key, STR("subject")) || y->kind != YAML_MAP || y->n == 0)
		return false;
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(y->kids->key, words[i]))
			return true;
	return false;
}

static void
subject_read(struct reading *r, const struct policy_file *f, const struct policy *p, struct yaml *y,
    struct condition *out)
{
	struct bundle *b = r->ld->b;
	struct applies *to = arena_new(&b->arena, struct applies);

	to->within = p->applies.within;
	applies_read(r->ld, f, APPLIES_SUBJECT, to, y);
	to->within = NULL; /* the policy itself is narrowed already */
	out->subject = to;
	if (b->subjects_n == b->subjects_cap) {
		b->subjects_cap = b->subjects_cap == 0 ? 16 : b->subjects_cap * 2;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		b->subjects = mem_realloc(b->subjects, b->subjects_cap * sizeof(*b->subjects));
	}
	out->bit = (uint32_t)b->subjects_n;
	b->subjects[b->subjects_n++] = to;
}

bool
condition_read(struct loading *ld, const struct policy_file *f, const struct policy *p,
    struct yaml *y, bool grants, struct condition *out)
{
	struct reading r = { .ld = ld, .grants = grants };
	struct clause *clauses;
	struct buf text;
	bool ok = true;

	*out = (struct condition){ 0 };
	if (y->kind != YAML_MAP || y->n == 0 || y->n > CONDITION_TESTS_MAX) {
		problem(&ld->problems, y,
		    "a condition names arguments, like { path: { under: /repo } }");
		return false;
	}
	clauses = arena_zalloc(&ld->b->arena, y->n * sizeof(*clauses));
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		if (is_subject(m))
			subject_read(&r, f, p, m, out);
		else if (clause_read(&r, m, &clauses[out->n]))
			out->n++;
		else
			ok = false;
	}
	out->clauses = clauses;
	if (!ok)
		return false;
	buf_init(&text, BUNDLE_TEXT_BYTES * 8);
	condition_text(out, false, &text);
	out->text = arena_str(&ld->b->arena, buf_str(&text));
	buf_fini(&text);
	return true;
}
