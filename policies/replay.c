/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay - other policy files against what happened: which calls of the audit would be decided
 * otherwise.
 *
 * The audit has no arguments, only their digest, so a decision that depends on them is not made
 * again: it is unchanged where the files in force make the same of that name for that caller, and
 * the row was decided under these very files; else it is counted apart, by name.  What was refused
 * for money, a limit or the key was not refused by a rule: for the rules it was allowed.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/core.h"
#include "policies/facts.h"
#include "policies/tools.h"

#define REPLAY_ARENA_BYTES ((size_t)256 << 20)
#define LINES_MAX          10000 /* different (who, what, how) that are told apart */
#define CLIPPED_BYTES      200   /* a recorded name of this length may have been longer */

enum turn { TURN_DENIED, TURN_ALLOWED, TURN_ARGUMENTS, TURN_SAME, TURN_UNKNOWN, TURNS };

struct line { /* what is told of equal cases */
	enum turn turn;
	struct str who, name, why;
	size_t n;
};
struct replay {
	const struct core_settings *settings;
	const struct replay_ask *ask;
	struct bundle *now, *new;
	struct arena a;
	struct map lines, people[TURNS], keys;
	struct line **order;
	size_t order_n, n[TURNS], seen;
	struct str rev;
};

struct kept_key { /* what a row does not say of it */
	struct str tags, scope;
};
struct row { /* of the audit, as far as it decides */
	struct str kind, name, requested, key, key_name, customer, team, user, rev, hosted, view,
	    client;
	bool allowed; /* by the rules */
};

/* ---- reading a row ---- */

/* false: no rule decided it (an admin write, a key that is none), or it is too old. */
static bool
row_read(const struct replay *r, struct str event, struct arena *a, struct row *out)
{
	static const char *const not_by_rules[] = { "unauthenticated", "key_revoked",
		"owner_unknown", "store_unavailable" };
	struct str verdict = json_text(event, "verdict", a), raw;
	int64_t entered_ns = 0;

	if (json_get(event, STR("entered_ns"), &raw) && !json_i64(raw, &entered_ns))
		return false;
	*out = (struct row){ .kind = json_text(event, "kind", a),
		.name = json_text(event, "name", a),
		.requested = json_text(event, "requested", a),
		.key = json_text(event, "key", a),
		.key_name = json_text(event, "key_name", a),
		.customer = json_text(event, "customer", a),
		.team = json_text(event, "team", a),
		.user = json_text(event, "user", a),
		.rev = json_text(event, "rev", a),
		.hosted = json_text(event, "hosted", a),
		.view = json_text(event, "view", a),
		.client = json_text(event, "client", a),
		.allowed = !str_eq(verdict, STR("not_permitted")) };
	for (size_t i = 0; i < COUNT(not_by_rules); i++)
		if (str_eq(verdict, str_of(not_by_rules[i])))
			return false;
	return entered_ns >= r->ask->since_ns && !str_eq(out->kind, STR("admin")) &&
	       out->kind.n > 0;
}

/* ---- deciding again ---- */

static enum ask_kind
kind_of(struct str word)
{
	for (int k = ASK_TOOL; k < ASK_KINDS; k++)
		if (str_eq(word, str_of(kind_word((enum ask_kind)k))))
			return (enum ask_kind)k;
	return 0;
}

/* As the key is now: tags and scope of then are not recorded. */
static bool
who_of(struct replay *r, struct bundle *b, const struct row *w, struct arena *a,
    struct subject *out, struct err *e)
{
	const struct kept_key *k = map_get(&r->keys, w->key);
	const struct key_spec who = { .name = w->key_name,
		.customer = w->customer,
		.team = w->team,
		.user = w->user,
		.tags = k == NULL ? STR("") : k->tags,
		.scope = k == NULL ? STR("") : k->scope };

	if (!subject_resolve(b, &who, a, out, e))
		return false;
	subject_via(b, out, &(struct via){ w->view, w->client });
	return true;
}

/* Do the files in force say of this name what the new ones say, and did they decide the row? */
static bool
as_before(struct replay *r, const struct row *w, const struct call *c, const struct effects *to,
    struct arena *a)
{
	struct subject s;
	struct effects from;
	struct err e;

	if (!str_eq(w->rev, bundle_rev(r->now)) || !who_of(r, r->now, w, a, &s, &e))
		return false;
	effects_of(r->now, &s, c, a, &from);
	from.bounds = (struct bounds){ 0 };
	from.limits_n = 0; /* as in `to`: they bound how often and how much, not what */
	return effects_shift(&from, to) == SHIFT_NONE;
}

static enum turn
turn_of(
    struct replay *r, const struct row *w, const struct call *c, struct arena *a, struct buf *why)
{
	struct effects to;
	struct subject s;
	struct verdict v;
	struct err e;

	if (c->kind == 0 || c->name.n >= CLIPPED_BYTES || c->requested.n >= CLIPPED_BYTES) {
		buf_puts(why, "its name was not recorded whole");
		return TURN_UNKNOWN;
	}
	if (!who_of(r, r->new, w, a, &s, &e)) {
		buf_puts(why, e.text);
		return w->allowed ? TURN_DENIED : TURN_SAME;
	}
	effects_of(r->new, &s, c, a, &to);
	to.limits_n = 0;
	to.bounds = (struct bounds){ 0 };
	if (!to.some || (to.open && to.bars_n == 0)) {
		rules_decide(r->new, &s, c->kind, c->name, c->requested, &v);
		verdict_text(&v, why);
		return to.some == w->allowed ? TURN_SAME : to.some ? TURN_ALLOWED : TURN_DENIED;
	}
	effects_text(&to, why);
	return as_before(r, w, c, &to, a) ? TURN_SAME : TURN_ARGUMENTS;
}

/* A model's request was granted as a whole: the first of its parts that turns decides. */
static enum turn
row_turn(struct replay *r, const struct row *w, struct arena *a, struct buf *why)
{
	struct call c = { .kind = kind_of(w->kind),
		.shown = w->name,
		.name = w->name,
		.requested = w->requested.n > 0 ? w->requested : w->name };
	enum turn t = turn_of(r, w, &c, a, why);
	struct str rest = w->hosted;

	if (w->hosted.n >= CLIPPED_BYTES)
		t = TURN_UNKNOWN;
	while (t == TURN_SAME && w->allowed && rest.n > 0) {
		struct str one = str_cut(&rest, ' ');
		const struct call tool = { ASK_HOSTED, one, one, one };

		buf_reset(why);
		t = turn_of(r, w, &tool, a, why);
	}
	/* A refusal may have been the other part's, which is not recorded apart. */
	if (t == TURN_ALLOWED && w->hosted.n > 0)
		t = TURN_UNKNOWN;
	return t;
}

/* ---- keys ---- */

static bool
on_key(void *ctx, const struct key_row *row)
{
	struct replay *r = ctx;
	struct kept_key *k;

	if (arena_left(&r->a) < 65536)
		return false;
	k = arena_new(&r->a, struct kept_key);
	k->tags = arena_str(&r->a, row->tags);
	k->scope = arena_str(&r->a, row->scope);
	map_set(&r->keys, arena_str(&r->a, row->id), k);
	return true;
}

static bool
keys_read(struct replay *r, struct err *e)
{
	struct store *s = store_open_reader(r->settings->data_dir, e);
	bool ok = s != NULL && store_key_each(s, on_key, r, e);

	store_close(&s);
	return ok;
}

/* ---- counting ---- */

static struct str
who_text(const struct row *w, struct arena *a)
{
	if (w->user.n > 0)
		return arena_printf(a, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(w->customer),
		    STR_ARG(w->team), STR_ARG(w->user));
	if (w->team.n > 0)
		return arena_printf(a, STR_FMT "/" STR_FMT, STR_ARG(w->customer), STR_ARG(w->team));
	return w->customer.n > 0 ? w->customer : w->key_name;
}

static void
count(struct replay *r, const struct row *w, enum turn t, struct buf *why, struct arena *a)
{
	struct str who = who_text(w, a), key;
	struct line *l;

	r->n[t]++;
	if (map_get(&r->people[t], who) == NULL && arena_left(&r->a) > 65536)
		map_set(&r->people[t], arena_str(&r->a, who), r);
	if (t == TURN_SAME)
		return;
	key = arena_printf(a, "%d\n" STR_FMT "\n" STR_FMT "\n" STR_FMT, t, STR_ARG(who),
	    STR_ARG(w->name), STR_ARG(w->requested));
	l = map_get(&r->lines, key);
	if (l == NULL && r->order_n < LINES_MAX && arena_left(&r->a) > 65536) {
		l = arena_new(&r->a, struct line);
		*l = (struct line){ t, arena_str(&r->a, who), arena_str(&r->a, w->name),
			arena_str(&r->a, str_clip(buf_str(why), 1000)), 0 };
		map_set(&r->lines, arena_str(&r->a, key), l);
		r->order[r->order_n++] = l;
	}
	if (l != NULL)
		l->n++;
}

static bool
on_row(void *ctx, int64_t seq, struct str event)
{
	struct replay *r = ctx;
	struct arena a;
	struct buf why;
	struct row w;

	(void)seq;
	arena_init(&a, event.n + ((size_t)8 << 20));
	buf_init(&why, 65536);
	if (row_read(r, event, &a, &w)) {
		r->seen++;
		count(r, &w, row_turn(r, &w, &a, &why), &why, &a);
	}
	buf_fini(&why);
	arena_free(&a);
	return true;
}

/* ---- told ---- */

static const char *const words[TURNS] = { "newly denied", "newly allowed", "depends on arguments",
	"unchanged", "cannot be decided again" };

static int
line_order(const void *a, const void *b)
{
	const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;

	if (x->turn != y->turn)
		return x->turn > y->turn ? 1 : -1;
	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return str_cmp(x->who, y->who) != 0 ? str_cmp(x->who, y->who) : str_cmp(x->name, y->name);
}

static void
text_put(const struct replay *r, struct buf *out)
{
	for (size_t i = 0; i < r->order_n; i++) {
		const struct line *l = r->order[i];

		if (i == 0 || r->order[i - 1]->turn != l->turn)
			buf_printf(out, "%s\n", words[l->turn]);
		buf_printf(out, "  %6zu  " STR_FMT "  " STR_FMT ": " STR_FMT "\n", l->n,
		    STR_ARG(l->who), STR_ARG(l->name), STR_ARG(l->why));
	}
	buf_printf(out,
	    "%zu calls by %zu users newly denied, %zu newly allowed, %zu depend on arguments "
	    "(which "
	    "the audit has not), %zu unchanged",
	    r->n[TURN_DENIED], r->people[TURN_DENIED].n, r->n[TURN_ALLOWED], r->n[TURN_ARGUMENTS],
	    r->n[TURN_SAME]);
	if (r->n[TURN_UNKNOWN] > 0)
		buf_printf(out, ", %zu cannot be decided again", r->n[TURN_UNKNOWN]);
	buf_printf(out, "; of %zu\n", r->seen);
}

static void
json_put(const struct replay *r, struct buf *out)
{
	static const char *const members[TURNS] = { "denied", "allowed", "depends_on_arguments",
		"unchanged", "undecided" };

	buf_printf(out, "{\"decisions\":%zu", r->seen);
	for (int t = 0; t < TURNS; t++)
		buf_printf(out, ",\"%s\":{\"calls\":%zu,\"users\":%zu}", members[t], r->n[t],
		    r->people[t].n);
	buf_puts(out, ",\"rev\":");
	buf_json_str(out, bundle_rev(r->new));
	buf_puts(out, ",\"changes\":[");
	for (size_t i = 0; i < r->order_n; i++) {
		const struct line *l = r->order[i];

		buf_printf(out, "%s{\"is\":\"%s\",\"calls\":%zu,\"who\":", i == 0 ? "" : ",",
		    members[l->turn], l->n);
		buf_json_str(out, l->who);
		buf_puts(out, ",\"name\":");
		buf_json_str(out, l->name);
		buf_puts(out, ",\"why\":");
		buf_json_str(out, l->why);
		buf_putc(out, '}');
	}
	buf_puts(out, "]}\n");
}

static void
replay_fini(struct replay *r)
{
	free(r->order);
	map_fini(&r->lines);
	map_fini(&r->keys);
	for (int t = 0; t < TURNS; t++)
		map_fini(&r->people[t]);
	bundle_free(&r->now);
	bundle_free(&r->new);
	arena_free(&r->a);
}

bool
policies_replay(
    const struct core_settings *s, const struct replay_ask *ask, struct buf *out, struct err *e)
{
	struct replay r = { .settings = s, .ask = ask };
	const struct audit_query all = { .id = STR("") };
	bool ok;

	arena_init(&r.a, REPLAY_ARENA_BYTES);
	map_init(&r.lines);
	map_init(&r.keys);
	for (int t = 0; t < TURNS; t++)
		map_init(&r.people[t]);
	r.order = mem_zalloc(LINES_MAX * sizeof(struct line *));
	r.now = bundle_of(s, NULL, e);
	r.new = r.now == NULL ? NULL : bundle_at(s, ask->new_dir, e);
	ok = r.new != NULL &&keys_read(&r, e) && audit_read(s->data_dir, &all, on_row, &r, e);
	if (ok) {
		if (r.order_n > 1)
			/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
			qsort(r.order, r.order_n, sizeof(struct line *), line_order);
		if (ask->json)
			json_put(&r, out);
		else
			text_put(&r, out);
	}
	replay_fini(&r);
	return ok;
}
