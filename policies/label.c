/* SPDX-License-Identifier: Apache-2.0 */
/*
 * label - the words, how rules say them, and which of them a tool carries.
 */
#include "policies/label.h"

#include <string.h>

#include "policies/bundle.h"
#include "policies/facts.h"

static const struct str words[] = { STR("private"), STR("untrusted"), STR("egress"),
	STR("destructive") };

const char *
labels_text(uint8_t labels, char out[LABELS_TEXT_BYTES])
{
	struct buf b = { .p = out, .cap = LABELS_TEXT_BYTES, .limit = LABELS_TEXT_BYTES };

	for (size_t i = 0; i < COUNT(words); i++)
		if ((labels & (1u << i)) != 0) {
			buf_puts(&b, b.n > 0 ? " " : "");
			buf_put(&b, words[i]);
		}
	out[b.n] = '\0';
	return out;
}

static uint8_t
word_label(struct str word)
{
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(words[i], word))
			return (uint8_t)(1u << i);
	return 0;
}

uint8_t
labels_parse(struct str text)
{
	uint8_t all = 0;

	while (text.p != NULL)
		all |= word_label(str_cut(&text, ' '));
	return all;
}

uint8_t
label_read(struct loading *ld, const struct yaml *y)
{
	uint8_t one = y->kind == YAML_SCALAR ? word_label(y->text) : 0;
	char near[HINT_BYTES];

	if (one == 0)
		problem(&ld->problems, y, "unknown label \"" STR_FMT "\"%s", STR_ARG(y->text),
		    hint(near, y->text, words, COUNT(words)));
	return one;
}

static uint8_t
list_read(struct loading *ld, const struct yaml *y)
{
	uint8_t all = 0;

	if (y->kind != YAML_LIST || y->n == 0) {
		problem(&ld->problems, y,
		    "\"" STR_FMT "\" is a list of private, untrusted, egress, destructive",
		    STR_ARG(y->key));
		return 0;
	}
	for (const struct yaml *w = y->kids; w != NULL; w = w->next)
		all |= label_read(ld, w);
	return all;
}

/* A restriction only: an allow that labels open would open by what servers say of themselves. */
static void
restricts_check(struct loading *ld, const struct rule *r, const struct yaml *y)
{
	if (r->effect != EFFECT_DENY && r->effect != EFFECT_APPROVE)
		problem_key(
		    &ld->problems, y, STR_FMT ": stands with deny: or approve:", STR_ARG(y->key));
	else if (r->pattern.kind != 0 && r->pattern.kind != ASK_TOOL &&
		 r->pattern.kind != ASK_RESOURCE)
		problem_key(&ld->problems, y, "only tools and resources carry labels");
}

/* Behind the conditions: " for what is egress after private". */
static void
said_add(struct arena *a, struct rule *r)
{
	char of[LABELS_TEXT_BYTES], after[LABELS_TEXT_BYTES], as[LABELS_TEXT_BYTES];

	if ((r->labels | r->after | r->as) == 0)
		return;
	r->text =
	    arena_printf(a, STR_FMT "%s%s%s%s%s%s%s", STR_ARG(r->text), r->text.n > 0 ? " " : "",
		r->labels != 0 ? "for what is " : "", labels_text(r->labels, of),
		r->labels != 0 && r->after != 0 ? " " : "", r->after != 0 ? "after what is " : "",
		labels_text(r->after, after), r->as != 0 ? labels_text(r->as, as) : "");
}

void
labels_read(struct loading *ld, struct rule *r, struct yaml *y)
{
	struct yaml *as = yaml_get(y, "as"), *labels = yaml_get(y, "labels");
	struct yaml *after = yaml_get(y, "after");

	if (r->effect == EFFECT_LABEL && as == NULL)
		problem(&ld->problems, y, "as what? (label: \"crm/*\", as: [private])");
	if (r->effect == EFFECT_LABEL && r->pattern.kind != 0 && r->pattern.kind != ASK_TOOL &&
	    r->pattern.kind != ASK_RESOURCE)
		problem(&ld->problems, y, "only tools and resources carry labels");
	if (r->effect != EFFECT_LABEL && as != NULL)
		problem_key(&ld->problems, as, "as: stands with label:");
	else if (as != NULL)
		r->as = list_read(ld, as);
	if (labels != NULL) {
		restricts_check(ld, r, labels);
		r->labels = list_read(ld, labels);
	}
	if (after != NULL) {
		restricts_check(ld, r, after);
		r->after = list_read(ld, after);
	}
	said_add(&ld->b->arena, r);
}

static uint8_t
fact_labels(const struct bundle *b, enum ask_kind kind, struct str name)
{
	const struct tool_fact *f = kind == ASK_TOOL ? fact_find(b, name) : NULL;
	uint8_t all = 0;

	for (size_t i = 0; f != NULL && i < f->labels_n; i++)
		all |= word_label(f->labels[i]);
	return all;
}

uint8_t
labels_of(const struct bundle *b, uint32_t set, enum ask_kind kind, struct str name)
{
	uint8_t all = fact_labels(b, kind, name);

	for (size_t i = 0; b->labels_n > 0 && i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		for (size_t k = 0; policy_in(b, set, i) && k < p->rules_n; k++)
			if (p->rules[k].effect == EFFECT_LABEL &&
			    pattern_match(&p->rules[k].pattern, kind, name))
				all |= p->rules[k].as;
	}
	return all;
}
