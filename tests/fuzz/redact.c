/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact - whatever comes, in whatever pieces: the same bytes leave as when it came whole, what is
 * JSON is JSON afterwards, and what is only watched leaves as it came.
 *
 * The first byte says how, the second the size of the pieces.
 */
#include "policies/redact.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
keep(void *ctx, struct str s)
{
	buf_put(ctx, s);
}

static void
instead(void *ctx, struct str s, size_t n)
{
	(void)n;
	buf_put(ctx, s);
}

static struct redact_tables tables;

static void
run(struct buf *out, struct str in, bool json, uint8_t action, size_t piece)
{
	uint8_t actions[REDACT_CLASSES];
	struct redact_out o = { keep, instead, out };
	struct redact_counts counts = { .blocked = NULL };
	struct redactor r;

	memset(actions, action, sizeof(actions));
	buf_init(out, 0);
	redactor_init(&r, &tables, actions, json, &o, &counts);
	for (size_t n; in.n > 0; in.p += n, in.n -= n) {
		char *copy;

		n = piece < in.n ? piece : in.n;
		copy = mem_alloc(n);
		memcpy(copy, in.p, n);
		redactor_feed(&r, (struct str){ copy, n });
		free(copy);
	}
	redactor_end(&r);
	redactor_fini(&r);
	ASSERT(buf_ok(out));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, pieces;
	struct str in;
	bool json, valid;
	struct err e;

	if (size < 2)
		return 0;
	if (tables.key[0] == 0) {
		redact_tables_init(&tables);
		memset(tables.key, 1, sizeof(tables.key));
	}
	json = data[0] & 1;
	in = (struct str){ (const char *)data + 2, size - 2 };
	run(&whole, in, json, data[0] & 2 ? REDACT_MASK : REDACT_HASH, SIZE_MAX);
	run(&pieces, in, json, data[0] & 2 ? REDACT_MASK : REDACT_HASH, 1 + (size_t)data[1]);
	ASSERT(str_eq(buf_str(&whole), buf_str(&pieces)));
	valid = json && json_check(in, false, &e);
	if (valid == json &&
	    redact_clean(&tables, (const uint8_t[REDACT_CLASSES]){ 3, 3, 3, 3, 3 }, in))
		ASSERT(str_eq(in, buf_str(&whole)));
	ASSERT(!valid || json_check(buf_str(&whole), false, &e));
	ASSERT(!valid || !redact_card_number(in) || !str_eq(in, buf_str(&whole)));
	buf_fini(&pieces);
	run(&pieces, in, json, REDACT_WATCH, 1 + (size_t)data[1]);
	ASSERT(str_eq(in, buf_str(&pieces)));
	buf_fini(&pieces);
	buf_fini(&whole);
	return 0;
}
