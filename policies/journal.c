/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - framed, checksummed, append-only.
 *
 *   record: u32 payload bytes | u32 crc32c of the rest | u64 seq | u8 type, 7 zero | payload
 *
 * A process that dies cannot lose what write(2) took; a torn record at the end (power loss, full
 * disk) fails its checksum and ends the replay of that file.  Numbers go up by one: a file or a
 * record that is missing between others is told, not skipped.  After a short write the file is cut
 * back to its last good length, so the next attempt starts clean.
 *
 * The newest file is always the one that is written; a restart begins a new one, so a file that
 * another process version wrote is never appended to.
 */
#include "policies/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"

#define HEAD_BYTES        24
#define ROTATE_BYTES      ((int64_t)32 << 20)
#define QUEUE_FIRST_BYTES ((size_t)16 << 10)
#define QUEUE_BYTES       ((size_t)64 << 20)
#define FILES_MAX         1024
#define FILE_BYTES        ((int64_t)1 << 30)
#define SEQS_LOST_MAX     ((uint64_t)1 << 24) /* further on it is noise, not a number */

struct journal {
	char dir[4000];
	int fd;
	uint64_t number; /* of the file */
	int64_t good;    /* its length */
	uint64_t seq;
	size_t record_at; /* in the queue: of the record that is being written */
	struct buf queue;
};

static void
put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static void
put_u64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t
get_le(const unsigned char *p, int n)
{
	uint64_t v = 0;

	for (int i = n - 1; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

bool
journal_next(struct str *in, struct journal_record *r)
{
	const unsigned char *p = (const unsigned char *)in->p;
	size_t n;

	if (in->n < HEAD_BYTES)
		return false;
	n = (size_t)get_le(p, 4);
	if (n > JOURNAL_RECORD_MAX || in->n - HEAD_BYTES < n ||
	    crc32c(0, (struct str){ in->p + 8, HEAD_BYTES - 8 + n }) != (uint32_t)get_le(p + 4, 4))
		return false;
	r->seq = get_le(p + 8, 8);
	r->type = p[16];
	r->payload = (struct str){ in->p + HEAD_BYTES, n };
	in->p += HEAD_BYTES + n;
	in->n -= HEAD_BYTES + n;
	return true;
}

static void
file_name(const struct journal *j, uint64_t number, char out[4096])
{
	(void)snprintf(out, 4096, "%s/journal.%llu", j->dir, (unsigned long long)number);
}

/* Whole records behind bytes that are none: damage in the middle, not a torn end. */
static bool
records_behind(struct str in, uint64_t after_seq)
{
	struct journal_record r;

	while (in.n > HEAD_BYTES) {
		const unsigned char *p = (const unsigned char *)++in.p;
		struct str at = { in.p, --in.n };

		/* Cheap tests first: a number that could be next, a type, seven zeroes. */
		if (in.n >= HEAD_BYTES && get_le(p + 8, 8) - after_seq - 1 < SEQS_LOST_MAX &&
		    get_le(p + 17, 7) == 0 && journal_next(&at, &r))
			return true;
	}
	return false;
}

/* One record in its order; what the database has already (up to j->seq) may be missing. */
static bool
record_replay(struct journal *j, const struct journal_record *r, const char *path, journal_f *fn,
    void *ctx, struct err *e)
{
	if (r->seq > j->seq + 1)
		return err_set(e, ERR_STORE,
		    "the journal lacks records %llu to %llu, before %s (put the missing file back; "
		    "to go on without them: tollgate restore DATABASE --accept-loss)",
		    (unsigned long long)j->seq + 1, (unsigned long long)r->seq - 1, path);
	fn(ctx, r);
	if (r->seq >= j->seq)
		j->seq = r->seq;
	return true;
}

static bool
records_replay(
    struct journal *j, struct str in, const char *path, journal_f *fn, void *ctx, struct err *e)
{
	struct journal_record r;

	while (journal_next(&in, &r))
		if (!record_replay(j, &r, path, fn, ctx, e))
			return false;
	return !records_behind(in, j->seq) ||
	       err_set(e, ERR_STORE,
		   "%s is damaged after record %llu, and others follow (put a good copy back; to "
		   "go "
		   "on without them: tollgate restore DATABASE --accept-loss)",
		   path, (unsigned long long)j->seq);
}

static bool
file_replay(struct journal *j, uint64_t number, journal_f *fn, void *ctx, struct err *e)
{
	char path[4096];
	struct stat st;
	char *bytes;
	int fd;
	bool ok;

	file_name(j, number, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > FILE_BYTES) {
		if (fd >= 0)
			(void)close(fd);
		return err_set(e, ERR_STORE, "cannot read %s", path);
	}
	bytes = mem_alloc((size_t)st.st_size);
	ok = read(fd, bytes, (size_t)st.st_size) == (ssize_t)st.st_size;
	(void)close(fd);
	if (!ok)
		(void)err_set(e, ERR_STORE, "cannot read %s", path);
	ok = ok && records_replay(j, (struct str){ bytes, (size_t)st.st_size }, path, fn, ctx, e);
	free(bytes);
	return ok;
}

static int
u64_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The numbers of the files there are, in order. */
static size_t
files_list(const char *dir, uint64_t numbers[FILES_MAX])
{
	DIR *d = opendir(dir);
	struct dirent *ent;
	size_t n = 0;

	if (d == NULL)
		return 0;
	while (n < FILES_MAX && (ent = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe)
		struct str name = str_of(ent->d_name);
		int64_t number;

		if (str_starts(name, STR("journal.")) &&
		    str_i64((struct str){ name.p + 8, name.n - 8 }, &number) && number >= 0)
			numbers[n++] = (uint64_t)number;
	}
	(void)closedir(d);
	qsort(numbers, n, sizeof(*numbers), u64_cmp);
	return n;
}

static bool
file_begin(struct journal *j, struct err *e)
{
	char path[4096];

	file_name(j, j->number, path);
	j->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	j->good = 0;
	return j->fd >= 0 ||
	       err_set(e, ERR_STORE, "cannot write %s (%s)", path, strerrorname_np(errno));
}

/* Without a file to write; *newest: the number of the last one there is, or 0. */
static struct journal *
replayed(const char *data_dir, uint64_t first_seq, journal_f *fn, void *ctx, uint64_t *newest,
    struct err *e)
{
	struct journal *j = mem_zalloc(sizeof(*j));
	uint64_t numbers[FILES_MAX];
	bool ok;
	size_t n;

	j->fd = -1;
	j->seq = first_seq - 1;
	buf_init(&j->queue, QUEUE_BYTES);
	ok = str_copy(j->dir, sizeof(j->dir), str_of(data_dir)) ||
	     err_set(e, ERR_INVALID, "the path of data: is too long");
	n = ok ? files_list(j->dir, numbers) : 0;
	for (size_t i = 0; ok && i < n; i++)
		ok = file_replay(j, numbers[i], fn, ctx, e);
	*newest = n == 0 ? 0 : numbers[n - 1];
	if (!ok)
		journal_close(&j);
	return j;
}

struct journal *
journal_open(const char *data_dir, uint64_t first_seq, journal_f *fn, void *ctx, struct err *e)
{
	uint64_t newest;
	struct journal *j = replayed(data_dir, first_seq, fn, ctx, &newest, e);

	if (j == NULL)
		return NULL;
	j->number = newest + 1;
	if (!file_begin(j, e))
		journal_close(&j);
	return j;
}

bool
journal_read(const char *data_dir, uint64_t first_seq, journal_f *fn, void *ctx, uint64_t *last,
    struct err *e)
{
	uint64_t newest;
	struct journal *j = replayed(data_dir, first_seq, fn, ctx, &newest, e);

	if (j == NULL)
		return false;
	*last = j->seq;
	journal_close(&j);
	return true;
}

void
journal_close(struct journal **jp)
{
	struct journal *j = *jp;

	if (j == NULL)
		return;
	*jp = NULL;
	if (j->fd >= 0)
		(void)close(j->fd);
	buf_fini(&j->queue);
	free(j);
}

struct buf *
journal_begin(struct journal *j)
{
	static const char head[HEAD_BYTES] = { 0 };

	j->record_at = j->queue.n;
	buf_put(&j->queue, (struct str){ head, HEAD_BYTES });
	return &j->queue;
}

uint64_t
journal_end(struct journal *j, uint8_t type)
{
	unsigned char *head;
	size_t n;

	ASSERT(buf_ok(&j->queue)); /* admission stops long before: core.c looks at the queue */
	head = (unsigned char *)j->queue.p + j->record_at;
	n = j->queue.n - j->record_at - HEAD_BYTES;
	ASSERT(n <= JOURNAL_RECORD_MAX);
	put_u32(head, (uint32_t)n);
	put_u64(head + 8, ++j->seq);
	head[16] = type;
	put_u32(head + 4, crc32c(0, (struct str){ (char *)head + 8, HEAD_BYTES - 8 + n }));
	return j->seq;
}

bool
journal_write(struct journal *j, struct buf *written, struct err *e)
{
	struct str all = buf_str(&j->queue);
	ssize_t n;

	ASSERT(written->n == 0);
	if (all.n == 0)
		return true;
	/* At the file's good end, whatever a failed attempt left behind it. */
	while ((n = pwrite(j->fd, all.p, all.n, j->good)) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)all.n) {
		int why = n < 0 ? errno : ENOSPC;

		if (n > 0 && ftruncate(j->fd, j->good) != 0)
			return err_set(e, ERR_STORE, "the journal cannot be cut back (%s)",
			    strerrorname_np(errno));
		return err_set(
		    e, ERR_STORE, "the journal cannot be written (%s)", strerrorname_np(why));
	}
	j->good += n;
	buf_fini(written);
	*written = j->queue;
	buf_init(&j->queue, QUEUE_BYTES);
	(void)buf_room(&j->queue, QUEUE_FIRST_BYTES); /* what a turn usually needs, at once */
	return true;
}

size_t
journal_queued(const struct journal *j)
{
	return j->queue.n;
}

uint64_t
journal_last(const struct journal *j)
{
	return j->seq;
}

bool
journal_wants_rotate(const struct journal *j)
{
	return j->good > ROTATE_BYTES;
}

bool
journal_rotate(struct journal *j, struct err *e)
{
	int old_fd = j->fd;
	int64_t old_good = j->good;

	j->number++;
	if (!file_begin(j, e)) {
		j->number--;
		j->fd = old_fd;
		j->good = old_good;
		return false;
	}
	if (old_fd >= 0)
		(void)close(old_fd);
	return true;
}

void
journal_prune(struct journal *j)
{
	uint64_t numbers[FILES_MAX];
	char path[4096];
	size_t n = files_list(j->dir, numbers);

	for (size_t i = 0; i < n; i++)
		if (numbers[i] < j->number) {
			file_name(j, numbers[i], path);
			(void)unlink(path);
		}
}

bool
journal_aside(const char *data_dir, int64_t stamp, struct err *e)
{
	uint64_t numbers[FILES_MAX];
	char from[4200], to[4300];
	size_t n = files_list(data_dir, numbers);

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(from, sizeof(from), "%s/journal.%llu", data_dir,
		    (unsigned long long)numbers[i]);
		(void)snprintf(to, sizeof(to), "%s.replaced-%lld", from, (long long)stamp);
		if (rename(from, to) != 0)
			return err_set(
			    e, ERR_STORE, "cannot move %.200s (%s)", from, strerrorname_np(errno));
	}
	return true;
}
