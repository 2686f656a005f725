/* SPDX-License-Identifier: Apache-2.0 */
/* period - days, weeks, months and years of a zone's calendar. */
#pragma once

#include "policies/org.h"
#include "policies/zone.h"

#define PERIODS 4 /* enum period - 1 */

/*
 * [start, end) of the calendar period that holds this second, in the zone (NULL: UTC).  A day
 * begins with its midnight; where the clock skips that, with the instant after, and where it comes
 * twice, with the first: the periods of a zone follow each other without gap or overlap.
 */
void
period_bounds(const struct zone *z, enum period p, int64_t s, int64_t *start_s, int64_t *end_s);
const char *period_word(enum period p);
bool period_read(struct str word, enum period *out);
/* "2026-11-01 00:00": what the zone's clock shows. */
void local_time_put(struct buf *out, const struct zone *z, int64_t s);
