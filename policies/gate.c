/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - the two functions that everything governed passes.
 *
 *   gate_enter(): ready -> key -> rules -> breaker -> budgets and limits -> OPEN record (or one
 * refused row) gate_leave(): settle -> meter -> DONE record
 *
 * The OPEN record carries the audit text that a crash would leave (held amount, end "crashed"), so
 * a restart needs nothing but the journal.  Texts from clients are clipped here, once, and escaped
 * where they are written; argument values never reach the audit, only their digest.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "policies/core.h"

#define CLIP_BYTES     200
#define COMMON_BYTES   16384 /* nine clipped texts, each byte escaped to six, and the key */
#define USES_BYTES     1024
#define SNIPPETS_SHOWN 32
#define MUST_BYTES     16384 /* what a refused call is told */
#define ARENA_BYTES    32768 /* of one pass */
#define QUARTER_S      900

const char *
kind_word(enum ask_kind k)
{
	static const char *const words[] = { "", "tool", "model", "run", "admin", "prompt",
		"resource", "hosted" };

	return words[k];
}

const char *
end_word(enum pass_end e)
{
	static const char *const words[] = { "", "ok", "tool_error", "upstream", "cancelled", "cut",
		"timeout", "failed", "crashed" };

	return words[e];
}

/* ---- the event's text ---- */

#define MEMBER(name) STR(",\"" name "\":")

static void
member_str(struct buf *b, struct str member, struct str v)
{
	buf_put(b, member);
	buf_json_str(b, v);
}

static void
member_opt(struct buf *b, struct str member, struct str v)
{
	if (v.n > 0)
		member_str(b, member, v);
}

static void
member_i64(struct buf *b, struct str member, int64_t v)
{
	buf_put(b, member);
	buf_i64(b, v);
}

static void
member_count(struct buf *b, struct str member, int64_t v)
{
	if (v != 0)
		member_i64(b, member, v);
}

/* A list of words, the first SNIPPETS_SHOWN of them, as an array. */
static void
words_put(struct buf *b, struct str member, struct str words)
{
	size_t n = 0;

	if (words.n == 0)
		return;
	buf_put(b, member);
	buf_putc(b, '[');
	while (words.n > 0 && n < SNIPPETS_SHOWN) {
		buf_puts(b, n++ == 0 ? "" : ",");
		buf_json_str(b, str_cut(&words, ' '));
	}
	buf_puts(b, words.n > 0 ? ",\"…\"]" : "]");
}

static struct str
clipped(struct str s, size_t max)
{
	return (struct str){ s.p, s.n < max ? s.n : max };
}

static void
event_begin(struct buf *b, int64_t ts_ns, const char *verdict)
{
	buf_put(b, STR("{\"ts_ns\":"));
	buf_i64(b, ts_ns);
	member_str(b, MEMBER("verdict"), str_of(verdict));
}

/* What is the same in every row of a pass. */
static void
event_common(struct buf *b, const struct pass *p, const struct ask *a)
{
	char labels[LABELS_TEXT_BYTES];

	member_str(b, MEMBER("id"), str_of(p->id));
	member_opt(b, MEMBER("parent"), str_of(p->parent));
	member_str(b, MEMBER("kind"), str_of(kind_word(p->kind)));
	member_str(b, MEMBER("name"), p->name);
	if (!str_eq(a->requested, a->name))
		member_opt(b, MEMBER("requested"), clipped(a->requested, CLIP_BYTES));
	if (p->key != NULL)
		buf_put(b, buf_str(&p->key->event));
	member_opt(b, MEMBER("session"), p->session);
	member_opt(b, MEMBER("tool_use"), p->tool_use);
	member_opt(b, MEMBER("client"), p->client);
	member_opt(b, MEMBER("address"), p->address);
	member_opt(b, MEMBER("view"), p->view);
	member_opt(b, MEMBER("hosted"), p->hosted);
	member_opt(b, MEMBER("rule"), p->why);
	member_opt(b, MEMBER("would"), p->would);
	if (p->approval != NULL)
		member_str(b, MEMBER("approval"), approval_id(p->approval));
	member_opt(b, MEMBER("labels"), str_of(labels_text(p->labels, labels)));
	if (a->args.n > 0) {
		buf_put(b, STR(",\"args_sha256\":\""));
		buf_hex(b, p->args.b, SHA256_BYTES);
		buf_putc(b, '"');
	}
	member_str(b, MEMBER("rev"), bundle_rev(p->core->bundle));
	member_i64(b, MEMBER("entered_ns"), p->entered_ns);
}

static void
event_outcome(struct buf *b, const struct pass *p, const struct outcome *o)
{
	member_str(b, MEMBER("end"), str_of(end_word(o->end)));
	member_i64(b, MEMBER("hold_nusd"), p->hold_nusd);
	member_i64(b, MEMBER("cost_nusd"), o->cost_nusd);
	if (o->estimated)
		buf_puts(b, ",\"estimated\":true");
	member_count(b, MEMBER("input_tokens"), o->usage.input);
	member_count(b, MEMBER("output_tokens"), o->usage.output);
	member_count(b, MEMBER("cache_write_tokens"), o->usage.cache_write);
	member_count(b, MEMBER("cache_read_tokens"), o->usage.cache_read);
	member_count(b, MEMBER("bytes_in"), o->bytes_in);
	member_count(b, MEMBER("bytes_out"), o->bytes_out);
	member_count(b, MEMBER("kept_bytes"), o->kept_bytes);
	member_count(b, MEMBER("calls"), o->calls);
	member_count(b, MEMBER("cpu_us"), o->cpu_us);
	member_count(b, MEMBER("memory_kb"), o->memory_kb);
	if (o->sandbox != NULL)
		member_str(b, MEMBER("sandbox"), str_of(o->sandbox));
	member_count(b, MEMBER("prefetched"), o->prefetched);
	member_count(b, MEMBER("status"), o->status);
	member_opt(b, MEMBER("detail"), o->detail);
	member_opt(b, MEMBER("run"), o->run);
	words_put(b, MEMBER("snippets"), o->snippets);
	member_count(b, MEMBER("replayed"), o->replayed);
	member_opt(b, MEMBER("limit"), o->limit);
	member_opt(b, MEMBER("tool_uses"), clipped(o->tool_uses, USES_BYTES));
	redacted_put(b, o->redacted);
}

/* ---- records ---- */

static struct usage_row
usage_of(const struct pass *p, const struct outcome *o)
{
	int64_t s = p->entered_ns / 1000000000;

	return (struct usage_row){ .quarter_s = s - s % QUARTER_S,
		.kind = (int)p->kind,
		.key = str_of(p->key->id),
		.customer = p->owner[0],
		.team = p->owner[1],
		.user = p->owner[2],
		.name = p->name,
		.requests = o != NULL,
		.refused = o == NULL,
		.input = o == NULL ? 0 : o->usage.input,
		.output = o == NULL ? 0 : o->usage.output,
		.cache_write = o == NULL ? 0 : o->usage.cache_write,
		.cache_read = o == NULL ? 0 : o->usage.cache_read,
		.cost_nusd = o == NULL ? 0 : o->cost_nusd,
		.kept_bytes = o == NULL ? 0 : o->kept_bytes,
		.cpu_us = o == NULL ? 0 : o->cpu_us,
		.memory_kb = o == NULL ? 0 : o->memory_kb };
}

/* Between the two the event is written: its members, without the last bracket. */
static struct buf *
row_begin(const struct pass *p, int64_t ts_ns, const char *verdict, size_t *event_at)
{
	struct buf *b = core_record_begin(p->core);

	*event_at = record_begin(b, str_of(p->id), str_of(p->parent), ts_ns);
	event_begin(b, ts_ns, verdict);
	return b;
}

static void
row_end(const struct pass *p, enum record_type t, struct buf *b, size_t event_at,
    const struct outcome *o)
{
	struct usage_row usage = usage_of(p, o);

	buf_putc(b, '}');
	record_end(b, event_at, &(struct record_rows){ .usage = &usage });
	core_record_end(p->core, t);
}

/* What a crash would leave. */
static void
open_write(const struct pass *p)
{
	const struct outcome crashed = { .end = END_CRASHED, .cost_nusd = p->hold_nusd };
	size_t at;
	struct buf *b = row_begin(p, p->entered_ns, "ok", &at);

	buf_put(b, p->common);
	event_outcome(b, p, &crashed);
	row_end(p, RECORD_OPEN, b, at, &crashed);
}

void
gate_reopen(const struct pass *p)
{
	open_write(p);
}

static void
refused(struct pass *p, const struct ask *a, struct str limit_at, const struct err *e)
{
	size_t at;
	struct buf *b = row_begin(p, p->entered_ns, err_word(e->code), &at);

	p->core->refused++;
	p->core->sums[p->kind].refused[e->code]++;
	denial_note(p->key, p, e);
	event_common(b, p, a);
	member_opt(b, MEMBER("limit"), limit_at);
	redacted_put(b, a->redacted);
	redacted_count(p->core, a->redacted);
	member_str(b, MEMBER("why"), str_of(e->text));
	row_end(p, RECORD_DONE, b, at, NULL);
}

void
gate_carry(struct core *c)
{
	LIST_EACH(k, &c->keys) {
		LIST_EACH(p, &CONTAINER(k, struct key, all)->passes) {
			open_write(CONTAINER(p, struct pass, of_key));
		}
	}
}

/* ---- enter ---- */

static struct str
clip(struct arena *a, struct str s)
{
	return arena_str(a, clipped(s, CLIP_BYTES));
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

static void
id_make(char id[20])
{
	memcpy(id, "p_", 2);
	base62_random(id + 2, 16);
	id[18] = '\0';
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
	id_make(p->id);
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
	    STR_ARG(clipped(a->name, CLIP_BYTES)), what, a->redacted->blocked, a->redacted_by);
}

static void
common_keep(struct pass *p, const struct ask *a)
{
	char bytes[COMMON_BYTES];
	struct buf b = { .p = bytes, .cap = sizeof(bytes), .limit = sizeof(bytes) };

	event_common(&b, p, a);
	ASSERT(buf_ok(&b)); /* every text in it was clipped */
	p->common = arena_str(&p->arena, buf_str(&b));
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
	common_keep(p, a);
	p->approval = NULL; /* it may be forgotten before the pass ends */
	open_write(p);
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
	struct buf *b;
	size_t at;

	IS(p, PASS_MAGIC);
	ASSERT(o->cost_nusd >= 0 && o->end != 0);
	hold_cost(p, &out);
	o = &out;
	now_ns = loop_wall_ns(p->core->loop);
	b = row_begin(p, now_ns, "ok", &at);
	buf_put(b, p->common);
	event_outcome(b, p, o);
	row_end(p, RECORD_DONE, b, at, o);
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

/* ---- admin writes ---- */

struct admin_event {
	struct str actor;
	const char *name;
	const struct key *key;       /* written with it */
	const struct note_row *note; /* likewise */
	struct str members;
	const struct err *e;
};

static void
admin_row(struct core *c, const struct admin_event *ev)
{
	struct pass p = { .core = c, .kind = ASK_ADMIN, .entered_ns = loop_wall_ns(c->loop) };
	struct ask none = { .name = str_of(ev->name), .requested = str_of(ev->name) };
	struct key_row row;
	struct buf *b;
	size_t at;

	id_make(p.id);
	p.name = str_of(ev->name);
	b = row_begin(&p, p.entered_ns, ev->e == NULL ? "ok" : err_word(ev->e->code), &at);
	event_common(b, &p, &none);
	member_str(b, MEMBER("actor"), ev->actor);
	if (ev->key != NULL) {
		member_str(b, MEMBER("target"), str_of(ev->key->id));
		member_str(b, MEMBER("target_name"), str_of(ev->key->name));
		member_opt(b, MEMBER("budget"), str_of(ev->key->budget));
		key_row_of(ev->key, &row);
	}
	buf_put(b, ev->members);
	if (ev->e != NULL)
		member_str(b, MEMBER("why"), str_of(ev->e->text));
	member_str(b, MEMBER("end"), str_of(end_word(ev->e == NULL ? END_OK : END_FAILED)));
	buf_putc(b, '}');
	record_end(
	    b, at, &(struct record_rows){ .key = ev->key == NULL ? NULL : &row, .note = ev->note });
	core_record_end(c, RECORD_DONE);
}

void
gate_admin(struct core *c, struct str actor, const char *name, const struct key *k)
{
	admin_row(c, &(struct admin_event){ .actor = actor, .name = name, .key = k });
}

void
gate_remember(struct core *c, struct str actor, const char *name, const struct note_row *note,
    struct str members)
{
	admin_row(c, &(struct admin_event){
			 .actor = actor, .name = name, .note = note, .members = members });
}

void
gate_note(struct core *c, struct str actor, const char *name, const struct err *e)
{
	admin_row(c, &(struct admin_event){ .actor = actor, .name = name, .e = e });
}
