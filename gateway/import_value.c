/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_value - what a source says in the place of a value: a text, a variable, or a secret.
 *
 * A text is written as it stands only when nothing about it could be a secret: a word that is
 * known, a number, a path or a plain URL, under a name that does not speak of secrets.  All else
 * becomes a variable of the environment, whose name is told.  That errs to one side: a variable too
 * many is a line to read, a secret too many in a file is an incident.
 */
#include <string.h>

#include "gateway/import.h"
#include "gateway/secret.h"

#define RUN_MIN   16 /* letters and digits in one piece: no word of a language */
#define LONG_MIN  32
#define WORD_MAX  64
#define DIGIT_MAX 8
#define URL_MAX   2048

static bool
alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- what looks like a secret ---- */

static bool
has_text(struct str s, struct str part)
{
	for (size_t i = 0; i + part.n <= s.n; i++)
		if (str_ieq((struct str){ s.p + i, part.n }, part))
			return true;
	return false;
}

static bool
known_shape(struct str s)
{
	static const struct str marks[] = { STR("sk-"), STR("sk_"), STR("ghp_"), STR("gho_"),
		STR("ghs_"), STR("github_pat_"), STR("xoxb-"), STR("xoxp-"), STR("xapp-"),
		STR("akia"), STR("aiza"), STR("glpat-"), STR("eyj"), STR("pat-"), STR("ntn_"),
		STR("secret_"), STR("bearer "), STR("basic "), STR("-----begin") };

	for (size_t i = 0; i < COUNT(marks); i++)
		for (size_t k = 0; k + marks[i].n <= s.n; k++)
			if ((k == 0 || !(alpha(s.p[k - 1]) || digit(s.p[k - 1]))) &&
			    str_ieq((struct str){ s.p + k, marks[i].n }, marks[i]))
				return true;
	return false;
}

/* A run of letters and digits, or with dashes a longer one, as no word is written. */
static bool
random_run(struct str s)
{
	size_t run = 0, whole = 0, digits = 0, all_digits = 0, letters = 0;

	for (size_t i = 0; i <= s.n; i++) {
		char c = i < s.n ? s.p[i] : ' ';

		if (alpha(c) || digit(c) || c == '_' || c == '+') {
			run++;
			whole++;
			digits += digit(c);
			all_digits += digit(c);
			letters += alpha(c);
			continue;
		}
		if (run >= RUN_MIN && digits >= 2 && letters >= 2)
			return true;
		run = digits = letters = 0;
		if (c == '-') {
			whole++;
			continue;
		}
		if (whole >= LONG_MIN && all_digits >= 10)
			return true;
		whole = all_digits = 0;
	}
	return false;
}

bool
import_secret_like(struct str s)
{
	struct str rest = s;
	const char *at;

	if (s.n == 0)
		return false;
	if (known_shape(s) || random_run(s))
		return true;
	/* somebody:password@host */
	while ((at = memmem(rest.p, rest.n, "://", 3)) != NULL) {
		rest = STR_SPAN(at + 3, rest.p + rest.n);
		for (size_t i = 0; i < rest.n && rest.p[i] != '/' && rest.p[i] != ' '; i++)
			if (rest.p[i] == '@')
				return true;
	}
	return false;
}

static bool
secret_word(struct str name)
{
	static const struct str words[] = { STR("pass"), STR("pwd"), STR("auth"), STR("dsn"),
		STR("private"), STR("session"), STR("signature"), STR("salt"), STR("webhook"),
		STR("jwt"), STR("bearer"), STR("cert"), STR("pin"), STR("conn") };

	for (size_t i = 0; i < COUNT(words); i++)
		if (has_text(name, words[i]))
			return true;
	return secret_named(name);
}

static bool
word_known(struct str s)
{
	static const struct str words[] = { STR("true"), STR("false"), STR("yes"), STR("no"),
		STR("on"), STR("off"), STR("none"), STR("auto"), STR("debug"), STR("trace"),
		STR("info"), STR("warn"), STR("warning"), STR("error"), STR("production"),
		STR("development"), STR("staging"), STR("test"), STR("stdio"), STR("http"),
		STR("https"), STR("sse"), STR("streamable-http"), STR("json"), STR("text"),
		STR("utf-8"), STR("utf8"), STR("localhost"), STR("readonly"), STR("read-only"),
		STR("application/json"), STR("text/event-stream"), STR("*/*"), STR("C.UTF-8") };

	return str_in(s, words, COUNT(words));
}

static bool
path_or_url(struct str s)
{
	bool url = str_starts(s, STR("https://")) || str_starts(s, STR("http://"));

	if (s.n > URL_MAX || import_secret_like(s))
		return false;
	if (!url && s.p[0] != '/' && !str_starts(s, STR("./")) && !str_starts(s, STR("../")))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!alpha(s.p[i]) && !digit(s.p[i]) && strchr("/._-:~ ", s.p[i]) == NULL)
			return false;
	return true;
}

bool
import_harmless(struct str name, struct str value)
{
	size_t digits = 0;

	if (value.n == 0)
		return true;
	if (memchr(value.p, '\0', value.n) != NULL || secret_word(name))
		return false;
	while (digits < value.n && digit(value.p[digits]))
		digits++;
	return (digits == value.n && digits <= DIGIT_MAX) ||
	       (value.n <= WORD_MAX && word_known(value)) || path_or_url(value);
}

/* ---- variables ---- */

static bool
var_name_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!alpha(s.p[i]) && s.p[i] != '_' && !(i > 0 && digit(s.p[i])))
			return false;
	return s.n > 0 && s.n <= 128;
}

static bool
cut_prefix(struct str *s, struct str prefix)
{
	if (!str_starts(*s, prefix))
		return false;
	*s = (struct str){ s->p + prefix.n, s->n - prefix.n };
	return true;
}

bool
import_is_var(struct str text, struct str *name)
{
	struct str s = text;

	if (!cut_prefix(&s, STR("os.environ/")) && !cut_prefix(&s, STR("env.")))
		return false;
	*name = s;
	return var_name_ok(s);
}

/* "${NAME}", "${NAME:-preset}", "${env:NAME}", "${input:name}" at its start; the bytes it takes. */
static size_t
var_at(struct str s, struct import_piece *out)
{
	struct str rest, name;
	const char *end;

	if (!str_starts(s, STR("${")) || (end = memchr(s.p, '}', s.n)) == NULL)
		return 0;
	rest = STR_SPAN(s.p + 2, end);
	if (!cut_prefix(&rest, STR("env:")))
		(void)cut_prefix(&rest, STR("input:"));
	name = str_cut(&rest, ':');
	if (rest.p != NULL && !cut_prefix(&rest, STR("-")))
		return 0;
	if (!var_name_ok(name))
		return 0;
	*out = (struct import_piece){ .var = name, .preset = rest };
	return (size_t)(end + 1 - s.p);
}

bool
import_piece(struct str *rest, struct import_piece *out)
{
	size_t n = 0, var;

	if (rest->n == 0)
		return false;
	var = var_at(*rest, out);
	if (var == 0) {
		struct import_piece unused;

		do
			n++;
		while (
		    n < rest->n && var_at((struct str){ rest->p + n, rest->n - n }, &unused) == 0);
		*out = (struct import_piece){ .text = { rest->p, n }, .preset = STR_NONE };
	}
	n += var;
	*rest = (struct str){ rest->p + n, rest->n - n };
	return true;
}

static struct import_var *
var_find(struct import *im, struct str name)
{
	for (struct import_var *v = im->vars; v != NULL; v = v->next)
		if (str_eq(v->name, name))
			return v;
	return NULL;
}

static struct import_var *
var_new(struct import *im, struct str name, struct str whom)
{
	struct import_var *v = arena_new(&im->arena, struct import_var), **at = &im->vars;

	while (*at != NULL && str_cmp((*at)->name, name) < 0)
		at = &(*at)->next;
	v->name = arena_str(&im->arena, name);
	v->whom = arena_str(&im->arena, whom);
	v->next = *at;
	return *at = v;
}

void
import_var_named(struct import *im, struct str name, struct str whom)
{
	const struct import_var *v = var_find(im, name);

	if (v == NULL)
		(void)var_new(im, name, whom);
	else if (v->secret.p != NULL)
		import_note(im, NOTE_CHANGED, NULL, name,
		    "also stands for a secret of " STR_FMT ": both take what it is set to",
		    STR_ARG(v->whom));
}

/* "github", "x-api-key" -> "GITHUB_X_API_KEY" */
struct str
import_var_name(struct import *im, struct str owner, struct str name)
{
	struct buf b;
	struct str out;

	buf_init(&b, 0);
	buf_put(&b, owner);
	buf_puts(&b, owner.n > 0 ? "_" : "");
	buf_put(&b, name);
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] >= 'a' && b.p[i] <= 'z')
			b.p[i] = (char)(b.p[i] - 32);
		else if (!alpha(b.p[i]) && !digit(b.p[i]))
			b.p[i] = '_';
	out = str_clip(buf_str(&b), 100);
	out = arena_printf(
	    &im->arena, "%s" STR_FMT, out.n == 0 || digit(out.p[0]) ? "V_" : "", STR_ARG(out));
	buf_fini(&b);
	return out;
}

struct str
import_var_for(struct import *im, struct str whom, struct str base, struct str secret)
{
	struct str want = base;
	struct import_var *v;

	for (int i = 2; (v = var_find(im, want)) != NULL; i++) {
		if (v->secret.p != NULL && str_eq(v->secret, secret))
			return v->name;
		want = arena_printf(&im->arena, STR_FMT "_%d", STR_ARG(base), i);
	}
	v = var_new(im, want, whom);
	v->secret = arena_str(&im->arena, secret);
	return v->name;
}

/* ---- a value ---- */

struct value {
	struct import *im;
	struct str owner, name;
	struct buf out;
	size_t pieces, vars;
	bool secret; /* a text among the variables that may be one */
	bool owner_first;
};

static void
piece_put(struct value *v, const struct import_piece *p, const struct yaml *at)
{
	static const struct str joints[] = { STR("Bearer "), STR("Basic "), STR("Token "),
		STR("token "), STR("ApiKey "), STR(":"), STR("="), STR("/") };
	v->pieces++;
	if (p->var.n == 0) {
		v->secret = v->secret || (!str_in(p->text, joints, COUNT(joints)) &&
					     !import_harmless(STR(""), p->text));
		buf_put(&v->out, p->text);
		return;
	}
	if (p->preset.p != NULL && import_harmless(v->name, p->preset)) {
		import_note(v->im, NOTE_CHANGED, at, p->var,
		    "its default is written, the variable is not looked at");
		buf_put(&v->out, p->preset);
		return;
	}
	if (p->preset.p != NULL)
		import_note(v->im, NOTE_CHANGED, at, p->var,
		    "has no default here: what needs it is disabled until it is set");
	v->vars++;
	import_var_named(v->im, p->var, v->owner.n > 0 ? v->owner : STR("a provider"));
	buf_printf(&v->out, "{env:" STR_FMT "}", STR_ARG(p->var));
}

/* "Bearer xyz": the scheme may stand there, the rest not. */
static struct str
secret_value(struct value *v, const struct yaml *at, struct str text)
{
	static const struct str schemes[] = { STR("Bearer "), STR("Basic "), STR("Token "),
		STR("ApiKey ") };
	struct str scheme = STR(""), base, var;
	struct import_var *same;

	for (size_t i = 0; i < COUNT(schemes); i++)
		if (text.n > schemes[i].n &&
		    str_ieq((struct str){ text.p, schemes[i].n }, schemes[i]))
			scheme = (struct str){ text.p, schemes[i].n };
	text = (struct str){ text.p + scheme.n, text.n - scheme.n };
	base = import_var_name(v->im, v->owner, v->name);
	same = var_find(v->im, v->name);
	if (!v->owner_first && var_name_ok(v->name) &&
	    (same == NULL || (same->secret.p != NULL && str_eq(same->secret, text)) ||
		v->owner.n == 0))
		base = v->name;
	var = import_var_for(v->im, v->owner.n > 0 ? v->owner : STR("a provider"), base, text);
	import_note(v->im, NOTE_CHANGED, at, v->name,
	    "its text may be a secret and is not written: set " STR_FMT, STR_ARG(var));
	return scheme.n == 0 ? arena_printf(&v->im->arena, "env:" STR_FMT, STR_ARG(var))
			     : arena_printf(&v->im->arena, STR_FMT "{env:" STR_FMT "}",
				   STR_ARG(scheme), STR_ARG(var));
}

struct str
import_value(struct import *im, const struct yaml *at, struct str owner, struct str name,
    struct str text, bool owner_first)
{
	struct value v = {
		.im = im, .owner = owner, .name = import_shown(im, name), .owner_first = owner_first
	};
	struct str rest = text, out, var;
	struct import_piece p;

	if (import_is_var(text, &var)) {
		import_var_named(im, var, owner.n > 0 ? owner : STR("a provider"));
		return arena_printf(&im->arena, "env:" STR_FMT, STR_ARG(var));
	}
	buf_init(&v.out, 0);
	while (import_piece(&rest, &p))
		piece_put(&v, &p, at);
	if (v.secret || (v.vars == 0 && !import_harmless(name, buf_str(&v.out))))
		out = secret_value(&v, at, text);
	else if (v.vars == 1 && v.pieces == 1)
		out = arena_printf(&im->arena, "env:" STR_FMT, (int)v.out.n - 6, v.out.p + 5);
	else
		out = arena_str(&im->arena, buf_str(&v.out));
	buf_fini(&v.out);
	return out;
}
