/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc - children: what they get, what they say, how they end.
 */
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/unit/check.h"

static struct loop *loop;
static struct job root;
static const struct job_type root_type = { "root", NULL, NULL };

struct seen {
	struct proc *p;
	struct buf lines;
	int n, ends, status;
	bool failed, cancel_at_line;
	struct err e;
	struct timer late;
};

static void
on_line(void *ctx, struct str line)
{
	struct seen *s = ctx;

	s->n++;
	buf_put(&s->lines, line.n > 100 ? (struct str){ line.p, 100 } : line);
	buf_putc(&s->lines, '|');
	if (s->cancel_at_line)
		job_cancel(proc_job(s->p));
}

static void
on_ended(void *ctx, int status, const struct err *e)
{
	struct seen *s = ctx;

	s->ends++;
	s->status = status;
	s->failed = e != NULL;
	if (e != NULL)
		s->e = *e;
}
static const struct proc_events events = { on_line, on_ended };

static void
too_late(void *ctx)
{
	(void)ctx;
	CHECK(!"ended in time");
	loop_stop(loop);
	abort();
}

static bool
begin(struct seen *s, const char *script, const struct proc_settings *with)
{
	struct proc_settings set = with != NULL ? *with : (struct proc_settings){ 0 };
	const char *const argv[] = { "sh", "-c", script, NULL };

	if (set.argv == NULL)
		set.argv = argv;
	set.name = "child";
	buf_init(&s->lines, 0);
	s->p = proc_start(loop, &root, &set, &events, s, &s->e);
	return s->p != NULL;
}

static void
finish(struct seen *s, const char *lines, int status)
{
	timer_set(loop, &s->late, 5000, too_late, NULL);
	while (s->ends == 0)
		loop_turn(loop);
	timer_stop(&s->late);
	loop_turn(loop);
	CHECK_EQ_I(s->ends, 1);
	CHECK_STR(buf_str(&s->lines), lines);
	if (status >= 0)
		CHECK_EQ_I(s->status, status);
	buf_fini(&s->lines);
}

/* Does /proc/NAME belong to a process of this group that still runs? */
static bool
runs_in(const char *name, int group)
{
	char path[300], stat[512] = "";
	int fd, pgrp = 0;
	const char *p;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, stat, sizeof(stat) - 1) > 0 && (p = strrchr(stat, ')')) != NULL &&
	    p[2] != 'Z' && p[2] != 'X' && (p = strchr(p + 4, ' ')) != NULL)
		pgrp = (int)strtol(p, NULL, 10);
	(void)close(fd);
	return pgrp == group;
}

/* The group is gone, but for zombies that init has not taken yet. */
static bool
gone(int group)
{
	bool found = true;

	for (int i = 0; i < 500 && found; i++) {
		DIR *d = opendir("/proc");

		found = false;
		for (struct dirent *e; (e = readdir(d)) != NULL;)
			found |=
			    e->d_name[0] >= '1' && e->d_name[0] <= '9' && runs_in(e->d_name, group);
		(void)closedir(d);
		(void)usleep(found ? 2000 : 0);
	}
	return !found;
}

static void
tick(void *ctx)
{
	(void)ctx;
}

static void
spin(int ms)
{
	struct timer t = { 0 };

	for (int64_t end = loop_mono_ms(loop) + ms; loop_mono_ms(loop) < end;) {
		timer_set(loop, &t, 2, tick, NULL);
		loop_turn(loop);
	}
	timer_stop(&t);
}

static void
test_talk(void)
{
	struct seen s = { 0 };

	TEST("lines go in and come out; the last one without a newline is not a line");
	CHECK(begin(&s, "read a; read b; echo \"<$b>\"; echo \"<$a>\"; printf last; exit 3", NULL));
	CHECK(proc_write(s.p, STR("one\ntwo")));
	CHECK(proc_write(s.p, STR("\n")));
	finish(&s, "<two>|<one>|", 3 << 8);
	CHECK(!s.failed);

	TEST("nothing is inherited but what was given");
	{
		const char *const env[] = { "PATH=/usr/bin:/bin", "A=b c", NULL };
		struct proc_settings set = { .env = env, .cwd = "/" };
		int leak = open("/dev/null", O_RDONLY); /* without CLOEXEC */

		(void)setenv("SECRET", "x", 1);
		s = (struct seen){ 0 };
		CHECK(begin(&s,
		    "env | grep -v ^_= | grep -v ^PWD= | sort; pwd; ls /proc/$$/fd; "
		    "kill -PIPE $$; echo alive",
		    &set));
		timer_set(loop, &s.late, 5000, too_late, NULL);
		while (s.ends == 0)
			loop_turn(loop);
		timer_stop(&s.late);
		CHECK_STR(buf_str(&s.lines), "A=b c|PATH=/usr/bin:/bin|/|0|1|2|");
		CHECK(WIFSIGNALED(s.status) && WTERMSIG(s.status) == SIGPIPE);
		buf_fini(&s.lines);
		(void)close(leak);
	}
}

static void
test_start(void)
{
	const char *const argv[] = { "/nonexistent/program", NULL };
	struct proc_settings set = { .argv = argv };
	struct seen s = { 0 };

	TEST("what cannot run is an error of the start");
	CHECK(!begin(&s, NULL, &set));
	CHECK_EQ_I(s.e.code, ERR_UPSTREAM);
	CHECK(strstr(s.e.text, "/nonexistent/program") != NULL);
	set = (struct proc_settings){ .cwd = "/nonexistent" };
	CHECK(!begin(&s, "echo", &set));
	CHECK_EQ_I(s.ends, 0);
}

static void
test_limits(void)
{
	struct proc_settings set = { .line_bytes_max = 100000, .write_bytes_max = 300000 };
	struct seen s = { 0 };
	struct buf big;
	int pid;

	buf_init(&big, 0);
	for (int i = 0; i < 150000; i++)
		buf_putc(&big, 'x');
	TEST("a line over its limit ends the child");
	CHECK(begin(&s, "head -c 200000 /dev/zero; sleep 60", &set));
	pid = proc_pid(s.p);
	finish(&s, "", -1);
	CHECK(s.failed && s.e.code == ERR_UPSTREAM);
	CHECK(gone(pid));

	TEST("a child that does not read makes writes fail, not grow");
	s = (struct seen){ 0 };
	CHECK(begin(&s, "sleep 0.2; wc -c", &set));
	CHECK(proc_write(s.p, buf_str(&big)));
	CHECK(proc_write(s.p, buf_str(&big)));
	CHECK(!proc_write(s.p, buf_str(&big)));
	CHECK(proc_write(s.p, STR("end")));
	proc_stop(s.p, 2000);
	finish(&s, "300003|", 0);

	TEST("a child that closes its stdin is not written to");
	s = (struct seen){ 0 };
	CHECK(begin(&s, "exec 0<&-; sleep 0.2; echo bye", NULL));
	spin(50);
	(void)proc_write(s.p, STR("x\n"));
	(void)proc_write(s.p, STR("x\n"));
	finish(&s, "bye|", 0);
	buf_fini(&big);
}

static void
test_ends(void)
{
	struct seen s = { 0 };
	int pid;

	TEST("a stop closes stdin first");
	CHECK(begin(&s, "cat; echo over", NULL));
	proc_stop(s.p, 3000);
	finish(&s, "over|", 0);

	TEST("then terminates, then kills, the whole group");
	s = (struct seen){ 0 };
	CHECK(begin(&s, "trap 'echo term' TERM; sleep 60 & echo up; while :; do wait; done", NULL));
	pid = proc_pid(s.p);
	while (s.n == 0)
		loop_turn(loop);
	proc_stop(s.p, 50);
	finish(&s, "up|term|", -1);
	CHECK(WIFSIGNALED(s.status) && WTERMSIG(s.status) == SIGKILL);
	CHECK(gone(pid));

	TEST("what a child leaves behind is killed with its group");
	s = (struct seen){ 0 };
	CHECK(begin(&s, "sleep 60 >/dev/null & echo bye", NULL));
	pid = proc_pid(s.p);
	finish(&s, "bye|", 0);
	CHECK(gone(pid));

	TEST("a cancel is silent, at once, and may come from a line");
	s = (struct seen){ 0 };
	CHECK(begin(&s, "sleep 60 & sleep 60", NULL));
	pid = proc_pid(s.p);
	job_cancel(proc_job(s.p));
	CHECK(kill(pid, 0) != 0 && errno == ESRCH);
	loop_turn(loop);
	CHECK_EQ_I(s.ends, 0);
	buf_fini(&s.lines);
	s = (struct seen){ .cancel_at_line = true };
	CHECK(begin(&s, "while echo x; do :; done", NULL));
	while (s.n == 0)
		loop_turn(loop);
	spin(20);
	CHECK_EQ_I(s.n, 1);
	CHECK_EQ_I(s.ends, 0);
	buf_fini(&s.lines);

	TEST("stderr is for the log and never in the way");
	s = (struct seen){ 0 };
	CHECK(begin(&s,
	    "i=0; while [ $i -lt 3000 ]; do echo $i aaaaaaaaaaaaaaaaaaaaaaaaaaaa >&2; "
	    "i=$((i+1)); done; echo ok",
	    NULL));
	finish(&s, "ok|", 0);
}

static void
test_many(void)
{
	struct seen s[40] = { 0 };

	TEST("many lines, many children");
	for (int i = 0; i < 40; i++)
		CHECK(begin(&s[i], "seq 1 500 | tr '\\n' '\\n'", NULL));
	for (int i = 0; i < 40; i++) {
		timer_set(loop, &s[i].late, 5000, too_late, NULL);
		while (s[i].ends == 0)
			loop_turn(loop);
		timer_stop(&s[i].late);
		CHECK_EQ_I(s[i].n, 500);
		buf_fini(&s[i].lines);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0)
		CHECK(!"a zombie was left");
}

int
main(void)
{
	struct err e;

	log_setup(LOG_LEVEL_ERROR, false);
	loop = loop_new(&e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	test_talk();
	test_start();
	test_limits();
	test_ends();
	test_many();
	job_cancel(&root);
	jobs_reap();
	loop_free(&loop);
	return check_done();
}
