/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy - a model request, from peek to leave.
 *
 *   peek --model, max_tokens, hosted tools--> pick --provider--> enter --held--> send
 *   send --head--> bytes up: tap -> sink --complete--> leave -> reply ends
 *   any: refused -> the refusal in the client's dialect; cancelled or cut -> leave, then silence
 *
 * The body is never parsed into a tree and never copied: it is sent as it came, in at most three
 * spans when the model's name had to be replaced (aliases).  Headers towards the provider are
 * built from scratch: what Anthropic's clients mean for the provider passes, the agent's
 * credentials never do, and the provider's own key is added here and nowhere else.
 *
 * A proxy is a job under the exchange; its stop() is where the pass is left when nobody else has,
 * so a stream that ends in any way is settled exactly once.
 */
#include <stdlib.h>

#include "base/json.h"
#include "gateway/gateway.h"
#include "gateway/hosted.h"
#include "gateway/tap.h"

#define PROXY_MAGIC 0x70727879u
#define HEADERS_MAX HTTP1_HEADERS_MAX /* all that a head may have: nothing is cut silently */
#define MODEL_BYTES 256
#define MAX_TOKENS  100000000

struct proxy {
	struct job job;
	uint32_t magic;
	struct exchange *x;
	struct pass pass;
	struct http_call *call;
	struct deferred durable;
	struct tap tap;
	struct str requested, model, model_raw;
	struct hosted hosted;                       /* what the provider would run itself */
	int64_t max_tokens, up_bytes, length_bytes; /* length: as the reply promised, or -1 */
	struct buf last; /* the piece that makes it whole, until the pass is on record */
	int status;
	bool free_of_charge; /* count_tokens */
	bool tapped, head_sent;
	enum pass_end end;
};

/* ---- leaving ---- */

static void
proxy_leave(struct proxy *p, enum pass_end end)
{
	struct outcome o = { .end = end,
		.bytes_in = (int64_t)p->x->body.n,
		.bytes_out = p->up_bytes,
		.status = p->status };
	bool guessed = false;

	if (!pass_open(&p->pass))
		return;
	if (p->tapped && p->status < 400 && !p->free_of_charge) {
		tap_usage(&p->tap, &o.usage, &guessed);
		o.cost_nusd = price_cost_nusd(p->x->g->core, p->model, &o.usage, &o.estimated);
		o.estimated |= guessed;
		o.tool_uses = buf_str(&p->tap.uses);
		/* A whole reply without usage is not free: the provider billed something. */
		if (!o.usage.seen && end == END_OK)
			o.cost_nusd = p->pass.hold_nusd;
	}
	gate_leave(&p->pass, &o);
}

static void
proxy_stop(struct job *j)
{
	struct proxy *p = CONTAINER(j, struct proxy, job);

	IS(p, PROXY_MAGIC);
	deferred_drop(&p->durable);
	proxy_leave(p, p->end != 0 ? p->end : END_CANCELLED);
}

static void
proxy_reap(struct job *j)
{
	struct proxy *p = CONTAINER(j, struct proxy, job);

	if (p->tapped)
		tap_fini(&p->tap);
	buf_fini(&p->last);
	p->magic = 0;
	free(p);
}

static const struct job_type proxy_type = { "proxy", proxy_stop, proxy_reap };

/* The key died.  Before the first byte the client can still be told why; after it, the stream
 * breaks off and the next request gets the answer. */
static void
on_cut(struct pass *pass, const struct err *why)
{
	struct proxy *p = pass->ctx;
	struct exchange *x = p->x;
	struct err e = *why;

	IS(p, PROXY_MAGIC);
	p->end = END_CUT;
	if (p->head_sent) {
		job_cancel(&x->job);
		return;
	}
	job_cancel(&p->job);
	exchange_refuse(x, &e);
}

/* ---- bytes up ---- */

static void
on_drained(void *ctx)
{
	struct proxy *p = ctx;

	if (p->call != NULL && job_running(&p->job))
		http_resume(p->call);
}

#define NAME(lit)                                                                                  \
	{                                                                                          \
		"" lit, sizeof(lit) - 1                                                            \
	}

static bool
begins_with_one(struct str name, const struct str *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name.n > prefixes[i].n &&
		    str_ieq((struct str){ name.p, prefixes[i].n }, prefixes[i]))
			return true;
	return false;
}

/* Headers of the reply that describe the hop, our shared account, or somebody else's site; and
 * ours, which no provider may speak. */
static bool
is_dropped(struct str name)
{
	static const struct str names[] = { NAME("connection"), NAME("keep-alive"),
		NAME("proxy-authenticate"), NAME("trailer"), NAME("transfer-encoding"),
		NAME("upgrade"), NAME("content-length"), NAME("set-cookie"), NAME("server"),
		NAME("date"), NAME("alt-svc"), NAME("via"), NAME("strict-transport-security"),
		NAME("nel"), NAME("report-to"), NAME("x-robots-tag") };
	static const struct str prefixes[] = { NAME("anthropic-ratelimit-"), NAME("cf-"),
		NAME("x-tollgate-") };

	return str_in(name, names, COUNT(names)) ||
	       begins_with_one(name, prefixes, COUNT(prefixes));
}

static void
on_head(void *ctx, const struct http1_head *h)
{
	struct proxy *p = ctx;
	struct header out[HEADERS_MAX];
	struct str type = STR("");
	size_t n = 0;

	for (size_t i = 0; i < h->n && n < HEADERS_MAX; i++) {
		if (str_ieq(h->h[i].name, STR("content-type")))
			type = h->h[i].value;
		if (!is_dropped(h->h[i].name) && !http1_nominated(h, h->h[i].name))
			out[n++] = h->h[i];
	}
	p->status = h->status;
	p->length_bytes = h->framing == HTTP1_LENGTH ? h->length_bytes : -1;
	p->head_sent = true;
	p->tapped = true;
	tap_init(&p->tap, str_starts(type, STR("text/event-stream")), p->length_bytes);
	p->x->sink.drained = on_drained;
	p->x->sink.drained_ctx = p;
	sink_head(&p->x->sink, h->status, out, n,
	    h->framing == HTTP1_LENGTH ? h->length_bytes : (h->framing == HTTP1_NONE ? 0 : -1));
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct proxy *p = ctx;

	p->up_bytes += (int64_t)bytes.n;
	tap_feed(&p->tap, bytes);
	/* The last piece waits for the record: whoever has the whole reply finds it in the audit.
	 * A head that came with it waits too, and costs no send of its own. */
	if (p->up_bytes == p->length_bytes) {
		sink_hold(&p->x->sink);
		buf_put(&p->last, bytes);
		return true;
	}
	return sink_push(&p->x->sink, bytes) > 0;
}

static void
reply_end(void *ctx)
{
	struct proxy *p = ctx;

	if (p->last.n > 0)
		(void)sink_push(&p->x->sink, buf_str(&p->last));
	sink_end(&p->x->sink, NULL);
}

static void
on_done(void *ctx, const struct err *e)
{
	struct proxy *p = ctx;
	struct exchange *x = p->x;
	struct err why;

	IS(p, PROXY_MAGIC);
	p->call = NULL;
	if (e == NULL) {
		proxy_leave(p, p->status < 400 ? END_OK : END_UPSTREAM);
		core_when_durable(x->g->core, &p->durable, reply_end, p);
		return;
	}
	proxy_leave(p, e->code == ERR_TIMEOUT ? END_TIMEOUT : END_UPSTREAM);
	why = *e;
	if (p->head_sent)
		sink_end(&x->sink, &why);
	else
		exchange_refuse(x, &why);
}

static const struct http_events events = { on_head, on_data, on_done };

/* ---- peek ---- */

static bool
peek(struct proxy *p, struct err *e)
{
	struct json_field f[] = { { .name = STR("model") }, { .name = STR("max_tokens") },
		{ .name = STR("tools") }, { .name = STR("mcp_servers") } };

	if (!json_fields(p->x->body, f, COUNT(f), e))
		return false;
	if (!json_string(f[0].raw, &p->x->arena, &p->requested) || p->requested.n == 0)
		return err_set(e, ERR_INVALID, "the body needs \"model\", a string");
	if (p->requested.n > MODEL_BYTES || str_has(p->requested, '\0'))
		return err_set(
		    e, ERR_INVALID, "\"model\" is over %d bytes or holds a NUL", MODEL_BYTES);
	if (f[1].raw.p != NULL && (!json_i64(f[1].raw, &p->max_tokens) || p->max_tokens < 0 ||
				      p->max_tokens > MAX_TOKENS))
		return err_set(e, ERR_INVALID, "\"max_tokens\" is not a whole number in range");
	p->model_raw = f[0].raw;
	return hosted_read(&p->x->arena, f[2].raw, f[3].raw, &p->hosted, e);
}

/* ---- send ---- */

static bool
is_forwarded(struct str name)
{
	static const struct str names[] = { NAME("user-agent"), NAME("accept"),
		NAME("content-type"), NAME("x-app") };
	static const struct str prefixes[] = { NAME("anthropic-"), NAME("x-stainless-"),
		NAME("x-claude-code-") };

	return str_in(name, names, COUNT(names)) ||
	       begins_with_one(name, prefixes, COUNT(prefixes));
}

/* The provider's path, ours behind it, and the client's query. */
static struct str
target_of(struct exchange *x, const struct provider *to, struct str path)
{
	struct str query = query_clean(&x->arena, x->query);
	struct str parts[] = { origin_path(to->origin), path, query.n > 0 ? STR("?") : STR(""),
		query };

	return arena_join(&x->arena, parts, COUNT(parts));
}

/* The original bytes, with the model's name replaced where an alias stood. */
static void
body_splice(struct proxy *p, struct http_request *r)
{
	struct str body = p->x->body;
	struct buf name;

	if (str_eq(p->model, p->requested)) {
		r->body[0] = body;
		return;
	}
	buf_init(&name, 0);
	buf_json_str(&name, p->model);
	r->body[0] = STR_SPAN(body.p, p->model_raw.p);
	r->body[1] = arena_str(&p->x->arena, buf_str(&name));
	r->body[2] = STR_SPAN(p->model_raw.p + p->model_raw.n, body.p + body.n);
	buf_fini(&name);
}

static bool
send_up(struct proxy *p, struct provider *to, const char *path, struct err *e)
{
	struct exchange *x = p->x;
	struct header h[HEADERS_MAX + 2];
	struct http_request r = { .origin = to->origin, .method = STR("POST"), .h = h };

	for (size_t i = 0; i < x->head->n && r.n < HEADERS_MAX; i++)
		if (is_forwarded(x->head->h[i].name) &&
		    !http1_nominated(x->head, x->head->h[i].name))
			h[r.n++] = x->head->h[i];
	h[r.n++] = (struct header){ STR("x-api-key"), to->key };
	h[r.n++] = (struct header){ STR("accept-encoding"), STR("identity") };
	r.target = target_of(x, to, str_of(path));
	body_splice(p, &r);
	p->call = http_start(&p->job, &r, &events, p, e);
	return p->call != NULL;
}

static bool
enter(struct proxy *p, struct err *e)
{
	struct exchange *x = p->x;
	struct ask ask = { .kind = ASK_MODEL,
		.name = p->model,
		.requested = p->requested,
		.hosted = p->hosted.name,
		.hosted_n = p->hosted.n,
		.session = exchange_header(x, STR("x-claude-code-session-id")),
		.client = exchange_header(x, STR("user-agent")),
		.address = x->client };
	bool estimated;

	if (!p->free_of_charge) {
		ask.hold_nusd = price_hold_nusd(
		    x->g->core, p->model, (int64_t)x->body.n, p->max_tokens, &estimated);
		ask.hold_tokens =
		    price_hold_tokens(x->g->core, p->model, (int64_t)x->body.n, p->max_tokens);
	}
	p->pass.cut = on_cut;
	p->pass.ctx = p;
	return gate_enter(x->g->core, &p->pass, x->key, &ask, e);
}

static void
proxy_run(struct exchange *x, const char *path, bool free_of_charge)
{
	struct provider *to;
	struct proxy *p;
	struct err e;

	if (!exchange_identify(x))
		return;
	p = mem_zalloc(sizeof(*p));
	p->magic = PROXY_MAGIC;
	p->x = x;
	p->free_of_charge = free_of_charge;
	buf_init(&p->last, 0);
	job_init(&p->job, &proxy_type, &x->job, NULL, NULL);
	if (!peek(p, &e) ||
	    (to = models_pick(&x->g->models, p->requested, &p->model, &e)) == NULL ||
	    !enter(p, &e)) {
		exchange_refuse(x, &e);
		return;
	}
	if (!send_up(p, to, path, &e)) {
		p->end = END_FAILED;
		job_cancel(&p->job);
		exchange_refuse(x, &e);
	}
}

void
proxy_messages(struct exchange *x)
{
	proxy_run(x, "/v1/messages", false);
}

void
proxy_count_tokens(struct exchange *x)
{
	proxy_run(x, "/v1/messages/count_tokens", true);
}
