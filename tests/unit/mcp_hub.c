/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub with real upstream processes: what is listed, what is called, whose bytes come back, and
 * that a server which is dead, slow, mute or wrong costs the others nothing.
 */
#include "tests/unit/mcp_world.h"

static const struct {
	const char *args;
} corpus[] = {
	{ "{}" },
	{ "{\"a\":9007199254740993,\"b\":-9223372036854775808,\"c\":"
	  "123456789012345678901234567890}" },
	{ "{\"a\":1.0,\"b\":1e3,\"c\":1E+2,\"d\":-0,\"e\":0.10}" },
	{ "{\"a\":\"x\\u0000y\",\"b\":\"\\ud83d\\ude00\",\"c\":\"\\/\\b\\f\"}" },
	{ "{ \"z\" : 1 ,\t\"a\" : [ ] , \"m\" : { } }" },
	{ "{\"deep\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}" },
	{ "{\"utf8\":\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\",\"t\":true,\"n\":null}" },
};

static void
bytes_are_kept(struct world *w)
{
	struct visitor v;
	struct buf b;

	TEST("arguments and results keep every byte");
	for (size_t i = 0; i < COUNT(corpus); i++) {
		buf_init(&b, 0);
		buf_printf(&b, "\"name\":\"demo__echo\",\"arguments\":%s,", corpus[i].args);
		modern(w, &v, &w->all, "tools/call", "demo__echo", buf_cstr(&b));
		UNTIL(w, v.ended, 3000);
		CHECK_EQ_I(v.status, 200);
		buf_reset(&b);
		buf_printf(&b, "\"structuredContent\":%s", corpus[i].args);
		if (!CHECK(has(&v, buf_cstr(&b))))
			check_print("reply", v.body.p, v.body.n);
		buf_fini(&b);
		visitor_fini(&v);
	}
	TEST("duplicate keys in arguments are refused");
	modern(w, &v, &w->all, "tools/call", "demo__echo",
	    "\"name\":\"demo__echo\",\"arguments\":{\"a\":1,\"\\u0061\":2},");
	CHECK(v.ended && v.status == 400 && has(&v, "-32600") && has(&v, "\"id\":\"q1\""));
	visitor_fini(&v);
}

static void
lists_and_calls(struct world *w)
{
	struct visitor v, u;
	int before = w->core.entered;

	TEST("discover is answered from memory");
	modern(w, &v, &w->all, "server/discover", NULL, "");
	CHECK(v.ended && v.status == 200 && has(&v, "\"supportedVersions\":[\"2026-07-28\"]"));
	visitor_fini(&v);

	TEST("a key lists what it may");
	modern(w, &v, &w->all, "tools/list", NULL, "");
	CHECK(v.ended && has(&v, "\"name\":\"demo__delete_note\"") && has(&v, "\"ttlMs\":") &&
	      has(&v, "\"cacheScope\":\"private\"") && has(&v, "\"resultType\":\"complete\""));
	visitor_fini(&v);
	modern(w, &v, &w->some, "tools/list", NULL, "");
	CHECK(has(&v, "demo__get_note") && !has(&v, "delete_note") && !has(&v, "list_orders"));
	visitor_fini(&v);

	TEST("a call goes through the gate and back");
	modern(w, &v, &w->some, "tools/call", "demo__get_note",
	    "\"name\":\"demo__get_note\",\"arguments\":{\"id\":\"n-1\"},");
	CHECK(!v.ended);
	UNTIL(w, v.ended, 3000);
	CHECK(has(&v, "Pasta night") && has(&v, "\"resultType\":\"complete\""));
	CHECK_EQ_S(w->core.last_name, "demo/get_note");
	CHECK_EQ_S(w->core.last_tool_use, "toolu_7");
	CHECK_EQ_S(w->core.last_session, "sess-9");
	CHECK_EQ_I(w->core.entered, before + 1);
	CHECK_EQ_I(w->core.left, w->core.entered);
	visitor_fini(&v);

	TEST("a forbidden and an unknown tool answer the same");
	modern(w, &v, &w->some, "tools/call", "demo__delete_note",
	    "\"name\":\"demo__delete_note\",\"arguments\":{\"id\":\"n-1\"},");
	modern(w, &u, &w->some, "tools/call", "demo__delete_nope",
	    "\"name\":\"demo__delete_nope\",\"arguments\":{\"id\":\"n-1\"},");
	CHECK_EQ_I(v.status, 200);
	CHECK_STR(buf_str(&v.body), "{\"jsonrpc\":\"2.0\",\"id\":\"q1\",\"error\":{\"code\":-32602,"
				    "\"message\":\"Unknown tool: demo__delete_note\"}}");
	CHECK_STR(buf_str(&u.body), "{\"jsonrpc\":\"2.0\",\"id\":\"q1\",\"error\":{\"code\":-32602,"
				    "\"message\":\"Unknown tool: demo__delete_nope\"}}");
	visitor_fini(&v);
	visitor_fini(&u);

	TEST("a listed tool that a rule refuses says so in its result");
	w->some.refuse = "demo/get_order";
	modern(w, &v, &w->some, "tools/call", "demo__get_order",
	    "\"name\":\"demo__get_order\",\"arguments\":{\"id\":\"o-1001\"},");
	CHECK(v.ended && v.status == 200 && has(&v, "denied by the test") &&
	      has(&v, "\"isError\":true") && has(&v, "\"resultType\""));
	w->some.refuse = NULL;
	visitor_fini(&v);

	TEST("a tool that fails is a result");
	modern(w, &v, &w->all, "tools/call", "demo__fail", "\"name\":\"demo__fail\",");
	UNTIL(w, v.ended, 3000);
	CHECK(has(&v, "this tool always fails") && has(&v, "\"isError\":true"));
	visitor_fini(&v);
	CHECK_EQ_I(w->core.ends[END_TOOL_ERROR], 1);

	TEST("a result past the cap fails its call, not the server");
	modern(w, &v, &w->all, "tools/call", "demo__huge", "\"name\":\"demo__huge\",");
	UNTIL(w, v.ended, 10000);
	CHECK(has(&v, "too large") && has(&v, "\"isError\":true"));
	visitor_fini(&v);
	modern(w, &v, &w->all, "tools/call", "demo__get_note",
	    "\"name\":\"demo__get_note\",\"arguments\":{\"id\":\"n-2\"},");
	UNTIL(w, v.ended, 3000);
	CHECK(has(&v, "Sourdough"));
	visitor_fini(&v);
	CHECK_EQ_I(w->core.left, w->core.entered);
}

static void
changes_are_told(struct world *w)
{
	struct visitor l, v, o;

	TEST("a listener is told of a new tool, with its id");
	modern(w, &l, &w->all, "subscriptions/listen", NULL,
	    "\"notifications\":{\"toolsListChanged\":true},");
	modern(w, &o, &w->some, "subscriptions/listen", NULL,
	    "\"notifications\":{\"toolsListChanged\":true},");
	CHECK(l.status == 200 && !l.ended && has(&l, "subscriptions/acknowledged") &&
	      has(&l, "/subscriptionId\":\"q1\""));
	modern(w, &v, &w->all, "tools/call", "demo__add_tool", "\"name\":\"demo__add_tool\",");
	UNTIL(w, v.ended, 3000);
	UNTIL(w, has(&l, "tools/list_changed"), 3000);
	CHECK(!has(&o, "list_changed"));
	visitor_fini(&v);
	modern(w, &v, &w->all, "tools/list", NULL, "");
	CHECK(has(&v, "demo__late_tool"));
	visitor_fini(&v);

	TEST("a dead key's stream ends and its call is told why");
	modern(w, &v, &w->some, "tools/call", "demo__get_note",
	    "\"name\":\"demo__get_note\",\"arguments\":{\"id\":\"n-1\"},");
	key_kill(&w->core, &w->some);
	UNTIL(w, v.ended && o.ended, 1000);
	CHECK_EQ_I(v.status, 401);
	CHECK(!l.ended);
	CHECK_EQ_I(w->core.left, w->core.entered);
	w->some.dead = false;
	visitor_fini(&v);
	visitor_fini(&o);
	TEST("a client that goes away ends its stream");
	visitor_fini(&l);
	CHECK(link_empty(&w->all.watches));
}

static void
cancelled_calls(struct world *w)
{
	struct visitor v;

	TEST("a modern client that goes away cancels its call");
	modern(w, &v, &w->all, "tools/call", "demo__sleep",
	    "\"name\":\"demo__sleep\",\"arguments\":{\"ms\":50},");
	for (int i = 0; i < 3; i++)
		loop_turn(w->loop);
	CHECK(mcp_gone(w->hub, &v.root));
	visitor_fini(&v);
	CHECK(!v.ended);
	CHECK_EQ_I(w->core.left, w->core.entered);
	CHECK_EQ_I(w->core.ends[END_CANCELLED], 1);
	modern(w, &v, &w->all, "tools/call", "demo__get_note",
	    "\"name\":\"demo__get_note\",\"arguments\":{\"id\":\"n-3\"},");
	UNTIL(w, v.ended, 3000);
	CHECK(has(&v, "Quarterly"));
	visitor_fini(&v);
}

static const char *const clean_env[] = { "PATH=/usr/bin:/bin", NULL };

static void
one_good_server(void)
{
	struct world w;
	const char *argv[] = { w.demo, "--extra", NULL };
	struct server_settings s = { .name = "demo", .argv = argv, .env = clean_env };

	world_init(&w);
	world_hub(&w, &s, 1);
	hub_start(w.hub);
	TEST("the demo server is ready");
	UNTIL(&w, hub_find_tool(w.hub, STR("demo__get_note")) != NULL, 5000);
	CHECK(hub_find_tool(w.hub, STR("demo/get_note")) != NULL);
	CHECK(hub_find_tool(w.hub, STR("demo.get_note")) != NULL);
	CHECK(hub_find_tool(w.hub, STR("get_note")) == NULL);
	CHECK(hub_find_tool(w.hub, STR("demo.get_note"))->readonly);
	CHECK(hub_find_tool(w.hub, STR("demo.delete_note"))->destructive);
	lists_and_calls(&w);
	bytes_are_kept(&w);
	cancelled_calls(&w);
	changes_are_told(&w);
	world_free(&w);
}

static void
legacy_session(struct world *w)
{
	static const char init[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
	    "\"protocolVersion\":\"2025-06-18\",\"capabilities\":{}}}";
	const char *h[] = { "mcp-session-id", "", "mcp-protocol-version", "2025-06-18", NULL };
	struct visitor v, g, c;
	char id[1024];

	TEST("initialize makes a session");
	visit(w, &v, &w->all, "POST", NULL, str_of(init));
	CHECK(v.status == 200 && has(&v, "\"protocolVersion\":\"2025-06-18\"") &&
	      has(&v, "\"id\":0") && v.session[0] != '\0');
	(void)str_copy(id, sizeof(id), str_of(v.session));
	h[1] = id;
	visitor_fini(&v);

	TEST("without a session 400, with a stranger's 404");
	visit(w, &v, &w->all, "POST", NULL,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}"));
	CHECK(v.status == 400 && has(&v, "\"id\":1"));
	visitor_fini(&v);
	visit(
	    w, &v, &w->some, "POST", h, STR("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"));
	CHECK_EQ_I(v.status, 404);
	visitor_fini(&v);

	TEST("ping, notifications, list, unknown method");
	visit(
	    w, &v, &w->all, "POST", h, STR("{\"jsonrpc\":\"2.0\",\"id\":-5,\"method\":\"ping\"}"));
	CHECK_STR(buf_str(&v.body), "{\"jsonrpc\":\"2.0\",\"id\":-5,\"result\":{}}");
	visitor_fini(&v);
	visit(w, &v, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"));
	CHECK(v.status == 202 && v.body.n == 0);
	visitor_fini(&v);
	visit(w, &v, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":9007199254740993,\"method\":\"tools/list\"}"));
	CHECK(v.status == 200 && has(&v, "\"id\":9007199254740993") && has(&v, "demo__get_note"));
	visitor_fini(&v);
	visit(w, &v, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tasks/list\"}"));
	CHECK(v.status == 200 && has(&v, "-32601"));
	visitor_fini(&v);
	visit(w, &v, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"logging/setLevel\",\"params\":{"
		"\"level\":\"loud\"}}"));
	CHECK(v.status == 200 && has(&v, "-32602"));
	visitor_fini(&v);

	TEST("a legacy call goes on when its client is gone, and can be cancelled");
	visit(w, &v, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":\"c\",\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"demo__hang\",\"arguments\":{}}}"));
	CHECK(v.ended && has(&v, "Unknown tool"));
	visitor_fini(&v);
	visit(w, &v, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":\"c\",\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"demo__sleep\",\"arguments\":{\"ms\":300}}}"));
	CHECK(!v.ended && !mcp_gone(w->hub, &v.root));
	visit(w, &c, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		"\"requestId\":\"c\"}}"));
	CHECK_EQ_I(c.status, 202);
	CHECK(v.ended && has(&v, "-32800"));
	visitor_fini(&v);
	visitor_fini(&c);

	TEST("a batch is refused in 2025-06-18");
	visit(
	    w, &v, &w->all, "POST", h, STR("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]"));
	CHECK_EQ_I(v.status, 400);
	visitor_fini(&v);

	TEST("the GET stream tells of changes, DELETE ends it");
	visit(w, &g, &w->all, "GET", h, STR(""));
	CHECK(g.status == 200 && !g.ended);
	visit(w, &v, &w->all, "POST", h,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"demo__add_tool\"}}"));
	UNTIL(w, v.ended && has(&g, "list_changed"), 5000);
	visitor_fini(&v);
	visit(w, &v, &w->all, "DELETE", h, STR(""));
	CHECK_EQ_I(v.status, 204);
	CHECK(g.ended);
	visitor_fini(&v);
	visitor_fini(&g);
	visit(w, &v, &w->all, "POST", h, STR("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"));
	CHECK_EQ_I(v.status, 404);
	visitor_fini(&v);
}

static void
batches(struct world *w)
{
	static const char init[] =
	    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{"
	    "\"protocolVersion\":\"2025-03-26\",\"capabilities\":{}}}";
	const char *h[] = { "mcp-session-id", "", NULL };
	struct visitor v;
	char id[1024];

	TEST("a batch works in 2025-03-26");
	visit(w, &v, &w->all, "POST", NULL, str_of(init));
	(void)str_copy(id, sizeof(id), str_of(v.session));
	h[1] = id;
	visitor_fini(&v);
	visit(w, &v, &w->all, "POST", h,
	    STR("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},"
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"},"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"demo__get_note\",\"arguments\":{\"id\":\"n-1\"}}}]"));
	UNTIL(w, v.ended, 3000);
	CHECK(v.body.n > 2 && v.body.p[0] == '[' && v.body.p[v.body.n - 1] == ']');
	CHECK(has(&v, "\"id\":1,\"result\":{}") && has(&v, "Pasta"));
	visitor_fini(&v);
}

static void
a_legacy_server(const char *flag)
{
	struct world w;
	const char *argv[] = { w.demo, "--extra", flag, "--page", "2", NULL };
	struct server_settings s = { .name = "demo", .argv = argv, .env = clean_env };

	world_init(&w);
	world_hub(&w, &s, 1);
	hub_start(w.hub);
	TEST("a server of the legacy era is listed, page by page");
	UNTIL(&w, hub_find_tool(w.hub, STR("demo__add_tool")) != NULL, 5000);
	legacy_session(&w);
	batches(&w);
	bytes_are_kept(&w);
	CHECK_EQ_I(w.core.left, w.core.entered);
	world_free(&w);
}

static void
idle_sessions(void)
{
	static const char init[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\"}";
	struct hub_settings s = { .session_idle_ms = 60, .version = "test" };
	const char *h[] = { "mcp-session-id", "", NULL };
	struct world w;
	struct visitor v, g;
	struct err e;
	char id[1024];

	world_init(&w);
	w.hub = hub_new(w.loop, &w.core, w.pool, &s, &e);
	TEST("an idle session ends, one with an open stream does not");
	visit(&w, &v, &w.all, "POST", NULL, str_of(init));
	(void)str_copy(id, sizeof(id), str_of(v.session));
	h[1] = id;
	visitor_fini(&v);
	CHECK(strlen(id) > 40 && strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					    "0123456789-_") == strlen(id));
	visit(&w, &g, &w.all, "GET", h, STR(""));
	for (int64_t t = loop_mono_ms(w.loop) + 200; loop_mono_ms(w.loop) < t;)
		loop_turn(w.loop);
	CHECK(!g.ended);
	visit(&w, &v, &w.all, "POST", h, STR("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"));
	CHECK_EQ_I(v.status, 200);
	visitor_fini(&v);
	visitor_fini(&g);
	for (int64_t t = loop_mono_ms(w.loop) + 300; loop_mono_ms(w.loop) < t;)
		loop_turn(w.loop);
	visit(&w, &v, &w.all, "POST", h, STR("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"));
	CHECK_EQ_I(v.status, 404);
	visitor_fini(&v);

	TEST("a dead key's session is gone, its stream ended");
	visit(&w, &v, &w.all, "POST", NULL, str_of(init));
	(void)str_copy(id, sizeof(id), str_of(v.session));
	visitor_fini(&v);
	visit(&w, &g, &w.all, "GET", h, STR(""));
	key_kill(&w.core, &w.all);
	CHECK(g.ended && link_empty(&w.all.watches));
	visitor_fini(&g);
	world_free(&w);
}

/* Good servers between bad ones: each is listed and called while the others fail. */
static void
bad_company(void)
{
	struct world w;
	const char *good[] = { w.demo, NULL };
	const char *mute[] = { w.demo, "--mute", NULL };
	const char *hang[] = { w.demo, "--hang", NULL };
	const char *hang_list[] = { w.demo, "--hang-list", NULL };
	const char *die[] = { w.demo, "--die-call", NULL };
	const char *broken[] = { w.demo, "--malformed", NULL };
	const char *bad_list[] = { w.demo, "--bad-list", NULL };
	const char *garbage[] = { w.demo, "--garbage", "--legacy", NULL };
	const char *absent[] = { "/nonexistent/server", NULL };
	struct server_settings s[] = {
		{ .name = "absent", .argv = absent, .env = clean_env },
		{ .name = "mute", .argv = mute, .env = clean_env, .connect_ms = 300 },
		{ .name = "hang", .argv = hang, .env = clean_env, .call_ms = 300, .list_ms = 300 },
		{ .name = "hanglist", .argv = hang_list, .env = clean_env, .list_ms = 200 },
		{ .name = "die", .argv = die, .env = clean_env },
		{ .name = "broken", .argv = broken, .env = clean_env },
		{ .name = "badlist", .argv = bad_list, .env = clean_env },
		{ .name = "garbage", .argv = garbage, .env = clean_env },
		{ .name = "off", .argv = good, .disabled = "TOKEN is not set" },
		{ .name = "dark", .url = "http://127.0.0.1:9/mcp" },
		{ .name = "good", .argv = good, .env = clean_env },
	};
	struct visitor v, slow;
	struct buf b;

	world_init(&w);
	world_hub(&w, s, COUNT(s));
	hub_start(w.hub);
	TEST("good servers are ready whatever the others do");
	UNTIL(&w, hub_find_tool(w.hub, STR("good__get_note")) != NULL, 3000);
	UNTIL(&w, hub_find_tool(w.hub, STR("garbage__get_note")) != NULL, 3000);
	UNTIL(&w, hub_find_tool(w.hub, STR("die__get_note")) != NULL, 3000);
	UNTIL(&w, hub_find_tool(w.hub, STR("broken__get_note")) != NULL, 3000);
	UNTIL(&w, hub_settled(w.hub), 5000);

	TEST("a malformed tool is repaired or left out, alone");
	modern(&w, &v, &w.all, "tools/list", NULL, "");
	CHECK(has(&v, "{\"name\":\"broken__no_schema\",\"inputSchema\":{\"type\":\"object\"}}"));
	CHECK(has(&v, "{\"name\":\"broken__no_type\",\"inputSchema\":{\"type\":\"object\","
		      "\"properties\":{}}}"));
	CHECK(has(&v, "{\"name\":\"broken__bad_annotation\",\"annotations\":{\"title\":\"kept\"},"
		      "\"inputSchema\":{\"type\":\"object\"}}"));
	CHECK(has(&v, "{\"name\":\"broken__odd_name__n_\","));
	CHECK(has(&v, "{\"name\":\"broken__bad_text\",\"inputSchema\""));
	CHECK(!has(&v, "bad_schema") && !has(&v, "dup_key") && !has(&v, "\"name\":\"broken__\""));
	CHECK(has(&v, "broken__twice") && !has(&v, "broken__twice_"));
	CHECK(!has(&v, "off__") && !has(&v, "dark__") && !has(&v, "mute__"));
	visitor_fini(&v);

	TEST("a hanging call and a dying server touch nobody else");
	modern(&w, &slow, &w.all, "tools/call", "hang__get_note", "\"name\":\"hang__get_note\",");
	modern(&w, &v, &w.all, "tools/call", "die__get_note", "\"name\":\"die__get_note\",");
	UNTIL(&w, v.ended, 3000);
	CHECK(v.status == 200 && has(&v, "\"isError\":true") && has(&v, "die is down"));
	visitor_fini(&v);
	modern(&w, &v, &w.all, "tools/call", "good__get_note",
	    "\"name\":\"good__get_note\",\"arguments\":{\"id\":\"n-1\"},");
	UNTIL(&w, v.ended, 1000);
	CHECK(has(&v, "Pasta") && !slow.ended);
	visitor_fini(&v);
	UNTIL(&w, slow.ended, 3000);
	CHECK(has(&slow, "in time") && has(&slow, "\"isError\":true"));
	visitor_fini(&slow);
	CHECK_EQ_I(w.core.ends[END_TIMEOUT], 1);

	TEST("a server that died comes back by itself");
	for (int64_t until = loop_mono_ms(w.loop) + 3000; loop_mono_ms(w.loop) < until;) {
		buf_init(&b, 0);
		hub_servers_json(w.hub, &b);
		if (strstr(
			buf_cstr(&b), "\"name\":\"die\",\"wire\":\"stdio\",\"state\":\"ready\"")) {
			buf_fini(&b);
			break;
		}
		buf_fini(&b);
		loop_turn(w.loop);
	}
	buf_init(&b, 0);
	hub_servers_json(w.hub, &b);
	CHECK(strstr(buf_cstr(&b), "\"name\":\"die\",\"wire\":\"stdio\",\"state\":\"ready\"") !=
	      NULL);
	CHECK(strstr(buf_cstr(&b), "\"name\":\"mute\",\"wire\":\"stdio\",\"state\":\"ready\"") ==
	      NULL);
	CHECK(strstr(buf_cstr(&b), "TOKEN is not set") != NULL);
	buf_fini(&b);
	CHECK_EQ_I(w.core.left, w.core.entered);
	world_free(&w);
}

int
main(void)
{
	one_good_server();
	a_legacy_server("--legacy");
	a_legacy_server("--die-probe");
	idle_sessions();
	bad_company();
	return check_done();
}
