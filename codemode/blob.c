/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob - what a run keeps of its tools' answers; the contract, the wire and the limits are in
 * blob.h.
 *
 * A blob is one copy: of the content block, with its bytes as a span inside, or of the value.  What
 * a server says of it (type, URI, name) is hostile: the type is reduced to the characters of one,
 * all else goes to the script as the JSON it was.
 */
#include "codemode/blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/json.h"
#include "codemode/output.h"

#define NUL_RAW STR("\"\\u0000") /* how a string begins that begins with NUL */

void
blobs_init(struct blobs *s)
{
	*s = (struct blobs){ 0 };
	crypto_random(&s->tag, sizeof(s->tag));
}

void
blobs_fini(struct blobs *s)
{
	for (size_t i = 0; s->b != NULL && i < s->n && i < BLOBS_MAX; i++)
		free(s->b[i].memory);
	MEM_FREE(&s->b);
}

/* ---- keeping ---- */

static void
type_copy(char to[BLOB_TYPE_BYTES], struct str type)
{
	size_t n = 0;

	for (size_t i = 0; i < type.n && n < BLOB_TYPE_BYTES - 1; i++) {
		char c = type.p[i], low = (char)(c | 0x20);

		if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || str_has(STR("+.-/"), c))
			to[n++] = c;
	}
	to[n] = '\0';
}

/* Bytes behind a base64 string. */
static size_t
base64_bytes(struct str raw)
{
	size_t n = raw.n >= 2 ? (raw.n - 2) / 4 * 3 : 0;

	for (size_t i = raw.n >= 4 ? raw.n - 3 : raw.n; n > 0 && i < raw.n - 1; i++)
		n -= raw.p[i] == '=';
	return n;
}

/* The span of `part` of `whole`, in the copy of it. */
static struct str
moved(struct str part, struct str whole, const char *copy)
{
	return (struct str){ copy + (part.p - whole.p), part.n };
}

/* Takes the next number.  NULL: there is no place for more. */
static struct blob *
blob_new(struct blobs *s, struct str whole, struct str value, bool block)
{
	struct blob *b;

	if (s->b == NULL)
		s->b = mem_zalloc(BLOBS_MAX * sizeof(*s->b));
	if (s->n++ >= BLOBS_MAX)
		return NULL;
	b = &s->b[s->n - 1];
	if (whole.n > BLOB_BYTES_MAX - s->bytes)
		return b;
	s->bytes += whole.n;
	b->memory = mem_alloc(whole.n);
	memcpy(b->memory, whole.p, whole.n);
	b->value = moved(value, whole, b->memory);
	if (block)
		b->block = (struct str){ b->memory, whole.n };
	return b;
}

static void
size_put(struct buf *out, size_t bytes)
{
	if (bytes < 1024)
		buf_printf(out, "%zu B", bytes);
	else if (bytes < (size_t)1 << 20)
		buf_printf(out, "%zu KB", (bytes + 512) >> 10);
	else
		buf_printf(out, "%zu.%zu MB", bytes >> 20, (bytes % (1 << 20)) * 10 >> 20);
}

static void
label_put(struct buf *out, const char *type, size_t bytes, size_t number)
{
	buf_printf(out, "<%s ", type);
	size_put(out, bytes);
	buf_printf(out, " #%zu>", number);
}

/* The members that every handle has; the object stays open. */
static void
handle_put(struct blobs *s, const char *type, size_t bytes, struct buf *out)
{
	buf_puts(out, "#{\"label\":\"");
	label_put(out, type, bytes, s->n);
	buf_printf(out, "\",\"type\":\"%s\",\"bytes\":%zu,\"ref\":\"%zu.%08x\"", type, bytes, s->n,
	    s->tag);
}

static void
member_put(struct buf *out, const char *name, struct str from)
{
	struct str v;

	if (json_get(from, str_of(name), &v) && json_kind(v) == JSON_STRING) {
		buf_printf(out, ",\"%s\":", name);
		buf_put(out, v);
	}
}

static bool
type_is(struct str block, const char *type)
{
	struct str v;

	return json_get(block, STR("type"), &v) && json_string_is(v, str_of(type));
}

/* The bytes of a block, raw; and the object that describes them. */
static bool
bytes_of(struct str block, struct str *bytes, struct str *about, bool *text)
{
	*about = block;
	*text = false;
	if (type_is(block, "resource")) {
		if (!json_get(block, STR("resource"), about))
			return false;
		*text = json_get(*about, STR("text"), bytes) && json_kind(*bytes) == JSON_STRING;
		return *text ||
		       (json_get(*about, STR("blob"), bytes) && json_kind(*bytes) == JSON_STRING);
	}
	return (type_is(block, "image") || type_is(block, "audio")) &&
	       json_get(block, STR("data"), bytes) && json_kind(*bytes) == JSON_STRING;
}

bool
blob_is(struct str block_raw)
{
	struct str bytes, about;
	bool text;

	return bytes_of(block_raw, &bytes, &about, &text);
}

void
blob_put_block(struct blobs *s, struct str block_raw, struct buf *out)
{
	struct str bytes, about, mime;
	char type[BLOB_TYPE_BYTES] = "";
	struct blob *b;
	bool text;
	size_t n;

	if (!bytes_of(block_raw, &bytes, &about, &text)) {
		buf_puts(out, "null");
		return;
	}
	if (json_get(about, STR("mimeType"), &mime) && json_kind(mime) == JSON_STRING)
		type_copy(type, mime);
	if (type[0] == '\0')
		(void)str_copy(type, sizeof(type), text ? STR("text/plain") : STR("data"));
	n = text ? bytes.n - 2 : base64_bytes(bytes);
	b = blob_new(s, block_raw, bytes, true);
	if (b != NULL) {
		memcpy(b->type, type, sizeof(type));
		b->bytes = n;
	}
	handle_put(s, type, n, out);
	member_put(out, "uri", about);
	member_put(out, "name", about);
	if (text)
		member_put(out, "text", about);
	buf_putc(out, '}');
}

void
blob_put_value(struct blobs *s, struct str value_json, struct buf *out)
{
	bool text = json_kind(value_json) == JSON_STRING;
	const char *type = text ? "text/plain" : "application/json";
	size_t n = text ? value_json.n - 2 : value_json.n;
	struct blob *b = blob_new(s, value_json, value_json, false);
	struct buf shape;

	if (b != NULL) {
		(void)str_copy(b->type, sizeof(b->type), str_of(type));
		b->bytes = n;
	}
	handle_put(s, type, n, out);
	buf_init(&shape, 0);
	output_shape(value_json, &shape);
	buf_puts(out, ",\"shape\":");
	buf_json_str(out, buf_str(&shape));
	buf_putc(out, '}');
	buf_fini(&shape);
}

/* ---- handles that come back ---- */

enum blob_string
blob_string(struct str raw)
{
	if (!str_starts(raw, NUL_RAW))
		return BLOB_NO;
	return raw.n > NUL_RAW.n + 1 && raw.p[NUL_RAW.n] == '#' ? BLOB_HANDLE : BLOB_ESCAPED;
}

/* "NUMBER.TAG" */
static bool
ref_read(const struct blobs *s, struct str raw, size_t *number)
{
	struct str tag = { raw.p + NUL_RAW.n + 1, raw.n - NUL_RAW.n - 2 };
	struct str digits = str_cut(&tag, '.');
	char mine[16];
	int64_t v;

	(void)snprintf(mine, sizeof(mine), "%08x", s->tag);
	if (!str_i64(digits, &v) || v < 1 || (uint64_t)v > s->n || tag.p == NULL ||
	    !str_eq(tag, str_of(mine)))
		return false;
	*number = (size_t)v;
	return true;
}

struct blob *
blob_find(struct blobs *s, struct str raw, struct buf *why)
{
	size_t number;

	if (!ref_read(s, raw, &number)) {
		buf_puts(why, "a handle is of another run: call the tool again");
		return NULL;
	}
	if (number <= BLOBS_MAX && s->b[number - 1].memory != NULL)
		return &s->b[number - 1];
	buf_printf(why, "blob #%zu was not kept: one run keeps %d blobs of %zu bytes together",
	    number, BLOBS_MAX, BLOB_BYTES_MAX);
	return NULL;
}

bool
blob_show(struct blobs *s, struct blob *b, struct buf *why)
{
	if (b->shown)
		return true;
	if (s->shown == BLOBS_SHOWN_MAX || b->block.n > BLOBS_SHOWN_BYTES_MAX - s->shown_bytes) {
		buf_printf(why, "one script shows %d blocks of %zu bytes together", BLOBS_SHOWN_MAX,
		    BLOBS_SHOWN_BYTES_MAX);
		return false;
	}
	s->shown++;
	s->shown_bytes += b->block.n;
	b->shown = true;
	return true;
}

/* ---- what is returned ---- */

/* The name of a handle, as a JSON string; shows it when there is room. */
static void
name_put(struct blobs *s, struct str raw, struct buf *out)
{
	struct buf why, label;
	struct blob *b;

	buf_init(&why, 0);
	buf_init(&label, 0);
	b = blob_find(s, raw, &why);
	if (b != NULL) {
		label_put(&label, b->type, b->bytes, (size_t)(b - s->b) + 1);
		if (!blob_show(s, b, &why))
			buf_puts(&label, " (not shown: ");
	} else {
		buf_puts(&label, "<a blob that is gone> (");
	}
	if (why.n > 0) {
		buf_put(&label, buf_str(&why));
		buf_putc(&label, ')');
	}
	buf_json_str(out, buf_str(&label));
	buf_fini(&label);
	buf_fini(&why);
}

/* Past the closing quote of the string of checked JSON that begins at p. */
static const char *
string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

struct str
blobs_name(struct blobs *s, struct str value_json, struct buf *out)
{
	const char *p = value_json.p, *end = p + value_json.n, *copied = p;

	if (memmem(p, value_json.n, NUL_RAW.p, NUL_RAW.n) == NULL)
		return value_json;
	while ((p = memchr(p, '"', (size_t)(end - p))) != NULL) {
		const char *after = string_end(p, end);
		struct str raw = STR_SPAN(p, after);
		enum blob_string is = blob_string(raw);

		p = after;
		if (is == BLOB_NO ||
		    (after < end && *after == ':')) /* the worker writes no spaces */
			continue;
		buf_put(out, STR_SPAN(copied, raw.p));
		if (is == BLOB_HANDLE)
			name_put(s, raw, out);
		else
			buf_putc(out, '"');
		copied = is == BLOB_HANDLE ? after : raw.p + BLOB_ESCAPE_BYTES;
	}
	buf_put(out, STR_SPAN(copied, end));
	return buf_str(out);
}

void
blobs_put_shown(const struct blobs *s, size_t text_bytes, struct buf *out)
{
	for (size_t i = 0; s->b != NULL && i < s->n && i < BLOBS_MAX; i++) {
		const struct blob *b = &s->b[i];
		struct buf text;

		if (!b->shown)
			continue;
		buf_putc(out, ',');
		if (b->block.n > 0) {
			buf_put(out, b->block);
			continue;
		}
		buf_init(&text, 0);
		output_value(b->value, text_bytes, false, &text);
		buf_puts(out, "{\"type\":\"text\",\"text\":");
		buf_json_str(out, buf_str(&text));
		buf_putc(out, '}');
		buf_fini(&text);
	}
}
