/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the words are in a request to a model: in every sample a text begins with T, and nothing
 * else does.
 */
#include "gateway/texts.h"

#include "tests/unit/check.h"

static const struct sample {
	const char *name;
	const struct text_table *of;
	const char *doc;
} samples[] = {
	{ "Anthropic: a system text, or a list of blocks", &texts_anthropic,
	    "{\"model\":\"m\",\"system\":\"T\",\"thinking\":{\"type\":\"enabled\"}}" },
	{ "Anthropic: blocks", &texts_anthropic,
	    "{\"system\":[{\"type\":\"text\",\"text\":\"T\",\"cache_control\":{\"ttl\":\"T5m\"}}],"
	    "\"messages\":[{\"role\":\"T\",\"content\":\"T\"},{\"content\":[{\"type\":\"text\","
	    "\"text\":\"T\",\"citations\":[{\"type\":\"c\",\"cited_text\":\"T\","
	    "\"encrypted_index\":\"n\"}]}]}]}" },
	{ "Anthropic: thinking is as it was signed", &texts_anthropic,
	    "{\"messages\":[{\"content\":[{\"type\":\"thinking\",\"thinking\":\"n\","
	    "\"signature\":\"n\"},{\"data\":\"n\",\"type\":\"redacted_thinking\"}]}]}" },
	{ "Anthropic: what a tool is told is one text, whatever it is", &texts_anthropic,
	    "{\"messages\":[{\"content\":[{\"type\":\"tool_use\",\"id\":\"n\",\"input\":\"T{}\"},"
	    "{\"type\":\"tool_result\",\"tool_use_id\":\"n\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"T\"}]}]}]}" },
	{ "Anthropic: a document in base64 is none, one in plain words is", &texts_anthropic,
	    "{\"messages\":[{\"content\":[{\"source\":{\"type\":\"base64\",\"data\":\"n\"},"
	    "\"title\":\"T\"},{\"source\":{\"data\":\"T\",\"type\":\"text\"}}]}]}" },
	{ "Anthropic: a document in base64 is one where its media type says so", &texts_anthropic,
	    "{\"messages\":[{\"content\":[{\"source\":{\"type\":\"base64\",\"media_type\":"
	    "\"Text/plain\",\"data\":\"T\"}},{\"source\":{\"data\":\"n\",\"type\":\"base64\","
	    "\"media_type\":\"Tex/pdf\"}},{\"source\":{\"data\":\"T\",\"type\":\"base64\","
	    "\"media_type\":\"Timage/png\",\"medi\\u0061_type\":\"TEXT\\/x\"}}]}]}" },
	{ "a second type is one that somebody may believe", &texts_anthropic,
	    "{\"m\":[{\"source\":{\"type\":\"base64\",\"data\":\"T\",\"type\":\"text\"}},"
	    "{\"source\":{\"type\":\"text\",\"data\":\"T\",\"t\\u0079pe\":\"base64\"}},"
	    "{\"source\":{\"t\\u0079pe\":\"base64\",\"d\\u0061ta\":\"n\"}}]}" },
	{ "Anthropic: definitions, and what is meant for the provider's connectors",
	    &texts_anthropic,
	    "{\"tools\":[{\"description\":\"n\"}],\"mcp_servers\":[{\"authorization_token\":\"n\"}]"
	    ","
	    "\"metadata\":{\"user_id\":\"T\"},\"output_config\":{\"format\":{\"schema\":{\"a\":"
	    "\"n\"}}},\"of_tomorrow\":{\"words\":[\"T\"]}}" },
	{ "Chat: parts and calls", &texts_openai,
	    "{\"messages\":[{\"name\":\"T\",\"content\":\"T\"},{\"content\":[{\"text\":\"T\"},"
	    "{\"image_url\":{\"url\":\"data:image/png;base64,n\"}},{\"image_url\":{\"url\":"
	    "\"Thttps\"}},{\"input_audio\":{\"data\":\"n\"}},{\"data\":\"T\"}]},"
	    "{\"tool_calls\":[{\"id\":\"n\",\"function\":{\"name\":\"T\",\"arguments\":\"T{}\"}}],"
	    "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"n\",\"signature\":"
	    "\"n\"}]}],\"user\":\"T\",\"response_format\":{\"json_schema\":{\"schema\":{\"a\":"
	    "\"n\"}}}}" },
	{ "Chat: a member of that name that is no picture is words", &texts_openai,
	    "{\"messages\":[{\"content\":[{\"image_url\":{\"url\":[\"T\"]}}]}],\"url\":"
	    "\"Tdata:x;base64,\"}" },
	{ "Responses: a text, or items", &texts_responses,
	    "{\"input\":\"T\",\"instructions\":\"T\",\"text\":{\"format\":{\"schema\":{\"a\":"
	    "\"n\"}}},\"prompt\":{\"id\":\"n\",\"variables\":{\"a\":\"T\"}}}" },
	{ "Responses: where the client gives the names, none is the API's", &texts_responses,
	    "{\"prompt\":{\"variables\":{\"id\":\"T\",\"model\":{\"type\":\"input_text\","
	    "\"text\":\"T\"},\"tools\":{\"type\":\"input_image\",\"image_url\":"
	    "\"data:image/png;base64,n\",\"id\":\"n\"}}},\"metadata\":{\"signature\":\"T\"},"
	    "\"input\":[{\"action\":{\"env\":{\"type\":\"T\"}}},{\"env\":[\"T\"]},{\"env\":\"T\"}]"
	    "}" },
	{ "Chat: the same", &texts_openai, "{\"metadata\":{\"id\":\"T\"}}" },
	{ "Gemini: labels", &texts_genai, "{\"labels\":{\"model\":\"T\"}}" },
	{ "Responses: items", &texts_responses,
	    "{\"input\":[{\"content\":[{\"text\":\"T\"},{\"image_url\":\"data:image/"
	    "png;base64,n\"},"
	    "{\"file_data\":\"n\",\"filename\":\"T\"}]},{\"type\":\"reasoning\",\"id\":\"n\","
	    "\"encrypted_content\":\"n\",\"summary\":[{\"text\":\"T\"}]},{\"type\":"
	    "\"function_call\",\"call_id\":\"n\",\"arguments\":\"T\"},{\"type\":"
	    "\"image_generation_call\",\"result\":\"n\"},{\"result\":\"T\"},{\"type\":"
	    "\"tool_search_output\",\"tools\":[{\"description\":\"n\"}]}]}" },
	{ "Gemini: parts, in either spelling", &texts_genai,
	    "{\"system_instruction\":{\"parts\":{\"text\":\"T\"}},\"contents\":[{\"parts\":["
	    "{\"text\":\"T\",\"thoughtSignature\":\"n\"},{\"inline_data\":{\"data\":\"n\"}},"
	    "{\"inlineData\":{\"data\":\"n\"}},{\"data\":\"T\"}]}],\"generation_config\":{"
	    "\"responseSchema\":{\"a\":\"n\"}},\"tools\":[{\"a\":\"n\"}]}" },
	{ "Gemini: a wrapped request", &texts_genai,
	    "{\"generateContentRequest\":{\"tools\":[{\"a\":\"n\"}],\"contents\":[{\"parts\":["
	    "{\"text\":\"T\"}]}]}}" },
	{ "nothing but a text", &texts_anthropic, "\"T\"" },
	{ "nothing at all", &texts_anthropic, "{\"a\":[],\"b\":{},\"c\":null,\"d\":1}" },
};

struct told {
	size_t n, wrong;
	const char *end; /* of the last */
	char place[64];
};

static void
on_text(void *ctx, const struct text *t)
{
	struct told *told = ctx;

	told->n++;
	told->wrong += t->value.p < told->end || t->value.n < 3 || t->value.p[1] != 'T';
	told->end = t->value.p + t->value.n;
	text_place(t, told->place, sizeof(told->place));
}

static size_t
count(const char *doc)
{
	size_t n = 0;

	for (const char *p = doc; (p = strstr(p, "\"T")) != NULL; p++)
		n++;
	return n;
}

static const char *
place_of(const char *doc)
{
	static struct told told;

	told = (struct told){ .end = doc };
	texts_each(&texts_anthropic, str_of(doc), on_text, &told);
	return told.place;
}

/* One value that tools have is told whole: objects, numbers and all. */
static void
one(void *ctx, const struct text *t)
{
	*(struct str *)ctx = t->value;
}

/* A body whose members all depend on a type that stands at its end: looked for each time, nine
 * megabytes of them are hours. */
static void
crowd(void)
{
	const char *const member = "\"data\":0,";
	const size_t n = 1 << 20;
	struct told told = { .end = NULL };
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"source\":{");
	for (size_t i = 0; i < n; i++)
		buf_puts(&b, member);
	buf_puts(&b, "\"data\":\"n\",\"type\":\"base64\"}}");
	texts_each(&texts_anthropic, buf_str(&b), on_text, &told);
	CHECK_EQ_I(told.n, 0);
	buf_fini(&b);
}

int
main(void)
{
	struct str value = STR("");
	struct err e;

	for (size_t i = 0; i < COUNT(samples); i++) {
		struct told told = { .end = samples[i].doc };

		TEST(samples[i].name);
		CHECK(json_check(str_of(samples[i].doc), false, &e));
		texts_each(samples[i].of, str_of(samples[i].doc), on_text, &told);
		CHECK_EQ_I(told.n, count(samples[i].doc));
		CHECK_EQ_I(told.wrong, 0);
	}
	TEST("what a tool is told is one value");
	texts_each(&texts_anthropic, STR("{\"input\":{\"id\":4111,\"a\":[\"x\"]}}"), one, &value);
	CHECK_STR(value, "{\"id\":4111,\"a\":[\"x\"]}");
	texts_each(&texts_genai, STR("{\"args\":[1,2]}"), one, &value);
	CHECK_STR(value, "[1,2]");
	TEST("a text's place, as far as it can be told");
	CHECK_EQ_S(
	    place_of("{\"a\":1,\"messages\":[{},{\"c\":[[\"T\"],{}]}],\"b\":[]}"), "messages[1]");
	CHECK_EQ_S(place_of("{\"a\":[\"T\"],\"system\":\"T\"}"), "system");
	CHECK_EQ_S(place_of("{\"a\":[\"T\"],\"b\":{\"c\":[\"T\"]}}"), "b");
	CHECK_EQ_S(place_of("{\"4111111111111111\":\"T\"}"), "");
	CHECK_EQ_S(place_of("{\"ana@example.com\":\"T\"}"), "");
	TEST("many members that depend on the type of their object");
	crowd();
	return check_done();
}
