/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_modern - 2026-07-28: no handshake, no session, each request alone.
 *
 * server/discover is answered from memory, whatever the servers do: Claude Code demotes a whole
 * session to the legacy era when it is refused once or takes five seconds.
 */
#include "mcp/serve.h"

#define DISCOVER_TTL_MS 60000

static void
discover(struct visit *v, const struct rpc *m)
{
	struct buf b;

	buf_init(&b, 65536);
	buf_puts(&b, "{\"supportedVersions\":[\"" ERA_MODERN_VERSION
		     "\"],\"capabilities\":{\"tools\":{\"listChanged\":true}},\"instructions\":");
	buf_json_str(&b, STR(SERVE_INSTRUCTIONS));
	buf_printf(&b,
	    ",\"resultType\":\"complete\",\"ttlMs\":%d,\"cacheScope\":\"private\",\"_meta\":{"
	    "\"" META_SERVER "\":{\"name\":\"tollgate\",\"version\":",
	    DISCOVER_TTL_MS);
	buf_json_str(&b, str_of(v->hub->version));
	buf_puts(&b, "}}}");
	reply_result(v, m->id, buf_str(&b));
	buf_fini(&b);
}

static void
listen_open(struct visit *v, const struct rpc *m)
{
	struct str wanted, flag;
	bool tools = false;

	if (!json_get(m->params, STR("notifications"), &wanted) ||
	    json_kind(wanted) != JSON_OBJECT) {
		reply_error(v, 400, m->id, RPC_PARAMS, "params.notifications must be an object");
		return;
	}
	if (json_get(wanted, STR("toolsListChanged"), &flag) && !json_bool(flag, &tools)) {
		reply_error(v, 400, m->id, RPC_PARAMS, "toolsListChanged must be true or false");
		return;
	}
	stream_open(v, m->id, NULL, tools);
}

static void
verdict_refuse(struct visit *v, const struct rpc *m, const struct era_verdict *verdict)
{
	struct buf data, b;

	buf_init(&data, 65536);
	buf_init(&b, 65536);
	if (verdict->say_supported) {
		buf_puts(&data, "{\"supported\":[\"" ERA_MODERN_VERSION "\"],\"requested\":");
		buf_put(&data, verdict->requested_raw);
		buf_putc(&data, '}');
	}
	rpc_put_error(&b, m->id, verdict->code, str_of(verdict->text),
	    buf_ok(&data) ? buf_str(&data) : STR(""));
	reply_json(v, verdict->status, buf_str(&b), STR(""));
	buf_fini(&data);
	buf_fini(&b);
}

void
serve_modern(struct visit *v, const struct rpc *m, const struct era_verdict *verdict)
{
	v->structural_400 = true;
	if (verdict->code != 0)
		verdict_refuse(v, m, verdict);
	else if (m->kind == RPC_IS_NOTIFICATION)
		reply_none(v, 202);
	else if (m->kind != RPC_IS_REQUEST)
		reply_error(v, 400, m->id, RPC_REQUEST, "clients send requests and notifications");
	else if (rpc_is(m, "server/discover"))
		discover(v, m);
	else if (rpc_is(m, "tools/list"))
		serve_tools_list(v, m);
	else if (rpc_is(m, "tools/call"))
		serve_tools_call(v, m);
	else if (rpc_is(m, "subscriptions/listen"))
		listen_open(v, m);
	else
		reply_error(v, 404, m->id, RPC_METHOD, "method not found");
}
