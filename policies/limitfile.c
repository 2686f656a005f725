/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limitfile - `limit:` of a level, as it stands in a file.
 *
 *   limit: { requests: 600/minute, concurrent: 50 }
 *   limit: [{ requests: 10/second }, { requests: 1000/day, per: key }]
 *   limit: { seconds: 20, memory: 32MiB, calls: 100 }             of a rule for code:run
 *
 * An amount with a time, and `concurrent`, is a token bucket; one without a time bounds one script
 * (bound.c), whoever else runs how many.
 *
 * What counts the same thing over the same time for the same subject stands once.  A limit's id is
 * made of everything but its amount and its line, so that a reload knows it again.
 */
#include <string.h>

#include "policies/bundle.h"

#define LIMIT_MAPS_MAX 8 /* in one list */

static const char *const members[] = { "requests", "tokens", "calls", "concurrent", "per",
	"seconds", "memory", "bytes", "money", NULL };
static const char *const later[] = { NULL };
static const struct key_table keys = { "limit", members, later };

static const struct {
	struct str word;
	int64_t ms;
} periods[] = { { STR("second"), 1000 }, { STR("minute"), 60000 }, { STR("hour"), 3600000 },
	{ STR("day"), 86400000 } };

struct reading {
	struct loading *ld;
	const struct policy_file *file;
	const struct limit *like;
	enum ask_kind kind;
	struct limit *out;
	size_t n;
	struct bounds *bounds; /* NULL: none said yet */
};

static bool
per_read(struct loading *ld, const struct yaml *y, const struct limit *like, enum limit_per *out)
{
	static const struct str words[] = { STR("key"), STR("user"), STR("team"), STR("customer"),
		STR("organisation"), STR("run") };
	char near[HINT_BYTES];

	for (size_t i = 0; y->kind == YAML_SCALAR && i < COUNT(words); i++) {
		if (!str_eq(y->text, words[i]))
			continue;
		*out = (enum limit_per)(i + 1);
		if (like->level == NULL || *out == PER_RUN || *out <= like->per)
			return true;
		problem(&ld->problems, y,
		    "per: " STR_FMT " is wider than where it stands (" STR_FMT ")",
		    STR_ARG(y->text), STR_ARG(like->level->id));
		return false;
	}
	problem(&ld->problems, y,
	    "unknown per \"" STR_FMT "\"%s (key, user, team, customer, organisation or run)",
	    STR_ARG(y->text), hint(near, y->text, words, COUNT(words)));
	return false;
}

/* "600/minute"; of concurrent: "50". */
static bool
amount_read(struct loading *ld, const struct yaml *y, struct limit *l)
{
	struct str rest = y->text, number = str_cut(&rest, '/'), words[COUNT(periods)];
	const bool at_once = l->what == LIMIT_CONCURRENT;
	char near[HINT_BYTES];

	if (y->kind != YAML_SCALAR || at_once == (rest.p != NULL) || !str_i64(number, &l->amount) ||
	    l->amount < 1 || l->amount > LIMIT_AMOUNT_MAX) {
		problem(&ld->problems, y,
		    at_once
			? "concurrent is a whole number from 1 to %lld, like 50"
			: "a limit is a whole number from 1 to %lld and a time, like 600/minute",
		    (long long)LIMIT_AMOUNT_MAX);
		return false;
	}
	for (size_t i = 0; i < COUNT(periods); i++) {
		words[i] = periods[i].word;
		if (at_once || !str_eq(rest, periods[i].word))
			continue;
		l->period_ms = periods[i].ms;
		return true;
	}
	if (at_once)
		return true;
	problem(&ld->problems, y, "unknown time \"" STR_FMT "\"%s (second, minute, hour or day)",
	    STR_ARG(rest), hint(near, rest, words, COUNT(words)));
	return false;
}

/* Requests and tokens are of models, calls of all else. */
static bool
fits(struct reading *r, const struct yaml *y, enum limit_what what)
{
	bool of_models = what == LIMIT_REQUESTS || what == LIMIT_TOKENS;

	if (r->kind == ASK_HOSTED) {
		problem_key(&r->ld->problems, y,
		    "what a provider runs is not counted here (limit the model's requests)");
		return false;
	}
	if (r->kind == 0 || what == LIMIT_CONCURRENT || of_models == (r->kind == ASK_MODEL))
		return true;
	problem_key(&r->ld->problems, y,
	    of_models ? "'" STR_FMT "' counts models only (write calls)"
		      : "'" STR_FMT "' does not count models (write requests)",
	    STR_ARG(y->key));
	return false;
}

static bool
is_new(struct reading *r, const struct yaml *y, const struct limit *l)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct limit *o = &r->out[i];

		if (o->what != l->what || o->period_ms != l->period_ms || o->per != l->per)
			continue;
		problem_key(&r->ld->problems, y, "a second limit of the same kind");
		return false;
	}
	return true;
}

static void
bound_take(struct reading *r, const struct yaml *y, enum bound_kind k)
{
	struct arena *a = &r->ld->b->arena;
	struct bound b = { .policy = r->like->policy,
		.where = arena_printf(a, STR_FMT ":%d", STR_ARG(r->file->path), y->key_line),
		.owner = r->like->owner,
		.opaque = r->like->opaque };
	struct err e;

	if (r->kind != ASK_RUN) {
		problem_key(&r->ld->problems, y,
		    "'" STR_FMT
		    "' without a time bounds one script: it stands in a rule for code:run",
		    STR_ARG(y->key));
		return;
	}
	if (!bound_value(y, k, &b.most, &e)) {
		problem_err(&r->ld->problems, &e);
		return;
	}
	if (r->bounds == NULL)
		r->bounds = arena_new(a, struct bounds);
	if (r->bounds->of[k].most > 0)
		problem_key(&r->ld->problems, y, "a second limit of the same kind");
	r->bounds->of[k] = b;
}

static void
bucket_take(struct reading *r, const struct yaml *y, const struct limit *base)
{
	struct arena *a = &r->ld->b->arena;
	struct limit l = *base;

	for (size_t i = 0; i < LIMIT_CONCURRENT; i++)
		if (str_eq(y->key, str_of(members[i])))
			l.what = (enum limit_what)(i + 1);
	if (l.what == 0 || !fits(r, y, l.what) || !amount_read(r->ld, y, &l) || !is_new(r, y, &l))
		return;
	l.where = arena_printf(a, STR_FMT ":%d", STR_ARG(r->file->path), y->key_line);
	l.id = arena_printf(
	    a, STR_FMT " %d %d %lld", STR_ARG(l.id), l.what, l.per, (long long)l.period_ms);
	r->out[r->n++] = l;
}

static void
map_read(struct reading *r, struct yaml *y)
{
	struct limit base = *r->like;
	size_t buckets = 0;
	struct yaml *per;

	if (!keys_check(&r->ld->problems, y, &keys))
		return;
	per = yaml_get(y, "per");
	if (per != NULL && !per_read(r->ld, per, r->like, &base.per))
		return;
	if (y->n == (per != NULL))
		problem(&r->ld->problems, y, "the limit is empty (like { requests: 600/minute })");
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		enum bound_kind k;

		if (m == per)
			continue;
		if (bound_is(m, &k)) {
			bound_take(r, m, k);
		} else {
			bucket_take(r, m, &base);
			buckets++;
		}
	}
	if (per != NULL && buckets == 0 && y->n > 1)
		problem_key(&r->ld->problems, per,
		    "per: says whose bucket it is; what has no time is of each script");
}

void
limits_read(struct loading *ld, const struct policy_file *f, struct yaml *y,
    const struct limit *like, enum ask_kind kind, struct limits_said *out)
{
	struct reading r = { .ld = ld, .file = f, .like = like, .kind = kind };

	*out = (struct limits_said){ 0 };
	if (y->kind == YAML_LIST && (y->n == 0 || y->n > LIMIT_MAPS_MAX)) {
		problem(&ld->problems, y, "a list of limits has 1 to %d mappings", LIMIT_MAPS_MAX);
		return;
	}
	r.out = arena_zalloc(
	    &ld->b->arena, (y->kind == YAML_LIST ? y->n : 1) * LIMIT_CONCURRENT * sizeof(*r.out));
	if (y->kind != YAML_LIST)
		map_read(&r, y);
	for (struct yaml *m = y->kids; y->kind == YAML_LIST && m != NULL; m = m->next)
		map_read(&r, m);
	*out = (struct limits_said){ r.out, r.n, r.bounds };
}
