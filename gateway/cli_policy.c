/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_policy - `tollgate policy test|explain|lint`: the policy files of this configuration, read
 * and asked without a running gateway; nothing is changed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/cli.h"
#include "policies/policies.h"

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

static int
lint(const struct core_settings *core)
{
	struct buf out;
	bool ok;

	buf_init(&out, 0);
	ok = policies_check(core, &out);
	(void)fputs(buf_cstr(&out), stderr);
	if (ok)
		(void)puts("ok");
	buf_fini(&out);
	return ok ? 0 : 1;
}

static int
explain(const struct cli *cli, const struct core_settings *core)
{
	const struct key_spec who = { .name = str_of(cli->key == NULL ? "" : cli->key),
		.customer = str_of(cli->customer == NULL ? "" : cli->customer),
		.team = str_of(cli->team == NULL ? "" : cli->team),
		.user = str_of(cli->user == NULL ? "" : cli->user) };
	struct buf out;
	struct err e;
	bool allowed = false, ok;

	buf_init(&out, 0);
	ok = policies_explain(core, &who, str_of(cli->call), &out, &allowed, &e);
	if (ok)
		(void)fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	return !ok ? cli_fail(&e) : allowed ? 0 : 1;
}

int
cmd_policy(const struct cli *cli)
{
	const char *word = cli->words_n == 1 ? cli->words[0] : "";
	const bool tests = strcmp(word, "test") == 0, lints = strcmp(word, "lint") == 0;
	struct core_settings core;
	struct settings *s;
	struct buf warnings; /* `check` tells them */
	struct err e;
	int code;

	if (!tests && !lints && strcmp(word, "explain") != 0)
		return cli_usage("policy test [--cover] [--junit FILE], policy lint, or policy "
				 "explain --call CALL");
	if (!tests && !lints && cli->call == NULL)
		return cli_usage("which call? --call 'fs/read_file {\"path\":\"/etc\"}'");
	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, &e);
	buf_fini(&warnings);
	if (s == NULL)
		return cli_fail(&e);
	settings_core(s, &core);
	code = tests ? test(cli, &core) : lints ? lint(&core) : explain(cli, &core);
	settings_free(&s);
	return code;
}
