/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hints - signatures for a task that has just been asked, before its model has to ask for them.
 *
 * A search costs a model one more turn over its whole context.  Who sees the request on its way to
 * the model can search with the words of the request itself.  Only tools of the key's own view come
 * in, and none that the description of `lua` names already.
 */
#include <string.h>

#include "codemode/run.h"
#include "codemode/search.h"
#include "codemode/signature.h"
#include "codemode/tools.h"

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

size_t
codemode_hints(
    struct codemode *cm, struct key *k, struct str task, struct str known, struct buf *out)
{
	const struct tool *hits[SEARCH_HITS_MAX];
	struct code_offer offer;
	struct tool_list l;
	size_t found, told = 0;

	hub_code_offer(cm->hub, k, NULL, &offer);
	if (!offer.scripts)
		return 0;
	l = tool_list_of(cm, k, NULL);
	found = search_task(l.t, l.n, task, hits);
	for (size_t i = 0; i < found; i++) {
		size_t at = out->n;

		if (is_known(known, hits[i]))
			continue;
		if (told > 0)
			buf_putc(out, '\n');
		tool_list_put_line(&l, hits[i], true, out);
		if (out->n > CODEMODE_HINT_BYTES) {
			out->n = at;
			break;
		}
		told++;
	}
	tool_list_fini(&l);
	cm->hinted += told;
	return told;
}
