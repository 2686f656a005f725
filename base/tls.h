/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - the server side's certificates: read, checked, exchanged while connections go on.
 *
 * libwebsockets carries the bytes and owns one SSL_CTX per listener; tls_server_attach() makes that
 * context ask us at each ClientHello, so a reload changes what the next handshake sees and nothing
 * else.  TLS 1.2 and 1.3, ALPN http/1.1 only.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"

struct tls_files {             /* PEM; absolute paths, which must live as long as the server */
	const char *cert;      /* the chain, our own first */
	const char *key;       /* without a passphrase */
	const char *client_ca; /* NULL: clients need no certificate; else one that it signed */
};
struct tls_server;

/* Does a file hold PEM certificates that others may be checked with? */
bool tls_ca_check(const char *path, struct err *e) MUST_CHECK;
/* ERR_INVALID names the file that is wrong, and how. */
struct tls_server *tls_server_new(const struct tls_files *f, struct err *e) MUST_CHECK;
/* Only when no connection of an attached context is left. */
void tls_server_free(struct tls_server **tp);
/* Have the files changed since they were last looked at (stat only)? */
bool tls_server_changed(struct tls_server *t);
/* Reads the files again.  false: *e says why, and what was in use stays in use. */
bool tls_server_reload(struct tls_server *t, struct err *e) MUST_CHECK;
/* The days until our certificate expires; negative when it has. */
int tls_server_days(const struct tls_server *t);
/* ssl_ctx: the SSL_CTX of a listener, freshly made; t outlives it. */
bool tls_server_attach(struct tls_server *t, void *ssl_ctx, struct err *e) MUST_CHECK;
/* Is the handshake over? */
bool tls_greeted(void *ssl);
/* The end of our side of the stream (close_notify), so that the peer can tell it from a cut. */
void tls_finish(void *ssl);
