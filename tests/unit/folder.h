/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - a folder of files that lives for one test.
 */
#pragma once

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

static inline char *
folder_new(void)
{
	char *dir = mem_strdup("/tmp/tollgate-test-XXXXXX");

	ASSERT(mkdtemp(dir) != NULL);
	return dir;
}

/* Writes a file, making the folders above it. */
static inline void
folder_put(const char *dir, const char *path, const char *text)
{
	struct buf full;
	FILE *f;

	buf_init(&full, 0);
	buf_printf(&full, "%s/", dir);
	for (const char *p = path; *p != '\0'; p++) {
		if (*p == '/')
			ASSERT(mkdir(buf_cstr(&full), 0700) == 0 || errno == EEXIST);
		buf_putc(&full, *p);
	}
	f = fopen(buf_cstr(&full), "w");
	ASSERT(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
	buf_fini(&full);
}

static inline int
folder_drop_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
folder_drop(char **dir)
{
	(void)nftw(*dir, folder_drop_one, 8, FTW_DEPTH | FTW_PHYS);
	MEM_FREE(dir);
}
