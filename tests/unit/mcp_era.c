/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client of either era is told when it does not keep to its protocol: the order of the
 * checks, HTTP statuses, codes, and the id in every answer.
 */
#include "mcp/era.h"
#include "mcp/rpc.h"
#include "tests/unit/mcp_world.h"

#define V     "\"io.modelcontextprotocol/protocolVersion\":"
#define C     "\"io.modelcontextprotocol/clientCapabilities\":{}"
#define NEW   "\"2026-07-28\""
#define H_NEW "mcp-protocol-version", "2026-07-28"

static const struct refusal {
	const char *what, *body, *headers[12];
	int status;
	const char *has;
} refusals[] = {
	{ "modern header, no _meta", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}",
	    { H_NEW, "mcp-method", "tools/list" }, 400, "\"id\":7,\"error\":{\"code\":-32602" },
	{ "an unheard-of header alone", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}",
	    { "mcp-protocol-version", "v999" }, 400, "-32602" },
	{ "no capabilities",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"_meta\":{" V NEW
	    "}}}",
	    { H_NEW, "mcp-method", "tools/list" }, 400, "-32602" },
	{ "header and _meta differ",
	    "{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"tools/list\",\"params\":{\"_meta\":{" V
		NEW "," C "}}}",
	    { "mcp-protocol-version", "2025-11-25", "mcp-method", "tools/list" }, 400,
	    "\"id\":\"s\",\"error\":{\"code\":-32020" },
	{ "no version header",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"_meta\":{" V NEW
	    "," C "}}}",
	    { "mcp-method", "tools/list" }, 400, "-32020" },
	{ "a version we do not speak",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"_meta\":{" V
	    "\"v999.0.0\"," C "}}}",
	    { "mcp-protocol-version", "v999.0.0", "mcp-method", "tools/list" }, 400,
	    "{\"supported\":[\"2026-07-28\"],\"requested\":\"v999.0.0\"}" },
	{ "no Mcp-Method",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"_meta\":{" V NEW
	    "," C "}}}",
	    { H_NEW }, 400, "-32020" },
	{ "Mcp-Method in another case",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"_meta\":{" V NEW
	    "," C "}}}",
	    { H_NEW, "mcp-method", "Tools/List" }, 400, "-32020" },
	{ "Mcp-Name of another tool",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"a\","
	    "\"_meta\":{" V NEW "," C "}}}",
	    { H_NEW, "mcp-method", "tools/call", "mcp-name", "b" }, 400, "-32020" },
	{ "initialize in the modern era",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"initialize\",\"params\":{\"_meta\":{" V NEW
	    "," C "}}}",
	    { H_NEW, "mcp-method", "initialize" }, 404, "-32601" },
	{ "ping in the modern era",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{\"_meta\":{" V NEW "," C
	    "}}}",
	    { H_NEW, "mcp-method", "ping" }, 404, "-32601" },
	{ "not JSON", "{\"jsonrpc\":\"2.0\",", { NULL }, 400,
	    "\"id\":null,\"error\":{\"code\":-32700" },
	{ "bytes after the message", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}x",
	    { NULL }, 400, "-32700" },
	{ "an empty body", "", { NULL }, 400, "-32700" },
	{ "a null id", "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", { NULL }, 400,
	    "-32600" },
	{ "an object as id", "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", { NULL }, 400,
	    "-32600" },
	{ "a method twice, once escaped",
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"m\\u0065thod\":\"x\"}", { NULL },
	    400, "-32600" },
	{ "another JSON-RPC", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", { NULL }, 400,
	    "\"id\":1,\"error\":{\"code\":-32600" },
	{ "params as a list", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}",
	    { NULL }, 400, "-32600" },
	{ "a legacy request without a session",
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
	    { "origin", "http://localhost:3000" }, 400, "Mcp-Session-Id" },
	{ "a made-up session", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
	    { "mcp-session-id", "abc" }, 404, "\"id\":1" },
	{ "no name in a call",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/"
	    "call\",\"params\":{\"name\":1,\"_meta\":{" V NEW "," C "}}}",
	    { H_NEW, "mcp-method", "tools/call" }, 400, "-32602" },
	{ "a stale cursor",
	    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\",\"params\":{\"cursor\":\"1\","
	    "\"_meta\":{" V NEW "," C "}}}",
	    { H_NEW, "mcp-method", "tools/list" }, 400, "-32602" },
};

static void
refused(struct world *w)
{
	struct visitor v;

	for (size_t i = 0; i < COUNT(refusals); i++) {
		const struct refusal *r = &refusals[i];

		TEST(r->what);
		visit(w, &v, &w->all, "POST", r->headers, str_of(r->body));
		CHECK(v.ended);
		CHECK_EQ_I(v.status, r->status);
		if (!CHECK(has(&v, r->has)))
			check_print("reply", v.body.p, v.body.n);
		visitor_fini(&v);
	}
}

static void
taken(struct world *w)
{
	const char *spaces[] = { H_NEW, "mcp-method", "  tools/list\t", NULL };
	const char *sentinel[] = { H_NEW, "mcp-method", "tools/call", "mcp-name",
		"=?base64?w7xuw68=?=", NULL };
	const char *get[] = { H_NEW, NULL };
	struct visitor v;

	TEST("spaces around a header value do not count");
	visit(w, &v, &w->all, "POST", spaces,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"tools/list\",\"params\":{\"_meta\":{" V
		    NEW "," C "}}}"));
	CHECK(v.status == 200 && has(&v, "\"id\":0,\"result\":{\"tools\":[]"));
	visitor_fini(&v);
	TEST("a name in base64 is read");
	visit(w, &v, &w->all, "POST", sentinel,
	    STR("{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"\xc3\xbcn\xc3\xaf\",\"_meta\":{" V NEW "," C "}}}"));
	CHECK(v.status == 200 && has(&v, "Unknown tool: \xc3\xbcn\xc3\xaf"));
	visitor_fini(&v);
	TEST("the modern era has no GET");
	visit(w, &v, &w->all, "GET", get, STR(""));
	CHECK_EQ_I(v.status, 405);
	visitor_fini(&v);
	visit(w, &v, &w->all, "PUT", NULL, STR(""));
	CHECK_EQ_I(v.status, 405);
	visitor_fini(&v);
}

static void
ids(void)
{
	static const char *const raw[] = { "0", "-1", "1e3", "1.0", "9007199254740993", "\"\"",
		"\"\\u0000\"", "\"7\"", "123456789012345678901234567890" };
	struct buf text, back;
	struct rpc m;
	struct err e;

	TEST("an id goes back as it came");
	for (size_t i = 0; i < COUNT(raw); i++) {
		buf_init(&text, 0);
		buf_init(&back, 0);
		buf_printf(&text, "{\"method\":\"m\",\"id\": %s ,\"jsonrpc\":\"2.0\"}", raw[i]);
		CHECK(rpc_parse(buf_str(&text), true, &m, &e));
		CHECK_EQ_I(m.kind, RPC_IS_REQUEST);
		rpc_put_result(&back, m.id, STR("{}"));
		buf_reset(&text);
		buf_printf(&text, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}", raw[i]);
		CHECK_MEM(back.p, back.n, text.p, text.n);
		buf_fini(&text);
		buf_fini(&back);
	}
}

static void
probes(void)
{
	TEST("the era of an upstream");
	CHECK_EQ_I(era_after_probe(200, 0, STR("{\"supportedVersions\":[\"2026-07-28\"]}")),
	    ERA_IS_MODERN);
	CHECK_EQ_I(era_after_probe(0, -32601, STR_NONE), ERA_TRY_LEGACY);
	CHECK_EQ_I(era_after_probe(400, -32000, STR_NONE), ERA_TRY_LEGACY);
	CHECK_EQ_I(era_after_probe(400, 0, STR_NONE), ERA_TRY_LEGACY);
	CHECK_EQ_I(era_after_probe(404, 0, STR_NONE), ERA_TRY_LEGACY);
	CHECK_EQ_I(era_after_probe(503, 0, STR_NONE), ERA_OUTAGE);
	CHECK_EQ_I(era_after_probe(429, 0, STR_NONE), ERA_OUTAGE);
	CHECK_EQ_I(era_after_probe(401, 0, STR_NONE), ERA_REFUSED);
	CHECK_EQ_I(era_after_probe(403, 0, STR_NONE), ERA_REFUSED);
	CHECK_EQ_I(era_after_probe(200, 0, STR("{\"supportedVersions\":[\"2027-01-01\"]}")),
	    ERA_TRY_LEGACY);
}

int
main(void)
{
	struct world w;

	world_init(&w);
	world_hub(&w, NULL, 0);
	refused(&w);
	taken(&w);
	world_free(&w);
	ids();
	probes();
	return check_done();
}
