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
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

#define CHILDREN_MAX 128

struct zygote { /* on its own stack, which no child inherits */
	int ctl;
	struct {
		pid_t pid; /* 0: free */
		uint32_t serial;
	} children[CHILDREN_MAX];
};

/* What a child knows by birth, written once; its order comes with clone(), in place of a pointer:
 * whatever the zygote wrote to for it would be a page to copy, in both. */
static struct {
	struct lock_limits limits;
	pid_t zygote;
	bool locked_ahead;
} born;
struct order {
	uint32_t arg;
	uint16_t op, fd;
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

static _Noreturn void
child(uintptr_t bits)
{
	struct order order;

	_Static_assert(sizeof(order) == sizeof(bits), "an order is what a pointer holds");
	memcpy(&order, &bits, sizeof(order));
	pages_ready();
	if (!born.locked_ahead || !lock_down(order.fd, born.zygote, &born.limits, vm_on_tick))
		_exit(WORKER_EXIT_LOCK);
	if (order.op == ZYGOTE_PROBE) {
		probe_try(order.arg, born.zygote);
		_exit(0); /* survived: the gateway takes that for a failed lock */
	}
	vm_serve(0);
}

static void
spawn(struct zygote *z, const struct zygote_ask *ask, int fd)
{
	struct zygote_say told = { .op = ZYGOTE_SPAWNED, .serial = ask->serial };
	struct order order = { .arg = ask->arg, .op = (uint16_t)ask->op, .fd = (uint16_t)fd };
	uintptr_t bits;
	size_t slot = 0;
	int pidfd = -1;

	memcpy(&bits, &order, sizeof(bits));
	while (slot < CHILDREN_MAX && z->children[slot].pid != 0)
		slot++;
	told.pid = slot == CHILDREN_MAX || fd > UINT16_MAX ? -1 : fork_to(child, bits, &pidfd);
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

/* What the zygote does with each child, and a child before it has a script: pages_rehearse(). */
#define AT(function) (uintptr_t)(function)
static const uintptr_t functions[] = { AT(zygote_serve), AT(reap), AT(spawn), AT(say), AT(hear),
	AT(child), AT(fork_to), AT(poll), AT(recvmsg), AT(sendmsg), AT(read), AT(wait4), AT(close),
	AT(pages_ready), AT(madvise), AT(lock_down), AT(prctl), AT(getppid), AT(dup2), AT(syscall),
	AT(setrlimit), AT(sigaction), AT(setitimer), AT(sigprocmask), AT(pages_rehearse),
	AT(bsearch) };

_Noreturn void
zygote_serve(int ctl, const struct jail *j, const struct lock_limits *limits)
{
	struct zygote z = { .ctl = ctl };
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
	if (signals < 0 || vm_new(limits->heap_bytes) == NULL)
		_exit(WORKER_EXIT_LOCK);
	born.limits = *limits;
	born.zygote = getpid();
	fork_quiet();
	vm_prepare(functions, sizeof(functions) / sizeof(*functions));
	born.locked_ahead = lock_ahead(limits);
	if (!fork_ready())
		_exit(WORKER_EXIT_LOCK);
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
