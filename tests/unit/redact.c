/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact - what is found and what is not, with valid and broken checksums; the same bytes come out
 * however the input is cut; nothing hides behind an escape; JSON stays JSON.
 *
 * No token here is anybody's: they are made from constants, with checksums computed or copied from
 * documents that print them.
 */
#include "policies/redact.h"

#include <stdlib.h>

#include "base/json.h"
#include "tests/unit/check.h"

static struct redact_tables tables;

static void
keep(void *ctx, struct str s)
{
	buf_put(ctx, s);
}

static void
instead(void *ctx, struct str s, size_t n)
{
	(void)n;
	buf_put(ctx, s);
}

static struct redact_counts counts;

/* In pieces of `piece` bytes; 0: of random sizes. */
static void
redact_in(struct buf *out, struct str in, bool json, const uint8_t *action, size_t piece)
{
	struct redact_out o = { keep, instead, out };
	struct redactor r;

	memset(&counts, 0, sizeof(counts));
	buf_reset(out);
	redactor_init(&r, &tables, action, json, &o, &counts);
	while (in.n > 0) {
		size_t n = piece > 0 ? piece : 1 + (size_t)rand() % 300;
		char *copy; /* so that a sanitizer sees who reads beyond it */

		n = n < in.n ? n : in.n;
		copy = mem_alloc(n);
		memcpy(copy, in.p, n);
		redactor_feed(&r, (struct str){ copy, n });
		free(copy);
		in.p += n;
		in.n -= n;
	}
	redactor_end(&r);
	CHECK_EQ_I(r.out_n, out->n);
	redactor_fini(&r);
}

#define ALL(a)                                                                                     \
	{                                                                                          \
		a, a, a, a, a                                                                      \
	}
static const uint8_t mask[REDACT_CLASSES] = ALL(REDACT_MASK);
static const uint8_t hash[REDACT_CLASSES] = ALL(REDACT_HASH);
static const uint8_t watch[REDACT_CLASSES] = ALL(REDACT_WATCH);

/* Whole, byte by byte, and in other sizes. */
static void
expect(const char *in, const char *out, bool json)
{
	static const size_t pieces[] = { SIZE_MAX, 1, 2, 3, 7, 64, 100, 129 };
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < COUNT(pieces); i++) {
		redact_in(&b, str_of(in), json, mask, pieces[i]);
		CHECK_EQ_S(buf_cstr(&b), out);
	}
	buf_fini(&b);
}

#define A20 "Zq3xV9kLmN4pR7sT2wYb"
#define A36 A20 "A1b2C3d4E5f6G7h8"
#define A40 A20 A20
#define H32 "0123456789abcdef0123456789abcdef"

static const struct {
	const char *name; /* NULL: nothing is found */
	const char *text;
} table[] = {
	{ "github-token", "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" },
	{ NULL, "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18" },
	{ NULL, "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkj0mLq17" },
	{ NULL, "ghp_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq1" },
	{ "github-token", "github_pat_Zq3xV9kLmN4pR7sT2wYbA1_" A40 "Zq3xV9kLmN4pR7sT2wY" },
	{ NULL, "github_pat_Zq3xV9kLmN4pR7sT2wYbA1b" A40 "Zq3xV9kLmN4pR7sT2wY" },
	{ NULL, "github_pat_Zq3xV9kLmN4pR7sT2wYbA1_" A40 "Zq3xV9kLmN4pR7sT2w" },
	{ "npm-token", "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" },
	{ NULL, "npm_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq16" },
	{ "stripe-key", "sk_live_" A20 },
	{ "stripe-key", "rk_test_" A20 },
	{ NULL, "sk_live_short" },
	{ "stripe-key", "whsec_" A36 },
	{ "huggingface-token", "hf_Zq3xV9kLmN4pR7sT2wYbA1b2C3d4E5f6G7" },
	{ "groq-key", "gsk_" A40 "A1b2C3d4E5f6" },
	{ "replicate-token", "r8_" A20 "A1b2C3d4E5f6G7h8i" },
	{ "linear-key", "lin_api_" A40 },
	{ "notion-token", "ntn_" A40 "123456" },
	{ "supabase-token", "sbp_" H32 "01234567" },
	{ "docker-token", "dckr_pat_Zq3xV9kLmN4pR7sT2wYbA1b2C3d" },
	{ "digitalocean-token", "dop_v1_" H32 H32 },
	{ "shopify-token", "shpat_" H32 },
	{ NULL, "shpat_" H32 "0" },
	{ "anthropic-key", "sk-ant-api03-" A40 "-" A40 "AA" },
	{ NULL, "sk-ant-shortened" },
	{ "openai-key", "sk-" A20 "T3BlbkFJ" A20 },
	{ NULL, "sk-" A20 "T3BlbkFK" A20 },
	{ "openai-key", "sk-proj-" A40 },
	{ "gitlab-token", "glpat-Zq3xV9kLmN4pR7sT2wYb" },
	{ "gitlab-token", "glpat-Zq3xV9kLmN4pR7sT2wYbA1b2C3d4.01.0a1b2c3d4" },
	{ NULL, "glpat-tooshort" },
	{ "slack-token", "xoxb-1234567890-1234567890-" A20 },
	{ "slack-token", "xoxe.xoxp-1-" A40 },
	{ NULL, "xoxo-and-hugs-to-everybody" },
	{ "slack-token", "xapp-1-A0123456789-1234567890123-" H32 },
	{ "aws-key-id", "AKIAIOSFODNN7EXAMPLE" },
	{ "aws-key-id", "ASIAQWERTYUIOP234567" },
	{ NULL, "AKIAIOSFODNN1EXAMPLE" }, /* 1 is not in base32 */
	{ NULL, "AKIAIOSFODNN7EXAMPLES" },
	{ "google-key", "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q" },
	{ NULL, "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6" },
	{ "google-key", "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" },
	{ "google-token", "ya29.a0" A40 },
	{ "pypi-token", "pypi-AgEIcHlwaS5vcmcC" A40 A20 },
	{ "xai-key", "xai-" A40 A40 },
	{ "age-key", "AGE-SECRET-KEY-1QQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQQPQ" },
	{ "sendgrid-key", "SG.Zq3xV9kLmN4pR7sT2wYbA1." A40 "A1b" },
	{ "vault-token", "hvs.CAESI" A40 },
	{ "atlassian-token", "ATATT3xFfGF0" A40 A40 A40 A40 },
	{ "jwt", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."
		 "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U" },
	{ NULL, "eyJub3RoaW5nIjoiSFMyNTYifQ.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN" },
	{ NULL, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" },
	{ "card", "4111111111111111" },
	{ "card", "4111 1111 1111 1111" },
	{ "card", "4111-1111-1111-1111" },
	{ "card", "3782 822463 10005" },
	{ "card", "378282246310005" },
	{ "card", "5555555555554444" },
	{ "card", "2223003122003222" },
	{ "card", "6011111111111117" },
	{ "card", "3530111333300000" },
	{ "card", "30569309025904" },
	{ "card", "6200000000000005" },
	{ "card", "4222222222222" },
	{ NULL, "4111111111111112" },
	{ NULL, "4111 1111 1111 1112" },
	{ NULL, "41111111111111111" },
	{ NULL, "9111111111111111" },
	{ NULL, "0.4111111111111111" },
	{ NULL, "4111111111111111.5" },
	{ NULL, "x4111111111111111" },
	{ "email", "ana@example.com" },
	{ "email", "ana.b+tag@mail.example.co.uk" },
	{ NULL, "ana@localhost" },
	{ NULL, "icon@2x.png" },
	{ NULL, "react@18.2.0" },
	{ NULL, "git@github.com" },
	{ NULL, "@example.com" },
	{ NULL, "ana@-x-.com" },
	{ "iban", "DE89370400440532013000" },
	{ "iban", "DE89 3704 0044 0532 0130 00" },
	{ "iban", "GB82 WEST 1234 5698 7654 32" },
	{ "iban", "NO9386011117947" },
	{ "iban", "MT84MALT011000012345MTLCAST001S" },
	{ NULL, "DE88370400440532013000" },
	{ NULL, "DE8937040044053201300" },
	{ NULL, "XX89370400440532013000" },
	{ "phone", "+49 30 901820" },
	{ "phone", "+1 415-555-2671" },
	{ "phone", "+14155552671" },
	{ "phone", "+44 (0)20 7946 0958" },
	{ NULL, "+1 115-555-2671" },
	{ NULL, "+4930" },
	{ NULL, "+83 123456789" },
	{ NULL, "a+49 30 901820" },
};

static void
shapes(void)
{
	char in[600], out[600];

	TEST("what is found in a table of forms, and what is not");
	for (size_t i = 0; i < COUNT(table); i++) {
		(void)snprintf(in, sizeof(in), "see \"%s\", then", table[i].text);
		if (table[i].name == NULL)
			memcpy(out, in, sizeof(out));
		else
			(void)snprintf(
			    out, sizeof(out), "see \"[masked:%s]\", then", table[i].name);
		expect(in, out, false);
		(void)snprintf(in, sizeof(in), "{\"text\":\"%s\"}", table[i].text);
		if (table[i].name == NULL)
			memcpy(out, in, sizeof(out));
		else
			(void)snprintf(
			    out, sizeof(out), "{\"text\":\"[masked:%s]\"}", table[i].name);
		expect(in, out, true);
	}
}

#define GHP "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"
#define PEM_BODY                                                                                   \
	"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n"                       \
	"MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu\n"

static void
texts(void)
{
	TEST("what stands around and within a text");
	expect("", "", false);
	expect("a", "a", false);
	expect("ghp_", "ghp_", false);
	expect(GHP, "[masked:github-token]", false);
	/* A checksum proves it within a word too. */
	expect("x" GHP "y", "x[masked:github-token]y", false);
	expect(GHP GHP, "[masked:github-token][masked:github-token]", false);
	expect("a=" GHP "&b=ana@example.com.", "a=[masked:github-token]&b=[masked:email].", false);
	expect("12 4111 1111 1111 1111 123", "12 [masked:card] 123", false);
	expect("curl -H 'Authorization: Bearer abcdefghij0123456789'",
	    "curl -H 'Authorization: Bearer [masked:bearer-token]'", false);
	expect("a bearer of-bad-news-that-is-long-enough",
	    "a bearer of-bad-news-that-is-long-enough", false);
	expect("Authorization: Basic dXNlcjpwYXNzd29yZA==",
	    "Authorization: Basic [masked:basic-auth]", false);
	expect("Basic authentication is basic", "Basic authentication is basic", false);
	expect("postgres://app:s3cret@db.example.com/x",
	    "postgres://app:[masked:url-password]@db.example.com/x", false);
	expect("https://host:8080/a@b http://$USER:$PASSWORD@h http://u:<pw>@h",
	    "https://host:8080/a@b http://$USER:$PASSWORD@h http://u:<pw>@h", false);
	expect("https://hooks.slack.com/services/T01234567/B01234567/" A20 "abcd",
	    "https://hooks.slack.com/services/[masked:slack-webhook]", false);
	expect("-----BEGIN PRIVATE KEY-----\n" PEM_BODY "-----END PRIVATE KEY-----\nrest",
	    "[masked:private-key]\nrest", false);
	expect("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
	       "00112233445566778899AABBCCDDEEFF\n\n" PEM_BODY "-----END RSA PRIVATE KEY-----",
	    "[masked:private-key]", false);
	expect("-----BEGIN OPENSSH PRIVATE KEY-----\n" PEM_BODY, "[masked:private-key]\n", false);
	expect("-----BEGIN PRIVATE KEY-----\n" PEM_BODY "and then prose that is none of it",
	    "[masked:private-key]\nand then prose that is none of it", false);
	expect("grep -e '-----BEGIN PRIVATE KEY-----' finds keys",
	    "grep -e '-----BEGIN PRIVATE KEY-----' finds keys", false);
	expect("-----BEGIN CERTIFICATE-----\n" PEM_BODY "-----END CERTIFICATE-----",
	    "-----BEGIN CERTIFICATE-----\n" PEM_BODY "-----END CERTIFICATE-----", false);
	expect("4111111111111111.00 4111111111111111.01", "[masked:card].00 4111111111111111.01",
	    false);
	/* What has been masked stays as it is. */
	expect("[masked:card] [email:00112233aabb]", "[masked:card] [email:00112233aabb]", false);
}

static void
hidden(void)
{
	TEST("nothing hides behind an escape or a look-alike");
	expect("{\"a\":\"\\u0067hp_zQWBuTSOoRi4A9spHcVY5ncnsDkx\\u006bJ0mLq17\"}",
	    "{\"a\":\"[masked:github-token]\"}", true);
	expect("{\"a\":\"\\n" GHP "\\n\"}", "{\"a\":\"\\n[masked:github-token]\\n\"}", true);
	expect("{\"a\":\"AKIAIOSFODNN7EXAMPL\\u0045\\t\"}", "{\"a\":\"[masked:aws-key-id]\\t\"}",
	    true);
	/* JSON within a string, and once more. */
	expect("{\"a\":\"{\\\"t\\\":\\\"x\\\\nAKIAIOSFODNN7EXAMPLE\\\"}\"}",
	    "{\"a\":\"{\\\"t\\\":\\\"x\\\\n[masked:aws-key-id]\\\"}\"}", true);
	expect("{\"a\":\"{\\\"t\\\":\\\"AKIA\\\\u0049OSFODNN7EXAMPLE\\\"}\"}",
	    "{\"a\":\"{\\\"t\\\":\\\"[masked:aws-key-id]\\\"}\"}", true);
	expect("{\"a\":\"\\\\\\\\\\\\u0041KIAIOSFODNN7EXAMPLE\"}",
	    "{\"a\":\"\\\\\\\\[masked:aws-key-id]\"}", true);
	expect("{\"a\":\"https:\\/\\/u:pw@h.example.com\\/\"}",
	    "{\"a\":\"https:\\/\\/u:[masked:url-password]@h.example.com\\/\"}", true);
	/* A path, whose \n is none. */
	expect("C:\\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", "C:\\[masked:npm-token]", false);
	expect(
	    "{\"key\":\"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\\n"
	    "-----END PRIVATE KEY-----\\n\"}",
	    "{\"key\":\"[masked:private-key]\\n\"}", true);
	expect("x = \"-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\\n"
	       "-----END PRIVATE KEY-----\\n\"",
	    "x = \"[masked:private-key]\\n\"", false);
	/* Full-width digits, Arabic ones, mathematical ones; no-break spaces; invisible ones. */
	expect("\xef\xbc\x94\xef\xbc\x91\xef\xbc\x91\xef\xbc\x91 1111 1111 1111", "[masked:card]",
	    false);
	expect("\xd9\xa4\xd9\xa1\xd9\xa1\xd9\xa1 1111 1111 1111", "[masked:card]", false);
	expect("\xf0\x9d\x9f\x92"
	       "111 1111 1111 1111",
	    "[masked:card]", false);
	expect("{\"a\":\"\\ud835\\udfd2111 1111 1111 1111\"}", "{\"a\":\"[masked:card]\"}", true);
	expect("4111\xc2\xa0"
	       "1111\xe2\x80\xaf"
	       "1111\xe2\x80\x91"
	       "1111",
	    "[masked:card]", false);
	expect("ghp_zQWBuTSOoRi4\xe2\x80\x8b"
	       "A9spHcVY5ncnsDkxkJ0mLq17",
	    "[masked:github-token]", false);
	expect("4\xef\xb8\x8f\xe2\x83\xa3"
	       "\xe2\x91\xa0\xe0\xb9\x91\xc2\xb9 1111 1111 1111",
	    "[masked:card]", false);
	expect("AK\xf3\xa0\x81\x81IAIOSFODNN7EXAMPLE", "[masked:aws-key-id]", false);
	expect("ana\xef\xbc\xa0"
	       "example.com",
	    "[masked:email]", false);
	expect("{\"a\":\"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82 ana@example.com\"}",
	    "{\"a\":\"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82 [masked:email]\"}", true);
}

static void
documents(void)
{
	TEST("names, numbers and what is left alone in JSON");
	expect("{\"ana@example.com\":[4111111111111111,-4111111111111111,411111111111111,1e5]}",
	    "{\"[masked:email]\":[\"[masked:card]\",-4111111111111111,411111111111111,1e5]}", true);
	expect("4111111111111111.00", "\"[masked:card]\"", true);
	expect("[4111111111111111.01,true,null,4111111111111111111111111111111111111111111111111]",
	    "[4111111111111111.01,true,null,4111111111111111111111111111111111111111111111111]",
	    true);
	expect("4111111111111111", "\"[masked:card]\"", true);
	expect("{\"a\":\"\",\"b\":\"\\\"\",\"c\":\"\\\\\",\"d\":[\"" GHP "\"]}",
	    "{\"a\":\"\",\"b\":\"\\\"\",\"c\":\"\\\\\",\"d\":[\"[masked:github-token]\"]}", true);
}

static void
actions(void)
{
	static const uint8_t some[REDACT_CLASSES] = {
		[REDACT_CARD] = REDACT_BLOCK, [REDACT_EMAIL] = REDACT_WATCH
	};
	struct buf a, b;

	buf_init(&a, 0);
	buf_init(&b, 0);
	TEST("a hash is the same for the same value, however it is written");
	redact_in(&a, STR("Ana@Example.com 4111-1111-1111-1111"), false, hash, SIZE_MAX);
	redact_in(&b, STR("ana@example.com 4111 1111 1111 1111"), false, hash, 1);
	CHECK_EQ_S(buf_cstr(&a), buf_cstr(&b));
	CHECK(str_starts(buf_str(&a), STR("[email:")));
	CHECK_EQ_I(a.n, strlen("[email:0011223344aa] [card:0011223344aa]"));
	redact_in(&b, STR("bob@example.com 4111 1111 1111 1111"), false, hash, 1);
	CHECK(!str_eq(buf_str(&a), buf_str(&b)));
	CHECK_EQ_I(counts.n[REDACT_HASH][REDACT_EMAIL], 1);
	tables.key[0]++;
	redact_in(&b, STR("ana@example.com 4111 1111 1111 1111"), false, hash, 1);
	CHECK(!str_eq(buf_str(&a), buf_str(&b)));

	TEST("what is watched passes and is counted");
	redact_in(&a, STR("x ana@example.com bob@example.com " GHP), false, watch, 5);
	CHECK_STR(a, "x ana@example.com bob@example.com " GHP);
	CHECK_EQ_I(counts.n[REDACT_WATCH][REDACT_EMAIL], 2);
	CHECK_EQ_I(counts.n[REDACT_WATCH][REDACT_SECRETS], 1);

	TEST("each class has its own action; the first that blocks is told, and where");
	redact_in(
	    &a, STR("{\"a\":\"ana@example.com " GHP "\",\"b\":4111111111111111}"), true, some, 9);
	CHECK_STR(a, "{\"a\":\"ana@example.com " GHP "\",\"b\":\"[masked:card]\"}");
	CHECK_EQ_S(counts.blocked, "card");
	CHECK_EQ_I(counts.n[REDACT_BLOCK][REDACT_CARD], 1);
	CHECK(str_starts((struct str){ a.p + counts.blocked_at, 16 }, STR("\"[masked:card]\"")));
	buf_fini(&a);
	buf_fini(&b);
}

static void
ours(void)
{
	static const char base62[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char secret[KEY_SECRET_BYTES + 1] = "tg-" A20 "A1b2C3d4E5f6G7";
	struct sha256 h;
	struct buf b;
	uint64_t v;

	TEST("a key of this gateway is known by its checksum");
	buf_init(&b, 0);
	sha256(&h, (struct str){ secret, 37 });
	memcpy(&v, h.b, sizeof(v));
	for (size_t i = 0; i < 6; i++, v /= 62) /* as key.c makes it */
		secret[37 + i] = base62[v % 62];
	redact_in(&b, (struct str){ secret, KEY_SECRET_BYTES }, false, mask, 1);
	CHECK_STR(b, "[masked:tollgate-key]");
	secret[42] = secret[42] == 'a' ? 'b' : 'a';
	redact_in(&b, (struct str){ secret, KEY_SECRET_BYTES }, false, mask, 1);
	CHECK(str_eq(buf_str(&b), (struct str){ secret, KEY_SECRET_BYTES }));
	buf_fini(&b);
}

/* ---- whatever comes ---- */

static const char *const parts[] = { GHP, "ana@example.com", "4111 1111 1111 1111", "+49 30 901820",
	"DE89 3704 0044 0532 0130 00", "sk-proj-" A40, "Bearer " A36, "AKIAIOSFODNN7EXAMPLE",
	"-----BEGIN PRIVATE KEY-----\n" PEM_BODY, "-----END PRIVATE KEY-----", "://u:p@",
	"eyJhbGciOiJub25lIn0.e30.", " ", "\n", "\\", "\\n", "\\u0041", "\"", "@", ".", "-", "a",
	"4", "4111", "\xe2\x80\x8b", "\xef\xbc\x94", "\xc3\xa9", "gh", "p_", "ghp_", A20 };

static void
text_make(struct buf *out, size_t n)
{
	buf_reset(out);
	for (size_t i = 0; i < n; i++)
		buf_puts(out, parts[(size_t)rand() % COUNT(parts)]);
}

/* As a JSON string, each byte as it is or, so often, escaped; 1: what needs no escape alone. */
static void
string_put(struct buf *out, struct str s, int often)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (often == 1 && (c < ' ' || c == '"' || c == '\\' || c >= 0x80))
			continue;
		if (c < ' ' || c == '"' || c == '\\' ||
		    (often > 1 && c < 0x80 && rand() % often == 0))
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static void
any_cut(void)
{
	struct buf text, in, whole, cut;

	TEST("the same bytes come out however the input is cut, and JSON stays JSON");
	srand(1);
	buf_init(&text, 0);
	buf_init(&in, 0);
	buf_init(&whole, 0);
	buf_init(&cut, 0);
	for (int i = 0; i < 3000; i++) {
		const bool json = i % 2;
		struct err e;

		text_make(&text, (size_t)rand() % (i % 100 == 0 ? 6000 : 40));
		buf_reset(&in);
		if (json)
			string_put(&in, buf_str(&text), i % 4 == 1 ? 1 : 16);
		else
			buf_put(&in, buf_str(&text));
		redact_in(&whole, buf_str(&in), json, mask, SIZE_MAX);
		redact_in(&cut, buf_str(&in), json, mask, i % 3 == 0 ? 1 : 0);
		if (!CHECK(str_eq(buf_str(&whole), buf_str(&cut)))) {
			CHECK_STR(cut, buf_cstr(&whole));
			CHECK_EQ_S("", buf_cstr(&in));
			break;
		}
		CHECK(!json || json_check(buf_str(&whole), true, &e));
		if (redact_clean(&tables, mask, buf_str(&in)))
			CHECK(str_eq(buf_str(&whole), buf_str(&in)));
	}
	buf_fini(&text);
	buf_fini(&in);
	buf_fini(&whole);
	buf_fini(&cut);
}

int
main(void)
{
	redact_tables_init(&tables);
	memset(tables.key, 7, sizeof(tables.key));
	shapes();
	texts();
	hidden();
	documents();
	actions();
	ours();
	any_cut();
	return check_done();
}
