/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox-worker - the other program: it runs untrusted Lua and holds nothing worth stealing.
 *
 *	sandbox-worker MEMORY_BYTES CPU_MS [strict]	(started by the gateway, control socket on
 *0)
 *
 *	main --unshare, empty root--> outer: waits    (only to hold the pid namespace)
 *	                               \--> zygote: no uid, no capability, Landlock --> workers
 *
 * Reading order: main.c, jail.c, zygote.c, fork.c, pages.c, vm.c, environment.c, calls.c, codec.c,
 * library.lua, snippet.c; place.c and explain.c for errors.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/worker/worker.h"

static bool
parse(const char *text, size_t least, size_t most, size_t *out)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	*out = (size_t)v;
	return end != text && *end == '\0' && v >= least && v <= most;
}

int
main(int argc, char **argv)
{
	size_t memory_bytes, cpu_ms;
	struct jail j;
	int kind = 0;
	socklen_t kind_bytes = sizeof(kind);
	pid_t inner;
	bool strict;

	strict = argc == 4 && strcmp(argv[3], "strict") == 0;
	if ((argc != 3 && !strict) || !parse(argv[1], 1 << 20, (size_t)256 << 20, &memory_bytes) ||
	    !parse(argv[2], 10, 10000, &cpu_ms) ||
	    getsockopt(0, SOL_SOCKET, SO_TYPE, &kind, &kind_bytes) != 0 || kind != SOCK_SEQPACKET)
		return 2; /* not for people: the gateway starts this */
	(void)syscall(SYS_close_range, 1u, ~0u, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	heap_reserve(memory_bytes);
	fork_early();
	jail_enter(&j);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a new user namespace clears it */
	if ((j.layers & LAYER_NAMESPACES) != 0) {
		inner = fork(); /* first of the new pid namespace: its end is everybody's */
		if (inner < 0)
			return WORKER_EXIT_LOCK;
		if (inner > 0) {
			int status = 0;

			close(0); /* the gateway must see EOF when the zygote ends */
			(void)jail_shut(&j, true);
			prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
			while (waitpid(inner, &status, 0) < 0)
				;
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
	(void)jail_shut(&j, false); /* when it fails, zygote_serve() says so and ends */
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* and so does a change of uid */
	zygote_serve(0, &j,
	    &(struct lock_limits){
		.heap_bytes = memory_bytes, .cpu_ms = (int)cpu_ms, .strict = strict });
}
