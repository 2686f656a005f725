/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's and Gemini's endpoints: usage is read from JSON, from lists of it and from streams, in
 * every chunking; a reply that was cut anywhere never costs more than the whole one; what a body
 * asks for is found or refused, and a body that was cut anywhere is refused.
 */
#include "gateway/dialect.h"

#include <stdlib.h>

#include "tests/unit/check.h"

struct sample {
	const struct endpoint *of;
	bool stream;
	const char *reply;
	int64_t input, output, cached;
	const char *uses;
};

#define CHAT_USAGE                                                                                 \
	"\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":20,\"total_tokens\":120,"          \
	"\"prompt_tokens_details\":{\"cached_tokens\":60}}"
#define RESPONSES_USAGE                                                                            \
	"\"usage\":{\"input_tokens\":100,\"output_tokens\":20,\"total_tokens\":120,"               \
	"\"input_tokens_details\":{\"cached_tokens\":60}}"
#define GENAI_USAGE                                                                                \
	"\"usageMetadata\":{\"promptTokenCount\":100,\"cachedContentTokenCount\":60,"              \
	"\"candidatesTokenCount\":8,\"thoughtsTokenCount\":12,\"totalTokenCount\":120}"
#define GENAI_FIRST                                                                                \
	"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"}{\\\"[\"},{\"functionCall\":"      \
	"{\"id\":\"f1\"}}]}}],\"usageMetadata\":{\"promptTokenCount\":100,"                        \
	"\"candidatesTokenCount\":1}}"
#define GENAI_LAST "{\"candidates\":[{\"finishReason\":\"STOP\"}]," GENAI_USAGE "}"

static const struct sample samples[] = {
	{ &openai_chat, false,
	    "{\"choices\":[{\"message\":{\"content\":\"usage\",\"tool_calls\":[{\"id\":\"c1\"},"
	    "{\"id\":\"c2\"}]}}]," CHAT_USAGE "}",
	    40, 20, 60, "c1 c2" },
	{ &openai_chat, true,
	    ": hi\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}],\"usage\":null}\n\n"
	    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c1\"}]}}]}\r\n\r\n"
	    "data: {\"choices\":[]," CHAT_USAGE "}\n\ndata: [DONE]\n\n",
	    40, 20, 60, "c1" },
	{ &openai_responses, false,
	    "{\"output\":[{\"type\":\"reasoning\"},{\"call_id\":\"c1\"}]," RESPONSES_USAGE "}", 40,
	    20, 60, "c1" },
	{ &openai_responses, true,
	    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":"
	    "{\"usage\":null,\"output\":[]}}\n\n"
	    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
	    "\"delta\":\"hello\"}\n\n"
	    "data: {\"type\":\"response.output_item.done\",\"item\":{\"call_id\":\"c1\"}}\n\n"
	    "data: "
	    "{\"type\":\"response.completed\",\"response\":{\"output\":[{\"call_id\":\"c1\"}]"
	    "," RESPONSES_USAGE "}}\n\n",
	    40, 20, 60, "c1" },
	{ &openai_embeddings, false,
	    "{\"data\":[{\"embedding\":\"AAAA\"}],\"usage\":{\"prompt_tokens\":8,"
	    "\"total_tokens\":8}}",
	    8, 0, 0, "" },
	{ &genai_generate, false, GENAI_LAST, 40, 20, 60, "" },
	{ &genai_stream, false, "[" GENAI_FIRST "\n,\r\n" GENAI_LAST "\n]", 40, 20, 60, "f1" },
	{ &genai_stream, true, "data: " GENAI_FIRST "\r\n\r\ndata: " GENAI_LAST "\n\n", 40, 20, 60,
	    "f1" },
};

static void
feed(struct tap *t, const char *text, size_t n, size_t chunk)
{
	for (size_t at = 0; at < n; at += chunk)
		tap_feed(t, (struct str){ text + at, n - at < chunk ? n - at : chunk });
}

static void
whole(const struct sample *s, size_t chunk)
{
	struct usage u;
	struct tap t;
	bool guessed;

	tap_init(&t, s->of, s->stream, (int64_t)strlen(s->reply));
	feed(&t, s->reply, strlen(s->reply), chunk);
	tap_usage(&t, &u, &guessed);
	CHECK(u.seen && !guessed);
	CHECK_EQ_I(u.input, s->input);
	CHECK_EQ_I(u.output, s->output);
	CHECK_EQ_I(u.cache_read, s->cached);
	CHECK_STR(buf_str(&t.uses), s->uses);
	tap_fini(&t);
}

/* Nothing that went by is forgotten, and nothing is owed that did not. */
static void
cut(const struct sample *s)
{
	size_t n = strlen(s->reply);
	int64_t before = 0;

	for (size_t at = 0; at < n; at++) {
		struct usage u;
		struct tap t;
		bool guessed;

		tap_init(&t, s->of, s->stream, (int64_t)n);
		feed(&t, s->reply, at, 7);
		tap_usage(&t, &u, &guessed);
		CHECK(u.output >= before && u.output <= s->output);
		CHECK(u.seen || u.input == 0);
		before = u.output;
		tap_fini(&t);
	}
}

static void
nonsense(const struct endpoint *of, bool stream, const char *text)
{
	struct usage u;
	struct tap t;
	bool guessed;

	tap_init(&t, of, stream, -1);
	tap_feed(&t, str_of(text));
	tap_usage(&t, &u, &guessed);
	check_that(!u.seen && u.input == 0 && u.output == 0, __FILE__, __LINE__, text);
	tap_fini(&t);
}

static void
endless_object(void)
{
	static char piece[65536];
	struct usage u;
	struct tap t;
	bool guessed;

	memset(piece, '{', sizeof(piece));
	tap_init(&t, &genai_stream, false, -1);
	tap_feed(&t, STR("[" GENAI_FIRST ","));
	for (int i = 0; i < 200; i++)
		tap_feed(&t, (struct str){ piece, sizeof(piece) });
	tap_usage(&t, &u, &guessed);
	CHECK(u.seen && u.input == 100);
	CHECK(t.json.n <= (size_t)8 << 20);
	tap_fini(&t);
}

static void
taps(void)
{
	TEST("usage and calls of a reply, in every chunking");
	for (size_t i = 0; i < COUNT(samples); i++)
		for (size_t chunk = 1; chunk < 600; chunk++)
			whole(&samples[i], chunk);
	TEST("a reply that was cut after any byte");
	for (size_t i = 0; i < COUNT(samples); i++)
		cut(&samples[i]);
	TEST("what is not a reply reports nothing");
	nonsense(&openai_chat, false, "<html>busy</html>");
	nonsense(&openai_chat, false, "{\"usage\":{\"prompt_tokens\":1},\"usage\":{}}");
	nonsense(&openai_chat, true, "data: {\"usage\":7,\"choices\":{}}\n\n");
	nonsense(&openai_responses, true, "data: {\"response\":[],\"type\":9}\n\n");
	nonsense(&openai_responses, false, "{\"usage\":[1]}");
	nonsense(&genai_generate, false, "}}}\"{\"usageMetadata\":{\"promptTokenCount\":1}}");
	nonsense(&genai_generate, false, "{\"usageMetadata\":\"{}\",\"candidates\":{}}");
	nonsense(&genai_stream, true, "data: {\"candidates\":[7,[]]}\n\n");
	TEST("an object without an end costs the tap a bounded buffer, and what was seen stays");
	endless_object();
}

/* ---- peek ---- */

static bool
look(const struct endpoint *of, struct str body, struct asked *q, struct arena *a, struct err *e)
{
	arena_init(a, 65536);
	*q = (struct asked){ .arena = a, .body = body, .in_path = STR("m"), .choices = 1 };
	return of->peek(q, e);
}

static void
asks(const struct endpoint *of, const char *body, int64_t tokens, int64_t choices, size_t hosted)
{
	struct asked q;
	struct arena a;
	struct err e;

	check_that(look(of, str_of(body), &q, &a, &e), __FILE__, __LINE__, body);
	CHECK_STR(q.model, "m");
	CHECK_EQ_I(q.max_tokens, tokens);
	CHECK_EQ_I(q.choices, choices);
	CHECK_EQ_I((int64_t)q.hosted.n, (int64_t)hosted);
	arena_free(&a);
}

/* Every prefix is refused, and none is read past its end. */
static void
prefixes(const struct endpoint *of, const char *body)
{
	for (size_t n = 0; n < strlen(body); n++) {
		char *copy = mem_alloc(n + 1);
		struct asked q;
		struct arena a;
		struct err e;

		memcpy(copy, body, n);
		CHECK(!look(of, (struct str){ copy, n }, &q, &a, &e) && e.code == ERR_INVALID);
		arena_free(&a);
		free(copy);
	}
}

static void
peeks(void)
{
	static const char chat[] = "{\"model\":\"m\",\"n\":2,\"max_completion_tokens\":9,"
				   "\"stream\":true,\"tools\":[{\"type\":\"mcp\",\"server_url\":"
				   "\"https://a.example\"}]}";
	static const char response[] =
	    "{\"model\":\"m\",\"max_output_tokens\":9,\"input\":[{"
	    "\"type\":\"x\",\"tools\":[{\"type\":\"x\"}]}],\"background\":true}";
	static const char genai[] = "{\"generationConfig\":{\"maxOutputTokens\":\"9\",\"candidate_"
				    "count\":3},\"tools\":[{\"googleSearch\":{}}],\"model\":"
				    "\"models/m\"}";

	TEST("bounds, choices and tools of the provider, wherever they stand");
	asks(&openai_chat, chat, 9, 2, 1);
	asks(&openai_chat, " {\"\\u006d\\u006fdel\":\"\\u006d\",\"max_tokens\":null} ", 0, 1, 0);
	asks(&openai_responses, response, 9, 1, 2);
	asks(&openai_embeddings, "{\"model\":\"m\"}", 1, 1, 0);
	asks(&genai_generate, genai, 9, 3, 1);
	asks(&genai_count_tokens, "{}", 0, 1, 0);
	TEST("a body that was cut anywhere is refused");
	prefixes(&openai_chat, chat);
	prefixes(&openai_responses, response);
	prefixes(&genai_generate, genai);
}

int
main(void)
{
	taps();
	peeks();
	return check_done();
}
