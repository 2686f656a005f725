/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - tokens of one issuer, verified by its published keys.
 *
 *   identity_new() --> issuer's metadata, up to three addresses --> jwks_uri --> keys
 *        ^--every ten minutes, or when a token names a key that is not known--/
 *   identity_key() --seen before--> the key       --new--> signature, claims, user --> the key
 *
 * The last good keys stay while the issuer does not answer.  A token that was verified is not
 * verified again until it ends or the keys change; whether its user may still do anything is asked
 * each time.  Clocks may differ by a minute.
 */
#include "gateway/identity.h"

#include <stdlib.h>

#include "base/fetch.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/sign.h"
#include "base/url.h"
#include "gateway/settings.h"

#define REFRESH_MS  600000
#define RETRY_MS    30000
#define UNKNOWN_MS  60000 /* between looks for a key that nobody knows */
#define DEADLINE_MS 10000
#define LEEWAY_S    60
#define SEEN_MAX    4096
#define URL_MAX     2048
#define ARENA_BYTES (JWT_BYTES_MAX * 4)
#define WELL_KNOWN  "/.well-known/oauth-protected-resource"

struct seen { /* a token that was good */
	struct link link;
	struct sha256 digest;
	struct key *key;
	int64_t exp_s;
};

struct identity {
	struct gateway *g;
	const struct identity_settings *s;
	char *resource;
	struct job job;
	struct timer refresh;
	struct jwks *keys;
	struct sha256 keys_digest;
	bool looking;
	int step;             /* which address of the metadata is tried */
	int64_t looked_ms;    /* when the last look began */
	struct map by_digest; /* struct seen */
	struct link seen;     /* oldest first */
};

static const struct job_type identity_job = { "identity", NULL, NULL };

static void look(void *ctx);

/* ---- what was seen ---- */

static void
seen_drop(struct identity *i, struct seen *s)
{
	(void)map_del(&i->by_digest, (struct str){ (char *)s->digest.b, SHA256_BYTES });
	link_drop(&s->link);
	free(s);
}

static void
seen_clear(struct identity *i)
{
	while (!link_empty(&i->seen))
		seen_drop(i, CONTAINER(i->seen.next, struct seen, link));
}

static void
seen_add(struct identity *i, const struct sha256 *digest, struct key *k, int64_t exp_s)
{
	struct seen *s;

	if (i->by_digest.n >= SEEN_MAX)
		seen_drop(i, CONTAINER(i->seen.next, struct seen, link));
	s = mem_zalloc(sizeof(*s));
	s->digest = *digest;
	s->key = k;
	s->exp_s = exp_s;
	link_init(&s->link);
	link_push(&i->seen, &s->link);
	map_set(&i->by_digest, (struct str){ (char *)s->digest.b, SHA256_BYTES }, s);
}

/* ---- the issuer's keys ---- */

static bool
ask(struct identity *i, struct str url, fetch_f *done, struct err *e)
{
	struct fetch_from from = { i->g->loop, i->g->pool };
	struct fetch_ask a = { .url = url,
		.ca_file = i->s->ca_file,
		.proxy = i->s->proxy,
		.trusted = true, /* the operator has written it down */
		.deadline_ms = DEADLINE_MS };

	return fetch_start(&from, &i->job, &a, done, i, e) != NULL;
}

static void
failed(struct identity *i, const char *why)
{
	log_warn(NULL, "the issuer's keys are not read", F_STR("issuer", i->s->issuer),
	    F_TEXT("why", why));
	i->looking = false;
	timer_set(i->g->loop, &i->refresh, RETRY_MS, look, i);
}

static void
keys_take(void *ctx, int status, struct str body, const struct err *e)
{
	struct identity *i = ctx;
	struct sha256 digest;
	struct jwks *k;
	struct err why;

	if (e != NULL || status != 200) {
		failed(i, e != NULL ? e->text : "its key set is not there");
		return;
	}
	k = jwks_read(body, &why);
	if (k == NULL) {
		failed(i, why.text);
		return;
	}
	sha256(&digest, body);
	if (i->keys == NULL || !crypto_equal(&digest, &i->keys_digest, sizeof(digest)))
		seen_clear(i);
	i->keys_digest = digest;
	jwks_free(&i->keys);
	i->keys = k;
	i->looking = false;
	timer_set(i->g->loop, &i->refresh, REFRESH_MS, look, i);
}

static void metadata_ask(struct identity *i);

static void
metadata_take(void *ctx, int status, struct str body, const struct err *e)
{
	struct identity *i = ctx;
	struct str raw, url;
	struct arena a;
	struct err why;

	if (e != NULL || status != 200 || !json_check(body, true, &why) ||
	    json_kind(body) != JSON_OBJECT) {
		i->step++;
		metadata_ask(i);
		return;
	}
	arena_init(&a, FETCH_BYTES_MAX * 2);
	if (!json_get(body, STR("issuer"), &raw) || !json_string(raw, &a, &url) ||
	    !str_eq(url, i->s->issuer))
		failed(i, "its metadata names another issuer");
	else if (!json_get(body, STR("jwks_uri"), &raw) || !json_string(raw, &a, &url))
		failed(i, "its metadata has no jwks_uri");
	else if (!ask(i, url, keys_take, &why))
		failed(i, why.text);
	arena_free(&a);
}

static void
metadata_ask(struct identity *i)
{
	struct buf url;
	struct err e;

	buf_init(&url, URL_MAX);
	if (!buf_issuer_metadata(&url, i->s->issuer, i->step))
		failed(i, "it tells nothing about itself");
	else if (!ask(i, buf_str(&url), metadata_take, &e))
		failed(i, e.text);
	buf_fini(&url);
}

static void
look(void *ctx)
{
	struct identity *i = ctx;

	if (i->looking)
		return;
	i->looking = true;
	i->looked_ms = loop_mono_ms(i->g->loop);
	i->step = 0;
	metadata_ask(i);
}

/* ---- life ---- */

struct identity *
identity_new(struct gateway *g, const struct identity_settings *s, const char *base)
{
	struct identity *i = mem_zalloc(sizeof(*i));
	struct buf b;

	i->g = g;
	i->s = s;
	buf_init(&b, URL_MAX);
	if (s->resource.n > 0)
		buf_put(&b, s->resource);
	else
		buf_printf(&b, "%s/mcp", base);
	i->resource = str_dup(buf_str(&b));
	buf_fini(&b);
	map_init(&i->by_digest);
	link_init(&i->seen);
	job_init(&i->job, &identity_job, NULL, NULL, NULL);
	look(i);
	return i;
}

void
identity_free(struct identity **ip)
{
	struct identity *i = *ip;

	if (i == NULL)
		return;
	timer_stop(&i->refresh);
	job_cancel(&i->job);
	jobs_reap(); /* i->job is inside i */
	seen_clear(i);
	map_fini(&i->by_digest);
	jwks_free(&i->keys);
	free(i->resource);
	MEM_FREE(ip);
}

/* ---- claims ---- */

static struct str
claim(struct str claims, struct str name, struct arena *a)
{
	struct str raw, s;

	return json_get(claims, name, &raw) && json_string(raw, a, &s) ? s : STR("");
}

static bool
audience_is(const struct identity *i, struct str aud)
{
	struct str r = str_of(i->resource);

	if (i->s->audience.n > 0)
		return str_eq(aud, i->s->audience);
	return str_eq(aud, r) || (str_starts(aud, r) && aud.n > r.n + 3 &&
				     str_starts((struct str){ aud.p + r.n, 3 }, STR("/v/")));
}

static bool
for_us(const struct identity *i, struct str claims, struct arena *a)
{
	struct str raw, key, one, s;
	struct json_iter it;

	if (!json_get(claims, STR("aud"), &raw))
		return false;
	if (json_string(raw, a, &s))
		return audience_is(i, s);
	if (json_kind(raw) != JSON_ARRAY || !json_open(raw, &it))
		return false;
	while (json_next(&it, &key, &one))
		if (json_string(one, a, &s) && audience_is(i, s))
			return true;
	return false;
}

/* `scope` of RFC 8693 §4.2, or `scp`, a text or a list. */
static bool
has_scope(struct str claims, struct str want, struct arena *a)
{
	static const struct str names[] = { STR("scope"), STR("scp") };
	struct str raw, key, one;
	struct json_iter it;

	for (size_t i = 0; i < COUNT(names); i++) {
		struct str all = claim(claims, names[i], a);

		while (all.p != NULL)
			if (str_eq(str_cut(&all, ' '), want))
				return true;
		if (json_get(claims, names[i], &raw) && json_kind(raw) == JSON_ARRAY &&
		    json_open(raw, &it))
			while (json_next(&it, &key, &one))
				if (json_string_is(one, want))
					return true;
	}
	return false;
}

static bool
time_good(struct str claims, int64_t now_s, int64_t *exp_s, struct err *e)
{
	struct str raw;
	int64_t from_s;

	if (!json_get(claims, STR("exp"), &raw) || !json_i64(raw, exp_s))
		return err_set(e, ERR_AUTH, "the token does not say when it ends");
	if (*exp_s + LEEWAY_S <= now_s)
		return err_set(e, ERR_AUTH, "the token has expired");
	if (json_get(claims, STR("nbf"), &raw) &&
	    (!json_i64(raw, &from_s) || from_s > now_s + LEEWAY_S))
		return err_set(e, ERR_AUTH, "the token is not valid yet");
	return true;
}

static bool
scopes_good(const struct identity *i, struct str claims, struct arena *a, struct err *e)
{
	struct str want = i->s->scopes;

	while (want.p != NULL) {
		struct str one = str_cut(&want, ' ');

		if (one.n > 0 && !has_scope(claims, one, a))
			return err_set(
			    e, ERR_DENIED, "the token lacks the scope " STR_FMT, STR_ARG(one));
	}
	return true;
}

/* The user's name in the files. */
static bool
user_of(
    const struct identity *i, struct str claims, struct arena *a, struct str *user, struct err *e)
{
	struct str name = i->s->user.n > 0 ? i->s->user : STR("sub"), raw, domain;
	bool verified;

	*user = claim(claims, name, a);
	if (user->n == 0)
		return err_set(
		    e, ERR_AUTH, "the token has no claim \"" STR_FMT "\"", STR_ARG(name));
	if (str_eq(name, STR("email")) && json_get(claims, STR("email_verified"), &raw) &&
	    (!json_bool(raw, &verified) || !verified))
		return err_set(e, ERR_AUTH, "the token's e-mail address is not verified");
	if (i->s->domain.n == 0)
		return true;
	domain = *user;
	*user = str_cut(&domain, '@');
	return str_ieq(domain, i->s->domain) ||
	       err_set(
		   e, ERR_NO_OWNER, "the token's user is not of " STR_FMT, STR_ARG(i->s->domain));
}

static struct key *
claims_judge(struct identity *i, struct str claims, int64_t *exp_s, struct err *e)
{
	int64_t now_s = loop_wall_ns(i->g->loop) / 1000000000;
	struct key *k = NULL;
	struct arena a;
	struct str user;

	arena_init(&a, ARENA_BYTES);
	if (!str_eq(claim(claims, STR("iss"), &a), i->s->issuer))
		(void)err_set(e, ERR_AUTH, "the token is of another issuer");
	else if (!for_us(i, claims, &a))
		(void)err_set(e, ERR_AUTH, "the token is for another audience");
	else if (time_good(claims, now_s, exp_s, e) && scopes_good(i, claims, &a, e) &&
		 user_of(i, claims, &a, &user, e))
		k = key_of_user(i->g->core, user, e);
	arena_free(&a);
	return k;
}

/* ---- who ---- */

bool
identity_is_token(struct str credential)
{
	/* {" in base64url */
	return str_starts(credential, STR("eyJ")) && str_has(credential, '.');
}

static bool
verify(struct identity *i, struct str token, struct buf *claims, struct err *e)
{
	int64_t now_ms = loop_mono_ms(i->g->loop);

	if (i->keys == NULL) {
		(void)err_set(e, ERR_STORE, "the keys of " STR_FMT " are not known yet",
		    STR_ARG(i->s->issuer));
		e->retry_after_s = 1;
		return false;
	}
	if (jwt_verify(i->keys, token, claims, e))
		return true;
	if (e->code != ERR_NOT_FOUND)
		return false;
	/* Perhaps a new one: looked for, but not at everybody's whim. */
	if (i->looking || now_ms - i->looked_ms >= UNKNOWN_MS) {
		look(i);
		(void)err_set(e, ERR_STORE, "the issuer's keys are read anew");
		e->retry_after_s = 1;
		return false;
	}
	return err_set(e, ERR_AUTH, "the token is signed with a key that the issuer does not have");
}

struct key *
identity_key(struct identity *i, struct str token, struct err *e)
{
	int64_t now_ns = loop_wall_ns(i->g->loop), exp_s = 0;
	struct sha256 digest;
	struct buf claims;
	struct seen *s;
	struct key *k = NULL;

	sha256(&digest, token);
	s = map_get(&i->by_digest, (struct str){ (char *)digest.b, SHA256_BYTES });
	if (s != NULL && s->exp_s + LEEWAY_S > now_ns / 1000000000)
		return key_usable(s->key, now_ns, e) ? s->key : NULL;
	if (s != NULL)
		seen_drop(i, s);
	buf_init(&claims, JWT_BYTES_MAX);
	if (verify(i, token, &claims, e))
		k = claims_judge(i, buf_str(&claims), &exp_s, e);
	if (k != NULL)
		seen_add(i, &digest, k, exp_s);
	buf_fini(&claims);
	return k;
}

/* ---- what clients are told ---- */

/* "/mcp/v/x" -> what stands behind /mcp; the resource of a view is below the hub's. */
static struct str
view_part(struct str path)
{
	return str_starts(path, STR("/mcp/v/")) ? (struct str){ path.p + 4, path.n - 4 } : STR("");
}

void
identity_challenge(const struct identity *i, struct str path, const struct err *e, struct buf *out)
{
	struct url u;

	if (!url_parse(str_of(i->resource), &u))
		return;
	buf_printf(out, "Bearer resource_metadata=\"" STR_FMT WELL_KNOWN STR_FMT STR_FMT "\"",
	    STR_ARG(u.origin), STR_ARG(u.path), STR_ARG(view_part(path)));
	if (i->s->scopes.n > 0)
		buf_printf(out, ", scope=\"" STR_FMT "\"", STR_ARG(i->s->scopes));
	if (e->code == ERR_DENIED)
		buf_puts(out, ", error=\"insufficient_scope\"");
	else if (e->code != ERR_AUTH)
		buf_puts(out, ", error=\"invalid_token\"");
}

static void
scopes_put(struct buf *b, struct str scopes)
{
	const char *comma = "";

	buf_puts(b, ",\"scopes_supported\":[");
	while (scopes.p != NULL) {
		buf_puts(b, comma);
		buf_json_str(b, str_cut(&scopes, ' '));
		comma = ",";
	}
	buf_putc(b, ']');
}

void
identity_metadata(struct exchange *x)
{
	const struct identity *i = x->g->identity;
	struct str path = { x->path.p + sizeof(WELL_KNOWN) - 1,
		x->path.n - (sizeof(WELL_KNOWN) - 1) };
	struct buf b, resource;
	struct url u;
	struct err e;

	if (i == NULL || !url_parse(str_of(i->resource), &u) ||
	    !(path.n == 0 || str_eq(path, u.path) || view_part(path).n > 0)) {
		(void)err_set(&e, ERR_NOT_FOUND, "nothing is served at this path");
		exchange_refuse(x, &e);
		return;
	}
	buf_init(&b, 0);
	buf_init(&resource, 0);
	buf_printf(&resource, "%s" STR_FMT, i->resource, STR_ARG(view_part(path)));
	buf_puts(&b, "{\"resource\":");
	buf_json_str(&b, buf_str(&resource));
	buf_fini(&resource);
	buf_puts(&b, ",\"authorization_servers\":[");
	buf_json_str(&b, i->s->issuer);
	buf_puts(&b, "],\"bearer_methods_supported\":[\"header\"],\"resource_name\":\"Tollgate\"");
	if (i->s->scopes.n > 0)
		scopes_put(&b, i->s->scopes);
	buf_putc(&b, '}');
	exchange_reply(x, 200, STR("application/json"), buf_str(&b));
	buf_fini(&b);
}
