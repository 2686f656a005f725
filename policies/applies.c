/* SPDX-License-Identifier: Apache-2.0 */
/*
 * applies - who is meant: `applies_to:` of a policy, and `subject:` of a rule's condition.
 *
 * Kinds are ANDed, values ORed.  Names must exist, and be within the folder's authority.  Whether
 * it holds for a key is decided once, when the key is resolved, never per call; what depends on
 * where a request comes from is in via.c.
 */
#include <stdlib.h>

#include "policies/bundle.h"

#define VALUES_MAX 1024               /* names in one line */
#define NO_LEVEL   LEVEL_ORGANISATION /* what is named is a text */

static bool
node_within(const struct node *n, const struct node *within)
{
	if (within == NULL)
		return true;
	while (n != NULL && n != within)
		n = n->parent;
	return n != NULL;
}

/* "payments", "acme/payments": the node, or NULL (reported). */
static const struct node *
node_named(
    struct loading *ld, const struct policy_file *f, enum level_kind kind, const struct yaml *y)
{
	struct str part[LEVEL_USER], rest = y->text, at[LEVEL_USER + 1];
	const struct node *n;
	size_t k = 0;
	struct err e;

	while (rest.p != NULL && k < COUNT(part))
		part[k++] = str_cut(&rest, '/');
	if (y->text.n == 0 || rest.p != NULL || k > (size_t)kind) {
		problem(&ld->problems, y, "a name was expected, like acme/payments");
		return NULL;
	}
	for (size_t i = 0; i < COUNT(at); i++)
		at[i] = STR("");
	/* From the right: the last part is the thing itself. */
	for (size_t i = 0; i < k; i++)
		at[(size_t)kind - i] = part[k - 1 - i];
	if (at[LEVEL_CUSTOMER].n == 0)
		at[LEVEL_CUSTOMER] = f->customer;
	if (at[LEVEL_TEAM].n == 0 && kind > LEVEL_TEAM)
		at[LEVEL_TEAM] = f->team;
	n = org_find(ld->b, kind, at[LEVEL_CUSTOMER], at[LEVEL_TEAM], at[LEVEL_USER], &e);
	if (n == NULL)
		problem(&ld->problems, y, "%s", e.text);
	return n;
}

static bool
group_known(const struct bundle *b, struct str group)
{
	for (size_t i = 0; i < b->nodes_n; i++)
		for (size_t k = 0; k < b->nodes[i]->level.groups_n; k++)
			if (str_eq(b->nodes[i]->level.groups[k], group))
				return true;
	return false;
}

static void
value_add(struct loading *ld, const struct policy_file *f, const struct applies *to,
    struct names *out, enum level_kind kind, struct yaml *y)
{
	struct str text;

	if (y->kind == YAML_SCALAR && str_eq(y->text, STR("*"))) {
		if (f->customer.n > 0)
			problem(&ld->problems, y, "\"*\" stands in root/ only (name who is meant)");
		out->any = true;
	} else if (kind != NO_LEVEL) {
		const struct node *n = NULL;

		if (text_get(&ld->problems, y, "a name", (size_t)3 * BUNDLE_NAME_BYTES, &text))
			n = node_named(ld, f, kind, y);
		if (n != NULL && !node_within(n, to->within))
			problem(&ld->problems, y,
			    "this folder speaks of " STR_FMT " only (the path is the authority)",
			    STR_ARG(to->within->level.id));
		else if (n != NULL)
			out->node[out->n++] = n;
	} else if (name_get(&ld->problems, y, y->text, "a name")) {
		out->text[out->n++] = arena_str(&ld->b->arena, y->text);
	}
}

static void
values_read(struct loading *ld, const struct policy_file *f, const struct applies *to,
    struct names *out, enum level_kind kind, struct yaml *y)
{
	struct arena *a = &ld->b->arena;

	out->said = true;
	if (y->kind != YAML_LIST || y->n == 0 || y->n > VALUES_MAX) {
		problem(&ld->problems, y, "\"" STR_FMT "\" is a list of 1 to %d names, like [%s]",
		    STR_ARG(y->key), VALUES_MAX, kind == LEVEL_TEAM ? "payments" : "ana");
		return;
	}
	out->node = arena_alloc(a, y->n * sizeof(struct node *));
	out->text = arena_alloc(a, y->n * sizeof(struct str));
	for (struct yaml *v = y->kids; v != NULL; v = v->next)
		value_add(ld, f, to, out, kind, v);
}

/* ---- where a request comes from ---- */

static void
names_note(struct loading *ld, const struct yaml *y, struct via_names *all, const struct names *v)
{
	ld->b->has_via = true;
	for (size_t i = 0; i < v->n; i++)
		if (!via_note(all, v->text[i])) {
			problem(&ld->problems, y, "the policies name more than %d " STR_FMT,
			    VIA_NAMES_MAX, STR_ARG(y->key));
			return;
		}
}

static void
views_read(struct loading *ld, const struct policy_file *f, struct applies *to, struct yaml *y)
{
	const struct bundle_source *src = ld->src;
	char near[HINT_BYTES];

	values_read(ld, f, to, &to->views, NO_LEVEL, y);
	for (size_t i = 0; src->views != NULL && i < to->views.n; i++) {
		struct str name = to->views.text[i];
		bool known = false;

		for (size_t k = 0; k < src->views_n; k++)
			known = known || str_eq(src->views[k], name);
		if (!known)
			problem(&ld->problems, y, "unknown view \"" STR_FMT "\"%s", STR_ARG(name),
			    hint(near, name, src->views, src->views_n));
	}
	names_note(ld, y, &ld->b->views, &to->views);
}

static void
clients_read(struct loading *ld, const struct policy_file *f, struct applies *to, struct yaml *y)
{
	values_read(ld, f, to, &to->clients, NO_LEVEL, y);
	names_note(ld, y, &ld->b->clients, &to->clients);
}

/* Who a person is does not depend on where somebody else's request comes from; and whatever an
 * exception or a condition says of clients, a client could make true. */
static void
place_check(struct loading *ld, enum applies_of of, struct yaml *y)
{
	const struct yaml *views = yaml_get(y, "views"), *clients = yaml_get(y, "clients");

	if (of == APPLIES_PEOPLE && views != NULL)
		problem_key(&ld->problems, views, "approvers are people, wherever they answer");
	if (of != APPLIES_POLICY && clients != NULL)
		problem_key(&ld->problems, clients,
		    "clients stands in applies_to of a policy alone: a client is what it says");
}

void
applies_read(struct loading *ld, const struct policy_file *f, enum applies_of of,
    struct applies *to, struct yaml *y)
{
	static const char *const known[] = { "customers", "teams", "users", "groups", "keys",
		"tags", "views", "clients", NULL };
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "applies_to", known, later };

	if (y->kind == YAML_SCALAR && str_eq(y->text, STR("*"))) {
		if (f->customer.n > 0)
			problem(&ld->problems, y, "\"*\" stands in root/ only (name who is meant)");
		return;
	}
	if (!keys_check(&ld->problems, y, &keys))
		return;
	place_check(ld, of, y);
	if (y->n == 0)
		problem(&ld->problems, y, "applies_to is empty (who? e.g. { teams: [payments] })");
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		if (str_eq(m->key, STR("customers")))
			values_read(ld, f, to, &to->customers, LEVEL_CUSTOMER, m);
		else if (str_eq(m->key, STR("teams")))
			values_read(ld, f, to, &to->teams, LEVEL_TEAM, m);
		else if (str_eq(m->key, STR("users")))
			values_read(ld, f, to, &to->users, LEVEL_USER, m);
		else if (str_eq(m->key, STR("groups")))
			values_read(ld, f, to, &to->groups, NO_LEVEL, m);
		else if (str_eq(m->key, STR("keys")))
			values_read(ld, f, to, &to->keys, NO_LEVEL, m);
		else if (str_eq(m->key, STR("tags")))
			values_read(ld, f, to, &to->tags, NO_LEVEL, m);
		else if (str_eq(m->key, STR("views")))
			views_read(ld, f, to, m);
		else if (str_eq(m->key, STR("clients")))
			clients_read(ld, f, to, m);
	}
	for (size_t i = 0; i < to->groups.n; i++)
		if (!group_known(ld->b, to->groups.text[i]))
			warning(&ld->problems, y, "no user is in group \"" STR_FMT "\"",
			    STR_ARG(to->groups.text[i]));
}

static bool
level_in(const struct names *v, enum level_kind kind, const struct chain *c)
{
	if (!v->said)
		return true;
	for (size_t i = 0; i < c->n; i++) {
		if (c->level[i]->kind != kind)
			continue;
		if (v->any)
			return true;
		for (size_t k = 0; k < v->n; k++)
			if (&v->node[k]->level == c->level[i])
				return true;
	}
	return false;
}

static bool
group_in(const struct names *v, const struct chain *c)
{
	const struct level *l = c->n > 0 ? c->level[0] : NULL;

	if (!v->said)
		return true;
	if (l == NULL || l->groups_n == 0)
		return false;
	if (v->any)
		return true;
	for (size_t i = 0; i < l->groups_n; i++)
		for (size_t k = 0; k < v->n; k++)
			if (str_eq(l->groups[i], v->text[k]))
				return true;
	return false;
}

static bool
key_in(const struct names *v, struct str key)
{
	if (!v->said || v->any)
		return true;
	for (size_t k = 0; k < v->n; k++)
		if (str_eq(v->text[k], key))
			return true;
	return false;
}

static bool
tag_in(const struct names *v, struct str tags)
{
	if (!v->said || (v->any && tags.n > 0))
		return true;
	for (size_t k = 0; k < v->n; k++)
		if (tags_have(tags, v->text[k]))
			return true;
	return false;
}

bool
applies_to(const struct applies *to, const struct chain *c, struct str key_name, struct str tags)
{
	bool inside = to->within == NULL;

	for (size_t i = 0; i < c->n && !inside; i++)
		inside = c->level[i] == &to->within->level;
	return inside && level_in(&to->customers, LEVEL_CUSTOMER, c) &&
	       level_in(&to->teams, LEVEL_TEAM, c) && level_in(&to->users, LEVEL_USER, c) &&
	       group_in(&to->groups, c) && key_in(&to->keys, key_name) && tag_in(&to->tags, tags);
}

/* ---- in words ---- */

static void
names_text(const struct names *v, const char *word, bool nodes, struct buf *out)
{
	struct str *name;

	if (!v->said)
		return;
	buf_printf(out, "%s%s ", out->n > 0 ? ", " : "", word);
	if (v->any) {
		buf_puts(out, "[*]");
		return;
	}
	name = mem_alloc((v->n + 1) * sizeof(*name));
	for (size_t i = 0; i < v->n; i++)
		name[i] = nodes ? v->node[i]->level.id : v->text[i];
	if (v->n > 1)
		qsort(name, v->n, sizeof(*name), str_order);
	for (size_t i = 0; i < v->n; i++)
		buf_printf(out, "%s" STR_FMT, i == 0 ? "[" : ", ", STR_ARG(name[i]));
	buf_putc(out, ']');
	free(name);
}

void
applies_text(const struct applies *to, struct buf *out)
{
	struct buf kinds_said;

	buf_init(&kinds_said, 0);
	names_text(&to->customers, "customers", true, &kinds_said);
	names_text(&to->teams, "teams", true, &kinds_said);
	names_text(&to->users, "users", true, &kinds_said);
	names_text(&to->groups, "groups", false, &kinds_said);
	names_text(&to->keys, "keys", false, &kinds_said);
	names_text(&to->tags, "tags", false, &kinds_said);
	names_text(&to->views, "views", false, &kinds_said);
	names_text(&to->clients, "clients", false, &kinds_said);
	if (kinds_said.n == 0)
		buf_puts(out, "everybody");
	buf_put(out, buf_str(&kinds_said));
	if (to->within != NULL)
		buf_printf(out, " of " STR_FMT, STR_ARG(to->within->level.id));
	buf_fini(&kinds_said);
}
