/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval_text - what people read of a request, and which rules it is about.
 *
 * Names and arguments are an attacker's: control, invisible and look-alike characters are shown as
 * \u{…}, and the arguments are cut, with their size and digest.  The words around them are ours.
 */
#include "policies/approvals.h"

#include <string.h>

#include "policies/place.h"

#define NAME_SHOWN_BYTES 200
#define TEXT_SHOWN_BYTES 160 /* of one rule, in a refusal's one sentence */

/* ---- rules ---- */

static bool
need_at(const struct bundle *b, struct str where, struct approval_need *n)
{
	for (size_t i = 0; i < b->policies_n; i++)
		for (size_t k = 0; k < b->policies[i]->rules_n; k++) {
			const struct rule *r = &b->policies[i]->rules[k];

			if (r->approval == NULL || !str_eq(r->where, where))
				continue;
			n->policy = b->policies[i];
			n->rule = r;
			return true;
		}
	return false;
}

bool
approval_needs_find(struct approval_request *r)
{
	struct str rest = r->rules;

	r->needs_n = 0;
	while (rest.p != NULL && rest.n > 0) {
		struct str where = str_cut(&rest, '\n');

		if (r->needs_n == APPROVAL_RULES_MAX ||
		    !need_at(r->core->bundle, where, &r->needs[r->needs_n++]))
			return false;
	}
	approval_needs_text(r);
	return r->needs_n > 0;
}

/* The rule with these terms, of this bundle. */
static bool
need_of(const struct bundle *b, const struct approval *terms, struct approval_need *n)
{
	for (size_t i = 0; i < b->policies_n; i++)
		for (size_t k = 0; k < b->policies[i]->rules_n; k++) {
			if (b->policies[i]->rules[k].approval != terms)
				continue;
			*n = (struct approval_need){ b->policies[i], &b->policies[i]->rules[k],
				APPROVAL_CLI, false };
			return true;
		}
	return false;
}

bool
approval_needs_set(struct approval_request *r, const struct verdict *v)
{
	for (size_t i = 0; i < v->approvals_n; i++)
		if (r->needs_n == APPROVAL_RULES_MAX ||
		    !need_of(r->core->bundle, v->approval[i], &r->needs[r->needs_n++]))
			return false;
	return true;
}

static bool
given_at(const struct approval_request *r, struct str where)
{
	struct str rest = r->rules;

	for (size_t i = 0; i < r->needs_n && rest.p != NULL; i++)
		if (str_eq(str_cut(&rest, '\n'), where))
			return r->needs[i].given;
	return false;
}

bool
approval_covers(const struct approval_request *r, const struct verdict *v)
{
	struct approval_need n;

	for (size_t i = 0; i < v->approvals_n; i++)
		if (!need_of(r->core->bundle, v->approval[i], &n) || !given_at(r, n.rule->where))
			return false;
	return true;
}

/* "A human confirms merges · policy payments-tools:14 (ask #payments-platform)" */
static void
need_put(const struct approval_need *n, struct buf *out)
{
	const struct str said =
	    n->rule->approval->text.n > 0 ? n->rule->approval->text : n->rule->reason;

	if (said.n > 0)
		buf_printf(out, STR_FMT " · ", STR_ARG(str_clip(said, TEXT_SHOWN_BYTES)));
	buf_printf(out, "policy " STR_FMT ":%d", STR_ARG(n->policy->id), n->rule->line);
	if (n->policy->owner.n > 0)
		buf_printf(out, " (ask " STR_FMT ")", STR_ARG(n->policy->owner));
}

/* The rules that still ask; all of them when none does. */
void
approval_needs_text(struct approval_request *r)
{
	struct buf rules, text;

	buf_init(&rules, 0);
	buf_init(&text, 0);
	for (size_t i = 0; i < r->needs_n; i++) {
		if (i > 0)
			buf_putc(&rules, '\n');
		buf_put(&rules, r->needs[i].rule->where);
		if (r->needs[i].given)
			continue;
		if (text.n > 0)
			buf_puts(&text, "; ");
		need_put(&r->needs[i], &text);
	}
	if (r->rules.n == 0)
		r->rules = arena_str(&r->arena, buf_str(&rules));
	/* Every reload comes by here: only another text costs memory, one for each yes at most. */
	if (text.n > 0 && !str_eq(r->text, buf_str(&text)))
		r->text = arena_str(&r->arena, buf_str(&text));
	buf_fini(&rules);
	buf_fini(&text);
}

/* ---- for people ---- */

static void
args_put(const struct approval_request *r, struct buf *out)
{
	buf_put(out, r->shown);
	if (r->args_bytes > APPROVAL_SHOWN_BYTES)
		buf_printf(out, " … (%lld bytes in all)", (long long)r->args_bytes);
}

void
approval_message(const struct approval_request *r, struct buf *out)
{
	int64_t left_s = (r->expires_ns - loop_wall_ns(r->core->loop)) / 1000000000;

	buf_puts(out, "Tollgate, the gateway, asks (no tool server does): may this call go ahead, "
		      "once?\n\n");
	if (r->kind == ASK_RUN) {
		buf_puts(out, "A script's plan, these calls and no other destructive ones: ");
	} else {
		buf_puts(out, "Tool: ");
		text_show(r->name, NAME_SHOWN_BYTES, out);
		buf_puts(out, "\nArguments: ");
	}
	args_put(r, out);
	buf_printf(out, "\nWhy it is asked: " STR_FMT "\nKey: %s\nRequest %s, for %lld minutes",
	    STR_ARG(r->text), r->key->name, r->id, (long long)(left_s + 59) / 60);
}

void
approval_json(const struct approval_request *r, struct buf *out)
{
	struct buf text;

	buf_init(&text, 0);
	buf_printf(
	    out, "{\"id\":\"%s\",\"state\":\"%s\",\"tool\":", r->id, approval_state_word(r->state));
	text_show(r->name, NAME_SHOWN_BYTES, &text);
	buf_json_str(out, buf_str(&text));
	buf_reset(&text);
	args_put(r, &text);
	buf_puts(out, ",\"arguments\":");
	buf_json_str(out, approval_over(r) ? STR("") : buf_str(&text));
	buf_fini(&text);
	buf_puts(out, ",\"args_sha256\":\"");
	buf_hex(out, r->args.b, SHA256_BYTES);
	buf_printf(out, "\",\"key\":\"%s\",\"key_name\":", r->key->id);
	buf_json_str(out, str_of(r->key->name));
	buf_puts(out, ",\"user\":");
	buf_json_str(out, str_of(r->key->user));
	buf_puts(out, ",\"why\":");
	buf_json_str(out, r->text);
	buf_puts(out, ",\"rules\":");
	buf_json_str(out, r->rules);
	buf_puts(out, ",\"rev\":");
	buf_json_str(out, r->rev);
	buf_printf(out, ",\"created_ns\":%lld,\"expires_ns\":%lld", (long long)r->created_ns,
	    (long long)r->expires_ns);
	if (r->by.n > 0) {
		buf_puts(out, ",\"by\":");
		buf_json_str(out, r->by);
		buf_puts(out, ",\"reason\":");
		buf_json_str(out, r->why);
	}
	buf_putc(out, '}');
}
