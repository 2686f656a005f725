/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pause - a run that nothing but people can carry on.
 *
 *   all open calls wait for approvals --pause_ms--> "paused run r41: …", the worker goes
 *                                  \--another one is made, or goes on: it runs
 *
 * People who are asked through the client itself (elicitation) are not meant: there the call stays
 * open, as long as they take; only should the gateway end meanwhile is it as if it had been paused.
 * Else the request must not: the model is told what its script waits
 * for, and goes on with lua{resume="r41", code=""}, after a restart of the gateway too, because
 * the run is rebuilt from its journal.  Its requests for approval stay as they are: the same calls
 * of the next leg find them (policies/approval_gate.c).
 */
#include "codemode/pause.h"

#include <string.h>

#include "codemode/leg.h"

#define SHOWN_MAX 8 /* calls of one tool whose arguments are told */

static const struct step *
step_of(const struct inner *in)
{
	return &in->r->past->steps[in->r->leg.at[in->id - 1]];
}

/* "delete_branch x12: {…}, {…}": the calls of one tool together; those before `first` are told. */
static void
tool_put(const struct run *r, struct link *first, struct buf *out)
{
	const char *tool = step_of(CONTAINER(first, struct inner, of_run))->tool;
	size_t n = 0, shown = 0;

	for (struct link *it = first; it != &r->inners; it = it->next)
		n += strcmp(step_of(CONTAINER(it, struct inner, of_run))->tool, tool) == 0;
	buf_puts(out, "\n  ");
	leg_put_tool(r, str_of(tool), out);
	if (n > 1)
		buf_printf(out, " x%zu: ", n);
	for (struct link *it = first; it != &r->inners; it = it->next) {
		const struct inner *in = CONTAINER(it, struct inner, of_run);

		if (strcmp(step_of(in)->tool, tool) != 0)
			continue;
		if (shown++ == SHOWN_MAX) {
			buf_puts(out, ", ...");
			break;
		}
		buf_puts(out, shown > 1 ? ", " : "");
		buf_puts(out, step_of(in)->shown);
		buf_printf(out, " (" STR_FMT ")", STR_ARG(call_waits(in->call)));
	}
}

static bool
told_before(const struct run *r, struct link *at)
{
	const char *tool = step_of(CONTAINER(at, struct inner, of_run))->tool;

	for (struct link *it = r->inners.next; it != at; it = it->next)
		if (strcmp(step_of(CONTAINER(it, struct inner, of_run))->tool, tool) == 0)
			return true;
	return false;
}

static void
text_put(const struct run *r, struct buf *out)
{
	buf_printf(out, "paused run %s: waiting for approval of", r->past->id);
	for (struct link *it = r->inners.next; it != &r->inners; it = it->next)
		if (!told_before(r, it))
			tool_put(r, it, out);
	buf_printf(out,
	    "\nA person says yes or no (tollgate approve ID). Then call lua{code=\"\", "
	    "resume=\"%s\"} to go on.",
	    r->past->id);
}

static void
on_patience(void *ctx)
{
	struct run *r = ctx;
	struct buf text;

	for (struct link *it = r->inners.next; it != &r->inners; it = it->next)
		if (call_waits(CONTAINER(it, struct inner, of_run)->call).n == 0)
			return; /* asked through the client, or on its way again */
	buf_init(&text, 0);
	text_put(r, &text);
	for (struct link *it = r->inners.next; it != &r->inners; it = it->next)
		call_leave(CONTAINER(it, struct inner, of_run)->call);
	run_finish(r, &(struct run_end){ .end = "PAUSED", .text = buf_str(&text) });
	buf_fini(&text);
}

/*
 * A modern client is asked by ending its request, so it may come back to another gateway, and its
 * script has to go on there, too: as a paused run does, from its journal.
 */
static void
hold(struct run *r)
{
	bool asked = false;

	for (struct link *it = r->inners.next; it != &r->inners && !asked; it = it->next) {
		const struct inner *in = CONTAINER(it, struct inner, of_run);

		asked = in->waits && in->call != NULL && call_waits(in->call).n == 0;
	}
	if (asked && !builtin_parks(r->c.call, str_of(r->past->id)))
		return;
	past_hold(r->past, asked);
}

void
pause_look(struct run *r)
{
	if (r->past != NULL && !r->replay)
		hold(r);
	if (r->past == NULL || r->replay || r->waiting == 0 || r->waiting < r->open)
		timer_stop(&r->patience);
	else if (!timer_armed(&r->patience))
		timer_set(r->cm->loop, &r->patience, r->cm->set.pause_ms, on_patience, r);
}
