/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a compromised worker can say.  The first byte chooses the pieces; then the stream.  Oracle:
 * no sanitizer report; memory bounded by one frame and one piece; calls, open calls and printed
 * bytes within their limits; nothing but READER_BAD or silence after the end.
 */
#include <stdlib.h>

#include "sandbox/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct reader_limits limits = {
		.calls_max = 20,
		.in_flight_max = 4,
		.handles = 3,
		.state = true,
	};
	struct reader r;
	struct reader_frame f;
	size_t piece, calls = 0, printed = 0;
	bool ended = false;

	if (n < 1)
		return 0;
	piece = data[0] == 0 ? READER_PIECE_MAX : data[0];
	data++;
	n--;
	reader_init(&r, limits);
	while (n > 0) {
		size_t take = n < piece ? n : piece;
		enum reader_event ev;

		reader_feed(&r, (struct str){ (const char *)data, take });
		data += take;
		n -= take;
		while ((ev = reader_next(&r, &f)) != READER_WAIT) {
			if (ev == READER_BAD)
				goto out;
			if (ended)
				abort();
			ended = ev == READER_END;
			if (ev == READER_CALL && (++calls > limits.calls_max || r.in_flight > 4))
				abort();
			if (ev == READER_CALL && f.head.id % 2 == 0 &&
			    !reader_answered(&r, f.head.id))
				abort();
			if (ev == READER_LOG && (printed += f.body.n) > FRAME_LOG_MAX)
				abort();
			for (size_t i = 0; i < f.body.n; i++) /* every byte lent is ours to read */
				if (f.body.p[i] == 1 && f.head.type == 0)
					abort();
		}
		if (r.bytes.n > FRAME_HEAD_BYTES + FRAME_CALL_MAX + READER_PIECE_MAX)
			abort();
	}
out:
	reader_fini(&r);
	return 0;
}
