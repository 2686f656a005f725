/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of worker frames: the same conversation in one piece, byte by byte and cut at every
 * offset gives the same events; every rule broken gives READER_BAD and the right end.
 */
#include <stdlib.h>

#include "sandbox/reader.h"
#include "tests/unit/check.h"

static const struct reader_limits limits = { .calls_max = 3, .in_flight_max = 2, .handles = 5 };

static void
put(struct buf *b, struct frame_head h, struct str body)
{
	unsigned char head[FRAME_HEAD_BYTES];

	h.body_bytes = (uint32_t)body.n;
	frame_write_head(head, h);
	buf_put(b, (struct str){ (const char *)head, sizeof(head) });
	buf_put(b, body);
}

static void
put_call(struct buf *b, uint32_t id, uint16_t handle, const char *args)
{
	put(b, (struct frame_head){ .type = FRAME_CALL, .handle = handle, .id = id }, str_of(args));
}

static void
put_simple(struct buf *b, enum frame_type type, int flags, const char *body)
{
	put(b, (struct frame_head){ .type = (uint8_t)type, .flags = (uint8_t)flags }, str_of(body));
}

/* Writes what the reader says as text, so that two readings can be compared. */
static enum reader_event
tell(struct reader *r, struct buf *story)
{
	struct reader_frame f;
	enum reader_event ev;

	while ((ev = reader_next(r, &f)) != READER_WAIT && ev != READER_BAD) {
		buf_printf(story, "%d/%u/%u/%d:" STR_FMT ";", (int)ev, f.head.id, f.head.handle,
		    (int)f.end, STR_ARG(f.body));
		if (ev == READER_CALL && f.head.id != 2)
			(void)reader_answered(r, f.head.id);
		if (ev == READER_LOG)
			(void)reader_answered(r, 2);
	}
	if (ev == READER_BAD)
		buf_printf(story, "bad %d %s", (int)f.end, f.why);
	return ev;
}

static void
feed(struct reader *r, struct buf *story, struct str s, size_t piece)
{
	while (s.n > 0) {
		size_t n = s.n < piece ? s.n : piece;

		reader_feed(r, (struct str){ s.p, n });
		s.p += n;
		s.n -= n;
		if (tell(r, story) == READER_BAD)
			return;
	}
}

static void
read_in(struct str bytes, size_t piece, struct buf *story)
{
	struct reader r;

	buf_init(story, 4 << 20);
	reader_init(&r, limits);
	feed(&r, story, bytes, piece);
	reader_fini(&r);
}

static void
test_chunks(void)
{
	struct buf b, whole, other;

	TEST("one conversation in any pieces gives the same events");
	buf_init(&b, 0);
	put_call(&b, 1, 0, "{\"a\":1}");
	put_call(&b, 2, FRAME_HANDLE_SEARCH, "{\"query\":\"x\"}");
	put_simple(&b, FRAME_LOG, 0, "printed\n");
	put_call(&b, 3, 4, "{}");
	put_simple(&b, FRAME_DONE, 0, "[1,2]");
	read_in(buf_str(&b), b.n, &whole);
	CHECK_STR(buf_str(&whole),
	    "1/1/0/0:{\"a\":1};1/2/65535/0:{\"query\":\"x\"};2/0/0/0:printed\n;"
	    "1/3/4/0:{};3/0/0/0:[1,2];");
	for (size_t piece = 1; piece < b.n; piece++) {
		read_in(buf_str(&b), piece, &other);
		CHECK_MEM(other.p, other.n, whole.p, whole.n);
		buf_fini(&other);
	}
	for (size_t cut = 0; cut <= b.n; cut++) {
		struct reader r;

		buf_init(&other, 0);
		reader_init(&r, limits);
		feed(&r, &other, (struct str){ b.p, cut }, READER_PIECE_MAX);
		feed(&r, &other, (struct str){ b.p + cut, b.n - cut }, READER_PIECE_MAX);
		CHECK_MEM(other.p, other.n, whole.p, whole.n);
		reader_fini(&r);
		buf_fini(&other);
	}
	buf_fini(&whole);
	buf_fini(&b);
}

static void
expect_bad(const char *what, struct buf *b, enum sandbox_end end, const char *why)
{
	struct buf story;
	char want[200];

	TEST(what);
	(void)snprintf(want, sizeof(want), "bad %d %s", (int)end, why);
	for (size_t piece = b->n; piece > 0; piece = piece == b->n && b->n > 1 ? 1 : 0) {
		if (piece > READER_PIECE_MAX)
			piece = READER_PIECE_MAX;
		read_in(buf_str(b), piece, &story);
		CHECK(str_ends(buf_str(&story), str_of(want)));
		buf_fini(&story);
		if (piece == READER_PIECE_MAX)
			break;
	}
	buf_fini(b);
	buf_init(b, 4 << 20);
}

static void
put_head(struct buf *b, struct frame_head h)
{
	unsigned char head[FRAME_HEAD_BYTES];

	frame_write_head(head, h);
	buf_put(b, (struct str){ (const char *)head, sizeof(head) });
}

static void
test_calls(struct buf *b)
{
	put_call(b, 2, 0, "{}");
	expect_bad("the first id is 1", b, SANDBOX_PROTO, "a call out of order");
	put_call(b, 1, 0, "{}");
	put_call(b, 1, 0, "{}");
	expect_bad("an id comes once", b, SANDBOX_PROTO, "a call out of order");
	put_call(b, 1, 5, "{}");
	expect_bad(
	    "a handle outside the table", b, SANDBOX_PROTO, "a call of a tool that was not given");
	put(b, (struct frame_head){ .type = FRAME_CALL, .flags = 2, .id = 1 }, STR("{}"));
	expect_bad("a flag that there is not", b, SANDBOX_PROTO, "a call out of order");
	put(b,
	    (struct frame_head){
		.type = FRAME_CALL, .flags = FRAME_BY_REF, .handle = FRAME_HANDLE_SHOW, .id = 1 },
	    STR("{}"));
	expect_bad("only a tool answers by reference", b, SANDBOX_PROTO, "a call out of order");
	put(b, (struct frame_head){ .type = FRAME_CALL, .flags = FRAME_BY_REF, .id = 1 },
	    STR("[]"));
	expect_bad("a tool does", b, SANDBOX_PROTO, "arguments that are no JSON object");
	put_call(b, 1, 0, "[]");
	expect_bad(
	    "arguments are an object", b, SANDBOX_PROTO, "arguments that are no JSON object");
	put_call(b, 1, 0, "{\"a\":1,\"\\u0061\":2}");
	expect_bad("a duplicate key", b, SANDBOX_PROTO, "arguments that are no JSON object");
	put_call(b, 1, 0, "{\"a\":1");
	expect_bad("broken arguments", b, SANDBOX_PROTO, "arguments that are no JSON object");
	put_call(b, 1, 0, "{}");
	put_call(b, 2, 0, "{}");
	put_simple(b, FRAME_DONE, 0, "1");
	expect_bad("done with a call open", b, SANDBOX_PROTO, "an end with calls in flight");
	for (uint32_t i = 1; i <= 4; i++) {
		put_call(b, i, 0, "{}");
		put_simple(b, FRAME_LOG, 0, "x");
	}
	expect_bad(
	    "calls are counted", b, SANDBOX_CALLS, "the tool-call budget of this run is used up");
	put_head(b,
	    (struct frame_head){ .type = FRAME_CALL, .id = 1, .body_bytes = FRAME_CALL_MAX + 1 });
	expect_bad("a length is judged before its body comes", b, SANDBOX_PROTO,
	    "arguments are too large");
}

static void
test_rules(void)
{
	struct buf b;

	buf_init(&b, 4 << 20);
	test_calls(&b);
	put_simple(&b, (enum frame_type)0x7f, 0, "");
	expect_bad("an unknown type", &b, SANDBOX_PROTO, "a frame of no known type");
	put_simple(&b, FRAME_RUN, 0, "");
	expect_bad("our own frames", &b, SANDBOX_PROTO, "a frame of no known type");
	put_simple(&b, FRAME_DONE, 0, "1");
	put_simple(&b, FRAME_LOG, 0, "x");
	expect_bad("anything after the end", &b, SANDBOX_PROTO, "bytes after the last frame");
	put_simple(&b, FRAME_DONE, 0, "nil");
	expect_bad("a value is JSON", &b, SANDBOX_PROTO, "a value that is no JSON");
	put_simple(&b, FRAME_FAIL, SANDBOX_DONE, "");
	expect_bad("a failure does not say DONE", &b, SANDBOX_PROTO, "an end of no known kind");
	put_simple(&b, FRAME_FAIL, SANDBOX_CANCELLED, "");
	expect_bad("nor what only we can know", &b, SANDBOX_PROTO, "an end of no known kind");
	put_head(&b, (struct frame_head){ .type = FRAME_DONE, .body_bytes = FRAME_VALUE_MAX + 1 });
	expect_bad("a value too large", &b, SANDBOX_OUTPUT,
	    "the returned value is larger than 1000000 bytes: return less of it");
	put_head(&b, (struct frame_head){ .type = FRAME_LOG, .id = 1 });
	expect_bad("stray fields", &b, SANDBOX_PROTO, "a head with stray fields");
	put_head(&b, (struct frame_head){ .type = FRAME_LOG });
	expect_bad("nothing is printed without end", &b, SANDBOX_PROTO, "a log frame of nothing");
	for (int i = 0; i < 66; i++) {
		static char line[1001];

		memset(line, 'x', 1000);
		put_simple(&b, FRAME_LOG, 0, line);
	}
	expect_bad("printed text is counted over all frames", &b, SANDBOX_OUTPUT,
	    "printed more than 65536 bytes");
	buf_fini(&b);
}

/* What has been given out is moved out of the way once per piece, not once per frame. */
static void
test_small_frames(void)
{
	struct reader r;
	struct reader_frame f;
	struct buf b;
	int frames = 0;

	TEST("a piece of small frames is not copied again for each of them");
	buf_init(&b, 0);
	for (int i = 0; i < 5000; i++)
		put_simple(&b, FRAME_LOG, 0, "x");
	reader_init(&r, limits);
	reader_feed(&r, buf_str(&b));
	while (reader_next(&r, &f) == READER_LOG && f.body.p + 1 == r.bytes.p + r.taken)
		frames++;
	CHECK_EQ_I(frames, 5000);
	CHECK_EQ_I((int64_t)r.bytes.n, b.n); /* nothing was moved while they were read */
	reader_feed(&r, STR(""));
	CHECK_EQ_I((int64_t)r.bytes.n, 0);
	reader_fini(&r);
	buf_fini(&b);
}

static void
test_in_flight(void)
{
	struct reader r;
	struct reader_frame f;
	struct buf b;

	TEST("open calls are counted and answered once");
	buf_init(&b, 0);
	reader_init(&r, limits);
	put_call(&b, 1, 0, "{}");
	put_call(&b, 2, 0, "{}");
	reader_feed(&r, buf_str(&b));
	CHECK_EQ_I(reader_next(&r, &f), READER_CALL);
	CHECK_EQ_I(reader_next(&r, &f), READER_CALL);
	CHECK_EQ_I(reader_next(&r, &f), READER_WAIT);
	CHECK(!reader_answered(&r, 3));
	CHECK(reader_answered(&r, 1));
	CHECK(!reader_answered(&r, 1));
	CHECK(reader_answered(&r, 2));
	reader_fini(&r);
	reader_init(&r, (struct reader_limits){ .calls_max = 9, .in_flight_max = 1, .handles = 1 });
	reader_feed(&r, buf_str(&b));
	CHECK_EQ_I(reader_next(&r, &f), READER_CALL);
	CHECK_EQ_I(reader_next(&r, &f), READER_BAD);
	CHECK_EQ_S(f.why, "too many calls in flight");
	reader_fini(&r);
	buf_fini(&b);
}

int
main(void)
{
	test_chunks();
	test_rules();
	test_small_frames();
	test_in_flight();
	return check_done();
}
