/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mock - the far end of the benchmark: a model provider and a modern MCP server in one epoll loop.
 *
 *   mock EVENTS        prints "port N", then serves 127.0.0.1:N until it is killed
 *
 * POST …/v1/messages   a JSON reply of 1 KB; with "stream":true in the body, EVENTS server-sent
 *                      events, one a millisecond, each carrying the time it was written
 * POST …/mcp           server/discover, tools/list, tools/call, subscriptions/listen
 *
 * Bodies need a Content-Length.  It answers a whole request only, in order, and keeps connections
 * open; anything else is a 400, so that a run that measures the wrong thing fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"

#define CONNS_MAX      32768
#define REQUEST_BYTES  (4 * 1024 * 1024)
#define HEAD_BYTES_MAX 16384

struct conn {
	int fd;
	char *in;
	size_t in_n, in_cap;
	char *out; /* what the socket did not take */
	size_t out_n;
	int events_left; /* of the stream under way */
	size_t slot;     /* in streams[], when events_left > 0 */
};

struct mock {
	int epoll_fd, listen_fd, timer_fd;
	int events;
	struct conn *conns[CONNS_MAX];
	struct conn *streams[CONNS_MAX];
	size_t streams_n;
	char reply[2048];
	size_t reply_n;
};

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
stream_end(struct mock *m, struct conn *c)
{
	struct conn *last = m->streams[--m->streams_n];
	m->streams[c->slot] = last;
	last->slot = c->slot;
	c->events_left = 0;
}

static void
conn_close(struct mock *m, struct conn *c)
{
	if (c->events_left > 0)
		stream_end(m, c);
	m->conns[c->fd] = NULL;
	(void)close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
}

static bool
conn_send(struct mock *m, struct conn *c, const char *p, size_t n)
{
	ssize_t w = 0;
	if (c->out_n == 0) {
		w = send(c->fd, p, n, MSG_NOSIGNAL);
		if (w < 0 && errno != EAGAIN)
			return false;
		w = w < 0 ? 0 : w;
	}
	if ((size_t)w == n)
		return true;
	char *out = realloc(c->out, c->out_n + n - (size_t)w);
	if (!out)
		return false;
	memcpy(out + c->out_n, p + w, n - (size_t)w);
	c->out = out;
	c->out_n += n - (size_t)w;
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.fd = c->fd };
	return epoll_ctl(m->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) == 0;
}

static bool
conn_flush(struct mock *m, struct conn *c)
{
	ssize_t w = send(c->fd, c->out, c->out_n, MSG_NOSIGNAL);
	if (w < 0)
		return errno == EAGAIN;
	c->out_n -= (size_t)w;
	memmove(c->out, c->out + w, c->out_n);
	if (c->out_n > 0)
		return true;
	struct epoll_event e = { .events = EPOLLIN, .data.fd = c->fd };
	return epoll_ctl(m->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) == 0;
}

static bool
send_json(struct mock *m, struct conn *c, int status, const char *body, size_t n)
{
	char buf[4096];
	int len = snprintf(buf, sizeof(buf),
	    "HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%.*s",
	    status, status == 200 ? "OK" : "Bad Request", n, (int)n, body);
	return len > 0 && (size_t)len < sizeof(buf) && conn_send(m, c, buf, (size_t)len);
}

/* ---- the provider ---- */

static void
reply_build(struct mock *m)
{
	char text[800];
	char body[1100];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	int n = snprintf(body, sizeof(body),
	    "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-"
	    "sonnet-4-6\","
	    "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\","
	    "\"usage\":{\"input_tokens\":20,\"output_tokens\":10}}",
	    text);
	int r = snprintf(m->reply, sizeof(m->reply),
	    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_bench\r\n"
	    "content-length: %d\r\n\r\n%s",
	    n, body);
	m->reply_n = (size_t)r;
}

static bool
send_event(struct mock *m, struct conn *c, const char *name, const char *data)
{
	char event[1024], chunk[1100];
	int n = snprintf(event, sizeof(event), "event: %s\ndata: %s\n\n", name, data);
	int r = snprintf(chunk, sizeof(chunk), "%x\r\n%s\r\n", n, event);
	return conn_send(m, c, chunk, (size_t)r);
}

static bool
stream_begin(struct mock *m, struct conn *c)
{
	static const char HEAD[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
				   "transfer-encoding: chunked\r\n\r\n";
	if (!conn_send(m, c, HEAD, sizeof(HEAD) - 1) ||
	    !send_event(m, c, "message_start",
		"{\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench\",\"type\":"
		"\"message\","
		"\"role\":\"assistant\",\"model\":\"claude-sonnet-4-6\",\"content\":[],"
		"\"usage\":{\"input_tokens\":20,\"output_tokens\":1}}}"))
		return false;
	c->events_left = m->events;
	c->slot = m->streams_n;
	m->streams[m->streams_n++] = c;
	return true;
}

static bool
stream_tick(struct mock *m, struct conn *c)
{
	char data[256];
	if (c->events_left > 1) {
		(void)snprintf(data, sizeof(data),
		    "{\"type\":\"content_block_delta\",\"index\":0,"
		    "\"delta\":{\"type\":\"text_delta\",\"text\":\"@%lld@\"}}",
		    (long long)now_ns());
		c->events_left--;
		return send_event(m, c, "content_block_delta", data);
	}
	stream_end(m, c);
	return send_event(m, c, "message_delta",
		   "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
		   "\"usage\":{\"output_tokens\":10}}") &&
	       send_event(m, c, "message_stop", "{\"type\":\"message_stop\"}") &&
	       conn_send(m, c, "0\r\n\r\n", 5);
}

static void
tick(struct mock *m)
{
	uint64_t n;
	if (read(m->timer_fd, &n, sizeof(n)) != sizeof(n))
		return;
	/* Backwards: a stream that ends is replaced by the last one. */
	for (size_t i = m->streams_n; i-- > 0;) {
		struct conn *c = m->streams[i];
		if (!stream_tick(m, c))
			conn_close(m, c);
	}
}

/* ---- the tool server ---- */

/* The raw id: the bytes after the top-level "id": up to , or }. */
static size_t
rpc_id(const char *body, size_t n, const char **id)
{
	const char *p = memmem(body, n, "\"id\":", 5);
	if (!p)
		return 0;
	p += 5;
	*id = p;
	const char *end = body + n;
	while (p < end && *p != ',' && *p != '}')
		p++;
	return (size_t)(p - *id);
}

static bool
has(const char *p, size_t n, const char *word)
{
	return memmem(p, n, word, strlen(word)) != NULL;
}

static bool
listen_reply(struct mock *m, struct conn *c, const char *id, size_t id_n)
{
	char event[400], buf[700];
	int n = snprintf(event, sizeof(event),
	    "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\","
	    "\"params\":{\"notifications\":{\"toolsListChanged\":true},"
	    "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%.*s}}}\n\n",
	    (int)id_n, id);
	int r = snprintf(buf, sizeof(buf),
	    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
	    "transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n",
	    n, event);
	return conn_send(m, c, buf, (size_t)r);
}

static bool
mcp_reply(struct mock *m, struct conn *c, const char *body, size_t n)
{
	const char *id = "null";
	size_t id_n = rpc_id(body, n, &id);
	const char *result;
	char buf[2048];
	if (id_n == 0)
		return send_json(m, c, 400, "{}", 2);
	if (has(body, n, "\"subscriptions/listen\""))
		return listen_reply(m, c, id, id_n);
	if (has(body, n, "\"server/discover\""))
		result =
		    "{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{"
		    "\"listChanged\":true}},"
		    "\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\",\"_meta\":{"
		    "\"io.modelcontextprotocol/"
		    "serverInfo\":{\"name\":\"bench\",\"version\":\"1.0.0\"}}}";
	else if (has(body, n, "\"tools/list\""))
		result =
		    "{\"tools\":[{\"name\":\"echo\",\"description\":\"Answers.\",\"inputSchema\":"
		    "{\"type\":\"object\"}}],\"resultType\":\"complete\",\"ttlMs\":0,"
		    "\"cacheScope\":\"private\"}";
	else if (has(body, n, "\"tools/call\""))
		result = "{\"content\":[{\"type\":\"text\",\"text\":\"an answer of the usual "
			 "length, more or less\"}],"
			 "\"resultType\":\"complete\"}";
	else
		return send_json(m, c, 400, "{}", 2);
	int r = snprintf(buf, sizeof(buf), "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":%s}",
	    (int)id_n, id, result);
	return r > 0 && (size_t)r < sizeof(buf) && send_json(m, c, 200, buf, (size_t)r);
}

/* ---- requests ---- */

static bool
answer(struct mock *m, struct conn *c, const char *head, size_t head_n, const char *body, size_t n)
{
	const char *eol = memchr(head, '\r', head_n);
	size_t line_n = (size_t)(eol - head);
	if (has(head, line_n, "/mcp"))
		return mcp_reply(m, c, body, n);
	if (has(head, line_n, "/v1/messages"))
		return has(body, n, "\"stream\":true") ? stream_begin(m, c)
						       : conn_send(m, c, m->reply, m->reply_n);
	if (has(head, line_n, "GET /healthz"))
		return send_json(m, c, 200, "{}", 2);
	return send_json(m, c, 400, "{}", 2);
}

/* One whole request from the front of in[]; 0 when it is not there yet, -1 to close. */
static ssize_t
consume(struct mock *m, struct conn *c)
{
	char *end =
	    memmem(c->in, c->in_n < HEAD_BYTES_MAX ? c->in_n : HEAD_BYTES_MAX, "\r\n\r\n", 4);
	size_t body_n = 0;
	if (!end)
		return c->in_n >= HEAD_BYTES_MAX ? -1 : 0;
	size_t head_n = (size_t)(end - c->in) + 4;
	*end = 0; /* so that strcasestr stops */
	const char *cl = strcasestr(c->in, "\r\ncontent-length:");
	if (cl)
		body_n = strtoul(cl + 17, NULL, 10);
	*end = '\r';
	if (body_n > REQUEST_BYTES)
		return -1;
	if (c->in_n < head_n + body_n)
		return 0;
	return answer(m, c, c->in, head_n, c->in + head_n, body_n) ? (ssize_t)(head_n + body_n)
								   : -1;
}

static bool
conn_read(struct mock *m, struct conn *c)
{
	if (c->in_cap - c->in_n < 65536) {
		char *in = realloc(c->in, c->in_cap + 131072);
		if (!in || c->in_cap > REQUEST_BYTES + HEAD_BYTES_MAX)
			return false;
		c->in = in;
		c->in_cap += 131072;
	}
	ssize_t r = recv(c->fd, c->in + c->in_n, c->in_cap - c->in_n, 0);
	if (r <= 0)
		return r < 0 && errno == EAGAIN;
	c->in_n += (size_t)r;
	while (c->in_n > 0 && c->events_left == 0) {
		ssize_t used = consume(m, c);
		if (used < 0)
			return false;
		if (used == 0)
			break;
		c->in_n -= (size_t)used;
		memmove(c->in, c->in + used, c->in_n);
	}
	return true;
}

static void
accept_all(struct mock *m)
{
	int one = 1;
	for (;;) {
		int fd = accept4(m->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct conn *c = fd < CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;
		struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
		if (!c || epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
			free(c);
			(void)close(fd);
			continue;
		}
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->fd = fd;
		m->conns[fd] = c;
	}
}

static void
mock_start(struct mock *m)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	struct itimerspec each_ms = { { 0, 1000000 }, { 0, 1000000 } };
	m->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(m->listen_fd, (struct sockaddr *)&a, n) != 0 || listen(m->listen_fd, 4096) != 0 ||
	    getsockname(m->listen_fd, (struct sockaddr *)&a, &n) != 0)
		die("listen");
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (m->epoll_fd < 0 || m->timer_fd < 0 ||
	    timerfd_settime(m->timer_fd, 0, &each_ms, NULL) != 0)
		die("epoll");
	const int own[2] = { m->listen_fd, m->timer_fd };
	for (int i = 0; i < 2; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = own[i] };
		if (epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, own[i], &e) != 0)
			die("epoll_ctl");
	}
	printf("port %d\n", ntohs(a.sin_port));
	(void)fflush(stdout);
}

static void
dispatch(struct mock *m, const struct epoll_event *e)
{
	struct conn *c = m->conns[e->data.fd];
	if (e->data.fd == m->listen_fd)
		accept_all(m);
	else if (e->data.fd == m->timer_fd)
		tick(m);
	else if (c && (e->events & EPOLLOUT) && !conn_flush(m, c))
		conn_close(m, c);
	else if (c && (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !conn_read(m, c))
		conn_close(m, c);
}

int
main(int argc, char **argv)
{
	static struct mock m;
	struct epoll_event ready[256];
	m.events = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200;
	reply_build(&m);
	mock_start(&m);
	for (;;) {
		int n = epoll_wait(m.epoll_fd, ready, 256, -1);
		for (int i = 0; i < n; i++)
			dispatch(&m, &ready[i]);
	}
}
