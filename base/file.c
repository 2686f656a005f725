/* SPDX-License-Identifier: Apache-2.0 */
/* file - all of a file, if it is not too large. */
#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#define PIECE_BYTES 16384

bool
file_read_fd(int fd, size_t max_bytes, struct buf *out, struct err *e)
{
	size_t before = out->n;
	ssize_t n = -1;

	while (fd >= 0 && out->n - before <= max_bytes) {
		char *room = buf_room(out, PIECE_BYTES);

		n = room == NULL ? 0 : read(fd, room, PIECE_BYTES);
		if (n <= 0)
			break;
		out->n += (size_t)n;
	}
	if (n < 0)
		(void)err_set(e, ERR_INVALID, "cannot be read: %m");
	if (fd >= 0)
		(void)close(fd);
	if (n >= 0 && (!buf_ok(out) || out->n - before > max_bytes))
		return err_set(e, ERR_INVALID, "is larger than %zu KiB", max_bytes >> 10);
	return n >= 0;
}

bool
file_read(const char *path, size_t max_bytes, struct buf *out, struct err *e)
{
	return file_read_fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), max_bytes, out, e);
}
