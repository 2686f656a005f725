/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_brackets - matching brackets in blocks of 64 bytes.
 *
 * Quotes become a mask of what lies inside strings by a carry-less multiplication, runs of
 * backslashes are sorted by an addition's carries (Langdale and Lemire, "Parsing gigabytes of JSON
 * per second", 2019); a block in which the depth cannot come back to zero is counted and skipped.
 * Kinds of brackets are not told apart: what is malformed inside is for whoever parses it.
 */
#include "base/json_brackets.h"

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#	include <immintrin.h>
#endif

const char *
json_string_skip(const char *p, const char *end)
{
	while (p < end && (p += str_plain(STR_SPAN(p, end))) < end) {
		if (*p == '"')
			return p + 1;
		p += *p == '\\' ? 2 : 1;
	}
	return NULL;
}

static const char *
brackets_plain(const char *p, const char *end)
{
	int64_t depth = 1;

	while (p != NULL && p < end) {
		char c = *p++;

		if (c == '"')
			p = json_string_skip(p, end);
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return p;
	}
	return NULL;
}

#if defined(__x86_64__)
struct block {
	uint64_t quote, backslash, open, close;
};

__attribute__((target("avx2"))) static inline uint64_t
block_eq(__m256i lo, __m256i hi, char c)
{
	__m256i want = _mm256_set1_epi8(c);
	uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(lo, want));
	uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(hi, want));

	return a | (uint64_t)b << 32;
}

/* '{' and '[' differ from each other only in bit 5, and so do '}' and ']'. */
__attribute__((target("avx2"))) static inline struct block
block_read(const char *p)
{
	__m256i lo = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i hi = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
	__m256i bit5 = _mm256_set1_epi8(0x20);
	__m256i lo5 = _mm256_or_si256(lo, bit5), hi5 = _mm256_or_si256(hi, bit5);

	return (struct block){ block_eq(lo, hi, '"'), block_eq(lo, hi, '\\'),
		block_eq(lo5, hi5, '{'), block_eq(lo5, hi5, '}') };
}

/* Which bytes of the block stand behind an odd run of backslashes; *carry goes between blocks. */
static inline uint64_t
escaped_bits(uint64_t backslash, uint64_t *carry)
{
	const uint64_t even = 0x5555555555555555ull;
	uint64_t follows, odd_starts, sum;

	backslash &= ~*carry;
	follows = backslash << 1 | *carry;
	odd_starts = backslash & ~even & ~follows;
	*carry = __builtin_add_overflow(odd_starts, backslash, &sum);
	return (even ^ (sum << 1)) & follows;
}

__attribute__((target("avx2,pclmul"))) static const char *
brackets_avx2(const char *p, const char *end)
{
	uint64_t carry = 0, inside = 0; /* inside: all ones when the block starts in a string */
	int64_t depth = 1;

	for (; end - p >= 64; p += 64) {
		struct block b = block_read(p);
		uint64_t quote = b.quote & ~escaped_bits(b.backslash, &carry), string, opens,
			 closes;
		__m128i ones = _mm_set1_epi8((char)0xff);

		string = (uint64_t)_mm_cvtsi128_si64(
			     _mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)quote), ones, 0)) ^
			 inside;
		inside = (uint64_t)((int64_t)string >> 63);
		opens = b.open & ~string;
		closes = b.close & ~string;
		if (depth > __builtin_popcountll(closes)) {
			depth += __builtin_popcountll(opens) - __builtin_popcountll(closes);
			continue;
		}
		for (uint64_t both = opens | closes; both != 0; both &= both - 1) {
			depth += opens & both & -both ? 1 : -1;
			if (depth == 0)
				return p + __builtin_ctzll(both) + 1;
		}
	}
	/* Fewer than 64 bytes are left: walk them with the state carried over. */
	if (carry != 0)
		p++;
	if (inside != 0)
		p = json_string_skip(p, end);
	while (p != NULL && p < end) {
		char c = *p++;

		if (c == '"')
			p = json_string_skip(p, end);
		else if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return p;
	}
	return NULL;
}
#endif

json_brackets_f *
json_brackets(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul"))
		return brackets_avx2;
#endif
	return brackets_plain;
}
