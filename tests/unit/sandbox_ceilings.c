/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ceilings of one run: what is below the setting counts, in the worker and for the kernel; what is
 * above it, and zero, is the setting.  The pool's workers are forked before a run is known, so each
 * case is run on an idle worker.
 */
#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;
static struct sandbox_result got;
static char message[FRAME_MESSAGE_MAX + 1];
static bool over;

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx, (void)handle;
	sandbox_answer(r, id, FRAME_OK, args);
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	(void)ctx;
	got = *r;
	(void)str_copy(message, sizeof(message), r->message);
	over = true;
}

static void
expect(const char *source, size_t memory_bytes, int cpu_ms, uint32_t calls_max,
    enum sandbox_end want, const char *why)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("demo"), STR("echo") };
	const struct sandbox_script s = { .source = str_of(source),
		.tools = &tool,
		.tools_n = 1,
		.memory_bytes = memory_bytes,
		.cpu_ms = cpu_ms,
		.calls_max = calls_max };
	struct err e = { .code = ERR_NONE };

	while (sandbox_counts(sandbox).idle < 4)
		loop_turn(loop);
	over = false;
	message[0] = '\0';
	if (!CHECK(sandbox_run(sandbox, &root, &s, &ev, NULL, &e) != NULL))
		return;
	while (!over)
		loop_turn(loop);
	TEST(source);
	CHECK_EQ_S(sandbox_end_word(got.end), sandbox_end_word(want));
	if (!CHECK(strstr(message, why) != NULL))
		printf("\tgot %s\n", message);
}

/* What the kernel counted, milliseconds. */
static void
check_cpu(int least, int most)
{
	if (!CHECK(got.cpu_us >= least * 1000 && got.cpu_us < most * 1000))
		printf("\tused %d us, wanted %d to %d ms\n", (int)got.cpu_us, least, most);
}

static void
test_memory(void)
{
	static const char ten[] = "local t = {} for i = 1, 10 do t[i] = string.rep(i, 1 << 20) end";

	expect(ten, 0, 0, 0, SANDBOX_DONE, "");
	expect(ten, (size_t)8 << 20, 0, 0, SANDBOX_OOM, "script:1: memory limit exceeded");
	expect(ten, (size_t)32 << 20, 0, 0, SANDBOX_DONE, "");
	expect("return 1", 1, 0, 0, SANDBOX_DONE, ""); /* counts as SANDBOX_MEMORY_MIN */
	expect("local s = string.rep('x', 15 << 20) local t = {} for i = 1, 9 do t[i] = s .. i end",
	    (size_t)1 << 40, 0, 0, SANDBOX_OOM, "memory limit exceeded"); /* not above 64 MiB */
	/* A small ceiling collects early enough: 60 MiB of garbage under 8 MiB. */
	expect("for i = 1, 60 do local s = string.rep('x', 1 << 19) .. i end", (size_t)8 << 20, 0,
	    0, SANDBOX_DONE, "");
}

static void
test_cpu(void)
{
	static const char spin[] = "while true do end",
			  c_loop[] =
			      "string.find(string.rep('a', 100), string.rep('a-', 50) .. 'b')";

	expect(spin, 0, 50, 0, SANDBOX_CPU, "script:1: CPU limit exceeded");
	check_cpu(40, 250);
	expect(
	    c_loop, 0, 50, 0, SANDBOX_CPU, "CPU limit exceeded (50 ms) inside a library function");
	check_cpu(50, 350);
	expect(spin, 0, 0, 0, SANDBOX_CPU, "script:1: CPU limit exceeded");
	check_cpu(250, 600);
	expect(spin, 0, 5000, 0, SANDBOX_CPU, "script:1: CPU limit exceeded");
	check_cpu(250, 600);
}

static void
test_calls(void)
{
	static const char loops[] = "for i = 1, 5 do demo.echo{} end";

	expect(loops, 0, 0, 0, SANDBOX_DONE, "");
	CHECK_EQ_I(got.calls, 5);
	expect(loops, 0, 0, 5, SANDBOX_DONE, "");
	expect(loops, 0, 0, 4, SANDBOX_CALLS, "budget of this run");
	CHECK_EQ_I(got.calls, 4);
	expect("for i = 1, 9 do demo.echo{} end", 0, 0, 100, SANDBOX_CALLS, "budget of this run");
	CHECK_EQ_I(got.calls, 8);
}

int
main(void)
{
	static const struct job_type root_type = { .name = "test" };
	const struct sandbox_settings set = {
		.worker = "build/sandbox-worker", .cpu_ms = 300, .calls_max = 8
	};
	struct err e = { .code = ERR_NONE };

	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	if (!CHECK(sandbox != NULL))
		return check_done();
	test_memory();
	test_cpu();
	test_calls();
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	return check_done();
}
