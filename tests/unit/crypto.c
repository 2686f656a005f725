/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto - known answers of the published standards, and everything forged, cut or foreign refused.
 *
 * SHA-256: FIPS 180-2 and NIST's examples; HMAC: RFC 4231; AES-256-GCM: the GCM specification's
 * test cases 13, 14 and 16; base64: RFC 4648 section 10; CRC-32C: RFC 3720 appendix B.4.
 */
#include "base/crypto.c"

#include <stdlib.h>

#include "tests/unit/check.h"

static void
check_hex(const void *p, size_t n, const char *hex)
{
	struct buf b;

	buf_init(&b, 0);
	buf_hex(&b, p, n);
	CHECK_STR(b, hex);
	buf_fini(&b);
}

/* The bytes of a hex text; the caller frees. */
static struct str
bytes_of(const char *hex)
{
	size_t n = strlen(hex) / 2;
	uint8_t *p = mem_alloc(n + 1);

	ASSERT(hex_decode(p, n, str_of(hex)));
	return (struct str){ (char *)p, n };
}

static void
bytes_free(struct str s)
{
	free(mem_unconst(s.p));
}

static void
test_sha256(void)
{
	static const struct {
		const char *text, *digest;
	} row[] = { { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" } };
	struct str parts[4] = { STR("a"), STR_NONE, STR("b"), STR("c") };
	char *million = mem_alloc(1000000);
	struct sha256 d;

	TEST("SHA-256, whole and in parts");
	for (size_t i = 0; i < COUNT(row); i++) {
		sha256(&d, str_of(row[i].text));
		check_hex(d.b, sizeof(d.b), row[i].digest);
	}
	memset(million, 'a', 1000000);
	sha256(&d, (struct str){ million, 1000000 });
	check_hex(d.b, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
	sha256_parts(&d, parts, COUNT(parts));
	check_hex(d.b, 32, row[1].digest);
	crypto_thread_end();
	crypto_thread_end();
	sha256(&d, STR("abc")); /* starts again */
	check_hex(d.b, 32, row[1].digest);
}

static void
test_hmac(void)
{
	char key[131], data[50];
	struct sha256 d;

	TEST("HMAC-SHA-256");
	memset(key, 0x0b, 20);
	hmac_sha256(&d, (struct str){ key, 20 }, STR("Hi There"));
	check_hex(d.b, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hmac_sha256(&d, STR("Jefe"), STR("what do ya want for nothing?"));
	check_hex(d.b, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	hmac_sha256(&d, (struct str){ key, 20 }, (struct str){ data, 50 });
	check_hex(d.b, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	hmac_sha256(&d, (struct str){ key, 131 },
	    STR("Test Using Larger Than Block-Size Key - Hash Key First"));
	check_hex(d.b, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static const struct {
	const char *key, *nonce, *aad, *text, *sealed; /* with the tag */
} gcm[] = {
	{ "0000000000000000000000000000000000000000000000000000000000000000",
	    "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "0000000000000000000000000000000000000000000000000000000000000000",
	    "000000000000000000000000", "", "00000000000000000000000000000000",
	    "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
	{ "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	    "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e"
	    "2449a6b525b16aedf5aa0de657ba637b39",
	    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b"
	    "1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b" },
};

static void
test_gcm(void)
{
	TEST("AES-256-GCM opens the published cases");
	for (size_t i = 0; i < COUNT(gcm); i++) {
		struct str key = bytes_of(gcm[i].key), nonce = bytes_of(gcm[i].nonce),
			   aad = bytes_of(gcm[i].aad), sealed = bytes_of(gcm[i].sealed);
		struct buf raw, text, out;

		buf_init(&raw, 0);
		buf_init(&text, 0);
		buf_init(&out, 0);
		buf_put(&raw, nonce);
		buf_put(&raw, sealed);
		buf_base64url(&text, raw.p, raw.n);
		CHECK(aead_open(&out, (const uint8_t *)key.p, aad, buf_str(&text)));
		check_hex(out.p, out.n, gcm[i].text);
		buf_fini(&raw);
		buf_fini(&text);
		buf_fini(&out);
		bytes_free(key);
		bytes_free(nonce);
		bytes_free(aad);
		bytes_free(sealed);
	}
}

static void
test_forged(void)
{
	uint8_t key[AEAD_KEY_BYTES] = { 1, 2, 3 }, other[AEAD_KEY_BYTES] = { 1, 2, 4 };
	struct buf sealed, again, out;

	TEST(
	    "what was sealed opens; forged, cut, foreign or moved it does not, and writes nothing");
	buf_init(&sealed, 0);
	buf_init(&again, 0);
	buf_init(&out, 0);
	CHECK(aead_seal(&sealed, key, STR("where"), STR("a secret")));
	CHECK(aead_seal(&again, key, STR("where"), STR("a secret")));
	CHECK(!str_eq(buf_str(&sealed), buf_str(&again))); /* a nonce is never used twice */
	buf_puts(&out, "before ");
	CHECK(aead_open(&out, key, STR("where"), buf_str(&sealed)));
	CHECK_STR(out, "before a secret");
	CHECK(!aead_open(&out, other, STR("where"), buf_str(&sealed)));
	CHECK(!aead_open(&out, key, STR("elsewhere"), buf_str(&sealed)));
	CHECK(!aead_open(&out, key, STR(""), buf_str(&sealed)));
	for (size_t n = 0; n < sealed.n; n++)
		CHECK(!aead_open(&out, key, STR("where"), (struct str){ sealed.p, n }));
	for (size_t i = 0; i < sealed.n; i++) {
		char was = sealed.p[i];

		sealed.p[i] = was == 'A' ? 'B' : 'A';
		CHECK(!aead_open(&out, key, STR("where"), buf_str(&sealed)));
		sealed.p[i] = was;
	}
	buf_putc(&sealed, 'A');
	CHECK(!aead_open(&out, key, STR("where"), buf_str(&sealed)));
	CHECK_STR(out, "before a secret");
	CHECK(buf_ok(&out));
	buf_fini(&sealed);
	buf_fini(&again);
	buf_fini(&out);
}

static void
test_base64(void)
{
	static const char *const row[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xfe", "+//+" } };
	static const char *const bad[] = { "Z", "Zg",
		"Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9_",
		"=Zg=" };
	static const char *const bad_url[] = { "Z", "Zh", "Zm9", "Zg==", "+//+", "Zm9vY" };
	struct buf b;

	TEST("base64 and base64url: RFC 4648, and one form for every text");
	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT(row); i++) {
		buf_reset(&b);
		buf_base64(&b, row[i][0], strlen(row[i][0]));
		CHECK_STR(b, row[i][1]);
		buf_reset(&b);
		CHECK(base64_decode(&b, str_of(row[i][1])));
		CHECK_STR(b, row[i][0]);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(!base64_decode(&b, str_of(bad[i])));
	for (size_t i = 0; i < COUNT(bad_url); i++)
		CHECK(!base64url_decode(&b, str_of(bad_url[i])));
	CHECK(!base64url_decode(&b, (struct str){ "Zm9\0", 4 }));
	buf_reset(&b);
	buf_base64url(&b, "\xfb\xff\xfe\xff", 4);
	CHECK_STR(b, "-__-_w");
	buf_fini(&b);
	buf_init(&b, 2);
	CHECK(!base64_decode(&b, STR("Zm9v"))); /* does not fit */
	buf_fini(&b);
}

static void
test_hex(void)
{
	uint8_t out[4];

	TEST("hex: exactly as many bytes as asked for, lower case");
	CHECK(hex_decode(out, 4, STR("00ff10a9")));
	CHECK_MEM((char *)out, 4, "\x00\xff\x10\xa9", 4);
	CHECK(hex_decode(out, 0, STR("")));
	CHECK(!hex_decode(out, 4, STR("00ff10a")) && !hex_decode(out, 4, STR("00ff10a900")));
	CHECK(!hex_decode(out, 4, STR("00FF10A9")) && !hex_decode(out, 4, STR("00ff10ag")));
	CHECK(!hex_decode(out, 4, STR("00ff 0a9")));
}

static void
test_crc(void)
{
	static const struct {
		unsigned char first;
		int step;
		uint32_t crc;
	} row[] = { { 0, 0, 0x8a9136aau }, { 255, 0, 0x62a8ab43u }, { 0, 1, 0x46dd794eu },
		{ 31, -1, 0x113fdb5cu } };
	unsigned char data[1000];

	TEST("CRC-32C: RFC 3720, with and without the instruction, whole and continued");
	for (size_t i = 0; i < COUNT(row); i++) {
		for (int k = 0; k < 32; k++)
			data[k] = (unsigned char)(row[i].first + k * row[i].step);
		CHECK(crc32c(0, (struct str){ (char *)data, 32 }) == row[i].crc);
		CHECK(~crc32c_plain(~0u, (struct str){ (char *)data, 32 }) == row[i].crc);
	}
	CHECK(crc32c(0, STR("123456789")) == 0xe3069283u);
	srand(3);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)rand();
	for (size_t n = 0; n <= sizeof(data); n += 7) {
		struct str all = { (char *)data, n }, a = { (char *)data, n / 3 };
		struct str b = { (char *)data + n / 3, n - n / 3 };

		CHECK(crc32c(0, all) == ~crc32c_plain(~0u, all));
		CHECK(crc32c(crc32c(0, a), b) == crc32c(0, all));
	}
}

static void
test_random(void)
{
	long count[256] = { 0 };
	static char text[620000];
	char again[64] = { 0 }, zero[64] = { 0 };

	TEST("base62 is uniform, of its alphabet, and writes no byte more");
	memset(text, '!', sizeof(text));
	base62_random(text, sizeof(text) - 1);
	CHECK(text[sizeof(text) - 1] == '!');
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		count[(unsigned char)text[i]]++;
	for (int c = 0; c < 256; c++) {
		bool in = c != 0 && strchr(base62, c) != NULL;

		/* 10,000 are expected, give or take 100; a biased draw is 1,000 off. */
		CHECK(in ? count[c] > 9300 && count[c] < 10700 : count[c] == 0);
	}

	TEST("random, wiped, equal");
	crypto_random(again, sizeof(again));
	CHECK(!crypto_equal(again, zero, sizeof(zero)));
	memcpy(text, again, sizeof(again));
	CHECK(crypto_equal(again, text, sizeof(again)));
	text[63] ^= 1;
	CHECK(!crypto_equal(again, text, sizeof(again)) && crypto_equal(again, text, 63));
	crypto_wipe(again, sizeof(again));
	CHECK(crypto_equal(again, zero, sizeof(zero)));
	CHECK(crypto_equal(again, text, 0));
}

int
main(void)
{
	test_sha256();
	test_hmac();
	test_gcm();
	test_forged();
	test_base64();
	test_hex();
	test_crc();
	test_random();
	crypto_thread_end();
	return check_done();
}
