/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output - what a model reads of a script; the contract is in output.h.
 *
 * Only what was returned or printed, in the form that costs a model least (table.c):
 *
 *	value --string, table, JSON--> text --fits--> as it is
 *	                                   \--too long--> first and last lines, shape, size
 *
 *	{"count":3,"next":null}		an object with tables in it: what is no table, then each
 *	rows:				under its name
 *	id	name
 *	1	Ann
 *
 * Values were checked by the sandbox and cannot fail the iterators; printed text is any bytes, its
 * repair is that of the JSON string it ends in.
 */
#include "codemode/output.h"

#include <string.h>

#include "base/json.h"
#include "codemode/table.h"

#define SHAPE_DEPTH_MAX 6
#define SHAPE_KEYS_MAX  60
#define MAP_KEYS_MIN    13   /* fewer are told by name */
#define SHAPE_BYTES_MAX 1200 /* of a note: the whole shape of most values */
#define TEXT_LONG       40   /* a string's length is told when it has more bytes */
#define TOKEN_BYTES     4    /* an estimate, and said to be one */
#define LEFT_OUT_BYTES  80   /* of the line that says how much */

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

/* The keys from `start` on of an object that is a map: what stands at `first` is their one shape.
 */
static void
map_shape(struct str object, size_t start, struct str first, struct buf *out)
{
	struct buf one;

	buf_init(&one, 0);
	buf_put(&one, first);
	out->n = start;
	buf_printf(out, "table<string," STR_FMT ">[%zu]", (int)one.n, one.p, count_items(object));
	buf_fini(&one);
}

/* Many keys with values of one shape are no record: table<string,integer>[3000].
 * NOLINTNEXTLINE(misc-no-recursion): SHAPE_DEPTH_MAX */
static void
object_shape(struct str v, int depth, struct buf *out)
{
	size_t n = 0, start = out->n, first = 0, bytes = 0;
	struct str key, one;
	struct json_iter it;
	bool same = true;

	(void)json_open(v, &it);
	buf_putc(out, '{');
	for (; json_next(&it, &key, &one) && n < SHAPE_KEYS_MAX; n++) {
		size_t at;

		if (n > 0)
			buf_puts(out, ", ");
		buf_put(out, (struct str){ key.p + 1, key.n - 2 });
		buf_putc(out, ':');
		at = out->n;
		shape_put(one, depth + 1, out);
		if (n == 0) {
			first = at;
			bytes = out->n - at;
		}
		same =
		    same && out->n - at == bytes && memcmp(out->p + at, out->p + first, bytes) == 0;
	}
	if (same && n >= MAP_KEYS_MIN && buf_ok(out))
		map_shape(v, start, (struct str){ out->p + first, bytes }, out);
	else
		buf_puts(out, n == SHAPE_KEYS_MAX ? ", ...}" : "}");
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
enum layout { LAYOUT_BYTES, LAYOUT_ITEMS, LAYOUT_ROWS, LAYOUT_LINES };
static const char *const layout_words[] = { "bytes", "items", "rows", "lines" };

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

/* What of an object is no table, as JSON on a line of its own; nothing when all is. */
static void
rest_put(struct str object, struct buf *out)
{
	struct json_iter it;
	struct str key, v;
	struct table t;
	size_t n = 0;

	(void)json_open(object, &it);
	while (json_next(&it, &key, &v)) {
		if (table_of(v, &t))
			continue;
		buf_putc(out, n++ == 0 ? '{' : ',');
		buf_put(out, key);
		buf_putc(out, ':');
		buf_put(out, v);
	}
	if (n > 0)
		buf_puts(out, "}\n");
}

/* An object with tables in it, each under its name; false: it has none. */
static bool
tables_put(struct str object, struct buf *out)
{
	struct json_iter it;
	struct str key, v;
	struct table t;
	size_t n = 0;

	if (json_kind(object) != JSON_OBJECT || !json_open(object, &it))
		return false;
	while (json_next(&it, &key, &v)) {
		if (!table_of(v, &t))
			continue;
		if (n++ == 0)
			rest_put(object, out);
		else
			buf_putc(out, '\n');
		buf_put(out, (struct str){ key.p + 1, key.n - 2 });
		buf_puts(out, ":\n");
		table_put(v, &t, out);
	}
	return n > 0;
}

static enum layout
render(struct str value, struct buf *out)
{
	struct str text;
	struct table t;
	struct arena a;

	if (json_kind(value) == JSON_STRING) {
		arena_init(&a, value.n + 65536);
		if (json_string(value, &a, &text))
			buf_put(out, text);
		arena_free(&a);
		return LAYOUT_BYTES;
	}
	if (table_of(value, &t)) {
		table_put(value, &t, out);
		return LAYOUT_ROWS;
	}
	if (tables_put(value, out))
		return LAYOUT_LINES;
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
	if (!o->failed && !o->quiet && o->log.n == 0 && text.n == 0)
		buf_printf(out,
		    returned ? "ok, an empty text (%u calls)" : "ok, no return value (%u calls)",
		    o->calls);
	buf_fini(&text);
	return whole;
}
