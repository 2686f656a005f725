/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_redact - what `redact:` rules want of a call: the one place in which anything that a client
 * sends to a server or a server to a client, by way of a call, is rewritten.
 *
 *   towards the server   arguments, the context of a completion, _meta, answers to its questions
 *   towards the client   results and errors, progress and log messages, questions
 *
 * Arguments are rewritten before the gate judges them, so what is judged is what is forwarded.
 * What blocks refuses the call, or withholds the result: the server has done its work by then, and
 * the client is told so.  A state that only the server reads passes as it is.
 */
#include "mcp/call_private.h"

#include "policies/policies.h"

#define NOTICE_BYTES ((size_t)4 << 20)

/* One of the client's documents, if it is there. */
static bool
ask_clean(struct call *c, struct str *doc, struct buf *into, struct err *e)
{
	struct redact_counts *n = &c->redacted;
	bool first = n->blocked == NULL;

	if (doc->n == 0)
		return true;
	*doc = redact_json(c->hub->core, c->redaction.args, *doc, into, n);
	if (first && n->blocked != NULL && into != &c->clean.args)
		n->blocked_at = SIZE_MAX; /* in no argument */
	return doc->p != NULL ? true
			      : err_set(e, ERR_TOO_LARGE, "the arguments are too large to redact");
}

bool
call_redact_ask(struct call *c, struct call_ask *a, struct ask *ask, struct err *e)
{
	if (!rules_redact(c->hub->core, a->key, &(struct via){ ask->view, ask->client }, ask->kind,
		ask->name, &c->redaction))
		return true;
	c->outcome.redacted = &c->redacted;
	if (!c->redaction.any_args)
		return true;
	if (!ask_clean(c, &a->args, &c->clean.args, e) ||
	    !ask_clean(c, &a->context, &c->clean.context, e) ||
	    !ask_clean(c, &a->meta, &c->clean.meta, e) ||
	    !ask_clean(c, &a->input_responses, &c->clean.responses, e))
		return false;
	if (a->args.n > 0)
		ask->args = a->args;
	ask->redacted = &c->redacted;
	ask->redacted_by = c->redaction.args_by;
	return true;
}

/* ---- towards the client ---- */

/* requestState comes back to the server as it left it, or its next round fails. */
static struct str
question_clean(struct call *c, struct str result, struct buf *out)
{
	struct json_iter it;
	struct str key, v;
	struct buf one;
	bool first = true;

	buf_init(&one, out->limit);
	buf_reset(out);
	buf_putc(out, '{');
	(void)json_open(result, &it);
	while (json_next(&it, &key, &v)) {
		if (!json_key_is(key, STR("requestState")))
			v = redact_json(c->hub->core, c->redaction.result, v, &one, &c->redacted);
		buf_puts(out, first ? "" : ",");
		first = false;
		buf_put(out, key);
		buf_putc(out, ':');
		buf_put(out, v);
		out->failed = out->failed || v.p == NULL;
	}
	buf_putc(out, '}');
	buf_fini(&one);
	return buf_ok(out) ? buf_str(out) : STR_NONE;
}

struct str
call_redact_question(struct call *c, struct str result, struct buf *out)
{
	buf_init(out, c->hub->result_bytes_max * 2);
	if (!c->redaction.any_result)
		return result;
	c->redacted.blocked = NULL;
	result = question_clean(c, result, out);
	return c->redacted.blocked == NULL ? result : STR_NONE;
}

static void
withheld(struct call *c)
{
	struct buf text;

	buf_init(&text, 4096);
	buf_printf(&text,
	    "the result was withheld: it holds what must not be seen here (%s)%s; the call itself "
	    "has %sbeen made",
	    c->redacted.blocked, c->redaction.result_by,
	    pass_open(&c->pass) ? "" : "not "); /* a question whether it may be */
	c->outcome.detail = STR("withheld");
	c->withheld = pass_open(&c->pass);
	c->error = STR_NONE;
	if (c->kind == CALL_TOOL) {
		buf_reset(&c->clean.result);
		rpc_put_text_result(&c->clean.result, buf_str(&text), true);
		c->result = buf_str(&c->clean.result);
	} else {
		(void)err_set(&c->why, ERR_DENIED, STR_FMT, STR_ARG(buf_str(&text)));
		c->result = STR_NONE;
	}
	buf_fini(&text);
}

void
call_redact_result(struct call *c)
{
	struct str type;

	if (!c->redaction.any_result || c->why.code != ERR_NONE)
		return;
	c->redacted.blocked = NULL; /* what was asked on the way is over */
	if (json_get(c->result, STR("resultType"), &type) &&
	    json_string_is(type, STR("input_required")))
		c->result = question_clean(c, c->result, &c->clean.result);
	else
		c->result = redact_json(
		    c->hub->core, c->redaction.result, c->result, &c->clean.result, &c->redacted);
	if (c->error.p != NULL)
		c->error = redact_json(
		    c->hub->core, c->redaction.result, c->error, &c->clean.error, &c->redacted);
	if (c->redacted.blocked != NULL)
		withheld(c);
	else if (c->result.p == NULL)
		(void)err_set(&c->why, ERR_TOO_LARGE, "the result is too large to redact");
}

bool
call_redact_notice(struct call *c, struct rpc *m, struct buf *out)
{
	buf_init(out, NOTICE_BYTES);
	if (!c->redaction.any_result || m->params.n == 0)
		return true;
	c->redacted.blocked = NULL;
	m->params = redact_json(c->hub->core, c->redaction.result, m->params, out, &c->redacted);
	return m->params.p != NULL && c->redacted.blocked == NULL;
}

/* ---- towards the server, later ---- */

struct str
call_redact_answer(struct call *c, struct str result, struct buf *out)
{
	buf_init(out, NOTICE_BYTES);
	if (!c->redaction.any_args || result.p == NULL)
		return result;
	c->redacted.blocked = NULL;
	result = redact_json(c->hub->core, c->redaction.args, result, out, &c->redacted);
	return c->redacted.blocked == NULL ? result : STR_NONE;
}

/* ---- memory ---- */

void
call_redact_init(struct call *c)
{
	buf_init(&c->clean.args, ARGS_BYTES_MAX);
	buf_init(&c->clean.context, ARGS_BYTES_MAX);
	buf_init(&c->clean.meta, META_BYTES_MAX);
	buf_init(&c->clean.responses, ARGS_BYTES_MAX);
	buf_init(&c->clean.result, c->hub->result_bytes_max * 2 + 4096);
	buf_init(&c->clean.error, c->hub->result_bytes_max * 2 + 4096);
}

/* What was sent is copied by then. */
void
call_redact_sent(struct call *c)
{
	buf_fini(&c->clean.args);
	buf_fini(&c->clean.context);
	buf_fini(&c->clean.meta);
	buf_fini(&c->clean.responses);
}

void
call_redact_fini(struct call *c)
{
	call_redact_sent(c);
	buf_fini(&c->clean.result);
	buf_fini(&c->clean.error);
}
