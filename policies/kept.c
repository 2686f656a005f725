/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kept - values that outlive a pass and a restart: journals of scripts, their state.
 *
 *   core_keep() --journal.N, with this turn's write--> scribe --> table `kept`
 *   a start: the journal is applied --> what is over is dropped --> core_kept_each()
 *
 * Whoever keeps something has it in memory, which is what decides; this is for the next process.
 * Such a record is no row of the audit and moves no chain, so that contents can be forgotten: when
 * their time is over, when their key is revoked, when a backup is restored.
 */
#include "policies/core.h"

void
core_keep(struct core *c, const struct kept_row *k)
{
	struct buf *b = core_record_begin(c);

	ASSERT(k->value.n <= KEPT_VALUE_BYTES && k->name.n <= KEPT_NAME_BYTES);
	record_put_kept(b, k);
	core_record_end(c, RECORD_KEPT);
}

bool
kept_apply(struct store *s, struct str payload, struct err *e)
{
	struct kept_row k;

	/* An unreadable one is skipped like any other record. */
	return !record_get_kept(payload, &k) || store_kept_put(s, &k, e);
}

struct reading {
	kept_f *fn;
	void *ctx;
};

static bool
on_kept(void *ctx, const struct kept_row *k)
{
	const struct reading *r = ctx;

	r->fn(r->ctx, k);
	return true;
}

bool
core_kept_each(struct core *c, kept_f *fn, void *ctx, struct err *e)
{
	struct reading r = { fn, ctx };
	struct store *s = store_open_reader(c->data_dir, e);
	bool ok = s != NULL && store_kept_each(s, on_kept, &r, e);

	store_close(&s);
	return ok;
}
