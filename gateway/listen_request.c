/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen_request - bytes from a client become one request at a time.
 *
 * The head is parsed in place (base/http1.h).  A body with a length grows behind it in the same
 * buffer, in one piece, and is handed over without a copy; a chunked one is decoded into its own.
 * Whatever is not a request is answered through the handler's bad() and ends the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/listen_conn.h"

#define LARGE_BYTES ((size_t)16 * 1024) /* of a first piece: it has a body worth the care */

void
conn_idle_over(void *ctx)
{
	struct conn *c = ctx;

	if (c->state != CONN_IDLE)
		return;
	/* Armed first for the handshake, which is allowed less time. */
	if (c->tls && !c->greeted && conn_greeted(c)) {
		c->greeted = true;
		timer_set(c->ls->loop, &c->timer, c->ls->limits.idle_ms, conn_idle_over, c);
		return;
	}
	conn_kill(c);
}

/* What can be said of a request that did not parse: its target, if the first line has one. */
static struct str
target_guess(const struct conn *c)
{
	struct str line = buf_str(&c->in), target;

	if (line.n == 0)
		return STR("");
	line = str_cut(&line, '\r');
	(void)str_cut(&line, ' ');
	if (line.p == NULL)
		return STR("");
	target = str_cut(&line, ' ');
	return target.n <= 256 ? target : STR("");
}

static void
conn_bad(struct conn *c, const struct err *e)
{
	struct str target = target_guess(c);

	if (c->state == CONN_HEAD) {
		c->head->minor = 1;
		c->head->framing = HTTP1_NONE;
	}
	c->close_after = true;
	c->head_request = false;
	reply_open(c);
	c->handler->bad(c->handler->ctx, c, e, target);
	if (c->state == CONN_REPLY && !c->ended)
		sink_end(&c->sink, e);
}

static void
slow(void *ctx)
{
	struct conn *c = ctx;
	struct err e;

	(void)err_set(&e, ERR_SLOW, "the request did not arrive in time");
	if (c->state == CONN_HEAD || c->state == CONN_BODY)
		conn_bad(c, &e);
}

static void
request_run(struct conn *c, struct str body)
{
	/* Pipelined bytes leave `in`, which may not move from here on. */
	size_t used = c->head_bytes + (c->head->framing == HTTP1_LENGTH ? body.n : 0);

	if (c->in.n > used) {
		buf_put(&c->carry, (struct str){ c->in.p + used, c->in.n - used });
		c->in.n = used;
	}
	c->close_after = !c->head->keep_alive;
	c->head_request = str_eq(c->head->method, STR("HEAD"));
	reply_open(c);
	c->handler->request(c->handler->ctx, c, c->head, body);
}

/* `in` grows to hold the whole body in one piece; the head is parsed again where it moved to. */
static bool
body_room(struct conn *c, struct err *e)
{
	const char *before = c->in.p;
	size_t scanned = 0, need = c->head_bytes + (size_t)c->head->length_bytes;

	if (need > c->in.n && buf_room(&c->in, need - c->in.n) == NULL)
		return err_set(e, ERR_TOO_LARGE, "the body is too large");
	return c->in.p == before ||
	       http1_request(buf_str(&c->in), &scanned, c->head, &c->head_bytes, e) == HTTP1_DONE;
}

static bool
body_allowed(struct conn *c, struct err *e)
{
	struct http1_head *h = c->head;
	bool post = str_eq(h->method, STR("POST")) || str_eq(h->method, STR("PUT"));

	if (h->framing == HTTP1_NONE && post)
		return err_set(e, ERR_LENGTH, "a body needs Content-Length or chunked coding");
	if (h->framing == HTTP1_LENGTH && h->length_bytes > c->ls->limits.body_bytes)
		return err_set(e, ERR_TOO_LARGE, "the body is over %lld bytes (limits.body)",
		    (long long)c->ls->limits.body_bytes);
	return h->framing != HTTP1_LENGTH || body_room(c, e);
}

static void
body_wait(struct conn *c)
{
	if (c->head->expect_continue) {
		c->head->expect_continue = false;
		out_put(c, STR("HTTP/1.1 100 Continue\r\n\r\n"));
		out_flush(c);
	}
	timer_set(c->ls->loop, &c->timer, c->ls->limits.body_ms, slow, c);
}

/* Decodes a piece of a chunked body straight from what was received: `in` must not move, the
 * head's spans point into it.  What follows the last chunk is the next request's. */
static void
chunks_read(struct conn *c, struct str in)
{
	enum http1_result r = HTTP1_MORE;
	struct str piece;
	struct err e;

	while (r == HTTP1_MORE && in.n > 0) {
		r = http1_body_next(&c->decoder, &in, &piece, &e);
		buf_put(&c->body, piece);
	}
	if (!buf_ok(&c->body)) {
		(void)err_set(&e, ERR_TOO_LARGE, "the body is over %lld bytes (limits.body)",
		    (long long)c->ls->limits.body_bytes);
		r = HTTP1_BAD;
	}
	switch (r) {
	case HTTP1_DONE:
		buf_put(&c->carry, in);
		request_run(c, buf_str(&c->body));
		return;
	case HTTP1_BAD:
		conn_bad(c, &e);
		return;
	case HTTP1_MORE:
		body_wait(c);
		return;
	}
}

static void
body_read(struct conn *c)
{
	size_t have = c->in.n - c->head_bytes, want = (size_t)c->head->length_bytes;

	if (c->head->framing == HTTP1_CHUNKED) {
		c->in.n = c->head_bytes;
		chunks_read(c, (struct str){ c->in.p + c->head_bytes, have });
	} else if (have >= want) {
		request_run(c, (struct str){ c->in.p + c->head_bytes, want });
	} else {
		body_wait(c);
	}
}

/* True when the head is complete and its body allowed; otherwise waits or has refused. */
static bool
head_read(struct conn *c)
{
	struct err e;

	switch (http1_request(buf_str(&c->in), &c->scanned, c->head, &c->head_bytes, &e)) {
	case HTTP1_MORE:
		return false;
	case HTTP1_BAD:
		conn_bad(c, &e);
		return false;
	case HTTP1_DONE:
		break;
	}
	if (!body_allowed(c, &e)) {
		conn_bad(c, &e);
		return false;
	}
	c->state = CONN_BODY;
	http1_body_init(&c->decoder, c->head);
	buf_init(&c->body, (size_t)c->ls->limits.body_bytes);
	return true;
}

void
request_read(struct conn *c)
{
	if (c->state == CONN_IDLE) {
		c->state = CONN_HEAD;
		timer_set(c->ls->loop, &c->timer, c->ls->limits.header_ms, slow, c);
		if (c->head == NULL)
			c->head = mem_alloc(sizeof(*c->head));
	}
	if (c->state == CONN_HEAD && !head_read(c))
		return;
	if (c->state == CONN_BODY)
		body_read(c);
}

/* The first bytes of a large request: makes room for all of it before they are copied, which else
 * would happen twice.  Whatever is wrong with the head is found when it is read in place. */
static void
body_expect(struct conn *c, struct str bytes)
{
	size_t scanned = 0, head = 0;
	struct err e;

	if (c->head == NULL)
		c->head = mem_alloc(sizeof(*c->head));
	if (http1_request(bytes, &scanned, c->head, &head, &e) == HTTP1_DONE &&
	    c->head->framing == HTTP1_LENGTH && c->head->length_bytes <= c->ls->limits.body_bytes)
		(void)buf_room(&c->in, head + (size_t)c->head->length_bytes);
}

void
conn_read(struct conn *c, struct str bytes)
{
	size_t want;

	switch (c->state) {
	case CONN_LINGER:
		return;
	case CONN_REPLY:
		buf_put(&c->carry, bytes);
		if (c->carry.n > CARRY_BYTES_MAX && !c->paused) {
			conn_pause(c, true);
		}
		if (!buf_ok(&c->carry))
			conn_cut(c);
		return;
	case CONN_BODY:
		if (c->head->framing == HTTP1_CHUNKED) {
			chunks_read(c, bytes);
			return;
		}
		/* Exactly the body: `in` has room for no more, and may not move. */
		want = c->head_bytes + (size_t)c->head->length_bytes - c->in.n;
		if (bytes.n > want) {
			buf_put(&c->carry, (struct str){ bytes.p + want, bytes.n - want });
			bytes.n = want;
		}
		buf_put(&c->in, bytes);
		request_read(c);
		return;
	case CONN_IDLE:
	case CONN_HEAD:
		if (c->in.n == 0 && bytes.n >= LARGE_BYTES)
			body_expect(c, bytes);
		buf_put(&c->in, bytes);
		request_read(c);
		return;
	}
}
