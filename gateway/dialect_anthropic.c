/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialect_anthropic - Anthropic's Messages API.
 *
 * Usage.  JSON: `usage` of the one object.  SSE: message_start carries the input side,
 * message_delta the cumulative output; every other event is only counted, so that a stream that is
 * cut in the middle can be charged for what was delivered.
 */
#include "base/json.h"
#include "gateway/dialect.h"

#define DELTA_OVERHEAD 90 /* bytes of a content_block_delta around its text */

/* ---- what is asked ---- */

static bool
messages_peek(struct asked *q, struct err *e)
{
	struct json_field f[] = { { .name = STR("model") }, { .name = STR("max_tokens") },
		{ .name = STR("tools") }, { .name = STR("mcp_servers") },
		{ .name = STR("messages") } };

	if (!asked_fields(q->body, f, COUNT(f), e) || !asked_model(q, f[0].raw, e))
		return false;
	if (f[1].raw.p != NULL && (!json_i64(f[1].raw, &q->max_tokens) || q->max_tokens < 0 ||
				      q->max_tokens > MAX_TOKENS_MAX))
		return err_set(e, ERR_INVALID, "\"max_tokens\" is not a whole number in range");
	q->tools = f[2].raw;
	q->messages = f[4].raw;
	return hosted_read(q->arena, f[2].raw, f[3].raw, f[4].raw, &q->hosted, e);
}

/* ---- what it cost ---- */

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
	tap_tokens(f[0].raw, &t->usage.input);
	tap_tokens(f[1].raw, &t->usage.output);
	tap_tokens(f[2].raw, &t->usage.cache_write);
	tap_tokens(f[3].raw, &t->usage.cache_read);
}

/* A content block: remembers the id of a tool_use, which the tool's own call will name. */
static void
use_note(struct tap *t, struct str block)
{
	struct str type, id;

	if (json_get(block, STR("type"), &type) && json_string_is(type, STR("tool_use")) &&
	    json_get(block, STR("id"), &id))
		tap_use(t, id);
}

static void
messages_event(struct tap *t, const struct sse_event *ev)
{
	struct json_field message = { .name = STR("message") }, usage = { .name = STR("usage") };
	struct err e;

	if (str_eq(ev->event, STR("content_block_delta"))) {
		tap_delivered(t, (int64_t)ev->data.n - DELTA_OVERHEAD);
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
}

static void
messages_reply(struct tap *t, struct str reply)
{
	struct json_field f[] = { { .name = STR("usage") }, { .name = STR("content") } };
	struct json_iter it;
	struct str key, block;
	struct err e;

	if (!json_fields(reply, f, COUNT(f), &e))
		return;
	usage_read(t, f[0].raw);
	if (f[1].raw.p != NULL && json_check(f[1].raw, false, &e) && json_open(f[1].raw, &it))
		while (json_next(&it, &key, &block))
			use_note(t, block);
}

/* ---- how it looks ---- */

static void
refusal(const struct err *e, int64_t now_s, struct buf *out)
{
	(void)now_s;
	buf_printf(out,
	    "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", err_anthropic(e->code));
	buf_json_str(out, str_of(e->text));
	buf_puts(out, "}}");
}

static void
model_put(struct buf *out, struct str id)
{
	buf_puts(out, "{\"type\":\"model\",\"id\":");
	buf_json_str(out, id);
	buf_puts(out, ",\"display_name\":");
	buf_json_str(out, id);
	buf_puts(out, ",\"created_at\":\"1970-01-01T00:00:00Z\"}");
}

static const struct str forwarded[] = { STR("user-agent"), STR("accept"), STR("content-type"),
	STR("x-app") };
static const struct str forwarded_prefixes[] = { STR("anthropic-"), STR("x-stainless-"),
	STR("x-claude-code-") };
static const struct str dropped_prefixes[] = { STR("anthropic-ratelimit-") };

const struct dialect dialect_anthropic = {
	.refusal = refusal,
	.error_event = STR("event: error\n"),
	.kind = PROVIDER_ANTHROPIC,
	.version = STR("/v1"),
	.key_header = STR("x-api-key"),
	.key_prefix = STR(""),
	.session = STR("x-claude-code-session-id"),
	.forwarded = forwarded,
	.forwarded_n = COUNT(forwarded),
	.forwarded_prefixes = forwarded_prefixes,
	.forwarded_prefixes_n = COUNT(forwarded_prefixes),
	.dropped_prefixes = dropped_prefixes,
	.dropped_prefixes_n = COUNT(dropped_prefixes),
	.list_head = STR("{\"data\":["),
	.list_tail = STR("],\"has_more\":false,\"first_id\":null,\"last_id\":null}"),
	.model_put = model_put,
	.texts = &texts_anthropic,
};
const struct endpoint anthropic_messages = { .dialect = &dialect_anthropic,
	.path = STR("/messages"),
	.peek = messages_peek,
	.reply = messages_reply,
	.event = messages_event };
const struct endpoint anthropic_count_tokens = { .dialect = &dialect_anthropic,
	.path = STR("/messages/count_tokens"),
	.free_of_charge = true,
	.peek = messages_peek,
	.reply = messages_reply,
	.event = messages_event };
