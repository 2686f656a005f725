/* SPDX-License-Identifier: Apache-2.0 */
/*
 * where - `where:` of a rule: which tools it speaks of, by what mcp.lock says of them.
 *
 *   where: { readonly: true, destructive: false, tag: [docs, wiki], label: egress }
 *
 * Members are ANDed, words of one member ORed.  Which tools are meant is decided here, once, when
 * the bundle is read: a bit for each fact.  A tool that nothing is known of is never meant by a
 * rule that opens, and always by one that restricts, so that a server cannot escape a rule by not
 * being in the lock.
 */
#include "policies/bundle.h"
#include "policies/facts.h"
#include "policies/label.h"

#define WORDS_MAX 32

struct where {
	const struct bundle *b;
	const uint8_t *bits; /* by the fact's index */
	bool unknown;        /* what a tool without a fact gives */
	struct str text;
};

static const char *const members[] = { "readonly", "destructive", "idempotent", "open_world", "tag",
	"label", NULL };

struct wanted {
	int flag[4];                    /* the first four members: -1 = not said */
	struct str words[2][WORDS_MAX]; /* tags, labels */
	size_t words_n[2];
};

static bool
word_any(const struct str *wanted, size_t n, const struct str *have, size_t have_n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < have_n; k++)
			if (str_eq(wanted[i], have[k]))
				return true;
	return n == 0;
}

static bool
meant(const struct wanted *w, const struct tool_fact *f)
{
	const bool is[] = { f->readonly, f->destructive, f->idempotent, f->open_world };

	for (size_t i = 0; i < COUNT(is); i++)
		if (w->flag[i] >= 0 && (w->flag[i] == 1) != is[i])
			return false;
	return word_any(w->words[0], w->words_n[0], f->tags, f->tags_n) &&
	       word_any(w->words[1], w->words_n[1], f->labels, f->labels_n);
}

/* ---- reading it ---- */

static void
flag_read(struct loading *ld, const struct yaml *y, int *out)
{
	struct err e;
	bool on;

	if (!yaml_bool(y, &on, &e))
		problem_err(&ld->problems, &e);
	else
		*out = on;
}

/* Somebody's tag has to be there: a typo would quietly mean nothing. */
static void
tag_check(struct loading *ld, const struct yaml *y)
{
	const struct tool_facts *all = &ld->b->facts;

	for (size_t i = 0; i < all->n; i++)
		if (word_any(&y->text, 1, all->at[i].tags, all->at[i].tags_n))
			return;
	if (all->known)
		warning(&ld->problems, y, "no tool of mcp.lock has the tag \"" STR_FMT "\"",
		    STR_ARG(y->text));
}

static void
word_read(struct loading *ld, const struct yaml *y, struct wanted *w, size_t which)
{
	if (!name_get(&ld->problems, y, y->text, which == 0 ? "a tag" : "a label"))
		return;
	if (w->words_n[which] == WORDS_MAX) {
		problem(&ld->problems, y, "more than %d words", WORDS_MAX);
		return;
	}
	if (which == 0)
		tag_check(ld, y);
	else
		(void)label_read(ld, y);
	w->words[which][w->words_n[which]++] = y->text;
}

static void
words_read(struct loading *ld, const struct yaml *y, struct wanted *w, size_t which)
{
	if (y->kind == YAML_LIST && y->n > 0) {
		for (const struct yaml *k = y->kids; k != NULL; k = k->next)
			word_read(ld, k, w, which);
	} else if (y->kind == YAML_SCALAR) {
		word_read(ld, y, w, which);
	} else {
		problem(&ld->problems, y, "a word, or a list of words");
	}
}

/* "where readonly, not destructive, tag docs or wiki" */
static struct str
text_make(struct arena *a, const struct wanted *w)
{
	struct str text;
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "where");
	for (size_t i = 0; i < COUNT(w->flag); i++)
		if (w->flag[i] >= 0)
			buf_printf(&b, "%s%s%s", b.n > 5 ? ", " : " ",
			    w->flag[i] == 1 ? "" : "not ", members[i]);
	for (size_t i = 0; i < COUNT(w->words); i++)
		for (size_t k = 0; k < w->words_n[i]; k++)
			buf_printf(&b, "%s%s" STR_FMT,
			    k > 0     ? " or "
			    : b.n > 5 ? ", "
				      : " ",
			    k > 0    ? ""
			    : i == 0 ? "tag "
				     : "label ",
			    STR_ARG(w->words[i][k]));
	text = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return text;
}

static const struct where *
where_make(struct loading *ld, const struct wanted *w, bool opens)
{
	const struct tool_facts *all = &ld->b->facts;
	struct where *out = arena_zalloc(&ld->b->arena, sizeof(*out));
	uint8_t *bits = arena_zalloc(&ld->b->arena, all->n / 8 + 1);

	for (size_t i = 0; i < all->n; i++)
		if (meant(w, &all->at[i]))
			bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
	*out = (struct where){
		.b = ld->b, .bits = bits, .unknown = !opens, .text = text_make(&ld->b->arena, w)
	};
	return out;
}

void
where_read(struct loading *ld, struct yaml *y, struct rule *r)
{
	static const char *const later[] = { NULL };
	static const struct key_table keys = { "where", members, later };
	struct yaml *where = yaml_get(y, "where"), *m;
	struct wanted w = { .flag = { -1, -1, -1, -1 } };
	const bool opens = r->effect == EFFECT_ALLOW;

	if (where == NULL || !keys_check(&ld->problems, where, &keys))
		return;
	if (where->n == 0)
		problem(&ld->problems, where, "where: is empty (where: { readonly: true })");
	if (r->pattern.kind != 0 && r->pattern.kind != ASK_TOOL)
		problem_key(
		    &ld->problems, where, "only tools stand in mcp.lock: where: is for them");
	for (size_t i = 0; i < COUNT(w.flag); i++)
		if ((m = yaml_get(where, members[i])) != NULL)
			flag_read(ld, m, &w.flag[i]);
	if ((m = yaml_get(where, "tag")) != NULL)
		words_read(ld, m, &w, 0);
	if ((m = yaml_get(where, "label")) != NULL)
		words_read(ld, m, &w, 1);
	if (!ld->b->facts.known && ld->src->facts != NULL)
		warning(&ld->problems, where,
		    "there is no mcp.lock, so this rule %s (tollgate lock init)",
		    opens ? "allows nothing" : "speaks of every tool of its pattern");
	r->pattern.where = where_make(ld, &w, opens);
}

struct str
where_text(const struct where *w)
{
	return w == NULL ? STR("") : w->text;
}

bool
where_match(const struct where *w, struct str tool)
{
	const struct tool_fact *f = fact_find(w->b, tool);
	size_t i;

	if (f == NULL)
		return w->unknown;
	i = (size_t)(f - w->b->facts.at);
	return (w->bits[i / 8] >> (i % 8)) & 1;
}
