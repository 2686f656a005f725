/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal - DATA/seal.key: with what session ids, cursors and states that clients carry are sealed.
 *
 * It outlives the process, so that a restart ends nobody's session, and seals the tokens of
 * upstream servers (keep.c).  Without it (a restored backup, a lost file) clients initialize and
 * list again, and people sign in again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/gateway.h"

static bool
seal_make(const char *path, uint8_t key[AEAD_KEY_BYTES], struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return err_set(e, ERR_STORE, "cannot make %s: %s", path, strerror(errno));
	crypto_random(key, AEAD_KEY_BYTES);
	ok = write(fd, key, AEAD_KEY_BYTES) == AEAD_KEY_BYTES && fsync(fd) == 0;
	(void)close(fd);
	if (!ok)
		(void)unlink(path);
	return ok ? true : err_set(e, ERR_STORE, "cannot write %s", path);
}

bool
seal_load(const char *path, uint8_t key[AEAD_KEY_BYTES], struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	bool ok;

	if (fd < 0)
		return errno == ENOENT
			   ? seal_make(path, key, e)
			   : err_set(e, ERR_STORE, "cannot open %s: %s", path, strerror(errno));
	ok = fstat(fd, &st) == 0 && st.st_size == AEAD_KEY_BYTES &&
	     read(fd, key, AEAD_KEY_BYTES) == AEAD_KEY_BYTES;
	(void)close(fd);
	if (!ok)
		return err_set(e, ERR_STORE,
		    "%s is not %d bytes (remove it: a new one is made, and sessions start anew)",
		    path, AEAD_KEY_BYTES);
	return true;
}
