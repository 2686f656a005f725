/* SPDX-License-Identifier: Apache-2.0 */
/* crypto - the door to OpenSSL: digests, authenticated encryption, random bytes. */
#pragma once

#include "base/err.h"
#include "base/text.h"

#define SHA256_BYTES 32
struct sha256 {
	uint8_t b[SHA256_BYTES];
};
void sha256(struct sha256 *out, struct str data);
void sha256_parts(struct sha256 *out, const struct str *parts, size_t n); /* concatenated */
/* Gives back what this thread's digests keep; call before a thread that hashed ends. */
void crypto_thread_end(void);
void hmac_sha256(struct sha256 *out, struct str key, struct str data);
bool crypto_equal(const void *a, const void *b, size_t n); /* constant time */
void crypto_random(void *p, size_t n);                     /* aborts when the system has none */
void crypto_wipe(void *p, size_t n);

/* AES-256-GCM with a random nonce: nonce || ciphertext || tag, base64url in `out`. */
#define AEAD_KEY_BYTES 32
bool aead_seal(struct buf *out, const uint8_t key[AEAD_KEY_BYTES], struct str aad, struct str text);
/* Opens what aead_seal made; false (nothing written) for anything forged, cut or foreign. */
bool
aead_open(struct buf *out, const uint8_t key[AEAD_KEY_BYTES], struct str aad, struct str sealed);

void base62_random(char *out, size_t n); /* n characters of [0-9A-Za-z], no NUL, uniform */
void buf_base64url(struct buf *b, const void *p, size_t n);
void buf_base64(struct buf *b, const void *p, size_t n);
bool base64url_decode(struct buf *out, struct str s);
bool base64_decode(struct buf *out, struct str s);
bool hex_decode(uint8_t *out, size_t n, struct str hex); /* exactly n bytes */
uint32_t crc32c(uint32_t crc, struct str data);
