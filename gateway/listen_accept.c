/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen_accept - the listening sockets: TCP addresses as numbers, and the local control socket.
 *
 * Ours instead of lws', because of accept4, of a bounded number of accepts per turn, and because
 * running out of descriptors must pause accepting instead of spinning.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/listen_conn.h"

#define ACCEPTS 64 /* per turn */

static void
accept_again(void *ctx)
{
	struct acceptor *a = ctx;

	watch_set(a->watch, WATCH_READ);
}

static void
accept_cb(void *ctx, int events)
{
	struct acceptor *a = ctx;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage sa = { 0 };
		socklen_t n = sizeof(sa);
		int fd = accept4(a->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && a->ls->open < (size_t)a->ls->limits.conns) {
			conn_adopt(a, fd, &sa, n);
			continue;
		}
		if (fd >= 0) {
			(void)close(fd);
			log_warn(NULL, "too many connections", F_INT("limit", a->ls->limits.conns));
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			log_error(NULL, "cannot accept", F_INT("errno", errno));
			watch_set(a->watch, 0);
			timer_set(a->ls->loop, &a->pause, 100, accept_again, a);
			return;
		}
	}
}

static struct acceptor *
acceptor_new(struct listeners *ls, int fd, const struct listen_handler *h, int tag)
{
	struct acceptor *a = mem_zalloc(sizeof(*a));

	a->ls = ls;
	a->fd = fd;
	a->handler = *h;
	a->tag = tag;
	a->watch = watch_new(ls->loop, fd, accept_cb, a);
	watch_set(a->watch, WATCH_READ);
	link_init(&a->link);
	link_push(&ls->acceptors, &a->link);
	return a;
}

static bool
address_split(const char *address, char host[64], char port[8])
{
	struct str s = str_of(address);
	const char *colon = s.n > 0 ? memrchr(s.p, ':', s.n) : NULL;

	if (colon == NULL)
		return false;
	s = STR_SPAN(address, colon);
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = (struct str){ s.p + 1, s.n - 2 };
	return s.n > 0 && str_copy(host, 64, s) && str_copy(port, 8, str_of(colon + 1));
}

/* The listening socket and its port, or -1 with errno. */
static int
tcp_socket(const struct addrinfo *ai, int *port)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);
	char name[8];
	int64_t number = 0;
	int one = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &n) != 0 ||
	    getnameinfo((struct sockaddr *)&sa, n, NULL, 0, name, sizeof(name), NI_NUMERICSERV) !=
		0 ||
	    !str_i64(str_of(name), &number)) {
		int why = errno;

		(void)close(fd);
		errno = why;
		return -1;
	}
	*port = (int)number;
	return fd;
}

int
listen_tcp(struct listeners *ls, const char *address, const struct tls_files *tls,
    const struct listen_handler *h, int tag, struct err *e)
{
	struct acceptor *a;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *ai = NULL;
	char host[64], port[8];
	int fd, number = 0;

	if (!address_split(address, host, port) || getaddrinfo(host, port, &hints, &ai) != 0) {
		(void)err_set(e, ERR_INVALID, "listen address \"%s\" is not IP:PORT", address);
		return -1;
	}
	fd = tcp_socket(ai, &number);
	freeaddrinfo(ai);
	if (fd < 0) {
		(void)err_set(e, ERR_INVALID, "cannot listen on %s (%s)", address,
		    errno == EADDRINUSE ? "the port is in use: stop what holds it, or change listen"
					: strerrorname_np(errno));
		return -1;
	}
	a = acceptor_new(ls, fd, h, tag);
	return (tls == NULL || tls->cert == NULL || acceptor_tls(a, tls, e)) && acceptor_vhost(a, e)
		   ? number
		   : -1;
}

bool
listen_unix(
    struct listeners *ls, const char *path, const struct listen_handler *h, int tag, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct acceptor *a;
	mode_t mask;
	int fd;
	bool ok;

	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(path)))
		return err_set(
		    e, ERR_INVALID, "the path %s is over 107 bytes (shorten data:)", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)unlink(path);
	mask = umask(0177);
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 64) == 0;
	(void)umask(mask);
	if (!ok) {
		(void)err_set(
		    e, ERR_STORE, "cannot listen on %s (%s)", path, strerrorname_np(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	a = acceptor_new(ls, fd, h, tag);
	return acceptor_vhost(a, e) && str_copy(a->path, sizeof(a->path), str_of(path));
}

void
acceptors_close(struct listeners *ls)
{
	LIST_EACH(it, &ls->acceptors) {
		struct acceptor *a = CONTAINER(it, struct acceptor, link);

		timer_stop(&a->pause);
		watch_free(&a->watch);
		if (a->fd >= 0)
			(void)close(a->fd);
		a->fd = -1;
		if (a->path[0] != '\0')
			(void)unlink(a->path);
		a->path[0] = '\0';
	}
}
