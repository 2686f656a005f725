/* SPDX-License-Identifier: Apache-2.0 */
/*
 * me - what a key may know about itself.
 *
 * GET /v1/quota: its budgets.  GET /me: that, who it is, what it sees and why not the rest, what
 * its scripts used and saved, and what it was refused lately.  Names of tools and models that it
 * may not use are shown here on purpose: this is where an engineer learns whom to ask; /mcp itself
 * never tells them apart from unknown ones.
 */
#include "gateway/gateway.h"

struct list {
	struct exchange *x;
	struct buf *out;
	bool any;
};

static void
row(struct list *l, enum ask_kind kind, const char *member, struct str name)
{
	struct core *c = l->x->g->core;
	struct buf why;

	buf_init(&why, 0);
	rules_why(c, l->x->key, kind, name, &why);
	buf_printf(l->out, "%s{\"%s\":", l->any ? "," : "", member);
	l->any = true;
	buf_json_str(l->out, name);
	buf_printf(l->out, ",\"allowed\":%s,\"why\":",
	    rules_may_list(c, l->x->key, STR(""), kind, name) ? "true" : "false");
	buf_json_str(l->out, buf_str(&why));
	buf_putc(l->out, '}');
	buf_fini(&why);
}

static void
tool_row(void *ctx, const struct tool *t)
{
	row(ctx, ASK_TOOL, "tool", t->policy_name);
}

/* Patterns are no names, so a key is not asked about them. */
static void
models_put(struct list *l)
{
	const struct models *m = &l->x->g->models;

	for (size_t i = 0; i < m->aliases_n; i++)
		row(l, ASK_MODEL, "model", m->aliases[i].name);
	for (size_t i = 0; i < m->rows_n; i++)
		if (!str_has(m->rows[i].pattern, '*'))
			row(l, ASK_MODEL, "model", m->rows[i].pattern);
}

/* `run` is the grant; mode and the rest are what comes of it in a list of tools. */
static void
scripts_put(struct list *l)
{
	struct code_offer o;
	struct buf how;

	buf_init(&how, 0);
	hub_code_offer(l->x->g->hub, l->x->key, NULL, &o);
	code_offer_put(&o, &how);
	row(l, ASK_RUN, "run", STR("run"));
	l->out->n--; /* its bracket */
	buf_printf(l->out,
	    ",\"mode\":\"%s\",\"listed\":%s,\"alone\":%s,\"how\":", code_mode_word(o.mode),
	    o.scripts ? "true" : "false", o.alone ? "true" : "false");
	buf_json_str(l->out, buf_str(&how));
	buf_putc(l->out, '}');
	buf_fini(&how);
}

static const char *
state_word(enum key_state s)
{
	switch (s) {
	case KEY_ACTIVE:
		return "active";
	case KEY_DISABLED:
		return "disabled";
	case KEY_REVOKED:
		return "revoked";
	}
	UNREACHABLE();
}

static void
who_put(struct exchange *x, struct buf *out)
{
	struct key_info i;

	key_info(x->key, &i);
	buf_puts(out, ",\"customer\":");
	buf_json_str(out, i.customer);
	buf_puts(out, ",\"team\":");
	buf_json_str(out, i.team);
	buf_puts(out, ",\"user\":");
	buf_json_str(out, i.user);
	buf_printf(out, ",\"state\":\"%s\",\"created_ns\":%lld,\"expires_ns\":%lld",
	    state_word(i.state), (long long)i.created_ns, (long long)i.expires_ns);
}

void
me_quota(struct exchange *x)
{
	struct buf b;

	if (!exchange_identify(x))
		return;
	buf_init(&b, 0);
	core_quota_json(x->g->core, x->key, &b);
	exchange_reply(x, 200, STR("application/json"), buf_str(&b));
	buf_fini(&b);
}

void
me_all(struct exchange *x)
{
	struct list l = { .x = x };
	struct buf b;

	if (!exchange_identify(x))
		return;
	buf_init(&b, 0);
	l.out = &b;
	core_quota_json(x->g->core, x->key, &b);
	b.n--; /* its closing bracket: more members follow */
	who_put(x, &b);
	buf_printf(
	    &b, ",\"limits\":{\"body_bytes\":%lld},\"tools\":[", (long long)x->g->body_bytes);
	hub_all_tools(x->g->hub, tool_row, &l);
	buf_puts(&b, "],\"models\":[");
	l.any = false;
	models_put(&l);
	buf_puts(&b, "],\"code_mode\":[");
	l.any = false;
	scripts_put(&l);
	buf_puts(&b, "],\"scripts\":");
	core_scripts_json(x->g->core, x->key, &b);
	buf_puts(&b, ",\"denials\":");
	core_denials_json(x->key, &b);
	buf_puts(&b, "}\n");
	exchange_reply(x, 200, STR("application/json"), buf_str(&b));
	buf_fini(&b);
}
