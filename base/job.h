/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - one thing in flight.
 *
 *   RUNNING --job_finish()--> DONE        done() has been called, exactly once
 *   RUNNING --job_cancel()--> CANCELLED   done() is never called
 *
 * Jobs form a tree.  Ending a job, either way, first cancels what is left of its children, last
 * started first, so no callback can ever reach a parent that is gone.  Memory is reclaimed by
 * jobs_reap() at the end of the loop's turn: a job may safely end itself, or its parent, from
 * inside a callback.
 *
 * The contract of every asynchronous call in this program:
 *  1. start returns started, or NULL/false with *e set and nothing to clean up;
 *  2. done never runs before start has returned;
 *  3. done runs exactly once, with NULL or an error - unless the job is cancelled;
 *  4. job_cancel() is synchronous, silent, and takes the subtree;
 *  5. stop() lets go of outside things (sockets, timers, holds) and must not call back;
 *  6. memory goes at the end of the turn, in reap();
 *  7. who has the parent may cancel, nobody else.
 */
#pragma once

#include "base/base.h"
#include "base/err.h"

enum job_state { JOB_RUNNING = 1, JOB_DONE, JOB_CANCELLED };

struct job;
typedef void job_done_f(struct job *j, const struct err *e, void *ctx); /* e is NULL on success */

struct job_type {
	const char *name;
	void (*stop)(struct job *j); /* both ends pass here, before done(); may be NULL */
	void (*reap)(struct job *j); /* free the memory; NULL when an arena owns it */
};

struct job {
	uint32_t magic;
	enum job_state state;
	uint64_t id; /* unique in this process, from 1 */
	const struct job_type *type;
	struct job *parent;
	struct link sib; /* in parent->kids while running, then in the reap list */
	struct link kids;
	job_done_f *done; /* may be NULL */
	void *ctx;
};
#define JOB_MAGIC     0x6a6f6221u
#define JOB_DEPTH_MAX 64

/* parent may be NULL (a root).  The parent must be running. */
void
job_init(struct job *j, const struct job_type *t, struct job *parent, job_done_f *done, void *ctx);
void job_finish(struct job *j, const struct err *e); /* e NULL = success; j must be running */
void job_cancel(struct job *j);                      /* does nothing when j has already ended */
void job_cancel_kids(struct job *j);
const struct job *job_root(const struct job *j);
void jobs_reap(void); /* loop_turn() calls this, last */
static inline bool
job_running(const struct job *j)
{
	return j->state == JOB_RUNNING;
}
