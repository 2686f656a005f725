/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen - the one door to libwebsockets: accepted sockets become requests, replies go out through
 * a struct sink.
 *
 * lws in RAW role carries the bytes (adoption, write buffering, TLS with base/tls.h); the HTTP is
 * ours (base/http1.h).  One request at a time per connection; pipelined ones wait, bounded.
 */
#pragma once

#include <sys/types.h>

#include "base/http1.h"
#include "base/loop.h"
#include "base/sink.h"
#include "base/tls.h"

struct listeners; /* all sockets of this process */
struct conn;      /* one client connection */

struct listen_limits {      /* 0 = the default */
	int64_t body_bytes; /* 32 MiB; past it: ERR_TOO_LARGE */
	int header_ms;      /* 30,000 for a whole head */
	int body_ms;        /* 30,000 of silence inside a body */
	int idle_ms;        /* 300,000 between requests */
	int conns;          /* 20,000 */
};

struct listen_handler {
	/*
	 * A complete request.  head and body live until the reply has ended.  The handler replies
	 * through conn_sink(), now or later: head, pushes, end.  Before it returns, or later, it
	 * may ask to be told when the client goes.
	 */
	void (*request)(void *ctx, struct conn *c, const struct http1_head *head, struct str body);
	/* Something that is not a request (400, 408, 411, 413, 431).  `target` is what was read of
	 * the target, "" if nothing.  Must reply at once; the connection closes after it. */
	void (*bad)(void *ctx, struct conn *c, const struct err *e, struct str target);
	void *ctx;
};

struct listeners *
listen_new(struct loop *l, const struct listen_limits *limits, struct err *e) MUST_CHECK;
/* "127.0.0.1:8080", "[::1]:0"; returns the port, or -1 with *e.  `tag` comes back from conn_tag().
 * tls: certificates, whose paths are borrowed for the listeners' life; NULL, or its cert: plain. */
int listen_tcp(struct listeners *ls, const char *address, const struct tls_files *tls,
    const struct listen_handler *h, int tag, struct err *e) MUST_CHECK;
/* A unix socket, mode 0600; an old socket file is replaced. */
bool listen_unix(struct listeners *ls, const char *path, const struct listen_handler *h, int tag,
    struct err *e) MUST_CHECK;
/* Reads all certificates again, for the handshakes from now on; happens by itself when their files
 * change.  What cannot be read is logged, and the old one stays. */
void listen_reload(struct listeners *ls);
/* No more new connections; idle ones close; busy ones close after their reply. */
void listen_drain(struct listeners *ls);
size_t listen_open(const struct listeners *ls); /* connections now */
void listen_free(struct listeners **ls);        /* closes what is left; replies are told `gone` */

/* The reply to the current request.  After the client has gone, everything pushed is dropped; the
 * reply must be ended all the same. */
struct sink *conn_sink(struct conn *c);
/* fn(ctx) once, when the client closes before the reply has ended; NULL takes it back. */
void conn_on_gone(struct conn *c, void (*fn)(void *ctx), void *ctx);
/* Cuts the connection at the end of this callback; `gone` is told if the reply is still open. */
void conn_cut(struct conn *c);
struct str conn_peer(const struct conn *c); /* "127.0.0.1:4711", or "local:UID" */
uid_t conn_uid(const struct conn *c);       /* (uid_t)-1 on TCP */
int conn_tag(const struct conn *c);
