/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker with arbitrary native code in it gains nothing.
 *
 * The worker is build/sandbox-worker-native (tests/worker/native.c): locked like the shipped one,
 * but its scripts may execute any system call, write any bytes to the gateway, crash and spin in
 * every way.  Each attempt ends as the table says.  All the while another run of the same pool
 * waits for the answers to its calls, one for each attempt, and must get these and no others; every
 * call that reached us is in some result's count; and a key that this process holds is in no
 * worker's memory.
 */
#include <dirent.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

#define CPU_MS        5000 /* of the pool: reading a whole address space takes a while */
#define CPU_BRIEF_MS  200
#define WALL_BRIEF_MS 400
#define VICTIM_CALLS  100

struct attempt {
	const char *what, *source;
	enum sandbox_end end;
	const char *why; /* in the message, or the value */
};

/* Each must be the last thing that the process does. */
#define SYS(what, args)                                                                            \
	{                                                                                          \
		what, "return native('syscall', " args ")", SANDBOX_SECCOMP, "forbidden"           \
	}
static const struct attempt calls[] = {
	/* files and descriptors */
	SYS("open", "2, '/etc/passwd', 0"),
	SYS("openat", "257, -100, '/etc/passwd', 0"),
	SYS("openat2", "437, -100, '/etc/passwd', nil, 24"),
	SYS("read another descriptor", "0, 3, nil, 64"),
	SYS("read the descriptor 2^32", "0, 4294967297, nil, 64"),
	SYS("write to the standard error", "1, 2, 'x', 1"),
	SYS("pread", "17, 0, nil, 64, 0"),
	SYS("readv", "19, 0, nil, 1"),
	SYS("writev", "20, 0, nil, 1"),
	SYS("dup", "32, 0"),
	SYS("dup2 over the socket", "33, 0, 1"),
	SYS("close the socket", "3, 0"),
	SYS("fcntl", "72, 0, 4, 2048"),
	SYS("ioctl", "16, 0, 0x5412, nil"),
	SYS("getdents", "217, 0, nil, 4096"),
	SYS("memfd_create", "319, 'm', 0"),
	SYS("stat", "4, '/etc/passwd', nil"),
	SYS("unlink", "87, '/tmp/x'"),
	/* sockets: the one that it has takes no descriptors either */
	SYS("socket", "41, 2, 1, 0"),
	SYS("socketpair", "53, 1, 1, 0, nil"),
	SYS("connect", "42, 0, nil, 16"),
	SYS("sendto", "44, 0, 'x', 1, 0, 0, 0"),
	SYS("sendmsg", "46, 0, nil, 0"),
	SYS("recvmsg", "47, 0, nil, 0"),
	SYS("getsockopt: who is the peer", "55, 0, 1, 17, nil, nil"),
	SYS("shutdown", "48, 0, 2"),
	/* other processes */
	SYS("ptrace the zygote", "101, 16, 1, 0, 0"),
	SYS("ptrace me", "101, 0, 0, 0, 0"),
	SYS("read the zygote's memory", "310, 1, nil, 1, nil, 1, 0"),
	SYS("write the zygote's memory", "311, 1, nil, 1, nil, 1, 0"),
	SYS("kill the zygote", "62, 1, 9"),
	SYS("kill everybody", "62, -1, 9"),
	SYS("tgkill", "234, 1, 1, 9"),
	SYS("pidfd_open", "434, 1, 0"),
	SYS("pidfd_getfd", "438, 0, 0, 0"),
	SYS("kcmp", "312, 1, 1, 0, 0, 0"),
	SYS("process_madvise", "440, 0, nil, 1, 4, 0"),
	SYS("getppid", "110"),
	SYS("fork", "57"),
	SYS("vfork", "58"),
	SYS("clone a thread", "56, 0x50f00, nil, nil, nil, 0"),
	SYS("clone a user namespace", "56, 0x10000011, 0, 0, 0, 0"),
	SYS("clone3", "435, nil, 88"),
	SYS("execve", "59, '/bin/sh', 0, 0"),
	SYS("execveat", "322, 0, '', 0, 0, 0x1000"),
	SYS("wait4", "61, -1, nil, 0, 0"),
	SYS("end one thread only", "60, 0"),
	/* memory */
	SYS("executable memory", "9, 0, 4096, 5, 0x22, -1, 0"),
	SYS("writable and executable memory", "9, 0, 4096, 7, 0x22, -1, 0"),
	SYS("make data executable", "10, nil, 4096, 5"),
	SYS("make code writable", "10, nil, 4096, 7"),
	SYS("pkey_mprotect", "329, nil, 4096, 7, -1"),
	SYS("mremap", "25, nil, 4096, 8192, 1, 0"),
	SYS("remap_file_pages", "216, nil, 4096, 0, 0, 0"),
	SYS("shmget", "29, 0, 4096, 0x1ff"),
	SYS("userfaultfd", "323, 0"),
	SYS("vmsplice", "278, 0, nil, 1, 0"),
	SYS("splice", "275, 0, 0, 0, 0, 4096, 0"),
	SYS("membarrier", "324, 8, 0, 0"),
	/* the kernel's larger surfaces */
	SYS("io_uring_setup", "425, 8, nil"),
	SYS("io_uring_enter", "426, 0, 1, 1, 0, 0"),
	SYS("io_setup", "206, 8, nil"),
	SYS("bpf", "321, 0, nil, 64"),
	SYS("perf_event_open", "298, nil, 0, -1, -1, 0"),
	SYS("keyctl", "250, 0, -3, 0, 0, 0"),
	SYS("add_key", "248, 'user', 'k', nil, 8, -3"),
	SYS("futex", "202, nil, 0, 0, 0, 0"),
	SYS("modify_ldt", "154, 1, nil, 16"),
	SYS("iopl", "172, 3"),
	SYS("finit_module", "313, 0, '', 0"),
	SYS("kexec_load", "246, 0, 0, 0, 0"),
	SYS("quotactl", "179, 0, 0, 0, 0"),
	/* its own walls */
	SYS("another filter", "317, 1, 0, nil"),
	SYS("prctl: dumpable", "157, 4, 1, 0, 0, 0"),
	SYS("prctl: no death with the parent", "157, 1, 0, 0, 0, 0"),
	SYS("arch_prctl", "158, 0x1002, nil"),
	SYS("personality", "135, 0x0400000"),
	SYS("more CPU time", "302, 0, 0, nil, 0"),
	SYS("no more timer", "38, 2, nil, 0"),
	SYS("a handler for SIGSYS", "13, 31, nil, 0, 8"),
	SYS("block SIGPROF", "14, 0, nil, 0, 8"),
	SYS("setuid", "105, 0"),
	SYS("capset", "126, nil, nil"),
	SYS("unshare", "272, 0x10000000"),
	SYS("setns", "308, 0, 0"),
	SYS("mount", "165, 'none', '/', 'tmpfs', 0, 0"),
	SYS("chroot", "161, '..'"),
	SYS("landlock_add_rule", "445, 0, 1, nil, 0"),
	/* clocks, waits, chance */
	SYS("clock_gettime", "228, 0, nil"),
	SYS("nanosleep", "35, nil, 0"),
	SYS("poll", "7, 0, 0, 1000"),
	SYS("getrandom", "318, nil, 8, 0"),
	SYS("getpid", "39"),
	SYS("uname", "63, nil"),
	/* other tables of numbers */
	SYS("read of x32", "0x40000000, 0, nil, 1"),
	SYS("a number that is none", "99999"),
	SYS("a negative number", "-1"),
};

/* Where the kernel has no such table it is an instruction like ud2. */
#define INT80 "a system call of 32-bit programs"

/* What comes back, and is nothing. */
static const struct attempt returns[] = {
	{ "plain memory", "return native('syscall', 9, 0, 4096, 3, 0x22, -1, 0)", SANDBOX_DONE,
	    "-12" },
	{ "a mapping of the socket", "return native('syscall', 9, 0, 4096, 1, 1, 0, 0)",
	    SANDBOX_DONE, "-12" },
	{ "a larger heap", "return native('syscall', 12, -1)", SANDBOX_DONE, "0" },
	{ "an environment", "return native('environment')", SANDBOX_DONE, "0" },
	{ "another end", "native('exit', 0)", SANDBOX_CRASH, "exit 0" },
	{ "the end of the CPU limit, played", "native('exit', 124)", SANDBOX_CPU, "" },
	{ "the end of a failed lock, played", "native('exit', 77)", SANDBOX_CRASH, "exit 77" },
	{ "null", "native('crash', 'null')", SANDBOX_CRASH, "signal 11" },
	{ "writes its own code", "native('crash', 'text')", SANDBOX_CRASH, "signal 11" },
	{ "runs its data", "native('crash', 'data')", SANDBOX_CRASH, "signal 11" },
	{ INT80, "native('crash', 'int80')", SANDBOX_SECCOMP, "" },
	{ "undefined instruction", "native('crash', 'undefined')", SANDBOX_CRASH, "signal 4" },
	{ "no more stack", "native('crash', 'stack')", SANDBOX_CRASH, "signal 11" },
	{ "spins", "native('spin', 'plain')", SANDBOX_CPU, "CPU" },
	{ "spins and takes its ticks back", "native('spin', 'untick')", SANDBOX_CPU, "CPU" },
	{ "spins with every signal blocked, by a forged return from one",
	    "native('spin', 'masked')", SANDBOX_CPU, "CPU" },
	{ "an honest run", "return echo.echo{a=1}.ok", SANDBOX_DONE, "true" },
	{ "an honest run in native code",
	    "native('frame', 2,0,0,1,nil,'{}') native('read', 23) native('frame', 4,0,0,0,nil,'7') "
	    "native('exit', 0)",
	    SANDBOX_DONE, "7" },
};

/* Frames; E: the ends by name.  2 CALL, 3 LOG, 4 DONE, 5 FAIL, 16 RUN, 17 RESULT. */
#define FRAMES(what, code, end, why)                                                               \
	{                                                                                          \
		what, code, SANDBOX_##end, why                                                     \
	}
static const struct attempt frames[] = {
	FRAMES("a handle after the last", "native('frame',2,0,1,1,nil,'{}')", PROTO, "not given"),
	FRAMES("the largest handle but two", "native('frame',2,0,65533,1,nil,'{}')", PROTO,
	    "not given"),
	FRAMES("id 0", "native('frame',2,0,0,0,nil,'{}')", PROTO, "out of order"),
	FRAMES("id 2", "native('frame',2,0,0,2,nil,'{}')", PROTO, "out of order"),
	FRAMES("id 2^32 - 1", "native('frame',2,0,0,4294967295,nil,'{}')", PROTO, "out of order"),
	FRAMES("an id twice", "native('frame',2,0,0,1,nil,'{}') native('frame',2,0,0,1,nil,'{}')",
	    PROTO, "out of order"),
	FRAMES("flags of a call", "native('frame',2,2,0,1,nil,'{}')", PROTO, "out of order"),
	FRAMES("flags of a search", "native('frame',2,1,65535,1,nil,'{}')", PROTO, "out of order"),
	FRAMES("4 GiB of arguments", "native('frame',2,0,0,1,4294967295,'{')", PROTO, "too large"),
	FRAMES("4 GiB of text", "native('frame',3,0,0,0,4294967295,'x')", OUTPUT, "printed"),
	FRAMES("4 GiB of value", "native('frame',4,0,0,0,4294967295,'1')", OUTPUT, "larger"),
	FRAMES("4 GiB of message", "native('frame',5,E.RUNTIME,0,0,4294967295,'x')", PROTO,
	    "no known kind"),
	FRAMES("a place that is the same", "native('frame',6,0,0,0)", PROTO, "no call is made at"),
	FRAMES("places without end", "for i = 1, 1e9 do native('frame',6,0,1,i) end", PROTO,
	    "no call is made at"),
	FRAMES("a place with a body", "native('frame',6,0,1,1,nil,'x')", PROTO, "stray"),
	FRAMES("4 GiB of place", "native('frame',6,0,1,1,4294967295,'x')", PROTO, "stray"),
	FRAMES(
	    "a state that nobody gave", "native('frame',7,0,0,0,nil,'{}')", PROTO, "not asked for"),
	FRAMES("4 GiB of state", "native('frame',7,0,0,0,4294967295,'{')", PROTO, "not asked for"),
	FRAMES("a RUN", "native('frame',16,0,0,0,nil,'x')", PROTO, "no known type"),
	FRAMES("a RESULT", "native('frame',17,0,0,0,nil,'{}')", PROTO, "no known type"),
	FRAMES("type 0", "native('frame',0)", PROTO, "no known type"),
	FRAMES("type 255", "native('frame',255)", PROTO, "no known type"),
	FRAMES("text of nothing, without end", "while true do native('frame',3) end", PROTO,
	    "a log frame of nothing"),
	FRAMES("text without end", "while true do native('frame',3,0,0,0,nil,('x'):rep(500)) end",
	    OUTPUT, "printed"),
	FRAMES("calls without end",
	    "for id = 1, 1e9 do native('frame',2,0,0,id,nil,'{\"never\":1}') end", PROTO,
	    "in flight"),
	FRAMES("calls beyond the budget",
	    "for id = 1, 1e9 do native('frame',2,0,0,id,nil,'{}') native('read', 23) end", CALLS,
	    "budget"),
	FRAMES("searches beyond the budget",
	    "for id = 1, 1e9 do native('frame',2,0,65535,id,nil,'{}') native('read', 23) end",
	    CALLS, "budget"),
	FRAMES("zeros without end", "native('bytes', ('\\0'):rep(60000), -1)", PROTO, ""),
	FRAMES("0xff without end", "native('bytes', ('\\xff'):rep(60000), -1)", PROTO, ""),
	FRAMES("a value after the value",
	    "native('frame',4,0,0,0,nil,'1') native('frame',4,0,0,0,nil,'2') native('read',1)",
	    PROTO, "after the last"),
	FRAMES("a call after the value",
	    "native('frame',4,0,0,0,nil,'1') native('frame',2,0,0,1,nil,'{}') native('read',1)",
	    PROTO, "after the last"),
	FRAMES("text after the value",
	    "native('frame',4,0,0,0,nil,'1') native('frame',3,0,0,0,nil,'x') native('read',1)",
	    PROTO, "after the last"),
	FRAMES("a byte after the value",
	    "native('frame',4,0,0,0,nil,'1') native('bytes','x') native('read',1)", PROTO,
	    "after the last"),
	FRAMES(
	    "a value, and no end", "native('frame',4,0,0,0,nil,'1') native('read',1)", DONE, "1"),
	FRAMES("a value with a call open",
	    "native('frame',2,0,0,1,nil,'{\"never\":1}') native('frame',4,0,0,0,nil,'1')", PROTO,
	    "in flight"),
	FRAMES("half a frame, then the end", "native('frame',2,0,0,1,100,'{') native('exit',0)",
	    CRASH, "exit 0"),
	FRAMES("half a head, then the end", "native('bytes','\\2\\0\\0\\0\\2') native('exit',0)",
	    CRASH, "exit 0"),
	FRAMES("half a frame, then silence", "native('frame',2,0,0,1,100,'{') native('read',1)",
	    WALL, "time limit"),
	FRAMES("half a head, then silence", "native('bytes','\\2\\0\\0') native('read',1)", WALL,
	    "time limit"),
	FRAMES("silence", "native('read',1)", WALL, "time limit"),
	FRAMES("answers that it never reads",
	    "for id = 1, 8 do native('frame',2,0,0,id,nil,'{\"large\":1}') end "
	    "native('bytes','\\2\\0\\0') native('spin','plain')",
	    CPU, "CPU"),
	FRAMES("arguments that are no JSON", "native('frame',2,0,0,1,nil,'{\"a\":}')", PROTO,
	    "no JSON object"),
	FRAMES("arguments in a list", "native('frame',2,0,0,1,nil,'[1]')", PROTO, "no JSON object"),
	FRAMES("a key twice", "native('frame',2,0,0,1,nil,'{\"a\":1,\"a\":2}')", PROTO,
	    "no JSON object"),
	FRAMES("a key twice, once in disguise",
	    "native('frame',2,0,0,1,nil,'{\"a\":1,\"\\\\u0061\":2}')", PROTO, "no JSON object"),
	FRAMES("arguments too deep",
	    "native('frame',2,0,0,1,nil,'{\"a\":' .. ('['):rep(500000) .. (']'):rep(500000) .. "
	    "'}')",
	    PROTO, "no JSON object"),
	FRAMES("arguments that are no UTF-8", "native('frame',2,0,0,1,nil,'{\"a\":\"\\xff\"}')",
	    PROTO, "no JSON object"),
	FRAMES("a zero in the arguments", "native('frame',2,0,0,1,nil,'{\"a\":\"\\0\"}')", PROTO,
	    "no JSON object"),
	FRAMES("a value that is no JSON", "native('frame',4,0,0,0,nil,'nil')", PROTO, "no JSON"),
	FRAMES(
	    "a value too deep", "native('frame',4,0,0,0,nil,('['):rep(900000))", PROTO, "no JSON"),
	FRAMES("a failure that says DONE", "native('frame',5,E.DONE,0,0,nil,'x')", PROTO,
	    "known kind"),
	FRAMES(
	    "a failure of ours: WALL", "native('frame',5,E.WALL,0,0,nil,'x')", PROTO, "known kind"),
	FRAMES("a failure of ours: SECCOMP", "native('frame',5,E.SECCOMP,0,0,nil,'x')", PROTO,
	    "known kind"),
	FRAMES("a failure of ours: CANCELLED", "native('frame',5,E.CANCELLED,0,0,nil,'x')", PROTO,
	    "known kind"),
	FRAMES("a failure of no kind", "native('frame',5,255,0,0,nil,'x')", PROTO, "known kind"),
};

static struct loop *loop;
static struct sandbox *sandbox;
static struct job *root;
static uint32_t dispatched, counted;

static struct {
	bool over;
	enum sandbox_end end;
	char text[300]; /* message or value */
	int64_t maxrss_kb;
} now;

static struct {
	struct sandbox_run *run;
	uint32_t id, answered;
	bool over, good;
} victim;

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	static char large[4 << 20];

	(void)ctx;
	dispatched++;
	handle &= ~SANDBOX_BY_REF;
	CHECK(handle == 0 || handle == SANDBOX_SEARCH || handle == SANDBOX_SHOW);
	if (str_eq(args, STR("{\"never\":1}")))
		return;
	if (!str_eq(args, STR("{\"large\":1}"))) {
		sandbox_answer(r, id, FRAME_OK, STR("{\"ok\":true}"));
		return;
	}
	memset(large, '1', sizeof(large));
	sandbox_answer(r, id, FRAME_OK, (struct str){ large, sizeof(large) });
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	(void)ctx;
	now.end = r->end;
	now.maxrss_kb = r->maxrss_kb;
	(void)str_copy(now.text, sizeof(now.text), r->end == SANDBOX_DONE ? r->value : r->message);
	now.over = true;
	counted += r->calls;
}

static void
victim_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx, (void)r, (void)args;
	CHECK_EQ_I(handle, 0);
	victim.id = id;
}

static void
victim_done(void *ctx, const struct sandbox_result *r)
{
	(void)ctx;
	victim.over = true;
	victim.good =
	    r->end == SANDBOX_DONE && r->calls == VICTIM_CALLS && str_eq(r->value, STR("5050"));
	if (!victim.good)
		printf("\tthe victim: %s " STR_FMT "\n", sandbox_end_word(r->end),
		    STR_ARG(r->message));
}

static void
victim_feed(void)
{
	char json[40];
	uint32_t id = victim.id;

	if (id == 0 || victim.over)
		return;
	victim.id = 0;
	(void)snprintf(json, sizeof(json), "{\"n\":%u}", ++victim.answered);
	sandbox_answer(victim.run, id, FRAME_OK, str_of(json));
}

static struct sandbox_run *
start(const char *source, int cpu_ms, int wall_ms, const struct sandbox_events *ev)
{
	static const struct sandbox_tool tool = { STR("echo"), STR("echo") };
	struct buf text;
	struct sandbox_script s = {
		.tools = &tool,
		.tools_n = 1,
		.cpu_ms = cpu_ms,
		.wall_ms = wall_ms,
	};
	struct err e = { .code = ERR_NONE };
	struct sandbox_run *r;

	buf_init(&text, 0);
	buf_puts(&text, "local E = {");
	for (int i = 0; i <= SANDBOX_CANCELLED; i++)
		buf_printf(&text, "%s=%d,", sandbox_end_word((enum sandbox_end)i), i);
	buf_printf(&text, "} %s", source);
	s.source = buf_str(&text);
	r = sandbox_run(sandbox, root, &s, ev, NULL, &e);
	buf_fini(&text);
	if (!CHECK(r != NULL))
		printf("\t%s\n", e.text);
	return r;
}

static bool
is_expected(const struct attempt *a)
{
	if (strcmp(a->what, INT80) == 0 && now.end == SANDBOX_CRASH)
		return true;
	/* The run has its end with its value: what follows is a violation, or comes too late. */
	if (strstr(a->what, "after the value") != NULL && now.end == SANDBOX_DONE)
		return strcmp(now.text, "1") == 0;
	return now.end == a->end && strstr(now.text, a->why) != NULL;
}

static void
attempt_within(const struct attempt *a, int cpu_ms)
{
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };

	TEST(a->what);
	now.over = false;
	if (start(a->source, cpu_ms, a->end == SANDBOX_WALL ? WALL_BRIEF_MS : 60000, &ev) == NULL)
		return;
	while (!now.over)
		loop_turn(loop);
	if (!CHECK(is_expected(a)))
		printf("\t%s: want %s /%s/, got %s: %s\n", a->what, sandbox_end_word(a->end),
		    a->why, sandbox_end_word(now.end), now.text);
	if (getenv("V") != NULL)
		printf("\t%s: %s: %s\n", a->what, sandbox_end_word(now.end), now.text);
	victim_feed();
}

static void
attempt(const struct attempt *a)
{
	attempt_within(a, CPU_BRIEF_MS);
}

static void
attempt_all(const struct attempt *a, size_t n)
{
	for (size_t i = 0; i < n; i++)
		attempt(&a[i]);
}

/* However much it asks for: less than its address space may have. */
static void
test_memory(void)
{
	attempt_within(&(struct attempt){ "all the memory there is", "return native('memory')",
			   SANDBOX_DONE, "" },
	    CPU_MS);
	CHECK(now.maxrss_kb < (2 * 64 + 96) * 1024);
	printf("all the memory there is: %lld MiB at most\n", (long long)now.maxrss_kb / 1024);
}

/* Keys of this process, in its heap and its environment, from before the zygote's start. */
static const char canary[] = "sk-canary-5f1d0c7b9a3e4e6f";

static void
test_canary(void)
{
	char source[400], hidden[200] = "";

	for (size_t i = 0; i < sizeof(canary) - 1; i++)
		(void)snprintf(hidden + strlen(hidden), sizeof(hidden) - strlen(hidden), "\\x%02x",
		    (unsigned char)canary[i] ^ 0x55u);
	(void)snprintf(source, sizeof(source), "return native('scan', '%s')", hidden);
	attempt_within(&(struct attempt){ "the gateway's key", source, SANDBOX_DONE, "0" }, CPU_MS);
	CHECK_EQ_S(now.text, "0");
	/* The same search finds what the script itself holds: its source, and what it made. */
	(void)snprintf(source, sizeof(source),
	    "local held = '%s' .. '%s' return native('scan', '%s') > 0", "sk-canary-5f1d",
	    canary + 14, hidden);
	attempt_within(
	    &(struct attempt){ "a key that the script holds", source, SANDBOX_DONE, "true" },
	    CPU_MS);
}

static int
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static void
run_all(const char *who)
{
	static const struct job_type root_type = { .name = "test" };
	static const struct sandbox_events victim_events = { .call = victim_call,
		.done = victim_done };
	struct sandbox_settings set = { .worker = "build/sandbox-worker-native", .cpu_ms = CPU_MS };
	int before = count_descriptors();
	struct job job;
	struct err e = { .code = ERR_NONE };

	TEST(who);
	loop = loop_new(&e);
	sandbox = sandbox_new(loop, &set, &e);
	if (!CHECK(sandbox != NULL))
		return;
	job_init(&job, &root_type, NULL, NULL, NULL);
	root = &job;
	victim.run = start("local n = 0 for i = 1, 100 do n = n + echo.echo{i=i}.n end return n",
	    CPU_MS, 600000, &victim_events);
	attempt_all(calls, COUNT(calls));
	attempt_all(returns, COUNT(returns));
	attempt_all(frames, COUNT(frames));
	test_memory();
	test_canary();
	TEST("the others");
	while (!victim.over) {
		victim_feed();
		loop_turn(loop);
	}
	CHECK(victim.good);
	CHECK_EQ_I(counted, dispatched);
	CHECK_EQ_I(sandbox_counts(sandbox).running, 0);
	printf("%s: sandbox %s, %zu attempts, %u calls dispatched, %u counted\n", who,
	    sandbox_level_word(sandbox_level(sandbox)),
	    COUNT(calls) + COUNT(returns) + COUNT(frames) + 3, dispatched, counted);
	job_cancel(&job);
	jobs_reap();
	sandbox_free(&sandbox);
	jobs_reap();
	loop_free(&loop);
	CHECK_EQ_I(count_descriptors(), before);
}

int
main(void)
{
	char *held = strdup(canary);
	int status = 0;
	pid_t child;

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (setenv("ANTHROPIC_API_KEY", canary, 1) != 0)
		return 1;
	if (geteuid() == 0) {
		child = fork();
		if (child == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
			if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
			    setresuid(65534, 65534, 65534) != 0)
				_exit(1);
			run_all("uid 65534");
			(void)fflush(stdout);
			_exit(check_state.failed > 0);
		}
		run_all("root");
		(void)waitpid(child, &status, 0);
		TEST("as uid 65534");
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	} else {
		run_all("an ordinary user");
	}
	free(held);
	return check_done();
}
