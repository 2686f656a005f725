/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_script - `tollgate script`: a script from the shell, and one from its journal.
 *
 *   run FILE --key N     what the key may do, as a call of `lua`; --plan only writes down what is
 *                        not read-only; --resume RUN goes on with a run that failed or is paused
 *   replay RUN           the same script again on the answers that it got then: nothing is called
 *   list [--key N]       the snippets that the key sees, or all
 *   save RUN NAME        the script of a run that worked as a snippet: a new file beside the
 *                        policies, for a person to read
 *
 * The exit is 0 when the script ended with DONE, and for a replay when it came to the same end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/json.h"
#include "gateway/cli.h"

#define SCRIPT_BYTES ((size_t)1 << 20) /* more than a run takes: the sandbox says COMPILE */
#define ARENA_BYTES  ((size_t)16 << 20)

static bool
script_read(const char *file, struct buf *out, struct err *e)
{
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	char piece[4096];
	bool ok;
	size_t n;

	if (f == NULL)
		return err_set(e, ERR_INVALID, "%s cannot be read: %m", file);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_put(out, (struct str){ piece, n });
	ok = ferror(f) == 0 || err_set(e, ERR_INVALID, "%s cannot be read: %m", file);
	if (f != stdin)
		(void)fclose(f);
	return ok &&
	       (buf_ok(out) || err_set(e, ERR_TOO_LARGE, "%s is over 1 MiB, no script", file));
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
	struct str replay, same, stop, changed;
	bool yes = false;

	if (!json_get(report, STR("replay"), &replay) || !json_get(replay, STR("same"), &same) ||
	    !json_bool(same, &yes))
		return false;
	stop = cli_text(replay, "stop", a);
	changed = cli_text(replay, "changed", a);
	if (print && yes)
		(void)printf("the same as then\n");
	else if (print && stop.n > 0) {
		(void)printf("not the same: ");
		plain_print(stop, stdout);
		(void)printf("\n");
	} else if (print)
		(void)printf("not the same: then it ended with " STR_FMT "\n",
		    STR_ARG(cli_text(replay, "was", a)));
	if (print && changed.n > 0) {
		(void)printf("snippets have changed since: ");
		plain_print(changed, stdout);
		(void)printf("\n");
	}
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
	struct err e;
	int code;

	if (cli->key == NULL)
		return cli_usage("script run needs --key NAME, whose rights the script has");
	buf_init(&source, SCRIPT_BYTES);
	if (!script_read(cli->words[1], &source, &e)) {
		buf_fini(&source);
		return cli_fail(&e);
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

/* ---- snippets ---- */

static void
row_print(struct str row)
{
	struct arena a;
	struct str text;

	arena_init(&a, ARENA_BYTES);
	text = cli_text(row, "description", &a);
	(void)printf("%-24.*s %.*s  %.*s\n  ", STR_ARG(cli_text(row, "name", &a)),
	    STR_ARG(cli_text(row, "version", &a)), STR_ARG(cli_text(row, "file", &a)));
	plain_print(cli_text(row, "signature", &a), stdout);
	(void)printf("\n  ");
	plain_print(str_cut(&text, '\n'), stdout);
	(void)printf("\n");
	arena_free(&a);
}

static int
script_list(const struct cli *cli)
{
	struct buf target, out;
	struct json_iter it;
	struct str key, row;
	int code;

	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/snippets");
	if (cli->key != NULL)
		cli_query(&target, "key", cli->key);
	if (cli_asked(cli, "GET", buf_str(&target), STR(""), &out, &code) &&
	    json_open(buf_str(&out), &it))
		while (json_next(&it, &key, &row))
			row_print(row);
	buf_fini(&target);
	buf_fini(&out);
	return code;
}

/* A file of the folder that was not there; false: *e. */
static bool
file_make(int folder, const char *name, const char *path, struct str text, struct err *e)
{
	int fd;
	bool ok;

	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_INVALID,
		    "%s is there already: nothing was written (take another name)", path);
	if (fd < 0)
		return err_set(e, ERR_INVALID, "%s cannot be written: %m", path);
	ok = write(fd, text.p, text.n) == (ssize_t)text.n;
	ok = close(fd) == 0 && ok;
	if (ok)
		return true;
	(void)unlinkat(folder, name, 0);
	return err_set(e, ERR_INVALID, "%s could not be written whole: %m", path);
}

/* FOLDER/snippets/NAME.lua of the policies, and nowhere that a link leads out to. */
static bool
file_place(const char *policies, const char *path, struct str text, struct err *e)
{
	const char *rel = path + strlen(policies) + 1, *name = strrchr(path, '/') + 1;
	char folder[4096];
	struct folder all;
	bool ok;
	int fd;

	(void)str_copy(folder, sizeof(folder), STR_SPAN(rel, name - 1));
	ok = folder_open(&all, policies, e);
	fd = ok ? folder_make(&all, folder, e) : -1;
	ok = fd >= 0 && file_make(fd, name, path, text, e);
	if (fd >= 0)
		(void)close(fd);
	folder_close(&all);
	return ok;
}

/* Where this configuration's policies are: the gateway only gives the text. */
static bool
snippet_write(const struct cli *cli, struct str reply, char path[4096], struct err *e)
{
	struct buf problems;
	struct settings *s;
	struct str folder;
	struct arena a;
	bool ok = false;

	buf_init(&problems, 0);
	s = settings_load(cli->config, &problems, e);
	buf_fini(&problems);
	if (s == NULL)
		return false;
	arena_init(&a, ARENA_BYTES);
	folder = cli_text(reply, "folder", &a);
	if (snprintf(path, 4096, "%s/" STR_FMT "/" SNIPPET_FOLDER "/%s.lua", s->policies,
		STR_ARG(folder), cli->words[2]) < 4096)
		ok = file_place(s->policies, path, cli_text(reply, "text", &a), e);
	else
		(void)err_set(e, ERR_INVALID, "the path of the policies is too long");
	arena_free(&a);
	settings_free(&s);
	return ok;
}

static int
script_save(const struct cli *cli)
{
	struct buf body, out;
	char path[4096];
	struct err e;
	int code = 0;

	buf_init(&body, 0);
	buf_init(&out, 0);
	buf_putc(&body, '{');
	cli_member(&body, "run", cli->words[1]);
	cli_member(&body, "name", cli->words[2]);
	cli_member(&body, "description", cli->description);
	cli_member(&body, "to", cli->to);
	buf_putc(&body, '}');
	if (!cli_admin(cli, "POST", STR("/admin/api/snippets"), buf_str(&body), &out, &e) ||
	    !snippet_write(cli, buf_str(&out), path, &e)) {
		code = cli_fail(&e);
	} else if (cli->json) {
		buf_reset(&body);
		buf_puts(&body, "{\"file\":");
		buf_json_str(&body, str_of(path));
		(void)printf("%s}\n", buf_cstr(&body));
	} else {
		(void)printf("%s\n", path);
	}
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

int
cmd_script(const struct cli *cli)
{
	const char *what = cli->words[0];

	if (strcmp(what, "list") == 0)
		return script_list(cli);
	if (strcmp(what, "save") == 0)
		return script_save(cli);
	return strcmp(what, "run") == 0 ? script_run(cli) : script_replay(cli);
}
