/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events come out the same from every chunking, with every line end. */
#include "base/sse.h"

#include "tests/unit/check.h"

static bool
on_event(void *ctx, const struct sse_event *ev)
{
	struct buf *b = ctx;

	buf_printf(b, "[" STR_FMT "|" STR_FMT "|" STR_FMT "]", STR_ARG(ev->event),
	    STR_ARG(ev->data), STR_ARG(ev->id));
	return true;
}

static void
feed(struct str in, size_t chunk, const char *expected)
{
	struct buf out;
	struct sse s;
	struct err e;

	buf_init(&out, 0);
	sse_init(&s, 1000);
	for (size_t at = 0; at < in.n; at += chunk) {
		size_t n = in.n - at < chunk ? in.n - at : chunk;

		CHECK(sse_feed(&s, (struct str){ in.p + at, n }, on_event, &out, &e));
	}
	CHECK_EQ_S(buf_cstr(&out), expected);
	sse_fini(&s);
	buf_fini(&out);
}

int
main(void)
{
	static const char want[] = "[a|1\n2|7][|x|7]";
	static const struct str in[] = {
		STR("\xef\xbb\xbf: hi\nevent: a\nid: 7\ndata: 1\ndata:2\n\ndata: x\n\nevent: "
		    "z\n\n"),
		STR(": hi\r\nevent: a\r\nid: 7\r\ndata: 1\r\ndata:2\r\n\r\ndata: x\r\n\r\n"),
		STR(": hi\revent: a\rid: 7\rdata: 1\rdata:2\r\rdata: x\r\r"),
	};
	static char big[2000];
	struct sse s;
	struct err e;
	struct buf out;

	TEST("every chunking gives the same events");
	for (size_t i = 0; i < COUNT(in); i++)
		for (size_t chunk = 1; chunk <= in[i].n; chunk++)
			feed(in[i], chunk, want);
	TEST("an event past its limit is an error of the stream");
	memset(big, 'x', sizeof(big));
	buf_init(&out, 0);
	sse_init(&s, 1000);
	CHECK(!sse_feed(&s, (struct str){ big, sizeof(big) }, on_event, &out, &e));
	sse_fini(&s);
	buf_fini(&out);
	return check_done();
}
