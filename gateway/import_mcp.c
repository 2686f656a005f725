/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_mcp - tool servers: what a client's own configuration says of them, and how a server of
 * any source becomes one of tollgate.yaml.
 *
 * A child of a client inherits the client's environment, ours inherits nothing, so PATH and HOME
 * are handed on by name.  The words of a command are plain in tollgate.yaml: where one holds a
 * variable or a secret, a shell puts it there from the child's environment, everything else in
 * single quotes.
 */
#include <stdio.h>
#include <string.h>

#include "base/url.h"
#include "gateway/import.h"
#include "gateway/secret.h"
#include "gateway/settings.h"

#define WORDS_MAX   200
#define ENV_MAX     200
#define HEADERS_MAX 60
#define URL_MAX     2048

struct body {
	struct import *im;
	const struct import_draft *d;
	struct str owner; /* the server's name, for variables */
	struct buf words, env, shell;
	size_t env_n, args_n;
	bool use_shell;
};

/* ---- words ---- */

/* A name that is there already is left alone: a quote within a text is never a bare one. */
static void
env_put(struct body *b, struct str name, struct str value)
{
	struct buf line;

	buf_init(&line, 0);
	buf_puts(&line, "      ");
	import_quote(&line, name);
	buf_puts(&line, ": ");
	if (b->env.n > 0 && memmem(b->env.p, b->env.n, line.p, line.n) != NULL) {
		buf_fini(&line);
		return;
	}
	import_quote(&line, value);
	buf_putc(&line, '\n');
	if (b->env_n++ < ENV_MAX)
		buf_put(&b->env, buf_str(&line));
	buf_fini(&line);
}

static void
shell_text(struct buf *b, struct str s)
{
	buf_putc(b, '\'');
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, s.p[i]);
	buf_putc(b, '\'');
}

/* Has the child's own environment this name already? */
static bool
env_has(const struct body *b, const char *name)
{
	for (struct yaml *k = b->d->env == NULL ? NULL : b->d->env->kids; k != NULL; k = k->next)
		if (str_eq(k->key, str_of(name)))
			return true;
	for (struct yaml *k = b->d->names == NULL ? NULL : b->d->names->kids; k != NULL;
	     k = k->next)
		if (str_eq(k->text, str_of(name)))
			return true;
	return false;
}

/* "$ARG_1", which stands for variable `var` of the gateway's environment. */
static void
shell_var(struct body *b, struct str var)
{
	char name[32];

	do
		(void)snprintf(name, sizeof(name), "ARG_%zu", ++b->args_n);
	while (env_has(b, name));
	env_put(b, str_of(name), arena_printf(&b->im->arena, "env:" STR_FMT, STR_ARG(var)));
	buf_printf(&b->shell, "\"$%s\"", name);
	b->use_shell = true;
}

/* How many bytes at the start of a word are the name of what follows: "--token=", "API_KEY=". */
static size_t
word_name(struct str word)
{
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] == '=' ||
		    (word.p[i] == ':' && i + 1 < word.n && word.p[i + 1] != '/' &&
			secret_named((struct str){ word.p, i })))
			return i + 1;
	return 0;
}

/* Where the secret of a word begins; word.n: it has none. */
static size_t
word_secret(struct str before, struct str word)
{
	size_t n = word_name(word);
	struct str value = { word.p + n, word.n - n };

	if (n > 0 && value.n > 0 && secret_named((struct str){ word.p, n }))
		return n;
	if (before.n > 0 && before.p[0] == '-' && !str_has(before, '=') && secret_named(before) &&
	    word.n > 0 && word.p[0] != '-')
		return 0;
	if (!import_secret_like(word))
		return word.n;
	return n > 0 && !import_secret_like((struct str){ word.p, n }) ? n : 0;
}

static void
word_piece(struct body *b, struct str before, const struct import_piece *p)
{
	size_t at;
	struct str var;

	if (p->var.n > 0) {
		if (p->preset.p != NULL && !import_secret_like(p->preset) &&
		    !secret_named(p->var) &&
		    !(before.n > 0 && before.p[0] == '-' && secret_named(before))) {
			import_note(b->im, NOTE_CHANGED, b->d->at, p->var,
			    "its default is written, the variable is not looked at");
			shell_text(&b->shell, p->preset);
			buf_put(&b->words, p->preset);
			return;
		}
		import_var_named(b->im, p->var, b->owner);
		shell_var(b, p->var);
		return;
	}
	at = word_secret(before, p->text);
	if (at > 0) {
		shell_text(&b->shell, (struct str){ p->text.p, at });
		buf_put(&b->words, (struct str){ p->text.p, at });
	}
	if (at >= p->text.n)
		return;
	var = import_var_for(b->im, b->owner, import_var_name(b->im, b->owner, STR("ARGUMENT")),
	    (struct str){ p->text.p + at, p->text.n - at });
	import_note(b->im, NOTE_CHANGED, b->d->at, b->owner,
	    "an argument may be a secret and is not written: set " STR_FMT, STR_ARG(var));
	shell_var(b, var);
}

/* One word, as a plain one and as the shell's. */
static void
word_put(struct body *b, struct str before, struct str word, struct buf *list)
{
	struct import_piece p;
	struct str rest = word;

	buf_reset(&b->words);
	if (b->shell.n > 0)
		buf_putc(&b->shell, ' ');
	if (word.n == 0)
		shell_text(&b->shell, word);
	while (import_piece(&rest, &p))
		word_piece(b, before, &p);
	buf_puts(list, list->n > 0 ? ", " : "");
	import_quote(list, buf_str(&b->words));
}

static bool
is_relative(struct str word)
{
	static const struct str ends[] = { STR(".js"), STR(".mjs"), STR(".py"), STR(".ts") };

	if (str_starts(word, STR("./")) || str_starts(word, STR("../")) || str_eq(word, STR(".")))
		return true;
	for (size_t i = 0; i < COUNT(ends); i++)
		if (str_ends(word, ends[i]) && word.p[0] != '/' && word.p[0] != '-' &&
		    word.p[0] != '$')
			return true;
	return false;
}

/* A program given by a relative path stands in the source's folder, not in ours. */
static struct str
program(struct body *b)
{
	struct str c = b->d->command;

	if (c.p[0] == '/' || c.p[0] == '$' || !str_has(c, '/') || b->im->folder.n == 0)
		return c;
	while (str_starts(c, STR("./")))
		c = (struct str){ c.p + 2, c.n - 2 };
	return arena_printf(&b->im->arena, STR_FMT "/" STR_FMT, STR_ARG(b->im->folder), STR_ARG(c));
}

static bool
path_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n > 0 && s.n < 4000 && str_utf8(s) && !str_starts(s, STR("${"));
}

static void
cwd_put(struct body *b, struct buf *out, bool relative)
{
	struct str cwd = b->d->cwd;

	if (cwd.n > 0 &&
	    (!path_ok(cwd) || import_secret_like(cwd) || memmem(cwd.p, cwd.n, "${", 2) != NULL)) {
		import_note(b->im, NOTE_LEFT, b->d->at, STR("cwd"),
		    "a folder cannot come from a variable (write cwd)");
		return;
	}
	if (cwd.n > 0 && cwd.p[0] != '/' && b->im->folder.n > 0)
		cwd = arena_printf(
		    &b->im->arena, STR_FMT "/" STR_FMT, STR_ARG(b->im->folder), STR_ARG(cwd));
	if (cwd.n == 0 && relative)
		cwd = b->im->folder;
	if (!path_ok(cwd))
		return;
	buf_puts(out, "    cwd: ");
	import_quote(out, cwd);
	buf_putc(out, '\n');
}

/* ---- environment and headers ---- */

static void
env_read(struct body *b)
{
	struct yaml *env = b->d->env, *names = b->d->names;
	static const char *const usual[] = { "PATH", "HOME" };

	for (struct yaml *k = env == NULL ? NULL : env->kids; k != NULL; k = k->next) {
		if (k->kind == YAML_MAP || k->kind == YAML_LIST || k->key.n == 0 ||
		    k->key.n > 200 || str_has(k->key, '=') || !path_ok(k->key)) {
			import_note(b->im, NOTE_LEFT, k, import_shown(b->im, k->key),
			    "is no variable with a text");
			continue;
		}
		env_put(b, k->key, import_value(b->im, k, b->owner, k->key, k->text, false));
	}
	for (struct yaml *k = names == NULL ? NULL : names->kids; k != NULL; k = k->next) {
		struct str rest = k->text, name = str_cut(&rest, '='), unused;

		if (!import_is_var(
			arena_printf(&b->im->arena, "env." STR_FMT, STR_ARG(name)), &unused)) {
			import_note(b->im, NOTE_LEFT, k, STR("envs"), "is no name of a variable");
			continue;
		}
		if (rest.p != NULL) {
			env_put(b, name, import_value(b->im, k, b->owner, name, rest, false));
			continue;
		}
		import_var_named(b->im, name, b->owner);
		env_put(b, name, arena_printf(&b->im->arena, "env:" STR_FMT, STR_ARG(name)));
	}
	for (size_t i = 0; i < COUNT(usual); i++)
		if (!env_has(b, usual[i]))
			env_put(
			    b, str_of(usual[i]), arena_printf(&b->im->arena, "env:%s", usual[i]));
	if (b->env_n > ENV_MAX)
		import_note(b->im, NOTE_LEFT, b->d->at, b->owner,
		    "more than %d variables: the rest is not carried over", ENV_MAX);
}

static bool
header_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!((name.p[i] >= 'a' && name.p[i] <= 'z') ||
			(name.p[i] >= 'A' && name.p[i] <= 'Z') ||
			(name.p[i] >= '0' && name.p[i] <= '9') || name.p[i] == '-' ||
			name.p[i] == '_'))
			return false;
	return name.n > 0 && name.n <= 100 && !header_reserved(name);
}

static void
header_put(struct body *b, struct buf *out, struct str name, struct str value)
{
	buf_puts(out, out->n == 0 ? "    headers:\n      " : "      ");
	import_quote(out, name);
	buf_puts(out, ": ");
	import_quote(out, value);
	buf_putc(out, '\n');
	b->env_n++;
}

/* True: one of them is Authorization. */
static bool
headers_read(struct body *b, struct buf *out)
{
	const struct import_draft *d = b->d;
	struct yaml *h = d->headers;
	bool authorization = false;

	if (d->auth_header.n > 0) {
		struct str v = d->auth_value, text, var;

		if (import_is_var(v, &var)) /* beside a scheme it is written as ours */
			v = arena_printf(&b->im->arena, "${" STR_FMT "}", STR_ARG(var));
		text = arena_printf(
		    &b->im->arena, STR_FMT STR_FMT, STR_ARG(d->auth_scheme), STR_ARG(v));
		header_put(b, out, d->auth_header,
		    import_value(b->im, d->at, b->owner, d->auth_header, text, true));
		authorization = str_ieq(d->auth_header, STR("authorization"));
	}
	for (struct yaml *k = h == NULL ? NULL : h->kids; k != NULL; k = k->next) {
		if (k->kind != YAML_SCALAR || !header_ok(k->key) || b->env_n >= HEADERS_MAX ||
		    str_ieq(k->key, d->auth_header)) {
			import_note(b->im, NOTE_LEFT, k, import_shown(b->im, k->key),
			    header_reserved(k->key) ? "the header is the gateway's own"
						    : "is no header that can be set");
			continue;
		}
		header_put(b, out, k->key, import_value(b->im, k, b->owner, k->key, k->text, true));
		authorization = authorization || str_ieq(k->key, STR("authorization"));
	}
	return authorization;
}

/* ---- both kinds ---- */

static bool
command_body(struct body *b, struct buf *out)
{
	struct buf list;
	struct str before = STR("");
	bool relative = is_relative(b->d->command);

	buf_init(&list, 0);
	word_put(b, STR(""), program(b), &list);
	for (struct yaml *k = b->d->args == NULL ? NULL : b->d->args->kids; k != NULL;
	     k = k->next) {
		if (k->kind == YAML_MAP || k->kind == YAML_LIST) {
			import_note(b->im, NOTE_LEFT, k, b->owner, "an argument is no text");
			continue;
		}
		word_put(b, before, k->text, &list);
		relative = relative || is_relative(k->text);
		before = k->text;
	}
	env_read(b);
	if (b->use_shell) {
		struct str line =
		    arena_printf(&b->im->arena, "exec " STR_FMT, STR_ARG(buf_str(&b->shell)));

		buf_puts(out, "    command: [\"/bin/sh\", \"-c\", ");
		import_quote(out, line);
		buf_puts(out, "]\n");
	} else {
		buf_printf(out, "    command: [" STR_FMT "]\n", STR_ARG(buf_str(&list)));
	}
	cwd_put(b, out, relative);
	buf_printf(out, "    env:\n" STR_FMT, STR_ARG(buf_str(&b->env)));
	buf_fini(&list);
	return true;
}

/* A URL stands in tollgate.yaml as it is: no variable, no secret in it. */
static bool
url_ready(struct body *b, struct str *url)
{
	struct str rest = b->d->url, host;
	struct import_piece p;
	struct url parsed;
	struct buf all;

	buf_init(&all, 0);
	while (import_piece(&rest, &p)) {
		if (p.var.n > 0 && p.preset.p == NULL)
			break;
		buf_put(&all, p.var.n > 0 ? p.preset : p.text);
	}
	*url = arena_str(&b->im->arena, buf_str(&all));
	buf_fini(&all);
	host = *url;
	if (rest.n > 0 || import_is_var(*url, &host)) {
		import_note(b->im, NOTE_LEFT, b->d->at, b->owner,
		    "its url comes from a variable (write the url itself)");
		return false;
	}
	if (import_secret_like(*url) || str_has(*url, '?')) {
		import_note(b->im, NOTE_LEFT, b->d->at, b->owner,
		    "its url may hold a secret (give it as a header, headers: with env:NAME)");
		return false;
	}
	for (size_t i = 0; i < url->n; i++)
		if (url->p[i] <= ' ' || url->p[i] >= 0x7f || url->p[i] == '{')
			url->n = 0;
	host = str_starts(*url, STR("https://"))  ? (struct str){ url->p + 8, url->n - 8 }
	       : str_starts(*url, STR("http://")) ? (struct str){ url->p + 7, url->n - 7 }
						  : STR("");
	if (host.n == 0 || !url_parse(*url, &parsed) || host.p[0] == '/' || host.p[0] == ':' ||
	    url->n > URL_MAX || str_has(host, '@')) {
		import_note(
		    b->im, NOTE_LEFT, b->d->at, b->owner, "its url is none of http or https");
		return false;
	}
	if (b->d->url.n != url->n)
		import_note(b->im, NOTE_CHANGED, b->d->at, b->owner,
		    "the default in its url is written, the variable is not looked at");
	return true;
}

static bool
url_body(struct body *b, struct buf *out)
{
	struct buf headers;
	struct str url;
	bool authorization, sse = str_ieq(b->d->type, STR("sse"));

	if (!url_ready(b, &url))
		return false;
	buf_puts(out, "    url: ");
	import_quote(out, url);
	buf_putc(out, '\n');
	if (sse)
		buf_puts(out, "    transport: sse\n");
	buf_init(&headers, 0);
	authorization = headers_read(b, &headers);
	buf_put(out, buf_str(&headers));
	buf_fini(&headers);
	if (!b->d->oauth)
		return true;
	if (authorization || sse || !str_starts(url, STR("https://"))) {
		import_note(b->im, NOTE_LEFT, b->d->at, b->owner,
		    "oauth goes with https, and with neither SSE nor an Authorization header");
	} else if (b->d->client_id.n > 0 && import_harmless(STR(""), b->d->client_id)) {
		buf_puts(out, "    oauth: { client_id: ");
		import_quote(out, b->d->client_id);
		buf_puts(out, " }\n");
	} else {
		buf_puts(out, "    oauth: {}\n");
		import_note(b->im, NOTE_CHANGED, b->d->at, b->owner,
		    "signs in by itself (tollgate servers sign-in " STR_FMT ")", STR_ARG(b->owner));
	}
	return true;
}

static size_t
kids_of(const struct yaml *y)
{
	return y == NULL ? 0 : y->n;
}

struct str
import_draft(struct import *im, const struct import_draft *d)
{
	struct body b = { .im = im, .d = d, .owner = import_name(im, d->name, "server") };
	struct str name = STR("");
	struct buf out;
	bool ok;

	import_take(d->args);
	import_take(d->env);
	import_take(d->headers);
	import_take(d->names);
	if ((d->command.n > 0) == (d->url.n > 0)) {
		import_note(im, NOTE_LEFT, d->at, b.owner,
		    "a server has either a command or a url (of type stdio, http or sse)");
		return name;
	}
	if (kids_of(d->args) > WORDS_MAX ||
	    (d->command.n > 0 && !path_ok(d->command) && !str_starts(d->command, STR("${")))) {
		import_note(im, NOTE_LEFT, d->at, b.owner, "its command is none that can be run");
		return name;
	}
	buf_init(&b.words, 0);
	buf_init(&b.env, 0);
	buf_init(&b.shell, 0);
	buf_init(&out, 0);
	ok = d->command.n > 0 ? command_body(&b, &out) : url_body(&b, &out);
	if (ok && d->call_ms > 0 && d->call_ms <= 86400000)
		buf_printf(&out, "    call_timeout: %lldms\n", (long long)d->call_ms);
	if (ok)
		name = import_server(im, d->at, d->name, buf_str(&out));
	buf_fini(&out);
	buf_fini(&b.shell);
	buf_fini(&b.env);
	buf_fini(&b.words);
	return name;
}

/* ---- mcpServers of Claude, servers of VS Code ---- */

static void
server_read(struct import *im, struct yaml *s)
{
	struct import_draft d = { .at = s,
		.name = s->key,
		.type = import_text(s, "type"),
		.url = import_text(s, "url"),
		.command = import_text(s, "command"),
		.cwd = import_text(s, "cwd"),
		.args = yaml_get(s, "args"),
		.env = yaml_get(s, "env"),
		.headers = yaml_get(s, "headers") };
	struct yaml *oauth = yaml_get(s, "oauth");
	struct str name;

	s->used = true;
	if (d.type.n == 0)
		d.type = import_text(s, "transport");
	if (d.url.n == 0)
		d.url = import_text(s, "serverUrl");
	if (import_flag(s, "disabled", false)) {
		import_note(im, NOTE_LEFT, s, import_shown(im, s->key), "it is disabled");
		import_take(s);
		return;
	}
	if (oauth != NULL) {
		d.oauth = true;
		d.client_id = import_text(oauth, "clientId");
	}
	if (!str_i64(import_text(s, "timeout"), &d.call_ms))
		d.call_ms = 0;
	name = import_draft(im, &d);
	if (name.n == 0)
		return;
	import_allow(im, im->everybody, "", arena_printf(&im->arena, STR_FMT "/*", STR_ARG(name)));
	import_allow(
	    im, im->everybody, "prompt:", arena_printf(&im->arena, STR_FMT "/*", STR_ARG(name)));
	import_allow(
	    im, im->everybody, "resource:", arena_printf(&im->arena, STR_FMT "/*", STR_ARG(name)));
}

void
import_mcp(struct import *im, struct yaml *servers)
{
	for (struct yaml *s = servers->kids; s != NULL; s = s->next)
		if (s->kind == YAML_MAP && s->key.n > 0)
			server_read(im, s);
}
