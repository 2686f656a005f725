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

/* The public keys of an issuer (RFC 7517): those for RS256 and ES256 signatures, others are left
 * out.  NULL with *e: no key set, or none of its keys can be used. */
#define JWKS_KEYS_MAX 32
struct jwks;
struct jwks *jwks_read(struct str json, struct err *e) MUST_CHECK;
void jwks_free(struct jwks **k);

/*
 * Is this token signed by one of the keys (RFC 7515 §5.2)?  Then its claims, a checked JSON object,
 * are appended to `claims`; what they say is the caller's to judge.  ERR_AUTH: it is no token, its
 * algorithm is neither of the two, it has `crit`, or the signature is wrong.  ERR_NOT_FOUND: no key
 * has its kid; the issuer may have a new one.
 */
#define JWT_BYTES_MAX ((size_t)16 << 10)
bool
jwt_verify(const struct jwks *k, struct str token, struct buf *claims, struct err *e) MUST_CHECK;
