/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No process of the sandbox outlives the gateway: a child runs a pool with eight spinning scripts
 * and is killed; every process that it had is gone a moment later.  As root and as an ordinary
 * user, and in both the pool has idle workers as well.
 */
#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define SPINNING 8
#define WORKER   "build/orphans-worker" /* a name that no other test's processes have */

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx, (void)r, (void)id, (void)handle, (void)args;
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	(void)ctx, (void)r;
}

static _Noreturn void
be_gateway(int ready, bool stray)
{
	static const struct job_type root_type = { .name = "test" };
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	struct sandbox_settings set = { .worker = WORKER, .cpu_ms = 9990 };
	const struct sandbox_script s = { .source = STR("while true do end") };
	struct err e = { .code = ERR_NONE };
	struct loop *l = loop_new(&e);
	struct sandbox *b = sandbox_new(l, &set, &e);
	struct job root;

	job_init(&root, &root_type, NULL, NULL, NULL);
	for (int i = 0; i < SPINNING; i++)
		if (b == NULL || sandbox_run(b, &root, &s, &ev, NULL, &e) == NULL)
			_exit(1);
	while (sandbox_counts(b).running < SPINNING || sandbox_counts(b).idle < 4)
		loop_turn(l);
	if (stray && fork() == 0) { /* keeps our descriptors open: nobody over there sees EOF */
		close(ready);
		(void)poll(NULL, 0, 8000);
		_exit(0);
	}
	(void)!write(ready, "r", 1);
	loop_run(l);
	_exit(0);
}

static int
workers_left(void)
{
	static const char name[] = "orphans-worker\n";
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int n = 0;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		char path[300], line[20] = "";
		FILE *f;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(line, sizeof(line), f) != NULL && strcmp(line, name) == 0)
			n++;
		(void)fclose(f);
	}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static void
test_as(const char *who, bool drop, bool stray)
{
	int ready[2], waited_ms = 0;
	char c;
	pid_t gateway;

	TEST(who);
	if (pipe(ready) != 0)
		return;
	gateway = fork();
	if (gateway == 0) {
		if (drop && (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
				setresuid(65534, 65534, 65534) != 0))
			_exit(1);
		be_gateway(ready[1], stray);
	}
	close(ready[1]);
	CHECK_EQ_I(read(ready[0], &c, 1), 1);
	for (int i = 0; i < 1000 && workers_left() < SPINNING + 4; i++)
		(void)poll(NULL, 0, 10); /* asked for, but not forked yet */
	CHECK(workers_left() >= SPINNING + 4);
	(void)kill(gateway, SIGKILL);
	(void)waitpid(gateway, NULL, 0);
	while (workers_left() > 0 && waited_ms < 5000) {
		(void)poll(NULL, 0, 10);
		waited_ms += 10;
	}
	CHECK_EQ_I(workers_left(), 0);
	printf("%s: all gone within %d ms\n", who, waited_ms + 10);
	close(ready[0]);
}

int
main(void)
{
	(void)unlink(WORKER);
	CHECK_EQ_I(link("build/sandbox-worker", WORKER), 0);
	for (int stray = 0; stray < 2; stray++) {
		if (geteuid() == 0)
			test_as("an ordinary user", true, stray);
		test_as(geteuid() == 0 ? "root" : "an ordinary user", false, stray);
	}
	(void)unlink(WORKER);
	return check_done();
}
