/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_rig - the loop in a thread of its own, so that a test can be client and upstream with plain
 * blocking sockets.
 *
 * Everything that belongs to the loop (listeners, calls, jobs) is touched only through on_loop(),
 * which runs a function there and waits for it.  Sockets of the test give up after 5 s: nothing
 * here waits for ever.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/text.h"
#include "tests/unit/check.h"

static struct {
	struct loop *loop;
	struct watch *watch;
	int wake;
	sem_t done;
	void (*fn)(void *);
	void *arg;
	pthread_t thread;
} rig;

static inline void
rig_cb(void *ctx, int events)
{
	uint64_t n;

	(void)ctx;
	(void)events;
	if (read(rig.wake, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return;
	rig.fn(rig.arg);
	(void)sem_post(&rig.done);
}

static void *
rig_main(void *arg)
{
	(void)arg;
	loop_run(rig.loop);
	return NULL;
}

/* Runs fn(arg) on the loop and waits for its return. */
static inline void
on_loop(void (*fn)(void *), void *arg)
{
	uint64_t one = 1;

	rig.fn = fn;
	rig.arg = arg;
	if (write(rig.wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
		abort();
	(void)sem_wait(&rig.done);
}

static inline void
rig_start(void)
{
	struct err e;

	log_setup(LOG_LEVEL_ERROR, false);
	rig.loop = loop_new(&e);
	rig.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)sem_init(&rig.done, 0, 0);
	rig.watch = watch_new(rig.loop, rig.wake, rig_cb, NULL);
	watch_set(rig.watch, WATCH_READ);
}

static inline void
rig_run(void)
{
	if (pthread_create(&rig.thread, NULL, rig_main, NULL) != 0)
		abort();
}

static inline void
rig_stop_cb(void *arg)
{
	(void)arg;
	loop_stop(rig.loop);
}

/* After it the loop belongs to the test's own thread. */
static inline void
rig_stop(void)
{
	on_loop(rig_stop_cb, NULL);
	(void)pthread_join(rig.thread, NULL);
}

static inline void
rig_free(void)
{
	watch_free(&rig.watch);
	loop_free(&rig.loop);
	(void)close(rig.wake);
	(void)sem_destroy(&rig.done);
}

/* ---- sockets of the test ---- */

static inline int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void
nap_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

/* Waits until *n is at least `want`; false after 5 s. */
static inline bool
wait_for(atomic_int *n, int want)
{
	for (int i = 0; i < 5000 && atomic_load(n) < want; i++)
		nap_ms(1);
	return atomic_load(n) >= want;
}

static inline void
limits_set(int fd)
{
	struct timeval t = { .tv_sec = 5 };
	int one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static inline int
dial(int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	limits_set(fd);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* A listening socket of the test's, its port in *port. */
static inline int
serve(int *port, int backlog)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, backlog) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &n) != 0)
		abort();
	limits_set(fd); /* accept() too gives up */
	*port = ntohs(sa.sin_port);
	return fd;
}

static inline int
take_conn(int fd)
{
	int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	if (c >= 0)
		limits_set(c);
	return c;
}

/* Nothing to read, and nobody to accept. */
static inline bool
silent(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 0;
}

static inline bool
put(int fd, struct str s)
{
	while (s.n > 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		s.p += n;
		s.n -= (size_t)n;
	}
	return true;
}

static inline bool
say(int fd, const char *text)
{
	return put(fd, str_of(text));
}

/* Adds what comes to b until it ends with (or, `anywhere`, contains) `mark`; false at the end of
 * the stream or after 5 s. */
static inline bool
hear(int fd, struct buf *b, const char *mark)
{
	char bytes[4096];

	while (b->n == 0 || memmem(b->p, b->n, mark, strlen(mark)) == NULL) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n <= 0)
			return false;
		buf_put(b, (struct str){ bytes, (size_t)n });
	}
	return true;
}

static inline bool
hear_n(int fd, struct buf *b, size_t total)
{
	char bytes[65536];

	while (b->n < total) {
		ssize_t n =
		    recv(fd, bytes, total - b->n < sizeof(bytes) ? total - b->n : sizeof(bytes), 0);

		if (n <= 0)
			return false;
		buf_put(b, (struct str){ bytes, (size_t)n });
	}
	return true;
}

/* Everything until the other side closes; false when it did not within 5 s. */
static inline bool
hear_end(int fd, struct buf *b)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		buf_put(b, (struct str){ bytes, (size_t)n });
	return n == 0 || errno == ECONNRESET;
}

static inline int
count_of(const struct buf *b, const char *what)
{
	int n = 0;
	size_t k = strlen(what);

	for (const char *p = b->p; p != NULL && b->n > 0; p += k) {
		p = memmem(p, b->n - (size_t)(p - b->p), what, k);
		if (p == NULL)
			break;
		n++;
	}
	return n;
}
