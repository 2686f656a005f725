/* SPDX-License-Identifier: Apache-2.0 */
/*
 * via - where a request comes from, beside whose it is: `views` and `clients` of applies_to.
 *
 *   set of the key, open  --view and client, as far as any file names them-->  set of the request
 *
 * A view is the gateway's own path, so a policy of it may grant.  A client is what it calls itself,
 * and anybody can say anything: a policy that names clients holds nothing that opens, which is
 * checked when it is loaded, so that whatever a client says, it may at most what it may when it
 * says nothing that a file names.
 *
 * Whose a request is was compiled to a set of policies when its key was resolved (rules.c), as if
 * it came from everywhere.  Here the policies of other views and clients are taken out of that set,
 * once for each pair of a set and a place: then it is one number of an array.  Where no file names
 * a view or a client, nothing at all is done.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"

/* The numbers of places: nothing was said; something that no file names; the names. */
#define PLACE_NONE  0
#define PLACE_OTHER 1
#define PLACE_NAMED 2

struct str
client_product(struct str said)
{
	size_t n = 0;

	while (n < said.n && said.p[n] != '/' && said.p[n] != ' ')
		n++;
	return (struct str){ said.p, n };
}

bool
via_note(struct via_names *all, struct str name)
{
	for (size_t i = 0; i < all->n; i++)
		if (str_eq(all->at[i], name))
			return true;
	if (all->n == VIA_NAMES_MAX)
		return false;
	all->at[all->n++] = name;
	return true;
}

static size_t
place(const struct via_names *all, struct str name, bool (*same)(struct str a, struct str b))
{
	if (name.n == 0)
		return PLACE_NONE;
	for (size_t i = 0; i < all->n; i++)
		if (same(all->at[i], name))
			return PLACE_NAMED + i;
	return PLACE_OTHER;
}

static bool
same(struct str a, struct str b)
{
	return str_eq(a, b);
}

static bool
name_in(const struct names *v, struct str name, bool (*alike)(struct str a, struct str b))
{
	if (!v->said || (v->any && name.n > 0))
		return true;
	for (size_t i = 0; i < v->n; i++)
		if (alike(v->text[i], name))
			return true;
	return false;
}

static bool
applies_via(const struct applies *to, const struct via *via)
{
	return name_in(&to->views, via->view, same) &&
	       name_in(&to->clients, client_product(via->client), str_ieq);
}

/* The policies, and subjects of conditions, that hold there. */
static uint8_t *
mask_make(const struct bundle *b, const struct via *via)
{
	uint8_t *mask = mem_zalloc(set_bytes(b));

	for (size_t i = 0; i < b->policies_n + b->subjects_n; i++)
		if (applies_via(i < b->policies_n ? &b->policies[i]->applies
						  : b->subjects[i - b->policies_n],
			via))
			mask[i / 8] = (uint8_t)(mask[i / 8] | 1u << (i % 8));
	return mask;
}

static uint32_t
set_make(struct bundle *b, struct via_row *row, uint32_t open)
{
	const size_t n = set_bytes(b);
	uint8_t *bits = mem_alloc(n);
	uint32_t cap = row->cap, set;

	memcpy(bits, b->set_bits[open], n);
	for (size_t i = 0; i < n; i++)
		bits[i] &= row->mask[i];
	set = set_number(b, bits);
	free(bits);
	if (open >= cap) {
		cap = open < 8 ? 16 : open * 2;
		row->set = mem_realloc(row->set, cap * sizeof(*row->set));
		memset(row->set + row->cap, 0, (cap - row->cap) * sizeof(*row->set));
		row->cap = cap;
	}
	row->set[open] = set + 1;
	return set;
}

static uint32_t
set_at(struct bundle *b, struct via_row *row, uint32_t open)
{
	return open < row->cap && row->set[open] > 0 ? row->set[open] - 1 : set_make(b, row, open);
}

void
subject_via(struct bundle *b, struct subject *s, const struct via *via)
{
	const size_t views = PLACE_NAMED + b->views.n, clients = PLACE_NAMED + b->clients.n;
	struct via_row *row;

	ASSERT(s->bundle == b);
	if (!b->has_via)
		return;
	if (b->via == NULL)
		b->via = mem_zalloc(views * clients * sizeof(*b->via));
	row = &b->via[place(&b->views, via->view, same) * clients +
		      place(&b->clients, client_product(via->client), str_ieq)];
	if (row->mask == NULL)
		row->mask = mask_make(b, via);
	s->set = set_at(b, row, s->open_set);
	s->all = set_at(b, row, s->open_all);
}

void
via_free(struct bundle *b)
{
	const size_t n = (PLACE_NAMED + b->views.n) * (PLACE_NAMED + b->clients.n);

	for (size_t i = 0; b->via != NULL && i < n; i++) {
		free(b->via[i].mask);
		free(b->via[i].set);
	}
	MEM_FREE(&b->via);
}

/* ---- where tools that look at everybody look from ---- */

size_t
via_next(const struct bundle *const *of, size_t n, size_t at, struct via *out)
{
	struct via_names views = { .n = 0 }, clients = { .n = 0 };

	(void)via_note(&views, STR(""));
	(void)via_note(&clients, STR(""));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < of[i]->views.n; k++)
			(void)via_note(&views, of[i]->views.at[k]);
		for (size_t k = 0; k < of[i]->clients.n; k++)
			(void)via_note(&clients, of[i]->clients.at[k]);
	}
	if (at >= views.n * clients.n || at >= VIA_LOOKED_MAX)
		return 0;
	*out = (struct via){ views.at[at / clients.n], clients.at[at % clients.n] };
	return at + 1;
}

void
via_text(const struct via *via, struct buf *out)
{
	if (via->view.n > 0)
		buf_printf(out, " in view " STR_FMT, STR_ARG(via->view));
	if (via->client.n > 0)
		buf_printf(out, " from " STR_FMT, STR_ARG(via->client));
}
