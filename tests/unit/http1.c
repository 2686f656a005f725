/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1 - the strict parser and writer: a table of what is refused, every case also a byte at a
 * time.  With the argument "cpu", a head of 20 headers is timed.
 */
#include "base/http1.h"

#include <stdlib.h>
#include <time.h>

#include "tests/unit/check.h"

#define G "GET / HTTP/1.1\r\nHost: a\r\n"
#define P "POST / HTTP/1.1\r\nHost: a\r\n"
#define R "HTTP/1.1 200 OK\r\n"

static struct http1_head head;

/* Parses `text`, whole or growing by one byte; the bytes are copied to their exact size, so that a
 * sanitizer sees any look beyond. */
static enum http1_result
parse(const char *text, size_t n, bool request, bool bytewise, size_t *used, struct err *e)
{
	enum http1_result r = HTTP1_MORE;
	size_t scanned = 0;
	char *copy = NULL;

	for (size_t k = bytewise ? 1 : n; k <= n && r == HTTP1_MORE; k++) {
		free(copy);
		copy = malloc(k == 0 ? 1 : k);
		memcpy(copy, text, k);
		r = request
			? http1_request((struct str){ copy, k }, &scanned, &head, used, e)
			: http1_response((struct str){ copy, k }, &scanned, false, &head, used, e);
	}
	free(copy);
	return r;
}

struct row {
	const char *text;
	enum http1_result r;
	enum err_code code; /* when BAD */
	enum http1_framing framing;
	int64_t length;
	bool keep;
};

static void
table(const struct row *rows, size_t n, bool request)
{
	for (size_t i = 0; i < n; i++) {
		for (int bytewise = 0; bytewise < 2; bytewise++) {
			struct err e = { 0 };
			size_t used = 0, len = strlen(rows[i].text);
			enum http1_result r =
			    parse(rows[i].text, len, request, bytewise == 1, &used, &e);

			TEST(rows[i].text);
			CHECK_EQ_I(r, rows[i].r);
			if (r == HTTP1_BAD)
				CHECK_EQ_I(e.code, rows[i].code);
			if (r != HTTP1_DONE || rows[i].r != HTTP1_DONE)
				continue;
			CHECK_EQ_I(head.framing, rows[i].framing);
			CHECK_EQ_I(head.length_bytes, rows[i].length);
			CHECK_EQ_I(head.keep_alive, rows[i].keep);
			CHECK_EQ_I(used, len);
		}
	}
}

#define BAD(text)                                                                                  \
	{                                                                                          \
		text, HTTP1_BAD, ERR_INVALID, HTTP1_NONE, 0, false                                 \
	}
#define OK(text, framing, len, keep)                                                               \
	{                                                                                          \
		text, HTTP1_DONE, ERR_NONE, framing, len, keep                                     \
	}
#define MORE(text)                                                                                 \
	{                                                                                          \
		text, HTTP1_MORE, ERR_NONE, HTTP1_NONE, 0, false                                   \
	}

// clang-format off
static const struct row requests[] = {
	OK(G "\r\n", HTTP1_NONE, 0, true),
	OK("\r\n" G "\r\n", HTTP1_NONE, 0, true),
	OK(G "Connection: close\r\n\r\n", HTTP1_NONE, 0, false),
	OK(G "connection: x, CLOSE \r\n\r\n", HTTP1_NONE, 0, false),
	OK("GET / HTTP/1.0\r\n\r\n", HTTP1_NONE, 0, false),
	OK("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", HTTP1_NONE, 0, true),
	OK(P "Content-Length: 5\r\n\r\n", HTTP1_LENGTH, 5, true),
	OK(P "Content-Length: 005\r\n\r\n", HTTP1_LENGTH, 5, true),
	OK(P "content-length:5\r\nContent-Length: 5\r\n\r\n", HTTP1_LENGTH, 5, true),
	OK(P "Transfer-Encoding: Chunked\r\n\r\n", HTTP1_CHUNKED, 0, true),
	OK("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", HTTP1_NONE, 0, true),
	OK(G "X:\t a b \t\r\n\r\n", HTTP1_NONE, 0, true),
	OK(G "X: \xc3\xa9\r\n\r\n", HTTP1_NONE, 0, true),
	MORE(""), MORE("\r\n"), MORE("G"), MORE(G), MORE(G "\r"),
	BAD(P "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
	BAD(P "Content-Length: 5, 5\r\n\r\n"),
	BAD(P "Content-Length: -1\r\n\r\n"),
	BAD(P "Content-Length: +1\r\n\r\n"),
	BAD(P "Content-Length: 0x5\r\n\r\n"),
	BAD(P "Content-Length: 5 5\r\n\r\n"),
	BAD(P "Content-Length:\r\n\r\n"),
	BAD(P "Content-Length: 9223372036854775808\r\n\r\n"),
	BAD(P "Content-Length: 99999999999999999999999\r\n\r\n"),
	BAD(P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(P "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
	BAD(P "Transfer-Encoding: gzip, chunked\r\n\r\n"),
	BAD(P "Transfer-Encoding: chunked, identity\r\n\r\n"),
	BAD(P "Transfer-Encoding: identity\r\n\r\n"),
	BAD(P "Transfer-Encoding: \x0b""chunked\r\n\r\n"),
	BAD(P "Transfer-Encoding:\r\n\r\n"),
	BAD(P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(P "Transfer-Encoding : chunked\r\n\r\n"),
	BAD(P " Transfer-Encoding: chunked\r\n\r\n"),
	BAD(P "X: a\r\n\tTransfer-Encoding: chunked\r\n\r\n"),
	BAD(P "X: a\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD(P "X: a\rTransfer-Encoding: chunked\r\n\r\n"),
	OK(G "X: 0123456789abcdef\t0123456789abcdef\xff\r\n\r\n", HTTP1_NONE, 0, true),
	BAD(G "X: 0123456789abcdef012345\x1f""6789abcdef\r\n\r\n"),
	BAD(G "X: 0123456789abcdef012345\x7f""6789abcdef\r\n\r\n"),
	BAD(P "X: a\x01\r\n\r\n"), BAD(P "X: a\x7f\r\n\r\n"),
	BAD(P "X y: a\r\n\r\n"), BAD(P ": a\r\n\r\n"), BAD(P "nothing\r\n\r\n"),
	BAD(P "X\xc3: a\r\n\r\n"), BAD(P "(x): a\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\n\r\n"),
	BAD("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
	BAD("GET / HTTP/1.1\nHost: a\r\n\r\n"),
	BAD("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), BAD("GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
	BAD("GET / http/1.1\r\nHost: a\r\n\r\n"), BAD("GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
	BAD("GET /\r\nHost: a\r\n\r\n"), BAD("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), BAD("GET / x HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), BAD("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), BAD("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD("GET x HTTP/1.1\r\nHost: a\r\n\r\n"),
	BAD("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
};
static const struct row responses[] = {
	OK(R "\r\n", HTTP1_UNTIL_CLOSE, 0, false),
	OK(R "Content-Length: 0\r\n\r\n", HTTP1_LENGTH, 0, true),
	OK(R "Transfer-Encoding: chunked\r\n\r\n", HTTP1_CHUNKED, 0, true),
	OK("HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n", HTTP1_NONE, 5, true),
	OK("HTTP/1.1 304 Not Modified\r\n\r\n", HTTP1_NONE, 0, true),
	OK("HTTP/1.1 100 Continue\r\n\r\n", HTTP1_NONE, 0, true),
	OK("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", HTTP1_LENGTH, 1, false),
#define BAD_UP(text) { text, HTTP1_BAD, ERR_UPSTREAM, HTTP1_NONE, 0, false }
	BAD_UP("HTTP/1.1 20 OK\r\n\r\n"), BAD_UP("HTTP/1.1 2000 OK\r\n\r\n"),
	BAD_UP("HTTP/1.1 099 OK\r\n\r\n"), BAD_UP("HTTP/2 200 OK\r\n\r\n"),
	BAD_UP("SSH-2.0-x\r\n\r\n"), BAD_UP("HTTP/1.1  200 OK\r\n\r\n"),
	BAD_UP(R "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD_UP(R "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
	BAD_UP("HTTP/1.1 200 O\x01K\r\n\r\n"),
};
// clang-format on

static void
test_spans(void)
{
	const char *text = "POST /a?b=c HTTP/1.1\r\nHost: x:1\r\nX-A:  v w \r\nExpect: "
			   "100-Continue\r\nContent-Length: 3\r\n\r\nabc";
	size_t used = 0, scanned = 0;
	struct err e;

	TEST("the spans of a head");
	CHECK_EQ_I(http1_request(str_of(text), &scanned, &head, &used, &e), HTTP1_DONE);
	CHECK_STR(head.method, "POST");
	CHECK_STR(head.target, "/a?b=c");
	CHECK_STR(http1_find(&head, STR("x-a"))->value, "v w");
	CHECK(http1_find(&head, STR("x-b")) == NULL);
	CHECK(head.expect_continue);
	CHECK_EQ_I(used, strlen(text) - 3);
}

static void
test_limits(void)
{
	struct buf b;
	struct err e;
	size_t used = 0;

	TEST("more than the most headers");
	buf_init(&b, 0);
	buf_puts(&b, G);
	for (int i = 0; i < HTTP1_HEADERS_MAX; i++)
		buf_puts(&b, "a: b\r\n");
	buf_puts(&b, "\r\n");
	CHECK_EQ_I(parse(b.p, b.n, true, false, &used, &e), HTTP1_BAD);
	CHECK_EQ_I(e.code, ERR_HEAD_LARGE);
	TEST("a head over the limit, complete or not");
	buf_reset(&b);
	buf_puts(&b, G "X: ");
	while (b.n < HTTP1_HEAD_BYTES_MAX - 1)
		buf_putc(&b, 'x');
	CHECK_EQ_I(parse(b.p, b.n, true, false, &used, &e), HTTP1_MORE);
	buf_putc(&b, 'x');
	CHECK_EQ_I(parse(b.p, b.n, true, false, &used, &e), HTTP1_BAD);
	CHECK_EQ_I(e.code, ERR_HEAD_LARGE);
	buf_puts(&b, "\r\n\r\n");
	CHECK_EQ_I(parse(b.p, b.n, true, false, &used, &e), HTTP1_BAD);
	CHECK_EQ_I(e.code, ERR_HEAD_LARGE);
	buf_fini(&b);
}

/* Decodes `text` in pieces; *rest is what was not consumed. */
static enum http1_result
decode(enum http1_framing f, int64_t len, const char *text, size_t piece, struct buf *out,
    struct str *rest)
{
	struct http1_head h = { .framing = f, .length_bytes = len };
	struct http1_body b;
	struct str s = str_of(text);
	struct err e;

	http1_body_init(&b, &h);
	buf_reset(out);
	for (;;) {
		struct str in = { s.p, s.n < piece ? s.n : piece }, got;
		size_t had = in.n;
		enum http1_result r;

		do {
			r = http1_body_next(&b, &in, &got, &e);
			buf_put(out, got);
		} while (r == HTTP1_MORE && in.n > 0);
		s.p += had - in.n;
		s.n -= had - in.n;
		*rest = s;
		if (r != HTTP1_MORE || s.n == 0)
			return r;
	}
}

static void
test_bodies(void)
{
	// clang-format off
	static const struct { const char *text; enum http1_result r; const char *out, *rest; } rows[] = {
		{ "0\r\n\r\n", HTTP1_DONE, "", "" },
		{ "3\r\nabc\r\n0\r\n\r\nNEXT", HTTP1_DONE, "abc", "NEXT" },
		{ "A\r\n0123456789\r\nb\r\n01234567890\r\n000\r\n\r\n", HTTP1_DONE, "012345678901234567890", "" },
		{ "1;x=\"y\"\r\na\r\n0;z\r\nT: 1\r\nU: 2\r\n\r\nN", HTTP1_DONE, "a", "N" },
		{ "1 \r\na\r\n0\r\n\r\n", HTTP1_DONE, "a", "" },
		{ "3\r\nab", HTTP1_MORE, "ab", "" },
		{ "3\r\nabc\r\n", HTTP1_MORE, "abc", "" },
		{ "\r\n", HTTP1_BAD, "", NULL }, { "x\r\n", HTTP1_BAD, "", NULL },
		{ "-1\r\n", HTTP1_BAD, "", NULL }, { "0x1\r\n", HTTP1_BAD, "", NULL },
		{ " 1\r\na", HTTP1_BAD, "", NULL }, { "1\na\r\n", HTTP1_BAD, "", NULL },
		{ "1\rXa\r\n", HTTP1_BAD, "", NULL }, { "1\r\nab\r\n", HTTP1_BAD, "a", NULL },
		{ "1\r\na\n0\r\n\r\n", HTTP1_BAD, "a", NULL }, { "1\r\na\rX", HTTP1_BAD, "a", NULL },
		{ "1;\nx\r\na", HTTP1_BAD, "", NULL }, { "1;\x01\r\na", HTTP1_BAD, "", NULL },
		{ "10000000000000000\r\n", HTTP1_BAD, "", NULL },
		{ "0\r\n\n", HTTP1_BAD, "", NULL }, { "0\r\n\rX", HTTP1_BAD, "", NULL },
		{ "0\r\nX: a\n\r\n", HTTP1_BAD, "", NULL }, { "0\r\nX: a\rb\r\n\r\n", HTTP1_BAD, "", NULL },
		{ "0\r\n folded\r\n\r\n", HTTP1_BAD, "", NULL },
	};
	// clang-format on
	struct buf out;
	struct str rest;

	buf_init(&out, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (size_t piece = 1; piece < 40; piece++) {
			TEST(rows[i].text);
			CHECK_EQ_I(
			    decode(HTTP1_CHUNKED, 0, rows[i].text, piece, &out, &rest), rows[i].r);
			CHECK_STR(buf_str(&out), rows[i].out);
			if (rows[i].rest != NULL)
				CHECK_STR(rest, rows[i].rest);
		}
	}
	for (size_t piece = 1; piece < 9; piece++) {
		TEST("a body with a length");
		CHECK_EQ_I(decode(HTTP1_LENGTH, 5, "helloNEXT", piece, &out, &rest), HTTP1_DONE);
		CHECK_STR(buf_str(&out), "hello");
		CHECK_STR(rest, "NEXT");
		CHECK_EQ_I(decode(HTTP1_LENGTH, 6, "hello", piece, &out, &rest), HTTP1_MORE);
		TEST("a body until the end of the stream");
		CHECK_EQ_I(decode(HTTP1_UNTIL_CLOSE, 0, "hello", piece, &out, &rest), HTTP1_MORE);
		CHECK_STR(buf_str(&out), "hello");
		TEST("no body");
		CHECK_EQ_I(decode(HTTP1_NONE, 0, "hello", piece, &out, &rest), HTTP1_DONE);
		CHECK_STR(rest, "hello");
	}
	TEST("trailers have a limit");
	{
		struct buf t;

		buf_init(&t, 0);
		buf_puts(&t, "0\r\n");
		for (int i = 0; i < 3000; i++)
			buf_puts(&t, "X: y\r\n");
		CHECK_EQ_I(decode(HTTP1_CHUNKED, 0, buf_cstr(&t), 100, &out, &rest), HTTP1_BAD);
		buf_reset(&t);
		buf_puts(&t, "1;");
		for (int i = 0; i < 300; i++)
			buf_putc(&t, 'x');
		CHECK_EQ_I(decode(HTTP1_CHUNKED, 0, buf_cstr(&t), 100, &out, &rest), HTTP1_BAD);
		buf_fini(&t);
	}
	buf_fini(&out);
}

static void
test_writers(void)
{
	struct buf b;

	buf_init(&b, 0);
	TEST("what the writers write");
	http1_put_status(&b, 429);
	http1_put_header(&b, STR("a"), STR("b c"));
	http1_put_request(&b, STR("GET"), STR("/x"));
	CHECK(buf_ok(&b));
	CHECK_STR(buf_str(&b), "HTTP/1.1 429 Too Many Requests\r\na: b c\r\nGET /x HTTP/1.1\r\n");
	TEST("nothing can be smuggled through a writer");
	for (int i = 0; i < 7; i++) {
		buf_reset(&b);
		switch (i) {
		case 0:
			http1_put_header(&b, STR("a"), STR("b\r\nc: d"));
			break;
		case 1:
			http1_put_header(&b, STR("a: b\r\nc"), STR("d"));
			break;
		case 2:
			http1_put_header(&b, STR("a"), STR("b\0c"));
			break;
		case 3:
			http1_put_header(&b, STR(""), STR("b"));
			break;
		case 4:
			http1_put_request(&b, STR("GET"), STR("/ HTTP/1.1\r\nX: y"));
			break;
		case 5:
			http1_put_request(&b, STR("G T"), STR("/"));
			break;
		case 6:
			http1_put_request(&b, STR("GET"), STR(""));
			break;
		default:
			break;
		}
		CHECK(!buf_ok(&b));
	}
	buf_fini(&b);
}

static void
cpu(void)
{
	struct buf b;
	struct timespec t0, t1;
	struct err e;
	size_t used, total = 0;
	int rounds = 1000000;

	buf_init(&b, 0);
	buf_puts(&b, "POST /v1/messages?beta=true HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n");
	for (int i = 0; i < 18; i++)
		buf_printf(&b, "x-stainless-header-%d: some value of a usual size %d\r\n", i, i);
	buf_puts(&b, "content-length: 100000\r\n\r\n");
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	for (int i = 0; i < rounds; i++) {
		size_t scanned = 0;

		if (http1_request(buf_str(&b), &scanned, &head, &used, &e) == HTTP1_DONE)
			total += used;
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	printf("a head of 20 headers, %zu bytes: %.0f ns\n", total / (size_t)rounds,
	    ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec)) / rounds);
	buf_fini(&b);
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "cpu") == 0)
		cpu();
	table(requests, COUNT(requests), true);
	table(responses, COUNT(responses), false);
	test_spans();
	test_limits();
	test_bodies();
	test_writers();
	return check_done();
}
