/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli - the commands.
 *
 * Exit 0: ok; 1: refused or found wrong; 2: wrong usage.  Errors go to stderr as one sentence.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"
#include "gateway/settings.h"

#ifndef TOLLGATE_VERSION
#	define TOLLGATE_VERSION "0.1.0"
#endif

#define CLI_WORDS_MAX 8

struct cli { /* what was typed, after options */
	const char *config;
	bool json, managed;
	const char *name, *customer, *team, *user, *expires, *key, *by, *since, *scope, *clock, *n;
	const char *words[CLI_WORDS_MAX]; /* after the command's own words */
	size_t words_n;
};
int cli_fail(const struct err *e); /* prints it; 1 */
int cli_usage(const char *text);   /* 2 */

int cmd_run(const struct cli *cli);
int cmd_check(const struct cli *cli);
int cmd_key(const struct cli *cli);
int cmd_tools(const struct cli *cli);
int cmd_connect(const struct cli *cli);
int cmd_script(const struct cli *cli);
int cmd_usage(const struct cli *cli);
int cmd_quota(const struct cli *cli);
int cmd_audit(const struct cli *cli);

/* cli_client.c: a request to the running gateway of this config, or, without one, to a core that is
 * opened here for the purpose.  The reply's body goes to `out`; false with *e for any refusal. */
bool cli_admin(const struct cli *cli, const char *method, struct str target, struct str body,
    struct buf *out, struct err *e);
/* Waits, a few seconds at most, until what the running gateway has recorded is in its database. */
void cli_sync(const struct settings *s);
