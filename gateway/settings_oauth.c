/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_oauth - tokens: those that the gateway gets for a server (`oauth:` of a server with
 * url), and those that people bring (`identity:`).
 *
 * For a server that tells where to sign in and lets clients register, an empty mapping is enough.
 */
#include <fcntl.h>
#include <unistd.h>

#include "base/sign.h"
#include "base/url.h"
#include "gateway/settings_read.h"

#define SCOPES_MAX    64
#define SCOPE_BYTES   2048
#define PEM_BYTES_MAX 32768

static struct oauth_settings *
oauth_of(struct reading *r, struct server_settings *s)
{
	if (s->oauth == NULL)
		s->oauth = arena_zalloc(&r->s->arena, sizeof(struct oauth_settings));
	return mem_unconst(s->oauth);
}

static void
grant_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "authorization_code", OAUTH_CODE },
		{ "client_credentials", OAUTH_CLIENT_CREDENTIALS }, { NULL, 0 } };
	int v = OAUTH_CODE;

	if (word_read(r, y, words, &v))
		oauth_of(r, into)->grant = (enum oauth_grant)v;
}

static void
per_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "server", 1 }, { "user", 2 }, { NULL, 0 } };
	int v = 1;

	if (word_read(r, y, words, &v))
		oauth_of(r, into)->per_user = v == 2;
}

static void
client_id_read(struct reading *r, struct yaml *y, void *into)
{
	struct server_settings *s = into;

	oauth_of(r, s)->client_id = value_read(r, y, false, &s->disabled);
}

static void
client_secret_read(struct reading *r, struct yaml *y, void *into)
{
	struct server_settings *s = into;

	oauth_of(r, s)->client_secret = value_read(r, y, true, &s->disabled);
}

static struct str
web_url(struct reading *r, struct yaml *y)
{
	struct str text;
	struct url u;

	if (!text_read(r, y, &text))
		return STR("");
	if (!url_parse(text, &u) || (!u.https && !url_is_loopback(&u)))
		(void)bad(r, y, "an https URL was expected");
	return text;
}

static void
web_url_read(struct reading *r, struct yaml *y, void *into)
{
	*(struct str *)into = web_url(r, y);
}

static void
client_metadata_read(struct reading *r, struct yaml *y, void *into)
{
	oauth_of(r, into)->client_metadata = web_url(r, y);
}

static void
issuer_read(struct reading *r, struct yaml *y, void *into)
{
	oauth_of(r, into)->issuer = web_url(r, y);
}

/* A PEM file, read here once. */
static void
private_key_read(struct reading *r, struct yaml *y, void *into)
{
	char *room = arena_alloc(&r->s->arena, PEM_BYTES_MAX);
	const char *path = NULL;
	struct err e;
	ssize_t n = -1;
	int fd;

	path_read(r, y, &path);
	if (path == NULL)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, room, PEM_BYTES_MAX);
		(void)close(fd);
	}
	oauth_of(r, into)->private_key = (struct str){ room, n > 0 ? (size_t)n : 0 };
	if (n <= 0)
		(void)bad(r, y, "%s cannot be read", path);
	else if (!jwt_key_check(oauth_of(r, into)->private_key, &e))
		(void)bad(r, y, "%s: %s", path, e.text);
}

/* A list of words, or one text with spaces in it, as OAuth writes them. */
static void
scopes_read(struct reading *r, struct yaml *y, void *into)
{
	struct buf b;

	if (y->kind != YAML_LIST) {
		(void)text_read(r, y, into);
		return;
	}
	if (y->n > SCOPES_MAX) {
		(void)bad(r, y, "at most %d scopes are allowed here", SCOPES_MAX);
		return;
	}
	buf_init(&b, SCOPE_BYTES);
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		struct str word;

		if (!text_read(r, k, &word) || word.n == 0 || str_has(word, ' '))
			(void)bad(r, k, "a scope is one word");
		else
			buf_printf(&b, "%s" STR_FMT, b.n > 0 ? " " : "", STR_ARG(word));
	}
	if (!buf_ok(&b))
		(void)bad(r, y, "the scopes are longer than %d bytes", SCOPE_BYTES);
	*(struct str *)into = arena_str(&r->s->arena, buf_str(&b));
	buf_fini(&b);
}

static void
server_scopes_read(struct reading *r, struct yaml *y, void *into)
{
	scopes_read(r, y, &oauth_of(r, into)->scopes);
}

void
server_oauth_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct setting rows[] = { { "grant", 0, grant_read }, { "per", 0, per_read },
		{ "client_id", 0, client_id_read }, { "client_secret", 0, client_secret_read },
		{ "client_metadata", 0, client_metadata_read },
		{ "private_key", 0, private_key_read }, { "scopes", 0, server_scopes_read },
		{ "issuer", 0, issuer_read }, { NULL, 0, NULL } };
	struct server_settings *s = into;
	struct oauth_settings *o = oauth_of(r, s);

	if (y->kind != YAML_NULL && !rows_read(r, y, "oauth", rows, s))
		return;
	if (o->grant != OAUTH_CLIENT_CREDENTIALS || s->disabled != NULL)
		return;
	if (o->client_id.n == 0 || (o->client_secret.n == 0 && o->private_key.n == 0))
		(void)bad(
		    r, y, "client_credentials needs client_id and client_secret or private_key");
	if (o->per_user)
		(void)bad(r, y, "client_credentials are the gateway's own: per: user needs people");
}

/* ---- what people bring ---- */

static void
word_text_read(struct reading *r, struct yaml *y, void *into)
{
	(void)text_read(r, y, into);
}

static void
identity_proxy_read(struct reading *r, struct yaml *y, void *into)
{
	const char *missing = NULL;

	*(const char **)into = proxy_value(r, y, &missing);
	if (missing != NULL)
		(void)bad(r, y, "%s", missing);
}

void
identity_read(struct reading *r, struct yaml *y, void *into)
{
#define AT(member) offsetof(struct identity_settings, member)
	static const struct setting rows[] = { { "issuer", AT(issuer), web_url_read },
		{ "resource", AT(resource), web_url_read },
		{ "audience", AT(audience), word_text_read }, { "user", AT(user), word_text_read },
		{ "domain", AT(domain), word_text_read }, { "scopes", AT(scopes), scopes_read },
		{ "ca_file", AT(ca_file), ca_read }, { "proxy", AT(proxy), identity_proxy_read },
		{ NULL, 0, NULL } };
#undef AT
	struct settings *s = into;

	if (rows_read(r, y, "identity", rows, &s->identity) && s->identity.issuer.n == 0 &&
	    yaml_get(y, "issuer") == NULL)
		(void)bad(r, y, "identity needs an issuer");
}
