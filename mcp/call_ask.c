/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call_ask - what a client's request asks for, read from its message.
 *
 * Strings are decoded into the caller's arena; arguments and _meta stay spans of the body, so what
 * is decided on is what is sent on.  Headers give the client's own names for what it does, which
 * join our rows with its log, and are otherwise only compared with the body.
 */
#include "mcp/param.h"
#include "mcp/serve.h"

#define JOIN_BYTES_MAX 256

static struct str
header_of(const struct visit *v, struct str name)
{
	const struct header *h = http1_find(v->r->head, name);

	return h == NULL ? STR("") : str_trim(h->value);
}

static struct str
clipped(struct str s)
{
	if (s.n > JOIN_BYTES_MAX)
		s.n = JOIN_BYTES_MAX;
	return s;
}

struct str
visit_session(const struct visit *v)
{
	struct str s = clipped(header_of(v, STR("x-claude-code-session-id")));

	if (s.n == 0)
		s = clipped(header_of(v, STR("session-id")));
	return s.n == 0 && v->session != NULL ? str_of(v->session->tag) : s;
}

/* The client's own names for what it does: they join our rows with its log. */
static void
join_keys(struct visit *v, struct call_ask *a, struct arena *ar)
{
	struct str raw;

	a->session = visit_session(v);
	a->client = clipped(header_of(v, STR("user-agent")));
	a->address = v->r->peer;
	a->tool_use = STR("");
	if (a->meta.n > 0 && (json_get(a->meta, STR("claudecode/toolUseId"), &raw) ||
				 json_get(a->meta, STR("callId"), &raw)))
		if (raw.n < 1024 && json_string(raw, ar, &a->tool_use))
			a->tool_use = clipped(a->tool_use);
}

static bool
text_get(struct str object, struct str name, struct arena *ar, struct str *out)
{
	struct str raw;

	return json_get(object, name, &raw) && raw.n <= 16384 && json_string(raw, ar, out);
}

/* completion/complete names a prompt or a template, and one argument of it. */
static const char *
complete_read(const struct rpc *m, struct call_ask *a, struct arena *ar)
{
	struct str ref, type;

	if (!json_get(m->params, STR("ref"), &ref) || json_kind(ref) != JSON_OBJECT ||
	    !json_get(ref, STR("type"), &type))
		return "params.ref must be a reference to a prompt or a resource";
	a->kind = json_string_is(type, STR("ref/resource")) ? CALL_COMPLETE_RESOURCE
							    : CALL_COMPLETE_PROMPT;
	if (!text_get(
		ref, a->kind == CALL_COMPLETE_RESOURCE ? STR("uri") : STR("name"), ar, &a->name))
		return "params.ref must name its prompt or resource";
	if (!json_get(m->params, STR("argument"), &a->args) || json_kind(a->args) != JSON_OBJECT)
		return "params.argument must be an object";
	if (json_get(m->params, STR("context"), &a->context) &&
	    json_kind(a->context) != JSON_OBJECT)
		return "params.context must be an object";
	return NULL;
}

static const char *
params_read(const struct rpc *m, struct call_ask *a, struct arena *ar)
{
	if (json_get(m->params, STR("_meta"), &a->meta) && json_kind(a->meta) != JSON_OBJECT)
		return "params._meta must be an object";
	if (rpc_is(m, "completion/complete"))
		return complete_read(m, a, ar);
	if (rpc_is(m, "resources/read")) {
		a->kind = CALL_READ;
		return text_get(m->params, STR("uri"), ar, &a->name)
			   ? NULL
			   : "params.uri must be a string";
	}
	a->kind = rpc_is(m, "prompts/get") ? CALL_PROMPT : CALL_TOOL;
	if (!text_get(m->params, STR("name"), ar, &a->name))
		return "params.name must be a string";
	if (json_get(m->params, STR("arguments"), &a->args) && json_kind(a->args) != JSON_OBJECT)
		return "params.arguments must be an object";
	return NULL;
}

const char *
call_ask_read(struct visit *v, const struct rpc *m, struct call_ask *a, struct arena *ar)
{
	const char *wrong = params_read(m, a, ar);

	if (wrong == NULL)
		join_keys(v, a, ar);
	return wrong;
}

bool
call_ask_is(const struct rpc *m)
{
	return rpc_is(m, "tools/call") || rpc_is(m, "prompts/get") || rpc_is(m, "resources/read") ||
	       rpc_is(m, "completion/complete");
}

/* The modern wire mirrors arguments in headers; only the body decides anything. */
bool
call_ask_headers(const struct visit *v, const struct call_ask *a)
{
	const struct tool *t;

	if (v->era != ERA_MODERN || a->kind != CALL_TOOL || a->args.n == 0)
		return true;
	t = hub_find_tool(v->hub, a->name);
	return t == NULL ||
	       !rules_may_list(
		   v->hub->core, v->r->key, view_of(v->view), ASK_TOOL, t->policy_name) ||
	       param_headers_fit(v->r->head, t->input_schema, a->args);
}
