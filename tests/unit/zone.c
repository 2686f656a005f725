/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone - time zones and calendar periods against another opinion: every zone of this host, at every
 * change and at random instants from 1910 to 2290, is asked of the C library too (which takes its
 * zone from TZ).  Then the calendars' real edges by hand, and by property: the periods of a zone
 * follow each other without gap or overlap, and each begins when the clock first shows its date.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "policies/core.h"
#include "tests/unit/check.h"

#define ZONES_MAX 1000
#define FROM_S    (-1893456000ll) /* 1910 */
#define TO_S      10098432000ll   /* 2290 */

static char *names[ZONES_MAX];
static size_t names_n;

static void
names_find(const char *below, int depth)
{
	char path[512];
	struct dirent *d;
	struct stat st;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%s", ZONE_FOLDER, below);
	dir = opendir(path);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		char name[300];

		(void)snprintf(
		    name, sizeof(name), "%s%s%s", below, below[0] == '\0' ? "" : "/", d->d_name);
		(void)snprintf(path, sizeof(path), "%s/%s", ZONE_FOLDER, name);
		if (d->d_name[0] < 'A' || d->d_name[0] > 'Z' || stat(path, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < 3)
			names_find(name, depth + 1);
		else if (names_n < ZONES_MAX)
			names[names_n++] = str_dup(str_of(name));
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static const struct zone *
zone(struct arena *a, const char *name)
{
	const struct zone *z = NULL;
	struct err e;

	if (!zone_load(a, ZONE_FOLDER, str_of(name), &z, &e))
		(void)printf("  %s\n", e.text);
	CHECK(z != NULL);
	return z;
}

static int64_t
random_s(void)
{
	return FROM_S +
	       (int64_t)(((uint64_t)rand() << 31 | (uint64_t)rand()) % (uint64_t)(TO_S - FROM_S));
}

static int64_t
libc_offset(int64_t t)
{
	time_t tt = (time_t)t;
	struct tm tm;

	return localtime_r(&tt, &tm) == NULL ? 1 : tm.tm_gmtoff;
}

static void
test_every_zone(void)
{
	long compared = 0, wrong = 0;

	TEST("every zone of this host, at each change and at random, is as the C library has it");
	for (size_t i = 0; i < names_n; i++) {
		struct arena a;
		const struct zone *z = NULL;
		int64_t until, t = FROM_S;
		struct err e;

		arena_init(&a, 1 << 20);
		CHECK(zone_load(&a, ZONE_FOLDER, str_of(names[i]), &z, &e));
		(void)setenv("TZ", names[i], 1);
		tzset();
		for (int n = 0; n < 600 && t < TO_S; n++) {
			wrong += zone_offset(z, t, &until) != libc_offset(t);
			until = until < TO_S ? until : TO_S;
			wrong += zone_offset(z, until - 1, &t) != libc_offset(until - 1);
			compared += 2;
			t = until;
		}
		for (int n = 0; n < 200; n++, compared++) {
			t = random_s();
			wrong += zone_offset(z, t, &until) != libc_offset(t);
		}
		if (wrong > 0)
			(void)printf("  first wrong in %s\n", names[i]);
		CHECK_EQ_I(wrong, 0);
		wrong = 0;
		arena_free(&a);
	}
	CHECK(names_n > 300);
	(void)unsetenv("TZ");
	tzset();
	(void)printf("  %zu zones, %ld instants compared\n", names_n, compared);
}

static int64_t
local(const struct zone *z, int64_t t)
{
	int64_t until;

	return t + zone_offset(z, t, &until);
}

static struct tm
date(int64_t local_s)
{
	time_t t = (time_t)local_s;
	struct tm tm = { 0 };

	(void)gmtime_r(&t, &tm);
	return tm;
}

static bool
begins(enum period p, struct tm tm)
{
	return p == PERIOD_DAY     ? true
	       : p == PERIOD_WEEK  ? tm.tm_wday == 1
	       : p == PERIOD_MONTH ? tm.tm_mday == 1
				   : tm.tm_yday == 0;
}

/* One instant of one zone. */
static void
period_holds(const struct zone *z, enum period p, int64_t t)
{
	static const int64_t longest[] = { 0, 2, 8, 32, 367 };
	int64_t start, end, s2, e2;
	struct tm at;

	period_bounds(z, p, t, &start, &end);
	CHECK(start <= t && t < end && end - start <= longest[p] * 86400);
	period_bounds(z, p, end, &s2, &e2);
	CHECK_EQ_I(s2, end);
	period_bounds(z, p, start, &s2, &e2);
	CHECK(s2 == start && e2 == end);
	period_bounds(z, p, end - 1, &s2, &e2);
	CHECK(s2 == start && e2 == end);
	/* It is midnight, or as soon after as the clock has it; a second before, it was not. */
	at = date(local(z, start));
	CHECK(begins(p, at) || local(z, start) - local(z, start - 1) > 86400);
	CHECK(at.tm_hour * 3600 + at.tm_min * 60 + at.tm_sec == 0 ||
	      local(z, start) - local(z, start - 1) != 1);
	CHECK(date(local(z, start - 1)).tm_mday != at.tm_mday);
}

static void
test_periods_hold(void)
{
	TEST("periods follow each other without gap or overlap, in every zone, at changes and "
	     "at random");
	for (size_t i = 0; i < names_n; i++) {
		struct arena a;
		const struct zone *z = NULL;
		int64_t until, t = 0;
		struct err e;

		arena_init(&a, 1 << 20);
		if (!zone_load(&a, ZONE_FOLDER, str_of(names[i]), &z, &e))
			continue;
		for (int n = 0; n < 40; n++) {
			int64_t near = random_s() % 7200;

			(void)zone_offset(z, t, &until);
			if (until > TO_S)
				until = random_s();
			t = until;
			for (enum period p = PERIOD_DAY; p <= PERIOD_YEAR; p++) {
				period_holds(z, p, t - 1);
				period_holds(z, p, t + near);
				period_holds(z, p, random_s());
			}
		}
		arena_free(&a);
	}
}

static int64_t
utc(int y, int mo, int d, int h, int mi)
{
	struct tm tm = {
		.tm_year = y - 1900, .tm_mon = mo - 1, .tm_mday = d, .tm_hour = h, .tm_min = mi
	};

	return (int64_t)timegm(&tm);
}

struct edge {
	const char *what, *zone;
	enum period p;
	int at[5], start[5], end[5]; /* UTC: year, month, day, hour, minute */
};

static const struct edge edges[] = {
	{ "a day of 23 hours", "Europe/Berlin", PERIOD_DAY, { 2026, 3, 29, 12, 0 },
	    { 2026, 3, 28, 23, 0 }, { 2026, 3, 29, 22, 0 } },
	{ "a day of 25 hours", "Europe/Berlin", PERIOD_DAY, { 2026, 10, 25, 12, 0 },
	    { 2026, 10, 24, 22, 0 }, { 2026, 10, 25, 23, 0 } },
	{ "a month that loses an hour", "America/New_York", PERIOD_MONTH, { 2026, 3, 8, 12, 0 },
	    { 2026, 3, 1, 5, 0 }, { 2026, 4, 1, 4, 0 } },
	{ "a week over the change, from Monday", "America/New_York", PERIOD_WEEK,
	    { 2026, 11, 1, 12, 0 }, { 2026, 10, 26, 4, 0 }, { 2026, 11, 2, 5, 0 } },
	{ "half an hour", "Asia/Kolkata", PERIOD_DAY, { 2026, 8, 21, 18, 29 },
	    { 2026, 8, 20, 18, 30 }, { 2026, 8, 21, 18, 30 } },
	{ "three quarters of an hour", "Asia/Kathmandu", PERIOD_DAY, { 2026, 8, 21, 18, 15 },
	    { 2026, 8, 21, 18, 15 }, { 2026, 8, 22, 18, 15 } },
	{ "three quarters, and summer in January", "Pacific/Chatham", PERIOD_YEAR,
	    { 2026, 6, 1, 0, 0 }, { 2025, 12, 31, 10, 15 }, { 2026, 12, 31, 10, 15 } },
	{ "half an hour of summer", "Australia/Lord_Howe", PERIOD_DAY, { 2026, 4, 5, 0, 0 },
	    { 2026, 4, 4, 13, 0 }, { 2026, 4, 5, 13, 30 } },
	{ "a midnight that is skipped", "Africa/Cairo", PERIOD_DAY, { 2026, 4, 24, 10, 0 },
	    { 2026, 4, 23, 22, 0 }, { 2026, 4, 24, 21, 0 } },
	{ "an hour before midnight that comes twice", "Africa/Cairo", PERIOD_DAY,
	    { 2026, 10, 29, 21, 30 }, { 2026, 10, 28, 21, 0 }, { 2026, 10, 29, 22, 0 } },
	{ "a midnight that comes twice: the first", "America/Havana", PERIOD_DAY,
	    { 2026, 11, 1, 5, 30 }, { 2026, 11, 1, 4, 0 }, { 2026, 11, 2, 5, 0 } },
	{ "a midnight that is skipped, in the south", "America/Santiago", PERIOD_DAY,
	    { 2026, 9, 6, 12, 0 }, { 2026, 9, 6, 4, 0 }, { 2026, 9, 7, 3, 0 } },
	{ "a date that never was", "Pacific/Apia", PERIOD_DAY, { 2011, 12, 30, 9, 59 },
	    { 2011, 12, 29, 10, 0 }, { 2011, 12, 30, 10, 0 } },
	{ "the date after it", "Pacific/Apia", PERIOD_DAY, { 2011, 12, 30, 10, 0 },
	    { 2011, 12, 30, 10, 0 }, { 2011, 12, 31, 10, 0 } },
	{ "a clock set back over midnight: yesterday is today", "America/St_Johns", PERIOD_DAY,
	    { 2006, 10, 29, 3, 0 }, { 2006, 10, 29, 2, 30 }, { 2006, 10, 30, 3, 30 } },
	{ "a leap day", "Asia/Tokyo", PERIOD_MONTH, { 2028, 2, 29, 14, 59 }, { 2028, 1, 31, 15, 0 },
	    { 2028, 2, 29, 15, 0 } },
	{ "no leap day in 2100", "Asia/Tokyo", PERIOD_MONTH, { 2100, 2, 28, 14, 59 },
	    { 2100, 1, 31, 15, 0 }, { 2100, 2, 28, 15, 0 } },
	{ "the last second of a year", "Pacific/Kiritimati", PERIOD_YEAR, { 2026, 12, 31, 9, 59 },
	    { 2025, 12, 31, 10, 0 }, { 2026, 12, 31, 10, 0 } },
	{ "a week over the year's end", "Europe/London", PERIOD_WEEK, { 2027, 1, 1, 0, 0 },
	    { 2026, 12, 28, 0, 0 }, { 2027, 1, 4, 0, 0 } },
	{ "a change long after the table's end", "Europe/Berlin", PERIOD_DAY,
	    { 2086, 3, 31, 12, 0 }, { 2086, 3, 30, 23, 0 }, { 2086, 3, 31, 22, 0 } },
	{ "summer that ends in the year after", "Australia/Sydney", PERIOD_YEAR,
	    { 2060, 5, 1, 0, 0 }, { 2059, 12, 31, 13, 0 }, { 2060, 12, 31, 13, 0 } },
};

static int64_t
edge_s(const int v[5])
{
	return utc(v[0], v[1], v[2], v[3], v[4]);
}

static void
test_edges(void)
{
	for (size_t i = 0; i < COUNT(edges); i++) {
		const struct edge *g = &edges[i];
		int64_t start, end;
		struct arena a;

		TEST(g->what);
		arena_init(&a, 1 << 20);
		period_bounds(zone(&a, g->zone), g->p, edge_s(g->at), &start, &end);
		CHECK_EQ_I(start, edge_s(g->start));
		CHECK_EQ_I(end, edge_s(g->end));
		arena_free(&a);
	}
}

static void
test_not_by_tz(void)
{
	int64_t start, end, s2, e2;
	struct arena a;
	const struct zone *z;

	TEST("the process's own zone changes nothing");
	arena_init(&a, 1 << 20);
	z = zone(&a, "Europe/Berlin");
	period_bounds(z, PERIOD_DAY, edge_s(edges[0].at), &start, &end);
	(void)setenv("TZ", "America/Lima", 1);
	tzset();
	period_bounds(z, PERIOD_DAY, edge_s(edges[0].at), &s2, &e2);
	CHECK(start == s2 && end == e2);
	period_bounds(NULL, PERIOD_DAY, utc(2026, 8, 21, 1, 0), &s2, &e2);
	CHECK_EQ_I(s2, utc(2026, 8, 21, 0, 0));
	(void)unsetenv("TZ");
	tzset();
	arena_free(&a);
}

static bool
parses(struct str bytes)
{
	const struct zone *z;
	struct arena a;
	struct err e = { 0 };
	int64_t until;
	bool ok;

	arena_init(&a, 1 << 20);
	ok = zone_parse(&a, bytes, &z, &e);
	if (ok)
		for (int64_t t = FROM_S; t < TO_S; t += 500000000)
			CHECK(llabs(zone_offset(z, t, &until)) <= 26 * 3600 && until > t);
	else
		CHECK(e.code == ERR_INVALID && e.text[0] != '\0');
	arena_free(&a);
	return ok;
}

static void
test_damaged(void)
{
	static const char *const unknown[] = { "Mars/Base", "", "europe/Berlin", "../etc/passwd",
		"Europe", "Europe/../Europe/Berlin", "right/UTC", "Europe/Berlin ", "zone.tab" };
	char bytes[8192];
	FILE *f = fopen(ZONE_FOLDER "/Europe/Berlin", "re");
	size_t n = f == NULL ? 0 : fread(bytes, 1, sizeof(bytes), f);

	TEST("a file that is cut anywhere, or has a byte changed, is refused or understood");
	if (f != NULL)
		(void)fclose(f);
	CHECK(n > 100 && parses((struct str){ bytes, n }));
	for (size_t i = 0; i < n; i++)
		CHECK(!parses((struct str){ bytes, i }));
	for (int i = 0; i < 2000; i++) {
		size_t at = (size_t)rand() % n;
		char was = bytes[at];

		bytes[at] = (char)rand();
		(void)parses((struct str){ bytes, n });
		bytes[at] = was;
	}

	TEST("a name that is none, or a path");
	for (size_t i = 0; i < COUNT(unknown); i++) {
		const struct zone *z;
		struct arena a;
		struct err e;

		arena_init(&a, 1 << 20);
		CHECK(!zone_load(&a, ZONE_FOLDER, str_of(unknown[i]), &z, &e));
		CHECK(strstr(e.text, "unknown time zone") != NULL);
		arena_free(&a);
	}
}

int
main(void)
{
	srand(7);
	names_find("", 0);
	test_every_zone();
	test_periods_hold();
	test_edges();
	test_not_by_tz();
	test_damaged();
	for (size_t i = 0; i < names_n; i++)
		free(names[i]);
	return check_done();
}
