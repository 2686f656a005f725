/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_audit_query - rows of the audit by who, what and when: `audit query` for people, `audit
 * export` for other programs, as JSON lines (the exact text that is hashed) or as CSV.
 *
 * CSV is RFC 4180.  A text that a spreadsheet would take for a formula gets an apostrophe in front:
 * some of it comes from clients.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "gateway/cli.h"
#include "gateway/cli_audit.h"

#define ROW_ARENA_BYTES ((size_t)1 << 20)

static const char *const columns[] = { "ts_ns", "id", "parent", "kind", "name", "verdict", "end",
	"customer", "team", "user", "key", "key_name", "session", "client", "address", "rule",
	"would", "why", "actor", "target", "target_name", "cost_nusd", "input_tokens",
	"output_tokens", "cache_write_tokens", "cache_read_tokens", "bytes_in", "bytes_out",
	"kept_bytes", "status", "detail", "rev" };

struct asking {
	const struct cli *cli;
	int64_t since_ns, shown;
	bool csv, lines; /* else for people */
};

/* A member, whole, or as a pattern with `*`. */
static bool
fits(struct str event, const char *member, const char *wanted, struct arena *a)
{
	return wanted == NULL || str_star(str_of(wanted), cli_text(event, member, a));
}

static bool
wanted(const struct asking *q, struct str event, struct arena *a)
{
	const struct cli *c = q->cli;

	return cli_number(event, "ts_ns") >= q->since_ns &&
	       (fits(event, "key", c->key, a) || fits(event, "key_name", c->key, a) ||
		   fits(event, "target", c->key, a) || fits(event, "target_name", c->key, a)) &&
	       fits(event, "customer", c->customer, a) && fits(event, "team", c->team, a) &&
	       fits(event, "user", c->user, a) && fits(event, "verdict", c->verdict, a) &&
	       fits(event, "name", c->name, a);
}

static void
csv_cell(struct str s, bool text)
{
	bool formula = text && s.n > 0 && memchr("=+-@\t\r", s.p[0], 6) != NULL;
	bool quoted = formula;

	for (size_t i = 0; i < s.n && !quoted; i++)
		quoted = memchr(",\"\r\n", s.p[i], 4) != NULL;
	if (!quoted) {
		(void)fwrite(s.p, 1, s.n, stdout);
		return;
	}
	(void)fputs(formula ? "\"'" : "\"", stdout);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"')
			(void)fputc('"', stdout);
		(void)fputc((unsigned char)s.p[i], stdout);
	}
	(void)fputc('"', stdout);
}

static void
csv_row(int64_t seq, struct str event, struct arena *a)
{
	(void)printf("%lld", (long long)seq);
	for (size_t i = 0; i < COUNT(columns); i++) {
		struct str raw = STR("");

		(void)fputc(',', stdout);
		if (json_get(event, str_of(columns[i]), &raw))
			csv_cell(cli_text(event, columns[i], a), json_kind(raw) == JSON_STRING);
	}
	(void)fputs("\r\n", stdout);
}

/* Untrusted texts are in it: no control byte reaches a terminal. */
static void
plain(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		(void)fputc(
		    (unsigned char)s.p[i] < ' ' || s.p[i] == 127 ? '?' : (unsigned char)s.p[i],
		    stdout);
}

void
audit_line(struct str event, struct arena *a)
{
	static const char *const shown[] = { "id", "kind", "name", "verdict", "key_name", "user",
		"target_name", "why", "detail" };
	struct str kind = cli_text(event, "kind", a);
	time_t s = (time_t)(cli_number(event, "ts_ns") / 1000000000);
	struct tm tm;

	(void)gmtime_r(&s, &tm);
	(void)printf("%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	for (size_t i = 0; i < COUNT(shown); i++) {
		struct str v = cli_text(event, shown[i], a);

		if (strcmp(shown[i], "verdict") == 0 && str_eq(v, STR("ok"))) /* how it ended */
			v = cli_text(event, "end", a);
		if (v.n == 0 || (strcmp(shown[i], "name") == 0 && str_eq(v, kind)))
			continue;
		(void)fputc(' ', stdout);
		plain(v);
	}
	if (cli_number(event, "cost_nusd") > 0)
		(void)printf(" %lld.%06lld USD",
		    (long long)(cli_number(event, "cost_nusd") / 1000000000),
		    (long long)(cli_number(event, "cost_nusd") % 1000000000 / 1000));
	(void)fputc('\n', stdout);
}

static bool
on_row(void *ctx, int64_t seq, struct str event)
{
	struct asking *q = ctx;
	struct arena a;

	arena_init(&a, ROW_ARENA_BYTES + 64 * event.n);
	if (wanted(q, event, &a)) {
		q->shown++;
		if (q->csv)
			csv_row(seq, event, &a);
		else if (q->lines)
			(void)printf(STR_FMT "\n", STR_ARG(event));
		else
			audit_line(event, &a);
	}
	arena_free(&a);
	return ferror(stdout) == 0;
}

static int
asked(struct asking *q, const char *data)
{
	const struct audit_query all = { .id = STR("") };
	struct err e;

	if (q->csv) {
		(void)fputs("seq", stdout);
		for (size_t i = 0; i < COUNT(columns); i++)
			(void)printf(",%s", columns[i]);
		(void)fputs("\r\n", stdout);
	}
	if (!audit_read(data, &all, on_row, q, &e))
		return cli_fail(&e);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		(void)err_set(&e, ERR_STORE, "the rows could not be written whole");
		return cli_fail(&e);
	}
	return 0;
}

/* A word that no row can have finds nothing, and looks as if there was nothing. */
static bool
verdict_known(const char *verdict)
{
	struct str words[ERR_COUNT], typed = str_of(verdict), near;

	for (enum err_code c = ERR_NONE; c < ERR_COUNT; c++) {
		words[c] = str_of(err_word(c));
		if (verdict == NULL || strchr(verdict, '*') != NULL || str_eq(typed, words[c]))
			return true;
	}
	near = str_nearest(typed, words, ERR_COUNT);
	(void)fprintf(stderr, "tollgate: no row has the verdict \"%s\" (%s" STR_FMT "%s)\n",
	    verdict, near.n > 0 ? "did you mean \"" : "ok, or a word of docs/errors.md",
	    STR_ARG(near), near.n > 0 ? "\"?" : "");
	return false;
}

int
audit_query(const struct cli *cli, const char *data, bool export)
{
	struct asking q = { .cli = cli, .csv = export && cli->csv, .lines = export || cli->json };

	if (cli->since != NULL && !cli_ago(cli->since, &q.since_ns))
		return cli_usage("--since takes 30m, 24h or 7d");
	if (!verdict_known(cli->verdict))
		return 2;
	return asked(&q, data);
}
