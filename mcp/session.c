/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - the legacy era's sessions.
 *
 * An id is sealed (AES-GCM): it holds the key's id, the negotiated version, what the client can be
 * asked and the time, is visible ASCII, and cannot be made up.  It is no credential: every request
 * is authenticated by its key, and a session that belongs to another key answers like one that
 * never was (404, after which clients initialize again).
 *
 * So a restart of the gateway ends no session: an id made before it is taken up again from what it
 * holds.  One that this process has ended stays ended.  (A session that was ended before a restart
 * comes back the same way; it gives nothing that initialize would not.)
 *
 * Claude Code never sends DELETE, so a session ends when it has been idle for session_idle_ms and
 * no GET stream is open.  A key holds at most PER_KEY_MAX; the least recently used one makes room.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcp/bridge.h"
#include "mcp/instance.h"
#include "mcp/serve.h"
#include "mcp/view.h"

#define SESSIONS_MAX 20000
#define PER_KEY_MAX  500
#define REVIVE_MAX_S (7 * 86400)

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

static struct str
view_name(const struct visit *v)
{
	return v->view != NULL ? v->view->name : STR("");
}

static struct session *
session_make(struct visit *v, struct str id, const char *version, unsigned caps)
{
	struct session *s = mem_zalloc(sizeof(*s));
	struct hub *h = v->hub;
	struct key *k = v->r->key;

	s->hub = h;
	s->key = k;
	s->view = v->view;
	s->version = version;
	s->caps = caps;
	s->log_level = -1; /* as the servers like */
	s->id = str_dup(id);
	(void)memcpy(s->tag, "s_", 2);
	base62_random(s->tag + 2, sizeof(s->tag) - 3);
	link_init(&s->link);
	link_init(&s->answers);
	link_init(&s->questions);
	updates_init(&s->updates, h);
	s->watch.fn = on_key;
	s->watch.ctx = s;
	key_watch_add(k, &s->watch);
	map_set(&h->sessions, str_of(s->id), s);
	h->sessions_n++;
	session_touch(s);
	return s;
}

struct session *
session_new(struct visit *v, const char *version, unsigned caps, struct err *e)
{
	struct hub *h = v->hub;
	struct key *k = v->r->key;
	struct session *s = NULL;
	struct key_info info;
	struct buf text, id;

	room_make(h, k);
	if (h->sessions_n >= SESSIONS_MAX) {
		(void)err_set(e, ERR_OVERLOAD, "%d sessions are open", SESSIONS_MAX);
		return NULL;
	}
	key_info(k, &info);
	buf_init(&text, 256);
	buf_init(&id, 1024);
	buf_printf(&text, STR_FMT "|%s|%u|%lld|%s|" STR_FMT, STR_ARG(info.id), version, caps,
	    (long long)(loop_wall_ns(h->loop) / 1000000000), h->boot, STR_ARG(view_name(v)));
	if (aead_seal(&id, h->seal_key, STR("mcp-session"), buf_str(&text)) && buf_ok(&id)) {
		s = session_make(v, buf_str(&id), version, caps);
		h->sessions_made++;
	} else {
		(void)err_set(e, ERR_INTERNAL, "cannot seal a session id");
	}
	buf_fini(&text);
	buf_fini(&id);
	return s;
}

/* An id that an earlier process of this gateway sealed for this very key. */
static struct session *
session_revive(struct visit *v, struct str id)
{
	struct hub *h = v->hub;
	struct str rest, part[6] = { 0 };
	struct session *s = NULL;
	int64_t caps, made_s;
	struct key_info info;
	struct buf text;

	key_info(v->r->key, &info);
	buf_init(&text, 1024);
	if (aead_open(&text, h->seal_key, STR("mcp-session"), id) && buf_ok(&text)) {
		rest = buf_str(&text);
		for (size_t i = 0; i < COUNT(part); i++)
			part[i] = str_cut(&rest, '|');
		if (str_eq(part[0], info.id) && era_legacy_version(part[1]) != NULL &&
		    str_i64(part[2], &caps) && str_i64(part[3], &made_s) &&
		    !str_eq(part[4], str_of(h->boot)) && str_eq(part[5], view_name(v)) &&
		    loop_wall_ns(h->loop) / 1000000000 - made_s < REVIVE_MAX_S &&
		    h->sessions_n < SESSIONS_MAX)
			s = session_make(
			    v, id, era_legacy_version(part[1]), (unsigned)caps & PEER_ALL);
	}
	buf_fini(&text);
	return s;
}

struct session *
session_find(struct visit *v, struct str id)
{
	struct session *s = id.n > 1024 ? NULL : map_get(&v->hub->sessions, id);

	if (s == NULL && id.n <= 1024) {
		room_make(v->hub, v->r->key);
		return session_revive(v, id);
	}
	if (s == NULL || s->key != v->r->key || s->view != v->view)
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
	while (!link_empty(&s->questions))
		question_answer(CONTAINER(s->questions.next, struct question, of_session), STR_NONE,
		    STR("{\"code\":-32000,\"message\":\"the client's session has ended\"}"));
	instances_of_session_end(h, str_of(s->tag));
	/* Calls in flight answer on their own requests; they only forget the session. */
	while (!link_empty(&s->answers))
		link_drop(s->answers.next);
	timer_stop(&s->idle);
	key_watch_drop(&s->watch);
	link_drop(&s->link);
	updates_fini(&s->updates);
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
