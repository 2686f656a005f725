/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - one call towards an origin (http_origin.c has the connections).
 *
 *   call:   LINE --connection free or new--> SEND --head complete--> BODY --complete--> done
 *           SEND, before any byte of a reply, on a kept connection that broke --> LINE, once
 *
 * Requests leave after the journal's write of their turn, so nothing is asked of an upstream that
 * the journal does not know of.  Each origin keeps idle connections (newest first, so that old ones
 * may time out) and a line of waiting calls; every list and buffer has a limit from its settings.
 *
 * Invariants:
 *  1. a connection is idle, or belongs to exactly one running call;
 *  2. a call's request bytes are kept until its reply begins, so a retry sends the same bytes;
 *  3. a connection returns to the idle list only when its reply was complete, keep-alive, without
 *     surplus bytes, and its whole request had been sent; anything else closes it, which is also
 *     how a cancel tells the peer to stop.
 */
#include "base/http.h"

#include <stdlib.h>
#include <string.h>

#include "base/http_private.h"

#define HEAD_BYTES_USUAL ((size_t)2048)
#define READS            16   /* per turn and call */
#define STALE_MS         2000 /* a kept connection that was closed shows it within this */
#define LINE_MAX_CALLS   4096 /* waiting per origin */
#define IOVS             (1 + HTTP_BODY_SPANS)

static void call_read(struct http_call *c);

/* ---- the end of a call ---- */

static void
call_awake(struct http_call *c)
{
	c->origin->woken -= c->woken;
	c->woken = false;
}

static void
call_stopped(struct job *j)
{
	struct http_call *c = CONTAINER(j, struct http_call, job);

	IS(c, CALL_MAGIC);
	timer_stop(&c->deadline);
	deferred_drop(&c->go);
	deferred_drop(&c->more);
	if (!link_empty(&c->link)) {
		link_drop(&c->link);
		c->origin->waiting--;
	}
	if (c->connecting != NULL) {
		connect_cancel(&c->connecting);
		c->origin->open--;
	}
	wire_free(&c->wire);
	call_awake(c);
	line_next(c->origin); /* its place, or the call to a place that it had */
}

static void
call_reap(struct job *j)
{
	struct http_call *c = CONTAINER(j, struct http_call, job);

	buf_fini(&c->head);
	buf_fini(&c->in);
	c->magic = 0;
	free(c);
}

static const struct job_type call_type = { "http", call_stopped, call_reap };

static void
call_done(struct job *j, const struct err *e, void *ctx)
{
	struct http_call *c = CONTAINER(j, struct http_call, job);

	(void)ctx;
	c->ev.done(c->ctx, e);
}

static void
call_complete(struct http_call *c, size_t surplus)
{
	struct wire *w = c->wire;

	if (c->keep && surplus == 0 && c->sent == c->size) {
		c->wire = NULL;
		wire_idle(w);
	}
	job_finish(&c->job, NULL);
}

/*
 * The connection broke: once again on a fresh one, if it was a kept one that turns out to be
 * closed. A server that closes after it has worked on the request for a while is not that: asking
 * again could be paid twice.
 */
static void
call_broken(struct http_call *c, const struct err *e)
{
	bool again = c->wire != NULL && c->wire->kept && !c->replied && !c->retried &&
		     loop_mono_ms(c->origin->pool->loop) - c->on_ms <= STALE_MS;

	if (!again) {
		job_finish(&c->job, e);
		return;
	}
	c->retried = true;
	c->sent = c->scanned = 0;
	buf_reset(&c->in);
	wire_free(&c->wire);
	loop_defer(c->origin->pool->loop, &c->go, call_go, c);
}

static void
call_late(void *ctx)
{
	struct http_call *c = ctx;
	struct err e;

	(void)err_set(&e, ERR_TIMEOUT, "%s did not answer in %d s", c->origin->host,
	    (c->in_body ? c->idle_ms : c->first_byte_ms) / 1000);
	job_finish(&c->job, &e);
}

/* It has waited long enough for the journal: not a byte of it has left. */
static void
call_held(void *ctx)
{
	struct http_call *c = ctx;
	struct err e;

	if (c->gone) {
		timer_set(c->origin->pool->loop, &c->deadline, c->first_byte_ms - HTTP_HELD_MS,
		    call_late, c);
		return;
	}
	(void)err_set(&e, ERR_STORE,
	    "nothing can be written down, so nothing was asked of %s (is the disk full?)",
	    c->origin->host);
	e.unmade = true;
	job_finish(&c->job, &e);
}

/* ---- sending ---- */

static int
unsent(const struct http_call *c, struct iovec iov[IOVS])
{
	size_t skip = c->sent;
	int n = 0;

	for (int i = -1; i < HTTP_BODY_SPANS; i++) {
		struct str s = i < 0 ? buf_str(&c->head) : c->body[i];

		if (skip >= s.n) {
			skip -= s.n;
			continue;
		}
		iov[n].iov_base = mem_unconst(s.p + skip);
		iov[n++].iov_len = s.n - skip;
		skip = 0;
	}
	return n;
}

static void
call_send(struct http_call *c)
{
	while (c->sent < c->size) {
		struct iovec iov[IOVS];
		int n = unsent(c, iov);
		ssize_t k = connection_send(c->wire->c, iov, n);
		struct err e;

		if (k < 0) {
			/* It may have answered before it closed: let the reader tell. */
			watch_set(c->wire->watch, WATCH_READ);
			if (c->wire->kept) {
				(void)err_set(
				    &e, ERR_UPSTREAM, "%s closed the connection", c->origin->host);
				call_broken(c, &e);
			}
			return;
		}
		if (k == 0)
			break;
		c->was_sent = true;
		c->sent += (size_t)k;
	}
	if (c->wire != NULL)
		watch_set(c->wire->watch,
		    (c->paused ? 0 : WATCH_READ) | (c->sent < c->size ? WATCH_WRITE : 0));
}

/* ---- receiving ---- */

/* Consumes one head; DONE when a final one was given to the owner. */
static enum http1_result
head_take(struct http_call *c, struct str *in, struct err *e)
{
	struct http1_head h;
	size_t used;

	for (;;) {
		enum http1_result r = http1_response(*in, &c->scanned, c->is_head, &h, &used, e);

		if (r != HTTP1_DONE)
			return r;
		c->scanned = 0;
		in->p += used;
		in->n -= used;
		if (h.status == 101) {
			(void)err_set(e, ERR_UPSTREAM, "%s switched protocols", c->origin->host);
			return HTTP1_BAD;
		}
		if (h.status >= 200)
			break;
	}
	c->in_body = true;
	c->keep = h.keep_alive;
	http1_body_init(&c->decoder, &h);
	timer_set(c->origin->pool->loop, &c->deadline, c->idle_ms, call_late, c);
	c->ev.head(c->ctx, &h);
	return HTTP1_DONE;
}

/* Consumes bytes as far as it goes; what must wait stays in *in.  False: the call has ended. */
static bool
bytes_take(struct http_call *c, struct str *in)
{
	struct err e;
	struct str piece;

	if (!c->in_body) {
		switch (head_take(c, in, &e)) {
		case HTTP1_MORE:
			return true;
		case HTTP1_BAD:
			job_finish(&c->job, &e);
			return false;
		case HTTP1_DONE:
			break;
		}
		if (!job_running(&c->job))
			return false;
	}
	while (!c->paused) {
		enum http1_result r = http1_body_next(&c->decoder, in, &piece, &e);

		if (r == HTTP1_BAD) {
			e.code = ERR_UPSTREAM;
			job_finish(&c->job, &e);
			return false;
		}
		if (piece.n > 0)
			c->paused = !c->ev.data(c->ctx, piece);
		if (!job_running(&c->job))
			return false;
		if (r == HTTP1_DONE) {
			call_complete(c, in->n);
			return false;
		}
		if (in->n == 0)
			break;
	}
	return true;
}

/* Bytes as they came: joined with what waited, if anything did. */
static bool
bytes_got(struct http_call *c, struct str bytes)
{
	struct str in = bytes;
	bool alive;

	c->replied = true;
	if (c->in_body)
		timer_set(c->origin->pool->loop, &c->deadline, c->idle_ms, call_late, c);
	if (c->in.n > 0) {
		buf_put(&c->in, bytes);
		in = buf_str(&c->in);
	}
	alive = bytes_take(c, &in);
	if (!alive)
		return false;
	if (c->in.n > 0)
		buf_drop(&c->in, c->in.n - in.n);
	else
		buf_put(&c->in, in);
	return true;
}

/* Only an orderly end ends a body of unknown length; after a reset it may not be whole. */
static void
stream_end(struct http_call *c, bool orderly)
{
	struct err e;

	if (orderly && c->in_body && c->decoder.framing == HTTP1_UNTIL_CLOSE) {
		job_finish(&c->job, NULL);
		return;
	}
	(void)err_set(&e, ERR_UPSTREAM, "%s closed the connection%s", c->origin->host,
	    c->in_body ? " in the middle of its reply" : " without a reply");
	call_broken(c, &e);
}

/* The kernel's buffer is the back-pressure, and silence is ours until the owner goes on. */
static void
call_paused(struct http_call *c)
{
	timer_stop(&c->deadline);
	watch_set(c->wire->watch, c->sent < c->size ? WATCH_WRITE : 0);
}

/* What waits here first, then what waits in the connection. */
static void
read_more(void *ctx)
{
	struct http_call *c = ctx;

	if (!c->paused && c->in.n > 0) {
		struct str in = buf_str(&c->in);

		if (!bytes_take(c, &in))
			return;
		buf_drop(&c->in, c->in.n - in.n);
	}
	if (c->wire == NULL)
		return;
	if (c->paused) {
		call_paused(c);
		return;
	}
	call_read(c);
	if (job_running(&c->job) && c->wire != NULL && !c->paused)
		watch_set(c->wire->watch, WATCH_READ | (c->sent < c->size ? WATCH_WRITE : 0));
}

static void
call_read(struct http_call *c)
{
	struct http_pool *p = c->origin->pool;

	for (int i = 0; i < READS; i++) {
		ssize_t n;
		bool eof;

		if (c->paused || c->wire == NULL)
			return;
		n = connection_recv(c->wire->c, p->read, READ_BYTES, &eof);
		if (n == 0)
			return;
		if (n < 0) {
			stream_end(c, eof);
			return;
		}
		if (!bytes_got(c, (struct str){ p->read, (size_t)n }))
			return;
		if (c->paused)
			call_paused(c);
	}
	/* TLS may hold more without the socket saying so. */
	loop_defer(p->loop, &c->more, read_more, c);
}

static void
idle_byte(struct wire *w)
{
	/* Bytes or an end on an idle connection: either way it is of no use any more. */
	wire_free(&w);
}

static void
wire_cb(void *ctx, int events)
{
	struct wire *w = ctx;
	struct http_call *c = w->call;

	if (c == NULL) {
		idle_byte(w);
		return;
	}
	if (events & WATCH_WRITE)
		call_send(c);
	if ((events & WATCH_READ) && job_running(&c->job) && c->wire == w)
		call_read(c);
}

/* ---- starting ---- */

static void
call_on(struct http_call *c, struct wire *w)
{
	c->wire = w;
	w->call = c;
	c->scanned = 0;
	c->on_ms = loop_mono_ms(c->origin->pool->loop);
	call_send(c);
}

static void
call_connected(void *ctx, struct connection *conn, const struct err *e)
{
	struct http_call *c = ctx;
	struct wire *w;

	c->connecting = NULL;
	if (conn == NULL) {
		c->origin->open--;
		line_next(c->origin);
		job_finish(&c->job, e);
		return;
	}
	w = mem_zalloc(sizeof(*w));
	link_init(&w->link);
	w->origin = c->origin;
	w->c = conn;
	w->watch = watch_new(c->origin->pool->loop, connection_fd(conn), wire_cb, w);
	call_on(c, w);
}

void
call_go(void *ctx)
{
	struct http_call *c = ctx;
	struct origin *o = c->origin;
	struct wire *w = c->retried ? NULL : wire_take(o);
	struct err e;

	c->gone = true;
	call_awake(c);
	if (w != NULL) {
		call_on(c, w);
		return;
	}
	if (o->open >= o->s.open_max) {
		if (o->waiting >= LINE_MAX_CALLS) {
			(void)err_set(&e, ERR_OVERLOAD, "too many requests wait for %s", o->host);
			job_finish(&c->job, &e);
			return;
		}
		o->waiting++;
		link_push(&o->line, &c->link);
		return;
	}
	c->connecting = connect_start(o->pool->loop,
	    &(struct connect_settings){
		o->url, o->ca_file, o->proxy, o->s.connect_ms, o->s.public_only },
	    call_connected, c, &e);
	if (c->connecting == NULL) {
		job_finish(&c->job, &e);
		return;
	}
	o->open++;
}

static bool
head_build(struct http_call *c, const struct http_request *r, struct err *e)
{
	int64_t body = 0;
	bool wants_length = str_eq(r->method, STR("POST")) || str_eq(r->method, STR("PUT"));

	for (int i = 0; i < HTTP_BODY_SPANS; i++)
		body += (int64_t)r->body[i].n;
	http1_put_request(&c->head, r->method, r->target);
	http1_put_header(&c->head, STR("host"), str_of(c->origin->host));
	for (size_t i = 0; i < r->n; i++)
		http1_put_header(&c->head, r->h[i].name, r->h[i].value);
	if (body > 0 || wants_length) {
		buf_puts(&c->head, "content-length: ");
		buf_i64(&c->head, body);
		buf_puts(&c->head, "\r\n");
	}
	buf_puts(&c->head, "\r\n");
	c->size = c->head.n + (size_t)body;
	return buf_ok(&c->head) ||
	       err_set(e, ERR_INVALID, "a header for %s is malformed or too long", c->origin->host);
}

struct http_call *
http_start(struct job *parent, const struct http_request *r, const struct http_events *ev,
    void *ctx, struct err *e)
{
	struct http_call *c = mem_zalloc(sizeof(*c));
	struct loop *l;

	IS(r->origin, ORIGIN_MAGIC);
	l = r->origin->pool->loop;
	c->magic = CALL_MAGIC;
	c->origin = r->origin;
	c->ev = *ev;
	c->ctx = ctx;
	c->is_head = str_eq(r->method, STR("HEAD"));
	c->first_byte_ms = r->first_byte_ms > 0 ? r->first_byte_ms : 600000;
	c->idle_ms = r->idle_ms > 0 ? r->idle_ms : 300000;
	memcpy(c->body, r->body, sizeof(c->body));
	link_init(&c->link);
	buf_init(&c->head, HTTP1_HEAD_BYTES_MAX);
	(void)buf_room(&c->head, HEAD_BYTES_USUAL); /* grows once, not by halves */
	buf_init(&c->in, HTTP1_HEAD_BYTES_MAX + 2 * READ_BYTES);
	if (!head_build(c, r, e)) {
		buf_fini(&c->head);
		free(c);
		return NULL;
	}
	job_init(&c->job, &call_type, parent, call_done, NULL);
	if (c->first_byte_ms > HTTP_HELD_MS)
		timer_set(l, &c->deadline, HTTP_HELD_MS, call_held, c);
	else
		timer_set(l, &c->deadline, c->first_byte_ms, call_late, c);
	loop_after_journal(l, &c->go, call_go, c);
	return c;
}

struct job *
http_job(struct http_call *c)
{
	IS(c, CALL_MAGIC);
	return &c->job;
}

void
http_resume(struct http_call *c)
{
	IS(c, CALL_MAGIC);
	if (!c->paused || !job_running(&c->job))
		return;
	c->paused = false;
	timer_set(c->origin->pool->loop, &c->deadline, c->idle_ms, call_late, c);
	loop_defer(c->origin->pool->loop, &c->more, read_more, c);
}

bool
http_was_sent(const struct http_call *c)
{
	return c->was_sent;
}

bool
http_leaves_open(const struct http1_head *h)
{
	switch (h->status) {
	case 501:
	case 505:
	case 511:
		return false;
	case 503:
		return http1_find(h, STR("retry-after")) == NULL;
	default:
		return h->status >= 500;
	}
}
