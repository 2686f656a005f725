/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - the model of what was read: names, and what happens when two sources use the same one.
 *
 * A name that is not ours is made so, one that is taken by something else gets a number, and both
 * are told.  The same thing read twice is one thing.  What there is no room for in one
 * tollgate.yaml is noted, so the result always passes `tollgate check`.
 */
#include "gateway/import.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IMPORTED_BYTES ((size_t)512 << 20)
#define TREE_BYTES     (IMPORT_FILE_BYTES * 400) /* a node for every few bytes, and its text */
#define SHOWN_BYTES    100
#define PATTERN_BYTES  200
#define ALLOWS_MAX     2000 /* of one level */

void
import_init(struct import *im)
{
	*im = (struct import){ 0 };
	arena_init(&im->arena, IMPORTED_BYTES);
	im->source = im->folder = im->sources = STR("");
	for (size_t i = 0; i < NOTE_KINDS; i++)
		im->notes_end[i] = &im->notes[i];
	im->everybody = import_level(im, &im->root, STR("imported"), STR(""));
	im->denies_end = &im->denies;
}

void
import_fini(struct import *im)
{
	arena_free(&im->arena);
	*im = (struct import){ 0 };
}

struct str
import_shown(struct import *im, struct str s)
{
	struct str clipped = str_clip(s, SHOWN_BYTES);
	char *out;

	if (s.n == 0)
		return STR("");
	if (import_secret_like(s))
		return STR("(not shown)");
	if (!str_utf8(clipped))
		return STR("(no text)");
	out = arena_alloc(&im->arena, clipped.n + 1);
	for (size_t i = 0; i < clipped.n; i++) {
		char c = clipped.p[i];

		out[i] = (unsigned char)c < ' ' || c == 0x7f || c == '`' ? '?' : c;
	}
	return (struct str){ out, clipped.n };
}

void
import_note(struct import *im, enum note_kind kind, const struct yaml *at, struct str what,
    const char *fmt, ...)
{
	struct import_note *n;
	char why[300];
	va_list ap;

	if (im->notes_n[kind]++ >= IMPORT_NOTES_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	n = arena_new(&im->arena, struct import_note);
	n->where = at == NULL ? im->source
			      : arena_printf(&im->arena, STR_FMT ":%d", STR_ARG(im->source),
				    at->key_line > 0 ? at->key_line : at->line);
	n->what = arena_str(&im->arena, what);
	n->why = arena_str(&im->arena, str_of(why));
	*im->notes_end[kind] = n;
	im->notes_end[kind] = &n->next;
}

/* ---- names ---- */

struct str
import_name(struct import *im, struct str name, const char *usual)
{
	struct buf b;
	struct str out;

	buf_init(&b, 0);
	for (size_t i = 0; i < name.n && b.n < IMPORT_NAME_BYTES - 8; i++) {
		char c = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i];
		bool letter = c >= 'a' && c <= 'z';

		if (letter || (b.n > 0 && c >= '0' && c <= '9'))
			buf_putc(&b, c);
		else if (b.n > 0 && b.p[b.n - 1] != '-')
			buf_putc(&b, '-');
	}
	while (b.n > 0 && b.p[b.n - 1] == '-')
		b.n--;
	if (b.n == 0 || import_secret_like(name))
		out = str_of(usual);
	else if (server_reserved(buf_str(&b)))
		out = arena_printf(&im->arena, "%s-" STR_FMT, usual, STR_ARG(buf_str(&b)));
	else
		out = arena_str(&im->arena, buf_str(&b));
	buf_fini(&b);
	return out;
}

/* A name of the organisation: letters, digits and . _ @ + -, so most stay as they are. */
static struct str
level_name(struct import *im, struct str name, const char *usual)
{
	struct str in = str_clip(name, IMPORT_NAME_BYTES - 8), out;
	char *p = arena_alloc(&im->arena, in.n + 1);

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') ||
			  (i > 0 && c != '\0' && strchr("._@+-", c) != NULL);

		p[i] = ok ? c : '-';
	}
	out = (struct str){ p, in.n };
	while (out.n > 0 && strchr("._@+-", out.p[0]) != NULL)
		out = (struct str){ out.p + 1, out.n - 1 };
	return out.n == 0 || import_secret_like(name) ? str_of(usual) : out;
}

bool
import_pattern_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			(c != '\0' && strchr("._:/@+-*", c) != NULL)))
			return false;
	}
	return name.n > 0 && name.n <= PATTERN_BYTES;
}

/* ---- providers, models, aliases ---- */

struct str
import_provider(struct import *im, struct str kind, struct str url, struct str key)
{
	struct import_provider *p, **at = &im->providers;
	size_t same = 1;

	for (; (p = *at) != NULL; at = &p->next) {
		if (str_eq(p->kind, kind) && str_eq(p->url, url) && str_eq(p->key, key))
			return p->name;
		same += str_eq(p->kind, kind);
	}
	if (im->providers_n == SETTINGS_PROVIDERS_MAX) {
		import_note(im, NOTE_LEFT, NULL, kind, "there is room for %d providers",
		    SETTINGS_PROVIDERS_MAX);
		return STR("");
	}
	*at = p = arena_new(&im->arena, struct import_provider);
	im->providers_n++;
	p->kind = kind;
	p->url = url;
	p->key = key;
	p->name = same == 1 ? kind : arena_printf(&im->arena, STR_FMT "-%zu", STR_ARG(kind), same);
	return p->name;
}

/* *old: what the name stands for already. */
static bool
pair_add(struct import *im, struct import_pair **list, struct str name, struct str value,
    struct str *old)
{
	struct import_pair *p;

	for (; (p = *list) != NULL; list = &p->next)
		if (str_eq(p->name, name)) {
			*old = p->value;
			return false;
		}
	*list = p = arena_new(&im->arena, struct import_pair);
	p->name = arena_str(&im->arena, name);
	p->value = arena_str(&im->arena, value);
	return true;
}

bool
import_model(struct import *im, const struct yaml *at, struct str id, struct str provider)
{
	struct str old = STR("");

	if (im->models_n == SETTINGS_MODELS_MAX) {
		import_note(
		    im, NOTE_LEFT, at, id, "there is room for %d models", SETTINGS_MODELS_MAX);
		return false;
	}
	if (pair_add(im, &im->models, id, provider, &old)) {
		im->models_n++;
		return true;
	}
	if (!str_eq(old, provider))
		import_note(im, NOTE_LEFT, at, id,
		    "a model has one provider, and this one goes to " STR_FMT, STR_ARG(old));
	return str_eq(old, provider);
}

bool
import_alias(struct import *im, const struct yaml *at, struct str name, struct str model)
{
	struct str old = STR("");

	if (str_eq(name, model))
		return true;
	if (im->aliases_n == SETTINGS_MODELS_MAX) {
		import_note(
		    im, NOTE_LEFT, at, name, "there is room for %d aliases", SETTINGS_MODELS_MAX);
		return false;
	}
	if (pair_add(im, &im->aliases, name, model, &old)) {
		im->aliases_n++;
		return true;
	}
	if (!str_eq(old, model))
		import_note(im, NOTE_LEFT, at, name,
		    "a name stands for one model, and this one for " STR_FMT, STR_ARG(old));
	return str_eq(old, model);
}

bool
import_served(const struct import *im, struct str name)
{
	for (const struct import_pair *p = im->models; p != NULL; p = p->next)
		if (str_star(p->name, name) || str_star(name, p->name))
			return true;
	for (const struct import_pair *p = im->aliases; p != NULL; p = p->next)
		if (str_star(name, p->name))
			return true;
	return false;
}

/* ---- servers ---- */

struct str
import_server(struct import *im, const struct yaml *at, struct str wanted, struct str body)
{
	struct str name = import_name(im, wanted, "server"), base = name;
	struct import_server *s, **end;

	for (int i = 2;; i++) {
		for (end = &im->servers; (s = *end) != NULL; end = &s->next)
			if (str_eq(s->name, name))
				break;
		if (s == NULL)
			break;
		if (str_eq(s->body, body))
			return s->name;
		name = arena_printf(&im->arena, STR_FMT "-%d", STR_ARG(base), i);
	}
	if (im->servers_n == SETTINGS_SERVERS_MAX) {
		import_note(
		    im, NOTE_LEFT, at, base, "there is room for %d servers", SETTINGS_SERVERS_MAX);
		return STR("");
	}
	if (!str_eq(name, wanted))
		import_note(im, NOTE_CHANGED, at, import_shown(im, wanted),
		    "the server is called " STR_FMT " here", STR_ARG(name));
	*end = s = arena_new(&im->arena, struct import_server);
	im->servers_n++;
	s->name = name;
	s->body = arena_str(&im->arena, body);
	return s->name;
}

/* ---- the organisation ---- */

struct import_level *
import_level(struct import *im, struct import_level *parent, struct str wanted, struct str id)
{
	static const char *const usual[] = { "customer", "team", "user" };
	struct import_level *l, **end;
	struct str name, base;
	size_t depth = 0;

	for (const struct import_level *p = parent; p->parent != NULL; p = p->parent)
		depth++;
	ASSERT(depth < COUNT(usual));
	name = base = level_name(im, wanted, usual[depth]);
	for (int i = 2;; i++) {
		for (end = &parent->kids; (l = *end) != NULL; end = &l->next)
			if (str_eq(l->name, name))
				break;
		if (l == NULL)
			break;
		if (str_eq(l->id, id))
			return l;
		name = arena_printf(&im->arena, STR_FMT "-%d", STR_ARG(base), i);
	}
	if (im->levels_n == IMPORT_LEVELS_MAX)
		return NULL;
	im->levels_n++;
	*end = l = arena_new(&im->arena, struct import_level);
	l->parent = parent;
	l->name = name;
	l->id = arena_str(&im->arena, id);
	l->allows_end = &l->allows;
	for (size_t i = 0; i < EACH_N; i++)
		l->budgets[i] = STR("");
	l->limit = l->policy = STR("");
	return l;
}

void
import_allow(struct import *im, struct import_level *whom, const char *prefix, struct str name)
{
	struct str pattern = arena_printf(&im->arena, "%s" STR_FMT, prefix, STR_ARG(name));
	struct import_pair *p;
	size_t n = 0;

	for (p = whom->allows; p != NULL; p = p->next, n++)
		if (str_eq(p->name, pattern))
			return;
	if (n >= ALLOWS_MAX) {
		import_note(
		    im, NOTE_LEFT, NULL, pattern, "more than %d grants for one", ALLOWS_MAX);
		return;
	}
	p = arena_new(&im->arena, struct import_pair);
	p->name = pattern;
	*whom->allows_end = p;
	whom->allows_end = &p->next;
}

void
import_deny(struct import *im, const char *prefix, struct str name)
{
	struct import_pair *p = arena_new(&im->arena, struct import_pair);

	p->name = arena_printf(&im->arena, "%s" STR_FMT, prefix, STR_ARG(name));
	*im->denies_end = p;
	im->denies_end = &p->next;
}

static bool
amount_ok(struct str s)
{
	size_t dot = s.n;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && dot == s.n && i > 0)
			dot = i;
		else if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return dot > 0 && dot <= 9 && (dot == s.n || (s.n - dot - 1 >= 1 && s.n - dot - 1 <= 9));
}

void
import_budget(struct import *im, struct import_level *l, struct yaml *amount, struct str every)
{
	static const struct {
		const char *every;
		enum import_period period;
		bool rounded; /* a span of days became one of the calendar */
	} rows[] = { { "1d", EACH_DAY, false }, { "24h", EACH_DAY, false },
		{ "1w", EACH_WEEK, false }, { "7d", EACH_WEEK, true }, { "1M", EACH_MONTH, false },
		{ "1mo", EACH_MONTH, false }, { "30d", EACH_MONTH, true },
		{ "1Y", EACH_YEAR, false }, { "1y", EACH_YEAR, false },
		{ "365d", EACH_YEAR, true } };
	static const char *const words[] = { "day", "week", "month", "year" };

	if (amount->kind != YAML_SCALAR || !amount_ok(amount->text)) {
		import_note(im, NOTE_LEFT, amount, amount->key,
		    "a budget is up to nine digits and nine behind the point");
		return;
	}
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str *b = &l->budgets[rows[i].period];

		if (!str_eq(every, str_of(rows[i].every)))
			continue;
		if (b->n > 0 && !str_eq(*b, amount->text)) {
			import_note(im, NOTE_LEFT, amount, l->name,
			    "a second budget for the same period (%s)", words[rows[i].period]);
			return;
		}
		*b = arena_str(&im->arena, amount->text);
		import_note(im, NOTE_CHANGED, amount, l->name,
		    "its budget is one of the calendar's %s%s", words[rows[i].period],
		    rows[i].rounded ? ", not of any so many days" : "");
		return;
	}
	import_note(im, NOTE_LEFT, amount, l->name,
	    "a budget is for a day, week, month or year of the calendar");
}

/* ---- a source ---- */

static bool
any_of(struct yaml *root, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (struct yaml *k = root->kids; k != NULL; k = k->next)
			if (str_eq(k->key, str_of(keys[i])))
				return true;
	return false;
}

/* { "github": { "command": ... } }: what stands below mcpServers, without it. */
static bool
bare_servers(struct yaml *root)
{
	for (struct yaml *k = root->kids; k != NULL; k = k->next) {
		bool known = false;

		for (struct yaml *m = k->kids; k->kind == YAML_MAP && m != NULL; m = m->next)
			known =
			    known || str_eq(m->key, STR("command")) || str_eq(m->key, STR("url"));
		if (!known)
			return false;
	}
	return root->kids != NULL;
}

static bool
dialect_read(struct import *im, struct yaml *root)
{
	static const char *const litellm[] = { "model_list", "litellm_settings", "mcp_servers",
		"router_settings", "general_settings" };
	static const char *const bifrost[] = { "providers", "governance", "client", "mcp",
		"config_store" };
	struct yaml *servers;

	if ((servers = yaml_get(root, "mcpServers")) != NULL ||
	    (servers = yaml_get(root, "servers")) != NULL)
		import_mcp(im, servers);
	else if (any_of(root, litellm, COUNT(litellm)))
		import_litellm(im, root);
	else if (any_of(root, bifrost, COUNT(bifrost)))
		import_bifrost(im, root);
	else if (bare_servers(root))
		import_mcp(im, root);
	else
		return false;
	return true;
}

bool
import_file(struct import *im, const char *name, const char *folder, struct str text, struct err *e)
{
	struct arena tree;
	struct yaml *root;
	bool ok = false;

	im->source = import_shown(im, str_of(name));
	im->folder = arena_str(&im->arena, str_of(folder));
	im->sources = arena_printf(&im->arena, STR_FMT "%s" STR_FMT, STR_ARG(im->sources),
	    im->sources.n > 0 ? ", " : "", STR_ARG(im->source));
	arena_init(&tree, TREE_BYTES);
	root = import_open(&tree, arena_cstr(&im->arena, im->source), text, e);
	if (root != NULL) {
		ok = dialect_read(im, root);
		if (ok)
			import_leftovers(im, root);
		else
			(void)err_set(e, ERR_INVALID,
			    STR_FMT ": is none of .mcp.json, claude_desktop_config.json, a VS Code "
				    "mcp.json, a LiteLLM config.yaml, a Bifrost config.json",
			    STR_ARG(im->source));
	}
	arena_free(&tree);
	im->folder = STR("");
	return ok;
}
