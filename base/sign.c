/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - the door to OpenSSL's asymmetric keys.
 *
 * Two algorithms and no negotiation: the key says which one it is for.  ECDSA signatures are turned
 * from DER into the fixed two numbers that JWS wants (RFC 7518 §3.4).
 */
#include "base/sign.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/crypto.h"

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
