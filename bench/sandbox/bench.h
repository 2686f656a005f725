/* SPDX-License-Identifier: Apache-2.0 */
/* bench - what the parts of this program share. */
#pragma once

#include <sched.h>

#include "base/job.h"
#include "bench/clock.h"
#include "sandbox/sandbox.h"

#define ROUNDS    1000
#define CALLS     4000
#define SETTLE_NS 1500000

/* figures.c */
struct samples {
	int64_t ns[8192];
	size_t n;
};

_Noreturn void die(const char *what);
void sample(struct samples *s, int64_t ns);
double quantile_us(struct samples *s, double q);
/* per: what it stands beside, 0: nothing.  bound: of the ratio, or of the value when there is none;
 * 0: not gated. */
void
figure(const char *key, const char *what, const char *unit, double value, double per, double bound);
int report(bool json, bool gate);
extern double fork_us, fork99_us; /* of fork+exit, once measured */

/* beside.c: fork+exit (bench/fork.c), and Lua without a sandbox */
void open_forker(void);
void close_forker(void);
int64_t time_fork(void);
int64_t time_lua_state(void);
int64_t time_exec(const char *path);

/* pool.c: the pool on a loop, and runs on it */
struct run {
	int64_t from_ns, ended_ns, answered_ns;
	struct samples *calls;
	bool over, spins; /* spins: started anew when its CPU limit ends it */
	int64_t cpu_us;
};
extern bool strict; /* workers without a time stamp counter */
extern struct loop *loop;
extern struct sandbox *sandbox;
extern const char source[], spin[];
void open_pool(int idle, int cpu_ms);
void close_pool(void);
void settle(int idle);
void start(struct run *r, const char *text, const struct sandbox_tool *tools, size_t n);
void wait_for(const struct run *r);
void use_core(bool one, const cpu_set_t *all);

/* the parts: latency.c, throughput.c, memory.c, fairness.c */
void measure_latency(const cpu_set_t *all);
void measure_exec(const cpu_set_t *all);
void measure_tables(const cpu_set_t *all);
void measure_calls(const cpu_set_t *all);
void measure_throughput(const cpu_set_t *all);
void measure_memory(const cpu_set_t *all);
void measure_fairness(const cpu_set_t *all);
