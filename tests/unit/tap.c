/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token usage is read from JSON and from streams, in every chunking; a stream that was cut pays
 * for what was delivered, and a provider that talks nonsense reports nothing.
 */
#include "gateway/tap.h"

#include "gateway/dialect.h"

#include "tests/unit/check.h"

#define START                                                                                      \
	"event: message_start\n"                                                                   \
	"data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{"                  \
	"\"input_tokens\":10,\"cache_creation_input_tokens\":3,\"cache_read_input_tokens\":4,"     \
	"\"output_tokens\":1}}}\n\n"
#define USE                                                                                        \
	"event: content_block_start\n"                                                             \
	"data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{"                  \
	"\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}}\n\n"
#define DELTA                                                                                      \
	"event: content_block_delta\n"                                                             \
	"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{"                          \
	"\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n"
#define END                                                                                        \
	"event: message_delta\n"                                                                   \
	"data: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":20}}\n\n"

static void
feed(struct tap *t, struct str in, size_t chunk)
{
	for (size_t at = 0; at < in.n; at += chunk)
		tap_feed(t, (struct str){ in.p + at, in.n - at < chunk ? in.n - at : chunk });
}

static void
stream_whole(size_t chunk)
{
	static const struct str in =
	    STR(": ping\n\n" START USE DELTA END
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
	struct usage u;
	struct tap t;
	bool guessed;

	tap_init(&t, &anthropic_messages, true, -1);
	feed(&t, in, chunk);
	tap_usage(&t, &u, &guessed);
	CHECK(u.seen && !guessed);
	CHECK_EQ_I(u.input, 10);
	CHECK_EQ_I(u.cache_write, 3);
	CHECK_EQ_I(u.cache_read, 4);
	CHECK_EQ_I(u.output, 20);
	CHECK_STR(buf_str(&t.uses), "toolu_1");
	tap_fini(&t);
}

static void
json_whole(size_t chunk)
{
	static const struct str in =
	    STR("{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"usage\"},"
		"{\"type\":\"tool_use\",\"id\":\"toolu_1\"},{\"type\":\"tool_use\",\"id\":"
		"\"toolu_2\"}],\"usage\":{\"input_tokens\":7,\"output_tokens\":9}}");
	struct usage u;
	struct tap t;
	bool guessed;

	tap_init(&t, &anthropic_messages, false, (int64_t)in.n);
	feed(&t, in, chunk);
	tap_usage(&t, &u, &guessed);
	CHECK(u.seen && !guessed);
	CHECK_EQ_I(u.input, 7);
	CHECK_EQ_I(u.output, 9);
	CHECK_STR(buf_str(&t.uses), "toolu_1 toolu_2");
	tap_fini(&t);
}

/* Cut after every single byte: never charged more than the whole stream's deltas, never a trap. */
static void
stream_cut(void)
{
	static const struct str in = STR(START DELTA DELTA DELTA END);
	int64_t before = 0;

	for (size_t n = 0; n <= in.n; n++) {
		struct usage u;
		struct tap t;
		bool guessed;

		tap_init(&t, &anthropic_messages, true, -1);
		tap_feed(&t, (struct str){ in.p, n });
		tap_usage(&t, &u, &guessed);
		CHECK(u.output >= before);
		CHECK(u.seen || u.input == 0);
		CHECK(!t.final || !guessed);
		before = u.output;
		tap_fini(&t);
	}
	CHECK_EQ_I(before, 20);
}

static void
nonsense(const char *text, bool stream)
{
	struct usage u;
	struct tap t;
	bool guessed;

	tap_init(&t, &anthropic_messages, stream, -1);
	tap_feed(&t, str_of(text));
	tap_usage(&t, &u, &guessed);
	check_that(!u.seen && u.input == 0 && u.output == 0, __FILE__, __LINE__, text);
	tap_fini(&t);
}

/* Figures that cannot be are not taken over; the others are. */
static void
bad_figures(void)
{
	static const struct str in = STR("{\"usage\":{\"input_tokens\":-5,\"output_tokens\":"
					 "99999999999999999999,\"cache_read_input_tokens\":2}}");
	struct usage u;
	struct tap t;
	bool guessed;

	tap_init(&t, &anthropic_messages, false, -1);
	tap_feed(&t, in);
	tap_usage(&t, &u, &guessed);
	CHECK_EQ_I(u.input, 0);
	CHECK_EQ_I(u.output, 0);
	CHECK_EQ_I(u.cache_read, 2);
	tap_fini(&t);
}

static void
endless_line(void)
{
	static char piece[65536];
	struct usage u;
	struct tap t;
	bool guessed;

	memset(piece, 'x', sizeof(piece));
	tap_init(&t, &anthropic_messages, true, -1);
	tap_feed(&t, STR(START));
	for (int i = 0; i < 100; i++)
		tap_feed(&t, (struct str){ piece, sizeof(piece) });
	tap_feed(&t, STR("\n\n" END));
	tap_usage(&t, &u, &guessed);
	CHECK_EQ_I(u.input, 10);
	CHECK(t.sse.line.n <= (size_t)4 << 20);
	tap_fini(&t);
}

int
main(void)
{
	TEST("a stream's usage and tool uses, in every chunking");
	for (size_t chunk = 1; chunk < 700; chunk++)
		stream_whole(chunk);
	TEST("a whole reply's usage and tool uses, in every chunking");
	for (size_t chunk = 1; chunk < 250; chunk++)
		json_whole(chunk);
	TEST("a stream cut after any byte pays for what was delivered");
	stream_cut();
	TEST("what is not a reply reports nothing");
	nonsense("", false);
	nonsense("<html>busy</html>", false);
	nonsense("{\"usage\":[1,2]}", false);
	nonsense("{\"usage\":{\"input_tokens\":1},\"usage\":{\"input_tokens\":2}}", false);
	nonsense("{\"usage\":{\"input_tokens\":1}", false);
	nonsense("event: message_start\ndata: {\"message\":7}\n\n", true);
	nonsense("event: message_delta\ndata: nothing\n\n", true);
	TEST("impossible figures are left out");
	bad_figures();
	TEST("a line without an end costs the tap a bounded buffer, and what was seen stays");
	endless_line();
	return check_done();
}
