/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server_sse - an upstream server behind HTTP+SSE, the transport of MCP 2024-11-05.
 *
 *   open(): GET --event "endpoint"--> ready: what has waited is posted there
 *   send(): POST to the endpoint --2xx--> the answer comes on the stream, to upcall_message()
 *   the stream ends --> server_fail(): everything in flight fails, and it is opened anew
 *
 * The stream is the session, and all its requests share it.  An endpoint on another origin is not
 * gone to: the server's headers, its credentials among them, are for the origin of the settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/sse.h"
#include "base/url.h"
#include "mcp/hub.h"

#define EVENT_BYTES_MAX    ((size_t)64 << 20)
#define ENDPOINT_BYTES_MAX 2048
#define STREAM_IDLE_MS     3600000
#define POST_MS            60000

struct wire {
	struct server *sv;
	struct origin *origin;
	struct http_call *call;
	struct sse sse;
	bool events;
	int status;
	char *endpoint;    /* path and query; NULL before the event */
	struct link waits; /* struct post: for the endpoint */
};
struct post {
	struct upcall *u;
	struct link link;
	struct http_call *call;
	int status;
	bool open; /* the status leaves open whether it was done */
	bool left; /* a byte of it, towards the server */
};

/* ---- requests ---- */

static void
post_head(void *ctx, const struct http1_head *h)
{
	struct post *p = ctx;

	p->status = h->status;
	p->open = http_leaves_open(h);
}

static bool
post_data(void *ctx, struct str bytes)
{
	(void)ctx;
	(void)bytes; /* "Accepted" */
	return true;
}

static void
post_done(void *ctx, const struct err *e)
{
	struct post *p = ctx;
	struct upcall *u = p->u;
	struct reply r = { .status = p->status, .open = p->open };
	struct err why;

	p->left = http_was_sent(p->call);
	p->call = NULL;
	if (!job_running(&u->job))
		return;
	if (e != NULL) {
		why = *e;
		(void)err_set(&why, e->code, "server %s: %.300s", u->sv->s->name, e->text);
		upcall_answer(u, NULL, &why);
	} else if (p->status < 200 || p->status >= 300) {
		upcall_answer(u, &r, NULL);
	} else if (u->notification) {
		upcall_answer(u, NULL, NULL);
	}
}

static size_t
headers_put(const struct server *sv, bool get, struct header h[UPCALL_HEADERS_MAX])
{
	size_t n = 0;

	upcall_header(
	    h, &n, STR("accept"), get ? STR("text/event-stream") : STR("application/json"));
	if (!get)
		upcall_header(h, &n, STR("content-type"), STR("application/json"));
	upcall_header(h, &n, STR("accept-encoding"), STR("identity"));
	upcall_header(h, &n, STR("user-agent"), STR("tollgate"));
	for (size_t i = 0; i < sv->s->headers_n; i++)
		upcall_header(h, &n, sv->s->headers[i].name, sv->s->headers[i].value);
	return n;
}

static bool
post_start(struct post *p, struct err *e)
{
	static const struct http_events events = { post_head, post_data, post_done };
	struct server *sv = p->u->sv;
	struct wire *w = sv->wire;
	struct header h[UPCALL_HEADERS_MAX];
	struct http_request r = { .origin = w->origin,
		.method = STR("POST"),
		.target = str_of(w->endpoint),
		.h = h, /* copied by http_start() */
		.n = headers_put(sv, false, h),
		.body = { buf_str(&p->u->out) },
		.first_byte_ms = p->u->deadline_ms > 0 ? p->u->deadline_ms : POST_MS,
		.idle_ms = POST_MS };

	p->call = http_start(&p->u->job, &r, &events, p, e);
	return p->call != NULL;
}

static bool
sse_send(struct upcall *u, struct err *e)
{
	struct wire *w = u->sv->wire;
	struct post *p;

	if (w == NULL || w->call == NULL)
		return err_set(e, ERR_UPSTREAM, "server %s is down", u->sv->s->name);
	p = mem_zalloc(sizeof(*p));
	p->u = u;
	link_init(&p->link);
	u->wire = p;
	if (w->endpoint != NULL)
		return post_start(p, e);
	link_push(&w->waits, &p->link);
	return true;
}

static bool
sse_left(const struct upcall *u)
{
	const struct post *p = u->wire;

	return p != NULL && (p->left || (p->call != NULL && http_was_sent(p->call)));
}

static void
sse_forget(struct upcall *u)
{
	struct post *p = u->wire;

	if (p != NULL)
		link_drop(&p->link);
	server_unlistens(u->sv, u);
	upcall_cancel_tell(u);
}

static void
sse_reap(struct upcall *u)
{
	free(u->wire);
	u->wire = NULL;
}

/* ---- the stream ---- */

/* Where messages go, as a path on this very origin; NULL: nowhere. */
static char *
endpoint_of(const struct server *sv, struct str said)
{
	struct url own, there;
	struct buf b;
	char *out = NULL;

	buf_init(&b, ENDPOINT_BYTES_MAX);
	if (!url_parse(str_of(sv->s->url), &own))
		return NULL;
	if (str_starts(said, STR("http://")) || str_starts(said, STR("https://"))) {
		buf_put(&b, said);
	} else {
		buf_put(&b, own.origin);
		while (said.n > 0 && said.p[0] != '/' && own.path.n > 0 &&
		       own.path.p[own.path.n - 1] != '/')
			own.path.n--; /* "messages" beside the stream */
		if (said.n > 0 && said.p[0] != '/')
			buf_put(&b, own.path.n > 0 ? own.path : STR("/"));
		buf_put(&b, said);
	}
	if (buf_ok(&b) && url_parse(buf_str(&b), &there) && str_ieq(there.origin, own.origin))
		out = str_dup(there.target);
	buf_fini(&b);
	return out;
}

static void
fail(struct wire *w, const char *why)
{
	struct err e;

	(void)err_set(&e, ERR_UPSTREAM, "%.300s", why);
	server_fail(w->sv, &e);
}

static void
endpoint_take(struct wire *w, struct str said)
{
	struct err e;

	if (w->endpoint != NULL)
		return; /* a stream has one */
	w->endpoint = endpoint_of(w->sv, said);
	if (w->endpoint == NULL) {
		fail(w, "its endpoint is on another origin, or no path");
		return;
	}
	while (w->endpoint != NULL && !link_empty(&w->waits)) {
		struct post *p = CONTAINER(w->waits.next, struct post, link);

		link_drop(&p->link);
		if (!post_start(p, &e))
			upcall_answer(p->u, NULL, &e);
	}
}

static bool
on_event(void *ctx, const struct sse_event *ev)
{
	struct wire *w = ctx;

	if (w->call == NULL)
		return false; /* closed meanwhile */
	if (str_eq(ev->event, STR("endpoint")))
		endpoint_take(w, ev->data);
	else if (ev->data.n > 0 && (ev->event.n == 0 || str_eq(ev->event, STR("message"))))
		upcall_message(w->sv, ev->data);
	return w->call != NULL;
}

static void
on_head(void *ctx, const struct http1_head *h)
{
	struct wire *w = ctx;
	const struct header *type = http1_find(h, STR("content-type"));

	w->status = h->status;
	w->events = h->status == 200 && type != NULL && type->value.n >= 17 &&
		    str_ieq((struct str){ type->value.p, 17 }, STR("text/event-stream"));
}

static bool
on_data(void *ctx, struct str bytes)
{
	struct wire *w = ctx;
	struct err e;

	if (w->call != NULL && w->events && !sse_feed(&w->sse, bytes, on_event, w, &e) &&
	    w->call != NULL)
		fail(w, "a message is too large");
	return true;
}

static void
on_done(void *ctx, const struct err *e)
{
	struct wire *w = ctx;
	char text[64];

	if (w->call == NULL)
		return;
	w->call = NULL;
	if (e != NULL) {
		fail(w, e->text);
	} else if (!w->events) {
		(void)snprintf(text, sizeof(text), "no stream of events: HTTP %d", w->status);
		fail(w, text);
	} else {
		fail(w, "its stream has ended");
	}
}

static void
sse_close(struct server *sv)
{
	struct wire *w = sv->wire;

	if (w == NULL || w->call == NULL)
		return;
	job_cancel(http_job(w->call));
	w->call = NULL;
	MEM_FREE(&w->endpoint);
	while (!link_empty(&w->waits))
		link_drop(w->waits.next);
}

static bool
stream_open(struct wire *w, struct err *e)
{
	static const struct http_events events = { on_head, on_data, on_done };
	struct server *sv = w->sv;
	struct header h[UPCALL_HEADERS_MAX];
	struct str path = origin_path(w->origin);
	struct http_request r = { .origin = w->origin,
		.method = STR("GET"),
		.target = path.n > 0 ? path : STR("/"),
		.h = h,
		.n = headers_put(sv, true, h),
		.first_byte_ms = sv->s->connect_ms > 0 ? sv->s->connect_ms : 5000,
		.idle_ms = STREAM_IDLE_MS };

	sse_fini(&w->sse);
	sse_init(&w->sse, EVENT_BYTES_MAX);
	MEM_FREE(&w->endpoint);
	w->events = false;
	w->status = 0;
	w->call = http_start(sv->root, &r, &events, w, e);
	return w->call != NULL;
}

static bool
sse_open(struct server *sv, struct err *e)
{
	struct wire *w = sv->wire;

	if (w == NULL) {
		w = mem_zalloc(sizeof(*w));
		w->origin = server_origin(sv, e);
		if (w->origin == NULL) {
			free(w);
			return false;
		}
		w->sv = sv;
		link_init(&w->waits);
		sse_init(&w->sse, EVENT_BYTES_MAX);
		sv->wire = w;
	}
	return stream_open(w, e);
}

static void
sse_free(struct server *sv)
{
	struct wire *w = sv->wire;

	if (w == NULL)
		return;
	sse_close(sv);
	origin_free(&w->origin);
	sse_fini(&w->sse);
	free(w->endpoint);
	free(w);
	sv->wire = NULL;
}

static void
sse_listen(struct server *sv)
{
	(void)sv; /* the stream is there already */
}

const struct server_type server_sse = { .name = "sse",
	.open = sse_open,
	.close = sse_close,
	.send = sse_send,
	.left = sse_left,
	.forget = sse_forget,
	.reap = sse_reap,
	.free = sse_free,
	.tell = upcall_tell,
	.listen = sse_listen };
