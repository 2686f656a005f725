/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prompts and resources as servers list them, the URIs that clients see, and what clients can be
 * asked: pure, from bytes to bytes.
 */
#include "base/json.h"
#include "base/log.h"
#include "mcp/offer.h"
#include "mcp/peer.h"
#include "mcp/uri.h"
#include "tests/unit/check.h"

static struct offerset *
set_of(enum offer_kind kind, const char *list)
{
	struct offerset *s = offerset_new(STR("docs"), kind);

	offerset_add_page(s, str_of(list));
	return s;
}

static void
offer_is(struct offerset *s, enum offer_kind kind, size_t i, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	offer_put(&b, kind, offerset_at(s, i));
	CHECK_STR(buf_str(&b), want);
	buf_fini(&b);
}

static void
test_offers(void)
{
	struct offerset *s, *same;

	TEST("a prompt keeps its bytes under its listed name");
	s = set_of(OFFER_PROMPT, "[{\"description\":\"d\\u00e9\",\"name\":\"re "
				 "view\",\"x\":1.0,\"arguments\":[{\"name\":"
				 "\"a\"}]}]");
	CHECK_EQ_I(offerset_count(s), 1);
	offer_is(s, OFFER_PROMPT, 0,
	    "{\"name\":\"docs__re_view\",\"description\":\"d\\u00e9\",\"x\":1.0,\"arguments\":[{"
	    "\"name\":\"a\"}]}");
	CHECK_STR(offerset_at(s, 0)->policy_name, "docs/re view");
	CHECK_STR(offerset_at(s, 0)->bare, "re_view");
	offerset_free(&s);

	TEST("what is wrong in one is left out of it, or leaves it out, and harms no other");
	s = set_of(OFFER_PROMPT,
	    "[7,{},{\"name\":3},{\"name\":\"\"},{\"name\":\"a\",\"name\":\"b\"},{\"name\":\"c\","
	    "\"arguments\":[{}],\"title\":9,\"description\":\"ok\"},{\"name\":\"c\"},{\"name\":"
	    "\"a\\u0000b\"}]");
	CHECK_EQ_I(offerset_count(s), 1);
	offer_is(s, OFFER_PROMPT, 0, "{\"name\":\"docs__c\",\"description\":\"ok\"}");
	offerset_free(&s);

	TEST("a resource without a name gets one, its URI says whose it is");
	s = set_of(OFFER_RESOURCE,
	    "[{\"uri\":\"file:\\/\\/\\/a\"},{\"uri\":\"ui://p/x\",\"name\":\"n\"}]");
	offer_is(s, OFFER_RESOURCE, 0, "{\"uri\":\"tg+docs+file:///a\",\"name\":\"file:///a\"}");
	offer_is(s, OFFER_RESOURCE, 1, "{\"uri\":\"ui://docs/p/x\",\"name\":\"n\"}");
	same = set_of(
	    OFFER_RESOURCE, "[{\"uri\":\"file:///a\"},{\"name\":\"n\",\"uri\":\"ui://p/x\"}]");
	CHECK(offerset_same(s, same));
	CHECK(!offerset_same(s, NULL));
	offerset_free(&same);
	offerset_free(&s);

	TEST("a template keeps its expressions");
	s = set_of(OFFER_TEMPLATE, "[{\"uriTemplate\":\"db://{table}/{id}\",\"name\":\"row\"}]");
	offer_is(s, OFFER_TEMPLATE, 0,
	    "{\"uriTemplate\":\"tg+docs+db://{table}/{id}\",\"name\":\"row\"}");
	offerset_free(&s);
}

static void
test_uris(void)
{
	static const char *const uris[] = { "file:///a", "ui://x", "ui://", "tg+other+file:///b",
		"", "no scheme at all", "a+b+c" };
	struct buf listed, own;
	struct str server;

	TEST("every URI comes back as it was, with its server");
	buf_init(&listed, 0);
	buf_init(&own, 0);
	for (size_t i = 0; i < COUNT(uris); i++) {
		buf_reset(&listed);
		buf_reset(&own);
		uri_wrap(&listed, STR("docs"), str_of(uris[i]));
		CHECK(uri_unwrap(buf_str(&listed), &server, &own));
		CHECK_STR(server, "docs");
		CHECK_STR(buf_str(&own), uris[i]);
	}
	CHECK(!uri_unwrap(STR("file:///a"), &server, &own));
	CHECK(!uri_unwrap(STR("tg+docs"), &server, &own));
	CHECK(!uri_unwrap(STR("tg++x"), &server, &own));
	buf_fini(&listed);
	buf_fini(&own);
}

static void
wrapped_is(const char *result, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	uri_wrap_result(&b, STR("d"), str_of(result));
	CHECK_STR(buf_str(&b), want);
	buf_fini(&b);
}

static void
test_results(void)
{
	TEST("in results only URIs change, wherever they stand");
	wrapped_is("{\"contents\":[{\"text\":\"\\u00e9\",\"uri\":\"a:1\"},{\"uri\":\"ui://"
		   "x\"}],\"n\":1.0}",
	    "{\"contents\":[{\"text\":\"\\u00e9\",\"uri\":\"tg+d+a:1\"},{\"uri\":\"ui://d/"
	    "x\"}],\"n\":1.0}");
	wrapped_is(
	    "{\"content\":[{\"type\":\"resource_link\",\"uri\":\"a:1\"},{\"type\":\"text\","
	    "\"text\":"
	    "\"x\",\"uri\":\"a:2\"},{\"resource\":{\"uri\":\"a:3\"},\"type\":\"resource\"}]}",
	    "{\"content\":[{\"type\":\"resource_link\",\"uri\":\"tg+d+a:1\"},{\"type\":\"text\","
	    "\"text\":"
	    "\"x\",\"uri\":\"a:2\"},{\"resource\":{\"uri\":\"tg+d+a:3\"},\"type\":\"resource\"}]}");
	wrapped_is(
	    "{\"messages\":[{\"content\":{\"type\":\"resource\",\"resource\":{\"uri\":\"a:1\"}}}]}",
	    "{\"messages\":[{\"content\":{\"type\":\"resource\",\"resource\":{\"uri\":\"tg+d+a:1\"}"
	    "}}]}");
	wrapped_is("{\"content\":7,\"contents\":[3,{\"uri\":9}],\"messages\":[{}]}",
	    "{\"content\":7,\"contents\":[3,{\"uri\":9}],\"messages\":[{}]}");
}

static void
caps_are(const char *in, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	peer_put_caps(&b, peer_caps(str_of(in)));
	CHECK_STR(buf_str(&b), want);
	CHECK_EQ_I(peer_caps(buf_str(&b)), peer_caps(str_of(in)));
	buf_fini(&b);
}

static void
test_peer(void)
{
	TEST("capabilities are read once and written anew, without what is unknown");
	caps_are("{}", "{}");
	caps_are("[]", "{}");
	caps_are("{\"roots\":{\"listChanged\":true},\"tasks\":{}}", "{\"roots\":{}}");
	caps_are("{\"elicitation\":{}}", "{\"elicitation\":{\"form\":{}}}");
	caps_are("{\"elicitation\":{\"url\":{}}}", "{\"elicitation\":{\"url\":{}}}");
	caps_are(
	    "{\"sampling\":{\"tools\":{},\"context\":{}},\"elicitation\":{\"url\":{},\"form\":{}}}",
	    "{\"sampling\":{\"tools\":{},\"context\":{}},\"elicitation\":{\"form\":{},\"url\":{}}"
	    "}");
	caps_are("{\"sampling\":true,\"roots\":null}", "{}");

	TEST("what a question needs");
	CHECK_EQ_I(peer_needs(STR("roots/list"), STR("{}")), PEER_ROOTS);
	CHECK_EQ_I(peer_needs(STR("sampling/createMessage"), STR("{\"tools\":[]}")),
	    PEER_SAMPLING | PEER_SAMPLING_TOOLS);
	CHECK_EQ_I(peer_needs(STR("elicitation/create"), STR("{}")), PEER_ELICIT_FORM);
	CHECK_EQ_I(
	    peer_needs(STR("elicitation/create"), STR("{\"mode\":\"url\"}")), PEER_ELICIT_URL);
	CHECK_EQ_I(peer_needs(STR("tools/call"), STR("{}")), 0);

	TEST("log levels");
	CHECK_EQ_I(peer_log_level(STR("\"debug\"")), 0);
	CHECK_EQ_I(peer_log_level(STR("\"emergency\"")), 7);
	CHECK_EQ_I(peer_log_level(STR("\"loud\"")), -1);
	CHECK_EQ_I(peer_log_level(STR("3")), -1);
	CHECK(peer_log_level(STR("\"emergency\"")) < PEER_LOG_NONE);
}

int
main(void)
{
	log_setup(LOG_LEVEL_ERROR, false);
	test_offers();
	test_uris();
	test_results();
	test_peer();
	return check_done();
}
