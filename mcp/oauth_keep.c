/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oauth_keep - tokens at rest: one sealed record per server and owner.
 *
 * Sealed with the hub's key and bound to the record's name, so that a record that somebody has
 * renamed, cut or brought from elsewhere is no record.  A record that does not open is as good as
 * none: the person signs in again.
 */
#include "mcp/oauth_private.h"

#include <stdlib.h>

#include "base/json.h"

#define RECORD_BYTES_MAX ((size_t)128 << 10)

void
text_set(char **p, struct str s)
{
	if (*p != NULL)
		crypto_wipe(*p, str_of(*p).n);
	free(*p);
	*p = s.n == 0 ? NULL : str_dup(s);
}

void
kept_fini(struct kept *k)
{
	char **all[] = { &k->issuer, &k->token_url, &k->resource, &k->client_id, &k->client_secret,
		&k->access, &k->refresh, &k->scope };

	for (size_t i = 0; i < COUNT(all); i++)
		text_set(all[i], STR(""));
	k->expires_s = 0;
}

void
kept_copy_client(struct kept *to, const struct kept *from)
{
	text_set(&to->issuer, text_of(from->issuer));
	text_set(&to->token_url, text_of(from->token_url));
	text_set(&to->resource, text_of(from->resource));
	text_set(&to->client_id, text_of(from->client_id));
	text_set(&to->client_secret, text_of(from->client_secret));
	to->method = from->method;
}

/* "oauth-SERVER-DIGEST", of the server's URL and the owner: an owner may be longer than a file's
 * name, and a server that has moved is another one, which must not get the tokens of the first. */
static void
record_name(struct oauth *o, struct str owner, struct buf *out)
{
	const struct str parts[] = { str_of(o->sv->s->url), STR("\n"), owner };
	struct sha256 d;

	sha256_parts(&d, parts, COUNT(parts));
	buf_printf(out, "oauth-%s-", o->sv->s->name);
	buf_hex(out, d.b, 16);
}

static void
member(struct buf *b, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
	buf_json_str(b, str_of(value));
}

void
keep_put(struct oauth *o, struct str owner, const struct kept *k)
{
	const struct hub_keep *keep = &o->sv->hub->keep;
	struct buf text, sealed, name;

	if (keep->put == NULL)
		return;
	buf_init(&text, RECORD_BYTES_MAX);
	buf_init(&sealed, RECORD_BYTES_MAX * 2);
	buf_init(&name, 256);
	record_name(o, owner, &name);
	buf_putc(&text, '{');
	member(&text, "issuer", k->issuer);
	member(&text, "token_url", k->token_url);
	member(&text, "resource", k->resource);
	member(&text, "client_id", k->client_id);
	member(&text, "client_secret", k->client_secret);
	member(&text, "access", k->access);
	member(&text, "refresh", k->refresh);
	member(&text, "scope", k->scope);
	buf_printf(&text, "%s\"method\":%d,\"expires_s\":%lld}", text.n > 1 ? "," : "",
	    (int)k->method, (long long)k->expires_s);
	if (buf_ok(&text) &&
	    aead_seal(&sealed, o->sv->hub->seal_key, buf_str(&name), buf_str(&text)))
		keep->put(keep->ctx, buf_cstr(&name), buf_str(&sealed));
	crypto_wipe(text.p, text.n);
	buf_fini(&text);
	buf_fini(&sealed);
	buf_fini(&name);
}

static void
read_text(struct str doc, struct arena *a, const char *name, char **out)
{
	struct str raw, s;

	if (json_get(doc, str_of(name), &raw) && json_string(raw, a, &s))
		text_set(out, s);
}

static void
record_read(struct str doc, struct kept *k)
{
	struct str raw;
	struct arena a;
	int64_t method = 0;

	arena_init(&a, RECORD_BYTES_MAX * 2);
	read_text(doc, &a, "issuer", &k->issuer);
	read_text(doc, &a, "token_url", &k->token_url);
	read_text(doc, &a, "resource", &k->resource);
	read_text(doc, &a, "client_id", &k->client_id);
	read_text(doc, &a, "client_secret", &k->client_secret);
	read_text(doc, &a, "access", &k->access);
	read_text(doc, &a, "refresh", &k->refresh);
	read_text(doc, &a, "scope", &k->scope);
	if (json_get(doc, STR("method"), &raw) && json_i64(raw, &method) && method >= 0 &&
	    method <= METHOD_JWT)
		k->method = (enum oauth_method)method;
	if (json_get(doc, STR("expires_s"), &raw))
		(void)json_i64(raw, &k->expires_s);
	arena_free(&a);
}

bool
keep_get(struct oauth *o, struct str owner, struct kept *k)
{
	const struct hub_keep *keep = &o->sv->hub->keep;
	struct buf text, sealed, name;
	struct err e;
	bool ok;

	if (keep->get == NULL)
		return false;
	buf_init(&text, RECORD_BYTES_MAX);
	buf_init(&sealed, RECORD_BYTES_MAX * 2);
	buf_init(&name, 256);
	record_name(o, owner, &name);
	ok = keep->get(keep->ctx, buf_cstr(&name), &sealed) &&
	     aead_open(&text, o->sv->hub->seal_key, buf_str(&name), buf_str(&sealed)) &&
	     json_check(buf_str(&text), true, &e);
	if (ok)
		record_read(buf_str(&text), k);
	crypto_wipe(text.p, text.n);
	buf_fini(&text);
	buf_fini(&sealed);
	buf_fini(&name);
	return ok;
}
