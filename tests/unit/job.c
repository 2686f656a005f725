/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of jobs, over random trees: done runs exactly once for what finished, never for
 * what was cancelled; stop and reap run once for both.
 */
#include "base/job.h"

#include "tests/unit/check.h"

#include <stdlib.h>

struct node {
	struct job job;
	int dones, stops, reaps;
};
#define NODES 40

static void
on_done(struct job *j, const struct err *e, void *ctx)
{
	struct node *n = ctx;

	(void)e;
	CHECK(j == &n->job);
	CHECK(!j->parent || job_running(j->parent));
	n->dones++;
}

static void
on_stop(struct job *j)
{
	CONTAINER(j, struct node, job)->stops++;
}

static void
on_reap(struct job *j)
{
	CONTAINER(j, struct node, job)->reaps++;
}

static const struct job_type type = { .name = "node", .stop = on_stop, .reap = on_reap };

static void
one_tree(void)
{
	static const struct node none;
	struct node n[NODES];

	for (int i = 0; i < NODES; i++) {
		struct job *parent = i > 0 ? &n[rand() % i].job : NULL;

		n[i] = none;
		if (parent && !job_running(parent))
			parent = NULL;
		job_init(&n[i].job, &type, parent, on_done, &n[i]);
		if (rand() % 4 == 0) {
			struct job *victim = &n[rand() % (i + 1)].job;

			if (job_running(victim) && rand() % 2)
				job_finish(victim, NULL);
			else
				job_cancel(victim);
		}
	}
	for (int i = 0; i < NODES; i++)
		job_cancel(&n[i].job);
	for (int i = 0; i < NODES; i++) {
		CHECK(n[i].reaps == 0);
		CHECK(n[i].stops == 1);
		CHECK(n[i].dones == (n[i].job.state == JOB_DONE));
	}
	jobs_reap();
	for (int i = 0; i < NODES; i++)
		CHECK(n[i].reaps == 1);
}

int
main(void)
{
	TEST("done runs exactly once, and never after a cancel");
	srand(7);
	for (int i = 0; i < 2000; i++)
		one_tree();
	return check_done();
}
