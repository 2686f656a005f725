/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_lock - `tollgate lock init|diff|approve`: mcp.lock beside what the servers list now.
 *
 * The file is a person's: it is read and written here, beside tollgate.yaml and under git, never by
 * the gateway.  What the servers list comes from the running gateway, or from the servers
 * themselves, started for the purpose.  After a change the gateway is told: a row in the audit for
 * each tool, and a reload.
 *
 * What differs is shown before it is approved, and what may be meant for a model's eyes alone with
 * it.  Hidden characters are not approved unless --force says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_form.h"
#include "base/map.h"
#include "gateway/cli.h"

#define ARENA_BYTES ((size_t)512 << 20)

struct row { /* a tool of the lock, of a server, or of both */
	enum lock_status status;
	struct lock_seen now; /* definition.p == NULL: removed */
	bool wanted;
};
struct work {
	const struct cli *cli;
	struct settings *s;
	struct lock *lock;
	struct arena a;
	struct buf reply; /* what the servers list; rows are spans of it */
	struct row *rows;
	size_t rows_n;
	struct str *names; /* of all that is listed, for the lint */
	size_t names_n, hidden, silent;
	char now[32], by[64];
};

/* ---- what there is ---- */

static const struct server_settings *
server_of(const struct work *w, struct str name)
{
	for (size_t i = 0; i < w->s->servers_n; i++)
		if (str_eq(str_of(w->s->servers[i].name), name))
			return &w->s->servers[i];
	return NULL;
}

static bool
pinned(const struct work *w, const struct server_settings *s)
{
	return s == NULL || (s->pin != PIN_UNSAID ? s->pin : w->s->pin) != PIN_OFF;
}

static void
row_add(struct work *w, const struct row *r)
{
	w->rows[w->rows_n++] = *r;
}

static void
tool_add(struct work *w, struct str source, struct str tool)
{
	struct row r = { .now = { .source = source } };

	r.now.name = cli_text(tool, "name", &w->a);
	if (!json_get(tool, STR("definition"), &r.now.definition))
		return;
	w->names[w->names_n++] = r.now.name;
	r.status = lock_compare(w->lock, &r.now);
	row_add(w, &r);
}

/* What the lock has of a server that lists without it, or of one that is in tollgate.yaml no more.
 */
static void
removed_add(struct work *w, struct str server, const struct map *listed)
{
	for (size_t i = 0; i < lock_count(w->lock); i++) {
		const struct locked *k = lock_at(w->lock, i);

		if (!str_eq(k->server, server) || map_get(listed, k->name) != NULL)
			continue;
		row_add(w, &(struct row){ .status = LOCK_REMOVED, .now = { .name = k->name } });
	}
}

static void
server_add(struct work *w, struct str server)
{
	struct str name = cli_text(server, "name", &w->a), tools, key, tool, failure;
	struct str source = cli_text(server, "source", &w->a);
	struct json_iter it;
	struct map listed;
	size_t from = w->rows_n;

	if (!pinned(w, server_of(w, name)))
		return;
	if (!str_eq(cli_text(server, "listed", &w->a), STR("true"))) {
		failure = cli_text(server, "failure", &w->a);
		(void)fprintf(stderr,
		    "tollgate: server " STR_FMT " has not listed its tools (" STR_FMT "%s" STR_FMT
		    "), nothing is said of them\n",
		    STR_ARG(name), STR_ARG(cli_text(server, "state", &w->a)),
		    failure.n > 0 ? ": " : "", STR_ARG(failure));
		w->silent++;
		return;
	}
	map_init(&listed);
	if (json_get(server, STR("tools"), &tools) && json_open(tools, &it))
		while (json_next(&it, &key, &tool))
			tool_add(w, source, tool);
	for (; from < w->rows_n; from++)
		map_set(&listed, w->rows[from].now.name, w);
	removed_add(w, name, &listed);
	map_fini(&listed);
}

static size_t
tools_count(struct str servers)
{
	struct json_iter it, tool_it;
	struct str key, server, tools, tool;
	size_t n = 0;

	if (json_open(servers, &it))
		while (json_next(&it, &key, &server))
			if (json_get(server, STR("tools"), &tools) && json_open(tools, &tool_it))
				while (json_next(&tool_it, &key, &tool))
					n++;
	return n;
}

static int
by_name(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return str_cmp(x->now.name, y->now.name);
}

static void
rows_make(struct work *w)
{
	struct str servers = buf_str(&w->reply), key, server;
	size_t n = tools_count(servers) + lock_count(w->lock);
	struct json_iter it;
	struct map none;

	w->rows = arena_zalloc(&w->a, (n + 1) * sizeof(*w->rows));
	w->names = arena_zalloc(&w->a, (n + 1) * sizeof(*w->names));
	if (json_open(servers, &it))
		while (json_next(&it, &key, &server))
			server_add(w, server);
	map_init(&none);
	for (size_t i = 0; i < lock_count(w->lock); i++) {
		struct str of = lock_at(w->lock, i)->server;

		if (server_of(w, of) == NULL &&
		    (i == 0 || !str_eq(lock_at(w->lock, i - 1)->server, of)))
			removed_add(w, of, &none);
	}
	map_fini(&none);
	if (w->rows_n > 0)
		qsort(w->rows, w->rows_n, sizeof(*w->rows), by_name);
}

/* ---- which are meant ---- */

static bool
word_means(struct str word, struct str tool)
{
	struct str rest = tool, server = str_cut(&rest, '/');

	return str_star(word, str_has(word, '/') ? tool : server);
}

static bool
rows_choose(struct work *w, struct err *e)
{
	for (size_t i = 1; i < w->cli->words_n; i++) {
		struct str word = str_of(w->cli->words[i]), near, *names;
		bool any = false;

		for (size_t k = 0; k < w->rows_n; k++)
			if (word_means(word, w->rows[k].now.name))
				any = w->rows[k].wanted = true;
		if (any)
			continue;
		names = arena_zalloc(&w->a, (w->rows_n + 1) * sizeof(*names));
		for (size_t k = 0; k < w->rows_n; k++)
			names[k] = w->rows[k].now.name;
		near = str_nearest(word, names, w->rows_n);
		return err_set(e, ERR_NOT_FOUND,
		    "no pinned server lists \"" STR_FMT "\"%s" STR_FMT "%s", STR_ARG(word),
		    near.n > 0 ? " (did you mean \"" : "", STR_ARG(near.n > 0 ? near : STR("")),
		    near.n > 0 ? "\"?)" : "");
	}
	for (size_t k = 0; w->cli->words_n < 2 && k < w->rows_n; k++)
		w->rows[k].wanted = true;
	return true;
}

static bool
differs(const struct row *r)
{
	return r->wanted && r->status != LOCK_SAME;
}

/* ---- what is said of one ---- */

struct findings {
	struct buf *out;
	enum { AS_TEXT, AS_MARKDOWN, AS_JSON } as;
	size_t n, hidden;
};

static void
finding_put(void *ctx, const struct lock_finding *f)
{
	struct findings *to = ctx;
	struct buf *out = to->out;

	to->hidden += f->hidden;
	switch (to->as) {
	case AS_JSON:
		buf_printf(out, "%s{\"hidden\":%s,\"path\":", to->n > 0 ? "," : "",
		    f->hidden ? "true" : "false");
		json_pretty_str(out, f->path);
		buf_printf(out, ",\"character\":%zu,\"text\":", f->character);
		json_pretty_str(out, f->text);
		buf_putc(out, '}');
		break;
	case AS_TEXT:
	case AS_MARKDOWN:
		buf_printf(out,
		    to->as == AS_TEXT ? "  %s: " : "* **%s**: ", f->hidden ? "hidden" : "look");
		lock_shown(out, f->path);
		buf_printf(out, ", character %zu: ", f->character);
		lock_shown(out, f->text);
		buf_putc(out, '\n');
		break;
	}
	to->n++;
}

static size_t
findings_put(const struct work *w, const struct row *r, int as, struct buf *out)
{
	struct findings to = { .out = out, .as = as };

	if (r->now.definition.p != NULL)
		lock_lint(&r->now, w->names, w->names_n, finding_put, &to);
	return to.hidden;
}

static size_t
row_text(const struct work *w, const struct row *r, struct buf *out)
{
	lock_shown(out, r->now.name);
	buf_printf(out, "  %s\n", lock_status_word(r->status));
	if (r->status != LOCK_REMOVED)
		lock_diff(out, lock_find(w->lock, r->now.name), &r->now, false);
	return findings_put(w, r, AS_TEXT, out);
}

static size_t
row_markdown(const struct work *w, const struct row *r, struct buf *out)
{
	size_t hidden;

	buf_puts(out, "\n#### ");
	buf_putc(out, '`');
	lock_shown(out, r->now.name);
	buf_printf(out, "` %s\n\n", lock_status_word(r->status));
	hidden = findings_put(w, r, AS_MARKDOWN, out);
	if (r->status != LOCK_REMOVED) {
		buf_puts(out, "\n~~~~~~diff\n");
		lock_diff(out, lock_find(w->lock, r->now.name), &r->now, true);
		buf_puts(out, "~~~~~~\n");
	}
	return hidden;
}

static size_t
row_json(const struct work *w, const struct row *r, struct buf *out)
{
	size_t hidden;

	buf_puts(out, "{\"tool\":");
	json_pretty_str(out, r->now.name);
	buf_printf(out, ",\"status\":\"%s\",\"changes\":", lock_status_word(r->status));
	if (r->status == LOCK_REMOVED)
		buf_puts(out, "[]");
	else
		lock_diff_json(out, lock_find(w->lock, r->now.name), &r->now);
	buf_puts(out, ",\"findings\":[");
	hidden = findings_put(w, r, AS_JSON, out);
	buf_puts(out, "]}");
	return hidden;
}

/* ---- diff ---- */

static int
diff(struct work *w)
{
	size_t n[LOCK_REMOVED + 1] = { 0 }, all = 0;
	struct buf out;

	for (size_t i = 0; i < w->rows_n; i++)
		if (differs(&w->rows[i])) {
			n[w->rows[i].status]++;
			all++;
		}
	buf_init(&out, (size_t)512 << 20);
	if (w->cli->json)
		buf_putc(&out, '[');
	else if (w->cli->markdown)
		buf_printf(&out, "### mcp.lock: %zu new, %zu changed, %zu removed\n", n[LOCK_NEW],
		    n[LOCK_CHANGED], n[LOCK_REMOVED]);
	for (size_t i = 0, put = 0; i < w->rows_n; i++) {
		if (!differs(&w->rows[i]))
			continue;
		if (w->cli->json && put++ > 0)
			buf_putc(&out, ',');
		(void)(w->cli->json       ? row_json
		       : w->cli->markdown ? row_markdown
					  : row_text)(w, &w->rows[i], &out);
	}
	if (w->cli->json)
		buf_puts(&out, "]\n");
	else if (all == 0 && !w->cli->markdown)
		buf_puts(&out, "ok: every tool is as it was approved\n");
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return all > 0 || w->silent > 0 ? 1 : 0;
}

/* ---- init, approve ---- */

static void
names_put(const struct work *w, struct buf *b, const char *name, bool dropped)
{
	bool first = true;

	buf_printf(b, "\"%s\":[", name);
	for (size_t i = 0; i < w->rows_n; i++) {
		const struct row *r = &w->rows[i];

		if (!differs(r) || (r->status == LOCK_REMOVED) != dropped)
			continue;
		if (!first)
			buf_putc(b, ',');
		first = false;
		buf_json_str(b, r->now.name);
	}
	buf_putc(b, ']');
}

/* The audit, and the gateway if one runs. */
static int
gateway_tell(struct work *w, const struct buf *note)
{
	struct buf out, ready;
	struct err e;
	int code = 0;

	buf_init(&out, 0);
	buf_init(&ready, 0);
	if (!cli_admin(w->cli, "POST", STR("/admin/api/lock"), buf_str(note), &out, &e))
		code = cli_fail(&e);
	buf_reset(&out);
	if (code == 0 && cli_ready(w->s, &ready) &&
	    !cli_admin(w->cli, "POST", STR("/admin/api/reload"), STR(""), &out, &e)) {
		(void)fprintf(stderr,
		    "tollgate: %s is written, and the running gateway kept the one "
		    "before: %s\n",
		    w->s->lock.path, e.text);
		code = 1;
	}
	buf_fini(&out);
	buf_fini(&ready);
	return code;
}

static void
row_take(struct work *w, struct row *r, struct buf *out)
{
	size_t hidden = row_text(w, r, out);

	if (r->status == LOCK_REMOVED) {
		(void)lock_drop(w->lock, r->now.name);
	} else if (hidden > 0 && !w->cli->force) {
		buf_puts(out, "  not approved: it has hidden characters (--force approves all the "
			      "same)\n");
		w->hidden++;
		r->wanted = false;
	} else if (lock_find(w->lock, r->now.name) == NULL &&
		   lock_count(w->lock) == LOCK_TOOLS_MAX) {
		buf_puts(out, "  not approved: a lock has at most 20,000 tools\n");
		w->hidden++;
		r->wanted = false;
	} else {
		lock_put(w->lock, &r->now, str_of(w->by), str_of(w->now));
	}
}

static int
approve(struct work *w)
{
	struct buf out, note;
	size_t n = 0;
	struct err e;
	int code = 0;

	buf_init(&out, (size_t)512 << 20);
	buf_init(&note, 0);
	for (size_t i = 0; i < w->rows_n; i++)
		if (differs(&w->rows[i])) {
			row_take(w, &w->rows[i], &out);
			n += w->rows[i].wanted;
		}
	if (out.n > 0)
		(void)fwrite(out.p, 1, out.n, stdout);
	if ((n > 0 || strcmp(w->cli->words[0], "init") == 0) &&
	    !lock_write(w->lock, w->s->lock.path, &e))
		code = cli_fail(&e);
	if (code == 0 && n > 0) {
		buf_putc(&note, '{');
		names_put(w, &note, "approved", false);
		buf_putc(&note, ',');
		names_put(w, &note, "dropped", true);
		buf_puts(&note, ",\"by\":");
		buf_json_str(&note, str_of(w->by));
		buf_putc(&note, '}');
		code = gateway_tell(w, &note);
	}
	if (code == 0)
		(void)printf("ok: %zu tools in %s, %zu of them approved or dropped now\n",
		    lock_count(w->lock), w->s->lock.path, n);
	buf_fini(&out);
	buf_fini(&note);
	return w->hidden > 0 || w->silent > 0 ? 1 : code;
}

/* ---- the command ---- */

/* A lock that init makes must not be there; what the others read need not. */
static bool
lock_open(struct work *w, struct err *e)
{
	bool init = strcmp(w->cli->words[0], "init") == 0;

	w->lock = lock_load(w->s->lock.path, e);
	if (w->lock != NULL && init)
		return err_set(e, ERR_INVALID,
		    "%s is there already (tollgate lock diff, tollgate lock approve)",
		    w->s->lock.path);
	if (w->lock == NULL && e->code == ERR_NOT_FOUND)
		w->lock = lock_empty();
	return w->lock != NULL;
}

static void
who_and_when(struct work *w)
{
	time_t t = time(NULL);
	struct tm tm;
	const char *user = getenv("USER"); /* NOLINT(concurrency-mt-unsafe): one thread */

	(void)gmtime_r(&t, &tm);
	(void)strftime(w->now, sizeof(w->now), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (w->cli->by != NULL)
		(void)snprintf(w->by, sizeof(w->by), "%s", w->cli->by);
	else if (user != NULL && user[0] != '\0')
		(void)snprintf(w->by, sizeof(w->by), "%s", user);
	else
		(void)snprintf(w->by, sizeof(w->by), "uid %d", (int)getuid());
}

static bool
work_begin(struct work *w, struct err *e)
{
	struct buf warnings;

	buf_init(&warnings, 0);
	w->s = settings_load(w->cli->config, &warnings, e);
	buf_fini(&warnings);
	who_and_when(w);
	if (w->s == NULL || !lock_open(w, e) ||
	    !cli_admin(w->cli, "GET", STR("/admin/api/lock"), STR(""), &w->reply, e) ||
	    !json_check(buf_str(&w->reply), false, e))
		return false;
	rows_make(w);
	return rows_choose(w, e);
}

int
cmd_lock(const struct cli *cli)
{
	struct work w = { .cli = cli };
	struct err e;
	int code;

	arena_init(&w.a, ARENA_BYTES);
	buf_init(&w.reply, 0);
	if (!work_begin(&w, &e))
		code = cli_fail(&e);
	else
		code = strcmp(cli->words[0], "diff") == 0 ? diff(&w) : approve(&w);
	lock_free(&w.lock);
	settings_free(&w.s);
	buf_fini(&w.reply);
	arena_free(&w.a);
	return code;
}
