/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locked - one reading of mcp.lock for the policies and the hub.
 *
 *   core_open() or a reload --locked_facts(), in the thread that reads--> made
 *   the bundle is in force  --locked_accept(), in the loop-------------> lock
 *   the bundle is refused: made is thrown away by the next reading
 *
 * The thread is joined before anything is accepted, and no other starts before that: the two never
 * touch the struct at one time.
 */
#include "gateway/locked.h"

bool
locked_facts(void *ctx, struct tool_facts *out, struct err *e)
{
	struct locked_file *f = ctx;

	lock_free(&f->made);
	f->made_any = false;
	f->made = lock_load(f->path, e);
	if (f->made == NULL && e->code != ERR_NOT_FOUND)
		return false;
	if (f->made == NULL && (f->named || f->lock != NULL)) {
		e->code = ERR_INVALID;
		return false;
	}
	err_clear(e);
	f->made_any = true;
	lock_facts(f->made, out);
	return true;
}

struct lock *
locked_accept(struct locked_file *f)
{
	struct lock *old = f->lock;

	if (!f->made_any)
		return NULL;
	f->lock = f->made;
	f->made = NULL;
	f->made_any = false;
	return old;
}

void
locked_free(struct locked_file *f)
{
	lock_free(&f->made);
	lock_free(&f->lock);
}
