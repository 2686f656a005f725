/* SPDX-License-Identifier: Apache-2.0 */
/* file - all of a file, if it is not too large. */
#pragma once

#include "base/err.h"
#include "base/text.h"

/* Appends what it has, at most max_bytes; ERR_INVALID without the path: "cannot be read: …", "is
 * larger than … KiB".  The other end of a pipe is not waited for. */
bool file_read(const char *path, size_t max_bytes, struct buf *out, struct err *e) MUST_CHECK;
/* The same of an open descriptor, which it closes; -1: errno says why there is none. */
bool file_read_fd(int fd, size_t max_bytes, struct buf *out, struct err *e) MUST_CHECK;
