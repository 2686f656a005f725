/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hub - the servers, the built-ins and the clients' sessions of one gateway, from start to end.
 *
 *   hub_new() --> hub_add_builtin() --> hub_start(): every server connects --> hub_settled()
 *   hub_leave(): servers are asked to end, all at once, and have LEAVE_MS
 *   hub_free(): servers stopped, what is the hub's own cancelled, memory returned
 *
 * Calls are in call.c, the merged list in catalog.c, clients in serve.c.  What people look at
 * (`tollgate servers`, /metrics) is told here, because it is about all servers at once.
 */
#include "mcp/instance.h"
#include "mcp/oauth.h"
#include "mcp/updates.h"
#include "mcp/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mcp/child.h"
#include "mcp/serve.h"

#define RESULT_BYTES    ((size_t)10 << 20)
#define SERVER_NAME_MAX 40
#define LEAVE_MS        (2 * CHILD_WAIT_MS)

static const struct job_type hub_job = { "hub", NULL, NULL };

struct hub *
hub_new(struct loop *l, struct core *c, struct http_pool *p, const struct hub_settings *s,
    struct err *e)
{
	struct hub *h = mem_zalloc(sizeof(*h));
	bool ok = true;

	h->magic = HUB_MAGIC;
	h->loop = l;
	h->core = c;
	h->pool = p;
	h->generation = 1;
	h->session_idle_ms = s->session_idle_ms > 0 ? s->session_idle_ms : 1800000;
	h->listed = s->listed;
	h->listed_ctx = s->ctx;
	h->result_bytes_max = s->result_bytes_max > 0 ? s->result_bytes_max : RESULT_BYTES;
	(void)str_copy(
	    h->version, sizeof(h->version), str_of(s->version != NULL ? s->version : "0"));
	if (s->seal_key != NULL)
		memcpy(h->seal_key, s->seal_key, sizeof(h->seal_key));
	else
		crypto_random(h->seal_key, sizeof(h->seal_key));
	base62_random(h->boot, sizeof(h->boot) - 1);
	h->prefix = s->prefix;
	h->code_mode = s->code_mode != CODE_MODE_UNSAID ? s->code_mode : CODE_MODE_AUTO;
	h->pin = s->pin;
	h->keep = s->keep;
	h->declared = s->views;
	h->declared_n = s->views_n;
	map_init(&h->by_name);
	for (size_t i = 0; i < OFFER_KINDS; i++)
		map_init(&h->by_offer[i]);
	map_init(&h->views);
	map_init(&h->sessions);
	map_init(&h->parks);
	map_init(&h->subscribed);
	link_init(&h->session_list);
	link_init(&h->streams);
	link_init(&h->buried);
	link_init(&h->leaving_list);
	job_init(&h->job, &hub_job, NULL, NULL, NULL);
	h->servers = mem_zalloc((s->servers_n + 1) * sizeof(*h->servers));
	for (size_t i = 0; ok && i < s->servers_n; i++) {
		if (strlen(s->servers[i].name) > SERVER_NAME_MAX)
			ok = err_set(e, ERR_INVALID,
			    "server %.60s: the name is longer than %d bytes", s->servers[i].name,
			    SERVER_NAME_MAX);
		ok = ok && server_init(&h->servers[i], h, &s->servers[i], e);
		h->servers_n += ok;
		if (ok && s->servers[i].oauth != NULL)
			h->servers[i].oauth = oauth_new(&h->servers[i]);
	}
	if (!ok)
		hub_free(&h);
	return h;
}

void
hub_set_base_url(struct hub *h, const char *url)
{
	IS(h, HUB_MAGIC);
	(void)str_copy(h->base_url, sizeof(h->base_url), str_of(url));
}

void
hub_start(struct hub *h)
{
	IS(h, HUB_MAGIC);
	for (size_t i = 0; i < h->servers_n; i++)
		server_connect(&h->servers[i]);
}

static void
servers_stop(struct hub *h)
{
	h->leaving = true;
	sessions_free(h);
	for (size_t i = 0; i < h->servers_n; i++)
		server_stop(&h->servers[i]);
}

static void
leave_over(void *ctx)
{
	struct hub *h = ctx;
	void (*left)(void *ctx) = h->left;

	timer_stop(&h->leave);
	deferred_drop(&h->leave_soon);
	h->left = NULL;
	if (left != NULL)
		left(h->left_ctx);
}

void
hub_child_gone(struct hub *h)
{
	if (h->left != NULL && h->children_n == 0)
		loop_defer(h->loop, &h->leave_soon, leave_over, h);
}

void
hub_leave(struct hub *h, void (*left)(void *ctx), void *ctx)
{
	IS(h, HUB_MAGIC);
	ASSERT(h->left == NULL);
	servers_stop(h);
	h->left = left;
	h->left_ctx = ctx;
	timer_set(h->loop, &h->leave, LEAVE_MS, leave_over, h);
	hub_child_gone(h);
}

void
hub_free(struct hub **hp)
{
	struct hub *h = *hp;

	if (h == NULL)
		return;
	IS(h, HUB_MAGIC);
	h->left = NULL;
	servers_stop(h);
	job_cancel(&h->job);
	timer_stop(&h->leave);
	deferred_drop(&h->leave_soon);
	jobs_reap(); /* h->job is inside h */
	timer_stop(&h->bury);
	instances_reap(h);
	for (size_t i = 0; i < h->servers_n; i++)
		server_fini(&h->servers[i]);
	timer_stop(&h->retire);
	timer_stop(&h->notify);
	hub_views_drop(h);
	map_fini(&h->views);
	map_fini(&h->parks);
	updates_free(h);
	map_fini(&h->by_name);
	for (size_t i = 0; i < OFFER_KINDS; i++)
		map_fini(&h->by_offer[i]);
	while (h->retired_n > 0)
		toolset_free(&h->retired[--h->retired_n]);
	crypto_wipe(h->seal_key, sizeof(h->seal_key));
	free(h->servers);
	h->magic = 0;
	MEM_FREE(hp);
}

void
hub_add_builtin(struct hub *h, const struct builtin *b)
{
	IS(h, HUB_MAGIC);
	ASSERT(h->builtins_n < BUILTINS_MAX);
	h->builtins[h->builtins_n++] = *b;
	hub_changed(h);
}

void
hub_views_changed(struct hub *h)
{
	IS(h, HUB_MAGIC);
	hub_changed(h);
}

bool
hub_settled(const struct hub *h)
{
	for (size_t i = 0; i < h->servers_n; i++) {
		const struct server *sv = &h->servers[i];

		if (sv->state != SERVER_DISABLED && sv->state != SERVER_READY && sv->failures == 0)
			return false;
	}
	return true;
}

void
hub_servers_json(struct hub *h, struct buf *out)
{
	IS(h, HUB_MAGIC);
	buf_putc(out, '[');
	for (size_t i = 0; i < h->servers_n; i++) {
		const struct server *sv = &h->servers[i];
		const char *why =
		    sv->state == SERVER_DISABLED ? server_disabled_why(sv) : sv->failure;

		buf_puts(out, i > 0 ? ",{\"name\":" : "{\"name\":");
		buf_json_str(out, sv->name);
		buf_printf(out,
		    ",\"wire\":\"%s\",\"state\":\"%s\",\"era\":\"%s\",\"tools\":%zu,"
		    "\"pending\":%zu,\"changed\":%zu,\"removed\":%zu,"
		    "\"left_out\":%zu,\"in_flight\":%zu,\"calls\":%lld,\"errors\":%lld,"
		    "\"timeouts\":%lld,\"restarts\":%lld,\"latency_ms\":%lld,\"failures\":%d,"
		    "\"failure\":",
		    sv->type->name, server_state_word(sv),
		    sv->state != SERVER_READY ? ""
		    : sv->era == ERA_MODERN   ? ERA_MODERN_VERSION
					      : sv->version,
		    toolset_count(sv->tools), sv->pinned[TOOL_PENDING], sv->pinned[TOOL_CHANGED],
		    sv->pinned[TOOL_REMOVED], toolset_dropped(sv->seen), sv->upcalls_n,
		    (long long)sv->calls, (long long)sv->errors, (long long)sv->timeouts,
		    (long long)sv->restarts, (long long)sv->latency_ms, sv->failures);
		buf_json_str(out, str_of(why));
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

/* One sample per server. */
static void
servers_metric(
    struct hub *h, struct buf *out, const char *name, int64_t (*value)(const struct server *sv))
{
	for (size_t i = 0; i < h->servers_n; i++)
		buf_printf(out, "tollgate_mcp_server_%s{server=\"%s\"} %lld\n", name,
		    h->servers[i].s->name, (long long)value(&h->servers[i]));
}

static int64_t
is_up(const struct server *sv)
{
	return sv->state == SERVER_READY;
}

static int64_t
calls_of(const struct server *sv)
{
	return sv->calls;
}

static int64_t
errors_of(const struct server *sv)
{
	return sv->errors;
}

static int64_t
restarts_of(const struct server *sv)
{
	return sv->restarts;
}

static int64_t
latency_of(const struct server *sv)
{
	return sv->latency_ms;
}

static int64_t
tools_of(const struct server *sv)
{
	return (int64_t)toolset_count(sv->tools);
}

static int64_t
pending_of(const struct server *sv)
{
	return (int64_t)sv->pinned[TOOL_PENDING];
}

static int64_t
changed_of(const struct server *sv)
{
	return (int64_t)sv->pinned[TOOL_CHANGED];
}

static int64_t
removed_of(const struct server *sv)
{
	return (int64_t)sv->pinned[TOOL_REMOVED];
}

void
hub_metrics(struct hub *h, struct buf *out)
{
	static const struct {
		const char *name, *type;
		int64_t (*value)(const struct server *sv);
	} rows[] = { { "up", "gauge", is_up }, { "calls_total", "counter", calls_of },
		{ "errors_total", "counter", errors_of },
		{ "restarts_total", "counter", restarts_of }, { "latency_ms", "gauge", latency_of },
		{ "tools", "gauge", tools_of }, { "tools_pending", "gauge", pending_of },
		{ "tools_changed", "gauge", changed_of },
		{ "tools_removed", "gauge", removed_of } };

	IS(h, HUB_MAGIC);
	buf_printf(out,
	    "# TYPE tollgate_mcp_calls_total counter\ntollgate_mcp_calls_total %lld\n"
	    "# TYPE tollgate_mcp_refused_total counter\ntollgate_mcp_refused_total %lld\n"
	    "# TYPE tollgate_mcp_sessions gauge\ntollgate_mcp_sessions %zu\n"
	    "# TYPE tollgate_mcp_streams gauge\ntollgate_mcp_streams %zu\n",
	    (long long)h->calls, (long long)h->refused, h->sessions_n, h->streams_n);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_printf(out, "# TYPE tollgate_mcp_server_%s %s\n", rows[i].name, rows[i].type);
		servers_metric(h, out, rows[i].name, rows[i].value);
	}
}
