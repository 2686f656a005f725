/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth - the gateway as an OAuth 2.1 client of an upstream server (MCP authorization; RFC 9728,
 * 8414, 7591, 7636, 8707, 9207).
 *
 *   oauth_get() --has one--> NOW                  401 --oauth_refused()--> discover() --> renew()
 *        \--refreshable, or client credentials--> LATER --grant_end()--> whoever waits
 *        \--only a person can--> NEVER
 *   oauth_sign_in() --> discover() --> register_client() --> the address --browser-->
 *        oauth_returned(): state, issuer --> token_code() --> grant_end(), the server connects
 *
 * Invariants: a state is good once and for SIGN_IN_MS; the issuer that comes back is compared byte
 * by byte (RFC 9207); one grant has one token request under way, all others wait for it; who is
 * known at one issuer is never shown to another.
 */
#include "mcp/oauth.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/url.h"
#include "mcp/oauth_private.h"

#define SIGN_IN_MS        600000
#define SIGN_INS_MAX      10000
#define SIGN_INS_OF_OWNER 10
#define GRANTS_MAX        10000
#define EARLY_S           30 /* a token is renewed before it ends */
#define MORE_MAX          2  /* how often a server may want what it was already given */
#define REFUSED_MS        600000

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

static void
sign_in_free(struct oauth *o, struct sign_in *si)
{
	link_drop(&si->link);
	o->signs_n--;
	kept_fini(&si->k);
	crypto_wipe(si->verifier, sizeof(si->verifier));
	crypto_wipe(si->state, sizeof(si->state));
	free(si->owner);
	free(si->browser);
	free(si);
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

static struct grant *
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

static void
wait_answer(struct oauth_wait *w, struct str text, const struct err *e)
{
	oauth_wait_drop(w);
	w->fn(w->ctx, text, e);
}

static void
links_move(struct link *from, struct link *to)
{
	link_init(to);
	while (!link_empty(from)) {
		struct link *l = from->next;

		link_drop(l);
		link_push(to, l);
	}
}

/* All who wait now; who begins to wait meanwhile is not asked. */
static void
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
oauth_error_text(struct buf *out, int status, struct str body, struct str *code)
{
	struct str raw, word = STR("");
	struct err e;

	if (json_check(body, true, &e) && json_get(body, STR("error"), &raw) && raw.n > 2 &&
	    raw.n < 42 && json_kind(raw) == JSON_STRING)
		word = (struct str){ raw.p + 1, raw.n - 2 };
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] != '_' && (word.p[i] < 'a' || word.p[i] > 'z'))
			word = STR("");
	buf_printf(out, "HTTP %d", status);
	if (word.n > 0)
		buf_printf(out, " " STR_FMT, STR_ARG(word));
	if (code != NULL)
		*code = word;
}

/* Every word of `more` that is not in `out` yet. */
static void
scope_add(struct buf *out, struct str more)
{
	while (more.p != NULL) {
		struct str word = str_cut(&more, ' '), have = buf_str(out);
		bool there = word.n == 0;

		while (!there && have.p != NULL)
			there = str_eq(str_cut(&have, ' '), word);
		if (there)
			continue;
		if (out->n > 0)
			buf_putc(out, ' ');
		buf_put(out, word);
	}
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

/* A parameter of WWW-Authenticate: Bearer (RFC 9110 §11.2); false: it is not there. */
static bool
challenge_get(struct str h, const char *name, struct buf *out)
{
	struct str want = str_of(name);

	buf_reset(out);
	for (size_t i = 0; i + want.n + 1 < h.n; i++) {
		bool starts = i == 0 || h.p[i - 1] == ' ' || h.p[i - 1] == ',';
		size_t at = i + want.n + 1;
		bool quoted;

		if (!starts || h.p[at - 1] != '=' ||
		    !str_ieq((struct str){ h.p + i, want.n }, want))
			continue;
		quoted = at < h.n && h.p[at] == '"';
		for (at += quoted; at < h.n; at++) {
			if (quoted ? h.p[at] == '"' : (h.p[at] == ',' || h.p[at] == ' '))
				break;
			if (quoted && h.p[at] == '\\' && at + 1 < h.n)
				at++;
			buf_putc(out, h.p[at]);
		}
		return buf_ok(out) && out->n > 0;
	}
	return false;
}

/* ---- discovery's ends ---- */

static void renew(struct grant *g);
static void signs_go(struct oauth *o);

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

static enum oauth_now
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

/* Has all of `wanted` been asked for already? */
static bool
scope_within(struct str wanted, struct str asked)
{
	struct buf b;
	bool within;
	size_t n;

	buf_init(&b, OAUTH_SCOPE_MAX * 2);
	scope_add(&b, asked);
	n = b.n;
	scope_add(&b, wanted);
	within = b.n == n;
	buf_fini(&b);
	return within;
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

/* ---- a person ---- */

static void
secret_text(char out[OAUTH_STATE_BYTES + 1])
{
	base62_random(out, OAUTH_STATE_BYTES);
	out[OAUTH_STATE_BYTES] = '\0';
}

static void
param(struct buf *b, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	buf_printf(b, "&%s=", name);
	buf_url(b, value);
}

/* RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2. */
static void
address_put(struct oauth *o, struct sign_in *si, struct grant *g, struct buf *out)
{
	struct buf scope, text;
	struct sha256 d;

	buf_init(&scope, OAUTH_SCOPE_MAX);
	buf_init(&text, OAUTH_URL_MAX);
	oauth_scope_put(o, g, &scope);
	if (o->offline)
		scope_add(&scope, STR("offline_access"));
	text_set(&si->k.scope, buf_str(&scope));
	text_set(&g->asked, buf_str(&scope));
	buf_puts(out, o->authorize_url);
	buf_puts(out, str_has(str_of(o->authorize_url), '?') ? "&" : "?");
	buf_puts(out, "response_type=code");
	param(out, "client_id", text_of(si->k.client_id));
	buf_printf(&text, "%s" SIGN_IN_RETURN, o->sv->hub->base_url);
	param(out, "redirect_uri", buf_str(&text));
	param(out, "state", str_of(si->state));
	sha256(&d, str_of(si->verifier));
	buf_reset(&text);
	buf_base64url(&text, d.b, sizeof(d.b));
	param(out, "code_challenge", buf_str(&text));
	param(out, "code_challenge_method", STR("S256"));
	param(out, "resource", text_of(si->k.resource));
	param(out, "scope", buf_str(&scope));
	if (o->offline) /* OpenID Connect Core §11 */
		param(out, "prompt", STR("consent"));
	buf_fini(&scope);
	buf_fini(&text);
}

/* It is known where and as whom: the addresses that were asked for. */
static void
signs_go(struct oauth *o)
{
	struct buf url;
	struct err e;

	buf_init(&url, (size_t)64 << 10);
	while (!link_empty(&o->asked)) {
		struct sign_in *si = CONTAINER(o->asked.next, struct sign_in, link);
		struct grant *g = grant_of(o, str_of(si->owner));

		if (link_empty(&si->waits) || g == NULL) { /* nobody waits any more */
			sign_in_free(o, si);
			continue;
		}
		link_drop(&si->link);
		kept_copy_client(&si->k, &o->client);
		si->iss_promised = o->iss_promised;
		buf_reset(&url);
		address_put(o, si, g, &url);
		link_push(&o->signs, &si->link);
		(void)err_set(
		    &e, ERR_TOO_LARGE, "server %s: the address is too long", o->sv->s->name);
		waits_answer(&si->waits, buf_str(&url), buf_ok(&url) ? NULL : &e);
	}
	buf_fini(&url);
}

/* An owner's own sign-ins do not push out anybody else's. */
static void
signs_of_owner_clear(struct oauth *o, struct str owner)
{
	struct sign_in *oldest = NULL;
	size_t n = 0;

	LIST_EACH(it, &o->signs) {
		struct sign_in *si = CONTAINER(it, struct sign_in, link);

		if (!str_eq(str_of(si->owner), owner))
			continue;
		oldest = oldest == NULL ? si : oldest;
		n++;
	}
	if (n >= SIGN_INS_OF_OWNER)
		sign_in_free(o, oldest);
}

/* Those that are over, and the oldest when there are too many. */
static void
signs_clear(struct oauth *o)
{
	int64_t now_ms = loop_mono_ms(o->sv->loop);

	while (!link_empty(&o->signs)) {
		struct sign_in *si = CONTAINER(o->signs.next, struct sign_in, link);

		if (now_ms - si->made_ms < SIGN_IN_MS && o->signs_n < SIGN_INS_MAX)
			return;
		sign_in_free(o, si);
	}
}

/* It was given all it wanted and wants it again: nobody is sent around in a circle. */
static bool
sign_in_is_vain(struct grant *g)
{
	int64_t now_ms = loop_mono_ms(g->o->sv->loop);

	if (g->refusals >= MORE_MAX && now_ms - g->refused_ms >= REFUSED_MS)
		g->refusals = 0;
	return g->refusals >= MORE_MAX;
}

void
oauth_sign_in(struct oauth *o, struct str owner, struct str browser, struct oauth_wait *w)
{
	struct grant *g = grant_of(o, owner);
	struct sign_in *si;
	struct err e;

	IS(o, OAUTH_MAGIC);
	signs_clear(o);
	if (g == NULL || sign_in_is_vain(g)) {
		if (g == NULL)
			(void)crowded(o, &e);
		else
			(void)err_set(&e, ERR_DENIED,
			    "server %s has refused what this sign-in may do %d times; "
			    "try again in ten minutes",
			    o->sv->s->name, MORE_MAX);
		wait_answer(w, STR(""), &e);
		return;
	}
	signs_of_owner_clear(o, owner);
	si = mem_zalloc(sizeof(*si));
	si->owner = str_dup(owner);
	si->browser = str_dup(browser);
	si->made_ms = loop_mono_ms(o->sv->loop);
	secret_text(si->state);
	secret_text(si->verifier);
	link_init(&si->link);
	link_init(&si->waits);
	link_push(&si->waits, &w->link);
	link_push(&o->asked, &si->link);
	o->signs_n++;
	if (o->state == OAUTH_LOOKING)
		return;
	if (o->state == OAUTH_UNKNOWN) {
		discover(o);
		return;
	}
	o->state = OAUTH_LOOKING;
	register_client(o);
}

static struct sign_in *
sign_in_of(struct oauth *o, struct str state)
{
	LIST_EACH(it, &o->signs) {
		struct sign_in *si = CONTAINER(it, struct sign_in, link);

		if (state.n == OAUTH_STATE_BYTES && crypto_equal(state.p, si->state, state.n))
			return si;
	}
	return NULL;
}

/* RFC 9207 §2.4: as it is, without normalising anything. */
static bool
answer_good(
    struct oauth *o, const struct sign_in *si, const struct sign_in_answer *a, struct err *e)
{
	const char *name = o->sv->s->name;
	size_t n = strlen(si->browser);

	if (n > 0 && (a->browser.n != n || !crypto_equal(a->browser.p, si->browser, n)))
		return err_set(e, ERR_DENIED,
		    "server %s: another browser has begun this sign-in; begin it anew in this one",
		    name);
	if (a->iss.n > 0 ? !str_eq(a->iss, text_of(si->k.issuer)) : si->iss_promised)
		return err_set(e, ERR_DENIED,
		    "server %s: the answer does not come from the issuer that was asked", name);
	if (a->error.n > 0)
		return err_set(e, ERR_DENIED, "server %s: its issuer said no", name);
	return a->code.n > 0 || err_set(e, ERR_INVALID, "server %s: the answer has no code", name);
}

bool
oauth_returned(struct oauth *o, const struct sign_in_answer *a, struct oauth_wait *w)
{
	struct sign_in *si;
	struct grant *g;
	struct err e;

	IS(o, OAUTH_MAGIC);
	signs_clear(o);
	si = sign_in_of(o, a->state);
	if (si == NULL)
		return false;
	g = grant_of(o, str_of(si->owner)); /* it was there when the address was made */
	link_push(&si->waits, &w->link);
	if (!answer_good(o, si, a, &e)) {
		waits_answer(&si->waits, STR(""), &e);
	} else if (g->busy) {
		(void)err_set(&e, ERR_OVERLOAD, "server %s: try again in a moment", o->sv->s->name);
		waits_answer(&si->waits, STR(""), &e);
	} else {
		links_move(&si->waits, &g->waits);
		token_code(g, si, a->code);
	}
	sign_in_free(o, si); /* good once */
	return true;
}
