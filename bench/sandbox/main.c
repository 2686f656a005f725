/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main - what a script costs, through the real pool (sandbox_run() on a loop).
 *
 *	make bench-sandbox              a table, half a minute
 *	build/bench/sandbox --json      the same figures as one JSON object
 *	build/bench/sandbox --gate      exit 1 when a ratio is past its bound (CI)
 *	build/bench/sandbox --strict    with sandbox: { strict: true }
 *	build/bench/sandbox PART...     latency exec tables calls throughput memory fairness
 *
 * Machines differ and neighbours disturb, so the samples of each row are taken in turn with those
 * of fork+exit (bench/fork.c: a small static program), and the ratios count.  Latencies are taken
 * with everything on one core: what is measured is work, not how deep an idle core sleeps.
 *
 *	start -> result  sandbox_run() to the done event, a loop of 100 additions, workers idle
 *	inner call       from our answer to the script's next call: what the sandbox adds to a call
 *	runs/s/core      everything (us, zygote, workers) on one core, the queue never empty
 *	idle worker      PSS from /proc (root only), 64 of them
 *	gateway p99      a client's round trips over a socket pair, echoed by the loop, everything
 *on one core; with and without four scripts that spin there
 */
#include <signal.h>
#include <string.h>

#include "bench/sandbox/bench.h"

int
main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*measure)(const cpu_set_t *all);
	} parts[] = {
		{ "latency", measure_latency },
		{ "exec", measure_exec },
		{ "tables", measure_tables },
		{ "calls", measure_calls },
		{ "throughput", measure_throughput },
		{ "memory", measure_memory },
		{ "fairness", measure_fairness },
	};
	bool json = false, gate = false, some = false, wanted[COUNT(parts)] = { false };
	cpu_set_t all;

	for (int i = 1; i < argc; i++) {
		json = json || strcmp(argv[i], "--json") == 0;
		strict = strict || strcmp(argv[i], "--strict") == 0;
		gate = gate || strcmp(argv[i], "--gate") == 0;
		for (size_t k = 0; k < COUNT(parts); k++)
			if (strcmp(argv[i], parts[k].word) == 0)
				some = wanted[k] = true;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sched_getaffinity(0, sizeof(all), &all);
	for (size_t k = 0; k < COUNT(parts); k++)
		if (!some || wanted[k])
			parts[k].measure(&all);
	return report(json, gate);
}
