/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialect_openai - OpenAI's Chat Completions, Responses and Embeddings, and APIs that are like
 * them.
 *
 * A stream of Chat Completions names its usage only when stream_options.include_usage asks for it.
 * A request that does not ask is made to: that is the one byte of a body that changes beside the
 * model's name, and such a client sees one more chunk, without choices, before [DONE].
 *
 * Usage: the prompt's tokens hold the cached ones, the completion's the reasoning.  Some providers
 * leave the reasoning out of the completion but in the total; the larger reading is believed.
 *
 * Responses may refer to what the provider keeps, which may hold tools or somebody else's words
 * that are not in the request: each such member needs a grant like a tool of the provider.
 */
#include "base/json.h"
#include "gateway/dialect.h"

/* ---- what is asked ---- */

/* The larger of two names of one bound: what one provider heeds another ignores. */
static bool
bound_read(struct asked *q, const struct json_field *a, const struct json_field *b, struct err *e)
{
	int64_t first = 0, second = 0;

	if (!asked_number(a->raw, "max_tokens", 0, MAX_TOKENS_MAX, &first, e) ||
	    !asked_number(b->raw, "max_completion_tokens", 0, MAX_TOKENS_MAX, &second, e))
		return false;
	q->max_tokens = first > second ? first : second;
	return true;
}

/* stream_options as it must be for the usage to be told; `options` is its value or .p NULL. */
static bool
usage_ask(struct asked *q, struct str options, struct err *e)
{
	struct json_field f[] = { { .name = STR("include_usage") } };
	struct str body = asked_object(q->body), key, value;
	struct json_iter it;
	bool on, empty;

	if (options.p == NULL) {
		q->edit = (struct edit){ { body.p + 1, 0 },
			STR("\"stream_options\":{\"include_usage\":true},") };
		return true;
	}
	if (json_kind(options) == JSON_NULL) {
		q->edit = (struct edit){ options, STR("{\"include_usage\":true}") };
		return true;
	}
	if (!asked_fields(options, f, COUNT(f), e) ||
	    !asked_bool(f[0].raw, "include_usage", &on, e))
		return false;
	if (f[0].raw.p != NULL && !on)
		q->edit = (struct edit){ f[0].raw, STR("true") };
	if (f[0].raw.p != NULL)
		return true;
	empty = json_open(options, &it) && !json_next(&it, &key, &value);
	q->edit = (struct edit){ { options.p + 1, 0 },
		empty ? STR("\"include_usage\":true") : STR("\"include_usage\":true,") };
	return true;
}

static bool
given(struct str raw)
{
	return raw.p != NULL && json_kind(raw) != JSON_NULL;
}

/* Members that make the provider do something by themselves, and the names that they have in
 * policies. */
struct does {
	struct str raw;
	const char *name;
};

static bool
does_add(struct hosted_reading *r, const struct does *d, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (given(d[i].raw) && json_kind(d[i].raw) != JSON_FALSE &&
		    !hosted_add(r, str_of(d[i].name), e))
			return false;
	return true;
}

/* Members by which providers with this API have another model answer, and a tier that may cost more
 * than the table says. */
static bool
routing_add(struct hosted_reading *r, struct str body, struct err *e)
{
	struct json_field f[] = { { .name = STR("models") }, { .name = STR("route") },
		{ .name = STR("preset") }, { .name = STR("service_tier") } };
	struct str tier;

	if (!asked_fields(body, f, COUNT(f), e) ||
	    !does_add(r,
		(struct does[]){
		    { f[0].raw, "models" }, { f[1].raw, "models" }, { f[2].raw, "preset" } },
		3, e))
		return false;
	tier = f[3].raw;
	return !given(tier) || json_string_is(tier, STR("auto")) ||
	       json_string_is(tier, STR("default")) || json_string_is(tier, STR("flex")) ||
	       hosted_add(r, STR("service_tier"), e);
}

/* search_parameters and plugins are of other providers with this API. */
static bool
chat_peek(struct asked *q, struct err *e)
{
	enum {
		MODEL,
		MAX,
		MAX_NEW,
		N,
		STREAM,
		OPTIONS,
		TOOLS,
		SEARCH,
		SEARCH_2,
		PLUGINS,
		MESSAGES,
		FIELDS
	};
	struct json_field f[FIELDS] = { [MODEL] = { .name = STR("model") },
		[MAX] = { .name = STR("max_tokens") },
		[MAX_NEW] = { .name = STR("max_completion_tokens") },
		[N] = { .name = STR("n") },
		[STREAM] = { .name = STR("stream") },
		[OPTIONS] = { .name = STR("stream_options") },
		[TOOLS] = { .name = STR("tools") },
		[SEARCH] = { .name = STR("web_search_options") },
		[SEARCH_2] = { .name = STR("search_parameters") },
		[PLUGINS] = { .name = STR("plugins") },
		[MESSAGES] = { .name = STR("messages") } };
	struct hosted_reading r;
	bool ok, stream;

	if (!asked_fields(q->body, f, FIELDS, e) || !asked_model(q, f[MODEL].raw, e) ||
	    !bound_read(q, &f[MAX], &f[MAX_NEW], e) ||
	    !asked_number(f[N].raw, "n", 1, CHOICES_MAX, &q->choices, e) ||
	    !asked_bool(f[STREAM].raw, "stream", &stream, e) ||
	    (stream && !usage_ask(q, f[OPTIONS].raw, e)))
		return false;
	hosted_begin(&r, q->arena, &q->hosted);
	ok = hosted_openai_tools(&r, f[TOOLS].raw, e) &&
	     hosted_files(&r, f[MESSAGES].raw, "messages", e) &&
	     does_add(&r,
		 (struct does[]){ { f[SEARCH].raw, "web_search" },
		     { f[SEARCH_2].raw, "search_parameters" }, { f[PLUGINS].raw, "plugins" } },
		 3, e) &&
	     routing_add(&r, q->body, e);
	hosted_end(&r);
	return ok;
}

static bool
responses_peek(struct asked *q, struct err *e)
{
	enum { MODEL, MAX, STREAM, TOOLS, INPUT, PROMPT, PREVIOUS, TALK, BACKGROUND, FIELDS };
	struct json_field f[FIELDS] = { [MODEL] = { .name = STR("model") },
		[MAX] = { .name = STR("max_output_tokens") },
		[STREAM] = { .name = STR("stream") },
		[TOOLS] = { .name = STR("tools") },
		[INPUT] = { .name = STR("input") },
		[PROMPT] = { .name = STR("prompt") },
		[PREVIOUS] = { .name = STR("previous_response_id") },
		[TALK] = { .name = STR("conversation") },
		[BACKGROUND] = { .name = STR("background") } };
	struct hosted_reading r;
	bool ok, stream;

	if (!asked_fields(q->body, f, FIELDS, e) || !asked_model(q, f[MODEL].raw, e) ||
	    !asked_number(f[MAX].raw, "max_output_tokens", 0, MAX_TOKENS_MAX, &q->max_tokens, e) ||
	    !asked_bool(f[STREAM].raw, "stream", &stream, e))
		return false;
	hosted_begin(&r, q->arena, &q->hosted);
	ok = hosted_openai_tools(&r, f[TOOLS].raw, e) && hosted_openai_input(&r, f[INPUT].raw, e) &&
	     does_add(&r,
		 (struct does[]){ { f[PROMPT].raw, "stored_prompt" },
		     { f[PREVIOUS].raw, "stored_response" }, { f[TALK].raw, "stored_conversation" },
		     { f[BACKGROUND].raw, "background" } },
		 4, e) &&
	     routing_add(&r, q->body, e);
	hosted_end(&r);
	return ok;
}

/* Nothing is produced: one token, since none means as many as the model can. */
static bool
embeddings_peek(struct asked *q, struct err *e)
{
	struct json_field f[] = { { .name = STR("model") } };

	q->max_tokens = 1;
	return asked_fields(q->body, f, COUNT(f), e) && asked_model(q, f[0].raw, e);
}

/* ---- what it cost ---- */

static void
details_read(struct str details, int64_t *cached, int64_t *written)
{
	struct json_field f[] = { { .name = STR("cached_tokens") },
		{ .name = STR("cache_write_tokens") } };
	struct err e;

	if (json_kind(details) != JSON_OBJECT || !json_fields(details, f, COUNT(f), &e))
		return;
	tap_tokens(f[0].raw, cached);
	tap_tokens(f[1].raw, written);
}

/* The one object of either API. */
static bool
usage_read(struct tap *t, struct str usage)
{
	struct json_field f[] = { { .name = STR("prompt_tokens") }, { .name = STR("input_tokens") },
		{ .name = STR("completion_tokens") }, { .name = STR("output_tokens") },
		{ .name = STR("total_tokens") }, { .name = STR("prompt_tokens_details") },
		{ .name = STR("input_tokens_details") } };
	int64_t in = 0, out = 0, total = 0, cached = 0, written = 0;
	struct err e;

	if (json_kind(usage) != JSON_OBJECT || !json_fields(usage, f, COUNT(f), &e))
		return false;
	for (size_t i = 0; i < 2; i++) {
		tap_tokens(f[i].raw, &in);
		tap_tokens(f[2 + i].raw, &out);
		details_read(f[5 + i].raw, &cached, &written);
	}
	tap_tokens(f[4].raw, &total);
	if (total - in > out)
		out = total - in;
	cached = cached > in ? in : cached;
	written = written > in - cached ? in - cached : written;
	t->usage = (struct usage){ .input = in - cached - written,
		.output = out,
		.cache_write = written,
		.cache_read = cached,
		.seen = true };
	return true;
}

static void
calls_note(struct tap *t, struct str message)
{
	struct json_iter it;
	struct str calls, key, call, id;

	if (!json_get(message, STR("tool_calls"), &calls) || !json_open(calls, &it))
		return;
	while (json_next(&it, &key, &call))
		if (json_get(call, STR("id"), &id))
			tap_use(t, id);
}

/* choices[].message of a reply, choices[].delta of a chunk. */
static void
choices_read(struct tap *t, struct str choices, struct str member)
{
	struct json_iter it;
	struct str key, choice, message;

	if (json_kind(choices) != JSON_ARRAY || !json_open(choices, &it))
		return;
	while (json_next(&it, &key, &choice)) {
		if (!json_get(choice, member, &message))
			continue;
		if (t->stream)
			tap_delivered(t, (int64_t)message.n - (int64_t)sizeof("{'content':''}"));
		calls_note(t, message);
	}
}

static void
chat_read(struct tap *t, struct str object, struct str member)
{
	struct json_field f[] = { { .name = STR("usage") }, { .name = STR("choices") },
		{ .name = STR("error") } };
	struct err e;

	if (!json_fields(object, f, COUNT(f), &e))
		return;
	if (given(f[2].raw))
		tap_failed(t);
	t->final |= usage_read(t, f[0].raw);
	choices_read(t, f[1].raw, member);
}

static void
chat_reply(struct tap *t, struct str object)
{
	chat_read(t, object, STR("message"));
}

static void
chat_event(struct tap *t, const struct sse_event *ev)
{
	chat_read(t, ev->data, STR("delta"));
}

static void
item_note(struct tap *t, struct str item)
{
	struct str id;

	if (json_get(item, STR("call_id"), &id))
		tap_use(t, id);
}

static void
responses_reply(struct tap *t, struct str object)
{
	struct json_field f[] = { { .name = STR("usage") }, { .name = STR("output") },
		{ .name = STR("error") } };
	struct json_iter it;
	struct str key, item;
	struct err e;

	if (!json_fields(object, f, COUNT(f), &e))
		return;
	if (given(f[2].raw))
		tap_failed(t);
	t->final |= usage_read(t, f[0].raw);
	if (t->stream || f[1].raw.p == NULL || !json_open(f[1].raw, &it))
		return; /* the items of a stream had events of their own */
	while (json_next(&it, &key, &item))
		item_note(t, item);
}

/* response.completed, .incomplete and .failed carry the whole response, and so its usage. */
static void
responses_event(struct tap *t, const struct sse_event *ev)
{
	struct json_field f[] = { { .name = STR("type") }, { .name = STR("response") },
		{ .name = STR("item") }, { .name = STR("delta") } };
	struct err e;

	if (!json_fields(ev->data, f, COUNT(f), &e))
		return;
	if (f[3].raw.p != NULL)
		tap_delivered(t, (int64_t)f[3].raw.n - 2);
	else if (f[2].raw.p != NULL && json_string_is(f[0].raw, STR("response.output_item.done")))
		item_note(t, f[2].raw);
	else if (f[1].raw.p != NULL)
		responses_reply(t, f[1].raw);
}

/* ---- how it looks ---- */

/* 529 is Anthropic's. */
static int
status(enum err_code code)
{
	return code == ERR_OVERLOAD ? 503 : err_http(code);
}

/* Codex asks six times for whatever is 403 or 404, and shows the text of a 400 at once. */
static int
responses_status(enum err_code code)
{
	return code == ERR_DENIED || code == ERR_APPROVAL || code == ERR_NOT_FOUND ? 400
										   : status(code);
}

static void
body_put(const struct err *e, const char *type, const char *code, int64_t resets_s, struct buf *out)
{
	buf_puts(out, "{\"error\":{\"message\":");
	buf_json_str(out, str_of(e->text));
	buf_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"", type, code);
	if (resets_s > 0)
		buf_printf(out, ",\"resets_at\":%lld", (long long)resets_s);
	buf_puts(out, "}}");
}

/* The words that OpenAI's own clients look for; our own where they look for none. */
static const char *
code_word(enum err_code code)
{
	switch (code) {
	case ERR_AUTH:
	case ERR_REVOKED:
		return "invalid_api_key";
	case ERR_BUDGET:
		return "insufficient_quota";
	case ERR_RATE:
		return "rate_limit_exceeded";
	default:
		return err_word(code);
	}
}

static void
refusal(const struct err *e, int64_t now_s, struct buf *out)
{
	(void)now_s;
	body_put(e, err_openai(e->code), code_word(e->code), 0, out);
}

/* Codex stops at an empty budget and tells when it is full again, if that is said in its words. */
static void
responses_refusal(const struct err *e, int64_t now_s, struct buf *out)
{
	if (e->code == ERR_BUDGET)
		body_put(e, "usage_limit_reached", "usage_limit_reached",
		    e->retry_after_s > 0 ? now_s + e->retry_after_s : 0, out);
	else
		refusal(e, now_s, out);
}

static void
model_put(struct buf *out, struct str id)
{
	buf_puts(out, "{\"id\":");
	buf_json_str(out, id);
	buf_puts(out, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"tollgate\"}");
}

/* Not openai-organization and openai-project: which account pays is not the client's to say. */
static const struct str forwarded[] = { STR("user-agent"), STR("accept"), STR("content-type"),
	STR("openai-beta"), STR("originator"), STR("session-id"), STR("thread-id"),
	STR("x-client-request-id"), STR("x-openai-subagent") };
static const struct str forwarded_prefixes[] = { STR("x-stainless-"), STR("x-codex-") };
static const struct str dropped_prefixes[] = { STR("x-ratelimit-"), STR("openai-organization"),
	STR("openai-project") };

#define OPENAI(status_of, refusal_of)                                                              \
	.status = (status_of), .refusal = (refusal_of), .kind = PROVIDER_OPENAI,                   \
	.version = STR("/v1"), .own_version = true, .key_header = STR("authorization"),            \
	.key_prefix = STR("Bearer "), .session = STR("session-id"), .forwarded = forwarded,        \
	.forwarded_n = COUNT(forwarded), .forwarded_prefixes = forwarded_prefixes,                 \
	.forwarded_prefixes_n = COUNT(forwarded_prefixes), .dropped_prefixes = dropped_prefixes,   \
	.dropped_prefixes_n = COUNT(dropped_prefixes),                                             \
	.list_head = STR("{\"object\":\"list\",\"data\":["), .list_tail = STR("]}"),               \
	.model_put = model_put

const struct dialect dialect_openai = { OPENAI(status, refusal), .texts = &texts_openai };
const struct dialect dialect_responses = { OPENAI(responses_status, responses_refusal),
	.texts = &texts_responses, .error_event = STR("event: error\n") };

const struct endpoint openai_chat = { .dialect = &dialect_openai,
	.path = STR("/chat/completions"),
	.peek = chat_peek,
	.reply = chat_reply,
	.event = chat_event };
const struct endpoint openai_responses = { .dialect = &dialect_responses,
	.path = STR("/responses"),
	.peek = responses_peek,
	.reply = responses_reply,
	.event = responses_event };
const struct endpoint openai_embeddings = { .dialect = &dialect_openai,
	.path = STR("/embeddings"),
	.peek = embeddings_peek,
	.reply = chat_reply,
	.event = chat_event };
