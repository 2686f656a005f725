/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote - forks locked workers on request and tells how they ended.
 *
 *	ask SPAWN + socket --> fork --> child: lock, warm up, read RUN, run, exit
 *	                          \--> say SPAWNED + pidfd ... say REAPED with the kernel's figures
 *
 * It holds a built and warmed Lua state that every child gets by copy-on-write, and never touches a
 * byte that a script or a tool wrote.  It ends when the control socket does; its children, and all
 * of its pid namespace, end with it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

#define CHILDREN_MAX 128

struct zygote {
	int ctl;
	pid_t self;
	const struct lock_limits *limits;
	bool locked_ahead;
	struct {
		pid_t pid; /* 0: free */
		uint32_t serial;
	} children[CHILDREN_MAX];
};

static void
say(struct zygote *z, const struct zygote_say *what, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct zygote_say copy = *what;
	struct iovec bytes = { &copy, sizeof(copy) };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	if (sendmsg(z->ctl, &m, MSG_NOSIGNAL) < 0)
		_exit(0);
}

/* The next request; exits when there will be none. */
static struct zygote_ask
hear(struct zygote *z, int *fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct zygote_ask ask = { 0 };
	struct iovec bytes = { &ask, sizeof(ask) };
	struct msghdr m = { .msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(z->ctl, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h;

	*fd = -1;
	if (n <= 0)
		_exit(0);
	h = CMSG_FIRSTHDR(&m);
	if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(h), sizeof(*fd));
	return ask;
}

/* fork() without what libc does around it: there are no threads here, and each page that it writes
 * to is one to copy, in the child and again in the zygote. */
static pid_t
fork_to(int *pidfd)
{
	return (pid_t)syscall(SYS_clone, ZYGOTE_FORK_FLAGS, NULL, pidfd, NULL, 0);
}

static _Noreturn void
child(struct zygote *z, const struct zygote_ask *ask, int fd)
{
	pages_ready();
	if (!z->locked_ahead || !lock_down(fd, z->self, z->limits, vm_on_tick))
		_exit(WORKER_EXIT_LOCK);
	if (ask->op == ZYGOTE_PROBE) {
		probe_try(ask->arg, z->self);
		_exit(0); /* survived: the gateway takes that for a failed lock */
	}
	vm_serve(0);
}

static void
spawn(struct zygote *z, const struct zygote_ask *ask, int fd)
{
	struct zygote_say told = { .op = ZYGOTE_SPAWNED, .serial = ask->serial };
	size_t slot = 0;
	int pidfd = -1;

	while (slot < CHILDREN_MAX && z->children[slot].pid != 0)
		slot++;
	told.pid = slot < CHILDREN_MAX ? fork_to(&pidfd) : -1;
	if (told.pid == 0)
		child(z, ask, fd);
	if (told.pid < 0) {
		told = (struct zygote_say){
			.op = ZYGOTE_REAPED, .serial = ask->serial, .status = WORKER_EXIT_LOCK << 8
		};
		say(z, &told, -1);
		return;
	}
	z->children[slot].pid = told.pid;
	z->children[slot].serial = ask->serial;
	say(z, &told, pidfd);
	close(pidfd);
}

static void
reap(struct zygote *z, int signals)
{
	struct signalfd_siginfo drained;
	struct rusage used;
	pid_t pid;
	int status;

	(void)!read(signals, &drained, sizeof(drained)); /* never more than one is pending */
	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		for (size_t i = 0; i < CHILDREN_MAX; i++) {
			struct zygote_say told = { .op = ZYGOTE_REAPED };

			if (z->children[i].pid != pid)
				continue;
			z->children[i].pid = 0;
			told.serial = z->children[i].serial;
			told.pid = pid;
			told.status = status;
			told.utime_us = used.ru_utime.tv_sec * 1000000L + used.ru_utime.tv_usec;
			told.stime_us = used.ru_stime.tv_sec * 1000000L + used.ru_stime.tv_usec;
			told.maxrss_kb = used.ru_maxrss;
			say(z, &told, -1);
		}
	}
}

_Noreturn void
zygote_serve(int ctl, const struct jail *j, const struct lock_limits *limits)
{
	struct zygote z = { .ctl = ctl, .self = getpid(), .limits = limits };
	struct zygote_say hello = {
		.op = ZYGOTE_HELLO, .layers = j->layers, .landlock_abi = j->landlock_abi
	};
	sigset_t watched;
	int signals;

	memcpy(hello.why, j->why, sizeof(hello.why));
	if ((j->layers & LAYER_UID) == 0) { /* the gateway learns why, and that is all */
		say(&z, &hello, -1);
		_exit(WORKER_EXIT_LOCK);
	}
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigprocmask(SIG_BLOCK, &watched, NULL);
	signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	heap_reserve(limits->heap_bytes);
	if (signals < 0 || vm_new(limits->heap_bytes) == NULL)
		_exit(WORKER_EXIT_LOCK);
	vm_prepare();
	z.locked_ahead = lock_ahead(limits);
	(void)lock_zygote(); /* without seccomp no worker can be locked either: the probes tell */
	say(&z, &hello, -1);
	for (;;) {
		struct pollfd p[2] = { { ctl, POLLIN, 0 }, { signals, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents != 0)
			reap(&z, signals);
		if ((p[0].revents & POLLIN) != 0) {
			int fd;
			struct zygote_ask ask = hear(&z, &fd);

			if (fd >= 0)
				spawn(&z, &ask, fd);
			close(fd);
		} else if (p[0].revents != 0) {
			_exit(0);
		}
	}
}
