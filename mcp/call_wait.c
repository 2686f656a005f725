/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_wait - a call that needs an approval, or a place.
 *
 *   a call --gate: needs approval--> call_wait()
 *      |  a modern client's own call: its result is the question; the next round brings the answer
 *      |  a legacy client's own call, a script's call: it waits here, without a pass
 *      |      --elicitation--> the client of the request, or of the script's run
 *      |      --any turn of the request--> call_resume(): the gate again, with the request's id
 *      \  else: refused, with its id
 *   a script's call --gate: as many as may are at it--> in line (policies/queue.c), without a pass
 *             --somebody has left--> place_free(): the gate again
 *
 * The question is ours and so is its answer: a server's own questions never come this way, because
 * the state of ours is sealed under another letter (park.c) and its id is drawn here.  Of a
 * client's answer only the word counts: accept, decline, or anything else.  Whether it may be given
 * is approval_answer()'s to say, and whether the call may go on the gate's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mcp/call_private.h"

#define KEPT_BYTES_MAX ((size_t)40 << 20) /* until the end of the turn */
#define WAIT_BYTES_MAX ((size_t)1 << 20)  /* as long as people take */

struct call_kept { /* what was asked for, until there is an answer */
	struct arena arena;
	struct call_ask a;
};

static const struct call_peer *
person_of(const struct call_ask *a)
{
	return a->asks != NULL ? a->asks : a->peer;
}

static bool
by_result(const struct call_ask *a)
{
	return a->asks == NULL && a->peer != NULL && a->peer->modern;
}

/* A key's calls that wait hold their arguments for hours: what is larger is refused, with its id.
 */
static bool
kept_fits(const struct call_ask *a)
{
	const size_t most = by_result(a) ? KEPT_BYTES_MAX - 65536 : WAIT_BYTES_MAX;

	return a->name.n + a->args.n + a->context.n + a->meta.n < most;
}

bool
call_can_ask(const struct call_ask *a)
{
	const struct call_peer *p = person_of(a);

	return p != NULL && (p->caps & PEER_ELICIT_FORM) != 0 && kept_fits(a);
}

/* ---- the question ---- */

/* A form without fields: accept is yes. */
static void
params_put(const struct approval_request *r, struct buf *b)
{
	struct buf text;

	buf_init(&text, 0);
	approval_message(r, &text);
	buf_puts(b, "{\"mode\":\"form\",\"message\":");
	buf_json_str(b, buf_str(&text));
	buf_puts(b, ",\"requestedSchema\":{\"type\":\"object\",\"properties\":{}}}");
	buf_fini(&text);
}

static void
answer_take(struct approval_request *r, struct key *k, struct str result)
{
	struct approval_answer answer = { .way = APPROVAL_ELICITATION, .reason = STR("") };
	struct str action = STR("");
	struct key_info info;
	struct buf actor;
	struct err e;
	bool said = true;

	(void)json_get(result, STR("action"), &action);
	key_info(k, &info);
	buf_init(&actor, 0);
	buf_printf(&actor, "client:" STR_FMT, STR_ARG(info.id));
	answer.actor = buf_str(&actor);
	answer.yes = json_kind(action) == JSON_STRING && json_string_is(action, STR("accept"));
	if (answer.yes ||
	    (json_kind(action) == JSON_STRING && json_string_is(action, STR("decline"))))
		said = approval_answer(r, &answer, &e);
	else
		approval_withdraw(r, "the question was dismissed");
	if (!said && approval_state(r) == APPROVAL_WAITING)
		log_info(NULL, "an answer does not count", F_STR("approval", approval_id(r)),
		    F_TEXT("why", e.text));
	buf_fini(&actor);
}

static void
on_answer(void *ctx, struct str result)
{
	struct call *c = ctx;

	if (c->wait.request != NULL && approval_state(c->wait.request) == APPROVAL_WAITING)
		answer_take(c->wait.request, c->kept->a.key, result.p != NULL ? result : STR("{}"));
}

/* A modern client's own call ends with the question. */
static void
result_ask(struct call *c, const struct approval_request *r)
{
	struct buf b;

	buf_init(&b, 0);
	buf_puts(&b, "{\"resultType\":\"input_required\",\"inputRequests\":{\"approval\":{"
		     "\"method\":\"elicitation/create\",\"params\":");
	params_put(r, &b);
	buf_puts(&b, "}}}");
	call_end(c, buf_str(&b), NULL);
	buf_fini(&b);
}

static void
person_ask(void *ctx)
{
	struct call *c = ctx;
	struct approval_request *r = approval_find(c->hub->core, str_of(c->approval));
	struct buf params;
	bool ok;

	if (r == NULL || approval_state(r) != APPROVAL_WAITING)
		return; /* its turn has been told */
	if (by_result(&c->kept->a)) {
		approval_wait_drop(&c->wait);
		result_ask(c, r);
		return;
	}
	buf_init(&params, 0);
	params_put(r, &params);
	ok = bridge_ask(
	    c, person_of(&c->kept->a), STR("elicitation/create"), buf_str(&params), on_answer);
	buf_fini(&params);
	if (!ok)
		approval_withdraw(r, "the client cannot be asked now");
}

/* ---- waiting ---- */

static void
kept_fill(struct call_kept *k, const struct call_ask *a)
{
	struct str *texts[] = { &k->a.name, &k->a.args, &k->a.context, &k->a.session,
		&k->a.tool_use, &k->a.client, &k->a.address, &k->a.meta };

	arena_init(&k->arena, KEPT_BYTES_MAX);
	k->a = *a;
	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i] = texts[i]->n > 0 ? arena_str(&k->arena, *texts[i]) : STR("");
	k->a.round = 0;
	k->a.input_responses = k->a.request_state = k->a.approval = k->a.answer = STR("");
	k->a.token = k->a.asked = STR(""); /* the call has its token */
}

void
call_wait_drop(struct call *c)
{
	struct approval_request *r = c->wait.request;

	deferred_drop(&c->resume);
	place_wait_drop(&c->place);
	if (r != NULL) {
		approval_wait_drop(&c->wait);
		if (!c->hub->leaving)
			approval_withdraw(r, "its call was cancelled");
	}
	if (c->kept != NULL)
		arena_free(&c->kept->arena);
	MEM_FREE(&c->kept);
}

static bool queue(struct call *c, const struct call_ask *a);

/* What it waited for is there: the gate again. */
static void
again(struct call *c)
{
	const struct call_ask *a = &c->kept->a;
	struct err e;

	if (call_proceed(c, a, &e) || queue(c, a))
		return;
	e.unmade = true;
	call_end(c, STR_NONE, &e);
}

static void
place_free(void *ctx)
{
	struct call *c = ctx;

	c->kept->a.queue(c->ctx, false);
	again(c);
}

static void
call_resume(void *ctx)
{
	struct call *c = ctx;
	struct call_ask *a = &c->kept->a;

	approval_wait_drop(&c->wait);
	deferred_drop(&c->person);
	bridge_drop(&c->bridge);
	if (a->rest != NULL)
		a->rest(c->ctx, false);
	a->approval = str_of(c->approval);
	again(c);
}

static void
on_turn(void *ctx)
{
	struct call *c = ctx;

	loop_defer(c->hub->loop, &c->resume, call_resume, c);
}

static void
keep(struct call *c, const struct call_ask *a)
{
	if (c->kept != NULL)
		return;
	c->kept = mem_zalloc(sizeof(*c->kept));
	kept_fill(c->kept, a);
}

bool
call_can_queue(const struct call_ask *a)
{
	return a->queue != NULL && kept_fits(a);
}

static bool
queue(struct call *c, const struct call_ask *a)
{
	if (!pass_may_wait(&c->pass))
		return false;
	keep(c, a);
	c->place.fn = place_free;
	c->place.ctx = c;
	place_wait(&c->pass, &c->place);
	c->kept->a.queue(c->ctx, true);
	return true;
}

bool
call_wait(struct call *c, const struct call_ask *a, const struct err *e)
{
	struct approval_request *r = e->code == ERR_APPROVAL ? pass_approval(&c->pass) : NULL;
	bool person = r != NULL && approval_asks(r, APPROVAL_ELICITATION);

	if (e->code != ERR_APPROVAL)
		return queue(c, a);
	if ((!person && a->parent == NULL) || !kept_fits(a))
		return false;
	keep(c, a);
	(void)str_copy(c->approval, sizeof(c->approval), approval_id(r));
	c->wait = (struct approval_wait){ .fn = on_turn, .ctx = c };
	approval_wait(r, &c->wait);
	if (person)
		loop_defer(c->hub->loop, &c->person, person_ask, c);
	if (a->rest != NULL)
		a->rest(c->ctx, true);
	return true;
}

struct str
call_waits(const struct call *c)
{
	const struct approval_request *r = c->wait.request;

	return r != NULL && !approval_asks(r, APPROVAL_ELICITATION) ? approval_id(r) : STR("");
}

void
call_leave(struct call *c)
{
	approval_wait_drop(&c->wait);
}

void
call_put_round(const struct call *c, struct buf *out)
{
	if (c != NULL && c->pass.approved[0] != '\0')
		buf_printf(out, "%s.%lld", c->pass.approved, (long long)c->pass.round);
}

struct str
call_approval(const struct call *c)
{
	return c != NULL ? str_of(c->approval) : STR("");
}

/* ---- the next round of a modern client's own call ---- */

static void
answer_to(struct hub *h, struct key *k, struct str approval, struct str answer)
{
	struct approval_request *r = approval_find(h->core, approval);

	if (r != NULL && approval_is_of(r, k) && approval_state(r) == APPROVAL_WAITING)
		answer_take(r, k, answer);
}

void
call_answer(struct hub *h, const struct call_ask *a)
{
	struct str rest = a->asked, answer;

	if (a->approval.n > 0 && a->answer.n > 0)
		answer_to(h, a->key, a->approval, a->answer);
	while (rest.n > 0 && a->input_responses.n > 0) {
		struct str approval = str_cut(&rest, ' '), question = str_cut(&approval, '=');

		if (json_get(a->input_responses, question, &answer) &&
		    json_kind(answer) == JSON_OBJECT)
			answer_to(h, a->key, approval, answer);
	}
}
