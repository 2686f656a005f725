/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard - nothing that we have started outlives us, not even when we are killed with SIGKILL.
 *
 * A child itself dies with us by PR_SET_PDEATHSIG; what it has started does not, because that
 * signal goes to nobody else.  So one small process holds the reading end of a pipe whose writing
 * end only we hold:
 *
 *   a number > 0   a child has made itself the leader of that group (it says so itself, before its
 *                  exec, so that there is no moment in between)
 *   a number < 0   we have killed that group
 *   end of file    we are gone, however: every group still on the list gets SIGKILL
 *
 * The guard is a fork without an exec: it touches nothing but its list and its pipe, closes all
 * other descriptors, and is in a group of its own, so that what is sent to ours does not reach it.
 * A process that leaves its group (setsid) is out of its reach.
 */
#include "base/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

#define GUARD_MAGIC 0x67756172u
#define GROUPS_MAX  4096 /* what is more is not on the list */

struct guard {
	uint32_t magic;
	pid_t pid;
	int fd;
};

struct groups {
	pid_t pid[GROUPS_MAX];
	size_t n;
};

static void
groups_take(struct groups *g, pid_t pid)
{
	if (pid > 1 && g->n < GROUPS_MAX)
		g->pid[g->n++] = pid;
	for (size_t i = 0; pid < -1 && i < g->n; i++)
		if (g->pid[i] == -pid) {
			g->pid[i] = g->pid[--g->n];
			return;
		}
}

/* Only async-signal-safe calls: the process that was forked has threads. */
_Noreturn static void
guard_run(int fd)
{
	struct groups groups = { .n = 0 };
	pid_t pid;
	ssize_t n;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_NAME, "tollgate-guard");
	if (dup2(fd, 0) != 0 || syscall(SYS_close_range, 1u, ~0u, 0u) != 0)
		_exit(1);
	/* Four bytes are written at once, so they are read at once. */
	while ((n = read(0, &pid, sizeof(pid))) == sizeof(pid) || (n < 0 && errno == EINTR))
		if (n > 0)
			groups_take(&groups, pid);
	for (size_t i = 0; i < groups.n; i++)
		(void)kill(-groups.pid[i], SIGKILL);
	_exit(0);
}

struct guard *
guard_new(struct err *e)
{
	struct guard *g;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		(void)err_set(e, ERR_UPSTREAM, "no descriptors left (errno %d)", errno);
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		guard_run(fds[0]);
	(void)close(fds[0]);
	if (pid < 0) {
		(void)close(fds[1]);
		(void)err_set(e, ERR_UPSTREAM, "cannot fork (errno %d)", errno);
		return NULL;
	}
	g = mem_alloc(sizeof(*g));
	*g = (struct guard){ .magic = GUARD_MAGIC, .pid = pid, .fd = fds[1] };
	return g;
}

void
guard_free(struct guard **gp)
{
	struct guard *g = *gp;

	if (g == NULL)
		return;
	IS(g, GUARD_MAGIC);
	*gp = NULL;
	(void)close(g->fd);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	g->magic = 0;
	free(g);
}

int
guard_fd(const struct guard *g)
{
	IS(g, GUARD_MAGIC);
	return g->fd;
}

void
guard_add_self(int fd)
{
	pid_t pid = getpid();

	(void)!write(fd, &pid, sizeof(pid));
}

void
guard_drop(struct guard *g, int pid)
{
	pid_t gone = -pid;

	IS(g, GUARD_MAGIC);
	(void)!write(g->fd, &gone, sizeof(gone));
}
