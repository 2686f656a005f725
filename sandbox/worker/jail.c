/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail - the walls: namespaces for the zygote, the lock for each worker, and the probes that show
 * that the lock holds.  Knows nothing of Lua.
 *
 * jail_enter   (once)  namespaces, empty read-only root; children are in the new pid namespace
 * jail_shut    (once)  uid 65534 when root, no capabilities, Landlock, nice 10
 * lock_ahead   (once)  what the zygote can bear itself, so that its workers are born with it
 * lock_zygote  (once)  the zygote's own filter
 * lock_down    (each worker) one descriptor, rlimits, CPU timer, seccomp; order matters: what the
 *              filter forbids must be done before it
 *
 * The filter allows read and write on descriptor 0, exit_group and rt_sigreturn.  brk returns 0,
 * which glibc takes for "no"; an errno would make it believe the heap grew.  mmap is refused with
 * ENOMEM, unless it asks for executable pages.  Everything else kills the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "sandbox/worker/fork.h"
#include "sandbox/worker/jail.h"

#define NOBODY 65534

static void
note(struct jail *j, const char *what)
{
	if (j->why[0] == '\0')
		snprintf(j->why, sizeof(j->why), "%s: %s", what, strerrordesc_np(errno));
}

static bool
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text);
}

static bool
drop_root(void)
{
	/* Changing ids clears "dumpable", and with it the right to write our own uid_map. */
	return setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 &&
	       setresuid(NOBODY, NOBODY, NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

static bool
enter_user_namespace(int spaces)
{
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	if (unshare(CLONE_NEWUSER | spaces) != 0)
		return false;
	(void)write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%d %u 1", NOBODY, uid);
	if (!write_file("/proc/self/uid_map", map))
		return false;
	snprintf(map, sizeof(map), "%d %u 1", NOBODY, gid);
	return write_file("/proc/self/gid_map", map);
}

/* Mounts over /proc only because that folder is certain to exist; it then becomes the root. */
static bool
empty_root(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY,
		   "size=4k") == 0 &&
	       chdir("/proc") == 0 && syscall(SYS_pivot_root, ".", ".") == 0 &&
	       umount2(".", MNT_DETACH) == 0 && chdir("/") == 0;
}

void
jail_enter(struct jail *j)
{
	const int spaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

	*j = (struct jail){ .root = geteuid() == 0 };
	(void)write_file("/proc/self/oom_score_adj", "1000");
	/* Where each session is a scheduling group of its own, a process's nice value counts inside
	 * it only: the group gets ours too.  Four spinning scripts cost the gateway's p99 2 ms
	 * without it. */
	(void)write_file("/proc/self/autogroup", "10");
	if (j->root && unshare(spaces) == 0) {
		j->layers |= LAYER_NAMESPACES;
	} else {
		if (j->root && drop_root())
			j->root = false;
		if (!j->root && enter_user_namespace(spaces))
			j->layers |= LAYER_NAMESPACES;
		else
			note(j, "namespaces");
	}
	if ((j->layers & LAYER_NAMESPACES) == 0)
		return;
	if (empty_root())
		j->layers |= LAYER_EMPTY_ROOT;
	else
		note(j, "empty root");
}

/* Landlock is younger than the headers of Debian 12: its three calls by number, its bits by ABI. */
static uint32_t
landlock_all(bool signals)
{
	static const uint64_t fs_bits[] = { 0, 13, 14, 15, 15, 16 };
	struct {
		uint64_t fs, net, scoped;
	} rules = { 0, 0, 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	int fd;

	if (abi < 1)
		return 0;
	rules.fs = (1ull << fs_bits[abi < 5 ? abi : 5]) - 1;
	rules.net = abi >= 4 ? 3 : 0;                 /* bind and connect TCP */
	rules.scoped = abi < 6 ? 0 : signals ? 1 : 3; /* abstract sockets; signals */
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, abi < 4 ? 8 : abi < 6 ? 16 : 24, 0);
	if (fd < 0)
		return 0;
	if (syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		abi = 0;
	close(fd);
	return (uint32_t)abi;
}

static bool
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } }, now[2];

	if (syscall(SYS_capset, &head, none) != 0 || syscall(SYS_capget, &head, now) != 0)
		return false;
	return (now[0].effective | now[0].permitted | now[1].effective | now[1].permitted) == 0;
}

bool
jail_shut(struct jail *j, bool holds)
{
	if (j->root) {
		if (!drop_root()) {
			note(j, "uid 65534");
			return false;
		}
		j->root = false;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !drop_capabilities()) {
		note(j, "capabilities");
		return false;
	}
	j->layers |= LAYER_UID;
	/* The holder's end is a signal to the zygote (PR_SET_PDEATHSIG), over there another domain.
	 */
	j->landlock_abi = landlock_all(holds);
	if (j->landlock_abi > 0)
		j->layers |= LAYER_LANDLOCK;
	else
		note(j, "landlock");
	/* Scripts must not slow the gateway down: 4 spinning ones cost its p99 4 ms without this.
	 */
	(void)setpriority(PRIO_PROCESS, 0, 10);
	return true;
}

static bool
limit(int what, rlim_t value)
{
	struct rlimit r = { value, value };

	return setrlimit((__rlimit_resource_t)what, &r) == 0;
}

/* The rest of what lock_down() does would bind the zygote's own hands. */
bool
lock_ahead(const struct lock_limits *limits)
{
	const rlim_t heap = limits->heap_bytes;

	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && limit(RLIMIT_FSIZE, 0) &&
	       limit(RLIMIT_CORE, 0) && limit(RLIMIT_MEMLOCK, 0) && limit(RLIMIT_MSGQUEUE, 0) &&
	       limit(RLIMIT_STACK, (rlim_t)16 << 20) &&
	       limit(RLIMIT_AS, heap * 2 + ((rlim_t)96 << 20));
}

#define LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(k, yes)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, 0)
#define UNLESS(k, no)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, no)
#define IF_BIT(k, yes) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, k, yes, 0)
#define RETURN(k)      BPF_STMT(BPF_RET | BPF_K, k)

static bool
filter(void)
{
	/* Jumps count from the next instruction; the numbers on the left are for the reader. */
	struct sock_filter code[] = {
		/*  0 */ LOAD(arch),
		/*  1 */ UNLESS(AUDIT_ARCH_X86_64, 7),
		/*  2 */ LOAD(nr),
		/*  3 */ IF(__NR_read, 6),
		/*  4 */ IF(__NR_write, 5),
		/*  5 */ IF(__NR_exit_group, 7),
		/*  6 */ IF(__NR_rt_sigreturn, 6),
		/*  7 */ IF(__NR_brk, 6),
		/*  8 */ IF(__NR_mmap, 6),
		/*  9 */ RETURN(SECCOMP_RET_KILL_PROCESS), /* the x32 numbers end here too */
		/* 10 */ LOAD(args[0]), /* a descriptor: the kernel, too, takes these 32 bits */
		/* 11 */ IF(0, 1),
		/* 12 */ RETURN(SECCOMP_RET_KILL_PROCESS),
		/* 13 */ RETURN(SECCOMP_RET_ALLOW),
		/* 14 */ RETURN(SECCOMP_RET_ERRNO | 0),
		/* 15 */ LOAD(args[2]), /* protection */
		/* 16 */ IF_BIT(PROT_EXEC, 1),
		/* 17 */ RETURN(SECCOMP_RET_ERRNO | ENOMEM),
		/* 18 */ RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/*
 * The zygote's own, wider lock, which every worker inherits below its own: enough to fork, to
 * report, and to lock a child.  It may fork, but not make threads or namespaces.
 */
bool
lock_zygote(void)
{
	static const unsigned allowed[] = { SYS_read, SYS_write, SYS_poll, SYS_recvmsg, SYS_sendmsg,
		SYS_wait4, SYS_close, SYS_close_range, SYS_dup2, SYS_prctl, SYS_prlimit64,
		SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_setitimer, SYS_seccomp,
		SYS_getppid, SYS_madvise, SYS_brk, SYS_mmap, SYS_exit_group };
	enum { COUNT_ALLOWED = sizeof(allowed) / sizeof(*allowed), HEAD = 3, TAIL = 5 };
	struct sock_filter code[HEAD + COUNT_ALLOWED + TAIL];
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };
	size_t n = 0;

	code[n++] = (struct sock_filter)LOAD(arch);
	code[n++] = (struct sock_filter)UNLESS(AUDIT_ARCH_X86_64, COUNT_ALLOWED + 4);
	code[n++] = (struct sock_filter)LOAD(nr);
	for (unsigned i = 0; i < COUNT_ALLOWED; i++) /* to the last instruction */
		code[n++] =
		    (struct sock_filter)IF(allowed[i], (unsigned char)(COUNT_ALLOWED + 3 - i));
	code[n++] = (struct sock_filter)UNLESS(SYS_clone, 2);
	code[n++] = (struct sock_filter)LOAD(args[0]);
	code[n++] = (struct sock_filter)IF(ZYGOTE_FORK_FLAGS, 1);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	return n == program.len && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

/*
 * A clock of nanoseconds is what a script would need to watch a neighbour through caches; without
 * the time stamp counter it has none.  Speculation is asked for as well, but where the kernel has
 * no such switch for a process the processor is not affected, or it is off for all.
 */
static bool
be_strict(void)
{
	(void)prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_FORCE_DISABLE, 0, 0);
	(void)prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_FORCE_DISABLE, 0, 0);
	return prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) == 0;
}

bool
lock_down(int fd, int parent, const struct lock_limits *limits, void (*on_tick)(int))
{
	const struct itimerval cpu = {
		.it_interval = { 0, WORKER_CPU_TICK_MS * 1000 },
		.it_value = { 0, WORKER_CPU_TICK_MS * 1000 },
	};
	struct sigaction tick = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	sigset_t none;

	sigemptyset(&none);
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent &&
	       dup2(fd, 0) == 0 && syscall(SYS_close_range, 1u, ~0u, 0) == 0 &&
	       limit(RLIMIT_NOFILE, 0) && limit(RLIMIT_NPROC, 0) &&
	       limit(RLIMIT_CPU, (rlim_t)(limits->cpu_ms + 999) / 1000 + 2) &&
	       (!limits->strict || be_strict()) && sigaction(SIGPROF, &tick, NULL) == 0 &&
	       setitimer(ITIMER_PROF, &cpu, NULL) == 0 &&
	       sigprocmask(SIG_SETMASK, &none, NULL) == 0 && filter();
}

/* Tries what a locked process must not survive.  Returning means that it did. */
void
probe_try(uint32_t what, int parent)
{
	static char scratch[4096];
	char *const nobody[] = { NULL };

	if ((what & PROBE_NUMBER) != 0) {
		(void)syscall((long)(what & ~PROBE_NUMBER), 0, scratch, 4, 0, 0, 0);
		return;
	}
	switch ((enum probe)what) {
	case PROBE_OPEN:
		(void)syscall(SYS_open, "/etc/passwd", O_RDONLY);
		break;
	case PROBE_SOCKET:
		(void)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
		break;
	case PROBE_FORK:
		(void)syscall(SYS_fork);
		break;
	case PROBE_EXECVE:
		(void)syscall(SYS_execve, "/bin/sh", nobody, nobody);
		break;
	case PROBE_MMAP_EXEC:
		(void)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case PROBE_MPROTECT:
		(void)syscall(SYS_mprotect, scratch, 4096, PROT_READ | PROT_EXEC);
		break;
	case PROBE_KILL_PARENT:
		(void)syscall(SYS_kill, parent, 0);
		break;
	case PROBE_WRITE_1:
		(void)syscall(SYS_write, 1, scratch, 1);
		break;
	case PROBE_IO_URING:
		(void)syscall(SYS_io_uring_setup, 1, scratch);
		break;
	case PROBES:
		break;
	}
}
