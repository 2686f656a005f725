/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_discover - who issues tokens for a server, and as whom we are known there.
 *
 *   discover() --resource metadata (RFC 9728): the challenge's address, the path's, the root's-->
 *       resource_take() --issuer's metadata (RFC 8414, OpenID), up to three addresses-->
 *           issuer_take() --> oauth_known()
 *   register_client(): settings, else our metadata document, else RFC 7591 --> oauth_registered()
 *
 * Nothing that was read is believed without its counterpart: the resource must be this server, the
 * issuer must be exactly the one that was asked for, and without PKCE S256 nobody is sent there.
 * A server without resource metadata is taken to be beside its issuer (MCP 2025-03-26).
 */
#include <string.h>

#include "base/json.h"
#include "base/url.h"
#include "mcp/oauth_private.h"

#define ARENA_BYTES (FETCH_BYTES_MAX * 4)
#define LIST_MAX    64

static void resource_ask(struct oauth *o);
static void issuer_ask(struct oauth *o);

static void
fail(struct oauth *o, const char *what)
{
	struct err e;

	(void)err_set(&e, ERR_UPSTREAM, "server %s: cannot sign in: %.300s", o->sv->s->name, what);
	oauth_unknown(o, &e);
}

/* ---- reading ---- */

static bool
document(struct str body, int status)
{
	struct err e;

	return status == 200 && json_check(body, true, &e) && json_kind(body) == JSON_OBJECT;
}

static void
text_member(struct str doc, const char *name, size_t max, char **out)
{
	struct str raw, s;
	struct arena a;

	arena_init(&a, ARENA_BYTES);
	if (!json_get(doc, str_of(name), &raw) || !json_string(raw, &a, &s) || s.n > max)
		s = STR("");
	text_set(out, s);
	arena_free(&a);
}

static bool
flag_member(struct str doc, const char *name)
{
	struct str raw;
	bool on;

	return json_get(doc, str_of(name), &raw) && json_bool(raw, &on) && on;
}

/* Is `text` one of the strings of this list? */
static bool
list_has(struct str doc, const char *name, const char *text)
{
	struct str raw, key, v;
	struct json_iter it;

	if (!json_get(doc, str_of(name), &raw) || json_kind(raw) != JSON_ARRAY ||
	    !json_open(raw, &it))
		return false;
	while (json_next(&it, &key, &v))
		if (json_string_is(v, str_of(text)))
			return true;
	return false;
}

/* scopes_supported, joined by spaces; NULL when it does not say. */
static void
scopes_member(struct str doc, char **out)
{
	struct str raw, key, v, s;
	struct json_iter it;
	struct arena a;
	struct buf b;
	size_t n = 0;

	text_set(out, STR(""));
	if (!json_get(doc, STR("scopes_supported"), &raw) || json_kind(raw) != JSON_ARRAY ||
	    !json_open(raw, &it))
		return;
	arena_init(&a, ARENA_BYTES);
	buf_init(&b, OAUTH_SCOPE_MAX);
	while (n < LIST_MAX && json_next(&it, &key, &v))
		if (json_string(v, &a, &s) && s.n > 0 && !str_has(s, ' '))
			buf_printf(&b, "%s" STR_FMT, n++ > 0 ? " " : "", STR_ARG(s));
	if (buf_ok(&b))
		text_set(out, buf_str(&b));
	buf_fini(&b);
	arena_free(&a);
}

/* ---- the resource ---- */

/* Is this server, or a part of a server, what the metadata is about?  Same origin, and a path that
 * ours begins with (RFC 9728 §3.3, less strict in the path as servers are). */
static bool
resource_is(struct str resource, struct str url)
{
	struct url want, is;
	struct str path;

	if (!url_parse(resource, &is) || !url_parse(url, &want) ||
	    is.target.n != is.path.n + (is.path.n == 0))
		return false;
	path = is.path;
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	return str_ieq(is.origin, want.origin) && str_starts(want.path, path) &&
	       (want.path.n == path.n || want.path.p[path.n] == '/');
}

/* The first issuer of the list, or the one that the settings want. */
static bool
issuer_choose(struct oauth *o, struct str doc)
{
	struct str raw, key, v, s;
	struct json_iter it;
	struct arena a;
	bool found = false;

	if (!json_get(doc, STR("authorization_servers"), &raw) || json_kind(raw) != JSON_ARRAY ||
	    !json_open(raw, &it))
		return false;
	arena_init(&a, ARENA_BYTES);
	while (!found && json_next(&it, &key, &v)) {
		if (!json_string(v, &a, &s) || s.n == 0 || s.n > OAUTH_URL_MAX)
			continue;
		found = o->s->issuer.n == 0 || str_eq(o->s->issuer, s);
		if (found)
			text_set(&o->issuer, s);
	}
	arena_free(&a);
	return found;
}

static void
resource_take(void *ctx, int status, struct str body, const struct err *e)
{
	struct oauth *o = ctx;

	if (e != NULL && status == 0 && e->code == ERR_TIMEOUT) {
		fail(o, e->text);
		return;
	}
	if (e != NULL || !document(body, status)) {
		o->step++;
		resource_ask(o);
		return;
	}
	text_member(body, "resource", OAUTH_URL_MAX, &o->resource);
	scopes_member(body, &o->scopes);
	if (!resource_is(text_of(o->resource), str_of(o->sv->s->url)))
		fail(o, "its metadata is about another resource");
	else if (!issuer_choose(o, body))
		fail(o, o->s->issuer.n > 0 ? "its metadata does not name the issuer of the settings"
					   : "its metadata names no authorization server");
	else {
		o->step = 0;
		issuer_ask(o);
	}
}

/* 0: the challenge's, 1: the path's, 2: the root's, then none. */
static bool
resource_url(struct oauth *o, struct buf *out)
{
	struct url u;

	if (!url_parse(str_of(o->sv->s->url), &u))
		return false;
	if (o->step == 0) {
		buf_put(out, text_of(o->prm_url));
	} else if (o->step == 1 && u.path.n > 1) {
		buf_put(out, u.origin);
		buf_puts(out, "/.well-known/oauth-protected-resource");
		buf_put(out, u.path);
	} else if (o->step == 2) {
		buf_put(out, u.origin);
		buf_puts(out, "/.well-known/oauth-protected-resource");
	}
	return buf_ok(out);
}

/* Nobody says who issues its tokens: the server's own origin, as MCP 2025-03-26 had it. */
static void
issuer_beside(struct oauth *o)
{
	struct url u;

	(void)url_parse(str_of(o->sv->s->url), &u);
	text_set(&o->resource, STR(""));
	text_set(&o->scopes, STR(""));
	text_set(&o->issuer, o->s->issuer.n > 0 ? o->s->issuer : u.origin);
	o->step = 0;
	issuer_ask(o);
}

static void
resource_ask(struct oauth *o)
{
	struct buf url;
	struct err e;
	bool started = false;

	buf_init(&url, OAUTH_URL_MAX);
	for (; !started && o->step <= 2; o->step += !started) {
		buf_reset(&url);
		started = resource_url(o, &url) && url.n > 0 &&
			  oauth_fetch(
			      o, &(struct fetch_ask){ .url = buf_str(&url) }, resource_take, o, &e);
	}
	buf_fini(&url);
	if (!started)
		issuer_beside(o);
}

/* ---- the issuer ---- */

static bool
url_good(struct oauth *o, const char *s)
{
	struct url u, own;

	return s != NULL && url_parse(str_of(s), &u) &&
	       (u.https || (url_is_loopback(&u) && url_parse(str_of(o->sv->s->url), &own) &&
			       (url_is_loopback(&own) || o->s->issuer.n > 0)));
}

static const char *
issuer_wrong(struct oauth *o, struct str doc)
{
	bool code = o->s->grant == OAUTH_CODE;
	char *issuer = NULL;
	bool same;

	text_member(doc, "issuer", OAUTH_URL_MAX, &issuer);
	same = issuer != NULL && str_eq(str_of(issuer), str_of(o->issuer));
	text_set(&issuer, STR(""));
	if (!same)
		return "the metadata of its issuer names another issuer";
	if (!url_good(o, o->token_url) || (code && !url_good(o, o->authorize_url)))
		return "its issuer has no usable endpoints";
	if (code && !list_has(doc, "code_challenge_methods_supported", "S256"))
		return "its issuer does not offer PKCE with S256";
	return NULL;
}

static unsigned
methods_of(struct str doc)
{
	static const char *const words[] = { "client_secret_basic", "client_secret_post", "none",
		"private_key_jwt" };
	struct str raw;
	unsigned bits = 0;

	if (!json_get(doc, STR("token_endpoint_auth_methods_supported"), &raw))
		return METHOD_BIT(METHOD_BASIC) | METHOD_BIT(METHOD_JWT); /* RFC 8414 §2 */
	for (unsigned i = 0; i < COUNT(words); i++)
		if (list_has(doc, "token_endpoint_auth_methods_supported", words[i]))
			bits |= 1u << i;
	return bits;
}

static void
issuer_take(void *ctx, int status, struct str body, const struct err *e)
{
	struct oauth *o = ctx;
	const char *wrong;

	if (e != NULL && e->code == ERR_TIMEOUT) {
		fail(o, e->text);
		return;
	}
	if (e != NULL || !document(body, status)) {
		o->step++;
		issuer_ask(o);
		return;
	}
	text_member(body, "authorization_endpoint", OAUTH_URL_MAX, &o->authorize_url);
	text_member(body, "token_endpoint", OAUTH_URL_MAX, &o->token_url);
	text_member(body, "registration_endpoint", OAUTH_URL_MAX, &o->register_url);
	o->methods = methods_of(body);
	o->iss_promised = flag_member(body, "authorization_response_iss_parameter_supported");
	o->cimd = flag_member(body, "client_id_metadata_document_supported");
	o->offline = list_has(body, "scopes_supported", "offline_access");
	wrong = issuer_wrong(o, body);
	if (wrong != NULL)
		fail(o, wrong);
	else
		oauth_known(o);
}

static void
issuer_ask(struct oauth *o)
{
	struct buf url;
	struct err e;

	buf_init(&url, OAUTH_URL_MAX);
	if (!buf_issuer_metadata(&url, str_of(o->issuer), o->step))
		fail(o, "its issuer tells nothing about itself");
	else if (!oauth_fetch(o, &(struct fetch_ask){ .url = buf_str(&url) }, issuer_take, o, &e))
		fail(o, e.text);
	buf_fini(&url);
}

void
discover(struct oauth *o)
{
	ASSERT(o->state != OAUTH_LOOKING);
	o->state = OAUTH_LOOKING;
	o->step = 0;
	resource_ask(o);
}

/* ---- as whom ---- */

static void
registered(void *ctx, int status, struct str body, const struct err *e)
{
	static const struct {
		const char *word;
		enum oauth_method method;
	} words[] = { { "client_secret_basic", METHOD_BASIC },
		{ "client_secret_post", METHOD_POST }, { "none", METHOD_NONE } };
	struct oauth *o = ctx;
	struct str raw;
	struct buf why;

	if (e != NULL || !document(body, status == 201 ? 200 : status)) {
		buf_init(&why, 200);
		buf_puts(&why, "registration: ");
		if (e != NULL)
			buf_puts(&why, e->text);
		else
			oauth_error_text(&why, status, body, NULL);
		fail(o, buf_cstr(&why));
		buf_fini(&why);
		return;
	}
	text_member(body, "client_id", OAUTH_TEXT_MAX, &o->client.client_id);
	text_member(body, "client_secret", OAUTH_TEXT_MAX, &o->client.client_secret);
	if (json_get(body, STR("token_endpoint_auth_method"), &raw))
		for (size_t i = 0; i < COUNT(words); i++)
			if (json_string_is(raw, str_of(words[i].word)))
				o->client.method = words[i].method;
	if (o->client.client_id == NULL)
		fail(o, "its issuer registered us under no name");
	else
		oauth_registered(o);
}

static const char *
method_word(enum oauth_method m)
{
	static const char *const words[] = { "client_secret_basic", "client_secret_post", "none",
		"private_key_jwt" };

	return words[m];
}

/* RFC 7591 §2; application_type as OpenID Connect Registration has it. */
static void
registration_put(struct oauth *o, struct buf *b)
{
	const char *base = o->sv->hub->base_url;
	struct url u;
	bool local = url_parse(str_of(base), &u) && url_is_loopback(&u);

	buf_printf(
	    b, "{\"client_name\":\"Tollgate\",\"redirect_uris\":[\"%s" SIGN_IN_RETURN "\"],", base);
	buf_printf(b,
	    "\"grant_types\":[\"authorization_code\",\"refresh_token\"],"
	    "\"response_types\":[\"code\"],\"token_endpoint_auth_method\":\"%s\","
	    "\"application_type\":\"%s\"}",
	    method_word(o->client.method), local ? "native" : "web");
}

static void
register_ask(struct oauth *o)
{
	static const struct header h[] = { { STR("content-type"), STR("application/json") },
		{ STR("accept"), STR("application/json") } };
	struct fetch_ask ask;
	struct buf body;
	struct err e;

	o->client.method = o->methods & METHOD_BIT(METHOD_BASIC)  ? METHOD_BASIC
			   : o->methods & METHOD_BIT(METHOD_POST) ? METHOD_POST
								  : METHOD_NONE;
	buf_init(&body, FETCH_BYTES_MAX);
	registration_put(o, &body);
	ask = (struct fetch_ask){
		.url = str_of(o->register_url), .body = buf_str(&body), .h = h, .n = COUNT(h)
	};
	if (!oauth_fetch(o, &ask, registered, o, &e))
		fail(o, e.text);
	buf_fini(&body);
}

/* What the settings say of the client; RFC 8414's list says how it may prove itself. */
static void
client_of_settings(struct oauth *o)
{
	struct kept *k = &o->client;

	text_set(&k->client_id, o->s->client_id);
	text_set(&k->client_secret, o->s->client_secret);
	if (o->s->private_key.n > 0)
		k->method = METHOD_JWT;
	else if (k->client_secret == NULL)
		k->method = METHOD_NONE;
	else
		k->method = (o->methods & METHOD_BIT(METHOD_BASIC)) != 0 ||
				    (o->methods & METHOD_BIT(METHOD_POST)) == 0
				? METHOD_BASIC
				: METHOD_POST;
}

void
register_client(struct oauth *o)
{
	struct kept *k = &o->client;

	if (k->client_id != NULL && !str_eq(text_of(k->issuer), str_of(o->issuer))) {
		if (o->s->client_id.n > 0 && o->s->issuer.n == 0) {
			/* Who we are there was said for the issuer that it had then. */
			fail(o, "it names another issuer than before (name the right one: oauth: { "
				"issuer: … })");
			return;
		}
		kept_fini(k); /* known elsewhere, which is nobody's business here */
	}
	text_set(&k->issuer, str_of(o->issuer));
	text_set(&k->token_url, str_of(o->token_url));
	text_set(&k->resource, o->resource != NULL ? str_of(o->resource) : str_of(o->sv->s->url));
	if (o->s->client_id.n > 0) {
		client_of_settings(o);
	} else if (o->cimd && o->s->client_metadata.n > 0) {
		text_set(&k->client_id, o->s->client_metadata);
		text_set(&k->client_secret, STR(""));
		k->method = o->s->private_key.n > 0 ? METHOD_JWT : METHOD_NONE;
	} else if (k->client_id == NULL && o->register_url != NULL &&
		   url_good(o, o->register_url)) {
		register_ask(o);
		return;
	} else if (k->client_id == NULL) {
		fail(o, "its issuer wants a client_id (oauth: { client_id: … } of this server)");
		return;
	}
	oauth_registered(o);
}
