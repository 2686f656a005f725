/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved - a run that worked, as the file of a snippet that a person reviews.
 *
 * The text is what ran, in Lua proper, behind a head.  A script that begins with a comment has one
 * already.  Nothing is written here and nobody sees it yet: the file becomes part of the policies
 * when somebody puts it there.
 */
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "codemode/journal.h"
#include "codemode/signature.h"
#include "codemode/snippet.h"

#define NAME_BYTES 80

/* Where a key's own snippets stand. */
static void
folder_put(struct key *k, struct buf *out)
{
	struct str owner[3];

	key_owner(k, owner);
	if (owner[0].n == 0)
		buf_puts(out, "root");
	else if (owner[1].n == 0)
		buf_printf(out, "customers/" STR_FMT, STR_ARG(owner[0]));
	else
		buf_printf(out, "customers/" STR_FMT "/teams/" STR_FMT, STR_ARG(owner[0]),
		    STR_ARG(owner[1]));
}

static void
head_put(const struct past *p, struct str description, struct buf *out)
{
	struct key_info i;
	struct tm day;
	time_t then = p->time_s;
	char text[32] = "";

	key_info(p->owner->key, &i);
	if (gmtime_r(&then, &day) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d", &day);
	buf_puts(out, "-- ");
	buf_put(out, description.n > 0 ? description : STR("Say here what it does."));
	buf_printf(out,
	    "\n\n-- Saved from run %s of key " STR_FMT ", %s.  What is fixed below and should be "
	    "asked for\n-- becomes a parameter: a line ---@param NAME TYPE text under the first "
	    "one, and args.NAME here.\n",
	    p->id, STR_ARG(i.name), text);
}

bool
codemode_run_snippet(
    struct codemode *cm, const struct saved_ask *ask, struct buf *out, struct err *e)
{
	struct key *k = past_key(cm, ask->run);
	struct past *p = k == NULL ? NULL : past_find(cm, k, NULL, ask->run);
	struct buf folder, code, text;
	struct lenient fixes;
	char file[NAME_BYTES];
	struct str source;
	bool ok;

	if (p == NULL)
		return err_set(e, ERR_NOT_FOUND,
		    "there is no run \"" STR_FMT
		    "\" in the journal (tollgate audit query --name run)",
		    STR_ARG(str_clip(ask->run, 40)));
	if (p->state != PAST_DONE)
		return err_set(e, ERR_INVALID,
		    "run %s has not ended well (%s): only a run that worked becomes a snippet",
		    p->id, p->state == PAST_RUNNING ? "it runs" : p->end);
	buf_init(&folder, 0);
	buf_init(&code, 0);
	buf_init(&text, 0);
	if (ask->folder.n > 0)
		buf_put(&folder, ask->folder);
	else
		folder_put(k, &folder);
	(void)snprintf(
	    file, sizeof(file), STR_FMT ".lua", STR_ARG(str_clip(ask->name, NAME_BYTES - 8)));
	source = buf_str(&p->source);
	if (lenient_fix(source, FRAME_SOURCE_MAX, &code, &fixes))
		source = buf_str(&code);
	ok = core_snippet_place(cm->core, buf_str(&folder), ask->name, e);
	if (ok && (ask->description.n > 0 || !snippet_check(file, source, e)))
		head_put(p, ask->description, &text);
	buf_put(&text, source);
	if (text.n > 0 && text.p[text.n - 1] != '\n')
		buf_putc(&text, '\n');
	ok = ok && snippet_check(file, buf_str(&text), e);
	if (ok) {
		buf_puts(out, "{\"folder\":");
		buf_json_str(out, buf_str(&folder));
		buf_puts(out, ",\"text\":");
		buf_json_str(out, buf_str(&text));
		buf_putc(out, '}');
	}
	buf_fini(&folder);
	buf_fini(&code);
	buf_fini(&text);
	return ok;
}

/* ---- the list ---- */

struct rows {
	struct codemode *cm;
	struct buf *out;
	size_t n;
};

static void
member_put(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, "%s\"%s\":", out->p[out->n - 1] == '{' ? "" : ",", name);
	buf_json_str(out, value);
}

static void
row_put(void *ctx, const struct snippet *s)
{
	struct rows *r = ctx;
	const struct tool *t = snippet_tool(r->cm, s);
	struct buf line;

	buf_init(&line, 0);
	if (t != NULL)
		signature_put(&line, t, false);
	buf_puts(r->out, r->n++ > 0 ? ",{" : "{");
	member_put(r->out, "name", s->name);
	member_put(r->out, "version", s->version);
	member_put(r->out, "file", s->file);
	member_put(r->out, "signature", buf_str(&line));
	member_put(r->out, "description", s->description);
	buf_putc(r->out, '}');
	buf_fini(&line);
}

void
codemode_snippets_json(struct codemode *cm, struct key *k, struct buf *out)
{
	struct rows r = { .cm = cm, .out = out };

	buf_putc(out, '[');
	if (k == NULL)
		core_all_snippets(cm->core, row_put, &r);
	else if (rules_may_list(cm->core, k, STR(""), ASK_RUN, STR("run")))
		core_snippets(cm->core, k, row_put, &r);
	buf_putc(out, ']');
}
