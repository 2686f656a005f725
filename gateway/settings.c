/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - tollgate.yaml, read once at start and by `tollgate check`.
 *
 * One table row per setting, here, in settings_listen.c and in settings_servers.c.  What is unknown
 * is refused with the nearest name, what is planned but not there yet with "not supported yet":
 * nothing in the file is ever ignored.  All problems are told, not only the first.
 */
#include "gateway/settings.h"
#include "base/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/settings_read.h"

#define FILE_BYTES  ((size_t)1 << 20)
#define TREE_BYTES  (FILE_BYTES * 160)
#define ARENA_BYTES ((size_t)256 << 20)

/* ---- problems ---- */

static void
report(struct reading *r, const struct yaml *y, bool key, const char *mark, const char *text)
{
	char line[1024];

	(void)snprintf(line, sizeof(line), "%s:%d:%d: %s%s", y->file, key ? y->key_line : y->line,
	    key ? y->key_column : y->column, mark, text);
	if (mark[0] == '\0' && r->errors++ == 0)
		(void)err_set(r->first, ERR_INVALID, "%s", line);
	else
		buf_printf(r->out, "%s\n", line);
}

#define TEXT_OF(text, fmt)                                                                         \
	char text[900];                                                                            \
	va_list ap;                                                                                \
	va_start(ap, fmt);                                                                         \
	(void)vsnprintf(text, sizeof(text), fmt, ap);                                              \
	va_end(ap)

bool
bad(struct reading *r, const struct yaml *y, const char *fmt, ...)
{
	TEXT_OF(text, fmt);
	report(r, y, false, "", text);
	return false;
}

bool
bad_key(struct reading *r, const struct yaml *y, const char *fmt, ...)
{
	TEXT_OF(text, fmt);
	report(r, y, true, "", text);
	return false;
}

void
warn_at(struct reading *r, const struct yaml *y, const char *fmt, ...)
{
	TEXT_OF(text, fmt);
	report(r, y, false, "warning: ", text);
}

bool
bad_err(struct reading *r, const struct err *e)
{
	if (r->errors++ == 0)
		*r->first = *e;
	else
		buf_printf(r->out, "%s\n", e->text);
	return false;
}

const char *
nearest(char out[NEAREST_TEXT], struct str wanted, const struct str *names, size_t n)
{
	struct str near = str_nearest(wanted, names, n);

	out[0] = '\0';
	if (near.n > 0)
		(void)snprintf(
		    out, NEAREST_TEXT, " (did you mean \"" STR_FMT "\"?)", STR_ARG(near));
	return out;
}

/* ---- tables ---- */

static const struct setting *
row_find(const struct setting *rows, struct str key)
{
	for (; rows->key != NULL; rows++)
		if (str_eq(str_of(rows->key), key))
			return rows;
	return NULL;
}

bool
rows_read(
    struct reading *r, struct yaml *y, const char *what, const struct setting *rows, void *into)
{
	struct str names[64];
	size_t n = 0;
	char near[NEAREST_TEXT];

	if (y->kind != YAML_MAP)
		return bad(r, y, "%s is a mapping (key: value)", what);
	for (const struct setting *row = rows; row->key != NULL && n < COUNT(names); row++)
		if (row->read != NULL)
			names[n++] = str_of(row->key);
	for (struct yaml *m = y->kids; m != NULL; m = m->next) {
		const struct setting *row = row_find(rows, m->key);

		if (row == NULL)
			(void)bad_key(r, m, "unknown key \"" STR_FMT "\" in %s%s", STR_ARG(m->key),
			    what, nearest(near, m->key, names, n));
		else if (row->read == NULL)
			(void)bad_key(r, m, "'%s' is not supported yet (remove it)", row->key);
		else
			row->read(r, m, (char *)into + row->at);
	}
	return true;
}

bool
text_read(struct reading *r, struct yaml *y, struct str *out)
{
	*out = STR("");
	if (y->kind != YAML_SCALAR || y->text.n == 0)
		return bad(r, y, "a text was expected");
	if (y->text.n > 4096)
		return bad(r, y, "longer than 4096 bytes");
	for (size_t i = 0; i < y->text.n; i++)
		if ((unsigned char)y->text.p[i] < ' ')
			return bad(r, y, "a line break or control character");
	*out = arena_str(&r->s->arena, y->text);
	return true;
}

void
path_read(struct reading *r, struct yaml *y, void *into)
{
	struct str path;

	if (text_read(r, y, &path))
		*(const char **)into = path_below(&r->s->arena, r->secrets.folder, path);
}

void
url_read(struct reading *r, struct yaml *y, void *into)
{
	struct str url, rest;

	if (!text_read(r, y, &url))
		return;
	rest = str_starts(url, STR("https://"))  ? (struct str){ url.p + 8, url.n - 8 }
	       : str_starts(url, STR("http://")) ? (struct str){ url.p + 7, url.n - 7 }
						 : STR("");
	if (rest.n == 0 || rest.p[0] == '/')
		(void)bad(r, y, "a URL begins with https:// or http:// and a host");
	else if (str_has(str_cut(&rest, '/'), '@'))
		(void)bad(r, y, "a URL has no user or password in it (use key: or headers:)");
	else
		*(const char **)into = arena_cstr(&r->s->arena, url);
}

static void
bytes_read(struct reading *r, struct yaml *y, void *into)
{
	int64_t v = 0;
	struct err e;

	if (!yaml_bytes(y, &v, &e))
		(void)bad_err(r, &e);
	else if (v < 1024 || v > ((int64_t)1 << 30))
		(void)bad(r, y, "must be from 1KiB to 1GiB");
	else
		*(int64_t *)into = v;
}

void
ms_read(struct reading *r, struct yaml *y, void *into)
{
	int64_t v = 0;
	struct err e;

	if (!yaml_duration(y, &v, &e))
		(void)bad_err(r, &e);
	else if (v < 1 || v > 86400000)
		(void)bad(r, y, "must be from 1ms to 1d");
	else
		*(int *)into = (int)v;
}

bool
word_read(struct reading *r, struct yaml *y, const struct word *words, int *out)
{
	struct str names[8] = { 0 };
	char near[NEAREST_TEXT];
	size_t n = 0;

	for (; n < COUNT(names) && words[n].text != NULL; n++) {
		names[n] = str_of(words[n].text);
		if (y->kind == YAML_SCALAR && str_eq(y->text, names[n])) {
			if (words[n].value < 0)
				return bad(r, y, "'%s' is not supported yet", words[n].text);
			*out = words[n].value;
			return true;
		}
	}
	if (str_nearest(y->text, names, n).n == 0) {
		struct buf all;

		buf_init(&all, 0);
		for (size_t i = 0; i < n; i++)
			buf_printf(&all, "%s" STR_FMT, i == 0 ? "" : ", ", STR_ARG(names[i]));
		(void)bad(r, y, "one of these words was expected: %s", buf_cstr(&all));
		buf_fini(&all);
		return false;
	}
	return bad(r, y, "unknown word \"" STR_FMT "\"%s", STR_ARG(y->text),
	    nearest(near, y->text, names, n));
}

void
bool_read(struct reading *r, struct yaml *y, void *into)
{
	struct err e;

	if (!yaml_bool(y, into, &e))
		(void)bad_err(r, &e);
}

/* ---- small sections ---- */

static void
version_read(struct reading *r, struct yaml *y, void *into)
{
	struct err e;
	int64_t v;

	(void)into;
	r->versioned = true;
	if (!yaml_i64(y, 1, 1, &v, &e))
		(void)bad_err(r, &e);
}

static void
durability_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "batched", 0 }, { "strict", 1 }, { NULL, 0 } };
	int v = 0;

	if (word_read(r, y, words, &v))
		*(bool *)into = v == 1;
}

static void
content_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "off", 0 }, { "on", -1 }, { "hash", -1 },
		{ "full", -1 }, { NULL, 0 } };
	int v;

	(void)into;
	(void)word_read(r, y, words, &v);
}

static void
audit_read_section(struct reading *r, struct yaml *y, void *into)
{
	static const struct setting rows[] = { { "durability", offsetof(struct settings, strict),
						   durability_read },
		{ "content", 0, content_read }, { "retention", 0, NULL },
		{ "archive_after", 0, NULL }, { NULL, 0, NULL } };

	(void)rows_read(r, y, "audit", rows, into);
}

static void
level_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "debug", LOG_LEVEL_DEBUG },
		{ "info", LOG_LEVEL_INFO }, { "warn", LOG_LEVEL_WARN },
		{ "error", LOG_LEVEL_ERROR }, { NULL, 0 } };
	int v = LOG_LEVEL_INFO;

	if (word_read(r, y, words, &v))
		*(enum log_level *)into = (enum log_level)v;
}

static void
format_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "text", 0 }, { "json", 1 }, { NULL, 0 } };
	int v = 0;

	if (word_read(r, y, words, &v))
		*(bool *)into = v == 1;
}

static void
log_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct setting rows[] = { { "level", offsetof(struct settings, log_level),
						   level_read },
		{ "format", offsetof(struct settings, log_json), format_read },
		{ "access", offsetof(struct settings, access_log), bool_read }, { NULL, 0, NULL } };

	(void)rows_read(r, y, "log", rows, into);
}

static void
limits_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct setting rows[] = {
		{ "body", offsetof(struct settings, body_bytes), bytes_read }, { NULL, 0, NULL }
	};

	(void)rows_read(r, y, "limits", rows, into);
}

static void
keep_read(struct reading *r, struct yaml *y, void *into)
{
	int64_t v = 0;
	struct err e;

	if (!yaml_duration(y, &v, &e))
		(void)bad_err(r, &e);
	else if (v < 0 || v > 7 * (int64_t)86400000)
		(void)bad(r, y, "must be from 0s (nothing is kept on disk) to 7d");
	else
		*(int64_t *)into = v;
}

static void
runs_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct setting rows[] = { { "keep", offsetof(struct settings, runs.keep_ms),
						   keep_read },
		{ "pause_after", offsetof(struct settings, runs.pause_ms), ms_read },
		{ NULL, 0, NULL } };

	(void)rows_read(r, y, "runs", rows, into);
}

static void
prefix_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "always", PREFIX_ALWAYS }, { "never", PREFIX_NEVER },
		{ "on_collision", PREFIX_ON_COLLISION }, { NULL, 0 } };
	int v = PREFIX_ALWAYS;

	if (word_read(r, y, words, &v))
		*(enum mcp_prefix *)into = (enum mcp_prefix)v;
}

void
code_mode_setting(struct reading *r, struct yaml *y, void *into)
{
	static const struct word words[] = { { "opt-in", CODE_MODE_OPT_IN },
		{ "auto", CODE_MODE_AUTO }, { "only", CODE_MODE_ONLY }, { "off", CODE_MODE_OFF },
		{ NULL, 0 } };
	int v = CODE_MODE_UNSAID;

	if (word_read(r, y, words, &v))
		*(enum code_mode *)into = (enum code_mode)v;
}

static void
mcp_read(struct reading *r, struct yaml *y, void *into)
{
	static const struct setting rows[] = { { "prefix", offsetof(struct settings, prefix),
						   prefix_read },
		{ "code_mode", offsetof(struct settings, code_mode), code_mode_setting },
		{ "session_idle", offsetof(struct settings, session_idle_ms), ms_read },
		{ NULL, 0, NULL } };

	(void)rows_read(r, y, "mcp", rows, into);
}

static void
lock_read(struct reading *r, struct yaml *y, void *into)
{
	(void)into;
	path_read(r, y, &r->s->lock.path);
	r->s->lock.named = true;
}

/* ---- the file ---- */

#define AT(member) offsetof(struct settings, member)
// clang-format off
static const struct setting top[] = {
	{ "version",   0,                version_read },
	{ "listen",    0,                listen_read },
	{ "data",      AT(data),     path_read },
	{ "providers", 0,                providers_read },
	{ "models",    0,                models_read_later },
	{ "aliases",   0,                aliases_read_later },
	{ "prices",    AT(prices),  path_read },
	{ "servers",   0,                servers_read },
	{ "policies",  AT(policies), path_read },
	{ "watch",     AT(watch),    bool_read },
	{ "lock",      0,                lock_read },
	{ "pin",       AT(pin),      pin_read },
	{ "audit",     0,                audit_read_section },
	{ "log",       0,                log_read },
	{ "limits",    0,                limits_read },
	{ "runs",      0,                runs_read },
	{ "mcp",       0,                mcp_read },
	{ "sandbox",   0,                sandbox_read },
	{ "identity",  0,                identity_read },
	{ "views",     0,                views_read },
	{ "trusted_proxies", 0,          trusted_proxies_read },
	{ "webhooks",  0,                webhooks_read },
	{ NULL, 0, NULL },
};
// clang-format on
#undef AT

static void
defaults(struct settings *s)
{
	if (s->listen_n == 0)
		s->listen[s->listen_n++] = listen_default();
}

static void
names_collect(struct settings *s)
{
	s->server_names = arena_zalloc(&s->arena, (s->servers_n + 1) * sizeof(struct str));
	s->model_names =
	    arena_zalloc(&s->arena, (s->aliases_n + s->models_n + 1) * sizeof(struct str));
	for (size_t i = 0; i < s->servers_n; i++)
		s->server_names[i] = str_of(s->servers[i].name);
	s->view_names = arena_zalloc(&s->arena, (s->views_n + 1) * sizeof(struct str));
	for (size_t i = 0; i < s->views_n; i++)
		s->view_names[i] = s->views[i].name;
	for (size_t i = 0; i < s->aliases_n; i++)
		s->model_names[s->model_names_n++] = s->aliases[i].name;
	for (size_t i = 0; i < s->models_n; i++)
		s->model_names[s->model_names_n++] = s->models[i].pattern;
}

static void
doc_read(struct reading *r, struct yaml *doc)
{
	struct settings *s = r->s;

	if (!rows_read(r, doc, "tollgate.yaml", top, s))
		return;
	if (!r->versioned)
		(void)bad(r, doc, "version is missing (write: version: 1)");
	/* These name what other sections define, wherever those stand. */
	if (r->models != NULL)
		models_read(r, r->models);
	if (r->aliases != NULL)
		aliases_read(r, r->aliases);
	defaults(s);
	names_collect(s);
}

/* The absolute path of the file and of its folder, which relative paths start at. */
static void
place_set(struct settings *s, const char *file)
{
	char *real = realpath(file, NULL);
	const char *slash;

	s->file = arena_cstr(&s->arena, str_of(real != NULL ? real : file));
	slash = strrchr(s->file, '/');
	if (slash == NULL)
		s->dir = "";
	else
		s->dir = slash == s->file ? "/" : arena_cstr(&s->arena, STR_SPAN(s->file, slash));
	free(real);
}

struct settings *
settings_load(const char *file, struct buf *warnings, struct err *e)
{
	struct settings *s = mem_zalloc(sizeof(*s));
	struct reading r = { .s = s, .out = warnings, .first = e };
	struct arena tree;
	struct buf text;
	struct err why;

	arena_init(&s->arena, ARENA_BYTES);
	arena_init(&tree, TREE_BYTES);
	buf_init(&text, 2 * FILE_BYTES);
	s->log_level = LOG_LEVEL_INFO;
	s->body_bytes = 32 << 20;
	s->runs = (struct codemode_settings){ CODEMODE_KEEP_MS, CODEMODE_PAUSE_MS };
	place_set(s, file);
	r.secrets = (struct secrets){ &s->arena, environ, s->dir };
	s->data = path_below(&s->arena, s->dir, STR("data"));
	s->policies = path_below(&s->arena, s->dir, STR("policies"));
	s->watch = true;
	s->lock.path = path_below(&s->arena, s->dir, STR("mcp.lock"));
	if (!file_read(file, FILE_BYTES, &text, &why)) {
		struct err named;

		(void)err_set(
		    &named, ERR_INVALID, "%s: %s (-c names another file)", file, why.text);
		(void)bad_err(&r, &named);
	} else {
		struct yaml *doc = yaml_parse(&tree, file, buf_str(&text), &why);

		if (doc == NULL)
			(void)bad_err(&r, &why);
		else
			doc_read(&r, doc);
	}
	buf_fini(&text);
	arena_free(&tree);
	if (r.errors > 0)
		settings_free(&s);
	return s;
}

void
settings_free(struct settings **sp)
{
	struct settings *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	locked_free(&s->lock);
	arena_free(&s->arena);
	free(s);
}

void
settings_core(struct settings *s, struct core_settings *out)
{
	*out = (struct core_settings){ .data_dir = s->data,
		.policies_dir = s->policies,
		.prices_file = s->prices,
		.strict = s->strict,
		.servers = s->server_names,
		.servers_n = s->servers_n,
		.models = s->model_names,
		.models_n = s->model_names_n,
		.views = s->view_names,
		.views_n = s->views_n,
		.aliases = s->aliases,
		.aliases_n = s->aliases_n,
		.facts = locked_facts,
		.facts_ctx = &s->lock };
}
