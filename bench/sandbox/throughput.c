/* SPDX-License-Identifier: Apache-2.0 */
/* throughput - the queue never empty, everything on one core, in batches. */
#include <sys/resource.h>

#include "bench/sandbox/bench.h"

#define BATCH       256 /* runs: as many as one zygote serves, so each batch has a renewal */
#define BATCHES     10
#define BATCH_FORKS 100

static double
cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int64_t
fork_ns(void)
{
	static struct samples some;

	some.n = 0;
	for (int i = 0; i < BATCH_FORKS; i++)
		sample(&some, time_fork());
	return (int64_t)(quantile_us(&some, 0.5) * 1000);
}

/* A batch is over when the pool is as it was before: all are told, reaped and replaced. */
static int64_t
batch_ns(void)
{
	enum { AT_ONCE = 8 };
	struct run runs[AT_ONCE] = { 0 };
	uint64_t reaped = sandbox_counts(sandbox).reaped + BATCH;
	int64_t from = now_ns();
	int left = BATCH;

	for (size_t i = 0; i < AT_ONCE; i++, left--)
		start(&runs[i], source, NULL, 0);
	for (struct sandbox_counts c = sandbox_counts(sandbox);
	     left > 0 || c.running > 0 || c.idle < 4 || c.reaped < reaped;
	     c = sandbox_counts(sandbox)) {
		loop_turn(loop);
		for (size_t i = 0; i < AT_ONCE; i++) {
			if (!runs[i].over || left == 0)
				continue;
			left--;
			start(&runs[i], source, NULL, 0);
		}
	}
	return (now_ns() - from) / BATCH;
}

void
measure_throughput(const cpu_set_t *all)
{
	static struct samples runs, forks, ratios;
	double own_us = 0, workers_us;
	struct sandbox_counts before;
	uint64_t workers;

	use_core(true, all);
	open_forker();
	open_pool(4, 1000);
	settle(4);
	before = sandbox_counts(sandbox);
	for (int i = 0; i < BATCHES; i++) {
		int64_t fork, run;

		settle(4);
		fork = fork_ns();
		own_us -= cpu_us();
		run = batch_ns();
		own_us += cpu_us();
		sample(&forks, fork);
		sample(&runs, run);
		sample(&ratios, run * 1000 / fork);
	}
	workers = sandbox_counts(sandbox).reaped - before.reaped;
	workers_us = (double)(sandbox_counts(sandbox).cpu_us - before.cpu_us);
	figure("runs_per_s_core", "single-use runs per second and core", "/s",
	    1e6 / quantile_us(&runs, 0.5), 0, 0);
	figure("run_gateway_cpu_us", "CPU of a run, gateway", "us", own_us / BATCHES / BATCH, 0, 0);
	figure("run_worker_cpu_us", "CPU of a run, worker with its fork, lock and exit", "us",
	    workers_us / (double)(workers > 0 ? workers : 1), 0, 0);
	figure("forks_per_s_core", "fork + exit + wait per second and core", "/s",
	    1e6 / quantile_us(&forks, 0.5), 0, 0);
	figure("forks_per_run", "throughput of fork+exit to that of runs", "x",
	    quantile_us(&ratios, 0.5), 0, 5);
	close_pool();
	close_forker();
	use_core(false, all);
}
