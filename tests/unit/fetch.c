/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch - a document from an address that somebody else has named: whole, small, in time, and never
 * out of the house.
 */
#include "base/fetch.h"

#include <string.h>

#include "tests/unit/http_rig.h"

static const struct job_type root_type = { "test", NULL, NULL };
static struct job root;
static struct http_pool *pool;
static atomic_int ends;
static int status;
static size_t got;
static struct err why;

struct start {
	struct fetch_ask a;
	struct fetch *f;
};

static void
done(void *ctx, int s, struct str body, const struct err *e)
{
	(void)ctx;
	status = s;
	got = body.n;
	err_clear(&why);
	if (e != NULL)
		why = *e;
	atomic_fetch_add(&ends, 1);
}

static void
start_cb(void *arg)
{
	struct start *s = arg;
	struct fetch_from from = { rig.loop, pool };

	err_clear(&why);
	s->f = fetch_start(&from, &root, &s->a, done, NULL, &why);
}

/* Starts it; what the server then says is the test's. */
static bool
begin(const char *url, struct str body, bool trusted, int deadline_ms)
{
	struct start s = { .a = { .url = str_of(url),
			       .body = body,
			       .trusted = trusted,
			       .deadline_ms = deadline_ms } };

	atomic_store(&ends, 0);
	on_loop(start_cb, &s);
	return s.f != NULL;
}

static void
answer(int fd, const char *head, size_t bytes)
{
	char in[4096], x[1024];
	int c = take_conn(fd);

	memset(x, 'x', sizeof(x));
	ASSERT(c >= 0 && recv(c, in, sizeof(in), 0) > 0);
	(void)send(c, head, strlen(head), MSG_NOSIGNAL);
	for (; bytes > 0; bytes -= bytes < sizeof(x) ? bytes : sizeof(x))
		if (send(c, x, bytes < sizeof(x) ? bytes : sizeof(x), MSG_NOSIGNAL) <= 0)
			break;
	(void)close(c);
}

static void
test_whole(int fd, const char *url)
{
	TEST("any status, with its body");
	CHECK(begin(url, STR_NONE, true, 5000));
	answer(fd, "HTTP/1.1 404 No\r\ncontent-length: 3\r\n\r\n", 3);
	CHECK(wait_for(&ends, 1));
	CHECK_EQ_I(status, 404);
	CHECK_EQ_I(got, 3);
	TEST("a redirect is a status like any other");
	CHECK(begin(url, STR("a=b"), true, 5000));
	answer(fd,
	    "HTTP/1.1 302 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 0);
	CHECK(wait_for(&ends, 1));
	CHECK_EQ_I(status, 302);
}

static void
test_limits(int fd, const char *url)
{
	TEST("more than 256 KiB is too much");
	CHECK(begin(url, STR_NONE, true, 5000));
	answer(fd, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", FETCH_BYTES_MAX + 1);
	CHECK(wait_for(&ends, 1));
	CHECK_EQ_I(why.code, ERR_UPSTREAM);
	TEST("the time is for the whole, not for the next byte");
	CHECK(begin(url, STR_NONE, true, 200));
	int c = take_conn(fd);
	(void)send(c, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", 39, MSG_NOSIGNAL);
	for (int i = 0; i < 100 && atomic_load(&ends) == 0; i++) {
		(void)send(c, "x", 1, MSG_NOSIGNAL);
		nap_ms(10);
	}
	CHECK(wait_for(&ends, 1));
	CHECK_EQ_I(why.code, ERR_TIMEOUT);
	(void)close(c);
}

static void
test_house(int fd, int port)
{
	static const char *const names[] = { "127.0.0.1", "localhost", "[::1]", "0.0.0.0",
		"[::ffff:127.0.0.1]", "10.255.255.1", "192.168.255.1", "169.254.169.254",
		"172.16.255.1", "100.64.0.1", "[fe80::1]", "[fd00::1]" };
	char url[128];

	TEST("what a stranger has named leads to no address of the house");
	for (size_t i = 0; i < COUNT(names); i++) {
		(void)snprintf(url, sizeof(url), "https://%s:%d/", names[i], port);
		check_that(begin(url, STR_NONE, false, 2000), __FILE__, __LINE__, url);
		check_that(wait_for(&ends, 1) && why.code == ERR_UPSTREAM, __FILE__, __LINE__, url);
	}
	CHECK(silent(fd, 50));
	TEST("nor without TLS");
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	CHECK(!begin(url, STR_NONE, false, 2000));
	CHECK_EQ_I(why.code, ERR_INVALID);
	CHECK(!begin("http://example.com/", STR_NONE, true, 2000));
	CHECK(!begin("file:///etc/passwd", STR_NONE, true, 2000));
}

static void
down(void *arg)
{
	(void)arg;
	job_cancel(&root);
}

int
main(void)
{
	char url[64];
	int port, fd = serve(&port, 16);

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/doc?x=1", port);
	rig_start();
	pool = http_pool_new(rig.loop);
	job_init(&root, &root_type, NULL, NULL, NULL);
	rig_run();
	test_whole(fd, url);
	test_limits(fd, url);
	test_house(fd, port);
	TEST("a cancel is silent");
	CHECK(begin(url, STR_NONE, true, 5000));
	on_loop(down, NULL);
	nap_ms(20);
	CHECK_EQ_I(atomic_load(&ends), 0);
	rig_stop();
	jobs_reap();
	http_pool_free(&pool);
	rig_free();
	(void)close(fd);
	return check_done();
}
