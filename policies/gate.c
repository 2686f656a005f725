/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate - the two functions that everything governed passes.
 *
 *   gate_enter(): ready -> key -> rules -> budget -> OPEN record     (or one refused row)
 *   gate_leave(): settle -> meter -> DONE record
 *
 * The OPEN record carries the audit text that a crash would leave (held amount, end "crashed"), so
 * a restart needs nothing but the journal.  Texts from clients are clipped here, once, and escaped
 * where they are written; argument values never reach the audit, only their digest.
 */
#include <string.h>

#include "base/log.h"
#include "policies/core.h"

#define CLIP_BYTES  200
#define USES_BYTES  1024
#define ARENA_BYTES 4096
#define QUARTER_S   900

const char *
kind_word(enum ask_kind k)
{
	static const char *const words[] = { "", "tool", "model", "run", "admin" };

	return words[k];
}

static const char *
end_word(enum pass_end e)
{
	static const char *const words[] = { "", "ok", "tool_error", "upstream", "cancelled", "cut",
		"timeout", "failed", "crashed" };

	return words[e];
}

/* ---- the event's text ---- */

static void
member_str(struct buf *b, const char *name, struct str v)
{
	buf_puts(b, ",\"");
	buf_puts(b, name);
	buf_puts(b, "\":");
	buf_json_str(b, v);
}

static void
member_opt(struct buf *b, const char *name, struct str v)
{
	if (v.n > 0)
		member_str(b, name, v);
}

static void
member_i64(struct buf *b, const char *name, int64_t v)
{
	buf_puts(b, ",\"");
	buf_puts(b, name);
	buf_puts(b, "\":");
	buf_i64(b, v);
}

static void
member_count(struct buf *b, const char *name, int64_t v)
{
	if (v != 0)
		member_i64(b, name, v);
}

/* Who, as the row says it: from the chain where it is known, else from the key. */
static void
owner_of(const struct key *k, struct str out[3])
{
	out[0] = str_of(k->customer);
	out[1] = str_of(k->team);
	out[2] = str_of(k->user);
	for (size_t i = 0; k->resolved && i < k->subject.chain.n; i++) {
		const struct level *l = k->subject.chain.level[i];

		out[l->kind - LEVEL_CUSTOMER] = l->name;
	}
}

static void
event_head(struct buf *b, const struct pass *p, int64_t ts_ns, const char *verdict)
{
	struct str owner[3];

	buf_puts(b, "{\"ts_ns\":");
	buf_i64(b, ts_ns);
	member_str(b, "id", str_of(p->id));
	member_opt(b, "parent", str_of(p->parent));
	member_str(b, "kind", str_of(kind_word(p->kind)));
	member_str(b, "name", p->name);
	member_opt(b, "requested", p->requested);
	member_str(b, "verdict", str_of(verdict));
	if (p->key != NULL) {
		owner_of(p->key, owner);
		member_str(b, "key", str_of(p->key->id));
		member_str(b, "key_name", str_of(p->key->name));
		member_opt(b, "customer", owner[0]);
		member_opt(b, "team", owner[1]);
		member_opt(b, "user", owner[2]);
	}
	member_opt(b, "session", p->session);
	member_opt(b, "tool_use", p->tool_use);
	member_opt(b, "client", p->client);
	member_opt(b, "rule", p->why);
	if (p->has_args) {
		buf_puts(b, ",\"args_sha256\":\"");
		buf_hex(b, p->args_sha256, SHA256_BYTES);
		buf_putc(b, '"');
	}
	member_str(b, "rev", bundle_rev(p->core->bundle));
	member_i64(b, "entered_ns", p->entered_ns);
}

static struct str
clipped(struct str s, size_t max)
{
	return (struct str){ s.p, s.n < max ? s.n : max };
}

static void
event_outcome(struct buf *b, const struct pass *p, const struct outcome *o)
{
	member_str(b, "end", str_of(end_word(o->end)));
	member_i64(b, "hold_nusd", p->hold_nusd);
	member_i64(b, "cost_nusd", o->cost_nusd);
	if (o->estimated)
		buf_puts(b, ",\"estimated\":true");
	member_count(b, "input_tokens", o->usage.input);
	member_count(b, "output_tokens", o->usage.output);
	member_count(b, "cache_write_tokens", o->usage.cache_write);
	member_count(b, "cache_read_tokens", o->usage.cache_read);
	member_count(b, "bytes_in", o->bytes_in);
	member_count(b, "bytes_out", o->bytes_out);
	member_count(b, "kept_bytes", o->kept_bytes);
	member_count(b, "calls", o->calls);
	member_count(b, "cpu_us", o->cpu_us);
	member_count(b, "status", o->status);
	member_opt(b, "detail", o->detail);
	member_opt(b, "tool_uses", clipped(o->tool_uses, USES_BYTES));
}

/* ---- records ---- */

static struct usage_row
usage_of(const struct pass *p, const struct outcome *o)
{
	struct str owner[3];
	int64_t s = p->entered_ns / 1000000000;

	owner_of(p->key, owner);
	return (struct usage_row){ .quarter_s = s - s % QUARTER_S,
		.kind = (int)p->kind,
		.key = str_of(p->key->id),
		.customer = owner[0],
		.team = owner[1],
		.user = owner[2],
		.name = p->name,
		.requests = o != NULL,
		.refused = o == NULL,
		.input = o == NULL ? 0 : o->usage.input,
		.output = o == NULL ? 0 : o->usage.output,
		.cache_write = o == NULL ? 0 : o->usage.cache_write,
		.cache_read = o == NULL ? 0 : o->usage.cache_read,
		.cost_nusd = o == NULL ? 0 : o->cost_nusd,
		.kept_bytes = o == NULL ? 0 : o->kept_bytes };
}

static void
record_write(
    struct pass *p, enum record_type t, struct buf *event, int64_t ts_ns, const struct outcome *o)
{
	struct record r = { .id = str_of(p->id),
		.parent = str_of(p->parent),
		.ts_ns = ts_ns,
		.has_usage = true,
		.usage = usage_of(p, o) };

	buf_putc(event, '}');
	ASSERT(buf_ok(event));
	r.event = buf_str(event);
	core_record(p->core, t, &r);
}

static void
opened(struct pass *p)
{
	const struct outcome crashed = { .end = END_CRASHED, .cost_nusd = p->hold_nusd };
	struct buf b;

	buf_init(&b, 0);
	event_head(&b, p, p->entered_ns, "ok");
	event_outcome(&b, p, &crashed);
	record_write(p, RECORD_OPEN, &b, p->entered_ns, &crashed);
	buf_fini(&b);
}

static void
refused(struct pass *p, const struct err *e)
{
	struct buf b;

	p->core->refused++;
	buf_init(&b, 0);
	event_head(&b, p, p->entered_ns, err_word(e->code));
	member_str(&b, "why", str_of(e->text));
	record_write(p, RECORD_DONE, &b, p->entered_ns, NULL);
	buf_fini(&b);
}

/* ---- enter ---- */

static struct str
clip(struct arena *a, struct str s)
{
	if (s.n > CLIP_BYTES)
		s.n = CLIP_BYTES;
	return arena_str(a, s);
}

static void
pass_fill(struct pass *p, struct core *c, struct key *k, const struct ask *a)
{
	p->core = c;
	p->key = k;
	link_init(&p->of_key);
	memcpy(p->id, "p_", 2);
	base62_random(p->id + 2, 16);
	p->id[18] = '\0';
	p->parent[0] = '\0';
	if (a->parent != NULL)
		memcpy(p->parent, a->parent->id, sizeof(p->parent));
	p->kind = a->kind;
	p->hold_nusd = 0;
	p->at_n = 0;
	p->entered_ns = loop_wall_ns(c->loop);
	arena_init(&p->arena, ARENA_BYTES);
	p->name = clip(&p->arena, a->name);
	p->requested = str_eq(a->requested, a->name) ? STR("") : clip(&p->arena, a->requested);
	p->session = clip(&p->arena, a->session);
	p->tool_use = clip(&p->arena, a->tool_use);
	p->client = clip(&p->arena, a->client);
	p->why = STR("");
	p->has_args = a->args.n > 0;
	if (p->has_args) {
		struct sha256 h;

		sha256(&h, a->args);
		memcpy(p->args_sha256, h.b, SHA256_BYTES);
	}
}

static bool
permitted(struct pass *p, const struct ask *a, struct err *e)
{
	struct verdict v;

	rules_decide(p->core->bundle, &p->key->subject, a->kind, a->name, a->requested, &v);
	p->why = clip(&p->arena, v.rule);
	return v.allowed || verdict_err(&v, a->name, e);
}

bool
gate_enter(struct core *c, struct pass *p, struct key *k, const struct ask *a, struct err *e)
{
	IS(c, CORE_MAGIC);
	IS(k, KEY_MAGIC);
	ASSERT(p->magic == 0 && p->cut != NULL && a->hold_nusd >= 0);
	if (!core_ready(c, e)) {
		log_warn(NULL, "refused: nothing can be recorded", F_TEXT("why", e->text));
		return false;
	}
	pass_fill(p, c, k, a);
	if (!key_usable(k, p->entered_ns, e) || !permitted(p, a, e) ||
	    !budget_reserve(c, p, &k->subject.chain, a->hold_nusd, e)) {
		refused(p, e);
		arena_free(&p->arena);
		return false;
	}
	p->magic = PASS_MAGIC;
	link_push(&k->passes, &p->of_key);
	c->entered++;
	opened(p);
	return true;
}

/* ---- leave ---- */

void
gate_leave(struct pass *p, const struct outcome *o)
{
	int64_t now_ns;
	struct buf b;

	IS(p, PASS_MAGIC);
	ASSERT(o->cost_nusd >= 0 && o->end != 0);
	now_ns = loop_wall_ns(p->core->loop);
	buf_init(&b, 0);
	event_head(&b, p, now_ns, "ok");
	event_outcome(&b, p, o);
	record_write(p, RECORD_DONE, &b, now_ns, o);
	buf_fini(&b);
	budget_settle(p, now_ns / 1000000000, o->cost_nusd);
	link_drop(&p->of_key);
	p->core->left++;
	p->magic = 0;
	arena_free(&p->arena);
}

/* ---- admin writes ---- */

void
gate_admin(struct core *c, struct str actor, const char *name, const struct key *k)
{
	struct pass p = { .core = c, .kind = ASK_ADMIN, .entered_ns = loop_wall_ns(c->loop) };
	struct record r = { .has_key = true };
	struct buf b;

	memcpy(p.id, "p_", 2);
	base62_random(p.id + 2, 16);
	p.name = str_of(name);
	p.requested = p.session = p.tool_use = p.client = p.why = STR("");
	buf_init(&b, 0);
	event_head(&b, &p, p.entered_ns, "ok");
	member_str(&b, "actor", actor);
	member_str(&b, "target", str_of(k->id));
	member_str(&b, "target_name", str_of(k->name));
	member_str(&b, "end", STR("ok"));
	buf_putc(&b, '}');
	r.id = str_of(p.id);
	r.parent = STR("");
	r.ts_ns = p.entered_ns;
	r.event = buf_str(&b);
	key_row_of(k, &r.key);
	core_record(c, RECORD_DONE, &r);
	buf_fini(&b);
}
