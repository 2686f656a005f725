/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model request is read for (peek), how its body leaves (splice), and which headers pass in
 * either direction.
 */
#include "gateway/proxy.c"

#include "tests/unit/check.h"

struct seen {
	struct exchange x;
	struct proxy p;
	struct err e;
	bool ok;
};

static void
look(struct seen *s, struct str body)
{
	*s = (struct seen){ 0 };
	s->x.body = body;
	arena_init(&s->x.arena, 65536);
	s->p.x = &s->x;
	s->p.body = body;
	s->p.to = &anthropic_messages;
	s->ok = peek(&s->p, &s->e);
}

static void
refused(const char *body)
{
	struct seen s;

	look(&s, str_of(body));
	check_that(
	    !s.ok && s.e.code == ERR_INVALID && s.e.text[0] != '\0', __FILE__, __LINE__, body);
	arena_free(&s.x.arena);
}

static void
spliced(const char *body, const char *model, const char *expected)
{
	struct http_request r = { 0 };
	struct seen s;
	struct buf all;

	look(&s, str_of(body));
	check_that(s.ok, __FILE__, __LINE__, body);
	s.p.model = str_of(model);
	body_splice(&s.p, &r);
	buf_init(&all, 0);
	for (size_t i = 0; i < COUNT(r.body); i++)
		buf_put(&all, r.body[i]);
	CHECK_STR(buf_str(&all), expected);
	buf_fini(&all);
	arena_free(&s.x.arena);
}

static void
peeks(void)
{
	static char large[1 << 20];
	struct seen s;

	TEST("the model and the ceiling are found wherever they stand");
	look(&s,
	    STR(" {\"x\":[{\"model\":\"no\"}],\"max_tokens\" : 77,\"mod\\u0065l\":\"a\\u0062\"} "));
	CHECK(s.ok);
	CHECK_STR(s.p.asked.model, "ab");
	CHECK_EQ_I(s.p.asked.max_tokens, 77);
	arena_free(&s.x.arena);
	TEST("max_tokens may be absent");
	look(&s, STR("{\"model\":\"a\"}"));
	CHECK(s.ok);
	CHECK_EQ_I(s.p.asked.max_tokens, 0);
	arena_free(&s.x.arena);
	TEST("bodies that cannot be judged are refused");
	refused("");
	refused("[]");
	refused("{");
	refused("{} {}");
	refused("{\"messages\":[]}");
	refused("{\"model\":7}");
	refused("{\"model\":\"\"}");
	refused("{\"model\":\"a\\u0000b\"}");
	refused("{\"model\":\"a\",\"model\":\"b\"}");
	refused("{\"model\":\"a\",\"m\\u006fdel\":\"b\"}");
	refused("{\"model\":\"a\",\"max_tokens\":-1}");
	refused("{\"model\":\"a\",\"max_tokens\":1.5}");
	refused("{\"model\":\"a\",\"max_tokens\":\"9\"}");
	refused("{\"model\":\"a\",\"max_tokens\":1,\"max_tokens\":2}");
	refused("{\"model\":\"a\",\"max_tokens\":99999999999999999999}");
	memset(large, 'm', sizeof(large) - 1);
	memcpy(large, "{\"model\":\"", 10);
	memcpy(large + sizeof(large) - 3, "\"}", 3);
	refused(large);
}

/* Every prefix of a good body is refused, none is read past its end. */
static void
prefixes(void)
{
	static const char body[] =
	    "{\"model\":\"claude-a\",\"max_tokens\":5,\"m\":[{\"a\":\"\\\"\"}]}";
	struct seen s;

	TEST("a body that was cut anywhere is refused");
	for (size_t n = 0; n + 1 < sizeof(body); n++) {
		char *copy = mem_alloc(n + 1);

		memcpy(copy, body, n);
		look(&s, (struct str){ copy, n });
		CHECK(!s.ok);
		arena_free(&s.x.arena);
		free(copy);
	}
}

int
main(void)
{
	peeks();
	prefixes();
	TEST("only the model's span is replaced, and only when it changed");
	spliced("{ \"model\" : \"a\", \"n\":1.0e2 }", "a", "{ \"model\" : \"a\", \"n\":1.0e2 }");
	spliced("{ \"model\" : \"a\", \"n\":1.0e2 }", "bc", "{ \"model\" : \"bc\", \"n\":1.0e2 }");
	spliced("{\"model\":\"\\u0061\"}", "a", "{\"model\":\"\\u0061\"}");
	spliced("{\"model\":\"a\"}", "b\"c", "{\"model\":\"b\\\"c\"}");
	TEST("the agent's credentials and the hop's headers stay here");
	CHECK(!is_forwarded(&dialect_anthropic, STR("Authorization")));
	CHECK(!is_forwarded(&dialect_anthropic, STR("x-api-key")));
	CHECK(!is_forwarded(&dialect_anthropic, STR("x-goog-api-key")));
	CHECK(!is_forwarded(&dialect_anthropic, STR("x-tollgate-key")));
	CHECK(!is_forwarded(&dialect_anthropic, STR("cookie")));
	CHECK(!is_forwarded(&dialect_anthropic, STR("connection")));
	CHECK(!is_forwarded(&dialect_anthropic, STR("accept-encoding")));
	CHECK(!is_forwarded(&dialect_anthropic, STR("x-forwarded-for")));
	TEST("what the client means for the provider passes");
	CHECK(is_forwarded(&dialect_anthropic, STR("anthropic-version")));
	CHECK(is_forwarded(&dialect_anthropic, STR("Anthropic-Beta")));
	CHECK(is_forwarded(&dialect_anthropic, STR("X-Claude-Code-Session-Id")));
	CHECK(is_forwarded(&dialect_anthropic, STR("X-Stainless-Lang")));
	CHECK(is_forwarded(&dialect_anthropic, STR("User-Agent")));
	TEST("of a reply, the hop, the shared account and our own names are left out");
	CHECK(is_dropped(&dialect_anthropic, STR("Set-Cookie")));
	CHECK(is_dropped(&dialect_anthropic, STR("Transfer-Encoding")));
	CHECK(is_dropped(&dialect_anthropic, STR("Strict-Transport-Security")));
	CHECK(is_dropped(&dialect_anthropic, STR("anthropic-ratelimit-requests-limit")));
	CHECK(is_dropped(&dialect_anthropic, STR("anthropic-ratelimit-unified-status")));
	CHECK(is_dropped(&dialect_anthropic, STR("X-Tollgate-Request-Id")));
	CHECK(is_dropped(&dialect_anthropic, STR("cf-ray")));
	CHECK(!is_dropped(&dialect_anthropic, STR("request-id")));
	CHECK(!is_dropped(&dialect_anthropic, STR("retry-after")));
	CHECK(!is_dropped(&dialect_anthropic, STR("x-should-retry")));
	CHECK(!is_dropped(&dialect_anthropic, STR("content-type")));
	return check_done();
}
