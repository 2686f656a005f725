/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork - the measure that bench/sandbox/ puts everything beside: fork, exit and wait, from a
 * small static program (the best case: a large parent pays for its page tables).
 *
 * A byte in: one fork, and the nanoseconds it took go out.  Ends with its input.
 */
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/clock.h"

int
main(void)
{
	char byte;

	while (read(0, &byte, 1) == 1) {
		int64_t ns = now_ns();
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 1;
		ns = now_ns() - ns;
		if (write(1, &ns, sizeof(ns)) != sizeof(ns))
			return 1;
	}
	return 0;
}
