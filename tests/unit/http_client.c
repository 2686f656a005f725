/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_client - base/http.c against an upstream that misbehaves: the test's own thread is the
 * upstream, with plain sockets, and says byte by byte what it wants to be answered with.
 */
#include "base/http_private.h"

#include <netdb.h>

#include "tests/unit/http_rig.h"

static struct http_pool *pool;
static struct job root;
static const struct job_type root_type = { "root", NULL, NULL };

/* ---- one call, seen from the test ---- */

struct seen {
	struct origin *origin;
	const char *method, *target;
	struct str body;
	const struct header *h;
	size_t n;
	int first_byte_ms, idle_ms;
	size_t pause_after; /* data returns false from here on */

	struct http_call *call;
	struct err start_error;
	int status;
	struct buf got;
	atomic_int heads, dones, pauses;
	struct err e;
	bool failed, cancel_in_head, cancel_in_data;
};

static void
on_head(void *ctx, const struct http1_head *h)
{
	struct seen *s = ctx;

	s->status = h->status;
	atomic_fetch_add(&s->heads, 1);
	if (s->cancel_in_head)
		job_cancel(http_job(s->call));
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct seen *s = ctx;

	buf_put(&s->got, bytes);
	if (s->cancel_in_data) {
		job_cancel(http_job(s->call));
		return true;
	}
	if (s->pause_after > 0 && s->got.n >= s->pause_after) {
		atomic_fetch_add(&s->pauses, 1);
		return false;
	}
	return true;
}

static void
on_done(void *ctx, const struct err *e)
{
	struct seen *s = ctx;

	s->failed = e != NULL;
	if (e != NULL)
		s->e = *e;
	atomic_fetch_add(&s->dones, 1);
}
static const struct http_events events = { on_head, on_data, on_done };

static void
start_cb(void *arg)
{
	struct seen *s = arg;
	struct http_request r = { .origin = s->origin,
		.method = str_of(s->method != NULL ? s->method : "GET"),
		.target = str_of(s->target != NULL ? s->target : "/"),
		.h = s->h,
		.n = s->n,
		.first_byte_ms = s->first_byte_ms,
		.idle_ms = s->idle_ms };

	r.body[1] = s->body;
	buf_init(&s->got, 0);
	s->call = http_start(&root, &r, &events, s, &s->start_error);
}

static void
begin(struct seen *s)
{
	on_loop(start_cb, s);
}

static void
cancel_cb(void *arg)
{
	struct seen *s = arg;

	if (atomic_load(&s->dones) == 0)
		job_cancel(http_job(s->call));
}

static void
resume_cb(void *arg)
{
	struct seen *s = arg;

	s->pause_after = 0;
	http_resume(s->call);
}

static void
over(struct seen *s)
{
	buf_fini(&s->got);
}

/* Checks the end of a call: NULL = success. */
static void
ended(struct seen *s, int status, const char *body, enum err_code code)
{
	CHECK(wait_for(&s->dones, 1));
	CHECK_EQ_I(atomic_load(&s->dones), 1);
	CHECK_EQ_I(s->failed ? s->e.code : ERR_NONE, code);
	if (s->failed && code == ERR_NONE)
		printf("    %s\n", s->e.text);
	CHECK_EQ_I(s->status, status);
	if (body != NULL)
		CHECK_STR(buf_str(&s->got), body);
	over(s);
}

struct making {
	struct origin_settings s;
	struct origin *o;
	char url[64];
};

static void
make_cb(void *arg)
{
	struct making *m = arg;
	struct err e;

	m->o = origin_new(pool, &m->s, &e);
}

static struct origin *
origin_at(int port, struct origin_settings s)
{
	struct making m = { .s = s };

	(void)snprintf(m.url, sizeof(m.url), "http://127.0.0.1:%d/base/", port);
	m.s.url = m.url;
	on_loop(make_cb, &m);
	CHECK(m.o != NULL);
	return m.o;
}

/* Hears one request head on u. */
static struct str
asked(int u, struct buf *b)
{
	buf_reset(b);
	CHECK(hear(u, b, "\r\n\r\n"));
	return buf_str(b);
}

/* ---- replies ---- */

static void
test_replies(int server, struct origin *o)
{
	// clang-format off
	static const struct { const char *name, *reply; int status; const char *body; enum err_code code; bool close; } rows[] = {
		{ "a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", ERR_NONE, false },
		{ "no length at all", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", ERR_NONE, false },
		{ "204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", ERR_NONE, false },
		{ "chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 200, "hello", ERR_NONE, false },
		{ "until the end", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", ERR_NONE, true },
		{ "1xx are skipped", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx", 201, "x", ERR_NONE, false },
		{ "101 is an error", "HTTP/1.1 101 Switching\r\n\r\n", 0, "", ERR_UPSTREAM, false },
		{ "a length cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 200, "hello", ERR_UPSTREAM, true },
		{ "chunks cut short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 200, "hello", ERR_UPSTREAM, true },
		{ "a head cut short", "HTTP/1.1 200 OK\r\nConte", 0, "", ERR_UPSTREAM, true },
		{ "no reply", "", 0, "", ERR_UPSTREAM, true },
		{ "not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 0, "", ERR_UPSTREAM, false },
		{ "a length beside chunked", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, "", ERR_UPSTREAM, false },
		{ "bad chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX", 200, "hello", ERR_UPSTREAM, false },
	};
	// clang-format on
	struct buf q;

	buf_init(&q, 0);
	for (size_t i = 0; i < COUNT(rows) * 2; i++) {
		struct seen s = { .origin = o, .target = "/base/x" };
		bool slow = i % 2 == 1;
		int u;

		TEST(rows[i / 2].name);
		begin(&s);
		u = take_conn(server);
		(void)asked(u, &q);
		CHECK(memcmp(q.p, "GET /base/x HTTP/1.1\r\nhost: 127.0.0.1:", 38) == 0);
		for (const char *p = rows[i / 2].reply; *p != '\0'; p += slow ? 1 : strlen(p)) {
			if (!slow)
				(void)say(u, p);
			else if (!put(u, (struct str){ p, 1 }))
				break;
		}
		if (rows[i / 2].close)
			(void)shutdown(u, SHUT_WR);
		ended(&s, rows[i / 2].status, rows[i / 2].body, rows[i / 2].code);
		(void)close(u);
		nap_ms(5); /* the pool sees the close, so that the next one dials */
	}
	buf_fini(&q);
}

static void
test_head_request(int server, struct origin *o)
{
	struct seen s = { .origin = o, .method = "HEAD" };
	struct header bad = { { "x", 1 }, { "a\r\nb: c", 7 } };
	struct seen t = { .origin = o, .h = &bad, .n = 1 };
	struct buf q;
	int u;

	TEST("a HEAD has no body whatever it says");
	buf_init(&q, 0);
	begin(&s);
	u = take_conn(server);
	(void)asked(u, &q);
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
	ended(&s, 200, "", ERR_NONE);
	(void)close(u);
	nap_ms(5);
	TEST("a header with a line end is refused before anything is sent");
	begin(&t);
	CHECK(t.call == NULL && t.start_error.code == ERR_INVALID);
	over(&t);
	buf_fini(&q);
}

/* ---- connections that are kept ---- */

static void
test_keep(int server, struct origin *o)
{
	struct seen a = { .origin = o }, b = { .origin = o, .method = "POST", .body = STR("body") },
		    c = { .origin = o, .method = "POST", .body = STR("again") },
		    d = { .origin = o }, f = { .origin = o };
	struct buf q;
	int u, v;

	buf_init(&q, 0);
	TEST("a connection is used again");
	begin(&a);
	u = take_conn(server);
	(void)asked(u, &q);
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
	ended(&a, 200, "a", ERR_NONE);
	begin(&b);
	(void)asked(u, &q);
	CHECK(hear(u, &q, "body"));
	CHECK_EQ_I(count_of(&q, "content-length: 4"), 1);
	CHECK(silent(server, 20));
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
	ended(&b, 200, "b", ERR_NONE);

	TEST("a kept connection that breaks without a byte is replaced once, with the same bytes");
	begin(&c);
	(void)asked(u, &q);
	CHECK(hear(u, &q, "again"));
	(void)close(u);
	u = take_conn(server);
	CHECK(u >= 0);
	(void)asked(u, &q);
	CHECK(hear(u, &q, "again"));
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nc");
	ended(&c, 200, "c", ERR_NONE);

	TEST("and only once");
	begin(&d);
	(void)asked(u, &q);
	(void)close(u);
	u = take_conn(server);
	(void)asked(u, &q);
	(void)close(u);
	ended(&d, 0, "", ERR_UPSTREAM);
	CHECK(silent(server, 20));

	TEST("bytes after the reply end the connection");
	begin(&f);
	u = take_conn(server);
	(void)asked(u, &q);
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nfX");
	ended(&f, 200, "f", ERR_NONE);
	buf_reset(&q);
	CHECK(hear_end(u, &q));
	(void)close(u);

	TEST("a reset does not end a body of unknown length");
	{
		struct seen h = { .origin = o };
		struct linger hard = { 1, 0 };

		begin(&h);
		u = take_conn(server);
		(void)asked(u, &q);
		(void)say(u, "HTTP/1.1 200 OK\r\n\r\nhalf");
		CHECK(wait_for(&h.heads, 1));
		(void)setsockopt(u, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		(void)close(u);
		ended(&h, 200, "half", ERR_UPSTREAM);
	}

	TEST("a reply before the whole request was sent is delivered, and the connection closed");
	{
		struct buf big;
		struct seen g = { .origin = o, .method = "POST" };

		buf_init(&big, 0);
		(void)buf_room(&big, 32 << 20);
		memset(big.p, 'x', 32 << 20);
		g.body = (struct str){ big.p, 32 << 20 };
		begin(&g);
		v = take_conn(server);
		(void)asked(v, &q);
		(void)say(v, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
		ended(&g, 413, "no", ERR_NONE);
		(void)close(v);
		buf_fini(&big);
	}
	nap_ms(5);
	buf_fini(&q);
}

static void
test_deadlines(int server, struct origin *o)
{
	struct seen a = { .origin = o, .first_byte_ms = 60 }, b = { .origin = o, .idle_ms = 60 };
	struct buf q;
	int u, v;

	buf_init(&q, 0);
	TEST("the first byte has a deadline");
	begin(&a);
	u = take_conn(server);
	(void)asked(u, &q);
	ended(&a, 0, "", ERR_TIMEOUT);
	CHECK(hear_end(u, &q));
	(void)close(u);
	TEST("so has silence in a body");
	begin(&b);
	v = take_conn(server);
	(void)asked(v, &q);
	(void)say(v, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
	ended(&b, 200, "he", ERR_TIMEOUT);
	CHECK(hear_end(v, &q));
	(void)close(v);
	buf_fini(&q);
}

static void
test_pause(int server, struct origin *o)
{
	struct seen s = { .origin = o, .pause_after = 1, .idle_ms = 100 };
	struct buf q, big;
	int u, end;

	buf_init(&q, 0);
	buf_init(&big, 0);
	for (int i = 0; i < 3000000; i++)
		buf_putc(&big, (char)('a' + i % 26));
	for (end = 0; end < 2; end++) {
		TEST(end ? "paused at the very end"
			 : "a pause holds, however long; nothing is lost");
		s = (struct seen){ .origin = o, .pause_after = 1, .idle_ms = 100 };
		begin(&s);
		u = take_conn(server);
		(void)asked(u, &q);
		if (end) {
			(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend");
			CHECK(wait_for(&s.dones, 1) || wait_for(&s.pauses, 1));
			if (atomic_load(&s.dones) == 0)
				on_loop(resume_cb, &s);
			ended(&s, 200, "end", ERR_NONE);
			(void)close(u);
			break;
		}
		(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n");
		{
			struct timeval t = { .tv_usec = 100000 };
			ssize_t sent = 0, n;

			(void)setsockopt(u, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
			for (;;) {
				n = send(u, big.p + sent, big.n - (size_t)sent, MSG_NOSIGNAL);
				if (n <= 0)
					break;
				sent += n;
				if (sent == (ssize_t)big.n)
					break;
			}
			nap_ms(200); /* over its idle_ms: a pause is not silence */
			CHECK_EQ_I(atomic_load(&s.dones), 0);
			CHECK_EQ_I(atomic_load(&s.pauses), 1);
			on_loop(resume_cb, &s);
			(void)put(u, (struct str){ big.p + sent, big.n - (size_t)sent });
		}
		CHECK(wait_for(&s.dones, 1));
		CHECK(!s.failed && str_eq(buf_str(&s.got), buf_str(&big)));
		over(&s);
		(void)close(u);
		nap_ms(5);
	}
	nap_ms(5);
	buf_fini(&q);
	buf_fini(&big);
}

/* ---- cancels ---- */

/* A listening socket whose line is full: connects to it hang. */
static int
black_hole(int *port, int fill[4])
{
	int fd = serve(port, 0);

	for (int i = 0; i < 4; i++) {
		struct sockaddr_in sa = { .sin_family = AF_INET,
			.sin_port = htons((uint16_t)*port),
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fill[i], (struct sockaddr *)&sa, sizeof(sa));
	}
	return fd;
}

static void
test_cancel(int server, struct origin *o)
{
	struct buf q, big;
	int u;

	buf_init(&q, 0);
	buf_init(&big, 0);
	(void)buf_room(&big, 32 << 20);
	memset(big.p, 'x', 32 << 20);
	for (int i = 0; i < 5; i++) {
		static const char *const names[] = { "cancelled while sending",
			"cancelled while waiting", "cancelled in the body", "cancelled from head()",
			"cancelled from data()" };
		struct seen s = { .origin = o,
			.method = "POST",
			.cancel_in_head = i == 3,
			.cancel_in_data = i == 4 };

		TEST(names[i]);
		s.body = (struct str){ big.p, i == 0 ? 32 << 20 : 10 };
		begin(&s);
		u = take_conn(server);
		(void)asked(u, &q);
		if (i > 0)
			CHECK(hear(u, &q, "xxxxxxxxxx"));
		if (i >= 2) {
			(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
			CHECK(wait_for(&s.heads, 1));
		}
		if (i <= 2)
			on_loop(cancel_cb, &s);
		CHECK(hear_end(u, &q));
		CHECK_EQ_I(atomic_load(&s.dones), 0);
		(void)close(u);
		over(&s);
	}
	buf_fini(&q);
	buf_fini(&big);
}

static void
test_black_holes(int server, struct origin *o)
{
	struct seen s[20], t = { .origin = o }, late;
	struct origin *hole;
	struct buf q;
	int fill[4], hole_port, fd = black_hole(&hole_port, fill), u;
	int64_t t0;

	TEST("twenty black-holed connects do not delay the twenty-first");
	buf_init(&q, 0);
	hole = origin_at(hole_port, (struct origin_settings){ .connect_ms = 300 });
	for (int i = 0; i < 20; i++) {
		s[i] = (struct seen){ .origin = hole };
		begin(&s[i]);
	}
	nap_ms(20);
	t0 = now_ms();
	begin(&t);
	u = take_conn(server);
	CHECK(u >= 0);
	CHECK(now_ms() - t0 < 50);
	(void)asked(u, &q);
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
	ended(&t, 200, "x", ERR_NONE);
	TEST("a connect is cancelled");
	for (int i = 0; i < 10; i++)
		on_loop(cancel_cb, &s[i]);
	TEST("a connect has a deadline");
	for (int i = 10; i < 20; i++)
		ended(&s[i], 0, "", ERR_TIMEOUT);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ_I(atomic_load(&s[i].dones), 0);
		over(&s[i]);
	}
	TEST("a refused connect says so");
	(void)close(fd);
	for (int i = 0; i < 4; i++)
		(void)close(fill[i]);
	late = (struct seen){ .origin = hole };
	begin(&late);
	ended(&late, 0, "", ERR_UPSTREAM);
	(void)close(u);
	nap_ms(5);
	buf_fini(&q);
}

static void
test_line(int server, int port)
{
	struct origin *o = origin_at(port, (struct origin_settings){ .open_max = 1 });
	struct seen a = { .origin = o, .target = "/a" }, b = { .origin = o, .target = "/b" },
		    c = { .origin = o, .target = "/c" }, d = { .origin = o, .target = "/d" };
	struct buf q;
	int u;

	TEST("calls over the limit wait in line, in order");
	buf_init(&q, 0);
	begin(&a);
	u = take_conn(server);
	(void)asked(u, &q);
	begin(&b);
	begin(&c);
	begin(&d);
	CHECK(silent(server, 30));
	on_loop(cancel_cb, &b);
	(void)say(u, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
	ended(&a, 200, "a", ERR_NONE);
	(void)asked(u, &q);
	CHECK_EQ_I(count_of(&q, "GET /c "), 1);
	(void)say(u, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nc");
	ended(&c, 200, "c", ERR_NONE);
	buf_reset(&q);
	CHECK(hear_end(u, &q));
	(void)close(u);
	u = take_conn(server);
	(void)asked(u, &q);
	CHECK_EQ_I(count_of(&q, "GET /d "), 1);
	on_loop(cancel_cb, &d);
	CHECK(hear_end(u, &q));
	(void)close(u);
	CHECK_EQ_I(atomic_load(&b.dones) + atomic_load(&d.dones), 0);
	over(&b);
	over(&d);
	buf_fini(&q);
}

/* ---- names ---- */

#ifndef SANITIZED
static atomic_int lookups;

/* The program's own getaddrinfo() takes precedence over libc's, for libcurl too: a resolver that
 * hangs. */
int
getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)res;
	atomic_fetch_add(&lookups, 1);
	nap_ms(600);
	return EAI_AGAIN;
}

static void
test_resolver(void)
{
	struct making m = { .s = { .url = "http://slow.test", .connect_ms = 200 } };
	struct seen a, b;
	int64_t t0;

	TEST("a name that hangs is given up, and cancelled without waiting");
	on_loop(make_cb, &m);
	a = (struct seen){ .origin = m.o };
	b = a;
	begin(&a);
	begin(&b);
	CHECK(wait_for(&lookups, 2));
	t0 = now_ms();
	on_loop(cancel_cb, &a);
	CHECK(now_ms() - t0 < 100);
	t0 = now_ms();
	CHECK(wait_for(&b.dones, 1));
	CHECK(now_ms() - t0 < 400);
	CHECK_EQ_I(b.e.code, ERR_TIMEOUT);
	CHECK_EQ_I(atomic_load(&a.dones), 0);
	over(&a);
	over(&b);
	nap_ms(700); /* their threads end */
}
#else
static void
test_resolver(void)
{
}
#endif

static void
test_urls(void)
{
	// clang-format off
	static const struct { const char *url, *host, *path; } rows[] = {
		{ "https://api.example.com", "api.example.com", "" },
		{ "http://[::1]:8080/a/b//", "[::1]:8080", "/a/b" },
		{ "ftp://x", NULL, NULL }, { "https://", NULL, NULL }, { "https://u:p@x/", NULL, NULL },
		{ "https://x?y", NULL, NULL }, { "x", NULL, NULL }, { "", NULL, NULL },
	};
	// clang-format on
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct making m = { .s = { .url = rows[i].url } };

		TEST(rows[i].url);
		on_loop(make_cb, &m);
		CHECK((m.o != NULL) == (rows[i].host != NULL));
		if (m.o == NULL || rows[i].host == NULL)
			continue;
		CHECK_EQ_S(m.o->host, rows[i].host);
		CHECK_STR(origin_path(m.o), rows[i].path);
	}
}

int
main(void)
{
	int port, server = serve(&port, 64);
	struct origin *o;

	rig_start();
	job_init(&root, &root_type, NULL, NULL, NULL);
	pool = http_pool_new(rig.loop);
	rig_run();
	o = origin_at(port, (struct origin_settings){ 0 });
	test_urls();
	test_replies(server, o);
	test_head_request(server, o);
	test_keep(server, o);
	test_deadlines(server, o);
	test_pause(server, o);
	test_cancel(server, o);
	test_black_holes(server, o);
	test_line(server, port);
	test_resolver();
	rig_stop();
	TEST("nothing is left");
	job_cancel(&root);
	jobs_reap();
	http_pool_free(&pool);
	rig_free();
	(void)close(server);
	return check_done();
}
