/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc - child processes: no shell, nothing inherited, a process group of their own.
 *
 * stdin and stdout are pipes on the loop, stderr goes to the log (rate-limited) under the child's
 * name.  Descriptors other than 0-2 are closed, the environment is exactly what is given, the whole
 * group dies with us (PR_SET_PDEATHSIG, guard.h), and stopping signals the whole group.
 */
#pragma once

#include "base/err.h"
#include "base/jail.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/text.h"

struct proc_settings {
	const char *name;        /* for the log */
	const char *const *argv; /* NULL-terminated; argv[0] is a path, or looked up in PATH */
	const char *const *env;  /* NULL-terminated "NAME=value"; NULL: empty */
	const char *cwd;         /* NULL: ours */
	const struct jail *jail; /* NULL: none; borrowed during proc_start() only */
	size_t line_bytes_max;   /* longest stdout line; 0: 16 MiB */
	size_t write_bytes_max;  /* most that may wait for stdin; 0: 16 MiB */
};
struct proc_events {
	void (*line)(void *ctx, struct str line); /* one stdout line, without its newline */
	/* Exactly once, last: exit status as waitpid() gives it, or e (spawn failed, line too long,
	 * stdin overflowed).  The group has been killed by then. */
	void (*ended)(void *ctx, int wait_status, const struct err *e);
};
struct proc;
/* A kid of `parent`; job_cancel(proc_job(p)) kills the group at once, silently. */
struct proc *proc_start(struct loop *l, struct job *parent, const struct proc_settings *s,
    const struct proc_events *ev, void *ctx, struct err *e) MUST_CHECK;
struct job *proc_job(struct proc *p);
/* Queues bytes for stdin (copied).  false: too much waits already. */
bool proc_write(struct proc *p, struct str bytes);
/* Closes stdin behind what waits for it, then SIGTERM after grace_ms, SIGKILL after twice that;
 * `ended` still comes. */
void proc_stop(struct proc *p, int grace_ms);
int proc_pid(const struct proc *p);
