/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recover - what the last process left in the journal, at a start.
 *
 *   records --not applied yet--> database       passes that entered and did not leave
 *                                                  --settled at what they held--> journal, database
 *
 * Nothing is settled twice, whenever a process dies: what this one settles goes through the journal
 * as well, under a number that is applied or not.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policies/anchor.h"
#include "policies/core.h"

#define APPLY_BATCH 1000

struct open_pass { /* what a crash would leave, by id */
	char *id;
	size_t n;
	char payload[];
};

/* ---- open passes ---- */

static void
open_set(struct map *open, const struct journal_record *r, struct str id)
{
	struct open_pass *o = mem_alloc(sizeof(*o) + r->payload.n);

	o->id = str_dup(id);
	o->n = r->payload.n;
	memcpy(o->payload, r->payload.p, r->payload.n);
	map_set(open, str_of(o->id), o);
}

static void
open_drop(struct map *open, struct str id)
{
	struct open_pass *o = map_del(open, id);

	if (o == NULL)
		return;
	free(o->id);
	free(o);
}

static void
open_note(struct map *open, const struct journal_record *r)
{
	struct record rec;

	if (!record_get(r->payload, &rec))
		return;
	open_drop(open, rec.id);
	if (r->type == RECORD_OPEN)
		open_set(open, r, rec.id);
}

static void
open_free(struct map *open)
{
	struct str key;
	void *value;

	for (size_t it = 0; map_next(open, &it, &key, &value);)
		open_drop(open, key);
	map_fini(open);
}

/* ---- replay ---- */

struct replay {
	struct store *store;
	struct chain_head head;
	struct usage_sum sum;
	uint64_t applied, last;
	struct map open; /* struct open_pass, by id */
	int in_batch;
	bool failed;
	struct err e;
};

static bool
batch_end(struct replay *rp)
{
	if (rp->in_batch > 0 && !rp->failed)
		rp->failed = !store_applied_put(rp->store, rp->last, &rp->e) ||
			     !store_commit(rp->store, &rp->e);
	rp->in_batch = 0;
	return !rp->failed;
}

/* Opens a batch when there is none; false: nothing more is applied. */
static bool
replay_begin(struct replay *rp)
{
	if (rp->failed)
		return false;
	if (rp->in_batch == 0 && !store_begin(rp->store, &rp->e)) {
		rp->failed = true;
		return false;
	}
	rp->in_batch++;
	return true;
}

static void
replay_kept(struct replay *rp, struct str payload)
{
	if (!replay_begin(rp))
		return;
	rp->failed = !kept_apply(rp->store, payload, &rp->e);
	if (rp->in_batch >= APPLY_BATCH)
		(void)batch_end(rp);
}

static void
replay_apply(struct replay *rp, struct str payload)
{
	struct record r;

	if (!record_get(payload, &r) || !replay_begin(rp))
		return;
	/* Flushed at once: the payload is gone when this returns. */
	rp->failed = !record_apply(rp->store, &r, &rp->head, &rp->sum, &rp->e) ||
		     !usage_sum_flush(&rp->sum, rp->store, &rp->e);
	if (rp->in_batch >= APPLY_BATCH)
		(void)batch_end(rp);
}

static void
replay_record(void *ctx, const struct journal_record *r)
{
	struct replay *rp = ctx;

	if (r->type != RECORD_KEPT)
		open_note(&rp->open, r);
	if (r->seq > rp->last)
		rp->last = r->seq;
	if (r->type == RECORD_KEPT && r->seq > rp->applied)
		replay_kept(rp, r->payload);
	if (r->type == RECORD_DONE && r->seq > rp->applied)
		replay_apply(rp, r->payload);
}

/*
 * What had entered when the last process ended is charged at what it held.  These rows go through
 * the journal like any others: a process that dies between here and journal_prune() finds them
 * there, under a seq that is applied or not, and nothing is settled twice.  Reading back what was
 * written takes each pass out of `open`.
 */
static bool
replay_crashed(struct core *c, struct replay *rp, struct err *e)
{
	int64_t n = (int64_t)rp->open.n;

	while (rp->open.n > 0) {
		size_t before = rp->open.n, it = 0;
		struct journal_record r;
		struct buf written;
		struct str key, in;
		void *value;

		for (int i = 0; i < APPLY_BATCH && map_next(&rp->open, &it, &key, &value); i++) {
			struct open_pass *o = value;

			buf_put(journal_begin(c->journal), (struct str){ o->payload, o->n });
			(void)journal_end(c->journal, RECORD_DONE);
		}
		buf_init(&written, 0);
		if (!journal_write(c->journal, &written, e))
			return false;
		in = buf_str(&written);
		while (journal_next(&in, &r))
			replay_record(rp, &r);
		buf_fini(&written);
		ASSERT(rp->open.n < before);
	}
	if (n > 0)
		log_warn(NULL, "passes were open when the gateway last ended",
		    F_INT("settled_at_hold", n));
	return true;
}

/* What has been replayed is in the database and, with this, anchored: the journal can go. */
static bool
replay_anchor(struct core *c, struct replay *rp, struct anchor *a, struct err *e)
{
	struct anchor seen = *a;
	bool ok = anchor_build(a, rp->store, &seen, e) && anchor_write(a, c->data_dir, e) &&
		  store_anchored_set(rp->store, e);

	anchor_fini(&seen);
	if (ok)
		journal_prune(c->journal);
	return ok;
}

static bool
replay_all(struct core *c, struct replay *rp, struct anchor *a, struct err *e)
{
	bool ok = store_head(rp->store, &rp->head.seq, &rp->head.hash, &rp->applied, e);

	rp->last = rp->applied;
	if (!ok)
		return false;
	c->journal = journal_open(c->data_dir, rp->applied + 1, replay_record, rp, e);
	if (c->journal == NULL || !replay_crashed(c, rp, e))
		return false;
	if (rp->in_batch == 0 && !rp->failed && rp->last > rp->applied) {
		rp->failed = !store_begin(rp->store, &rp->e);
		rp->in_batch = 1;
	}
	if (!batch_end(rp)) {
		*e = rp->e;
		return false;
	}
	return replay_anchor(c, rp, a, e);
}

bool
recover(struct core *c, struct store *s, struct anchor *a, uint64_t *applied, struct err *e)
{
	struct replay rp = { .store = s };
	bool ok = replay_all(c, &rp, a, e);

	open_free(&rp.open);
	*applied = rp.last;
	return ok;
}
