/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff - what a change of the policy files changes: effective permissions of everybody, for every
 * name that the files tell apart.
 *
 * Whoever the same policies apply to, before and after, is one class; classes whose changes read
 * alike are one group, so that two hundred users are not two hundred lines.  What cannot be shown
 * to be narrower counts as wider where a gate in CI asks.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/core.h"
#include "policies/diff.h"
#include "policies/facts.h"

#define DIFF_ARENA_BYTES ((size_t)512 << 20)

/* ---- who ---- */

static void
named_add(struct diff *d, struct str key)
{
	for (size_t i = 0; i < d->keys_n; i++)
		if (str_eq(d->keys[i], key))
			return;
	if (d->keys_n < DIFF_KEYS_MAX)
		d->keys[d->keys_n++] = key;
}

/* The keys that policies name: with one of them somebody may be another. */
static void
keys_find(struct diff *d, const struct bundle *b)
{
	for (size_t i = 0; i < b->policies_n + b->subjects_n; i++) {
		const struct applies *to =
		    i < b->policies_n ? &b->policies[i]->applies : b->subjects[i - b->policies_n];

		for (size_t k = 0; k < to->keys.n; k++)
			named_add(d, to->keys.text[k]);
	}
}

static bool
resolve(
    struct bundle *b, const struct level *l, struct str key, struct arena *a, struct subject *out)
{
	struct key_spec who = { .name = key };
	struct err e;

	level_owner(l, &who);
	return subject_resolve(b, &who, a, out, &e);
}

/* ---- one class ---- */

static void
change_add(struct diff *d, struct group *g, const struct call *c, const struct effects *from,
    const struct effects *to)
{
	enum shift shift = effects_shift(from, to);
	struct buf text;

	if (shift == SHIFT_NONE)
		return;
	buf_init(&text, 0);
	effects_text(from, &text);
	g->changes[g->n].before = arena_str(&d->a, buf_str(&text));
	buf_reset(&text);
	effects_text(to, &text);
	g->changes[g->n].after = arena_str(&d->a, buf_str(&text));
	g->changes[g->n].call = c;
	g->changes[g->n++].shift = shift;
	buf_fini(&text);
}

static struct str
changes_text(struct diff *d, const struct group *g)
{
	struct str kept;
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < g->n; i++)
		buf_printf(&b, STR_FMT "\n" STR_FMT "\n" STR_FMT "\n",
		    STR_ARG(g->changes[i].call->shown), STR_ARG(g->changes[i].before),
		    STR_ARG(g->changes[i].after));
	kept = arena_str(&d->a, buf_ok(&b) ? buf_str(&b) : STR(""));
	buf_fini(&b);
	return kept;
}

/* The group of a class; either subject may be NULL: not in those files. */
static struct group *
compare(struct diff *d, const struct subject *old, const struct subject *new)
{
	struct group g = { 0 }, *found;
	struct arena a;

	g.changes = mem_zalloc((d->calls.n + 1) * sizeof(*g.changes));
	for (size_t i = 0; i < d->calls.n; i++) {
		struct effects from = { 0 }, to = { 0 };

		arena_init(&a, DIFF_ARENA_BYTES);
		if (old != NULL)
			effects_of(d->old, old, &d->calls.at[i], &a, &from);
		if (new != NULL)
			effects_of(d->new, new, &d->calls.at[i], &a, &to);
		change_add(d, &g, &d->calls.at[i], &from, &to);
		arena_free(&a);
	}
	g.text = changes_text(d, &g);
	found = map_get(&d->by_text, g.text);
	if (found != NULL) {
		free(g.changes);
		return found;
	}
	found = arena_new(&d->a, struct group);
	*found = g;
	if (d->groups_n == d->groups_cap) {
		d->groups_cap = d->groups_cap == 0 ? 16 : d->groups_cap * 2;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		d->groups = mem_realloc(d->groups, d->groups_cap * sizeof(*d->groups));
	}
	d->groups[d->groups_n++] = found;
	map_set(&d->by_text, g.text, found);
	return found;
}

static struct group *
group_of(struct diff *d, const struct subject *old, const struct subject *new)
{
	struct str key = arena_printf(&d->a, "%lld %lld", old == NULL ? -1ll : (long long)old->set,
	    new == NULL ? -1ll : (long long)new->set);
	struct class *c = map_get(&d->classes, key);

	if (c == NULL) {
		c = arena_new(&d->a, struct class);
		c->group = compare(d, old, new);
		map_set(&d->classes, key, c);
	}
	return c->group;
}

static void
member_add(struct group *g, const struct member *m)
{
	if (g->who_n == g->who_cap) {
		g->who_cap = g->who_cap == 0 ? 8 : g->who_cap * 2;
		g->who = mem_realloc(g->who, g->who_cap * sizeof(*g->who));
	}
	g->who[g->who_n++] = *m;
}

static void
level_compare(struct diff *d, struct str id)
{
	const struct level *in_old = level_named(d->old, id), *in_new = level_named(d->new, id);
	const struct bundle *const both[] = { d->old, d->new };
	struct group *plain = NULL;
	struct via via;

	if (str_eq(id, STR(ORGANISATION_ID)))
		return; /* has budgets and limits, and is nobody */
	for (size_t at = 0; (at = via_next(both, COUNT(both), at, &via)) > 0;)
		for (size_t i = 0; i <= d->keys_n; i++) {
			struct str key = i == 0 ? STR("") : d->keys[i - 1];
			struct subject old, new;
			bool was = in_old != NULL && resolve(d->old, in_old, key, &d->a, &old);
			bool is = in_new != NULL && resolve(d->new, in_new, key, &d->a, &new);
			struct group *g;

			if (was)
				subject_via(d->old, &old, &via);
			if (is)
				subject_via(d->new, &new, &via);
			g = group_of(d, was ? &old : NULL, is ? &new : NULL);
			if (plain == NULL || g != plain)
				member_add(g, &(struct member){ id, key, via, was, is });
			plain = plain == NULL ? g : plain;
		}
	d->subjects++;
}

/* ---- the whole ---- */

static int
group_order(const void *a, const void *b)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;

	return str_cmp(x->who[0].id, y->who[0].id);
}

static void
each_level(struct diff *d, void (*fn)(struct diff *d, struct str id))
{
	for (const struct level *l = NULL; (l = bundle_next_level(d->new, l)) != NULL;)
		fn(d, l->id);
	for (const struct level *l = NULL; (l = bundle_next_level(d->old, l)) != NULL;)
		if (level_named(d->new, l->id) == NULL)
			fn(d, l->id);
}

static void
diff_make(struct diff *d)
{
	const struct bundle *const both[] = { d->old, d->new };
	const struct names_known known = { d->settings, d->ask->tools, d->ask->tools_n };

	calls_find(&d->calls, &d->a, &known, both, COUNT(both));
	keys_find(d, d->old);
	keys_find(d, d->new);
	each_level(d, level_compare);
	each_level(d, levels_compare);
	for (size_t i = 0; i < d->groups_n; i++)
		for (size_t k = 0; k < d->groups[i]->n; k++)
			d->sum[d->groups[i]->changes[k].shift]++;
	if (d->groups_n > 1)
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		qsort(d->groups, d->groups_n, sizeof(*d->groups), group_order);
}

static void
diff_fini(struct diff *d)
{
	for (size_t i = 0; i < d->groups_n; i++) {
		free(d->groups[i]->changes);
		free(d->groups[i]->who);
	}
	free(d->groups);
	free(d->levels);
	map_fini(&d->classes);
	map_fini(&d->by_text);
	calls_fini(&d->calls);
	bundle_free(&d->old);
	bundle_free(&d->new);
	arena_free(&d->a);
}

struct bundle *
bundle_at(const struct core_settings *s, const char *dir, struct err *e)
{
	struct core_settings at = *s;

	/* What a name meant in another revision of tollgate.yaml is not known here. */
	at.policies_dir = dir;
	at.servers = at.models = NULL;
	at.servers_n = at.models_n = 0;
	return bundle_of(&at, NULL, e);
}

bool
policies_diff(const struct core_settings *s, const struct diff_ask *ask, struct buf *out,
    bool *widened, struct err *e)
{
	struct diff d = { .ask = ask, .settings = s };
	bool ok;

	arena_init(&d.a, DIFF_ARENA_BYTES);
	map_init(&d.classes);
	map_init(&d.by_text);
	d.old = bundle_at(s, ask->old_dir, e);
	d.new = d.old == NULL ? NULL : bundle_at(s, ask->new_dir, e);
	ok = d.new != NULL;
	if (ok) {
		diff_make(&d);
		diff_put(&d, out);
		*widened = d.sum[SHIFT_WIDER] + d.sum[SHIFT_OTHER] > 0;
		for (size_t i = 0; i < d.levels_n; i++)
			*widened = *widened || d.levels[i].shift != SHIFT_NARROWER;
	}
	diff_fini(&d);
	return ok;
}
