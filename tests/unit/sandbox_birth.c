/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a birth costs, counted and not timed: page faults, by the kernel's count (/proc/PID/stat),
 * which has those in it that a worker asks for ahead of need.
 *
 *	                       now   without a rehearsal   without the program's pages handed down
 *	an idle worker          22                     2    36
 *	a run up to its call     2                    20     2
 *	the zygote, for each     0                     0     0 (3 with its stack and rseq inherited)
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define IDLE           4 /* kept by the pool */
#define RUNS           32
#define BORN_FAULTS    28
#define RUN_FAULTS     6  /* from there to its first call */
#define POPULATE_WRITE 23 /* MADV_POPULATE_WRITE: Linux 5.14 */
#define STAT_MINFLT    8  /* the field's place behind the name */

static struct loop *loop;
static bool parked;

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx, (void)r, (void)id, (void)handle, (void)args;
	parked = true;
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	(void)ctx, (void)r;
}

/* The processes right below pid, into list; how many there are. */
static size_t
children(long pid, long *list, size_t most)
{
	char path[80], line[4000] = "", *at = line, *end;
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/children", pid, pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	(void)!fgets(line, sizeof(line), f);
	(void)fclose(f);
	for (long kid; n < most && (kid = strtol(at, &end, 10)) > 0; at = end)
		list[n++] = kid;
	return n;
}

static long
faults(long pid)
{
	char path[80], line[1000] = "", *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	(void)!fgets(line, sizeof(line), f);
	(void)fclose(f);
	at = strrchr(line, ')');
	for (int i = 0; at != NULL && i < STAT_MINFLT; i++)
		at = strchr(at + 1, ' ');
	return at == NULL ? -1 : strtol(at, NULL, 10);
}

static void
settle(struct sandbox *b, uint64_t reaped)
{
	while (sandbox_counts(b).idle < IDLE || sandbox_counts(b).reaped < reaped)
		loop_turn(loop);
}

/* The most that a child of the zygote has had by now. */
static long
most_faults(long zygote)
{
	long list[IDLE + 8], most = 0;
	size_t n = children(zygote, list, COUNT(list));

	for (size_t i = 0; i < n; i++)
		if (faults(list[i]) > most)
			most = faults(list[i]);
	return most;
}

/* A run up to its call, and all that it had had by then. */
static long
run_once(struct sandbox *b, struct job *root, long zygote)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("demo"), STR("never") };
	const struct sandbox_script s = {
		.source =
		    STR("local sum = 0 for i = 1, 100 do sum = sum + i end demo.never{n = sum}"),
		.tools = &tool,
		.tools_n = 1
	};
	struct err e = { .code = ERR_NONE };
	struct sandbox_run *r = sandbox_run(b, root, &s, &ev, NULL, &e);
	long all;

	parked = false;
	while (r != NULL && !parked)
		loop_turn(loop);
	all = most_faults(zygote);
	if (CHECK(r != NULL))
		job_cancel(sandbox_run_job(r));
	return all;
}

/* The only process below this one with several children: the idle workers, once they are there. */
static long
find_zygote(void)
{
	for (int i = 0; i < 5000; i++, (void)usleep(1000)) {
		long pid = getpid(), list[IDLE];
		size_t n;

		while ((n = children(pid, list, IDLE)) == 1)
			pid = list[0];
		if (n == IDLE)
			return pid;
	}
	return 0;
}

static void
test_births(struct sandbox *b, struct job *root)
{
	long zygote = getpid(), before, born = 0, run = 0;
	uint64_t reaped = sandbox_counts(b).reaped;

	(void)run_once(b, root, zygote); /* there is one now, and its rehearsal is over */
	settle(b, ++reaped);
	zygote = find_zygote();
	before = faults(zygote);
	for (int i = 0; i < RUNS; i++) {
		long idle = most_faults(zygote), all = run_once(b, root, zygote);

		born = idle > born ? idle : born;
		run = all - idle > run ? all - idle : run;
		settle(b, ++reaped);
	}
	printf("page faults: an idle worker %ld, its run %ld more, the zygote %.1f for each\n",
	    born, run, (double)(faults(zygote) - before) / RUNS);
	TEST("a worker is born with the program's pages, and its own are copied in rows");
	CHECK(born > 0 && born <= BORN_FAULTS);
	TEST("a run finds its pages there");
	CHECK(run <= RUN_FAULTS);
	TEST("the zygote copies nothing for a child");
	CHECK(faults(zygote) - before < RUNS);
}

/* A kernel can be told to refuse it (proc_mem.force_override). */
static bool
can_write_program(void)
{
	static const char here[] = "x";
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	bool can = memory >= 0 && pwrite(memory, "x", 1, (off_t)(uintptr_t)here) == 1;

	if (memory >= 0)
		(void)close(memory);
	return can;
}

int
main(void)
{
	static const struct job_type type = { .name = "test" };
	const struct sandbox_settings set = { .worker = "build/sandbox-worker", .idle = IDLE };
	struct err e = { .code = ERR_NONE };
	struct sandbox *b;
	struct job root;
	char page[1];

	if (madvise((void *)((uintptr_t)page & ~(uintptr_t)4095), 4096, POPULATE_WRITE) != 0 ||
	    !can_write_program() || access("/proc/thread-self/children", R_OK) != 0) {
		printf(
		    "this kernel refuses what makes births cheap, or to count: nothing to see\n");
		return check_done();
	}
	job_init(&root, &type, NULL, NULL, NULL);
	loop = loop_new(&e);
	b = loop == NULL ? NULL : sandbox_new(loop, &set, &e);
	if (CHECK(b != NULL)) {
		test_births(b, &root);
		sandbox_free(&b);
	}
	loop_free(&loop);
	return check_done();
}
