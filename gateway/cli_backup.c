/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_backup - backup and restore.
 *
 * A backup is taken beside the running gateway, which is asked first to write what it has recorded;
 * a restore needs it stopped (DATA/lock says).  Neither needs policies that load.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "gateway/cli.h"
#include "gateway/gateway.h"

static struct settings *
settings_of(const struct cli *cli, struct err *e)
{
	struct buf warnings;
	struct settings *s;

	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, e);
	buf_fini(&warnings);
	return s;
}

/* Where it is, whoever asks later and from which folder. */
static const char *
whole_path(const char *file, char out[4200])
{
	char cwd[PATH_MAX];

	if (file[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		(void)snprintf(out, 4200, "%s", file);
	else
		(void)snprintf(out, 4200, "%s/%s", cwd, file);
	return out;
}

int
cmd_backup(const struct cli *cli)
{
	struct settings *s;
	char file[4200];
	struct buf out;
	struct err e;
	bool ok;

	s = settings_of(cli, &e);
	if (s == NULL)
		return cli_fail(&e);
	cli_sync(s);
	buf_init(&out, 0);
	ok = core_backup(s->data, whole_path(cli->words[0], file), &out, &e);
	if (ok)
		(void)printf("%s: %s\n", cli->words[0], buf_cstr(&out));
	buf_fini(&out);
	settings_free(&s);
	return ok ? 0 : cli_fail(&e);
}

int
cmd_restore(const struct cli *cli)
{
	struct restore_settings r = { .accept_loss = cli->accept_loss };
	struct timespec now;
	struct settings *s;
	char actor[32];
	struct buf out;
	struct err e;
	bool ok;

	s = settings_of(cli, &e);
	if (s == NULL)
		return cli_fail(&e);
	(void)snprintf(actor, sizeof(actor), "local:%d", (int)getuid());
	(void)clock_gettime(CLOCK_REALTIME, &now);
	r.data_dir = s->data;
	r.file = cli->words[0];
	r.actor = str_of(actor);
	r.now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	buf_init(&out, 0);
	ok = core_restore(&r, &out, &e);
	(void)fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	settings_free(&s);
	return ok ? 0 : cli_fail(&e);
}
