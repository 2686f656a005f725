/* SPDX-License-Identifier: Apache-2.0 */
/* admin - the admin API's operations, for the control socket and for a CLI without a gateway. */
#pragma once

#include "gateway/gateway.h"

struct admin_request {
	struct core *core;
	struct hub *hub;           /* NULL: no gateway runs, only keys and quotas can be answered */
	struct webhook *webhook;   /* NULL: none */
	struct codemode *codemode; /* as hub */
	struct str method, path, query, body, actor;
	struct key *key; /* a user's, with an admin: grant; NULL: the operator */
};
/* The JSON reply, or false with *e. */
bool admin_answer(const struct admin_request *r, struct buf *out, struct err *e) MUST_CHECK;
/* What it asks, as `admin:` rules name it: "key.create", "token.create" (of an admin token),
 * "policies.reload"; ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_INVALID: it is no request. */
#define ADMIN_OPERATION_BYTES 64
bool admin_operation(
    const struct admin_request *r, char out[ADMIN_OPERATION_BYTES], struct err *e) MUST_CHECK;
/* approvals.c: {"id":…,"decision":"approve"|"deny","reason":…,"by":…}, said by *a; the request as
 * JSON.  id "": the body's; `by` counts of a webhook only. */
bool approval_command(struct core *c, struct str id, struct str body, struct approval_answer *a,
    struct buf *out, struct err *e) MUST_CHECK;
