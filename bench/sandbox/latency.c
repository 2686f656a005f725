/* SPDX-License-Identifier: Apache-2.0 */
/* latency - one run at a time: start to result, with tools, and its calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/sandbox/bench.h"

#define EXECS       150
#define TOOLS_LARGE 4096

void
measure_latency(const cpu_set_t *all)
{
	static struct samples forks, states, runs;
	struct run r = { 0 };

	use_core(true, all);
	open_forker();
	open_pool(4, 1000);
	for (int i = 0; i < ROUNDS; i++) {
		settle(4); /* before each: all of them come with cold caches */
		sample(&forks, time_fork());
		settle(4);
		sample(&states, time_lua_state());
		settle(4);
		start(&r, source, NULL, 0);
		wait_for(&r);
		if (i >= 20)
			sample(&runs, r.ended_ns - r.from_ns);
	}
	fork_us = quantile_us(&forks, 0.5);
	fork99_us = quantile_us(&forks, 0.99);
	figure("fork_exit_p50_us", "fork + exit + wait, p50", "us", fork_us, 0, 0);
	figure("fork_exit_p99_us", "fork + exit + wait, p99", "us", fork99_us, 0, 0);
	figure("lua_state_p50_us", "in-process lua_State, stock libraries, p50", "us",
	    quantile_us(&states, 0.5), fork_us, 0);
	figure("run_p50_us", "run start -> result, idle worker, p50", "us", quantile_us(&runs, 0.5),
	    fork_us, 1.0);
	figure("run_p99_us", "run start -> result, idle worker, p99", "us",
	    quantile_us(&runs, 0.99), fork99_us, 1.5);
	close_pool();
	close_forker();
	use_core(false, all);
}

void
measure_exec(const cpu_set_t *all)
{
	static struct samples execs;
	const char *path = "/usr/bin/lua5.4";

	(void)all;
	if (access(path, X_OK) != 0)
		return;
	for (int i = 0; i < EXECS; i++)
		sample(&execs, time_exec(path));
	figure("exec_lua_p50_us", "posix_spawn of lua5.4, unconfined, p50", "us",
	    quantile_us(&execs, 0.5), fork_us, 0);
}

void
measure_tables(const cpu_set_t *all)
{
	static const struct {
		size_t n;
		const char *key, *what;
	} sizes[] = {
		{ 20, "run_20_tools_p50_us", "the same with 20 tools, p50" },
		{ 300, "run_300_tools_p50_us", "the same with 300 tools, p50" },
		{ TOOLS_LARGE, "run_4096_tools_p50_us", "the same with 4,096 tools, p50" },
	};
	static struct sandbox_tool tools[TOOLS_LARGE];
	static struct samples samples[COUNT(sizes)];
	struct run r = { 0 };

	use_core(true, all);
	open_pool(4, 1000);
	for (size_t i = 0; i < COUNT(tools); i++) {
		char name[40];

		(void)snprintf(name, sizeof(name), "tool_number_%zu", i);
		tools[i].server = str_of(i / 64 % 2 ? "tracker" : "github");
		tools[i].name = (struct str){ strdup(name), strlen(name) };
	}
	for (size_t i = 0; i < ROUNDS / 8 * COUNT(sizes); i++) {
		settle(4);
		start(&r, source, tools, sizes[i % COUNT(sizes)].n);
		wait_for(&r);
		sample(&samples[i % COUNT(sizes)], r.ended_ns - r.from_ns);
	}
	for (size_t i = 0; i < COUNT(sizes); i++)
		figure(
		    sizes[i].key, sizes[i].what, "us", quantile_us(&samples[i], 0.5), fork_us, 0);
	for (size_t i = 0; i < COUNT(tools); i++)
		free((char *)(uintptr_t)tools[i].name.p);
	close_pool();
	use_core(false, all);
}

void
measure_calls(const cpu_set_t *all)
{
	static const struct sandbox_tool tool = { STR("demo"), STR("echo") };
	static struct samples calls;
	struct run r = { .calls = &calls };
	char text[120];

	use_core(true, all);
	open_pool(1, 10000);
	settle(1);
	(void)snprintf(
	    text, sizeof(text), "for i = 1, %d do demo.echo{path='/etc/motd', line=i} end", CALLS);
	start(&r, text, &tool, 1);
	wait_for(&r);
	figure("call_p50_us", "inner call, sandbox part, p50", "us", quantile_us(&calls, 0.5),
	    fork_us, 0.25);
	figure("call_p99_us", "inner call, sandbox part, p99", "us", quantile_us(&calls, 0.99),
	    fork99_us, 0);
	close_pool();
	use_core(false, all);
}
