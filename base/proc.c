/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc - children in a process group of their own, watched through a pidfd.
 *
 *   RUNNING --exit seen on the pidfd, and stdout at its end--> ended()
 *   RUNNING --proc_stop()--> stdin closed behind what waits --grace_ms--> SIGTERM --grace_ms-->
 * SIGKILL any     --job_cancel() or an error--> the group is killed at once
 *
 * fork() and exec with nothing inherited: descriptors above 2 are closed by close_range, the
 * environment is what was given, the signal mask is clear, and PR_SET_PDEATHSIG ends the child
 * when we die.  (It follows the thread that forked; the loop thread lives as long as the process.)
 * What the child has started is ended by the guard then.
 *
 * stdout is read in pieces of READ_BYTES per turn, so that a chatty child starves nobody.
 */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/log.h"

#define PROC_MAGIC     0x70726f63u
#define READ_BYTES     65536
#define LINE_BYTES     ((size_t)16 << 20)
#define WRITE_BYTES    ((size_t)16 << 20)
#define STDERR_LINES   20 /* per STDERR_MS; what is more is counted and dropped */
#define STDERR_MS      10000
#define ERR_LAST_READS 16   /* a pipe holds that much */
#define DRAIN_MS       2000 /* stdout may stay open in a grandchild after the exit */

struct proc {
	struct job job;
	uint32_t magic;
	struct loop *loop;
	char name[64];
	struct proc_events ev;
	void *ctx;
	pid_t pid;
	struct guard *guard; /* the loop's */
	int pidfd, in_fd, out_fd, err_fd, wait_status;
	struct watch *exit_watch, *in_watch, *out_watch, *err_watch;
	struct timer grace, drain;
	int grace_ms, kills;
	bool exited, out_eof, closing; /* closing: stdin, once it has taken what waits */
	struct buf in, line;
	size_t in_sent;
	int64_t err_window_ms;
	int err_lines, err_dropped;
};

static void
fd_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
group_kill(struct proc *p, int signo)
{
	if (p->pid > 0)
		(void)kill(-p->pid, signo);
}

/* Takes the zombie; the child was killed or has exited, so this cannot wait long. */
static void
child_reap(struct proc *p)
{
	if (p->exited || p->pid <= 0)
		return;
	while (waitpid(p->pid, &p->wait_status, 0) < 0 && errno == EINTR)
		;
	p->exited = true;
}

static void
group_end(struct proc *p)
{
	group_kill(p, SIGKILL);
	child_reap(p);
	if (p->pid > 0)
		guard_drop(p->guard, p->pid);
}

static void
in_close(struct proc *p)
{
	watch_free(&p->in_watch);
	fd_close(&p->in_fd);
}

static void
proc_stopped(struct job *j)
{
	struct proc *p = CONTAINER(j, struct proc, job);

	ASSERT(p->magic == PROC_MAGIC);
	timer_stop(&p->grace);
	timer_stop(&p->drain);
	group_end(p);
	in_close(p);
	watch_free(&p->exit_watch);
	watch_free(&p->out_watch);
	watch_free(&p->err_watch);
	fd_close(&p->pidfd);
	fd_close(&p->out_fd);
	fd_close(&p->err_fd);
}

static void
proc_reap(struct job *j)
{
	struct proc *p = CONTAINER(j, struct proc, job);

	buf_fini(&p->in);
	buf_fini(&p->line);
	p->magic = 0;
	free(p);
}

static const struct job_type proc_type = { "proc", proc_stopped, proc_reap };

static void
proc_done(struct job *j, const struct err *e, void *ctx)
{
	struct proc *p = CONTAINER(j, struct proc, job);

	(void)ctx;
	p->ev.ended(p->ctx, p->wait_status, e);
}

/* ---- stderr, for people ---- */

static void
err_line(struct proc *p, struct str line)
{
	int64_t now = loop_mono_ms(p->loop);

	if (now - p->err_window_ms >= STDERR_MS) {
		if (p->err_dropped > 0)
			log_info(&p->job, "stderr lines dropped", F_TEXT("child", p->name),
			    F_INT("lines", p->err_dropped));
		p->err_window_ms = now;
		p->err_lines = p->err_dropped = 0;
	}
	if (p->err_lines++ < STDERR_LINES)
		log_info(&p->job, "stderr", F_TEXT("child", p->name), F_STR("text", line));
	else
		p->err_dropped++;
}

/* false: there is no more, for now or for good. */
static bool
err_take(struct proc *p)
{
	char bytes[4096];
	ssize_t n = read(p->err_fd, bytes, sizeof(bytes));
	struct str rest = { bytes, n > 0 ? (size_t)n : 0 };

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		watch_set(p->err_watch, 0);
		return false;
	}
	while (rest.p != NULL) {
		struct str line = str_cut(&rest, '\n');

		if (line.n > 0)
			err_line(p, line);
	}
	return true;
}

static void
err_cb(void *ctx, int events)
{
	(void)events;
	(void)err_take(ctx);
}

/* It has ended: why is often the last that it said, and may still be in the pipe. */
static void
err_last(struct proc *p)
{
	for (int i = 0; i < ERR_LAST_READS && err_take(p); i++)
		;
}

/* ---- the end ---- */

static void
drain_over(void *ctx)
{
	struct proc *p = ctx;

	err_last(p);
	job_finish(&p->job, NULL);
}

/* Both the exit and the end of stdout are needed: the last lines count. */
static void
maybe_ended(struct proc *p)
{
	if (p->exited && p->out_eof)
		drain_over(p);
	else if (p->exited)
		timer_set(p->loop, &p->drain, DRAIN_MS, drain_over, p);
}

static void
exit_cb(void *ctx, int events)
{
	struct proc *p = ctx;

	(void)events;
	if (waitpid(p->pid, &p->wait_status, WNOHANG) != p->pid)
		return;
	p->exited = true;
	watch_set(p->exit_watch, 0);
	maybe_ended(p);
}

/* ---- stdout ---- */

/* Gives away the whole lines among the bytes; false when the proc has ended meanwhile. */
static bool
lines_take(struct proc *p, struct str bytes)
{
	while (bytes.n > 0 && job_running(&p->job)) {
		const char *lf = memchr(bytes.p, '\n', bytes.n);
		struct str head = lf == NULL ? bytes : STR_SPAN(bytes.p, lf);

		if (lf != NULL && p->line.n == 0) {
			p->ev.line(p->ctx, head); /* the usual case: no copy */
		} else {
			buf_put(&p->line, head);
			if (lf != NULL && buf_ok(&p->line)) {
				p->ev.line(p->ctx, buf_str(&p->line));
				buf_reset(&p->line);
			}
		}
		if (lf == NULL)
			return true;
		bytes = STR_SPAN(lf + 1, bytes.p + bytes.n);
	}
	return job_running(&p->job);
}

static void
out_cb(void *ctx, int events)
{
	struct proc *p = ctx;
	char bytes[READ_BYTES];
	struct err e;
	ssize_t n = read(p->out_fd, bytes, sizeof(bytes));

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		p->out_eof = true;
		watch_set(p->out_watch, 0);
		maybe_ended(p);
		return;
	}
	if (!lines_take(p, (struct str){ bytes, (size_t)n }))
		return;
	if (!buf_ok(&p->line)) {
		(void)err_set(
		    &e, ERR_UPSTREAM, "%s wrote a line over %zu bytes", p->name, p->line.limit);
		job_finish(&p->job, &e);
	}
}

/* ---- stdin ---- */

static void
in_flush(struct proc *p)
{
	while (p->in_fd >= 0 && p->in.n > p->in_sent) {
		ssize_t n = write(p->in_fd, p->in.p + p->in_sent, p->in.n - p->in_sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_set(p->in_watch, WATCH_WRITE);
			return;
		}
		if (n < 0) { /* it no longer reads; its exit tells the rest */
			in_close(p);
			return;
		}
		p->in_sent += (size_t)n;
	}
	if (p->in_watch != NULL)
		watch_set(p->in_watch, 0);
	buf_reset(&p->in);
	p->in_sent = 0;
	if (p->closing)
		in_close(p);
}

static void
in_cb(void *ctx, int events)
{
	(void)events;
	in_flush(ctx);
}

bool
proc_write(struct proc *p, struct str bytes)
{
	IS(p, PROC_MAGIC);
	if (!job_running(&p->job) || p->in_fd < 0 || p->closing)
		return false;
	if (p->in_sent > 0) {
		buf_drop(&p->in, p->in_sent);
		p->in_sent = 0;
	}
	buf_put(&p->in, bytes);
	if (!buf_ok(&p->in)) {
		p->in.failed = false; /* the put changed nothing: what waits stays whole */
		return false;
	}
	in_flush(p);
	return true;
}

/* ---- stopping ---- */

static void
grace_over(void *ctx)
{
	struct proc *p = ctx;

	group_kill(p, p->kills++ == 0 ? SIGTERM : SIGKILL);
	if (p->kills < 2)
		timer_set(p->loop, &p->grace, p->grace_ms, grace_over, p);
}

void
proc_stop(struct proc *p, int grace_ms)
{
	IS(p, PROC_MAGIC);
	if (!job_running(&p->job))
		return;
	p->closing = true;
	in_flush(p);
	p->grace_ms = grace_ms;
	p->kills = 0;
	timer_set(p->loop, &p->grace, grace_ms, grace_over, p);
}

/* ---- starting ---- */

struct failure { /* what the child says when it comes to nothing */
	enum jail_step step;
	int why;
};

struct pipes {
	int in[2], out[2], err[2], tell[2];
};

/* In the child, between fork and exec: only async-signal-safe calls. */
_Noreturn static void
child_run(const struct proc_settings *s, const struct pipes *to, int guard, pid_t parent)
{
	static const char *const no_env[] = { NULL };
	struct failure f = { JAIL_OK, 0 };
	sigset_t none;

	(void)setpgid(0, 0);
	guard_add_self(guard);
	(void)sigemptyset(&none);
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	/* The error pipe goes to 3, so that everything above it can be closed at once. */
	if (dup2(to->in[0], 0) == 0 && dup2(to->out[1], 1) == 1 && dup2(to->err[1], 2) == 2 &&
	    dup2(to->tell[1], 3) == 3 && fcntl(3, F_SETFD, FD_CLOEXEC) == 0 &&
	    syscall(SYS_close_range, 4u, ~0u, 0u) == 0 &&
	    (s->jail == NULL || (f.step = jail_enter(s->jail)) == JAIL_OK) &&
	    /* After the jail: a change of user takes it back. */
	    prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
	    (s->cwd == NULL || chdir(s->cwd) == 0)) {
		const char *const *env = s->env != NULL ? s->env : no_env;

		(void)execvpe(s->argv[0], mem_unconst(s->argv), mem_unconst(env));
	}
	f.why = errno;
	if (write(3, &f, sizeof(f)) != (ssize_t)sizeof(f))
		_exit(126);
	_exit(127);
}

static bool
pipes_open(struct pipes *p)
{
	memset(p, 0xff, sizeof(*p));
	/* Descriptors under 4 would be overwritten in the child before they are used. */
	return pipe2(p->in, O_CLOEXEC) == 0 && pipe2(p->out, O_CLOEXEC) == 0 &&
	       pipe2(p->err, O_CLOEXEC) == 0 && pipe2(p->tell, O_CLOEXEC) == 0;
}

static void
pipes_close(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&p->in[i]);
		fd_close(&p->out[i]);
		fd_close(&p->err[i]);
		fd_close(&p->tell[i]);
	}
}

/* fork and exec; the tell pipe closes on a successful exec, else brings the errno. */
static bool
child_start(struct proc *p, const struct proc_settings *s, struct pipes *pipes, struct err *e)
{
	pid_t parent = getpid();
	struct failure f = { JAIL_OK, 0 };
	ssize_t n;

	p->pid = fork();
	if (p->pid == 0)
		child_run(s, pipes, guard_fd(p->guard), parent);
	if (p->pid < 0)
		return err_set(e, ERR_UPSTREAM, "%s: cannot fork (errno %d)", p->name, errno);
	(void)setpgid(p->pid, p->pid);
	fd_close(&pipes->tell[1]);
	while ((n = read(pipes->tell[0], &f, sizeof(f))) < 0 && errno == EINTR)
		;
	if (n == 0)
		return true;
	group_end(p);
	if (f.step != JAIL_OK)
		return err_set(e, ERR_UPSTREAM, "%s: %s (%s)", p->name, jail_step_text(f.step),
		    strerrorname_np(f.why));
	return err_set(e, ERR_UPSTREAM, "%s: cannot run \"%s\": %s", p->name, s->argv[0],
	    f.why == ENOENT ? "no such file" : strerrorname_np(f.why));
}

static int
take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	(void)fcntl(taken, F_SETFL, O_NONBLOCK);
	return taken;
}

static void
watches_start(struct proc *p, struct pipes *pipes)
{
	p->in_fd = take(&pipes->in[1]);
	p->out_fd = take(&pipes->out[0]);
	p->err_fd = take(&pipes->err[0]);
	p->in_watch = watch_new(p->loop, p->in_fd, in_cb, p);
	p->out_watch = watch_new(p->loop, p->out_fd, out_cb, p);
	p->err_watch = watch_new(p->loop, p->err_fd, err_cb, p);
	p->exit_watch = watch_new(p->loop, p->pidfd, exit_cb, p);
	watch_set(p->out_watch, WATCH_READ);
	watch_set(p->err_watch, WATCH_READ);
	watch_set(p->exit_watch, WATCH_READ);
}

static struct proc *
start_failed(struct proc *p)
{
	buf_fini(&p->in);
	buf_fini(&p->line);
	free(p);
	return NULL;
}

struct proc *
proc_start(struct loop *l, struct job *parent, const struct proc_settings *s,
    const struct proc_events *ev, void *ctx, struct err *e)
{
	struct proc *p = mem_zalloc(sizeof(*p));
	struct pipes pipes;
	bool ok;

	*p = (struct proc){ .magic = PROC_MAGIC,
		.loop = l,
		.ev = *ev,
		.ctx = ctx,
		.pidfd = -1,
		.in_fd = -1,
		.out_fd = -1,
		.err_fd = -1 };
	(void)str_copy(p->name, sizeof(p->name), str_of(s->name));
	buf_init(&p->in, s->write_bytes_max > 0 ? s->write_bytes_max : WRITE_BYTES);
	buf_init(&p->line, s->line_bytes_max > 0 ? s->line_bytes_max : LINE_BYTES);
	p->guard = loop_guard(l, e);
	if (p->guard == NULL)
		return start_failed(p);
	ok = pipes_open(&pipes) ||
	     err_set(e, ERR_UPSTREAM, "%s: no descriptors left (errno %d)", p->name, errno);
	ok = ok && child_start(p, s, &pipes, e);
	if (ok) {
		p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0u);
		if (p->pidfd < 0) {
			group_end(p);
			ok = err_set(e, ERR_UPSTREAM, "%s: no pidfd (errno %d)", p->name, errno);
		}
	}
	if (ok)
		watches_start(p, &pipes);
	pipes_close(&pipes);
	if (!ok)
		return start_failed(p);
	job_init(&p->job, &proc_type, parent, proc_done, NULL);
	return p;
}

struct job *
proc_job(struct proc *p)
{
	IS(p, PROC_MAGIC);
	return &p->job;
}

int
proc_pid(const struct proc *p)
{
	return p->pid;
}
