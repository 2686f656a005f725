/* SPDX-License-Identifier: Apache-2.0 */
/* memory - what an idle worker has, from /proc. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/sandbox/bench.h"

#define IDLE 64

struct memory {
	int workers;
	double pss_kb, tables_kb;
};

static double
field_kb(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p == NULL ? 0 : strtod(p + strlen(name), NULL);
}

static bool
read_file(const char *pid, const char *name, char *to, size_t cap)
{
	char path[300];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	n = fread(to, 1, cap - 1, f);
	to[n] = '\0';
	(void)fclose(f);
	return n > 0;
}

static bool
is_ours(const char *status)
{
	char up[24], above[4096];
	long pid = (long)field_kb(status, "\nPPid:");

	for (int i = 0; i < 3 && pid > 1; i++) { /* zygote, its holder, us */
		if (pid == (long)getpid())
			return i > 0;
		(void)snprintf(up, sizeof(up), "%ld", pid);
		if (!read_file(up, "status", above, sizeof(above)))
			return false;
		pid = (long)field_kb(above, "\nPPid:");
	}
	return false;
}

/* Under the zygote's filter and one of its own: a worker. */
static void
add_worker(const char *pid, struct memory *m)
{
	char status[4096], rollup[4096];

	if (!read_file(pid, "status", status, sizeof(status)) ||
	    strstr(status, "Seccomp_filters:\t2") == NULL || !is_ours(status) ||
	    !read_file(pid, "smaps_rollup", rollup, sizeof(rollup)))
		return;
	m->workers++;
	m->pss_kb += field_kb(rollup, "\nPss:");
	m->tables_kb += field_kb(status, "VmPTE:");
}

void
measure_memory(const cpu_set_t *all)
{
	struct memory m = { 0 };
	struct dirent *e;
	DIR *d;

	(void)all;
	open_pool(IDLE, 1000);
	settle(IDLE);
	(void)usleep(100000);
	d = opendir("/proc");
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			add_worker(e->d_name, &m);
	if (d != NULL)
		(void)closedir(d);
	if (m.workers >= IDLE) {
		figure("idle_pss_kb", "idle worker, PSS", "KiB", m.pss_kb / m.workers, 0, 128);
		figure("idle_tables_kb", "idle worker, page tables", "KiB", m.tables_kb / m.workers,
		    0, 0);
	}
	close_pool();
}
