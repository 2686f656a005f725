/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp_world - what the hub's tests stand on: a governance core that fits on a page, a sink that
 * remembers, and a hub whose upstreams are real processes of the demo server.
 *
 * The core here is not policies/: it allows what a key's prefix allows and counts passes, so that
 * a test can say "every pass that was entered was left".
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include "base/http.h"
#include "base/log.h"
#include "mcp/mcp.h"
#include "tests/unit/check.h"

struct core {
	int entered, left, refused, ends[16];
	char last_name[200], last_tool_use[64], last_session[64];
	struct link open;
};
struct key {
	char id[16];
	const char *prefix[4]; /* tools it may list and call */
	const char *refuse;    /* a listed tool that the gate refuses */
	bool dead, run;
	struct link watches;
};

void
key_info(const struct key *k, struct key_info *out)
{
	*out = (struct key_info){ .id = str_of(k->id), .state = KEY_ACTIVE };
}

bool
key_usable(const struct key *k, int64_t wall_ns, struct err *e)
{
	(void)wall_ns;
	return k->dead ? err_set(e, ERR_REVOKED, "the key is revoked") : true;
}

void
key_watch_add(struct key *k, struct key_watch *w)
{
	link_push(&k->watches, &w->link);
}

void
key_watch_drop(struct key_watch *w)
{
	link_drop(&w->link);
}

bool
rules_may_list(struct core *c, struct key *k, struct str view, enum ask_kind kind, struct str name)
{
	(void)c;
	(void)view;
	if (kind == ASK_RUN)
		return k->run;
	for (size_t i = 0; i < COUNT(k->prefix) && k->prefix[i] != NULL; i++)
		if (str_starts(name, str_of(k->prefix[i])))
			return true;
	return false;
}

void
rules_code_mode(struct core *c, struct key *k, struct str view, struct code_said *out)
{
	(void)c;
	(void)view;
	(void)k;
	*out = (struct code_said){ .policy = STR(""), .where = STR("") };
}

const char *
code_mode_word(enum code_mode m)
{
	return m == CODE_MODE_UNSAID ? "" : "said";
}

void
/* NOLINTNEXTLINE(readability-function-size): as it is declared */
rules_project(struct core *c, struct key *k, struct str view, struct str name,
    struct str definition, struct buf *out)
{
	(void)c;
	(void)view;
	(void)k;
	(void)name;
	buf_put(out, definition);
}

uint64_t
rules_projected(struct core *c, struct key *k, struct str view, struct str name)
{
	(void)c;
	(void)view;
	(void)k;
	(void)name;
	return 0;
}

bool
/* NOLINTNEXTLINE(readability-function-size): as it is declared */
rules_redact(struct core *c, struct key *k, const struct via *via, enum ask_kind kind,
    struct str name, struct redaction *out)
{
	(void)c;
	(void)via;
	(void)k;
	(void)kind;
	(void)name;
	memset(out, 0, sizeof(*out));
	return false;
}

struct str
redact_json(struct core *c, const uint8_t *action, struct str doc, struct buf *out,
    struct redact_counts *counts)
{
	(void)c;
	(void)action;
	(void)out;
	(void)counts;
	return doc;
}

bool
gate_enter(struct core *c, struct pass *p, struct key *k, const struct ask *a, struct err *e)
{
	bool ok = rules_may_list(c, k, a->view, a->kind, a->name);

	(void)str_copy(c->last_name, sizeof(c->last_name), a->name);
	(void)str_copy(c->last_tool_use, sizeof(c->last_tool_use), a->tool_use);
	(void)str_copy(c->last_session, sizeof(c->last_session), a->session);
	if (k->dead) {
		c->refused++;
		return err_set(e, ERR_REVOKED, "the key is revoked");
	}
	if (!ok || (k->refuse != NULL && str_eq(a->name, str_of(k->refuse)))) {
		c->refused++;
		return err_set(e, ERR_DENIED, "denied by the test");
	}
	p->magic = 1;
	p->core = c;
	p->key = k;
	link_push(&c->open, &p->of_key);
	c->entered++;
	return true;
}

void
gate_leave(struct pass *p, const struct outcome *o)
{
	ASSERT(p->magic == 1);
	p->magic = 0;
	link_drop(&p->of_key);
	p->core->left++;
	p->core->ends[o->end]++;
}

void
core_when_durable(struct core *c, struct deferred *d, deferred_f *fn, void *ctx)
{
	(void)c;
	(void)d;
	fn(ctx);
}

/* This world's gate asks for no approvals: nothing of them is ever called but the look-ups. */

struct approval_request *
pass_approval(const struct pass *p)
{
	(void)p;
	return NULL;
}

struct approval_request *
approval_find(struct core *c, struct str id)
{
	(void)c;
	(void)id;
	return NULL;
}

void
approval_wait_drop(struct approval_wait *w)
{
	w->request = NULL;
}

struct str
core_revision(const struct core *c)
{
	(void)c;
	return STR("rev");
}

_Noreturn void
approval_wait(struct approval_request *r, struct approval_wait *w)
{
	(void)r;
	(void)w;
	UNREACHABLE();
}

bool
approval_answer(struct approval_request *r, const struct approval_answer *a, struct err *e)
{
	(void)r;
	(void)a;
	return err_set(e, ERR_INTERNAL, "no approvals here");
}

bool
approval_asks(const struct approval_request *r, enum approval_way way)
{
	(void)r;
	(void)way;
	return false;
}

bool
approval_is_of(const struct approval_request *r, const struct key *k)
{
	(void)r;
	(void)k;
	return false;
}

enum approval_state
approval_state(const struct approval_request *r)
{
	(void)r;
	return APPROVAL_EXPIRED;
}

struct str
approval_id(const struct approval_request *r)
{
	(void)r;
	return STR("d_none");
}

void
approval_withdraw(struct approval_request *r, const char *why)
{
	(void)r;
	(void)why;
}

void
approval_message(const struct approval_request *r, struct buf *out)
{
	(void)r;
	(void)out;
}

/* The key dies: passes are cut, then watchers run, as policies/ does. */
static CHECK_UNUSED void
key_kill(struct core *c, struct key *k)
{
	struct err why;

	k->dead = true;
	(void)err_set(&why, ERR_REVOKED, "the key is revoked");
	LIST_EACH(it, &c->open) {
		struct pass *p = CONTAINER(it, struct pass, of_key);

		if (p->key == k)
			p->cut(p, &why);
	}
	LIST_EACH(it, &k->watches) {
		struct key_watch *w = CONTAINER(it, struct key_watch, link);

		w->fn(w->ctx, k);
	}
}

/* ---- a client's request ---- */

struct visitor {
	struct job root;
	struct sink sink;
	struct http1_head head;
	struct mcp_request r;
	int status;
	bool ended;
	struct buf body;
	char session[1024];
};

static void
visitor_head(struct sink *s, int status, const struct header *h, size_t n, int64_t length)
{
	struct visitor *v = CONTAINER(s, struct visitor, sink);

	(void)length;
	ASSERT(v->status == 0 && !v->ended);
	v->status = status;
	for (size_t i = 0; i < n; i++)
		if (str_eq(h[i].name, STR("mcp-session-id")))
			(void)str_copy(v->session, sizeof(v->session), h[i].value);
}

static size_t
visitor_push(struct sink *s, struct str bytes)
{
	struct visitor *v = CONTAINER(s, struct visitor, sink);

	ASSERT(v->status != 0 && !v->ended);
	buf_put(&v->body, bytes);
	return 1000000;
}

static void
visitor_end(struct sink *s, const struct err *e)
{
	struct visitor *v = CONTAINER(s, struct visitor, sink);

	(void)e;
	ASSERT(v->status != 0 && !v->ended);
	v->ended = true;
	job_cancel(&v->root); /* as the gateway's exchange may */
}

static const struct sink_type visitor_type = { visitor_head, visitor_push, visitor_end, NULL };
static const struct job_type root_type = { "visitor", NULL, NULL };

/* ---- the world ---- */

struct world {
	struct loop *loop;
	struct http_pool *pool;
	struct core core;
	struct key all, some, foreign;
	struct hub *hub;
	char demo[512];
	struct timer tick;
};

static void
tick(void *ctx)
{
	struct world *w = ctx;

	timer_set(w->loop, &w->tick, 5, tick, w);
}

static CHECK_UNUSED void
world_init(struct world *w)
{
	struct err e;
	ssize_t n;

	*w = (struct world){ .loop = NULL };
	log_setup(LOG_LEVEL_ERROR, false);
	w->loop = loop_new(&e);
	ASSERT(w->loop != NULL);
	w->pool = http_pool_new(w->loop);
	link_init(&w->core.open);
	w->all = (struct key){ .id = "k_all", .prefix = { "" } };
	w->some = (struct key){ .id = "k_some", .prefix = { "demo/get_", "demo/search" } };
	w->foreign = (struct key){ .id = "k_foreign", .prefix = { NULL } };
	link_init(&w->all.watches);
	link_init(&w->some.watches);
	link_init(&w->foreign.watches);
	n = readlink("/proc/self/exe", w->demo, sizeof(w->demo) - 32);
	while (n > 0 && w->demo[n - 1] != '/')
		n--;
	ASSERT(n > 0 && str_copy(w->demo + n, sizeof(w->demo) - (size_t)n, STR("../demo-server")));
	tick(w);
}

static CHECK_UNUSED void
world_free(struct world *w)
{
	hub_free(&w->hub);
	timer_stop(&w->tick);
	jobs_reap();
	http_pool_free(&w->pool);
	loop_free(&w->loop);
}

#define UNTIL(w, cond, ms)                                                                         \
	do {                                                                                       \
		int64_t until_ = loop_mono_ms((w)->loop) + (ms);                                   \
		while (!(cond) && loop_mono_ms((w)->loop) < until_)                                \
			loop_turn((w)->loop);                                                      \
		CHECK(cond);                                                                       \
	} while (0)

static CHECK_UNUSED void
world_hub(struct world *w, const struct server_settings *s, size_t n)
{
	struct hub_settings hs = {
		.servers = s, .servers_n = n, .version = "test", .pin = PIN_OFF
	};
	struct err e;

	w->hub = hub_new(w->loop, &w->core, w->pool, &hs, &e);
	ASSERT(w->hub != NULL);
}

static CHECK_UNUSED void
visitor_fini(struct visitor *v)
{
	if (v->root.magic == JOB_MAGIC)
		job_cancel(&v->root);
	jobs_reap();
	buf_fini(&v->body);
}

/* headers: name, value, …, NULL */
static CHECK_UNUSED void
visit(struct world *w, struct visitor *v, struct key *k, const char *method,
    const char *const *headers, struct str body)
{
	*v = (struct visitor){ .sink = { .type = &visitor_type } };
	buf_init(&v->body, (size_t)64 << 20);
	job_init(&v->root, &root_type, NULL, NULL, NULL);
	for (size_t i = 0; headers != NULL && headers[i] != NULL; i += 2)
		v->head.h[v->head.n++] =
		    (struct header){ str_of(headers[i]), str_of(headers[i + 1]) };
	v->r = (struct mcp_request){ .key = k,
		.method = str_of(method),
		.head = &v->head,
		.body = body,
		.peer = STR("127.0.0.1"),
		.view = STR("") };
	mcp_serve(w->hub, &v->root, &v->r, &v->sink);
}

#define MODERN_META                                                                                \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                   \
	"\"io.modelcontextprotocol/clientCapabilities\":{},\"claudecode/toolUseId\":\"toolu_7\"}"

/* A modern request; params are members with a trailing comma, or "". */
static CHECK_UNUSED void
modern(struct world *w, struct visitor *v, struct key *k, const char *method, const char *name,
    const char *params)
{
	const char *h[] = { "mcp-protocol-version", "2026-07-28", "mcp-method", method,
		"x-claude-code-session-id", "sess-9",
		/* as the tool of mcp_http.c wants its arguments repeated */
		"mcp-param-big", "9007199254740993", "mcp-param-nul",
		"=?base64?AA==?=", name != NULL ? "mcp-name" : NULL, name, NULL };
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":\"q1\",\"method\":\"%s\",\"params\":{", method);
	buf_puts(&b, params);
	buf_puts(&b, MODERN_META "}}");
	visit(w, v, k, "POST", h, buf_str(&b));
	buf_fini(&b); /* the body is read before mcp_serve() returns */
}

static CHECK_UNUSED bool
has(const struct visitor *v, const char *text)
{
	return v->body.n > 0 && memmem(v->body.p, v->body.n, text, strlen(text)) != NULL;
}
