/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap - what did this reply cost?
 *
 * JSON: `usage` of the one object.  SSE: message_start carries the input side, message_delta the
 * cumulative output; every other event is only counted, so that a stream that is cut in the middle
 * can be charged for what was delivered (about four bytes a token, at least one an event).
 *
 * The provider is not trusted: a document that does not scan simply reports nothing.
 */
#include "gateway/tap.h"

#include "base/json.h"

#define JSON_BYTES_MAX  ((size_t)8 << 20) /* of a reply whose usage is read */
#define EVENT_BYTES_MAX ((size_t)4 << 20)
#define DELTA_OVERHEAD  90 /* bytes of a content_block_delta around its text */
#define TOKENS_MAX      1000000000
#define USES_BYTES      1024
#define ID_BYTES        100

void
tap_init(struct tap *t, bool stream, int64_t length_bytes)
{
	*t = (struct tap){ .stream = stream, .length_bytes = length_bytes };
	if (stream)
		sse_init(&t->sse, EVENT_BYTES_MAX);
	buf_init(&t->json, JSON_BYTES_MAX);
	buf_init(&t->uses, USES_BYTES);
}

void
tap_fini(struct tap *t)
{
	if (t->stream)
		sse_fini(&t->sse);
	buf_fini(&t->json);
	buf_fini(&t->uses);
}

static void
tokens_read(struct str raw, int64_t *out)
{
	int64_t n;

	if (raw.p != NULL && json_i64(raw, &n) && n >= 0 && n <= TOKENS_MAX)
		*out = n;
}

static void
usage_read(struct tap *t, struct str usage)
{
	struct json_field f[] = { { .name = STR("input_tokens") }, { .name = STR("output_tokens") },
		{ .name = STR("cache_creation_input_tokens") },
		{ .name = STR("cache_read_input_tokens") } };
	struct err e;

	if (json_kind(usage) != JSON_OBJECT || !json_fields(usage, f, COUNT(f), &e))
		return;
	t->usage.seen = true;
	tokens_read(f[0].raw, &t->usage.input);
	tokens_read(f[1].raw, &t->usage.output);
	tokens_read(f[2].raw, &t->usage.cache_write);
	tokens_read(f[3].raw, &t->usage.cache_read);
}

/* A content block: remembers the id of a tool_use, which the tool's own call will name. */
static void
use_note(struct tap *t, struct str block)
{
	struct str type, id;

	if (!json_get(block, STR("type"), &type) || !json_string_is(type, STR("tool_use")) ||
	    !json_get(block, STR("id"), &id) || json_kind(id) != JSON_STRING || id.n < 3 ||
	    id.n > ID_BYTES || str_has(id, '\\') || str_has(id, ' '))
		return;
	if (t->uses.n > 0)
		buf_putc(&t->uses, ' ');
	buf_put(&t->uses, (struct str){ id.p + 1, id.n - 2 });
}

static bool
on_event(void *ctx, const struct sse_event *ev)
{
	struct tap *t = ctx;
	struct json_field message = { .name = STR("message") }, usage = { .name = STR("usage") };
	struct err e;

	if (str_eq(ev->event, STR("content_block_delta"))) {
		int64_t text = (int64_t)ev->data.n - DELTA_OVERHEAD;

		t->delivered += text < 4 ? 1 : text / 4;
	} else if (str_eq(ev->event, STR("content_block_start"))) {
		struct json_field block = { .name = STR("content_block") };

		if (json_fields(ev->data, &block, 1, &e) && block.raw.p != NULL &&
		    json_check(block.raw, false, &e))
			use_note(t, block.raw);
	} else if (str_eq(ev->event, STR("message_start"))) {
		if (json_fields(ev->data, &message, 1, &e) && message.raw.p != NULL &&
		    json_fields(message.raw, &usage, 1, &e))
			usage_read(t, usage.raw);
	} else if (str_eq(ev->event, STR("message_delta"))) {
		if (json_fields(ev->data, &usage, 1, &e) && usage.raw.p != NULL) {
			usage_read(t, usage.raw);
			t->final = true;
		}
	}
	return true;
}

/* A whole JSON reply. */
static void
reply_read(struct tap *t, struct str reply)
{
	struct json_field f[] = { { .name = STR("usage") }, { .name = STR("content") } };
	struct json_iter it;
	struct str key, block;
	struct err e;

	if (reply.n == 0 || !json_fields(reply, f, COUNT(f), &e))
		return;
	usage_read(t, f[0].raw);
	if (f[1].raw.p != NULL && json_check(f[1].raw, false, &e) && json_open(f[1].raw, &it))
		while (json_next(&it, &key, &block))
			use_note(t, block);
}

void
tap_feed(struct tap *t, struct str bytes)
{
	struct err e;

	if (!t->stream && t->json.n == 0 && (int64_t)bytes.n == t->length_bytes)
		reply_read(t, bytes);
	else if (!t->stream)
		buf_put(&t->json, bytes);
	else if (!sse_feed(&t->sse, bytes, on_event, t, &e))
		t->sse.line.failed = true; /* too long a line: nothing more is read from it */
}

void
tap_usage(struct tap *t, struct usage *out, bool *estimated)
{
	*estimated = false;
	if (!t->stream) {
		if (buf_ok(&t->json))
			reply_read(t, buf_str(&t->json));
	} else if (!t->final && t->delivered > t->usage.output) {
		t->usage.output = t->delivered;
		*estimated = true;
	}
	*out = t->usage;
}
