/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_find - where may something start, and is it something?
 *
 * Each thing has an anchor: three bytes that stand at a known place in it and are rare elsewhere.
 * Anchors that look alike share a bucket.  Sixteen positions are filtered at once: a byte is looked
 * up by its two halves, which gives the buckets whose i-th byte it may be, and what remains of
 * three bytes in a row is a candidate (the "Teddy" of Hyperscan).  A candidate is then judged by
 * itself, in time bounded by what it takes, and judging reads nothing but the text from
 * REDACT_BACK bytes in front of it on.
 */
#include <string.h>
#ifdef __SSE2__
#	include <immintrin.h>
#endif

#include "policies/redact.h"

void
bucket_put(struct redact_tables *t, int bucket, const char *const set[3])
{
	for (int i = 0; i < 3; i++)
		for (const char *c = set[i]; *c != '\0'; c++) {
			unsigned char u = (unsigned char)*c;
			uint8_t bit = (uint8_t)(1u << bucket);

			t->byte[i][u] |= bit;
			t->lo[i][u & 15] |= bit;
			t->hi[i][u >> 4] |= bit;
		}
}

#define DIGITS  "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

void
redact_tables_init(struct redact_tables *t)
{
	memset(t, 0, sizeof(*t));
	bucket_put(t, BUCKET_CARD, (const char *const[]){ "23456", DIGITS, DIGITS " -" });
	bucket_put(t, BUCKET_MARK,
	    (const char *const[]){ "+@", DIGITS LETTERS "(", DIGITS LETTERS "-. )" });
	bucket_put(t, BUCKET_IBAN, (const char *const[]){ LETTERS, LETTERS, DIGITS });
	secrets_tables(t);
}

static unsigned
buckets_of(unsigned classes)
{
	unsigned b = 0;

	if (classes & 1u << REDACT_SECRETS)
		b |= BUCKET_SECRETS;
	if (classes & 1u << REDACT_CARD)
		b |= 1u << BUCKET_CARD;
	if (classes & (1u << REDACT_EMAIL | 1u << REDACT_PHONE))
		b |= 1u << BUCKET_MARK;
	if (classes & 1u << REDACT_IBAN)
		b |= 1u << BUCKET_IBAN;
	return b;
}

/* ---- the filter ---- */

static unsigned
anchor_at(const struct redact_tables *t, const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return t->byte[0][u[0]] & t->byte[1][u[1]] & t->byte[2][u[2]];
}

#if defined(__x86_64__)
__attribute__((target("ssse3"))) static inline __m128i
halves(__m128i v, const uint8_t lo[16], const uint8_t hi[16])
{
	const __m128i low = _mm_set1_epi8(15);
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)lo);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)hi);

	return _mm_and_si128(_mm_shuffle_epi8(a, _mm_and_si128(v, low)),
	    _mm_shuffle_epi8(b, _mm_and_si128(_mm_srli_epi16(v, 4), low)));
}

/* Sixteen starts at p; reads eighteen bytes. */
__attribute__((target("ssse3"))) static inline unsigned
block_mask(const struct redact_tables *t, const char *p, __m128i wanted)
{
	__m128i m = wanted;

	for (int i = 0; i < 3; i++)
		m = _mm_and_si128(m, halves(_mm_loadu_si128((const __m128i *)(const void *)(p + i)),
					 t->lo[i], t->hi[i]));
	return 0xffffu & ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(m, _mm_setzero_si128()));
}

__attribute__((target("ssse3"))) static size_t
skip_ssse3(const struct redact_tables *t, const char *p, size_t at, size_t end, unsigned buckets)
{
	const __m128i wanted = _mm_set1_epi8((char)buckets);

	for (; at + 18 <= end; at += 16) {
		unsigned mask = block_mask(t, p + at, wanted);

		for (; mask != 0; mask &= mask - 1) {
			size_t i = at + (size_t)__builtin_ctz(mask);

			if (anchor_at(t, p + i) & buckets)
				return i;
		}
	}
	return at;
}
#endif

/* The next anchor at or behind `at`; n when there is none. */
static size_t
anchor_next(const struct find_text *t, size_t at, unsigned buckets)
{
#if defined(__x86_64__)
	if (t->n - at >= 18 && __builtin_cpu_supports("ssse3"))
		at = skip_ssse3(t->tables, t->p, at, t->n, buckets);
#endif
	for (; at + 3 <= t->n; at++)
		if (anchor_at(t->tables, t->p + at) & buckets)
			return at;
	return t->n;
}

/* ---- candidates that are no secrets ---- */

static struct look
look_at(const struct find_text *t, size_t at)
{
	struct look l = { .p = t->p + at,
		.n = t->n - at,
		.before = at > 0 ? (unsigned char)t->p[at - 1] : t->before,
		.more = !t->final };

	if (l.n > REDACT_MATCH_MAX) {
		l.n = REDACT_MATCH_MAX;
		l.more = false;
	}
	return l;
}

static enum found
take(struct find_match *m, size_t at, size_t n, enum redact_class class, const char *name)
{
	if (n == 0)
		return FOUND_NONE;
	*m = (struct find_match){ .from = at, .at = at, .n = n, .class = class, .name = name };
	return n == LOOK_MORE ? FOUND_MORE : FOUND_MATCH;
}

/* What stands in front of the @ is read backwards, then its domain. */
static enum found
email_judge(const struct find_text *t, size_t mark, struct find_match *m)
{
	struct look l = look_at(t, mark + 1);
	size_t at = mark, n;
	int before;

	while (at > t->from && mark - at <= REDACT_BACK && email_local((unsigned char)t->p[at - 1]))
		at--;
	while (at < mark && t->p[at] == '.')
		at++;
	before = at > 0 ? (unsigned char)t->p[at - 1] : t->before;
	if (at == mark || mark - at > REDACT_BACK ||
	    (email_local((unsigned char)before) && before != '.'))
		return FOUND_NONE;
	n = domain_judge(&l);
	if (n != 0 && n != LOOK_MORE && mark - at == 3 && memcmp(t->p + at, "git", 3) == 0)
		return FOUND_NONE; /* git@github.com:…, which is an address of nobody */
	return take(m, at, n == 0 || n == LOOK_MORE ? n : mark + 1 + n - at, REDACT_EMAIL, "email");
}

static enum found
judge(const struct find_text *t, size_t at, unsigned bits, struct find_match *m)
{
	struct look l = look_at(t, at);
	enum found f = FOUND_NONE;

	if (bits & BUCKET_SECRETS)
		f = secret_judge(t, at, m);
	if (f == FOUND_NONE && bits & 1u << BUCKET_CARD)
		f = take(m, at, card_judge(&l), REDACT_CARD, "card");
	if (f == FOUND_NONE && bits & 1u << BUCKET_IBAN)
		f = take(m, at, iban_judge(&l), REDACT_IBAN, "iban");
	if (f != FOUND_NONE || (bits & 1u << BUCKET_MARK) == 0)
		return f;
	if (t->p[at] == '@')
		return t->classes & 1u << REDACT_EMAIL ? email_judge(t, at, m) : FOUND_NONE;
	return t->classes & 1u << REDACT_PHONE ? take(m, at, phone_judge(&l), REDACT_PHONE, "phone")
					       : FOUND_NONE;
}

enum found
find_next(const struct find_text *t, struct find_match *m)
{
	const unsigned buckets = buckets_of(t->classes);
	const size_t ahead = t->final ? 0 : REDACT_AHEAD;
	size_t end = t->n > ahead ? t->n - ahead : 0, at = t->from;

	while (at < end && (at = anchor_next(t, at, buckets)) < end) {
		enum found f = judge(t, at, anchor_at(t->tables, t->p + at) & buckets, m);

		if (f != FOUND_NONE)
			return f;
		at++;
	}
	m->at = t->n;
	if (!t->final)
		m->at = t->n > REDACT_AHEAD + REDACT_BACK ? t->n - REDACT_AHEAD - REDACT_BACK : 0;
	if (m->at < t->from)
		m->at = t->from;
	return FOUND_NONE;
}
