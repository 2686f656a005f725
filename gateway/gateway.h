/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway - what the edge shares: the one struct gateway, and an exchange.
 *
 * Private to this folder: nothing is above it.
 */
#pragma once

#include "base/arena.h"
#include "base/crypto.h"
#include "base/http.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/sink.h"
#include "codemode/codemode.h"
#include "gateway/dialect.h"
#include "gateway/listen.h"
#include "mcp/mcp.h"
#include "policies/policies.h"
#include "sandbox/sandbox.h"

/* ---- pick.c: which provider serves a model ---- */

struct provider {
	struct str name;
	enum provider_kind kind;
	struct origin *origin; /* NULL when it cannot be used */
	struct str key;        /* the provider's own key; never shown */
	struct str missing;    /* why it cannot be used: "ANTHROPIC_API_KEY is not set" */
	bool prefetch;         /* requests to it may be given signatures */
};
struct model_row {          /* one line of `models:` */
	struct str pattern; /* an id, or with one or more `*` */
	struct provider *provider;
};
struct alias {
	struct str name, model;
};
struct models {
	struct provider *providers;
	size_t providers_n;
	struct model_row *rows;
	size_t rows_n;
	struct alias *aliases;
	size_t aliases_n;
};
/* The resolved id (after aliases) and its provider, which is of that kind; ERR_NOT_FOUND names the
 * nearest model, or who serves it; ERR_UNCONFIGURED what is not set. */
struct provider *models_pick(const struct models *m, enum provider_kind kind, struct str requested,
    struct str *resolved, struct err *e);

/* ---- main.c ---- */

#define SERVES_MODEL   1 /* what a listen entry may serve, as bits: conn_tag() */
#define SERVES_MCP     2
#define SERVES_ADMIN   4
#define SERVES_METRICS 8
#define SERVES_CONTROL 16 /* DATA/control.sock */
/* Above the bits: which entry of listen. */
#define SERVES_TAG(entry, serves) ((int)(entry) << 8 | (serves))
#define SERVES_ENTRY(tag)         ((size_t)(tag) >> 8)

struct first {                                                       /* first.c */
	char key[KEY_SECRET_BYTES + 1], admin[KEY_SECRET_BYTES + 1]; /* "" once told */
	char path[4096];                                             /* DATA/first-run */
	bool pending;                                                /* it is there */
};

struct gateway {
	struct loop *loop;
	struct core *core;
	struct http_pool *pool;
	struct hub *hub;
	struct identity *identity; /* NULL: virtual keys only */
	struct webhook *webhook;   /* NULL: none */
	struct {                   /* approval_hook.c; of no use without a webhook */
		struct str secret;
		uint8_t seal[AEAD_KEY_BYTES];
		char base[400]; /* the address, without a slash at the end */
	} hook;
	struct sandbox *sandbox;
	struct codemode *codemode;
	struct listeners *listeners;
	struct models models;
	const struct listen_entry *listen;   /* by SERVES_ENTRY() */
	const struct address_range *proxies; /* trusted_proxies */
	size_t proxies_n;
	bool draining;
	int64_t started_ms;
	int64_t body_bytes;            /* the largest request body */
	bool access_log;               /* one line per reply */
	uint64_t requests, replies[6]; /* by status / 100 */
	struct link exchanges;
	struct first first;
};

/* Writes beside and renames, 0600. */
bool file_replace(const char *path, struct str text);

/* ---- first.c: what the first start makes and tells ---- */

/* Makes a key and an admin token where there never was one. */
/* seal.c: DATA/seal.key, made when it is not there. */
bool seal_load(const char *path, uint8_t key[AEAD_KEY_BYTES], struct err *e) MUST_CHECK;
/* keep.c: small records in this folder, which lives as long as they are used. */
struct hub_keep keep_in(char *folder);
bool first_make(struct gateway *g, const char *data_dir, struct err *e) MUST_CHECK;
void first_tell(struct gateway *g, int port);            /* once, when ready */
void first_used(struct gateway *g, const struct key *k); /* every use of a secret comes here */

/* ---- exchange.c: one request and its reply ---- */

struct exchange {
	struct job job; /* the root of everything this request started */
	uint32_t magic;
	struct gateway *g;
	struct link link;
	struct conn *conn;
	const struct http1_head *head;
	struct str body, path, query;
	const struct dialect *dialect;
	const struct endpoint *endpoint; /* of an API of models; NULL: something else */
	struct str model;                /* as the path names it, where it does */
	struct arena arena;
	struct str client; /* its address: the peer's, or what a trusted proxy says */
	struct str page;   /* the Origin, if it is a listed one: it may read the reply */
	struct sink sink;  /* counts, and adds x-tollgate-request-id to the head */
	struct key *key;
	struct str challenge; /* WWW-Authenticate of a refusal, when it says more than Bearer */
	char id[20];          /* "r_" + 16 */
	int status;
	int64_t bytes, started_ms;
	bool ended, broken;
	/* The client closed: set by whoever must know before the job is cancelled; true = go on. */
	bool (*gone)(struct exchange *x);
};
/* Handler for the listener: ctx is the gateway. */
extern const struct listen_handler exchange_handler;
struct str exchange_header(const struct exchange *x, struct str lower_name); /* "" when absent */
/* Whose key?  Sets x->key, or answers the refusal and returns false. */
bool exchange_identify(struct exchange *x);
/* The same for an admin token, on /admin/api over TCP. */
bool exchange_identify_admin(struct exchange *x);
/* Whole replies. */
void exchange_reply(struct exchange *x, int status, struct str type, struct str body);
/* The refusal in the dialect of the endpoint; the exchange is over. */
void exchange_refuse(struct exchange *x, const struct err *e);
/* ---- origin.c ---- */

/* Does a browser's Host or Origin forbid this request (ERR_DENIED)? */
bool origin_allowed(struct exchange *x, struct err *e) MUST_CHECK;
/* Answers a browser's OPTIONS for a page of a listed origin; false: it is none. */
bool origin_preflight(struct exchange *x);

/* ---- query.c ---- */

/* The query without the parameters that carry a credential (`key`, `access_token`, a virtual key in
 * any of them), which are the agent's and never a provider's, and without those that would give a
 * reply another form than the one that usage is read from.  "" for no query. */
struct str query_clean(struct arena *a, struct str query);
/* A query's value for `name`, percent-decoded into the arena; "" when absent. */
struct str query_get(struct str query, struct str name, struct arena *a);

/* ---- route.c ---- */

/* What a target belongs to, also when the request itself was malformed. */
const struct dialect *route_dialect(struct str target);
void route(struct exchange *x);

/* ---- approval_hook.c: approvals by webhook ---- */

struct webhook_settings;
struct approval_signature { /* an answer as it came */
	struct str timestamp, signature, token, body;
};
/* Once there is a webhook and an address; before that nobody is asked by it. */
void approval_hook_init(struct gateway *g, const struct webhook_settings *s,
    const uint8_t seal[AEAD_KEY_BYTES], const char *base);
/* The request as JSON. */
bool approval_hook_answer(struct gateway *g, const struct approval_signature *s, struct buf *out,
    struct err *e) MUST_CHECK;

/* ---- prefetch.c ---- */

/* How a request of x->key is to be given signatures of tools that it speaks of: *edit, in the
 * exchange's arena, and how many; 0: as it is. */
size_t prefetch(struct exchange *x, const struct asked *q, struct edit *edit);

/* ---- handlers ---- */

void proxy_run(struct exchange *x);     /* proxy.c: x->endpoint */
void genai_call(struct exchange *x);    /* dialect_genai.c: proxy_run(), by the path's end */
void models_list(struct exchange *x);   /* pick.c */
void status_health(struct exchange *x); /* status.c */
void status_ready(struct exchange *x);
void metrics_reply(struct exchange *x);
void me_quota(struct exchange *x); /* me.c */
void me_all(struct exchange *x);
void stubs_lua(struct exchange *x);    /* stubs.c */
void sign_in_page(struct exchange *x); /* sign_in.c */
void sign_in_return(struct exchange *x);
void sign_in_command(struct exchange *x, struct str actor); /* from control.c */
void approvals_endpoint(struct exchange *x);                /* approvals.c */
void control_request(struct exchange *x); /* control.c: /admin/api on the control socket */
