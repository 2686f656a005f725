/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_budget - money given at run time, from the shell.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "gateway/cli.h"

#define ARENA_BYTES ((size_t)4 << 20)

static void
grant_print(struct str g, struct arena *a)
{
	int64_t nusd = cli_number(g, "nusd");
	time_t until = (time_t)(cli_number(g, "until_ns") / 1000000000);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&until, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%MZ", &tm);
	(void)printf("%-16.*s %-24.*s %lld.%02lld USD until %s  %.*s (%.*s)\n",
	    STR_ARG(cli_text(g, "id", a)), STR_ARG(cli_text(g, "level", a)),
	    (long long)(nusd / 1000000000), (long long)(nusd % 1000000000 / 10000000), when,
	    STR_ARG(cli_text(g, "reason", a)), STR_ARG(cli_text(g, "by", a)));
}

static int
grant(const struct cli *cli)
{
	struct buf body, out;
	int64_t until = 0;
	struct arena a;
	int code;

	if (cli->until == NULL || cli->reason == NULL)
		return cli_usage("budget grant needs --until 7d and --reason TEXT");
	if (!cli_time(cli->until, &until))
		return cli_usage("--until takes a date like 2026-12-31 (its end, UTC), or 7d, 12h");
	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, "level", cli->words[1]);
	cli_member(&body, "usd", cli->words[2]);
	cli_member(&body, "reason", cli->reason);
	buf_printf(&body, ",\"until_ns\":%lld}", (long long)until);
	if (cli_asked(cli, "POST", STR("/admin/api/budget/grant"), buf_str(&body), &out, &code)) {
		arena_init(&a, ARENA_BYTES);
		grant_print(buf_str(&out), &a);
		arena_free(&a);
	}
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

static int
list(const struct cli *cli)
{
	struct json_iter it;
	struct str key, g;
	struct arena a;
	bool any = false;
	struct buf out;
	int code;

	if (cli_asked(cli, "GET", STR("/admin/api/budget/grants"), STR(""), &out, &code) &&
	    json_open(buf_str(&out), &it)) {
		arena_init(&a, ARENA_BYTES);
		while (json_next(&it, &key, &g)) {
			grant_print(g, &a);
			any = true;
		}
		if (!any)
			(void)puts("no grants");
		arena_free(&a);
	}
	buf_fini(&out);
	return code;
}

static int
revoke(const struct cli *cli)
{
	struct buf body, out;
	int code;

	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, "id", cli->words[1]);
	buf_putc(&body, '}');
	if (cli_asked(cli, "POST", STR("/admin/api/budget/revoke"), buf_str(&body), &out, &code))
		(void)puts("ok: the grant has ended");
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

int
cmd_budget(const struct cli *cli)
{
	const char *what = cli->words[0];

	if (strcmp(what, "grant") == 0)
		return grant(cli);
	return strcmp(what, "list") == 0 ? list(cli) : revoke(cli);
}
