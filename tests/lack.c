/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lack - starts build/tollgate as a container would that takes a system call away.
 *
 *	LACK=272 build/lack run -c FILE		(272: unshare fails with EPERM, in all children too)
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	const char *lack = getenv("LACK");
	unsigned nr = lack == NULL ? ~0u : (unsigned)strtoul(lack, NULL, 10);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };
	char path[4096], *slash;

	slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	if (slash == NULL)
		return 2;
	(void)snprintf(path, sizeof(path), "%.*s/tollgate", (int)(slash - argv[0]), argv[0]);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		return 3;
	argv[0] = path;
	(void)execv(path, argv);
	return 4;
}
