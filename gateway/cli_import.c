/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_import - `tollgate import FILE...`: other programs' configurations become a folder of ours.
 *
 * Nothing is ever overwritten: every file is made anew, and if one is in the way nothing is
 * written at all.  What was written is read back as `tollgate check` does before the command says
 * that it is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "gateway/cli.h"
#include "gateway/gateway.h"
#include "gateway/import.h"

#define OUT_USUAL  "tollgate-import"
#define PATH_BYTES 4096

static bool
source_read(struct import *im, const char *file, struct err *e)
{
	char *real = realpath(file, NULL), *slash;
	struct err why;
	struct buf text;
	bool ok;

	buf_init(&text, 4 * IMPORT_FILE_BYTES);
	ok = file_read(file, IMPORT_FILE_BYTES, &text, &why) ||
	     err_set(e, ERR_INVALID, "%s: %s", file, why.text);
	if (real != NULL && (slash = strrchr(real, '/')) != NULL)
		slash[slash == real ? 1 : 0] = '\0';
	ok = ok && import_file(im, file, real == NULL ? "" : real, buf_str(&text), e);
	free(real);
	buf_fini(&text);
	return ok;
}

/* ---- the folder ---- */

static bool
path_of(const char *folder, const char *path, char out[PATH_BYTES], struct err *e)
{
	int n = snprintf(out, PATH_BYTES, "%s/%s", folder, path);

	return (n > 0 && n < PATH_BYTES) ||
	       err_set(e, ERR_INVALID, "%s: the path is too long", folder);
}

static bool
free_place(const char *folder, const struct import_text *files, size_t n, struct err *e)
{
	char path[PATH_BYTES];
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		if (!path_of(folder, files[i].path, path, e))
			return false;
		if (lstat(path, &st) == 0)
			return err_set(e, ERR_INVALID,
			    "%s is in the way; nothing was written (--out names another folder)",
			    path);
	}
	return true;
}

static bool
folder_make(const char *folder, const char *below, struct err *e)
{
	char path[PATH_BYTES];

	if (!path_of(folder, below, path, e))
		return false;
	if (below[0] == '\0') /* the folder itself */
		path[strlen(folder)] = '\0';
	return mkdir(path, 0777) == 0 || errno == EEXIST ||
	       err_set(e, ERR_INVALID, "%s: the folder cannot be made: %m", path);
}

static bool
file_write(const char *folder, const struct import_text *t, struct err *e)
{
	char path[PATH_BYTES];
	size_t done = 0;
	ssize_t n = 0;
	int fd;

	if (!path_of(folder, t->path, path, e))
		return false;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	while (fd >= 0 && done < t->text.n) {
		n = write(fd, t->text.p + done, t->text.n - done);
		if (n < 0)
			break;
		done += (size_t)n;
	}
	if (fd < 0 || n < 0 || close(fd) != 0)
		return err_set(e, ERR_INVALID, "%s: cannot be written: %m", path);
	return true;
}

static bool
all_written(const char *folder, const struct import_text *files, size_t n, struct err *e)
{
	if (!free_place(folder, files, n, e) || !folder_make(folder, "", e) ||
	    !folder_make(folder, "policies", e) || !folder_make(folder, "policies/root", e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!file_write(folder, &files[i], e))
			return false;
	return true;
}

/* As `tollgate check` reads it; warnings (a variable that is not set) are told by the report. */
static bool
reads_back(const char *folder, struct buf *problems, struct err *e)
{
	char path[PATH_BYTES];
	struct core_settings core;
	struct settings *s;
	bool ok;

	if (!path_of(folder, "tollgate.yaml", path, e))
		return false;
	s = settings_load(path, problems, e);
	if (s == NULL)
		return false;
	settings_core(s, &core);
	ok = policies_check(&core, problems) ||
	     err_set(e, ERR_INVALID, "%s: the policies do not pass tollgate check", folder);
	settings_free(&s);
	return ok;
}

static int
result_print(const struct cli *cli, struct import *im, const char *folder,
    const struct import_text *files, size_t n)
{
	struct buf out;

	buf_init(&out, 0);
	if (cli->json) {
		import_report_json(im, files, n, &out);
	} else {
		for (size_t i = 0; i < n; i++)
			buf_printf(&out, "wrote %s/%s\n", folder, files[i].path);
		buf_putc(&out, '\n');
		import_report(im, &out);
	}
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	return 0;
}

int
cmd_import(const struct cli *cli)
{
	const char *folder = cli->out != NULL ? cli->out : OUT_USUAL;
	struct import_text *files = NULL;
	struct import im;
	struct buf problems;
	struct err e;
	size_t n = 0;
	int code;
	bool ok = true;

	import_init(&im);
	buf_init(&problems, 0);
	for (size_t i = 0; ok && i < cli->words_n; i++)
		ok = source_read(&im, cli->words[i], &e);
	ok = ok && import_write(&im, &files, &n, &e) && all_written(folder, files, n, &e);
	if (ok && !reads_back(folder, &problems, &e)) {
		(void)fputs(buf_cstr(&problems), stderr);
		ok = false;
	}
	code = ok ? result_print(cli, &im, folder, files, n) : cli_fail(&e);
	buf_fini(&problems);
	import_fini(&im);
	return code;
}
