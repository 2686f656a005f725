/* SPDX-License-Identifier: Apache-2.0 */
/*
 * period - where a calendar's periods begin and end.
 *
 * Dates are counted as days from 1970-01-01 of the zone's own calendar.  date_start() finds the
 * first instant at which the zone's clock shows a date or a later one, by walking the stretches of
 * equal offset around it; everything else follows from that, so that a midnight which is skipped
 * (Cairo in spring), comes twice (Havana in autumn) or a date that never was (Apia, 2011-12-30) is
 * no special case.
 */
#include <string.h>
#include <time.h>

#include "policies/period.h"

#define DAY_S 86400

static const struct str words[] = { STR("day"), STR("week"), STR("month"), STR("year") };

const char *
period_word(enum period p)
{
	return words[p - 1].p;
}

bool
period_read(struct str word, enum period *out)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(word, words[i])) {
			*out = (enum period)(i + 1);
			return true;
		}
	return false;
}

static int64_t
floor_day(int64_t s)
{
	return s / DAY_S - (s % DAY_S < 0);
}

/* The proleptic Gregorian date of a day; m from 1. */
static void
civil(int64_t day, int64_t *y, int *m)
{
	time_t t = (time_t)(day * DAY_S);
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL)
		memset(&tm, 0, sizeof(tm));
	*y = tm.tm_year + 1900;
	*m = tm.tm_mon + 1;
}

static int64_t
day_of(int64_t y, int m)
{
	struct tm tm = { .tm_year = (int)(y - 1900), .tm_mon = m - 1, .tm_mday = 1 };

	return floor_day((int64_t)timegm(&tm));
}

/* The first instant at which the clock shows this date or a later one. */
static int64_t
date_start(const struct zone *z, int64_t day)
{
	int64_t local = day * DAY_S, from = local - 2 * DAY_S;

	for (;;) { /* a clock is never a whole two days ahead */
		int64_t until, at = local - zone_offset(z, from, &until);

		if (at < from)
			at = from;
		if (at < until)
			return at;
		from = until;
	}
}

/* The first day of the period that holds this one, and of the next. */
static void
period_days(enum period p, int64_t day, int64_t *first, int64_t *next)
{
	int64_t y;
	int m;

	civil(day, &y, &m);
	switch (p) {
	case PERIOD_DAY:
		*first = day;
		*next = day + 1;
		return;
	case PERIOD_WEEK: /* day 0 was a Thursday; weeks start on Monday */
		*first = day - ((day + 3) % 7 + 7) % 7;
		*next = *first + 7;
		return;
	case PERIOD_MONTH:
		*first = day_of(y, m);
		*next = day_of(y + m / 12, m % 12 + 1);
		return;
	case PERIOD_YEAR:
		*first = day_of(y, 1);
		*next = day_of(y + 1, 1);
		return;
	}
	UNREACHABLE();
}

void
period_bounds(const struct zone *z, enum period p, int64_t s, int64_t *start_s, int64_t *end_s)
{
	int64_t until, day = floor_day(s + zone_offset(z, s, &until)), first, next;

	/* A clock that was set back over midnight shows yesterday again: that counts as today. */
	while (date_start(z, day + 1) <= s)
		day++;
	period_days(p, day, &first, &next);
	*start_s = date_start(z, first);
	*end_s = date_start(z, next);
}

void
local_time_put(struct buf *out, const struct zone *z, int64_t s)
{
	int64_t until;
	time_t t = (time_t)(s + zone_offset(z, s, &until));
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		buf_printf(out, "%04d-%02d-%02d %02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
		    tm.tm_mday, tm.tm_hour, tm.tm_min);
}
