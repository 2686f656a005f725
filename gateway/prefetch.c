/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefetch - a request that carries our `lua` is given the signatures that its task speaks of.
 *
 * Whoever proxies the model sees the task before the model does, and is the hub as well: so the
 * model need not spend a turn on `tools`.  Only where the provider says `prefetch: true`, and as
 * little as can be: one text block more, behind the last one of the last message, if a person
 * speaks there (no results of tools) and `lua` is among the request's tools.  What stands before
 * it keeps its bytes, so a cached prefix stays valid; the client never sees the block and sends
 * the next request without it.  How many were added is in the audit row.
 *
 *	"content":"…"                 "content":[{"type":"text","text":"…"},{…ours…}]
 *	"content":[{…},{…}]           "content":[{…},{…},{…ours…}]
 */
#include "base/json.h"
#include "gateway/gateway.h"

#define TASK_BYTES   ((size_t)4 << 10)  /* of the person's words that are searched for */
#define STRING_BYTES ((size_t)64 << 10) /* a lone string that becomes a list is copied for it */

static const struct str reminder = STR("<system-reminder>"); /* a client's own, in a message */

/* The description of `lua` in the request, under whatever name the client gives it. */
static bool
lua_find(struct arena *a, struct str tools, struct str *description)
{
	struct json_iter it;
	struct str key, tool, raw;

	if (tools.p == NULL || !json_open(tools, &it))
		return false;
	while (json_next(&it, &key, &tool))
		if (json_get(tool, STR("description"), &raw) && json_string(raw, a, description) &&
		    str_starts(*description, STR(CODEMODE_LUA_BEGINS)))
			return true;
	return false;
}

/* The content of the last message, if it is a person's. */
static bool
last_content(struct str messages, struct str *content)
{
	struct json_iter it;
	struct str key, message, last = STR_NONE, role;

	if (messages.p == NULL || !json_open(messages, &it))
		return false;
	while (json_next(&it, &key, &message))
		last = message;
	return last.p != NULL && json_get(last, STR("role"), &role) &&
	       json_string_is(role, STR("user")) && json_get(last, STR("content"), content);
}

static void
words_add(struct arena *a, struct str raw, struct buf *task)
{
	struct str text;

	if (!json_string(raw, a, &text) || str_starts(str_trim(text), reminder))
		return;
	if (text.n > TASK_BYTES - task->n)
		text.n = TASK_BYTES - task->n;
	buf_put(task, text);
	if (task->n < TASK_BYTES)
		buf_putc(task, '\n');
}

/* Text blocks only: with the result of a tool the task is under way already. */
static bool
task_read(struct arena *a, struct str content, struct buf *task)
{
	struct json_iter it;
	struct str key, block, type, text;

	if (json_kind(content) == JSON_STRING) {
		if (content.n <= STRING_BYTES)
			words_add(a, content, task);
		return task->n > 0;
	}
	if (json_kind(content) != JSON_ARRAY || !json_open(content, &it))
		return false;
	while (json_next(&it, &key, &block)) {
		if (!json_get(block, STR("type"), &type) ||
		    json_string_is(type, STR("tool_result")))
			return false;
		if (json_string_is(type, STR("text")) && json_get(block, STR("text"), &text))
			words_add(a, text, task);
	}
	return task->n > 0;
}

/* Behind the last block; a lone string becomes a list. */
static struct edit
edit_make(struct arena *a, struct str content, struct str signatures)
{
	bool list = json_kind(content) == JSON_ARRAY;
	struct edit e = { .span = list ? (struct str){ content.p + content.n - 1, 0 } : content };
	struct buf b, text;

	buf_init(&text, 0);
	buf_puts(&text, "Tools that `lua` can call and that may fit:\n");
	buf_put(&text, signatures);
	buf_init(&b, 0);
	if (!list) {
		buf_puts(&b, "[{\"type\":\"text\",\"text\":");
		buf_put(&b, content);
		buf_putc(&b, '}');
	}
	buf_puts(&b, ",{\"type\":\"text\",\"text\":");
	buf_json_str(&b, buf_str(&text));
	buf_puts(&b, list ? "}" : "}]");
	e.with = arena_str(a, buf_str(&b));
	buf_fini(&b);
	buf_fini(&text);
	return e;
}

size_t
prefetch(struct exchange *x, const struct asked *q, struct edit *edit)
{
	struct str description, content;
	struct buf task, signatures;
	struct arena scratch;
	struct err e;
	size_t n = 0;

	if (x->g->codemode == NULL || q->tools.p == NULL || q->messages.p == NULL)
		return 0;
	arena_init(&scratch, 2 * q->body.n + 65536); /* what is unescaped, and its alignment */
	buf_init(&task, TASK_BYTES);
	buf_init(&signatures, 0);
	/* The tools were checked when they were judged; the messages only bracketed. */
	if (lua_find(&scratch, q->tools, &description) && json_check(q->messages, false, &e) &&
	    last_content(q->messages, &content) && task_read(&scratch, content, &task))
		n = codemode_hints(
		    x->g->codemode, x->key, buf_str(&task), description, &signatures);
	if (n > 0)
		*edit = edit_make(&x->arena, content, buf_str(&signatures));
	buf_fini(&signatures);
	buf_fini(&task);
	arena_free(&scratch);
	return n;
}
