/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect - outgoing connections: names, proxies, TLS and certificate checks are libcurl's
 * (CURLOPT_CONNECT_ONLY); what travels on them is the caller's.
 */
#pragma once

#include <sys/uio.h>

#include "base/job.h"
#include "base/loop.h"

struct connect_settings {    /* borrowed during connect_start() only */
	const char *url;     /* scheme://host[:port] */
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: none */
	int timeout_ms;
	/* Only to addresses that the whole internet has (a proxy's own address is excepted): what a
	 * stranger has named must not lead into the house.  Looked at after the name is resolved.
	 */
	bool public_only;
};
struct connection;
/* Once: connected (takes over `c`, to be freed with connection_free), or NULL and e. */
typedef void connect_done_f(void *ctx, struct connection *c, const struct err *e);
struct connecting;

/* NULL with *e, or started; done never runs before this has returned. */
struct connecting *connect_start(struct loop *l, const struct connect_settings *s,
    connect_done_f *done, void *ctx, struct err *e) MUST_CHECK;
void connect_cancel(struct connecting **kp); /* silent */

int connection_fd(const struct connection *c);
/* Bytes moved; 0: would block; -1: broken.  recv also gives -1 at the end, with *eof;
 * over TLS a stream that was cut off looks the same, libcurl does not tell. */
ssize_t connection_send(struct connection *c, const struct iovec *iov, int n);
ssize_t connection_recv(struct connection *c, void *p, size_t n, bool *eof);
void connection_free(struct connection **cp);
