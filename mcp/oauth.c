/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth - the gateway as an OAuth 2.1 client of an upstream server (MCP authorization; RFC 9728,
 * 8414, 7591, 7636, 8707, 9207).
 *
 *   oauth_get() --has one--> NOW                  401 --oauth_refused()--> discover() --> renew()
 *        \--refreshable, or client credentials--> LATER --grant_end()--> whoever waits
 *        \--only a person can--> NEVER
 *
 * How a person signs in is in oauth_sign_in.c.  Invariants: one grant has one token request under
 * way, all others wait for it; who is known at one issuer is never shown to another.
 */
#include "mcp/oauth.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/url.h"
#include "mcp/oauth_private.h"

#define GRANTS_MAX 10000
#define EARLY_S    30 /* a token is renewed before it ends */

static const struct job_type oauth_job = { "oauth", NULL, NULL };

/* ---- life ---- */

struct oauth *
oauth_new(struct server *sv)
{
	struct oauth *o = mem_zalloc(sizeof(*o));

	o->magic = OAUTH_MAGIC;
	o->sv = sv;
	o->s = sv->s->oauth;
	map_init(&o->grants);
	link_init(&o->known_waits);
	link_init(&o->asked);
	link_init(&o->signs);
	job_init(&o->job, &oauth_job, &sv->hub->job, NULL, NULL);
	(void)keep_get(o, STR("@client"), &o->client);
	return o;
}

void
oauth_free(struct oauth **op)
{
	struct oauth *o = *op;
	size_t it = 0;
	struct str key;
	void *v;

	if (o == NULL)
		return;
	IS(o, OAUTH_MAGIC);
	while (map_next(&o->grants, &it, &key, &v)) {
		struct grant *g = v;

		exchange_drop(g);
		kept_fini(&g->k);
		free(g->wanted);
		free(g->asked);
		free(g->owner);
		free(g);
	}
	map_fini(&o->grants);
	while (!link_empty(&o->asked))
		sign_in_free(o, CONTAINER(o->asked.next, struct sign_in, link));
	while (!link_empty(&o->signs))
		sign_in_free(o, CONTAINER(o->signs.next, struct sign_in, link));
	kept_fini(&o->client);
	char **all[] = { &o->prm_url, &o->challenge_scope, &o->resource, &o->scopes, &o->issuer,
		&o->authorize_url, &o->token_url, &o->register_url };
	for (size_t i = 0; i < COUNT(all); i++)
		free(*all[i]);
	o->magic = 0;
	MEM_FREE(op);
}

struct grant *
grant_of(struct oauth *o, struct str owner)
{
	struct grant *g = map_get(&o->grants, owner);

	if (g != NULL || o->grants.n >= GRANTS_MAX)
		return g;
	g = mem_zalloc(sizeof(*g));
	g->o = o;
	g->owner = str_dup(owner);
	link_init(&g->waits);
	link_init(&g->of_known);
	if (keep_get(o, owner, &g->k) && o->s->issuer.n > 0 &&
	    !str_eq(text_of(g->k.issuer), o->s->issuer))
		kept_fini(&g->k); /* the settings name another one meanwhile */
	map_set(&o->grants, str_of(g->owner), g);
	return g;
}

void
oauth_owner_put(const struct key *k, struct buf *out)
{
	struct key_info i;

	key_info(k, &i);
	if (i.user.n > 0)
		buf_printf(out, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(i.customer),
		    STR_ARG(i.team), STR_ARG(i.user));
	else
		buf_printf(out, "key:" STR_FMT, STR_ARG(i.id));
}

/* ---- waiting ---- */

void
oauth_wait_drop(struct oauth_wait *w)
{
	link_drop(&w->link);
}

void
wait_answer(struct oauth_wait *w, struct str text, const struct err *e)
{
	oauth_wait_drop(w);
	w->fn(w->ctx, text, e);
}

void
links_move(struct link *from, struct link *to)
{
	link_init(to);
	while (!link_empty(from)) {
		struct link *l = from->next;

		link_drop(l);
		link_push(to, l);
	}
}

void
waits_answer(struct link *waits, struct str text, const struct err *e)
{
	struct link now;

	links_move(waits, &now);
	while (!link_empty(&now))
		wait_answer(CONTAINER(now.next, struct oauth_wait, link), text, e);
}

void
grant_end(struct grant *g, const struct err *e)
{
	struct server *sv = g->o->sv;

	g->busy = false;
	waits_answer(&g->waits, text_of(g->k.access), e);
	if (e == NULL && g->owner[0] == '\0')
		server_connect(sv); /* if it was down for want of this */
}

/* ---- asking around ---- */

/* The server itself, the issuer that the operator has written down, and between programs of this
 * host anything on it: whatever else a server names has to be out in the open. */
static bool
trusted(const struct oauth *o, struct str where)
{
	struct url u, own, issuer;

	if (!url_parse(where, &u) || !url_parse(str_of(o->sv->s->url), &own))
		return false;
	return str_ieq(u.origin, own.origin) || (url_is_loopback(&own) && url_is_loopback(&u)) ||
	       (url_parse(o->s->issuer, &issuer) && str_ieq(u.origin, issuer.origin));
}

bool
oauth_fetch(struct oauth *o, const struct fetch_ask *what, fetch_f *done, void *ctx, struct err *e)
{
	struct server *sv = o->sv;
	struct fetch_from from = { sv->loop, sv->hub->pool };
	struct fetch_ask a = *what;

	a.ca_file = sv->s->ca_file;
	a.proxy = sv->s->proxy;
	a.deadline_ms = OAUTH_DEADLINE_MS;
	a.trusted = trusted(o, a.url);
	return fetch_start(&from, &o->job, &a, done, ctx, e) != NULL;
}

void
oauth_scope_put(struct oauth *o, const struct grant *g, struct buf *out)
{
	if (o->s->scopes.n > 0)
		scope_add(out, o->s->scopes);
	else if (o->challenge_scope != NULL)
		scope_add(out, text_of(o->challenge_scope));
	else
		scope_add(out, text_of(o->scopes));
	if (g->wanted != NULL) {
		scope_add(out, text_of(g->k.scope));
		scope_add(out, text_of(g->wanted));
	}
}

/* ---- discovery's ends ---- */

static void renew(struct grant *g);

/* What has waited goes on; what begins to wait meanwhile is another round's. */
static void
known_go(struct oauth *o)
{
	struct link waits;

	o->state = OAUTH_KNOWN;
	links_move(&o->known_waits, &waits);
	signs_go(o);
	while (!link_empty(&waits)) {
		struct grant *g = CONTAINER(waits.next, struct grant, of_known);

		link_drop(&g->of_known);
		renew(g);
	}
}

void
oauth_known(struct oauth *o)
{
	if (!link_empty(&o->asked) || o->s->grant == OAUTH_CLIENT_CREDENTIALS)
		register_client(o);
	else
		known_go(o);
}

void
oauth_registered(struct oauth *o)
{
	keep_put(o, STR("@client"), &o->client);
	known_go(o);
}

void
oauth_unknown(struct oauth *o, const struct err *e)
{
	struct link waits;

	o->state = OAUTH_UNKNOWN;
	log_warn(NULL, "authorization", F_STR("server", o->sv->name), F_TEXT("why", e->text));
	links_move(&o->known_waits, &waits);
	while (!link_empty(&o->asked)) {
		struct sign_in *si = CONTAINER(o->asked.next, struct sign_in, link);

		waits_answer(&si->waits, STR(""), e);
		sign_in_free(o, si);
	}
	while (!link_empty(&waits)) {
		struct grant *g = CONTAINER(waits.next, struct grant, of_known);

		link_drop(&g->of_known);
		grant_end(g, e);
	}
}

/* ---- tokens ---- */

static void
person_needed(struct oauth *o, const struct grant *g, struct err *e)
{
	const char *name = o->sv->s->name;

	if (g->owner[0] != '\0')
		(void)err_set(e, ERR_UNCONFIGURED,
		    "server %s: you have to sign in there first (%s/oauth/sign-in/%s)", name,
		    o->sv->hub->base_url, name);
	else
		(void)err_set(e, ERR_UNCONFIGURED,
		    "server %s: somebody has to sign in there first (tollgate servers sign-in %s)",
		    name, name);
}

/* Discovery is done: a token by what this grant has, or the word that a person is needed. */
static void
renew(struct grant *g)
{
	struct oauth *o = g->o;
	struct err e;

	if (g->k.issuer != NULL && !str_eq(str_of(g->k.issuer), str_of(o->issuer))) {
		kept_fini(&g->k); /* the server has moved to another issuer */
		keep_put(o, str_of(g->owner), &g->k);
	}
	if (o->s->grant == OAUTH_CLIENT_CREDENTIALS) {
		token_client(g);
	} else if (g->k.refresh != NULL) {
		token_refresh(g);
	} else {
		person_needed(o, g, &e);
		grant_end(g, &e);
	}
}

/* g waits until it is known who issues tokens. */
static void
when_known(struct grant *g)
{
	struct oauth *o = g->o;

	g->busy = true;
	link_push(&o->known_waits, &g->of_known);
	if (o->state != OAUTH_LOOKING)
		discover(o);
}

static enum oauth_now
later(struct grant *g, struct oauth_wait *w)
{
	link_push(&g->waits, &w->link);
	return OAUTH_LATER;
}

/* Discovery may fail at once: then nobody is left who would answer w. */
static enum oauth_now
later_known(struct grant *g, struct oauth_wait *w, struct err *e)
{
	when_known(g);
	if (g->busy)
		return later(g, w);
	(void)err_set(e, ERR_UPSTREAM, "server %s: no token could be asked for", g->o->sv->s->name);
	return OAUTH_NEVER;
}

static bool
fresh(const struct grant *g)
{
	int64_t now_s = loop_wall_ns(g->o->sv->loop) / 1000000000;

	return g->k.access != NULL && (g->k.expires_s == 0 || now_s < g->k.expires_s - EARLY_S);
}

enum oauth_now
crowded(struct oauth *o, struct err *e)
{
	(void)err_set(e, ERR_OVERLOAD, "server %s: more than %d people have signed in there",
	    o->sv->s->name, GRANTS_MAX);
	return OAUTH_NEVER;
}

enum oauth_now
oauth_get(struct oauth *o, struct str owner, struct oauth_wait *w, struct str *token, struct err *e)
{
	struct grant *g = grant_of(o, owner);

	IS(o, OAUTH_MAGIC);
	if (g == NULL)
		return crowded(o, e);
	if (g->busy)
		return later(g, w);
	if (fresh(g)) {
		*token = str_of(g->k.access);
		return OAUTH_NOW;
	}
	if (g->k.refresh != NULL) {
		token_refresh(g);
	} else if (o->s->grant == OAUTH_CLIENT_CREDENTIALS && o->challenged) {
		when_known(g);
	} else if (o->challenged || owner.n > 0) {
		person_needed(o, g, e);
		return OAUTH_NEVER;
	} else {
		*token = STR(""); /* perhaps it wants none */
		return OAUTH_NOW;
	}
	if (g->busy)
		return later(g, w);
	(void)err_set(e, ERR_UPSTREAM, "server %s: no token could be asked for", o->sv->s->name);
	return OAUTH_NEVER;
}

bool
oauth_needs_person(struct oauth *o, struct str owner, struct err *e)
{
	struct grant *g = grant_of(o, owner);

	if (g == NULL || g->busy || fresh(g) || g->k.refresh != NULL ||
	    o->s->grant == OAUTH_CLIENT_CREDENTIALS)
		return false;
	person_needed(o, g, e);
	return true;
}

static void
challenge_take(struct oauth *o, struct str challenge)
{
	struct buf b;

	o->challenged = true;
	buf_init(&b, OAUTH_URL_MAX);
	text_set(
	    &o->prm_url, challenge_get(challenge, "resource_metadata", &b) ? buf_str(&b) : STR(""));
	text_set(
	    &o->challenge_scope, challenge_get(challenge, "scope", &b) ? buf_str(&b) : STR(""));
	buf_fini(&b);
}

/* 403 insufficient_scope: everything it had and what it wants now. */
static enum oauth_now
more_wanted(struct grant *g, struct str challenge, struct oauth_wait *w, struct err *e)
{
	struct oauth *o = g->o;
	struct buf word, scope, all;
	bool more;

	buf_init(&word, OAUTH_SCOPE_MAX);
	buf_init(&scope, OAUTH_SCOPE_MAX);
	buf_init(&all, OAUTH_SCOPE_MAX);
	(void)challenge_get(challenge, "scope", &scope);
	more = challenge_get(challenge, "error", &word) &&
	       str_eq(buf_str(&word), STR("insufficient_scope"));
	if (more && scope_within(buf_str(&scope), text_of(g->asked))) {
		g->refusals += !g->counted; /* once for each token, however often it is shown */
		g->counted = true;
		more = g->refusals < MORE_MAX;
	}
	if (more) {
		oauth_scope_put(o, g, &all);
		scope_add(&all, buf_str(&scope));
		if (buf_ok(&all))
			text_set(&g->wanted, buf_str(&all));
		person_needed(o, g, e); /* what it has is still good for everything else */
	} else {
		g->refused_ms = loop_mono_ms(o->sv->loop);
		(void)err_set(
		    e, ERR_UPSTREAM, "server %s refuses what this sign-in may do", o->sv->s->name);
	}
	buf_fini(&word);
	buf_fini(&scope);
	buf_fini(&all);
	if (e->code != ERR_UNCONFIGURED || o->s->grant != OAUTH_CLIENT_CREDENTIALS)
		return OAUTH_NEVER;
	return later_known(g, w, e);
}

enum oauth_now
oauth_refused(struct oauth *o, struct str owner, const struct oauth_refusal *r,
    struct oauth_wait *w, struct str *token, struct err *e)
{
	struct grant *g = grant_of(o, owner);

	IS(o, OAUTH_MAGIC);
	if (g == NULL)
		return crowded(o, e);
	if (g->busy)
		return later(g, w);
	if (g->k.access != NULL && !str_eq(str_of(g->k.access), r->token)) {
		*token = str_of(g->k.access); /* another request has renewed it meanwhile */
		return OAUTH_NOW;
	}
	if (r->status == 403)
		return more_wanted(g, r->challenge, w, e);
	challenge_take(o, r->challenge);
	text_set(&g->k.access, STR(""));
	return later_known(g, w, e);
}
