/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - what the commands print.
 *
 * --json prints what the gateway said; without it the same data as short lines for people.
 */
#include "gateway/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "gateway/gateway.h"

#define ARENA_BYTES ((size_t)64 << 20)

int
cli_fail(const struct err *e)
{
	(void)fprintf(stderr, "tollgate: %s\n", e->text);
	return 1;
}

int
cli_usage(const char *text)
{
	(void)fprintf(stderr, "tollgate: %s\n", text);
	return 2;
}

static void
print_line(const struct buf *b)
{
	(void)fwrite(b->p, 1, b->n, stdout);
	(void)fputc('\n', stdout);
}

struct str
cli_text(struct str object, const char *name, struct arena *a)
{
	struct str raw, s = STR("");

	if (json_get(object, str_of(name), &raw) && !json_string(raw, a, &s))
		s = raw;
	return s;
}

bool
cli_asked(const struct cli *cli, const char *method, struct str target, struct str body,
    struct buf *out, int *code)
{
	struct err e;

	buf_init(out, 0);
	*code = 0;
	if (!cli_admin(cli, method, target, body, out, &e)) {
		*code = cli_fail(&e);
		return false;
	}
	if (cli->json)
		print_line(out);
	return !cli->json;
}

void
cli_query(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "?%s=", name);
	for (const char *p = value; *p != '\0'; p++)
		buf_printf(b, "%%%02x", (unsigned char)*p);
}

void
cli_member(struct buf *b, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
	buf_json_str(b, str_of(value));
}

int64_t
cli_number(struct str object, const char *name)
{
	struct str raw;
	int64_t n = 0;

	return json_get(object, str_of(name), &raw) && json_i64(raw, &n) ? n : 0;
}

/* ---- check, tools, quota ---- */

struct checking {
	const struct settings *s;
	struct buf *out;
};

static void
snippet_told(void *ctx, const struct snippet_problem *p)
{
	const struct checking *c = ctx;

	snippet_problem_put(c->s, p, false, c->out);
}

int
cmd_check(const struct cli *cli)
{
	struct core_settings core;
	struct settings *s;
	struct buf out;
	struct err e;
	bool ok;

	buf_init(&out, 0);
	s = settings_load(cli->config, &out, &e);
	if (s == NULL) {
		(void)fputs(buf_cstr(&out), stderr);
		buf_fini(&out);
		(void)fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	settings_core(s, &core);
	ok = settings_files_check(s, &e);
	if (!ok)
		buf_printf(&out, "%s\n", e.text);
	ok = policies_check(&core, &out) &&
	     snippets_check(s, snippet_told, &(struct checking){ s, &out }) && ok;
	(void)fputs(buf_cstr(&out), stderr);
	if (ok)
		(void)printf("ok: %zu providers, %zu models, %zu servers\n", s->providers_n,
		    s->models_n, s->servers_n);
	buf_fini(&out);
	settings_free(&s);
	return ok ? 0 : 1;
}

/* From the gateway of --url, with the key's own rights. */
static bool
fetched(const struct cli *cli, struct str path, struct buf *out, int *code)
{
	struct err e;

	buf_init(out, 0);
	*code = 0;
	if (cli->key != NULL) {
		*code =
		    cli_usage("--url asks with a key's secret (--key-env NAME), not with --key");
		return false;
	}
	if (!cli_fetch(cli, path, out, &e) || !json_check(buf_str(out), true, &e)) {
		*code = cli_fail(&e);
		return false;
	}
	if (cli->json)
		print_line(out);
	return !cli->json;
}

/* fn for each object of a JSON array. */
static void
rows_print(struct str rows, void (*fn)(struct str row, struct arena *a))
{
	struct json_iter it;
	struct str key, row;
	struct arena a;

	if (!json_open(rows, &it))
		return;
	while (json_next(&it, &key, &row)) {
		arena_init(&a, ARENA_BYTES);
		fn(row, &a);
		arena_free(&a);
	}
}

static void
tool_print(struct str t, struct arena *a)
{
	struct str allowed = cli_text(t, "allowed", a);

	(void)printf("%s %-40.*s %.*s\n",
	    allowed.n == 0 ? " " : (str_eq(allowed, STR("true")) ? "+" : "-"),
	    STR_ARG(cli_text(t, "tool", a)), STR_ARG(cli_text(t, "why", a)));
}

/* "code_mode" of /me, as the row of `lua` of the admin API. */
static void
scripts_print(struct str t, struct arena *a)
{
	(void)printf("%s %-40s %.*s; %.*s\n",
	    str_eq(cli_text(t, "listed", a), STR("true")) ? "+" : "-", "lua",
	    STR_ARG(cli_text(t, "why", a)), STR_ARG(cli_text(t, "how", a)));
}

/* GET /codemode/stubs.lua, as it is. */
static int
stubs_print(const struct cli *cli)
{
	struct buf out;
	struct err e;
	int code = 0;

	if (cli->url == NULL || cli->key != NULL)
		return cli_usage("--stubs asks with a key's secret: --url URL [--key-env NAME]");
	buf_init(&out, 0);
	if (cli_fetch(cli, STR("/codemode/stubs.lua"), &out, &e))
		(void)fwrite(out.p, 1, out.n, stdout);
	else
		code = cli_fail(&e);
	buf_fini(&out);
	return code;
}

int
cmd_tools(const struct cli *cli)
{
	struct buf target, out;
	struct str rows;
	int code;

	if (cli->stubs)
		return stubs_print(cli);
	if (cli->url != NULL) {
		if (fetched(cli, STR("/me"), &out, &code)) {
			if (json_get(buf_str(&out), STR("tools"), &rows))
				rows_print(rows, tool_print);
			if (json_get(buf_str(&out), STR("code_mode"), &rows))
				rows_print(rows, scripts_print);
		}
		buf_fini(&out);
		return code;
	}
	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/tools");
	if (cli->key != NULL)
		cli_query(&target, "key", cli->key);
	if (cli_asked(cli, "GET", buf_str(&target), STR(""), &out, &code))
		rows_print(buf_str(&out), tool_print);
	buf_fini(&target);
	buf_fini(&out);
	return code;
}

int
cmd_reload(const struct cli *cli)
{
	struct arena a;
	struct buf out;
	int code;

	if (cli_asked(cli, "POST", STR("/admin/api/reload"), STR(""), &out, &code)) {
		arena_init(&a, ARENA_BYTES);
		(void)printf("ok: policies of revision %.12s are in force\n",
		    cli_text(buf_str(&out), "rev", &a).p);
		arena_free(&a);
	}
	buf_fini(&out);
	return code;
}

int
cmd_webhook(const struct cli *cli)
{
	struct buf out;
	int code;

	if (cli_asked(cli, "POST", STR("/admin/api/webhook/test"), STR(""), &out, &code))
		(void)puts("ok: an event is on its way (the log says when it does not arrive)");
	buf_fini(&out);
	return code;
}

/* Prints where to go on; the running gateway knows when somebody has. */
static int
servers_sign_in(const struct cli *cli, const char *name)
{
	struct buf target, out;
	struct arena a;
	int code;

	buf_init(&target, 4096);
	buf_puts(&target, "/admin/api/servers/sign-in");
	cli_query(&target, "server", name);
	if (cli_asked(cli, "POST", buf_str(&target), STR(""), &out, &code)) {
		arena_init(&a, ARENA_BYTES);
		(void)printf("Open this in a browser within ten minutes, and look at `tollgate "
			     "servers` afterwards:\n\n  " STR_FMT "\n\n",
		    STR_ARG(cli_text(buf_str(&out), "address", &a)));
		arena_free(&a);
	}
	buf_fini(&out);
	buf_fini(&target);
	return code;
}

int
cmd_servers(const struct cli *cli)
{
	struct json_iter it;
	struct str key, s;
	struct arena a;
	struct buf out;
	int code;

	if (cli->words_n == 2)
		return servers_sign_in(cli, cli->words[1]);
	if (cli_asked(cli, "GET", STR("/admin/api/servers"), STR(""), &out, &code) &&
	    json_open(buf_str(&out), &it)) {
		(void)printf("%-20s %-10s %-12s %6s %8s %8s %8s  %s\n", "", "state", "era", "tools",
		    "last ms", "errors", "restarts", "last failure");
		arena_init(&a, ARENA_BYTES);
		while (json_next(&it, &key, &s))
			(void)printf("%-20.*s %-10.*s %-12.*s %6lld %8lld %8lld %8lld  %.*s\n",
			    STR_ARG(cli_text(s, "name", &a)), STR_ARG(cli_text(s, "state", &a)),
			    STR_ARG(cli_text(s, "era", &a)), (long long)cli_number(s, "tools"),
			    (long long)cli_number(s, "latency_ms"),
			    (long long)cli_number(s, "errors"),
			    (long long)cli_number(s, "restarts"),
			    STR_ARG(cli_text(s, "failure", &a)));
		arena_free(&a);
	}
	buf_fini(&out);
	return code;
}

static void
usd_print(int64_t nusd)
{
	(void)printf(
	    "%lld.%06lld", (long long)(nusd / 1000000000), (long long)(nusd % 1000000000 / 1000));
}

static void
budgets_print(struct str level, struct arena *a)
{
	struct json_iter it;
	struct str list, key, b;

	if (!json_get(level, STR("budgets"), &list) || !json_open(list, &it))
		return;
	while (json_next(&it, &key, &b)) {
		(void)printf("%-28.*s %-6.*s  used ", STR_ARG(cli_text(level, "name", a)),
		    STR_ARG(cli_text(b, "period", a)));
		usd_print(cli_number(b, "used_nusd"));
		(void)fputs("  held ", stdout);
		usd_print(cli_number(b, "held_nusd"));
		(void)fputs("  of ", stdout);
		usd_print(cli_number(b, "limit_nusd"));
		if (cli_number(b, "granted_nusd") > 0) {
			(void)fputs(" + granted ", stdout);
			usd_print(cli_number(b, "granted_nusd"));
		}
		(void)printf(" USD  resets %.*s\n", STR_ARG(cli_text(b, "resets_at", a)));
	}
}

static void
limits_print(struct str of, const char *member, struct str name, struct arena *a)
{
	struct json_iter it;
	struct str list, key, l;

	if (!json_get(of, str_of(member), &list) || !json_open(list, &it))
		return;
	while (json_next(&it, &key, &l)) {
		struct str period = cli_text(l, "period", a);
		int64_t taken = cli_number(l, "used") + cli_number(l, "held");

		(void)printf("%-28.*s %-6s  %lld of %lld %.*s%s%.*s, per %.*s",
		    STR_ARG(name.p != NULL ? name : cli_text(l, "of", a)), "limit",
		    (long long)taken, (long long)cli_number(l, "amount"),
		    STR_ARG(cli_text(l, "limit", a)), period.n > 0 ? "/" : "", STR_ARG(period),
		    STR_ARG(cli_text(l, "per", a)));
		if (period.n > 0)
			(void)printf("; whole at %.*s", STR_ARG(cli_text(l, "full_at", a)));
		(void)putchar('\n');
	}
}

static void
bounds_print(struct str reply, struct arena *a)
{
	struct json_iter it;
	struct str list, key, l;

	if (!json_get(reply, STR("script_limits"), &list) || !json_open(list, &it))
		return;
	while (json_next(&it, &key, &l))
		(void)printf("%-28s %-6s  at most %.*s a script (policy %.*s)\n", "code:run",
		    "limit", STR_ARG(cli_text(l, "text", a)), STR_ARG(cli_text(l, "policy", a)));
}

static void
quota_print(struct str reply)
{
	struct json_iter it;
	struct str levels, key, l;
	struct arena a;

	if (!json_get(reply, STR("levels"), &levels) || !json_open(levels, &it))
		return;
	arena_init(&a, ARENA_BYTES);
	while (json_next(&it, &key, &l)) {
		budgets_print(l, &a);
		limits_print(l, "limits", cli_text(l, "name", &a), &a);
	}
	limits_print(reply, "rule_limits", STR_NONE, &a);
	bounds_print(reply, &a);
	arena_free(&a);
}

int
cmd_quota(const struct cli *cli)
{
	struct buf target, out;
	int code;

	if (cli->url != NULL) {
		if (fetched(cli, STR("/v1/quota"), &out, &code))
			quota_print(buf_str(&out));
		buf_fini(&out);
		return code;
	}
	if (cli->key == NULL)
		return cli_usage("quota needs --key NAME (or --url URL --key-env NAME)");
	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/quota");
	cli_query(&target, "key", cli->key);
	if (cli_asked(cli, "GET", buf_str(&target), STR(""), &out, &code))
		quota_print(buf_str(&out));
	buf_fini(&target);
	buf_fini(&out);
	return code;
}
