/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings_servers - the sections of tollgate.yaml that say where requests go: providers, models,
 * aliases, servers.
 *
 * A secret that is not set disables the one provider or server that needs it.  Headers towards a
 * server are built from scratch, so those that frame a request or belong to MCP are refused here.
 */
#include <string.h>

#include "base/map.h"
#include "base/url.h"
#include "gateway/settings_read.h"

#define WORDS_MAX       256
#define HEADERS_MAX     64
#define SERVER_NAME_MAX 64
#define LEGACY_AT       100 /* the version that is written */

/* ---- shared ---- */

/* A mapping of at most `most` entries; false (reported, unless it is just empty). */
static bool
section(struct reading *r, struct yaml *y, size_t most)
{
	if (y->kind == YAML_NULL)
		return false;
	if (y->kind != YAML_MAP)
		return bad(r, y, "\"" STR_FMT "\" is a mapping of names", STR_ARG(y->key));
	return y->n <= most || bad(r, y, "at most %zu entries are allowed here", most);
}

struct str
value_read(struct reading *r, const struct yaml *y, bool is_secret, const char **missing)
{
	struct secret secret;
	struct err e;

	if (y->kind == YAML_MAP || y->kind == YAML_LIST) {
		(void)bad(r, y, "a text was expected");
		return STR("");
	}
	if (!secret_expand(&r->secrets, y->text, &secret, &e)) {
		(void)bad(r, y, "%s", e.text);
		return STR("");
	}
	if (secret.missing != NULL)
		*missing = secret.missing;
	else if (is_secret && !secret.elsewhere && secret.value.n > 0)
		warn_at(r, y,
		    "a secret written here is seen by everybody who reads the file "
		    "(use env:NAME or file:PATH)");
	return secret.value;
}

const char *
proxy_value(struct reading *r, const struct yaml *y, const char **missing)
{
	static const char *const schemes[] = { "http://", "https://", "socks5h://", "socks5://" };
	size_t before = r->errors;
	struct str text = value_read(r, y, false, missing);
	const char *at;

	if (*missing != NULL || r->errors > before)
		return NULL;
	for (size_t i = 0; i < COUNT(schemes); i++) {
		struct str scheme = str_of(schemes[i]);

		if (text.n <= scheme.n || !str_starts(text, scheme))
			continue;
		at = memrchr(text.p, '@', text.n);
		if (at != NULL && !str_has(y->text, '{') && !str_starts(y->text, STR("env:")) &&
		    !str_starts(y->text, STR("file:")))
			warn_at(r, y,
			    "a password written here is seen by everybody who reads the file "
			    "(use {env:NAME})");
		return arena_cstr(&r->s->arena, text);
	}
	(void)bad(r, y, "a proxy begins with http://, https://, socks5:// or socks5h://");
	return NULL;
}

void
ca_read(struct reading *r, struct yaml *y, void *into)
{
	const char *path = NULL;
	struct err e;

	path_read(r, y, &path);
	if (path != NULL && !tls_ca_check(path, &e))
		(void)bad(r, y, "%s", e.text);
	*(const char **)into = path;
}

/* ---- providers ---- */

static void
kind_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "anthropic", PROVIDER_ANTHROPIC },
		{ "openai", PROVIDER_OPENAI }, { "genai", PROVIDER_GENAI }, { "bedrock", -1 },
		{ "vertex", -1 }, { NULL, 0 } };
	int v = PROVIDER_NONE;

	if (word_read(r, y, words, &v))
		*(enum provider_kind *)into = (enum provider_kind)v;
}

static void
key_read(struct reading *r, struct yaml *y, void *into)
{
	struct provider_entry *p = into;
	const char *missing = NULL;

	p->key = value_read(r, y, true, &missing);
	if (missing == NULL)
		return;
	p->missing = str_of(missing);
	warn_at(r, y, "provider " STR_FMT " is disabled: %s", STR_ARG(p->name), missing);
}

static void
provider_proxy_read(struct reading *r, struct yaml *y, void *into)
{
	struct provider_entry *p = into;
	const char *missing = NULL;

	p->proxy = proxy_value(r, y, &missing);
	if (missing == NULL)
		return;
	p->missing = str_of(missing);
	warn_at(r, y, "provider " STR_FMT " is disabled: %s", STR_ARG(p->name), missing);
}

static void
provider_read(struct reading *r, struct yaml *y, struct provider_entry *p)
{
#define AT(member) offsetof(struct provider_entry, member)
	static const struct setting rows[] = { { "kind", AT(kind), kind_read },
		{ "url", AT(url), url_read }, { "key", 0, key_read },
		{ "ca_file", AT(ca_file), ca_read }, { "proxy", 0, provider_proxy_read },
		{ "prefetch", AT(prefetch), bool_read }, { NULL, 0, NULL } };
#undef AT

	p->name = arena_str(&r->s->arena, y->key);
	p->missing = p->key = STR("");
	if (!rows_read(r, y, "a provider", rows, p))
		return;
	if (yaml_get(y, "kind") == NULL || yaml_get(y, "url") == NULL || yaml_get(y, "key") == NULL)
		(void)bad(r, y, "a provider needs kind, url and key");
	if (p->prefetch && p->kind != PROVIDER_ANTHROPIC)
		(void)bad(r, y, "prefetch is for providers of kind anthropic");
}

void
providers_read(struct reading *r, struct yaml *y, void *settings)
{
	struct settings *s = settings;

	if (!section(r, y, SETTINGS_PROVIDERS_MAX))
		return;
	s->providers = arena_zalloc(&s->arena, (y->n + 1) * sizeof(*s->providers));
	for (struct yaml *k = y->kids; k != NULL; k = k->next)
		provider_read(r, k, &s->providers[s->providers_n++]);
}

/* ---- models and aliases: read last, they name what stands elsewhere ---- */

void
models_read_later(struct reading *r, struct yaml *y, void *settings)
{
	(void)settings;
	r->models = y;
}

void
aliases_read_later(struct reading *r, struct yaml *y, void *settings)
{
	(void)settings;
	r->aliases = y;
}

static void
provider_named(struct reading *r, const struct yaml *y, size_t *index)
{
	struct str names[SETTINGS_PROVIDERS_MAX];
	char near[NEAREST_TEXT];

	for (size_t i = 0; i < r->s->providers_n; i++) {
		names[i] = r->s->providers[i].name;
		if (str_eq(names[i], y->text)) {
			*index = i;
			return;
		}
	}
	(void)bad(r, y, "no provider is called \"" STR_FMT "\"%s", STR_ARG(y->text),
	    nearest(near, y->text, names, r->s->providers_n));
}

static void
model_provider_read(struct reading *r, struct yaml *y, void *into)
{
	provider_named(r, y, into);
}

void
models_read(struct reading *r, struct yaml *y)
{
	static const struct setting rows[] = { { "provider", offsetof(struct model_entry, provider),
						   model_provider_read },
		{ NULL, 0, NULL } };
	struct settings *s = r->s;

	if (!section(r, y, SETTINGS_MODELS_MAX))
		return;
	s->models = arena_zalloc(&s->arena, (y->n + 1) * sizeof(*s->models));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		struct model_entry *m = &s->models[s->models_n++];

		m->pattern = arena_str(&s->arena, k->key);
		if (k->key.n == 0 || k->key.n > 200)
			(void)bad_key(r, k, "a model id has 1 to 200 bytes");
		if (rows_read(r, k, "a model", rows, m) && yaml_get(k, "provider") == NULL)
			(void)bad(r, k, "provider is missing");
	}
}

static bool
model_served(const struct settings *s, struct str id)
{
	for (size_t i = 0; i < s->models_n; i++)
		if (str_star(s->models[i].pattern, id))
			return true;
	return false;
}

void
aliases_read(struct reading *r, struct yaml *y)
{
	struct settings *s = r->s;

	if (!section(r, y, SETTINGS_MODELS_MAX))
		return;
	s->aliases = arena_zalloc(&s->arena, (y->n + 1) * sizeof(*s->aliases));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		struct str model;

		if (!text_read(r, k, &model))
			continue;
		s->aliases[s->aliases_n++] =
		    (struct model_alias){ arena_str(&s->arena, k->key), model };
		if (!model_served(s, model))
			(void)bad(r, k,
			    "alias \"" STR_FMT "\" stands for \"" STR_FMT
			    "\", which models: does not list",
			    STR_ARG(k->key), STR_ARG(model));
	}
}

/* ---- servers ---- */

bool
server_reserved(struct str name)
{
	static const struct str reserved[] = { STR("any"), STR("lua"), STR("tools"), STR("call"),
		STR(SNIPPET_FOLDER) };

	for (size_t i = 0; i < COUNT(reserved); i++)
		if (str_eq(name, reserved[i]))
			return true;
	return false;
}

static bool
server_name_check(struct reading *r, const struct yaml *y)
{
	bool ok =
	    y->key.n > 0 && y->key.n <= SERVER_NAME_MAX && y->key.p[0] >= 'a' && y->key.p[0] <= 'z';

	for (size_t i = 0; ok && i < y->key.n; i++) {
		char c = y->key.p[i];

		ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
	}
	return (ok && !server_reserved(y->key)) ||
	       bad_key(r, y,
		   "\"" STR_FMT "\" is no server name (a-z first, then a-z 0-9 -, at most %d; "
		   "any, lua, tools, call, snippets are reserved)",
		   STR_ARG(y->key), SERVER_NAME_MAX);
}

/* The first word of a command with a slash in it is a path, any other is looked up in PATH. */
static void
command_read(struct reading *r, struct yaml *y, void *into)
{
	struct server_settings *s = into;
	const char **words;
	size_t n = 0;

	if (y->kind != YAML_LIST || y->n == 0 || y->n > WORDS_MAX) {
		(void)bad(
		    r, y, "a command is a list of 1 to %d words: [program, argument]", WORDS_MAX);
		return;
	}
	words = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*words));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		if (k->kind == YAML_MAP || k->kind == YAML_LIST || (n == 0 && k->text.n == 0))
			(void)bad(r, k, "a word was expected");
		else if (n == 0 && str_has(k->text, '/'))
			words[n++] = path_below(&r->s->arena, r->secrets.folder, k->text);
		else
			words[n++] = arena_cstr(&r->s->arena, k->text);
	}
	s->argv = words;
}

static void
env_read(struct reading *r, struct yaml *y, void *into)
{
	struct server_settings *s = into;
	const char **env;
	size_t n = 0;

	if (!section(r, y, WORDS_MAX))
		return;
	env = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*env));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		struct str value = value_read(r, k, secret_named(k->key), &s->disabled);

		if (k->key.n == 0 || str_has(k->key, '='))
			(void)bad_key(r, k, "the name of a variable has no = in it");
		env[n++] =
		    arena_printf(&r->s->arena, STR_FMT "=" STR_FMT, STR_ARG(k->key), STR_ARG(value))
			.p;
	}
	s->env = env;
}

bool
header_reserved(struct str name)
{
	static const struct str ours[] = { STR("host"), STR("content-length"), STR("content-type"),
		STR("connection"), STR("transfer-encoding"), STR("accept"), STR("te"),
		STR("trailer"), STR("upgrade"), STR("expect"), STR("mcp-session-id"),
		STR("mcp-protocol-version"), STR("last-event-id") };

	return str_in(name, ours, COUNT(ours));
}

static bool
header_name_check(struct reading *r, const struct yaml *y)
{
	bool ok = y->key.n > 0 && y->key.n <= 100;

	for (size_t i = 0; ok && i < y->key.n; i++) {
		char c = y->key.p[i];

		ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		     c == '-' || c == '_';
	}
	if (!ok)
		return bad_key(r, y, "\"" STR_FMT "\" is no header name", STR_ARG(y->key));
	return !header_reserved(y->key) ||
	       bad_key(r, y, "the header \"" STR_FMT "\" is set by the gateway", STR_ARG(y->key));
}

static struct str
lower(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
	return (struct str){ p, s.n };
}

static void
headers_read(struct reading *r, struct yaml *y, void *into)
{
	struct server_settings *s = into;
	struct header *h;

	if (!section(r, y, HEADERS_MAX))
		return;
	h = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*h));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		if (!header_name_check(r, k))
			continue;
		h[s->headers_n].name = lower(&r->s->arena, k->key);
		h[s->headers_n++].value = value_read(r, k, secret_named(k->key), &s->disabled);
	}
	s->headers = h;
}

/* An era, or one version of one. */
static void
protocol_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "auto", MCP_AUTO }, { "modern", MCP_MODERN },
		{ "legacy", MCP_LEGACY }, { "2026-07-28", MCP_MODERN }, { "2025-11-25", LEGACY_AT },
		{ "2025-06-18", LEGACY_AT }, { "2025-03-26", LEGACY_AT },
		{ "2024-11-05", LEGACY_AT }, { NULL, 0 } };
	struct server_settings *s = into;
	int v = MCP_AUTO;

	if (!word_read(r, y, words, &v))
		return;
	if (v == LEGACY_AT)
		s->version = arena_cstr(&r->s->arena, y->text);
	s->protocol = v == LEGACY_AT ? MCP_LEGACY : (enum mcp_protocol)v;
}

static void
transport_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "auto", TRANSPORT_AUTO },
		{ "streamable-http", TRANSPORT_HTTP }, { "sse", TRANSPORT_SSE }, { NULL, 0 } };
	int v = TRANSPORT_AUTO;

	if (word_read(r, y, words, &v))
		*(enum mcp_transport *)into = (enum mcp_transport)v;
}

/* A file's path, or a URL. */
static void
openapi_read(struct reading *r, struct yaml *y, void *into)
{
	const char **out = into;
	struct err e;

	if (str_starts(y->text, STR("http://")) || str_starts(y->text, STR("https://"))) {
		url_read(r, y, into);
		return;
	}
	path_read(r, y, into);
	if (*out != NULL && !mcp_openapi_check(*out, &e))
		(void)bad(r, y, "%s", e.text);
}

static void
isolation_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "shared", ISOLATION_SHARED },
		{ "per-key", ISOLATION_PER_KEY }, { "per-session", ISOLATION_PER_SESSION },
		{ NULL, 0 } };
	int v = ISOLATION_USUAL;

	if (word_read(r, y, words, &v))
		*(enum mcp_isolation *)into = (enum mcp_isolation)v;
}

static void
server_proxy_read(struct reading *r, struct yaml *y, void *into)
{
	struct server_settings *s = into;

	s->proxy = proxy_value(r, y, &s->disabled);
}

#define AT(member) offsetof(struct server_settings, member)
// clang-format off
static const struct setting server_rows[] = {
	{ "command",         0,              command_read },
	{ "url",             AT(url),        url_read },
	{ "openapi",         AT(openapi),    openapi_read },
	{ "env",             0,              env_read },
	{ "cwd",             AT(cwd),        path_read },
	{ "headers",         0,              headers_read },
	{ "protocol",        0,              protocol_read },
	{ "transport",       AT(transport),  transport_read },
	{ "isolation",       AT(isolation),  isolation_read },
	{ "ca_file",         AT(ca_file),    ca_read },
	{ "proxy",           0,              server_proxy_read },
	{ "connect_timeout", AT(connect_ms), ms_read },
	{ "list_timeout",    AT(list_ms),    ms_read },
	{ "call_timeout",    AT(call_ms),    ms_read },
	{ "user",            0,              jail_user_read },
	{ "rlimits",         0,              jail_limits_read },
	{ "network",         0,              jail_network_read },
	{ "read_only",       0,              jail_read_only_read },
	{ "writable",        0,              jail_writable_read },
	{ "oauth",           0,              server_oauth_read },
	{ "pin",             AT(pin),        pin_read },
	{ "prefix",          0,              NULL },
	{ NULL, 0, NULL },
};
// clang-format on
#undef AT

static void
server_read(struct reading *r, struct yaml *y, struct server_settings *s)
{
	bool command, url;
	struct url u;

	s->name = arena_cstr(&r->s->arena, y->key);
	(void)server_name_check(r, y);
	if (!rows_read(r, y, "a server", server_rows, s))
		return;
	source_make(r, y, s);
	command = yaml_get(y, "command") != NULL;
	url = yaml_get(y, "url") != NULL;
	if (command == url)
		(void)bad(r, y, "a server has either command or url");
	if (command && s->headers != NULL)
		(void)bad(r, y, "headers are for a server with url (a command has env)");
	if (url && (s->env != NULL || s->cwd != NULL))
		(void)bad(r, y, "env and cwd are for a server with command");
	if (url && s->jail != NULL)
		(void)bad(r, y,
		    "user, rlimits, network, read_only and writable are for a server with command");
	if (s->jail != NULL && s->jail->writable != NULL && s->jail->read_only == NULL)
		(void)bad(r, y, "writable names exceptions from read_only, which is missing");
	if (command && s->transport != TRANSPORT_AUTO)
		(void)bad(r, y, "transport is for a server with url");
	if (s->transport == TRANSPORT_SSE && (s->oauth != NULL || s->protocol == MCP_MODERN))
		(void)bad(r, y,
		    "transport: sse is of 2024-11-05, which knows no oauth and no later protocol");
	if (s->openapi != NULL && (command || s->oauth != NULL || s->transport != TRANSPORT_AUTO ||
				      s->protocol != MCP_AUTO || s->isolation != ISOLATION_USUAL))
		(void)bad(r, y,
		    "openapi goes with url (where the API is), headers, ca_file, proxy and "
		    "timeouts only");
	if (s->oauth != NULL && s->url != NULL &&
	    (!url_parse(str_of(s->url), &u) || (!u.https && !url_is_loopback(&u))))
		(void)bad(r, y, "a server with oauth has an https URL: tokens go there");
	if (command && s->oauth != NULL)
		(void)bad(r, y, "oauth is for a server with url");
	if (s->oauth != NULL && s->headers != NULL)
		for (size_t i = 0; i < s->headers_n; i++)
			if (str_eq(s->headers[i].name, STR("authorization")))
				(void)bad(
				    r, y, "a server has either oauth or an Authorization header");
	if (command && (s->proxy != NULL || s->ca_file != NULL))
		(void)bad(r, y, "proxy and ca_file are for a server with url");
	if (s->disabled != NULL)
		warn_at(r, y, "server %s is disabled: %s", s->name, s->disabled);
}

/* A script knows a server by one name, an identifier of Lua: end- and end are both end_. */
static void
spelling_check(
    struct reading *r, const struct yaml *y, struct server_settings *s, struct map *spelled)
{
	const struct server_settings *other;
	struct buf name;

	buf_init(&name, 0);
	mcp_script_server(&name, str_of(s->name));
	other = map_get(spelled, buf_str(&name));
	if (other != NULL)
		(void)bad_key(r, y,
		    "\"%s\" and \"%s\" are the same name in scripts (" STR_FMT
		    "): give one of them another",
		    other->name, s->name, STR_ARG(buf_str(&name)));
	else
		map_set(spelled, arena_str(&r->s->arena, buf_str(&name)), s);
	buf_fini(&name);
}

void
servers_read(struct reading *r, struct yaml *y, void *settings)
{
	struct settings *s = settings;
	struct map spelled;

	if (!section(r, y, SETTINGS_SERVERS_MAX))
		return;
	map_init(&spelled);
	s->servers = arena_zalloc(&s->arena, (y->n + 1) * sizeof(*s->servers));
	for (struct yaml *k = y->kids; k != NULL; k = k->next) {
		server_read(r, k, &s->servers[s->servers_n]);
		spelling_check(r, k, &s->servers[s->servers_n++], &spelled);
	}
	map_fini(&spelled);
}
