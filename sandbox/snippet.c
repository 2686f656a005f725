/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snippet - what a worker is told of the snippets that its script can call; the layout is in
 * frame.h.
 */
#include "sandbox/pool.h"

#define SHORT_MAX 255

static void
number_put(struct buf *out, size_t n, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_putc(out, (char)(unsigned char)(n >> (8 * i)));
}

/* u8 n and the text, cut where it is only told to people. */
static void
short_put(struct buf *out, struct str s)
{
	s = str_clip(s, SHORT_MAX);
	number_put(out, s.n, 1);
	buf_put(out, s);
}

static void
param_put(struct buf *out, const struct sandbox_param *p)
{
	size_t n = p->choices_n < SHORT_MAX ? p->choices_n : SHORT_MAX;

	short_put(out, p->name);
	number_put(out, p->required ? FRAME_PARAM_REQUIRED : 0, 1);
	number_put(out, p->kinds, 1);
	short_put(out, p->type);
	number_put(out, n, 1);
	for (size_t i = 0; i < n; i++)
		short_put(out, p->choices[i]);
}

static void
one_put(struct buf *out, const struct sandbox_snippet *s)
{
	struct str signature = str_clip(s->signature, UINT16_MAX);

	short_put(out, s->name);
	number_put(out, s->source.n, 4);
	buf_put(out, s->source);
	number_put(out, signature.n, 2);
	buf_put(out, signature);
	number_put(out, s->params_n, 1);
	for (size_t i = 0; i < s->params_n; i++)
		param_put(out, &s->params[i]);
}

bool
snippets_put(struct buf *out, const struct sandbox_script *c, struct err *e)
{
	size_t from = out->n;

	if (c->snippets_n > FRAME_SNIPPETS_MAX)
		return err_set(e, ERR_INVALID, "a script can see %u snippets, not %zu",
		    FRAME_SNIPPETS_MAX, c->snippets_n);
	for (size_t i = 0; i < c->snippets_n; i++) {
		const struct sandbox_snippet *s = &c->snippets[i];

		if (s->name.n == 0 || s->name.n > FRAME_NAME_MAX || s->params_n > SHORT_MAX)
			return err_set(e, ERR_INVALID, "snippet %zu cannot be sent", i);
		one_put(out, s);
		if (out->n - from > FRAME_SNIPPETS_BYTES_MAX)
			return err_set(e, ERR_INVALID,
			    "the snippets that this script names are larger than %u KiB: name "
			    "fewer of them in one script",
			    FRAME_SNIPPETS_BYTES_MAX >> 10);
	}
	return true;
}
