/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/http1 - heads and bodies, whole and in pieces, must mean the same.
 *
 * The first byte says request or response and the size of the pieces.  What is checked beside the
 * absence of crashes: the result does not depend on where the bytes were cut; every span lies
 * inside the head; what was accepted contains nothing that another parser could read differently.
 */
#include <stdlib.h>
#include <string.h>

#include "base/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http1_result
head_of(struct str s, bool request, size_t *scanned, struct http1_head *h, size_t *used)
{
	struct err e;

	return request ? http1_request(s, scanned, h, used, &e)
		       : http1_response(s, scanned, false, h, used, &e);
}

static void
span_check(struct str s, struct str all)
{
	if (s.n > 0 && (s.p < all.p || s.p + s.n > all.p + all.n))
		abort();
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			abort();
}

static void
head_check(const struct http1_head *h, struct str all, bool request)
{
	int lengths = 0, codings = 0;

	for (size_t i = 0; i < h->n; i++) {
		span_check(h->h[i].name, all);
		span_check(h->h[i].value, all);
		lengths += str_ieq(h->h[i].name, STR("content-length"));
		codings += str_ieq(h->h[i].name, STR("transfer-encoding"));
	}
	if (codings > 1 || (codings > 0 && lengths > 0) || h->length_bytes < 0)
		abort();
	if (request)
		span_check(h->target, all);
	if (request &&
	    (h->framing == HTTP1_UNTIL_CLOSE || (codings > 0) != (h->framing == HTTP1_CHUNKED)))
		abort();
}

/* Decodes with pieces of `piece` bytes; what was consumed goes to *used. */
static enum http1_result
body_of(const struct http1_head *h, struct str s, size_t piece, struct buf *out, size_t *used)
{
	struct http1_body b;
	struct err e;

	http1_body_init(&b, h);
	*used = 0;
	for (;;) {
		struct str in = { s.p + *used, s.n - *used < piece ? s.n - *used : piece }, got;
		size_t had = in.n;
		enum http1_result r;

		do {
			r = http1_body_next(&b, &in, &got, &e);
			buf_put(out, got);
		} while (r == HTTP1_MORE && in.n > 0);
		*used += had - in.n;
		if (r != HTTP1_MORE || *used == s.n)
			return r;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_head whole, parts;
	bool request = size > 0 && (data[0] & 1) != 0;
	size_t piece = size > 0 ? (size_t)(data[0] >> 1) + 1 : 1, scanned = 0, used = 0,
	       used_parts = 0;
	struct str all = { (const char *)data + 1, size > 0 ? size - 1 : 0 };
	enum http1_result r = head_of(all, request, &scanned, &whole, &used), rp = HTTP1_MORE;
	size_t used_body, used_body_parts;
	struct buf a, b;

	scanned = 0;
	for (size_t n = piece < all.n ? piece : all.n; rp == HTTP1_MORE; n += piece) {
		if (n > all.n)
			n = all.n;
		rp = head_of((struct str){ all.p, n }, request, &scanned, &parts, &used_parts);
		if (n == all.n)
			break;
	}
	if (r != rp)
		abort();
	if (r != HTTP1_DONE)
		return 0;
	if (used != used_parts || whole.n != parts.n || whole.framing != parts.framing ||
	    whole.length_bytes != parts.length_bytes || whole.keep_alive != parts.keep_alive)
		abort();
	head_check(&whole, (struct str){ all.p, used }, request);
	all.p += used;
	all.n -= used;
	buf_init(&a, 0);
	buf_init(&b, 0);
	r = body_of(&whole, all, SIZE_MAX, &a, &used_body);
	rp = body_of(&whole, all, piece, &b, &used_body_parts);
	if (r != rp || !str_eq(buf_str(&a), buf_str(&b)) ||
	    (r == HTTP1_DONE && used_body != used_body_parts))
		abort();
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
