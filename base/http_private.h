/* SPDX-License-Identifier: Apache-2.0 */
/* http_private - what http.c (calls) and http_origin.c (where they go) share; for the two only. */
#pragma once

#include "base/connect.h"
#include "base/http.h"

#define CALL_MAGIC   0x68747470u
#define ORIGIN_MAGIC 0x6f726967u
#define READ_BYTES   ((size_t)65536)

struct http_pool {
	struct loop *loop;
	struct link origins;
	char *read; /* READ_BYTES, one for all */
};

struct origin {
	uint32_t magic;
	struct http_pool *pool;
	struct link link, idle, line;
	char *url, *host, *path, *ca_file, *proxy;
	struct origin_settings s;
	int open, idle_n, waiting, woken; /* woken: out of the line, about to try */
};

struct wire {             /* one connection */
	struct link link; /* in origin->idle */
	struct origin *origin;
	struct http_call *call; /* NULL while idle */
	struct connection *c;
	struct watch *watch;
	struct timer timer;
	bool kept; /* has served a call before */
};

struct http_call {
	struct job job;
	uint32_t magic;
	struct origin *origin;
	struct link link; /* in origin->line */
	struct http_events ev;
	void *ctx;
	struct deferred go, more;
	struct timer deadline;
	struct connecting *connecting;
	struct wire *wire;
	struct buf head, in; /* in: bytes of a reply that could not be consumed yet */
	struct str body[HTTP_BODY_SPANS];
	size_t sent, size, scanned;
	int64_t on_ms; /* when it got its connection */
	struct http1_body decoder;
	int first_byte_ms, idle_ms;
	bool is_head, in_body, keep, paused, replied, retried, was_sent, woken;
	bool gone; /* the journal has it, and call_go() has run */
};

/* ---- http_origin.c ---- */

void wire_free(struct wire **wp);         /* closes it; whoever waits may try */
void wire_idle(struct wire *w);           /* its call is over: kept, or handed on */
struct wire *wire_take(struct origin *o); /* the newest idle one, or NULL */
void line_next(struct origin *o);         /* lets the first in line try again */

/* ---- http.c ---- */

void call_go(void *ctx); /* deferred: takes a connection, makes one, or waits in line */
