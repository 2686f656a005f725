/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address - IP addresses, ranges, and X-Forwarded-For.
 *
 * Whoever sends X-Forwarded-For can write into it what they like.  Only what a proxy of ours
 * appended is worth anything: the list is read from its end, as long as the one who appended an
 * entry is trusted.  Proxies append as a further header or behind a comma; both are one list.
 */
#include "gateway/address.h"

#include <arpa/inet.h>
#include <string.h>

#define HOPS_MAX 32 /* entries looked at, from the end */

/* What stands behind an address: nothing, or ":" and a port. */
static bool
is_port(struct str rest)
{
	int64_t port;

	if (rest.n == 0)
		return true;
	return rest.p[0] == ':' && str_i64((struct str){ rest.p + 1, rest.n - 1 }, &port) &&
	       port >= 0 && port <= 65535;
}

bool
address_parse(struct str text, struct address *out)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char host[INET6_ADDRSTRLEN];
	const char *close = text.n > 0 && text.p[0] == '[' ? memchr(text.p, ']', text.n) : NULL;
	const char *colon = text.n > 0 ? memchr(text.p, ':', text.n) : NULL;

	struct str rest = STR("");

	if (close != NULL) {
		rest = STR_SPAN(close + 1, text.p + text.n);
		text = STR_SPAN(text.p + 1, close);
	} else if (colon != NULL && memrchr(text.p, ':', text.n) == colon) { /* one: a port */
		rest = STR_SPAN(colon, text.p + text.n);
		text = STR_SPAN(text.p, colon);
	}
	if (!is_port(rest) || text.n == 0 || !str_copy(host, sizeof(host), text))
		return false;
	if (inet_pton(AF_INET6, host, out->b) == 1)
		return true;
	memcpy(out->b, mapped, sizeof(mapped));
	return inet_pton(AF_INET, host, out->b + 12) == 1;
}

bool
range_parse(struct str text, struct address_range *out)
{
	struct str address = str_cut(&text, '/');
	bool v4 = !str_has(address, ':');
	int64_t bits = v4 ? 32 : 128;

	if (!address_parse(address, &out->at) ||
	    (text.p != NULL && (!str_i64(text, &bits) || bits < 0 || bits > (v4 ? 32 : 128))))
		return false;
	out->bits = (int)bits + (v4 ? 96 : 0);
	for (int i = out->bits; i < 128; i++)
		if (out->at.b[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

static bool
in_range(const struct address *a, const struct address_range *r)
{
	int whole = r->bits / 8, rest = r->bits % 8;

	return memcmp(a->b, r->at.b, (size_t)whole) == 0 &&
	       (rest == 0 || ((a->b[whole] ^ r->at.b[whole]) >> (8 - rest)) == 0);
}

bool
address_in(const struct address *a, const struct address_range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_range(a, &ranges[i]))
			return true;
	return false;
}

bool
address_is_loopback(const struct address *a)
{
	static const struct address_range loopback[] = {
		{ { { [10] = 0xff, [11] = 0xff, [12] = 127 } }, 104 }, { { { [15] = 1 } }, 128 }
	};

	return address_in(a, loopback, COUNT(loopback));
}

/* The entries of all X-Forwarded-For headers, the last HOPS_MAX of them; returns how many. */
static size_t
hops_read(const struct http1_head *head, struct str hops[HOPS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < head->n; i++) {
		struct str v = head->h[i].value;

		if (!str_ieq(head->h[i].name, STR("x-forwarded-for")))
			continue;
		while (v.p != NULL) {
			if (n == HOPS_MAX)
				memmove(hops, hops + 1, (--n) * sizeof(*hops));
			hops[n++] = str_trim(str_cut(&v, ','));
		}
	}
	return n;
}

/* One spelling per address: what a proxy wrote is not copied. */
static struct str
address_text(const struct address *a, char out[ADDRESS_TEXT])
{
	static const struct address_range mapped = { { { [10] = 0xff, [11] = 0xff } }, 96 };
	bool v4 = in_range(a, &mapped);

	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->b + 12 : a->b, out, ADDRESS_TEXT) == NULL)
		return STR("");
	return str_of(out);
}

struct str
address_client(struct str peer, const struct http1_head *head, const struct address_range *trusted,
    size_t n, char out[ADDRESS_TEXT])
{
	struct address at, next;
	struct str hops[HOPS_MAX];
	size_t left;

	if (n == 0 || !address_parse(peer, &at) || !address_in(&at, trusted, n))
		return peer;
	left = hops_read(head, hops);
	if (left == 0)
		return peer;
	while (left > 0 && address_in(&at, trusted, n)) {
		if (!address_parse(hops[--left], &next))
			break;
		at = next;
	}
	return address_text(&at, out);
}
