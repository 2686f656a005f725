/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approvals - answers to requests for approval that come over HTTP.
 *
 *   POST /admin/api/approvals   the operator, on the control socket or with an admin token
 *   GET, POST /approvals/key    a user, with a key of their own
 *   POST /approvals/TOKEN       a webhook, signed
 *
 * Here is only who says what; whether it counts is approval_answer()'s to decide.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "gateway/admin.h"

#define BODY_BYTES  ((size_t)16 << 10)
#define ARENA_BYTES ((size_t)64 << 10)
#define KEYS_PATH   "/approvals/key"
#define TOKENS_PATH "/approvals/"

static struct str
text_of(struct str body, struct str name, struct arena *a)
{
	struct str raw, s = STR("");

	if (json_get(body, name, &raw))
		(void)json_string(raw, a, &s);
	return s;
}

static bool
body_check(struct str body, struct err *e)
{
	if (body.n > BODY_BYTES)
		return err_set(e, ERR_TOO_LARGE, "the answer to an approval has at most 16 KiB");
	return json_check(body, true, e) &&
	       (json_kind(body) == JSON_OBJECT || err_set(e, ERR_INVALID, "an object is expected"));
}

static bool
decision_read(struct str word, bool *yes, struct err *e)
{
	*yes = str_eq(word, STR("approve"));
	return *yes || str_eq(word, STR("deny")) ||
	       err_set(e, ERR_INVALID, "decision is approve or deny");
}

/* The body has been checked. */
static bool
answer_give(struct approval_request *r, struct str id, struct str body, struct approval_answer *a,
    struct err *e)
{
	struct arena arena;
	bool ok;

	arena_init(&arena, ARENA_BYTES);
	a->reason = text_of(body, STR("reason"), &arena);
	a->user = a->way == APPROVAL_WEBHOOK ? text_of(body, STR("by"), &arena) : STR("");
	if (a->user.n > 0)
		a->actor =
		    arena_printf(&arena, "webhook:" STR_FMT, STR_ARG(str_clip(a->user, 100)));
	ok = decision_read(text_of(body, STR("decision"), &arena), &a->yes, e);
	if (ok && r == NULL)
		ok = err_set(e, ERR_NOT_FOUND,
		    "no approval \"" STR_FMT "\" is known (tollgate approve --list)",
		    STR_ARG(str_clip(id, 40)));
	ok = ok && approval_answer(r, a, e);
	arena_free(&arena);
	return ok;
}

bool
/* NOLINTNEXTLINE(readability-function-size): who, what, about which, and where to */
approval_command(struct core *c, struct str id, struct str body, struct approval_answer *a,
    struct buf *out, struct err *e)
{
	struct approval_request *r;
	struct arena arena;
	bool ok = body_check(body, e);

	arena_init(&arena, ARENA_BYTES);
	if (ok && id.n == 0)
		id = text_of(body, STR("id"), &arena);
	r = ok ? approval_find(c, id) : NULL;
	ok = ok && answer_give(r, id, body, a, e);
	if (ok)
		approval_json(r, out);
	arena_free(&arena);
	return ok;
}

/* ---- over TCP ---- */

struct reply { /* waits until what was said is in the journal */
	struct job job;
	struct exchange *x;
	struct deferred durable;
	struct buf body;
};

static void
reply_stop(struct job *j)
{
	deferred_drop(&CONTAINER(j, struct reply, job)->durable);
}

static void
reply_reap(struct job *j)
{
	struct reply *r = CONTAINER(j, struct reply, job);

	buf_fini(&r->body);
	free(r);
}

static const struct job_type reply_type = { "approval", reply_stop, reply_reap };

static void
reply_send(void *ctx)
{
	struct reply *r = ctx;

	exchange_reply(r->x, 200, STR("application/json"), buf_str(&r->body));
}

static bool
key_answer(struct exchange *x, struct buf *out, struct err *e)
{
	struct approval_answer a = { .way = APPROVAL_CLI, .key = x->key };
	struct key_info info;

	key_info(x->key, &info);
	a.actor = info.id;
	return approval_command(x->g->core, STR(""), x->body, &a, out, e);
}

static bool
token_answer(struct exchange *x, struct buf *out, struct err *e)
{
	const size_t skip = sizeof(TOKENS_PATH) - 1;
	const struct approval_signature s = {
		.timestamp = exchange_header(x, STR("x-tollgate-timestamp")),
		.signature = exchange_header(x, STR("x-tollgate-signature")),
		.token = { x->path.p + skip, x->path.n - skip },
		.body = x->body,
	};

	return approval_hook_answer(x->g, &s, out, e);
}

static void
answer(struct exchange *x)
{
	struct reply *r = mem_zalloc(sizeof(*r));
	struct err e;

	r->x = x;
	buf_init(&r->body, 0);
	job_init(&r->job, &reply_type, &x->job, NULL, NULL);
	if (x->key != NULL ? key_answer(x, &r->body, &e) : token_answer(x, &r->body, &e))
		core_when_durable(x->g->core, &r->durable, reply_send, r);
	else
		exchange_refuse(x, &e);
}

/* What this key has asked for, and what it may say yes to. */
static void
key_list(struct exchange *x)
{
	struct approval_request *r = NULL;
	bool first = true;
	struct buf b;

	buf_init(&b, 0);
	buf_putc(&b, '[');
	while ((r = approval_next(x->g->core, r)) != NULL) {
		if (!approval_concerns(r, x->key))
			continue;
		if (!first)
			buf_putc(&b, ',');
		first = false;
		approval_json(r, &b);
	}
	buf_putc(&b, ']');
	exchange_reply(x, 200, STR("application/json"), buf_str(&b));
	buf_fini(&b);
}

void
approvals_endpoint(struct exchange *x)
{
	const bool post = str_eq(x->head->method, STR("POST")),
		   key = str_eq(x->path, STR(KEYS_PATH));
	struct err e;

	if (!post && !(key && str_eq(x->head->method, STR("GET")))) {
		(void)err_set(&e, ERR_METHOD, "%s takes POST", TOKENS_PATH);
		exchange_refuse(x, &e);
	} else if (!key || exchange_identify(x)) {
		if (post)
			answer(x);
		else
			key_list(x);
	}
}
