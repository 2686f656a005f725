/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_approve - `tollgate approve`: what waits for a yes, and saying it.
 *
 * Through the control socket it is the operator who answers; with --url a user, with a key of their
 * own.  Names and arguments come shown already: nothing in them reaches a terminal as more than
 * letters.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "gateway/cli.h"

#define ARENA_BYTES ((size_t)1 << 20)

static void
request_print(struct str r)
{
	struct arena a;
	struct str by;
	time_t s = (time_t)(cli_number(r, "expires_ns") / 1000000000);
	struct tm tm;

	arena_init(&a, ARENA_BYTES + r.n);
	(void)gmtime_r(&s, &tm);
	by = cli_text(r, "by", &a);
	(void)printf("%-20.*s %-8.*s " STR_FMT " " STR_FMT "\n", STR_ARG(cli_text(r, "id", &a)),
	    STR_ARG(cli_text(r, "state", &a)), STR_ARG(cli_text(r, "tool", &a)),
	    STR_ARG(cli_text(r, "arguments", &a)));
	(void)printf("    " STR_FMT "\n    asked by key " STR_FMT " (user " STR_FMT
		     "), until %02d:%02d:%02d UTC\n",
	    STR_ARG(cli_text(r, "why", &a)), STR_ARG(cli_text(r, "key_name", &a)),
	    STR_ARG(cli_text(r, "user", &a)), tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (by.n > 0)
		(void)printf("    " STR_FMT " by " STR_FMT " " STR_FMT "\n",
		    STR_ARG(cli_text(r, "state", &a)), STR_ARG(by),
		    STR_ARG(cli_text(r, "reason", &a)));
	arena_free(&a);
}

static void
list_print(struct str rows)
{
	struct json_iter it;
	struct str key, r;
	bool any = false;

	if (!json_open(rows, &it))
		return;
	while (json_next(&it, &key, &r)) {
		request_print(r);
		any = true;
	}
	if (!any)
		(void)puts("nothing waits for an approval");
}

/* From the gateway of --url, as the user whose key is in the environment; body.p == NULL: GET. */
static bool
asked_at(const struct cli *cli, struct str body, struct buf *out, int *code)
{
	struct err e;

	buf_init(out, 0);
	*code = 0;
	if (!cli_send(cli, STR("/approvals/key"), body, out, &e) ||
	    !json_check(buf_str(out), true, &e)) {
		*code = cli_fail(&e);
		return false;
	}
	if (cli->json)
		(void)printf(STR_FMT "\n", STR_ARG(buf_str(out)));
	return !cli->json;
}

static int
list(const struct cli *cli)
{
	struct buf out;
	int code;

	if (cli->url != NULL
		? asked_at(cli, STR_NONE, &out, &code)
		: cli_asked(cli, "GET", STR("/admin/api/approvals"), STR(""), &out, &code))
		list_print(buf_str(&out));
	buf_fini(&out);
	return code;
}

static void
body_put(struct buf *b, const struct cli *cli)
{
	buf_putc(b, '{');
	cli_member(b, "id", cli->words[0]);
	cli_member(b, "decision", cli->deny ? "deny" : "approve");
	cli_member(b, "reason", cli->reason);
	buf_putc(b, '}');
}

int
cmd_approve(const struct cli *cli)
{
	struct buf body, out;
	int code;

	if (cli->list && cli->words_n == 0)
		return list(cli);
	if (cli->words_n != 1 || cli->list)
		return cli_usage("approve ID [--deny] [--reason TEXT], or approve --list");
	buf_init(&body, 0);
	body_put(&body, cli);
	if (cli->url != NULL
		? asked_at(cli, buf_str(&body), &out, &code)
		: cli_asked(cli, "POST", STR("/admin/api/approvals"), buf_str(&body), &out, &code))
		request_print(buf_str(&out));
	buf_fini(&out);
	buf_fini(&body);
	return code;
}
