/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup - a copy of the database while it is in use, and a look at what lies in DATA.
 *
 * SQLite writes the copy from one read transaction, so it is of one moment, and a running gateway
 * goes on meanwhile.  It is believed only after it has been read again: every page, every hash of
 * the chain, the ledger.  DATA/backup.json remembers when that was, for `doctor`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "policies/anchor.h"

#define NOTE_BYTES 4096
#define LOOKS      3

static bool
note_write(const char *data_dir, const char *file, int64_t rows)
{
	char path[4200];
	struct timespec now;
	struct buf b;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/backup.json", data_dir);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	buf_init(&b, NOTE_BYTES);
	buf_printf(&b, "{\"ts_ns\":%lld,\"rows\":%lld,\"file\":",
	    (long long)now.tv_sec * 1000000000 + now.tv_nsec, (long long)rows);
	buf_json_str(&b, str_of(file));
	buf_puts(&b, "}\n");
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	n = fd < 0 || !buf_ok(&b) ? -1 : write(fd, b.p, b.n);
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&b);
	return n > 0;
}

bool
core_backup_last(const char *data_dir, struct backup_note *out, struct err *e)
{
	char path[4200], text[NOTE_BYTES];
	struct str doc, raw, file;
	struct arena a;
	ssize_t n;
	int fd;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s/backup.json", data_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, ERR_NOT_FOUND, "no backup has been made");
	n = read(fd, text, sizeof(text));
	(void)close(fd);
	doc = (struct str){ text, n < 0 ? 0 : (size_t)n };
	arena_init(&a, 4 * sizeof(text));
	ok = json_check(doc, true, e) && json_get(doc, STR("ts_ns"), &raw) &&
	     json_i64(raw, &out->ts_ns) && json_get(doc, STR("rows"), &raw) &&
	     json_i64(raw, &out->rows) && json_get(doc, STR("file"), &raw) &&
	     json_string(raw, &a, &file) && str_copy(out->file, sizeof(out->file), file);
	arena_free(&a);
	return ok || err_set(e, ERR_STORE, "%.300s cannot be read", path);
}

static bool
verified(const char *file, struct buf *out, int64_t *rows, struct err *e)
{
	struct store *s = store_open_reader(file, e);
	struct sha256 hash;
	uint64_t applied;
	bool ok;

	if (s == NULL)
		return false;
	ok = store_sound(s, e) && store_head(s, rows, &hash, &applied, e);
	store_close(&s);
	return ok && audit_verify(file, out, e);
}

bool
core_backup(const char *data_dir, const char *file, struct buf *out, struct err *e)
{
	struct store *s = store_open_reader(data_dir, e);
	int64_t rows = 0;
	bool ok;

	if (s == NULL)
		return false;
	ok = store_copy(s, file, e);
	store_close(&s);
	if (!ok)
		return false;
	if (!verified(file, out, &rows, e)) {
		(void)unlink(file);
		return false;
	}
	if (!note_write(data_dir, file, rows)) /* the copy is good all the same */
		buf_printf(out, " (%s/backup.json could not be written)", data_dir);
	return true;
}

static void
ignore(void *ctx, const struct journal_record *r)
{
	(void)ctx;
	(void)r;
}

/* A running gateway prunes what it has applied, also between two of these looks. */
static bool
journal_look(const char *data_dir, struct store *s, int64_t *rows, uint64_t *waiting, struct err *e)
{
	uint64_t applied, last = 0;
	struct sha256 hash;

	for (int tries = 0; tries < LOOKS; tries++) {
		if (!store_head(s, rows, &hash, &applied, e))
			return false;
		if (journal_read(data_dir, applied + 1, ignore, NULL, &last, e)) {
			*waiting = last - applied;
			return true;
		}
	}
	return false;
}

bool
core_files_look(const char *data_dir, struct buf *out, struct err *e)
{
	struct store *s = store_open_reader(data_dir, e);
	uint64_t waiting = 0;
	struct anchor seen;
	int64_t rows = 0;
	bool ok;

	if (s == NULL)
		return false;
	anchor_init(&seen);
	ok = anchor_check(data_dir, s, &seen, e) && store_sound(s, e) &&
	     journal_look(data_dir, s, &rows, &waiting, e);
	anchor_fini(&seen);
	store_close(&s);
	if (ok)
		buf_printf(out,
		    "%lld audit rows, sound, not older than the anchor; the journal has no gap "
		    "(%llu "
		    "records to apply)",
		    (long long)rows, (unsigned long long)waiting);
	return ok;
}
