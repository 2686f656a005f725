/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - the one HTTP client: pooled connections (connect.c) with our own framing (http1.c).
 *
 * Model traffic, MCP servers and later OAuth and exports all use it.  Requests leave after the
 * journal's write of the turn in which they were started.
 *
 * A connection that the peer closed while idle is replaced once, silently, if no byte of the
 * response had come and the request is still held (it always is: spans are borrowed until done).
 */
#pragma once

#include "base/http1.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/sink.h"

/* Where requests go: scheme, host, port and how to connect.  Made once per configured URL. */
struct origin_settings {
	const char *url;     /* http:// or https://, host, optional port, optional base path */
	const char *ca_file; /* NULL: the system's */
	const char *proxy;   /* NULL: none; environment proxies are never used */
	int connect_ms;      /* 0: 10,000 */
	int idle_max;        /* idle connections kept; 0: 64 */
	int open_max;        /* connections at once; more wait in line; 0: 2,048 */
	bool public_only;    /* never to loopback, private or link-local addresses */
};
struct http_pool;
struct origin;
struct http_pool *http_pool_new(struct loop *l);
void http_pool_free(struct http_pool **p);
struct origin *
origin_new(struct http_pool *p, const struct origin_settings *s, struct err *e) MUST_CHECK;
void origin_free(struct origin **o);            /* no call may be in flight on it */
struct str origin_path(const struct origin *o); /* base path without a trailing slash, "" if none */

#define HTTP_BODY_SPANS 7
struct http_request {
	struct origin *origin;
	struct str method, target; /* target: path and query; the origin's base path is not added */
	const struct header *h;    /* host, content-length and connection are written by http.c */
	size_t n;
	struct str
	    body[HTTP_BODY_SPANS]; /* sent one after the other; borrowed until the call ends */
	int first_byte_ms;         /* deadline for the response head; 0: 600,000 */
	int idle_ms;               /* longest silence inside the body; 0: 300,000 */
};

/* A request leaves behind the journal's write of its turn.  One that has waited so long for it is
 * given up (ERR_STORE, unmade): a disk that is full for an hour hangs nobody for an hour. */
#define HTTP_HELD_MS 5000

/* All run on the loop, never before http_start() has returned. */
struct http_events {
	/* The final head (1xx are skipped).  Spans live during the call. */
	void (*head)(void *ctx, const struct http1_head *h);
	/* Decoded content.  Returns false to pause; http_resume() goes on (never inside data). */
	bool (*data)(void *ctx, struct str bytes);
	/* Exactly once, last; e is NULL when the response is complete.  After a cancel: never.
	 * ERR_UPSTREAM, ERR_TIMEOUT, ERR_OVERLOAD (line full), ERR_STORE (HTTP_HELD_MS). */
	void (*done)(void *ctx, const struct err *e);
};

/* A kid of `parent`.  Cancel with job_cancel(http_job(c)): the connection is closed, which tells
 * the peer to stop. */
struct http_call;
struct http_call *http_start(struct job *parent, const struct http_request *r,
    const struct http_events *ev, void *ctx, struct err *e) MUST_CHECK;
struct job *http_job(struct http_call *c);
void http_resume(struct http_call *c);
/* Was the request's first byte sent?  Before that, nothing can have been billed. */
bool http_was_sent(const struct http_call *c);
/*
 * Does this answer leave open whether the request was carried out?  Every 5xx does (a gateway that
 * waited in vain, a server that failed in the midst) but those that say that it was not begun: 501,
 * 505, 511, and 503 with Retry-After (RFC 9110 15.6).  503 alone is also what proxies answer when
 * the server's connection broke after the request.
 */
bool http_leaves_open(const struct http1_head *h);
