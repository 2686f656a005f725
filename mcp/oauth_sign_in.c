/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_sign_in - a person lets the gateway in at a server's issuer.
 *
 *   oauth_sign_in() --asked--> discover() --> register_client() --> signs_go(): the address
 *        --browser--> oauth_returned(): state, browser, issuer --> token_code()
 *
 * Invariants: a state is good once and for SIGN_IN_MS; the issuer that comes back is compared byte
 * by byte (RFC 9207); an owner's own sign-ins push out nobody else's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/url.h"
#include "mcp/oauth_private.h"

#define SIGN_IN_MS        600000
#define SIGN_INS_MAX      10000
#define SIGN_INS_OF_OWNER 10
#define REFUSED_MS        600000

void
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

void
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
