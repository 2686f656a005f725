/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_levels - one block of text as its readers would unescape it.
 *
 *   raw --JSON: unescape--> level 0 --unescape, fold--> level 1 --unescape, fold--> level 2
 *
 * Unescaping is lenient above level 0: what is no escape stays as it is, because the text may be no
 * JSON at all.  Folding makes full-width and other decimal digits ASCII, odd spaces and dashes
 * plain ones, and drops what is invisible; nobody reading a text sees a difference.  Positions are
 * taken back to the raw bytes by unescaping once more from the nearest mark.
 */
#include <string.h>
#ifdef __SSE2__
#	include <immintrin.h>
#endif

#include "policies/redact_levels.h"

struct decoder {
	const char *p;
	size_t n, src, made;
	bool fold, final;
};

/* ---- one character ---- */

static int
hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		int c = p[i] | 0x20;

		if (!is_digit(p[i]) && (c < 'a' || c > 'f'))
			return -1;
		v = v * 16 + (is_digit(p[i]) ? p[i] - '0' : c - 'a' + 10);
	}
	return v;
}

static size_t
utf8_put(char out[4], uint32_t u)
{
	if (u < 0x80) {
		out[0] = (char)u;
		return 1;
	}
	if (u < 0x800) {
		out[0] = (char)(0xc0 | u >> 6);
		out[1] = (char)(0x80 | (u & 63));
		return 2;
	}
	if (u < 0x10000) {
		out[0] = (char)(0xe0 | u >> 12);
		out[1] = (char)(0x80 | (u >> 6 & 63));
		out[2] = (char)(0x80 | (u & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | u >> 18);
	out[1] = (char)(0x80 | (u >> 12 & 63));
	out[2] = (char)(0x80 | (u >> 6 & 63));
	out[3] = (char)(0x80 | (u & 63));
	return 4;
}

#define PARTIAL 0 /* more bytes will tell */

/* \uXXXX, two of them for one character beyond the first 65,536. */
static size_t
unicode(const struct decoder *d, char out[4], size_t *out_n)
{
	const char *p = d->p + d->src;
	size_t left = d->n - d->src;
	int high, low;

	if (left < 6 && !d->final)
		return PARTIAL;
	high = left < 6 ? -1 : hex4(p + 2);
	if (high < 0) {
		out[0] = '\\';
		*out_n = 1;
		return 1;
	}
	if (high >= 0xd800 && high <= 0xdbff) {
		if (left < 12 && !d->final)
			return PARTIAL;
		low = left >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
		if (low >= 0xdc00 && low <= 0xdfff) {
			*out_n = utf8_put(out, 0x10000u + ((uint32_t)(high - 0xd800) << 10) +
						   (uint32_t)(low - 0xdc00));
			return 12;
		}
	}
	*out_n = utf8_put(out, (uint32_t)high);
	return 6;
}

static size_t
escape(const struct decoder *d, char out[4], size_t *out_n)
{
	static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";
	const char *at;

	*out_n = 1;
	out[0] = '\\';
	if (d->src + 1 == d->n)
		return d->final ? 1 : PARTIAL;
	if (d->p[d->src + 1] == 'u')
		return unicode(d, out, out_n);
	at = memchr(from, d->p[d->src + 1], sizeof(from) - 1);
	if (at == NULL)
		return 1;
	out[0] = to[at - from];
	return 2;
}

/* Characters that are read as something plainer; 0: dropped; -1: none of these. */
static int
plain_of(uint32_t u)
{
	static const struct {
		uint32_t from, to;
		int16_t first; /* of a row, or */
		int16_t all;   /* one for each */
	} table[] = { { 0xa0, 0xa0, 0, ' ' }, { 0xad, 0xad, 0, 0 }, { 0xb2, 0xb3, '2', 0 },
		{ 0xb9, 0xb9, '1', 0 }, { 0x34f, 0x34f, 0, 0 }, { 0x660, 0x669, '0', 0 },
		{ 0x6f0, 0x6f9, '0', 0 }, { 0x966, 0x96f, '0', 0 }, { 0x9e6, 0x9ef, '0', 0 },
		{ 0xa66, 0xa6f, '0', 0 }, { 0xae6, 0xaef, '0', 0 }, { 0xb66, 0xb6f, '0', 0 },
		{ 0xbe6, 0xbef, '0', 0 }, { 0xc66, 0xc6f, '0', 0 }, { 0xce6, 0xcef, '0', 0 },
		{ 0xd66, 0xd6f, '0', 0 }, { 0xe50, 0xe59, '0', 0 }, { 0xed0, 0xed9, '0', 0 },
		{ 0xf20, 0xf29, '0', 0 }, { 0x1040, 0x1049, '0', 0 }, { 0x17e0, 0x17e9, '0', 0 },
		{ 0x2000, 0x200a, 0, ' ' }, { 0x200b, 0x200f, 0, 0 }, { 0x2010, 0x2015, 0, '-' },
		{ 0x202a, 0x202e, 0, 0 }, { 0x202f, 0x202f, 0, ' ' }, { 0x205f, 0x205f, 0, ' ' },
		{ 0x2060, 0x2064, 0, 0 }, { 0x2066, 0x2069, 0, 0 }, { 0x2070, 0x2070, '0', 0 },
		{ 0x2074, 0x2079, '4', 0 }, { 0x2080, 0x2089, '0', 0 }, { 0x20e3, 0x20e3, 0, 0 },
		{ 0x2212, 0x2212, 0, '-' }, { 0x2460, 0x2468, '1', 0 }, { 0x3000, 0x3000, 0, ' ' },
		{ 0x3164, 0x3164, 0, 0 }, { 0xfe00, 0xfe0f, 0, 0 }, { 0xfeff, 0xfeff, 0, 0 },
		{ 0xff01, 0xff5e, '!', 0 }, { 0xe0000, 0xe01ef, 0, 0 } };

	if (u >= 0x1d7ce && u <= 0x1d7ff)
		return '0' + (int)((u - 0x1d7ce) % 10);
	for (size_t i = 0; i < COUNT(table) && u >= table[i].from; i++)
		if (u <= table[i].to)
			return table[i].first != 0 ? table[i].first + (int)(u - table[i].from)
						   : table[i].all;
	return -1;
}

static size_t
folded(const struct decoder *d, char out[4], size_t *out_n)
{
	const unsigned char *p = (const unsigned char *)d->p + d->src;
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2, left = d->n - d->src;
	uint32_t u = *p & (0xffu >> (n + 1));
	int plain;

	out[0] = (char)*p;
	*out_n = 1;
	for (size_t i = 1; i < n; i++) {
		if (i == left)
			return d->final ? 1 : PARTIAL;
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		u = u << 6 | (p[i] & 63);
	}
	plain = plain_of(u);
	if (plain < 0) {
		memcpy(out, p, n);
		*out_n = n;
		return n;
	}
	out[0] = (char)plain;
	*out_n = plain != 0;
	return n;
}

/* ---- many of them ---- */

/* The first bytes of what may be an escape, or fold. */
static const uint8_t special[256] = { ['\\'] = 1,
	[0xc2] = 1,
	[0xcd] = 1,
	[0xd9] = 1,
	[0xdb] = 1,
	[0xe0] = 1,
	[0xe1] = 1,
	[0xe2] = 1,
	[0xe3] = 1,
	[0xef] = 1,
	[0xf0] = 1,
	[0xf3] = 1 };

/* Bytes that stand for themselves, at most max. */
static size_t
plain_run(const struct decoder *d, size_t max)
{
	const unsigned char *p = (const unsigned char *)d->p + d->src;
	size_t i = 0;

#ifdef __SSE2__
	const __m128i slash = _mm_set1_epi8('\\');
	const __m128i high = _mm_set1_epi8(d->fold ? (char)0x80 : 0);

	while (i + 16 <= max) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		unsigned mask = (unsigned)_mm_movemask_epi8(
		    _mm_or_si128(_mm_and_si128(v, high), _mm_cmpeq_epi8(v, slash)));
		size_t end = i + 16;

		if (mask == 0) {
			i = end;
			continue;
		}
		for (i += (size_t)__builtin_ctz(mask); i < end; i++)
			if (p[i] == '\\' || (d->fold && special[p[i]]))
				return i;
	}
#endif
	while (i < max && p[i] != '\\' && !(d->fold && special[p[i]]))
		i++;
	return i;
}

bool
levels_plain(struct str s)
{
	const struct decoder d = { .p = s.p, .n = s.n, .fold = true };

	return plain_run(&d, d.n) == d.n;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* On to where either would be passed; writes at out unless it is NULL. */
static void
decode(struct decoder *d, size_t src_stop, size_t made_stop, char *out)
{
	char c[4];

	if (src_stop > d->n)
		src_stop = d->n;
	while (d->src < src_stop && d->made < made_stop) {
		size_t n = plain_run(d, least(src_stop - d->src, made_stop - d->made)), k = n;

		if (n > 0) {
			/* Short ones are copied with what follows, which is overwritten. */
			if (out != NULL && n <= 16 && d->src + 16 <= d->n)
				memcpy(out + d->made, d->p + d->src, 16);
			else if (out != NULL)
				memcpy(out + d->made, d->p + d->src, n);
		} else {
			n = d->p[d->src] == '\\' ? escape(d, c, &k) : folded(d, c, &k);
			if (n == PARTIAL || d->src + n > src_stop || d->made + k > made_stop)
				return;
			if (out != NULL)
				memcpy(out + d->made, c, k);
		}
		d->src += n;
		d->made += k;
	}
}

/* ---- levels ---- */

void
levels_init(struct redactor *r)
{
	for (size_t k = 0; k < REDACT_LEVELS; k++)
		buf_init(&r->level[k].made, REDACT_HOLD_MAX + REDACT_PIECE + 16);
}

void
levels_fini(struct redactor *r)
{
	for (size_t k = 0; k < REDACT_LEVELS; k++)
		buf_fini(&r->level[k].made);
}

/* What level k is made of. */
static struct decoder
source(const struct redactor *r, size_t k, struct str raw, bool final)
{
	struct str s = k == 0 ? raw : (struct str){ r->level[k - 1].p, r->level[k - 1].n };

	return (struct decoder){ .p = s.p, .n = s.n, .fold = k > 0, .final = final };
}

static void
level_make(struct redact_level *lv, struct decoder *d)
{
	char *out;

	buf_reset(&lv->made);
	out = buf_room(&lv->made, d->n + 16);
	ASSERT(out != NULL);
	lv->marks_n = 0;
	for (size_t stop = 0; stop < d->n; stop += REDACT_MARK_BYTES) {
		ASSERT(lv->marks_n < COUNT(lv->mark));
		lv->mark[lv->marks_n++] = (struct redact_mark){ d->src, d->made };
		decode(d, stop + REDACT_MARK_BYTES, SIZE_MAX, out);
	}
	lv->p = out;
	lv->n = d->made;
}

/* Do this level and those above it differ from the one below in nothing, not even in what stood in
 * front? */
static bool
no_more(const struct redactor *r, size_t k)
{
	for (; k < REDACT_LEVELS; k++)
		if (r->level[k].before != r->level[k - 1].before)
			return false;
	return true;
}

void
levels_make(struct redactor *r, struct str raw, bool final)
{
	for (r->levels = 0; r->levels < REDACT_LEVELS; r->levels++) {
		struct redact_level *lv = &r->level[r->levels];
		struct decoder d = source(r, r->levels, raw, final);

		lv->same = (r->levels == 0 && !r->json) || plain_run(&d, d.n) == d.n;
		if (lv->same && r->levels > 0 && no_more(r, r->levels))
			break;
		lv->p = d.p;
		lv->n = d.n;
		if (!lv->same)
			level_make(lv, &d);
	}
}

/* To the last mark that is not behind. */
static void
mark_take(const struct redact_level *lv, struct decoder *d, size_t src, size_t made)
{
	for (size_t i = lv->marks_n; i-- > 0;)
		if (lv->mark[i].src <= src && lv->mark[i].made <= made) {
			d->src = lv->mark[i].src;
			d->made = lv->mark[i].made;
			return;
		}
}

size_t
level_down(struct redactor *r, size_t k, struct str raw, size_t at)
{
	for (size_t j = k + 1; j-- > 0;) {
		struct decoder d = source(r, j, raw, true);

		if (r->level[j].same)
			continue;
		mark_take(&r->level[j], &d, SIZE_MAX, at);
		decode(&d, SIZE_MAX, at, NULL);
		at = d.src;
	}
	return at;
}

void
levels_down(struct redactor *r, size_t k, struct str raw, size_t first)
{
	for (size_t j = k + 1; first < r->hits_n && j-- > 0;) {
		struct decoder d = source(r, j, raw, true);

		if (r->level[j].same)
			continue;
		for (size_t i = first; i < r->hits_n; i++) {
			struct redact_hit *h = &r->hits[i];

			decode(&d, SIZE_MAX, h->from, NULL);
			h->from = d.src;
			decode(&d, SIZE_MAX, h->at, NULL);
			h->at = d.src;
			decode(&d, SIZE_MAX, h->end, NULL);
			h->end = d.src;
		}
	}
}

/* The position of level k that a position of what it is made of becomes, and the same rounded. */
static size_t
level_up(struct redactor *r, size_t k, struct str raw, size_t *at)
{
	struct decoder d = source(r, k, raw, true);

	if (r->level[k].same)
		return *at;
	mark_take(&r->level[k], &d, *at, SIZE_MAX);
	decode(&d, *at, SIZE_MAX, NULL);
	*at = d.src;
	return d.made;
}

size_t
level_boundary(struct redactor *r, struct str raw, size_t at)
{
	size_t cut = at, up = at;

	for (size_t k = 0; k < r->levels; k++) {
		size_t here = up, wanted = up;

		up = level_up(r, k, raw, &here);
		if (here != wanted)
			cut = k == 0 ? here : level_down(r, k - 1, raw, here);
	}
	return cut < at ? cut : at;
}

void
levels_left(struct redactor *r, struct str raw, size_t cut)
{
	size_t up = cut;

	if (cut == 0)
		return;
	if (r->levels == 1 && r->level[0].same) {
		for (size_t k = 0; k < REDACT_LEVELS; k++)
			r->level[k].before = (unsigned char)raw.p[cut - 1];
		return;
	}
	for (size_t k = 0; k < REDACT_LEVELS; k++) {
		struct redact_level *lv = &r->level[k];

		if (k >= r->levels) {
			lv->before = r->level[k - 1].before;
			continue;
		}
		up = level_up(r, k, raw, &up);
		if (up > 0)
			lv->before = (unsigned char)lv->p[up - 1];
	}
}
