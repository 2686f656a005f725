/* SPDX-License-Identifier: Apache-2.0 */
/*
 * redact_scan - a text or a JSON document in pieces of any size, and what is written instead.
 *
 *   feed --JSON: strings, numbers--> text_feed() --block--> block_judge(): every level is searched
 *                                                           \--> what is decided is handed out,
 *                                                                the rest waits in `pending`
 *
 * A block is looked at in levels: as it is (JSON: unescaped), and again unescaped and folded, as
 * long as that changes anything.  What is found on any level is taken back to the raw bytes, and
 * where finds overlap they are one.  A block ends where nothing on any level is undecided or cut,
 * so that the next one begins with whole characters on all of them.
 *
 * Held back are REDACT_AHEAD + REDACT_BACK bytes, more while something long is under way.  Pending
 * bytes are looked at again only when there are twice as many, so that small pieces cost no more.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/redact_levels.h"

/* ---- out ---- */

static void
run_flush(struct redactor *r)
{
	if (r->run.n == 0)
		return;
	r->out.pass(r->out.ctx, r->run);
	r->run = (struct str){ "", 0 };
}

static void
pass(struct redactor *r, const char *p, size_t n)
{
	if (n == 0)
		return;
	r->out_n += n;
	if (r->run.n > 0 && r->run.p + r->run.n == p) {
		r->run.n += n;
		return;
	}
	run_flush(r);
	r->run = (struct str){ p, n };
}

static void
put(struct redactor *r, const struct redact_hit *h, bool quoted)
{
	char text[128] = "";
	struct buf b = { .p = text, .cap = sizeof(text), .limit = sizeof(text) };

	run_flush(r);
	if (quoted)
		buf_putc(&b, '"');
	if (r->action[h->class] == REDACT_HASH) {
		buf_printf(&b, "[%s:", h->name);
		buf_hex(&b, h->hash, REDACT_HASH_BYTES);
		buf_putc(&b, ']');
	} else {
		buf_printf(&b, "[masked:%s]", h->name);
	}
	if (quoted)
		buf_putc(&b, '"');
	ASSERT(buf_ok(&b));
	r->out.put(r->out.ctx, buf_str(&b), h->end - h->at);
	r->out_n += b.n;
}

/* One find: counted, and passed as it is where nothing is to be done about it. */
static void
hit_out(struct redactor *r, const struct redact_hit *h, const char *raw, bool quoted)
{
	const uint8_t action = r->action[h->class];

	r->counts->n[action][h->class]++;
	if (action == REDACT_WATCH) {
		pass(r, raw, h->end - h->at);
		return;
	}
	if (action == REDACT_BLOCK && r->counts->blocked == NULL) {
		r->counts->blocked = h->name;
		r->counts->blocked_at = r->out_n;
	}
	put(r, h, quoted);
}

/* ---- finds ---- */

/* Equal values have equal hashes however they are spaced and spelled. */
static void
hit_hash(const struct redactor *r, struct redact_hit *h, struct str value)
{
	char kept[256];
	struct sha256 mac;
	size_t n = 0;

	if (r->action[h->class] != REDACT_HASH)
		return;
	if (h->class != REDACT_SECRETS) {
		for (size_t i = 0; i < value.n && n < sizeof(kept); i++) {
			char c = value.p[i];

			if (h->class == REDACT_EMAIL || is_alnum(c))
				kept[n++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
		}
		value = (struct str){ kept, n };
	}
	hmac_sha256(
	    &mac, (struct str){ (const char *)r->tables->key, sizeof(r->tables->key) }, value);
	memcpy(h->hash, mac.b, sizeof(h->hash));
}

static struct redact_hit *
hit_push(struct redactor *r, const struct find_match *m)
{
	struct redact_hit *h;

	if (r->hits_n == r->hits_cap) {
		r->hits_cap = r->hits_cap == 0 ? 16 : r->hits_cap * 2;
		r->hits = mem_realloc(r->hits, r->hits_cap * sizeof(*r->hits));
	}
	h = &r->hits[r->hits_n++];
	*h = (struct redact_hit){ .from = m->from,
		.at = m->at,
		.end = m->at + m->n,
		.class = m->class,
		.name = m->name };
	return h;
}

/* All of one level, as raw positions; returns the raw position where the undecided begins. */
static size_t
level_search(struct redactor *r, size_t k, struct str raw, bool final)
{
	const struct redact_level *lv = &r->level[k];
	struct find_text t = { .tables = r->tables,
		.p = lv->p,
		.n = lv->n,
		.classes = r->classes,
		.before = lv->before,
		.final = final };
	const size_t first = r->hits_n;
	struct find_match m;
	enum found f;

	while ((f = find_next(&t, &m)) == FOUND_MATCH) {
		hit_hash(r, hit_push(r, &m), (struct str){ lv->p + m.at, m.n });
		t.from = m.at + m.n;
	}
	levels_down(r, k, raw, first);
	return f == FOUND_NONE && final ? raw.n : level_down(r, k, raw, m.at);
}

static int
hit_cmp(const void *a, const void *b)
{
	const struct redact_hit *x = a, *y = b;

	return x->at != y->at ? (x->at > y->at) - (x->at < y->at)
			      : (x->end < y->end) - (x->end > y->end);
}

/* Those of several levels become one row without overlaps; the strictest of them acts. */
static void
hits_merge(struct redactor *r)
{
	size_t n = 0;

	if (r->hits_n < 2 || r->levels < 2)
		return;
	qsort(r->hits, r->hits_n, sizeof(*r->hits), hit_cmp);
	for (size_t i = 1; i < r->hits_n; i++) {
		struct redact_hit *last = &r->hits[n], *h = &r->hits[i];
		size_t at = last->at, end = last->end > h->end ? last->end : h->end;
		size_t from = last->from < h->from ? last->from : h->from;

		if (h->at >= last->end) {
			r->hits[++n] = *h;
			continue;
		}
		if (r->action[h->class] > r->action[last->class])
			*last = *h;
		last->from = from;
		last->at = at;
		last->end = end;
	}
	r->hits_n = n + 1;
}

/* Nothing found is cut, and no character on any level. */
static size_t
cut_settle(struct redactor *r, struct str raw, size_t cut)
{
	for (;;) {
		size_t before = cut;

		cut = level_boundary(r, raw, cut);
		for (size_t i = 0; i < r->hits_n && r->hits[i].from < cut; i++)
			if (r->hits[i].end > cut)
				cut = r->hits[i].from;
		if (cut == before)
			return cut;
	}
}

/* Judges one block and hands out what is decided; returns how much that was. */
static size_t
block_judge(struct redactor *r, struct str raw, bool final)
{
	size_t cut = raw.n, at = 0;

	r->hits_n = 0;
	levels_make(r, raw, final);
	for (size_t k = 0; k < r->levels; k++) {
		size_t undecided = level_search(r, k, raw, final);

		cut = undecided < cut ? undecided : cut;
	}
	hits_merge(r);
	if (!final)
		cut = cut_settle(r, raw, cut);
	for (size_t i = 0; i < r->hits_n && r->hits[i].at < cut; i++) {
		const struct redact_hit *h = &r->hits[i];

		pass(r, raw.p + at, h->at - at);
		hit_out(r, h, raw.p + h->at, false);
		at = h->end;
	}
	pass(r, raw.p + at, cut - at);
	levels_left(r, raw, cut);
	return cut;
}

/* ---- texts ---- */

static void
pending_drop(struct redactor *r, size_t n)
{
	run_flush(r); /* it may point into what goes */
	buf_drop(&r->pending, n);
	r->need = r->pending.n * 2 + REDACT_AHEAD + REDACT_BACK;
	if (r->need > REDACT_HOLD_MAX)
		r->need = REDACT_HOLD_MAX;
}

/* Input behind what is pending; returns how much of it was taken. */
static size_t
pending_feed(struct redactor *r, struct str s)
{
	size_t want = r->need - r->pending.n, n = s.n < want ? s.n : want, left;

	buf_put(&r->pending, (struct str){ s.p, n });
	ASSERT(buf_ok(&r->pending));
	if (r->pending.n < r->need)
		return n;
	left = block_judge(r, buf_str(&r->pending), false);
	if (left == 0 && r->pending.n == REDACT_HOLD_MAX)
		left = block_judge(r, buf_str(&r->pending), true);
	left = r->pending.n - left;
	if (left > n) {
		pending_drop(r, r->pending.n - left);
		return n;
	}
	/* What is left stands in the input too: go on there, without copies. */
	run_flush(r);
	buf_reset(&r->pending);
	return n - left;
}

static void
text_feed(struct redactor *r, struct str s)
{
	while (s.n > 0) {
		size_t n = s.n < REDACT_PIECE ? s.n : REDACT_PIECE, done = 0;

		if (r->pending.n > 0)
			done = pending_feed(r, s);
		else if (n > REDACT_AHEAD + REDACT_BACK)
			done = block_judge(r, (struct str){ s.p, n }, false);
		if (r->pending.n == 0 && done == 0) {
			buf_put(&r->pending, (struct str){ s.p, n });
			done = n;
			pending_drop(r, 0);
		}
		s.p += done;
		s.n -= done;
	}
}

static void
text_start(struct redactor *r)
{
	for (size_t k = 0; k < REDACT_LEVELS; k++)
		r->level[k].before = 0;
}

static void
text_end(struct redactor *r)
{
	if (r->pending.n > 0) {
		(void)block_judge(r, buf_str(&r->pending), true);
		run_flush(r);
		buf_reset(&r->pending);
	}
	text_start(r);
}

/* ---- JSON ---- */

/* Does a string that is cut off here go on behind a backslash? */
static bool
ends_odd(struct str s, bool odd)
{
	size_t n = 0;

	while (n < s.n && s.p[s.n - 1 - n] == '\\')
		n++;
	return n == s.n ? (n % 2 == 1) != odd : n % 2 == 1;
}

/* What follows the closing quote, or NULL. */
static const char *
string_end(const char *p, const char *end)
{
	const char *quote;

	while ((quote = memchr(p, '"', (size_t)(end - p))) != NULL) {
		if (!ends_odd(STR_SPAN(p, quote), false))
			return quote + 1;
		p = quote + 1;
	}
	return NULL;
}

static bool
of_number(char c)
{
	return is_digit(c) || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

/* A whole number that is a card; 4111111111111111.0 is one too. */
static bool
number_is_card(const char *p, size_t n)
{
	const char *dot = memchr(p, '.', n);
	size_t digits = dot != NULL ? (size_t)(dot - p) : n;

	for (size_t i = 0; i < n; i++)
		if (i != digits && (i < digits ? !is_digit(p[i]) : p[i] != '0'))
			return false;
	return card_digits(p, digits);
}

/* Between strings, of which only the ends matter. */
bool
redact_card_number(struct str doc)
{
	const char *p = doc.p, *end = doc.p + doc.n, *from;

	while (p < end) {
		from = p;
		while (p < end && of_number(*p))
			p++;
		if (p > from && number_is_card(from, (size_t)(p - from)))
			return true;
		if (p < end && *p++ == '"')
			p = string_end(p, end);
		if (p == NULL)
			break;
	}
	return false;
}

static void
number_end(struct redactor *r)
{
	struct redact_hit h = { .end = r->number_n, .class = REDACT_CARD, .name = "card" };

	run_flush(r);
	if (r->classes & 1u << REDACT_CARD && number_is_card(r->number, r->number_n)) {
		hit_hash(r, &h, (struct str){ r->number, r->number_n });
		hit_out(r, &h, r->number, true);
	} else {
		pass(r, r->number, r->number_n);
	}
	run_flush(r);
	r->number_n = 0;
}

/* Longer than any card: it passes. */
static size_t
number_feed(struct redactor *r, struct str s)
{
	size_t n = 0;

	while (n < s.n && of_number(s.p[n]))
		n++;
	if (r->state == IN_NUMBER && r->number_n + n > sizeof(r->number)) {
		run_flush(r);
		pass(r, r->number, r->number_n);
		run_flush(r);
		r->number_n = 0;
		r->state = IN_LONG_NUMBER;
	}
	if (r->state == IN_LONG_NUMBER) {
		pass(r, s.p, n);
	} else {
		memcpy(r->number + r->number_n, s.p, n);
		r->number_n += n;
	}
	if (n == s.n)
		return n;
	if (r->state == IN_NUMBER)
		number_end(r);
	r->state = IN_JSON;
	return n;
}

static size_t
string_feed(struct redactor *r, struct str s)
{
	const char *from = s.p + r->odd, *end = string_end(from, s.p + s.n);
	struct str inner = { s.p, end == NULL ? s.n : (size_t)(end - s.p) - 1 };

	if (end == NULL) {
		r->odd = ends_odd(inner, r->odd);
		text_feed(r, inner);
		return s.n;
	}
	if (r->pending.n == 0 && inner.n < REDACT_SHORTEST) {
		pass(r, inner.p, inner.n);
		text_start(r);
	} else if (r->pending.n == 0 && inner.n <= REDACT_PIECE) {
		(void)block_judge(r, inner, true);
		text_start(r);
	} else {
		text_feed(r, inner);
		text_end(r);
	}
	pass(r, end - 1, 1);
	r->odd = false;
	r->state = IN_JSON;
	return inner.n + 1;
}

/* What stands between strings and numbers. */
static size_t
structure_feed(struct redactor *r, struct str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != '"' && !is_digit(s.p[n]) && s.p[n] != '-')
		n++;
	if (n < s.n && s.p[n] == '"') {
		n++;
		r->state = IN_STRING;
	} else if (n < s.n && s.p[n] == '-') { /* no card is less than nothing */
		n++;
		r->state = IN_LONG_NUMBER;
	} else if (n < s.n) {
		r->state = IN_NUMBER;
	}
	pass(r, s.p, n);
	return n;
}

static unsigned
classes_of(const uint8_t *action)
{
	unsigned classes = 0;

	for (unsigned c = 0; c < REDACT_CLASSES; c++)
		if (action[c] != REDACT_NOT)
			classes |= 1u << c;
	return classes;
}

/*
 * What is found in a string is found in the document too when nothing is escaped or folds: no find
 * ends later in the string alone than at its quote, and a quote in front is as good as nothing.
 */
bool
redact_clean(const struct redact_tables *t, const uint8_t *action, struct str doc)
{
	struct find_text text = {
		.tables = t, .p = doc.p, .n = doc.n, .classes = classes_of(action), .final = true
	};
	struct find_match m;

	return levels_plain(doc) && find_next(&text, &m) == FOUND_NONE;
}

void
redactor_init(struct redactor *r, const struct redact_tables *t, const uint8_t *action, bool json,
    const struct redact_out *out, struct redact_counts *counts)
{
	memset(r, 0, sizeof(*r));
	r->tables = t;
	r->action = action;
	r->out = *out;
	r->counts = counts;
	r->json = json;
	r->state = json ? IN_JSON : IN_TEXT;
	r->classes = classes_of(action);
	buf_init(&r->pending, REDACT_HOLD_MAX + REDACT_PIECE);
	levels_init(r);
}

void
redactor_feed(struct redactor *r, struct str s)
{
	while (s.n > 0) {
		size_t n = s.n;

		if (r->state == IN_TEXT)
			text_feed(r, s);
		else if (r->state == IN_JSON)
			n = structure_feed(r, s);
		else if (r->state == IN_STRING)
			n = string_feed(r, s);
		else
			n = number_feed(r, s);
		s.p += n;
		s.n -= n;
	}
	run_flush(r); /* the bytes are the caller's */
}

void
redactor_end(struct redactor *r)
{
	if (r->state == IN_NUMBER)
		number_end(r);
	text_end(r);
	run_flush(r);
}

void
redactor_fini(struct redactor *r)
{
	buf_fini(&r->pending);
	levels_fini(r);
	MEM_FREE(&r->hits);
}
