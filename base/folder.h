/* SPDX-License-Identifier: Apache-2.0 */
/*
 * folder - a tree of files, and where what is found in it really is.
 *
 * A path below a folder may pass symbolic links.  What it leads to is opened first and asked
 * afterwards where it is (/proc/self/fd), so nobody can move anything between the question and the
 * reading, and a device is never opened to be asked.  All is relative to one open folder: a link to
 * it that moves meanwhile does not mix two trees.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"

#define FOLDER_PATH_MAX 4096

struct folder {
	int fd;                     /* O_PATH; -1: closed */
	char real[FOLDER_PATH_MAX]; /* absolute, without links */
};
/* ERR_INVALID, without the path: "cannot be read: …", "is not a folder".  Close it then, too. */
bool folder_open(struct folder *f, const char *path, struct err *e) MUST_CHECK;
void folder_close(struct folder *f);
/*
 * Opens (O_PATH: to look at, and for folder_reopen()) what stands at `rel` below it, wherever links
 * lead; the caller closes the descriptor.  `real` gets where it is: below the folder without links,
 * "" for the folder itself; or, when that is outside, the absolute path, which begins with '/'.
 * -1: ERR_INVALID, without the path.
 */
int folder_find(const struct folder *f, const char *rel, struct buf *real, struct err *e);
static inline bool
folder_outside(const struct buf *real)
{
	return real->n > 0 && real->p[0] == '/';
}
/* The very same, to be read; it does not wait for the other end of a pipe.  -1 with errno. */
int folder_reopen(int fd);
/* Makes the folders of `rel` that are missing; the last one's descriptor as above, or -1.
 * ERR_INVALID names the part of it that cannot be made, or leads outside. */
int folder_make(const struct folder *f, const char *rel, struct err *e);
