/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue - who waits for a place at a limit of how many at once.
 *
 *   the gate refuses, nothing else stands in the way --> place_wait()
 *      --a pass that held a place leaves: queue_next()--> woken --next turn's work--> fn(): asks
 * again
 *
 * Each bucket has its line, first come, first served.  Nobody in it holds anything, so that no two
 * can wait for each other; who asks first when a place falls free may still be somebody new, and
 * then the one that was woken stands in line again.  A place is offered to one at a time: when that
 * one does not take it (it has gone, or another limit is met now), to the next.
 */
#include "policies/core.h"

static void
woken(void *ctx)
{
	struct place_wait *w = ctx;
	struct bucket *b = w->at;

	w->at = NULL;
	w->fn(w->ctx); /* w may stand in line again after it, or be gone */
	limits_line(b)->woken--;
	queue_next(b);
}

void
queue_next(struct bucket *b)
{
	struct place_line *line = limits_line(b);
	struct place_wait *w;

	if (link_empty(&line->waits) || line->woken > 0 || !limits_place(b))
		return;
	w = CONTAINER(line->waits.next, struct place_wait, link);
	link_drop(&w->link);
	line->woken++;
	w->core->queued--;
	loop_defer(w->core->loop, &w->go, woken, w);
}

bool
pass_may_wait(const struct pass *p)
{
	return p->full != NULL;
}

void
place_wait(struct pass *p, struct place_wait *w)
{
	ASSERT(p->full != NULL && w->at == NULL);
	w->core = p->core;
	w->at = p->full;
	p->full = NULL;
	w->core->queued++;
	link_push(&limits_line(w->at)->waits, &w->link);
}

void
place_wait_drop(struct place_wait *w)
{
	struct bucket *b = w->at;

	if (b == NULL)
		return;
	w->at = NULL;
	if (link_empty(&w->link)) { /* it was offered a place */
		deferred_drop(&w->go);
		limits_line(b)->woken--;
		queue_next(b);
	} else {
		link_drop(&w->link);
		w->core->queued--;
	}
}
