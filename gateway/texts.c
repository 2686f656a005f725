/* SPDX-License-Identifier: Apache-2.0 */
/*
 * texts - where the words are in what models are sent: a table for each dialect, and the walk.
 *
 * A row that depends on a `type` holds only where that is the one type that the object names: a
 * second one could be what the provider believes.  Thinking is signed as it was written, and what
 * it is signed with must come back letter by letter.  A tool's definition is the client's program:
 * a pattern or an address in its example is nobody's.
 */
#include "gateway/texts.h"

#include <stdio.h>
#include <string.h>

#define MEDIA_HEAD  128 /* bytes in which a data: URL says that it is base64 */
#define PLACE_BYTES 40

#define NONE(...)                                                                                  \
	{                                                                                          \
		.is = TEXT_NONE, __VA_ARGS__                                                       \
	}
#define MEDIA(...)                                                                                 \
	{                                                                                          \
		.is = TEXT_MEDIA, __VA_ARGS__                                                      \
	}
#define FILED(...)                                                                                 \
	{                                                                                          \
		.is = TEXT_FILE, __VA_ARGS__                                                       \
	}
#define VALUE(...)                                                                                 \
	{                                                                                          \
		.is = TEXT_VALUE, __VA_ARGS__                                                      \
	}
#define NAMED(...)                                                                                 \
	{                                                                                          \
		.is = TEXT_NAMED, __VA_ARGS__                                                      \
	}
#define NAME(s) .name = STR(s)
#define IN(s)   .in = STR(s)
#define TYPE(s) .type = STR(s)

// clang-format off
static const struct text_row anthropic[] = {
	/* settings and definitions */
	NONE(NAME("model")), NONE(NAME("tools")), NONE(NAME("mcp_servers")), NONE(NAME("container")),
	NONE(NAME("schema")), NONE(NAME("type")),
	/* ids */
	NONE(NAME("id")), NONE(NAME("tool_use_id")), NONE(NAME("tool_id")), NONE(NAME("file_id")),
	NONE(NAME("container_id")),
	/* what is signed or sealed; at the top `thinking` is a setting */
	NONE(NAME("thinking")), NONE(NAME("signature")), NONE(NAME("encrypted_content")),
	NONE(NAME("encrypted_index")), NONE(NAME("encrypted_stdout")),
	NONE(NAME("data"), TYPE("redacted_thinking")),
	/* pictures and documents; { type: text, data } is a document in plain words */
	FILED(NAME("data"), IN("source"), TYPE("base64")),
	/* what a tool is told */
	VALUE(NAME("input")),
};

static const struct text_row openai[] = {
	NONE(NAME("model")), NONE(NAME("models")), NONE(NAME("tools")), NONE(NAME("functions")),
	NONE(NAME("schema")), NONE(NAME("type")),
	NONE(NAME("id")), NONE(NAME("tool_call_id")), NONE(NAME("file_id")),
	NONE(NAME("prompt_cache_key")),
	/* of compatible APIs that hand on what other vendors have signed */
	NONE(NAME("signature")), NONE(NAME("thought_signature")), NONE(NAME("encrypted_content")),
	NONE(NAME("data"), TYPE("reasoning.encrypted")), NONE(NAME("text"), TYPE("reasoning.text")),
	NONE(NAME("data"), IN("input_audio")), FILED(NAME("file_data")),
	MEDIA(NAME("url")), MEDIA(NAME("image_url")),
	/* OpenAI's is JSON in a string, that of others an object */
	VALUE(NAME("arguments")),
	NAMED(NAME("metadata")),
};

static const struct text_row responses[] = {
	/* definitions stand in items too (tool_search_output, mcp_list_tools) */
	NONE(NAME("model")), NONE(NAME("models")), NONE(NAME("tools")),
	NONE(NAME("schema")), NONE(NAME("type")),
	NONE(NAME("id")), NONE(NAME("call_id")), NONE(NAME("file_id")), NONE(NAME("container_id")),
	NONE(NAME("approval_request_id")), NONE(NAME("previous_response_id")),
	NONE(NAME("conversation")), NONE(NAME("prompt_cache_key")),
	NONE(NAME("encrypted_content")), NONE(NAME("signature")),
	FILED(NAME("file_data")), NONE(NAME("data"), IN("input_audio")),
	NONE(NAME("result"), TYPE("image_generation_call")),
	MEDIA(NAME("image_url")), MEDIA(NAME("url")),
	VALUE(NAME("arguments")),
	/* of a prompt, a request, a found file, a shell */
	NAMED(NAME("variables")), NAMED(NAME("metadata")), NAMED(NAME("attributes")),
	NAMED(NAME("env")),
};

/* Protocol buffers in JSON have two spellings of every member. */
static const struct text_row genai[] = {
	NONE(NAME("model")), NONE(NAME("tools")),
	NONE(NAME("toolConfig")), NONE(NAME("tool_config")),
	NONE(NAME("generationConfig")), NONE(NAME("generation_config")),
	NONE(NAME("cachedContent")), NONE(NAME("cached_content")),
	NONE(NAME("id")),
	NONE(NAME("thoughtSignature")), NONE(NAME("thought_signature")),
	FILED(NAME("data"), IN("inlineData")), FILED(NAME("data"), IN("inline_data")),
	VALUE(NAME("args")), VALUE(NAME("response")),
	NAMED(NAME("labels")),
};
// clang-format on

const struct text_table texts_anthropic = { anthropic, COUNT(anthropic) };
const struct text_table texts_openai = { openai, COUNT(openai) };
const struct text_table texts_responses = { responses, COUNT(responses) };
const struct text_table texts_genai = { genai, COUNT(genai) };

/* ---- rows ---- */

struct object {
	struct str raw, in; /* in: the member that it is, with quotes */
	struct str type;    /* the value of the one that it has; p NULL: of none, or of several */
	bool looked;        /* for the type: once, however many members want to know */
};

static struct str
type_of(struct object *o)
{
	struct json_iter it;
	struct str key, value;
	size_t n = 0;

	if (o->looked)
		return o->type;
	o->looked = true;
	(void)json_open(o->raw, &it);
	while (n < 2 && json_next(&it, &key, &value))
		if (json_key_is(key, STR("type")))
			o->type = n++ == 0 ? value : STR_NONE;
	return o->type;
}

static const struct text_row *
row_of(const struct text_table *of, struct object *o, struct str key)
{
	for (size_t i = 0; i < of->n; i++) {
		const struct text_row *r = &of->row[i];

		if (json_key_is(key, r->name) && (r->in.n == 0 || json_key_is(o->in, r->in)) &&
		    (r->type.n == 0 || (type_of(o).p != NULL && json_string_is(o->type, r->type))))
			return r;
	}
	return NULL;
}

static bool
is_media(struct str raw)
{
	const struct str head = { raw.p, raw.n < MEDIA_HEAD ? raw.n : MEDIA_HEAD };

	return str_starts(raw, STR("\"data:")) && memmem(head.p, head.n, ";base64,", 8) != NULL;
}

/* ---- files ---- */

/* Of a media type as it stands in JSON: is what it names text that can be rewritten? */
static bool
type_is_text(struct str raw)
{
	static const struct str words[] = { STR("json"), STR("xml"), STR("yaml"), STR("x-yaml"),
		STR("javascript"), STR("toml"), STR("x-ndjson"), STR("sql") };
	char plain[MEDIA_HEAD];
	struct str kind, s = { plain, 0 };

	for (size_t i = 0; i < raw.n && s.n < sizeof(plain); i++)
		if (raw.p[i] != '\\' && raw.p[i] != '"')
			plain[s.n++] =
			    (char)(raw.p[i] >= 'A' && raw.p[i] <= 'Z' ? raw.p[i] | 0x20 : raw.p[i]);
	s = str_trim(str_cut(&s, ';'));
	kind = str_cut(&s, '/');
	if (s.p == NULL)
		return kind.n == 0; /* a data: URL that says nothing is text/plain (RFC 2397) */
	return str_eq(kind, STR("text")) || str_in(s, words, COUNT(words)) ||
	       str_ends(s, STR("+json")) || str_ends(s, STR("+xml"));
}

/* A file says what it is in front of it, or beside it; of two types the one that is text counts. */
static bool
is_text_file(const struct object *o, struct str value)
{
	static const struct str beside[] = { STR("media_type"), STR("mimeType"), STR("mime_type") };
	struct json_iter it;
	struct str key, type;
	bool is = false;

	if (json_kind(value) != JSON_STRING)
		return false;
	if (is_media(value))
		return type_is_text((struct str){ value.p + 6, value.n - 6 });
	(void)json_open(o->raw, &it);
	while (!is && json_next(&it, &key, &type))
		for (size_t i = 0; !is && i < COUNT(beside); i++)
			is = json_key_is(key, beside[i]) && json_kind(type) == JSON_STRING &&
			     type_is_text(type);
	return is;
}

/* ---- the walk ---- */

struct walk {
	const struct text_table *of;
	text_f *fn;
	void *ctx;
	struct text at;
};

static void value_walk(struct walk *w, struct str value, struct str in, size_t depth);

static void
tell(struct walk *w, struct str value, bool tools)
{
	w->at.value = value;
	w->at.tools = tools;
	w->fn(w->ctx, &w->at);
}

/* Like any, but for what its members are called. */
static void
named_walk(struct walk *w, struct str value, size_t depth)
{
	struct json_iter it;
	struct str key, member;

	(void)json_open(value, &it);
	while (json_next(&it, &key, &member))
		value_walk(w, member, key, depth + 1);
}

/* Is it to be walked like what no row names? */
static bool
is_open(const struct text_row *row, struct str value)
{
	return row == NULL || (row->is == TEXT_NAMED && json_kind(value) != JSON_OBJECT) ||
	       (row->is == TEXT_MEDIA && !(json_kind(value) == JSON_STRING && is_media(value)));
}

static void
member_walk(struct walk *w, struct object *o, struct str key, struct str value, size_t depth)
{
	const struct text_row *row = row_of(w->of, o, key);

	if (is_open(row, value)) {
		value_walk(w, value, key, depth);
	} else if (row->is == TEXT_NAMED) {
		named_walk(w, value, depth);
	} else if (row->is == TEXT_VALUE) {
		tell(w, value, true);
	} else if (row->is != TEXT_NONE && is_text_file(o, value)) {
		w->at.coded = true;
		tell(w, value, false);
		w->at.coded = false;
	}
}

static void
object_walk(struct walk *w, struct str raw, struct str in, size_t depth)
{
	struct object o = { .raw = raw, .in = in };
	struct json_iter it;
	struct str key, value;

	(void)json_open(raw, &it);
	while (json_next(&it, &key, &value)) {
		if (depth == 0)
			w->at.top = key;
		member_walk(w, &o, key, value, depth + 1);
	}
}

/* No deeper than JSON_DEPTH_MAX: the whole was checked.  An item of a list is what the list is. */
static void
value_walk(struct walk *w, struct str value, struct str in, size_t depth)
{
	struct json_iter it;
	struct str key, item;

	switch (json_kind(value)) {
	case JSON_STRING:
		tell(w, value, false);
		break;
	case JSON_OBJECT:
		object_walk(w, value, in, depth);
		break;
	case JSON_ARRAY:
		(void)json_open(value, &it);
		for (size_t i = 0; json_next(&it, &key, &item); i++) {
			if (depth == 1)
				w->at.item = i;
			value_walk(w, item, in, depth + 1);
		}
		if (depth == 1)
			w->at.item = SIZE_MAX;
		break;
	default:
		break;
	}
}

void
texts_each(const struct text_table *of, struct str doc, text_f *fn, void *ctx)
{
	struct walk w = {
		.of = of, .fn = fn, .ctx = ctx, .at = { .top = STR(""), .item = SIZE_MAX }
	};

	value_walk(&w, doc, STR(""), 0);
}

/* ---- telling ---- */

/* Letters only: no number, key or address is spelled so. */
static bool
plain_word(struct str key_raw)
{
	for (size_t i = 1; i + 1 < key_raw.n; i++)
		if (((key_raw.p[i] | 0x20) < 'a' || (key_raw.p[i] | 0x20) > 'z') &&
		    key_raw.p[i] != '_')
			return false;
	return key_raw.n > 2 && key_raw.n <= PLACE_BYTES;
}

void
text_place(const struct text *t, char *out, size_t cap)
{
	struct str name = plain_word(t->top) ? (struct str){ t->top.p + 1, t->top.n - 2 } : STR("");

	out[0] = '\0';
	if (name.n > 0 && t->item != SIZE_MAX)
		(void)snprintf(out, cap, STR_FMT "[%zu]", STR_ARG(name), t->item);
	else if (name.n > 0)
		(void)snprintf(out, cap, STR_FMT, STR_ARG(name));
}
