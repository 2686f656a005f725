/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz: what the edge reads of a head beside HTTP itself: forwarded addresses and queries.
 *
 * Input: lines; the first is the peer, the second a query, the others X-Forwarded-For headers.
 * Held: the client is the peer or an address; no parameter that query_clean() keeps is dropped by a
 * second pass, and it adds nothing.
 */
#include "gateway/address.h"

#include "gateway/gateway.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
addresses(struct str peer, const struct http1_head *head)
{
	struct address_range trusted[2];
	struct address a;
	char out[ADDRESS_TEXT];
	struct str client;

	ASSERT(
	    range_parse(STR("10.0.0.0/8"), &trusted[0]) && range_parse(STR("::/3"), &trusted[1]));
	client = address_client(peer, head, trusted, 2, out);
	ASSERT(client.p == peer.p || address_parse(client, &a));
	if (range_parse(peer, &trusted[0]))
		ASSERT(trusted[0].bits >= 0 && trusted[0].bits <= 128);
}

static void
query(struct str q)
{
	struct arena a;
	struct str once, twice;

	arena_init(&a, 8 << 20);
	once = query_clean(&a, q);
	ASSERT(once.n <= q.n);
	twice = query_clean(&a, once);
	ASSERT(str_eq(once, twice));
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str rest = { (const char *)data, n };
	struct http1_head head = { .n = 0 };
	struct str peer = str_cut(&rest, '\n');

	if (rest.p != NULL)
		query(str_cut(&rest, '\n'));
	while (rest.p != NULL && head.n < HTTP1_HEADERS_MAX)
		head.h[head.n++] = (struct header){ STR("x-forwarded-for"), str_cut(&rest, '\n') };
	addresses(peer, &head);
	return 0;
}
