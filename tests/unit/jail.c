/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - what a child may not do, as root and, in a second half, as nobody through a user
 * namespace.  Each check is a shell that tries.
 */
#include "base/jail.h"

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proc.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

#define NOBODY 65534

static struct loop *loop;
static struct job root;
static const struct job_type root_type = { "root", NULL, NULL };
static char *dir;

struct seen {
	struct buf lines;
	int ends;
};

static void
on_line(void *ctx, struct str line)
{
	struct seen *s = ctx;

	buf_put(&s->lines, line);
	buf_putc(&s->lines, '|');
}

static void
on_ended(void *ctx, int status, const struct err *e)
{
	struct seen *s = ctx;

	(void)status;
	(void)e;
	s->ends++;
}

static void
too_late(void *ctx)
{
	(void)ctx;
	CHECK(!"ended in time");
	abort();
}

/* What the script writes, lines joined with "|", or the error of the start. */
static void
says(const struct jail *j, const char *cwd, const char *script, const char *want)
{
	static const struct proc_events events = { on_line, on_ended };
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
	struct proc_settings set = {
		.name = "child", .argv = argv, .env = env, .cwd = cwd, .jail = j
	};
	struct timer late = { 0 };
	struct seen s = { 0 };
	struct err e;

	buf_init(&s.lines, 0);
	if (proc_start(loop, &root, &set, &events, &s, &e) == NULL) {
		CHECK_EQ_S(e.text, want);
		return;
	}
	timer_set(loop, &late, 10000, too_late, NULL);
	while (s.ends == 0)
		loop_turn(loop);
	timer_stop(&late);
	loop_turn(loop);
	CHECK_EQ_S(buf_cstr(&s.lines), want);
	buf_fini(&s.lines);
}

static void
test_user(void)
{
	struct jail j = { .has_user = true, .uid = NOBODY, .gid = NOBODY };

	TEST("another user, its group only, and no way back");
	says(&j, NULL,
	    "id -u; id -g; id -G; grep -E '^(CapEff|CapPrm|NoNewPrivs)' /proc/self/status",
	    "65534|65534|65534|CapPrm:\t0000000000000000|CapEff:\t0000000000000000|NoNewPrivs:"
	    "\t1|");
	TEST("a folder that the user may not enter is an error of the start");
	says(&j, dir, "echo in", "child: cannot run \"/bin/sh\": EACCES");
	TEST("a child of another user still dies with us");
	says(&j, NULL, "kill -0 $PPID 2>/dev/null; echo $?", "1|");
}

static void
test_limits(void)
{
	struct jail j = { .limits = { { RLIMIT_NOFILE, 77 }, { RLIMIT_FSIZE, 1 << 20 },
			      { RLIMIT_CPU, 33 }, { RLIMIT_AS, 512 << 20 } },
		.limits_n = 4 };

	TEST("limits, soft and hard");
	says(&j, NULL, "ulimit -n; ulimit -Hn; ulimit -f; ulimit -t; ulimit -v",
	    "77|77|2048|33|524288|");
	j.limits[0].value = 1ull << 40;
	TEST("more than there is is what there is");
	says(&j, NULL, "test $(ulimit -n) -gt 100 && echo ok", "ok|");
}

static void
test_network(void)
{
	struct jail j = { .no_network = true };

	TEST("no network: one interface, which is down");
	says(&j, NULL,
	    "grep -c : /proc/net/dev; cat /proc/net/route | wc -l; "
	    "ls /sys/class/net >/dev/null; id -u",
	    geteuid() == 0 ? "1|0|0|" : "1|0|65534|");
	TEST("and no privileges to change that");
	says(&j, NULL, "grep CapEff /proc/self/status", "CapEff:\t0000000000000000|");
}

static void
test_folders(void)
{
	char inside[300], script[1500];
	const char *read_only[] = { "/", NULL }, *writable[] = { inside, NULL },
		   *some[] = { dir, NULL }, *none[] = { "/nowhere/at/all", NULL };
	struct jail j = { .read_only = read_only };

	(void)snprintf(inside, sizeof(inside), "%s/inside", dir);
	(void)snprintf(script, sizeof(script),
	    "touch %s/x 2>&1 | grep -o 'Read-only'; touch /tmp/jail-test-x 2>&1 | grep -o "
	    "'Read-only'; "
	    "echo y >%s/y && cat %s/y && rm %s/y; echo z >/dev/null && echo null",
	    dir, inside, inside, inside);
	TEST("the whole tree cannot be written, but devices can");
	says(&j, dir, script, "Read-only|Read-only|null|");
	j.writable = writable;
	TEST("a folder below it can, when it is listed");
	says(&j, inside, script, "Read-only|Read-only|y|null|");
	j.read_only = some;
	TEST("one folder alone, with an exception inside");
	says(&j, inside, script, "Read-only|y|null|");
	(void)unlink("/tmp/jail-test-x");
	j.writable = NULL;
	(void)snprintf(script, sizeof(script),
	    "mount -o remount,bind,rw %s 2>/dev/null; umount %s 2>/dev/null; "
	    "unshare -Ur mount -o remount,bind,rw %s 2>/dev/null; "
	    "unshare -Urm sh -c 'umount %s; mount -o remount,bind,rw %s; touch %s/x' 2>/dev/null; "
	    "test -e %s/x && echo written; echo tried",
	    dir, dir, dir, dir, dir, dir, dir);
	TEST("the child cannot mount it back");
	says(&j, NULL, script, "tried|");
	j.read_only = none;
	TEST("a folder that is not there is an error of the start");
	says(&j, NULL, "echo in",
	    "child: a folder of read_only or writable does not exist (ENOENT)");
}

static void
test_refused(void)
{
	struct jail j = { .has_user = true, .uid = 1, .gid = 1 };

	TEST("who is not root starts nothing as somebody else");
	says(&j, NULL, "id -u",
	    "child: user cannot be changed (only root may start a server as somebody else) "
	    "(EPERM)");
	j.uid = j.gid = NOBODY;
	TEST("but as itself");
	says(&j, NULL, "id -u", "65534|");
}

static void
nobody_become(void)
{
	CHECK(chown(dir, NOBODY, NOBODY) == 0);
	CHECK(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	      setresuid(NOBODY, NOBODY, NOBODY) == 0);
	/* As a program that was started so: /proc/self is ours. */
	CHECK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

int
main(void)
{
	struct err e;
	char inside[300];

	log_setup(LOG_LEVEL_ERROR, false);
	loop = loop_new(&e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	dir = folder_new();
	(void)snprintf(inside, sizeof(inside), "%s/inside", dir);
	CHECK(mkdir(inside, 0777) == 0 && chmod(inside, 0777) == 0);
	test_limits();
	if (geteuid() == 0) {
		test_user();
		test_network();
		test_folders();
		CHECK(unlink("/tmp/jail-test-x") != 0);
		(void)chmod(dir, 0777);
		nobody_become();
	}
	test_network();
	test_folders();
	if (geteuid() == NOBODY)
		test_refused();
	job_cancel(&root);
	jobs_reap();
	loop_free(&loop);
	folder_drop(&dir);
	return check_done();
}
