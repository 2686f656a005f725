/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bridge - sampling, elicitation and roots between the two eras.
 *
 *                    server legacy                        server modern
 *   client legacy    request -> request on the reply's    input_required -> requests on the
 *                    stream, its answer -> the server      reply's stream, all answers -> the call
 *                                                          again, with inputResponses
 *   client modern    request -> the call is parked, the   input_required passes, its state sealed
 *                    reply is input_required (park.c)      (park.c)
 *
 * A question is put only to the client whose call it is, and only when that client has said that it
 * can be asked; otherwise a legacy server gets -32601, a modern one never was told of the ability.
 * While a question is open the call's deadline rests: people may be slow.
 */
#include "mcp/bridge.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "mcp/instance.h"
#include "mcp/peer.h"

#define ROUNDS_MAX        16
#define PARAMS_BYTES_MAX  ((size_t)4 << 20)
#define REQUEST_BYTES_MAX ((size_t)48 << 20)

void
bridge_init(struct call_bridge *b)
{
	link_init(&b->questions);
	buf_init(&b->params, REQUEST_BYTES_MAX);
	buf_init(&b->meta, 1 << 20);
	buf_init(&b->state, PARAMS_BYTES_MAX);
}

static void
question_free(struct question *q)
{
	link_drop(&q->of_call);
	link_drop(&q->of_session);
	buf_fini(&q->method);
	buf_fini(&q->params);
	buf_fini(&q->key);
	buf_fini(&q->answer);
	free(q);
}

void
bridge_drop(struct call_bridge *b)
{
	while (!link_empty(&b->questions))
		question_free(CONTAINER(b->questions.next, struct question, of_call));
	b->open = 0;
}

void
bridge_fini(struct call_bridge *b)
{
	timer_stop(&b->wait);
	bridge_drop(b);
	buf_fini(&b->params);
	buf_fini(&b->meta);
	buf_fini(&b->state);
}

/* Without _meta: the progress tokens in it are the server's and mean nothing to the client. */
static void
params_put(struct buf *b, struct str params)
{
	if (params.n == 0)
		return;
	buf_putc(b, '{');
	rpc_put_members(b, params, STR("_meta"));
	buf_putc(b, '}');
}

static struct question *
question_new(struct call *c, struct call_bridge *b, struct str method, struct str params)
{
	struct question *q;

	if (b->open >= QUESTIONS_MAX)
		return NULL;
	q = mem_zalloc(sizeof(*q));
	q->call = c;
	link_init(&q->of_session);
	buf_init(&q->method, RPC_METHOD_BYTES_MAX);
	buf_init(&q->params, PARAMS_BYTES_MAX);
	buf_init(&q->key, RPC_ID_BYTES_MAX * 8);
	buf_init(&q->answer, PARAMS_BYTES_MAX);
	buf_put(&q->method, method);
	params_put(&q->params, params);
	memcpy(q->id, "tollgate-", 9);
	base62_random(q->id + 9, sizeof(q->id) - 10);
	link_push(&b->questions, &q->of_call);
	b->open++;
	return q;
}

static bool
question_put(struct question *q, const struct call_peer *p)
{
	return buf_ok(&q->method) && buf_ok(&q->params) && buf_ok(&q->key) && p->ask(p->ctx, q);
}

bool
bridge_ask(struct call *c, const struct call_peer *p, struct str method, struct str params,
    void (*fn)(void *ctx, struct str result))
{
	struct call_bridge *b = call_bridge_of(c);
	struct question *q = question_new(c, b, method, params);

	if (q == NULL)
		return false;
	q->answered = fn;
	if (question_put(q, p))
		return true;
	b->open--;
	question_free(q);
	return false;
}

/* ---- legacy servers ---- */

void
bridge_request(struct call *c, struct call_bridge *b, struct upcall *u, const struct call_peer *p,
    const struct rpc *m)
{
	unsigned needs = peer_needs(str_of(m->method), m->params);
	struct question *q = NULL;

	if (p != NULL && needs != 0 && (p->caps & needs) == needs)
		q = question_new(c, b, str_of(m->method), m->params);
	if (q == NULL) {
		server_refuse(u->sv, m);
		return;
	}
	q->sv = u->sv;
	buf_put(&q->key, m->id);
	upcall_rest(u, true);
	if (question_put(q, p)) {
		if (p->modern)
			instance_leave_to_one(u->sv);
		return;
	}
	b->open--;
	question_free(q);
	upcall_rest(u, b->open > 0);
	server_refuse(u->sv, m);
}

static void
legacy_answer(struct question *q, struct str result, struct str error)
{
	struct buf b;

	buf_init(&b, PARAMS_BYTES_MAX + 4096);
	buf_puts(&b, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_put(&b, buf_str(&q->key));
	buf_puts(&b, result.p != NULL ? ",\"result\":" : ",\"error\":");
	buf_put(&b, result.p != NULL ? result : error);
	buf_putc(&b, '}');
	if (buf_ok(&b)) {
		q->sv->type->tell(q->sv, buf_str(&b));
	} else {
		buf_reset(&b);
		rpc_put_error(
		    &b, buf_str(&q->key), RPC_SERVER, STR("the answer is too large"), STR(""));
		q->sv->type->tell(q->sv, buf_str(&b));
	}
	buf_fini(&b);
}

/* ---- modern servers ---- */

bool
bridge_fits(struct str result, unsigned caps, unsigned *missing)
{
	struct str requests, key, one, method, params;
	struct json_iter it;

	*missing = 0;
	if (!json_get(result, STR("inputRequests"), &requests) || !json_open(requests, &it))
		return true;
	while (json_next(&it, &key, &one)) {
		unsigned needs;

		params = STR("{}");
		if (json_kind(one) != JSON_OBJECT || !json_get(one, STR("method"), &method) ||
		    json_kind(method) != JSON_STRING)
			return false;
		(void)json_get(one, STR("params"), &params);
		needs = peer_needs((struct str){ method.p + 1, method.n - 2 }, params);
		if (needs == 0)
			return false;
		*missing |= needs & ~caps;
	}
	return *missing == 0;
}

static bool
one_put(struct call *c, struct call_bridge *b, const struct call_peer *p, struct str key,
    struct str one)
{
	struct str method, params = STR("{}");
	struct question *q;

	(void)json_get(one, STR("method"), &method); /* bridge_fits() has seen it */
	(void)json_get(one, STR("params"), &params);
	q = question_new(c, b, (struct str){ method.p + 1, method.n - 2 }, params);
	if (q == NULL)
		return false;
	buf_put(&q->key, key);
	return question_put(q, p);
}

bool
bridge_round(struct call *c, struct call_bridge *b, const struct call_peer *p, struct str result,
    struct err *e)
{
	struct str requests, state, key, one;
	struct json_iter it;
	unsigned missing;

	if (++b->rounds > ROUNDS_MAX)
		return err_set(
		    e, ERR_UPSTREAM, "it asked for input more than %d times", ROUNDS_MAX);
	if (!bridge_fits(result, p->caps, &missing))
		return err_set(e, ERR_UPSTREAM, "it asks for what this client cannot be asked");
	bridge_drop(b);
	buf_reset(&b->state);
	if (json_get(result, STR("requestState"), &state) && json_kind(state) == JSON_STRING)
		buf_put(&b->state, state);
	if (json_get(result, STR("inputRequests"), &requests) && json_open(requests, &it))
		while (json_next(&it, &key, &one))
			if (!one_put(c, b, p, key, one))
				return err_set(e, ERR_UPSTREAM,
				    "it asks for what this client cannot be asked");
	if (b->open == 0)
		call_again(c);
	return true;
}

static void
answer_take(struct question *q, struct str result, struct str error)
{
	struct call *c = q->call;
	struct call_bridge *b = call_bridge_of(c);

	ASSERT(b->open > 0);
	b->open--;
	if (q->answered != NULL) {
		void (*fn)(void *ctx, struct str result) = q->answered;

		link_drop(&q->of_session);
		fn(c, result);
		question_free(q);
		return;
	}
	if (q->sv != NULL) {
		legacy_answer(q, result, error);
		question_free(q);
		if (b->open == 0)
			call_rest(c, false);
		return;
	}
	link_drop(&q->of_session);
	/* The modern wire has no place for an error: who elicits is told that it was cancelled. */
	if (result.p == NULL && str_eq(buf_str(&q->method), STR("elicitation/create")))
		result = STR("{\"action\":\"cancel\"}");
	buf_put(&q->answer, result);
	if (result.p == NULL)
		call_failed(c, "the client refused what it was asked");
	else if (b->open == 0)
		call_again(c);
}

void
question_answer(struct question *q, struct str result, struct str error)
{
	const bool refused = result.p == NULL;
	const struct str said = refused ? error : result;
	struct buf clean;
	struct str told = call_redact_answer(q->call, said, &clean);

	if (said.p != NULL && told.p == NULL)
		answer_take(
		    q, STR_NONE, STR("{\"code\":-32000,\"message\":\"the answer was withheld\"}"));
	else
		answer_take(q, refused ? STR_NONE : told, refused ? told : error);
	buf_fini(&clean);
}

void
bridge_put_answers(const struct call_bridge *b, struct buf *out)
{
	const char *comma = "";

	buf_puts(out, ",\"inputResponses\":{");
	LIST_EACH(it, &b->questions) {
		struct question *q = CONTAINER(it, struct question, of_call);

		buf_puts(out, comma);
		comma = ",";
		buf_put(out, buf_str(&q->key));
		buf_putc(out, ':');
		buf_put(out, buf_str(&q->answer));
		out->failed = out->failed || !buf_ok(&q->answer);
	}
	buf_putc(out, '}');
	if (b->state.n > 0) {
		buf_puts(out, ",\"requestState\":");
		buf_put(out, buf_str(&b->state));
	}
}
