/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - a list of objects as tab-separated lines; the contract is in table.h.
 *
 * 50 rows of 5 columns are 2,818 tokens as indented JSON, 1,869 minified, 1,159 as lines.
 *
 * The columns are the keys of all rows, in the order of the first row; what it lacks comes in by
 * the alphabet.  Rows name their keys in one order, mostly (the worker sorts them): a key is looked
 * for from where the one before it was found, so that a row costs its keys and, for each that is
 * absent, one look at all.
 */
#include "codemode/table.h"

#include <string.h>

#include "base/json.h"

#define ROWS_MIN      3
#define LOOSE_COLUMNS 24         /* of rows that nest or differ */
#define LOOKS_MAX     (1u << 20) /* at keys; rows that want more are in no order: no table */

/* The members of one row. */
struct row {
	struct str key[TABLE_COLUMNS_MAX], value[TABLE_COLUMNS_MAX];
	size_t n;
};

/* False: no object, or one without members, or with too many. */
static bool
row_read(struct str object, struct row *r)
{
	struct json_iter it;
	struct str key, v;

	r->n = 0;
	if (json_kind(object) != JSON_OBJECT || !json_open(object, &it))
		return false;
	while (json_next(&it, &key, &v)) {
		if (r->n == TABLE_COLUMNS_MAX)
			return false;
		r->key[r->n] = key;
		r->value[r->n++] = v;
	}
	return r->n > 0;
}

/* Where the key is, looked for from `from` on and round; n: it is not there. */
static size_t
key_at(const struct str *keys, size_t n, size_t from, struct str key, size_t *looks)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = from + i < n ? from + i : from + i - n;

		++*looks;
		if (str_eq(keys[at], key))
			return at;
	}
	return n;
}

/* The columns that this row has more; false: too many.  *loose: they are not those of the others.
 */
static bool
columns_add(struct table *t, const struct row *r, bool *loose, size_t *looks)
{
	size_t at = 0;

	for (size_t i = 0; i < r->n; i++) {
		size_t found = key_at(t->columns, t->n, at, r->key[i], looks);

		if (found < t->n) {
			at = found + 1;
			continue;
		}
		if (t->n == TABLE_COLUMNS_MAX)
			return false;
		*loose |= t->rows > 0;
		for (; at < t->n && str_cmp(t->columns[at], r->key[i]) < 0; at++)
			++*looks;
		memmove(t->columns + at + 1, t->columns + at, (t->n - at) * sizeof(*t->columns));
		t->columns[at++] = r->key[i];
		t->n++;
	}
	*loose |= r->n < t->n;
	return true;
}

static bool
nests(const struct row *r)
{
	for (size_t i = 0; i < r->n; i++) {
		enum json_kind k = json_kind(r->value[i]);

		if (k == JSON_OBJECT || k == JSON_ARRAY)
			return true;
	}
	return false;
}

bool
table_of(struct str list, struct table *t)
{
	size_t cells = 0, looks = 0;
	bool loose = false;
	struct json_iter it;
	struct str key, one;
	struct row r;

	t->n = t->rows = 0;
	if (json_kind(list) != JSON_ARRAY || !json_open(list, &it))
		return false;
	while (json_next(&it, &key, &one)) {
		if (!row_read(one, &r) || !columns_add(t, &r, &loose, &looks))
			return false;
		loose |= nests(&r);
		if ((loose && t->n > LOOSE_COLUMNS) || looks > LOOKS_MAX)
			return false;
		cells += r.n;
		t->rows++;
	}
	return t->rows >= ROWS_MIN && 2 * cells >= t->rows * t->n;
}

/* A string without its quotes, and as nothing ends at one here, with those inside it bare. */
static void
text_put(struct str raw, struct buf *out)
{
	const char *p = raw.p + 1, *end = raw.p + raw.n - 1, *from = p;

	for (; p < end; p++) {
		if (*p != '\\')
			continue;
		p++;
		if (p < end && *p == '"') {
			buf_put(out, STR_SPAN(from, p - 1));
			from = p;
		}
	}
	buf_put(out, STR_SPAN(from, end));
}

static void
cell_put(struct str v, struct buf *out)
{
	if (json_kind(v) == JSON_STRING && v.n >= 2)
		text_put(v, out);
	else if (json_kind(v) != JSON_NULL)
		buf_put(out, v);
}

static void
row_put(const struct row *r, const struct table *t, struct buf *out)
{
	size_t at = 0, looks = 0;

	for (size_t i = 0; i < t->n; i++) {
		size_t found = key_at(r->key, r->n, at, t->columns[i], &looks);

		if (i > 0)
			buf_putc(out, '\t');
		if (found == r->n)
			continue;
		cell_put(r->value[found], out);
		at = found + 1;
	}
}

void
table_put(struct str list, const struct table *t, struct buf *out)
{
	struct json_iter it;
	struct str key, one;
	struct row r;

	for (size_t i = 0; i < t->n; i++) {
		if (i > 0)
			buf_putc(out, '\t');
		cell_put(t->columns[i], out);
	}
	(void)json_open(list, &it);
	while (json_next(&it, &key, &one)) {
		buf_putc(out, '\n');
		if (row_read(one, &r))
			row_put(&r, t, out);
	}
}
