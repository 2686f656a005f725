/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_secrets - keys and tokens that tell by their form what they are.
 *
 * A row says how one begins and what may follow; a few have more to prove: a checksum (GitHub, npm
 * and our own), a JSON header with an algorithm (JWT), a name and a password (Basic).  docs/
 * policies.md has the same table for people.  Nothing is found by its randomness alone: hashes,
 * ids and base64 look the same.
 */
#include <string.h>

#include "policies/redact.h"

/* What may follow the prefix. */
enum alphabet { ALNUM, WORD, TOKEN, DOTTED, BASE32, HEX, BECH32 };

struct secret {
	const char *name, *prefix;
	uint8_t anchor; /* where in the prefix the three bytes are that are looked for */
	uint8_t bucket;
	uint8_t alphabet;
	bool glued;        /* proven enough to be seen within a word */
	uint16_t min, max; /* bytes behind the prefix; max 0: as far as it goes */
	/* of the whole, once its form fits; NULL: nothing more to prove */
	bool (*proof)(const char *p, size_t n);
	/* instead of alphabet, min and max */
	size_t (*judge)(const struct look *l, size_t *skip);
};

/* ---- proofs ---- */

static uint32_t
crc32_ieee(const char *p, size_t n)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)p[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

/* xxx_ and 30 base62 characters, then their CRC-32 in six (GitHub 2021, npm 2021). */
static bool
crc_proof(const char *p, size_t n)
{
	static const char base62[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint32_t crc = crc32_ieee(p + 4, n - 10);

	for (size_t i = 0; i < 6; i++, crc /= 62)
		if (p[n - 1 - i] != base62[crc % 62])
			return false;
	return true;
}

static bool
ours_proof(const char *p, size_t n)
{
	return key_looks_like((struct str){ p, n });
}

/* github_pat_ 22 _ 59 */
static bool
pat_proof(const char *p, size_t n)
{
	return n == 93 && p[33] == '_' && memchr(p + 11, '_', 22) == NULL &&
	       memchr(p + 34, '_', 59) == NULL;
}

static bool
has_digit(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_digit(p[i]))
			return true;
	return false;
}

/* xox, a letter, - or . */
static bool
slack_proof(const char *p, size_t n)
{
	return strchr("abceoprsd", p[3]) != NULL && (p[4] == '-' || p[4] == '.') &&
	       has_digit(p + 5, n - 5);
}

/* "OpenAI" in base64 stands in every one. */
static bool
openai_proof(const char *p, size_t n)
{
	return memmem(p, n, "T3BlbkFJ", 8) != NULL;
}

/* 22 . 43 */
static bool
sendgrid_proof(const char *p, size_t n)
{
	return n == 69 && p[25] == '.' && has_digit(p + 3, n - 3);
}

/* ---- the table ---- */

static size_t jwt_judge(const struct look *l, size_t *skip);
static size_t pem_judge(const struct look *l, size_t *skip);
static size_t bearer_judge(const struct look *l, size_t *skip);
static size_t basic_judge(const struct look *l, size_t *skip);
static size_t url_judge(const struct look *l, size_t *skip);
static size_t webhook_judge(const struct look *l, size_t *skip);

#define LINES    3 /* buckets: the third byte of the anchor is _ */
#define DASHES   4 /* - */
#define DOTS     5 /* . or / */
#define WORDS    6
#define CAPITALS 7

/* clang-format off */
static const struct secret secrets[] = {
	{ "github-token",        "ghp_",          1, LINES,    ALNUM,  true,   36,  36, crc_proof, NULL },
	{ "github-token",        "gho_",          1, LINES,    ALNUM,  true,   36,  36, crc_proof, NULL },
	{ "github-token",        "ghu_",          1, LINES,    ALNUM,  true,   36,  36, crc_proof, NULL },
	{ "github-token",        "ghs_",          1, LINES,    ALNUM,  true,   36,  36, crc_proof, NULL },
	{ "github-token",        "ghr_",          1, LINES,    ALNUM,  true,   36,  36, crc_proof, NULL },
	{ "github-token",        "ghr_",          1, LINES,    ALNUM,  false,  76,  76, NULL, NULL },
	{ "github-token",        "github_pat_",   8, LINES,    WORD,   false,  82,  82, pat_proof, NULL },
	{ "npm-token",           "npm_",          1, LINES,    ALNUM,  true,   36,  36, crc_proof, NULL },
	{ "stripe-key",          "sk_live_",      0, LINES,    ALNUM,  false,  16,   0, NULL, NULL },
	{ "stripe-key",          "sk_test_",      0, LINES,    ALNUM,  false,  16,   0, NULL, NULL },
	{ "stripe-key",          "rk_live_",      0, LINES,    ALNUM,  false,  16,   0, NULL, NULL },
	{ "stripe-key",          "rk_test_",      0, LINES,    ALNUM,  false,  16,   0, NULL, NULL },
	{ "stripe-key",          "whsec_",        3, LINES,    ALNUM,  false,  24,   0, NULL, NULL },
	{ "huggingface-token",   "hf_",           0, LINES,    ALNUM,  false,  34,  40, NULL, NULL },
	{ "groq-key",            "gsk_",          1, LINES,    ALNUM,  false,  48,  60, NULL, NULL },
	{ "replicate-token",     "r8_",           0, LINES,    ALNUM,  false,  37,  40, NULL, NULL },
	{ "linear-key",          "lin_api_",      5, LINES,    ALNUM,  false,  40,  40, NULL, NULL },
	{ "notion-token",        "ntn_",          1, LINES,    ALNUM,  false,  40,  50, NULL, NULL },
	{ "supabase-token",      "sbp_",          1, LINES,    HEX,    false,  40,  40, NULL, NULL },
	{ "docker-token",        "dckr_pat_",     6, LINES,    TOKEN,  false,  27,  36, NULL, NULL },
	{ "digitalocean-token",  "dop_v1_",       4, LINES,    HEX,    false,  64,  64, NULL, NULL },
	{ "digitalocean-token",  "doo_v1_",       4, LINES,    HEX,    false,  64,  64, NULL, NULL },
	{ "shopify-token",       "shpat_",        3, LINES,    HEX,    false,  32,  32, NULL, NULL },
	{ "shopify-token",       "shpca_",        3, LINES,    HEX,    false,  32,  32, NULL, NULL },
	{ "shopify-token",       "shppa_",        3, LINES,    HEX,    false,  32,  32, NULL, NULL },
	{ "shopify-token",       "shpss_",        3, LINES,    HEX,    false,  32,  32, NULL, NULL },

	{ "tollgate-key",        "tg-",           0, DASHES,   ALNUM,  true,   40,  40, ours_proof, NULL },
	{ "anthropic-key",       "sk-ant-",       0, DASHES,   TOKEN,  false,  24,   0, has_digit, NULL },
	{ "openai-key",          "sk-proj-",      0, DASHES,   TOKEN,  false,  40,   0, NULL, NULL },
	{ "openai-key",          "sk-svcacct-",   0, DASHES,   TOKEN,  false,  40,   0, NULL, NULL },
	{ "openai-key",          "sk-admin-",     0, DASHES,   TOKEN,  false,  40,   0, NULL, NULL },
	{ "openai-key",          "sk-",           0, DASHES,   TOKEN,  false,  40,   0, openai_proof, NULL },
	{ "gitlab-token",        "glpat-",        3, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "gldt-",         2, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "glrt-",         2, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "glft-",         2, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "glcbt-",        3, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "glptt-",        3, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "glimt-",        3, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "glsoat-",       4, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "gitlab-token",        "glagent-",      5, DASHES,   DOTTED, false,  20,   0, NULL, NULL },
	{ "slack-token",         "xapp-",         2, DASHES,   TOKEN,  false,  24,   0, has_digit, NULL },
	{ "google-key",          "GOCSPX-",       4, DASHES,   TOKEN,  false,  28,  28, NULL, NULL },
	{ "pypi-token",          "pypi-AgE",      2, DASHES,   TOKEN,  false,  50,   0, NULL, NULL },
	{ "xai-key",             "xai-",          1, DASHES,   ALNUM,  false,  60,   0, NULL, NULL },
	{ "age-key",             "AGE-SECRET-KEY-1", 12, DASHES,   BECH32, false,  58,  58, NULL, NULL },

	{ "google-token",        "ya29.",         2, DOTS,     TOKEN,  false,  20,   0, NULL, NULL },
	{ "sendgrid-key",        "SG.",           0, DOTS,     DOTTED, false,  66,  66, sendgrid_proof, NULL },
	{ "vault-token",         "hvs.",          1, DOTS,     TOKEN,  false,  24,   0, NULL, NULL },
	{ "vault-token",         "hvb.",          1, DOTS,     TOKEN,  false,  24,   0, NULL, NULL },
	{ "slack-webhook",       "hooks.slack.com/services/",  3, DOTS,     0,      false,   0,   0, NULL, webhook_judge },
	{ "url-password",        "://",           0, DOTS,     0,      true,    0,   0, NULL, url_judge },

	{ "slack-token",         "xox",           0, WORDS,    DOTTED, false,  15,   0, slack_proof, NULL },
	{ "aws-key-id",          "AKIA",          0, CAPITALS, BASE32, false,  16,  16, NULL, NULL },
	{ "aws-key-id",          "ASIA",          0, CAPITALS, BASE32, false,  16,  16, NULL, NULL },
	{ "google-key",          "AIza",          0, CAPITALS, TOKEN,  false,  35,  35, NULL, NULL },
	{ "atlassian-token",     "ATATT3",        0, CAPITALS, TOKEN,  false, 150,   0, NULL, NULL },
	{ "jwt",                 "eyJ",           0, WORDS,    0,      false,   0,   0, NULL, jwt_judge },
	{ "private-key",         "-----BEGIN ",   5, CAPITALS, 0,      true,    0,   0, NULL, pem_judge },
	{ "bearer-token",        "Bearer ",       0, WORDS,    0,      false,   0,   0, NULL, bearer_judge },
	{ "bearer-token",        "bearer ",       0, WORDS,    0,      false,   0,   0, NULL, bearer_judge },
	{ "bearer-token",        "BEARER ",       0, CAPITALS, 0,      false,   0,   0, NULL, bearer_judge },
	{ "basic-auth",          "Basic ",        0, WORDS,    0,      false,   0,   0, NULL, basic_judge },
	{ "basic-auth",          "basic ",        0, WORDS,    0,      false,   0,   0, NULL, basic_judge },
};
/* clang-format on */

static uint8_t
slot_of(const char *anchor)
{
	return (uint8_t)(anchor[0] + anchor[1] * 7 + anchor[2] * 31);
}

void
secrets_tables(struct redact_tables *t)
{
	_Static_assert(COUNT(secrets) < REDACT_SECRETS_MAX, "rows are numbered in a byte");
	for (size_t i = COUNT(secrets); i-- > 0;) {
		const char *a = secrets[i].prefix + secrets[i].anchor;
		uint8_t *slot = &t->slot[slot_of(a)];

		t->next[i + 1] = *slot;
		*slot = (uint8_t)(i + 1);
		t->length[i + 1] = (uint8_t)strlen(secrets[i].prefix);
		bucket_put(t, secrets[i].bucket,
		    (const char *const[]){
			(char[]){ a[0], '\0' }, (char[]){ a[1], '\0' }, (char[]){ a[2], '\0' } });
	}
}

static bool
in_alphabet(enum alphabet a, int c)
{
	switch (a) {
	case ALNUM:
		return is_alnum(c);
	case WORD:
		return is_alnum(c) || c == '_';
	case TOKEN:
		return is_alnum(c) || c == '_' || c == '-';
	case DOTTED:
		return is_alnum(c) || c == '_' || c == '-' || c == '.';
	case BASE32:
		return (c >= 'A' && c <= 'Z') || (c >= '2' && c <= '7');
	case HEX:
		return is_digit(c) || (c >= 'a' && c <= 'f');
	case BECH32:
		return is_digit(c) || (c >= 'A' && c <= 'Z');
	}
	return false;
}

/* How many of the alphabet stand from `at` on, no more than max + 1 of them (0: all); LOOK_MORE
 * when the text ends first. */
static size_t
run_of(const struct look *l, size_t at, enum alphabet a, size_t max)
{
	size_t n = at, end = max > 0 && at + max + 1 < l->n ? at + max + 1 : l->n;

	while (n < end && in_alphabet(a, l->p[n]))
		n++;
	return n == l->n && l->more ? LOOK_MORE : n - at;
}

static size_t
form_judge(const struct look *l, const struct secret *s)
{
	const size_t prefix = strlen(s->prefix);
	size_t n;

	if (s->max > 0 && s->glued) { /* the checksum says where it ends */
		n = prefix + s->max;
		if (n > l->n)
			return l->more ? LOOK_MORE : 0;
		for (size_t i = prefix; i < n; i++)
			if (!in_alphabet(s->alphabet, l->p[i]))
				return 0;
		return s->proof(l->p, n) ? n : 0;
	}
	n = run_of(l, prefix, s->alphabet, s->max);
	if (n == LOOK_MORE)
		return n;
	while (s->alphabet == DOTTED && n > 0 && l->p[prefix + n - 1] == '.')
		n--; /* the end of a sentence */
	if (n < s->min || (s->max > 0 && n > s->max))
		return 0;
	return s->proof == NULL || s->proof(l->p, prefix + n) ? prefix + n : 0;
}

static enum found
row_judge(const struct find_text *t, size_t start, const struct secret *s, struct find_match *m)
{
	struct look l = { .p = t->p + start,
		.n = t->n - start,
		.before = start > 0 ? (unsigned char)t->p[start - 1] : t->before,
		.more = !t->final };
	size_t skip = 0, n;

	if (!s->glued && is_alnum(l.before))
		return FOUND_NONE;
	/* What is long and may still be nothing is not begun again within itself. */
	if (s->max == 0 && s->proof != NULL && in_alphabet(s->alphabet, l.before))
		return FOUND_NONE;
	if (l.n > REDACT_MATCH_MAX) {
		l.n = REDACT_MATCH_MAX;
		l.more = false;
	}
	n = s->judge != NULL ? s->judge(&l, &skip) : form_judge(&l, s);
	if (n == 0)
		return FOUND_NONE;
	*m = (struct find_match){ .from = start,
		.at = start + skip,
		.n = n - skip,
		.class = REDACT_SECRETS,
		.name = s->name };
	if (n != LOOK_MORE)
		return FOUND_MATCH;
	m->at = start;
	return FOUND_MORE;
}

enum found
secret_judge(const struct find_text *t, size_t at, struct find_match *m)
{
	const struct redact_tables *by = t->tables;

	for (unsigned i = by->slot[slot_of(t->p + at)]; i != 0; i = by->next[i]) {
		const struct secret *s = &secrets[i - 1];
		const char *start = t->p + at - s->anchor;
		size_t n = by->length[i];
		enum found f;

		if (at - t->from < s->anchor || t->n - at + s->anchor < n ||
		    memcmp(start, s->prefix, n) != 0)
			continue;
		f = row_judge(t, at - s->anchor, s, m);
		if (f != FOUND_NONE)
			return f;
	}
	return FOUND_NONE;
}

/* ---- those with a form of their own ---- */

static int
base64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (is_digit(c))
		return c - '0' + 52;
	return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Either alphabet; stops at what is of none. */
static size_t
base64_read(const char *p, size_t n, char *out, size_t cap)
{
	uint32_t bits = 0;
	size_t made = 0;
	int have = 0;

	for (size_t i = 0; i < n && made < cap; i++) {
		int v = base64_value(p[i]);

		if (v < 0)
			break;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[made++] = (char)(bits >> have);
		}
	}
	return made;
}

#define JWT_HEADER 1400 /* bytes, in base64 */

/* header.payload.signature, or five parts; the header is a JSON object with an algorithm. */
static size_t
jwt_judge(const struct look *l, size_t *skip)
{
	char header[JWT_HEADER];
	const char *dot = memchr(l->p, '.', l->n < JWT_HEADER ? l->n : JWT_HEADER);
	size_t n, dots = 0, made;

	*skip = 0;
	if (dot == NULL)
		return l->n < JWT_HEADER && l->more ? LOOK_MORE : 0;
	made = base64_read(l->p, (size_t)(dot - l->p), header, sizeof(header));
	if (made < 2 || header[0] != '{' || memmem(header, made, "\"alg\"", 5) == NULL)
		return 0;
	n = run_of(l, 0, DOTTED, 0);
	if (n == LOOK_MORE)
		return n;
	for (size_t i = 0; i < n; i++)
		dots += l->p[i] == '.';
	while (l->p[n - 1] == '.' && dots > 2) {
		n--;
		dots--;
	}
	return dots >= 2 ? n : 0;
}

static bool
armor(int c)
{
	return is_alnum(c) || c == '+' || c == '/' || c == '=';
}

/* Where the last long run of base64 ends, of a key whose end is not there. */
static size_t
pem_body(const struct look *l, size_t at)
{
	size_t end = 0;

	while (at < l->n) {
		size_t from = at;

		while (at < l->n && armor(l->p[at]))
			at++;
		if (at - from >= 16 || (end > 0 && at - from > 0 && at == l->n))
			end = at;
		else if (end > 0 && at > from && at - from > 2)
			break;
		while (at < l->n && !armor(l->p[at]) && at - from < 200)
			at++;
		if (at == from)
			break;
	}
	return end;
}

/* What follows "-----BEGIN … PRIVATE KEY…-----": lines of base64 within reach, or no key. */
static size_t
pem_judge(const struct look *l, size_t *skip)
{
	static const char key[] = "PRIVATE KEY";
	size_t at = 11, label, run = 0, reach;
	const char *end;

	*skip = 0;
	while (at < l->n && at < 60 && (is_alnum(l->p[at]) || l->p[at] == ' '))
		at++;
	label = at - 11;
	if (l->n - at < 5 && l->more)
		return LOOK_MORE;
	if (l->n - at < 5 || memcmp(l->p + at, "-----", 5) != 0 ||
	    memmem(l->p + 11, label, key, sizeof(key) - 1) == NULL)
		return 0;
	at += 5;
	reach = at + 300;
	for (size_t i = at; run < 32; i++) {
		if (i == l->n)
			return l->more ? LOOK_MORE : 0;
		run = armor(l->p[i]) ? run + 1 : 0;
		if (i == reach)
			return 0;
	}
	end = memmem(l->p + at, l->n - at, "-----END ", 9);
	if (l->more && (end == NULL || l->n - (size_t)(end - l->p) < 65))
		return LOOK_MORE;
	if (end == NULL)
		return pem_body(l, at);
	at = (size_t)(end - l->p) + 9;
	while (
	    at < l->n && at < (size_t)(end - l->p) + 60 && (is_alnum(l->p[at]) || l->p[at] == ' '))
		at++;
	while (at < l->n && at < (size_t)(end - l->p) + 65 && l->p[at] == '-')
		at++;
	return at;
}

#define BEARER_MIN 20

static bool
token68(int c)
{
	return is_alnum(c) || (c != '\0' && strchr("-._~+/=", c) != NULL);
}

/* The token behind the word; words of a sentence have no digits. */
static size_t
authorization(const struct look *l, size_t *skip, size_t min)
{
	size_t at = 6, n;

	while (at < l->n && at < 12 && l->p[at] == ' ')
		at++;
	*skip = at;
	for (n = at; n < l->n && token68((unsigned char)l->p[n]); n++)
		;
	if (n == l->n && l->more)
		return LOOK_MORE;
	while (n > at && l->p[n - 1] == '.')
		n--;
	return n - at < min ? 0 : n;
}

static size_t
bearer_judge(const struct look *l, size_t *skip)
{
	size_t n = authorization(l, skip, BEARER_MIN);

	return n == LOOK_MORE || n == 0 || has_digit(l->p + *skip, n - *skip) ? n : 0;
}

/* "Basic " and the base64 of name:password, printable. */
static size_t
basic_judge(const struct look *l, size_t *skip)
{
	char text[256];
	size_t n = authorization(l, skip, 6), made;

	if (n == LOOK_MORE || n == 0)
		return n;
	made = base64_read(l->p + *skip, n - *skip, text, sizeof(text));
	for (size_t i = 0; i < made; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return 0;
	return made > 2 && memchr(text + 1, ':', made - 1) != NULL &&
		       str_utf8((struct str){ text, made })
		   ? n
		   : 0;
}

static bool
in_userinfo(int c)
{
	return c > ' ' && c != 0x7f && strchr("/?#@\"'<>\\`", c) == NULL;
}

/* ://name:PASSWORD@ of a URL; a placeholder ($PASSWORD, <password>) is none. */
static size_t
url_judge(const struct look *l, size_t *skip)
{
	size_t at = 3, password;

	while (at < l->n && at < 68 && l->p[at] != ':' && in_userinfo((unsigned char)l->p[at]))
		at++;
	if (at == l->n)
		return l->more ? LOOK_MORE : 0;
	if (l->p[at] != ':')
		return 0;
	password = ++at;
	while (at < l->n && at < password + 256 && in_userinfo((unsigned char)l->p[at]))
		at++;
	if (at == l->n)
		return l->more ? LOOK_MORE : 0;
	*skip = password;
	return l->p[at] == '@' && at > password && strchr("${<%[*", l->p[password]) == NULL ? at
											    : 0;
}

/* hooks.slack.com/services/T…/B…/24 */
static size_t
webhook_judge(const struct look *l, size_t *skip)
{
	size_t at = 25, slashes = 0, tail = 0;

	while (at < l->n && (is_alnum(l->p[at]) || l->p[at] == '/')) {
		tail = l->p[at] == '/' ? 0 : tail + 1;
		slashes += l->p[at++] == '/';
	}
	if (at == l->n && l->more)
		return LOOK_MORE;
	*skip = 25;
	return slashes == 2 && tail >= 20 ? at : 0;
}
