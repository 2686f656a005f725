/* SPDX-License-Identifier: Apache-2.0 */
/*
 * journal - the runs that are remembered.
 *
 *   past_new() --leg--> past_close(DONE): memory only   | FAILED, PAUSED: and in the database
 *                  ^---- resume: RUNNING again ----'
 *
 * In the database a run is some rows: "run ID" (a JSON object), "run ID/source", "run ID/S",
 * "run ID/last/N" and "run ID/call/NO" (a JSON object each).  A run that is RUNNING there was cut
 * short by the end of a gateway: then it has failed, and what was sent is lost.  One that waits for
 * a client who was asked is PAUSED there while it runs here (past_hold()).
 *
 * Bounds: ANSWER_BYTES and RUN_BYTES for what is kept of a run, OWNER_BYTES, OWNER_RUNS and
 * ALL_BYTES over runs; past the latter the oldest that does not run is forgotten.
 */
#include "codemode/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define ANSWER_BYTES ((size_t)200 << 10)
#define RUN_BYTES    ((size_t)4 << 20)
#define OWNER_BYTES  ((size_t)16 << 20)
#define OWNER_RUNS   256
#define ALL_BYTES    ((size_t)64 << 20)
#define STEP_BYTES   400 /* a step's own, about */
#define PIECE_BYTES  ((size_t)192 << 10)

static const char *const step_words[] = { "open", "sent", "done", "failed", "lost" };
static const char *const past_words[] = { "running", "failed", "paused", "done" };

/* ---- memory ---- */

static void
count(struct past *p, size_t more, size_t less)
{
	p->bytes += more - less;
	if (p->owner != NULL) {
		p->owner->run_bytes += more - less;
		p->owner->cm->run_bytes += more - less;
	}
}

static void
step_free(struct past *p, struct step *s)
{
	count(p, 0, STEP_BYTES + s->answer_n);
	free(s->tool);
	free(s->shown);
	free(s->answer);
	free(s->held);
}

void
past_free(struct past *p)
{
	for (size_t i = 0; i < p->n; i++)
		step_free(p, &p->steps[i]);
	count(p, 0, p->bytes);
	if (p->owner != NULL)
		p->owner->runs--;
	link_drop(&p->of_owner);
	link_drop(&p->all);
	free(p->steps);
	buf_fini(&p->source);
	buf_fini(&p->state_was);
	buf_fini(&p->last_was);
	buf_fini(&p->snippets);
	buf_fini(&p->plan);
	free(p);
}

static struct past *
blank(void)
{
	struct past *p = mem_zalloc(sizeof(*p));

	buf_init(&p->source, FRAME_SOURCE_MAX + 1);
	buf_init(&p->state_was, SANDBOX_STATE_MAX);
	buf_init(&p->last_was, FRAME_VALUE_MAX);
	buf_init(&p->snippets, SNIPPETS_MAX * (SNIPPET_NAME_MAX + 16));
	buf_init(&p->plan, PAST_PLAN_BYTES);
	link_init(&p->of_owner);
	link_init(&p->all);
	return p;
}

static void
enlist(struct past *p, struct owner *o)
{
	p->owner = o;
	link_push(&o->pasts, &p->of_owner);
	link_push(&o->cm->pasts, &p->all);
	o->runs++;
}

static void
session_put(char to[33], struct str session)
{
	struct sha256 digest;
	struct buf b;

	sha256(&digest, session);
	buf_init(&b, 0);
	buf_hex(&b, digest.b, 16);
	(void)str_copy(to, 33, buf_str(&b));
	buf_fini(&b);
}

static struct past *
by_id(struct codemode *cm, struct str id)
{
	LIST_EACH(it, &cm->pasts) {
		struct past *p = CONTAINER(it, struct past, all);

		if (str_eq(str_of(p->id), id))
			return p;
	}
	return NULL;
}

static void
hold(struct past *p, struct buf *which, struct str more)
{
	buf_put(which, more);
	count(p, more.n, 0);
}

static void
replace(struct past *p, struct buf *which, struct str by)
{
	count(p, 0, which->n);
	buf_reset(which);
	hold(p, which, by);
}

void
past_start(struct past *p, struct str state, struct str last)
{
	replace(p, &p->state_was, state);
	replace(p, &p->last_was, last);
}

void
past_snippets(struct past *p, struct str versions)
{
	replace(p, &p->snippets, versions);
}

static void head_save(const struct past *p);

void
past_plan(struct past *p, struct str plan)
{
	replace(p, &p->plan, plan);
	past_plan_ok(p, false);
}

void
past_plan_ok(struct past *p, bool ok)
{
	p->plan_ok = ok;
	if (p->saved)
		head_save(p);
}

struct past *
past_new(struct codemode *cm, struct key *k, struct str session, struct str source)
{
	static const char letters[] = "0123456789abcdefghijkmnpqrstuvwx";
	struct past *p = blank();

	do {
		crypto_random(p->id, PAST_ID_BYTES);
		p->id[0] = 'r';
		for (int i = 1; i < PAST_ID_BYTES; i++)
			p->id[i] = letters[(unsigned char)p->id[i] % (sizeof(letters) - 1)];
	} while (by_id(cm, str_of(p->id)) != NULL);
	session_put(p->session, session);
	crypto_random(p->seed, sizeof(p->seed));
	p->seed[0] |= 1; /* both zero: random */
	p->time_s = loop_wall_ns(cm->loop) / 1000000000;
	enlist(p, owner_of(cm, k));
	hold(p, &p->source, source);
	return p;
}

struct past *
past_find(struct codemode *cm, struct key *k, const struct str *session, struct str id)
{
	struct past *p = by_id(cm, id);
	char of[33];

	if (p == NULL || p->owner->key != k || p->orphan)
		return NULL;
	if (session != NULL) {
		session_put(of, *session);
		if (strcmp(of, p->session) != 0)
			return NULL;
	}
	if (p->state == PAST_RUNNING || p->until_ns >= loop_wall_ns(cm->loop))
		return p;
	past_forget(p);
	return NULL;
}

struct key *
past_key(struct codemode *cm, struct str id)
{
	const struct past *p = by_id(cm, id);

	return p == NULL ? NULL : p->owner->key;
}

struct step *
past_add(struct past *p, struct str tool, const struct sha256 *args, struct str shown)
{
	struct step *s;

	if (p->n == p->cap) {
		p->cap = p->cap == 0 ? 16 : p->cap * 2;
		p->steps = mem_realloc(p->steps, p->cap * sizeof(*p->steps));
	}
	s = &p->steps[p->n++];
	*s = (struct step){
		.no = ++p->last_no, .args = *args, .tool = str_dup(tool), .shown = str_dup(shown)
	};
	count(p, STEP_BYTES, 0);
	return s;
}

bool
past_answer(struct past *p, struct step *s, struct str json)
{
	count(p, 0, s->answer_n);
	free(s->answer);
	s->answer = NULL;
	s->answer_n = 0;
	if (json.n > ANSWER_BYTES || p->bytes + json.n > RUN_BYTES)
		return false;
	s->answer = str_dup(json);
	s->answer_n = json.n;
	count(p, json.n, 0);
	return true;
}

struct past *
past_copy(const struct past *from)
{
	struct past *p = blank();

	memcpy(p->id, from->id, sizeof(p->id));
	memcpy(p->end, from->end, sizeof(p->end));
	p->state = from->state;
	p->result = from->result;
	memcpy(p->seed, from->seed, sizeof(p->seed));
	p->time_s = from->time_s;
	buf_put(&p->source, buf_str(&from->source));
	buf_put(&p->state_was, buf_str(&from->state_was));
	buf_put(&p->last_was, buf_str(&from->last_was));
	buf_put(&p->snippets, buf_str(&from->snippets));
	buf_put(&p->plan, buf_str(&from->plan));
	for (size_t i = 0; i < from->n; i++) {
		const struct step *s = &from->steps[i];
		struct step *t = past_add(p, str_of(s->tool), &s->args, str_of(s->shown));
		const char *tool = t->tool, *shown = t->shown;

		*t = *s;
		t->tool = (char *)(uintptr_t)tool;
		t->shown = (char *)(uintptr_t)shown;
		t->answer = t->held = NULL;
		t->answer_n = 0;
		if (s->answer != NULL)
			(void)past_answer(p, t, (struct str){ s->answer, s->answer_n });
	}
	return p;
}

/* ---- the database ---- */

static void
row(const struct past *p, const char *below, struct str value)
{
	char name[KEPT_NAME_BYTES];

	(void)snprintf(name, sizeof(name), PAST_NAME "%s%s", p->id, below);
	owner_keep(p->owner, name, value, p->until_ns);
}

static void
head_save(const struct past *p)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
	    "{\"session\":\"%s\",\"state\":\"%s\",\"seed\":[%lld,%lld],\"time\":%lld,"
	    "\"end\":\"%s\",\"result\":\"",
	    p->session, past_words[p->held ? PAST_PAUSED : p->state], (long long)p->seed[0],
	    (long long)p->seed[1], (long long)p->time_s, p->end);
	buf_hex(&b, p->result.b, SHA256_BYTES);
	buf_printf(&b, "\",\"snippets\":\"" STR_FMT "\"", STR_ARG(buf_str(&p->snippets)));
	if (p->plan.n > 0)
		buf_printf(&b, ",\"plan_ok\":%d,\"plan\":" STR_FMT, p->plan_ok,
		    STR_ARG(buf_str(&p->plan)));
	buf_putc(&b, '}');
	row(p, "", buf_str(&b));
	buf_fini(&b);
}

static void
step_name(char name[32], const struct step *s)
{
	(void)snprintf(name, 32, "/call/%06u", s->no);
}

void
past_save_step(struct past *p, const struct step *s)
{
	char name[32];
	struct buf b;

	if (!p->saved || p->orphan)
		return;
	step_name(name, s);
	buf_init(&b, KEPT_VALUE_BYTES);
	buf_printf(&b,
	    "{\"fan\":%u,\"branch\":%u,\"nth\":%u,\"order\":%u,\"state\":\"%s\",\"mutates\":%s,"
	    "\"args\":\"",
	    s->fan, s->branch, s->nth, s->order, step_words[s->state],
	    s->mutates ? "true" : "false");
	buf_hex(&b, s->args.b, SHA256_BYTES);
	buf_puts(&b, "\",\"tool\":");
	buf_json_str(&b, str_of(s->tool));
	buf_puts(&b, ",\"shown\":");
	buf_json_str(&b, str_of(s->shown));
	if (s->answer != NULL) {
		buf_puts(&b, ",\"answer\":");
		buf_put(&b, (struct str){ s->answer, s->answer_n });
	}
	buf_putc(&b, '}');
	if (buf_ok(&b))
		row(p, name, buf_str(&b));
	buf_fini(&b);
}

static void
pieces_save(const struct past *p, struct str whole)
{
	char name[32];

	for (unsigned i = 0; whole.n > 0; i++) {
		struct str piece = { whole.p, whole.n < PIECE_BYTES ? whole.n : PIECE_BYTES };

		(void)snprintf(name, sizeof(name), "/last/%02u", i);
		row(p, name, piece);
		whole.p += piece.n;
		whole.n -= piece.n;
	}
}

static void
save(struct past *p)
{
	const bool whole = !p->saved;

	p->saved = true;
	p->until_ns = keep_until_ns(p->owner->cm);
	head_save(p);
	row(p, "/source", buf_str(&p->source));
	if (p->state_was.n > 0)
		row(p, "/S", buf_str(&p->state_was));
	pieces_save(p, buf_str(&p->last_was));
	for (size_t i = 0; i < p->n; i++)
		if (whole || p->steps[i].id > 0)
			past_save_step(p, &p->steps[i]);
}

void
past_hold(struct past *p, bool held)
{
	if (p->held == held || p->orphan)
		return;
	p->held = held;
	if (p->saved)
		head_save(p);
	else
		save(p);
}

void
past_resume(struct past *p, struct str code)
{
	p->state = PAST_RUNNING;
	if (code.p != NULL)
		replace(p, &p->source, code);
	if (!p->saved)
		return;
	p->until_ns = keep_until_ns(p->owner->cm);
	head_save(p);
	row(p, "/source", buf_str(&p->source));
}

void
past_remove(struct past *p, size_t i)
{
	char name[32];

	if (p->saved && !p->orphan) {
		step_name(name, &p->steps[i]);
		row(p, name, STR_NONE);
	}
	step_free(p, &p->steps[i]);
	memmove(&p->steps[i], &p->steps[i + 1], (p->n - i - 1) * sizeof(*p->steps));
	p->n--;
}

static void
unsave(struct past *p)
{
	if (p->saved && !p->orphan)
		row(p, "", STR_NONE);
	p->saved = false;
}

void
past_forget(struct past *p)
{
	unsave(p);
	past_free(p);
}

/* ---- bounds ---- */

static bool
make_room(struct link *list, bool all)
{
	LIST_EACH(it, list) {
		struct past *p =
		    all ? CONTAINER(it, struct past, all) : CONTAINER(it, struct past, of_owner);

		if (p->state != PAST_RUNNING) {
			past_forget(p);
			return true;
		}
	}
	return false;
}

static void
bounds_keep(struct owner *o)
{
	struct codemode *cm = o->cm;

	while ((o->run_bytes > OWNER_BYTES || o->runs > OWNER_RUNS) && make_room(&o->pasts, false))
		;
	while (cm->run_bytes > ALL_BYTES && make_room(&cm->pasts, true))
		;
}

void
past_close(struct past *p, enum past_state state)
{
	struct owner *o = p->owner;

	p->state = state;
	p->held = false;
	p->until_ns = keep_until_ns(o->cm);
	if (p->orphan) {
		past_free(p);
		return;
	}
	/* The one that ended last is forgotten last. */
	link_drop(&p->of_owner);
	link_drop(&p->all);
	link_push(&o->pasts, &p->of_owner);
	link_push(&o->cm->pasts, &p->all);
	if (state == PAST_DONE)
		unsave(p);
	else
		save(p);
	bounds_keep(o);
}

void
pasts_forget(struct owner *o)
{
	LIST_EACH(it, &o->pasts) {
		struct past *p = CONTAINER(it, struct past, of_owner);

		if (p->state == PAST_RUNNING)
			p->orphan = true;
		else
			past_free(p);
	}
}

/* ---- a start ---- */

static int
word_of(struct str object, const char *name, const char *const *words, int n)
{
	struct str raw;

	if (json_get(object, str_of(name), &raw))
		for (int i = 0; i < n; i++)
			if (json_string_is(raw, str_of(words[i])))
				return i;
	return 0;
}

static int64_t
number_of(struct str object, const char *name)
{
	struct str raw;
	int64_t v = 0;

	return json_get(object, str_of(name), &raw) && json_i64(raw, &v) ? v : 0;
}

static struct str
text_of(struct str object, const char *name, struct arena *a)
{
	struct str raw, out = STR("");

	return json_get(object, str_of(name), &raw) && json_string(raw, a, &out) ? out : STR("");
}

static void
head_load(struct past *p, struct str v, struct arena *a)
{
	struct json_iter it;
	struct str raw, key, n;
	int64_t seed;

	(void)str_copy(p->session, sizeof(p->session), text_of(v, "session", a));
	(void)str_copy(p->end, sizeof(p->end), text_of(v, "end", a));
	(void)hex_decode(p->result.b, SHA256_BYTES, text_of(v, "result", a));
	p->state = (enum past_state)word_of(v, "state", past_words, COUNT(past_words));
	p->time_s = number_of(v, "time");
	hold(p, &p->snippets, text_of(v, "snippets", a));
	if (json_get(v, STR("plan"), &raw))
		hold(p, &p->plan, raw);
	p->plan_ok = number_of(v, "plan_ok") != 0;
	if (json_get(v, STR("seed"), &raw) && json_open(raw, &it))
		for (int i = 0; i < 2 && json_next(&it, &key, &n); i++)
			p->seed[i] = json_i64(n, &seed) ? (uint64_t)seed : 0;
}

static void
step_load(struct past *p, struct str v, struct str no, struct arena *a)
{
	struct str answer, raw;
	struct sha256 args = { 0 };
	struct step *s;
	int64_t number;

	(void)hex_decode(args.b, SHA256_BYTES, text_of(v, "args", a));
	s = past_add(p, text_of(v, "tool", a), &args, text_of(v, "shown", a));
	s->fan = (uint32_t)number_of(v, "fan");
	s->branch = (uint32_t)number_of(v, "branch");
	s->nth = (uint32_t)number_of(v, "nth");
	s->order = (uint32_t)number_of(v, "order");
	s->state = (enum step_state)word_of(v, "state", step_words, COUNT(step_words));
	s->mutates = !json_get(v, STR("mutates"), &raw) || json_kind(raw) != JSON_FALSE;
	if (json_get(v, STR("answer"), &answer))
		(void)past_answer(p, s, answer);
	if (str_i64(no, &number) && number > 0 && number < UINT32_MAX)
		s->no = (uint32_t)number;
	if (s->no > p->last_no)
		p->last_no = s->no;
}

/* What ran when the last gateway ended: nobody knows how its sent calls ended. */
void
pasts_loaded(struct codemode *cm)
{
	LIST_EACH(it, &cm->pasts) {
		struct past *p = CONTAINER(it, struct past, all);

		for (size_t i = 0; i < p->n; i++)
			if (p->steps[i].state == STEP_SENT)
				p->steps[i].state = STEP_LOST;
		if (p->state == PAST_RUNNING)
			p->state = PAST_FAILED;
	}
}

/* Rows come in order: the head before what is below it. */
void
past_load(struct owner *o, const struct kept_row *r)
{
	struct str rest = { r->name.p + sizeof(PAST_NAME) - 1,
		r->name.n - (sizeof(PAST_NAME) - 1) };
	struct str id = str_cut(&rest, '/');
	struct past *p = by_id(o->cm, id);
	struct arena a;
	struct err e;

	if (id.n != PAST_ID_BYTES || (p == NULL && rest.p != NULL) || (p != NULL && p->owner != o))
		return;
	arena_init(&a, 2 * r->value.n + 65536);
	if (p == NULL && json_check(r->value, true, &e)) {
		p = blank();
		(void)str_copy(p->id, sizeof(p->id), id);
		enlist(p, o);
		p->saved = true;
		p->until_ns = r->until_ns;
		head_load(p, r->value, &a);
	} else if (p != NULL && str_eq(rest, STR("source"))) {
		hold(p, &p->source, r->value);
	} else if (p != NULL && str_eq(rest, STR("S"))) {
		hold(p, &p->state_was, r->value);
	} else if (p != NULL && str_starts(rest, STR("last/"))) {
		hold(p, &p->last_was, r->value);
	} else if (p != NULL && str_starts(rest, STR("call/")) && json_check(r->value, true, &e)) {
		step_load(p, r->value, STR_SPAN(rest.p + 5, rest.p + rest.n), &a);
	}
	arena_free(&a);
}
