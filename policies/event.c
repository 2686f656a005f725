/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - the audit's rows: what they say, and the records that carry them.
 *
 * A pass has an OPEN record, whose row is what a crash would leave (held amount, end "crashed"), so
 * that a restart needs nothing but the journal, and a DONE record.  Both have the same first part,
 * rendered once as the pass enters.  What is refused, and what changes without a pass (a key, a
 * grant, the policies), is one DONE record.  Texts from clients were clipped by the gate and are
 * escaped here; argument values never reach the audit, only their digest.
 */
#include <string.h>

#include "policies/core.h"

#define COMMON_BYTES 16384 /* nine clipped texts, each byte escaped to six, and the key */
#define USES_BYTES   1024
#define QUARTER_S    900

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

/* Its first bytes; half a character at the end is mended where it is written. */
static struct str
first_of(struct str s, size_t max)
{
	return (struct str){ s.p, s.n < max ? s.n : max };
}

struct str
event_clip(struct str s)
{
	return first_of(s, EVENT_TEXT_BYTES);
}

void
event_id(char id[20])
{
	memcpy(id, "p_", 2);
	base62_random(id + 2, 16);
	id[18] = '\0';
}

/* ---- text ---- */

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
		member_opt(b, MEMBER("requested"), event_clip(a->requested));
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
	member_opt(b, MEMBER("tool_uses"), first_of(o->tool_uses, USES_BYTES));
	redacted_put(b, o->redacted);
}

/* ---- a pass ---- */

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

void
event_keep(struct pass *p, const struct ask *a)
{
	char bytes[COMMON_BYTES];
	struct buf b = { .p = bytes, .cap = sizeof(bytes), .limit = sizeof(bytes) };

	event_common(&b, p, a);
	ASSERT(buf_ok(&b)); /* every text in it was clipped */
	p->common = arena_str(&p->arena, buf_str(&b));
}

static void
left_put(const struct pass *p, enum record_type t, int64_t ts_ns, const struct outcome *o)
{
	size_t at;
	struct buf *b = row_begin(p, ts_ns, "ok", &at);

	buf_put(b, p->common);
	event_outcome(b, p, o);
	row_end(p, t, b, at, o);
}

void
event_open(const struct pass *p)
{
	const struct outcome crashed = { .end = END_CRASHED, .cost_nusd = p->hold_nusd };

	left_put(p, RECORD_OPEN, p->entered_ns, &crashed);
}

void
event_done(const struct pass *p, int64_t now_ns, const struct outcome *o)
{
	left_put(p, RECORD_DONE, now_ns, o);
}

void
event_refused(const struct pass *p, const struct ask *a, struct str limit_at, const struct err *e)
{
	size_t at;
	struct buf *b = row_begin(p, p->entered_ns, err_word(e->code), &at);

	event_common(b, p, a);
	member_opt(b, MEMBER("limit"), limit_at);
	redacted_put(b, a->redacted);
	member_str(b, MEMBER("why"), str_of(e->text));
	row_end(p, RECORD_DONE, b, at, NULL);
}

void
events_carry(struct core *c)
{
	LIST_EACH(k, &c->keys) {
		LIST_EACH(p, &CONTAINER(k, struct key, all)->passes) {
			event_open(CONTAINER(p, struct pass, of_key));
		}
	}
}

/* ---- what is no pass ---- */

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

	event_id(p.id);
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
event_key(struct core *c, struct str actor, const char *name, const struct key *k)
{
	admin_row(c, &(struct admin_event){ .actor = actor, .name = name, .key = k });
}

void
event_remember(struct core *c, struct str actor, const char *name, const struct note_row *note,
    struct str members)
{
	admin_row(c, &(struct admin_event){
			 .actor = actor, .name = name, .note = note, .members = members });
}

void
event_note(struct core *c, struct str actor, const char *name, const struct err *e)
{
	admin_row(c, &(struct admin_event){ .actor = actor, .name = name, .e = e });
}
