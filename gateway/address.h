/* SPDX-License-Identifier: Apache-2.0 */
/* address - IP addresses and ranges of them, and which one a request really comes from. */
#pragma once

#include <stdint.h>

#include "base/http1.h"
#include "base/text.h"

struct address {
	uint8_t b[16]; /* IPv4 as ::ffff:a.b.c.d */
};
struct address_range {
	struct address at;
	int bits; /* of 128 */
};
#define ADDRESS_TEXT 64

/* "10.1.2.3", "::1", "[::1]", with or without ":port" behind an IPv4 or a bracketed address. */
bool address_parse(struct str text, struct address *out);
/* "10.0.0.0/8", "fd00::/8", or one address.  false: it is none, or has bits past its length. */
bool range_parse(struct str text, struct address_range *out);
bool address_in(const struct address *a, const struct address_range *ranges, size_t n);
bool address_is_loopback(const struct address *a);
/*
 * The client of a request: the peer, unless the peer is a trusted proxy; then the last address of
 * X-Forwarded-For that is no trusted proxy.  What stands before that one, anybody can have written.
 * Without such an address, or with one that cannot be read, the nearest one that can: never a text
 * that is no address.  "" stays "".
 */
struct str address_client(struct str peer, const struct http1_head *head,
    const struct address_range *trusted, size_t n, char out[ADDRESS_TEXT]);
