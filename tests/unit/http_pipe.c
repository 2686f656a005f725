/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_pipe - the listener, driven with bytes: what broke other servers, and every way a client may
 * behave.
 */
#include "base/http.h"
#include "gateway/listen.h"
#include "tests/unit/http_rig.h"

#define HOST   "Host: a\r\n"
#define BIG    (24 * 1024 * 1024)
#define POST_5 "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"

static struct listeners *all;
static struct http_pool *pool;
static struct origin *up;
static int port;
static atomic_int requests, gones, bads;
static atomic_long pushed;
static char peer[64];
static uid_t peer_uid;

/* One reply in the making; freed with it. */
struct task {
	struct job job;
	struct conn *c;
	size_t left;
	struct http_call *call;
	bool headed;
};

static void
task_reap(struct job *j)
{
	free(CONTAINER(j, struct task, job));
}
static const struct job_type task_type = { "task", NULL, task_reap };

static void
task_gone(void *ctx)
{
	struct task *t = ctx;

	atomic_fetch_add(&gones, 1);
	job_cancel(&t->job);
	sink_end(conn_sink(t->c), NULL);
}

static struct task *
task_new(struct conn *c)
{
	struct task *t = mem_zalloc(sizeof(*t));

	job_init(&t->job, &task_type, NULL, NULL, NULL);
	t->c = c;
	conn_on_gone(c, task_gone, t);
	return t;
}

static void
task_end(struct task *t, const struct err *e)
{
	struct sink *s = conn_sink(t->c);

	conn_on_gone(t->c, NULL, NULL);
	job_finish(&t->job, NULL);
	sink_end(s, e);
}

/* ---- /big: as much as there is room for ---- */

static void
big_push(void *ctx)
{
	static const char bytes[32768] = { 'x' };
	struct task *t = ctx;
	size_t room = 1;

	while (t->left > 0 && room > 0) {
		size_t n = t->left < sizeof(bytes) ? t->left : sizeof(bytes);

		t->left -= n;
		atomic_fetch_add(&pushed, (long)n);
		room = sink_push(conn_sink(t->c), (struct str){ bytes, n });
	}
	if (t->left == 0)
		task_end(t, NULL);
}

static void
big_start(struct conn *c, int64_t length)
{
	struct task *t = task_new(c);

	t->left = BIG;
	conn_sink(c)->drained = big_push;
	conn_sink(c)->drained_ctx = t;
	sink_head(conn_sink(c), 200, NULL, 0, length);
	big_push(t);
}

/* ---- /up: through the client library to the upstream ---- */

static void
up_drained(void *ctx)
{
	struct task *t = ctx;

	http_resume(t->call);
}

static void
up_head(void *ctx, const struct http1_head *h)
{
	struct task *t = ctx;

	t->headed = true;
	sink_head(
	    conn_sink(t->c), h->status, NULL, 0, h->framing == HTTP1_LENGTH ? h->length_bytes : -1);
}

static bool
up_data(void *ctx, struct str bytes)
{
	struct task *t = ctx;

	return sink_push(conn_sink(t->c), bytes) > 0;
}

static void
up_done(void *ctx, const struct err *e)
{
	struct task *t = ctx;

	if (!t->headed)
		sink_head(conn_sink(t->c), err_http(e->code), NULL, 0, 0);
	task_end(t, t->headed ? e : NULL);
}
static const struct http_events up_events = { up_head, up_data, up_done };

static void
up_start(struct conn *c, const struct http1_head *h, struct str body)
{
	struct task *t = task_new(c);
	struct http_request r = { .origin = up, .method = h->method, .target = h->target };
	struct err e;

	r.body[0] = body;
	conn_sink(c)->drained = up_drained;
	conn_sink(c)->drained_ctx = t;
	t->call = http_start(&t->job, &r, &up_events, t, &e);
	CHECK(t->call != NULL);
}

/* ---- the handler ---- */

static void
answer(struct conn *c, int status, struct str body)
{
	static const struct header h[] = { { { "content-type", 12 }, { "text/plain", 10 } } };

	sink_head(conn_sink(c), status, h, 1, (int64_t)body.n);
	sink_push(conn_sink(c), body);
	sink_end(conn_sink(c), NULL);
}

static struct conn *held; /* one reply whose head is held; one test at a time */

static void
on_request(void *ctx, struct conn *c, const struct http1_head *h, struct str body)
{
	struct err e;

	(void)ctx;
	atomic_fetch_add(&requests, 1);
	(void)str_copy(peer, sizeof(peer), conn_peer(c));
	peer_uid = conn_uid(c);
	if (str_starts(h->target, STR("/up"))) {
		up_start(c, h, body);
	} else if (str_eq(h->target, STR("/hang"))) {
		(void)task_new(c);
	} else if (str_eq(h->target, STR("/held"))) {
		held = c;
		sink_head(conn_sink(c), 200, NULL, 0, 5);
		sink_hold(conn_sink(c));
	} else if (str_eq(h->target, STR("/release"))) {
		sink_push(conn_sink(held), STR("whole"));
		sink_end(conn_sink(held), NULL);
		answer(c, 200, body);
	} else if (str_eq(h->target, STR("/big"))) {
		big_start(c, BIG);
	} else if (str_eq(h->target, STR("/big-chunked"))) {
		big_start(c, -1);
	} else if (str_eq(h->target, STR("/broken"))) {
		sink_head(conn_sink(c), 200, NULL, 0, -1);
		sink_push(conn_sink(c), STR("half"));
		(void)err_set(&e, ERR_UPSTREAM, "broke");
		sink_end(conn_sink(c), &e);
	} else if (str_eq(h->target, STR("/split"))) {
		static const struct header bad = { { "x", 1 }, { "a\r\nset-cookie: b", 16 } };

		sink_head(conn_sink(c), 200, &bad, 1, 2);
		sink_push(conn_sink(c), STR("hi"));
		sink_end(conn_sink(c), NULL);
	} else {
		answer(c, 200, body);
	}
}

static void
on_bad(void *ctx, struct conn *c, const struct err *e, struct str target)
{
	(void)ctx;
	(void)target;
	atomic_fetch_add(&bads, 1);
	answer(c, err_http(e->code), str_of(err_word(e->code)));
}
static const struct listen_handler handler = { on_request, on_bad, NULL };

/* ---- helpers ---- */

/* Sends, hears until the close, compares the status and expects one reply. */
static void
refused(const char *name, const char *bytes, const char *status)
{
	struct buf b;
	int fd = dial(port);

	TEST(name);
	buf_init(&b, 0);
	CHECK(say(fd, bytes));
	CHECK(hear_end(fd, &b));
	CHECK(b.n > 12 && memcmp(b.p + 9, status, 3) == 0);
	CHECK_EQ_I(count_of(&b, "HTTP/1.1 "), 1);
	if (b.n > 0 && memcmp(b.p + 9, status, 3) != 0)
		printf("    got %.40s\n", buf_cstr(&b));
	buf_fini(&b);
	(void)close(fd);
}

/* One exchange, and the connection is still good afterwards. */
static void
echoed(const char *name, const char *bytes, size_t segment, const char *want, int replies)
{
	struct str s = str_of(bytes);
	struct buf b;
	int fd = dial(port);

	TEST(name);
	buf_init(&b, 0);
	for (; s.n > 0; s.p += segment, s.n -= segment) {
		if (segment > s.n)
			segment = s.n;
		CHECK(put(fd, (struct str){ s.p, segment }));
		if (segment < 200 && s.n > segment)
			nap_ms(segment == 1 ? 0 : 10);
	}
	while (count_of(&b, "HTTP/1.1 200") < replies || count_of(&b, want) < 1)
		if (!CHECK(hear_n(fd, &b, b.n + 1)))
			break;
	CHECK_EQ_I(count_of(&b, "HTTP/1.1 200"), replies);
	(void)say(fd, "GET /last HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	CHECK(hear_end(fd, &b));
	CHECK_EQ_I(count_of(&b, "HTTP/1.1 200"), replies + 1);
	buf_fini(&b);
	(void)close(fd);
}

/* ---- tests ---- */

static void
test_pipelines(void)
{
	echoed("two POSTs in one segment",
	    POST_5 "helloPOST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nworld", 9999,
	    "world", 2);
	echoed("five in one segment",
	    POST_5 "1____" POST_5 "2____GET /a HTTP/1.1\r\n" HOST "\r\n" POST_5 "4____" POST_5
		   "5____",
	    9999, "5____", 5);
	echoed("two POSTs, seven bytes at a time", POST_5 "hello" POST_5 "world", 7, "world", 2);
	echoed("two POSTs, a byte at a time", POST_5 "hello" POST_5 "world", 1, "world", 2);
	echoed("the end of a body and the next request come together",
	    POST_5 "hello" POST_5 "world", sizeof(POST_5) - 1 + 2, "world", 2);
	echoed("a chunked body",
	    "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
	    "3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\nX: y\r\n\r\n" POST_5 "world",
	    9999, "hello", 2);
	echoed("a chunked body, a byte at a time",
	    "POST /echo HTTP/1.1\r\n" HOST
	    "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\nX: y\r\n\r\n" POST_5
	    "world",
	    1, "hello", 2);
	echoed("empty lines before a request", "\r\n\r\n" POST_5 "hello", 9999, "hello", 1);
}

static void
test_smuggling(void)
{
	refused("two differing lengths",
	    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
	    "400");
	refused("a list of lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello",
	    "400");
	refused(
	    "a signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello", "400");
	refused("a length beside chunked",
	    "POST / HTTP/1.1\r\n" HOST
	    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    "400");
	refused("a coding that is not chunked",
	    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400");
	refused("chunked twice",
	    "POST / HTTP/1.1\r\n" HOST
	    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    "400");
	refused("chunked in HTTP/1.0",
	    "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400");
	refused("space before a colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400");
	refused("a folded line", "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "400");
	refused("no host", "GET / HTTP/1.1\r\n\r\n", "400");
	refused("two hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", "400");
	refused("a bare LF", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400");
	refused("a bare CR in a value", "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", "400");
	refused("HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", "400");
	refused("no number in a chunk size",
	    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400");
	refused("a chunk longer than it says",
	    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nabc", "400");
	refused("a POST without a length", "POST / HTTP/1.1\r\n" HOST "\r\n", "411");
	refused("a length over the limit",
	    "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n", "413");
	refused("a slow head", "GET / HTT", "408");
	refused("a slow body", POST_5 "hel", "408");
}

static void
test_too_large(void)
{
	struct buf b, out;
	int fd;

	TEST("headers over the limit are answered");
	buf_init(&b, 0);
	buf_init(&out, 0);
	buf_puts(&out, "GET / HTTP/1.1\r\n" HOST "X: ");
	for (int i = 0; i < 70000; i++)
		buf_putc(&out, 'x');
	fd = dial(port);
	(void)put(fd, buf_str(&out));
	CHECK(hear(fd, &b, "431"));
	(void)close(fd);

	TEST("a chunked body over the limit is answered while it is being sent");
	buf_reset(&b);
	fd = dial(port);
	(void)say(fd, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	buf_reset(&out);
	buf_puts(&out, "10000\r\n");
	for (int i = 0; i < 65536; i++)
		buf_putc(&out, 'x');
	buf_puts(&out, "\r\n");
	for (int i = 0; i < 20; i++)
		(void)put(fd, buf_str(&out));
	CHECK(hear(fd, &b, "413"));
	(void)close(fd);
	buf_fini(&b);
	buf_fini(&out);
}

static void
test_continue(void)
{
	struct buf b;
	int fd = dial(port);

	TEST("100-continue is answered, and only when the body is still to come");
	buf_init(&b, 0);
	(void)say(
	    fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	CHECK(hear(fd, &b, "HTTP/1.1 100 Continue\r\n\r\n"));
	(void)say(fd, "hello");
	CHECK(hear(fd, &b, "hello"));
	(void)say(fd, "POST /echo HTTP/1.1\r\n" HOST
		      "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nworld");
	CHECK(hear(fd, &b, "world"));
	CHECK_EQ_I(count_of(&b, "100 Continue"), 1);
	buf_fini(&b);
	(void)close(fd);
}

static void
test_gone(void)
{
	struct linger hard = { 1, 0 };
	int before, fd;

	for (int i = 0; i < 4; i++) {
		TEST(i < 2 ? "a FIN while waiting is seen" : "a RST while waiting is seen");
		before = atomic_load(&gones);
		fd = dial(port);
		(void)say(fd, i % 2 == 0 ? "GET /hang HTTP/1.1\r\n" HOST "\r\n"
					 : "POST /hang HTTP/1.1\r\n" HOST
					   "Content-Length: 2\r\n\r\nhi");
		nap_ms(20);
		CHECK_EQ_I(atomic_load(&gones), before);
		if (i >= 2)
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		(void)close(fd);
		CHECK(wait_for(&gones, before + 1));
	}
	TEST("gone, with a pipelined request waiting");
	before = atomic_load(&gones);
	fd = dial(port);
	(void)say(fd, "GET /hang HTTP/1.1\r\n" HOST "\r\n" POST_5 "hello");
	nap_ms(20);
	(void)close(fd);
	CHECK(wait_for(&gones, before + 1));
	TEST("gone in the middle of a stream");
	fd = dial(port);
	(void)say(fd, "GET /big-chunked HTTP/1.1\r\n" HOST "\r\n");
	nap_ms(50);
	(void)close(fd);
	CHECK(wait_for(&gones, before + 2));
}

/* The producer must stop when nobody reads, and everything must arrive afterwards. */
static void
test_slow_reader(void)
{
	struct buf b;
	int small = 32768, fd = dial(port), gone;
	long before = atomic_load(&pushed);

	TEST("a slow reader stops the producer, and gets everything");
	buf_init(&b, BIG + 4096);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	(void)say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
	nap_ms(200);
	CHECK(atomic_load(&pushed) - before < 2 * 1024 * 1024);
	printf("    stalled with %ld KiB taken from the producer\n",
	    (atomic_load(&pushed) - before) / 1024);
	CHECK(hear(fd, &b, "\r\n\r\n"));
	CHECK(hear_n(fd, &b, (size_t)BIG + (size_t)(strstr(buf_cstr(&b), "\r\n\r\n") - b.p) + 4));
	(void)say(fd, POST_5 "hello");
	buf_reset(&b);
	CHECK(hear(fd, &b, "hello"));
	(void)close(fd);
	TEST("a client that reads nothing at all is cut");
	fd = dial(port);
	gone = atomic_load(&gones);
	(void)say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
	CHECK(wait_for(&gones, gone + 1));
	buf_fini(&b);
	(void)close(fd);
}

static void
test_ends(void)
{
	struct buf b;
	int fd = dial(port);

	buf_init(&b, 0);
	TEST("a reply that broke off does not look whole");
	(void)say(fd, "GET /broken HTTP/1.1\r\n" HOST "\r\n");
	CHECK(hear_end(fd, &b));
	CHECK_EQ_I(count_of(&b, "0\r\n\r\n"), 0);
	(void)close(fd);
	TEST("a header that would split the reply is not sent");
	buf_reset(&b);
	fd = dial(port);
	(void)say(fd, "GET /split HTTP/1.1\r\n" HOST "\r\n");
	CHECK(hear_end(fd, &b));
	CHECK_EQ_I(b.n, 0);
	(void)close(fd);
	TEST("HEAD has a length and no body");
	buf_reset(&b);
	fd = dial(port);
	(void)say(fd,
	    "HEAD /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nConnection: close\r\n\r\nhello");
	CHECK(hear_end(fd, &b));
	CHECK_EQ_I(count_of(&b, "content-length: 5"), 1);
	CHECK_EQ_I(count_of(&b, "hello"), 0);
	(void)close(fd);
	TEST("HTTP/1.0 closes after the reply and gets no chunks");
	buf_reset(&b);
	fd = dial(port);
	(void)say(fd, "GET /big-chunked HTTP/1.0\r\n\r\n");
	CHECK(hear_end(fd, &b));
	CHECK(b.n > BIG && b.n < BIG + 400);
	(void)close(fd);
	TEST("an idle connection closes in time, silently");
	buf_reset(&b);
	fd = dial(port);
	CHECK(hear_end(fd, &b));
	CHECK_EQ_I(b.n, 0);
	(void)close(fd);
	buf_fini(&b);
}

static void
test_local(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct buf b;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	TEST("a unix socket tells who is calling");
	buf_init(&b, 0);
	limits_set(fd);
	(void)str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(path));
	CHECK(connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	(void)say(fd, POST_5 "hello");
	CHECK(hear(fd, &b, "hello"));
	CHECK_EQ_I(peer_uid, getuid());
	CHECK(strncmp(peer, "local:", 6) == 0);
	(void)close(fd);
	buf_fini(&b);
}

/* The replies on the other connection come from later turns of the loop. */
static void
held_head(void)
{
	int fd = dial(port), other = dial(port), before = atomic_load(&requests);
	struct buf b;

	buf_init(&b, 0);
	(void)say(fd, "GET /held HTTP/1.1\r\n" HOST "\r\n");
	CHECK(wait_for(&requests, before + 1));
	(void)say(other, POST_5 "later");
	CHECK(hear(other, &b, "later"));
	CHECK(silent(fd, 0));
	(void)say(other, "GET /release HTTP/1.1\r\n" HOST "\r\n");
	buf_reset(&b);
	CHECK(hear(fd, &b, "whole"));
	CHECK_EQ_I(count_of(&b, "HTTP/1.1 200"), 1);
	buf_fini(&b);
	(void)close(fd);
	(void)close(other);
}

static void
test_through(int server)
{
	struct buf b, q;
	int fd = dial(port), u, before;

	buf_init(&b, BIG + 4096);
	buf_init(&q, 0);
	TEST("a request goes through, and a pipelined one waits for its turn");
	(void)say(
	    fd, "POST /up/1 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" POST_5 "world");
	u = take_conn(server);
	CHECK(hear(u, &q, "hello"));
	CHECK_EQ_I(count_of(&q, "POST /up/1 HTTP/1.1\r\nhost: 127.0.0.1:"), 1);
	nap_ms(20);
	(void)say(u, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
	CHECK(hear(fd, &b, "3\r\none\r\n"));
	CHECK_EQ_I(count_of(&b, "world"), 0);
	(void)say(u, "0\r\n\r\n");
	CHECK(hear(fd, &b, "world"));

	TEST("a head, and a small part of a body, do not wait for what follows");
	buf_reset(&q);
	buf_reset(&b);
	(void)say(fd, "GET /up/1b HTTP/1.1\r\n" HOST "\r\n");
	CHECK(hear(u, &q, "\r\n\r\n"));
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
	CHECK(hear(fd, &b, "\r\n\r\n"));
	(void)say(u, "part-");
	CHECK(hear(fd, &b, "part-"));
	(void)say(u, "rest");
	CHECK(hear(fd, &b, "rest"));

	TEST("a head that is held leaves with the first of the body");
	held_head();

	TEST("a client that goes in mid-stream closes the upstream's connection");
	before = atomic_load(&gones);
	buf_reset(&q);
	(void)say(fd, "GET /up/2 HTTP/1.1\r\n" HOST "\r\n");
	CHECK(hear(u, &q, "\r\n\r\n"));
	(void)say(u, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n");
	CHECK(hear(fd, &b, "two"));
	(void)close(fd);
	CHECK(wait_for(&gones, before + 1));
	CHECK(hear_end(u, &q));
	(void)close(u);

	TEST("a slow reader holds the upstream back");
	fd = dial(port);
	(void)say(fd, "GET /up/3 HTTP/1.1\r\n" HOST "\r\n");
	u = take_conn(server);
	buf_reset(&q);
	CHECK(hear(u, &q, "\r\n\r\n"));
	buf_reset(&q);
	for (int i = 0; i < 65536; i++)
		buf_putc(&q, (char)('a' + i % 26));
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n");
	{
		struct timeval t = { .tv_usec = 200000 };
		ssize_t sent = 0, n;

		(void)setsockopt(u, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
		while (sent < 16777216 && (n = send(u, q.p, 65536, MSG_NOSIGNAL)) > 0)
			sent += n;
		CHECK(sent < 16777216);
		printf("    upstream held after %zd KiB\n", sent / 1024);
		buf_reset(&b);
		CHECK(hear(fd, &b, "\r\n\r\n"));
		CHECK(hear_n(fd, &b, (size_t)sent));
		(void)close(fd);
		CHECK(wait_for(&gones, before + 2));
	}
	(void)close(u);

	TEST("an upstream that answers nothing is a 502");
	fd = dial(port);
	(void)say(fd, "GET /up/4 HTTP/1.1\r\n" HOST "\r\n");
	u = take_conn(server);
	buf_reset(&q);
	CHECK(hear(u, &q, "\r\n\r\n"));
	(void)close(u);
	buf_reset(&b);
	CHECK(hear(fd, &b, "HTTP/1.1 502"));
	(void)close(fd);
	buf_fini(&b);
	buf_fini(&q);
}

static void
drain_cb(void *arg)
{
	(void)arg;
	listen_drain(all);
}

static void
test_drain(void)
{
	struct buf b;
	int idle = dial(port), busy = dial(port), u;

	TEST("draining closes idle connections and lets busy ones end");
	buf_init(&b, 0);
	(void)say(busy, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
	nap_ms(30);
	on_loop(drain_cb, NULL);
	CHECK(hear_end(idle, &b));
	u = dial(port);
	CHECK(u < 0);
	(void)close(idle);
	(void)close(busy);
	buf_fini(&b);
}

static void
setup(int upstream_port, const char *path)
{
	struct listen_limits limits = {
		.body_bytes = 1 << 20, .header_ms = 300, .body_ms = 300, .idle_ms = 1200
	};
	char url[64];
	struct err e = { 0 };

	rig_start();
	all = listen_new(rig.loop, &limits, &e);
	CHECK(all != NULL);
	port = listen_tcp(all, "127.0.0.1:0", NULL, &handler, 1, &e);
	CHECK(port > 0);
	CHECK(listen_unix(all, path, &handler, 2, &e));
	CHECK(listen_tcp(all, "localhost:80", NULL, &handler, 1, &e) < 0);
	pool = http_pool_new(rig.loop);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", upstream_port);
	up = origin_new(pool, &(struct origin_settings){ .url = url }, &e);
	CHECK(up != NULL);
	rig_run();
}

int
main(void)
{
	char path[64];
	int upstream_port, server = serve(&upstream_port, 64);

	(void)snprintf(path, sizeof(path), "/tmp/http_pipe.%d.sock", (int)getpid());
	setup(upstream_port, path);
	test_pipelines();
	test_smuggling();
	test_too_large();
	test_continue();
	test_gone();
	test_slow_reader();
	test_ends();
	test_local(path);
	test_through(server);
	test_drain();
	rig_stop();
	TEST("nothing is left");
	listen_free(&all);
	http_pool_free(&pool);
	rig_free();
	(void)close(server);
	(void)unlink(path);
	return check_done();
}
