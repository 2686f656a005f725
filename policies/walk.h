/* SPDX-License-Identifier: Apache-2.0 */
/* walk - the files of a folder of policies; private to this folder. */
#pragma once

#include "base/folder.h"
#include "policies/bundle.h"

struct paths {
	struct str *at; /* malloc'd, with a NUL, relative to the folder */
	size_t n, cap;
};
/* Every .yaml and .lua file below it, in order of path, whatever order the disk has them in; `dir`
 * is how it is called in what is reported. */
void walk(struct problems *p, const char *dir, const struct folder *f, struct paths *files);
void paths_free(struct paths *ps);
/* Appends the text of one; ERR_INVALID without the path: it cannot be read, is too large, or a link
 * that is not followed. */
bool walk_read(const struct folder *f, const char *rel, struct buf *out, struct err *e) MUST_CHECK;
