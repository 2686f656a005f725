/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscribe - streams that tell clients when their list of tools has changed.
 *
 *   modern: POST subscriptions/listen   acknowledged first, every message tagged with its id
 *   legacy: GET with a session          one per session, a new one replaces the old
 *
 * A change anywhere (a server's list, a policy, a key) makes every stream compare what its key sees
 * now with what it saw before, once per NOTIFY_MS, and only those that differ are told.  A comment
 * every KEEPALIVE_MS keeps proxies and HTTP clients from cutting a silent body.  A reader that does
 * not read gets no more than one pending notice: what it would miss it learns by its next list.
 */
#include <stdlib.h>

#include "mcp/serve.h"

#define KEEPALIVE_MS 15000
#define NOTIFY_MS    50
#define STREAM_MAGIC 0x73747265u

struct stream {
	struct job job;
	uint32_t magic;
	struct hub *hub;
	struct sink *sink;
	struct key *key;
	struct session *session; /* legacy */
	struct link link;
	struct timer keepalive;
	struct key_watch watch; /* modern; a session watches for its own */
	char id[RPC_ID_BYTES_MAX + 1];
	uint64_t print;
	bool modern, tools_changed, choked, owed;
};

static void
stream_stop(struct job *j)
{
	struct stream *st = CONTAINER(j, struct stream, job);

	timer_stop(&st->keepalive);
	if (st->modern)
		key_watch_drop(&st->watch);
	if (st->session != NULL)
		st->session->stream = NULL;
	st->sink->drained = NULL;
	link_drop(&st->link);
	st->hub->streams_n--;
}

static void
stream_reap(struct job *j)
{
	free(CONTAINER(j, struct stream, job));
}

static const struct job_type stream_type = { "mcp stream", stream_stop, stream_reap };

static void
stream_push(struct stream *st, struct str bytes)
{
	if (sink_push(st->sink, bytes) == 0)
		st->choked = true;
}

static void
event_push(struct stream *st, const struct buf *message)
{
	struct buf b;

	buf_init(&b, 8192);
	buf_puts(&b, "event: message\ndata: ");
	buf_put(&b, buf_str(message));
	buf_puts(&b, "\n\n");
	if (buf_ok(&b))
		stream_push(st, buf_str(&b));
	buf_fini(&b);
}

static void
meta_put(struct buf *b, const struct stream *st)
{
	if (st->modern)
		buf_printf(b, "\"_meta\":{\"" META_SUBSCRIPTION "\":%s}", st->id);
}

static void
changed_push(struct stream *st)
{
	struct buf b;

	if (st->choked) {
		st->owed = true;
		return;
	}
	st->owed = false;
	buf_init(&b, 4096);
	buf_puts(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"");
	if (st->modern) {
		buf_puts(&b, ",\"params\":{");
		meta_put(&b, st);
		buf_putc(&b, '}');
	}
	buf_putc(&b, '}');
	event_push(st, &b);
	buf_fini(&b);
}

static void
on_drained(void *ctx)
{
	struct stream *st = ctx;

	st->choked = false;
	if (st->owed)
		changed_push(st);
}

static void
on_keepalive(void *ctx)
{
	struct stream *st = ctx;

	timer_set(st->hub->loop, &st->keepalive, KEEPALIVE_MS, on_keepalive, st);
	if (!st->choked)
		stream_push(st, STR(": keep-alive\n\n"));
}

static void
on_key(void *ctx, struct key *k)
{
	struct stream *st = ctx;
	struct err e;

	if (!key_usable(k, loop_wall_ns(st->hub->loop), &e))
		stream_end(st, false);
	else
		hub_changed(st->hub);
}

static void
ack_push(struct stream *st)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_printf(&b,
	    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\","
	    "\"params\":{\"notifications\":{%s},",
	    st->tools_changed ? "\"toolsListChanged\":true" : "");
	meta_put(&b, st);
	buf_puts(&b, "}}");
	event_push(st, &b);
	buf_fini(&b);
}

void
stream_open(struct visit *v, struct str id, struct session *s, bool tools_changed)
{
	static const struct header h[] = { { STR("content-type"), STR("text/event-stream") },
		{ STR("cache-control"), STR("no-cache, no-transform") },
		{ STR("x-accel-buffering"), STR("no") } };
	struct stream *st;

	if (v->hub->streams_n >= SUBSCRIPTIONS_MAX) {
		reply_error(v, 503, id, RPC_SERVER, "too many open streams");
		return;
	}
	if (s != NULL && s->stream != NULL)
		stream_end(s->stream, false);
	st = mem_zalloc(sizeof(*st));
	st->magic = STREAM_MAGIC;
	st->hub = v->hub;
	st->sink = v->sink;
	st->key = v->r->key;
	st->session = s;
	st->modern = s == NULL;
	st->tools_changed = tools_changed;
	(void)str_copy(st->id, sizeof(st->id), id);
	job_init(&st->job, &stream_type, v->root, NULL, NULL);
	link_push(&v->hub->streams, &st->link);
	v->hub->streams_n++;
	if (s != NULL)
		s->stream = st;
	if (st->modern) {
		st->watch.fn = on_key;
		st->watch.ctx = st;
		key_watch_add(st->key, &st->watch);
	}
	st->print = hub_view(v->hub, st->key)->print;
	st->sink->drained = on_drained;
	st->sink->drained_ctx = st;
	timer_set(v->hub->loop, &st->keepalive, KEEPALIVE_MS, on_keepalive, st);
	sink_head(st->sink, 200, h, COUNT(h), -1);
	if (!job_running(&st->job))
		return;
	if (st->modern)
		ack_push(st);
	else
		stream_push(st, STR(": open\n\n"));
}

void
stream_end(struct stream *st, bool say_goodbye)
{
	struct sink *sink = st->sink;
	struct buf b;

	IS(st, STREAM_MAGIC);
	if (!job_running(&st->job))
		return;
	if (say_goodbye && st->modern && !st->choked) {
		buf_init(&b, 4096);
		rpc_put_result(&b, str_of(st->id), STR("{\"resultType\":\"complete\"}"));
		event_push(st, &b);
		buf_fini(&b);
	}
	if (!job_running(&st->job))
		return;
	job_cancel(&st->job);
	sink_end(sink, NULL);
}

static void
compare_all(void *ctx)
{
	struct hub *h = ctx;

	LIST_EACH(it, &h->streams) {
		struct stream *st = CONTAINER(it, struct stream, link);
		uint64_t print = hub_view(h, st->key)->print;

		if (print == st->print)
			continue;
		st->print = print;
		if (st->tools_changed)
			changed_push(st);
	}
}

void
streams_notify(struct hub *h)
{
	if (!link_empty(&h->streams) && !timer_armed(&h->notify))
		timer_set(h->loop, &h->notify, NOTIFY_MS, compare_all, h);
}
