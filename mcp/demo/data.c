/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data - twelve notes and a hundred and twenty orders.
 *
 * Enough to search, page through and add up, the same at every start, and gone at exit: the demo
 * server writes no file.  Orders are made by arithmetic, so a test can tell any total by hand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcp/demo/demo.h"

static const char *const first_notes[][3] = {
	{ "Pasta night", "Boil 500 g of rigatoni, save a cup of the water, add lemon and pecorino.",
	    "recipes" },
	{ "Sourdough", "Feed the starter at eight, fold every half hour, bake at 240 degrees.",
	    "recipes" },
	{ "Quarterly plan", "Ship the importer, halve the time to first byte, hire one tester.",
	    "work" },
	{ "Standup 12 May", "Ada: importer is green. Bert: waits for the schema. Cleo: on leave.",
	    "work" },
	{ "Importer errors", "Rows with an empty customer fail. Orders before 2024 have no status.",
	    "work" },
	{ "Returns policy", "Thirty days, unopened. Lamps and batteries are excluded.", "shop" },
	{ "Supplier call", "Nordlicht raises lamp prices by four per cent from July.", "shop" },
	{ "Shelf order", "Lamps left, chairs right, tables by the window.", "shop" },
	{ "Books", "The Soul of a New Machine; Working in Public; Thinking in Systems.",
	    "reading" },
	{ "Talk ideas", "Budgets for programs. Why queues lie. What a log is for.", "reading" },
	{ "Bike", "Rear tyre 28-622, chain every 3,000 km, saddle 74.5 cm.", "home" },
	{ "Boiler", "Serviced in March. Pressure 1.5 bar. Next service in a year.", "home" },
};

static void
orders_fill(struct data *d)
{
	static const char *const customers[] = { "Acme", "Birch & Co", "Cobalt", "Dahlia", "Elm" };
	static const char *const items[] = { "lamp", "chair", "table", "shelf" };
	static const int cents[] = { 4990, 12900, 34900, 7950 };
	static const char *const states[] = { "shipped", "open", "shipped", "returned", "shipped",
		"open" };

	for (int i = 0; i < ORDERS; i++) {
		int quantity = 1 + i * 7 % 4;

		(void)snprintf(
		    d->days[i], sizeof(d->days[i]), "2026-%02d-%02d", 1 + i / 28 % 12, 1 + i % 28);
		d->orders[i] = (struct order){ .id = 1001 + i,
			.customer = customers[(size_t)i * 3 % COUNT(customers)],
			.item = items[i % COUNT(items)],
			.status = states[i % COUNT(states)],
			.ordered_on = d->days[i],
			.quantity = quantity,
			.total_cents = quantity * cents[i % COUNT(items)] };
	}
}

void
data_fill(struct data *d)
{
	for (size_t i = 0; i < COUNT(first_notes); i++)
		(void)data_note_add(d, str_of(first_notes[i][0]), str_of(first_notes[i][1]),
		    str_of(first_notes[i][2]));
	orders_fill(d);
}

static void
note_clear(struct note *n)
{
	MEM_FREE(&n->title);
	MEM_FREE(&n->text);
	MEM_FREE(&n->tag);
}

void
data_free(struct data *d)
{
	while (d->notes_n > 0)
		note_clear(&d->notes[--d->notes_n]);
}

/* The number in "n-12" or "o-1001"; -1 when it is not such a name. */
static int64_t
id_number(struct str id, char letter)
{
	int64_t v;

	if (id.n < 3 || id.n > 12 || id.p[0] != letter || id.p[1] != '-' ||
	    !str_i64((struct str){ id.p + 2, id.n - 2 }, &v))
		return -1;
	return v;
}

struct note *
data_note(struct data *d, struct str id)
{
	int64_t number = id_number(id, 'n');

	for (size_t i = 0; i < d->notes_n; i++)
		if (d->notes[i].id == number)
			return &d->notes[i];
	return NULL;
}

struct note *
data_note_add(struct data *d, struct str title, struct str text, struct str tag)
{
	struct note *n;

	if (d->notes_n == NOTES_MAX || title.n + text.n + tag.n > NOTE_BYTES)
		return NULL;
	n = &d->notes[d->notes_n++];
	*n = (struct note){ .id = ++d->last_note,
		.title = str_dup(title),
		.text = str_dup(text),
		.tag = str_dup(tag) };
	return n;
}

void
data_note_drop(struct data *d, struct note *n)
{
	size_t i = (size_t)(n - d->notes);

	note_clear(n);
	memmove(n, n + 1, (d->notes_n - i - 1) * sizeof(*n));
	d->notes_n--;
}

const struct order *
data_order(const struct data *d, struct str id)
{
	int64_t number = id_number(id, 'o');

	return number < 1001 || number >= 1001 + ORDERS ? NULL : &d->orders[number - 1001];
}

bool
text_has(struct str text, struct str word)
{
	for (size_t i = 0; i + word.n <= text.n; i++)
		if (str_ieq((struct str){ text.p + i, word.n }, word))
			return true;
	return false;
}
