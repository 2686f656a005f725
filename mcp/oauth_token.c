/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_token - the token endpoint (RFC 6749 §4.1.3, §4.4, §6; RFC 7636; RFC 8707).
 *
 *   token_code(), token_refresh(), token_client() --POST--> take() --> the grant has tokens, kept
 *                                                              \--> grant_end() with what is wrong
 *
 * An answer that says invalid_grant ends the tokens, invalid_client also the registration; anything
 * else (an outage, a 500) leaves both for the next try.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/log.h"
#include "base/sign.h"
#include "base/url.h"
#include "mcp/oauth_private.h"

#define ARENA_BYTES   (FETCH_BYTES_MAX * 2)
#define EXPIRES_S_MAX (366 * 86400)
#define ASSERTION_S   300

struct exchange {
	struct grant *g;
	struct kept k; /* becomes the grant's */
};

void
exchange_drop(struct grant *g)
{
	if (g->exchange != NULL)
		kept_fini(&g->exchange->k);
	MEM_FREE(&g->exchange);
}

static void
text_member(struct str doc, const char *name, char **out)
{
	struct str raw, s;
	struct arena a;

	if (!json_get(doc, str_of(name), &raw) || raw.n > OAUTH_TEXT_MAX)
		return;
	arena_init(&a, ARENA_BYTES);
	if (json_string(raw, &a, &s) && s.n > 0)
		text_set(out, s);
	arena_free(&a);
}

/* A header's value: what breaks lines there is no token. */
static bool
is_token(const char *s)
{
	if (s == NULL)
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return true;
}

static bool
tokens_read(struct exchange *x, struct str body, struct err *e)
{
	struct oauth *o = x->g->o;
	int64_t now_s = loop_wall_ns(o->sv->loop) / 1000000000, lives_s;
	char *type = NULL;
	struct str raw;
	bool bearer;

	text_set(&x->k.access, STR(""));
	text_member(body, "access_token", &x->k.access);
	text_member(body, "refresh_token", &x->k.refresh); /* else the old one stays */
	text_member(body, "scope", &x->k.scope);
	text_member(body, "token_type", &type);
	bearer = str_ieq(text_of(type), STR("bearer"));
	text_set(&type, STR(""));
	x->k.expires_s = 0;
	if (json_get(body, STR("expires_in"), &raw) && json_i64(raw, &lives_s) && lives_s >= 0)
		x->k.expires_s = now_s + (lives_s < EXPIRES_S_MAX ? lives_s : EXPIRES_S_MAX);
	if (!is_token(x->k.access))
		return err_set(
		    e, ERR_UPSTREAM, "server %s: its issuer gave no access token", o->sv->s->name);
	return bearer || err_set(e, ERR_UPSTREAM,
			     "server %s: its issuer's token is no Bearer token", o->sv->s->name);
}

static void
refused(const struct exchange *x, int status, struct str body, struct err *e)
{
	struct grant *g = x->g;
	struct oauth *o = g->o;
	bool renewed = x->k.refresh != NULL; /* else what it has is not what was refused */
	struct buf why;
	struct str code = STR("");

	buf_init(&why, 200);
	oauth_error_text(&why, status, body, &code);
	(void)err_set(e, ERR_UPSTREAM, "server %s: its issuer gives no token: %s", o->sv->s->name,
	    buf_cstr(&why));
	if (renewed &&
	    (str_eq(code, STR("invalid_grant")) || str_eq(code, STR("invalid_client")))) {
		kept_fini(&g->k);
		keep_put(o, str_of(g->owner), &g->k);
	}
	if (str_eq(code, STR("invalid_client"))) {
		kept_fini(&o->client);
		keep_put(o, STR("@client"), &o->client);
		o->state = o->state == OAUTH_KNOWN ? OAUTH_UNKNOWN : o->state;
	}
	buf_fini(&why);
	log_warn(NULL, "no token", F_STR("server", o->sv->name), F_TEXT("why", e->text));
}

static void
take(void *ctx, int status, struct str body, const struct err *e)
{
	struct exchange *x = ctx;
	struct grant *g = x->g;
	struct err why = { .code = ERR_NONE };
	bool ok = e == NULL && status == 200 && json_check(body, true, &why) &&
		  json_kind(body) == JSON_OBJECT;

	if (e != NULL) {
		(void)err_set(&why, e->code, "server %s: its issuer does not answer: %.200s",
		    g->o->sv->s->name, e->text);
	} else if (!ok) {
		refused(x, status, body, &why);
	} else if (tokens_read(x, body, &why)) {
		struct kept old = g->k;

		g->k = x->k;
		x->k = old;
		g->counted = false;
		keep_put(g->o, str_of(g->owner), &g->k);
		err_clear(&why);
	}
	exchange_drop(g); /* before anybody hears of it, and asks again */
	grant_end(g, why.code == ERR_NONE ? NULL : &why);
}

/* ---- asking ---- */

static void
pair(struct buf *b, const char *name, struct str value)
{
	if (value.n == 0)
		return;
	if (b->n > 0)
		buf_putc(b, '&');
	buf_puts(b, name);
	buf_putc(b, '=');
	buf_url(b, value);
}

/* RFC 7523 §2.2: who has the private key is the client. */
static bool
assertion_put(const struct exchange *x, struct buf *out, struct err *e)
{
	struct oauth *o = x->g->o;
	int64_t now_s = loop_wall_ns(o->sv->loop) / 1000000000;
	struct buf claims;
	char jti[23] = "";
	bool ok;

	base62_random(jti, sizeof(jti) - 1);
	buf_init(&claims, OAUTH_TEXT_MAX);
	buf_puts(&claims, "{\"iss\":");
	buf_json_str(&claims, text_of(x->k.client_id));
	buf_puts(&claims, ",\"sub\":");
	buf_json_str(&claims, text_of(x->k.client_id));
	buf_puts(&claims, ",\"aud\":");
	buf_json_str(&claims, text_of(x->k.issuer));
	buf_printf(&claims, ",\"jti\":\"%s\",\"iat\":%lld,\"exp\":%lld}", jti, (long long)now_s,
	    (long long)now_s + ASSERTION_S);
	ok = jwt_sign(out, o->s->private_key, buf_str(&claims), e);
	buf_fini(&claims);
	return ok;
}

static bool
prove(const struct exchange *x, struct buf *body, struct buf *basic, struct err *e)
{
	struct buf pair_text, assertion;
	bool ok = true;

	switch (x->k.method) {
	case METHOD_BASIC: /* RFC 6749 §2.3.1: both are form-encoded first */
		buf_init(&pair_text, OAUTH_TEXT_MAX * 8);
		buf_url(&pair_text, text_of(x->k.client_id));
		buf_putc(&pair_text, ':');
		buf_url(&pair_text, text_of(x->k.client_secret));
		buf_puts(basic, "Basic ");
		buf_base64(basic, pair_text.p, pair_text.n);
		crypto_wipe(pair_text.p, pair_text.n);
		buf_fini(&pair_text);
		break;
	case METHOD_POST:
		pair(body, "client_secret", text_of(x->k.client_secret));
		pair(body, "client_id", text_of(x->k.client_id));
		break;
	case METHOD_NONE:
		pair(body, "client_id", text_of(x->k.client_id));
		break;
	case METHOD_JWT:
		buf_init(&assertion, OAUTH_TEXT_MAX);
		ok = assertion_put(x, &assertion, e);
		pair(body, "client_id", text_of(x->k.client_id));
		pair(body, "client_assertion_type",
		    STR("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
		pair(body, "client_assertion", buf_str(&assertion));
		buf_fini(&assertion);
		break;
	}
	return ok;
}

/* Sends `body`, which says what is asked; this adds who asks, and for which resource. */
static void
exchange_send(struct exchange *x, struct buf *body)
{
	struct header h[3] = { { STR("content-type"), STR("application/x-www-form-urlencoded") },
		{ STR("accept"), STR("application/json") } };
	struct grant *g = x->g;
	struct fetch_ask ask;
	struct buf basic;
	size_t n = 2;
	struct err e;
	bool ok;

	buf_init(&basic, OAUTH_TEXT_MAX * 16);
	pair(body, "resource", text_of(x->k.resource));
	ok = prove(x, body, &basic, &e);
	if (basic.n > 0)
		h[n++] = (struct header){ STR("authorization"), buf_str(&basic) };
	if (ok && (!buf_ok(body) || !buf_ok(&basic)))
		ok = err_set(&e, ERR_TOO_LARGE, "server %s: the token request is too large",
		    g->o->sv->s->name);
	ask = (struct fetch_ask){
		.url = text_of(x->k.token_url), .body = buf_str(body), .h = h, .n = n
	};
	ok = ok && oauth_fetch(g->o, &ask, take, x, &e);
	if (!ok) {
		exchange_drop(g);
		grant_end(g, &e);
	}
	crypto_wipe(basic.p, basic.n);
	crypto_wipe(body->p, body->n);
	buf_fini(&basic);
	buf_fini(body);
}

static struct exchange *
exchange_new(struct grant *g, const struct kept *as, struct buf *body, const char *type)
{
	struct exchange *x = mem_zalloc(sizeof(*x));

	ASSERT(g->exchange == NULL);
	g->exchange = x;
	x->g = g;
	g->busy = true;
	kept_copy_client(&x->k, as);
	text_set(&x->k.scope, text_of(as->scope));
	buf_init(body, FETCH_BYTES_MAX);
	pair(body, "grant_type", str_of(type));
	return x;
}

void
token_refresh(struct grant *g)
{
	struct buf body;
	struct exchange *x = exchange_new(g, &g->k, &body, "refresh_token");

	text_set(&x->k.refresh, text_of(g->k.refresh));
	pair(&body, "refresh_token", text_of(g->k.refresh));
	exchange_send(x, &body);
}

void
token_client(struct grant *g)
{
	struct buf body;
	struct exchange *x = exchange_new(g, &g->o->client, &body, "client_credentials");
	struct buf scope;

	buf_init(&scope, OAUTH_SCOPE_MAX);
	oauth_scope_put(g->o, g, &scope);
	text_set(&x->k.scope, buf_str(&scope));
	text_set(&g->asked, buf_str(&scope));
	pair(&body, "scope", buf_str(&scope));
	buf_fini(&scope);
	exchange_send(x, &body);
}

void
token_code(struct grant *g, const struct sign_in *si, struct str code)
{
	struct buf body, redirect;
	struct exchange *x = exchange_new(g, &si->k, &body, "authorization_code");

	buf_init(&redirect, OAUTH_URL_MAX);
	buf_printf(&redirect, "%s" SIGN_IN_RETURN, g->o->sv->hub->base_url);
	pair(&body, "code", code);
	pair(&body, "redirect_uri", buf_str(&redirect));
	pair(&body, "code_verifier", str_of(si->verifier));
	buf_fini(&redirect);
	exchange_send(x, &body);
}
