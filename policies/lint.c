/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint - `tollgate policy lint`: files that load, looked at for what cannot have been meant.
 *
 * What makes a bundle unusable is refused when it is loaded, and told here first.  An error of
 * lint is a line that does nothing of what it says; a warning is one that somebody should look at.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policies/core.h"
#include "policies/facts.h"
#include "policies/lint.h"

#define LINT_ARENA_BYTES ((size_t)64 << 20)
#define LINT_KEYS_MAX    64 /* names of keys that are tried */
#define TEXT_BYTES       1024

/* ---- the report ---- */

static void
json_line(struct lint *l, enum lint_level level, struct str where, const char *text)
{
	struct str line = where, file = str_cut(&line, ':');
	int64_t n = 0;

	buf_puts(l->out, "{\"file\":");
	buf_json_str(l->out, file);
	if (line.p != NULL && str_i64(line, &n))
		buf_printf(l->out, ",\"line\":%lld", (long long)n);
	buf_printf(
	    l->out, ",\"level\":\"%s\",\"text\":", level == LINT_ERROR ? "error" : "warning");
	buf_json_str(l->out, str_of(text));
	buf_puts(l->out, "}\n");
}

void
lint_say(struct lint *l, enum lint_level level, struct str where, const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->found[level]++;
	if (l->ask->json)
		json_line(l, level, where, text);
	else
		buf_printf(l->out, "%s/" STR_FMT ": %s: %s\n", l->settings->policies_dir,
		    STR_ARG(where), level == LINT_ERROR ? "error" : "warning", text);
}

/* ---- whom ---- */

static struct lint_class *
class_of(struct lint *l, const struct subject *s)
{
	struct str key = arena_printf(&l->a, "%u %u", s->set, s->all);
	uintptr_t at = (uintptr_t)map_get(&l->by_set, key);

	if (at != 0)
		return &l->classes[at - 1];
	if (l->classes_n == l->classes_cap) {
		l->classes_cap = l->classes_cap == 0 ? 16 : l->classes_cap * 2;
		l->classes = mem_realloc(l->classes, l->classes_cap * sizeof(*l->classes));
	}
	l->classes[l->classes_n++] = (struct lint_class){ .subject = *s };
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): a map of numbers */
	map_set(&l->by_set, key, (void *)(uintptr_t)l->classes_n);
	return &l->classes[l->classes_n - 1];
}

static void
level_add(struct lint *l, const struct level *level, struct str key, const struct via *via)
{
	struct key_spec who = { .name = key };
	struct lint_class *c;
	struct subject s;
	struct err e;

	level_owner(level, &who);
	if (arena_left(&l->a) < 65536 || !subject_resolve(l->b, &who, &l->a, &s, &e))
		return;
	subject_via(l->b, &s, via);
	c = class_of(l, &s);
	c->first = c->first == NULL ? level : c->first;
	if (level->kind == LEVEL_USER && key.n + via->view.n + via->client.n == 0) {
		c->user = c->users == 0 ? level : c->user;
		c->users++;
	}
}

static size_t
keys_named(const struct bundle *b, struct str keys[LINT_KEYS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < b->policies_n + b->subjects_n; i++) {
		const struct names *v = i < b->policies_n ? &b->policies[i]->applies.keys
							  : &b->subjects[i - b->policies_n]->keys;

		for (size_t k = 0; k < v->n && n < LINT_KEYS_MAX; k++)
			keys[n++] = v->text[k];
	}
	return n;
}

static void
classes_find(struct lint *l)
{
	struct str keys[LINT_KEYS_MAX];
	size_t n = keys_named(l->b, keys);
	const struct bundle *from = l->b;
	struct via via;

	for (const struct level *v = NULL; (v = bundle_next_level(l->b, v)) != NULL;) {
		if (v->kind == LEVEL_ORGANISATION)
			continue;
		for (size_t at = 0; (at = via_next(&from, 1, at, &via)) > 0;) {
			level_add(l, v, STR(""), &via);
			for (size_t i = 0; i < n; i++)
				level_add(l, v, keys[i], &via);
		}
	}
}

/* ---- what is wrong with people ---- */

static bool
class_has_grant(const struct lint *l, const struct lint_class *c)
{
	for (size_t i = 0; i < l->b->policies_n; i++) {
		const struct policy *p = l->b->policies[i];

		if (!policy_in(l->b, c->subject.set, i))
			continue;
		if (p->models_of != NULL)
			return true;
		for (size_t k = 0; k < p->rules_n; k++)
			if (p->rules[k].effect == EFFECT_ALLOW)
				return true;
	}
	return false;
}

static void
grants_check(struct lint *l)
{
	for (size_t k = 0; k < l->classes_n; k++) {
		const struct lint_class *c = &l->classes[k];
		char more[48] = "";

		if (c->users == 0 || class_has_grant(l, c))
			continue;
		if (c->users > 1)
			(void)snprintf(more, sizeof(more), " and %zu others", c->users - 1);
		lint_say(l, LINT_WARNING, c->user->where,
		    STR_FMT "%s can do nothing: no rule allows anything to %s",
		    STR_ARG(c->user->id), more, c->users > 1 ? "them" : "this user");
	}
}

static void
budget_check(struct lint *l, const struct level *v, const struct budget *b)
{
	for (const struct level *up = v->parent; up != NULL; up = up->parent)
		for (size_t i = 0; i < up->budgets_n; i++) {
			struct buf mine, theirs;

			if (up->budgets[i].period != b->period ||
			    up->budgets[i].amount_nusd >= b->amount_nusd)
				continue;
			buf_init(&mine, 0);
			buf_init(&theirs, 0);
			usd_put(&mine, b->amount_nusd);
			usd_put(&theirs, up->budgets[i].amount_nusd);
			lint_say(l, LINT_WARNING, b->where,
			    "the budget of " STR_FMT " (%s USD/%s) is more than that of " STR_FMT
			    " (%s, " STR_FMT "), which refuses first",
			    STR_ARG(v->id), buf_cstr(&mine), period_word(b->period),
			    STR_ARG(up->id), buf_cstr(&theirs), STR_ARG(up->budgets[i].where));
			buf_fini(&mine);
			buf_fini(&theirs);
		}
}

static void
limit_check(struct lint *l, const struct level *v, const struct limit *m)
{
	for (const struct level *up = v->parent; up != NULL; up = up->parent)
		for (size_t i = 0; i < up->limits_n; i++) {
			const struct limit *o = &up->limits[i];

			if (o->what == m->what && o->period_ms == m->period_ms &&
			    o->per >= m->per && o->amount < m->amount)
				lint_say(l, LINT_WARNING, m->where,
				    "the limit of " STR_FMT
				    " (%lld %s) is more than that of " STR_FMT " (%lld, " STR_FMT
				    "), which refuses first",
				    STR_ARG(v->id), (long long)m->amount, limit_what_word(m->what),
				    STR_ARG(up->id), (long long)o->amount, STR_ARG(o->where));
		}
}

static void
levels_check(struct lint *l)
{
	for (const struct level *v = NULL; (v = bundle_next_level(l->b, v)) != NULL;) {
		for (size_t i = 0; i < v->budgets_n; i++)
			budget_check(l, v, &v->budgets[i]);
		for (size_t i = 0; i < v->limits_n; i++)
			limit_check(l, v, &v->limits[i]);
	}
}

/* ---- tests ---- */

static void
tests_check(struct lint *l)
{
	struct test_report r;
	struct buf tap;

	buf_init(&tap, 0);
	report_init(&r, &tap);
	tests_all(l->b, l->settings, &r);
	for (size_t i = 0; i < l->b->policies_n; i++) {
		const struct policy *p = l->b->policies[i];

		for (size_t k = 0; !p->observe && k < p->rules_n; k++) {
			const struct rule *rule = &p->rules[k];

			if (rule->effect <= EFFECT_APPROVE &&
			    map_get(&r.deciding, rule->where) == NULL)
				lint_say(l, LINT_WARNING, rule->where,
				    "no test covers it: %s " STR_FMT " decided no case of a "
				    "*_test.yaml",
				    effect_word(rule->effect), STR_ARG(rule->pattern.text));
		}
	}
	report_fini(&r);
	buf_fini(&tap);
}

/* ---- the whole ---- */

static void
lint_all(struct lint *l)
{
	classes_find(l);
	lint_rules(l);
	lint_code_modes(l);
	grants_check(l);
	levels_check(l);
	if (l->b->tests_n > 0)
		tests_check(l);
}

bool
policies_lint(const struct core_settings *s, const struct lint_ask *ask, struct buf *out)
{
	struct lint l = { .settings = s, .ask = ask, .out = out };
	struct buf problems;
	struct err e;
	bool ok;

	buf_init(&problems, 0);
	ok = policies_check(s, &problems);
	for (struct str rest = buf_str(&problems); rest.n > 0;) {
		struct str line = str_cut(&rest, '\n');

		if (!ask->json) {
			buf_put(out, line);
		} else {
			buf_printf(out, "{\"level\":\"%s\",\"text\":", ok ? "warning" : "error");
			buf_json_str(out, line);
			buf_putc(out, '}');
		}
		buf_putc(out, '\n');
		l.found[LINT_WARNING] += ok;
	}
	buf_fini(&problems);
	l.b = ok ? bundle_of(s, NULL, &e) : NULL;
	if (l.b == NULL)
		return false;
	arena_init(&l.a, LINT_ARENA_BYTES);
	map_init(&l.by_set);
	lint_all(&l);
	map_fini(&l.by_set);
	free(l.classes);
	arena_free(&l.a);
	bundle_free(&l.b);
	return l.found[LINT_ERROR] == 0 && (!ask->strict || l.found[LINT_WARNING] == 0);
}
