/* SPDX-License-Identifier: Apache-2.0 */
/*
 * search - which tools does this query mean?
 *
 * BM25 (k1 1.2, b 0.75) over four fields: name (weight 4), server (2), the first 300 bytes of the
 * description (1), parameter names (0.7).  camelCase and snake_case are split, words are stemmed
 * lightly (another form of a word counts a little less).  A name that is the query, or holds all of
 * it, counts more; a deprecated tool less, one that only some of the words mean less too.  Hits
 * under 40 % of the best are dropped; several needs share the places.
 *
 * There is no index: a key sees hundreds of tools, not millions, and a scan of all of them costs
 * less than keeping one index per view true.  Only tools of the caller's own view come in, so
 * nothing can leak out.  Scores are floating point; money never passes here.
 */
#include "codemode/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "codemode/signature.h"

#define WORDS_MAX       24
#define WORD_BYTES      24
#define NEEDS_MAX       SEARCH_HITS_MAX
#define DESCRIBED_BYTES 300
#define TOOLS_MAX       4096
#define TASK_HITS       10
#define OTHER_FORM      0.8 /* of the weight: "files" where "file" was asked for */
#define K1              1.2
#define B               0.75

struct word {
	char c[WORD_BYTES];
	size_t n, full; /* of the stem, of the word */
};
struct words { /* of the query */
	struct word w[WORDS_MAX];
	size_t n;
};
struct doc {
	double tf[WORDS_MAX]; /* weighted frequency of each query word */
	double len, score;
	size_t name_words, name_hits;
	bool server_hit;
};

static bool
is_stop_word(struct str s)
{
	static const char words[][7] = { "a", "an", "the", "of", "in", "on", "at", "to", "for",
		"and", "or", "with", "by", "from", "is", "are", "be", "it", "its", "this", "that",
		"into", "as", "each", "all", "any", "my", "me", "i", "you", "your", "we", "our",
		"do", "does", "can", "could", "would", "should", "how", "what", "which", "who",
		"when", "where", "then", "than", "them", "they", "their", "there", "has", "have",
		"had", "not", "no", "one", "so", "tell", "give", "show", "use", "using", "make",
		"please", "some", "want", "need" };

	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(s, str_of(words[i])))
			return true;
	return false;
}

static void
stem(struct word *w)
{
	struct str s = { w->c, w->n };

	w->full = w->n;
	if (w->n > 4 && str_ends(s, STR("ies"))) {
		w->n -= 3;
		w->c[w->n++] = 'y';
	} else if (w->n > 5 && str_ends(s, STR("ing"))) {
		w->n -= 3;
	} else if (w->n > 4 && (str_ends(s, STR("ed")) || str_ends(s, STR("es")))) {
		w->n -= 2;
	} else if (w->n > 2 && str_ends(s, STR("s"))) {
		w->n -= 1;
	}
	if (w->n > 3 && w->c[w->n - 1] == 'e') /* "create" and "creating" meet */
		w->n--;
}

/* Cuts the next word off *rest; false at the end. */
static bool
next_word(struct str *rest, struct word *out)
{
	size_t i = 0;

	out->n = 0;
	for (; i < rest->n; i++) {
		char c = rest->p[i];
		bool upper = c >= 'A' && c <= 'Z';
		bool word = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!word) {
			if (out->n > 0)
				break;
			continue;
		}
		if (upper && out->n > 0 && !(rest->p[i - 1] >= 'A' && rest->p[i - 1] <= 'Z'))
			break;
		if (out->n < WORD_BYTES)
			out->c[out->n++] = upper ? (char)(c + 32) : c;
	}
	rest->p += i;
	rest->n -= i;
	return out->n > 0;
}

static bool
word_is(const struct word *a, const struct word *b)
{
	return a->n == b->n && memcmp(a->c, b->c, a->n) == 0;
}

static void
query_words(struct str query, struct words *q)
{
	struct word w;

	q->n = 0;
	while (q->n < WORDS_MAX && next_word(&query, &w)) {
		bool known = is_stop_word((struct str){ w.c, w.n });

		stem(&w);
		for (size_t i = 0; i < q->n; i++)
			known |= word_is(&q->w[i], &w);
		if (!known)
			q->w[q->n++] = w;
	}
}

/* Counts the field's words into the document; returns how many there were. */
static size_t
field_add(struct doc *d, const struct words *q, struct str field, double weight, size_t *hits)
{
	struct word w;
	size_t n = 0;

	while (next_word(&field, &w)) {
		n++;
		stem(&w);
		d->len += weight;
		for (size_t i = 0; i < q->n; i++)
			if (word_is(&q->w[i], &w)) {
				d->tf[i] += w.full == q->w[i].full ? weight : weight * OTHER_FORM;
				*hits += 1;
			}
	}
	return n;
}

static void
doc_make(struct doc *d, const struct words *q, const struct tool *t)
{
	struct str properties, key, v, text = t->description;
	struct json_iter it;
	size_t ignored = 0, server_hits = 0;

	*d = (struct doc){ 0 };
	if (text.n > DESCRIBED_BYTES)
		text.n = DESCRIBED_BYTES;
	(void)field_add(d, q, t->server, 2, &server_hits);
	d->server_hit = server_hits > 0;
	d->name_words = field_add(d, q, t->name, 4, &d->name_hits);
	(void)field_add(d, q, text, 1, &ignored);
	if (json_get(t->input_schema, STR("properties"), &properties) && json_open(properties, &it))
		while (json_next(&it, &key, &v))
			(void)field_add(d, q, key, 0.7, &ignored);
}

static void
bm25(struct doc *docs, size_t n, const struct words *q)
{
	double total = 0, average;

	for (size_t i = 0; i < n; i++)
		total += docs[i].len;
	average = total / (double)n + 1e-9;
	for (size_t w = 0; w < q->n; w++) {
		double df = 0, idf;

		for (size_t i = 0; i < n; i++)
			df += docs[i].tf[w] > 0;
		idf = log(1 + ((double)n - df + 0.5) / (df + 0.5));
		for (size_t i = 0; i < n; i++) {
			double f = docs[i].tf[w];

			docs[i].score +=
			    idf * f * (K1 + 1) / (f + K1 * (1 - B + B * docs[i].len / average));
		}
	}
}

static void
adjust(struct doc *d, const struct tool *t, const struct words *q)
{
	double covered = 0;

	for (size_t w = 0; w < q->n; w++)
		covered += d->tf[w] > 0;
	d->score *= 0.5 + 0.5 * covered / (double)q->n;
	if (d->name_words > 0 && d->name_hits >= d->name_words)
		d->score *= d->name_words == q->n ? 2.4 : 1.6;
	else if (d->name_hits >= q->n)
		d->score *= 1.6;
	if (d->server_hit)
		d->score *= 1.25;
	if (signature_deprecated(t->description))
		d->score *= 0.3;
}

struct hunt {
	const struct tool *const *tools;
	size_t n;
	struct doc *docs;
	const struct tool **hits; /* SEARCH_HITS_MAX */
	size_t found;
};

static void
take_best(struct hunt *h, size_t most)
{
	double top = 0;

	for (size_t k = 0; k < most && h->found < SEARCH_HITS_MAX; k++) {
		size_t best = 0;
		bool known = false;

		for (size_t i = 1; i < h->n; i++)
			if (h->docs[i].score > h->docs[best].score)
				best = i;
		if (h->n == 0 || h->docs[best].score <= 0 || h->docs[best].score < 0.4 * top)
			return;
		if (k == 0)
			top = h->docs[best].score;
		h->docs[best].score = 0;
		for (size_t i = 0; i < h->found; i++)
			known |= h->hits[i] == h->tools[best];
		if (!known)
			h->hits[h->found++] = h->tools[best];
	}
}

static void
need_find(struct hunt *h, const struct words *q, size_t most)
{
	for (size_t i = 0; i < h->n; i++)
		doc_make(&h->docs[i], q, h->tools[i]);
	bm25(h->docs, h->n, q);
	for (size_t i = 0; i < h->n; i++)
		adjust(&h->docs[i], h->tools[i], q);
	take_best(h, most);
}

/* All needs of a query, as many hits for each. */
static size_t
hunt(const struct tool *const *tools, size_t n, const struct words *q, size_t needs, size_t most,
    const struct tool **hits)
{
	struct hunt h = { .tools = tools, .n = n > TOOLS_MAX ? TOOLS_MAX : n, .hits = hits };

	if (n == 0)
		return 0;
	h.docs = mem_alloc(h.n * sizeof(*h.docs));
	for (size_t i = 0; i < needs; i++)
		if (q[i].n > 0)
			need_find(&h, &q[i], most);
	free(h.docs);
	return h.found;
}

/* How many hits a need may take when there are so many needs. */
static size_t
share(size_t needs)
{
	if (needs <= 1)
		return 8;
	return needs < 3 ? 4 : needs <= 4 ? 3 : SEARCH_HITS_MAX / needs;
}

size_t
search_task(const struct tool *const *tools, size_t n, struct str task,
    const struct tool *hits[SEARCH_HITS_MAX])
{
	struct words q;

	query_words(task, &q);
	return hunt(tools, n, &q, 1, TASK_HITS, hits);
}

size_t
search_tools(const struct tool *const *tools, size_t n, struct str query,
    const struct tool *hits[SEARCH_HITS_MAX])
{
	struct words q[NEEDS_MAX];
	size_t needs = 0;

	while (query.p != NULL && needs < NEEDS_MAX) {
		query_words(str_cut(&query, ';'), &q[needs]);
		needs += q[needs].n > 0;
	}
	return hunt(tools, n, q, needs, share(needs), hits);
}
