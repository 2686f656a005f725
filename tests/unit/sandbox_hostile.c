/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that has been taken over, through the real pool: this program is also the worker program
 * (started with two numbers it becomes a zygote without any lock), whose children do what the
 * "script" names instead of running it.  Whatever they do, the run ends with the right class, its
 * process is gone, and the next script is served.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

/* ---- the worker's side ---- */

static void
put(struct frame_head h, const char *body)
{
	unsigned char head[FRAME_HEAD_BYTES];

	frame_write_head(head, h);
	if (write(0, head, sizeof(head)) < 0 || write(0, body, strlen(body)) < 0)
		_exit(9);
}

static void
put_text(enum frame_type type, const char *body)
{
	put((struct frame_head){ .type = (uint8_t)type, .body_bytes = (uint32_t)strlen(body) },
	    body);
}

static void
put_call(uint32_t id, uint16_t handle)
{
	put((struct frame_head){ .type = FRAME_CALL, .id = id, .handle = handle, .body_bytes = 2 },
	    "{}");
}

static _Noreturn void
sleep_for_ever(void)
{
	for (;;)
		(void)poll(NULL, 0, 1000);
}

static void
flood(const char *what)
{
	static char text[60001];

	memset(text, 'x', 60000);
	if (strcmp(what, "flood of calls") == 0)
		for (uint32_t id = 1;; id++)
			put_call(id, 0);
	if (strcmp(what, "flood of text") == 0)
		for (;;)
			put_text(FRAME_LOG, text);
	if (strcmp(what, "flood of noise") == 0)
		for (;;)
			(void)!write(0, text, 60000);
}

/* In one piece: what comes after the last frame is not waited for. */
static void
put_two_ends(void)
{
	unsigned char both[2 * (FRAME_HEAD_BYTES + 1)];

	for (size_t i = 0; i < 2; i++) {
		unsigned char *at = both + i * (FRAME_HEAD_BYTES + 1);

		frame_write_head(at, (struct frame_head){ .type = FRAME_DONE, .body_bytes = 1 });
		at[FRAME_HEAD_BYTES] = '1';
	}
	(void)!write(0, both, sizeof(both));
}

static _Noreturn void
misbehave(const char *what)
{
	flood(what);
	if (strcmp(what, "good") == 0)
		put_text(FRAME_DONE, "1");
	else if (strcmp(what, "handle") == 0)
		put_call(1, 1);
	else if (strcmp(what, "length") == 0)
		put((struct frame_head){ .type = FRAME_CALL, .id = 1, .body_bytes = UINT32_MAX },
		    "");
	else if (strcmp(what, "half a frame") == 0)
		put((struct frame_head){ .type = FRAME_LOG, .body_bytes = 100 }, "short");
	else if (strcmp(what, "not JSON") == 0)
		put_text(FRAME_DONE, "{\"a\":");
	else if (strcmp(what, "two ends") == 0)
		put_two_ends(), sleep_for_ever();
	else if (strcmp(what, "lingers") == 0)
		put_text(FRAME_DONE, "1"), sleep_for_ever();
	else if (strcmp(what, "silent") == 0)
		sleep_for_ever();
	else if (strcmp(what, "closes") == 0)
		close(0), sleep_for_ever();
	else if (strcmp(what, "does not read") == 0)
		put_call(1, 0), put_call(2, 0), sleep_for_ever();
	else if (strcmp(what, "spoofed CPU") == 0)
		_exit(WORKER_EXIT_CPU);
	else if (strcmp(what, "ignores its timer") == 0)
		for (;;)
			;
	else if (strcmp(what, "SIGSYS") == 0)
		(void)raise(SIGSYS);
	else if (strcmp(what, "SIGSEGV") == 0)
		(void)signal(SIGSEGV, SIG_DFL), (void)raise(SIGSEGV); /* a sanitizer handles it */
	else if (strcmp(what, "call then end") == 0)
		put_call(1, 0), put_text(FRAME_DONE, "1");
	_exit(1);
}

static _Noreturn void
be_worker(int sock)
{
	static char body[4096];
	unsigned char head[FRAME_HEAD_BYTES];
	struct frame_run run;
	struct frame_head h;
	const char *source;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)dup2(sock, 0);
	(void)syscall(SYS_close_range, 1u, ~0u, 0);
	if (recv(0, head, sizeof(head), MSG_WAITALL) != (ssize_t)sizeof(head))
		_exit(WORKER_EXIT_EOF);
	h = frame_read_head(head);
	if (h.body_bytes >= sizeof(body) ||
	    recv(0, body, h.body_bytes, MSG_WAITALL) != (ssize_t)h.body_bytes)
		_exit(WORKER_EXIT_EOF);
	memcpy(&run, body, sizeof(run));
	source = body + sizeof(run) + run.tools_bytes;
	if (strncmp(source, "local t = self.test", 19) == 0)
		put_text(FRAME_DONE, "42"), _exit(0);
	misbehave(source);
}

static void
say(const struct zygote_say *what, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct zygote_say copy = *what;
	struct iovec bytes = { &copy, sizeof(copy) };
	struct msghdr m = { .msg_iov = &bytes, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	(void)sendmsg(0, &m, MSG_NOSIGNAL);
}

static uint32_t serial_of[65536];

static void
reap(void)
{
	struct rusage used;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0) {
		struct zygote_say told = {
			.op = ZYGOTE_REAPED, .serial = serial_of[pid & 65535], .status = status
		};

		say(&told, -1);
	}
}

static void
answer_one(void)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct zygote_ask ask;
	struct iovec bytes = { &ask, sizeof(ask) };
	struct msghdr m = { .msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	struct zygote_say told = { .op = ZYGOTE_SPAWNED };
	const struct cmsghdr *h;
	int fd, pidfd;

	if (recvmsg(0, &m, 0) <= 0)
		_exit(0);
	h = CMSG_FIRSTHDR(&m);
	if (h == NULL)
		_exit(1);
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	told.serial = ask.serial;
	told.pid = fork();
	if (told.pid == 0 && ask.op == ZYGOTE_PROBE) {
		(void)raise(SIGSYS);
		_exit(0);
	}
	if (told.pid == 0)
		be_worker(fd);
	serial_of[told.pid & 65535] = ask.serial;
	pidfd = (int)syscall(SYS_pidfd_open, told.pid, 0);
	say(&told, pidfd);
	close(pidfd);
	close(fd);
}

static _Noreturn void
be_zygote(void)
{
	const struct zygote_say hello = { .op = ZYGOTE_HELLO, .layers = LAYERS_FULL };
	const struct rlimit no_core = { 0, 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	say(&hello, -1);
	for (;;) {
		struct pollfd p = { 0, POLLIN, 0 };

		if (poll(&p, 1, 5) > 0)
			answer_one();
		reap();
	}
}

/* ---- the gateway's side ---- */

static struct loop *loop;
static struct sandbox *sandbox;
static struct job root;
static bool over;
static enum sandbox_end end;
static char message[200];
static bool large_answers;

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	static char large[4 << 20];

	(void)ctx, (void)handle, (void)args;
	if (!large_answers)
		return;
	memset(large, '1', sizeof(large));
	sandbox_answer(r, id, FRAME_OK, (struct str){ large, sizeof(large) });
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	(void)ctx;
	end = r->end;
	(void)str_copy(message, sizeof(message), r->message);
	over = true;
}

static void
expect(const char *what, enum sandbox_end want, const char *why)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	static const struct sandbox_tool tool = { STR("demo"), STR("echo") };
	const struct sandbox_script s = { .source = str_of(what),
		.tools = &tool,
		.tools_n = 1,
		.cpu_ms = 50,
		.wall_ms = want == SANDBOX_WALL ? 300 : 60000 };
	struct err e = { .code = ERR_NONE };

	TEST(what);
	over = false;
	message[0] = '\0';
	if (!CHECK(sandbox_run(sandbox, &root, &s, &ev, NULL, &e) != NULL))
		return;
	while (!over)
		loop_turn(loop);
	CHECK_EQ_S(sandbox_end_word(end), sandbox_end_word(want));
	if (!CHECK(strstr(message, why) != NULL))
		printf("\tgot %s\n", message);
	CHECK_EQ_I(sandbox_counts(sandbox).running, 0);
}

int
main(int argc, char **argv)
{
	static const struct job_type root_type = { .name = "test" };
	struct sandbox_settings set = { .worker = argv[0] };
	struct err e = { .code = ERR_NONE };

	if (argc == 3)
		be_zygote();
	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	job_init(&root, &root_type, NULL, NULL, NULL);
	if (!CHECK(sandbox != NULL))
		return check_done();
	while (sandbox_level(sandbox) == SANDBOX_STARTING)
		loop_turn(loop);
	expect("good", SANDBOX_DONE, "");
	expect("handle", SANDBOX_PROTO, "a call of a tool that was not given");
	expect("length", SANDBOX_PROTO, "arguments are too large");
	expect("half a frame", SANDBOX_CRASH, "exit 1");
	expect("not JSON", SANDBOX_PROTO, "a value that is no JSON");
	expect("two ends", SANDBOX_PROTO, "bytes after the last frame");
	expect("lingers", SANDBOX_DONE, "");
	expect("silent", SANDBOX_WALL, "300 ms");
	expect("closes", SANDBOX_CRASH, "signal 9");
	expect("flood of calls", SANDBOX_PROTO, "too many calls in flight");
	expect("flood of text", SANDBOX_OUTPUT, "printed more than");
	expect("flood of noise", SANDBOX_PROTO, "");
	expect("call then end", SANDBOX_PROTO, "an end with calls in flight");
	large_answers = true;
	expect("does not read", SANDBOX_WALL, "300 ms");
	expect("spoofed CPU", SANDBOX_CPU, "");
	expect("ignores its timer", SANDBOX_CPU, "CPU limit exceeded (50 ms)");
	expect("SIGSYS", SANDBOX_SECCOMP, "forbidden system call");
	expect("SIGSEGV", SANDBOX_CRASH, "signal 11");
	expect("good", SANDBOX_DONE, "");
	job_cancel(&root);
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	return check_done();
}
