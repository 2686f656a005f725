/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http1 - one strict HTTP/1.1 parser and writer for both directions (RFC 9112).
 *
 * Refused: a bare CR, obs-fold, spaces before a colon, differing or malformed Content-Length,
 * Content-Length beside Transfer-Encoding, any coding but chunked (last and once), NUL and control
 * bytes in fields, HTTP versions other than 1.0 and 1.1, more than HTTP1_HEADERS_MAX fields.
 * The parser keeps no copy: all spans point into the bytes that were given.
 */
#pragma once

#include "base/err.h"
#include "base/sink.h"
#include "base/text.h"

#define HTTP1_HEAD_BYTES_MAX ((size_t)64 * 1024)
#define HTTP1_HEADERS_MAX    100

enum http1_framing { HTTP1_NONE, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_UNTIL_CLOSE };

struct http1_head {
	struct str method, target; /* request; target in origin-form, or "*", as sent */
	int status;                /* response */
	struct str reason;
	int minor; /* HTTP/1.minor */
	struct header h[HTTP1_HEADERS_MAX];
	size_t n;
	enum http1_framing framing;
	int64_t length_bytes; /* with HTTP1_LENGTH */
	bool keep_alive, expect_continue;
	bool nominates; /* Connection names headers of this hop: see http1_nominated() */
};

enum http1_result { HTTP1_MORE, HTTP1_DONE, HTTP1_BAD };

/*
 * Parses one head from the start of `in`.  HTTP1_DONE: *used_bytes is its length with the empty
 * line.  HTTP1_MORE: call again with the same bytes and more; *scanned carries the progress (0 at
 * first), so that byte-by-byte arrival stays linear.  HTTP1_BAD: *e says why (ERR_INVALID,
 * ERR_HEAD_LARGE, ERR_LENGTH); the connection must be closed after the answer.
 */
enum http1_result http1_request(
    struct str in, size_t *scanned, struct http1_head *h, size_t *used_bytes, struct err *e);
/* The same for a response; `head_request` = the request was HEAD (no body whatever it says). */
enum http1_result http1_response(struct str in, size_t *scanned, bool head_request,
    struct http1_head *h, size_t *used_bytes, struct err *e);

/* Does Connection name this header as one of the hop (RFC 9110 7.6.1)?  Such a one is not passed
 * on. */
bool http1_nominated(const struct http1_head *h, struct str name);
const struct header *http1_find(const struct http1_head *h, struct str lower_name);

/* Decodes a body of any framing.  Trailers are checked and dropped. */
struct http1_body {
	enum http1_framing framing;
	int64_t left_bytes; /* of the content or of this chunk */
	int state;
	size_t line_bytes;
	int64_t total_bytes;
};
void http1_body_init(struct http1_body *b, const struct http1_head *h);
/*
 * Takes bytes from *in (advanced), gives the next piece of content in *out (empty = none yet).
 * Call until *in is empty.  HTTP1_DONE: the body is complete, what remains in *in is the next
 * message's.  End of stream is the caller's affair (HTTP1_UNTIL_CLOSE ends there).
 */
enum http1_result
http1_body_next(struct http1_body *b, struct str *in, struct str *out, struct err *e);

/* Writers; names and values must be clean (they are checked: CR, LF, NUL fail the buf). */
void http1_put_status(struct buf *b, int status);
void http1_put_request(struct buf *b, struct str method, struct str target);
void http1_put_header(struct buf *b, struct str name, struct str value);
