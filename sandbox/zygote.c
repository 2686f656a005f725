/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote - the client of sandbox/worker/zygote.c; the contract is in zygote.h.
 *
 * The program is started with an empty environment in a session of its own (a Ctrl-C in
 * our terminal is ours alone), with one descriptor: the control socket on 0.  Its end is seen by a
 * pidfd on the loop, so nothing waits.  That it dies with us is the worker program's own doing
 * (PR_SET_PDEATHSIG, and EOF on the control socket).
 */
#include "sandbox/zygote.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ZYGOTE_MAGIC 0x7a79676fu

struct zygote {
	uint32_t magic;
	const struct zygote_events *ev;
	void *ctx;
	pid_t pid; /* 0: ended and waited for */
	int ctl, pidfd;
	struct watch *ctl_watch, *pid_watch;
};

/* 0 or an errno. */
static int
spawn(char *const argv[], int ctl, pid_t *pid)
{
	static char *const no_environment[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	int e;

	(void)sigemptyset(&none);
	if (posix_spawn_file_actions_init(&files) != 0)
		return ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return ENOMEM;
	}
	e = posix_spawn_file_actions_adddup2(&files, ctl, 0);
	if (e == 0)
		e = posix_spawnattr_setsigmask(&attributes, &none);
	if (e == 0)
		e = posix_spawnattr_setflags(
		    &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	if (e == 0)
		e = posix_spawn(pid, argv[0], &files, &attributes, argv, no_environment);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&files);
	return e;
}

static void
on_ctl(void *ctx, int events)
{
	struct zygote *z = ctx;

	(void)events;
	for (int i = 0; i < 32; i++) {
		union {
			char room[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control = { { 0 } };
		struct zygote_say say;
		struct iovec bytes = { &say, sizeof(say) };
		struct msghdr m = { .msg_iov = &bytes,
			.msg_iovlen = 1,
			.msg_control = control.room,
			.msg_controllen = sizeof(control.room) };
		ssize_t n = recvmsg(z->ctl, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		struct cmsghdr *h;
		int fd = -1;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(say)) { /* EOF, or not ours */
			watch_set(z->ctl_watch, 0);
			zygote_kill(z);
			return;
		}
		h = CMSG_FIRSTHDR(&m);
		if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(h), sizeof(fd));
		say.why[sizeof(say.why) - 1] = '\0';
		z->ev->said(z->ctx, &say, fd);
	}
}

static void
on_end(void *ctx, int events)
{
	struct zygote *z = ctx;
	int status = 0;

	(void)events;
	if (waitpid(z->pid, &status, WNOHANG) != z->pid)
		return;
	z->pid = 0;
	watch_set(z->pid_watch, 0);
	on_ctl(z, WATCH_READ); /* its last words */
	watch_set(z->ctl_watch, 0);
	z->ev->ended(z->ctx, status);
}

struct zygote *
zygote_start(
    struct loop *l, char *const argv[], const struct zygote_events *ev, void *ctx, struct err *e)
{
	int ends[2], failed;
	struct zygote *z;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		(void)err_set(
		    e, ERR_INTERNAL, "no socket pair for the sandbox: %s", strerrordesc_np(errno));
		return NULL;
	}
	failed = spawn(argv, ends[1], &pid);
	close(ends[1]);
	if (failed != 0) {
		close(ends[0]);
		(void)err_set(
		    e, ERR_INTERNAL, "cannot start %s: %s", argv[0], strerrordesc_np(failed));
		return NULL;
	}
	z = mem_zalloc(sizeof(*z));
	*z = (struct zygote){ .magic = ZYGOTE_MAGIC,
		.ev = ev,
		.ctx = ctx,
		.pid = pid,
		.ctl = ends[0],
		.pidfd = (int)syscall(SYS_pidfd_open, pid, 0) };
	if (z->pidfd < 0) {
		(void)err_set(
		    e, ERR_INTERNAL, "no pidfd for the sandbox: %s", strerrordesc_np(errno));
		zygote_free(&z);
		return NULL;
	}
	z->ctl_watch = watch_new(l, z->ctl, on_ctl, z);
	watch_set(z->ctl_watch, WATCH_READ);
	z->pid_watch = watch_new(l, z->pidfd, on_end, z);
	watch_set(z->pid_watch, WATCH_READ);
	return z;
}

bool
zygote_ask(struct zygote *z, struct zygote_ask ask, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec bytes = { &ask, sizeof(ask) };
	struct msghdr m = { .msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };

	IS(z, ZYGOTE_MAGIC);
	control.align = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))
	};
	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	return sendmsg(z->ctl, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof(ask);
}

void
zygote_kill(struct zygote *z)
{
	IS(z, ZYGOTE_MAGIC);
	if (z->pid > 0)
		(void)kill(z->pid, SIGKILL);
}

void
zygote_free(struct zygote **pz)
{
	struct zygote *z = *pz;

	if (z == NULL)
		return;
	IS(z, ZYGOTE_MAGIC);
	*pz = NULL;
	watch_free(&z->ctl_watch);
	watch_free(&z->pid_watch);
	if (z->pid > 0) {
		struct pollfd gone = { z->ctl, POLLIN, 0 };
		char rest[256];

		(void)kill(z->pid, SIGKILL);
		(void)waitpid(z->pid, NULL, 0); /* killed: at most a scheduling delay */
		/* The namespace's first process, and with it the rest, holds the other end. */
		while (
		    poll(&gone, 1, 500) > 0 && recv(z->ctl, rest, sizeof(rest), MSG_DONTWAIT) > 0)
			;
	}
	if (z->pidfd >= 0)
		close(z->pidfd);
	close(z->ctl);
	z->magic = 0;
	free(z);
}
