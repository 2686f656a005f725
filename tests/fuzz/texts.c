/* SPDX-License-Identifier: Apache-2.0 */
/*
 * texts - any body: the texts lie within it, in order and apart; with something else in the place
 * of each it is JSON as before, with as many texts, and what stands between them is the same.
 *
 * The first byte chooses the dialect.
 */
#include "gateway/texts.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

struct seen {
	struct str doc;
	size_t at, n;
	struct buf other, between; /* with another text in each place; without any */
};

static void
on_text(void *ctx, const struct text *t)
{
	struct seen *s = ctx;
	const size_t from = (size_t)(t->value.p - s->doc.p);
	char place[64];
	struct err e;

	must(t->value.p >= s->doc.p && from >= s->at && t->value.n > 0);
	must(from + t->value.n <= s->doc.n && json_check_lone(t->value, &e));
	buf_put(&s->other, (struct str){ s->doc.p + s->at, from - s->at });
	buf_put(&s->between, (struct str){ s->doc.p + s->at, from - s->at });
	/* What makes a file one of text stays: "data:text/plain;base64," and a media type. */
	if (t->coded || t->value.n == 2 || str_has(t->value, '/'))
		buf_put(&s->other, t->value);
	else
		buf_puts(&s->other, "\"[masked:card]\"");
	buf_puts(&s->between, "\"\"");
	s->at = from + t->value.n;
	s->n++;
	text_place(t, place, sizeof(place));
}

static void
look(const struct text_table *of, struct str doc, struct seen *s)
{
	*s = (struct seen){ .doc = doc };
	buf_init(&s->other, 0);
	buf_init(&s->between, 0);
	texts_each(of, doc, on_text, s);
	buf_put(&s->other, (struct str){ doc.p + s->at, doc.n - s->at });
	buf_put(&s->between, (struct str){ doc.p + s->at, doc.n - s->at });
	must(buf_ok(&s->other) && buf_ok(&s->between));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct text_table *const all[] = { &texts_anthropic, &texts_openai,
		&texts_responses, &texts_genai };
	const struct text_table *of;
	struct seen first, second;
	struct str doc;
	struct err e;

	if (size < 2)
		return 0;
	of = all[data[0] % COUNT(all)];
	doc = str_trim((struct str){ (const char *)data + 1, size - 1 });
	if (!json_check_lone(doc, &e))
		return 0;
	look(of, doc, &first);
	must(json_check_lone(buf_str(&first.other), &e));
	look(of, buf_str(&first.other), &second);
	must(first.n == second.n && str_eq(buf_str(&first.between), buf_str(&second.between)));
	buf_fini(&first.other);
	buf_fini(&first.between);
	buf_fini(&second.other);
	buf_fini(&second.between);
	return 0;
}
