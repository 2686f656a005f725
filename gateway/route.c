/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - one table: path, method, what the listener must serve, handler, dialect of the errors.
 *
 * HEAD on anything is answered 200 without a key: clients warm their connections with it.  Paths
 * under /.well-known are 404 like every other unknown one, so that no client starts an OAuth flow
 * here, unless there is an identity provider (identity.c).
 */
#include <string.h>

#include "gateway/identity.h"

struct row {
	const char *path; /* a trailing slash stands for everything below */
	const char *method;
	int serves;
	const struct dialect *dialect;
	const struct endpoint *endpoint; /* what proxy_run() is to do */
	void (*handle)(struct exchange *x);
};

static void mcp_endpoint(struct exchange *x);
static void no_websocket(struct exchange *x);

// clang-format off
static const struct row rows[] = {
	{ "/anthropic/v1/messages",                 "POST", SERVES_MODEL,   &dialect_anthropic, &anthropic_messages,     proxy_run },
	{ "/anthropic/v1/messages/count_tokens",    "POST", SERVES_MODEL,   &dialect_anthropic, &anthropic_count_tokens, proxy_run },
	{ "/anthropic/v1/models",                   "GET",  SERVES_MODEL,   &dialect_anthropic, NULL,                    models_list },
	{ "/v1/messages",                           "POST", SERVES_MODEL,   &dialect_anthropic, &anthropic_messages,     proxy_run },
	{ "/v1/messages/count_tokens",              "POST", SERVES_MODEL,   &dialect_anthropic, &anthropic_count_tokens, proxy_run },
	{ "/v1/models",                             "GET",  SERVES_MODEL,   &dialect_anthropic, NULL,                    models_list },
	{ "/openai/v1/chat/completions",            "POST", SERVES_MODEL,   &dialect_openai,    &openai_chat,            proxy_run },
	{ "/openai/v1/responses",                   "POST", SERVES_MODEL,   &dialect_responses, &openai_responses,       proxy_run },
	{ "/openai/v1/responses",                   "GET",  SERVES_MODEL,   &dialect_responses, NULL,                    no_websocket },
	{ "/openai/v1/embeddings",                  "POST", SERVES_MODEL,   &dialect_openai,    &openai_embeddings,      proxy_run },
	{ "/openai/v1/models",                      "GET",  SERVES_MODEL,   &dialect_openai,    NULL,                    models_list },
	{ "/genai/v1beta/models/",                  "POST", SERVES_MODEL,   &dialect_genai,     NULL,                    genai_call },
	{ "/mcp",                                   "*",    SERVES_MCP,     &dialect_rpc,       NULL,                    mcp_endpoint },
	{ "/mcp/v/",                                "*",    SERVES_MCP,     &dialect_rpc,       NULL,                    mcp_endpoint },
	{ "/.well-known/oauth-protected-resource",  "GET",  SERVES_MCP,     &dialect_plain,     NULL,                    identity_metadata },
	{ "/.well-known/oauth-protected-resource/", "GET",  SERVES_MCP,     &dialect_plain,     NULL,                    identity_metadata },
	{ "/oauth/sign-in/",                        "*",    SERVES_MCP,     &dialect_plain,     NULL,                    sign_in_page },
	{ SIGN_IN_RETURN,                           "GET",  SERVES_MCP,     &dialect_plain,     NULL,                    sign_in_return },
	{ "/v1/quota",                              "GET",  SERVES_MODEL | SERVES_MCP, &dialect_plain,     NULL,                    me_quota },
	{ "/me",                                    "GET",  SERVES_MODEL | SERVES_MCP, &dialect_plain,     NULL,                    me_all },
	{ "/codemode/stubs.lua",                    "GET",  SERVES_MODEL | SERVES_MCP, &dialect_plain,     NULL,                    stubs_lua },
	{ "/approvals/",                            "*",    SERVES_MODEL | SERVES_MCP | SERVES_ADMIN, &dialect_plain, NULL,             approvals_endpoint },
	{ "/healthz",                               "GET",  -1,             &dialect_plain,     NULL,                    status_health },
	{ "/readyz",                                "GET",  -1,             &dialect_plain,     NULL,                    status_ready },
	{ "/metrics",                               "GET",  SERVES_METRICS, &dialect_plain,     NULL,                    metrics_reply },
	{ "/admin/api/",                            "*",    SERVES_CONTROL | SERVES_ADMIN, &dialect_plain,     NULL,                    control_request },
};
// clang-format on

static bool
path_is(const struct row *r, struct str path)
{
	struct str want = str_of(r->path);

	if (want.p[want.n - 1] == '/' && want.n > 1)
		return str_starts(path, want);
	if (path.n == want.n + 1 && path.p[want.n] == '/')
		path.n--;
	return str_eq(path, want);
}

/* What a web page must not reach: see origin.c. */
static bool
guarded(const struct row *r)
{
	return r->dialect == &dialect_rpc || str_starts(str_of(r->path), STR("/admin")) ||
	       str_starts(str_of(r->path), STR("/oauth/")) ||
	       str_starts(str_of(r->path), STR("/approvals/"));
}

const struct dialect *
route_dialect(struct str target)
{
	struct str path = str_cut(&target, '?');

	for (size_t i = 0; i < COUNT(rows); i++)
		if (path_is(&rows[i], path))
			return rows[i].dialect;
	return str_starts(path, STR("/anthropic/")) ? &dialect_anthropic
	       : str_starts(path, STR("/openai/"))  ? &dialect_openai
	       : str_starts(path, STR("/genai/"))   ? &dialect_genai
						    : &dialect_plain;
}

static bool
mcp_gone_on(struct exchange *x)
{
	return !mcp_gone(x->g->hub, &x->job);
}

/* Codex tries a websocket first; this answer sends it to POST at once. */
static void
no_websocket(struct exchange *x)
{
	exchange_reply(x, 426, STR("application/json"),
	    STR("{\"error\":{\"message\":\"websockets are not served (use POST)\","
		"\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"));
}

static void
mcp_endpoint(struct exchange *x)
{
	struct str view = STR("");

	if (!exchange_identify(x))
		return;
	if (str_starts(x->path, STR("/mcp/v/")))
		view = (struct str){ x->path.p + 7, x->path.n - 7 };
	x->gone = mcp_gone_on;
	mcp_serve(x->g->hub, &x->job,
	    &(struct mcp_request){ .key = x->key,
		.method = x->head->method,
		.head = x->head,
		.body = x->body,
		.peer = x->client,
		.view = view },
	    &x->sink);
}

void
route(struct exchange *x)
{
	const struct row *found = NULL;
	struct err e;

	if (str_eq(x->head->method, STR("HEAD"))) {
		exchange_reply(x, 200, STR("text/plain"), STR(""));
		return;
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];

		if (!path_is(r, x->path) || (r->serves & conn_tag(x->conn)) == 0)
			continue;
		found = r;
		if (guarded(r) && !origin_allowed(x, &e)) {
			exchange_refuse(x, &e);
			return;
		}
		if (origin_preflight(x))
			return;
		if (str_eq(x->head->method, str_of(r->method)) || strcmp(r->method, "*") == 0) {
			x->endpoint = r->endpoint;
			r->handle(x);
			return;
		}
	}
	if (found != NULL)
		(void)err_set(&e, ERR_METHOD, "%s takes %s", found->path, found->method);
	else if (str_starts(x->path, STR("/v1/v1/")) ||
		 str_starts(x->path, STR("/anthropic/v1/v1/")) ||
		 str_starts(x->path, STR("/openai/v1/v1/")))
		(void)err_set(
		    &e, ERR_NOT_FOUND, "nothing is served here (the base URL must not end in /v1)");
	else
		(void)err_set(&e, ERR_NOT_FOUND, "nothing is served at this path");
	exchange_refuse(x, &e);
}
