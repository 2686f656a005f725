/* SPDX-License-Identifier: Apache-2.0 */
/* meter - what another process has used so far, from the kernel; see meter.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct meter {
	clockid_t clock; /* its CPU time */
	int statm;       /* -1: not known, and so is the clock */
};
struct meter_reading {
	int64_t cpu_us, rss_kb;
};

/* pidfd is only looked at.  Fails silently when there is no /proc: then nothing can be read. */
void meter_open(struct meter *m, int pidfd);
void meter_close(struct meter *m);
/* CPU time alone, in a quarter of the time; 0 when not known. */
int64_t meter_cpu_us(const struct meter *m);
/* False: not known, or the process has let go of its memory, that is, it is ending. */
bool meter_read(const struct meter *m, struct meter_reading *out);
