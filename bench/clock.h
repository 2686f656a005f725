/* SPDX-License-Identifier: Apache-2.0 */
/* clock - the time that benchmarks measure with. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
