/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_audit - usage and audit: read from the database, needs no running gateway.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/map.h"
#include "gateway/cli.h"
#include "gateway/cli_audit.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define DEPTH_MAX   8

static bool
data_of(const struct cli *cli, char out[4096], struct err *e)
{
	struct buf warnings;
	struct settings *s;

	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, e);
	buf_fini(&warnings);
	if (s == NULL)
		return false;
	cli_sync(s);
	(void)str_copy(out, 4096, str_of(s->data));
	settings_free(&s);
	return true;
}

/* ---- usage ---- */

static void
usage_row_print(struct str r, struct arena *a)
{
	long long cost = cli_number(r, "cost_nusd"), cpu_us = cli_number(r, "cpu_us");

	(void)printf("%-28.*s %9lld %9lld %6lld %8lld %12lld %12lld %7lld.%06lld %12lld %10lld "
		     "%6lld.%03lld %8lld\n",
	    STR_ARG(cli_text(r, "name", a)), (long long)cli_number(r, "requests"),
	    (long long)cli_number(r, "calls"), (long long)cli_number(r, "runs"),
	    (long long)cli_number(r, "refused"), (long long)cli_number(r, "input_tokens"),
	    (long long)cli_number(r, "output_tokens"), cost / 1000000000, cost % 1000000000 / 1000,
	    (long long)cli_number(r, "kept_bytes"),
	    (long long)cli_number(r, "kept_tokens_estimate"), cpu_us / 1000000,
	    cpu_us % 1000000 / 1000, (long long)(cli_number(r, "memory_kb") + 1023) / 1024);
}

/* What scripts kept out of contexts is counted in bytes; tokens are estimated from them. */
static void
usage_print(struct str rows)
{
	struct json_iter it;
	struct str key, r;
	struct arena a;

	(void)printf("%-28s %9s %9s %6s %8s %12s %12s %14s %12s %10s %10s %8s\n", "", "requests",
	    "calls", "runs", "refused", "input", "output", "cost USD", "kept bytes", "~tokens",
	    "CPU s", "max MiB");
	arena_init(&a, ARENA_BYTES);
	if (json_open(rows, &it))
		while (json_next(&it, &key, &r))
			usage_row_print(r, &a);
	arena_free(&a);
}

int
cmd_usage(const struct cli *cli)
{
	char data[4096];
	int64_t since_ns = 0;
	struct buf out;
	struct err e;
	bool ok;

	if (cli->since != NULL && !cli_ago(cli->since, &since_ns))
		return cli_usage("--since takes 30m, 24h or 7d");
	if (!data_of(cli, data, &e))
		return cli_fail(&e);
	buf_init(&out, 0);
	ok = usage_json(data, str_of(cli->by != NULL ? cli->by : "team"), since_ns, &out, &e);
	if (ok && cli->json)
		(void)printf(STR_FMT "\n", STR_ARG(buf_str(&out)));
	else if (ok)
		usage_print(buf_str(&out));
	buf_fini(&out);
	return ok ? 0 : cli_fail(&e);
}

/* ---- audit ---- */

struct row {
	struct str id, parent, tool_use, tool_uses, event;
	bool shown;
};
struct rows {
	struct arena a;
	struct row *row;
	size_t n, cap;
};

static bool
print_row(void *ctx, int64_t seq, struct str event)
{
	(void)ctx;
	(void)seq;
	(void)printf(STR_FMT "\n", STR_ARG(event));
	return true;
}

static bool
print_line(void *ctx, int64_t seq, struct str event)
{
	struct arena a;

	(void)ctx;
	(void)seq;
	arena_init(&a, ARENA_BYTES);
	audit_line(event, &a);
	arena_free(&a);
	return true;
}

static bool
keep_row(void *ctx, int64_t seq, struct str event)
{
	struct rows *all = ctx;
	struct row *r;

	(void)seq;
	if (arena_left(&all->a) < event.n + 65536)
		return false;
	if (all->n == all->cap) {
		all->cap = all->cap == 0 ? 64 : all->cap * 2;
		all->row = mem_realloc(all->row, all->cap * sizeof(*all->row));
	}
	r = &all->row[all->n++];
	r->event = arena_str(&all->a, event);
	r->id = cli_text(r->event, "id", &all->a);
	r->parent = cli_text(r->event, "parent", &all->a);
	r->tool_use = cli_text(r->event, "tool_use", &all->a);
	r->tool_uses = cli_text(r->event, "tool_uses", &all->a);
	r->shown = false;
	return true;
}

static void
row_print(struct row *r, int depth, struct arena *a)
{
	int64_t entered = cli_number(r->event, "entered_ns");
	time_t s = (time_t)(entered / 1000000000);
	struct tm tm;
	struct str verdict = cli_text(r->event, "verdict", a), end = cli_text(r->event, "end", a);
	struct str use = cli_text(r->event, "tool_use", a);

	(void)gmtime_r(&s, &tm);
	(void)printf("%*s%02d:%02d:%02d.%03d %.*s %.*s %.*s%s%.*s", depth * 2, "", tm.tm_hour,
	    tm.tm_min, tm.tm_sec, (int)(entered / 1000000 % 1000), STR_ARG(r->id),
	    STR_ARG(cli_text(r->event, "kind", a)), STR_ARG(cli_text(r->event, "name", a)), " ",
	    STR_ARG(str_eq(verdict, STR("ok")) ? end : verdict));
	if (cli_number(r->event, "cost_nusd") > 0)
		(void)printf(" %lld.%06lld USD",
		    (long long)(cli_number(r->event, "cost_nusd") / 1000000000),
		    (long long)(cli_number(r->event, "cost_nusd") % 1000000000 / 1000));
	if (use.n > 0)
		(void)printf(" (" STR_FMT ")", STR_ARG(use));
	(void)fputc('\n', stdout);
	r->shown = true;
}

/* A run's calls name it; a call that a model asked for carries one of its tool-use ids. */
static bool
is_kid(const struct row *kid, const struct row *of)
{
	struct str uses = of->tool_uses;

	if (kid == of)
		return false;
	if (kid->parent.n > 0)
		return str_eq(kid->parent, of->id);
	while (kid->tool_use.n > 0 && uses.p != NULL)
		if (str_eq(str_cut(&uses, ' '), kid->tool_use))
			return true;
	return false;
}

/* Bounded by DEPTH_MAX: a run's calls are one level below it. */
// NOLINTNEXTLINE(misc-no-recursion)
static void
tree_print(struct rows *all, size_t at, int depth)
{
	row_print(&all->row[at], depth, &all->a);
	if (depth == DEPTH_MAX)
		return;
	for (size_t i = 0; i < all->n; i++)
		if (!all->row[i].shown && is_kid(&all->row[i], &all->row[at]))
			tree_print(all, i, depth + 1);
}

static int
by_entered(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int64_t dx = cli_number(x->event, "entered_ns"), dy = cli_number(y->event, "entered_ns");

	return dx < dy ? -1 : dx > dy;
}

/* One session as a tree: model requests and runs in order, a run's calls below it. */
static void
rows_print(struct rows *all)
{
	struct str session = STR("");

	qsort(all->row, all->n, sizeof(*all->row), by_entered);
	for (size_t i = 0; i < all->n && session.n == 0; i++)
		session = cli_text(all->row[i].event, "session", &all->a);
	if (session.n > 0)
		(void)printf("session " STR_FMT "\n", STR_ARG(session));
	for (size_t i = 0; i < all->n; i++) {
		bool has_parent = false;

		for (size_t k = 0; k < all->n; k++)
			has_parent |=
			    all->row[i].parent.n > 0 && str_eq(all->row[k].id, all->row[i].parent);
		if (!has_parent && !all->row[i].shown)
			tree_print(all, i, session.n > 0 ? 1 : 0);
	}
}

static int
audit_show(const struct cli *cli, const char *data)
{
	struct audit_query q = { .id = str_of(cli->words[1]) };
	struct rows all = { 0 };
	struct err e;
	bool ok;

	arena_init(&all.a, ARENA_BYTES);
	ok = audit_read(data, &q, cli->json ? print_row : keep_row, &all, &e);
	if (ok && !cli->json && all.n == 0)
		ok = err_set(&e, ERR_NOT_FOUND, "no row has the id \"%s\" (tollgate audit tail)",
		    cli->words[1]);
	else if (ok && !cli->json)
		rows_print(&all);
	free(all.row);
	arena_free(&all.a);
	return ok ? 0 : cli_fail(&e);
}

static int
verify(const char *data)
{
	struct buf out;
	struct err e;
	bool ok;

	buf_init(&out, 0);
	ok = audit_verify(data, &out, &e);
	if (out.n > 0)
		(void)printf(STR_FMT "\n", STR_ARG(buf_str(&out)));
	else if (!ok)
		(void)cli_fail(&e);
	buf_fini(&out);
	return ok ? 0 : 1;
}

int
cmd_audit(const struct cli *cli)
{
	const char *what = cli->words[0];
	struct audit_query q = { .newest = true, .limit = 20 };
	char data[4096];
	struct err e;

	if (cli->n != NULL && (!str_i64(str_of(cli->n), &q.limit) || q.limit < 1))
		return cli_usage("-n takes a number from 1");
	if (strcmp(what, "verify") == 0 && cli->words_n == 2)
		return verify(cli->words[1]); /* a copy needs no configuration */
	if (!data_of(cli, data, &e))
		return cli_fail(&e);
	if (strcmp(what, "verify") == 0)
		return verify(data);
	if (strcmp(what, "tail") == 0)
		return audit_read(data, &q, cli->json ? print_row : print_line, NULL, &e)
			   ? 0
			   : cli_fail(&e);
	if (strcmp(what, "show") == 0)
		return audit_show(cli, data);
	return audit_query(cli, data, strcmp(what, "export") == 0);
}
