/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch - one small document from an address that somebody else has named.
 *
 * For what is discovered, not configured: metadata, tokens, key sets.  https only, on public
 * addresses only (the resolved address is what is looked at, so a name cannot be moved in between),
 * no redirects, a size and a time for the whole.  Who configured the address himself may allow
 * more.
 */
#pragma once

#include "base/http.h"

#define FETCH_BYTES_MAX ((size_t)256 << 10)

struct fetch_ask {
	struct str url;
	struct str body;        /* p == NULL: a GET; else a POST */
	const struct header *h; /* copied */
	size_t n;
	const char *ca_file, *proxy; /* NULL: the system's, none */
	bool trusted;                /* any address, and http on loopback */
	size_t bytes_max;            /* 0: FETCH_BYTES_MAX */
	int deadline_ms;
};
/* Once, never before fetch_start() has returned, never after a cancel of the parent.  e: there was
 * no whole answer; else its status, whatever it is. */
typedef void fetch_f(void *ctx, int status, struct str body, const struct err *e);
struct fetch;
struct fetch_from {
	struct loop *loop;
	struct http_pool *pool;
};
/* A kid of `parent`.  ERR_INVALID: not an address that may be asked. */
struct fetch *fetch_start(const struct fetch_from *from, struct job *parent,
    const struct fetch_ask *a, fetch_f *done, void *ctx, struct err *e) MUST_CHECK;
