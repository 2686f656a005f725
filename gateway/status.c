/* SPDX-License-Identifier: Apache-2.0 */
/* status - liveness, readiness, metrics. */
#include <sys/resource.h>

#include "gateway/cli.h"
#include "gateway/gateway.h"
#include "gateway/webhook.h"

void
status_health(struct exchange *x)
{
	exchange_reply(x, 200, STR("text/plain"), STR("ok\n"));
}

static void
disabled_put(struct gateway *g, struct buf *out)
{
	bool first = true;

	buf_puts(out, ",\"disabled\":[");
	for (size_t i = 0; i < g->models.providers_n; i++) {
		struct provider *p = &g->models.providers[i];

		if (p->origin != NULL)
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		buf_puts(out, "{\"provider\":");
		buf_json_str(out, p->name);
		buf_puts(out, ",\"why\":");
		buf_json_str(out, p->missing);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

/* 200 when governed work is admitted; says at which level scripts are locked, and what is off. */
void
status_ready(struct exchange *x)
{
	struct gateway *g = x->g;
	enum sandbox_level level =
	    g->sandbox == NULL ? SANDBOX_UNAVAILABLE : sandbox_level(g->sandbox);
	struct buf b;
	struct err e;
	bool ready = !g->draining && core_ready(g->core, &e);

	if (g->draining)
		(void)err_set(&e, ERR_OVERLOAD, "shutting down");
	buf_init(&b, 0);
	buf_printf(&b, "{\"ready\":%s,\"sandbox\":\"%s\"", ready ? "true" : "false",
	    sandbox_level_word(level));
	if (g->sandbox != NULL && level != SANDBOX_FULL) {
		buf_puts(&b, ",\"sandbox_why\":");
		buf_json_str(&b, str_of(sandbox_why(g->sandbox)));
	}
	if (!ready) {
		buf_puts(&b, ",\"why\":");
		buf_json_str(&b, str_of(e.text));
	}
	disabled_put(g, &b);
	buf_puts(&b, ",\"policies\":");
	core_policies_json(g->core, &b);
	buf_puts(&b, ",\"servers\":");
	hub_servers_json(g->hub, &b);
	buf_puts(&b, "}\n");
	exchange_reply(x, ready ? 200 : 503, STR("application/json"), buf_str(&b));
	buf_fini(&b);
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
status_metrics(struct exchange *x)
{
	struct gateway *g = x->g;
	struct buf b;

	buf_init(&b, 0);
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
	exchange_reply(x, 200, STR("text/plain; version=0.0.4"), buf_str(&b));
	buf_fini(&b);
}
