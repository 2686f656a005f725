/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PLACE and STATE: what the reader takes for them and what it refuses; and a real worker, which
 * says where its calls are made and gives back S only with DONE.
 */
#include <stdlib.h>

#include "sandbox/reader.h"
#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

/* ---- the reader ---- */

static void
put(struct buf *b, struct frame_head h, const char *body)
{
	unsigned char head[FRAME_HEAD_BYTES];

	if (body != NULL)
		h.body_bytes = (uint32_t)strlen(body);
	frame_write_head(head, h);
	buf_put(b, (struct str){ (const char *)head, sizeof(head) });
	buf_put(b, str_of(body));
}

#define HEAD(t, ...)                                                                               \
	(struct frame_head)                                                                        \
	{                                                                                          \
		.type = (t), __VA_ARGS__                                                           \
	}

/* Reads until it waits or refuses; the last refusal, or "". */
static const char *
read_all(struct reader *r, struct buf *b, size_t piece)
{
	struct reader_frame f;
	enum reader_event ev = READER_WAIT;

	for (size_t at = 0; at < b->n && ev != READER_BAD; at += piece) {
		reader_feed(r, (struct str){ b->p + at, b->n - at < piece ? b->n - at : piece });
		while ((ev = reader_next(r, &f)) != READER_WAIT && ev != READER_BAD)
			if (ev == READER_CALL)
				(void)reader_answered(r, f.head.id);
	}
	return ev == READER_BAD ? f.why : "";
}

static void
expect(const char *what, struct buf *b, bool state, const char *why)
{
	const struct reader_limits limits = {
		.calls_max = 3, .in_flight_max = 2, .handles = 5, .state = state
	};

	TEST(what);
	for (size_t piece = 1; piece <= READER_PIECE_MAX; piece *= 17) {
		struct reader r;

		reader_init(&r, limits);
		CHECK_EQ_S(read_all(&r, b, piece), why);
		reader_fini(&r);
	}
	buf_reset(b);
}

static void
test_place(struct buf *b)
{
	const struct reader_limits limits = { .calls_max = 3, .in_flight_max = 2, .handles = 5 };
	struct reader r;

	TEST("the place stays until another one is told");
	put(b, HEAD(FRAME_PLACE, .id = 2, .handle = 7), NULL);
	put(b, HEAD(FRAME_CALL, .id = 1), "{}");
	put(b, HEAD(FRAME_CALL, .id = 2), "{}");
	reader_init(&r, limits);
	CHECK_EQ_S(read_all(&r, b, 5), "");
	CHECK_EQ_I(r.fan, 2);
	CHECK_EQ_I(r.branch, 7);
	CHECK_EQ_I(r.last_id, 2);
	reader_fini(&r);
	buf_reset(b);
	put(b, HEAD(FRAME_PLACE, .id = 1, .handle = 1), NULL);
	put(b, HEAD(FRAME_PLACE, .id = 1, .handle = 2), NULL);
	expect("two in a row", b, false, "a place that no call is made at");
	put(b, HEAD(FRAME_PLACE, .id = 0), NULL);
	expect("the same again", b, false, "a place that no call is made at");
	put(b, HEAD(FRAME_PLACE, .id = 1, .body_bytes = 1), NULL);
	expect("with a body", b, false, "a head with stray fields");
	put(b, HEAD(FRAME_PLACE, .id = 1, .flags = 1), NULL);
	expect("with flags", b, false, "a head with stray fields");
}

static void
test_state(struct buf *b)
{
	put(b, HEAD(FRAME_STATE), "{\"n\":1}");
	put(b, HEAD(FRAME_DONE), "1");
	expect("a state and the end", b, true, "");
	put(b, HEAD(FRAME_STATE), "{}");
	expect("of a run that was not given one", b, false, "a state that was not asked for");
	put(b, HEAD(FRAME_STATE), "{}");
	put(b, HEAD(FRAME_STATE), "{}");
	expect("twice", b, true, "a state that is not followed by the end");
	put(b, HEAD(FRAME_STATE), "{}");
	put(b, HEAD(FRAME_CALL, .id = 1), "{}");
	expect("and a call", b, true, "a state that is not followed by the end");
	put(b, HEAD(FRAME_STATE), "{}");
	put(b, HEAD(FRAME_FAIL, .flags = SANDBOX_RUNTIME), "x");
	expect("and a failure", b, true, "a state that is not followed by the end");
	for (int i = 0; i < 4; i++) {
		static const char *const wrong[] = { "5", "{\"a\":1,\"a\":2}", "{\"a\":", "" };

		put(b, HEAD(FRAME_STATE), wrong[i]);
		expect(wrong[i], b, true, "a state that is no JSON");
	}
	put(b, HEAD(FRAME_STATE, .body_bytes = FRAME_STATE_MAX + 1), NULL);
	expect("too large, before its body comes", b, true, "a state that is too large");
	put(b, HEAD(FRAME_STATE, .id = 1), "{}");
	expect("stray fields", b, true, "a head with stray fields");
}

/* ---- a worker ---- */

static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;
static struct buf places, state, value, message;
static bool over;

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	uint32_t fan, branch;

	(void)ctx, (void)handle;
	sandbox_call_place(r, &fan, &branch);
	buf_printf(&places, "%u.%u ", fan, branch);
	sandbox_answer(r, id, FRAME_OK, args);
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	(void)ctx;
	buf_put(&state, r->state);
	buf_put(&value, r->value);
	buf_put(&message, r->message);
	over = true;
}

static void
run(const char *source, const char *s, const char *last)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("demo"), STR("echo") };
	const struct sandbox_script script = { .source = str_of(source),
		.tools = &tool,
		.tools_n = 1,
		.state = str_of(s),
		.last = str_of(last) };
	struct err e = { .code = ERR_NONE };

	TEST(source);
	buf_reset(&places);
	buf_reset(&state);
	buf_reset(&value);
	buf_reset(&message);
	over = false;
	if (!CHECK(sandbox_run(sandbox, &root, &script, &ev, NULL, &e) != NULL))
		return;
	while (!over)
		loop_turn(loop);
}

static void
test_worker(void)
{
	run("demo.echo{} parallel(function() demo.echo{} demo.echo{} end, function() end) "
	    "demo.echo{} pmap({1, 2}, function(i) if i == 2 then demo.echo{} end end) "
	    "demo.echo{}",
	    NULL, NULL);
	CHECK_STR(buf_str(&places), "0.0 1.1 1.1 0.0 2.2 0.0 ");
	CHECK_STR(buf_str(&state), "");
	run("pmap({1}, function() local co = coroutine.wrap(function() demo.echo{} end) co() end) "
	    "pcall(pmap, {1}, function() demo.echo{} error('x') end) demo.echo{}",
	    NULL, NULL);
	CHECK_STR(buf_str(&places), "1.1 2.1 0.0 ");
	run("S.n = S.n + #last S.gone = nil return S", "{\"gone\":[],\"n\":1}", "[1,2]");
	CHECK_STR(buf_str(&state), "{\"n\":3}");
	CHECK_STR(buf_str(&value), "{\"n\":3}");
	run("S = nil", "{\"n\":1}", NULL);
	CHECK_STR(buf_str(&state), "{}");
	run("S.n = 2 error('x')", "{\"n\":1}", NULL);
	CHECK_STR(buf_str(&state), "");
	run("S.n = print", "{\"n\":1}", NULL);
	CHECK_STR(buf_str(&state), "");
	CHECK(message.n > 0);
	run("return last", NULL, NULL);
	CHECK_STR(buf_str(&value), "");
	CHECK_STR(buf_str(&message), "");
}

int
main(void)
{
	static const struct job_type root_type = { .name = "test" };
	const struct sandbox_settings set = { .worker = "build/sandbox-worker" };
	struct err e = { .code = ERR_NONE };
	struct buf b;

	buf_init(&b, 0);
	buf_init(&places, 0);
	buf_init(&state, 0);
	buf_init(&value, 0);
	buf_init(&message, 0);
	test_place(&b);
	test_state(&b);
	buf_fini(&b);
	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	if (!CHECK(sandbox != NULL))
		return check_done();
	test_worker();
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	buf_fini(&places);
	buf_fini(&state);
	buf_fini(&value);
	buf_fini(&message);
	return check_done();
}
