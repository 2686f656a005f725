/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - the commands.
 *
 * Exit 0: ok; 1: refused or found wrong; 2: wrong usage.  Errors go to stderr as one sentence.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "gateway/settings.h"

#ifndef TOLLGATE_VERSION
#	define TOLLGATE_VERSION "0.1.0"
#endif

#define CLI_WORDS_MAX 8

struct cli { /* what was typed, after options */
	const char *config;
	bool help, json, managed, admin, cover, markdown, strict, codeowners, deny, list, force;
	const char *name, *customer, *team, *user, *expires, *key, *by, *since, *scope, *tags,
	    *budget, *until, *clock, *n;
	const char *from, *out, *overlap, *url, *key_env, *call, *view, *client, *junit;
	const char *verdict;
	bool accept_loss, csv, plan, stubs;
	const char *resume, *description, *to;
	const char *fail_on, *reason;
	const char *words[CLI_WORDS_MAX]; /* after the command's own words */
	size_t words_n;
};
int cli_fail(const struct err *e); /* prints it; 1 */
int cli_usage(const char *text);   /* 2 */

/* ---- cli.c: what the commands share ---- */

/* Asks the admin API; prints the JSON with --json, else leaves it in *out for the caller to show
 * (true).  *out is made in any case. */
bool cli_asked(const struct cli *cli, const char *method, struct str target, struct str body,
    struct buf *out, int *code);
/* A member as text, "" when absent; numbers and words as they stand. */
struct str cli_text(struct str object, const char *name, struct arena *a);
int64_t cli_number(struct str object, const char *name);             /* 0 when absent */
void cli_member(struct buf *b, const char *name, const char *value); /* of a JSON object */
void cli_query(struct buf *b, const char *name, const char *value);  /* ?name=value */
/* "2026-12-31" (its end, UTC), or "90d", "12h", "30m" from now. */
bool cli_time(const char *text, int64_t *ns);
bool cli_span(const char *text, int64_t *seconds); /* "7d", "24h", "30m" */
bool cli_ago(const char *text, int64_t *ns);       /* so long before now */

int cmd_run(const struct cli *cli);
int cmd_check(const struct cli *cli);
int cmd_key(const struct cli *cli);
int cmd_tools(const struct cli *cli);
int cmd_connect(const struct cli *cli);
int cmd_script(const struct cli *cli);
int cmd_usage(const struct cli *cli);
int cmd_quota(const struct cli *cli);
int cmd_audit(const struct cli *cli);
int cmd_reload(const struct cli *cli);
int cmd_doctor(const struct cli *cli);
int cmd_backup(const struct cli *cli);
int cmd_restore(const struct cli *cli);
int cmd_servers(const struct cli *cli);
int cmd_lock(const struct cli *cli);
int cmd_policy(const struct cli *cli);
int cmd_import(const struct cli *cli);
int cmd_webhook(const struct cli *cli);
int cmd_approve(const struct cli *cli);
int cmd_budget(const struct cli *cli);

/* alone.c: starts every server for as long as it takes to list its tools, and tells them as
 * hub_seen_json() does. */
bool alone_seen(struct settings *s, struct loop *l, struct core *c, struct buf *out, struct err *e);

/* check_snippets.c: what is wrong with the snippets of a bundle that loads; false: some of it is an
 * error.  What needs a sandbox is left out where none can be started, with a warning. */
struct snippet_problem {
	bool error;      /* else a warning */
	struct str file; /* below the policies; "": of none */
	uint32_t line;   /* 0: the file */
	struct str text; /* what, and the fix; may have more lines */
};
typedef void snippet_problem_f(void *ctx, const struct snippet_problem *p);
bool snippets_check(struct settings *s, snippet_problem_f *fn, void *ctx);
/* "DIR/FILE:3: text", "DIR/FILE:3: warning: text"; label_errors: "DIR/FILE:3: error: text". */
void snippet_problem_put(
    const struct settings *s, const struct snippet_problem *p, bool label_errors, struct buf *out);

/* cli_client.c: a request to the running gateway of this config, or, without one, to a core that is
 * opened here for the purpose.  The reply's body goes to `out`; false with *e for any refusal. */
bool cli_admin(const struct cli *cli, const char *method, struct str target, struct str body,
    struct buf *out, struct err *e);
/* /readyz of the running gateway, whatever its status; false: none runs. */
bool cli_ready(const struct settings *s, struct buf *out);
/* cli_url.c: GET `path` of --url with the key in the variable that --key-env names. */
bool cli_fetch(const struct cli *cli, struct str path, struct buf *out, struct err *e);
/* The same, POST with a JSON body. */
bool
cli_send(const struct cli *cli, struct str path, struct str body, struct buf *out, struct err *e);
/* Waits, a few seconds at most, until what the running gateway has recorded is in its database. */
void cli_sync(const struct settings *s);
/* cli_rollout.c: whom what is only observed would have refused. */
int cli_rollout(const struct cli *cli, const struct settings *s);
