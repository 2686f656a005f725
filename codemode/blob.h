/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob - what a run keeps of its tools' answers instead of sending it through the worker.
 *
 * Images, audio, embedded resources and, where the script asks for it, whole results stay here,
 * once each; the script holds a handle.  A handle that is passed to a tool is replaced by the bytes
 * before the arguments are checked and judged; one that is shown or returned puts the block itself
 * into the result of `lua`.
 *
 * On the wire: down, a value that is a handle is written #{…} (no tool can send that: its answer
 * was checked as JSON).  Up, a handle is the string NUL "#" ref, and the worker puts one more NUL
 * before any other string that begins with one; so no data of a tool can pass for a handle.  A
 * broken worker can make handles up, but its run's own blobs are all that they can name: ref holds
 * a number that is drawn for each run.
 *
 * A run keeps BLOBS_MAX blobs of BLOB_BYTES_MAX bytes together; what does not fit has a handle
 * that says so when it is used.  At most BLOBS_SHOWN_MAX blocks of BLOBS_SHOWN_BYTES_MAX bytes are
 * shown.
 */
#pragma once

#include "base/text.h"

#define BLOBS_MAX             64
#define BLOB_BYTES_MAX        ((size_t)16 << 20)
#define BLOBS_SHOWN_MAX       16
#define BLOBS_SHOWN_BYTES_MAX ((size_t)8 << 20)

#define BLOB_TYPE_BYTES 64

struct blob {
	char *memory;               /* the one copy; NULL: it was not kept */
	char type[BLOB_TYPE_BYTES]; /* "image/png": letters, digits and +.-/ only */
	struct str value;           /* raw JSON, what stands for it in arguments */
	struct str block;           /* raw JSON, the content block it was; "": a result */
	size_t bytes;               /* that it stands for */
	bool shown;
};
struct blobs {
	struct blob *b; /* BLOBS_MAX of them, once there is one */
	size_t n;       /* handles given out: may be more than that */
	size_t bytes;   /* kept */
	uint32_t tag;
	size_t shown, shown_bytes;
};
void blobs_init(struct blobs *s);
void blobs_fini(struct blobs *s);

/* Keeps a copy; writes the handle, as the worker reads it. */
void blob_put_block(struct blobs *s, struct str block_raw, struct buf *out);
void blob_put_value(struct blobs *s, struct str value_json, struct buf *out);
/* Does this block hold bytes (image, audio, resource)?  Links do not. */
bool blob_is(struct str block_raw);

/* What a string that came from a worker is; raw, with its quotes. */
enum blob_string {
	BLOB_NO,      /* a string */
	BLOB_ESCAPED, /* a string, once the first NUL (six bytes after the quote) is taken off */
	BLOB_HANDLE
};
#define BLOB_ESCAPE_BYTES 7 /* of the quote and that NUL */
enum blob_string blob_string(struct str raw);
/* The blob of a handle; NULL: `why` says why it cannot be used. */
struct blob *blob_find(struct blobs *s, struct str raw, struct buf *why);
/* It will be shown.  false: `why` says why not. */
bool blob_show(struct blobs *s, struct blob *b, struct buf *why);
/* A returned value with handles named ("<image/png 12 KB #3>") and shown, other strings as they
 * were.  Returns value_json, or the text in `out`. */
struct str blobs_name(struct blobs *s, struct str value_json, struct buf *out);
/* ",{…}" for each block that is shown, to stand behind the text block of a result; of a result by
 * reference the first text_bytes, as text. */
void blobs_put_shown(const struct blobs *s, size_t text_bytes, struct buf *out);
