/* SPDX-License-Identifier: Apache-2.0 */
/* cpu - the CPU time that another process has used so far, from the kernel. */
#pragma once

#include <stdint.h>

/* Microseconds, to the nanosecond clock of the scheduler; -1: not known (no /proc, or it is gone).
 * The process is not asked and cannot lie. */
int64_t cpu_us_of(int pidfd);
