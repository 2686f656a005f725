/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook - tells one configured URL what has happened, signed.
 *
 * A POST of {"id","event","at","data"}.  The signature is over "TIMESTAMP.BODY", so that neither
 *can be changed nor an old one be sent again later:
 *
 *	x-tollgate-event: budget.alert
 *	x-tollgate-delivery: w_…               the same at every try
 *	x-tollgate-timestamp: 1787220000       seconds; of this try
 *	x-tollgate-signature: v1=HEX           HMAC-SHA256(secret, timestamp "." body)
 *
 * Any 2xx is a receipt.  What is not received is tried again, later and later; at most
 * WEBHOOK_QUEUE_MAX events wait, in memory only.
 */
#pragma once

#include "base/http.h"

#define WEBHOOK_QUEUE_MAX  256 /* events that wait or are on their way */
#define WEBHOOK_BYTES_MAX  ((size_t)64 << 10)
#define WEBHOOK_TRIES_MAX  12 /* about half an hour */
#define WEBHOOK_AT_ONCE    4
#define WEBHOOK_RETRY_MS   1000 /* doubles */
#define WEBHOOK_RETRY_MAX  300000
#define WEBHOOK_TIMEOUT_MS 10000

struct webhook_settings { /* `webhooks:` of tollgate.yaml */
	struct str url, secret;
	const char *ca_file, *proxy;
	const char *missing; /* why it cannot be used: "HOOK_SECRET is not set"; NULL: it can */
};
struct webhook;
/* s lives as long as the webhook.  NULL when there is none: every call below takes that. */
struct webhook *webhook_new(struct loop *l, struct http_pool *p, const struct webhook_settings *s);
void webhook_free(struct webhook **w); /* what waits is lost, and the log says how much */
/* Queues one event; data: a JSON object, copied.  Never waits.  false: there is no webhook, the
 * queue is full or the data too large, and nobody will be told (the log says so). */
bool webhook_send(struct webhook *w, const char *event, struct str data_json);
void webhook_metrics(const struct webhook *w, struct buf *out);
