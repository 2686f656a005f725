/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - decisions.
 *
 *   subject --which policies apply: a bitset--> set number --name--> verdict, memoised
 *
 * For a name asked for (a model: the name the client used and the id it stands for):
 *   1. any deny that matches, from any policy that applies           -> denied
 *   2. a `models:` on the chain that lists neither of the two names  -> denied
 *   3. an allow that matches (a model: one for each of its names)    -> allowed
 *   4. otherwise                                                     -> denied (default)
 *
 * Nothing here looks at the order of files or rules, but for which of several denies is named:
 * the first in order of path and line.
 */
#include <stdlib.h>
#include <string.h>

#include "policies/bundle.h"

#define NAME_BYTES_MAX     512 /* a longer name is nobody's: default deny, not remembered */
#define DECISIONS_MAX      65536
#define DECIDED_BYTES_MAX  ((size_t)16 << 20)
#define DECISION_KEY_BYTES (2 * NAME_BYTES_MAX + 8)

/* ---- which policies apply ---- */

static size_t
bits_bytes(const struct bundle *b)
{
	return (b->policies_n + 7) / 8 + 1; /* never none: an empty key would not be one */
}

static bool
bit(const uint8_t *bits, size_t i)
{
	return (bits[i / 8] >> (i % 8)) & 1;
}

static uint32_t
set_number(struct bundle *b, const uint8_t *bits)
{
	struct str key = { (const char *)bits, bits_bytes(b) };
	void *found = map_get(&b->sets, key);
	uint8_t *kept;

	if (found != NULL)
		return (uint32_t)((uintptr_t)found - 1);
	ASSERT(b->sets_n < UINT32_MAX);
	if (b->sets_n == b->sets_cap) {
		b->sets_cap = b->sets_cap == 0 ? 8 : b->sets_cap * 2;
		b->set_bits = mem_realloc(b->set_bits, b->sets_cap * sizeof(*b->set_bits));
	}
	kept = mem_alloc(key.n);
	memcpy(kept, bits, key.n);
	b->set_bits[b->sets_n++] = kept;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): a map of numbers */
	map_set(&b->sets, (struct str){ (const char *)kept, key.n }, (void *)(uintptr_t)b->sets_n);
	return b->sets_n - 1;
}

bool
/* NOLINTNEXTLINE(readability-function-size): an owner has three names */
subject_resolve(struct bundle *b, struct str customer, struct str team, struct str user,
    struct str key_name, struct subject *out, struct err *e)
{
	uint8_t *bits;

	IS(b, BUNDLE_MAGIC);
	*out = (struct subject){ .bundle = b, .key = key_name };
	if (!bundle_find_chain(b, customer, team, user, &out->chain, e))
		return false;
	bits = mem_zalloc(bits_bytes(b));
	for (size_t i = 0; i < b->policies_n; i++)
		if (policy_applies(b->policies[i], &out->chain, key_name))
			bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
	out->set = set_number(b, bits);
	free(bits);
	return true;
}

/* ---- one decision ---- */

struct question {
	enum ask_kind kind;
	struct str name, requested; /* equal unless `two`: a model asked for by another name */
	bool two;
};

static void
verdict_set(struct verdict *v, bool allowed, const struct policy *p, struct str where, int line,
    struct str reason)
{
	*v = (struct verdict){ .allowed = allowed,
		.rule = where,
		.policy = p->id,
		.line = line,
		.reason = reason.n > 0 ? reason : STR(""),
		.owner = p->owner.n > 0 ? p->owner : STR("") };
}

static bool
question_matches(const struct question *q, const struct rule *r)
{
	return pattern_match(&r->pattern, q->kind, q->name) ||
	       (q->two && pattern_match(&r->pattern, q->kind, q->requested));
}

static bool
denied(const struct bundle *b, const uint8_t *bits, const struct question *q, struct verdict *out)
{
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		if (!bit(bits, i))
			continue;
		for (size_t k = 0; k < p->rules_n; k++) {
			const struct rule *r = &p->rules[k];

			if (!r->deny || !question_matches(q, r))
				continue;
			verdict_set(out, false, p, r->where, r->line, r->reason);
			return true;
		}
	}
	return false;
}

static bool
models_list(const struct policy *p, const struct question *q)
{
	const struct glob *g = &p->models_of->models;

	for (size_t i = 0; i < g->n; i++)
		if (str_eq(g->alt[i], q->name) || str_eq(g->alt[i], q->requested))
			return true;
	return false;
}

/* `models:` of a level is a ceiling for everything below it, and a grant. */
static bool
outside_models(
    const struct bundle *b, const uint8_t *bits, const struct question *q, struct verdict *out)
{
	for (size_t i = 0; q->kind == ASK_MODEL && i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		if (!bit(bits, i) || p->models_of == NULL || models_list(p, q))
			continue;
		verdict_set(
		    out, false, p, p->models_of->models_at, p->line, STR("not one of its models"));
		return true;
	}
	return false;
}

/* Does any policy that applies grant this one name?  *out says which rule. */
static bool
granted(const struct bundle *b, const uint8_t *bits, const struct question *q, struct str name,
    struct verdict *out)
{
	for (size_t i = 0; i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		if (!bit(bits, i))
			continue;
		if (p->models_of != NULL && q->kind == ASK_MODEL && models_list(p, q)) {
			verdict_set(out, true, p, p->models_of->models_at, p->line, STR(""));
			return true;
		}
		for (size_t k = 0; k < p->rules_n; k++) {
			const struct rule *r = &p->rules[k];

			if (r->deny || !pattern_match(&r->pattern, q->kind, name))
				continue;
			verdict_set(out, true, p, r->where, r->line, r->reason);
			return true;
		}
	}
	return false;
}

static void
judge(const struct bundle *b, const uint8_t *bits, const struct question *q, struct verdict *out)
{
	const struct verdict nobody = {
		.rule = STR(""), .policy = STR(""), .reason = STR(""), .owner = STR("")
	};
	struct verdict id, asked;

	if (denied(b, bits, q, out) || outside_models(b, bits, q, out))
		return;
	*out = nobody;
	if (!granted(b, bits, q, q->requested, &asked))
		return;
	if (!q->two) {
		*out = asked;
	} else if (granted(b, bits, q, q->name, &id)) {
		*out = id;
	} else {
		out->reason = STR("the name asked for is allowed, the model it stands for is not");
	}
}

/* ---- the memo ---- */

static struct str
decision_key(char buf[DECISION_KEY_BYTES], uint32_t set, const struct question *q)
{
	size_t n = 0;

	memcpy(buf, &set, sizeof(set));
	n += sizeof(set);
	buf[n++] = (char)q->kind;
	memcpy(buf + n, q->name.p, q->name.n);
	n += q->name.n;
	if (q->two) {
		buf[n++] = '\0'; /* refused in names, so the two cannot run into each other */
		memcpy(buf + n, q->requested.p, q->requested.n);
		n += q->requested.n;
	}
	return (struct str){ buf, n };
}

static const struct verdict *
decision(struct bundle *b, uint32_t set, const struct question *q)
{
	char buf[DECISION_KEY_BYTES];
	struct str key = decision_key(buf, set, q);
	struct verdict *v = map_get(&b->decisions, key);

	if (v != NULL)
		return v;
	if (b->decisions.n >= DECISIONS_MAX || b->decided.used > DECIDED_BYTES_MAX) {
		/* Names come from clients: start over rather than grow. */
		map_fini(&b->decisions);
		map_init(&b->decisions);
		arena_free(&b->decided);
	}
	v = arena_new(&b->decided, struct verdict);
	judge(b, b->set_bits[set], q, v);
	map_set(&b->decisions, arena_str(&b->decided, key), v);
	return v;
}

static bool
name_sane(struct str name)
{
	return name.n > 0 && name.n <= NAME_BYTES_MAX && !str_has(name, '\0');
}

void
rules_decide(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct str requested, struct verdict *out)
{
	struct question q = { .kind = kind, .name = name, .requested = name };

	IS(b, BUNDLE_MAGIC);
	ASSERT(s->bundle == b && s->set < b->sets_n);
	if (kind == ASK_MODEL && requested.n > 0 && !str_eq(requested, name)) {
		q.requested = requested;
		q.two = true;
	}
	if (name_sane(name) && name_sane(q.requested))
		*out = *decision(b, s->set, &q);
	else
		*out = (struct verdict){ .rule = STR(""),
			.policy = STR(""),
			.owner = STR(""),
			.reason = STR("the name is empty, too long or has a NUL") };
	if (out->owner.n == 0)
		out->owner = s->chain.n > 0 ? s->chain.level[0]->contact : b->contact;
}

void
verdict_text(const struct verdict *v, struct buf *out)
{
	if (v->allowed) {
		buf_printf(out, "allowed by " STR_FMT ":%d", STR_ARG(v->policy), v->line);
		return;
	}
	if (v->policy.n > 0)
		buf_printf(out, "denied by " STR_FMT ":%d", STR_ARG(v->policy), v->line);
	else
		buf_puts(out, "no rule allows it");
	if (v->reason.n > 0)
		buf_printf(out, ": " STR_FMT, STR_ARG(v->reason));
	if (v->owner.n > 0)
		buf_printf(out, " (ask " STR_FMT ")", STR_ARG(v->owner));
}

bool
verdict_err(const struct verdict *v, struct str name, struct err *e)
{
	struct buf text;

	buf_init(&text, 0);
	verdict_text(v, &text);
	(void)err_set(e, ERR_DENIED, STR_FMT ": " STR_FMT, STR_ARG(name), STR_ARG(buf_str(&text)));
	buf_fini(&text);
	return false;
}
