/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialect_genai - Google's Gemini API.
 *
 * The model stands in the path.  A body that names one too must mean the same one.  Protocol
 * buffers in JSON have two spellings of every member (maxOutputTokens, max_output_tokens) and take
 * "9" for 9; a member in both spellings is refused.  countTokens may wrap a whole request.
 *
 * Usage: every piece of a stream has usageMetadata, the last one wins.  The prompt's tokens hold
 * the cached ones; thoughts are beside the candidates'.
 */
#include "base/json.h"
#include "gateway/gateway.h"

#define MODELS     "/genai/v1beta/models/"
#define MODELS_DIR "models/"

/* ---- what is asked ---- */

/* A member in either spelling: f[0] and f[1] are the two of them. */
static bool
either(const struct json_field *f, struct str *out, struct err *e)
{
	if (f[0].raw.p != NULL && f[1].raw.p != NULL)
		return err_set(e, ERR_INVALID, "\"" STR_FMT "\" is there in two spellings",
		    STR_ARG(f[0].name));
	*out = f[0].raw.p != NULL ? f[0].raw : f[1].raw;
	return true;
}

/* A number, or one in quotes. */
static bool
number(struct str raw, const char *name, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	if (json_kind(raw) == JSON_STRING)
		raw = (struct str){ raw.p + 1, raw.n - 2 };
	return asked_number(raw, name, min, max, out, e);
}

static bool
config_read(struct asked *q, struct str config, struct err *e)
{
	struct json_field f[] = { { .name = STR("maxOutputTokens") },
		{ .name = STR("max_output_tokens") }, { .name = STR("candidateCount") },
		{ .name = STR("candidate_count") } };
	struct str most = STR_NONE, choices = STR_NONE;

	if (config.p == NULL || json_kind(config) == JSON_NULL)
		return true;
	return asked_fields(config, f, COUNT(f), e) && either(&f[0], &most, e) &&
	       either(&f[2], &choices, e) &&
	       number(most, "maxOutputTokens", 0, MAX_TOKENS_MAX, &q->max_tokens, e) &&
	       number(choices, "candidateCount", 1, CHOICES_MAX, &q->choices, e);
}

/* What the body calls the model, if it does. */
static bool
model_read(struct asked *q, struct str raw, struct err *e)
{
	struct str name, bare;

	if (raw.p == NULL || json_kind(raw) == JSON_NULL)
		return true;
	if (q->model_raw.p != NULL)
		return err_set(e, ERR_INVALID, "\"model\" is there twice");
	if (!json_string(raw, q->arena, &name))
		return err_set(e, ERR_INVALID, "\"model\" is not a string");
	bare = name;
	if (str_starts(name, STR(MODELS_DIR))) {
		q->model_prefix = STR(MODELS_DIR);
		bare = (struct str){ name.p + q->model_prefix.n, name.n - q->model_prefix.n };
	}
	if (!str_eq(bare, q->model))
		return err_set(e, ERR_INVALID, "\"model\" is another one than the path's");
	q->model_raw = raw;
	return true;
}

/* One request; *inner: the one that it wraps, or .p NULL. */
static bool
request_read(
    struct asked *q, struct str body, struct hosted_reading *r, struct str *inner, struct err *e)
{
	enum {
		MODEL,
		TOOLS,
		CACHED,
		CACHED_2,
		CONFIG,
		CONFIG_2,
		WRAPPED,
		WRAPPED_2,
		CONTENTS,
		SYSTEM,
		SYSTEM_2,
		FIELDS
	};
	struct json_field f[FIELDS] = { [MODEL] = { .name = STR("model") },
		[TOOLS] = { .name = STR("tools") },
		[CACHED] = { .name = STR("cachedContent") },
		[CACHED_2] = { .name = STR("cached_content") },
		[CONFIG] = { .name = STR("generationConfig") },
		[CONFIG_2] = { .name = STR("generation_config") },
		[WRAPPED] = { .name = STR("generateContentRequest") },
		[WRAPPED_2] = { .name = STR("generate_content_request") },
		[CONTENTS] = { .name = STR("contents") },
		[SYSTEM] = { .name = STR("systemInstruction") },
		[SYSTEM_2] = { .name = STR("system_instruction") } };
	struct str cached = STR_NONE, config = STR_NONE, system = STR_NONE;

	if (!asked_fields(body, f, FIELDS, e) || !either(&f[CACHED], &cached, e) ||
	    !either(&f[CONFIG], &config, e) || !either(&f[WRAPPED], inner, e) ||
	    !either(&f[SYSTEM], &system, e) || !hosted_files(r, f[CONTENTS].raw, "contents", e) ||
	    !hosted_files(r, system, "systemInstruction", e) || !model_read(q, f[MODEL].raw, e) ||
	    !config_read(q, config, e))
		return false;
	if (cached.p != NULL && json_kind(cached) != JSON_NULL &&
	    !hosted_add(r, STR("stored_cache"), e))
		return false;
	return hosted_genai_tools(r, f[TOOLS].raw, e);
}

/* wraps: the one call whose request may be within. */
static bool
request_peek(struct asked *q, bool wraps, struct err *e)
{
	struct hosted_reading r;
	struct str inner = STR_NONE, none = STR_NONE;
	bool ok;

	q->model = q->in_path;
	hosted_begin(&r, q->arena, &q->hosted);
	ok = request_read(q, q->body, &r, &inner, e);
	if (ok && inner.p != NULL && !wraps) {
		/* Its bounds would be another's than those that are heeded. */
		ok =
		    err_set(e, ERR_INVALID, "only :countTokens takes a \"generateContentRequest\"");
	} else if (ok && inner.p != NULL && json_kind(inner) != JSON_NULL) {
		ok = request_read(q, inner, &r, &none, e);
		if (ok && none.p != NULL)
			ok = err_set(e, ERR_INVALID, "a request within a wrapped one");
	}
	hosted_end(&r);
	return ok;
}

static bool
genai_peek(struct asked *q, struct err *e)
{
	return request_peek(q, false, e);
}

static bool
count_peek(struct asked *q, struct err *e)
{
	return request_peek(q, true, e);
}

/* ---- what it cost ---- */

static void
usage_read(struct tap *t, struct str usage)
{
	enum { PROMPT, CACHED, TOOLS, ANSWER, THOUGHTS, TOTAL, FIELDS };
	struct json_field f[FIELDS] = { [PROMPT] = { .name = STR("promptTokenCount") },
		[CACHED] = { .name = STR("cachedContentTokenCount") },
		[TOOLS] = { .name = STR("toolUsePromptTokenCount") },
		[ANSWER] = { .name = STR("candidatesTokenCount") },
		[THOUGHTS] = { .name = STR("thoughtsTokenCount") },
		[TOTAL] = { .name = STR("totalTokenCount") } };
	int64_t n[FIELDS] = { 0 }, out;
	struct err e;

	if (json_kind(usage) != JSON_OBJECT || !json_fields(usage, f, FIELDS, &e))
		return;
	for (size_t i = 0; i < FIELDS; i++)
		tap_tokens(f[i].raw, &n[i]);
	if (n[CACHED] > n[PROMPT])
		n[CACHED] = n[PROMPT];
	out = n[ANSWER] + n[THOUGHTS];
	if (n[TOTAL] - n[PROMPT] - n[TOOLS] > out)
		out = n[TOTAL] - n[PROMPT] - n[TOOLS];
	t->usage = (struct usage){ .input = n[PROMPT] - n[CACHED] + n[TOOLS],
		.output = out,
		.cache_read = n[CACHED],
		.seen = true };
}

static void
call_note(struct tap *t, struct str part)
{
	struct str call, id;

	if (json_get(part, STR("functionCall"), &call) && json_get(call, STR("id"), &id))
		tap_use(t, id);
}

static void
candidate_read(struct tap *t, struct str candidate)
{
	struct json_iter it;
	struct str content, parts, key, part, reason;

	if (json_get(candidate, STR("finishReason"), &reason) && json_kind(reason) == JSON_STRING)
		t->final = true;
	if (!json_get(candidate, STR("content"), &content) ||
	    !json_get(content, STR("parts"), &parts) || !json_open(parts, &it))
		return;
	while (json_next(&it, &key, &part)) {
		tap_delivered(t, (int64_t)part.n - (int64_t)sizeof("{'text':''}"));
		call_note(t, part);
	}
}

static void
genai_reply(struct tap *t, struct str object)
{
	struct json_field f[] = { { .name = STR("usageMetadata") }, { .name = STR("candidates") },
		{ .name = STR("error") } };
	struct json_iter it;
	struct str key, candidate;
	struct err e;

	if (!json_fields(object, f, COUNT(f), &e))
		return;
	if (f[2].raw.p != NULL)
		tap_failed(t);
	usage_read(t, f[0].raw);
	if (json_kind(f[1].raw) == JSON_ARRAY && json_open(f[1].raw, &it))
		while (json_next(&it, &key, &candidate))
			candidate_read(t, candidate);
}

static void
genai_event(struct tap *t, const struct sse_event *ev)
{
	genai_reply(t, ev->data);
}

/* ---- how it looks ---- */

static int
status(enum err_code code)
{
	return code == ERR_OVERLOAD ? 503 : err_http(code);
}

/* Gemini's clients stop at a quota "PerDay" and wait as long as a RetryInfo says. */
static void
details_put(const struct err *e, struct buf *out)
{
	if (e->code == ERR_BUDGET)
		buf_puts(out,
		    ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\","
		    "\"violations\":[{\"quotaId\":\"TollgateBudgetPerDay\"}]}]");
	else if (e->code == ERR_RATE && e->retry_after_s > 0)
		buf_printf(out,
		    ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
		    "\"retryDelay\":\"%ds\"}]",
		    e->retry_after_s);
}

static void
refusal(const struct err *e, int64_t now_s, struct buf *out)
{
	(void)now_s;
	buf_printf(out, "{\"error\":{\"code\":%d,\"message\":", status(e->code));
	buf_json_str(out, str_of(e->text));
	buf_printf(out, ",\"status\":\"%s\"", err_google(e->code));
	details_put(e, out);
	buf_puts(out, "}}");
}

static const struct str forwarded[] = { STR("user-agent"), STR("accept"), STR("content-type"),
	STR("x-goog-api-client"), STR("x-server-timeout") };

const struct dialect dialect_genai = {
	.status = status,
	.refusal = refusal,
	.kind = PROVIDER_GENAI,
	.version = STR("/v1beta"),
	.key_header = STR("x-goog-api-key"),
	.key_prefix = STR(""),
	.session = STR(""),
	.forwarded = forwarded,
	.forwarded_n = COUNT(forwarded),
	.texts = &texts_genai,
};

#define GENAI(verb_of, peek_of)                                                                    \
	.dialect = &dialect_genai, .path = STR("/" MODELS_DIR), .verb = STR(verb_of),              \
	.listed = true, .peek = (peek_of), .reply = genai_reply, .event = genai_event

const struct endpoint genai_generate = { GENAI(":generateContent", genai_peek) };
const struct endpoint genai_stream = { GENAI(":streamGenerateContent", genai_peek) };
const struct endpoint genai_count_tokens = { GENAI(":countTokens", count_peek),
	.free_of_charge = true };

/* ---- the path ---- */

static bool
name_plain(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.' || c == '_'))
			return false;
	}
	return name.n > 0 && name.n <= MODEL_BYTES;
}

/* models/MODEL:VERB.  An escape would be read one way here and another way there: none is taken. */
void
genai_call(struct exchange *x)
{
	static const struct endpoint *const all[] = { &genai_generate, &genai_stream,
		&genai_count_tokens };
	struct str name = { x->path.p + sizeof(MODELS) - 1, x->path.n - (sizeof(MODELS) - 1) };
	struct err e;

	for (size_t i = 0; i < COUNT(all); i++) {
		if (!str_ends(name, all[i]->verb))
			continue;
		x->model = (struct str){ name.p, name.n - all[i]->verb.n };
		if (!name_plain(x->model))
			break;
		x->endpoint = all[i];
		proxy_run(x);
		return;
	}
	(void)err_set(&e, ERR_NOT_FOUND,
	    "nothing is served here (" MODELS
	    "MODEL with :generateContent, :streamGenerateContent or :countTokens is)");
	exchange_refuse(x, &e);
}
