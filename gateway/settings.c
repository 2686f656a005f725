/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - tollgate.yaml becomes plain data.
 *
 * Everything is checked before anything is started: unknown keys with the nearest known one, names,
 * references between sections, addresses that would open the gate to a network.  A secret is
 * `env:NAME`, `file:PATH`, or `{env:NAME}` inside a longer text; an unset one disables only the
 * provider or server that needs it, and says which variable to set.  Relative paths start at the
 * file's own folder.
 */
#include "gateway/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/yaml.h"
#include "gateway/gateway.h"

#define ARENA_BYTES  ((size_t)64 << 20)
#define FILE_BYTES   ((size_t)4 << 20)
#define SECRET_BYTES 65536
#define WORDS_MAX    256

struct reading {
	struct settings *s;
	struct yaml *root;
	struct buf *warnings;
	struct err *e;
};

static bool
known(struct reading *r, struct yaml *map, const char *const *names)
{
	struct str all[32];
	size_t n = 0;

	for (; names[n] != NULL && n < COUNT(all); n++)
		all[n] = str_of(names[n]);
	for (size_t i = 0; i < n; i++)
		(void)yaml_get(map, names[i]);
	return yaml_unknown(map, all, n, r->e);
}

static void
warn(struct reading *r, const struct yaml *y, const char *text)
{
	buf_printf(r->warnings, "%s:%d:%d: warning: %s\n", y->file, y->line, y->column, text);
}

static bool
is_map(struct reading *r, const struct yaml *y)
{
	return y->kind == YAML_MAP || yaml_err(y, r->e, "a mapping was expected");
}

static bool
is_text(struct reading *r, const struct yaml *y)
{
	return (y->kind == YAML_SCALAR && y->text.n > 0) ||
	       yaml_err(y, r->e, "a text was expected");
}

static const char *
path_of(struct reading *r, struct str path)
{
	if (path.p[0] == '/')
		return arena_cstr(&r->s->arena, path);
	return arena_printf(&r->s->arena, "%s/" STR_FMT, r->s->dir, STR_ARG(path)).p;
}

static bool
path_get(struct reading *r, const char *key, const char *fallback, const char **out)
{
	struct yaml *y = yaml_get(r->root, key);

	if (y == NULL) {
		*out = fallback == NULL ? NULL : path_of(r, str_of(fallback));
		return true;
	}
	if (!is_text(r, y))
		return false;
	*out = path_of(r, y->text);
	return true;
}

/* ---- secrets ---- */

/* Reads env:NAME or file:PATH.  `missing` says what is not there; both out are "" otherwise. */
static struct str
secret_read(struct reading *r, struct str ref, struct str *missing)
{
	struct arena *a = &r->s->arena;
	char bytes[SECRET_BYTES];
	const char *v;
	ssize_t n;
	int fd;

	if (str_starts(ref, STR("env:"))) {
		v = getenv(arena_cstr(a, (struct str){ ref.p + 4, ref.n - 4 })); // NOLINT
		if (v == NULL || v[0] == '\0')
			*missing = arena_printf(a, "%.*s is not set", (int)ref.n - 4, ref.p + 4);
		return v == NULL ? STR("") : arena_str(a, str_of(v));
	}
	fd = open(path_of(r, (struct str){ ref.p + 5, ref.n - 5 }), O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
	if (fd >= 0)
		(void)close(fd);
	while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
		n--;
	if (n <= 0) {
		*missing = arena_printf(a, "%.*s cannot be read", (int)ref.n - 5, ref.p + 5);
		return STR("");
	}
	return arena_str(a, (struct str){ bytes, (size_t)n });
}

/* A text that may hold {env:NAME} or {file:PATH}; a whole env:/file: too. */
static struct str
secret_text(struct reading *r, struct str text, struct str *missing, bool *any)
{
	struct buf b;
	struct str out;

	if (str_starts(text, STR("env:")) || str_starts(text, STR("file:"))) {
		*any = true;
		return secret_read(r, text, missing);
	}
	buf_init(&b, SECRET_BYTES);
	while (text.n > 0) {
		const char *end = memchr(text.p, '}', text.n);
		struct str ref = { text.p + 1, end == NULL ? 0 : (size_t)(end - text.p) - 1 };

		if (text.p[0] == '{' && end != NULL &&
		    (str_starts(ref, STR("env:")) || str_starts(ref, STR("file:")))) {
			buf_put(&b, secret_read(r, ref, missing));
			*any = true;
			text = STR_SPAN(end + 1, text.p + text.n);
		} else {
			buf_putc(&b, text.p[0]);
			text.p++;
			text.n--;
		}
	}
	out = arena_str(&r->s->arena, buf_str(&b));
	buf_fini(&b);
	return out;
}

/* ---- listen ---- */

static bool
serves_read(struct reading *r, const struct yaml *y, int *serves)
{
	static const struct {
		const char *word;
		int bit;
	} words[] = { { "model", SERVES_MODEL }, { "mcp", SERVES_MCP }, { "admin", SERVES_ADMIN },
		{ "metrics", SERVES_METRICS } };

	if (y == NULL) {
		*serves = SERVES_MODEL | SERVES_MCP | SERVES_METRICS;
		return true;
	}
	if (y->kind != YAML_LIST)
		return yaml_err(y, r->e, "a list was expected: [model, mcp, admin, metrics]");
	for (const struct yaml *k = y->kids; k != NULL; k = k->next) {
		int bit = 0;

		for (size_t i = 0; i < COUNT(words); i++)
			if (str_eq(k->text, str_of(words[i].word)))
				bit = words[i].bit;
		if (bit == 0)
			return yaml_err(k, r->e, "one of model, mcp, admin, metrics was expected");
		*serves |= bit;
	}
	return true;
}

static bool
is_loopback(struct str address)
{
	return str_starts(address, STR("127.")) || str_starts(address, STR("[::1]:"));
}

static bool
listen_one(struct reading *r, struct yaml *y)
{
	static const char *const keys[] = { "address", "serves", "insecure", "tls", NULL };
	struct listen_entry *l = &r->s->listen[r->s->listen_n];
	struct yaml *address, *insecure, *tls;
	bool open = false;

	if (!is_map(r, y) || !known(r, y, keys))
		return false;
	address = yaml_get(y, "address");
	insecure = yaml_get(y, "insecure");
	tls = yaml_get(y, "tls");
	if (address == NULL || !is_text(r, address))
		return address == NULL ? yaml_err(y, r->e, "address is missing") : false;
	if (tls != NULL)
		return yaml_err(tls, r->e,
		    "TLS towards clients is not supported yet (put a TLS proxy in front)");
	if ((insecure != NULL && !yaml_bool(insecure, &open, r->e)) ||
	    !serves_read(r, yaml_get(y, "serves"), &l->serves))
		return false;
	if (!is_loopback(address->text) && !open)
		return yaml_err(address, r->e,
		    "an address that is not loopback, without TLS, needs insecure: true");
	l->address = arena_cstr(&r->s->arena, address->text);
	r->s->listen_n++;
	return true;
}

static bool
listen_read(struct reading *r)
{
	struct yaml *y = yaml_get(r->root, "listen");

	if (y == NULL) {
		r->s->listen[0] = (struct listen_entry){ "127.0.0.1:8080",
			SERVES_MODEL | SERVES_MCP | SERVES_METRICS };
		r->s->listen_n = 1;
		return true;
	}
	if (y->kind != YAML_LIST || y->n == 0 || y->n > SETTINGS_LISTEN_MAX)
		return yaml_err(
		    y, r->e, "a list of 1 to %d entries was expected", SETTINGS_LISTEN_MAX);
	for (struct yaml *k = y->kids; k != NULL; k = k->next)
		if (!listen_one(r, k))
			return false;
	return true;
}

/* ---- providers, models ---- */

static bool
provider_read(struct reading *r, struct yaml *y, struct provider_entry *p)
{
	static const char *const keys[] = { "kind", "url", "key", "ca_file", "proxy", NULL };
	struct yaml *kind, *url, *key, *ca, *proxy;
	bool secret = false;

	if (!is_map(r, y) || !known(r, y, keys))
		return false;
	kind = yaml_get(y, "kind");
	url = yaml_get(y, "url");
	key = yaml_get(y, "key");
	ca = yaml_get(y, "ca_file");
	proxy = yaml_get(y, "proxy");
	if (kind == NULL || !str_eq(kind->text, STR("anthropic")))
		return yaml_err(kind == NULL ? y : kind, r->e, "kind must be anthropic");
	if (url == NULL || key == NULL)
		return yaml_err(y, r->e, "%s is missing", url == NULL ? "url" : "key");
	if (!is_text(r, url) || !is_text(r, key))
		return false;
	*p = (struct provider_entry){
		.name = y->key, .url = arena_cstr(&r->s->arena, url->text), .missing = STR("")
	};
	if (!str_starts(url->text, STR("https://")) && !str_starts(url->text, STR("http://")))
		return yaml_err(url, r->e, "a URL begins with https:// or http://");
	p->ca_file = ca == NULL ? NULL : path_of(r, ca->text);
	p->proxy = proxy == NULL ? NULL : arena_cstr(&r->s->arena, proxy->text);
	p->key = secret_text(r, key->text, &p->missing, &secret);
	if (!secret)
		warn(r, key,
		    "a secret written here is seen by everybody who reads the file "
		    "(use env:NAME or file:PATH)");
	if (p->missing.n > 0)
		buf_printf(r->warnings,
		    "%s:%d:%d: warning: provider " STR_FMT " is disabled: " STR_FMT "\n", key->file,
		    key->line, key->column, STR_ARG(p->name), STR_ARG(p->missing));
	return true;
}

static size_t
count_of(const struct yaml *y)
{
	return y == NULL || y->kind == YAML_NULL ? 0 : y->n;
}

static bool
section(struct reading *r, const char *key, size_t most, struct yaml **out)
{
	struct yaml *y = yaml_get(r->root, key);

	*out = y != NULL && y->kind == YAML_NULL ? NULL : y;
	if (*out == NULL)
		return true;
	if (!is_map(r, y))
		return false;
	return y->n <= most || yaml_err(y, r->e, "at most %zu entries are allowed here", most);
}

static bool
providers_read(struct reading *r)
{
	struct settings *s = r->s;
	struct yaml *y;

	if (!section(r, "providers", SETTINGS_PROVIDERS_MAX, &y))
		return false;
	s->providers = arena_zalloc(&s->arena, (count_of(y) + 1) * sizeof(*s->providers));
	for (struct yaml *k = y == NULL ? NULL : y->kids; k != NULL; k = k->next)
		if (!provider_read(r, k, &s->providers[s->providers_n++]))
			return false;
	return true;
}

static bool
provider_named(struct reading *r, const struct yaml *y, size_t *index)
{
	struct str names[SETTINGS_PROVIDERS_MAX], near;

	for (size_t i = 0; i < r->s->providers_n; i++) {
		names[i] = r->s->providers[i].name;
		if (str_eq(names[i], y->text)) {
			*index = i;
			return true;
		}
	}
	near = str_nearest(y->text, names, r->s->providers_n);
	return yaml_err(y, r->e, "no provider is called \"" STR_FMT "\"%s" STR_FMT "%s",
	    STR_ARG(y->text), near.n > 0 ? " (did you mean \"" : " (providers: lists them",
	    STR_ARG(near), near.n > 0 ? "\"?)" : ")");
}

static bool
models_read(struct reading *r)
{
	static const char *const keys[] = { "provider", NULL };
	struct settings *s = r->s;
	struct yaml *y, *p;

	if (!section(r, "models", SETTINGS_MODELS_MAX, &y))
		return false;
	s->models = arena_zalloc(&s->arena, (count_of(y) + 1) * sizeof(*s->models));
	for (struct yaml *k = y == NULL ? NULL : y->kids; k != NULL; k = k->next) {
		struct model_entry *m = &s->models[s->models_n++];

		if (!is_map(r, k) || !known(r, k, keys))
			return false;
		p = yaml_get(k, "provider");
		if (p == NULL)
			return yaml_err(k, r->e, "provider is missing");
		m->pattern = k->key;
		if (!provider_named(r, p, &m->provider))
			return false;
	}
	if (!section(r, "aliases", SETTINGS_MODELS_MAX, &y))
		return false;
	s->aliases = arena_zalloc(&s->arena, (count_of(y) + 1) * sizeof(*s->aliases));
	for (struct yaml *k = y == NULL ? NULL : y->kids; k != NULL; k = k->next) {
		if (!is_text(r, k))
			return false;
		s->aliases[s->aliases_n++] = (struct alias_entry){ k->key, k->text };
	}
	return true;
}

/* ---- servers ---- */

static bool
server_name_check(struct reading *r, const struct yaml *y)
{
	static const char reserved[][6] = { "any", "lua", "tools", "call" };
	bool ok = y->key.n > 0 && y->key.n <= 64 && y->key.p[0] >= 'a' && y->key.p[0] <= 'z';

	for (size_t i = 0; ok && i < y->key.n; i++) {
		char c = y->key.p[i];

		ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
	}
	for (size_t i = 0; i < COUNT(reserved); i++)
		ok = ok && !str_eq(y->key, str_of(reserved[i]));
	return ok ||
	       err_set(r->e, ERR_INVALID,
		   "%s:%d:%d: \"" STR_FMT
		   "\" is no server name (a-z first, then a-z 0-9 -; any, lua, tools, call are "
		   "reserved)",
		   y->file, y->key_line, y->key_column, STR_ARG(y->key));
}

/* A list of texts as a NULL-terminated array; a `command` word with a slash is a path. */
static bool
words_read(struct reading *r, const struct yaml *y, const char *const **out)
{
	const char **words;
	size_t n = 0;

	if (y->kind != YAML_LIST || y->n == 0 || y->n > WORDS_MAX)
		return yaml_err(y, r->e, "a list of words was expected: [program, argument]");
	words = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*words));
	for (const struct yaml *k = y->kids; k != NULL; k = k->next) {
		if (k->kind != YAML_SCALAR)
			return yaml_err(k, r->e, "a word was expected");
		words[n] = n == 0 && str_has(k->text, '/') ? path_of(r, k->text)
							   : arena_cstr(&r->s->arena, k->text);
		n++;
	}
	*out = words;
	return true;
}

static void
server_missing(struct reading *r, struct server_settings *s, struct str missing)
{
	if (missing.n > 0)
		s->disabled = arena_cstr(&r->s->arena, missing);
}

static bool
env_read(struct reading *r, struct yaml *y, struct server_settings *s)
{
	struct str missing = STR("");
	const char **env;
	size_t n = 0;
	bool any;

	if (y == NULL)
		return true;
	if (!is_map(r, y))
		return false;
	env = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*env));
	for (const struct yaml *k = y->kids; k != NULL; k = k->next) {
		if (k->kind == YAML_MAP || k->kind == YAML_LIST)
			return yaml_err(k, r->e, "a text was expected");
		env[n++] = arena_printf(&r->s->arena, STR_FMT "=" STR_FMT, STR_ARG(k->key),
		    STR_ARG(secret_text(r, k->text, &missing, &any)))
			       .p;
	}
	s->env = env;
	server_missing(r, s, missing);
	return true;
}

static bool
headers_read(struct reading *r, struct yaml *y, struct server_settings *s)
{
	struct str missing = STR("");
	struct header *h;
	bool any;

	if (y == NULL)
		return true;
	if (!is_map(r, y))
		return false;
	h = arena_zalloc(&r->s->arena, (y->n + 1) * sizeof(*h));
	for (const struct yaml *k = y->kids; k != NULL; k = k->next)
		h[s->headers_n++] =
		    (struct header){ k->key, secret_text(r, k->text, &missing, &any) };
	s->headers = h;
	server_missing(r, s, missing);
	return true;
}

static bool
ms_read(struct reading *r, struct yaml *map, const char *key, int *out)
{
	struct yaml *y = yaml_get(map, key);
	int64_t ms;

	if (y == NULL)
		return true;
	if (!yaml_duration(y, &ms, r->e))
		return false;
	if (ms < 1 || ms > 86400000)
		return yaml_err(y, r->e, "must be from 1ms to 1d");
	*out = (int)ms;
	return true;
}

static bool
protocol_read(struct reading *r, const struct yaml *y, enum mcp_protocol *out)
{
	if (y == NULL || str_eq(y->text, STR("auto")))
		*out = MCP_AUTO;
	else if (str_eq(y->text, STR("modern")))
		*out = MCP_MODERN;
	else if (str_eq(y->text, STR("legacy")))
		*out = MCP_LEGACY;
	else
		return yaml_err(y, r->e, "protocol is auto, modern or legacy");
	return true;
}

static bool
server_read(struct reading *r, struct yaml *y, struct server_settings *s)
{
	static const char *const keys[] = { "command", "url", "env", "cwd", "headers", "protocol",
		"ca_file", "proxy", "connect_timeout", "list_timeout", "call_timeout", NULL };
	struct yaml *command, *url, *cwd, *ca, *proxy;

	if (!server_name_check(r, y) || !is_map(r, y) || !known(r, y, keys))
		return false;
	s->name = arena_cstr(&r->s->arena, y->key);
	command = yaml_get(y, "command");
	url = yaml_get(y, "url");
	cwd = yaml_get(y, "cwd");
	ca = yaml_get(y, "ca_file");
	proxy = yaml_get(y, "proxy");
	if ((command == NULL) == (url == NULL))
		return yaml_err(y, r->e, "either command or url is needed");
	if (command != NULL && !words_read(r, command, &s->argv))
		return false;
	if (url != NULL) {
		if (!str_starts(url->text, STR("https://")) &&
		    !str_starts(url->text, STR("http://")))
			return yaml_err(url, r->e, "a URL begins with https:// or http://");
		s->url = arena_cstr(&r->s->arena, url->text);
	}
	s->cwd = cwd == NULL ? NULL : path_of(r, cwd->text);
	s->ca_file = ca == NULL ? NULL : path_of(r, ca->text);
	s->proxy = proxy == NULL ? NULL : arena_cstr(&r->s->arena, proxy->text);
	if (!env_read(r, yaml_get(y, "env"), s) || !headers_read(r, yaml_get(y, "headers"), s) ||
	    !protocol_read(r, yaml_get(y, "protocol"), &s->protocol) ||
	    !ms_read(r, y, "connect_timeout", &s->connect_ms) ||
	    !ms_read(r, y, "list_timeout", &s->list_ms) ||
	    !ms_read(r, y, "call_timeout", &s->call_ms))
		return false;
	if (s->disabled != NULL)
		buf_printf(r->warnings, "%s:%d:%d: warning: server %s is disabled: %s\n", y->file,
		    y->key_line, y->key_column, s->name, s->disabled);
	return true;
}

static bool
servers_read(struct reading *r)
{
	struct settings *s = r->s;
	struct yaml *y;

	if (!section(r, "servers", SETTINGS_SERVERS_MAX, &y))
		return false;
	s->servers = arena_zalloc(&s->arena, (count_of(y) + 1) * sizeof(*s->servers));
	s->server_names = arena_zalloc(&s->arena, (count_of(y) + 1) * sizeof(*s->server_names));
	for (struct yaml *k = y == NULL ? NULL : y->kids; k != NULL; k = k->next) {
		s->server_names[s->servers_n] = k->key;
		if (!server_read(r, k, &s->servers[s->servers_n++]))
			return false;
	}
	return true;
}

/* ---- the rest ---- */

static bool
audit_read_settings(struct reading *r)
{
	static const char *const keys[] = { "durability", NULL };
	struct yaml *y = yaml_get(r->root, "audit"), *d;

	if (y == NULL)
		return true;
	if (!is_map(r, y) || !known(r, y, keys))
		return false;
	d = yaml_get(y, "durability");
	if (d == NULL || str_eq(d->text, STR("batched")))
		return true;
	r->s->strict = str_eq(d->text, STR("strict"));
	return r->s->strict || yaml_err(d, r->e, "durability is batched or strict");
}

static bool
log_read(struct reading *r)
{
	static const char *const keys[] = { "level", "format", NULL };
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	struct yaml *y = yaml_get(r->root, "log"), *v;

	r->s->log_level = LOG_LEVEL_INFO;
	if (y == NULL)
		return true;
	if (!is_map(r, y) || !known(r, y, keys))
		return false;
	v = yaml_get(y, "level");
	if (v != NULL) {
		int found = -1;

		for (int i = 0; i < (int)COUNT(levels); i++)
			if (str_eq(v->text, str_of(levels[i])))
				found = i;
		if (found < 0)
			return yaml_err(v, r->e, "level is debug, info, warn or error");
		r->s->log_level = (enum log_level)found;
	}
	v = yaml_get(y, "format");
	r->s->log_json = v != NULL && str_eq(v->text, STR("json"));
	return v == NULL || r->s->log_json || str_eq(v->text, STR("text")) ||
	       yaml_err(v, r->e, "format is text or json");
}

static bool
limits_read(struct reading *r)
{
	static const char *const keys[] = { "body", NULL };
	struct yaml *y = yaml_get(r->root, "limits"), *v;

	r->s->body_bytes = 32 << 20;
	if (y == NULL)
		return true;
	if (!is_map(r, y) || !known(r, y, keys))
		return false;
	v = yaml_get(y, "body");
	if (v == NULL)
		return true;
	return yaml_bytes(v, &r->s->body_bytes, r->e) &&
	       ((r->s->body_bytes >= 1024 && r->s->body_bytes <= (int64_t)1 << 30) ||
		   yaml_err(v, r->e, "must be from 1KiB to 1GiB"));
}

static void
names_collect(struct settings *s)
{
	s->model_names =
	    arena_zalloc(&s->arena, (s->models_n + 2 * s->aliases_n + 1) * sizeof(struct str));
	for (size_t i = 0; i < s->models_n; i++)
		s->model_names[s->model_names_n++] = s->models[i].pattern;
	for (size_t i = 0; i < s->aliases_n; i++) {
		s->model_names[s->model_names_n++] = s->aliases[i].name;
		s->model_names[s->model_names_n++] = s->aliases[i].model;
	}
}

static bool
version_check(struct reading *r)
{
	struct yaml *y = yaml_get(r->root, "version");
	int64_t v;

	if (y == NULL)
		return yaml_err(r->root, r->e, "version: 1 is missing");
	return yaml_i64(y, 1, 1, &v, r->e);
}

static bool
settings_read(struct reading *r)
{
	static const char *const keys[] = { "version", "listen", "data", "providers", "models",
		"aliases", "prices", "servers", "policies", "audit", "log", "limits", NULL };

	if (!is_map(r, r->root) || !known(r, r->root, keys) || !version_check(r) ||
	    !listen_read(r) || !path_get(r, "data", "data", &r->s->data) ||
	    !path_get(r, "policies", "policies", &r->s->policies) ||
	    !path_get(r, "prices", NULL, &r->s->prices) || !providers_read(r) || !models_read(r) ||
	    !servers_read(r) || !audit_read_settings(r) || !log_read(r) || !limits_read(r))
		return false;
	names_collect(r->s);
	return true;
}

static bool
file_load(const char *file, struct buf *out, struct err *e)
{
	FILE *f = fopen(file, "re");
	char piece[4096];
	size_t n;

	if (f == NULL)
		return err_set(e, ERR_NOT_FOUND, "cannot open %s (name it with -c)", file);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_put(out, (struct str){ piece, n });
	(void)fclose(f);
	return buf_ok(out) || err_set(e, ERR_INVALID, "%s is over 4 MiB", file);
}

struct settings *
settings_load(const char *file, struct buf *warnings, struct err *e)
{
	struct settings *s = mem_zalloc(sizeof(*s));
	struct reading r = { .s = s, .warnings = warnings, .e = e };
	char *real = realpath(file, NULL), *slash;
	struct buf text;
	bool ok;

	arena_init(&s->arena, ARENA_BYTES);
	buf_init(&text, FILE_BYTES);
	ok = file_load(file, &text, e);
	if (ok) {
		s->file = arena_cstr(&s->arena, str_of(real != NULL ? real : file));
		slash = strrchr(real != NULL ? real : "", '/');
		if (slash != NULL)
			*slash = '\0';
		s->dir = arena_cstr(&s->arena, str_of(slash == NULL || slash == real ? "/" : real));
		r.root = yaml_parse(&s->arena, file, buf_str(&text), e);
		ok = r.root != NULL && settings_read(&r);
	}
	free(real);
	buf_fini(&text);
	if (!ok)
		settings_free(&s);
	return s;
}

void
settings_free(struct settings **sp)
{
	struct settings *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	arena_free(&s->arena);
	free(s);
}
