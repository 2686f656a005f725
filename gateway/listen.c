/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - accept, adopt, parse, hand over; write what the sink is given.
 *
 *   IDLE --first byte, rx()--> HEAD --head complete--> BODY --complete, request_run()--> REPLY
 *   REPLY --sink end, flushed, reply_over()--> IDLE (keep-alive) | LINGER (close)
 *   HEAD, BODY --refused, conn_bad()--> REPLY, then LINGER
 *   any --RAW_CLOSE, conn_closed()--> freed when no reply is open
 *
 * Why not lws' HTTP role: version 4.1.6 loops for ever on two pipelined POSTs, does not decode
 * chunked bodies and accepts differing Content-Lengths.  In RAW role it arms no timeouts, so ours
 * are one wheel timer per connection.
 *
 * Invariants:
 *  1. `in` holds the current request first (head, then a Content-Length body); spans of the head
 *     point into it, so it does not move while a reply is open: what arrives meanwhile goes to
 *     `carry`, which is bounded by not reading the socket;
 *  2. a reply is open exactly in REPLY; sink calls before or after that are dropped;
 *  3. the conn is freed once, at the end of a turn, when wsi == NULL and no reply is open.
 *
 * LINGER: the write side is shut and input discarded for a moment, because closing with unread
 * input would reset the connection and lose the reply.
 */
#include "gateway/listen.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

#define CONN_MAGIC      0x636f6e6eu
#define READ_BYTES      65536             /* lws' one receive buffer */
#define TX_BYTES        (1024 * 1024)     /* most that one send() may take */
#define OUT_SOFT_BYTES  (64 * 1024)       /* room that a producer sees */
#define OUT_HARD_BYTES  (4 * 1024 * 1024) /* a producer that ignores it is cut */
#define JOIN_BYTES      (16 * 1024)       /* pieces up to this leave in one send with the head */
#define CARRY_BYTES_MAX (64 * 1024)       /* pipelined input; then the socket is not read */
#define LINGER_MS       1000
#define SNDBUF_BYTES    (256 * 1024)
#define ACCEPTS         64 /* per turn */

enum conn_state { CONN_IDLE, CONN_HEAD, CONN_BODY, CONN_REPLY, CONN_LINGER };

struct acceptor {
	struct listeners *ls;
	struct link link;
	int fd, tag;
	struct watch *watch;
	struct timer pause;
	struct listen_handler handler;
	char path[108]; /* unix */
};

struct listeners {
	struct loop *loop;
	struct listen_limits limits;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct link acceptors, conns;
	size_t open;
	bool draining;
};

struct conn {
	uint32_t magic;
	enum conn_state state;
	struct lws *wsi;
	struct listeners *ls;
	const struct listen_handler *handler;
	struct link link;
	struct timer timer;
	struct deferred next, bury;

	struct buf in, carry, body; /* body: a decoded chunked one */
	struct http1_head *head;
	struct http1_body decoder;
	size_t scanned, head_bytes;

	struct sink sink;
	struct buf out; /* LWS_PRE spare bytes, then what waits */
	bool chunked, head_put, ended, close_after, stalled, paused, cutting, head_request;
	int64_t promised; /* Content-Length still to come, -1 when streamed */
	void (*gone)(void *ctx);
	void *gone_ctx;

	int tag;
	uid_t uid;
	char peer[64];
};

struct pss { /* lws keeps this per connection */
	struct conn *c;
};

static void request_read(struct conn *c);

/* ---- the end of a connection ---- */

static void
conn_bury(void *ctx)
{
	struct conn *c = ctx;

	IS(c, CONN_MAGIC);
	ASSERT(c->wsi == NULL && c->state != CONN_REPLY);
	timer_stop(&c->timer);
	deferred_drop(&c->next);
	deferred_drop(&c->bury);
	link_drop(&c->link);
	c->ls->open--;
	buf_fini(&c->in);
	buf_fini(&c->carry);
	buf_fini(&c->body);
	buf_fini(&c->out);
	free(c->head);
	c->magic = 0;
	free(c);
}

/* Closes soon: lws meets the end of the stream, from wherever this is called.  (lws' own timeouts
 * would wait for its next event: nothing drives them on a foreign loop.) */
static void
conn_kill(struct conn *c)
{
	if (c->wsi == NULL || c->cutting)
		return;
	c->cutting = true;
	if (c->paused)
		lws_rx_flow_control(c->wsi, 1);
	(void)shutdown(lws_get_socket_fd(c->wsi), SHUT_RDWR);
}

static void
conn_closed(struct conn *c)
{
	void (*gone)(void *ctx) = c->gone;

	c->wsi = NULL;
	timer_stop(&c->timer);
	if (c->state != CONN_REPLY) {
		loop_defer(c->ls->loop, &c->bury, conn_bury, c);
		return;
	}
	c->gone = NULL;
	if (gone != NULL)
		gone(c->gone_ctx);
}

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
	(void)shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
	timer_set(c->ls->loop, &c->timer, LINGER_MS, linger_over, c);
}

/* ---- writing ---- */

static size_t
queued(const struct conn *c)
{
	return c->out.n > LWS_PRE ? c->out.n - LWS_PRE : 0;
}

static void
out_put(struct conn *c, struct str s)
{
	if (c->out.n < LWS_PRE) {
		char *p = buf_room(&c->out, LWS_PRE);

		ASSERT(p != NULL);
		memset(p, 0, LWS_PRE);
		c->out.n = LWS_PRE;
	}
	buf_put(&c->out, s);
}

static void
stall_over(void *ctx)
{
	conn_kill(ctx); /* the client reads nothing any more */
}

/* One send; lws keeps a copy of what the kernel did not take. */
static void
write_now(struct conn *c, unsigned char *p, size_t n)
{
	if (lws_write(c->wsi, p, n, LWS_WRITE_RAW) < 0) {
		conn_kill(c);
	} else if (lws_partial_buffered(c->wsi)) {
		lws_callback_on_writable(c->wsi);
		if (c->state == CONN_REPLY && !timer_armed(&c->timer))
			timer_set(c->ls->loop, &c->timer, c->ls->limits.idle_ms, stall_over, c);
	}
}

static void
out_flush(struct conn *c)
{
	size_t n = queued(c);

	if (c->wsi == NULL || c->cutting || n == 0)
		return;
	if (lws_partial_buffered(c->wsi)) {
		lws_callback_on_writable(c->wsi);
		return;
	}
	write_now(c, (unsigned char *)c->out.p + LWS_PRE, n);
	buf_reset(&c->out);
	if (c->out.cap > OUT_SOFT_BYTES)
		buf_fini(&c->out);
}

static bool
out_clear(const struct conn *c)
{
	return c->wsi == NULL || c->cutting || (queued(c) == 0 && !lws_partial_buffered(c->wsi));
}

/* ---- replies ---- */

static void
idle_over(void *ctx)
{
	struct conn *c = ctx;

	if (c->state == CONN_IDLE)
		conn_kill(c);
}

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
	timer_set(c->ls->loop, &c->timer, c->ls->limits.idle_ms, idle_over, c);
	if (c->paused) {
		c->paused = false;
		lws_rx_flow_control(c->wsi, 1);
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
	struct buf b;

	if (c->state != CONN_REPLY || c->head_put)
		return;
	c->head_put = true;
	c->promised = status == 204 ? 0 : length_bytes;
	c->chunked = length_bytes < 0 && c->head->minor == 1 && status != 204 && !c->head_request;
	if (length_bytes < 0 && c->head->minor == 0)
		c->close_after = true;
	buf_init(&b, 0);
	http1_put_status(&b, status);
	for (size_t i = 0; i < n; i++)
		http1_put_header(&b, h[i].name, h[i].value);
	head_put(c, &b, length_bytes, status);
	if (buf_ok(&b))
		out_put(c, buf_str(&b));
	else
		conn_cut(c); /* a header that would split the reply: an upstream's doing */
	buf_fini(&b);
}

/* Large pieces go straight to the kernel, behind what is queued.  lws wants LWS_PRE spare bytes
 * before the text only in framed roles; RAW hands the pointer to send(). */
static void
piece_put(struct conn *c, struct str bytes)
{
	if (bytes.n > JOIN_BYTES && !lws_partial_buffered(c->wsi)) {
		out_flush(c);
		if (!c->cutting && !lws_partial_buffered(c->wsi)) {
			write_now(c, (unsigned char *)(uintptr_t)bytes.p, bytes.n);
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

static const struct sink_type conn_sink_type = { sink_do_head, sink_do_push, sink_do_end };

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
conn_cut(struct conn *c)
{
	IS(c, CONN_MAGIC);
	c->close_after = true;
	conn_kill(c);
}

/* ---- requests ---- */

static void
reply_open(struct conn *c)
{
	c->state = CONN_REPLY;
	timer_stop(&c->timer);
	c->head_put = c->ended = c->stalled = c->chunked = false;
	c->promised = -1;
	c->sink.drained = NULL;
	c->gone = NULL;
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
		sink_do_end(&c->sink, e);
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

/* Goes as far as the bytes in `in` allow. */
static void
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

static void
rx(struct conn *c, struct str bytes)
{
	size_t want;

	switch (c->state) {
	case CONN_LINGER:
		return;
	case CONN_REPLY:
		buf_put(&c->carry, bytes);
		if (c->carry.n > CARRY_BYTES_MAX && !c->paused) {
			c->paused = true;
			lws_rx_flow_control(c->wsi, 0);
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
		buf_put(&c->in, bytes);
		request_read(c);
		return;
	}
}

/* ---- lws ---- */

static int
raw_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct pss *pss = user;
	struct conn *c = pss == NULL ? NULL : pss->c;

	if (reason == LWS_CALLBACK_RAW_ADOPT) {
		pss->c = lws_get_opaque_user_data(wsi);
		pss->c->wsi = wsi;
		return 0;
	}
	if (c == NULL)
		return 0;
	switch ((int)reason) { /* lws has over a hundred reasons; these are a RAW socket's */
	case LWS_CALLBACK_RAW_RX:
		if (len > 0)
			rx(c, (struct str){ in, len });
		return c->cutting ? -1 : 0;
	case LWS_CALLBACK_RAW_WRITEABLE:
		if (c->state == CONN_REPLY)
			timer_stop(&c->timer); /* it reads: the stall is over */
		out_flush(c);
		out_settle(c);
		return c->cutting ? -1 : 0;
	case LWS_CALLBACK_RAW_CLOSE:
		pss->c = NULL;
		conn_closed(c);
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{ .name = "http1",
	    .callback = raw_cb,
	    .per_session_data_size = sizeof(struct pss),
	    .rx_buffer_size = READ_BYTES,
	    .tx_packet_size = TX_BYTES },
	{ .name = NULL },
};

static void
lws_log(int level, const char *line)
{
	(void)level;
	log_warn(NULL, "libwebsockets", F_TEXT("text", line));
}

/* ---- accepting ---- */

static void
peer_name(struct conn *c, const struct sockaddr_storage *sa, socklen_t n, bool local, int fd)
{
	char host[48], port[8];
	struct ucred cred;
	socklen_t size = sizeof(cred);

	c->uid = (uid_t)-1;
	if (local) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
			c->uid = cred.uid;
		(void)snprintf(c->peer, sizeof(c->peer), "local:%d", (int)c->uid);
	} else if (getnameinfo((const struct sockaddr *)sa, n, host, sizeof(host), port,
		       sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
		(void)snprintf(c->peer, sizeof(c->peer), "%s:%s", host, port);
	}
}

static struct conn *
conn_new(struct acceptor *a)
{
	struct listeners *ls = a->ls;
	struct conn *c = mem_zalloc(sizeof(*c));

	c->magic = CONN_MAGIC;
	c->ls = ls;
	c->handler = &a->handler;
	c->tag = a->tag;
	c->sink.type = &conn_sink_type;
	link_init(&c->link);
	link_push(&ls->conns, &c->link);
	ls->open++;
	buf_init(&c->in, HTTP1_HEAD_BYTES_MAX + READ_BYTES + (size_t)ls->limits.body_bytes);
	buf_init(&c->carry, CARRY_BYTES_MAX + 2 * READ_BYTES);
	buf_init(&c->body, 1);
	buf_init(&c->out, OUT_HARD_BYTES + TX_BYTES + LWS_PRE);
	return c;
}

static void
conn_adopt(struct acceptor *a, int fd, const struct sockaddr_storage *sa, socklen_t n)
{
	bool local = a->path[0] != '\0';
	struct conn *c = conn_new(a);
	lws_adopt_desc_t desc = { .vh = a->ls->vhost,
		.type = LWS_ADOPT_SOCKET,
		.fd = { .sockfd = fd },
		.vh_prot_name = "http1",
		.opaque = c };
	int one = 1, lowat = OUT_SOFT_BYTES, sndbuf = SNDBUF_BYTES;

	if (!local) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	}
	peer_name(c, sa, n, local, fd);
	if (lws_adopt_descriptor_vhost_via_info(&desc) == NULL) {
		log_warn(NULL, "connection not adopted", F_TEXT("peer", c->peer));
		if (c->wsi == NULL)
			conn_bury(c);
		return;
	}
	timer_set(a->ls->loop, &c->timer, a->ls->limits.idle_ms, idle_over, c);
}

static void
accept_again(void *ctx)
{
	struct acceptor *a = ctx;

	watch_set(a->watch, WATCH_READ);
}

static void
accept_cb(void *ctx, int events)
{
	struct acceptor *a = ctx;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage sa = { 0 };
		socklen_t n = sizeof(sa);
		int fd = accept4(a->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0 && a->ls->open < (size_t)a->ls->limits.conns) {
			conn_adopt(a, fd, &sa, n);
			continue;
		}
		if (fd >= 0) {
			(void)close(fd);
			log_warn(NULL, "too many connections", F_INT("limit", a->ls->limits.conns));
		} else if (errno == EAGAIN) {
			return;
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			log_error(NULL, "cannot accept", F_INT("errno", errno));
			watch_set(a->watch, 0);
			timer_set(a->ls->loop, &a->pause, 100, accept_again, a);
			return;
		}
	}
}

static struct acceptor *
acceptor_new(struct listeners *ls, int fd, const struct listen_handler *h, int tag)
{
	struct acceptor *a = mem_zalloc(sizeof(*a));

	a->ls = ls;
	a->fd = fd;
	a->handler = *h;
	a->tag = tag;
	a->watch = watch_new(ls->loop, fd, accept_cb, a);
	watch_set(a->watch, WATCH_READ);
	link_init(&a->link);
	link_push(&ls->acceptors, &a->link);
	return a;
}

static bool
address_split(const char *address, char host[64], char port[8])
{
	struct str s = str_of(address);
	const char *colon = s.n > 0 ? memrchr(s.p, ':', s.n) : NULL;

	if (colon == NULL)
		return false;
	s = STR_SPAN(address, colon);
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = (struct str){ s.p + 1, s.n - 2 };
	return s.n > 0 && str_copy(host, 64, s) && str_copy(port, 8, str_of(colon + 1));
}

/* The listening socket and its port, or -1 with errno. */
static int
tcp_socket(const struct addrinfo *ai, int *port)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);
	char name[8];
	int64_t number = 0;
	int one = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 4096) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &n) != 0 ||
	    getnameinfo((struct sockaddr *)&sa, n, NULL, 0, name, sizeof(name), NI_NUMERICSERV) !=
		0 ||
	    !str_i64(str_of(name), &number)) {
		int why = errno;

		(void)close(fd);
		errno = why;
		return -1;
	}
	*port = (int)number;
	return fd;
}

int
listen_tcp(struct listeners *ls, const char *address, const struct listen_handler *h, int tag,
    struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *ai = NULL;
	char host[64], port[8];
	int fd, number = 0;

	if (!address_split(address, host, port) || getaddrinfo(host, port, &hints, &ai) != 0) {
		(void)err_set(e, ERR_INVALID, "listen address \"%s\" is not IP:PORT", address);
		return -1;
	}
	fd = tcp_socket(ai, &number);
	freeaddrinfo(ai);
	if (fd < 0) {
		(void)err_set(e, ERR_INVALID, "cannot listen on %s (%s)", address,
		    errno == EADDRINUSE ? "the port is in use" : strerrorname_np(errno));
		return -1;
	}
	(void)acceptor_new(ls, fd, h, tag);
	return number;
}

bool
listen_unix(
    struct listeners *ls, const char *path, const struct listen_handler *h, int tag, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct acceptor *a;
	mode_t mask;
	int fd;
	bool ok;

	if (!str_copy(sa.sun_path, sizeof(sa.sun_path), str_of(path)))
		return err_set(
		    e, ERR_INVALID, "the path %s is over 107 bytes (shorten data:)", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)unlink(path);
	mask = umask(0177);
	ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 64) == 0;
	(void)umask(mask);
	if (!ok) {
		(void)err_set(
		    e, ERR_STORE, "cannot listen on %s (%s)", path, strerrorname_np(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	a = acceptor_new(ls, fd, h, tag);
	return str_copy(a->path, sizeof(a->path), str_of(path));
}

/* ---- life ---- */

static void
limits_default(struct listen_limits *m)
{
	m->body_bytes = m->body_bytes > 0 ? m->body_bytes : 32 << 20;
	m->header_ms = m->header_ms > 0 ? m->header_ms : 30000;
	m->body_ms = m->body_ms > 0 ? m->body_ms : 30000;
	m->idle_ms = m->idle_ms > 0 ? m->idle_ms : 300000;
	m->conns = m->conns > 0 ? m->conns : 20000;
}

struct listeners *
listen_new(struct loop *l, const struct listen_limits *limits, struct err *e)
{
	struct listeners *ls = mem_zalloc(sizeof(*ls));
	void *foreign[] = { loop_foreign(l) };
	struct lws_context_creation_info info = { .port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.foreign_loops = foreign,
		.pt_serv_buf_size = READ_BYTES };

	ls->loop = l;
	if (limits != NULL)
		ls->limits = *limits;
	limits_default(&ls->limits);
	link_init(&ls->acceptors);
	link_init(&ls->conns);
	lws_set_log_level(LLL_ERR | LLL_WARN, lws_log);
	ls->context = lws_create_context(&info);
	if (ls->context != NULL)
		ls->vhost = lws_create_vhost(ls->context, &info);
	if (ls->vhost != NULL)
		return ls;
	(void)err_set(e, ERR_INTERNAL,
	    "libwebsockets could not start (is libwebsockets-evlib-ev installed?)");
	if (ls->context != NULL)
		lws_context_destroy(ls->context);
	free(ls);
	return NULL;
}

static void
acceptors_close(struct listeners *ls)
{
	LIST_EACH(it, &ls->acceptors) {
		struct acceptor *a = CONTAINER(it, struct acceptor, link);

		timer_stop(&a->pause);
		watch_free(&a->watch);
		if (a->fd >= 0)
			(void)close(a->fd);
		a->fd = -1;
		if (a->path[0] != '\0')
			(void)unlink(a->path);
		a->path[0] = '\0';
	}
}

void
listen_drain(struct listeners *ls)
{
	ls->draining = true;
	acceptors_close(ls);
	LIST_EACH(it, &ls->conns) {
		struct conn *c = CONTAINER(it, struct conn, link);

		if (c->state == CONN_IDLE)
			conn_kill(c);
	}
}

size_t
listen_open(const struct listeners *ls)
{
	return ls->open;
}

void
listen_free(struct listeners **lsp)
{
	struct listeners *ls = *lsp;

	if (ls == NULL)
		return;
	*lsp = NULL;
	acceptors_close(ls);
	lws_context_destroy(ls->context); /* RAW_CLOSE for each */
	while (!link_empty(&ls->conns)) {
		struct conn *c = CONTAINER(ls->conns.next, struct conn, link);

		c->state = CONN_IDLE;
		c->wsi = NULL;
		conn_bury(c);
	}
	while (!link_empty(&ls->acceptors)) {
		struct acceptor *a = CONTAINER(ls->acceptors.next, struct acceptor, link);

		link_drop(&a->link);
		free(a);
	}
	free(ls);
}

struct str
conn_peer(const struct conn *c)
{
	return str_of(c->peer);
}

uid_t
conn_uid(const struct conn *c)
{
	return c->uid;
}

int
conn_tag(const struct conn *c)
{
	return c->tag;
}
