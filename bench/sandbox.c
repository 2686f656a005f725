/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - what a script costs, through the real pool (sandbox_run() on a loop).
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
#include <dirent.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/job.h"
#include "bench/clock.h"
#include "sandbox/sandbox.h"

#define ROUNDS      1000
#define EXECS       150
#define CALLS       4000
#define TOOLS_LARGE 4096
#define ECHOES      1500
#define BATCH       256 /* runs: as many as one zygote serves, so each batch has a renewal */
#define BATCHES     10
#define BATCH_FORKS 100
#define IDLE        64
#define SETTLE_NS   1500000

static const char source[] = "local n = 0 for i = 1, 100 do n = n + i end return n";

static const char spin[] = "while true do end";

static void
die(const char *what)
{
	(void)fprintf(stderr, "bench: %s\n", what);
	exit(2);
}

/* ---- samples and figures ---- */

struct samples {
	int64_t ns[8192];
	size_t n;
};

static void
sample(struct samples *s, int64_t ns)
{
	if (s->n < COUNT(s->ns))
		s->ns[s->n++] = ns;
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double
quantile_us(struct samples *s, double q)
{
	qsort(s->ns, s->n, sizeof(*s->ns), by_size);
	return s->n == 0 ? 0 : (double)s->ns[(size_t)((double)(s->n - 1) * q)] / 1000;
}

struct figure {
	const char *key, *what, *unit;
	double value, per_fork; /* 0: no ratio */
	double bound;           /* of the ratio, or of the value when there is none; 0: not gated */
};
static struct figure figures[40];
static size_t figures_n;
static double fork_us, fork99_us;

static void
figure(const char *key, const char *what, const char *unit, double value, double per, double bound)
{
	figures[figures_n++] =
	    (struct figure){ key, what, unit, value, per > 0 ? value / per : 0, bound };
}

static bool
is_over(const struct figure *f)
{
	return f->bound > 0 && (f->per_fork > 0 ? f->per_fork : f->value) > f->bound;
}

static int
report(bool json, bool gate)
{
	int over = 0;

	if (json)
		(void)printf("{");
	for (size_t i = 0; i < figures_n; i++) {
		const struct figure *f = &figures[i];

		if (json) {
			(void)printf("%s\"%s\":%.2f", i > 0 ? "," : "", f->key, f->value);
			if (f->per_fork > 0)
				(void)printf(",\"%s_per_fork\":%.3f", f->key, f->per_fork);
		} else {
			(void)printf("%-50s %10.1f %-7s", f->what, f->value, f->unit);
			if (f->per_fork > 0)
				(void)printf(" %7.2f x fork+exit", f->per_fork);
			(void)printf("%s\n", gate && is_over(f) ? "   OVER ITS BOUND" : "");
		}
		if (is_over(f)) {
			over++;
			if (gate)
				(void)fprintf(
				    stderr, "bench: %s is past %.2f\n", f->what, f->bound);
		}
	}
	if (json)
		(void)printf("}\n");
	return gate && over > 0;
}

/* ---- what we stand beside ---- */

static int forker[2]; /* to and from build/bench/fork */

static void
open_forker(void)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) != 0 || pipe(from) != 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		(void)dup2(to[0], 0);
		(void)dup2(from[1], 1);
		(void)closefrom(3);
		(void)execl("build/bench/fork", "fork", (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	forker[0] = to[1];
	forker[1] = from[0];
}

static void
close_forker(void)
{
	close(forker[0]);
	close(forker[1]);
	(void)wait(NULL);
}

static int64_t
time_fork(void)
{
	int64_t ns = 0;

	if (write(forker[0], "x", 1) != 1 || read(forker[1], &ns, sizeof(ns)) != sizeof(ns))
		die("build/bench/fork has ended");
	return ns;
}

static int64_t
time_lua_state(void)
{
	int64_t from = now_ns();
	lua_State *L = luaL_newstate();

	luaL_openlibs(L);
	if (luaL_dostring(L, source) != LUA_OK)
		die("lua");
	lua_close(L);
	return now_ns() - from;
}

static int64_t
time_exec(const char *path)
{
	char code[sizeof(source)];
	char *const argv[] = { strdup(path), strdup("-e"), code, NULL };
	char *const none[] = { NULL };
	int64_t from;
	int status;
	pid_t pid;

	memcpy(code, source, sizeof(source));
	from = now_ns();
	if (posix_spawn(&pid, path, NULL, NULL, argv, none) != 0 || waitpid(pid, &status, 0) != pid)
		return 0;
	from = now_ns() - from;
	free(argv[0]);
	free(argv[1]);
	return from;
}

/* ---- the pool ---- */

static bool strict; /* workers without a time stamp counter */
static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;

struct run {
	int64_t from_ns, ended_ns, answered_ns;
	struct samples *calls;
	bool over, spins; /* spins: started anew when its CPU limit ends it */
	int64_t cpu_us;
};

static void
on_call(void *ctx, struct sandbox_run *w, uint32_t id, uint32_t handle, struct str args)
{
	struct run *r = ctx;
	int64_t now = now_ns();

	(void)handle;
	if (r->answered_ns > 0)
		sample(r->calls, now - r->answered_ns);
	r->answered_ns = now_ns();
	sandbox_answer(w, id, FRAME_OK, args);
}

static void start(struct run *r, const char *text, const struct sandbox_tool *tools, size_t n);

static void
on_done(void *ctx, const struct sandbox_result *res)
{
	struct run *r = ctx;

	if (r->spins && res->end == SANDBOX_CPU) {
		start(r, spin, NULL, 0);
		return;
	}
	if (res->end != SANDBOX_DONE) {
		(void)fprintf(stderr, "bench: %s: %.*s\n", sandbox_end_word(res->end),
		    (int)res->message.n, res->message.p);
		exit(2);
	}
	r->ended_ns = now_ns();
	r->cpu_us = res->cpu_us;
	r->over = true;
}

static const struct sandbox_events events = { .call = on_call, .done = on_done };

static void
start(struct run *r, const char *text, const struct sandbox_tool *tools, size_t n)
{
	const struct sandbox_script s = {
		.source = str_of(text), .tools = tools, .tools_n = n, .seed = { 1, 2 }
	};
	struct err e = { .code = ERR_NONE };

	r->over = false;
	r->from_ns = now_ns();
	if (sandbox_run(sandbox, &root, &s, &events, r, &e) == NULL)
		die(e.text);
}

static void
wait_for(const struct run *r)
{
	while (!r->over)
		loop_turn(loop);
}

static void
nothing(void *ctx)
{
	(void)ctx;
}

/* Until the idle workers are there and have warmed up.  The core is lent to them only: a neighbour
 * that gets it leaves cold caches, and (under a hypervisor) cold page tables. */
static void
settle(int idle)
{
	static struct deferred no_wait;
	int64_t until = 0;

	while (until == 0 || now_ns() < until) {
		const struct sandbox_counts c = sandbox_counts(sandbox);

		loop_defer(loop, &no_wait, nothing, NULL);
		loop_turn(loop);
		(void)sched_yield();
		if (until == 0 && c.idle >= idle && c.running == 0)
			until = now_ns() + SETTLE_NS;
	}
	deferred_drop(&no_wait);
}

static void
open_pool(int idle, int cpu_ms)
{
	static const struct job_type type = { .name = "bench" };
	struct sandbox_settings set = { .worker = "build/sandbox-worker",
		.idle = idle,
		.cpu_ms = cpu_ms,
		.calls_max = CALLS + 10,
		.strict = strict,
		.wall_ms = 600000 };
	struct err e = { .code = ERR_NONE };

	loop = loop_new(&e);
	sandbox = loop == NULL ? NULL : sandbox_new(loop, &set, &e);
	if (sandbox == NULL)
		die(e.text);
	job_init(&root, &type, NULL, NULL, NULL);
	while (sandbox_level(sandbox) == SANDBOX_STARTING)
		loop_turn(loop);
	if (sandbox_level(sandbox) == SANDBOX_UNAVAILABLE)
		die(sandbox_why(sandbox));
}

static void
close_pool(void)
{
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
}

/* ---- the parts ---- */

static void
use_core(bool one, const cpu_set_t *all)
{
	cpu_set_t mine;

	CPU_ZERO(&mine);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, all))
			CPU_SET(i, &mine); /* the last one counts */
	for (int i = 0; one && i < CPU_SETSIZE && CPU_COUNT(&mine) > 1; i++)
		CPU_CLR(i, &mine);
	(void)sched_setaffinity(0, sizeof(mine), one ? &mine : all);
}

static void
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

static void
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

static void
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

static void
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

static void
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

/* ---- memory ---- */

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

static void
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

/* ---- fairness ---- */

struct echo {
	struct watch *watch;
	int sock;
};

static void
on_echo(void *ctx, int bits)
{
	struct echo *e = ctx;
	char one;

	(void)bits;
	if (recv(e->sock, &one, 1, MSG_DONTWAIT) == 1)
		(void)!write(e->sock, &one, 1);
}

/* A client in a process of its own, as clients are: sends when a millisecond has passed. */
static _Noreturn void
be_client(int sock, int report_to)
{
	static struct samples trips;
	double p99;
	char one = 'x';

	for (int fd = 3; fd < 1024; fd++) /* the pool's: a gateway shares them with nobody */
		if (fd != sock && fd != report_to)
			close(fd);
	for (int i = 0; i < ECHOES; i++) {
		int64_t from;

		(void)usleep(1000);
		from = now_ns();
		if (write(sock, &one, 1) != 1 || read(sock, &one, 1) != 1)
			_exit(1);
		sample(&trips, now_ns() - from);
	}
	p99 = quantile_us(&trips, 0.99);
	(void)!write(report_to, &p99, sizeof(p99));
	_exit(0);
}

static double
echo_p99(void)
{
	struct echo e;
	int pair[2], result[2];
	double p99 = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || pipe(result) != 0)
		die("socketpair");
	pid = fork();
	if (pid == 0)
		be_client(pair[1], result[1]);
	e.sock = pair[0];
	e.watch = watch_new(loop, e.sock, on_echo, &e);
	watch_set(e.watch, WATCH_READ);
	for (struct pollfd p = { result[0], POLLIN, 0 }; poll(&p, 1, 0) == 0;)
		loop_turn(loop);
	(void)!read(result[0], &p99, sizeof(p99));
	(void)waitpid(pid, NULL, 0);
	watch_free(&e.watch);
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(result[i]);
	}
	return p99;
}

static void
measure_fairness(const cpu_set_t *all)
{
	struct run spinners[4] = { 0 };
	double idle, busy;

	use_core(true, all);
	open_pool(4, 10000);
	settle(4);
	idle = echo_p99();
	for (int i = 0; i < 4; i++) {
		spinners[i].spins = true;
		start(&spinners[i], spin, NULL, 0);
	}
	for (int64_t until = now_ns() + 50000000; now_ns() < until;)
		loop_turn(loop);
	busy = echo_p99();
	figure("echo_idle_p99_us", "gateway round trip on one core, p99", "us", idle, 0, 0);
	figure("echo_busy_p99_us", "the same beside 4 spinning scripts, p99", "us", busy, 0, 0);
	figure("echo_ratio", "busy to idle", "x", busy / idle, 0, 2);
	close_pool();
	use_core(false, all);
}

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
