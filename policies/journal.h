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

#define JOURNAL_RECORD_MAX ((size_t)256 << 10)

struct journal_record {
	uint64_t seq;
	uint8_t type;
	struct str payload;
};
typedef void journal_f(void *ctx, const struct journal_record *r);

struct journal;
/* Replays what is in the files, in order (a torn or corrupt tail ends a file), then opens a new
 * file behind them.  `first_seq` is the least number a new record may get. */
struct journal *journal_open(
    const char *data_dir, uint64_t first_seq, journal_f *fn, void *ctx, struct err *e) MUST_CHECK;
void journal_close(struct journal **j);
/* Queues a record for journal_write(); returns its number. */
uint64_t journal_put(struct journal *j, uint8_t type, struct str payload);
/*
 * Writes what is queued and gives each record to fn.  false: nothing was written (disk full, I/O
 * error; *e), everything stays queued and the file is as it was; call again later.
 */
bool journal_write(struct journal *j, journal_f *fn, void *ctx, struct err *e) MUST_CHECK;
size_t journal_queued(const struct journal *j);
uint64_t journal_last(const struct journal *j);     /* number of the newest record */
bool journal_wants_rotate(const struct journal *j); /* the file has grown large */
/*
 * Starts a new file.  The caller then puts and writes again what is still open, and when that is on
 * disk and everything older has been applied, journal_prune() removes the older files.
 */
bool journal_rotate(struct journal *j, struct err *e) MUST_CHECK;
void journal_prune(struct journal *j);
