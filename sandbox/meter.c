/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meter - what another process has used so far, from the kernel.  The process is not asked and
 * cannot lie.
 *
 * CPU time is the scheduler's own count (nanoseconds), read through the process's CPU clock.
 * Memory is what is resident; a worker never gives a page back (its heap does not shrink, and the
 * lock refuses munmap and madvise), so that is also the most it ever had.  Both take 2 us, after
 * some more for the opening: a pidfd is no clock, so its number must be learnt first.
 *
 * That number stays the worker's until the zygote has reaped it.  Whoever reads later reads from
 * /proc/PID/statm of a process that is gone, which fails, and takes no figure.
 */
#include "sandbox/meter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Linux 6.13 and later tell it in one call. */
static pid_t
ask_pid(int pidfd)
{
	struct { /* struct pidfd_info as it was first, PIDFD_INFO_SIZE_VER0 */
		uint64_t mask, cgroup;
		uint32_t pid, tgid, ppid, ids[8], reserved;
	} info = { .mask = 1 }; /* PIDFD_INFO_PID */

	_Static_assert(sizeof(info) == 64, "part of the call's number");
	return ioctl(pidfd, _IOWR(0xff, 11, char[sizeof(info)]), &info) == 0 ? (pid_t)info.pid : 0;
}

static pid_t
read_pid(int pidfd)
{
	char path[64], text[512];
	const char *line;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	line = strstr(text, "\nPid:");
	return line == NULL ? 0 : (pid_t)strtol(line + 5, NULL, 10);
}

void
meter_open(struct meter *m, int pidfd)
{
	char path[64];
	pid_t pid = ask_pid(pidfd);

	*m = (struct meter){ .statm = -1 };
	if (pid <= 0)
		pid = read_pid(pidfd);
	if (pid <= 0 || clock_getcpuclockid(pid, &m->clock) != 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	m->statm = open(path, O_RDONLY | O_CLOEXEC);
}

void
meter_close(struct meter *m)
{
	if (m->statm >= 0)
		close(m->statm);
	m->statm = -1;
}

int64_t
meter_cpu_us(const struct meter *m)
{
	struct timespec used;

	if (m->statm < 0 || clock_gettime(m->clock, &used) != 0)
		return 0;
	return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

bool
meter_read(const struct meter *m, struct meter_reading *out)
{
	char text[128], *resident;
	ssize_t n;

	out->cpu_us = meter_cpu_us(m);
	if (out->cpu_us == 0)
		return false;
	n = pread(m->statm, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return false;
	text[n] = '\0';
	(void)strtol(text, &resident, 10);
	out->rss_kb = strtol(resident, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
	return out->rss_kb > 0;
}
