/* SPDX-License-Identifier: Apache-2.0 */
/*
 * subscribe - streams that tell clients when a list of theirs has changed.
 *
 *   modern: POST subscriptions/listen   acknowledged first, every message tagged with its id
 *   legacy: GET with a session          one per session, a new one replaces the old
 *
 * A change anywhere (a server's list, a policy, a key) makes every stream compare what its key sees
 * now with what it saw before, once per NOTIFY_MS, and only those that differ are told.  A comment
 * every SERVE_KEEPALIVE_MS keeps proxies and HTTP clients from cutting a silent body.  A reader
 * that does not read gets no more than one pending notice of a kind: what it would miss it learns
 * by its next list.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mcp/serve.h"
#include "mcp/view.h"

#define NOTIFY_MS    50
#define STREAM_MAGIC 0x73747265u

struct stream {
	struct job job;
	uint32_t magic;
	struct hub *hub;
	struct sink *sink;
	struct key *key;
	struct session *session; /* legacy */
	const struct view_settings *view;
	struct link link;
	struct timer keepalive;
	struct updates updates; /* modern; of a session they are its own */
	struct key_watch watch; /* modern; a session watches for its own */
	char id[RPC_ID_BYTES_MAX + 1];
	uint64_t print[VIEW_LISTS];
	unsigned wanted, owed; /* STREAM_* */
	bool modern, choked;
};

static void
stream_stop(struct job *j)
{
	struct stream *st = CONTAINER(j, struct stream, job);

	timer_stop(&st->keepalive);
	updates_fini(&st->updates);
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
message_push(struct stream *st, const struct buf *message)
{
	if (buf_ok(message) && event_push(st->sink, buf_str(message)) == 0)
		st->choked = true;
}

static void
meta_put(struct buf *b, const struct stream *st)
{
	if (st->modern)
		buf_printf(b, "\"_meta\":{\"" META_SUBSCRIPTION "\":%s}", st->id);
}

static const struct {
	unsigned bit;
	const char *method, *flag;
} notices[] = { { STREAM_TOOLS, "notifications/tools/list_changed", "toolsListChanged" },
	{ STREAM_PROMPTS, "notifications/prompts/list_changed", "promptsListChanged" },
	{ STREAM_RESOURCES, "notifications/resources/list_changed", "resourcesListChanged" } };

static void
changed_push(struct stream *st, unsigned changed)
{
	struct buf b;

	st->owed |= changed & st->wanted;
	buf_init(&b, 4096);
	for (size_t i = 0; i < COUNT(notices); i++) {
		if ((st->owed & notices[i].bit) == 0 || st->choked || !job_running(&st->job))
			continue;
		st->owed &= ~notices[i].bit;
		buf_reset(&b);
		buf_printf(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\"", notices[i].method);
		if (st->modern) {
			buf_puts(&b, ",\"params\":{");
			meta_put(&b, st);
			buf_putc(&b, '}');
		}
		buf_putc(&b, '}');
		message_push(st, &b);
	}
	buf_fini(&b);
}

static void
on_drained(void *ctx)
{
	struct stream *st = ctx;

	st->choked = false;
	changed_push(st, 0);
}

static void
on_keepalive(void *ctx)
{
	struct stream *st = ctx;

	timer_set(st->hub->loop, &st->keepalive, SERVE_KEEPALIVE_MS, on_keepalive, st);
	if (!st->choked)
		stream_push(st, STR(": keep-alive\n\n"));
}

/* The answer to the request that opened the stream: why it ends.  A legacy stream has no request
 * that waits; its session's next one is told. */
static void
stream_refuse(struct stream *st, const struct err *e)
{
	struct buf b;

	if (st->modern && !st->choked) {
		buf_init(&b, 4096);
		rpc_put_error(&b, str_of(st->id), err_rpc(e->code), str_of(e->text), STR(""));
		message_push(st, &b);
		buf_fini(&b);
	}
	stream_end(st, false);
}

static void
on_key(void *ctx, struct key *k)
{
	struct stream *st = ctx;
	struct err e;

	if (!key_usable(k, loop_wall_ns(st->hub->loop), &e))
		stream_refuse(st, &e);
	else
		hub_changed(st->hub);
}

/* Of the resources asked for, those that the key may read. */
static void
honoured_put(struct buf *b, const struct stream *st, const char *comma)
{
	size_t it = 0;
	struct str uri;
	void *use;

	if (st->updates.uris.n == 0)
		return;
	buf_printf(b, "%s\"resourceSubscriptions\":[", comma);
	for (comma = ""; map_next(&st->updates.uris, &it, &uri, &use); comma = ",") {
		buf_puts(b, comma);
		buf_json_str(b, uri);
	}
	buf_putc(b, ']');
}

static void
uris_take(struct stream *st, struct str uris)
{
	struct str key, raw, uri;
	struct json_iter it;
	struct arena a;
	struct err e;

	if (json_kind(uris) != JSON_ARRAY || !json_open(uris, &it))
		return;
	arena_init(&a, 1 << 20);
	while (json_next(&it, &key, &raw))
		if (raw.n <= 16384 && json_string(raw, &a, &uri) &&
		    !updates_add(&st->updates, st->key, view_of(st->view), uri, &e))
			log_debug(NULL, "not subscribed", F_TEXT("why", e.text));
	arena_free(&a);
}

static void
ack_push(struct stream *st)
{
	const char *comma = "";
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_puts(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\","
		     "\"params\":{\"notifications\":{");
	for (size_t i = 0; i < COUNT(notices); i++)
		if ((st->wanted & notices[i].bit) != 0) {
			buf_printf(&b, "%s\"%s\":true", comma, notices[i].flag);
			comma = ",";
		}
	honoured_put(&b, st, comma);
	buf_puts(&b, "},");
	meta_put(&b, st);
	buf_puts(&b, "}}");
	message_push(st, &b);
	buf_fini(&b);
}

void
stream_open(struct visit *v, struct str id, struct session *s, unsigned wanted, struct str uris)
{
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
	st->view = v->view;
	st->modern = s == NULL;
	st->wanted = wanted;
	updates_init(&st->updates, v->hub);
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
	memcpy(st->print, hub_view(v->hub, st->key, st->view)->print, sizeof(st->print));
	st->sink->drained = on_drained;
	st->sink->drained_ctx = st;
	timer_set(v->hub->loop, &st->keepalive, SERVE_KEEPALIVE_MS, on_keepalive, st);
	uris_take(st, uris);
	stream_head(st->sink);
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
		message_push(st, &b);
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
	static const unsigned bits[VIEW_LISTS] = { [VIEW_PROMPTS] = STREAM_PROMPTS,
		[VIEW_RESOURCES] = STREAM_RESOURCES,
		[VIEW_TEMPLATES] = STREAM_RESOURCES,
		[VIEW_TOOLS] = STREAM_TOOLS };
	struct hub *h = ctx;

	LIST_EACH(it, &h->streams) {
		struct stream *st = CONTAINER(it, struct stream, link);
		const struct view *view = hub_view(h, st->key, st->view);
		unsigned changed = 0;

		for (size_t i = 0; i < VIEW_LISTS; i++)
			if (view->print[i] != st->print[i])
				changed |= bits[i];
		if (changed == 0)
			continue;
		memcpy(st->print, view->print, sizeof(st->print));
		changed_push(st, changed);
	}
}

void
streams_notify(struct hub *h)
{
	if (!link_empty(&h->streams) && !timer_armed(&h->notify))
		timer_set(h->loop, &h->notify, NOTIFY_MS, compare_all, h);
}

void
streams_updated(struct hub *h, struct str listed_uri, struct str policy_name)
{
	struct buf b;

	buf_init(&b, 65536);
	LIST_EACH(it, &h->streams) {
		struct stream *st = CONTAINER(it, struct stream, link);

		if (st->choked ||
		    !updates_has(
			st->session != NULL ? &st->session->updates : &st->updates, listed_uri) ||
		    !rules_may_list(h->core, st->key, view_of(st->view), ASK_RESOURCE, policy_name))
			continue;
		buf_reset(&b);
		buf_puts(&b, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\","
			     "\"params\":{\"uri\":");
		buf_json_str(&b, listed_uri);
		if (st->modern)
			buf_putc(&b, ',');
		meta_put(&b, st);
		buf_puts(&b, "}}");
		message_push(st, &b);
	}
	buf_fini(&b);
}
