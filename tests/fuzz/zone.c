/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone - a TZif file from anywhere: refused, or offsets in range whose stretches go forward, and
 * periods that hold the instant they were asked for.
 */
#include "policies/period.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct zone *z;
	struct arena a;
	struct err e;

	arena_init(&a, 1 << 20);
	if (zone_parse(&a, (struct str){ (const char *)data, size }, &z, &e))
		for (int64_t t = -2000000000; t < 9000000000; t += 123456789) {
			int64_t until, offset = zone_offset(z, t, &until), start, end;

			ASSERT(offset >= -26 * 3600 && offset <= 26 * 3600 && until > t);
			period_bounds(z, PERIOD_MONTH, t, &start, &end);
			ASSERT(start <= t && t < end);
		}
	arena_free(&a);
	return 0;
}
