/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - the legacy era's sessions.
 *
 * An id is sealed (AES-GCM): it holds the key's id, the negotiated version and the time, is visible
 * ASCII, and cannot be made up.  It is no credential: every request is authenticated by its key,
 * and a session that belongs to another key answers like one that never was (404, after which
 * clients initialize again).
 *
 * Claude Code never sends DELETE, so a session ends when it has been idle for session_idle_ms and
 * no GET stream is open.  A key holds at most PER_KEY_MAX; the least recently used one makes room.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcp/serve.h"

#define SESSIONS_MAX 20000
#define PER_KEY_MAX  500

static void
on_idle(void *ctx)
{
	struct session *s = ctx;

	if (s->stream != NULL || !link_empty(&s->answers))
		timer_set(s->hub->loop, &s->idle, s->hub->session_idle_ms, on_idle, s);
	else
		session_end(s);
}

static void
on_key(void *ctx, struct key *k)
{
	struct session *s = ctx;
	struct err e;

	if (!key_usable(k, loop_wall_ns(s->hub->loop), &e))
		session_end(s);
	else
		hub_changed(s->hub);
}

static void
session_touch(struct session *s)
{
	link_drop(&s->link);
	link_push(&s->hub->session_list, &s->link);
	timer_set(s->hub->loop, &s->idle, s->hub->session_idle_ms, on_idle, s);
}

static void
room_make(struct hub *h, struct key *k)
{
	struct session *oldest = NULL;
	size_t n = 0;

	LIST_EACH(it, &h->session_list) {
		struct session *s = CONTAINER(it, struct session, link);

		if (s->key != k)
			continue;
		n++;
		if (oldest == NULL && s->stream == NULL && link_empty(&s->answers))
			oldest = s;
	}
	if (n >= PER_KEY_MAX && oldest != NULL)
		session_end(oldest);
}

struct session *
session_new(struct hub *h, struct key *k, const char *version, struct err *e)
{
	struct key_info info;
	struct session *s;
	struct buf text, id;

	room_make(h, k);
	if (h->sessions_n >= SESSIONS_MAX) {
		(void)err_set(e, ERR_OVERLOAD, "%d sessions are open", SESSIONS_MAX);
		return NULL;
	}
	key_info(k, &info);
	buf_init(&text, 256);
	buf_init(&id, 1024);
	buf_printf(&text, STR_FMT "|%s|%lld", STR_ARG(info.id), version,
	    (long long)(loop_wall_ns(h->loop) / 1000000000));
	if (!aead_seal(&id, h->seal_key, STR("mcp-session"), buf_str(&text)) || !buf_ok(&id)) {
		buf_fini(&text);
		buf_fini(&id);
		(void)err_set(e, ERR_INTERNAL, "cannot seal a session id");
		return NULL;
	}
	s = mem_zalloc(sizeof(*s));
	s->hub = h;
	s->key = k;
	s->version = version;
	s->id = str_dup(buf_str(&id));
	(void)memcpy(s->tag, "s_", 2);
	base62_random(s->tag + 2, sizeof(s->tag) - 3);
	buf_fini(&text);
	buf_fini(&id);
	link_init(&s->link);
	link_init(&s->answers);
	s->watch.fn = on_key;
	s->watch.ctx = s;
	key_watch_add(k, &s->watch);
	map_set(&h->sessions, str_of(s->id), s);
	h->sessions_n++;
	h->sessions_made++;
	session_touch(s);
	return s;
}

struct session *
session_find(struct hub *h, struct key *k, struct str id)
{
	struct session *s = id.n > 1024 ? NULL : map_get(&h->sessions, id);

	if (s == NULL || s->key != k)
		return NULL;
	session_touch(s);
	return s;
}

void
session_end(struct session *s)
{
	struct hub *h = s->hub;

	if (s->stream != NULL)
		stream_end(s->stream, false);
	/* Calls in flight answer on their own requests; they only forget the session. */
	while (!link_empty(&s->answers))
		link_drop(s->answers.next);
	timer_stop(&s->idle);
	key_watch_drop(&s->watch);
	link_drop(&s->link);
	(void)map_del(&h->sessions, str_of(s->id));
	h->sessions_n--;
	free(s->id);
	free(s);
}

void
sessions_free(struct hub *h)
{
	LIST_EACH(it, &h->session_list)
		session_end(CONTAINER(it, struct session, link));
	map_fini(&h->sessions);
}
