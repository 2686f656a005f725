/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_report - what was carried over, what became something else, and what was not carried over
 * and why: for people (IMPORT.md, and printed) and for machines.
 */
#include "gateway/import.h"

static const char *const titles[NOTE_KINDS] = {
	[NOTE_LEFT] = "Not carried over", [NOTE_CHANGED] = "Carried over differently"
};
static const char *const members[NOTE_KINDS] = {
	[NOTE_LEFT] = "not_carried", [NOTE_CHANGED] = "changed"
};

static void
notes_print(const struct import *im, enum note_kind kind, struct buf *out)
{
	buf_printf(out, "\n## %s\n\n", titles[kind]);
	if (im->notes[kind] == NULL)
		buf_puts(out, "Nothing.\n");
	for (const struct import_note *n = im->notes[kind]; n != NULL; n = n->next)
		buf_printf(out, "- " STR_FMT ": `" STR_FMT "` " STR_FMT "\n", STR_ARG(n->where),
		    STR_ARG(n->what), STR_ARG(n->why));
	if (im->notes_n[kind] > IMPORT_NOTES_MAX)
		buf_printf(out, "- and %zu more\n", im->notes_n[kind] - IMPORT_NOTES_MAX);
}

static void
vars_print(const struct import *im, struct buf *out)
{
	buf_puts(out, "\n## Variables to set\n\n");
	if (im->vars == NULL)
		buf_puts(out, "None.\n");
	for (const struct import_var *v = im->vars; v != NULL; v = v->next)
		buf_printf(out, "- `" STR_FMT "` for " STR_FMT "%s\n", STR_ARG(v->name),
		    STR_ARG(v->whom),
		    v->secret.p != NULL ? " (its text stands in the source)" : "");
}

/* A key for whoever had one there, and one for everybody's grants. */
static void
keys_print(const struct import *im, struct buf *out)
{
	if (im->everybody->allows != NULL || im->levels_n == 1)
		buf_puts(out, "    tollgate key create --name my-key --customer imported\n");
	for (const struct import_level *c = im->root.kids; c != NULL; c = c->next)
		for (const struct import_level *t = c->kids; t != NULL; t = t->next)
			for (const struct import_level *u = t->kids; u != NULL; u = u->next)
				buf_printf(out,
				    "    tollgate key create --name " STR_FMT " --customer " STR_FMT
				    " --team " STR_FMT " --user " STR_FMT "\n",
				    STR_ARG(u->name), STR_ARG(c->name), STR_ARG(t->name),
				    STR_ARG(u->name));
}

static bool
any_budget(const struct import_level *l)
{
	for (size_t i = 0; i < EACH_N; i++)
		if (l->budgets[i].n > 0)
			return true;
	return false;
}

static bool
budgets_any(const struct import *im)
{
	bool any = false;

	for (const struct import_level *c = im->root.kids; c != NULL; c = c->next) {
		any = any || any_budget(c);
		for (const struct import_level *t = c->kids; t != NULL; t = t->next) {
			any = any || any_budget(t);
			for (const struct import_level *u = t->kids; u != NULL; u = u->next)
				any = any || any_budget(u);
		}
	}
	return any;
}

void
import_report(struct import *im, struct buf *out)
{
	buf_printf(out,
	    "# What tollgate import did\n\nFrom " STR_FMT
	    ": %zu providers, %zu models, %zu aliases, %zu "
	    "servers, %zu customers, teams and users.\n",
	    STR_ARG(im->sources), im->providers_n, im->models_n, im->aliases_n, im->servers_n,
	    im->levels_n);
	notes_print(im, NOTE_LEFT, out);
	notes_print(im, NOTE_CHANGED, out);
	vars_print(im, out);
	buf_puts(out,
	    "\nA variable that is not set disables the provider or server that needs it.\n"
	    "\n## Next\n\n    tollgate check\n");
	keys_print(im, out);
	if (budgets_any(im))
		buf_puts(out, "\nBudgets are counted with a table of prices: `prices:` in "
			      "tollgate.yaml, policies/prices.yaml of the product.\n");
	buf_puts(
	    out, "\nScripts are granted to nobody: `- allow: code:run` in a policy does it.\n");
}

/* ---- for machines ---- */

static void
member_json(struct buf *out, const char *name, struct str value, bool first)
{
	buf_printf(out, "%s\"%s\":", first ? "" : ",", name);
	buf_json_str(out, value);
}

void
import_report_json(struct import *im, const struct import_text *files, size_t n, struct buf *out)
{
	buf_puts(out, "{\"files\":[");
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, i == 0 ? "" : ",");
		buf_json_str(out, str_of(files[i].path));
	}
	buf_puts(out, "]");
	for (int kind = 0; kind < NOTE_KINDS; kind++) {
		buf_printf(out, ",\"%s\":[", members[kind]);
		for (const struct import_note *k = im->notes[kind]; k != NULL; k = k->next) {
			buf_puts(out, k == im->notes[kind] ? "{" : ",{");
			member_json(out, "where", k->where, true);
			member_json(out, "what", k->what, false);
			member_json(out, "why", k->why, false);
			buf_puts(out, "}");
		}
		buf_printf(out, "],\"%s_n\":%zu", members[kind], im->notes_n[kind]);
	}
	buf_puts(out, ",\"variables\":[");
	for (const struct import_var *v = im->vars; v != NULL; v = v->next) {
		buf_puts(out, v == im->vars ? "{" : ",{");
		member_json(out, "name", v->name, true);
		member_json(out, "for", v->whom, false);
		buf_printf(out, ",\"in_source\":%s}", v->secret.p != NULL ? "true" : "false");
	}
	buf_puts(out, "]}\n");
}
