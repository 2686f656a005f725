/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen_conn - what the four files of the listener share: the connection and its state machine.
 *
 *   IDLE --first byte, conn_read()--> HEAD --head complete--> BODY --complete--> REPLY
 *   REPLY --sink end, flushed, reply_over()--> IDLE (keep-alive) | LINGER (close)
 *   HEAD, BODY --refused, conn_bad()--> REPLY, then LINGER
 *   any --lws closes, conn_closed()--> freed when no reply is open
 *
 * listen.c is the door to libwebsockets, listen_accept.c makes the sockets, listen_request.c reads
 * requests, listen_reply.c is the sink, listen_tls.c keeps the certificates.
 *
 * Invariants:
 *  1. `in` holds the current request first (head, then a Content-Length body); spans of the head
 *     point into it, so it does not move while a reply is open: what arrives meanwhile goes to
 *     `carry`, which is bounded by not reading the socket;
 *  2. a reply is open exactly in REPLY; sink calls before or after that are dropped;
 *  3. the conn is freed once, at the end of a turn, when wsi == NULL and no reply is open.
 */
#pragma once

#include <sys/socket.h>

#include "base/text.h"
#include "gateway/listen.h"

#define CONN_MAGIC      0x636f6e6eu
#define READ_BYTES      ((size_t)65536)           /* lws' one receive buffer */
#define TX_BYTES        ((size_t)1024 * 1024)     /* most that one send() may take */
#define OUT_SOFT_BYTES  ((size_t)64 * 1024)       /* room that a producer sees */
#define OUT_HARD_BYTES  ((size_t)4 * 1024 * 1024) /* a producer that ignores it is cut */
#define OUT_SPARE_BYTES 16 /* before what waits: lws wants to own some bytes there (LWS_PRE) */
#define CARRY_BYTES_MAX ((size_t)64 * 1024) /* pipelined input; then the socket is not read */

struct lws;
struct lws_context;
struct lws_vhost;

enum conn_state { CONN_IDLE, CONN_HEAD, CONN_BODY, CONN_REPLY, CONN_LINGER };

struct acceptor {
	struct listeners *ls;
	struct link link;
	int fd, tag;
	struct watch *watch;
	struct timer pause;
	struct listen_handler handler;
	char path[108];         /* unix */
	struct tls_server *tls; /* NULL: in the open */
	struct lws_vhost *vhost;
};

struct listeners {
	struct loop *loop;
	struct listen_limits limits;
	struct lws_context *context;
	struct lws_vhost *vhost;
	struct link acceptors, conns;
	struct timer certificates; /* looks whether their files have changed */
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
	struct deferred next, flush, bury;

	struct buf in, carry, body; /* body: a decoded chunked one */
	struct http1_head *head;
	struct http1_body decoder;
	size_t scanned, head_bytes;

	struct sink sink;
	struct buf out;    /* OUT_SPARE_BYTES, then what waits */
	bool tls, greeted; /* greeted: its handshake was seen to be over */
	bool chunked, head_put, ended, close_after, stalled, paused, cutting, head_request;
	int64_t promised; /* Content-Length still to come, -1 when streamed */
	void (*gone)(void *ctx);
	void *gone_ctx;

	int tag;
	uid_t uid;
	char peer[64];
};

/* listen.c: the connection as lws carries it. */
void conn_adopt(struct acceptor *a, int fd, const struct sockaddr_storage *sa, socklen_t n);
void conn_bury(void *c); /* a deferred_f: frees it */
void conn_kill(struct conn *c);
void conn_write(struct conn *c, char *p, size_t n); /* one send; what is left over waits in lws */
bool conn_blocked(const struct conn *c);            /* something waits in lws */
void conn_want_write(struct conn *c);               /* conn_writable() when it has left */
void conn_pause(struct conn *c, bool paused);       /* reading the socket */
void conn_shut(struct conn *c);                     /* our side of the stream */
bool conn_greeted(const struct conn *c);            /* the handshake is over, if there is one */
bool acceptor_vhost(struct acceptor *a, struct err *e) MUST_CHECK; /* of a->tls, or the plain one */

/* listen_tls.c */
bool acceptor_tls(struct acceptor *a, const struct tls_files *files, struct err *e) MUST_CHECK;
void acceptor_tls_free(struct acceptor *a); /* when no connection is left */

/* listen_accept.c */
void acceptors_close(struct listeners *ls);

/* listen_request.c: bytes in. */
void conn_read(struct conn *c, struct str bytes);
void request_read(struct conn *c); /* goes as far as the bytes in `in` allow */
void conn_idle_over(void *c);      /* a timer_f */

/* listen_reply.c: bytes out. */
extern const struct sink_type conn_sink_type;
void reply_open(struct conn *c);
void out_put(struct conn *c, struct str s);
void out_flush(struct conn *c);
void conn_writable(struct conn *c);
