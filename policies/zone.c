/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone - reads a TZif file (RFC 8536) and the POSIX rule at its end.
 *
 * The C library knows one zone, the process's, and finds it through TZ; an organisation has its
 * own, a reload may change it, and other threads look at clocks meanwhile.  So the file is read
 * here: a table of changes up to its last one, and from there on the rule, which says for every
 * year when summer begins and ends.  docs/decisions/0012-zones.md weighs it.
 *
 * Only the 64-bit block is used (every file has had one since 2006).  Leap seconds, which the files
 * below right/ count, are refused: Unix time has none.  Whatever does not fit is an error with the
 * zone's name, never a guess.
 */
#include "policies/zone.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 44
#define CHANGES_MAX  4096
#define TYPES_MAX    256
#define OFFSET_MAX   (26 * 3600) /* either way; what POSIX rules may say */
#define DAY_S        86400

struct change {
	int64_t at, offset;
};
enum rule_kind { RULE_WEEKDAY, RULE_JULIAN, RULE_DAY }; /* M3.5.0; J60, never a leap day; 59 */
struct rule_date {
	enum rule_kind kind;
	int month, week, day; /* day: of the week, or of the year */
	int64_t time_s;       /* of that day, on the clock before the change */
};
struct zone {
	int64_t first_offset; /* before the first change */
	const struct change *changes;
	size_t n;
	int64_t standard, summer; /* the rule after the last change */
	bool has_summer;
	struct rule_date begins, ends;
};

/* ---- the rule's text: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

struct text {
	const char *p, *end;
};

static bool
skip(struct text *t, char c)
{
	if (t->p == t->end || *t->p != c)
		return false;
	t->p++;
	return true;
}

static bool
number(struct text *t, int max, int *out)
{
	const char *from = t->p;
	int v = 0;

	for (; t->p < t->end && *t->p >= '0' && *t->p <= '9' && v <= max; t->p++)
		v = v * 10 + (*t->p - '0');
	*out = v;
	return t->p > from && v <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool
clock_read(struct text *t, int hours_max, int64_t *out)
{
	bool minus = skip(t, '-');
	int h = 0, m = 0, s = 0;

	if (!minus)
		(void)skip(t, '+');
	if (!number(t, hours_max, &h) || (skip(t, ':') && !number(t, 59, &m)) ||
	    (m > 0 && skip(t, ':') && !number(t, 59, &s)))
		return false;
	*out = (minus ? -1 : 1) * ((int64_t)h * 3600 + m * 60 + s);
	return true;
}

static bool
name_skip(struct text *t)
{
	const char *from = t->p;

	if (skip(t, '<')) {
		while (t->p < t->end && *t->p != '>')
			t->p++;
		return skip(t, '>');
	}
	while (t->p < t->end && ((*t->p | 0x20) >= 'a' && (*t->p | 0x20) <= 'z'))
		t->p++;
	return t->p - from >= 3;
}

static bool
date_read(struct text *t, struct rule_date *d)
{
	d->time_s = 7200;
	if (!skip(t, ','))
		return false;
	if (skip(t, 'M')) {
		d->kind = RULE_WEEKDAY;
		if (!number(t, 12, &d->month) || d->month < 1 || !skip(t, '.') ||
		    !number(t, 5, &d->week) || d->week < 1 || !skip(t, '.') ||
		    !number(t, 6, &d->day))
			return false;
	} else {
		d->kind = skip(t, 'J') ? RULE_JULIAN : RULE_DAY;
		if (!number(t, 365, &d->day) || (d->kind == RULE_JULIAN && d->day < 1))
			return false;
	}
	return !skip(t, '/') || clock_read(t, 167, &d->time_s);
}

/* An empty rule means that nothing is known after the last change: then it stays as it is. */
static bool
rule_read(struct str text, struct zone *z)
{
	struct text t = { text.p, text.p + text.n };
	int64_t west;

	if (text.n == 0) {
		z->standard = z->n > 0 ? z->changes[z->n - 1].offset : z->first_offset;
		return true;
	}
	if (!name_skip(&t) || !clock_read(&t, 24, &west))
		return false;
	z->standard = -west;
	if (t.p == t.end)
		return true;
	z->summer = z->standard + 3600;
	if (!name_skip(&t))
		return false;
	if (t.p < t.end && *t.p != ',') {
		if (!clock_read(&t, 24, &west))
			return false;
		z->summer = -west;
	}
	z->has_summer = true;
	return date_read(&t, &z->begins) && date_read(&t, &z->ends) && t.p == t.end;
}

/* ---- the rule's dates ---- */

static bool
is_leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days from 1970-01-01 to the first of a year; y > 0. */
static int64_t
year_day(int64_t y)
{
	y--;
	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t
year_of(int64_t day)
{
	int64_t y = 1970 + day / 366; /* never too late after 1970; before it, found below */

	while (year_day(y + 1) <= day)
		y++;
	while (year_day(y) > day)
		y--;
	return y;
}

/* The day, from 1970, that the rule means in that year. */
static int64_t
rule_day(const struct rule_date *d, int64_t year)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
	int64_t first, day, next;

	if (d->kind == RULE_DAY)
		return year_day(year) + d->day;
	if (d->kind == RULE_JULIAN)
		return year_day(year) + d->day - 1 + (d->day > 59 && is_leap(year));
	first = year_day(year) + before[d->month - 1] + (d->month > 2 && is_leap(year));
	next = year_day(year) + before[d->month] + (d->month > 1 && is_leap(year));
	/* Day 0 was a Thursday, 4. */
	day = first + (d->day - (first + 4) % 7 + 14) % 7 + (d->week - 1) * 7;
	return day < next ? day : day - 7;
}

static void
rule_changes(const struct zone *z, int64_t year, struct change out[2])
{
	struct change begins = {
		rule_day(&z->begins, year) * DAY_S + z->begins.time_s - z->standard, z->summer
	};
	struct change ends = { rule_day(&z->ends, year) * DAY_S + z->ends.time_s - z->summer,
		z->standard };
	bool first = begins.at <= ends.at; /* north of the equator */

	out[0] = first ? begins : ends;
	out[1] = first ? ends : begins;
}

static int64_t
rule_offset(const struct zone *z, int64_t t, int64_t *until_s)
{
	struct change c[8];
	int64_t year, offset;

	*until_s = ZONE_FOREVER;
	if (!z->has_summer || t < -60000000000 || t > 200000000000) /* some 2,000 years */
		return z->standard;
	year = year_of((t + z->standard) / DAY_S - 1);
	for (int i = 0; i < 4; i++)
		rule_changes(z, year - 1 + i, &c[(size_t)i * 2]);
	offset = c[0].offset;
	for (size_t i = 0; i < COUNT(c); i++) {
		if (c[i].at > t) {
			*until_s = c[i].at;
			break;
		}
		offset = c[i].offset;
	}
	return offset;
}

int64_t
zone_offset(const struct zone *z, int64_t t, int64_t *until_s)
{
	size_t lo = 0, hi;

	*until_s = ZONE_FOREVER;
	if (z == NULL)
		return 0;
	hi = z->n;
	while (lo < hi) { /* the first change after t */
		size_t mid = lo + (hi - lo) / 2;

		if (z->changes[mid].at <= t)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == z->n)
		return rule_offset(z, t, until_s);
	*until_s = z->changes[lo].at;
	return lo == 0 ? z->first_offset : z->changes[lo - 1].offset;
}

/* ---- the file ---- */

static int64_t
big_endian(const char *p, int bytes)
{
	uint64_t v = (*p & 0x80) != 0 ? UINT64_MAX : 0;

	for (int i = 0; i < bytes; i++)
		v = v << 8 | (unsigned char)p[i];
	return (int64_t)v;
}

struct header {
	size_t utc, std, leaps, changes, types, chars;
};

static bool
header_cut(struct str *in, struct header *h)
{
	size_t *all[] = { &h->utc, &h->std, &h->leaps, &h->changes, &h->types, &h->chars };

	if (in->n < HEADER_BYTES || memcmp(in->p, "TZif", 4) != 0 || in->p[4] < '2')
		return false;
	for (size_t i = 0; i < COUNT(all); i++) {
		int64_t v = big_endian(in->p + 20 + 4 * i, 4);

		if (v < 0 || v > CHANGES_MAX)
			return false;
		*all[i] = (size_t)v;
	}
	in->p += HEADER_BYTES;
	in->n -= HEADER_BYTES;
	return true;
}

static size_t
block_bytes(const struct header *h, size_t time_bytes)
{
	return h->changes * (time_bytes + 1) + h->types * 6 + h->chars +
	       h->leaps * (time_bytes + 4) + h->std + h->utc;
}

/* Changes in order, each with a type that is there. */
static bool
table_read(struct arena *a, const char *p, const struct header *h, struct zone *z)
{
	const char *index = p + h->changes * 8, *types = index + h->changes;
	struct change *all = arena_zalloc(a, (h->changes + 1) * sizeof(*all));
	int64_t offsets[TYPES_MAX] = { 0 };

	for (size_t i = 0; i < h->types; i++) {
		offsets[i] = big_endian(types + i * 6, 4);
		if (offsets[i] < -OFFSET_MAX || offsets[i] > OFFSET_MAX)
			return false;
	}
	z->first_offset = offsets[0];
	for (size_t i = 0; i < h->changes; i++) {
		size_t type = (unsigned char)index[i];

		all[i].at = big_endian(p + i * 8, 8);
		if (type >= h->types || (i > 0 && all[i].at <= all[i - 1].at) ||
		    all[i].at >= ZONE_FOREVER)
			return false;
		all[i].offset = offsets[type];
	}
	z->changes = all;
	z->n = h->changes;
	return true;
}

bool
zone_parse(struct arena *a, struct str in, const struct zone **out, struct err *e)
{
	struct zone *z = arena_new(a, struct zone);
	struct header old, h;
	struct str rule;

	*out = z;
	if (!header_cut(&in, &old) || in.n < block_bytes(&old, 4))
		return err_set(e, ERR_INVALID, "it is no TZif file of version 2 or later");
	in.p += block_bytes(&old, 4);
	in.n -= block_bytes(&old, 4);
	if (!header_cut(&in, &h) || in.n < block_bytes(&h, 8) || h.types == 0 ||
	    h.types > TYPES_MAX)
		return err_set(e, ERR_INVALID, "its table is damaged");
	if (h.leaps > 0)
		return err_set(e, ERR_INVALID, "it counts leap seconds");
	if (!table_read(a, in.p, &h, z))
		return err_set(e, ERR_INVALID, "its table is damaged");
	in.p += block_bytes(&h, 8);
	in.n -= block_bytes(&h, 8);
	rule = str_cut(&in, '\n');
	if (rule.n > 0 || in.p == NULL)
		return err_set(e, ERR_INVALID, "it has no rule for the future");
	rule = str_cut(&in, '\n');
	return (in.p != NULL && rule_read(rule, z)) ||
	       err_set(e, ERR_INVALID, "its rule for the future is not understood");
}

/* A name and no path: Area/City, letters, digits and _ + - . */
static bool
name_good(struct str name)
{
	if (name.n == 0 || name.p[0] < 'A' || name.p[0] > 'Z')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], low = (char)(c | 0x20);

		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr("/_+-", c) == NULL))
			return false;
	}
	return true;
}

bool
zone_load(
    struct arena *a, const char *folder, struct str name, const struct zone **out, struct err *e)
{
	struct buf path, bytes;
	struct err why;
	bool ok;

	*out = NULL;
	if (str_eq(name, STR("UTC")))
		return true;
	buf_init(&path, 4096);
	buf_init(&bytes, ZONE_FILE_BYTES);
	buf_printf(&path, "%s/" STR_FMT, folder, STR_ARG(name));
	if (!name_good(name) || !file_read(buf_cstr(&path), ZONE_FILE_BYTES, &bytes, &why))
		ok = err_set(e, ERR_INVALID,
		    "unknown time zone \"" STR_FMT
		    "\" (an IANA name like Europe/Berlin; Debian package tzdata)",
		    STR_ARG(name));
	else
		ok = zone_parse(a, buf_str(&bytes), out, &why) ||
		     err_set(
			 e, ERR_INVALID, "time zone \"" STR_FMT "\": %s", STR_ARG(name), why.text);
	buf_fini(&path);
	buf_fini(&bytes);
	return ok;
}
