/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - the one write-ahead record of governed work: DATA/journal.N.
 *
 * Records are gathered during a turn and written with one write(2) before that turn's requests
 * leave.  What a record means is for the caller; here it is a type and bytes, with a sequence
 * number and a checksum.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"

#define JOURNAL_RECORD_MAX ((size_t)320 << 10)

struct journal_record {
	uint64_t seq;
	uint8_t type;
	struct str payload;
};
typedef void journal_f(void *ctx, const struct journal_record *r);

struct journal;
/* Replays what is in the files, in order (a torn tail ends a file), then opens a new file behind
 * them.  `first_seq` is the least number a new record may get, and everything from it on has to be
 * there: ERR_STORE when a record is missing between others. */
struct journal *journal_open(
    const char *data_dir, uint64_t first_seq, journal_f *fn, void *ctx, struct err *e) MUST_CHECK;
void journal_close(struct journal **j);
/* The same without a new file; *last: the newest number, first_seq - 1 when there is none. */
bool journal_read(const char *data_dir, uint64_t first_seq, journal_f *fn, void *ctx,
    uint64_t *last, struct err *e) MUST_CHECK;
/*
 * Queues a record for journal_write(): the caller appends the payload, at most JOURNAL_RECORD_MAX
 * bytes, to the buffer that begin returns, and nothing else happens to the journal until end, which
 * returns the record's number.
 */
struct buf *journal_begin(struct journal *j);
uint64_t journal_end(struct journal *j, uint8_t type);
/*
 * Writes what is queued.  *written, empty before, takes over the memory with the records in it, for
 * journal_next(); the caller frees it.  false: nothing was written (disk full, I/O error; *e),
 * everything stays queued and the file is as it was; call again later.
 */
bool journal_write(struct journal *j, struct buf *written, struct err *e) MUST_CHECK;
/* Cuts one record off *in; false at the end or where the bytes are no record. */
bool journal_next(struct str *in, struct journal_record *r);
size_t journal_queued(const struct journal *j);
uint64_t journal_last(const struct journal *j);     /* number of the newest record */
bool journal_wants_rotate(const struct journal *j); /* the file has grown large */
/*
 * Starts a new file.  The caller then puts and writes again what is still open, and when that is on
 * disk and everything older has been applied, journal_prune() removes the older files.
 */
bool journal_rotate(struct journal *j, struct err *e) MUST_CHECK;
void journal_prune(struct journal *j);
/* Renames every file so that nothing replays it any more: "journal.N.replaced-STAMP". */
bool journal_aside(const char *data_dir, int64_t stamp, struct err *e) MUST_CHECK;
