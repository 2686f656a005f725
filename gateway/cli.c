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

#define ARENA_BYTES  ((size_t)64 << 20)
#define SCRIPT_BYTES ((size_t)1 << 20) /* more than a run takes: the sandbox says COMPILE */

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
print(const struct buf *b)
{
	(void)fwrite(b->p, 1, b->n, stdout);
	(void)fputc('\n', stdout);
}

static struct str
text_of(struct str object, const char *name, struct arena *a)
{
	struct str raw, s = STR("");

	if (json_get(object, str_of(name), &raw) && !json_string(raw, a, &s))
		s = raw;
	return s;
}

/* Asks; prints the JSON with --json, else leaves it in *out for the caller to show. */
static bool
asked(const struct cli *cli, const char *method, struct str target, struct str body,
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
		print(out);
	return !cli->json;
}

static void
query_put(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "?%s=", name);
	for (const char *p = value; *p != '\0'; p++)
		buf_printf(b, "%%%02x", (unsigned char)*p);
}

/* ---- key ---- */

static void
member(struct buf *b, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(b, "%s\"%s\":", b->n > 1 ? "," : "", name);
	buf_json_str(b, str_of(value));
}

/* 2026-12-31, midnight UTC at its end. */
static bool
date_read(const char *text, int64_t *ns)
{
	struct tm tm = { 0 };
	char *end = strptime(text, "%Y-%m-%d", &tm);

	if (end == NULL || *end != '\0')
		return false;
	*ns = ((int64_t)timegm(&tm) + 86400) * 1000000000;
	return true;
}

static int
key_create_cmd(const struct cli *cli)
{
	struct buf body, out;
	int64_t expires = 0;
	struct arena a;
	int code;

	if (cli->name == NULL)
		return cli_usage("key create needs --name NAME");
	if (cli->expires != NULL && !date_read(cli->expires, &expires))
		return cli_usage("--expires takes a date like 2026-12-31");
	buf_init(&body, 0);
	buf_putc(&body, '{');
	member(&body, "name", cli->name);
	member(&body, "customer", cli->customer);
	member(&body, "team", cli->team);
	member(&body, "user", cli->user);
	buf_printf(&body, ",\"expires_ns\":%lld}", (long long)expires);
	if (asked(cli, "POST", STR("/admin/api/keys"), buf_str(&body), &out, &code)) {
		arena_init(&a, ARENA_BYTES);
		(void)printf(STR_FMT "  " STR_FMT "\n", STR_ARG(text_of(buf_str(&out), "id", &a)),
		    STR_ARG(text_of(buf_str(&out), "key", &a)));
		(void)fputs("This is the only time the secret is shown.\n", stderr);
		arena_free(&a);
	}
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

static void
key_line(struct str k, struct arena *a)
{
	(void)printf("%-16.*s %-20.*s %-9.*s %.*s/%.*s/%.*s\n", STR_ARG(text_of(k, "id", a)),
	    STR_ARG(text_of(k, "name", a)), STR_ARG(text_of(k, "state", a)),
	    STR_ARG(text_of(k, "customer", a)), STR_ARG(text_of(k, "team", a)),
	    STR_ARG(text_of(k, "user", a)));
}

static int
key_list_cmd(const struct cli *cli)
{
	struct json_iter it;
	struct str key, k;
	struct arena a;
	struct buf out;
	int code;

	if (asked(cli, "GET", STR("/admin/api/keys"), STR(""), &out, &code) &&
	    json_open(buf_str(&out), &it)) {
		arena_init(&a, ARENA_BYTES);
		while (json_next(&it, &key, &k))
			key_line(k, &a);
		arena_free(&a);
	}
	buf_fini(&out);
	return code;
}

static int
key_show_cmd(const struct cli *cli, const char *name)
{
	struct buf target, out;
	struct arena a;
	int code;

	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/keys/show");
	query_put(&target, "key", name);
	if (asked(cli, "GET", buf_str(&target), STR(""), &out, &code)) {
		arena_init(&a, ARENA_BYTES);
		key_line(buf_str(&out), &a);
		arena_free(&a);
	}
	buf_fini(&target);
	buf_fini(&out);
	return code;
}

static int
key_state_cmd(const struct cli *cli, const char *name, const char *state)
{
	struct buf body, out;
	struct arena a;
	int code;

	buf_init(&body, 0);
	buf_putc(&body, '{');
	member(&body, "key", name);
	member(&body, "state", state);
	buf_putc(&body, '}');
	if (asked(cli, "POST", STR("/admin/api/keys/state"), buf_str(&body), &out, &code)) {
		arena_init(&a, ARENA_BYTES);
		key_line(buf_str(&out), &a);
		arena_free(&a);
	}
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

int
cmd_key(const struct cli *cli)
{
	const char *what = cli->words_n > 0 ? cli->words[0] : "";
	const char *name = cli->words_n > 1 ? cli->words[1] : cli->key;

	if (strcmp(what, "create") == 0)
		return key_create_cmd(cli);
	if (strcmp(what, "list") == 0)
		return key_list_cmd(cli);
	if (name == NULL)
		return cli_usage("key create|list|show|disable|enable|revoke; which key?");
	if (strcmp(what, "show") == 0)
		return key_show_cmd(cli, name);
	if (strcmp(what, "disable") == 0)
		return key_state_cmd(cli, name, "disabled");
	if (strcmp(what, "enable") == 0)
		return key_state_cmd(cli, name, "active");
	if (strcmp(what, "revoke") == 0)
		return key_state_cmd(cli, name, "revoked");
	return cli_usage("key create|list|show|disable|enable|revoke");
}

/* ---- check, tools, quota ---- */

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
	ok = policies_check(&core, &out) && ok;
	(void)fputs(buf_cstr(&out), stderr);
	if (ok)
		(void)printf("ok: %zu providers, %zu models, %zu servers\n", s->providers_n,
		    s->models_n, s->servers_n);
	buf_fini(&out);
	settings_free(&s);
	return ok ? 0 : 1;
}

int
cmd_tools(const struct cli *cli)
{
	struct buf target, out;
	struct json_iter it;
	struct str key, t;
	struct arena a;
	int code;

	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/tools");
	if (cli->key != NULL)
		query_put(&target, "key", cli->key);
	if (asked(cli, "GET", buf_str(&target), STR(""), &out, &code) &&
	    json_open(buf_str(&out), &it)) {
		arena_init(&a, ARENA_BYTES);
		while (json_next(&it, &key, &t)) {
			struct str allowed = text_of(t, "allowed", &a);

			(void)printf("%s %-40.*s %.*s\n",
			    allowed.n == 0 ? " " : (str_eq(allowed, STR("true")) ? "+" : "-"),
			    STR_ARG(text_of(t, "tool", &a)), STR_ARG(text_of(t, "why", &a)));
		}
		arena_free(&a);
	}
	buf_fini(&target);
	buf_fini(&out);
	return code;
}

static void
usd_print(int64_t nusd)
{
	(void)printf(
	    "%lld.%06lld", (long long)(nusd / 1000000000), (long long)(nusd % 1000000000 / 1000));
}

static int64_t
number_of(struct str object, const char *name)
{
	struct str raw;
	int64_t n = 0;

	return json_get(object, str_of(name), &raw) && json_i64(raw, &n) ? n : 0;
}

static void
budgets_print(struct str level, struct arena *a)
{
	struct json_iter it;
	struct str list, key, b;

	if (!json_get(level, STR("budgets"), &list) || !json_open(list, &it))
		return;
	while (json_next(&it, &key, &b)) {
		(void)printf("%-28.*s %-6.*s  used ", STR_ARG(text_of(level, "name", a)),
		    STR_ARG(text_of(b, "period", a)));
		usd_print(number_of(b, "used_nusd"));
		(void)fputs("  held ", stdout);
		usd_print(number_of(b, "held_nusd"));
		(void)fputs("  of ", stdout);
		usd_print(number_of(b, "limit_nusd"));
		(void)printf(" USD  resets %.*s\n", STR_ARG(text_of(b, "resets_at", a)));
	}
}

int
cmd_quota(const struct cli *cli)
{
	struct buf target, out;
	struct json_iter it;
	struct str levels, key, l;
	struct arena a;
	int code;

	if (cli->key == NULL)
		return cli_usage("quota needs --key NAME");
	buf_init(&target, 0);
	buf_puts(&target, "/admin/api/quota");
	query_put(&target, "key", cli->key);
	if (asked(cli, "GET", buf_str(&target), STR(""), &out, &code) &&
	    json_get(buf_str(&out), STR("levels"), &levels) && json_open(levels, &it)) {
		arena_init(&a, ARENA_BYTES);
		while (json_next(&it, &key, &l))
			budgets_print(l, &a);
		arena_free(&a);
	}
	buf_fini(&target);
	buf_fini(&out);
	return code;
}

/* ---- script ---- */

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

static int
script_print(struct str report)
{
	struct str end, log, value, message;
	struct arena a;
	bool ok;

	arena_init(&a, ARENA_BYTES);
	end = text_of(report, "end", &a);
	log = text_of(report, "log", &a);
	value = text_of(report, "value", &a);
	message = text_of(report, "message", &a);
	ok = str_eq(end, STR("DONE"));
	for (size_t i = 0; i < log.n; i++) /* untrusted: no control byte reaches a terminal */
		(void)fputc(log.p[i] == '\n' || log.p[i] == '\t' || (unsigned char)log.p[i] >= ' '
				? (unsigned char)log.p[i]
				: '?',
		    stdout);
	if (ok)
		(void)printf(STR_FMT "\n", STR_ARG(value));
	else
		(void)fprintf(stderr, STR_FMT ": " STR_FMT "\n", STR_ARG(end), STR_ARG(message));
	arena_free(&a);
	return ok ? 0 : 1;
}

int
cmd_script(const struct cli *cli)
{
	struct buf source, body, out;
	struct str end;
	struct arena a;
	int code;

	if (cli->words_n < 2 || strcmp(cli->words[0], "run") != 0 || cli->key == NULL)
		return cli_usage("script run FILE --key NAME");
	buf_init(&source, SCRIPT_BYTES);
	if (!script_read(cli->words[1], &source)) {
		buf_fini(&source);
		return cli_usage("the script cannot be read, or is over 1 MiB");
	}
	buf_init(&body, 0);
	buf_putc(&body, '{');
	member(&body, "key", cli->key);
	buf_puts(&body, ",\"code\":");
	buf_json_str(&body, buf_str(&source));
	buf_putc(&body, '}');
	if (asked(cli, "POST", STR("/admin/api/script"), buf_str(&body), &out, &code)) {
		code = script_print(buf_str(&out));
	} else if (code == 0) {
		arena_init(&a, ARENA_BYTES);
		end = text_of(buf_str(&out), "end", &a);
		code = str_eq(end, STR("DONE")) ? 0 : 1;
		arena_free(&a);
	}
	buf_fini(&source);
	buf_fini(&body);
	buf_fini(&out);
	return code;
}

/* ---- connect ---- */

static int
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon == NULL ? 0 : (int)strtol(colon + 1, NULL, 10);
}

/* Port 0 in the configuration: the running gateway wrote down which one it got. */
static int
port_running(const char *data)
{
	char path[4096], text[4096], address[256];
	struct str raw, list, key, first;
	struct json_iter it;
	struct err e;
	FILE *f;
	int port = 0;

	(void)snprintf(path, sizeof(path), "%s/run.json", data);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	raw = (struct str){ text, fread(text, 1, sizeof(text), f) };
	(void)fclose(f);
	if (json_check(raw, true, &e) && json_get(raw, STR("listen"), &list) &&
	    json_open(list, &it) && json_next(&it, &key, &first) &&
	    json_kind(first) == JSON_STRING &&
	    str_copy(address, sizeof(address), (struct str){ first.p + 1, first.n - 2 }))
		port = port_of(address);
	return port;
}

int
cmd_connect(const struct cli *cli)
{
	struct buf warnings;
	struct settings *s;
	struct err e;
	int port;

	if (cli->words_n < 1 || strcmp(cli->words[0], "claude-code") != 0)
		return cli_usage("connect claude-code [--managed] [--scope project]");
	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, &e);
	buf_fini(&warnings);
	if (s == NULL)
		return cli_fail(&e);
	port = port_of(s->listen[0].address);
	if (port == 0)
		port = port_running(s->data);
	settings_free(&s);
	if (port == 0) {
		(void)err_set(&e, ERR_INVALID,
		    "the gateway's port is not known before it runs (tollgate run, or give "
		    "listen: a port)");
		return cli_fail(&e);
	}
	if (cli->managed)
		(void)printf("{\n  \"allowManagedMcpServersOnly\": true,\n"
			     "  \"allowedMcpServers\": [{ \"serverUrl\": "
			     "\"http://127.0.0.1:%d/*\" }],\n"
			     "  \"env\": { \"ANTHROPIC_BASE_URL\": "
			     "\"http://127.0.0.1:%d/anthropic\" }\n}\n",
		    port, port);
	else if (cli->scope != NULL && strcmp(cli->scope, "project") == 0)
		(void)printf("{\n  \"mcpServers\": {\n    \"tollgate\": {\n"
			     "      \"type\": \"http\",\n"
			     "      \"url\": \"http://127.0.0.1:%d/mcp\",\n"
			     "      \"headers\": { \"Authorization\": "
			     "\"Bearer ${TOLLGATE_KEY}\" }\n    }\n  }\n}\n",
		    port);
	else
		(void)printf("claude mcp add --transport http tollgate http://127.0.0.1:%d/mcp "
			     "--header \"Authorization: Bearer ${TOLLGATE_KEY}\"\n"
			     "{\"env\":{\"ANTHROPIC_BASE_URL\":\"http://127.0.0.1:%d/anthropic\","
			     "\"ANTHROPIC_AUTH_TOKEN\":\"${TOLLGATE_KEY}\"}}\n",
		    port, port);
	return 0;
}
