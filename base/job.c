/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - the tree of things in flight; the contract is in job.h.
 *
 * Invariants:
 *  1. a running job is on its parent's kids list (roots are on none);
 *  2. a job that ended has no kids, and is on the reap list until jobs_reap();
 *  3. stop() has run exactly once by the time done() or the canceller sees the job ended;
 *  4. the depth of the tree is at most JOB_DEPTH_MAX, so the recursion below is bounded.
 */
#include "base/job.h"

/* RULE: mutable globals because "the end of this turn" is one place per process: the reap list and
 * the id counter belong to the one loop thread. */
static struct link reap_list = { &reap_list, &reap_list };
static uint64_t last_id;

static struct job *
job_of(struct link *sib)
{
	return CONTAINER(sib, struct job, sib);
}

static int
depth_of(const struct job *j)
{
	int depth = 0;

	for (; j != NULL; j = j->parent)
		depth++;
	return depth;
}

void
job_init(struct job *j, const struct job_type *t, struct job *parent, job_done_f *done, void *ctx)
{
	if (parent != NULL) {
		IS(parent, JOB_MAGIC);
		ASSERT(parent->state == JOB_RUNNING);
		ASSERT(depth_of(parent) < JOB_DEPTH_MAX);
	}
	*j = (struct job){ .magic = JOB_MAGIC,
		.state = JOB_RUNNING,
		.id = ++last_id,
		.type = t,
		.parent = parent,
		.done = done,
		.ctx = ctx };
	link_init(&j->kids);
	link_init(&j->sib);
	if (parent != NULL)
		link_push(&parent->kids, &j->sib);
}

/* Bounded by JOB_DEPTH_MAX through job_cancel(). */
// NOLINTNEXTLINE(misc-no-recursion)
static void
job_end(struct job *j, enum job_state state)
{
	IS(j, JOB_MAGIC);
	ASSERT(j->state == JOB_RUNNING);
	j->state = state;
	job_cancel_kids(j);
	if (j->type->stop != NULL)
		j->type->stop(j);
	ASSERT(link_empty(&j->kids));
	link_drop(&j->sib);
	link_push(&reap_list, &j->sib);
}

// NOLINTNEXTLINE(misc-no-recursion)
void
job_cancel_kids(struct job *j)
{
	while (!link_empty(&j->kids)) /* last started first */
		job_cancel(job_of(j->kids.prev));
}

// NOLINTNEXTLINE(misc-no-recursion)
void
job_cancel(struct job *j)
{
	IS(j, JOB_MAGIC);
	if (j->state == JOB_RUNNING)
		job_end(j, JOB_CANCELLED);
}

void
job_finish(struct job *j, const struct err *e)
{
	job_end(j, JOB_DONE);
	if (j->done != NULL)
		j->done(j, e, j->ctx);
}

const struct job *
job_root(const struct job *j)
{
	while (j->parent != NULL)
		j = j->parent;
	return j;
}

void
jobs_reap(void)
{
	while (!link_empty(&reap_list)) {
		struct job *j = job_of(reap_list.next);

		link_drop(&j->sib);
		j->magic = 0;
		if (j->type->reap != NULL)
			j->type->reap(j);
	}
}
