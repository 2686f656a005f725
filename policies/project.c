/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project - conditions shown to the model: keywords in a tool's inputSchema, and one line in its
 * description, so that a call that would be refused is not made.
 *
 * The schema is a help, the gate decides: it must accept every call that the rules allow, and may
 * accept more.  So only what a single allow demands is projected, a deny is told in words, and a
 * keyword that the server has set itself stays, unless ours is a narrower bound or a list of
 * values.  Keywords (project_keywords.c) are merged into each property; a top-level allOf is read
 * by few clients.
 */
#include "policies/project.h"

#include "base/json.h"
#include "policies/bundle.h"
#include "policies/facts.h"

#define LINE_MAX_BYTES 600
#define PROJECT_BYTES  ((size_t)256 << 20) /* a file of 1 MiB, escaped, at every depth */

/* ---- the schema ---- */

/* {theirs}: every member of the server's schema, ours where it has none or ours is narrower. */
static void
property_put(struct buf *b, struct str theirs, struct keywords *k)
{
	struct json_iter it;
	struct str key, value;
	bool first = true;

	if (!json_open(theirs, &it) || !it.object) {
		buf_put(b, theirs); /* true or false */
		return;
	}
	buf_putc(b, '{');
	while (json_next(&it, &key, &value)) {
		if (keywords_meet(k, key, value))
			continue;
		buf_printf(b, "%s" STR_FMT ":", first ? "" : ",", STR_ARG(key));
		buf_put(b, value);
		first = false;
	}
	keywords_put(b, k, first);
	buf_putc(b, '}');
}

/* The tests of all clauses about this argument of the top. */
static bool
clauses_of(const struct condition *c, struct str key, bool raw, struct keywords *k)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		const struct clause *cl = &c->clauses[i];

		if (cl->steps_n != 1 ||
		    !(raw ? json_key_is(key, cl->steps[0]) : str_eq(key, cl->steps[0])))
			continue;
		keywords_of(k, cl->tests, cl->tests_n);
		any = true;
	}
	return any;
}

static bool
demands(const struct clause *c) /* does an absent argument fail it? */
{
	for (size_t i = 0; i < c->tests_n; i++)
		if (c->tests[i].op != OP_NOT && c->tests[i].op != OP_EACH &&
		    c->tests[i].op != OP_ABSENT)
			return c->steps_n > 0;
	return false;
}

/* only_keys of all arguments together; NULL: not said. */
static const struct test *
only_keys(const struct condition *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->clauses[i].steps_n == 0)
			return &c->clauses[i].tests[0];
	return NULL;
}

static bool
key_in(const struct test *only, struct str key)
{
	bool in = only == NULL;

	for (size_t i = 0; !in && i < only->n; i++)
		in = json_key_is(key, only->values[i].text);
	return in;
}

struct adding { /* properties that the server's schema does not have */
	struct buf *b;
	const struct condition *c;
	struct arena *arena;
	struct str theirs;
	bool first;
};

static void
property_add(struct adding *ad, struct str name)
{
	struct keywords k = { .arena = ad->arena };
	struct str unused;

	if (json_get(ad->theirs, name, &unused))
		return;
	(void)clauses_of(ad->c, name, false, &k);
	buf_puts(ad->b, ad->first ? "" : ",");
	ad->first = false;
	buf_json_str(ad->b, name);
	buf_puts(ad->b, ":{");
	keywords_put(ad->b, &k, true);
	buf_putc(ad->b, '}');
}

static bool
named_before(const struct condition *c, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (c->clauses[i].steps_n == 1 && str_eq(c->clauses[i].steps[0], name))
			return true;
	return false;
}

static void
properties_put(struct buf *b, struct str theirs, const struct condition *c, struct arena *a)
{
	struct adding ad = { b, c, a, theirs, true };
	const struct test *only = only_keys(c);
	struct json_iter it;
	struct str key, value;

	buf_putc(b, '{');
	if (json_kind(theirs) == JSON_OBJECT && json_open(theirs, &it))
		while (json_next(&it, &key, &value)) {
			struct keywords k = { .arena = a };

			buf_printf(b, "%s" STR_FMT ":", ad.first ? "" : ",", STR_ARG(key));
			ad.first = false;
			if (!key_in(only, key))
				buf_puts(b, "false");
			else if (clauses_of(c, key, true, &k))
				property_put(b, value, &k);
			else
				buf_put(b, value);
		}
	for (size_t i = 0; i < c->n; i++)
		if (c->clauses[i].steps_n == 1 && !named_before(c, i, c->clauses[i].steps[0]))
			property_add(&ad, c->clauses[i].steps[0]);
	for (size_t i = 0; only != NULL && i < only->n; i++)
		if (!named_before(c, c->n, only->values[i].text))
			property_add(&ad, only->values[i].text);
	buf_putc(b, '}');
}

static void
required_put(struct buf *b, struct str theirs, const struct condition *c, struct str known)
{
	struct json_iter it;
	struct str key, value;
	bool first = true;

	buf_putc(b, '[');
	if (json_kind(theirs) == JSON_ARRAY && json_open(theirs, &it))
		while (json_next(&it, &key, &value)) {
			buf_printf(b, "%s" STR_FMT, first ? "" : ",", STR_ARG(value));
			first = false;
		}
	for (size_t i = 0; i < c->n; i++) {
		const struct clause *cl = &c->clauses[i];
		bool there = false;

		/* What has a default is judged by it when it is left out. */
		if (!demands(cl) || schema_default(known, cl->steps, 1).p != NULL)
			continue;
		if (json_kind(theirs) == JSON_ARRAY && json_open(theirs, &it))
			while (json_next(&it, &key, &value))
				there = there || json_string_is(value, cl->steps[0]);
		if (there)
			continue;
		buf_puts(b, first ? "" : ",");
		buf_json_str(b, cl->steps[0]);
		first = false;
	}
	buf_putc(b, ']');
}

static void
schema_put(
    struct buf *b, struct str schema, const struct condition *c, struct str known, struct arena *a)
{
	struct str key, value, properties = STR(""), required = STR("");
	struct json_iter it;

	if (json_kind(schema) != JSON_OBJECT || !json_open(schema, &it)) {
		buf_put(b, schema);
		return;
	}
	buf_putc(b, '{');
	while (json_next(&it, &key, &value)) {
		if (json_key_is(key, STR("properties"))) {
			properties = value;
		} else if (json_key_is(key, STR("required"))) {
			required = value;
		} else if (only_keys(c) == NULL || !json_key_is(key, STR("additionalProperties"))) {
			buf_printf(b, STR_FMT ":", STR_ARG(key));
			buf_put(b, value);
			buf_putc(b, ',');
		}
	}
	buf_puts(b, "\"properties\":");
	properties_put(b, properties, c, a);
	buf_puts(b, ",\"required\":");
	required_put(b, required, c, known);
	if (only_keys(c) != NULL)
		buf_puts(b, ",\"additionalProperties\":false");
	buf_putc(b, '}');
}

/* ---- in words ---- */

/* "a person approves first", or in which cases. */
static void
approvals_put(struct buf *b, const struct decided *d, bool said)
{
	bool some = false;

	for (size_t i = 0; i < d->n; i++) {
		const struct rule *r = d->candidates[i].rule;

		if (r->approval == NULL)
			continue;
		if (r->text.n == 0) {
			buf_printf(b, "%sa person approves it first", said ? "; " : "");
			return;
		}
		some = true;
	}
	if (some)
		buf_printf(b, "%ssome calls are approved by a person first", said ? "; " : "");
}

static void
line_put(struct buf *b, const struct decided *d, const struct rule *only)
{
	bool free_grant = false, said = false;

	buf_puts(b, "Policy: ");
	for (size_t i = 0; i < d->n; i++)
		free_grant = free_grant || (d->candidates[i].rule->effect == EFFECT_ALLOW &&
					       d->candidates[i].rule->text.n == 0);
	if (only != NULL && only->unless.text.n == 0) {
		condition_text(&only->when, true, b);
		said = true;
	}
	for (size_t i = 0; i < d->n && only == NULL && !free_grant; i++) {
		const struct rule *r = d->candidates[i].rule;

		if (r->effect != EFFECT_ALLOW)
			continue;
		buf_printf(b, "%s" STR_FMT, said ? ", or " : "allowed ", STR_ARG(r->text));
		said = true;
	}
	if (only != NULL && !said) {
		buf_printf(b, "allowed " STR_FMT, STR_ARG(only->text));
		said = true;
	}
	for (size_t i = 0; i < d->n; i++) {
		const struct rule *r = d->candidates[i].rule;

		if (r->effect != EFFECT_DENY)
			continue;
		buf_printf(b, "%srefused " STR_FMT, said ? "; " : "", STR_ARG(r->text));
		said = true;
	}
	approvals_put(b, d, said);
}

/* The raw string of the description, without its last quote, and the line behind it. */
static void
description_put(struct buf *b, struct str raw, const struct decided *d, const struct rule *only)
{
	struct buf line, quoted;

	buf_init(&line, 0);
	buf_init(&quoted, 0);
	line_put(&line, d, only);
	if (line.n > LINE_MAX_BYTES) {
		buf_reset(&line);
		buf_puts(&line, "Policy: some arguments are refused.");
	}
	buf_json_str(&quoted, buf_str(&line));
	if (json_kind(raw) == JSON_STRING && raw.n > 2) {
		buf_put(b, (struct str){ raw.p, raw.n - 1 });
		buf_puts(b, "\\n");
		buf_put(b, (struct str){ quoted.p + 1, quoted.n - 1 });
	} else {
		buf_put(b, buf_str(&quoted));
	}
	buf_fini(&line);
	buf_fini(&quoted);
}

/* The one allow that every permitted call satisfies; NULL: several, or one without a condition. */
static const struct rule *
only_grant(const struct decided *d)
{
	const struct rule *only = NULL;

	for (size_t i = 0; i < d->n; i++) {
		const struct rule *r = d->candidates[i].rule;

		if (r->effect != EFFECT_ALLOW)
			continue;
		if (only != NULL || r->text.n == 0)
			return NULL;
		only = r;
	}
	return only;
}

/* A policy that does not explain itself is not explained here either. */
static bool
opaque(const struct decided *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->candidates[i].policy->explain == EXPLAIN_OPAQUE)
			return true;
	return false;
}

/* NULL: the definition stays as it is. */
static const struct decided *
decided_shown(struct bundle *b, const struct subject *s, struct str name)
{
	const struct decided *d = rules_decided(b, s, ASK_TOOL, name, STR(""));

	return d == NULL || !d->open || opaque(d) ? NULL : d;
}

uint64_t
projected(struct bundle *b, const struct subject *s, struct str name)
{
	const struct decided *d = decided_shown(b, s, name);
	uint64_t print = 1;

	for (size_t i = 0; d != NULL && i < d->n; i++) {
		const struct rule *r = d->candidates[i].rule;

		if (r->effect == EFFECT_ALLOW || r->effect == EFFECT_DENY || r->approval != NULL)
			print = print * 31 + r->shown;
	}
	return d == NULL ? 0 : print;
}

void
project(struct bundle *b, const struct subject *s, struct str name, struct str definition,
    struct buf *out)
{
	const struct decided *d = decided_shown(b, s, name);
	const struct rule *only;
	struct str key, value, unused;
	struct json_iter it;
	struct arena a;
	bool first = true;

	if (d == NULL || !json_open(definition, &it) || !it.object) {
		buf_put(out, definition);
		return;
	}
	only = only_grant(d);
	arena_init(&a, PROJECT_BYTES);
	buf_putc(out, '{');
	while (json_next(&it, &key, &value)) {
		buf_printf(out, "%s" STR_FMT ":", first ? "" : ",", STR_ARG(key));
		first = false;
		if (json_key_is(key, STR("description")))
			description_put(out, value, d, only);
		else if (json_key_is(key, STR("inputSchema")) && only != NULL)
			schema_put(out, value, &only->when, d->schema, &a);
		else
			buf_put(out, value);
	}
	if (!json_get(definition, STR("description"), &unused)) {
		buf_puts(out, first ? "\"description\":" : ",\"description\":");
		description_put(out, STR(""), d, only);
	}
	buf_putc(out, '}');
	arena_free(&a);
}
