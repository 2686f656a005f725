/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park - a modern client is asked by ending its request, and answers with the next one.
 *
 *   park_new() --legacy server asks--> on_ask() --WINDOW_MS--> ask_reply(): input_required,
 *      |                                                        the call goes on without anybody
 *      |  next request, same name and arguments --park_resume()--> the answers go to the server,
 *      |                                                        the new request waits
 *      \--the call ends--> park_done() --> whoever waits; kept for the next request if nobody does
 *
 * Who is asked by a modern server gets that server's own state back, sealed; nothing is kept here.
 * Who is asked by the gateway itself, for an approval (call_wait.c), gets the request's id and the
 * policies' revision, under a letter of its own, so that no server's state passes for it.
 *
 * requestState is an attacker's to choose, so all kinds are sealed for the key and hold a digest
 * of the request and an expiry.  A parked call lives PEER_ANSWER_MS; a restart of the gateway ends
 * it.  A built-in that can go on from what it keeps (builtin_parks()) is called once more then, and
 * the answers go to the approvals that its questions were about, which are kept, too.  One key
 * parks at most PARKS_PER_KEY, so that it takes nobody else's room.
 */
#include "mcp/park.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mcp/bridge.h"
#include "mcp/view.h"

#define PARK_MAGIC      0x7061726bu
#define PARKS_MAX       1000
#define PARKS_PER_KEY   32
#define WINDOW_MS       50 /* servers ask for several things at once */
#define STATE_BYTES_MAX ((size_t)256 << 10)
#define KEPT_BYTES_MAX  ((size_t)1 << 20) /* of a call that ended while nobody waited */

struct park {
	struct job job;
	uint32_t magic;
	struct hub *hub;
	struct key *key;
	struct call *call;
	struct answer *an; /* who waits; NULL: nobody now */
	struct call_peer peer;
	struct link asked; /* questions that the client has to answer */
	struct timer window, ttl;
	struct sha256 digest;
	char id[24];
	bool named; /* in hub->parks */
	bool ended; /* while nobody waited */
	struct buf result, error;
	struct err why; /* code NONE: there is a result */
};

void
park_digest(struct sha256 *out, const struct rpc *m, const struct call_ask *a)
{
	struct str parts[] = { str_of(m->method), STR("|"), a->name, STR("|"), a->args, STR("|"),
		a->context };

	sha256_parts(out, parts, COUNT(parts));
}

static void
park_stop(struct job *j)
{
	struct park *p = CONTAINER(j, struct park, job);

	timer_stop(&p->window);
	timer_stop(&p->ttl);
	while (!link_empty(&p->asked))
		link_drop(p->asked.next);
	if (p->named)
		(void)map_del(&p->hub->parks, str_of(p->id));
	if (p->an != NULL)
		p->an->park = NULL;
}

static void
park_reap(struct job *j)
{
	struct park *p = CONTAINER(j, struct park, job);

	buf_fini(&p->result);
	buf_fini(&p->error);
	free(p);
}

static const struct job_type park_type = { "mcp park", park_stop, park_reap };

struct job *
park_job(struct park *p)
{
	return &p->job;
}

const struct call_peer *
park_peer(const struct park *p)
{
	return &p->peer;
}

void
park_started(struct park *p, struct call *c)
{
	p->call = c;
}

/* ---- what is sealed ---- */

/* kind | id | digest | expiry | raw, as one text. */
struct state {
	/* P: a parked call, by its id, and where it can go on without that, "TOKEN|ID.ROUND|asked"
	 * (or ""); M: a modern server's own state, raw, or "" when it has none,
	 * and the approval that the call has, "ID.ROUND" (or "");
	 * A: an approval, by its id; raw is the revision of the policies */
	char kind;
	struct str id, raw;
};

static void
state_put(struct buf *out, struct hub *h, struct key *k, const struct sha256 *digest,
    const struct state *st)
{
	struct key_info info;
	struct buf text;

	key_info(k, &info);
	buf_init(&text, STATE_BYTES_MAX);
	buf_printf(&text, "%c|" STR_FMT "|", st->kind, STR_ARG(st->id));
	buf_hex(&text, digest->b, sizeof(digest->b));
	buf_printf(&text, "|%lld|",
	    (long long)((loop_wall_ns(h->loop) / 1000000 + PEER_ANSWER_MS) / 1000));
	buf_put(&text, st->raw);
	buf_puts(out, ",\"requestState\":\"");
	if (!buf_ok(&text) || !aead_seal(out, h->seal_key, info.id, buf_str(&text)))
		out->failed = true;
	buf_putc(out, '"');
	buf_fini(&text);
}

static bool
state_read(struct hub *h, struct key *k, struct str raw, const struct sha256 *digest,
    struct buf *scratch, struct state *out)
{
	struct str rest, kind, hex, expiry;
	uint8_t want[SHA256_BYTES];
	struct key_info info;
	int64_t until_s = 0;

	key_info(k, &info);
	if (json_kind(raw) != JSON_STRING || raw.n < 3 || raw.n > STATE_BYTES_MAX * 2 ||
	    !aead_open(scratch, h->seal_key, info.id, (struct str){ raw.p + 1, raw.n - 2 }) ||
	    !buf_ok(scratch))
		return false;
	rest = buf_str(scratch);
	kind = str_cut(&rest, '|');
	out->id = str_cut(&rest, '|');
	hex = str_cut(&rest, '|');
	expiry = str_cut(&rest, '|');
	out->raw = rest.p == NULL ? STR("") : rest;
	if (kind.n != 1 || !hex_decode(want, sizeof(want), hex) || !str_i64(expiry, &until_s))
		return false;
	out->kind = kind.p[0];
	return memcmp(want, digest->b, sizeof(want)) == 0 &&
	       until_s >= loop_wall_ns(h->loop) / 1000000000;
}

void
park_seal_result(struct buf *out, const struct answer *an, struct str result)
{
	struct str approval = call_approval(an->call);
	struct state st = { .kind = 'M', .raw = STR("") };
	struct buf round;

	buf_init(&round, 0);
	call_put_round(an->call, &round);
	st.id = buf_str(&round);
	buf_putc(out, '{');
	rpc_put_members(out, result, STR("requestState"));
	(void)json_get(result, STR("requestState"), &st.raw);
	if (approval.n > 0)
		st = (struct state){ 'A', approval, core_revision(an->v.hub->core) };
	state_put(out, an->v.hub, an->key, &an->digest, &st);
	buf_putc(out, '}');
	buf_fini(&round);
}

/* ---- asking ---- */

static void
questions_put(const struct park *p, struct buf *b)
{
	const char *comma = "";

	buf_puts(b, "{\"resultType\":\"input_required\",\"inputRequests\":{");
	LIST_EACH(it, &p->asked) {
		struct question *q = CONTAINER(it, struct question, of_session);

		buf_printf(b, "%s\"%s\":{\"method\":", comma, q->id);
		buf_json_str(b, buf_str(&q->method));
		buf_puts(b, ",\"params\":");
		buf_put(b, q->params.n > 0 ? buf_str(&q->params) : STR("{}"));
		buf_putc(b, '}');
		comma = ",";
	}
	buf_putc(b, '}');
}

/* For the time after a restart: "TOKEN|ID.ROUND|asked", as in struct call_ask. */
static void
rest_put(const struct park *p, struct buf *b)
{
	struct str token = call_token(p->call);

	if (token.n == 0)
		return;
	buf_put(b, token);
	buf_putc(b, '|');
	call_put_round(p->call, b);
	buf_putc(b, '|');
	LIST_EACH(it, &p->asked) {
		struct question *q = CONTAINER(it, struct question, of_session);

		buf_printf(b, "%s%s=" STR_FMT, it == p->asked.next ? "" : " ", q->id,
		    STR_ARG(call_approval(q->call)));
	}
}

static void
on_ttl(void *ctx)
{
	job_cancel(&((struct park *)ctx)->job);
}

/* The request of whoever waits ends here; the call goes on. */
static void
ask_reply(void *ctx)
{
	struct park *p = ctx;
	struct answer *an = p->an;
	struct buf b, rest;

	if (an == NULL || link_empty(&p->asked))
		return;
	buf_init(&b, (size_t)64 << 20);
	buf_init(&rest, STATE_BYTES_MAX / 2);
	rest_put(p, &rest);
	questions_put(p, &b);
	state_put(&b, p->hub, p->key, &p->digest,
	    &(struct state){ .kind = 'P', .id = str_of(p->id), .raw = buf_str(&rest) });
	buf_fini(&rest);
	buf_putc(&b, '}');
	p->an = NULL;
	an->park = NULL;
	timer_set(p->hub->loop, &p->ttl, PEER_ANSWER_MS, on_ttl, p);
	answer_give(an, buf_ok(&b) ? buf_str(&b) : STR_NONE);
	buf_fini(&b);
}

static size_t
parked_by(const struct hub *h, const struct key *k)
{
	size_t it = 0, n = 0;
	struct str id;
	void *p;

	while (map_next(&h->parks, &it, &id, &p))
		n += ((struct park *)p)->key == k;
	return n;
}

static bool
on_ask(void *ctx, struct question *q)
{
	struct park *p = ctx;

	IS(p, PARK_MAGIC);
	if (!p->named) {
		if (p->hub->parks.n >= PARKS_MAX || parked_by(p->hub, p->key) >= PARKS_PER_KEY)
			return false;
		base62_random(p->id, sizeof(p->id) - 1);
		p->id[sizeof(p->id) - 1] = '\0';
		map_set(&p->hub->parks, str_of(p->id), p);
		p->named = true;
	}
	link_push(&p->asked, &q->of_session);
	if (!timer_armed(&p->window))
		timer_set(p->hub->loop, &p->window, WINDOW_MS, ask_reply, p);
	return true;
}

static void
on_tell(void *ctx, const struct rpc *m)
{
	struct park *p = ctx;

	if (p->an != NULL)
		p->an->peer.tell(p->an->peer.ctx, m);
}

struct park *
park_new(struct answer *an, const struct sha256 *digest)
{
	struct park *p = mem_zalloc(sizeof(*p));

	p->magic = PARK_MAGIC;
	p->hub = an->v.hub;
	p->key = an->key;
	p->an = an;
	p->digest = *digest;
	p->peer = an->peer;
	p->peer.tell = on_tell;
	p->peer.ask = on_ask;
	p->peer.ctx = p;
	link_init(&p->asked);
	buf_init(&p->result, KEPT_BYTES_MAX);
	buf_init(&p->error, KEPT_BYTES_MAX);
	job_init(&p->job, &park_type, &p->hub->job, NULL, NULL);
	an->park = p;
	return p;
}

/* ---- the end ---- */

void
park_done(void *ctx, struct str result, const struct err *e)
{
	struct park *p = ctx;
	struct answer *an = p->an;
	struct str error = call_error(p->call);

	IS(p, PARK_MAGIC);
	if (an != NULL) {
		p->an = NULL;
		an->park = NULL;
		answer_finish(an, result, error, e);
		job_cancel(&p->job);
		return;
	}
	p->ended = true;
	p->call = NULL;
	buf_put(&p->result, result);
	buf_put(&p->error, error);
	if (e != NULL)
		p->why = *e;
	else if (!buf_ok(&p->result) || !buf_ok(&p->error))
		(void)err_set(&p->why, ERR_TOO_LARGE, "the result is too large to keep");
}

void
park_left(struct park *p)
{
	p->an->park = NULL;
	p->an = NULL;
	job_cancel(&p->job);
}

/* ---- the next round ---- */

static void
answers_take(struct park *p, struct str responses)
{
	struct link *it = p->asked.next, *next;

	for (; it != &p->asked; it = next) {
		struct question *q = CONTAINER(it, struct question, of_session);
		struct str result;

		next = it->next;
		if (json_kind(responses) == JSON_OBJECT &&
		    json_get(responses, str_of(q->id), &result) && json_kind(result) == JSON_OBJECT)
			question_answer(q, result, STR_NONE);
	}
}

static void
resume(struct park *p, struct answer *an, struct str responses)
{
	timer_stop(&p->ttl);
	p->an = an;
	an->park = p;
	an->call = p->call;
	p->peer.progress = an->peer.progress;
	p->peer.log_level = an->peer.log_level;
	if (p->ended) {
		p->an = NULL;
		an->park = NULL;
		answer_finish(an, buf_str(&p->result),
		    p->error.n > 0 ? buf_str(&p->error) : STR_NONE,
		    p->why.code == ERR_NONE ? NULL : &p->why);
		job_cancel(&p->job);
		return;
	}
	answers_take(p, responses);
	/* What was not answered is asked again. */
	if (!link_empty(&p->asked) && p->an != NULL)
		timer_set(p->hub->loop, &p->window, WINDOW_MS, ask_reply, p);
}

static void
approval_read(struct str text, struct call_ask *a)
{
	a->approval = str_cut(&text, '.');
	if (!str_i64(text, &a->round))
		a->round = 0;
}

/* The gateway has forgotten it; can it go on all the same? */
static bool
rest_read(struct str raw, struct str responses, struct call_ask *a)
{
	a->token = str_cut(&raw, '|');
	approval_read(str_cut(&raw, '|'), a);
	a->asked = raw.p == NULL ? STR("") : raw;
	a->input_responses = json_kind(responses) == JSON_OBJECT ? responses : STR("");
	return a->token.n > 0;
}

enum park_verdict
park_resume(struct answer *an, const struct rpc *m, const struct sha256 *digest, struct call_ask *a,
    struct buf *scratch)
{
	struct hub *h = an->v.hub;
	struct str raw, responses = STR("");
	struct state st;
	struct park *p;

	(void)json_get(m->params, STR("inputResponses"), &responses);
	if (!json_get(m->params, STR("requestState"), &raw) ||
	    !state_read(h, an->key, raw, digest, scratch, &st))
		return PARK_BAD;
	if (st.kind == 'M') {
		approval_read(st.id, a);
		a->request_state = st.raw;
		a->input_responses = json_kind(responses) == JSON_OBJECT ? responses : STR("");
		return PARK_CALL;
	}
	if (st.kind == 'A') {
		a->approval = st.id;
		if (json_kind(responses) != JSON_OBJECT ||
		    !json_get(responses, STR("approval"), &a->answer) ||
		    json_kind(a->answer) != JSON_OBJECT)
			a->answer = STR("");
		return PARK_CALL;
	}
	p = st.kind == 'P' ? map_get(&h->parks, st.id) : NULL;
	if (st.kind == 'P' && p == NULL && rest_read(st.raw, responses, a))
		return PARK_CALL;
	if (p == NULL || p->key != an->key || p->an != NULL)
		return PARK_BAD;
	resume(p, an, responses);
	return PARK_TAKEN;
}
