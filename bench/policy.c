/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - what a decision costs: 1,000 rules in 50 policies, 500 tools on 20 servers, 200
 * subjects.
 *
 *   make bench-policy
 *
 * Each decision is timed by itself (CLOCK_MONOTONIC, the clock's own cost taken off), questions in
 * random order over all subjects and tools.  "apart": no two subjects have the same policies, so
 * that nothing of one serves another.  "places": three views and three clients have policies of
 * their own, and each question comes from one of sixteen places: so many times as many ask, and
 * what is remembered has no target.  The targets are p99 (of loading, the median).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/clock.h"
#include "policies/bundle.h"
#include "tests/unit/folder.h"

#define POLICIES 50
#define RULES    20 /* of each */
#define SERVERS  20
#define TOOLS    25 /* of each */
#define TEAMS    10
#define USERS    20 /* of each */
#define SAMPLES  200000
#define LOADS    21

static uint64_t state = 88172645463325252ull;

static size_t
rnd(size_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state % n);
}

/* ---- the bundle ---- */

static void
organisation_put(const char *dir, bool apart)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "version: 1\norganisation:\n  customers:\n    acme:\n      teams:\n");
	for (int t = 0; t < TEAMS; t++) {
		buf_printf(&b, "        team%d:\n          users:\n", t);
		for (int u = 0; u < USERS; u++) {
			int n = t * USERS + u;

			buf_printf(&b, "            user%d: { groups: [g%d", n, n % 4);
			/* The policies' groups as the bits of a number of one's own. */
			for (int k = 0; apart && k < 8; k++)
				if (n >> k & 1)
					buf_printf(&b, ", bit%d", k);
			buf_puts(&b, "] }\n");
		}
	}
	folder_put(dir, "root/organisation.yaml", buf_cstr(&b));
	buf_fini(&b);
}

static void
rule_put(struct buf *b, int n)
{
	static const char *const verbs[] = { "get", "list", "put", "delete", "search" };
	int server = n % SERVERS;

	if (n % 10 == 0)
		buf_printf(b, "  - deny: any/delete_thing%d\n    reason: no\n", n % TOOLS);
	else if (n % 10 < 4)
		buf_printf(b,
		    "  - allow: s%d/%s_thing%d\n    when: { path: { under: [/repo, /srv/%d] }, n: "
		    "{ max: "
		    "100 } }\n",
		    server, verbs[n % 5], n % TOOLS, n);
	else if (n % 10 < 8)
		buf_printf(
		    b, "  - allow: \"s%d/{%s_*,thing%d}\"\n", server, verbs[n % 5], n % TOOLS);
	else
		buf_printf(b, "  - allow: \"s%d/*_thing%d\"\n", server, n % TOOLS);
}

static void
policies_put(const char *dir, bool apart)
{
	char path[64];
	struct buf b;

	for (int p = 0; p < POLICIES; p++) {
		buf_init(&b, 0);
		buf_printf(&b, "version: 1\npolicy: p%d\napplies_to: ", p);
		if (p % 5 == 0)
			buf_puts(&b, "\"*\"\n");
		else if (p % 5 < 3)
			buf_printf(&b, "{ teams: [team%d] }\n", p % TEAMS);
		else if (apart)
			buf_printf(&b, "{ groups: [bit%d] }\n", p % 8);
		else
			buf_printf(&b, "{ groups: [g%d] }\n", p % 4);
		buf_puts(&b, "rules:\n");
		for (int r = 0; r < RULES; r++)
			rule_put(&b, p * RULES + r);
		(void)snprintf(path, sizeof(path), "root/p%02d.yaml", p);
		folder_put(dir, path, buf_cstr(&b));
		buf_fini(&b);
	}
}

/* Policies of views and of clients. */
static void
places_put(const char *dir)
{
	char path[64];
	struct buf b;

	for (int p = 0; p < 6; p++) {
		buf_init(&b, 0);
		buf_printf(&b,
		    "version: 1\npolicy: place%d\napplies_to: { %s: [place%d] }\nrules:\n", p,
		    p < 3 ? "views" : "clients", p % 3);
		buf_printf(
		    &b, p < 3 ? "  - allow: s%d/*\n" : "  - deny: s%d/*\n    reason: no\n", p);
		(void)snprintf(path, sizeof(path), "root/place%d.yaml", p);
		folder_put(dir, path, buf_cstr(&b));
		buf_fini(&b);
	}
}

/* ---- what is measured ---- */

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t samples[SAMPLES], clock_ns;

/* target_ns: of p99, 0 for none; loading is judged by its median, of so few. */
static bool
report(const char *what, size_t n, int64_t target_ns)
{
	bool ok;

	qsort(samples, n, sizeof(*samples), by_size);
	ok = target_ns == 0 || samples[n == LOADS ? n / 2 : n * 99 / 100] <= target_ns;
	printf("| %-36s | %9.2f | %9.2f | %9.2f | %s |\n", what, (double)samples[n / 2] / 1000,
	    (double)samples[n * 99 / 100] / 1000, (double)target_ns / 1000,
	    target_ns == 0 ? ""
	    : ok           ? "ok"
			   : "missed");
	return ok;
}

static struct bundle *
load(const char *dir)
{
	const struct bundle_source src = { .dir = dir };
	struct bundle *b;
	struct err e;

	b = bundle_load(&src, NULL, &e);
	if (b == NULL) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	return b;
}

static struct subject subjects[TEAMS * USERS];
static char names[SERVERS * TOOLS][64];

static void
ready(struct bundle *b, struct arena *a)
{
	static const char *const verbs[] = { "get", "list", "put", "delete", "search" };
	static char who[TEAMS * USERS][32];
	struct err e;

	for (int i = 0; i < TEAMS * USERS; i++) {
		(void)snprintf(who[i], sizeof(who[i]), "user%d", i);
		if (!subject_resolve(b,
			&(struct key_spec){ .name = STR("k"), .user = str_of(who[i]) }, a,
			&subjects[i], &e))
			exit(1);
	}
	for (int i = 0; i < SERVERS * TOOLS; i++)
		(void)snprintf(names[i], sizeof(names[i]), "s%d/%s_thing%d", i % SERVERS,
		    verbs[i / SERVERS % 5], i / SERVERS);
}

static size_t allowed;

/* place: 0 for nowhere, else a view and a client. */
static void
decide(struct bundle *b, size_t s, size_t t, size_t place, struct str args, struct buf *must)
{
	static const struct str views[] = { STR(""), STR("place0"), STR("place1"), STR("place2") };
	static const struct str clients[] = { STR("curl/8.5.0"), STR("place0/1.2.3 (linux)"),
		STR("place1/4.5 (sdk-cli)"), STR("place2") };
	const struct subject *who = &subjects[s];
	struct subject there;
	struct verdict v;

	if (place > 0) {
		there = *who;
		subject_via(b, &there, &(struct via){ views[place % 4], clients[place / 4] });
		who = &there;
	}
	if (args.n == 0)
		rules_decide(b, who, ASK_TOOL, str_of(names[t]), STR(""), &v);
	else
		rules_decide_call(b, who, ASK_TOOL, str_of(names[t]), STR(""), args, &v, must);
	allowed += v.allowed;
}

static void
sample(struct bundle *b, size_t n, size_t places, struct str args)
{
	struct buf must;

	buf_init(&must, 4096);
	for (size_t i = 0; i < n; i++) {
		size_t s = rnd(TEAMS * USERS), t = rnd(SERVERS * TOOLS), at = rnd(places);
		int64_t from = now_ns();

		decide(b, s, t, at, args, &must);
		samples[i] = now_ns() - from - clock_ns;
		buf_reset(&must);
	}
	buf_fini(&must);
}

/* Each pair once: what comes first is worked out. */
static size_t
sample_first(struct bundle *b)
{
	struct buf must;
	size_t n = 0;

	buf_init(&must, 4096);
	for (size_t s = 0; s < TEAMS * USERS; s++)
		for (size_t t = 0; t < SERVERS * TOOLS; t++) {
			int64_t from = now_ns();

			decide(b, s, t, 0, STR(""), &must);
			samples[n++] = now_ns() - from - clock_ns;
		}
	buf_fini(&must);
	return n;
}

enum bench { BENCH_SHARED, BENCH_APART, BENCH_PLACES };

static bool
measure(enum bench how)
{
	static const struct str args = STR(
	    "{\"path\":\"/repo/src/a/file.c\",\"n\":17,\"text\":\"some words to carry along\"}");
	static const char *const words[] = { "shared", "apart", "places" };
	const size_t places = how == BENCH_PLACES ? 16 : 1;
	char *dir = folder_new(), what[64];
	struct bundle *b = NULL;
	struct arena a;
	bool ok;

	organisation_put(dir, how == BENCH_APART);
	policies_put(dir, how == BENCH_APART);
	if (how == BENCH_PLACES)
		places_put(dir);
	for (int i = 0; i < LOADS; i++) {
		int64_t from;

		bundle_free(&b);
		from = now_ns();
		b = load(dir);
		samples[i] = now_ns() - from;
	}
	(void)snprintf(what, sizeof(what), "%s: files read and compiled", words[how]);
	ok = report(what, LOADS, 50000000);
	arena_init(&a, (size_t)1 << 20);
	ready(b, &a);
	(void)snprintf(what, sizeof(what), "%u sets: first decision", b->sets_n);
	ok = report(what, sample_first(b), 0) && ok;
	for (size_t i = 0; i < places; i++) /* the last finds all that it asks for remembered */
		sample(b, SAMPLES, places, STR(""));
	ok = report("decision, remembered", SAMPLES, how == BENCH_PLACES ? 0 : 1000) && ok;
	sample(b, SAMPLES, places, args);
	ok = report("decision with arguments", SAMPLES, 5000) && ok;
	arena_free(&a);
	bundle_free(&b);
	folder_drop(&dir);
	return ok;
}

int
main(void)
{
	bool ok;

	for (size_t i = 0; i < SAMPLES; i++) {
		int64_t from = now_ns();

		samples[i] = now_ns() - from;
	}
	qsort(samples, SAMPLES, sizeof(*samples), by_size);
	clock_ns = samples[SAMPLES / 2];
	printf("%d rules, %d tools, %d subjects; microseconds\n\n"
	       "| %-36s | %9s | %9s | %9s | |\n|---|---|---|---|---|\n",
	    POLICIES * RULES, SERVERS * TOOLS, TEAMS * USERS, "", "p50", "p99", "target");
	ok = measure(BENCH_SHARED);
	ok = measure(BENCH_APART) && ok;
	ok = measure(BENCH_PLACES) && ok;
	printf("\n%zu decisions allowed something\n", allowed);
	return ok ? 0 : 1;
}
