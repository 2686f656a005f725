/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_keys - virtual keys and their quotas, as the admin API has them.
 *
 * A key is named by its name or id, never by its secret, which is said once: where it is made.
 */
#include "gateway/admin_work.h"

#include <string.h>

#include "base/json.h"

#define OVERLAP_S_MAX (90 * 86400)

/* Words with spaces between, any number of them; single ones in what is kept. */
static struct str
body_words(struct work *w, const char *name)
{
	struct str text = work_text(w, name), kept;
	struct buf b;

	buf_init(&b, ADMIN_ARENA_BYTES);
	while (text.p != NULL) {
		struct str one = str_cut(&text, ' ');

		buf_puts(&b, b.n > 0 && one.n > 0 ? " " : "");
		buf_put(&b, one);
	}
	kept = arena_str(&w->a, buf_str(&b));
	buf_fini(&b);
	return kept;
}

static const char *
state_word(enum key_state s)
{
	static const char *const words[] = { "", "active", "disabled", "revoked" };

	return words[s];
}

/* "a b": a list of two; left out when there are none. */
static void
words_put(struct buf *out, const char *member, struct str words)
{
	bool first = true;

	if (words.n == 0)
		return;
	buf_puts(out, member);
	buf_putc(out, '[');
	while (words.p != NULL) {
		buf_puts(out, first ? "" : ",");
		buf_json_str(out, str_cut(&words, ' '));
		first = false;
	}
	buf_putc(out, ']');
}

static void
key_put(struct work *w, struct key *k)
{
	struct key_info i;
	struct str owner[3];

	key_info(k, &i);
	key_owner(k, owner);
	buf_puts(w->out, "{\"id\":");
	buf_json_str(w->out, i.id);
	buf_puts(w->out, ",\"name\":");
	buf_json_str(w->out, i.name);
	buf_printf(w->out, ",\"state\":\"%s\",\"customer\":", state_word(i.state));
	buf_json_str(w->out, owner[0]);
	buf_puts(w->out, ",\"team\":");
	buf_json_str(w->out, owner[1]);
	buf_puts(w->out, ",\"user\":");
	buf_json_str(w->out, owner[2]);
	words_put(w->out, ",\"tags\":", i.tags);
	words_put(w->out, ",\"scope\":", i.scope);
	if (i.budget.n > 0) {
		buf_puts(w->out, ",\"budget\":");
		buf_json_str(w->out, i.budget);
	}
	buf_printf(w->out, ",\"created_ns\":%lld,\"expires_ns\":%lld}", (long long)i.created_ns,
	    (long long)i.expires_ns);
}

struct key *
key_wanted(struct work *w, struct str name)
{
	struct key *k = key_named(w->r->core, name);

	if (name.n == 0)
		(void)err_set(w->e, ERR_INVALID, "which key? (--key NAME or its id)");
	else if (str_starts(name, STR("tg-")))
		(void)err_set(
		    w->e, ERR_INVALID, "a key is named by its name or id, never by its secret");
	else if (k == NULL)
		(void)err_set(w->e, ERR_NOT_FOUND,
		    "no key is called \"" STR_FMT "\" (tollgate key list)", STR_ARG(name));
	return str_starts(name, STR("tg-")) ? NULL : k;
}

bool
keys_list(struct work *w)
{
	bool first = true;

	buf_putc(w->out, '[');
	for (struct key *k = key_next(w->r->core, NULL); k != NULL; k = key_next(w->r->core, k)) {
		if (!first)
			buf_putc(w->out, ',');
		first = false;
		key_put(w, k);
	}
	buf_putc(w->out, ']');
	return true;
}

/* The only place where a secret is said. */
static void
made_put(struct work *w, struct key *k, char secret[KEY_SECRET_BYTES + 1])
{
	struct key_info i;

	key_info(k, &i);
	buf_puts(w->out, "{\"id\":");
	buf_json_str(w->out, i.id);
	buf_printf(w->out, ",\"key\":\"%s\",\"name\":", secret);
	buf_json_str(w->out, i.name);
	buf_putc(w->out, '}');
	explicit_bzero(secret, KEY_SECRET_BYTES);
}

bool
keys_create(struct work *w)
{
	char secret[KEY_SECRET_BYTES + 1];
	struct key_spec spec = { .name = work_text(w, "name"),
		.customer = work_text(w, "customer"),
		.team = work_text(w, "team"),
		.user = work_text(w, "user"),
		.tags = body_words(w, "tags"),
		.scope = body_words(w, "scope"),
		.budget = work_text(w, "budget") };
	struct str raw;
	struct key *k;

	if (json_get(w->r->body, STR("expires_ns"), &raw) &&
	    (!json_i64(raw, &spec.expires_ns) || spec.expires_ns < 0))
		return err_set(w->e, ERR_INVALID, "expires_ns is a time in nanoseconds");
	spec.admin = json_get(w->r->body, STR("admin"), &raw) && str_eq(raw, STR("true"));
	k = key_create(w->r->core, &spec, w->r->actor, secret, w->e);
	if (k != NULL)
		made_put(w, k, secret);
	return k != NULL;
}

bool
keys_rotate(struct work *w)
{
	struct key *k = key_wanted(w, work_text(w, "key"));
	char secret[KEY_SECRET_BYTES + 1];
	int64_t overlap_s = 0;
	struct str raw;

	if (k == NULL)
		return false;
	if (!json_get(w->r->body, STR("overlap_s"), &raw) || !json_i64(raw, &overlap_s) ||
	    overlap_s < 0 || overlap_s > OVERLAP_S_MAX)
		return err_set(w->e, ERR_INVALID, "the overlap is 0 to 90 days");
	k = key_rotate(w->r->core, k, overlap_s * 1000000000, w->r->actor, secret, w->e);
	if (k != NULL)
		made_put(w, k, secret);
	return k != NULL;
}

static bool
state_read(struct str word, enum key_state *out)
{
	for (enum key_state st = KEY_ACTIVE; st <= KEY_REVOKED; st++)
		if (str_eq(word, str_of(state_word(st)))) {
			*out = st;
			return true;
		}
	return false;
}

/* All keys of one user: who leaves the company. */
static bool
user_state(struct work *w, struct str user, enum key_state st)
{
	struct key_info i;
	bool any = false;

	buf_putc(w->out, '[');
	for (struct key *k = key_next(w->r->core, NULL); k != NULL; k = key_next(w->r->core, k)) {
		key_info(k, &i);
		if (!str_eq(i.user, user) || (i.state == KEY_REVOKED && st != KEY_REVOKED))
			continue;
		if (!key_set_state(w->r->core, k, st, w->r->actor, w->e))
			return false;
		if (any)
			buf_putc(w->out, ',');
		any = true;
		key_put(w, k);
	}
	buf_putc(w->out, ']');
	return any ||
	       err_set(w->e, ERR_NOT_FOUND,
		   "no key belongs to user \"" STR_FMT "\" (tollgate key list)", STR_ARG(user));
}

/* Who takes a name away means every secret of it: those that rotations have left, too.  They are
 * told as "also" in the object of *k, which is written. */
static bool
rotated_state(struct work *w, struct key *k, enum key_state st)
{
	struct key_info i;
	bool any = false;

	for (struct key *o = NULL; (o = key_next_rotated(w->r->core, k, o)) != NULL;) {
		key_info(o, &i);
		if (i.state == st)
			continue;
		if (!key_set_state(w->r->core, o, st, w->r->actor, w->e))
			return false;
		if (!any)
			w->out->n--; /* the brace */
		buf_puts(w->out, any ? "," : ",\"also\":[");
		any = true;
		key_put(w, o);
	}
	if (any)
		buf_puts(w->out, "]}");
	return true;
}

bool
keys_state(struct work *w)
{
	struct str name = work_text(w, "key"), user = work_text(w, "user");
	struct key_info i;
	enum key_state st;
	struct key *k;

	if (!state_read(work_text(w, "state"), &st))
		return err_set(w->e, ERR_INVALID, "state is active, disabled or revoked");
	if (name.n == 0 && user.n > 0)
		return user_state(w, user, st);
	k = key_wanted(w, name);
	if (k == NULL || !key_set_state(w->r->core, k, st, w->r->actor, w->e))
		return false;
	key_put(w, k);
	key_info(k, &i);
	return st == KEY_ACTIVE || !str_eq(i.name, name) || rotated_state(w, k, st);
}

bool
keys_budget(struct work *w)
{
	struct key *k = key_wanted(w, work_text(w, "key"));
	struct str raw;

	if (k == NULL)
		return false;
	if (!json_get(w->r->body, STR("budget"), &raw) || json_kind(raw) != JSON_STRING)
		return err_set(
		    w->e, ERR_INVALID, "which budget? (like \"5 USD/day\"; \"\" takes it away)");
	if (!key_set_budget(w->r->core, k, work_text(w, "budget"), w->r->actor, w->e))
		return false;
	key_put(w, k);
	return true;
}

bool
keys_show(struct work *w)
{
	struct key *k = key_wanted(w, query_get(w->r->query, STR("key"), &w->a));

	if (k != NULL)
		key_put(w, k);
	return k != NULL;
}

bool
keys_quota(struct work *w)
{
	struct key *k = key_wanted(w, query_get(w->r->query, STR("key"), &w->a));

	if (k != NULL)
		core_quota_json(w->r->core, k, w->out);
	return k != NULL;
}
