/* SPDX-License-Identifier: Apache-2.0 */
/*
 * factlint - a rule beside the tools that mcp.lock knows.
 *
 * Errors: a tool that is not there; a condition on an argument that no tool it speaks of has, or
 * whose type makes the condition impossible.  Warnings: a pattern that matches nothing; an allow of
 * any server that covers destructive tools; not or each over an argument that may be left out.
 *
 * Only what is known is held against a rule: without a lock nothing, of a server that the lock has
 * no tool of nothing, and where a schema does not say what an argument is (no properties, a
 * reference, alternatives) nothing.
 */
#include <string.h>

#include "policies/bundle.h"
#include "policies/facts.h"

#define NAMES_MAX 64

struct against { /* one rule and the facts it matches */
	struct loading *ld;
	const struct rule *r;
	const struct yaml *y; /* where its pattern stands */
};

static bool
speaks_of(const struct rule *r, const struct tool_fact *f)
{
	return pattern_match(&r->pattern, ASK_TOOL, f->name);
}

/* ---- names ---- */

static bool
server_known(const struct tool_facts *all, struct str server)
{
	for (size_t i = 0; i < all->n; i++)
		if (str_starts(all->at[i].name, server) && all->at[i].name.n > server.n &&
		    all->at[i].name.p[server.n] == '/')
			return true;
	return false;
}

/* The server's tool whose name is nearest. */
static struct str
nearest_tool(const struct tool_facts *all, struct str wanted)
{
	struct str server = wanted, best = STR("");

	server.n = (size_t)((const char *)memchr(wanted.p, '/', wanted.n) - wanted.p) + 1;
	for (size_t i = 0; i < all->n; i++) {
		const struct str name = all->at[i].name;

		/* One at a time: the nearest of two is asked for again with the other. */
		if (str_starts(name, server) && str_nearest(wanted, &name, 1).n > 0) {
			const struct str two[] = { name, best };

			best = best.n == 0 ? name : str_nearest(wanted, two, 2);
		}
	}
	return best;
}

static void
literal_check(const struct against *a, struct str server, struct str tool)
{
	const struct tool_facts *all = &a->ld->b->facts;
	char text[2 * PATTERN_BYTES_MAX + 2];
	struct str name, near;

	if (!server_known(all, server) || server.n + tool.n + 1 > sizeof(text))
		return;
	memcpy(text, server.p, server.n);
	text[server.n] = '/';
	memcpy(text + server.n + 1, tool.p, tool.n);
	name = (struct str){ text, server.n + 1 + tool.n };
	if (fact_find(a->ld->b, name) != NULL)
		return;
	near = nearest_tool(all, name);
	if (near.n > 0)
		problem(&a->ld->problems, a->y,
		    "mcp.lock has no tool \"" STR_FMT "\" (did you mean \"" STR_FMT "\"?)",
		    STR_ARG(name), STR_ARG(near));
	else
		problem(&a->ld->problems, a->y,
		    "mcp.lock has no tool \"" STR_FMT
		    "\" (tollgate lock approve, or remove the rule)",
		    STR_ARG(name));
}

static bool
literal(const struct glob *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (str_has(g->alt[i], '*'))
			return false;
	return true;
}

static void
names_judge(const struct against *a)
{
	const struct pattern *p = &a->r->pattern;
	const struct tool_facts *all = &a->ld->b->facts;

	if (!p->any_server && literal(&p->server) && literal(&p->name)) {
		for (size_t i = 0; i < p->server.n; i++)
			for (size_t k = 0; k < p->name.n; k++)
				literal_check(a, p->server.alt[i], p->name.alt[k]);
		return;
	}
	for (size_t i = 0; i < all->n; i++)
		if (speaks_of(a->r, &all->at[i]))
			return;
	if (!p->any_server)
		for (size_t i = 0; i < p->server.n; i++)
			if (str_has(p->server.alt[i], '*') || !server_known(all, p->server.alt[i]))
				return; /* servers that are not locked may have it */
	warning(&a->ld->problems, a->y, "\"" STR_FMT "\"%s matches no tool of mcp.lock",
	    STR_ARG(p->text), p->where != NULL ? " with its where:" : "");
}

/* Any server: it opens what nobody has thought of. */
static void
breadth_judge(const struct against *a)
{
	const struct pattern *p = &a->r->pattern;
	const struct tool_fact *first = NULL;
	size_t n = 0;

	if (a->r->effect != EFFECT_ALLOW || !p->any_server || p->where != NULL)
		return;
	for (size_t i = 0; i < a->ld->b->facts.n; i++) {
		const struct tool_fact *f = &a->ld->b->facts.at[i];

		if (!f->destructive || !speaks_of(a->r, f))
			continue;
		first = first == NULL ? f : first;
		n++;
	}
	if (n > 0)
		warning(&a->ld->problems, a->y,
		    "\"" STR_FMT "\" allows %zu destructive tool%s, " STR_FMT
		    "%s (add where: { destructive: false })",
		    STR_ARG(p->text), n, n == 1 ? "" : "s", STR_ARG(first->name),
		    n == 1 ? "" : " first");
}

/* ---- schemas ---- */

static bool
open_ended(struct str schema)
{
	static const struct str says[] = { STR("$ref"), STR("$dynamicRef"), STR("anyOf"),
		STR("oneOf"), STR("allOf"), STR("if"), STR("patternProperties"),
		STR("dependentSchemas") };
	struct str v;

	if (json_kind(schema) != JSON_OBJECT)
		return true;
	for (size_t i = 0; i < COUNT(says); i++)
		if (json_get(schema, says[i], &v))
			return true;
	return json_get(schema, STR("additionalProperties"), &v) && json_kind(v) != JSON_FALSE;
}

enum found { FOUND_NOT, FOUND_MAYBE, FOUND_IT };

/* The schema of an argument.  *optional: it may be left out, and nothing says what it is then. */
static enum found
argument_find(struct str schema, const struct clause *c, struct str *out, bool *optional)
{
	*optional = false;
	for (size_t i = 0; i < c->steps_n; i++) {
		struct str properties, required, key, one, next, unused;
		struct json_iter it;
		bool must = false;

		if (open_ended(schema) || !json_get(schema, STR("properties"), &properties) ||
		    json_kind(properties) != JSON_OBJECT)
			return FOUND_MAYBE;
		if (!json_get(properties, c->steps[i], &next))
			return FOUND_NOT;
		if (json_get(schema, STR("required"), &required) && json_open(required, &it))
			while (json_next(&it, &key, &one))
				must = must || json_string_is(one, c->steps[i]);
		if (!must &&
		    (json_kind(next) != JSON_OBJECT || !json_get(next, STR("default"), &unused)))
			*optional = true;
		schema = next;
	}
	*out = schema;
	return FOUND_IT;
}

struct str
schema_default(struct str schema, const struct str *steps, size_t n)
{
	struct str properties, value;

	for (size_t i = 0; i < n; i++)
		if (json_kind(schema) != JSON_OBJECT ||
		    !json_get(schema, STR("properties"), &properties) ||
		    json_kind(properties) != JSON_OBJECT ||
		    !json_get(properties, steps[i], &schema))
			return STR_NONE;
	if (json_kind(schema) != JSON_OBJECT || !json_get(schema, STR("default"), &value))
		return STR_NONE;
	return value;
}

/* ---- conditions ---- */

static const char *
kind_type(enum json_kind k)
{
	switch (k) {
	case JSON_NULL:
		return "null";
	case JSON_FALSE:
	case JSON_TRUE:
		return "boolean";
	case JSON_NUMBER:
		return "number";
	case JSON_STRING:
		return "string";
	case JSON_ARRAY:
	case JSON_OBJECT:
	case JSON_BAD:
		break;
	}
	return NULL;
}

/* May a value of this type be what the test wants?  Only what is certain is false. */
static bool
test_takes(const struct test *t, struct str type)
{
	bool number = str_eq(type, STR("number")) || str_eq(type, STR("integer")), any = false;

	switch (t->op) {
	case OP_EQUALS:
	case OP_IN:
		for (size_t i = 0; i < t->n; i++) {
			const char *k = kind_type(t->values[i].kind);

			any = any || k == NULL || str_eq(type, str_of(k)) ||
			      (number && t->values[i].kind == JSON_NUMBER);
		}
		return any;
	case OP_GLOB:
	case OP_MATCHES:
	case OP_UNDER:
	case OP_HOST_IN:
	case OP_MAX_LEN:
		return str_eq(type, STR("string"));
	case OP_MIN:
	case OP_MAX:
		return number;
	case OP_MAX_ITEMS:
	case OP_EACH:
	case OP_ANY:
		return str_eq(type, STR("array"));
	case OP_ONLY_KEYS:
		return str_eq(type, STR("object"));
	case OP_TYPE:
		for (size_t i = 0; i < t->n; i++)
			any = any || str_eq(type, t->values[i].text) ||
			      (number && (str_eq(t->values[i].text, STR("number")) ||
					     str_eq(t->values[i].text, STR("integer"))));
		return any;
	case OP_NOT:
	case OP_ABSENT:
	case OP_PRESENT:
		return true;
	}
	UNREACHABLE();
}

/* The test that no value of the schema's types can pass; NULL: there is none, or it is not said. */
static const struct test *
test_impossible(const struct clause *c, struct str schema)
{
	struct str type, key, one;
	struct json_iter it;
	struct arena a;
	const struct test *bad = NULL;

	if (json_kind(schema) != JSON_OBJECT || !json_get(schema, STR("type"), &type))
		return NULL;
	arena_init(&a, type.n + 4096);
	for (size_t i = 0; c->tests != NULL && i < c->tests_n && bad == NULL; i++) {
		bool fits = false;
		struct str word;

		if (json_string(type, &a, &word)) {
			fits = test_takes(&c->tests[i], word);
		} else if (json_open(type, &it)) {
			while (json_next(&it, &key, &one))
				fits = fits || !json_string(one, &a, &word) ||
				       test_takes(&c->tests[i], word);
		} else {
			fits = true;
		}
		if (!fits)
			bad = &c->tests[i];
	}
	arena_free(&a);
	return bad;
}

static bool
has_op(const struct clause *c, enum op op)
{
	for (size_t i = 0; i < c->tests_n; i++)
		if (c->tests[i].op == op)
			return true;
	return false;
}

/* The names that the tool's arguments have, for the nearest. */
static void
absent_tell(const struct against *a, const struct yaml *y, const struct clause *c,
    const struct tool_fact *f)
{
	struct str names[NAMES_MAX], properties, key, v;
	char near[HINT_BYTES];
	struct json_iter it;
	struct arena arena;
	size_t n = 0;

	arena_init(&arena, f->input_schema.n + 65536);
	if (json_get(f->input_schema, STR("properties"), &properties) && json_open(properties, &it))
		while (n < NAMES_MAX && json_next(&it, &key, &v))
			n += json_string(key, &arena, &names[n]);
	problem(&a->ld->problems, y, STR_FMT " has no argument \"" STR_FMT "\"%s", STR_ARG(f->name),
	    STR_ARG(c->arg), hint(near, c->arg, names, n));
	arena_free(&arena);
}

static void
clause_judge(const struct against *a, const struct yaml *y, const struct clause *c)
{
	const struct tool_fact *lacks = NULL, *wrong = NULL, *may_lack = NULL;
	bool fits = false;

	for (size_t i = 0; c->steps_n > 0 && i < a->ld->b->facts.n; i++) {
		const struct tool_fact *f = &a->ld->b->facts.at[i];
		struct str schema;
		bool optional;
		enum found found;

		if (!speaks_of(a->r, f))
			continue;
		found = argument_find(f->input_schema, c, &schema, &optional);
		if (found == FOUND_NOT)
			lacks = lacks == NULL ? f : lacks;
		else if (found == FOUND_IT && test_impossible(c, schema) != NULL)
			wrong = wrong == NULL ? f : wrong;
		else
			fits = true;
		if (found == FOUND_IT && optional && may_lack == NULL)
			may_lack = f;
	}
	if (!fits && wrong != NULL)
		problem(&a->ld->problems, y,
		    "\"" STR_FMT "\" of " STR_FMT " is of another type, this can never be true",
		    STR_ARG(c->arg), STR_ARG(wrong->name));
	else if (!fits && lacks != NULL && !has_op(c, OP_ABSENT))
		absent_tell(a, y, c, lacks);
	else if (may_lack != NULL && !has_op(c, OP_PRESENT) &&
		 (has_op(c, OP_NOT) || has_op(c, OP_EACH)))
		warning(&a->ld->problems, y,
		    "\"" STR_FMT "\" of " STR_FMT
		    " may be left out, and then this is true (add present: true)",
		    STR_ARG(c->arg), STR_ARG(may_lack->name));
}

static void
condition_check(const struct against *a, struct yaml *y, const struct condition *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct yaml *at = y;

		for (const struct yaml *m = y->kids; m != NULL; m = m->next)
			if (str_eq(m->key, c->clauses[i].arg))
				at = m;
		clause_judge(a, at, &c->clauses[i]);
	}
}

void
factlint(struct loading *ld, struct yaml *y, const struct yaml *pattern, const struct rule *r)
{
	const struct against a = { ld, r, pattern };
	struct yaml *when = yaml_get(y, "when"), *unless = yaml_get(y, "unless");

	if (!ld->b->facts.known || r->pattern.kind != ASK_TOOL)
		return;
	names_judge(&a);
	breadth_judge(&a);
	if (r->has_when && when != NULL)
		condition_check(&a, when, &r->when);
	if (r->has_unless && unless != NULL)
		condition_check(&a, unless, &r->unless);
}
