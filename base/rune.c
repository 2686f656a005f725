/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rune - a table of what is hidden.
 *
 * Ranges are of Unicode 15, in order; a rune is found by halves.
 */
#include "base/rune.h"

#define REPLACEMENT 0xfffd

uint32_t
rune_next(struct str *rest)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	size_t n = *p < 0x80 ? 1 : (*p & 0xe0) == 0xc0 ? 2 : (*p & 0xf0) == 0xe0 ? 3 : 4;
	uint32_t c = n == 1 ? *p : *p & (0xffu >> (n + 1));
	bool ok = n == 1 || (*p >= 0xc0 && n <= rest->n);

	for (size_t i = 1; ok && i < n; i++) {
		ok = (p[i] & 0xc0) == 0x80;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (!ok) {
		n = 1;
		c = REPLACEMENT;
	}
	*rest = (struct str){ rest->p + n, rest->n - n };
	return c;
}

void
buf_rune(struct buf *b, uint32_t c)
{
	char out[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n == 1) {
		buf_putc(b, (char)c);
		return;
	}
	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)((0xf00u >> n & 0xf0) | c);
	buf_put(b, (struct str){ out, n });
}

struct range {
	uint32_t lo, hi;
	int what;
};

static int
look(const struct range *r, size_t n, uint32_t c)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c > r[mid].hi)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && c >= r[lo].lo ? r[lo].what : 0;
}

enum rune_kind
rune_kind(uint32_t c)
{
	static const struct range ranges[] = { { 0x00, 0x08, RUNE_CONTROL },
		{ 0x0b, 0x0c, RUNE_CONTROL }, { 0x0e, 0x1f, RUNE_CONTROL },
		{ 0x7f, 0x9f, RUNE_CONTROL }, { 0xad, 0xad, RUNE_INVISIBLE },
		{ 0x34f, 0x34f, RUNE_INVISIBLE }, { 0x61c, 0x61c, RUNE_BIDI },
		{ 0x115f, 0x1160, RUNE_INVISIBLE }, { 0x17b4, 0x17b5, RUNE_INVISIBLE },
		{ 0x180b, 0x180d, RUNE_VARIATION }, { 0x180e, 0x180e, RUNE_INVISIBLE },
		{ 0x180f, 0x180f, RUNE_VARIATION }, { 0x200b, 0x200d, RUNE_INVISIBLE },
		{ 0x200e, 0x200f, RUNE_BIDI }, { 0x2028, 0x2029, RUNE_CONTROL },
		{ 0x202a, 0x202e, RUNE_BIDI }, { 0x2060, 0x2065, RUNE_INVISIBLE },
		{ 0x2066, 0x2069, RUNE_BIDI }, { 0x206a, 0x206f, RUNE_INVISIBLE },
		{ 0x2800, 0x2800, RUNE_INVISIBLE }, { 0x3164, 0x3164, RUNE_INVISIBLE },
		{ 0xe000, 0xf8ff, RUNE_PRIVATE }, { 0xfe00, 0xfe0f, RUNE_VARIATION },
		{ 0xfeff, 0xfeff, RUNE_INVISIBLE }, { 0xffa0, 0xffa0, RUNE_INVISIBLE },
		{ 0xfff0, 0xfffb, RUNE_INVISIBLE }, { 0x1bca0, 0x1bca3, RUNE_INVISIBLE },
		{ 0x1d173, 0x1d17a, RUNE_INVISIBLE }, { 0xe0000, 0xe00ff, RUNE_TAG },
		{ 0xe0100, 0xe01ef, RUNE_VARIATION }, { 0xe01f0, 0xe0fff, RUNE_TAG },
		{ 0xf0000, 0x10ffff, RUNE_PRIVATE } };

	return (enum rune_kind)look(ranges, COUNT(ranges), c);
}

const char *
rune_word(enum rune_kind k)
{
	static const char *const words[] = { "a character", "a control character",
		"a direction mark", "an invisible character",
		"a tag character that only programs read", "a variation selector",
		"a private-use character" };

	return words[k];
}

enum rune_script
rune_script(uint32_t c)
{
	static const struct range ranges[] = { { 'A', 'Z', RUNE_LATIN }, { 'a', 'z', RUNE_LATIN },
		{ 0xc0, 0xd6, RUNE_LATIN }, { 0xd8, 0xf6, RUNE_LATIN }, { 0xf8, 0x24f, RUNE_LATIN },
		{ 0x37f, 0x37f, RUNE_GREEK }, { 0x391, 0x392, RUNE_GREEK },
		{ 0x395, 0x397, RUNE_GREEK }, { 0x399, 0x39a, RUNE_GREEK },
		{ 0x39c, 0x39d, RUNE_GREEK }, { 0x39f, 0x39f, RUNE_GREEK },
		{ 0x3a1, 0x3a1, RUNE_GREEK }, { 0x3a4, 0x3a5, RUNE_GREEK },
		{ 0x3a7, 0x3a7, RUNE_GREEK }, { 0x3b1, 0x3b1, RUNE_GREEK },
		{ 0x3b9, 0x3b9, RUNE_GREEK }, { 0x3bd, 0x3bd, RUNE_GREEK },
		{ 0x3bf, 0x3bf, RUNE_GREEK }, { 0x3c1, 0x3c1, RUNE_GREEK },
		{ 0x3c5, 0x3c5, RUNE_GREEK }, { 0x3f2, 0x3f3, RUNE_GREEK },
		{ 0x400, 0x481, RUNE_CYRILLIC }, { 0x48a, 0x52f, RUNE_CYRILLIC },
		{ 0x531, 0x556, RUNE_ARMENIAN }, { 0x561, 0x587, RUNE_ARMENIAN } };

	return (enum rune_script)look(ranges, COUNT(ranges), c);
}
