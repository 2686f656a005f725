/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - assertions of both kinds of keys, verified by OpenSSL's own reader of signatures; and keys
 * that are none.
 */
#include "base/sign.c"

#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

static struct str
pem_of(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str s;
	char *p;

	ASSERT(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	s.n = (size_t)BIO_get_mem_data(bio, &p);
	s.p = str_dup((struct str){ p, s.n });
	(void)BIO_free(bio);
	return s;
}

/* The signature back in DER, if it was two numbers. */
static bool
verifies(EVP_PKEY *key, struct str jwt, bool es256)
{
	struct str rest = jwt, head = str_cut(&rest, '.'), claims = str_cut(&rest, '.');
	struct str text = { jwt.p, head.n + 1 + claims.n };
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	struct buf sig;
	bool ok;

	buf_init(&sig, 0);
	ASSERT(base64url_decode(&sig, rest));
	if (es256) {
		ECDSA_SIG *both = ECDSA_SIG_new();
		int n;

		CHECK_EQ_I(sig.n, 64);
		ASSERT(ECDSA_SIG_set0(both, BN_bin2bn((unsigned char *)sig.p, 32, NULL),
			   BN_bin2bn((unsigned char *)sig.p + 32, 32, NULL)) == 1);
		n = i2d_ECDSA_SIG(both, &der);
		ECDSA_SIG_free(both);
		buf_reset(&sig);
		buf_put(&sig, (struct str){ (char *)der, (size_t)n });
		OPENSSL_free(der);
	}
	ok = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestVerify(
		 md, (unsigned char *)sig.p, sig.n, (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(md);
	buf_fini(&sig);
	return ok;
}

static void
test_key(EVP_PKEY *key, bool es256)
{
	struct str pem = pem_of(key);
	struct buf out, head;
	struct err e;

	buf_init(&out, 0);
	buf_init(&head, 0);
	CHECK(jwt_key_check(pem, &e));
	for (int i = 0; i < 20; i++) { /* numbers of ECDSA may be short */
		CHECK(jwt_sign(&out, pem, STR("{\"iss\":\"gate\"}"), &e));
		CHECK(verifies(key, buf_str(&out), es256));
	}
	struct str rest = buf_str(&out), first = str_cut(&rest, '.');
	CHECK(base64url_decode(&head, first));
	CHECK_STR(head,
	    es256 ? "{\"alg\":\"ES256\",\"typ\":\"JWT\"}" : "{\"alg\":\"RS256\",\"typ\":\"JWT\"}");
	out.p[out.n / 2] = out.p[out.n / 2] == 'A' ? 'B' : 'A';
	CHECK(!verifies(key, buf_str(&out), es256));
	buf_fini(&out);
	buf_fini(&head);
	free(mem_unconst(pem.p));
	EVP_PKEY_free(key);
}

static void
test_refused(EVP_PKEY *key)
{
	struct str pem = pem_of(key);
	struct err e;

	CHECK(!jwt_key_check(pem, &e));
	CHECK(strstr(e.text, "EC P-256 or RSA") != NULL);
	free(mem_unconst(pem.p));
	EVP_PKEY_free(key);
}

int
main(void)
{
	struct err e;

	TEST("EC P-256 signs ES256");
	test_key(EVP_EC_gen("P-256"), true);
	TEST("RSA signs RS256");
	test_key(EVP_RSA_gen(2048), false);
	TEST("other keys, short ones and no keys are refused");
	test_refused(EVP_EC_gen("P-384"));
	test_refused(EVP_RSA_gen(1024));
	test_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	CHECK(!jwt_key_check(STR(""), &e));
	CHECK(!jwt_key_check(
	    STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &e));
	return check_done();
}
