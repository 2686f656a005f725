/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy - a model request, from peek to leave.
 *
 *   peek --model, max_tokens, hosted tools--> pick --provider--> mask --> enter --held--> send
 *   send --head--> bytes up: tap -> sink --complete--> leave -> reply ends
 *   any: refused -> the refusal in the client's dialect; cancelled or cut -> leave, then silence
 *
 * The body is never parsed into a tree and never copied: it is sent as it came, in a few spans
 * where the model's name had to be replaced (aliases) or something is added.  Only where a
 * `redact:` rule has found something it is a copy without that (masking.h).  Headers towards the
 * provider are built from scratch: what Anthropic's clients mean for the provider passes, the
 * agent's credentials never do, and the provider's own key is added here and nowhere else.
 *
 * A proxy is a job under the exchange; its stop() is where the pass is left when nobody else has,
 * so a stream that ends in any way is settled exactly once.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/masking.h"

#define PROXY_MAGIC 0x70727879u
#define BYTES_TOKEN 4                 /* where nobody counted */
#define HEADERS_MAX HTTP1_HEADERS_MAX /* all that a head may have: nothing is cut silently */
#define EVENT_TAIL  4                 /* bytes in which the end of an event shows */

struct proxy {
	struct job job;
	uint32_t magic;
	struct exchange *x;
	struct pass pass;
	struct http_call *call;
	struct deferred durable;
	struct tap tap;
	const struct endpoint *to;
	struct asked asked;
	struct str model;        /* what it is called there */
	struct str body;         /* the client's, or what is left of it */
	struct masking *masking; /* NULL: no rule holds */
	struct edit added;       /* prefetched signatures; span.p NULL: none */
	size_t added_n;
	int64_t up_bytes, length_bytes; /* length: as the reply promised, or -1 */
	struct buf last; /* the piece that makes it whole, until the pass is on record */
	int status;
	bool tapped, head_sent, choked; /* choked: the client does not read */
	char tail[EVENT_TAIL];          /* the last bytes that went up */
	size_t tail_n;
	enum pass_end end;
	struct err cap; /* why a stream is cut; code ERR_NONE: it is not */
};

/* ---- leaving ---- */

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* As it goes up. */
static int64_t
body_bytes(const struct proxy *p)
{
	// cppcheck-suppress ctunullpointer // a member of its job: never NULL
	return (int64_t)(p->body.n - p->added.span.n + p->added.with.n);
}

static void
proxy_leave(struct proxy *p, enum pass_end end)
{
	struct outcome o = { .end = end,
		.bytes_in = body_bytes(p),
		.prefetched = (int64_t)p->added_n,
		.bytes_out = p->up_bytes,
		.status = p->status };
	bool guessed = false;

	if (!pass_open(&p->pass))
		return;
	if (p->masking != NULL)
		o.redacted = &p->masking->counts;
	if (p->tapped && p->status < 400 && !p->to->free_of_charge) {
		tap_usage(&p->tap, &o.usage, &guessed);
		if (!o.usage.seen && end != END_OK && p->up_bytes > 0) {
			/* Cut before it said anything: the request was read all the same. */
			o.usage.input = body_bytes(p) / BYTES_TOKEN;
			guessed = true;
		}
		o.cost_nusd = price_cost_nusd(p->x->g->core, p->model, &o.usage, &o.estimated);
		o.estimated |= guessed;
		o.tool_uses = buf_str(&p->tap.uses);
		/* A whole reply without usage is not free: the provider billed something, and not
		 * more than the worst case, which `hold: usual` does not hold. */
		if (!o.usage.seen && end == END_OK)
			o.cost_nusd = larger(
			    o.cost_nusd, p->pass.tops_up ? p->pass.worst_nusd : p->pass.hold_nusd);
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
	masking_end(&p->masking);
	p->magic = 0;
	free(p);
}

static const struct job_type proxy_type = { "proxy", proxy_stop, proxy_reap };

/* ---- bytes up ---- */

static void
on_drained(void *ctx)
{
	struct proxy *p = ctx;

	p->choked = false;
	if (p->call != NULL && job_running(&p->job))
		http_resume(p->call);
}

static bool
begins_with_one(struct str name, const struct str *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name.n >= prefixes[i].n &&
		    str_ieq((struct str){ name.p, prefixes[i].n }, prefixes[i]))
			return true;
	return false;
}

/* Headers of the reply that describe the hop, our shared account, or somebody else's site; and
 * ours, which no provider may speak. */
static bool
is_dropped(const struct dialect *d, struct str name)
{
	static const struct str names[] = { STR("connection"), STR("keep-alive"),
		STR("proxy-authenticate"), STR("trailer"), STR("transfer-encoding"), STR("upgrade"),
		STR("content-length"), STR("set-cookie"), STR("server"), STR("date"),
		STR("alt-svc"), STR("via"), STR("strict-transport-security"), STR("nel"),
		STR("report-to"), STR("x-robots-tag") };
	static const struct str prefixes[] = { STR("cf-"), STR("x-tollgate-") };

	return str_in(name, names, COUNT(names)) ||
	       begins_with_one(name, prefixes, COUNT(prefixes)) ||
	       begins_with_one(name, d->dropped_prefixes, d->dropped_prefixes_n);
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
		if (!is_dropped(p->to->dialect, h->h[i].name) && !http1_nominated(h, h->h[i].name))
			out[n++] = h->h[i];
	}
	p->status = h->status;
	p->length_bytes = h->framing == HTTP1_LENGTH ? h->length_bytes : -1;
	p->head_sent = true;
	p->tapped = true;
	tap_init(&p->tap, p->to, str_starts(type, STR("text/event-stream")), p->length_bytes);
	p->x->sink.drained = on_drained;
	p->x->sink.drained_ctx = p;
	sink_head(&p->x->sink, h->status, out, n,
	    h->framing == HTTP1_LENGTH ? h->length_bytes : (h->framing == HTTP1_NONE ? 0 : -1));
}

static void
reply_end(void *ctx)
{
	struct proxy *p = ctx;

	if (p->last.n > 0)
		(void)sink_push(&p->x->sink, buf_str(&p->last));
	sink_end(&p->x->sink, NULL);
}

/* Is there money for what has come so far? */
static bool
paid_for(struct proxy *p)
{
	struct usage told = p->tap.usage, u;
	bool guessed, estimated;

	if (p->cap.code != ERR_NONE)
		return false;
	tap_usage(&p->tap, &u, &guessed);
	p->tap.usage = told; /* what was guessed is not what the provider said */
	return gate_topup(
	    &p->pass, price_cost_nusd(p->x->g->core, p->model, &u, &estimated), &p->cap);
}

/* Where an event ends in these bytes, the last one; 0: nowhere. */
static size_t
event_end(struct str s)
{
	for (size_t i = s.n; i > 1; i--)
		if (s.p[i - 1] == '\n' &&
		    (s.p[i - 2] == '\n' || (i > 3 && memcmp(s.p + i - 4, "\r\n\r", 3) == 0)))
			return i;
	return 0;
}

/* The event that tells why the stream ends here. */
static void
error_event_put(const struct proxy *p, const struct err *e, struct buf *out)
{
	const struct dialect *d = p->to->dialect;

	buf_put(out, d->error_event);
	buf_puts(out, "data: ");
	d->refusal(e, loop_wall_ns(p->x->g->loop) / 1000000000, out);
	buf_puts(out, "\n\n");
}

static bool
push_up(struct proxy *p, struct str bytes)
{
	const size_t n = bytes.n < EVENT_TAIL ? bytes.n : EVENT_TAIL;
	const size_t kept = p->tail_n + n > EVENT_TAIL ? EVENT_TAIL - n : p->tail_n;

	memmove(p->tail, p->tail + p->tail_n - kept, kept);
	memcpy(p->tail + kept, bytes.p + bytes.n - n, n);
	p->tail_n = kept + n;
	p->choked = sink_push(&p->x->sink, bytes) == 0;
	return !p->choked;
}

/* Can the client be told in its stream?  Between two events, when it reads. */
static bool
can_tell(const struct proxy *p)
{
	return p->tap.stream && p->length_bytes < 0 && !p->choked &&
	       event_end((struct str){ p->tail, p->tail_n }) == p->tail_n;
}

static void
call_off(struct proxy *p)
{
	if (p->call != NULL)
		job_cancel(http_job(p->call));
	p->call = NULL;
}

/* The key died, and nothing waits: not for the record either.  Before the first byte the client is
 * told why as by any refusal, between two events by one more.  Elsewhere the reply breaks off, and
 * the next request gets the answer. */
static void
on_cut(struct pass *pass, const struct err *why)
{
	struct proxy *p = pass->ctx;
	struct exchange *x = p->x;
	struct err e = *why;

	IS(p, PROXY_MAGIC);
	p->end = END_CUT;
	if (p->head_sent && can_tell(p)) {
		proxy_leave(p, END_CUT);
		call_off(p);
		error_event_put(p, &e, &p->last);
		reply_end(p);
	} else if (p->head_sent) {
		job_cancel(&x->job);
	} else {
		job_cancel(&p->job);
		exchange_refuse(x, &e);
	}
}

/* No money is left: the whole events pass, then one that says so, and the provider is told to stop.
 * In the middle of an event the client could not read it, so that goes on until the next one. */
static bool
stream_cut(struct proxy *p, struct str bytes)
{
	size_t n = event_end(bytes);

	if (n == 0)
		return push_up(p, bytes);
	(void)push_up(p, (struct str){ bytes.p, n });
	error_event_put(p, &p->cap, &p->last);
	proxy_leave(p, END_CUT);
	call_off(p);
	core_when_durable(p->x->g->core, &p->durable, reply_end, p);
	return false;
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct proxy *p = ctx;

	p->up_bytes += (int64_t)bytes.n;
	tap_feed(&p->tap, bytes);
	if (p->pass.tops_up && p->tap.stream && p->length_bytes < 0 && !paid_for(p))
		return stream_cut(p, bytes);
	/* The last piece waits for the record: whoever has the whole reply finds it in the audit.
	 * A head that came with it waits too, and costs no send of its own. */
	if (p->up_bytes == p->length_bytes) {
		sink_hold(&p->x->sink);
		buf_put(&p->last, bytes);
		return true;
	}
	return push_up(p, bytes);
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
	p->asked = (struct asked){
		.arena = &p->x->arena, .body = p->body, .in_path = p->x->model, .choices = 1
	};
	return p->to->peek(&p->asked, e);
}

/* What was read stood in the body that came: it is read again from what is left of it. */
static bool
mask(struct proxy *p, struct err *e)
{
	const struct str came = p->body;

	p->masking = masking_begin(p->x->g->core, p->x->key,
	    exchange_header(p->x, STR("user-agent")), p->model, p->asked.model);
	if (p->masking == NULL)
		return true;
	return masking_request(p->masking, p->x->g->core, p->to->dialect, &p->body, e) &&
	       (p->body.p == came.p || peek(p, e));
}

/* ---- send ---- */

static bool
is_forwarded(const struct dialect *d, struct str name)
{
	return str_in(name, d->forwarded, d->forwarded_n) ||
	       begins_with_one(name, d->forwarded_prefixes, d->forwarded_prefixes_n);
}

/* A name in a path: what has a meaning there is escaped. */
static struct str
in_path(struct arena *a, struct str name)
{
	struct str out;
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_')
			buf_putc(&b, name.p[i]);
		else
			buf_printf(&b, "%%%02X", c);
	}
	out = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return out;
}

/* The provider's path, ours behind it, and the client's query. */
static struct str
target_of(struct proxy *p, const struct provider *at)
{
	struct exchange *x = p->x;
	struct str base = origin_path(at->origin), query = query_clean(&x->arena, x->query);
	bool bare = p->to->dialect->own_version && base.n > 0, named = p->to->verb.n > 0;
	struct str parts[] = { base, bare ? STR("") : p->to->dialect->version, p->to->path,
		named ? in_path(&x->arena, p->model) : STR(""), p->to->verb,
		query.n > 0 ? STR("?") : STR(""), query };

	return arena_join(&x->arena, parts, COUNT(parts));
}

/* What is sent in place of the model's name, when that is another one. */
static struct str
model_text(struct proxy *p)
{
	struct str whole[] = { p->asked.model_prefix, p->model }, out;
	struct buf b;

	buf_init(&b, 0);
	buf_json_str(&b, arena_join(&p->x->arena, whole, COUNT(whole)));
	out = arena_str(&p->x->arena, buf_str(&b));
	buf_fini(&b);
	return out;
}

/* In the order of the body. */
static void
edit_add(struct edit *edits, size_t *n, struct edit one)
{
	size_t i = *n;

	if (one.span.p == NULL)
		return;
	for (; i > 0 && edits[i - 1].span.p > one.span.p; i--)
		edits[i] = edits[i - 1];
	edits[i] = one;
	(*n)++;
}

/* The original bytes, but for the edits: another name of the model, what the dialect asks, and
 * signatures. */
static void
body_splice(struct proxy *p, struct http_request *r)
{
	struct edit edits[3];
	struct str rest = p->body;
	size_t n = 0, spans = 0;

	if (p->asked.model_raw.p != NULL && !str_eq(p->model, p->asked.model))
		edit_add(edits, &n, (struct edit){ p->asked.model_raw, model_text(p) });
	edit_add(edits, &n, p->asked.edit);
	edit_add(edits, &n, p->added);
	_Static_assert(HTTP_BODY_SPANS >= 2 * COUNT(edits) + 1, "a body's spans");
	for (size_t i = 0; i < n; i++) {
		r->body[spans++] = STR_SPAN(rest.p, edits[i].span.p);
		r->body[spans++] = edits[i].with;
		rest = STR_SPAN(edits[i].span.p + edits[i].span.n, rest.p + rest.n);
	}
	r->body[spans] = rest;
}

static bool
send_up(struct proxy *p, struct provider *at, struct err *e)
{
	const struct dialect *d = p->to->dialect;
	struct exchange *x = p->x;
	struct header h[HEADERS_MAX + 2];
	struct http_request r = { .origin = at->origin, .method = STR("POST"), .h = h };
	struct str key[] = { d->key_prefix, at->key };

	for (size_t i = 0; i < x->head->n && r.n < HEADERS_MAX; i++)
		if (is_forwarded(d, x->head->h[i].name) &&
		    !http1_nominated(x->head, x->head->h[i].name))
			h[r.n++] = x->head->h[i];
	h[r.n++] = (struct header){ d->key_header,
		d->key_prefix.n > 0 ? arena_join(&x->arena, key, COUNT(key)) : at->key };
	h[r.n++] = (struct header){ STR("accept-encoding"), STR("identity") };
	r.target = target_of(p, at);
	body_splice(p, &r);
	p->call = http_start(&p->job, &r, &events, p, e);
	return p->call != NULL;
}

static int64_t
plus(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* At worst: every choice is as long as one may be. */
static void
hold_set(struct proxy *p, struct ask *ask)
{
	const struct core *c = p->x->g->core;
	const struct asked *q = &p->asked;
	int64_t body = body_bytes(p), most = q->max_tokens * q->choices;
	bool estimated;

	ask->hold_nusd = price_hold_nusd(c, p->model, body, most, &estimated);
	ask->hold_tokens = price_hold_tokens(c, p->model, body, most);
	if (most > 0)
		return;
	for (int64_t i = 1; i < q->choices; i++) { /* each as much as the model can */
		ask->hold_nusd =
		    plus(ask->hold_nusd, price_hold_nusd(c, p->model, 0, 0, &estimated));
		ask->hold_tokens = plus(ask->hold_tokens, price_hold_tokens(c, p->model, 0, 0));
	}
}

static bool
enter(struct proxy *p, const struct provider *at, struct err *e)
{
	struct exchange *x = p->x;
	struct ask ask = { .kind = ASK_MODEL,
		.name = p->model,
		.requested = p->asked.model,
		.hosted = p->asked.hosted.name,
		.hosted_n = p->asked.hosted.n,
		.session = exchange_header(x, p->to->dialect->session),
		.client = exchange_header(x, STR("user-agent")),
		.address = x->client };

	if (p->masking != NULL) {
		ask.redacted = &p->masking->counts;
		ask.redacted_by = p->masking->wants.args_by;
		ask.redacted_at = p->masking->at;
	}
	if (!p->to->free_of_charge) {
		if (at->prefetch)
			p->added_n = prefetch(x, &p->asked, &p->added);
		hold_set(p, &ask);
	}
	p->pass.cut = on_cut;
	p->pass.ctx = p;
	return gate_enter(x->g->core, &p->pass, x->key, &ask, e);
}

void
proxy_run(struct exchange *x)
{
	struct provider *at;
	struct proxy *p;
	struct err e;

	if (!exchange_identify(x))
		return;
	p = mem_zalloc(sizeof(*p));
	p->magic = PROXY_MAGIC;
	p->x = x;
	p->to = x->endpoint;
	p->body = x->body;
	buf_init(&p->last, 0);
	job_init(&p->job, &proxy_type, &x->job, NULL, NULL);
	if (!peek(p, &e) ||
	    (at = models_pick(
		 &x->g->models, p->to->dialect->kind, p->asked.model, &p->model, &e)) == NULL ||
	    !mask(p, &e) || !enter(p, at, &e)) {
		exchange_refuse(x, &e);
		return;
	}
	if (!send_up(p, at, &e)) {
		p->end = END_FAILED;
		job_cancel(&p->job);
		exchange_refuse(x, &e);
	}
}
