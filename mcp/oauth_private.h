/* SPDX-License-Identifier: Apache-2.0 */
/* oauth_private - what the oauth*.c share; for them only. */
#pragma once

#include "base/crypto.h"
#include "base/fetch.h"
#include "mcp/hub.h"
#include "mcp/oauth.h"

#define OAUTH_DEADLINE_MS 10000
#define OAUTH_TEXT_MAX    ((size_t)16 << 10) /* a token, a client's secret */
#define OAUTH_URL_MAX     ((size_t)2048)
#define OAUTH_SCOPE_MAX   ((size_t)2048)
#define OAUTH_STATE_BYTES 43
#define MORE_MAX          2 /* how often a server may want what it was already given */

/* How a client proves who it is at the token endpoint (RFC 8414 token_endpoint_auth_method). */
enum oauth_method { METHOD_BASIC, METHOD_POST, METHOD_NONE, METHOD_JWT };
#define METHOD_BIT(m) (1u << (m))

/* Everything that a token, and its renewal, needs; what is kept on disk, sealed. */
struct kept {
	char *issuer, *token_url, *resource;
	char *client_id, *client_secret;
	char *access, *refresh, *scope;
	enum oauth_method method;
	int64_t expires_s; /* wall clock; 0: it does not say */
};
void kept_fini(struct kept *k);
/* The parts that say where and as whom, without tokens. */
void kept_copy_client(struct kept *to, const struct kept *from);
void text_set(char **p, struct str s); /* "" is NULL */
static inline struct str
text_of(const char *p)
{
	return p == NULL ? STR("") : str_of(p);
}

struct grant {
	struct oauth *o;
	char *owner;
	struct kept k;
	char *wanted; /* scopes that the server has asked for beyond those it has */
	char *asked;  /* those of the last request of ours */
	int refusals; /* how often it wanted what had been asked for, last at refused_ms */
	int64_t refused_ms;
	bool counted;              /* this token is among the refusals */
	struct link waits;         /* struct oauth_wait */
	struct link of_known;      /* waits for discovery */
	struct exchange *exchange; /* oauth_token.c: what is being asked for */
	bool busy;
};

struct sign_in {
	struct link link; /* oauth.asked until the address is known, then oauth.signs */
	char *owner, *browser;
	char state[OAUTH_STATE_BYTES + 1], verifier[OAUTH_STATE_BYTES + 1];
	struct kept k; /* where and as whom it was begun */
	bool iss_promised;
	int64_t made_ms;
	struct link waits; /* who asked for the address, or for what came of it */
};

enum oauth_state { OAUTH_UNKNOWN, OAUTH_LOOKING, OAUTH_KNOWN }; /* who issues, and as whom we ask */
struct oauth {
	uint32_t magic;
	struct server *sv;
	const struct oauth_settings *s;
	struct job job;
	enum oauth_state state;
	bool challenged;
	char *prm_url; /* from the challenge */
	char *challenge_scope;
	/* discovered */
	char *resource, *scopes; /* scopes: of the resource, NULL: it does not say */
	char *issuer, *authorize_url, *token_url, *register_url;
	unsigned methods;
	bool iss_promised, cimd, offline;
	struct kept client; /* as whom we are known there; client_id NULL: not yet */
	int step;           /* of discovery: which address is tried */
	struct map grants;
	struct link known_waits;  /* struct grant.of_known */
	struct link asked, signs; /* struct sign_in */
	size_t signs_n;
};
#define OAUTH_MAGIC 0x6f617574u

/* ---- oauth_discover.c ---- */
/* Ends in oauth_known() or oauth_unknown(). */
void discover(struct oauth *o);
/* A client id for o->issuer; ends in oauth_registered() or oauth_unknown(). */
void register_client(struct oauth *o);
/* ---- oauth.c ---- */
void oauth_known(struct oauth *o);
void oauth_registered(struct oauth *o);
void oauth_unknown(struct oauth *o, const struct err *e);
/* One GET or POST of ours: url, body and headers are said. */
bool oauth_fetch(struct oauth *o, const struct fetch_ask *what, fetch_f *done, void *ctx,
    struct err *e) MUST_CHECK;
/* What to ask for: the settings', or the challenge's, or all of the resource's; and what the server
 * has asked for since.  Empty: nothing is said. */
void oauth_scope_put(struct oauth *o, const struct grant *g, struct buf *out);
struct grant *grant_of(struct oauth *o, struct str owner); /* NULL: there are too many, crowded() */
enum oauth_now crowded(struct oauth *o, struct err *e);
void grant_end(struct grant *g, const struct err *e); /* answers who waits */
void wait_answer(struct oauth_wait *w, struct str text, const struct err *e);
/* All who wait now; who begins to wait meanwhile is not asked. */
void waits_answer(struct link *waits, struct str text, const struct err *e);
void links_move(struct link *from, struct link *to);
/* ---- oauth_sign_in.c ---- */
/* It is known where and as whom: the addresses that were asked for. */
void signs_go(struct oauth *o);
void sign_in_free(struct oauth *o, struct sign_in *si);
/* ---- oauth_words.c ---- */
/* "HTTP 400 invalid_grant": never more of what a server said. */
void oauth_error_text(struct buf *out, int status, struct str body, struct str *code);
/* Every word of `more` that is not in `out` yet. */
void scope_add(struct buf *out, struct str more);
/* Has all of `wanted` been asked for already? */
bool scope_within(struct str wanted, struct str asked);
/* A parameter of WWW-Authenticate: Bearer (RFC 9110 §11.2); false: it is not there. */
bool challenge_get(struct str h, const char *name, struct buf *out);
/* ---- oauth_token.c ---- */
void token_refresh(struct grant *g);
void token_client(struct grant *g);
/* Exchanges the code for the tokens of grant g. */
void token_code(struct grant *g, const struct sign_in *si, struct str code);
void exchange_drop(struct grant *g); /* its memory; nothing is under way any more */
/* ---- oauth_keep.c ---- */
void keep_put(struct oauth *o, struct str owner, const struct kept *k);
bool keep_get(struct oauth *o, struct str owner, struct kept *k); /* false: nothing, or not ours */
