/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep - DATA/kept/NAME: small sealed records of the hub (tokens of upstream servers), 0600.
 *
 * Written beside and renamed.  Not synced to the disk: a crash of the process loses nothing, a
 * power cut may lose the last sign-in, which is then made again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/gateway.h"

#define RECORD_BYTES_MAX ((size_t)256 << 10)

static void
path_of(const char *folder, const char *name, char out[4200])
{
	(void)snprintf(out, 4200, "%s/%s", folder, name);
}

static void
put(void *ctx, const char *name, struct str bytes)
{
	const char *folder = ctx;
	char path[4200];

	path_of(folder, name, path);
	if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || !file_replace(path, bytes))
		log_error(NULL, "not kept, a restart will ask again", F_TEXT("file", path),
		    F_INT("errno", errno));
}

static bool
get(void *ctx, const char *name, struct buf *out)
{
	char path[4200], *room;
	ssize_t n = -1;
	int fd;

	path_of(ctx, name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	room = buf_room(out, RECORD_BYTES_MAX);
	if (room != NULL)
		n = read(fd, room, RECORD_BYTES_MAX);
	(void)close(fd);
	if (n <= 0)
		return false;
	out->n += (size_t)n;
	return true;
}

struct hub_keep
keep_in(char *folder)
{
	return (struct hub_keep){ .put = put, .get = get, .ctx = folder };
}
