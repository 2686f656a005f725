/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_policy - `tollgate policy …`: the policy files of this configuration, read and asked without
 * a running gateway; nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "gateway/cli.h"
#include "policies/policies.h"

#define ARENA_BYTES       ((size_t)1 << 20)
#define TOOLS_ARENA_BYTES ((size_t)64 << 20)

static bool
written(const char *path, const struct buf *report, struct err *e)
{
	FILE *f;
	bool ok;

	if (!buf_ok(report))
		return err_set(e, ERR_TOO_LARGE, "the report for %s is too long", path);
	f = fopen(path, "we");
	if (f == NULL)
		return err_set(
		    e, ERR_INVALID, "cannot write %s (%s)", path, strerrorname_np(errno));
	ok = fwrite(report->p, 1, report->n, f) == report->n;
	ok = fclose(f) == 0 && ok;
	return ok || err_set(e, ERR_INVALID, "%s is not whole: it could not be written", path);
}

static int
test(const struct cli *cli, const struct core_settings *core)
{
	struct buf tap, junit;
	struct err e;
	int code;

	buf_init(&tap, 0);
	buf_init(&junit, 0);
	code = policies_test(core, cli->cover, &tap, cli->junit == NULL ? NULL : &junit) ? 0 : 1;
	(void)fputs(buf_cstr(&tap), stdout);
	if (cli->junit != NULL && !written(cli->junit, &junit, &e))
		code = cli_fail(&e);
	buf_fini(&tap);
	buf_fini(&junit);
	return code;
}

struct linting {
	const struct cli *cli;
	const struct settings *s;
	struct buf *out;
	size_t warnings;
};

static void
snippet_told(void *ctx, const struct snippet_problem *p)
{
	struct linting *l = ctx;

	l->warnings += !p->error;
	if (!l->cli->json) {
		snippet_problem_put(l->s, p, true, l->out);
		return;
	}
	buf_puts(l->out, "{\"file\":");
	buf_json_str(l->out, p->file);
	if (p->line > 0)
		buf_printf(l->out, ",\"line\":%u", p->line);
	buf_printf(l->out, ",\"level\":\"%s\",\"text\":", p->error ? "error" : "warning");
	buf_json_str(l->out, p->text);
	buf_puts(l->out, "}\n");
}

/* Of a bundle that loads; what does not is told already. */
static bool
snippets_lint(const struct cli *cli, struct settings *s, struct buf *out)
{
	struct linting l = { .cli = cli, .s = s, .out = out };

	return snippets_check(s, snippet_told, &l) && (!cli->strict || l.warnings == 0);
}

static int
lint(const struct cli *cli, struct settings *s, const struct core_settings *core)
{
	const struct lint_ask ask = { .json = cli->json, .strict = cli->strict };
	struct buf out;
	struct err e;
	bool ok;

	buf_init(&out, 0);
	if (cli->codeowners) {
		ok = policies_codeowners(core, &out, &e);
		(void)fputs(buf_cstr(&out), stdout);
		buf_fini(&out);
		return ok ? 0 : cli_fail(&e);
	}
	ok = policies_lint(core, &ask, &out);
	ok = snippets_lint(cli, s, &out) && ok;
	(void)fputs(buf_cstr(&out), cli->json ? stdout : stderr);
	if (ok && !cli->json)
		(void)puts("ok");
	buf_fini(&out);
	return ok ? 0 : 1;
}

/* ["a","b"] as a key_spec has them: "a b". */
static struct str
words(struct str object, const char *name, struct arena *a)
{
	struct json_iter it;
	struct str list, key, raw, one, all;
	struct buf b;

	if (!json_get(object, str_of(name), &list) || !json_open(list, &it))
		return STR("");
	buf_init(&b, KEY_TEXT_BYTES);
	while (json_next(&it, &key, &raw))
		if (json_string(raw, a, &one))
			buf_printf(&b, "%s" STR_FMT, b.n > 0 ? " " : "", STR_ARG(one));
	all = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return all;
}

/* A key that is named without its owner: the gateway of this configuration knows whose it is. */
static bool
owner_find(
    const struct cli *cli, struct arena *a, struct key_spec *who, struct buf *key, struct err *e)
{
	struct buf target;
	bool ok;

	if (cli->key == NULL || who->customer.n + who->team.n + who->user.n > 0)
		return true;
	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/keys/show");
	cli_query(&target, "key", cli->key);
	ok = cli_admin(cli, "GET", buf_str(&target), STR(""), key, e);
	buf_fini(&target);
	if (!ok)
		return false;
	who->name = cli_text(buf_str(key), "name", a);
	who->customer = cli_text(buf_str(key), "customer", a);
	who->team = cli_text(buf_str(key), "team", a);
	who->user = cli_text(buf_str(key), "user", a);
	who->tags = words(buf_str(key), "tags", a);
	who->scope = words(buf_str(key), "scope", a);
	return true;
}

static int
explain(const struct cli *cli, const struct core_settings *core)
{
	struct key_spec who = { .name = str_of(cli->key == NULL ? "" : cli->key),
		.customer = str_of(cli->customer == NULL ? "" : cli->customer),
		.team = str_of(cli->team == NULL ? "" : cli->team),
		.user = str_of(cli->user == NULL ? "" : cli->user) };
	const struct explain_ask ask = { &who, str_of(cli->call), cli->json,
		{ str_of(cli->view == NULL ? "" : cli->view),
		    str_of(cli->client == NULL ? "" : cli->client) } };
	bool allowed = false, ok;
	struct buf out, key;
	struct arena a;
	struct err e;

	arena_init(&a, ARENA_BYTES);
	buf_init(&out, 0);
	buf_init(&key, 0);
	ok =
	    owner_find(cli, &a, &who, &key, &e) && policies_explain(core, &ask, &out, &allowed, &e);
	if (ok)
		(void)fputs(buf_cstr(&out), stdout);
	if (ok && cli->json)
		(void)putchar('\n');
	buf_fini(&out);
	buf_fini(&key);
	arena_free(&a);
	return !ok ? cli_fail(&e) : allowed ? 0 : 1;
}

/* ---- diff ---- */

#define TOOLS_MAX 20000

/* The tools of the running gateway of this configuration, if one runs. */
static size_t
tools_running(const struct cli *cli, const struct settings *s, struct arena *a, struct str *out)
{
	struct buf ready, rows;
	struct json_iter it;
	struct str key, t;
	struct err e;
	size_t n = 0;

	buf_init(&ready, 0);
	buf_init(&rows, 0);
	if (cli_ready(s, &ready) &&
	    cli_admin(cli, "GET", STR("/admin/api/tools"), STR(""), &rows, &e) &&
	    json_open(buf_str(&rows), &it))
		while (n < TOOLS_MAX && arena_left(a) > 4096 && json_next(&it, &key, &t))
			out[n++] = arena_str(a, cli_text(t, "tool", a));
	buf_fini(&ready);
	buf_fini(&rows);
	return n;
}

static int
diff(const struct cli *cli, const struct settings *s, const struct core_settings *core)
{
	struct diff_ask ask = { .old_dir = cli->words[1],
		.new_dir = cli->words[2],
		.form = cli->json       ? DIFF_JSON
			: cli->markdown ? DIFF_MARKDOWN
					: DIFF_TEXT };
	struct str *tools = mem_alloc(TOOLS_MAX * sizeof(*tools));
	bool widened = false, ok;
	struct arena a;
	struct buf out;
	struct err e;

	arena_init(&a, TOOLS_ARENA_BYTES);
	buf_init(&out, 0);
	ask.tools = tools;
	ask.tools_n = tools_running(cli, s, &a, tools);
	ok = policies_diff(core, &ask, &out, &widened, &e);
	if (ok && !buf_ok(&out))
		ok = err_set(&e, ERR_TOO_LARGE, "the differences are too long to be told");
	if (ok)
		(void)fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	arena_free(&a);
	free(tools);
	return !ok ? cli_fail(&e) : cli->fail_on != NULL && widened ? 1 : 0;
}

/* ---- replay ---- */

static int
replay(const struct cli *cli, const struct settings *s, const struct core_settings *core)
{
	struct replay_ask ask = { .new_dir = cli->words[1], .json = cli->json };
	struct buf out;
	struct err e;
	bool ok;

	if (!cli_ago(cli->since == NULL ? "7d" : cli->since, &ask.since_ns))
		return cli_usage("--since takes a span like 7d, 24h or 30m");
	cli_sync(s);
	buf_init(&out, 0);
	ok = policies_replay(core, &ask, &out, &e);
	if (ok)
		(void)fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	return ok ? 0 : cli_fail(&e);
}

/* ---- the command ---- */

static int
policy(const struct cli *cli, struct settings *s, const char *word)
{
	struct core_settings core;

	settings_core(s, &core);
	if (strcmp(word, "test") == 0)
		return test(cli, &core);
	if (strcmp(word, "lint") == 0)
		return lint(cli, s, &core);
	if (strcmp(word, "diff") == 0)
		return diff(cli, s, &core);
	if (strcmp(word, "rollout") == 0)
		return cli_rollout(cli, s);
	if (strcmp(word, "replay") == 0)
		return replay(cli, s, &core);
	return explain(cli, &core);
}

int
cmd_policy(const struct cli *cli)
{
	const char *word = cli->words[0];
	struct settings *s;
	struct buf warnings; /* `check` tells them */
	struct err e;
	int code;

	if (strcmp(word, "explain") == 0 && cli->call == NULL)
		return cli_usage("which call? --call 'fs/read_file {\"path\":\"/etc\"}'");
	if (cli->fail_on != NULL && strcmp(cli->fail_on, "widen") != 0)
		return cli_usage("--fail-on widen");
	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, &e);
	buf_fini(&warnings);
	if (s == NULL)
		return cli_fail(&e);
	code = policy(cli, s, word);
	settings_free(&s);
	return code;
}
