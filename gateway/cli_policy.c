/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_policy - `tollgate policy test|explain|lint`: the policy files of this configuration, read
 * and asked without a running gateway; nothing is changed.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/cli.h"
#include "policies/policies.h"

static int
test_or_lint(const struct core_settings *core, bool test)
{
	struct buf out;
	bool ok;

	buf_init(&out, 0);
	ok = test ? policies_test(core, &out) : policies_check(core, &out);
	(void)fputs(buf_cstr(&out), test ? stdout : stderr);
	if (ok && !test)
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
	const bool test = strcmp(word, "test") == 0, lint = strcmp(word, "lint") == 0;
	struct core_settings core;
	struct settings *s;
	struct buf warnings; /* `check` tells them */
	struct err e;
	int code;

	if (!test && !lint && strcmp(word, "explain") != 0)
		return cli_usage("policy test, policy lint, or policy explain --call CALL");
	if (!test && !lint && cli->call == NULL)
		return cli_usage("which call? --call 'fs/read_file {\"path\":\"/etc\"}'");
	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, &e);
	buf_fini(&warnings);
	if (s == NULL)
		return cli_fail(&e);
	settings_core(s, &core);
	code = test || lint ? test_or_lint(&core, test) : explain(cli, &core);
	settings_free(&s);
	return code;
}
