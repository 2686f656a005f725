/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DATA/anchor may lie: the bytes, and the bytes with a digest that fits them.  What is taken is
 * written again and read again, and is the same.
 */
#include <stdlib.h>

#include "policies/anchor.h"

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
tried(struct str text)
{
	struct buf first, second;
	struct anchor a, b;
	struct err e;

	if (anchor_parse(&a, text, &e)) {
		buf_init(&first, 0);
		buf_init(&second, 0);
		anchor_text(&a, &first);
		must(anchor_parse(&b, buf_str(&first), &e));
		anchor_text(&b, &second);
		must(first.n == second.n && a.keys.n == b.keys.n && a.spend.n == b.spend.n);
		anchor_fini(&b);
		buf_fini(&first);
		buf_fini(&second);
	} else {
		must(e.code == ERR_STORE && a.keys.n == 0 && a.spend.n == 0);
	}
	anchor_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct str text = { (const char *)data, size };
	struct sha256 digest;
	struct buf sealed;

	tried(text);
	buf_init(&sealed, 0);
	buf_put(&sealed, text);
	sha256(&digest, text);
	buf_puts(&sealed, "sha256 ");
	buf_hex(&sealed, digest.b, SHA256_BYTES);
	buf_putc(&sealed, '\n');
	tried(buf_str(&sealed));
	buf_fini(&sealed);
	return 0;
}
