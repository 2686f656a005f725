/* SPDX-License-Identifier: Apache-2.0 */
/*
 * masking - what `redact:` rules want of one request to a model: its texts without what must not
 * leave, all other bytes as they came.
 *
 * The same text is always written the same way, so a conversation keeps the beginning that the
 * provider has in its cache.
 */
#pragma once

#include "gateway/dialect.h"
#include "policies/policies.h"

#define MASKING_AT_BYTES 64

struct masking {
	struct redaction wants;
	struct redact_counts counts;
	struct buf body;           /* rewritten */
	char at[MASKING_AT_BYTES]; /* where the first that blocks stands, or "" */
};
/* NULL: no rule holds for this model, by either name. */
struct masking *masking_begin(
    struct core *c, struct key *k, struct str client, struct str model, struct str requested);
void masking_end(struct masking **at);
/* *body becomes what may be sent, which lives as long as the masking.  What blocks is in counts,
 * for the gate.  ERR_INVALID when it is no JSON, ERR_TOO_LARGE. */
bool masking_request(struct masking *m, struct core *c, const struct dialect *d, struct str *body,
    struct err *e) MUST_CHECK;
