/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output - what a model reads of a script; the contract is in output.h.
 *
 * Only what was returned or printed, in the form that costs a model least: 50 rows of 5 columns
 * are 2,818 tokens as indented JSON, 1,869 minified, 1,159 as tab-separated lines.
 *
 *	value --string, table, JSON--> text --fits--> as it is
 *	                                   \--too long--> first and last lines, shape, size
 *
 * Values were checked by the sandbox and cannot fail the iterators; printed text is any bytes, its
 * repair is that of the JSON string it ends in.
 */
#include "codemode/output.h"

#include <string.h>

#include "base/json.h"

#define TABLE_ROWS_MIN    3
#define TABLE_COLUMNS_MAX 64
#define SHAPE_DEPTH_MAX   6
#define SHAPE_KEYS_MAX    60
#define SHAPE_BYTES_MAX   1200 /* of a note: the whole shape of most values */
#define TEXT_LONG         40   /* a string's length is told when it has more bytes */
#define TOKEN_BYTES       4    /* an estimate, and said to be one */
#define LEFT_OUT_BYTES    80   /* of the line that says how much */

/* ---- shapes ---- */

static void
scalar_shape(struct str v, struct buf *out)
{
	switch (json_kind(v)) {
	case JSON_NULL:
		buf_puts(out, "null");
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_puts(out, "boolean");
		break;
	case JSON_NUMBER:
		buf_puts(out, memchr(v.p, '.', v.n) != NULL || memchr(v.p, 'e', v.n) != NULL
				  ? "number"
				  : "integer");
		break;
	case JSON_STRING:
		buf_puts(out, "string");
		if (v.n - 2 > TEXT_LONG)
			buf_printf(out, "(%zu)", v.n - 2);
		break;
	case JSON_BAD:
	case JSON_ARRAY:
	case JSON_OBJECT:
		buf_puts(out, "any");
		break;
	}
}

static size_t
count_items(struct str list)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (json_open(list, &it))
		while (json_next(&it, &key, &v))
			n++;
	return n;
}

static void shape_put(struct str v, int depth, struct buf *out);

/* NOLINTNEXTLINE(misc-no-recursion): SHAPE_DEPTH_MAX */
static void
object_shape(struct str v, int depth, struct buf *out)
{
	struct json_iter it;
	struct str key, one;
	int n = 0;

	(void)json_open(v, &it);
	buf_putc(out, '{');
	while (json_next(&it, &key, &one)) {
		if (n > 0)
			buf_puts(out, ", ");
		if (n++ == SHAPE_KEYS_MAX) {
			buf_puts(out, "...");
			break;
		}
		buf_put(out, (struct str){ key.p + 1, key.n - 2 });
		buf_putc(out, ':');
		shape_put(one, depth + 1, out);
	}
	buf_putc(out, '}');
}

/* NOLINTNEXTLINE(misc-no-recursion): SHAPE_DEPTH_MAX */
static void
shape_put(struct str v, int depth, struct buf *out)
{
	enum json_kind k = json_kind(v);
	struct json_iter it;
	struct str key, one;

	if (k != JSON_ARRAY && k != JSON_OBJECT) {
		scalar_shape(v, out);
	} else if (depth >= SHAPE_DEPTH_MAX) {
		buf_puts(out, "table");
	} else if (k == JSON_OBJECT) {
		object_shape(v, depth, out);
	} else {
		(void)json_open(v, &it);
		if (json_next(&it, &key, &one))
			shape_put(one, depth + 1, out);
		else
			buf_puts(out, "any");
		buf_printf(out, "[%zu]", count_items(v));
	}
}

void
output_shape(struct str json, struct buf *out)
{
	struct buf shape;

	buf_init(&shape, 0);
	shape_put(json, 0, &shape);
	buf_put(out, str_clip(buf_str(&shape), SHAPE_BYTES_MAX));
	if (shape.n > SHAPE_BYTES_MAX)
		buf_puts(out, "...");
	buf_fini(&shape);
}

/* ---- text ---- */

/* The keys of a flat object; 0 when it nests or has too many. */
static size_t
flat_keys(struct str object, struct str keys[TABLE_COLUMNS_MAX])
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	if (json_kind(object) != JSON_OBJECT || !json_open(object, &it))
		return 0;
	while (json_next(&it, &key, &v)) {
		enum json_kind k = json_kind(v);

		if (n == TABLE_COLUMNS_MAX || k == JSON_OBJECT || k == JSON_ARRAY)
			return 0;
		keys[n++] = key;
	}
	return n;
}

/* At least three flat objects with the same keys in the same order (the worker sorts them). */
static bool
is_table(struct str list, struct str columns[TABLE_COLUMNS_MAX], size_t *n)
{
	struct json_iter it;
	struct str key, row, keys[TABLE_COLUMNS_MAX];
	size_t rows = 0;

	if (json_kind(list) != JSON_ARRAY || !json_open(list, &it))
		return false;
	while (json_next(&it, &key, &row)) {
		size_t k = flat_keys(row, rows == 0 ? columns : keys);

		if (k == 0 || (rows > 0 && k != *n))
			return false;
		for (size_t i = 0; rows > 0 && i < k; i++)
			if (!str_eq(keys[i], columns[i]))
				return false;
		*n = k;
		rows++;
	}
	return rows >= TABLE_ROWS_MIN;
}

/* A cell: strings lose their quotes; tabs, newlines and the like stay escaped as JSON has them. */
static void
cell_put(struct str v, struct buf *out)
{
	if (json_kind(v) == JSON_STRING && v.n >= 2)
		buf_put(out, (struct str){ v.p + 1, v.n - 2 });
	else if (json_kind(v) != JSON_NULL)
		buf_put(out, v);
}

static void
table_put(struct str list, const struct str *columns, size_t n, struct buf *out)
{
	struct json_iter it, cells;
	struct str key, row, v;

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(out, '\t');
		cell_put(columns[i], out);
	}
	(void)json_open(list, &it);
	while (json_next(&it, &key, &row)) {
		size_t i = 0;

		buf_putc(out, '\n');
		(void)json_open(row, &cells);
		while (json_next(&cells, &key, &v)) {
			if (i++ > 0)
				buf_putc(out, '\t');
			cell_put(v, out);
		}
	}
}

/* Items one a line. */
static size_t
lines_put(struct str list, struct buf *out)
{
	struct json_iter it;
	struct str key, v;
	size_t n = 0;

	(void)json_open(list, &it);
	while (json_next(&it, &key, &v)) {
		if (n++ > 0)
			buf_putc(out, '\n');
		buf_put(out, v);
	}
	return n;
}

/* ---- the budget ---- */

/* How a value was rendered: what may be left out of it. */
enum layout { LAYOUT_BYTES, LAYOUT_ITEMS, LAYOUT_ROWS };
static const char *const layout_words[] = { "bytes", "items", "rows" };

/* Three quarters for the start, a quarter for the end. */
static void
ends(size_t budget_bytes, size_t *head, size_t *tail)
{
	size_t room = budget_bytes > LEFT_OUT_BYTES ? budget_bytes - LEFT_OUT_BYTES : 0;

	*head = room / 4 * 3;
	*tail = room / 4;
}

void
output_cut(struct str text, size_t budget_bytes, struct buf *out)
{
	size_t head, tail;

	if (text.n <= budget_bytes) {
		buf_put(out, text);
		return;
	}
	ends(budget_bytes, &head, &tail);
	while (head > 0 && ((unsigned char)text.p[head] & 0xc0) == 0x80)
		head--;
	while (tail > 0 && ((unsigned char)text.p[text.n - tail] & 0xc0) == 0x80)
		tail--;
	buf_put(out, (struct str){ text.p, head });
	buf_printf(out, "\n[... %zu of %zu bytes left out ...]\n", text.n - head - tail, text.n);
	buf_put(out, (struct str){ text.p + text.n - tail, tail });
}

static size_t
count_lines(struct str s)
{
	size_t n = 1;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

/* Whole lines from both ends; false when not even one (of a table, after its columns) fits at the
 * start. */
static bool
lines_cut(struct str text, size_t budget_bytes, enum layout layout, struct buf *out)
{
	size_t head, tail;

	ends(budget_bytes, &head, &tail);
	while (head > 0 && text.p[head] != '\n')
		head--;
	while (tail > 0 && text.p[text.n - tail - 1] != '\n')
		tail--;
	if (head == 0 || (layout == LAYOUT_ROWS && memchr(text.p, '\n', head) == NULL))
		return false;
	buf_put(out, (struct str){ text.p, head });
	buf_printf(out, "\n[... %zu %s left out ...]",
	    count_lines(STR_SPAN(text.p + head + 1, text.p + text.n - tail)) - (tail > 0),
	    layout_words[layout]);
	if (tail > 0) {
		buf_putc(out, '\n');
		buf_put(out, (struct str){ text.p + text.n - tail, tail });
	}
	return true;
}

/* What a model needs to know of a value that it does not see whole. */
static void
note_put(struct str value, size_t text_bytes, bool last, struct buf *out)
{
	buf_printf(out, "\n[cut: %zu bytes, about %zu tokens; shape: ", text_bytes,
	    text_bytes / TOKEN_BYTES);
	output_shape(value, out);
	buf_puts(out,
	    last ? "; full value in `last`]" : "; return less of it, or aggregate in the script]");
}

static enum layout
render(struct str value, struct buf *out)
{
	struct str columns[TABLE_COLUMNS_MAX], text;
	struct arena a;
	size_t n = 0;

	if (json_kind(value) == JSON_STRING) {
		arena_init(&a, value.n + 65536);
		if (json_string(value, &a, &text))
			buf_put(out, text);
		arena_free(&a);
		return LAYOUT_BYTES;
	}
	if (is_table(value, columns, &n)) {
		table_put(value, columns, n, out);
		return LAYOUT_ROWS;
	}
	buf_put(out, value);
	return json_kind(value) == JSON_ARRAY ? LAYOUT_ITEMS : LAYOUT_BYTES;
}

static bool
rendered_put(struct str value, struct buf *text, enum layout layout, size_t budget_bytes, bool last,
    struct buf *out)
{
	size_t whole = text->n, room;
	struct buf note;

	if (whole <= budget_bytes) {
		buf_put(out, buf_str(text));
		return true;
	}
	buf_init(&note, 0);
	note_put(value, whole, last, &note);
	room = budget_bytes > 2 * note.n ? budget_bytes - note.n : budget_bytes / 2;
	if (layout == LAYOUT_ITEMS) {
		buf_reset(text);
		(void)lines_put(value, text);
	}
	if (layout == LAYOUT_BYTES || !lines_cut(buf_str(text), room, layout, out))
		output_cut(buf_str(text), room, out);
	buf_put(out, buf_str(&note));
	buf_fini(&note);
	return false;
}

bool
output_value(struct str value_json, size_t budget_bytes, bool last, struct buf *out)
{
	struct buf text;
	enum layout layout;
	bool whole;

	buf_init(&text, 0);
	layout = render(value_json, &text);
	whole = rendered_put(value_json, &text, layout, budget_bytes, last, out);
	buf_fini(&text);
	return whole;
}

static void
log_put(struct str log, size_t budget_bytes, struct buf *out)
{
	if (log.n == 0)
		return;
	output_cut(log, budget_bytes, out);
	if (log.p[log.n - 1] != '\n')
		buf_putc(out, '\n');
}

bool
output_put(const struct output *o, struct buf *out)
{
	size_t all = o->budget_bytes, value_bytes = all / 4, log_bytes;
	enum layout layout = LAYOUT_BYTES;
	bool returned = !o->failed && o->value.p != NULL, whole = true;
	struct buf text;

	buf_init(&text, 0);
	if (returned)
		layout = render(o->value, &text);
	if (!o->failed)
		value_bytes = text.n < all / 4 * 3 ? text.n : all / 4 * 3;
	log_bytes = o->log.n < all - value_bytes ? o->log.n : all - value_bytes;
	log_put(o->log, log_bytes, out);
	if (returned)
		whole = rendered_put(o->value, &text, layout, all - log_bytes, o->last, out);
	else if (!o->failed && o->log.n == 0)
		buf_printf(out, "ok, no return value (%u calls)", o->calls);
	buf_fini(&text);
	return whole;
}
