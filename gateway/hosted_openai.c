/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hosted_openai - the tools in a request to OpenAI's APIs, or to one like them, that the provider
 * would run itself.
 *
 *   tools: [{ type: web_search }]                      -> web_search
 *   tools: [{ type: mcp, server_url: https://HOST }]   -> mcp/HOST
 *   tools: [{ type: mcp, connector_id: ID }]           -> mcp_connector/ID
 *   tools: [{ type: mcp, tunnel_id: ID }]              -> mcp_tunnel/ID
 *
 * No grant is needed for what the request defines itself (function, custom, also within a
 * namespace) and for the search among these.  Everything else is the provider's, known or not.
 * Responses brings tools in two more places: items of `input` that load some (tool_search_output
 * and whatever else has `tools`) and state that the provider keeps, which dialect_openai.c names.
 */
#include "gateway/hosted.h"

#include "base/json.h"
#include "gateway/dialect.h"

/* "web_search_2025_08_26" is web_search, whatever its date. */
static struct str
without_date(struct str type)
{
	static const char form[] = "_9999_99_99";
	const size_t n = sizeof(form) - 1;

	if (type.n <= n)
		return type;
	for (size_t i = 0; i < n; i++) {
		char c = type.p[type.n - n + i];

		if (form[i] == '_' ? c != '_' : c < '0' || c > '9')
			return type;
	}
	return (struct str){ type.p, type.n - n };
}

static bool
is_own(struct str type)
{
	return str_eq(type, STR("function")) || str_eq(type, STR("custom")) ||
	       str_eq(type, STR("tool_search"));
}

/* "mcp_connector/" and an id. */
static bool
id_add(struct hosted_reading *r, const char *what, struct str raw, size_t at, struct err *e)
{
	struct buf name;
	struct str id;
	bool ok;

	if (!json_string(raw, &r->scratch, &id) || !hosted_name_sane(id))
		return err_set(
		    e, ERR_INVALID, "tools[%zu]: the id of a connector or tunnel is no name", at);
	buf_init(&name, 0);
	buf_puts(&name, what);
	buf_put(&name, id);
	ok = hosted_add(r, buf_str(&name), e);
	buf_fini(&name);
	return ok;
}

static bool
server_add(struct hosted_reading *r, struct str raw, size_t at, struct err *e)
{
	struct buf name;
	bool ok;

	buf_init(&name, 0);
	ok = hosted_host(r, raw, &name)
		 ? hosted_add(r, buf_str(&name), e)
		 : err_set(e, ERR_INVALID,
		       "tools[%zu].server_url is not an http(s) URL without user and password", at);
	buf_fini(&name);
	return ok;
}

static bool
given(struct str raw)
{
	return raw.p != NULL && json_kind(raw) != JSON_NULL;
}

/* Exactly one place, so that nobody can be asked about one and another be used. */
static bool
mcp_read(struct hosted_reading *r, struct str tool, size_t at, struct err *e)
{
	struct json_field f[] = { { .name = STR("server_url") }, { .name = STR("connector_id") },
		{ .name = STR("tunnel_id") } };
	struct err why;

	if (!asked_fields(tool, f, COUNT(f), &why))
		return err_set(e, ERR_INVALID, "tools[%zu]: %s", at, why.text);
	if (given(f[0].raw) + given(f[1].raw) + given(f[2].raw) != 1)
		return err_set(e, ERR_INVALID,
		    "tools[%zu] needs one of server_url, connector_id and tunnel_id, and only one",
		    at);
	if (given(f[0].raw))
		return server_add(r, f[0].raw, at, e);
	return given(f[1].raw) ? id_add(r, "mcp_connector/", f[1].raw, at, e)
			       : id_add(r, "mcp_tunnel/", f[2].raw, at, e);
}

static bool
type_read(struct hosted_reading *r, struct str tool, size_t at, struct str *type, struct str *inner,
    struct err *e)
{
	struct json_field f[] = { { .name = STR("type") }, { .name = STR("tools") } };
	struct err why;

	if (!asked_fields(tool, f, COUNT(f), &why))
		return err_set(e, ERR_INVALID, "tools[%zu]: %s", at, why.text);
	*inner = f[1].raw;
	if (!hosted_type(r, f[0].raw, "tools", at, type, e))
		return false;
	*type = without_date(*type);
	return true;
}

/* A tool that is no namespace: those do not nest. */
static bool
plain_tool_read(struct hosted_reading *r, struct str tool, size_t at, struct err *e)
{
	struct str type = STR_NONE, inner = STR_NONE;

	if (!type_read(r, tool, at, &type, &inner, e))
		return false;
	if (str_eq(type, STR("mcp")))
		return mcp_read(r, tool, at, e);
	return is_own(type) || hosted_add(r, type, e);
}

static bool
tool_read(struct hosted_reading *r, struct str tool, size_t at, struct err *e)
{
	struct str type = STR_NONE, inner = STR_NONE;

	if (!type_read(r, tool, at, &type, &inner, e))
		return false;
	if (str_eq(type, STR("namespace")))
		return hosted_each(r, inner, "tools of a namespace", plain_tool_read, e);
	return plain_tool_read(r, tool, at, e);
}

bool
hosted_openai_tools(struct hosted_reading *r, struct str tools, struct err *e)
{
	return hosted_each(r, tools, "tools", tool_read, e);
}

/* One that is only named: a reference, which needs no type, and a picture without its bytes. */
static bool
is_reference(struct str type, const struct json_field *role, const struct json_field *content,
    const struct json_field *result)
{
	if (!given(type))
		return !given(role->raw) || !given(content->raw);
	return json_string_is(type, STR("item_reference")) ||
	       (json_string_is(type, STR("image_generation_call")) && !given(result->raw));
}

/* A listing of an MCP server's tools only repeats what that server said: it defines none. */
static bool
item_read(struct hosted_reading *r, struct str item, size_t at, struct err *e)
{
	struct json_field f[] = { { .name = STR("type") }, { .name = STR("tools") },
		{ .name = STR("role") }, { .name = STR("content") }, { .name = STR("result") } };
	struct err why;

	if (json_kind(item) != JSON_OBJECT)
		return true;
	if (!asked_fields(item, f, COUNT(f), &why))
		return err_set(e, ERR_INVALID, "input[%zu]: %s", at, why.text);
	if (is_reference(f[0].raw, &f[2], &f[3], &f[4]) && !hosted_add(r, STR("stored_item"), e))
		return false;
	if (f[1].raw.p == NULL ||
	    (f[0].raw.p != NULL && json_string_is(f[0].raw, STR("mcp_list_tools"))))
		return true;
	return hosted_each(r, f[1].raw, "tools of an item", tool_read, e);
}

bool
hosted_openai_input(struct hosted_reading *r, struct str input, struct err *e)
{
	return json_kind(input) == JSON_STRING ||
	       (hosted_each(r, input, "input", item_read, e) && hosted_files(r, input, "input", e));
}
