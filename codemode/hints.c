/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hints - signatures for a task that has just been asked, before its model has to ask for them.
 *
 * A search costs a model one more turn over its whole context.  Who sees the request on its way to
 * the model can search with the words of the request itself.  Only tools of the key's own view come
 * in, and none that the description of `lua` names already.
 */
#include <stdlib.h>
#include <string.h>

#include "codemode/run.h"
#include "codemode/search.h"
#include "codemode/signature.h"

struct offered {
	const struct tool **t;
	size_t n, cap;
	struct str known;
};

static bool
is_known(struct str known, const struct tool *t)
{
	struct buf path;
	bool found;

	buf_init(&path, 0);
	signature_put_path(&path, t);
	buf_putc(&path, '{');
	found = memmem(known.p, known.n, path.p, path.n) != NULL;
	buf_fini(&path);
	return found;
}

static void
offer(void *ctx, const struct tool *t)
{
	struct offered *o = ctx;

	if (o->n == o->cap) {
		o->cap = o->cap == 0 ? 64 : o->cap * 2;
		o->t = mem_realloc(o->t, o->cap * sizeof(struct tool *));
	}
	o->t[o->n++] = t;
}

size_t
codemode_hints(
    struct codemode *cm, struct key *k, struct str task, struct str known, struct buf *out)
{
	const struct tool *hits[SEARCH_HITS_MAX];
	struct offered o = { .known = known };
	size_t found, told = 0;

	if (!codemode_visible(cm, k))
		return 0;
	hub_tools(cm->hub, k, offer, &o);
	found = search_task(o.t, o.n, task, hits);
	for (size_t i = 0; i < found; i++) {
		size_t at = out->n;

		if (is_known(known, hits[i]))
			continue;
		if (told > 0)
			buf_putc(out, '\n');
		signature_put(out, hits[i], true);
		if (out->n > CODEMODE_HINT_BYTES) {
			out->n = at;
			break;
		}
		told++;
	}
	free(o.t);
	cm->hinted += told;
	return told;
}
