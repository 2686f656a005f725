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

/* ---- others' tokens ---- */

static void
put_bn(struct buf *b, const char *name, EVP_PKEY *key, const char *param, int width)
{
	unsigned char bytes[1024];
	BIGNUM *n = NULL;
	int len;

	ASSERT(EVP_PKEY_get_bn_param(key, param, &n) == 1);
	len = width > 0 ? BN_bn2binpad(n, bytes, width) : BN_bn2bin(n, bytes);
	buf_printf(b, ",\"%s\":\"", name);
	buf_base64url(b, bytes, (size_t)len);
	buf_putc(b, '"');
	BN_free(n);
}

static void
put_jwk(struct buf *b, EVP_PKEY *key, const char *kid, bool ec)
{
	buf_printf(b, "{\"kty\":\"%s\",\"use\":\"sig\",\"kid\":\"%s\"", ec ? "EC" : "RSA", kid);
	if (ec) {
		buf_puts(b, ",\"crv\":\"P-256\"");
		put_bn(b, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
		put_bn(b, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
	} else {
		put_bn(b, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
		put_bn(b, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
	}
	buf_putc(b, '}');
}

static bool
accepts(const struct jwks *k, struct str token, enum err_code *why)
{
	struct buf claims;
	struct err e = { .code = ERR_NONE };
	bool ok;

	buf_init(&claims, 0);
	ok = jwt_verify(k, token, &claims, &e);
	CHECK(ok ? str_eq(buf_str(&claims), STR("{\"sub\":\"ana\"}")) : claims.n == 0);
	buf_fini(&claims);
	*why = ok ? ERR_NONE : e.code;
	return ok;
}

/* A token with a header of the test's own, signed all the same. */
static void
token_with(struct buf *out, EVP_PKEY *key, const char *head)
{
	unsigned char sig[1024];
	size_t n = sizeof(sig);
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	buf_reset(out);
	buf_base64url(out, head, strlen(head));
	buf_putc(out, '.');
	buf_base64url(out, "{\"sub\":\"ana\"}", 13);
	ASSERT(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestSign(md, sig, &n, (unsigned char *)out->p, out->n) == 1);
	if (EVP_PKEY_is_a(key, "EC"))
		ASSERT(fixed(sig, &n));
	EVP_MD_CTX_free(md);
	buf_putc(out, '.');
	buf_base64url(out, sig, n);
}

static void
test_heads(const struct jwks *k, EVP_PKEY *rsa, EVP_PKEY *ec)
{
	static const struct {
		const char *head;
		bool ec;
		enum err_code code;
	} rows[] = { { "{\"alg\":\"RS256\",\"kid\":\"r\"}", false, ERR_NONE },
		{ "{\"alg\":\"ES256\",\"kid\":\"e\"}", true, ERR_NONE },
		{ "{\"alg\":\"RS256\"}", false, ERR_NONE },
		{ "{\"alg\":\"ES256\"}", true, ERR_NONE },
		{ "{\"alg\":\"RS256\",\"kid\":\"x\"}", false, ERR_NOT_FOUND },
		{ "{\"alg\":\"ES256\",\"kid\":\"r\"}", false, ERR_NOT_FOUND },
		{ "{\"alg\":\"none\"}", false, ERR_AUTH },
		{ "{\"alg\":\"HS256\"}", false, ERR_AUTH },
		{ "{\"alg\":\"rs256\"}", false, ERR_AUTH }, { "{}", false, ERR_AUTH },
		{ "[]", false, ERR_AUTH },
		{ "{\"alg\":\"RS256\",\"alg\":\"RS256\"}", false, ERR_AUTH },
		{ "{\"alg\":\"RS256\",\"crit\":[\"x\"],\"x\":1}", false, ERR_AUTH } };
	enum err_code why;
	struct buf out;

	buf_init(&out, 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		token_with(&out, rows[i].ec ? ec : rsa, rows[i].head);
		(void)accepts(k, buf_str(&out), &why);
		check_that(why == rows[i].code, __FILE__, __LINE__, rows[i].head);
	}
	buf_fini(&out);
}

/* Every byte of a good token matters, and so does its length. */
static void
test_bytes(const struct jwks *k, EVP_PKEY *key, const char *head)
{
	enum err_code why;
	struct buf out;
	bool any = false;

	buf_init(&out, 0);
	token_with(&out, key, head);
	for (size_t i = 0; i + 1 < out.n; i++) { /* the last may have bits that mean nothing */
		char was = out.p[i];

		out.p[i] = was == 'A' ? 'B' : 'A';
		any = accepts(k, buf_str(&out), &why) || any;
		out.p[i] = was;
	}
	for (size_t n = 0; n < out.n; n++)
		any = accepts(k, (struct str){ out.p, n }, &why) || any;
	CHECK(!any);
	buf_putc(&out, '.');
	CHECK(!accepts(k, buf_str(&out), &why));
	buf_fini(&out);
}

static void
test_verify(void)
{
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ec = EVP_EC_gen("P-256"), *weak = EVP_RSA_gen(1024);
	struct jwks *k;
	struct buf set;
	struct err e;

	buf_init(&set, 0);
	buf_puts(&set, "{\"keys\":[");
	put_jwk(&set, rsa, "r", false);
	buf_putc(&set, ',');
	put_jwk(&set, ec, "e", true);
	buf_puts(&set, ",{\"kty\":\"oct\",\"k\":\"AAAA\"},{},7,");
	put_jwk(&set, weak, "w", false);
	buf_puts(&set, "]}");
	TEST("keys of other kinds and short ones are left out");
	k = jwks_read(buf_str(&set), &e);
	ASSERT(k != NULL);
	CHECK_EQ_I(k->n, 2);
	TEST("what a header may say");
	test_heads(k, rsa, ec);
	TEST("no byte can be another, none can be missing");
	test_bytes(k, rsa, "{\"alg\":\"RS256\"}");
	test_bytes(k, ec, "{\"alg\":\"ES256\"}");
	TEST("a set without a usable key is none");
	CHECK(jwks_read(STR("{\"keys\":[]}"), &e) == NULL);
	CHECK(jwks_read(STR("{}"), &e) == NULL);
	CHECK(jwks_read(STR("nonsense"), &e) == NULL);
	jwks_free(&k);
	buf_fini(&set);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(weak);
}

int
main(void)
{
	struct err e;

	test_verify();
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
