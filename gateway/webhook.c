/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook - the queue of events that are to be told, and their deliveries.
 *
 *   webhook_send() --> DUE --next()--> under way --2xx--> gone
 *                       ^                  \--else--> waits (its timer) --> DUE
 *                       \___________________________________________/   WEBHOOK_TRIES_MAX: gone
 *
 * Each event has its own timer, so that one which is never taken holds up no other.  A 4xx is tried
 * again like everything else: receivers answer it while they are being set up.
 */
#include "gateway/webhook.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/fetch.h"
#include "base/log.h"

struct delivery {
	struct link link; /* in due or out */
	struct webhook *w;
	char id[19]; /* "w_" + 16 */
	const char *event;
	struct buf body;
	struct timer retry;
	int tries;
};

struct webhook {
	struct job job; /* parent of what is under way */
	struct loop *loop;
	struct http_pool *pool;
	const struct webhook_settings *s;
	struct link due, out; /* out: under way, or waiting for its timer */
	size_t queued, under_way;
	uint64_t sent, failed, dropped; /* failed: tries */
};

static const struct job_type webhook_job = { "webhook", NULL, NULL };

static void next(struct webhook *w);

static void
delivery_free(struct delivery *d)
{
	d->w->queued--;
	timer_stop(&d->retry);
	link_drop(&d->link);
	buf_fini(&d->body);
	free(d);
}

static void
due(void *ctx)
{
	struct delivery *d = ctx;

	link_drop(&d->link);
	link_push(&d->w->due, &d->link);
	next(d->w);
}

static int64_t
wait_ms(int tries)
{
	int64_t ms = WEBHOOK_RETRY_MS;

	while (--tries > 0 && ms < WEBHOOK_RETRY_MAX)
		ms *= 2;
	return ms < WEBHOOK_RETRY_MAX ? ms : WEBHOOK_RETRY_MAX;
}

static void
again(struct delivery *d, const char *why)
{
	struct webhook *w = d->w;

	w->failed++;
	if (d->tries >= WEBHOOK_TRIES_MAX) {
		log_error(NULL, "an event could not be told", F_TEXT("event", d->event),
		    F_TEXT("id", d->id), F_TEXT("why", why));
		w->dropped++;
		delivery_free(d);
		return;
	}
	log_warn(NULL, "an event is told again later", F_TEXT("event", d->event),
	    F_TEXT("id", d->id), F_INT("tries", d->tries), F_TEXT("why", why));
	timer_set(w->loop, &d->retry, wait_ms(d->tries), due, d);
}

static void
answered(void *ctx, int status, struct str body, const struct err *e)
{
	struct delivery *d = ctx;
	struct webhook *w = d->w;
	char why[32];

	(void)body;
	w->under_way--;
	if (e == NULL && status / 100 == 2) {
		w->sent++;
		delivery_free(d);
	} else {
		struct buf text = { .p = why, .cap = sizeof(why), .limit = sizeof(why) };

		buf_printf(&text, "it answered %d", status);
		again(d, e != NULL ? e->text : buf_cstr(&text));
	}
	next(w);
}

/* "1787220000" and "v1=…", of this try. */
static void
sign(const struct delivery *d, struct buf *timestamp, struct buf *signature)
{
	struct sha256 mac;
	struct buf signed_text;

	buf_init(&signed_text, 2 * WEBHOOK_BYTES_MAX);
	buf_i64(timestamp, loop_wall_ns(d->w->loop) / 1000000000);
	buf_put(&signed_text, buf_str(timestamp));
	buf_putc(&signed_text, '.');
	buf_put(&signed_text, buf_str(&d->body));
	hmac_sha256(&mac, d->w->s->secret, buf_str(&signed_text));
	buf_puts(signature, "v1=");
	buf_hex(signature, mac.b, SHA256_BYTES);
	buf_fini(&signed_text);
}

static bool
start(struct delivery *d, struct err *e)
{
	struct webhook *w = d->w;
	const struct fetch_from from = { w->loop, w->pool };
	struct buf timestamp, signature;
	bool ok;

	buf_init(&timestamp, 0);
	buf_init(&signature, 0);
	sign(d, &timestamp, &signature);
	const struct header h[] = { { STR("content-type"), STR("application/json") },
		{ STR("user-agent"), STR("tollgate") },
		{ STR("x-tollgate-event"), str_of(d->event) },
		{ STR("x-tollgate-delivery"), str_of(d->id) },
		{ STR("x-tollgate-timestamp"), buf_str(&timestamp) },
		{ STR("x-tollgate-signature"), buf_str(&signature) } };
	const struct fetch_ask a = { .url = w->s->url,
		.body = buf_str(&d->body),
		.h = h,
		.n = COUNT(h),
		.ca_file = w->s->ca_file,
		.proxy = w->s->proxy,
		.trusted = true, /* the operator has written it down */
		.deadline_ms = WEBHOOK_TIMEOUT_MS };

	ok = fetch_start(&from, &w->job, &a, answered, d, e) != NULL;
	buf_fini(&timestamp);
	buf_fini(&signature);
	return ok;
}

static void
next(struct webhook *w)
{
	while (w->under_way < WEBHOOK_AT_ONCE && !link_empty(&w->due)) {
		struct delivery *d = CONTAINER(w->due.next, struct delivery, link);
		struct err e;

		link_drop(&d->link);
		link_push(&w->out, &d->link);
		d->tries++;
		if (start(d, &e))
			w->under_way++;
		else
			again(d, e.text);
	}
}

static void
body_write(struct delivery *d, struct str data)
{
	buf_init(&d->body, WEBHOOK_BYTES_MAX);
	buf_printf(&d->body, "{\"id\":\"%s\",\"event\":\"%s\",\"at\":", d->id, d->event);
	buf_utc(&d->body, loop_wall_ns(d->w->loop) / 1000000000);
	buf_puts(&d->body, ",\"data\":");
	buf_put(&d->body, data);
	buf_putc(&d->body, '}');
}

bool
webhook_send(struct webhook *w, const char *event, struct str data_json)
{
	struct delivery *d;

	if (w == NULL)
		return false;
	d = w->queued >= WEBHOOK_QUEUE_MAX ? NULL : mem_zalloc(sizeof(*d));
	if (d != NULL) {
		d->w = w;
		d->event = event;
		memcpy(d->id, "w_", 2);
		base62_random(d->id + 2, sizeof(d->id) - 3);
		link_init(&d->link);
		w->queued++;
		body_write(d, data_json);
	}
	if (d == NULL || !buf_ok(&d->body)) {
		log_error(NULL, "an event is not told", F_TEXT("event", event),
		    F_TEXT("why", d == NULL ? "too many wait" : "it is too large"));
		w->dropped++;
		if (d != NULL)
			delivery_free(d);
		return false;
	}
	link_push(&w->due, &d->link);
	next(w);
	return true;
}

struct webhook *
webhook_new(struct loop *l, struct http_pool *p, const struct webhook_settings *s)
{
	struct webhook *w;

	if (s->url.n == 0 || s->missing != NULL)
		return NULL;
	w = mem_zalloc(sizeof(*w));
	w->loop = l;
	w->pool = p;
	w->s = s;
	link_init(&w->due);
	link_init(&w->out);
	job_init(&w->job, &webhook_job, NULL, NULL, NULL);
	return w;
}

void
webhook_free(struct webhook **wp)
{
	struct webhook *w = *wp;

	if (w == NULL)
		return;
	job_cancel(&w->job); /* no answer comes any more */
	jobs_reap();         /* w->job is inside w */
	if (w->queued > 0)
		log_warn(NULL, "events were not told", F_INT("n", (int64_t)w->queued));
	while (!link_empty(&w->due))
		delivery_free(CONTAINER(w->due.next, struct delivery, link));
	while (!link_empty(&w->out))
		delivery_free(CONTAINER(w->out.next, struct delivery, link));
	MEM_FREE(wp);
}

void
webhook_metrics(const struct webhook *w, struct buf *out)
{
	if (w == NULL)
		return;
	buf_printf(out,
	    "# TYPE tollgate_webhook_events_total counter\n"
	    "tollgate_webhook_events_total{result=\"sent\"} %llu\n"
	    "tollgate_webhook_events_total{result=\"failed_try\"} %llu\n"
	    "tollgate_webhook_events_total{result=\"dropped\"} %llu\n"
	    "# TYPE tollgate_webhook_waiting gauge\ntollgate_webhook_waiting %zu\n",
	    (unsigned long long)w->sent, (unsigned long long)w->failed,
	    (unsigned long long)w->dropped, w->queued);
}
