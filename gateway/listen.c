/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - the one door to libwebsockets, and the life of connections.
 *
 * lws in RAW role adopts our sockets, reads them, and keeps what the kernel did not take; the
 * state machine is drawn in listen_conn.h.  Why not lws' HTTP role: version 4.1.6 loops for ever
 * on two pipelined POSTs, does not decode chunked bodies and accepts differing Content-Lengths.
 * In RAW role it arms no timeouts, so ours are one wheel timer per connection.
 */
#include "gateway/listen.h"

#include <libwebsockets.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "gateway/listen_conn.h"

#define KEEP_BYTES   (32 << 20) /* free memory that is not given back to the system at once */
#define MAP_BYTES    (4 << 20)  /* larger pieces are mapped on their own */
#define SNDBUF_BYTES (256 * 1024)

_Static_assert(OUT_SPARE_BYTES >= LWS_PRE, "lws_write() needs LWS_PRE bytes before the text");

#define GREET_MS 30000 /* for a TLS handshake */

struct pss { /* lws keeps this per connection */
	struct conn *c;
};

/* ---- the end of a connection ---- */

void
conn_bury(void *ctx)
{
	struct conn *c = ctx;

	IS(c, CONN_MAGIC);
	ASSERT(c->wsi == NULL && c->state != CONN_REPLY);
	timer_stop(&c->timer);
	deferred_drop(&c->next);
	deferred_drop(&c->flush);
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
void
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

/* ---- for the rest of the listener ---- */

static void
stall_over(void *ctx)
{
	conn_kill(ctx); /* the client reads nothing any more */
}

void
conn_write(struct conn *c, char *p, size_t n)
{
	if (lws_write(c->wsi, (unsigned char *)p, n, LWS_WRITE_RAW) < 0) {
		conn_kill(c);
	} else if (lws_partial_buffered(c->wsi)) {
		lws_callback_on_writable(c->wsi);
		if (c->state == CONN_REPLY && !timer_armed(&c->timer))
			timer_set(c->ls->loop, &c->timer, c->ls->limits.idle_ms, stall_over, c);
	}
}

bool
conn_blocked(const struct conn *c)
{
	return lws_partial_buffered(c->wsi) != 0;
}

void
conn_want_write(struct conn *c)
{
	lws_callback_on_writable(c->wsi);
}

void
conn_pause(struct conn *c, bool paused)
{
	c->paused = paused;
	lws_rx_flow_control(c->wsi, !paused);
}

void
conn_shut(struct conn *c)
{
	if (c->tls)
		tls_finish(lws_get_ssl(c->wsi));
	(void)shutdown(lws_get_socket_fd(c->wsi), SHUT_WR);
}

bool
conn_greeted(const struct conn *c)
{
	return !c->tls || (c->wsi != NULL && tls_greeted(lws_get_ssl(c->wsi)));
}

/* ---- lws ---- */

static int
raw_cb(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct pss *pss = user;
	struct conn *c;

	if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) {
		struct acceptor *a = lws_vhost_user(in);
		struct err e;

		if (tls_server_attach(a->tls, user, &e))
			return 0;
		log_error(NULL, "no TLS", F_TEXT("why", e.text));
		return -1;
	}
	c = pss == NULL ? NULL : pss->c;
	if (reason == LWS_CALLBACK_RAW_ADOPT && pss != NULL) {
		pss->c = lws_get_opaque_user_data(wsi);
		pss->c->wsi = wsi;
		return 0;
	}
	if (c == NULL)
		return 0;
	switch ((int)reason) { /* lws has over a hundred reasons; these are a RAW socket's */
	case LWS_CALLBACK_RAW_RX:
		if (len > 0)
			conn_read(c, (struct str){ in, len });
		return c->cutting ? -1 : 0;
	case LWS_CALLBACK_RAW_WRITEABLE:
		conn_writable(c);
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

/* ---- adopting ---- */

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
	c->tls = a->tls != NULL;
	c->sink.type = &conn_sink_type;
	link_init(&c->link);
	link_push(&ls->conns, &c->link);
	ls->open++;
	buf_init(&c->in, HTTP1_HEAD_BYTES_MAX + READ_BYTES + (size_t)ls->limits.body_bytes);
	buf_init(&c->carry, CARRY_BYTES_MAX + 2 * READ_BYTES);
	buf_init(&c->body, 1);
	buf_init(&c->out, OUT_HARD_BYTES + TX_BYTES + OUT_SPARE_BYTES);
	return c;
}

void
conn_adopt(struct acceptor *a, int fd, const struct sockaddr_storage *sa, socklen_t n)
{
	bool local = a->path[0] != '\0';
	struct conn *c = conn_new(a);
	lws_adopt_desc_t desc = { .vh = a->vhost,
		.type = LWS_ADOPT_SOCKET | (a->tls != NULL ? LWS_ADOPT_ALLOW_SSL : 0),
		.fd = { .sockfd = fd },
		.vh_prot_name = "http1",
		.opaque = c };
	int one = 1, lowat = (int)OUT_SOFT_BYTES, sndbuf = SNDBUF_BYTES;

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
	timer_set(
	    a->ls->loop, &c->timer, c->tls ? GREET_MS : a->ls->limits.idle_ms, conn_idle_over, c);
}

/* Of the plain sockets all have one; with certificates each has its own. */
bool
acceptor_vhost(struct acceptor *a, struct err *e)
{
	struct lws_context_creation_info info = { .port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX |
			   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
		.alpn = "http/1.1",
		.vhost_name = "tls",
		.user = a };

	a->vhost = a->tls == NULL ? a->ls->vhost : lws_create_vhost(a->ls->context, &info);
	return a->vhost != NULL ||
	       err_set(e, ERR_INTERNAL, "libwebsockets could not start TLS on a listener");
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
		.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.foreign_loops = foreign,
		.pt_serv_buf_size = READ_BYTES };

	/* A body's buffer lives for one request.  Giving its pages back each time doubles the cost
	 * of a 100 KB request. */
	(void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, MAP_BYTES);
	ls->loop = l;
	if (limits != NULL)
		ls->limits = *limits;
	limits_default(&ls->limits);
	link_init(&ls->acceptors);
	link_init(&ls->conns);
	lws_set_log_level(LLL_ERR | LLL_WARN, lws_log);
	ls->context = lws_create_context(&info);
	info.options &= ~(uint64_t)LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT; /* the plain sockets' */
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
	timer_stop(&ls->certificates);
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
		acceptor_tls_free(a);
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

void
conn_cut(struct conn *c)
{
	IS(c, CONN_MAGIC);
	c->close_after = true;
	conn_kill(c);
}
