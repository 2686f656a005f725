/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone - a time zone: what a clock on the wall shows at an instant, for past and future.
 *
 * NULL stands for UTC everywhere.  Instants are seconds of Unix time; nothing here asks for the
 * time, for TZ or for the locale.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#define ZONE_FOLDER     "/usr/share/zoneinfo"
#define ZONE_FILE_BYTES ((size_t)256 << 10)
#define ZONE_FOREVER    (INT64_MAX / 2) /* later than any change */

struct zone;
/* By its IANA name, below `folder`; lives in the arena.  *out is NULL for UTC.  ERR_INVALID: there
 * is none of that name, or its file cannot be understood. */
bool zone_load(struct arena *a, const char *folder, struct str name, const struct zone **out,
    struct err *e) MUST_CHECK;
/* The same from the bytes of a file (RFC 8536, version 2 or later). */
bool
zone_parse(struct arena *a, struct str bytes, const struct zone **out, struct err *e) MUST_CHECK;
/* Seconds east of UTC at t; they stay so until *until_s. */
int64_t zone_offset(const struct zone *z, int64_t t, int64_t *until_s);
