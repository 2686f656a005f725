/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen_reply - the sink of a client connection: heads, lengths or chunks, and back-pressure.
 *
 * A small reply leaves in one send, head and body together; a large piece goes straight to the
 * kernel behind what is queued.  What the kernel does not take waits in lws, the rest here, and
 * the producer is told to stop; a client that reads nothing for the idle time is cut.
 *
 * LINGER: the write side is shut and input discarded for a moment, because closing with unread
 * input would reset the connection and lose the reply.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/listen_conn.h"

#define JOIN_BYTES      ((size_t)16 * 1024) /* pieces up to this leave in one send with the head */
#define LINGER_MS       1000
#define OUT_FIRST_BYTES ((size_t)4096)

/* ---- the end of a connection ---- */

static void
linger_over(void *ctx)
{
	conn_kill(ctx);
}

static void
linger_start(struct conn *c)
{
	c->state = CONN_LINGER;
	if (c->wsi == NULL) {
		loop_defer(c->ls->loop, &c->bury, conn_bury, c);
		return;
	}
	if (c->cutting)
		return;
	conn_shut(c);
	timer_set(c->ls->loop, &c->timer, LINGER_MS, linger_over, c);
}

/* ---- writing ---- */

static size_t
queued(const struct conn *c)
{
	return c->out.n > OUT_SPARE_BYTES ? c->out.n - OUT_SPARE_BYTES : 0;
}

/* An empty queue starts behind the spare bytes, with room for a usual head and a small body. */
static void
out_begin(struct conn *c)
{
	char *p;

	if (c->out.n >= OUT_SPARE_BYTES)
		return;
	p = buf_room(&c->out, OUT_FIRST_BYTES);
	ASSERT(p != NULL);
	memset(p, 0, OUT_SPARE_BYTES);
	c->out.n = OUT_SPARE_BYTES;
}

void
out_put(struct conn *c, struct str s)
{
	out_begin(c);
	buf_put(&c->out, s);
}

void
out_flush(struct conn *c)
{
	size_t n = queued(c);

	if (c->wsi == NULL || c->cutting || n == 0)
		return;
	if (conn_blocked(c)) {
		conn_want_write(c);
		return;
	}
	conn_write(c, c->out.p + OUT_SPARE_BYTES, n);
	buf_reset(&c->out);
	if (c->out.cap > OUT_SOFT_BYTES)
		buf_fini(&c->out);
}

static bool
out_clear(const struct conn *c)
{
	return c->wsi == NULL || c->cutting || (queued(c) == 0 && !conn_blocked(c));
}

/* ---- replies ---- */

static void
next_read(void *ctx)
{
	struct conn *c = ctx;

	if (c->state == CONN_IDLE)
		request_read(c);
}

/* The reply is out: back to the start for the next request, or close. */
static void
reply_over(struct conn *c)
{
	c->gone = NULL;
	if (c->wsi == NULL || c->close_after || c->cutting || c->ls->draining) {
		linger_start(c);
		return;
	}
	buf_reset(&c->in);
	buf_put(&c->in, buf_str(&c->carry));
	buf_fini(&c->carry);
	buf_fini(&c->body);
	c->scanned = c->head_bytes = 0;
	c->state = CONN_IDLE;
	timer_set(c->ls->loop, &c->timer, c->ls->limits.idle_ms, conn_idle_over, c);
	if (c->paused) {
		conn_pause(c, false);
	}
	if (c->in.n > 0) {
		loop_defer(c->ls->loop, &c->next, next_read, c);
	} else { /* an idle connection holds no buffers */
		buf_fini(&c->in);
		buf_fini(&c->out);
		MEM_FREE(&c->head);
	}
}

/* After anything that may have emptied the queue. */
static void
out_settle(struct conn *c)
{
	if (c->state != CONN_REPLY || !out_clear(c))
		return;
	timer_stop(&c->timer);
	if (c->ended) {
		reply_over(c);
	} else if (c->stalled) {
		c->stalled = false;
		if (c->sink.drained != NULL)
			c->sink.drained(c->sink.drained_ctx);
	}
}

static struct conn *
conn_of(struct sink *s)
{
	struct conn *c = CONTAINER(s, struct conn, sink);

	IS(c, CONN_MAGIC);
	return c;
}

/* At the end of the turn: what came together leaves together, but nothing waits for more. */
static void
flush_now(void *ctx)
{
	out_flush(ctx);
}

static void
head_put(struct conn *c, struct buf *b, int64_t length_bytes, int status)
{
	if (length_bytes >= 0 && status != 204) {
		buf_puts(b, "content-length: ");
		buf_i64(b, length_bytes);
		buf_puts(b, "\r\n");
	} else if (c->chunked) {
		buf_puts(b, "transfer-encoding: chunked\r\n");
	}
	if (c->close_after || c->ls->draining)
		buf_puts(b, "connection: close\r\n");
	buf_puts(b, "\r\n");
}

static void
sink_do_head(struct sink *s, int status, const struct header *h, size_t n, int64_t length_bytes)
{
	struct conn *c = conn_of(s);

	if (c->state != CONN_REPLY || c->head_put)
		return;
	c->head_put = true;
	c->promised = status == 204 ? 0 : length_bytes;
	c->chunked = length_bytes < 0 && c->head->minor == 1 && status != 204 && !c->head_request;
	if (length_bytes < 0 && c->head->minor == 0)
		c->close_after = true;
	out_begin(c);
	http1_put_status(&c->out, status);
	for (size_t i = 0; i < n; i++)
		http1_put_header(&c->out, h[i].name, h[i].value);
	head_put(c, &c->out, length_bytes, status);
	loop_defer(c->ls->loop, &c->flush, flush_now, c);
	if (!buf_ok(&c->out)) {
		buf_reset(&c->out); /* a header that would split the reply: an upstream's doing */
		conn_cut(c);
	}
}

/* Large pieces go straight to the kernel, behind what is queued.  lws wants OUT_SPARE_BYTES spare
 * bytes before the text only in framed roles; RAW hands the pointer to send(). */
static void
piece_put(struct conn *c, struct str bytes)
{
	if (bytes.n > JOIN_BYTES && !conn_blocked(c)) {
		out_flush(c);
		if (!c->cutting && !conn_blocked(c)) {
			conn_write(c, mem_unconst(bytes.p), bytes.n);
			return;
		}
	}
	out_put(c, bytes);
}

static size_t
room_left(struct conn *c)
{
	size_t used = queued(c);

	if (out_clear(c))
		return OUT_SOFT_BYTES;
	if (used >= OUT_SOFT_BYTES / 4) {
		c->stalled = true;
		return 0;
	}
	return OUT_SOFT_BYTES - used;
}

static size_t
sink_do_push(struct sink *s, struct str bytes)
{
	struct conn *c = conn_of(s);
	char size[24];

	if (c->state != CONN_REPLY || !c->head_put || c->ended || c->wsi == NULL || c->cutting)
		return OUT_SOFT_BYTES;
	if (bytes.n > 0 && !c->head_request) {
		if (c->chunked) {
			int k = snprintf(size, sizeof(size), "%zx\r\n", bytes.n);

			out_put(c, (struct str){ size, (size_t)k });
		}
		piece_put(c, bytes);
		if (c->chunked)
			out_put(c, STR("\r\n"));
		if (c->promised >= 0)
			c->promised -= (int64_t)bytes.n;
	}
	if (c->promised <= 0 || queued(c) > JOIN_BYTES)
		out_flush(c);
	else
		loop_defer(c->ls->loop, &c->flush, flush_now, c);
	if (queued(c) > OUT_HARD_BYTES || !buf_ok(&c->out) || c->promised < -1) {
		conn_cut(c);
		return 0;
	}
	return room_left(c);
}

static void
sink_do_end(struct sink *s, const struct err *e)
{
	struct conn *c = conn_of(s);

	if (c->state != CONN_REPLY || c->ended)
		return;
	c->ended = true;
	if (e != NULL || !c->head_put || (c->promised > 0 && !c->head_request)) {
		out_flush(c);
		conn_cut(c); /* broken off: the peer must see that it is not whole */
	} else {
		if (c->chunked)
			out_put(c, STR("0\r\n\r\n"));
		out_flush(c);
	}
	out_settle(c);
}

static void
sink_do_hold(struct sink *s)
{
	deferred_drop(&conn_of(s)->flush);
}

const struct sink_type conn_sink_type = { sink_do_head, sink_do_push, sink_do_end, sink_do_hold };

struct sink *
conn_sink(struct conn *c)
{
	IS(c, CONN_MAGIC);
	return &c->sink;
}

void
conn_on_gone(struct conn *c, void (*fn)(void *ctx), void *ctx)
{
	IS(c, CONN_MAGIC);
	c->gone = fn;
	c->gone_ctx = ctx;
}

void
reply_open(struct conn *c)
{
	c->state = CONN_REPLY;
	timer_stop(&c->timer);
	c->head_put = c->ended = c->stalled = c->chunked = false;
	c->promised = -1;
	c->sink.drained = NULL;
	c->gone = NULL;
}

void
conn_writable(struct conn *c)
{
	if (c->state == CONN_REPLY)
		timer_stop(&c->timer); /* it reads: the stall is over */
	out_flush(c);
	out_settle(c);
}
