/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics - /metrics: what each folder counts, and one line on what every metric means.
 *
 * The folders write their own `# TYPE` lines; the `# HELP` line is put before them here, from the
 * one table that docs/metrics.md is made of (tests/b_docs.lua compares the two).
 */
#include <sys/resource.h>

#include "gateway/cli.h"
#include "gateway/gateway.h"
#include "gateway/webhook.h"

static const struct {
	const char *name, *help;
} texts[] = {
	{ "approvals_open", "Calls that wait for people now" },
	{ "approvals_total", "Approvals by what became of them" },
	{ "build_info", "1; the version is a label" },
	{ "connections", "Client connections open now" },
	{ "core_ready", "0: nothing governed is admitted, journal or database cannot be written" },
	{ "cost_nusd_total", "Settled cost in billionths of a US dollar, since the start" },
	{ "cpu_ms_total", "CPU time of the gateway's process, without children" },
	{ "draining", "1 after SIGTERM: no new connections" },
	{ "ends_total", "Passes that have left, by kind and how they ended" },
	{ "http_replies_total", "Replies by class of status" },
	{ "http_requests_total", "Requests, whatever became of them" },
	{ "keys_usable", "Virtual keys that are active, not expired, and have an owner" },
	{ "limit_buckets", "Counters of rate limits in memory" },
	{ "limit_waiting", "Calls that wait for a concurrency limit now" },
	{ "mcp_calls_total", "Tool calls that were admitted" },
	{ "mcp_refused_total", "Tool calls that were refused" },
	{ "mcp_server_calls_total", "Calls that went to this server" },
	{ "mcp_server_errors_total", "Of these, without an answer that is one" },
	{ "mcp_server_latency_ms", "How long the last call took" },
	{ "mcp_server_restarts_total",
	    "Child processes of this server that had to be started again" },
	{ "mcp_server_tools", "Tools that are served of this server" },
	{ "mcp_server_tools_changed", "Tools that are not as they were approved (mcp.lock)" },
	{ "mcp_server_tools_pending", "Tools that nobody has approved (mcp.lock)" },
	{ "mcp_server_tools_removed", "Approved tools that the server has no more" },
	{ "mcp_server_up", "1: the server is ready" },
	{ "mcp_sessions", "Sessions of legacy MCP clients" },
	{ "mcp_streams", "Open listen streams of MCP clients" },
	{ "memory_peak_bytes", "The most memory that was resident" },
	{ "passes_open", "Passes that have entered and not left" },
	{ "passes_total", "Passes by the gate's verdict" },
	{ "policies_current", "0: what is on the disk is not what is in force" },
	{ "policies_loaded_seconds", "When the policies in force were loaded, Unix time" },
	{ "policies_reloads_total", "Reloads; kept: the new files were wrong" },
	{ "policy_reload_failed", "1: the last reload found errors and changed nothing" },
	{ "policy_would_deny_total",
	    "Calls that a rule which is only observed would have refused" },
	{ "prefetched_tools_total", "Signatures that were put into model requests" },
	{ "providers_off", "Providers without a key" },
	{ "redacted_total", "What redact rules found" },
	{ "run_calls_total", "Calls that scripts made" },
	{ "run_cpu_us_total", "CPU time of scripts, by team" },
	{ "run_fixes_total", "Spellings of other languages that became Lua, by kind" },
	{ "run_kept_bytes_total", "Bytes that tools answered and no model was sent, by team" },
	{ "run_kept_tokens_estimate_total", "The same in tokens, estimated at 4 bytes" },
	{ "run_memory_kb_max", "The most memory that one script had resident, by team" },
	{ "runs_refused_total", "Scripts that were refused before they began" },
	{ "runs_total", "Scripts by how they ended" },
	{ "sandbox_ends_total", "Workers by how they ended" },
	{ "sandbox_idle", "Workers that are ready for a script" },
	{ "sandbox_level", "1; the level is a label: full, reduced, unavailable" },
	{ "sandbox_memory_bytes", "What running scripts may fill together, as admitted" },
	{ "sandbox_memory_total_bytes", "The most of that (sandbox: memory_total)" },
	{ "sandbox_queued", "Scripts that wait for a worker" },
	{ "sandbox_refill_ms_total", "Time that the pool's refilling took" },
	{ "sandbox_refills_total", "How often the pool was refilled" },
	{ "sandbox_running", "Scripts that run now" },
	{ "sandbox_workers_cpu_us_total", "CPU time of workers that have ended" },
	{ "sandbox_workers_total", "Workers that have ended" },
	{ "scribe_backlog_bytes", "Records that are in the journal and not in the database yet" },
	{ "tokens_total", "Tokens as providers counted them, by type" },
	{ "uptime_seconds", "Since the start" },
	{ "webhook_events_total", "Events by what became of them" },
	{ "webhook_waiting", "Events that wait for the webhook" },
};

/* `raw` with a HELP line before each TYPE line. */
static void
help_put(struct str raw, struct buf *out)
{
	while (raw.p != NULL && raw.n > 0) {
		struct str line = str_cut(&raw, '\n'), name = line;

		if (str_starts(line, STR("# TYPE tollgate_"))) {
			name = (struct str){ line.p + 7, line.n - 7 };
			name = str_cut(&name, ' ');
		}
		for (size_t i = 0; name.p != line.p && i < COUNT(texts); i++)
			if (str_eq((struct str){ name.p + 9, name.n - 9 }, str_of(texts[i].name)))
				buf_printf(
				    out, "# HELP " STR_FMT " %s\n", STR_ARG(name), texts[i].help);
		buf_put(out, line);
		buf_putc(out, '\n');
	}
}

static size_t
providers_off(const struct gateway *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->models.providers_n; i++)
		n += g->models.providers[i].origin == NULL;
	return n;
}

static void
process_metrics(struct gateway *g, struct buf *out)
{
	struct rusage use;

	buf_printf(out,
	    "# TYPE tollgate_build_info gauge\ntollgate_build_info{version=\"%s\"} 1\n"
	    "# TYPE tollgate_uptime_seconds gauge\ntollgate_uptime_seconds %lld\n"
	    "# TYPE tollgate_draining gauge\ntollgate_draining %d\n"
	    "# TYPE tollgate_providers_off gauge\ntollgate_providers_off %zu\n",
	    TOLLGATE_VERSION, (long long)((loop_mono_ms(g->loop) - g->started_ms) / 1000),
	    g->draining, providers_off(g));
	if (g->sandbox != NULL)
		sandbox_metrics(g->sandbox, out);
	else
		buf_puts(out, "# TYPE tollgate_sandbox_level gauge\n"
			      "tollgate_sandbox_level{level=\"unavailable\"} 1\n");
	if (getrusage(RUSAGE_SELF, &use) == 0)
		buf_printf(out,
		    "# TYPE tollgate_memory_peak_bytes gauge\ntollgate_memory_peak_bytes %lld\n"
		    "# TYPE tollgate_cpu_ms_total counter\ntollgate_cpu_ms_total %lld\n",
		    (long long)use.ru_maxrss * 1024,
		    (long long)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
			(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000);
}

void
metrics_reply(struct exchange *x)
{
	struct gateway *g = x->g;
	struct buf b, out;

	buf_init(&b, 0);
	buf_init(&out, 0);
	buf_printf(&b,
	    "# TYPE tollgate_http_requests_total counter\n"
	    "tollgate_http_requests_total %llu\n"
	    "# TYPE tollgate_http_replies_total counter\n",
	    (unsigned long long)g->requests);
	for (int i = 1; i < 6; i++)
		buf_printf(&b, "tollgate_http_replies_total{class=\"%dxx\"} %llu\n", i,
		    (unsigned long long)g->replies[i]);
	buf_printf(&b, "# TYPE tollgate_connections gauge\ntollgate_connections %zu\n",
	    listen_open(g->listeners));
	process_metrics(g, &b);
	core_metrics(g->core, &b);
	hub_metrics(g->hub, &b);
	webhook_metrics(g->webhook, &b);
	if (g->codemode != NULL)
		codemode_metrics(g->codemode, &b);
	help_put(buf_str(&b), &out);
	exchange_reply(x, 200, STR("text/plain; version=0.0.4"), buf_str(&out));
	buf_fini(&b);
	buf_fini(&out);
}
