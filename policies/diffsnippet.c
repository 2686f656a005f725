/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diffsnippet - which snippets a change of the policy files adds, takes away and changes.
 *
 * They grant nothing, so none of it is wider or narrower: it is told, for whoever reviews.
 */
#include "policies/diff.h"

static const struct snippet *
by_file(const struct bundle *b, struct str file)
{
	for (size_t i = 0; i < b->snippets_n; i++)
		if (str_eq(b->snippets[i].file, file))
			return &b->snippets[i];
	return NULL;
}

struct pair {
	struct str file, was, is; /* versions; p == NULL: not there */
	size_t n;                 /* so many before it */
};
typedef void pair_f(struct buf *out, const struct pair *p);

/* fn for each file that differs. */
static void
each(const struct diff *d, struct buf *out, pair_f *fn)
{
	struct pair p = { .n = 0 };

	for (size_t i = 0; i < d->old->snippets_n; i++) {
		const struct snippet *was = &d->old->snippets[i], *is = by_file(d->new, was->file);

		p.file = was->file;
		p.was = was->version;
		p.is = is != NULL ? is->version : STR_NONE;
		if (is == NULL || !str_eq(p.was, p.is)) {
			fn(out, &p);
			p.n++;
		}
	}
	for (size_t i = 0; i < d->new->snippets_n; i++) {
		const struct snippet *is = &d->new->snippets[i];

		if (by_file(d->old, is->file) != NULL)
			continue;
		p.file = is->file;
		p.was = STR_NONE;
		p.is = is->version;
		fn(out, &p);
		p.n++;
	}
}

static struct str
shown(struct str version)
{
	return version.p != NULL ? version : STR("none");
}

static void
text_one(struct buf *out, const struct pair *p)
{
	buf_printf(out, "%c snippet " STR_FMT ": " STR_FMT " -> " STR_FMT "\n",
	    p->was.p == NULL  ? '+'
	    : p->is.p == NULL ? '-'
			      : '~',
	    STR_ARG(p->file), STR_ARG(shown(p->was)), STR_ARG(shown(p->is)));
}

static void
markdown_one(struct buf *out, const struct pair *p)
{
	if (p->n == 0)
		buf_puts(out, "\n| snippet | before | after |\n|---|---|---|\n");
	buf_printf(out, "| " STR_FMT " | " STR_FMT " | " STR_FMT " |\n", STR_ARG(p->file),
	    STR_ARG(shown(p->was)), STR_ARG(shown(p->is)));
}

static void
json_one(struct buf *out, const struct pair *p)
{
	buf_puts(out, p->n > 0 ? ",{\"file\":" : "{\"file\":");
	buf_json_str(out, p->file);
	if (p->was.p != NULL)
		buf_printf(out, ",\"before\":\"" STR_FMT "\"", STR_ARG(p->was));
	if (p->is.p != NULL)
		buf_printf(out, ",\"after\":\"" STR_FMT "\"", STR_ARG(p->is));
	buf_putc(out, '}');
}

void
diff_put_snippets(const struct diff *d, struct buf *out)
{
	if (d->ask->form == DIFF_JSON) {
		buf_puts(out, ",\"snippets\":[");
		each(d, out, json_one);
		buf_putc(out, ']');
	} else {
		each(d, out, d->ask->form == DIFF_MARKDOWN ? markdown_one : text_one);
	}
}
