/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu - the CPU time that another process has used so far, from the kernel.
 *
 * A pidfd is not a clock, so its number in our own pid namespace is read from /proc/self/fdinfo.
 * The number cannot be another process's: it stays taken until the zygote reaps, and after that the
 * pidfd says -1.  Should it be taken anew between our two calls, the answer is wrong once and the
 * one who asked is told of the end in the same turn.
 */
#include "sandbox/cpu.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pid_t
pid_of(int pidfd)
{
	char path[64], text[512];
	const char *line;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	line = strstr(text, "\nPid:");
	return line == NULL ? -1 : (pid_t)strtol(line + 5, NULL, 10);
}

int64_t
cpu_us_of(int pidfd)
{
	pid_t pid = pidfd < 0 ? -1 : pid_of(pidfd);
	struct timespec used;
	clockid_t clock;

	if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
		return -1;
	return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}
