/* SPDX-License-Identifier: Apache-2.0 */
/* server - one upstream server: its life, and one request to it. */
#pragma once

#include "base/map.h"
#include "mcp/catalog.h"
#include "mcp/era.h"
#include "mcp/mcp.h"
#include "mcp/offer.h"

/*
 *   DISABLED                                     settings say why
 *   DOWN --timer, back-off with jitter--> PROBING --discover--> LISTING --> READY
 *                                            \--initialize--/
 *   PROBING, LISTING, READY --the wire broke--> DOWN
 *
 * Tools of a server that went down stay listed; calls say that it is down.
 */
enum server_state {
	SERVER_DISABLED = 1,
	SERVER_DOWN,
	SERVER_PROBING,
	SERVER_LISTING,
	SERVER_READY
};

/* What a server can do. */
#define SERVER_TOOLS      1u
#define SERVER_PROMPTS    2u
#define SERVER_RESOURCES  4u
#define SERVER_SUBSCRIBES 8u
#define SERVER_COMPLETES  16u
#define SERVER_LOGS       32u

struct server;
struct upcall;

/* The outcome of one request; spans live during the callback. */
struct reply {
	struct str result; /* raw, p == NULL: none */
	struct str error;  /* the raw JSON-RPC error object, p == NULL: none */
	int code;          /* of that error */
	int status;        /* HTTP; 0 over stdio */
	bool open;         /* it does not say whether what was asked was done: http_leaves_open() */
};
/* r is never NULL; e says why there was no answer at all. */
typedef void reply_f(void *ctx, const struct reply *r, const struct err *e);

/* A notification or a request of the server's that belongs to one upcall; ctx is the upcall's. */
typedef void notice_f(void *ctx, const struct rpc *m);

/* What a wire (stdio, HTTP) can do. */
struct server_type {
	const char *name;
	bool (*open)(struct server *sv, struct err *e); /* a connection, or a child */
	void (*close)(struct server *sv);               /* lets go of it at once, silently */
	/* Sends u->out; may answer u later by upcall_answer(), never inside. */
	bool (*send)(struct upcall *u, struct err *e);
	/* May a byte of what was sent have left?  NULL: yes. */
	bool (*left)(const struct upcall *u);
	void (*forget)(struct upcall *u); /* u has ended: tell the server */
	void (*reap)(struct upcall *u);   /* and its memory goes */
	void (*free)(struct server *sv);  /* for good; no upcall is left */
	/* One whole message, as an answer to a request of the server's. */
	void (*tell)(struct server *sv, struct str message);
	void (*listen)(struct server *sv); /* asks for list_changed, if that is possible */
};
extern const struct server_type server_stdio, server_http, server_sse, server_openapi;

struct server {
	uint32_t magic;
	struct hub *hub;
	struct loop *loop;
	const struct server_settings *s;
	struct str name;
	enum server_state state;
	enum era era;
	char version[16];    /* negotiated, legacy */
	bool legacy_verdict; /* it died or fell silent when probed: initialize first next time */
	bool sse_verdict;    /* it takes no POST where it stands: HTTP+SSE next time */
	const struct server_type *type;
	void *wire; /* the type's own */
	struct deferred relisten;
	struct upcall *listener; /* its stream of notifications */
	struct upcall
	    *listened; /* the one before, until a moment after the new one's acknowledgement */
	struct timer linger;
	struct job *root;   /* parent of everything that is not a client's */
	struct timer timer; /* back-off, or the next refresh */
	int failures;       /* in a row */
	char failure[ERR_TEXT_BYTES];
	struct toolset *seen;            /* what it listed last; NULL before the first list */
	struct toolset *tools;           /* what is served: the same, or what is pinned (pins.c) */
	size_t pinned[TOOL_REMOVED + 1]; /* how many of each enum tool_pin */
	struct offerset *offers[OFFER_KINDS];
	char *instructions; /* what it says of itself to a model; NULL: nothing */
	unsigned can;       /* SERVER_TOOLS, … as it declared */
	/* listing.c: what is being read */
	struct toolset *listing;
	struct offerset *offering;
	char cursor[1024], last_cursor[1024];
	int phase, pages;
	bool reading;
	int64_t listed_ms; /* when the last list was complete */
	bool stale;        /* list_changed came while listing */
	bool checking;     /* a health check is under way */
	bool again;        /* the session was lost, a new one is being made: calls wait */
	uint64_t last_id;
	/* instance.c: of = NULL for a server of the settings, else whose instance this is */
	struct server *of;
	struct map instances; /* name -> struct server */
	struct oauth *oauth;  /* of = NULL only; NULL: no tokens */
	char *owner;          /* whose token its requests carry; NULL: the gateway's own */
	char instance[80];
	struct key *key;      /* whose it is alone */
	unsigned caps;        /* what it was told that the client can be asked */
	int log_level;        /* that it was told; -1: none */
	uint64_t left_to_one; /* counts, for names */
	bool over, leaving, connecting, reprobed;
	struct timer idle;
	struct key_watch watch;
	struct link of_buried;
	struct map pending; /* id text -> upcall */
	struct link upcalls;
	struct link waiting; /* upcalls that wait for a new session */
	size_t upcalls_n;
	int64_t calls, errors, timeouts; /* metrics */
	int64_t restarts, latency_ms;    /* how often it failed; what its last answer took */
};
#define SERVER_MAGIC 0x73727672u

struct server_ask {
	const char *method;
	struct str name;         /* Mcp-Name: tools/call; else "" */
	struct str params;       /* a JSON object without its braces, without _meta; may be "" */
	struct str meta;         /* members of _meta that pass through, without braces; may be "" */
	struct str schema, args; /* of a call, for Mcp-Param-*; or "" */
	int deadline_ms;         /* 0: none (listen) */
	bool notification;       /* no id, no answer awaited; fn is called when it has been sent */
	size_t reply_bytes_max;
	unsigned caps;    /* modern: what the client can be asked, peer.h */
	bool progress;    /* tell of it: notifications/progress come to notice() */
	int log_level;    /* modern: notifications/message from here on; PEER_LOG_NONE: none */
	notice_f *notice; /* what comes on its own stream before the answer; NULL: unheard */
	struct str raw;   /* instead of all that: one whole message, as a notification */
	bool get;         /* HTTP: a GET for a stream of notifications, no message */
};
struct upcall {
	struct job job;
	uint32_t magic;
	struct server *sv;
	const struct server_type *type; /* of sv, when it was started */
	struct link of_server, waiting;
	struct timer deadline;
	int64_t sent_ms;
	struct deferred send;
	reply_f *fn;
	notice_f *notice;
	void *ctx;
	const struct reply *reply;
	char id[24]; /* "" for a notification */
	const char *method;
	bool sent, replayed, notification, get;
	int deadline_ms;
	struct buf name, out, params; /* params: see param.h */
	size_t reply_bytes_max;
	void *wire; /* the type's own */
};
#define UPCALL_MAGIC 0x75706361u

/* The one of the settings: it counts, lists and is watched. */
static inline struct server *
server_main(struct server *sv)
{
	return sv->of != NULL ? sv->of : sv;
}
/* Of one that is DISABLED. */
static inline const char *
server_disabled_why(const struct server *sv)
{
	return sv->s->disabled != NULL ? sv->s->disabled : "the gateway is stopping";
}
bool server_init(
    struct server *sv, struct hub *h, const struct server_settings *s, struct err *e) MUST_CHECK;
void server_stop(struct server *sv); /* at once, silently: the hub goes */
void server_fini(struct server *sv); /* after the jobs' memory has gone */
void server_connect(struct server *sv);
const char *server_state_word(const struct server *sv);

/* A request of our own, with what happens when it cannot even be sent. */
bool server_ask_own(
    struct server *sv, const char *method, struct str params, int deadline_ms, reply_f *fn);
void server_listed(struct server *sv); /* listing.c: READY */

/* ---- listing.c ---- */
void listing_start(struct server *sv);
void listing_changed(struct server *sv); /* the server says that a list is another now */
void listing_drop(struct server *sv);    /* what is being read is given up */

/* The request leaves after the journal's write of this turn; a kid of parent. */
struct upcall *upcall_start(struct server *sv, struct job *parent, const struct server_ask *a,
    reply_f *fn, void *ctx, struct err *e) MUST_CHECK;

/* After a deadline over stdio: is it the tool or the server?  Asks, and fails the server if it does
 * not answer. */
void server_doubt(struct server *sv);

/* ---- for the wires ---- */
void upcall_answer(struct upcall *u, const struct reply *r, const struct err *e);
/* Is it about one request: progress, or a log message? */
bool upcall_hears(const struct rpc *m);
/* Whose is it, on a wire that all share?  Progress by its token; anything else when only one is in
 * flight.  NULL: nobody's. */
struct upcall *upcall_meant(struct server *sv, const struct rpc *m);
void upcall_rest(struct upcall *u, bool rest); /* a person is asked: its deadline is far; or anew */
void upcall_told(void *ctx);                   /* deferred: a notification went out */
void upcall_send(void *ctx); /* deferred: sends it, the first time or in a new session */
int server_connect_ms(const struct server *sv); /* as the settings say, or usual */
/* Where its requests go, as the settings have it; the wire's to free. */
struct origin *server_origin(const struct server *sv, struct err *e) MUST_CHECK;
/* One more header; none for an empty value.  h has room for UPCALL_HEADERS_MAX: ours, 64 of the
 * settings, and what parameters are mirrored. */
#define UPCALL_HEADERS_MAX 160
void upcall_header(struct header *h, size_t *n, struct str name, struct str value);
/* One message on a wire that many requests share: stdio, HTTP+SSE. */
void upcall_message(struct server *sv, struct str text);
/* Where everything is a request of its own: an answer of ours, a cancellation. */
void upcall_tell(struct server *sv, struct str message);
void upcall_cancel_tell(struct upcall *u);
/* What a server sent, parsed once: an answer or a notification (requests are the wire's). */
void server_message(struct server *sv, const struct rpc *m, int status);
void server_fail(struct server *sv, const struct err *e); /* the wire is gone */
/* A new stream of notifications takes the old one's place, and nothing is missed between them. */
void server_listens(struct server *sv, struct upcall *u);
void server_unlistens(struct server *sv, const struct upcall *u); /* u has ended */
/* A request of the server's that concerns nobody: ping is answered, all else is refused. */
void server_refuse(struct server *sv, const struct rpc *m);
void server_again(struct server *sv, struct upcall *u); /* the session is gone: a new one */
