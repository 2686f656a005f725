/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_key - virtual keys and admin tokens from the shell.
 *
 * A secret is printed once, by the command that made it, and nowhere else.  With --from every line
 * of a CSV becomes a key whose secret goes to a file of its own (0600): the files are made before
 * the keys are asked for, so that no secret is lost to a folder that cannot be written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "gateway/cli.h"

#define ARENA_BYTES ((size_t)16 << 20)
#define CSV_BYTES   ((size_t)1 << 20)
#define CSV_COLUMNS 8

bool
cli_span(const char *text, int64_t *seconds)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (n < 0 || n > 100000 || end == text || end[0] == '\0' || end[1] != '\0' ||
	    strchr("dhm", end[0]) == NULL)
		return false;
	*seconds = (int64_t)n * (end[0] == 'd' ? 86400 : end[0] == 'h' ? 3600 : 60);
	return true;
}

bool
cli_ago(const char *text, int64_t *ns)
{
	struct timespec now;
	int64_t seconds;

	if (!cli_span(text, &seconds))
		return false;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	*ns = ((int64_t)now.tv_sec - seconds) * 1000000000;
	return true;
}

bool
cli_time(const char *text, int64_t *ns)
{
	struct tm tm = { 0 };
	char *end = strptime(text, "%Y-%m-%d", &tm);
	struct timespec now;
	int64_t seconds;

	if (cli_span(text, &seconds)) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		*ns = ((int64_t)now.tv_sec + seconds) * 1000000000;
		return true;
	}
	if (end == NULL || *end != '\0')
		return false;
	*ns = ((int64_t)timegm(&tm) + 86400) * 1000000000;
	return true;
}

/* ---- one key ---- */

static void
line_print(struct str k)
{
	time_t until = (time_t)(cli_number(k, "expires_ns") / 1000000000);
	char when[32] = "";
	struct str name;
	struct arena a;
	struct tm tm;

	arena_init(&a, ARENA_BYTES);
	name = cli_text(k, "name", &a);
	if (until != 0 && gmtime_r(&until, &tm) != NULL)
		(void)strftime(when, sizeof(when), "  until %Y-%m-%d %H:%MZ", &tm);
	(void)printf("%-16.*s %-20.*s %-9.*s ", STR_ARG(cli_text(k, "id", &a)), STR_ARG(name),
	    STR_ARG(cli_text(k, "state", &a)));
	if (str_starts(name, STR("@")))
		(void)printf("admin token%s\n", when);
	else
		(void)printf("%.*s/%.*s/%.*s%s\n", STR_ARG(cli_text(k, "customer", &a)),
		    STR_ARG(cli_text(k, "team", &a)), STR_ARG(cli_text(k, "user", &a)), when);
	arena_free(&a);
}

static void
lines_print(struct str reply)
{
	struct json_iter it;
	struct str key, k;

	if (json_kind(reply) == JSON_OBJECT) {
		line_print(reply);
		if (!json_get(reply, STR("also"), &reply))
			return;
	}
	if (json_open(reply, &it))
		while (json_next(&it, &key, &k))
			line_print(k);
}

static void
secret_print(struct str made)
{
	struct arena a;

	arena_init(&a, ARENA_BYTES);
	(void)printf(STR_FMT "  " STR_FMT "\n", STR_ARG(cli_text(made, "id", &a)),
	    STR_ARG(cli_text(made, "key", &a)));
	(void)fputs("This is the only time the secret is shown.\n", stderr);
	arena_free(&a);
}

static int
create(const struct cli *cli)
{
	struct buf body, out;
	int64_t expires = 0;
	int code;

	if (cli->name == NULL)
		return cli_usage("key create needs --name NAME (or --from FILE.csv --out DIR)");
	if (cli->expires != NULL && !cli_time(cli->expires, &expires))
		return cli_usage("--expires takes a date like 2026-12-31, or 90d, 12h");
	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, "name", cli->name);
	cli_member(&body, "customer", cli->customer);
	cli_member(&body, "team", cli->team);
	cli_member(&body, "user", cli->user);
	cli_member(&body, "tags", cli->tags);
	cli_member(&body, "scope", cli->scope);
	cli_member(&body, "budget", cli->budget);
	buf_printf(&body, ",\"admin\":%s,\"expires_ns\":%lld}", cli->admin ? "true" : "false",
	    (long long)expires);
	if (cli_asked(cli, "POST", STR("/admin/api/keys"), buf_str(&body), &out, &code))
		secret_print(buf_str(&out));
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

static int
list(const struct cli *cli)
{
	struct buf out;
	int code;

	if (cli_asked(cli, "GET", STR("/admin/api/keys"), STR(""), &out, &code))
		lines_print(buf_str(&out));
	buf_fini(&out);
	return code;
}

static int
show(const struct cli *cli, const char *name)
{
	struct buf target, out;
	int code;

	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/keys/show");
	cli_query(&target, "key", name);
	if (cli_asked(cli, "GET", buf_str(&target), STR(""), &out, &code))
		lines_print(buf_str(&out));
	buf_fini(&target);
	buf_fini(&out);
	return code;
}

/* {"key"|"user":NAME,"state":STATE}, for one key or all of a user. */
static int
state_set(const struct cli *cli, const char *whose, const char *target, const char *state)
{
	struct buf body, out;
	int code;

	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, whose, target);
	cli_member(&body, "state", state);
	buf_putc(&body, '}');
	if (cli_asked(cli, "POST", STR("/admin/api/keys/state"), buf_str(&body), &out, &code))
		lines_print(buf_str(&out));
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

static int
budget_set(const struct cli *cli, const char *name, const char *budget)
{
	struct buf body, out;
	int code;

	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, "key", name);
	cli_member(&body, "budget", budget);
	buf_putc(&body, '}');
	if (cli_asked(cli, "POST", STR("/admin/api/keys/budget"), buf_str(&body), &out, &code))
		lines_print(buf_str(&out));
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

static int
rotate(const struct cli *cli, const char *name)
{
	struct buf body, out;
	int64_t overlap = 86400;
	int code;

	if (cli->overlap != NULL && !cli_span(cli->overlap, &overlap))
		return cli_usage("--overlap takes a span like 24h, 7d or 0m");
	buf_init(&body, 0);
	buf_putc(&body, '{');
	cli_member(&body, "key", name);
	buf_printf(&body, ",\"overlap_s\":%lld}", (long long)overlap);
	if (cli_asked(cli, "POST", STR("/admin/api/keys/rotate"), buf_str(&body), &out, &code))
		secret_print(buf_str(&out));
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

/* ---- many keys ---- */

struct csv { /* the file, and where its columns stand */
	const struct cli *cli;
	struct buf text;
	struct arena arena;
	int column[CSV_COLUMNS]; /* of each name below; -1: not there */
	int made, failed;
};
static const char *const columns[CSV_COLUMNS] = { "name", "customer", "team", "user", "tags",
	"scope", "budget", "expires" };
#define CSV_EXPIRES (CSV_COLUMNS - 1) /* the others are told as they are */

static bool
csv_load(struct csv *c, struct err *e)
{
	FILE *f = fopen(c->cli->from, "re");
	char piece[4096];
	size_t n;

	if (f == NULL)
		return err_set(
		    e, ERR_INVALID, "%s cannot be read (%s)", c->cli->from, strerrorname_np(errno));
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_put(&c->text, (struct str){ piece, n });
	(void)fclose(f);
	return buf_ok(&c->text) ||
	       err_set(e, ERR_TOO_LARGE, "%s is over 1 MiB (split it)", c->cli->from);
}

/* Fields are plain: names hold no comma, so a quote is a mistake to be told, not undone. */
static struct str
field(struct str *line)
{
	return str_trim(str_cut(line, ','));
}

static bool
csv_header(struct csv *c, struct str line, struct err *e)
{
	for (int i = 0; i < CSV_COLUMNS; i++)
		c->column[i] = -1;
	for (int at = 0; line.p != NULL; at++) {
		struct str name = field(&line), near, all[CSV_COLUMNS];
		int i = 0;

		for (int k = 0; k < CSV_COLUMNS; k++)
			all[k] = str_of(columns[k]);
		while (i < CSV_COLUMNS && !str_ieq(name, all[i]))
			i++;
		near = str_nearest(name, all, CSV_COLUMNS);
		if (i == CSV_COLUMNS)
			return err_set(e, ERR_INVALID,
			    "%s:1: unknown column \"" STR_FMT "\"%s" STR_FMT "%s", c->cli->from,
			    STR_ARG(name),
			    near.n > 0 ? " (did you mean \""
				       : " (the first line names columns: name,customer,team,user,"
					 "expires,tags,scope,budget)",
			    STR_ARG(near), near.n > 0 ? "\"?)" : "");
		c->column[i] = at;
	}
	return c->column[0] >= 0 ||
	       err_set(e, ERR_INVALID, "%s:1: there is no column \"name\"", c->cli->from);
}

static const char *
cell(struct csv *c, struct str line, int column)
{
	struct str f = STR("");

	if (c->column[column] < 0)
		return NULL;
	for (int at = 0; at <= c->column[column] && line.p != NULL; at++) {
		f = field(&line);
		if (at < c->column[column])
			f = STR("");
	}
	return f.n > 0 ? arena_cstr(&c->arena, f) : NULL;
}

/* Makes the file, then the key, then fills the file; what failed leaves neither. */
static bool
csv_key(struct csv *c, const char *const v[CSV_COLUMNS], struct err *e)
{
	int64_t expires = 0;
	struct buf body, out;
	struct str path;
	bool ok = false;
	int fd;

	if (v[0] == NULL)
		return err_set(e, ERR_INVALID, "the name is missing");
	if (strchr(v[0], '/') != NULL)
		return err_set(e, ERR_INVALID, "a key's name has no slash");
	if (v[CSV_EXPIRES] != NULL && !cli_time(v[CSV_EXPIRES], &expires))
		return err_set(e, ERR_INVALID, "expires takes a date like 2026-12-31, or 90d");
	path = arena_printf(&c->arena, "%s/%s.key", c->cli->out, v[0]);
	fd = open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(
		    e, ERR_INVALID, "cannot make %s (%s)", path.p, strerrorname_np(errno));
	buf_init(&body, 0);
	buf_init(&out, 0);
	buf_putc(&body, '{');
	for (int i = 0; i < CSV_EXPIRES; i++)
		cli_member(&body, columns[i], v[i]);
	buf_printf(&body, ",\"expires_ns\":%lld}", (long long)expires);
	if (cli_admin(c->cli, "POST", STR("/admin/api/keys"), buf_str(&body), &out, e)) {
		struct str secret = cli_text(buf_str(&out), "key", &c->arena);

		ok = write(fd, secret.p, secret.n) == (ssize_t)secret.n &&
		     write(fd, "\n", 1) == 1 && fsync(fd) == 0;
		if (!ok)
			(void)err_set(e, ERR_STORE,
			    "%s cannot be written; revoke the key that was made (key revoke %s)",
			    path.p, v[0]);
	}
	(void)close(fd);
	if (!ok)
		(void)unlink(path.p);
	buf_fini(&body);
	buf_fini(&out);
	return ok;
}

static void
csv_rows(struct csv *c, struct str rest)
{
	struct err e;

	for (int line_n = 2; rest.p != NULL && rest.n > 0; line_n++) {
		struct str line = str_cut(&rest, '\n');
		const char *v[CSV_COLUMNS];

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (str_trim(line).n == 0)
			continue;
		for (int i = 0; i < CSV_COLUMNS; i++)
			v[i] = cell(c, line, i);
		if (csv_key(c, v, &e)) {
			c->made++;
			continue;
		}
		c->failed++;
		(void)fprintf(stderr, "%s:%d: %s\n", c->cli->from, line_n, e.text);
	}
}

static int
create_many(const struct cli *cli)
{
	struct csv c = { .cli = cli };
	struct str rest, head;
	struct err e;
	bool ok;

	if (cli->out == NULL)
		return cli_usage("--from needs --out DIR, where each key gets a file of its own");
	if (cli->name != NULL)
		return cli_usage("--from and --name exclude each other");
	buf_init(&c.text, CSV_BYTES);
	arena_init(&c.arena, ARENA_BYTES);
	ok = csv_load(&c, &e);
	rest = (struct str){ buf_cstr(&c.text), c.text.n };
	head = str_cut(&rest, '\n');
	if (head.n > 0 && head.p[head.n - 1] == '\r')
		head.n--;
	ok = ok && csv_header(&c, head, &e);
	if (ok && mkdir(cli->out, 0700) != 0 && errno != EEXIST)
		ok = err_set(
		    &e, ERR_INVALID, "cannot make %s (%s)", cli->out, strerrorname_np(errno));
	if (ok) {
		csv_rows(&c, rest);
		(void)printf(
		    cli->json ? "{\"made\":%d,\"failed\":%d}\n" : "%d keys made, %d failed\n",
		    c.made, c.failed);
	}
	buf_fini(&c.text);
	arena_free(&c.arena);
	if (!ok)
		return cli_fail(&e);
	return c.failed > 0 ? 1 : 0;
}

int
cmd_key(const struct cli *cli)
{
	const char *what = cli->words[0];
	const char *name = cli->words_n > 1 ? cli->words[1] : NULL;

	if (strcmp(what, "create") == 0)
		return cli->from != NULL ? create_many(cli) : create(cli);
	if (strcmp(what, "list") == 0)
		return list(cli);
	if (strcmp(what, "revoke") == 0 && cli->user != NULL)
		return name == NULL ? state_set(cli, "user", cli->user, "revoked")
				    : cli_usage("key revoke KEY, or all of --user U, not both");
	if (strcmp(what, "budget") == 0)
		return budget_set(cli, name, cli->words[2]);
	if (name == NULL) /* of revoke, which may do without */
		return cli_usage("which key? (its name or id; tollgate key list)");
	if (strcmp(what, "show") == 0)
		return show(cli, name);
	if (strcmp(what, "rotate") == 0)
		return rotate(cli, name);
	return state_set(cli, "key", name,
	    strcmp(what, "disable") == 0  ? "disabled"
	    : strcmp(what, "enable") == 0 ? "active"
					  : "revoked");
}
