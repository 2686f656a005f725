/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse - the stream load of the benchmark.
 *
 *   sse PORT STREAMS SECONDS PATH [HEADER...]     prints "events N p50_us X p99_us Y bad Z"
 *   sse idle PORT N                               opens N connections, asks each for /healthz once,
 *                                                 prints "idle N", holds them until its input ends
 *   sse ask PORT PATH BODY [HEADER...]            posts once and prints the reply
 *
 * Each stream posts a small request with "stream":true, decodes the chunked reply, and takes each
 * "@TIME@" that the mock wrote as the moment the event left it: the difference to now is the
 * event's latency.  When a stream ends it asks again on the same connection.  A reply that is not
 * 200, or a connection that ends early, is counted as bad.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"

#define EVENTS_MAX  4000000
#define STREAMS_MAX 4096

enum state { HEAD, SIZE, DATA, DATA_END };
struct stream {
	int fd;
	enum state state;
	size_t left;     /* of the chunk */
	char line[4096]; /* the head, or a size line */
	size_t line_n;
	bool in_mark;
	int64_t mark;
};
struct load {
	struct stream streams[STREAMS_MAX];
	size_t n;
	uint32_t *latency_us;
	size_t events;
	long bad;
	char request[8192];
	size_t request_n;
	uint16_t port;
};

static int
dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port) };
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		perror("connect");
		exit(1);
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
stream_ask(struct load *l, struct stream *s)
{
	s->state = HEAD;
	s->line_n = 0;
	if (send(s->fd, l->request, l->request_n, MSG_NOSIGNAL) != (ssize_t)l->request_n)
		l->bad++;
}

/* Bytes of event text: finds @digits@. */
static void
scan(struct load *l, struct stream *s, const char *p, size_t n, int64_t at)
{
	for (size_t i = 0; i < n; i++) {
		if (!s->in_mark) {
			const char *m = memchr(p + i, '@', n - i);
			if (!m)
				return;
			i = (size_t)(m - p);
			s->in_mark = true;
			s->mark = 0;
		} else if (p[i] >= '0' && p[i] <= '9') {
			s->mark = s->mark * 10 + (p[i] - '0');
		} else {
			s->in_mark = false;
			if (p[i] == '@' && l->events < EVENTS_MAX)
				l->latency_us[l->events++] = (uint32_t)((at - s->mark) / 1000);
		}
	}
}

/* One byte of a head or a size line; false at a reply that is not what we measure. */
static bool
line_byte(struct load *l, struct stream *s, char c)
{
	if (s->line_n + 1 >= sizeof(s->line))
		return false;
	s->line[s->line_n++] = c;
	s->line[s->line_n] = 0;
	if (s->state == HEAD) {
		if (s->line_n < 4 || memcmp(s->line + s->line_n - 4, "\r\n\r\n", 4) != 0)
			return true;
		if (strncmp(s->line, "HTTP/1.1 200 ", 13) != 0 ||
		    !strcasestr(s->line, "transfer-encoding: chunked"))
			return false;
		s->state = SIZE;
		s->line_n = 0;
		return true;
	}
	if (c != '\n')
		return true;
	if (s->line_n > 2) { /* not the empty line after the last chunk */
		s->left = strtoul(s->line, NULL, 16);
		s->line_n = 0;
		if (s->left > 0)
			s->state = DATA;
		return true;
	}
	stream_ask(l, s);
	return true;
}

static bool
stream_read(struct load *l, struct stream *s)
{
	char buf[65536];
	ssize_t r = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	int64_t at = now_ns();
	if (r <= 0)
		return r < 0 && errno == EAGAIN;
	for (size_t i = 0; i < (size_t)r;) {
		if (s->state == DATA) {
			size_t n = (size_t)r - i < s->left ? (size_t)r - i : s->left;
			scan(l, s, buf + i, n, at);
			i += n;
			s->left -= n;
			if (s->left == 0)
				s->state = DATA_END;
		} else if (s->state == DATA_END) {
			if (buf[i++] == '\n')
				s->state = SIZE;
		} else if (!line_byte(l, s, buf[i++])) {
			return false;
		}
	}
	return true;
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void
request_build(struct load *l, const char *path, const char *body, char **headers, int headers_n)
{
	char lines[6000] = "";
	size_t n = 0;
	for (int i = 0; i < headers_n && n < sizeof(lines); i++)
		n += (size_t)snprintf(lines + n, sizeof(lines) - n, "%s\r\n", headers[i]);
	int r = snprintf(l->request, sizeof(l->request),
	    "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n%s"
	    "content-length: %zu\r\n\r\n%s",
	    path, lines, strlen(body), body);
	l->request_n = (size_t)r;
}

static void
run(struct load *l, int seconds)
{
	int64_t end = now_ns() + (int64_t)seconds * 1000000000;
	struct epoll_event ready[256];
	int ep = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < l->n; i++) {
		struct stream *s = &l->streams[i];
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
		s->fd = dial(l->port);
		if (epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e) != 0)
			l->bad++;
		stream_ask(l, s);
	}
	while (now_ns() < end) {
		int n = epoll_wait(ep, ready, 256, 100);
		for (int i = 0; i < n; i++) {
			struct stream *s = ready[i].data.ptr;
			if (stream_read(l, s))
				continue;
			if (l->bad++ < 3)
				fprintf(stderr, "sse: bad reply: %.200s\n", s->line);
			(void)epoll_ctl(ep, EPOLL_CTL_DEL, s->fd, NULL);
		}
	}
}

static int
idle(uint16_t port, long n)
{
	static const char ASK[] = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
	char buf[4096];
	for (long i = 0; i < n; i++) {
		int fd = dial(port);
		if (send(fd, ASK, sizeof(ASK) - 1, MSG_NOSIGNAL) < 0 ||
		    recv(fd, buf, sizeof(buf), 0) <= 0) {
			fprintf(stderr, "sse: idle connection %ld got no answer\n", i);
			return 1;
		}
	}
	printf("idle %ld\n", n);
	(void)fflush(stdout);
	while (read(0, buf, sizeof(buf)) > 0)
		;
	return 0;
}

static int
ask(struct load *l)
{
	char buf[65536];
	ssize_t n;
	int fd = dial(l->port);
	if (send(fd, l->request, l->request_n, MSG_NOSIGNAL) != (ssize_t)l->request_n)
		return 1;
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		(void)fwrite(buf, 1, (size_t)n, stdout);
	return 0;
}

int
main(int argc, char **argv)
{
	static struct load l;
	if (argc == 4 && strcmp(argv[1], "idle") == 0)
		return idle((uint16_t)strtoul(argv[2], NULL, 10), strtol(argv[3], NULL, 10));
	if (argc > 4 && strcmp(argv[1], "ask") == 0) {
		char close_it[] = "connection: close";
		char *headers[32] = { close_it };
		int n = 1;
		for (int i = 5; i < argc && n < 32; i++)
			headers[n++] = argv[i];
		l.port = (uint16_t)strtoul(argv[2], NULL, 10);
		request_build(&l, argv[3], argv[4], headers, n);
		return ask(&l);
	}
	if (argc < 5) {
		fputs("usage: sse PORT STREAMS SECONDS PATH [HEADER...]\n", stderr);
		return 2;
	}
	l.port = (uint16_t)strtoul(argv[1], NULL, 10);
	l.n = strtoul(argv[2], NULL, 10);
	l.latency_us = calloc(EVENTS_MAX, sizeof(*l.latency_us));
	if (l.n > STREAMS_MAX || !l.latency_us)
		return 2;
	request_build(&l, argv[4],
	    "{\"model\":\"claude-sonnet-4-6\",\"max_tokens\":100,\"stream\":true,"
	    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	    argv + 5, argc - 5);
	run(&l, (int)strtol(argv[3], NULL, 10));
	qsort(l.latency_us, l.events, sizeof(*l.latency_us), by_size);
	printf("events %zu p50_us %u p99_us %u bad %ld\n", l.events,
	    l.events ? l.latency_us[l.events / 2] : 0,
	    l.events ? l.latency_us[l.events * 99 / 100] : 0, l.bad);
	return l.bad || !l.events;
}
