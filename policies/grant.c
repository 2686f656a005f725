/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant - money given at run time: so much more room on a level, until a time.
 *
 * A grant is added to every budget of its level, in each period that it touches, and is gone at its
 * end; nothing of a policy file changes.  It belongs to the level's account, not to the bundle, so
 * a reload keeps it; it is a note in the database, so a restart does.  What is over is forgotten,
 * there too, when the next one is made.
 *
 *   {"level":"acme/payments","nusd":50000000000,"from_ns":…,"until_ns":…,"reason":"…","by":"local:0"}
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "policies/core.h"

#define GRANTS_MAX   1000
#define REASON_BYTES 300
#define PREFIX       "grant "
#define ARENA_BYTES  65536

struct grant {
	struct link all;        /* in core.grants */
	struct link of_account; /* in account.grants */
	char name[24];          /* PREFIX "g_" + 12 */
	char *level, *reason, *by;
	int64_t nusd, from_ns, until_ns;
};

static void
grant_free(struct core *c, struct grant *g)
{
	c->grants_n--;
	link_drop(&g->all);
	link_drop(&g->of_account);
	free(g->level);
	free(g->reason);
	free(g->by);
	free(g);
}

void
grants_free(struct core *c)
{
	while (!link_empty(&c->grants))
		grant_free(c, CONTAINER(c->grants.next, struct grant, all));
}

int64_t
granted_nusd(const struct account *a)
{
	int64_t sum = 0, now_ns;

	if (link_empty(&a->grants))
		return 0;
	now_ns = loop_wall_ns(a->core->loop);
	LIST_EACH(it, &a->grants) {
		const struct grant *g = CONTAINER(it, struct grant, of_account);

		if (now_ns < g->until_ns && __builtin_add_overflow(sum, g->nusd, &sum))
			return INT64_MAX;
	}
	return sum;
}

static void
grant_put(struct buf *out, const struct grant *g)
{
	buf_puts(out, "\"level\":");
	buf_json_str(out, str_of(g->level));
	buf_printf(out,
	    ",\"nusd\":%lld,\"from_ns\":%lld,\"until_ns\":%lld,\"reason\":", (long long)g->nusd,
	    (long long)g->from_ns, (long long)g->until_ns);
	buf_json_str(out, str_of(g->reason));
	buf_puts(out, ",\"by\":");
	buf_json_str(out, str_of(g->by));
}

static struct grant *
grant_add(struct core *c, const struct grant_spec *s, struct str name, struct str by)
{
	struct grant *g = mem_zalloc(sizeof(*g));

	(void)str_copy(g->name, sizeof(g->name), name);
	g->level = str_dup(s->level);
	g->reason = str_dup(s->reason);
	g->by = str_dup(by);
	g->nusd = s->nusd;
	g->until_ns = s->until_ns;
	link_init(&g->all);
	link_init(&g->of_account);
	link_push(&c->grants, &g->all);
	link_push(&account_get(c, s->level)->grants, &g->of_account);
	c->grants_n++;
	return g;
}

/* ---- out of the database ---- */

void
grant_recall(struct core *c, const struct note_row *r)
{
	struct grant_spec s = { .level = STR("") };
	struct str level, reason, by, text[3] = { STR(""), STR(""), STR("") };
	struct str nusd, from, until;
	struct arena a;
	struct err e;
	int64_t from_ns = 0;
	bool ok;

	if (!str_starts(r->name, STR(PREFIX)))
		return;
	arena_init(&a, ARENA_BYTES);
	ok = json_check(r->value, true, &e) && json_get(r->value, STR("level"), &level) &&
	     json_get(r->value, STR("reason"), &reason) && json_get(r->value, STR("by"), &by) &&
	     json_get(r->value, STR("nusd"), &nusd) && json_get(r->value, STR("from_ns"), &from) &&
	     json_get(r->value, STR("until_ns"), &until) && json_string(level, &a, &text[0]) &&
	     json_string(reason, &a, &text[1]) && json_string(by, &a, &text[2]) &&
	     json_i64(nusd, &s.nusd) && json_i64(from, &from_ns) && json_i64(until, &s.until_ns) &&
	     s.nusd >= 0 && r->name.n < sizeof(((struct grant *)NULL)->name);
	s.level = text[0];
	s.reason = text[1];
	if (ok)
		grant_add(c, &s, r->name, text[2])->from_ns = from_ns;
	else
		log_error(NULL, "a grant of the database is not understood, and gives nothing",
		    F_STR("name", r->name));
	arena_free(&a);
}

/* ---- into it ---- */

static const char *
id_of(const struct grant *g)
{
	return g->name + sizeof(PREFIX) - 1;
}

/* One audit row, and the note that a restart reads; or that there is none any more. */
static void
remember(struct core *c, const struct grant *g, struct str actor, const char *what, bool keep)
{
	struct buf members, value;

	buf_init(&members, 0);
	buf_init(&value, 0);
	buf_printf(&members, ",\"target\":\"%s\",", id_of(g));
	grant_put(&members, g);
	if (keep) {
		buf_putc(&value, '{');
		grant_put(&value, g);
		buf_putc(&value, '}');
	}
	event_remember(c, actor, what, &(struct note_row){ str_of(g->name), buf_str(&value) },
	    buf_str(&members));
	buf_fini(&members);
	buf_fini(&value);
}

static void
forget(struct core *c, struct grant *g, struct str actor, const char *what)
{
	remember(c, g, actor, what, false);
	grant_free(c, g);
}

static void
ended_forget(struct core *c)
{
	int64_t now_ns = loop_wall_ns(c->loop);

	LIST_EACH(it, &c->grants) {
		struct grant *g = CONTAINER(it, struct grant, all);

		if (g->until_ns <= now_ns)
			forget(c, g, STR("gateway"), "budget.ended");
	}
}

/* "acme/payments", "payments", "ana", "key dev", "organisation": the level's id; nothing else may
 * get money. */
static bool
level_find(struct core *c, struct str name, struct str *id, struct err *e)
{
	static const enum level_kind kinds[] = { LEVEL_TEAM, LEVEL_USER, LEVEL_CUSTOMER,
		LEVEL_ORGANISATION };
	const struct level *l = NULL, *found = NULL;

	if (str_starts(name, STR("key "))) {
		const struct str of = { name.p + 4, name.n - 4 };
		const struct key *k = key_named(c, of);

		if (k == NULL || k->admin)
			return err_set(
			    e, ERR_NOT_FOUND, "no key is called \"" STR_FMT "\"", STR_ARG(of));
		*id = k->level.id;
		return true;
	}
	while ((l = bundle_next_level(c->bundle, l)) != NULL)
		if (str_eq(l->id, name))
			found = l;
	for (size_t i = 0; found == NULL && i < COUNT(kinds); i++)
		while ((l = bundle_next_level(c->bundle, l)) != NULL) {
			if (l->kind != kinds[i] || !str_eq(l->name, name))
				continue;
			if (found != NULL)
				return err_set(e, ERR_INVALID,
				    "\"" STR_FMT "\" is ambiguous: " STR_FMT " or " STR_FMT,
				    STR_ARG(name), STR_ARG(found->id), STR_ARG(l->id));
			found = l;
		}
	if (found == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "\"" STR_FMT "\" is no team, user or customer of the policy files (or: key "
		    "NAME, or: organisation)",
		    STR_ARG(name));
	*id = found->id;
	return true;
}

static bool
spec_check(const struct core *c, const struct grant_spec *s, struct err *e)
{
	if (s->nusd <= 0)
		return err_set(e, ERR_INVALID, "a grant is an amount in USD, like 50 or 12.50");
	if (s->until_ns <= loop_wall_ns(c->loop))
		return err_set(e, ERR_INVALID, "a grant ends in the future (--until)");
	if (str_trim(s->reason).n == 0 || s->reason.n > REASON_BYTES || !str_utf8(s->reason))
		return err_set(e, ERR_INVALID,
		    "a grant has a reason of at most %d bytes (--reason)", REASON_BYTES);
	return true;
}

static void
whole_put(struct buf *out, const struct grant *g)
{
	buf_printf(out, "{\"id\":\"%s\",", id_of(g));
	grant_put(out, g);
	buf_putc(out, '}');
}

bool
grants_make(
    struct core *c, const struct grant_spec *s, struct str actor, struct buf *out, struct err *e)
{
	char name[sizeof(PREFIX) + 14] = PREFIX "g_";
	struct grant_spec spec = *s;
	struct grant *g;

	IS(c, CORE_MAGIC);
	if (!core_ready(c, e) || !level_find(c, s->level, &spec.level, e) || !spec_check(c, s, e))
		return false;
	ended_forget(c);
	if (c->grants_n >= GRANTS_MAX)
		return err_set(e, ERR_INVALID, "%d grants are in force already", GRANTS_MAX);
	base62_random(name + sizeof(PREFIX) + 1, 12);
	g = grant_add(c, &spec, (struct str){ name, sizeof(PREFIX) + 13 }, actor);
	g->from_ns = loop_wall_ns(c->loop);
	remember(c, g, actor, "budget.grant", true);
	whole_put(out, g);
	return true;
}

bool
grants_end(struct core *c, struct str id, struct str actor, struct err *e)
{
	IS(c, CORE_MAGIC);
	if (!core_ready(c, e))
		return false;
	LIST_EACH(it, &c->grants) {
		struct grant *g = CONTAINER(it, struct grant, all);

		if (!str_eq(str_of(id_of(g)), id))
			continue;
		forget(c, g, actor, "budget.revoke");
		return true;
	}
	return err_set(e, ERR_NOT_FOUND,
	    "no grant is called \"" STR_FMT "\" (tollgate budget list)", STR_ARG(id));
}

void
grants_json(const struct core *c, struct buf *out)
{
	int64_t now_ns = loop_wall_ns(c->loop);
	bool first = true;

	IS(c, CORE_MAGIC);
	buf_putc(out, '[');
	LIST_EACH(it, &c->grants) {
		const struct grant *g = CONTAINER(it, struct grant, all);

		if (g->until_ns <= now_ns)
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		whole_put(out, g);
	}
	buf_putc(out, ']');
}
