/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules_property - what must be true of every bundle, over random ones with conditions, ceilings,
 * approvals, exceptions and scopes; lists and calls alike.
 *
 *   order    files and rules in another order decide the same
 *   restrict a deny, an approve, a ceiling, a scope more never opens anything
 *   folder   a team's folder decides nothing for anybody else
 *   list     what has an allowed call is listed; what is not listed has none
 *   observe  a policy that observes decides nothing
 *   bounds   what one script may use is the smallest of all that is said of it, in whatever order
 *   scripts  how they are offered is the narrowest of all that is said, in whatever order
 *   plans    what they must plan is the strictest of all that is said; who may not run may not
 *            plan, and no plan passes without people
 *   effects  what `policy diff` takes for the same decides the same, and for narrower never opens
 *
 * SEED=n runs another world; the seed is printed.
 */
#include <stdlib.h>

#include "policies/tools.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define WORLDS       60
#define POLICIES_MAX 7
#define RULES_MAX    6

static uint64_t state;

static size_t
rnd(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state % n);
}

#define PICK(a) (a)[rnd(COUNT(a))]

static const char org[] =
    "version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n        payments:\n"
    "          users:\n            ana: { groups: [dev, sre] }\n            ben: { groups: [dev] "
    "}\n"
    "        core:\n          users:\n            cat: { groups: [dev] }\n    globex:\n"
    "      teams:\n        web:\n          users:\n            dan: { groups: [sre] }\n";
static const char *const users[] = { "ana", "ben", "cat", "dan" };
static const char *const keys[] = { "laptop", "ci" };
static const char *const patterns[] = { "a/get", "a/get_*", "\"a/*\"", "any/put", "\"any/*_x\"",
	"\"{a,b}/{get,put}\"", "\"b/*\"", "\"*/get\"", "any/get_x", "b/put_x" };
static const char *const others[] = { "\"model:*\"", "\"model:{m1,m2}\"", "code:run",
	"\"prompt:a/*\"", "\"hosted:web_*\"" };
static const char *const whos[] = { "\"*\"", "{ customers: [acme] }", "{ teams: [payments] }",
	"{ users: [cat, dan] }", "{ groups: [dev] }", "{ groups: [sre], customers: [acme] }",
	"{ keys: [laptop] }", "{ tags: [night] }" };
static const char *const conditions[] = { "{ path: { under: /repo } }", "{ n: { max: 10 } }",
	"{ path: { not: { under: /repo/s } } }", "{ n: { absent: true } }",
	"{ subject: { groups: [sre] } }", "{ path: { glob: \"/repo/*\" }, n: { min: 2 } }",
	"{ subject: { keys: [ci] }, n: { equals: 3 } }", "{ list: { each: { in: [1, 2] } } }" };
static const char *const names[] = { "a/get", "a/get_x", "a/put", "b/get", "b/put_x", "c/get",
	"model:m1", "model:m3", "code:run", "prompt:a/p", "hosted:web_search" };
static const char *const arguments[] = { "", "{\"path\":\"/repo/a\"}", "{\"path\":\"/repo/../a\"}",
	"{\"path\":\"/etc\",\"n\":3}", "{\"n\":30}", "{\"n\":\"3\"}",
	"{\"path\":\"/repo/s/k\",\"n\":2}", "{\"list\":[1,2,3]}",
	"{\"path\":\"/repo/x\",\"list\":[1]}", "{\"path\":7,\"path\":8}" };

/* ---- a world ---- */

struct piece { /* a policy */
	char head[400];
	char rules[RULES_MAX][400];
	size_t n;
};
struct world {
	struct piece policies[POLICIES_MAX];
	size_t n;
};

/* `{ seconds: 7, calls: 3 }`, or nothing. */
static void
bounds_make(char *out, size_t size)
{
	static const char *const units[][2] = { { "seconds: ", "" }, { "memory: ", "MiB" },
		{ "calls: ", "" }, { "bytes: ", "KiB" }, { "money: 0.", " USD" } };
	size_t n = 0, first = rnd(COUNT(units));

	n += (size_t)snprintf(out, size, "{ ");
	for (size_t i = first; i < COUNT(units) && (i == first || rnd(2) == 0); i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s%zu%s", i == first ? "" : ", ",
		    units[i][0], 1 + rnd(9), units[i][1]);
	(void)snprintf(out + n, size - n, " }");
}

/* A rule that says something of scripts, of everybody or not. */
static void
bound_make(char *out, size_t size, bool always)
{
	static const char *const when[] = { "", "", "    when: { subject: { groups: [sre] } }\n",
		"    unless: { subject: { keys: [ci] } }\n" };
	char bounds[120];

	bounds_make(bounds, sizeof(bounds));
	(void)snprintf(out, size,
	    rnd(2) == 0 && !always ? "  - allow: code:run\n    limit: %s\n%s"
				   : "  - limit: code:run\n    to: %s\n%s",
	    bounds, always ? "" : PICK(when));
}

/* Scripts are allowed, and what they change is put before people first. */
static void
plan_make(char *out, size_t size, enum plan_level level, bool always)
{
	static const char *const approvals[] = { "", "    approval: {}\n",
		"    approval: { approvers: { groups: [sre] } }\n" };
	static const char *const when[] = { "", "", "    when: { subject: { groups: [sre] } }\n",
		"    unless: { subject: { keys: [ci] } }\n" };

	(void)snprintf(out, size, "  - allow: code:run\n    plan: %s\n%s%s", plan_word(level),
	    PICK(approvals), always ? "" : PICK(when));
}

static enum plan_level
level_pick(void)
{
	return rnd(2) == 0 ? PLAN_DESTRUCTIVE : PLAN_WRITES;
}

static void
rule_make(char *out, size_t size, const char *effect)
{
	static const char *const effects[] = { "allow", "allow", "allow", "deny", "approve" };
	char when[200] = "", unless[200] = "";
	bool tool = rnd(4) > 0;

	if (effect == NULL && rnd(5) == 0) {
		bound_make(out, size, false);
		return;
	}
	if (effect == NULL && rnd(10) == 0) {
		plan_make(out, size, level_pick(), false);
		return;
	}
	effect = effect == NULL ? PICK(effects) : effect;
	tool = tool || strcmp(effect, "approve") == 0;
	if (tool && rnd(2) == 0)
		(void)snprintf(when, sizeof(when), "    when: %s\n", PICK(conditions));
	if (tool && rnd(4) == 0)
		(void)snprintf(unless, sizeof(unless), "    unless: %s\n", PICK(conditions));
	(void)snprintf(out, size, "  - %s: %s\n%s%s%s%s", effect,
	    tool ? PICK(patterns) : PICK(others),
	    strcmp(effect, "allow") == 0 ? "" : "    reason: no\n",
	    strcmp(effect, "allow") == 0 && tool && rnd(6) == 0 ? "    approval: {}\n" : "", when,
	    unless);
}

static void
piece_make(struct piece *p, size_t number, const char *effect, const char *who)
{
	static const char ceiling[] =
	    "ceiling: [\"a/*\", \"any/get*\", \"model:*\", \"code:run\"]\n";
	static const char *const modes[] = { "", "", "", "code_mode: opt-in\n", "code_mode: auto\n",
		"code_mode: only\n", "code_mode: off\n" };

	(void)snprintf(p->head, sizeof(p->head), "version: 1\npolicy: p%zu\napplies_to: %s\n%s%s",
	    number, who == NULL ? PICK(whos) : who, effect == NULL && rnd(6) == 0 ? ceiling : "",
	    PICK(modes));
	p->n = 1 + rnd(RULES_MAX - 1);
	for (size_t i = 0; i < p->n; i++)
		rule_make(p->rules[i], sizeof(p->rules[i]), effect);
}

static void
world_make(struct world *w)
{
	w->n = 2 + rnd(POLICIES_MAX - 3);
	for (size_t i = 0; i < w->n; i++)
		piece_make(&w->policies[i], i, NULL, NULL);
}

static void
piece_put(const char *dir, const char *path, const struct piece *p, bool backwards)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "%srules:\n", p->head);
	for (size_t i = 0; i < p->n; i++)
		buf_puts(&b, p->rules[backwards ? p->n - 1 - i : i]);
	folder_put(dir, path, buf_cstr(&b));
	buf_fini(&b);
}

static struct bundle *
load(const char *dir)
{
	const struct bundle_source src = { .dir = dir };
	struct buf problems;
	struct bundle *b;
	struct err e;

	buf_init(&problems, 0);
	b = bundle_load(&src, &problems, &e);
	if (!CHECK(b != NULL))
		printf("%s", buf_cstr(&problems));
	ASSERT(b != NULL);
	buf_fini(&problems);
	return b;
}

/* `more`: one policy beside the world's, at that path. */
static struct bundle *
world_load(const struct world *w, bool backwards, const char *path, const struct piece *more)
{
	char *dir = folder_new(), file[64];
	struct bundle *b;

	folder_put(dir, backwards ? "root/zz.yaml" : "root/aa.yaml", org);
	for (size_t i = 0; i < w->n; i++) {
		(void)snprintf(file, sizeof(file), "root/%c%zu.yaml",
		    (char)(backwards ? 'y' - (char)i : 'b' + (char)i), i);
		piece_put(dir, file, &w->policies[i], backwards);
	}
	if (more != NULL)
		piece_put(dir, path, more, false);
	b = load(dir);
	folder_drop(&dir);
	return b;
}

/* ---- everything that can be asked ---- */

enum { DENY, APPROVE, ALLOW };
struct point { /* one question */
	size_t user, key, name, args;
	const char *tags, *scope;
};

static bool
point_next(struct point *p)
{
	static const size_t n[] = { COUNT(users), COUNT(keys), COUNT(names), COUNT(arguments) };
	size_t *at[] = { &p->user, &p->key, &p->name, &p->args };

	for (size_t i = 0; i < COUNT(at); i++) {
		if (++*at[i] < n[i])
			return true;
		*at[i] = 0;
	}
	return false;
}

static void
subject_of(struct bundle *b, const struct point *p, struct arena *a, struct subject *out)
{
	const struct key_spec who = { .name = str_of(keys[p->key]),
		.user = str_of(users[p->user]),
		.tags = str_of(p->tags == NULL ? (p->key == 1 ? "night" : "") : p->tags),
		.scope = str_of(p->scope == NULL ? "" : p->scope) };
	struct err e;

	ASSERT(subject_resolve(b, &who, a, out, &e));
}

static int
rank(const struct verdict *v)
{
	return v->allowed ? ALLOW : v->approvals_n > 0 ? APPROVE : DENY;
}

static int
ask(struct bundle *b, const struct point *p, bool list)
{
	static const struct core_settings none = { .data_dir = "" };
	struct subject s;
	struct verdict v;
	struct arena a;
	struct call c;
	struct buf must;
	struct err e;

	arena_init(&a, SCOPE_ARENA_BYTES);
	buf_init(&must, 0);
	subject_of(b, p, &a, &s);
	ASSERT(call_read(&none, str_of(names[p->name]), &c, &e));
	if (list)
		rules_decide(b, &s, c.kind, c.name, c.requested, &v);
	else
		rules_decide_call(b, &s, c.kind, c.name, c.requested,
		    c.kind == ASK_TOOL ? str_of(arguments[p->args]) : STR(""), &v, &must);
	buf_fini(&must);
	arena_free(&a);
	return rank(&v);
}

/* What a script of theirs may use; a huge number where nothing bounds it. */
static void
bounds_at(struct bundle *b, const struct point *p, int64_t out[BOUNDS])
{
	struct bounds all;
	struct subject s;
	struct arena a;

	arena_init(&a, SCOPE_ARENA_BYTES);
	subject_of(b, p, &a, &s);
	(void)rules_bounds(b, &s, &all);
	for (size_t k = 0; k < BOUNDS; k++)
		out[k] = all.of[k].most > 0 ? all.of[k].most : INT64_MAX;
	arena_free(&a);
}

/* 0: the same, -1: narrower in some, 1: wider in some. */
static int
bounds_moved(struct bundle *x, struct bundle *y, const struct point *p)
{
	int64_t was[BOUNDS], is[BOUNDS];
	int moved = 0;

	bounds_at(x, p, was);
	bounds_at(y, p, is);
	for (size_t k = 0; k < BOUNDS; k++) {
		if (is[k] > was[k])
			return 1;
		moved = is[k] < was[k] ? -1 : moved;
	}
	return moved;
}

static enum code_mode
mode_at(struct bundle *b, const struct point *p)
{
	struct code_said said;
	struct subject s;
	struct arena a;

	arena_init(&a, SCOPE_ARENA_BYTES);
	subject_of(b, p, &a, &s);
	rules_code_said(b, &s, &said);
	arena_free(&a);
	return said.mode;
}

static enum plan_level
plan_at(struct bundle *b, const struct point *p)
{
	enum plan_level level;
	struct subject s;
	struct arena a;

	arena_init(&a, SCOPE_ARENA_BYTES);
	subject_of(b, p, &a, &s);
	level = rules_plan(b, &s);
	arena_free(&a);
	return level;
}

/* The plan itself, or the script, as the gate is asked. */
static int
run_rank(struct bundle *b, const struct point *p, struct str name)
{
	struct subject s;
	struct verdict v;
	struct arena a;
	struct buf must;

	arena_init(&a, SCOPE_ARENA_BYTES);
	buf_init(&must, 0);
	subject_of(b, p, &a, &s);
	rules_decide_call(b, &s, ASK_RUN, name, STR(""), STR("[]"), &v, &must);
	buf_fini(&must);
	arena_free(&a);
	return rank(&v);
}

static void
shown(const struct point *p, int was, int is)
{
	printf("    %s with %s: %s %s was %d, is %d\n", users[p->user], keys[p->key],
	    names[p->name], arguments[p->args], was, is);
}

/* Of two bundles with the same rules for plans. */
static void
plans_compare(struct bundle *x, struct bundle *y, const struct point *p, bool same)
{
	int was = run_rank(x, p, STR(RULES_PLAN)), is = run_rank(y, p, STR(RULES_PLAN));

	CHECK(plan_at(x, p) == plan_at(y, p));
	CHECK(same ? was == is : is <= was);
}

/* Every question of both: the same, or not more in the second. */
static void
compare(struct bundle *x, struct bundle *y, bool same)
{
	struct point p = { 0 };

	do {
		for (int list = 0; list < 2; list++) {
			int was = ask(x, &p, list == 1), is = ask(y, &p, list == 1);

			if (same ? was == is : is <= was) {
				check_state.passed++;
				continue;
			}
			CHECK(same ? was == is : is <= was);
			shown(&p, was, is);
		}
		if (p.name == 0 && p.args == 0) {
			enum code_mode was = mode_at(x, &p), is = mode_at(y, &p);

			CHECK(same ? bounds_moved(x, y, &p) == 0 : bounds_moved(x, y, &p) <= 0);
			CHECK(same ? was == is : is >= was);
			plans_compare(x, y, &p, same);
		}
	} while (point_next(&p));
}

/* ---- the properties ---- */

static void
order_holds(const struct world *w, struct bundle *b)
{
	struct bundle *other = world_load(w, true, NULL, NULL);

	TEST("the order of files and rules decides nothing");
	compare(b, other, true);
	bundle_free(&other);
}

static void
restrictions_hold(const struct world *w, struct bundle *b)
{
	static const char *const effects[] = { "deny", "approve" };
	struct piece more = { .n = 0 };
	struct bundle *other;

	TEST("a deny or an approve more never opens");
	piece_make(&more, 99, PICK(effects), NULL);
	other = world_load(w, false, "root/more.yaml", &more);
	compare(b, other, false);
	bundle_free(&other);
	TEST("a ceiling more never opens");
	piece_make(&more, 99, "deny", NULL);
	(void)snprintf(more.head + strlen(more.head), 100, "ceiling: [%s, %s]\n", PICK(patterns),
	    PICK(others));
	other = world_load(w, false, "root/more.yaml", &more);
	compare(b, other, false);
	bundle_free(&other);
}

static void
scopes_hold(struct bundle *b)
{
	static const char *const scopes[] = { "a/*", "any/get*", "model:* code:run", "b/put_x" };
	struct point p = { 0 };

	TEST("a scope never opens, and outside of it there is nothing");
	do {
		struct point narrow = p;
		int was, is;

		narrow.scope = PICK(scopes);
		was = ask(b, &p, false);
		is = ask(b, &narrow, false);
		if (!CHECK(is <= was) || !CHECK(is == was || is == DENY))
			shown(&p, was, is);
	} while (point_next(&p));
}

/* One more bound for everybody: the smaller of the two, exactly; in a team's folder, for it alone.
 */
static void
bounds_hold(const struct world *w, struct bundle *b)
{
	static const char *const paths[] = { "root/more.yaml",
		"customers/acme/teams/payments/more.yaml" };
	const size_t at = rnd(2);
	struct piece more = { .n = 1 };
	struct point p = { 0 };
	struct bundle *other;

	TEST("what a script may use is the smallest of all that is said of it");
	(void)snprintf(more.head, sizeof(more.head), "version: 1\npolicy: p99\napplies_to: %s\n",
	    at == 0 ? "\"*\"" : "{ teams: [payments] }");
	bound_make(more.rules[0], sizeof(more.rules[0]), true);
	other = world_load(w, false, paths[at], &more);
	for (p.user = 0; p.user < COUNT(users); p.user++) {
		int64_t was[BOUNDS], is[BOUNDS];

		bounds_at(b, &p, was);
		bounds_at(other, &p, is);
		for (size_t k = 0; k < BOUNDS; k++) {
			const struct policy *last = NULL;
			const struct bounds *said = NULL;
			int64_t want = was[k];

			for (size_t i = 0; i < other->policies_n; i++)
				if (str_eq(other->policies[i]->id, STR("p99")))
					last = other->policies[i];
			if (last != NULL && (at == 0 || p.user < 2))
				said = last->rules[0].bounds;
			if (said != NULL && said->of[k].most > 0 && said->of[k].most < want)
				want = said->of[k].most;
			CHECK_EQ_I(is[k], want);
		}
	}
	bundle_free(&other);
}

static size_t modes_seen[CODE_MODES];

/* One more word on it, as for bounds: the narrower of the two, exactly. */
static void
modes_hold(const struct world *w, struct bundle *b)
{
	static const char *const paths[] = { "root/more.yaml",
		"customers/acme/teams/payments/more.yaml" };
	const enum code_mode said = (enum code_mode)(CODE_MODE_OPT_IN + rnd(CODE_MODES - 1));
	const size_t at = rnd(2);
	struct piece more = { .n = 1 };
	struct point p = { 0 };
	struct bundle *other;

	TEST("how scripts are offered is the narrowest of all that is said of it");
	piece_make(&more, 99, NULL, NULL);
	(void)snprintf(more.head, sizeof(more.head),
	    "version: 1\npolicy: p99\napplies_to: %s\ncode_mode: %s\n",
	    at == 0 ? "\"*\"" : "{ teams: [payments] }", code_mode_word(said));
	other = world_load(w, false, paths[at], &more);
	for (p.user = 0; p.user < COUNT(users); p.user++) {
		const enum code_mode was = mode_at(b, &p);

		CHECK_EQ_I(mode_at(other, &p), (at == 0 || p.user < 2) && said > was ? said : was);
		modes_seen[was]++;
	}
	bundle_free(&other);
}

static size_t plans_seen[PLAN_WRITES + 1], plans_asked; /* plans that wait for people */

/* Nobody may plan what they may not run, and a plan that is asked for passes by people alone. */
static void
plan_asked(struct bundle *b, const struct point *p)
{
	const int run = run_rank(b, p, STR("run")), plan = run_rank(b, p, STR(RULES_PLAN));
	const enum plan_level level = plan_at(b, p);

	CHECK(plan <= run);
	CHECK(level == PLAN_NONE ? plan == run : plan != ALLOW);
	plans_seen[level]++;
	plans_asked += plan == APPROVE;
}

/* One more word on it, as for bounds: the stricter of the two, exactly. */
static void
plans_hold(const struct world *w, struct bundle *b)
{
	static const char *const paths[] = { "root/more.yaml",
		"customers/acme/teams/payments/more.yaml" };
	const enum plan_level said = level_pick();
	const size_t at = rnd(2);
	struct piece more = { .n = 1 };
	struct point p = { 0 };
	struct bundle *other;

	TEST("what scripts must plan is the strictest of all that is said of it");
	(void)snprintf(more.head, sizeof(more.head), "version: 1\npolicy: p99\napplies_to: %s\n",
	    at == 0 ? "\"*\"" : "{ teams: [payments] }");
	plan_make(more.rules[0], sizeof(more.rules[0]), said, true);
	other = world_load(w, false, paths[at], &more);
	for (p.user = 0; p.user < COUNT(users); p.user++)
		for (p.key = 0; p.key < COUNT(keys); p.key++) {
			const enum plan_level was = plan_at(b, &p);
			const bool about = at == 0 || p.user < 2;

			CHECK_EQ_I(plan_at(other, &p), about && said > was ? said : was);
			CHECK(about || run_rank(other, &p, STR(RULES_PLAN)) ==
					   run_rank(b, &p, STR(RULES_PLAN)));
			plan_asked(b, &p);
			plan_asked(other, &p);
		}
	bundle_free(&other);
}

/* Whoever the folder is not about is asked the same and answers the same. */
static void
folders_hold(const struct world *w, struct bundle *b)
{
	static const char *const applied[] = { "{ groups: [dev] }", "{ keys: [laptop, ci] }",
		"{ tags: [night] }", "{ teams: [payments] }", "{ users: [ana] }",
		"{ groups: [sre] }" };
	struct piece more = { .n = 0 };
	struct point p = { 0 };
	struct bundle *other;

	TEST("a team's folder decides nothing for anybody else");
	piece_make(&more, 99, rnd(3) > 0 ? "allow" : "deny", PICK(applied));
	if (rnd(3) == 0)
		(void)strcat(more.head, "ceiling: [\"a/get\"]\n");
	if (rnd(2) == 0)
		plan_make(more.rules[0], sizeof(more.rules[0]), level_pick(), false);
	other = world_load(w, false, "customers/acme/teams/payments/more.yaml", &more);
	do {
		int was, is;

		if (p.user < 2) /* ana and ben are its team */
			continue;
		was = ask(b, &p, false);
		is = ask(other, &p, false);
		if (!CHECK(was == is))
			shown(&p, was, is);
		if (p.name == 0 && p.args == 0)
			CHECK(bounds_moved(b, other, &p) == 0 &&
			      mode_at(b, &p) == mode_at(other, &p) &&
			      plan_at(b, &p) == plan_at(other, &p));
	} while (point_next(&p));
	bundle_free(&other);
}

static void
lists_hold(struct bundle *b)
{
	struct point p = { 0 };

	TEST("what some call may do is listed; what is not listed no call may do");
	do {
		int list = ask(b, &p, true), call = ask(b, &p, false);

		if (!CHECK(list != DENY || call == DENY))
			shown(&p, list, call);
	} while (point_next(&p));
}

static void
observing_holds(const struct world *w, struct bundle *b)
{
	struct piece more = { .n = 0 };
	struct bundle *other;

	TEST("a policy that observes decides nothing");
	piece_make(&more, 99, NULL, NULL);
	(void)strcat(more.head, "mode: observe\n");
	other = world_load(w, false, "root/more.yaml", &more);
	compare(b, other, true);
	bundle_free(&other);
}

/* One of the world's rules for plans; none: `other`. */
static char *
plan_rule(struct world *w, char *other)
{
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < w->policies[i].n; k++)
			if (strstr(w->policies[i].rules[k], "plan: ") != NULL)
				return w->policies[i].rules[k];
	return other;
}

static size_t bounds_turned, plans_eased, plans_tightened; /* by a changed rule: questions */

/* Two worlds that differ by one rule: what `policy diff` says of them is true of every call. */
static void
effects_hold(const struct world *w, struct bundle *b)
{
	static const struct core_settings none = { .data_dir = "" };
	struct world changed = *w;
	struct piece *p = &changed.policies[rnd(changed.n)];
	char *rule = p->rules[rnd(p->n)];
	struct point at = { 0 };
	struct bundle *other;

	TEST("effects that read alike decide alike; narrower ones never open");
	if (rnd(3) == 0)
		rule = plan_rule(&changed, rule);
	rule_make(rule, sizeof(p->rules[0]), NULL);
	if (rnd(2) == 0 && strstr(p->head, "code_mode: ") == NULL)
		(void)strcat(p->head, rnd(2) == 0 ? "code_mode: only\n" : "code_mode: off\n");
	other = world_load(&changed, false, NULL, NULL);
	do {
		struct subject x, y;
		struct effects from, to;
		enum shift shift;
		struct arena a;
		struct call c;
		struct err e;
		int was, is;

		arena_init(&a, (size_t)4 << 20);
		subject_of(b, &at, &a, &x);
		subject_of(other, &at, &a, &y);
		ASSERT(call_read(&none, str_of(names[at.name]), &c, &e));
		effects_of(b, &x, &c, &a, &from);
		effects_of(other, &y, &c, &a, &to);
		shift = effects_shift(&from, &to);
		arena_free(&a);
		if (c.kind == ASK_RUN && from.some && to.some) {
			int moved = bounds_moved(b, other, &at);
			enum plan_level had = plan_at(b, &at), has = plan_at(other, &at);

			CHECK(shift != SHIFT_NONE || moved == 0);
			CHECK(shift != SHIFT_NARROWER || moved <= 0);
			CHECK(shift != SHIFT_NONE || mode_at(b, &at) == mode_at(other, &at));
			CHECK(shift != SHIFT_NONE || had == has);
			CHECK(shift != SHIFT_NARROWER || has >= had);
			CHECK(shift != SHIFT_WIDER || has <= had);
			bounds_turned += moved != 0;
			plans_eased += has < had;
			plans_tightened += has > had;
		}
		was = ask(b, &at, false);
		is = ask(other, &at, false);
		if (!CHECK(shift != SHIFT_NONE || was == is) ||
		    !CHECK(shift != SHIFT_NARROWER || is <= was) ||
		    !CHECK(shift != SHIFT_WIDER || is >= was))
			shown(&at, was, is);
	} while (point_next(&at));
	bundle_free(&other);
}

int
main(void)
{
	const char *seed = getenv("SEED");
	size_t ranks[ALLOW + 1] = { 0 };

	state = seed == NULL ? 88172645463325252ull : strtoull(seed, NULL, 10) | 1;
	printf("SEED=%llu\n", (unsigned long long)state);
	for (int i = 0; i < WORLDS; i++) {
		struct point p = { 0 };
		struct world w;
		struct bundle *b;

		world_make(&w);
		b = world_load(&w, false, NULL, NULL);
		order_holds(&w, b);
		restrictions_hold(&w, b);
		scopes_hold(b);
		folders_hold(&w, b);
		lists_hold(b);
		observing_holds(&w, b);
		bounds_hold(&w, b);
		modes_hold(&w, b);
		plans_hold(&w, b);
		effects_hold(&w, b);
		do
			ranks[ask(b, &p, false)]++;
		while (point_next(&p));
		bundle_free(&b);
	}
	TEST("the worlds were neither all open nor all closed");
	printf(
	    "denied %zu, approved %zu, allowed %zu\n", ranks[DENY], ranks[APPROVE], ranks[ALLOW]);
	CHECK(bounds_turned > 100 && plans_eased + plans_tightened > 50);
	for (size_t i = 0; i < CODE_MODES; i++)
		CHECK(modes_seen[i] > 3);
	for (size_t i = 0; i <= PLAN_WRITES; i++)
		CHECK(plans_seen[i] > 30);
	CHECK(plans_asked > 30);
	CHECK(ranks[DENY] > 1000 && ranks[APPROVE] > 100 && ranks[ALLOW] > 1000);
	return check_done();
}
