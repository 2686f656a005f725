/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain - one decision with everything that bore on it: `tollgate policy explain`.
 *
 * The verdict is that of the gate, from the same function; the lines below it are each policy's
 * rules that match the name, and what they say of these arguments.
 */
#include "policies/bundle.h"

void
call_kind(struct str call, enum ask_kind *kind, struct str *name)
{
	static const struct {
		struct str head;
		enum ask_kind kind;
	} kinds[] = { { STR("model:"), ASK_MODEL }, { STR("code:"), ASK_RUN },
		{ STR("prompt:"), ASK_PROMPT }, { STR("resource:"), ASK_RESOURCE },
		{ STR("hosted:"), ASK_HOSTED }, { STR("admin:"), ASK_ADMIN },
		{ STR("tool:"), ASK_TOOL } };

	*kind = ASK_TOOL;
	*name = call;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (str_starts(call, kinds[i].head)) {
			*kind = kinds[i].kind;
			*name = (struct str){ call.p + kinds[i].head.n, call.n - kinds[i].head.n };
			return;
		}
}

static void
who_put(struct buf *out, const struct subject *s)
{
	for (size_t i = s->chain.n; i > 0; i--)
		buf_printf(out, "%s" STR_FMT, i == s->chain.n ? "" : " > ",
		    STR_ARG(s->chain.level[i - 1]->name));
	if (s->chain.n == 0)
		buf_puts(out, "nobody of the organisation");
	if (s->key.n > 0)
		buf_printf(out, "  key " STR_FMT, STR_ARG(s->key));
}

static const char *
tri_word(enum tri t)
{
	static const char *const tris[] = { "false", "cannot be judged", "true" };

	return tris[t];
}

static void
/* NOLINTNEXTLINE(readability-function-size): a call has many parts */
policy_put(const struct bundle *b, uint32_t set, size_t at, enum ask_kind kind, struct str name,
    struct judging *j, struct buf *out)
{
	const struct policy *p = b->policies[at];

	for (size_t i = 0; i < p->rules_n; i++) {
		const struct rule *r = &p->rules[i];

		if (!pattern_match(&r->pattern, kind, name))
			continue;
		buf_printf(out, "  %-5s " STR_FMT ":%d%s" STR_FMT, effect_word(r->effect),
		    STR_ARG(p->id), r->line, r->text.n > 0 ? " " : "", STR_ARG(r->text));
		rule_limits_text(r, out);
		buf_printf(out, " -> %s%s\n", tri_word(rule_holds(b, set, r, j)),
		    p->observe ? " (observes only)" : "");
	}
	if (p->ceiling_n > 0) {
		bool in = false;

		for (size_t i = 0; i < p->ceiling_n; i++)
			in = in || pattern_match(&p->ceiling[i], kind, name);
		buf_printf(out, "  ceiling " STR_FMT ":%d -> %s%s\n", STR_ARG(p->id),
		    p->ceiling_line, in ? "covered" : "outside",
		    p->observe ? " (observes only)" : "");
	}
}

void
explain_call(struct bundle *b, const struct subject *s, struct str call, struct str args,
    struct verdict *v, struct buf *out)
{
	enum ask_kind kind;
	struct judging j;
	struct buf must;
	struct str name;

	call_kind(call, &kind, &name);
	buf_init(&must, 0);
	rules_decide_call(b, s, kind, name, STR(""), args, v, &must);
	buf_printf(out, "%s  " STR_FMT "  rev %.8s  ", v->allowed ? "ALLOW" : "DENY", STR_ARG(call),
	    bundle_rev(b).p);
	who_put(out, s);
	buf_puts(out, "\n  ");
	verdict_text(v, out);
	buf_puts(out, "\n");
	judging_init(&j, args, true);
	for (size_t i = 0; i < b->policies_n; i++)
		if (policy_in(b, s->all, i))
			policy_put(b, s->all, i, kind, name, &j, out);
	judging_fini(&j);
	v->must = STR("");
	buf_fini(&must);
}
