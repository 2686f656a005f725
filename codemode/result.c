/* SPDX-License-Identifier: Apache-2.0 */
/*
 * result - a tool's answer as the value that a script gets; the contract is in result.h.
 *
 * Servers answer with an envelope ({content:[{type:"text",…}],structuredContent,isError}); a
 * script must never see it, or its first attempt at every tool fails.
 *
 * All spans come from checked documents, so the iterators cannot fail on them.
 */
#include "codemode/result.h"

#include "base/json.h"

/* What of the content is no text. */
struct others {
	size_t blobs, links;
};

static bool
block_is(struct str block, const char *type)
{
	struct str v;

	return json_get(block, STR("type"), &v) && json_string_is(v, str_of(type));
}

/* Appends the text of every text block, one per line; counts the other blocks. */
static void
texts_join(struct str content, struct arena *a, struct buf *out, struct others *o)
{
	struct json_iter it;
	struct str key, block, raw, text;
	size_t n = 0;

	if (!json_open(content, &it))
		return;
	while (json_next(&it, &key, &block)) {
		if (block_is(block, "text") && json_get(block, STR("text"), &raw) &&
		    json_string(raw, a, &text)) {
			if (n++ > 0)
				buf_putc(out, '\n');
			buf_put(out, text);
		} else if (blob_is(block)) {
			o->blobs++;
		} else {
			o->links++;
		}
	}
}

/* ,"blobs":[handles] and, where there are any, ,"links":[blocks]. */
static void
others_put(struct blobs *blobs, struct str content, bool links, struct buf *out)
{
	struct json_iter it;
	struct str key, block;
	size_t n = 0;

	buf_printf(out, ",\"%s\":[", links ? "links" : "blobs");
	if (json_open(content, &it))
		while (json_next(&it, &key, &block)) {
			if (blob_is(block) == links || (links && block_is(block, "text")))
				continue;
			if (n++ > 0)
				buf_putc(out, ',');
			if (links)
				buf_put(out, block);
			else
				blob_put_block(blobs, block, out);
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
	if (s.n == 0 || str_eq(t->server, STR(SNIPPET_FOLDER)) ||
	    !only_property(s, &name, &property))
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

/* structuredContent, less its wrapper; with the handles of what came beside it. */
static void
structured_put(struct blobs *blobs, struct str wrapper, struct str v, struct str content,
    const struct others *o, struct buf *out)
{
	struct str inner;

	if (o->blobs > 0 && json_kind(v) == JSON_OBJECT && !json_get(v, STR("blobs"), &inner)) {
		struct buf more;

		buf_init(&more, 0);
		others_put(blobs, content, false, &more);
		while (v.n > 1 && v.p[v.n - 1] != '}')
			v.n--;
		buf_put(out, (struct str){ v.p, v.n - 1 });
		/* an object without members gets no comma */
		inner = str_trim((struct str){ v.p + 1, v.n - 2 });
		buf_put(out, inner.n > 0 ? buf_str(&more) : (struct str){ more.p + 1, more.n - 1 });
		buf_putc(out, '}');
		buf_fini(&more);
		return;
	}
	buf_put(out, wrapper.n > 0 && json_get(v, wrapper, &inner) ? inner : v);
}

static void
content_put(struct blobs *blobs, struct str text, struct str content, const struct others *o,
    struct buf *out)
{
	if (o->blobs + o->links == 0) {
		text_put(text, out);
		return;
	}
	buf_puts(out, "{\"text\":");
	buf_json_str(out, text);
	others_put(blobs, content, false, out);
	if (o->links > 0)
		others_put(blobs, content, true, out);
	buf_putc(out, '}');
}

bool
result_to_value(struct blobs *blobs, struct str wrapper, struct str result_json, struct buf *out)
{
	struct str content = STR("[]"), v;
	struct others o = { 0 };
	struct buf text;
	struct arena a;
	bool failed;

	failed = json_get(result_json, STR("isError"), &v) && json_kind(v) == JSON_TRUE;
	(void)json_get(result_json, STR("content"), &content);
	buf_init(&text, 0);
	arena_init(&a, 2 * content.n + 65536);
	texts_join(content, &a, &text, &o);
	if (failed)
		buf_put(out, text.n > 0 ? buf_str(&text) : STR("the tool reported an error"));
	else if (json_get(result_json, STR("structuredContent"), &v) && json_kind(v) != JSON_NULL)
		structured_put(blobs, wrapper, v, content, &o, out);
	else
		content_put(blobs, buf_str(&text), content, &o, out);
	arena_free(&a);
	buf_fini(&text);
	return !failed;
}
