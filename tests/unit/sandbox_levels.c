/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The level is measured: with a system call taken away from the whole child process, as a
 * container's filter does it, the pool says "reduced" or refuses to run scripts at all.
 */
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "tests/unit/check.h"

static bool ran;

static void
on_call(void *ctx, struct sandbox_run *r, uint32_t id, uint32_t handle, struct str args)
{
	(void)ctx, (void)r, (void)id, (void)handle, (void)args;
}

static void
on_done(void *ctx, const struct sandbox_result *r)
{
	bool *over = ctx;

	ran = r->end == SANDBOX_DONE && str_eq(r->value, STR("7"));
	*over = true;
}

/* Makes one system call fail with EPERM here and in all children. */
static void
take_away(unsigned nr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		_exit(1);
}

static void
be_gateway(enum sandbox_level want, bool require_full, const char *why)
{
	static const struct job_type root_type = { .name = "test" };
	static const struct sandbox_events ev = { .call = on_call, .done = on_done };
	struct sandbox_settings set = { .worker = "build/sandbox-worker",
		.require_full = require_full };
	const struct sandbox_script s = { .source = STR("return 7") };
	struct err e = { .code = ERR_NONE };
	struct loop *l = loop_new(&e);
	struct sandbox *b = sandbox_new(l, &set, &e);
	bool over = false;
	struct job root;

	if (!CHECK(b != NULL))
		return;
	job_init(&root, &root_type, NULL, NULL, NULL);
	while (sandbox_level(b) == SANDBOX_STARTING)
		loop_turn(l);
	CHECK_EQ_S(sandbox_level_word(sandbox_level(b)), sandbox_level_word(want));
	if (*why != '\0' && !CHECK(strstr(sandbox_why(b), why) != NULL))
		printf("\twhy: %s\n", sandbox_why(b));
	if (want == SANDBOX_UNAVAILABLE) {
		CHECK(sandbox_run(b, &root, &s, &ev, &over, &e) == NULL);
		CHECK_EQ_S(err_word(e.code), "not_configured");
	} else {
		CHECK(sandbox_run(b, &root, &s, &ev, &over, &e) != NULL);
		while (!over)
			loop_turn(l);
		CHECK(ran);
	}
	job_cancel(&root);
	sandbox_free(&b);
	jobs_reap();
	loop_free(&l);
}

struct lack {
	const char *what;
	int nr; /* -1: nothing is taken away */
	enum sandbox_level want;
	bool require_full;
	const char *why;
};

static void
test_as_child(const struct lack *c, bool drop)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		check_state.passed = check_state.failed = 0;
		TEST(c->what);
		if (drop && (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
				setresuid(65534, 65534, 65534) != 0))
			_exit(1);
		if (c->nr >= 0)
			take_away((unsigned)c->nr);
		be_gateway(c->want, c->require_full, c->why);
		(void)fflush(stdout);
		_exit(check_state.failed > 0);
	}
	(void)waitpid(pid, &status, 0);
	TEST(c->what);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Whether this host has everything: a chroot or a container may not, and then what is taken away
 * is not the first thing missing. */
static bool
host_is_full(void)
{
	struct sandbox_settings set = { .worker = "build/sandbox-worker" };
	struct err e;
	struct loop *l = loop_new(&e);
	struct sandbox *b = l == NULL ? NULL : sandbox_new(l, &set, &e);
	bool full;

	if (b == NULL)
		return false;
	while (sandbox_level(b) == SANDBOX_STARTING)
		loop_turn(l);
	full = sandbox_level(b) == SANDBOX_FULL;
	if (!full)
		printf(
		    "this host is %s: %s\n", sandbox_level_word(sandbox_level(b)), sandbox_why(b));
	sandbox_free(&b);
	jobs_reap();
	loop_free(&l);
	return full;
}

int
main(void)
{
	static const struct lack lacks[] = {
		{ "everything is there", -1, SANDBOX_FULL, false, "" },
		{ "no namespaces", SYS_unshare, SANDBOX_REDUCED, false, "namespaces" },
		{ "no mounts", SYS_mount, SANDBOX_REDUCED, false, "empty root" },
		{ "no Landlock", SYS_landlock_create_ruleset, SANDBOX_REDUCED, false, "landlock" },
		{ "no namespaces, but required", SYS_unshare, SANDBOX_UNAVAILABLE, true,
		    "namespaces" },
		{ "no seccomp", SYS_seccomp, SANDBOX_UNAVAILABLE, false, "could not be locked" },
		{ "no rlimits", SYS_prlimit64, SANDBOX_UNAVAILABLE, false, "could not be locked" },
		{ "no capset", SYS_capset, SANDBOX_UNAVAILABLE, false, "capabilities" },
	};

	bool full = host_is_full();

	for (size_t i = 0; i < COUNT(lacks); i++) {
		struct lack one = lacks[i];

		if (!full) {
			one.why = "";
			if (one.want == SANDBOX_FULL)
				one.want = SANDBOX_REDUCED;
		}
		test_as_child(&one, false);
		if (geteuid() == 0)
			test_as_child(&one, true);
	}
	return check_done();
}
