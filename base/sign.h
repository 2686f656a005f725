/* SPDX-License-Identifier: Apache-2.0 */
/* sign - JSON Web Tokens (RFC 7515, 7519): ours signed, others' verified. */
#pragma once

#include "base/err.h"
#include "base/text.h"

/* header.claims.signature, for a PEM private key: EC P-256 gives ES256, RSA (2,048 bits and more)
 * RS256.  ERR_INVALID: it is neither. */
bool jwt_sign(struct buf *out, struct str pem, struct str claims_json, struct err *e) MUST_CHECK;
/* Would jwt_sign() take this key? */
bool jwt_key_check(struct str pem, struct err *e) MUST_CHECK;
