/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a JSON-RPC message, and then as one of ours: what is read must lie inside the bytes,
 * an id must survive into a reply, and the era must be decided without looking further.
 */
#include <stdlib.h>

#include "mcp/era.h"

static void
inside(struct str text, struct str part)
{
	if (part.p == NULL || part.n == 0)
		return;
	if ((part.p < text.p || part.p + part.n > text.p + text.n) && part.p[0] != '{')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size };
	struct http1_head h = { .n = 0 };
	struct era_verdict v;
	struct rpc m, back;
	struct buf b;
	struct err e;

	for (int ours = 0; ours < 2; ours++) {
		if (!rpc_parse(text, ours == 1, &m, &e)) {
			if (m.bad != RPC_PARSE && m.bad != RPC_REQUEST)
				abort();
			continue;
		}
		inside(text, m.id);
		inside(text, m.result);
		inside(text, m.error);
		if (m.kind == RPC_IS_REQUEST || m.kind == RPC_IS_NOTIFICATION) {
			h.h[0] = (struct header){ STR("mcp-protocol-version"), STR("2026-07-28") };
			h.h[1] = (struct header){ STR("mcp-method"), str_of(m.method) };
			h.n = 2;
			era_classify(&h, &m, &v);
			h.n = 0;
			era_classify(&h, &m, &v);
		}
		if (m.id.p == NULL)
			continue;
		buf_init(&b, 0);
		rpc_put_error(&b, m.id, -1, str_of(e.code == ERR_NONE ? "x" : e.text), STR(""));
		if (!buf_ok(&b) || !rpc_parse(buf_str(&b), true, &back, &e) ||
		    !str_eq(back.id, m.id) || back.kind != RPC_IS_ERROR)
			abort();
		buf_fini(&b);
	}
	buf_init(&b, 0);
	era_put_header_value(&b, text);
	if (size < 2000 && buf_ok(&b) && !era_header_is(buf_str(&b), text))
		abort();
	buf_fini(&b);
	return 0;
}
