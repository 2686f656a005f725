/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - virtual keys.
 *
 * A secret is tg- and 40 base62 characters, the last six a checksum of the others, so that a typo
 * is told from an unknown key and a scanner knows a leak from noise.  Only its SHA-256 is kept, in
 * memory too; 200 bits of randomness need no slow hash.
 *
 * How keys end, and what ends with them, is in key_end.c.
 *
 * An admin token is a key whose name starts with @, which no virtual key's can.  It has no owner
 * and is never resolved, so that it passes no gate: it opens the admin API and nothing else.
 *
 * A key whose name starts with + is of a user who comes with the identity provider's token: nobody
 * knows its secret.
 *
 * Rotation makes a second key of the same name and lets the first one expire; a name stands for the
 * newest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"
#include "policies/core.h"

#define RANDOM_CHARS 34
#define CHECK_CHARS  6
#define NAME_BYTES   64

/* Six base62 characters of a SHA-256 over the rest. */
static void
checksum(const char *secret, char out[CHECK_CHARS])
{
	static const char base62[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	struct sha256 h;
	uint64_t v;

	sha256(&h, (struct str){ secret, 3 + RANDOM_CHARS });
	memcpy(&v, h.b, sizeof(v));
	for (int i = 0; i < CHECK_CHARS; i++) {
		out[i] = base62[v % 62];
		v /= 62;
	}
}

bool
key_looks_like(struct str secret)
{
	char check[CHECK_CHARS];

	if (secret.n != KEY_SECRET_BYTES || !str_starts(secret, STR("tg-")))
		return false;
	checksum(secret.p, check);
	return memcmp(check, secret.p + 3 + RANDOM_CHARS, CHECK_CHARS) == 0;
}

static bool
alive(const struct key *k, int64_t wall_ns, struct err *e)
{
	switch (k->state) {
	case KEY_REVOKED:
		return err_set(e, ERR_REVOKED, "virtual key %s is revoked", k->id);
	case KEY_DISABLED:
		return err_set(e, ERR_REVOKED, "virtual key %s is disabled", k->id);
	case KEY_ACTIVE:
		break;
	}
	if (k->expires_ns != 0 && wall_ns >= k->expires_ns)
		return err_set(e, ERR_REVOKED, "virtual key %s has expired", k->id);
	return true;
}

static bool
usable(const struct key *k, int64_t wall_ns, struct err *e)
{
	if (!alive(k, wall_ns, e))
		return false;
	if (!k->resolved)
		*e = k->owner_err;
	return k->resolved;
}

bool
key_usable(const struct key *k, int64_t wall_ns, struct err *e)
{
	IS(k, KEY_MAGIC);
	return usable(k, wall_ns, e);
}

static struct key *
by_secret(struct core *c, struct str secret, struct err *e)
{
	struct sha256 digest;
	struct key *k;

	sha256(&digest, secret);
	k = map_get(&c->by_digest, (struct str){ (char *)digest.b, SHA256_BYTES });
	if (k == NULL)
		(void)err_set(e, ERR_AUTH,
		    key_looks_like(secret)           ? "virtual key unknown to this gateway"
		    : str_starts(secret, STR("tg-")) ? "the virtual key is mistyped (its checksum "
						       "does not fit)"
						     : "this is not a virtual key (they begin "
						       "with tg-)");
	return k;
}

struct key *
key_find(struct core *c, struct str secret, struct err *e)
{
	struct key *k = by_secret(c, secret, e);

	if (k != NULL && k->admin) {
		(void)err_set(e, ERR_AUTH,
		    "this is an admin token, it opens /admin/api only (use a virtual key)");
		return NULL;
	}
	return k != NULL && usable(k, loop_wall_ns(c->loop), e) ? k : NULL;
}

struct key *
admin_find(struct core *c, struct str secret, struct err *e)
{
	struct key *k = by_secret(c, secret, e);

	if (k != NULL && !k->admin) {
		(void)err_set(e, ERR_DENIED,
		    "a virtual key does not open the admin API (use an admin token: tollgate key "
		    "create --admin --name NAME)");
		return NULL;
	}
	return k != NULL && alive(k, loop_wall_ns(c->loop), e) ? k : NULL;
}

struct key *
key_named(struct core *c, struct str name_or_id)
{
	struct key *k = map_get(&c->by_id, name_or_id);

	return k != NULL ? k : map_get(&c->by_name, name_or_id);
}

void
key_info(const struct key *k, struct key_info *out)
{
	IS(k, KEY_MAGIC);
	*out = (struct key_info){ str_of(k->id), str_of(k->name), str_of(k->customer),
		str_of(k->team), str_of(k->user), k->state, k->admin, k->created_ns, k->expires_ns,
		str_of(k->tags), str_of(k->scope), str_of(k->budget) };
}

struct key *
key_next(struct core *c, struct key *after)
{
	struct link *next = after == NULL ? c->keys.next : after->all.next;

	return next == &c->keys ? NULL : CONTAINER(next, struct key, all);
}

struct key *
key_next_rotated(struct core *c, const struct key *k, struct key *after)
{
	while ((after = key_next(c, after)) != NULL)
		if (after != k && after->state != KEY_REVOKED && !after->expired &&
		    strcmp(after->name, k->name) == 0)
			return after;
	return NULL;
}

void
key_row_of(const struct key *k, struct key_row *out)
{
	*out = (struct key_row){ .id = str_of(k->id),
		.name = str_of(k->name),
		.customer = str_of(k->customer),
		.team = str_of(k->team),
		.user = str_of(k->user),
		.digest = k->digest,
		.state = (int)k->state,
		.created_ns = k->created_ns,
		.expires_ns = k->expires_ns,
		.tags = str_of(k->tags),
		.scope = str_of(k->scope),
		.budget = str_of(k->budget) };
}

void
key_owner(const struct key *k, struct str out[3])
{
	out[0] = str_of(k->customer);
	out[1] = str_of(k->team);
	out[2] = str_of(k->user);
	for (size_t i = 0; k->resolved && i < k->subject.chain.n; i++) {
		const struct level *l = k->subject.chain.level[i];

		if (l->kind != LEVEL_ORGANISATION)
			out[l->kind - LEVEL_CUSTOMER] = l->name;
	}
}

static void
event_render(struct key *k)
{
	static const char *const names[] = { ",\"customer\":", ",\"team\":", ",\"user\":" };
	struct str owner[3];

	key_owner(k, owner);
	buf_reset(&k->event);
	buf_puts(&k->event, ",\"key\":");
	buf_json_str(&k->event, str_of(k->id));
	buf_puts(&k->event, ",\"key_name\":");
	buf_json_str(&k->event, str_of(k->name));
	for (size_t i = 0; i < COUNT(owner); i++)
		if (owner[i].n > 0) {
			buf_puts(&k->event, names[i]);
			buf_json_str(&k->event, owner[i]);
		}
}

/* What was checked when it was said; a database that says something else gives nothing. */
static void
budget_take_in(struct key *k)
{
	struct err e;

	k->level.budgets_n = 0;
	if (k->budget[0] != '\0' &&
	    !budgets_parse(str_of(k->budget), k->level.budgets, &k->level.budgets_n, &e)) {
		k->level.budgets[0] = (struct budget){ .period = PERIOD_DAY };
		k->level.budgets_n = 1;
	}
}

/* The level that it is itself, seen from the bundle. */
static void
level_resolve(struct key *k)
{
	const struct chain *c = &k->subject.chain;
	const struct level *above = k->resolved && c->n > 0 ? c->level[0] : NULL;

	k->level.zone = bundle_zone_name(k->core->bundle);
	k->level.contact = above != NULL ? above->contact : STR("");
	k->level.parent = above;
	k->level.spending =
	    *bundle_spending(k->core->bundle, k->resolved ? c : &(struct chain){ 0 });
}

void
key_chain(const struct key *k, struct chain *out)
{
	*out = (struct chain){ .n = k->subject.chain.n + 1 };
	out->level[0] = &k->level;
	for (size_t i = 0; i < k->subject.chain.n; i++)
		out->level[i + 1] = k->subject.chain.level[i];
}

static void
resolve(struct key *k)
{
	const struct key_spec who = { .name = str_of(k->name),
		.customer = str_of(k->customer),
		.team = str_of(k->team),
		.user = str_of(k->user),
		.tags = str_of(k->tags),
		.scope = str_of(k->scope) };

	arena_free(&k->arena);
	if (k->admin)
		k->resolved = err_set(&k->owner_err, ERR_DENIED,
		    "%s is an admin token and calls no model and no tool", k->id);
	else
		k->resolved =
		    subject_resolve(k->core->bundle, &who, &k->arena, &k->subject, &k->owner_err);
	level_resolve(k);
	event_render(k);
}

void
keys_resolve(struct core *c)
{
	LIST_EACH(it, &c->keys) {
		struct key *k = CONTAINER(it, struct key, all);
		bool was = k->resolved;

		resolve(k);
		k->orphaned = was && !k->resolved;
	}
}

const struct subject *
key_subject(struct key *k)
{
	IS(k, KEY_MAGIC);
	return k->resolved ? &k->subject : NULL;
}

bool
key_subject_via(struct key *k, const struct via *via, struct subject *out)
{
	IS(k, KEY_MAGIC);
	if (!k->resolved)
		return false;
	*out = k->subject;
	subject_via(k->core->bundle, out, via);
	return true;
}

void
pass_subject(const struct pass *p, struct subject *out)
{
	*out = p->key->subject;
	subject_via(p->core->bundle, out, &(struct via){ p->view, p->client });
}

struct key *
key_add(struct core *c, const struct key_row *r)
{
	struct key *k = mem_zalloc(sizeof(*k));

	k->magic = KEY_MAGIC;
	k->core = c;
	k->id = str_dup(r->id);
	k->name = str_dup(r->name);
	k->customer = str_dup(r->customer);
	k->team = str_dup(r->team);
	k->user = str_dup(r->user);
	k->tags = str_dup(r->tags);
	k->scope = str_dup(r->scope);
	k->budget = str_dup(r->budget);
	(void)snprintf(k->level_id, sizeof(k->level_id), "key %s", k->name);
	k->level =
	    (struct level){ .kind = LEVEL_KEY, .name = str_of(k->name), .id = str_of(k->level_id) };
	budget_take_in(k);
	arena_init(&k->arena, SCOPE_ARENA_BYTES);
	k->admin = str_starts(r->name, STR("@"));
	k->digest = r->digest;
	memcpy(k->digest_key, r->digest.b, SHA256_BYTES);
	k->state = r->state == KEY_ACTIVE || r->state == KEY_DISABLED ? (enum key_state)r->state
								      : KEY_REVOKED;
	k->created_ns = r->created_ns;
	k->expires_ns = r->expires_ns;
	buf_init(&k->event, 0);
	link_init(&k->all);
	link_init(&k->passes);
	link_init(&k->watches);
	link_init(&k->approvals);
	link_push(&c->keys, &k->all);
	map_set(&c->by_digest, (struct str){ k->digest_key, SHA256_BYTES }, k);
	map_set(&c->by_id, str_of(k->id), k);
	if (k->state != KEY_REVOKED || map_get(&c->by_name, str_of(k->name)) == NULL)
		map_set(&c->by_name, str_of(k->name), k);
	resolve(k);
	return k;
}

void
keys_free(struct core *c)
{
	while (!link_empty(&c->keys)) {
		struct key *k = CONTAINER(c->keys.next, struct key, all);

		ASSERT(link_empty(&k->passes));
		link_drop(&k->all);
		free(k->id);
		free(k->name);
		free(k->customer);
		free(k->team);
		free(k->user);
		free(k->tags);
		free(k->scope);
		free(k->budget);
		arena_free(&k->arena);
		free(k->denials);
		free(k->scripts);
		buf_fini(&k->event);
		k->magic = 0;
		free(k);
	}
	map_fini(&c->by_digest);
	map_fini(&c->by_id);
	map_fini(&c->by_name);
}

static bool
name_check(struct str name, struct err *e)
{
	if (name.n == 0 || name.n > NAME_BYTES)
		return err_set(e, ERR_INVALID, "a key's name has 1 to %d characters", NAME_BYTES);
	for (size_t i = 0; i < name.n; i++) {
		char ch = name.p[i];
		bool plain = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
			     (ch >= '0' && ch <= '9') || (i > 0 && memchr("._@+-", ch, 5) != NULL);

		if (!plain)
			return err_set(e, ERR_INVALID,
			    "a key's name is letters, digits and . _ @ + - (not \"" STR_FMT "\")",
			    STR_ARG(name));
	}
	return true;
}

static bool
name_free(struct core *c, struct str name, struct err *e)
{
	struct key *taken = map_get(&c->by_name, name);

	return taken == NULL || taken->state == KEY_REVOKED ||
	       err_set(e, ERR_INVALID, "the name \"" STR_FMT "\" is taken by key %s", STR_ARG(name),
		   taken->id);
}

/* Nothing is checked any more. */
static struct key *
make(struct core *c, const struct key_spec *s, struct str actor, char secret[KEY_SECRET_BYTES + 1])
{
	struct key_row r = { .name = s->name,
		.customer = s->customer,
		.team = s->team,
		.user = s->user,
		.state = KEY_ACTIVE,
		.created_ns = loop_wall_ns(c->loop),
		.expires_ns = s->expires_ns,
		.tags = s->tags,
		.scope = s->scope,
		.budget = s->budget };
	char id[KEY_ID_BYTES + 1] = "k_";
	struct key *k;

	/* A name stands for the newest, also after a restart, which reads them in this order. */
	if (!link_empty(&c->keys) &&
	    r.created_ns <= CONTAINER(c->keys.prev, struct key, all)->created_ns)
		r.created_ns = CONTAINER(c->keys.prev, struct key, all)->created_ns + 1;
	memcpy(secret, "tg-", 3);
	base62_random(secret + 3, RANDOM_CHARS);
	checksum(secret, secret + 3 + RANDOM_CHARS);
	secret[KEY_SECRET_BYTES] = '\0';
	base62_random(id + 2, KEY_ID_BYTES - 2);
	r.id = str_of(id);
	sha256(&r.digest, (struct str){ secret, KEY_SECRET_BYTES });
	k = key_add(c, &r);
	event_key(c, actor, "key.create", k);
	if (k->expires_ns != 0)
		keys_expiry_set(c);
	return k;
}

static bool
budget_check(struct str text, struct err *e)
{
	struct budget all[LEVEL_BUDGETS_MAX];
	size_t n;

	return text.n == 0 || budgets_parse(text, all, &n, e);
}

bool
key_set_budget(struct core *c, struct key *k, struct str budget, struct str actor, struct err *e)
{
	IS(k, KEY_MAGIC);
	if (!core_ready(c, e) || !budget_check(budget, e))
		return false;
	if (k->admin || k->state == KEY_REVOKED)
		return err_set(e, ERR_INVALID,
		    k->admin ? "an admin token spends nothing" : "key %s is revoked", k->id);
	free(k->budget);
	k->budget = str_dup(budget);
	budget_take_in(k);
	event_key(c, actor, "key.budget", k);
	return true;
}

struct key *
key_create(struct core *c, const struct key_spec *s, struct str actor,
    char secret[KEY_SECRET_BYTES + 1], struct err *e)
{
	char at_name[NAME_BYTES + 2];
	struct key_spec spec = *s;
	struct chain chain;

	if (!core_ready(c, e) || !name_check(s->name, e) || !scope_check(s->tags, s->scope, e) ||
	    !budget_check(s->budget, e))
		return NULL;
	if (s->admin) {
		if (s->customer.n + s->team.n + s->user.n + s->budget.n > 0) {
			(void)err_set(e, ERR_INVALID,
			    "an admin token belongs to nobody and spends nothing (leave out "
			    "customer, "
			    "team, user and budget)");
			return NULL;
		}
		at_name[0] = '@';
		memcpy(at_name + 1, s->name.p, s->name.n);
		spec.name = (struct str){ at_name, s->name.n + 1 };
	}
	if (s->expires_ns != 0 && s->expires_ns <= loop_wall_ns(c->loop)) {
		(void)err_set(e, ERR_INVALID, "the key would have expired already");
		return NULL;
	}
	if (!name_free(c, spec.name, e) ||
	    !bundle_find_chain(c->bundle, s->customer, s->team, s->user, &chain, e))
		return NULL;
	return make(c, &spec, actor, secret);
}

struct key *
key_of_user(struct core *c, struct str user, struct err *e)
{
	char secret[KEY_SECRET_BYTES + 1], name[NAME_BYTES + 1] = "+";
	struct key_spec s = { .user = user };
	struct chain chain;
	struct key *k;

	if (!name_check(user, e) || user.n >= NAME_BYTES) {
		(void)err_set(e, ERR_NO_OWNER, "the token's user has a name that no user can have");
		return NULL;
	}
	memcpy(name + 1, user.p, user.n);
	s.name = (struct str){ name, user.n + 1 };
	k = map_get(&c->by_name, s.name);
	if (k == NULL) {
		if (!core_ready(c, e) ||
		    !bundle_find_chain(c->bundle, STR(""), STR(""), user, &chain, e)) {
			e->code = e->code == ERR_STORE ? ERR_STORE : ERR_NO_OWNER;
			return NULL;
		}
		k = make(c, &s, STR("identity"), secret);
		crypto_wipe(secret, sizeof(secret));
	}
	return usable(k, loop_wall_ns(c->loop), e) ? k : NULL;
}

struct key *
key_rotate(struct core *c, struct key *k, int64_t overlap_ns, struct str actor,
    char secret[KEY_SECRET_BYTES + 1], struct err *e)
{
	struct key_spec s = { str_of(k->name), str_of(k->customer), str_of(k->team),
		str_of(k->user), k->expires_ns, k->admin, str_of(k->tags), str_of(k->scope),
		str_of(k->budget) };
	int64_t now_ns = loop_wall_ns(c->loop), until_ns = now_ns + overlap_ns;

	IS(k, KEY_MAGIC);
	ASSERT(overlap_ns >= 0);
	if (!core_ready(c, e) || !alive(k, now_ns, e))
		return NULL;
	if (str_starts(s.name, STR("+"))) {
		(void)err_set(e, ERR_INVALID,
		    "key %s has no secret: its user comes with the identity provider's token",
		    k->id);
		return NULL;
	}
	if (map_get(&c->by_name, s.name) != k) {
		(void)err_set(e, ERR_INVALID,
		    "key %s has been rotated already (its successor is %s)", k->id,
		    ((struct key *)map_get(&c->by_name, s.name))->id);
		return NULL;
	}
	if (overlap_ns == 0) {
		for (struct key *o = NULL; (o = key_next_rotated(c, k, o)) != NULL;)
			if (!key_set_state(c, o, KEY_REVOKED, actor, e))
				return NULL;
		if (!key_set_state(c, k, KEY_REVOKED, actor, e))
			return NULL;
	} else {
		if (k->expires_ns == 0 || until_ns < k->expires_ns)
			k->expires_ns = until_ns;
		event_key(c, actor, "key.rotate", k);
		keys_expiry_set(c);
	}
	return make(c, &s, actor, secret);
}

void
core_first_owner(const struct core *c, struct key_spec *s)
{
	const struct level *l = NULL, *best = NULL;

	while ((l = bundle_next_level(c->bundle, l)) != NULL)
		if (best == NULL || l->kind > best->kind)
			best = l;
	level_owner(best, s);
}
