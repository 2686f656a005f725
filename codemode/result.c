/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result - what crosses between tools, scripts and models.
 *
 * In: servers answer with an envelope ({content:[{type:"text",…}],structuredContent,isError}); a
 * script must never see it, or its first attempt at every tool fails.  Out: only what was returned
 * or printed, in the form that costs a model least - 50 rows of 5 columns are 2,818 tokens as
 * indented JSON, 1,869 minified, 1,159 as tab-separated lines.
 *
 * All spans come from checked documents, so the iterators cannot fail on them.
 */
#include "codemode/result.h"

#include "base/json.h"

#define TABLE_ROWS_MIN    3
#define TABLE_COLUMNS_MAX 64
#define BLOBS_MAX         32

/* ---- into a script ---- */

static bool
block_is(struct str block, const char *type)
{
	struct str v;

	return json_get(block, STR("type"), &v) && json_string_is(v, str_of(type));
}

/* Appends the text of every text block, one per line; counts the other blocks. */
static size_t
texts_join(struct str content, struct arena *a, struct buf *out, size_t *others)
{
	struct json_iter it;
	struct str key, block, raw, text;
	size_t n = 0;

	if (!json_open(content, &it))
		return 0;
	while (json_next(&it, &key, &block)) {
		if (!block_is(block, "text") || !json_get(block, STR("text"), &raw) ||
		    !json_string(raw, a, &text)) {
			*others += 1;
			continue;
		}
		if (n++ > 0)
			buf_putc(out, '\n');
		buf_put(out, text);
	}
	return n;
}

static void
blobs_put(struct str content, struct buf *out)
{
	struct json_iter it;
	struct str key, block, v;
	size_t n = 0;

	buf_puts(out, ",\"blobs\":[");
	if (json_open(content, &it))
		while (n < BLOBS_MAX && json_next(&it, &key, &block)) {
			if (block_is(block, "text"))
				continue;
			if (n++ > 0)
				buf_putc(out, ',');
			buf_puts(out, "{\"mimeType\":");
			if (json_get(block, STR("mimeType"), &v))
				buf_put(out, v);
			else
				buf_puts(out, "null");
			if (json_get(block, STR("uri"), &v)) {
				buf_puts(out, ",\"uri\":");
				buf_put(out, v);
			}
			buf_printf(out, ",\"bytes\":%zu}",
			    json_get(block, STR("data"), &v) ? v.n / 4 * 3 : 0);
		}
	buf_putc(out, ']');
}

/* The only member of an object's schema, when it has exactly one. */
static bool
only_property(struct str schema, struct str *key_raw, struct str *value_raw)
{
	struct str properties, key, v;
	struct json_iter it;

	return json_get(schema, STR("properties"), &properties) &&
	       json_kind(properties) == JSON_OBJECT && json_open(properties, &it) &&
	       json_next(&it, key_raw, value_raw) && !json_next(&it, &key, &v);
}

struct str
result_unwraps(const struct tool *t, struct str *schema)
{
	struct str s = t->output_schema, name, property, v;

	*schema = s;
	if (s.n == 0 || !only_property(s, &name, &property))
		return STR("");
	if (json_key_is(name, STR("content")) && json_get(property, STR("type"), &v) &&
	    json_string_is(v, STR("string"))) {
		*schema = property;
		return STR("content");
	}
	if (json_key_is(name, STR("result")) && json_get(s, STR("x-fastmcp-wrap-result"), &v) &&
	    json_kind(v) == JSON_TRUE) {
		*schema = property;
		return STR("result");
	}
	return STR("");
}

/* All text: the object or array that it is, or a string. */
static void
text_put(struct str text, struct buf *out)
{
	struct str t = str_trim(text);
	enum json_kind k = t.n > 1 ? json_kind(t) : JSON_BAD;
	struct err e;

	if ((k == JSON_OBJECT || k == JSON_ARRAY) && json_check(t, true, &e))
		buf_put(out, t);
	else
		buf_json_str(out, text);
}

bool
result_to_value(struct str wrapper, struct str result_json, struct buf *out)
{
	struct str content = STR("[]"), v, inner;
	struct buf text;
	struct arena a;
	size_t others = 0;
	bool failed;

	failed = json_get(result_json, STR("isError"), &v) && json_kind(v) == JSON_TRUE;
	(void)json_get(result_json, STR("content"), &content);
	if (!failed && json_get(result_json, STR("structuredContent"), &v) &&
	    json_kind(v) != JSON_NULL) {
		buf_put(out, wrapper.n > 0 && json_get(v, wrapper, &inner) ? inner : v);
		return true;
	}
	buf_init(&text, 0);
	arena_init(&a, 2 * content.n + 65536);
	texts_join(content, &a, &text, &others);
	if (failed) {
		buf_put(out, text.n > 0 ? buf_str(&text) : STR("the tool reported an error"));
	} else if (others > 0) {
		buf_puts(out, "{\"text\":");
		buf_json_str(out, buf_str(&text));
		blobs_put(content, out);
		buf_putc(out, '}');
	} else {
		text_put(buf_str(&text), out);
	}
	arena_free(&a);
	buf_fini(&text);
	return !failed;
}

/* ---- out of a script ---- */

void
result_cut(struct str text, size_t budget_bytes, struct buf *out)
{
	size_t head = budget_bytes * 3 / 4, tail = budget_bytes / 4;

	if (text.n <= budget_bytes) {
		buf_put(out, text);
		return;
	}
	while (head > 0 && ((unsigned char)text.p[head] & 0xc0) == 0x80)
		head--;
	while (tail > 0 && ((unsigned char)text.p[text.n - tail] & 0xc0) == 0x80)
		tail--;
	buf_put(out, (struct str){ text.p, head });
	buf_printf(out,
	    "\n[... %zu of %zu bytes left out: return less, or aggregate in the script]\n",
	    text.n - head - tail, text.n);
	buf_put(out, (struct str){ text.p + text.n - tail, tail });
}

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

void
result_to_text(struct str value_json, size_t budget_bytes, struct buf *out)
{
	struct str columns[TABLE_COLUMNS_MAX], text;
	size_t n = 0;
	struct buf table;
	struct arena a;

	buf_init(&table, 0);
	arena_init(&a, value_json.n + 65536);
	if (json_string(value_json, &a, &text)) {
		result_cut(text, budget_bytes, out);
	} else if (is_table(value_json, columns, &n)) {
		table_put(value_json, columns, n, &table);
		result_cut(buf_str(&table), budget_bytes, out);
	} else {
		result_cut(value_json, budget_bytes, out);
	}
	arena_free(&a);
	buf_fini(&table);
}
