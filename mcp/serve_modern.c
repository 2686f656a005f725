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
	buf_puts(&b, "{\"supportedVersions\":[\"" ERA_MODERN_VERSION "\"],");
	serve_put_self(v, &b);
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
	static const struct {
		struct str name;
		unsigned bit;
	} flags[] = { { STR("toolsListChanged"), STREAM_TOOLS },
		{ STR("promptsListChanged"), STREAM_PROMPTS },
		{ STR("resourcesListChanged"), STREAM_RESOURCES } };
	struct str notifications, flag, uris = STR_NONE;
	unsigned wanted = 0;

	if (!json_get(m->params, STR("notifications"), &notifications) ||
	    json_kind(notifications) != JSON_OBJECT) {
		reply_error(v, 400, m->id, RPC_PARAMS, "params.notifications must be an object");
		return;
	}
	for (size_t i = 0; i < COUNT(flags); i++) {
		bool on = false;

		if (json_get(notifications, flags[i].name, &flag) && !json_bool(flag, &on)) {
			reply_error(v, 400, m->id, RPC_PARAMS,
			    "the flags of params.notifications must be true or false");
			return;
		}
		wanted |= on ? flags[i].bit : 0;
	}
	if (json_get(notifications, STR("resourceSubscriptions"), &uris) &&
	    json_kind(uris) != JSON_ARRAY) {
		reply_error(v, 400, m->id, RPC_PARAMS, "resourceSubscriptions must be a list");
		return;
	}
	stream_open(v, m->id, NULL, wanted, uris);
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
	else if (rpc_is(m, "subscriptions/listen"))
		listen_open(v, m);
	else if (!serve_list(v, m) && !serve_call(v, m))
		reply_error(v, 404, m->id, RPC_METHOD, "method not found");
}
