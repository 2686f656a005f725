/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - the door to OpenSSL's asymmetric keys.
 *
 * Two algorithms and no negotiation: the key says which one it is for.  ECDSA signatures are turned
 * from DER into the fixed two numbers that JWS wants (RFC 7518 §3.4).
 */
#include "base/sign.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/json.h"

#define PEM_BYTES_MAX 32768
#define RSA_BITS_MIN  2048
#define P256_BYTES    32
#define SIGNATURE_MAX 1024 /* RSA up to 8,192 bits */

enum algorithm { NEITHER, ES256, RS256 };

static enum algorithm
algorithm_of(EVP_PKEY *key)
{
	char group[32] = "";
	size_t n = 0;

	if (EVP_PKEY_is_a(key, "RSA"))
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN ? RS256 : NEITHER;
	if (EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1 &&
	    str_eq(str_of(group), STR("prime256v1")))
		return ES256;
	return NEITHER;
}

/* Passphrases are not asked for. */
static int
no_passphrase(
    char *buf, int size, int writing, void *ctx) // NOLINT(readability-non-const-parameter)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return 0;
}

static EVP_PKEY *
key_read(struct str pem, struct err *e)
{
	BIO *bio;
	EVP_PKEY *key = NULL;

	if (pem.n > PEM_BYTES_MAX) {
		(void)err_set(e, ERR_INVALID, "the private key is too long");
		return NULL;
	}
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	(void)BIO_free(bio);
	ERR_clear_error();
	if (key != NULL && algorithm_of(key) != NEITHER)
		return key;
	EVP_PKEY_free(key);
	(void)err_set(e, ERR_INVALID,
	    "the private key must be PEM without a passphrase, EC P-256 or RSA with %d bits",
	    RSA_BITS_MIN);
	return NULL;
}

bool
jwt_key_check(struct str pem, struct err *e)
{
	EVP_PKEY *key = key_read(pem, e);

	EVP_PKEY_free(key);
	return key != NULL;
}

/* DER -> r || s. */
static bool
fixed(unsigned char *sig, size_t *n)
{
	const unsigned char *p = sig;
	ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &p, (long)*n);
	bool ok = both != NULL &&
		  BN_bn2binpad(ECDSA_SIG_get0_r(both), sig, P256_BYTES) == P256_BYTES &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(both), sig + P256_BYTES, P256_BYTES) == P256_BYTES;

	ECDSA_SIG_free(both);
	*n = (size_t)2 * P256_BYTES;
	return ok;
}

bool
jwt_sign(struct buf *out, struct str pem, struct str claims_json, struct err *e)
{
	static const struct str heads[] = { STR(""), STR("{\"alg\":\"ES256\",\"typ\":\"JWT\"}"),
		STR("{\"alg\":\"RS256\",\"typ\":\"JWT\"}") };
	EVP_PKEY *key = key_read(pem, e);
	unsigned char sig[SIGNATURE_MAX];
	size_t n = sizeof(sig);
	EVP_MD_CTX *md;
	bool ok;

	if (key == NULL)
		return false;
	buf_reset(out);
	buf_base64url(out, heads[algorithm_of(key)].p, heads[algorithm_of(key)].n);
	buf_putc(out, '.');
	buf_base64url(out, claims_json.p, claims_json.n);
	md = EVP_MD_CTX_new();
	ok = buf_ok(out) && md != NULL &&
	     EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestSign(md, sig, &n, (const unsigned char *)out->p, out->n) == 1 &&
	     (algorithm_of(key) != ES256 || fixed(sig, &n));
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!ok)
		return err_set(e, ERR_INTERNAL, "the private key does not sign");
	buf_putc(out, '.');
	buf_base64url(out, sig, n);
	return buf_ok(out) || err_set(e, ERR_TOO_LARGE, "the token is too long");
}

/* ---- others' ---- */

#define KID_BYTES_MAX 256
#define TRIES_MAX     4 /* keys that are tried for a token that names none */

struct jwk {
	EVP_PKEY *key;
	char *kid; /* "" when it has none */
};
struct jwks {
	struct jwk keys[JWKS_KEYS_MAX];
	size_t n;
};

void
jwks_free(struct jwks **kp)
{
	struct jwks *k = *kp;

	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++) {
		EVP_PKEY_free(k->keys[i].key);
		free(k->keys[i].kid);
	}
	MEM_FREE(kp);
}

/* A member's text; "" when absent or no text. */
static struct str
member(struct str object, const char *name, struct arena *a)
{
	struct str raw, s;

	return json_get(object, str_of(name), &raw) && json_string(raw, a, &s) ? s : STR("");
}

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *b)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY *key = NULL;

	if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
rsa_read(struct str n64, struct str e64)
{
	struct buf n, e;
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *bn = NULL, *be = NULL;
	EVP_PKEY *key = NULL;

	buf_init(&n, 2048);
	buf_init(&e, 16);
	if (base64url_decode(&n, n64) && base64url_decode(&e, e64) && n.n > 0 && e.n > 0) {
		bn = BN_bin2bn((unsigned char *)n.p, (int)n.n, NULL);
		be = BN_bin2bn((unsigned char *)e.p, (int)e.n, NULL);
	}
	if (b != NULL && bn != NULL && be != NULL &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be) == 1)
		key = from_params("RSA", b);
	OSSL_PARAM_BLD_free(b);
	BN_free(bn);
	BN_free(be);
	buf_fini(&n);
	buf_fini(&e);
	return key;
}

static EVP_PKEY *
ec_read(struct str x64, struct str y64)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;
	struct buf x, y, point;

	buf_init(&x, P256_BYTES);
	buf_init(&y, P256_BYTES);
	buf_init(&point, 128);
	if (b != NULL && base64url_decode(&x, x64) && base64url_decode(&y, y64) &&
	    x.n == P256_BYTES && y.n == P256_BYTES) {
		buf_putc(&point, 4); /* SEC 1: uncompressed */
		buf_put(&point, buf_str(&x));
		buf_put(&point, buf_str(&y));
		if (OSSL_PARAM_BLD_push_utf8_string(
			b, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
		    OSSL_PARAM_BLD_push_octet_string(
			b, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n) == 1)
			key = from_params("EC", b);
	}
	OSSL_PARAM_BLD_free(b);
	buf_fini(&x);
	buf_fini(&y);
	buf_fini(&point);
	return key;
}

/* NULL: a key for something else, or none. */
static EVP_PKEY *
jwk_read(struct str jwk, struct arena *a)
{
	struct str kty = member(jwk, "kty", a), use = member(jwk, "use", a);
	EVP_PKEY *key = NULL;

	if (use.n > 0 && !str_eq(use, STR("sig")))
		return NULL;
	if (str_eq(kty, STR("RSA")))
		key = rsa_read(member(jwk, "n", a), member(jwk, "e", a));
	else if (str_eq(kty, STR("EC")) && str_eq(member(jwk, "crv", a), STR("P-256")))
		key = ec_read(member(jwk, "x", a), member(jwk, "y", a));
	ERR_clear_error();
	if (key != NULL && algorithm_of(key) != NEITHER)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

struct jwks *
jwks_read(struct str json, struct err *e)
{
	struct jwks *k = mem_zalloc(sizeof(*k));
	struct str list, name, one;
	struct json_iter it;
	struct arena a;

	arena_init(&a, json.n * 2 + 65536);
	if (json_check(json, true, e) && json_get(json, STR("keys"), &list) &&
	    json_kind(list) == JSON_ARRAY && json_open(list, &it))
		while (k->n < JWKS_KEYS_MAX && json_next(&it, &name, &one)) {
			struct str kid = member(one, "kid", &a);
			EVP_PKEY *key = json_kind(one) == JSON_OBJECT && kid.n <= KID_BYTES_MAX
					    ? jwk_read(one, &a)
					    : NULL;

			if (key != NULL)
				k->keys[k->n++] = (struct jwk){ key, str_dup(kid) };
		}
	arena_free(&a);
	if (k->n > 0)
		return k;
	jwks_free(&k);
	(void)err_set(e, ERR_UPSTREAM, "the key set has no RSA or P-256 key for signatures");
	return NULL;
}

/* r || s -> DER. */
static unsigned char *
der_of(struct str sig, int *n)
{
	ECDSA_SIG *both = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn((const unsigned char *)sig.p, P256_BYTES, NULL);
	BIGNUM *s = BN_bin2bn((const unsigned char *)sig.p + P256_BYTES, P256_BYTES, NULL);
	unsigned char *der = NULL;

	if (both == NULL || ECDSA_SIG_set0(both, r, s) != 1) {
		BN_free(r);
		BN_free(s);
	} else {
		*n = i2d_ECDSA_SIG(both, &der);
	}
	ECDSA_SIG_free(both);
	return der;
}

static bool
signature_is(EVP_PKEY *key, struct str text, struct str sig)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	int n = 0;
	bool ok;

	if (algorithm_of(key) == ES256) {
		der = sig.n == (size_t)2 * P256_BYTES ? der_of(sig, &n) : NULL;
		sig = (struct str){ (char *)der, n > 0 ? (size_t)n : 0 };
	}
	ok = md != NULL && sig.n > 0 &&
	     EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestVerify(md, (const unsigned char *)sig.p, sig.n,
		 (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(md);
	OPENSSL_free(der);
	ERR_clear_error();
	return ok;
}

/* By one of the keys that the header allows: *known, whether there is any. */
static bool
signed_by(const struct jwks *k, struct str head, struct str text, struct str sig, bool *known)
{
	enum algorithm want;
	struct str kid;
	struct arena a;
	int tries = 0;
	bool ok = false;

	arena_init(&a, JWT_BYTES_MAX * 2);
	want = str_eq(member(head, "alg", &a), STR("RS256"))   ? RS256
	       : str_eq(member(head, "alg", &a), STR("ES256")) ? ES256
							       : NEITHER;
	kid = member(head, "kid", &a);
	*known = want == NEITHER;
	for (size_t i = 0; !ok && want != NEITHER && i < k->n; i++) {
		if (algorithm_of(k->keys[i].key) != want ||
		    (kid.n > 0 && !str_eq(kid, str_of(k->keys[i].kid))) || tries == TRIES_MAX)
			continue;
		tries++;
		*known = true;
		ok = signature_is(k->keys[i].key, text, sig);
	}
	arena_free(&a);
	return ok;
}

static bool
part_decode(struct buf *out, struct str part)
{
	struct err e;

	return part.n > 0 && base64url_decode(out, part) && buf_ok(out) &&
	       json_check(buf_str(out), true, &e) && json_kind(buf_str(out)) == JSON_OBJECT;
}

bool
jwt_verify(const struct jwks *k, struct str token, struct buf *claims, struct err *e)
{
	struct str rest = token, one = str_cut(&rest, '.'), two = str_cut(&rest, '.'), crit;
	struct buf head, body, sig;
	bool known = true, ok;

	if (token.n > JWT_BYTES_MAX || rest.p == NULL || str_has(rest, '.'))
		return err_set(e, ERR_AUTH, "this is no token of the issuer");
	buf_init(&head, JWT_BYTES_MAX);
	buf_init(&body, JWT_BYTES_MAX);
	buf_init(&sig, JWT_BYTES_MAX);
	ok = part_decode(&head, one) && part_decode(&body, two) && base64url_decode(&sig, rest) &&
	     !json_get(buf_str(&head), STR("crit"), &crit) &&
	     signed_by(k, buf_str(&head), (struct str){ token.p, one.n + 1 + two.n }, buf_str(&sig),
		 &known);
	if (ok)
		buf_put(claims, buf_str(&body));
	buf_fini(&head);
	buf_fini(&body);
	buf_fini(&sig);
	if (!known)
		return err_set(
		    e, ERR_NOT_FOUND, "the token is signed with a key that is not known");
	return ok ||
	       err_set(e, ERR_AUTH, "this is no token of the issuer, or its signature is wrong");
}
