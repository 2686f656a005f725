/* SPDX-License-Identifier: Apache-2.0 */
/* status - liveness and readiness. */
#include "gateway/cli.h"
#include "gateway/gateway.h"

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
