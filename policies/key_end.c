/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_end - how keys end, and what ends with them.
 *
 *   ACTIVE <--key_set_state()--> DISABLED
 *   ACTIVE, DISABLED --key_set_state()--> REVOKED (for ever)
 *
 * Leaving ACTIVE cuts every open pass of the key and runs its watchers within the same call; so do
 * its expiry (a timer) and the loss of its owner (a reload).
 */
#include "policies/core.h"

#define EXPIRY_MS ((int64_t)60000)

/* The newest first: what a script has called is cut too, not cancelled by the script. */
static void
passes_cut(struct key *k, const struct err *why)
{
	while (!link_empty(&k->passes)) {
		struct pass *p = CONTAINER(k->passes.prev, struct pass, of_key);

		p->cut(p, why);
		if (!link_empty(&k->passes) && k->passes.prev == &p->of_key)
			UNREACHABLE(); /* cut() must leave */
	}
}

static void
watches_run(struct key *k)
{
	LIST_EACH(it, &k->watches) {
		struct key_watch *w = CONTAINER(it, struct key_watch, link);

		w->fn(w->ctx, k);
	}
}

void
keys_orphans_cut(struct core *c)
{
	LIST_EACH(it, &c->keys) {
		struct key *k = CONTAINER(it, struct key, all);

		if (!k->orphaned)
			continue;
		k->orphaned = false;
		approvals_key_end(k, "its key has lost its owner");
		passes_cut(k, &k->owner_err);
		watches_run(k);
	}
}

/* A key whose time is over dies like a revoked one: what it has open ends within the turn.  The
 * clock may be set meanwhile, so no wait is longer than EXPIRY_MS. */
static void
keys_expire(void *ctx)
{
	struct core *c = ctx;
	int64_t now_ns = loop_wall_ns(c->loop), wait_ms = EXPIRY_MS;
	bool any = false;

	LIST_EACH(it, &c->keys) {
		struct key *k = CONTAINER(it, struct key, all);
		int64_t left_ms = (k->expires_ns - now_ns + 999999) / 1000000;
		struct err why;

		if (k->state != KEY_ACTIVE || k->expires_ns == 0 || k->expired)
			continue;
		if (left_ms > 0) {
			any = true;
			wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
			continue;
		}
		k->expired = true;
		(void)key_usable(k, now_ns, &why);
		passes_cut(k, &why);
		watches_run(k);
	}
	if (any)
		timer_set(c->loop, &c->expiry, wait_ms, keys_expire, c);
}

void
keys_expiry_set(struct core *c)
{
	timer_stop(&c->expiry);
	keys_expire(c);
}

bool
key_set_state(struct core *c, struct key *k, enum key_state st, struct str actor, struct err *e)
{
	static const char *const words[] = { "", "key.enable", "key.disable", "key.revoke" };
	struct err why;

	IS(k, KEY_MAGIC);
	/* A key dies at once even when nothing can be written; the row waits for the journal. */
	if (st == KEY_ACTIVE && !core_ready(c, e))
		return false;
	if (k->state == KEY_REVOKED && st != KEY_REVOKED)
		return err_set(
		    e, ERR_INVALID, "key %s is revoked and stays so (create a new one)", k->id);
	if (k->state == st)
		return true;
	k->state = st;
	event_key(c, actor, words[st], k);
	if (st != KEY_ACTIVE) {
		(void)key_usable(k, loop_wall_ns(c->loop), &why);
		approvals_key_end(k, "its key has been taken away");
		passes_cut(k, &why);
	}
	watches_run(k);
	return true;
}

void
key_watch_add(struct key *k, struct key_watch *w)
{
	link_init(&w->link);
	link_push(&k->watches, &w->link);
}

void
key_watch_drop(struct key_watch *w)
{
	if (w->link.next != NULL)
		link_drop(&w->link);
}
