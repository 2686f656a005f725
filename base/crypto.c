/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto - the one door to OpenSSL.
 *
 * Algorithms are fetched once per thread of use: the loop and the scribe hash thousands of times a
 * second, and the one-shot calls look the algorithm up each time (0.48 against 0.28 us for 256
 * bytes).  Everything that fails here means a broken installation or no memory, so it ends the
 * process; only data from outside (aead_open, the decoders) can be wrong.
 */
#include "base/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#define NONCE_BYTES 12
#define TAG_BYTES   16

/* RULE: thread-local caches; each thread hashes with its own context, and OpenSSL's contexts may
 * not be shared. */
static _Thread_local EVP_MD_CTX *digest_ctx;
static _Thread_local EVP_MD *digest_md;

/* Random bytes drawn ahead for base62_random(): every pass has an id, and one draw costs as much as
 * a thousand bytes.  A byte is cleared when it is used; the program never forks without exec. */
static _Thread_local uint8_t pool[1024];
static _Thread_local size_t pool_left;

void
sha256_parts(struct sha256 *out, const struct str *parts, size_t n)
{
	bool ok;

	if (digest_ctx == NULL) {
		/* The first use of OpenSSL: openssl.cnf is not read.  What this program does is
		 * in its own configuration, no file elsewhere loads code into it, and it is half a
		 * megabyte smaller. */
		(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
		digest_ctx = EVP_MD_CTX_new();
		digest_md = EVP_MD_fetch(NULL, "SHA256", NULL);
		ASSERT(digest_ctx != NULL && digest_md != NULL);
	}
	ok = EVP_DigestInit_ex2(digest_ctx, digest_md, NULL) == 1;
	for (size_t i = 0; i < n; i++)
		ok = ok && EVP_DigestUpdate(digest_ctx, parts[i].p, parts[i].n) == 1;
	ok = ok && EVP_DigestFinal_ex(digest_ctx, out->b, NULL) == 1;
	ASSERT(ok);
}

void
crypto_thread_end(void)
{
	EVP_MD_CTX_free(digest_ctx);
	EVP_MD_free(digest_md);
	digest_ctx = NULL;
	digest_md = NULL;
	crypto_wipe(pool, sizeof(pool));
	pool_left = 0;
}

void
sha256(struct sha256 *out, struct str data)
{
	sha256_parts(out, &data, 1);
}

void
hmac_sha256(struct sha256 *out, struct str key, struct str data)
{
	unsigned n = 0;
	unsigned char *p = HMAC(
	    EVP_sha256(), key.p, (int)key.n, (const unsigned char *)data.p, data.n, out->b, &n);

	ASSERT(p != NULL && n == SHA256_BYTES);
}

bool
crypto_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void
crypto_random(void *p, size_t n)
{
	char *at = p;

	/* The kernel's generator; OpenSSL's would be seeded from it. */
	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		ASSERT(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

void
crypto_wipe(void *p, size_t n)
{
	OPENSSL_cleanse(p, n);
}

/* ---- authenticated encryption ---- */

static void
gcm_seal(const uint8_t key[AEAD_KEY_BYTES], struct str aad, struct str text, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t *nonce = out, *body = out + NONCE_BYTES, *tag = body + text.n;
	int n = 0;
	bool ok = c != NULL;

	crypto_random(nonce, NONCE_BYTES);
	ok = ok && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1;
	ok = ok && EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)aad.p, (int)aad.n) == 1;
	ok = ok && EVP_EncryptUpdate(c, body, &n, (const uint8_t *)text.p, (int)text.n) == 1;
	ok = ok && EVP_EncryptFinal_ex(c, body + n, &n) == 1;
	ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
	ASSERT(ok);
	EVP_CIPHER_CTX_free(c);
}

bool
aead_seal(struct buf *out, const uint8_t key[AEAD_KEY_BYTES], struct str aad, struct str text)
{
	size_t n = NONCE_BYTES + text.n + TAG_BYTES;
	uint8_t *raw;

	if (text.n > INT32_MAX / 2 || aad.n > INT32_MAX / 2)
		return false;
	raw = mem_alloc(n);
	gcm_seal(key, aad, text, raw);
	buf_base64url(out, raw, n);
	crypto_wipe(raw, n);
	MEM_FREE(&raw);
	return buf_ok(out);
}

static bool
gcm_open(const uint8_t key[AEAD_KEY_BYTES], struct str aad, const struct buf *sealed, char *text)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[NONCE_BYTES], tag[TAG_BYTES];
	int n = 0, size = (int)(sealed->n - NONCE_BYTES - TAG_BYTES);
	bool ok = c != NULL;

	memcpy(nonce, sealed->p, sizeof(nonce));
	memcpy(tag, sealed->p + sealed->n - TAG_BYTES, sizeof(tag));
	ok = ok && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1;
	ok = ok && EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)aad.p, (int)aad.n) == 1;
	ok = ok && EVP_DecryptUpdate(
		       c, (uint8_t *)text, &n, (const uint8_t *)sealed->p + NONCE_BYTES, size) == 1;
	ok = ok && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1;
	ok = ok && EVP_DecryptFinal_ex(c, (uint8_t *)text + n, &n) == 1;
	EVP_CIPHER_CTX_free(c);
	return ok;
}

bool
aead_open(struct buf *out, const uint8_t key[AEAD_KEY_BYTES], struct str aad, struct str sealed)
{
	struct buf raw;
	bool ok = false;

	buf_init(&raw, sealed.n + 16);
	if (base64url_decode(&raw, sealed) && raw.n >= NONCE_BYTES + TAG_BYTES &&
	    raw.n < INT32_MAX / 2) {
		size_t n = raw.n - NONCE_BYTES - TAG_BYTES;
		char *room = buf_room(out, n + 1);

		ok = room != NULL && gcm_open(key, aad, &raw, room);
		if (ok)
			out->n += n;
		else if (room != NULL)
			crypto_wipe(room, n); /* what failed its tag is nobody's text */
	}
	buf_fini(&raw);
	return ok;
}

/* ---- alphabets ---- */

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64u[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
base62_random(char *out, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint8_t r;

		if (pool_left == 0) {
			crypto_random(pool, sizeof(pool));
			pool_left = sizeof(pool);
		}
		r = pool[--pool_left];
		pool[pool_left] = 0;
		if (r < 248) /* 4 * 62: the rest would favour the first letters */
			out[i++] = base62[r % 62];
	}
}

static void
base64_put(struct buf *b, const uint8_t *p, size_t n, const char *alphabet, bool pad)
{
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;
		size_t k = n - i < 3 ? n - i : 3;
		char c[4];

		if (k > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (k > 2)
			v |= p[i + 2];
		c[0] = alphabet[v >> 18];
		c[1] = alphabet[v >> 12 & 63];
		c[2] = k > 1 ? alphabet[v >> 6 & 63] : '=';
		c[3] = k > 2 ? alphabet[v & 63] : '=';
		buf_put(b, (struct str){ c, pad ? 4 : k + 1 });
	}
}

void
buf_base64url(struct buf *b, const void *p, size_t n)
{
	base64_put(b, p, n, base64u, false);
}

void
buf_base64(struct buf *b, const void *p, size_t n)
{
	base64_put(b, p, n, base64, true);
}

static bool
base64_take(struct buf *out, struct str s, const char *alphabet)
{
	uint32_t v = 0;
	int bits = 0;

	if (s.n % 4 == 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		const char *at = s.p[i] == '\0' ? NULL : memchr(alphabet, s.p[i], 64);

		if (at == NULL)
			return false;
		v = v << 6 | (uint32_t)(at - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_putc(out, (char)(v >> bits & 255));
		}
	}
	/* Spare bits must be zero, so that every text has one form. */
	return (v & ((1u << bits) - 1)) == 0 && buf_ok(out);
}

bool
base64url_decode(struct buf *out, struct str s)
{
	return base64_take(out, s, base64u);
}

bool
base64_decode(struct buf *out, struct str s)
{
	if (s.n % 4 != 0)
		return false;
	for (int i = 0; i < 2 && s.n > 0 && s.p[s.n - 1] == '='; i++)
		s.n--;
	return base64_take(out, s, base64);
}

static int
small_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
hex_decode(uint8_t *out, size_t n, struct str hex)
{
	if (hex.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = small_hex_digit(hex.p[2 * i]);
		int lo = small_hex_digit(hex.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, struct str data)
{
	uint64_t c = crc, v;
	size_t i = 0;

	for (; i + 8 <= data.n; i += 8) {
		memcpy(&v, data.p + i, 8);
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; i < data.n; i++)
		c = __builtin_ia32_crc32qi((uint32_t)c, (unsigned char)data.p[i]);
	return (uint32_t)c;
}
#endif

/* RFC 3720's polynomial, reflected, bit by bit where the processor has no instruction for it. */
static uint32_t
crc32c_plain(uint32_t crc, struct str data)
{
	for (size_t i = 0; i < data.n; i++) {
		crc ^= (unsigned char)data.p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

uint32_t
crc32c(uint32_t crc, struct str data)
{
	crc = ~crc;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc32c_sse42(crc, data);
#endif
	return ~crc32c_plain(crc, data);
}
