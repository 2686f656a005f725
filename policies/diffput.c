/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diffput - what a change of the policy files changes, for a terminal, for a pull request, and for
 * programs.
 */
#include <string.h>

#include "policies/diff.h"

#define WHO_SHOWN 3 /* of a group, where people read */

static const char *const shift_words[] = { "same", "widened", "narrowed", "changed" };

static void
member_put(struct buf *out, const struct member *m)
{
	buf_put(out, m->id);
	if (m->key.n > 0)
		buf_printf(out, " with key " STR_FMT, STR_ARG(m->key));
	via_text(&m->via, out);
	if (!m->old)
		buf_puts(out, " (new)");
	if (!m->new)
		buf_puts(out, " (gone)");
}

static void
who_put(struct buf *out, const struct group *g)
{
	for (size_t i = 0; i < g->who_n && i < WHO_SHOWN; i++) {
		buf_puts(out, i == 0 ? "" : ", ");
		member_put(out, &g->who[i]);
	}
	if (g->who_n > WHO_SHOWN)
		buf_printf(out, " and %zu more", g->who_n - WHO_SHOWN);
}

static void
summary_put(const struct diff *d, struct buf *out)
{
	buf_printf(out, "%zu subjects, %zu names: %zu widened, %zu narrowed, %zu changed",
	    d->subjects, d->calls.n, d->sum[SHIFT_WIDER], d->sum[SHIFT_NARROWER],
	    d->sum[SHIFT_OTHER]);
	if (d->levels_n > 0)
		buf_printf(out, ", %zu amounts", d->levels_n);
	if (d->calls.cut)
		buf_printf(out, " (of the first %d names)", CALLS_MAX);
}

static const char marks[] = { ' ', '+', '-', '~' };

static void
text_put(const struct diff *d, struct buf *out)
{
	for (size_t i = 0; i < d->groups_n; i++) {
		const struct group *g = d->groups[i];

		if (g->n == 0)
			continue;
		who_put(out, g);
		buf_putc(out, '\n');
		for (size_t k = 0; k < g->n; k++)
			buf_printf(out, "  %c " STR_FMT ": " STR_FMT " -> " STR_FMT "\n",
			    marks[g->changes[k].shift], STR_ARG(g->changes[k].call->shown),
			    STR_ARG(g->changes[k].before), STR_ARG(g->changes[k].after));
	}
	for (size_t i = 0; i < d->levels_n; i++)
		buf_printf(out, "%c " STR_FMT " " STR_FMT ": " STR_FMT " -> " STR_FMT "\n",
		    marks[d->levels[i].shift], STR_ARG(d->levels[i].id), STR_ARG(d->levels[i].what),
		    STR_ARG(d->levels[i].before), STR_ARG(d->levels[i].after));
	diff_put_snippets(d, out);
	summary_put(d, out);
	buf_putc(out, '\n');
}

/* A cell of a table of Markdown. */
static void
cell_put(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (strchr("|`*_<>\\[]", s.p[i]) != NULL)
			buf_putc(out, '\\');
		buf_putc(out, s.p[i]);
	}
}

static void
row_put(struct buf *out, const struct group *g, const struct change *c)
{
	struct buf who;

	buf_init(&who, 0);
	who_put(&who, g);
	buf_puts(out, "| ");
	cell_put(out, buf_str(&who));
	buf_printf(out, " | %s | ", shift_words[c->shift]);
	cell_put(out, c->call->shown);
	buf_puts(out, " | ");
	cell_put(out, c->before);
	buf_puts(out, " | ");
	cell_put(out, c->after);
	buf_puts(out, " |\n");
	buf_fini(&who);
}

static void
markdown_put(const struct diff *d, struct buf *out)
{
	size_t rows = 0;

	buf_puts(out, "### Policy changes\n\n");
	summary_put(d, out);
	buf_puts(out, ".\n");
	for (size_t i = 0; i < d->groups_n; i++)
		for (size_t k = 0; k < d->groups[i]->n; k++) {
			if (rows++ == 0)
				buf_puts(out,
				    "\n| who | | what | before | after |\n|---|---|---|---|"
				    "---|\n");
			row_put(out, d->groups[i], &d->groups[i]->changes[k]);
		}
	if (d->levels_n > 0)
		buf_puts(out, "\n| level | | what | before | after |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < d->levels_n; i++) {
		buf_puts(out, "| ");
		cell_put(out, d->levels[i].id);
		buf_printf(out, " | %s | " STR_FMT " | " STR_FMT " | " STR_FMT " |\n",
		    shift_words[d->levels[i].shift], STR_ARG(d->levels[i].what),
		    STR_ARG(d->levels[i].before), STR_ARG(d->levels[i].after));
	}
	diff_put_snippets(d, out);
	if (rows > 0)
		buf_puts(out, "\nA name with `*` stands for all that it matches and no other line "
			      "names.\n");
}

static void
field(struct buf *out, const char *name, struct str value)
{
	buf_printf(out, "\"%s\":", name);
	buf_json_str(out, value);
}

static void
group_json(struct buf *out, const struct group *g)
{
	buf_puts(out, "{\"who\":[");
	for (size_t i = 0; i < g->who_n; i++) {
		buf_puts(out, i == 0 ? "{" : ",{");
		field(out, "id", g->who[i].id);
		if (g->who[i].key.n > 0) {
			buf_putc(out, ',');
			field(out, "key", g->who[i].key);
		}
		if (g->who[i].via.view.n > 0) {
			buf_putc(out, ',');
			field(out, "view", g->who[i].via.view);
		}
		if (g->who[i].via.client.n > 0) {
			buf_putc(out, ',');
			field(out, "client", g->who[i].via.client);
		}
		if (!g->who[i].old || !g->who[i].new)
			buf_printf(out, ",\"%s\":true", g->who[i].old ? "gone" : "new");
		buf_putc(out, '}');
	}
	buf_puts(out, "],\"changes\":[");
	for (size_t i = 0; i < g->n; i++) {
		const struct change *c = &g->changes[i];

		buf_printf(
		    out, "%s{\"direction\":\"%s\",", i == 0 ? "" : ",", shift_words[c->shift]);
		field(out, "name", c->call->shown);
		buf_putc(out, ',');
		field(out, "before", c->before);
		buf_putc(out, ',');
		field(out, "after", c->after);
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

static void
json_put(const struct diff *d, struct buf *out)
{
	size_t n = 0;

	buf_printf(out,
	    "{\"subjects\":%zu,\"names\":%zu,\"widened\":%zu,\"narrowed\":%zu,\"changed\":%zu,"
	    "\"cut\":%s,\"groups\":[",
	    d->subjects, d->calls.n, d->sum[SHIFT_WIDER], d->sum[SHIFT_NARROWER],
	    d->sum[SHIFT_OTHER], d->calls.cut ? "true" : "false");
	for (size_t i = 0; i < d->groups_n; i++) {
		if (d->groups[i]->n == 0)
			continue;
		buf_puts(out, n++ == 0 ? "" : ",");
		group_json(out, d->groups[i]);
	}
	buf_puts(out, "],\"amounts\":[");
	for (size_t i = 0; i < d->levels_n; i++) {
		const struct level_change *c = &d->levels[i];

		buf_printf(
		    out, "%s{\"direction\":\"%s\",", i == 0 ? "" : ",", shift_words[c->shift]);
		field(out, "level", c->id);
		buf_putc(out, ',');
		field(out, "what", c->what);
		buf_putc(out, ',');
		field(out, "before", c->before);
		buf_putc(out, ',');
		field(out, "after", c->after);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	diff_put_snippets(d, out);
	buf_puts(out, "}\n");
}

void
diff_put(const struct diff *d, struct buf *out)
{
	if (d->ask->form == DIFF_JSON)
		json_put(d, out);
	else if (d->ask->form == DIFF_MARKDOWN)
		markdown_put(d, out);
	else
		text_put(d, out);
}
