/* SPDX-License-Identifier: Apache-2.0 */
/* serve - the client's side: one visit, its replies, sessions and streams. */
#pragma once

#include "mcp/hub.h"
#include "mcp/peer.h"
#include "mcp/updates.h"

#define SUBSCRIPTIONS_MAX 10000

/* One HTTP request while it is looked at; whoever answers later copies what it needs. */
struct batch;
struct session;
struct visit {
	struct hub *hub;
	struct job *root;
	struct sink *sink;
	const struct mcp_request *r;
	struct batch *batch; /* replies are collected there; NULL: go to the sink */
	struct session *session;
	const struct view_settings *view; /* NULL: everything */
	enum era era;
	bool structural_400; /* modern: wrong params are HTTP 400 */
	bool cacheable;      /* modern: the result says for how long it holds */
	bool takes_events;   /* the client accepts a stream as a reply */
	bool streaming;      /* and it has become one: what is replied is its last event */
};

/* ---- serve.c ---- */
/* A JSON body; session_id "" = no such header. */
void reply_json(struct visit *v, int status, struct str body, struct str session_id);
void reply_none(struct visit *v, int status); /* 202, 204: no body */
void reply_error(struct visit *v, int status, struct str id, int code, const char *text);
void reply_result(struct visit *v, struct str id, struct str result_json);
/* "capabilities":{…},"instructions":"…" of the aggregate, for this visit's key. */
void serve_put_self(struct visit *v, struct buf *b);
/* A stream of events: its head, and one message.  event_push() returns the room that is left. */
#define SERVE_KEEPALIVE_MS 15000
void stream_head(struct sink *sink);
size_t event_push(struct sink *sink, struct str message);

/* ---- serve_list.c, answer.c: false when the method is none of theirs ---- */
bool serve_list(struct visit *v, const struct rpc *m);
bool serve_call(struct visit *v, const struct rpc *m);
void serve_cancelled(struct visit *v, const struct rpc *m); /* legacy notification */

/* ---- call_ask.c ---- */
bool call_ask_is(const struct rpc *m); /* something that a server must answer? */
/* Fills *a from the message; NULL, or what is wrong with its params. */
const char *
call_ask_read(struct visit *v, const struct rpc *m, struct call_ask *a, struct arena *ar);
/* The client's own name of its session, clipped; else ours; "" = neither. */
struct str visit_session(const struct visit *v);
/* Modern: do the Mcp-Param-* headers repeat the arguments? */
bool call_ask_headers(const struct visit *v, const struct call_ask *a);

/* ---- batch: serve_legacy.c ---- */
void batch_add(struct batch *b, struct str message); /* "" = nothing to say */

/* ---- the two eras ---- */
void serve_modern(struct visit *v, const struct rpc *m, const struct era_verdict *verdict);
void serve_legacy(struct visit *v, struct str body);
void serve_legacy_get(struct visit *v);
void serve_legacy_delete(struct visit *v);

/* ---- session.c ---- */
struct session {
	struct link link; /* hub's list, least recently used first */
	struct hub *hub;
	struct key *key;
	const struct view_settings *view;
	const char *version;
	unsigned caps; /* what may be asked of it, peer.h */
	int log_level; /* logging/setLevel; -1: it has not said */
	char *id;
	char tag[17]; /* for the audit: "s_" + 14 */
	struct timer idle;
	struct key_watch watch;
	struct stream *stream;
	struct updates updates; /* resources/subscribe */
	struct link questions;  /* put to the client, see bridge.h */
	struct link answers;    /* calls in flight, for notifications/cancelled */
};
struct session *session_new(struct visit *v, const char *version, unsigned caps, struct err *e);
/* NULL: unknown, ended, another key's or another view's: all the same. */
struct session *session_find(struct visit *v, struct str id);
void session_end(struct session *s);
void sessions_free(struct hub *h);

/* ---- subscribe.c ---- */
struct stream;
/* Modern: id is the listen request's; legacy: s is the session.  Takes over the sink. */
/* `uris`: a raw array of resources to hear of (modern), or p == NULL. */
void
stream_open(struct visit *v, struct str id, struct session *s, unsigned wanted, struct str uris);
/* A resource has changed: tells whoever asked for it, if the rules still let that key read it. */
void streams_updated(struct hub *h, struct str listed_uri, struct str policy_name);
#define STREAM_TOOLS     1u
#define STREAM_PROMPTS   2u
#define STREAM_RESOURCES 4u
#define STREAM_ALL       7u
void stream_end(struct stream *st, bool say_goodbye);
void streams_notify(struct hub *h);
