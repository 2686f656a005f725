/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sse - the same bytes whole and in pieces give the same events.  The first byte chooses the size
 * of the pieces.
 */
#include "base/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
on_event(void *ctx, const struct sse_event *ev)
{
	struct buf *out = ctx;

	buf_put(out, ev->event);
	buf_putc(out, 1);
	buf_put(out, ev->data);
	buf_putc(out, 2);
	buf_put(out, ev->id);
	buf_i64(out, ev->retry_ms);
	return true;
}

static bool
feed(struct str bytes, size_t piece, struct buf *out)
{
	struct sse s;
	struct err e;
	bool ok = true;

	sse_init(&s, 4096);
	while (ok && bytes.n > 0) {
		size_t n = bytes.n < piece ? bytes.n : piece;

		ok = sse_feed(&s, (struct str){ bytes.p, n }, on_event, out, &e);
		bytes.p += n;
		bytes.n -= n;
	}
	sse_fini(&s);
	return ok;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = { (const char *)data + 1, size - 1 };
	struct buf whole, pieces;
	bool a, b;

	if (size < 2)
		return 0;
	buf_init(&whole, 0);
	buf_init(&pieces, 0);
	a = feed(bytes, bytes.n, &whole);
	b = feed(bytes, 1 + data[0] % 16, &pieces);
	ASSERT(a == b);
	ASSERT(str_eq(buf_str(&whole), buf_str(&pieces)));
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
