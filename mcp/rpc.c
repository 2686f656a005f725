/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rpc - JSON-RPC 2.0 as MCP uses it.
 *
 * A message is checked as a whole, then its members are read as spans; nothing is converted, so an
 * id of 1e3, 9007199254740993 or "7" goes back as it came.  Strict where a decision rests on it:
 * "jsonrpc" is "2.0", an id is a string or a number (null is refused), params is an object, and no
 * member of the message is there twice.  Arrays (batches) are for whoever calls this, see serve.c.
 */
#include "mcp/rpc.h"

#include <string.h>

static bool
bad(struct rpc *m, struct err *e, const char *text)
{
	m->bad = RPC_REQUEST;
	return err_set(e, ERR_INVALID, "%s", text);
}

static bool
id_take(struct rpc *m, struct str raw, struct err *e)
{
	if (raw.p == NULL)
		return true;
	if (json_kind(raw) != JSON_STRING && json_kind(raw) != JSON_NUMBER)
		return bad(m, e, "the id must be a string or a number");
	if (raw.n > RPC_ID_BYTES_MAX)
		return bad(m, e, "the id is longer than 256 bytes");
	m->id = raw;
	return true;
}

static bool
method_take(struct rpc *m, struct str raw, struct err *e)
{
	struct arena a;
	struct str s;
	bool ok;

	if (json_kind(raw) != JSON_STRING || raw.n > (size_t)RPC_METHOD_BYTES_MAX * 6)
		return bad(m, e, "the method must be a string of at most 128 bytes");
	arena_init(&a, 8192);
	ok = json_string(raw, &a, &s) && str_copy(m->method, sizeof(m->method), s);
	arena_free(&a);
	return ok ? true : bad(m, e, "the method must be a string of at most 128 bytes");
}

static bool
request_take(struct rpc *m, const struct json_field *f, struct err *e)
{
	if (f[3].raw.p != NULL && json_kind(f[3].raw) != JSON_OBJECT)
		return bad(m, e, "params must be an object");
	if (f[4].raw.p != NULL || f[5].raw.p != NULL)
		return bad(m, e, "a message has a method, a result or an error, not two of them");
	m->params = f[3].raw.p == NULL ? STR("{}") : f[3].raw;
	m->kind = m->id.p == NULL ? RPC_IS_NOTIFICATION : RPC_IS_REQUEST;
	return method_take(m, f[2].raw, e);
}

static bool
answer_take(struct rpc *m, const struct json_field *f, struct err *e)
{
	if (f[4].raw.p != NULL && f[5].raw.p != NULL)
		return bad(m, e, "a message has a method, a result or an error, not two of them");
	m->result = f[4].raw;
	m->error = f[5].raw;
	m->kind = f[4].raw.p != NULL ? RPC_IS_RESULT : RPC_IS_ERROR;
	if (m->result.p == NULL && m->error.p == NULL)
		return bad(m, e, "a message needs a method, a result or an error");
	return true;
}

bool
rpc_parse(struct str text, bool ours, struct rpc *m, struct err *e)
{
	struct json_field f[] = { { .name = STR("jsonrpc") }, { .name = STR("id") },
		{ .name = STR("method") }, { .name = STR("params") }, { .name = STR("result") },
		{ .name = STR("error") } };
	struct err why;
	bool unique;

	*m = (struct rpc){ .bad = RPC_PARSE };
	unique = json_check(text, ours, e);
	if (!unique) {
		why = *e;
		if (!ours || !json_check(text, false, e))
			return false; /* no JSON at all; else a key is there twice, see below */
	}
	m->bad = RPC_REQUEST;
	if (!json_fields(text, f, COUNT(f), e))
		return false;
	/* An answer to something that could not be read has the id null. */
	if (json_kind(f[1].raw) == JSON_NULL && f[1].raw.p != NULL && f[5].raw.p != NULL)
		f[1].raw = STR_NONE;
	if (!id_take(m, f[1].raw, e))
		return false;
	if (!unique)
		return bad(m, e, why.text);
	if (f[0].raw.p == NULL || !json_string_is(f[0].raw, STR("2.0")))
		return bad(m, e, "jsonrpc must be \"2.0\"");
	return f[2].raw.p != NULL ? request_take(m, f, e) : answer_take(m, f, e);
}

bool
rpc_is(const struct rpc *m, const char *method)
{
	return strcmp(m->method, method) == 0;
}

static void
head_put(struct buf *b, struct str id)
{
	buf_puts(b, "{\"jsonrpc\":\"2.0\",\"id\":");
	buf_put(b, id.p == NULL ? STR("null") : id);
}

void
rpc_put_result(struct buf *b, struct str id, struct str result_json)
{
	(void)buf_room(b, id.n + result_json.n + 64); /* grows once */
	head_put(b, id);
	buf_puts(b, ",\"result\":");
	buf_put(b, result_json);
	buf_putc(b, '}');
}

void
rpc_put_error(struct buf *b, struct str id, int code, struct str text, struct str data_json)
{
	head_put(b, id);
	buf_puts(b, ",\"error\":{\"code\":");
	buf_i64(b, code);
	buf_puts(b, ",\"message\":");
	buf_json_str(b, text);
	if (data_json.n > 0) {
		buf_puts(b, ",\"data\":");
		buf_put(b, data_json);
	}
	buf_puts(b, "}}");
}

void
rpc_put_members(struct buf *out, struct str object, struct str except)
{
	struct json_iter it;
	struct str key, v;

	if (object.n == 0 || !json_open(object, &it))
		return;
	while (json_next(&it, &key, &v)) {
		if (json_key_is(key, except))
			continue;
		if (out->n > 0 && out->p[out->n - 1] != '{')
			buf_putc(out, ',');
		buf_put(out, key);
		buf_putc(out, ':');
		buf_put(out, v);
	}
}

void
rpc_put_text_result(struct buf *b, struct str text, bool is_error)
{
	buf_puts(b, "{\"content\":[{\"type\":\"text\",\"text\":");
	buf_json_str(b, text);
	buf_puts(b, is_error ? "}],\"isError\":true}" : "}]}");
}
