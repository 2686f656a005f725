/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org - the organisation: customers, their teams, their users, and the budgets of each.
 *
 * The organisation itself is a level like these, above the customers and there even when no file
 * says anything of it: every chain ends with it, so what everybody spends together is known
 * whenever a budget is set.
 *
 * A level may be spoken of in several files (root/ names the team and its budget, the team's own
 * folder lists its users), but each fact has one owner: a budget, a list of groups or a contact
 * that stands twice is an error that names both places.  Which user is in which group decides what
 * root/ policies mean, so only root/ may say it.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"

#define GROUPS_MAX 64
#define MODELS_MAX 256

static const char *const kind_words[] = { [LEVEL_ORGANISATION] = "organisation",
	[LEVEL_CUSTOMER] = "customer",
	[LEVEL_TEAM] = "team",
	[LEVEL_USER] = "user" };

/* "root/a.yaml:3" */
static struct str
place(struct loading *ld, const struct policy_file *f, int line)
{
	return arena_printf(&ld->b->arena, STR_FMT ":%d", STR_ARG(f->path), line);
}

/* Each fact has one owner: notes that it stands here, or reports where it already stood. */
bool
said_once(struct loading *ld, const struct policy_file *f, const struct yaml *y, struct str *at)
{
	if (at->n > 0) {
		problem_key(&ld->problems, y, "\"" STR_FMT "\" is already set in " STR_FMT,
		    STR_ARG(y->key), STR_ARG(*at));
		return false;
	}
	*at = place(ld, f, y->key_line);
	return true;
}

/* ---- limits ---- */

static void
limit_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y)
{
	static const enum limit_per per[] = { [LEVEL_ORGANISATION] = PER_ORGANISATION,
		[LEVEL_CUSTOMER] = PER_CUSTOMER,
		[LEVEL_TEAM] = PER_TEAM,
		[LEVEL_USER] = PER_USER };
	struct level *l = &n->level;
	const struct limit like = { .per = per[l->kind], .level = l, .id = l->id };

	struct limits_said said;

	if (!said_once(ld, f, y, &n->limit_at))
		return;
	limits_read(ld, f, y, &like, 0, &said);
	l->limits = said.limits;
	l->limits_n = said.n;
}

/* ---- what else a level may say ---- */

static void
groups_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y)
{
	struct str *groups;

	if (f->customer.n > 0) {
		problem_key(&ld->problems, y,
		    "groups are set in root/ only: they decide who root/ policies apply to");
		return;
	}
	if (!said_once(ld, f, y, &n->groups_at))
		return;
	if (y->kind != YAML_LIST || y->n == 0 || y->n > GROUPS_MAX) {
		problem(&ld->problems, y, "groups is a list of 1 to %d names, like [developer]",
		    GROUPS_MAX);
		return;
	}
	groups = arena_alloc(&ld->b->arena, y->n * sizeof(*groups));
	for (struct yaml *g = y->kids; g != NULL; g = g->next)
		if (name_get(&ld->problems, g, g->text, "a group"))
			groups[n->level.groups_n++] = arena_str(&ld->b->arena, g->text);
	n->level.groups = groups;
}

static void
models_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y)
{
	struct str *alts;
	size_t k = 0;

	if (!said_once(ld, f, y, &n->models_at))
		return;
	if (y->kind != YAML_LIST || y->n == 0 || y->n > MODELS_MAX) {
		problem(&ld->problems, y, "models is a list of 1 to %d aliases or model ids",
		    MODELS_MAX);
		return;
	}
	alts = arena_alloc(&ld->b->arena, y->n * sizeof(*alts));
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		struct str name;
		char near[HINT_BYTES];

		if (!text_get(&ld->problems, m, "a model", PATTERN_BYTES_MAX, &name))
			continue;
		if (str_has(name, '*') || str_has(name, '{'))
			problem(&ld->problems, m,
			    "models: names aliases and ids (write an allow rule for a pattern)");
		else if (!model_known(ld->src, name))
			problem(&ld->problems, m, "unknown model \"" STR_FMT "\"%s", STR_ARG(name),
			    hint(near, name, ld->src->models, ld->src->models_n));
		else
			alts[k++] = arena_str(&ld->b->arena, name);
	}
	n->models = (struct glob){ alts, k };
	n->models_line = y->key_line;
	n->file = f->path;
}

static void
contact_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y)
{
	struct str text;

	if (said_once(ld, f, y, &n->contact_at) &&
	    text_get(&ld->problems, y, "contact", BUNDLE_TEXT_BYTES, &text))
		n->level.contact = arena_str(&ld->b->arena, text);
}

/* ---- levels ---- */

static struct str
level_id(struct arena *a, const struct node *parent, struct str name)
{
	if (parent->level.kind == LEVEL_ORGANISATION)
		return arena_str(a, name);
	return arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(parent->level.id), STR_ARG(name));
}

static void
node_push(struct bundle *b, struct node *n)
{
	map_set(&b->by_id, n->level.id, n);
	if (b->nodes_n == b->nodes_cap) {
		b->nodes_cap = b->nodes_cap == 0 ? 64 : b->nodes_cap * 2;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		b->nodes = mem_realloc(b->nodes, b->nodes_cap * sizeof(*b->nodes));
	}
	b->nodes[b->nodes_n++] = n;
}

void
org_init(struct bundle *b)
{
	b->org = arena_new(&b->arena, struct node);
	b->org->level = (struct level){ .kind = LEVEL_ORGANISATION,
		.name = STR("organisation"),
		.id = STR(ORGANISATION_ID),
		.contact = STR(""),
		.where = STR("") };
	node_push(b, b->org);
}

/* Finds or makes the level that this member names. */
static struct node *
node_take(struct loading *ld, const struct policy_file *f, enum level_kind kind,
    struct node *parent, const struct yaml *y)
{
	struct bundle *b = ld->b;
	struct str id;
	struct node *n;

	if (!name_get(&ld->problems, y, y->key, kind_words[kind]) || !loading_room(ld, y))
		return NULL;
	id = level_id(&b->arena, parent, y->key);
	n = map_get(&b->by_id, id);
	if (n != NULL)
		return n;
	if (b->nodes_n == BUNDLE_LEVELS_MAX + 1) { /* and the organisation */
		problem(
		    &ld->problems, y, "more than %d customers, teams and users", BUNDLE_LEVELS_MAX);
		return NULL;
	}
	n = arena_new(&b->arena, struct node);
	n->parent = parent;
	n->level = (struct level){ .kind = kind,
		.name = arena_str(&b->arena, y->key),
		.id = id,
		.parent = &parent->level,
		.contact = STR(""),
		.where = place(ld, f, y->key_line) };
	n->same = map_get(&b->by_name[kind], n->level.name);
	map_set(&b->by_name[kind], n->level.name, n);
	node_push(b, n);
	return n;
}

/* May a file of this folder speak of this level (`inside`: or of what is below it)? */
static bool
path_allows(const struct policy_file *f, enum level_kind kind, struct str name, bool *inside)
{
	*inside = true;
	if (f->customer.n == 0)
		return true;
	if (kind == LEVEL_CUSTOMER) {
		*inside = f->team.n == 0; /* a team's folder passes through its customer only */
		return str_eq(name, f->customer);
	}
	return kind != LEVEL_TEAM || f->team.n == 0 || str_eq(name, f->team);
}

static void level_kids(struct loading *ld, const struct policy_file *f, struct node *parent,
    enum level_kind kind, struct yaml *map);

#define SAID                                                                                       \
	"budget", "alerts", "limit", "contact", "models", "enforcement", "hold", "at_cap",         \
	    "unknown_price"

/* What any level may say; the tables of keys know which one may say what. */
static void
fact_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y)
{
	static const struct {
		struct str key;
		void (*read)(struct loading *ld, const struct policy_file *f, struct node *n,
		    struct yaml *y);
	} facts[] = { { STR("budget"), budgets_read }, { STR("alerts"), alerts_read },
		{ STR("limit"), limit_read }, { STR("contact"), contact_read },
		{ STR("models"), models_read }, { STR("groups"), groups_read } };

	for (size_t i = 0; i < COUNT(facts); i++)
		if (str_eq(y->key, facts[i].key)) {
			facts[i].read(ld, f, n, y);
			return;
		}
	(void)spending_read(ld, f, y, &n->level.spending);
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): three levels, customer, team, user */
level_read(
    struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y, bool inside)
{
	static const char *const known[][12] = {
		[LEVEL_CUSTOMER] = { SAID, "teams", NULL },
		[LEVEL_TEAM] = { SAID, "users", NULL },
		[LEVEL_USER] = { SAID, "groups", NULL },
	};
	static const char *const later[] = { "scope", "tags", NULL };
	const struct key_table keys = { kind_words[n->level.kind], known[n->level.kind], later };

	if (y->kind == YAML_NULL || !keys_check(&ld->problems, y, &keys))
		return;
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		if (str_eq(m->key, STR("teams")))
			level_kids(ld, f, n, LEVEL_TEAM, m);
		else if (str_eq(m->key, STR("users")) && n->level.kind == LEVEL_TEAM)
			level_kids(ld, f, n, LEVEL_USER, m);
		else if (!inside)
			problem_key(&ld->problems, m,
			    "a team's folder speaks of its team only, not of its customer");
		else
			fact_read(ld, f, n, m);
	}
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): three levels, customer, team, user */
level_kids(struct loading *ld, const struct policy_file *f, struct node *parent,
    enum level_kind kind, struct yaml *map)
{
	const char *word = kind_words[kind];

	if (map->kind != YAML_MAP) {
		problem(&ld->problems, map, "%ss is a mapping of names", word);
		return;
	}
	for (struct yaml *m = map->kids; m != NULL; m = m->next) {
		struct node *n;
		bool inside;

		if (!path_allows(f, kind, m->key, &inside)) {
			problem_key(&ld->problems, m,
			    "this folder speaks of %s " STR_FMT " only (the path is the authority)",
			    kind == LEVEL_CUSTOMER ? "customer" : "team",
			    STR_ARG(kind == LEVEL_CUSTOMER ? f->customer : f->team));
			continue;
		}
		n = node_take(ld, f, kind, parent, m);
		if (n != NULL)
			level_read(ld, f, n, m, inside);
	}
}

/* ---- the organisation ---- */

static void
zone_read(struct loading *ld, const struct policy_file *f, struct yaml *y)
{
	struct str zone;
	struct err e;

	if (!said_once(ld, f, y, &ld->b->zone_at) ||
	    !text_get(&ld->problems, y, "zone", BUNDLE_NAME_BYTES, &zone))
		return;
	if (zone_load(&ld->b->arena, ZONE_FOLDER, zone, &ld->b->tz, &e))
		ld->b->zone = arena_str(&ld->b->arena, zone);
	else
		problem(&ld->problems, y, "%s", e.text);
}

void
org_read(struct loading *ld, const struct policy_file *f, struct yaml *organisation)
{
	static const char *const known[] = { SAID, "zone", "customers", NULL };
	static const char *const later[] = { "scope", NULL };
	static const struct key_table keys = { "organisation", known, later };
	struct node *n = ld->b->org;

	if (!keys_check(&ld->problems, organisation, &keys))
		return;
	if (n->level.where.n == 0)
		n->level.where = place(ld, f, organisation->key_line);
	for (struct yaml *m = organisation->kids; m != NULL; m = m->next) {
		if (str_eq(m->key, STR("customers")))
			level_kids(ld, f, n, LEVEL_CUSTOMER, m);
		else if (f->customer.n > 0)
			problem_key(&ld->problems, m,
			    "the organisation's own settings stand in root/ only");
		else if (str_eq(m->key, STR("zone")))
			zone_read(ld, f, m);
		else
			fact_read(ld, f, n, m);
	}
}

static int
node_order(const void *a, const void *b)
{
	const struct level *x = &(*(struct node *const *)a)->level;
	const struct level *y = &(*(struct node *const *)b)->level;

	if (x->parent == NULL || y->parent == NULL)
		return (x->parent != NULL) - (y->parent != NULL);
	return str_cmp(x->id, y->id);
}

void
org_finish(struct loading *ld)
{
	struct bundle *b = ld->b;

	qsort(b->nodes, b->nodes_n, sizeof(struct node *), node_order);
	/* An id begins with its parent's, so parents come first and have inherited already. */
	for (size_t i = 0; i < b->nodes_n; i++) {
		struct node *n = b->nodes[i];

		n->index = i;
		n->level.zone = b->zone;
		spending_inherit(
		    &n->level.spending, n->parent == NULL ? NULL : &n->parent->level.spending);
		if (n->level.contact.n == 0 && n->parent != NULL)
			n->level.contact = n->parent->level.contact;
	}
}

void
org_free(struct bundle *b)
{
	MEM_FREE(&b->nodes);
	map_fini(&b->by_id);
	for (size_t i = 0; i < COUNT(b->by_name); i++)
		map_fini(&b->by_name[i]);
}

/* ---- finding ---- */

static bool
part_fits(const struct node *n, enum level_kind kind, struct str name)
{
	if (name.n == 0)
		return true;
	while (n != NULL && n->level.kind != kind)
		n = n->parent;
	return n != NULL && str_eq(n->level.name, name);
}

/* The names of one kind, for "did you mean". */
static struct str
nearest_node(const struct bundle *b, enum level_kind kind, struct str name)
{
	struct str best = STR_NONE;

	for (size_t i = 0; i < b->nodes_n; i++) {
		struct str two[2] = { best, b->nodes[i]->level.name };

		if (b->nodes[i]->level.kind == kind)
			best = str_nearest(name, two, 2);
	}
	return best;
}

const struct node *
org_find(const struct bundle *b, enum level_kind kind, struct str customer, struct str team,
    struct str user, struct err *e)
{
	struct str name = kind == LEVEL_USER ? user : kind == LEVEL_TEAM ? team : customer;
	const struct node *found = NULL;
	char near[HINT_BYTES];
	struct str close;

	for (const struct node *n = map_get(&b->by_name[kind], name); n != NULL; n = n->same) {
		if (!part_fits(n, LEVEL_CUSTOMER, customer) || !part_fits(n, LEVEL_TEAM, team))
			continue;
		if (found != NULL) {
			const struct str first = found->level.id, other = n->level.id;

			(void)err_set(e, ERR_NO_OWNER,
			    "%s \"" STR_FMT "\" is ambiguous: " STR_FMT " or " STR_FMT,
			    kind_words[kind], STR_ARG(name), STR_ARG(first), STR_ARG(other));
			return NULL;
		}
		found = n;
	}
	if (found != NULL)
		return found;
	close = nearest_node(b, kind, name);
	(void)err_set(e, ERR_NO_OWNER, "%s \"" STR_FMT "\" is not in the policy files%s",
	    kind_words[kind], STR_ARG(name), hint(near, name, &close, close.n > 0));
	return NULL;
}

bool
bundle_find_chain(const struct bundle *b, struct str customer, struct str team, struct str user,
    struct chain *out, struct err *e)
{
	enum level_kind kind = user.n > 0 ? LEVEL_USER : team.n > 0 ? LEVEL_TEAM : LEVEL_CUSTOMER;
	const struct node *n = b->org;

	IS(b, BUNDLE_MAGIC);
	*out = (struct chain){ 0 };
	if (user.n > 0 || team.n > 0 || customer.n > 0)
		n = org_find(b, kind, customer, team, user, e);
	if (n == NULL)
		return false;
	for (; n != NULL; n = n->parent)
		out->level[out->n++] = &n->level;
	return true;
}

_Static_assert(offsetof(struct node, level) == 0, "a level is where its node is");

const struct zone *
bundle_zone(const struct bundle *b)
{
	return b->tz;
}

const struct spending *
bundle_spending(const struct bundle *b, const struct chain *c)
{
	return c->n > 0 ? &c->level[0]->spending : &b->org->level.spending;
}

struct str
bundle_zone_name(const struct bundle *b)
{
	return b->zone;
}

const struct level *
bundle_next_level(const struct bundle *b, const struct level *after)
{
	size_t i = 0;

	IS(b, BUNDLE_MAGIC);
	if (after != NULL)
		i = ((const struct node *)(const void *)after)->index + 1;
	return i < b->nodes_n ? &b->nodes[i]->level : NULL;
}

void
level_owner(const struct level *l, struct key_spec *who)
{
	struct str *const names[] = { [LEVEL_CUSTOMER] = &who->customer,
		[LEVEL_TEAM] = &who->team,
		[LEVEL_USER] = &who->user };

	for (; l != NULL && l->kind != LEVEL_ORGANISATION; l = l->parent)
		*names[l->kind] = l->name;
}
