/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - the two functions that everything governed passes.
 *
 *   gate_enter(): ready -> key -> what must not go there -> rules -> breaker -> budgets and limits
 *                 -> OPEN record, or one refused row
 *   gate_leave(): DONE record -> settle -> meter
 *
 * What a record says is in event.c.  Texts from clients are clipped here, once: a pass keeps
 * copies, and nothing of the ask.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "policies/core.h"

#define MUST_BYTES  16384 /* what a refused call is told */
#define ARENA_BYTES 32768 /* of one pass */

/* ---- enter ---- */

static struct str
clip(struct arena *a, struct str s)
{
	return arena_str(a, event_clip(s));
}

/* A session as a client names it: what is no plain letter of ASCII becomes a ?, so that the audit's
 * row, from which a start learns sessions again, has the very same text. */
static struct str
session_clip(struct arena *a, struct str s)
{
	struct str kept = clip(a, s);
	char *p = arena_alloc(a, kept.n + 1);

	for (size_t i = 0; i < kept.n; i++)
		p[i] = kept.p[i] > ' ' && kept.p[i] < 0x7f ? kept.p[i] : '?';
	return (struct str){ p, kept.n };
}

/* The names of the tools that the provider would run, in one text. */
static struct str
hosted_text(struct arena *a, const struct ask *ask)
{
	struct str kept;
	struct buf b;

	if (ask->hosted_n == 0)
		return STR("");
	buf_init(&b, 0);
	for (size_t i = 0; i < ask->hosted_n; i++) {
		if (i > 0)
			buf_putc(&b, ' ');
		buf_put(&b, ask->hosted[i]);
	}
	kept = clip(a, buf_str(&b));
	buf_fini(&b);
	return kept;
}

static void
pass_fill(struct pass *p, struct core *c, struct key *k, const struct ask *a)
{
	p->core = c;
	p->key = k;
	link_init(&p->of_key);
	event_id(p->id);
	p->parent[0] = '\0';
	if (a->parent != NULL)
		memcpy(p->parent, a->parent->id, sizeof(p->parent));
	p->kind = a->kind;
	p->hold_nusd = p->price_nusd = 0;
	p->unpriced = p->tops_up = p->finishes = p->past_cap = false;
	p->at_n = p->holds_n = 0;
	p->approval = NULL;
	p->full = NULL;
	p->approved[0] = '\0';
	p->round = 0;
	p->asked = 0;
	link_init(&p->run_limits);
	p->bounds = NULL;
	p->calls_nusd = p->calls_held_nusd = p->run_held_nusd = 0;
	p->run = NULL;
	link_init(&p->calls);
	link_init(&p->of_run);
	p->entered_ns = loop_wall_ns(c->loop);
	arena_init(&p->arena, ARENA_BYTES);
	p->name = clip(&p->arena, a->name);
	p->session = session_clip(&p->arena, a->session);
	p->tool_use = clip(&p->arena, a->tool_use);
	p->client = clip(&p->arena, a->client);
	p->address = clip(&p->arena, a->address);
	p->view = clip(&p->arena, a->view);
	p->hosted = hosted_text(&p->arena, a);
	p->why = p->would = STR("");
	sha256(&p->args, a->args);
	p->labels = 0;
	key_owner(k, p->owner);
	for (size_t i = 0; i < COUNT(p->owner); i++) /* a reload may take the names away */
		p->owner[i] = clip(&p->arena, p->owner[i]);
}

struct question {
	enum ask_kind kind;
	struct str name, requested, args;
	const struct ask *whole; /* what people can be asked about; NULL: they cannot */
};

/* What policies that only observe would have changed is kept for the audit, and counted. */
static void
observed(struct pass *p, const struct subject *s, const struct question *q, bool allowed)
{
	struct verdict v;
	struct buf text;

	if (p->would.n > 0) /* of several things one is told */
		return;
	buf_init(&text, 2 * MUST_BYTES);
	if (rules_would(p->core->bundle, s, q->kind, q->name, q->requested, q->args, &v, &text) &&
	    v.allowed != allowed) {
		struct buf said;

		buf_init(&said, 2 * MUST_BYTES);
		verdict_text(&v, &said);
		p->would = clip(&p->arena, buf_str(&said));
		buf_fini(&said);
		p->core->would_deny += !v.allowed;
	}
	buf_fini(&text);
}

/* One thing that is asked for; `shown` is what a refusal calls it. */
static bool
decided(struct pass *p, const struct question *q, struct str shown, struct err *e)
{
	struct subject s;
	struct verdict v;
	struct buf must;
	bool ok;

	pass_subject(p, &s);
	s.seen =
	    flow_seen(&p->core->flows, str_of(p->key->id), p->session, p->entered_ns / 1000000);
	buf_init(&must, MUST_BYTES);
	rules_decide_call(p->core->bundle, &s, q->kind, q->name, q->requested, q->args, &v, &must);
	if (rules_observed(p, q->kind, &v))
		ok = true;
	else if (!v.allowed && v.approvals_n > 0 && q->whole != NULL)
		/* Nobody is asked for what is blocked whatever they say: see permitted(). */
		ok = q->whole->blocked.n > 0 || approval_gate(p, q->whole, &v, e);
	else
		ok = v.allowed || verdict_err(&v, shown, e);
	if (!ok || p->why.n == 0)
		p->why = clip(&p->arena, v.rule);
	observed(p, &s, q, ok);
	buf_fini(&must);
	return ok;
}

/* The thing itself, then every tool that the provider would run for it. */
static bool
permitted(struct pass *p, const struct ask *a, struct err *e)
{
	const struct question q = { a->kind, a->name, a->requested, a->args, a };
	bool ok = decided(p, &q, a->name, e);
	struct subject s;

	pass_subject(p, &s);
	p->labels = rules_labels(p->core->bundle, &s, a->kind, a->name);

	for (size_t i = 0; ok && i < a->hosted_n; i++) {
		const struct question tool = { .kind = ASK_HOSTED, .name = a->hosted[i] };
		struct buf shown;

		buf_init(&shown, 0);
		buf_puts(&shown, "hosted:");
		buf_put(&shown, a->hosted[i]);
		ok = decided(p, &tool, buf_str(&shown), e);
		buf_fini(&shown);
	}
	/* Last: whom the rules refuse need not know of it. */
	if (ok && a->blocked.n > 0) {
		p->why = STR("mcp.lock");
		ok = err_set(e, ERR_DENIED, STR_FMT, STR_ARG(a->blocked));
	}
	return ok;
}

/* What of it holds that, for who reads the refusal. */
static void
withheld_part(const struct ask *a, char *out, size_t cap)
{
	struct str where = redact_where(a->args, a->redacted->blocked_at);

	if (a->kind == ASK_MODEL && a->redacted_at != NULL && a->redacted_at[0] != '\0')
		(void)snprintf(out, cap, "the request (%s)", a->redacted_at);
	else if (a->kind == ASK_MODEL)
		(void)snprintf(out, cap, "the request");
	else if (where.n > 0)
		(void)snprintf(out, cap, "the argument \"" STR_FMT "\"", STR_ARG(where));
	else
		(void)snprintf(out, cap, "the arguments");
}

/* Its arguments hold what must not go there. */
static bool
withheld(const struct ask *a, struct err *e)
{
	char what[96];

	if (a->redacted == NULL || a->redacted->blocked == NULL)
		return false;
	withheld_part(a, what, sizeof(what));
	return !err_set(e, ERR_DENIED, STR_FMT ": %s must not hold this: %s%s",
	    STR_ARG(event_clip(a->name)), what, a->redacted->blocked, a->redacted_by);
}

/* Whoever is refused can name the decision: `tollgate audit show p_…`. */
static void
decision_tell(const struct pass *p, struct err *e)
{
	char text[ERR_TEXT_BYTES];

	(void)snprintf(text, sizeof(text), STR_FMT " · decision %s",
	    STR_ARG(str_clip(str_of(e->text), sizeof(text) - 40)), p->id);
	(void)str_copy(e->text, sizeof(e->text), str_of(text));
}

static void
refused(struct pass *p, const struct ask *a, struct str limit_at, const struct err *e)
{
	p->core->refused++;
	p->core->sums[p->kind].refused[e->code]++;
	denial_note(p->key, p, e);
	redacted_count(p->core, a->redacted);
	event_refused(p, a, limit_at, e);
}

static struct breaker_call
call_of(const struct pass *p)
{
	return (struct breaker_call){ &p->args, str_of(p->key->id), p->name, p->session };
}

static bool
unbroken(const struct pass *p, struct err *e)
{
	const struct breaker_call call = call_of(p);

	return p->kind != ASK_TOOL ||
	       breaker_ask(&p->core->breaker, &call, loop_mono_ms(p->core->loop), e);
}

/* Endings that say nothing of the call itself (cancelled, cut, too slow) count for nothing. */
static void
breaker_learn(const struct pass *p, enum pass_end end)
{
	const struct breaker_call call = call_of(p);
	bool failed = end == END_TOOL_ERROR || end == END_UPSTREAM;

	if (p->kind == ASK_TOOL && (failed || end == END_OK))
		breaker_tell(&p->core->breaker, &call, failed, loop_mono_ms(p->core->loop));
}

bool
gate_enter(struct core *c, struct pass *p, struct key *k, const struct ask *a, struct err *e)
{
	struct str limit_at = STR("");

	IS(c, CORE_MAGIC);
	IS(k, KEY_MAGIC);
	ASSERT(p->magic == 0 && p->cut != NULL && a->hold_nusd >= 0 && a->hold_tokens >= 0);
	if (!core_ready(c, e)) {
		/* When it began and when it ends is in the log; not each refusal. */
		log_debug(NULL, "refused: nothing can be recorded", F_TEXT("why", e->text));
		return false;
	}
	pass_fill(p, c, k, a);
	if (!key_usable(k, p->entered_ns, e) || withheld(a, e) || !permitted(p, a, e) ||
	    !unbroken(p, e) || !afford(p, a, &limit_at, e)) {
		if (p->full == NULL)
			refused(p, a, limit_at, e);
		if (e->code == ERR_DENIED)
			decision_tell(p, e);
		arena_free(&p->arena);
		return false;
	}
	if (p->approval != NULL)
		approval_use(p);
	p->magic = PASS_MAGIC;
	link_push(&k->passes, &p->of_key);
	bounds_enter(p);
	bounds_take(p, a->parent);
	c->entered++;
	event_keep(p, a);
	p->approval = NULL; /* it may be forgotten before the pass ends */
	event_open(p);
	return true;
}

/* ---- leave ---- */

static void
sums_add(const struct pass *p, const struct outcome *o)
{
	struct tally *s = &p->core->sums[p->kind];

	if (p->kind == ASK_RUN)
		scripts_add(p->key, p->entered_ns / 1000000000, o);
	s->ends[o->end]++;
	s->cost_nusd += o->cost_nusd;
	s->input += o->usage.input;
	s->output += o->usage.output;
	s->cache_write += o->usage.cache_write;
	s->cache_read += o->usage.cache_read;
}

/* A reply that does not tell its tokens has used what it might. */
static int64_t
tokens_of(const struct outcome *o)
{
	const int64_t part[] = { o->usage.input, o->usage.output, o->usage.cache_write,
		o->usage.cache_read };
	int64_t sum = 0;

	if (o->end == END_OK && !o->usage.seen)
		return -1;
	for (size_t i = 0; i < COUNT(part); i++)
		if (part[i] > 0 && __builtin_add_overflow(sum, part[i], &sum))
			return INT64_MAX;
	return sum;
}

void
gate_leave(struct pass *p, const struct outcome *o)
{
	struct outcome out = *o;
	int64_t now_ns;

	IS(p, PASS_MAGIC);
	ASSERT(o->cost_nusd >= 0 && o->end != 0);
	hold_cost(p, &out);
	o = &out;
	now_ns = loop_wall_ns(p->core->loop);
	event_done(p, now_ns, o);
	budget_settle(p, now_ns / 1000000000, o->cost_nusd);
	bounds_leave(p, o->cost_nusd);
	breaker_learn(p, o->end);
	if (p->labels != 0)
		flow_add(
		    &p->core->flows, str_of(p->key->id), p->session, p->labels, now_ns / 1000000);
	if (out.cost_nusd > 0)
		alerts_look(p->core, p->key);
	limits_release(&p->core->limits, p, loop_mono_ms(p->core->loop), tokens_of(o));
	link_drop(&p->of_key);
	p->core->left++;
	if (p->kind == ASK_TOOL && o->end == END_OK)
		frequent_learn(&p->core->frequents,
		    &(struct frequent_of){ p->owner[0], p->owner[1], p->owner[2] }, p->name,
		    now_ns / 1000000000, 1);
	if (p->kind == ASK_RUN && o->end == END_OK)
		snippets_learn(p->core,
		    &(struct frequent_of){ p->owner[0], p->owner[1], p->owner[2] }, o->snippets,
		    now_ns / 1000000000);
	sums_add(p, o);
	redacted_count(p->core, o->redacted);
	p->magic = 0;
	arena_free(&p->arena);
}

static void
at_once(struct pass *p, const struct err *why)
{
	(void)why;
	gate_leave(p, &(struct outcome){ .end = END_CUT });
}

bool
gate_pass_once(struct core *c, struct key *k, const struct ask *a, char *id, struct err *e)
{
	struct pass p = { .cut = at_once };

	id[0] = '\0';
	if (gate_enter(c, &p, k, a, e)) {
		gate_leave(&p, &(struct outcome){ .end = END_OK });
		return true;
	}
	if (e->code == ERR_APPROVAL)
		(void)str_copy(id, APPROVAL_ID_BYTES + 1, approval_id(pass_approval(&p)));
	return false;
}

bool
gate_pass(struct core *c, struct key *k, const struct ask *a, struct err *e)
{
	char id[APPROVAL_ID_BYTES + 1];

	return gate_pass_once(c, k, a, id, e);
}
