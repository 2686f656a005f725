/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_write - the model as tollgate.yaml and policy files.
 *
 * Everybody's grants are one policy, each virtual key's user has a policy of its own.  Nothing is
 * granted that is not in the model, and no text of a source is written but in quotes.
 */
#include <string.h>

#include "gateway/import.h"

#define TEXT_BYTES  ((size_t)1 << 20) /* of tollgate.yaml and of a policy file */
#define ORG_PATH    "policies/root/organisation.yaml"
#define ALL_PATH    "policies/root/imported.yaml"
#define DENIES_PATH "policies/root/imported-denies.yaml"
#define FILES_MAX   (IMPORT_LEVELS_MAX + 5)

/* A control character that JSON lets stand, but YAML does not. */
static size_t
unsafe_at(struct str s, size_t i)
{
	unsigned char c = (unsigned char)s.p[i];

	if (c == 0x7f)
		return 1;
	if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
		return 2;
	if (c == 0xef && i + 2 < s.n &&
	    (memcmp(s.p + i, "\xef\xbb\xbf", 3) == 0 || memcmp(s.p + i, "\xef\xbf\xbe", 3) == 0 ||
		memcmp(s.p + i, "\xef\xbf\xbf", 3) == 0))
		return 3;
	return 0;
}

void
import_quote(struct buf *b, struct str s)
{
	struct buf clean;

	buf_init(&clean, 0);
	for (size_t i = 0; i < s.n;) {
		size_t n = unsafe_at(s, i);

		buf_putc(&clean, n > 0 ? '?' : s.p[i]);
		i += n > 0 ? n : 1;
	}
	buf_json_str(b, clean.n > 0 ? buf_str(&clean) : STR(""));
	buf_fini(&clean);
}

/* ---- tollgate.yaml ---- */

static void
providers_write(const struct import *im, struct buf *b)
{
	if (im->providers != NULL)
		buf_puts(b, "\nproviders:\n");
	for (const struct import_provider *p = im->providers; p != NULL; p = p->next) {
		buf_printf(b, "  " STR_FMT ": { kind: " STR_FMT ", url: ", STR_ARG(p->name),
		    STR_ARG(p->kind));
		import_quote(b, p->url);
		buf_puts(b, ", key: ");
		import_quote(b, p->key);
		buf_puts(b, " }\n");
	}
	if (im->models != NULL)
		buf_puts(b, "models: # what is not listed here is not served\n");
	for (const struct import_pair *p = im->models; p != NULL; p = p->next) {
		buf_puts(b, "  ");
		import_quote(b, p->name);
		buf_printf(b, ": { provider: " STR_FMT " }\n", STR_ARG(p->value));
	}
	if (im->aliases != NULL)
		buf_puts(b, "aliases:\n");
	for (const struct import_pair *p = im->aliases; p != NULL; p = p->next) {
		buf_puts(b, "  ");
		import_quote(b, p->name);
		buf_puts(b, ": ");
		import_quote(b, p->value);
		buf_putc(b, '\n');
	}
}

static void
settings_write(const struct import *im, struct buf *b)
{
	buf_printf(b,
	    "# Made by tollgate import from " STR_FMT
	    "; IMPORT.md says what was not carried over.\n"
	    "version: 1\n\nlisten:\n"
	    "  - { address: \"127.0.0.1:8080\", serves: [model, mcp, admin, metrics] }\n"
	    "data: data\npolicies: policies\n",
	    STR_ARG(im->sources));
	providers_write(im, b);
	if (im->servers != NULL)
		buf_puts(b, "\nservers:\n");
	for (const struct import_server *s = im->servers; s != NULL; s = s->next)
		buf_printf(b, "  " STR_FMT ":\n" STR_FMT, STR_ARG(s->name), STR_ARG(s->body));
}

/* ---- policies ---- */

static void
level_write(const struct import_level *l, int depth, struct buf *b)
{
	static const char *const words[] = { "day", "week", "month", "year" };
	size_t budgets = 0;

	buf_printf(b, "%*s", depth, "");
	import_quote(b, l->name);
	buf_puts(b, ":");
	for (size_t i = 0; i < EACH_N; i++)
		budgets += l->budgets[i].n > 0;
	if (budgets == 0 && l->limit.n == 0 && l->kids == NULL) {
		buf_puts(b, " {}\n");
		return;
	}
	buf_putc(b, '\n');
	if (budgets > 0) {
		size_t n = 0;

		buf_printf(b, "%*sbudget: [", depth + 2, "");
		for (size_t i = 0; i < EACH_N; i++)
			if (l->budgets[i].n > 0)
				buf_printf(b, "%s" STR_FMT " USD/%s", n++ == 0 ? "" : ", ",
				    STR_ARG(l->budgets[i]), words[i]);
		buf_puts(b, "]\n");
	}
	if (l->limit.n > 0)
		buf_printf(b, "%*slimit: { " STR_FMT " }\n", depth + 2, "", STR_ARG(l->limit));
}

static void
organisation_write(const struct import *im, struct buf *b)
{
	buf_puts(b, "# Who there is; keys are made for them (tollgate key create --help).\n"
		    "version: 1\norganisation:\n  zone: UTC\n  customers:\n");
	for (const struct import_level *c = im->root.kids; c != NULL; c = c->next) {
		level_write(c, 4, b);
		if (c->kids != NULL)
			buf_puts(b, "      teams:\n");
		for (const struct import_level *t = c->kids; t != NULL; t = t->next) {
			level_write(t, 8, b);
			if (t->kids != NULL)
				buf_puts(b, "          users:\n");
			for (const struct import_level *u = t->kids; u != NULL; u = u->next)
				level_write(u, 12, b);
		}
	}
}

static void
rules_write(const struct import_level *l, struct buf *b)
{
	buf_puts(b, "rules:\n");
	for (const struct import_pair *p = l->allows; p != NULL; p = p->next) {
		buf_puts(b, "  - allow: ");
		import_quote(b, p->name);
		buf_putc(b, '\n');
	}
}

static void
everybody_write(const struct import *im, struct buf *b)
{
	buf_puts(b, "# What everybody could use there: whoever has a key of this customer.\n"
		    "version: 1\npolicy: imported\napplies_to: { customers: [imported] }\n");
	rules_write(im->everybody, b);
}

static void
denies_write(const struct import *im, struct buf *b)
{
	buf_puts(b, "version: 1\npolicy: imported-denies\napplies_to: \"*\"\nrules:\n");
	for (const struct import_pair *p = im->denies; p != NULL; p = p->next) {
		buf_puts(b, "  - deny: ");
		import_quote(b, p->name);
		buf_puts(b, "\n    reason: \"was forbidden in the imported configuration\"\n");
	}
}

static void
user_write(const struct import_level *u, struct str policy, struct buf *b)
{
	buf_printf(b, "version: 1\npolicy: " STR_FMT "\napplies_to: { users: [", STR_ARG(policy));
	import_quote(b, u->parent->parent->name);
	b->n--; /* one quoted path: "acme/payments/ana"; no name has a quote in it */
	buf_printf(
	    b, "/" STR_FMT "/" STR_FMT "\"] }\n", STR_ARG(u->parent->name), STR_ARG(u->name));
	rules_write(u, b);
}

/* ---- all files ---- */

struct texts {
	struct import *im;
	struct import_text *at;
	size_t n;
	struct buf b; /* of the file that is being written */
	struct str large;
};

static void
text_done(struct texts *t, const char *path)
{
	if (t->b.n > TEXT_BYTES || !buf_ok(&t->b))
		t->large = str_of(path);
	ASSERT(t->n < FILES_MAX);
	t->at[t->n++] = (struct import_text){ path, arena_str(&t->im->arena, buf_str(&t->b)) };
	buf_reset(&t->b);
}

static void
users_write(struct texts *t)
{
	size_t policies = 0;

	for (struct import_level *c = t->im->root.kids; c != NULL; c = c->next)
		for (struct import_level *team = c->kids; team != NULL; team = team->next)
			for (struct import_level *u = team->kids; u != NULL; u = u->next) {
				if (u->allows == NULL)
					continue;
				u->policy = arena_printf(&t->im->arena, "key-%zu-" STR_FMT,
				    ++policies, STR_ARG(import_name(t->im, u->name, "user")));
				user_write(u, u->policy, &t->b);
				text_done(
				    t, arena_printf(&t->im->arena, "policies/root/" STR_FMT ".yaml",
					   STR_ARG(u->policy))
					   .p);
			}
}

bool
import_write(struct import *im, struct import_text **out, size_t *n, struct err *e)
{
	struct texts t = { .im = im, .large = STR("") };

	t.at = arena_zalloc(&im->arena, FILES_MAX * sizeof(*t.at));
	buf_init(&t.b, 0);
	settings_write(im, &t.b);
	text_done(&t, "tollgate.yaml");
	organisation_write(im, &t.b);
	text_done(&t, ORG_PATH);
	if (im->everybody->allows != NULL) {
		everybody_write(im, &t.b);
		text_done(&t, ALL_PATH);
	}
	if (im->denies != NULL) {
		denies_write(im, &t.b);
		text_done(&t, DENIES_PATH);
	}
	users_write(&t);
	import_report(im, &t.b);
	text_done(&t, "IMPORT.md");
	buf_fini(&t.b);
	*out = t.at;
	*n = t.n;
	return t.large.n == 0 ||
	       err_set(e, ERR_TOO_LARGE,
		   STR_FMT " would be larger than 1 MiB (import fewer files at once)",
		   STR_ARG(t.large));
}
