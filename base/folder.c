/* SPDX-License-Identifier: Apache-2.0 */
/* folder - see folder.h. */
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROC_BYTES 40

static void
proc_path(char out[PROC_BYTES], int fd)
{
	(void)snprintf(out, PROC_BYTES, "/proc/self/fd/%d", fd);
}

/* Where the open file is; false with errno. */
static bool
where(int fd, char out[FOLDER_PATH_MAX])
{
	char proc[PROC_BYTES];
	ssize_t n;

	proc_path(proc, fd);
	n = readlink(proc, out, FOLDER_PATH_MAX);
	if (n == FOLDER_PATH_MAX)
		errno = ENAMETOOLONG;
	if (n < 0 || n == FOLDER_PATH_MAX)
		return false;
	out[n] = '\0';
	return true;
}

bool
folder_open(struct folder *f, const char *path, struct err *e)
{
	struct stat st;

	f->real[0] = '\0';
	f->fd = open(path, O_PATH | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) != 0)
		return err_set(e, ERR_INVALID, "cannot be read: %m");
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "is not a folder");
	if (!where(f->fd, f->real))
		return err_set(e, ERR_INVALID,
		    "cannot be read: where it is cannot be told without /proc (%m)");
	return true;
}

void
folder_close(struct folder *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
}

/* What is below the folder loses the folder's own path. */
static void
real_put(const struct folder *f, const char *at, struct buf *real)
{
	size_t n = strcmp(f->real, "/") == 0 ? 0 : strlen(f->real);

	if (strncmp(at, f->real, n) == 0 && (at[n] == '/' || at[n] == '\0'))
		buf_puts(real, at[n] == '/' ? at + n + 1 : "");
	else
		buf_puts(real, at);
}

static void
say_unread(const struct folder *f, const char *rel, int why, struct err *e)
{
	char target[FOLDER_PATH_MAX];
	ssize_t n = readlinkat(f->fd, rel, target, sizeof(target));

	errno = why;
	if (n > 0)
		(void)err_set(e, ERR_INVALID,
		    "is a symbolic link to %.*s, which cannot be read: %m",
		    (int)(n < 200 ? n : 200), target);
	else
		(void)err_set(e, ERR_INVALID, "cannot be read: %m");
}

int
folder_find(const struct folder *f, const char *rel, struct buf *real, struct err *e)
{
	int fd = openat(f->fd, rel[0] == '\0' ? "." : rel, O_PATH | O_CLOEXEC);
	char at[FOLDER_PATH_MAX];

	if (fd >= 0 && where(fd, at)) {
		real_put(f, at, real);
		return fd;
	}
	say_unread(f, rel, errno, e);
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

int
folder_reopen(int fd)
{
	char proc[PROC_BYTES];

	proc_path(proc, fd);
	return open(proc, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* One folder, whose parents are there; its descriptor, or -1. */
static int
make_one(const struct folder *f, const char *path, struct err *e)
{
	struct buf real;
	int fd;

	if (mkdirat(f->fd, path, 0755) != 0 && errno != EEXIST) {
		(void)err_set(e, ERR_INVALID, "%s/%s cannot be made: %m", f->real, path);
		return -1;
	}
	buf_init(&real, 0);
	fd = folder_find(f, path, &real, e);
	if (fd >= 0 && folder_outside(&real)) {
		(void)err_set(e, ERR_INVALID,
		    "%s/%s is a symbolic link that leads out of the folder, to %s", f->real, path,
		    buf_cstr(&real));
		(void)close(fd);
		fd = -1;
	}
	buf_fini(&real);
	return fd;
}

int
folder_make(const struct folder *f, const char *rel, struct err *e)
{
	char path[FOLDER_PATH_MAX];
	int fd;

	for (size_t i = 0;; i++) {
		if (rel[i] != '/' && rel[i] != '\0')
			continue;
		if (!str_copy(path, sizeof(path), (struct str){ rel, i })) {
			(void)err_set(e, ERR_INVALID, "the path is too long");
			return -1;
		}
		fd = make_one(f, path, e);
		if (fd < 0 || rel[i] == '\0')
			return fd;
		(void)close(fd);
	}
}
