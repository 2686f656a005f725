/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_script - `tollgate script`: a script from the shell, and one from its journal.
 *
 *   run FILE --key N     what the key may do, as a call of `lua`; --plan only writes down what is
 *                        not read-only; --resume RUN goes on with a run that failed or is paused
 *   replay RUN           the same script again on the answers that it got then: nothing is called
 *
 * The exit is 0 when the script ended with DONE, and for a replay when it came to the same end.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "gateway/cli.h"

#define SCRIPT_BYTES ((size_t)1 << 20) /* more than a run takes: the sandbox says COMPILE */
#define ARENA_BYTES  ((size_t)16 << 20)

static bool
script_read(const char *file, struct buf *out)
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char piece[4096];
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_put(out, (struct str){ piece, n });
	if (f != stdin)
		(void)fclose(f);
	return buf_ok(out);
}

/* Untrusted: no control byte reaches a terminal. */
static void
plain_print(struct str s, FILE *to)
{
	for (size_t i = 0; i < s.n; i++)
		(void)fputc(s.p[i] == '\n' || s.p[i] == '\t' || (unsigned char)s.p[i] >= ' '
				? (unsigned char)s.p[i]
				: '?',
		    to);
}

/* {"same":bool,"was":END,"stop":TEXT} */
static bool
replay_print(struct str report, struct arena *a, bool print)
{
	struct str replay, same, stop;
	bool yes = false;

	if (!json_get(report, STR("replay"), &replay) || !json_get(replay, STR("same"), &same) ||
	    !json_bool(same, &yes))
		return false;
	stop = cli_text(replay, "stop", a);
	if (print && yes)
		(void)printf("the same as then\n");
	else if (print && stop.n > 0) {
		(void)printf("not the same: ");
		plain_print(stop, stdout);
		(void)printf("\n");
	} else if (print)
		(void)printf("not the same: then it ended with " STR_FMT "\n",
		    STR_ARG(cli_text(replay, "was", a)));
	return yes;
}

/* The exit; print: as text. */
static int
report_take(struct str report, bool replay, bool print)
{
	struct str end, run;
	struct arena a;
	bool ok;

	arena_init(&a, ARENA_BYTES);
	end = cli_text(report, "end", &a);
	run = cli_text(report, "run", &a);
	ok = str_eq(end, STR("DONE"));
	if (print) {
		plain_print(cli_text(report, "log", &a), stdout);
		if (!replay && ok)
			plain_print(cli_text(report, "plan", &a), stdout);
		if (ok)
			(void)printf(STR_FMT "\n", STR_ARG(cli_text(report, "value", &a)));
	}
	if (print && !ok) {
		(void)fprintf(stderr, STR_FMT ": ", STR_ARG(end));
		plain_print(cli_text(report, "message", &a), stderr);
		if (run.n > 0 && !replay)
			(void)fprintf(
			    stderr, " (run " STR_FMT "; --resume goes on with it)", STR_ARG(run));
		(void)fputc('\n', stderr);
	}
	if (replay)
		ok = replay_print(report, &a, print);
	arena_free(&a);
	return ok ? 0 : 1;
}

static int
script_ask(const struct cli *cli, struct buf *body, bool replay)
{
	struct buf out;
	int code;

	if (cli_asked(cli, "POST", STR("/admin/api/script"), buf_str(body), &out, &code))
		code = report_take(buf_str(&out), replay, true);
	else if (code == 0) /* printed as JSON */
		code = report_take(buf_str(&out), replay, false);
	buf_fini(&out);
	return code;
}

static int
script_run(const struct cli *cli)
{
	struct buf source, body;
	int code;

	buf_init(&source, SCRIPT_BYTES);
	if (!script_read(cli->words[1], &source)) {
		buf_fini(&source);
		return cli_usage("the script cannot be read, or is over 1 MiB");
	}
	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, "key", cli->key);
	if (cli->resume != NULL)
		cli_member(&body, "resume", cli->resume);
	buf_printf(&body, ",\"plan\":%s,\"code\":", cli->plan ? "true" : "false");
	buf_json_str(&body, buf_str(&source));
	buf_putc(&body, '}');
	code = script_ask(cli, &body, false);
	buf_fini(&source);
	buf_fini(&body);
	return code;
}

static int
script_replay(const struct cli *cli)
{
	struct buf body;
	int code;

	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, "replay", cli->words[1]);
	buf_putc(&body, '}');
	code = script_ask(cli, &body, true);
	buf_fini(&body);
	return code;
}

int
cmd_script(const struct cli *cli)
{
	if (cli->words_n == 2 && strcmp(cli->words[0], "run") == 0 && cli->key != NULL)
		return script_run(cli);
	if (cli->words_n == 2 && strcmp(cli->words[0], "replay") == 0 && !cli->plan &&
	    cli->resume == NULL)
		return script_replay(cli);
	return cli_usage(
	    "script run FILE --key NAME [--plan] [--resume RUN], or script replay RUN");
}
